//! What a deployer chooses about the door.

use std::time::Duration;

use crate::{Deployment, Trust};

/// What a deployer chooses about the door.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// How the door knows who may come in.
    pub trust: Trust,
    /// The silence after which a stream gets a comment; zero sends none.
    ///
    /// Fronts cut a silent stream: the AWS SDK for Rust after 5 s, others later.
    pub heartbeat: Duration,
    /// The other origins whose pages may call, exactly as browsers write them.
    pub cors_origins: Vec<String>,
    /// Whether deliberations are kept where a later request finds them.
    pub has_store: bool,
    /// Whether a later request finds what an earlier one began. Behind a function's URL each may
    /// reach another instance, so that what needs an earlier one is refused there.
    pub finds_again: bool,
    /// Whether what a suspended deliberation left is signed and taken back here.
    pub resumes_state: bool,
    /// Whether a reader's leaving reaches this door; behind AgentCore it never does.
    pub sees_leaving: bool,
    /// The most connections at a time; more wait to be accepted.
    pub max_connections: usize,
    /// How long a caller may take to send a request's head.
    pub header_timeout: Duration,
    /// How long a write may make no progress before its connection is dropped.
    pub write_stall: Duration,
    /// Whether a line of metrics is printed on stdout for every deliberation that ends, in
    /// CloudWatch's embedded metric format: for platforms where `/metrics` cannot be reached.
    pub emf: bool,
    /// The name under which those numbers stand.
    pub deployment: Deployment,
    /// How long shutdown waits for connections to end by themselves.
    pub shutdown_limit: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            trust: Trust::Local,
            heartbeat: Duration::from_secs(2),
            cors_origins: Vec::new(),
            has_store: true,
            finds_again: true,
            resumes_state: false,
            sees_leaving: true,
            max_connections: 4096,
            header_timeout: Duration::from_secs(10),
            write_stall: Duration::from_secs(60),
            emf: false,
            deployment: Deployment::default(),
            shutdown_limit: Duration::from_secs(5),
        }
    }
}
