//! The council: who deliberates on which model, under which rule, within which time and money.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use magi_event::{Agent, CouncilInfo, Rule, Sage};
use magi_model::ModelName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::late::Late;
use crate::setup::REHEARSAL;

/// The most models that may follow a role's own.
pub const MOST_FALLBACKS: usize = 4;

/// The most models of a judge's panel; the least are two.
pub const MOST_PANEL: usize = 5;

/// Who deliberates, and how: everything about a deliberation but its question.
///
/// It is stored with the deliberation, so that a recovery goes on with the very same council
/// whatever the settings are by then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Council {
    /// The preset's name; `custom` where the request changed the rule, the quorum or a prompt.
    pub name: String,
    /// The preset's version, from 1.
    pub version: u32,
    /// How votes become an outcome.
    pub rule: Rule,
    /// The least number of valid votes for a decision, 1 to 3.
    pub quorum: u32,
    /// Every member's role; all four are always there, a disabled one is not in the council.
    pub roles: BTreeMap<Agent, Role>,
    /// The judge's one fallback, as councils had it that were stored before every role had a list;
    /// [`Role::fallbacks`] of the judge counts where it is set.
    #[serde(
        default,
        with = "model_name::option",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub judge_fallback: Option<ModelName>,
    /// What becomes of a sage who is late.
    #[serde(default)]
    pub late: Late,
    /// How long everything may take.
    pub deadlines: Deadlines,
    /// How much may be spent.
    pub budget: Budget,
}

/// One member's part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Role {
    /// The role text: by which criteria this member judges. The answer's format is not part of it.
    pub prompt: String,
    /// The model that plays the role, as `provider:model`.
    #[serde(with = "model_name")]
    #[schemars(with = "String")]
    pub model: ModelName,
    /// The models that play the role, in this order, where those before have failed; `None` where
    /// nobody said: then a sage has none, and the judge has the first sage's model that is another.
    #[serde(
        default,
        with = "model_name::list",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<Vec<String>>")]
    pub fallbacks: Option<Vec<ModelName>>,
    /// The judge's panel: the models that judge together, each by itself, where all of its models have
    /// failed; none, or two to [`MOST_PANEL`]. Empty for a sage.
    #[serde(
        default,
        with = "model_name::all",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(with = "Vec<String>")]
    pub panel: Vec<ModelName>,
    /// How the model samples.
    pub sampling: Sampling,
    /// Whether the member is in the council at all.
    pub enabled: bool,
}

/// How a model samples; what is absent is left to the vendor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sampling {
    /// 0 to 2; vendors differ in the upper limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// The most tokens of one answer, reasoning included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
}

impl From<Sampling> for magi_model::Sampling {
    fn from(sampling: Sampling) -> Self {
        magi_model::Sampling {
            temperature: sampling.temperature,
            top_p: sampling.top_p,
            max_tokens: sampling.max_tokens,
        }
    }
}

/// How long everything may take; in JSON all are seconds. Each may be set up to a day.
///
/// The time for which our own store keeps a model waiting counts against the whole alone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Deadlines {
    /// Until the vendor accepts a call: 10 s.
    #[serde(with = "seconds")]
    #[schemars(with = "f64")]
    pub connect: Duration,
    /// Until the first token of an attempt, reasoning included: 20 s.
    #[serde(with = "seconds")]
    #[schemars(with = "f64")]
    pub first_token: Duration,
    /// Silence between two tokens: 15 s. Reasoning is a token, a vendor's ping is not.
    #[serde(with = "seconds")]
    #[schemars(with = "f64")]
    pub idle: Duration,
    /// One sage over all its attempts: 90 s.
    #[serde(with = "seconds")]
    #[schemars(with = "f64")]
    pub sage_total: Duration,
    /// The judge over all its attempts, kept aside from the whole: 60 s.
    #[serde(with = "seconds")]
    #[schemars(with = "f64")]
    pub judge_total: Duration,
    /// How long a sage is still waited for once enough others have voted for the quorum: 10 s. It
    /// is late then, and [`Council::late`] says what becomes of it.
    #[serde(with = "seconds", default = "ten_seconds")]
    #[schemars(with = "f64")]
    pub late: Duration,
    /// The whole deliberation: 180 s.
    #[serde(with = "seconds")]
    #[schemars(with = "f64")]
    pub whole: Duration,
    /// How much of the waiting for a throttled vendor counts against a member's total: 30 s. What
    /// goes beyond only counts against the whole.
    #[serde(with = "seconds")]
    #[schemars(with = "f64")]
    pub throttle_cap: Duration,
    /// How long a deliberation that nobody watches goes on: 1 h.
    #[serde(with = "seconds")]
    #[schemars(with = "f64")]
    pub unwatched: Duration,
    /// How long one that is paused, and that nobody watches, is kept: 24 h.
    #[serde(with = "seconds", default = "a_day")]
    #[schemars(with = "f64")]
    pub paused: Duration,
}

const fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

const fn a_day() -> Duration {
    Duration::from_secs(86_400)
}

impl Default for Deadlines {
    fn default() -> Self {
        Deadlines {
            connect: Duration::from_secs(10),
            first_token: Duration::from_secs(20),
            idle: Duration::from_secs(15),
            sage_total: Duration::from_secs(90),
            judge_total: Duration::from_secs(60),
            late: ten_seconds(),
            whole: Duration::from_secs(180),
            throttle_cap: Duration::from_secs(30),
            unwatched: Duration::from_secs(3600),
            paused: a_day(),
        }
    }
}

/// How much may be spent; without a limit, as much as the answers take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Budget {
    /// US dollars; only for models whose price is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<f64>,
    /// Tokens read and written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

impl Budget {
    /// Returns this budget under a ceiling; what it leaves open is the ceiling's.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with the field that is above it.
    pub(crate) fn within(self, most: Budget) -> Result<Budget, Error> {
        Ok(Budget {
            usd: capped("budget.usd", self.usd, most.usd)?,
            tokens: capped("budget.tokens", self.tokens, most.tokens)?,
        })
    }
}

fn capped<T: PartialOrd + Display>(
    field: &str,
    asked: Option<T>,
    most: Option<T>,
) -> Result<Option<T>, Error> {
    match (asked, most) {
        (Some(asked), Some(most)) if asked > most => {
            let message = format!("is {asked}, and this door allows at most {most}: ask for less");
            Err(Error::invalid(field, message))
        }
        (asked, most) => Ok(asked.or(most)),
    }
}

impl Council {
    /// Returns the sages of this council, in the listed order.
    #[must_use]
    pub fn sages(&self) -> Vec<Sage> {
        Sage::ALL
            .into_iter()
            .filter(|sage| self.is_in(Agent::Sage(*sage)))
            .collect()
    }

    /// Tells whether the council has a judge.
    #[must_use]
    pub fn has_judge(&self) -> bool {
        self.is_in(Agent::Judge)
    }

    fn is_in(&self, agent: Agent) -> bool {
        self.roles.get(&agent).is_some_and(|role| role.enabled)
    }

    /// Returns every member that is in the council, with its role.
    pub fn members(&self) -> impl Iterator<Item = (Agent, &Role)> {
        self.roles
            .iter()
            .filter(|(_, role)| role.enabled)
            .map(|(agent, role)| (*agent, role))
    }

    /// Returns the models that play a role, in the order in which they are asked, each once. A judge
    /// for whom nobody set a list falls back to the first sage's model that is another one.
    #[must_use]
    pub fn models(&self, agent: Agent) -> Vec<ModelName> {
        let Some(role) = self.roles.get(&agent) else {
            return Vec::new();
        };
        let mut models = vec![role.model.clone()];
        match &role.fallbacks {
            Some(fallbacks) => models.extend(fallbacks.iter().cloned()),
            None if agent == Agent::Judge => models.extend(self.second_judge(&role.model).cloned()),
            None => {}
        }
        let mut seen: Vec<ModelName> = Vec::new();
        models.retain(|model| {
            let is_new = !seen.contains(model);
            seen.push(model.clone());
            is_new
        });
        models
    }

    /// Returns the judge's fallback where nobody set a list. Written scenes are not one.
    fn second_judge(&self, own: &ModelName) -> Option<&ModelName> {
        self.judge_fallback.as_ref().or_else(|| {
            let mut models = self.members().map(|(_, role)| &role.model);
            models.find(|model| *model != own && model.provider != REHEARSAL)
        })
    }

    /// Returns the council as a reader of its events needs to know it.
    #[must_use]
    pub fn info(&self) -> CouncilInfo {
        CouncilInfo {
            name: self.name.clone(),
            version: self.version,
            rule: self.rule,
            quorum: self.quorum,
            sages: self.sages(),
            models: self
                .members()
                .map(|(agent, role)| (agent, role.model.to_string()))
                .collect(),
            fallbacks: self
                .members()
                .filter_map(|(agent, _)| {
                    let models = self.models(agent);
                    let fallbacks = models.iter().skip(1).map(ToString::to_string);
                    Some((agent, fallbacks.collect::<Vec<_>>())).filter(|(_, all)| !all.is_empty())
                })
                .collect(),
            panel: self
                .members()
                .flat_map(|(_, role)| role.panel.iter().map(ToString::to_string))
                .collect(),
        }
    }

    /// Checks that this council can come to a decision at all.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] that names the part which cannot be: a quorum above the number of sages,
    /// the veto of a sage who is not there, no room for the judge in the whole. Rule `judge` without
    /// the judge is no mistake of form: such a council ends undecided and degraded.
    pub fn validate(&self) -> Result<(), Error> {
        let sages = self.sages();
        if !(1..=3).contains(&self.quorum) {
            return Err(Error::invalid("council.quorum", "must be between 1 and 3"));
        }
        if (sages.len() as u64) < u64::from(self.quorum) {
            return Err(Error::invalid(
                "council.quorum",
                format!(
                    "asks for {} valid votes, but the council has {} of the sages",
                    self.quorum,
                    sages.len()
                ),
            ));
        }
        self.check_fallbacks()?;
        self.check_panel()?;
        match self.rule {
            Rule::Veto(sage) if !sages.contains(&sage) => {
                return Err(Error::invalid(
                    "council.rule",
                    format!("gives the veto to {sage}, who is not in the council"),
                ));
            }
            Rule::Veto(_) | Rule::Judge | Rule::Majority | Rule::Unanimous => {}
        }
        if self.has_judge() && self.deadlines.judge_total >= self.deadlines.whole {
            return Err(Error::invalid(
                "council.deadlines.whole",
                "must be longer than `council.deadlines.judge_total`, which is kept aside from it",
            ));
        }
        Ok(())
    }
}

impl Council {
    /// A list that is too long hides who answers, and written scenes are nobody's fallback.
    fn check_fallbacks(&self) -> Result<(), Error> {
        for (agent, role) in self.members() {
            let fallbacks = role.fallbacks.as_deref().unwrap_or_default();
            let field = format!("council.roles.{agent}.fallbacks");
            if fallbacks.len() > MOST_FALLBACKS {
                let message = format!("must name at most {MOST_FALLBACKS} models");
                return Err(Error::invalid(field, message));
            }
            let is_scene = |model: &ModelName| model.provider == REHEARSAL;
            if fallbacks.iter().any(is_scene) && !is_scene(&role.model) {
                let message = "names `rehearsal`, whose written scenes are no answer: leave it out";
                return Err(Error::invalid(field, message));
            }
        }
        Ok(())
    }
}

impl Council {
    /// A panel is the judge's, its members are two to five different models, and none is a scene.
    fn check_panel(&self) -> Result<(), Error> {
        for (agent, role) in self.members() {
            let panel = &role.panel;
            let is_twice = |(place, model): (usize, &ModelName)| panel[..place].contains(model);
            let twice = panel.iter().enumerate().find(|one| is_twice(*one));
            let message = if panel.is_empty() {
                continue;
            } else if agent != Agent::Judge {
                "is the judge's alone: leave it out".to_owned()
            } else if !(2..=MOST_PANEL).contains(&panel.len()) {
                format!("must name 2 to {MOST_PANEL} models: one alone belongs into `fallbacks`")
            } else if let Some((_, model)) = twice {
                format!("names `{model}` twice: one model has one vote")
            } else if panel.iter().any(|model| model.provider == REHEARSAL) {
                "names `rehearsal`, whose written scenes are no judgment: leave it out".to_owned()
            } else {
                continue;
            };
            return Err(Error::invalid(
                format!("council.roles.{agent}.panel"),
                message,
            ));
        }
        Ok(())
    }
}

/// Durations as seconds in JSON.
pub(crate) mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes seconds.
    pub(crate) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(value.as_secs_f64())
    }

    /// Reads seconds.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(from)?;
        Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)
    }
}

/// Model names as text in JSON.
pub(crate) mod model_name {
    use magi_model::ModelName;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes `provider:model`.
    pub(crate) fn serialize<S: Serializer>(name: &ModelName, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(name)
    }

    /// Reads `provider:model`.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<ModelName, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }

    /// The same for a list that may be absent.
    pub(crate) mod list {
        use magi_model::ModelName;
        use serde::{Deserialize, Deserializer, Serializer};

        /// Writes a list of `provider:model`, or null.
        pub(crate) fn serialize<S: Serializer>(
            names: &Option<Vec<ModelName>>,
            to: S,
        ) -> Result<S::Ok, S::Error> {
            match names {
                Some(names) => to.collect_seq(names.iter().map(ToString::to_string)),
                None => to.serialize_none(),
            }
        }

        /// Reads a list of `provider:model`, or null.
        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
            from: D,
        ) -> Result<Option<Vec<ModelName>>, D::Error> {
            let names = Option::<Vec<String>>::deserialize(from)?;
            let parse = |name: String| name.parse().map_err(serde::de::Error::custom);
            let names = names.map(|names| names.into_iter().map(parse).collect());
            names.transpose()
        }
    }

    /// The same for a list.
    pub(crate) mod all {
        use magi_model::ModelName;
        use serde::{Deserialize, Deserializer, Serializer};

        /// Writes a list of `provider:model`.
        pub(crate) fn serialize<S: Serializer>(
            names: &[ModelName],
            to: S,
        ) -> Result<S::Ok, S::Error> {
            to.collect_seq(names.iter().map(ToString::to_string))
        }

        /// Reads a list of `provider:model`.
        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
            from: D,
        ) -> Result<Vec<ModelName>, D::Error> {
            let names = Vec::<String>::deserialize(from)?;
            let parse = |name: String| name.parse().map_err(serde::de::Error::custom);
            names.into_iter().map(parse).collect()
        }
    }

    /// The same for a name that may be absent.
    pub(crate) mod option {
        use magi_model::ModelName;
        use serde::{Deserialize, Deserializer, Serializer};

        /// Writes `provider:model` or null.
        pub(crate) fn serialize<S: Serializer>(
            name: &Option<ModelName>,
            to: S,
        ) -> Result<S::Ok, S::Error> {
            match name {
                Some(name) => to.collect_str(name),
                None => to.serialize_none(),
            }
        }

        /// Reads `provider:model` or null.
        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
            from: D,
        ) -> Result<Option<ModelName>, D::Error> {
            let text = Option::<String>::deserialize(from)?;
            text.map(|text| text.parse().map_err(serde::de::Error::custom))
                .transpose()
        }
    }
}
