//! What each part of a deliberation keeps to: the sages, the tally, the judge, the verdict.

use super::{Checker, Found, Invariant, hold};
use crate::{
    Agent, AgentComplete, AttemptError, Cause, Complete, CouncilInfo, Decision, FinalDecision,
    JudgeComplete, JudgeLane, JudgeStart, Lane, LaneState, Note, Rule, Sage, SageLane, Status,
    Tally, Trace, Votes, text_sha256,
};

/// Tells whether each sage stands in the list at most once, and only sages of the council do.
fn is_part_of(sages: &[Sage], council: &CouncilInfo) -> bool {
    sages
        .iter()
        .enumerate()
        .all(|(place, sage)| council.sages.contains(sage) && !sages[..place].contains(sage))
}

pub(super) fn council(council: &CouncilInfo) -> Found {
    let is_whole = is_part_of(&council.sages, council)
        && !council.sages.is_empty()
        && (1..=council.sages.len()).contains(&(council.quorum as usize))
        && match council.rule {
            Rule::Veto(sage) => council.sages.contains(&sage),
            Rule::Majority | Rule::Unanimous | Rule::Judge => true,
        };
    hold(is_whole, Invariant::Council, || {
        format!(
            "{} sages, quorum {}, rule {}",
            council.sages.len(),
            council.quorum,
            council.rule
        )
    })
}

pub(super) fn span(trace: &Trace) -> Found {
    let is_id = |id: &str| {
        id.len() == 16
            && id
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let all_are = is_id(&trace.span_id) && trace.parent_id.as_deref().is_none_or(is_id);
    hold(all_are, Invariant::Span, || {
        format!("`{}` of {:?}", trace.span_id, trace.parent_id)
    })
}

fn begins<D>(lane: &Lane<D>, attempt: u32) -> Found {
    hold(attempt == lane.attempt + 1, Invariant::Attempt, || {
        format!("attempt {attempt} begins after attempt {}", lane.attempt)
    })
}

pub(super) fn speaks<D>(lane: &Lane<D>) -> Found {
    let is_open = match lane.state {
        LaneState::Connecting | LaneState::Thinking | LaneState::Writing => true,
        LaneState::Waiting | LaneState::Retrying | LaneState::Failed | LaneState::Done => false,
    };
    hold(is_open, Invariant::OutsideAttempt, || {
        format!("the role is {:?}", lane.state)
    })
}

/// A failure may be told of an attempt that failed already: a deadline that ran out while the next
/// one was waited for.
pub(super) fn fails<D>(lane: &Lane<D>, attempt: u32) -> Found {
    let is_running = attempt == lane.attempt && lane.state != LaneState::Done;
    hold(is_running && attempt > 0, Invariant::Attempt, || {
        format!("attempt {attempt} fails, the newest is {}", lane.attempt)
    })
}

/// The judge may be stopped before it is called: attempt 0 fails then, for good.
pub(super) fn judge_fails(lane: &JudgeLane, error: &AttemptError) -> Found {
    let is_before = lane.attempt == 0 && error.attempt == 0;
    if is_before && !error.retryable && error.code == Cause::Stopped.word() {
        return Ok(());
    }
    fails(lane, error.attempt)
}

fn completes<D>(lane: &Lane<D>, attempt: u32, (bytes, sha256): (u64, &str)) -> Found {
    hold(
        attempt != lane.attempt || lane.state != LaneState::Done,
        Invariant::OneComplete,
        || format!("attempt {attempt} again"),
    )?;
    hold(
        attempt == lane.attempt && attempt > 0,
        Invariant::Attempt,
        || format!("attempt {attempt} ends, the newest is {}", lane.attempt),
    )?;
    hold(bytes == lane.text.len() as u64, Invariant::Text, || {
        format!("{bytes} bytes, its chunks have {}", lane.text.len())
    })?;
    let expected = text_sha256(&lane.text);
    hold(sha256 == expected, Invariant::Text, || {
        format!("sha256 {sha256}, its chunks have {expected}")
    })
}

/// One judge decides; a panel's majority does, and one of those who judged speaks for it.
fn panel(complete: &JudgeComplete) -> Found {
    let votes = &complete.panel;
    let n = |decision| {
        let with = votes
            .iter()
            .filter(|one| one.final_decision == Some(decision));
        with.count()
    };
    let (approved, rejected) = (n(FinalDecision::Approved), n(FinalDecision::Rejected));
    let expected = match approved.cmp(&rejected) {
        std::cmp::Ordering::Greater => FinalDecision::Approved,
        std::cmp::Ordering::Less => FinalDecision::Rejected,
        std::cmp::Ordering::Equal => FinalDecision::Undecided,
    };
    let mut speakers = votes.iter().filter(|one| one.speaks);
    let has_speaker = speakers
        .next()
        .is_some_and(|one| one.final_decision.is_some())
        && speakers.next().is_none();
    let is_right = if votes.is_empty() {
        complete.final_decision != FinalDecision::Undecided
    } else {
        complete.final_decision == expected && has_speaker
    };
    hold(is_right, Invariant::Judgment, || {
        format!(
            "{} of a panel {approved}-{rejected}",
            complete.final_decision
        )
    })
}

impl Checker {
    pub(super) fn council(&self) -> Result<&CouncilInfo, (Invariant, String)> {
        let none = || (Invariant::StartFirst, "nothing began".to_owned());
        self.fold.council.as_ref().ok_or_else(none)
    }

    fn lane(&self, sage: Sage) -> Result<&SageLane, (Invariant, String)> {
        let outsider = || (Invariant::Outsider, sage.to_string());
        self.fold.sages.get(&sage).ok_or_else(outsider)
    }

    pub(super) fn sage_begins(&self, sage: Sage, attempt: u32) -> Found {
        let lane = self.lane(sage)?;
        hold(self.has_set_out != Some(false), Invariant::Council, || {
            format!("{sage} begins before `sages_start`")
        })?;
        begins(lane, attempt)
    }

    pub(super) fn sage_speaks(&self, sage: Sage) -> Found {
        speaks(self.lane(sage)?)
    }

    pub(super) fn sage_fails(&self, sage: Sage, attempt: u32) -> Found {
        fails(self.lane(sage)?, attempt)
    }

    pub(super) fn sage_completes(&self, sage: Sage, complete: &AgentComplete) -> Found {
        let text = (complete.text_bytes, complete.text_sha256.as_str());
        completes(self.lane(sage)?, complete.attempt, text)?;
        hold(
            (complete.decision == Decision::Abstained) == complete.cause.is_some(),
            Invariant::Cause,
            || format!("{} with {:?}", complete.decision, complete.cause),
        )
    }

    /// Returns the last completion of every sage, in the council's order.
    fn completions(&self) -> Result<Vec<(Sage, &AgentComplete)>, (Invariant, String)> {
        let complete = |sage: &Sage| {
            let waiting = || (Invariant::EverySage, format!("{sage} is not done"));
            let complete = self.lane(*sage)?.complete.as_ref();
            Ok((*sage, complete.ok_or_else(waiting)?))
        };
        self.council()?.sages.iter().map(complete).collect()
    }

    pub(super) fn tally(&self, tally: &Tally) -> Found {
        let council = self.council()?;
        let votes = count(&self.completions()?);
        let counted = Votes {
            approved: tally.approved,
            rejected: tally.rejected,
            abstained: tally.abstained,
        };
        hold(
            counted == votes
                && tally.agreement == votes.agreement()
                && tally.quorum == council.quorum,
            Invariant::Tally,
            || {
                let found = counted.agreement();
                format!(
                    "{found} ({}), the votes are {}",
                    tally.agreement,
                    votes.agreement()
                )
            },
        )?;
        let expected = outcome(council, &self.completions()?);
        hold(tally.outcome == expected, Invariant::Outcome, || {
            format!("{}, the votes give {expected}", tally.outcome)
        })
    }

    pub(super) fn judge_begins(&self, start: &JudgeStart) -> Found {
        let council = self.council()?;
        let early = || {
            (
                Invariant::JudgeEarly,
                "the votes are not counted".to_owned(),
            )
        };
        let tally = self.fold.tally.as_ref().ok_or_else(early)?;
        self.tally(tally)
            .map_err(|(_, detail)| (Invariant::JudgeEarly, detail))?;
        let valid = tally.approved + tally.rejected;
        hold(valid >= council.quorum, Invariant::JudgeEarly, || {
            format!("{valid} valid votes of {}", council.quorum)
        })?;
        hold(
            is_part_of(&start.order, council),
            Invariant::Judgment,
            || format!("order {:?}", start.order),
        )?;
        begins(&self.fold.judge, start.attempt)
    }

    pub(super) fn judge_completes(&self, complete: &JudgeComplete) -> Found {
        let text = (complete.text_bytes, complete.text_sha256.as_str());
        completes(&self.fold.judge, complete.attempt, text)?;
        let direction = direction(self.council()?, &self.completions()?);
        let agrees = Some(complete.final_decision == direction);
        hold(complete.judge_agrees == agrees, Invariant::Judgment, || {
            format!(
                "agrees {:?}, the votes say {direction}",
                complete.judge_agrees
            )
        })?;
        let scored: Vec<Sage> = complete.sage_scores.keys().copied().collect();
        let are_in_range = complete
            .sage_scores
            .values()
            .all(|score| (0.0..=100.0).contains(score));
        hold(
            are_in_range && is_part_of(&scored, self.council()?),
            Invariant::Judgment,
            || format!("scores {:?}", complete.sage_scores),
        )?;
        panel(complete)
    }

    pub(super) fn note(&self, note: &Note) -> Found {
        let is_known = match note.to.parse() {
            Ok(Agent::Sage(sage)) => self.council()?.sages.contains(&sage),
            Ok(Agent::Judge) => true,
            Err(_) => note.to == "all",
        };
        hold(is_known, Invariant::NoteTo, || format!("to `{}`", note.to))
    }

    pub(super) fn verdict(&self, complete: &Complete) -> Found {
        hold(
            complete.trace_id == self.fold.trace_id,
            Invariant::Identity,
            || format!("its data says {}", complete.trace_id),
        )?;
        let done = self.completions()?;
        let none = || (Invariant::Verdict, "the votes were not counted".to_owned());
        let tally = self.fold.tally.as_ref().ok_or_else(none)?;
        self.tally(tally)?;
        hold(
            complete.voting_result == count(&done),
            Invariant::Verdict,
            || {
                format!(
                    "{}, not {}",
                    complete.voting_result.agreement(),
                    tally.agreement
                )
            },
        )?;
        let is_cast = |complete: &AgentComplete| complete.cause.is_none_or(|cause| cause.is_cast());
        hold(
            done.iter().any(|(_, complete)| is_cast(complete)),
            Invariant::NoVotes,
            || "every vote is missing".to_owned(),
        )?;
        self.judgment(complete)?;
        self.decision(complete, tally)?;
        self.missing(complete, &done)
    }

    /// Returns the judgment, when the judge's newest attempt gave one.
    fn judged(&self) -> Option<&JudgeComplete> {
        let judge = &self.fold.judge;
        judge
            .complete
            .as_ref()
            .filter(|_| judge.state == LaneState::Done)
    }

    fn judgment(&self, complete: &Complete) -> Found {
        let said = &complete.solomon_judgment;
        let is_repeated = match self.judged() {
            Some(judged) => said == judged,
            None => {
                self.fold.judge.complete.is_some()
                    || (said.final_decision == FinalDecision::Undecided
                        && said.judge_agrees.is_none())
            }
        };
        hold(
            is_repeated && complete.judge_agrees == said.judge_agrees,
            Invariant::Verdict,
            || format!("the judgment is {}", said.final_decision),
        )
    }

    fn decision(&self, complete: &Complete, tally: &Tally) -> Found {
        let is_judges = self.council()?.rule == Rule::Judge;
        let expected = if is_judges {
            complete.solomon_judgment.final_decision
        } else {
            tally.outcome
        };
        hold(
            complete.final_decision == expected,
            Invariant::FinalDecision,
            || format!("{}, expected {expected}", complete.final_decision),
        )?;
        let direction = direction(self.council()?, &self.completions()?);
        let overrules = is_judges
            && self.fold.judge.complete.is_some()
            && direction != FinalDecision::Undecided
            // A panel that is split decides nothing, so it overrules nothing.
            && complete.solomon_judgment.final_decision != FinalDecision::Undecided
            && complete.solomon_judgment.judge_agrees == Some(false);
        hold(
            complete.overruled == overrules,
            Invariant::Overruled,
            || format!("{}, the votes say {direction}", complete.overruled),
        )
    }

    fn missing(&self, complete: &Complete, done: &[(Sage, &AgentComplete)]) -> Found {
        let listed = |agent: Agent| {
            let mut entries = complete.missing.iter().filter(|entry| entry.agent == agent);
            (entries.next().map(|entry| entry.cause), entries.next())
        };
        for (sage, complete) in done {
            let cause = complete.cause.filter(|cause| !cause.is_cast());
            let found = listed(Agent::Sage(*sage));
            hold(found == (cause, None), Invariant::Missing, || {
                format!("{sage} is missing by {cause:?}, listed {found:?}")
            })?;
        }
        // A judge who was called on votes that then fell below the quorum is not needed any more.
        let is_needed = complete.voting_result.valid() >= self.council()?.quorum;
        let failed = is_needed && self.fold.judge.attempt > 0 && self.judged().is_none();
        let (cause, again) = listed(Agent::Judge);
        let is_well_listed = (cause.is_some() || !failed)
            && cause.is_none_or(|cause| !cause.is_cast())
            && again.is_none();
        hold(is_well_listed, Invariant::Missing, || {
            format!("the judge is listed with {cause:?}")
        })?;
        let sages = &self.council()?.sages;
        let is_member = |agent: Agent| agent.sage().is_none_or(|sage| sages.contains(&sage));
        let status = if complete.missing.is_empty() {
            Status::Completed
        } else {
            Status::Degraded
        };
        hold(
            complete.status == status
                && complete.missing.iter().all(|entry| is_member(entry.agent)),
            Invariant::Missing,
            || format!("{} with {:?}", complete.status, complete.missing),
        )
    }
}

pub(crate) fn count(done: &[(Sage, &AgentComplete)]) -> Votes {
    let mut votes = Votes::default();
    for (_, complete) in done {
        match complete.decision {
            Decision::Approved => votes.approved += 1,
            Decision::Rejected => votes.rejected += 1,
            Decision::Abstained => votes.abstained += 1,
        }
    }
    votes
}

/// Returns what the votes alone decide: nothing under rule `judge`.
pub(crate) fn outcome(council: &CouncilInfo, done: &[(Sage, &AgentComplete)]) -> FinalDecision {
    match council.rule {
        Rule::Judge => FinalDecision::Undecided,
        Rule::Majority | Rule::Unanimous | Rule::Veto(_) => direction(council, done),
    }
}

/// Returns what the votes alone say: the majority under rule `judge`.
pub(crate) fn direction(council: &CouncilInfo, done: &[(Sage, &AgentComplete)]) -> FinalDecision {
    let votes = count(done);
    let majority = match votes.approved.cmp(&votes.rejected) {
        std::cmp::Ordering::Greater => FinalDecision::Approved,
        std::cmp::Ordering::Less => FinalDecision::Rejected,
        std::cmp::Ordering::Equal => FinalDecision::Undecided,
    };
    if votes.valid() < council.quorum {
        return FinalDecision::Undecided;
    }
    match council.rule {
        Rule::Majority | Rule::Judge => majority,
        Rule::Unanimous if votes.approved == votes.sages() => FinalDecision::Approved,
        Rule::Unanimous if votes.rejected == votes.sages() => FinalDecision::Rejected,
        Rule::Unanimous => FinalDecision::Undecided,
        Rule::Veto(sage) => {
            let veto = done.iter().find(|(one, _)| *one == sage);
            match veto.map(|(_, complete)| complete.decision) {
                Some(Decision::Rejected) => FinalDecision::Rejected,
                Some(Decision::Approved) => majority,
                Some(Decision::Abstained) | None => FinalDecision::Undecided,
            }
        }
    }
}
