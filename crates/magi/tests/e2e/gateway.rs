//! The Lambda function as a gateway to AgentCore.

use std::path::Path;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use bytes::Bytes;
use magi_emulator::cloud::{Account, Auth, Launch};
use magi_server::SESSION_HEADER;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::cloud::{Deployed, function, only_frame, text};
use super::runtime::{ARN, Reply, Runtime};
use super::support::{PATIENCE, http};

const MINUTE: Duration = Duration::from_secs(60);

const SESSION: &str = "0b6f7f0c-5f6a-4a3e-9d55-2f6f4d1c9a10";

fn gateway(folder: &Path, runtime: &Runtime) -> Launch {
    function(folder)
        .env("MAGI_UPSTREAM", format!("agentcore:{ARN}?qualifier=prod"))
        .env("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", runtime.url())
        .env("AWS_ACCESS_KEY_ID", "AKIDMAGIDEMO")
        .env("AWS_SECRET_ACCESS_KEY", "magi-demo-secret")
        .env("AWS_EC2_METADATA_DISABLED", "true")
}

fn question() -> Value {
    json!({ "action": "ask", "question": "Q?" })
}

async fn sends(bytes: &mpsc::Sender<Result<Bytes, std::io::Error>>, text: impl Into<Bytes>) {
    bytes.send(Ok(text.into())).await.unwrap();
}

#[tokio::test]
async fn every_refusal_of_agentcore_names_the_hop_and_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::start().await;
    let deployed = Deployed::open(gateway(folder.path(), &runtime), MINUTE).await;
    let refusals = [
        (400, "ValidationException", "upstream_refused", 424),
        (401, "UnauthorizedException", "upstream_forbidden", 424),
        (
            402,
            "ServiceQuotaExceededException",
            "upstream_throttled",
            429,
        ),
        (403, "AccessDeniedException", "upstream_forbidden", 424),
        (403, "ExpiredTokenException", "upstream_forbidden", 424),
        (404, "ResourceNotFoundException", "upstream_not_found", 424),
        (409, "ConflictException", "upstream_conflict", 503),
        (424, "RuntimeClientError", "upstream_failed", 502),
        (429, "ThrottlingException", "upstream_throttled", 429),
        (500, "InternalServerException", "upstream_failed", 502),
        (503, "ServiceUnavailableException", "upstream_failed", 502),
    ];
    for (status, name, code, told) in refusals {
        runtime.will(Reply::Refuses(status, name));
        let asking = json!({ "action": "ask", "question": "Q?" });
        let answer = deployed.post_as(&asking, Some(SESSION)).await;
        assert_eq!(answer.status(), 200, "{name}");
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert_eq!(answer.headers()[SESSION_HEADER], SESSION);
        let body = text(answer).await;
        let frame = only_frame(&body);
        assert_eq!(frame["type"], "error");
        assert_eq!(frame["data"]["code"], code, "{name}: {frame}");
        assert_eq!(frame["data"]["status"], told, "{name}: {frame}");
        let message = frame["error"].as_str().unwrap();
        assert!(
            message.contains(name) && message.contains(": "),
            "{message}"
        );
        assert!(
            !body.contains("role/secret"),
            "AWS's own words stay in the log: {body}"
        );
        // A call that may have begun something is not made again, whatever it was answered.
        assert_eq!(runtime.calls().len(), 1, "{name}");

        runtime.will(Reply::Refuses(status, name));
        let asking = json!({ "action": "status", "id": "01JD3ZK8M00000000000000000" });
        let answer = deployed.post(&asking).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "application/json");
        let frame: Value = answer.json().await.unwrap();
        assert_eq!(frame["data"]["code"], code);
        assert_eq!(runtime.calls().len(), 1, "{name}");
    }
    deployed.ended_well(2 * refusals.len()).await;
}

#[tokio::test]
async fn what_is_not_there_is_told_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::start().await;
    let nowhere = gateway(folder.path(), &runtime)
        .env("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", "http://127.0.0.1:9");
    let mut nobody = gateway(folder.path(), &runtime);
    nobody.env.remove("AWS_ACCESS_KEY_ID");
    nobody.env.remove("AWS_SECRET_ACCESS_KEY");
    for (launch, code, word) in [
        (nowhere, "upstream_unreachable", "region"),
        (nobody, "upstream_forbidden", "execution role"),
    ] {
        let deployed = Deployed::open(launch, MINUTE).await;
        let answer = deployed.post(&json!({ "question": "Q?" })).await;
        let frame = only_frame(&text(answer).await);
        assert_eq!(frame["data"]["code"], code, "{frame}");
        assert!(frame["error"].as_str().unwrap().contains(word), "{frame}");
        deployed.ended_well(1).await;
    }
    assert!(runtime.calls().is_empty());
}

#[tokio::test]
async fn a_session_that_is_being_made_is_waited_for_and_asked_once() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::start().await;
    let deployed = Deployed::open(gateway(folder.path(), &runtime), MINUTE).await;
    runtime.will(Reply::Refuses(409, "RetryableConflictException"));
    runtime.will(Reply::Refuses(409, "RetryableConflictException"));
    runtime.will(Reply::Says("application/json", "{\"status\":1}".into()));
    let asking = json!({ "action": "status", "id": "x" });
    let answer: Value = deployed.post(&asking).await.json().await.unwrap();
    assert_eq!(answer, json!({ "status": 1 }));
    let calls = runtime.calls();
    assert_eq!(calls.len(), 3);
    assert_eq!(calls[0].body, calls[2].body);
    assert_eq!(
        calls[0].header(SESSION_HEADER),
        calls[2].header(SESSION_HEADER)
    );
    // One that is never ready is told, after a bounded wait.
    for _ in 0..6 {
        runtime.will(Reply::Refuses(409, "RetryableConflictException"));
    }
    let frame: Value = deployed.post(&asking).await.json().await.unwrap();
    assert_eq!(frame["data"]["code"], "upstream_conflict");
    assert_eq!(runtime.calls().len(), 6);
    deployed.ended_well(2).await;
}

#[tokio::test]
async fn the_body_goes_through_unchanged_in_a_session_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::start().await;
    let deployed = Deployed::open(gateway(folder.path(), &runtime), MINUTE).await;
    let says = || Reply::Says("application/json", "{}".into());
    // Odd bytes on purpose: order, spaces and a dialect are the container's to read.
    let body = "{ \"dialect\":\"chunks\" , \"question\":\"2コンテナ構成を採用すべきか？\",\"zeta\":[1,2] }\n";
    let ask = |session: Option<&str>| {
        let url = format!("{}/api/invocations", deployed.url.url());
        let mut request = http().post(url).body(body);
        if let Some(session) = session {
            request = request.header(SESSION_HEADER, session);
        }
        request
            .header("accept", "text/event-stream")
            .header(
                "traceparent",
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            )
            .send()
    };
    for _ in 0..3 {
        runtime.will(says());
    }
    let mine = ask(Some(SESSION)).await.unwrap();
    assert_eq!(mine.headers()[SESSION_HEADER], SESSION);
    let made = ask(None).await.unwrap().headers()[SESSION_HEADER]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(made.len() >= 33, "{made}");
    let again = ask(Some(&made)).await.unwrap();
    assert_eq!(again.headers()[SESSION_HEADER], made.as_str());

    let calls = runtime.calls();
    for call in &calls {
        assert_eq!(call.body, body);
        assert_eq!(
            call.path,
            format!(
                "/runtimes/{}/invocations",
                ARN.replace(':', "%3A").replace('/', "%2F")
            )
        );
        assert_eq!(call.query, "qualifier=prod");
        assert_eq!(call.header("accept"), "text/event-stream");
        assert_eq!(call.header("content-type"), "application/json");
        assert_eq!(
            call.header("traceparent"),
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        );
        assert!(
            call.header("x-amzn-trace-id").starts_with("Root="),
            "{call:?}"
        );
        assert!(
            call.header("authorization")
                .contains("/us-east-1/bedrock-agentcore/aws4_request")
        );
        let session = call.header(SESSION_HEADER);
        assert_eq!(session.len(), 64);
        assert!(session.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
    assert_ne!(
        calls[0].header(SESSION_HEADER),
        calls[1].header(SESSION_HEADER)
    );
    assert_eq!(
        calls[1].header(SESSION_HEADER),
        calls[2].header(SESSION_HEADER)
    );
    deployed.ended_well(3).await;
}

/// Posts a signed question in one and the same session.
async fn signed(
    deployed: &Deployed,
    key: (&str, &str, Option<&str>),
    now: SystemTime,
) -> reqwest::Response {
    let (id, secret, token) = key;
    let token = token.map(str::to_owned);
    let identity = Credentials::new(id, secret, token, None, "test").into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("lambda")
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let url = format!("{}/invocations", deployed.url.url());
    let body = r#"{"question":"Q?"}"#;
    let headers = [
        ("content-type", "application/json"),
        (SESSION_HEADER, SESSION),
    ];
    let signable = SignableBody::Bytes(body.as_bytes());
    let request = SignableRequest::new("POST", &url, headers.into_iter(), signable);
    let (instructions, _) = sign(request.unwrap(), &params).unwrap().into_parts();
    let mut request = http().post(&url).body(body);
    for (name, value) in headers.into_iter().chain(instructions.headers()) {
        request = request.header(name, value);
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn the_same_session_id_of_another_caller_reaches_another_container() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::start().await;
    let account = Account::demo();
    let launch = gateway(folder.path(), &runtime);
    let deployed = Deployed::of(launch, MINUTE, Auth::Iam, account.clone()).await;
    let allowed = ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"];
    let other = account.issue("arn:aws:iam::123456789012:role/page", &allowed);
    let demo = ("AKIDMAGIDEMO", "magi-demo-secret", None);
    let other_key = (
        other.access_key_id.as_str(),
        other.secret_access_key.as_str(),
        other.session_token.as_deref(),
    );
    for key in [demo, other_key, demo] {
        runtime.will(Reply::Says("application/json", "{}".into()));
        let answer = signed(&deployed, key, account.now().into()).await;
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
        // Each is told the id that it chose.
        assert_eq!(answer.headers()[SESSION_HEADER], SESSION);
    }
    let sessions: Vec<_> = runtime
        .calls()
        .iter()
        .map(|call| call.header(SESSION_HEADER).to_owned())
        .collect();
    assert_eq!(sessions[0], sessions[2]);
    assert_ne!(sessions[0], sessions[1]);
    assert!(!sessions.contains(&SESSION.to_owned()));
}

#[tokio::test]
async fn every_frame_arrives_before_the_next_one_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::start().await;
    let deployed = Deployed::open(gateway(folder.path(), &runtime), MINUTE).await;
    let (sender, bytes) = mpsc::channel(1);
    runtime.will(Reply::Streams(bytes));
    let question = question();
    let asking = deployed.post(&question);
    let first = async { sends(&sender, "retry: 1000\n\n").await };
    let (mut answer, ()) = tokio::join!(asking, first);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert_eq!(answer.headers()["x-accel-buffering"], "no");
    let mut whole = "retry: 1000\n\n".to_owned();
    let mut read = String::new();
    for n in 0..50 {
        let frame = match n % 3 {
            0 => ": hb\n\n".to_owned(),
            1 => format!("id: a.1.{n}\ndata: {{\"type\":\"agent_chunk\",\"seq\":{n}}}\n\n"),
            _ => format!("data: {}\n\n", "語".repeat(n * 40)),
        };
        sends(&sender, frame.clone()).await;
        whole += &frame;
        while read.len() < whole.len() {
            let chunk = tokio::time::timeout(PATIENCE, answer.chunk()).await;
            let chunk = chunk.expect("a hop holds a frame back").unwrap().unwrap();
            read += std::str::from_utf8(&chunk).unwrap_or("");
            if std::str::from_utf8(&chunk).is_err() {
                // A piece may end inside of a character: the rest is compared at the end.
                read += &"?".repeat(chunk.len());
            }
        }
    }
    drop(sender);
    assert_eq!(answer.chunk().await.unwrap(), None);
    assert_eq!(read.len(), whole.len());
    deployed.ended_well(1).await;
}

#[tokio::test]
async fn long_answers_pass_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::start().await;
    let deployed = Deployed::open(gateway(folder.path(), &runtime), MINUTE).await;
    let mut rng = fastrand::Rng::with_seed(5);
    let json: String = std::iter::repeat_with(|| rng.alphanumeric())
        .take(700_000)
        .collect();
    let stream: String = (0..2000)
        .map(|n| format!("id: a.1.{n}\ndata: {}\n\n", "x".repeat(rng.usize(..400))))
        .chain(["data: the end is not a frame".to_owned()])
        .collect();
    for (kind, bytes) in [
        ("application/json", json),
        ("text/event-stream; charset=utf-8", stream),
    ] {
        runtime.will(Reply::Says(kind, bytes.clone().into()));
        let answer = deployed.post(&json!({ "action": "snapshot" })).await;
        assert_eq!(answer.headers()["content-type"], kind);
        assert!(text(answer).await == bytes, "{kind}");
    }
    deployed.ended_well(2).await;
}

#[tokio::test]
async fn an_answer_that_is_cut_ends_with_a_frame_and_not_with_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::start().await;
    let deployed = Deployed::open(gateway(folder.path(), &runtime), MINUTE).await;
    for unfinished in ["", "id: a.1.2\ndata: {\"ty"] {
        let (sender, bytes) = mpsc::channel(1);
        runtime.will(Reply::Streams(bytes));
        let frame = "data: {\"type\":\"agent_chunk\"}\n\n";
        let cuts = async {
            sends(&sender, format!("{frame}{unfinished}")).await;
            sender
                .send(Err(std::io::Error::other("cut")))
                .await
                .unwrap();
        };
        let question = question();
        let (answer, ()) = tokio::join!(deployed.post(&question), cuts);
        let body = text(answer).await;
        let last = only_frame(body.strip_prefix(frame).unwrap_or_else(|| panic!("{body}")));
        assert_eq!(last["data"]["code"], "upstream_cut", "{body}");
        assert!(
            last["error"].as_str().unwrap().contains("`events`"),
            "{body}"
        );
        assert_eq!(runtime.calls().len(), 1);
    }
    // No error of the stream reached the runtime library, which would have written it as text.
    deployed.ended_well(2).await;
}

#[tokio::test]
async fn before_its_deadline_the_gateway_ends_a_silent_stream_with_a_comment() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::start().await;
    let launch = gateway(folder.path(), &runtime).env("MAGI_LAMBDA_MARGIN", "3s");
    // Silent for longer than the SDK lets a stream be by default (5 s): the gateway must not have that protection.
    let deployed = Deployed::open(launch, Duration::from_secs(12)).await;
    let (sender, bytes) = mpsc::channel(1);
    runtime.will(Reply::Streams(bytes));
    let frame = "data: {\"type\":\"agent_chunk\"}\n\n";
    let question = question();
    let (answer, ()) = tokio::join!(deployed.post(&question), sends(&sender, frame));
    let body = text(answer).await;
    assert_eq!(
        body,
        format!("{frame}: deadline of this hop, go on by cursor\n\n")
    );
    // The source sees that nobody reads on.
    let left = tokio::time::timeout(PATIENCE, sender.closed()).await;
    assert!(left.is_ok(), "the source goes on");
    // An upstream that does not begin to answer is told, before the function is killed.
    runtime.will(Reply::Silence);
    let frame = only_frame(&text(deployed.post(&question).await).await);
    assert_eq!(frame["data"]["code"], "upstream_timeout", "{frame}");
    deployed.ended_well(2).await;
}

#[tokio::test]
async fn a_reader_that_does_not_read_stops_the_source() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::start().await;
    let deployed = Deployed::open(gateway(folder.path(), &runtime), MINUTE).await;
    let (sent, mut seen) = watch::channel(0);
    runtime.will(Reply::Floods(sent));
    let answer = deployed.post(&question()).await;
    // Until nothing has left for a while: what was sent by then is all that the way can hold.
    while let Ok(changed) = tokio::time::timeout(Duration::from_secs(2), seen.changed()).await {
        changed.unwrap();
    }
    let held = *seen.borrow_and_update();
    // Nearly all of it lies in the system's socket buffers, which it lets grow to megabytes.
    assert!(held < 32 << 20, "the source never stops: {held}");
    drop(answer);
}

#[tokio::test]
async fn other_paths_bad_sessions_and_large_bodies_never_reach_the_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::start().await;
    let deployed = Deployed::open(gateway(folder.path(), &runtime), MINUTE).await;
    let url = deployed.url.url();
    for (method, path, status) in [
        ("GET", "/", 404),
        ("POST", "/v1/deliberations", 404),
        ("GET", "/invocations", 405),
        ("POST", "/ping", 405),
        ("GET", "/ping", 200),
        ("GET", "/api/ping", 200),
    ] {
        let request = http().request(method.parse().unwrap(), format!("{url}{path}"));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{method} {path}");
        let body: Value = answer.json().await.unwrap();
        if status == 200 {
            assert_eq!(body["status"], "Healthy");
        } else {
            assert!(body["fix"].is_string(), "{body}");
        }
    }
    let answer = deployed
        .post_as(&json!({ "question": "Q?" }), Some("short"))
        .await;
    let frame = only_frame(&text(answer).await);
    assert_eq!(frame["data"]["status"], 400);
    assert!(
        frame["data"]["field"]
            .as_str()
            .unwrap()
            .contains("Session-Id"),
        "{frame}"
    );
    let large = json!({ "action": "status", "question": "x".repeat(magi_server::BODY_LIMIT) });
    let frame: Value = deployed.post(&large).await.json().await.unwrap();
    assert_eq!(frame["data"]["code"], "too_large");
    assert!(runtime.calls().is_empty());
    deployed.ended_well(8).await;
}
