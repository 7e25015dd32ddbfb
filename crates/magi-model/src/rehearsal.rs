//! The provider that needs no model: it plays written scenes, and has no opinion on anything else.
//!
//! A question that equals a scene's (trimmed, NFC) is answered with that scene. To any other
//! question each sage says what it would examine and abstains: the vote's decision is `ABSTAINED`
//! and the field `cause` beside it says `rehearsal`. Only a vote of this provider may be believed
//! about that field.
//!
//! The judge plays its part of a scene only when all three sages played theirs: what it is shown is
//! looked up in the scene, so that no written judgment falls on an argument that somebody else made.

mod pace;
mod scene;
mod unknown;

use std::collections::VecDeque;

use futures_util::stream;
use magi_event::{Agent, Sage, Usage};
use serde::Serialize;

use crate::provider::{ModelList, Provider};
use crate::{Call, Chunk, ChunkStream, Lang, Purpose, StopReason};

pub use pace::Pace;
pub use scene::{Scene, scene, scene_for, scenes};

/// The provider's name.
const NAME: &str = "rehearsal";

/// Plays written scenes at the pace of a model.
#[derive(Clone, Copy, Debug)]
pub struct Rehearsal {
    pace: Pace,
}

impl Rehearsal {
    /// Makes the provider; it needs no network and no settings.
    #[must_use]
    pub const fn new(pace: Pace) -> Self {
        Rehearsal { pace }
    }
}

impl Provider for Rehearsal {
    fn name(&self) -> &str {
        NAME
    }

    fn stream(&self, call: Call) -> ChunkStream {
        let part = part(&call);
        let beat = self.pace.start(&call.about.question, call.about.agent);
        let play = (beat, chunks(&call, part));
        Box::pin(stream::unfold(play, |(mut beat, mut chunks)| async move {
            let chunk = chunks.pop_front()?;
            if let Some(wait) = beat.before(&chunk) {
                tokio::time::sleep(wait).await;
            }
            Some((Ok(chunk), (beat, chunks)))
        }))
    }

    fn models(&self) -> ModelList {
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// What one member of the council says.
struct Part {
    thinking: String,
    prose: String,
    /// The arguments of the tool, JSON.
    arguments: String,
}

/// A sage's vote, in the order in which a model writes it: the decision last.
#[derive(Serialize)]
struct Vote<'a> {
    tag: &'a str,
    reasoning: &'a str,
    conditions: &'a [String],
    would_change: &'a [String],
    decision: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
}

fn part(call: &Call) -> Part {
    let about = &call.about;
    let found = scene_for(&about.question);
    match (found, about.agent) {
        (Some(scene), Agent::Sage(sage)) => scene.sage_part(sage, &about.tag),
        (Some(scene), Agent::Judge) if was_played(scene, call) => scene.judge_part(about),
        (_, agent) => unknown::part(agent, about),
    }
}

/// Tells whether the judge is shown what the scene's own sages said.
fn was_played(scene: &Scene, call: &Call) -> bool {
    let is_whole = Sage::ALL.iter().all(|sage| call.about.order.contains(sage));
    let shown: Vec<&str> = call
        .messages
        .iter()
        .map(|message| message.text.as_str())
        .collect();
    let is_shown = |words: &str| shown.iter().any(|text| text.contains(words));
    is_whole
        && Sage::ALL
            .into_iter()
            .all(|sage| scene.openings(sage).any(|words| is_shown(&words)))
}

fn chunks(call: &Call, part: Part) -> VecDeque<Chunk> {
    let Part {
        thinking,
        mut prose,
        arguments,
    } = part;
    let is_repair = call.about.purpose == Purpose::Repair;
    let mut tool = String::new();
    if is_repair {
        prose.clear();
    }
    match (&call.tool, is_repair) {
        (Some(_), _) => tool = arguments,
        (None, true) => prose = arguments,
        (None, false) => prose = format!("{prose}\n\n```json\n{arguments}\n```"),
    }
    let usage = estimate(call, thinking.len() + prose.len() + tool.len());
    let end = if call.tool.is_some() {
        StopReason::ToolUse
    } else {
        StopReason::Complete
    };
    let thinking = if is_repair { "" } else { thinking.as_str() };
    std::iter::once(Chunk::Accepted)
        .chain(pace::pieces(thinking).map(Chunk::Reasoning))
        .chain(pace::pieces(&prose).map(Chunk::Text))
        .chain(pace::pieces(&tool).map(Chunk::ToolArguments))
        .chain([Chunk::Usage(usage), Chunk::End(end)])
        .collect()
}

/// Nothing counts tokens here, so the usage is bytes / 4 and says so.
fn estimate(call: &Call, n_written: usize) -> Usage {
    let n_read = call
        .messages
        .iter()
        .map(|message| message.text.len())
        .sum::<usize>();
    let tokens = |n_bytes: usize| u64::try_from(n_bytes / 4).unwrap_or(u64::MAX);
    Usage {
        input_tokens: tokens(n_read + call.system.len()),
        output_tokens: tokens(n_written),
        estimated: true,
        ..Usage::default()
    }
}

/// Returns the letter under which the judge knows a sage, in words: "Sage A", "賢者A".
fn label(sage: Sage, order: &[Sage], lang: Lang) -> Option<String> {
    let letter = letter(sage, order)?;
    Some(match lang {
        Lang::Ja => format!("賢者{letter}"),
        Lang::En => format!("Sage {letter}"),
    })
}

fn letter(sage: Sage, order: &[Sage]) -> Option<char> {
    let place = order.iter().position(|other| *other == sage)?;
    ('A'..='C').nth(place)
}

fn json(value: &impl Serialize) -> String {
    // Plain strings, numbers and lists: writing them cannot fail.
    serde_json::to_string(value).unwrap_or_default()
}
