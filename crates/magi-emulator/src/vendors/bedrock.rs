//! Bedrock's ConverseStream wire: requests, errors and the binary event stream.
//!
//! Source: Amazon Bedrock API Reference, `ConverseStream` and `CountTokens`, read beside botocore's
//! model of `bedrock-runtime` (2023-09-30); Smithy specification, "Event stream encoding". The
//! frames are written by hand: no code of the SDK that reads them is used.

use serde_json::{Map, Value, json};

use super::answer::{Answer, Finish, Part, Token};
use super::ask::{Ask, Choice, ToolSpec, Vendor};
use super::frame::Frame;
use super::plan::Plan;
use super::refuse::{Refused, invalid};
use super::words::{Exception, Lack, Reason, Stop, Usage};

/// The members of a request; any other is refused.
const PARAMETERS: [&str; 13] = [
    "messages",
    "system",
    "inferenceConfig",
    "toolConfig",
    "guardrailConfig",
    "additionalModelRequestFields",
    "additionalModelResponseFieldPaths",
    "outputConfig",
    "performanceConfig",
    "promptVariables",
    "requestMetadata",
    "serviceTier",
    "modelId",
];

/// Checks that a request says who asks, signed or with a key.
pub(crate) fn headers(headers: &http::HeaderMap) -> Result<(), Refused> {
    let said = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if said.starts_with("Bearer ") || said.starts_with("AWS4-HMAC-SHA256 ") {
        return Ok(());
    }
    Err(refused(
        403,
        "MissingAuthenticationTokenException",
        "Missing Authentication Token",
    ))
}

fn refused(status: u16, word: &str, message: &str) -> Refused {
    Refused::new(status, json!({"__type": word, "message": message}))
}

/// A request whose signature, or whose signer, is not accepted.
pub(crate) fn unsigned(refusal: &crate::cloud::Refusal) -> Refused {
    refused(refusal.status.as_u16(), refusal.kind, &refusal.message)
}

fn bad(message: &str) -> Refused {
    invalid(Vendor::Bedrock, message, None)
}

/// Reads a request, or says with the vendor's words why not.
pub(crate) fn read(model: &str, body: &Value) -> Result<Ask, Refused> {
    let body = body
        .as_object()
        .ok_or_else(|| bad("The request body is not valid JSON."))?;
    if let Some(name) = body
        .keys()
        .find(|name| !PARAMETERS.contains(&name.as_str()))
    {
        return Err(bad(&format!(
            "Malformed input request: #: extraneous key [{name}] is not permitted, please reformat \
             your input and try again."
        )));
    }
    let most = inference(body)?;
    let tools = tools(body)?;
    let choice = choice(body, &tools)?;
    Ok(Ask {
        vendor: Vendor::Bedrock,
        model: model.to_owned(),
        stream: true,
        include_usage: true,
        thinking: body
            .get("additionalModelRequestFields")
            .is_some_and(|fields| fields.pointer("/thinking/type") == Some(&json!("enabled"))),
        max_tokens: most,
        choice,
        tools,
        json_only: text_format(body)?,
        system: texts(body.get("system")),
        user: last_user(body)?,
    })
}

/// Checks the limits of sampling and returns the limit of tokens.
fn inference(body: &Map<String, Value>) -> Result<Option<usize>, Refused> {
    let Some(config) = body.get("inferenceConfig") else {
        return Ok(None);
    };
    for name in ["temperature", "topP"] {
        // The SDK for Rust sends single precision: 0.2 comes as 0.20000000298023224.
        let value = config.get(name).and_then(Value::as_f64).unwrap_or(0.0);
        if !(0.0..=1.000_001).contains(&value) {
            let limit = if value < 0.0 {
                "greater than or equal to 0"
            } else {
                "less than or equal to 1"
            };
            return Err(bad(&format!(
                "1 validation error detected: Value '{value}' at 'inferenceConfig.{name}' failed to \
                 satisfy constraint: Member must have value {limit}"
            )));
        }
    }
    match config.get("maxTokens").map(Value::as_u64) {
        None => Ok(None),
        Some(Some(most)) if most > 0 => Ok(usize::try_from(most).ok()),
        Some(_) => Err(bad(
            "1 validation error detected: Value at 'inferenceConfig.maxTokens' failed to satisfy \
             constraint: Member must have value greater than or equal to 1",
        )),
    }
}

fn last_user(body: &Map<String, Value>) -> Result<String, Refused> {
    let list = body.get("messages").and_then(Value::as_array);
    let list = list.filter(|list| !list.is_empty()).ok_or_else(|| {
        bad(
            "A conversation must start with a user message. Try again with a conversation that \
             starts with a user message.",
        )
    })?;
    let mut user = None;
    let mut last = "";
    for (n, message) in list.iter().enumerate() {
        let text = texts(message.get("content"));
        if text.trim().is_empty() {
            return Err(bad(&format!(
                "The text field in the ContentBlock object at messages.{n}.content.0 is blank. Add \
                 text to the text field, and try again."
            )));
        }
        let role = message.get("role").and_then(Value::as_str).unwrap_or("");
        match role {
            "user" | "assistant" if role == last => {
                return Err(bad(
                    "A conversation must alternate between user and assistant roles. \
                     Make sure the conversation alternates between user and assistant roles and try \
                     again.",
                ));
            }
            "user" => user = Some(text),
            "assistant" if n > 0 => {}
            "assistant" => {
                return Err(bad(
                    "A conversation must start with a user message. Try again with a conversation \
                     that starts with a user message.",
                ));
            }
            other => {
                return Err(bad(&format!(
                    "1 validation error detected: Value '{other}' at 'messages.{}.member.role' \
                     failed to satisfy constraint: Member must satisfy enum value set: [user, \
                     assistant]",
                    n + 1
                )));
            }
        }
        last = role;
    }
    user.ok_or_else(|| bad("A conversation must start with a user message."))
}

/// Joins the `text` members of a list of blocks.
fn texts(blocks: Option<&Value>) -> String {
    let blocks = blocks.and_then(Value::as_array).into_iter().flatten();
    blocks
        .filter_map(|block| block.get("text")?.as_str())
        .collect()
}

fn tools(body: &Map<String, Value>) -> Result<Vec<ToolSpec>, Refused> {
    let Some(config) = body.get("toolConfig") else {
        return Ok(Vec::new());
    };
    let list = config.get("tools").and_then(Value::as_array);
    let list = list.filter(|list| !list.is_empty()).ok_or_else(|| {
        bad(
            "1 validation error detected: Value '[]' at 'toolConfig.tools' failed to satisfy \
             constraint: Member must have length greater than or equal to 1",
        )
    })?;
    let read = |(n, tool): (usize, &Value)| {
        let place = format!("toolConfig.tools.{n}.member.toolSpec");
        let name = tool.pointer("/toolSpec/name").and_then(Value::as_str);
        let fits = |name: &&str| {
            let known = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            (1..=64).contains(&name.len()) && name.chars().all(known)
        };
        let name = name.filter(fits).ok_or_else(|| {
            bad(&format!(
                "1 validation error detected: Value at '{place}.name' failed to satisfy constraint: \
                 Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+"
            ))
        })?;
        let schema = tool
            .pointer("/toolSpec/inputSchema/json")
            .filter(|schema| schema["type"] == "object");
        let missing = || {
            bad(&format!(
                "The value at {place}.inputSchema.json.type must be one of the following: object."
            ))
        };
        Ok(ToolSpec {
            name: name.to_owned(),
            schema: schema.cloned().ok_or_else(missing)?,
        })
    };
    list.iter().enumerate().map(read).collect()
}

fn choice(body: &Map<String, Value>, tools: &[ToolSpec]) -> Result<Choice, Refused> {
    let choice = body
        .get("toolConfig")
        .and_then(|config| config.get("toolChoice"));
    let Some(choice) = choice.and_then(Value::as_object) else {
        return Ok(Choice::Auto);
    };
    let named = choice
        .get("tool")
        .and_then(|tool| tool.get("name")?.as_str());
    match (choice.keys().next().map(String::as_str), named) {
        (Some("auto"), _) => Ok(Choice::Auto),
        (Some("any"), _) => Ok(Choice::Any),
        (Some("tool"), Some(name)) if tools.iter().any(|tool| tool.name == name) => {
            Ok(Choice::Named(name.to_owned()))
        }
        _ => Err(bad(
            "The toolChoice field must name one of the tools in toolConfig.tools.",
        )),
    }
}

fn text_format(body: &Map<String, Value>) -> Result<Option<Value>, Refused> {
    let Some(format) = body
        .get("outputConfig")
        .and_then(|config| config.get("textFormat"))
    else {
        return Ok(None);
    };
    let schema = format
        .pointer("/structure/jsonSchema/schema")
        .and_then(Value::as_str)
        .and_then(|text| serde_json::from_str(text).ok());
    match (format.get("type").and_then(Value::as_str), schema) {
        (Some("json_schema"), Some(schema)) => Ok(Some(schema)),
        _ => Err(bad(
            "outputConfig.textFormat needs the type json_schema and a schema that is JSON.",
        )),
    }
}

/// Refuses the parameters that newer models do not take.
pub(crate) fn strict(body: &Value) -> Result<(), Refused> {
    let sent = |name: &str| body["inferenceConfig"].get(name).is_some();
    match [("temperature", "temperature"), ("topP", "top_p")]
        .into_iter()
        .find(|(name, _)| sent(name))
    {
        Some((_, name)) => Err(bad(&format!(
            "The model returned the following errors: `{name}` is deprecated for this model."
        ))),
        None => Ok(()),
    }
}

/// Refuses what a model cannot do.
pub(crate) fn lacks(plan: &Plan, body: &Value) -> Result<(), Refused> {
    for lack in &plan.lacks {
        let (place, message) = match lack {
            Lack::Tools => (
                "/toolConfig",
                "This model doesn't support tool use in streaming mode.",
            ),
            Lack::ForcedTool => (
                "/toolConfig/toolChoice/tool",
                "This model doesn't support the toolConfig.toolChoice.tool field. Remove \
                 toolConfig.toolChoice.tool and try again.",
            ),
            Lack::TextFormat => (
                "/outputConfig/textFormat",
                "This model doesn't support the outputConfig.textFormat field. Remove \
                 outputConfig.textFormat and try again.",
            ),
            Lack::Counting => (
                "/input",
                "The provided model doesn't support counting tokens.",
            ),
        };
        if body.pointer(place).is_some() {
            return Err(bad(message));
        }
    }
    Ok(())
}

/// The answer of `CountTokens`, or why there is none.
pub(crate) fn count(body: &Value) -> Result<Value, Refused> {
    let request = body
        .pointer("/input/converse")
        .ok_or_else(|| bad("The input field must hold converse or invokeModel."))?;
    let tokens = (texts(request.get("system")).len() + request["messages"].to_string().len()) / 4;
    Ok(json!({"inputTokens": tokens.max(1)}))
}

/// The error body that goes with a status; `__type` becomes the header `x-amzn-ErrorType`.
pub(crate) fn error(status: u16, reason: Reason, model: &str) -> Value {
    let (word, message) = match (status, reason) {
        (400, Reason::Context) => (
            "ValidationException",
            "Input is too long for requested model.".to_owned(),
        ),
        (400, Reason::Filter) => (
            "ValidationException",
            "The model returned the following errors: Output blocked by content filtering policy"
                .to_owned(),
        ),
        (400, Reason::OnDemand) => (
            "ValidationException",
            format!(
                "Invocation of model ID {model} with on-demand throughput isn\u{2019}t supported. \
                 Retry your request with the ID or ARN of an inference profile that contains this \
                 model."
            ),
        ),
        (403, Reason::Expired) => (
            "ExpiredTokenException",
            "The security token included in the request is expired".to_owned(),
        ),
        (403, Reason::UnknownKey) => (
            "UnrecognizedClientException",
            "The security token included in the request is invalid.".to_owned(),
        ),
        (403, Reason::NoModel) => (
            "AccessDeniedException",
            "You don't have access to the model with the specified model ID.".to_owned(),
        ),
        (401, _) => (
            "UnrecognizedClientException",
            "The security token included in the request is invalid.".to_owned(),
        ),
        (403, _) => (
            "AccessDeniedException",
            format!(
                "User: arn:aws:sts::123456789012:assumed-role/fake/magi is not authorized to \
                 perform: bedrock:InvokeModelWithResponseStream on resource: \
                 arn:aws:bedrock:us-east-1::foundation-model/{model} because no identity-based \
                 policy allows the bedrock:InvokeModelWithResponseStream action"
            ),
        ),
        (404, _) => (
            "ResourceNotFoundException",
            "This model version has reached the end of its life. Please refer to the AWS \
             documentation for more details."
                .to_owned(),
        ),
        (408, _) => (
            "ModelTimeoutException",
            "The request took too long to process. Processing time exceeded the model timeout \
             length."
                .to_owned(),
        ),
        (424, _) => {
            return json!({"__type": "ModelErrorException", "message": "The request failed due to \
                an error while processing the model.", "originalStatusCode": 500,
                "resourceName": model});
        }
        (429, Reason::NotReady) => (
            "ModelNotReadyException",
            "The model specified in the request is not ready to serve inference requests."
                .to_owned(),
        ),
        (429, Reason::Quota) => (
            "ThrottlingException",
            "Too many tokens per day, please wait before trying again.".to_owned(),
        ),
        (429, _) => (
            "ThrottlingException",
            "Too many requests, please wait before trying again.".to_owned(),
        ),
        (503 | 529, _) => (
            "ServiceUnavailableException",
            "Bedrock is unable to process your request.".to_owned(),
        ),
        (400..=499, _) => ("ValidationException", "The request was refused.".to_owned()),
        _ => (
            "InternalServerException",
            "The system encountered an unexpected error during processing. Try your request again."
                .to_owned(),
        ),
    };
    json!({"__type": word, "message": message})
}

/// Which checksum of a frame is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sum {
    Right,
    Wrong,
}

/// Writes one frame.
///
/// Source: Smithy specification, "Event stream encoding": big-endian total length, length of the
/// headers, CRC-32 of these 8 bytes; headers; payload; CRC-32 of all before it.
fn frame(headers: &[(&str, &str)], payload: &[u8], sum: Sum) -> Vec<u8> {
    let mut head = Vec::new();
    for (name, value) in headers {
        head.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        head.extend_from_slice(name.as_bytes());
        // 7 is a string: a length of two bytes, then UTF-8.
        head.push(7);
        head.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        head.extend_from_slice(value.as_bytes());
    }
    let mut bytes = prelude(16 + head.len() + payload.len(), head.len());
    bytes.extend_from_slice(&head);
    bytes.extend_from_slice(payload);
    let crc = crc32fast::hash(&bytes);
    let crc = if sum == Sum::Wrong { !crc } else { crc };
    bytes.extend_from_slice(&crc.to_be_bytes());
    bytes
}

fn prelude(total: usize, headers: usize) -> Vec<u8> {
    let long = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    let mut bytes = Vec::with_capacity(total.min(1 << 20));
    bytes.extend_from_slice(&long(total));
    bytes.extend_from_slice(&long(headers));
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_be_bytes());
    bytes
}

fn event(name: &str, payload: &[u8], sum: Sum) -> Vec<u8> {
    let headers = [
        (":event-type", name),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ];
    frame(&headers, payload, sum)
}

/// Writes the events of one stream.
#[derive(Debug)]
pub(crate) struct Encoder {
    id: u64,
    tool: Option<String>,
    prompt: usize,
    usage: Usage,
    is_cached: bool,
    block: Option<Part>,
    index: usize,
    written: std::cell::Cell<usize>,
}

impl Encoder {
    pub(crate) fn new(ask: &Ask, plan: &Plan, answer: &Answer, id: u64) -> Self {
        Encoder {
            id,
            tool: answer.tool.clone(),
            prompt: ask.prompt_tokens(),
            usage: plan.usage,
            is_cached: plan.cached,
            block: None,
            index: 0,
            written: std::cell::Cell::new(0),
        }
    }

    /// One event, with the padding that hides how long a token is.
    fn event(&self, name: &'static str, mut payload: Value) -> Frame {
        const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        let n = self.written.get();
        self.written.set(n + 1);
        payload["p"] = json!(LETTERS[..1 + n * 23 % LETTERS.len()]);
        Frame::binary(event(name, payload.to_string().as_bytes(), Sum::Right))
    }

    pub(crate) fn open(&self) -> Vec<Frame> {
        vec![self.event("messageStart", json!({"role": "assistant"}))]
    }

    pub(crate) fn token(&mut self, token: &Token) -> Vec<Frame> {
        let mut frames = Vec::new();
        if self.block != Some(token.part) {
            frames.extend(self.stop_block());
            frames.extend(self.start_block(token.part));
        }
        let text = &token.text;
        frames.push(self.delta(match token.part {
            Part::Thinking => json!({"reasoningContent": {"text": text}}),
            Part::Text | Part::Refusal => json!({"text": text}),
            Part::Args => json!({"toolUse": {"input": text}}),
        }));
        frames
    }

    fn delta(&self, delta: Value) -> Frame {
        let mut payload = json!({"contentBlockIndex": self.index});
        payload["delta"] = delta;
        self.event("contentBlockDelta", payload)
    }

    /// Only a tool's block is announced; text and reasoning begin with their first delta.
    fn start_block(&mut self, part: Part) -> Option<Frame> {
        self.block = Some(part);
        let name = self.tool.as_ref().filter(|_| part == Part::Args)?;
        let tool = json!({"toolUseId": format!("tooluse_fake{:08}", self.id), "name": name});
        let payload = json!({"contentBlockIndex": self.index, "start": {"toolUse": tool}});
        Some(self.event("contentBlockStart", payload))
    }

    fn stop_block(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        if let Some(part) = self.block.take() {
            if part == Part::Thinking {
                frames.push(self.delta(json!({"reasoningContent": {"signature": "ZmFrZQ=="}})));
            }
            let payload = json!({"contentBlockIndex": self.index});
            frames.push(self.event("contentBlockStop", payload));
            self.index += 1;
        }
        frames
    }

    pub(crate) fn close(&mut self, finish: Finish) -> Vec<Frame> {
        let mut frames = self.stop_block();
        frames.push(self.event("messageStop", json!({"stopReason": stop(finish)})));
        frames
    }

    /// The event behind the end: the token counts.
    pub(crate) fn sentinel(&self, sent: usize) -> Frame {
        let mut payload = json!({"metrics": {"latencyMs": 1}});
        if self.usage != Usage::Never {
            let (read, written) = if self.is_cached {
                (self.prompt / 2, self.prompt / 4)
            } else {
                (0, 0)
            };
            payload["usage"] = json!({"inputTokens": self.prompt - read - written,
                "outputTokens": sent, "totalTokens": self.prompt + sent,
                "cacheReadInputTokens": read, "cacheWriteInputTokens": written});
        }
        self.event("metadata", payload)
    }

    /// Two things that a newer service may send: an event and a delta of unknown kinds.
    pub(crate) fn unknown(&self) -> Vec<u8> {
        let mut bytes = event("futureEvent", b"{\"future\":true}", Sum::Right);
        let delta = json!({"contentBlockIndex": self.index, "delta": {"future": {"x": 1}}});
        let delta = event(
            "contentBlockDelta",
            delta.to_string().as_bytes(),
            Sum::Right,
        );
        bytes.extend_from_slice(&delta);
        bytes
    }

    /// An event whose JSON stops in the middle, in a frame that is whole.
    pub(crate) fn malformed(&self) -> Vec<u8> {
        let payload = format!("{{\"contentBlockIndex\":{},\"delta\":{{\"te", self.index);
        event("contentBlockDelta", payload.as_bytes(), Sum::Right)
    }

    /// A delta whose frame has a wrong checksum.
    pub(crate) fn bad_sum(&self) -> Vec<u8> {
        let payload = json!({"contentBlockIndex": self.index, "delta": {"text": "forged"}});
        event(
            "contentBlockDelta",
            payload.to_string().as_bytes(),
            Sum::Wrong,
        )
    }

    /// A frame that says it is as long as a frame can be.
    pub(crate) fn endless() -> Vec<u8> {
        prelude(0x7fff_ffff, 75)
    }
}

/// Writes an exception into the stream; nothing follows it.
pub(crate) fn exception(exception: Exception) -> Frame {
    let (name, payload) = match exception {
        Exception::Internal => (
            "internalServerException",
            json!({"message": "The system encountered an unexpected error during processing."}),
        ),
        Exception::ModelStream => (
            "modelStreamErrorException",
            json!({"message": "The model has timed out.", "originalStatusCode": 500,
                "originalMessage": "upstream model failed"}),
        ),
        Exception::Validation => (
            "validationException",
            json!({"message": "The model returned the following errors: the request is not valid"}),
        ),
        Exception::Throttling => (
            "throttlingException",
            json!({"message": "Too many tokens, please wait before trying again."}),
        ),
        Exception::Unavailable => (
            "serviceUnavailableException",
            json!({"message": "Bedrock is unable to process your request."}),
        ),
    };
    let headers = [
        (":exception-type", name),
        (":content-type", "application/json"),
        (":message-type", "exception"),
    ];
    Frame::binary(frame(&headers, payload.to_string().as_bytes(), Sum::Right))
}

fn stop(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::Tool => "tool_use",
        Finish::Length => "max_tokens",
        Finish::Filter | Finish::Refusal => "content_filtered",
        Finish::Word(stop) => match stop {
            Stop::Guardrail => "guardrail_intervened",
            Stop::Sequence => "stop_sequence",
            Stop::MalformedOutput => "malformed_model_output",
            Stop::MalformedTool => "malformed_tool_use",
            Stop::Context => "model_context_window_exceeded",
            Stop::New => "something_new",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of a frame that the specification's own test suite holds, written out by hand.
    #[test]
    fn a_frame_is_laid_out_as_the_specification_says() {
        let bytes = frame(&[(":event-type", "a")], b"{}", Sum::Right);
        assert_eq!(bytes.len(), 16 + (1 + 11 + 1 + 2 + 1) + 2);
        assert_eq!(bytes[..8], [0, 0, 0, 34, 0, 0, 0, 16]);
        assert_eq!(bytes[8..12], crc32fast::hash(&bytes[..8]).to_be_bytes());
        assert_eq!(&bytes[12..28], b"\x0b:event-type\x07\x00\x01a");
        assert_eq!(&bytes[28..30], b"{}");
        assert_eq!(bytes[30..], crc32fast::hash(&bytes[..30]).to_be_bytes());
        let wrong = frame(&[(":event-type", "a")], b"{}", Sum::Wrong);
        assert_ne!(wrong[30..], bytes[30..]);
        // IEEE 802.3, as in the specification: the check value of the algorithm.
        assert_eq!(crc32fast::hash(b"123456789"), 0xcbf4_3926);
    }
}
