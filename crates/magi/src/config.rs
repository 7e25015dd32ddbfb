//! `magi config show`: every setting and where it came from.

use std::io::{self, Write};

use serde_json::json;

use crate::settings::{KNOWN, Settings};

/// Prints all settings; a secret only says whether it is set.
pub(crate) fn show(settings: &Settings, as_json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut all = serde_json::Map::new();
    for known in KNOWN {
        let (text, source) = match settings.get(known.key) {
            Some(value) if known.is_secret => ("(set)".to_owned(), value.source.to_string()),
            Some(value) => (value.text.clone(), value.source.to_string()),
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
