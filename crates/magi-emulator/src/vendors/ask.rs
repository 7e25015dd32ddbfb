//! A request as all vendors mean it: who is asked, in which language, with which tools and tag.

use magi_event::{Agent, Sage};
use serde_json::Value;

/// Which vendor's wire a request came in on.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Vendor {
    /// `POST /v1/chat/completions`.
    OpenAi,
    /// `POST /v1/messages`.
    Anthropic,
    /// `POST /model/{id}/converse-stream`.
    Bedrock,
}

/// What a request asks, whichever wire it came on.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) vendor: Vendor,
    pub(crate) model: String,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    pub(crate) thinking: bool,
    pub(crate) max_tokens: Option<usize>,
    pub(crate) tools: Vec<ToolSpec>,
    pub(crate) choice: Choice,
    /// The answer must be JSON alone, after this schema where one is given.
    pub(crate) json_only: Option<Value>,
    pub(crate) system: String,
    pub(crate) user: String,
}

/// A tool the model may call.
#[derive(Clone, Debug)]
pub(crate) struct ToolSpec {
    pub(crate) name: String,
    pub(crate) schema: Value,
}

/// What the request says about calling tools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Auto,
    Never,
    Any,
    Named(String),
}

impl Ask {
    /// Returns who is asked: by the judge's tool, else the first member named in the system prompt.
    pub(crate) fn role(&self) -> Option<Agent> {
        if self.tools.iter().any(|tool| tool.name == "give_verdict")
            || self.system.contains("give_verdict")
        {
            return Some(Agent::Judge);
        }
        let text = self.system.to_ascii_lowercase();
        NAMES
            .into_iter()
            .flat_map(|(agent, names)| names.map(|name| (agent, name)))
            .filter_map(|(agent, name)| text.find(name).map(|at| (at, agent)))
            .min_by_key(|(at, _)| *at)
            .map(|(_, agent)| agent)
    }

    /// Returns whether the answer should be Japanese: the last user message has kana.
    pub(crate) fn is_japanese(&self) -> bool {
        self.user
            .chars()
            .any(|c| matches!(c, '\u{3041}'..='\u{30ff}'))
    }

    /// Returns the letters of the sages that the judge is shown, `A` to `C`.
    pub(crate) fn letters(&self) -> Vec<char> {
        let shown = |letter: &char| {
            [format!("Sage {letter}"), format!("賢者{letter}")]
                .iter()
                .any(|name| self.user.contains(name.as_str()))
        };
        ('A'..='C').filter(shown).collect()
    }

    /// Returns the tool that the answer calls: the forced one, else the council's, else the first.
    pub(crate) fn tool(&self) -> Option<&ToolSpec> {
        let named = |name: &str| self.tools.iter().find(|tool| tool.name == name);
        match &self.choice {
            Choice::Never => None,
            Choice::Named(name) => named(name),
            Choice::Auto | Choice::Any => named("cast_vote")
                .or_else(|| named("give_verdict"))
                .or_else(|| self.tools.first()),
        }
    }

    /// Returns whether the model has to call a tool, so that no prose comes first.
    pub(crate) fn is_forced(&self) -> bool {
        matches!(self.choice, Choice::Any | Choice::Named(_))
    }

    /// Returns the random tag that the format instructions ask for: the schema's fixed one, else the
    /// last in the user's message (ours stands after whatever the question quotes), else the system's.
    pub(crate) fn tag(&self) -> Option<String> {
        let of_schema = self.tool().and_then(|tool| tag_of_schema(&tool.schema));
        of_schema
            .or_else(|| find_tag(&self.user))
            .or_else(|| find_tag(&self.system))
    }

    /// Returns a rough count of the prompt's tokens: its bytes / 4, at least 1.
    pub(crate) fn prompt_tokens(&self) -> usize {
        ((self.system.len() + self.user.len()) / 4).max(1)
    }
}

fn tag_of_schema(schema: &Value) -> Option<String> {
    let tag = schema.get("properties")?.get("tag")?;
    let fixed = tag.get("const").or_else(|| tag.get("enum")?.get(0))?;
    fixed.as_str().map(str::to_owned)
}

/// Finds what the prompt says the tag is: `tag`, 1 to 8 other characters, 6 to 16 letters and digits.
/// One in quotes wins over one without, which needs a digit (`tag: always` is no tag); then the last.
pub(crate) fn find_tag(text: &str) -> Option<String> {
    let mut bare = None;
    let mut quoted = None;
    let lower = text.to_ascii_lowercase();
    for (at, word) in lower.match_indices("tag") {
        let rest = &text[at + word.len()..];
        let gap: String = rest
            .chars()
            .take_while(|c| !c.is_ascii_alphanumeric())
            .collect();
        let tag: String = rest[gap.len()..]
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .take(17)
            .collect();
        let after = rest[gap.len() + tag.len()..].chars().next();
        let fits = (1..=8).contains(&gap.chars().count()) && (6..=16).contains(&tag.len());
        if !fits || FIELDS.contains(&tag.as_str()) {
            continue;
        }
        let quote = |c: char| matches!(c, '"' | '\'' | '`' | '“' | '”' | '「' | '」');
        if gap.ends_with(quote) && after.is_some_and(quote) {
            quoted = Some(tag);
        } else if tag.bytes().any(|b| b.is_ascii_digit()) {
            bare = Some(tag);
        }
    }
    quoted.or(bare)
}

/// Words that stand in quotes after `tag` in lists of fields and in schemas.
const FIELDS: [&str; 6] = [
    "string",
    "reasoning",
    "decision",
    "confidence",
    "conditions",
    "required",
];

/// The members as their role texts name them, in lower case.
const NAMES: [(Agent, [&str; 2]); 4] = [
    (Agent::Sage(Sage::Caspar), ["caspar", "カスパー"]),
    (Agent::Sage(Sage::Balthasar), ["balthasar", "バルタザール"]),
    (Agent::Sage(Sage::Melchior), ["melchior", "メルキオール"]),
    (Agent::Judge, ["solomon", "ソロモン"]),
];

/// Joins a message's content: a string, or the `text` of its parts.
pub(crate) fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|p| p.get("text")?.as_str())
            .collect(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_is_found_where_prompts_put_it() {
        let found = |text: &str| find_tag(text).unwrap();
        assert_eq!(
            found(r#"end with {"tag": "k3v9x2q8", "reasoning": ...}"#),
            "k3v9x2q8"
        );
        assert_eq!(
            found("Copy the tag `ab12cd34` into the vote (tag, reasoning)."),
            "ab12cd34"
        );
        assert_eq!(found("タグ tag=「zz88yy77」"), "zz88yy77");
        assert_eq!(found("- tag：必ず \"abcdef\"。あなた自身の票"), "abcdef");
        let ours = "{\"tag\":\"abcdef\",\"reasoning\":\"...\"}\n- tag: always \"abcdef\". It";
        assert_eq!(found(ours), "abcdef");
        assert_eq!(
            found("the fields tag (\"qwerty\"), reasoning, conditions"),
            "qwerty"
        );
        assert_eq!(find_tag("an advantage, at this stage it is a tag"), None);
        assert_eq!(find_tag("\"required\": [\"tag\", \"reasoning\"]"), None);
    }

    #[test]
    fn a_later_tag_wins() {
        let text = r#"quoted {"tag": "old00001"} and yours {"tag": "new00002"}"#;
        assert_eq!(find_tag(text).unwrap(), "new00002");
    }
}
