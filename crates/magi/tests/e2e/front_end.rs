//! Clients of the original front end's shape: lines that begin with `data: `, deltas appended by agent,
//! what completes merged over it; and of its Lambda gateway's, which print one `content` after the other. They know
//! nothing of cursors, doors or us.

use std::collections::BTreeMap;

use magi_emulator::Entry;
use magi_emulator::cloud::RunningCloud;
use magi_emulator::demo::Way;
use magi_event::Agent;
use serde_json::{Map, Value, json};

use super::cloud::text;
use super::support::{Served, http};
use super::ways::{post, single_binary, start};

/// Where the question goes; `None` is the single binary.
const WAYS: [Option<Way>; 4] = [
    Some(Way::Gateway),
    Some(Way::Agentcore),
    Some(Way::Direct),
    None,
];

/// CASPAR rejects, the others approve.
const MODEL: &str = "bedrock:fake+by-role+tool+len-40";

/// The same, and whoever is asked speaks 30 tokens, is cut off and is asked again.
const CUT: &str = "bedrock:fake+by-role+tool+len-40+cut-after-30-once";

/// What such a client does when an attempt begins.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reader {
    /// Clears the lane, as the original's own page does at `agent_start` and `judge_start`.
    ///
    /// Source: tudoumono/MAGISystem2, src/hooks/useStreamingAgent.ts at 557158e.
    Original,
    /// Nothing: it knows the deltas and what completes, and no more.
    Appending,
}

/// What it shows.
#[derive(Debug, Default)]
struct Page {
    /// By `agentId`; the judge's under its own name.
    texts: BTreeMap<String, String>,
    /// What `agent_complete` said, by `agentId`.
    sages: BTreeMap<String, Map<String, Value>>,
    judge: Map<String, Value>,
    complete: Map<String, Value>,
}

impl Page {
    fn of(frames: &[Value], reader: Reader) -> Page {
        let mut page = Page::default();
        for frame in frames {
            page.event(frame, reader);
        }
        page
    }

    fn event(&mut self, event: &Value, reader: Reader) {
        let agent = event["agentId"].as_str().unwrap_or("solomon").to_owned();
        let text = event["data"]["text"].as_str().unwrap_or_default();
        let data = || event["data"].as_object().unwrap().clone();
        match event["type"].as_str().unwrap() {
            "agent_start" | "judge_start" if reader == Reader::Original => {
                self.texts.insert(agent, String::new());
            }
            "agent_chunk" | "judge_chunk" => self.texts.entry(agent).or_default().push_str(text),
            "agent_complete" => self.sages.entry(agent).or_default().extend(data()),
            "judge_complete" => self.judge.extend(data()),
            "complete" => self.complete = data(),
            "error" => panic!("{event}"),
            _ => {}
        }
    }

    /// Holds that each vote shown is the one that was cast, and the verdict what follows from them.
    fn has_the_votes_and_the_verdict(&self, said: &[Entry], at: &str) {
        for entry in said {
            let agent = entry.role.unwrap();
            let decision = match agent {
                Agent::Sage(_) => &self.sages[agent.name()]["decision"],
                Agent::Judge => &self.judge["final_decision"],
            };
            assert_eq!(decision.as_str(), entry.decision.as_deref(), "{at} {agent}");
        }
        // The original's call means the rule `judge`, and its names for what was counted.
        assert_eq!(
            self.complete["final_decision"], self.judge["final_decision"],
            "{at}"
        );
        let counted = &self.complete["voting_result"];
        assert_eq!(counted["approved"], 2, "{at}: {counted}");
        assert_eq!(counted["rejected"], 1, "{at}: {counted}");
        let scores = self.judge["sage_scores"].as_object().unwrap();
        assert_eq!(scores.len(), 3, "{at}: {scores:?}");
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

/// Puts the question on a way; returns the frames of its answer as the original reads them (bytes to lines, and of
/// the lines those with `data: `), and what the models were asked meanwhile.
async fn ask(
    cloud: &RunningCloud,
    served: &Served,
    way: Option<Way>,
    body: &Value,
) -> (Vec<Value>, Vec<Entry>) {
    cloud.vendors().ledger().clear();
    let answer = match way {
        Some(way) => post(cloud, way, body).await,
        None => {
            let url = format!("{}/api/invocations", served.address);
            http().post(url).json(body).send().await.unwrap()
        }
    };
    assert_eq!(answer.status(), 200, "{way:?}");
    let answer = text(answer).await;
    let lines = answer
        .split('\n')
        .filter_map(|line| line.strip_prefix("data: "));
    let frames = lines.map(|line| serde_json::from_str(line).unwrap());
    (frames.collect(), cloud.vendors().ledger().entries())
}

/// The answers that came whole, one of each agent; and the first attempts, which were cut off.
fn whole_and_cut(said: Vec<Entry>, at: &str) -> (Vec<Entry>, BTreeMap<Agent, Entry>) {
    let (whole, cut): (Vec<_>, Vec<_>) =
        said.into_iter().partition(|entry| entry.role_attempt == 2);
    let cut = cut.into_iter().map(|entry| (entry.role.unwrap(), entry));
    let cut: BTreeMap<_, _> = cut.collect();
    assert_eq!((whole.len(), cut.len()), (4, 4), "{at}");
    (whole, cut)
}

#[tokio::test]
async fn the_originals_front_end_shows_the_right_texts_votes_and_verdict() {
    let cloud = start(MODEL, |_| {}).await;
    let (_folder, served) = single_binary(&cloud, MODEL).await;
    for way in WAYS {
        let (frames, said) = ask(&cloud, &served, way, &body()).await;
        for reader in [Reader::Original, Reader::Appending] {
            let at = format!("{way:?} {reader:?}");
            let page = Page::of(&frames, reader);
            assert_eq!(said.len(), 4, "{at}");
            for entry in &said {
                let agent = entry.role.unwrap();
                let shown = &page.texts[agent.name()];
                assert_eq!(shown, &entry.text, "{at} {agent}");
                assert!(shown.chars().count() > 40, "{shown}");
            }
            page.has_the_votes_and_the_verdict(&said, &at);
        }
    }
    served.kill().await;
    cloud.stop().await;
}

/// `docs/streaming.md` says what a reader shows that never clears a lane: the words that no longer count, then all.
#[tokio::test]
async fn words_that_no_longer_count_are_cleared_by_the_originals_page_and_stay_where_one_only_appends()
 {
    let cloud = start(CUT, |_| {}).await;
    let (_folder, served) = single_binary(&cloud, CUT).await;
    for way in WAYS {
        let (frames, said) = ask(&cloud, &served, way, &body()).await;
        let (whole, cut) = whole_and_cut(said, &format!("{way:?}"));
        let original = Page::of(&frames, Reader::Original);
        let appending = Page::of(&frames, Reader::Appending);
        for entry in &whole {
            let agent = entry.role.unwrap();
            assert_eq!(original.texts[agent.name()], entry.text, "{way:?} {agent}");
            let shown = &appending.texts[agent.name()];
            let void = shown.strip_suffix(&entry.text);
            let void = void.unwrap_or_else(|| panic!("{way:?} {agent}: {shown}"));
            let first = &cut[&agent].text;
            assert!(
                !void.is_empty() && void.len() < first.len() && first.starts_with(void),
                "{way:?} {agent}: {void:?} of {first:?}"
            );
        }
        // The votes and the verdict are right for both: they come whole, or not at all.
        for page in [original, appending] {
            page.has_the_votes_and_the_verdict(&whole, &format!("{way:?}"));
        }
    }
    served.kill().await;
    cloud.stop().await;
}

/// What a reader of the gateway's frames has printed, and their last one.
fn printed<'a>(frames: &'a [Value], at: &str) -> (String, &'a Value) {
    let (mut text, mut count) = (String::new(), 0);
    let (last, before) = frames.split_last().unwrap();
    for frame in before {
        match frame["type"].as_str().unwrap() {
            "chunk" => {
                count += 1;
                assert_eq!(frame["chunkNumber"], count, "{at}: {frame}");
                text.push_str(frame["content"].as_str().unwrap());
            }
            "trace" => {}
            other => panic!("{at}: {other} before the end: {frame}"),
        }
    }
    assert_eq!(last["type"], "complete", "{at}: {last}");
    assert_eq!(last["chunkCount"], count, "{at}: {last}");
    assert_eq!(last["totalBytes"], text.len(), "{at}: {last}");
    (text, last)
}

/// What stands under an agent's heading, before its vote or judgment.
fn section<'a>(printed: &'a str, agent: Agent, at: &str) -> (&'a str, &'a str) {
    let name = agent.name().to_uppercase();
    let heading = format!("\n\n## {name}\n\n");
    let mut parts = printed.split(&heading).skip(1);
    let (Some(part), None) = (parts.next(), parts.next()) else {
        panic!("{at}: not one heading of {name}: {printed}");
    };
    let voted = part.split_once(&format!("\n\n→ {name}: "));
    let (said, vote) = voted.unwrap_or_else(|| panic!("{at}: no vote of {name}: {printed}"));
    (said, vote)
}

/// The word for what an answer decided, as the text of a Japanese question has it.
fn word(entry: &Entry) -> &'static str {
    match entry.decision.as_deref() {
        Some("APPROVED") => "可決",
        Some("REJECTED") => "否決",
        other => panic!("{other:?}"),
    }
}

/// Holds that each vote stands behind its text, that they are counted, and that the verdict follows.
fn reads_to_the_verdict(printed: &str, whole: &[Entry], at: &str) {
    for entry in whole {
        let (_, vote) = section(printed, entry.role.unwrap(), at);
        assert!(vote.starts_with(word(entry)), "{at}: {vote}");
    }
    let counted = printed
        .matches("\n\n票数: 可決 2、否決 1、棄権 0\n")
        .count();
    assert_eq!(counted, 1, "{at}: {printed}");
    let judge = whole.iter().find(|entry| entry.role == Some(Agent::Judge));
    let verdict = format!("\n\n# 評決: {}\n", word(judge.unwrap()));
    assert_eq!(printed.matches(&verdict).count(), 1, "{at}: {printed}");
}

#[tokio::test]
async fn a_reader_of_the_gateways_frames_prints_the_right_texts_votes_and_verdict() {
    let cloud = start(MODEL, |_| {}).await;
    let (_folder, served) = single_binary(&cloud, MODEL).await;
    let mut body = body();
    body["dialect"] = "chunks".into();
    for way in WAYS {
        let at = format!("{way:?}");
        let (frames, said) = ask(&cloud, &served, way, &body).await;
        let (printed, last) = printed(&frames, &at);
        assert_eq!(last["agentId"], "magi", "{at}");
        assert_eq!(said.len(), 4, "{at}");
        for entry in &said {
            let (shown, _) = section(&printed, entry.role.unwrap(), &at);
            assert_eq!(shown, entry.text, "{at}: {printed}");
        }
        reads_to_the_verdict(&printed, &said, &at);
    }
    served.kill().await;
    cloud.stop().await;
}

/// What was printed cannot be taken back: where it no longer counts, a line says so before the whole text begins.
/// What was not printed yet is never printed.
#[tokio::test]
async fn a_reader_of_the_gateways_frames_is_told_which_words_no_longer_count() {
    let cloud = start(CUT, |_| {}).await;
    let (_folder, served) = single_binary(&cloud, CUT).await;
    let mut body = body();
    body["dialect"] = "chunks".into();
    for way in WAYS {
        let at = format!("{way:?}");
        let (frames, said) = ask(&cloud, &served, way, &body).await;
        let (printed, _) = printed(&frames, &at);
        let (whole, cut) = whole_and_cut(said, &at);
        let mut heard = Vec::new();
        for entry in &whole {
            let agent = entry.role.unwrap();
            let (shown, _) = section(&printed, agent, &at);
            let before = shown.strip_suffix(&entry.text);
            let before = before.unwrap_or_else(|| panic!("{at} {agent}: {shown}"));
            let name = agent.name().to_uppercase();
            let failed = format!("\n[{name}: 1回目の呼び出しに失敗しました（");
            let (void, why) = before.split_once(&failed).unwrap_or_else(|| {
                panic!("{at} {agent}: nothing says what happened: {shown}");
            });
            let again = format!(
                "）。再試行します]\n\n\n[{name} は最初からやり直します。上の途中までの文章は無効です。]\n\n"
            );
            let is_told = why.ends_with(&again);
            assert_eq!(is_told, !void.is_empty(), "{at} {agent}: {shown}");
            assert!(cut[&agent].text.starts_with(void), "{at} {agent}: {shown}");
            if is_told {
                heard.push(agent);
            }
        }
        assert!(heard.contains(&Agent::Judge), "{at}: {heard:?}");
        assert!(heard.len() >= 2, "{at}: a sage is heard live: {heard:?}");
        reads_to_the_verdict(&printed, &whole, &at);
    }
    served.kill().await;
    cloud.stop().await;
}
