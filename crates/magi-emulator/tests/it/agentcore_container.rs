//! A container for the data plane's tests: does what a request's body says, and notes what it saw.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A running container in this process; it ends with the test.
pub(crate) struct InTest {
    pub(crate) addr: SocketAddr,
    pub(crate) state: Arc<Inside>,
    stop: CancellationToken,
}

/// What a container is told and what it saw.
#[derive(Default)]
pub(crate) struct Inside {
    /// What `/ping` says; nothing: 503.
    pub(crate) ping: Mutex<Option<Value>>,
    pub(crate) pings: watch::Sender<u64>,
    /// The headers and body of each request, without what HTTP itself needs.
    pub(crate) seen: Mutex<Vec<(BTreeMap<String, String>, String)>>,
    streams: Mutex<HashMap<String, mpsc::Receiver<Bytes>>>,
    /// Bytes handed out by floods.
    pub(crate) made: AtomicU64,
}

impl Drop for InTest {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl InTest {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let state = Arc::new(Inside::default());
        state.says(&json!({"status": "Healthy"}));
        let stop = CancellationToken::new();
        TaskTracker::new().spawn(serve(listener, Arc::clone(&state), stop.clone()));
        InTest { addr, state, stop }
    }

    /// Makes a stream whose pieces the test gives one by one.
    pub(crate) fn stream(&self, name: &str) -> mpsc::Sender<Bytes> {
        let (gives, takes) = mpsc::channel(1);
        let mut streams = self.state.streams.lock().unwrap();
        streams.insert(name.to_owned(), takes);
        gives
    }
}

impl Inside {
    pub(crate) fn says(&self, ping: &Value) {
        *self.ping.lock().unwrap() = Some(ping.clone());
    }

    pub(crate) fn requests(&self) -> Vec<(BTreeMap<String, String>, String)> {
        self.seen.lock().unwrap().clone()
    }
}

/// Serves the contract on a listener until stopped.
pub(crate) async fn serve(listener: TcpListener, state: Arc<Inside>, stop: CancellationToken) {
    let app = axum::Router::new()
        .route("/ping", get(ping))
        .route("/invocations", post(invocations))
        .route("/ws", get(ws))
        .with_state(state);
    let serving = axum::serve(listener, app);
    tokio::select! {
        _ = serving => {}
        () = stop.cancelled() => {}
    }
}

async fn ping(State(state): State<Arc<Inside>>) -> Response {
    state.pings.send_modify(|pings| *pings += 1);
    let ping = state.ping.lock().unwrap().clone();
    match ping {
        Some(mut ping) => {
            // A container that stamps every ping, as the contract warns of.
            if ping["time_of_last_update"] == "always" {
                ping["time_of_last_update"] = json!(*state.pings.borrow());
            }
            Json(ping).into_response()
        }
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn invocations(
    State(state): State<Arc<Inside>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let text = String::from_utf8_lossy(&body).into_owned();
    let headers = plain(&headers);
    let noted = (headers.clone(), text.clone());
    state.seen.lock().unwrap().push(noted);
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    match asked["do"].as_str().unwrap_or("echo") {
        "status" => {
            let status = u16::try_from(asked["status"].as_u64().unwrap()).unwrap();
            let status = StatusCode::from_u16(status).unwrap();
            (status, "the container's own words").into_response()
        }
        "stream" => {
            let name = asked["name"].as_str().unwrap();
            let takes = state.streams.lock().unwrap().remove(name).unwrap();
            let stream = futures_util::stream::unfold(takes, |mut takes| async move {
                takes
                    .recv()
                    .await
                    .map(|piece| (Ok::<_, Infallible>(piece), takes))
            });
            events(Body::from_stream(stream))
        }
        "flood" => {
            let pieces = asked["pieces"].as_u64().unwrap();
            let state = Arc::clone(&state);
            let stream = futures_util::stream::iter((0..pieces).map(move |_| {
                state.made.fetch_add(4_096, Ordering::AcqRel);
                Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 4_096]))
            }));
            events(Body::from_stream(stream))
        }
        "silence" => std::future::pending().await,
        "exit" => std::process::abort(),
        _ => {
            let answer = json!({"headers": headers, "body": text, "pid": std::process::id()});
            (
                [("x-secret", "inside"), ("cache-control", "no-store")],
                Json(answer),
            )
                .into_response()
        }
    }
}

fn events(body: Body) -> Response {
    (
        [
            ("content-type", "text/event-stream"),
            ("traceparent", "00-from-inside"),
        ],
        body,
    )
        .into_response()
}

/// The headers as text, without those of the connection itself.
fn plain(headers: &HeaderMap) -> BTreeMap<String, String> {
    let of_the_connection = ["host", "content-length", "connection", "upgrade"];
    headers
        .iter()
        .filter(|(name, _)| !of_the_connection.contains(&name.as_str()))
        .filter(|(name, _)| !name.as_str().starts_with("sec-websocket"))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect()
}

/// Says its headers first, then echoes.
async fn ws(headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    let hello = json!({"headers": plain(&headers), "protocol": headers.get("sec-websocket-protocol").map(|v| v.to_str().unwrap())});
    upgrade.on_upgrade(move |mut socket| async move {
        let _ = socket.send(Message::text(hello.to_string())).await;
        while let Some(Ok(message)) = socket.recv().await {
            if matches!(message, Message::Text(_) | Message::Binary(_))
                && socket.send(message).await.is_err()
            {
                return;
            }
        }
    })
}

/// Not a test: the process that the data plane starts, if it is told a port.
#[tokio::test]
#[ignore = "started by the tests of the data plane as a container"]
async fn container_process() {
    let Ok(port) = std::env::var("PORT") else {
        return;
    };
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))
        .await
        .unwrap();
    let state = Arc::new(Inside::default());
    state.says(&json!({"status": "Healthy"}));
    serve(listener, state, CancellationToken::new()).await;
}
