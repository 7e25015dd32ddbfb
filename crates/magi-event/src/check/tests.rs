mod mutations;

use proptest::prelude::*;

use super::*;
use crate::sample::{self, Dice, Entry};

fn check(mode: Mode, log: &[Entry]) -> Result<(), Violation> {
    let mut checker = Checker::new(mode);
    for (cursor, event) in log {
        checker.entry(*cursor, event)?;
    }
    checker.finish(true)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn good_logs_are_accepted(seed: u64) {
        let stored = sample::log(seed);
        prop_assert_eq!(check(Mode::Log, &stored), Ok(()));
        prop_assert_eq!(check(Mode::Reader, &stored), Ok(()));
    }

    #[test]
    fn what_a_reader_saw_is_accepted(seed: u64, other: u64) {
        let seen = sample::as_seen(&sample::log(seed), other);
        prop_assert_eq!(check(Mode::Reader, &seen), Ok(()));
    }

    #[test]
    fn a_log_read_on_from_a_snapshot_is_accepted(seed: u64, cut: proptest::sample::Index) {
        let log = sample::log(seed);
        let (before, after) = log.split_at(cut.index(log.len()));
        let events = before.iter().map(|(_, event)| event);
        let snapshot = Snapshot::fold(sample::id(seed), events);
        let mut checker = Checker::after(Mode::Log, snapshot);
        for (cursor, event) in after {
            prop_assert_eq!(checker.entry(*cursor, event), Ok(()));
        }
        prop_assert_eq!(checker.finish(true), Ok(()));
    }

    #[test]
    fn good_logs_survive_their_json(seed: u64) {
        let log: Vec<Entry> = sample::log(seed)
            .iter()
            .map(|(cursor, event)| {
                let read = Event::from_json(&event.to_json()).unwrap();
                (cursor.to_string().parse().unwrap(), read)
            })
            .collect();
        prop_assert_eq!(&log, &sample::log(seed));
    }
}

/// The generator would prove little if it never made the hard cases.
#[test]
fn the_good_logs_hold_every_kind_and_many_generations() {
    let mut kinds = std::collections::BTreeMap::<&str, usize>::new();
    let mut generations = 0;
    for seed in 0..600 {
        let log = sample::log(seed);
        for (_, event) in &log {
            let name = Body::NAMES.iter().find(|name| **name == event.body.name());
            *kinds.entry(name.unwrap()).or_default() += 1;
        }
        generations += usize::from(log.last().unwrap().0.generation > 2);
    }
    for name in Body::NAMES {
        assert!(kinds.get(name).copied() >= Some(10), "{name}: {kinds:?}");
    }
    assert!(generations > 30, "{generations}");
}

#[test]
fn every_seeded_corruption_is_rejected_as_what_it_is() {
    assert!(mutations::table().len() >= 25);
    for (name, mode, expected, mutate) in mutations::table() {
        let mut applied = 0;
        for seed in 0..600 {
            let mut dice = Dice::new(seed);
            let mut log = sample::log(seed);
            if mode == Mode::Reader {
                log = sample::as_seen(&log, seed);
            }
            let good = log.clone();
            if mutate(&mut log, &mut dice).is_none() {
                assert_eq!(good, log, "{name} changed what it did not apply to");
                continue;
            }
            assert_ne!(good, log, "{name} changed nothing");
            applied += 1;
            match check(mode, &log) {
                Err(violation) => assert_eq!(
                    violation.invariant, expected,
                    "{name}, seed {seed}: {violation}"
                ),
                Ok(()) => panic!("{name}, seed {seed}: accepted"),
            }
        }
        assert!(applied >= 8, "{name} applied to {applied} logs only");
    }
}

#[test]
fn every_invariant_is_broken_by_a_corruption() {
    use Invariant::*;
    let all = [
        Identity,
        Order,
        Generation,
        RewindTo,
        AfterEnd,
        NoEnd,
        StartFirst,
        Council,
        Outsider,
        Attempt,
        OutsideAttempt,
        OneComplete,
        Text,
        Cause,
        EverySage,
        Tally,
        Outcome,
        JudgeEarly,
        Judgment,
        Verdict,
        FinalDecision,
        Overruled,
        Missing,
        NoVotes,
        NoteTo,
        Span,
        UnknownKind,
    ];
    for invariant in all {
        let broken = mutations::table()
            .iter()
            .any(|(_, _, one, _)| *one == invariant);
        assert!(broken, "{invariant:?}");
    }
}

#[test]
fn a_wrong_number_does_not_even_decode() {
    let log = sample::log(1);
    let json = log
        .iter()
        .map(|(_, event)| String::from_utf8(event.to_json()).unwrap())
        .find(|json| json.contains(r#""confidence":0.75"#))
        .unwrap();
    for wrong in ["1.5", "-0.1", "\"high\"", "1e999"] {
        let json = json.replace(r#""confidence":0.75"#, &format!(r#""confidence":{wrong}"#));
        assert!(Event::from_json(json.as_bytes()).is_err(), "{wrong}");
    }
}

#[test]
fn a_violation_says_where_and_what() {
    let mut log = sample::log(3);
    log.truncate(1);
    let violation = check(Mode::Log, &log).unwrap_err();
    assert_eq!(
        violation.to_string(),
        format!(
            "event 1: the log has its last event: stops after {}.1.1",
            sample::id(3)
        )
    );
    let mut checker = Checker::new(Mode::Log);
    let (cursor, event) = &sample::log(3)[1];
    let violation = checker.entry(*cursor, event).unwrap_err();
    assert_eq!(violation.invariant, Invariant::Order);
    assert_eq!(violation.seq, 2);
}

#[test]
fn a_reader_passes_over_a_kind_it_does_not_know() {
    let mut log = sample::log(5);
    let unknown = crate::Unknown {
        name: "agent_hums".into(),
        agent: None,
        data: serde_json::json!({}),
    };
    mutations::insert(&mut log, 4, Body::Unknown(unknown));
    assert_eq!(check(Mode::Reader, &log), Ok(()));
}

#[test]
fn only_a_readers_log_may_end_at_the_doors_deadline() {
    let id = sample::id(1);
    let mut script = sample::Script::new(id);
    let council = sample::council(&crate::Sage::ALL, crate::Rule::Majority, 2);
    script.push(sample::start(id, "?", council));
    for (reason, mode, is_whole) in [
        ("deadline", Mode::Reader, true),
        ("deadline", Mode::Log, false),
        ("asked", Mode::Reader, false),
    ] {
        let mut script = script.clone();
        script.push(Body::Paused(Paused {
            usage: None,
            cost_usd: None,
            by: "magi".into(),
            reason: reason.into(),
            state: None,
        }));
        assert_eq!(
            check(mode, script.entries()).is_ok(),
            is_whole,
            "{reason} {mode:?}"
        );
    }
}

#[test]
fn of_an_attempt_that_never_began_only_the_stop_of_the_judge_may_be_told() {
    let id = sample::id(1);
    let error = |code: &str, attempt: u32, retryable: bool| {
        Body::JudgeError(crate::AttemptError {
            code: code.into(),
            message: "Stopped.".into(),
            attempt,
            retryable,
            retry_in: None,
        })
    };
    for (body, is_good) in [
        (error("stopped", 0, false), true),
        (error("stopped", 0, true), false),
        (error("failed", 0, false), false),
        (error("stopped", 1, false), false),
    ] {
        let mut script = sample::Script::new(id);
        let council = sample::council(&crate::Sage::ALL, crate::Rule::Majority, 2);
        script.push(sample::start(id, "?", council));
        script.push(body);
        let mut checker = Checker::new(Mode::Log);
        let mut entries = script.entries().iter();
        let whole = entries.try_for_each(|(cursor, event)| checker.entry(*cursor, event));
        assert_eq!(whole.is_ok(), is_good, "{:?}", script.entries().last());
    }
}
