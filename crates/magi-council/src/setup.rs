//! The stored setup: all that a recovery needs beside the events.

use std::collections::BTreeMap;

use magi_event::{Agent, Body, DeliberationId, Mode, Note, PROTOCOL, Sage, Start, Trace, Usage};
use magi_log::Env;
use magi_model::Lang;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Council, OnLeave};

/// The provider whose answers are written scenes and not a model's.
pub(crate) const REHEARSAL: &str = "rehearsal";

/// What a deliberation was started with. Stored with it, opaque to the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub(crate) question: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) context: Option<String>,
    /// Earlier verdicts of the conversation, as text for the prompts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) earlier: Option<String>,
    #[serde(with = "lang")]
    pub(crate) lang: Lang,
    pub(crate) council: Council,
    #[serde(default)]
    pub(crate) on_leave: OnLeave,
    #[serde(default)]
    pub(crate) capabilities: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) conversation_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fork_of: Option<DeliberationId>,
    /// Votes taken over from the deliberation this one goes on from, with the prose before them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) reused: BTreeMap<Sage, Reused>,
    /// The ids that were asked for and are not to be had here; the council's own models answer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) replaced: BTreeMap<Agent, String>,
    /// What the suspended deliberations before this one spent, for the budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) spent: Option<Spent>,
    /// What the deliberation this one goes on from was told, and what this one is told at its start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<Note>,
    /// Whether the judge was stopped in the deliberation this one goes on from.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_judge_stopped: bool,
    /// The seed of the order in which the judge sees the sages, where somebody chose it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) order_seed: Option<u32>,
    /// The ids of the request that this process was asked by; whoever takes over was not.
    #[serde(skip)]
    pub(crate) called: BTreeMap<String, String>,
}

/// What was spent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spent {
    pub(crate) usage: Usage,
    /// Where every price is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cost_usd: Option<f64>,
}

/// A vote that was cast in an earlier deliberation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reused {
    pub(crate) prose: String,
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) complete: magi_event::AgentComplete,
    /// What went wrong, if something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    /// How many of the setup's notes the sage was told before it voted.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(crate) heard: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
const fn is_none(heard: &usize) -> bool {
    *heard == 0
}

impl Setup {
    /// Returns how the answers come to be: rehearsal as soon as one member is played by it.
    pub(crate) fn mode(&self) -> Mode {
        let is_rehearsal = self.council.members().any(|(agent, role)| {
            let reused = agent.sage().and_then(|sage| self.reused.get(&sage));
            let provider = reused.map_or(&role.model.provider, |reused| &reused.provider);
            provider == REHEARSAL
        });
        if is_rehearsal {
            Mode::Rehearsal
        } else {
            Mode::Live
        }
    }

    /// Makes the first event.
    pub(crate) fn start(&self, id: DeliberationId) -> Start {
        Start {
            protocol: PROTOCOL,
            trace_id: id,
            question: self.question.clone(),
            context: self.context.clone(),
            lang: self.lang.code().to_owned(),
            council: self.council.info(),
            mode: self.mode(),
            capabilities: self.capabilities.clone(),
            conversation_id: self.conversation_id.clone(),
            fork_of: self.fork_of,
        }
    }

    /// Makes the events that say which model answers in the place of one that was asked for.
    pub(crate) fn replacements(&self, env: &Env) -> Vec<Body> {
        self.replaced
            .iter()
            .filter_map(|(agent, asked)| {
                let role = self.role(*agent).filter(|role| role.enabled)?;
                let attributes = json!({
                    "agent": agent.name(),
                    "asked": asked,
                    "model": role.model.to_string(),
                    "reason": "no provider `bedrock` is configured",
                });
                let trace = Trace {
                    span_id: format!("{:016x}", env.entropy.u64()),
                    parent_id: None,
                    name: "model.replaced".to_owned(),
                    started_at: env.clock.now(),
                    duration_ms: Some(0),
                    attributes: attributes.as_object().cloned().unwrap_or_default(),
                };
                Some(Body::Trace(agent.sage(), trace))
            })
            .collect()
    }

    /// Returns what the members are asked, with the notes that came on the way.
    pub(crate) fn matter<'a>(&'a self, notes: &'a [String]) -> crate::prompt::Matter<'a> {
        crate::prompt::Matter {
            notes,
            question: &self.question,
            context: self.context.as_deref(),
            earlier: self.earlier.as_deref(),
            lang: self.lang,
        }
    }

    /// Returns a member's role; every council has all four.
    pub(crate) fn role(&self, agent: Agent) -> Option<&crate::Role> {
        self.council.roles.get(&agent)
    }
}

/// The language as its code in JSON.
mod lang {
    use magi_model::Lang;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes `ja` or `en`.
    pub(super) fn serialize<S: Serializer>(lang: &Lang, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(lang.code())
    }

    /// Reads `ja` or `en`.
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Lang, D::Error> {
        match String::deserialize(from)?.as_str() {
            "ja" => Ok(Lang::Ja),
            "en" => Ok(Lang::En),
            _ => Err(serde::de::Error::custom("expected `ja` or `en`")),
        }
    }
}
