//! Every decoder against bytes that follow the vendors' pages, and bytes that other people's
//! servers sent, cut at every place.

use std::collections::VecDeque;
use std::path::Path;

use magi_event::Usage;
use magi_model::decode::{Anthropic, Decode, OpenAi};
use magi_model::{Chunk, Error, Kind, StopReason};
use serde_json::{Value, json};

const TOOL: Option<&str> = Some("cast_vote");

/// What a stream said, added up.
#[derive(Debug, Default, PartialEq)]
struct Heard {
    reasoning: String,
    text: String,
    tool: String,
    usage: Option<Usage>,
    end: Option<StopReason>,
    failed: Option<Kind>,
}

fn hear(chunks: &[Chunk], failed: Option<Kind>) -> Heard {
    let mut heard = Heard {
        failed,
        ..Heard::default()
    };
    for chunk in chunks {
        assert_eq!(heard.end, None, "a chunk after the end");
        match chunk {
            Chunk::Accepted => panic!("a decoder does not know of responses"),
            Chunk::Reasoning(text) => heard.reasoning.push_str(text),
            Chunk::Text(text) => heard.text.push_str(text),
            Chunk::ToolArguments(text) => heard.tool.push_str(text),
            Chunk::Usage(usage) => heard.usage = Some(*usage),
            Chunk::End(reason) => heard.end = Some(*reason),
        }
    }
    heard
}

fn decoder(name: &str) -> Box<dyn AnyDecoder> {
    if name.contains("anthropic") {
        Box::new(Anthropic::new(TOOL))
    } else {
        Box::new(OpenAi::new(TOOL))
    }
}

/// `Decode` without its associated bounds, so that a test can hold either decoder.
trait AnyDecoder {
    fn run(&mut self, pieces: &[&[u8]]) -> (Vec<Chunk>, Option<Kind>);
    fn run_whole(&mut self, body: &[u8]) -> (Vec<Chunk>, Option<Kind>);
}

impl<D: Decode> AnyDecoder for D {
    fn run(&mut self, pieces: &[&[u8]]) -> (Vec<Chunk>, Option<Kind>) {
        let mut chunks = VecDeque::new();
        let pushed = pieces
            .iter()
            .try_for_each(|piece| self.push(piece, &mut chunks));
        let ended = pushed.and_then(|()| self.finish(&mut chunks));
        (chunks.into(), ended.err().map(|error| error.kind))
    }

    fn run_whole(&mut self, body: &[u8]) -> (Vec<Chunk>, Option<Kind>) {
        let mut chunks = VecDeque::new();
        let ended: Result<(), Error> = self.whole(body, &mut chunks);
        (chunks.into(), ended.err().map(|error| error.kind))
    }
}

fn read(folder: &str, name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(folder)
        .join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn names(folder: &str, ending: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(folder);
    let mut names: Vec<String> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(ending))
        .collect();
    names.sort_unstable();
    names
}

fn usage(input: u64, output: u64) -> Option<Usage> {
    Some(Usage {
        input_tokens: input,
        output_tokens: output,
        ..Usage::default()
    })
}

fn with_cache(usage: Option<Usage>, read: u64, write: Option<u64>) -> Option<Usage> {
    usage.map(|usage| Usage {
        cache_read_tokens: Some(read),
        cache_write_tokens: write,
        ..usage
    })
}

/// The expected answer of every written stream, by hand.
fn expected(name: &str) -> Heard {
    let heard = |reasoning: &str, text: &str, tool: &str, usage, end| Heard {
        reasoning: reasoning.to_owned(),
        text: text.to_owned(),
        tool: tool.to_owned(),
        usage,
        end,
        failed: None,
    };
    let failed = |text: &str, usage, kind| Heard {
        text: text.to_owned(),
        usage,
        failed: Some(kind),
        ..Heard::default()
    };
    let claude = |output| with_cache(usage(25, output), 0, Some(0));
    use StopReason::{Complete, Filtered, MaxTokens, Refused, ToolUse};
    match name {
        "openai-text.sse" => Heard {
            usage: Some(Usage {
                input_tokens: 120,
                output_tokens: 30,
                reasoning_tokens: Some(12),
                cache_read_tokens: Some(64),
                ..Usage::default()
            }),
            ..heard("", "賛成。Risk is 😀 bounded\n", "", None, Some(Complete))
        },
        "openai-tool.sse" => heard(
            "",
            "",
            r#"{"reasoning":"可逆","decision":"APPROVED"}"#,
            None,
            Some(ToolUse),
        ),
        "openai-refusal.sse" => heard("", "I cannot help with that.", "", None, Some(Refused)),
        "openai-content-filter.sse" => heard("", "Half an ", "", None, Some(Filtered)),
        "openai-function-call.sse" => {
            heard("", "", r#"{"decision":"ABSTAINED"}"#, None, Some(ToolUse))
        }
        "deepseek-reasoning.sse" => heard(
            "何が壊れる？",
            "承認。",
            "",
            with_cache(usage(9, 5), 4, None),
            Some(MaxTokens),
        ),
        "vllm-reasoning-tool.sse" => {
            heard("Weigh it.", "", r#"{"a": 1}"#, usage(7, 9), Some(ToolUse))
        }
        "ollama-tool.sse" => heard(
            "Okay",
            "Yes.",
            r#"{"decision":"APPROVED"}"#,
            usage(11, 22),
            Some(ToolUse),
        ),
        "openrouter-error.sse" => failed("Part", None, Kind::Throttled),
        "think-tags.sse" => heard(
            "\n費用と期限。",
            "可逆である。",
            "",
            usage(5, 6),
            Some(Complete),
        ),
        "mistral-parts.sse" => heard("二択だ", "否決する。", "", usage(3, 4), Some(Complete)),
        "anthropic-text.sse" => heard("", "賛成！ 😀", "", claude(15), Some(Complete)),
        "anthropic-tool.sse" => heard(
            "",
            "Okay",
            r#"{"reasoning": "可逆", "decision": "APPROVED"}"#,
            with_cache(usage(600, 89), 28, Some(100)),
            Some(ToolUse),
        ),
        "anthropic-thinking.sse" => {
            heard("何が壊れる？", "否決。", "", claude(40), Some(MaxTokens))
        }
        "anthropic-error.sse" => failed("Hel", claude(1), Kind::Overloaded),
        "anthropic-refusal.sse" => heard("", "I will not", "", claude(4), Some(Refused)),
        "anthropic-pause.sse" => heard("", "Let me", "", claude(4), Some(MaxTokens)),
        "anthropic-unknown.sse" => heard("", "Done", "", claude(4), Some(Complete)),
        _ => panic!("{name} has no expected answer"),
    }
}

/// The expected answer of every captured stream, read off the words that were given to the server.
fn expected_captured(name: &str) -> Heard {
    use StopReason::{Complete, MaxTokens, ToolUse};
    let plan = "Yes. The plan is reversible, and its risks are bounded.\n\n案は可逆で、危険は限られている。";
    let tiny = "Yes: the plan is reversible .案は可逆で、危険は限られている。\n";
    let vote = r#"{"reasoning": "bounded risk and 可逆性", "decision": "APPROVED"}"#;
    let thought = "What could break?費用と期限.\n";
    let heard = |reasoning: &str, text: &str, tool: &str, end| Heard {
        reasoning: reasoning.to_owned(),
        text: text.to_owned(),
        tool: tool.to_owned(),
        end: Some(end),
        ..Heard::default()
    };
    match name {
        "litellm-openai-text-stream.txt" | "litellm-openai-text-usage-stream.txt" => {
            heard("", plan, "", Complete)
        }
        "litellm-openai-text-usage-short-stream.txt" => heard("", "I have voted.", "", Complete),
        "llamacpp-openai-tool-stream.txt" | "llamacpp-anthropic-tool-stream.txt" => heard(
            "",
            &tiny.replace("reversible .", "reversible."),
            &vote.replace(" and ", "と"),
            ToolUse,
        ),
        "llamacpp-openai-reasoning-tool-stream.txt"
        | "llamacpp-anthropic-reasoning-tool-stream.txt" => heard(thought, tiny, vote, ToolUse),
        "llamacpp-openai-length-stream.txt" | "llamacpp-anthropic-length-stream.txt" => {
            heard(thought, "Yes: the plan is reversible", "", MaxTokens)
        }
        "llamacpp-openai-length-reasoning-only-stream.txt" => {
            heard("What could break?費用", "", "", MaxTokens)
        }
        _ => panic!("{name} has no expected answer"),
    }
}

#[test]
fn written_streams_say_what_their_pages_say() {
    let all = names("written", ".sse");
    assert!(all.len() >= 16, "{all:?}");
    for name in all {
        let bytes = read("written", &name);
        assert!(
            bytes.starts_with(b": Source: https://"),
            "{name} names no page"
        );
        let (chunks, failed) = decoder(&name).run(&[&bytes]);
        assert_eq!(hear(&chunks, failed), expected(&name), "{name}");
    }
}

#[test]
fn captured_streams_say_what_their_servers_were_told_to_say() {
    let streams = names("captured", "-stream.txt");
    assert!(streams.len() >= 9, "{streams:?}");
    for name in streams {
        let bytes = read("captured", &name);
        let (chunks, failed) = decoder(&name).run(&[&bytes]);
        let heard = hear(&chunks, failed);
        let has_usage = bytes.windows(9).any(|window| window == b"\"usage\":{");
        assert_eq!(heard.usage.is_some(), has_usage, "{name}");
        assert_eq!(
            Heard {
                usage: None,
                ..heard
            },
            expected_captured(&name),
            "{name}"
        );
    }
}

#[test]
fn captured_usage_is_the_servers_own_count() {
    for (name, input, output, cached) in [
        ("litellm-openai-text-usage-short-stream.txt", 10, 4, None),
        (
            "llamacpp-openai-reasoning-tool-stream.txt",
            848,
            42,
            Some(0),
        ),
        ("llamacpp-anthropic-length-stream.txt", 63, 16, Some(62)),
        (
            "llamacpp-anthropic-reasoning-tool-stream.txt",
            848,
            42,
            Some(847),
        ),
    ] {
        let (chunks, failed) = decoder(name).run(&[&read("captured", name)]);
        let heard = hear(&chunks, failed).usage.unwrap();
        let told = (
            heard.input_tokens,
            heard.output_tokens,
            heard.cache_read_tokens,
        );
        assert_eq!(told, (input, output, cached), "{name}");
    }
}

#[test]
fn a_captured_failure_after_many_tokens_is_a_failure() {
    let bytes = read("captured", "llamacpp-openai-error-midstream.txt");
    let (chunks, failed) = decoder("openai").run(&[&bytes]);
    assert_eq!(failed, Some(Kind::Overloaded));
    assert!(hear(&chunks, failed).text.starts_with("{\"reaso"));
}

#[test]
fn captured_whole_answers_read_like_streams() {
    for (name, text, tool, end) in [
        (
            "litellm-openai-text.txt",
            "Yes. The plan",
            "",
            StopReason::Complete,
        ),
        (
            "litellm-anthropic-text.txt",
            "Yes. The plan",
            "",
            StopReason::Complete,
        ),
        (
            "litellm-openai-tool.txt",
            "I have voted.",
            "k3v9x2q8",
            StopReason::ToolUse,
        ),
        (
            "llamacpp-openai-reasoning-tool.txt",
            "Yes: the plan",
            "可逆性",
            StopReason::ToolUse,
        ),
        (
            "llamacpp-anthropic-reasoning-tool.txt",
            "Yes: the plan",
            "可逆性",
            StopReason::ToolUse,
        ),
    ] {
        let (chunks, failed) = decoder(name).run_whole(&read("captured", name));
        let heard = hear(&chunks, failed);
        assert_eq!((heard.end, failed), (Some(end), None), "{name}");
        assert!(heard.text.starts_with(text), "{name}: {heard:?}");
        assert!(heard.tool.contains(tool), "{name}: {heard:?}");
        assert!(heard.usage.is_some(), "{name}");
    }
}

#[test]
fn an_error_that_comes_with_a_success_is_an_error() {
    let body = read("captured", "litellm-anthropic-error-429.txt");
    for name in ["openai", "anthropic"] {
        let (chunks, failed) = decoder(name).run_whole(&body);
        assert_eq!((chunks, failed), (vec![], Some(Kind::Throttled)), "{name}");
    }
}

/// Streams shorter than this, in bytes, are cut twice; the number of pairs grows with the square.
const PAIRS_BELOW: usize = 800;

#[test]
fn every_cut_gives_the_same_chunks() {
    let written = names("written", ".sse")
        .into_iter()
        .map(|name| ("written", name));
    let captured = names("captured", "-stream.txt")
        .into_iter()
        .map(|name| ("captured", name));
    for (folder, name) in written.chain(captured) {
        let bytes = read(folder, &name);
        let whole = decoder(&name).run(&[&bytes]);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(decoder(&name).run(&single), whole, "{name} byte by byte");
        // The captured streams are long and repeat themselves: these cuts are of every kind.
        let step = if folder == "written" { 1 } else { 13 };
        for at in (0..=bytes.len()).step_by(step) {
            let pieces = [&bytes[..at], &bytes[at..]];
            assert_eq!(decoder(&name).run(&pieces), whole, "{name} cut at {at}");
        }
    }
}

#[test]
fn every_pair_of_cuts_gives_the_same_chunks() {
    let mut n_pairs = 0;
    for name in names("written", ".sse") {
        let bytes = read("written", &name);
        if bytes.len() > PAIRS_BELOW {
            continue;
        }
        let whole = decoder(&name).run(&[&bytes]);
        for first in (0..=bytes.len()).step_by(7) {
            for second in first..=bytes.len() {
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                assert_eq!(
                    decoder(&name).run(&pieces),
                    whole,
                    "{name} cut at {first}, {second}"
                );
                n_pairs += 1;
            }
        }
    }
    assert!(n_pairs > 10_000, "{n_pairs} pairs");
}

/// Cutting a stream short anywhere before its proper end is never an end.
#[test]
fn a_stream_cut_short_is_truncated_at_every_byte() {
    for (name, end) in [
        ("openai-text.sse", br#""finish_reason":"stop""#.as_slice()),
        (
            "vllm-reasoning-tool.sse",
            br#""finish_reason":"tool_calls""#.as_slice(),
        ),
        ("anthropic-text.sse", b"\"message_stop\"".as_slice()),
        ("anthropic-tool.sse", b"\"message_stop\"".as_slice()),
    ] {
        let bytes = read("written", name);
        let before = bytes
            .windows(end.len())
            .rposition(|window| window == end)
            .unwrap();
        for at in 0..=before {
            let (chunks, failed) = decoder(name).run(&[&bytes[..at]]);
            let heard = hear(&chunks, failed);
            assert_eq!(
                (heard.end, failed),
                (None, Some(Kind::Truncated)),
                "{name} cut at {at}"
            );
        }
    }
}

#[test]
fn a_finish_reason_without_done_is_an_end() {
    let bytes = read("written", "openai-text.sse");
    let done = bytes
        .windows(6)
        .position(|window| window == b"[DONE]")
        .unwrap();
    let (chunks, failed) = decoder("openai").run(&[&bytes[..done]]);
    assert_eq!(
        (hear(&chunks, failed).end, failed),
        (Some(StopReason::Complete), None)
    );
}

#[test]
fn done_without_a_finish_reason_is_not() {
    let stream =
        b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\ndata: [DONE]\n\n";
    let (chunks, failed) = decoder("openai").run(&[stream]);
    assert_eq!(failed, Some(Kind::Truncated));
    assert_eq!(hear(&chunks, failed).text, "a");
}

fn token(text: &str) -> String {
    format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":{text:?}}}}}]}}\n\n")
}

const STOP: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";

#[test]
fn three_unreadable_events_are_passed_over_and_a_fourth_fails() {
    let bad = "data: {\"choices\":[{\"index\":0,\"del\n\n";
    for (n_bad, wanted) in [(0, None), (3, None), (4, Some(Kind::Malformed))] {
        let mut stream = token("a");
        for _ in 0..n_bad {
            stream.push_str(bad);
        }
        let stream = stream + &token("b") + STOP;
        let (chunks, failed) = decoder("openai").run(&[stream.as_bytes()]);
        assert_eq!(failed, wanted, "{n_bad}");
        let text = hear(&chunks, failed).text;
        assert_eq!(text, if wanted.is_none() { "ab" } else { "a" }, "{n_bad}");
    }
    let mut decoder = OpenAi::new(None);
    decoder.push(bad.as_bytes(), &mut VecDeque::new()).unwrap();
    assert_eq!(decoder.skipped(), 1);
}

#[test]
fn empty_frames_other_choices_and_nulls_say_nothing() {
    let stream = [
        "data: \n\ndata:\n\n: ping\n\nevent: ping\n\n",
        "data: {}\n\n",
        "data: {\"choices\":null,\"usage\":null,\"error\":null}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":null,\"tool_calls\":null,\"refusal\":null}}]}\n\n",
        "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"other\"},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"finish_reason\":\"\"}]}\n\n",
        STOP,
    ]
    .concat();
    let (chunks, failed) = decoder("openai").run(&[stream.as_bytes()]);
    assert_eq!(
        (chunks, failed),
        (vec![Chunk::End(StopReason::Complete)], None)
    );
}

#[test]
fn one_event_of_nearly_a_mebibyte_is_whole_and_a_longer_one_is_refused() {
    let long = "あ".repeat(340_000);
    let stream = token(&long) + STOP;
    let (chunks, failed) = decoder("openai").run(&[stream.as_bytes()]);
    assert_eq!((hear(&chunks, failed).text == long, failed), (true, None));
    let endless = vec![b'x'; 1 << 16];
    let mut decoder = OpenAi::new(None);
    let refused = (0..20).find_map(|_| decoder.push(&endless, &mut VecDeque::new()).err());
    assert_eq!(refused.map(|error| error.kind), Some(Kind::Malformed));
}

#[test]
fn usage_that_every_event_repeats_is_told_once_per_change() {
    let (chunks, _) = decoder("vllm").run(&[&read("written", "vllm-reasoning-tool.sse")]);
    let n_told = chunks
        .iter()
        .filter(|chunk| matches!(chunk, Chunk::Usage(_)))
        .count();
    assert_eq!(n_told, 4);
}

/// A vote whose pieces stand among those of another call, whose index comes first or later.
#[test]
fn pieces_of_several_calls_are_told_apart_by_their_index() {
    let piece = |index: u8, name: &str, arguments: &str| {
        let call = json!({"index": index, "function": {"name": name, "arguments": arguments}});
        let choice = json!({"index": 0, "delta": {"tool_calls": [call]}});
        format!("data: {}\n\n", json!({"choices": [choice]}))
    };
    let stop =
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n";
    for (own, other) in [(0, 1), (1, 0)] {
        let stream = [
            &piece(other, "look_up", "{\"of\":"),
            &piece(own, "cast_vote", "{\"decision\":"),
            &piece(other, "", "\"APPROVED\"}"),
            &piece(own, "", "\"REJECTED\"}"),
            stop,
        ];
        let (chunks, failed) = decoder("openai").run(&[stream.concat().as_bytes()]);
        let heard = hear(&chunks, failed);
        assert_eq!(
            (&*heard.tool, failed),
            (r#"{"decision":"REJECTED"}"#, None),
            "{own}"
        );
    }
    let event = |name: &str, mut data: Value| {
        data["type"] = json!(name);
        format!("event: {name}\ndata: {data}\n\n")
    };
    let begin = |index: u8, name: &str| {
        let block = json!({"type": "tool_use", "id": name, "name": name, "input": {}});
        event(
            "content_block_start",
            json!({"index": index, "content_block": block}),
        )
    };
    let piece = |index: u8, json: &str| {
        let delta = json!({"type": "input_json_delta", "partial_json": json});
        event(
            "content_block_delta",
            json!({"index": index, "delta": delta}),
        )
    };
    for (own, other) in [(0, 1), (1, 0)] {
        let stream = [
            begin(other, "look_up"),
            begin(own, "cast_vote"),
            piece(own, "{\"decision\":"),
            piece(other, "\"APPROVED\"}"),
            piece(own, "\"REJECTED\"}"),
            event(
                "message_delta",
                json!({"delta": {"stop_reason": "tool_use"}}),
            ),
            event("message_stop", json!({})),
        ];
        let (chunks, failed) = decoder("anthropic").run(&[stream.concat().as_bytes()]);
        let heard = hear(&chunks, failed);
        assert_eq!(
            (&*heard.tool, failed),
            (r#"{"decision":"REJECTED"}"#, None),
            "{own}"
        );
    }
}

#[test]
fn arguments_that_come_as_an_object_become_its_text() {
    let stream = "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"function\":{\"name\":\"cast_vote\",\
        \"arguments\":{\"decision\":\"APPROVED\"}}}]},\"finish_reason\":\"tool_calls\"}]}\n\n";
    let (chunks, failed) = decoder("openai").run(&[stream.as_bytes()]);
    assert_eq!(hear(&chunks, failed).tool, r#"{"decision":"APPROVED"}"#);
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic_or_go_on_after_an_end(
        seed in proptest::num::u64::ANY,
        n_edits in 0usize..40,
    ) {
        let mut random = fastrand::Rng::with_seed(seed);
        for name in ["vllm-reasoning-tool.sse", "anthropic-tool.sse"] {
            let mut bytes = read("written", name);
            for _ in 0..n_edits {
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
            }
            let (chunks, failed) = decoder(name).run(&[&bytes]);
            let heard = hear(&chunks, failed);
            proptest::prop_assert!(heard.end.is_some() != failed.is_some());
        }
    }
}
