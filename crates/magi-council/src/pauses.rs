//! The pause of a deliberation: nothing is called, and its clocks stand still.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Whether a deliberation is paused, and for how long it was so far.
#[derive(Debug)]
pub(crate) struct Pauses(watch::Sender<State>);

#[derive(Clone, Copy, Debug)]
struct State {
    /// Since when it is paused.
    since: Option<Instant>,
    /// How long earlier pauses took.
    before: Duration,
    /// When it was paused or resumed last.
    changed: Instant,
}

impl Pauses {
    /// Makes the pauses of one that runs.
    pub(crate) fn new() -> Self {
        Pauses(watch::Sender::new(State {
            since: None,
            before: Duration::ZERO,
            changed: Instant::now(),
        }))
    }

    /// Pauses; false when it is paused already.
    pub(crate) fn pause(&self) -> bool {
        self.0.send_if_modified(|state| {
            let now = Instant::now();
            let is_new = state.since.is_none();
            if is_new {
                state.since = Some(now);
                state.changed = now;
            }
            is_new
        })
    }

    /// Goes on; false when it is not paused.
    pub(crate) fn resume(&self) -> bool {
        self.0.send_if_modified(|state| {
            let Some(since) = state.since.take() else {
                return false;
            };
            state.before += since.elapsed();
            state.changed = Instant::now();
            true
        })
    }

    /// Tells whether it is paused.
    pub(crate) fn is_paused(&self) -> bool {
        self.0.borrow().since.is_some()
    }

    /// Returns how long all pauses took until now.
    pub(crate) fn total(&self) -> Duration {
        let state = *self.0.borrow();
        let now = state.since.map(|since| since.elapsed());
        state.before + now.unwrap_or_default()
    }

    /// Returns when it was paused or resumed last, or was begun.
    pub(crate) fn changed_at(&self) -> Instant {
        self.0.borrow().changed
    }

    /// Waits while it is paused.
    ///
    /// # Cancel safety
    ///
    /// Safe: it changes nothing.
    pub(crate) async fn over(&self) {
        let mut changes = self.0.subscribe();
        // The sender lives as long as this does.
        let _ = changes.wait_for(|state| state.since.is_none()).await;
    }

    /// Waits for the next pause or its end.
    ///
    /// # Cancel safety
    ///
    /// Safe: a change after the call began is not missed.
    pub(crate) async fn change(&self) {
        let mut changes = self.0.subscribe();
        let _ = changes.changed().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_time_in_a_pause_counts_and_each_change_happens_once() {
        let pauses = Pauses::new();
        let second = Duration::from_secs(1);
        tokio::time::sleep(second).await;
        assert!(!pauses.resume());
        assert!(pauses.pause() && !pauses.pause() && pauses.is_paused());
        tokio::time::sleep(second).await;
        assert_eq!(pauses.total(), second);
        assert!(pauses.resume());
        tokio::time::sleep(second).await;
        assert_eq!(pauses.total(), second);
        pauses.over().await;
    }
}
