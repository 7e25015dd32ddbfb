//! OpenAI, and every server that speaks like it: Ollama, vLLM, llama.cpp, LiteLLM, ...

use std::collections::BTreeSet;
use std::sync::Arc;

use reqwest::Response;
use serde_json::{Map, Value, json};

use crate::http::{Auth, Http};
use crate::params::{self, Lessons, Param};
use crate::provider::{ModelList, Provider};
use crate::{Call, ChunkStream, Error, Key, decode, models, stream};

/// Where OpenAI is.
pub const OPENAI_URL: &str = "https://api.openai.com/v1";

/// Where Ollama is unless it was moved.
pub const OLLAMA_URL: &str = "http://127.0.0.1:11434/v1";

/// How to reach one OpenAI-compatible server, and what it takes.
///
/// [`OpenAiConfig::new`] chooses by the base URL; every choice can be set otherwise. A parameter a
/// server refuses with a 400 that names it is left out and the request sent once more, per
/// parameter and model (a refused request makes no tokens, so nothing is billed twice).
#[derive(Clone)]
pub struct OpenAiConfig {
    /// The provider's name, the part of a model's name before the colon.
    pub name: String,
    /// The address up to and with `/v1`; without any path, `/v1` is added. A query stays.
    pub base_url: String,
    /// The key; local servers mostly need none.
    pub key: Option<Key>,
    /// The name of the limit of tokens.
    pub limit_name: LimitName,
    /// Whether tools are offered; a call's prompt says what to do without them.
    pub tools: bool,
    /// Whether `stream_options.include_usage` is sent.
    pub usage: bool,
    /// Whether `response_format` carries a call's JSON Schema.
    pub schema: bool,
    /// More fields of the request's body, as in `{"reasoning_effort": "low"}`; they win over ours.
    pub extra: Map<String, Value>,
}

/// What a server calls the limit of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitName {
    /// `max_completion_tokens`: OpenAI since its reasoning models, Azure.
    MaxCompletionTokens,
    /// `max_tokens`: everybody else.
    MaxTokens,
}

impl OpenAiConfig {
    /// Makes the settings that fit a base URL.
    #[must_use]
    pub fn new(name: impl Into<String>, base_url: impl Into<String>, key: Option<Key>) -> Self {
        let base_url = with_version(base_url.into());
        let is_openai = ["api.openai.com", ".openai.azure.com"]
            .iter()
            .any(|host| base_url.contains(host));
        OpenAiConfig {
            name: name.into(),
            base_url,
            key,
            limit_name: if is_openai {
                LimitName::MaxCompletionTokens
            } else {
                LimitName::MaxTokens
            },
            tools: true,
            usage: true,
            schema: true,
            extra: Map::new(),
        }
    }
}

/// Adds `/v1` to an address without a path.
fn with_version(base_url: String) -> String {
    let bare = base_url.trim().trim_end_matches('/');
    match bare.split_once("://") {
        Some((_, place)) if !place.contains(['/', '?']) => format!("{bare}/v1"),
        _ => base_url,
    }
}

/// An OpenAI-compatible server.
pub struct OpenAi {
    shared: Arc<Shared>,
}

struct Shared {
    config: OpenAiConfig,
    http: Http,
    lessons: Lessons,
}

impl OpenAi {
    /// Makes the provider; nothing is sent before the first call.
    ///
    /// # Errors
    ///
    /// When the base URL is not an `http` or `https` address.
    pub fn new(config: OpenAiConfig) -> Result<Self, Error> {
        let http = Http::new(
            &config.name,
            &config.base_url,
            Auth::Bearer,
            config.key.clone(),
        )?;
        Ok(OpenAi {
            shared: Arc::new(Shared {
                config,
                http,
                lessons: Lessons::default(),
            }),
        })
    }
}

impl Provider for OpenAi {
    fn name(&self) -> &str {
        &self.shared.config.name
    }

    fn stream(&self, call: Call) -> ChunkStream {
        let tool = call.tool.as_ref().map(|tool| tool.name.clone());
        let shared = Arc::clone(&self.shared);
        let http = shared.http.clone();
        let open = Box::pin(async move { shared.open(&call).await });
        stream::run(open, decode::OpenAi::new(tool.as_deref()), http)
    }

    fn models(&self) -> ModelList {
        let http = self.shared.http.clone();
        Box::pin(async move { models::ids(&http, &http.get("models", None).await?) })
    }
}

impl Shared {
    async fn open(&self, call: &Call) -> Result<Response, Error> {
        let mut without = self.lessons.of(&call.model);
        without.extend(self.switched_off());
        loop {
            let body = self.body(call, &without);
            let refused = match self
                .http
                .post("chat/completions", body.to_string().into())
                .await
            {
                Ok(response) => {
                    self.lessons.learn(&call.model, without);
                    return Ok(response);
                }
                Err(refused) => refused,
            };
            let was_sent = |param| !without.contains(&param) && holds(&body, param);
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

    fn switched_off(&self) -> impl Iterator<Item = Param> {
        let config = &self.config;
        [
            (config.tools, Param::Tools),
            (config.usage, Param::Usage),
            (config.schema, Param::Schema),
        ]
        .into_iter()
        .filter_map(|(is_on, param)| (!is_on).then_some(param))
    }

    fn body(&self, call: &Call, without: &BTreeSet<Param>) -> Value {
        let mut messages = params::messages(call);
        if !call.system.is_empty() {
            messages.insert(0, json!({"role": "system", "content": call.system}));
        }
        let mut body = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            body.extend(value.map(|value| (name.to_owned(), value)));
        };
        let takes = |param| !without.contains(&param);
        put("model", Some(json!(call.model)));
        put("messages", Some(Value::Array(messages)));
        put("stream", Some(json!(true)));
        put(
            "stream_options",
            takes(Param::Usage).then(|| json!({"include_usage": true})),
        );
        let sampling = call.sampling;
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
        put(
            self.limit_name(without),
            sampling.max_tokens.map(Value::from),
        );
        match &call.schema {
            // The schema is the whole answer's, so a tool has no place beside it.
            Some(schema) => {
                put(
                    "response_format",
                    takes(Param::Schema).then(|| response_format(schema)),
                );
            }
            None => {
                let tool = call.tool.as_ref().filter(|_| takes(Param::Tools));
                put("tools", tool.map(|tool| json!([{"type": "function", "function": {
                    "name": tool.name, "description": tool.description, "parameters": tool.parameters,
                }}])));
            }
        }
        body.extend(self.config.extra.clone());
        Value::Object(body)
    }

    fn limit_name(&self, without: &BTreeSet<Param>) -> &'static str {
        let is_usual = !without.contains(&Param::MaxTokens);
        match (self.config.limit_name, is_usual) {
            (LimitName::MaxTokens, true) | (LimitName::MaxCompletionTokens, false) => "max_tokens",
            (LimitName::MaxCompletionTokens, true) | (LimitName::MaxTokens, false) => {
                "max_completion_tokens"
            }
        }
    }
}

fn response_format(schema: &Value) -> Value {
    json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}})
}

/// Tells whether a body holds a parameter.
fn holds(body: &Value, param: Param) -> bool {
    let names: &[&str] = match param {
        Param::Usage => &["stream_options"],
        Param::Schema => &["response_format"],
        Param::Tools => &["tools"],
        Param::MaxTokens => &["max_tokens", "max_completion_tokens"],
        Param::TopP => &["top_p"],
        Param::Temperature => &["temperature"],
    };
    names.iter().any(|name| body.get(name).is_some())
}
