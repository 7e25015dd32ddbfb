//! Fake vendors and faulty networks, for MAGI's tests, benches and demos; never in the shipped binary.
//!
//! This room knows the wires of OpenAI's Chat Completions, Anthropic's Messages and Bedrock's
//! ConverseStream as their servers speak them, the faults that servers and networks have, and the words of a council (roles, votes).
//! It must not know `magi-model`'s decoders, or anything else that reads what it writes: the fake and
//! the decoder may share no code, so that they share no misreading.
//!
//! Read first: [`Emulator`] (starts the fakes), [`Ledger`] (what they saw), [`Lockstep`] (one token at
//! a time) and [`fault::Proxy`] (a network that breaks).
//!
//! # The model's name chooses what happens
//!
//! A name is words joined by `+`, as in `fake-a+429-retry-2+reasoning+cut-after-40`. An unknown word is
//! answered as an unknown model is: 404 (Bedrock: 400). A word with `-once` or `-times-N` holds for the first attempts
//! only, counted by model and role (the member of the council that the system prompt names).
//!
//! | word | what the fake does |
//! |---|---|
//! | `ok`, `fake`, `fake-a`, `fake1` | nothing; words that begin with `fake` tell models apart |
//! | `429`, `500`, `503`, `529`, `401`, `403`, `404` | that status with the vendor's error body, always; any 4xx and 5xx |
//! | `429-retry-SECONDS`, `429-retry-SECONDS-always`, `429-retry-date` | the status with `Retry-After`, on the first attempt (or always) |
//! | `500-once`, `503-times-N`, `503-for-SECONDSs` | the status once, N times, or until so long after the model's first request |
//! | `400-context`, `400-filter`, `429-quota`, `502-html` | too long, content policy, no quota left, a proxy's page instead of JSON |
//! | `reset-before-headers`, `reset-after-N` | the connection is reset (RST) before the headers, or after N tokens |
//! | `no-answer` | the request is read and never answered |
//! | `first-token-SECONDSs`, `first-token-MS` | headers and opening events at once, the first token so much later |
//! | `stall-after-N`, `stall-after-N-SECONDSs` | silence after N tokens: until the client leaves, or so long and then closed |
//! | `pings-after-N` | nothing but pings (comments, for OpenAI) after N tokens |
//! | `tps-N`, `drip-MS`, `drip-bytes-MS` | tokens per second; so much between tokens; so much between bytes |
//! | `cut-after-N`, `cut-after-N-clean` | closed after N tokens: without the chunked end, or with it |
//! | `error-after-N` | the vendor's error event after N tokens (Bedrock: `modelStreamErrorException`) |
//! | `exception-internal-after-N`, `exception-model-stream-after-N`, `exception-validation-after-N`, `exception-throttling-after-N`, `exception-unavailable-after-N` | Bedrock: that exception inside the stream; the others: their error event |
//! | `cut-byte-N`, `cut-byte-N-clean` | closed after N bytes of the body: without the chunked end, or with it |
//! | `bad-crc-after-N` | Bedrock: a delta whose checksum is wrong, then the rest; the others: as `malformed-at-N` |
//! | `unknown-event-after-N` | after N tokens an event of a kind nobody knows, then the rest |
//! | `stall-at-end` | silence behind the event that says why the model stopped, before what follows it |
//! | `length-after-N`, `filter-after-N` | a proper end after N tokens: output limit, or content filter |
//! | `stop-guardrail-after-N`, `stop-sequence-after-N`, `stop-malformed-output-after-N`, `stop-malformed-tool-after-N`, `stop-context-after-N`, `stop-new-after-N` | Bedrock: a proper end after N tokens with that reason, or with one nobody knows; the others: the nearest they have |
//! | `no-sentinel`, `no-finish` | everything but `[DONE]` / `message_stop` / `metadata`; everything but the finish reason / `message_delta` / `messageStop` |
//! | `malformed-at-N` | an extra event whose JSON stops in the middle after N tokens, then the rest |
//! | `split-utf8`, `slices` | writes that end inside every multi-byte character; one-byte writes |
//! | `huge-line-KIB`, `no-newline-MIB`, `flood-MIB` | one event so large; an event that never ends; so much more text |
//! | `empty`, `refusal` | no content and a proper end; a refusal |
//! | `usage-anywhere`, `no-usage` | OpenAI: usage on the finishing event, asked for or not; never |
//! | `reasoning`, `reasoning-short` | thinks aloud first; OpenAI: as `reasoning_content`, or as `reasoning` |
//! | `crlf`, `no-space`, `comments`, `empty-frames`, `null-content`, `bom` | harmless habits of other servers |
//! | `429-not-ready`, `403-no-model`, `403-expired`, `403-unknown-key`, `400-on-demand` | Bedrock: `ModelNotReadyException`; a model not opened for the account, keys that ran out or that nobody has; a model that needs an inference profile |
//! | `no-tools`, `no-forced-tool`, `no-text-format`, `no-count` | Bedrock: refuses a request with tools, with a forced tool, with `outputConfig.textFormat`; cannot count tokens |
//! | `cached` | Bedrock: half of the prompt read from a cache, a quarter written to it |
//! | `strict-params` | refuses sampling parameters and `max_tokens` as the vendors' newest models do |
//! | `no-prefill` | refuses a request whose last message is the assistant's |
//! | `approve`, `reject`, `abstain`, `by-role`, `random`, `random-SEED` | the vote; by role CASPAR rejects, the others approve; random draws prose, form and vote |
//! | `tool`, `tail`, `json`, `prose`, `malformed`, `malformed-N`, `quoted` | how it is given: tool call, fenced tail, JSON alone, not at all, damaged (N picks how), after somebody else's block |
//! | `len-N` | N tokens of prose (60 without it) |
//! | `lockstep` | prose token k + 1 only after token k was reported; every token is its number |
//!
//! Without a word for it the vote is `approve`, given by the tool the request offers, else as a tail. The
//! vote carries the tag that the request's tool schema or prompt asks for, and a question in Japanese is
//! answered in Japanese. Tokens are counted over reasoning, text and tool arguments together.
//!
//! # Beside the vendors' routes
//!
//! `GET /ledger[?model=]` is the [`Ledger`] as JSON, `DELETE /ledger` forgets it, `POST /release` with
//! `{"model"?, "role"?, "token"}` is [`Lockstep::report`], `GET /healthz` answers `ok`.

pub mod cloud;
pub mod demo;
pub mod fault;
mod vendors;

use std::net::SocketAddr;

pub use vendors::{Ahead, Config, Emulator, End, Entry, Ledger, Lockstep, Running, Vendor, Who};

/// What can go wrong in starting an emulator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}: {source}")]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A setting that AWS would not take.
    #[error("`{field}`: {why}")]
    Setting {
        /// The setting.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
}
