//! A proxy that meddles with what passes: what a company's or a hosting's proxy does to a stream.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio_util::task::TaskTracker;

use super::support::http;

/// What the proxy does.
#[derive(Clone, Copy)]
pub(crate) enum Does {
    /// Answers everything by itself.
    Says(u16, &'static str, &'static str),
    /// Sends each caller on to its upstream with this status.
    Moves(u16),
    /// Calls its upstream by the upstream's own name.
    RewritesHost,
    /// Puts a space behind each body.
    RewritesBody,
    /// Sends an answer when it is whole.
    Buffers,
    /// Keeps each piece until the next one comes.
    HoldsEach,
    /// Puts a text in the place of another in whole answers; `#` becomes a number that grows.
    Replaces(&'static str, &'static str),
    /// Calls its upstream by a name of its own.
    Renames(&'static str),
    /// Sets a header of each answer.
    Sets(&'static str, &'static str),
    /// Adds a header to each answer, also where it stands already.
    Adds(&'static str, &'static str),
    /// Knows one path not.
    Hides(&'static str),
    /// Ends each stream properly behind its first piece.
    Ends,
}

struct Meddler {
    does: Does,
    upstream: String,
    count: AtomicU64,
}

/// Starts one; it ends with the test's runtime. Returns its address.
pub(crate) async fn meddle(upstream: &str, does: Does) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let meddler = Arc::new(Meddler {
        does,
        upstream: upstream.to_owned(),
        count: AtomicU64::new(0),
    });
    let app = Router::new().fallback(pass).with_state(meddler);
    TaskTracker::new().spawn(async move { axum::serve(listener, app).await });
    address
}

async fn pass(State(meddler): State<Arc<Meddler>>, request: Request) -> Response<Body> {
    if let Does::Says(status, kind, text) = meddler.does {
        let answer = Response::builder()
            .status(status)
            .header("content-type", kind);
        return answer.body(Body::from(text)).unwrap();
    }
    if let Does::Moves(status) = meddler.does {
        let to = format!("{}{}", meddler.upstream, request.uri());
        let answer = Response::builder().status(status).header("location", to);
        return answer.body(Body::empty()).unwrap();
    }
    if matches!(meddler.does, Does::Hides(path) if request.uri().path() == path) {
        let mut gone = Response::new(Body::empty());
        *gone.status_mut() = StatusCode::NOT_FOUND;
        return gone;
    }
    let (parts, body) = request.into_parts();
    let mut body = axum::body::to_bytes(body, 8 << 20).await.unwrap().to_vec();
    if matches!(meddler.does, Does::RewritesBody) {
        body.push(b' ');
    }
    let mut headers = parts.headers;
    headers.remove("content-length");
    if matches!(meddler.does, Does::RewritesHost) {
        headers.remove("host");
    }
    if let Does::Renames(name) = meddler.does {
        headers.insert("host", HeaderValue::from_static(name));
    }
    let target = parts.uri.path_and_query().unwrap().as_str();
    let sent = http()
        .request(parts.method, format!("{}{target}", meddler.upstream))
        .headers(headers)
        .body(body)
        .send();
    let Ok(answer) = sent.await else {
        let mut gone = Response::new(Body::empty());
        *gone.status_mut() = StatusCode::BAD_GATEWAY;
        return gone;
    };
    let (status, mut headers) = (answer.status(), kept(answer.headers().clone()));
    match meddler.does {
        Does::Sets(name, value) => drop(headers.insert(name, HeaderValue::from_static(value))),
        Does::Adds(name, value) => drop(headers.append(name, HeaderValue::from_static(value))),
        _ => {}
    }
    let body = match meddler.does {
        Does::Buffers => Body::from(answer.bytes().await.unwrap()),
        Does::HoldsEach => Body::from_stream(held(answer)),
        Does::Ends if is_stream(&headers) => Body::from_stream(answer.bytes_stream().take(1)),
        Does::Replaces(from, to) if !is_stream(&headers) => {
            let text = answer.text().await.unwrap();
            let count = meddler.count.fetch_add(1, Ordering::AcqRel).to_string();
            Body::from(replaced(&text, from, &to.replace('#', &count)))
        }
        _ => Body::from_stream(answer.bytes_stream()),
    };
    let mut passed = Response::new(body);
    *passed.status_mut() = status;
    *passed.headers_mut() = headers;
    passed
}

/// Replaces the first `from`, together with the digits behind it.
fn replaced(text: &str, from: &str, to: &str) -> String {
    match text.split_once(from) {
        Some((before, after)) => {
            let after = after.trim_start_matches(|letter: char| letter.is_ascii_digit());
            format!("{before}{to}{after}")
        }
        None => text.to_owned(),
    }
}

fn is_stream(headers: &HeaderMap) -> bool {
    headers
        .get("content-type")
        .is_some_and(|kind| kind == "text/event-stream")
}

fn kept(mut headers: HeaderMap) -> HeaderMap {
    for name in ["content-length", "transfer-encoding", "connection"] {
        headers.remove(name);
    }
    headers
}

fn held(
    answer: reqwest::Response,
) -> impl futures_util::Stream<Item = Result<Bytes, reqwest::Error>> {
    let state = (answer.bytes_stream().boxed(), VecDeque::new(), false);
    stream::unfold(state, |(mut pieces, mut kept, mut is_over)| async move {
        while kept.len() < 2 && !is_over {
            match pieces.next().await {
                Some(piece) => kept.push_back(piece),
                None => is_over = true,
            }
        }
        Some((kept.pop_front()?, (pieces, kept, is_over)))
    })
}
