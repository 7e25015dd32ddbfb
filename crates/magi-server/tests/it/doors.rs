//! The door itself: origins, tokens, silent connections, figures.

use std::sync::Arc;
use std::time::Duration;

use magi_log::MemoryStore;
use magi_server::{Config, Token, Trust};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::house::{self, House};
use crate::model::speaks;

async fn house(config: Config) -> House {
    let answer = speaks(1, Duration::ZERO);
    house::start_with(Arc::new(MemoryStore::new()), answer, config).await
}

#[tokio::test]
async fn a_configured_origin_may_call_and_no_other() {
    let mut config = Config::default();
    config.cors_origins = vec!["https://magi.example".to_owned()];
    let house = house(config).await;
    for (origin, allowed) in [
        ("https://magi.example", true),
        ("https://evil.example", false),
    ] {
        let preflight = house
            .wire
            .request("OPTIONS", "/v1/deliberations")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "content-type,last-event-id",
            );
        let answer = house.wire.whole(preflight).await;
        let told = answer.header("access-control-allow-origin");
        assert_eq!(told == origin, allowed, "{origin}: {told}");
        let call = house
            .wire
            .posting("/v1/deliberations", &json!({ "question": "Should we?" }))
            .header("sec-fetch-site", "cross-site")
            .header("origin", origin);
        let answer = house.wire.whole(call).await;
        assert_eq!(answer.status, if allowed { 201 } else { 403 }, "{origin}");
        let told = answer.header("access-control-allow-origin");
        assert_eq!(told == origin, allowed, "{origin}: {told}");
        assert_eq!(answer.header("access-control-allow-credentials"), "");
    }
    house.shut().await;
}

#[tokio::test]
async fn with_a_token_the_page_is_open_and_all_else_asks_for_it() {
    let mut config = Config::default();
    config.trust = Trust::Token(Token::new("correct-horse-battery").unwrap());
    let house = house(config).await;
    assert_eq!(house.wire.get("/").await.status, 200);
    assert_eq!(house.wire.get("/ping").await.status, 200);
    let refused = house.wire.get("/v1/deliberations").await;
    assert_eq!(refused.status, 401);
    assert!(refused.header("www-authenticate").starts_with("Bearer"));
    assert_eq!(refused.json()["field"], "Authorization");
    let with = house
        .wire
        .request("GET", "/v1/deliberations")
        .header("host", "magi.example")
        .bearer_auth("correct-horse-battery");
    assert_eq!(house.wire.whole(with).await.status, 200);
    house.shut().await;
}

#[tokio::test]
async fn a_door_that_keeps_nothing_takes_no_key() {
    let mut config = Config::default();
    config.has_store = false;
    let house = house(config).await;
    let body = json!({ "question": "Should we?", "idempotency_key": "k" });
    let refused = house.wire.post("/v1/deliberations", &body).await;
    let problem = refused.json();
    assert_eq!(
        (refused.status, &problem["code"]),
        (400, &json!("unsupported"))
    );
    assert_eq!(problem["field"], "idempotency_key");
    let can = json!({ "action": "capabilities" });
    let can = house.wire.post("/invocations", &can).await.json();
    assert!(
        !can["capabilities"]
            .as_array()
            .unwrap()
            .contains(&json!("history"))
    );
    assert_eq!(house.engine.n_running(), 0);
    house.shut().await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let mut config = Config::default();
    config.header_timeout = Duration::from_millis(50);
    let house = house(config).await;
    for said in ["", "GET /ping HTTP/1.1\r\nhost: loc"] {
        let mut socket = TcpStream::connect(house.address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut socket, said.as_bytes())
            .await
            .unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
            "{answer}"
        );
    }
    assert_eq!(house.wire.get("/ping").await.status, 200);
    house.shut().await;
}

#[tokio::test]
async fn more_connections_than_may_be_wait_for_a_place() {
    let mut config = Config::default();
    config.max_connections = 1;
    let house = house(config).await;
    let first = TcpStream::connect(house.address).await.unwrap();
    let wire = house.wire.clone();
    let waiting = wire.get("/ping");
    tokio::pin!(waiting);
    // The first one holds the only place; once it leaves, the second is served.
    let early = tokio::select! {
        biased;
        answer = &mut waiting => Some(answer),
        () = async { for _ in 0..100 { tokio::task::yield_now().await; } } => None,
    };
    assert!(early.is_none());
    drop(first);
    assert_eq!(waiting.await.status, 200);
    house.shut().await;
}

#[tokio::test]
async fn what_happened_is_counted() {
    let house = house(Config::default()).await;
    let id = house.wire.ask(&json!({ "question": "Should we?" })).await;
    house.wire.events(&id, "0").await.rest().await;
    // The counting looks at its own pace; every look here is a request that takes its time.
    let text = loop {
        let text = house.wire.get("/metrics").await.text;
        if text.contains("magi_deliberations_total{status=\"completed\"} 1") {
            break text;
        }
    };
    assert!(text.contains("magi_sse_readers 0"), "{text}");
    assert!(
        text.contains("magi_http_requests_total{method=\"POST\",status=\"201\"} 1"),
        "{text}"
    );
    let bytes = text
        .lines()
        .find_map(|line| line.strip_prefix("magi_stream_bytes_total "))
        .unwrap();
    assert!(bytes.parse::<u64>().unwrap() > 1_000, "{text}");
    house.shut().await;
}
