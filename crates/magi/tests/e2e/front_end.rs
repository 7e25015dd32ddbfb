//! A client of the original front end's shape: lines that begin with `data: `, deltas appended by agent,
//! what completes merged over it. It knows nothing of cursors, doors or us.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use magi_emulator::demo::Way;
use magi_event::Agent;
use serde_json::{Map, Value, json};

use super::support::{PATIENCE, http};
use super::ways::{post, single_binary, start};

/// What it shows.
#[derive(Debug, Default)]
struct Page {
    /// By `agentId`; the judge's under its own name.
    texts: BTreeMap<String, String>,
    /// What `agent_complete` said, by `agentId`.
    sages: BTreeMap<String, Map<String, Value>>,
    judge: Map<String, Value>,
    complete: Map<String, Value>,
    rest: Vec<u8>,
}

impl Page {
    /// Reads an answer as the original does: bytes to lines, and of the lines those with `data: `.
    async fn read(answer: reqwest::Response) -> Page {
        assert_eq!(answer.status(), 200);
        let mut page = Page::default();
        let mut bytes = answer.bytes_stream();
        while let Some(chunk) = tokio::time::timeout(PATIENCE, bytes.next()).await.unwrap() {
            page.rest.extend_from_slice(&chunk.unwrap());
            while let Some(end) = page.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = page.rest.drain(..=end).collect();
                let line = String::from_utf8(line).unwrap();
                if let Some(json) = line.trim_end().strip_prefix("data: ") {
                    page.event(&serde_json::from_str(json).unwrap());
                }
            }
        }
        page
    }

    fn event(&mut self, event: &Value) {
        let agent = event["agentId"].as_str().unwrap_or("solomon").to_owned();
        let text = event["data"]["text"].as_str().unwrap_or_default();
        let data = || event["data"].as_object().unwrap().clone();
        match event["type"].as_str().unwrap() {
            "agent_chunk" | "judge_chunk" => self.texts.entry(agent).or_default().push_str(text),
            "agent_complete" => self.sages.entry(agent).or_default().extend(data()),
            "judge_complete" => self.judge.extend(data()),
            "complete" => self.complete = data(),
            "error" => panic!("{event}"),
            _ => {}
        }
    }
}

/// The body of the original's browser, which names no action.
fn body() -> Value {
    json!({
        "question": "2コンテナ構成を採用すべきか？",
        "sessionId": "session-1",
        "agentConfigs": {
            "caspar": { "temperature": 0.3, "maxTokens": 2000, "topP": 0.9, "enabled": true },
            "melchior": { "systemPrompt": "あなたは MELCHIOR。証拠を重んじる。", "enabled": true },
        },
    })
}

#[tokio::test]
async fn the_originals_front_end_shows_the_right_texts_votes_and_verdict() {
    const MODEL: &str = "bedrock:fake+by-role+tool+len-40";
    let cloud = start(MODEL, |_| {}).await;
    let (_folder, served) = single_binary(&cloud, MODEL).await;
    for way in [Some(Way::Gateway), Some(Way::Agentcore), None] {
        cloud.vendors().ledger().clear();
        let answer = match way {
            Some(way) => post(&cloud, way, &body()).await,
            None => {
                let url = format!("{}/api/invocations", served.address);
                http().post(url).json(&body()).send().await.unwrap()
            }
        };
        let page = Page::read(answer).await;
        let said = cloud.vendors().ledger().entries();
        assert_eq!(said.len(), 4, "{way:?}");
        for entry in said {
            let agent = entry.role.unwrap();
            let shown = &page.texts[agent.name()];
            assert_eq!(shown, &entry.text, "{way:?} {agent}");
            assert!(shown.chars().count() > 40, "{shown}");
            let decision = match agent {
                Agent::Sage(_) => &page.sages[agent.name()]["decision"],
                Agent::Judge => &page.judge["final_decision"],
            };
            assert_eq!(
                decision.as_str(),
                entry.decision.as_deref(),
                "{way:?} {agent}"
            );
        }
        // The original's call means the rule `judge`, and its names for what was counted.
        assert_eq!(
            page.complete["final_decision"],
            page.judge["final_decision"]
        );
        let counted = &page.complete["voting_result"];
        assert_eq!(counted["approved"], 2, "{counted}");
        assert_eq!(counted["rejected"], 1, "{counted}");
        let scores = page.judge["sage_scores"].as_object().unwrap();
        assert_eq!(scores.len(), 3, "{scores:?}");
    }
    served.kill().await;
    cloud.stop().await;
}
