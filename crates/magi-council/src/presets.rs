//! All presets: the built-in ones, which are always there, and those that a person keeps in the store.

use std::collections::BTreeMap;

use magi_event::{Agent, Rule, Timestamp};
use magi_log::{Catalogue, Logs, StoredPreset};
use magi_model::Lang;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::draft::{Draft, Texts};
use crate::fields::Fields;
use crate::prompt::texts::Template;
use crate::{Budget, Council, CouncilPatch, Deadlines, Error, Late, Preset, Sampling};

/// The most presets that a store keeps beside the built-in ones.
pub const MOST_PRESETS: usize = 256;

/// The longest name, in characters.
const LONGEST_NAME: usize = 64;

/// What a council is called that is no preset's, so no preset may be.
pub(crate) const CUSTOM: &str = "custom";

/// A preset in a list.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PresetLine {
    /// The name by which it is asked for.
    pub name: String,
    /// The newest version.
    pub version: u32,
    /// Whether it comes with the program, and cannot be changed.
    pub builtin: bool,
    /// When the newest version was saved; absent for a built-in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saved_at: Option<Timestamp>,
    /// What it is called.
    pub title: Texts,
    /// What it is for.
    pub good_for: Texts,
    /// What it is bad at.
    pub bad_at: Texts,
    /// The built-in preset that it is made from.
    pub base: String,
    /// How votes become an outcome.
    pub rule: Rule,
    /// The least number of valid votes for a decision.
    pub quorum: u32,
    /// How many deliberations that are kept used it, in whatever version.
    pub used: u64,
}

/// A preset as a whole, in one version. What a person may write of it is `title`, `good_for`,
/// `bad_at`, `base` and `council`; the rest is told.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PresetWhole {
    /// What a list tells of it, in this version.
    #[serde(flatten)]
    pub line: PresetLine,
    /// Whether it was deleted since: only its numbered versions are still told.
    pub deleted: bool,
    /// What is other than in the base, in the form of a question's `council`.
    pub council: Value,
    /// What comes of it before the settings' own changes.
    pub effective: Effective,
    /// How a sage must answer. It follows every role text and cannot be changed.
    pub vote_format: Texts,
    /// How the judge must answer. It follows the role text and cannot be changed.
    pub verdict_format: Texts,
    /// All versions there are, oldest first; a built-in preset has its own alone.
    pub versions: Vec<PresetVersion>,
}

/// A version that there is.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PresetVersion {
    /// Its number.
    pub version: u32,
    /// When it was saved; absent for a built-in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saved_at: Option<Timestamp>,
}

/// A council as a preset gives it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Effective {
    /// How votes become an outcome.
    pub rule: Rule,
    /// The least number of valid votes for a decision.
    pub quorum: u32,
    /// What becomes of a sage who is late.
    pub late: Late,
    /// Every member's part.
    pub roles: BTreeMap<Agent, EffectiveRole>,
    /// How long everything may take, in seconds.
    pub deadlines: Deadlines,
    /// How much may be spent.
    pub budget: Budget,
}

/// One member's part as a preset gives it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct EffectiveRole {
    /// The role text, by the language of the question.
    pub prompt: Texts,
    /// Whether the role text is the base's.
    pub is_inherited: bool,
    /// The model, as `provider:model`; absent where it is the settings'.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The models that follow; absent where they are the settings'.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallbacks: Option<Vec<String>>,
    /// How the model samples.
    #[serde(flatten)]
    pub sampling: Sampling,
    /// Whether the member is in the council.
    pub enabled: bool,
}

/// The presets of a store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Presets {
    catalogue: Catalogue,
}

/// The preset of one question.
#[derive(Clone, Debug)]
pub(crate) enum Chosen {
    /// One that comes with the program.
    BuiltIn(&'static Preset),
    /// One from the store.
    Kept {
        name: String,
        version: u32,
        draft: Box<Draft>,
    },
}

impl Presets {
    /// Returns the presets beside these logs.
    #[must_use]
    pub fn of(logs: &Logs) -> Self {
        Presets {
            catalogue: logs.catalogue(),
        }
    }

    /// Lists all presets in their newest versions: the built-in ones, then the others by name.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`].
    pub async fn list(&self) -> Result<Vec<PresetLine>, Error> {
        let uses = self.catalogue.preset_uses().await?;
        let used = |name: &str| uses.get(name).copied().unwrap_or(0);
        let mut lines: Vec<_> = Preset::ALL
            .iter()
            .filter_map(|preset| Preset::find(preset.name))
            .map(|preset| builtin_line(preset, used(preset.name)))
            .collect();
        for kept in self.catalogue.presets().await? {
            match read(&kept) {
                Ok(draft) => lines.push(kept_line(&kept, &draft, used(&kept.name))),
                Err(error) => tracing::warn!(%error, "a preset is not listed"),
            }
        }
        Ok(lines)
    }

    /// Reads a preset: its newest version, or the one of this number, which is there also when the
    /// preset was changed or deleted since.
    ///
    /// # Errors
    ///
    /// [`Error::NoPreset`], [`Error::Unavailable`].
    pub async fn get(&self, name: &str, version: Option<u32>) -> Result<PresetWhole, Error> {
        let uses = self.catalogue.preset_uses().await?;
        let used = uses.get(name).copied().unwrap_or(0);
        if let Some(preset) = Preset::find(name) {
            if version.is_some_and(|version| version != preset.version) {
                return Err(no_preset(name, version));
            }
            return Ok(whole_builtin(preset, used));
        }
        let kept = self.catalogue.preset(name, version).await?;
        let kept = kept.ok_or_else(|| no_preset(name, version))?;
        Ok(whole_kept(&kept, &read(&kept)?, used))
    }

    /// Saves the next version of a preset from a body: a [`Draft`], with `if_version` where somebody
    /// else's change must not be lost (0: there must be none yet). The same body again changes nothing.
    /// Tells also whether the preset is new.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`], [`Error::PresetChanged`], [`Error::Conflict`] when there are too many,
    /// [`Error::Unavailable`]; nothing was saved then.
    pub async fn save(&self, name: &str, body: &Value) -> Result<(PresetWhole, bool), Error> {
        check_name(name)?;
        let draft = Draft::read(body)?;
        let if_version = Fields::of(body, "")?.whole("if_version", 0, u64::from(u32::MAX))?;
        let if_version = if_version.and_then(|version| u32::try_from(version).ok());
        let before = self.catalogue.preset(name, None).await?;
        if before.is_none() && self.catalogue.presets().await?.len() >= MOST_PRESETS {
            let why = format!("{MOST_PRESETS} presets are kept, and no more: delete one first");
            return Err(Error::Conflict(why));
        }
        let content = draft.json().to_string();
        let kept = self
            .catalogue
            .save_preset(name, content, if_version)
            .await?;
        let uses = self.catalogue.preset_uses().await?;
        let used = uses.get(name).copied().unwrap_or(0);
        Ok((whole_kept(&kept, &draft, used), before.is_none()))
    }

    /// Deletes a preset: it is not listed and cannot be asked for any more. Its versions are still
    /// told by their numbers, and the deliberations that used it keep their own copy of the council.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a built-in one, [`Error::NoPreset`], [`Error::Unavailable`].
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        check_name(name)?;
        if self.catalogue.delete_preset(name).await? {
            Ok(())
        } else {
            Err(no_preset(name, None))
        }
    }

    /// Finds the preset that a question asks for.
    pub(crate) async fn chosen(&self, name: &str) -> Result<Chosen, Error> {
        if let Some(preset) = Preset::find(name) {
            return Ok(Chosen::BuiltIn(preset));
        }
        if is_name(name)
            && let Some(kept) = self.catalogue.preset(name, None).await?
        {
            return Ok(Chosen::Kept {
                version: kept.version,
                draft: Box::new(read(&kept)?),
                name: kept.name,
            });
        }
        let kept = self.catalogue.presets().await?;
        let kept = kept.iter().map(|preset| preset.name.as_str());
        let names = Preset::ALL.iter().map(|preset| preset.name).chain(kept);
        let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
        let shown: String = name.chars().take(LONGEST_NAME).collect();
        let message = format!(
            "`{shown}` does not exist: expected one of {}",
            names.join(", ")
        );
        Err(Error::invalid("preset", message))
    }
}

impl Chosen {
    /// Returns the council of this preset under the operator's settings.
    pub(crate) fn council(&self, lang: Lang, settings: &CouncilPatch) -> Council {
        match self {
            Chosen::BuiltIn(preset) => Draft::of_builtin(preset).council(lang, settings),
            Chosen::Kept {
                name,
                version,
                draft,
            } => Council {
                name: name.clone(),
                version: *version,
                ..draft.council(lang, settings)
            },
        }
    }

    /// Lets an error about a part of the council name the preset, where it is the preset's and not
    /// the request's.
    pub(crate) fn blame(&self, error: Error, asked: &CouncilPatch) -> Error {
        match (self, error) {
            (Chosen::Kept { name, .. }, Error::Invalid { field, message })
                if field.starts_with("council.") && *asked == CouncilPatch::default() =>
            {
                let message = format!("`{name}` cannot be used here: `{field}` {message}");
                Error::invalid("preset", message)
            }
            (_, error) => error,
        }
    }
}

/// Tells whether a text may be a preset's name.
fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
        && name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// Refuses a name that no person's preset may have.
fn check_name(name: &str) -> Result<(), Error> {
    if Preset::find(name).is_some() {
        let message =
            format!("`{name}` is built in and cannot be changed: copy it under another name");
        return Err(Error::invalid("name", message));
    }
    if name == CUSTOM {
        let message = "`custom` is what a changed council is called: choose another name";
        return Err(Error::invalid("name", message));
    }
    if !is_name(name) {
        let message = format!("must be 1 to {LONGEST_NAME} characters out of a-z, 0-9 and -");
        return Err(Error::invalid("name", message));
    }
    Ok(())
}

fn no_preset(name: &str, version: Option<u32>) -> Error {
    let shown: String = name.chars().take(LONGEST_NAME).collect();
    Error::NoPreset(match version {
        Some(version) => format!("{shown}` of version `{version}"),
        None => shown,
    })
}

fn read(kept: &StoredPreset) -> Result<Draft, Error> {
    let wrong = |error: &dyn std::fmt::Display| {
        let name = &kept.name;
        Error::Conflict(format!("preset `{name}` does not read: {error}"))
    };
    let content: Value = serde_json::from_str(&kept.content).map_err(|error| wrong(&error))?;
    Draft::read(&content).map_err(|error| wrong(&error))
}

fn line(draft: &Draft, name: &str, version: u32, used: u64) -> PresetLine {
    let council = draft.council(Lang::En, &CouncilPatch::default());
    PresetLine {
        name: name.to_owned(),
        version,
        builtin: false,
        saved_at: None,
        title: draft.title.clone(),
        good_for: draft.good_for.clone(),
        bad_at: draft.bad_at.clone(),
        base: draft.base.name.to_owned(),
        rule: council.rule,
        quorum: council.quorum,
        used,
    }
}

fn builtin_line(preset: &'static Preset, used: u64) -> PresetLine {
    PresetLine {
        builtin: true,
        ..line(
            &Draft::of_builtin(preset),
            preset.name,
            preset.version,
            used,
        )
    }
}

fn kept_line(kept: &StoredPreset, draft: &Draft, used: u64) -> PresetLine {
    PresetLine {
        saved_at: Some(kept.saved_at),
        ..line(draft, &kept.name, kept.version, used)
    }
}

fn whole(line: PresetLine, draft: &Draft, versions: Vec<PresetVersion>) -> PresetWhole {
    let format = |template: Template| Texts {
        ja: Some(template.fill(Lang::Ja, &[])),
        en: Some(template.fill(Lang::En, &[])),
    };
    PresetWhole {
        line,
        deleted: false,
        council: draft.written().clone(),
        effective: effective(draft),
        vote_format: format(Template::VoteFormat),
        verdict_format: format(Template::VerdictFormat),
        versions,
    }
}

fn whole_builtin(preset: &'static Preset, used: u64) -> PresetWhole {
    let only = PresetVersion {
        version: preset.version,
        saved_at: None,
    };
    let line = builtin_line(preset, used);
    whole(line, &Draft::of_builtin(preset), vec![only])
}

fn whole_kept(kept: &StoredPreset, draft: &Draft, used: u64) -> PresetWhole {
    let versions = kept.versions.iter().map(|version| PresetVersion {
        version: version.version,
        saved_at: Some(version.saved_at),
    });
    PresetWhole {
        deleted: kept.is_deleted,
        ..whole(kept_line(kept, draft, used), draft, versions.collect())
    }
}

fn effective(draft: &Draft) -> Effective {
    let nothing = CouncilPatch::default();
    let council = draft.council(Lang::En, &nothing);
    let role = |agent: Agent, role: &crate::Role| {
        let patch = draft.council.roles.get(&agent);
        let own = patch.and_then(|patch| patch.prompt.clone());
        let prompt = |lang| {
            own.clone()
                .or_else(|| Some(draft.base.role_text(agent, lang)))
        };
        let names = |models: &Vec<magi_model::ModelName>| {
            let names = models.iter().map(ToString::to_string);
            names.collect::<Vec<_>>()
        };
        EffectiveRole {
            prompt: Texts {
                ja: prompt(Lang::Ja),
                en: prompt(Lang::En),
            },
            is_inherited: own.is_none(),
            model: patch
                .and_then(|patch| patch.model.as_ref())
                .map(ToString::to_string),
            fallbacks: role.fallbacks.as_ref().map(names),
            sampling: role.sampling,
            enabled: role.enabled,
        }
    };
    Effective {
        rule: council.rule,
        quorum: council.quorum,
        late: council.late,
        roles: council
            .roles
            .iter()
            .map(|(agent, own)| (*agent, role(*agent, own)))
            .collect(),
        deadlines: council.deadlines,
        budget: council.budget,
    }
}
