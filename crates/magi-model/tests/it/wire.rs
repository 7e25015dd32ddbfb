//! The providers over a real socket: what they send, how failures are told, and that leaving stops.

use std::time::Duration;

use futures_util::StreamExt;
use magi_event::{Agent, Sage};
use magi_model::{
    About, Anthropic, AnthropicConfig, Call, Chunk, ChunkStream, Error, Key, Kind, Lang, LimitName,
    Message, OpenAi, OpenAiConfig, Provider, Purpose, Sampling, Speaker, StopReason, Tool,
};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::server::{Server, read_request, respond};

const SSE: &str = "content-type: text/event-stream\r\n";
const JSON: &str = "content-type: application/json\r\n";
const DONE: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"可決\"},\"finish_reason\":\"stop\"}]}\n\n\
    data: [DONE]\n\n";

fn call() -> Call {
    Call {
        model: "m".to_owned(),
        system: "You are CASPAR.".to_owned(),
        messages: vec![Message {
            speaker: Speaker::User,
            text: "導入すべきか".to_owned(),
        }],
        tool: Some(Tool {
            name: "cast_vote".to_owned(),
            description: "Casts the vote.".to_owned(),
            parameters: json!({"type": "object", "properties": {"decision": {"type": "string"}}}),
        }),
        schema: None,
        sampling: Sampling {
            temperature: Some(0.5),
            top_p: Some(0.25),
            max_tokens: Some(500),
        },
        about: About {
            agent: Agent::Sage(Sage::Caspar),
            purpose: Purpose::Answer,
            question: "導入すべきか".to_owned(),
            lang: Lang::Ja,
            tag: "k3v9x2q8".to_owned(),
            order: Vec::new(),
        },
    }
}

const KEY: &str = "sk-test-0123456789";

fn openai(server: &Server) -> OpenAi {
    let key = Key::new(KEY).unwrap();
    OpenAi::new(OpenAiConfig::new("openai", server.url(), Some(key))).unwrap()
}

fn anthropic(server: &Server) -> Anthropic {
    let key = Key::new(KEY).unwrap();
    Anthropic::new(AnthropicConfig::new("anthropic", server.url(), Some(key))).unwrap()
}

async fn all(mut stream: ChunkStream) -> Result<Vec<Chunk>, Error> {
    let mut chunks = Vec::new();
    while let Some(chunk) = stream.next().await {
        chunks.push(chunk?);
    }
    Ok(chunks)
}

/// Bounds a wait that would otherwise hang a failing test.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("it hangs")
}

#[tokio::test]
async fn openai_sends_and_reads_a_stream() {
    let server = Server::start();
    let (chunks, request) = soon(async {
        tokio::join!(
            all(openai(&server).stream(call())),
            server.answer("200 OK", SSE, DONE.as_bytes())
        )
    })
    .await;
    assert_eq!(
        chunks.unwrap(),
        [
            Chunk::Accepted,
            Chunk::Text("可決".to_owned()),
            Chunk::End(StopReason::Complete)
        ]
    );
    assert!(
        request
            .head
            .starts_with("POST /v1/chat/completions HTTP/1.1\r\n"),
        "{}",
        request.head
    );
    assert!(
        request
            .head
            .contains("authorization: Bearer sk-test-0123456789")
    );
    assert_eq!(
        request.body,
        json!({
            "model": "m",
            "messages": [
                {"role": "system", "content": "You are CASPAR."},
                {"role": "user", "content": "導入すべきか"},
            ],
            "stream": true,
            "stream_options": {"include_usage": true},
            "temperature": 0.5,
            "top_p": 0.25,
            "max_tokens": 500,
            "tools": [{"type": "function", "function": {
                "name": "cast_vote",
                "description": "Casts the vote.",
                "parameters": {"type": "object", "properties": {"decision": {"type": "string"}}},
            }}],
        })
    );
}

#[tokio::test]
async fn anthropic_sends_and_reads_a_stream() {
    let server = Server::start();
    let body = include_str!("../fixtures/written/anthropic-text.sse");
    let (chunks, request) = soon(async {
        tokio::join!(
            all(anthropic(&server).stream(call())),
            server.answer("200 OK", SSE, body.as_bytes())
        )
    })
    .await;
    assert_eq!(
        chunks.unwrap().last(),
        Some(&Chunk::End(StopReason::Complete))
    );
    assert!(
        request.head.starts_with("POST /v1/messages HTTP/1.1\r\n"),
        "{}",
        request.head
    );
    assert!(request.head.contains("x-api-key: sk-test-0123456789"));
    assert!(request.head.contains("anthropic-version: 2023-06-01"));
    assert_eq!(request.body["system"], "You are CASPAR.");
    assert_eq!(request.body["max_tokens"], 500);
    assert_eq!(request.body["tools"][0]["input_schema"]["type"], "object");
    assert_eq!(request.body.get("tool_choice"), None);
}

#[tokio::test]
async fn a_schema_binds_the_whole_answer() {
    let repair = || Call {
        schema: Some(json!({"type": "object"})),
        ..call()
    };
    let server = Server::start();
    let (_, request) = soon(async {
        tokio::join!(
            all(openai(&server).stream(repair())),
            server.answer("200 OK", SSE, DONE.as_bytes())
        )
    })
    .await;
    assert_eq!(
        request.body["response_format"]["json_schema"]["schema"],
        json!({"type": "object"})
    );
    assert_eq!(request.body.get("tools"), None);
    let (_, request) = soon(async {
        tokio::join!(
            all(anthropic(&server).stream(repair())),
            server.answer("200 OK", SSE, b"")
        )
    })
    .await;
    assert_eq!(
        request.body["tool_choice"],
        json!({"type": "tool", "name": "cast_vote"})
    );
    assert_eq!(
        request.body["tools"][0]["input_schema"],
        json!({"type": "object"})
    );
}

#[test]
fn settings_follow_the_base_url() {
    let config = |url: &str| OpenAiConfig::new("x", url, None);
    assert_eq!(
        config("https://api.openai.com/v1").limit_name,
        LimitName::MaxCompletionTokens
    );
    assert_eq!(
        config("http://127.0.0.1:11434").limit_name,
        LimitName::MaxTokens
    );
    assert_eq!(
        config("http://127.0.0.1:11434/").base_url,
        "http://127.0.0.1:11434/v1"
    );
    assert_eq!(
        config("https://h/openai/v1?api-version=2").base_url,
        "https://h/openai/v1?api-version=2"
    );
    assert!(OpenAi::new(config("localhost:11434")).is_err());
}

async fn fails(status: &str, headers: &str, body: &[u8]) -> Error {
    let server = Server::start();
    let provider = openai(&server);
    let (result, _) = soon(async {
        tokio::join!(
            all(provider.stream(call())),
            server.answer(status, headers, body)
        )
    })
    .await;
    result.unwrap_err()
}

#[tokio::test]
async fn a_status_is_a_kind_with_the_vendors_reason() {
    for (status, body, kind) in [
        (
            "429 Too Many Requests",
            include_str!("../fixtures/captured/litellm-openai-error-429.txt"),
            Kind::Throttled,
        ),
        (
            "500 Internal Server Error",
            include_str!("../fixtures/captured/litellm-openai-error-500.txt"),
            Kind::Overloaded,
        ),
        (
            "529 Overloaded",
            include_str!("../fixtures/captured/litellm-openai-error-529.txt"),
            Kind::Overloaded,
        ),
        (
            "400 Bad Request",
            include_str!("../fixtures/captured/llamacpp-openai-error-400-context.txt"),
            Kind::BadRequest,
        ),
        (
            "400 Bad Request",
            include_str!("../fixtures/captured/litellm-openai-error-400-context.txt"),
            Kind::BadRequest,
        ),
        (
            "401 Unauthorized",
            r#"{"error":{"message":"Incorrect API key provided: sk-test-0123456789"}}"#,
            Kind::Unauthorised,
        ),
        (
            "404 Not Found",
            r#"{"error":{"message":"model \"x\" not found, try pulling it first","type":"api_error","param":null,"code":null}}"#,
            Kind::NotFound,
        ),
        ("504 Gateway Timeout", "<html>", Kind::Timeout),
        ("302 Found", "", Kind::NotFound),
    ] {
        let error = fails(status, JSON, body.as_bytes()).await;
        assert_eq!(error.kind, kind, "{status} {body}");
        assert_eq!(error.status, status[..3].parse().ok());
        assert!(!error.message.contains(KEY), "{}", error.message);
        assert!(error.message.contains("127.0.0.1"), "{}", error.message);
    }
}

#[tokio::test]
async fn the_vendors_wait_is_handed_on() {
    let error = fails("429 Too Many Requests", "retry-after: 7\r\n", b"{}").await;
    assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
    let headers =
        "date: Mon, 23 Nov 2026 01:02:03 GMT\r\nretry-after: Mon, 23 Nov 2026 01:02:13 GMT\r\n";
    let error = fails("503 Service Unavailable", headers, b"").await;
    assert_eq!(error.retry_after, Some(Duration::from_secs(10)));
}

#[tokio::test]
async fn a_long_error_is_cut_and_a_page_is_not_repeated() {
    let error = fails("500 Internal Server Error", "", &vec![b'x'; 200_000]).await;
    assert!(error.message.len() < 1000);
    let error = fails("200 OK", "content-type: text/html\r\n", b"<html>hello").await;
    assert_eq!(error.kind, Kind::Malformed);
    assert!(!error.message.contains("hello"));
}

#[tokio::test]
async fn what_was_not_asked_for_is_not_guessed_at() {
    let error = fails(
        "200 OK",
        "content-type: text/event-stream\r\ncontent-encoding: gzip\r\n",
        b"xx",
    )
    .await;
    assert_eq!(error.kind, Kind::Malformed);
}

#[tokio::test]
async fn a_whole_answer_in_place_of_a_stream_is_read() {
    let server = Server::start();
    let body = include_bytes!("../fixtures/captured/llamacpp-openai-reasoning-tool.txt");
    let provider = openai(&server);
    let (chunks, _) = soon(async {
        tokio::join!(
            all(provider.stream(call())),
            server.answer("200 OK", JSON, body)
        )
    })
    .await;
    assert_eq!(
        chunks.unwrap().last(),
        Some(&Chunk::End(StopReason::ToolUse))
    );
}

#[tokio::test]
async fn a_redirect_does_not_carry_the_key_away() {
    let (server, thief) = (Server::start(), Server::start());
    let headers = format!("location: {}/v1/chat/completions\r\n", thief.url());
    let provider = openai(&server);
    let error = soon(async {
        tokio::select! {
            () = async { tokio::join!(thief.accept()); } => panic!("the redirect was followed"),
            (result, _) = async { tokio::join!(all(provider.stream(call())), server.answer("307 Temporary Redirect", &headers, b"")) } => result.unwrap_err(),
        }
    })
    .await;
    assert_eq!(error.kind, Kind::NotFound);
    assert!(error.message.contains("redirect"), "{}", error.message);
}

#[tokio::test]
async fn a_refused_parameter_is_left_out_once_and_remembered() {
    let server = Server::start();
    let provider = openai(&server);
    let refusal = r#"{"error":{"message":"registry.ollama.ai/library/gemma:2b does not support tools","type":"invalid_request_error","param":null,"code":null}}"#;
    let serve = async {
        let first = server
            .answer(
                "400 Bad Request",
                "connection: close\r\n",
                refusal.as_bytes(),
            )
            .await;
        let second = server
            .answer(
                "200 OK",
                "content-type: text/event-stream\r\nconnection: close\r\n",
                DONE.as_bytes(),
            )
            .await;
        (first, second)
    };
    let (result, (first, second)) =
        soon(async { tokio::join!(all(provider.stream(call())), serve) }).await;
    assert_eq!(
        result.unwrap().last(),
        Some(&Chunk::End(StopReason::Complete))
    );
    assert!(first.body.get("tools").is_some());
    assert_eq!(second.body.get("tools"), None);
    let (_, third) = soon(async {
        tokio::join!(
            all(provider.stream(call())),
            server.answer("200 OK", SSE, DONE.as_bytes())
        )
    })
    .await;
    assert_eq!(third.body.get("tools"), None);
}

#[tokio::test]
async fn a_refusal_of_something_else_is_not_asked_again() {
    let error = fails(
        "400 Bad Request",
        JSON,
        br#"{"error":{"message":"max_tokens is too large: 500"}}"#,
    )
    .await;
    assert_eq!(error.kind, Kind::BadRequest);
}

#[tokio::test]
async fn nobody_there_is_a_network_failure() {
    let server = Server::start();
    let provider = openai(&server);
    drop(server);
    let error = soon(all(provider.stream(call()))).await.unwrap_err();
    assert_eq!(error.kind, Kind::Network);
    assert!(
        error.message.contains("no connection to 127.0.0.1:"),
        "{}",
        error.message
    );
}

#[tokio::test]
async fn plain_http_on_a_tls_address_is_not_trusted() {
    let server = Server::start();
    let url = server.url().replace("http://", "https://");
    let provider = OpenAi::new(OpenAiConfig::new("x", url, None)).unwrap();
    let error = soon(async {
        tokio::select! {
            result = all(provider.stream(call())) => result.unwrap_err(),
            () = plain_server(&server) => panic!("the server ended first"),
        }
    })
    .await;
    assert_eq!(error.kind, Kind::Untrusted, "{}", error.message);
}

async fn plain_server(server: &Server) {
    let (mut socket, _) = server.accept_raw().await;
    socket
        .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        .await
        .unwrap();
    std::future::pending::<()>().await;
}

/// Writes the beginning of a chunked stream with one token.
async fn begin_stream(socket: &mut tokio::net::TcpStream) {
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    send_token(socket).await.unwrap();
}

async fn send_token(socket: &mut tokio::net::TcpStream) -> std::io::Result<()> {
    let event = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"token \"}}]}\n\n";
    socket
        .write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes())
        .await
}

async fn first_token(stream: &mut ChunkStream) {
    assert_eq!(stream.next().await.unwrap().unwrap(), Chunk::Accepted);
    assert_eq!(
        stream.next().await.unwrap().unwrap(),
        Chunk::Text("token ".to_owned())
    );
}

#[tokio::test]
async fn a_connection_that_breaks_is_told_from_one_that_ends() {
    for reset in [false, true] {
        let server = Server::start();
        let mut stream = openai(&server).stream(call());
        let serve = async {
            let (mut socket, _) = server.accept().await;
            begin_stream(&mut socket).await;
            if reset {
                socket.set_zero_linger().unwrap();
            }
            socket
        };
        let error = soon(async {
            let (socket, ()) = tokio::join!(serve, first_token(&mut stream));
            drop(socket);
            stream.next().await.unwrap().unwrap_err()
        })
        .await;
        assert_eq!(
            error.kind,
            if reset {
                Kind::Network
            } else {
                Kind::Truncated
            },
            "{}",
            error.message
        );
        assert!(stream.next().await.is_none());
    }
}

#[tokio::test]
async fn dropping_the_stream_closes_a_silent_connection() {
    let server = Server::start();
    let mut stream = openai(&server).stream(call());
    let serve = async {
        let (mut socket, _) = server.accept().await;
        begin_stream(&mut socket).await;
        socket
    };
    soon(async {
        let (mut socket, ()) = tokio::join!(serve, first_token(&mut stream));
        drop(stream);
        let closed = socket.read(&mut [0; 16]).await;
        assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    })
    .await;
}

#[tokio::test]
async fn dropping_the_stream_before_an_answer_closes_the_connection() {
    let server = Server::start();
    let mut stream = openai(&server).stream(call());
    soon(async {
        let (mut socket, _) = tokio::select! {
            accepted = server.accept() => accepted,
            chunk = stream.next() => panic!("{chunk:?} came before an answer"),
        };
        drop(stream);
        let closed = socket.read(&mut [0; 16]).await;
        assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    })
    .await;
}

#[tokio::test]
async fn a_flood_is_not_read_ahead_and_ends_with_the_stream() {
    let server = Server::start();
    let mut stream = openai(&server).stream(call());
    let (leave, left) = tokio::sync::oneshot::channel();
    let serve = async {
        let (mut socket, _) = server.accept().await;
        begin_stream(&mut socket).await;
        let (mut left, mut n_after) = (left, 0usize);
        let mut has_left = false;
        // The flood ends only when the other side closes.
        while send_token(&mut socket).await.is_ok() {
            has_left = has_left || left.try_recv().is_ok();
            n_after += usize::from(has_left) * 70;
        }
        n_after
    };
    let read = async {
        first_token(&mut stream).await;
        drop(stream);
        leave.send(()).unwrap();
    };
    let (n_after, ()) = soon(async { tokio::join!(serve, read) }).await;
    assert!(
        n_after <= 64 << 10,
        "{n_after} bytes were taken after the stream was dropped"
    );
}

#[tokio::test]
async fn calls_one_after_another_share_a_connection() {
    let server = Server::start();
    let provider = openai(&server);
    let serve = async {
        let (mut socket, _) = server.accept().await;
        for _ in 0..3 {
            respond(&mut socket, "200 OK", SSE, DONE.as_bytes()).await;
            if socket.peek(&mut [0]).await.unwrap() == 0 {
                return 0;
            }
            read_request(&mut socket).await;
        }
        3
    };
    let ask = async {
        for _ in 0..4 {
            let mut stream = provider.stream(call());
            while let Some(chunk) = stream.next().await {
                if matches!(chunk.unwrap(), Chunk::End(_)) {
                    break;
                }
            }
            drop(stream);
        }
    };
    let shared = soon(async {
        tokio::select! { shared = serve => shared, () = ask => panic!("a fourth answer came from nowhere") }
    })
    .await;
    assert_eq!(shared, 3);
}

#[tokio::test]
async fn models_are_listed() {
    let server = Server::start();
    for (body, ids) in [
        (
            include_str!("../fixtures/captured/llamacpp-openai-models.txt"),
            vec!["tiny.gguf"],
        ),
        (
            include_str!("../fixtures/captured/litellm-openai-models.txt"),
            vec![
                "mock-500",
                "mock-badrequest",
                "mock-context",
                "mock-ratelimit",
                "mock-text",
                "mock-tool",
            ],
        ),
    ] {
        let provider = openai(&server);
        let (list, request) = soon(async {
            tokio::join!(
                provider.models(),
                server.answer("200 OK", JSON, body.as_bytes())
            )
        })
        .await;
        assert_eq!(list.unwrap(), ids);
        assert!(
            request.head.starts_with("GET /v1/models HTTP/1.1\r\n"),
            "{}",
            request.head
        );
    }
    let provider = anthropic(&server);
    let body = r#"{"data":[{"type":"model","id":"claude-sonnet-4-5","display_name":"Claude","created_at":"2026-01-01T00:00:00Z"}],"has_more":false,"first_id":"a","last_id":"a"}"#;
    let (list, request) = soon(async {
        tokio::join!(
            provider.models(),
            server.answer("200 OK", JSON, body.as_bytes())
        )
    })
    .await;
    assert_eq!(list.unwrap(), ["claude-sonnet-4-5"]);
    assert!(
        request.head.starts_with("GET /v1/models?limit=1000 "),
        "{}",
        request.head
    );
}
