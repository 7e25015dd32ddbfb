//! `magi config show`: every setting and where it came from.

use std::io::{self, Write};

use serde_json::json;

use crate::settings::{KNOWN, Settings};

/// Hides the user and password that an address may hold: `http://user:password@host`.
fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://(set)@{}", &rest[at + 1..]),
        None => text.to_owned(),
    }
}

/// Prints all settings; a secret only says whether it is set.
pub(crate) fn show(settings: &Settings, as_json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut all = serde_json::Map::new();
    for known in KNOWN {
        let (text, source) = match settings.get(known.key) {
            Some(value) if known.is_secret => ("(set)".to_owned(), value.source.to_string()),
            Some(value) => (without_password(&value.text), value.source.to_string()),
            None => (String::new(), "not set".to_owned()),
        };
        if as_json {
            all.insert(
                known.key.to_owned(),
                json!({ "value": text, "source": source }),
            );
        } else {
            writeln!(out, "{:<26} {text:<34} {source}", known.key)?;
        }
    }
    if as_json {
        writeln!(out, "{}", serde_json::Value::Object(all))?;
    } else {
        for (model, price) in &settings.prices {
            writeln!(out, "prices.{model}  {price}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        let shown = without_password("http://user:p@ss@127.0.0.1:8000/v1?a=b@c");
        assert_eq!(shown, "http://(set)@127.0.0.1:8000/v1?a=b@c");
        assert_eq!(
            without_password("http://127.0.0.1/a@b"),
            "http://127.0.0.1/a@b"
        );
        assert_eq!(without_password("ollama:qwen3:8b"), "ollama:qwen3:8b");
    }
}
