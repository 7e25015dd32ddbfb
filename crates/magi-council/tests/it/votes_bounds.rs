//! Whatever arrives, reading it ends, without a panic and without a vote nobody cast.

#![cfg(test)]

use magi_council::vote::{Answer, Reading, Splitter, ToolArguments, read, read_judgment};
use proptest::prelude::*;

use crate::votes;

fn answer(text: &str) -> Answer<'_> {
    Answer {
        text,
        tool_arguments: None,
        tag: "k7q2",
    }
}

fn split(text: &str) -> String {
    let mut splitter = Splitter::new("k7q2");
    let shown = splitter.push(text);
    shown + &splitter.finish().visible
}

/// Reads and splits a piece repeated to a length, as a model in a loop writes it: this must not take
/// for ever, nor overflow the stack, nor find a vote.
fn repeat(piece: &str, length: usize) {
    let text = piece.repeat(length / piece.len());
    assert!(
        matches!(read(&answer(&text)), Reading::Unparsable { .. }),
        "{piece}"
    );
    assert!(split(&text).len() <= text.len(), "{piece}");
}

#[test]
fn a_million_brackets_are_bounded() {
    for piece in ["{", "[", "}", "{[", "[{\"decision\":"] {
        repeat(piece, 1_000_000);
    }
}

#[test]
fn anything_said_over_and_over_is_bounded() {
    let pieces = [
        "{",
        "[",
        "}",
        "]",
        "\"",
        "'",
        "{\"",
        "{\"a\":",
        "{\"a\":[",
        "{'",
        "“",
        "\\",
        "{\"decision\":",
        "{\"vote\":",
        "```",
        "```json\n",
        "```json\n{",
        "<",
        "<vote>",
        "<vote><a>",
        "<think>",
        "｛",
        "{a:",
        "{\"a\":\"",
        "{\"decision\":\"\\\"",
        ",",
        "\"\"",
        "{\"a\":\"{",
        "/*",
        "{//",
        "decision:\n",
        "| a |\n",
        "\u{3000}",
        " ",
        "\n",
        "{\"a\" ",
        "{\"a\":\"b\" ",
        "\"a\",",
        "{'a':\"",
        "conditions:\n- a\n",
    ];
    for piece in pieces {
        repeat(piece, 40_000);
    }
}

#[test]
fn a_vote_behind_a_million_brackets_is_read() {
    for noise in ["{", "[", "{{\"", "`", "<", "prose "] {
        let text = format!("{}\n\n{{\"decision\":\"REJECTED\"}}", noise.repeat(100_000));
        assert!(matches!(read(&answer(&text)), Reading::Vote(_)), "{noise}");
    }
}

#[test]
fn a_huge_reasoning_is_read_to_its_bound_and_no_further() {
    let reasoning = "長い理由。".repeat(10_000);
    let text = format!("{{\"reasoning\":\"{reasoning}\",\"decision\":\"APPROVED\"}}");
    let Reading::Vote(ballot) = read(&answer(&text)) else {
        panic!("a long reasoning is a reasoning")
    };
    assert_eq!(ballot.reasoning, Some(reasoning));

    let text = format!(
        "{{\"reasoning\":\"{}\",\"decision\":\"APPROVED\"}}",
        "x".repeat(4_000_000)
    );
    assert!(matches!(read(&answer(&text)), Reading::Unparsable { .. }));
}

/// Characters that matter, and some that do not.
fn soup() -> impl Strategy<Value = String> {
    let c = prop_oneof![
        3 => prop::sample::select("{}[]\":,'`~<>/\\|#*\n\r \u{3000}“”「」｛｝：，ud8decision0.9%-_【】".chars().collect::<Vec<_>>()),
        1 => any::<char>(),
    ];
    prop::collection::vec(c, 0..300).prop_map(|chars| chars.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(800))]

    #[test]
    fn arbitrary_bytes_read_as_text_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = read(&answer(&text));
        let _ = read_judgment(&Answer { text: "", tool_arguments: Some(&text), tag: "" });
        let _ = split(&text);
    }

    #[test]
    fn a_soup_of_marks_never_panics_and_never_votes(text in soup()) {
        prop_assert!(matches!(read(&answer(&text)), Reading::Unparsable { .. }), "{}", text);
        let _ = split(&text);
        let mut call = ToolArguments::new(false);
        let _ = call.push(&text);
        let _ = call.finish();
    }

    /// Any cut of any answer of the corpora reads without a panic.
    #[test]
    fn every_prefix_and_suffix_is_read_without_a_panic(pick in any::<prop::sample::Index>(), from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>()) {
        let cases = votes::all();
        let text = &cases[pick.index(cases.len())].text;
        let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let (a, b) = (ends[from.index(ends.len())], ends[to.index(ends.len())]);
        let part = &text[a.min(b)..a.max(b)];
        let _ = read(&answer(part));
        let _ = read_judgment(&answer(part));
        let _ = split(part);
    }
}
