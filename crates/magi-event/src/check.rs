//! The checker: the invariants of a log, held in one place for tests, fuzzers and benches.
//!
//! A log is fed entry by entry, in the order in which it is stored ([`Mode::Log`]) or in which a
//! reader saw it ([`Mode::Reader`]). Door frames are not events and are not fed.

mod parts;

pub(crate) use parts::{count, direction, outcome};

use crate::{Body, Cursor, Event, PROTOCOL, Paused, Rewind, Snapshot, Start};

/// From where the entries come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// From the store: every event is there, and of a kind this version writes.
    Log,
    /// From a reader: before a `rewind` the last seq seen may be above its `to`, and kinds this
    /// version does not know are passed over.
    Reader,
}

/// What a log keeps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Invariant {
    /// Every event, and every id in it, names one deliberation.
    #[error("every event names the same deliberation")]
    Identity,
    /// `seq` rises by exactly 1 from 1, and the id's seq is the event's.
    #[error("seq rises by exactly 1, and the id says the same")]
    Order,
    /// The generation rises by 1 at each `rewind` and nowhere else.
    #[error("the generation rises by 1 at each rewind and nowhere else")]
    Generation,
    /// `rewind.to` is its own seq less 1, and takes back only deltas and traces.
    #[error("a rewind goes to its own seq less 1 and takes back nothing but deltas and traces")]
    RewindTo,
    /// Nothing follows the last event.
    #[error("nothing follows the last event")]
    AfterEnd,
    /// The log has its last event.
    #[error("the log has its last event")]
    NoEnd,
    /// `start` is the first event, and the only one of its kind; its protocol is ours.
    #[error("start is the first event and the only one of its kind")]
    StartFirst,
    /// The council can deliberate, and sets out once with all its sages.
    #[error("the council can deliberate, and sets out once with all its sages")]
    Council,
    /// Only sages of the council appear.
    #[error("only sages of the council appear")]
    Outsider,
    /// Attempts of a role rise by exactly 1 from 1, and what is said of one names the newest.
    #[error("attempts rise by exactly 1 from 1, and an event names the newest")]
    Attempt,
    /// Deltas come between the start and the end of an attempt.
    #[error("deltas come between the start and the end of an attempt")]
    OutsideAttempt,
    /// A role completes an attempt once.
    #[error("a role completes an attempt once")]
    OneComplete,
    /// The chunks of an attempt that completes have its `text_bytes` and `text_sha256`.
    #[error("the chunks of an attempt have its text_bytes and text_sha256")]
    Text,
    /// An abstention has a cause, and nothing else has.
    #[error("an abstention, and nothing else, has a cause")]
    Cause,
    /// Every sage of the council is done before the votes are counted.
    #[error("every sage is done before the votes are counted")]
    EverySage,
    /// The tally counts the votes of the highest attempts.
    #[error("the tally counts the votes of the highest attempts")]
    Tally,
    /// The tally's outcome follows from the votes by the council's rule.
    #[error("the outcome follows from the votes by the rule")]
    Outcome,
    /// The judge is called after the votes are counted, and only with a quorum.
    #[error("the judge is called after the tally, and only with a quorum")]
    JudgeEarly,
    /// The judge sees and scores sages of the council, each once, 0 to 100, and agrees with the
    /// votes exactly when its decision is theirs.
    #[error("the judge weighs sages of the council, each once, 0 to 100, and agrees when it does")]
    Judgment,
    /// The verdict repeats the last tally and the judge's words.
    #[error("the verdict repeats the last tally and the judge's words")]
    Verdict,
    /// The final decision follows from the tally, or under rule `judge` from the judge.
    #[error("the final decision follows from the tally, or under rule `judge` from the judge")]
    FinalDecision,
    /// Votes are overruled exactly when a judge under rule `judge` decides against them.
    #[error("votes are overruled exactly when a judge under rule `judge` decides against them")]
    Overruled,
    /// A verdict is degraded exactly when something is missing, and lists all of it.
    #[error("a verdict is degraded exactly when something is missing, and lists all of it")]
    Missing,
    /// A verdict stands on at least one vote that was cast.
    #[error("a verdict stands on at least one vote that was cast")]
    NoVotes,
    /// A note goes to all or to one of the council.
    #[error("a note goes to `all` or to one of the council")]
    NoteTo,
    /// Span ids are 16 lower-case hex digits.
    #[error("span ids are 16 lower-case hex digits")]
    Span,
    /// A stored event is of a kind this version knows.
    #[error("a stored event is of a known kind")]
    UnknownKind,
}

/// An entry that breaks an invariant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event {seq}: {invariant}: {detail}")]
pub struct Violation {
    /// The seq of the entry; for a log that stops short, of its last one.
    pub seq: u64,
    /// What it breaks.
    pub invariant: Invariant,
    /// What was found, and what was expected.
    pub detail: String,
}

/// What a rule says of an event: the invariant it breaks, and how.
type Found = Result<(), (Invariant, String)>;

/// Returns the finding when `holds` is false.
fn hold(holds: bool, invariant: Invariant, detail: impl FnOnce() -> String) -> Found {
    if holds {
        Ok(())
    } else {
        Err((invariant, detail()))
    }
}

/// Reads a log and says where it first breaks an invariant.
///
/// Confidences, decisions and the other enumerations hold by their types: what breaks those does
/// not decode.
#[derive(Clone, Debug)]
pub struct Checker {
    mode: Mode,
    /// What the entries so far add up to; `cursor` is the place of the last one.
    fold: Snapshot,
    /// Whether an entry was fed, or a snapshot stands for it.
    has_begun: bool,
    /// Whether `sages_start` was there; unknown where a snapshot stands for what was before.
    has_set_out: Option<bool>,
}

impl Checker {
    /// Makes a checker for a log read from its first event.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        Checker {
            mode,
            fold: Snapshot::new(crate::DeliberationId::new(
                crate::Timestamp::from_millis(0),
                0,
            )),
            has_begun: false,
            has_set_out: Some(false),
        }
    }

    /// Makes a checker for a log read on from a snapshot's cursor.
    #[must_use]
    pub fn after(mode: Mode, snapshot: Snapshot) -> Self {
        Checker {
            mode,
            has_begun: snapshot.cursor.seq > 0,
            has_set_out: (snapshot.cursor.seq == 0).then_some(false),
            fold: snapshot,
        }
    }

    /// Returns what the entries so far add up to.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.fold
    }

    /// Takes the next entry.
    ///
    /// # Errors
    ///
    /// When it breaks an invariant; it is then not taken in, and what follows may seem broken too.
    pub fn entry(&mut self, cursor: Cursor, event: &Event) -> Result<(), Violation> {
        if !self.has_begun {
            self.fold = Snapshot::new(event.trace_id);
        }
        self.place(cursor, event)
            .and_then(|()| self.rules(event))
            .map_err(|(invariant, detail)| Violation {
                seq: event.seq,
                invariant,
                detail,
            })?;
        self.has_begun = true;
        if matches!(event.body, Body::SagesStart(_)) {
            self.has_set_out = Some(true);
        }
        self.fold.apply(event);
        Ok(())
    }

    /// Ends the log; with `expect_end` its last event must have come. What a reader saw may also end
    /// after the `paused` of a door's deadline.
    ///
    /// # Errors
    ///
    /// When the log stops short of its last event.
    pub fn finish(&self, expect_end: bool) -> Result<(), Violation> {
        let paused = self.fold.paused.as_ref();
        let is_suspended = self.mode == Mode::Reader && paused.is_some_and(Paused::is_deadline);
        if !expect_end || self.fold.status.is_over() || is_suspended {
            return Ok(());
        }
        Err(Violation {
            seq: self.fold.cursor.seq,
            invariant: Invariant::NoEnd,
            detail: format!("stops after {}", self.fold.cursor),
        })
    }

    /// Holds what depends only on the entry's place in the log.
    fn place(&self, cursor: Cursor, event: &Event) -> Found {
        let last = self.fold.cursor;
        hold(
            event.trace_id == last.deliberation && cursor.deliberation == last.deliberation,
            Invariant::Identity,
            || format!("{cursor} in the log of {}", last.deliberation),
        )?;
        hold(!self.fold.status.is_over(), Invariant::AfterEnd, || {
            format!("`{}` after {last}", event.body.name())
        })?;
        hold(cursor.seq == event.seq, Invariant::Order, || {
            format!("the id says {}", cursor.seq)
        })?;
        let rewind = match event.body {
            Body::Rewind(rewind) => Some(rewind),
            _ => None,
        };
        let generation = last.generation + u32::from(rewind.is_some());
        hold(
            cursor.generation == generation,
            Invariant::Generation,
            || format!("is {}, expected {generation}", cursor.generation),
        )?;
        match rewind {
            Some(rewind) => self.rewind(rewind, event.seq),
            None => hold(event.seq == last.seq + 1, Invariant::Order, || {
                format!("follows {}", last.seq)
            }),
        }
    }

    fn rewind(&self, rewind: Rewind, seq: u64) -> Found {
        hold(
            rewind.to.checked_add(1) == Some(seq),
            Invariant::RewindTo,
            || format!("goes to {}", rewind.to),
        )?;
        let (firm, seen) = (self.fold.firm_end(), self.fold.cursor.seq);
        match self.mode {
            Mode::Log => hold(rewind.to == seen, Invariant::Order, || {
                format!("follows {seen}")
            }),
            Mode::Reader => {
                hold(rewind.to >= firm, Invariant::RewindTo, || {
                    format!("takes back milestone {firm}")
                })?;
                hold(rewind.to <= seen, Invariant::Order, || {
                    format!("follows {seen}")
                })
            }
        }
    }

    /// Holds what depends on what the event says.
    fn rules(&self, event: &Event) -> Found {
        if self.fold.cursor.seq == 0 {
            let is_start = matches!(event.body, Body::Start(_));
            hold(is_start, Invariant::StartFirst, || {
                format!("begins with `{}`", event.body.name())
            })?;
        }
        match &event.body {
            Body::Start(start) => self.start(event, start),
            Body::SagesStart(sages) => {
                let listed = self.council()?.sages.len();
                let is_right =
                    self.has_set_out != Some(true) && sages.sage_count as usize == listed;
                hold(is_right, Invariant::Council, || {
                    format!("{} of {listed} sages set out", sages.sage_count)
                })
            }
            Body::AgentStart(sage, start) => self.sage_begins(*sage, start.attempt),
            Body::AgentThinking(sage, _) | Body::AgentChunk(sage, _) => self.sage_speaks(*sage),
            Body::AgentError(sage, error) => self.sage_fails(*sage, error.attempt),
            Body::AgentTimeout(sage, timeout) => self.sage_fails(*sage, timeout.attempt),
            Body::AgentComplete(sage, complete) => self.sage_completes(*sage, complete),
            Body::Tally(tally) => self.tally(tally),
            Body::JudgeStart(start) => self.judge_begins(start),
            Body::JudgeThinking(_) | Body::JudgeChunk(_) => parts::speaks(&self.fold.judge),
            Body::JudgeError(error) => parts::judge_fails(&self.fold.judge, error),
            Body::JudgeTimeout(timeout) => parts::fails(&self.fold.judge, timeout.attempt),
            Body::JudgeComplete(complete) => self.judge_completes(complete),
            Body::Trace(_, trace) => parts::span(trace),
            Body::Note(note) => self.note(note),
            Body::Complete(complete) => self.verdict(complete),
            Body::Unknown(unknown) => {
                hold(self.mode == Mode::Reader, Invariant::UnknownKind, || {
                    format!("`{}`", unknown.name)
                })
            }
            // Their place is all there is to check.
            Body::Paused(_)
            | Body::Resumed(_)
            | Body::Rewind(_)
            | Body::Cancelled(_)
            | Body::Error(_) => Ok(()),
        }
    }

    fn start(&self, event: &Event, start: &Start) -> Found {
        hold(
            self.fold.cursor.seq == 0 && start.protocol == PROTOCOL,
            Invariant::StartFirst,
            || format!("protocol {}", start.protocol),
        )?;
        hold(
            start.trace_id == event.trace_id,
            Invariant::Identity,
            || format!("its data says {}", start.trace_id),
        )?;
        parts::council(&start.council)
    }
}

#[cfg(test)]
mod tests;
