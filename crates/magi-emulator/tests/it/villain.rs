//! Static hosting, and the villain behind its server-side route.

use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use magi_emulator::cloud::{Account, Hosting, HostingConfig, Upstream, Villain, verify};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::client;

async fn host(config: HostingConfig) -> (Hosting, DropGuard) {
    let stop = CancellationToken::new();
    let hosting = Hosting::start(config, stop.clone(), &TaskTracker::new()).await;
    (hosting.unwrap(), stop.drop_guard())
}

/// A hosting with nothing but a villain in front of a listener of the test's own.
async fn villain(limit: Duration) -> (Hosting, TcpListener, DropGuard) {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/base", upstream.local_addr().unwrap());
    let mut config = HostingConfig::new(None, json!({"door": "invocations", "base": "/api"}));
    let mut villain = Villain::new(Upstream::Server { base });
    villain.limit = limit;
    config.villain = Some(villain);
    let (hosting, guard) = host(config).await;
    (hosting, upstream, guard)
}

#[tokio::test]
async fn the_folder_is_served_with_this_places_config_on_top() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../magi-server/page"));
    let own = json!({"door": "invocations", "base": "https://else.example", "sign": "bearer"});
    let (hosting, _guard) = host(HostingConfig::new(Some(folder), own.clone())).await;
    let get = |path: &str| client().get(format!("{}{path}", hosting.url())).send();
    let page = get("/").await.unwrap();
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let html = page.text().await.unwrap();
    let script = html.split('"').find(|part| part.ends_with(".js")).unwrap();
    let script = get(&format!("/{}", script.trim_start_matches(['.', '/'])))
        .await
        .unwrap();
    assert_eq!(
        script.headers()["content-type"],
        "text/javascript; charset=utf-8"
    );
    assert!(
        script.headers()["cache-control"]
            .to_str()
            .unwrap()
            .contains("immutable")
    );
    let config: Value = get("/config.json").await.unwrap().json().await.unwrap();
    assert_eq!(config, own);
    for missing in ["/nothing.txt", "/api/invocations", "/%2e%2e/Cargo.toml"] {
        assert_eq!(get(missing).await.unwrap().status(), 404, "{missing}");
    }
    let posted = client().post(hosting.url()).send().await.unwrap();
    assert_eq!(
        (posted.status().as_u16(), &posted.headers()["allow"]),
        (405, &"GET, HEAD".parse().unwrap())
    );
}

#[tokio::test]
async fn the_villain_keeps_every_byte_until_the_last_has_come() {
    let (hosting, upstream, _guard) = villain(Duration::from_secs(30)).await;
    let url = format!("{}/api/invocations?x=1", hosting.url());
    let asked = client().post(url).header("cookie", "k=v").body("{}").send();
    let mut asked = std::pin::pin!(asked);
    let (mut socket, _) = tokio::select! {
        _ = &mut asked => panic!("answered before its upstream"),
        accepted = upstream.accept() => accepted.unwrap(),
    };
    let answer =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    socket.write_all(answer.as_bytes()).await.unwrap();
    for number in 0..10_u64 {
        let chunk = format!("9\r\ndata: {number}\n\n\r\n");
        socket.write_all(chunk.as_bytes()).await.unwrap();
        // The villain has it, and its client has nothing.
        while hosting.held().unwrap().now() < (number + 1) * 9 {
            tokio::select! {
                biased;
                _ = &mut asked => panic!("answered in the middle"),
                () = tokio::task::yield_now() => {}
            }
        }
    }
    socket.write_all(b"0\r\n\r\n").await.unwrap();
    let response = asked.await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.content_length(), Some(90));
    assert!(response.text().await.unwrap().ends_with("data: 9\n\n"));
    let held = hosting.held().unwrap();
    assert_eq!((held.most(), held.now()), (90, 0));
    let mut request = vec![0; 4_096];
    let read = socket.read(&mut request).await.unwrap();
    let request = String::from_utf8_lossy(&request[..read]);
    assert!(
        request.starts_with("POST /base/invocations?x=1 HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(!request.contains("cookie"));
}

#[tokio::test]
async fn the_villain_gives_up_at_its_limit_with_what_it_has_thrown_away() {
    let (hosting, upstream, _guard) = villain(Duration::from_millis(300)).await;
    let asked = client()
        .post(format!("{}/api/invocations", hosting.url()))
        .send();
    let answers = async {
        let (mut socket, _) = upstream.accept().await.unwrap();
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n";
        socket.write_all(answer.as_bytes()).await.unwrap();
        // It hangs up on its upstream when it gives up.
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).await.unwrap_or(0)
    };
    let (response, _) = tokio::join!(asked, answers);
    let response = response.unwrap();
    assert_eq!(response.status(), 504);
    assert_eq!(
        response.headers()["content-type"],
        "text/html; charset=utf-8"
    );
    assert!(!response.text().await.unwrap().contains("data: 1"));
    assert_eq!(hosting.held().unwrap().now(), 0);
    drop(upstream);
    let nobody = client()
        .post(format!("{}/api/invocations", hosting.url()))
        .send();
    assert_eq!(nobody.await.unwrap().status(), 502);
}

#[tokio::test]
async fn a_session_that_is_just_starting_is_asked_again_as_an_sdk_would() {
    let (hosting, upstream, _guard) = villain(Duration::from_secs(30)).await;
    let asked = client()
        .post(format!("{}/api/invocations", hosting.url()))
        .send();
    let answers = async {
        for answer in ["409 Conflict", "200 OK"] {
            let (mut socket, _) = upstream.accept().await.unwrap();
            let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 2\r\n\r\nok");
            socket.write_all(answer.as_bytes()).await.unwrap();
            let mut request = vec![0; 4_096];
            assert!(socket.read(&mut request).await.unwrap() > 0);
        }
    };
    let (response, ()) = tokio::join!(asked, answers);
    assert_eq!(response.unwrap().status(), 200);
}

#[tokio::test]
async fn a_runtime_is_called_with_the_computes_own_signature() {
    let account = Account::demo();
    let checker = account.clone();
    let check = move |request: Request| {
        let account = checker.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = to_bytes(body, 4_096).await.unwrap();
            let principal = verify(&account, &parts, &body, "bedrock-agentcore", account.now());
            let told = match principal {
                Ok(principal) => json!({"arn": principal.arn, "path": parts.uri.to_string(),
                    "may": principal.may("bedrock-agentcore:InvokeAgentRuntime"),
                    "session": parts.headers["x-amzn-bedrock-agentcore-runtime-session-id"].to_str().unwrap()}),
                Err(refusal) => json!({"refused": refusal.to_string()}),
            };
            Body::from(told.to_string())
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let tracker = TaskTracker::new();
    tracker.spawn(async move { axum::serve(listener, Router::new().fallback(check)).await });
    let arn = "arn:aws:bedrock-agentcore:us-east-1:123456789012:runtime/magi-x".to_owned();
    let mut config = HostingConfig::new(None, json!({}));
    config.villain = Some(Villain::new(Upstream::Runtime { base, arn, account }));
    let (hosting, _guard) = host(config).await;
    let asked = client()
        .post(format!("{}/api/invocations", hosting.url()))
        .header(
            "x-amzn-bedrock-agentcore-runtime-session-id",
            "s".repeat(36),
        )
        .body("{\"question\":\"?\"}");
    let told: Value = asked.send().await.unwrap().json().await.unwrap();
    let expected = json!({
        "arn": "arn:aws:iam::123456789012:user/hosting-compute",
        "path": "/runtimes/arn%3Aaws%3Abedrock-agentcore%3Aus-east-1%3A123456789012%3Aruntime%2Fmagi-x/invocations?qualifier=DEFAULT",
        "may": true,
        "session": "s".repeat(36),
    });
    assert_eq!(told, expected);
    let other = client()
        .get(format!("{}/api/ping", hosting.url()))
        .send()
        .await
        .unwrap();
    assert_eq!(other.status(), 404);
}
