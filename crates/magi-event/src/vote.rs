//! Votes, tallies and verdicts.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Sage;

/// What a sage decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Decision {
    /// For the proposal.
    Approved,
    /// Against the proposal.
    Rejected,
    /// Neither; the cause stands beside it.
    Abstained,
}

impl Decision {
    /// Returns the wire word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Decision::Approved => "APPROVED",
            Decision::Rejected => "REJECTED",
            Decision::Abstained => "ABSTAINED",
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What the council decides. A failure is never one of these: see [`Status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FinalDecision {
    /// The proposal is approved.
    Approved,
    /// The proposal is rejected.
    Rejected,
    /// There is no decision.
    Undecided,
}

impl FinalDecision {
    /// Returns the wire word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            FinalDecision::Approved => "APPROVED",
            FinalDecision::Rejected => "REJECTED",
            FinalDecision::Undecided => "UNDECIDED",
        }
    }
}

impl fmt::Display for FinalDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Why a sage abstained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The sage weighed the question and chose to abstain.
    Own,
    /// The rehearsal provider has no model's opinion to give.
    Rehearsal,
    /// The model refused to answer.
    Refused,
    /// The provider failed and no attempt was left.
    Failed,
    /// A deadline ran out and no attempt was left.
    Timeout,
    /// The answer held no readable vote, and neither did its repair.
    Unparsable,
    /// The sage was stopped.
    Stopped,
}

impl Cause {
    /// Tells whether the abstention was cast: the others are missing votes.
    #[must_use]
    pub const fn is_cast(self) -> bool {
        match self {
            Cause::Own | Cause::Rehearsal | Cause::Refused => true,
            Cause::Failed | Cause::Timeout | Cause::Unparsable | Cause::Stopped => false,
        }
    }

    /// Returns the wire word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Cause::Own => "own",
            Cause::Rehearsal => "rehearsal",
            Cause::Refused => "refused",
            Cause::Failed => "failed",
            Cause::Timeout => "timeout",
            Cause::Unparsable => "unparsable",
            Cause::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// How sure a model says it is: 0 to 1, both included, always finite.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("minimum" = 0.0, "maximum" = 1.0))]
pub struct Confidence(f64);

impl Confidence {
    /// Makes a confidence, or `None` outside 0..=1: it is never clamped, a wrong number is missing.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        (0.0..=1.0).contains(&value).then_some(Confidence(value))
    }

    /// Returns the number, 0 to 1.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Confidence {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(deserializer)?;
        Confidence::new(value)
            .ok_or_else(|| serde::de::Error::custom("confidence must be between 0 and 1"))
    }
}

/// How a deliberation stands or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It goes on.
    Running,
    /// It holds before the next model call.
    Paused,
    /// All sages and the judge did their part.
    Completed,
    /// It ended with something missing, which is listed with its cause.
    Degraded,
    /// Somebody, or nobody watching, ended it.
    Cancelled,
    /// It failed: there is no verdict.
    Failed,
}

impl Status {
    /// Tells whether nothing more will happen.
    #[must_use]
    pub const fn is_over(self) -> bool {
        match self {
            Status::Running | Status::Paused => false,
            Status::Completed | Status::Degraded | Status::Cancelled | Status::Failed => true,
        }
    }

    /// Returns the wire word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Completed => "completed",
            Status::Degraded => "degraded",
            Status::Cancelled => "cancelled",
            Status::Failed => "failed",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The votes counted in code; the three add up to the sages of the council.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Votes {
    /// Sages for the proposal.
    pub approved: u32,
    /// Sages against the proposal.
    pub rejected: u32,
    /// Sages who abstained, cast or missing.
    pub abstained: u32,
}

impl Votes {
    /// Returns the valid votes: those for and against.
    #[must_use]
    pub const fn valid(self) -> u32 {
        self.approved + self.rejected
    }

    /// Returns the sages of the council.
    #[must_use]
    pub const fn sages(self) -> u32 {
        self.approved + self.rejected + self.abstained
    }

    /// Returns `approved-rejected-abstained`, as in "2-1-0".
    #[must_use]
    pub fn agreement(self) -> String {
        format!("{}-{}-{}", self.approved, self.rejected, self.abstained)
    }
}

/// A member of the council whose part is missing, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Missing {
    /// Whose part is missing: a sage or the judge.
    pub agent: crate::Agent,
    /// Why: one of the causes that is not cast.
    pub cause: Cause,
    /// What happened, for a person to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How votes become an outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Rule {
    /// More valid votes wins; a tie is undecided.
    #[default]
    Majority,
    /// All sages of the council alike, else undecided.
    Unanimous,
    /// This sage's rejection rejects; abstaining or missing it is undecided; else majority.
    Veto(Sage),
    /// SOLOMON decides.
    Judge,
}

/// A text that is not a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown rule `{0}`: expected `majority`, `unanimous`, `veto:<sage>` or `judge`")]
pub struct RuleError(String);

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::Majority => f.write_str("majority"),
            Rule::Unanimous => f.write_str("unanimous"),
            Rule::Veto(sage) => write!(f, "veto:{sage}"),
            Rule::Judge => f.write_str("judge"),
        }
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let unknown = || RuleError(text.chars().take(64).collect());
        match text {
            "majority" => Ok(Rule::Majority),
            "unanimous" => Ok(Rule::Unanimous),
            "judge" => Ok(Rule::Judge),
            _ => {
                let sage = text.strip_prefix("veto:").ok_or_else(unknown)?;
                sage.parse().map(Rule::Veto).map_err(|_| unknown())
            }
        }
    }
}

impl Serialize for Rule {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Rule {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Rule".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^(majority|unanimous|judge|veto:(caspar|balthasar|melchior))$"
        })
    }
}
