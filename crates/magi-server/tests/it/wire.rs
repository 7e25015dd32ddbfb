//! The client's side of the tests: requests, and event streams read byte by byte.

use std::net::SocketAddr;

use magi_event::sse::{Decoder, Message};
use magi_event::{Cursor, Event};
use serde_json::Value;

/// Speaks to one server.
#[derive(Clone)]
pub(crate) struct Wire {
    base: String,
    http: reqwest::Client,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }
}

impl Wire {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Wire {
            base: format!("http://{address}"),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        self.http.request(method, format!("{}{path}", self.base))
    }

    pub(crate) async fn whole(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.whole(self.request("GET", path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.whole(self.posting(path, body)).await
    }

    pub(crate) fn posting(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        self.request("POST", path)
            .header("content-type", "application/json")
            .body(body.to_string())
    }

    /// Asks without a stream and returns the id.
    pub(crate) async fn ask(&self, body: &Value) -> String {
        let answer = self.post("/v1/deliberations", body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// Opens a stream.
    pub(crate) async fn stream(&self, request: reqwest::RequestBuilder) -> Stream {
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Stream::new(response)
    }

    /// Opens the stream of a deliberation after a cursor.
    pub(crate) async fn events(&self, id: &str, after: &str) -> Stream {
        let path = format!("/v1/deliberations/{id}/events?after={after}");
        self.stream(self.request("GET", &path)).await
    }
}

/// A stream of server-sent events as it comes in.
pub(crate) struct Stream {
    response: reqwest::Response,
    decoder: Decoder,
    ready: std::collections::VecDeque<Message>,
    /// All bytes so far.
    pub(crate) bytes: Vec<u8>,
}

impl Stream {
    fn new(response: reqwest::Response) -> Self {
        Stream {
            response,
            decoder: Decoder::new(1 << 22),
            ready: std::collections::VecDeque::new(),
            bytes: Vec::new(),
        }
    }

    /// Returns the next message, or `None` at the stream's end.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Some(message);
            }
            // A broken connection is an end as any other here.
            let bytes = self.response.chunk().await.ok().flatten()?;
            self.bytes.extend_from_slice(&bytes);
            let ready = &mut self.ready;
            self.decoder
                .push(&bytes, |message| ready.push_back(message))
                .unwrap();
        }
    }

    /// Returns the next event with its place.
    pub(crate) async fn event(&mut self) -> Option<(Cursor, Event)> {
        let message = self.next().await?;
        Some((cursor_of(&message), event_of(&message)))
    }

    /// Reads to the end.
    pub(crate) async fn rest(&mut self) -> Vec<(Cursor, Event)> {
        let mut events = Vec::new();
        while let Some(event) = self.event().await {
            events.push(event);
        }
        events
    }
}

pub(crate) fn cursor_of(message: &Message) -> Cursor {
    message.id.as_ref().expect("an id").parse().unwrap()
}

pub(crate) fn event_of(message: &Message) -> Event {
    Event::from_json(message.data.as_bytes())
        .unwrap_or_else(|error| panic!("{error}: {}", message.data))
}
