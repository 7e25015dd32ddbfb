//! The council in a Lambda function: what it does, what it refuses, and its deadline.

use std::time::Duration;

use magi_emulator::{Config, Emulator, End, Entry, Who};
use magi_event::check::{Checker, Mode};
use magi_event::sse::Decoder;
use magi_event::{Agent, Body, Decision, FinalDecision, Rule, Sage, Status};
use serde_json::{Value, json};

use super::cloud::{Deployed, events, function, only_frame, text};
use super::support::{PATIENCE, Seen, http};

const MINUTE: Duration = Duration::from_secs(60);

/// Holds that this is one whole deliberation.
fn is_whole(seen: &Seen) {
    let mut checker = Checker::new(Mode::Log);
    for (cursor, event) in &seen.entries {
        checker.entry(*cursor, event).unwrap();
    }
    checker.finish(true).unwrap();
}

fn capabilities(seen: &Seen) -> Vec<String> {
    let Body::Start(start) = &seen.entries[0].1.body else {
        panic!("{:?}", seen.entries[0])
    };
    start.capabilities.clone()
}

#[tokio::test]
async fn a_question_streams_from_start_to_verdict_and_nothing_after() {
    let folder = tempfile::tempdir().unwrap();
    let deployed = Deployed::open(function(folder.path()), MINUTE).await;
    let asking = json!({ "action": "ask", "question": "Should we ship?", "preset": "default" });
    let answer = deployed.post(&asking).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert_eq!(answer.headers()["cache-control"], "no-cache, no-transform");
    let seen = events(answer).await;
    is_whole(&seen);
    assert_eq!(capabilities(&seen), ["resume_state"]);
    // The second question meets an instance that has answered one, and finds nothing of it.
    let again = json!({ "action": "ask", "question": "And then?", "preset": "default" });
    let session = Some("0b6f7f0c-5f6a-4a3e-9d55-2f6f4d1c9a10");
    let seen = events(deployed.post_as(&again, session).await).await;
    is_whole(&seen);
    deployed.ended_well(2).await;
    assert_eq!(deployed.function.instances(), 1);
}

#[tokio::test]
async fn the_originals_front_end_and_its_gateways_frames_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let deployed = Deployed::open(function(folder.path()), MINUTE).await;
    let mut body = json!({
        "question": "2コンテナ構成を採用すべきか？",
        "sessionId": "session-1",
        "agentConfigs": { "caspar": { "model": "rehearsal", "temperature": 0.3, "enabled": true } },
    });
    let answer = http()
        .post(format!("{}/api/invocations", deployed.url.url()))
        .body(body.to_string())
        .send();
    let text_of = text(answer.await.unwrap()).await;
    let lines = text_of
        .split('\n')
        .filter_map(|line| line.strip_prefix("data: "));
    let frames: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(frames[0]["type"], "start");
    assert_eq!(frames[0]["data"]["council"]["rule"], json!(Rule::Judge));
    assert_eq!(frames.last().unwrap()["type"], "complete");

    body["dialect"] = "chunks".into();
    let text_of = text(deployed.post(&body).await).await;
    let lines = text_of
        .split('\n')
        .filter_map(|line| line.strip_prefix("data: "));
    let frames: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        frames.iter().any(|frame| frame["type"] == "chunk"),
        "{text_of}"
    );
    assert_eq!(frames.last().unwrap()["type"], "complete");
    deployed.ended_well(2).await;
}

/// Everybody who reaches a public function could otherwise spend what they like of its owner's.
#[tokio::test]
async fn a_caller_cannot_raise_the_budget_of_the_deployment() {
    let folder = tempfile::tempdir().unwrap();
    let launch = function(folder.path()).env("MAGI_BUDGET_TOKENS", "5000");
    let deployed = Deployed::open(launch, MINUTE).await;
    let asking =
        |tokens: u64| json!({ "action": "ask", "question": "Q?", "budget": { "tokens": tokens } });
    let answer = deployed.post(&asking(5001)).await;
    assert_eq!(answer.status(), 400);
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["field"], "budget.tokens", "{problem}");
    is_whole(&events(deployed.post(&asking(5000)).await).await);
    deployed.ended_well(2).await;
}

#[tokio::test]
async fn what_needs_another_instance_is_refused_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let deployed = Deployed::open(function(folder.path()), MINUTE).await;
    let id = "01JD3ZK8M00000000000000000";
    let mut n_invocations = 0;
    for action in [
        "events", "status", "snapshot", "stop", "retry", "note", "pause", "resume", "rejudge",
        "fork", "ack",
    ] {
        let answer = deployed.post(&json!({ "action": action, "id": id })).await;
        assert_eq!(answer.status(), 400, "{action}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["code"], "unsupported", "{action}: {problem}");
        assert_eq!(problem["field"], "action");
        assert!(
            problem["fix"].as_str().unwrap().contains("state"),
            "{problem}"
        );
        n_invocations += 1;
    }
    let asking = json!({ "action": "ask", "question": "Q?", "idempotency_key": "k" });
    let problem: Value = deployed.post(&asking).await.json().await.unwrap();
    assert_eq!(problem["code"], "unsupported");
    assert_eq!(problem["field"], "idempotency_key");
    for (method, path) in [
        ("GET", "/v1/deliberations".to_owned()),
        ("POST", "/v1/deliberations".to_owned()),
        ("GET", format!("/v1/deliberations/{id}")),
        ("GET", format!("/v1/deliberations/{id}/events")),
        ("POST", format!("/v1/deliberations/{id}/stop")),
        ("DELETE", format!("/v1/deliberations/{id}")),
        ("GET", "/v1/usage".to_owned()),
    ] {
        let request = http().request(method.parse().unwrap(), deployed.url.url() + &path);
        let answer = request
            .json(&json!({ "question": "Q?" }))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 400, "{method} {path}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["code"], "unsupported", "{method} {path}: {problem}");
        n_invocations += 1;
    }
    // Behind AgentCore's session header the same are door frames.
    let session = Some("0b6f7f0c-5f6a-4a3e-9d55-2f6f4d1c9a10");
    let streams = deployed
        .post_as(&json!({ "action": "events", "id": id }), session)
        .await;
    assert_eq!(streams.status(), 200);
    assert_eq!(
        only_frame(&text(streams).await)["data"]["code"],
        "unsupported"
    );
    let json = deployed
        .post_as(&json!({ "action": "stop", "id": id }), session)
        .await;
    assert_eq!(json.status(), 200);
    let frame: Value = json.json().await.unwrap();
    assert_eq!(frame["data"]["code"], "unsupported");
    // What it can do it tells, and a probe's frames are stamped, not acknowledged.
    let told: Value = deployed
        .post(&json!({ "action": "capabilities" }))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(told["capabilities"], json!(["resume_state"]));
    assert_eq!(told["trust"], "platform");
    let probe = text(
        deployed
            .post(&json!({ "action": "probe", "frames": 2 }))
            .await,
    )
    .await;
    assert_eq!(probe.matches("\"acked\":false").count(), 2, "{probe}");
    deployed.ended_well(n_invocations + 5).await;
}

/// A function whose third sage says nothing at first.
fn with_models(
    folder: &std::path::Path,
    vendors: &magi_emulator::Running,
) -> magi_emulator::cloud::Launch {
    function(folder)
        .env("OPENAI_BASE_URL", vendors.openai_url())
        .env("OPENAI_API_KEY", "test")
        .env("MAGI_MODEL", "openai:fake")
        .env(
            "MAGI_MELCHIOR_MODEL",
            "openai:fake-m+stall-after-5-once+reject",
        )
        .env("MAGI_LAMBDA_MARGIN", "4s")
}

fn decisions(seen: &Seen) -> Vec<(Sage, Decision)> {
    let completes = seen
        .entries
        .iter()
        .filter_map(|(_, event)| match &event.body {
            Body::AgentComplete(sage, complete) => Some((*sage, complete.decision)),
            _ => None,
        });
    completes.collect()
}

#[tokio::test]
async fn before_its_deadline_a_function_puts_the_deliberation_down_and_another_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let vendors = Emulator::start(Config::default()).await.unwrap();
    let first = Deployed::open(
        with_models(folder.path(), &vendors),
        Duration::from_secs(10),
    )
    .await;
    let asking = json!({ "action": "ask", "question": "Should we ship?", "preset": "default" });
    let before = events(first.post(&asking).await).await;
    first.ended_well(1).await;
    let mut checker = Checker::new(Mode::Reader);
    for (cursor, event) in &before.entries {
        checker.entry(*cursor, event).unwrap();
    }
    let (cursor, last) = before.entries.last().unwrap();
    let Body::Paused(paused) = &last.body else {
        panic!("not paused:\n{}", before.tail())
    };
    assert_eq!(
        (paused.by.as_str(), paused.reason.as_str()),
        ("magi", "deadline")
    );
    let state = paused.state.clone().expect("a state");
    assert_eq!(decisions(&before).len(), 2, "{}", before.tail());
    drop(first);

    // Another instance of another function, which shares nothing but the key.
    let second = Deployed::open(with_models(folder.path(), &vendors), MINUTE).await;
    let (body, signature) = state.split_once('.').unwrap();
    let (front, back) = body.split_at(body.len() / 2);
    let other = if back.starts_with('A') { 'B' } else { 'A' };
    let changed = format!("{front}{other}{}.{signature}", &back[1..]);
    let resuming = json!({ "action": "resume", "state": changed });
    let problem: Value = second.post(&resuming).await.json().await.unwrap();
    assert_eq!(problem["field"], "state", "{problem}");
    let foreign = with_models(folder.path(), &vendors).env(
        "MAGI_STATE_KEY",
        "another key of the tests, as long as it must be",
    );
    let foreign = Deployed::open(foreign, MINUTE).await;
    let resuming = json!({ "action": "resume", "state": state });
    let problem: Value = foreign.post(&resuming).await.json().await.unwrap();
    assert_eq!(problem["field"], "state", "{problem}");

    let after = events(second.post(&resuming).await).await;
    is_whole(&after);
    let Body::Start(start) = &after.entries[0].1.body else {
        panic!("{}", after.tail())
    };
    assert_eq!(start.fork_of, Some(cursor.deliberation));
    assert_eq!(start.question, "Should we ship?");
    let mut all = decisions(&after);
    all.sort_by_key(|(sage, _)| *sage);
    assert_eq!(
        all,
        [
            (Sage::Caspar, Decision::Approved),
            (Sage::Balthasar, Decision::Approved),
            (Sage::Melchior, Decision::Rejected),
        ]
    );
    let Body::Complete(complete) = &after.entries.last().unwrap().1.body else {
        panic!("{}", after.tail())
    };
    assert_eq!(complete.status, Status::Completed);
    assert_eq!(complete.final_decision, FinalDecision::Approved);
    // The votes that were cast were kept: nobody was asked twice but the one who had said nothing.
    let asked = |agent: Agent| {
        let entries = vendors.ledger().entries();
        entries
            .iter()
            .filter(|entry| entry.role == Some(agent))
            .count()
    };
    let counts = [
        asked(Agent::Sage(Sage::Caspar)),
        asked(Agent::Sage(Sage::Balthasar)),
        asked(Agent::Sage(Sage::Melchior)),
        asked(Agent::Judge),
    ];
    assert_eq!(counts, [1, 1, 2, 1]);
    second.ended_well(2).await;
    vendors.stop().await;
}

/// Tokens of the sage that waits for leave to say each.
const HELD: usize = 40;

/// Lambda tells a function nothing of a client that leaves: the council goes on to its verdict, which nobody reads.
#[tokio::test]
async fn after_its_client_left_a_function_goes_on_to_the_verdict_and_all_of_it_is_paid_for() {
    let folder = tempfile::tempdir().unwrap();
    let vendors = Emulator::start(Config::default()).await.unwrap();
    let held = format!("fake-m+lockstep+len-{HELD}");
    let launch =
        with_models(folder.path(), &vendors).env("MAGI_MELCHIOR_MODEL", format!("openai:{held}"));
    let deployed = Deployed::open(launch, MINUTE).await;
    let asking = json!({ "action": "ask", "question": "Should we ship?", "preset": "default" });
    let mut answer = deployed.post(&asking).await;
    let (mut seen, mut decoder) = (Seen::default(), Decoder::new(1 << 20));
    let speaks = |seen: &Seen| {
        let mut entries = seen.entries.iter();
        entries.any(|(_, event)| matches!(&event.body, Body::AgentChunk(Sage::Melchior, _)))
    };
    while !speaks(&seen) {
        let bytes = tokio::time::timeout(PATIENCE, answer.chunk()).await;
        let bytes = bytes.expect("nothing comes").unwrap().unwrap();
        decoder.push(&bytes, |message| seen.take(&message)).unwrap();
    }
    // In the middle: one sage has said a word, and there can be no judge yet.
    drop(answer);
    assert_eq!(deployed.function.running(), 1);
    let who = Who {
        model: Some(held.clone()),
        role: None,
    };
    for token in 0..HELD {
        let is_sent = |entries: &[Entry]| {
            let mut entries = entries.iter();
            entries.any(|entry| entry.model == held && entry.tokens_sent > token)
        };
        let (entries, sent) = vendors.ledger().until(PATIENCE, is_sent).await;
        assert!(sent, "the function has stopped at {token}: {entries:?}");
        vendors.lockstep().report(&who, token as u64).unwrap();
    }
    deployed.ended_well(1).await;
    let billed = deployed.function.billed().remove(0);
    assert!(
        billed.unread > 0 && billed.unread < billed.bytes,
        "{billed:?}"
    );
    assert_eq!(
        deployed.url.held().now(),
        0,
        "the front keeps what nobody reads"
    );
    // Each call to a model ran to its end, the judge's as well.
    let entries = vendors.ledger().entries();
    let asked: Vec<_> = entries
        .iter()
        .map(|entry| (entry.role, entry.end))
        .collect();
    for agent in Agent::ALL {
        assert!(asked.contains(&(Some(agent), Some(End::Sent))), "{asked:?}");
    }
    assert_eq!(asked.len(), 4, "{asked:?}");

    // Nothing of it is kept: who comes back is told to ask anew, and the same instance answers that whole.
    let id = seen.entries[0].0.deliberation;
    let looking = json!({ "action": "snapshot", "id": id });
    let problem: Value = deployed.post(&looking).await.json().await.unwrap();
    assert_eq!(problem["code"], "unsupported", "{problem}");
    let again = json!({ "action": "ask", "question": "Should we ship?", "preset": "default",
        "council": { "roles": { "melchior": { "model": "openai:fake" } } } });
    let again = events(deployed.post(&again).await).await;
    is_whole(&again);
    assert_ne!(again.entries[0].0.deliberation, id);
    deployed.ended_well(3).await;
    assert_eq!(deployed.function.instances(), 1);
    vendors.stop().await;
}

#[tokio::test]
async fn only_a_state_of_ours_is_taken_and_the_refusal_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let deployed = Deployed::open(function(folder.path()), MINUTE).await;
    let session = Some("0b6f7f0c-5f6a-4a3e-9d55-2f6f4d1c9a10");
    let states = [
        json!(""),
        json!("no state"),
        json!("e30.AAAA"),
        json!(7),
        json!(["a"]),
    ];
    for (at, state) in states.iter().enumerate() {
        let resuming = json!({ "action": "resume", "state": state });
        let answer = deployed.post(&resuming).await;
        assert_eq!(answer.status(), 400, "{state}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["field"], "state", "{problem}");
        // The same as a frame of the stream that it would have been.
        let framed = text(deployed.post_as(&resuming, session).await).await;
        let frame = only_frame(&framed);
        assert_eq!(frame["data"]["field"], "state", "{frame}");
        deployed.ended_well(2 * (at + 1)).await;
    }
}

#[tokio::test]
async fn a_function_without_the_time_to_answer_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let launch = function(folder.path()).env("MAGI_LAMBDA_MARGIN", "30s");
    let deployed = Deployed::open(launch, Duration::from_secs(20)).await;
    let answer = deployed
        .post(&json!({ "action": "ask", "question": "Q?" }))
        .await;
    assert_eq!(answer.status(), 400);
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["code"], "unsupported");
    assert!(
        problem["fix"].as_str().unwrap().contains("timeout"),
        "{problem}"
    );
    let ping = http().get(format!("{}/ping", deployed.url.url())).send();
    assert_eq!(ping.await.unwrap().status(), 200);
    deployed.ended_well(2).await;
}

#[tokio::test]
async fn without_a_key_what_is_put_down_has_no_state() {
    let folder = tempfile::tempdir().unwrap();
    let vendors = Emulator::start(Config::default()).await.unwrap();
    let launch = with_models(folder.path(), &vendors).env("MAGI_STATE_KEY", "");
    let deployed = Deployed::open(launch, Duration::from_secs(10)).await;
    let asking = json!({ "action": "ask", "question": "Should we ship?", "preset": "default" });
    let seen = events(deployed.post(&asking).await).await;
    assert!(capabilities(&seen).is_empty());
    let Body::Paused(paused) = &seen.entries.last().unwrap().1.body else {
        panic!("not paused:\n{}", seen.tail())
    };
    assert_eq!(paused.state, None);
    let resuming = json!({ "action": "resume", "state": "a.b" });
    let problem: Value = deployed.post(&resuming).await.json().await.unwrap();
    assert_eq!(problem["field"], "state", "{problem}");
    deployed.ended_well(2).await;
    vendors.stop().await;
}
