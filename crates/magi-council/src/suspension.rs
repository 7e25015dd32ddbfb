//! The end of a process that keeps nothing, and the next one that goes on from what it left.

use magi_event::DeliberationId;
use tokio::time::timeout;

use crate::control::Halt;
use crate::engine::{Asked, Engine};
use crate::{CouncilPatch, Door, Error};

/// The reason of a `paused` that ends a byte stream.
pub(crate) const DEADLINE: &str = "deadline";

impl Engine {
    /// Suspends a deliberation because this process is about to end: its model calls end, `paused`
    /// with the signed state is its last event here, and the log then ends for its readers without
    /// a last event. Returns once `paused` is stored. One that is over, or suspended already, stays
    /// as it is. Without a [`StateKey`](crate::StateKey) the `paused` has no state.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`]; [`Error::Conflict`] when it does not run here; [`Error::Unavailable`]
    /// when it was not stored in time.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have suspended it.
    pub async fn suspend(&self, id: DeliberationId) -> Result<(), Error> {
        let Some(control) = self.inner.control(id) else {
            let is_over = self.logs().head(id).await?.is_over();
            return if is_over || self.is_suspended(id).await? {
                Ok(())
            } else {
                Err(Error::Conflict("it does not run here".to_owned()))
            };
        };
        control.halt(Halt::suspended());
        let wait = self.inner.rooms.limits.stop_wait;
        timeout(wait, control.done.cancelled())
            .await
            .map_err(|_| Error::Unavailable("the suspension is not stored yet".to_owned()))
    }

    /// Tells whether a deliberation was left to be gone on with elsewhere.
    pub(crate) async fn is_suspended(&self, id: DeliberationId) -> Result<bool, Error> {
        let (snapshot, _) = self.logs().snapshot(id).await?;
        Ok(snapshot.paused.is_some_and(|paused| paused.is_deadline()))
    }

    /// Goes on from the state that a suspended deliberation left, here or on any other instance: a
    /// new deliberation, linked to it by `fork_of`, with its finished votes. The same state may be
    /// used again; each use starts another one.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with field `state`: there is no key here, it is no state, was changed,
    /// signed with another key, or is older than an hour; else as [`Engine::ask`].
    ///
    /// # Cancel safety
    ///
    /// As [`Engine::ask`].
    pub async fn resume_state(&self, state: &str, door: &Door) -> Result<Asked, Error> {
        let Some(key) = &self.inner.rooms.state_key else {
            let message = "cannot be read here: this door has no `MAGI_STATE_KEY`";
            return Err(Error::invalid("state", message));
        };
        let state = key.open(state, self.inner.rooms.env.clock.now())?;
        let mut setup = state.setup;
        setup.fork_of = Some(state.id);
        setup.capabilities.clone_from(&door.capabilities);
        setup.called.clone_from(&door.called);
        self.inner.check_models(&setup, &CouncilPatch::default())?;
        tracing::info!(id = %state.id, generation = state.generation, seq = state.seq,
            "a suspended deliberation goes on");
        self.open(setup, None).await
    }
}
