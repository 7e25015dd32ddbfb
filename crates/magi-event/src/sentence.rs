//! The first sentence of a text, where a reader has no room for all of it.

/// The most characters that are shown of a sentence.
const MOST: usize = 200;

/// Returns the text up to its first sentence's end, at most 200 characters. The page has the same rule.
#[must_use]
pub fn first_sentence(text: &str) -> String {
    let text = text.trim();
    let end = text
        .char_indices()
        .find(|(at, c)| match c {
            '。' | '！' | '？' | '\n' => true,
            '.' | '!' | '?' => text[at + c.len_utf8()..]
                .chars()
                .next()
                .is_none_or(char::is_whitespace),
            _ => false,
        })
        .map_or(
            text.len(),
            |(at, c)| if c == '\n' { at } else { at + c.len_utf8() },
        );
    let sentence = &text[..end];
    match sentence.char_indices().nth(MOST) {
        Some((cut, _)) => format!("{}…", &sentence[..cut]),
        None => sentence.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sentence_ends_where_a_reader_would_end_it() {
        assert_eq!(
            first_sentence("Ship 1.5 on Friday. Then rest."),
            "Ship 1.5 on Friday."
        );
        assert_eq!(
            first_sentence("移行は見送る。費用が合わない。"),
            "移行は見送る。"
        );
        assert_eq!(first_sentence("no end"), "no end");
        assert_eq!(first_sentence("line one\nline two."), "line one");
        assert_eq!(first_sentence(&"あ".repeat(300)).chars().count(), 201);
    }
}
