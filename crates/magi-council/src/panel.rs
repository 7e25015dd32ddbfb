//! The judge's panel: where every model of the judge has failed, several models judge in its place,
//! each by itself, and what they say is put together in code.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use magi_event::{
    Agent, AttemptError, Cause, FinalDecision, JudgeComplete, PANEL, PanelVote, Sage,
};
use magi_log::Closed;
use magi_model::ModelName;
use serde_json::json;

use crate::Role;
use crate::deadline::Allowance;
use crate::judge::{self, JudgeEnd};
use crate::lane::Lane;
use crate::member::Member;
use crate::prompt::{self, Argument};
use crate::stage::{Span, Stage};
use crate::words;

/// The code of the `judge_error` of a panel that came to nothing.
const FAILED: &str = "panel_failed";

/// How many must judge: what one model says alone is no panel's word.
const LEAST: usize = 2;

/// The judge's time is kept for its panel to this part: a third.
const SHARE: u32 = 3;

/// A model of the panel, and what it came to.
#[derive(Clone, Debug, PartialEq)]
struct Seat {
    model: String,
    came: Result<JudgeComplete, (Cause, String)>,
}

/// A panel about to judge.
pub(crate) struct Panel<'a> {
    pub(crate) stage: &'a Stage,
    pub(crate) lane: &'a Lane,
    pub(crate) span: &'a Span,
    pub(crate) role: &'a Role,
    pub(crate) arguments: &'a [Argument],
    /// What the votes alone say.
    pub(crate) direction: FinalDecision,
    pub(crate) allowance: Allowance<'a>,
}

/// Returns how much of the judge's time is kept aside for its panel.
pub(crate) fn kept(role: &Role, total: Duration) -> Duration {
    if role.panel.is_empty() {
        Duration::ZERO
    } else {
        total / SHARE
    }
}

impl Panel<'_> {
    /// Lets every model judge by itself, all at once, each once and with its own order of the sages;
    /// the order of the n-th is that of `order_seed` + n. Nothing is shown before all have ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping it cancels every call; what they used is in the lane.
    pub(crate) async fn judge(&self, order_seed: u32) -> Result<JudgeEnd, Closed> {
        let models = &self.role.panel;
        let names: Vec<String> = models.iter().map(ToString::to_string).collect();
        let model = ModelName {
            provider: PANEL.to_owned(),
            model: names.join(", "),
        };
        self.lane.restart(&self.stage.writer, &model)?;
        let seats = models
            .iter()
            .zip(1..)
            .map(|(model, n)| self.seat(model, order_seed.wrapping_add(n)));
        let seats: Result<Vec<Seat>, Closed> = join_all(seats).await.into_iter().collect();
        let seats = seats?;
        match merge(&seats) {
            Some(merged) => self.say(merged, seats),
            None => self.fail(&seats),
        }
    }

    async fn seat(&self, model: &ModelName, order_seed: u32) -> Result<Seat, Closed> {
        let stage = self.stage;
        let arguments = reordered(self.arguments, order_seed);
        let attributes = json!({
            "provider": model.provider,
            "model": model.model,
            "order_seed": order_seed,
        });
        let span = stage.begin(&self.span.id, "panel.member", None, attributes)?;
        let call = || {
            let notes = stage.notes_for(Agent::Judge);
            self.lane.hear(stage.notes().len());
            let matter = stage.setup.matter(&notes);
            prompt::judge(self.role, &matter, &arguments, stage.env.entropy.as_ref())
        };
        let member = Member {
            stage,
            lane: self.lane,
            span: &span,
            allowance: self.allowance,
            read: judge::read_verdict,
            models: Vec::new(),
            call: &call,
            may_refuse: false,
            is_aloud: false,
            is_followed: false,
        };
        let came = match member.once(model).await? {
            Ok(judgment) => {
                let complete = judge::judged(self.lane.end(), judgment, &arguments, self.direction);
                stage.end(&span, json!({"decision": complete.final_decision}))?;
                Ok(complete)
            }
            Err(failure) => {
                stage.end(&span, json!({"error": failure.code()}))?;
                Err((failure.cause(), words::failed(stage.setup.lang, &failure)))
            }
        };
        Ok(Seat {
            model: model.to_string(),
            came,
        })
    }

    /// Says what the panel came to, in the words of the one who is nearest to it.
    fn say(&self, merged: Merged, seats: Vec<Seat>) -> Result<JudgeEnd, Closed> {
        let lang = self.stage.setup.lang;
        let mut panel: Vec<PanelVote> = seats.iter().map(Seat::vote).collect();
        let speaks = merged.speaks;
        let speaker = seats
            .into_iter()
            .nth(speaks)
            .map(|seat| (seat.model, seat.came));
        let Some((model, Ok(said))) = speaker else {
            // `merge` chose one that judged.
            return Ok(JudgeEnd::Failed {
                cause: Cause::Failed,
                message: words::panel_failed(lang, &[]),
            });
        };
        if let Some(vote) = panel.get_mut(speaks) {
            vote.speaks = true;
        }
        let head = words::panel(lang, &panel, &model);
        let text = format!("{head}\n\n{}", said.reasoning.trim());
        self.lane.token();
        self.lane.chunk(&self.stage.writer, &text)?;
        let end = self.lane.end();
        Ok(JudgeEnd::Judged(Box::new(JudgeComplete {
            final_decision: merged.decision,
            reasoning: text,
            // How sure one member is says nothing of the panel; its votes are there to be counted.
            confidence: None,
            sage_scores: merged.scores,
            judge_agrees: Some(merged.decision == self.direction),
            attempt: end.attempt,
            text_bytes: end.text_bytes,
            text_sha256: end.text_sha256,
            usage: end.usage,
            cost_usd: end.cost_usd,
            first_token_ms: end.first_token_ms,
            execution_time: end.execution_time,
            panel,
            ..said
        })))
    }

    fn fail(&self, seats: &[Seat]) -> Result<JudgeEnd, Closed> {
        let panel: Vec<PanelVote> = seats.iter().map(Seat::vote).collect();
        let message = words::panel_failed(self.stage.setup.lang, &panel);
        let error = self.lane.error(AttemptError {
            code: FAILED.to_owned(),
            message: message.clone(),
            attempt: self.lane.attempt(),
            retryable: false,
            retry_in: None,
        });
        self.stage.milestone(vec![error])?;
        let mut causes = seats.iter().filter_map(|seat| seat.came.as_ref().err());
        let is_late = causes.all(|(cause, _)| *cause == Cause::Timeout);
        let cause = if is_late {
            Cause::Timeout
        } else {
            Cause::Failed
        };
        Ok(JudgeEnd::Failed { cause, message })
    }
}

/// Returns the arguments in the order of a seed, whatever order they come in.
fn reordered(arguments: &[Argument], seed: u32) -> Vec<Argument> {
    let mut sages: Vec<Sage> = arguments.iter().map(|argument| argument.sage).collect();
    sages.sort();
    let order = judge::order(&sages, seed);
    let of = |sage: &Sage| arguments.iter().find(|argument| argument.sage == *sage);
    order.iter().filter_map(of).cloned().collect()
}

impl Seat {
    fn vote(&self) -> PanelVote {
        let judged = self.came.as_ref().ok();
        let error = self.came.as_ref().err();
        PanelVote {
            model: self.model.clone(),
            final_decision: judged.map(|judged| judged.final_decision),
            sage_scores: judged.map_or_else(BTreeMap::new, |one| one.sage_scores.clone()),
            error: error.map(|(_, message)| message.clone()),
            speaks: false,
        }
    }
}

/// What a panel came to.
#[derive(Clone, Debug, PartialEq)]
struct Merged {
    decision: FinalDecision,
    scores: BTreeMap<Sage, f64>,
    /// The place of the one whose words stand for it.
    speaks: usize,
}

/// Puts together what was judged: the majority's decision, undecided where there is none; the median of
/// the scores; and who decided likewise with the nearest scores, the first of equals. `None` where
/// fewer than two judged.
fn merge(seats: &[Seat]) -> Option<Merged> {
    let judged: Vec<(usize, &JudgeComplete)> = seats
        .iter()
        .enumerate()
        .filter_map(|(place, seat)| Some((place, seat.came.as_ref().ok()?)))
        .collect();
    if judged.len() < LEAST {
        return None;
    }
    let n = |decision| {
        let with = judged
            .iter()
            .filter(|(_, one)| one.final_decision == decision);
        with.count()
    };
    let decision = match n(FinalDecision::Approved).cmp(&n(FinalDecision::Rejected)) {
        std::cmp::Ordering::Greater => FinalDecision::Approved,
        std::cmp::Ordering::Less => FinalDecision::Rejected,
        std::cmp::Ordering::Equal => FinalDecision::Undecided,
    };
    let scores: BTreeMap<Sage, f64> = Sage::ALL
        .into_iter()
        .filter_map(|sage| {
            let given = judged
                .iter()
                .filter_map(|(_, one)| one.sage_scores.get(&sage));
            Some((sage, median(given.copied().collect())?))
        })
        .collect();
    let is_with_it = |one: &JudgeComplete| {
        decision == FinalDecision::Undecided || one.final_decision == decision
    };
    let distance = |one: &JudgeComplete| -> f64 {
        let from = |(sage, score): (&Sage, &f64)| {
            let own = one.sage_scores.get(sage);
            own.map_or(100.0, |own| (own - score).abs())
        };
        scores.iter().map(from).sum()
    };
    let with_it = judged.iter().filter(|(_, one)| is_with_it(one));
    let nearest = with_it.min_by(|(_, one), (_, other)| distance(one).total_cmp(&distance(other)));
    let speaks = nearest.map(|(place, _)| *place)?;
    Some(Merged {
        decision,
        scores,
        speaks,
    })
}

/// Returns the middle value; of an even number, the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = values.get(middle.checked_sub(1)?)?;
    Some(f64::midpoint(*lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a seat of a decision and the three scores, or of a failure.
    fn seat(decision: &str, scores: [f64; 3]) -> Seat {
        let mut judged = judge::none(String::new(), None);
        judged.final_decision = match decision {
            "A" => FinalDecision::Approved,
            "R" => FinalDecision::Rejected,
            _ => {
                return Seat {
                    model: "m:x".into(),
                    came: Err((Cause::Failed, "no".into())),
                };
            }
        };
        judged.sage_scores = Sage::ALL.into_iter().zip(scores).collect();
        Seat {
            model: "m:x".into(),
            came: Ok(judged),
        }
    }

    fn merged(seats: &[(&str, [f64; 3])]) -> Option<(FinalDecision, [f64; 3], usize)> {
        let seats: Vec<Seat> = seats
            .iter()
            .map(|(one, scores)| seat(one, *scores))
            .collect();
        let merged = merge(&seats)?;
        let scores: Vec<f64> = merged.scores.into_values().collect();
        Some((merged.decision, scores.try_into().unwrap(), merged.speaks))
    }

    #[test]
    fn the_majority_decides_and_the_nearest_of_it_speaks() {
        use FinalDecision::{Approved, Rejected, Undecided};
        let (low, mid, high) = ([10.0; 3], [50.0, 40.0, 30.0], [90.0; 3]);
        for (seats, expected) in [
            (
                vec![("A", low), ("A", high), ("R", mid)],
                Some((Approved, mid, 0)),
            ),
            (
                vec![("R", low), ("A", high), ("R", mid)],
                Some((Rejected, mid, 2)),
            ),
            (
                vec![("A", low), ("R", high)],
                Some((Undecided, [50.0; 3], 0)),
            ),
            (
                vec![("A", mid), ("R", mid), ("-", low)],
                Some((Undecided, mid, 0)),
            ),
            (
                vec![("-", low), ("A", mid), ("A", mid)],
                Some((Approved, mid, 1)),
            ),
            (vec![("-", low), ("A", mid), ("-", mid)], None),
            (vec![("-", low), ("-", low)], None),
            (
                vec![("A", low), ("R", high), ("R", mid), ("A", mid), ("A", high)],
                Some((Approved, mid, 3)),
            ),
        ] {
            assert_eq!(merged(&seats), expected, "{seats:?}");
        }
    }

    #[test]
    fn a_score_that_nobody_gave_is_not_invented() {
        let mut seats = vec![seat("A", [10.0, 20.0, 30.0]), seat("A", [20.0, 20.0, 30.0])];
        for seat in &mut seats {
            if let Ok(judged) = &mut seat.came {
                judged.sage_scores.remove(&Sage::Melchior);
            }
        }
        let merged = merge(&seats).unwrap();
        assert!(!merged.scores.contains_key(&Sage::Melchior));
        assert!((merged.scores[&Sage::Caspar] - 15.0).abs() < f64::EPSILON);
    }

    #[test]
    fn every_order_is_a_whole_one_and_its_seed_repeats_it() {
        let argument = |sage| Argument {
            sage,
            decision: magi_event::Decision::Approved,
            prose: String::new(),
            reasoning: String::new(),
            conditions: Vec::new(),
            would_change: Vec::new(),
        };
        let one: Vec<Argument> = Sage::ALL.into_iter().map(argument).collect();
        let other: Vec<Argument> = one.iter().rev().cloned().collect();
        for seed in 0..20 {
            assert_eq!(reordered(&one, seed), reordered(&other, seed));
            assert_eq!(reordered(&one, seed).len(), 3);
        }
    }
}
