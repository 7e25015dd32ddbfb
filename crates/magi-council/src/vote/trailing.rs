//! What may follow a vote that is still "at the very end": white space, fences, closing marks.

use super::words::is_space;

/// The longest closing element or marker, in characters.
const MAX_MARKER: usize = 40;

/// Elements that wrap a whole answer, so that their end says nothing.
pub(super) const WRAPPERS: [&str; 12] = [
    "vote",
    "ballot",
    "cast_vote",
    "tool_call",
    "function_call",
    "answer",
    "response",
    "output",
    "final",
    "result",
    "json",
    "s",
];

/// Looks at what follows, one character at a time.
#[derive(Debug, Default)]
pub(super) struct Trailing {
    marker: Option<String>,
}

impl Trailing {
    /// Takes one more character; tells whether nothing has followed yet.
    pub(super) fn is_nothing(&mut self, c: char) -> bool {
        let Some(marker) = &mut self.marker else {
            if c == '<' {
                self.marker = Some(String::new());
                return true;
            }
            let mark = matches!(
                c,
                '`' | '~' | '*' | '_' | '}' | ']' | '｝' | '］' | ',' | ';' | '.' | '。'
            );
            return mark || is_space(c);
        };
        if c != '>' {
            marker.push(c);
            return marker.chars().count() <= MAX_MARKER && could_be_marker(marker);
        }
        let over = is_marker(marker);
        self.marker = None;
        over
    }

    /// Tells whether a whole text is nothing.
    pub(super) fn all(text: &str) -> bool {
        let mut trailing = Trailing::default();
        text.chars().all(|c| trailing.is_nothing(c))
    }
}

fn is_marker(marker: &str) -> bool {
    match marker.strip_prefix('/') {
        Some(name) => WRAPPERS.contains(&name.trim()),
        None => {
            marker.starts_with(['|', '｜']) && marker.ends_with(['|', '｜']) && marker.len() > 1
        }
    }
}

fn could_be_marker(marker: &str) -> bool {
    match marker.strip_prefix('/') {
        Some(name) => WRAPPERS
            .iter()
            .any(|wrapper| wrapper.starts_with(name.trim_end())),
        None => marker.starts_with(['|', '｜']),
    }
}
