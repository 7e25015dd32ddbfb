//! Fake vendors over real sockets: start one, point a client at it, read its ledger.

mod answer;
mod anthropic;
mod ask;
mod bedrock;
mod door;
mod frame;
mod ledger;
mod lockstep;
mod openai;
mod plan;
mod player;
mod refuse;
mod schema;
mod script;
mod wire;
mod words;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use ask::Vendor;
pub use ledger::{End, Entry, Ledger};
pub use lockstep::{Ahead, Lockstep, Who};

use crate::Error;

/// How an emulator behaves where a model's name does not say.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub addr: SocketAddr,
    /// Tokens per second of every answer; 0 is as fast as possible.
    pub tokens_per_second: u32,
    /// The seed of everything random.
    pub seed: u64,
    /// The longest silence of a stall, of `no-answer` and of a lock-step report that never comes.
    pub longest_hold: Duration,
    /// The key a request must carry, if any; without it every OpenAI request is let in.
    pub key: Option<String>,
    /// The account by which signatures of requests to Bedrock are checked; without it any will do.
    pub account: Option<crate::cloud::Account>,
    /// Ledger entries kept; older ones are forgotten.
    pub keep: usize,
    /// Connections served at once; more wait to be accepted.
    pub connections: usize,
    /// The largest request body read, in bytes.
    pub body_limit: usize,
    /// What `created` says in OpenAI's answers, in seconds since 1970.
    pub created: u64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            tokens_per_second: 0,
            seed: 0,
            longest_hold: Duration::from_secs(120),
            key: None,
            account: None,
            keep: 10_000,
            connections: 4_096,
            body_limit: 8 << 20,
            created: 1_795_000_000,
        }
    }
}

/// Starts fake vendors.
#[derive(Debug)]
pub struct Emulator;

impl Emulator {
    /// Starts the fake vendors; they serve until stopped or dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] if the address cannot be listened on.
    pub async fn start(config: Config) -> Result<Running, Error> {
        let listen = |source| Error::Listen {
            addr: config.addr,
            source,
        };
        let listener = TcpListener::bind(config.addr).await.map_err(listen)?;
        let addr = listener.local_addr().map_err(listen)?;
        let stop = CancellationToken::new();
        let tracker = TaskTracker::new();
        let ledger = Ledger::new(config.keep);
        let lockstep = Lockstep::default();
        let places = Arc::new(Semaphore::new(config.connections));
        let app = door::App {
            config: Arc::new(config),
            ledger: ledger.clone(),
            lockstep: lockstep.clone(),
            stop: stop.clone(),
        };
        tracker.spawn(door::accept(listener, app, places, tracker.clone()));
        Ok(Running {
            addr,
            ledger,
            lockstep,
            stop,
            tracker,
        })
    }
}

/// Running fake vendors. Dropping it ends every connection.
#[derive(Debug)]
pub struct Running {
    addr: SocketAddr,
    ledger: Ledger,
    lockstep: Lockstep,
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl Running {
    /// Returns the address they listen on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the base for OpenAI clients, as in `OPENAI_BASE_URL`.
    #[must_use]
    pub fn openai_url(&self) -> String {
        format!("http://{}/v1", self.addr)
    }

    /// Returns the base for Anthropic clients, as in `ANTHROPIC_BASE_URL`.
    #[must_use]
    pub fn anthropic_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Returns the endpoint for Bedrock clients, as in `AWS_ENDPOINT_URL_BEDROCK_RUNTIME`.
    #[must_use]
    pub fn bedrock_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Returns what the fakes saw.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Returns the handle that lets lock-step answers go on.
    #[must_use]
    pub fn lockstep(&self) -> &Lockstep {
        &self.lockstep
    }

    /// Ends every connection and waits until all tasks are over.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: everything ends all the same.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
