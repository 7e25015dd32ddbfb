//! The stop of one member alone: the others go on without it.

use magi_event::{Agent, Body, Cause, DeliberationId, Event};
use magi_log::After;
use tokio::time::timeout;

use crate::Error;
use crate::engine::{Engine, Stopped};
use crate::setup::Setup;

/// How one member stands in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It has not begun.
    Waits,
    /// It is at work.
    Works,
    /// It is done, stopped or not.
    Done { was_stopped: bool },
}

impl Standing {
    /// Returns the standing after one more event.
    fn after(self, agent: Agent, body: &Body) -> Self {
        match (agent, body) {
            (Agent::Sage(own), Body::AgentStart(sage, _)) if own == *sage => Standing::Works,
            (Agent::Sage(own), Body::AgentComplete(sage, complete)) if own == *sage => {
                Standing::Done {
                    was_stopped: complete.cause == Some(Cause::Stopped),
                }
            }
            (Agent::Judge, Body::JudgeStart(_)) => Standing::Works,
            (Agent::Judge, Body::JudgeComplete(_)) => Standing::Done { was_stopped: false },
            (Agent::Judge, Body::JudgeError(error)) if !error.retryable => Standing::Done {
                was_stopped: error.code == Cause::Stopped.word(),
            },
            _ => self,
        }
    }
}

fn standing(agent: Agent, events: &[Event]) -> Standing {
    events.iter().fold(Standing::Waits, |standing, event| {
        standing.after(agent, &event.body)
    })
}

impl Engine {
    /// Stops one member. The answer comes when its end is stored; for a judge who was not called yet,
    /// at once.
    pub(crate) async fn stop_member(
        &self,
        id: DeliberationId,
        agent: Agent,
        by: &str,
    ) -> Result<Stopped, Error> {
        let setup = self.logs().setup(id).await?;
        let setup: Setup = serde_json::from_slice(&setup)
            .map_err(|error| Error::Conflict(format!("its setup does not read: {error}")))?;
        if !setup.council.members().any(|(member, _)| member == agent) {
            let message = format!("names {agent}, who is not in this council");
            return Err(Error::invalid("agent", message));
        }
        let is_over = self.logs().head(id).await?.is_over();
        let before = standing(agent, &self.logs().events(id).await?);
        if is_over || matches!(before, Standing::Done { .. }) {
            return self.stopped(id, false).await;
        }
        let is_new = match self.inner.control(id) {
            Some(control) => control.dismiss(agent),
            None => self.post(id, by.to_owned(), Some(agent)).await?,
        };
        let changed = if agent == Agent::Judge && before == Standing::Waits {
            is_new
        } else {
            let wait = self.inner.rooms.limits.stop_wait;
            let Ok(ended) = timeout(wait, self.end_of(id, agent)).await else {
                return Err(Error::Unavailable("the stop is not stored yet".to_owned()));
            };
            is_new && ended?
        };
        let status = self.logs().head(id).await?.status;
        Ok(Stopped {
            id,
            status,
            changed,
        })
    }

    /// Waits for a member's end and tells whether it was stopped.
    async fn end_of(&self, id: DeliberationId, agent: Agent) -> Result<bool, Error> {
        let mut reader = self.logs().read(After::Start(id)).await?;
        let mut standing = Standing::Waits;
        loop {
            let page = reader.next().await?;
            for entry in &page.entries {
                let event = entry
                    .event()
                    .map_err(|error| Error::Unavailable(error.to_string()))?;
                standing = standing.after(agent, &event.body);
                if let Standing::Done { was_stopped } = standing {
                    return Ok(was_stopped);
                }
            }
            if page.end {
                return Ok(false);
            }
        }
    }
}
