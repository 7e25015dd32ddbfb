//! What an earlier generation, or an earlier deliberation, left behind: votes, attempts, time.

use std::collections::BTreeMap;

use magi_event::{Agent, Body, Event, JudgeComplete, LaneState, Sage, SageLane, Snapshot};
use magi_model::Lang;

use crate::sage::SageEnd;
use crate::setup::Reused;
use crate::words;

/// What is already done of a deliberation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Memory {
    /// Sages who are done, with the prose before their vote.
    pub(crate) done: BTreeMap<Sage, (SageEnd, String)>,
    /// The newest attempt of every sage who has begun.
    pub(crate) attempts: BTreeMap<Sage, u32>,
    /// Whether the votes were counted.
    pub(crate) is_tallied: bool,
    /// The judge's newest attempt; 0 before the first.
    pub(crate) judge_attempt: u32,
    /// The seed and the order in which the judge sees the sages, once it was called.
    pub(crate) judge_order: Option<(u32, Vec<Sage>)>,
    /// The judgment, when it was stored without the verdict.
    pub(crate) judgment: Option<JudgeComplete>,
    /// Milliseconds that earlier generations took.
    pub(crate) spent_ms: u64,
}

impl Memory {
    /// Reads what the stored events of one deliberation say.
    pub(crate) fn of(events: &[Event]) -> Self {
        let Some(first) = events.first() else {
            return Memory::default();
        };
        let snapshot = Snapshot::fold(first.trace_id, events);
        let judge = &snapshot.judge;
        let seed = events.iter().rev().find_map(|event| match &event.body {
            Body::JudgeStart(start) => Some((start.order_seed, start.order.clone())),
            _ => None,
        });
        Memory {
            done: snapshot
                .sages
                .iter()
                .filter_map(|(sage, lane)| Some((*sage, done(lane, &snapshot.lang)?)))
                .collect(),
            attempts: snapshot
                .sages
                .iter()
                .filter(|(_, lane)| lane.attempt > 0)
                .map(|(sage, lane)| (*sage, lane.attempt))
                .collect(),
            is_tallied: snapshot.tally.is_some(),
            judge_attempt: judge.attempt,
            judge_order: seed,
            judgment: judge
                .complete
                .clone()
                .filter(|_| judge.state == LaneState::Done),
            spent_ms: spent(events),
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

fn done(lane: &SageLane, lang: &str) -> Option<(SageEnd, String)> {
    let complete = lane
        .complete
        .clone()
        .filter(|_| lane.state == LaneState::Done)?;
    let lang = if lang == Lang::Ja.code() {
        Lang::Ja
    } else {
        Lang::En
    };
    let is_missing = complete.cause.is_some_and(|cause| !cause.is_cast());
    let last = lane.faults.last().filter(|_| is_missing);
    let message = last.map(|fault| match (&fault.error, &fault.timeout) {
        (Some(error), _) => error.message.clone(),
        (None, Some(timeout)) => words::late(lang, timeout.kind, timeout.timeout),
        (None, None) => String::new(),
    });
    Some((SageEnd { complete, message }, lane.text.clone()))
}

/// Adds up the time of every generation, so that the time in between is not counted.
fn spent(events: &[Event]) -> u64 {
    let mut sum = 0;
    let mut began = None;
    let mut last = None;
    for event in events {
        if matches!(event.body, Body::Rewind(_)) {
            if let (Some(began), Some(last)) = (began, last) {
                let last: magi_event::Timestamp = last;
                sum += last.millis_since(began);
            }
            began = Some(event.timestamp);
        }
        began = began.or(Some(event.timestamp));
        last = Some(event.timestamp);
    }
    if let (Some(began), Some(last)) = (began, last) {
        sum += last.millis_since(began);
    }
    sum
}

/// Returns the votes of an ended deliberation that another one can reuse: those that were cast.
pub(crate) fn reusable(events: &[Event]) -> BTreeMap<Sage, Reused> {
    let Some(first) = events.first() else {
        return BTreeMap::new();
    };
    let snapshot = Snapshot::fold(first.trace_id, events);
    snapshot
        .sages
        .iter()
        .filter_map(|(sage, lane)| {
            let (end, prose) = done(lane, &snapshot.lang)?;
            let is_cast = end.complete.cause.is_none_or(|cause| cause.is_cast());
            is_cast.then(|| {
                let reused = Reused {
                    prose,
                    provider: lane.provider.clone().unwrap_or_default(),
                    model: lane.model.clone().unwrap_or_default(),
                    complete: end.complete,
                    message: end.message,
                };
                (*sage, reused)
            })
        })
        .collect()
}
