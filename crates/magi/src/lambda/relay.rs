//! An answer on its way through: pulled, cut into small pieces, never held back.
//!
//! Whoever reads slowly stops the source: nothing is asked of it while a piece is on its way. What
//! this end holds is the newest read, at most one unfinished frame, and one piece; below it the
//! runtime library's connection queues 16 pieces. A stream is passed on frame by frame, so that what
//! has to be said about its end never falls into the middle of one.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use magi_aws::agentcore::{Answer, Error};
use magi_event::sse;
use magi_server::problem::Problem;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// The most bytes handed on at a time. Below, 16 of them may wait.
pub(crate) const PIECE: usize = 1024;

/// The most bytes of an unfinished frame that wait for its end; a longer one goes on in pieces.
pub(crate) const FRAME: usize = 8 * 1024;

/// What a stream ends with at the function's deadline: the reader comes back with its cursor.
pub(crate) const DEADLINE: &[u8] = b": deadline of this hop, go on by cursor\n\n";

/// Where an answer comes from.
pub(crate) trait Source: Send {
    /// Returns the next bytes, `None` at the end.
    fn pull(&mut self) -> impl Future<Output = Result<Option<Bytes>, Error>> + Send;
}

impl Source for Answer {
    async fn pull(&mut self) -> Result<Option<Bytes>, Error> {
        self.next().await
    }
}

/// A source that is let go of at a time, whether somebody reads or not: a body is not polled while its
/// reader takes nothing, and the hop behind must not be kept open for nobody.
pub(crate) struct LetGo {
    source: Held,
    _watched: DropGuard,
}

/// `None` once it was let go.
type Held = Arc<Mutex<Option<Pulls>>>;

type Pulls = BoxStream<'static, Result<Bytes, Error>>;

impl LetGo {
    /// Holds `source` until then at most; the task that watches ends with it.
    pub(crate) fn at<S>(until: Option<Instant>, source: S, watches: &TaskTracker) -> Self
    where
        S: Source + 'static,
    {
        let pulls = stream::unfold(source, |mut source| async move {
            let pulled = source.pull().await.transpose()?;
            Some((pulled, source))
        });
        let source: Held = Arc::new(Mutex::new(Some(pulls.boxed())));
        let gone = CancellationToken::new();
        if let Some(until) = until {
            let (gone, source) = (gone.clone(), source.clone());
            watches.spawn(async move {
                tokio::select! {
                    () = gone.cancelled() => {}
                    () = sleep_until(until) => drop(held(&source).take()),
                }
            });
        }
        LetGo {
            source,
            _watched: gone.drop_guard(),
        }
    }
}

fn held(source: &Held) -> MutexGuard<'_, Option<Pulls>> {
    source.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Source for LetGo {
    async fn pull(&mut self) -> Result<Option<Bytes>, Error> {
        // Locked for one poll, which does not wait.
        poll_fn(|context| match held(&self.source).as_mut() {
            Some(source) => source.poll_next_unpin(context).map(Option::transpose),
            None => Poll::Ready(Ok(None)),
        })
        .await
    }
}

/// An answer that is passed on.
pub(crate) struct Relay<S> {
    source: S,
    /// Whether it is a stream of events, in which something may be said at its end.
    is_stream: bool,
    until: Option<Instant>,
    explain: fn(&Error) -> Problem,
    /// Whole frames, on their way.
    ready: Bytes,
    /// The beginning of a frame.
    held: BytesMut,
    /// Whether a frame too long to be held is half passed on.
    is_inside: bool,
    is_over: bool,
}

impl<S: Source> Relay<S> {
    pub(crate) fn new(
        source: S,
        is_stream: bool,
        until: Option<Instant>,
        explain: fn(&Error) -> Problem,
    ) -> Self {
        Relay {
            source,
            is_stream,
            until,
            explain,
            ready: Bytes::new(),
            held: BytesMut::new(),
            is_inside: false,
            is_over: false,
        }
    }

    /// Returns the next piece, `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        while self.ready.is_empty() {
            if self.is_over {
                return None;
            }
            tokio::select! {
                biased;
                () = at(self.until) => self.end(Bytes::from_static(DEADLINE)),
                pulled = self.source.pull() => match pulled {
                    Ok(Some(bytes)) => self.take(bytes),
                    Ok(None) => {
                        self.is_over = true;
                        self.ready = self.held.split().freeze();
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the answer of the next hop was cut");
                        let problem = (self.explain)(&error);
                        self.end(sse::data_frame(&problem.door_json()));
                    }
                },
            }
        }
        let length = self.ready.len().min(PIECE);
        Some(self.ready.split_to(length))
    }

    /// Lets whole frames go and keeps the beginning of the next.
    fn take(&mut self, mut bytes: Bytes) {
        if !self.is_stream {
            self.ready = bytes;
            return;
        }
        let over_the_seam = self.held.last() == Some(&b'\n') && bytes.first() == Some(&b'\n');
        let Some(end) = last_break(&bytes).or(over_the_seam.then_some(1)) else {
            return self.keep(&bytes);
        };
        let begun = bytes.split_off(end);
        self.ready = joined(self.held.split(), bytes);
        self.is_inside = false;
        self.keep(&begun);
    }

    /// Keeps the beginning of a frame, or lets it go when it grows too long.
    fn keep(&mut self, begun: &[u8]) {
        self.held.extend_from_slice(begun);
        if !self.is_inside && self.held.len() <= FRAME {
            return;
        }
        self.is_inside = true;
        // Its last byte may be half of the break that ends the frame.
        let half = usize::from(self.held.last() == Some(&b'\n'));
        let goes = self.held.split_to(self.held.len() - half).freeze();
        let ready = std::mem::take(&mut self.ready);
        self.ready = joined(BytesMut::from(ready), goes);
    }

    /// Ends the answer with a last word, where one can stand: inside of a frame it would be garbage,
    /// and readers take an unfinished frame for the cut that it is.
    fn end(&mut self, word: Bytes) {
        self.is_over = true;
        self.held.clear();
        if self.is_stream && !self.is_inside {
            self.ready = word;
        }
    }
}

fn joined(mut front: BytesMut, back: Bytes) -> Bytes {
    if front.is_empty() {
        return back;
    }
    front.extend_from_slice(&back);
    front.freeze()
}

/// Returns where the last whole frame ends.
fn last_break(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(2)
        .rposition(|pair| pair == b"\n\n")
        .map(|at| at + 2)
}

async fn at(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::time::Duration;

    use magi_server::problem::Code;

    use super::*;

    /// What a source does next.
    enum Does {
        Gives(Bytes),
        Waits(Duration),
        Breaks,
    }

    struct Script(VecDeque<Does>);

    /// A source whose end is seen.
    struct Alive {
        script: Script,
        _alive: Arc<()>,
    }

    impl Source for Alive {
        async fn pull(&mut self) -> Result<Option<Bytes>, Error> {
            self.script.pull().await
        }
    }

    impl Source for Script {
        async fn pull(&mut self) -> Result<Option<Bytes>, Error> {
            loop {
                match self.0.front() {
                    None => return Ok(None),
                    Some(Does::Waits(how_long)) => {
                        tokio::time::sleep(*how_long).await;
                        self.0.pop_front();
                    }
                    Some(Does::Breaks) => return Err(Error::Cut("reset".to_owned())),
                    Some(Does::Gives(_)) => {
                        let Some(Does::Gives(bytes)) = self.0.pop_front() else {
                            unreachable!()
                        };
                        return Ok(Some(bytes));
                    }
                }
            }
        }
    }

    fn gives(bytes: impl Into<Bytes>) -> Does {
        Does::Gives(bytes.into())
    }

    fn relay(does: Vec<Does>, is_stream: bool, until: Option<Instant>) -> Relay<Script> {
        Relay::new(Script(does.into()), is_stream, until, |error| {
            Problem::new(Code::UpstreamCut, error.to_string())
        })
    }

    async fn all(mut relay: Relay<impl Source>) -> Vec<u8> {
        let mut out = Vec::new();
        while let Some(piece) = relay.next().await {
            assert!(piece.len() <= PIECE);
            assert!(!piece.is_empty());
            out.extend_from_slice(&piece);
        }
        assert!(relay.next().await.is_none(), "nothing after the end");
        out
    }

    /// Frames of all lengths, some longer than what is held of one.
    fn frames() -> Vec<u8> {
        let mut rng = fastrand::Rng::with_seed(11);
        let mut bytes = sse::RETRY.to_vec();
        for length in [1, 10, 200, FRAME - 10, FRAME + 1, 3 * FRAME, 17] {
            bytes.extend_from_slice(b"id: a.1.2\ndata: ");
            bytes.extend(std::iter::repeat_with(|| rng.alphanumeric() as u8).take(length));
            bytes.extend_from_slice(b"\n\n: hb\n\n");
        }
        bytes
    }

    #[tokio::test]
    async fn bytes_pass_unchanged_however_they_are_cut() {
        let bytes = frames();
        let mut rng = fastrand::Rng::with_seed(3);
        for round in 0..60 {
            let most = [1, 7, 300, 5000, 100_000][round % 5];
            let mut does = Vec::new();
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rng.usize(1..=most).min(rest.len()));
                does.push(gives(now.to_vec()));
                rest = later;
            }
            assert!(all(relay(does, true, None)).await == bytes, "round {round}");
        }
        let json = vec![b'x'; 5 * PIECE + 3];
        assert_eq!(
            all(relay(vec![gives(json.clone())], false, None)).await,
            json
        );
    }

    #[tokio::test]
    async fn an_answer_that_breaks_says_so_after_the_last_whole_frame() {
        let does = vec![gives("data: one\n\nid: a.1.2\nda"), Does::Breaks];
        let text = String::from_utf8(all(relay(does, true, None)).await).unwrap();
        let rest = text.strip_prefix("data: one\n\ndata: ").unwrap();
        let frame: serde_json::Value = serde_json::from_str(rest.trim_end()).unwrap();
        assert_eq!(frame["type"], "error");
        assert_eq!(frame["data"]["code"], "upstream_cut");
        assert!(rest.ends_with("\n\n"));
        // Inside of a frame that is too long to be held nothing more is said, and JSON has no place
        // for a word.
        let long = vec![b'x'; 2 * FRAME];
        for is_stream in [true, false] {
            let does = vec![gives(long.clone()), Does::Breaks];
            assert_eq!(all(relay(does, is_stream, None)).await, long);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_deadline_a_stream_ends_with_a_comment_and_without_an_error() {
        let until = Some(Instant::now() + Duration::from_secs(55));
        let does = vec![
            gives("data: one\n\ndata: t"),
            Does::Waits(Duration::from_secs(90)),
            gives("wo\n\n"),
        ];
        let out = all(relay(does, true, until)).await;
        assert_eq!(out, [b"data: one\n\n", DEADLINE].concat());
        assert_eq!(Some(Instant::now()), until);
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_reads_is_let_go_at_the_deadline_and_still_ends_well() {
        let watches = TaskTracker::new();
        let begun = [vec![b'x'; 2 * PIECE], b"\n\n".to_vec()].concat();
        // Whoever reads nothing on leaves a pull under way, or none.
        for pulls in [1, 4] {
            let alive = Arc::new(());
            let source = Alive {
                script: Script(
                    vec![gives(begun.clone()), Does::Waits(Duration::from_secs(3600))].into(),
                ),
                _alive: alive.clone(),
            };
            let until = Instant::now() + Duration::from_secs(55);
            let source = LetGo::at(Some(until), source, &watches);
            let explain = |error: &Error| Problem::new(Code::UpstreamCut, error.to_string());
            let mut relay = Relay::new(source, true, Some(until), explain);
            let mut out = Vec::new();
            {
                let mut reading = std::pin::pin!(async {
                    for _ in 0..pulls {
                        out.extend_from_slice(&relay.next().await.unwrap());
                    }
                });
                // Polled now and not again before the end.
                let polled = futures_util::poll!(reading.as_mut());
                assert_eq!(polled.is_pending(), pulls == 4);
                assert_eq!(Arc::strong_count(&alive), 2);
                tokio::time::sleep_until(until + Duration::from_secs(1)).await;
                assert_eq!(Arc::strong_count(&alive), 1, "the hop behind is open");
                if polled.is_pending() {
                    reading.await;
                }
            }
            out.extend(all(relay).await);
            assert_eq!(out, [begun.as_slice(), DEADLINE].concat());
        }
        watches.close();
        watches.wait().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_silence_without_a_deadline_is_not_ours_to_end() {
        let hours = Duration::from_secs(8 * 3600);
        let does = vec![
            gives("data: one\n\n"),
            Does::Waits(hours),
            gives("data: two\n\n"),
        ];
        assert_eq!(
            all(relay(does, true, None)).await,
            b"data: one\n\ndata: two\n\n"
        );
    }

    #[tokio::test]
    async fn nothing_is_pulled_that_nobody_reads() {
        let mut relay = relay(
            vec![gives(vec![b'x'; 4 * PIECE]), gives("late")],
            false,
            None,
        );
        for _ in 0..4 {
            relay.next().await.unwrap();
            assert_eq!(
                relay.source.0.len(),
                1,
                "the next read waits for the reader"
            );
        }
    }
}
