//! AgentCore's data plane: runtimes are called here, and their sessions are containers of their own.
//!
//! What a caller sees is the service's: one way to be let in per runtime (IAM signatures or a bearer
//! token), the session id that finds the same container again, a container's own failure as a 424, a
//! conflict while a session starts or ends. What a container sees is the service's too: only the headers
//! of its contract and those allow-listed, and nothing of a caller that left.
//!
//! Not as there: a container is a process of this machine on a port of its own, so it is told the port;
//! tokens are HS256 (see [`super::jwt`]); no workload token is issued; a container is ended without a
//! signal, as a microVM that is taken away.
//!
//! Source: Amazon Bedrock AgentCore Developer Guide ("HTTP protocol contract", "Configure lifecycle
//! settings", "Pass custom headers", "Quotas"), and its API Reference (`InvokeAgentRuntime`,
//! `StopRuntimeSession`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::account::Account;
use super::agentcore_front::Plane;
use super::agentcore_session::SessionView;
use super::agentcore_upstream::Relayed;
use super::held::Held;
use super::jwt::Issuer;
use super::launch::Launch;
use super::wire::{self, FRONT_BUFFER};
use crate::Error;

/// The header that carries a session's id, both ways.
pub const SESSION_HEADER: &str = "x-amzn-bedrock-agentcore-runtime-session-id";

/// How requests to one runtime are let in; a runtime has exactly one way.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Authorizer {
    /// Signed by a principal of the account that may take the action.
    Iam,
    /// With a token of a provider, made for one of these clients (`client_id`, or `aud`).
    Jwt {
        /// Who signs the tokens.
        issuer: Issuer,
        /// For whom they must be made; anybody's if empty.
        clients: Vec<String>,
    },
}

/// What a session's container is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Container {
    /// A process for each session; `{port}` in its arguments and environment is the port to listen on
    /// at 127.0.0.1, which `PORT` names as well.
    Command(Launch),
    /// Something that listens there already, for all sessions.
    At(SocketAddr),
}

/// One runtime. Its times are those of AWS and may be shortened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RuntimeConfig {
    /// Its id, `NAME-SUFFIX`; the last part of its ARN.
    pub id: String,
    /// Its endpoints beside `DEFAULT`, each a `qualifier`.
    pub endpoints: Vec<String>,
    /// How requests are let in.
    pub authorizer: Authorizer,
    /// What its containers are.
    pub container: Container,
    /// Headers passed on beside those of the contract: 20 at most, none of AWS's own.
    pub header_allowlist: Vec<String>,
    /// Silence of a session after which it ends.
    pub idle_timeout: Duration,
    /// The longest life of a session.
    pub max_lifetime: Duration,
    /// How long a container waits before it begins to start, as an image is loaded.
    pub start_delay: Duration,
    /// How long a container may take to answer its first ping.
    pub start_limit: Duration,
    /// How often a container is pinged.
    pub ping_every: Duration,
    /// How long a ping may take.
    pub ping_limit: Duration,
    /// How long a request may take if its answer is not a stream.
    pub request_limit: Duration,
    /// How long a stream of events or a WebSocket may last.
    pub stream_limit: Duration,
    /// The largest payload, in bytes.
    pub body_limit: usize,
    /// The largest frame of a WebSocket, in bytes.
    pub frame_limit: u64,
    /// Sessions at once; more are a 402.
    pub active_sessions: usize,
    /// New sessions in a minute; more are a 429.
    pub new_sessions_per_minute: usize,
    /// Requests in a second; more are a 429.
    pub requests_per_second: usize,
    /// The buffers of the sockets to its containers, in bytes, each way, with segments as on a network; the
    /// system's choice if not said.
    pub socket_buffer: Option<u32>,
}

impl RuntimeConfig {
    /// A runtime behind IAM with the limits that AWS has.
    ///
    /// Source: Amazon Bedrock AgentCore Developer Guide, "Quotas" and "Configure lifecycle settings".
    #[must_use]
    pub fn new(id: &str, container: Container) -> Self {
        RuntimeConfig {
            id: id.to_owned(),
            endpoints: Vec::new(),
            authorizer: Authorizer::Iam,
            container,
            header_allowlist: Vec::new(),
            idle_timeout: Duration::from_secs(900),
            max_lifetime: Duration::from_secs(28_800),
            start_delay: Duration::ZERO,
            start_limit: Duration::from_secs(120),
            ping_every: Duration::from_secs(10),
            ping_limit: Duration::from_secs(5),
            request_limit: Duration::from_secs(15 * 60),
            stream_limit: Duration::from_secs(60 * 60),
            body_limit: 100 << 20,
            frame_limit: 64 << 10,
            active_sessions: 1_000,
            new_sessions_per_minute: 100,
            requests_per_second: 25,
            socket_buffer: None,
        }
    }

    /// Returns its ARN in an account.
    #[must_use]
    pub fn arn(&self, account: &Account) -> String {
        format!(
            "arn:aws:bedrock-agentcore:{}:{}:runtime/{}",
            account.region(),
            account.id(),
            self.id
        )
    }

    fn check(&self) -> Result<(), Error> {
        let wrong = |why: String| Error::Setting {
            field: "header_allowlist",
            why,
        };
        if self.header_allowlist.len() > 20 {
            return Err(wrong("at most 20 headers can be allowed".to_owned()));
        }
        for name in &self.header_allowlist {
            let name = name.to_ascii_lowercase();
            let of_aws = name.starts_with("x-amz-")
                || (name.starts_with("x-amzn-") && !name.starts_with(CUSTOM_PREFIX));
            if of_aws || RESTRICTED.contains(&name.as_str()) {
                return Err(wrong(format!("`{name}` cannot be passed to a container")));
            }
            if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
                return Err(wrong(format!("`{name}` is no name of a header")));
            }
        }
        if self.idle_timeout > self.max_lifetime {
            return Err(Error::Setting {
                field: "idle_timeout",
                why: "it is longer than `max_lifetime`".to_owned(),
            });
        }
        Ok(())
    }
}

/// Headers of the caller's own that may be allow-listed although they begin as AWS's do.
pub(crate) const CUSTOM_PREFIX: &str = "x-amzn-bedrock-agentcore-runtime-custom-";

/// What cannot be allow-listed: transport, browsers' own and what the front answers itself.
///
/// Source: AgentCore Developer Guide, "Pass custom headers to AgentCore Runtime" (restricted headers).
const RESTRICTED: [&str; 22] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "access-control-request-headers",
    "access-control-request-method",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "origin",
    "referer",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "te",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// What a data plane is like.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AgentCoreConfig {
    /// Where to listen; port 0 takes a free one.
    pub addr: SocketAddr,
    /// The runtimes.
    pub runtimes: Vec<RuntimeConfig>,
    /// The origins whose pages may call; every page's if empty.
    pub origins: Vec<String>,
    /// The buffers of its sockets, in bytes, each way, with segments as on a network; the system's choice if not said.
    pub socket_buffer: Option<u32>,
}

impl AgentCoreConfig {
    /// A data plane of some runtimes on a free port.
    #[must_use]
    pub fn new(runtimes: Vec<RuntimeConfig>) -> Self {
        AgentCoreConfig {
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            runtimes,
            origins: Vec::new(),
            socket_buffer: None,
        }
    }
}

/// A running data plane. Dropping it ends every connection and every container.
#[derive(Debug)]
pub struct AgentCore {
    addr: SocketAddr,
    plane: Arc<Plane>,
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl AgentCore {
    /// Starts the data plane of an account; it serves until stopped or dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if AWS would not take a runtime so, [`Error::Listen`] if the address cannot be
    /// listened on.
    pub async fn start(account: &Account, config: AgentCoreConfig) -> Result<Self, Error> {
        for runtime in &config.runtimes {
            runtime.check()?;
        }
        let stop = CancellationToken::new();
        let tracker = TaskTracker::new();
        let addr = config.addr;
        let buffers = (FRONT_BUFFER, config.socket_buffer);
        let plane = Plane::new(account.clone(), config, tracker.clone(), stop.clone());
        let plane = Arc::new(plane);
        let front = Arc::clone(&plane);
        let addr = wire::listen(addr, front, buffers, stop.clone(), &tracker).await?;
        Ok(AgentCore {
            addr,
            plane,
            stop,
            tracker,
        })
    }

    /// Returns the address it listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns its endpoint, as in `AWS_ENDPOINT_URL_BEDROCK_AGENTCORE`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Returns the sessions: those that ended, oldest first, then those that live.
    #[must_use]
    pub fn sessions(&self) -> Vec<SessionView> {
        self.plane.sessions.views()
    }

    /// Returns what its relays did so far.
    #[must_use]
    pub fn relayed(&self) -> Relayed {
        self.plane.counts.read()
    }

    /// Returns what its relays hold.
    #[must_use]
    pub fn held(&self) -> &Held {
        &self.plane.held
    }

    /// Returns what the relays of each session that lives hold, by the session's id.
    #[must_use]
    pub fn held_by_session(&self) -> Vec<(String, Held)> {
        self.plane.sessions.held()
    }

    /// Returns a counter that changes whenever a session or a count does, to wait on without polling.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.plane.sessions.changes()
    }

    /// Ends every connection and container, and waits until all tasks are over.
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

impl Drop for AgentCore {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
