//! What happens to deliberations whose owner died.

use std::sync::atomic::Ordering;
use std::time::Duration;

use magi_event::{
    AgentComplete, Body, Cancelled, Cause, Decision, DeliberationId, Event, Failure, LaneState,
    Missing, Sage, SageLane, Snapshot, Timestamp, text_sha256,
};
use magi_log::{Closed, Query, Takeover, Unfinished};
use tokio::time::sleep;

use crate::control::Halt;
use crate::deliberation::put_back;
use crate::engine::{Engine, Inner, Run};
use crate::lane::LaneEnd;
use crate::memory::Memory;
use crate::prompt::head;
use crate::setup::Setup;
use crate::{Error, words};

/// A deliberation whose last stored event is younger goes on by itself.
const YOUNG: Duration = Duration::from_secs(15 * 60);

/// So many crashes without anything finished in between, and it does not go on by itself.
const CRASHES: u32 = 2;

/// How many earlier verdicts of a conversation become context.
const EARLIER: usize = 5;

/// What a recovery did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// These go on.
    pub resumed: Vec<DeliberationId>,
    /// These ended with `error interrupted`: too old.
    pub interrupted: Vec<DeliberationId>,
    /// These ended with `error quarantined`: they ended the program twice.
    pub quarantined: Vec<DeliberationId>,
}

/// What becomes of a deliberation whose owner is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    GoesOn,
    Interrupted,
    Quarantined,
}

fn fate(now: Timestamp, last_event_at: Timestamp, paused: bool, crashes: u32) -> Fate {
    let age = Duration::from_millis(now.millis_since(last_event_at));
    if crashes >= CRASHES {
        Fate::Quarantined
    } else if paused || age < YOUNG {
        Fate::GoesOn
    } else {
        Fate::Interrupted
    }
}

impl Engine {
    /// Takes over every deliberation whose owner is dead: young ones go on with their votes kept,
    /// old ones end with `error interrupted`, and those that ended the program twice with `error
    /// quarantined`. For a server, at its start and whenever a lease lapses.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the store does not answer.
    pub async fn recover(&self) -> Result<Recovered, Error> {
        let mut recovered = Recovered::default();
        for unfinished in self.logs().unfinished().await? {
            let id = unfinished.id;
            match self.take_up(&unfinished).await {
                Ok(Some(Fate::GoesOn)) => recovered.resumed.push(id),
                Ok(Some(Fate::Interrupted)) => recovered.interrupted.push(id),
                Ok(Some(Fate::Quarantined)) => recovered.quarantined.push(id),
                Ok(None) => {}
                Err(error) => tracing::warn!(%id, %error, "failed to recover a deliberation"),
            }
        }
        Ok(recovered)
    }

    /// Takes a deliberation over whose owner is dead, and returns what became of it; `None` where
    /// somebody deliberates, or it is not to go on by itself.
    async fn take_up(&self, unfinished: &Unfinished) -> Result<Option<Fate>, Error> {
        let id = unfinished.id;
        if unfinished.owner_alive || self.is_running(id) {
            return Ok(None);
        }
        if unfinished.paused && self.is_suspended(id).await? {
            // It goes on from its state, wherever that is brought.
            return Ok(None);
        }
        let fate = fate(
            self.inner.rooms.env.clock.now(),
            unfinished.last_event_at,
            unfinished.paused,
            unfinished.crashes_without_milestone,
        );
        let met = self.inner.meet(id, fate).await?;
        Ok(met.then_some(fate))
    }

    /// Takes this one deliberation up at once if nobody deliberates, where that would be done at the
    /// next look anyway: who says a verb to it need not wait for that.
    pub(crate) async fn take_up_now(&self, id: DeliberationId) -> Result<(), Error> {
        if !self.inner.attends.load(Ordering::Acquire) {
            return Ok(());
        }
        let unfinished = self.logs().unfinished().await?;
        if let Some(unfinished) = unfinished.iter().find(|one| one.id == id) {
            self.take_up(unfinished).await?;
        }
        Ok(())
    }

    /// Recovers now and then again and again, until the engine shuts down: for a server, so that a
    /// deliberation whose owner dies later is taken up too. `every` is best the length of a lease.
    pub async fn attend(&self, every: Duration) {
        self.inner.attends.store(true, Ordering::Release);
        loop {
            match self.recover().await {
                Ok(recovered) if recovered == Recovered::default() => {}
                Ok(recovered) => tracing::info!(?recovered, "took over what others left"),
                Err(error) => tracing::warn!(%error, "failed to look for what others left"),
            }
            tokio::select! {
                () = sleep(every) => {}
                () = self.inner.closing.cancelled() => return,
            }
        }
    }
}

impl Inner {
    /// Takes a deliberation over and lets its fate happen; false when somebody else was faster.
    async fn meet(
        self: &std::sync::Arc<Self>,
        id: DeliberationId,
        fate: Fate,
    ) -> Result<bool, Error> {
        let taken = match self.rooms.logs.take_over(id).await {
            Ok(taken) => taken,
            Err(
                magi_log::Error::Owned(_) | magi_log::Error::Over(_) | magi_log::Error::Unknown(_),
            ) => {
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        let ended = match fate {
            Fate::GoesOn => {
                let Some(run) = Run::again(taken) else {
                    return Ok(false);
                };
                self.spawn(run);
                return Ok(true);
            }
            Fate::Interrupted => ("interrupted", words::interrupted as fn(_) -> _),
            Fate::Quarantined => ("quarantined", words::quarantined as fn(_) -> _),
        };
        let setup: Setup = serde_json::from_slice(&taken.setup)
            .map_err(|error| Error::Conflict(format!("its setup does not read: {error}")))?;
        let (code, message) = ended;
        fail(&taken, code, message(setup.lang))
            .await
            .map_err(|closed| Error::closed(&self.rooms.logs, closed))?;
        Ok(true)
    }

    /// Returns the conversation's earlier verdicts, oldest first, as text for the prompts. A
    /// conversation that is called by a deliberation's id began with that one.
    pub(crate) async fn earlier(
        &self,
        conversation: Option<&str>,
    ) -> Result<Option<String>, Error> {
        let Some(conversation) = conversation else {
            return Ok(None);
        };
        let query = Query {
            conversation_id: Some(conversation.to_owned()),
            limit: EARLIER,
            ..Query::default()
        };
        let catalogue = self.rooms.logs.catalogue();
        let mut rows = catalogue.list(query).await?.rows;
        if rows.len() < EARLIER
            && let Ok(first) = conversation.parse::<DeliberationId>()
        {
            match catalogue.get(first).await {
                Ok(row) => rows.push(row),
                // It was deleted, or only looks like one of ours.
                Err(magi_log::Error::Unknown(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        rows.reverse();
        let lines: Vec<String> = rows
            .iter()
            .filter_map(|row| {
                let (verdict, summary) = (row.facts.verdict?, row.facts.summary.as_deref()?);
                let question = head(row.question.trim(), 1000);
                Some(format!("{question}\n=> {verdict}: {}", head(summary, 1000)))
            })
            .collect();
        Ok((!lines.is_empty()).then(|| lines.join("\n\n")))
    }
}

/// Ends every sage who had begun and was not done, by what the log holds of it. A vote from before
/// an attempt that was under way stands again.
fn end_sages(events: &[Event], snapshot: &Snapshot, cause: Cause) -> Vec<(Sage, Vec<Body>)> {
    let memory = Memory::of(events);
    let is_open = |lane: &SageLane| lane.attempt > 0 && lane.state != LaneState::Done;
    let open = snapshot.sages.iter().filter(|(_, lane)| is_open(lane));
    open.map(|(sage, lane)| {
        let end = LaneEnd::unknown(lane.attempt, &lane.text);
        let bodies = match memory.done.get(sage) {
            Some(said) if said.is_cast() => put_back(*sage, said, lane.attempt + 1, &end),
            _ => vec![Body::AgentComplete(*sage, missing(lane, cause))],
        };
        (*sage, bodies)
    })
    .collect()
}

fn missing(lane: &SageLane, cause: Cause) -> AgentComplete {
    AgentComplete {
        decision: Decision::Abstained,
        reasoning: lane.text.trim().to_owned(),
        conditions: Vec::new(),
        would_change: Vec::new(),
        confidence: None,
        cause: Some(cause),
        attempt: lane.attempt,
        text_bytes: lane.text.len() as u64,
        text_sha256: text_sha256(&lane.text),
        usage: None,
        cost_usd: None,
        first_token_ms: None,
        execution_time: 0,
    }
}

/// Stops a deliberation that nobody ran any more.
pub(crate) async fn cancel(taken: &Takeover, setup: &Setup, halt: &Halt) -> Result<(), Closed> {
    let snapshot = Snapshot::fold(taken.writer.id(), &taken.events);
    let mut bodies: Vec<Body> = end_sages(&taken.events, &snapshot, Cause::Stopped)
        .into_iter()
        .flat_map(|(_, bodies)| bodies)
        .collect();
    bodies.push(Body::Cancelled(Cancelled {
        by: halt.by.clone(),
        reason: words::halted(setup.lang, &halt.why),
        usage: Some(snapshot.usage),
        cost_usd: snapshot.cost_usd,
    }));
    let last = taken.writer.append_all(bodies)?;
    taken.writer.commit(last).await
}

/// Ends a deliberation that does not go on.
async fn fail(taken: &Takeover, code: &str, message: &str) -> Result<(), Closed> {
    let snapshot = Snapshot::fold(taken.writer.id(), &taken.events);
    let ends = end_sages(&taken.events, &snapshot, Cause::Failed);
    let missing = ends
        .iter()
        .filter(|(_, bodies)| bodies.len() == 1)
        .map(|(sage, _)| Missing {
            agent: (*sage).into(),
            cause: Cause::Failed,
            message: Some(code.to_owned()),
        })
        .collect();
    let mut bodies: Vec<Body> = ends.into_iter().flat_map(|(_, bodies)| bodies).collect();
    bodies.push(Body::Error(Failure {
        code: code.to_owned(),
        message: message.to_owned(),
        missing,
        usage: Some(snapshot.usage),
        cost_usd: snapshot.cost_usd,
    }));
    let last = taken.writer.append_all(bodies)?;
    taken.writer.commit(last).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_young_go_on_and_nothing_ends_the_program_three_times() {
        let at = Timestamp::from_millis;
        let minutes = |n: i64| at(n * 60_000);
        assert_eq!(fate(minutes(14), at(0), false, 1), Fate::GoesOn);
        assert_eq!(fate(minutes(15), at(0), false, 1), Fate::Interrupted);
        assert_eq!(fate(minutes(15), at(0), true, 1), Fate::GoesOn);
        assert_eq!(fate(minutes(1), at(0), false, 2), Fate::Quarantined);
    }
}
