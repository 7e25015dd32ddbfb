//! The door of actions.

use futures_util::StreamExt;
use magi_client::{Client, Door, Error, ListQuery, Options, Question, Rejudge, Step};
use magi_event::{Agent, Snapshot, sample, sse};
use serde_json::{Value, json};

use crate::fake::{Fake, Part, Reply};

const SEED: u64 = 11;

#[tokio::test(start_paused = true)]
async fn ask_and_events_are_actions_and_go_on_by_cursor() {
    let log = sample::log(SEED);
    let fake = Fake::of(vec![Reply::events(&log[..4]), Reply::events(&log[4..])]);
    let mut reading = fake.invocations().ask(&Question::new("採用すべきか?"));
    let mut entries = Vec::new();
    while let Some(step) = reading.next().await {
        if let Step::Entry(entry) = step.unwrap() {
            entries.push((entry.cursor, entry.event));
        }
    }
    assert_eq!(entries, log);
    let ledger = fake.ledger();
    for asked in &ledger {
        assert_eq!(
            (asked.method.as_str(), asked.uri.path()),
            ("POST", "/invocations")
        );
        assert_eq!(asked.header("content-type"), Some("application/json"));
    }
    assert_eq!(ledger[0].body["action"], "ask");
    assert_eq!(ledger[0].body["question"], "採用すべきか?");
    let expected = json!({ "action": "events", "id": sample::id(SEED), "after": log[3].0 });
    assert_eq!(ledger[1].body, expected);
}

#[tokio::test(start_paused = true)]
async fn verbs_are_actions() {
    let id = sample::id(SEED);
    let snapshot = Snapshot::fold(id, sample::log(SEED).iter().map(|(_, event)| event));
    let fake = Fake::of(vec![
        Reply::json(200, &json!({ "status": "running" })),
        Reply::json(200, &serde_json::to_value(&snapshot).unwrap()),
        Reply::json(200, &json!({ "capabilities": ["resume", "stop"] })),
        Reply::json(200, &json!({ "id": id, "changed": true })),
        Reply::json(200, &json!({ "id": id, "changed": false })),
        Reply::json(200, &json!({ "id": sample::id(9), "changed": true })),
        Reply::json(200, &json!({ "id": id, "changed": true })),
        Reply::json(
            200,
            &json!({ "id": sample::id(9), "changed": true,
            "ids": [sample::id(9), sample::id(8)] }),
        ),
        Reply::events(&sample::log(SEED)),
    ]);
    let client = fake.invocations();
    assert_eq!(client.status(id).await.unwrap()["status"], "running");
    let read = serde_json::to_value(client.snapshot(id).await.unwrap()).unwrap();
    assert_eq!(read, serde_json::to_value(&snapshot).unwrap());
    assert_eq!(client.capabilities().await.unwrap(), ["resume", "stop"]);
    client.stop(id, None).await.unwrap();
    client.stop(id, Some(Agent::Judge)).await.unwrap();
    assert_eq!(client.resume(id).await.unwrap().id, sample::id(9));
    let noted = client.note(id, None, "It is Friday.", Some("k")).await;
    assert!(noted.unwrap().changed);
    let wish = Rejudge {
        stability: Some(2),
        ..Rejudge::default()
    };
    let judged = client.rejudge(id, &wish).await.unwrap();
    assert_eq!(judged.ids, [sample::id(9), sample::id(8)]);
    // What goes on from a state is read as a question's answer is.
    let mut going = client.resume_state("signed");
    let mut events = 0;
    while let Some(step) = going.next().await {
        events += usize::from(matches!(step.unwrap(), Step::Entry(_)));
    }
    assert_eq!(events, sample::log(SEED).len());
    let bodies: Vec<Value> = fake.ledger().into_iter().map(|asked| asked.body).collect();
    assert_eq!(
        bodies,
        [
            json!({ "action": "status", "id": id }),
            json!({ "action": "snapshot", "id": id }),
            json!({ "action": "capabilities" }),
            json!({ "action": "stop", "id": id }),
            json!({ "action": "stop", "id": id, "agent": "judge" }),
            json!({ "action": "resume", "id": id }),
            json!({ "action": "note", "id": id, "text": "It is Friday.", "idempotency_key": "k" }),
            json!({ "action": "rejudge", "id": id, "stability": 2 }),
            json!({ "action": "resume", "state": "signed" }),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_verb_is_a_typed_error_though_the_status_is_200() {
    let door = json!({ "type": "error", "error": "gone", "data":
        { "status": 404, "code": "not_found", "message": "it is gone" } });
    let as_event = sse::data_frame(door.to_string().as_bytes());
    let fake = Fake::of(vec![
        Reply::json(200, &door),
        Reply::stream(vec![Part::Bytes(as_event)]),
    ]);
    for _ in 0..2 {
        let error = fake
            .invocations()
            .stop(sample::id(SEED), None)
            .await
            .unwrap_err();
        assert!(matches!(&error, Error::NotFound(problem) if problem.code == "not_found"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_only_the_other_door_has_is_said_so() {
    let fake = Fake::of(Vec::new());
    let client = fake.invocations();
    let error = client.list(&ListQuery::default()).await.unwrap_err();
    assert!(matches!(error, Error::Unsupported("list")), "{error}");
    let error = client.delete(sample::id(SEED)).await.unwrap_err();
    assert!(matches!(error, Error::Unsupported("delete")), "{error}");
    assert!(fake.ledger().is_empty());
}

fn beat(frame: u32, acked: bool) -> Part {
    let frame = json!({ "type": "probe", "data": { "probe": "p", "frame": frame, "frames": 2,
        "acked": acked, "sent_at": "2026-11-23T01:02:03.004Z" } });
    Part::Bytes(sse::data_frame(frame.to_string().as_bytes()))
}

#[tokio::test(start_paused = true)]
async fn a_stamped_probe_gives_each_frame_as_it_comes() {
    let wait = Part::Wait(std::time::Duration::from_millis(300));
    let parts = vec![beat(1, false), wait, beat(2, false)];
    let fake = Fake::of(vec![Reply::stream(parts)]);
    let mut probe = fake.invocations().probe(2, false);
    let before = tokio::time::Instant::now();
    assert_eq!(probe.next().await.unwrap().unwrap().frame, 1);
    assert!(before.elapsed().is_zero());
    assert_eq!(probe.next().await.unwrap().unwrap().frame, 2);
    assert_eq!(before.elapsed().as_millis(), 300);
    assert!(probe.next().await.is_none());
    let asked = json!({ "action": "probe", "frames": 2, "ack": false });
    assert_eq!(fake.ledger()[0].body, asked);
    assert_eq!(fake.ledger().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_acked_probe_says_of_each_frame_that_it_was_seen() {
    let refused = json!({ "type": "error", "error": "held", "data":
        { "status": 409, "code": "conflict", "message": "a hop holds the stream back" } });
    let refused = Part::Bytes(sse::data_frame(refused.to_string().as_bytes()));
    let parts = vec![beat(1, true), beat(2, true), refused];
    let fake = Fake::of(vec![
        Reply::stream(parts),
        Reply::json(200, &json!({ "seen": 1 })),
        Reply::json(200, &json!({ "seen": 2 })),
    ]);
    let mut probe = fake.invocations().probe(2, true);
    assert_eq!(probe.next().await.unwrap().unwrap().frame, 1);
    assert_eq!(
        fake.ledger().len(),
        1,
        "the word goes out when the next frame is asked for"
    );
    assert_eq!(probe.next().await.unwrap().unwrap().frame, 2);
    assert!(matches!(probe.next().await, Some(Err(Error::Conflict(_)))));
    assert!(probe.next().await.is_none());
    let bodies: Vec<Value> = fake
        .ledger()
        .into_iter()
        .skip(1)
        .map(|asked| asked.body)
        .collect();
    assert_eq!(
        bodies,
        [
            json!({ "action": "ack", "probe": "p", "frame": 1 }),
            json!({ "action": "ack", "probe": "p", "frame": 2 }),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_door_of_actions_may_say_204_too() {
    let log = sample::log(SEED);
    let (cursor, _) = log.last().unwrap();
    let fake = Fake::of(vec![Reply::empty(204)]);
    let mut reading = fake.invocations().events(sample::id(SEED), Some(*cursor));
    let mut last = String::new();
    while let Some(step) = reading.next().await {
        last = format!("{:?}", step.unwrap());
    }
    assert_eq!((last.as_str(), fake.ledger().len()), ("State(Over)", 1));
}

/// Behind a front that may lose a 204, the door ends the stream without an event.
#[tokio::test(start_paused = true)]
async fn a_reader_who_has_the_last_event_asks_and_learns_that_it_is_over() {
    let log = sample::log(SEED);
    let (cursor, _) = log.last().unwrap();
    let standing = |status: &str, cursor| {
        Reply::json(
            200,
            &json!({ "id": sample::id(SEED), "status": status, "cursor": cursor }),
        )
    };
    let empty = || Reply::stream(vec![Part::Bytes(sse::RETRY.into())]);
    let fake = Fake::of(vec![
        empty(),
        standing("running", cursor),
        empty(),
        standing("completed", cursor),
    ]);
    let mut reading = fake.invocations().events(sample::id(SEED), Some(*cursor));
    let mut states = Vec::new();
    while let Some(step) = reading.next().await {
        states.push(format!("{:?}", step.unwrap()));
    }
    assert!(states.last().unwrap().contains("Over"), "{states:?}");
    assert_eq!(
        fake.ledger()[3].body,
        json!({ "action": "status", "id": sample::id(SEED) })
    );
}

#[tokio::test]
async fn an_address_that_ends_in_invocations_is_the_door_itself() {
    let fake = Fake::new(|_| Reply::json(200, &json!({ "capabilities": [] })));
    let (server, _serving) = fake.listen().await;
    for (base, path) in [
        ("", "/invocations"),
        ("/api/", "/api/invocations"),
        (
            "/runtimes/arn%3Aaws/invocations?qualifier=DEFAULT",
            "/runtimes/arn%3Aaws/invocations",
        ),
    ] {
        let options = Options {
            door: Door::Invocations,
            ..Options::default()
        };
        let client = Client::with(&format!("http://{server}{base}"), options).unwrap();
        client.capabilities().await.unwrap();
        let asked = fake.ledger().pop().unwrap();
        assert_eq!(asked.uri.path(), path);
        assert_eq!(
            asked.uri.query(),
            base.split_once('?').map(|(_, query)| query)
        );
    }
}
