//! AgentCore's door: the original's bodies, the actions, door frames, the probe.

use std::sync::Arc;
use std::time::Duration;

use magi_event::{Body, Rule};
use magi_log::MemoryStore;
use magi_server::{Config, SESSION_HEADER, Trust};
use serde_json::{Value, json};

use crate::house::{self, House};
use crate::model::{never_ends, speaks};
use crate::wire::Stream;

const SESSION: &str = "session-0123456789-0123456789-0123456789";

async fn container(answer: crate::model::Answer) -> House {
    let mut config = Config::default();
    config.trust = Trust::Platform;
    house::start_with(Arc::new(MemoryStore::new()), answer, config).await
}

/// The two bodies that the original's callers send.
fn originals() -> [Value; 2] {
    [
        json!({
            "question": "Should the two-container approach be adopted?",
            "custom_prompts": { "caspar": "You are careful." },
            "model_configs": { "solomon": "test:other" },
            "runtime_configs": { "melchior": { "temperature": 0.5, "max_tokens": 2000, "top_p": 0.9 } },
            "sessionId": "talk-1",
            "trace_id": "trace-1700000000",
        }),
        json!({
            "question": "Should the two-container approach be adopted?",
            "sessionId": "talk-1",
            "agentConfigs": {
                "balthasar": {
                    "model": "test:m", "temperature": 0.7, "maxTokens": 2000, "topP": 0.95,
                    "systemPrompt": "You are kind.", "enabled": true,
                },
            },
        }),
    ]
}

/// The attributes of the span of the whole deliberation, as it began.
async fn root_of(house: &House) -> serde_json::Map<String, Value> {
    let asking = house
        .wire
        .request("POST", "/invocations")
        .header("content-type", "application/json")
        .header(
            "x-amzn-bedrock-agentcore-runtime-request-id",
            "0b6f7f0c-5f6a-4a3e-9d55-2f6f4d1c9a10",
        )
        .header(
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )
        .header("x-amzn-trace-id", "not an id")
        .body(json!({ "action": "ask", "question": "Should we?" }).to_string());
    let events = house.wire.stream(asking).await.rest().await;
    let roots = events.iter().filter_map(|(_, event)| match &event.body {
        Body::Trace(None, trace) if trace.name == "deliberation" => Some(trace.attributes.clone()),
        _ => None,
    });
    roots.into_iter().next().expect("a root span")
}

#[tokio::test]
async fn the_trace_names_the_call_that_the_platform_knows() {
    let house = container(speaks(3, Duration::ZERO)).await;
    let root = root_of(&house).await;
    assert_eq!(root["request_id"], "0b6f7f0c-5f6a-4a3e-9d55-2f6f4d1c9a10");
    assert_eq!(
        root["trace_parent"],
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    );
    assert!(!root.contains_key("xray_trace_id"), "{root:?}");
    house.shut().await;
    // Elsewhere anybody could have written them.
    let house = house::start(speaks(3, Duration::ZERO)).await;
    let root = root_of(&house).await;
    assert!(!root.contains_key("request_id"), "{root:?}");
    house.shut().await;
}

#[tokio::test]
async fn the_originals_bodies_stream_with_its_meaning() {
    let house = container(speaks(3, Duration::ZERO)).await;
    for path in ["/invocations", "/api/invocations"] {
        for body in originals() {
            // As `curl -N -d` sends it: no `Accept` for a stream, some other content type.
            let asking = house
                .wire
                .request("POST", path)
                .header("content-type", "application/x-www-form-urlencoded")
                .header("accept", "*/*")
                .body(body.to_string());
            let events = house.wire.stream(asking).await.rest().await;
            let Body::Start(start) = &events[0].1.body else {
                panic!("{:?}", events[0])
            };
            assert_eq!(start.council.rule, Rule::Judge);
            assert_eq!(start.conversation_id.as_deref(), Some("talk-1"));
            assert!(matches!(events.last().unwrap().1.body, Body::Complete(_)));
        }
    }
    house.shut().await;
}

#[tokio::test]
async fn our_own_calls_default_to_the_majority() {
    let house = container(speaks(1, Duration::ZERO)).await;
    for body in [
        json!({ "action": "ask", "question": "Should we?" }),
        json!({ "preset": "default", "question": "Should we?" }),
    ] {
        let asking = house
            .wire
            .posting("/invocations", &body)
            .header(SESSION_HEADER, SESSION);
        let events = house.wire.stream(asking).await.rest().await;
        let Body::Start(start) = &events[0].1.body else {
            panic!("{:?}", events[0])
        };
        assert_eq!(start.council.rule, Rule::Majority);
        assert_eq!(start.conversation_id.as_deref(), Some(SESSION));
        assert!(start.capabilities.contains(&"stop".to_owned()));
    }
    house.shut().await;
}

async fn act(house: &House, body: Value) -> Value {
    let answer = house.wire.post("/invocations", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

#[tokio::test]
async fn every_verb_is_an_action() {
    let house = container(never_ends()).await;
    let asking = house.wire.posting(
        "/invocations",
        &json!({ "action": "ask", "question": "Should we?" }),
    );
    let mut stream = house.wire.stream(asking).await;
    let (first, event) = stream.event().await.unwrap();
    let id = event.trace_id.to_string();

    let status = act(&house, json!({ "action": "status", "id": id })).await;
    assert_eq!(
        (&status["id"], &status["status"]),
        (&json!(id), &json!("running"))
    );
    let snapshot = act(&house, json!({ "action": "snapshot", "id": id })).await;
    assert_eq!(snapshot["question"], "Should we?");
    let can = act(&house, json!({ "action": "capabilities" })).await;
    assert_eq!(
        (&can["protocol"], &can["trust"]),
        (&json!(1), &json!("platform"))
    );
    // Behind one address there is no `/v1/models` and no `/v1/rehearsal` to ask.
    let models = house.wire.get("/v1/models").await.json();
    assert_eq!(can["roles"], models["roles"]);
    assert!(can["roles"]["solomon"].is_string());
    assert_eq!(can["prices"], json!({}));
    let scenes = house.wire.get("/v1/rehearsal").await.json();
    assert_eq!(can["scenes"], scenes["scenes"]);

    let stopped = act(&house, json!({ "action": "stop", "id": id })).await;
    assert_eq!(stopped, json!({ "id": id, "changed": true }));
    let mut seen = stream.rest().await;
    seen.insert(0, (first, event));

    // `id` may be left out where `after` says it.
    let body = json!({ "action": "events", "after": first.to_string() });
    let events = house
        .wire
        .stream(house.wire.posting("/invocations", &body))
        .await;
    assert_eq!(rest(events).await, seen[1..]);
    let body = json!({ "action": "events", "id": id, "after": "0" });
    let events = house
        .wire
        .stream(house.wire.posting("/invocations", &body))
        .await;
    assert_eq!(rest(events).await, seen);

    let resumed = act(&house, json!({ "action": "resume", "id": id })).await;
    assert_ne!(resumed["id"], json!(id));
    house.shut().await;
}

/// Our own client reads both answers as the end (its tests hold that): 204, and behind the
/// platform's front a stream that ends at once, where `status` says the rest.
#[tokio::test]
async fn a_reader_who_has_the_last_event_is_told_that_it_is_over() {
    let house = container(speaks(1, Duration::ZERO)).await;
    let asking = house.wire.posting(
        "/invocations",
        &json!({ "action": "ask", "question": "Should we?" }),
    );
    let events = house.wire.stream(asking).await.rest().await;
    let (last, id) = (events.last().unwrap().0, events[0].1.trace_id);
    let body = json!({ "action": "events", "id": id, "after": last });
    let answer = house.wire.post("/invocations", &body).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    let request = house
        .wire
        .posting("/invocations", &body)
        .header(SESSION_HEADER, SESSION);
    let answer = house.wire.whole(request).await;
    assert_eq!(
        (answer.status, answer.text.as_str()),
        (200, "retry: 1000\n\n")
    );
    let standing = act(&house, json!({ "action": "status", "id": id })).await;
    assert_eq!(standing["status"], "completed");
    assert_eq!(standing["cursor"], json!(last));
    // One before the last there is one to come.
    let before = events[events.len() - 2].0;
    let body = json!({ "action": "events", "after": before });
    let stream = house.wire.posting("/invocations", &body);
    assert_eq!(rest(house.wire.stream(stream).await).await.len(), 1);
    house.shut().await;
}

async fn rest(mut stream: Stream) -> Vec<(magi_event::Cursor, magi_event::Event)> {
    stream.rest().await
}

#[tokio::test]
async fn behind_the_session_header_problems_are_door_frames() {
    let house = container(speaks(1, Duration::ZERO)).await;
    let unknown = "01KAQ8E5WC000000000000000A";
    for (body, kind, status, code) in [
        (
            json!({ "question": "" }),
            "text/event-stream",
            400,
            "bad_request",
        ),
        (
            json!({ "action": "ask" }),
            "text/event-stream",
            400,
            "bad_request",
        ),
        (
            json!({ "action": "events", "id": unknown }),
            "text/event-stream",
            404,
            "not_found",
        ),
        (
            json!({ "action": "status", "id": unknown }),
            "application/json",
            404,
            "not_found",
        ),
        (
            json!({ "action": "stop", "id": unknown }),
            "application/json",
            404,
            "not_found",
        ),
        (
            json!({ "action": "launch" }),
            "text/event-stream",
            400,
            "unsupported",
        ),
    ] {
        let request = house
            .wire
            .posting("/invocations", &body)
            .header(SESSION_HEADER, SESSION);
        let answer = house.wire.whole(request).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, kind),
            "{body}"
        );
        let json = answer.text.strip_prefix("data: ").unwrap_or(&answer.text);
        let frame: Value = serde_json::from_str(json.trim_end()).unwrap();
        assert_eq!(frame["type"], "error", "{body}");
        assert_eq!(frame["data"]["status"], status, "{body}: {frame}");
        assert_eq!(frame["data"]["code"], code, "{body}: {frame}");
        assert!(
            frame.get("seq").is_none() && !answer.text.contains("id: "),
            "{frame}"
        );
        // Without the header it is a status.
        let answer = house.wire.post("/invocations", &body).await;
        assert_eq!(answer.status, status, "{body}");
    }
    house.shut().await;
}

#[tokio::test]
async fn the_chunks_dialect_resumes_with_the_same_frames() {
    let house = house::start(speaks(5, Duration::ZERO)).await;
    let body = json!({ "question": "Should we?", "dialect": "chunks" });
    let asking = house.wire.posting("/invocations", &body);
    let mut stream = house.wire.stream(asking).await;
    let mut frames = Vec::new();
    while let Some(message) = stream.next().await {
        frames.push(message);
    }
    let value = |at: usize| -> Value { serde_json::from_str(&frames[at].data).unwrap() };
    let last = value(frames.len() - 1);
    assert_eq!(last["type"], "complete");
    let chunks: Vec<Value> = (0..frames.len())
        .map(value)
        .filter(|frame| frame["type"] == "chunk")
        .collect();
    assert_eq!(last["chunkCount"], chunks.len());
    let text: String = chunks
        .iter()
        .map(|chunk| chunk["content"].as_str().unwrap())
        .collect();
    for part in [
        "## CASPAR",
        "## BALTHASAR",
        "## MELCHIOR",
        "## SOLOMON",
        "# Verdict: APPROVED",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }

    // From every id on, the frames that follow are the same.
    let id = last["traceId"].as_str().unwrap();
    for at in [0, 3, frames.len() / 2, frames.len() - 2] {
        let Some(after) = frames[at].id.clone() else {
            continue;
        };
        // A frame without an id of its own is read with the one before it.
        let next = 1 + frames
            .iter()
            .position(|frame| frame.id.as_ref() == Some(&after))
            .unwrap();
        let path = format!("/v1/deliberations/{id}/events?dialect=chunks&after={after}");
        let mut stream = house.wire.stream(house.wire.request("GET", &path)).await;
        let mut rest = Vec::new();
        while let Some(message) = stream.next().await {
            rest.push(message.data);
        }
        let expected: Vec<String> = frames[next..]
            .iter()
            .map(|frame| frame.data.clone())
            .collect();
        assert_eq!(rest, expected, "after frame {at}");
    }
    house.shut().await;
}

#[tokio::test]
async fn a_probe_goes_on_only_when_its_frames_are_seen() {
    let house = container(never_ends()).await;
    let body = json!({ "action": "probe", "frames": 4 });
    let mut stream = house
        .wire
        .stream(house.wire.posting("/invocations", &body))
        .await;
    for expected in 1..=4 {
        let frame: Value = serde_json::from_str(&stream.next().await.unwrap().data).unwrap();
        assert_eq!(frame["type"], "probe");
        assert_eq!(frame["data"]["frame"], expected);
        let probe = &frame["data"]["probe"];
        let ack = json!({ "action": "ack", "probe": probe, "frame": expected });
        assert_eq!(act(&house, ack).await, json!({ "seen": expected }));
    }
    assert!(stream.next().await.is_none());
    let body = json!({ "action": "probe", "frames": 2, "ack": false });
    let mut stream = house
        .wire
        .stream(house.wire.posting("/invocations", &body))
        .await;
    assert!(stream.next().await.is_some() && stream.next().await.is_some());
    assert!(stream.next().await.is_none());
    house.shut().await;
}
