//! A question's body, as every door takes it: ours and the original's two forms.

use magi_event::{Agent, DeliberationId};
use magi_model::{Lang, ModelName};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use std::collections::BTreeMap;
use std::time::Duration;

use crate::fields::Fields;
use crate::patch::{RolePatch, agent, read_budget, read_prompt, read_sampling};
use crate::{Budget, CouncilPatch, Error};

/// The longest question, in bytes.
pub const LONGEST_QUESTION: usize = 16_384;

/// The longest context, in bytes.
pub const LONGEST_CONTEXT: usize = 256 * 1024;

/// The longest idempotency key and conversation id, in bytes.
pub const LONGEST_KEY: usize = 128;

/// The provider whose ids the original's forms hold.
pub(crate) const BEDROCK: &str = "bedrock";

/// How deep objects and lists may nest in a body.
pub const DEEPEST: usize = 32;

/// A question, read and checked: all that the engine needs to start a deliberation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ask {
    /// The question, as asked: 1 to 16,384 bytes, not blank.
    pub question: String,
    /// More text to consider, up to 256 KiB.
    pub context: Option<String>,
    /// The language of prompts and answers; `None` follows the question.
    pub lang: Option<Lang>,
    /// The preset's name; `None` is the door's default.
    pub preset: Option<String>,
    /// What is to be other than in the preset.
    pub council: CouncilPatch,
    /// The conversation, whose earlier verdicts become context; it may be called by the id of the
    /// deliberation that it began with.
    pub conversation_id: Option<String>,
    /// The deliberation this one goes on from.
    pub fork_of: Option<DeliberationId>,
    /// How much may be spent.
    pub budget: Budget,
    /// What happens when nobody watches any more.
    pub on_leave: OnLeave,
    /// Makes a repeat of this request the same deliberation.
    pub idempotency: Option<Idempotency>,
    /// What this door can do, for `start`.
    pub capabilities: Vec<String>,
    /// Whether this is the original's call, which defaults to preset `classic`.
    pub classic: bool,
    /// The ids by which what is in front of the door knows this request, for the root span.
    pub called: BTreeMap<String, String>,
}

/// What happens to a deliberation when its last watcher has left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLeave {
    /// It goes on.
    #[default]
    Continue,
    /// It is stopped when nobody has come back for so long. Before the first watcher has come,
    /// nobody can have left.
    StopAfter(Duration),
}

/// Makes a repeated request the same deliberation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// Whose key it is.
    pub identity: String,
    /// The key, up to 128 bytes.
    pub key: String,
    /// SHA-256 of the body's JSON less `idempotency_key`, `dialect` and `action`.
    pub body_sha256: [u8; 32],
}

/// The door a question came through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Door {
    /// Who asks, as far as the door knows.
    pub identity: String,
    /// What this door can do.
    pub capabilities: Vec<String>,
    /// Whether a body without `preset` is the original's call.
    pub classic: bool,
    /// The ids by which what is in front of the door knows this request: they stand on the root span.
    pub called: BTreeMap<String, String>,
}

impl Ask {
    /// Reads a question's body.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] that names the field: a wrong type, a value out of its range, an unknown
    /// agent. A field nobody knows is ignored.
    pub fn read(body: &Value, door: &Door) -> Result<Ask, Error> {
        if !is_shallow(body, DEEPEST) {
            let message = format!("must not nest deeper than {DEEPEST} levels");
            return Err(Error::invalid("body", message));
        }
        let fields = Fields::of(body, "")?;
        let mut council = match fields.get("council") {
            Some(value) => CouncilPatch::read(value, "council")?,
            None => CouncilPatch::default(),
        };
        read_original_forms(&fields, &mut council)?;
        let preset = read_preset(&fields)?;
        let conversation = match short(&fields, "conversation_id")? {
            Some(id) => Some(id),
            None => short(&fields, "conversationId")?.or(short(&fields, "sessionId")?),
        };
        Ok(Ask {
            question: read_question(&fields)?,
            context: read_context(&fields)?,
            lang: read_lang(&fields)?,
            classic: door.classic && preset.is_none(),
            preset,
            council,
            conversation_id: conversation,
            fork_of: fields.parse("fork_of")?,
            budget: read_budget(&fields)?,
            on_leave: read_on_leave(&fields)?,
            idempotency: short(&fields, "idempotency_key")?.map(|key| Idempotency {
                identity: door.identity.clone(),
                key,
                body_sha256: body_digest(body),
            }),
            capabilities: door.capabilities.clone(),
            called: door.called.clone(),
        })
    }

    /// Returns the name of the preset that was asked for, or of the door's default.
    #[must_use]
    pub fn preset_name(&self) -> &str {
        match &self.preset {
            Some(name) => name.as_str(),
            None if self.classic => "classic",
            None => "default",
        }
    }

    /// Returns the language of prompts and answers: the one asked for, or the question's own.
    #[must_use]
    pub fn language(&self) -> Lang {
        self.lang
            .unwrap_or_else(|| crate::prompt::language_of(&self.question))
    }

    /// Checks what a caller who made this value by hand may have got wrong.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] that names the field.
    pub fn validate(&self) -> Result<(), Error> {
        check_question(&self.question)?;
        if let Some(context) = &self.context {
            check_context(context)?;
        }
        Ok(())
    }
}

fn read_question(fields: &Fields<'_>) -> Result<String, Error> {
    let question = fields
        .text("question")?
        .ok_or_else(|| fields.invalid("question", "is missing: put your question here"))?;
    check_question(question)?;
    Ok(question.to_owned())
}

fn check_question(question: &str) -> Result<(), Error> {
    if question.contains('\0') {
        let message = "holds the character U+0000, which is no text: remove it";
        return Err(Error::invalid("question", message));
    }
    if question.chars().all(is_unseen) {
        return Err(Error::invalid("question", "is blank: write a question"));
    }
    if question.len() > LONGEST_QUESTION {
        let message = format!(
            "is {} bytes long, at most {LONGEST_QUESTION} are taken: put long material in `context`",
            question.len()
        );
        return Err(Error::invalid("question", message));
    }
    Ok(())
}

/// Tells whether a character shows nothing by itself: a space, a control, or what only changes the
/// characters around it.
///
/// Source: Unicode `Default_Ignorable_Code_Point`, and the blank of Braille, which is none of these.
fn is_unseen(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fff8}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

fn read_context(fields: &Fields<'_>) -> Result<Option<String>, Error> {
    let context = fields
        .text("context")?
        .filter(|text| !text.trim().is_empty());
    if let Some(context) = context {
        check_context(context)?;
    }
    Ok(context.map(str::to_owned))
}

fn check_context(context: &str) -> Result<(), Error> {
    if context.len() > LONGEST_CONTEXT {
        let length = context.len();
        let message = format!("is {length} bytes long, at most {LONGEST_CONTEXT} are taken");
        return Err(Error::invalid("context", message));
    }
    Ok(())
}

fn read_lang(fields: &Fields<'_>) -> Result<Option<Lang>, Error> {
    match fields.text("lang")? {
        None | Some("auto") => Ok(None),
        Some("ja") => Ok(Some(Lang::Ja)),
        Some("en") => Ok(Some(Lang::En)),
        Some(_) => Err(fields.invalid("lang", "must be `ja`, `en` or `auto`")),
    }
}

fn read_preset(fields: &Fields<'_>) -> Result<Option<String>, Error> {
    // Whether there is one is the store's to say, once a repeated key is known to be none.
    Ok(fields.text("preset")?.map(str::to_owned))
}

/// Reads a text of 1 to 128 bytes.
fn short(fields: &Fields<'_>, name: &str) -> Result<Option<String>, Error> {
    let Some(text) = fields.text(name)? else {
        return Ok(None);
    };
    if text.is_empty() || text.len() > LONGEST_KEY {
        return Err(fields.invalid(name, format!("must be 1 to {LONGEST_KEY} bytes")));
    }
    Ok(Some(text.to_owned()))
}

fn read_on_leave(fields: &Fields<'_>) -> Result<OnLeave, Error> {
    let wrong = || {
        let expected = "must be `continue` or `stop_after:<seconds>`, 0 to 86400";
        fields.invalid("on_leave", expected)
    };
    match fields.text("on_leave")? {
        None | Some("continue") => Ok(OnLeave::Continue),
        Some(text) => {
            let seconds = text.strip_prefix("stop_after:").ok_or_else(wrong)?;
            let seconds: f64 = seconds.parse().map_err(|_| wrong())?;
            if !(0.0..=86_400.0).contains(&seconds) {
                return Err(wrong());
            }
            Ok(OnLeave::StopAfter(Duration::from_secs_f64(seconds)))
        }
    }
}

/// Reads the original's `custom_prompts`, `model_configs` and `runtime_configs`, or `agentConfigs`,
/// which replaces the three.
fn read_original_forms(fields: &Fields<'_>, council: &mut CouncilPatch) -> Result<(), Error> {
    if let Some(configs) = fields.object("agentConfigs")? {
        return read_agent_configs(&configs, council);
    }
    if let Some(prompts) = fields.object("custom_prompts")? {
        for name in prompts.names() {
            let role = council.roles.entry(agent(&prompts, name)?).or_default();
            role.prompt = read_prompt(&prompts, name)?.or(role.prompt.take());
        }
    }
    if let Some(models) = fields.object("model_configs")? {
        for name in models.names() {
            let role = council.roles.entry(agent(&models, name)?).or_default();
            read_model(&models, name, role)?;
        }
    }
    if let Some(configs) = fields.object("runtime_configs")? {
        for name in configs.names() {
            let agent = agent(&configs, name)?;
            if let Some(config) = configs.object(name)? {
                let role = council.roles.entry(agent).or_default();
                role.sampling = read_sampling(&config, ["temperature", "max_tokens", "top_p"])?;
            }
        }
    }
    Ok(())
}

fn read_agent_configs(configs: &Fields<'_>, council: &mut CouncilPatch) -> Result<(), Error> {
    for name in configs.names() {
        let agent: Agent = agent(configs, name)?;
        let Some(config) = configs.object(name)? else {
            continue;
        };
        let role = council.roles.entry(agent).or_default();
        role.prompt = read_prompt(&config, "systemPrompt")?.or(role.prompt.take());
        read_model(&config, "model", role)?;
        role.sampling = read_sampling(&config, ["temperature", "maxTokens", "topP"])?;
        role.enabled = config.flag("enabled")?.or(role.enabled);
    }
    Ok(())
}

/// Reads a model in the original's forms, which knew Bedrock alone: what does not name a provider
/// is an id at Bedrock, such as `anthropic.claude-sonnet-4-5-20250929-v1:0`.
fn read_model(fields: &Fields<'_>, name: &str, role: &mut RolePatch) -> Result<(), Error> {
    let Some(text) = fields
        .text(name)?
        .map(str::trim)
        .filter(|id| !id.is_empty())
    else {
        return Ok(());
    };
    // An ARN looks like `provider:model` and is an id of Bedrock's all the same.
    let is_arn = text.starts_with("arn:");
    let named = text.parse::<ModelName>().ok().filter(|_| !is_arn);
    role.is_bare_id = named.is_none();
    let model = match named {
        Some(model) => model,
        None => format!("{BEDROCK}:{text}")
            .parse()
            .map_err(|error| fields.invalid(name, format!("is wrong: {error}")))?,
    };
    role.model = Some(model);
    role.model_field = Some(fields.path(name));
    Ok(())
}

fn is_shallow(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels > 0 && items.iter().all(|item| is_shallow(item, levels - 1)),
        Value::Object(map) => levels > 0 && map.values().all(|item| is_shallow(item, levels - 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

/// Returns the SHA-256 of a body's JSON, its keys sorted, without the fields that do not change what
/// is asked: `idempotency_key`, `dialect` and `action`.
#[must_use]
pub fn body_digest(body: &Value) -> [u8; 32] {
    let mut hasher = Sha256::new();
    digest_value(body, &mut hasher, true);
    hasher.finalize().into()
}

fn digest_value(value: &Value, hasher: &mut Sha256, is_top: bool) {
    match value {
        Value::Object(map) => {
            let mut names: Vec<&String> = map
                .keys()
                .filter(|name| {
                    !is_top || !matches!(name.as_str(), "idempotency_key" | "dialect" | "action")
                })
                .collect();
            names.sort();
            hasher.update(b"{");
            for name in names {
                hasher.update(Value::from(name.as_str()).to_string());
                hasher.update(b":");
                digest_value(&map[name], hasher, false);
                hasher.update(b",");
            }
            hasher.update(b"}");
        }
        Value::Array(items) => {
            hasher.update(b"[");
            for item in items {
                digest_value(item, hasher, false);
                hasher.update(b",");
            }
            hasher.update(b"]");
        }
        leaf => hasher.update(leaf.to_string()),
    }
}

#[cfg(test)]
mod tests;
