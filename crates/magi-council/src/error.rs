//! What can go wrong before a deliberation has its first event, and with the verbs.

use magi_log::{Closed, Logs};

/// Why the engine did not do what it was asked. After the first event every failure is an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller's request is wrong; nothing was started.
    #[error("`{field}` {message}")]
    Invalid {
        /// The path of the field at fault, such as `council.roles.caspar.model`.
        field: String,
        /// What is wrong with it and what is expected, to be read after the field's name.
        message: String,
    },
    /// The idempotency key was used for another question, or for another verb or body.
    #[error("this idempotency key was used for another request: send a new key")]
    KeyReused,
    /// The idempotency key belongs to a deliberation that was deleted.
    #[error("the deliberation of this idempotency key was deleted")]
    KeyDeleted,
    /// There is no such deliberation.
    #[error("no such deliberation: it was never here, or it was deleted")]
    Unknown,
    /// There is no preset of this name, or no such version of it.
    #[error("there is no preset `{0}`")]
    NoPreset(String),
    /// Somebody else saved the preset meanwhile.
    #[error("preset `{name}` is at version {version} by now")]
    PresetChanged {
        /// The preset.
        name: String,
        /// Its newest version, 0 when there is none.
        version: u32,
    },
    /// The deliberation is not in a state in which this can be done.
    #[error("{0}")]
    Conflict(String),
    /// The store does not answer; try again later.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// The store's file is damaged, and what to do: the same call will not succeed.
    #[error("{0}")]
    Damaged(String),
    /// As many deliberations run as are allowed, or the engine is shutting down; try again later.
    #[error("{0}")]
    Busy(String),
}

impl Error {
    /// Says why a log took no more, or did not store what it was given.
    pub(crate) fn closed(logs: &Logs, closed: Closed) -> Self {
        match logs.damage() {
            Some(damage) if closed == Closed::Damaged => damage.into(),
            _ => Error::Unavailable(closed.to_string()),
        }
    }

    /// Makes an [`Error::Invalid`].
    pub(crate) fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Error::Invalid {
            field: field.into(),
            message: message.into(),
        }
    }
}

impl From<magi_log::Error> for Error {
    fn from(error: magi_log::Error) -> Self {
        match error {
            magi_log::Error::Unknown(_) | magi_log::Error::Closed(magi_log::Closed::Deleted) => {
                Error::Unknown
            }
            magi_log::Error::Over(_) | magi_log::Error::Owned(_) => {
                Error::Conflict(error.to_string())
            }
            magi_log::Error::PresetChanged { name, version } => {
                Error::PresetChanged { name, version }
            }
            magi_log::Error::Damaged { .. } => Error::Damaged(error.to_string()),
            other => Error::Unavailable(other.to_string()),
        }
    }
}
