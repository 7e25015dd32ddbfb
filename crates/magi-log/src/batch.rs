//! The unit of storage: a run of consecutive events of one generation, with its checksum.

use bytes::{BufMut, Bytes, BytesMut};
use magi_event::DeliberationId;
use sha2::{Digest, Sha256};

use crate::{Entry, Error};

/// The most events in one batch: also the page in which stored events are read.
pub const PAGE_EVENTS: usize = 256;

/// What a checksum covers before the place and the bytes, so that no other hash can be taken for it.
const CHECKSUM_DOMAIN: &[u8] = b"magi batch 1\0";

/// A run of consecutive events of one generation, as stored: one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The first event's number.
    pub first_seq: u64,
    /// The last event's number.
    pub last_seq: u64,
    /// The generation that wrote it.
    pub generation: u32,
    /// The events' JSON, each followed by a line feed.
    pub bytes: Bytes,
    /// SHA-256 over the deliberation, the three numbers and the bytes.
    pub checksum: [u8; 32],
}

impl Batch {
    /// Packs consecutive entries of one generation into batches of at most [`PAGE_EVENTS`].
    pub(crate) fn pack(id: DeliberationId, entries: &[Entry]) -> Vec<Batch> {
        let parts = entries.chunks(PAGE_EVENTS);
        parts.filter_map(|part| Batch::of(id, part)).collect()
    }

    fn of(id: DeliberationId, entries: &[Entry]) -> Option<Batch> {
        let (first, last) = (entries.first()?.cursor, entries.last()?.cursor);
        let size = entries.iter().map(|entry| entry.json().len() + 1).sum();
        let mut bytes = BytesMut::with_capacity(size);
        for entry in entries {
            bytes.put_slice(entry.json());
            bytes.put_u8(b'\n');
        }
        let mut batch = Batch {
            first_seq: first.seq,
            last_seq: last.seq,
            generation: first.generation,
            bytes: bytes.freeze(),
            checksum: [0; 32],
        };
        batch.checksum = batch.digest(id);
        Some(batch)
    }

    /// Returns the checksum this batch must have.
    pub(crate) fn digest(&self, id: DeliberationId) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(CHECKSUM_DOMAIN);
        hash.update(id.to_string());
        hash.update(self.generation.to_be_bytes());
        hash.update(self.first_seq.to_be_bytes());
        hash.update(self.last_seq.to_be_bytes());
        hash.update(&self.bytes);
        hash.finalize().into()
    }

    /// Reads the entries after `after`.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when the checksum or the number of lines is not what was written.
    pub(crate) fn unpack(&self, id: DeliberationId, after: u64) -> Result<Vec<Entry>, Error> {
        let corrupt = |what: &str| Error::Corrupt {
            id,
            what: format!(
                "the batch of events {} to {} {what}",
                self.first_seq, self.last_seq
            ),
        };
        if self.digest(id) != self.checksum {
            return Err(corrupt("does not match its checksum"));
        }
        let Some(text) = self.bytes.strip_suffix(b"\n") else {
            return Err(corrupt("is cut short"));
        };
        let lines: Vec<_> = text.split(|byte| *byte == b'\n').collect();
        let expected = self.last_seq.checked_sub(self.first_seq);
        if expected.and_then(|count| usize::try_from(count).ok()) != Some(lines.len() - 1) {
            return Err(corrupt("holds another number of events"));
        }
        let numbered = (self.first_seq..).zip(lines);
        Ok(numbered
            .filter(|(seq, _)| *seq > after)
            .map(|(seq, line)| Entry::stored(id, self.generation, seq, line))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use magi_event::{Body, Delta, Event, Sage, Timestamp};

    use super::*;

    fn id() -> DeliberationId {
        DeliberationId::new(Timestamp::from_millis(1), 1)
    }

    fn entries(count: u64) -> Vec<Entry> {
        let event = |seq| Event {
            seq,
            timestamp: Timestamp::from_millis(5),
            trace_id: id(),
            body: Body::AgentChunk(
                Sage::Caspar,
                Delta {
                    text: format!("語{seq}\n"),
                },
            ),
        };
        (1..=count).map(|seq| Entry::new(&event(seq), 1)).collect()
    }

    #[test]
    fn what_is_packed_unpacks_from_any_place() {
        let entries = entries(600);
        let batches = Batch::pack(id(), &entries);
        let sizes: Vec<_> = batches.iter().map(|b| (b.first_seq, b.last_seq)).collect();
        assert_eq!(sizes, [(1, 256), (257, 512), (513, 600)]);
        let read = batches[1].unpack(id(), 300).unwrap();
        let frames =
            |entries: &[Entry]| entries.iter().map(|e| e.frame.clone()).collect::<Vec<_>>();
        assert_eq!(frames(&read), frames(&entries[300..512]));
    }

    #[test]
    fn any_changed_bit_any_moved_row_and_any_cut_is_found() {
        let batch = Batch::pack(id(), &entries(3)).remove(0);
        for at in 0..batch.bytes.len() {
            let mut bytes = batch.bytes.to_vec();
            bytes[at] ^= 1;
            let changed = Batch {
                bytes: bytes.into(),
                ..batch.clone()
            };
            assert!(matches!(
                changed.unpack(id(), 0),
                Err(Error::Corrupt { .. })
            ));
        }
        let renumbered = Batch {
            first_seq: 2,
            last_seq: 4,
            ..batch.clone()
        };
        let other_generation = Batch {
            generation: 2,
            ..batch.clone()
        };
        let cut = Batch {
            bytes: batch.bytes.slice(..batch.bytes.len() - 1),
            ..batch
        };
        for wrong in [renumbered, other_generation, cut] {
            assert!(matches!(wrong.unpack(id(), 0), Err(Error::Corrupt { .. })));
        }
        let other = DeliberationId::new(Timestamp::from_millis(1), 2);
        assert!(batch.unpack(other, 0).is_err());
    }
}
