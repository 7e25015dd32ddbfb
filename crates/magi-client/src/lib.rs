//! The stream client: it connects to a MAGI server, reads deliberations to their end over as many
//! connections as that takes, and speaks the verbs.
//!
//! This room knows the ways to a server (`/v1`, `/invocations`, WebSockets), how to go on after a
//! cut, and what a server says when it refuses. It must not know a council, a model, a store or a
//! terminal, and it starts no task: everything happens while its caller polls.
//!
//! Read first: [`Client`] (one server), [`Reading`] (one deliberation as it comes, each event exactly
//! once) and [`Error`] (why not).
//!
//! ```no_run
//! use magi_client::{Client, Error, Question, Step};
//! use magi_event::Snapshot;
//!
//! async fn ask() -> Result<Option<Snapshot>, Error> {
//!     let client = Client::new("http://127.0.0.1:8717", None)?;
//!     let mut reading = client.ask(&Question::new("二コンテナ構成を採用すべきか?"));
//!     let mut view = None;
//!     while let Some(step) = reading.next().await {
//!         match step? {
//!             Step::Entry(entry) => view
//!                 .get_or_insert_with(|| Snapshot::new(entry.cursor.deliberation))
//!                 .apply(&entry.event),
//!             Step::Snapshot(snapshot) => view = Some(*snapshot),
//!             Step::State(_) => {} // connecting, live, waiting: for whoever looks on
//!         }
//!     }
//!     Ok(view)
//! }
//! ```

mod call;
mod client;
mod error;
mod invocations;
mod list;
mod presets;
mod problem;
mod question;
mod read;
mod socket;
mod source;
mod transport;
mod verbs;

pub use call::Door;
pub use client::{Client, Options};
pub use error::Error;
pub use invocations::Beat;
pub use list::{Change, Format, ListQuery, Listed, Model, Page, Scene};
pub use problem::Problem;
pub use question::{Budget, Question};
pub use read::{Entry, Reading, State, Step};
pub use transport::{Body, Http, Pipe, Sending, Transport, TransportError, Upgrade, Upgrading};
pub use verbs::{Done, Fork, Rejudge};
