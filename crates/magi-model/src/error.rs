//! How a model call fails.

use std::time::Duration;

/// The kinds of failure, by what to do about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The vendor asks us to slow down (429).
    Throttled,
    /// The vendor is overloaded or failing (5xx, 529).
    Overloaded,
    /// The key is missing, wrong, out of credit or not allowed this model (401, 402, 403).
    Unauthorised,
    /// No such model or address (404).
    NotFound,
    /// The vendor refuses the request as it is (400, 413, 422): too long, wrong parameter, ...
    BadRequest,
    /// The vendor's policy refuses the request or cut the answer.
    Filtered,
    /// The stream ended without its proper end.
    Truncated,
    /// The stream holds what the vendor's format does not allow.
    Malformed,
    /// No connection, or it broke.
    Network,
    /// No trusted connection: the certificate is wrong, or the server does not speak TLS.
    Untrusted,
    /// The vendor's own time limit (408, 504).
    Timeout,
}

impl Kind {
    /// Returns the word on the wire: `agent_error.data.code`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Kind::Throttled => "throttled",
            Kind::Overloaded => "overloaded",
            Kind::Unauthorised => "unauthorised",
            Kind::NotFound => "not_found",
            Kind::BadRequest => "bad_request",
            Kind::Filtered => "filtered",
            Kind::Truncated => "truncated",
            Kind::Malformed => "malformed",
            Kind::Network => "network",
            Kind::Untrusted => "untrusted",
            Kind::Timeout => "timeout",
        }
    }

    /// Tells whether the same request to the same model may succeed later.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        match self {
            Kind::Throttled
            | Kind::Overloaded
            | Kind::Truncated
            | Kind::Malformed
            | Kind::Network
            | Kind::Timeout => true,
            Kind::Unauthorised
            | Kind::NotFound
            | Kind::BadRequest
            | Kind::Filtered
            | Kind::Untrusted => false,
        }
    }
}

/// A failed model call.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What kind of failure.
    pub kind: Kind,
    /// The vendor's reason and what to do, for a person to read; never holds a key.
    pub message: String,
    /// The HTTP status, where there was one.
    pub status: Option<u16>,
    /// How long the vendor asks us to wait.
    pub retry_after: Option<Duration>,
}

impl Error {
    /// Makes an error of this kind without status or wait.
    #[must_use]
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error {
            kind,
            message: message.into(),
            status: None,
            retry_after: None,
        }
    }
}
