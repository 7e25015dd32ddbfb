//! A process that ends at a known time: what it streams is suspended before, and ends well.
//!
//! The last word has to reach the reader before the end, behind all that the reader has not read yet.
//! So a deliberation is suspended the earlier the further its reader has fallen behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use magi_event::{Cursor, DeliberationId, sse};
use tokio::sync::oneshot;
use tokio::time::{Instant, interval, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::app::App;
use crate::problem::Problem;

/// How often it is looked how far the reader has fallen behind.
const LOOK: Duration = Duration::from_millis(500);

/// When a streamed deliberation is to be suspended, because what answers ends soon after. A request
/// extension, put by the door that knows its own end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(pub Instant);

/// Whose events a response streams, and how far its reader is. A response extension.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    id: DeliberationId,
    /// The seq after which it began.
    began: u64,
    /// The seq of the last event that the reader's connection has taken.
    place: Arc<AtomicU64>,
}

impl Streams {
    pub(crate) fn new(after: Cursor) -> Self {
        Streams {
            id: after.deliberation,
            began: after.seq,
            place: Arc::new(AtomicU64::new(after.seq)),
        }
    }

    /// Notes that the connection takes the events up to `seq`, whatever its dialect says of them: not
    /// every event has a frame there.
    pub(crate) fn takes(&self, seq: u64) {
        self.place.fetch_max(seq, Ordering::Relaxed);
    }

    /// Returns how many events were taken, and how many of a log that ends with `last` were not.
    fn counts(&self, last: u64) -> (u64, u64) {
        let place = self.place.load(Ordering::Relaxed);
        (place.saturating_sub(self.began), last.saturating_sub(place))
    }
}

/// Suspends what is streamed when the request's deadline comes.
pub(crate) async fn keep(State(app): State<App>, request: Request, next: Next) -> Response {
    let deadline = request.extensions().get::<Deadline>().copied();
    let began = Instant::now();
    let response = next.run(request).await;
    let streams = response.extensions().get::<Streams>().cloned();
    match (deadline, streams) {
        (Some(deadline), Some(streams)) => {
            response.map(|body| Body::from_stream(bounded(app, streams, (began, deadline), body)))
        }
        _ => response,
    }
}

struct Bounded {
    body: BodyDataStream,
    suspended: Option<oneshot::Receiver<Result<(), magi_council::Error>>>,
    is_over: bool,
    _watched: DropGuard,
}

fn bounded(
    app: App,
    streams: Streams,
    (began, Deadline(at)): (Instant, Deadline),
    body: Body,
) -> impl futures_util::Stream<Item = Result<Bytes, axum::Error>> {
    let (done, suspended) = oneshot::channel();
    let gone = CancellationToken::new();
    let bounded = Bounded {
        body: body.into_data_stream(),
        suspended: Some(suspended),
        is_over: false,
        _watched: gone.clone().drop_guard(),
    };
    // A task of its own: a body is not polled while its reader takes nothing, and what nobody reads
    // must be suspended all the same.
    let tracker = app.tracker.clone();
    tracker.spawn(async move {
        let watching = async {
            due(&app, &streams, (began, at)).await;
            app.engine.suspend(streams.id).await
        };
        tokio::select! {
            () = gone.cancelled() => {}
            // Who is gone needs no answer.
            ended = watching => drop(done.send(ended)),
        }
    });
    stream::unfold(bounded, |mut bounded| async move {
        let bytes = bounded.next().await?;
        Some((bytes, bounded))
    })
}

/// Waits until it is time to suspend: at `at`, or earlier by as long as the reader needs, at the pace
/// it has kept so far, for what it has not taken yet; but never in the first half of the time, so that
/// every reading gets somewhere.
async fn due(app: &App, streams: &Streams, (began, at): (Instant, Instant)) {
    let half = began + at.saturating_duration_since(began) / 2;
    sleep_until(half).await;
    let mut looks = interval(LOOK);
    while Instant::now() < at {
        tokio::select! {
            () = sleep_until(at) => return,
            _ = looks.tick() => {}
        }
        // A log that does not answer is no reason to suspend.
        let Ok(head) = app.logs.head(streams.id).await else {
            continue;
        };
        let (taken, behind) = streams.counts(head.last_seq);
        if Instant::now() + needs(behind, taken, began.elapsed()) >= at {
            return;
        }
    }
}

/// Returns how long a reader that took so many events in such a time needs for those it is behind.
fn needs(behind: u64, taken: u64, elapsed: Duration) -> Duration {
    // Only a guess is wanted: the numbers are far below where a float is not exact.
    #[expect(clippy::cast_precision_loss, reason = "a guess")]
    let ratio = behind as f64 / taken.max(1) as f64;
    Duration::try_from_secs_f64(elapsed.as_secs_f64() * ratio).unwrap_or(Duration::MAX)
}

impl Bounded {
    async fn next(&mut self) -> Option<Result<Bytes, axum::Error>> {
        loop {
            if self.is_over {
                return None;
            }
            let suspended = async {
                match &mut self.suspended {
                    Some(suspended) => suspended.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                done = suspended => {
                    self.suspended = None;
                    // `paused` is in the log now, and the log ends for its readers after it.
                    if let Ok(Err(error)) = done {
                        self.is_over = true;
                        let problem = Problem::from(error);
                        return Some(Ok(sse::data_frame(&problem.door_json())));
                    }
                }
                bytes = self.body.next() => return bytes,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_is_where_it_has_read_to_and_never_before_where_it_began() {
        let id = DeliberationId::new(magi_event::Timestamp::from_millis(1), 7);
        let start = Cursor::start(id);
        let streams = Streams::new(Cursor { seq: 40, ..start });
        assert_eq!(streams.counts(100), (0, 60));
        // A fold reads the log from its beginning, also what its reader has already.
        streams.takes(3);
        assert_eq!(streams.counts(100), (0, 60));
        streams.takes(90);
        assert_eq!(streams.counts(100), (50, 10));
        assert_eq!(streams.counts(80), (50, 0));
    }

    #[test]
    fn a_reader_needs_as_long_as_it_took_for_as_much() {
        let s = Duration::from_secs;
        assert_eq!(needs(0, 100, s(10)), Duration::ZERO);
        assert_eq!(needs(50, 100, s(10)), s(5));
        assert_eq!(needs(300, 100, s(10)), s(30));
        assert_eq!(needs(7, 0, s(10)), s(70));
        assert_eq!(needs(u64::MAX, 1, Duration::MAX), Duration::MAX);
    }
}
