//! What a relay holds: bytes it has read and not yet written, counted byte by byte.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Buf, Bytes};

/// The bytes one relay holds in its own memory, now and at most; clones share it.
///
/// Counted from the moment a piece is taken from upstream until the client's socket has accepted it.
/// Not counted: the sockets' buffers, which are the system's, and the HTTP library's read buffer.
#[derive(Clone, Debug, Default)]
pub struct Held {
    counts: Arc<Counts>,
    /// The count of all streams of a relay, where this is one stream's.
    all: Option<Arc<Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    now: AtomicU64,
    most: AtomicU64,
    passed: AtomicU64,
    unread: AtomicU64,
}

/// A piece on its way through a relay; what was written of it is no longer held.
#[derive(Debug)]
pub(crate) struct Piece {
    bytes: Bytes,
    held: Held,
}

impl Held {
    /// Makes the count of a relay that holds nothing.
    #[must_use]
    pub fn new() -> Self {
        Held::default()
    }

    /// Makes the count of one stream of this relay: what it holds counts here as well.
    #[must_use]
    pub fn of_one(&self) -> Self {
        Held {
            counts: Arc::default(),
            all: Some(Arc::clone(&self.counts)),
        }
    }

    /// Returns the bytes held now.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.counts.now.load(Ordering::Acquire)
    }

    /// Returns the most bytes held at any moment so far.
    #[must_use]
    pub fn most(&self) -> u64 {
        self.counts.most.load(Ordering::Acquire)
    }

    /// Returns the bytes that were taken and are no longer held.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.counts.passed.load(Ordering::Acquire)
    }

    /// Returns the bytes that came from upstream when nobody was left to read them.
    #[must_use]
    pub fn unread(&self) -> u64 {
        self.counts.unread.load(Ordering::Acquire)
    }

    /// Counts `bytes` as read from upstream and thrown away.
    pub fn waste(&self, bytes: usize) {
        for counts in self.both() {
            counts.unread.fetch_add(bytes as u64, Ordering::AcqRel);
        }
    }

    /// Counts `bytes` as taken from upstream.
    pub fn take(&self, bytes: usize) {
        for counts in self.both() {
            let now = counts.now.fetch_add(bytes as u64, Ordering::AcqRel) + bytes as u64;
            counts.most.fetch_max(now, Ordering::AcqRel);
        }
    }

    /// Counts `bytes` as written, or thrown away.
    pub fn give(&self, bytes: usize) {
        for counts in self.both() {
            // Passed first: what is looked at meanwhile counts twice rather than not at all.
            counts.passed.fetch_add(bytes as u64, Ordering::AcqRel);
            counts.now.fetch_sub(bytes as u64, Ordering::AcqRel);
        }
    }

    fn both(&self) -> impl Iterator<Item = &Counts> {
        std::iter::once(&self.counts)
            .chain(&self.all)
            .map(Arc::as_ref)
    }

    /// Takes a piece from upstream; it is held until it is written or dropped.
    pub(crate) fn piece(&self, bytes: Bytes) -> Piece {
        self.take(bytes.len());
        Piece {
            bytes,
            held: self.clone(),
        }
    }
}

impl Piece {
    /// Takes bytes from the front.
    pub(crate) fn split_to(&mut self, at: usize) -> Piece {
        Piece {
            bytes: self.bytes.split_to(at),
            held: self.held.clone(),
        }
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.held.give(count);
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.held.give(self.bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_or_dropped_is_no_longer_held() {
        let held = Held::new();
        let mut piece = held.piece(Bytes::from_static(b"0123456789"));
        assert_eq!((held.now(), held.most()), (10, 10));
        let front = piece.split_to(4);
        piece.advance(1);
        assert_eq!((held.now(), held.passed()), (9, 1));
        drop(front);
        assert_eq!(held.now(), 5);
        drop(piece);
        assert_eq!((held.now(), held.most(), held.passed()), (0, 10, 10));
    }

    #[test]
    fn what_one_stream_holds_its_relay_holds() {
        let relay = Held::new();
        let streams = [relay.of_one(), relay.of_one()];
        let pieces = streams
            .each_ref()
            .map(|stream| stream.piece(Bytes::from_static(b"01234")));
        assert_eq!((relay.now(), relay.most()), (10, 10));
        drop(pieces);
        assert_eq!((relay.now(), relay.passed()), (0, 10));
        assert_eq!((streams[0].most(), streams[0].passed()), (5, 5));
    }
}
