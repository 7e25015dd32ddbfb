use proptest::prelude::*;

use super::*;
use crate::sample::{self, Entry, Script};
use crate::{Decision, Rule};

fn fold(log: &[Entry]) -> Snapshot {
    Snapshot::fold(log[0].0.deliberation, log.iter().map(|(_, event)| event))
}

/// Returns the places of the stored log at which a reader stands who has seen exactly the stored
/// events: those are the places at which both folds must be the same.
fn folds_by_place(log: &[Entry]) -> BTreeMap<Cursor, Snapshot> {
    let mut snapshot = Snapshot::new(log[0].0.deliberation);
    let mut folds = BTreeMap::new();
    for (cursor, event) in log {
        snapshot.apply(event);
        folds.insert(*cursor, snapshot.clone());
    }
    folds
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_reader_who_saw_void_deltas_ends_up_with_the_stored_log(seed: u64, other: u64) {
        let stored = sample::log(seed);
        let expected = folds_by_place(&stored);
        let seen = sample::as_seen(&stored, other);
        let mut snapshot = Snapshot::new(stored[0].0.deliberation);
        for (cursor, event) in &seen {
            snapshot.apply(event);
            prop_assert_eq!(snapshot.cursor, *cursor);
            // A place the store has too: the fold is the stored one, from the rewind on for ever.
            if expected.contains_key(cursor) {
                prop_assert_eq!(&snapshot, &expected[cursor], "at {}", cursor);
            }
        }
        prop_assert_eq!(snapshot, fold(&stored));
    }

    #[test]
    fn entries_that_come_twice_change_nothing(seed: u64, other: u64, back in 0usize..40) {
        let seen = sample::as_seen(&sample::log(seed), other);
        let mut snapshot = Snapshot::new(seen[0].0.deliberation);
        for (place, (_, event)) in seen.iter().enumerate() {
            snapshot.apply(event);
            let again = &seen[place.saturating_sub(back)];
            // A reader that connects again may be given what it has, of its own generation.
            if again.0.generation == snapshot.cursor.generation {
                let before = snapshot.clone();
                snapshot.apply(&again.1);
                prop_assert_eq!(before, snapshot.clone());
            }
        }
    }

    #[test]
    fn a_snapshot_goes_on_from_its_json(seed: u64, cut: proptest::sample::Index) {
        let log = sample::log(seed);
        let (before, after) = log.split_at(1 + cut.index(log.len() - 1));
        let json = serde_json::to_string(&fold(before)).unwrap();
        let mut snapshot: Snapshot = serde_json::from_str(&json).unwrap();
        for (_, event) in after {
            snapshot.apply(event);
        }
        prop_assert_eq!(serde_json::to_value(&snapshot).unwrap(), serde_json::to_value(fold(&log)).unwrap());
    }

    #[test]
    fn any_order_of_any_events_is_survived(
        seed: u64,
        other: u64,
        places in proptest::collection::vec(any::<proptest::sample::Index>(), 0..80),
    ) {
        let mut log = sample::as_seen(&sample::log(seed), other);
        log.extend(sample::log(other));
        let mut snapshot = Snapshot::new(log[0].0.deliberation);
        for place in places {
            snapshot.apply(&log[place.index(log.len())].1);
        }
        prop_assert_eq!(snapshot.trace_id, log[0].0.deliberation);
    }
}

fn script() -> Script {
    let id = sample::id(7);
    let council = sample::council(&Sage::ALL, Rule::Majority, 2);
    let mut script = Script::new(id);
    script.push(sample::start(id, "採用すべきか?", council));
    script.push(Body::SagesStart(crate::SagesStart { sage_count: 3 }));
    script
}

#[test]
fn lanes_fill_with_text_and_end_with_a_vote() {
    let mut script = script();
    script.sage(Sage::Caspar, &["可決", "する"], Decision::Approved);
    let snapshot = fold(script.entries());
    assert_eq!(snapshot.question, "採用すべきか?");
    assert_eq!(snapshot.phase, Phase::Sages);
    assert_eq!(snapshot.status, Status::Running);
    assert_eq!(snapshot.sages.len(), 3);
    assert_eq!(snapshot.cursor.seq, 6);
    let caspar = &snapshot.sages[&Sage::Caspar];
    assert_eq!(
        (caspar.state, caspar.text.as_str()),
        (LaneState::Done, "可決する")
    );
    assert_eq!(
        caspar.complete.as_ref().unwrap().decision,
        Decision::Approved
    );
    assert_eq!(snapshot.sages[&Sage::Melchior].state, LaneState::Waiting);
    assert_eq!(
        (snapshot.usage.input_tokens, snapshot.cost_usd),
        (100, Some(0.25))
    );
}

#[test]
fn an_attempt_above_1_resets_the_lane_and_keeps_the_vote_until_the_next() {
    let mut script = script();
    script.sage(Sage::Caspar, &["可決"], Decision::Approved);
    script.push(Body::AgentStart(Sage::Caspar, sample::agent_start(2)));
    let caspar = &fold(script.entries()).sages[&Sage::Caspar];
    assert_eq!((caspar.state, caspar.attempt), (LaneState::Connecting, 2));
    assert_eq!(caspar.text, "");
    assert_eq!(caspar.complete.as_ref().unwrap().attempt, 1);
}

#[test]
fn a_rewind_takes_back_text_thinking_and_state_but_nothing_stored() {
    let mut script = script();
    script.push(Body::AgentStart(Sage::Caspar, sample::agent_start(1)));
    script.push(Body::AgentChunk(Sage::Caspar, sample::delta("stored ")));
    let to = script.entries().last().unwrap().1.seq;
    let stored = fold(script.entries());

    let mut seen = script.clone();
    seen.push(Body::AgentChunk(Sage::Caspar, sample::delta("空")));
    seen.push(Body::AgentThinking(Sage::Caspar, sample::delta("void")));
    let mut snapshot = fold(seen.entries());
    assert_eq!(snapshot.sages[&Sage::Caspar].state, LaneState::Thinking);

    script.rewind();
    let (cursor, rewind) = script.entries().last().unwrap();
    assert_eq!(rewind.body, Body::Rewind(crate::Rewind { to }));
    snapshot.apply(rewind);
    assert_eq!(snapshot.sages, stored.sages);
    assert_eq!(snapshot.cursor, *cursor);
    assert_eq!(snapshot.cursor.generation, 2);
}

#[test]
fn a_rewind_below_the_last_milestone_is_not_of_this_log_and_changes_nothing() {
    let mut script = script();
    script.sage(Sage::Caspar, &["可決"], Decision::Approved);
    let mut snapshot = fold(script.entries());
    let before = snapshot.clone();
    let mut event = script.entries().last().unwrap().1.clone();
    (event.seq, event.body) = (4, Body::Rewind(crate::Rewind { to: 3 }));
    snapshot.apply(&event);
    assert_eq!(snapshot, before);
}

#[test]
fn a_vote_used_again_costs_nothing_and_an_unknown_price_hides_the_sum() {
    let mut script = script();
    script.sage(Sage::Caspar, &["可決"], Decision::Approved);
    let complete = |usage, cost_usd| {
        let mut complete = sample::vote(Decision::Rejected, 1, &crate::TextDigest::new());
        (complete.usage, complete.cost_usd) = (usage, cost_usd);
        complete
    };
    script.push(Body::AgentStart(Sage::Balthasar, sample::agent_start(1)));
    script.push(Body::AgentComplete(Sage::Balthasar, complete(None, None)));
    assert_eq!(fold(script.entries()).cost_usd, Some(0.25));
    script.push(Body::AgentStart(Sage::Melchior, sample::agent_start(1)));
    script.push(Body::AgentComplete(
        Sage::Melchior,
        complete(Some(Usage::default()), None),
    ));
    assert_eq!(fold(script.entries()).cost_usd, None);
}
