//! The words by which a deliberation is found.
//!
//! Scripts that put no space between words (Chinese, Japanese, Korean) are cut into overlapping
//! pairs of characters, so that any two-character word is one term of the index; a run's last
//! character stands alone after its pairs, so that every character also begins a term and a word of
//! one character is found by prefix. All other scripts are cut at what is neither letter nor digit.
//! Both sides, text and query, are folded alike: NFKC, lower case, no accents.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The most characters of one text that are indexed: the 256 KiB a context may have would hold up
/// the commit it rides on, and what a document is about is said long before.
pub(crate) const INDEXED_CHARS: usize = 32 * 1024;

/// The most terms of one query; further ones are ignored.
const QUERY_TERMS: usize = 16;

/// One condition of a query: these terms stand one after another, the last perhaps as a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Term {
    /// The terms, in order; never empty.
    pub(crate) words: Vec<String>,
    /// Whether the last word may go on.
    pub(crate) prefix: bool,
}

/// Cuts a text into the terms under which it is found.
pub(crate) fn terms(text: &str) -> Vec<String> {
    let mut terms = Vec::new();
    for run in runs(text, INDEXED_CHARS) {
        match run {
            Run::Word(word) => terms.push(word),
            Run::Dense(chars) => {
                terms.extend(chars.windows(2).map(|pair| pair.iter().collect::<String>()));
                terms.extend(chars.last().map(char::to_string));
            }
        }
    }
    terms
}

/// Reads a query: all its conditions must hold, each somewhere in the deliberation.
pub(crate) fn query(text: &str) -> Vec<Term> {
    let mut terms: Vec<_> = runs(text, INDEXED_CHARS)
        .into_iter()
        .take(QUERY_TERMS)
        .map(|run| match run {
            Run::Word(word) => Term {
                words: vec![word],
                prefix: false,
            },
            Run::Dense(chars) if chars.len() == 1 => Term {
                words: vec![chars.iter().collect()],
                prefix: true,
            },
            Run::Dense(chars) => Term {
                words: chars.windows(2).map(|pair| pair.iter().collect()).collect(),
                prefix: false,
            },
        })
        .collect();
    // The last word of a query may still be being typed.
    if let Some(last) = terms.last_mut()
        && text.chars().next_back().is_some_and(char::is_alphanumeric)
        && !last.words[0].chars().any(is_dense)
    {
        last.prefix = true;
    }
    terms
}

impl Term {
    /// Tells whether a text with these terms holds this condition.
    pub(crate) fn is_in(&self, terms: &[String]) -> bool {
        let Some((last, before)) = self.words.split_last() else {
            return false;
        };
        terms.windows(self.words.len()).any(|window| {
            let (at, first) = (&window[before.len()], &window[..before.len()]);
            first == before && (at == last || (self.prefix && at.starts_with(last.as_str())))
        })
    }
}

/// A stretch of one kind of script.
enum Run {
    Word(String),
    Dense(Vec<char>),
}

fn runs(text: &str, most: usize) -> Vec<Run> {
    let mut runs = Vec::new();
    let folded = text
        .chars()
        .take(most)
        .nfkc()
        .flat_map(char::to_lowercase)
        .flat_map(bare);
    for letter in folded {
        match (runs.last_mut(), is_dense(letter)) {
            (Some(Some(Run::Dense(chars))), true) => chars.push(letter),
            (_, true) => runs.push(Some(Run::Dense(vec![letter]))),
            (Some(Some(Run::Word(word))), false) if letter.is_alphanumeric() => word.push(letter),
            (_, false) if letter.is_alphanumeric() => {
                runs.push(Some(Run::Word(letter.to_string())));
            }
            // A gap: what follows begins a new run even when it is of the same kind.
            _ => runs.push(None),
        }
    }
    runs.into_iter().flatten().collect()
}

/// Takes the accents from a letter; a kana keeps its voicing, which makes another word.
fn bare(letter: char) -> impl Iterator<Item = char> {
    let dense = is_dense(letter);
    let plain = (!dense).then(|| letter.nfd().filter(|c| !is_combining_mark(*c)));
    plain.into_iter().flatten().chain(dense.then_some(letter))
}

/// Tells the scripts that put no spaces, or particles without spaces, between words.
fn is_dense(letter: char) -> bool {
    matches!(letter,
        '\u{3005}'..='\u{3007}'   // 々〆〇
        | '\u{3041}'..='\u{3096}' // hiragana
        | '\u{309D}'..='\u{309F}'
        | '\u{30A1}'..='\u{30FA}' // katakana
        | '\u{30FC}'..='\u{30FF}' // ー and iteration marks
        | '\u{31F0}'..='\u{31FF}'
        | '\u{3400}'..='\u{4DBF}' // Han
        | '\u{4E00}'..='\u{9FFF}'
        | '\u{F900}'..='\u{FAFF}'
        | '\u{AC00}'..='\u{D7A3}' // hangul
        | '\u{20000}'..='\u{323AF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, q: &str) -> bool {
        let terms = terms(text);
        let query = query(q);
        !query.is_empty() && query.iter().all(|term| term.is_in(&terms))
    }

    #[test]
    fn dense_runs_are_pairs_and_a_last_single() {
        assert_eq!(
            terms("AWSへ移行する契約"),
            ["aws", "へ移", "移行", "行す", "する", "る契", "契約", "約"]
        );
    }

    #[test]
    fn words_are_found_in_any_width_case_and_accent() {
        let text = "二つのコンテナを採用すべきか？ Über die ＡＷＳ migration, ﾃﾞｰﾀ移行と契約";
        for q in [
            "移行",
            "契約",
            "採用すべき",
            "約",
            "契",
            "コンテナ",
            "データ",
            "uber",
            "aws",
            "migr",
            "移行 契約",
            "AWS データ",
        ] {
            assert!(found(text, q), "{q}");
        }
        for q in [
            "行移",
            "データ契約",
            "igration",
            "migr die",
            "解約",
            "テータ",
            "",
            "？",
        ] {
            assert!(!found(text, q), "{q}");
        }
    }

    #[test]
    fn a_gap_between_equal_scripts_is_kept() {
        assert_eq!(terms("移行。契約"), ["移行", "行", "契約", "約"]);
        assert_eq!(terms("two-container 1.5"), ["two", "container", "1", "5"]);
    }
}
