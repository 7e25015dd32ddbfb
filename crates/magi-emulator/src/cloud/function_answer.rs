//! What a function's response becomes: a prelude read off a stream, or a payload of format 2.0.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, SET_COOKIE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;
use tokio::sync::mpsc;

use super::held::{Held, Piece};
use super::wire::{Out, Step};

/// What stands between a prelude and the body.
///
/// Source: AWS API Gateway Developer Guide, "Set up a Lambda proxy integration with payload response streaming"
/// (eight NUL bytes); Function URLs share the form.
const NULS: [u8; 8] = [0; 8];

/// The longest prelude read.
const PRELUDE: usize = 64 << 10;

/// The head of a function's answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
}

/// Why a response is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bad;

impl Head {
    fn plain(kind: &'static str) -> Head {
        let kind = (CONTENT_TYPE, HeaderValue::from_static(kind));
        Head {
            status: StatusCode::OK,
            headers: HeaderMap::from_iter([kind]),
        }
    }

    /// Reads `statusCode`, `headers` and `cookies`, as they stand in a prelude and in a payload.
    fn read(said: &Value, kind: &'static str) -> Result<Head, Bad> {
        let status = match &said["statusCode"] {
            Value::Null => 200,
            Value::String(digits) => digits.parse().map_err(|_| Bad)?,
            code => code
                .as_u64()
                .and_then(|code| u16::try_from(code).ok())
                .ok_or(Bad)?,
        };
        let mut head = Head {
            status: StatusCode::from_u16(status).map_err(|_| Bad)?,
            headers: HeaderMap::new(),
        };
        match &said["headers"] {
            Value::Null => {}
            Value::Object(headers) => {
                for (name, value) in headers {
                    head.put(name, value)?;
                }
            }
            _ => return Err(Bad),
        }
        for cookie in said["cookies"].as_array().into_iter().flatten() {
            head.append(&SET_COOKIE, cookie)?;
        }
        head.headers
            .entry(CONTENT_TYPE)
            .or_insert(HeaderValue::from_static(kind));
        Ok(head)
    }

    /// Puts a header; the connection's own are the front's.
    fn put(&mut self, name: &str, value: &Value) -> Result<(), Bad> {
        let name = HeaderName::try_from(name).map_err(|_| Bad)?;
        if [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING].contains(&name) {
            return Ok(());
        }
        match value {
            Value::Array(values) => values.iter().try_for_each(|one| self.append(&name, one)),
            one => self.append(&name, one),
        }
    }

    fn append(&mut self, name: &HeaderName, value: &Value) -> Result<(), Bad> {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => return Err(Bad),
        };
        let value = HeaderValue::try_from(text).map_err(|_| Bad)?;
        self.headers.append(name, value);
        Ok(())
    }
}

/// Reads a streamed response's head; the body's pieces go on through the channel as they come.
pub(crate) async fn opened(
    prelude: bool,
    mut steps: mpsc::Receiver<Step>,
) -> Result<(Head, Out), Bad> {
    if !prelude {
        return Ok((
            Head::plain("application/octet-stream"),
            Out::Relay(steps, None),
        ));
    }
    let mut read = Vec::new();
    loop {
        let Some(Step::Bytes(mut piece)) = steps.recv().await else {
            return Err(Bad);
        };
        let before = read.len();
        read.extend_from_slice(piece.bytes());
        // The NULs may stand across two pieces.
        let from = before.saturating_sub(NULS.len() - 1);
        let found = read[from..]
            .windows(NULS.len())
            .position(|bytes| bytes == NULS);
        if let Some(at) = found.map(|at| from + at) {
            let said: Value = serde_json::from_slice(&read[..at]).map_err(|_| Bad)?;
            let head = Head::read(&said, "application/octet-stream")?;
            drop(piece.split_to(at + NULS.len() - before));
            let rest = (!piece.bytes().is_empty()).then_some(piece);
            return Ok((head, Out::Relay(steps, rest)));
        }
        if read.len() > PRELUDE {
            return Err(Bad);
        }
    }
}

/// Collects a streamed response to its end: how a Function URL that buffers sees it.
pub(crate) async fn gathered(out: Out) -> Result<Out, Bad> {
    let Out::Relay(mut steps, first) = out else {
        return Ok(out);
    };
    let mut pieces: VecDeque<Piece> = first.into_iter().collect();
    loop {
        match steps.recv().await {
            Some(Step::Bytes(piece)) => pieces.push_back(piece),
            Some(Step::End) => return Ok(Out::Pieces(pieces)),
            None => return Err(Bad),
        }
    }
}

/// Reads a response in one piece as payload format 2.0: with `statusCode` a whole answer, otherwise the body
/// of one.
pub(crate) fn payload(bytes: Bytes, held: &Held) -> Result<(Head, Out), Bad> {
    let said: Value = serde_json::from_slice(&bytes).map_err(|_| Bad)?;
    if said.get("statusCode").is_none() {
        return Ok((Head::plain("application/json"), body(bytes, held)));
    }
    let head = Head::read(&said, "application/json")?;
    let text = match &said["body"] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let bytes = if said["isBase64Encoded"] == true {
        STANDARD.decode(text).map_err(|_| Bad)?
    } else {
        text.into_bytes()
    };
    Ok((head, body(Bytes::from(bytes), held)))
}

/// A response in one piece behind a Function URL that streams: AWS reads nothing in it.
pub(crate) fn raw(bytes: Bytes, held: &Held) -> (Head, Out) {
    (Head::plain("application/octet-stream"), body(bytes, held))
}

fn body(bytes: Bytes, held: &Held) -> Out {
    Out::Whole((!bytes.is_empty()).then(|| held.piece(bytes)))
}
