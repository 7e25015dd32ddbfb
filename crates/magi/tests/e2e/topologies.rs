//! Every way from a question to its verdict, side by side in one emulated cloud: one verdict, whoever relays.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use magi_emulator::cloud::{Account, Cloud, CloudConfig, RunningCloud};
use magi_event::check::{Checker, Mode};
use magi_event::{Body, FinalDecision, Status};
use serde_json::json;

use super::cloud::{events, text};
use super::support::{Seen, http};

/// The session of every request; each way has a container of its own for it all the same.
const SESSION: &str = "7c1f0a52-6f0e-4f4e-8a39-5a4b0c2d9e11";

/// The most a relay that streams may hold, in bytes.
const HELD: u64 = 64 << 10;

async fn start(villain_limit: Duration) -> RunningCloud {
    let mut config = CloudConfig::new(env!("CARGO_BIN_EXE_magi"));
    // The villain's limit is over before the first sage has begun to speak.
    config.model = "bedrock:fake+by-role+first-token-2s".to_owned();
    config.villain_limit = villain_limit;
    config.quiet = true;
    Cloud::start(config).await.unwrap()
}

fn body() -> String {
    json!({"action": "ask", "question": "Should we move to Tokyo?"}).to_string()
}

/// Posts the question as the deployer.
async fn post(cloud: &RunningCloud, url: &str, service: &str) -> reqwest::Response {
    let identity = Credentials::new(
        Account::DEPLOYER,
        Account::DEPLOYER_SECRET,
        None,
        None,
        "test",
    );
    let identity = identity.into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(cloud.account().region())
        .name(service)
        .time(SystemTime::from(cloud.account().now()))
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let body = body();
    let headers = [
        ("content-type", "application/json"),
        (magi_server::SESSION_HEADER, SESSION),
    ];
    let signable = SignableBody::Bytes(body.as_bytes());
    let request = SignableRequest::new("POST", url, headers.into_iter(), signable).unwrap();
    let (instructions, _) = sign(request, &params).unwrap().into_parts();
    let mut request = http().post(url).body(body.clone());
    for (name, value) in headers.into_iter().chain(instructions.headers()) {
        request = request.header(name, value);
    }
    request.send().await.unwrap()
}

/// Holds that this is one whole deliberation, and returns its verdict.
fn verdict(seen: &Seen) -> FinalDecision {
    let mut checker = Checker::new(Mode::Log);
    for (cursor, event) in &seen.entries {
        checker.entry(*cursor, event).unwrap();
    }
    checker.finish(true).unwrap();
    let Body::Complete(complete) = &seen.entries.last().unwrap().1.body else {
        panic!("{}", seen.tail());
    };
    assert_eq!(complete.status, Status::Completed);
    complete.final_decision
}

#[tokio::test]
async fn every_way_that_streams_ends_in_the_same_verdict_and_the_villain_in_504() {
    let cloud = start(Duration::from_secs(1)).await;
    let escaped = cloud.runtime_arn().replace(':', "%3A").replace('/', "%2F");
    let agentcore = format!(
        "{}/runtimes/{escaped}/invocations?qualifier=DEFAULT",
        cloud.agentcore().url()
    );
    let lambda = |url: String| format!("{url}/invocations");
    let (gateway, direct, buffered) = (
        lambda(cloud.gateway().url()),
        lambda(cloud.direct().url()),
        lambda(cloud.buffered().url()),
    );
    let (_, villain) = cloud
        .pages()
        .iter()
        .find(|(name, _)| *name == "villain")
        .unwrap();
    let ask_villain = http()
        .post(format!("{}/api/invocations", villain.url()))
        .header("content-type", "application/json")
        .header(
            magi_server::SESSION_HEADER,
            "b1946ac9-2c1e-4f0e-9b0a-villainvillain1",
        )
        .body(body())
        .send();
    let (gateway, direct, buffered, agentcore, villains) = tokio::join!(
        async { events(post(&cloud, &gateway, "lambda").await).await },
        async { events(post(&cloud, &direct, "lambda").await).await },
        async { events(post(&cloud, &buffered, "lambda").await).await },
        async { events(post(&cloud, &agentcore, "bedrock-agentcore").await).await },
        ask_villain,
    );
    let villains = villains.unwrap();
    assert_eq!(villains.status(), 504);
    assert!(!text(villains).await.contains("data:"));
    for seen in [&gateway, &direct, &buffered, &agentcore] {
        assert_eq!(verdict(seen), FinalDecision::Approved);
    }
    // The relays that stream held little; what buffers held a whole answer.
    for held in [
        cloud.gateway().held(),
        cloud.direct().held(),
        cloud.agentcore().held(),
    ] {
        assert!(held.passed() > 10_000 && held.most() <= HELD, "{held:?}");
    }
    let held = cloud.buffered().held();
    assert!(held.most() > held.passed() / 2, "{held:?}");
    cloud.stop().await;
}

#[tokio::test]
async fn a_patient_villain_gives_the_whole_answer_at_once() {
    let cloud = start(Duration::from_secs(60)).await;
    let (_, villain) = cloud
        .pages()
        .iter()
        .find(|(name, _)| *name == "villain")
        .unwrap();
    let asked = http()
        .post(format!("{}/api/invocations", villain.url()))
        .header("content-type", "application/json")
        .header(magi_server::SESSION_HEADER, SESSION)
        .body(body())
        .send();
    let answer = asked.await.unwrap();
    let length = answer.content_length().unwrap();
    assert_eq!(verdict(&events(answer).await), FinalDecision::Approved);
    assert_eq!(villain.held().unwrap().most(), length);
    cloud.stop().await;
}
