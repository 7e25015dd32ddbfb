//! The splitter: deltas in, prose out at once, the raw vote never.

#![cfg(test)]

use magi_council::vote::{Answer, Reading, Splitter, Tail, ToolArguments, read};
use proptest::prelude::*;

use crate::votes;

/// Feeds the deltas; returns what was shown in all, and the tail.
fn split<'a>(tag: &str, deltas: impl IntoIterator<Item = &'a str>) -> (String, Option<String>) {
    let mut splitter = Splitter::new(tag);
    let mut shown: String = deltas
        .into_iter()
        .map(|delta| splitter.push(delta))
        .collect();
    let Tail { visible, block } = splitter.finish();
    shown += &visible;
    (shown, block)
}

fn by_chars(text: &str) -> Vec<&str> {
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
    let mut start = 0;
    ends.map(|end| &text[std::mem::replace(&mut start, end)..end])
        .collect()
}

/// Returns what each character of a text made visible.
fn steps(tag: &str, text: &str) -> Vec<String> {
    let mut splitter = Splitter::new(tag);
    by_chars(text)
        .into_iter()
        .map(|c| splitter.push(c))
        .collect()
}

#[test]
fn prose_is_shown_with_the_character_that_arrives() {
    let prose = "I looked at 3 < 4 of the plans - none of them (not one!) holds.\n\n\
        1. Cost: 10%; \"risk\" is low.\n* A point\n> a quotation\n日本語の文章も、すぐに出る。「引用」も。\n\
        Some `code`, some **bold**, a | table | row |\n| a | b |\n~ about\u{2028}ok\n";
    for (c, shown) in by_chars(prose).into_iter().zip(steps("k7q2", prose)) {
        if !["~", "<", " "].contains(&c) {
            assert!(shown.ends_with(c), "{c:?} was held back, shown {shown:?}");
        }
    }
    assert_eq!(steps("k7q2", prose).concat(), prose);
}

#[test]
fn what_can_no_longer_begin_a_vote_is_let_go_at_once() {
    let cases = [
        ("a ``", "x", "x"),
        ("a\n``", "x", "``x"),
        ("a\n```", "r", "```r"),
        ("a\n```json\n", "p", "```json\np"),
        ("the set {", "|", "{|"),
        ("the set {x", " ", ""),
        ("the set {x ", "|", "{x |"),
        ("{{", "a", ""),
        ("a\n<", "q", "<q"),
        ("a\n<vo", "w", "<vow"),
        ("a\n<vote", "r", "<voter"),
        ("{\"id\": 1", "}", "{\"id\": 1}"),
        (
            "{\"tag\":\"zz99\",\"decision\":\"APPROVED\"",
            "}",
            "{\"tag\":\"zz99\",\"decision\":\"APPROVED\"}",
        ),
        (
            "{\"decision\":\"APPROVED\"}\n\n",
            "T",
            "{\"decision\":\"APPROVED\"}\n\nT",
        ),
        (
            "```json\n{\"decision\":\"APPROVED\"}\n```\n\n",
            "T",
            "```json\n{\"decision\":\"APPROVED\"}\n```\n\nT",
        ),
    ];
    for (held, next, expected) in cases {
        let mut splitter = Splitter::new("k7q2");
        let before = splitter.push("Prose.\n") + &splitter.push(held);
        let shown = splitter.push(next);
        let all = format!("Prose.\n{held}{next}");
        assert_eq!(
            shown, expected,
            "after {held:?}: {next:?} (before it {before:?})"
        );
        assert!(all.starts_with(&before));
    }
}

#[test]
fn the_tail_of_an_answer_is_never_shown() {
    let cases = [
        (
            "The plan holds.\n\n```json\n{\"tag\":\"k7q2\",\"decision\":\"APPROVED\"}\n```\n",
            "The plan holds.\n\n",
        ),
        (
            "The plan holds.\n{\"decision\":\"APPROVED\"}",
            "The plan holds.\n",
        ),
        ("My vote: {\"decision\":\"APPROVED\"}\n", "My vote: "),
        (
            "Ok.\n<vote>\n<decision>APPROVED</decision>\n</vote>\n",
            "Ok.\n",
        ),
        ("Ok.\n<vote>{\"decision\":\"APPROVED\"}</vote>", "Ok.\n"),
        (
            "Ok.\n<tool_call>\n{\"name\":\"cast_vote\",\"arguments\":{\"decision\":\"APPROVED\"}}\n</tool_call>",
            "Ok.\n",
        ),
        ("Ok.\n```json\n{\"reasoning\":\"I was c", "Ok.\n"),
        (
            "Ok.\n~~~\n{\"reasoning\":\"x\",\"decision\":\"APPROVED\"}\n~~~",
            "Ok.\n",
        ),
        (
            "Ok.\n```python\nprint({1, 2})\n```\nthen\n```json\n{\"decision\":\"APPROVED\"}\n```",
            "Ok.\n```python\nprint({1, 2})\n```\nthen\n",
        ),
        (
            "{\"tag\":\"k7q2\",\"decision\":\"APPROVED\"}\n\nThat is all.",
            "That is all.",
        ),
        (
            "A.\n\n{\"tag\":\"k7q2\",\"decision\":\"APPROVED\"}\n\nThat is all.",
            "A.\n\nThat is all.",
        ),
        (
            "They say {\"decision\":\"REJECTED\"} here.\n{\"decision\":\"APPROVED\"}",
            "They say {\"decision\":\"REJECTED\"} here.\n",
        ),
        (
            "A macro {foo and {\"decision\":\"APPROVED\"}",
            "A macro {foo and ",
        ),
    ];
    for (text, visible) in cases {
        let (shown, block) = split("k7q2", [text]);
        assert_eq!(shown, visible, "{text}");
        assert!(block.is_some(), "{text}");
    }
}

#[test]
fn an_answer_that_is_only_a_block_shows_its_reasoning_as_it_grows() {
    for (before, after) in [
        (
            "{\"tag\":\"k7q2\",\"reasoning\":\"",
            "\",\"decision\":\"APPROVED\"}",
        ),
        (
            "```json\n{\n  \"decision\": \"可決\",\n  \"reasoning\": \"",
            "\"\n}\n```\n",
        ),
        ("{\"vote\":{\"理由\":\"", "\",\"判断\":\"可決\"}}"),
    ] {
        let mut splitter = Splitter::new("k7q2");
        assert_eq!(splitter.push(before), "");
        for c in by_chars("費用は小さく、戻せる。 {so} it is [good].\n") {
            assert_eq!(splitter.push(c), c, "in lock-step");
        }
        assert_eq!(splitter.push("\\"), "");
        assert_eq!(splitter.push("n"), "\n");
        assert_eq!(splitter.push("\\ud83d\\ude80"), "🚀");
        assert_eq!(splitter.push(after), "");
        let tail = splitter.finish();
        assert_eq!(tail.visible, "");
        assert!(
            tail.block
                .is_some_and(|block| block.contains("🚀") || block.contains("ude80"))
        );
    }
}

#[test]
fn the_reasoning_is_not_shown_again_after_prose() {
    let (shown, block) = split(
        "t1",
        ["Prose. ", "{\"reasoning\":\"R\",\"decision\":\"APPROVED\"}"],
    );
    assert_eq!((shown.as_str(), block.is_some()), ("Prose. ", true));
}

#[test]
fn a_tool_call_shows_its_reasoning_only_without_prose() {
    let arguments = "{\"reasoning\":\"Small \\\"and\\\" safe.\",\"conditions\":[\"reasoning\"],\"decision\":\"APPROVED\"}";
    let mut call = ToolArguments::new(false);
    let shown: Vec<String> = by_chars(arguments)
        .into_iter()
        .map(|c| call.push(c))
        .collect();
    assert_eq!(
        shown[14], "S",
        "the first letter is shown with its character"
    );
    assert_eq!(shown.concat() + &call.finish(), "Small \"and\" safe.");

    let mut call = ToolArguments::new(true);
    assert_eq!(call.push(arguments) + &call.finish(), "");
}

#[test]
fn a_tool_call_cut_off_shows_what_came() {
    let mut call = ToolArguments::new(false);
    assert_eq!(call.push("{\"reasoning\":\"half a th"), "half a th");
    assert_eq!(call.finish(), "");
}

/// For every answer of the corpora whose vote is a block of its text: the block is held back, is
/// shown nowhere, and reads like the whole answer.
#[test]
fn what_is_held_back_is_what_is_read() {
    let mut blocks = 0;
    for case in votes::all() {
        let (shown, block) = split(&case.tag, by_chars(&case.text));
        let Some(block) = block else { continue };
        if case.arguments.is_some() {
            continue;
        }
        assert!(!shown.contains(&block), "{}: {shown}", case.name);
        let whole = case.read();
        if let Reading::Vote(vote) = &whole {
            blocks += 1;
            let alone = read(&Answer {
                text: &block,
                tool_arguments: None,
                tag: &case.tag,
            });
            assert_eq!(alone, Reading::Vote(vote.clone()), "{}: {block}", case.name);
        }
    }
    assert!(blocks > 100, "{blocks}");
}

/// Where there is a vote and it is JSON, the splitter holds it back.
#[test]
fn every_json_vote_of_the_corpora_is_held_back() {
    for case in votes::all() {
        let json = case.text.contains(['{', '｛']) && !case.text.contains("<think>");
        if case.expect.decision == "UNPARSABLE" || case.arguments.is_some() || !json {
            continue;
        }
        let (shown, block) = split(&case.tag, [case.text.as_str()]);
        assert!(block.is_some(), "{}: {shown}", case.name);
    }
}

/// Texts made of the pieces that matter to the splitter.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("```"),
        Just("```json\n"),
        Just("`"),
        Just("{"),
        Just("}"),
        Just("\""),
        Just("\n"),
        Just("{\"decision\":\"APPROVED\"}"),
        Just("\"tag\":\"k7q2\","),
        Just("\"reasoning\":\"text\","),
        Just("{\"tag\":\"k7q2\",\"decision\":\"否決\"}"),
        Just("<vote>"),
        Just("</vote>"),
        Just("<"),
        Just("<decision>APPROVED</decision>"),
        Just("prose "),
        Just("可決 "),
        Just(","),
        Just(":"),
        Just("\\"),
        Just("["),
        Just("]"),
        Just("~~~\n"),
        Just("//"),
        Just("'"),
        Just("\\ud83d"),
        Just("> "),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(800))]

    #[test]
    fn the_borders_of_deltas_do_not_matter(text in pieces(), cuts in proptest::collection::vec(0usize..400, 0..12)) {
        let mut ends: Vec<usize> = cuts.into_iter().filter(|cut| text.is_char_boundary(*cut) && *cut <= text.len()).collect();
        ends.push(text.len());
        ends.sort_unstable();
        let mut start = 0;
        let deltas: Vec<&str> = ends.into_iter().map(|end| &text[std::mem::replace(&mut start, end)..end]).collect();
        let whole = split("k7q2", [text.as_str()]);
        prop_assert_eq!(&split("k7q2", deltas), &whole);
        prop_assert_eq!(&split("k7q2", by_chars(&text)), &whole);
    }

    /// What the reader reads, the splitter has held back: they share one grammar.
    #[test]
    fn what_is_read_was_held_back(text in pieces()) {
        let answer = Answer { text: &text, tool_arguments: None, tag: "k7q2" };
        if let (Reading::Vote(vote), true) = (read(&answer), text.contains("decision")) {
            let (shown, block) = split("k7q2", by_chars(&text));
            let block = block.unwrap_or_default();
            prop_assert!(!block.is_empty(), "{:?} shown {:?}", text, shown);
            let alone = read(&Answer { text: &block, ..answer });
            prop_assert!(matches!(alone, Reading::Vote(ref own) if own.decision == vote.decision), "{:?} block {:?}", text, block);
        }
    }

    #[test]
    fn a_tagged_vote_is_held_back_wherever_it_stands(before in "[a-z .,\n]{0,40}", after in "[a-z .,\n]{0,40}", fence in any::<bool>()) {
        let vote = "{\"tag\":\"k7q2\",\"reasoning\":\"r\",\"decision\":\"APPROVED\"}";
        let text = if fence { format!("{before}\n```json\n{vote}\n```\n{after}") } else { format!("{before}{vote}{after}") };
        let (shown, block) = split("k7q2", by_chars(&text));
        prop_assert_eq!(block.as_deref(), Some(vote));
        prop_assert!(!shown.contains("decision"));
    }

    #[test]
    fn text_without_a_vote_is_shown_whole(text in "[a-z{}\\[\\]\"':,.`~<>/\\\\ \n可決]{0,80}") {
        let (shown, block) = split("k7q2", by_chars(&text));
        prop_assert_eq!(shown, text);
        prop_assert_eq!(block, None);
    }
}
