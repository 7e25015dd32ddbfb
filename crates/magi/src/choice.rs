//! Which model answers for whom, and why: settings in, four models out.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use magi_council::{MOST_FALLBACKS, MOST_PANEL};
use magi_event::Agent;
use magi_model::ModelName;

use crate::settings::{Settings, Source};
use crate::show::words::Lang;

/// The model of each vendor that answers when its key is all that is set.
const ANTHROPIC: &str = "anthropic:claude-sonnet-4-6";
const OPENAI: &str = "openai:gpt-5";
const BEDROCK: &str = "bedrock:global.anthropic.claude-sonnet-4-6";

/// The settings that name a model.
pub(crate) const MODELS: [&str; 11] = [
    "model",
    "fallback",
    "models.caspar",
    "models.balthasar",
    "models.melchior",
    "models.solomon",
    "models.caspar_fallback",
    "models.balthasar_fallback",
    "models.melchior_fallback",
    "models.solomon_fallback",
    PANEL,
];

/// Who answers, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// The model of each role.
    pub(crate) models: BTreeMap<Agent, ModelName>,
    /// The models that follow a role's own, where somebody said which; none where they said `none`.
    pub(crate) fallbacks: BTreeMap<Agent, Vec<ModelName>>,
    /// The models that judge together where all of the judge's have failed; `None` where nobody said.
    pub(crate) panel: Option<Vec<ModelName>>,
    /// Where the choice comes from, as in "environment MAGI_MODEL"; empty when nothing was set.
    pub(crate) why: String,
}

impl Choice {
    /// Returns every model that may be asked.
    pub(crate) fn all(&self) -> impl Iterator<Item = &ModelName> {
        self.models
            .values()
            .chain(self.fallbacks.values().flatten())
            .chain(self.panel.iter().flatten())
    }

    /// Tells whether every role is played from written scenes.
    pub(crate) fn is_rehearsal(&self) -> bool {
        self.models
            .values()
            .all(|model| model.provider == "rehearsal")
    }

    /// Says who answers and why, in a line.
    pub(crate) fn line(&self, lang: Lang) -> String {
        let mut models: Vec<_> = self.models.values().map(ToString::to_string).collect();
        models.dedup();
        format!("{} ({})", models.join(", "), self.reason(lang))
    }

    /// Says why these answer; with nothing set, the one step that connects a model.
    pub(crate) fn reason(&self, lang: Lang) -> &str {
        if !self.why.is_empty() {
            return &self.why;
        }
        lang.pick(
            "no model is configured: set ANTHROPIC_API_KEY or OPENAI_API_KEY, or \
             MAGI_MODEL=ollama:NAME or MAGI_MODEL=bedrock:ID",
            "モデルが未設定です。ANTHROPIC_API_KEY か OPENAI_API_KEY、または \
             MAGI_MODEL=ollama:NAME か MAGI_MODEL=bedrock:ID を設定してください",
        )
    }
}

/// Chooses the model of every role.
///
/// What is said for one role wins over what is said for all; where nothing is said, a vendor's key
/// chooses that vendor; with nothing at all, rehearsal answers. A key for Bedrock is such a key;
/// AWS credentials are not, for most of those who have them have them for something else.
///
/// # Errors
///
/// When a name is not a model's, or when a server is named but no model on it.
pub(crate) fn choose(settings: &Settings) -> Result<Choice> {
    let (base, why) = base(settings)?;
    let mut models = BTreeMap::new();
    let mut whys = vec![why];
    for agent in Agent::ALL {
        let key = key(agent);
        let model = match settings.parse::<ModelName>(key)? {
            Some(model) => {
                whys.extend(settings.get(key).map(|value| value.source.to_string()));
                model
            }
            None => base.clone(),
        };
        models.insert(agent, model);
    }
    whys.retain(|why| !why.is_empty());
    whys.dedup();
    let mut fallbacks = BTreeMap::new();
    let for_all = settings.list::<ModelName>("fallback")?;
    for agent in Agent::ALL {
        if let Some(models) = settings.list(fallback_key(agent))?.or(for_all.clone()) {
            anyhow::ensure!(
                models.len() <= MOST_FALLBACKS,
                "setting `{}` (or `fallback`) names {} models: at most {MOST_FALLBACKS} are asked",
                fallback_key(agent),
                models.len()
            );
            fallbacks.insert(agent, models);
        }
    }
    let panel = settings.list::<ModelName>(PANEL)?;
    let n = panel.as_ref().map_or(0, Vec::len);
    anyhow::ensure!(
        n != 1 && n <= MOST_PANEL,
        "setting `{PANEL}` names {n} models: name 2 to {MOST_PANEL}, or `none`"
    );
    Ok(Choice {
        models,
        fallbacks,
        panel,
        why: whys.join(", "),
    })
}

const fn key(agent: Agent) -> &'static str {
    use magi_event::Sage::{Balthasar, Caspar, Melchior};
    match agent {
        Agent::Sage(Caspar) => "models.caspar",
        Agent::Sage(Balthasar) => "models.balthasar",
        Agent::Sage(Melchior) => "models.melchior",
        Agent::Judge => "models.solomon",
    }
}

/// The setting of the judge's panel.
const PANEL: &str = "models.solomon_panel";

const fn fallback_key(agent: Agent) -> &'static str {
    use magi_event::Sage::{Balthasar, Caspar, Melchior};
    match agent {
        Agent::Sage(Caspar) => "models.caspar_fallback",
        Agent::Sage(Balthasar) => "models.balthasar_fallback",
        Agent::Sage(Melchior) => "models.melchior_fallback",
        Agent::Judge => "models.solomon_fallback",
    }
}

fn base(settings: &Settings) -> Result<(ModelName, String)> {
    if let Some(model) = settings.parse::<ModelName>("model")? {
        let source = settings
            .get("model")
            .map_or(Source::Default, |value| value.source.clone());
        return Ok((model, source.to_string()));
    }
    for (vendor, model) in [
        ("anthropic", ANTHROPIC),
        ("openai", OPENAI),
        ("bedrock", BEDROCK),
    ] {
        let Some(key) = settings.get(&format!("{vendor}.api_key")) else {
            continue;
        };
        let address = settings.get(&format!("{vendor}.base_url"));
        if vendor == "openai" && address.is_some_and(|value| value.source != Source::Default) {
            bail!(
                "setting `openai.base_url` names a server of your own, but no model on it: set \
                 MAGI_MODEL=openai:NAME (`magi models` lists what the server offers)"
            );
        }
        return Ok((
            model.parse()?,
            format!("{} is set; MAGI_MODEL chooses another", key.source),
        ));
    }
    Ok(("rehearsal".parse()?, String::new()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Origins;

    fn choose_with(env: &[(&str, &str)]) -> Result<Choice> {
        let lookup = |name: &str| {
            env.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        let origins = Origins {
            flags: BTreeMap::new(),
            env: &lookup,
            file: None,
        };
        choose(&Settings::load(&origins).unwrap())
    }

    #[test]
    fn with_nothing_configured_rehearsal_answers() {
        let choice = choose_with(&[]).unwrap();
        assert!(choice.is_rehearsal());
        assert!(choice.reason(Lang::En).contains("no model is configured"));
        assert!(choice.reason(Lang::Ja).contains("OPENAI_API_KEY"));
    }

    #[test]
    fn a_key_chooses_its_vendor_and_one_role_may_differ() {
        let choice = choose_with(&[
            ("ANTHROPIC_API_KEY", "k"),
            ("MAGI_SOLOMON_MODEL", "ollama:qwen3:8b"),
        ])
        .unwrap();
        assert_eq!(choice.models[&Agent::ALL[0]].to_string(), ANTHROPIC);
        assert_eq!(choice.models[&Agent::Judge].to_string(), "ollama:qwen3:8b");
        assert!(choice.why.contains("ANTHROPIC_API_KEY"), "{}", choice.why);
        assert!(!choice.line(Lang::En).contains("\"k\""));
    }

    #[test]
    fn a_bedrock_key_chooses_bedrock_and_aws_credentials_choose_nothing() {
        let choice = choose_with(&[("AWS_BEARER_TOKEN_BEDROCK", "k")]).unwrap();
        assert_eq!(choice.models[&Agent::Judge].to_string(), BEDROCK);
        assert!(choice.why.contains("AWS_BEARER_TOKEN_BEDROCK"));
        let credentials = [
            ("AWS_ACCESS_KEY_ID", "AKID"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("AWS_REGION", "us-east-1"),
        ];
        assert!(choose_with(&credentials).unwrap().is_rehearsal());
    }

    #[test]
    fn a_server_of_ones_own_needs_a_model_named() {
        let local = ("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1");
        assert!(choose_with(&[local, ("OPENAI_API_KEY", "k")]).is_err());
        let choice = choose_with(&[local, ("MAGI_MODEL", "openai:llama")]).unwrap();
        assert_eq!(choice.models[&Agent::Judge].model, "llama");
    }

    #[test]
    fn fallbacks_keep_their_order_and_one_role_may_differ() {
        let choice = choose_with(&[
            ("MAGI_MODEL", "openai:a"),
            ("MAGI_FALLBACK_MODEL", "anthropic:b, ollama:c"),
            ("MAGI_CASPAR_FALLBACK_MODEL", "none"),
            ("MAGI_SOLOMON_FALLBACK_MODEL", "ollama:d"),
        ])
        .unwrap();
        let of = |agent: &str| {
            let models = &choice.fallbacks[&agent.parse().unwrap()];
            models.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(of("melchior"), ["anthropic:b", "ollama:c"]);
        assert_eq!(of("caspar"), Vec::<String>::new());
        assert_eq!(of("solomon"), ["ollama:d"]);
        assert_eq!(choice.all().count(), 4 + 2 + 2 + 1);
        let wrong = [("MAGI_FALLBACK_MODEL", "openai:a,gpt5")];
        let error = choose_with(&wrong).unwrap_err().to_string();
        assert!(error.contains("`fallback` holds `gpt5`"), "{error}");
        assert!(choose_with(&[("MAGI_FALLBACK_MODEL", "a:b,a:c,a:d,a:e,a:f")]).is_err());
        assert!(choose_with(&[]).unwrap().fallbacks.is_empty());
    }

    #[test]
    fn a_panel_is_two_models_to_five() {
        let panel = |models| choose_with(&[("MAGI_SOLOMON_PANEL", models)]);
        let chosen = panel("openai:a, ollama:b").unwrap().panel.unwrap();
        assert_eq!(
            chosen,
            ["openai:a", "ollama:b"].map(|name| name.parse::<ModelName>().unwrap())
        );
        assert_eq!(panel("none").unwrap().panel, Some(Vec::new()));
        for wrong in ["openai:a", "a:1,a:2,a:3,a:4,a:5,a:6"] {
            let error = panel(wrong).unwrap_err().to_string();
            assert!(error.contains("`models.solomon_panel`"), "{error}");
        }
        assert_eq!(choose_with(&[]).unwrap().panel, None);
    }

    #[test]
    fn a_wrong_name_says_which_setting() {
        let error = choose_with(&[("MAGI_CASPAR_MODEL", "gpt5")])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("`models.caspar`") && error.contains("provider:model"),
            "{error}"
        );
    }
}
