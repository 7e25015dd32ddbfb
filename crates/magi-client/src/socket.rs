//! Questions, events and verbs over WebSockets: the same events and the same answers, otherwise wrapped.

use std::borrow::Cow;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, Method, Response, header};
use magi_event::sse;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use crate::call::{Call, Server};
use crate::{Body, Error, Pipe, Problem, TransportError, Upgrade};

/// What is allocated for reading at once, in bytes: one message fits.
const READ_BUFFER: usize = 16 << 10;

/// The mark of the one message that a socket of ours sends.
const MARK: u64 = 1;

/// A WebSocket to the server. Dropping it closes the connection.
pub(crate) struct Socket {
    inner: WebSocketStream<Box<dyn Pipe>>,
    /// The beginning of an event that comes in parts.
    begun: String,
    limit: usize,
}

/// What came of asking for a WebSocket.
pub(crate) enum Opened {
    Socket(HeaderMap, Box<Socket>),
    Refused(Response<Body>),
}

/// A message from the server, as far as it brings events.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    events: Vec<Item<'a>>,
    #[serde(default, borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(default)]
    part: u64,
    #[serde(default)]
    parts: u64,
    #[serde(default, borrow)]
    text: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    event: &'a RawValue,
}

impl Socket {
    /// Asks for a WebSocket.
    ///
    /// Source: RFC 6455, section 4.1.
    pub(crate) async fn open(server: &Server, call: Call) -> Result<Opened, Error> {
        let random = &server.options.entropy;
        let mut key = [0; 16];
        key[..8].copy_from_slice(&random().to_be_bytes());
        key[8..].copy_from_slice(&random().to_be_bytes());
        let key = BASE64_STANDARD.encode(key);
        let (head, upgrade) = server.upgrade(call, &key).await?.into_parts();
        let pipe = match upgrade {
            Upgrade::Switched(pipe) => pipe,
            Upgrade::Refused(body) => return Ok(Opened::Refused(Response::from_parts(head, body))),
        };
        let accept = head.headers.get(header::SEC_WEBSOCKET_ACCEPT);
        if accept.is_none_or(|accept| *accept != derive_accept_key(key.as_bytes())) {
            return Err(Error::Contract(
                "what it switched to is no WebSocket".into(),
            ));
        }
        let limit = server.options.max_event_bytes;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .max_message_size(Some(limit))
            .max_frame_size(Some(limit));
        let inner = WebSocketStream::from_raw_socket(pipe, Role::Client, Some(config)).await;
        let begun = String::new();
        let socket = Box::new(Socket {
            inner,
            begun,
            limit,
        });
        Ok(Opened::Socket(head.headers, socket))
    }

    /// Sends an action.
    pub(crate) async fn say(
        &mut self,
        action: &str,
        mut fields: Map<String, Value>,
    ) -> Result<(), Error> {
        fields.insert("action".into(), action.into());
        fields.insert("ref".into(), MARK.into());
        let text = Value::Object(fields).to_string();
        self.inner.send(Message::text(text)).await.map_err(broken)
    }

    /// Returns the next message, empty for what is none of ours, `None` once the server closed.
    async fn message(&mut self, silence: Duration) -> Result<Option<String>, Error> {
        let Ok(message) = tokio::time::timeout(silence, self.inner.next()).await else {
            return Err(Error::Silent(silence));
        };
        match message {
            None | Some(Ok(Message::Close(_))) => Ok(None),
            Some(Ok(Message::Text(text))) => Ok(Some(text.as_str().to_owned())),
            // The library answers pings by itself.
            Some(Ok(_)) => Ok(Some(String::new())),
            Some(Err(error)) => Err(broken(error)),
        }
    }

    /// Returns what the next message brings, in the form in which a stream brings it; `None` once
    /// the server closed.
    pub(crate) async fn next(
        &mut self,
        silence: Duration,
    ) -> Result<Option<Vec<sse::Message>>, Error> {
        match self.message(silence).await? {
            None => Ok(None),
            Some(text) if text.is_empty() => Ok(Some(Vec::new())),
            Some(text) => self.read(&text).map(Some),
        }
    }

    fn read(&mut self, text: &str) -> Result<Vec<sse::Message>, Error> {
        let wrong =
            |error| Error::Contract(format!("a message of the socket does not read: {error}"));
        let frame: Frame = serde_json::from_str(text).map_err(wrong)?;
        let message = |id: Option<Cow<str>>, data: String| sse::Message {
            id: id.map(Cow::into_owned),
            event: None,
            data,
        };
        match &*frame.kind {
            "events" => {
                let items = frame.events.into_iter();
                let items = items.map(|item| message(Some(item.id), item.event.get().to_owned()));
                Ok(items.collect())
            }
            "part" => {
                if frame.part <= 1 {
                    self.begun.clear();
                }
                self.begun.push_str(&frame.text);
                if self.begun.len() > self.limit {
                    return Err(sse::TooLong { limit: self.limit }.into());
                }
                if frame.part < frame.parts {
                    return Ok(Vec::new());
                }
                Ok(vec![message(frame.id, std::mem::take(&mut self.begun))])
            }
            // What a question was answered is in the events that follow.
            "answer" => Ok(Vec::new()),
            _ => Ok(vec![message(None, text.to_owned())]),
        }
    }
}

/// Sends one action over a socket of its own, and returns what it was answered.
pub(crate) async fn act(
    server: &Server,
    action: &str,
    fields: Map<String, Value>,
) -> Result<Map<String, Value>, Error> {
    let mut socket = match Socket::open(server, Call::new(Method::GET, &["ws"])).await? {
        Opened::Socket(_, socket) => socket,
        Opened::Refused(answer) => {
            let (head, body) = answer.into_parts();
            let bytes = server.collect(body).await?;
            return Err(Problem::of_answer(head.status, &head.headers, &bytes).into());
        }
    };
    socket.say(action, fields).await?;
    loop {
        let Some(text) = socket.message(server.options.answer_timeout).await? else {
            let cut = TransportError::new("the socket was closed before the answer", false);
            return Err(Error::Unreachable(cut));
        };
        let Ok(Value::Object(mut frame)) = serde_json::from_str(&text) else {
            continue;
        };
        if let Some(problem) = Problem::of_door_frame(&frame) {
            return Err(problem.into());
        }
        if frame.get("ref") == Some(&MARK.into())
            && let Some(Value::Object(data)) = frame.remove("data")
        {
            // Only a courtesy: the answer is there.
            let _ = socket.inner.close(None).await;
            return Ok(data);
        }
    }
}

fn broken(error: SocketError) -> Error {
    match error {
        SocketError::Capacity(error) => Error::Contract(error.to_string()),
        error => Error::Unreachable(TransportError::new(error.to_string(), false)),
    }
}
