//! Presets: kept, changed, copied, deleted, and asked with.

use std::sync::Arc;
use std::time::Duration;

use magi_event::Body;
use magi_log::MemoryStore;
use magi_server::Config;
use serde_json::{Value, json};

use crate::house::{self, House};
use crate::model::speaks;
use crate::wire::Answer;

const QUESTION: &str = "Should we launch?";

async fn start() -> House {
    house::start(speaks(1, Duration::ZERO)).await
}

async fn put(house: &House, name: &str, body: &Value) -> Answer {
    let request = house
        .wire
        .request("PUT", &format!("/v1/presets/{name}"))
        .header("content-type", "application/json")
        .body(body.to_string());
    house.wire.whole(request).await
}

async fn delete(house: &House, name: &str) -> Answer {
    let request = house.wire.request("DELETE", &format!("/v1/presets/{name}"));
    house.wire.whole(request).await
}

async fn get(house: &House, path: &str) -> Value {
    let answer = house.wire.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer.json()
}

/// Asks, waits for the end, and returns the id and what `start` says of the council.
async fn asked(house: &House, body: &Value) -> (String, Value) {
    let id = house.wire.ask(body).await;
    (id.clone(), council_of(house, &id).await)
}

async fn council_of(house: &House, id: &str) -> Value {
    let events = house.wire.events(id, "0").await.rest().await;
    let Body::Start(start) = &events[0].1.body else {
        panic!("{:?}", events[0])
    };
    serde_json::to_value(&start.council).unwrap()
}

fn launch(rule: &str) -> Value {
    json!({
        "title": { "en": "Launches" },
        "bad_at": { "en": "Anything that can be undone." },
        "base": "strict",
        "council": { "rule": rule, "quorum": 2, "roles": { "caspar": { "prompt": "Look for what breaks." } } },
    })
}

#[tokio::test]
async fn a_preset_is_kept_in_versions_and_copied_and_deleted() {
    let house = start().await;
    let made = put(&house, "launch", &launch("majority")).await;
    assert_eq!(
        (made.status, made.header("location")),
        (201, "/v1/presets/launch")
    );
    assert_eq!(made.json()["version"], 1);
    let again = put(&house, "launch", &launch("majority")).await;
    assert_eq!(
        (again.status, &again.json()["version"]),
        (200, &json!(1)),
        "a repeat"
    );

    // Somebody else's change is not lost; who knows of it goes on.
    let mut second = launch("veto:caspar");
    second["if_version"] = json!(0);
    let refused = put(&house, "launch", &second).await;
    let problem = refused.json();
    assert_eq!(
        (refused.status, &problem["field"]),
        (409, &json!("if_version"))
    );
    assert!(
        problem["fix"].as_str().unwrap().contains("`if_version` 1"),
        "{problem}"
    );
    second["if_version"] = json!(1);
    assert_eq!(put(&house, "launch", &second).await.json()["version"], 2);

    let whole = get(&house, "/v1/presets/launch").await;
    assert_eq!(whole["effective"]["rule"], "veto:caspar");
    let caspar = &whole["effective"]["roles"]["caspar"];
    assert_eq!(caspar["prompt"]["ja"], "Look for what breaks.");
    assert_eq!(
        (&caspar["is_inherited"], &caspar["enabled"]),
        (&json!(false), &json!(true))
    );
    assert!(
        whole["vote_format"]["ja"]
            .as_str()
            .unwrap()
            .contains("cast_vote")
    );
    let versions: Vec<_> = whole["versions"].as_array().unwrap().iter().collect();
    assert_eq!((versions.len(), &versions[1]["version"]), (2, &json!(2)));
    let first = get(&house, "/v1/presets/launch?version=1").await;
    assert_eq!(
        (&first["rule"], &first["version"]),
        (&json!("majority"), &json!(1))
    );

    // A copy is what was read, put under another name; a built-in one is copied the same way.
    assert_eq!(put(&house, "launch-2", &whole).await.status, 201);
    let copy = get(&house, "/v1/presets/launch-2").await;
    assert_eq!(
        (&copy["council"], &copy["version"]),
        (&whole["council"], &json!(1))
    );
    let brainstorm = get(&house, "/v1/presets/brainstorm").await;
    assert_eq!(
        (&brainstorm["builtin"], &brainstorm["base"]),
        (&json!(true), &json!("brainstorm"))
    );
    assert_eq!(put(&house, "ideas", &brainstorm).await.status, 201);
    let ideas = get(&house, "/v1/presets/ideas").await;
    assert_eq!(ideas["effective"], brainstorm["effective"]);

    let names = |list: &Value| -> Vec<String> {
        let presets = list["presets"].as_array().unwrap().iter();
        presets
            .map(|preset| preset["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let listed = names(&get(&house, "/v1/presets").await);
    let expected = [
        "default",
        "strict",
        "brainstorm",
        "classic",
        "ideas",
        "launch",
        "launch-2",
    ];
    assert_eq!(listed, expected);

    // Deleting hides; the versions explain what was asked with them, and are not given again.
    assert_eq!(delete(&house, "launch").await.status, 204);
    assert_eq!(house.wire.get("/v1/presets/launch").await.status, 404);
    assert_eq!(delete(&house, "launch").await.json()["code"], "not_found");
    let second = get(&house, "/v1/presets/launch?version=2").await;
    assert_eq!(
        (&second["deleted"], &second["rule"]),
        (&json!(true), &json!("veto:caspar"))
    );
    assert_eq!(names(&get(&house, "/v1/presets").await).len(), 6);
    let anew = put(&house, "launch", &launch("judge")).await;
    assert_eq!((anew.status, &anew.json()["version"]), (201, &json!(3)));
    house.shut().await;
}

#[tokio::test]
async fn a_question_takes_a_kept_preset_and_keeps_its_own_copy() {
    let house = start().await;
    put(&house, "launch", &launch("majority")).await;
    let body = json!({ "question": QUESTION, "preset": "launch", "idempotency_key": "k" });
    let (id, council) = asked(&house, &body).await;
    assert_eq!(
        (&council["name"], &council["version"], &council["rule"]),
        (&json!("launch"), &json!(1), &json!("majority"))
    );
    let found = get(&house, "/v1/deliberations?preset=launch").await;
    assert_eq!(found["items"][0]["id"], json!(id));
    assert_eq!(get(&house, "/v1/presets/launch").await["used"], 1);

    // Another version is for the next question; a repeat is the same deliberation, also when the
    // preset is gone.
    put(&house, "launch", &launch("unanimous")).await;
    let (_, next) = asked(&house, &json!({ "question": QUESTION, "preset": "launch" })).await;
    assert_eq!(
        (&next["version"], &next["rule"]),
        (&json!(2), &json!("unanimous"))
    );
    delete(&house, "launch").await;
    let again = house.wire.post("/v1/deliberations", &body).await;
    assert_eq!((again.status, &again.json()["id"]), (200, &json!(id)));
    let refused = house
        .wire
        .post(
            "/v1/deliberations",
            &json!({ "question": QUESTION, "preset": "launch" }),
        )
        .await;
    assert_eq!(
        (refused.status, &refused.json()["field"]),
        (400, &json!("preset"))
    );

    // With changes of its own it is no longer the preset.
    put(&house, "launch", &launch("majority")).await;
    let changed =
        json!({ "question": QUESTION, "preset": "launch", "council": { "rule": "judge" } });
    assert_eq!(asked(&house, &changed).await.1["name"], "custom");
    let invoked = json!({ "action": "ask", "question": QUESTION, "preset": "launch" });
    let invoked = house.wire.post("/invocations", &invoked).await;
    assert!(
        invoked.text.contains(r#""name":"launch","version":3"#),
        "{}",
        invoked.text
    );
    house.shut().await;
}

#[tokio::test]
async fn forks_and_rejudgements_take_a_preset_and_so_do_their_repeats() {
    let house = start().await;
    put(&house, "launch", &launch("majority")).await;
    let (id, _) = asked(&house, &json!({ "question": QUESTION })).await;
    let verb = |verb: &str| format!("/v1/deliberations/{id}/{verb}");
    let body = json!({ "preset": "launch", "idempotency_key": "f" });
    let forked = house.wire.post(&verb("fork"), &body).await.json();
    let council = council_of(&house, forked["id"].as_str().unwrap()).await;
    assert_eq!(
        (&council["name"], &council["rule"]),
        (&json!("launch"), &json!("majority"))
    );
    let key = json!({ "preset": "launch", "idempotency_key": "r", "stability": 2 });
    let judged = house.wire.post(&verb("rejudge"), &key).await.json();
    let council = council_of(&house, judged["id"].as_str().unwrap()).await;
    // Its sages were told something else, so it is not that preset's council.
    assert_eq!(
        (&council["name"], &council["quorum"]),
        (&json!("custom"), &json!(2))
    );
    delete(&house, "launch").await;
    assert_eq!(
        house.wire.post(&verb("fork"), &body).await.json()["id"],
        forked["id"]
    );
    assert_eq!(
        house.wire.post(&verb("rejudge"), &key).await.json()["ids"],
        judged["ids"]
    );
    for name in ["fork", "rejudge"] {
        let refused = house
            .wire
            .post(&verb(name), &json!({ "preset": "launch" }))
            .await;
        assert_eq!(
            (refused.status, &refused.json()["field"]),
            (400, &json!("preset")),
            "{name}"
        );
    }
    house.shut().await;
}

#[tokio::test]
async fn a_wrong_preset_names_its_field_and_nothing_is_saved() {
    let house = start().await;
    let with = |more: Value| {
        let mut body = launch("majority");
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body
    };
    let long = "x".repeat(65);
    let fine = launch("majority");
    for (name, body, field) in [
        ("default", fine.clone(), "name"),
        ("custom", fine.clone(), "name"),
        ("Launch", fine.clone(), "name"),
        ("a%20b", fine.clone(), "name"),
        (long.as_str(), fine.clone(), "name"),
        ("x", json!({}), "bad_at"),
        ("x", with(json!({ "bad_at": {} })), "bad_at"),
        ("x", with(json!({ "nobody": 1 })), "nobody"),
        ("x", with(json!({ "if_version": "2" })), "if_version"),
        ("x", with(json!({ "if_version": -1 })), "if_version"),
        (
            "x",
            with(json!({ "council": { "quorum": 4 } })),
            "council.quorum",
        ),
        (
            "x",
            with(json!({ "council": { "roles": { "ramiel": {} } } })),
            "council.roles.ramiel",
        ),
        (
            "x",
            with(
                json!({ "council": { "roles": { "melchior": { "enabled": false } }, "rule": "veto:melchior", "quorum": 2 } }),
            ),
            "council.rule",
        ),
        (
            "x",
            with(json!({ "council": { "deadlines": { "whole": 10 } } })),
            "council.deadlines.whole",
        ),
    ] {
        let refused = put(&house, name, &body).await;
        let problem = refused.json();
        let found = (
            refused.status,
            problem["code"].as_str(),
            problem["field"].as_str(),
        );
        assert_eq!(
            found,
            (400, Some("bad_request"), Some(field)),
            "{name} {body}"
        );
        assert!(
            problem["detail"].as_str().unwrap().contains(field),
            "{problem}"
        );
    }
    let list = get(&house, "/v1/presets").await;
    assert_eq!(list["presets"].as_array().unwrap().len(), 4);
    for path in [
        "/v1/presets/strict?version=2",
        "/v1/presets/launch",
        "/v1/presets/launch?version=1",
    ] {
        assert_eq!(house.wire.get(path).await.status, 404, "{path}");
    }
    let refused = house.wire.get("/v1/presets/strict?version=two").await;
    assert_eq!(
        (refused.status, &refused.json()["field"]),
        (400, &json!("version"))
    );
    assert_eq!(delete(&house, "default").await.status, 400);
    // A foreign page can declare no JSON unasked, so it is asked for.
    let undeclared = house
        .wire
        .request("PUT", "/v1/presets/x")
        .body(fine.to_string());
    assert_eq!(house.wire.whole(undeclared).await.status, 415);

    // A model that is not to be had here is told when it is asked for, by the preset's name.
    let elsewhere = with(json!({ "council": { "roles": { "caspar": { "model": "ollama:x" } } } }));
    assert_eq!(put(&house, "elsewhere", &elsewhere).await.status, 201);
    let body = json!({ "question": QUESTION, "preset": "elsewhere" });
    let refused = house.wire.post("/v1/deliberations", &body).await.json();
    assert_eq!(refused["field"], "preset");
    assert!(
        refused["detail"]
            .as_str()
            .unwrap()
            .contains("council.roles.caspar.model"),
        "{refused}"
    );
    house.shut().await;
}

#[tokio::test]
async fn a_door_without_a_store_says_so() {
    let mut config = Config::default();
    config.has_store = false;
    let store = Arc::new(MemoryStore::new());
    let house = house::start_with(store, speaks(1, Duration::ZERO), config).await;
    let body = json!({ "question": QUESTION, "preset": "launch" });
    for (answer, field) in [
        (put(&house, "launch", &launch("judge")).await, "name"),
        (delete(&house, "launch").await, "name"),
        (house.wire.get("/v1/presets/launch").await, "name"),
        (house.wire.post("/v1/deliberations", &body).await, "preset"),
        (house.wire.post("/invocations", &body).await, "preset"),
    ] {
        let problem = answer.json();
        assert_eq!(
            (answer.status, &problem["code"], &problem["field"]),
            (400, &json!("unsupported"), &json!(field))
        );
    }
    assert_eq!(get(&house, "/v1/presets/classic").await["rule"], "judge");
    house.shut().await;
}
