//! A WebSocket between a caller and its session's container: bytes as they come, frames measured on the way.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio_util::task::TaskTracker;

use super::agentcore::RuntimeConfig;
use super::agentcore_front::TOKEN_PROTOCOL;
use super::agentcore_session::{Lease, Session};
use super::agentcore_upstream::{runtime_error, send};
use super::held::Held;
use super::sigv4::Refusal;
use super::wire::{Answer, Out};

/// What is read at once in each direction, in bytes.
const BUFFER: usize = 8 << 10;

/// A WebSocket that is let in and not yet open.
pub(crate) struct Tunnel {
    pub(crate) runtime: Arc<RuntimeConfig>,
    pub(crate) lease: Lease,
    pub(crate) upgrade: OnUpgrade,
    pub(crate) held: Held,
    pub(crate) tracker: TaskTracker,
}

impl Tunnel {
    /// Opens the container's `/ws` and answers the caller's handshake with its own.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] if this is no handshake, or the container does not take it.
    pub(crate) async fn open(self, parts: &Parts, headers: HeaderMap) -> Result<Answer, Refusal> {
        let key = handshake(&parts.headers)?.clone();
        let failed = || {
            runtime_error(
                "The runtime did not open the WebSocket. Please check your CloudWatch logs for more information.",
            )
        };
        let address = self.lease.ready().await.ok_or_else(failed)?;
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.uri_mut() = http::Uri::from_static("/ws");
        *request.headers_mut() = headers;
        // The token's subprotocol is between the caller and this front, extensions are nobody's.
        for (name, value) in [
            (CONNECTION, HeaderValue::from_static("Upgrade")),
            (UPGRADE, HeaderValue::from_static("websocket")),
            (SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
            (SEC_WEBSOCKET_KEY, key),
        ] {
            request.headers_mut().insert(name, value);
        }
        let buffer = self.runtime.socket_buffer;
        let mut response = send(address, buffer, request, &self.tracker)
            .await
            .map_err(|_| failed())?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let status = response.status().as_u16();
            return Err(runtime_error(&format!(
                "Received error ({status}) from runtime. Please check your CloudWatch logs for more information."
            )));
        }
        let accept = response.headers().get(SEC_WEBSOCKET_ACCEPT).cloned();
        let container = hyper::upgrade::on(&mut response);
        let tracker = self.tracker.clone();
        let mut answer = Response::new(Out::own(""));
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let told = answer.headers_mut();
        told.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        told.insert(UPGRADE, HeaderValue::from_static("websocket"));
        if let Some(accept) = accept {
            told.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
        if parts.headers.contains_key(SEC_WEBSOCKET_PROTOCOL) {
            let chosen = HeaderValue::from_static(TOKEN_PROTOCOL);
            told.insert(SEC_WEBSOCKET_PROTOCOL, chosen);
        }
        tracker.spawn(self.relay(container));
        Ok(answer)
    }

    async fn relay(self, container: OnUpgrade) {
        let session = Arc::clone(self.lease.session());
        let (Ok(caller), Ok(container)) = (self.upgrade.await, container.await) else {
            return;
        };
        let limit = self.runtime.frame_limit;
        // Only its traffic keeps a session from being idle, not that a socket is open.
        drop(self.lease);
        let (from_caller, to_caller) = tokio::io::split(TokioIo::new(caller));
        let (from_container, to_container) = tokio::io::split(TokioIo::new(container));
        let up = Way {
            held: &self.held,
            session: &session,
            limit,
        };
        let down = Way {
            held: &self.held,
            session: &session,
            limit,
        };
        tokio::select! {
            () = up.copy(from_caller, to_container) => {}
            () = down.copy(from_container, to_caller) => {}
            () = session.gone().cancelled() => {}
            () = tokio::time::sleep(self.runtime.stream_limit) => {}
        }
    }
}

struct Way<'a> {
    held: &'a Held,
    session: &'a Session,
    limit: u64,
}

type Side = TokioIo<Upgraded>;

impl Way<'_> {
    /// Copies one direction to its end; a frame over the limit ends it.
    async fn copy(&self, mut from: ReadHalf<Side>, mut to: WriteHalf<Side>) {
        let mut buffer = vec![0; BUFFER];
        let mut frames = Frames::default();
        loop {
            let read = from.read(&mut buffer).await.unwrap_or_default();
            if read == 0 || !frames.pass(&buffer[..read], self.limit) {
                let _ = to.shutdown().await;
                return;
            }
            self.session.touch();
            self.held.take(read);
            let written = to.write_all(&buffer[..read]).await;
            self.held.give(read);
            if written.is_err() || to.flush().await.is_err() {
                return;
            }
        }
    }
}

/// Reads the heads of frames that pass by.
///
/// Source: RFC 6455, section 5.2.
#[derive(Debug, Default)]
struct Frames {
    head: Vec<u8>,
    /// Bytes of the frame's mask and payload still to come.
    rest: u64,
}

impl Frames {
    /// Takes the next bytes; `false` if a frame is longer than `limit`.
    fn pass(&mut self, mut bytes: &[u8], limit: u64) -> bool {
        while !bytes.is_empty() {
            let skipped = usize::try_from(self.rest)
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            bytes = &bytes[skipped..];
            self.rest -= skipped as u64;
            let Some((first, others)) = bytes.split_first() else {
                break;
            };
            self.head.push(*first);
            bytes = others;
            let Some(length) = self.length() else {
                continue;
            };
            if length > limit {
                return false;
            }
            let mask = if self.head[1] & 0x80 == 0 { 0 } else { 4 };
            self.rest = length + mask;
            self.head.clear();
        }
        true
    }

    /// The payload's length, once enough of the head is there.
    fn length(&self) -> Option<u64> {
        let short = self.head.get(1)? & 0x7f;
        let digits = match short {
            126 => self.head.get(2..4)?,
            127 => self.head.get(2..10)?,
            _ => return Some(u64::from(short)),
        };
        Some(
            digits
                .iter()
                .fold(0, |sum, digit| sum << 8 | u64::from(*digit)),
        )
    }
}

fn handshake(headers: &HeaderMap) -> Result<&HeaderValue, Refusal> {
    let says = |name: http::HeaderName, word: &str| {
        headers.get_all(name).iter().any(|value| {
            let value = value.to_str().unwrap_or_default();
            value
                .split(',')
                .any(|part| part.trim().eq_ignore_ascii_case(word))
        })
    };
    let is_upgrade = says(CONNECTION, "upgrade")
        && says(UPGRADE, "websocket")
        && says(SEC_WEBSOCKET_VERSION, "13");
    let key = headers.get(SEC_WEBSOCKET_KEY);
    key.filter(|_| is_upgrade).ok_or_else(|| {
        Refusal::new(
            StatusCode::BAD_REQUEST,
            "ValidationException",
            "This is no WebSocket handshake.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_measured_wherever_they_are_cut() {
        let mut stream = vec![0x82, 0x85, 1, 2, 3, 4, 9, 9, 9, 9, 9];
        stream.extend([0x82, 126, 0x01, 0x00]);
        stream.extend(vec![7; 256]);
        stream.extend([0x89, 0]);
        stream.extend([0x82, 127, 0, 0, 0, 0, 0, 1, 0, 1]);
        for size in 1..stream.len() {
            let mut frames = Frames::default();
            let mut passed = stream
                .chunks(size)
                .take_while(|bytes| frames.pass(bytes, 65_536));
            let passed: usize = passed.by_ref().map(<[u8]>::len).sum();
            assert!(passed < stream.len(), "65,537 bytes were let through");
            let mut frames = Frames::default();
            assert!(stream.chunks(size).all(|bytes| frames.pass(bytes, 65_537)));
        }
    }
}
