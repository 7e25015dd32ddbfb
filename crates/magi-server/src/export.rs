//! The record of a deliberation, to keep: Markdown as a decision record of MADR, JSON, events, or a
//! page that opens without a network.

mod html;
pub(crate) mod labels;
mod markdown;
mod mine;

use std::str::FromStr;

use magi_event::{
    Agent, Decision, FinalDecision, JudgeComplete, Mode, PANEL, PanelVote, Sage, SageLane, Snapshot,
};

use labels::Labels;
use mine::{Mine, Outcome};

/// In which form a record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Markdown, as a decision record of MADR 4.0.
    Markdown,
    /// The snapshot, as `GET /v1/deliberations/{id}` gives it.
    Json,
    /// The events, one a line.
    Ndjson,
    /// One HTML page without scripts, pictures or anything to load.
    Html,
}

/// A name that is no format's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown format `{0}`: expected `md`, `json`, `ndjson` or `html`")]
pub struct UnknownFormat(String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        match name {
            "md" => Ok(Format::Markdown),
            "json" => Ok(Format::Json),
            "ndjson" => Ok(Format::Ndjson),
            "html" => Ok(Format::Html),
            _ => Err(UnknownFormat(name.chars().take(64).collect())),
        }
    }
}

impl Format {
    /// Returns the name, which is also the file's extension.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Format::Markdown => "md",
            Format::Json => "json",
            Format::Ndjson => "ndjson",
            Format::Html => "html",
        }
    }

    /// Returns the media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Format::Markdown => "text/markdown; charset=utf-8",
            Format::Json => "application/json",
            Format::Ndjson => "application/x-ndjson",
            Format::Html => "text/html; charset=utf-8",
        }
    }
}

/// What a record is written from.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// The deliberation.
    pub snapshot: &'a Snapshot,
    /// Its title in the history, if any.
    pub title: Option<&'a str>,
    /// What a person decided in the end, in their words.
    pub my_decision: Option<&'a str>,
    /// How it turned out, in their words.
    pub outcome: Option<&'a str>,
}

impl<'a> Record<'a> {
    /// Makes the record of a deliberation of which the history says nothing more.
    #[must_use]
    pub const fn of(snapshot: &'a Snapshot) -> Self {
        Record {
            snapshot,
            title: None,
            my_decision: None,
            outcome: None,
        }
    }

    /// Writes the record as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        markdown::write(self)
    }

    /// Writes the record as a page.
    #[must_use]
    pub fn html(&self) -> String {
        html::write(self)
    }

    /// Writes the snapshot as JSON, indented, with a line end.
    #[must_use]
    pub fn json(&self) -> String {
        // Writing a snapshot to memory cannot fail: every map key is a string.
        let mut json = serde_json::to_string_pretty(self.snapshot).unwrap_or_default();
        json.push('\n');
        json
    }

    fn labels(&self) -> &'static Labels {
        Labels::of(&self.snapshot.lang)
    }

    /// Returns the title: the history's, or the question's first line.
    fn heading(&self) -> String {
        let title = self.title.map(str::trim).filter(|title| !title.is_empty());
        let first = || self.snapshot.question.lines().find(|line| !line.is_empty());
        let text = title.or_else(first).unwrap_or_default();
        let mut short: String = text.chars().take(120).collect();
        if short.len() < text.len() {
            short.push('…');
        }
        one_line(&short)
    }

    fn is_rehearsal(&self) -> bool {
        match self.snapshot.mode {
            Some(Mode::Rehearsal) => true,
            Some(Mode::Live | Mode::Replay) | None => false,
        }
    }

    fn decision(&self) -> Option<FinalDecision> {
        self.snapshot
            .verdict
            .as_ref()
            .map(|verdict| verdict.final_decision)
    }

    /// Returns what the person decided, in its parts.
    fn mine(&self) -> Mine {
        Mine::read(self.my_decision.unwrap_or_default())
    }

    /// Returns how it turned out: the words for it, and the note.
    fn turned_out(&self) -> Option<(Option<&'static str>, &'a str)> {
        let Outcome { word, note } = Outcome::read(self.outcome?);
        let word = word.map(|word| self.labels().outcome_word(word));
        (word.is_some() || !note.is_empty()).then_some((word, note))
    }

    /// Returns the conditions of the verdict and those that the person ticked beside it, each with
    /// whether it is seen to. White space is no difference: it is not kept as it was.
    fn conditions(&self, mine: &Mine) -> Vec<(bool, String)> {
        let verdict = self.snapshot.verdict.as_ref();
        let asked = verdict.map_or(&[][..], |verdict| &verdict.solomon_judgment.conditions);
        let boxes: Vec<(bool, String)> = mine
            .boxes
            .iter()
            .map(|(is_met, text)| (*is_met, one_line(text)))
            .collect();
        let asked: Vec<String> = asked.iter().map(|text| one_line(text)).collect();
        let of_verdict = asked
            .iter()
            .map(|text| (boxes.contains(&(true, text.clone())), text.clone()));
        let others = boxes.iter().filter(|(_, text)| !asked.contains(text));
        of_verdict.chain(others.cloned()).collect()
    }

    /// Returns the label of the verdict's conditions.
    fn conditions_label(&self) -> &'static str {
        let is_rejected = self.decision() == Some(FinalDecision::Rejected);
        self.labels().conditions(is_rejected)
    }

    /// Returns why there is no verdict, when it ended without one.
    fn end_without_verdict(&self) -> Option<String> {
        let cancelled = self
            .snapshot
            .cancelled
            .as_ref()
            .map(|cancelled| format!("{} ({})", cancelled.reason, cancelled.by));
        let failed = self
            .snapshot
            .error
            .as_ref()
            .map(|error| format!("{} ({})", error.message, error.code));
        cancelled.or(failed)
    }

    /// Returns the sages who decided so, each with what it said.
    fn who(&self, decision: Decision) -> impl Iterator<Item = (Sage, &magi_event::AgentComplete)> {
        self.snapshot
            .sages
            .iter()
            .filter_map(|(sage, lane)| Some((*sage, lane.complete.as_ref()?)))
            .filter(move |(_, complete)| complete.decision == decision)
    }

    /// Returns which model spoke for a member in its newest attempt, and which one the council had
    /// set where that is another one; the set one alone where nobody was called.
    fn model_of(&self, agent: Agent) -> Option<String> {
        let council = self.snapshot.council.as_ref();
        let set = council.and_then(|council| council.models.get(&agent));
        let Some(spoke) = self.spoke_for(agent) else {
            return set.cloned();
        };
        match set {
            Some(set) if *set != spoke => {
                Some(format!("{spoke}{}", self.labels().in_place_of(set)))
            }
            Some(_) | None => Some(spoke),
        }
    }

    /// Returns the model of a member's newest attempt, written as settings write it.
    fn spoke_for(&self, agent: Agent) -> Option<String> {
        let (provider, model) = match agent {
            Agent::Sage(sage) => {
                let lane = self.snapshot.sages.get(&sage)?;
                (&lane.provider, &lane.model)
            }
            Agent::Judge => {
                let lane = &self.snapshot.judge;
                (&lane.provider, &lane.model)
            }
        };
        let (provider, model) = (provider.as_ref()?, model.as_ref()?);
        Some(if provider == PANEL {
            self.labels().panel_of(model)
        } else if model.is_empty() || model == provider {
            provider.clone()
        } else {
            format!("{provider}:{model}")
        })
    }
}

/// Returns a sage's or the judge's name as it is written everywhere.
fn name(agent: impl Into<Agent>) -> String {
    agent.into().name().to_uppercase()
}

/// Puts a text on one line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns a lane's vote in a word, with the cause of an abstention.
fn vote_of(lane: &SageLane, labels: &Labels) -> String {
    let Some(complete) = &lane.complete else {
        return labels.none_yet.to_owned();
    };
    let mut text = labels.decision(complete.decision).to_owned();
    if let Some(cause) = complete.cause {
        text.push_str(&format!(" ({})", labels.cause(cause)));
    }
    if let Some(confidence) = complete.confidence {
        let percent = (confidence.get() * 100.0).round();
        text.push_str(&format!(", {} {percent}%", labels.confidence));
    }
    text
}

/// Returns what each model of a panel came to, in a line each; none where no panel judged.
fn panel_of(judgment: &JudgeComplete, labels: &Labels) -> Vec<String> {
    let line = |vote: &PanelVote| {
        let model = &vote.model;
        let Some(decision) = vote.final_decision else {
            let why = vote.error.as_deref().unwrap_or_default();
            return format!("{model}: {} ({why})", labels.no_answer);
        };
        let mut text = format!("{model}: {}", labels.final_decision(decision));
        for (sage, score) in &vote.sage_scores {
            text.push_str(&format!(", {} {score}", name(*sage)));
        }
        if vote.speaks {
            text.push_str(&format!(" ({})", labels.speaks));
        }
        text
    };
    judgment.panel.iter().map(line).collect()
}

#[cfg(test)]
mod tests;
