//! Every verb over HTTP, as an action of `/invocations`, and over WebSocket. What each does in each
//! phase is held in the council's own tests.

use std::time::Duration;

use magi_event::Body;
use magi_event::check::{Checker, Mode};
use serde_json::{Value, json};

use crate::house;
use crate::model::{never_ends, speaks};
use crate::sockets::Socket;

const QUESTION: &str = "Should we?";

#[tokio::test]
async fn what_runs_is_paused_told_retried_and_goes_on() {
    let house = house::start(never_ends()).await;
    let wire = &house.wire;
    let id = wire.ask(&json!({ "question": QUESTION })).await;
    let path = format!("/v1/deliberations/{id}");
    let done = |changed: bool| json!({ "id": id, "changed": changed });
    for (verb, body, changed) in [
        ("pause", json!({}), true),
        ("pause", json!({}), false),
        ("resume", json!({}), true),
        ("resume", json!({}), false),
        ("retry", json!({ "agent": "caspar", "attempt": 1 }), true),
        ("retry", json!({ "agent": "caspar", "attempt": 1 }), false),
        ("retry", json!({ "agent": "judge" }), false),
        (
            "note",
            json!({ "text": "It is Friday.", "idempotency_key": "k" }),
            true,
        ),
        (
            "note",
            json!({ "text": "It is Friday.", "idempotency_key": "k" }),
            false,
        ),
        (
            "note",
            json!({ "text": "It rains.", "agent": "caspar" }),
            true,
        ),
        ("stop", json!({ "agent": "judge" }), true),
    ] {
        let answer = wire.post(&format!("{path}/{verb}"), &body).await;
        assert_eq!(
            (answer.status, answer.json()),
            (200, done(changed)),
            "{verb} {body}"
        );
    }
    for (verb, body, status, field) in [
        ("retry", json!({ "agent": "adam" }), 400, "agent"),
        ("note", json!({ "text": " " }), 400, "text"),
        (
            "note",
            json!({ "text": "It is Monday.", "idempotency_key": "k" }),
            422,
            "idempotency_key",
        ),
        ("note", json!({ "text": "x", "agent": 1 }), 400, "agent"),
        ("rejudge", json!({}), 409, ""),
        ("fork", json!({ "model": "test:m" }), 400, "agent"),
        (
            "fork",
            json!({ "council": { "quorum": 9 } }),
            400,
            "council.quorum",
        ),
    ] {
        let answer = wire.post(&format!("{path}/{verb}"), &body).await;
        assert_eq!(answer.status, status, "{verb} {body}: {}", answer.text);
        assert_eq!(answer.json()["field"].as_str().unwrap_or_default(), field);
    }
    let snapshot = wire.get(&path).await.json();
    assert_eq!(snapshot["notes"].as_array().unwrap().len(), 2);
    assert_eq!(snapshot["sages"]["caspar"]["attempt"], 2);
    wire.post(&format!("{path}/stop"), &json!({})).await;
    let events = wire.events(&id, "0").await.rest().await;
    let mut checker = Checker::new(Mode::Log);
    for (cursor, event) in &events {
        checker.entry(*cursor, event).unwrap();
    }
    checker.finish(true).unwrap();
    let names: Vec<&str> = events.iter().map(|(_, event)| event.body.name()).collect();
    for name in ["paused", "resumed", "note", "judge_error", "cancelled"] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    house.shut().await;
}

#[tokio::test]
async fn what_is_over_is_gone_on_from_by_linked_ones() {
    let house = house::start(speaks(3, Duration::ZERO)).await;
    let wire = &house.wire;
    let id = wire.ask(&json!({ "question": QUESTION })).await;
    wire.events(&id, "0").await.rest().await;
    let path = format!("/v1/deliberations/{id}");
    let say = async |verb: &str, body: Value| wire.post(&format!("{path}/{verb}"), &body).await;

    let wish = json!({ "stability": 3, "idempotency_key": "k" });
    let judged = say("rejudge", wish.clone()).await.json();
    let ids = judged["ids"].as_array().unwrap().clone();
    assert_eq!(
        (ids.len(), &judged["id"], &judged["changed"]),
        (3, &ids[0], &json!(true))
    );
    let again = say("rejudge", wish).await.json();
    assert_eq!(
        (&again["ids"], &again["changed"]),
        (&json!(ids), &json!(false))
    );
    let other = say("rejudge", json!({ "stability": 2, "idempotency_key": "k" })).await;
    assert_eq!(other.json()["code"], "key_reused");
    let mut orders = Vec::new();
    for linked in &ids {
        let linked = linked.as_str().unwrap();
        let events = wire.events(linked, "0").await.rest().await;
        assert!(matches!(events.last().unwrap().1.body, Body::Complete(_)));
        let snapshot = wire
            .get(&format!("/v1/deliberations/{linked}"))
            .await
            .json();
        assert_eq!(snapshot["fork_of"], id);
        orders.push(snapshot["judge_order"].to_string());
    }
    orders.dedup();
    assert_eq!(orders.len(), 3, "each in another order: {orders:?}");

    let forked = say(
        "fork",
        json!({ "agent": "caspar", "note": "It is Friday." }),
    )
    .await
    .json();
    let forked = forked["id"].as_str().unwrap();
    wire.events(forked, "0").await.rest().await;
    let linked = wire
        .get(&format!("/v1/deliberations?fork_of={id}"))
        .await
        .json();
    let items = linked["items"].as_array().unwrap();
    assert!(items.iter().all(|item| item["fork_of"] == id));
    assert!(items.iter().any(|item| item["id"] == forked));
    let bad = wire.get("/v1/deliberations?fork_of=x").await;
    assert_eq!((bad.status, &bad.json()["field"]), (400, &json!("fork_of")));
    let snapshot = wire
        .get(&format!("/v1/deliberations/{forked}"))
        .await
        .json();
    assert_eq!(snapshot["notes"][0]["note"]["text"], "It is Friday.");
    assert_eq!(
        snapshot["sages"]["caspar"]["attempt"], 1,
        "it was told at once"
    );
    assert_eq!(snapshot["sages"]["melchior"]["attempt"], 2, "it replied");

    let retried = say("retry", json!({ "agent": "judge" })).await.json();
    assert_ne!(retried["id"], id);
    let late = say("note", json!({ "text": "Too late." })).await;
    assert_eq!(late.status, 409);
    assert!(
        late.json()["detail"].as_str().unwrap().contains("`fork`"),
        "{}",
        late.text
    );
    assert_eq!(say("pause", json!({})).await.status, 409);
    assert_eq!(say("stop", json!({})).await.json()["changed"], false);
    let sage = json!({ "council": { "roles": { "caspar": { "model": "test:x" } } } });
    assert_eq!(
        say("rejudge", sage).await.json()["field"],
        "council.roles.caspar"
    );
    assert_eq!(
        say("rejudge", json!({ "stability": 10 })).await.json()["field"],
        "stability"
    );
    house.shut().await;
}

#[tokio::test]
async fn every_verb_is_an_action_and_goes_up_a_socket() {
    let house = house::start(never_ends()).await;
    let wire = &house.wire;
    let id = wire.ask(&json!({ "question": QUESTION })).await;
    let act = async |body: Value| wire.post("/invocations", &body).await;
    for body in [
        json!({ "action": "pause", "id": id }),
        json!({ "action": "resume", "id": id }),
        json!({ "action": "note", "id": id, "text": "It is Friday." }),
        json!({ "action": "retry", "id": id, "agent": "melchior", "attempt": 1 }),
    ] {
        let answer = act(body.clone()).await;
        assert_eq!(
            answer.json(),
            json!({ "id": id, "changed": true }),
            "{body}"
        );
    }
    let unknown = act(json!({ "action": "dance" })).await;
    assert!(unknown.text.contains("rejudge, fork"), "{}", unknown.text);

    let mut socket = Socket::open(&house, &format!("/v1/deliberations/{id}/ws")).await;
    for (body, changed) in [
        (
            json!({ "action": "note", "text": "It rains.", "ref": 1 }),
            true,
        ),
        (json!({ "action": "pause", "ref": 2 }), true),
        (json!({ "action": "resume", "ref": 3 }), true),
        (
            json!({ "action": "retry", "agent": "caspar", "attempt": 1, "ref": 4 }),
            true,
        ),
        (json!({ "action": "stop", "ref": 5 }), true),
    ] {
        let mark = body["ref"].clone();
        socket.say(body).await;
        let answer = socket.answer(&mark).await;
        assert_eq!(answer["data"], json!({ "id": id, "changed": changed }));
    }
    house.shut().await;
}

/// Taken for all in silence, it would hold those who were not named.
#[tokio::test]
async fn pause_and_resume_of_one_member_are_refused_at_every_door() {
    let house = house::start(never_ends()).await;
    let wire = &house.wire;
    let id = wire.ask(&json!({ "question": QUESTION })).await;
    let mut socket = Socket::open(&house, &format!("/v1/deliberations/{id}/ws")).await;
    let path = |verb: &str| format!("/v1/deliberations/{id}/{verb}");
    for (n, verb) in ["pause", "resume"].into_iter().enumerate() {
        for (m, agent) in ["caspar", "judge", "adam"].into_iter().enumerate() {
            let posted = wire.post(&path(verb), &json!({ "agent": agent })).await;
            let action = json!({ "action": verb, "id": id, "agent": agent });
            let acted = wire.post("/invocations", &action).await;
            for answer in [&posted, &acted] {
                let problem = answer.json();
                assert_eq!(
                    (answer.status, &problem["field"]),
                    (400, &json!("agent")),
                    "{verb} {agent}: {problem}"
                );
                let detail = problem["detail"].as_str().unwrap();
                assert!(detail.contains("`stop`") && detail.contains("`retry`"));
            }
            let mark = json!(10 * n + m);
            socket
                .say(json!({ "action": verb, "agent": agent, "ref": mark }))
                .await;
            let answer = socket.answer(&mark).await;
            assert_eq!(answer["data"]["field"], "agent", "{answer}");
        }
        let none = wire.post(&path(verb), &json!({ "agent": null })).await;
        assert_eq!(none.json(), json!({ "id": id, "changed": true }), "{verb}");
    }
    house.shut().await;
}

#[tokio::test]
async fn a_socket_follows_what_a_verb_started() {
    let house = house::start(speaks(3, Duration::ZERO)).await;
    let mut socket = Socket::open(&house, "/ws").await;
    socket
        .say(json!({ "action": "ask", "question": QUESTION }))
        .await;
    let (events, _) = socket.rest().await;
    let id = events[0].1.trace_id;
    socket
        .say(json!({ "action": "rejudge", "id": id.to_string(), "ref": 2 }))
        .await;
    let (events, _) = socket.rest().await;
    assert!(matches!(&events[0].1.body, Body::Start(start) if start.fork_of == Some(id)));
    house.shut().await;
}
