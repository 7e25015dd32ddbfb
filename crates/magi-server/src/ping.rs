//! `/ping`, as AgentCore asks it.

use std::sync::{Mutex, PoisonError};

use magi_event::Timestamp;
use serde::Serialize;

/// What the platform is told about this process.
///
/// Source: AgentCore Runtime service contract, "HTTP protocol contract", `GET /ping`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Health {
    /// A request keeps this process in use, or nothing does.
    Healthy,
    /// A deliberation goes on with nobody attached: keep the session.
    HealthyBusy,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Ping {
    status: Health,
    time_of_last_update: i64,
}

/// Remembers since when the status has been what it is: a time that moves at every ping would read
/// as a permanent change, and the platform would keep, and bill, the session to its longest life.
#[derive(Debug)]
pub(crate) struct Pings(Mutex<(Health, Timestamp)>);

impl Pings {
    pub(crate) fn new(now: Timestamp) -> Self {
        Pings(Mutex::new((Health::Healthy, now)))
    }

    pub(crate) fn answer(&self, busy: bool, now: Timestamp) -> Ping {
        let status = if busy {
            Health::HealthyBusy
        } else {
            Health::Healthy
        };
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.0 != status {
            *last = (status, now);
        }
        Ping {
            status,
            time_of_last_update: last.1.as_millis() / 1000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_moves_only_when_the_status_changes() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        let pings = Pings::new(at(100));
        let told = |busy, now| serde_json::to_value(pings.answer(busy, at(now))).unwrap();
        let healthy =
            |since: i64| serde_json::json!({"status": "Healthy", "time_of_last_update": since});
        let busy =
            |since: i64| serde_json::json!({"status": "HealthyBusy", "time_of_last_update": since});
        assert_eq!(told(false, 110), healthy(100));
        assert_eq!(told(false, 120), healthy(100));
        assert_eq!(told(true, 130), busy(130));
        assert_eq!(told(true, 140), busy(130));
        assert_eq!(told(false, 150), healthy(150));
    }
}
