//! The tally and the outcome: counted in code, from a table that is tested whole.

use std::collections::BTreeMap;

use magi_event::{Cause, Decision, FinalDecision, Rule, Sage, Status, Votes};

/// What became of one sage's vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ballot {
    /// For the proposal.
    Approved,
    /// Against the proposal.
    Rejected,
    /// Cast, for neither.
    Abstained,
    /// There is none: the sage failed, was too late, could not be read or was stopped.
    Missing,
}

impl Ballot {
    /// Returns what an `agent_complete` counts as.
    #[must_use]
    pub const fn of(decision: Decision, cause: Option<Cause>) -> Self {
        match (decision, cause) {
            (Decision::Approved, _) => Ballot::Approved,
            (Decision::Rejected, _) => Ballot::Rejected,
            (Decision::Abstained, Some(cause)) if !cause.is_cast() => Ballot::Missing,
            (Decision::Abstained, _) => Ballot::Abstained,
        }
    }
}

/// What became of the judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Judged {
    /// It approves.
    Approved,
    /// It rejects.
    Rejected,
    /// A panel judged in its place and was split.
    Undecided,
    /// It was called and gave no judgment.
    Failed,
    /// It was not called: the quorum was lost, or the council has none.
    NotCalled,
}

/// The sages' votes, counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// The numbers.
    pub votes: Votes,
    /// What the votes alone decide under the rule; undecided under rule `judge`.
    pub outcome: FinalDecision,
    /// What the votes alone say: as `outcome`, but the plain majority under rule `judge`.
    pub direction: FinalDecision,
    /// Whether there are enough valid votes for a decision.
    pub has_quorum: bool,
    /// Whether every sage is missing.
    pub is_empty: bool,
    /// Whether at least one sage is missing.
    pub lacks_some: bool,
}

/// How a deliberation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All sages are missing: `error no_votes`.
    NoVotes,
    /// It comes to its end.
    Ended {
        /// `completed` or `degraded`.
        status: Status,
        /// The decision under the council's rule.
        decision: FinalDecision,
        /// Whether the judge agrees with the votes; `None` without a judge.
        judge_agrees: Option<bool>,
        /// Whether the judge decided against the votes.
        overruled: bool,
    },
}

/// Counts the votes of a council's sages.
#[must_use]
pub fn count(rule: Rule, quorum: u32, ballots: &BTreeMap<Sage, Ballot>) -> Count {
    let number = |of: &[Ballot]| {
        let number = ballots
            .values()
            .filter(|ballot| of.contains(ballot))
            .count();
        u32::try_from(number).unwrap_or(u32::MAX)
    };
    let votes = Votes {
        approved: number(&[Ballot::Approved]),
        rejected: number(&[Ballot::Rejected]),
        abstained: number(&[Ballot::Abstained, Ballot::Missing]),
    };
    let missing = number(&[Ballot::Missing]);
    let has_quorum = votes.valid() >= quorum && votes.valid() > 0;
    let direction = if has_quorum {
        direction(rule, votes, ballots)
    } else {
        FinalDecision::Undecided
    };
    Count {
        votes,
        outcome: match rule {
            Rule::Judge => FinalDecision::Undecided,
            Rule::Majority | Rule::Unanimous | Rule::Veto(_) => direction,
        },
        direction,
        has_quorum,
        is_empty: missing == votes.sages(),
        lacks_some: missing > 0,
    }
}

fn direction(rule: Rule, votes: Votes, ballots: &BTreeMap<Sage, Ballot>) -> FinalDecision {
    match rule {
        Rule::Majority | Rule::Judge => majority(votes),
        Rule::Unanimous if votes.approved == votes.sages() => FinalDecision::Approved,
        Rule::Unanimous if votes.rejected == votes.sages() => FinalDecision::Rejected,
        Rule::Unanimous => FinalDecision::Undecided,
        Rule::Veto(sage) => match ballots.get(&sage) {
            Some(Ballot::Rejected) => FinalDecision::Rejected,
            Some(Ballot::Approved) => majority(votes),
            Some(Ballot::Abstained | Ballot::Missing) | None => FinalDecision::Undecided,
        },
    }
}

fn majority(votes: Votes) -> FinalDecision {
    match votes.approved.cmp(&votes.rejected) {
        std::cmp::Ordering::Greater => FinalDecision::Approved,
        std::cmp::Ordering::Less => FinalDecision::Rejected,
        std::cmp::Ordering::Equal => FinalDecision::Undecided,
    }
}

/// Decides the outcome. A failure is never a verdict: it is `Undecided` or `degraded`, or both.
#[must_use]
pub fn outcome(rule: Rule, count: &Count, judged: Judged) -> Outcome {
    if count.is_empty {
        return Outcome::NoVotes;
    }
    // Without a quorum the judge is not called, so it can neither agree nor fail.
    let judged = if count.has_quorum {
        judged
    } else {
        Judged::NotCalled
    };
    let judgment = match judged {
        Judged::Approved => Some(FinalDecision::Approved),
        Judged::Rejected => Some(FinalDecision::Rejected),
        Judged::Undecided => Some(FinalDecision::Undecided),
        Judged::Failed | Judged::NotCalled => None,
    };
    let decision = match rule {
        Rule::Judge => judgment.unwrap_or(FinalDecision::Undecided),
        Rule::Majority | Rule::Unanimous | Rule::Veto(_) => count.outcome,
    };
    let lacks_judge = match judged {
        Judged::Failed => true,
        Judged::NotCalled => rule == Rule::Judge && count.has_quorum,
        Judged::Approved | Judged::Rejected | Judged::Undecided => false,
    };
    // Who decides nothing overrules nothing.
    let is_decided = count.direction != FinalDecision::Undecided && judged != Judged::Undecided;
    let judge_agrees = judgment.map(|judgment| judgment == count.direction);
    Outcome::Ended {
        status: if count.lacks_some || lacks_judge {
            Status::Degraded
        } else {
            Status::Completed
        },
        decision,
        judge_agrees,
        overruled: rule == Rule::Judge && is_decided && judge_agrees == Some(false),
    }
}
