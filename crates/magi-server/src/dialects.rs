//! Dialects: the same log in the words of another protocol, each a pure fold (state, event) to
//! frames.
//!
//! The state is rebuilt from the log's prefix, so that a reader may go on in any dialect after any
//! cursor. Only the last frame of an event carries its id: whoever is cut between two frames of one
//! event gets the event whole again.

pub mod chunks;
pub mod native;

use std::str::FromStr;

use bytes::{Bytes, BytesMut};
use magi_event::{Cursor, Event, sse};

/// In whose words a log is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// The events as they are.
    #[default]
    Native,
    /// The frames of the original's Lambda gateway, whose content is a text to read.
    Chunks,
}

/// A name that is no dialect's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown dialect `{0}`: expected `native` or `chunks`")]
pub struct UnknownDialect(String);

impl Dialect {
    /// All dialects' names.
    pub const NAMES: [&str; 2] = ["native", "chunks"];
}

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(name: &str) -> Result<Self, UnknownDialect> {
        match name {
            "native" => Ok(Dialect::Native),
            "chunks" => Ok(Dialect::Chunks),
            _ => Err(UnknownDialect(name.chars().take(64).collect())),
        }
    }
}

/// Frames the JSON texts of one event: the last one carries the id.
#[must_use]
pub fn frames(id: Cursor, texts: &[String]) -> Bytes {
    let mut frames = BytesMut::new();
    for (at, text) in texts.iter().enumerate() {
        let frame = if at + 1 == texts.len() {
            sse::frame(id, text.as_bytes())
        } else {
            sse::data_frame(text.as_bytes())
        };
        frames.extend_from_slice(&frame);
    }
    frames.freeze()
}

/// Turns events into the JSON texts of a dialect's frames.
pub trait Fold {
    /// Takes the next event in and returns what is sent for it, possibly nothing.
    fn step(&mut self, event: &Event) -> Vec<String>;
}
