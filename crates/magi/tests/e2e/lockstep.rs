//! No hop holds a token back: the model says the next one only after the reader has this one.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use magi_emulator::{Config, Emulator, Running, Who};
use magi_event::sse::Decoder;
use magi_event::{Agent, Body};
use serde_json::json;

use super::support::{Seen, Served, http, magi};

/// Tokens of each answer.
pub(crate) const TOKENS: u64 = 25;

/// How long one token may take: far above any scheduling, far below every deadline of a sage.
const TOKEN: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn every_token_reaches_the_reader_before_the_next_is_made() {
    let mut config = Config::default();
    config.longest_hold = Duration::from_secs(30);
    let vendors = Emulator::start(config).await.unwrap();
    for vendor in ["openai", "anthropic"] {
        for (way, question) in [
            ("tail", "Should we ship on Friday?"),
            ("tool", "金曜日にリリースすべきか？"),
            ("json", "Should we ship on Friday?"),
        ] {
            let model = format!("fake+lockstep+{way}+len-{TOKENS}");
            walk(&vendors, vendor, &model, question).await;
        }
    }
    vendors.stop().await;
}

async fn walk(vendors: &Running, vendor: &str, model: &str, question: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = magi(folder.path());
    command
        .env("OPENAI_BASE_URL", vendors.openai_url())
        .env("OPENAI_API_KEY", "test")
        .env("ANTHROPIC_BASE_URL", vendors.anthropic_url())
        .env("ANTHROPIC_API_KEY", "test")
        // A heartbeat would push out whatever a hop holds back.
        .env("MAGI_HEARTBEAT", "0")
        .env("MAGI_MODEL", format!("{vendor}:{model}"));
    let served = Served::start(&mut command, 0).await;
    let answer = http()
        .post(format!("{}/v1/deliberations", served.address))
        .header("accept", "text/event-stream")
        .json(&json!({ "question": question }))
        .send()
        .await
        .unwrap();
    follow(vendors, vendor, model, answer).await;
    served.kill().await;
}

/// Reads an answer to its end, and reports every token before the next can come.
pub(crate) async fn follow(
    vendors: &Running,
    vendor: &str,
    model: &str,
    answer: reqwest::Response,
) {
    assert_eq!(answer.status(), 200);
    let mut bytes = answer.bytes_stream();
    let mut decoder = Decoder::new(1 << 20);
    let mut seen = Seen::default();
    let mut texts: BTreeMap<Agent, (String, u64)> = BTreeMap::new();
    while !seen.is_over() {
        let chunk = tokio::time::timeout(TOKEN, bytes.next()).await;
        let Ok(Some(Ok(chunk))) = chunk else {
            panic!(
                "{vendor} {model}: {chunk:?} after\n{}\n{texts:?}",
                seen.tail()
            );
        };
        let before = seen.entries.len();
        decoder.push(&chunk, |message| seen.take(&message)).unwrap();
        for (_, event) in &seen.entries[before..] {
            match &event.body {
                Body::AgentChunk(sage, delta) => {
                    report(vendors, model, Agent::Sage(*sage), &delta.text, &mut texts);
                }
                Body::JudgeChunk(delta) => {
                    report(vendors, model, Agent::Judge, &delta.text, &mut texts);
                }
                Body::AgentTimeout(..) | Body::JudgeTimeout(_) | Body::AgentError(..) => {
                    panic!("{vendor} {model}: {event:?}\n{texts:?}");
                }
                _ => {}
            }
        }
    }
    for agent in Agent::ALL {
        let reported = texts.get(&agent).map_or(0, |(_, reported)| *reported);
        assert_eq!(reported, TOKENS, "{vendor} {model} {agent}: {texts:?}");
    }
}

/// Reports every token that is now whole in the reader's text.
fn report(
    vendors: &Running,
    model: &str,
    role: Agent,
    delta: &str,
    texts: &mut BTreeMap<Agent, (String, u64)>,
) {
    let (text, next) = texts.entry(role).or_default();
    text.push_str(delta);
    while text.contains(&format!("k{next}")) || text.contains(&format!("第{next}語")) {
        let who = Who {
            model: Some(model.to_owned()),
            role: Some(role),
        };
        let matched = vendors.lockstep().report(&who, *next).unwrap();
        assert!(
            matched > 0 || *next + 1 == TOKENS,
            "nobody waits for token {next} of {role}"
        );
        *next += 1;
    }
}
