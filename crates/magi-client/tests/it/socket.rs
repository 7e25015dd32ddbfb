//! Questions, events and verbs over WebSockets, to a small server of its own over TCP.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use magi_client::{Client, Door, Error, Options, Question, Step};
use magi_event::Cursor;
use magi_event::sample::{self, Dice, Entry};
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::cuts::{hold, logs, read_all, rest};
use crate::fake::{Fake, Reply};

const SEED: u64 = 11;

/// A server of one log that breaks its sockets at random.
struct Town {
    seen: Vec<Entry>,
    stored: Vec<Entry>,
    dice: Mutex<Dice>,
    /// Every action that came up.
    said: Mutex<Vec<Value>>,
}

impl Town {
    fn roll(&self, sides: usize) -> usize {
        self.dice.lock().unwrap().roll(sides)
    }
}

/// Packs a few events into a message, or one event into parts.
fn packed(town: &Town, log: &[Entry]) -> Vec<String> {
    let mut messages = Vec::new();
    let mut left = log;
    while let Some((cursor, event)) = left.first() {
        let n = left.len().min(1 + town.roll(9));
        if n > 1 {
            let item = |(cursor, event): &Entry| {
                let event = String::from_utf8(event.to_json()).unwrap();
                format!(r#"{{"id":"{cursor}","event":{event}}}"#)
            };
            let items: Vec<String> = left[..n].iter().map(item).collect();
            messages.push(format!(
                r#"{{"type":"events","events":[{}]}}"#,
                items.join(",")
            ));
        } else {
            let json: Vec<char> = String::from_utf8(event.to_json())
                .unwrap()
                .chars()
                .collect();
            let pieces: Vec<String> = json
                .chunks(40)
                .map(|piece| piece.iter().collect())
                .collect();
            for (at, text) in pieces.iter().enumerate() {
                let (part, parts) = (at + 1, pieces.len());
                let part = json!({ "type": "part", "id": cursor, "part": part, "parts": parts, "text": text });
                messages.push(part.to_string());
            }
        }
        left = &left[n..];
    }
    messages
}

/// Sends a log and ends the socket well or badly, mostly before all of it is sent.
async fn tell(town: &Town, socket: &mut WebSocket, after: Option<Cursor>, cuts: bool) {
    let log = rest(
        &town.seen,
        &town.stored,
        after,
        &mut town.dice.lock().unwrap(),
    );
    let mut messages = packed(town, &log);
    if cuts && town.roll(12) > 0 {
        messages.truncate(town.roll(messages.len().min(20) + 1));
    }
    for text in messages {
        if town.roll(8) == 0 {
            let _ = socket.send(Message::Ping("are you there".into())).await;
        }
        let _ = socket.send(Message::Text(text.into())).await;
    }
    match town.roll(3) {
        0 => {}
        1 => {
            let frame = json!({ "type": "error", "error": "later", "data":
                { "status": 503, "code": "store_unavailable", "message": "later", "retry_after": 0.001 } });
            let _ = socket.send(Message::Text(frame.to_string().into())).await;
        }
        _ => {
            let frame = CloseFrame {
                code: 1013,
                reason: "again".into(),
            };
            let _ = socket.send(Message::Close(Some(frame))).await;
        }
    }
}

async fn follow(
    State(town): State<Arc<Town>>,
    Path(id): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    assert_eq!(id, town.seen[0].0.deliberation.to_string());
    if town.roll(9) == 0 {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let after = query.iter().find(|(name, _)| name == "after");
    let after = after.map(|(_, cursor)| cursor.parse().unwrap());
    upgrade.on_upgrade(async move |mut socket| tell(&town, &mut socket, after, true).await)
}

async fn open(State(town): State<Arc<Town>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async move |mut socket| {
        let Some(Ok(Message::Text(text))) = socket.recv().await else {
            return;
        };
        let said: Value = serde_json::from_str(&text).unwrap();
        town.said.lock().unwrap().push(said.clone());
        let id = town.seen[0].0.deliberation;
        let answer = match said["action"].as_str().unwrap() {
            "pause" => json!({ "type": "error", "error": "no", "ref": said["ref"], "data":
                { "status": 409, "code": "conflict", "message": "it is over" } }),
            "resume" => return,
            action => json!({ "type": "answer", "action": action, "ref": said["ref"], "data":
                { "id": id, "changed": action != "note" } }),
        };
        // Other things come down too, before what is waited for.
        let other = json!({ "type": "events", "events": [] });
        for message in [&other, &answer] {
            let text = message.to_string();
            let _ = socket.send(Message::Text(text.into())).await;
        }
        if said["action"] == "ask" {
            tell(&town, &mut socket, None, true).await;
        }
    })
}

async fn status(State(town): State<Arc<Town>>) -> String {
    let (cursor, _) = town.stored.last().unwrap();
    json!({ "status": "completed", "cursor": cursor }).to_string()
}

async fn listen(seed: u64) -> (Arc<Town>, Client, DropGuard) {
    let (seen, stored) = logs(seed);
    let town = Arc::new(Town {
        seen,
        stored,
        dice: Mutex::new(Dice::new(seed ^ 0x50c)),
        said: Mutex::default(),
    });
    let router = Router::new()
        .route("/ws", get(open))
        .route("/v1/deliberations/{id}/ws", get(follow))
        .route("/invocations", post(status))
        .with_state(Arc::clone(&town));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    TaskTracker::new().spawn(async move {
        stopped
            .run_until_cancelled(async { axum::serve(listener, router).await })
            .await
    });
    let client = client(&format!("http://{address}"), Duration::from_secs(20));
    (town, client, stop.drop_guard())
}

fn client(address: &str, silence: Duration) -> Client {
    let options = Options {
        door: Door::Socket,
        max_attempts: 1000,
        retry: Duration::from_millis(1),
        max_delay: Duration::from_millis(4),
        silence,
        ..Options::default()
    };
    Client::with(address, options).unwrap()
}

#[tokio::test]
async fn sockets_that_break_anywhere_lose_and_double_nothing() {
    let mut connections = 0;
    for seed in 0..10 {
        let (town, client, _serving) = listen(seed).await;
        let id = sample::id(seed);
        let reading = if seed % 2 == 0 {
            client.events(id, None)
        } else {
            client.ask(&Question::new("採用すべきか?"))
        };
        let tally = read_all(reading).await;
        hold(id, &tally.entries, &town.stored);
        connections += tally.connections;
    }
    assert!(
        connections > 40,
        "only {connections} connections: nothing was cut"
    );
}

#[tokio::test]
async fn who_has_the_last_event_is_told_that_it_is_over() {
    let (town, client, _serving) = listen(SEED).await;
    let last = town.stored.last().unwrap().0;
    let tally = read_all(client.events(sample::id(SEED), Some(last))).await;
    assert!(tally.entries.is_empty());
}

#[tokio::test]
async fn verbs_go_up_a_socket_and_their_answers_and_refusals_come_down() {
    let (town, client, _serving) = listen(SEED).await;
    let id = sample::id(SEED);
    let caspar = Some(magi_event::Sage::Caspar.into());
    let done = client.stop(id, caspar).await.unwrap();
    assert_eq!((done.id, done.changed), (id, true));
    let noted = client.note(id, None, "事実", Some("k")).await.unwrap();
    assert!(!noted.changed);
    let refused = client.pause(id).await.unwrap_err();
    assert!(matches!(refused, Error::Conflict(_)), "{refused}");
    // A socket that ends before the answer leaves it open whether anything was done.
    let cut = client.resume(id).await.unwrap_err();
    assert!(matches!(cut, Error::Unreachable(_)), "{cut}");
    assert!(cut.is_transient());
    let expected = [
        json!({ "action": "stop", "id": id, "agent": "caspar", "ref": 1 }),
        json!({ "action": "note", "id": id, "text": "事実", "idempotency_key": "k", "ref": 1 }),
        json!({ "action": "pause", "id": id, "ref": 1 }),
        json!({ "action": "resume", "id": id, "ref": 1 }),
    ];
    assert_eq!(*town.said.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_refused_handshake_is_the_refusal_and_a_wrong_one_is_no_websocket() {
    let problem = json!({ "detail": "no such deliberation", "code": "not_found", "status": 404 });
    let fake = Fake::new(move |asked| match asked.uri.path() {
        "/ws" => Reply::empty(101)
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-accept", "bm90IHRoZSBrZXkgeW91IHNlbnQ="),
        _ => Reply::json(404, &problem),
    });
    let (address, _serving) = fake.listen().await;
    let client = client(&format!("http://{address}"), Duration::from_secs(20));
    let id = sample::id(SEED);
    let step = async |mut reading: magi_client::Reading| {
        loop {
            match reading.next().await.unwrap() {
                Err(error) => return error,
                Ok(Step::State(_)) => {}
                Ok(step) => panic!("{step:?}"),
            }
        }
    };
    let gone = step(client.events(id, None)).await;
    assert!(matches!(gone, Error::NotFound(_)), "{gone}");
    let wrong = client.stop(id, None).await.unwrap_err();
    assert!(matches!(wrong, Error::Contract(_)), "{wrong}");
    let sent = &fake.ledger()[0];
    assert_eq!(sent.header("upgrade"), Some("websocket"));
    assert_eq!(sent.header("sec-websocket-version"), Some("13"));
    assert_eq!(sent.header("sec-websocket-key").map(str::len), Some(24));
}
