//! Votes written as lines: `Decision: APPROVED`, 【判断】可決, YAML, a table.
//!
//! A run of lines counts as one block only if every line of it is a key of a vote and its value, an
//! item of a list, or empty: a sentence ends the run, so prose is never searched for a decision.

use super::ballot::Draft;
use super::block::Block;
use super::value::{self, Value};
use super::words::{Field, field, is_space, strip};

/// The longest key, in bytes, and the most pairs of one run.
const MAX_KEY: usize = 100;
const MAX_PAIRS: usize = 64;

/// Finds the runs of lines that hold a decision, in order.
pub(super) fn find(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut run = Run::default();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        match run.take(line) {
            Taken::Pairs => run.reaches(start, at),
            Taken::More => {}
            Taken::No => blocks.extend(std::mem::take(&mut run).block()),
        }
    }
    blocks.extend(run.block());
    blocks
}

enum Taken {
    /// The line is part of the vote.
    Pairs,
    /// The line neither belongs to the vote nor ends it.
    More,
    /// The line ends the run.
    No,
}

#[derive(Debug, Default)]
struct Run {
    span: Option<(usize, usize)>,
    pairs: Vec<(String, Value)>,
    /// The keys of a table's heading row.
    heading: Vec<String>,
}

impl Run {
    fn reaches(&mut self, start: usize, end: usize) {
        let start = self.span.map_or(start, |span| span.0);
        self.span = Some((start, end));
    }

    fn block(self) -> Option<Block> {
        let (start, end) = self.span?;
        let draft = Draft::of(Value::Object(self.pairs));
        draft.has_decision().then_some(Block {
            start,
            end,
            cut: false,
            draft,
        })
    }

    fn take(&mut self, line: &str) -> Taken {
        let bare = line.trim_matches(is_space);
        if bare.is_empty() || bare.starts_with("```") || bare.starts_with("~~~") {
            return Taken::More;
        }
        if self.pairs.len() >= MAX_PAIRS || bare.starts_with('>') {
            return Taken::No;
        }
        if let Some(row) = bare.strip_prefix('|') {
            return self.row(row.strip_suffix('|').unwrap_or(row));
        }
        if let Some(pair) = pair(bare) {
            self.pairs.push(pair);
            return Taken::Pairs;
        }
        self.item(line, bare)
    }

    /// Takes an item of the list, or a line of the text block, that the last key began.
    fn item(&mut self, line: &str, bare: &str) -> Taken {
        let indented = line.starts_with([' ', '\t', '\u{3000}']);
        let item = bare.trim_start_matches(['-', '*', '•', '・', ' ']);
        match self.pairs.last_mut() {
            Some((_, Value::List(items))) if item.len() < bare.len() => {
                items.push(Value::text(unquoted(item)));
            }
            Some((_, Value::Text { text, .. }))
                if indented && matches!(text.as_str(), "|" | ">") =>
            {
                bare.clone_into(text);
            }
            _ => return Taken::No,
        }
        Taken::Pairs
    }

    fn row(&mut self, row: &str) -> Taken {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let named = |cell: &str| field(strip(cell)).is_some_and(is_a_line);
        if cells
            .iter()
            .all(|cell| cell.chars().all(|c| matches!(c, '-' | ':')))
        {
            return Taken::More;
        }
        if self.heading.len() == cells.len() {
            let keys = std::mem::take(&mut self.heading);
            self.pairs
                .extend(keys.into_iter().zip(cells.into_iter().map(cell)));
            return Taken::Pairs;
        }
        match cells[..] {
            [key, value] if named(key) && !named(value) => {
                self.pairs.push((strip(key).to_owned(), cell(value)));
                Taken::Pairs
            }
            _ if cells.iter().all(|cell| named(cell)) => {
                self.heading = cells.iter().map(|cell| strip(cell).to_owned()).collect();
                Taken::More
            }
            _ => Taken::No,
        }
    }
}

const fn is_a_line(field: Field) -> bool {
    field.is_of_a_vote() || matches!(field, Field::Perhaps)
}

fn cell(text: &str) -> Value {
    Value::text(text.trim_matches(|c| matches!(c, '*' | '`') || is_space(c)))
}

/// Reads one line as a key and its value, if the key is one of a vote.
fn pair(line: &str) -> Option<(String, Value)> {
    let line = line.trim_start_matches(|c| "-*•・■◆●▼#_\"'`".contains(c) || is_space(c));
    let (key, value) = match line.strip_prefix('【') {
        Some(rest) => rest.split_once('】')?,
        None => line.split_once([':', '：'])?,
    };
    if key.contains(['{', '｛', '[', '［', '<']) {
        return None;
    }
    let key = strip(key);
    if key.len() > MAX_KEY || !field(key).is_some_and(is_a_line) {
        return None;
    }
    let value = value.trim_matches(|c| matches!(c, '*' | ':' | '：' | '_') || is_space(c));
    let value = match value {
        "" => Value::List(Vec::new()),
        block if block.starts_with(['{', '｛', '`']) => return None,
        list if list.starts_with('[') => value::parse(list).filter(is_flat)?,
        text => Value::text(unquoted(text)),
    };
    Some((key.to_owned(), value))
}

/// Tells whether a list holds nothing but sentences.
fn is_flat(value: &Value) -> bool {
    matches!(value, Value::List(items) if items.iter().all(|item| item.as_str().is_some()))
}

/// Takes off a comma at the end and one pair of quotes.
fn unquoted(text: &str) -> &str {
    let text = text.trim_end_matches(',').trim();
    let inner = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(text)
}
