//! A log as a stream of server-sent events: one function from a reader to a body.
//!
//! The body pulls the reader from inside its own poll: no task, no channel. Who does not read only
//! falls behind; a socket that takes nothing for a minute is dropped by the listening side.

use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, stream};
use http::{HeaderValue, header};
use magi_council::Watch;
use magi_event::{Cursor, sse};
use magi_log::{After, Page, Reader};
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::app::App;
use crate::deadline::Streams;
use crate::dialects::chunks::Chunks;
use crate::dialects::{Dialect, Fold, frames};
use crate::problem::Problem;

/// Counts something for as long as it lives.
pub(crate) struct Counted(Gauge);

impl Counted {
    pub(crate) fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Counted(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Where a reader goes on, and in whose words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct From {
    pub(crate) after: Cursor,
    pub(crate) dialect: Dialect,
}

/// Opens the stream of a log.
///
/// # Errors
///
/// When the log cannot be read from there.
pub(crate) async fn open(app: &App, from: From) -> Result<Response, Problem> {
    let reader = app.logs.read(After::Cursor(from.after)).await?;
    // A dialect with a state folds the log from its beginning and sends what comes after the cursor.
    let (reader, words) = match from.dialect {
        Dialect::Native => (reader, Words::Native),
        Dialect::Chunks => {
            let after = reader.cursor();
            let fold = Box::<Chunks>::default();
            (
                app.logs.read(After::Start(from.after.deliberation)).await?,
                Words::Folded { fold, after },
            )
        }
    };
    let streams = Streams::new(from.after);
    let streaming = Streaming {
        reader,
        words,
        streams: streams.clone(),
        silence: Silence::new(app.config.heartbeat),
        stop: Box::pin(app.stop.clone().cancelled_owned()),
        sent: app.metrics.stream_bytes.clone(),
        state: State::First,
        _watch: app.engine.watch(from.after.deliberation),
        _counted: Counted::new(&app.metrics.sse_readers),
    };
    let mut response = respond(streaming);
    response.extensions_mut().insert(streams);
    Ok(response)
}

fn respond(streaming: Streaming) -> Response {
    let body = stream::unfold(streaming, |mut streaming| async move {
        let bytes = streaming.next().await?;
        Some((Ok::<_, std::convert::Infallible>(bytes), streaming))
    });
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/event-stream"),
        // `no-transform` keeps fronts from compressing, which would hold tokens back.
        (header::CACHE_CONTROL, "no-cache, no-transform"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Tells when nothing was sent for so long. Its timer is set anew only when it has run out, not with
/// every token.
struct Silence {
    limit: Duration,
    since: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Silence {
    fn new(limit: Duration) -> Self {
        Silence {
            limit,
            since: Instant::now(),
            timer: Box::pin(tokio::time::sleep(limit)),
        }
    }

    /// Notes that something is sent.
    fn broken(&mut self) {
        self.since = Instant::now();
    }

    /// Waits until it has lasted; for ever where the limit is zero.
    ///
    /// # Cancel safety
    ///
    /// Safe: only the timer moves.
    async fn over(&mut self) {
        if self.limit.is_zero() {
            return std::future::pending().await;
        }
        loop {
            self.timer.as_mut().await;
            let due = self.since + self.limit;
            if Instant::now() >= due {
                return;
            }
            self.timer.as_mut().reset(due);
        }
    }
}

/// How a reader's events become bytes.
enum Words {
    /// As the log has encoded them.
    Native,
    /// Through a fold, once it has caught up with the cursor.
    Folded { fold: Box<Chunks>, after: Cursor },
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    First,
    Open,
    Over,
}

struct Streaming {
    reader: Reader,
    words: Words,
    /// How far its reader is, for whoever has to end before it.
    streams: Streams,
    silence: Silence,
    /// Kept over the whole stream, so that a token costs no new registration.
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
    sent: prometheus_client::metrics::counter::Counter,
    state: State,
    /// Somebody is attached for as long as this lives.
    _watch: Watch,
    _counted: Counted,
}

impl Streaming {
    /// Returns the next bytes to write, or `None` where the stream ends.
    ///
    /// # Cancel safety
    ///
    /// Dropped with the body, never resumed after a cancelled poll.
    async fn next(&mut self) -> Option<Bytes> {
        let bytes = match self.state {
            State::Over => return None,
            State::First => self.first(),
            State::Open => self.more().await?,
        };
        self.silence.broken();
        self.sent.inc_by(bytes.len() as u64);
        Some(bytes)
    }

    /// Returns the reconnection time together with all that is ready.
    fn first(&mut self) -> Bytes {
        self.state = State::Open;
        let mut bytes = BytesMut::from(sse::RETRY);
        if let Some(read) = self.reader.next().now_or_never() {
            bytes.extend_from_slice(&self.take(read));
        }
        bytes.freeze()
    }

    /// Waits for events, for silence or for the server's end.
    async fn more(&mut self) -> Option<Bytes> {
        loop {
            let read = tokio::select! {
                biased;
                // Without a last event: the reader connects again and finds the next process.
                () = self.stop.as_mut() => return None,
                read = self.reader.next() => read,
                () = self.silence.over() => return Some(Bytes::from_static(sse::HEARTBEAT)),
            };
            let bytes = self.take(read);
            if !bytes.is_empty() {
                return Some(bytes);
            }
            if self.state == State::Over {
                return None;
            }
        }
    }

    /// Turns what was read into bytes; notes the end.
    fn take(&mut self, read: Result<Page, magi_log::Error>) -> Bytes {
        match read {
            Ok(page) => {
                if page.end {
                    self.state = State::Over;
                }
                let bytes = self.encode(&page);
                if let Some(last) = page.entries.last() {
                    self.streams.takes(last.cursor.seq);
                }
                bytes
            }
            // The log goes on elsewhere: the stream ends without a last event.
            Err(magi_log::Error::Moved) => {
                self.state = State::Over;
                Bytes::new()
            }
            Err(error) => {
                self.state = State::Over;
                sse::data_frame(&Problem::from(error).door_json())
            }
        }
    }

    fn encode(&mut self, page: &Page) -> Bytes {
        match (&mut self.words, page.entries.as_slice()) {
            (Words::Native, [only]) => only.frame.clone(),
            (Words::Native, entries) => {
                let length = entries.iter().map(|entry| entry.frame.len()).sum();
                let mut bytes = BytesMut::with_capacity(length);
                for entry in entries {
                    bytes.extend_from_slice(&entry.frame);
                }
                bytes.freeze()
            }
            (Words::Folded { fold, after }, entries) => {
                let mut bytes = BytesMut::new();
                for entry in entries {
                    let event = match entry.event() {
                        Ok(event) => event,
                        Err(error) => {
                            tracing::error!(cursor = %entry.cursor, %error, "an event does not read");
                            continue;
                        }
                    };
                    let texts = fold.step(&event);
                    if entry.cursor > *after {
                        bytes.extend_from_slice(&frames(entry.cursor, &texts));
                    }
                }
                bytes.freeze()
            }
        }
    }
}
