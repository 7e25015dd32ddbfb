//! What a person makes of a preset: a built-in one, what is other in it, and what it is for and bad at.

use magi_model::{Lang, ModelName};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::fields::Fields;
use crate::preset::Text;
use crate::setup::REHEARSAL;
use crate::{Council, CouncilPatch, Error, Preset};

/// The longest title in one language, in bytes.
const LONGEST_TITLE: usize = 512;

/// The longest description in one language, in bytes.
const LONGEST_DESCRIPTION: usize = 4 * 1024;

/// The fields that a draft is made of.
const OWN: [&str; 6] = [
    "title",
    "good_for",
    "bad_at",
    "base",
    "council",
    "if_version",
];

/// The fields that an answer has beside them: a copy may send them back, and they change nothing.
const TOLD: [&str; 12] = [
    "name",
    "version",
    "builtin",
    "deleted",
    "saved_at",
    "rule",
    "quorum",
    "effective",
    "vote_format",
    "verdict_format",
    "versions",
    "used",
];

/// A text in one or both languages of the house.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Texts {
    /// Japanese.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ja: Option<String>,
    /// English.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub en: Option<String>,
}

impl Texts {
    /// Returns the text in this language, or in the other one where that is all there is.
    #[must_use]
    pub fn get(&self, lang: Lang) -> &str {
        let (own, other) = match lang {
            Lang::Ja => (&self.ja, &self.en),
            Lang::En => (&self.en, &self.ja),
        };
        own.as_deref().or(other.as_deref()).unwrap_or_default()
    }

    fn read(fields: &Fields<'_>, name: &str, longest: usize) -> Result<Texts, Error> {
        let Some(texts) = fields.object(name)? else {
            return Ok(Texts::default());
        };
        texts.only(&["ja", "en"])?;
        let text = |lang: &str| -> Result<Option<String>, Error> {
            let text = texts.text(lang)?.map(str::trim);
            let text = text.filter(|text| !text.is_empty());
            if text.is_some_and(|text| text.len() > longest) {
                return Err(texts.invalid(lang, format!("must be at most {longest} bytes")));
            }
            Ok(text.map(str::to_owned))
        };
        Ok(Texts {
            ja: text("ja")?,
            en: text("en")?,
        })
    }

    fn is_empty(&self) -> bool {
        self.ja.is_none() && self.en.is_none()
    }
}

impl From<Text> for Texts {
    fn from(text: Text) -> Self {
        Texts {
            ja: Some(text.ja.to_owned()),
            en: Some(text.en.to_owned()),
        }
    }
}

/// A preset as a person writes it: `{title?, good_for?, bad_at, base?, council?}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// What it is called.
    pub title: Texts,
    /// What it is for.
    pub good_for: Texts,
    /// What it is bad at; never empty.
    pub bad_at: Texts,
    /// The built-in preset that everything comes from which is not said here.
    pub base: &'static Preset,
    /// What is other than in the base.
    pub council: CouncilPatch,
    /// The same as it was written.
    written: Value,
}

impl Draft {
    /// Reads a draft and checks that its council can come to a decision. Fields that
    /// [`crate::PresetWhole`] has beside those of a draft are passed over, so that what was read may
    /// be sent back.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] that names the field: one that is unknown or of a wrong type, a missing
    /// `bad_at`, a rule that cannot be kept by the sages there are.
    pub fn read(body: &Value) -> Result<Draft, Error> {
        let fields = Fields::of(body, "")?;
        fields.only_or(&OWN, &TOLD)?;
        let bad_at = Texts::read(&fields, "bad_at", LONGEST_DESCRIPTION)?;
        if bad_at.is_empty() {
            let message = "is missing: say in `ja` or `en` what this council is bad at";
            return Err(fields.invalid("bad_at", message));
        }
        let name = fields.text("base")?.unwrap_or("default");
        let base = Preset::find(name).ok_or_else(|| {
            let names = Preset::ALL.map(|preset| preset.name).join(", ");
            fields.invalid("base", format!("must be a built-in preset: {names}"))
        })?;
        let nothing = Value::Object(Map::new());
        let written = fields.get("council").unwrap_or(&nothing);
        let draft = Draft {
            title: Texts::read(&fields, "title", LONGEST_TITLE)?,
            good_for: Texts::read(&fields, "good_for", LONGEST_DESCRIPTION)?,
            bad_at,
            base,
            council: CouncilPatch::read_strictly(written, "council")?,
            written: without_nulls(written),
        };
        draft
            .council(Lang::En, &CouncilPatch::default())
            .validate()?;
        Ok(draft)
    }

    /// Makes the draft that a built-in preset would be.
    #[must_use]
    pub fn of_builtin(preset: &'static Preset) -> Draft {
        Draft {
            title: preset.title.into(),
            good_for: preset.good_for.into(),
            bad_at: preset.bad_at.into(),
            base: preset,
            council: CouncilPatch::default(),
            written: Value::Object(Map::new()),
        }
    }

    /// Returns the draft as it is kept, and as a file holds it.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "title": self.title,
            "good_for": self.good_for,
            "bad_at": self.bad_at,
            "base": self.base.name,
            "council": self.written,
        })
    }

    /// Returns the changes to the base as they were written.
    #[must_use]
    pub fn written(&self) -> &Value {
        &self.written
    }

    /// Returns the council: the base's, then what the operator's settings change in every preset, then
    /// this draft's own changes. A role that nobody gives a model is played by `rehearsal`.
    #[must_use]
    pub fn council(&self, lang: Lang, settings: &CouncilPatch) -> Council {
        let rehearsal = ModelName {
            provider: REHEARSAL.to_owned(),
            model: String::new(),
        };
        let mut council = self.base.council(lang, &rehearsal);
        settings.apply(&mut council);
        self.council.apply(&mut council);
        council
    }
}

/// Null is as good as absent, so it is not kept.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(_, value)| !value.is_null());
            Value::Object(
                kept.map(|(name, value)| (name.clone(), without_nulls(value)))
                    .collect(),
            )
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
