//! Votes written as elements: `<vote><decision>APPROVED</decision></vote>`.

use super::ballot::Draft;
use super::block::Block;
use super::value::Value;
use super::words::{self, field};

/// The elements that hold a vote.
pub(super) const ROOTS: [&str; 3] = ["<vote", "<ballot", "<cast_vote"];

/// The longest vote in elements, in bytes, and the most elements in it.
const MAX_BLOCK: usize = 64 * 1024;
const MAX_ELEMENTS: usize = 64;

/// The most elements tried that turn out to be no votes.
const MAX_TRIES: usize = 64;

/// Finds the votes written as elements, in order. An element that is never closed is none: what
/// follows it would be part of it.
pub(super) fn find(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut tries = 0;
    let mut at = 0;
    while let Some(offset) = text[at..].find('<') {
        let start = at + offset;
        at = start + 1;
        let Some(root) = ROOTS.iter().find(|root| text[start..].starts_with(**root)) else {
            continue;
        };
        let body = start + root.len();
        if !text[body..].starts_with(['>', ' ']) {
            continue;
        }
        tries += 1;
        if tries > MAX_TRIES {
            break;
        }
        let close = format!("</{}>", &root[1..]);
        let Some(length) = text[body..].find(&close) else {
            continue;
        };
        let draft = read(&text[body..body + length]).map(Draft::of);
        if let Some(draft) = draft.filter(Draft::has_decision) {
            at = body + length + close.len();
            blocks.push(Block {
                start,
                end: at,
                cut: false,
                draft,
            });
        }
    }
    blocks
}

/// Reads a root's attributes and children; a root without children may hold the decision itself.
fn read(text: &str) -> Option<Value> {
    if text.len() > MAX_BLOCK {
        return None;
    }
    let (attributes, body) = text.split_once('>')?;
    let mut pairs = Vec::new();
    if let Some((_, value)) = attributes.split_once("tag=") {
        let value = value.trim_matches(|c| matches!(c, '"' | '\'' | '/') || words::is_space(c));
        pairs.push(("tag".to_owned(), Value::text(value)));
    }
    let attributes = pairs.len();
    let body = body.trim_matches(words::is_space);
    let mut rest = if body.starts_with('<') { body } else { "" };
    for _ in 0..MAX_ELEMENTS {
        let Some((name, content, after)) = next(rest) else {
            break;
        };
        rest = after;
        if field(name).is_some() {
            pairs.push((name.to_owned(), items(content)));
        }
    }
    if pairs.len() == attributes && words::decision(body).is_some() {
        pairs.push(("decision".to_owned(), Value::text(body)));
    }
    (pairs.len() > attributes).then_some(Value::Object(pairs))
}

/// Returns the next complete element: its name, its content and what follows.
fn next(text: &str) -> Option<(&str, &str, &str)> {
    let (_, text) = text.split_once('<')?;
    let (name, text) = text.split_once('>')?;
    let name = name.split_whitespace().next().unwrap_or_default();
    if name.is_empty() || name.starts_with('/') || name.len() > MAX_ELEMENTS {
        return Some(("", "", text));
    }
    let close = format!("</{name}>");
    let end = text.find(&close)?;
    Some((name, &text[..end], &text[end + close.len()..]))
}

/// Reads an element's content: a list if it has children, else its text.
fn items(content: &str) -> Value {
    let (mut items, mut rest) = (Vec::new(), content);
    for _ in 0..MAX_ELEMENTS {
        let Some((_, text, after)) = next(rest) else {
            break;
        };
        items.push(Value::text(unescape(text.trim())));
        rest = after;
    }
    if items.is_empty() {
        Value::text(unescape(content.trim()))
    } else {
        Value::List(items)
    }
}

fn unescape(text: &str) -> String {
    let text = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"");
    text.replace("&apos;", "'").replace("&amp;", "&")
}
