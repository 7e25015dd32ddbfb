//! Signed state: what a suspended deliberation needs to go on where nothing of it is kept.
//!
//! Lambda ends a function at its deadline, and the next instance has neither the log nor the memory
//! of the one before. So the reader carries the state: base64url(JSON) `.` base64url(HMAC-SHA256 of
//! the first part), valid for an hour. It is signed and not encrypted: it holds what the reader has
//! seen already, and nothing secret.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use magi_event::{DeliberationId, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::Error;
use crate::setup::Setup;

/// How long a state can be resumed from.
pub(crate) const VALID: Duration = Duration::from_secs(3600);

/// The shortest key, in bytes: as long as the signature it makes.
///
/// Source: RFC 2104, section 3.
const SHORTEST_KEY: usize = 32;

/// The version of what is signed; one that is not known is refused.
const VERSION: u32 = 1;

/// The most bytes of one sage's prose, and of its reasoning, that a state carries: with them the longest
/// question, context, role texts and notes fit into one request, even where JSON escapes every
/// character and base64 adds its third. The judge reads less than this of them.
pub(crate) const LONGEST_CARRIED: usize = 96 * 1024;

/// The same for all conditions of one sage, and for all that would change its mind.
pub(crate) const LONGEST_LIST: usize = 32 * 1024;

/// Signs the state of suspended deliberations and reads it again. Cheap to clone; never shown.
#[derive(Clone)]
pub struct StateKey(Arc<[u8]>);

impl StateKey {
    /// Makes the key from a secret text of at least 32 bytes, the same on every instance.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the text is shorter.
    pub fn new(text: &str) -> Result<Self, Error> {
        if text.len() < SHORTEST_KEY {
            let message = format!(
                "is {} bytes long, at least {SHORTEST_KEY} are needed: make one with \
                 `openssl rand -base64 32`",
                text.len()
            );
            return Err(Error::invalid("MAGI_STATE_KEY", message));
        }
        Ok(StateKey(Arc::from(text.as_bytes())))
    }

    fn mac(&self, signed: &str) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(signed.as_bytes());
        Some(mac)
    }

    /// Writes and signs a state; `None` when it cannot be written.
    pub(crate) fn seal(&self, state: &State) -> Option<String> {
        let json = serde_json::to_vec(state).ok()?;
        let mut text = URL_SAFE_NO_PAD.encode(json);
        let signature = self.mac(&text)?.finalize().into_bytes();
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut text);
        Some(text)
    }

    /// Reads a state that this key signed and that is still valid.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with field `state`: it is no state, changed, signed by another key, or
    /// older than an hour.
    pub(crate) fn open(&self, text: &str, now: Timestamp) -> Result<State, Error> {
        let refused = |message: &str| Error::invalid("state", message);
        let form = "is no state: send the `state` of the last `paused` event as it came";
        let (signed, signature) = text.split_once('.').ok_or_else(|| refused(form))?;
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| refused(form))?;
        let mac = self.mac(signed).ok_or_else(|| refused(form))?;
        mac.verify_slice(&signature).map_err(|_| {
            refused("was changed on the way, or signed with another `MAGI_STATE_KEY`: ask again")
        })?;
        // From here on it is our own writing.
        let json = URL_SAFE_NO_PAD.decode(signed).map_err(|_| refused(form))?;
        let head: Head = serde_json::from_slice(&json).map_err(|_| refused(form))?;
        if head.v != VERSION {
            return Err(refused(
                "was written by another version of this program: ask again",
            ));
        }
        if head.until < now {
            return Err(refused(
                "has expired, it is valid for an hour: ask again, or use the record you have",
            ));
        }
        serde_json::from_slice(&json).map_err(|_| refused(form))
    }
}

impl fmt::Debug for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StateKey(..)")
    }
}

/// What tells whether the rest may be read.
#[derive(Deserialize)]
struct Head {
    v: u32,
    until: Timestamp,
}

/// Where a suspended deliberation stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    v: u32,
    until: Timestamp,
    /// The deliberation that was suspended.
    pub(crate) id: DeliberationId,
    /// The generation that it was suspended in.
    pub(crate) generation: u32,
    /// The last event before its `paused`.
    pub(crate) seq: u64,
    /// The setup of the one that goes on, the finished votes and what was spent among it.
    pub(crate) setup: Setup,
}

impl State {
    /// Makes the state of a deliberation that is suspended now.
    pub(crate) fn new(
        (id, generation, seq): (DeliberationId, u32, u64),
        setup: Setup,
        now: Timestamp,
    ) -> Self {
        let valid = i64::try_from(VALID.as_millis()).unwrap_or(i64::MAX);
        State {
            v: VERSION,
            until: now.plus_millis(valid),
            id,
            generation,
            seq,
            setup,
        }
    }
}
