//! The record as Markdown, under the headings of MADR 4.0 so that decision-record tools read it.
//!
//! What people and models wrote is quoted, so that its own headings stay its own, and neither raw
//! HTML nor pictures in it come alive in a viewer.
//!
//! Source: MADR 4.0.0, `template/adr-template.md`.

use std::fmt::Write;

use magi_event::{Agent, Complete, Decision, FinalDecision, Sage, Status, first_sentence};

use super::labels::Labels;
use super::{Record, name, one_line, panel_of, vote_of};

pub(super) fn write(record: &Record<'_>) -> String {
    let mut page = Page {
        record,
        labels: record.labels(),
        text: String::new(),
    };
    page.front_matter();
    page.problem();
    page.drivers();
    page.outcome();
    page.options();
    page.more();
    page.text
}

struct Page<'a> {
    record: &'a Record<'a>,
    labels: &'static Labels,
    text: String,
}

/// Makes raw HTML and pictures inert.
fn inert(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(char) = rest.next() {
        let next = rest.peek();
        let opens_tag = char == '<'
            && next.is_some_and(|next| next.is_ascii_alphabetic() || "/!?".contains(*next));
        let opens_picture = char == '!' && next == Some(&'[');
        if opens_tag || opens_picture {
            safe.push('\\');
        }
        safe.push(char);
    }
    safe
}

/// Writes a YAML string: JSON's are YAML's too.
fn yaml(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Returns the judge's first sentence where it came to what was decided; else the votes in words: a judge that
/// came to something else did not say why.
fn why_of(verdict: &Complete) -> String {
    let judge = &verdict.solomon_judgment;
    let said = judge
        .grounds()
        .filter(|_| judge.final_decision == verdict.final_decision);
    said.map_or_else(|| verdict.summary.clone(), first_sentence)
}

impl Page<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn heading(&mut self, heading: &str) {
        let _ = write!(self.text, "\n{heading}\n\n");
    }

    fn item(&mut self, text: &str) {
        let text = inert(&one_line(text));
        self.line(&format!("* {text}"));
    }

    fn quote(&mut self, text: &str) {
        for line in inert(text.trim_end()).lines() {
            self.line(format!("> {line}").trim_end());
        }
    }

    fn front_matter(&mut self) {
        let status = match self.record.decision() {
            Some(FinalDecision::Approved) => "accepted",
            Some(FinalDecision::Rejected) => "rejected",
            Some(FinalDecision::Undecided) | None => "proposed",
        };
        let consulted: Vec<String> = self
            .record
            .snapshot
            .sages
            .keys()
            .map(|sage| self.who(Agent::Sage(*sage)))
            .map(|who| yaml(&who))
            .collect();
        let date = self.record.snapshot.started_at.map(|at| at.to_string());
        let date = date.as_deref().and_then(|date| date.get(..10));
        let (date, human) = (date.unwrap_or_default().to_owned(), yaml(self.labels.human));
        let consulted = consulted.join(", ");
        let _ = write!(
            self.text,
            "---\nstatus: {status}\ndate: {date}\ndecision-makers: [{human}]\n\
             consulted: [{consulted}]\ninformed: []\n---\n\n"
        );
        let heading = inert(&self.record.heading());
        self.line(&format!("# {heading}"));
        if self.record.is_rehearsal() {
            let mark = self.labels.rehearsal;
            let _ = write!(self.text, "\n**{mark}**\n");
        }
    }

    fn who(&self, agent: Agent) -> String {
        match self.record.model_of(agent) {
            Some(model) => format!("{} ({model})", name(agent)),
            None => name(agent),
        }
    }

    fn problem(&mut self) {
        self.heading("## Context and Problem Statement");
        self.quote(&self.record.snapshot.question);
        if let Some(context) = &self.record.snapshot.context {
            let label = self.labels.context;
            let _ = write!(self.text, "\n{label}:\n\n");
            self.quote(context);
        }
    }

    fn drivers(&mut self) {
        self.heading("## Decision Drivers");
        let labels = self.labels;
        for sage in self.record.snapshot.sages.keys() {
            self.item(&format!("{}: {}", name(*sage), labels.view_of(*sage)));
        }
        if let Some(council) = &self.record.snapshot.council {
            let (rule, quorum) = (labels.rule_word(council.rule), council.quorum);
            self.item(&format!(
                "{}: {rule}, {}: {quorum}",
                labels.rule, labels.quorum
            ));
        }
        self.heading("## Considered Options");
        self.item(labels.approve);
        self.item(labels.reject);
    }

    fn outcome(&mut self) {
        self.heading("## Decision Outcome");
        self.chosen();
        let Some(verdict) = &self.record.snapshot.verdict else {
            return;
        };
        let labels = self.labels;
        let judge = &verdict.solomon_judgment;
        self.heading("### Consequences");
        if let Some(dissent) = &judge.dissent {
            let whose = dissent.agent.map(|sage| format!(", {}", name(sage)));
            let whose = whose.unwrap_or_default();
            let text = &dissent.text;
            self.item(&format!(
                "Bad, because {text} ({}{whose})",
                labels.dissent.to_lowercase()
            ));
        }
        for condition in &judge.conditions {
            self.item(&format!("{}: {condition}", labels.conditions));
        }
        self.heading("### Confirmation");
        for change in &judge.would_change {
            self.item(&format!("{}: {change}", labels.would_change));
        }
        if let Some(outcome) = self.record.outcome {
            self.item(&format!("{}: {outcome}", labels.outcome));
        }
    }

    fn chosen(&mut self) {
        let labels = self.labels;
        let snapshot = self.record.snapshot;
        match &snapshot.verdict {
            Some(verdict) => {
                let why = inert(&one_line(&why_of(verdict)));
                let word = labels.final_decision(verdict.final_decision);
                let line = match verdict.final_decision {
                    FinalDecision::Approved => {
                        format!("Chosen option: \"{}\", because {why}", labels.approve)
                    }
                    FinalDecision::Rejected => {
                        format!("Chosen option: \"{}\", because {why}", labels.reject)
                    }
                    FinalDecision::Undecided => format!("No option was chosen: {why}"),
                };
                self.line(&line);
                self.text.push('\n');
                self.item(&format!("{}: {word}", labels.verdict));
                self.item(&format!(
                    "{}: {}",
                    labels.votes,
                    verdict.voting_result.agreement()
                ));
                if let Some(standing) = labels.standing(verdict) {
                    self.item(standing);
                }
                self.item(&format!(
                    "{}: {}",
                    labels.recommendation, verdict.recommendation
                ));
            }
            None => {
                let why = self.record.end_without_verdict();
                let why = why.unwrap_or_else(|| labels.status_word(snapshot.status).to_owned());
                self.line(&inert(&one_line(&format!("{}: {why}", labels.no_verdict))));
                self.text.push('\n');
            }
        }
        for missing in &snapshot.missing {
            let (who, cause) = (name(missing.agent), labels.cause(missing.cause));
            self.item(&format!("{}: {who} ({cause})", labels.missing));
        }
        if let Some(mine) = self.record.my_decision {
            self.item(&format!("{}: {mine}", labels.my_decision));
        }
    }

    fn options(&mut self) {
        let record = self.record;
        self.heading("## Pros and Cons of the Options");
        for (heading, decision) in [
            (self.labels.approve, Decision::Approved),
            (self.labels.reject, Decision::Rejected),
        ] {
            self.line(&format!("### {heading}\n"));
            for (sage, complete) in record.who(decision) {
                self.item(&format!(
                    "Good, because {} ({})",
                    complete.reasoning,
                    name(sage)
                ));
            }
            for (sage, complete) in record.who(Decision::Abstained) {
                self.item(&format!(
                    "Neutral, because {} ({})",
                    complete.reasoning,
                    name(sage)
                ));
            }
            self.text.push('\n');
        }
    }

    fn more(&mut self) {
        let labels = self.labels;
        let snapshot = self.record.snapshot;
        self.line("## More Information\n");
        self.item(&format!("{}: {}", labels.record, snapshot.trace_id));
        if let Some(at) = snapshot.started_at {
            self.item(&format!("{}: {at}", labels.asked_at));
        }
        let status: Status = snapshot.status;
        self.item(&format!(
            "{}: {}",
            labels.status,
            labels.status_word(status)
        ));
        if let Some(council) = &snapshot.council {
            let (council, version) = (&council.name, council.version);
            self.item(&format!("{}: {council} v{version}", labels.council));
        }
        self.item(&self.spent());
        for sage in snapshot.sages.keys() {
            self.sage(*sage);
        }
        self.judge();
    }

    fn spent(&self) -> String {
        let (labels, usage) = (self.labels, self.record.snapshot.usage);
        let mut text = format!(
            "{}: {} → {}",
            labels.tokens, usage.input_tokens, usage.output_tokens
        );
        if usage.estimated {
            let _ = write!(text, " ({})", labels.estimated);
        }
        if let Some(cost) = self.record.snapshot.cost_usd {
            let _ = write!(text, ", {}: {cost:.4} USD", labels.cost);
        }
        if let Some(verdict) = &self.record.snapshot.verdict {
            let ms = verdict.execution_time;
            let _ = write!(
                text,
                ", {}: {}.{:03} s",
                labels.duration,
                ms / 1000,
                ms % 1000
            );
        }
        text
    }

    fn sage(&mut self, sage: Sage) {
        let labels = self.labels;
        let Some(lane) = self.record.snapshot.sages.get(&sage) else {
            return;
        };
        let who = inert(&self.who(Agent::Sage(sage)));
        let vote = vote_of(lane, labels);
        let _ = write!(self.text, "\n### {who}: {vote}\n\n");
        self.quote(&lane.text);
        let Some(complete) = &lane.complete else {
            return;
        };
        self.text.push('\n');
        for (label, texts) in [
            (labels.conditions, &complete.conditions),
            (labels.would_change, &complete.would_change),
        ] {
            for text in texts {
                self.item(&format!("{label}: {text}"));
            }
        }
    }

    fn judge(&mut self) {
        let labels = self.labels;
        let Some(complete) = &self.record.snapshot.judge.complete else {
            return;
        };
        let word = labels.final_decision(complete.final_decision);
        let who = inert(&self.who(Agent::Judge));
        let _ = write!(self.text, "\n### {who}: {word}\n\n");
        self.quote(&complete.reasoning);
        self.text.push('\n');
        for vote in panel_of(complete, labels) {
            self.item(&format!("{}: {vote}", labels.panel));
        }
        let label = if complete.panel.is_empty() {
            labels.score
        } else {
            labels.median
        };
        for (sage, score) in &complete.sage_scores {
            let reason = complete.score_reasons.get(sage);
            let reason = reason.map(String::as_str).unwrap_or_default();
            self.item(&format!("{} {label}: {score} {reason}", name(*sage)));
        }
    }
}
