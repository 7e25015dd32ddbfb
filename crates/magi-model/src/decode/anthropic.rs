//! The Messages stream of Anthropic.
//!
//! Source: Anthropic "Streaming Messages", "Handling stop reasons", "Errors".

use std::borrow::Cow;
use std::collections::VecDeque;

use magi_event::Usage;
use serde::Deserialize;
use serde_json::Value;

use super::{Decode, Fault, Frames, truncated};
use crate::fault::Complaint;
use crate::{Chunk, Error, StopReason};

/// Decodes one message.
pub struct Anthropic {
    frames: Frames,
    answer: Answer,
}

impl Anthropic {
    /// Makes a decoder; `tool` is the name of the tool that was offered, if one was.
    #[must_use]
    pub fn new(tool: Option<&str>) -> Self {
        let answer = Answer {
            offered: tool.map(str::to_owned),
            ..Answer::default()
        };
        Anthropic {
            frames: Frames::new(),
            answer,
        }
    }
}

impl Decode for Anthropic {
    fn push(&mut self, bytes: &[u8], chunks: &mut VecDeque<Chunk>) -> Result<(), Error> {
        let answer = &mut self.answer;
        self.frames.push(bytes, |data| match answer.is_over {
            true => Ok(()),
            false => answer.read(data, chunks),
        })
    }

    fn whole(&mut self, body: &[u8], chunks: &mut VecDeque<Chunk>) -> Result<(), Error> {
        let message: Message = match serde_json::from_slice(body) {
            Ok(message) => message,
            Err(_) => return Err(super::unreadable(1)),
        };
        if message.error.is_some_and(|error| !error.is_null()) {
            return Err(failed(body));
        }
        let answer = &mut self.answer;
        for (index, block) in (0..).zip(message.content.into_iter().flatten()) {
            answer.begin_block(index, block, chunks);
        }
        answer.count(message.usage, chunks);
        answer.stop(message.stop_reason.as_deref());
        answer.end(chunks)
    }

    fn finish(&mut self, _: &mut VecDeque<Chunk>) -> Result<(), Error> {
        // `message_stop` alone is the proper end, even where the reason to stop has been told.
        if self.answer.is_over {
            Ok(())
        } else {
            Err(truncated())
        }
    }

    fn skipped(&self) -> u32 {
        self.frames.skipped
    }
}

/// What has come of the answer.
#[derive(Default)]
struct Answer {
    offered: Option<String>,
    /// The index of the one tool use that is listened to.
    tool: Option<u64>,
    tokens: Tokens,
    stop: Option<StopReason>,
    is_over: bool,
}

impl Answer {
    fn read(&mut self, data: &str, chunks: &mut VecDeque<Chunk>) -> Result<(), Fault> {
        let event: Event = serde_json::from_str(data).map_err(|_| Fault::Unreadable)?;
        match event.kind.as_deref() {
            Some("message_start") => {
                self.count(event.message.and_then(|message| message.usage), chunks);
            }
            Some("content_block_start") => {
                if let Some(block) = event.content_block {
                    self.begin_block(event.index, block, chunks);
                }
            }
            Some("content_block_delta") => chunks.extend(self.delta(event.index, event.delta)),
            Some("message_delta") => {
                self.stop(event.delta.and_then(|delta| delta.stop_reason).as_deref());
                self.count(event.usage, chunks);
            }
            Some("message_stop") => return self.end(chunks).map_err(Fault::Failed),
            _ if event.error.is_some_and(|error| !error.is_null()) => {
                return Err(Fault::Failed(failed(data.as_bytes())));
            }
            // `ping`, `content_block_stop`, and the events Anthropic may add.
            Some(_) => {}
            None => return Err(Fault::Unreadable),
        }
        Ok(())
    }

    fn begin_block(&mut self, index: u64, block: Block, chunks: &mut VecDeque<Chunk>) {
        let is_offered = self
            .offered
            .as_deref()
            .is_none_or(|offered| block.name.as_deref() == Some(offered));
        let input = block
            .input
            .filter(|input| input.as_object().is_some_and(|input| !input.is_empty()));
        let chunk = match block.kind.as_deref() {
            Some("text") => block.text.map(Chunk::Text),
            Some("thinking") => block.thinking.map(Chunk::Reasoning),
            Some("tool_use") if is_offered && self.tool.is_none() => {
                self.tool = Some(index);
                input.map(|input| Chunk::ToolArguments(input.to_string()))
            }
            // `redacted_thinking`, other tools, and the blocks Anthropic may add.
            _ => None,
        };
        chunks.extend(chunk.filter(has_text));
    }

    fn delta(&self, index: u64, delta: Option<Delta>) -> Option<Chunk> {
        let delta = delta?;
        let chunk = match delta.kind.as_deref()? {
            "text_delta" => Chunk::Text(delta.text?),
            "thinking_delta" => Chunk::Reasoning(delta.thinking?),
            "input_json_delta" if self.tool == Some(index) => {
                Chunk::ToolArguments(delta.partial_json?)
            }
            // `signature_delta`, `citations_delta`, and what Anthropic may add.
            _ => return None,
        };
        Some(chunk).filter(has_text)
    }

    /// Adds what an event tells of the tokens: `message_start` the input, `message_delta` the sum of
    /// the output so far, and in newer versions both.
    fn count(&mut self, told: Option<Tokens>, chunks: &mut VecDeque<Chunk>) {
        let Some(told) = told else { return };
        self.tokens.add(&told);
        chunks.push_back(Chunk::Usage(self.tokens.usage()));
    }

    fn stop(&mut self, word: Option<&str>) {
        self.stop = match word {
            None => return,
            Some("tool_use") => Some(StopReason::ToolUse),
            Some("refusal") => Some(StopReason::Refused),
            // A paused turn waits for its continuation: it is cut as much as a long one.
            Some("max_tokens" | "model_context_window_exceeded" | "pause_turn") => {
                Some(StopReason::MaxTokens)
            }
            // `end_turn`, `stop_sequence`, and what Anthropic may add.
            Some(_) => Some(StopReason::Complete),
        };
    }

    fn end(&mut self, chunks: &mut VecDeque<Chunk>) -> Result<(), Error> {
        self.is_over = true;
        chunks.push_back(Chunk::End(self.stop.ok_or_else(truncated)?));
        Ok(())
    }
}

fn failed(data: &[u8]) -> Error {
    let body: Option<Value> = serde_json::from_slice(data).ok();
    let complaint = body
        .as_ref()
        .and_then(Complaint::from_json)
        .unwrap_or_default();
    complaint.into_error("the stream", None, None)
}

fn has_text(chunk: &Chunk) -> bool {
    match chunk {
        Chunk::Text(text) | Chunk::Reasoning(text) | Chunk::ToolArguments(text) => !text.is_empty(),
        Chunk::Accepted | Chunk::Usage(_) | Chunk::End(_) => true,
    }
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(default)]
    index: u64,
    message: Option<Message<'a>>,
    content_block: Option<Block<'a>>,
    delta: Option<Delta<'a>>,
    usage: Option<Tokens>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Option<Vec<Block<'a>>>,
    #[serde(borrow)]
    stop_reason: Option<Cow<'a, str>>,
    usage: Option<Tokens>,
    /// In place of all the others.
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Cow<'a, str>>,
    text: Option<String>,
    thinking: Option<String>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    input: Option<Value>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Cow<'a, str>>,
    text: Option<String>,
    thinking: Option<String>,
    partial_json: Option<String>,
    #[serde(borrow)]
    stop_reason: Option<Cow<'a, str>>,
}

#[derive(Default, Deserialize)]
struct Tokens {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
}

impl Tokens {
    fn add(&mut self, told: &Tokens) {
        self.input_tokens = told.input_tokens.or(self.input_tokens);
        self.output_tokens = told.output_tokens.or(self.output_tokens);
        self.cache_read_input_tokens = told
            .cache_read_input_tokens
            .or(self.cache_read_input_tokens);
        self.cache_creation_input_tokens = told
            .cache_creation_input_tokens
            .or(self.cache_creation_input_tokens);
    }

    /// Anthropic counts cached tokens apart from `input_tokens`; our usage counts them in.
    fn usage(&self) -> Usage {
        let cached = [
            self.cache_read_input_tokens,
            self.cache_creation_input_tokens,
        ];
        let input = [self.input_tokens].into_iter().chain(cached).flatten();
        Usage {
            input_tokens: input.fold(0, u64::saturating_add),
            output_tokens: self.output_tokens.unwrap_or(0),
            cache_read_tokens: self.cache_read_input_tokens,
            cache_write_tokens: self.cache_creation_input_tokens,
            ..Usage::default()
        }
    }
}
