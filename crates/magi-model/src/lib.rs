//! The models: one trait, one file per vendor, bytes in and chunks out.
//!
//! This room knows the vendors' wire formats and failures. It must not know a vote, a log, a
//! deliberation or a deadline of the council: it streams what a model says, and says truthfully
//! how that ended.
//!
//! Read first: [`Provider`] (what every vendor is to us), [`Call`] (what is asked) and [`Chunk`]
//! (what comes back).

mod call;
mod error;
mod provider;

pub use call::{About, Call, Lang, Message, Purpose, Sampling, Speaker, Tool};
pub use error::{Error, Kind};
pub use provider::{Chunk, ChunkStream, ModelName, ModelNameError, Provider, Registry, StopReason};
