//! The leaf with the AWS SDKs: nobody else's build waits for them, and only the binary sees them.
//!
//! This room knows Bedrock's ConverseStream, AgentCore's data plane and request signatures. It must
//! not know a vote, a log, a deliberation or an HTTP server.
//!
//! Read first: [`Bedrock`], the provider of Bedrock's models.

pub mod agentcore;
mod bedrock;
pub mod sign;

pub use bedrock::{Bedrock, BedrockConfig, Reach};
