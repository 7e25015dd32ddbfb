//! The whole program on Bedrock: AWS's own chain of credentials, signed requests, and the original's
//! bodies with Bedrock's bare ids.

use std::path::Path;
use std::process::Output;

use magi_emulator::cloud::Account;
use magi_emulator::{Config, Emulator, Running, Vendor};
use magi_event::{Body, Mode, Sage};
use serde_json::json;
use tokio::process::Command;

use super::original::curl;
use super::support::{Served, magi};

/// The fake of Bedrock with an account: a request that is not signed right is refused.
async fn fakes() -> Running {
    let mut config = Config::default();
    config.account = Some(Account::demo());
    Emulator::start(config).await.unwrap()
}

/// The binary with AWS credentials in its environment, and nothing said about a model.
fn with_credentials(folder: &Path, secret: &str) -> Command {
    let mut command = magi(folder);
    command
        .env("AWS_ACCESS_KEY_ID", Account::DEPLOYER)
        .env("AWS_SECRET_ACCESS_KEY", secret)
        .env("AWS_REGION", Account::REGION)
        .env("AWS_EC2_METADATA_DISABLED", "true");
    command
}

fn on_bedrock(folder: &Path, fakes: &Running, model: &str) -> Command {
    let mut command = with_credentials(folder, Account::DEPLOYER_SECRET);
    command
        .env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", fakes.bedrock_url())
        .env("MAGI_MODEL", format!("bedrock:{model}"));
    command
}

fn text(output: &Output) -> String {
    let streams = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&streams).into_owned()
}

#[tokio::test]
async fn a_question_is_answered_by_bedrock_with_signed_requests() {
    let folder = tempfile::tempdir().unwrap();
    let fakes = fakes().await;
    let output = on_bedrock(folder.path(), &fakes, "fake+by-role+reasoning")
        .args(["ask", "--plain", "Should we ship on Friday?"])
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let entries = fakes.ledger().entries();
    assert_eq!(entries.len(), 4, "three sages and the judge, once each");
    for entry in &entries {
        assert_eq!((entry.vendor, entry.status), (Vendor::Bedrock, Some(200)));
    }
}

#[tokio::test]
async fn a_wrong_secret_is_told_with_its_fix() {
    let folder = tempfile::tempdir().unwrap();
    let fakes = fakes().await;
    for verb in [vec!["doctor"], vec!["ask", "--plain", "Should we?"]] {
        let output = on_bedrock(folder.path(), &fakes, "fake")
            .env("AWS_SECRET_ACCESS_KEY", "not-the-secret")
            .args(&verb)
            .output()
            .await
            .unwrap();
        let text = text(&output);
        assert!(!output.status.success(), "{verb:?}: {text}");
        assert!(
            text.contains("InvalidSignatureException"),
            "{verb:?}: {text}"
        );
        assert!(text.contains("check the secret key"), "{verb:?}: {text}");
        assert!(!text.contains("not-the-secret"), "{verb:?}: {text}");
    }
}

#[tokio::test]
async fn what_is_not_set_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for (unset, says) in [
        ("AWS_REGION", "no AWS region is set: set AWS_REGION"),
        (
            "AWS_ACCESS_KEY_ID",
            "no usable AWS credentials for Bedrock: no credentials found in chain (set \
             AWS_BEARER_TOKEN_BEDROCK",
        ),
    ] {
        let output = with_credentials(folder.path(), Account::DEPLOYER_SECRET)
            .env("MAGI_MODEL", "bedrock:fake")
            .env(unset, "")
            .arg("doctor")
            .output()
            .await
            .unwrap();
        let text = text(&output);
        assert!(
            !output.status.success() && text.contains(says),
            "{unset}: {text}"
        );
    }
}

#[tokio::test]
async fn the_doctor_knows_a_model_without_paying_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let fakes = fakes().await;
    for (model, says) in [
        (
            "fake",
            "ok    provider     bedrock takes the credentials and knows fake",
        ),
        ("fake+no-count", "only a question tells"),
        ("no-such-model", "list-inference-profiles"),
    ] {
        let output = on_bedrock(folder.path(), &fakes, model)
            .arg("doctor")
            .output()
            .await
            .unwrap();
        let text = text(&output);
        assert!(text.contains(says), "{model}: {text}");
        assert_eq!(output.status.success(), model != "no-such-model", "{text}");
    }
    assert_eq!(fakes.ledger().requests(), 0, "a model was called");
    let output = on_bedrock(folder.path(), &fakes, "fake")
        .arg("models")
        .output();
    let text = text(&output.await.unwrap());
    assert!(text.contains("list-foundation-models"), "{text}");
}

/// The original's browser sends a bare id of Bedrock's with every question.
#[tokio::test]
async fn the_originals_bare_ids_reach_bedrock_where_it_is_configured() {
    let folder = tempfile::tempdir().unwrap();
    let fakes = fakes().await;
    let served = Served::start(&mut on_bedrock(folder.path(), &fakes, "fake"), 0).await;
    let body = json!({
        "question": "Should we adopt the two-container approach?",
        "sessionId": "session-1",
        "agentConfigs": {
            "caspar": { "model": "fake-bare+reject", "temperature": 0.3, "maxTokens": 2000,
                        "topP": 0.9, "enabled": true },
        },
    });
    let seen = curl(&served.address, &body).await;
    assert!(seen.is_over(), "{}", seen.tail());
    let started = seen
        .entries
        .iter()
        .find_map(|(_, event)| match &event.body {
            Body::AgentStart(Sage::Caspar, start) => {
                Some((start.provider.clone(), start.model.clone()))
            }
            _ => None,
        });
    let asked = ("bedrock".to_owned(), "fake-bare+reject".to_owned());
    assert_eq!(started, Some(asked));
    let entry = &fakes.ledger().of("fake-bare+reject")[0];
    assert_eq!(entry.decision.as_deref(), Some("REJECTED"));
    assert_eq!(entry.body["inferenceConfig"]["maxTokens"], 2000);
    served.kill().await;
}

/// Credentials that lie around are not an order to spend: a bare id is then nobody's choice here.
#[tokio::test]
async fn aws_credentials_alone_spend_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = with_credentials(folder.path(), Account::DEPLOYER_SECRET);
    let served = Served::start(&mut command, 0).await;
    let body = json!({
        "question": "Should we adopt the two-container approach?",
        "agentConfigs": { "caspar": { "model": "anthropic.claude-sonnet-4-5-20250929-v1:0" } },
    });
    let seen = curl(&served.address, &body).await;
    let Body::Start(start) = &seen.entries[0].1.body else {
        panic!("{:?}", seen.entries[0])
    };
    assert_eq!(start.mode, Mode::Rehearsal);
    let replaced = seen.entries.iter().any(
        |(_, event)| matches!(&event.body, Body::Trace(_, span) if span.name == "model.replaced"),
    );
    assert!(replaced && seen.is_over(), "{}", seen.tail());
    served.kill().await;
}
