//! Wrapping of text to a width in terminal cells.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Returns the last `height` lines of `text` wrapped to `width` cells.
///
/// Latin words are kept whole where they fit; Japanese breaks anywhere, as it may.
pub(crate) fn tail(text: &str, width: usize, height: usize) -> Vec<String> {
    if width == 0 || height == 0 {
        return Vec::new();
    }
    // Only the end is shown, so only the end is wrapped: each line holds at most `width` letters.
    let most = width.saturating_mul(height).saturating_mul(2);
    let start = text.char_indices().rev().nth(most).map_or(0, |(at, _)| at);
    let mut lines = Vec::new();
    for paragraph in text[start..].split('\n') {
        wrap(paragraph, width, &mut lines);
    }
    let skip = lines.len().saturating_sub(height);
    lines.split_off(skip)
}

/// Returns as much of the front of `text` as fits in `width` cells, marked when it is cut.
pub(crate) fn head(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut cells = 1;
    let fits = |c: &char| {
        cells += c.width().unwrap_or(0);
        cells <= width
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

fn wrap(paragraph: &str, width: usize, lines: &mut Vec<String>) {
    let mut line = String::new();
    let mut cells = 0;
    for word in words(paragraph) {
        let length = word.width();
        if cells > 0 && cells + word.trim_end().width() > width {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
            cells = 0;
        }
        if length <= width {
            line.push_str(word);
            cells += length;
            continue;
        }
        for c in word.chars() {
            let cell = c.width().unwrap_or(0);
            if cells + cell > width {
                lines.push(std::mem::take(&mut line));
                cells = 0;
            }
            line.push(c);
            cells += cell;
        }
    }
    lines.push(line.trim_end().to_owned());
}

/// What may not begin a line in Japanese: it stays with the letter before it.
///
/// Source: JIS X 4051, characters that may not start a line (the common ones).
const CLINGING: &str =
    "、。，．・：；？！」』）］｝〉》】〕”’ーァィゥェォッャュョぁぃぅぇぉっゃゅょ々…‥";

/// Splits where a line may break: after a space, and around every wide letter but before what may
/// not begin a line.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (word, after) = rest.split_at(first_break(rest));
        rest = after;
        (!word.is_empty()).then_some(word)
    })
}

fn first_break(text: &str) -> usize {
    let mut end = 0;
    let mut may_break = false;
    for (at, c) in text.char_indices() {
        let is_wide = c.width().unwrap_or(0) > 1;
        if !CLINGING.contains(c) && (may_break || (is_wide && at > 0)) {
            return at;
        }
        end = at + c.len_utf8();
        may_break = is_wide || c == ' ' || (may_break && CLINGING.contains(c));
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_whole_and_japanese_breaks_anywhere() {
        assert_eq!(
            tail("the quick brown fox", 10, 9),
            ["the quick", "brown fox"]
        );
        assert_eq!(tail("移行は見送る", 6, 9), ["移行は", "見送る"]);
        assert_eq!(
            tail("AWSの費用 is high", 6, 9),
            ["AWSの", "費用", "is", "high"]
        );
        assert_eq!(tail("abcdefghij", 4, 9), ["abcd", "efgh", "ij"]);
    }

    #[test]
    fn only_the_end_is_kept() {
        assert_eq!(tail("a\nb\nc\nd", 5, 2), ["c", "d"]);
        assert_eq!(tail("", 5, 2), [""]);
        assert!(tail("abc", 0, 2).is_empty());
        let long = "word ".repeat(100_000);
        assert_eq!(tail(&long, 20, 3).len(), 3);
    }

    #[test]
    fn no_line_is_wider_than_asked() {
        let text = "混ぜた text の 行 is wrapped あいうえおかきくけこ averyveryverylongword 終";
        for width in 2..40 {
            for line in tail(text, width, 1000) {
                assert!(line.width() <= width, "{line:?} at {width}");
            }
        }
    }
}
