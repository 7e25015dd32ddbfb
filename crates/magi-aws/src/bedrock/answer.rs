//! What each event of ConverseStream means.

use aws_sdk_bedrockruntime::types::{
    ContentBlockDelta, ContentBlockStart, ConverseStreamMetadataEvent, ConverseStreamOutput,
    ReasoningContentBlockDelta, StopReason as Word, TokenUsage,
};
use magi_event::Usage;
use magi_model::{Chunk, StopReason};

/// Listens to one answer.
pub(super) struct Listener {
    /// The tool that was offered.
    tool: Option<String>,
    /// The block that uses it; a second use of it is not listened to.
    block: Option<i32>,
}

/// What an event brought.
#[derive(Debug, PartialEq)]
pub(super) enum Heard {
    Chunk(Chunk),
    /// Nothing for the reader: a block's edges, a signature, what this version does not know.
    Nothing,
    /// The proper end.
    Stop(StopReason),
    /// An end that Bedrock itself calls malformed.
    Broken(String),
}

impl Listener {
    pub(super) fn new(tool: Option<String>) -> Self {
        Listener { tool, block: None }
    }

    pub(super) fn hear(&mut self, event: ConverseStreamOutput) -> Heard {
        match event {
            ConverseStreamOutput::ContentBlockStart(start) => {
                if let Some(ContentBlockStart::ToolUse(tool)) = start.start
                    && self.block.is_none()
                    && self.tool.as_deref() == Some(tool.name.as_str())
                {
                    self.block = Some(start.content_block_index);
                }
                Heard::Nothing
            }
            ConverseStreamOutput::ContentBlockDelta(event) => {
                event.delta.map_or(Heard::Nothing, |delta| {
                    self.delta(event.content_block_index, delta)
                })
            }
            ConverseStreamOutput::MessageStop(event) => stop(&event.stop_reason),
            ConverseStreamOutput::Metadata(event) => {
                self.counts(&event).map_or(Heard::Nothing, Heard::Chunk)
            }
            _ => Heard::Nothing,
        }
    }

    fn delta(&self, block: i32, delta: ContentBlockDelta) -> Heard {
        let chunk = match delta {
            ContentBlockDelta::Text(text) => (Chunk::Text as fn(String) -> Chunk, text),
            ContentBlockDelta::ReasoningContent(ReasoningContentBlockDelta::Text(text)) => {
                (Chunk::Reasoning as fn(String) -> Chunk, text)
            }
            ContentBlockDelta::ToolUse(delta) if self.block == Some(block) => {
                (Chunk::ToolArguments as fn(String) -> Chunk, delta.input)
            }
            _ => return Heard::Nothing,
        };
        let (make, text) = chunk;
        if text.is_empty() {
            Heard::Nothing
        } else {
            Heard::Chunk(make(text))
        }
    }

    /// Returns the token counts of the event behind the end. The SDK fills what is missing with
    /// zeros; no answer costs nothing, so zeros are no counts.
    pub(super) fn counts(&self, event: &ConverseStreamMetadataEvent) -> Option<Chunk> {
        let usage = event.usage.as_ref()?;
        let is_told = usage.input_tokens > 0 || usage.output_tokens > 0;
        is_told.then(|| Chunk::Usage(read(usage)))
    }
}

/// Bedrock's `inputTokens` are those that no cache was asked for; ours are all that were read.
///
/// Source: Amazon Bedrock User Guide, "Prompt caching for faster model inference".
fn read(usage: &TokenUsage) -> Usage {
    let count = |tokens: i32| u64::try_from(tokens).unwrap_or(0);
    let read = usage.cache_read_input_tokens.map(count);
    let written = usage.cache_write_input_tokens.map(count);
    Usage {
        input_tokens: count(usage.input_tokens) + read.unwrap_or(0) + written.unwrap_or(0),
        output_tokens: count(usage.output_tokens),
        reasoning_tokens: None,
        cache_read_tokens: read,
        cache_write_tokens: written,
        estimated: false,
    }
}

/// Source: Amazon Bedrock API Reference, `MessageStopEvent.stopReason`. A word that is newer than
/// this program is a proper end all the same.
fn stop(word: &Word) -> Heard {
    Heard::Stop(match word {
        Word::ToolUse => StopReason::ToolUse,
        Word::MaxTokens | Word::ModelContextWindowExceeded => StopReason::MaxTokens,
        Word::GuardrailIntervened | Word::ContentFiltered => StopReason::Filtered,
        Word::MalformedModelOutput | Word::MalformedToolUse => {
            return Heard::Broken(format!("it stopped with `{}`", word.as_str()));
        }
        other if other.as_str() == "refusal" => StopReason::Refused,
        _ => StopReason::Complete,
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_bedrockruntime::types::{
        ContentBlockDeltaEvent, ContentBlockStartEvent, ToolUseBlockDelta, ToolUseBlockStart,
    };

    use super::*;

    fn delta(block: i32, delta: ContentBlockDelta) -> ConverseStreamOutput {
        let event = ContentBlockDeltaEvent::builder().content_block_index(block);
        ConverseStreamOutput::ContentBlockDelta(event.delta(delta).build().unwrap())
    }

    fn tool(block: i32, name: &str) -> ConverseStreamOutput {
        let tool = ToolUseBlockStart::builder().tool_use_id("t").name(name);
        let start = ContentBlockStart::ToolUse(tool.build().unwrap());
        let event = ContentBlockStartEvent::builder().content_block_index(block);
        ConverseStreamOutput::ContentBlockStart(event.start(start).build().unwrap())
    }

    fn input(block: i32, json: &str) -> ConverseStreamOutput {
        let input = ToolUseBlockDelta::builder().input(json).build().unwrap();
        delta(block, ContentBlockDelta::ToolUse(input))
    }

    #[test]
    fn one_use_of_the_offered_tool_is_listened_to() {
        let mut listener = Listener::new(Some("cast_vote".to_owned()));
        assert_eq!(listener.hear(tool(0, "search")), Heard::Nothing);
        assert_eq!(listener.hear(input(0, "{}")), Heard::Nothing);
        listener.hear(tool(1, "cast_vote"));
        let chunk = Heard::Chunk(Chunk::ToolArguments("{\"a\"".to_owned()));
        assert_eq!(listener.hear(input(1, "{\"a\"")), chunk);
        listener.hear(tool(2, "cast_vote"));
        assert_eq!(listener.hear(input(2, "{}")), Heard::Nothing);
    }

    #[test]
    fn reasoning_is_heard_and_its_seals_are_not() {
        let mut listener = Listener::new(None);
        let thought = |content| delta(0, ContentBlockDelta::ReasoningContent(content));
        let text = ReasoningContentBlockDelta::Text("so".to_owned());
        let heard = Heard::Chunk(Chunk::Reasoning("so".to_owned()));
        assert_eq!(listener.hear(thought(text)), heard);
        let seal = ReasoningContentBlockDelta::Signature("x".to_owned());
        assert_eq!(listener.hear(thought(seal)), Heard::Nothing);
    }

    #[test]
    fn every_stop_reason_says_whether_the_answer_counts() {
        for (word, reason) in [
            ("end_turn", Some(StopReason::Complete)),
            ("stop_sequence", Some(StopReason::Complete)),
            ("tool_use", Some(StopReason::ToolUse)),
            ("max_tokens", Some(StopReason::MaxTokens)),
            ("model_context_window_exceeded", Some(StopReason::MaxTokens)),
            ("guardrail_intervened", Some(StopReason::Filtered)),
            ("content_filtered", Some(StopReason::Filtered)),
            ("refusal", Some(StopReason::Refused)),
            ("something_new", Some(StopReason::Complete)),
            ("malformed_model_output", None),
            ("malformed_tool_use", None),
        ] {
            match stop(&Word::from(word)) {
                Heard::Stop(heard) => assert_eq!(Some(heard), reason, "{word}"),
                Heard::Broken(what) => assert!(reason.is_none() && what.contains(word), "{word}"),
                other => panic!("{word}: {other:?}"),
            }
        }
    }

    #[test]
    fn cached_tokens_are_part_of_what_was_read() {
        let usage = TokenUsage::builder()
            .input_tokens(10)
            .output_tokens(7)
            .total_tokens(147)
            .cache_read_input_tokens(100)
            .cache_write_input_tokens(30)
            .build()
            .unwrap();
        let usage = read(&usage);
        assert_eq!((usage.input_tokens, usage.output_tokens), (140, 7));
        assert_eq!(usage.cache_read_tokens, Some(100));
        assert_eq!(usage.cache_write_tokens, Some(30));
    }
}
