//! The same events over a WebSocket, and the verbs up.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::{SinkExt, StreamExt, stream};
use magi_event::check::{Checker, Mode};
use magi_event::{Cursor, Event};
use magi_log::MemoryStore;
use magi_model::Chunk;
use magi_server::{Config, Token, Trust};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
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

    /// Reads to the next message that holds no events.
    async fn other(&mut self) -> Value {
        loop {
            match self.next().await {
                Down::Events(_) => {}
                Down::Other(other) => return other,
                Down::Closed(code) => panic!("closed: {code:?}"),
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

    // The same socket was told the end, and follows the next one.
    let end = json!({ "type": "end", "id": id });
    assert_eq!(socket.other().await, end);
    socket
        .say(json!({ "action": "events", "id": id, "after": after.to_string() }))
        .await;
    let (rest, _) = socket.rest().await;
    assert_eq!(rest, events[11..]);
    assert_eq!(socket.other().await, end);
    // Who has the last event already is told that there is nothing more.
    let (last, _) = rest.last().unwrap();
    socket
        .say(json!({ "action": "events", "id": id, "after": last.to_string(), "ref": 8 }))
        .await;
    assert_eq!(socket.other().await["ref"], 8);
    assert_eq!(socket.other().await, end);
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
async fn a_message_that_is_too_long_is_refused_and_the_socket_goes_on() {
    let house = house::start(never_ends()).await;
    let id = house.wire.ask(&json!({ "question": "Should we?" })).await;
    let mut socket = Socket::open(&house, &format!("/v1/deliberations/{id}/ws")).await;
    let long = |length| "x".repeat(length);
    let refused = [
        (Message::Text(long(1024 * 1024).into()), "bad_json"),
        (Message::Text(long(1024 * 1024 + 1).into()), "too_large"),
        (
            Message::Binary(long(3 * 1024 * 1024).into_bytes().into()),
            "too_large",
        ),
        (
            Message::Binary(b"{\"action\":\"stop\"}".to_vec().into()),
            "bad_request",
        ),
    ];
    for (message, code) in refused {
        socket.inner.send(message).await.unwrap();
        let answer = socket.other().await;
        assert_eq!(answer["data"]["code"], code, "{answer}");
    }
    socket.say(json!({ "action": "stop", "ref": 1 })).await;
    let (events, _) = socket.rest().await;
    assert_eq!(events.last().unwrap().1.body.name(), "cancelled");
    house.shut().await;
}

/// Opens a socket whose bytes the test writes itself.
async fn raw(house: &House) -> (TcpStream, BytesMut) {
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    let head = format!(
        "GET /ws HTTP/1.1\r\nhost: {}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        house.address
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut bytes = BytesMut::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "{bytes:?}");
    }
    assert!(bytes.starts_with(b"HTTP/1.1 101"), "{bytes:?}");
    bytes.clear();
    (stream, bytes)
}

/// What somebody sends comes back in answers and errors; the frames stay small, which `Socket::next` asserts.
#[tokio::test]
async fn what_is_sent_at_length_comes_back_short() {
    let house = house::start(never_ends()).await;
    let mut socket = Socket::open(&house, "/ws").await;
    let long = "\u{1}".repeat(50_000);
    for (field, message) in [
        (
            "ref",
            json!({ "action": "ask", "question": "Should we?", "ref": long }),
        ),
        (
            "ref",
            json!({ "action": "ask", "question": "Should we?", "ref": [long] }),
        ),
        ("action", json!({ "action": long })),
        (
            "agent",
            json!({ "action": "ask", "question": "Should we?", "council": { "roles": { &long: {} } } }),
        ),
        (
            "preset",
            json!({ "action": "ask", "question": "Should we?", "preset": long }),
        ),
        (
            "lang",
            json!({ "action": "ask", "question": "Should we?", "lang": long }),
        ),
        ("id", json!({ "action": "events", "id": long })),
        (
            "after",
            json!({ "action": "events", "id": "01JD3ZK8M00000000000000000", "after": long }),
        ),
    ] {
        socket.say(message).await;
        let answer = socket.other().await;
        assert_eq!(answer["type"], "error", "{field}");
        assert!(answer["ref"].is_null(), "{field}");
    }
    // The same to one that runs.
    let mark = "m".repeat(126);
    socket
        .say(json!({ "action": "ask", "question": "Should we?", "ref": mark }))
        .await;
    assert_eq!(socket.answer(&json!(mark)).await["type"], "answer");
    for message in [
        json!({ "action": "stop", "agent": long, "ref": 1 }),
        json!({ "action": "retry", "agent": long, "ref": 1 }),
        json!({ "action": "note", "text": "So.", "agent": long, "ref": 1 }),
    ] {
        socket.say(message.clone()).await;
        assert_eq!(
            socket.answer(&json!(1)).await["type"],
            "error",
            "{}",
            message["action"]
        );
    }
    house.shut().await;
}

/// What a broken client's connection ends with: a close frame with a code and a word.
#[tokio::test]
async fn what_is_no_websocket_is_closed_with_the_code_that_says_so() {
    let house = house::start(never_ends()).await;
    let mask = [0_u8; 4];
    let frame = |first: u8, payload: &[u8]| {
        let mut frame = vec![first, 0x80 | u8::try_from(payload.len()).unwrap()];
        frame.extend_from_slice(&mask);
        frame.extend_from_slice(payload);
        frame
    };
    // The head of a text of 5 MiB.
    let mut giant = vec![0x81, 0xff];
    giant.extend_from_slice(&(5_u64 << 20).to_be_bytes());
    giant.extend_from_slice(&mask);
    for (sent, code, word) in [
        (giant, 1009_u16, "1 MiB"),
        (frame(0x81, &[0xff, 0xfe]), 1007, "UTF-8"),
        (frame(0x83, b"?"), 1002, "no WebSocket"),
        (b"\x81\x02{}".to_vec(), 1002, "no WebSocket"),
        // A close is answered with the same code.
        (frame(0x88, &1000_u16.to_be_bytes()), 1000, ""),
    ] {
        let (mut stream, mut bytes) = raw(&house).await;
        stream.write_all(&sent).await.unwrap();
        while stream.read_buf(&mut bytes).await.unwrap_or_default() > 0 {}
        assert_eq!(bytes.first(), Some(&0x88), "{code}: {bytes:?}");
        assert_eq!(bytes[2..4], code.to_be_bytes(), "{bytes:?}");
        let told = String::from_utf8_lossy(&bytes[4..]);
        assert!(told.contains(word), "{code}: {told}");
    }
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
