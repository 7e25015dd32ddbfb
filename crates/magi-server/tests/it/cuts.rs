//! Random cuts: nothing is lost, doubled or put in another order.

use std::time::Duration;

use magi_event::check::{Checker, Mode};
use magi_event::sse::Decoder;
use magi_event::{Cursor, DeliberationId};
use serde_json::json;

use crate::house;
use crate::model::speaks;
use crate::wire::{Wire, cursor_of, event_of};

const SEED: u64 = 20_261_123;
const CUTS: usize = 100;

/// Reads one connection until so many bytes have come, as a reader does who is then cut.
async fn read(wire: &Wire, id: &str, after: &str, most: usize) -> (Vec<u8>, bool) {
    let path = format!("/v1/deliberations/{id}/events");
    let request = wire.request("GET", &path).header("last-event-id", after);
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
async fn a_hundred_random_cuts_lose_double_and_reorder_nothing() {
    let mut random = fastrand::Rng::with_seed(SEED);
    let house = house::start(speaks(60, Duration::from_millis(1))).await;
    let (mut cuts, mut deliberations, mut events) = (0, 0, 0);
    while cuts < CUTS {
        deliberations += 1;
        let id = house.wire.ask(&json!({ "question": "Should we?" })).await;
        let mut checker = Checker::new(Mode::Reader);
        let parsed: DeliberationId = id.parse().unwrap();
        let mut last = Cursor::start(parsed);
        loop {
            let after = if last.seq == 0 {
                "0".to_owned()
            } else {
                last.to_string()
            };
            let most = random.usize(1..6_000);
            let (bytes, ended) = read(&house.wire, &id, &after, most).await;
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
