//! The deliberation: one question, sages in parallel and blind to each other, one verdict.
//!
//! This room knows the council and its presets, the prompts, how an answer becomes a vote, how votes
//! become an outcome, deadlines, retries, and how a deliberation is stopped, recovered and resumed.
//! It must not know HTTP, a database or a vendor's wire: models are reached through
//! [`magi_model::Provider`], events go to [`magi_log::Logs`], and time and chance are injected, so
//! that whole deliberations run on a paused clock from a few lines of script.
//!
//! Read first: [`Engine`] (all running deliberations of this process), [`Ask`] (a question, read and
//! checked) and [`Council`] (who deliberates, and how).

mod attempt;
mod breaker;
mod control;
mod convene;
mod council;
mod deadline;
mod deliberation;
mod draft;
mod ending;
mod engine;
mod error;
mod fields;
mod judge;
mod lane;
mod late;
mod link;
mod member;
mod memory;
mod meter;
mod obey;
mod order;
mod panel;
mod patch;
mod pauses;
mod preset;
mod presets;
mod prompt;
mod recovery;
mod request;
mod retry;
mod sage;
mod setup;
mod stage;
mod state;
mod suspension;
pub mod tally;
mod verbs;
pub mod vote;
mod words;

pub use breaker::Breaker;
pub use control::Watch;
pub use council::{Budget, Council, Deadlines, MOST_FALLBACKS, MOST_PANEL, Role, Sampling};
pub use draft::{Draft, Texts};
pub use engine::{Asked, Engine, Limits, Rooms, Stopped};
pub use error::Error;
pub use late::Late;
pub use link::{Fork, MOST_REJUDGEMENTS, Rejudge};
pub use patch::{CouncilPatch, DeadlinesPatch, RolePatch};
pub use preset::{Preset, Text};
pub use presets::{
    Effective, EffectiveRole, MOST_PRESETS, PresetLine, PresetVersion, PresetWhole, Presets,
};
pub use prompt::language_of;
pub use recovery::Recovered;
pub use request::{
    Ask, DEEPEST, Door, Idempotency, LONGEST_CONTEXT, LONGEST_KEY, LONGEST_QUESTION, OnLeave,
    body_digest,
};
pub use state::StateKey;
pub use verbs::{Done, LONGEST_NOTE, Told};
