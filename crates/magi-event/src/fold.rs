//! The fold: the events of a deliberation, one after the other, to what is known of it.
//!
//! # Taking back
//!
//! Only deltas (and traces) can be seen before they are stored, so only they can turn out void, and
//! all void ones come after the last milestone: a milestone is seen after everything before it is
//! stored. The fold therefore keeps one mark per event since the last milestone: its seq, how many
//! bytes it added to which text of which lane, and the lane's state before it. `rewind` takes off
//! the marks above `to`, newest first, which leaves exactly what the stored events alone give.
//! Marks are not part of the JSON: a snapshot is written at the stored end, where there is nothing
//! to take back.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Agent, AgentComplete, AttemptError, AttemptTimeout, Body, Cancelled, Complete, CouncilInfo,
    Cursor, DeliberationId, Event, Failure, JudgeComplete, Missing, Mode, Note, Paused, Sage,
    Start, Status, Tally, Timestamp, Usage,
};

/// How far a deliberation has come; [`Status`] says how it fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing has happened yet.
    #[default]
    Waiting,
    /// The sages deliberate.
    Sages,
    /// The votes are counted.
    Tally,
    /// The judge weighs the arguments.
    Judge,
    /// Its last event has happened.
    Over,
}

/// Where one role stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LaneState {
    /// It was not called yet.
    #[default]
    Waiting,
    /// An attempt began and nothing came of it yet.
    Connecting,
    /// The last piece was the model's own reasoning.
    Thinking,
    /// The last piece was visible prose.
    Writing,
    /// An attempt failed and another follows.
    Retrying,
    /// An attempt failed and no other follows.
    Failed,
    /// The role is done.
    Done,
}

/// One failed attempt: exactly one of the two parts is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fault {
    /// When it was noticed.
    pub at: Timestamp,
    /// The failure, when it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<AttemptError>,
    /// The deadline that ran out, when it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<AttemptTimeout>,
}

/// What is known of one role: the texts are those of its newest attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "LaneOf{Done}")]
pub struct Lane<Done> {
    /// Where it stands.
    pub state: LaneState,
    /// The newest attempt, from 1; 0 before the first.
    pub attempt: u32,
    /// The vendor's API of that attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The model of that attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// When that attempt began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// The model's own reasoning, as far as it came.
    pub thinking: String,
    /// The visible prose, as far as it came.
    pub text: String,
    /// What failed so far, over all attempts.
    pub faults: Vec<Fault>,
    /// How the role ended. It stays while a later attempt runs and is replaced at that one's end,
    /// so that no vote is ever lost: `complete.attempt` tells whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complete: Option<Done>,
}

/// What is known of a sage.
pub type SageLane = Lane<AgentComplete>;

/// What is known of the judge.
pub type JudgeLane = Lane<JudgeComplete>;

/// A note, and when it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Noted {
    /// When it was given.
    pub at: Timestamp,
    /// The note.
    pub note: Note,
}

/// All that is known of a deliberation at one place of its log.
///
/// It is the JSON of `GET /v1/deliberations/{id}`: whoever reads on from its `cursor` misses
/// nothing. Two readers of the same log have equal snapshots at the same cursor, whatever void
/// deltas one of them saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Snapshot {
    /// The deliberation's id.
    pub trace_id: DeliberationId,
    /// The place in the log up to which this is folded; its generation counts the rewinds.
    pub cursor: Cursor,
    /// How it fares.
    pub status: Status,
    /// How far it has come.
    pub phase: Phase,
    /// The question, as asked.
    pub question: String,
    /// More text to consider, as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The language of prompts and answers: `ja` or `en`; empty before `start`.
    pub lang: String,
    /// Who deliberates, and how; absent before `start`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub council: Option<CouncilInfo>,
    /// How the answers come to be; absent before `start`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// What the door that asked can do.
    pub capabilities: Vec<String>,
    /// The conversation this question belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<String>,
    /// The deliberation this one goes on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork_of: Option<DeliberationId>,
    /// Every sage of the council.
    pub sages: BTreeMap<Sage, SageLane>,
    /// The votes as last counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tally: Option<Tally>,
    /// The judge.
    pub judge: JudgeLane,
    /// Who is Sage A, B and C to the judge; empty before the judge is called.
    pub judge_order: Vec<Sage>,
    /// What the council was told on the way.
    pub notes: Vec<Noted>,
    /// Who paused it and why, while it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
    /// Whose part is missing so far, and why.
    pub missing: Vec<Missing>,
    /// The verdict, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Complete>,
    /// Who ended it before its verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled: Option<Cancelled>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// Tokens spent so far, as far as they were told.
    pub usage: Usage,
    /// Cost so far; absent where a price is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When the newest event happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// The events since the last milestone, oldest first: what a `rewind` may take back.
    #[serde(skip)]
    marks: Vec<Mark>,
}

/// What one event since the last milestone added.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Mark {
    seq: u64,
    added: Option<Added>,
}

/// A piece of text at the end of a lane's prose or reasoning.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Added {
    agent: Agent,
    part: Part,
    bytes: usize,
    before: LaneState,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Thinking,
    Text,
}

impl Snapshot {
    /// Makes the snapshot of a deliberation of which nothing has happened yet.
    #[must_use]
    pub fn new(deliberation: DeliberationId) -> Self {
        Snapshot {
            trace_id: deliberation,
            cursor: Cursor::start(deliberation),
            status: Status::Running,
            phase: Phase::Waiting,
            question: String::new(),
            context: None,
            lang: String::new(),
            council: None,
            mode: None,
            capabilities: Vec::new(),
            conversation_id: None,
            fork_of: None,
            sages: BTreeMap::new(),
            tally: None,
            judge: JudgeLane::default(),
            judge_order: Vec::new(),
            notes: Vec::new(),
            paused: None,
            missing: Vec::new(),
            verdict: None,
            cancelled: None,
            error: None,
            usage: Usage::default(),
            cost_usd: None,
            started_at: None,
            updated_at: None,
            ended_at: None,
            marks: Vec::new(),
        }
    }

    /// Folds the events of one log, in order.
    #[must_use]
    pub fn fold<'a>(
        deliberation: DeliberationId,
        events: impl IntoIterator<Item = &'a Event>,
    ) -> Self {
        let mut snapshot = Snapshot::new(deliberation);
        for event in events {
            snapshot.apply(event);
        }
        snapshot
    }

    /// Takes the next event in.
    ///
    /// An event of another deliberation, or one that is folded in already, changes nothing. Nothing
    /// else is checked: that is [`check::Checker`](crate::check::Checker)'s part.
    pub fn apply(&mut self, event: &Event) {
        if event.trace_id != self.trace_id {
            return;
        }
        if let Body::Rewind(rewind) = &event.body {
            if rewind.to < self.firm_end() || event.seq <= rewind.to {
                return;
            }
            self.take_back(rewind.to);
            self.cursor.generation = self.cursor.generation.saturating_add(1);
        } else if event.seq <= self.cursor.seq {
            return;
        }
        let added = self.take(event);
        // An unknown kind may be a new kind of delta: to treat it as a milestone could forget marks
        // that a rewind still needs.
        if event.body.is_milestone() && !matches!(event.body, Body::Unknown(_)) {
            self.marks.clear();
        } else {
            self.marks.push(Mark {
                seq: event.seq,
                added,
            });
        }
        self.cursor.seq = event.seq;
        self.updated_at = Some(event.timestamp);
    }

    /// Returns the seq up to which nothing can be taken back any more.
    pub(crate) fn firm_end(&self) -> u64 {
        self.marks
            .first()
            .map_or(self.cursor.seq, |mark| mark.seq.saturating_sub(1))
    }

    fn take_back(&mut self, to: u64) {
        while let Some(mark) = self.marks.pop_if(|mark| mark.seq > to) {
            let Some(added) = mark.added else { continue };
            match added.agent {
                Agent::Sage(sage) => self.sage(sage).take_back(added),
                Agent::Judge => self.judge.take_back(added),
            }
        }
    }

    fn sage(&mut self, sage: Sage) -> &mut SageLane {
        self.sages.entry(sage).or_default()
    }

    /// Takes the event in; returns the text it added, which a rewind may have to take off again.
    fn take(&mut self, event: &Event) -> Option<Added> {
        let at = event.timestamp;
        match &event.body {
            Body::Start(start) => self.begin(start, at),
            Body::AgentStart(sage, start) => {
                self.phase = Phase::Sages;
                self.sage(*sage)
                    .begin(start.attempt, &start.provider, &start.model, at);
            }
            Body::AgentThinking(sage, delta) => {
                return Some(self.sage(*sage).add(*sage, Part::Thinking, &delta.text));
            }
            Body::AgentChunk(sage, delta) => {
                return Some(self.sage(*sage).add(*sage, Part::Text, &delta.text));
            }
            Body::AgentError(sage, error) => self.sage(*sage).fail(at, error),
            Body::AgentTimeout(sage, timeout) => self.sage(*sage).run_out(at, timeout),
            Body::AgentComplete(sage, complete) => self.complete_sage(*sage, complete),
            Body::Tally(tally) => {
                self.phase = Phase::Tally;
                self.tally = Some(tally.clone());
            }
            Body::JudgeStart(start) => {
                self.phase = Phase::Judge;
                self.judge_order.clone_from(&start.order);
                self.judge
                    .begin(start.attempt, &start.provider, &start.model, at);
            }
            Body::JudgeThinking(delta) => {
                return Some(self.judge.add(Agent::Judge, Part::Thinking, &delta.text));
            }
            Body::JudgeChunk(delta) => {
                return Some(self.judge.add(Agent::Judge, Part::Text, &delta.text));
            }
            Body::JudgeError(error) => self.judge.fail(at, error),
            Body::JudgeTimeout(timeout) => self.judge.run_out(at, timeout),
            Body::JudgeComplete(complete) => {
                self.judge.end(complete.attempt, complete);
                self.add_up();
            }
            Body::Note(note) => self.notes.push(Noted {
                at,
                note: note.clone(),
            }),
            Body::Paused(paused) => {
                self.status = Status::Paused;
                self.paused = Some(paused.clone());
                self.spend(paused.usage, paused.cost_usd);
            }
            Body::Resumed(_) => {
                self.status = Status::Running;
                self.paused = None;
            }
            Body::Complete(_) | Body::Cancelled(_) | Body::Error(_) => self.end(event),
            Body::SagesStart(_) | Body::Trace(..) | Body::Rewind(_) | Body::Unknown(_) => {}
        }
        None
    }

    fn begin(&mut self, start: &Start, at: Timestamp) {
        self.phase = Phase::Sages;
        self.started_at = Some(at);
        self.question.clone_from(&start.question);
        self.context.clone_from(&start.context);
        self.lang.clone_from(&start.lang);
        self.mode = Some(start.mode);
        self.capabilities.clone_from(&start.capabilities);
        self.conversation_id.clone_from(&start.conversation_id);
        self.fork_of = start.fork_of;
        for sage in &start.council.sages {
            self.sage(*sage);
        }
        self.council = Some(start.council.clone());
    }

    fn complete_sage(&mut self, sage: Sage, complete: &AgentComplete) {
        self.sage(sage).end(complete.attempt, complete);
        self.missing
            .retain(|missing| missing.agent != Agent::Sage(sage));
        if let Some(cause) = complete.cause.filter(|cause| !cause.is_cast()) {
            self.missing.push(Missing {
                agent: Agent::Sage(sage),
                cause,
                message: None,
            });
        }
        self.add_up();
    }

    /// Adds usage and cost up over the roles that are done.
    fn add_up(&mut self) {
        let judge = self.judge.complete.as_ref();
        let parts = self
            .sages
            .values()
            .filter_map(|lane| lane.complete.as_ref())
            .map(|complete| (complete.usage, complete.cost_usd))
            .chain(judge.map(|complete| (complete.usage, complete.cost_usd)));
        let mut usage = Usage::default();
        let mut cost = Some(0.0);
        for (tokens, price) in parts {
            // A part that used nothing, such as a vote used again, costs nothing.
            if let Some(tokens) = tokens {
                usage = usage + tokens;
                cost = cost.zip(price).map(|(sum, price)| sum + price);
            }
        }
        self.usage = usage;
        self.cost_usd = cost;
    }

    /// Takes one of the three last events in.
    fn end(&mut self, event: &Event) {
        self.phase = Phase::Over;
        self.paused = None;
        self.ended_at = Some(event.timestamp);
        let (usage, cost_usd) = match &event.body {
            Body::Complete(complete) => {
                self.status = complete.status;
                self.missing.clone_from(&complete.missing);
                self.verdict = Some(complete.clone());
                (Some(complete.usage), complete.cost_usd)
            }
            Body::Cancelled(cancelled) => {
                self.status = Status::Cancelled;
                self.cancelled = Some(cancelled.clone());
                (cancelled.usage, cancelled.cost_usd)
            }
            Body::Error(failure) => {
                self.status = Status::Failed;
                if !failure.missing.is_empty() {
                    self.missing.clone_from(&failure.missing);
                }
                self.error = Some(failure.clone());
                (failure.usage, failure.cost_usd)
            }
            _ => (None, None),
        };
        self.spend(usage, cost_usd);
    }

    /// Takes over what all of it has cost, where that is told.
    fn spend(&mut self, usage: Option<Usage>, cost_usd: Option<f64>) {
        if let Some(usage) = usage {
            self.usage = usage;
            self.cost_usd = cost_usd;
        }
    }
}

impl<Done> Default for Lane<Done> {
    fn default() -> Self {
        Lane {
            state: LaneState::Waiting,
            attempt: 0,
            provider: None,
            model: None,
            started_at: None,
            thinking: String::new(),
            text: String::new(),
            faults: Vec::new(),
            complete: None,
        }
    }
}

impl<Done: Clone> Lane<Done> {
    fn begin(&mut self, attempt: u32, provider: &str, model: &str, at: Timestamp) {
        self.state = LaneState::Connecting;
        self.attempt = attempt;
        self.provider = Some(provider.to_owned());
        self.model = Some(model.to_owned());
        self.started_at = Some(at);
        self.thinking.clear();
        self.text.clear();
    }

    fn add(&mut self, agent: impl Into<Agent>, part: Part, text: &str) -> Added {
        let before = self.state;
        self.state = match part {
            Part::Thinking => LaneState::Thinking,
            Part::Text => LaneState::Writing,
        };
        self.part(part).push_str(text);
        Added {
            agent: agent.into(),
            part,
            bytes: text.len(),
            before,
        }
    }

    fn take_back(&mut self, added: Added) {
        self.state = added.before;
        let text = self.part(added.part);
        text.truncate(text.len().saturating_sub(added.bytes));
    }

    fn part(&mut self, part: Part) -> &mut String {
        match part {
            Part::Thinking => &mut self.thinking,
            Part::Text => &mut self.text,
        }
    }

    fn fail(&mut self, at: Timestamp, error: &AttemptError) {
        self.stand_by(error.retryable);
        self.faults.push(Fault {
            at,
            error: Some(error.clone()),
            timeout: None,
        });
    }

    fn run_out(&mut self, at: Timestamp, timeout: &AttemptTimeout) {
        self.stand_by(timeout.retryable);
        self.faults.push(Fault {
            at,
            error: None,
            timeout: Some(timeout.clone()),
        });
    }

    fn stand_by(&mut self, retryable: bool) {
        self.state = if retryable {
            LaneState::Retrying
        } else {
            LaneState::Failed
        };
    }

    fn end(&mut self, attempt: u32, complete: &Done) {
        self.state = LaneState::Done;
        self.attempt = attempt;
        self.complete = Some(complete.clone());
    }
}

#[cfg(test)]
mod tests;
