//! Where a string ends.
//!
//! Models forget to escape: `"they call it "proven", but"`. A quote is therefore taken for the end
//! of its string only when what follows could follow a string: a brace, a comma and the next key,
//! the next line's key. Everything here is a pure look at the few characters after a quote, so the
//! scanner can ask again with each one that arrives.

use super::words::is_space;

/// The longest key, in characters.
pub(super) const MAX_KEY: usize = 64;

/// The most bytes looked at before a quote is believed.
const MAX_LOOK: usize = 512;

/// What holds the string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is a value of an object: a key may follow.
    Object,
    /// It is an item of a list: another item may follow.
    List,
    /// It is the whole text.
    Alone,
}

/// What a quote turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    /// The end of its string.
    End,
    /// A character of its string.
    Part,
    /// Not known yet: the next character decides.
    Open,
}

/// Returns the quotes that may end a string begun with `open`, or nothing if `open` begins none.
pub(super) const fn closers(open: char) -> &'static [char] {
    match open {
        '"' | '＂' => &['"', '”', '＂'],
        '“' | '”' | '‟' | '„' => &['”', '“', '‟', '"'],
        '\'' | '＇' => &['\'', '’', '＇'],
        '‘' | '’' | '‚' => &['’', '‘', '\''],
        '「' => &['」'],
        '『' => &['』'],
        _ => &[],
    }
}

/// Returns the plain form of full-width punctuation, and any other character as it is.
pub(super) const fn plain(c: char) -> char {
    match c {
        '｛' => '{',
        '｝' => '}',
        '［' => '[',
        '］' => ']',
        '：' => ':',
        '，' | ';' | '；' => ',',
        other => other,
    }
}

/// Tells whether a bare key may hold this character.
pub(super) fn in_bare_key(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '$')
}

/// Decides whether a quote ends its string, from what follows it so far.
pub(super) fn closing(rest: &str, place: Place) -> Closing {
    if rest.len() > MAX_LOOK {
        return Closing::End;
    }
    let after = rest.trim_start_matches(is_space);
    let new_line = rest[..rest.len() - after.len()].contains(['\n', '\r']);
    let Some(first) = after.chars().next() else {
        return Closing::Open;
    };
    match (plain(first), place) {
        ('}', Place::Object | Place::List) | (']', Place::List) => Closing::End,
        (',', Place::Object) => before_key(&after[first.len_utf8()..]),
        (',', Place::List) => before_item(&after[first.len_utf8()..]),
        ('/', Place::Object | Place::List) => comment(after),
        ('#', Place::Object | Place::List) if new_line => Closing::End,
        ('`' | '~' | '<', _) if new_line => interruption(after),
        (_, Place::Object) if new_line => before_key(after),
        (_, Place::List) if new_line => before_item(after),
        _ => Closing::Part,
    }
}

/// Decides from the text after a comma in an object: a key and its colon must follow.
fn before_key(text: &str) -> Closing {
    let text = text.trim_start_matches(is_space);
    let Some(first) = text.chars().next() else {
        return Closing::Open;
    };
    match plain(first) {
        '}' | '#' => return Closing::End,
        '/' => return comment(text),
        '`' | '~' | '<' => return interruption(text),
        _ => {}
    }
    let quotes = closers(first);
    let (key, after) = if quotes.is_empty() {
        let end = text.find(|c| !in_bare_key(c)).unwrap_or(text.len());
        (&text[..end], &text[end..])
    } else {
        let body = &text[first.len_utf8()..];
        let end = body.find(quotes).unwrap_or(body.len());
        (&body[..end], body[end..].trim_start_matches(quotes))
    };
    if key.chars().count() > MAX_KEY || key.contains('\n') {
        return Closing::Part;
    }
    match after.trim_start_matches(is_space).chars().next().map(plain) {
        Some(':') if !key.is_empty() => Closing::End,
        Some(_) => Closing::Part,
        None => Closing::Open,
    }
}

/// Decides from the text after a comma in a list: an item or the list's end must follow.
fn before_item(text: &str) -> Closing {
    let text = text.trim_start_matches(is_space);
    let Some(first) = text.chars().next() else {
        return Closing::Open;
    };
    match plain(first) {
        ']' | '}' | '{' | '[' | '#' => Closing::End,
        '/' => comment(text),
        '`' | '~' | '<' => interruption(text),
        'n' => starts(text, "null"),
        _ if closers(first).is_empty() => Closing::Part,
        _ => Closing::End,
    }
}

fn comment(text: &str) -> Closing {
    match (starts(text, "//"), starts(text, "/*")) {
        (Closing::Part, block) => block,
        (line, _) => line,
    }
}

/// Decides from a mark that may be the end of the fence or the element around a block.
fn interruption(text: &str) -> Closing {
    let ends = ["```", "~~~", "</"].map(|end| starts(text, end));
    *ends
        .iter()
        .find(|end| **end != Closing::Part)
        .unwrap_or(&Closing::Part)
}

/// Tells whether the text starts with a word, or still could.
fn starts(text: &str, word: &str) -> Closing {
    if text.starts_with(word) {
        Closing::End
    } else if word.starts_with(text) {
        Closing::Open
    } else {
        Closing::Part
    }
}
