//! Changes to a council: what a request or the settings want other than the preset has it.

use std::collections::BTreeMap;
use std::time::Duration;

use magi_event::{Agent, Rule};
use magi_model::ModelName;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::fields::Fields;
use crate::presets::CUSTOM;
use crate::{Budget, Council, Deadlines, Error, Late, MOST_FALLBACKS, MOST_PANEL, Sampling};

/// The longest that any deadline may be set to, in seconds: a day.
const LONGEST: f64 = 86_400.0;

/// The longest role text, in bytes.
const LONGEST_PROMPT: usize = 64 * 1024;

/// The fields of one member's part.
const ROLE: [&str; 8] = [
    "prompt",
    "model",
    "fallbacks",
    "panel",
    "temperature",
    "top_p",
    "max_tokens",
    "enabled",
];

/// The deadlines' names.
const DEADLINES: [&str; 10] = [
    "connect",
    "first_token",
    "idle",
    "sage_total",
    "judge_total",
    "late",
    "whole",
    "throttle_cap",
    "unwatched",
    "paused",
];

/// What is to be other than in the preset; what is `None` stays.
///
/// As JSON: `{rule, quorum, roles: {<agent>: {prompt, model, fallbacks, panel, temperature,
/// top_p, max_tokens, enabled}}, judge_fallback, late, deadlines: {connect, first_token, idle, sage_total,
/// judge_total, late, whole, throttle_cap, unwatched, paused}, budget: {usd, tokens}}`, every part optional, deadlines in seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CouncilPatch {
    /// How votes become an outcome.
    pub rule: Option<Rule>,
    /// The least number of valid votes for a decision.
    pub quorum: Option<u32>,
    /// Changes to the members' parts.
    pub roles: BTreeMap<Agent, RolePatch>,
    /// The model that judges when the judge's own has failed: as the judge's `fallbacks` with this
    /// one alone, which win over it in the same patch.
    pub judge_fallback: Option<ModelName>,
    /// What becomes of a sage who is late.
    pub late: Option<Late>,
    /// Changes to how long everything may take.
    pub deadlines: DeadlinesPatch,
    /// How much may be spent.
    pub budget: Budget,
}

/// What is to be other in one member's part; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RolePatch {
    /// The role text.
    pub prompt: Option<String>,
    /// The model that plays the role.
    pub model: Option<ModelName>,
    /// Where the model stands in the request, if not at `council.roles.<agent>.model`.
    pub model_field: Option<String>,
    /// The models that play the role, in this order, where those before have failed; empty for none.
    pub fallbacks: Option<Vec<ModelName>>,
    /// The judge's panel; empty for none.
    pub panel: Option<Vec<ModelName>>,
    /// Whether the model is an id of Bedrock's as the original writes it, which names no provider:
    /// where there is no Bedrock, the settings' own model answers and a `trace` event says so.
    pub is_bare_id: bool,
    /// How the model samples.
    pub sampling: Sampling,
    /// Whether the member is in the council.
    pub enabled: Option<bool>,
}

/// What is to be other about time; what is `None` stays.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DeadlinesPatch {
    /// See [`Deadlines::connect`].
    pub connect: Option<Duration>,
    /// See [`Deadlines::first_token`].
    pub first_token: Option<Duration>,
    /// See [`Deadlines::idle`].
    pub idle: Option<Duration>,
    /// See [`Deadlines::sage_total`].
    pub sage_total: Option<Duration>,
    /// See [`Deadlines::judge_total`].
    pub judge_total: Option<Duration>,
    /// See [`Deadlines::late`].
    pub late: Option<Duration>,
    /// See [`Deadlines::whole`].
    pub whole: Option<Duration>,
    /// See [`Deadlines::throttle_cap`].
    pub throttle_cap: Option<Duration>,
    /// See [`Deadlines::unwatched`].
    pub unwatched: Option<Duration>,
    /// See [`Deadlines::paused`].
    pub paused: Option<Duration>,
}

impl CouncilPatch {
    /// Reads a patch from JSON that stands at `path` of the request.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] that names the field of a wrong type or value, or the unknown agent.
    pub fn read(value: &Value, path: &str) -> Result<Self, Error> {
        let fields = Fields::of(value, path)?;
        let quorum = fields.whole("quorum", 1, 3)?;
        Ok(CouncilPatch {
            rule: fields.parse("rule")?,
            quorum: quorum.and_then(|quorum| u32::try_from(quorum).ok()),
            roles: read_roles(&fields)?,
            judge_fallback: fields.parse("judge_fallback")?,
            late: fields.parse("late")?,
            deadlines: fields
                .object("deadlines")?
                .map(|deadlines| DeadlinesPatch::read(&deadlines))
                .transpose()?
                .unwrap_or_default(),
            budget: read_budget(&fields)?,
        })
    }

    /// Reads a patch as [`CouncilPatch::read`] does, and takes no field that nobody knows: what is
    /// kept must mean what it says.
    pub(crate) fn read_strictly(value: &Value, path: &str) -> Result<Self, Error> {
        let fields = Fields::of(value, path)?;
        fields.only(&[
            "rule",
            "quorum",
            "roles",
            "judge_fallback",
            "late",
            "deadlines",
            "budget",
        ])?;
        if let Some(roles) = fields.object("roles")? {
            for name in roles.names() {
                if let Some(role) = roles.object(name)? {
                    role.only(&ROLE)?;
                }
            }
        }
        if let Some(deadlines) = fields.object("deadlines")? {
            deadlines.only(&DEADLINES)?;
        }
        if let Some(budget) = fields.object("budget")? {
            budget.only(&["usd", "tokens"])?;
        }
        CouncilPatch::read(value, path)
    }

    /// Returns a patch that sets every role's model.
    #[must_use]
    pub fn with_model(mut self, model: &ModelName) -> Self {
        for agent in Agent::ALL {
            self.roles.entry(agent).or_default().model = Some(model.clone());
        }
        self
    }

    /// Returns a patch that sets the models which follow one role's own.
    #[must_use]
    pub fn with_fallbacks(mut self, agent: Agent, models: Vec<ModelName>) -> Self {
        self.roles.entry(agent).or_default().fallbacks = Some(models);
        self
    }

    /// Returns a patch that sets the judge's panel.
    #[must_use]
    pub fn with_panel(mut self, models: Vec<ModelName>) -> Self {
        self.roles.entry(Agent::Judge).or_default().panel = Some(models);
        self
    }

    /// Returns a patch that sets one role's model.
    #[must_use]
    pub fn with_role_model(mut self, agent: Agent, model: ModelName) -> Self {
        self.roles.entry(agent).or_default().model = Some(model);
        self
    }

    /// Changes the council. Its name becomes `custom` when it no longer is the preset it was named
    /// after: another rule, quorum, prompt or another sage missing. Another model does not change
    /// the name, since presets leave the models to the settings.
    pub fn apply(&self, council: &mut Council) {
        let before = council.clone();
        set(&mut council.rule, self.rule);
        set(&mut council.quorum, self.quorum);
        if let Some(model) = &self.judge_fallback
            && let Some(role) = council.roles.get_mut(&Agent::Judge)
        {
            role.fallbacks = Some(vec![model.clone()]);
        }
        for (agent, patch) in &self.roles {
            let Some(role) = council.roles.get_mut(agent) else {
                continue;
            };
            set(&mut role.prompt, patch.prompt.clone());
            set(&mut role.model, patch.model.clone());
            keep(&mut role.fallbacks, patch.fallbacks.clone());
            set(&mut role.panel, patch.panel.clone());
            set(&mut role.enabled, patch.enabled);
            keep(&mut role.sampling.temperature, patch.sampling.temperature);
            keep(&mut role.sampling.top_p, patch.sampling.top_p);
            keep(&mut role.sampling.max_tokens, patch.sampling.max_tokens);
        }
        set(&mut council.late, self.late);
        self.deadlines.apply(&mut council.deadlines);
        keep(&mut council.budget.usd, self.budget.usd);
        keep(&mut council.budget.tokens, self.budget.tokens);
        let is_same = council.rule == before.rule
            && council.quorum == before.quorum
            && council.sages() == before.sages()
            && council.roles.iter().all(|(agent, role)| {
                before
                    .roles
                    .get(agent)
                    .is_some_and(|other| other.prompt == role.prompt)
            });
        if !is_same {
            CUSTOM.clone_into(&mut council.name);
        }
    }
}

impl<'de> Deserialize<'de> for CouncilPatch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        CouncilPatch::read(&value, "council").map_err(serde::de::Error::custom)
    }
}

impl DeadlinesPatch {
    fn read(fields: &Fields<'_>) -> Result<Self, Error> {
        let time = |name: &str| -> Result<Option<Duration>, Error> {
            let seconds = fields.number(name, 0.001, LONGEST)?;
            Ok(seconds.map(Duration::from_secs_f64))
        };
        Ok(DeadlinesPatch {
            connect: time("connect")?,
            first_token: time("first_token")?,
            idle: time("idle")?,
            sage_total: time("sage_total")?,
            judge_total: time("judge_total")?,
            late: time("late")?,
            whole: time("whole")?,
            throttle_cap: time("throttle_cap")?,
            unwatched: time("unwatched")?,
            paused: time("paused")?,
        })
    }

    fn apply(&self, deadlines: &mut Deadlines) {
        set(&mut deadlines.connect, self.connect);
        set(&mut deadlines.first_token, self.first_token);
        set(&mut deadlines.idle, self.idle);
        set(&mut deadlines.sage_total, self.sage_total);
        set(&mut deadlines.judge_total, self.judge_total);
        set(&mut deadlines.late, self.late);
        set(&mut deadlines.whole, self.whole);
        set(&mut deadlines.throttle_cap, self.throttle_cap);
        set(&mut deadlines.unwatched, self.unwatched);
        set(&mut deadlines.paused, self.paused);
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn keep<T>(place: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *place = value;
    }
}

fn read_roles(fields: &Fields<'_>) -> Result<BTreeMap<Agent, RolePatch>, Error> {
    let Some(roles) = fields.object("roles")? else {
        return Ok(BTreeMap::new());
    };
    roles
        .names()
        .map(|name| {
            let agent = agent(&roles, name)?;
            let Some(role) = roles.object(name)? else {
                return Ok((agent, RolePatch::default()));
            };
            let patch = RolePatch {
                prompt: read_prompt(&role, "prompt")?,
                model: role.parse("model")?,
                fallbacks: role.list("fallbacks", MOST_FALLBACKS)?,
                panel: role.list("panel", MOST_PANEL)?,
                sampling: read_sampling(&role, ["temperature", "max_tokens", "top_p"])?,
                enabled: role.flag("enabled")?,
                ..RolePatch::default()
            };
            Ok((agent, patch))
        })
        .collect()
}

/// Reads the name of a field as an agent.
pub(crate) fn agent(fields: &Fields<'_>, name: &str) -> Result<Agent, Error> {
    name.parse()
        .map_err(|_| fields.invalid(name, format!("is not an agent: expected {AGENTS}")))
}

/// The agents, for messages.
pub(crate) const AGENTS: &str = "`caspar`, `balthasar`, `melchior` or `solomon`";

/// Reads a role text; a blank one is as good as absent.
pub(crate) fn read_prompt(fields: &Fields<'_>, name: &str) -> Result<Option<String>, Error> {
    let Some(text) = fields.text(name)?.filter(|text| !text.trim().is_empty()) else {
        return Ok(None);
    };
    if text.len() > LONGEST_PROMPT {
        return Err(fields.invalid(name, format!("must be at most {LONGEST_PROMPT} bytes")));
    }
    Ok(Some(text.to_owned()))
}

/// Reads temperature, most tokens and top-p, in the names that the form gives them.
pub(crate) fn read_sampling(fields: &Fields<'_>, names: [&str; 3]) -> Result<Sampling, Error> {
    let [temperature, max_tokens, top_p] = names;
    let tokens = fields.whole(max_tokens, 1, 1_000_000)?;
    Ok(Sampling {
        temperature: fields.number(temperature, 0.0, 2.0)?,
        top_p: fields.number(top_p, 0.0, 1.0)?,
        max_tokens: tokens.and_then(|tokens| u32::try_from(tokens).ok()),
    })
}

/// Reads `budget: {usd, tokens}`.
pub(crate) fn read_budget(fields: &Fields<'_>) -> Result<Budget, Error> {
    let Some(budget) = fields.object("budget")? else {
        return Ok(Budget::default());
    };
    Ok(Budget {
        usd: budget.number("usd", 0.0, 1_000_000.0)?,
        tokens: budget.whole("tokens", 1, 1_000_000_000_000)?,
    })
}
