//! The deliberation's id and the cursor, a place in its log.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// The id of one deliberation: a ULID, on the wire `trace_id`.
///
/// Its 128 bits in hex are the W3C trace id. Ids made later sort later, to the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliberationId(ulid::Ulid);

/// A text that is not a deliberation's id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a deliberation id: expected 26 letters and digits (a ULID)")]
pub struct IdError(String);

impl DeliberationId {
    /// Makes an id from the instant of creation and 80 random bits (the upper 48 are ignored).
    #[must_use]
    pub fn new(at: Timestamp, random: u128) -> Self {
        let ms = u64::try_from(at.as_millis()).unwrap_or(0);
        DeliberationId(ulid::Ulid::from_parts(ms, random))
    }

    /// Returns the instant of creation.
    #[must_use]
    pub fn created_at(self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.0.timestamp_ms()).unwrap_or(i64::MAX))
    }

    /// Returns the W3C trace id: 32 lower-case hex digits.
    ///
    /// Source: W3C Trace Context, section 3.2.2.3.
    #[must_use]
    pub fn trace_hex(self) -> String {
        format!("{:032x}", self.0.0)
    }
}

impl fmt::Display for DeliberationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; ulid::ULID_LEN];
        f.write_str(self.0.array_to_str(&mut text))
    }
}

impl FromStr for DeliberationId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let id = ulid::Ulid::from_string(text).map_err(|_| IdError(shorten(text)))?;
        // A ULID holds 128 bits in 26 base-32 digits; one above 2^128 would not read back as itself.
        let id = DeliberationId(id);
        if id.to_string().eq_ignore_ascii_case(text) {
            Ok(id)
        } else {
            Err(IdError(shorten(text)))
        }
    }
}

/// Keeps an error message small whatever was sent.
fn shorten(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

impl Serialize for DeliberationId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeliberationId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for DeliberationId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DeliberationId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9A-HJKMNP-TV-Z]{26}$" })
    }
}

/// A place in a log: what a reader has seen, written `<deliberation>.<generation>.<seq>`.
///
/// Only letters, digits and `.`, under 128 bytes, so that a browser may send it across origins as
/// `Last-Event-ID` without a preflight.
/// Source: Fetch standard, "CORS-safelisted request-header".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    /// The deliberation whose log this is a place in.
    pub deliberation: DeliberationId,
    /// The uninterrupted writing in which the event was made, from 1.
    pub generation: u32,
    /// The event's number, from 1; 0 is the place before the first event.
    pub seq: u64,
}

/// A text that is not a cursor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a cursor: expected `<deliberation>.<generation>.<seq>`, as in an event's id")]
pub struct CursorError(String);

impl Cursor {
    /// Returns the place before the first event.
    #[must_use]
    pub const fn start(deliberation: DeliberationId) -> Self {
        Cursor {
            deliberation,
            generation: 1,
            seq: 0,
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.deliberation, self.generation, self.seq)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        read_cursor(text).ok_or_else(|| CursorError(shorten(text)))
    }
}

fn read_cursor(text: &str) -> Option<Cursor> {
    let mut parts = text.split('.');
    let deliberation = parts.next()?.parse().ok()?;
    let generation = number(parts.next()?)?;
    let seq = number(parts.next()?)?;
    let generation = u32::try_from(generation)
        .ok()
        .filter(|generation| *generation > 0)?;
    parts.next().is_none().then_some(Cursor {
        deliberation,
        generation,
        seq,
    })
}

/// Reads digits alone: `u64::from_str` would also take a sign.
fn number(digits: &str) -> Option<u64> {
    digits
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

impl Serialize for Cursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Cursor {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cursor".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[0-9A-HJKMNP-TV-Z]{26}\\.[0-9]+\\.[0-9]+$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> DeliberationId {
        DeliberationId::new(Timestamp::from_millis(1_795_395_723_004), 42)
    }

    #[test]
    fn an_id_reads_back_and_knows_its_instant() {
        assert_eq!(id().to_string().parse::<DeliberationId>().unwrap(), id());
        assert_eq!(id().created_at().as_millis(), 1_795_395_723_004);
        assert_eq!(id().trace_hex().len(), 32);
    }

    #[test]
    fn an_id_of_more_than_128_bits_is_refused() {
        assert!(
            "80000000000000000000000000"
                .parse::<DeliberationId>()
                .is_err()
        );
        assert!("01JD3ZK8M".parse::<DeliberationId>().is_err());
    }

    #[test]
    fn a_cursor_reads_back() {
        let cursor = Cursor {
            deliberation: id(),
            generation: 3,
            seq: 17,
        };
        assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
    }

    #[test]
    fn what_is_not_a_cursor_is_refused() {
        let id = id();
        for text in [
            "",
            "0",
            "x.1.1",
            &format!("{id}.1"),
            &format!("{id}.0.1"),
            &format!("{id}.1.-1"),
            &format!("{id}.1.+1"),
            &format!("{id}.1.1.1"),
            &format!("{id}.1.99999999999999999999"),
            &format!("{id}.99999999999.1"),
            &format!("{id}.1.1\n"),
        ] {
            assert!(text.parse::<Cursor>().is_err(), "{text:?}");
        }
    }
}
