//! The log of a deliberation, and the catalogue beside it.
//!
//! This room knows how events are numbered, when they may be seen, how they are stored and read
//! again from any place, who may write them, and how a deliberation is found later. It alone knows
//! a database. It must not know what a deliberation is about: no model, no vote's meaning beyond
//! the catalogue's columns, no HTTP. The council's setup and verbs pass through it as bytes.
//!
//! **A log has two ends.** *Appended* is what its writer wrote; *visible* is what readers may see.
//! A milestone holds the visible end until the commit that contains it, so what anyone was shown of
//! votes and verdicts is stored; a delta is visible at once and handed to the store within 80 ms. When a writer
//! dies, another begins the next *generation* with a stored `rewind` to the last stored event.
//!
//! Read first: [`Logs`] (all of it), [`Writer`] and [`Reader`] (the two ends of one log), [`Store`]
//! (what a database must do).

mod batch;
mod catalogue;
mod entry;
mod env;
mod error;
mod facts;
mod flush;
mod lease;
mod live;
mod logs;
mod memory;
mod reader;
mod search;
mod sqlite;
mod store;
mod writer;

pub use batch::{Batch, PAGE_EVENTS};
pub use catalogue::{Catalogue, Expiry, LIST_LIMIT, Patch, Query, Row, Rows};
pub use entry::Entry;
pub use env::{Clock, Entropy, Env, SeededEntropy, SystemClock, SystemEntropy, TokioClock};
pub use error::{Closed, Error};
pub use facts::{Change, Facts, Field};
pub use logs::{After, Logs, Options, Takeover, Unfinished};
pub use memory::MemoryStore;
pub use reader::{Page, Reader};
pub use sqlite::{Copied, Restored, SqliteStore, backup, restore};
pub use store::{
    Generation, Head, Key, Keyed, New, Opens, Owner, PostedVerb, PresetVersion, SavePreset, Store,
    StoredPreset, Write,
};
pub use writer::{Commit, Writer};
