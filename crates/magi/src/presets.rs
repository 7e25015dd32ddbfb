//! `magi presets`: the councils there are, in the data folder or on a server, and one's own.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use magi_client::Client;
use magi_council::Preset;
use magi_log::Logs;
use serde_json::{Map, Value, json};

use crate::args::{Presets, PresetsCommand};
use crate::exit::{Exit, OrUsage};
use crate::house;
use crate::settings::Settings;
use crate::show::words::Lang;

/// The most bytes of a preset's file: more than any preset holds.
const LARGEST: u64 = 4 * 1024 * 1024;

/// What a person writes of a preset, in the order of its file.
const WRITTEN: [&str; 5] = ["title", "good_for", "bad_at", "base", "council"];

/// Where the presets are.
enum Place {
    /// In the data folder.
    Here(Logs),
    /// On a server.
    There(Client),
}

/// Runs `magi presets`.
pub(crate) async fn run(settings: &Settings, flags: &Presets) -> Result<Exit> {
    let place = Place::open(settings, flags.server.as_deref())?;
    let lang = Lang::of_terminal(settings.text("lang"));
    let done = place.run(flags.command.as_ref(), lang).await;
    place.close().await;
    done
}

impl Place {
    fn open(settings: &Settings, server: Option<&str>) -> Result<Place> {
        let Some(url) = server else {
            return Ok(Place::Here(house::logs_to_read(settings)?));
        };
        let token = settings.get("token").map(|value| value.text.as_str());
        Ok(Place::There(Client::new(url, token)?))
    }

    async fn close(self) {
        if let Place::Here(logs) = self {
            logs.close().await;
        }
    }

    async fn run(&self, command: Option<&PresetsCommand>, lang: Lang) -> Result<Exit> {
        match command {
            None => self.list(false, lang).await?,
            Some(PresetsCommand::List { json }) => self.list(*json, lang).await?,
            Some(PresetsCommand::Show {
                name,
                version,
                json,
            }) => {
                let preset = self.get(name, *version).await?;
                let text = if *json {
                    format!("{preset}\n")
                } else {
                    whole(&preset, lang)
                };
                io::stdout().lock().write_all(text.as_bytes())?;
            }
            Some(PresetsCommand::Import { file, name }) => {
                let body = read(file).or_usage()?;
                let name = named(&body, name.as_deref()).or_usage()?;
                tell(&self.save(&name, body).await?)?;
            }
            Some(PresetsCommand::Export { name, version }) => {
                let preset = self.get(name, *version).await?;
                let text = serde_json::to_string_pretty(&file_of(&preset))?;
                writeln!(io::stdout().lock(), "{text}")?;
            }
            Some(PresetsCommand::Copy { from, to }) => {
                let mut body = file_of(&self.get(from, None).await?);
                body.insert("if_version".into(), json!(0));
                tell(&self.save(to, body).await?)?;
            }
            Some(PresetsCommand::Rm { name }) => {
                self.delete(name).await?;
                writeln!(io::stderr().lock(), "removed {name}")?;
            }
            Some(PresetsCommand::Edit { name }) => return self.edit(name).await,
        }
        Ok(Exit::Done)
    }

    async fn list(&self, is_json: bool, lang: Lang) -> Result<()> {
        let presets = match self {
            Place::Here(logs) => {
                let lines = magi_council::Presets::of(logs).list().await?;
                let lines = lines.iter().map(serde_json::to_value);
                lines.collect::<Result<Vec<_>, _>>()?
            }
            Place::There(client) => client.presets().await?,
        };
        let mut out = io::stdout().lock();
        for preset in &presets {
            if is_json {
                writeln!(out, "{preset}")?;
            } else {
                out.write_all(line(preset, lang).as_bytes())?;
            }
        }
        Ok(())
    }

    async fn get(&self, name: &str, version: Option<u32>) -> Result<Value> {
        Ok(match self {
            Place::Here(logs) => {
                let presets = magi_council::Presets::of(logs);
                serde_json::to_value(presets.get(name, version).await?)?
            }
            Place::There(client) => client.preset(name, version).await?,
        })
    }

    async fn save(&self, name: &str, body: Map<String, Value>) -> Result<Value> {
        Ok(match self {
            Place::Here(logs) => {
                let presets = magi_council::Presets::of(logs);
                let (preset, _) = presets.save(name, &Value::Object(body)).await?;
                serde_json::to_value(preset)?
            }
            Place::There(client) => client.save_preset(name, body).await?,
        })
    }

    async fn delete(&self, name: &str) -> Result<()> {
        match self {
            Place::Here(logs) => magi_council::Presets::of(logs).delete(name).await?,
            Place::There(client) => client.delete_preset(name).await?,
        }
        Ok(())
    }

    /// Lets a person change a preset in their editor. What is refused is kept in its file.
    async fn edit(&self, name: &str) -> Result<Exit> {
        if Preset::find(name).is_some() {
            return Err(anyhow!(
                "`{name}` is built in and cannot be changed: `magi presets copy {name} NEW`, then edit that"
            ))
            .or_usage();
        }
        let preset = self.get(name, None).await?;
        let mut file = file_of(&preset);
        file.insert("if_version".into(), preset["version"].clone());
        let before = serde_json::to_string_pretty(&file)? + "\n";
        let path = std::env::temp_dir().join(format!("magi-{name}-{}.json", std::process::id()));
        create(&path, &before).with_context(|| format!("failed to write {}", path.display()))?;
        let edited = open_editor(&path).and_then(|()| Ok(std::fs::read_to_string(&path)?));
        let saved = match edited {
            Ok(text) if text == before => {
                writeln!(io::stderr().lock(), "nothing was changed")?;
                Ok(Exit::Done)
            }
            Ok(text) => match object(&text) {
                Ok(body) => self.save(name, body).await.and_then(|saved| {
                    tell(&saved)?;
                    Ok(Exit::Done)
                }),
                Err(error) => Err(error).or_usage(),
            },
            Err(error) => Err(error),
        };
        if let Err(error) = saved {
            let kept = path.display();
            let to_go_on = format!(
                "nothing was saved; the text is kept in {kept}: mend it, then \
                 `magi presets import {kept} --name {name}`"
            );
            writeln!(io::stderr().lock(), "{to_go_on}")?;
            return Err(error);
        }
        std::fs::remove_file(&path)?;
        saved
    }
}

/// Returns what a file holds of a preset.
fn file_of(preset: &Value) -> Map<String, Value> {
    let named = [("name".to_owned(), preset["name"].clone())];
    let written = WRITTEN.map(|field| (field.to_owned(), preset[field].clone()));
    named.into_iter().chain(written).collect()
}

/// Reads a preset's file, or stdin.
fn read(file: &str) -> Result<Map<String, Value>> {
    let mut text = String::new();
    if file == "-" {
        io::stdin().lock().take(LARGEST).read_to_string(&mut text)?;
    } else {
        let opened = std::fs::File::open(file).with_context(|| format!("failed to read {file}"))?;
        opened
            .take(LARGEST)
            .read_to_string(&mut text)
            .with_context(|| format!("failed to read {file}"))?;
    }
    object(&text)
}

fn object(text: &str) -> Result<Map<String, Value>> {
    serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .context("the preset is no JSON object: `magi presets export default` shows one")
}

fn named(body: &Map<String, Value>, name: Option<&str>) -> Result<String> {
    let inside = body.get("name").and_then(Value::as_str);
    let name = name.or(inside);
    name.map(str::to_owned)
        .context("the file has no `name`: give one with --name")
}

/// Writes a file that only its owner may read, and that was not there before.
fn create(path: &Path, text: &str) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

/// Lets the person's editor change a file, and waits for it to end.
fn open_editor(path: &Path) -> Result<()> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let editor = set("VISUAL").or_else(|| set("EDITOR"));
    let editor = editor.unwrap_or_else(|| OsString::from("vi"));
    let editor = editor.to_string_lossy();
    let mut words = editor.split_whitespace();
    let program = words.next().context("EDITOR is blank")?;
    let status = std::process::Command::new(program)
        .args(words)
        .arg(path)
        .status()
        .with_context(|| format!("failed to start the editor `{editor}`: set EDITOR"))?;
    if !status.success() {
        bail!("the editor `{editor}` ended with {status}");
    }
    Ok(())
}

fn tell(saved: &Value) -> Result<()> {
    let (name, version) = (&saved["name"], &saved["version"]);
    let name = name.as_str().unwrap_or_default();
    writeln!(io::stderr().lock(), "saved {name}, version {version}")?;
    Ok(())
}

/// Returns a text in the terminal's language, or in the one there is.
fn text(texts: &Value, lang: Lang) -> &str {
    let [own, other] = match lang {
        Lang::En => ["en", "ja"],
        Lang::Ja => ["ja", "en"],
    };
    let found = texts[own].as_str().or(texts[other].as_str());
    found.unwrap_or_default()
}

fn line(preset: &Value, lang: Lang) -> String {
    let name = preset["name"].as_str().unwrap_or_default();
    let version = match preset["builtin"].as_bool() {
        Some(true) => lang.pick("built in", "組み込み").to_owned(),
        _ => format!("v{}", preset["version"]),
    };
    let rule = preset["rule"].as_str().unwrap_or_default();
    format!(
        "{name}  ({version}, {rule}, {} {}, {} {})  {}\n    {}: {}\n    {}: {}\n",
        lang.pick("quorum", "定足数"),
        preset["quorum"],
        lang.pick("used", "使用"),
        preset["used"],
        text(&preset["title"], lang),
        lang.pick("good for", "向いていること"),
        text(&preset["good_for"], lang),
        lang.pick("bad at", "苦手なこと"),
        text(&preset["bad_at"], lang),
    )
}

fn whole(preset: &Value, lang: Lang) -> String {
    let mut shown = line(preset, lang);
    let effective = &preset["effective"];
    let base = preset["base"].as_str().unwrap_or_default();
    let made_from = lang.pick("made from", "土台");
    shown.push_str(&format!("    {made_from}: {base}\n"));
    if preset["deleted"] == json!(true) {
        let deleted = lang.pick("deleted since", "削除済み");
        shown.push_str(&format!("    {deleted}\n"));
    }
    for (agent, role) in effective["roles"].as_object().into_iter().flatten() {
        let model = role["model"].as_str();
        let model = model.unwrap_or(lang.pick("the settings' model", "設定のモデル"));
        let is_in = role["enabled"] == json!(true);
        let model = if is_in {
            model
        } else {
            lang.pick("not in the council", "評議に加わらない")
        };
        shown.push_str(&format!("\n{agent}: {model}\n"));
        if is_in {
            let prompt = text(&role["prompt"], lang);
            shown.push_str(&format!("{}\n", prompt.trim()));
        }
    }
    for name in ["deadlines", "budget"] {
        shown.push_str(&format!("\n{name}: {}\n", effective[name]));
    }
    shown.push_str(&format!("late: {}\n", effective["late"]));
    shown
}
