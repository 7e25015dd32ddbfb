//! What each kind of event carries in `data`.
//!
//! Field names are snake_case; times are seconds except `execution_time` and `*_ms`, which are
//! milliseconds. A field that is not known is absent, never invented.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Agent, Cause, Confidence, Cursor, Decision, DeliberationId, FinalDecision, Missing, Rule, Sage,
    Status, Timestamp, Votes,
};

/// How the answers of a deliberation came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Models answer.
    Live,
    /// The rehearsal provider answers at least one role: written scenes, no model.
    Rehearsal,
    /// A stored log is played again.
    Replay,
}

/// The council as the reader needs to know it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CouncilInfo {
    /// The preset's name, or `custom`.
    pub name: String,
    /// The preset's version, from 1.
    pub version: u32,
    /// How votes become an outcome.
    pub rule: Rule,
    /// The least number of valid votes for a decision.
    pub quorum: u32,
    /// The sages of this council, in the listed order.
    pub sages: Vec<Sage>,
    /// The model of each role, as `provider:model`; the keys are agents' names.
    pub models: BTreeMap<Agent, String>,
    /// The models that follow each role's own where those before have failed, in their order.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fallbacks: BTreeMap<Agent, Vec<String>>,
    /// The models that judge together where all of the judge's have failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub panel: Vec<String>,
}

/// `start`: a question was put to a council.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Start {
    /// The version of this contract: 1.
    pub protocol: u32,
    /// The deliberation's id, again, where the original's readers look for it.
    pub trace_id: DeliberationId,
    /// The question, as asked.
    pub question: String,
    /// More text to consider, as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The language of prompts and answers: `ja` or `en`.
    pub lang: String,
    /// Who deliberates, and how.
    pub council: CouncilInfo,
    /// How the answers come to be.
    pub mode: Mode,
    /// What this door can do: `resume`, `stop`, `history`, ...
    pub capabilities: Vec<String>,
    /// The conversation this question belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<String>,
    /// The deliberation this one goes on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork_of: Option<DeliberationId>,
}

/// `sages_start`: the sages set out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SagesStart {
    /// How many sages the council has.
    pub sage_count: u32,
}

/// `agent_start`: an attempt begins; one above 1 resets what was shown of the sage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentStart {
    /// Which try this is, from 1.
    pub attempt: u32,
    /// The vendor's API.
    pub provider: String,
    /// The model at that vendor.
    pub model: String,
}

/// A piece of text, as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Delta {
    /// What was added since the last piece of the same kind in the same attempt.
    pub text: String,
}

/// `agent_error` and `judge_error`: an attempt failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttemptError {
    /// The kind of failure: `throttled`, `overloaded`, `unauthorised`, `truncated`, ...
    pub code: String,
    /// What happened, for a person to read; the vendor's reason, without secrets.
    pub message: String,
    /// Which try failed, from 1.
    pub attempt: u32,
    /// Whether another try follows.
    pub retryable: bool,
    /// Seconds until the next try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_in: Option<f64>,
}

/// Which deadline ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimeoutKind {
    /// No connection in time.
    Connect,
    /// No first token in time.
    FirstToken,
    /// Silence between tokens.
    Idle,
    /// The whole of the role's time.
    Total,
}

/// `agent_timeout` and `judge_timeout`: an attempt took too long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttemptTimeout {
    /// Which deadline ran out.
    pub kind: TimeoutKind,
    /// That deadline, in seconds.
    pub timeout: f64,
    /// Seconds since the attempt began.
    pub elapsed: f64,
    /// Up to 200 characters of what had come, or null.
    pub partial_response: Option<String>,
    /// Which try ran out of time, from 1.
    pub attempt: u32,
    /// Whether another try follows.
    pub retryable: bool,
}

/// Tokens of one or more model calls, as the vendor counted them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Tokens read, those from a cache included.
    pub input_tokens: u64,
    /// Tokens written, reasoning included.
    pub output_tokens: u64,
    /// Tokens of reasoning among those written, where the vendor tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    /// Tokens read from the vendor's prompt cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read_tokens: Option<u64>,
    /// Tokens written to the vendor's prompt cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_tokens: Option<u64>,
    /// True where the vendor did not tell and the number is bytes / 4.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
}

impl std::ops::Add for Usage {
    type Output = Usage;

    /// Adds two usages; the sum is estimated when one of them is.
    fn add(self, other: Usage) -> Usage {
        Usage {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            reasoning_tokens: sum(self.reasoning_tokens, other.reasoning_tokens),
            cache_read_tokens: sum(self.cache_read_tokens, other.cache_read_tokens),
            cache_write_tokens: sum(self.cache_write_tokens, other.cache_write_tokens),
            estimated: self.estimated || other.estimated,
        }
    }
}

fn sum(left: Option<u64>, right: Option<u64>) -> Option<u64> {
    match (left, right) {
        (None, None) => None,
        (left, right) => Some(left.unwrap_or(0).saturating_add(right.unwrap_or(0))),
    }
}

/// `agent_complete`: a sage is done. Every sage of the council ends with one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentComplete {
    /// The sage's decision.
    pub decision: Decision,
    /// The vote's own reasoning, or the prose when it has none.
    pub reasoning: String,
    /// What must hold for the decision to stand.
    pub conditions: Vec<String>,
    /// What would change the decision.
    pub would_change: Vec<String>,
    /// How sure the sage says it is; absent when it did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Confidence>,
    /// Why the sage abstained; absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The attempt that ended, from 1.
    pub attempt: u32,
    /// Bytes of this attempt's chunks.
    pub text_bytes: u64,
    /// SHA-256 of this attempt's chunks, 64 lower-case hex digits.
    pub text_sha256: String,
    /// Tokens over all attempts of the sage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Cost over all attempts, where the price is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// Milliseconds from the attempt's start to its first token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token_ms: Option<u64>,
    /// Milliseconds over all attempts.
    pub execution_time: u64,
}

/// `tally`: the votes counted in code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tally {
    /// Sages for the proposal.
    pub approved: u32,
    /// Sages against the proposal.
    pub rejected: u32,
    /// Sages who abstained, cast or missing.
    pub abstained: u32,
    /// The least number of valid votes for a decision.
    pub quorum: u32,
    /// What the votes alone decide under the rule; undecided under rule `judge`.
    pub outcome: FinalDecision,
    /// `approved-rejected-abstained`, as in "2-1-0".
    pub agreement: String,
}

/// `judge_start`: an attempt of the judge begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JudgeStart {
    /// Which try this is, from 1.
    pub attempt: u32,
    /// The vendor's API.
    pub provider: String,
    /// The model at that vendor.
    pub model: String,
    /// The seed of the order in which the judge sees the sages.
    pub order_seed: u32,
    /// Who is Sage A, B and C to the judge.
    pub order: Vec<Sage>,
}

/// The strongest argument against the verdict, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Dissent {
    /// Whose argument it is, where the judge said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Sage>,
    /// The argument.
    pub text: String,
}

/// What `judge_start` names as the provider of a panel's attempt; its model is the list.
pub const PANEL: &str = "panel";

/// What one model of a panel said, where a panel judged in the judge's place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PanelVote {
    /// The model, as `provider:model`.
    pub model: String,
    /// Its decision; absent where it gave no judgment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_decision: Option<FinalDecision>,
    /// 0 to 100 per sage; a sage it did not score is absent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sage_scores: BTreeMap<Sage, f64>,
    /// Why it gave no judgment, for a person to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether the words of the judgment are its own: those of one member are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub speaks: bool,
}

/// `judge_complete`: the judge is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JudgeComplete {
    /// The judge's own decision.
    pub final_decision: FinalDecision,
    /// The synthesis, or why there is no judgment.
    pub reasoning: String,
    /// How sure the judge says it is; absent when it did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Confidence>,
    /// 0 to 100 per sage; a sage the judge did not score is absent.
    pub sage_scores: BTreeMap<Sage, f64>,
    /// One line per score.
    #[serde(default)]
    pub score_reasons: BTreeMap<Sage, String>,
    /// The strongest dissent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dissent: Option<Dissent>,
    /// The merged conditions.
    #[serde(default)]
    pub conditions: Vec<String>,
    /// What would change the verdict.
    #[serde(default)]
    pub would_change: Vec<String>,
    /// Whether the judge agrees with the tally; null without a judge.
    pub judge_agrees: Option<bool>,
    /// The attempt that ended, from 1; 0 where no judge was called.
    #[serde(default)]
    pub attempt: u32,
    /// Bytes of this attempt's chunks.
    pub text_bytes: u64,
    /// SHA-256 of this attempt's chunks, 64 lower-case hex digits.
    pub text_sha256: String,
    /// Tokens over all attempts of the judge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Cost over all attempts, where the price is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// Milliseconds from the attempt's start to its first token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token_ms: Option<u64>,
    /// Milliseconds over all attempts.
    #[serde(default)]
    pub execution_time: u64,
    /// What each model of a panel said: its majority decided, and the scores are its medians.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub panel: Vec<PanelVote>,
}

impl JudgeComplete {
    /// Tells whether a panel judged in the judge's place and came to no majority: it neither agrees with the
    /// votes nor dissents from them.
    #[must_use]
    pub fn is_split_panel(&self) -> bool {
        self.final_decision == FinalDecision::Undecided && !self.panel.is_empty()
    }

    /// Returns what the judge said for its decision, whole; none where no judge spoke. Before the words of a
    /// panel's speaker stands a line that says how the panel came to judge: that is no reason.
    #[must_use]
    pub fn grounds(&self) -> Option<&str> {
        self.judge_agrees?;
        let said = match self.reasoning.split_once("\n\n") {
            Some((_, said)) if !self.panel.is_empty() => said,
            _ => self.reasoning.as_str(),
        };
        Some(said.trim()).filter(|said| !said.is_empty())
    }
}

/// `trace`: one started or ended span of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trace {
    /// 16 lower-case hex digits, unique in the deliberation.
    pub span_id: String,
    /// The span this one is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
    /// What is done: `deliberation`, `phase.sages`, `model.call`, `retry`, `repair`, `commit`, ...
    pub name: String,
    /// When the span began.
    pub started_at: Timestamp,
    /// How long it took; absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// What else is known of it.
    #[serde(default)]
    pub attributes: Map<String, Value>,
}

/// `note`: somebody told the council something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Note {
    /// Who told it.
    pub from: String,
    /// A sage's name, or `all`.
    pub to: String,
    /// What was told.
    pub text: String,
}

/// `paused`: nothing is called until `resumed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Paused {
    /// Who paused it.
    pub by: String,
    /// Why; `deadline` ends a byte stream whose deliberation goes on elsewhere.
    pub reason: String,
    /// Signed state to resume from, where the door keeps nothing itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Tokens spent until then where this deliberation ends here (reason `deadline`), those of the
    /// calls that were cut among them. What goes on from `state` does not count them again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Cost of them, where all prices are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
}

impl Paused {
    /// Tells whether the door's deadline came: such a `paused` may be the last event of a byte
    /// stream, and its `state`, if there is one, is what to go on from.
    #[must_use]
    pub fn is_deadline(&self) -> bool {
        self.reason == "deadline"
    }
}

/// `resumed`: it goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resumed {
    /// Who resumed it.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// `rewind`: a new generation begins; what a reader saw after `to` is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rewind {
    /// The last stored seq: this event's own less 1.
    pub to: u64,
}

/// `complete`: the verdict. The last event of a deliberation that came to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Complete {
    /// The deliberation's id, again, where the original's readers look for it.
    pub trace_id: DeliberationId,
    /// `completed`, or `degraded` when something is missing.
    pub status: Status,
    /// Whose part is missing, and why.
    pub missing: Vec<Missing>,
    /// The decision under the council's rule.
    pub final_decision: FinalDecision,
    /// The votes counted in code.
    pub voting_result: Votes,
    /// What the judge said; undecided, with the reason, where there is no judgment.
    pub solomon_judgment: JudgeComplete,
    /// True when the judge decided against the votes, which only rule `judge` allows.
    pub overruled: bool,
    /// Whether the judge agrees with the votes; null without a judge.
    pub judge_agrees: Option<bool>,
    /// What was decided, in one or two sentences.
    pub summary: String,
    /// What to do now.
    pub recommendation: String,
    /// The judge's confidence, or absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Confidence>,
    /// Tokens of the whole deliberation.
    pub usage: Usage,
    /// Cost of the whole deliberation, where all prices are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// Milliseconds of the whole deliberation, time paused or down left out.
    pub execution_time: u64,
}

/// `cancelled`: it was ended before its verdict; what was said is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cancelled {
    /// Who ended it: `user`, `unwatched`, `budget`, ...
    pub by: String,
    /// Why.
    pub reason: String,
    /// Tokens spent until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Cost until then, where all prices are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
}

/// `error`: the deliberation failed; there is no verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// What failed: `no_votes`, `interrupted`, `quarantined`, `budget`, ...
    pub code: String,
    /// What happened and what to do, for a person to read.
    pub message: String,
    /// Whose part is missing, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
    /// Tokens spent until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Cost until then, where all prices are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
}

/// A door frame: an error of the door itself, in the shape of an event but in no log.
///
/// It has neither `id` nor `seq`; clients treat it as the HTTP status it names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DoorError {
    /// The HTTP status this stands for.
    pub status: u16,
    /// What failed: `store_unavailable`, `not_found`, `bad_request`, ...
    pub code: String,
    /// What happened and what to do.
    pub message: String,
    /// The field at fault, as a path such as `question`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Where to go on, when the cursor can no longer be served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_kept: Option<Cursor>,
}
