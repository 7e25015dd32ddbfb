//! The judge: sees the sages' arguments without their names, in a shuffled order, and gives the
//! verdict.

use std::collections::BTreeMap;

use magi_event::{
    Agent, Cause, Decision, Dissent, FinalDecision, JudgeComplete, Sage, text_sha256,
};
use magi_log::Closed;
use serde_json::json;
use tokio::time::Instant;

use crate::deadline::Allowance;
use crate::lane::{Lane, LaneEnd};
use crate::member::{Came, Member};
use crate::panel::{self, Panel};
use crate::prompt::{self, Argument};
use crate::stage::{SpanId, Stage};
use crate::vote::{Answer, Judgment, JudgmentReading, Why, read_judgment};

/// How the judge ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum JudgeEnd {
    /// With a judgment.
    Judged(Box<JudgeComplete>),
    /// Without one.
    Failed { cause: Cause, message: String },
}

/// Shuffles the sages by a seed, the same seed always alike, so that a reader of the log can do it
/// again.
///
/// Source: Fisher and Yates, driven by SplitMix64.
pub(crate) fn order(sages: &[Sage], seed: u32) -> Vec<Sage> {
    let mut order = sages.to_vec();
    let mut state = u64::from(seed);
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    for last in (1..order.len()).rev() {
        // At most three sages: the remainder is a small number on every target.
        let chosen = usize::try_from(next() % (last as u64 + 1)).unwrap_or(0);
        order.swap(last, chosen);
    }
    order
}

pub(crate) fn read_verdict(answer: &Answer<'_>) -> Result<Judgment, Why> {
    match read_judgment(answer) {
        JudgmentReading::Judgment(judgment) => Ok(judgment),
        JudgmentReading::Unparsable { why } => Err(why),
    }
}

/// Runs the judge, whose present attempt's `judge_start` is already in the log, on arguments in the
/// order in which it is to see them. `direction` is what the votes alone say.
///
/// # Cancel safety
///
/// Dropping it cancels its call; the lane then says how far it came.
pub(crate) async fn run(
    stage: &Stage,
    lane: &Lane,
    arguments: &[Argument],
    direction: FinalDecision,
    parent: &SpanId,
) -> Result<JudgeEnd, Closed> {
    let span = stage.begin(parent, "judge", None, json!({}))?;
    let council = &stage.setup.council;
    let Some(role) = stage.setup.role(Agent::Judge) else {
        return Ok(JudgeEnd::Failed {
            cause: Cause::Failed,
            message: "no role".to_owned(),
        });
    };
    let call = || {
        let notes = stage.notes_for(Agent::Judge);
        lane.hear(stage.notes().len());
        let matter = stage.setup.matter(&notes);
        prompt::judge(role, &matter, arguments, stage.env.entropy.as_ref())
    };
    let kept = panel::kept(role, council.deadlines.judge_total);
    let total = council.deadlines.judge_total.saturating_sub(kept);
    // Its time is its own: it ends with the whole, which keeps as much aside for it.
    let (deadlines, pauses) = (&council.deadlines, &stage.control.pauses);
    let allowance = Allowance::new(total, Instant::now() + total, deadlines, pauses);
    let member = Member {
        stage,
        lane,
        span: &span,
        allowance,
        read: read_verdict,
        models: council.models(Agent::Judge),
        call: &call,
        may_refuse: false,
        is_aloud: true,
        is_followed: !role.panel.is_empty(),
    };
    let end = match member.work().await? {
        Came::Read(judgment, _) => {
            JudgeEnd::Judged(Box::new(judged(lane.end(), judgment, arguments, direction)))
        }
        Came::Refused(_) | Came::Missing { .. } if !role.panel.is_empty() => {
            // What its own models left of the judge's time is the panel's too.
            let left = allowance.end().saturating_duration_since(Instant::now());
            let left = kept + left;
            let panel = Panel {
                stage,
                lane,
                span: &span,
                role,
                arguments,
                direction,
                allowance: Allowance::new(left, Instant::now() + left, deadlines, pauses),
            };
            panel.judge(lane.order_seed()).await?
        }
        Came::Refused(message) => JudgeEnd::Failed {
            cause: Cause::Failed,
            message,
        },
        Came::Missing { cause, message } => JudgeEnd::Failed { cause, message },
    };
    let attributes = match &end {
        JudgeEnd::Judged(complete) => json!({"decision": complete.final_decision}),
        JudgeEnd::Failed { cause, .. } => json!({"cause": cause}),
    };
    stage.end(&span, attributes)?;
    Ok(end)
}

/// Makes the event of a judgment on these arguments.
pub(crate) fn judged(
    end: LaneEnd,
    judgment: Judgment,
    arguments: &[Argument],
    direction: FinalDecision,
) -> JudgeComplete {
    let final_decision = match judgment.decision {
        Decision::Approved => FinalDecision::Approved,
        Decision::Rejected => FinalDecision::Rejected,
        Decision::Abstained => FinalDecision::Undecided,
    };
    let sage_of = |letter: char| {
        ('A'..='C')
            .zip(arguments)
            .find(|(own, _)| *own == letter)
            .map(|(_, argument)| argument.sage)
    };
    JudgeComplete {
        final_decision,
        reasoning: judgment
            .reasoning
            .filter(|reasoning| !reasoning.trim().is_empty())
            .unwrap_or_else(|| end.prose.trim().to_owned()),
        confidence: judgment.confidence,
        sage_scores: named(judgment.sage_scores, sage_of),
        score_reasons: named(judgment.score_reasons, sage_of),
        dissent: judgment.dissent.map(|dissent| Dissent {
            agent: dissent.sage.and_then(sage_of),
            text: dissent.text,
        }),
        conditions: judgment.conditions,
        would_change: judgment.would_change,
        judge_agrees: Some(final_decision == direction),
        attempt: end.attempt,
        text_bytes: end.text_bytes,
        text_sha256: end.text_sha256,
        usage: end.usage,
        cost_usd: end.cost_usd,
        first_token_ms: end.first_token_ms,
        execution_time: end.execution_time,
        panel: Vec::new(),
    }
}

/// Gives the letters their names back; a letter nobody has is dropped.
fn named<V>(
    by_letter: BTreeMap<char, V>,
    sage_of: impl Fn(char) -> Option<Sage>,
) -> BTreeMap<Sage, V> {
    by_letter
        .into_iter()
        .filter_map(|(letter, value)| Some((sage_of(letter)?, value)))
        .collect()
}

/// Makes what stands in the place of a judgment where there is none, with the reason.
pub(crate) fn none(reason: String, end: Option<LaneEnd>) -> JudgeComplete {
    let (attempt, text_bytes, sha256) = end.as_ref().map_or_else(
        || (0, 0, text_sha256("")),
        |end| (end.attempt, end.text_bytes, end.text_sha256.clone()),
    );
    JudgeComplete {
        final_decision: FinalDecision::Undecided,
        reasoning: reason,
        confidence: None,
        sage_scores: BTreeMap::new(),
        score_reasons: BTreeMap::new(),
        dissent: None,
        conditions: Vec::new(),
        would_change: Vec::new(),
        judge_agrees: None,
        attempt,
        text_bytes,
        text_sha256: sha256,
        usage: end.as_ref().and_then(|end| end.usage),
        cost_usd: end.as_ref().and_then(|end| end.cost_usd),
        first_token_ms: end.as_ref().and_then(|end| end.first_token_ms),
        execution_time: end.map_or(0, |end| end.execution_time),
        panel: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_a_permutation_and_its_seed_repeats_it() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let shuffled = order(&Sage::ALL, seed);
            assert_eq!(shuffled, order(&Sage::ALL, seed));
            let mut sorted = shuffled.clone();
            sorted.sort();
            assert_eq!(sorted, Sage::ALL);
            seen.insert(shuffled);
        }
        assert_eq!(seen.len(), 6, "every order comes up");
    }
}
