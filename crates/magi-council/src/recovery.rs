//! What happens to deliberations whose owner died, and how an ended one is gone on from.

use std::collections::BTreeMap;
use std::time::Duration;

use magi_event::{
    AgentComplete, AgentStart, Body, Cancelled, Cause, Decision, DeliberationId, Delta, Failure,
    LaneState, Missing, Sage, Snapshot, Timestamp, Trace, text_sha256,
};
use magi_log::{Closed, Env, Query, Takeover};
use serde_json::{Map, Value};
use tokio::time::sleep;

use crate::control::Halt;
use crate::engine::{Asked, Engine, Inner, Run};
use crate::memory::{Memory, reusable};
use crate::prompt::head;
use crate::setup::{Reused, Setup};
use crate::{CouncilPatch, Error, words};

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
            if unfinished.owner_alive || self.is_running(id) {
                continue;
            }
            if unfinished.paused && self.is_suspended(id).await? {
                // It goes on from its state, wherever that is brought.
                continue;
            }
            let fate = fate(
                self.inner.rooms.env.clock.now(),
                unfinished.last_event_at,
                unfinished.paused,
                unfinished.crashes_without_milestone,
            );
            match self.inner.meet(id, fate).await {
                Ok(true) => match fate {
                    Fate::GoesOn => recovered.resumed.push(id),
                    Fate::Interrupted => recovered.interrupted.push(id),
                    Fate::Quarantined => recovered.quarantined.push(id),
                },
                Ok(false) => {}
                Err(error) => tracing::warn!(%id, %error, "failed to recover a deliberation"),
            }
        }
        Ok(recovered)
    }

    /// Recovers now and then again and again, until the engine shuts down: for a server, so that a
    /// deliberation whose owner dies later is taken up too. `every` is best the length of a lease.
    pub async fn attend(&self, every: Duration) {
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

    /// Goes on with a deliberation. An interrupted one goes on under its own id, however old; one
    /// that is over, or was stopped, is gone on from by a new, linked one that reuses the votes that
    /// were cast.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`], [`Error::Unavailable`], [`Error::Busy`]; [`Error::Invalid`] when a model
    /// of the council is not configured here any more.
    pub async fn resume(&self, id: DeliberationId, by: &str) -> Result<Asked, Error> {
        let same = Asked { id, fresh: false };
        if self.is_running(id) {
            return Ok(same);
        }
        if self.logs().head(id).await?.is_over() {
            return self.link(id).await;
        }
        match self.logs().take_over(id).await {
            Ok(taken) => {
                let Some(run) = Run::again(taken) else {
                    return Err(Error::Conflict("its setup does not read".to_owned()));
                };
                tracing::info!(%id, by, "an interrupted deliberation goes on");
                self.inner.spawn(run);
                Ok(same)
            }
            // Somebody goes on with it already.
            Err(magi_log::Error::Owned(_)) => Ok(same),
            Err(magi_log::Error::Over(_)) => self.link(id).await,
            Err(error) => Err(error.into()),
        }
    }

    /// Starts a deliberation that goes on from one that is over, with the votes that were cast.
    async fn link(&self, id: DeliberationId) -> Result<Asked, Error> {
        let logs = self.logs();
        let setup = logs.setup(id).await?;
        let mut setup: Setup = serde_json::from_slice(&setup)
            .map_err(|error| Error::Conflict(format!("its setup does not read: {error}")))?;
        let events = logs.events(id).await?;
        let members = setup.council.sages();
        setup.reused = reusable(&events)
            .into_iter()
            .filter(|(sage, _)| members.contains(sage))
            .collect();
        setup.fork_of = Some(id);
        self.inner.check_models(&setup, &CouncilPatch::default())?;
        self.open(setup, None).await
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
            .map_err(|closed| Error::Unavailable(closed.to_string()))?;
        Ok(true)
    }

    /// Returns the conversation's earlier verdicts, oldest first, as text for the prompts.
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
        let mut rows = self.rooms.logs.catalogue().list(query).await?.rows;
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

/// Ends every sage who had begun and was not done, by what the log holds of it.
fn end_sages(snapshot: &Snapshot, cause: Cause) -> Vec<(Sage, AgentComplete)> {
    snapshot
        .sages
        .iter()
        .filter(|(_, lane)| lane.attempt > 0 && lane.state != LaneState::Done)
        .map(|(sage, lane)| {
            let complete = AgentComplete {
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
            };
            (*sage, complete)
        })
        .collect()
}

/// Stops a deliberation that nobody ran any more.
pub(crate) async fn cancel(taken: &Takeover, setup: &Setup, halt: &Halt) -> Result<(), Closed> {
    let snapshot = Snapshot::fold(taken.writer.id(), &taken.events);
    let mut bodies: Vec<Body> = end_sages(&snapshot, Cause::Stopped)
        .into_iter()
        .map(|(sage, complete)| Body::AgentComplete(sage, complete))
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
    let ends = end_sages(&snapshot, Cause::Failed);
    let missing = ends
        .iter()
        .map(|(sage, _)| Missing {
            agent: (*sage).into(),
            cause: Cause::Failed,
            message: Some(code.to_owned()),
        })
        .collect();
    let mut bodies: Vec<Body> = ends
        .into_iter()
        .map(|(sage, complete)| Body::AgentComplete(sage, complete))
        .collect();
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

impl Setup {
    /// Returns what is done before the first token: the reused votes.
    pub(crate) fn memory(&self) -> Memory {
        let done: BTreeMap<_, _> = self
            .reused
            .iter()
            .map(|(sage, reused)| (*sage, reused.end()))
            .collect();
        Memory {
            attempts: BTreeMap::new(),
            done,
            ..Memory::default()
        }
    }
}

impl Reused {
    fn end(&self) -> (crate::sage::SageEnd, String) {
        let end = crate::sage::SageEnd {
            complete: self.complete(),
            message: self.message.clone(),
        };
        (end, self.prose.clone())
    }

    /// The vote as this deliberation has it: it cost nothing here.
    fn complete(&self) -> AgentComplete {
        AgentComplete {
            attempt: 1,
            text_bytes: self.prose.len() as u64,
            text_sha256: text_sha256(&self.prose),
            usage: None,
            cost_usd: None,
            first_token_ms: None,
            execution_time: 0,
            ..self.complete.clone()
        }
    }

    /// Makes the sage's whole lane, so that the new log stands by itself.
    pub(crate) fn lane(&self, sage: Sage, from: Option<DeliberationId>, env: &Env) -> Vec<Body> {
        let mut attributes = Map::new();
        attributes.insert("reused".to_owned(), Value::Bool(true));
        if let Some(from) = from {
            attributes.insert("from".to_owned(), Value::String(from.to_string()));
        }
        let trace = Trace {
            span_id: format!("{:016x}", env.entropy.u64()),
            parent_id: None,
            name: "sage".to_owned(),
            started_at: env.clock.now(),
            duration_ms: Some(0),
            attributes,
        };
        let start = AgentStart {
            attempt: 1,
            provider: self.provider.clone(),
            model: self.model.clone(),
        };
        let mut lane = vec![Body::AgentStart(sage, start)];
        if !self.prose.is_empty() {
            let text = self.prose.clone();
            lane.push(Body::AgentChunk(sage, Delta { text }));
        }
        lane.push(Body::Trace(Some(sage), trace));
        lane.push(Body::AgentComplete(sage, self.complete()));
        lane
    }
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
