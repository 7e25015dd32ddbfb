//! What an earlier generation, or an earlier deliberation, left behind: votes, attempts, notes, time.

use std::collections::{BTreeMap, BTreeSet};

use magi_event::{Agent, Body, Event, JudgeComplete, Note, Sage, Timestamp};
use magi_model::Lang;
use serde_json::Value;

use crate::Error;
use crate::order::{Act, RECORD};
use crate::sage::SageEnd;
use crate::setup::Reused;
use crate::words;

/// What a sage said in the attempt that counts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Said {
    pub(crate) end: SageEnd,
    /// The prose before the vote.
    pub(crate) prose: String,
    pub(crate) provider: String,
    pub(crate) model: String,
    /// How many notes it was told.
    pub(crate) heard: usize,
}

impl Said {
    /// Tells whether the vote was cast, and not missing.
    pub(crate) fn is_cast(&self) -> bool {
        self.end.complete.cause.is_none_or(|cause| cause.is_cast())
    }

    /// Tells whether the same was said in another attempt.
    fn is_repeated_by(&self, other: &Said) -> bool {
        let (before, after) = (&self.end.complete, &other.end.complete);
        self.prose == other.prose
            && before.decision == after.decision
            && before.cause == after.cause
            && before.reasoning == after.reasoning
    }

    /// Returns it as another deliberation reuses it.
    pub(crate) fn reused(&self) -> Reused {
        Reused {
            prose: self.prose.clone(),
            provider: self.provider.clone(),
            model: self.model.clone(),
            complete: self.end.complete.clone(),
            message: self.end.message.clone(),
            heard: self.heard,
        }
    }
}

/// What is already done of a deliberation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Memory {
    /// What the sages who are done said; it stays while a later attempt is at work.
    pub(crate) done: BTreeMap<Sage, Said>,
    /// The sages whose newest attempt has no end.
    pub(crate) open: BTreeSet<Sage>,
    /// The newest attempt of every sage who has begun.
    pub(crate) attempts: BTreeMap<Sage, u32>,
    /// Whether the votes as they stand were counted.
    pub(crate) is_tallied: bool,
    /// The judge's newest attempt; 0 before the first.
    pub(crate) judge_attempt: u32,
    /// The seed and the order in which the judge sees the sages, once it was called.
    pub(crate) judge_order: Option<(u32, Vec<Sage>)>,
    /// The judgment, when it was stored without the verdict.
    pub(crate) judgment: Option<JudgeComplete>,
    /// Whether the judge was stopped.
    pub(crate) is_judge_stopped: bool,
    /// What the council was told.
    pub(crate) notes: Vec<Note>,
    /// Whether it is paused.
    pub(crate) is_paused: bool,
    /// The keys of the verbs that were obeyed, and for what each was; older records do not say that.
    pub(crate) keys: BTreeMap<String, Option<String>>,
    /// Milliseconds that earlier generations took, those paused left out.
    pub(crate) spent_ms: u64,
}

/// A lane as its events go by.
#[derive(Default)]
struct Going {
    prose: String,
    provider: String,
    model: String,
    heard: usize,
    trouble: Option<String>,
}

impl Memory {
    /// Reads what the stored events of one deliberation say.
    pub(crate) fn of(events: &[Event]) -> Self {
        let mut memory = Memory {
            spent_ms: spent(events),
            ..Memory::default()
        };
        let mut lang = Lang::En;
        let mut lanes: BTreeMap<Sage, Going> = BTreeMap::new();
        for event in events {
            match &event.body {
                Body::Start(start) if start.lang == Lang::Ja.code() => lang = Lang::Ja,
                Body::AgentStart(sage, start) => {
                    memory.open.insert(*sage);
                    memory.attempts.insert(*sage, start.attempt);
                    let going = Going {
                        provider: start.provider.clone(),
                        model: start.model.clone(),
                        heard: memory.notes.len(),
                        ..Going::default()
                    };
                    lanes.insert(*sage, going);
                }
                Body::AgentChunk(sage, delta) => {
                    lanes.entry(*sage).or_default().prose.push_str(&delta.text);
                }
                Body::AgentError(sage, error) => {
                    lanes.entry(*sage).or_default().trouble = Some(error.message.clone());
                }
                Body::AgentTimeout(sage, late) => {
                    let message = words::late(lang, late.kind, late.timeout);
                    lanes.entry(*sage).or_default().trouble = Some(message);
                }
                Body::AgentComplete(sage, complete) => {
                    let going = lanes.entry(*sage).or_default();
                    let is_missing = complete.cause.is_some_and(|cause| !cause.is_cast());
                    let said = Said {
                        end: SageEnd {
                            complete: complete.clone(),
                            message: going.trouble.take().filter(|_| is_missing),
                        },
                        prose: going.prose.clone(),
                        provider: going.provider.clone(),
                        model: going.model.clone(),
                        heard: going.heard,
                    };
                    memory.end(*sage, said);
                }
                other => memory.take(other),
            }
        }
        memory
    }

    fn end(&mut self, sage: Sage, said: Said) {
        self.open.remove(&sage);
        let before = self.done.get(&sage);
        if !before.is_some_and(|before| before.is_repeated_by(&said)) {
            self.is_tallied = false;
            self.judgment = None;
        }
        self.done.insert(sage, said);
    }

    /// Takes in what is not one sage's own.
    fn take(&mut self, body: &Body) {
        match body {
            Body::Tally(_) => self.is_tallied = true,
            Body::JudgeStart(start) => {
                self.judge_attempt = start.attempt;
                self.judge_order = Some((start.order_seed, start.order.clone()));
                self.judgment = None;
            }
            Body::JudgeError(error) => {
                self.is_judge_stopped = !error.retryable && error.code == words::STOPPED;
            }
            Body::JudgeComplete(complete) => self.judgment = Some(complete.clone()),
            Body::Note(note) => self.notes.push(note.clone()),
            Body::Paused(_) => self.is_paused = true,
            Body::Resumed(_) => self.is_paused = false,
            Body::Trace(_, trace) if trace.name == RECORD => {
                // What was refused was not obeyed: the same request may be heard another time.
                let is_refused = trace.attributes.contains_key("refused");
                let text = |name: &str| trace.attributes.get(name).and_then(Value::as_str);
                if let Some(key) = text("key").filter(|_| !is_refused) {
                    let digest = text("digest").map(str::to_owned);
                    self.keys.entry(key.to_owned()).or_insert(digest);
                }
            }
            _ => {}
        }
    }

    /// Tells whether this order was obeyed under this key.
    ///
    /// # Errors
    ///
    /// [`Error::KeyReused`] when another one was.
    pub(crate) fn knows(&self, key: Option<&str>, act: &Act) -> Result<bool, Error> {
        match key.and_then(|key| self.keys.get(key)) {
            None => Ok(false),
            Some(Some(digest)) if *digest != act.digest() => Err(Error::KeyReused),
            Some(_) => Ok(true),
        }
    }

    /// Returns the attempt with which a member goes on.
    pub(crate) fn next_attempt(&self, agent: Agent) -> u32 {
        match agent {
            Agent::Sage(sage) => self.attempts.get(&sage).copied().unwrap_or(0) + 1,
            Agent::Judge => self.judge_attempt + 1,
        }
    }
}

/// Adds up the time of every generation, so that neither the time in between nor a pause is counted.
fn spent(events: &[Event]) -> u64 {
    let mut sum = 0;
    let mut began: Option<Timestamp> = None;
    let mut last: Option<Timestamp> = None;
    let mut is_paused = false;
    for event in events {
        let at = event.timestamp;
        match &event.body {
            Body::Paused(_) => {
                sum += began.take().map_or(0, |began| at.millis_since(began));
                is_paused = true;
            }
            Body::Resumed(_) => is_paused = false,
            Body::Rewind(_) => {
                let until = last.unwrap_or(at);
                sum += began.take().map_or(0, |began| until.millis_since(began));
            }
            _ => {}
        }
        if !is_paused {
            began = began.or(Some(at));
        }
        last = Some(at);
    }
    let rest = began.zip(last);
    sum + rest.map_or(0, |(began, last)| last.millis_since(began))
}
