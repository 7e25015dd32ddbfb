//! Bad input: a clear problem that names the field, nothing started, nothing lost.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::house::{self, House};
use crate::model::speaks;

/// What is sent, and what must come back: status, code and field.
struct Bad {
    what: &'static str,
    body: Vec<u8>,
    expected: (u16, &'static str, &'static str),
}

fn bad(
    what: &'static str,
    body: impl Into<Vec<u8>>,
    expected: (u16, &'static str, &'static str),
) -> Bad {
    Bad {
        what,
        body: body.into(),
        expected,
    }
}

fn wrong(what: &'static str, mut more: Value, field: &'static str) -> Bad {
    if more.get("question").is_none() {
        more["question"] = json!("Should we?");
    }
    bad(what, more.to_string(), (400, "bad_request", field))
}

/// Bodies in which no question is to be found.
fn unreadable() -> Vec<Bad> {
    let deep = format!("{{\"question\": {}1{}}}", "[".repeat(100), "]".repeat(100));
    let deeper = format!("{{\"a\": {}1{}}}", "[".repeat(200_000), "]".repeat(200_000));
    vec![
        bad("nothing", "", (400, "bad_request", "question")),
        bad("an empty object", "{}", (400, "bad_request", "question")),
        wrong("empty", json!({ "question": "" }), "question"),
        wrong("blank", json!({ "question": " \n\t\u{3000}" }), "question"),
        wrong(
            "over-long",
            json!({ "question": "x".repeat(16_385) }),
            "question",
        ),
        wrong(
            "too much context",
            json!({ "context": "x".repeat(262_145) }),
            "context",
        ),
        bad(
            "not UTF-8",
            b"{\"question\": \"\xff\xfe\"}",
            (400, "bad_json", ""),
        ),
        bad(
            "cut UTF-8",
            b"{\"question\": \"\xe5\x8f\"}",
            (400, "bad_json", ""),
        ),
        bad(
            "a lone surrogate",
            r#"{"question": "\ud800"}"#,
            (400, "bad_json", ""),
        ),
        bad("not JSON", "question=Should+we", (400, "bad_json", "")),
        bad("cut JSON", "{\"question\": \"Should", (400, "bad_json", "")),
        bad("two values", "{} {}", (400, "bad_json", "")),
        bad("a list", "[1]", (400, "bad_request", "")),
        bad("a string", "\"Should we?\"", (400, "bad_request", "")),
        bad("null", "null", (400, "bad_request", "")),
        bad("deep nesting", deep, (400, "bad_json", "")),
        bad("very deep nesting", deeper, (400, "bad_json", "")),
    ]
}

/// Questions with a field of a wrong type or value.
fn fields() -> Vec<Bad> {
    vec![
        wrong(
            "a number as question",
            json!({ "question": 42 }),
            "question",
        ),
        wrong(
            "a list as question",
            json!({ "question": ["a"] }),
            "question",
        ),
        wrong("a number as context", json!({ "context": 1 }), "context"),
        wrong("an unknown language", json!({ "lang": "tlh" }), "lang"),
        wrong("an unknown preset", json!({ "preset": "nerv" }), "preset"),
        wrong("a list as preset", json!({ "preset": [] }), "preset"),
        wrong(
            "a text as council",
            json!({ "council": "strict" }),
            "council",
        ),
        wrong(
            "an unknown rule",
            json!({ "council": { "rule": "dice" } }),
            "council.rule",
        ),
        wrong(
            "too high a quorum",
            json!({ "council": { "quorum": 9 } }),
            "council.quorum",
        ),
        wrong(
            "an unknown agent",
            json!({ "council": { "roles": { "ramiel": {} } } }),
            "council.roles.ramiel",
        ),
        wrong(
            "an unknown provider",
            json!({ "council": { "roles": { "caspar": { "model": "nobody:m" } } } }),
            "council.roles.caspar.model",
        ),
        wrong(
            "no model's name",
            json!({ "council": { "roles": { "caspar": { "model": "" } } } }),
            "council.roles.caspar.model",
        ),
        wrong(
            "a veto of nobody",
            json!({ "council": { "rule": "veto:adam" } }),
            "council.rule",
        ),
        wrong(
            "a veto of who is not there",
            json!({ "council": {
                "rule": "veto:caspar", "roles": { "caspar": { "enabled": false } },
            } }),
            "council.rule",
        ),
        wrong(
            "fewer sages than the quorum",
            json!({ "council": { "roles": {
                "caspar": { "enabled": false }, "melchior": { "enabled": false },
            } } }),
            "council.quorum",
        ),
        wrong("a text as budget", json!({ "budget": "much" }), "budget"),
        wrong(
            "a negative budget",
            json!({ "budget": { "usd": -1 } }),
            "budget.usd",
        ),
        wrong("no id", json!({ "fork_of": "x" }), "fork_of"),
        wrong("on_leave", json!({ "on_leave": "panic" }), "on_leave"),
        wrong(
            "on_leave, number",
            json!({ "on_leave": "stop_after:x" }),
            "on_leave",
        ),
        wrong(
            "an over-long key",
            json!({ "idempotency_key": "k".repeat(129) }),
            "idempotency_key",
        ),
        wrong(
            "an empty key",
            json!({ "idempotency_key": "" }),
            "idempotency_key",
        ),
        wrong(
            "an unknown dialect",
            json!({ "dialect": "klingon" }),
            "dialect",
        ),
        wrong("a number as dialect", json!({ "dialect": 1 }), "dialect"),
        wrong("no cursor as after", json!({ "after": "x" }), "after"),
        wrong("a number as after", json!({ "after": 1 }), "after"),
    ]
}

/// The original's two forms, with something wrong in them.
fn originals() -> Vec<Bad> {
    vec![
        wrong(
            "the original's prompts, unknown agent",
            json!({ "custom_prompts": { "gendo": "x" } }),
            "custom_prompts.gendo",
        ),
        wrong(
            "the original's models, wrong type",
            json!({ "model_configs": { "caspar": 1 } }),
            "model_configs.caspar",
        ),
        wrong(
            "the original's sampling, wrong type",
            json!({ "runtime_configs": { "caspar": { "temperature": "hot" } } }),
            "runtime_configs.caspar.temperature",
        ),
        wrong(
            "the original's other form, unknown agent",
            json!({ "agentConfigs": { "adam": {} } }),
            "agentConfigs.adam",
        ),
        wrong(
            "the original's other form, wrong type",
            json!({ "agentConfigs": { "caspar": { "maxTokens": "many" } } }),
            "agentConfigs.caspar.maxTokens",
        ),
    ]
}

async fn house() -> House {
    house::start(speaks(1, Duration::ZERO)).await
}

async fn nothing_was_started(house: &House) {
    let list = house.wire.get("/v1/deliberations").await.json();
    assert_eq!(list["items"], json!([]), "something was started");
    assert_eq!(house.engine.n_running(), 0);
}

#[tokio::test]
async fn every_bad_question_is_a_problem_that_names_its_field_at_every_door() {
    let house = house().await;
    for path in ["/v1/deliberations", "/invocations", "/api/invocations"] {
        let all = [unreadable(), fields(), originals()];
        for bad in all.into_iter().flatten() {
            let request = house
                .wire
                .request("POST", path)
                .header("content-type", "application/json")
                .header("accept", "text/event-stream")
                .body(bad.body);
            let answer = house.wire.whole(request).await;
            let kind = answer.header("content-type").to_owned();
            let problem = answer.json();
            let got = (
                answer.status,
                problem["code"].as_str().unwrap(),
                problem["field"].as_str().unwrap_or_default(),
            );
            assert_eq!(got, bad.expected, "{path}, {}: {problem}", bad.what);
            assert_eq!(kind, "application/problem+json", "{path}, {}", bad.what);
            for member in ["type", "title", "detail"] {
                assert!(
                    problem[member].is_string(),
                    "{path}, {}: {problem}",
                    bad.what
                );
            }
            assert_eq!(problem["status"], answer.status, "{path}, {}", bad.what);
        }
    }
    nothing_was_started(&house).await;
    house.shut().await;
}

/// A deliberation that never was.
const UNKNOWN: &str = "01KAQ8E5WC000000000000000A";

/// Method and address (of one that is there, of one that is not), and what must come back.
const ADDRESSES: &str = "\
GET     NOTHERE                         404 not_found           id
GET     NOTHERE/events                  404 not_found           id
GET     NOTHERE/export                  404 not_found           id
DELETE  NOTHERE                         404 not_found           id
POST    NOTHERE/stop                    404 not_found           id
POST    NOTHERE/resume                  404 not_found           id
POST    NOTHERE/retry                   404 not_found           id
POST    NOTHERE/pause                   404 not_found           id
POST    NOTHERE/rejudge                 404 not_found           id
POST    NOTHERE/fork                    404 not_found           id
POST    ONE/note                        400 bad_request         text
GET     /v1/deliberations/x             400 bad_request         id
GET     /v1/deliberations/x/events      400 bad_request         id
GET     ONE/events?after=x              400 bad_request         after
GET     ONE/events?after=1              400 bad_request         after
GET     ONE/events?after=ID.1           400 bad_request         after
GET     ONE/events?after=ID.1.-1        400 bad_request         after
GET     ONE/events?after=ID.0.1         400 bad_request         after
GET     ONE/events?after=ID.1.999999    409 cursor_ahead        -
GET     ONE/events?after=ID.7.1         409 cursor_ahead        -
GET     ONE/events?after=OTHER.1.1      409 cursor_ahead        after
GET     ONE/events?after=0&after=0      400 bad_request         after
GET     ONE/events?dialect=klingon      400 bad_request         dialect
GET     ONE/export?format=docx          400 bad_request         format
GET     ONE/ws                          400 bad_request         Upgrade
GET     /ws                             400 bad_request         Upgrade
GET     /v1/deliberations?limit=0       400 bad_request         limit
GET     /v1/deliberations?limit=many    400 bad_request         limit
GET     /v1/deliberations?limit=201     400 bad_request         limit
GET     /v1/deliberations?cursor=x      400 bad_request         cursor
GET     /v1/deliberations?verdict=MAYBE 400 bad_request         verdict
GET     /v1/deliberations?from=tomorrow 400 bad_request         from
GET     /v1/deliberations?q=%FF         400 bad_request         -
GET     /v1/usage?to=never              400 bad_request         to
PUT     ONE                             405 method_not_allowed  -
GET     /invocations                    405 method_not_allowed  -
POST    /                               405 method_not_allowed  -
GET     /v1/chat/completions            404 not_found           -";

#[tokio::test]
async fn bad_addresses_and_parameters_are_problems() {
    let house = house().await;
    let id = house.wire.ask(&json!({ "question": "Should we?" })).await;
    house.wire.events(&id, "0").await.rest().await;
    for line in ADDRESSES.lines() {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [method, path, status, code, field] = columns[..] else {
            panic!("{line}")
        };
        let path = path
            .replace("NOTHERE", &format!("/v1/deliberations/{UNKNOWN}"))
            .replace("ONE", &format!("/v1/deliberations/{id}"))
            .replace("OTHER", UNKNOWN)
            .replace("=ID", &format!("={id}"));
        let answer = house.wire.whole(house.wire.request(method, &path)).await;
        let problem = answer.json();
        let got = (
            answer.status.to_string(),
            problem["code"].as_str().unwrap(),
            problem["field"].as_str().unwrap_or("-"),
        );
        assert_eq!(got, (status.to_owned(), code, field), "{line}: {problem}");
    }
    // Nothing was lost by any of it.
    let one = format!("/v1/deliberations/{id}");
    let snapshot = house.wire.get(&one).await.json();
    assert_eq!(snapshot["status"], "completed");
    house.shut().await;
}

#[tokio::test]
async fn bad_verbs_and_changes_are_problems() {
    let house = house().await;
    let id = house.wire.ask(&json!({ "question": "Should we?" })).await;
    house.wire.events(&id, "0").await.rest().await;
    let one = format!("/v1/deliberations/{id}");
    for (method, path, body, field) in [
        (
            "POST",
            format!("{one}/stop"),
            json!({ "agent": "adam" }),
            "agent",
        ),
        (
            "POST",
            format!("{one}/stop"),
            json!({ "agent": 1 }),
            "agent",
        ),
        ("PATCH", one.clone(), json!({ "title": 1 }), "title"),
        ("PATCH", one.clone(), json!({ "title": null }), "title"),
        (
            "PATCH",
            one.clone(),
            json!({ "title": "x".repeat(513) }),
            "title",
        ),
        (
            "PATCH",
            one.clone(),
            json!({ "my_decision": [] }),
            "my_decision",
        ),
        (
            "PATCH",
            one.clone(),
            json!({ "my_decision": " \n" }),
            "my_decision",
        ),
        (
            "PATCH",
            one.clone(),
            json!({ "outcome": "x".repeat(16_385) }),
            "outcome",
        ),
        (
            "POST",
            "/invocations".into(),
            json!({ "action": "launch" }),
            "action",
        ),
        (
            "POST",
            "/invocations".into(),
            json!({ "action": 1 }),
            "action",
        ),
        (
            "POST",
            "/invocations".into(),
            json!({ "action": "status" }),
            "id",
        ),
        (
            "POST",
            "/invocations".into(),
            json!({ "action": "snapshot", "id": "x" }),
            "id",
        ),
        (
            "POST",
            "/invocations".into(),
            json!({ "action": "events", "id": 5 }),
            "id",
        ),
        (
            "POST",
            "/invocations".into(),
            json!({ "action": "events", "after": "x" }),
            "id",
        ),
        (
            "POST",
            "/invocations".into(),
            json!({ "action": "probe", "frames": 0 }),
            "frames",
        ),
        (
            "POST",
            "/invocations".into(),
            json!({ "action": "probe", "frames": "x" }),
            "frames",
        ),
        (
            "POST",
            "/invocations".into(),
            json!({ "action": "ack" }),
            "probe",
        ),
    ] {
        let request = house
            .wire
            .request(method, &path)
            .header("content-type", "application/json")
            .body(body.to_string());
        let answer = house.wire.whole(request).await;
        let problem = answer.json();
        assert_eq!(answer.status, 400, "{method} {path} {body}: {problem}");
        assert_eq!(problem["field"], field, "{method} {path} {body}: {problem}");
    }
    house.shut().await;
}

#[tokio::test]
async fn foreign_hosts_origins_and_content_types_are_turned_away() {
    let house = house().await;
    for (header, value, status, code) in [
        ("host", "evil.example", 403, "forbidden_host"),
        ("host", "127.0.0.1.nip.io", 403, "forbidden_host"),
        ("origin", "http://evil.example", 403, "forbidden_origin"),
        ("origin", "null", 403, "forbidden_origin"),
        ("sec-fetch-site", "cross-site", 403, "forbidden_origin"),
        ("content-type", "text/plain", 415, "unsupported_media_type"),
        (
            "content-type",
            "application/x-www-form-urlencoded",
            415,
            "unsupported_media_type",
        ),
        (
            "content-type",
            "multipart/form-data",
            415,
            "unsupported_media_type",
        ),
    ] {
        for path in ["/v1/deliberations", "/invocations"] {
            let mut request = house.wire.request("POST", path).header(header, value);
            if header != "content-type" {
                request = request.header("content-type", "application/json");
            }
            let request = request.body(json!({ "question": "Should we?" }).to_string());
            let answer = house.wire.whole(request).await;
            let got = (
                answer.status,
                answer.json()["code"].as_str().unwrap().to_owned(),
            );
            assert_eq!(got, (status, code.to_owned()), "{path} {header}: {value}");
        }
    }
    let socket = house
        .wire
        .request("GET", "/ws")
        .header("upgrade", "websocket")
        .header("origin", "http://evil.example");
    assert_eq!(house.wire.whole(socket).await.status, 403);
    let preflight = house
        .wire
        .request("OPTIONS", "/v1/deliberations")
        .header("origin", "http://evil.example")
        .header("access-control-request-method", "POST");
    let answer = house.wire.whole(preflight).await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.header("access-control-allow-origin"), "");
    nothing_was_started(&house).await;
    house.shut().await;
}

#[tokio::test]
async fn a_body_of_five_mebibytes_is_answered_413_and_not_reset() {
    let house = house().await;
    let mut socket = TcpStream::connect(house.address).await.unwrap();
    let length = 5 * 1024 * 1024;
    let head = format!(
        "POST /v1/deliberations HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    // The whole body goes out before anything is read, as simple clients do.
    socket.write_all(&vec![b' '; length]).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("\"code\":\"too_large\""), "{answer}");
    nothing_was_started(&house).await;
    house.shut().await;
}

#[tokio::test]
async fn heads_that_are_too_long_or_too_many_are_refused() {
    let house = house().await;
    let long = format!("x-long: {}\r\n", "x".repeat(64 * 1024));
    let many: String = (0..100).map(|at| format!("x-{at}: 1\r\n")).collect();
    for more in [long, many] {
        let mut socket = TcpStream::connect(house.address).await.unwrap();
        let head = format!("GET /ping HTTP/1.1\r\nhost: localhost\r\n{more}\r\n");
        // The server may answer and close before it has taken it all.
        let _ = socket.write_all(head.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 431 "),
            "{answer}"
        );
    }
    assert_eq!(house.wire.get("/ping").await.status, 200);
    house.shut().await;
}
