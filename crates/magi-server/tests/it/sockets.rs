//! The same events over a WebSocket, and the verbs up.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt, stream};
use magi_event::check::{Checker, Mode};
use magi_event::{Cursor, Event};
use magi_log::MemoryStore;
use magi_model::Chunk;
use magi_server::{Config, Token, Trust};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::house::{self, House};
use crate::model::{cast, never_ends, speaks};

pub(crate) struct Socket {
    inner: WebSocketStream<MaybeTlsStream<TcpStream>>,
    parts: String,
}

/// What came down.
#[derive(Debug)]
enum Down {
    Events(Vec<(Cursor, Event)>),
    Other(Value),
    Closed(CloseCode),
}

fn request(house: &House, path: &str) -> http::Request<()> {
    format!("ws://{}{path}", house.address)
        .into_client_request()
        .unwrap()
}

impl Socket {
    pub(crate) async fn open(house: &House, path: &str) -> Socket {
        let (inner, _) = connect_async(request(house, path)).await.unwrap();
        Socket {
            inner,
            parts: String::new(),
        }
    }

    pub(crate) async fn say(&mut self, message: Value) {
        self.inner
            .send(Message::Text(message.to_string().into()))
            .await
            .unwrap();
    }

    async fn next(&mut self) -> Down {
        loop {
            let text = match self.inner.next().await.unwrap().unwrap() {
                Message::Text(text) => text,
                Message::Close(frame) => return Down::Closed(frame.unwrap().code),
                _ => continue,
            };
            assert!(text.len() < 16 * 1024, "{}", text.len());
            let message: Value = serde_json::from_str(&text).unwrap();
            match message["type"].as_str().unwrap() {
                "events" => {
                    let items = message["events"].as_array().unwrap();
                    let events = items
                        .iter()
                        .map(|item| read(&item["id"], &item["event"].to_string()));
                    return Down::Events(events.collect());
                }
                "part" => {
                    self.parts.push_str(message["text"].as_str().unwrap());
                    if message["part"] == message["parts"] {
                        let json = std::mem::take(&mut self.parts);
                        return Down::Events(vec![read(&message["id"], &json)]);
                    }
                }
                _ => return Down::Other(message),
            }
        }
    }

    /// Reads to the answer with this mark.
    pub(crate) async fn answer(&mut self, mark: &Value) -> Value {
        loop {
            match self.next().await {
                Down::Other(other) if other["ref"] == *mark => return other,
                Down::Closed(code) => panic!("closed: {code:?}"),
                Down::Events(_) | Down::Other(_) => {}
            }
        }
    }

    /// Reads events until the last one; also returns what else came.
    pub(crate) async fn rest(&mut self) -> (Vec<(Cursor, Event)>, Vec<Value>) {
        let (mut all, mut others) = (Vec::new(), Vec::new());
        loop {
            match self.next().await {
                Down::Events(events) => all.extend(events),
                Down::Other(other) => others.push(other),
                Down::Closed(code) => panic!("closed: {code:?}"),
            }
            if all.last().is_some_and(|(_, event)| event.body.is_last()) {
                return (all, others);
            }
        }
    }
}

fn read(id: &Value, json: &str) -> (Cursor, Event) {
    let cursor = id.as_str().unwrap().parse().unwrap();
    (cursor, Event::from_json(json.as_bytes()).unwrap())
}

fn check(events: &[(Cursor, Event)]) {
    let mut checker = Checker::new(Mode::Reader);
    for (cursor, event) in events {
        checker.entry(*cursor, event).unwrap();
    }
    checker.finish(true).unwrap();
}

#[tokio::test]
async fn a_socket_asks_follows_and_resumes_by_cursor() {
    let house = house::start(speaks(30, Duration::from_millis(1))).await;
    let mut socket = Socket::open(&house, "/ws").await;
    socket
        .say(json!({ "action": "ask", "question": "Should we?", "ref": 7 }))
        .await;
    let Down::Other(answer) = socket.next().await else {
        panic!("the answer comes first")
    };
    assert_eq!(
        (&answer["type"], &answer["ref"]),
        (&json!("answer"), &json!(7))
    );
    let id = answer["data"]["id"].as_str().unwrap().to_owned();
    let (events, _) = socket.rest().await;
    check(&events);

    // One deliberation's own socket goes on after a cursor, and closes after the last event.
    let after = events[10].0;
    let path = format!("/v1/deliberations/{id}/ws?after={after}");
    let mut one = Socket::open(&house, &path).await;
    let (rest, _) = one.rest().await;
    assert_eq!(rest, events[11..]);
    assert!(matches!(one.next().await, Down::Closed(CloseCode::Normal)));

    // The same socket follows the next one.
    socket
        .say(json!({ "action": "events", "id": id, "after": after.to_string() }))
        .await;
    let (rest, _) = socket.rest().await;
    assert_eq!(rest, events[11..]);
    house.shut().await;
}

#[tokio::test]
async fn a_socket_stops_and_bad_messages_change_nothing() {
    let house = house::start(never_ends()).await;
    let id = house.wire.ask(&json!({ "question": "Should we?" })).await;
    let mut socket = Socket::open(&house, &format!("/v1/deliberations/{id}/ws")).await;
    let bad = [
        ("not JSON".to_owned(), "bad_json"),
        ("[]".to_owned(), "bad_request"),
        ("{}".to_owned(), "unsupported"),
        (
            json!({ "action": "ask", "question": "x" }).to_string(),
            "unsupported",
        ),
        (
            json!({ "action": "stop", "agent": "adam" }).to_string(),
            "bad_request",
        ),
        (json!({ "action": 5 }).to_string(), "bad_request"),
    ];
    for (text, _) in &bad {
        socket
            .inner
            .send(Message::Text(text.clone().into()))
            .await
            .unwrap();
    }
    socket.say(json!({ "action": "stop", "ref": "s" })).await;
    let (events, others) = socket.rest().await;
    check(&events);
    let codes: Vec<&str> = others
        .iter()
        .filter_map(|other| other["data"]["code"].as_str())
        .collect();
    let expected: Vec<&str> = bad.iter().map(|(_, code)| *code).collect();
    assert_eq!(codes, expected);
    let status = house.wire.get(&format!("/v1/deliberations/{id}")).await;
    assert_eq!(status.json()["status"], "cancelled");
    house.shut().await;
}

#[tokio::test]
async fn an_event_longer_than_a_message_comes_in_parts() {
    let long = "長い文章と\"引用\"。\n".repeat(4_000);
    let house = house::start(Arc::new(move |call| {
        let mut chunks = vec![Chunk::Accepted, Chunk::Text(long.clone())];
        chunks.extend(cast(&call));
        stream::iter(chunks.into_iter().map(Ok)).boxed()
    }))
    .await;
    let id = house.wire.ask(&json!({ "question": "Should we?" })).await;
    let mut socket = Socket::open(&house, &format!("/v1/deliberations/{id}/ws")).await;
    let (events, _) = socket.rest().await;
    check(&events);
    assert_eq!(events, house.wire.events(&id, "0").await.rest().await);
    house.shut().await;
}

#[tokio::test]
async fn a_message_that_is_too_long_closes_with_its_own_code_and_a_word() {
    let house = house::start(never_ends()).await;
    let mut socket = Socket::open(&house, "/ws").await;
    let fits = "x".repeat(1024 * 1024);
    socket.inner.send(Message::Text(fits.into())).await.unwrap();
    let Down::Other(answer) = socket.next().await else {
        panic!("it is read, and is no JSON")
    };
    assert_eq!(answer["data"]["code"], "bad_json");
    let over = "x".repeat(1024 * 1024 + 1);
    socket.inner.send(Message::Text(over.into())).await.unwrap();
    let Message::Close(Some(frame)) = socket.inner.next().await.unwrap().unwrap() else {
        panic!("it is closed")
    };
    assert_eq!(frame.code, CloseCode::Size);
    assert!(frame.reason.contains("1 MiB"), "{}", frame.reason);
    house.shut().await;
}

#[tokio::test]
async fn a_stopping_server_says_go_away() {
    let house = house::start(never_ends()).await;
    let id = house.wire.ask(&json!({ "question": "Should we?" })).await;
    let mut socket = Socket::open(&house, &format!("/v1/deliberations/{id}/ws")).await;
    assert!(matches!(socket.next().await, Down::Events(_)));
    house.stop.cancel();
    let code = loop {
        if let Down::Closed(code) = socket.next().await {
            break code;
        }
    };
    assert_eq!(code, CloseCode::Away);
    house.shut().await;
}

#[tokio::test]
async fn a_token_is_asked_for_at_the_handshake() {
    let mut config = Config::default();
    config.trust = Trust::Token(Token::new("correct-horse-battery").unwrap());
    let house = house::start_with(Arc::new(MemoryStore::new()), never_ends(), config).await;
    let Err(Error::Http(refused)) = connect_async(request(&house, "/ws")).await else {
        panic!("it must be refused")
    };
    assert_eq!(refused.status(), 401);
    let mut with_token = request(&house, "/ws");
    let protocols = "base64UrlBearerAuthorization.Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5, \
        base64UrlBearerAuthorization";
    with_token
        .headers_mut()
        .insert("sec-websocket-protocol", protocols.parse().unwrap());
    let (_, response) = connect_async(with_token).await.unwrap();
    assert_eq!(
        response.headers()["sec-websocket-protocol"],
        "base64UrlBearerAuthorization"
    );
    house.shut().await;
}
