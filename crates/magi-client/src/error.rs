//! Why a call or a reading did not succeed.

use std::sync::Arc;
use std::time::Duration;

use magi_event::{DecodeError, sse};

use crate::{Problem, TransportError};

/// Why a call or a reading did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is none a client can call: a setting is wrong.
    #[error("`{0}` is no server's address: expected one such as `http://127.0.0.1:8717`")]
    Address(String),
    /// No answer came, or it broke off: the way to the server, or the server, is down.
    #[error("no answer from the server: {0}")]
    Unreachable(#[source] TransportError),
    /// The server sent nothing for too long, not even a heartbeat.
    #[error("the server was silent for {} s", .0.as_secs())]
    Silent(Duration),
    /// The deliberation is not, or no longer, there (404).
    #[error("{0}")]
    NotFound(Box<Problem>),
    /// The cursor is no place in this log, or the verb does not fit the state (409).
    #[error("{0}")]
    Conflict(Box<Problem>),
    /// What the cursor points at is no longer kept, and there was no snapshot to go on from (410).
    #[error("{0}")]
    Gone(Box<Problem>),
    /// The server refused for another reason; the problem says which and what to do.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// What came is not what the contract says: another version, or not a MAGI server.
    #[error("the server does not speak our contract: {0}")]
    Contract(String),
    /// An event of the stream does not read: another version.
    #[error("an event of the stream does not read: {0}")]
    Event(#[source] DecodeError),
    /// One event is larger than this client reads.
    #[error(transparent)]
    TooLong(#[from] sse::TooLong),
    /// It was tried as often as allowed; the cursor is still good.
    #[error("gave up after {attempts} tries: {last}")]
    GaveUp {
        /// How often it was tried since the last event.
        attempts: u32,
        /// What went wrong last.
        #[source]
        last: Arc<Error>,
    },
    /// This door cannot do that.
    #[error("`{0}` is not offered behind `/invocations`")]
    Unsupported(&'static str),
}

impl Error {
    /// Returns the server's refusal, if there was one.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Error::NotFound(problem)
            | Error::Conflict(problem)
            | Error::Gone(problem)
            | Error::Refused(problem) => Some(&**problem),
            Error::GaveUp { last, .. } => last.problem(),
            Error::Address(_)
            | Error::Unreachable(_)
            | Error::Silent(_)
            | Error::Contract(_)
            | Error::Event(_)
            | Error::TooLong(_)
            | Error::Unsupported(_) => None,
        }
    }

    /// Tells whether the same call may well succeed a little later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Unreachable(_) | Error::Silent(_) | Error::GaveUp { .. } => true,
            Error::NotFound(problem)
            | Error::Conflict(problem)
            | Error::Gone(problem)
            | Error::Refused(problem) => problem.is_transient(),
            Error::Address(_)
            | Error::Contract(_)
            | Error::Event(_)
            | Error::TooLong(_)
            | Error::Unsupported(_) => false,
        }
    }

    /// Tells whether a question that was sent cannot have begun a deliberation.
    pub(crate) fn nothing_began(&self) -> bool {
        match self {
            Error::Unreachable(error) => error.never_sent(),
            other => other.problem().is_some_and(Problem::nothing_began),
        }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        let problem = Box::new(problem);
        match problem.status {
            404 => Error::NotFound(problem),
            409 => Error::Conflict(problem),
            410 => Error::Gone(problem),
            _ => Error::Refused(problem),
        }
    }
}
