//! A door that ends at a known time, as a function does.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use http_body_util::BodyExt;
use magi_event::Event;
use magi_event::sse::Decoder;
use magi_log::{Env, MemoryStore};
use magi_server::{Config, Deadline, Rooms, Server, Trust};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::house;
use crate::model::{never_ends, speaks};

#[tokio::test(start_paused = true)]
async fn what_is_streamed_is_suspended_at_the_deadline_and_ends_well() {
    let rooms = house::rooms(Arc::new(MemoryStore::new()), never_ends(), Env::system());
    let engine = rooms.engine.clone();
    let mut config = Config::default();
    config.trust = Trust::Platform;
    config.finds_again = false;
    let server = Server::new(rooms, config, CancellationToken::new()).unwrap();
    let began = Instant::now();
    let deadline = Duration::from_secs(10);
    let asking = json!({ "action": "ask", "question": "Should we?" });
    let request = http::Request::post("/invocations")
        .extension(Deadline(began + deadline))
        .body(asking.to_string())
        .unwrap();
    let response = server.router().oneshot(request).await.unwrap();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    assert!(began.elapsed() >= deadline, "{:?}", began.elapsed());
    assert!(began.elapsed() < deadline + Duration::from_secs(1));
    let mut events = Vec::new();
    Decoder::new(1 << 20)
        .push(&bytes, |message| {
            events.push(Event::from_json(message.data.as_bytes()).unwrap());
        })
        .unwrap();
    let magi_event::Body::Paused(paused) = &events.last().unwrap().body else {
        panic!("{:?}", events.last())
    };
    assert_eq!(
        (paused.by.as_str(), paused.reason.as_str()),
        ("magi", "deadline")
    );
    // Nothing runs on, so that a frozen process holds nothing open.
    assert_eq!(engine.n_running(), 0);
}

/// Calls a function of these rooms, with a minute to its deadline.
async fn call(rooms: Rooms, body: Value) -> (Instant, axum::body::Body) {
    let mut config = Config::default();
    config.trust = Trust::Platform;
    config.finds_again = false;
    config.resumes_state = true;
    let server = Server::new(rooms, config, CancellationToken::new()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let request = http::Request::post("/invocations")
        .extension(Deadline(deadline))
        .body(body.to_string())
        .unwrap();
    let response = server.router().oneshot(request).await.unwrap();
    (deadline, response.into_body())
}

/// A council that speaks fifty tokens a second each and does not come to an end.
fn talkers() -> Rooms {
    house::signing_rooms(speaks(100_000, Duration::from_millis(20)))
}

async fn speaking() -> (magi_council::Engine, Instant, axum::body::BodyDataStream) {
    let rooms = talkers();
    let engine = rooms.engine.clone();
    let asking = json!({ "action": "ask", "question": "Should we?" });
    let (deadline, body) = call(rooms, asking).await;
    (engine, deadline, body.into_data_stream())
}

/// Reads a stream of `chunks` to its end; returns its frames.
async fn frames(body: axum::body::Body) -> Vec<Value> {
    let bytes = body.collect().await.unwrap().to_bytes();
    let mut frames = Vec::new();
    Decoder::new(1 << 20)
        .push(&bytes, |message| {
            frames.push(serde_json::from_str(&message.data).unwrap());
        })
        .unwrap();
    frames
}

#[tokio::test(start_paused = true)]
async fn a_quick_reader_of_chunks_gets_all_of_the_time_and_a_state_to_go_on_from() {
    let rooms = talkers();
    let engine = rooms.engine.clone();
    // Two of three sages are kept back there, so it gets a frame for a third of the events.
    let asking =
        json!({ "action": "ask", "question": "Should we?", "lang": "ja", "dialect": "chunks" });
    let (deadline, body) = call(rooms, asking).await;
    let before = frames(body).await;
    assert!(
        Instant::now() >= deadline,
        "{:?} too early",
        deadline - Instant::now()
    );
    assert_eq!(engine.n_running(), 0);
    let [.., said, last] = before.as_slice() else {
        panic!("{before:?}")
    };
    let said = said["content"].as_str().unwrap();
    assert!(said.contains("時間が尽きました"), "{said}");
    assert!(!said.contains("deadline"), "{said}");
    assert_eq!(last["type"], "paused", "{last}");
    assert_eq!(last["reason"], "deadline");

    // A function that shares nothing with the first but the key.
    let resuming = json!({ "action": "resume", "state": last["state"], "dialect": "chunks" });
    let rooms = house::signing_rooms(speaks(5, Duration::ZERO));
    let (_, body) = call(rooms, resuming).await;
    let after = frames(body).await;
    let last = after.last().unwrap();
    assert_eq!(last["type"], "complete", "{last}");
    let text: String = after
        .iter()
        .filter_map(|frame| frame["content"].as_str())
        .collect();
    assert!(text.contains("# 評決"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_has_fallen_behind_gets_the_last_word_before_the_deadline() {
    let (engine, deadline, mut body) = speaking().await;
    let (mut decoder, mut last, mut n_events) = (Decoder::new(1 << 20), None, 0_u32);
    while let Some(bytes) = body.next().await {
        let before = n_events;
        decoder
            .push(&bytes.unwrap(), |message| {
                last = Some(message.data);
                n_events += 1;
            })
            .unwrap();
        // It takes a hundred events a second, and a hundred and fifty come.
        tokio::time::sleep(Duration::from_millis(10) * (n_events - before)).await;
    }
    let last = last.unwrap();
    assert!(last.starts_with(r#"{"type":"paused""#), "{last}");
    // A page of 256 is one look's room for error.
    let late = Instant::now().saturating_duration_since(deadline);
    assert!(
        late < Duration::from_secs(4),
        "{late:?} late, after {n_events} events"
    );
    assert_eq!(engine.n_running(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_reads_is_suspended_at_the_deadline_all_the_same() {
    let (engine, deadline, body) = speaking().await;
    tokio::time::sleep_until(deadline + Duration::from_secs(1)).await;
    assert_eq!(engine.n_running(), 0, "models go on for nobody");
    drop(body);
}
