//! From a question to the setup of its deliberation: which council, whether it can be called and paid.

use std::collections::BTreeMap;

use magi_event::{Agent, DeliberationId, Usage};
use magi_model::{Lang, ModelName};

use crate::engine::Inner;
use crate::presets::Chosen;
use crate::request::BEDROCK;
use crate::setup::{REHEARSAL, Setup};
use crate::{Ask, Council, CouncilPatch, Error, Preset};

impl Inner {
    /// Makes the setup of a question: preset, then the settings, then the request's own changes.
    pub(crate) fn setup(&self, ask: &Ask, chosen: &Chosen) -> Result<Setup, Error> {
        ask.validate()?;
        let lang = ask.language();
        let (patch, replaced) = self.reachable(&ask.council);
        let mut council = self.council(ask, &patch, chosen, lang);
        // A written scene is played by the council it was written for, unless one was asked for.
        if ask.preset.is_none() && is_rehearsed(&council) {
            let scene = magi_model::rehearsal::scene_for(&ask.question);
            if let Some(preset) = scene.and_then(|scene| Preset::find(&scene.preset)) {
                council = self.council(ask, &patch, &Chosen::BuiltIn(preset), lang);
            }
        }
        let of_preset = |error| chosen.blame(error, &ask.council);
        council.validate().map_err(of_preset)?;
        let setup = Setup {
            question: ask.question.clone(),
            context: ask.context.clone(),
            earlier: None,
            lang,
            council,
            on_leave: ask.on_leave,
            capabilities: ask.capabilities.clone(),
            conversation_id: ask.conversation_id.clone(),
            fork_of: ask.fork_of,
            reused: BTreeMap::new(),
            replaced,
            spent: None,
            notes: Vec::new(),
            is_judge_stopped: false,
            order_seed: None,
            called: ask.called.clone(),
        };
        self.check_models(&setup, &patch).map_err(of_preset)?;
        Ok(setup)
    }

    /// Checks that the deliberation which a question goes on from is here.
    pub(crate) async fn check_fork(&self, id: Option<DeliberationId>) -> Result<(), Error> {
        let Some(id) = id else { return Ok(()) };
        match self.rooms.logs.head(id).await.map_err(Error::from) {
            Ok(_) => Ok(()),
            Err(Error::Unknown) => Err(Error::invalid(
                "fork_of",
                format!("names {id}, which is not here: it never was, or it was deleted"),
            )),
            Err(error) => Err(error),
        }
    }

    /// Takes out of a patch the original's bare ids where there is no Bedrock, so that the settings'
    /// own models answer. Its browser sends such an id with every question; nobody chose it here.
    fn reachable(&self, patch: &CouncilPatch) -> (CouncilPatch, BTreeMap<Agent, String>) {
        let mut patch = patch.clone();
        let mut replaced = BTreeMap::new();
        if self.rooms.models.get(BEDROCK).is_some() {
            return (patch, replaced);
        }
        for (agent, role) in &mut patch.roles {
            if role.is_bare_id
                && let Some(model) = role.model.take()
            {
                replaced.insert(*agent, model.model);
            }
        }
        (patch, replaced)
    }

    /// Makes the council of a preset, with the settings' and then the request's own changes.
    fn council(&self, ask: &Ask, patch: &CouncilPatch, preset: &Chosen, lang: Lang) -> Council {
        let mut council = preset.council(lang, &self.rooms.settings);
        patch.apply(&mut council);
        council.budget.usd = ask.budget.usd.or(council.budget.usd);
        council.budget.tokens = ask.budget.tokens.or(council.budget.tokens);
        council
    }

    /// Checks that every member's provider is here, and that a budget in money can be kept. `patch`
    /// knows by which field the request named a model.
    pub(crate) fn check_models(&self, setup: &Setup, patch: &CouncilPatch) -> Result<(), Error> {
        for (agent, role) in setup.council.members() {
            let is_reused = agent
                .sage()
                .is_some_and(|sage| setup.reused.contains_key(&sage));
            if is_reused {
                continue;
            }
            let named = patch.roles.get(&agent);
            let field = named.and_then(|role| role.model_field.clone());
            let field = field.unwrap_or_else(|| format!("council.roles.{agent}.model"));
            self.check_model(setup, &role.model, &field)?;
            // The judge's implied fallback is a sage's model: where that sage is not asked, its
            // provider need not be here.
            for model in role.fallbacks.iter().flatten() {
                self.check_model(setup, model, &format!("council.roles.{agent}.fallbacks"))?;
            }
            for model in &role.panel {
                self.check_model(setup, model, &format!("council.roles.{agent}.panel"))?;
            }
        }
        Ok(())
    }

    /// Checks that a model's provider is here, and its price known where money is counted.
    fn check_model(&self, setup: &Setup, model: &ModelName, field: &str) -> Result<(), Error> {
        let provider = &model.provider;
        if self.rooms.models.get(provider).is_none() {
            let here: Vec<&str> = self.rooms.models.names().collect();
            return Err(Error::invalid(
                field,
                format!(
                    "asks for provider `{provider}`, which is not configured; configured: {}",
                    here.join(", ")
                ),
            ));
        }
        let nothing = Usage::default();
        let has_price = provider == REHEARSAL || self.rooms.prices.cost(model, &nothing).is_some();
        if setup.council.budget.usd.is_some() && !has_price {
            return Err(Error::invalid(
                "budget.usd",
                format!(
                    "cannot be kept: the price of `{model}` is not known; set `budget.tokens` instead"
                ),
            ));
        }
        Ok(())
    }
}

fn is_rehearsed(council: &Council) -> bool {
    council
        .members()
        .all(|(_, role)| role.model.provider == REHEARSAL)
}
