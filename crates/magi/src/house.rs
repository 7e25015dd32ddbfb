//! Wires the rooms together: settings in, a store, providers and an engine out.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use magi_council::{CouncilPatch, Engine, Limits};
use magi_event::DeliberationId;
use magi_log::{Env, Logs, Options, Query, SqliteStore, SystemClock, SystemEntropy};
use magi_model::Registry;

use crate::choice::{self, Choice};
use crate::exit::OrUsage;
use crate::providers;
use crate::settings::Settings;

/// The rooms of a process that deliberates.
pub(crate) struct House {
    /// The logs and the catalogue.
    pub(crate) logs: Logs,
    /// The deliberations of this process.
    pub(crate) engine: Engine,
    /// Who answers, and why.
    pub(crate) choice: Choice,
    /// Time and chance.
    pub(crate) env: Env,
    /// The providers at hand.
    pub(crate) models: Registry,
    /// What the settings want other than every preset has it.
    pub(crate) defaults: CouncilPatch,
}

/// Opens the store alone: enough to read, list, export and remove.
///
/// # Errors
///
/// When the folder cannot be made or the store cannot be opened.
pub(crate) fn logs(settings: &Settings) -> Result<Logs> {
    let folder = settings.data_dir();
    make_private(&folder)
        .with_context(|| format!("failed to make the data folder {}", folder.display()))?;
    let store = SqliteStore::open(&folder)
        .with_context(|| format!("failed to open the store in {}", folder.display()))?;
    Ok(Logs::new(Arc::new(store), env(), Options::default()))
}

/// Makes the folder that only its owner may read: questions are private.
fn make_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Opens everything that deliberating needs.
///
/// # Errors
///
/// When a setting is wrong or the store cannot be opened.
pub(crate) fn open(settings: &Settings) -> Result<House> {
    let choice = choice::choose(settings).or_usage()?;
    let models = providers::registry(settings).or_usage()?;
    check_providers(&choice, &models).or_usage()?;
    let logs = logs(settings)?;
    let env = env();
    let defaults = defaults(settings, &choice).or_usage()?;
    let engine = Engine::new(magi_council::Rooms {
        logs: logs.clone(),
        models: models.clone(),
        env: env.clone(),
        limits: Limits::default(),
        prices: providers::prices(settings).or_usage()?,
        settings: defaults.clone(),
        state_key: None,
    });
    Ok(House {
        logs,
        engine,
        choice,
        env,
        models,
        defaults,
    })
}

fn check_providers(choice: &Choice, models: &Registry) -> Result<()> {
    for model in choice.models.values().chain(&choice.fallback) {
        if models.get(&model.provider).is_none() {
            let names = models.names().collect::<Vec<_>>().join(", ");
            bail!(
                "there is no provider `{}` (in `{model}`): there are {names}",
                model.provider
            );
        }
    }
    Ok(())
}

/// The machine's own clock and randomness: the one place where they enter.
fn env() -> Env {
    Env {
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
    }
}

/// What the settings want other than the preset has it.
fn defaults(settings: &Settings, choice: &Choice) -> Result<CouncilPatch> {
    let mut patch = CouncilPatch::default();
    for (agent, model) in &choice.models {
        patch = patch.with_role_model(*agent, model.clone());
    }
    patch.judge_fallback.clone_from(&choice.fallback);
    patch.deadlines.connect = settings.duration("deadlines.connect")?;
    patch.deadlines.first_token = settings.duration("deadlines.first_token")?;
    patch.deadlines.idle = settings.duration("deadlines.idle")?;
    patch.deadlines.sage_total = settings.duration("deadlines.sage")?;
    patch.deadlines.judge_total = settings.duration("deadlines.judge")?;
    patch.deadlines.whole = settings.duration("deadlines.whole")?;
    patch.budget.usd = settings.parse("budget.usd")?;
    patch.budget.tokens = settings.parse("budget.tokens")?;
    Ok(patch)
}

/// Opens the store and counts the newest deliberations, to see that it can be read.
///
/// # Errors
///
/// When the store cannot be opened or read.
pub(crate) async fn count(settings: &Settings) -> Result<usize> {
    let logs = logs(settings)?;
    let rows = logs.catalogue().list(Query::default()).await?;
    logs.close().await;
    Ok(rows.rows.len())
}

/// Finds a deliberation by its id, or by the front of it as far as it is the only one.
///
/// # Errors
///
/// When there is none, or more than one.
pub(crate) async fn find(logs: &Logs, text: &str) -> Result<DeliberationId> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let front = text.to_ascii_uppercase();
    let mut found = Vec::new();
    let mut query = Query {
        limit: magi_log::LIST_LIMIT,
        ..Query::default()
    };
    loop {
        let page = logs.catalogue().list(query.clone()).await?;
        let ids = page.rows.into_iter().map(|row| row.id);
        found.extend(ids.filter(|id| id.to_string().starts_with(&front)));
        match page.next {
            Some(next) => query.before = Some(next),
            None => break,
        }
    }
    match found.as_slice() {
        [id] => Ok(*id),
        [] => bail!("no deliberation's id begins with `{text}`: `magi history` lists them"),
        many => bail!(
            "{} deliberations' ids begin with `{text}`: give more of it",
            many.len()
        ),
    }
}
