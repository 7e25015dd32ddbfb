//! The bare fan-out relay.

use std::io::Write;
use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use futures_util::TryStreamExt;
use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};

struct Upstream {
    address: String,
    client: reqwest::Client,
}

/// Serves the relay on a free port, which its first line of output names.
pub(crate) async fn serve(upstream: &str) -> Result<()> {
    let upstream = Upstream {
        address: format!("{upstream}/chat/completions"),
        client: reqwest::Client::builder().no_proxy().build()?,
    };
    let app = Router::new()
        .route("/ping", get(|| async { "ok" }))
        .route("/", post(fan_out))
        .with_state(Arc::new(upstream));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on http://{}", listener.local_addr()?)?;
    out.flush()?;
    drop(out);
    axum::serve(listener.tap_io(no_delay), app).await?;
    Ok(())
}

/// Sends small writes at once, as MAGI does.
fn no_delay(socket: &mut tokio::net::TcpStream) {
    // A socket without the option is only slower.
    let _ = socket.set_nodelay(true);
}

async fn fan_out(State(upstream): State<Arc<Upstream>>, body: axum::Json<Value>) -> Response {
    let model = body.0["model"].clone();
    let mut streams = Vec::new();
    for role in ["CASPAR", "BALTHASAR", "MELCHIOR"] {
        let call = json!({
            "model": model,
            "stream": true,
            "messages": [
                { "role": "system", "content": format!("You are {role}.") },
                { "role": "user", "content": body.0["question"] },
            ],
        });
        match upstream
            .client
            .post(&upstream.address)
            .json(&call)
            .send()
            .await
        {
            Ok(answer) => streams.push(answer.bytes_stream().boxed()),
            Err(error) => return (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
        }
    }
    let merged = stream::select_all(streams).map_err(std::io::Error::other);
    (
        [("content-type", "text/event-stream")],
        Body::from_stream(merged),
    )
        .into_response()
}
