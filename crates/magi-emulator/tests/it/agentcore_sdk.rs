//! The data plane through AWS's own Rust SDK, as it is by default.

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_sdk_bedrockagentcore::Client;
use aws_sdk_bedrockagentcore::config::{Credentials, Region};
use aws_sdk_bedrockagentcore::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_bedrockagentcore::primitives::Blob;
use bytes::Bytes;
use magi_emulator::cloud::{
    Account, AgentCore, AgentCoreConfig, Container, Launch, Over, Phase, RuntimeConfig,
};
use serde_json::{Value, json};

use crate::agentcore::{until, view};
use crate::agentcore_container::InTest;

const SESSION: &str = "a-session-of-the-sdk-with-enough-characters";

/// The SDK with nothing set but what an environment would say.
async fn sdk(url: String, access_key: &str, secret: &str) -> Client {
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(Account::REGION))
        .credentials_provider(Credentials::new(access_key, secret, None, None, "test"))
        .endpoint_url(url)
        .load()
        .await;
    Client::new(&config)
}

struct Called {
    account: Account,
    plane: AgentCore,
    arn: String,
    client: Client,
}

async fn called(runtime: RuntimeConfig) -> Called {
    let account = Account::demo();
    let arn = runtime.arn(&account);
    let config = AgentCoreConfig::new(vec![runtime]);
    let plane = AgentCore::start(&account, config).await.unwrap();
    let client = sdk(plane.url(), Account::DEPLOYER, Account::DEPLOYER_SECRET).await;
    Called {
        account,
        plane,
        arn,
        client,
    }
}

impl Called {
    fn ask(
        &self,
        session: &str,
        body: &Value,
    ) -> aws_sdk_bedrockagentcore::operation::invoke_agent_runtime::builders::InvokeAgentRuntimeFluentBuilder
    {
        self.client
            .invoke_agent_runtime()
            .agent_runtime_arn(&self.arn)
            .qualifier("DEFAULT")
            .runtime_session_id(session)
            .content_type("application/json")
            .accept("text/event-stream")
            .payload(Blob::new(body.to_string()))
    }

    async fn said(&self, session: &str, body: &Value) -> Value {
        let answer = self.ask(session, body).send().await.unwrap();
        let bytes = answer.response.collect().await.unwrap().into_bytes();
        serde_json::from_slice(&bytes).unwrap()
    }
}

#[tokio::test]
async fn each_byte_arrives_before_the_next_is_made() {
    let container = InTest::start().await;
    let called = called(RuntimeConfig::new(
        "magi-0123456789",
        Container::At(container.addr),
    ))
    .await;
    let gives = container.stream("s");
    let asked = called.ask(SESSION, &json!({"do": "stream", "name": "s"}));
    let mut answer = asked.send().await.unwrap();
    assert_eq!(answer.runtime_session_id.as_deref(), Some(SESSION));
    assert_eq!(answer.content_type, "text/event-stream");
    assert_eq!(answer.status_code, Some(200));
    let pieces: [&'static [u8]; 4] = [
        b"data: {\"n\":0}\n\n",
        b": hb\n\n",
        "data: 会".as_bytes(),
        &[0xe8, 0xad],
    ];
    for piece in pieces {
        // The next piece is made only when this one is here, so no hop can have kept it back.
        gives.send(Bytes::from_static(piece)).await.unwrap();
        let mut read = Vec::new();
        while read.len() < piece.len() {
            read.extend_from_slice(&answer.response.next().await.unwrap().unwrap());
        }
        assert_eq!(read, piece);
    }
    drop(gives);
    assert!(answer.response.next().await.is_none());
    assert_eq!(called.plane.relayed().requests, 1);
}

#[tokio::test]
async fn a_containers_failure_is_the_callers_424_without_its_words() {
    let container = InTest::start().await;
    let called = called(RuntimeConfig::new(
        "magi-0123456789",
        Container::At(container.addr),
    ))
    .await;
    for status in [400, 404, 422, 500, 503, 302] {
        let asked = called.ask(SESSION, &json!({"do": "status", "status": status}));
        let error = asked.send().await.unwrap_err();
        let raw = error.raw_response().unwrap();
        assert_eq!(raw.status().as_u16(), 424);
        let error = error.into_service_error();
        assert!(error.is_runtime_client_error(), "{error:?}");
        let words = error.message().unwrap();
        assert!(
            words.starts_with(&format!("Received error ({status}) from runtime.")),
            "{words}"
        );
    }
    // Six errors and no retry: a 424 is not repeated.
    assert_eq!(container.state.requests().len(), 6);
    assert_eq!(called.plane.relayed().failed, 6);
}

#[tokio::test]
async fn a_request_to_a_session_that_starts_is_a_conflict_which_the_sdk_repeats() {
    let container = InTest::start().await;
    *container.state.ping.lock().unwrap() = None;
    let called = called(RuntimeConfig::new(
        "magi-0123456789",
        Container::At(container.addr),
    ))
    .await;
    let who = json!({"who": 1});
    let first = called.said(SESSION, &who);
    let second = async {
        until(&called.plane, |plane| {
            plane
                .sessions()
                .iter()
                .any(|session| session.phase == Phase::Starting)
        })
        .await;
        called.said(SESSION, &json!({"who": 2})).await
    };
    let opens = async {
        until(&called.plane, |plane| plane.relayed().conflicts > 0).await;
        container.state.says(&json!({"status": "Healthy"}));
    };
    let (first, second, ()) = futures_util::future::join3(first, second, opens).await;
    assert_eq!(first["body"], r#"{"who":1}"#);
    assert_eq!(second["body"], r#"{"who":2}"#);
    assert_eq!(called.plane.sessions().len(), 1);
    assert_eq!(container.state.requests().len(), 2);
}

#[tokio::test]
async fn who_may_not_is_told_by_the_actions_name() {
    let container = InTest::start().await;
    let called = called(RuntimeConfig::new(
        "magi-0123456789",
        Container::At(container.addr),
    ))
    .await;
    let account = &called.account;
    account.add_user("reader", "AKIDREADER", "s", &["bedrock:*"]);
    account.add_user(
        "caller",
        "AKIDCALLER",
        "s",
        &["bedrock-agentcore:InvokeAgentRuntime"],
    );
    let body = Blob::new("{}");
    let invoke = |client: &Client| {
        client
            .invoke_agent_runtime()
            .agent_runtime_arn(&called.arn)
            .runtime_session_id(SESSION)
            .payload(body.clone())
    };
    let reader = sdk(called.plane.url(), "AKIDREADER", "s").await;
    let error = invoke(&reader)
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(error.is_access_denied_exception(), "{error:?}");
    let words = format!(
        "User: arn:aws:iam::123456789012:user/reader is not authorized to perform: bedrock-agentcore:InvokeAgentRuntime on resource: {}/runtime-endpoint/DEFAULT",
        called.arn
    );
    assert!(error.message().unwrap().starts_with(&words), "{error:?}");

    // Naming a user is an action of its own, and so is stopping.
    let caller = sdk(called.plane.url(), "AKIDCALLER", "s").await;
    assert!(invoke(&caller).send().await.is_ok());
    let error = invoke(&caller)
        .runtime_user_id("ada")
        .send()
        .await
        .unwrap_err();
    let error = error.into_service_error();
    assert!(
        error
            .message()
            .unwrap()
            .contains("InvokeAgentRuntimeForUser"),
        "{error:?}"
    );
    let stop = caller
        .stop_runtime_session()
        .agent_runtime_arn(&called.arn)
        .runtime_session_id(SESSION);
    let error = stop.send().await.unwrap_err().into_service_error();
    assert!(error.is_access_denied_exception(), "{error:?}");

    let wrong = sdk(called.plane.url(), Account::DEPLOYER, "not the secret").await;
    let error = invoke(&wrong)
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert_eq!(error.code(), Some("InvalidSignatureException"));
    assert_eq!(container.state.requests().len(), 1);
}

#[tokio::test]
async fn unknown_runtimes_endpoints_and_short_session_ids_are_refused() {
    let container = InTest::start().await;
    let mut runtime = RuntimeConfig::new("magi-0123456789", Container::At(container.addr));
    runtime.endpoints = vec!["prod".to_owned()];
    let called = called(runtime).await;
    let ask = || called.ask(SESSION, &json!({}));
    assert!(ask().qualifier("prod").send().await.is_ok());
    let by_id = ask()
        .agent_runtime_arn("magi-0123456789")
        .account_id(Account::ID);
    assert!(by_id.send().await.is_ok());
    for unknown in [
        ask().qualifier("test"),
        ask().agent_runtime_arn(called.arn.replace("magi-", "gami-")),
        ask()
            .agent_runtime_arn("magi-0123456789")
            .account_id("000000000000"),
    ] {
        let error = unknown.send().await.unwrap_err().into_service_error();
        assert!(error.is_resource_not_found_exception(), "{error:?}");
    }
    for wrong in [
        ask().runtime_session_id("x".repeat(32)),
        ask().runtime_session_id("x".repeat(257)),
        ask().agent_runtime_arn("magi-0123456789"),
    ] {
        let error = wrong.send().await.unwrap_err().into_service_error();
        assert!(error.is_validation_exception(), "{error:?}");
    }
    assert!(
        ask()
            .runtime_session_id("x".repeat(256))
            .send()
            .await
            .is_ok()
    );
    assert!(
        ask()
            .runtime_session_id("x".repeat(33))
            .send()
            .await
            .is_ok()
    );
    let named = ask().set_runtime_session_id(None).send().await.unwrap();
    assert_eq!(named.runtime_session_id.unwrap().len(), 36);
}

/// A container that is a process: this test binary itself, told to serve.
fn process() -> Container {
    let program = std::env::current_exe().unwrap();
    let mut launch = Launch::new(program)
        .arg("agentcore_container::container_process")
        .arg("--exact")
        .arg("--ignored")
        .env("PORT", "{port}");
    launch.quiet = true;
    Container::Command(launch)
}

#[tokio::test]
async fn a_session_is_one_process_until_it_is_stopped() {
    let called = called(RuntimeConfig::new("magi-0123456789", process())).await;
    let other = SESSION.replace("a-session", "b-session");
    let first = called.said(SESSION, &json!({})).await["pid"].clone();
    assert_eq!(called.said(SESSION, &json!({})).await["pid"], first);
    assert_ne!(called.said(&other, &json!({})).await["pid"], first);
    assert_eq!(view(&called.plane, SESSION).requests, 2);
    assert_eq!(json!(view(&called.plane, SESSION).pid), first);

    let stop = || {
        called
            .client
            .stop_runtime_session()
            .agent_runtime_arn(&called.arn)
            .runtime_session_id(SESSION)
            .send()
    };
    let stopped = stop().await.unwrap();
    assert_eq!(stopped.runtime_session_id.as_deref(), Some(SESSION));
    assert_eq!(
        view(&called.plane, SESSION).phase,
        Phase::Ended(Over::Stopped)
    );
    let error = stop().await.unwrap_err().into_service_error();
    assert!(error.is_resource_not_found_exception(), "{error:?}");
    assert_ne!(called.said(SESSION, &json!({})).await["pid"], first);

    let crash = called.ask(SESSION, &json!({"do": "exit"})).send().await;
    assert!(
        crash
            .unwrap_err()
            .into_service_error()
            .is_runtime_client_error()
    );
    until(&called.plane, |plane| {
        let over = |session: &magi_emulator::cloud::SessionView| {
            session.phase == Phase::Ended(Over::Exited)
        };
        plane.sessions().iter().any(over)
    })
    .await;
    assert_ne!(called.said(SESSION, &json!({})).await["pid"], first);
    called.plane.stop().await;
    let live = |phase: &Phase| !matches!(phase, Phase::Ended(_));
    assert!(
        !called
            .plane
            .sessions()
            .iter()
            .any(|session| live(&session.phase))
    );
}

#[tokio::test]
async fn what_cannot_be_started_is_a_424() {
    let launch = Launch::new("/nonexistent/magi");
    let called = called(RuntimeConfig::new(
        "magi-0123456789",
        Container::Command(launch),
    ))
    .await;
    let error = called.ask(SESSION, &json!({})).send().await.unwrap_err();
    assert!(error.into_service_error().is_runtime_client_error());
    assert_eq!(
        view(&called.plane, SESSION).phase,
        Phase::Ended(Over::NeverStarted)
    );
}

#[tokio::test]
async fn stopping_a_session_breaks_its_stream_off() {
    let container = InTest::start().await;
    let called = called(RuntimeConfig::new(
        "magi-0123456789",
        Container::At(container.addr),
    ))
    .await;
    let gives = container.stream("s");
    let asked = called.ask(SESSION, &json!({"do": "stream", "name": "s"}));
    let mut answer = asked.send().await.unwrap();
    gives
        .send(Bytes::from_static(b"data: 1\n\n"))
        .await
        .unwrap();
    assert!(answer.response.next().await.unwrap().is_ok());
    let stop = called
        .client
        .stop_runtime_session()
        .agent_runtime_arn(&called.arn);
    stop.runtime_session_id(SESSION).send().await.unwrap();
    assert!(answer.response.next().await.unwrap().is_err());
}

#[tokio::test]
async fn a_container_that_does_not_answer_in_time_is_a_504() {
    let container = InTest::start().await;
    let mut runtime = RuntimeConfig::new("magi-0123456789", Container::At(container.addr));
    runtime.request_limit = Duration::from_millis(30);
    let called = called(runtime).await;
    let asked = called.ask(SESSION, &json!({"do": "silence"}));
    // The SDK takes a 504 for something to repeat; each of its three attempts ran into the limit.
    match asked.send().await {
        Err(SdkError::ServiceError(error)) => assert_eq!(error.raw().status().as_u16(), 504),
        other => panic!("{other:?}"),
    }
    let tries = called.plane.relayed().timed_out;
    assert!(tries >= 1);
    assert!(tries >= container.state.requests().len() as u64);
    // Nothing of the container's silence is left to wait for.
    called.plane.stop().await;
}

#[tokio::test]
async fn a_stream_is_cut_at_its_limit() {
    let container = InTest::start().await;
    let mut runtime = RuntimeConfig::new("magi-0123456789", Container::At(container.addr));
    runtime.stream_limit = Duration::from_millis(50);
    let called = called(runtime).await;
    let _gives = container.stream("s");
    let asked = called.ask(SESSION, &json!({"do": "stream", "name": "s"}));
    let mut answer = asked.send().await.unwrap();
    assert!(answer.response.next().await.unwrap().is_err());
    assert_eq!(called.plane.relayed().timed_out, 1);
    assert_eq!(called.plane.relayed().whole, 0);
}
