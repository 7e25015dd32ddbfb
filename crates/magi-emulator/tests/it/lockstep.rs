//! Lock-step: nothing is sent before the token before it was reported.

use magi_emulator::Who;
use serde_json::{Value, json};

use crate::Fakes;

/// Prose tokens of every answer here.
const LEN: u64 = 12;

/// Reads a lock-step answer, reporting each prose token when it is seen; returns how many came.
async fn follow(fakes: &Fakes, path: &str, mut body: Value, over_http: bool) -> u64 {
    body["stream"] = json!(true);
    body["max_tokens"] = json!(4096);
    body["messages"] = json!([{"role": "user", "content": "Should we?"}]);
    let model = body["model"].as_str().unwrap().to_owned();
    let mut response = fakes.post(path, &body).send().await.unwrap();
    let mut text = String::new();
    let mut next = 0;
    while let Some(chunk) = response.chunk().await.unwrap() {
        text.push_str(std::str::from_utf8(&chunk).unwrap());
        // At most one new token may be there: the next one waits for the report of this one.
        assert!(
            !text.contains(&format!("k{} ", next + 1)),
            "token {} came early",
            next + 1
        );
        if text.contains(&format!("k{next} ")) {
            let sent = fakes.running.ledger().of(&model)[0].tokens_sent as u64;
            // After the last prose token the vote may flow.
            assert!(
                sent <= next + 1 || next + 1 == LEN,
                "{sent} left before {next} was reported"
            );
            report(fakes, &model, next, over_http).await;
            next += 1;
        }
    }
    next
}

async fn report(fakes: &Fakes, model: &str, token: u64, over_http: bool) {
    if over_http {
        let report = fakes.post("/release", &json!({"model": model, "token": token}));
        assert_eq!(report.send().await.unwrap().status(), 200);
        return;
    }
    let who = Who {
        model: Some(model.to_owned()),
        role: None,
    };
    let matched = fakes.running.lockstep().report(&who, token).unwrap();
    // An answer whose last prose token is out may be over already.
    assert!(matched == 1 || token + 1 == LEN);
}

#[tokio::test]
async fn text_tool_and_json_answers_go_in_lock_step() {
    let fakes = Fakes::start().await;
    let tool = json!([{"name": "cast_vote", "input_schema": {"type": "object", "properties": {
        "decision": {"enum": ["APPROVED", "REJECTED", "ABSTAINED"]}}}}]);
    let cases = [
        (
            "/v1/messages",
            json!({"model": "fake-a+lockstep+len-12+tool", "tools": tool}),
        ),
        (
            "/v1/messages",
            json!({"model": "fake-b+lockstep+len-12+tail"}),
        ),
        (
            "/v1/chat/completions",
            json!({"model": "fake-c+lockstep+len-12+prose"}),
        ),
    ];
    for (path, body) in cases {
        assert_eq!(follow(&fakes, path, body, false).await, LEN);
    }
}

#[tokio::test]
async fn reports_may_come_over_http_and_not_ahead() {
    let fakes = Fakes::start().await;
    let body = json!({"model": "fake+lockstep+len-12+prose"});
    let ahead = fakes
        .post("/release", &json!({"token": 0}))
        .send()
        .await
        .unwrap();
    assert_eq!(ahead.text().await.unwrap(), "{\"matched\":0}");
    assert_eq!(
        follow(&fakes, "/v1/chat/completions", body, true).await,
        LEN
    );
}
