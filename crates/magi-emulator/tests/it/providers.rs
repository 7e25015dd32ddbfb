//! MAGI's own providers meet the fakes over real sockets: every word, and the outcome it must have.

use futures_util::StreamExt;
use magi_emulator::{End, Vendor};
use magi_event::{Agent, Sage};
use magi_model::{
    About, Anthropic, AnthropicConfig, Call, Chunk, Error, Key, Kind, Lang, Message, OpenAi,
    OpenAiConfig, Provider, Purpose, Sampling, Speaker, StopReason, Tool,
};
use serde_json::{Value, json};

use crate::Fakes;

const TAG: &str = "k3v9x2";

/// What came of a call.
#[derive(Debug)]
struct Outcome {
    text: String,
    thought: String,
    args: String,
    output_tokens: Option<u64>,
    end: Result<StopReason, Error>,
}

fn call(model: &str) -> Call {
    let format = format!("end with {{\"tag\":\"{TAG}\",\"reasoning\":\"...\"}}");
    Call {
        model: model.to_owned(),
        system: format!("You are MELCHIOR, one of three sages.\n\n{format}"),
        messages: vec![Message {
            speaker: Speaker::User,
            text: format!(
                "この案を採用すべきか。そのあとタグ \"{TAG}\" を付けて投票してください。"
            ),
        }],
        tool: Some(Tool {
            name: "cast_vote".to_owned(),
            description: "Casts the vote.".to_owned(),
            parameters: json!({"type": "object", "properties": {
                "tag": {"type": "string"}, "reasoning": {"type": "string"},
                "decision": {"type": "string", "enum": ["APPROVED", "REJECTED", "ABSTAINED"]}},
                "required": ["tag", "reasoning", "decision"], "additionalProperties": false}),
        }),
        schema: None,
        sampling: Sampling {
            temperature: Some(0.7),
            top_p: None,
            max_tokens: Some(4096),
        },
        about: About {
            agent: Agent::Sage(Sage::Melchior),
            purpose: Purpose::Answer,
            question: "この案を採用すべきか。".to_owned(),
            lang: Lang::Ja,
            tag: TAG.to_owned(),
            order: Vec::new(),
        },
    }
}

fn provider(fakes: &Fakes, vendor: Vendor) -> Box<dyn Provider> {
    let key = Some(Key::new("sk-test").unwrap());
    match vendor {
        Vendor::OpenAi => {
            let config = OpenAiConfig::new("openai", fakes.running.openai_url(), key);
            Box::new(OpenAi::new(config).unwrap())
        }
        Vendor::Anthropic => {
            let config = AnthropicConfig::new("anthropic", fakes.running.anthropic_url(), key);
            Box::new(Anthropic::new(config).unwrap())
        }
        Vendor::Bedrock => panic!("tested beside its provider, in magi-aws"),
    }
}

async fn ask(provider: &dyn Provider, model: &str) -> Outcome {
    let mut stream = provider.stream(call(model));
    let (mut text, mut thought, mut args) = (String::new(), String::new(), String::new());
    let mut output_tokens = None;
    let end = loop {
        match stream
            .next()
            .await
            .expect("a stream ends with its end or an error")
        {
            Ok(Chunk::Accepted) => {}
            Ok(Chunk::Reasoning(delta)) => thought.push_str(&delta),
            Ok(Chunk::Text(delta)) => text.push_str(&delta),
            Ok(Chunk::ToolArguments(delta)) => args.push_str(&delta),
            Ok(Chunk::Usage(usage)) => output_tokens = Some(usage.output_tokens),
            Ok(Chunk::End(reason)) => break Ok(reason),
            Err(error) => break Err(error),
        }
    };
    assert!(
        stream.next().await.is_none(),
        "{model}: something follows the end"
    );
    Outcome {
        text,
        thought,
        args,
        output_tokens,
        end,
    }
}

#[tokio::test]
async fn whole_answers_arrive_word_for_word_with_vote_and_usage() {
    let fakes = Fakes::start().await;
    for vendor in [Vendor::OpenAi, Vendor::Anthropic] {
        let provider = provider(&fakes, vendor);
        for words in [
            "ok",
            "reasoning",
            "tail",
            "json",
            "split-utf8",
            "slices",
            "crlf",
            "no-space",
            "bom",
            "comments",
            "empty-frames",
            "null-content",
            "usage-anywhere",
            "reasoning-short",
            "huge-line-256",
            "strict-params",
        ] {
            let outcome = ask(&*provider, &format!("fake+{words}")).await;
            let entry = fakes.running.ledger().entries().pop().unwrap();
            let context = format!("{vendor:?} {words}: {:?}", outcome.end);
            assert_eq!(outcome.text, entry.text, "{context}");
            assert!(!outcome.text.contains('\u{fffd}'), "{context}");
            let vote = if outcome.args.is_empty() {
                &outcome.text
            } else {
                &outcome.args
            };
            assert!(vote.contains(TAG) && vote.contains("APPROVED"), "{context}");
            if words != "tail" && words != "json" {
                let vote: Value = serde_json::from_str(&outcome.args).expect(&context);
                assert_eq!(vote["tag"], TAG);
                assert_eq!(outcome.end.unwrap(), StopReason::ToolUse);
            } else {
                assert_eq!(outcome.end.unwrap(), StopReason::Complete);
            }
            assert_eq!(
                outcome.output_tokens,
                Some(entry.tokens_sent as u64),
                "{context}"
            );
            assert_eq!(
                outcome.thought.is_empty(),
                !words.starts_with("reasoning"),
                "{context}"
            );
            assert_eq!(entry.role, Some(Agent::Sage(Sage::Melchior)));
            assert_eq!(entry.end, Some(End::Sent));
        }
    }
}

#[tokio::test]
async fn every_fault_has_the_kind_that_says_what_to_do() {
    use Kind::{
        BadRequest, Filtered, Malformed, Network, NotFound, Overloaded, Throttled, Truncated,
        Unauthorised,
    };
    let fakes = Fakes::start().await;
    let openai = provider(&fakes, Vendor::OpenAi);
    let anthropic = provider(&fakes, Vendor::Anthropic);
    // The word, and the kinds that are right on OpenAI's wire and on Anthropic's.
    let table: [(&str, &[Kind], &[Kind]); 21] = [
        ("429", &[Throttled], &[Throttled]),
        ("429-quota", &[Unauthorised], &[Throttled]),
        ("500", &[Overloaded], &[Overloaded]),
        ("503", &[Overloaded], &[Overloaded]),
        ("529", &[Overloaded], &[Overloaded]),
        ("502-html", &[Overloaded], &[Overloaded]),
        ("401", &[Unauthorised], &[Unauthorised]),
        ("403", &[Unauthorised], &[Unauthorised]),
        ("404", &[NotFound], &[NotFound]),
        ("gpt-not-known", &[NotFound], &[NotFound]),
        ("400-context", &[BadRequest], &[BadRequest]),
        ("400-filter", &[Filtered], &[Filtered, BadRequest]),
        ("reset-before-headers", &[Network], &[Network]),
        ("cut-after-10", &[Truncated, Network], &[Truncated, Network]),
        (
            "reset-after-10",
            &[Truncated, Network],
            &[Truncated, Network],
        ),
        ("cut-after-10-clean", &[Truncated], &[Truncated]),
        ("cut-after-0-clean", &[Truncated], &[Truncated]),
        ("no-finish", &[Truncated], &[Truncated]),
        (
            "stall-after-5-1s",
            &[Truncated, Network],
            &[Truncated, Network],
        ),
        ("error-after-10", &[Overloaded], &[Overloaded]),
        ("no-newline-20", &[Malformed], &[Malformed]),
    ];
    for (word, on_openai, on_anthropic) in table {
        for (provider, kinds) in [(&openai, on_openai), (&anthropic, on_anthropic)] {
            let model = format!("fake+{word}");
            let model = if word.starts_with("gpt") {
                word.to_owned()
            } else {
                model
            };
            let outcome = ask(&**provider, &model).await;
            let error = outcome
                .end
                .expect_err(&format!("{word} was taken for an answer"));
            assert!(
                kinds.contains(&error.kind),
                "{} {word}: {error:?}",
                provider.name()
            );
            assert!(!error.message.contains("sk-test"));
        }
    }
}

#[tokio::test]
async fn proper_ends_that_are_not_whole_answers_are_told_apart() {
    use StopReason::{Complete, Filtered, MaxTokens, Refused};
    let fakes = Fakes::start().await;
    let openai = provider(&fakes, Vendor::OpenAi);
    let anthropic = provider(&fakes, Vendor::Anthropic);
    let table: [(&str, StopReason, StopReason); 4] = [
        ("refusal", Refused, Refused),
        ("length-after-5", MaxTokens, MaxTokens),
        ("filter-after-5", Filtered, Refused),
        ("empty", Complete, Complete),
    ];
    for (word, on_openai, on_anthropic) in table {
        for (provider, expected) in [(&openai, on_openai), (&anthropic, on_anthropic)] {
            let end = ask(&**provider, &format!("fake+{word}")).await.end;
            assert_eq!(end.unwrap(), expected, "{} {word}", provider.name());
        }
    }
}

/// A cut after any number of tokens is an error: no prefix of an answer is ever taken for the whole.
#[tokio::test]
async fn no_cut_is_taken_for_an_answer() {
    let fakes = Fakes::start().await;
    for vendor in [Vendor::OpenAi, Vendor::Anthropic] {
        let provider = provider(&fakes, vendor);
        for after in 0..40 {
            for kind in ["", "-clean"] {
                let model = format!("fake+len-20+reasoning+cut-after-{after}{kind}");
                let outcome = ask(&*provider, &model).await;
                assert!(
                    outcome.end.is_err(),
                    "{vendor:?} {model}: {:?}",
                    outcome.end
                );
            }
        }
    }
}

#[tokio::test]
async fn waits_are_passed_on_and_a_dropped_call_closes_its_connection() {
    let fakes = Fakes::start().await;
    for vendor in [Vendor::OpenAi, Vendor::Anthropic] {
        let provider = provider(&fakes, vendor);
        let error = ask(&*provider, "fake+429-retry-7").await.end.unwrap_err();
        assert_eq!(error.retry_after, Some(std::time::Duration::from_secs(7)));
        fakes.running.ledger().clear();
        let mut stream = provider.stream(call("fake+stall-after-3"));
        while !matches!(stream.next().await, Some(Ok(Chunk::Text(_)))) {}
        drop(stream);
        let gone = |entries: &[magi_emulator::Entry]| entries.iter().all(|e| e.end.is_some());
        let (entries, seen) = fakes
            .running
            .ledger()
            .until(std::time::Duration::from_secs(5), gone)
            .await;
        assert!(
            seen && entries[0].end == Some(End::ClientClosed),
            "{entries:?}"
        );
        assert_eq!(entries[0].bytes_after_close, 0);
    }
}

/// How long anything may take before a test gives up.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// How many streams stand still: more than a pool of a hundred has room for. With `MAGI_STALLED=1100` as many as in the
/// report of `docs/regressions.md`, each of which takes two of this process's file descriptors.
fn n_stalled() -> usize {
    std::env::var("MAGI_STALLED").map_or(110, |text| text.parse().expect("MAGI_STALLED"))
}

/// Whoever stands still keeps a connection of its own, and nothing that the next call needs.
#[tokio::test]
async fn streams_that_stand_still_take_no_place_from_the_next_call() {
    let fakes = Fakes::start().await;
    for vendor in [Vendor::OpenAi, Vendor::Anthropic] {
        let provider = provider(&fakes, vendor);
        fakes.running.ledger().clear();
        let mut stalled = Vec::new();
        for _ in 0..n_stalled() {
            let mut stream = provider.stream(call("fake+stall-after-3"));
            while !matches!(stream.next().await, Some(Ok(Chunk::Text(_)))) {}
            stalled.push(stream);
        }
        let next = tokio::time::timeout(PATIENCE, ask(&*provider, "fake")).await;
        let outcome = next.unwrap_or_else(|_| panic!("{vendor:?}: the next call has no place"));
        assert_eq!(outcome.end.unwrap(), StopReason::ToolUse, "{vendor:?}");
        let n_open = |entries: &[magi_emulator::Entry]| {
            entries.iter().filter(|entry| entry.end.is_none()).count()
        };
        let entries = fakes.running.ledger().entries();
        assert_eq!(
            n_open(&entries),
            n_stalled(),
            "{vendor:?}: they stood still"
        );
        drop(stalled);
        let (entries, gone) = fakes
            .running
            .ledger()
            .until(PATIENCE, |entries| n_open(entries) == 0)
            .await;
        assert!(gone, "{vendor:?}: {} are left open", n_open(&entries));
    }
}

/// One bad event costs itself, not the answer; `[DONE]` after a finish reason is a courtesy, but
/// without `message_stop` a message has no end.
#[tokio::test]
async fn small_damage_costs_nothing_and_a_missing_end_is_told() {
    let fakes = Fakes::start().await;
    for vendor in [Vendor::OpenAi, Vendor::Anthropic] {
        let provider = provider(&fakes, vendor);
        for word in ["malformed-at-10", "flood-2", "no-sentinel"] {
            let outcome = ask(&*provider, &format!("fake+{word}")).await;
            let said = fakes.running.ledger().entries().pop().unwrap().text;
            assert!(outcome.text.starts_with(&said), "{vendor:?} {word}");
            if (word, vendor) == ("no-sentinel", Vendor::Anthropic) {
                assert_eq!(outcome.end.unwrap_err().kind, Kind::Truncated);
            } else {
                assert_eq!(
                    outcome.end.unwrap(),
                    StopReason::ToolUse,
                    "{vendor:?} {word}"
                );
            }
        }
    }
}
