//! What a server says when it refuses: problem+json, or a door frame that stands for it.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use magi_event::Cursor;
use serde_json::{Map, Value};

/// A server's refusal.
///
/// Source: RFC 9457; `code`, `field`, `fix` and `first_kept` are our extension members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status, or the one that a door frame stands for.
    pub status: u16,
    /// The kind of problem as a word, such as `store_unavailable`; empty when none was given.
    pub code: String,
    /// What is wrong, for a person to read.
    pub message: String,
    /// The field, parameter or header at fault, as a path.
    pub field: Option<String>,
    /// What to do about it.
    pub fix: Option<String>,
    /// How long the server asks to wait.
    pub retry_after: Option<Duration>,
    /// The first place that is still kept, when the cursor can no longer be served.
    pub first_kept: Option<Cursor>,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(field) = &self.field {
            write!(f, "`{field}`: ")?;
        }
        f.write_str(&self.message)?;
        match &self.fix {
            Some(fix) => write!(f, " ({fix})"),
            None => Ok(()),
        }
    }
}

impl Problem {
    /// Tells whether the same request may well succeed a little later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.code == "store_unavailable"
            || matches!(self.status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
    }

    /// Tells whether the server refused before it did anything.
    pub(crate) fn nothing_began(&self) -> bool {
        matches!(self.status, 425 | 429 | 503)
    }

    /// Reads the problem out of an answer that is no success.
    pub(crate) fn of_answer(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let document = match serde_json::from_slice(body) {
            Ok(Value::Object(document)) => document,
            Ok(_) | Err(_) => Map::new(),
        };
        if let Some(problem) = Problem::of_redirect(status, headers) {
            return problem;
        }
        let fallback = format!("the server answered {status}");
        // Some fronts wrap the answer: a door frame inside an error status is read as one.
        let inner = Problem::of_door_frame(&document);
        let problem = inner.unwrap_or_else(|| read(status.as_u16(), &document, &fallback));
        let retry_after = retry_after(headers).or(problem.retry_after);
        Problem {
            retry_after,
            ..problem
        }
    }

    /// Reads where an answer sends its caller, which this client does not follow.
    fn of_redirect(status: StatusCode, headers: &HeaderMap) -> Option<Self> {
        if !status.is_redirection() {
            return None;
        }
        let location = headers.get(http::header::LOCATION)?.to_str().ok()?;
        let message =
            format!("the address redirects to {location} ({status}), which is not followed");
        let mut problem = read(status.as_u16(), &Map::new(), &message);
        problem.fix = Some("give the address of the server itself".to_owned());
        Some(problem)
    }

    /// Reads a door frame, or JSON in its shape: an `error` that has no `seq`. An event has one.
    pub(crate) fn of_door_frame(frame: &Map<String, Value>) -> Option<Self> {
        if frame.get("type")? != "error" || frame.contains_key("seq") {
            return None;
        }
        let fallback = frame.get("error").and_then(Value::as_str);
        let fallback = fallback.unwrap_or("the door refused").to_owned();
        let none = Map::new();
        let data = frame
            .get("data")
            .and_then(Value::as_object)
            .unwrap_or(&none);
        let status = data.get("status").and_then(Value::as_u64).unwrap_or(500);
        Some(read(u16::try_from(status).unwrap_or(500), data, &fallback))
    }
}

fn read(status: u16, document: &Map<String, Value>, fallback: &str) -> Problem {
    let text = |name: &str| {
        let text = document.get(name).and_then(Value::as_str);
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let seconds = document.get("retry_after").and_then(Value::as_f64);
    Problem {
        status,
        code: text("code").unwrap_or_default(),
        message: text("detail")
            .or_else(|| text("message"))
            .or_else(|| text("title"))
            .unwrap_or_else(|| fallback.to_owned()),
        field: text("field"),
        fix: text("fix"),
        retry_after: seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        first_kept: text("first_kept").and_then(|cursor| cursor.parse().ok()),
    }
}

/// Reads `Retry-After`: seconds, or a date that is measured against the answer's own `Date`.
///
/// Source: RFC 9110, section 10.2.3.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_secs);
    }
    let wait = read_date(text)?.as_millisecond() - date(headers)?.as_millisecond();
    Some(Duration::from_millis(u64::try_from(wait).unwrap_or(0)))
}

/// Returns the answer's `Date`: the server's clock, to the second.
pub(crate) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    read_date(headers.get(header::DATE)?.to_str().ok()?)
}

fn read_date(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::json;

    use super::*;

    fn headers(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(header::HeaderName, &'static str)| {
            (name.clone(), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn a_problem_names_the_field_and_the_fix() {
        let body = json!({
            "type": "urn:magi:problem:bad_request", "title": "The request is wrong", "status": 400,
            "detail": "the question is empty", "code": "bad_request", "field": "question",
            "fix": "write one", "retry_after": 1.5,
        });
        let problem = Problem::of_answer(
            StatusCode::BAD_REQUEST,
            &HeaderMap::new(),
            body.to_string().as_bytes(),
        );
        assert_eq!(
            problem.to_string(),
            "`question`: the question is empty (write one)"
        );
        assert_eq!(
            (problem.status, problem.code.as_str()),
            (400, "bad_request")
        );
        assert_eq!(problem.retry_after, Some(Duration::from_millis(1500)));
        assert!(!problem.is_transient());
    }

    #[test]
    fn an_answer_of_somebody_else_is_still_a_problem() {
        let problem = Problem::of_answer(StatusCode::BAD_GATEWAY, &HeaderMap::new(), b"<html>");
        assert_eq!(problem.message, "the server answered 502 Bad Gateway");
        assert!(problem.is_transient());
    }

    #[test]
    fn a_redirect_says_where_to_and_is_not_tried_again() {
        let mut headers = HeaderMap::new();
        headers.insert("location", "https://magi.example/".parse().unwrap());
        let problem = Problem::of_answer(StatusCode::MOVED_PERMANENTLY, &headers, b"<html>");
        assert_eq!(problem.status, 301);
        let said = problem.to_string();
        assert!(said.contains("https://magi.example/"), "{said}");
        assert!(said.contains("address of the server itself"), "{said}");
        assert!(!problem.is_transient());
    }

    #[test]
    fn a_door_frame_is_the_status_it_names_and_an_error_event_is_none() {
        let frame = |value: Value| value.as_object().cloned().unwrap();
        let door = frame(json!({ "type": "error", "error": "gone", "data":
            { "status": 410, "code": "gone", "message": "no longer kept",
              "first_kept": "01KAQ8E5WC000000000000000A.1.9" } }));
        let problem = Problem::of_door_frame(&door).unwrap();
        assert_eq!(
            (problem.status, problem.message.as_str()),
            (410, "no longer kept")
        );
        assert_eq!(problem.first_kept.unwrap().seq, 9);
        let event = frame(json!({ "type": "error", "seq": 3, "data": {} }));
        assert_eq!(Problem::of_door_frame(&event), None);
        assert_eq!(
            Problem::of_door_frame(&frame(json!({ "type": "chunk" }))),
            None
        );
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_by_the_servers_own_clock() {
        let now = (header::DATE, "Sun, 06 Nov 1994 08:49:37 GMT");
        let later = (header::RETRY_AFTER, "Sun, 06 Nov 1994 08:49:41 GMT");
        let wait = |pairs: &[_]| retry_after(&headers(pairs));
        assert_eq!(
            wait(&[(header::RETRY_AFTER, "7")]),
            Some(Duration::from_secs(7))
        );
        assert_eq!(
            wait(&[now.clone(), later.clone()]),
            Some(Duration::from_secs(4))
        );
        assert_eq!(wait(&[later]), None);
        let past = (header::RETRY_AFTER, "Sun, 06 Nov 1994 08:49:30 GMT");
        assert_eq!(wait(&[now, past]), Some(Duration::ZERO));
        assert_eq!(wait(&[(header::RETRY_AFTER, "soon")]), None);
    }
}
