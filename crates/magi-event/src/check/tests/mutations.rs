//! The seeded corruptions: each makes a good log bad in one named way.

use super::super::{Invariant, Mode};
use crate::sample::{self, Dice, Entry};
use crate::{
    Body, Cause, Complete, Decision, DeliberationId, FinalDecision, JudgeStart, Missing, Note,
    Rewind, Rule, Sage, Status, Timestamp, Unknown, Votes,
};

type Log = Vec<Entry>;

/// A corruption: its name, the mode in which the log is read, what it breaks, and how it is done;
/// `None` where the log has no place for it.
pub(super) type Row = (
    &'static str,
    Mode,
    Invariant,
    fn(&mut Log, &mut Dice) -> Option<()>,
);

/// Returns every corruption.
pub(super) fn table() -> Vec<Row> {
    [order::TABLE, parts::TABLE].concat()
}

/// Changes the data of one event that fits the pattern, found from a random place on.
macro_rules! change {
    ($log:ident, $dice:ident, $pattern:pat => $do:expr) => {
        change!($log, $dice, $pattern if true => $do)
    };
    ($log:ident, $dice:ident, $pattern:pat if $guard:expr => $do:expr) => {{
        let (length, from) = ($log.len(), $dice.roll($log.len()));
        (0..length).find_map(|step| match &mut $log[(from + step) % length].1.body {
            $pattern if $guard => {
                $do;
                Some(())
            }
            _ => None,
        })
    }};
}

mod order;
mod parts;

/// Returns a random place whose event fits.
fn place(log: &Log, dice: &mut Dice, fits: impl Fn(&Body) -> bool) -> Option<usize> {
    let places: Vec<usize> = (0..log.len())
        .filter(|place| fits(&log[*place].1.body))
        .collect();
    dice.pick(&places)
}

/// Returns a random place that is neither first nor last, and no rewind or its neighbour.
fn inside(log: &Log, dice: &mut Dice) -> Option<usize> {
    let is_rewind = |place: usize| matches!(log[place].1.body, Body::Rewind(_));
    let places: Vec<usize> = (1..log.len().saturating_sub(2))
        .filter(|place| !(place - 1..=place + 1).any(is_rewind))
        .collect();
    dice.pick(&places)
}

/// Numbers the log again, so that only the corruption itself is wrong with it.
fn renumber(log: &mut Log) {
    for (place, (cursor, event)) in log.iter_mut().enumerate() {
        cursor.seq = place as u64 + 1;
        event.seq = cursor.seq;
        if let Body::Rewind(rewind) = &mut event.body {
            rewind.to = event.seq - 1;
        }
    }
}

/// Inserts an event before a place, and numbers the log again.
pub(super) fn insert(log: &mut Log, place: usize, body: Body) {
    let (cursor, mut event) = log[place - 1].clone();
    event.body = body;
    log.insert(place, (cursor, event));
    renumber(log);
}

fn remove(log: &mut Log, place: usize) {
    log.remove(place);
    renumber(log);
}

fn stranger() -> DeliberationId {
    DeliberationId::new(Timestamp::from_millis(1), 99)
}

fn outsider(log: &Log) -> Option<Sage> {
    let Body::Start(start) = &log[0].1.body else {
        return None;
    };
    let is_out = |sage: &Sage| !start.council.sages.contains(sage);
    Sage::ALL.into_iter().find(is_out)
}

fn chunk_of(body: &Body) -> Option<(Sage, &str)> {
    match body {
        Body::AgentChunk(sage, delta) if !delta.text.is_empty() => Some((*sage, &delta.text)),
        _ => None,
    }
}

/// Returns a random chunk of an attempt that completes.
fn counted_chunk(log: &Log, dice: &mut Dice) -> Option<usize> {
    let counts = |place: &usize| {
        let Some((sage, _)) = chunk_of(&log[*place].1.body) else {
            return false;
        };
        log[*place..]
            .iter()
            .find_map(|(_, event)| match &event.body {
                Body::AgentComplete(one, _) if *one == sage => Some(true),
                Body::AgentStart(one, _) if *one == sage => Some(false),
                _ => None,
            })
            .unwrap_or(false)
    };
    let places: Vec<usize> = (0..log.len()).filter(counts).collect();
    dice.pick(&places)
}

fn has_tally(log: &Log) -> Option<usize> {
    log.iter()
        .position(|(_, event)| matches!(event.body, Body::Tally(_)))
}

fn flip(decision: FinalDecision) -> FinalDecision {
    match decision {
        FinalDecision::Approved => FinalDecision::Rejected,
        FinalDecision::Rejected => FinalDecision::Undecided,
        FinalDecision::Undecided => FinalDecision::Approved,
    }
}

fn flip_hex(hex: &mut String) {
    let flipped = if hex.starts_with('0') { "1" } else { "0" };
    hex.replace_range(0..1, flipped);
}

fn judge_start(attempt: u32) -> Body {
    Body::JudgeStart(JudgeStart {
        attempt,
        provider: "fake".into(),
        model: "one".into(),
        order_seed: 1,
        order: Vec::new(),
    })
}

fn swap_counted_chunks(log: &mut Log, dice: &mut Dice) -> Option<()> {
    let first = counted_chunk(log, dice)?;
    let (sage, text) = chunk_of(&log[first].1.body)?;
    let text = text.to_owned();
    let is_start = |body: &Body| matches!(body, Body::AgentStart(one, _) if *one == sage);
    let second = (first + 1..log.len())
        .take_while(|place| !is_start(&log[*place].1.body))
        .find(|place| {
            chunk_of(&log[*place].1.body).is_some_and(|(one, other)| {
                one == sage && format!("{text}{other}") != format!("{other}{text}")
            })
        })?;
    let between = (first + 1..second)
        .any(|place| chunk_of(&log[place].1.body).is_some_and(|(one, _)| one == sage));
    if between {
        return None;
    }
    let body = log[first].1.body.clone();
    log[first].1.body = std::mem::replace(&mut log[second].1.body, body);
    Some(())
}

fn no_votes_but_a_verdict(log: &mut Log, _: &mut Dice) -> Option<()> {
    let (_, event) = log.last()?;
    let Body::Error(failure) = event.body.clone() else {
        return None;
    };
    let Body::Start(start) = &log[0].1.body else {
        return None;
    };
    let abstained = start.council.sages.len() as u32;
    let tally = crate::Tally {
        approved: 0,
        rejected: 0,
        abstained,
        quorum: start.council.quorum,
        outcome: FinalDecision::Undecided,
        agreement: format!("0-0-{abstained}"),
    };
    let complete = Complete {
        trace_id: event.trace_id,
        status: Status::Degraded,
        missing: failure.missing,
        final_decision: FinalDecision::Undecided,
        voting_result: Votes {
            abstained,
            ..Votes::default()
        },
        solomon_judgment: sample::no_judgment(),
        overruled: false,
        judge_agrees: None,
        summary: String::new(),
        recommendation: String::new(),
        confidence: None,
        usage: Default::default(),
        cost_usd: None,
        execution_time: 1,
    };
    let end = log.len() - 1;
    log[end].1.body = Body::Complete(complete);
    insert(log, end, Body::Tally(tally));
    Some(())
}
