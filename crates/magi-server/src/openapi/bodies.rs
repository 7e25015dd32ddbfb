//! The bodies as they are described. They are read field by field, so that every error names its
//! field; a test holds these descriptions against that reading.

#![expect(dead_code, reason = "these types are described, never made")]

use std::collections::BTreeMap;

use magi_council::Texts;
use magi_event::{Cursor, DeliberationId, Rule};
use schemars::JsonSchema;

use crate::invocations::Action;

/// A question. Unknown fields are ignored.
#[derive(JsonSchema)]
pub(super) struct Question {
    /// The question: 1 to 16,384 bytes, not blank.
    #[schemars(length(max = 16_384), regex(pattern = r"\S"))]
    pub(super) question: String,
    /// More text to consider, up to 256 KiB.
    pub(super) context: Option<String>,
    /// `ja`, `en`, or `auto`, which follows the question.
    pub(super) lang: Option<String>,
    /// A preset's name; see `/v1/presets`.
    pub(super) preset: Option<String>,
    /// What is to be other than in the preset.
    pub(super) council: Option<Council>,
    /// The conversation, whose earlier verdicts become context.
    pub(super) conversation_id: Option<String>,
    /// The deliberation this one goes on from.
    pub(super) fork_of: Option<DeliberationId>,
    /// How much may be spent.
    pub(super) budget: Option<Budget>,
    /// `continue`, or `stop_after:<seconds>`: what happens when nobody watches any more.
    pub(super) on_leave: Option<String>,
    /// Makes a repeat of this request the same deliberation; up to 128 bytes.
    #[schemars(length(max = 128))]
    pub(super) idempotency_key: Option<String>,
    /// In whose words the stream comes: `native` or `chunks`.
    #[schemars(regex(pattern = r"^(native|chunks)$"))]
    pub(super) dialect: Option<String>,
    /// Where the stream of a repeated question goes on.
    pub(super) after: Option<Cursor>,
    /// The original's form: role texts by agent.
    pub(super) custom_prompts: Option<BTreeMap<String, String>>,
    /// The original's form: models by agent.
    pub(super) model_configs: Option<BTreeMap<String, String>>,
    /// The original's form: sampling by agent.
    pub(super) runtime_configs: Option<BTreeMap<String, RuntimeConfig>>,
    /// The original's other form, which replaces the three above.
    #[schemars(rename = "agentConfigs")]
    pub(super) agent_configs: Option<BTreeMap<String, AgentConfig>>,
    /// The original's name for `conversation_id`.
    #[schemars(rename = "sessionId")]
    pub(super) session_id: Option<String>,
    /// Another of its names.
    #[schemars(rename = "conversationId")]
    pub(super) other_conversation_id: Option<String>,
}

/// What is to be other than in the preset.
#[derive(JsonSchema)]
pub(crate) struct Council {
    /// How votes become an outcome.
    rule: Option<Rule>,
    /// The least number of valid votes, 1 to 3.
    quorum: Option<u32>,
    /// Changes by agent: caspar, balthasar, melchior, solomon.
    roles: Option<BTreeMap<String, Role>>,
    /// The model that judges when the judge's own has failed: the judge's `fallbacks` with this one.
    judge_fallback: Option<String>,
    /// What becomes of a sage who is late: `wait` (default) or `exclude`.
    late: Option<String>,
    /// How long everything may take, in seconds.
    deadlines: Option<BTreeMap<String, f64>>,
    /// How much may be spent.
    budget: Option<Budget>,
}

/// Changes to one agent.
#[derive(JsonSchema)]
pub(super) struct Role {
    /// The role text.
    prompt: Option<String>,
    /// `provider:model`, or `rehearsal`.
    model: Option<String>,
    /// The models that follow in this order where those before have failed, at most 4; `[]` for none.
    fallbacks: Option<Vec<String>>,
    /// The judge's alone: 2 to 5 models that judge together where all of its own have failed; `[]` for none.
    panel: Option<Vec<String>>,
    /// How the model samples.
    temperature: Option<f64>,
    /// How the model samples.
    top_p: Option<f64>,
    /// The most tokens of an answer.
    max_tokens: Option<u64>,
    /// Whether the agent is in the council.
    enabled: Option<bool>,
}

/// How much may be spent.
#[derive(JsonSchema)]
pub(super) struct Budget {
    /// US dollars.
    usd: Option<f64>,
    /// Tokens.
    tokens: Option<u64>,
}

/// A preset to be saved. Fields that only `GET` has are passed over; any other is refused.
#[derive(JsonSchema)]
pub(super) struct PresetBody {
    /// What it is called, by language.
    pub(super) title: Option<Texts>,
    /// What it is for, by language.
    pub(super) good_for: Option<Texts>,
    /// What it is bad at, by language; never empty.
    pub(super) bad_at: Texts,
    /// The built-in preset that it is made from: `default` when absent.
    pub(super) base: Option<String>,
    /// What is other than in the base.
    pub(super) council: Option<Council>,
    /// The newest version that the writer knows, 0 for none: 409 when there is another by now.
    pub(super) if_version: Option<u32>,
}

/// The original's sampling.
#[derive(JsonSchema)]
pub(super) struct RuntimeConfig {
    temperature: Option<f64>,
    max_tokens: Option<u64>,
    top_p: Option<f64>,
}

/// The original's settings of an agent.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub(super) struct AgentConfig {
    system_prompt: Option<String>,
    model: Option<String>,
    temperature: Option<f64>,
    max_tokens: Option<u64>,
    top_p: Option<f64>,
    enabled: Option<bool>,
}

/// An action, with its own fields beside; without `action` and `preset` it is the original's
/// question. `ask` takes the fields of a question.
#[derive(JsonSchema)]
pub(super) struct Invocation {
    /// What to do; `ask` when absent.
    action: Option<Action>,
    /// The deliberation, for `events`, `status`, `snapshot` and the verbs.
    id: Option<DeliberationId>,
    /// Where `events` go on: a whole event id, or `0`.
    after: Option<String>,
    /// Whom a verb is meant for; all when absent.
    agent: Option<String>,
    /// `retry`: only if this is the newest attempt.
    attempt: Option<u32>,
    /// `note`: what is told.
    #[schemars(length(max = 16_384))]
    text: Option<String>,
    /// `fork`: what everybody is told.
    #[schemars(length(max = 16_384))]
    note: Option<String>,
    /// `rejudge`: the judge's model; `fork`: the model of `agent`.
    model: Option<String>,
    /// `rejudge`: the seed of the order in which the judge sees the sages.
    order_seed: Option<u32>,
    /// `rejudge`: how many times, each in another order as far as there are any.
    #[schemars(range(min = 1, max = 9))]
    stability: Option<u32>,
    /// How many frames a `probe` sends, 1 to 100.
    frames: Option<u32>,
    /// Whether each frame of a `probe` waits for the `ack` of the one before.
    ack: Option<bool>,
    /// Which probe an `ack` is about.
    probe: Option<String>,
    /// Which frame of it was seen.
    frame: Option<u32>,
}
