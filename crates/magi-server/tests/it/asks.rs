//! Ask, follow, look up, change, delete, stop and resume.

use std::time::Duration;

use magi_event::check::{Checker, Mode};
use magi_event::{Body, Cursor, Event};
use serde_json::{Value, json};

use crate::house;
use crate::model::{never_ends, speaks};

const QUESTION: &str = "Should we adopt the two-container approach?";

fn check(events: &[(Cursor, Event)]) {
    let mut checker = Checker::new(Mode::Reader);
    for (cursor, event) in events {
        checker.entry(*cursor, event).unwrap();
    }
    checker.finish(true).unwrap();
}

#[tokio::test]
async fn a_question_streams_its_whole_deliberation() {
    let house = house::start(speaks(20, Duration::from_millis(1))).await;
    let wire = &house.wire;
    let asking = wire
        .posting("/v1/deliberations", &json!({ "question": QUESTION }))
        .header("accept", "text/event-stream");
    let mut stream = wire.stream(asking).await;
    let events = stream.rest().await;
    check(&events);
    assert!(stream.bytes.starts_with(b"retry: 1000\n\n"));
    let (_, last) = events.last().unwrap();
    let Body::Complete(complete) = &last.body else {
        panic!("{last:?}")
    };
    assert_eq!(complete.voting_result.agreement(), "2-1-0");
    let chunks = |events: &[(Cursor, Event)]| {
        let deltas = events
            .iter()
            .filter(|(_, event)| matches!(event.body, Body::AgentChunk(..) | Body::JudgeChunk(_)));
        deltas.count()
    };
    assert_eq!(chunks(&events), 80, "every token is an event of its own");

    // The same again from the store, whole and from the middle.
    let id = last.trace_id.to_string();
    assert_eq!(wire.events(&id, "0").await.rest().await, events);
    let middle = events.len() / 2;
    let after = events[middle].0.to_string();
    let rest = wire.events(&id, &after).await.rest().await;
    assert_eq!(rest, events[middle + 1..]);
    house.shut().await;
}

#[tokio::test]
async fn last_event_id_wins_over_after_and_the_last_one_is_answered_204() {
    let house = house::start(speaks(2, Duration::ZERO)).await;
    let wire = &house.wire;
    let id = wire.ask(&json!({ "question": QUESTION })).await;
    let events = wire.events(&id, "0").await.rest().await;
    let path = format!("/v1/deliberations/{id}/events?after=0");
    let third = events[2].0.to_string();
    let request = wire.request("GET", &path).header("last-event-id", &third);
    assert_eq!(wire.stream(request).await.rest().await, events[3..]);

    let last = events.last().unwrap().0.to_string();
    let request = wire.request("GET", &path).header("last-event-id", &last);
    let answer = wire.whole(request).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));

    let ahead = last.replace(".1.", ".9.");
    let answer = wire
        .get(&format!("/v1/deliberations/{id}/events?after={ahead}"))
        .await;
    assert_eq!(answer.status, 409, "{}", answer.text);
    let other = wire.ask(&json!({ "question": QUESTION })).await;
    let answer = wire
        .get(&format!("/v1/deliberations/{other}/events?after={third}"))
        .await;
    assert_eq!(answer.status, 409, "{}", answer.text);
    house.shut().await;
}

#[tokio::test]
async fn a_stream_says_what_fronts_must_know() {
    let house = house::start(speaks(1, Duration::ZERO)).await;
    let asking = house
        .wire
        .posting("/v1/deliberations", &json!({ "question": QUESTION }))
        .header("accept", "text/event-stream")
        .header("accept-encoding", "gzip, br");
    let answer = house.wire.whole(asking).await;
    assert_eq!(answer.header("x-accel-buffering"), "no");
    assert!(answer.header("cache-control").contains("no-cache"));
    assert_eq!(answer.header("content-encoding"), "");
    assert!(answer.header("location").starts_with("/v1/deliberations/"));
    assert!(!answer.text.contains("\nevent:"), "no `event:` lines");
    assert_eq!(answer.header("access-control-allow-origin"), "");
    house.shut().await;
}

#[tokio::test]
async fn a_repeated_key_is_the_same_deliberation() {
    let house = house::start(speaks(3, Duration::ZERO)).await;
    let wire = &house.wire;
    let body = json!({ "question": QUESTION, "idempotency_key": "k1" });
    let id = wire.ask(&body).await;
    let again = wire.post("/v1/deliberations", &body).await;
    assert_eq!(
        (again.status, again.json()["id"].as_str()),
        (200, Some(id.as_str()))
    );
    assert_eq!(again.json()["fresh"], false);

    // As a stream, from the start or after a cursor; `dialect` and order do not matter.
    let events = wire.events(&id, "0").await.rest().await;
    let body = json!({ "idempotency_key": "k1", "dialect": "native", "question": QUESTION });
    let asking = wire
        .posting("/v1/deliberations", &body)
        .header("accept", "text/event-stream")
        .header("last-event-id", events[4].0.to_string());
    assert_eq!(wire.stream(asking).await.rest().await, events[5..]);

    // A cursor of another deliberation is refused for a repeat, and means nothing to a new one.
    let strange = format!("01KAQ8E5WC000000000000000A.1.{}", events[4].1.seq);
    for (key, status) in [("k1", 409), ("k2", 200)] {
        let body = json!({ "question": QUESTION, "idempotency_key": key, "after": strange });
        let asking = wire
            .posting("/v1/deliberations", &body)
            .header("accept", "text/event-stream");
        assert_eq!(wire.whole(asking).await.status, status, "{key}");
    }
    let other = json!({ "question": "Another?", "idempotency_key": "k1" });
    let refused = wire.post("/v1/deliberations", &other).await;
    assert_eq!(
        (refused.status, refused.json()["code"].as_str()),
        (422, Some("key_reused"))
    );

    let gone = wire.request("DELETE", &format!("/v1/deliberations/{id}"));
    assert_eq!(wire.whole(gone).await.status, 204);
    let refused = wire.post("/v1/deliberations", &body).await;
    assert_eq!(
        (refused.status, refused.json()["code"].as_str()),
        (410, Some("key_deleted"))
    );
    let left = wire.get("/v1/deliberations").await.json();
    assert_eq!(left["items"].as_array().unwrap().len(), 1);
    house.shut().await;
}

#[tokio::test]
async fn a_stop_is_stored_before_it_is_answered_and_twice_changes_nothing() {
    let house = house::start(never_ends()).await;
    let wire = &house.wire;
    let id = wire.ask(&json!({ "question": QUESTION })).await;
    let path = format!("/v1/deliberations/{id}");
    let stopped = wire.post(&format!("{path}/stop"), &json!({})).await;
    assert_eq!(
        stopped.json(),
        json!({ "id": id, "changed": true }),
        "{}",
        stopped.text
    );
    assert_eq!(wire.get(&path).await.json()["status"], "cancelled");
    let again = wire
        .whole(wire.request("POST", &format!("{path}/stop")))
        .await;
    assert_eq!(again.json(), json!({ "id": id, "changed": false }));
    let events = wire.events(&id, "0").await.rest().await;
    check(&events);
    assert!(matches!(events.last().unwrap().1.body, Body::Cancelled(_)));
    house.shut().await;
}

#[tokio::test]
async fn an_ended_one_is_resumed_as_a_linked_one_with_its_votes() {
    let house = house::start(speaks(3, Duration::ZERO)).await;
    let wire = &house.wire;
    let id = wire.ask(&json!({ "question": QUESTION })).await;
    wire.events(&id, "0").await.rest().await;
    let resumed = wire
        .post(&format!("/v1/deliberations/{id}/resume"), &json!({}))
        .await;
    let linked = resumed.json()["id"].as_str().unwrap().to_owned();
    assert_ne!(linked, id);
    wire.events(&linked, "0").await.rest().await;
    let snapshot = wire
        .get(&format!("/v1/deliberations/{linked}"))
        .await
        .json();
    assert_eq!(snapshot["fork_of"], id);
    assert_eq!(snapshot["verdict"]["final_decision"], "APPROVED");
    house.shut().await;
}

#[tokio::test]
async fn leaving_is_not_stopping_unless_asked_for() {
    let house = house::start(never_ends()).await;
    let wire = &house.wire;
    let mut ids = Vec::new();
    for on_leave in ["continue", "stop_after:0"] {
        let body = json!({ "question": QUESTION, "on_leave": on_leave });
        let asking = wire
            .posting("/v1/deliberations", &body)
            .header("accept", "text/event-stream");
        let mut stream = wire.stream(asking).await;
        let (_, first) = stream.event().await.unwrap();
        ids.push(first.trace_id.to_string());
    }
    // Looking is not watching: it keeps nothing going. The server sees the leaving at its own time.
    let path = format!("/v1/deliberations/{}", ids[1]);
    let left = loop {
        let snapshot = wire.get(&path).await.json();
        if snapshot["status"] != "running" {
            break snapshot;
        }
    };
    assert_eq!(left["cancelled"]["by"], "unwatched", "{left}");
    let kept = wire.get(&format!("/v1/deliberations/{}", ids[0])).await;
    assert_eq!(kept.json()["status"], "running");
    house.shut().await;
}

#[tokio::test]
async fn the_history_is_listed_searched_changed_and_exported() {
    let house = house::start(speaks(2, Duration::ZERO)).await;
    let wire = &house.wire;
    let first = wire
        .ask(&json!({ "question": "移行計画を可決すべきか" }))
        .await;
    let second = wire
        .ask(&json!({ "question": QUESTION, "preset": "strict" }))
        .await;
    for id in [&first, &second] {
        wire.events(id, "0").await.rest().await;
    }
    let all = wire.get("/v1/deliberations?limit=1").await.json();
    assert_eq!(all["items"][0]["id"], json!(second));
    let next = all["next"].as_str().unwrap();
    let page = wire
        .get(&format!("/v1/deliberations?limit=1&cursor={next}"))
        .await;
    assert_eq!(page.json()["items"][0]["id"], json!(first));
    for (query, found) in [
        ("q=%E7%A7%BB%E8%A1%8C", &first),
        ("preset=strict", &second),
        ("limit=1&cursor=", &second),
        ("q=two-container", &second),
    ] {
        let page = wire.get(&format!("/v1/deliberations?{query}")).await.json();
        assert_eq!(
            page["items"].as_array().unwrap().len(),
            1,
            "{query}: {page}"
        );
        assert_eq!(page["items"][0]["id"], json!(found), "{query}");
    }
    let none = wire.get("/v1/deliberations?to=2000-01-01").await.json();
    assert_eq!(none, json!({ "items": [] }));

    let path = format!("/v1/deliberations/{second}");
    let change = json!({ "title": "Containers", "my_decision": "We do it.", "outcome": null });
    let patch = wire
        .request("PATCH", &path)
        .header("content-type", "application/json")
        .body(change.to_string());
    let row = wire.whole(patch).await.json();
    assert_eq!(
        (&row["title"], &row["my_decision"]),
        (&json!("Containers"), &json!("We do it."))
    );

    for (format, kind, holds) in [
        ("md", "text/markdown; charset=utf-8", "# Containers"),
        ("json", "application/json", "\"trace_id\""),
        ("ndjson", "application/x-ndjson", "{\"type\":\"start\""),
        ("html", "text/html; charset=utf-8", "We do it."),
    ] {
        let answer = wire.get(&format!("{path}/export?format={format}")).await;
        assert_eq!(answer.header("content-type"), kind);
        assert!(answer.text.contains(holds), "{format}: {}", answer.text);
        let name = format!("attachment; filename=\"magi-{second}.{format}\"");
        assert_eq!(answer.header("content-disposition"), name);
    }
    let usage = wire.get("/v1/usage").await.json();
    assert_eq!(usage["deliberations"], 2);
    // No price is known here: that is no cost of zero.
    assert_eq!(
        (&usage["cost_usd"], &usage["unpriced"]),
        (&Value::Null, &json!(2))
    );
    house.shut().await;
}

#[tokio::test]
async fn what_is_here_is_told() {
    let price = magi_model::Price {
        input: 1.0,
        output: 4.0,
        cache_read: None,
        cache_write: None,
    };
    let house = house::start_priced(speaks(1, Duration::ZERO), price).await;
    let wire = &house.wire;
    let id = wire.ask(&json!({ "question": QUESTION })).await;
    wire.events(&id, "0").await.rest().await;
    let presets = wire.get("/v1/presets").await.json();
    assert_eq!(presets["presets"][0]["name"], "default");
    assert!(presets["presets"][0]["good_for"]["ja"].is_string());
    let models = wire.get("/v1/models").await.json();
    assert_eq!(models["object"], "list");
    assert_eq!(models["data"][0]["id"], "test:m");
    assert_eq!(models["roles"]["solomon"], "test:m");
    let price = json!({ "input": 1.0, "output": 4.0 });
    assert_eq!(models["data"][0]["price"], price);
    let body = json!({ "action": "capabilities" });
    let can = wire.post("/invocations", &body).await.json();
    assert_eq!(can["prices"], json!({ "test:m": price }));
    let scenes = wire.get("/v1/rehearsal").await.json();
    assert_eq!(scenes["scenes"][0]["name"], "two-containers");
    assert_eq!(wire.get("/healthz").await.json()["status"], "ok");
    let ping = wire.get("/ping").await.json();
    assert_eq!(ping["status"], "Healthy");
    assert_eq!(ping, wire.get("/api/ping").await.json());
    let metrics = wire.get("/metrics").await;
    assert!(
        metrics.text.contains("magi_deliberations_running 0"),
        "{}",
        metrics.text
    );
    assert!(metrics.text.ends_with("# EOF\n"));
    let openapi = wire.get("/openapi.json").await.json();
    assert_eq!(openapi["openapi"], "3.1.0");
    let page = wire.get("/").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let missing = wire.get("/v1/nothing").await;
    assert_eq!(
        (missing.status, missing.header("content-type")),
        (404, "application/problem+json")
    );
    house.shut().await;
}

#[tokio::test]
async fn a_deliberation_that_nobody_watches_keeps_the_process_busy() {
    let house = house::start(never_ends()).await;
    let wire = &house.wire;
    let id = wire.ask(&json!({ "question": QUESTION })).await;
    assert_eq!(wire.get("/ping").await.json()["status"], "HealthyBusy");
    let mut stream = wire.events(&id, "0").await;
    stream.event().await.unwrap();
    assert_eq!(wire.get("/ping").await.json()["status"], "Healthy");
    house.shut().await;
}
