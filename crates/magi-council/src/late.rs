//! A sage who is late: the votes would do without it, and it is waited for or left out, as the council
//! chose.

use std::time::Duration;

use magi_event::Agent;
use magi_log::Closed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use crate::deliberation::Deliberation;
use crate::pauses::Pauses;

/// What becomes of a sage who is late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Late {
    /// It is waited for, as long as its own time lasts.
    #[default]
    Wait,
    /// It is left out, and missing.
    Exclude,
}

impl std::str::FromStr for Late {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "wait" => Ok(Late::Wait),
            "exclude" => Ok(Late::Exclude),
            _ => Err("expected `wait` or `exclude`"),
        }
    }
}

/// Since when the votes would do without those who are still at work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    since: Instant,
    /// How long all pauses had taken by then.
    paused_before: Duration,
}

impl Waiting {
    /// Waits until they are late; pauses do not count.
    ///
    /// # Cancel safety
    ///
    /// Safe: it changes nothing.
    pub(crate) async fn over(self, pauses: &Pauses, grace: Duration) {
        loop {
            pauses.over().await;
            let paused = pauses.total().saturating_sub(self.paused_before);
            let end = self.since + grace + paused;
            if Instant::now() >= end {
                return;
            }
            sleep_until(end).await;
        }
    }
}

impl Deliberation {
    /// Looks whether the votes that were cast would do: then those at work for the first time are
    /// waited for a while and no more.
    pub(crate) fn look_for_late(&mut self) {
        let is_waited_for = self.lanes.values().any(|work| !work.is_asked_for);
        // Who is waited for anyway is never late: nothing is to be told, and nothing done.
        let may_be_late = self.stage.setup.council.late == Late::Exclude && is_waited_for;
        if !may_be_late || !self.count().has_quorum {
            self.waiting = None;
        } else if self.waiting.is_none() && !self.was_late {
            self.waiting = Some(Waiting {
                since: Instant::now(),
                paused_before: self.stage.control.pauses.total(),
            });
        }
    }

    /// Takes in that they are late: says so, and leaves them out, as the council chose.
    pub(crate) fn take_late(&mut self) -> Result<(), Closed> {
        self.waiting = None;
        self.was_late = true;
        let council = &self.stage.setup.council;
        for (sage, work) in self.lanes.iter().filter(|(_, work)| !work.is_asked_for) {
            let attributes = json!({
                "agent": Agent::Sage(*sage).name(),
                "choice": council.late,
                "after_s": council.deadlines.late.as_secs_f64(),
            });
            self.stage
                .writer
                .append(self.stage.record("late", attributes))?;
            self.excluded.insert(*sage);
            work.handle.abort();
        }
        Ok(())
    }
}
