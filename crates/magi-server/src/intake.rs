//! Reading what a caller sent: bounded, UTF-8, JSON of bounded depth, and then a type whose errors
//! name the field.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use bytes::BytesMut;
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::problem::{Code, Problem};

/// The most bytes of a body that are read.
pub const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// How much of a body that is too large is still taken off the connection, so that the caller gets
/// to read the answer: a connection closed with unread bytes is reset, and the answer lost.
const DRAIN_LIMIT: usize = 64 * 1024 * 1024;

/// How long a caller may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// How deep arrays and objects may be nested.
const DEPTH_LIMIT: usize = 64;

/// Reads a request's body as a JSON object; an empty body is an empty object.
///
/// `declared` tells whether the body must be declared as JSON, which a foreign web page cannot do
/// unasked.
///
/// # Errors
///
/// When it is too large or too slow, is not declared as JSON, or is not a JSON object.
pub(crate) async fn object(
    request: Request,
    declared: bool,
) -> Result<Map<String, Value>, Problem> {
    let (parts, body) = request.into_parts();
    let bytes = read(body).await?;
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    if declared {
        is_json(&parts.headers)?;
    }
    object_of(&bytes)
}

/// Reads bytes as a JSON object.
///
/// # Errors
///
/// When they are not UTF-8, not JSON, nested too deeply or not an object.
pub(crate) fn object_of(bytes: &[u8]) -> Result<Map<String, Value>, Problem> {
    match parse(bytes)? {
        Value::Object(map) => Ok(map),
        other => Err(Problem::new(
            Code::BadRequest,
            format!("the body is {}, not a JSON object", kind(&other)),
        )
        .fix("send an object such as {\"question\": \"...\"}")),
    }
}

/// Reads a type from an object.
///
/// # Errors
///
/// When a known field has a wrong type; the problem names its path.
pub(crate) fn typed<T: DeserializeOwned>(object: Map<String, Value>) -> Result<T, Problem> {
    serde_path_to_error::deserialize(Value::Object(object)).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner().to_string();
        if path == "." {
            // A field that is missing has no path of its own; the message names it.
            let field = inner.split('`').nth(1).map(str::to_owned);
            let problem = Problem::new(Code::BadRequest, inner);
            return match field {
                Some(field) => problem.at(field),
                None => problem,
            };
        }
        Problem::field(path.clone(), format!("`{path}`: {inner}"))
    })
}

/// Reads a type from the query of an address.
///
/// # Errors
///
/// When a parameter is wrong; the problem names it.
pub(crate) fn query<T: DeserializeOwned>(uri: &http::Uri) -> Result<T, Problem> {
    let mut object = Map::new();
    for (name, value) in form(uri.query().unwrap_or_default())? {
        if object.insert(name.clone(), Value::String(value)).is_some() {
            let detail = format!("`{name}` stands more than once");
            return Err(Problem::field(name, detail));
        }
    }
    typed(object)
}

/// Splits a query into its parameters.
///
/// Source: URL standard, "application/x-www-form-urlencoded parsing", but not UTF-8 is refused.
fn form(query: &str) -> Result<Vec<(String, String)>, Problem> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((unescape(name)?, unescape(value)?))
        })
        .collect()
}

fn unescape(text: &str) -> Result<String, Problem> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => match escaped(tail) {
                Some(byte) => {
                    bytes.push(byte);
                    rest = tail.get(2..).unwrap_or_default();
                }
                None => bytes.push(b'%'),
            },
            other => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).map_err(|_| {
        Problem::new(Code::BadRequest, "the address is not UTF-8").fix("percent-encode it as UTF-8")
    })
}

fn escaped(tail: &[u8]) -> Option<u8> {
    let digit = |at: usize| tail.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

/// Reads a body whole, or says that it is too large after taking the rest off the connection.
async fn read(body: Body) -> Result<BytesMut, Problem> {
    match tokio::time::timeout(BODY_TIMEOUT, collect(body)).await {
        Ok(read) => read,
        Err(_) => Err(Problem::new(
            Code::Timeout,
            format!(
                "the body did not arrive within {} s",
                BODY_TIMEOUT.as_secs()
            ),
        )),
    }
}

async fn collect(mut body: Body) -> Result<BytesMut, Problem> {
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let mut bytes = BytesMut::with_capacity(expected.min(64 * 1024));
    let mut length = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            Problem::new(Code::BadRequest, "the body ended before its declared end")
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        length = length.saturating_add(data.len());
        if length <= BODY_LIMIT {
            bytes.extend_from_slice(&data);
        } else if length > DRAIN_LIMIT {
            break;
        }
    }
    if length <= BODY_LIMIT {
        return Ok(bytes);
    }
    Err(
        Problem::new(Code::TooLarge, "the body is larger than 4 MiB")
            .fix("shorten `context` to 256 KiB and `question` to 16,384 bytes"),
    )
}

fn is_json(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(|essence| essence.trim().to_ascii_lowercase())
        .unwrap_or_default();
    if kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json")) {
        return Ok(());
    }
    Err(Problem::new(
        Code::MediaType,
        if kind.is_empty() {
            "the body has no `Content-Type`".to_owned()
        } else {
            "the body is not declared as `application/json`".to_owned()
        },
    )
    .at("Content-Type")
    .fix("send `Content-Type: application/json`"))
}

fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Problem::new(
            Code::BadJson,
            format!("the body is not UTF-8 from byte {} on", error.valid_up_to()),
        )
        .fix("send the body as UTF-8")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if depth(text) > DEPTH_LIMIT {
        return Err(Problem::new(
            Code::BadJson,
            format!("the body is nested deeper than {DEPTH_LIMIT} levels"),
        ));
    }
    serde_json::from_str(text).map_err(|error| {
        let problem = Problem::new(Code::BadJson, format!("the body is not JSON: {error}"));
        match out_of_range(text) {
            Some(path) => problem.at(path),
            None => problem,
        }
    })
}

/// Returns where the first number stands that no double can hold, if that is what is wrong. Only a
/// body that was refused is read for this.
fn out_of_range(text: &str) -> Option<String> {
    let json = &mut serde_json::Deserializer::from_str(text);
    let error = serde_path_to_error::deserialize::<_, Value>(json).err()?;
    // The library tells its kinds of errors apart by their words alone.
    let is_number = error.inner().to_string().starts_with("number out of range");
    is_number.then(|| error.path().to_string())
}

/// Returns how deep arrays and objects are nested, brackets inside strings left out.
fn depth(json: &str) -> usize {
    let (mut now, mut most, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                now += 1;
                most = most.max(now);
            }
            b']' | b'}' => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Asked {
        #[expect(dead_code, reason = "only the error is looked at")]
        question: String,
        #[expect(dead_code, reason = "only the error is looked at")]
        budget: Option<Budget>,
    }

    #[derive(Debug, Deserialize)]
    struct Budget {
        #[expect(dead_code, reason = "only the error is looked at")]
        usd: f64,
    }

    fn refused(json: &str) -> (Code, String, String) {
        let Value::Object(map) = parse(json.as_bytes()).unwrap() else {
            panic!("an object")
        };
        let problem = typed::<Asked>(map).unwrap_err();
        let document = serde_json::to_value(problem.document()).unwrap();
        let field = document["field"].as_str().unwrap_or_default().to_owned();
        (problem.code(), field, problem.detail().to_owned())
    }

    #[test]
    fn an_error_names_the_path_of_its_field() {
        assert_eq!(refused(r#"{"question": 7}"#).1, "question");
        assert_eq!(refused(r#"{}"#).1, "question");
        let (code, field, detail) = refused(r#"{"question": "x", "budget": {"usd": "much"}}"#);
        assert_eq!((code, field.as_str()), (Code::BadRequest, "budget.usd"));
        assert!(detail.contains("much"), "{detail}");
    }

    #[test]
    fn depth_counts_brackets_outside_strings() {
        assert_eq!(depth(r#"{"a": "[[[[\"{{{", "b": [1, [2]]}"#), 3);
        let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
        assert_eq!(parse(deep.as_bytes()).unwrap_err().code(), Code::BadJson);
        let fine = format!("{}{}", "[".repeat(64), "]".repeat(64));
        assert!(parse(fine.as_bytes()).is_ok());
    }

    #[test]
    fn what_is_not_utf8_or_not_json_says_where() {
        let problem = parse(b"{\"question\": \"\xff\"}").unwrap_err();
        assert!(problem.detail().contains("byte 14"), "{}", problem.detail());
        let problem = parse(br#"{"question": "x", "budget": {"usd": 1e999}}"#).unwrap_err();
        let document = serde_json::to_value(problem.document()).unwrap();
        assert_eq!(
            (problem.code(), &document["field"]),
            (Code::BadJson, &Value::from("budget.usd"))
        );
        let problem = parse(b"{\"question\": ").unwrap_err();
        assert!(problem.detail().contains("line 1"), "{}", problem.detail());
    }

    #[test]
    fn a_query_is_unescaped_and_may_not_repeat() {
        let pairs = form("q=%E5%8F%AF%E6%B1%BA+x&limit=5&&flag").unwrap();
        assert_eq!(
            pairs,
            [
                ("q".to_owned(), "可決 x".to_owned()),
                ("limit".to_owned(), "5".to_owned()),
                ("flag".to_owned(), String::new()),
            ]
        );
        assert!(form("q=%FF").is_err());
        let uri: http::Uri = "/x?question=a&question=b".parse().unwrap();
        assert!(query::<Asked>(&uri).is_err());
    }
}
