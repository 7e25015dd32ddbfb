//! The models: one trait, one file per vendor, bytes in and chunks out.
//!
//! This room knows the vendors' wire formats and failures. It must not know a vote, a log, a
//! deliberation or a deadline of the council: it streams what a model says, and says truthfully
//! how that ended.
//!
//! Read first: [`Provider`] (what every vendor is to us), [`Call`] (what is asked) and [`Chunk`]
//! (what comes back).

mod anthropic;
mod call;
mod causes;
pub mod decode;
mod error;
mod fault;
mod http;
mod models;
mod openai;
mod params;
mod prices;
mod provider;
pub mod rehearsal;
mod secret;
mod stream;

pub use anthropic::{ANTHROPIC_URL, Anthropic, AnthropicConfig};
pub use call::{About, Call, Lang, Message, Purpose, Sampling, Speaker, Tool};
pub use causes::{causes, root_cause};
pub use error::{Error, Kind};
pub use fault::retry_after;
pub use openai::{LimitName, OLLAMA_URL, OPENAI_URL, OpenAi, OpenAiConfig};
pub use prices::{Price, Prices};
pub use provider::{
    Chunk, ChunkStream, ModelList, ModelName, ModelNameError, Provider, Registry, StopReason,
};
pub use rehearsal::Rehearsal;
pub use secret::{Key, KeyError, scrub};
