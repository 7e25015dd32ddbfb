//! A member's time: a total that stands still while somebody else keeps it waiting.

use std::time::Duration;

use tokio::time::Instant;

use crate::Deadlines;
use crate::pauses::Pauses;

/// How long one member may still take, over all its attempts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance<'a> {
    pauses: &'a Pauses,
    /// How long all pauses had taken when the time began.
    paused_before: Duration,
    total: Duration,
    began: Instant,
    ends: Instant,
    /// The end that nothing moves.
    hard_end: Instant,
    /// How much waiting for a throttled vendor may still count.
    throttle_left: Duration,
}

impl<'a> Allowance<'a> {
    /// Begins a member's time: `total` from now, and never beyond `hard_end`. Pauses from now on move
    /// both.
    pub(crate) fn new(
        total: Duration,
        hard_end: Instant,
        deadlines: &Deadlines,
        pauses: &'a Pauses,
    ) -> Self {
        let began = Instant::now();
        Allowance {
            pauses,
            paused_before: pauses.total(),
            total,
            began,
            ends: began + total,
            hard_end,
            throttle_left: deadlines.throttle_cap,
        }
    }

    /// Returns when the time is over.
    pub(crate) fn end(&self) -> Instant {
        let paused = self.pauses.total().saturating_sub(self.paused_before);
        self.ends.min(self.hard_end) + paused
    }

    /// Returns the deadline as it was set, for the event that says that it ran out.
    pub(crate) fn limit(&self) -> Duration {
        self.total.min(self.hard_end.duration_since(self.began))
    }

    /// Gives back time in which our own store kept the member waiting.
    pub(crate) fn excuse(&mut self, waited: Duration) {
        self.ends += waited;
    }

    /// Takes account of a wait that a throttled vendor asked for: it counts up to the cap.
    pub(crate) fn throttled(&mut self, wait: Duration) {
        let counted = wait.min(self.throttle_left);
        self.throttle_left -= counted;
        self.ends += wait - counted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_throttled_wait_counts_up_to_the_cap() {
        let now = Instant::now();
        let seconds = Duration::from_secs;
        let pauses = Pauses::new();
        let deadlines = Deadlines::default();
        let mut time = Allowance::new(seconds(90), now + seconds(120), &deadlines, &pauses);
        time.throttled(seconds(20));
        assert_eq!(time.end(), now + seconds(90));
        time.throttled(seconds(20));
        assert_eq!(time.end(), now + seconds(100));
        time.excuse(seconds(5));
        assert_eq!(time.end(), now + seconds(105));
        time.throttled(seconds(60));
        assert_eq!(time.end(), now + seconds(120), "the whole stays");
        assert_eq!(time.limit(), seconds(90));
        pauses.pause();
        tokio::time::sleep(seconds(500)).await;
        assert_eq!(time.end(), now + seconds(620));
        pauses.resume();
        tokio::time::sleep(seconds(500)).await;
        assert_eq!(time.end(), now + seconds(620), "a pause moves every end");
    }
}
