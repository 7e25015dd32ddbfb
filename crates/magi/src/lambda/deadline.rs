//! When an invocation ends, as far as the platform says.

use std::time::Duration;

use anyhow::{Result, bail};
use lambda_http::{Request, RequestExt};
use magi_log::Clock;
use tokio::time::Instant;

use crate::settings::Settings;

/// What is kept of an invocation's time to end its answer well.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Margin(Duration);

impl Margin {
    /// Reads the setting.
    ///
    /// # Errors
    ///
    /// When it is not a duration, or none.
    pub(crate) fn read(settings: &Settings) -> Result<Margin> {
        match settings.duration("lambda.margin")? {
            Some(margin) if !margin.is_zero() => Ok(Margin(margin)),
            _ => bail!("setting `lambda.margin` must be more than 0"),
        }
    }

    /// Returns the margin itself.
    pub(crate) fn length(self) -> Duration {
        self.0
    }

    /// Returns when to begin to end: the margin before the end, but never before half of the time.
    pub(crate) fn before(self, time: Time) -> Instant {
        time.now + (time.left - self.0.min(time.left / 2))
    }
}

/// What is left of an invocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time {
    now: Instant,
    /// How long it may still run.
    pub(crate) left: Duration,
}

impl Time {
    /// Reads what the platform says of this invocation.
    pub(crate) fn of(request: &Request, clock: &dyn Clock) -> Option<Time> {
        let deadline = request.lambda_context_ref()?.deadline;
        Time::left(deadline, clock.now().as_millis())
    }

    /// Both in ms since 1970. A deadline that is past is none: an emulator says so where it has no
    /// limit, and a real invocation does not begin after its end.
    fn left(deadline: u64, now: i64) -> Option<Time> {
        let left = deadline.checked_sub(u64::try_from(now).ok()?)?;
        // Nothing of Lambda's lasts longer than a day; what says so means no limit, too.
        let is_limit = (1..=24 * 3600 * 1000).contains(&left);
        is_limit.then(|| Time {
            now: Instant::now(),
            left: Duration::from_millis(left),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn left(deadline_ms: u64) -> Option<Time> {
        Time::left(deadline_ms, 1_000_000)
    }

    #[tokio::test(start_paused = true)]
    async fn the_margin_is_kept_before_the_end() {
        let margin = Margin(5 * S);
        let time = left(1_060_000).unwrap();
        assert_eq!(time.left, 60 * S);
        assert_eq!(margin.before(time), Instant::now() + 55 * S);
        // Of a short time at least half is used, so that every invocation gets somewhere.
        let time = left(1_004_000).unwrap();
        assert_eq!(margin.before(time), Instant::now() + 2 * S);
    }

    #[tokio::test]
    async fn a_past_or_missing_deadline_is_unknown() {
        assert!(left(0).is_none());
        assert!(left(600_000).is_none());
        assert!(left(1_000_000).is_none());
        assert!(left(u64::MAX).is_none());
    }
}
