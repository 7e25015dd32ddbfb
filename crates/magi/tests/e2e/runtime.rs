//! A stand-in for AgentCore's data plane that answers as a script says and remembers what it was asked.
//!
//! The emulator's own front is true to AWS; this one says what AWS says only now and then.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::net::TcpSocket;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

/// The runtime that every function here calls.
pub(crate) const ARN: &str =
    "arn:aws:bedrock-agentcore:us-east-1:123456789012:runtime/magi-AbC123xyz0";

/// What a call is answered with.
pub(crate) enum Reply {
    /// AWS's refusal.
    Refuses(u16, &'static str),
    /// These bytes of this type, and a normal end.
    Says(&'static str, Bytes),
    /// A stream of what the test sends; `Err` cuts the connection.
    Streams(mpsc::Receiver<Result<Bytes, std::io::Error>>),
    /// Nothing at all.
    Silence,
    /// Bytes without end, counted as they leave.
    Floods(tokio::sync::watch::Sender<u64>),
}

/// What a call was.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

#[derive(Clone, Default)]
pub(crate) struct Runtime(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    replies: VecDeque<Reply>,
    calls: Vec<Call>,
    url: String,
}

impl Runtime {
    /// Starts it; it ends with the test's runtime.
    pub(crate) async fn start() -> Runtime {
        let socket = TcpSocket::new_v4().unwrap();
        // What the system keeps must not hide what a relay holds.
        socket.set_send_buffer_size(16 * 1024).unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let listener = socket.listen(64).unwrap();
        let runtime = Runtime::default();
        runtime.0.lock().unwrap().url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(answer).with_state(runtime.clone());
        TaskTracker::new().spawn(async move { axum::serve(listener, app).await });
        runtime
    }

    pub(crate) fn url(&self) -> String {
        self.0.lock().unwrap().url.clone()
    }

    pub(crate) fn will(&self, reply: Reply) {
        self.0.lock().unwrap().replies.push_back(reply);
    }

    /// Returns the calls since the last time.
    pub(crate) fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.0.lock().unwrap().calls)
    }
}

async fn answer(State(runtime): State<Runtime>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 8 << 20).await.unwrap();
    let reply = {
        let mut inner = runtime.0.lock().unwrap();
        inner.calls.push(Call {
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers,
            body,
        });
        inner
            .replies
            .pop_front()
            .expect("a call that nobody expected")
    };
    let response = Response::builder();
    match reply {
        Reply::Refuses(status, name) => response
            .status(status)
            .header("x-amzn-errortype", name)
            .header("content-type", "application/json")
            .body(Body::from(
                r#"{"message":"role arn:aws:iam::123456789012:role/secret may not"}"#,
            )),
        Reply::Says(kind, bytes) => response
            .header("content-type", kind)
            .body(Body::from(bytes)),
        Reply::Streams(bytes) => {
            let bytes = stream::unfold(bytes, |mut bytes| async move {
                Some((bytes.recv().await?, bytes))
            });
            response
                .header("content-type", "text/event-stream")
                .body(Body::from_stream(bytes))
        }
        Reply::Silence => std::future::pending().await,
        Reply::Floods(sent) => {
            let frame = Bytes::from(format!("data: {}\n\n", "x".repeat(1000)));
            let frames = stream::repeat(frame).map(move |frame| {
                sent.send_modify(|sent| *sent += frame.len() as u64);
                Ok::<_, std::io::Error>(frame)
            });
            response
                .header("content-type", "text/event-stream")
                .body(Body::from_stream(frames))
        }
    }
    .unwrap()
}
