//! Bedrock's runtime through AWS's own Rust SDK, as it is by default: with its retries, its timeouts and its
//! protection against stalled streams.

use aws_config::BehaviorVersion;
use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::config::{Credentials, Region};
use aws_sdk_bedrockruntime::error::ProvideErrorMetadata;
use aws_sdk_bedrockruntime::types::{
    ContentBlock, ContentBlockDelta, ConversationRole, ConverseStreamOutput, ConverseTokensRequest,
    CountTokensInput, Message, StopReason, TokenUsage,
};
use magi_emulator::cloud::Account;
use magi_emulator::{Config, Emulator, Running};

async fn fakes() -> Running {
    let mut config = Config::default();
    config.account = Some(Account::demo());
    Emulator::start(config).await.unwrap()
}

/// The SDK with nothing set but what an environment would say.
async fn sdk(fakes: &Running, secret: &str) -> Client {
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(Account::REGION))
        .credentials_provider(Credentials::new(
            Account::DEPLOYER,
            secret,
            None,
            None,
            "test",
        ))
        .endpoint_url(fakes.bedrock_url())
        .load()
        .await;
    Client::new(&config)
}

fn question() -> Message {
    Message::builder()
        .role(ConversationRole::User)
        .content(ContentBlock::Text("Should we ship on Friday?".to_owned()))
        .build()
        .unwrap()
}

/// What a whole stream said.
#[derive(Default)]
struct Said {
    text: String,
    stop: Option<StopReason>,
    usage: Option<TokenUsage>,
}

async fn converse(client: &Client, model: &str) -> Said {
    let asked = client
        .converse_stream()
        .model_id(model)
        .messages(question());
    let mut answer = asked.send().await.unwrap();
    let mut said = Said::default();
    while let Some(event) = answer.stream.recv().await.unwrap() {
        match event {
            ConverseStreamOutput::ContentBlockDelta(delta) => {
                if let Some(ContentBlockDelta::Text(text)) = delta.delta {
                    said.text.push_str(&text);
                }
            }
            ConverseStreamOutput::MessageStop(stop) => said.stop = Some(stop.stop_reason),
            ConverseStreamOutput::Metadata(metadata) => said.usage = metadata.usage,
            _ => {}
        }
    }
    said
}

#[tokio::test]
async fn a_stream_arrives_whole_with_its_end_and_its_tokens() {
    let fakes = fakes().await;
    let client = sdk(&fakes, Account::DEPLOYER_SECRET).await;
    let said = converse(&client, "fake+len-40").await;
    let entries = fakes.ledger().entries();
    assert_eq!(entries.len(), 1);
    assert!(said.text.starts_with(&entries[0].text), "{}", said.text);
    assert_eq!(said.stop, Some(StopReason::EndTurn));
    let usage = said.usage.unwrap();
    assert!(usage.input_tokens > 0 && usage.output_tokens > 0);
}

#[tokio::test]
async fn a_throttled_call_is_made_again_by_the_sdk_itself() {
    let fakes = fakes().await;
    let client = sdk(&fakes, Account::DEPLOYER_SECRET).await;
    let said = converse(&client, "fake+429-once+len-5").await;
    assert_eq!(said.stop, Some(StopReason::EndTurn));
    let statuses: Vec<_> = fakes
        .ledger()
        .entries()
        .iter()
        .map(|entry| entry.status)
        .collect();
    assert_eq!(statuses, [Some(429), Some(200)]);
}

#[tokio::test]
async fn tokens_are_counted_and_a_wrong_secret_has_its_name() {
    let fakes = fakes().await;
    let count = |client: Client| async move {
        let request = ConverseTokensRequest::builder()
            .messages(question())
            .build();
        client
            .count_tokens()
            .model_id("fake")
            .input(CountTokensInput::Converse(request))
            .send()
            .await
    };
    let counted = count(sdk(&fakes, Account::DEPLOYER_SECRET).await).await;
    assert!(counted.unwrap().input_tokens > 0);
    let refused = count(sdk(&fakes, "not-the-secret").await).await;
    let code = refused.unwrap_err().code().map(str::to_owned);
    assert_eq!(code.as_deref(), Some("InvalidSignatureException"));
}
