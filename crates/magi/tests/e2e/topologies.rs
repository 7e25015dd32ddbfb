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

/// What the cloud tells under a name.
fn told(cloud: &RunningCloud, name: &str) -> String {
    let env = cloud.env();
    let found = env.into_iter().find(|(told, _)| told == name);
    found.unwrap_or_else(|| panic!("no {name}")).1
}

/// The address of a runtime's endpoint.
fn invocations(cloud: &RunningCloud, arn: &str, qualifier: &str) -> String {
    let escaped = arn.replace(':', "%3A").replace('/', "%2F");
    let plane = cloud.agentcore().url();
    format!("{plane}/runtimes/{escaped}/invocations?qualifier={qualifier}")
}

/// Posts the question with a token, or without any.
async fn post_with(url: &str, token: Option<&str>) -> reqwest::Response {
    let mut request = http()
        .post(url)
        .header("content-type", "application/json")
        .header(magi_server::SESSION_HEADER, SESSION)
        .body(body());
    if let Some(token) = token {
        request = request.bearer_auth(token);
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
    let agentcore = invocations(&cloud, cloud.runtime_arn(), "DEFAULT");
    let bearer = invocations(
        &cloud,
        &told(&cloud, "MAGI_CLOUD_BEARER_RUNTIME_ARN"),
        "live",
    );
    let token = told(&cloud, "MAGI_CLOUD_BEARER_TOKEN");
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
    let (gateway, direct, buffered, agentcore, bearer, villains) = tokio::join!(
        async { events(post(&cloud, &gateway, "lambda").await).await },
        async { events(post(&cloud, &direct, "lambda").await).await },
        async { events(post(&cloud, &buffered, "lambda").await).await },
        async { events(post(&cloud, &agentcore, "bedrock-agentcore").await).await },
        async { events(post_with(&bearer, Some(&token)).await).await },
        ask_villain,
    );
    let villains = villains.unwrap();
    assert_eq!(villains.status(), 504);
    assert!(!text(villains).await.contains("data:"));
    for seen in [&gateway, &direct, &buffered, &agentcore, &bearer] {
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
async fn a_runtime_behind_tokens_refuses_without_one_or_with_an_ended_one_and_says_where_to_get_it()
{
    let cloud = start(Duration::from_secs(1)).await;
    let url = invocations(&cloud, cloud.bearer_runtime_arn(), "live");
    let ended = cloud.bearer_token(-1);
    let signature_of_another = {
        let token = cloud.bearer_token(60);
        let (signed, _) = token.rsplit_once('.').unwrap();
        let (_, signature) = ended.rsplit_once('.').unwrap();
        format!("{signed}.{signature}")
    };
    for (token, words) in [
        (None, "Missing Authentication Token"),
        (Some(&ended), "Token has expired"),
        (Some(&signature_of_another), "Token signature invalid"),
    ] {
        let refused = post_with(&url, token.map(String::as_str)).await;
        assert_eq!(refused.status(), 401, "{words}");
        let way = refused.headers()["www-authenticate"].to_str().unwrap();
        let place = way.strip_prefix("Bearer resource_metadata=\"").unwrap();
        let place = place.strip_suffix('"').unwrap().to_owned();
        let said = text(refused).await;
        assert!(said.contains(words), "{said}");
        let found = http().get(place).send().await.unwrap();
        assert_eq!(found.status(), 200, "{words}");
        let found: serde_json::Value = serde_json::from_str(&text(found).await).unwrap();
        assert_eq!(found["resource"], url.as_str());
    }
    // Neither does a signature open it, nor a token the other one.
    let token = cloud.bearer_token(60);
    let signed = post(&cloud, &url, "bedrock-agentcore").await;
    let other = invocations(&cloud, cloud.runtime_arn(), "live");
    for refused in [signed, post_with(&other, Some(&token)).await] {
        assert_eq!(refused.status(), 403);
        let said = text(refused).await;
        assert!(said.contains("Authorization method mismatch"), "{said}");
    }
    assert!(cloud.agentcore().sessions().is_empty());
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
