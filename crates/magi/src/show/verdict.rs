//! The verdict as text: what stands on stdout when a deliberation is over.

use std::fmt::Write;

use magi_event::{
    Agent, AgentComplete, Complete, FinalDecision, Mode, Sage, Snapshot, Status, first_sentence,
};

use super::words::{self, Lang};

/// Returns the whole result of a deliberation that is over, for a person to read.
///
/// A failure is told as one: it has no verdict, and none is shown.
pub(crate) fn text(snapshot: &Snapshot, lang: Lang) -> String {
    let mut out = String::new();
    if snapshot.mode == Some(Mode::Rehearsal) {
        line(&mut out, rehearsal_mark(lang));
    }
    for (sage, lane) in &snapshot.sages {
        if let Some(done) = &lane.complete {
            line(&mut out, &vote_line(*sage, done, lang));
        }
    }
    match (&snapshot.verdict, &snapshot.cancelled, &snapshot.error) {
        (Some(verdict), _, _) => out.push_str(&verdict_text(verdict, lang)),
        (_, Some(cancelled), _) => line(
            &mut out,
            &format!("⏹ 中断 STOPPED  {} ({})", cancelled.reason, cancelled.by),
        ),
        (_, _, Some(failure)) => {
            let label = lang.pick("No verdict", "評決なし");
            line(
                &mut out,
                &format!("{label}: {} ({})", failure.message, failure.code),
            );
            out.push_str(&missing_text(&failure.missing, lang));
        }
        (None, None, None) => line(&mut out, words::status(lang, snapshot.status)),
    }
    out
}

/// Returns the mark that stands over everything a rehearsal shows.
pub(crate) const fn rehearsal_mark(lang: Lang) -> &'static str {
    lang.pick(
        "REHEARSAL: written scenes, no model was asked",
        "リハーサル REHEARSAL: 台本による再演です。モデルには問い合わせていません",
    )
}

/// Returns one sage's vote in a line.
pub(crate) fn vote_line(sage: Sage, done: &AgentComplete, lang: Lang) -> String {
    let agent = Agent::Sage(sage);
    let mut text = format!(
        "{} {:<9} {}",
        words::shape(agent),
        words::name(agent),
        words::seal(done.decision)
    );
    if let Some(confidence) = done.confidence {
        let label = lang.pick("confidence", "確信度");
        let _ = write!(text, "  {label} {:.0}%", confidence.get() * 100.0);
    }
    if let Some(cause) = done.cause {
        let _ = write!(text, "  ({})", words::cause(lang, cause));
    }
    let reason = first_sentence(&done.reasoning);
    if !reason.is_empty() {
        let _ = write!(text, "\n    {reason}");
    }
    text
}

fn verdict_text(verdict: &Complete, lang: Lang) -> String {
    let judgment = &verdict.solomon_judgment;
    let mut out = String::new();
    line(
        &mut out,
        &format!(
            "◆ SOLOMON   {}  {}{}",
            words::final_seal(verdict.final_decision),
            verdict.voting_result.agreement(),
            standing(verdict, lang)
        ),
    );
    field(&mut out, lang.pick("Why", "理由"), &judgment.reasoning);
    if let Some(dissent) = &judgment.dissent {
        let whose = dissent.agent.map_or(String::new(), |sage| {
            format!(
                "{} {}: ",
                words::shape(sage.into()),
                words::name(sage.into())
            )
        });
        field(
            &mut out,
            lang.pick(
                "Strongest objection to this verdict",
                "この結論への最も強い反論",
            ),
            &format!("{whose}{}", dissent.text),
        );
    }
    list(
        &mut out,
        conditions_title(verdict.final_decision, lang),
        &judgment.conditions,
    );
    list(
        &mut out,
        lang.pick("Would change it", "結論が変わるとすれば"),
        &judgment.would_change,
    );
    out.push_str(&missing_text(&verdict.missing, lang));
    field(
        &mut out,
        lang.pick("What to do", "次の一手"),
        &verdict.recommendation,
    );
    out
}

/// Conditions are those of going ahead; where the council does not advise that, their title says so.
fn conditions_title(decision: FinalDecision, lang: Lang) -> &'static str {
    match decision {
        FinalDecision::Approved => lang.pick("Conditions", "条件"),
        _ => lang.pick("Conditions, if it goes ahead anyway", "進める場合の条件"),
    }
}

/// Says how the judge stands to the votes, and whether something is missing.
fn standing(verdict: &Complete, lang: Lang) -> String {
    let mut words = Vec::new();
    if verdict.solomon_judgment.is_split_panel() {
        words.push(lang.pick("the panel was split", "裁定パネルの判断は割れた"));
    } else if verdict.overruled {
        words.push(lang.pick("the judge overruled the votes", "裁定者が票の結果を覆した"));
    } else if verdict.judge_agrees == Some(false) {
        words.push(lang.pick(
            "the judge dissents from the votes",
            "裁定者は票の結果に不同意",
        ));
    }
    if verdict.status == Status::Degraded {
        words.push(lang.pick("degraded: something is missing", "一部欠落あり"));
    }
    if words.is_empty() {
        String::new()
    } else {
        format!("  ({})", words.join("; "))
    }
}

fn missing_text(missing: &[magi_event::Missing], lang: Lang) -> String {
    let mut out = String::new();
    for part in missing {
        let message = part
            .message
            .as_deref()
            .map_or(String::new(), |text| format!(": {text}"));
        let label = lang.pick("missing", "欠落");
        line(
            &mut out,
            &format!(
                "  ! {label} {} {} ({}){message}",
                words::shape(part.agent),
                words::name(part.agent),
                words::cause(lang, part.cause)
            ),
        );
    }
    out
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

fn field(out: &mut String, label: &str, text: &str) {
    if !text.is_empty() {
        let text = text.trim().replace('\n', "\n      ");
        line(out, &format!("  {label}: {text}"));
    }
}

fn list(out: &mut String, label: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    line(out, &format!("  {label}:"));
    for item in items {
        line(out, &format!("    - {item}"));
    }
}
