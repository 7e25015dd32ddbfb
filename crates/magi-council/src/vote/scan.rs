//! The scanner: JSON as models write it, one character at a time.
//!
//! It takes what strict JSON refuses (smart, single and corner quotes, bare keys and words, trailing
//! and missing commas, comments, raw newlines, full-width punctuation, quotes nobody escaped) and
//! gives [`Token`]s. The reader feeds it a whole answer, the splitter one delta after the other;
//! having one grammar for both is what keeps "hidden from the reader" and "read as the vote" the
//! same thing. It is bounded in depth, in the length of keys and bare words, and in size.

use std::collections::VecDeque;

use super::quote::{self, Closing, MAX_KEY, Place, closers, in_bare_key, plain};
use super::words::{self, is_space};

/// The deepest nesting of objects and lists.
const MAX_DEPTH: usize = 16;

/// The most characters of one block.
const MAX_BLOCK: usize = 256 * 1024;

/// The longest word or number without quotes, in characters.
const MAX_BARE: usize = 256;

/// A piece of JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// An object begins.
    Object,
    /// A list begins.
    List,
    /// The innermost object or list ends.
    End,
    /// The next value's key.
    Key(String),
    /// One character of a string, unescaped.
    Char(char),
    /// The string is complete; it has no characters if none came before.
    TextEnd,
    /// A complete word or number without quotes; empty where a value is left out.
    Bare(String),
}

/// What a character did to the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The block goes on.
    More,
    /// The block is complete with this character.
    Closed,
    /// This cannot be a block.
    Broken,
    /// A fence or an element ends a vote that is not closed; so many bytes do not belong to it.
    Interrupted(usize),
}

#[derive(Debug, Default)]
enum Mode {
    #[default]
    Value,
    Key,
    QuotedKey(&'static [char], String),
    BareKey(String),
    Colon,
    Bare(String),
    Text(Text),
    Ending(Text, String),
    After,
    Comment(Comment, Back),
}

/// Where a comment returns to.
#[derive(Clone, Copy, Debug)]
enum Back {
    Value,
    Key,
    After,
}

#[derive(Clone, Copy, Debug)]
enum Comment {
    Slash,
    Line,
    Block { star: bool },
}

/// A string being read.
#[derive(Debug)]
struct Text {
    closers: &'static [char],
    /// The quote that may end it.
    quote: char,
    escape: Escape,
    /// The first half of a surrogate pair.
    high: Option<u32>,
    /// The last character that is no space, to see `{"`: somebody's JSON, not escaped.
    last: char,
    /// How deep in such foreign JSON: its quotes end nothing.
    foreign: u32,
}

#[derive(Debug)]
enum Escape {
    None,
    Slash,
    Hex(String),
}

/// Reads one block: see the module.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    /// The open containers, innermost last: true for a list.
    open: Vec<bool>,
    mode: Mode,
    size: usize,
    known: bool,
    again: VecDeque<char>,
}

impl Scanner {
    /// Tells whether a key that belongs to a vote was seen.
    pub(super) const fn is_known(&self) -> bool {
        self.known
    }

    /// Reads one character, giving the tokens it completes.
    pub(super) fn push(&mut self, c: char, sink: &mut dyn FnMut(Token)) -> Step {
        self.size += 1;
        if self.size > MAX_BLOCK {
            return Step::Broken;
        }
        self.again.push_back(c);
        while let Some(c) = self.again.pop_front() {
            match self.step(c, sink) {
                Step::More => {}
                Step::Interrupted(bytes) => {
                    let rest: usize = self.again.iter().map(|c| c.len_utf8()).sum();
                    return Step::Interrupted(bytes + rest);
                }
                end @ (Step::Closed | Step::Broken) => return end,
            }
        }
        Step::More
    }

    /// Says that the text ends here: a string whose closing quote was seen is complete.
    pub(super) fn finish(self, sink: &mut dyn FnMut(Token)) {
        match self.mode {
            Mode::Ending(mut text, _) => {
                text.flush(sink);
                sink(Token::TextEnd);
            }
            Mode::Text(mut text) => text.flush(sink),
            Mode::Value
            | Mode::Key
            | Mode::QuotedKey(..)
            | Mode::BareKey(_)
            | Mode::Colon
            | Mode::Bare(_)
            | Mode::After
            | Mode::Comment(..) => {}
        }
    }

    fn step(&mut self, c: char, sink: &mut dyn FnMut(Token)) -> Step {
        match std::mem::take(&mut self.mode) {
            Mode::Value => self.value(c, sink),
            Mode::Key => self.key(c, sink),
            Mode::QuotedKey(quotes, text) => self.quoted_key(quotes, text, c, sink),
            Mode::BareKey(text) => self.bare_key(text, c, sink),
            Mode::Colon if is_space(c) => self.to(Mode::Colon),
            Mode::Colon if plain(c) == ':' => self.to(Mode::Value),
            Mode::Colon => Step::Broken,
            Mode::Bare(text) => self.bare(text, c, sink),
            Mode::Text(text) => self.text(text, c, sink),
            Mode::Ending(text, rest) => self.ending(text, rest, c, sink),
            Mode::After => self.after(c, sink),
            Mode::Comment(comment, back) => self.comment(comment, back, c),
        }
    }

    fn to(&mut self, mode: Mode) -> Step {
        self.mode = mode;
        Step::More
    }

    /// Handles what may stand between any two pieces: spaces and comments.
    fn between(&mut self, c: char, back: Back) -> Option<Step> {
        match c {
            _ if is_space(c) => Some(self.to(back.mode())),
            '/' => Some(self.to(Mode::Comment(Comment::Slash, back))),
            '#' => Some(self.to(Mode::Comment(Comment::Line, back))),
            '`' | '~' | '<' if self.known => Some(Step::Interrupted(1)),
            _ => None,
        }
    }

    fn value(&mut self, c: char, sink: &mut dyn FnMut(Token)) -> Step {
        if let Some(step) = self.between(c, Back::Value) {
            return step;
        }
        match plain(c) {
            '{' => self.begin(false, sink),
            '[' => self.begin(true, sink),
            '}' | ']' | ',' if !self.open.is_empty() => {
                if self.open.last() == Some(&false) {
                    sink(Token::Bare(String::new()));
                }
                self.after(c, sink)
            }
            _ if !closers(c).is_empty() => self.to(Mode::Text(Text::new(c))),
            _ if self.open.is_empty() => Step::Broken,
            _ => self.to(Mode::Bare(String::from(c))),
        }
    }

    fn begin(&mut self, list: bool, sink: &mut dyn FnMut(Token)) -> Step {
        if self.open.len() == MAX_DEPTH {
            return Step::Broken;
        }
        self.open.push(list);
        sink(if list { Token::List } else { Token::Object });
        self.to(if list { Mode::Value } else { Mode::Key })
    }

    fn key(&mut self, c: char, sink: &mut dyn FnMut(Token)) -> Step {
        if let Some(step) = self.between(c, Back::Key) {
            return step;
        }
        match plain(c) {
            ',' => self.to(Mode::Key),
            '}' => self.close(false, sink),
            _ if !closers(c).is_empty() => self.to(Mode::QuotedKey(closers(c), String::new())),
            _ if in_bare_key(c) => self.to(Mode::BareKey(String::from(c))),
            _ => Step::Broken,
        }
    }

    fn quoted_key(
        &mut self,
        quotes: &'static [char],
        mut text: String,
        c: char,
        sink: &mut dyn FnMut(Token),
    ) -> Step {
        if quotes.contains(&c) {
            self.found_key(text, sink);
            return self.to(Mode::Colon);
        }
        text.push(c);
        if c == '\n' || text.len() > MAX_KEY * 4 {
            return Step::Broken;
        }
        self.to(Mode::QuotedKey(quotes, text))
    }

    fn bare_key(&mut self, mut text: String, c: char, sink: &mut dyn FnMut(Token)) -> Step {
        if in_bare_key(c) {
            text.push(c);
            return if text.len() > MAX_KEY * 4 {
                Step::Broken
            } else {
                self.to(Mode::BareKey(text))
            };
        }
        self.found_key(text, sink);
        self.mode = Mode::Colon;
        self.step(c, sink)
    }

    fn found_key(&mut self, key: String, sink: &mut dyn FnMut(Token)) {
        self.known |= words::field(&key).is_some_and(words::Field::is_of_a_vote);
        sink(Token::Key(key));
    }

    fn bare(&mut self, mut text: String, c: char, sink: &mut dyn FnMut(Token)) -> Step {
        let comment = c == '#' || (c == '/' && text.ends_with('/'));
        match plain(c) {
            ',' | '}' | ']' | '\n' | '\r' => {
                sink(Token::Bare(text.trim_end_matches(is_space).to_owned()));
                self.mode = Mode::After;
                self.step(c, sink)
            }
            _ if comment && text.trim_end_matches('/').ends_with(is_space) => {
                let word = text.trim_end_matches('/').trim_end_matches(is_space);
                sink(Token::Bare(word.to_owned()));
                self.to(Mode::Comment(Comment::Line, Back::After))
            }
            '{' | '[' | '"' => Step::Broken,
            _ => {
                text.push(c);
                if text.len() > MAX_BARE * 4 {
                    Step::Broken
                } else {
                    self.to(Mode::Bare(text))
                }
            }
        }
    }

    fn text(&mut self, mut text: Text, c: char, sink: &mut dyn FnMut(Token)) -> Step {
        let escaped = matches!(text.escape, Escape::Slash);
        if !escaped && text.foreign == 0 && text.closers.contains(&c) {
            text.unfinished_escape(sink);
            text.quote = c;
            return self.to(Mode::Ending(text, String::new()));
        }
        text.push(c, sink);
        self.to(Mode::Text(text))
    }

    /// Waits behind a quote until it is known to end its string or to be part of it.
    fn ending(
        &mut self,
        mut text: Text,
        mut rest: String,
        c: char,
        sink: &mut dyn FnMut(Token),
    ) -> Step {
        rest.push(c);
        let place = match self.open.last() {
            Some(true) => Place::List,
            Some(false) => Place::Object,
            None => Place::Alone,
        };
        match quote::closing(&rest, place) {
            Closing::Open => return self.to(Mode::Ending(text, rest)),
            Closing::End => {
                text.flush(sink);
                sink(Token::TextEnd);
                self.mode = Mode::After;
            }
            Closing::Part => {
                text.keep_quote(sink);
                self.mode = Mode::Text(text);
            }
        }
        for c in rest.chars().rev() {
            self.again.push_front(c);
        }
        Step::More
    }

    fn after(&mut self, c: char, sink: &mut dyn FnMut(Token)) -> Step {
        if let Some(step) = self.between(c, Back::After) {
            return step;
        }
        match (plain(c), self.open.last()) {
            (',', Some(true)) => self.to(Mode::Value),
            (',', Some(false)) => self.to(Mode::Key),
            ('}', Some(_)) => self.close(false, sink),
            (']', Some(true)) => self.close(true, sink),
            (_, Some(true)) if !closers(c).is_empty() => self.value(c, sink),
            (_, Some(false)) => self.key(c, sink),
            _ => Step::Broken,
        }
    }

    /// Ends the innermost container; a `}` also ends the lists that nobody closed.
    fn close(&mut self, list: bool, sink: &mut dyn FnMut(Token)) -> Step {
        if !list {
            while self.open.pop_if(|open| *open).is_some() {
                sink(Token::End);
            }
        }
        if self.open.pop().is_none() {
            return Step::Broken;
        }
        sink(Token::End);
        self.mode = Mode::After;
        if self.open.is_empty() {
            Step::Closed
        } else {
            Step::More
        }
    }

    fn comment(&mut self, comment: Comment, back: Back, c: char) -> Step {
        match (comment, c) {
            (Comment::Slash, '/') => self.to(Mode::Comment(Comment::Line, back)),
            (Comment::Slash, '*') => self.to(Mode::Comment(Comment::Block { star: false }, back)),
            (Comment::Slash, _) => Step::Broken,
            (Comment::Line, '\n' | '\r') | (Comment::Block { star: true }, '/') => {
                self.to(back.mode())
            }
            (Comment::Line, _) => self.to(Mode::Comment(Comment::Line, back)),
            (Comment::Block { .. }, _) => {
                self.to(Mode::Comment(Comment::Block { star: c == '*' }, back))
            }
        }
    }
}

impl Back {
    const fn mode(self) -> Mode {
        match self {
            Back::Value => Mode::Value,
            Back::Key => Mode::Key,
            Back::After => Mode::After,
        }
    }
}

impl Text {
    fn new(open: char) -> Self {
        let closers = closers(open);
        Text {
            closers,
            quote: open,
            escape: Escape::None,
            high: None,
            last: open,
            foreign: 0,
        }
    }

    /// Takes the quote for a character of the string.
    fn keep_quote(&mut self, sink: &mut dyn FnMut(Token)) {
        if self.last == '{' {
            self.foreign = 1;
        }
        self.emit(self.quote, sink);
    }

    /// Emits a `\u` that never got its four digits as it is written.
    fn unfinished_escape(&mut self, sink: &mut dyn FnMut(Token)) {
        if let Escape::Hex(digits) = std::mem::replace(&mut self.escape, Escape::None) {
            for kept in ['\\', 'u'].into_iter().chain(digits.chars()) {
                self.emit(kept, sink);
            }
        }
    }

    fn push(&mut self, c: char, sink: &mut dyn FnMut(Token)) {
        match std::mem::replace(&mut self.escape, Escape::None) {
            Escape::None if c == '\\' => self.escape = Escape::Slash,
            Escape::None => {
                match c {
                    '{' if self.foreign > 0 => self.foreign += 1,
                    '}' if self.foreign > 0 => self.foreign -= 1,
                    _ => {}
                }
                self.emit(c, sink);
            }
            Escape::Slash if c == 'u' => self.escape = Escape::Hex(String::new()),
            Escape::Slash => self.escaped(c, sink),
            Escape::Hex(digits) => self.hex(digits, c, sink),
        }
    }

    /// Emits what a backslash and `c` stand for; an escape nobody knows stays as it is written.
    fn escaped(&mut self, c: char, sink: &mut dyn FnMut(Token)) {
        let meant = match c {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'b' => '\u{8}',
            'f' => '\u{c}',
            '\\' | '/' | '\'' | '\n' => c,
            _ if self.closers.contains(&c) || c == '"' => c,
            _ => {
                self.emit('\\', sink);
                c
            }
        };
        self.emit(meant, sink);
        // What is escaped opens no foreign JSON.
        self.last = '\\';
    }

    fn hex(&mut self, mut digits: String, c: char, sink: &mut dyn FnMut(Token)) {
        if !c.is_ascii_hexdigit() {
            self.escape = Escape::Hex(digits);
            self.unfinished_escape(sink);
            return self.push(c, sink);
        }
        digits.push(c);
        if digits.len() < 4 {
            self.escape = Escape::Hex(digits);
            return;
        }
        let unit = u32::from_str_radix(&digits, 16).unwrap_or(0xfffd);
        match (self.high, unit) {
            (Some(high), 0xdc00..=0xdfff) => {
                self.high = None;
                let joined = 0x1_0000 + ((high - 0xd800) << 10) + (unit - 0xdc00);
                self.emit(char::from_u32(joined).unwrap_or('\u{fffd}'), sink);
            }
            (_, 0xd800..=0xdbff) => {
                self.flush(sink);
                self.high = Some(unit);
            }
            _ => self.emit(char::from_u32(unit).unwrap_or('\u{fffd}'), sink),
        }
    }

    fn emit(&mut self, c: char, sink: &mut dyn FnMut(Token)) {
        self.flush(sink);
        if !is_space(c) {
            self.last = c;
        }
        sink(Token::Char(c));
    }

    /// Emits a half surrogate pair that stayed alone, as the replacement character.
    fn flush(&mut self, sink: &mut dyn FnMut(Token)) {
        if self.high.take().is_some() {
            sink(Token::Char('\u{fffd}'));
        }
    }
}
