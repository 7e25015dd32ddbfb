//! Numbers a model gives: how sure it is, and the judge's scores.
//!
//! A number is read or missing; it is never clamped and never guessed. `85` is not 0.85: it could be
//! a score, a typing error or a percentage, so only a percent sign (or the word) makes it one.

use magi_event::Confidence;

use super::words::fold;

/// The longest text read as a number, in bytes.
const MAX_NUMBER: usize = 40;

/// Reads a confidence: a number from 0 to 1, or a percentage from 0 to 100.
pub(super) fn confidence(text: &str) -> Option<Confidence> {
    let text = clean(text)?;
    let percent = ["%", "パーセント", "percent", "per cent"];
    let number = match percent.iter().find_map(|sign| text.strip_suffix(sign)) {
        Some(number) => decimal(number.trim_end())? / 100.0,
        None => decimal(&text)?,
    };
    Confidence::new(number)
}

/// Reads a score from 0 to 100; "85/100", "85点" and "85%" say the same as 85.
pub(super) fn score(text: &str) -> Option<f64> {
    let text = clean(text)?;
    let units = ["/100", "/ 100", "点", "%", "points", "pts"];
    let number = units
        .iter()
        .find_map(|unit| text.strip_suffix(unit))
        .unwrap_or(&text);
    decimal(number.trim_end()).filter(|score| (0.0..=100.0).contains(score))
}

fn clean(text: &str) -> Option<String> {
    if text.len() > MAX_NUMBER {
        return None;
    }
    let quotes = ['"', '\'', '“', '”', '「', '」', '*', '`', ','];
    let text = fold(text);
    Some(text.trim().trim_matches(quotes).trim().to_owned())
}

/// Reads decimal digits with at most a point and an exponent: no words, no hexadecimal.
fn decimal(text: &str) -> Option<f64> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+')) {
        return None;
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}
