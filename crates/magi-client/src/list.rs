//! The history, the models and the scenes, as the server lists them.

use magi_event::{DeliberationId, FinalDecision, Mode, Status, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Error;

/// Which part of the history to list; what is absent narrows nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListQuery {
    /// Words to search for, everywhere.
    pub q: Option<String>,
    /// Only those with this final decision.
    pub verdict: Option<FinalDecision>,
    /// Only those of this preset.
    pub preset: Option<String>,
    /// Only those asked at or after this instant.
    pub from: Option<Timestamp>,
    /// Only those asked before this instant.
    pub to: Option<Timestamp>,
    /// Where the page begins: [`Page::next`] of the one before.
    pub cursor: Option<String>,
    /// The most lines of the page.
    pub limit: Option<u32>,
}

impl ListQuery {
    /// Returns the parameters that are there, by name.
    pub(crate) fn pairs(&self) -> Vec<(&'static str, String)> {
        let pairs = [
            ("q", self.q.clone()),
            ("verdict", self.verdict.map(|verdict| verdict.to_string())),
            ("preset", self.preset.clone()),
            ("from", self.from.map(|at| at.to_string())),
            ("to", self.to.map(|at| at.to_string())),
            ("cursor", self.cursor.clone()),
            ("limit", self.limit.map(|limit| limit.to_string())),
        ];
        let present = |(name, value): (_, Option<String>)| Some((name, value?));
        pairs.into_iter().filter_map(present).collect()
    }
}

/// One line of the history.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// The deliberation's id.
    pub id: DeliberationId,
    /// The question, as asked, maybe shortened.
    pub question: String,
    /// The title, where there is one.
    pub title: Option<String>,
    /// How it stands or ended.
    pub status: Option<Status>,
    /// What was decided, once it is.
    pub final_decision: Option<FinalDecision>,
    /// How the answers came to be.
    pub mode: Option<Mode>,
    /// The preset's name.
    pub preset: Option<String>,
    /// When it was asked.
    pub created_at: Timestamp,
    /// Everything the server sent of it.
    pub fields: Map<String, Value>,
}

/// One page of the history, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The lines.
    pub items: Vec<Listed>,
    /// Where the next page begins; absent on the last.
    pub next: Option<String>,
}

/// A written scene of the rehearsal.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Scene {
    /// Its name.
    pub name: String,
    /// Its language: `ja` or `en`.
    pub lang: String,
    /// The question that plays it.
    pub question: String,
    /// The council it is written for.
    #[serde(default)]
    pub preset: Option<String>,
}

/// A model that can answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Its name, as `provider:model`.
    pub id: String,
    /// Everything the server sent of it.
    pub fields: Map<String, Value>,
}

/// What a person wrote beside the verdict; what is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What the person decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub my_decision: Option<String>,
    /// What came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
}

/// The form of a deliberation's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Markdown.
    Md,
    /// One JSON document.
    Json,
    /// One event a line.
    Ndjson,
    /// A page.
    Html,
}

impl Format {
    /// Returns the word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Format::Md => "md",
            Format::Json => "json",
            Format::Ndjson => "ndjson",
            Format::Html => "html",
        }
    }
}

/// Returns the deliberation that an answer is about: `id`, or `trace_id`.
pub(crate) fn id_in(answer: &Map<String, Value>) -> Result<DeliberationId, Error> {
    let id = answer.get("id").or_else(|| answer.get("trace_id"));
    id.and_then(Value::as_str)
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| Error::Contract("the answer names no deliberation".into()))
}

/// Returns a list of an answer: its objects under the first of the names that is there.
pub(crate) fn objects(
    answer: &mut Map<String, Value>,
    names: &[&str],
) -> Result<Vec<Map<String, Value>>, Error> {
    let list = names.iter().find_map(|name| answer.remove(*name));
    let Some(Value::Array(items)) = list else {
        let names = names.join("` or `");
        return Err(Error::Contract(format!("the answer has no `{names}`")));
    };
    let object = |item| match item {
        Value::Object(object) => Ok(object),
        other => Err(Error::Contract(format!("`{other}` stands in a list"))),
    };
    items.into_iter().map(object).collect()
}

/// Reads a field, or `None` when it is absent, null or of a kind we do not know.
fn field<T: DeserializeOwned>(fields: &Map<String, Value>, names: &[&str]) -> Option<T> {
    let value = names.iter().find_map(|name| fields.get(*name))?;
    T::deserialize(value).ok()
}

impl Page {
    pub(crate) fn read(mut answer: Map<String, Value>) -> Result<Self, Error> {
        let items = objects(&mut answer, &["items", "deliberations", "data"])?;
        Ok(Page {
            items: items
                .into_iter()
                .map(Listed::read)
                .collect::<Result<_, _>>()?,
            next: field(&answer, &["next", "next_cursor"]),
        })
    }
}

impl Listed {
    fn read(fields: Map<String, Value>) -> Result<Self, Error> {
        let id = id_in(&fields)?;
        Ok(Listed {
            id,
            question: field(&fields, &["question"]).unwrap_or_default(),
            title: field(&fields, &["title"]),
            status: field(&fields, &["status"]),
            final_decision: field(&fields, &["final_decision", "verdict"]),
            mode: field(&fields, &["mode"]),
            preset: field(&fields, &["preset"]),
            created_at: field(&fields, &["created_at"]).unwrap_or_else(|| id.created_at()),
            fields,
        })
    }
}

impl Model {
    pub(crate) fn read(fields: Map<String, Value>) -> Result<Self, Error> {
        let id = field(&fields, &["id"]);
        let id = id.ok_or_else(|| Error::Contract("a model without `id`".into()))?;
        Ok(Model { id, fields })
    }
}
