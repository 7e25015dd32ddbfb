//! Random cuts: nothing is lost, doubled or put in another order.

use std::sync::Arc;
use std::time::Duration;

use magi_event::Cursor;
use magi_event::check::{Checker, Mode};
use magi_event::sse::Decoder;
use magi_log::SqliteStore;
use magi_server::Config;
use serde_json::json;

use crate::house;
use crate::model::speaks;
use crate::wire::{Wire, cursor_of, event_of};

const SEED: u64 = 20_261_123;

/// The cuts where nobody asks for more with `MAGI_CUTS`.
const CUTS: usize = 100;

/// One connection through one of the two doors, left as soon as so many bytes have come: what was
/// under way is lost, as on a network that breaks. Tells whether the stream ended by itself.
async fn read(wire: &Wire, after: Cursor, is_action: bool, most: usize) -> (Vec<u8>, bool) {
    let id = after.deliberation;
    let place = if after.seq == 0 {
        "0".to_owned()
    } else {
        after.to_string()
    };
    let request = if is_action {
        let body = json!({ "action": "events", "id": id, "after": place });
        wire.posting("/invocations", &body)
    } else {
        wire.request("GET", &format!("/v1/deliberations/{id}/events"))
            .header("last-event-id", place)
    };
    let mut response = request.send().await.unwrap();
    if response.status().as_u16() == 204 {
        return (Vec::new(), true);
    }
    let mut bytes = Vec::new();
    while bytes.len() < most {
        match response.chunk().await.unwrap() {
            Some(more) => bytes.extend_from_slice(&more),
            None => return (bytes, true),
        }
    }
    bytes.truncate(most);
    (bytes, false)
}

#[tokio::test]
async fn random_cuts_lose_double_and_reorder_nothing() {
    let wanted = std::env::var("MAGI_CUTS").map_or(CUTS, |text| text.parse().unwrap());
    let mut random = fastrand::Rng::with_seed(SEED);
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(folder.path()).unwrap());
    let answer = speaks(60, Duration::from_millis(1));
    let house = house::start_with(store, answer, Config::default()).await;
    let (mut cuts, mut deliberations, mut events) = (0, 0, 0);
    while cuts < wanted {
        deliberations += 1;
        let id = house.wire.ask(&json!({ "question": "Should we?" })).await;
        let mut checker = Checker::new(Mode::Reader);
        let mut last = Cursor::start(id.parse().unwrap());
        loop {
            let (is_action, most) = (random.bool(), random.usize(1..6_000));
            let (bytes, ended) = read(&house.wire, last, is_action, most).await;
            let mut decoder = Decoder::new(1 << 20);
            decoder
                .push(&bytes, |message| {
                    let (cursor, event) = (cursor_of(&message), event_of(&message));
                    assert_eq!(cursor.seq, last.seq + 1, "lost, doubled or out of order");
                    checker.entry(cursor, &event).unwrap();
                    last = cursor;
                    events += 1;
                })
                .unwrap();
            if ended {
                break;
            }
            cuts += 1;
        }
        checker.finish(true).unwrap();
        // What was put together from pieces is what one reader gets who was never cut.
        let whole = house.wire.events(&id, "0").await.rest().await;
        assert_eq!(whole.last().unwrap().0, last);
    }
    println!(
        "cuts: {cuts} in {deliberations} deliberations, {events} events, 0 lost, 0 doubled, \
         0 reordered; seed {SEED}"
    );
    house.shut().await;
}
