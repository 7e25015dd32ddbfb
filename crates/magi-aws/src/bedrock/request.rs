//! A call as ConverseStream takes it, and what a model has refused of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::error::BuildError;
use aws_sdk_bedrockruntime::operation::converse_stream::builders::ConverseStreamFluentBuilder;
use aws_sdk_bedrockruntime::types::{
    ContentBlock, ConversationRole, ConverseTokensRequest, CountTokensInput,
    InferenceConfiguration, JsonSchemaDefinition, Message, OutputConfig, OutputFormat,
    OutputFormatStructure, OutputFormatType, SpecificToolChoice, SystemContentBlock, Tool,
    ToolChoice, ToolConfiguration, ToolInputSchema, ToolSpecification,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::{Document, Number};
use magi_model::{Call, Error, Kind, Speaker};
use serde_json::Value;

/// The name of the tool that carries an answer under a schema, where the call has none.
const ANSWER_TOOL: &str = "answer";

/// How many models' refusals are remembered.
const MAX_MODELS: usize = 256;

/// Geographic and global inference profiles put one of these before a model's id.
///
/// Source: Amazon Bedrock User Guide, "Supported Regions and models for inference profiles".
const GEOGRAPHIES: [&str; 7] = ["global.", "us.", "eu.", "apac.", "jp.", "au.", "us-gov."];

/// A part of a request that a model may refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// `toolConfig` with the vote's tool.
    Tools,
    /// `toolConfig` with a tool that the model is made to use: the way of a repair.
    ForcedTool,
    /// `outputConfig.textFormat`: the repair's second way.
    TextFormat,
    /// `inferenceConfig.topP`.
    TopP,
    /// `inferenceConfig.temperature`.
    Temperature,
}

/// What is left out of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan(BTreeSet<Part>);

impl Plan {
    fn takes(&self, part: Part) -> bool {
        !self.0.contains(&part)
    }

    pub(super) fn leave_out(&mut self, part: Part) {
        self.0.insert(part);
    }

    /// Returns the parts of this call's request under this plan that can be refused.
    fn parts(&self, call: &Call) -> Vec<Part> {
        let mut parts = Vec::new();
        if call.schema.is_some() {
            if self.takes(Part::ForcedTool) {
                parts.push(Part::ForcedTool);
            } else if self.takes(Part::TextFormat) {
                parts.push(Part::TextFormat);
            }
        } else if call.tool.is_some() && self.takes(Part::Tools) {
            parts.push(Part::Tools);
        }
        if call.sampling.top_p.is_some() && self.takes(Part::TopP) {
            parts.push(Part::TopP);
        }
        if call.sampling.temperature.is_some() && self.takes(Part::Temperature) {
            parts.push(Part::Temperature);
        }
        parts
    }
}

/// What each model has refused, so that only its first call pays for the lesson.
#[derive(Default)]
pub(super) struct Lessons(Mutex<BTreeMap<String, Plan>>);

impl Lessons {
    pub(super) fn of(&self, model: &str) -> Plan {
        let lessons = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lessons.get(model).cloned().unwrap_or_default()
    }

    /// Remembers it, for the first models of this process.
    pub(super) fn learn(&self, model: &str, plan: Plan) {
        if plan == Plan::default() {
            return;
        }
        let mut lessons = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lessons.len() < MAX_MODELS || lessons.contains_key(model) {
            lessons.insert(model.to_owned(), plan);
        }
    }
}

/// How Bedrock and the models behind it say that a parameter, not its value, is the trouble.
const REFUSALS: [&str; 9] = [
    "unsupported",
    "not supported",
    "not support",
    "n't support",
    "n\u{2019}t support",
    "not permitted",
    "not allowed",
    "cannot both",
    "deprecated",
];

/// Returns the part of a request that a validation error names, if leaving it out may help.
pub(super) fn refused(call: &Call, plan: &Plan, reason: &str) -> Option<Part> {
    let reason = reason.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    let is_refusal = says(&REFUSALS);
    plan.parts(call).into_iter().find(|part| match part {
        // Models differ in what a tool's schema may hold, too, and say so in many ways.
        Part::Tools => says(&[
            "tool use",
            "toolconfig",
            "tool config",
            "inputschema",
            "tools",
        ]),
        Part::ForcedTool => says(&["tool", "inputschema"]),
        Part::TextFormat => says(&["textformat", "outputconfig", "structured output", "schema"]),
        Part::TopP => is_refusal && says(&["topp", "top_p"]),
        Part::Temperature => is_refusal && says(&["temperature"]),
    })
}

/// Returns the tool that is offered. A schema is a tool too, which the model is made to use: more
/// models take that than know `outputConfig`.
pub(super) fn tool_name(call: &Call) -> Option<String> {
    let own = call.tool.as_ref().map(|tool| tool.name.clone());
    own.or_else(|| call.schema.as_ref().map(|_| ANSWER_TOOL.to_owned()))
}

/// Returns the schema of the tool's arguments.
pub(super) fn schema(call: &Call) -> Option<&Value> {
    let own = call.tool.as_ref().map(|tool| &tool.parameters);
    call.schema.as_ref().or(own)
}

/// Makes the request.
pub(super) fn converse(
    client: &Client,
    call: &Call,
    plan: &Plan,
) -> Result<ConverseStreamFluentBuilder, Error> {
    let parts = plan.parts(call);
    let mut request = client
        .converse_stream()
        .model_id(&call.model)
        .set_messages(Some(messages(call).map_err(|error| unbuilt(&error))?))
        .set_inference_config(inference(call, &parts));
    if !call.system.is_empty() {
        request = request.system(SystemContentBlock::Text(call.system.clone()));
    }
    if parts.contains(&Part::Tools) || parts.contains(&Part::ForcedTool) {
        let is_forced = parts.contains(&Part::ForcedTool);
        let tools = tools(call, is_forced).map_err(|error| unbuilt(&error))?;
        request = request.set_tool_config(tools);
    }
    if let (true, Some(schema)) = (parts.contains(&Part::TextFormat), &call.schema) {
        let format = text_format(schema).map_err(|error| unbuilt(&error))?;
        request = request.output_config(format);
    }
    Ok(request)
}

fn unbuilt(error: &BuildError) -> Error {
    Error::new(
        Kind::BadRequest,
        format!("the request to Bedrock cannot be made: {error}"),
    )
}

fn messages(call: &Call) -> Result<Vec<Message>, BuildError> {
    let message = |message: &magi_model::Message| {
        let role = match message.speaker {
            Speaker::User => ConversationRole::User,
            Speaker::Assistant => ConversationRole::Assistant,
        };
        Message::builder()
            .role(role)
            .content(ContentBlock::Text(message.text.clone()))
            .build()
    };
    call.messages.iter().map(message).collect()
}

/// What is not said is not sent: newer models refuse a temperature, and have limits of their own.
fn inference(call: &Call, parts: &[Part]) -> Option<InferenceConfiguration> {
    let sampling = call.sampling;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the SDK takes single precision; a temperature needs no more"
    )]
    let single = |part: Part, value: Option<f64>| {
        value
            .filter(|_| parts.contains(&part))
            .map(|value| value as f32)
    };
    let temperature = single(Part::Temperature, sampling.temperature);
    let top_p = single(Part::TopP, sampling.top_p);
    let most = sampling
        .max_tokens
        .map(|most| i32::try_from(most).unwrap_or(i32::MAX));
    let is_said = temperature.is_some() || top_p.is_some() || most.is_some();
    is_said.then(|| {
        InferenceConfiguration::builder()
            .set_temperature(temperature)
            .set_top_p(top_p)
            .set_max_tokens(most)
            .build()
    })
}

fn tools(call: &Call, is_forced: bool) -> Result<Option<ToolConfiguration>, BuildError> {
    let (Some(name), Some(parameters)) = (tool_name(call), schema(call)) else {
        return Ok(None);
    };
    let description = call
        .tool
        .as_ref()
        .map_or("Gives the answer.", |tool| &tool.description);
    let spec = ToolSpecification::builder()
        .name(&name)
        .description(description)
        .input_schema(ToolInputSchema::Json(document(parameters)))
        .build()?;
    let mut config = ToolConfiguration::builder().tools(Tool::ToolSpec(spec));
    if is_forced {
        let choice = SpecificToolChoice::builder().name(name).build()?;
        config = config.tool_choice(ToolChoice::Tool(choice));
    }
    config.build().map(Some)
}

fn text_format(schema: &Value) -> Result<OutputConfig, BuildError> {
    let schema = JsonSchemaDefinition::builder()
        .name(ANSWER_TOOL)
        .schema(schema.to_string())
        .build()?;
    let format = OutputFormat::builder()
        .r#type(OutputFormatType::JsonSchema)
        .structure(OutputFormatStructure::JsonSchema(schema))
        .build()?;
    Ok(OutputConfig::builder().text_format(format).build())
}

fn document(value: &Value) -> Document {
    match value {
        Value::Null => Document::Null,
        Value::Bool(is_so) => Document::Bool(*is_so),
        Value::Number(number) => Document::Number(match (number.as_u64(), number.as_i64()) {
            (Some(positive), _) => Number::PosInt(positive),
            (None, Some(negative)) => Number::NegInt(negative),
            (None, None) => Number::Float(number.as_f64().unwrap_or_default()),
        }),
        Value::String(text) => Document::String(text.clone()),
        Value::Array(items) => Document::Array(items.iter().map(document).collect()),
        Value::Object(fields) => {
            let fields: HashMap<_, _> = fields
                .iter()
                .map(|(name, value)| (name.clone(), document(value)))
                .collect();
            Document::Object(fields)
        }
    }
}

/// Puts a tool's schema into the body as it was written: the SDK keeps an object's fields in no
/// order, and a model fills them in the order in which it sees them, the reasoning before the
/// decision.
pub(super) fn keep_order(request: &mut HttpRequest, schema: &Value) {
    let body = request.body().bytes().map(serde_json::from_slice::<Value>);
    let Some(Ok(mut body)) = body else { return };
    let Some(place) = body.pointer_mut("/toolConfig/tools/0/toolSpec/inputSchema/json") else {
        return;
    };
    place.clone_from(schema);
    let body = body.to_string();
    request
        .headers_mut()
        .insert("content-length", body.len().to_string());
    *request.body_mut() = SdkBody::from(body);
}

/// Returns a model's id without the geography of its inference profile: tokens are counted by the
/// model itself.
pub(super) fn without_geography(model: &str) -> &str {
    GEOGRAPHIES
        .into_iter()
        .find_map(|geography| model.strip_prefix(geography))
        .unwrap_or(model)
}

/// Makes the smallest text whose tokens can be counted.
pub(super) fn one_word() -> Result<CountTokensInput, Error> {
    let message = Message::builder()
        .role(ConversationRole::User)
        .content(ContentBlock::Text("MAGI".to_owned()))
        .build()
        .map_err(|error| unbuilt(&error))?;
    let request = ConverseTokensRequest::builder().messages(message).build();
    Ok(CountTokensInput::Converse(request))
}
