//! A server that stops, and readers that survive it.

use std::sync::Arc;
use std::time::Duration;

use magi_event::check::{Checker, Mode};
use magi_event::{Body, Cursor, Event};
use magi_log::MemoryStore;
use magi_server::Config;
use serde_json::json;

use crate::house;
use crate::model::speaks;

#[tokio::test]
async fn readers_go_on_with_the_next_process() {
    let store = MemoryStore::new();
    let next = store.peer();
    let first = house::start_with(
        Arc::new(store),
        speaks(40, Duration::from_millis(5)),
        Config::default(),
    );
    let first = first.await;
    let body = json!({ "question": "Should we?", "idempotency_key": "k" });
    let asking = first
        .wire
        .posting("/v1/deliberations", &body)
        .header("accept", "text/event-stream");
    let mut stream = first.wire.stream(asking).await;
    let mut seen: Vec<(Cursor, Event)> = Vec::new();
    while let Some((cursor, event)) = stream.event().await {
        if matches!(event.body, Body::AgentChunk(..)) && seen.len() == 20 {
            first.stop.cancel();
        }
        seen.push((cursor, event));
    }
    assert!(
        !seen.last().unwrap().1.body.is_last(),
        "cut without a last event"
    );
    let refused = first.wire.request("GET", "/ping").send().await;
    assert!(refused.is_err(), "nothing is accepted any more");
    first.shut().await;

    let second = house::start_with(
        Arc::new(next),
        speaks(40, Duration::ZERO),
        Config::default(),
    )
    .await;
    second.engine.recover().await.unwrap();
    let (last, event) = seen.last().unwrap();
    let id = event.trace_id.to_string();
    seen.extend(
        second
            .wire
            .events(&id, &last.to_string())
            .await
            .rest()
            .await,
    );
    let mut checker = Checker::new(Mode::Reader);
    for (cursor, event) in &seen {
        checker.entry(*cursor, event).unwrap();
    }
    checker.finish(true).unwrap();
    assert!(
        seen.iter()
            .any(|(_, event)| matches!(event.body, Body::Rewind(_)))
    );
    // The key is remembered across processes.
    let again = second.wire.post("/v1/deliberations", &body).await;
    assert_eq!(
        (again.status, again.json()["id"].as_str()),
        (200, Some(id.as_str()))
    );
    second.shut().await;
}
