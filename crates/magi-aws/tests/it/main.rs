//! Bedrock's provider meets the fake of its ConverseStream over real sockets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helper fails the test by panicking"
)]

mod councils;
mod docs;
mod providers;

use magi_aws::{Bedrock, BedrockConfig};
use magi_emulator::{Config, Emulator, Running};
use magi_model::Key;

/// Starts the fakes.
async fn fakes() -> Running {
    Emulator::start(Config::default()).await.unwrap()
}

/// The provider as a user with a Bedrock key has it, in front of the fakes.
fn bedrock(fakes: &Running) -> Bedrock {
    Bedrock::new(BedrockConfig {
        region: Some("us-east-1".to_owned()),
        endpoint_url: Some(fakes.bedrock_url()),
        api_key: Some(Key::new("bedrock-api-key-test").unwrap()),
    })
    .unwrap()
}
