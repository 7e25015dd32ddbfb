//! Rust values as SQLite's, and back.

use magi_event::{DeliberationId, FinalDecision, Mode, Status, Timestamp, Usage, Votes};
use rusqlite::Row;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::damage::is_damage;
use crate::{Error, Facts};

/// Numbers of this program stay far below 2^63; one that a reader made up is clamped.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number we wrote is never negative; a damaged one reads as 0 and fails its checksum.
pub(super) fn uint(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(super) fn uint32(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

pub(super) fn instant(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

/// Writes an enum as its wire word.
pub(super) fn word<T: Serialize>(value: T) -> Option<String> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Some(word),
        _ => None,
    }
}

/// Reads an enum from its wire word; a word of a newer version reads as absent.
pub(super) fn read_word<T: DeserializeOwned>(word: Option<String>) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(word?)).ok()
}

/// Reads the columns of `FACTS`, of which the first is `at`.
pub(super) fn facts(row: &Row<'_>, at: usize) -> rusqlite::Result<Facts> {
    let count = |column: usize| {
        row.get::<_, Option<i64>>(at + column)
            .map(|n| n.map(uint32))
    };
    let votes = match (count(3)?, count(4)?, count(5)?) {
        (Some(approved), Some(rejected), Some(abstained)) => Some(Votes {
            approved,
            rejected,
            abstained,
        }),
        _ => None,
    };
    let usage: Option<String> = row.get(at + 8)?;
    Ok(Facts {
        status: read_word::<Status>(row.get(at)?).unwrap_or(Status::Failed),
        mode: read_word::<Mode>(row.get(at + 1)?),
        verdict: read_word::<FinalDecision>(row.get(at + 2)?),
        votes,
        overruled: row.get(at + 6)?,
        summary: row.get(at + 7)?,
        usage: usage.and_then(|json| serde_json::from_str::<Usage>(&json).ok()),
        cost_usd: row.get(at + 9)?,
    })
}

/// The columns of [`facts`].
pub(super) const FACTS: &str =
    "status, mode, verdict, approved, rejected, abstained, overruled, summary, usage, cost_usd";

/// Reads an id we wrote.
pub(super) fn id(text: &str) -> rusqlite::Result<DeliberationId> {
    text.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })
}

/// What SQLite says when it cannot do its work: the same call may succeed later, unless what it
/// reads is damaged.
pub(super) fn failed(error: rusqlite::Error) -> Error {
    if is_damage(&error) {
        return Error::Damaged {
            reason: error.to_string(),
        };
    }
    Error::unavailable(error)
}
