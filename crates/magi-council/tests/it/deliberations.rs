//! Whole deliberations, each a script with its events committed beside it.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};

use magi_event::{Body, Status};
use magi_model::Kind;

use crate::script::{Script, check, last, play};

macro_rules! scripts {
    ($($name:ident)*) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $name() {
                check(stringify!($name)).await;
            }
        )*
    };
}

scripts! {
    broken_twice
    budget
    cut_after_the_vote
    drip_to_total
    empty_answer
    filtered_once
    happy_en
    happy_ja
    json_only
    judge_disabled_classic
    judge_dissents
    judge_fails
    judge_fails_classic
    judge_falls_back
    judge_overrules
    judge_retried
    judge_stalls
    judge_too_late
    left_alone
    max_tokens_cut
    max_tokens_repaired
    max_tokens_tagged
    no_connection
    no_votes
    not_repaired
    one_fails_unauthorised
    overloaded_for_ever
    panic_in_provider
    quorum_lost_cast
    quorum_lost_missing
    quoting_attack
    refusal
    repaired
    restart_after_first_token
    retry_before_first_token
    silent_after_accept
    stall
    stop_connecting
    stop_every_sage
    stop_judge
    stop_one_sage
    stop_sages
    stop_the_judge_alone
    stop_the_judge_before
    store_down
    throttled_too_long
    throttled_with_retry_after
    throttled_without_retry_after
    tool_only
    two_sages
    unwatched
}

/// How long scripts take on the paused clock: the deadlines hold, and nothing waits beyond them.
#[tokio::test(start_paused = true)]
async fn deadlines_hold() {
    for (name, least, most) in [
        // Two sages at once, the third waits 12 s and at most a twentieth more.
        ("throttled_with_retry_after", 12.0, 14.0),
        // Four waits, each threefold, half of each random: 10 to 20 s.
        ("throttled_without_retry_after", 10.0, 22.0),
        // Five waits, each twofold, and the judge.
        ("overloaded_for_ever", 7.5, 17.0),
        // An hour is not waited for.
        ("throttled_too_long", 0.0, 1.0),
        // Three times 10 s, and two waits of at most 1.5 s together.
        ("no_connection", 30.0, 33.0),
        // Twice 20 s.
        ("silent_after_accept", 40.0, 42.0),
        ("drip_to_total", 90.0, 91.0),
        ("judge_too_late", 60.0, 61.0),
    ] {
        let took = check(name).await.took.as_secs_f64();
        assert!((least..=most).contains(&took), "{name}: {took} s");
    }
}

/// Every span names a span that began before it, and in a deliberation that came to its verdict
/// every span that began has ended.
#[tokio::test(start_paused = true)]
async fn spans_make_one_tree() {
    for name in [
        "happy_en",
        "repaired",
        "retry_before_first_token",
        "judge_falls_back",
    ] {
        let played = check(name).await;
        let mut known: BTreeSet<&str> = BTreeSet::new();
        let mut open: BTreeMap<&str, &str> = BTreeMap::new();
        let mut roots = 0;
        for (_, event) in &played.log {
            let Body::Trace(_, trace) = &event.body else {
                continue;
            };
            match &trace.parent_id {
                Some(parent) => assert!(known.contains(parent.as_str()), "{name}: {trace:?}"),
                None => roots += u32::from(trace.duration_ms.is_none()),
            }
            known.insert(&trace.span_id);
            match trace.duration_ms {
                None => drop(open.insert(&trace.span_id, &trace.name)),
                Some(_) => drop(open.remove(trace.span_id.as_str())),
            }
        }
        assert_eq!(roots, 1, "{name}");
        assert!(open.is_empty(), "{name}: {open:?}");
    }
}

/// Every kind of failure, before and after the first token, of a sage and of the judge: it is told
/// by its name, tried again exactly when that may help, and nobody else is touched.
#[tokio::test(start_paused = true)]
async fn every_failure_in_every_phase() {
    const FINE: &str = "text Well. | vote APPROVED";
    for kind in [
        Kind::Throttled,
        Kind::Overloaded,
        Kind::Unauthorised,
        Kind::NotFound,
        Kind::BadRequest,
        Kind::Filtered,
        Kind::Truncated,
        Kind::Malformed,
        Kind::Network,
        Kind::Timeout,
    ] {
        for spoke in [false, true] {
            for who in ["melchior", "solomon"] {
                let begun = if spoke { "text I begin | " } else { "" };
                let fails = format!("{who}: +0.1 {begun}fail {}\n", kind.code()).repeat(7);
                let mut text = format!("caspar: {FINE}\nbalthasar: {FINE}\n{fails}");
                if who == "melchior" {
                    text.push_str("solomon: verdict APPROVED");
                } else {
                    text.push_str(&format!("melchior: {FINE}"));
                }
                let played = play(&Script::read(&text)).await;
                let errors: Vec<_> = played
                    .log
                    .iter()
                    .filter_map(|(_, event)| match &event.body {
                        Body::AgentError(_, error) | Body::JudgeError(error) => Some(error),
                        _ => None,
                    })
                    .collect();
                let attempts = match (kind.is_retryable(), spoke) {
                    (false, _) => 1,
                    (true, true) => 2,
                    (true, false) if matches!(kind, Kind::Throttled | Kind::Overloaded) => 6,
                    (true, false) => 3,
                };
                let what = format!("{kind:?}, spoke {spoke}, {who}");
                assert_eq!(errors.len(), attempts, "{what}");
                assert!(
                    errors.iter().all(|error| error.code == kind.code()),
                    "{what}"
                );
                assert!(
                    errors.iter().rev().skip(1).all(|error| error.retryable),
                    "{what}"
                );
                assert!(!errors.last().unwrap().retryable, "{what}");
                let Body::Complete(complete) = last(&played.log) else {
                    panic!("{what}")
                };
                assert_eq!(complete.status, Status::Degraded, "{what}");
                assert_eq!(complete.missing.len(), 1, "{what}");
                assert_eq!(complete.missing[0].agent.name(), who);
            }
        }
    }
}
