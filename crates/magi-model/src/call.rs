//! What is asked of a model.

use magi_event::{Agent, Sage};
use serde_json::Value;

/// One request to a model.
#[derive(Clone, Debug)]
pub struct Call {
    /// The model's id at its vendor: free text.
    pub model: String,
    /// The system prompt.
    pub system: String,
    /// The conversation, oldest first; begins and ends with the user.
    pub messages: Vec<Message>,
    /// The tool by which the model gives its structured answer, where the provider has tools.
    pub tool: Option<Tool>,
    /// A JSON Schema the whole answer must satisfy: the repair call's way to a readable vote.
    ///
    /// The answer comes as text, or as a tool's arguments where a vendor binds only those.
    pub schema: Option<Value>,
    /// How the model samples.
    pub sampling: Sampling,
    /// What the call is for; a vendor never sees it.
    pub about: About,
}

/// One turn of the conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Whose turn it is.
    pub speaker: Speaker,
    /// What was said.
    pub text: String,
}

/// Who speaks in a [`Message`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// The council.
    User,
    /// The model.
    Assistant,
}

/// A tool offered to the model; it may write prose before it uses the tool.
#[derive(Clone, Debug)]
pub struct Tool {
    /// The tool's name: letters, digits and `_`.
    pub name: String,
    /// What the tool is for.
    pub description: String,
    /// JSON Schema of the arguments, an object.
    pub parameters: Value,
}

/// How a model samples; what is `None` is left to the vendor.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sampling {
    /// 0 to 2, vendors differ.
    pub temperature: Option<f64>,
    /// 0 to 1.
    pub top_p: Option<f64>,
    /// The most tokens of the answer, reasoning included.
    pub max_tokens: Option<u32>,
}

/// The language of prompts and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lang {
    /// Japanese.
    Ja,
    /// English.
    En,
}

impl Lang {
    /// Returns `ja` or `en`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Lang::Ja => "ja",
            Lang::En => "en",
        }
    }
}

/// What a call is for: what the rehearsal provider plays its scenes by.
#[derive(Clone, Debug)]
pub struct About {
    /// Who is to answer.
    pub agent: Agent,
    /// First answer or repair.
    pub purpose: Purpose,
    /// The question as asked.
    pub question: String,
    /// The language of the answer.
    pub lang: Lang,
    /// The random tag that marks this attempt's own vote.
    pub tag: String,
    /// For the judge: who is Sage A, B and C. Empty for a sage.
    pub order: Vec<Sage>,
}

/// Whether a call asks for an answer or for the repair of an unreadable one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The answer.
    Answer,
    /// Only the structured part of an answer that could not be read.
    Repair,
}
