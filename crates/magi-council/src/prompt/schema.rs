//! The tools by which a sage votes and the judge gives the verdict.

use magi_model::{Lang, Tool};
use serde_json::{Map, Value, json};

/// The name of a sage's tool.
pub(crate) const CAST_VOTE: &str = "cast_vote";

/// The name of the judge's tool.
pub(crate) const GIVE_VERDICT: &str = "give_verdict";

/// Makes the tool with which a sage votes.
pub(crate) fn cast_vote(lang: Lang) -> Tool {
    Tool {
        name: CAST_VOTE.to_owned(),
        description: match lang {
            Lang::Ja => "分析を書き終えたあと、あなたの票を一度だけ投じます。先に reasoning、最後に decision を決めてください。",
            Lang::En => "Casts your vote, once, after your analysis. Settle the reasoning first and the decision last.",
        }
        .to_owned(),
        parameters: json!({
            "type": "object",
            "properties": {
                "tag": {"type": "string", "description": "The tag given in the instructions"},
                "reasoning": {"type": "string", "description": "What decided it, two to four sentences"},
                "conditions": texts("What must hold for the decision to stand"),
                "would_change": texts("Which new fact would change the decision"),
                "decision": {"type": "string", "enum": ["APPROVED", "REJECTED", "ABSTAINED"]},
                "confidence": {"type": ["number", "null"], "description": "0 to 1"}
            },
            "required": ["tag", "reasoning", "conditions", "would_change", "decision", "confidence"],
            "additionalProperties": false
        }),
    }
}

/// Makes the tool with which the judge gives the verdict on sages of these letters.
pub(crate) fn give_verdict(lang: Lang, letters: &[char]) -> Tool {
    let per_sage = |kind: Value| {
        let properties: Map<String, Value> = letters
            .iter()
            .map(|letter| (letter.to_string(), kind.clone()))
            .collect();
        let names: Vec<&String> = properties.keys().collect();
        json!({
            "type": "object",
            "required": names,
            "properties": properties,
            "additionalProperties": false
        })
    };
    let names: Vec<String> = letters.iter().map(char::to_string).collect();
    Tool {
        name: GIVE_VERDICT.to_owned(),
        description: match lang {
            Lang::Ja => "検討を書き終えたあと、裁定を一度だけ下します。先に reasoning、最後に final_decision を決めてください。",
            Lang::En => "Gives your verdict, once, after your weighing. Settle the reasoning first and the decision last.",
        }
        .to_owned(),
        parameters: json!({
            "type": "object",
            "properties": {
                "tag": {"type": "string", "description": "The tag given in the instructions"},
                "reasoning": {"type": "string", "description": "What decided it, two to four sentences"},
                "sage_scores": per_sage(json!({"type": "number", "description": "0 to 100"})),
                "score_reasons": per_sage(json!({"type": "string", "description": "One line"})),
                "dissent": {
                    "type": "object",
                    "properties": {
                        "sage": {"type": "string", "enum": names},
                        "text": {
                            "type": "string",
                            "description": "The strongest argument against the verdict: one sentence of that sage's, copied word for word"
                        }
                    },
                    "required": ["sage", "text"],
                    "additionalProperties": false
                },
                "conditions": texts("What must hold, merged, each once"),
                "would_change": texts("What would change the verdict"),
                "final_decision": {"type": "string", "enum": ["APPROVED", "REJECTED"]},
                "confidence": {"type": ["number", "null"], "description": "0 to 1"}
            },
            "required": ["tag", "reasoning", "sage_scores", "score_reasons", "dissent", "conditions",
                         "would_change", "final_decision", "confidence"],
            "additionalProperties": false
        }),
    }
}

fn texts(description: &str) -> Value {
    json!({"type": "array", "items": {"type": "string"}, "description": description})
}
