//! Wires the rooms together: settings in, a store, providers and an engine out.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use magi_council::{Budget, CouncilPatch, Engine, Limits, StateKey};
use magi_event::DeliberationId;
use magi_log::{Env, Logs, MemoryStore, Options, Query, SqliteStore, SystemClock, SystemEntropy};
use magi_model::{Prices, Registry};

use crate::choice::{self, Choice};
use crate::exit::OrUsage;
use crate::providers;
use crate::settings::Settings;
use crate::show::words::Lang;

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
    let opened = make_private(&folder)
        .with_context(|| format!("failed to make the data folder {}", folder.display()))
        .and_then(|()| {
            SqliteStore::open(&folder)
                .with_context(|| format!("failed to open the store in {}", folder.display()))
        });
    match opened {
        Ok(store) => Ok(Logs::new(Arc::new(store), env(), Options::default())),
        Err(error) if is_read_only(&error) => bail!(ReadOnly {
            folder,
            lang: Lang::of_terminal(settings.text("lang")),
        }),
        Err(error) => Err(error),
    }
}

/// Opens the store for commands that only read: a damaged one is said to be, and read as far as it can
/// be; one that cannot be written to is read.
///
/// # Errors
///
/// As [`logs`], but for damage and a folder that is read-only.
pub(crate) fn logs_to_read(settings: &Settings) -> Result<Logs> {
    let folder = settings.data_dir();
    let store = match logs(settings) {
        Err(error) if is_damaged(&error) => {
            writeln!(std::io::stderr().lock(), "warning: {error:#}")?;
            SqliteStore::open_to_read(&folder).or_else(|_| SqliteStore::open_read_only(&folder))?
        }
        Err(error) if error.is::<ReadOnly>() => SqliteStore::open_read_only(&folder)?,
        opened => return opened,
    };
    Ok(Logs::new(Arc::new(store), env(), Options::default()))
}

/// The data folder cannot be written to, in the user's language.
#[derive(Debug)]
pub(crate) struct ReadOnly {
    folder: PathBuf,
    lang: Lang,
}

impl std::fmt::Display for ReadOnly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.folder.display().to_string();
        match self.lang {
            Lang::En => magi_log::Error::ReadOnly { path }.fmt(f),
            Lang::Ja => write!(
                f,
                "データフォルダ `{path}` は読み取り専用です。中身は見られますが（`magi history`、`magi replay`、\
                 `magi export`）、書き込めません。--data-dir で別のフォルダを選ぶか、書き込めるようにしてください"
            ),
        }
    }
}

impl std::error::Error for ReadOnly {}

/// Tells whether the error is damage of the store.
pub(crate) fn is_damaged(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<magi_log::Error>();
    matches!(error, Some(magi_log::Error::Damaged { .. }))
}

fn is_read_only(error: &anyhow::Error) -> bool {
    if let Some(error) = error.downcast_ref::<magi_log::Error>() {
        return matches!(error, magi_log::Error::ReadOnly { .. });
    }
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| {
        matches!(
            error.kind(),
            std::io::ErrorKind::ReadOnlyFilesystem | std::io::ErrorKind::PermissionDenied
        )
    })
}

/// Makes the folder that only its owner may read: questions are private.
fn make_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Opens everything that deliberating needs. Needs a Tokio runtime.
///
/// # Errors
///
/// When a setting is wrong or the store cannot be opened.
pub(crate) fn open(settings: &Settings) -> Result<House> {
    let plan = Plan::read(settings)?;
    Ok(plan.build(logs(settings)?))
}

/// All that a house is built from but its store: read once, built as often as needed.
#[derive(Clone)]
pub(crate) struct Plan {
    /// Who answers, and why.
    pub(crate) choice: Choice,
    models: Registry,
    prices: Prices,
    defaults: CouncilPatch,
    /// The most that a caller may ask to spend.
    ceiling: Budget,
    /// Signs what a suspended deliberation leaves, and reads it again.
    pub(crate) state_key: Option<StateKey>,
}

impl Plan {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// When one is wrong.
    pub(crate) fn read(settings: &Settings) -> Result<Plan> {
        let choice = choice::choose(settings).or_usage()?;
        let models = providers::registry(settings).or_usage()?;
        check_providers(&choice, &models).or_usage()?;
        let defaults = defaults(settings, &choice).or_usage()?;
        Ok(Plan {
            choice,
            models,
            prices: providers::prices(settings).or_usage()?,
            defaults,
            ceiling: Budget::default(),
            state_key: state_key(settings).or_usage()?,
        })
    }

    /// Makes the settings' budget the most that a caller may ask for, and not only what is meant
    /// where nobody says: for a door whose callers do not pay.
    pub(crate) fn for_others(mut self) -> Plan {
        self.ceiling = self.defaults.budget;
        self
    }

    /// Builds the rooms over these logs. Needs a Tokio runtime.
    pub(crate) fn build(&self, logs: Logs) -> House {
        let env = env();
        let engine = Engine::new(magi_council::Rooms {
            logs: logs.clone(),
            models: self.models.clone(),
            env: env.clone(),
            limits: Limits {
                budget: self.ceiling,
                ..Limits::default()
            },
            prices: self.prices.clone(),
            settings: self.defaults.clone(),
            state_key: self.state_key.clone(),
        });
        House {
            logs,
            engine,
            choice: self.choice.clone(),
            env,
            models: self.models.clone(),
            defaults: self.defaults.clone(),
        }
    }
}

fn state_key(settings: &Settings) -> Result<Option<StateKey>> {
    let Some(value) = settings.get("state_key") else {
        return Ok(None);
    };
    let key = StateKey::new(&value.text);
    key.map(Some)
        .with_context(|| format!("setting `state_key` (from {})", value.source))
}

/// Opens logs that live as long as this process.
pub(crate) fn logs_in_memory() -> Logs {
    Logs::new(Arc::new(MemoryStore::new()), env(), Options::default())
}

fn check_providers(choice: &Choice, models: &Registry) -> Result<()> {
    for model in choice.all() {
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
pub(crate) fn env() -> Env {
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
    for (agent, models) in &choice.fallbacks {
        patch = patch.with_fallbacks(*agent, models.clone());
    }
    if let Some(panel) = &choice.panel {
        patch = patch.with_panel(panel.clone());
    }
    patch.deadlines.connect = settings.duration("deadlines.connect")?;
    patch.deadlines.first_token = settings.duration("deadlines.first_token")?;
    patch.deadlines.idle = settings.duration("deadlines.idle")?;
    patch.deadlines.sage_total = settings.duration("deadlines.sage")?;
    patch.deadlines.judge_total = settings.duration("deadlines.judge")?;
    patch.late = settings.parse("late")?;
    patch.deadlines.late = settings.duration("deadlines.late")?;
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
pub(crate) async fn find(logs: &Logs, text: &str, settings: &Settings) -> Result<DeliberationId> {
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
    let lang = Lang::of_terminal(settings.text("lang"));
    match found.as_slice() {
        [id] => Ok(*id),
        [] => bail!(match lang {
            Lang::En =>
                format!("no deliberation's id begins with `{text}`: `magi history` lists them"),
            Lang::Ja => format!(
                "`{text}` で始まる ID の審議はありません。`magi history` が一覧を表示します"
            ),
        }),
        many => {
            let n = many.len();
            bail!(match lang {
                Lang::En => format!("{n} deliberations' ids begin with `{text}`: give more of it"),
                Lang::Ja => format!(
                    "`{text}` で始まる ID の審議は{n}件あります。もっと長く指定してください"
                ),
            })
        }
    }
}
