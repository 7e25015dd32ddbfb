//! The parts of AWS that MAGI's cloud paths cross, on loopback.

pub mod account;
pub mod agentcore;
mod agentcore_front;
mod agentcore_session;
mod agentcore_upstream;
mod agentcore_ws;
mod function;
mod function_answer;
mod function_event;
mod function_url;
pub mod held;
mod hosting;
pub mod identity;
pub mod jwt;
mod launch;
mod runtime_api;
pub(crate) mod sign;
pub mod sigv4;
mod villain;
mod whole;
mod wire;

pub use account::{Account, CognitoIdentity, Credentials, Principal};
pub use agentcore::{
    AgentCore, AgentCoreConfig, Authorizer, Container, RuntimeConfig, SESSION_HEADER,
};
pub use agentcore_session::{Over, Phase, Ping, SessionView};
pub use agentcore_upstream::Relayed;
pub use function::{Billed, Function, FunctionConfig};
pub use function_url::{Auth, Cors, FunctionUrl, InvokeMode, UrlConfig};
pub use held::Held;
pub use hosting::{Hosting, HostingConfig};
pub use identity::{IdentityPool, PoolConfig, Provider, Role};
pub use jwt::{Claims, Issuer};
pub use launch::{Here, Launch, Start};
pub use runtime_api::Failure;
pub use sigv4::{Refusal, verify};
pub use villain::{Upstream, Villain};
pub use whole::{Cloud, CloudConfig, RunningCloud};
