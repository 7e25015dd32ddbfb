//! A small axum server that answers as it is told, and keeps a ledger of what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use magi_client::{Client, Door, Options, Sending, Transport, TransportError};
use magi_event::sample::Entry;
use magi_event::{Cursor, sse};
use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// What the server was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Where it wants to go on: the header, or the action's field.
    pub(crate) fn after(&self) -> Option<Cursor> {
        let text = self
            .header("last-event-id")
            .or(self.body["after"].as_str())?;
        Some(text.parse().unwrap())
    }
}

/// A piece of an answer's body.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Bytes(Bytes),
    Wait(Duration),
    /// Nothing comes any more, and the connection stays open.
    Stall,
    /// The connection breaks.
    Break,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) parts: Vec<Part>,
}

impl Reply {
    pub(crate) fn stream(parts: Vec<Part>) -> Self {
        Reply {
            status: 200,
            headers: vec![("content-type", "text/event-stream".into())],
            parts,
        }
    }

    pub(crate) fn events(log: &[Entry]) -> Self {
        Reply::stream(vec![Part::Bytes(frames(log))])
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Reply {
            status,
            headers: vec![("content-type", "application/json".into())],
            parts: vec![Part::Bytes(body.to_string().into())],
        }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Reply {
            status,
            headers: Vec::new(),
            parts: Vec::new(),
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn then(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }

    fn response(self) -> Response {
        let parts = stream::iter(self.parts).filter_map(|part| async {
            match part {
                Part::Bytes(bytes) => Some(Ok(bytes)),
                Part::Wait(duration) => {
                    tokio::time::sleep(duration).await;
                    None
                }
                Part::Stall => std::future::pending().await,
                Part::Break => Some(Err(std::io::Error::other("broken on purpose"))),
            }
        });
        let mut response = Response::new(axum::body::Body::from_stream(parts));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap();
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        response
    }
}

/// Returns the frames of a log.
pub(crate) fn frames(log: &[Entry]) -> Bytes {
    let frames: Vec<Bytes> = log
        .iter()
        .map(|(cursor, event)| sse::frame(*cursor, &event.to_json()))
        .collect();
    frames.concat().into()
}

type Answer = Box<dyn FnMut(&Asked) -> Reply + Send>;

/// The server.
#[derive(Clone)]
pub(crate) struct Fake {
    answer: Arc<Mutex<Answer>>,
    ledger: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    pub(crate) fn new(answer: impl FnMut(&Asked) -> Reply + Send + 'static) -> Self {
        Fake {
            answer: Arc::new(Mutex::new(Box::new(answer))),
            ledger: Arc::default(),
        }
    }

    /// Answers with these, one after the other.
    pub(crate) fn of(replies: Vec<Reply>) -> Self {
        let mut replies = replies.into_iter();
        Fake::new(move |_| replies.next().expect("one request more than planned"))
    }

    pub(crate) fn ledger(&self) -> Vec<Asked> {
        self.ledger.lock().unwrap().clone()
    }

    fn router(&self) -> Router {
        async fn handle(State(fake): State<Fake>, request: axum::extract::Request) -> Response {
            let (head, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
            let asked = Asked {
                method: head.method,
                uri: head.uri,
                headers: head.headers,
                body: serde_json::from_slice(&body).unwrap_or(Value::Null),
            };
            fake.ledger.lock().unwrap().push(asked.clone());
            let reply = (fake.answer.lock().unwrap())(&asked);
            reply.response()
        }
        Router::new().fallback(handle).with_state(self.clone())
    }

    /// Returns a client that reaches the server in process, so that a paused clock holds for both.
    pub(crate) fn client(&self) -> Client {
        self.client_with(Options::default())
    }

    pub(crate) fn client_with(&self, options: Options) -> Client {
        let options = Options {
            transport: Some(Arc::new(InProcess(self.router()))),
            ..options
        };
        Client::with("http://magi.test", options).unwrap()
    }

    pub(crate) fn invocations(&self) -> Client {
        self.client_with(Options {
            door: Door::Invocations,
            ..Options::default()
        })
    }

    /// Serves on a loopback port until the guard is dropped.
    pub(crate) async fn listen(&self) -> (SocketAddr, DropGuard) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, router) = (CancellationToken::new(), self.router());
        let stopped = stop.clone();
        TaskTracker::new().spawn(async move {
            stopped
                .run_until_cancelled(async { axum::serve(listener, router).await })
                .await
        });
        (address, stop.drop_guard())
    }
}

/// Carries requests to a router in this process.
struct InProcess(Router);

impl Transport for InProcess {
    fn send(&self, request: Request<Bytes>) -> Sending {
        let router = self.0.clone();
        Box::pin(async move {
            let request = request.map(axum::body::Body::from);
            let Ok(response) = router.oneshot(request).await;
            Ok(response.map(|body| {
                let broken = |error: axum::Error| TransportError::new(error.to_string(), false);
                let body: magi_client::Body = Box::pin(body.into_data_stream().map_err(broken));
                body
            }))
        })
    }
}
