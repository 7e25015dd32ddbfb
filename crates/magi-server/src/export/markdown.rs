//! The record as Markdown, in the shape of MADR 4.0 so that decision-record tools read it: its headings
//! where the record is in English, the same in Japanese where it is in Japanese.
//!
//! **Whose decision it is.** The council advises and a person decides, so the status and the chosen
//! option are the person's. Who decided nothing yet has a record that is `proposed`, and the council's
//! advice in it. Who follows the verdict has it `accepted` or `rejected` as the verdict is (`proposed`
//! where that took no option). Who decided something else has it `accepted`: no program can tell a yes
//! from a no in free words, but they are in force, and are the chosen option; the council's advice
//! stands beneath them.
//!
//! What people and models wrote is quoted, so that its own headings stay its own, and neither raw
//! HTML nor pictures in it come alive in a viewer.
//!
//! Source: MADR 4.0.0, `template/adr-template.md`.

use std::fmt::Write;

use magi_event::{Agent, Complete, Decision, FinalDecision, Sage, Status, first_sentence};

use super::labels::{Labels, minute};
use super::mine::{Choice, Mine};
use super::{Record, name, one_line, panel_of, vote_of};

pub(super) fn write(record: &Record<'_>) -> String {
    let mut page = Page {
        record,
        labels: record.labels(),
        mine: record.mine(),
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
    mine: Mine,
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
        let _ = write!(self.text, "\n## {heading}\n\n");
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
        let status = self.status();
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

    /// Returns the status by the rule at the top of this file.
    fn status(&self) -> &'static str {
        match (&self.mine.choice, self.record.decision()) {
            (Some(Choice::Other(_)), _) | (Some(Choice::Follow), Some(FinalDecision::Approved)) => {
                "accepted"
            }
            (Some(Choice::Follow), Some(FinalDecision::Rejected)) => "rejected",
            (Some(Choice::Follow), Some(FinalDecision::Undecided) | None) | (None, _) => "proposed",
        }
    }

    fn who(&self, agent: Agent) -> String {
        match self.record.model_of(agent) {
            Some(model) => format!("{} ({model})", name(agent)),
            None => name(agent),
        }
    }

    fn problem(&mut self) {
        self.heading(self.labels.headings.problem);
        self.quote(&self.record.snapshot.question);
        if let Some(context) = &self.record.snapshot.context {
            let label = self.labels.context;
            let _ = write!(self.text, "\n{label}:\n\n");
            self.quote(context);
        }
    }

    fn drivers(&mut self) {
        self.heading(self.labels.headings.drivers);
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
        self.heading(self.labels.headings.options);
        self.item(labels.approve);
        self.item(labels.reject);
    }

    fn outcome(&mut self) {
        self.heading(self.labels.headings.outcome);
        let chosen = self.chosen();
        self.line(&inert(&one_line(&chosen)));
        self.part("\n", |page| {
            page.own();
            page.advice();
        });
        let headings = &self.labels.headings;
        let below = |heading: &str| format!("\n### {heading}\n\n");
        self.part(&below(headings.consequences), Self::consequences);
        self.part(&below(headings.confirmation), Self::confirmation);
    }

    /// Writes a part beneath what begins it, and nothing where it has nothing to say.
    fn part(&mut self, beginning: &str, write: fn(&mut Self)) {
        let before = self.text.len();
        self.text.push_str(beginning);
        let empty = self.text.len();
        write(self);
        if self.text.len() == empty {
            self.text.truncate(before);
        }
    }

    /// Returns the sentence that says what was chosen: the person's decision, else the council's advice.
    fn chosen(&self) -> String {
        let labels = self.labels;
        match (&self.mine.choice, &self.record.snapshot.verdict) {
            (Some(Choice::Other(words)), _) => {
                let why = Some(self.mine.why.as_str()).filter(|why| !why.is_empty());
                labels.chosen(words, why)
            }
            (Some(Choice::Follow), Some(verdict)) => {
                let why = why_of(verdict);
                match labels.option(verdict.final_decision) {
                    Some(option) => labels.chosen(option, Some(&why)),
                    None => labels.none_chosen(&why),
                }
            }
            (Some(Choice::Follow), None) => self.advised(),
            (None, _) => {
                // Japanese takes no space between sentences.
                let gap = if labels.lang == "ja" { "" } else { " " };
                format!("{}{gap}{}", labels.undecided_yet, self.advised())
            }
        }
    }

    /// Says what the council advises, or why it does not.
    fn advised(&self) -> String {
        let labels = self.labels;
        if let Some(verdict) = &self.record.snapshot.verdict {
            return labels.advises(verdict.final_decision, &why_of(verdict));
        }
        let why = self.record.end_without_verdict();
        let why = why.unwrap_or_else(|| {
            let status = self.record.snapshot.status;
            labels.status_word(status).to_owned()
        });
        format!("{}: {why}", labels.no_verdict)
    }

    /// Writes what the person said beyond the sentence above it.
    fn own(&mut self) {
        let labels = self.labels;
        let is_other = matches!(self.mine.choice, Some(Choice::Other(_)));
        if self.mine.choice == Some(Choice::Follow) {
            self.item(&format!("{}: {}", labels.my_decision, labels.follow));
        }
        if !is_other && !self.mine.why.is_empty() {
            self.item(&format!("{}: {}", labels.why, self.mine.why));
        }
        if !self.mine.leaning.is_empty() {
            self.item(&format!("{}: {}", labels.leaning, self.mine.leaning));
        }
    }

    /// Writes the verdict and who is missing from it.
    fn advice(&mut self) {
        let labels = self.labels;
        let snapshot = self.record.snapshot;
        if let Some(Choice::Other(_)) = self.mine.choice {
            self.item(&self.advised());
        }
        if let Some(verdict) = &snapshot.verdict {
            let word = labels.final_decision(verdict.final_decision);
            self.item(&format!("{}: {word}", labels.verdict));
            let votes = labels.tally(verdict.voting_result);
            self.item(&format!("{}: {votes}", labels.votes));
            if let Some(standing) = labels.standing(verdict) {
                self.item(standing);
            }
            self.item(&format!(
                "{}: {}",
                labels.recommendation, verdict.recommendation
            ));
        }
        for missing in &snapshot.missing {
            let (who, cause) = (name(missing.agent), labels.cause(missing.cause));
            self.item(&format!("{}: {who} ({cause})", labels.missing));
        }
    }

    fn consequences(&mut self) {
        let labels = self.labels;
        let Some(verdict) = &self.record.snapshot.verdict else {
            return;
        };
        let Some(dissent) = &verdict.solomon_judgment.dissent else {
            return;
        };
        // An objection to an approval is a drawback of going ahead. One to a rejection speaks for the
        // proposal, and one to what the person did not decide is no consequence: both stand as they are.
        let is_drawback = verdict.final_decision == FinalDecision::Approved
            && !matches!(self.mine.choice, Some(Choice::Other(_)));
        let text = &dissent.text;
        if is_drawback {
            let mut label = labels.dissent.to_lowercase();
            if let Some(sage) = dissent.agent {
                let _ = write!(label, "{}{}", labels.comma, name(sage));
            }
            self.item(&labels.bad(text, &label));
        } else {
            let whose = dissent.agent.map(|sage| format!(" ({})", name(sage)));
            let whose = whose.unwrap_or_default();
            self.item(&format!("{}{whose}: {text}", labels.dissent));
        }
    }

    fn confirmation(&mut self) {
        let labels = self.labels;
        let conditions = self.record.conditions(&self.mine);
        if !conditions.is_empty() {
            self.item(&format!("{}:", self.record.conditions_label()));
        }
        for (is_met, text) in conditions {
            let (mark, text) = (if is_met { 'x' } else { ' ' }, inert(&text));
            self.line(&format!("  * [{mark}] {text}"));
        }
        if let Some(verdict) = &self.record.snapshot.verdict {
            for change in &verdict.solomon_judgment.would_change {
                self.item(&format!("{}: {change}", labels.would_change));
            }
        }
        match self.record.turned_out() {
            Some((Some(word), note)) => {
                self.item(&format!("{}: {word}", labels.outcome));
                if !note.is_empty() {
                    self.item(&format!("{}: {note}", labels.note));
                }
            }
            Some((None, note)) => self.item(&format!("{}: {note}", labels.outcome)),
            None => {}
        }
    }

    fn options(&mut self) {
        let record = self.record;
        self.heading(self.labels.headings.pros_and_cons);
        for (heading, decision) in [
            (self.labels.approve, Decision::Approved),
            (self.labels.reject, Decision::Rejected),
        ] {
            self.line(&format!("### {heading}\n"));
            for (sage, complete) in record.who(decision) {
                self.item(&self.labels.good(&complete.reasoning, &name(sage)));
            }
            for (sage, complete) in record.who(Decision::Abstained) {
                self.item(&self.labels.neutral(&complete.reasoning, &name(sage)));
            }
            self.text.push('\n');
        }
    }

    fn more(&mut self) {
        let labels = self.labels;
        let snapshot = self.record.snapshot;
        self.line(&format!("## {}\n", labels.headings.more));
        self.item(&format!("{}: {}", labels.record, snapshot.trace_id));
        if let Some(at) = snapshot.started_at {
            self.item(&format!("{}: {}", labels.asked_at, minute(at)));
        }
        if let Some(from) = snapshot.fork_of {
            self.item(&format!("{}: {from}", labels.goes_on_from));
        }
        if let Some(conversation) = &snapshot.conversation_id {
            self.item(&format!("{}: {conversation}", labels.conversation));
        }
        let status: Status = snapshot.status;
        self.item(&format!(
            "{}: {}",
            labels.status,
            labels.status_word(status)
        ));
        if let Some(council) = &snapshot.council {
            let council = labels.council_name(council);
            self.item(&format!("{}: {council}", labels.council));
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
            (
                labels.conditions(complete.decision == Decision::Rejected),
                &complete.conditions,
            ),
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
        let spoken = &self.record.snapshot.judge.text;
        if !spoken.contains(&complete.reasoning) {
            self.quote(&complete.reasoning);
            self.text.push('\n');
        }
        if !spoken.is_empty() {
            self.quote(spoken);
            self.text.push('\n');
        }
        if let Some(order) = labels.order(self.record.snapshot) {
            self.item(&order);
        }
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
