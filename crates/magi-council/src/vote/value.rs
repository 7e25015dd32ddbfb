//! What the scanner read, as a tree.

use super::scan::{Scanner, Step, Token};

/// A value of a block.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// Keys and values in the order they came; a key may come twice.
    Object(Vec<(String, Value)>),
    /// Items.
    List(Vec<Value>),
    /// A string.
    Text {
        /// Its characters.
        text: String,
        /// Its closing quote was never seen.
        cut: bool,
    },
    /// A word or number without quotes.
    Bare(String),
}

impl Value {
    /// Returns a complete string.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Value::Text {
            text: text.into(),
            cut: false,
        }
    }

    /// Returns what a complete string or bare word says.
    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text { text, cut: false } => Some(text),
            Value::Bare(word) => Some(word),
            Value::Text { cut: true, .. } | Value::Object(_) | Value::List(_) => None,
        }
    }
}

/// Reads a text that is one value from its first character on, such as a tool call's arguments.
pub(super) fn parse(text: &str) -> Option<Value> {
    let mut scanner = Scanner::default();
    let mut tree = Tree::default();
    for c in text.chars() {
        match scanner.push(c, &mut |token| tree.push(token)) {
            Step::More => {}
            Step::Closed => return tree.finish(),
            Step::Interrupted(_) => break,
            Step::Broken => return None,
        }
    }
    scanner.finish(&mut |token| tree.push(token));
    tree.finish()
}

/// Builds the tree from tokens; what is still open at the end is cut.
#[derive(Debug, Default)]
pub(super) struct Tree {
    open: Vec<Open>,
    text: Option<String>,
    root: Option<Value>,
}

#[derive(Debug)]
enum Open {
    Object(Vec<(String, Value)>, Option<String>),
    List(Vec<Value>),
}

impl Tree {
    /// Adds a token.
    pub(super) fn push(&mut self, token: Token) {
        match token {
            Token::Object => self.open.push(Open::Object(Vec::new(), None)),
            Token::List => self.open.push(Open::List(Vec::new())),
            Token::Key(name) => {
                if let Some(Open::Object(_, key)) = self.open.last_mut() {
                    *key = Some(name);
                }
            }
            Token::Char(c) => self.text.get_or_insert_default().push(c),
            Token::TextEnd => {
                let text = self.text.take().unwrap_or_default();
                self.add(Value::text(text));
            }
            Token::Bare(word) => self.add(Value::Bare(word)),
            Token::End => self.end(),
        }
    }

    /// Returns the value; `None` if there was none.
    pub(super) fn finish(mut self) -> Option<Value> {
        if let Some(text) = self.text.take() {
            self.add(Value::Text { text, cut: true });
        }
        while !self.open.is_empty() {
            self.end();
        }
        self.root
    }

    fn end(&mut self) {
        match self.open.pop() {
            Some(Open::Object(pairs, _)) => self.add(Value::Object(pairs)),
            Some(Open::List(items)) => self.add(Value::List(items)),
            None => {}
        }
    }

    fn add(&mut self, value: Value) {
        match self.open.last_mut() {
            Some(Open::Object(pairs, key)) => {
                if let Some(key) = key.take() {
                    pairs.push((key, value));
                }
            }
            Some(Open::List(items)) => items.push(value),
            None => self.root = Some(value),
        }
    }
}
