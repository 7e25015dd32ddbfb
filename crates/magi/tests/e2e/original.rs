//! The original's two request bodies on `/invocations`, as `curl -N` sends them.

use std::process::Stdio;

use magi_event::check::{Checker, Mode};
use magi_event::sse::Decoder;
use magi_event::{Body, Event, Rule, Sage};
use serde_json::json;
use tokio::process::Command;

use super::support::{Seen, Served, magi};

/// The form of the original's agent: per-role prompts, models and sampling.
fn python_form() -> serde_json::Value {
    json!({
        "question": "2コンテナ構成を採用すべきか？",
        "custom_prompts": { "caspar": "あなたは運用の責任者です。" },
        "model_configs": { "melchior": "rehearsal" },
        "runtime_configs": { "balthasar": { "temperature": 0.7, "max_tokens": 2000, "top_p": 0.95 } },
        "conversationId": "conversation-1",
        "trace_id": "trace-1731200000",
    })
}

/// The form of the original's browser: everything of an agent in one place, one of them disabled.
fn browser_form() -> serde_json::Value {
    json!({
        "question": "Should we adopt the two-container approach?",
        "sessionId": "session-1",
        "agentConfigs": {
            "caspar": { "model": "rehearsal", "temperature": 0.3, "maxTokens": 2000, "topP": 0.9,
                        "systemPrompt": "You run the pager.", "enabled": true },
            "melchior": { "enabled": false },
        },
    })
}

pub(crate) async fn curl(address: &str, body: &serde_json::Value) -> Seen {
    let output = Command::new("curl")
        .args(["-sS", "-N", "--noproxy", "*", "--max-time", "60"])
        .args([
            "-H",
            "content-type: application/json",
            "-d",
            &body.to_string(),
        ])
        .arg(format!("{address}/invocations"))
        .stdin(Stdio::null())
        .output()
        .await
        .expect("curl is needed to try what curl does");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut seen = Seen::default();
    Decoder::new(1 << 20)
        .push(&output.stdout, |message| seen.take(&message))
        .unwrap();
    seen
}

#[tokio::test]
async fn both_of_the_originals_bodies_stream_a_whole_deliberation() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(&mut magi(folder.path()), 0).await;
    for (body, sages, lang) in [
        (
            python_form(),
            vec![Sage::Caspar, Sage::Balthasar, Sage::Melchior],
            "ja",
        ),
        (browser_form(), vec![Sage::Caspar, Sage::Balthasar], "en"),
    ] {
        let seen = curl(&served.address, &body).await;
        let mut checker = Checker::new(Mode::Log);
        for (cursor, event) in &seen.entries {
            checker.entry(*cursor, event).unwrap();
        }
        checker.finish(true).unwrap();
        let Body::Start(start) = &seen.entries[0].1.body else {
            panic!("{:?}", seen.entries[0])
        };
        assert_eq!(start.council.sages, sages);
        assert_eq!(
            start.council.rule,
            Rule::Judge,
            "the original's call means rule `judge`"
        );
        assert_eq!(start.lang, lang);
        assert!(start.conversation_id.is_some());
    }
    served.kill().await;
}

#[tokio::test]
async fn the_naivest_reader_of_the_original_gets_whole_json_on_every_line() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(&mut magi(folder.path()), 0).await;
    let output = Command::new("curl")
        .args([
            "-sS",
            "-N",
            "--noproxy",
            "*",
            "-H",
            "content-type: application/json",
        ])
        .args(["-d", &python_form().to_string()])
        .arg(format!("{}/api/invocations", served.address))
        .output()
        .await
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // As the original's front end: lines that begin with `data: `, each one JSON.
    let mut types = Vec::new();
    for line in text
        .split('\n')
        .filter_map(|line| line.strip_prefix("data: "))
    {
        let event = Event::from_json(line.as_bytes()).unwrap();
        types.push(event.body.name().to_owned());
    }
    assert_eq!(types.first().map(String::as_str), Some("start"));
    assert_eq!(types.last().map(String::as_str), Some("complete"));
    assert!(
        !text.contains("event:"),
        "an event line would hide events from onmessage"
    );
    served.kill().await;
}
