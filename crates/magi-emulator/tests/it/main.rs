//! The fakes and the fault proxy over real sockets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helper fails the test by panicking"
)]

mod agentcore;
mod agentcore_container;
mod agentcore_sdk;
mod bedrock_sdk;
mod catalogue;
mod cloud_function;
mod councils;
mod failover;
mod faults;
mod function;
mod identity;
mod lockstep;
mod providers;
mod proxy;
mod sigv4;
mod villain;
mod whole;
mod wires;

use magi_emulator::{Config, Emulator, Running};
use serde_json::{Value, json};

/// The emulator and a client that never reuses a connection, so that one fault meets one request.
struct Fakes {
    running: Running,
    client: reqwest::Client,
}

impl Fakes {
    async fn start() -> Fakes {
        Fakes::with(Config::default()).await
    }

    async fn with(config: Config) -> Fakes {
        let running = Emulator::start(config).await.unwrap();
        Fakes {
            running,
            client: client(),
        }
    }

    fn post(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        self.client
            .post(format!("http://{}{path}", self.running.addr()))
            .header("authorization", "Bearer sk-test")
            .header("x-api-key", "sk-test")
            .header("anthropic-version", "2023-06-01")
            .json(body)
    }

    /// Asks on OpenAI's wire for a stream; returns its text as far as it came, and whether it ended well.
    async fn openai(&self, model: &str) -> (String, bool) {
        let body = json!({"model": model, "stream": true, "messages": [
            {"role": "system", "content": "You are CASPAR."},
            {"role": "user", "content": "Should we? End with {\"tag\": \"k3v9x2q8\"}."}]});
        read(self.post("/v1/chat/completions", &body)).await
    }

    /// Asks on Anthropic's wire for a stream.
    async fn anthropic(&self, model: &str) -> (String, bool) {
        let body = json!({"model": model, "stream": true, "max_tokens": 4096,
            "system": "You are BALTHASAR.",
            "messages": [{"role": "user", "content": "Should we? The tag: `k3v9x2q8`."}]});
        read(self.post("/v1/messages", &body)).await
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .build()
        .unwrap()
}

/// Sends a request and collects its body up to its end or its failure.
async fn read(request: reqwest::RequestBuilder) -> (String, bool) {
    let mut bytes = Vec::new();
    let mut well = true;
    match request.send().await {
        Ok(mut response) => loop {
            match response.chunk().await {
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(_) => {
                    well = false;
                    break;
                }
            }
        },
        Err(_) => well = false,
    }
    (String::from_utf8_lossy(&bytes).into_owned(), well)
}

/// The JSON of the `data:` lines; a line that is not JSON is left out.
fn data(stream: &str) -> Vec<Value> {
    stream
        .lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .filter_map(|json| serde_json::from_str(json.trim()).ok())
        .collect()
}

/// The text of an OpenAI stream.
fn openai_text(stream: &str) -> String {
    data(stream)
        .iter()
        .filter_map(|chunk| {
            chunk
                .pointer("/choices/0/delta/content")?
                .as_str()
                .map(str::to_owned)
        })
        .collect()
}
