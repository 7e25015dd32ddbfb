//! Arguments that satisfy a JSON Schema, in the order in which a model would write them.

use magi_event::Decision;
use serde_json::{Value, json};

/// What the values are made of.
#[derive(Clone, Debug)]
pub(crate) struct Filling {
    pub(crate) decision: Decision,
    pub(crate) confidence: Option<f64>,
    pub(crate) reasoning: String,
    pub(crate) sentence: String,
    pub(crate) tag: Option<String>,
    pub(crate) score: u8,
}

/// An object as name and value in writing order: reasoning before the decision.
pub(crate) type Fields = Vec<(String, Value)>;

/// The order in which known names are written; unknown ones stand between, by name.
const FIRST: [&str; 6] = [
    "tag",
    "reasoning",
    "synthesis",
    "scores",
    "sage_scores",
    "score_reasons",
];
const LAST: [&str; 5] = [
    "conditions",
    "would_change",
    "decision",
    "final_decision",
    "confidence",
];

/// Fills an object schema.
pub(crate) fn fill(schema: &Value, filling: &Filling) -> Fields {
    object(schema, schema, filling, 0)
}

/// The council's own vote, for prompts without a tool or schema.
pub(crate) fn vote(filling: &Filling) -> Fields {
    let mut fields = Fields::new();
    if let Some(tag) = &filling.tag {
        fields.push(("tag".to_owned(), json!(tag)));
    }
    fields.push(("reasoning".to_owned(), json!(filling.reasoning)));
    fields.push(("conditions".to_owned(), json!([filling.sentence])));
    fields.push(("would_change".to_owned(), json!([filling.sentence])));
    fields.push(("decision".to_owned(), json!(filling.decision.word())));
    if let Some(confidence) = filling.confidence {
        fields.push(("confidence".to_owned(), json!(confidence)));
    }
    fields
}

/// The judge's own verdict on sages of these letters, likewise.
pub(crate) fn verdict(filling: &Filling, letters: &[char]) -> Fields {
    let each = |value: Value| -> Value {
        let named = letters
            .iter()
            .map(|letter| (letter.to_string(), value.clone()));
        Value::Object(named.collect())
    };
    let mut fields = vote(filling);
    let at = fields
        .iter()
        .position(|(name, _)| name == "conditions")
        .unwrap_or(0);
    let first = letters.first().map(char::to_string);
    let dissent = json!({"sage": first, "text": filling.sentence});
    let own = [
        ("sage_scores", each(json!(filling.score))),
        ("score_reasons", each(json!(filling.sentence))),
        ("dissent", dissent),
    ];
    fields.splice(at..at, own.map(|(name, value)| (name.to_owned(), value)));
    for (name, _) in &mut fields {
        if name == "decision" {
            *name = "final_decision".to_owned();
        }
    }
    fields
}

fn rank(name: &str) -> (usize, String) {
    let first = FIRST.iter().position(|known| *known == name);
    let last = LAST
        .iter()
        .position(|known| *known == name)
        .map(|at| at + 100);
    (first.or(last).unwrap_or(50), name.to_owned())
}

fn object(root: &Value, schema: &Value, filling: &Filling, depth: usize) -> Fields {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return Fields::new();
    };
    let mut names: Vec<&String> = properties.keys().collect();
    names.sort_by_key(|name| rank(name));
    names
        .into_iter()
        .filter_map(|name| {
            let value = value(root, name, &properties[name], filling, depth + 1)?;
            Some((name.clone(), value))
        })
        .collect()
}

fn value(
    root: &Value,
    name: &str,
    schema: &Value,
    filling: &Filling,
    depth: usize,
) -> Option<Value> {
    let schema = resolve(root, schema);
    if depth > 16 {
        return Some(Value::Null);
    }
    if let Some(fixed) = schema.get("const") {
        return Some(fixed.clone());
    }
    if let Some(options) = schema.get("enum").and_then(Value::as_array) {
        return choose(options, filling);
    }
    match name {
        "tag" => return filling.tag.as_ref().map(|tag| json!(tag)),
        "confidence" => return filling.confidence.map(|confidence| json!(confidence)),
        "reasoning" | "synthesis" => return Some(json!(filling.reasoning)),
        "decision" | "final_decision" => return Some(json!(filling.decision.word())),
        _ => {}
    }
    Some(match kind(schema) {
        "object" => Value::Object(object(root, schema, filling, depth).into_iter().collect()),
        "array" => {
            let item = schema.get("items").unwrap_or(&Value::Null);
            let least = schema
                .get("minItems")
                .and_then(Value::as_u64)
                .unwrap_or(1)
                .clamp(1, 16);
            (0..least)
                .filter_map(|_| value(root, "", item, filling, depth + 1))
                .collect()
        }
        "integer" | "number" => number(schema, filling),
        "boolean" => json!(true),
        "null" => Value::Null,
        _ => json!(filling.sentence),
    })
}

fn number(schema: &Value, filling: &Filling) -> Value {
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    let (least, most) = (
        bound("minimum").unwrap_or(0.0),
        bound("maximum").unwrap_or(100.0),
    );
    let at = least + (most - least) * f64::from(filling.score) / 100.0;
    if kind(schema) == "integer" || most > 1.5 {
        json!(at.round() as i64)
    } else {
        json!(at)
    }
}

/// Picks the option that says the decision, else the first.
fn choose(options: &[Value], filling: &Filling) -> Option<Value> {
    let word = filling.decision.word();
    let says = |option: &&Value| {
        let text = option.as_str().unwrap_or_default().to_ascii_uppercase();
        !text.is_empty() && (word.starts_with(&text) || text.starts_with(&word[..6]))
    };
    options
        .iter()
        .find(says)
        .or_else(|| options.first())
        .cloned()
}

fn kind(schema: &Value) -> &str {
    let name = schema.get("type");
    let one = name.and_then(Value::as_str);
    let of_many = || {
        let names = name?.as_array()?;
        names
            .iter()
            .filter_map(Value::as_str)
            .find(|name| *name != "null")
    };
    let implied = if schema.get("properties").is_some() {
        "object"
    } else {
        "string"
    };
    one.or_else(of_many).unwrap_or(implied)
}

/// Follows `$ref` inside the schema and takes the first real choice of `anyOf` and `oneOf`.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let mut at = schema;
    for _ in 0..8 {
        let target = at.get("$ref").and_then(Value::as_str);
        let choices = at
            .get("anyOf")
            .or_else(|| at.get("oneOf"))
            .and_then(Value::as_array);
        let next = match (target, choices) {
            (Some(path), _) => root.pointer(path.trim_start_matches('#')),
            (None, Some(choices)) => choices.iter().find(|choice| kind(choice) != "null"),
            (None, None) => return at,
        };
        match next {
            Some(next) => at = next,
            None => return at,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filling() -> Filling {
        Filling {
            decision: Decision::Rejected,
            confidence: Some(0.7),
            reasoning: "because".to_owned(),
            sentence: "a sentence".to_owned(),
            tag: Some("k3v9x2q8".to_owned()),
            score: 70,
        }
    }

    #[test]
    fn a_schema_is_filled_in_writing_order() {
        let schema = json!({"type": "object", "properties": {
            "confidence": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
            "decision": {"enum": ["approve", "reject", "abstain"]},
            "reasoning": {"type": "string"},
            "notes": {"type": "array", "items": {"type": "string"}},
            "scores": {"$ref": "#/$defs/scores"},
            "tag": {"type": "string"}},
            "$defs": {"scores": {"type": "object", "properties": {
                "A": {"type": "integer", "minimum": 0, "maximum": 100}}}}});
        let fields = fill(&schema, &filling());
        let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "tag",
                "reasoning",
                "scores",
                "notes",
                "decision",
                "confidence"
            ]
        );
        assert_eq!(fields[2].1, json!({"A": 70}));
        assert_eq!(fields[3].1, json!(["a sentence"]));
        assert_eq!(fields[4].1, json!("reject"));
        assert_eq!(fields[5].1, json!(0.7));
    }

    #[test]
    fn enums_name_the_decision_in_any_form() {
        let pick = |options: Value| choose(options.as_array().unwrap(), &filling()).unwrap();
        assert_eq!(pick(json!(["APPROVED", "REJECTED"])), "REJECTED");
        assert_eq!(pick(json!(["Approve", "Reject"])), "Reject");
        assert_eq!(pick(json!(["x", "y"])), "x");
    }
}
