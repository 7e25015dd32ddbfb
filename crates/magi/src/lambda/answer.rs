//! The forms of a function's answer. None can fail: a body's error would be written into the stream.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use lambda_http::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use magi_event::sse;
use magi_server::SESSION_HEADER;
use magi_server::problem::Problem;

/// A body that ends normally, whatever happens.
pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A body of these bytes.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed_unsync()
}

/// A body that pulls.
pub(crate) fn pulled(bytes: impl Stream<Item = Bytes> + Send + 'static) -> Body {
    let frames = bytes.map(|bytes| Ok(Frame::data(bytes)));
    StreamBody::new(frames).boxed_unsync()
}

/// An answer of JSON.
pub(crate) fn json(status: StatusCode, kind: &'static str, json: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(whole(json));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// A refusal with its status, which nothing hides behind a Function URL.
pub(crate) fn refused(problem: &Problem) -> Response<Body> {
    json(
        problem.code().status(),
        "application/problem+json",
        problem.json(),
    )
}

/// A door frame with status 200, in the form that the answer would have had.
pub(crate) fn door(problem: &Problem, streams: bool) -> Response<Body> {
    let json_bytes = problem.door_json();
    if !streams {
        return json(StatusCode::OK, "application/json", json_bytes);
    }
    let mut response = Response::new(whole(sse::data_frame(&json_bytes)));
    mark_stream(response.headers_mut());
    response
}

/// Says that a stream comes, which no hop may hold back or change.
pub(crate) fn mark_stream(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache, no-transform"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
}

/// Tells the caller its own session.
pub(crate) fn mark_session(headers: &mut HeaderMap, session: &str) {
    if let Ok(value) = HeaderValue::from_str(session) {
        headers.insert(SESSION_HEADER, value);
    }
}
