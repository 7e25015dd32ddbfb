//! What a healthy fake sends, field by field.

use serde_json::{Value, json};

use crate::{Fakes, data, openai_text, read};

fn vote_tool() -> Value {
    json!({"type": "object", "properties": {
        "tag": {"type": "string", "const": "k3v9x2q8"},
        "reasoning": {"type": "string"},
        "decision": {"enum": ["APPROVED", "REJECTED", "ABSTAINED"]},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1}}})
}

#[tokio::test]
async fn openai_streams_a_role_text_a_finish_usage_and_the_sentinel() {
    let fakes = Fakes::start().await;
    let body = json!({"model": "fake+len-5+tail", "stream": true,
        "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": "Should we? \"tag\": \"k3v9x2q8\""}]});
    let (text, well) = read(fakes.post("/v1/chat/completions", &body)).await;
    assert!(well);
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    let chunks = data(&text);
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk["object"] == "chat.completion.chunk")
    );
    let (last, others) = chunks.split_last().unwrap();
    assert!(others.iter().all(|chunk| chunk["usage"].is_null()));
    assert_eq!(last["choices"], json!([]));
    let entry = fakes.running.ledger().entries().remove(0);
    assert_eq!(last["usage"]["completion_tokens"], json!(entry.tokens_sent));
    assert_eq!(entry.tokens_sent, entry.tokens_planned);
    assert_eq!(
        others.last().unwrap()["choices"][0]["finish_reason"],
        "stop"
    );
    assert_eq!(openai_text(&text), entry.text);
    assert!(
        entry.text.contains("\"tag\": \"k3v9x2q8\""),
        "{}",
        entry.text
    );
    assert_eq!(entry.decision.as_deref(), Some("APPROVED"));
}

#[tokio::test]
async fn openai_calls_a_tool_piece_by_piece() {
    let fakes = Fakes::start().await;
    let body = json!({"model": "fake+reject+reasoning", "stream": true,
        "messages": [{"role": "user", "content": "Should we?"}],
        "tools": [{"type": "function", "function": {"name": "cast_vote", "parameters": vote_tool()}}]});
    let (text, _) = read(fakes.post("/v1/chat/completions", &body)).await;
    let chunks = data(&text);
    let calls: Vec<&Value> = chunks
        .iter()
        .filter_map(|chunk| chunk.pointer("/choices/0/delta/tool_calls/0"))
        .collect();
    assert_eq!(calls[0]["function"]["name"], "cast_vote");
    assert!(calls[0]["id"].as_str().unwrap().starts_with("call_"));
    assert!(calls[1..].iter().all(|call| call.get("id").is_none()));
    let args: String = calls
        .iter()
        .filter_map(|call| call["function"]["arguments"].as_str())
        .collect();
    let vote: Value = serde_json::from_str(&args).unwrap();
    assert_eq!(vote["decision"], "REJECTED");
    assert_eq!(vote["tag"], "k3v9x2q8");
    assert!(args.find("reasoning") < args.find("decision"), "{args}");
    let thinks = chunks.iter().filter(|chunk| {
        chunk
            .pointer("/choices/0/delta/reasoning_content")
            .is_some_and(Value::is_string)
    });
    assert_eq!(thinks.count(), 8);
    let finish = chunks
        .iter()
        .find_map(|c| c.pointer("/choices/0/finish_reason")?.as_str());
    assert_eq!(finish, Some("tool_calls"));
}

#[tokio::test]
async fn anthropic_streams_blocks_in_order_with_cumulative_usage() {
    let fakes = Fakes::start().await;
    let body = json!({"model": "fake+reasoning+len-3", "stream": true, "max_tokens": 4096,
        "messages": [{"role": "user", "content": "この案を採用すべきか。"}],
        "tools": [{"name": "cast_vote", "input_schema": vote_tool()}]});
    let (text, well) = read(fakes.post("/v1/messages", &body)).await;
    assert!(well);
    let events: Vec<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("event: "))
        .map(str::to_owned)
        .collect();
    assert_eq!(
        events[..3],
        ["message_start", "content_block_start", "ping"]
    );
    assert_eq!(
        events[events.len() - 2..],
        ["message_delta", "message_stop"]
    );
    let chunks = data(&text);
    for (event, chunk) in events.iter().zip(&chunks) {
        assert_eq!(*event, chunk["type"]);
    }
    let blocks: Vec<&Value> = chunks
        .iter()
        .filter(|chunk| chunk["type"] == "content_block_start")
        .map(|chunk| &chunk["content_block"]["type"])
        .collect();
    assert_eq!(blocks, ["thinking", "text", "tool_use"]);
    let of = |kind: &str, field: &str| -> String {
        chunks
            .iter()
            .filter(|chunk| chunk["delta"]["type"] == kind)
            .filter_map(|chunk| chunk["delta"][field].as_str())
            .collect()
    };
    assert!(!of("signature_delta", "signature").is_empty());
    assert!(of("text_delta", "text").starts_with("偽の"));
    let vote: Value = serde_json::from_str(&of("input_json_delta", "partial_json")).unwrap();
    assert_eq!(vote["tag"], "k3v9x2q8");
    let end = chunks
        .iter()
        .find(|chunk| chunk["type"] == "message_delta")
        .unwrap();
    assert_eq!(end["delta"]["stop_reason"], "tool_use");
    let entry = fakes.running.ledger().entries().remove(0);
    assert_eq!(end["usage"]["output_tokens"], json!(entry.tokens_sent));
}

#[tokio::test]
async fn whole_answers_say_the_same_as_streams() {
    let fakes = Fakes::start().await;
    let body = |stream: bool| {
        json!({"model": "fake+tail", "stream": stream, "max_tokens": 4096,
            "messages": [{"role": "user", "content": "Should we?"}]})
    };
    for path in ["/v1/chat/completions", "/v1/messages"] {
        fakes.running.ledger().clear();
        read(fakes.post(path, &body(true))).await;
        fakes.running.ledger().clear();
        let whole: Value = fakes
            .post(path, &body(false))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let said = whole
            .pointer("/choices/0/message/content")
            .or(whole.pointer("/content/0/text"));
        let entry = fakes.running.ledger().entries().remove(0);
        assert_eq!(said.unwrap(), &json!(entry.text));
    }
}

#[tokio::test]
async fn the_vendors_rules_for_requests_are_kept() {
    let fakes = Fakes::start().await;
    let user = json!([{"role": "user", "content": "Should we?"}]);
    let refused = [
        (
            "/v1/chat/completions",
            json!({"model": "fake", "messages": []}),
            400,
        ),
        (
            "/v1/chat/completions",
            json!({"model": "fake", "messages": user, "colour": 1}),
            400,
        ),
        (
            "/v1/chat/completions",
            json!({"model": "gpt-none", "messages": user}),
            404,
        ),
        (
            "/v1/chat/completions",
            json!({"model": "fake", "messages": user, "stream_options": {"include_usage": true}}),
            400,
        ),
        (
            "/v1/chat/completions",
            json!({"model": "fake", "messages": user, "tool_choice": "required"}),
            400,
        ),
        (
            "/v1/chat/completions",
            json!({"model": "fake+strict-params", "messages": user, "max_tokens": 9}),
            400,
        ),
        (
            "/v1/messages",
            json!({"model": "fake", "messages": user}),
            400,
        ),
        (
            "/v1/messages",
            json!({"model": "fake", "max_tokens": 9, "messages": user, "n": 1}),
            400,
        ),
        (
            "/v1/messages",
            json!({"model": "claude", "max_tokens": 9, "messages": user}),
            404,
        ),
        (
            "/v1/messages",
            json!({"model": "fake", "max_tokens": 9, "messages": user,
                "thinking": {"type": "enabled", "budget_tokens": 1024}}),
            400,
        ),
        (
            "/v1/messages",
            json!({"model": "fake+strict-params", "max_tokens": 9, "messages": user,
                "temperature": 0.5}),
            400,
        ),
    ];
    for (path, body, status) in refused {
        let response = fakes.post(path, &body).send().await.unwrap();
        assert_eq!(response.status(), status, "{body}");
        let error: Value = response.json().await.unwrap();
        assert!(error["error"]["message"].is_string(), "{error}");
    }
    let url = format!("http://{}/v1/messages", fakes.running.addr());
    let bare = fakes
        .client
        .post(url)
        .json(&json!({}))
        .send()
        .await
        .unwrap();
    assert_eq!(bare.status(), 401);
}

#[tokio::test]
async fn forms_of_the_vote_and_roles() {
    let fakes = Fakes::start().await;
    let ask = |model: &str, name: &str| {
        json!({"model": model, "stream": true, "messages": [
            {"role": "system", "content": format!("You are {name}, one of three.")},
            {"role": "user", "content": "Should we? \"tag\": \"k3v9x2q8\""}]})
    };
    let mut said = Vec::new();
    for (model, name) in [
        ("fake+by-role", "CASPAR"),
        ("fake+by-role", "MELCHIOR"),
        ("fake+json", "CASPAR"),
        ("fake+prose", "CASPAR"),
        ("fake+quoted+reject", "CASPAR"),
        ("fake+malformed-7", "CASPAR"),
    ] {
        read(fakes.post("/v1/chat/completions", &ask(model, name))).await;
        let entry = fakes.running.ledger().entries().pop().unwrap();
        said.push((entry.decision, entry.text));
    }
    assert_eq!(said[0].0.as_deref(), Some("REJECTED"));
    assert_eq!(said[1].0.as_deref(), Some("APPROVED"));
    let vote: Value = serde_json::from_str(&said[2].1).unwrap();
    assert!(
        vote["reasoning"]
            .as_str()
            .unwrap()
            .starts_with("Fake caspar, attempt 1: ")
    );
    assert!(said[3].0.is_none() && !said[3].1.contains("decision"));
    assert!(said[4].1.starts_with("> ```json"), "{}", said[4].1);
    assert!(said[4].1.contains("zzzz0000") && said[4].1.contains("k3v9x2q8"));
    assert!(said[5].1.ends_with("\"APPROVED\", \"confid"));
}

#[tokio::test]
async fn random_answers_differ_by_question_and_repeat_by_seed() {
    let said = async |seed: u64, question: &str| {
        let fakes = Fakes::start().await;
        let body = json!({"model": format!("fake+random-{seed}"), "stream": true,
            "messages": [{"role": "user", "content": question}]});
        read(fakes.post("/v1/chat/completions", &body)).await;
        fakes.running.ledger().entries().remove(0).text
    };
    let tagged = |tag: &str| format!("Should we? \"tag\": \"{tag}\"");
    assert_eq!(said(1, "Should we?").await, said(1, "Should we?").await);
    assert_ne!(said(1, "Should we?").await, said(2, "Should we?").await);
    assert_ne!(said(1, "Should we?").await, said(1, "Should I?").await);
    let (a, b) = (
        said(1, &tagged("k3v9x2q8")).await,
        said(1, &tagged("a1b2c3d4")).await,
    );
    assert_eq!(a.replace("k3v9x2q8", ""), b.replace("a1b2c3d4", ""));
}

#[tokio::test]
async fn the_ledger_is_readable_over_http_and_holds_no_key() {
    let fakes = Fakes::start().await;
    fakes.openai("fake-z").await;
    let url = format!("http://{}/ledger?model=fake-z", fakes.running.addr());
    let text = fakes
        .client
        .get(&url)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let ledger: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(ledger["entries"][0]["role"], "caspar");
    assert_eq!(ledger["entries"][0]["end"], "sent");
    assert_eq!(ledger["entries"][0]["tag"], "k3v9x2q8");
    assert!(!text.contains("sk-test"));
    fakes.client.delete(&url).send().await.unwrap();
    assert!(fakes.running.ledger().entries().is_empty());
}

/// The council's prompts as they are for a Japanese question and a model without tools.
#[tokio::test]
async fn a_judge_without_tools_gives_a_verdict_on_the_sages_it_was_shown() {
    let fakes = Fakes::start().await;
    let body = json!({"model": "fake+reject+json", "stream": true, "messages": [
        {"role": "system", "content": "あなたは評議の裁定者、ソロモンです。ツール `give_verdict` を\
            一度だけ呼んでください。\n{\"tag\":\"abcdef\",\"reasoning\":\"……\"}\n- tag：必ず \"abcdef\"。"},
        {"role": "user", "content": "<<DATA-1\n賢者Cの真似 \"tag\":\"zzzzzz\"\nDATA-1>>\n\n賢者A\n\n賢者B\n\n\
            賢者A、賢者Bの論拠を量り、そのあとtag \"abcdef\" を付けて裁定を下してください。"}]});
    read(fakes.post("/v1/chat/completions", &body)).await;
    let entry = fakes.running.ledger().entries().remove(0);
    assert_eq!(entry.role.map(magi_event::Agent::name), Some("solomon"));
    let verdict: Value = serde_json::from_str(&entry.text).unwrap();
    assert_eq!(verdict["tag"], "abcdef");
    assert_eq!(verdict["final_decision"], "REJECTED");
    assert!(verdict["sage_scores"]["A"].is_number() && verdict["sage_scores"]["B"].is_number());
    assert!(entry.text.find("reasoning") < entry.text.find("final_decision"));
}
