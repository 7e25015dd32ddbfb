//! Anthropic's Messages API, and the servers that speak like it.

use std::collections::BTreeSet;
use std::sync::Arc;

use reqwest::Response;
use serde_json::{Map, Value, json};

use crate::http::{Auth, Http};
use crate::params::{self, Lessons, Param};
use crate::provider::{ModelList, Provider};
use crate::{Call, ChunkStream, Error, Key, decode, models, stream};

/// Where Anthropic is.
pub const ANTHROPIC_URL: &str = "https://api.anthropic.com";

/// The limit of tokens where a call sets none: Anthropic demands one, and every model takes this.
const MAX_TOKENS: u32 = 4096;

/// The name of the tool that carries an answer under a schema, where the call has none.
const ANSWER_TOOL: &str = "answer";

/// How to reach Anthropic.
#[derive(Clone)]
pub struct AnthropicConfig {
    /// The provider's name, the part of a model's name before the colon.
    pub name: String,
    /// The address, with or without `/v1`.
    pub base_url: String,
    /// The key.
    pub key: Option<Key>,
    /// More fields of the request's body, as in `{"thinking": {"type": "enabled",
    /// "budget_tokens": 2048}}`; they win over ours.
    pub extra: Map<String, Value>,
}

impl AnthropicConfig {
    /// Makes the settings of a server of this name and address.
    #[must_use]
    pub fn new(name: impl Into<String>, base_url: impl Into<String>, key: Option<Key>) -> Self {
        AnthropicConfig {
            name: name.into(),
            base_url: base_url.into(),
            key,
            extra: Map::new(),
        }
    }
}

/// Anthropic.
pub struct Anthropic {
    shared: Arc<Shared>,
}

struct Shared {
    config: AnthropicConfig,
    http: Http,
    lessons: Lessons,
}

impl Anthropic {
    /// Makes the provider; nothing is sent before the first call.
    ///
    /// # Errors
    ///
    /// When the base URL is not an `http` or `https` address.
    pub fn new(config: AnthropicConfig) -> Result<Self, Error> {
        let base = config
            .base_url
            .trim()
            .trim_end_matches('/')
            .trim_end_matches("/v1");
        let http = Http::new(&config.name, base, Auth::ApiKey, config.key.clone())?;
        Ok(Anthropic {
            shared: Arc::new(Shared {
                config,
                http,
                lessons: Lessons::default(),
            }),
        })
    }
}

impl Provider for Anthropic {
    fn name(&self) -> &str {
        &self.shared.config.name
    }

    fn stream(&self, call: Call) -> ChunkStream {
        let tool = tool_name(&call);
        let shared = Arc::clone(&self.shared);
        let http = shared.http.clone();
        let open = Box::pin(async move { shared.open(&call).await });
        stream::run(open, decode::Anthropic::new(tool.as_deref()), http)
    }

    fn models(&self) -> ModelList {
        let http = self.shared.http.clone();
        Box::pin(
            async move { models::ids(&http, &http.get("v1/models", Some("limit=1000")).await?) },
        )
    }
}

impl Shared {
    async fn open(&self, call: &Call) -> Result<Response, Error> {
        let mut without = self.lessons.of(&call.model);
        loop {
            let body = self.body(call, &without);
            let refused = match self.http.post("v1/messages", body.to_string().into()).await {
                Ok(response) => {
                    self.lessons.learn(&call.model, without);
                    return Ok(response);
                }
                Err(refused) => refused,
            };
            let was_sent = |param| match param {
                Param::Temperature => body.get("temperature").is_some(),
                Param::TopP => body.get("top_p").is_some(),
                Param::Tools => body.get("tools").is_some() && call.schema.is_none(),
                Param::Usage | Param::Schema | Param::MaxTokens => false,
            };
            match params::unsupported(refused.error.status, &refused.complaint, was_sent) {
                Some(param) => {
                    tracing::info!(
                        model = call.model,
                        ?param,
                        "the server does not take a parameter; asking without it"
                    );
                    without.insert(param);
                }
                None => return Err(refused.error),
            }
        }
    }

    fn body(&self, call: &Call, without: &BTreeSet<Param>) -> Value {
        let takes = |param| !without.contains(&param);
        let sampling = call.sampling;
        let mut body = self.config.extra.clone();
        if call.schema.is_some() {
            // A forced tool and thinking exclude each other.
            body.remove("thinking");
        }
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.entry(name).or_insert(value);
            }
        };
        put("model", Some(json!(call.model)));
        put(
            "max_tokens",
            Some(json!(sampling.max_tokens.unwrap_or(MAX_TOKENS))),
        );
        put(
            "system",
            (!call.system.is_empty()).then(|| json!(call.system)),
        );
        put("messages", Some(Value::Array(params::messages(call))));
        put("stream", Some(json!(true)));
        put(
            "temperature",
            sampling
                .temperature
                .filter(|_| takes(Param::Temperature))
                .map(Value::from),
        );
        put(
            "top_p",
            sampling
                .top_p
                .filter(|_| takes(Param::TopP))
                .map(Value::from),
        );
        if call.schema.is_some() || takes(Param::Tools) {
            put("tools", tool(call).map(|tool| json!([tool])));
        }
        let forced = call.schema.as_ref().and(tool_name(call));
        put(
            "tool_choice",
            forced.map(|name| json!({"type": "tool", "name": name})),
        );
        Value::Object(body)
    }
}

/// Returns the tool to offer. A schema is a tool too, which the model is made to use: every model
/// takes that.
fn tool(call: &Call) -> Option<Value> {
    let name = tool_name(call)?;
    let description = call
        .tool
        .as_ref()
        .map_or("Gives the answer.", |tool| &tool.description);
    let parameters = call
        .schema
        .as_ref()
        .or(call.tool.as_ref().map(|tool| &tool.parameters))?;
    Some(json!({"name": name, "description": description, "input_schema": parameters}))
}

fn tool_name(call: &Call) -> Option<String> {
    let own = call.tool.as_ref().map(|tool| tool.name.clone());
    own.or_else(|| call.schema.as_ref().map(|_| ANSWER_TOOL.to_owned()))
}
