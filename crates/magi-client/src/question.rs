//! A question as every door takes it.

use serde::Serialize;
use serde_json::{Map, Value};

/// What a deliberation may spend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Budget {
    /// US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd: Option<f64>,
    /// Tokens, read and written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

/// A question, and how it is to be deliberated. What is absent is the server's to choose.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Question {
    /// The question: 1 to 16,384 bytes of text.
    pub question: String,
    /// More text to consider, up to 256 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// `ja`, `en` or `auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lang: Option<String>,
    /// The name of a council.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Overrides of any part of the council.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub council: Option<Value>,
    /// The conversation whose earlier verdicts are to be considered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<String>,
    /// The deliberation to go on from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fork_of: Option<String>,
    /// What it may spend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// `continue`, or `stop_after:<s>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_leave: Option<String>,
    /// Makes asking again safe, up to 128 bytes. The client makes one when it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

impl Question {
    /// Makes a question that leaves everything else to the server.
    pub fn new(question: impl Into<String>) -> Self {
        Question {
            question: question.into(),
            ..Question::default()
        }
    }

    /// Returns the question's body.
    pub(crate) fn body(&self) -> Map<String, Value> {
        // Writing these fields cannot fail: every key is a string.
        match serde_json::to_value(self) {
            Ok(Value::Object(body)) => body,
            Ok(_) | Err(_) => Map::new(),
        }
    }
}
