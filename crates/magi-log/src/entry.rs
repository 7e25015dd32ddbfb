//! One event of a log as readers get it: encoded once, shared by all of them.

use bytes::Bytes;
use magi_event::{Cursor, DecodeError, DeliberationId, Event, sse};

/// What an entry costs beside its bytes: the structure, its share of the allocation's head.
const OVERHEAD: usize = 96;

/// The bytes of a frame after its JSON: the line end and the blank line.
const FRAME_END: usize = 2;

/// One event of a log, encoded. Cloning shares the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The event's place.
    pub cursor: Cursor,
    /// The event's server-sent-event frame.
    pub frame: Bytes,
    json_at: usize,
    milestone: bool,
    last: bool,
}

impl Entry {
    /// Encodes an event of a generation.
    pub(crate) fn new(event: &Event, generation: u32) -> Self {
        let json = event.to_json();
        Entry {
            milestone: event.body.is_milestone(),
            last: event.body.is_last(),
            ..Entry::framed(event.trace_id, generation, event.seq, &json)
        }
    }

    /// Makes an entry of a stored line, which is committed and so holds nothing back.
    pub(crate) fn stored(id: DeliberationId, generation: u32, seq: u64, json: &[u8]) -> Self {
        Entry {
            last: names_a_last_event(json),
            ..Entry::framed(id, generation, seq, json)
        }
    }

    fn framed(deliberation: DeliberationId, generation: u32, seq: u64, json: &[u8]) -> Self {
        let cursor = Cursor {
            deliberation,
            generation,
            seq,
        };
        let frame = sse::frame(cursor, json);
        Entry {
            cursor,
            json_at: frame.len() - json.len() - FRAME_END,
            frame,
            milestone: false,
            last: false,
        }
    }

    /// Returns the event's JSON, one line.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        &self.frame[self.json_at..self.frame.len() - FRAME_END]
    }

    /// Returns the event.
    ///
    /// # Errors
    ///
    /// When the JSON is not an event of this contract.
    pub fn event(&self) -> Result<Event, DecodeError> {
        Event::from_json(self.json())
    }

    /// Tells whether this is the last event: `complete`, `cancelled` or `error`.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        self.last
    }

    pub(crate) const fn is_milestone(&self) -> bool {
        self.milestone
    }

    /// Returns what keeping the entry costs, in bytes.
    pub(crate) fn cost(&self) -> usize {
        self.frame.len() + OVERHEAD
    }
}

/// Tells a last event by the head of its line, as [`Event::to_json`] writes it: `type` comes first.
fn names_a_last_event(json: &[u8]) -> bool {
    let Some(rest) = json.strip_prefix(br#"{"type":""#) else {
        return false;
    };
    [&b"complete\""[..], b"cancelled\"", b"error\""]
        .iter()
        .any(|name| rest.starts_with(name))
}

#[cfg(test)]
mod tests {
    use magi_event::{Body, Cancelled, Failure, Timestamp};

    use super::*;

    #[test]
    fn the_last_event_is_known_from_its_line() {
        let id = DeliberationId::new(Timestamp::from_millis(1), 1);
        let bodies = [
            Body::Cancelled(Cancelled {
                by: "user".into(),
                reason: "asked".into(),
                usage: None,
                cost_usd: None,
            }),
            Body::Error(Failure {
                code: "no_votes".into(),
                message: "none".into(),
                missing: vec![],
                usage: None,
                cost_usd: None,
            }),
            Body::JudgeChunk(magi_event::Delta {
                text: r#"{"type":"complete""#.into(),
            }),
        ];
        for body in bodies {
            let event = Event {
                seq: 3,
                timestamp: Timestamp::from_millis(5),
                trace_id: id,
                body,
            };
            let fresh = Entry::new(&event, 2);
            let stored = Entry::stored(id, 2, 3, &event.to_json());
            assert_eq!(fresh.is_last(), event.body.is_last());
            assert_eq!(stored.is_last(), event.body.is_last());
            assert_eq!(stored.frame, fresh.frame);
            assert_eq!(stored.event().unwrap(), event);
        }
    }
}
