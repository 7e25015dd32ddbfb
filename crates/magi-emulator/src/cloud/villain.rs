//! The villain: a hosting's server-side route that buffers whole answers and gives up after 30 seconds.
//!
//! It is what MAGI was made to get past: the page asks its own origin, the hosting's compute calls the
//! runtime with a role of its own, waits for the whole answer, and sends it in one piece, or 504.
//!
//! Source: Amplify Hosting's compute (aws-amplify/amplify-hosting issues 3223 and 3592: no streaming, 30 s).

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::account::Account;
use super::held::Held;
use super::sign::{Keys, escaped, sign};
use super::wire::{self, Answer, Out};

/// The largest request and the largest answer it takes, in bytes.
const REQUEST: usize = 8 << 20;
const ANSWER: u64 = 64 << 20;

/// The pauses before a request is sent once more because its session was just starting (409), as an SDK
/// behind such a route does.
const RETRIES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(1)];

/// What it passes on of a request; the rest stays with the hosting.
const PASSED: [&str; 5] = [
    "content-type",
    "accept",
    "traceparent",
    "last-event-id",
    "x-amzn-bedrock-agentcore-runtime-session-id",
];

/// What stands behind the villain.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Upstream {
    /// A server: `/api/PATH` becomes `BASE/PATH`.
    Server {
        /// `http://HOST:PORT`, with a path or without.
        base: String,
    },
    /// A runtime of AgentCore, called with the compute's own keys: `POST /api/invocations` invokes it.
    Runtime {
        /// The data plane's `http://HOST:PORT`.
        base: String,
        /// The runtime's ARN.
        arn: String,
        /// The account whose user `hosting-compute` calls it; the user is added when the villain starts.
        account: Account,
    },
}

/// The villain's settings.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Villain {
    /// What it stands in front of.
    pub upstream: Upstream,
    /// After so long without the whole answer it gives up.
    pub limit: Duration,
}

impl Villain {
    /// A villain that gives up after 30 s.
    #[must_use]
    pub fn new(upstream: Upstream) -> Self {
        Villain {
            upstream,
            limit: Duration::from_secs(30),
        }
    }
}

const KEY: &str = "AKIDHOSTINGCOMPUTE";
const SECRET: &str = "hosting-compute-secret";

/// A villain at work behind a hosting's front.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) villain: Villain,
    pub(crate) held: Held,
    pub(crate) stop: CancellationToken,
    pub(crate) tracker: TaskTracker,
}

/// Why there is no answer.
enum Broken {
    NotFound,
    TooLarge,
    Upstream,
}

impl Route {
    pub(crate) fn new(villain: Villain, stop: CancellationToken, tracker: TaskTracker) -> Self {
        if let Upstream::Runtime { account, .. } = &villain.upstream {
            let allows = ["bedrock-agentcore:InvokeAgentRuntime"];
            account.add_user("hosting-compute", KEY, SECRET, &allows);
        }
        Route {
            villain,
            held: Held::new(),
            stop,
            tracker,
        }
    }

    /// Answers `/api/PATH`, in one piece.
    pub(crate) async fn answer(&self, path: &str, request: Request<Incoming>) -> Answer {
        let limit = self.villain.limit;
        match tokio::time::timeout(limit, self.whole(path, request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(Broken::NotFound)) => page(StatusCode::NOT_FOUND, "404 Not Found"),
            Ok(Err(Broken::TooLarge)) => {
                page(StatusCode::PAYLOAD_TOO_LARGE, "413 Content Too Large")
            }
            Ok(Err(Broken::Upstream)) => page(StatusCode::BAD_GATEWAY, "502 Bad Gateway"),
            Err(_) => page(StatusCode::GATEWAY_TIMEOUT, "504 Gateway Timeout"),
        }
    }

    async fn whole(&self, path: &str, request: Request<Incoming>) -> Result<Answer, Broken> {
        let (parts, body) = request.into_parts();
        let body = wire::read(body, REQUEST).await.ok_or(Broken::TooLarge)?;
        let query = parts
            .uri
            .query()
            .map_or_else(String::new, |query| format!("?{query}"));
        let (base, target) = match &self.villain.upstream {
            Upstream::Server { base } => (base, format!("{path}{query}")),
            Upstream::Runtime { base, arn, .. } if path == "/invocations" => (
                base,
                format!("/runtimes/{}/invocations?qualifier=DEFAULT", escaped(arn)),
            ),
            Upstream::Runtime { .. } => return Err(Broken::NotFound),
        };
        let rest = base.trim_end_matches('/').trim_start_matches("http://");
        let (host, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let mut asked = Request::builder()
            .method(parts.method.clone())
            .uri(format!("{prefix}{target}"))
            .header(HOST, host);
        for name in PASSED {
            if let Some(value) = parts.headers.get(name) {
                asked = asked.header(name, value);
            }
        }
        let asked = asked
            .body(Full::new(body.clone()))
            .map_err(|_| Broken::Upstream)?;
        for pause in RETRIES {
            let answer = self.call(host, asked.clone(), &body).await?;
            if answer.status() != StatusCode::CONFLICT {
                return Ok(answer);
            }
            tokio::time::sleep(pause).await;
        }
        self.call(host, asked, &body).await
    }

    async fn call(
        &self,
        host: &str,
        mut asked: Request<Full<Bytes>>,
        body: &Bytes,
    ) -> Result<Answer, Broken> {
        if let Upstream::Runtime { account, .. } = &self.villain.upstream {
            let keys = Keys {
                id: KEY,
                secret: SECRET,
                service: "bedrock-agentcore",
            };
            sign(&mut asked, body, &keys, account);
        }
        self.collect(host, asked).await
    }

    /// Sends the request and collects the whole answer; this is the villainy.
    async fn collect(&self, host: &str, asked: Request<Full<Bytes>>) -> Result<Answer, Broken> {
        let stream = TcpStream::connect(host)
            .await
            .map_err(|_| Broken::Upstream)?;
        let _ = stream.set_nodelay(true);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|_| Broken::Upstream)?;
        let stop = self.stop.clone();
        self.tracker.spawn(async move {
            tokio::select! {
                // What went wrong is told to the request as well.
                _ = connection => {}
                () = stop.cancelled() => {}
            }
        });
        let answer = sender
            .send_request(asked)
            .await
            .map_err(|_| Broken::Upstream)?;
        let (parts, mut body) = answer.into_parts();
        let mut pieces = VecDeque::new();
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame.map_err(|_| Broken::Upstream)?.into_data() {
                length += data.len() as u64;
                if length > ANSWER {
                    return Err(Broken::Upstream);
                }
                pieces.push_back(self.held.piece(data));
            }
        }
        let mut answer = Response::new(Out::Pieces(pieces));
        *answer.status_mut() = parts.status;
        *answer.headers_mut() = kept(parts.headers);
        Ok(answer)
    }
}

/// An answer's headers without those of its connection.
fn kept(mut headers: HeaderMap) -> HeaderMap {
    for name in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    headers
}

/// A page of the hosting's own, as its CDN writes them.
fn page(status: StatusCode, title: &str) -> Answer {
    let text = format!(
        "<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1>\
         <p>The hosting's compute did not give a whole answer.</p></body></html>\n"
    );
    let mut answer = Response::new(Out::own(text));
    *answer.status_mut() = status;
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}
