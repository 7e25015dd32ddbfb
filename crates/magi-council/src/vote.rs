//! Reads votes out of what models write.
//!
//! A sage is asked to end its answer with a small JSON block, or with a call of `cast_vote`. Models
//! mostly do. The rest of the time they add fences, prose, smart quotes, trailing commas, full-width
//! letters, another language, somebody else's block, or they stop in the middle. [`read`] takes all of
//! that and returns the vote, or says why there is none; it never returns a vote that was not cast.
//!
//! How it works, and where:
//!
//! 1. `scan` reads JSON as models write it, one character at a time; `quote` knows where a string ends.
//! 2. `block`, `element` and `line` find what may be a vote in the text, and whether it is quoted.
//! 3. `words` and `number` say what a value means: a table looked up whole, and no guess.
//! 4. `ballot` puts the fields together.
//! 5. [`Splitter`] uses the same scanner while the answer is still arriving, to show the prose at once
//!    and the raw block never.
//!
//! The rules of [`read`]:
//!
//! - The arguments of a tool call win over the text.
//! - A block that carries the attempt's tag wins over any other; of several, the last.
//! - Without a tag only a block at the very end counts, and only if it is not a quotation.
//! - A block with another tag is somebody else's.
//! - Decisions are whole values in a table. Negations are not in it, and nothing is searched for inside.
//! - Whatever is missing, out of range or cut in the middle of a number stays missing.

mod ballot;
mod block;
mod element;
mod line;
mod number;
mod quote;
mod scan;
mod split;
mod trailing;
mod value;
mod words;

use std::collections::BTreeMap;
use std::fmt;

use magi_event::{Confidence, Decision};

use ballot::Draft;
use block::Block;
pub use split::{Splitter, Tail, ToolArguments};
use words::{Word, is_space};

/// The most of a text that is read, in bytes: its end, where the vote is.
const MAX_TEXT: usize = 1024 * 1024;

/// What a model answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The whole text, as it came.
    pub text: &'a str,
    /// The arguments of the `cast_vote` call, as they came, if there was one.
    pub tool_arguments: Option<&'a str>,
    /// The random tag this attempt was asked to put into its vote; empty if it was given none.
    pub tag: &'a str,
}

/// What was read of a sage's answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// The vote.
    Vote(Ballot),
    /// There is no readable vote.
    Unparsable {
        /// Why, in words a repair call can use.
        why: Why,
    },
}

/// A sage's vote, as far as the sage cast it.
#[derive(Clone, Debug, PartialEq)]
pub struct Ballot {
    /// The decision.
    pub decision: Decision,
    /// The vote's own reasoning; absent if it has none, and cut where the answer was cut.
    pub reasoning: Option<String>,
    /// What must hold for the decision to stand.
    pub conditions: Vec<String>,
    /// What would change the decision.
    pub would_change: Vec<String>,
    /// How sure the sage says it is.
    pub confidence: Option<Confidence>,
}

/// What was read of the judge's answer.
#[derive(Clone, Debug, PartialEq)]
pub enum JudgmentReading {
    /// The judgment.
    Judgment(Judgment),
    /// There is no readable judgment.
    Unparsable {
        /// Why, in words a repair call can use.
        why: Why,
    },
}

/// The judge's block. Sages go by the letters under which the judge saw them: A, B, C.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgment {
    /// The judge's own decision: approved or rejected.
    pub decision: Decision,
    /// The synthesis.
    pub reasoning: Option<String>,
    /// 0 to 100 per letter; a score out of range is missing.
    pub sage_scores: BTreeMap<char, f64>,
    /// One line per score.
    pub score_reasons: BTreeMap<char, String>,
    /// The strongest dissent.
    pub dissent: Option<Dissent>,
    /// The merged conditions.
    pub conditions: Vec<String>,
    /// What would change the verdict.
    pub would_change: Vec<String>,
    /// How sure the judge says it is.
    pub confidence: Option<Confidence>,
}

/// The strongest argument against the verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dissent {
    /// Whose it is, if the judge said so: A, B or C.
    pub sage: Option<char>,
    /// The argument.
    pub text: String,
}

/// Why an answer holds no readable vote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The answer is empty.
    Empty,
    /// There is no block that counts as the vote.
    NoVote,
    /// The vote stops before its decision is complete.
    CutOff,
    /// The decision is none of the three.
    UnknownDecision(String),
    /// The vote says two decisions.
    Contradiction,
    /// The judge abstained, which a judge cannot.
    JudgeAbstained,
}

impl Why {
    fn unknown(word: &str) -> Self {
        Why::UnknownDecision(word.chars().take(80).collect())
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Empty => f.write_str("the answer is empty"),
            Why::NoVote => f.write_str("the answer holds no vote of its own at its end"),
            Why::CutOff => f.write_str("the vote stops before its decision is complete"),
            Why::UnknownDecision(word) => write!(f, "`{word}` is not a decision"),
            Why::Contradiction => f.write_str("the vote says two different decisions"),
            Why::JudgeAbstained => f.write_str("the judge must approve or reject"),
        }
    }
}

/// Reads a sage's vote.
#[must_use]
pub fn read(answer: &Answer<'_>) -> Reading {
    match draft(answer).and_then(Draft::ballot) {
        Ok(ballot) => Reading::Vote(ballot),
        Err(why) => Reading::Unparsable { why },
    }
}

/// Reads the judge's block.
#[must_use]
pub fn read_judgment(answer: &Answer<'_>) -> JudgmentReading {
    match draft(answer).and_then(Draft::judgment) {
        Ok(judgment) => JudgmentReading::Judgment(judgment),
        Err(why) => JudgmentReading::Unparsable { why },
    }
}

/// Finds the block that counts.
fn draft(answer: &Answer<'_>) -> Result<Draft, Why> {
    if let Some(draft) = answer.tool_arguments.and_then(from_arguments) {
        return Ok(draft);
    }
    let text = after_thinking(tail(answer.text));
    if text.chars().all(is_space) {
        return Err(Why::Empty);
    }
    if let Some(Word::Plain(_)) = words::decision(text) {
        let alone = ("decision".to_owned(), value::Value::text(text.trim()));
        return Ok(Draft::of(value::Value::Object(vec![alone])));
    }
    let mut blocks = block::json(text);
    blocks.extend(element::find(text));
    blocks = outermost(blocks);
    blocks.extend(line::find(text));
    blocks = outermost(blocks);

    if let Some(own) = blocks
        .iter()
        .rposition(|block| block.draft.is_tagged(answer.tag))
    {
        let own = blocks.swap_remove(own);
        return if own.draft.has_decision() {
            Ok(own.draft)
        } else {
            Err(Why::CutOff)
        };
    }
    let last = blocks.pop().ok_or(Why::NoVote)?;
    let counts = last.is_last(text)
        && !block::is_quoted(text, last.start)
        && !last.draft.is_foreign(answer.tag);
    match (counts, last.draft.has_decision()) {
        (true, true) => Ok(last.draft),
        (true, false) if last.cut => Err(Why::CutOff),
        _ => Err(Why::NoVote),
    }
}

/// Drops the blocks inside other blocks: what stands there is part of what the outer one says.
fn outermost(mut blocks: Vec<Block>) -> Vec<Block> {
    blocks.sort_by_key(|block| block.start);
    let mut reached = 0;
    blocks.retain(|block| {
        let outside = block.start >= reached;
        reached = reached.max(block.end);
        outside
    });
    blocks
}

/// Reads a tool call's arguments: JSON, or JSON in a string, or JSON with something around it.
fn from_arguments(arguments: &str) -> Option<Draft> {
    let arguments = tail(arguments).trim_matches(is_space);
    if let Some(value) = value::parse(arguments) {
        let draft = Draft::of(value);
        if draft.has_decision() {
            return Some(draft);
        }
    }
    let mut drafts = block::json(arguments).into_iter().map(|block| block.draft);
    drafts.rfind(Draft::has_decision)
}

/// Returns the end of a text, at most [`MAX_TEXT`] bytes of it.
fn tail(text: &str) -> &str {
    let mut start = text.len().saturating_sub(MAX_TEXT);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

/// Returns what follows a model's thinking, where a server leaves it in the text.
///
/// Thinking that never ends is followed by nothing. Where only its end is there, the beginning was in
/// the model's template.
fn after_thinking(text: &str) -> &str {
    let bare = text.trim_start_matches(is_space);
    for (begin, end) in [("<think>", "</think>"), ("<thinking>", "</thinking>")] {
        if bare.starts_with(begin) {
            return bare.split_once(end).map_or("", |(_, rest)| rest);
        }
        if !bare.contains(begin)
            && let Some((_, rest)) = bare.rsplit_once(end)
        {
            return rest;
        }
    }
    bare
}
