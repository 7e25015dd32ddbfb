//! Heartbeats on a paused clock, and readers that do not read.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use futures_util::{StreamExt, stream};
use http::Request;
use http_body_util::BodyExt;
use magi_event::{Agent, Sage, sse};
use magi_log::{Env, MemoryStore};
use magi_model::{Call, Chunk};
use magi_server::{Config, Server};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::house;
use crate::model::{Answer, never_ends, speaks};

fn asking() -> Request<Body> {
    posting(&json!({ "question": "Should we?" }))
}

fn posting(body: &Value) -> Request<Body> {
    Request::post("/v1/deliberations")
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("accept", "text/event-stream")
        .body(Body::from(body.to_string()))
        .unwrap()
}

async fn body(heartbeat: Duration) -> (Body, CancellationToken) {
    answered(asking(), never_ends(), heartbeat).await
}

async fn answered(
    request: Request<Body>,
    answer: Answer,
    heartbeat: Duration,
) -> (Body, CancellationToken) {
    let rooms = house::rooms(Arc::new(MemoryStore::new()), answer, Env::seeded(1));
    let mut config = Config::default();
    config.heartbeat = heartbeat;
    let stop = CancellationToken::new();
    let server = Server::new(rooms, config, stop.clone()).unwrap();
    let response = server.router().oneshot(request).await.unwrap();
    (response.into_body(), stop)
}

#[tokio::test(start_paused = true)]
async fn a_comment_comes_after_two_seconds_of_silence_and_again() {
    let (mut body, _stop) = body(Duration::from_secs(2)).await;
    let mut last = Instant::now();
    let mut beats = Vec::new();
    while beats.len() < 4 {
        let bytes = body.frame().await.unwrap().unwrap().into_data().unwrap();
        if bytes == sse::HEARTBEAT {
            beats.push(last.elapsed());
        }
        last = Instant::now();
    }
    // The paused clock moves in whole milliseconds.
    for beat in beats {
        assert!(
            beat >= Duration::from_secs(2) && beat < Duration::from_millis(2_002),
            "{beat:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_heartbeat_of_zero_there_is_none() {
    let (mut body, stop) = body(Duration::ZERO).await;
    let stopping = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        stop.cancel();
    };
    let reading = async {
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            bytes.extend_from_slice(&frame.unwrap().into_data().unwrap());
        }
        bytes
    };
    let (bytes, ()) = tokio::join!(reading, stopping);
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.starts_with("retry: 1000\n\n"));
    assert!(!text.contains(": hb"), "{text}");
}

/// CASPAR has the floor and says no more; the others speak once a second.
fn kept_back() -> Answer {
    Arc::new(|call: Call| {
        let has_floor = call.about.agent == Agent::Sage(Sage::Caspar);
        let begins = stream::iter([Ok(Chunk::Accepted)]);
        if has_floor {
            let word = stream::iter([Ok(Chunk::Text("First. ".to_owned()))]);
            return begins.chain(word).chain(stream::pending()).boxed();
        }
        let words = stream::iter(0..30).then(|at| async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(Chunk::Text(format!("word{at} ")))
        });
        begins.chain(words).chain(stream::pending()).boxed()
    })
}

#[tokio::test(start_paused = true)]
async fn a_dialect_that_keeps_text_back_is_not_silent() {
    let body = json!({ "question": "Should we?", "dialect": "chunks" });
    let heartbeat = Duration::from_secs(2);
    let (mut body, _stop) = answered(posting(&body), kept_back(), heartbeat).await;
    let began = Instant::now();
    let mut last = began;
    let mut beats = 0;
    while began.elapsed() < Duration::from_secs(12) {
        let bytes = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert!(
            last.elapsed() < Duration::from_millis(2_002),
            "{:?}",
            last.elapsed()
        );
        beats += usize::from(bytes == sse::HEARTBEAT);
        last = Instant::now();
    }
    assert!(beats >= 4, "{beats}");
}

#[tokio::test]
async fn a_reader_that_does_not_read_only_falls_behind() {
    let house = house::start(speaks(3_000, Duration::ZERO)).await;
    let asking = house
        .wire
        .posting("/v1/deliberations", &json!({ "question": "Should we?" }))
        .header("accept", "text/event-stream");
    // This one opens its stream and takes only the first event, while everybody speaks.
    let mut slow = house.wire.stream(asking).await;
    let (_, first) = slow.event().await.unwrap();
    let id = first.trace_id.to_string();
    let quick = house.wire.events(&id, "0").await.rest().await;
    let path = format!("/v1/deliberations/{id}");
    assert_eq!(house.wire.get(&path).await.json()["status"], "completed");
    assert!(quick.len() > 12_000, "{}", quick.len());
    // And still gets every event, in order.
    let rest = slow.rest().await;
    assert_eq!(rest, quick[1..]);
    house.shut().await;
}
