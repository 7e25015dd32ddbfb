use serde_json::json;

use super::*;
use crate::Preset;

fn door() -> Door {
    Door {
        identity: "local".into(),
        capabilities: vec!["stop".into()],
        classic: true,
        ..Door::default()
    }
}

/// The field that the error of this body names.
#[track_caller]
fn field_at_fault(body: &Value) -> String {
    match Ask::read(body, &door()) {
        Err(Error::Invalid { field, message }) => {
            assert!(!message.is_empty());
            field
        }
        other => panic!("{body}: {other:?}"),
    }
}

#[test]
fn the_least_body_is_a_question() {
    let ask = Ask::read(&json!({"question": " Shall we? "}), &door()).unwrap();
    assert_eq!(ask.question, " Shall we? ");
    assert!(ask.classic);
    assert_eq!(ask.preset_name(), "classic");
    assert_eq!(ask.language(), Lang::En);
    assert_eq!(ask.on_leave, OnLeave::Continue);
}

#[test]
fn every_field_of_ours_is_read() {
    let id = "01JD3ZK8M00000000000000000";
    let body = json!({
        "question": "採用すべきか", "context": "背景", "lang": "en", "preset": "strict",
        "council": {
            "rule": "veto:caspar", "quorum": 1,
            "roles": {"caspar": {"prompt": "Be brief.", "model": "openai:gpt-5:x", "enabled": true,
                                 "temperature": 0.5, "top_p": 0.9, "max_tokens": 10.0}},
            "judge_fallback": "ollama:llama3", "deadlines": {"idle": 0.5, "whole": 7200},
            "budget": {"usd": 0.5}
        },
        "conversation_id": "c1", "fork_of": id, "budget": {"tokens": 5000},
        "on_leave": "stop_after:0", "idempotency_key": "k", "dialect": "native", "nobody": [1]
    });
    let ask = Ask::read(&body, &door()).unwrap();
    assert_eq!(ask.language(), Lang::En);
    assert!(!ask.classic);
    assert_eq!(ask.on_leave, OnLeave::StopAfter(Duration::ZERO));
    assert_eq!(ask.fork_of.unwrap().to_string(), id);
    assert_eq!(ask.budget.tokens, Some(5000));
    let preset = Preset::find(ask.preset_name()).unwrap();
    let mut council = preset.council(ask.language(), &"rehearsal".parse().unwrap());
    ask.council.apply(&mut council);
    assert_eq!(council.name, "custom");
    assert_eq!(council.rule.to_string(), "veto:caspar");
    let caspar = &council.roles[&"caspar".parse().unwrap()];
    assert_eq!(caspar.prompt, "Be brief.");
    assert_eq!(caspar.model.model, "gpt-5:x");
    assert_eq!(caspar.sampling.max_tokens, Some(10));
    assert_eq!(council.deadlines.idle, Duration::from_millis(500));
    assert_eq!(council.deadlines.whole, Duration::from_secs(7200));
    assert_eq!(council.budget.usd, Some(0.5));
}

#[test]
fn the_originals_first_form_is_read() {
    let body = json!({
        "question": "q", "sessionId": "s-1",
        "custom_prompts": {"caspar": "You are careful.", "balthasar": "  "},
        "model_configs": {"melchior": "anthropic.claude-sonnet-4-5-20250929-v1:0",
                          "caspar": "arn:aws:bedrock:us-east-1:123456789012:inference-profile/x",
                          "solomon": "openai:gpt-5"},
        "runtime_configs": {"caspar": {"temperature": 0.3, "max_tokens": 2000, "top_p": 0.9}}
    });
    let ask = Ask::read(&body, &door()).unwrap();
    let role = |name: &str| ask.council.roles[&name.parse().unwrap()].clone();
    assert_eq!(role("caspar").prompt.as_deref(), Some("You are careful."));
    assert_eq!(role("balthasar").prompt, None);
    assert_eq!(role("caspar").sampling.max_tokens, Some(2000));
    let model = role("melchior").model.unwrap();
    assert_eq!(model.provider, "bedrock");
    assert_eq!(model.model, "anthropic.claude-sonnet-4-5-20250929-v1:0");
    let profile = role("caspar");
    assert!(profile.is_bare_id, "an ARN names no provider");
    assert_eq!(profile.model.unwrap().provider, "bedrock");
    assert_eq!(role("solomon").model.unwrap().provider, "openai");
    assert_eq!(ask.conversation_id.as_deref(), Some("s-1"));
}

#[test]
fn the_originals_second_form_replaces_the_first() {
    let body = json!({
        "question": "q", "conversationId": "c", "sessionId": "s",
        "custom_prompts": {"caspar": "first"},
        "agentConfigs": {
            "caspar": {"systemPrompt": "second", "temperature": 0.1, "maxTokens": 9, "topP": 1},
            "melchior": {"enabled": false}
        }
    });
    let ask = Ask::read(&body, &door()).unwrap();
    let caspar = &ask.council.roles[&"caspar".parse().unwrap()];
    assert_eq!(caspar.prompt.as_deref(), Some("second"));
    assert_eq!(caspar.sampling.top_p, Some(1.0));
    assert_eq!(
        ask.council.roles[&"melchior".parse().unwrap()].enabled,
        Some(false)
    );
    assert_eq!(ask.conversation_id.as_deref(), Some("c"));
}

#[test]
fn every_wrong_field_is_named() {
    let q = "question";
    let long = "x".repeat(LONGEST_QUESTION + 1);
    let vast = "x".repeat(LONGEST_CONTEXT + 1);
    let key = "k".repeat(LONGEST_KEY + 1);
    for (body, field) in [
        (json!([]), "body"),
        (json!({}), "question"),
        (json!({q: "\u{200b}"}), "question"),
        (json!({q: " \u{feff}\u{2060}\n\u{7}\u{200d} "}), "question"),
        (json!({q: "a\u{0}b"}), "question"),
        (json!({q: null}), "question"),
        (json!({q: 7}), "question"),
        (json!({q: "\n\t　"}), "question"),
        (json!({q: long}), "question"),
        (json!({q: "q", "context": vast}), "context"),
        (json!({q: "q", "context": {}}), "context"),
        (json!({q: "q", "lang": "fr"}), "lang"),
        (json!({q: "q", "preset": 1}), "preset"),
        (json!({q: "q", "idempotency_key": key}), "idempotency_key"),
        (json!({q: "q", "idempotency_key": ""}), "idempotency_key"),
        (json!({q: "q", "on_leave": "stop"}), "on_leave"),
        (json!({q: "q", "on_leave": "stop_after:-1"}), "on_leave"),
        (json!({q: "q", "on_leave": "stop_after:NaN"}), "on_leave"),
        (json!({q: "q", "fork_of": "x"}), "fork_of"),
        (json!({q: "q", "budget": {"usd": -1}}), "budget.usd"),
        (json!({q: "q", "budget": {"tokens": 1.5}}), "budget.tokens"),
        (json!({q: "q", "council": []}), "council"),
        (
            json!({q: "q", "council": {"rule": "veto:ramiel"}}),
            "council.rule",
        ),
        (json!({q: "q", "council": {"quorum": 4}}), "council.quorum"),
        (
            json!({q: "q", "council": {"roles": {"ramiel": {}}}}),
            "council.roles.ramiel",
        ),
        (
            json!({q: "q", "council": {"roles": {"caspar": {"model": "gpt"}}}}),
            "council.roles.caspar.model",
        ),
        (
            json!({q: "q", "council": {"deadlines": {"idle": 0}}}),
            "council.deadlines.idle",
        ),
        (
            json!({q: "q", "custom_prompts": {"ramiel": "x"}}),
            "custom_prompts.ramiel",
        ),
        (
            json!({q: "q", "custom_prompts": {"caspar": 1}}),
            "custom_prompts.caspar",
        ),
        (
            json!({q: "q", "model_configs": {"caspar": {}}}),
            "model_configs.caspar",
        ),
        (
            json!({q: "q", "runtime_configs": {"caspar": {"top_p": "high"}}}),
            "runtime_configs.caspar.top_p",
        ),
        (
            json!({q: "q", "agentConfigs": {"ramiel": {}}}),
            "agentConfigs.ramiel",
        ),
        (
            json!({q: "q", "agentConfigs": {"caspar": {"enabled": "no"}}}),
            "agentConfigs.caspar.enabled",
        ),
        (json!({q: "q", "sessionId": 5}), "sessionId"),
    ] {
        assert_eq!(field_at_fault(&body), field, "{body}");
    }
}

#[test]
fn deep_nesting_is_refused() {
    let deep = (0..DEEPEST + 1).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(field_at_fault(&json!({"question": "q", "x": deep})), "body");
}

#[test]
fn the_digest_is_of_what_is_asked() {
    let one = json!({"question": "q", "context": "c", "idempotency_key": "1", "action": "ask"});
    let same = json!({"dialect": "chunks", "context": "c", "question": "q"});
    let other = json!({"question": "q", "context": "d"});
    assert_eq!(body_digest(&one), body_digest(&same));
    assert_ne!(body_digest(&one), body_digest(&other));
    let inner = json!({"question": "q", "context": "c", "council": {"action": 1}});
    assert_ne!(body_digest(&same), body_digest(&inner));
}

#[test]
fn a_council_that_cannot_decide_is_refused() {
    for (patch, field) in [
        (
            json!({"roles": {"caspar": {"enabled": false}}, "quorum": 3}),
            "council.quorum",
        ),
        (
            json!({"roles": {"caspar": {"enabled": false}}, "rule": "veto:caspar"}),
            "council.rule",
        ),
        (
            json!({"deadlines": {"whole": 60}}),
            "council.deadlines.whole",
        ),
    ] {
        let mut council = Preset::find("default")
            .unwrap()
            .council(Lang::En, &"rehearsal".parse().unwrap());
        CouncilPatch::read(&patch, "council")
            .unwrap()
            .apply(&mut council);
        assert!(
            matches!(council.validate(), Err(Error::Invalid { field: at, .. }) if at == field),
            "{patch}"
        );
    }
}
