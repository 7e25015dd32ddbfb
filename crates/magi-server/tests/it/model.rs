//! A model that says what a test wants, when it wants it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use magi_event::{Agent, Sage};
use magi_model::{Call, Chunk, ChunkStream, Provider, StopReason};
use serde_json::{Value, json};

/// Turns a call into an answer.
pub(crate) type Answer = Arc<dyn Fn(Call) -> ChunkStream + Send + Sync>;

/// A provider named `test`.
pub(crate) struct Test(pub(crate) Answer);

impl Provider for Test {
    fn name(&self) -> &str {
        "test"
    }

    fn stream(&self, call: Call) -> ChunkStream {
        (self.0)(call)
    }
}

/// The vote of whoever is asked, as the tool's arguments.
pub(crate) fn vote(call: &Call) -> Value {
    match call.about.agent {
        Agent::Sage(sage) => json!({
            "tag": call.about.tag,
            "reasoning": format!("{sage} has weighed it"),
            "conditions": ["a way back"],
            "would_change": [],
            "decision": if sage == Sage::Caspar { "REJECTED" } else { "APPROVED" },
            "confidence": 0.7,
        }),
        Agent::Judge => json!({
            "tag": call.about.tag,
            "reasoning": "the arguments for it weigh more",
            "sage_scores": {"A": 70, "B": 80, "C": 90},
            "score_reasons": {"A": "sound", "B": "sound", "C": "sound"},
            "dissent": {"sage": "A", "text": "it may fail"},
            "conditions": [],
            "would_change": [],
            "final_decision": "APPROVED",
            "confidence": 0.8,
        }),
    }
}

/// The end of an answer that voted by tool.
pub(crate) fn cast(call: &Call) -> Vec<Chunk> {
    vec![
        Chunk::ToolArguments(vote(call).to_string()),
        Chunk::End(StopReason::ToolUse),
    ]
}

/// The token of this number: words of several bytes, so that a cut may fall inside a character.
pub(crate) fn token(at: usize) -> String {
    match at % 3 {
        0 => format!("token{at} "),
        1 => format!("可決{at}、"),
        _ => format!("\"q\\{at}\"\n"),
    }
}

/// Everybody speaks `n_tokens` tokens, `pace` apart, and votes.
pub(crate) fn speaks(n_tokens: usize, pace: Duration) -> Answer {
    Arc::new(move |call| {
        let end = cast(&call);
        let tokens = stream::iter(0..n_tokens).then(move |at| async move {
            if !pace.is_zero() {
                tokio::time::sleep(pace).await;
            }
            Ok(Chunk::Text(token(at)))
        });
        stream::iter([Ok(Chunk::Accepted)])
            .chain(tokens)
            .chain(stream::iter(end.into_iter().map(Ok)))
            .boxed()
    })
}

/// Everybody begins to speak and never ends.
pub(crate) fn never_ends() -> Answer {
    Arc::new(|_| {
        stream::iter([Ok(Chunk::Accepted), Ok(Chunk::Text("I begin. ".to_owned()))])
            .chain(stream::pending())
            .boxed()
    })
}
