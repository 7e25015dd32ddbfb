//! From a block's values to a vote or a judgment.

use std::collections::BTreeMap;

use magi_event::{Confidence, Decision};

use super::value::{self, Value};
use super::words::{self, Field, Word, field, is_nothing};
use super::{Ballot, Dissent, Judgment, Why, number};

/// The deepest wrapping of a vote in other objects.
const MAX_WRAPPING: usize = 6;

/// A block that may be a vote: its pairs, and the tags found on the way to them.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pairs: Vec<(Field, Value)>,
    tags: Vec<String>,
    /// A decision is among the pairs.
    decided: bool,
}

impl Draft {
    /// Looks for the vote in a value, through the objects around it.
    ///
    /// Without a decision the result is the outermost object's own pairs: a vote that was cut off.
    pub(super) fn of(value: Value) -> Draft {
        let mut tags = Vec::new();
        let pairs = unwrap(value, MAX_WRAPPING, &mut tags);
        if pairs.iter().any(is_example) {
            return Draft::default();
        }
        let decided = pairs.iter().any(|pair| pair.0 == Field::Decision);
        Draft {
            pairs,
            tags,
            decided,
        }
    }

    /// Tells whether a decision is there, readable or not.
    pub(super) const fn has_decision(&self) -> bool {
        self.decided
    }

    /// Tells whether the block carries this attempt's tag.
    pub(super) fn is_tagged(&self, tag: &str) -> bool {
        let tag = words::fold(tag);
        !tag.trim().is_empty() && self.tags.iter().any(|own| own == tag.trim())
    }

    /// Tells whether the block carries a tag that is not this attempt's: it is somebody else's.
    pub(super) fn is_foreign(&self, tag: &str) -> bool {
        !tag.trim().is_empty() && !self.tags.is_empty() && !self.is_tagged(tag)
    }

    /// Reads a sage's vote.
    pub(super) fn ballot(self) -> Result<Ballot, Why> {
        let decision = self.decision()?;
        Ok(Ballot {
            decision,
            reasoning: self.reasoning(),
            conditions: self.list(Field::Conditions),
            would_change: self.list(Field::WouldChange),
            confidence: self.confidence(),
        })
    }

    /// Reads the judge's block; a judge cannot abstain.
    pub(super) fn judgment(self) -> Result<Judgment, Why> {
        let decision = self.decision()?;
        if decision == Decision::Abstained {
            return Err(Why::JudgeAbstained);
        }
        let (mut scores, mut reasons) = (BTreeMap::new(), BTreeMap::new());
        for value in self.all(Field::Scores) {
            each_letter(value, &mut |letter, value| {
                add_score(letter, value, &mut scores, &mut reasons);
            });
        }
        for value in self.all(Field::ScoreReasons) {
            each_letter(value, &mut |letter, value| {
                if let Some(line) = line(value) {
                    reasons.insert(letter, line);
                }
            });
        }
        Ok(Judgment {
            decision,
            reasoning: self.reasoning(),
            sage_scores: scores,
            score_reasons: reasons,
            dissent: self.all(Field::Dissent).find_map(dissent),
            conditions: self.list(Field::Conditions),
            would_change: self.list(Field::WouldChange),
            confidence: self.confidence(),
        })
    }

    fn all(&self, field: Field) -> impl Iterator<Item = &Value> {
        self.pairs
            .iter()
            .filter(move |pair| pair.0 == field)
            .map(|pair| &pair.1)
    }

    /// Reads the decision: every key that holds one must be readable, and all must say the same.
    fn decision(&self) -> Result<Decision, Why> {
        let mut found = None;
        for value in self.all(Field::Decision) {
            if matches!(value, Value::Text { cut: true, .. }) {
                return Err(Why::CutOff);
            }
            let text = value.as_str().ok_or_else(|| Why::unknown(""))?;
            let word = words::decision(text).ok_or_else(|| Why::unknown(text))?;
            let decision = match word {
                Word::Plain(decision) => decision,
                Word::Conditional if !self.list(Field::Conditions).is_empty() => Decision::Approved,
                Word::Conditional => return Err(Why::unknown(text)),
            };
            if found
                .replace(decision)
                .is_some_and(|before| before != decision)
            {
                return Err(Why::Contradiction);
            }
        }
        found.ok_or(Why::NoVote)
    }

    fn reasoning(&self) -> Option<String> {
        self.all(Field::Reasoning).find_map(|value| {
            let text = match value {
                Value::Text { text, .. } => text.trim().to_owned(),
                Value::List(items) => items.iter().filter_map(line).collect::<Vec<_>>().join("\n"),
                Value::Bare(word) if !is_nothing(word) => word.clone(),
                Value::Bare(_) | Value::Object(_) => return None,
            };
            (!text.is_empty()).then_some(text)
        })
    }

    /// Reads how sure the sage is; said twice and differently, it is not said.
    fn confidence(&self) -> Option<Confidence> {
        let mut said = self
            .all(Field::Confidence)
            .map(|value| value.as_str().and_then(number::confidence));
        let first = said.next()??;
        said.all(|other| other == Some(first)).then_some(first)
    }

    fn list(&self, field: Field) -> Vec<String> {
        self.all(field).flat_map(strings).collect()
    }
}

/// Tells whether a pair is the format's own example, repeated: a reasoning of nothing but dots. The
/// example carries the attempt's tag and a decision, and is nobody's vote.
fn is_example((field, value): &(Field, Value)) -> bool {
    let dots =
        |text: &str| !text.trim().is_empty() && text.trim().chars().all(|c| "….".contains(c));
    *field == Field::Reasoning && matches!(value, Value::Text { text, .. } if dots(text))
}

/// Finds the pairs of the vote; a wrapper counts if exactly one thing inside it has a decision.
fn unwrap(value: Value, depth: usize, tags: &mut Vec<String>) -> Vec<(Field, Value)> {
    let (own, inner) = match value {
        Value::Object(pairs) => own_pairs(pairs, tags),
        Value::List(items) => (Vec::new(), items),
        Value::Text { text, cut: false } if depth > 0 && text.trim_start().starts_with('{') => {
            let inner = value::parse(text.trim_start());
            (Vec::new(), inner.into_iter().collect())
        }
        Value::Text { .. } | Value::Bare(_) => return Vec::new(),
    };
    if depth == 0 || own.iter().any(|pair| pair.0 == Field::Decision) {
        return own;
    }
    let mut found = Vec::new();
    for value in inner {
        let mut inner_tags = Vec::new();
        let pairs = unwrap(value, depth - 1, &mut inner_tags);
        if pairs.iter().any(|pair| pair.0 == Field::Decision) {
            found.push((pairs, inner_tags));
        }
    }
    match (found.pop(), found.is_empty()) {
        (Some((pairs, inner_tags)), true) => {
            tags.extend(inner_tags);
            pairs
        }
        _ => own,
    }
}

/// Sorts an object's pairs into fields and the values that may hold the vote.
fn own_pairs(
    pairs: Vec<(String, Value)>,
    tags: &mut Vec<String>,
) -> (Vec<(Field, Value)>, Vec<Value>) {
    let (mut own, mut perhaps, mut inner) = (Vec::new(), Vec::new(), Vec::new());
    for (key, value) in pairs {
        let Some(field) = field(&key) else { continue };
        let holds = match &value {
            Value::Object(_) | Value::List(_) => true,
            Value::Text { text, .. } => text.trim_start().starts_with('{'),
            Value::Bare(_) => false,
        };
        match field {
            Field::Tag => tags.extend(value.as_str().map(|tag| words::fold(tag).trim().to_owned())),
            _ if holds && field.may_wrap() => inner.push(value),
            Field::Wrapper => {}
            Field::Perhaps => perhaps.push(value),
            _ => own.push((field, value)),
        }
    }
    if !own.iter().any(|pair| pair.0 == Field::Decision) {
        let readable = |value: &Value| value.as_str().and_then(words::decision).is_some();
        perhaps.retain(readable);
        own.extend(perhaps.into_iter().map(|value| (Field::Decision, value)));
    }
    (own, inner)
}

/// Reads a list of sentences: a list, or one string of one or several lines.
fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::List(items) => items.iter().filter_map(line).collect(),
        Value::Text { text, cut: false } if text.trim().contains('\n') => text
            .lines()
            .map(unbulleted)
            .filter(|item| !is_nothing(item))
            .map(str::to_owned)
            .collect(),
        Value::Text { .. } | Value::Bare(_) | Value::Object(_) => line(value).into_iter().collect(),
    }
}

/// Reads one sentence: a complete string, or the first one in an object.
fn line(value: &Value) -> Option<String> {
    match value {
        Value::Object(pairs) => pairs.iter().find_map(|pair| match &pair.1 {
            text @ Value::Text { .. } => line(text),
            _ => None,
        }),
        Value::List(_) => None,
        Value::Text { .. } | Value::Bare(_) => {
            let text = value.as_str()?.trim();
            (!is_nothing(text)).then(|| text.to_owned())
        }
    }
}

fn unbulleted(line: &str) -> &str {
    let line = line.trim();
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let numbered = rest.len() < line.len() && rest.starts_with(['.', ')']);
    let line = if numbered { &rest[1..] } else { line };
    line.trim_start_matches(['-', '*', '•', '・']).trim()
}

/// Gives each value under a sage's letter: from an object by key, or a list of objects that name it.
fn each_letter(value: &Value, give: &mut dyn FnMut(char, &Value)) {
    match value {
        Value::Object(pairs) => {
            for (key, value) in pairs {
                if let Some(letter) = letter(key) {
                    give(letter, value);
                }
            }
        }
        Value::List(items) => {
            for item in items {
                if let Some(letter) = sage_of(item) {
                    give(letter, item);
                }
            }
        }
        Value::Text { .. } | Value::Bare(_) => {}
    }
}

/// Reads the letter the judge knows a sage by: "A", "Sage A", "sage_a", "賢者Ａ".
fn letter(name: &str) -> Option<char> {
    let name = words::fold(name);
    let name = words::strip(&name);
    let last = name
        .strip_prefix("sage")
        .or_else(|| name.strip_prefix("賢者"))
        .unwrap_or(name);
    match words::strip(last) {
        "a" => Some('A'),
        "b" => Some('B'),
        "c" => Some('C'),
        _ => None,
    }
}

fn sage_of(value: &Value) -> Option<char> {
    let Value::Object(pairs) = value else {
        return None;
    };
    pairs
        .iter()
        .find_map(|(key, value)| match words::fold(key).as_str() {
            "sage" | "agent" | "agent_id" | "agentid" | "id" | "name" | "賢者" => {
                letter(value.as_str()?)
            }
            _ => None,
        })
}

fn add_score(
    letter: char,
    value: &Value,
    scores: &mut BTreeMap<char, f64>,
    reasons: &mut BTreeMap<char, String>,
) {
    let Value::Object(pairs) = value else {
        scores.extend(
            value
                .as_str()
                .and_then(number::score)
                .map(|score| (letter, score)),
        );
        return;
    };
    for (key, value) in pairs {
        match field(key) {
            Some(Field::Scores) => {
                scores.extend(
                    value
                        .as_str()
                        .and_then(number::score)
                        .map(|score| (letter, score)),
                );
            }
            Some(Field::Reasoning | Field::ScoreReasons) => {
                reasons.extend(line(value).map(|line| (letter, line)));
            }
            _ => {}
        }
    }
}

fn dissent(value: &Value) -> Option<Dissent> {
    let Value::Object(pairs) = value else {
        return line(value).map(|text| Dissent { sage: None, text });
    };
    let named = pairs.iter().find_map(|(key, value)| {
        let text = matches!(
            words::fold(key).as_str(),
            "text"
                | "argument"
                | "dissent"
                | "content"
                | "reason"
                | "reasoning"
                | "内容"
                | "本文"
                | "意見"
        );
        if text { line(value) } else { None }
    });
    Some(Dissent {
        sage: sage_of(value),
        text: named?,
    })
}
