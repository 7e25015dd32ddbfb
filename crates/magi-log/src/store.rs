//! The wall behind which databases live: what a store must do, and the shapes that cross it.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use magi_event::{Cursor, DeliberationId, Timestamp};

use crate::catalogue::{Patch, Query, Row, Rows};
use crate::{Batch, Change, Error};

/// A question to be opened: what the log keeps beside its events.
#[derive(Clone, Debug, PartialEq)]
pub struct New {
    /// The deliberation's id.
    pub id: DeliberationId,
    /// The council's own stored setup, opaque to the log.
    pub setup: Bytes,
    /// The idempotency key it was asked with.
    pub key: Option<Key>,
    /// The title; a person may change it later.
    pub title: String,
    /// The preset's name, or `custom`.
    pub preset: String,
    /// The language of prompts and answers: `ja` or `en`.
    pub lang: String,
    /// The question, as asked.
    pub question: String,
    /// More text to consider, as given.
    pub context: Option<String>,
    /// The conversation the question belongs to.
    pub conversation_id: Option<String>,
    /// The deliberation this one goes on from.
    pub fork_of: Option<DeliberationId>,
}

/// An idempotency key with what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Who asks; keys of different identities never meet.
    pub identity: String,
    /// The key itself.
    pub key: String,
    /// SHA-256 of the body it was first used with.
    pub body_sha256: [u8; 32],
}

/// What an idempotency key stands for. It is kept for ever, also when the deliberation is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keyed {
    /// The deliberation.
    pub id: DeliberationId,
    /// SHA-256 of the body it was first used with.
    pub body_sha256: [u8; 32],
    /// Whether the deliberation was deleted since.
    pub deleted: bool,
}

/// One uninterrupted writing of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation {
    /// Its number, from 1.
    pub number: u32,
    /// The first event it wrote: a `rewind`, or `start` in the first.
    pub first_seq: u64,
    /// Whether a finished part was stored in it; see [`Change::progress`].
    pub progress: bool,
    /// Whether its owner handed it over, or saw it end, instead of dying.
    pub released: bool,
}

/// Where a log stands, as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// The deliberation.
    pub id: DeliberationId,
    /// The last stored event's number.
    pub last_seq: u64,
    /// How it stands or ended.
    pub status: magi_event::Status,
    /// The instant of the last stored event.
    pub last_event_at: Timestamp,
    /// The first event that is still kept.
    pub first_kept: u64,
    /// All its generations, the present one last; never empty.
    pub generations: Vec<Generation>,
    /// Who writes it.
    pub owner: Option<Owner>,
}

/// Who writes a log, and until when that is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The owner's name, unique to one store handle of one process.
    pub name: String,
    /// When its lease ends unless it is renewed.
    pub lease_until: Timestamp,
    /// Whether the owner is known to be dead, whatever its lease says.
    pub dead: bool,
}

impl Head {
    /// Returns the present generation's number.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generations.last().map_or(1, |last| last.number)
    }

    /// Returns the place of the last stored event.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor {
            deliberation: self.id,
            generation: self.generation(),
            seq: self.last_seq,
        }
    }

    /// Tells whether the last event is stored.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.status.is_over()
    }

    /// Counts the crashes since the last finished part: 2 means that a restart brought nothing.
    ///
    /// Counted back from the present generation, whose owner must be dead: a generation that was
    /// handed over ends the count; one with progress is counted and ends it.
    #[must_use]
    pub fn crashes_without_milestone(&self) -> u32 {
        let mut crashes = 0;
        for generation in self.generations.iter().rev() {
            if generation.released {
                break;
            }
            crashes += 1;
            if generation.progress {
                break;
            }
        }
        crashes
    }
}

/// How a write begins a generation.
#[derive(Clone, Debug, PartialEq)]
pub enum Opens {
    /// The first generation of a new log.
    New(Box<New>),
    /// A later generation: the log must still be at this place, so that of two only one wins.
    Again {
        /// The last stored event's number.
        last_seq: u64,
        /// Whether the generation before was given up alive, which is not a crash.
        released: bool,
    },
}

/// One all-or-nothing write: consecutive batches of one generation, and what follows from them.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// The deliberation.
    pub id: DeliberationId,
    /// The writer's generation: the fencing token.
    pub generation: u32,
    /// The batches, in order; never empty.
    pub batches: Vec<Batch>,
    /// What they change in the catalogue.
    pub change: Change,
    /// The instant of the last event.
    pub last_event_at: Timestamp,
    /// Whether and how this write begins its generation.
    pub opens: Option<Opens>,
    /// The end of the writer's lease, for a write that begins a generation.
    pub lease_until: Timestamp,
}

impl Write {
    /// Returns the first event's number.
    #[must_use]
    pub fn first_seq(&self) -> u64 {
        self.batches.first().map_or(0, |batch| batch.first_seq)
    }

    /// Returns the last event's number.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.batches.last().map_or(0, |batch| batch.last_seq)
    }
}

/// A preset that a person made, in one of its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPreset {
    /// The name.
    pub name: String,
    /// This version's number, from 1; no number is ever given twice for one name.
    pub version: u32,
    /// When this version was saved.
    pub saved_at: Timestamp,
    /// Whether it was deleted since: it is only found by its number then.
    pub is_deleted: bool,
    /// The council's own JSON, opaque to the log.
    pub content: String,
    /// All versions there are of the name, oldest first; empty in a list.
    pub versions: Vec<PresetVersion>,
}

/// A version of a preset that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PresetVersion {
    /// Its number.
    pub version: u32,
    /// When it was saved.
    pub saved_at: Timestamp,
}

/// A preset to be saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavePreset {
    /// The name.
    pub name: String,
    /// The council's own JSON, opaque to the log.
    pub content: String,
    /// The newest version that the writer knows, 0 for none; `None` writes whatever there is.
    pub if_version: Option<u32>,
    /// Now.
    pub at: Timestamp,
}

/// A verb for whoever owns the log, as the council's own JSON; opaque to the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedVerb(pub Bytes);

/// Where logs are kept. Every method is all or nothing, and answers only after it is durable as far
/// as this store can be.
///
/// # Cancel safety
///
/// A dropped future may or may not have done its work; every write can be repeated.
pub trait Store: Send + Sync + 'static {
    /// Returns this handle's name as an owner.
    fn owner(&self) -> &str;

    /// Returns the damage that a call met in the store's file: nothing is written to it any more.
    fn damage(&self) -> Option<Error> {
        None
    }

    /// Writes batches; the same write again is a success that changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] with `Fenced` when the log's generation is another, `Deleted` when the log
    /// is not there, `KeyTaken` when a new log's key is in use. Anything else: not known to be
    /// stored.
    fn write(&self, write: std::sync::Arc<Write>) -> BoxFuture<'_, Result<(), Error>>;

    /// Reads where a log stands.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] when it is not there.
    fn head(&self, id: DeliberationId) -> BoxFuture<'_, Result<Head, Error>>;

    /// Reads the batches that hold the events after `after`: from the one that holds the next, until
    /// [`crate::PAGE_EVENTS`] events are read or there are no more.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] when the log is not there.
    fn batches(&self, id: DeliberationId, after: u64) -> BoxFuture<'_, Result<Vec<Batch>, Error>>;

    /// Reads the setup a log was opened with.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] when the log is not there.
    fn setup(&self, id: DeliberationId) -> BoxFuture<'_, Result<Bytes, Error>>;

    /// Looks an idempotency key up.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    fn lookup_key(
        &self,
        identity: String,
        key: String,
    ) -> BoxFuture<'_, Result<Option<Keyed>, Error>>;

    /// Lists the heads of all logs without a last event, oldest first.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    fn unfinished(&self) -> BoxFuture<'_, Result<Vec<Head>, Error>>;

    /// Lengthens this owner's lease and lists the unfinished logs it still owns, with generation.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    fn renew(&self, until: Timestamp) -> BoxFuture<'_, Result<Vec<(DeliberationId, u32)>, Error>>;

    /// Gives a log up, if this owner still owns it in `generation`. `alive` says that it was handed
    /// over; otherwise it counts as a crash.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    fn release(
        &self,
        id: DeliberationId,
        generation: u32,
        alive: bool,
    ) -> BoxFuture<'_, Result<(), Error>>;

    /// Makes this owner known to be dead, at once and without writing to the store.
    fn resign(&self);

    /// Resigns and lets the store's files go. When it returns nothing of this handle's is under way on
    /// them: they may be copied, moved or replaced. A later call opens them again.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped the owner may not have resigned; it may be called again.
    fn close(&self) -> BoxFuture<'_, ()>;

    /// Keeps a verb for the log's owner.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] when the log is not there, [`Error::Over`] when it has its last event.
    fn post(&self, id: DeliberationId, verb: PostedVerb) -> BoxFuture<'_, Result<(), Error>>;

    /// Takes the verbs for the logs this owner owns, oldest first.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    fn take_posted(&self) -> BoxFuture<'_, Result<Vec<(DeliberationId, PostedVerb)>, Error>>;

    /// Lists the catalogue, newest first.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    fn list(&self, query: Query) -> BoxFuture<'_, Result<Rows, Error>>;

    /// Reads one row of the catalogue.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] when it is not there.
    fn row(&self, id: DeliberationId) -> BoxFuture<'_, Result<Row, Error>>;

    /// Changes what a person may change, and returns the row.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] when it is not there.
    fn patch(&self, id: DeliberationId, patch: Patch) -> BoxFuture<'_, Result<Row, Error>>;

    /// Deletes a log and all that is known of it, except that its idempotency key was used.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] when it is not there.
    fn delete(&self, id: DeliberationId, at: Timestamp) -> BoxFuture<'_, Result<(), Error>>;

    /// Lists the newest version of every preset that is not deleted, by name.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    fn presets(&self) -> BoxFuture<'_, Result<Vec<StoredPreset>, Error>>;

    /// Reads one version of a preset, deleted or not; without a number the newest, if the preset is
    /// not deleted.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    fn preset(
        &self,
        name: String,
        version: Option<u32>,
    ) -> BoxFuture<'_, Result<Option<StoredPreset>, Error>>;

    /// Counts the deliberations that are kept, by the name of their preset.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    fn preset_uses(&self) -> BoxFuture<'_, Result<BTreeMap<String, u64>, Error>>;

    /// Saves the next version of a preset and returns it. Content that the newest version holds
    /// already changes nothing, so that a repeat is harmless.
    ///
    /// # Errors
    ///
    /// [`Error::PresetChanged`] when another version than [`SavePreset::if_version`] is the newest.
    fn save_preset(&self, save: SavePreset) -> BoxFuture<'_, Result<StoredPreset, Error>>;

    /// Hides a preset; tells whether there was one.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    fn delete_preset(&self, name: String, at: Timestamp) -> BoxFuture<'_, Result<bool, Error>>;
}
