//! One call at a time: what comes, in which order, and how it ends.

use std::time::Duration;

use futures_util::StreamExt;
use magi_aws::Reach;
use magi_emulator::{End, Entry, Running, Who};
use magi_event::{Agent, Sage, Usage};
use magi_model::Kind::{
    BadRequest, Filtered, Malformed, Network, NotFound, Overloaded, Throttled, Timeout, Truncated,
    Unauthorised,
};
use magi_model::{
    About, Call, Chunk, Error, Kind, Lang, Message, Provider, Purpose, Sampling, Speaker,
    StopReason, Tool,
};
use serde_json::{Value, json};

use crate::{bedrock, fakes};

const TAG: &str = "k3v9x2";

/// What came of a call.
#[derive(Debug)]
struct Outcome {
    text: String,
    thought: String,
    args: String,
    usage: Option<Usage>,
    end: Result<StopReason, Error>,
}

fn schema() -> Value {
    json!({"type": "object", "properties": {
        "tag": {"type": "string"}, "reasoning": {"type": "string"},
        "decision": {"type": "string", "enum": ["APPROVED", "REJECTED", "ABSTAINED"]},
        "confidence": {"type": ["number", "null"], "description": "0 to 1"}},
        "required": ["tag", "reasoning", "decision"], "additionalProperties": false})
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
            parameters: schema(),
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

async fn ask(provider: &dyn Provider, call: Call) -> Outcome {
    let model = call.model.clone();
    let mut stream = provider.stream(call);
    let (mut text, mut thought, mut args) = (String::new(), String::new(), String::new());
    let mut usage = None;
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
            Ok(Chunk::Usage(told)) => usage = Some(told),
            Ok(Chunk::End(reason)) => break Ok(reason),
            Err(error) => break Err(error),
        }
    };
    let after = stream.next().await;
    assert!(after.is_none(), "{model}: {after:?} follows the end");
    Outcome {
        text,
        thought,
        args,
        usage,
        end,
    }
}

async fn ask_model(fakes: &Running, model: &str) -> Outcome {
    ask(&bedrock(fakes), call(model)).await
}

fn last(fakes: &Running) -> Entry {
    fakes.ledger().entries().pop().unwrap()
}

#[tokio::test]
async fn whole_answers_arrive_word_for_word_with_vote_and_usage() {
    let fakes = fakes().await;
    for words in [
        "ok",
        "reasoning",
        "tail",
        "json",
        "split-utf8",
        "slices",
        "reasoning+slices+len-12",
        "huge-line-256",
        "unknown-event-after-3",
        "cached",
    ] {
        let outcome = ask_model(&fakes, &format!("fake+{words}")).await;
        let entry = last(&fakes);
        let context = format!("{words}: {:?}", outcome.end);
        assert_eq!(outcome.text, entry.text, "{context}");
        assert!(!outcome.text.contains('\u{fffd}'), "{context}");
        if words == "tail" || words == "json" {
            assert!(outcome.text.contains(TAG) && outcome.text.contains("APPROVED"));
            assert_eq!(outcome.end.unwrap(), StopReason::Complete);
        } else {
            let vote: Value = serde_json::from_str(&outcome.args).expect(&context);
            assert_eq!(
                (&vote["tag"], &vote["decision"]),
                (&json!(TAG), &json!("APPROVED"))
            );
            assert_eq!(outcome.end.unwrap(), StopReason::ToolUse);
        }
        let usage = outcome.usage.expect(&context);
        assert_eq!(usage.output_tokens, entry.tokens_sent as u64, "{context}");
        assert_eq!(outcome.thought.is_empty(), !words.starts_with("reasoning"));
        assert_eq!(entry.role, Some(Agent::Sage(Sage::Melchior)));
        assert_eq!(entry.end, Some(End::Sent));
        let cached = (usage.cache_read_tokens, usage.cache_write_tokens);
        assert_eq!(cached != (Some(0), Some(0)), words == "cached", "{context}");
    }
    let read = |entry: &Entry| entry.model == "fake+ok" || entry.model == "fake+cached";
    assert_eq!(
        fakes.ledger().entries().iter().filter(|e| read(e)).count(),
        2
    );
}

/// What a user sets is what is sent, and nothing else; the schema keeps the order in which a model
/// is to fill it.
#[tokio::test]
async fn the_request_holds_what_was_asked_for() {
    let fakes = fakes().await;
    let mut call = call("fake-request");
    ask(&bedrock(&fakes), call.clone()).await.end.unwrap();
    let entry = last(&fakes);
    let temperature = entry.body["inferenceConfig"]["temperature"]
        .as_f64()
        .unwrap();
    assert!((temperature - 0.7).abs() < 1e-6, "{temperature}");
    assert_eq!(entry.body["inferenceConfig"]["maxTokens"], 4096);
    assert_eq!(entry.body["inferenceConfig"].get("topP"), None);
    let tool = &entry.body["toolConfig"]["tools"][0]["toolSpec"];
    assert_eq!(
        tool["inputSchema"]["json"].to_string(),
        schema().to_string()
    );
    assert_eq!(entry.body["toolConfig"].get("toolChoice"), None);
    assert_eq!(entry.body["system"], json!([{"text": call.system}]));
    let shown = format!("({} bytes)", "Bearer bedrock-api-key-test".len());
    assert_eq!(entry.headers["authorization"], shown);

    call.sampling = Sampling::default();
    call.system = String::new();
    call.tool = None;
    ask(&bedrock(&fakes), call).await.end.unwrap();
    let body = last(&fakes).body;
    for absent in ["inferenceConfig", "system", "toolConfig", "outputConfig"] {
        assert_eq!(body.get(absent), None, "{absent}");
    }
}

/// The word, the kinds that are right, the HTTP status, and what the message must say.
type Row = (&'static str, &'static [Kind], Option<u16>, &'static str);

/// What Bedrock refuses before the stream.
const REFUSALS: &[Row] = &[
    (
        "403",
        &[Unauthorised],
        Some(403),
        "bedrock:InvokeModelWithResponseStream",
    ),
    ("403-no-model", &[Unauthorised], Some(403), "Model access"),
    ("403-expired", &[Unauthorised], Some(403), "sign in again"),
    (
        "403-unknown-key",
        &[Unauthorised],
        Some(403),
        "AWS_BEARER_TOKEN_BEDROCK",
    ),
    ("404", &[NotFound], Some(404), "end of its life"),
    ("gpt-not-known", &[NotFound], Some(400), "model's id"),
    ("400", &[BadRequest], Some(400), "ValidationException"),
    ("400-context", &[BadRequest], Some(400), "shorten"),
    ("400-on-demand", &[BadRequest], Some(400), "`global.`"),
    ("400-filter", &[Filtered], Some(400), "content filtering"),
    ("429", &[Throttled], Some(429), "Too many requests"),
    ("429-quota", &[Throttled], Some(429), "quota"),
    (
        "429-not-ready",
        &[Overloaded],
        Some(429),
        "ModelNotReadyException",
    ),
    ("408", &[Timeout], Some(408), "ModelTimeoutException"),
    ("424", &[Overloaded], Some(424), "ModelErrorException"),
    ("500", &[Overloaded], Some(500), "InternalServerException"),
    (
        "503",
        &[Overloaded],
        Some(503),
        "ServiceUnavailableException",
    ),
    ("502-html", &[Overloaded], Some(502), "502"),
    ("reset-before-headers", &[Network], None, "no connection"),
];

/// What breaks a stream that has begun.
const BREAKS: &[Row] = &[
    (
        "exception-internal-after-9",
        &[Overloaded],
        None,
        "InternalServerException",
    ),
    (
        "exception-model-stream-after-9",
        &[Overloaded],
        None,
        "upstream model failed",
    ),
    (
        "exception-validation-after-9",
        &[BadRequest],
        None,
        "ValidationException",
    ),
    (
        "exception-throttling-after-9",
        &[Throttled],
        None,
        "ThrottlingException",
    ),
    (
        "exception-unavailable-after-9",
        &[Overloaded],
        None,
        "ServiceUnavailableException",
    ),
    (
        "exception-throttling-after-0",
        &[Throttled],
        None,
        "broke off",
    ),
    (
        "error-after-10",
        &[Overloaded],
        None,
        "ModelStreamErrorException",
    ),
    ("bad-crc-after-10", &[Malformed], None, "no event"),
    ("malformed-at-10", &[Malformed], None, "no event"),
    ("cut-after-10", &[Truncated], None, "broke"),
    ("reset-after-10", &[Truncated, Network], None, "broke"),
    ("cut-after-10-clean", &[Truncated], None, "messageStop"),
    ("cut-after-0-clean", &[Truncated], None, "messageStop"),
    ("cut-byte-1000-clean", &[Truncated], None, "cut off"),
    ("no-finish", &[Truncated], None, "messageStop"),
    ("stall-after-5-1s", &[Truncated], None, "broke"),
    ("no-newline-2", &[Truncated, Malformed], None, ""),
    (
        "stop-malformed-output-after-9",
        &[Malformed],
        None,
        "malformed_model_output",
    ),
    (
        "stop-malformed-tool-after-9",
        &[Malformed],
        None,
        "malformed_tool_use",
    ),
];

#[tokio::test]
async fn every_fault_has_the_kind_that_says_what_to_do() {
    let fakes = fakes().await;
    for (word, kinds, status, says) in REFUSALS.iter().chain(BREAKS) {
        let model = if word.starts_with("gpt") {
            (*word).to_owned()
        } else {
            format!("fake+{word}")
        };
        let before = fakes.ledger().requests();
        let outcome = ask_model(&fakes, &model).await;
        let error = outcome
            .end
            .expect_err(&format!("{word} was taken for an answer"));
        assert!(kinds.contains(&error.kind), "{word}: {error:?}");
        assert_eq!(error.status, *status, "{word}: {error:?}");
        assert!(error.message.contains(says), "{word}: {}", error.message);
        assert!(!error.message.contains("bedrock-api-key-test"));
        assert_eq!(
            fakes.ledger().requests() - before,
            1,
            "{word}: the SDK must not try again by itself"
        );
    }
}

#[tokio::test]
async fn proper_ends_that_are_not_whole_answers_are_told_apart() {
    use StopReason::{Complete, Filtered, MaxTokens, ToolUse};
    let fakes = fakes().await;
    for (word, expected) in [
        ("ok", ToolUse),
        ("refusal", Filtered),
        ("length-after-5", MaxTokens),
        ("filter-after-5", Filtered),
        ("stop-guardrail-after-5", Filtered),
        ("stop-sequence-after-5", Complete),
        ("stop-context-after-5", MaxTokens),
        ("stop-new-after-5", Complete),
        ("empty", Complete),
    ] {
        let outcome = ask_model(&fakes, &format!("fake+{word}")).await;
        assert_eq!(outcome.end.unwrap(), expected, "{word}");
        assert!(
            outcome.usage.is_some(),
            "{word}: tokens come behind the end"
        );
    }
}

/// What breaks behind `messageStop` takes nothing from the answer; without the counts there are none.
#[tokio::test]
async fn an_answer_whose_counts_never_come_is_whole() {
    let fakes = fakes().await;
    for word in ["no-sentinel", "no-usage", "stall-at-end"] {
        let outcome = ask_model(&fakes, &format!("fake+{word}")).await;
        assert_eq!(outcome.end.unwrap(), StopReason::ToolUse, "{word}");
        assert_eq!(outcome.usage, None, "{word}");
    }
}

/// A cut after any token is an error: no prefix is ever taken for the whole.
#[tokio::test]
async fn no_cut_is_taken_for_an_answer() {
    let fakes = fakes().await;
    let provider = bedrock(&fakes);
    let names = (0..30).flat_map(|after| {
        ["", "-clean"].map(|kind| format!("fake+len-10+reasoning+cut-after-{after}{kind}"))
    });
    let asked = futures_util::stream::iter(names)
        .map(async |model| (ask(&provider, call(&model)).await, model))
        .buffer_unordered(8);
    let ends: Vec<_> = asked.collect().await;
    assert_eq!(ends.len(), 60);
    for (outcome, model) in ends {
        assert!(outcome.end.is_err(), "{model}: {:?}", outcome.end);
    }
}

/// A cut after any byte of the body: an error up to the last byte of `messageStop`, the whole answer
/// from there on.
#[tokio::test]
async fn a_cut_at_any_byte_is_told_until_the_answer_is_whole() {
    let fakes = fakes().await;
    let provider = bedrock(&fakes);
    let whole = ask(&provider, call("fake+len-1+prose")).await;
    assert_eq!(whole.end.unwrap(), StopReason::Complete);
    let asked = futures_util::stream::iter(0..last(&fakes).bytes_sent)
        .map(async |after| {
            let clean = if after % 2 == 0 { "" } else { "-clean" };
            let model = format!("fake+len-1+prose+cut-byte-{after}{clean}");
            (ask(&provider, call(&model)).await, model)
        })
        .buffered(8);
    let mut first_whole = None;
    for (outcome, model) in asked.collect::<Vec<_>>().await {
        match outcome.end {
            Ok(reason) => {
                assert_eq!(
                    (reason, &outcome.text),
                    (StopReason::Complete, &whole.text),
                    "{model}"
                );
                first_whole.get_or_insert(model);
            }
            Err(error) => {
                assert_eq!(first_whole, None, "{model} is longer and failed: {error:?}");
                let kinds = [Kind::Truncated, Kind::Malformed];
                assert!(kinds.contains(&error.kind), "{model}: {error:?}");
            }
        }
    }
    assert!(first_whole.is_some());
}

#[tokio::test]
async fn waits_are_passed_on_and_a_dropped_call_closes_its_connection() {
    let fakes = fakes().await;
    let error = ask_model(&fakes, "fake+429-retry-7").await.end.unwrap_err();
    assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
    fakes.ledger().clear();
    let provider = bedrock(&fakes);
    let mut stream = provider.stream(call("fake+stall-after-3"));
    while !matches!(stream.next().await, Some(Ok(Chunk::Text(_)))) {}
    drop(stream);
    let gone = |entries: &[Entry]| entries.iter().all(|entry| entry.end.is_some());
    let (entries, seen) = fakes.ledger().until(Duration::from_secs(5), gone).await;
    assert!(
        seen && entries[0].end == Some(End::ClientClosed),
        "{entries:?}"
    );
    assert_eq!(entries[0].bytes_after_close, 0);
}

/// By default the SDK lets a stream stand still for 5 s. How long is the council's to say: it is the vendor who breaks off.
#[tokio::test]
async fn a_stream_that_stands_still_is_not_given_up_by_the_sdk() {
    let fakes = fakes().await;
    let error = ask_model(&fakes, "fake+stall-after-5-8s").await.end;
    assert_eq!(error.unwrap_err().kind, Truncated);
    let gone = |entries: &[Entry]| entries.iter().all(|entry| entry.end.is_some());
    let (entries, seen) = fakes.ledger().until(Duration::from_secs(5), gone).await;
    assert!(
        seen && entries[0].end != Some(End::ClientClosed),
        "{entries:?}"
    );
}

/// A refused parameter is left out, once; what was learned holds for the model's next call.
#[tokio::test]
async fn what_a_model_refuses_is_left_out_and_remembered() {
    let fakes = fakes().await;
    let provider = bedrock(&fakes);
    for (words, requests, end) in [
        ("strict-params", 2, StopReason::ToolUse),
        ("no-tools", 2, StopReason::Complete),
        ("strict-params+no-tools", 3, StopReason::Complete),
    ] {
        let model = format!("fake+{words}");
        for requests in [requests, 1] {
            let before = fakes.ledger().requests();
            assert_eq!(
                ask(&provider, call(&model)).await.end.unwrap(),
                end,
                "{words}"
            );
            assert_eq!(fakes.ledger().requests() - before, requests, "{words}");
        }
    }
    // A value that is out of range is the user's to mend, not ours to drop.
    let mut hot = call("fake");
    hot.sampling.temperature = Some(1.7);
    let error = ask(&provider, hot).await.end.unwrap_err();
    assert_eq!(error.kind, Kind::BadRequest);
    assert!(error.message.contains("less than or equal to 1"), "{error}");
}

/// A repair is made to use a tool; a model that cannot is given the schema, or asked plainly.
#[tokio::test]
async fn a_repair_gets_its_json_from_every_model() {
    let fakes = fakes().await;
    let provider = bedrock(&fakes);
    for (words, in_tool) in [
        ("ok", true),
        ("no-forced-tool", false),
        ("no-tools+no-text-format", false),
    ] {
        let mut repair = call(&format!("fake-repair+{words}"));
        repair.tool = None;
        repair.schema = Some(schema());
        let outcome = ask(&provider, repair).await;
        outcome.end.unwrap();
        let json = if in_tool {
            &outcome.args
        } else {
            &outcome.text
        };
        assert!(
            json.contains(TAG) && json.contains("APPROVED"),
            "{words}: {json}"
        );
        assert_eq!(outcome.text.is_empty(), in_tool, "{words}");
        let body = last(&fakes).body;
        let forced = body.pointer("/toolConfig/toolChoice/tool/name");
        assert_eq!(forced.is_some(), in_tool, "{words}");
        let has_format = body.pointer("/outputConfig/textFormat").is_some();
        assert_eq!(has_format, words == "no-forced-tool", "{words}");
    }
}

/// Nothing holds a token back: each is here before the fake is told to send the next.
#[tokio::test]
async fn tokens_go_in_lock_step() {
    let fakes = fakes().await;
    let provider = bedrock(&fakes);
    for words in ["tool", "tail", "prose", "tool+slices"] {
        let model = format!("fake+lockstep+len-12+{words}");
        let mut english = call(&model);
        english.messages[0].text = "Should we?".to_owned();
        let mut stream = provider.stream(english);
        let who = Who {
            model: Some(model.clone()),
            role: None,
        };
        let (mut text, mut next) = (String::new(), 0_u64);
        while let Some(chunk) = stream.next().await {
            match chunk.unwrap() {
                Chunk::Text(delta) => text.push_str(&delta),
                Chunk::End(_) => break,
                _ => continue,
            }
            if text.contains(&format!("k{next} ")) {
                assert!(
                    !text.contains(&format!("k{} ", next + 1)),
                    "{words}: {text}"
                );
                let sent = fakes.ledger().of(&model)[0].tokens_sent as u64;
                assert!(
                    sent <= next + 1 || next + 1 == 12,
                    "{words}: {sent} left at {next}"
                );
                let matched = fakes.lockstep().report(&who, next).unwrap();
                assert!(matched == 1 || next + 1 == 12, "{words}: {next}");
                next += 1;
            }
        }
        assert_eq!(next, 12, "{words}");
    }
}

/// What `magi doctor` asks costs nothing, and tells a wrong id and a wrong key apart.
#[tokio::test]
async fn a_check_tells_whether_a_model_can_be_used() {
    let fakes = fakes().await;
    let provider = bedrock(&fakes);
    assert_eq!(provider.check("fake").await.unwrap(), Reach::Known);
    // An inference profile is counted by its model.
    assert_eq!(provider.check("global.fake").await.unwrap(), Reach::Known);
    let unsure = provider.check("fake+no-count").await.unwrap();
    assert!(matches!(unsure, Reach::Unsure(why) if why.contains("counting tokens")));
    for (model, kind) in [
        ("no-such-model", Kind::NotFound),
        ("fake+403-unknown-key", Kind::Unauthorised),
        ("fake+403-expired", Kind::Unauthorised),
        ("fake+429", Kind::Throttled),
    ] {
        let error = provider.check(model).await.unwrap_err();
        assert_eq!(error.kind, kind, "{model}: {error}");
    }
    let listed = provider.models().await.unwrap_err();
    assert!(listed.message.contains("list-inference-profiles"));
    assert_eq!(fakes.ledger().requests(), 0, "a count is no model call");
}

/// A plain server behind `https://` is not trusted, and a port where nobody listens is no connection.
#[tokio::test]
async fn a_connection_that_cannot_be_is_told_apart() {
    let fakes = fakes().await;
    let at = |url: String| {
        magi_aws::Bedrock::new(magi_aws::BedrockConfig {
            region: Some("us-east-1".to_owned()),
            endpoint_url: Some(url),
            api_key: Some(magi_model::Key::new("k").unwrap()),
        })
        .unwrap()
    };
    let plain = at(format!("https://{}", fakes.addr()));
    let error = ask(&plain, call("fake")).await.end.unwrap_err();
    assert_eq!(error.kind, Kind::Untrusted, "{error:?}");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = at(format!("http://{}", free.local_addr().unwrap()));
    drop(free);
    let error = ask(&nobody, call("fake")).await.end.unwrap_err();
    assert_eq!(error.kind, Kind::Network, "{error:?}");
}
