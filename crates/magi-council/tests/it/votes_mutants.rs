//! 10,000 seeded variants of the corpora: what a person read in the seed must be read in each.
//!
//! Two kinds. A *retold* variant writes the seed's vote anew (words, quotes, keys, order, commas,
//! fences, prose, somebody else's block, a cut somewhere). A *worn* variant keeps the seed's text
//! and changes what carries no meaning (line ends, spaces, width, prose around).

#![cfg(test)]

use fastrand::Rng;
use magi_council::vote::{Answer, Reading, read};

use crate::votes::{self, Case, Expect};

const SEED: u64 = 0x6d61_6769;
const VARIANTS: usize = 10_000;
const TAG: &str = "w7n3";

/// An answer, and what must be read in it.
struct Variant {
    text: String,
    arguments: Option<String>,
    tag: String,
    expect: Expect,
    /// The decision is complete in the answer.
    complete: bool,
    /// The answer is whole: everything must be read, not the decision alone.
    whole: bool,
}

#[derive(Debug, Default)]
struct Count {
    complete: usize,
    read: usize,
    inverted: usize,
    invented: usize,
}

#[test]
fn ten_thousand_variants_are_read_and_none_is_inverted() {
    let seeds = votes::all();
    let mut rng = Rng::with_seed(SEED);
    let mut count = Count::default();
    let mut failures = Vec::new();
    for _ in 0..VARIANTS {
        let seed = &seeds[rng.usize(..seeds.len())];
        let variant = if rng.u8(..10) < 3 {
            wear(seed, &mut rng)
        } else {
            retell(seed, &mut rng)
        };
        if let Some(failure) = judge(&variant, &mut count) {
            failures.push(failure);
        }
    }
    println!(
        "{VARIANTS} variants of {} seeds, seed {SEED:#x}: {count:?}",
        seeds.len()
    );
    let shown = failures
        .iter()
        .take(12)
        .cloned()
        .collect::<Vec<_>>()
        .join("\n");
    assert_eq!((count.inverted, count.invented), (0, 0), "{shown}");
    assert!(count.complete > VARIANTS * 8 / 10, "{count:?}");
    assert!(
        count.read * 1000 >= count.complete * 995,
        "{count:?}\n{shown}"
    );
}

/// Counts what became of a variant, and describes it if it was not read as it should be.
fn judge(variant: &Variant, count: &mut Count) -> Option<String> {
    let tool_arguments = variant.arguments.as_deref();
    let reading = read(&Answer {
        text: &variant.text,
        tool_arguments,
        tag: &variant.tag,
    });
    let voted = matches!(reading, Reading::Vote(_));
    let got = Expect::of(reading);
    let same = got.decision == variant.expect.decision;
    let right = same && (!variant.whole || got == variant.expect);
    let foreign_number = got.confidence.is_some() && got.confidence != variant.expect.confidence;
    let from_nothing = voted && !variant.complete;
    count.inverted += usize::from(voted && variant.complete && !same);
    count.invented += usize::from(foreign_number || from_nothing);
    count.complete += usize::from(variant.complete);
    count.read += usize::from(variant.complete && right);
    let wrong = (variant.complete && !right) || foreign_number || from_nothing;
    wrong.then(|| {
        let Variant { text, expect, .. } = variant;
        format!("---\n{text}\n{tool_arguments:?}\nwant {expect:?}\nread {got:?}")
    })
}

// --- worn

fn wear(seed: &Case, rng: &mut Rng) -> Variant {
    let Case {
        mut text,
        arguments,
        tag,
        expect,
        ..
    } = seed.clone();
    let tagged = text.contains(&format!("\"{tag}\""));
    let alone = text.len() < 16;
    let thinks = text.contains("think>");
    // What is cut off goes on with nothing, and what is quoted inside a sentence is not ours to change.
    let cut = seed.name.contains("cut");
    let quotes = expect
        .reasoning
        .as_deref()
        .is_some_and(|text| text.contains('"'));
    for _ in 0..rng.usize(1..4) {
        text = match rng.u8(..8) {
            0 => text.replace("\r\n", "\n").replace('\n', "\r\n"),
            1 => format!("\u{feff}{text}"),
            2 if !cut => {
                text + rng
                    .choice(["\n\n", "  ", "\u{3000}\n", "\r\n"])
                    .unwrap_or("")
            }
            3 if !alone && !thinks => format!("{}\n\n{text}", prose(rng)),
            4 if tagged && !cut => format!("{text}\n\n{}", prose(rng)),
            5 if !quotes => in_other_words(&text, rng),
            6 if !quotes => text.replace("\": ", "\" :\n ").replace("\":\"", "\" : \""),
            _ => text.replace("```json\n", "```JSON  \n"),
        };
    }
    // A line end inside a sentence is the sentence's own business: it is compared without.
    let complete = expect.decision != "UNPARSABLE";
    let whole = !text.contains('\r');
    Variant {
        text,
        arguments,
        tag,
        expect,
        complete,
        whole,
    }
}

/// Writes the three English words in another case or width, wherever they stand.
fn in_other_words(text: &str, rng: &mut Rng) -> String {
    let style = rng.u8(..3);
    ["APPROVED", "REJECTED", "ABSTAINED"]
        .iter()
        .fold(text.to_owned(), |text, word| {
            let new = match style {
                0 => word.to_lowercase(),
                1 => full_width(word),
                _ => word[..1].to_owned() + &word[1..].to_lowercase(),
            };
            text.replace(&format!("\"{word}\""), &format!("\"{new}\""))
        })
}

fn full_width(text: &str) -> String {
    let wide = |c: char| match c {
        '!'..='~' => char::from_u32(c as u32 + 0xfee0).unwrap_or(c),
        other => other,
    };
    text.chars().map(wide).collect()
}

// --- retold

/// How a vote is written down.
struct Style {
    quotes: (&'static str, &'static str),
    bare_keys: bool,
    colon: &'static str,
    comma: &'static str,
    last: &'static str,
    open: &'static str,
    close: &'static str,
}

fn retell(seed: &Case, rng: &mut Rng) -> Variant {
    let mut expect = seed.expect.clone();
    let unreadable = expect.decision == "UNPARSABLE";
    let word = if unreadable {
        no_word(rng)
    } else {
        word(&expect.decision, rng)
    };
    if unreadable {
        expect.reasoning = Some("Undecided.".to_owned());
    }
    expect.conditions.retain(|text| !text.contains(['{', '\n']));
    expect.would_change.retain(|text| !text.contains('\n'));
    let tagged = rng.bool();
    let (block, decision_ends) = match rng.u8(..10) {
        0 => (lines(&mut expect, &word, tagged, rng), None),
        1 => (elements(&expect, &word, tagged), None),
        _ => json(&mut expect, &word, tagged, rng),
    };
    let mut variant = Variant {
        text: block,
        arguments: None,
        tag: TAG.to_owned(),
        expect,
        complete: !unreadable,
        whole: true,
    };
    match (decision_ends, rng.u8(..20)) {
        (Some(at), 0..=2) => cut(&mut variant, at, tagged, rng),
        (Some(_), 3) => {
            variant.arguments = Some(std::mem::take(&mut variant.text));
            variant.text = prose(rng);
        }
        (json, _) => surround(&mut variant, json.is_some(), tagged, rng),
    }
    if unreadable {
        variant.expect = Expect::of(Reading::Unparsable {
            why: magi_council::vote::Why::NoVote,
        });
    }
    variant
}

/// Cuts a JSON vote: mostly behind its decision, sometimes inside or before it.
fn cut(variant: &mut Variant, decision_ends: usize, tagged: bool, rng: &mut Rng) {
    let text = &mut variant.text;
    let after = rng.u8(..4) > 0;
    let range = if after {
        decision_ends..text.len() + 1
    } else {
        1..decision_ends
    };
    let mut at = rng.usize(range);
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    variant.complete &= at >= decision_ends;
    variant.whole &= at == text.len();
    text.truncate(at);
    *text = format!(
        "{}\n\n{}{text}",
        prose(rng),
        if tagged { "```json\n" } else { "" }
    );
}

fn surround(variant: &mut Variant, json: bool, tagged: bool, rng: &mut Rng) {
    let fences: &[(&str, &str)] = if json {
        &[
            ("", ""),
            ("```json\n", "\n```"),
            ("```\n", "\n```\n"),
            ("~~~json\n", "\n~~~"),
            ("```json\n", ""),
            ("**", "**"),
        ]
    } else {
        &[("", ""), ("", "\n")]
    };
    let whole = !json || variant.text.ends_with(['}', '｝']);
    let choice = if whole {
        fences.len()
    } else {
        fences.len() - 1
    };
    let (open, close) = fences[rng.usize(..choice)];
    let mut text = format!("{open}{}{close}", variant.text);
    if rng.bool() {
        text = format!("{}\n\n{text}", prose(rng));
    }
    if rng.u8(..4) == 0 {
        text = format!(
            "{}\n{}\n\n{}\n\n{text}",
            prose(rng),
            foreign(rng),
            prose(rng)
        );
    }
    if tagged && !close.is_empty() && rng.bool() {
        text = format!("{text}\n\n{}", prose(rng));
    }
    if tagged && json && !close.is_empty() && rng.u8(..4) == 0 {
        text = format!("{text}\n\n{}\n{}", prose(rng), foreign(rng));
    }
    if rng.u8(..4) == 0
        && !variant
            .expect
            .reasoning
            .as_deref()
            .is_some_and(|text| text.contains('\n'))
    {
        text = text.replace("\r\n", "\n").replace('\n', "\r\n");
    }
    variant.text = text;
}

/// Writes the vote as JSON of a sort, and tells where its decision is complete.
fn json(expect: &mut Expect, word: &str, tagged: bool, rng: &mut Rng) -> (String, Option<usize>) {
    let style = style(expect, rng);
    let string = |text: &str| {
        let escaped = serde_json::to_string(text).unwrap_or_default();
        let inner = escaped[1..escaped.len() - 1]
            .replace('\'', if style.quotes.0 == "'" { "\\'" } else { "'" });
        format!("{}{inner}{}", style.quotes.0, style.quotes.1)
    };
    let list = |items: &[String]| {
        let items: Vec<String> = items.iter().map(|item| string(item)).collect();
        format!(
            "[{}]",
            items.join(if style.quotes.0 == "\"" { ", " } else { "," })
        )
    };
    let key = |names: &[&str], rng: &mut Rng| {
        let name = names[rng.usize(..names.len())];
        if style.bare_keys {
            name.to_owned()
        } else {
            string(name)
        }
    };
    let decision = key(
        &[
            "decision",
            "Decision",
            "DECISION",
            "verdict",
            "vote",
            "final_decision",
            "判断",
            "決定",
        ],
        rng,
    );
    let mut pairs = vec![(decision.clone(), string(word))];
    if let Some(reasoning) = &expect.reasoning {
        pairs.push((
            key(
                &[
                    "reasoning",
                    "reason",
                    "Reasoning",
                    "rationale",
                    "理由",
                    "根拠",
                ],
                rng,
            ),
            string(reasoning),
        ));
    }
    if !expect.conditions.is_empty() || rng.bool() {
        pairs.push((
            key(&["conditions", "Conditions", "条件"], rng),
            list(&expect.conditions),
        ));
    }
    if !expect.would_change.is_empty() {
        pairs.push((
            key(&["would_change", "wouldChange", "覆す条件"], rng),
            list(&expect.would_change),
        ));
    }
    if let Some(text) = confidence(expect, rng) {
        let text = if text.parse::<f64>().is_ok() {
            text
        } else {
            string(&text)
        };
        pairs.push((key(&["confidence", "Confidence", "確信度"], rng), text));
    }
    rng.shuffle(&mut pairs);
    if tagged {
        pairs.insert(0, (key(&["tag"], rng), string(TAG)));
    }
    let mut text = style.open.to_owned();
    let mut decision_ends = 0;
    for (at, (name, value)) in pairs.iter().enumerate() {
        text += &format!("{name}{}{value}", style.colon);
        if *name == decision {
            decision_ends = text.len();
        }
        text += if at + 1 < pairs.len() {
            style.comma
        } else {
            style.last
        };
    }
    text += style.close;
    (text, Some(decision_ends))
}

/// Picks a style in which the seed's sentences can be written.
fn style(expect: &Expect, rng: &mut Rng) -> Style {
    let sentences = expect
        .reasoning
        .iter()
        .chain(&expect.conditions)
        .chain(&expect.would_change);
    let awkward = sentences
        .flat_map(|text| text.chars())
        .any(|c| "\"'“”„「」\\".contains(c) || c.is_control());
    let quotes = [
        ("\"", "\""),
        ("\"", "\""),
        ("“", "”"),
        ("'", "'"),
        ("「", "」"),
        ("＂", "＂"),
        ("“", "\""),
    ];
    let quotes = quotes[if awkward {
        0
    } else {
        rng.usize(..quotes.len())
    }];
    let straight = quotes.0 == "\"";
    let (comma, last) = [
        (", ", ""),
        (",\n  ", "\n"),
        (",", ","),
        (",\n", ",\n"),
        ("\n  ", "\n"),
        (" , // note\n", "\n"),
        ("，", ""),
        (";\n", "\n"),
    ][rng.usize(..8)];
    let (open, close) = [
        ("{", "}"),
        ("{\n  ", "}"),
        ("｛", "｝"),
        ("{ // my vote\n", "}"),
        ("{", "}}"),
        ("{", ""),
    ][rng.usize(..6)];
    let colon = [": ", ":", " : ", "：", ":\n    "][rng.usize(..5)];
    Style {
        quotes,
        bare_keys: straight && rng.u8(..5) == 0,
        colon,
        comma,
        last,
        open,
        close,
    }
}

/// Writes how sure the seed is, in one of the forms that say so, or in one that says nothing.
fn confidence(expect: &mut Expect, rng: &mut Rng) -> Option<String> {
    let Some(number) = expect.confidence else {
        return match rng.u8(..8) {
            0 => Some("high".to_owned()),
            1 => Some("1.7".to_owned()),
            2 => Some("-1".to_owned()),
            3 => Some("85".to_owned()),
            4 => Some("120%".to_owned()),
            5 => Some("不明".to_owned()),
            _ => None,
        };
    };
    let percent = (number * 100.0).round();
    expect.confidence = Some(if rng.bool() { percent / 100.0 } else { number });
    if expect.confidence != Some(percent / 100.0) {
        return Some(number.to_string());
    }
    let percent = format!("{percent}");
    Some(match rng.u8(..6) {
        0 => format!("{percent}%"),
        1 => format!("{percent} %"),
        2 => full_width(&format!("{percent}%")),
        3 => format!("{percent}パーセント"),
        4 => format!("{percent} percent"),
        _ => format!("{percent}％"),
    })
}

fn lines(expect: &mut Expect, word: &str, tagged: bool, rng: &mut Rng) -> String {
    expect.conditions.clear();
    expect.would_change.clear();
    let plain = |text: &String| {
        !text.contains(['\n', '\r', '"', '\'', '*', '|']) && !text.starts_with(['[', '「', '-'])
    };
    expect.reasoning = expect.reasoning.take().filter(plain);
    let form = [("", ": "), ("- ", "："), ("**", ":** "), ("■ ", "： ")][rng.usize(..4)];
    let mut lines = vec![format!(
        "{}{}{}{word}",
        form.0,
        rng.choice(["Decision", "判断", "結論"]).unwrap_or("Vote"),
        form.1
    )];
    if let Some(reasoning) = &expect.reasoning {
        lines.push(format!("{}理由{}{reasoning}", form.0, form.1));
    }
    if let Some(text) = confidence(expect, rng) {
        lines.push(format!("{}Confidence{}{text}", form.0, form.1));
    }
    rng.shuffle(&mut lines);
    if tagged {
        lines.insert(0, format!("tag: {TAG}"));
    }
    format!("\n{}", lines.join("\n"))
}

fn elements(expect: &Expect, word: &str, tagged: bool) -> String {
    let escape = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
    };
    let tag = if tagged {
        format!(" tag=\"{TAG}\"")
    } else {
        String::new()
    };
    let mut text = format!("<vote{tag}>\n<decision>{word}</decision>\n");
    if let Some(reasoning) = &expect.reasoning {
        text += &format!("<reasoning>{}</reasoning>\n", escape(reasoning));
    }
    for (name, items) in [
        ("conditions", &expect.conditions),
        ("would_change", &expect.would_change),
    ] {
        let items: String = items
            .iter()
            .map(|item| format!("<item>{}</item>", escape(item)))
            .collect();
        text += &format!("<{name}>{items}</{name}>\n");
    }
    if let Some(number) = expect.confidence {
        text += &format!("<confidence>{number}</confidence>\n");
    }
    text + "</vote>"
}

// --- words, chosen by hand

/// Returns a way to say a decision.
fn word(decision: &str, rng: &mut Rng) -> String {
    let words: &[&str] = match decision {
        "APPROVED" => &[
            "APPROVED",
            "approved",
            "Approve",
            "可決",
            "賛成",
            "承認",
            "承認します",
            "可決とする",
            "賛成です",
            "APPROVED（可決）",
        ],
        "REJECTED" => &[
            "REJECTED",
            "rejected",
            "Reject",
            "否決",
            "反対",
            "却下",
            "不承認",
            "反対します",
            "否決すべき",
            "否決 / REJECTED",
        ],
        _ => &[
            "ABSTAINED",
            "abstained",
            "Abstain",
            "abstention",
            "棄権",
            "棄権します",
            "棄権とする",
        ],
    };
    let word = words[rng.usize(..words.len())];
    match rng.u8(..6) {
        0 => full_width(word),
        1 => format!(" {word}. "),
        2 => format!("**{word}**"),
        3 => word.to_uppercase(),
        _ => word.to_owned(),
    }
}

/// Returns a value that is no decision.
fn no_word(rng: &mut Rng) -> String {
    let words = [
        "not approved",
        "cannot approve",
        "not rejected",
        "承認しない",
        "賛成できない",
        "反対しない",
        "否決ではない",
        "保留",
        "APPROVED|REJECTED|ABSTAINED",
        "maybe",
        "undecided",
        "approved or rejected",
        "賛成か反対か",
        "可決されない",
        "against rejection",
        "no objection to approval",
        "",
    ];
    words[rng.usize(..words.len())].to_owned()
}

fn prose(rng: &mut Rng) -> String {
    let prose = [
        "I weighed the costs and the risks.",
        "The plan is not approved by everyone, nor rejected by most.",
        "費用と危険を比べた。",
        "賛成の声も反対の声もある。",
        "In the set {a, b} both hold; f(x) = {x | x > 0}.",
        "Some say \"reject it\", others don't.",
        "1. First point\n2. Second point",
        "彼らは「可決」と言った。",
        "See `config { a: 1 }` and [this](http://example.test/).",
        "Let me know if you need more.",
    ];
    prose[rng.usize(..prose.len())].to_owned()
}

/// Returns somebody else's vote, shown by the sage.
fn foreign(rng: &mut Rng) -> String {
    let decision = ["APPROVED", "REJECTED", "ABSTAINED", "可決", "否決"][rng.usize(..5)];
    match rng.u8(..5) {
        0 => format!("```json\n{{\"decision\":\"{decision}\",\"confidence\":0.123}}\n```"),
        1 => format!("> {{\"decision\":\"{decision}\",\"confidence\":0.123}}"),
        2 => format!("{{\"tag\":\"zz00\",\"decision\":\"{decision}\",\"confidence\":0.123}}"),
        3 => format!("They wrote {{\"decision\":\"{decision}\"}} there."),
        _ => format!("```\n{{'verdict': '{decision}', 'reasoning': 'quoted'}}\n```"),
    }
}
