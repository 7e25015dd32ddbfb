//! The record as one page: no scripts, no pictures, nothing to load, every word escaped.

use std::fmt::Write;

use magi_event::{
    Agent, Complete, Decision, Dissent, FinalDecision, JudgeComplete, Sage, SageLane,
};

use super::labels::{Labels, minute};
use super::mine::{Choice, Mine};
use super::{Record, name, panel_of, vote_of};

/// Even if escaping failed, nothing on this page could run or be fetched.
const HEAD: &str = "<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" \
    content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n\
    <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"referrer\" \
    content=\"no-referrer\">\n";

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:16px/1.6 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem;line-height:1.3}h2{font-size:1.15rem;margin-top:2rem}\
.text{white-space:pre-wrap;overflow-wrap:anywhere;border-inline-start:3px solid;\
padding-inline-start:.8rem;margin:.5rem 0}\
.mark{border:2px solid;padding:.4rem .8rem;font-weight:600}\
.verdict{border:2px solid;padding:.6rem 1rem}.verdict strong{font-size:1.4rem}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}dt{font-weight:600}dd{margin:0}\
section{break-inside:avoid}";

pub(super) fn write(record: &Record<'_>) -> String {
    let labels = record.labels();
    let snapshot = record.snapshot;
    let title = escape(&record.heading());
    let mut page = format!(
        "<!doctype html>\n<html lang=\"{}\">\n<head>\n{HEAD}<title>{title} - MAGI</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n",
        labels.lang
    );
    if record.is_rehearsal() {
        page.push_str(&format!(
            "<p class=\"mark\">{}</p>\n",
            escape(labels.rehearsal)
        ));
    }
    let mine = record.mine();
    page.push_str(&verdict(record, &mine, labels));
    section(&mut page, labels.my_decision, &own(record, &mine, labels));
    section(&mut page, labels.question, &text(&snapshot.question));
    if let Some(context) = &snapshot.context {
        section(&mut page, labels.context, &text(context));
    }
    page.push_str(&format!("<h2>{}</h2>\n", escape(labels.sages)));
    for (sage, lane) in &snapshot.sages {
        page.push_str(&sage_of(record, *sage, lane, labels));
    }
    if let Some(complete) = &snapshot.judge.complete {
        page.push_str(&judge_of(record, complete, labels));
    }
    section(&mut page, labels.record, &facts(record, labels));
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

/// Escapes for text and for quoted attributes.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\0' => safe.push('\u{fffd}'),
            other => safe.push(other),
        }
    }
    safe
}

fn text(text: &str) -> String {
    format!("<div class=\"text\">{}</div>\n", escape(text))
}

fn section(page: &mut String, heading: &str, inner: &str) {
    let _ = write!(
        page,
        "<section>\n<h2>{}</h2>\n{inner}</section>\n",
        escape(heading)
    );
}

fn list(heading: &str, items: &[String]) -> String {
    if items.is_empty() {
        return String::new();
    }
    let items: String = items
        .iter()
        .map(|item| format!("<li>{}</li>\n", escape(item)))
        .collect();
    format!("<h3>{}</h3>\n<ul>\n{items}</ul>\n", escape(heading))
}

fn verdict(record: &Record<'_>, mine: &Mine, labels: &Labels) -> String {
    let mut inner = String::new();
    match &record.snapshot.verdict {
        Some(verdict) => inner.push_str(&decided(verdict, labels)),
        None => {
            let status = labels.status_word(record.snapshot.status);
            let why = record.end_without_verdict();
            let why = escape(why.as_deref().unwrap_or(status));
            let _ = writeln!(
                inner,
                "<p><strong>{}</strong></p>\n<p>{why}</p>",
                escape(labels.no_verdict)
            );
        }
    }
    let conditions: Vec<String> = record
        .conditions(mine)
        .iter()
        .map(|(is_met, text)| format!("{} {text}", if *is_met { '☑' } else { '☐' }))
        .collect();
    inner.push_str(&list(record.conditions_label(), &conditions));
    if let Some(verdict) = &record.snapshot.verdict {
        let changes = &verdict.solomon_judgment.would_change;
        inner.push_str(&list(labels.would_change, changes));
    }
    let missing: Vec<String> = record
        .snapshot
        .missing
        .iter()
        .map(|missing| format!("{} ({})", name(missing.agent), labels.cause(missing.cause)))
        .collect();
    inner.push_str(&list(labels.missing, &missing));
    format!("<section class=\"verdict\">\n{inner}</section>\n")
}

/// Writes what the person decided and how it turned out.
fn own(record: &Record<'_>, mine: &Mine, labels: &Labels) -> String {
    let mut inner = match &mine.choice {
        Some(Choice::Other(words)) => text(words),
        Some(Choice::Follow) => text(labels.follow),
        None => format!("<p>{}</p>\n", escape(labels.undecided_yet)),
    };
    for (label, words) in [(labels.why, &mine.why), (labels.leaning, &mine.leaning)] {
        if !words.is_empty() {
            let _ = write!(inner, "<h3>{}</h3>\n{}", escape(label), text(words));
        }
    }
    if let Some((word, note)) = record.turned_out() {
        let _ = writeln!(inner, "<h3>{}</h3>", escape(labels.outcome));
        if let Some(word) = word {
            let _ = writeln!(inner, "<p>{}</p>", escape(word));
        }
        if !note.is_empty() {
            inner.push_str(&text(note));
        }
    }
    inner
}

/// Returns a shape that tells the decision without any colour.
const fn shape(decision: FinalDecision) -> &'static str {
    match decision {
        FinalDecision::Approved => "○",
        FinalDecision::Rejected => "×",
        FinalDecision::Undecided => "△",
    }
}

fn decided(verdict: &Complete, labels: &Labels) -> String {
    let word = labels.final_decision(verdict.final_decision);
    let votes = labels.tally(verdict.voting_result);
    let judged = labels.standing(verdict).unwrap_or_default();
    let judge = &verdict.solomon_judgment;
    format!(
        "<p>{}: <strong>{} {word}</strong> ({}: {votes})</p>\n<p>{judged}</p>\n{}\
         <h3>{}</h3>\n{}{}",
        escape(labels.verdict),
        shape(verdict.final_decision),
        escape(labels.votes),
        text(&verdict.summary),
        escape(labels.recommendation),
        text(&verdict.recommendation),
        judge
            .dissent
            .as_ref()
            .map(|dissent| dissent_of(dissent, labels))
            .unwrap_or_default(),
    )
}

fn dissent_of(dissent: &Dissent, labels: &Labels) -> String {
    let whose = dissent.agent.map(|sage| format!(" ({})", name(sage)));
    format!(
        "<h3>{}{}</h3>\n{}",
        escape(labels.dissent),
        whose.unwrap_or_default(),
        text(&dissent.text)
    )
}

fn who(record: &Record<'_>, agent: Agent) -> String {
    let model = record.model_of(agent);
    let model = model.map(|model| format!(" <small>{}</small>", escape(&model)));
    format!("{}{}", name(agent), model.unwrap_or_default())
}

fn sage_of(record: &Record<'_>, sage: Sage, lane: &SageLane, labels: &Labels) -> String {
    let mut inner = format!(
        "<section>\n<h3>{} - {}</h3>\n",
        who(record, Agent::Sage(sage)),
        escape(&vote_of(lane, labels))
    );
    if !lane.text.is_empty() {
        inner.push_str(&text(&lane.text));
    }
    if let Some(complete) = &lane.complete {
        if complete.reasoning != lane.text {
            let _ = writeln!(inner, "<h3>{}</h3>", escape(labels.reasoning));
            inner.push_str(&text(&complete.reasoning));
        }
        let label = labels.conditions(complete.decision == Decision::Rejected);
        inner.push_str(&list(label, &complete.conditions));
        inner.push_str(&list(labels.would_change, &complete.would_change));
    }
    inner + "</section>\n"
}

fn judge_of(record: &Record<'_>, complete: &JudgeComplete, labels: &Labels) -> String {
    let scores: Vec<String> = complete
        .sage_scores
        .iter()
        .map(|(sage, score)| {
            let reason = complete.score_reasons.get(sage);
            let reason = reason.map(|reason| format!(": {reason}"));
            format!("{} {score}{}", name(*sage), reason.unwrap_or_default())
        })
        .collect();
    let label = if complete.panel.is_empty() {
        labels.score
    } else {
        labels.median
    };
    let spoken = &record.snapshot.judge.text;
    let spoken = if spoken.is_empty() {
        String::new()
    } else {
        format!("<h3>{}</h3>\n{}", escape(labels.said), text(spoken))
    };
    let order = labels.order(record.snapshot).map(|order| text(&order));
    format!(
        "<section>\n<h2>{}</h2>\n<h3>{} - {}</h3>\n{}{}{spoken}{}{}</section>\n",
        escape(labels.judge),
        who(record, Agent::Judge),
        labels.final_decision(complete.final_decision),
        order.unwrap_or_default(),
        text(&complete.reasoning),
        list(labels.panel, &panel_of(complete, labels)),
        list(label, &scores),
    )
}

fn facts(record: &Record<'_>, labels: &Labels) -> String {
    let snapshot = record.snapshot;
    let usage = snapshot.usage;
    let mut rows = vec![
        (labels.record, snapshot.trace_id.to_string()),
        (
            labels.status,
            labels.status_word(snapshot.status).to_owned(),
        ),
    ];
    if let Some(at) = snapshot.started_at {
        rows.push((labels.asked_at, minute(at)));
    }
    if let Some(from) = snapshot.fork_of {
        rows.push((labels.goes_on_from, from.to_string()));
    }
    if let Some(conversation) = &snapshot.conversation_id {
        rows.push((labels.conversation, conversation.clone()));
    }
    if let Some(council) = &snapshot.council {
        rows.push((labels.council, labels.council_name(council)));
        rows.push((labels.rule, labels.rule_word(council.rule)));
        rows.push((labels.quorum, council.quorum.to_string()));
    }
    let estimated = if usage.estimated {
        format!(" ({})", labels.estimated)
    } else {
        String::new()
    };
    rows.push((
        labels.tokens,
        format!(
            "{} → {}{estimated}",
            usage.input_tokens, usage.output_tokens
        ),
    ));
    if let Some(cost) = snapshot.cost_usd {
        rows.push((labels.cost, format!("{cost:.4} USD")));
    }
    if let Some(verdict) = &snapshot.verdict {
        let ms = verdict.execution_time;
        rows.push((labels.duration, format!("{}.{:03} s", ms / 1000, ms % 1000)));
    }
    let rows: String = rows
        .iter()
        .map(|(label, value)| format!("<dt>{}</dt><dd>{}</dd>\n", escape(label), escape(value)))
        .collect();
    format!("<dl>\n{rows}</dl>\n")
}
