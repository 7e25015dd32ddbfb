//! The writing end of a log.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use magi_event::{Body, Cursor, DeliberationId};
use tokio::sync::watch;

use crate::Closed;
use crate::live::Live;

/// The writing end of a log in one generation. Clones write to the same log.
///
/// When the last clone is dropped before the last event was written, what was appended is stored
/// and the deliberation is given up, as after a crash.
#[derive(Clone)]
pub struct Writer(Arc<Guard>);

struct Guard {
    live: Arc<Live>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.live.orphan();
    }
}

impl Writer {
    pub(crate) fn new(live: Arc<Live>) -> Self {
        Writer(Arc::new(Guard { live }))
    }

    fn live(&self) -> &Arc<Live> {
        &self.0.live
    }

    /// Returns the deliberation.
    #[must_use]
    pub fn id(&self) -> DeliberationId {
        self.live().id
    }

    /// Returns the generation this writer writes, from 1.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.live().generation
    }

    /// Returns the newest place a reader may see.
    #[must_use]
    pub fn visible(&self) -> Cursor {
        Cursor {
            deliberation: self.id(),
            generation: self.generation(),
            seq: self.live().visible(),
        }
    }

    /// Appends one event and returns its number. Never waits.
    ///
    /// # Errors
    ///
    /// Why this writer may write no more.
    pub fn append(&self, body: Body) -> Result<u64, Closed> {
        self.live().append([body])
    }

    /// Appends events that become visible, and are stored, all together; returns the last one's
    /// number. Never waits.
    ///
    /// # Errors
    ///
    /// Why this writer may write no more.
    pub fn append_all(&self, bodies: Vec<Body>) -> Result<u64, Closed> {
        self.live().append(bodies)
    }

    /// Waits while the part not yet stored is at its bound. Returns at once when the writer is
    /// closed, so that the next append says why.
    ///
    /// # Cancel safety
    ///
    /// Safe: it changes nothing.
    pub async fn room(&self) {
        let live = self.live();
        let mut settled = live.settled.subscribe();
        while live.is_full() && live.closed().is_none() {
            if settled.changed().await.is_err() {
                return;
            }
        }
    }

    /// Returns a future that resolves when everything up to `seq` is stored.
    pub fn commit(&self, seq: u64) -> Commit {
        Commit::of(Arc::clone(self.live()), seq)
    }

    /// Waits until this writer may write no more, and says why. A log that ends properly never
    /// closes its writer.
    ///
    /// # Cancel safety
    ///
    /// Safe: it changes nothing.
    pub async fn closed(&self) -> Closed {
        let live = self.live();
        let mut settled = live.settled.subscribe();
        loop {
            if let Some(closed) = live.closed() {
                return closed;
            }
            if settled.changed().await.is_err() {
                return Closed::Released;
            }
        }
    }

    /// Returns how long the last commit took, for the trace of the next milestone.
    #[must_use]
    pub fn last_commit(&self) -> Option<Duration> {
        self.live().last_commit()
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("id", &self.id())
            .field("generation", &self.generation())
            .finish_non_exhaustive()
    }
}

/// Resolves when a part of a log is stored, or says why it never will be by this writer.
#[must_use = "a commit only tells when it is awaited"]
pub struct Commit(BoxFuture<'static, Result<(), Closed>>);

impl Commit {
    pub(crate) fn of(live: Arc<Live>, seq: u64) -> Self {
        let settled = live.settled.subscribe();
        Commit(Box::pin(stored(live, seq, settled)))
    }

    pub(crate) fn refused(closed: Closed) -> Self {
        Commit(Box::pin(std::future::ready(Err(closed))))
    }
}

async fn stored(live: Arc<Live>, seq: u64, mut settled: watch::Receiver<()>) -> Result<(), Closed> {
    loop {
        if live.stored() >= seq {
            return Ok(());
        }
        if let Some(closed) = live.closed() {
            return Err(closed);
        }
        if settled.changed().await.is_err() {
            return Err(Closed::Released);
        }
    }
}

impl Future for Commit {
    type Output = Result<(), Closed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

impl std::fmt::Debug for Commit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Commit").finish_non_exhaustive()
    }
}
