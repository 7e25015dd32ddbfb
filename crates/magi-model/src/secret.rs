//! A vendor's key, which is never shown.

use http::HeaderValue;

/// What stands where a key stood.
const HIDDEN: &str = "[key]";

/// A vendor's key. It has no `Debug` and no `Display`, so that no log line can hold it.
#[derive(Clone)]
pub struct Key(Box<str>);

/// A text that cannot be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key must be one line of visible ASCII characters, and not empty")]
pub struct KeyError;

impl Key {
    /// Makes a key from text, without the white space around it.
    ///
    /// # Errors
    ///
    /// When what is left is empty or could not stand in an HTTP header. The error does not repeat it.
    pub fn new(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(KeyError);
        }
        Ok(Key(text.into()))
    }

    /// Returns the key itself, for a vendor's own SDK that makes the header.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the header value `prefix` + key, marked so that HTTP code does not log it.
    pub(crate) fn header(&self, prefix: &str) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(&format!("{prefix}{}", self.0)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// Returns the text without this key and without anything shaped like a vendor's key.
///
/// A vendor may quote a key in its reason (OpenAI's 401 does, masked); a proxy in between may quote
/// the whole request.
#[must_use]
pub fn scrub(text: &str, key: Option<&Key>) -> String {
    let text = match key {
        Some(key) => text.replace(&*key.0, HIDDEN),
        None => text.to_owned(),
    };
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((at, prefix)) = next_secret(rest) {
        clean.push_str(&rest[..at]);
        clean.push_str(HIDDEN);
        let tail = &rest[at + prefix..];
        let end = tail.find(|c: char| !is_key_char(c)).unwrap_or(tail.len());
        rest = &tail[end..];
    }
    clean.push_str(rest);
    clean
}

/// Finds where a key-shaped word begins, and the length of what marks it.
fn next_secret(text: &str) -> Option<(usize, usize)> {
    ["sk-", "Bearer ", "bearer "]
        .into_iter()
        .filter_map(|prefix| Some((find_word(text, prefix)?, prefix.len())))
        .min()
}

fn find_word(text: &str, prefix: &str) -> Option<usize> {
    text.match_indices(prefix).map(|found| found.0).find(|at| {
        let starts = !text[..*at].ends_with(is_key_char);
        let tail = &text[at + prefix.len()..];
        let length = tail.find(|c: char| !is_key_char(c)).unwrap_or(tail.len());
        starts && length >= 8
    })
}

fn is_key_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '*' | '+' | '/' | '=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_visible_line() {
        assert!(Key::new(" sk-abc\n").is_ok());
        for bad in ["", "  ", "a b", "a\nb", "鍵"] {
            assert!(Key::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn keys_are_scrubbed_and_words_are_not() {
        let key = Key::new("tok.secret+value").unwrap();
        for (text, clean) in [
            ("bad tok.secret+value!", "bad [key]!"),
            (
                "Incorrect API key provided: sk-proj-ab***yz12.",
                "Incorrect API key provided: [key]",
            ),
            (
                "Authorization: Bearer abcdefghij; x",
                "Authorization: [key]; x",
            ),
            (
                "a task-oriented risk-averse sk-i plan",
                "a task-oriented risk-averse sk-i plan",
            ),
            ("鍵は sk-1234567890 です", "鍵は [key] です"),
        ] {
            assert_eq!(scrub(text, Some(&key)), clean);
        }
    }
}
