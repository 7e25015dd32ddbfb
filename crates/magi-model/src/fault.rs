//! Vendors' complaints: the many shapes of an error body, and the kind of failure each means.

use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;

use crate::secret::{Key, scrub};
use crate::{Error, Kind};

/// The longest reason of a vendor that is repeated, in characters.
const MAX_REASON: usize = 600;

/// The longest wait that is believed: a day.
const MAX_WAIT: Duration = Duration::from_secs(86_400);

/// Anthropic's only sign of its filter: the 400 is an `invalid_request_error` like any other.
const FILTERED: &str = "content filtering policy";

/// What a vendor says about its refusal or failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// `error.type`.
    pub(crate) word: String,
    /// `error.code`; a number is written in digits.
    pub(crate) code: String,
    /// `error.param`.
    pub(crate) param: String,
    /// The reason for a person.
    pub(crate) message: String,
}

impl Complaint {
    /// Reads the shapes in use: OpenAI's and Anthropic's `{"error": {..}}`, Ollama's
    /// `{"error": "text"}`, vLLM's flat `{"object": "error", "message": ..}`, FastAPI's `detail`.
    pub(crate) fn from_json(body: &Value) -> Option<Complaint> {
        let inner = match body.get("error") {
            Some(Value::String(text)) => return Some(Complaint::of(text)),
            Some(error @ Value::Object(_)) => error,
            _ => body,
        };
        let message = ["message", "detail", "error"]
            .into_iter()
            .find_map(|name| inner.get(name))
            .map(text_of)?;
        Some(Complaint {
            word: inner.get("type").map(text_of).unwrap_or_default(),
            code: inner.get("code").map(text_of).unwrap_or_default(),
            param: inner.get("param").map(text_of).unwrap_or_default(),
            message,
        })
    }

    fn of(text: &str) -> Complaint {
        Complaint {
            message: text.to_owned(),
            ..Complaint::default()
        }
    }

    /// Reads an error body of any kind; what is not JSON is the reason itself.
    pub(crate) fn from_body(body: &[u8]) -> Complaint {
        let read = serde_json::from_slice(body).ok();
        read.as_ref()
            .and_then(Complaint::from_json)
            .unwrap_or_else(|| {
                let text = String::from_utf8_lossy(body);
                let is_page = text.trim_start().starts_with('<');
                Complaint::of(if is_page { "(a web page)" } else { text.trim() })
            })
    }

    /// Returns the kind of failure: words that say more than the status, the status, other words.
    pub(crate) fn kind(&self, status: Option<u16>) -> Kind {
        let words = [self.code.as_str(), self.word.as_str()];
        if self.message.contains(FILTERED) {
            return Kind::Filtered;
        }
        words
            .into_iter()
            .find_map(strong_word)
            .or_else(|| {
                status
                    .or_else(|| self.code.parse().ok())
                    .and_then(kind_of_status)
            })
            .or_else(|| words.into_iter().find_map(weak_word))
            .unwrap_or(Kind::Overloaded)
    }

    /// Makes the error that a caller sees.
    pub(crate) fn into_error(self, who: &str, status: Option<u16>, key: Option<&Key>) -> Error {
        let kind = self.kind(status);
        let reason = scrub(self.message.trim(), key);
        let reason: String = reason.chars().take(MAX_REASON).collect();
        let mut message = match (reason.is_empty(), status) {
            (true, None) => format!("{who} failed without a reason"),
            (false, None) => format!("{who} failed: {reason}"),
            (true, Some(status)) => format!("{who} answered {status} without a reason"),
            (false, Some(status)) => format!("{who} answered {status}: {reason}"),
        };
        if let Some(advice) = advice(kind, status) {
            message.push_str(advice);
        }
        Error {
            kind,
            message,
            status,
            retry_after: None,
        }
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// What a person can do, where a setting mends it.
fn advice(kind: Kind, status: Option<u16>) -> Option<&'static str> {
    match (kind, status) {
        (Kind::Unauthorised, Some(401)) => Some(" (check the key in your settings)"),
        (Kind::NotFound, _) => {
            Some(" (check the model's name and the base URL; `magi models` lists what is there)")
        }
        _ => None,
    }
}

/// Words that say more than the status they come with.
///
/// Source: OpenAI "Error codes" (`insufficient_quota` comes as 429, but waiting does not mend it),
/// Azure OpenAI "Content filtering" (`content_filter` comes as 400), Anthropic "Errors".
fn strong_word(word: &str) -> Option<Kind> {
    Some(match word {
        "insufficient_quota" | "billing_error" | "billing_hard_limit_reached" => Kind::Unauthorised,
        "content_filter" | "content_policy_violation" | "ResponsibleAIPolicyViolation" => {
            Kind::Filtered
        }
        "context_length_exceeded" | "exceed_context_size_error" | "string_above_max_length" => {
            Kind::BadRequest
        }
        "model_not_found" => Kind::NotFound,
        _ => return None,
    })
}

/// Words that count where no status came: inside a stream.
fn weak_word(word: &str) -> Option<Kind> {
    Some(match word {
        "rate_limit_error" | "rate_limit_exceeded" | "throttling_error" | "too_many_requests" => {
            Kind::Throttled
        }
        "authentication_error" | "permission_error" | "invalid_api_key" => Kind::Unauthorised,
        "not_found_error" => Kind::NotFound,
        "invalid_request_error" | "request_too_large" | "BadRequestError" => Kind::BadRequest,
        "timeout_error" | "timeout" => Kind::Timeout,
        "overloaded_error" | "api_error" | "server_error" | "internal_server_error" => {
            Kind::Overloaded
        }
        _ => return None,
    })
}

/// Returns the kind of an HTTP status of a failed request.
///
/// Source: RFC 9110 section 15, OpenAI "Error codes", Anthropic "Errors" (529).
pub(crate) fn kind_of_status(status: u16) -> Option<Kind> {
    Some(match status {
        300..=399 | 404 | 405 | 410 => Kind::NotFound,
        401..=403 => Kind::Unauthorised,
        408 | 504 | 524 => Kind::Timeout,
        409 | 500..=599 => Kind::Overloaded,
        425 | 429 => Kind::Throttled,
        400..=499 => Kind::BadRequest,
        _ => return None,
    })
}

/// Reads how long the vendor asks us to wait: `retry-after-ms`, or `Retry-After` in seconds or as a
/// date. A date is measured against the same response's `Date`, so no clock of ours matters.
///
/// Source: RFC 9110 sections 10.2.3 and 6.6.1; `retry-after-ms` is OpenAI's and Azure's own.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::trim)
    };
    let seconds = |text: &str| {
        let is_number = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
        let number = if is_number { text.parse().ok() } else { None };
        number.and_then(|number| Duration::try_from_secs_f64(number).ok())
    };
    let wait = text("retry-after-ms")
        .and_then(seconds)
        .map(|ms| ms / 1000)
        .or_else(|| {
            let text_form = text("retry-after")?;
            seconds(text_form).or_else(|| until(text_form, text("date")?))
        });
    wait.map(|wait| wait.min(MAX_WAIT))
}

fn until(then: &str, now: &str) -> Option<Duration> {
    let parse = |text| {
        jiff::fmt::rfc2822::DateTimeParser::new()
            .parse_timestamp(text)
            .ok()
    };
    let seconds = parse(then)?.as_second() - parse(now)?.as_second();
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn retry_after_is_seconds_a_date_or_milliseconds() {
        let date = ("date", "Mon, 23 Nov 2026 01:02:03 GMT");
        for (given, wait) in [
            (vec![("retry-after", "20")], Some(20_000)),
            (vec![("retry-after", " 0.5 ")], Some(500)),
            (
                vec![("retry-after-ms", "250"), ("retry-after", "1")],
                Some(250),
            ),
            (
                vec![("retry-after", "Mon, 23 Nov 2026 01:02:33 GMT"), date],
                Some(30_000),
            ),
            (
                vec![("retry-after", "Mon, 23 Nov 2026 01:00:00 GMT"), date],
                Some(0),
            ),
            (vec![("retry-after", "Mon, 23 Nov 2026 01:02:33 GMT")], None),
            (vec![("retry-after", "-5")], None),
            (vec![("retry-after", "1e400")], None),
            (vec![("retry-after", "999999999999999999999999")], None),
            (vec![("retry-after", "9999999")], Some(86_400_000)),
            (vec![("retry-after", "soon")], None),
            (vec![], None),
        ] {
            let wait = wait.map(Duration::from_millis);
            assert_eq!(retry_after(&headers(&given)), wait, "{given:?}");
        }
    }

    #[test]
    fn every_shape_of_an_error_body_is_read() {
        for (body, status, kind, reason) in [
            (
                r#"{"error":{"message":"slow down","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#,
                429,
                Kind::Throttled,
                "slow down",
            ),
            (
                r#"{"error":{"message":"no money","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
                429,
                Kind::Unauthorised,
                "no money",
            ),
            (
                r#"{"error":{"message":"wrong key","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#,
                401,
                Kind::Unauthorised,
                "wrong key",
            ),
            (
                r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}"#,
                529,
                Kind::Overloaded,
                "Overloaded",
            ),
            (
                r#"{"error":"model 'x' not found"}"#,
                404,
                Kind::NotFound,
                "model 'x' not found",
            ),
            (
                r#"{"object":"error","message":"too long","type":"BadRequestError","param":null,"code":400}"#,
                400,
                Kind::BadRequest,
                "too long",
            ),
            (
                r#"{"detail":"Not Found"}"#,
                404,
                Kind::NotFound,
                "Not Found",
            ),
            (
                r#"{"error":{"code":"content_filter","message":"filtered"}}"#,
                400,
                Kind::Filtered,
                "filtered",
            ),
            (
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"Output blocked by content filtering policy"}}"#,
                400,
                Kind::Filtered,
                "Output blocked",
            ),
            (
                "<html><h1>Bad gateway</h1></html>",
                502,
                Kind::Overloaded,
                "a web page",
            ),
            (
                "upstream timed out",
                504,
                Kind::Timeout,
                "upstream timed out",
            ),
            ("", 503, Kind::Overloaded, "without a reason"),
            ("{}", 413, Kind::BadRequest, "{}"),
        ] {
            let error = Complaint::from_body(body.as_bytes()).into_error("x", Some(status), None);
            assert_eq!(error.kind, kind, "{body}");
            assert!(
                error.message.contains(reason),
                "{} has not {reason}",
                error.message
            );
        }
    }

    #[test]
    fn inside_a_stream_the_words_and_numbers_count() {
        for (body, kind) in [
            (
                r#"{"error":{"type":"rate_limit_error","message":"m"}}"#,
                Kind::Throttled,
            ),
            (
                r#"{"error":{"type":"api_error","message":"m"}}"#,
                Kind::Overloaded,
            ),
            (
                r#"{"error":{"type":"authentication_error","message":"m"}}"#,
                Kind::Unauthorised,
            ),
            (r#"{"error":{"code":"429","message":"m"}}"#, Kind::Throttled),
            (
                r#"{"error":{"code":500,"message":"m","type":"server_error"}}"#,
                Kind::Overloaded,
            ),
            (
                r#"{"error":{"type":"something_new","message":"m"}}"#,
                Kind::Overloaded,
            ),
        ] {
            let body = serde_json::from_str(body).unwrap();
            assert_eq!(
                Complaint::from_json(&body).unwrap().kind(None),
                kind,
                "{body}"
            );
        }
    }
}
