//! The vocabulary of MAGI: what happened in a deliberation, in the one form that every front end,
//! file and test reads.
//!
//! This room knows the events, their wire JSON and their SSE frame, the ids, the fold (events to a
//! [`Snapshot`]) and the checker that holds the invariants of a log. It must not know a network, a
//! database, a clock or a model vendor: everything here is a pure function of its arguments.
//!
//! Read first: [`Event`] (one line of a log), [`Body`] (the kinds of event) and [`Cursor`] (a place
//! in a log).

mod body;
pub mod check;
mod data;
mod digest;
mod event;
mod fold;
mod id;
pub mod sample;
mod schema;
mod sentence;
pub mod sse;
mod time;
mod vote;
mod who;

pub use body::{Body, Unknown};
pub use data::*;
pub use digest::{TextDigest, text_sha256};
pub use event::{DecodeError, Event};
pub use fold::{Fault, JudgeLane, Lane, LaneState, Noted, Phase, SageLane, Snapshot};
pub use id::{Cursor, CursorError, DeliberationId, IdError};
pub use schema::{SCHEMA_JSON, schema};
pub use sentence::first_sentence;
pub use time::Timestamp;
pub use vote::{
    Cause, Confidence, Decision, FinalDecision, Missing, Rule, RuleError, Status, Votes,
};
pub use who::{Agent, Sage, UnknownAgent};

/// The version of the event contract, sent in `start.data.protocol`.
pub const PROTOCOL: u32 = 1;
