//! The chat completions stream of OpenAI and of everyone who speaks like it.
//!
//! Source: OpenAI "Chat completions, streaming" (chunk object); DeepSeek "Reasoning model"
//! (`reasoning_content`); vLLM "Reasoning outputs" and Ollama "OpenAI compatibility" (`reasoning`);
//! Mistral "Reasoning" (content as a list of parts).

use std::borrow::Cow;
use std::collections::VecDeque;

use magi_event::Usage;
use serde::Deserialize;
use serde_json::Value;

use super::think::Splitter;
use super::{Decode, Fault, Frames, truncated};
use crate::fault::Complaint;
use crate::{Chunk, Error, StopReason};

/// Decodes one chat completion.
pub struct OpenAi {
    frames: Frames,
    answer: Answer,
}

impl OpenAi {
    /// Makes a decoder; `tool` is the name of the tool that was offered, if one was.
    #[must_use]
    pub fn new(tool: Option<&str>) -> Self {
        OpenAi {
            frames: Frames::new(),
            answer: Answer {
                tool: ToolCall {
                    offered: tool.map(str::to_owned),
                    ..ToolCall::default()
                },
                ..Answer::default()
            },
        }
    }
}

impl Decode for OpenAi {
    fn push(&mut self, bytes: &[u8], chunks: &mut VecDeque<Chunk>) -> Result<(), Error> {
        let answer = &mut self.answer;
        self.frames.push(bytes, |data| {
            if answer.is_over {
                return Ok(());
            }
            if data.trim() == "[DONE]" {
                return answer.end(chunks).map_err(Fault::Failed);
            }
            answer.read(data, chunks)
        })
    }

    fn whole(&mut self, body: &[u8], chunks: &mut VecDeque<Chunk>) -> Result<(), Error> {
        let text = String::from_utf8_lossy(body);
        match self.answer.read(&text, chunks) {
            Ok(()) => self.answer.end(chunks),
            Err(Fault::Failed(error)) => Err(error),
            Err(Fault::Unreadable) => Err(super::unreadable(1)),
        }
    }

    fn finish(&mut self, chunks: &mut VecDeque<Chunk>) -> Result<(), Error> {
        if self.answer.is_over {
            return Ok(());
        }
        self.answer.end(chunks)
    }

    fn skipped(&self) -> u32 {
        self.frames.skipped
    }
}

/// What has come of the answer.
#[derive(Default)]
struct Answer {
    splitter: Splitter,
    tool: ToolCall,
    refused: bool,
    usage: Option<Usage>,
    stop: Option<StopReason>,
    is_over: bool,
}

impl Answer {
    fn read(&mut self, data: &str, chunks: &mut VecDeque<Chunk>) -> Result<(), Fault> {
        let piece: Piece = serde_json::from_str(data).map_err(|_| Fault::Unreadable)?;
        let is_error = piece.object.as_deref() == Some("error");
        if is_error || piece.error.as_ref().is_some_and(|error| !error.is_null()) {
            return Err(failed(data));
        }
        for choice in piece
            .choices
            .into_iter()
            .flatten()
            .filter(|choice| choice.index == 0)
        {
            let delta = choice.delta.or(choice.message).unwrap_or_default();
            self.delta(delta, chunks);
            self.finish_reason(choice.finish_reason.as_deref())?;
        }
        let usage = piece.usage.map(Usage::from);
        if usage.is_some() && usage != self.usage {
            self.usage = usage;
            chunks.extend(usage.map(Chunk::Usage));
        }
        Ok(())
    }

    fn delta(&mut self, delta: Delta, chunks: &mut VecDeque<Chunk>) {
        let Delta {
            content,
            reasoning_content,
            reasoning,
            refusal,
            tool_calls,
            function_call,
        } = delta;
        // vLLM has sent both names with the same text, so only the first that holds any counts.
        let thought = [reasoning_content, reasoning]
            .into_iter()
            .flatten()
            .map(text_of);
        chunks.extend(
            thought
                .filter(|text| !text.is_empty())
                .take(1)
                .map(Chunk::Reasoning),
        );
        for part in parts(content) {
            match part {
                Part::Thought(text) if !text.is_empty() => chunks.push_back(Chunk::Reasoning(text)),
                Part::Thought(_) => {}
                Part::Text(text) => self.splitter.push(&text, chunks),
            }
        }
        if let Some(text) = refusal.filter(|text| !text.is_empty()) {
            self.refused = true;
            chunks.push_back(Chunk::Text(text));
        }
        let legacy = function_call.map(|function| ToolDelta {
            function: Some(function),
            ..ToolDelta::default()
        });
        for call in tool_calls.into_iter().flatten().chain(legacy) {
            chunks.extend(self.tool.arguments(call).map(Chunk::ToolArguments));
        }
    }

    fn finish_reason(&mut self, word: Option<&str>) -> Result<(), Fault> {
        self.stop = match word {
            // Some servers send an empty word until the last event.
            None | Some("") => return Ok(()),
            Some("length") => Some(StopReason::MaxTokens),
            Some("tool_calls" | "function_call") => Some(StopReason::ToolUse),
            Some("content_filter") => Some(StopReason::Filtered),
            // OpenRouter's and DeepSeek's words for a failure after the first token.
            Some(word @ ("error" | "insufficient_system_resource")) => {
                let complaint = Complaint {
                    message: format!("finish reason `{word}`"),
                    ..Complaint::default()
                };
                return Err(Fault::Failed(complaint.into_error("the model", None, None)));
            }
            // `stop`, and words of single servers for the same ("eos", "end_turn").
            Some(_) => Some(StopReason::Complete),
        };
        Ok(())
    }

    fn end(&mut self, chunks: &mut VecDeque<Chunk>) -> Result<(), Error> {
        self.is_over = true;
        self.splitter.finish(chunks);
        let reason = match self.stop.ok_or_else(truncated)? {
            StopReason::Complete | StopReason::ToolUse if self.refused => StopReason::Refused,
            // Ollama and LiteLLM say `stop` after a tool call too.
            StopReason::Complete if self.tool.kept.is_some() => StopReason::ToolUse,
            reason => reason,
        };
        chunks.push_back(Chunk::End(reason));
        Ok(())
    }
}

fn failed(data: &str) -> Fault {
    let body: Option<Value> = serde_json::from_str(data).ok();
    let complaint = body
        .as_ref()
        .and_then(Complaint::from_json)
        .unwrap_or_default();
    Fault::Failed(complaint.into_error("the stream", None, None))
}

/// The one tool call that is listened to: the first that names the offered tool.
#[derive(Default)]
struct ToolCall {
    offered: Option<String>,
    /// Index and id of the call.
    kept: Option<(u64, Option<String>)>,
    /// Index of the last call that is not listened to.
    ignored: Option<u64>,
}

impl ToolCall {
    /// Returns what a delta adds to the arguments.
    ///
    /// Pieces are keyed by `index`. Id and name come once (OpenAI, llama.cpp) or in every piece
    /// (some vLLM parsers); Ollama and Gemini have given every call the index 0, so another id
    /// under the same index is another call.
    fn arguments(&mut self, call: ToolDelta) -> Option<String> {
        let index = call.index.unwrap_or(0);
        let id = call.id.filter(|id| !id.is_empty());
        let function = call.function?;
        let name = function.name.filter(|name| !name.is_empty());
        let is_kept = match &self.kept {
            Some((kept, kept_id)) => {
                *kept == index && (id.is_none() || kept_id.is_none() || *kept_id == id)
            }
            None => self.begin(index, id, name.as_deref()),
        };
        let arguments = function.arguments.filter(|_| is_kept).map(arguments_text)?;
        (!arguments.is_empty()).then_some(arguments)
    }

    fn begin(&mut self, index: u64, id: Option<String>, name: Option<&str>) -> bool {
        let is_other = match (name, &self.offered) {
            (Some(name), Some(offered)) => name != offered,
            (Some(_), None) => false,
            (None, _) => self.ignored == Some(index),
        };
        if is_other {
            self.ignored = Some(index);
        } else {
            self.kept = Some((index, id));
        }
        !is_other
    }
}

/// Some servers send the arguments as an object instead of its text.
fn arguments_text(arguments: Value) -> String {
    match arguments {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

enum Part {
    Text(String),
    Thought(String),
}

/// Takes content apart: a string, null, or Mistral's list of parts.
fn parts(content: Option<Value>) -> Vec<Part> {
    match content {
        Some(Value::String(text)) => vec![Part::Text(text)],
        Some(Value::Array(list)) => list.into_iter().map(part).collect(),
        None | Some(_) => Vec::new(),
    }
}

fn part(mut part: Value) -> Part {
    let mut take = |name| part.get_mut(name).map(Value::take);
    match take("thinking") {
        Some(thinking) => Part::Thought(text_of(thinking)),
        None => Part::Text(take("text").map(text_of).unwrap_or_default()),
    }
}

fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Array(list) => list
            .into_iter()
            .filter_map(|mut part| part.get_mut("text").map(Value::take))
            .map(text_of)
            .collect(),
        _ => String::new(),
    }
}

/// One event, or a whole answer.
#[derive(Deserialize)]
struct Piece<'a> {
    #[serde(borrow)]
    object: Option<Cow<'a, str>>,
    choices: Option<Vec<Choice<'a>>>,
    usage: Option<Tokens>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    index: u32,
    delta: Option<Delta>,
    /// In place of the delta where the answer comes whole.
    message: Option<Delta>,
    #[serde(borrow)]
    finish_reason: Option<Cow<'a, str>>,
}

#[derive(Default, Deserialize)]
struct Delta {
    content: Option<Value>,
    reasoning_content: Option<Value>,
    reasoning: Option<Value>,
    refusal: Option<String>,
    tool_calls: Option<Vec<ToolDelta>>,
    function_call: Option<Function>,
}

#[derive(Default, Deserialize)]
struct ToolDelta {
    index: Option<u64>,
    id: Option<String>,
    function: Option<Function>,
}

#[derive(Deserialize)]
struct Function {
    name: Option<String>,
    arguments: Option<Value>,
}

#[derive(Deserialize)]
struct Tokens {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
    /// DeepSeek's name.
    prompt_cache_hit_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct PromptDetails {
    cached_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct CompletionDetails {
    reasoning_tokens: Option<u64>,
}

impl From<Tokens> for Usage {
    fn from(tokens: Tokens) -> Usage {
        let cached = tokens
            .prompt_tokens_details
            .and_then(|details| details.cached_tokens);
        Usage {
            input_tokens: tokens.prompt_tokens,
            output_tokens: tokens.completion_tokens,
            reasoning_tokens: tokens
                .completion_tokens_details
                .and_then(|details| details.reasoning_tokens),
            cache_read_tokens: cached.or(tokens.prompt_cache_hit_tokens),
            ..Usage::default()
        }
    }
}
