//! A store that does not answer, and readers that go on when it does again.

use std::sync::Arc;
use std::time::Duration;

use magi_event::check::{Checker, Mode};
use magi_event::{Cursor, Event};
use magi_log::MemoryStore;
use magi_server::Config;
use serde_json::{Value, json};

use crate::faulty::Faulty;
use crate::house;
use crate::model::speaks;
use crate::wire::{cursor_of, event_of};

#[tokio::test]
async fn readers_are_told_and_go_on_when_the_store_is_back() {
    let store = Faulty::over(MemoryStore::new());
    let answer = speaks(400, Duration::from_millis(2));
    let house = house::start_with(Arc::new(store.clone()), answer, Config::default()).await;
    let id = house.wire.ask(&json!({ "question": "Should we?" })).await;
    let mut stream = house.wire.events(&id, "0").await;
    let mut seen: Vec<(Cursor, Event)> = Vec::new();
    let mut told = None;
    while let Some(message) = stream.next().await {
        let json: Value = serde_json::from_str(&message.data).unwrap();
        if json.get("seq").is_none() {
            told = Some(json);
            continue;
        }
        seen.push((cursor_of(&message), event_of(&message)));
        if seen.len() == 30 {
            store.set_down(true);
        }
    }
    let told = told.expect("a door frame");
    assert_eq!(told["type"], "error");
    assert_eq!(told["data"]["code"], "store_unavailable");
    assert_eq!(told["data"]["status"], 503);
    assert!(!seen.last().unwrap().1.body.is_last());

    let another = json!({ "question": "And?" });
    let refused = house.wire.post("/v1/deliberations", &another).await;
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (503, "2"),
        "{}",
        refused.text
    );
    assert_eq!(house.wire.get("/healthz").await.status, 503);

    store.set_down(false);
    // The reader comes back with its cursor until it is let in; the deliberation goes on by itself.
    while !seen.last().unwrap().1.body.is_last() {
        let last = seen.last().unwrap().0.to_string();
        let path = format!("/v1/deliberations/{id}/events");
        let request = house
            .wire
            .request("GET", &path)
            .header("last-event-id", last);
        let mut stream = house.wire.stream(request).await;
        while let Some(message) = stream.next().await {
            if message.data.contains("\"seq\"") {
                seen.push((cursor_of(&message), event_of(&message)));
            }
        }
    }
    let mut checker = Checker::new(Mode::Reader);
    for (cursor, event) in &seen {
        checker.entry(*cursor, event).unwrap();
    }
    checker.finish(true).unwrap();
    house.shut().await;
}
