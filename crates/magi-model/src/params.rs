//! Parameters that not every server takes: what is left out, and what is remembered about it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::fault::Complaint;
use crate::{Call, Message, Speaker};

/// How many models' refusals are remembered.
const MAX_MODELS: usize = 256;

/// A parameter that a server may refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Param {
    /// `stream_options`.
    Usage,
    /// `response_format`.
    Schema,
    /// `tools`, and with them `tool_choice`.
    Tools,
    /// The usual name of the limit of tokens; without it the other name is used.
    MaxTokens,
    /// `top_p`.
    TopP,
    /// `temperature`.
    Temperature,
}

impl Param {
    /// All of them, those first whose names stand in a message about others too.
    const ALL: [Param; 6] = [
        Param::Usage,
        Param::Schema,
        Param::Tools,
        Param::MaxTokens,
        Param::TopP,
        Param::Temperature,
    ];

    const fn names(self) -> &'static [&'static str] {
        match self {
            Param::Usage => &["stream_options", "include_usage"],
            Param::Schema => &["response_format", "json_schema"],
            Param::Tools => &[
                "tools",
                "tool_choice",
                "tool choice",
                "tool use",
                "tool calling",
                "function calling",
            ],
            Param::MaxTokens => &["max_tokens", "max_completion_tokens"],
            Param::TopP => &["top_p"],
            Param::Temperature => &["temperature"],
        }
    }
}

/// How servers say that a parameter, not its value, is the trouble.
///
/// Source: OpenAI "Unsupported parameter: 'max_tokens' is not supported with this model",
/// "'temperature' does not support 0.3 with this model"; Ollama "does not support tools"; vLLM
/// "\"auto\" tool choice requires --enable-auto-tool-choice", "Extra inputs are not permitted";
/// Anthropic "`temperature` and `top_p` cannot both be specified for this model".
const REFUSALS: [&str; 13] = [
    "unsupported",
    "not supported",
    "not support",
    "n't support",
    "unrecognized",
    "unknown",
    "unexpected",
    "not permitted",
    "not allowed",
    "cannot both",
    "requires --enable",
    "deprecated",
    "not available",
];

/// Returns the parameter that a 400 or 422 names as unsupported, of those that were sent.
pub(crate) fn unsupported(
    status: Option<u16>,
    complaint: &Complaint,
    was_sent: impl Fn(Param) -> bool,
) -> Option<Param> {
    if !matches!(status, Some(400 | 422)) {
        return None;
    }
    let message = complaint.message.to_lowercase();
    let is_refusal = complaint.code.starts_with("unsupported_")
        || REFUSALS.iter().any(|phrase| message.contains(phrase));
    if !is_refusal {
        return None;
    }
    let named = |text: &str, param: &Param| param.names().iter().any(|name| text.contains(name));
    let sent = || Param::ALL.into_iter().filter(|param| was_sent(*param));
    sent()
        .find(|param| named(&complaint.param, param))
        .or_else(|| sent().find(|param| named(&message, param)))
}

/// What each model has refused, so that only its first call pays for the lesson.
#[derive(Default)]
pub(crate) struct Lessons(Mutex<BTreeMap<String, BTreeSet<Param>>>);

impl Lessons {
    /// Returns what this model does not take.
    pub(crate) fn of(&self, model: &str) -> BTreeSet<Param> {
        let lessons = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lessons.get(model).cloned().unwrap_or_default()
    }

    /// Remembers it, for the first models of this process.
    pub(crate) fn learn(&self, model: &str, without: BTreeSet<Param>) {
        let mut lessons = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lessons.len() < MAX_MODELS || lessons.contains_key(model) {
            lessons.insert(model.to_owned(), without);
        }
    }
}

/// Returns the conversation as both vendors write it.
pub(crate) fn messages(call: &Call) -> Vec<Value> {
    let role = |message: &Message| match message.speaker {
        Speaker::User => "user",
        Speaker::Assistant => "assistant",
    };
    call.messages
        .iter()
        .map(|message| json!({"role": role(message), "content": message.text}))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refused_parameter_that_was_sent_is_left_out() {
        let case = |status, message: &str, code: &str, param: &str| {
            let complaint = Complaint {
                message: message.to_owned(),
                code: code.to_owned(),
                param: param.to_owned(),
                word: String::new(),
            };
            unsupported(Some(status), &complaint, |param| param != Param::Usage)
        };
        for (message, code, param, wanted) in [
            (
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
                "unsupported_parameter",
                "max_tokens",
                Some(Param::MaxTokens),
            ),
            (
                "Unsupported value: 'temperature' does not support 0.3 with this model. Only the default (1) value is supported.",
                "unsupported_value",
                "temperature",
                Some(Param::Temperature),
            ),
            (
                "registry.ollama.ai/library/gemma:2b does not support tools",
                "",
                "",
                Some(Param::Tools),
            ),
            (
                "\"auto\" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set",
                "",
                "",
                Some(Param::Tools),
            ),
            (
                "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
                "",
                "",
                Some(Param::TopP),
            ),
            (
                "This response_format type is unavailable now: not supported",
                "",
                "",
                Some(Param::Schema),
            ),
            (
                "max_tokens is too large: 99999. This model supports at most 4096 completion tokens",
                "",
                "max_tokens",
                None,
            ),
            ("Unknown model `x`", "", "", None),
            ("stream_options is not supported", "", "", None),
        ] {
            assert_eq!(case(400, message, code, param), wanted, "{message}");
            assert_eq!(case(500, message, code, param), None, "{message}");
        }
    }
}
