//! Splits an arriving answer into prose for the reader and the block that is the vote.
//!
//! Prose goes out with the very character that arrives. Held back are only characters that could
//! still begin the vote: a fence at the start of a line, a brace, a `<vote>` element; each is let go
//! as soon as the scanner knows better, or, for a whole block without the tag, when prose follows
//! it (then it was a quotation). An answer that is nothing but a block shows its `reasoning` while
//! it grows. Every decision is made character by character, so the deltas' borders cannot matter.

use std::collections::VecDeque;

use super::ballot::Draft;
use super::element;
use super::scan::{Scanner, Step, Token};
use super::trailing::{Trailing, WRAPPERS};
use super::value::Tree;
use super::words::{Field, field, is_space};

/// The longest opening of a fence or of an element, in bytes.
const MAX_OPENING: usize = 64;

/// The longest vote in elements that is held back, in bytes.
const MAX_ELEMENT: usize = 64 * 1024;

/// What a fence that may hold a vote is called.
const FENCES: [&str; 9] = [
    "",
    "json",
    "jsonc",
    "json5",
    "javascript",
    "js",
    "vote",
    "text",
    "plaintext",
];

/// Splits the text of an answer: see the module.
#[derive(Debug)]
pub struct Splitter {
    tag: String,
    mode: Mode,
    /// Characters to look at again, after a block turned out to be none.
    again: VecDeque<char>,
    /// How many more may be looked at again; each new character earns some.
    credit: usize,
    /// Nothing but white space stands on this line so far.
    line_start: bool,
    /// Inside a fence that holds no vote.
    in_fence: bool,
    /// Prose was shown.
    prose: bool,
    /// The last block with the attempt's tag.
    own: Option<String>,
    out: String,
}

/// What was left when the answer ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// Prose that was held back and turned out to be prose.
    pub visible: String,
    /// The raw block of the vote, if one was held back.
    pub block: Option<String>,
}

#[derive(Debug, Default)]
enum Mode {
    #[default]
    Prose,
    /// A run of fence marks, or an element's beginning, or either with what follows its name.
    Opening(Opening, String),
    Block(Box<Held>),
    Element(String),
    After(Box<After>),
}

#[derive(Clone, Copy, Debug)]
enum Opening {
    /// Marks of a fence.
    Marks(char),
    /// The fence's name.
    Name,
    /// `<` and a name.
    Element,
    /// Behind the opening, before the block.
    Inside,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// It carries the tag.
    Own,
    /// It carries none: its own at the very end only.
    Unknown,
}

/// A whole block, and what follows it, which is nothing so far.
#[derive(Debug)]
struct After {
    held: Held,
    whose: Whose,
    trailing: Trailing,
    rest: String,
}

/// A block that may be the vote.
#[derive(Debug, Default)]
struct Held {
    /// The opening of its fence or element.
    opening: String,
    raw: String,
    scanner: Scanner,
    tree: Tree,
    reasoning: Option<Reasoning>,
}

impl Splitter {
    /// Begins an answer; the tag is the one this attempt was asked to put into its vote.
    #[must_use]
    pub fn new(tag: impl Into<String>) -> Self {
        Splitter {
            tag: tag.into(),
            mode: Mode::Prose,
            again: VecDeque::new(),
            credit: 0,
            line_start: true,
            in_fence: false,
            prose: false,
            own: None,
            out: String::new(),
        }
    }

    /// Takes a delta and returns what can be shown now.
    pub fn push(&mut self, delta: &str) -> String {
        for c in delta.chars() {
            self.credit += 8;
            self.again.push_back(c);
            self.drain();
        }
        std::mem::take(&mut self.out)
    }

    /// Ends the answer: shows what was held back, unless it is the vote.
    #[must_use]
    pub fn finish(mut self) -> Tail {
        let mut block = None;
        loop {
            match std::mem::take(&mut self.mode) {
                Mode::Prose => break,
                Mode::Opening(_, text) => self.show(&text),
                Mode::Block(held) => block = self.cut(*held).or(block),
                Mode::Element(text) => self.not_a_block("", &text),
                Mode::After(after) if after.whose == Whose::Own => self.own = Some(after.held.raw),
                Mode::After(after) if self.own.is_some() => {
                    self.release(&after.held);
                    self.show(&after.rest);
                }
                Mode::After(after) => block = Some(after.held.raw),
            }
            self.drain();
        }
        Tail {
            visible: self.out,
            block: self.own.or(block),
        }
    }

    /// Ends a block that is not closed: it is the vote if it has a vote's keys, else prose.
    fn cut(&mut self, mut held: Held) -> Option<String> {
        if !held.scanner.is_known() {
            self.not_a_block(&held.opening, &held.raw);
            return None;
        }
        let mut tree = std::mem::take(&mut held.tree);
        std::mem::take(&mut held.scanner).finish(&mut |token| tree.push(token));
        let draft = tree.finish().map(Draft::of).unwrap_or_default();
        if draft.is_tagged(&self.tag) {
            self.own = Some(held.raw);
        } else if draft.is_foreign(&self.tag) || self.own.is_some() {
            self.release(&held);
        } else {
            return Some(held.raw);
        }
        None
    }

    fn drain(&mut self) {
        while let Some(c) = self.again.pop_front() {
            self.step(c);
        }
    }

    fn step(&mut self, c: char) {
        match std::mem::take(&mut self.mode) {
            Mode::Prose => self.in_prose(c),
            Mode::Opening(opening, text) => self.opening(opening, text, c),
            Mode::Block(held) => self.block(held, c),
            Mode::Element(text) => self.element(text, c),
            Mode::After(after) => self.after(after, c),
        }
    }

    /// Shows text as prose.
    fn show(&mut self, text: &str) {
        for c in text.chars() {
            self.show_char(c);
        }
    }

    fn show_char(&mut self, c: char) {
        let space = is_space(c);
        self.prose |= !space;
        self.line_start = c == '\n' || (self.line_start && (space || c == '>'));
        self.out.push(c);
    }

    fn in_prose(&mut self, c: char) {
        let opens = self.line_start && !self.in_fence;
        match c {
            '{' | '｛' => self.begin(String::new(), c),
            '`' | '~' if opens => self.mode = Mode::Opening(Opening::Marks(c), String::from(c)),
            '`' | '~' if self.line_start => {
                self.in_fence = false;
                self.show_char(c);
            }
            '<' => self.mode = Mode::Opening(Opening::Element, String::from(c)),
            _ => self.show_char(c),
        }
    }

    fn begin(&mut self, opening: String, c: char) {
        let reasoning = (!self.prose).then(Reasoning::default);
        let held = Held {
            opening,
            reasoning,
            ..Held::default()
        };
        self.block(Box::new(held), c);
    }

    fn opening(&mut self, opening: Opening, mut text: String, c: char) {
        let next = match opening {
            Opening::Marks(mark) if c == mark => Some(opening),
            Opening::Marks(_) if text.len() < 3 => None,
            Opening::Marks(_) | Opening::Name => match c {
                '{' | '｛' => return self.begin(text, c),
                '\n' => Some(Opening::Inside),
                _ => may_hold_a_vote(&text, c).then_some(Opening::Name),
            },
            Opening::Element => match element(&text, c) {
                Named::Vote => {
                    text.push(c);
                    self.mode = Mode::Element(text);
                    return;
                }
                Named::Wrapper => Some(Opening::Inside),
                Named::Perhaps => Some(opening),
                Named::No => None,
            },
            Opening::Inside => match c {
                '{' | '｛' => return self.begin(text, c),
                _ => (is_space(c) || c == '[').then_some(opening),
            },
        };
        match next {
            Some(next) => {
                text.push(c);
                self.mode = Mode::Opening(next, text);
            }
            None => {
                self.in_fence = text.starts_with("```") || text.starts_with("~~~");
                self.show(&text);
                self.again.push_front(c);
            }
        }
    }

    fn block(&mut self, mut held: Box<Held>, c: char) {
        held.raw.push(c);
        let Held {
            scanner,
            tree,
            reasoning,
            ..
        } = &mut *held;
        let out = &mut self.out;
        let step = scanner.push(c, &mut |token| {
            if let Some(reasoning) = reasoning {
                reasoning.take(&token, out);
            }
            tree.push(token);
        });
        match step {
            Step::More => self.mode = Mode::Block(held),
            Step::Closed => self.closed(held),
            Step::Interrupted(bytes) => {
                let rest = held.raw.split_off(held.raw.len().saturating_sub(bytes));
                self.look_again(&rest);
                self.closed(held);
            }
            Step::Broken if held.scanner.is_known() => {
                held.raw.pop();
                self.again.push_front(c);
                self.release(&held);
            }
            Step::Broken => self.not_a_block(&held.opening, &held.raw),
        }
    }

    /// Judges a whole block by what it says.
    fn closed(&mut self, mut held: Box<Held>) {
        let draft = std::mem::take(&mut held.tree)
            .finish()
            .map(Draft::of)
            .unwrap_or_default();
        let whose = if draft.is_tagged(&self.tag) {
            Whose::Own
        } else if draft.has_decision() && !draft.is_foreign(&self.tag) {
            Whose::Unknown
        } else {
            return self.release(&held);
        };
        self.mode = Mode::After(After::new(*held, whose));
    }

    /// Shows a block that is not the vote, unless its reasoning was already shown.
    fn release(&mut self, held: &Held) {
        if held
            .reasoning
            .as_ref()
            .is_some_and(|reasoning| reasoning.shown)
        {
            self.prose = true;
            return;
        }
        self.in_fence = is_fence(&held.opening);
        self.show(&held.opening);
        self.show(&held.raw);
    }

    /// Shows the brace that began no block, and looks again at what follows it.
    fn not_a_block(&mut self, opening: &str, raw: &str) {
        self.in_fence |= is_fence(opening);
        self.show(opening);
        let mut rest = raw.chars();
        if let Some(brace) = rest.next() {
            self.show_char(brace);
        }
        let rest = rest.as_str();
        if self.credit < rest.len() {
            self.show(rest);
        } else {
            self.credit -= rest.len();
            self.look_again(rest);
        }
    }

    fn look_again(&mut self, text: &str) {
        for c in text.chars().rev() {
            self.again.push_front(c);
        }
    }

    fn after(&mut self, mut after: Box<After>, c: char) {
        after.rest.push(c);
        if after.trailing.is_nothing(c) {
            self.mode = Mode::After(after);
            return;
        }
        // Something follows: the block's own fence ends with it, the rest is looked at again.
        let After {
            held, whose, rest, ..
        } = *after;
        let (closing, rest) = rest.split_at(own_closing(&held.opening, &rest));
        match whose {
            Whose::Own => {
                self.look_again(rest.trim_start_matches(is_space));
                self.prose |= held.has_shown();
                self.own = Some(held.raw);
            }
            Whose::Unknown => {
                self.look_again(rest);
                self.release(&held);
                self.in_fence = false;
                if !held.has_shown() {
                    self.show(closing);
                }
            }
        }
    }

    fn element(&mut self, mut text: String, c: char) {
        let body = text.split_once('>').map_or("", |(_, body)| body);
        let body = body.trim_start_matches(is_space);
        if matches!(c, '{' | '｛') && body.is_empty() {
            return self.begin(text, c);
        }
        if !body.starts_with('<') && body.len() > MAX_OPENING {
            text.push(c);
            return self.not_a_block("", &text);
        }
        text.push(c);
        let done = c == '>'
            && element::ROOTS
                .iter()
                .any(|root| ends_with_close(&text, root));
        if !done && text.len() <= MAX_ELEMENT {
            self.mode = Mode::Element(text);
            return;
        }
        let blocks = element::find(&text);
        match blocks.first() {
            Some(block) if block.draft.is_tagged(&self.tag) => self.own = Some(text),
            Some(block) if block.draft.has_decision() && !block.draft.is_foreign(&self.tag) => {
                let held = Held {
                    raw: text,
                    ..Held::default()
                };
                self.mode = Mode::After(After::new(held, Whose::Unknown));
            }
            _ => self.not_a_block("", &text),
        }
    }
}

impl After {
    fn new(held: Held, whose: Whose) -> Box<Self> {
        Box::new(After {
            held,
            whose,
            trailing: Trailing::default(),
            rest: String::new(),
        })
    }
}

impl Held {
    /// Tells whether its reasoning was shown as it arrived.
    fn has_shown(&self) -> bool {
        self.reasoning
            .as_ref()
            .is_some_and(|reasoning| reasoning.shown)
    }
}

fn is_fence(opening: &str) -> bool {
    opening.starts_with("```") || opening.starts_with("~~~")
}

fn ends_with_close(text: &str, root: &str) -> bool {
    text.strip_suffix('>')
        .and_then(|text| text.strip_suffix(&root[1..]))
        .is_some_and(|text| text.ends_with("</"))
}

/// Tells whether a fence whose opening goes on with `c` may still hold a vote.
fn may_hold_a_vote(opening: &str, c: char) -> bool {
    let name = opening.trim_start_matches(['`', '~']);
    let mut name = name.to_lowercase();
    name.extend(c.to_lowercase());
    let name = name.trim();
    opening.len() < MAX_OPENING && FENCES.iter().any(|fence| fence.starts_with(name))
}

enum Named {
    Vote,
    Wrapper,
    Perhaps,
    No,
}

/// Tells what an element is whose beginning goes on with `c`.
fn element(opening: &str, c: char) -> Named {
    let name = &opening[1..];
    let is_root = element::ROOTS.iter().any(|root| root[1..] == *name);
    let is_wrapper = WRAPPERS.contains(&name);
    match c {
        '>' | ' ' if is_root => Named::Vote,
        '>' if is_wrapper => Named::Wrapper,
        _ => {
            let longer = format!("{opening}{c}");
            let may = element::ROOTS.iter().any(|root| root.starts_with(&longer))
                || WRAPPERS
                    .iter()
                    .any(|wrapper| wrapper.starts_with(&longer[1..]));
            if may { Named::Perhaps } else { Named::No }
        }
    }
}

/// Returns how many bytes of what follows a block close its own fence.
fn own_closing(opening: &str, rest: &str) -> usize {
    let Some(mark) = opening.chars().next().filter(|_| is_fence(opening)) else {
        return 0;
    };
    let before = rest.len() - rest.trim_start_matches(|c| is_space(c) || c == ']').len();
    let marks = rest[before..].len() - rest[before..].trim_start_matches(mark).len();
    if marks == 0 { 0 } else { before + marks }
}

/// Finds the vote's `reasoning` in the scanner's tokens, and lets it through.
#[derive(Debug, Default)]
struct Reasoning {
    /// For each open container: whether the vote's own keys may be in it.
    open: Vec<bool>,
    key: Option<Field>,
    flowing: bool,
    shown: bool,
    done: bool,
}

impl Reasoning {
    fn take(&mut self, token: &Token, out: &mut String) {
        match token {
            Token::Object | Token::List => {
                let inside = self.open.last().is_none_or(|may| *may);
                let wraps = self.open.is_empty() || self.key.is_none_or(Field::may_wrap);
                self.open.push(inside && wraps);
                self.key = None;
            }
            Token::End => {
                self.open.pop();
            }
            Token::Key(name) => self.key = field(name).or(Some(Field::Confidence)),
            Token::Char(c) => {
                let here = self.open.last().is_some_and(|may| *may);
                if here && !self.done && self.key == Some(Field::Reasoning) {
                    self.flowing = true;
                    self.shown = true;
                    out.push(*c);
                }
            }
            Token::TextEnd => {
                self.done |= self.flowing;
                self.key = None;
            }
            Token::Bare(_) => self.key = None,
        }
    }
}

/// Shows the `reasoning` of a tool call's arguments while they arrive, if the answer had no prose.
#[derive(Debug)]
pub struct ToolArguments {
    scanner: Option<Scanner>,
    reasoning: Reasoning,
}

impl ToolArguments {
    /// Begins a call; with prose before it the call shows nothing.
    #[must_use]
    pub fn new(had_prose: bool) -> Self {
        let scanner = (!had_prose).then(Scanner::default);
        ToolArguments {
            scanner,
            reasoning: Reasoning::default(),
        }
    }

    /// Takes a delta of the arguments and returns what can be shown now.
    pub fn push(&mut self, delta: &str) -> String {
        let mut out = String::new();
        for c in delta.chars() {
            let Some(scanner) = &mut self.scanner else {
                break;
            };
            let reasoning = &mut self.reasoning;
            let step = scanner.push(c, &mut |token| reasoning.take(&token, &mut out));
            if step != Step::More {
                self.scanner = None;
            }
        }
        out
    }

    /// Ends the call and returns what was held back of the reasoning.
    #[must_use]
    pub fn finish(mut self) -> String {
        let mut out = String::new();
        if let Some(scanner) = self.scanner.take() {
            scanner.finish(&mut |token| self.reasoning.take(&token, &mut out));
        }
        out
    }
}
