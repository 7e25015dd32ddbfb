//! A door that ends at a known time, as a function does.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use magi_event::Event;
use magi_event::sse::Decoder;
use magi_log::{Env, MemoryStore};
use magi_server::{Config, Deadline, Server, Trust};
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::house;
use crate::model::never_ends;

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
