//! Every fault does to a socket what its word says.

use std::time::Duration;

use magi_emulator::{Config, End};
use serde_json::json;
use tokio::time::Instant;

use crate::{Fakes, data, openai_text, read};

#[tokio::test]
async fn statuses_hold_as_long_as_their_word_says() {
    let fakes = Fakes::start().await;
    let status = async |model: &str| {
        let body = json!({"model": model, "max_tokens": 99,
            "messages": [{"role": "user", "content": "Should we?"}]});
        let response = fakes.post("/v1/messages", &body).send().await.unwrap();
        let retry = response.headers().get("retry-after").cloned();
        (
            response.status().as_u16(),
            retry.map(|value| value.to_str().unwrap().to_owned()),
        )
    };
    assert_eq!(status("429-retry-2").await, (429, Some("2".to_owned())));
    assert_eq!(status("429-retry-2").await.0, 200);
    assert_eq!(status("429").await, (429, None));
    assert_eq!(status("429").await, (429, None));
    assert_eq!(status("500-once").await.0, 500);
    assert_eq!(status("500-once").await.0, 200);
    assert_eq!(status("fake-x+503-for-1s").await.0, 503);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(status("fake-x+503-for-1s").await.0, 200);
    for (model, code) in [
        ("529", 529),
        ("401", 401),
        ("404", 404),
        ("400-context", 400),
    ] {
        assert_eq!(status(model).await.0, code);
    }
    let attempts: Vec<u32> = fakes
        .running
        .ledger()
        .of("429")
        .iter()
        .map(|e| e.attempt)
        .collect();
    assert_eq!(attempts, [1, 2]);
}

#[tokio::test]
async fn cuts_come_after_so_many_tokens_and_look_as_they_should() {
    let fakes = Fakes::start().await;
    let (text, well) = fakes.openai("fake+cut-after-40").await;
    assert!(!well, "a cut without the chunked end is a network error");
    assert_eq!(tokens(&text), 40);
    let (text, well) = fakes.openai("fake+cut-after-40-clean").await;
    assert!(well, "a cut with the chunked end is a proper HTTP end");
    assert_eq!(tokens(&text), 40);
    assert!(!text.contains("[DONE]"));
    let (text, well) = fakes.openai("fake+reset-after-7").await;
    assert!(!well && tokens(&text) <= 7);
    let (text, well) = fakes.anthropic("fake+cut-after-3").await;
    assert!(!well && !text.contains("message_stop"));
    let ends: Vec<_> = fakes
        .running
        .ledger()
        .entries()
        .into_iter()
        .map(|e| e.end)
        .collect();
    assert_eq!(ends, [End::Cut, End::Sent, End::Reset, End::Cut].map(Some));
}

fn tokens(stream: &str) -> usize {
    data(stream)
        .iter()
        .filter_map(|chunk| chunk.pointer("/choices/0/delta/content")?.as_str())
        .filter(|text| !text.is_empty())
        .count()
}

#[tokio::test]
async fn a_reset_before_headers_happens_once_when_told() {
    let fakes = Fakes::start().await;
    assert_eq!(
        fakes.openai("reset-before-headers-once").await,
        (String::new(), false)
    );
    let (text, well) = fakes.openai("reset-before-headers-once").await;
    assert!(well && text.contains("[DONE]"));
    let entry = fakes.running.ledger().entries().remove(0);
    assert_eq!((entry.end, entry.status), (Some(End::Reset), None));
}

#[tokio::test]
async fn a_client_that_leaves_a_stall_is_seen_and_gets_nothing_more() {
    let fakes = Fakes::start().await;
    for model in ["fake+stall-after-3", "no-answer"] {
        let ask = fakes.openai(model);
        tokio::time::timeout(Duration::from_millis(300), ask)
            .await
            .unwrap_err();
        let over = |entries: &[magi_emulator::Entry]| entries.last().unwrap().end.is_some();
        let (entries, seen) = fakes
            .running
            .ledger()
            .until(Duration::from_secs(5), over)
            .await;
        assert!(seen, "the fake did not see the client leave {model}");
        let entry = entries.last().unwrap();
        assert_eq!(entry.end, Some(End::ClientClosed));
        assert!(entry.client_closed_ms.is_some());
        assert_eq!(entry.bytes_after_close, 0);
    }
    assert_eq!(
        fakes.running.ledger().of("fake+stall-after-3")[0].tokens_sent,
        3
    );
}

#[tokio::test]
async fn silences_end_at_the_longest_hold_or_when_told() {
    let mut config = Config::default();
    config.longest_hold = Duration::from_millis(200);
    let fakes = Fakes::with(config).await;
    assert!(!fakes.openai("no-answer").await.1);
    assert!(!fakes.openai("stall-after-2").await.1);
    let began = Instant::now();
    assert!(!fakes.openai("stall-after-2-1s").await.1);
    assert!(began.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn slow_answers_are_slow_where_they_should_be() {
    let fakes = Fakes::start().await;
    let began = Instant::now();
    let (text, well) = fakes.openai("first-token-400+len-3+prose").await;
    assert!(well && began.elapsed() >= Duration::from_millis(400));
    assert_eq!(tokens(&text), 3);
    let began = Instant::now();
    fakes.openai("drip-50+len-5+prose").await;
    assert!(began.elapsed() >= Duration::from_millis(200));
    let entries = fakes.running.ledger().entries();
    assert!(entries[0].first_token_ms.unwrap() >= entries[0].arrived_ms + 400);
}

#[tokio::test]
async fn damaged_and_odd_streams_are_as_documented() {
    let fakes = Fakes::start().await;
    for odd in [
        "malformed-at-10",
        "split-utf8",
        "slices",
        "no-sentinel",
        "no-finish",
        "bom",
    ] {
        let (text, well) = fakes.openai(&format!("fake+{odd}")).await;
        assert!(well, "{odd}");
        let planned = fakes.running.ledger().entries().pop().unwrap().text;
        assert_eq!(openai_text(&text), planned, "{odd}");
        assert_eq!(text.contains("[DONE]"), odd != "no-sentinel");
        let finished = text.contains("\"finish_reason\":\"stop\"");
        assert_eq!(finished, odd != "no-finish");
    }
    let (text, _) = fakes.openai("fake+malformed-at-10").await;
    let bad = text
        .lines()
        .filter(|line| line.starts_with("data: {\"id\":\"chatcmpl-fake\","));
    assert_eq!(bad.count(), 1);
    let (text, _) = fakes.openai("fake+crlf").await;
    assert!(text.contains("}\r\n\r\n") && !text.contains("}\n\n"));
    let (text, _) = fakes.openai("fake+no-space+comments+empty-frames").await;
    assert!(text.contains("data:{") && text.contains(": keep-alive\n\n"));
    assert!(text.contains("data:\n\n"));
}

#[tokio::test]
async fn ends_that_are_no_answers() {
    let fakes = Fakes::start().await;
    let (text, _) = fakes.openai("fake+refusal").await;
    assert!(text.contains("\"refusal\":\"I'm") && !text.contains("decision"));
    let (text, _) = fakes.anthropic("fake+refusal").await;
    assert!(text.contains("\"stop_reason\":\"refusal\""));
    let (text, _) = fakes.openai("fake+empty").await;
    assert_eq!(tokens(&text), 0);
    assert!(text.contains("[DONE]"));
    let (text, _) = fakes.openai("fake+length-after-4").await;
    assert!(text.contains("\"finish_reason\":\"length\"") && tokens(&text) == 4);
    let (text, _) = fakes.openai("fake+filter-after-4").await;
    assert!(text.contains("\"finish_reason\":\"content_filter\""));
    let (text, well) = fakes.openai("fake+error-after-4").await;
    assert!(well && text.contains("data: {\"error\":") && !text.contains("[DONE]"));
    let (text, _) = fakes.anthropic("fake+error-after-4").await;
    assert!(text.contains("event: error\ndata: {") && text.contains("overloaded_error"));
}

#[tokio::test]
async fn large_answers_are_as_large_as_asked() {
    let fakes = Fakes::start().await;
    let (text, well) = fakes.openai("fake+huge-line-256").await;
    assert!(well && text.lines().any(|line| line.len() > 256 << 10));
    let (text, well) = fakes.openai("fake+flood-1").await;
    assert!(well && openai_text(&text).len() > 1 << 20);
    let (text, well) = fakes.openai("fake+no-newline-1").await;
    assert!(!well && text.lines().last().unwrap().len() >= 1 << 20);
}

#[tokio::test]
async fn usage_stands_where_the_word_says() {
    let fakes = Fakes::start().await;
    let (text, _) = fakes.openai("fake").await;
    assert!(!text.contains("usage"), "usage is sent only when asked for");
    let (text, _) = fakes.openai("fake+usage-anywhere").await;
    let finishing = data(&text)
        .into_iter()
        .find(|chunk| chunk["usage"].is_object())
        .unwrap();
    assert_eq!(finishing["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn whole_answers_break_in_the_middle_too() {
    let fakes = Fakes::start().await;
    let body = json!({"model": "cut-after-1", "messages": [{"role": "user", "content": "?"}]});
    let (text, well) = read(fakes.post("/v1/chat/completions", &body)).await;
    assert!(!well && text.starts_with("{\"") && !text.ends_with('}'));
}

#[tokio::test]
async fn stopping_ends_every_open_answer() {
    let fakes = Fakes::start().await;
    let ask = fakes.openai("fake+stall-after-1");
    let stop = async {
        fakes
            .running
            .ledger()
            .until(Duration::from_secs(5), |e| !e.is_empty())
            .await;
        fakes.running.stop().await;
    };
    let (answer, ()) = tokio::join!(ask, stop);
    assert!(!answer.1);
    assert_eq!(fakes.running.ledger().entries()[0].end, Some(End::Stopped));
}
