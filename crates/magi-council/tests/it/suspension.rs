//! A process that ends leaves signed state, and any other one goes on from it.

#![cfg(test)]

use std::time::Duration;

use magi_council::{Asked, Door, Error, StateKey};
use magi_event::check::Mode;
use magi_event::{Agent, Body, Cause, Cursor, DeliberationId, Event, Sage, Status};
use magi_log::{After, MemoryStore};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::script::{House, Script, check_log, last};

const SLOW: &str = "
caspar: +0.1 usage 10 10 | text Good. | vote APPROVED Caspar's word.
balthasar: +0.1 usage 50 20 | text Kind | +10 vote APPROVED
melchior: +0.1 usage 20 10 | text True | +10 vote APPROVED
solomon: +0.1 text Half | +10 verdict APPROVED
";

const REST: &str = "
balthasar: +0.1 text Kind. | vote APPROVED Balthasar's word.
melchior: +0.1 text True. | vote REJECTED Melchior's word.
solomon: +0.1 text Weighed. | verdict APPROVED Solomon's word.
";

fn house(text: &str) -> House {
    House::over(&MemoryStore::new(), 3, Script::read(text).lines)
}

/// Builds a house that shares nothing with the first one.
fn elsewhere(text: &str) -> House {
    House::over(&MemoryStore::new(), 8, Script::read(text).lines)
}

/// Reads what a stream of the log would give, to where it ends with or without a last event.
async fn stream(house: &House, id: DeliberationId) -> Vec<(Cursor, Event)> {
    let mut reader = house.engine.logs().read(After::Start(id)).await.unwrap();
    let mut log = Vec::new();
    while let Ok(page) = reader.next().await {
        let entries = page.entries.iter();
        log.extend(entries.map(|entry| (entry.cursor, entry.event().unwrap())));
        if page.end {
            break;
        }
    }
    log
}

/// Asks, lets it run for so many seconds, suspends it, and returns its log and its state.
async fn suspended(
    house: &House,
    body: Value,
    seconds: f64,
) -> (DeliberationId, Vec<(Cursor, Event)>, String) {
    let id = house.ask(&body).await;
    let following = stream(house, id);
    let suspending = async {
        sleep(Duration::from_secs_f64(seconds)).await;
        house.engine.suspend(id).await.unwrap();
        assert_eq!(house.model.n_open(), 0, "its calls have ended");
    };
    let (log, ()) = tokio::join!(following, suspending);
    check_log(&log, Mode::Reader, true);
    let Body::Paused(paused) = last(&log) else {
        panic!("{:?}", last(&log))
    };
    assert_eq!(
        (paused.by.as_str(), paused.reason.as_str()),
        ("magi", "deadline")
    );
    let state = paused.state.clone().unwrap();
    (id, log, state)
}

async fn resume(house: &House, state: &str) -> Result<Asked, Error> {
    house.engine.resume_state(state, &Door::default()).await
}

#[tokio::test(start_paused = true)]
async fn another_instance_goes_on_with_the_votes_that_were_cast() {
    let first = house(SLOW);
    let (id, before, state) = suspended(&first, json!({"question": "Q?"}), 1.0).await;
    assert_eq!(first.engine.n_running(), 0);
    // Nothing but the state is shared.
    let second = elsewhere(REST);
    let asked = resume(&second, &state).await.unwrap();
    assert!(asked.fresh && asked.id != id);
    let log = second.read(asked.id).await.unwrap();
    check_log(&log, Mode::Reader, true);
    assert!(
        matches!(&log[0].1.body, Body::Start(start) if start.fork_of == Some(id) && start.question == "Q?")
    );
    let called: Vec<Agent> = second
        .model
        .calls()
        .iter()
        .map(|call| call.about.agent)
        .collect();
    assert_eq!(called.len(), 3, "{called:?}");
    assert!(!called.contains(&Sage::Caspar.into()), "its vote is there");
    let word = |log: &[(Cursor, Event)]| {
        log.iter().find_map(|(_, event)| match &event.body {
            Body::AgentComplete(Sage::Caspar, complete) => {
                Some((complete.reasoning.clone(), complete.text_sha256.clone()))
            }
            _ => None,
        })
    };
    assert!(word(&before).is_some());
    assert_eq!(word(&before), word(&log));
    let judge = second.model.calls().pop().unwrap();
    assert!(judge.messages[0].text.contains("Caspar's word."));
    let Body::Complete(complete) = last(&log) else {
        panic!("{:?}", last(&log))
    };
    assert_eq!(complete.status, Status::Completed);
    assert_eq!(complete.voting_result.agreement(), "2-1-0");
}

#[tokio::test(start_paused = true)]
async fn what_its_calls_used_is_told_those_that_were_cut_among_them() {
    let first = house(SLOW);
    let (id, log, _) = suspended(&first, json!({"question": "Q?"}), 1.0).await;
    let Body::Paused(paused) = last(&log) else {
        panic!("{:?}", last(&log))
    };
    // Caspar's whole call, and what the two that were cut had used.
    let usage = paused.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens), (80, 40));
    let (snapshot, _) = first.engine.logs().snapshot(id).await.unwrap();
    assert_eq!(snapshot.usage, usage);
    assert_eq!(snapshot.cost_usd, paused.cost_usd);
}

#[tokio::test(start_paused = true)]
async fn a_state_may_be_used_again_and_suspended_again() {
    let first = house(SLOW);
    let (id, _, state) = suspended(&first, json!({"question": "Q?"}), 1.0).await;
    let second = elsewhere(SLOW);
    let one = resume(&second, &state).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    second.engine.suspend(one.id).await.unwrap();
    let log = stream(&second, one.id);
    let log = tokio::time::timeout(Duration::from_secs(1), log).await;
    assert!(log.is_err(), "who comes later waits: it may go on here");
    let (snapshot, _) = second.engine.logs().snapshot(one.id).await.unwrap();
    let again = snapshot.paused.unwrap().state.unwrap();
    let third = house(&format!("{REST}{REST}"));
    for (state, from) in [(&state, id), (&again, one.id)] {
        let asked = resume(&third, state).await.unwrap();
        let log = third.read(asked.id).await.unwrap();
        check_log(&log, Mode::Log, true);
        assert!(matches!(&log[0].1.body, Body::Start(start) if start.fork_of == Some(from)));
        assert!(matches!(last(&log), Body::Complete(complete) if complete.missing.is_empty()));
    }
}

#[tokio::test(start_paused = true)]
async fn the_judge_alone_is_called_again() {
    let text = format!("{SLOW}{REST}").replace("+10 vote", "vote");
    let first = house(&text);
    let (_, before, state) = suspended(&first, json!({"question": "Q?"}), 1.0).await;
    assert!(
        before
            .iter()
            .any(|(_, event)| matches!(event.body, Body::JudgeChunk(_)))
    );
    let second = elsewhere(REST);
    let asked = resume(&second, &state).await.unwrap();
    let log = second.read(asked.id).await.unwrap();
    check_log(&log, Mode::Reader, true);
    let calls = second.model.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].about.agent, Agent::Judge);
    assert!(matches!(last(&log), Body::Complete(complete) if complete.status == Status::Completed));
}

#[tokio::test(start_paused = true)]
async fn what_was_stopped_stays_so_and_what_was_spent_counts() {
    let first = house(SLOW);
    let body = json!({"question": "Q?", "budget": {"tokens": 150}});
    let id = first.ask(&body).await;
    sleep(Duration::from_secs(1)).await;
    let melchior = Some(Sage::Melchior.into());
    first.engine.stop(id, melchior, "user").await.unwrap();
    first.engine.suspend(id).await.unwrap();
    let (snapshot, _) = first.engine.logs().snapshot(id).await.unwrap();
    let state = snapshot.paused.unwrap().state.unwrap();
    let second = elsewhere(
        "balthasar: +0.1 usage 20 10 | text Kind. | +1 vote APPROVED\nsolomon: verdict APPROVED",
    );
    let asked = resume(&second, &state).await.unwrap();
    let log = second.read(asked.id).await.unwrap();
    check_log(&log, Mode::Reader, true);
    assert!(log.iter().any(|(_, event)| matches!(&event.body,
        Body::AgentComplete(Sage::Melchior, complete) if complete.cause == Some(Cause::Stopped))));
    // 120 tokens before and 30 now: only together are they the whole budget.
    assert!(
        matches!(last(&log), Body::Cancelled(cancelled) if cancelled.by == "budget"
            && cancelled.reason.contains("of 150 tokens")),
        "{:?}",
        last(&log)
    );
}

#[tokio::test(start_paused = true)]
async fn only_an_unchanged_fresh_state_of_ours_is_taken() {
    let first = house(SLOW);
    let (_, _, state) = suspended(&first, json!({"question": "Q?"}), 1.0).await;
    let second = elsewhere(REST);
    let (payload, signature) = state.split_once('.').unwrap();
    let middle = payload.len() / 2;
    let changed = if payload.as_bytes()[middle] == b'A' {
        "B"
    } else {
        "A"
    };
    let mut forged = payload.to_owned();
    forged.replace_range(middle..=middle, changed);
    for wrong in [
        String::new(),
        "x".to_owned(),
        ".".to_owned(),
        payload.to_owned(),
        format!("{payload}."),
        format!("{forged}.{signature}"),
        format!("{payload}.{}", &signature[..signature.len() - 1]),
        format!("{payload}.{}", "A".repeat(signature.len())),
        format!("{payload}.{signature}.{signature}"),
    ] {
        let refused = resume(&second, &wrong).await;
        assert!(
            matches!(&refused, Err(Error::Invalid { field, .. }) if field == "state"),
            "{wrong}: {refused:?}"
        );
    }
    sleep(Duration::from_secs(3601)).await;
    let late = first.engine.resume_state(&state, &Door::default()).await;
    assert!(
        matches!(&late, Err(Error::Invalid { field, message }) if field == "state" && message.contains("expired")),
        "{late:?}"
    );
    assert_eq!(second.model.calls().len(), 0);
}

/// A state that is too long for a request would lose the votes it carries.
#[tokio::test(start_paused = true)]
async fn the_longest_state_fits_into_a_request() {
    let quotes = |n: usize| "\"".repeat(n);
    let vote = json!({
        "reasoning": quotes(50_000), "decision": "APPROVED", "confidence": 0.8,
        "conditions": [quotes(40_000), "Review it"], "would_change": vec![quotes(50); 500],
    });
    let said = format!("+0.1 text {} | tool {vote}", quotes(400_000));
    let script = format!(
        "caspar: {said}\nbalthasar: {said}\nmelchior: {said}\nsolomon: +10 verdict APPROVED"
    );
    let first = house(&script);
    let role = json!({"prompt": quotes(64 * 1024)});
    let body = json!({
        "question": quotes(16_384), "context": quotes(256 * 1024),
        "council": {"roles": {"caspar": role, "balthasar": role, "melchior": role, "solomon": role}},
    });
    let (_, log, state) = suspended(&first, body, 5.0).await;
    let n_votes = log
        .iter()
        .filter(|(_, event)| matches!(event.body, Body::AgentComplete(..)));
    assert_eq!(n_votes.count(), 3);
    // The least that any door takes: the server's 4 MiB, less the field around it.
    assert!(state.len() < 4 * 1024 * 1024 - 64, "{} bytes", state.len());
    let second = elsewhere("solomon: verdict APPROVED");
    let asked = resume(&second, &state).await.unwrap();
    let log = second.read(asked.id).await.unwrap();
    check_log(&log, Mode::Reader, true);
    assert!(matches!(last(&log), Body::Complete(complete) if complete.status == Status::Completed));
}

#[tokio::test(start_paused = true)]
async fn a_suspended_one_is_nobodys_to_recover_and_what_is_over_stays() {
    let first = house(SLOW);
    let (id, before, _) = suspended(&first, json!({"question": "Q?"}), 1.0).await;
    first.engine.suspend(id).await.unwrap();
    let peer = first.peer(4, REST);
    assert_eq!(peer.engine.recover().await.unwrap().resumed, []);
    let (snapshot, _) = peer.engine.logs().snapshot(id).await.unwrap();
    assert_eq!(snapshot.cursor, before.last().unwrap().0);
    let other = house(&SLOW.replace("+10", "+0.1"));
    let id = other.ask(&json!({"question": "Q?"})).await;
    let log = other.read(id).await.unwrap();
    other.engine.suspend(id).await.unwrap();
    assert_eq!(other.read(id).await.unwrap(), log);
    let nobody = "01JD3ZK8M00000000000000000".parse().unwrap();
    assert_eq!(other.engine.suspend(nobody).await, Err(Error::Unknown));
}

#[test]
fn a_short_key_is_refused_and_none_is_shown() {
    assert!(StateKey::new("short").is_err());
    let key = StateKey::new("a text of thirty-two bytes or more").unwrap();
    assert!(!format!("{key:?}").contains("thirty"));
}
