//! `magi doctor`: what MAGI stands on here, and the one fix for each thing that is wrong.

mod cors;
pub(crate) mod endpoint;
mod faults;
mod page;
mod policy;
mod reply;
mod stream;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use crate::choice::{self, Choice};
use crate::exit::Exit;
use crate::providers;
use crate::settings::Settings;
use crate::show::words::Lang;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Ok,
    Warn,
    Fail,
    Unknown,
}

impl Outcome {
    const fn word(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Warn => "warn",
            Outcome::Fail => "fail",
            Outcome::Unknown => "unknown",
        }
    }
}

/// One thing looked at.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    outcome: Outcome,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

fn ok(name: &'static str, found: impl Into<String>) -> Check {
    Check {
        name,
        outcome: Outcome::Ok,
        found: found.into(),
        fix: None,
    }
}

fn not_ok(
    name: &'static str,
    outcome: Outcome,
    found: impl Into<String>,
    fix: impl Into<String>,
) -> Check {
    Check {
        name,
        outcome,
        found: found.into(),
        fix: Some(fix.into()),
    }
}

/// Looks at everything and prints what it found; nothing is paid for.
pub(crate) async fn run(settings: &Settings, as_json: bool) -> Result<Exit> {
    let lang = Lang::of_terminal(settings.text("lang"));
    let read = lang.pick(
        "read; `magi config show` prints them all",
        "読み込めます。一覧は `magi config show` で見られます",
    );
    let mut checks = vec![ok("settings", read)];
    checks.push(data_folder(lang, &settings.data_dir()));
    checks.push(store(lang, settings).await);
    checks.extend(serving(lang, settings));
    match choice::choose(settings) {
        Ok(choice) => models(lang, settings, &choice, &mut checks).await,
        Err(error) => checks.push(not_ok(
            "models",
            Outcome::Fail,
            error.to_string(),
            lang.pick(
                "correct the setting it names",
                "示された設定を直してください",
            ),
        )),
    }
    print(lang, &checks, as_json)?;
    let has_failed = checks.iter().any(|check| check.outcome == Outcome::Fail);
    Ok(if has_failed { Exit::Failed } else { Exit::Done })
}

fn data_folder(lang: Lang, folder: &Path) -> Check {
    let shown = folder.display();
    let probe = folder.join(".doctor");
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&probe, b"ok"));
    // The probe is ours; that it cannot be removed is no news once it could be written.
    let _ = std::fs::remove_file(&probe);
    match written {
        Ok(()) => ok(
            "data folder",
            match lang {
                Lang::En => format!("{shown} is writable"),
                Lang::Ja => format!("{shown} に書き込めます"),
            },
        ),
        Err(error) => not_ok(
            "data folder",
            Outcome::Fail,
            match lang {
                Lang::En => format!("{shown} is not writable: {error}"),
                Lang::Ja => format!("{shown} に書き込めません: {error}"),
            },
            lang.pick(
                "choose another with --data-dir or MAGI_DATA_DIR, or give yourself the right to write there",
                "--data-dir か MAGI_DATA_DIR で別のフォルダを選ぶか、書き込む権限を与えてください",
            ),
        ),
    }
}

async fn store(lang: Lang, settings: &Settings) -> Check {
    match crate::house::count(settings).await {
        Ok(n_stored) => ok(
            "store",
            match lang {
                Lang::En => format!("opens; the newest page holds {n_stored} deliberations"),
                Lang::Ja => format!("開けます。新しいものから{n_stored}件の審議があります"),
            },
        ),
        Err(error) => not_ok(
            "store",
            Outcome::Fail,
            format!("{error:#}"),
            if crate::house::is_damaged(&error) {
                // What the refusal itself advises.
                lang.pick(
                    "bring back a backup (`magi restore FILE --force`), or move the data folder away and begin anew",
                    "複製を戻すか（`magi restore FILE --force`）、データフォルダを別の場所へ移して始め直してください",
                )
            } else if error.is::<crate::house::ReadOnly>() {
                lang.pick(
                    "choose another with --data-dir, or make it writable",
                    "--data-dir で別のフォルダを選ぶか、書き込めるようにしてください",
                )
            } else {
                lang.pick(
                    "keep the file aside and start anew in another folder with --data-dir",
                    "ファイルは別に取っておき、--data-dir で別のフォルダを選んで始め直してください",
                )
            },
        ),
    }
}

fn serving(lang: Lang, settings: &Settings) -> Option<Check> {
    let host = settings.text("host");
    let is_local = host
        .parse::<std::net::IpAddr>()
        .map_or(host == "localhost", |ip| ip.is_loopback());
    if !is_local && settings.text("trust") == "local" {
        return Some(not_ok(
            "serving",
            Outcome::Fail,
            match lang {
                Lang::En => format!("`{host}` is open to other machines, and trust is `local`"),
                Lang::Ja => {
                    format!("`{host}` はほかのマシンからも届きますが、trust が `local` です")
                }
            },
            lang.pick(
                "set MAGI_TOKEN and --trust token, or listen on 127.0.0.1",
                "MAGI_TOKEN と --trust token を設定するか、127.0.0.1 で待ち受けてください",
            ),
        ));
    }
    if settings.text("trust") == "token" && settings.text("token").is_empty() {
        return Some(not_ok(
            "serving",
            Outcome::Fail,
            lang.pick(
                "trust is `token`, and there is none",
                "trust が `token` ですが、トークンがありません",
            ),
            lang.pick(
                "set MAGI_TOKEN to a long random text",
                "MAGI_TOKEN に長いランダムな文字列を設定してください",
            ),
        ));
    }
    None
}

async fn models(lang: Lang, settings: &Settings, choice: &Choice, checks: &mut Vec<Check>) {
    if choice.is_rehearsal() {
        checks.push(not_ok(
            "models",
            Outcome::Warn,
            lang.pick(
                "rehearsal answers: no model is configured",
                "モデルが設定されていないため、リハーサルが答えます",
            ),
            lang.pick(
                "set ANTHROPIC_API_KEY or OPENAI_API_KEY, or MAGI_MODEL=ollama:NAME for a local model, or \
                 MAGI_MODEL=bedrock:ID",
                "ANTHROPIC_API_KEY か OPENAI_API_KEY を設定するか、ローカルのモデルなら MAGI_MODEL=ollama:名前、\
                 Bedrock なら MAGI_MODEL=bedrock:ID を指定してください",
            ),
        ));
        return;
    }
    checks.push(ok("models", choice.line(lang)));
    let mut vendors: Vec<_> = choice
        .models
        .values()
        .map(|model| model.provider.clone())
        .collect();
    vendors.sort();
    vendors.dedup();
    for vendor in vendors.iter().filter(|vendor| *vendor != "rehearsal") {
        if vendor == "bedrock" {
            checks.extend(reach_bedrock(lang, settings, choice).await);
        } else {
            checks.push(reach(lang, settings, choice, vendor).await);
        }
    }
}

/// Has Bedrock count the tokens of a word for each model chosen: that costs nothing, and needs
/// region, credentials and id.
async fn reach_bedrock(lang: Lang, settings: &Settings, choice: &Choice) -> Vec<Check> {
    let chosen = choice.all();
    let models: BTreeSet<_> = chosen
        .filter(|model| model.provider == "bedrock")
        .map(|model| model.model.as_str())
        .collect();
    let mut checks = Vec::new();
    for model in models {
        checks.push(
            match providers::check_bedrock(lang, settings, model).await {
                Ok(found) => ok("provider", found),
                Err(error) => {
                    let fix = providers::fix(lang, "bedrock", &error);
                    let found = format!("bedrock, {model}: {error}");
                    not_ok("provider", Outcome::Fail, found, fix)
                }
            },
        );
    }
    checks
}

/// Asks a vendor for its list of models: the one call that costs nothing and needs the key.
async fn reach(lang: Lang, settings: &Settings, choice: &Choice, vendor: &str) -> Check {
    match providers::list(settings, vendor).await {
        Ok(offered) => {
            let missing: BTreeSet<_> = choice
                .models
                .values()
                .filter(|model| model.provider == vendor && !offered.contains(&model.model))
                .map(|model| model.model.as_str())
                .collect();
            let missing: Vec<_> = missing.into_iter().collect();
            if missing.is_empty() {
                return ok(
                    "provider",
                    match lang {
                        Lang::En => format!("{vendor} answers and offers every model chosen"),
                        Lang::Ja => {
                            format!("{vendor} は応答し、選ばれたモデルをすべて提供しています")
                        }
                    },
                );
            }
            not_ok(
                "provider",
                Outcome::Warn,
                match lang {
                    Lang::En => {
                        format!("{vendor} answers, but does not list {}", missing.join(", "))
                    }
                    Lang::Ja => format!(
                        "{vendor} は応答しますが、一覧に {} がありません",
                        missing.join("、")
                    ),
                },
                match lang {
                    Lang::En => format!(
                        "`magi models` lists what {vendor} offers; set MAGI_MODEL to one of them"
                    ),
                    Lang::Ja => format!(
                        "{vendor} が提供するモデルは `magi models` で見られます。MAGI_MODEL にその一つを指定してください"
                    ),
                },
            )
        }
        Err(error) => {
            let fix = providers::fix(lang, vendor, &error);
            not_ok("provider", Outcome::Fail, format!("{vendor}: {error}"), fix)
        }
    }
}

fn print(lang: Lang, checks: &[Check], as_json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if as_json {
        return writeln!(out, "{}", serde_json::json!({ "checks": checks }));
    }
    for check in checks {
        writeln!(
            out,
            "{:<5} {:<12} {}",
            check.outcome.word(),
            check.name,
            check.found
        )?;
        if let Some(fix) = &check.fix {
            writeln!(out, "      {}: {fix}", lang.pick("fix", "対処"))?;
        }
    }
    let n_wrong = checks
        .iter()
        .filter(|check| check.outcome == Outcome::Fail)
        .count();
    match lang {
        Lang::En => writeln!(
            out,
            "{n_wrong} {}. Nothing was paid for.",
            if n_wrong == 1 { "problem" } else { "problems" }
        ),
        Lang::Ja => writeln!(out, "問題{n_wrong}件。費用はかかっていません。"),
    }
}
