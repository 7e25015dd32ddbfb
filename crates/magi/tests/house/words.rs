//! One Japanese word for one thing, in every text of the project: the table is in CONTRIBUTING.md.

use std::fs;
use std::path::PathBuf;

use super::failures::{files, root};

const RULES: &str = include_str!("../../../../CONTRIBUTING.md");

/// A word we do not write, the characters that make another word of it when they follow, and the
/// word to write.
const REFUSED: [(&str, &str, &str); 38] = [
    ("コンテナー", "", "コンテナ"),
    ("ブラウザー", "", "ブラウザ"),
    ("バイナリー", "", "バイナリ"),
    ("ライブラリー", "", "ライブラリ"),
    ("フォルダー", "", "フォルダ"),
    ("メモリー", "", "メモリ"),
    ("バッファー", "", "バッファ"),
    ("リポジトリー", "", "リポジトリ"),
    ("レジストリー", "", "レジストリ"),
    ("クエリー", "", "クエリ"),
    ("サーバ", "ー", "サーバー"),
    ("ユーザ", "ー", "ユーザー"),
    ("ヘッダ", "ー", "ヘッダー"),
    ("エミュレータ", "ー", "エミュレーター"),
    ("プロバイダ", "ー", "プロバイダー"),
    ("パラメータ", "ー", "パラメーター"),
    ("評議会", "", "評議"),
    ("合議", "", "評議"),
    ("審判", "", "裁定者"),
    ("票決", "", "票の結果"),
    ("未決", "", "不成立"),
    ("決定規則", "", "決め方"),
    ("前提資料", "", "背景"),
    ("ベンダー", "", "プロバイダー"),
    ("提供元", "", "プロバイダー"),
    ("認証基盤", "", "ID プロバイダー"),
    ("フォールバック", "", "代替モデル"),
    ("配備", "", "デプロイ"),
    // 機械学習 and 機械的 are words of their own.
    ("機械", "学的", "マシン"),
    ("どの道", "", "どの経路"),
    ("中継点", "", "中継"),
    ("読者", "", "読み手"),
    ("偽サーバー", "", "フェイク"),
    ("偽のサーバー", "", "フェイク"),
    ("偽モデル", "", "フェイク"),
    ("コンマ", "", "カンマ"),
    ("頁", "", "ページ"),
    ("1つ", "", "一つ"),
];

/// The documents in Japanese.
fn documents() -> Vec<PathBuf> {
    let mut found = vec![root().join("README.ja.md")];
    files(&root().join("docs"), &[".ja.md"], &mut found);
    found.sort();
    found
}

/// Every file in which Japanese is written for somebody to read.
fn texts() -> Vec<PathBuf> {
    let mut found = documents();
    files(&root().join("web/page/src"), &[".ts", ".tsx"], &mut found);
    files(&root().join("deploy/magi_deploy"), &[".py"], &mut found);
    files(
        &root().join("crates/magi-council/prompts/ja"),
        &[".txt"],
        &mut found,
    );
    for room in fs::read_dir(root().join("crates")).unwrap() {
        let sources = room.unwrap().path().join("src");
        if sources.is_dir() {
            files(&sources, &[".rs"], &mut found);
        }
    }
    found.sort();
    found
}

/// Tells whether a word stands in a line, and not as the beginning of another.
fn stands(line: &str, word: &str, unless: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let next = line[at + word.len()..].chars().next();
        next.is_none_or(|next| !unless.contains(next))
    })
}

/// Tells whether a character is kana or kanji; the long-vowel mark, which never comes first, aside.
fn is_japanese(letter: char) -> bool {
    matches!(letter, '\u{3041}'..='\u{3096}' | '\u{30A1}'..='\u{30FA}' | '\u{4E00}'..='\u{9FFF}')
}

/// Tells whether a Latin letter or a digit touches Japanese.
fn touches(pair: &[char]) -> bool {
    let (left, right) = (pair[0], pair[1]);
    (left.is_ascii_alphanumeric() && is_japanese(right))
        || (is_japanese(left) && right.is_ascii_alphanumeric())
}

/// Where the two touch in a line, outside of code in backticks and of the page's own names, which are
/// quoted in bold as they stand there.
fn touching(line: &str) -> Option<String> {
    let code = line.split('`').step_by(2);
    let mut prose = code.flat_map(|part| part.split("**").step_by(2));
    prose.find_map(|part| {
        let letters: Vec<char> = part.chars().collect();
        let pair = letters.windows(2).find(|pair| touches(pair))?;
        Some(pair.iter().collect())
    })
}

#[test]
fn japanese_texts_use_one_word_for_one_thing() {
    let mut found = Vec::new();
    for path in texts() {
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            for (word, unless, say) in REFUSED {
                if stands(line, word, unless) {
                    let place = format!("{}:{}", path.display(), number + 1);
                    found.push(format!("{place}: {word} -> {say}"));
                }
            }
        }
    }
    assert!(found.is_empty(), "write instead:\n{}", found.join("\n"));
}

#[test]
fn latin_and_japanese_stand_apart_in_documents() {
    let mut found = Vec::new();
    for path in documents() {
        let text = fs::read_to_string(&path).unwrap();
        let mut is_code = false;
        for (number, line) in text.lines().enumerate() {
            if line.starts_with("```") {
                is_code = !is_code;
            } else if let (false, Some(pair)) = (is_code, touching(line)) {
                found.push(format!("{}:{}: {pair}", path.display(), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "a space between:\n{}", found.join("\n"));
}

#[test]
fn every_refused_word_is_in_the_table() {
    for (word, _, say) in REFUSED {
        let told = |line: &str| line.contains(word) && line.contains(say);
        assert!(RULES.lines().any(told), "CONTRIBUTING.md: {word} -> {say}");
    }
    assert!(stands("サーバを", "サーバ", "ー") && !stands("サーバーを", "サーバ", "ー"));
    assert_eq!(touching("2コア"), Some("2コ".to_owned()));
    assert_eq!(touching("2 コアの `x`"), None);
}
