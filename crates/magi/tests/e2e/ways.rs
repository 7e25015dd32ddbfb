//! The ways through an emulated cloud, and how a question is put on each.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use magi_emulator::cloud::{Account, Cloud, CloudConfig, Hosting, RunningCloud};
use magi_emulator::demo::Way;
use magi_event::check::{Checker, Mode};
use magi_event::{Body, Complete, Decision, Sage, Snapshot, Status};
use magi_server::SESSION_HEADER;
use serde_json::Value;

use super::support::{Seen, Served, http, magi};

/// The session of every request; each way has a container of its own for it all the same.
pub(crate) const SESSION: &str = "7c1f0a52-6f0e-4f4e-8a39-5a4b0c2d9e11";

/// The most a relay that streams may hold, in bytes.
pub(crate) const HELD: u64 = 64 << 10;

/// Starts a cloud of the binary under test.
pub(crate) async fn start(model: &str, change: impl FnOnce(&mut CloudConfig)) -> RunningCloud {
    let mut config = CloudConfig::new(env!("CARGO_BIN_EXE_magi"));
    model.clone_into(&mut config.model);
    config.quiet = true;
    change(&mut config);
    Cloud::start(config).await.unwrap()
}

/// Starts the binary itself as a server, with the cloud's Bedrock behind it.
pub(crate) async fn single_binary(
    cloud: &RunningCloud,
    model: &str,
) -> (tempfile::TempDir, Served) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = magi(folder.path());
    command
        .env("AWS_ACCESS_KEY_ID", Account::DEPLOYER)
        .env("AWS_SECRET_ACCESS_KEY", Account::DEPLOYER_SECRET)
        .env("AWS_REGION", Account::REGION)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env(
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
            cloud.vendors().bedrock_url(),
        )
        .env("MAGI_MODEL", model);
    let served = Served::start(&mut command, 0).await;
    (folder, served)
}

/// Returns the hosting whose route buffers.
pub(crate) fn villain(cloud: &RunningCloud) -> &Hosting {
    let mut pages = cloud.pages().iter();
    let (_, page) = pages.find(|(name, _)| *name == "villain").unwrap();
    page
}

/// Returns where questions on a way go, and for which service they are signed.
pub(crate) fn address(cloud: &RunningCloud, way: Way) -> (String, Option<&'static str>) {
    let function = |url: String| (format!("{url}/api/invocations"), Some("lambda"));
    match way {
        Way::Gateway => function(cloud.gateway().url()),
        Way::Direct => function(cloud.direct().url()),
        Way::Buffered => function(cloud.buffered().url()),
        Way::Agentcore => {
            let url = invocations(cloud, cloud.runtime_arn(), "DEFAULT");
            (url, Some("bedrock-agentcore"))
        }
        Way::Villain => (format!("{}/api/invocations", villain(cloud).url()), None),
    }
}

/// Returns the headers of a question, signed as the deployer where the way asks for it.
pub(crate) fn headers(cloud: &RunningCloud, way: Way, body: &str) -> Vec<(String, String)> {
    let (url, service) = address(cloud, way);
    // The hosting's route has a session of its own for AgentCore.
    let session = match way {
        Way::Villain => "b1946ac9-2c1e-4f0e-9b0a-villainvillain1",
        _ => SESSION,
    };
    headers_for(cloud, &url, service, session, body)
}

/// Returns the headers of a question to any address, signed by AWS's own signer if a service is named.
pub(crate) fn headers_for(
    cloud: &RunningCloud,
    url: &str,
    service: Option<&str>,
    session: &str,
    body: &str,
) -> Vec<(String, String)> {
    let mut headers = vec![
        ("content-type".to_owned(), "application/json".to_owned()),
        (SESSION_HEADER.to_owned(), session.to_owned()),
    ];
    let Some(service) = service else {
        return headers;
    };
    let (id, secret) = (Account::DEPLOYER, Account::DEPLOYER_SECRET);
    let identity = Credentials::new(id, secret, None, None, "test").into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(cloud.account().region())
        .name(service)
        .time(SystemTime::from(cloud.account().now()))
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let named = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let signable = SignableBody::Bytes(body.as_bytes());
    let request = SignableRequest::new("POST", url, named, signable).unwrap();
    let (instructions, _) = sign(request, &params).unwrap().into_parts();
    let signed = instructions.headers();
    let signed: Vec<_> = signed
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    headers.extend(signed);
    headers
}

/// Posts a body on a way.
pub(crate) async fn post(cloud: &RunningCloud, way: Way, body: &Value) -> reqwest::Response {
    let body = body.to_string();
    let (url, _) = address(cloud, way);
    send(&url, headers(cloud, way, &body), body).await
}

/// Posts a signed body to a runtime of AgentCore.
pub(crate) async fn post_signed(
    cloud: &RunningCloud,
    url: &str,
    body: &Value,
) -> reqwest::Response {
    let body = body.to_string();
    let service = Some("bedrock-agentcore");
    send(url, headers_for(cloud, url, service, SESSION, &body), body).await
}

async fn send(url: &str, headers: Vec<(String, String)>, body: String) -> reqwest::Response {
    let mut request = http().post(url);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(body).send().await.unwrap()
}

/// Returns the address of a runtime's endpoint.
pub(crate) fn invocations(cloud: &RunningCloud, arn: &str, qualifier: &str) -> String {
    let arn = arn.replace(':', "%3A").replace('/', "%2F");
    let plane = cloud.agentcore().url();
    format!("{plane}/runtimes/{arn}/invocations?qualifier={qualifier}")
}

/// Posts a body with a token, or without any.
pub(crate) async fn post_with(url: &str, token: Option<&str>, body: &Value) -> reqwest::Response {
    let mut request = http().post(url).header(SESSION_HEADER, SESSION);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    request.json(body).send().await.unwrap()
}

/// What the cloud tells under a name.
pub(crate) fn told(cloud: &RunningCloud, name: &str) -> String {
    let env = cloud.env();
    let found = env.into_iter().find(|(told, _)| told == name);
    found.unwrap_or_else(|| panic!("no {name}")).1
}

/// Holds that this is one whole deliberation with its verdict, and returns what it adds up to.
pub(crate) fn whole(seen: &Seen) -> Snapshot {
    let mut checker = Checker::new(Mode::Log);
    for (cursor, event) in &seen.entries {
        checker.entry(*cursor, event).unwrap();
    }
    checker.finish(true).unwrap();
    let Body::Complete(complete) = &seen.entries.last().unwrap().1.body else {
        panic!("{}", seen.tail());
    };
    assert_eq!(complete.status, Status::Completed, "{}", seen.tail());
    checker.snapshot().clone()
}

/// Returns the votes by sage, and the verdict.
pub(crate) fn verdict(snapshot: &Snapshot) -> (Vec<(Sage, Decision)>, &Complete) {
    let votes = snapshot.sages.iter();
    let votes = votes.map(|(sage, lane)| (*sage, lane.complete.as_ref().unwrap().decision));
    (votes.collect(), snapshot.verdict.as_ref().unwrap())
}
