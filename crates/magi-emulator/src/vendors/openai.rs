//! OpenAI's Chat Completions wire: requests, errors, the stream and the whole answer.
//!
//! Source: OpenAI API reference, "Chat Completions" (create, streaming, error codes), read beside the
//! types and the stream reader of the official Python SDK 2.54.0.

use serde_json::{Map, Value, json};

use super::answer::{Answer, Finish, Part, Token};
use super::ask::{Ask, Choice, ToolSpec, Vendor, text_of};
use super::frame::Frame;
use super::plan::Plan;
use super::refuse::{Refused, invalid};
use super::words::{Quirk, Reason, ReasoningField, Stop, Usage};

/// The parameters of a request; any other is refused, as the vendor does.
const PARAMETERS: [&str; 38] = [
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "modalities",
    "model",
    "moderation",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
    "web_search_options",
    "extra_body",
];

/// Reads a request, or says with the vendor's words why not.
pub(crate) fn read(body: &Value) -> Result<Ask, Refused> {
    let body = body
        .as_object()
        .ok_or_else(|| bad("We could not parse the JSON body.", None))?;
    if let Some(name) = body
        .keys()
        .find(|name| !PARAMETERS.contains(&name.as_str()))
    {
        let message = format!("Unrecognized request argument supplied: {name}");
        return Err(bad(&message, None));
    }
    let model = body.get("model").and_then(Value::as_str);
    let model = model.ok_or_else(|| bad("you must provide a model parameter", None))?;
    let stream = body.get("stream").and_then(Value::as_bool).unwrap_or(false);
    if body.contains_key("stream_options") && !stream {
        let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
        return Err(bad(message, Some("stream_options")));
    }
    let temperature = body
        .get("temperature")
        .and_then(Value::as_f64)
        .unwrap_or(1.0);
    if !(0.0..=2.0).contains(&temperature) {
        let message = "Invalid 'temperature': expected a value between 0 and 2.";
        return Err(bad(message, Some("temperature")));
    }
    let tools = tools(body)?;
    let (system, user) = messages(body)?;
    let most = body
        .get("max_completion_tokens")
        .or_else(|| body.get("max_tokens"));
    Ok(Ask {
        vendor: Vendor::OpenAi,
        model: model.to_owned(),
        stream,
        include_usage: body
            .get("stream_options")
            .and_then(|options| options.get("include_usage"))
            .is_some_and(|include| *include == Value::Bool(true)),
        thinking: false,
        max_tokens: most
            .and_then(Value::as_u64)
            .and_then(|n| usize::try_from(n).ok()),
        choice: choice(body, &tools)?,
        tools,
        json_only: json_only(body.get("response_format")),
        system,
        user,
    })
}

fn bad(message: &str, param: Option<&str>) -> Refused {
    invalid(Vendor::OpenAi, message, param)
}

fn messages(body: &Map<String, Value>) -> Result<(String, String), Refused> {
    let missing = || bad("Missing required parameter: 'messages'.", Some("messages"));
    let list = body
        .get("messages")
        .and_then(Value::as_array)
        .ok_or_else(missing)?;
    if list.is_empty() {
        let message = "Invalid 'messages': empty array. Expected an array with minimum length 1.";
        return Err(bad(message, Some("messages")));
    }
    let (mut system, mut user) = (String::new(), String::new());
    for (n, message) in list.iter().enumerate() {
        let text = text_of(message.get("content").unwrap_or(&Value::Null));
        match message.get("role").and_then(Value::as_str) {
            Some("system" | "developer") => system.push_str(&text),
            Some("user") => user = text,
            Some("assistant" | "tool" | "function") => {}
            _ => {
                let param = format!("messages[{n}].role");
                return Err(bad(&format!("Invalid value for '{param}'."), Some(&param)));
            }
        }
    }
    Ok((system, user))
}

fn tools(body: &Map<String, Value>) -> Result<Vec<ToolSpec>, Refused> {
    let list = body.get("tools").and_then(Value::as_array);
    let read = |(n, tool): (usize, &Value)| {
        let param = format!("tools[{n}].function");
        let function = tool.get("function").filter(|_| tool["type"] == "function");
        let name = function.and_then(|f| f.get("name")).and_then(Value::as_str);
        let name = name.ok_or_else(|| {
            bad(
                &format!("Missing required parameter: '{param}'."),
                Some(&param),
            )
        })?;
        let schema = function.and_then(|f| f.get("parameters")).cloned();
        Ok(ToolSpec {
            name: name.to_owned(),
            schema: schema.unwrap_or_else(|| json!({})),
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
        let message = "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' \
                       are specified.";
        return Err(bad(message, Some("tool_choice")));
    }
    match (
        choice.as_str(),
        choice.pointer("/function/name").and_then(Value::as_str),
    ) {
        (Some("auto"), _) => Ok(Choice::Auto),
        (Some("none"), _) => Ok(Choice::Never),
        (Some("required"), _) => Ok(Choice::Any),
        (None, Some(name)) if tools.iter().any(|tool| tool.name == name) => {
            Ok(Choice::Named(name.to_owned()))
        }
        _ => Err(bad("Invalid value for 'tool_choice'.", Some("tool_choice"))),
    }
}

fn json_only(format: Option<&Value>) -> Option<Value> {
    match format?.get("type")?.as_str()? {
        "json_object" => Some(Value::Null),
        "json_schema" => Some(format?.pointer("/json_schema/schema")?.clone()),
        _ => None,
    }
}

/// Refuses the parameters that the vendor's newer models do not take.
pub(crate) fn strict(body: &Value) -> Result<(), Refused> {
    if body.get("max_tokens").is_some() {
        let message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use \
                       'max_completion_tokens' instead.";
        let mut refused = bad(message, Some("max_tokens"));
        refused.body["error"]["code"] = json!("unsupported_parameter");
        return Err(refused);
    }
    for name in ["temperature", "top_p"] {
        if body
            .get(name)
            .and_then(Value::as_f64)
            .is_some_and(|value| value != 1.0)
        {
            let message = format!(
                "Unsupported value: '{name}' does not support {} with this model. Only the default \
                 (1) value is supported.",
                body[name]
            );
            let mut refused = bad(&message, Some(name));
            refused.body["error"]["code"] = json!("unsupported_value");
            return Err(refused);
        }
    }
    Ok(())
}

/// The error body that goes with a status.
pub(crate) fn error(status: u16, reason: Reason, model: &str) -> Value {
    let (kind, code, message) = match (status, reason) {
        (400, Reason::Context) => (
            "invalid_request_error",
            json!("context_length_exceeded"),
            "This model's maximum context length is 128000 tokens. However, your messages resulted \
             in 131072 tokens. Please reduce the length of the messages."
                .to_owned(),
        ),
        (400, Reason::Filter) => (
            "invalid_request_error",
            json!("content_filter"),
            "The response was filtered due to the prompt triggering the content management policy. \
             Please modify your prompt and retry."
                .to_owned(),
        ),
        (401, _) => (
            "invalid_request_error",
            json!("invalid_api_key"),
            "Incorrect API key provided: sk-f***. You can find your API key in your settings."
                .to_owned(),
        ),
        (403, _) => (
            "invalid_request_error",
            json!("unsupported_country_region_territory"),
            "Country, region, or territory not supported".to_owned(),
        ),
        (404, _) => (
            "invalid_request_error",
            json!("model_not_found"),
            format!("The model `{model}` does not exist or you do not have access to it."),
        ),
        (429, Reason::Quota) => (
            "insufficient_quota",
            json!("insufficient_quota"),
            "You exceeded your current quota, please check your plan and billing details."
                .to_owned(),
        ),
        (429, _) => (
            "requests",
            json!("rate_limit_exceeded"),
            format!("Rate limit reached for {model} on requests per min (RPM): Limit 3, Used 3."),
        ),
        (503 | 529, _) => (
            "server_error",
            Value::Null,
            "The engine is currently overloaded, please try again later".to_owned(),
        ),
        (400..=499, _) => {
            ("invalid_request_error", Value::Null, "The request was refused.".to_owned())
        }
        _ => (
            "server_error",
            Value::Null,
            "The server had an error while processing your request. Sorry about that!".to_owned(),
        ),
    };
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
}

/// Writes the events of one stream.
#[derive(Debug)]
pub(crate) struct Encoder {
    head: String,
    call: String,
    include_usage: bool,
    usage: Usage,
    null_content: bool,
    reasoning: ReasoningField,
    tool: Option<String>,
    prompt: usize,
}

impl Encoder {
    pub(crate) fn new(ask: &Ask, plan: &Plan, answer: &Answer, id: u64, created: u64) -> Self {
        let model = Value::from(ask.model.as_str());
        Encoder {
            head: format!(
                "{{\"id\":\"chatcmpl-fake{id:08}\",\"object\":\"chat.completion.chunk\",\
                 \"created\":{created},\"model\":{model},\"service_tier\":\"default\",\
                 \"system_fingerprint\":\"fp_fake\""
            ),
            call: format!("call_fake{id:08}"),
            include_usage: ask.include_usage,
            usage: plan.usage,
            null_content: plan.has(Quirk::NullContent),
            reasoning: plan.reasoning.unwrap_or(ReasoningField::Content),
            tool: answer.tool.clone(),
            prompt: ask.prompt_tokens(),
        }
    }

    fn chunk(&self, delta: &str, finish: &str, usage: Option<&str>) -> Frame {
        // The usage is null on every event but one, when it was asked for.
        let asked = self.include_usage && self.usage == Usage::Asked;
        let usage = usage.or(asked.then_some("null"));
        let usage = usage
            .map(|usage| format!(",\"usage\":{usage}"))
            .unwrap_or_default();
        Frame::data(format!(
            "{},\"choices\":[{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\
             \"finish_reason\":{finish}}}]{usage}}}",
            self.head
        ))
    }

    pub(crate) fn open(&self) -> Vec<Frame> {
        let content = if self.null_content { "null" } else { "\"\"" };
        let delta = format!("{{\"role\":\"assistant\",\"content\":{content},\"refusal\":null}}");
        vec![self.chunk(&delta, "null", None)]
    }

    pub(crate) fn token(&mut self, token: &Token) -> Vec<Frame> {
        let text = Value::from(token.text.as_str());
        let delta = match (token.part, self.reasoning) {
            (Part::Thinking, ReasoningField::Content) => {
                format!("{{\"reasoning_content\":{text}}}")
            }
            (Part::Thinking, ReasoningField::Short) => format!("{{\"reasoning\":{text}}}"),
            (Part::Text, _) => format!("{{\"content\":{text}}}"),
            (Part::Refusal, _) => format!("{{\"refusal\":{text}}}"),
            (Part::Args, _) => {
                let mut frames = Vec::new();
                // The first delta of a call has its id and name, and no arguments yet.
                if let Some(name) = self.tool.take() {
                    let name = Value::from(name);
                    let call = &self.call;
                    let delta = format!(
                        "{{\"tool_calls\":[{{\"index\":0,\"id\":\"{call}\",\"type\":\"function\",\
                         \"function\":{{\"name\":{name},\"arguments\":\"\"}}}}]}}"
                    );
                    frames.push(self.chunk(&delta, "null", None));
                }
                let delta = format!(
                    "{{\"tool_calls\":[{{\"index\":0,\"function\":{{\"arguments\":{text}}}}}]}}"
                );
                frames.push(self.chunk(&delta, "null", None));
                return frames;
            }
        };
        vec![self.chunk(&delta, "null", None)]
    }

    pub(crate) fn close(&self, finish: Finish, answer: &Answer, sent: usize) -> Vec<Frame> {
        let usage = usage(self.prompt, sent, answer.count(Part::Thinking)).to_string();
        let finish = format!("\"{}\"", word(finish));
        match self.usage {
            Usage::Anywhere => vec![self.chunk("{}", &finish, Some(&usage))],
            Usage::Asked if self.include_usage => {
                let head = &self.head;
                let last = Frame::data(format!("{head},\"choices\":[],\"usage\":{usage}}}"));
                vec![self.chunk("{}", &finish, None), last]
            }
            Usage::Asked | Usage::Never => vec![self.chunk("{}", &finish, None)],
        }
    }

    pub(crate) fn error(&self) -> Frame {
        Frame::data(error(500, Reason::Plain, "").to_string())
    }
}

fn word(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::Refusal => "stop",
        Finish::Tool => "tool_calls",
        Finish::Length => "length",
        Finish::Filter | Finish::Word(Stop::Guardrail) => "content_filter",
        Finish::Word(Stop::Context) => "length",
        Finish::Word(_) => "stop",
    }
}

fn usage(prompt: usize, completion: usize, reasoning: usize) -> Value {
    json!({
        "prompt_tokens": prompt, "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
    })
}

/// The whole answer, for a request that did not ask for a stream.
pub(crate) fn whole(ask: &Ask, plan: &Plan, answer: &Answer, id: u64, created: u64) -> Value {
    let text = |part| Some(answer.part(part)).filter(|text| !text.is_empty());
    let mut message = json!({"role": "assistant", "content": text(Part::Text),
        "refusal": text(Part::Refusal), "annotations": []});
    if let Some(reasoning) = text(Part::Thinking) {
        let field = match plan.reasoning {
            Some(ReasoningField::Short) => "reasoning",
            Some(ReasoningField::Content) | None => "reasoning_content",
        };
        message[field] = json!(reasoning);
    }
    if let Some(name) = &answer.tool {
        let function = json!({"name": name, "arguments": answer.part(Part::Args)});
        let call = format!("call_fake{id:08}");
        message["tool_calls"] = json!([{"id": call, "type": "function", "function": function}]);
    }
    let thinking = answer.count(Part::Thinking);
    json!({"id": format!("chatcmpl-fake{id:08}"), "object": "chat.completion", "created": created,
        "model": ask.model, "choices": [{"index": 0, "message": message, "logprobs": null,
        "finish_reason": word(answer.finish)}],
        "usage": usage(ask.prompt_tokens(), answer.tokens.len(), thinking),
        "service_tier": "default", "system_fingerprint": "fp_fake"})
}
