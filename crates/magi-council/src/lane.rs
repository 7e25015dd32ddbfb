//! What one member has said and spent so far, kept outside its task: whatever ends the task, the
//! member's last word can still be written truthfully.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use magi_event::{
    Agent, AgentStart, AttemptError, AttemptTimeout, Body, Delta, JudgeStart, Sage, TextDigest,
    Usage,
};
use magi_log::{Closed, Writer};
use magi_model::ModelName;
use tokio::time::Instant;

/// One member's lane.
#[derive(Debug)]
pub(crate) struct Lane {
    agent: Agent,
    /// For the judge: the seed of the order, and who is Sage A, B and C.
    order: Option<(u32, Vec<Sage>)>,
    /// A plain mutex: it is held to append one delta and count it, never across an await.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    attempt: u32,
    /// The model of the present attempt.
    model: ModelName,
    began: Instant,
    attempt_began: Instant,
    digest: TextDigest,
    prose: String,
    first_token: Option<Duration>,
    usage: Option<Usage>,
    cost: Option<f64>,
    is_cost_known: bool,
    /// Milliseconds that earlier attempts took.
    before_ms: u64,
    /// How many notes the present attempt was told.
    heard: usize,
}

/// What the earlier attempts of a member used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Before {
    pub(crate) usage: Option<Usage>,
    pub(crate) cost_usd: Option<f64>,
    pub(crate) execution_time: u64,
}

impl LaneEnd {
    /// Makes the end of a lane of which only its text is known.
    pub(crate) fn unknown(attempt: u32, prose: &str) -> Self {
        LaneEnd {
            attempt,
            prose: prose.to_owned(),
            text_bytes: prose.len() as u64,
            text_sha256: magi_event::text_sha256(prose),
            usage: None,
            cost_usd: None,
            first_token_ms: None,
            execution_time: 0,
        }
    }
}

impl From<LaneEnd> for Before {
    fn from(end: LaneEnd) -> Self {
        Before {
            usage: end.usage,
            cost_usd: end.cost_usd,
            execution_time: end.execution_time,
        }
    }
}

/// How a lane stands at its end.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LaneEnd {
    pub(crate) attempt: u32,
    pub(crate) prose: String,
    pub(crate) text_bytes: u64,
    pub(crate) text_sha256: String,
    pub(crate) usage: Option<Usage>,
    pub(crate) cost_usd: Option<f64>,
    pub(crate) first_token_ms: Option<u64>,
    pub(crate) execution_time: u64,
}

impl Lane {
    /// Makes the lane of a member whose attempt of this number, on this model, has just begun, after
    /// others.
    pub(crate) fn after(
        before: Before,
        agent: Agent,
        (attempt, model): (u32, ModelName),
        order: Option<(u32, Vec<Sage>)>,
    ) -> Self {
        let now = Instant::now();
        Lane {
            agent,
            order,
            state: Mutex::new(State {
                attempt,
                model,
                began: now,
                attempt_began: now,
                digest: TextDigest::new(),
                prose: String::new(),
                first_token: None,
                usage: before.usage,
                cost: before.cost_usd,
                is_cost_known: before.usage.is_none() || before.cost_usd.is_some(),
                before_ms: before.execution_time,
                heard: 0,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whose lane this is.
    pub(crate) const fn agent(&self) -> Agent {
        self.agent
    }

    /// Returns the seed of the order in which the judge sees the sages; 0 for a sage.
    pub(crate) fn order_seed(&self) -> u32 {
        self.order.as_ref().map_or(0, |(seed, _)| *seed)
    }

    /// Returns the present attempt's number.
    pub(crate) fn attempt(&self) -> u32 {
        self.state().attempt
    }

    /// Returns the prose of the present attempt.
    pub(crate) fn prose(&self) -> String {
        self.state().prose.clone()
    }

    /// Begins the next attempt.
    pub(crate) fn restart(&self, writer: &Writer, model: &ModelName) -> Result<(), Closed> {
        let mut state = self.state();
        let attempt = state.attempt + 1;
        writer.append(self.start_of(attempt, model))?;
        state.attempt = attempt;
        state.model = model.clone();
        state.attempt_began = Instant::now();
        state.digest = TextDigest::new();
        state.prose.clear();
        state.first_token = None;
        Ok(())
    }

    /// Returns the model of the present attempt.
    pub(crate) fn model(&self) -> ModelName {
        self.state().model.clone()
    }

    /// Makes the event with which the present attempt begins.
    pub(crate) fn start(&self) -> Body {
        let state = self.state();
        self.start_of(state.attempt, &state.model)
    }

    fn start_of(&self, attempt: u32, model: &ModelName) -> Body {
        let (provider, name) = (model.provider.clone(), model.model.clone());
        match self.agent {
            Agent::Sage(sage) => Body::AgentStart(
                sage,
                AgentStart {
                    attempt,
                    provider,
                    model: name,
                },
            ),
            Agent::Judge => {
                let (order_seed, order) = self.order.clone().unwrap_or_default();
                Body::JudgeStart(JudgeStart {
                    attempt,
                    provider,
                    model: name,
                    order_seed,
                    order,
                })
            }
        }
    }

    /// Appends a delta of the visible prose and counts it.
    pub(crate) fn chunk(&self, writer: &Writer, text: &str) -> Result<(), Closed> {
        if text.is_empty() {
            return Ok(());
        }
        let mut state = self.state();
        let delta = Delta {
            text: text.to_owned(),
        };
        writer.append(match self.agent {
            Agent::Sage(sage) => Body::AgentChunk(sage, delta),
            Agent::Judge => Body::JudgeChunk(delta),
        })?;
        state.digest.update(text);
        state.prose.push_str(text);
        Ok(())
    }

    /// Appends a delta of the model's own reasoning.
    pub(crate) fn thinking(&self, writer: &Writer, text: String) -> Result<(), Closed> {
        if text.is_empty() {
            return Ok(());
        }
        let delta = Delta { text };
        writer.append(match self.agent {
            Agent::Sage(sage) => Body::AgentThinking(sage, delta),
            Agent::Judge => Body::JudgeThinking(delta),
        })?;
        Ok(())
    }

    /// Notes that a token came.
    pub(crate) fn token(&self) {
        let mut state = self.state();
        if state.first_token.is_none() {
            state.first_token = Some(state.attempt_began.elapsed());
        }
    }

    /// Tells whether the present attempt has brought a token.
    pub(crate) fn has_spoken(&self) -> bool {
        self.state().first_token.is_some()
    }

    /// Notes that the call about to be made tells so many notes.
    pub(crate) fn hear(&self, notes: usize) {
        self.state().heard = notes;
    }

    /// Returns how many notes the present attempt was told.
    pub(crate) fn heard(&self) -> usize {
        self.state().heard
    }

    /// Makes the event of a failed attempt.
    pub(crate) fn error(&self, error: AttemptError) -> Body {
        match self.agent {
            Agent::Sage(sage) => Body::AgentError(sage, error),
            Agent::Judge => Body::JudgeError(error),
        }
    }

    /// Makes the event of an attempt that took too long.
    pub(crate) fn timeout(&self, timeout: AttemptTimeout) -> Body {
        match self.agent {
            Agent::Sage(sage) => Body::AgentTimeout(sage, timeout),
            Agent::Judge => Body::JudgeTimeout(timeout),
        }
    }

    /// Adds what one call used and cost.
    pub(crate) fn spend(&self, usage: Option<Usage>, cost: Option<f64>) {
        let Some(usage) = usage else { return };
        let mut state = self.state();
        state.usage = Some(state.usage.map_or(usage, |sum| sum + usage));
        state.is_cost_known &= cost.is_some();
        if let Some(cost) = cost {
            state.cost = Some(state.cost.unwrap_or(0.0) + cost);
        }
    }

    /// Returns how the lane stands.
    pub(crate) fn end(&self) -> LaneEnd {
        let state = self.state();
        LaneEnd {
            attempt: state.attempt,
            prose: state.prose.clone(),
            text_bytes: state.digest.bytes(),
            text_sha256: state.digest.sha256(),
            usage: state.usage,
            cost_usd: state.cost.filter(|_| state.is_cost_known),
            first_token_ms: state.first_token.map(millis),
            execution_time: state.before_ms + millis(state.began.elapsed()),
        }
    }
}

/// Returns whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
