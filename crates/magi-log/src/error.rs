//! What can go wrong with a log, and how a writer ends.

use magi_event::{Cursor, DeliberationId};

/// Why a writer may write no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Closed {
    /// Another owner took the deliberation over in a newer generation.
    #[error("another owner took the deliberation over")]
    Fenced,
    /// The store could not commit in time.
    #[error("the store could not commit in time")]
    Unavailable,
    /// The store's file is damaged: nothing more is written to it.
    #[error("the store is damaged")]
    Damaged,
    /// The deliberation was deleted.
    #[error("the deliberation was deleted")]
    Deleted,
    /// The idempotency key already belongs to another deliberation; nothing was stored.
    #[error("the idempotency key already belongs to another deliberation")]
    KeyTaken,
    /// This process hands its deliberations over because it stops.
    #[error("this process is stopping")]
    Released,
    /// The last event was written; nothing may follow.
    #[error("the last event was already written")]
    Ended,
}

/// What can go wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such deliberation: it never was, or it was deleted.
    #[error("there is no deliberation `{0}`: it may have been deleted")]
    Unknown(DeliberationId),
    /// The events after the cursor are no longer kept.
    #[error("events before `{first_kept}` are no longer kept")]
    Gone {
        /// The first event that is still there.
        first_kept: Cursor,
    },
    /// The cursor is ahead of the log.
    #[error("the cursor `{cursor}` is ahead of the log, which is at `{newest}`")]
    Ahead {
        /// The cursor as given.
        cursor: Cursor,
        /// The newest place of the log.
        newest: Cursor,
    },
    /// The log goes on elsewhere, or after this process: connect again with the same cursor.
    #[error("the deliberation goes on elsewhere: connect again with the same cursor")]
    Moved,
    /// The store does not answer. Try again later, with the same cursor.
    #[error("the store is unavailable: {reason}")]
    Unavailable {
        /// What the store said, for the operator's log.
        reason: String,
    },
    /// What is stored is not what was written.
    #[error("the stored log of deliberation `{id}` is damaged: {what}")]
    Corrupt {
        /// Whose log it is.
        id: DeliberationId,
        /// What is wrong with it.
        what: String,
    },
    /// The store was written by a newer version of this program.
    #[error(
        "the data folder has format {found}, this program knows up to {known}: use a newer one"
    )]
    Newer {
        /// The format found.
        found: u32,
        /// The newest format this program reads.
        known: u32,
    },
    /// The data folder cannot be opened.
    #[error("failed to open the data folder `{path}`: {reason}")]
    Open {
        /// The folder.
        path: String,
        /// Why not.
        reason: String,
    },
    /// The store's file is damaged; the same call will not succeed.
    #[error("the store is damaged: {reason}")]
    Damaged {
        /// What was found, and what can be done.
        reason: String,
    },
    /// The data folder, or its file system, cannot be written to.
    #[error(
        "the data folder `{path}` is read-only: what is in it can be shown (`magi history`, \
         `magi replay`, `magi export`), but nothing can be written; choose another with --data-dir, \
         or make it writable"
    )]
    ReadOnly {
        /// The folder.
        path: String,
    },
    /// Another owner, or this process, is writing the deliberation.
    #[error("deliberation `{0}` is being written by a live owner")]
    Owned(DeliberationId),
    /// The deliberation has its last event.
    #[error("deliberation `{0}` is over")]
    Over(DeliberationId),
    /// A copy of the store cannot be made, or is not taken; nothing was changed.
    #[error("{path}: {reason}")]
    Copy {
        /// The file or folder that it is about.
        path: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// Another version of a preset is the newest than the writer knows.
    #[error("preset `{name}` is at version {version} by now")]
    PresetChanged {
        /// The preset.
        name: String,
        /// Its newest version, 0 when there is none.
        version: u32,
    },
    /// The store refused a write, and what that means for its writer.
    #[error(transparent)]
    Closed(#[from] Closed),
}

impl Error {
    /// Tells whether the same call may succeed later without any change.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Error::Unavailable { .. } | Error::Moved)
    }

    pub(crate) fn unavailable(reason: impl std::fmt::Display) -> Self {
        Error::Unavailable {
            reason: reason.to_string(),
        }
    }
}
