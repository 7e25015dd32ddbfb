//! Finds the blocks of an answer that may be votes, and tells whose they are by where they stand.

use super::ballot::Draft;
use super::scan::{Scanner, Step};
use super::trailing::Trailing;
use super::value::{Tree, Value};
use super::words::is_space;

/// A block that may be a vote.
#[derive(Debug)]
pub(super) struct Block {
    /// Where it begins, in bytes.
    pub(super) start: usize,
    /// Where it ends, in bytes.
    pub(super) end: usize,
    /// The text ends inside it.
    pub(super) cut: bool,
    /// What it says.
    pub(super) draft: Draft,
}

impl Block {
    /// Tells whether nothing follows the block but closing marks.
    pub(super) fn is_last(&self, text: &str) -> bool {
        Trailing::all(text.get(self.end..).unwrap_or_default())
    }
}

/// What one attempt to read a block came to.
enum Outcome {
    Whole(usize, Value),
    Cut(Value),
    Broken { at: usize, known: bool },
}

/// Finds the JSON blocks of a text, in order.
///
/// A block that turns out to be none is skipped whole if it had a vote's keys, so that nothing
/// quoted inside it can pass for a vote; otherwise the search goes on inside it. The work is bounded
/// by a budget in proportion to the text.
pub(super) fn json(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut fuel = text.len().saturating_mul(24) + 64 * 1024;
    let mut at = 0;
    while let Some(offset) = text[at..].find(['{', '｛']) {
        let start = at + offset;
        let (outcome, used) = read_one(&text[start..]);
        let Some(left) = fuel.checked_sub(used) else {
            break;
        };
        fuel = left;
        let first = text[start..].chars().next().map_or(1, char::len_utf8);
        match outcome {
            Outcome::Whole(length, value) => {
                at = start + length.max(first);
                blocks.push(Block {
                    start,
                    end: at,
                    cut: false,
                    draft: Draft::of(value),
                });
            }
            Outcome::Cut(value) => {
                let (end, draft) = (text.len(), Draft::of(value));
                blocks.push(Block {
                    start,
                    end,
                    cut: true,
                    draft,
                });
                break;
            }
            Outcome::Broken {
                at: broken,
                known: true,
            } => at = start + broken.max(first),
            Outcome::Broken { known: false, .. } => at = start + first,
        }
    }
    blocks
}

fn read_one(text: &str) -> (Outcome, usize) {
    let mut scanner = Scanner::default();
    let mut tree = Tree::default();
    for (at, c) in text.char_indices() {
        let next = at + c.len_utf8();
        match scanner.push(c, &mut |token| tree.push(token)) {
            Step::More => {}
            Step::Closed => return (whole(next, tree), next),
            Step::Interrupted(bytes) => return (whole(next.saturating_sub(bytes), tree), next),
            Step::Broken => {
                return (
                    Outcome::Broken {
                        at,
                        known: scanner.is_known(),
                    },
                    next,
                );
            }
        }
    }
    let known = scanner.is_known();
    scanner.finish(&mut |token| tree.push(token));
    match tree.finish() {
        Some(value) if known => (Outcome::Cut(value), text.len()),
        _ => (
            Outcome::Broken {
                at: text.len(),
                known,
            },
            text.len(),
        ),
    }
}

fn whole(length: usize, tree: Tree) -> Outcome {
    match tree.finish() {
        Some(value) => Outcome::Whole(length, value),
        None => Outcome::Broken {
            at: length,
            known: false,
        },
    }
}

/// Tells whether the block that starts at a place is somebody's words shown by the sage: in a block
/// quotation, in quotation marks, or in a fence that holds more than the block.
pub(super) fn is_quoted(text: &str, start: usize) -> bool {
    let before = &text[..start];
    let line = &before[before.rfind('\n').map_or(0, |end| end + 1)..];
    if let Some(fence) = open_fence(before)
        && (fence.quoted || !is_bare(&before[fence.content..]))
    {
        return true;
    }
    let line = line.trim_matches(is_space);
    if line.starts_with('>') || line.ends_with(['「', '『', '“', '‘', '"', '\'']) {
        return true;
    }
    let words = line.trim_end_matches('`');
    line.len() - words.len() == 1 && !words.trim().is_empty()
}

struct Fence {
    /// Where its content begins.
    content: usize,
    /// It stands in a block quotation.
    quoted: bool,
}

/// Returns the fence that is still open at the end of a text.
fn open_fence(text: &str) -> Option<Fence> {
    let mut fence: Option<Fence> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        at += line.len();
        let bare = line.trim_start_matches(|c| is_space(c) || c == '>');
        if !bare.starts_with("```") && !bare.starts_with("~~~") {
            continue;
        }
        let quoted = line.trim_start_matches(is_space).starts_with('>');
        fence = match fence {
            Some(_) => None,
            None => Some(Fence {
                content: at,
                quoted,
            }),
        };
    }
    fence
}

/// Tells whether what stands between a fence and its block is nothing: blank, a bracket, a comment.
fn is_bare(text: &str) -> bool {
    text.lines().all(|line| {
        let line = line.trim_matches(is_space);
        line.is_empty() || line == "[" || line.starts_with("//") || line.starts_with('#')
    })
}
