//! The only table from an error to what a caller is told: RFC 9457 `application/problem+json`, and
//! the door frame that says the same where a status cannot be used.

mod causes;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use magi_event::{Cursor, DoorError, sse};
use schemars::JsonSchema;
use serde::Serialize;

/// What a door may answer instead of doing what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// A field, parameter or header is missing or wrong.
    BadRequest,
    /// The body is not JSON, not UTF-8 or nested too deeply.
    BadJson,
    /// This door cannot do that.
    Unsupported,
    /// The token is missing or wrong.
    Unauthorised,
    /// The `Host` is not one of this server's names.
    ForbiddenHost,
    /// The request comes from a web page that is not ours.
    ForbiddenOrigin,
    /// There is no such thing, or no longer.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// The body did not arrive in time.
    Timeout,
    /// The cursor is ahead of the log, or of another deliberation.
    CursorAhead,
    /// It cannot be done in the state the deliberation is in.
    Conflict,
    /// What the cursor points at is no longer kept.
    Gone,
    /// The deliberation that this key made was deleted.
    KeyDeleted,
    /// The body is larger than a body may be.
    TooLarge,
    /// The body is not declared as JSON.
    MediaType,
    /// The key was used with another body.
    KeyReused,
    /// As many deliberations run as may run.
    Busy,
    /// The store does not answer.
    StoreUnavailable,
    /// The store's file is damaged.
    StoreDamaged,
    /// A fault of ours.
    Internal,
    /// The next hop does not let this one in.
    UpstreamForbidden,
    /// The next hop is not where the settings say.
    UpstreamNotFound,
    /// The next hop does not take what it was sent.
    UpstreamRefused,
    /// The next hop has too much to do.
    UpstreamThrottled,
    /// The next hop is just being made or ended.
    UpstreamConflict,
    /// The next hop broke while it answered, or before.
    UpstreamFailed,
    /// The next hop cannot be reached.
    UpstreamUnreachable,
    /// The next hop's answer ended in its middle.
    UpstreamCut,
    /// The next hop did not begin to answer in the time this one has.
    UpstreamTimeout,
}

impl Code {
    /// Every code, in the order of their statuses.
    pub const ALL: [Code; 29] = [
        Code::BadRequest,
        Code::BadJson,
        Code::Unsupported,
        Code::Unauthorised,
        Code::ForbiddenHost,
        Code::ForbiddenOrigin,
        Code::NotFound,
        Code::MethodNotAllowed,
        Code::Timeout,
        Code::CursorAhead,
        Code::Conflict,
        Code::Gone,
        Code::KeyDeleted,
        Code::TooLarge,
        Code::MediaType,
        Code::KeyReused,
        Code::UpstreamForbidden,
        Code::UpstreamNotFound,
        Code::UpstreamRefused,
        Code::UpstreamThrottled,
        Code::Busy,
        Code::Internal,
        Code::UpstreamFailed,
        Code::UpstreamUnreachable,
        Code::UpstreamCut,
        Code::StoreUnavailable,
        Code::UpstreamConflict,
        Code::UpstreamTimeout,
        Code::StoreDamaged,
    ];

    /// Returns the word on the wire, the HTTP status and the title.
    const fn row(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Code::BadRequest => (
                "bad_request",
                StatusCode::BAD_REQUEST,
                "The request is wrong",
            ),
            Code::BadJson => (
                "bad_json",
                StatusCode::BAD_REQUEST,
                "The body is not readable JSON",
            ),
            Code::Unsupported => (
                "unsupported",
                StatusCode::BAD_REQUEST,
                "This door cannot do that",
            ),
            Code::Unauthorised => (
                "unauthorised",
                StatusCode::UNAUTHORIZED,
                "A valid token is needed",
            ),
            Code::ForbiddenHost => (
                "forbidden_host",
                StatusCode::FORBIDDEN,
                "This server does not answer to that name",
            ),
            Code::ForbiddenOrigin => (
                "forbidden_origin",
                StatusCode::FORBIDDEN,
                "Other web pages may not call this server",
            ),
            Code::NotFound => ("not_found", StatusCode::NOT_FOUND, "There is no such thing"),
            Code::MethodNotAllowed => (
                "method_not_allowed",
                StatusCode::METHOD_NOT_ALLOWED,
                "This path has no such method",
            ),
            Code::Timeout => (
                "timeout",
                StatusCode::REQUEST_TIMEOUT,
                "The request took too long",
            ),
            Code::CursorAhead => (
                "cursor_ahead",
                StatusCode::CONFLICT,
                "The cursor is not a place in this log",
            ),
            Code::Conflict => (
                "conflict",
                StatusCode::CONFLICT,
                "It cannot be done in this state",
            ),
            Code::Gone => ("gone", StatusCode::GONE, "That part is no longer kept"),
            Code::KeyDeleted => (
                "key_deleted",
                StatusCode::GONE,
                "The deliberation of this key was deleted",
            ),
            Code::TooLarge => (
                "too_large",
                StatusCode::PAYLOAD_TOO_LARGE,
                "The body is too large",
            ),
            Code::MediaType => (
                "unsupported_media_type",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The body must be JSON",
            ),
            Code::KeyReused => (
                "key_reused",
                StatusCode::UNPROCESSABLE_ENTITY,
                "The key was used with another body",
            ),
            Code::Busy => (
                "busy",
                StatusCode::SERVICE_UNAVAILABLE,
                "Too many deliberations run at once",
            ),
            Code::Internal => (
                "internal",
                StatusCode::INTERNAL_SERVER_ERROR,
                "A fault of this server",
            ),
            Code::StoreUnavailable => (
                "store_unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                "The store does not answer",
            ),
            // Not one of those that a client, or a front before us, tries again by itself.
            Code::StoreDamaged => (
                "store_damaged",
                StatusCode::INSUFFICIENT_STORAGE,
                "The store is damaged",
            ),
            Code::UpstreamForbidden
            | Code::UpstreamNotFound
            | Code::UpstreamRefused
            | Code::UpstreamThrottled
            | Code::UpstreamConflict
            | Code::UpstreamFailed
            | Code::UpstreamUnreachable
            | Code::UpstreamCut
            | Code::UpstreamTimeout => self.upstream_row(),
        }
    }

    /// The rows of a relay. What the operator has to mend is 424, which nobody tries again; a 404
    /// would read as a deliberation that is gone.
    const fn upstream_row(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Code::UpstreamForbidden => (
                "upstream_forbidden",
                StatusCode::FAILED_DEPENDENCY,
                "The next hop does not let this one in",
            ),
            Code::UpstreamNotFound => (
                "upstream_not_found",
                StatusCode::FAILED_DEPENDENCY,
                "The next hop is not there",
            ),
            Code::UpstreamRefused => (
                "upstream_refused",
                StatusCode::FAILED_DEPENDENCY,
                "The next hop does not take that",
            ),
            Code::UpstreamThrottled => (
                "upstream_throttled",
                StatusCode::TOO_MANY_REQUESTS,
                "The next hop has too much to do",
            ),
            Code::UpstreamConflict => (
                "upstream_conflict",
                StatusCode::SERVICE_UNAVAILABLE,
                "The next hop is just being made or ended",
            ),
            Code::UpstreamUnreachable => (
                "upstream_unreachable",
                StatusCode::BAD_GATEWAY,
                "The next hop cannot be reached",
            ),
            Code::UpstreamCut => (
                "upstream_cut",
                StatusCode::BAD_GATEWAY,
                "The next hop's answer was cut",
            ),
            Code::UpstreamTimeout => (
                "upstream_timeout",
                StatusCode::GATEWAY_TIMEOUT,
                "The next hop did not answer in time",
            ),
            _ => (
                "upstream_failed",
                StatusCode::BAD_GATEWAY,
                "The next hop failed",
            ),
        }
    }

    /// Returns the word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        self.row().0
    }

    /// Returns the HTTP status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        self.row().1
    }

    /// Returns the title, the same for every problem of this code.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.row().2
    }
}

/// Which of the two forms a door frame takes where a status cannot be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Form {
    /// Whatever the request accepts.
    #[default]
    Accepted,
    /// A server-sent event, because the answer would have been a stream.
    Stream,
    /// JSON, because the answer would have been JSON.
    Json,
}

/// Why a door does not do what it was asked.
#[derive(Clone, Debug)]
pub struct Problem(Box<Parts>);

/// In a box, so that the answers which go well stay small.
#[derive(Clone, Debug)]
struct Parts {
    code: Code,
    detail: String,
    field: Option<String>,
    fix: Option<String>,
    first_kept: Option<Cursor>,
    form: Form,
}

/// The JSON of a problem.
///
/// Source: RFC 9457, section 3; `code`, `field`, `fix` and `first_kept` are extension members.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Document {
    /// A URI that names the kind of problem.
    #[serde(rename = "type")]
    kind: String,
    /// What kind of problem it is, in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What is wrong with this request.
    detail: String,
    /// The kind of problem as a word, for programs.
    code: String,
    /// The field, parameter or header at fault, as a path such as `council.roles.caspar`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
    /// Where to go on, when the cursor can no longer be served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_kept: Option<Cursor>,
}

/// The longest text of a problem, in characters: it may repeat what somebody sent, and has to fit twice into a frame.
const LONGEST: usize = 600;

/// Takes the middle out of a text that is too long.
fn short(text: String) -> String {
    let n = text.chars().count();
    if n <= LONGEST {
        return text;
    }
    let head = text.chars().take(LONGEST * 2 / 3);
    let tail = text.chars().skip(n - LONGEST / 3);
    head.chain(" … ".chars()).chain(tail).collect()
}

impl Problem {
    /// Makes a problem; `detail` is a sentence about this request, without secrets.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Problem(Box::new(Parts {
            code,
            detail: short(detail.into()),
            field: None,
            fix: None,
            first_kept: None,
            form: Form::Accepted,
        }))
    }

    /// Makes the problem of one wrong field, parameter or header.
    pub fn field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Problem::new(Code::BadRequest, detail).at(field)
    }

    /// Names the field, parameter or header at fault.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.0.field = Some(short(field.into()));
        self
    }

    /// Says what to do about it.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.0.fix = Some(short(fix.into()));
        self
    }

    /// Says where to go on.
    #[must_use]
    pub fn first_kept(mut self, cursor: Option<Cursor>) -> Self {
        self.0.first_kept = cursor;
        self
    }

    /// Says that the answer would have been a stream, so that its door frame is one too.
    #[must_use]
    pub fn in_stream(mut self) -> Self {
        self.0.form = Form::Stream;
        self
    }

    /// Says that the answer would have been JSON, so that its door frame is JSON too.
    #[must_use]
    pub fn in_json(mut self) -> Self {
        self.0.form = Form::Json;
        self
    }

    /// Returns the kind of problem.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// Returns what is wrong with this request.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    pub(crate) fn document(&self) -> Document {
        Document {
            kind: format!("urn:magi:problem:{}", self.0.code.word()),
            title: self.0.code.title().to_owned(),
            status: self.0.code.status().as_u16(),
            detail: self.0.detail.clone(),
            code: self.0.code.word().to_owned(),
            field: self.0.field.clone(),
            fix: self.0.fix.clone(),
            first_kept: self.0.first_kept,
        }
    }

    /// Returns the JSON of `application/problem+json`.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.document()).unwrap_or_default()
    }

    /// Returns the door frame's JSON: the problem in the shape of an event, in no log.
    #[must_use]
    pub fn door_json(&self) -> Vec<u8> {
        let message = match &self.0.fix {
            Some(fix) => format!("{}: {fix}", self.0.detail),
            None => self.0.detail.clone(),
        };
        let data = DoorError {
            status: self.0.code.status().as_u16(),
            code: self.0.code.word().to_owned(),
            message: message.clone(),
            field: self.0.field.clone(),
            first_kept: self.0.first_kept,
        };
        let frame = serde_json::json!({ "type": "error", "error": message, "data": data });
        frame.to_string().into_bytes()
    }

    /// Answers with status 200 and the door frame, for a front that would hide a status.
    ///
    /// Source: AgentCore Runtime service contract: a container's 4xx and 5xx reach the caller as 424.
    pub(crate) fn into_door_frame(self, accepts_stream: bool) -> Response {
        let json = self.door_json();
        let stream = match self.0.form {
            Form::Accepted => accepts_stream,
            Form::Stream => true,
            Form::Json => false,
        };
        let (body, kind) = if stream {
            (Body::from(sse::data_frame(&json)), "text/event-stream")
        } else {
            (Body::from(json), "application/json")
        };
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.json()));
        *response.status_mut() = self.0.code.status();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self.0.code {
            Code::Unauthorised => {
                headers.insert(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static("Bearer realm=\"magi\""),
                );
            }
            Code::Busy
            | Code::StoreUnavailable
            | Code::UpstreamThrottled
            | Code::UpstreamConflict => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
            }
            _ => {}
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_own_word_and_an_error_status() {
        let mut words: Vec<_> = Code::ALL.iter().map(|code| code.word()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(code.status().as_u16() >= 400, "{code:?}");
            assert!(!code.title().is_empty());
        }
    }

    #[test]
    fn the_document_names_the_field_and_the_way_out() {
        let problem = Problem::field("question", "`question` is empty").fix("write a question");
        let document = serde_json::to_value(problem.document()).unwrap();
        assert_eq!(
            document,
            serde_json::json!({
                "type": "urn:magi:problem:bad_request",
                "title": "The request is wrong",
                "status": 400,
                "detail": "`question` is empty",
                "code": "bad_request",
                "field": "question",
                "fix": "write a question",
            })
        );
    }

    #[test]
    fn the_door_frame_says_the_same_without_an_id() {
        let problem = Problem::new(Code::NotFound, "no deliberation `x`").at("id");
        let frame: serde_json::Value = serde_json::from_slice(&problem.door_json()).unwrap();
        assert_eq!(
            frame,
            serde_json::json!({
                "type": "error",
                "error": "no deliberation `x`",
                "data": {
                    "status": 404,
                    "code": "not_found",
                    "message": "no deliberation `x`",
                    "field": "id",
                },
            })
        );
    }
}
