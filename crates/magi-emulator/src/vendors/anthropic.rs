//! Anthropic's Messages wire: requests, errors, the stream and the whole answer.
//!
//! Source: Anthropic API documentation, "Messages", "Streaming messages" and "Errors", read beside
//! the types and the stream reader of the official Python SDK 2.12.0.

use serde_json::{Map, Value, json};

use super::answer::{Answer, Finish, Part, Token};
use super::ask::{Ask, Choice, ToolSpec, Vendor, text_of};
use super::frame::Frame;
use super::refuse::{Refused, invalid};
use super::words::{Reason, Stop};

/// The parameters of a request; any other is refused, as the vendor does.
const PARAMETERS: [&str; 25] = [
    "cache_control",
    "container",
    "context_management",
    "diagnostics",
    "inference_geo",
    "max_tokens",
    "mcp_servers",
    "messages",
    "metadata",
    "model",
    "output_config",
    "output_format",
    "service_tier",
    "speed",
    "stop_sequences",
    "stream",
    "system",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
    "user_profile_id",
    "workspace_id",
];

/// Checks the headers without which the vendor does not read a request.
pub(crate) fn headers(headers: &http::HeaderMap) -> Result<(), Refused> {
    if !headers.contains_key("x-api-key") && !headers.contains_key("authorization") {
        return Err(Refused::new(401, error(401, Reason::Plain, "")));
    }
    if !headers.contains_key("anthropic-version") {
        return Err(bad("anthropic-version: header is required"));
    }
    Ok(())
}

/// Reads a request, or says with the vendor's words why not.
pub(crate) fn read(body: &Value) -> Result<Ask, Refused> {
    let body = body
        .as_object()
        .ok_or_else(|| bad("The request body is not valid JSON."))?;
    if let Some(name) = body
        .keys()
        .find(|name| !PARAMETERS.contains(&name.as_str()))
    {
        return Err(bad(&format!("{name}: Extra inputs are not permitted")));
    }
    let model = body.get("model").and_then(Value::as_str);
    let model = model.ok_or_else(|| bad("model: Field required"))?;
    let most = body
        .get("max_tokens")
        .ok_or_else(|| bad("max_tokens: Field required"))?;
    let most = most.as_u64().filter(|n| *n > 0);
    let most = most.ok_or_else(|| bad("max_tokens: Input should be greater than or equal to 1"))?;
    let temperature = body
        .get("temperature")
        .and_then(Value::as_f64)
        .unwrap_or(1.0);
    if !(0.0..=1.0).contains(&temperature) {
        return Err(bad("temperature: range: 0..1"));
    }
    let tools = tools(body)?;
    let choice = choice(body, &tools)?;
    let thinking = thinking(body, most, &choice)?;
    Ok(Ask {
        vendor: Vendor::Anthropic,
        model: model.to_owned(),
        stream: body.get("stream").and_then(Value::as_bool).unwrap_or(false),
        include_usage: true,
        thinking,
        max_tokens: usize::try_from(most).ok(),
        choice,
        tools,
        json_only: body
            .get("output_config")
            .and_then(|config| config.get("format"))
            .or_else(|| body.get("output_format"))
            .and_then(|format| format.get("schema"))
            .cloned(),
        system: text_of(body.get("system").unwrap_or(&Value::Null)),
        user: last_user(body)?,
    })
}

fn bad(message: &str) -> Refused {
    invalid(Vendor::Anthropic, message, None)
}

fn last_user(body: &Map<String, Value>) -> Result<String, Refused> {
    let list = body.get("messages").and_then(Value::as_array);
    let list = list.ok_or_else(|| bad("messages: Field required"))?;
    if list.is_empty() {
        return Err(bad("messages: at least one message is required"));
    }
    let mut user = None;
    for (n, message) in list.iter().enumerate() {
        let text = text_of(message.get("content").unwrap_or(&Value::Null));
        if text.trim().is_empty() && n + 1 < list.len() {
            return Err(bad(&format!(
                "messages.{n}: all messages must have non-empty content"
            )));
        }
        match message.get("role").and_then(Value::as_str) {
            Some("user") => user = Some(text),
            Some("assistant") if n > 0 => {}
            Some("assistant") => {
                return Err(bad("messages: first message must use the \"user\" role"));
            }
            _ => {
                return Err(bad(&format!(
                    "messages.{n}.role: Input should be 'user' or 'assistant'"
                )));
            }
        }
    }
    user.ok_or_else(|| bad("messages: at least one user message is required"))
}

fn tools(body: &Map<String, Value>) -> Result<Vec<ToolSpec>, Refused> {
    let list = body.get("tools").and_then(Value::as_array);
    let read = |(n, tool): (usize, &Value)| {
        let name = tool.get("name").and_then(Value::as_str);
        let name = name.ok_or_else(|| bad(&format!("tools.{n}.custom.name: Field required")))?;
        let schema = tool
            .get("input_schema")
            .filter(|schema| schema["type"] == "object");
        let missing = || {
            bad(&format!(
                "tools.{n}.custom.input_schema.type: Field required"
            ))
        };
        let schema = schema.cloned().ok_or_else(missing)?;
        Ok(ToolSpec {
            name: name.to_owned(),
            schema,
        })
    };
    list.map(|list| list.iter().enumerate().map(read).collect())
        .unwrap_or(Ok(Vec::new()))
}

fn choice(body: &Map<String, Value>, tools: &[ToolSpec]) -> Result<Choice, Refused> {
    let Some(choice) = body.get("tool_choice") else {
        return Ok(Choice::Auto);
    };
    if tools.is_empty() {
        return Err(bad(
            "tool_choice may only be specified while providing tools",
        ));
    }
    let name = choice.get("name").and_then(Value::as_str);
    match (choice.get("type").and_then(Value::as_str), name) {
        (Some("auto"), _) => Ok(Choice::Auto),
        (Some("none"), _) => Ok(Choice::Never),
        (Some("any"), _) => Ok(Choice::Any),
        (Some("tool"), Some(name)) if tools.iter().any(|tool| tool.name == name) => {
            Ok(Choice::Named(name.to_owned()))
        }
        (Some("tool"), Some(name)) => {
            Err(bad(&format!("Tool '{name}' not found in provided tools")))
        }
        _ => Err(bad(
            "tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'",
        )),
    }
}

/// Checks the rules of extended thinking and tells whether the answer thinks aloud.
fn thinking(body: &Map<String, Value>, most: u64, choice: &Choice) -> Result<bool, Refused> {
    let Some(config) = body.get("thinking") else {
        return Ok(false);
    };
    let on = match config.get("type").and_then(Value::as_str) {
        Some("disabled") => return Ok(false),
        Some("adaptive") => true,
        Some("enabled") => {
            let budget = config
                .get("budget_tokens")
                .and_then(Value::as_u64)
                .unwrap_or(0);
            if budget < 1024 {
                let message = "thinking.enabled.budget_tokens: Input should be greater than or equal \
                               to 1024";
                return Err(bad(message));
            }
            if budget >= most {
                return Err(bad(
                    "`max_tokens` must be greater than `thinking.budget_tokens`.",
                ));
            }
            true
        }
        _ => {
            return Err(bad(
                "thinking.type: Input should be 'enabled', 'adaptive' or 'disabled'",
            ));
        }
    };
    if matches!(choice, Choice::Any | Choice::Named(_)) {
        return Err(bad(
            "Thinking may not be enabled when tool_choice forces tool use.",
        ));
    }
    if body
        .get("temperature")
        .and_then(Value::as_f64)
        .is_some_and(|value| value != 1.0)
    {
        return Err(bad(
            "`temperature` may only be set to 1 when thinking is enabled.",
        ));
    }
    Ok(on)
}

/// Refuses the parameters that the vendor's newer models do not take.
pub(crate) fn strict(body: &Value) -> Result<(), Refused> {
    match ["temperature", "top_p", "top_k"]
        .into_iter()
        .find(|name| body.get(name).is_some())
    {
        Some(name) => Err(bad(&format!("`{name}` is deprecated for this model."))),
        None => Ok(()),
    }
}

/// The error body that goes with a status.
pub(crate) fn error(status: u16, reason: Reason, model: &str) -> Value {
    let (kind, message) = match (status, reason) {
        (400, Reason::Context) => (
            "invalid_request_error",
            "prompt is too long: 214321 tokens > 200000 maximum".to_owned(),
        ),
        (400, Reason::Filter) => (
            "invalid_request_error",
            "Output blocked by content filtering policy".to_owned(),
        ),
        (401, _) => ("authentication_error", "invalid x-api-key".to_owned()),
        (402, _) => (
            "billing_error",
            "Your credit balance is too low.".to_owned(),
        ),
        (403, _) => (
            "permission_error",
            "Your API key may not use this resource.".to_owned(),
        ),
        (404, _) => ("not_found_error", format!("model: {model}")),
        (413, _) => (
            "request_too_large",
            "Request exceeds the maximum size".to_owned(),
        ),
        (429, _) => (
            "rate_limit_error",
            "This request would exceed the rate limit for your organization.".to_owned(),
        ),
        (504, _) => ("timeout_error", "Request timed out".to_owned()),
        (529, _) => ("overloaded_error", "Overloaded".to_owned()),
        (400..=499, _) => (
            "invalid_request_error",
            "The request was refused.".to_owned(),
        ),
        _ => ("api_error", "Internal server error".to_owned()),
    };
    json!({"type": "error", "error": {"type": kind, "message": message},
        "request_id": "req_fake"})
}

/// Writes the events of one stream.
#[derive(Debug)]
pub(crate) struct Encoder {
    model: Value,
    id: u64,
    tool: Option<String>,
    prompt: usize,
    block: Option<Part>,
    index: usize,
    pinged: bool,
}

impl Encoder {
    pub(crate) fn new(ask: &Ask, answer: &Answer, id: u64) -> Self {
        Encoder {
            model: Value::from(ask.model.as_str()),
            id,
            tool: answer.tool.clone(),
            prompt: ask.prompt_tokens(),
            block: None,
            index: 0,
            pinged: false,
        }
    }

    pub(crate) fn open(&self) -> Vec<Frame> {
        let (id, model) = (self.id, &self.model);
        let usage = usage(self.prompt, 1);
        vec![Frame::named(
            "message_start",
            format!(
                "{{\"type\":\"message_start\",\"message\":{{\"id\":\"msg_fake{id:08}\",\
                 \"type\":\"message\",\"role\":\"assistant\",\"model\":{model},\"content\":[],\
                 \"stop_reason\":null,\"stop_sequence\":null,\"usage\":{usage}}}}}"
            ),
        )]
    }

    pub(crate) fn ping() -> Frame {
        Frame::named("ping", "{\"type\": \"ping\"}".to_owned())
    }

    pub(crate) fn token(&mut self, token: &Token) -> Vec<Frame> {
        let mut frames = Vec::new();
        if self.block != Some(token.part) {
            frames.extend(self.stop_block());
            frames.push(self.start_block(token.part));
            if !self.pinged {
                self.pinged = true;
                frames.push(Self::ping());
            }
        }
        let text = Value::from(token.text.as_str());
        frames.push(self.delta(&match token.part {
            Part::Thinking => format!("\"thinking_delta\",\"thinking\":{text}"),
            Part::Text | Part::Refusal => format!("\"text_delta\",\"text\":{text}"),
            Part::Args => format!("\"input_json_delta\",\"partial_json\":{text}"),
        }));
        frames
    }

    fn delta(&self, delta: &str) -> Frame {
        let index = self.index;
        Frame::named(
            "content_block_delta",
            format!(
                "{{\"type\":\"content_block_delta\",\"index\":{index},\"delta\":{{\"type\":{delta}}}}}"
            ),
        )
    }

    fn start_block(&mut self, part: Part) -> Frame {
        self.block = Some(part);
        let (id, index) = (self.id, self.index);
        let block = match part {
            Part::Thinking => {
                "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}".to_owned()
            }
            Part::Text | Part::Refusal => "{\"type\":\"text\",\"text\":\"\"}".to_owned(),
            Part::Args => {
                let name = Value::from(self.tool.clone().unwrap_or_default());
                format!(
                    "{{\"type\":\"tool_use\",\"id\":\"toolu_fake{id:08}\",\"name\":{name},\
                     \"input\":{{}}}}"
                )
            }
        };
        Frame::named(
            "content_block_start",
            format!(
                "{{\"type\":\"content_block_start\",\"index\":{index},\"content_block\":{block}}}"
            ),
        )
    }

    fn stop_block(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        if let Some(part) = self.block.take() {
            if part == Part::Thinking {
                frames.push(self.delta("\"signature_delta\",\"signature\":\"ZmFrZQ==\""));
            }
            let index = self.index;
            frames.push(Frame::named(
                "content_block_stop",
                format!("{{\"type\":\"content_block_stop\",\"index\":{index}}}"),
            ));
            self.index += 1;
        }
        frames
    }

    pub(crate) fn close(&mut self, finish: Finish, sent: usize) -> Vec<Frame> {
        let mut frames = self.stop_block();
        let delta = stop(finish);
        let usage = usage(self.prompt, sent);
        frames.push(Frame::named(
            "message_delta",
            format!("{{\"type\":\"message_delta\",\"delta\":{delta},\"usage\":{usage}}}"),
        ));
        frames
    }

    pub(crate) fn sentinel() -> Frame {
        Frame::named("message_stop", "{\"type\":\"message_stop\"}".to_owned())
    }

    pub(crate) fn error() -> Frame {
        Frame::named("error", error(529, Reason::Plain, "").to_string())
    }
}

fn stop(finish: Finish) -> Value {
    let reason = match finish {
        Finish::Stop => "end_turn",
        Finish::Tool => "tool_use",
        Finish::Length => "max_tokens",
        Finish::Filter | Finish::Refusal | Finish::Word(Stop::Guardrail) => "refusal",
        Finish::Word(Stop::Context) => "model_context_window_exceeded",
        Finish::Word(Stop::Sequence) => "stop_sequence",
        Finish::Word(_) => "end_turn",
    };
    let mut stop = json!({"stop_reason": reason, "stop_sequence": null});
    if reason == "refusal" {
        stop["stop_details"] =
            json!({"type": "refusal", "category": "general_harms", "explanation": null});
    }
    stop
}

fn usage(input: usize, output: usize) -> Value {
    json!({"input_tokens": input, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
        "output_tokens": output})
}

/// The whole answer, for a request that did not ask for a stream.
pub(crate) fn whole(ask: &Ask, answer: &Answer, id: u64) -> Value {
    let mut content = Vec::new();
    let thinking = answer.part(Part::Thinking);
    if !thinking.is_empty() {
        content.push(json!({"type": "thinking", "thinking": thinking, "signature": "ZmFrZQ=="}));
    }
    let text = answer.part(Part::Text) + &answer.part(Part::Refusal);
    if !text.is_empty() {
        content.push(json!({"type": "text", "text": text}));
    }
    if let Some(name) = &answer.tool {
        let input: Value = serde_json::from_str(&answer.part(Part::Args)).unwrap_or_default();
        let id = format!("toolu_fake{id:08}");
        content.push(json!({"type": "tool_use", "id": id, "name": name, "input": input}));
    }
    let mut message = stop(answer.finish);
    message["id"] = json!(format!("msg_fake{id:08}"));
    message["type"] = json!("message");
    message["role"] = json!("assistant");
    message["model"] = json!(ask.model);
    message["content"] = json!(content);
    message["usage"] = usage(ask.prompt_tokens(), answer.tokens.len());
    message
}
