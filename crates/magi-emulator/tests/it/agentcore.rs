//! The data plane as a page and a raw client see it: tokens, preflights, headers, leaving, idleness, WebSockets.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::StatusCode;
use magi_emulator::cloud::{
    Account, AgentCore, AgentCoreConfig, Authorizer, Container, Issuer, Over, Phase, Ping,
    RuntimeConfig, SessionView,
};
use reqwest::Response;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::{self, Message};

use crate::agentcore_container::InTest;
use crate::sigv4::{How, Sample, signed};

const SESSION: &str = "a-session-of-a-page-with-enough-characters";
const SESSION_HEADER: &str = "x-amzn-bedrock-agentcore-runtime-session-id";

/// Waits for a state of the data plane without polling it.
pub(crate) async fn until(plane: &AgentCore, ready: impl Fn(&AgentCore) -> bool) {
    let mut changes = plane.changes();
    let wait = async {
        loop {
            changes.borrow_and_update();
            if ready(plane) {
                return;
            }
            changes.changed().await.unwrap();
        }
    };
    let limit = Duration::from_secs(30);
    let waited = tokio::time::timeout(limit, wait).await;
    assert!(
        waited.is_ok(),
        "{:?} {:?}",
        plane.relayed(),
        plane.sessions()
    );
}

/// The newest session of an id.
pub(crate) fn view(plane: &AgentCore, session: &str) -> SessionView {
    let sessions = plane.sessions();
    let found = sessions
        .into_iter()
        .rev()
        .find(|view| view.session == session);
    found.unwrap()
}

/// A runtime that takes tokens, its container in this process, and a page that may come in.
struct Page {
    container: InTest,
    account: Account,
    issuer: Issuer,
    plane: AgentCore,
    path: String,
    http: reqwest::Client,
}

async fn page(change: impl FnOnce(&mut RuntimeConfig)) -> Page {
    let container = InTest::start().await;
    let account = Account::demo();
    let issuer = Issuer::new(
        "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_magi",
        b"key",
    );
    let mut runtime = RuntimeConfig::new("magi-0123456789", Container::At(container.addr));
    runtime.authorizer = Authorizer::Jwt {
        issuer: issuer.clone(),
        clients: vec!["page".to_owned()],
    };
    change(&mut runtime);
    let path = format!(
        "/runtimes/{}",
        runtime
            .arn(&account)
            .replace(':', "%3A")
            .replace('/', "%2F")
    );
    let plane = AgentCore::start(&account, AgentCoreConfig::new(vec![runtime]))
        .await
        .unwrap();
    Page {
        container,
        account,
        issuer,
        plane,
        path,
        http: crate::client(),
    }
}

impl Page {
    fn token(&self, seconds: i64) -> String {
        self.issuer
            .token("ada", "page", self.account.now(), seconds)
    }

    fn url(&self, operation: &str) -> String {
        format!("{}{}/{operation}", self.plane.url(), self.path)
    }

    fn post(&self, body: &Value) -> reqwest::RequestBuilder {
        self.http
            .post(self.url("invocations?qualifier=DEFAULT"))
            .bearer_auth(self.token(60))
            .header(SESSION_HEADER, SESSION)
            .json(body)
    }

    async fn open(&self, name: &str) -> (tokio::sync::mpsc::Sender<Bytes>, Response) {
        let gives = self.container.stream(name);
        let asked = self.post(&json!({"do": "stream", "name": name}));
        (gives, asked.send().await.unwrap())
    }
}

async fn message(response: Response) -> String {
    let body: Value = response.json().await.unwrap();
    body["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_token_runtime_takes_its_providers_tokens_and_nothing_else() {
    let page = page(|_| {}).await;
    let ask = |authorization: Option<String>| {
        let mut request = page.http.post(page.url("invocations")).body("{}");
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        request.send()
    };
    let good = ask(Some(format!("Bearer {}", page.token(60))))
        .await
        .unwrap();
    assert_eq!(good.status(), StatusCode::OK);

    let theirs = Issuer::new(page.issuer.url(), b"another key");
    let now = page.account.now();
    for (token, words) in [
        (None, "Missing Authentication Token"),
        (Some("x.y.z".to_owned()), "Failed to parse token"),
        (Some(page.token(-1)), "expired"),
        (Some(theirs.token("ada", "page", now, 60)), "signature"),
        (
            Some(page.issuer.token("ada", "other", now, 60)),
            "client_id",
        ),
    ] {
        let refused = ask(token.map(|token| format!("Bearer {token}")))
            .await
            .unwrap();
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        let way = refused.headers()["www-authenticate"].to_str().unwrap();
        let metadata = way.strip_prefix("Bearer resource_metadata=\"").unwrap();
        let metadata = metadata.strip_suffix('"').unwrap().to_owned();
        let said = message(refused).await;
        assert!(said.contains(words), "{said}");
        let metadata: Value = page
            .http
            .get(metadata)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert_eq!(metadata["authorization_servers"][0], page.issuer.url());
    }

    let signed = ask(Some("AWS4-HMAC-SHA256 Credential=x".to_owned()))
        .await
        .unwrap();
    assert_eq!(signed.status(), StatusCode::FORBIDDEN);
    assert!(
        message(signed)
            .await
            .starts_with("Authorization method mismatch.")
    );
    assert_eq!(page.container.state.requests().len(), 1);
}

#[tokio::test]
async fn an_iam_runtime_takes_no_token() {
    let page = page(|runtime| runtime.authorizer = Authorizer::Iam).await;
    let refused = page.post(&json!({})).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert_eq!(
        refused.headers()["x-amzn-errortype"],
        "AccessDeniedException"
    );
    assert!(
        message(refused)
            .await
            .starts_with("Authorization method mismatch.")
    );
    let unsigned = page
        .http
        .post(page.url("invocations"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        unsigned.headers()["x-amzn-errortype"],
        "MissingAuthenticationTokenException"
    );
}

#[tokio::test]
async fn preflights_are_the_fronts_and_need_no_token() {
    let page = page(|runtime| runtime.header_allowlist = vec!["X-Tenant".to_owned()]).await;
    let preflight = page
        .http
        .request(
            http::Method::OPTIONS,
            page.url("invocations?qualifier=DEFAULT"),
        )
        .header("origin", "https://main.d111.amplifyapp.com")
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,content-type,x-tenant",
        )
        .send()
        .await
        .unwrap();
    assert_eq!(preflight.status(), StatusCode::OK);
    assert_eq!(preflight.headers()["access-control-allow-origin"], "*");
    let allowed = preflight.headers()["access-control-allow-headers"]
        .to_str()
        .unwrap();
    for name in [
        "authorization",
        "content-type",
        SESSION_HEADER,
        "x-amz-content-sha256",
        "x-tenant",
    ] {
        assert!(
            allowed.split(',').any(|known| known == name),
            "{name} in {allowed}"
        );
    }
    assert!(page.container.state.requests().is_empty());

    let answer = page.post(&json!({})).header("origin", "https://x.example");
    let answer = answer.send().await.unwrap();
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    let exposed = answer.headers()["access-control-expose-headers"]
        .to_str()
        .unwrap();
    assert!(exposed.contains(SESSION_HEADER));
    let refused = page
        .http
        .post(page.url("invocations"))
        .header("origin", "https://x.example");
    let refused = refused.send().await.unwrap();
    // A page that may not read the refusal cannot say what is wrong.
    assert_eq!(refused.headers()["access-control-allow-origin"], "*");
}

#[tokio::test]
async fn only_the_contracts_headers_and_the_allowed_ones_pass_either_way() {
    let page = page(|runtime| {
        runtime.header_allowlist = vec![
            "X-Tenant".to_owned(),
            "Authorization".to_owned(),
            "X-Amzn-Bedrock-AgentCore-Runtime-Custom-Lang".to_owned(),
        ];
    })
    .await;
    let token = page.token(60);
    let answer = page
        .http
        .post(page.url("invocations"))
        .header("authorization", format!("Bearer {token}"))
        .header(SESSION_HEADER, SESSION)
        .header("content-type", "application/json")
        .header("accept", "text/event-stream")
        .header(
            "x-amzn-trace-id",
            "Root=1-5759e988-bd862e3fe1be46a994272793",
        )
        .header(
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )
        .header("x-tenant", "blue")
        .header("x-amzn-bedrock-agentcore-runtime-custom-lang", "ja")
        .header("x-amzn-bedrock-agentcore-runtime-user-id", "eve")
        .header("x-other", "taken away")
        .header("last-event-id", "taken away")
        .header("cookie", "taken=away")
        .header("user-agent", "taken away")
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()[SESSION_HEADER], SESSION);
    assert_eq!(
        answer.headers()["x-amzn-trace-id"],
        "Root=1-5759e988-bd862e3fe1be46a994272793"
    );
    let id = answer.headers()["x-amzn-requestid"]
        .to_str()
        .unwrap()
        .to_owned();
    for name in ["x-secret", "cache-control"] {
        assert!(
            !answer.headers().contains_key(name),
            "{name} of the container reached the caller"
        );
    }
    let (seen, _) = page.container.state.requests().remove(0);
    let expected: BTreeMap<String, String> = [
        ("accept", "text/event-stream"),
        ("authorization", &format!("Bearer {token}")),
        ("content-type", "application/json"),
        (
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
        ("x-amzn-bedrock-agentcore-runtime-custom-lang", "ja"),
        ("x-amzn-bedrock-agentcore-runtime-request-id", &id),
        (SESSION_HEADER, SESSION),
        (
            "x-amzn-trace-id",
            "Root=1-5759e988-bd862e3fe1be46a994272793",
        ),
        ("x-tenant", "blue"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    assert_eq!(seen, expected);

    let long = page.post(&json!({})).header("x-tenant", "x".repeat(4_097));
    assert_eq!(long.send().await.unwrap().status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_runtime_that_aws_would_not_take_is_refused() {
    for name in [
        "Accept",
        "X-Amz-Date",
        "x-amzn-trace-id",
        "Cookie",
        "bad name",
    ] {
        let mut runtime =
            RuntimeConfig::new("magi-0123456789", Container::At(([127, 0, 0, 1], 1).into()));
        runtime.header_allowlist = vec![name.to_owned()];
        let started = AgentCore::start(&Account::demo(), AgentCoreConfig::new(vec![runtime])).await;
        assert!(
            started
                .unwrap_err()
                .to_string()
                .contains("header_allowlist"),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_caller_that_leaves_is_not_told_to_the_container() {
    let page = page(|_| {}).await;
    let (gives, mut answer) = page.open("s").await;
    gives
        .send(Bytes::from_static(b"data: 1\n\n"))
        .await
        .unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "data: 1\n\n");
    drop(answer);
    until(&page.plane, |plane| plane.relayed().left == 1).await;
    assert_eq!(view(&page.plane, SESSION).open, 1);
    // The container goes on, and a second request of the session reaches it meanwhile.
    for _ in 0..100 {
        gives.send(Bytes::from_static(b"0123456789")).await.unwrap();
    }
    let second: Value = page
        .post(&json!({}))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(second["pid"], std::process::id());
    assert_eq!(page.plane.sessions().len(), 1);
    drop(gives);
    until(&page.plane, |plane| plane.relayed().whole == 2).await;
    assert_eq!(page.plane.relayed().drained, 1_000);
    until(&page.plane, |plane| view(plane, SESSION).open == 0).await;
    assert_eq!(page.plane.held().now(), 0);
}

#[tokio::test]
async fn a_caller_that_leaves_before_the_container_listens_is_answered_all_the_same() {
    let page = page(|_| {}).await;
    *page.container.state.ping.lock().unwrap() = None;
    let asked = page.post(&json!({"who": "left"})).send();
    let starts = until(&page.plane, |plane| {
        plane
            .sessions()
            .iter()
            .any(|session| session.phase == Phase::Starting)
    });
    tokio::select! {
        _ = asked => panic!("answered by a container that does not listen"),
        () = starts => {}
    }
    page.container.state.says(&json!({"status": "Healthy"}));
    until(&page.plane, |plane| plane.relayed().whole == 1).await;
    assert_eq!(page.container.state.requests()[0].1, r#"{"who":"left"}"#);
}

/// What the front and the sockets around it may hold: its own 64 KiB and four socket buffers.
const BETWEEN: u64 = (64 << 10) + 4 * SOCKET;
/// More than Linux gives a loopback socket by itself (4 MiB to send, 6 MiB to receive).
const SOCKET: u64 = 6 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_does_not_read_stops_the_container() {
    const PIECES: u64 = 16_384;
    let page = page(|_| {}).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 << 10).unwrap();
    let mut stream = socket.connect(page.plane.addr()).await.unwrap();
    let body = json!({"do": "flood", "pieces": PIECES}).to_string();
    let head = format!(
        "POST {}/invocations HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        page.path,
        page.token(60),
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut read = 0;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let more = stream.read(&mut buffer).await.unwrap();
        if more == 0 {
            break;
        }
        read += more as u64;
        let made = page.container.state.made.load(Ordering::Acquire);
        assert!(made <= read + BETWEEN, "{made} bytes made, {read} read");
    }
    assert!(read > PIECES * 4_096);
    let most = page.plane.held().most();
    assert!(most <= 64 << 10, "the relay held {most} bytes");
    assert!(most > 0);
    assert_eq!(page.plane.held().passed(), PIECES * 4_096);
}

#[tokio::test]
async fn an_idle_session_ends_and_a_busy_one_does_not() {
    let page = page(|runtime| {
        runtime.ping_every = Duration::from_millis(4);
        runtime.idle_timeout = Duration::from_millis(20);
    })
    .await;
    let pings = |more: u64| {
        let mut seen = page.container.state.pings.subscribe();
        async move {
            let from = *seen.borrow_and_update();
            seen.wait_for(|pings| *pings >= from + more).await.unwrap();
        }
    };
    // Each says in its own way that something goes on: 25 pings are 100 ms, five idle timeouts.
    for ping in [
        json!({"status": "HealthyBusy"}),
        json!({"status": "Healthy", "time_of_last_update": "always"}),
    ] {
        page.container.state.says(&ping);
        page.post(&json!({})).send().await.unwrap();
        pings(25).await;
        assert_eq!(view(&page.plane, SESSION).phase, Phase::Ready, "{ping}");
    }
    let (gives, _answer) = page.open("open").await;
    page.container
        .state
        .says(&json!({"status": "Healthy", "time_of_last_update": 5}));
    pings(25).await;
    assert_eq!(
        view(&page.plane, SESSION).phase,
        Phase::Ready,
        "an open request"
    );
    assert_eq!(view(&page.plane, SESSION).ping, Some(Ping::Healthy));
    drop(gives);
    until(&page.plane, |plane| {
        view(plane, SESSION).phase == Phase::Ended(Over::Idle)
    })
    .await;
    assert_eq!(page.plane.sessions().len(), 1);
}

#[tokio::test]
async fn a_session_ends_at_its_longest_life_and_when_it_answers_no_ping() {
    let page = page(|runtime| {
        runtime.ping_every = Duration::from_millis(4);
        runtime.idle_timeout = Duration::from_millis(50);
        runtime.max_lifetime = Duration::from_millis(50);
    })
    .await;
    page.container.state.says(&json!({"status": "HealthyBusy"}));
    page.post(&json!({})).send().await.unwrap();
    until(&page.plane, |plane| {
        view(plane, SESSION).phase == Phase::Ended(Over::Lifetime)
    })
    .await;

    let page = self::page(|runtime| runtime.ping_every = Duration::from_millis(4)).await;
    page.post(&json!({})).send().await.unwrap();
    *page.container.state.ping.lock().unwrap() = None;
    until(&page.plane, |plane| {
        view(plane, SESSION).phase == Phase::Ended(Over::Unhealthy)
    })
    .await;
}

#[tokio::test]
async fn quotas_are_refused_by_their_names() {
    for (status, kind, change) in [
        (
            402,
            "ServiceQuotaExceededException",
            (|runtime| runtime.active_sessions = 0) as fn(&mut RuntimeConfig),
        ),
        (429, "ThrottlingException", |runtime| {
            runtime.new_sessions_per_minute = 0;
        }),
        (429, "ThrottlingException", |runtime| {
            runtime.requests_per_second = 0;
        }),
        (400, "ValidationException", |runtime| runtime.body_limit = 1),
    ] {
        let page = page(change).await;
        let refused = page.post(&json!({})).send().await.unwrap();
        assert_eq!(refused.status().as_u16(), status);
        assert_eq!(refused.headers()["x-amzn-errortype"], kind);
        assert!(page.container.state.requests().is_empty());
    }
}

type Socket = tokio_tungstenite::WebSocketStream<TcpStream>;

/// Opens a WebSocket over a connection of its own.
async fn socket(
    page: &Page,
    uri: &str,
    headers: &[(&str, String)],
) -> Result<(Socket, Option<String>), StatusCode> {
    use tungstenite::client::IntoClientRequest;
    let mut request = uri
        .replace("http://", "ws://")
        .into_client_request()
        .unwrap();
    for (name, value) in headers {
        let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let stream = TcpStream::connect(page.plane.addr()).await.unwrap();
    match tokio_tungstenite::client_async(request, stream).await {
        Ok((socket, response)) => {
            let protocol = response.headers().get("sec-websocket-protocol");
            Ok((
                socket,
                protocol.map(|name| name.to_str().unwrap().to_owned()),
            ))
        }
        Err(tungstenite::Error::Http(response)) => Err(response.status()),
        Err(error) => panic!("{error}"),
    }
}

/// Reads the container's first words, and has it say something back.
async fn talks(mut socket: Socket) -> (Value, Socket) {
    let hello = socket.next().await.unwrap().unwrap().into_text().unwrap();
    socket.send(Message::text("誰か")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("誰か"));
    (serde_json::from_str(&hello).unwrap(), socket)
}

#[tokio::test]
async fn a_page_opens_a_websocket_by_its_tokens_subprotocol() {
    let page = page(|runtime| {
        runtime.header_allowlist = vec!["X-Amzn-Bedrock-AgentCore-Runtime-Custom-Lang".to_owned()];
        runtime.frame_limit = 1_000;
    })
    .await;
    let url = format!(
        "{}?X-Amzn-Bedrock-AgentCore-Runtime-Session-Id={SESSION}&X-Amzn-Bedrock-AgentCore-Runtime-Custom-Lang=ja",
        page.url("ws")
    );
    let protocols = |token: &str| {
        let token = URL_SAFE_NO_PAD.encode(token);
        [(
            "sec-websocket-protocol",
            format!("base64UrlBearerAuthorization.{token}, base64UrlBearerAuthorization"),
        )]
    };
    let (opened, protocol) = socket(&page, &url, &protocols(&page.token(60)))
        .await
        .unwrap();
    assert_eq!(protocol.as_deref(), Some("base64UrlBearerAuthorization"));
    let (hello, mut opened) = talks(opened).await;
    assert_eq!(
        hello["protocol"],
        Value::Null,
        "the token stays with the front"
    );
    assert_eq!(hello["headers"][SESSION_HEADER], SESSION);
    assert_eq!(
        hello["headers"]["x-amzn-bedrock-agentcore-runtime-custom-lang"],
        "ja"
    );
    assert_eq!(hello["headers"]["authorization"], Value::Null);
    assert_eq!(view(&page.plane, SESSION).requests, 1);
    opened.send(Message::text("x".repeat(1_001))).await.unwrap();
    assert!(
        !matches!(opened.next().await, Some(Ok(Message::Text(_)))),
        "a frame over the limit"
    );

    let wrong = socket(&page, &url, &protocols("x.y.z")).await;
    assert_eq!(wrong.unwrap_err(), StatusCode::UNAUTHORIZED);
    let other = [("sec-websocket-protocol", "chat".to_owned())];
    assert_eq!(
        socket(&page, &url, &other).await.unwrap_err(),
        StatusCode::UNAUTHORIZED
    );
    let header = [("authorization", format!("Bearer {}", page.token(60)))];
    talks(socket(&page, &url, &header).await.unwrap().0).await;
}

#[tokio::test]
async fn a_websocket_opens_by_signed_headers_and_by_a_presigned_address() {
    let page = page(|runtime| runtime.authorizer = Authorizer::Iam).await;
    let account = &page.account;
    let limited = ["bedrock-agentcore:InvokeAgentRuntime"];
    account.add_user("caller", "AKIDCALLER", "s", &limited);
    let sample = Sample {
        method: "GET",
        uri: format!(
            "{}?qualifier=DEFAULT&X-Amzn-Bedrock-AgentCore-Runtime-Session-Id={SESSION}",
            page.url("ws")
        ),
        headers: Vec::new(),
        body: Vec::new(),
    };
    let open = |keys: magi_emulator::cloud::Credentials, seconds: Option<u64>| {
        let how = How {
            keys: &keys,
            presigned: seconds.map(Duration::from_secs),
            region: Account::REGION,
            at: account.now(),
        };
        let (parts, _) = signed(&sample, &how);
        let uri = format!("{}{}", page.plane.url(), parts.uri);
        let headers: Vec<(String, String)> = parts
            .headers
            .iter()
            .filter(|(name, _)| *name != "host")
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        let page = &page;
        async move {
            let headers: Vec<(&str, String)> = headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.clone()))
                .collect();
            socket(page, &uri, &headers).await
        }
    };
    for seconds in [None, Some(300)] {
        let (opened, protocol) = open(account.deployer(), seconds).await.unwrap();
        assert_eq!(protocol, None);
        let (hello, _) = talks(opened).await;
        assert_eq!(hello["headers"][SESSION_HEADER], SESSION);
    }
    let long = open(account.deployer(), Some(301)).await;
    assert_eq!(long.unwrap_err(), StatusCode::BAD_REQUEST);
    let mut caller = account.deployer();
    caller.access_key_id = "AKIDCALLER".to_owned();
    caller.secret_access_key = "s".to_owned();
    // Opening a WebSocket is an action of its own.
    assert_eq!(open(caller, None).await.unwrap_err(), StatusCode::FORBIDDEN);
    assert_eq!(page.plane.sessions().len(), 1);
}
