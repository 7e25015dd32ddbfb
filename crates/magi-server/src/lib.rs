//! The one HTTP server of MAGI: routes, event streams, WebSocket, trust, AgentCore's contract and
//! the built page.
//!
//! This room knows HTTP: how a question comes in, who may ask it, and in which words a log goes out.
//! It must not know how a deliberation runs (that is the council's), where events are kept (the
//! log's) or a vendor's wire; it is handed an engine and readers. Nothing here queues: a connection
//! is a reader with a cursor, pulled by the socket.
//!
//! Read first: [`Config`] (what a deployer chooses), [`problem`] (the only table from an error to an
//! answer) and [`dialects`] (the log in other words).

mod about;
mod answer;
mod app;
mod config;
mod deadline;
mod deliberations;
pub mod dialects;
mod elsewhere;
mod emf;
mod error;
pub mod export;
mod history;
mod intake;
mod invocations;
mod listen;
mod metrics;
mod observer;
mod openapi;
mod page;
mod ping;
mod presets;
mod probe;
pub mod problem;
mod routes;
mod socket;
mod stream;
mod trust;
mod verbs;

pub use app::{Rooms, Scene, Server};
pub use config::Config;
pub use deadline::Deadline;
pub use emf::{BadDeployment, Deployment};
pub use error::Error;
pub use intake::BODY_LIMIT;
pub use invocations::streams;
pub use openapi::describe;
pub use page::index as page_index;
pub use trust::{Caller, Identity, SESSION_HEADER, Token, Trust, WeakToken};
