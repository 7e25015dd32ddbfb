//! The written scenes.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use magi_event::Sage;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::{Part, Vote, json, label, letter};
use crate::{About, Lang};

/// One question with the words of a whole council.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// The name by which it is asked for: lower-case letters and `-`.
    pub name: String,
    /// The language of the question and of all that is said.
    #[serde(deserialize_with = "lang")]
    pub lang: Lang,
    /// The question.
    pub question: String,
    /// The council that the scene was written for: a preset's name.
    pub preset: String,
    sages: BTreeMap<Sage, Speech<WrittenVote>>,
    judge: Speech<Judgment>,
}

/// What one member says; paragraphs are joined by a blank line.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Speech<T> {
    #[serde(default)]
    thinking: String,
    prose: Vec<String>,
    #[serde(alias = "vote", alias = "judgment")]
    decided: T,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenVote {
    reasoning: String,
    conditions: Vec<String>,
    would_change: Vec<String>,
    decision: String,
    confidence: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Judgment {
    reasoning: String,
    scores: BTreeMap<Sage, (u32, String)>,
    dissent: (Sage, String),
    conditions: Vec<String>,
    would_change: Vec<String>,
    decision: String,
    confidence: f64,
}

/// The judge's verdict, in the order in which a model writes it. The sages are letters.
#[derive(Serialize)]
struct Verdict<'a> {
    tag: &'a str,
    reasoning: &'a str,
    sage_scores: BTreeMap<char, u32>,
    score_reasons: BTreeMap<char, &'a str>,
    dissent: Dissent<'a>,
    conditions: &'a [String],
    would_change: &'a [String],
    final_decision: &'a str,
    confidence: f64,
}

#[derive(Serialize)]
struct Dissent<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    sage: Option<char>,
    text: &'a str,
}

/// The scenes' files, in the order in which they are listed.
const FILES: [&str; 8] = [
    include_str!("../../scenes/two-containers.json"),
    include_str!("../../scenes/two-containers-cost.json"),
    include_str!("../../scenes/friday-release.json"),
    include_str!("../../scenes/four-day-week.json"),
    include_str!("../../scenes/hiring-screen.json"),
    include_str!("../../scenes/record-retention.json"),
    include_str!("../../scenes/neighbourhood-circular.json"),
    include_str!("../../scenes/open-source-tool.json"),
];

/// Read at the first question; a test reads every file, so that none can be missing here.
static SCENES: LazyLock<Vec<Scene>> = LazyLock::new(|| {
    FILES
        .iter()
        .filter_map(|text| serde_json::from_str(text).ok())
        .collect()
});

/// Returns all scenes, in the order in which they are listed.
#[must_use]
pub fn scenes() -> &'static [Scene] {
    &SCENES
}

/// Returns the scene of this name.
#[must_use]
pub fn scene(name: &str) -> Option<&'static Scene> {
    scenes().iter().find(|scene| scene.name == name)
}

/// Returns the scene whose question equals this one: both trimmed and in NFC.
#[must_use]
pub fn scene_for(question: &str) -> Option<&'static Scene> {
    scenes()
        .iter()
        .find(|scene| scene.question.trim().nfc().eq(question.trim().nfc()))
}

impl Scene {
    /// Returns what a sage says, its vote marked with the attempt's tag.
    pub(super) fn sage_part(&self, sage: Sage, tag: &str) -> Part {
        let Some(speech) = self.sages.get(&sage) else {
            return Part {
                thinking: String::new(),
                prose: String::new(),
                arguments: String::new(),
            };
        };
        let vote = &speech.decided;
        let arguments = json(&Vote {
            tag,
            reasoning: &vote.reasoning,
            conditions: &vote.conditions,
            would_change: &vote.would_change,
            decision: &vote.decision,
            confidence: vote.confidence,
            cause: None,
        });
        Part {
            thinking: speech.thinking.clone(),
            prose: speech.prose.join("\n\n"),
            arguments,
        }
    }

    /// Returns what the judge says, with the sages under the letters it knows them by.
    pub(super) fn judge_part(&self, about: &About) -> Part {
        let Speech {
            thinking,
            prose,
            decided,
        } = &self.judge;
        let key = |sage: Sage| letter(sage, &about.order);
        let scores = || {
            decided
                .scores
                .iter()
                .filter_map(|(sage, score)| Some((key(*sage)?, score)))
        };
        let arguments = json(&Verdict {
            tag: &about.tag,
            reasoning: &decided.reasoning,
            sage_scores: scores().map(|(letter, score)| (letter, score.0)).collect(),
            score_reasons: scores()
                .map(|(letter, score)| (letter, score.1.as_str()))
                .collect(),
            dissent: Dissent {
                sage: key(decided.dissent.0),
                text: &decided.dissent.1,
            },
            conditions: &decided.conditions,
            would_change: &decided.would_change,
            final_decision: &decided.decision,
            confidence: decided.confidence,
        });
        let named = |text: String| {
            Sage::ALL.into_iter().fold(text, |text, sage| {
                let label = label(sage, &about.order, self.lang).unwrap_or_default();
                text.replace(&format!("{{{sage}}}"), &label)
            })
        };
        Part {
            thinking: named(thinking.clone()),
            prose: named(prose.join("\n\n")),
            arguments,
        }
    }

    /// Returns the first words of each paragraph of a sage, and of its reasoning: whoever was shown
    /// the sage's part was shown one of them.
    pub(super) fn openings(&self, sage: Sage) -> impl Iterator<Item = String> {
        let speech = self.sages.get(&sage);
        let reasoning = speech.map(|speech| &speech.decided.reasoning);
        let texts = speech
            .into_iter()
            .flat_map(|speech| &speech.prose)
            .chain(reasoning);
        texts.map(|text| text.chars().take(16).collect())
    }
}

fn lang<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Lang, D::Error> {
    let code = String::deserialize(deserializer)?;
    [Lang::Ja, Lang::En]
        .into_iter()
        .find(|lang| lang.code() == code)
        .ok_or_else(|| serde::de::Error::custom("a scene's language is `ja` or `en`"))
}

#[cfg(test)]
mod tests;
