//! The Lambda runtime API of one instance: what a function's runtime polls and posts to.
//!
//! It is the protocol itself, spoken to by `lambda_runtime` and every other runtime unchanged:
//! `GET /2018-06-01/runtime/invocation/next`, `POST .../{id}/response`, `.../{id}/error`, `/runtime/init/error`.
//! Nothing of an answer is kept here: a response is read only as fast as its reader takes it, and once
//! the reader is gone it is read on and thrown away, as AWS does.
//!
//! Source: AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes" and "Building a
//! custom runtime" (response streaming: the trailers of a stream that failed).

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::held::Held;
use super::wire::{self, Answer, Front, Out, Step};
use crate::Error;

/// The read buffer of an instance's connection, in bytes: the most one read takes from the function.
const READ_BUFFER: usize = 8 << 10;

const PREFIX: &str = "/2018-06-01/runtime/";

/// What makes a streamed response an HTTP one, with a prelude before its body.
pub(crate) const INTEGRATION: &str = "application/vnd.awslambda.http-integration-response";

const INVOCATION_ID: &str = "lambda-runtime-invocation-id";
const ERROR_TYPE: &str = "lambda-runtime-function-error-type";
const ERROR_BODY: &str = "lambda-runtime-function-error-body";

/// How a response may leave: the limits of the front that invoked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    /// The largest streamed response, in bytes; the stream breaks off there.
    pub(crate) most: u64,
    /// Bytes that leave as fast as they come.
    pub(crate) burst: u64,
    /// Bytes per second after those; 0 is no limit.
    pub(crate) rate: u64,
    /// The largest whole response, in bytes.
    pub(crate) whole: usize,
}

/// What the function answered, or why it did not.
#[derive(Debug)]
pub(crate) enum Said {
    /// A response that comes as it is made; `true` if a prelude stands before its body.
    Stream(bool, mpsc::Receiver<Step>),
    /// A response in one piece.
    Whole(Bytes),
    /// No response.
    Failed(Failure),
}

/// Why an invocation has no whole response.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "why", content = "detail", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Failure {
    /// The function reported an error; its type and its body.
    Function(String, String),
    /// The function ended its stream with error trailers; the type and the body, decoded.
    Stream(String, String),
    /// The function's time was over.
    Timeout,
    /// The instance ended before the response did.
    Exit,
    /// The instance was not ready in time.
    InitTimeout,
    /// The instance reported that it cannot start, or ended before it was ready.
    Init(String),
    /// The response was larger than its front allows.
    TooLarge,
}

/// One invocation on its way to an instance.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) trace: String,
    pub(crate) arn: String,
    pub(crate) event: Bytes,
    pub(crate) flow: Flow,
    pub(crate) held: Held,
    /// Milliseconds since 1970 at which the time is over.
    pub(crate) deadline_ms: i64,
    /// Where the response goes.
    pub(crate) reply: oneshot::Sender<Said>,
    /// Told when the instance asks for the next one, which ends this one.
    pub(crate) done: oneshot::Sender<()>,
}

/// Where an instance stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It has not asked for an invocation yet.
    Starting,
    /// It waits for an invocation.
    Ready,
    /// It has one and has not begun to answer.
    Busy,
    /// It answers.
    Answering,
    /// It has answered and has not asked for the next yet.
    Answered,
}

/// What is known of the invocation an instance has.
#[derive(Debug, Default)]
pub(crate) struct Current {
    id: String,
    token: String,
    reply: Option<oneshot::Sender<Said>>,
    done: Option<oneshot::Sender<()>>,
    flow: Option<Flow>,
    held: Held,
    /// Bytes of the response's body that came.
    pub(crate) bytes: u64,
    /// Bytes that came after the client had left.
    pub(crate) unread: u64,
    pub(crate) failure: Option<Failure>,
}

/// The runtime API of one instance.
#[derive(Debug)]
pub(crate) struct Api {
    phase: watch::Sender<Phase>,
    waiting: Mutex<Option<Invocation>>,
    wake: Notify,
    current: Mutex<Current>,
    init_error: Mutex<Option<String>>,
    init_failed: CancellationToken,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Api {
    /// Listens on a free port of this machine until the instance is dead.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] if no port can be had.
    pub(crate) async fn start(
        socket_buffer: Option<u32>,
        dead: CancellationToken,
        tracker: &TaskTracker,
    ) -> Result<(Arc<Api>, SocketAddr), Error> {
        let api = Arc::new(Api {
            phase: watch::Sender::new(Phase::Starting),
            waiting: Mutex::new(None),
            wake: Notify::new(),
            current: Mutex::default(),
            init_error: Mutex::new(None),
            init_failed: CancellationToken::new(),
        });
        let buffers = (READ_BUFFER, socket_buffer);
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let addr = wire::listen(any, Arc::clone(&api), buffers, dead, tracker).await?;
        Ok((api, addr))
    }

    /// Returns the instance's phase, to wait on.
    pub(crate) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Waits until the instance says that it cannot start, and returns its words.
    pub(crate) async fn init_error(&self) -> String {
        self.init_failed.cancelled().await;
        lock(&self.init_error).clone().unwrap_or_default()
    }

    /// Hands an invocation to the instance, which waits for one.
    pub(crate) fn hand(&self, invocation: Invocation) {
        *lock(&self.waiting) = Some(invocation);
        self.wake.notify_one();
    }

    /// Takes back an invocation that the instance never took.
    pub(crate) fn take_back(&self) -> Option<Invocation> {
        lock(&self.waiting).take()
    }

    /// Ends the invocation of now without the function: its reader is told `failure`.
    pub(crate) fn fail(&self, failure: &Failure) {
        let mut current = lock(&self.current);
        if let Some(reply) = current.reply.take() {
            // The client may be gone; then nobody is told.
            let _ = reply.send(Said::Failed(failure.clone()));
        }
        current.failure.get_or_insert_with(|| failure.clone());
    }

    /// Takes what is known of the invocation that is over.
    pub(crate) fn over(&self) -> Current {
        std::mem::take(&mut *lock(&self.current))
    }

    async fn next(&self) -> Answer {
        if !matches!(
            *self.phase.borrow(),
            Phase::Starting | Phase::Ready | Phase::Answered
        ) {
            return forbidden();
        }
        self.phase.send_replace(Phase::Ready);
        let done = lock(&self.current).done.take();
        if let Some(done) = done {
            // Nobody waits for the end of an invocation whose time was over.
            let _ = done.send(());
        }
        let invocation = loop {
            let woken = self.wake.notified();
            let waiting = lock(&self.waiting).take();
            match waiting {
                Some(invocation) => break invocation,
                None => woken.await,
            }
        };
        self.phase.send_replace(Phase::Busy);
        let mut response = Response::new(Out::own(invocation.event));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let mut put = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        put("lambda-runtime-aws-request-id", &invocation.id);
        put(
            "lambda-runtime-deadline-ms",
            &invocation.deadline_ms.to_string(),
        );
        put("lambda-runtime-invoked-function-arn", &invocation.arn);
        put("lambda-runtime-trace-id", &invocation.trace);
        put(INVOCATION_ID, &invocation.token);
        *lock(&self.current) = Current {
            id: invocation.id,
            token: invocation.token,
            reply: Some(invocation.reply),
            done: Some(invocation.done),
            flow: Some(invocation.flow),
            held: invocation.held,
            ..Current::default()
        };
        response
    }

    /// Takes the invocation to answer, if `id` is the one the instance has and nothing was answered yet.
    fn begin(&self, id: &str, headers: &HeaderMap) -> Result<Begun, Box<Answer>> {
        let mut current = lock(&self.current);
        let echoed = headers.get(INVOCATION_ID);
        if current.id != id || echoed.is_some_and(|token| token != current.token.as_str()) {
            return Err(Box::new(refused(
                StatusCode::BAD_REQUEST,
                "InvalidRequestID",
                "Invalid request ID",
            )));
        }
        let (Some(reply), Some(flow)) = (current.reply.take(), current.flow) else {
            return Err(Box::new(forbidden()));
        };
        self.phase.send_replace(Phase::Answering);
        Ok(Begun {
            reply,
            flow,
            held: current.held.clone(),
        })
    }

    async fn response(&self, id: &str, request: Request<Incoming>) -> Answer {
        let begun = match self.begin(id, request.headers()) {
            Ok(begun) => begun,
            Err(refused) => return *refused,
        };
        let says = |name: &str, value: &str| {
            let said = request
                .headers()
                .get(name)
                .and_then(|said| said.to_str().ok());
            said.is_some_and(|said| said.eq_ignore_ascii_case(value))
        };
        let streams = says("lambda-runtime-function-response-mode", "streaming");
        let integration = says(CONTENT_TYPE.as_str(), INTEGRATION);
        let body = request.into_body();
        let ended = if streams {
            self.relay(body, begun, integration).await
        } else {
            self.whole(body, begun).await
        };
        if ended.is_ok() {
            self.phase.send_replace(Phase::Answered);
            return accepted();
        }
        let failure = ended.err();
        let too_large = failure == Some(Failure::TooLarge);
        lock(&self.current).failure = failure;
        self.phase.send_replace(Phase::Answered);
        if too_large {
            return refused(
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestEntityTooLarge",
                "Exceeded maximum allowed payload size.",
            );
        }
        accepted()
    }

    async fn whole(&self, body: Incoming, begun: Begun) -> Result<(), Failure> {
        let Some(bytes) = wire::read(body, begun.flow.whole).await else {
            let _ = begun.reply.send(Said::Failed(Failure::TooLarge));
            return Err(Failure::TooLarge);
        };
        lock(&self.current).bytes = bytes.len() as u64;
        let _ = begun.reply.send(Said::Whole(bytes));
        Ok(())
    }

    /// Moves a response to its reader piece by piece, and holds none while the reader does not take it.
    async fn relay(&self, mut body: Incoming, begun: Begun, prelude: bool) -> Result<(), Failure> {
        let (steps, reader) = mpsc::channel(1);
        // The client may be gone already: then everything is read and thrown away.
        let _ = begun.reply.send(Said::Stream(prelude, reader));
        let mut pace = Pace::new(begun.flow);
        let mut bytes = 0_u64;
        loop {
            // Room first, then the bytes: what cannot go on yet is not taken.
            let room = steps.reserve().await.ok();
            let data = match body.frame().await {
                None => {
                    if let Some(room) = room {
                        room.send(Step::End);
                    }
                    return Ok(());
                }
                Some(Err(_)) => return Err(Failure::Exit),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => data,
                    Err(frame) => match frame.into_trailers().ok().and_then(|t| failed(&t)) {
                        Some(failure) => return Err(failure),
                        None => continue,
                    },
                },
            };
            bytes += data.len() as u64;
            lock(&self.current).bytes = bytes;
            if bytes > begun.flow.most {
                drop(room);
                drop(steps);
                while body.frame().await.is_some_and(|frame| frame.is_ok()) {}
                return Err(Failure::TooLarge);
            }
            let piece = begun.held.piece(data);
            pace.wait(piece.bytes().len() as u64).await;
            match room {
                Some(room) => room.send(Step::Bytes(piece)),
                None => {
                    begun.held.waste(piece.bytes().len());
                    lock(&self.current).unread += piece.bytes().len() as u64;
                }
            }
        }
    }

    async fn error(&self, id: &str, request: Request<Incoming>) -> Answer {
        let begun = match self.begin(id, request.headers()) {
            Ok(begun) => begun,
            Err(refused) => return *refused,
        };
        let failure = told(request, begun.flow.whole).await;
        let _ = begun.reply.send(Said::Failed(failure.clone()));
        lock(&self.current).failure = Some(failure);
        self.phase.send_replace(Phase::Answered);
        accepted()
    }

    async fn cannot_start(&self, request: Request<Incoming>) -> Answer {
        if *self.phase.borrow() != Phase::Starting {
            return forbidden();
        }
        let body = wire::read(request.into_body(), 256 << 10)
            .await
            .unwrap_or_default();
        *lock(&self.init_error) = Some(String::from_utf8_lossy(&body).into_owned());
        self.init_failed.cancel();
        accepted()
    }
}

impl Front for Api {
    async fn answer(self: Arc<Self>, request: Request<Incoming>, _peer: SocketAddr) -> Answer {
        let path = request.uri().path().to_owned();
        let Some(path) = path.strip_prefix(PREFIX) else {
            return refused(
                StatusCode::NOT_FOUND,
                "NotFound",
                "no such route of the runtime API",
            );
        };
        let parts: Vec<&str> = path.split('/').collect();
        match (request.method(), parts.as_slice()) {
            (&Method::GET, ["invocation", "next"]) => self.next().await,
            (&Method::POST, ["invocation", id, "response"]) => self.response(id, request).await,
            (&Method::POST, ["invocation", id, "error"]) => self.error(id, request).await,
            (&Method::POST, ["init", "error"]) => self.cannot_start(request).await,
            _ => refused(
                StatusCode::NOT_FOUND,
                "NotFound",
                "no such route of the runtime API",
            ),
        }
    }
}

/// An invocation whose answer has begun.
struct Begun {
    reply: oneshot::Sender<Said>,
    flow: Flow,
    held: Held,
}

/// A burst, then a steady rate.
struct Pace {
    flow: Flow,
    sent: u64,
    since: Option<Instant>,
}

impl Pace {
    fn new(flow: Flow) -> Self {
        Pace {
            flow,
            sent: 0,
            since: None,
        }
    }

    async fn wait(&mut self, bytes: u64) {
        self.sent += bytes;
        let over = self.sent.saturating_sub(self.flow.burst);
        if over == 0 || self.flow.rate == 0 {
            return;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        let due = Duration::from_micros(over.saturating_mul(1_000_000) / self.flow.rate);
        tokio::time::sleep_until(since + due).await;
    }
}

/// Reads a function's own report of its failure.
async fn told(request: Request<Incoming>, limit: usize) -> Failure {
    let said = request.headers().get(ERROR_TYPE).cloned();
    let body = wire::read(request.into_body(), limit)
        .await
        .unwrap_or_default();
    let diagnostic: Value = serde_json::from_slice(&body).unwrap_or_default();
    let kind = match (diagnostic["errorType"].as_str(), &said) {
        (Some(kind), _) => kind.to_owned(),
        (None, Some(kind)) => kind.to_str().unwrap_or("Unhandled").to_owned(),
        (None, None) => "Unhandled".to_owned(),
    };
    Failure::Function(kind, String::from_utf8_lossy(&body).into_owned())
}

/// Reads the trailers of a stream that failed; others are none of ours.
fn failed(trailers: &HeaderMap) -> Option<Failure> {
    let kind = trailers.get(ERROR_TYPE)?.to_str().ok()?.to_owned();
    let body = trailers.get(ERROR_BODY).map(HeaderValue::as_bytes);
    let body = STANDARD
        .decode(body.unwrap_or_default())
        .unwrap_or_default();
    Some(Failure::Stream(
        kind,
        String::from_utf8_lossy(&body).into_owned(),
    ))
}

fn json(status: StatusCode, body: &Value) -> Answer {
    let mut response = Response::new(Out::own(body.to_string()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn accepted() -> Answer {
    json(StatusCode::ACCEPTED, &json!({"status": "OK"}))
}

fn refused(status: StatusCode, kind: &str, message: &str) -> Answer {
    json(status, &json!({"errorMessage": message, "errorType": kind}))
}

fn forbidden() -> Answer {
    refused(
        StatusCode::FORBIDDEN,
        "InvalidStateTransition",
        "the runtime is not where it may do this",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn after_the_burst_the_rate_holds() {
        let mut pace = Pace::new(Flow {
            most: 0,
            burst: 6_000,
            rate: 2_000,
            whole: 0,
        });
        let started = Instant::now();
        for _ in 0..6 {
            pace.wait(1_000).await;
        }
        assert_eq!(started.elapsed(), Duration::ZERO);
        for _ in 0..8 {
            pace.wait(1_000).await;
        }
        assert_eq!(started.elapsed().as_millis(), 4_000);
    }
}
