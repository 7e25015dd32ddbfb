//! From the data plane to a container and back: one connection per request, pulled as fast as the caller reads.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::agentcore::RuntimeConfig;
use super::agentcore_session::Lease;
use super::held::Held;
use super::sigv4::Refusal;
use super::wire::{Answer, Out, Step, narrow};

/// The read buffer towards a container, in bytes: with the front's own it stays under what a relay may hold.
const BUFFER: usize = 8 << 10;

/// The largest answer to a ping, in bytes.
const PING_LIMIT: usize = 64 << 10;

/// How long a container may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// What a container's answer may tell the caller beside its body; the rest is taken away.
///
/// Source: Amazon Bedrock AgentCore API Reference, `InvokeAgentRuntime`, response syntax.
const ANSWERED: [&str; 6] = [
    "content-type",
    "traceparent",
    "tracestate",
    "baggage",
    "mcp-session-id",
    "mcp-protocol-version",
];

/// What the relays of a data plane did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Relayed {
    /// Requests turned away because their session was starting or ending.
    pub conflicts: u64,
    /// Requests sent to containers.
    pub requests: u64,
    /// Bodies read to the container's own end, whether the caller was still there or not.
    pub whole: u64,
    /// Callers that left before it; their containers were not told.
    pub left: u64,
    /// Bytes of containers that nobody was there to read.
    pub drained: u64,
    /// Answers of containers with a status of their own that became a 424.
    pub failed: u64,
    /// Requests and streams that ran into their time limit.
    pub timed_out: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) conflicts: AtomicU64,
    requests: AtomicU64,
    whole: AtomicU64,
    left: AtomicU64,
    drained: AtomicU64,
    failed: AtomicU64,
    timed_out: AtomicU64,
}

impl Counts {
    pub(crate) fn read(&self) -> Relayed {
        let read = |count: &AtomicU64| count.load(Ordering::Acquire);
        Relayed {
            conflicts: read(&self.conflicts),
            requests: read(&self.requests),
            whole: read(&self.whole),
            left: read(&self.left),
            drained: read(&self.drained),
            failed: read(&self.failed),
            timed_out: read(&self.timed_out),
        }
    }
}

/// A request on its way to a container.
pub(crate) struct Relay {
    pub(crate) runtime: Arc<RuntimeConfig>,
    pub(crate) lease: Lease,
    pub(crate) request: Request<Full<Bytes>>,
    pub(crate) held: Held,
    pub(crate) counts: Arc<Counts>,
    pub(crate) tracker: TaskTracker,
    /// Called after each change of the counts.
    pub(crate) changed: Box<dyn Fn() + Send + Sync>,
}

impl Relay {
    /// Sends the request, gives the answer's head as soon as it is there and relays its body to its end.
    ///
    /// The caller may leave at any time: the container is not told, and is read to its own end.
    pub(crate) async fn run(mut self, answer: oneshot::Sender<Result<Answer, Refusal>>) {
        let deadline = Instant::now() + self.runtime.request_limit;
        let outcome = self.head(deadline).await;
        let (response, gives, takes) = match outcome {
            Err(refusal) => {
                let _ = answer.send(Err(refusal));
                return;
            }
            Ok(response) => {
                let (gives, takes) = mpsc::channel(1);
                (response, gives, takes)
            }
        };
        let is_stream = response
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        let deadline = if is_stream {
            deadline - self.runtime.request_limit + self.runtime.stream_limit
        } else {
            deadline
        };
        let (head, body) = response.into_parts();
        let mut passed = Response::new(Out::Relay(takes, None));
        *passed.status_mut() = head.status;
        for name in ANSWERED {
            for value in head.headers.get_all(name) {
                passed.headers_mut().append(name, value.clone());
            }
        }
        // If the caller has left, this drops the receiving end, which the pump takes for what it is.
        let _ = answer.send(Ok(passed));
        self.pump(body, gives, deadline).await;
    }

    async fn head(&mut self, deadline: Instant) -> Result<Response<Incoming>, Refusal> {
        let failed = |words: &str| runtime_error(words);
        let Some(address) = self.lease.ready().await else {
            return Err(failed(
                "An error occurred when starting the runtime. Please check your CloudWatch logs for more information.",
            ));
        };
        self.count(|counts| &counts.requests, 1);
        let request = std::mem::take(&mut self.request);
        let gone = self.lease.session().gone().clone();
        let response = tokio::select! {
            response = send(address, self.runtime.socket_buffer, request, &self.tracker) => response,
            () = gone.cancelled() => Err(io::ErrorKind::ConnectionReset.into()),
            () = tokio::time::sleep_until(deadline) => {
                self.count(|counts| &counts.timed_out, 1);
                return Err(Refusal::new(
                    StatusCode::GATEWAY_TIMEOUT,
                    "GatewayTimeoutException",
                    "The runtime did not answer in time.",
                ));
            }
        };
        let response = response.map_err(|_| {
            failed("The runtime closed the connection. Please check your CloudWatch logs for more information.")
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        self.count(|counts| &counts.failed, 1);
        Err(runtime_error(&format!(
            "Received error ({}) from runtime. Please check your CloudWatch logs for more information.",
            status.as_u16()
        )))
    }

    async fn pump(self, mut body: Incoming, gives: mpsc::Sender<Step>, deadline: Instant) {
        let gone = self.lease.session().gone().clone();
        let mut is_there = true;
        loop {
            let frame = tokio::select! {
                frame = body.frame() => frame,
                () = gives.closed(), if is_there => {
                    is_there = false;
                    self.count(|counts| &counts.left, 1);
                    continue;
                }
                () = gone.cancelled() => return,
                () = tokio::time::sleep_until(deadline) => {
                    self.count(|counts| &counts.timed_out, 1);
                    return;
                }
            };
            let bytes = match frame {
                None => break,
                // Broken off: the caller's connection breaks off as well.
                Some(Err(_)) => return,
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => bytes,
                    Err(_) => continue,
                },
            };
            self.lease.session().touch();
            let length = bytes.len() as u64;
            if is_there {
                let step = Step::Bytes(self.held.piece(bytes));
                let sent = tokio::select! {
                    sent = gives.send(step) => sent,
                    () = gone.cancelled() => return,
                    () = tokio::time::sleep_until(deadline) => {
                        self.count(|counts| &counts.timed_out, 1);
                        return;
                    }
                };
                if sent.is_ok() {
                    continue;
                }
                is_there = false;
                self.count(|counts| &counts.left, 1);
            }
            self.count(|counts| &counts.drained, length);
        }
        self.count(|counts| &counts.whole, 1);
        let _ = gives.send(Step::End).await;
    }

    fn count(&self, which: impl FnOnce(&Counts) -> &AtomicU64, by: u64) {
        which(&self.counts).fetch_add(by, Ordering::AcqRel);
        (self.changed)();
    }
}

/// What a caller gets when the container failed; the container's own words stay in its logs.
pub(crate) fn runtime_error(words: &str) -> Refusal {
    Refusal::new(StatusCode::FAILED_DEPENDENCY, "RuntimeClientError", words)
}

/// Opens a connection to a container and sends a request; the connection lives on the tracker, or with
/// the answer.
pub(crate) async fn send(
    address: SocketAddr,
    socket_buffer: Option<u32>,
    mut request: Request<Full<Bytes>>,
    tracker: &TaskTracker,
) -> io::Result<Response<Incoming>> {
    let stream = tokio::time::timeout(CONNECT, connect(address, socket_buffer)).await??;
    stream.set_nodelay(true)?;
    if let Ok(host) = HeaderValue::from_str(&address.to_string()) {
        request.headers_mut().insert(HOST, host);
    }
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(BUFFER)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    tracker.spawn(async move {
        // Its failure is the body's or the answer's as well.
        let _ = connection.with_upgrades().await;
    });
    sender.send_request(request).await.map_err(io::Error::other)
}

async fn connect(address: SocketAddr, buffer: Option<u32>) -> io::Result<TcpStream> {
    let Some(buffer) = buffer else {
        return TcpStream::connect(address).await;
    };
    let socket = TcpSocket::new_v4()?;
    narrow(&socket, buffer)?;
    socket.connect(address).await
}

/// Reads a small answer whole.
pub(crate) async fn get(address: SocketAddr, path: &str) -> io::Result<(StatusCode, Bytes)> {
    let stream = tokio::time::timeout(CONNECT, TcpStream::connect(address)).await??;
    let request = Request::builder()
        .uri(path)
        .header(HOST, address.to_string())
        .body(Full::new(Bytes::new()))
        .map_err(io::Error::other)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let answer = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(io::Error::other)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), PING_LIMIT)
            .collect()
            .await
            .map_err(io::Error::other)?;
        Ok((status, body.to_bytes()))
    };
    tokio::pin!(answer);
    tokio::pin!(connection);
    let mut is_open = true;
    loop {
        tokio::select! {
            answer = &mut answer => return answer,
            _ = &mut connection, if is_open => is_open = false,
        }
    }
}

/// Takes over the headers that a container may see.
pub(crate) fn take_over(from: &HeaderMap, to: &mut HeaderMap, name: &str) {
    let Ok(name) = http::HeaderName::from_bytes(name.as_bytes()) else {
        return;
    };
    for value in from.get_all(&name) {
        to.append(name.clone(), value.clone());
    }
}
