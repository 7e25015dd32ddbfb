//! Plays the steps of a delivery and writes down what became of it.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use tokio_util::sync::CancellationToken;

use super::ledger::{End, Ledger};
use super::lockstep::Gate;
use super::script::Step;
use super::wire::Conn;

/// The delivery of one answer. Dropping it before its end is how a client that left is noticed.
pub(crate) struct Player {
    pub(crate) steps: VecDeque<Step>,
    pub(crate) record: Record,
    pub(crate) gate: Option<Gate>,
    /// The longest silence: a hold, or a lock-step report that never comes.
    pub(crate) hold: Duration,
}

/// One request's line in the ledger, closed when dropped.
pub(crate) struct Record {
    pub(crate) id: u64,
    pub(crate) ledger: Ledger,
    pub(crate) conn: Arc<Conn>,
    pub(crate) stop: CancellationToken,
    ended: bool,
}

impl Record {
    pub(crate) fn new(id: u64, ledger: Ledger, conn: Arc<Conn>, stop: CancellationToken) -> Self {
        Record {
            id,
            ledger,
            conn,
            stop,
            ended: false,
        }
    }

    /// Writes down how the answer ended; the first end counts.
    pub(crate) fn end(&mut self, end: End) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let now = self.ledger.now_ms();
        let closed = self
            .conn
            .closed_ago()
            .map(|ago| now.saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX)));
        let conn = Arc::clone(&self.conn);
        self.ledger.note(self.id, |entry| {
            entry.ended_ms = Some(now);
            entry.end = Some(end);
            entry.client_closed_ms = closed;
            entry.conn = Some(conn);
        });
    }

    /// Resets the connection, or cuts it, and never returns.
    pub(crate) async fn abort(&mut self, end: End) -> std::convert::Infallible {
        self.end(end);
        if end == End::Reset {
            self.conn.reset();
        } else {
            self.conn.cut();
        }
        std::future::pending().await
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let stopped = self.stop.is_cancelled();
        self.end(if stopped {
            End::Stopped
        } else {
            End::ClientClosed
        });
    }
}

impl Player {
    /// Returns the body's bytes, one item per write.
    pub(crate) fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send {
        futures_util::stream::unfold(self, |mut player| async move {
            let bytes = player.next().await?;
            Some((Ok(bytes), player))
        })
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let Some(step) = self.steps.pop_front() else {
                self.record.end(End::Sent);
                return None;
            };
            match step {
                Step::Write { bytes, tokens } => {
                    self.wrote(bytes.len(), tokens);
                    return Some(bytes);
                }
                Step::Repeat { bytes, times, gap } => {
                    if !gap.is_zero() {
                        tokio::time::sleep(gap).await;
                    }
                    if times > 1 {
                        let bytes = bytes.clone();
                        self.steps.push_front(Step::Repeat {
                            bytes,
                            times: times - 1,
                            gap,
                        });
                    }
                    self.wrote(bytes.len(), 0);
                    return Some(bytes);
                }
                Step::Gate(token) => self.pass(token).await,
                Step::Sent(token) => {
                    if let Some(gate) = &self.gate {
                        gate.sent(token);
                    }
                }
                Step::Breathe => tokio::task::yield_now().await,
                Step::Wait(time) => tokio::time::sleep(time).await,
                Step::Hold => {
                    tokio::time::sleep(self.hold).await;
                    self.steps.push_front(Step::Cut);
                }
                Step::Cut => match self.record.abort(End::Cut).await {},
                Step::Reset => match self.record.abort(End::Reset).await {},
            }
        }
    }

    async fn pass(&mut self, token: u64) {
        let Some(gate) = &mut self.gate else { return };
        if tokio::time::timeout(self.hold, gate.pass(token))
            .await
            .is_err()
        {
            self.steps.push_front(Step::Cut);
        }
    }

    fn wrote(&self, bytes: usize, tokens: usize) {
        let now = self.record.ledger.now_ms();
        let has_left = self.record.conn.closed_ago().is_some();
        self.record.ledger.note(self.record.id, |entry| {
            entry.bytes_sent += bytes as u64;
            entry.tokens_sent += tokens;
            if has_left {
                entry.tokens_after_close += tokens;
            }
            if tokens > 0 && entry.first_token_ms.is_none() {
                entry.first_token_ms = Some(now);
            }
        });
    }
}
