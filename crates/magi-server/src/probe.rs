//! A probe of the way to the reader: frames of which each but the first waits for the reader's word
//! that it saw the one before. A hop that buffers shows at once, because the word never comes.
//!
//! No heartbeat is sent meanwhile: it could push a held frame out and hide the hop.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, header};
use magi_event::sse;
use serde_json::json;
use tokio::sync::watch;

use crate::app::App;
use crate::problem::{Code, Problem};

/// The most frames of a probe.
const MOST_FRAMES: u32 = 100;

/// The most probes at a time.
const MOST_PROBES: usize = 256;

/// How long a frame's word is waited for.
const ACK_LIMIT: Duration = Duration::from_secs(10);

/// The time between frames that wait for nobody.
const STAMP_PACE: Duration = Duration::from_millis(300);

/// The probes that wait for a word, by id: the highest frame seen.
#[derive(Debug, Default)]
pub(crate) struct Probes(Mutex<HashMap<String, watch::Sender<u32>>>);

impl Probes {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<u32>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, id: &str) -> Option<watch::Receiver<u32>> {
        let mut probes = self.lock();
        if probes.len() >= MOST_PROBES {
            return None;
        }
        let (seen, acks) = watch::channel(0);
        probes.insert(id.to_owned(), seen);
        Some(acks)
    }

    /// Takes the word that a frame was seen.
    pub(crate) fn ack(&self, id: &str, frame: u32) -> Result<(), Problem> {
        let probes = self.lock();
        let seen = probes
            .get(id)
            .ok_or_else(|| Problem::new(Code::NotFound, "no such probe waits here").at("probe"))?;
        seen.send_modify(|highest| *highest = (*highest).max(frame));
        Ok(())
    }
}

/// What is asked of a probe.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// How many frames to send.
    pub(crate) frames: u32,
    /// Whether each waits for the word about the one before.
    pub(crate) acked: bool,
}

struct Probe {
    app: App,
    id: String,
    asked: Asked,
    sent: u32,
    acks: Option<watch::Receiver<u32>>,
    failed: bool,
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.app.probes.lock().remove(&self.id);
    }
}

/// Answers with the stream of a probe.
pub(crate) fn run(app: &App, asked: Asked) -> Result<Response, Problem> {
    if !(1..=MOST_FRAMES).contains(&asked.frames) {
        return Err(Problem::field("frames", "`frames` must be 1 to 100"));
    }
    let id = app.env.entropy.tag(20);
    let asked = Asked {
        // A word about a frame may reach another process, which waits for none.
        acked: asked.acked && app.config.finds_again,
        ..asked
    };
    let acks = if asked.acked {
        let busy = || Problem::new(Code::Busy, "too many probes run at once");
        Some(app.probes.open(&id).ok_or_else(busy)?)
    } else {
        None
    };
    let probe = Probe {
        app: Arc::clone(app),
        id,
        asked,
        sent: 0,
        acks,
        failed: false,
    };
    let body = stream::unfold(probe, |mut probe| async move {
        let bytes = probe.next().await?;
        Some((Ok::<_, Infallible>(bytes), probe))
    });
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-cache, no-transform"),
    );
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

impl Probe {
    async fn next(&mut self) -> Option<Bytes> {
        let is_last = self.sent >= self.asked.frames;
        if self.failed || (is_last && !self.asked.acked) {
            return None;
        }
        if self.sent > 0 && !self.released().await {
            self.failed = true;
            let frame = self.sent;
            let problem = Problem::new(
                Code::Conflict,
                format!(
                    "nobody said within {} s that frame {frame} was seen: a hop holds the stream \
                     back, or acks reach another process",
                    ACK_LIMIT.as_secs()
                ),
            );
            return Some(sse::data_frame(&problem.door_json()));
        }
        if is_last {
            return None;
        }
        self.sent += 1;
        let frame = json!({
            "type": "probe",
            "data": {
                "probe": self.id,
                "frame": self.sent,
                "frames": self.asked.frames,
                "acked": self.asked.acked,
                "sent_at": self.app.env.clock.now(),
            },
        });
        Some(sse::data_frame(frame.to_string().as_bytes()))
    }

    /// Waits until the next frame may go; tells whether it may.
    async fn released(&mut self) -> bool {
        let sent = self.sent;
        match &mut self.acks {
            None => {
                tokio::time::sleep(STAMP_PACE).await;
                true
            }
            Some(acks) => {
                let seen = acks.wait_for(|seen| *seen >= sent);
                matches!(tokio::time::timeout(ACK_LIMIT, seen).await, Ok(Ok(_)))
            }
        }
    }
}
