//! Settings: flag over environment over file over default, each value with where it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A flag of this command.
    Flag,
    /// An environment variable, by name.
    Env(&'static str),
    /// The settings file.
    File(PathBuf),
    /// Nobody said otherwise.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Flag => f.write_str("flag"),
            Source::Env(name) => write!(f, "environment {name}"),
            Source::File(path) => write!(f, "file {}", path.display()),
            Source::Default => f.write_str("default"),
        }
    }
}

/// One setting that exists.
#[derive(Debug)]
pub(crate) struct Known {
    /// Its name, as a dotted path in the file.
    pub(crate) key: &'static str,
    /// Environment variables that set it, the first one found wins.
    pub(crate) env: &'static [&'static str],
    /// Its value when nobody says otherwise.
    pub(crate) default: Option<&'static str>,
    /// Whether the value is a secret, which is never shown.
    pub(crate) is_secret: bool,
}

const fn known(
    key: &'static str,
    env: &'static [&'static str],
    default: Option<&'static str>,
) -> Known {
    Known {
        key,
        env,
        default,
        is_secret: false,
    }
}

const fn secret(key: &'static str, env: &'static [&'static str]) -> Known {
    Known {
        key,
        env,
        default: None,
        is_secret: true,
    }
}

/// Every setting, in the order in which `magi config show` prints them.
///
/// Secrets have no flag: a flag is seen by everyone on the machine.
pub(crate) const KNOWN: &[Known] = &[
    known("data_dir", &["MAGI_DATA_DIR"], None),
    known("lang", &["MAGI_LANG"], Some("auto")),
    known("preset", &["MAGI_PRESET"], Some("default")),
    known("model", &["MAGI_MODEL"], None),
    known("models.caspar", &["MAGI_CASPAR_MODEL"], None),
    known("models.balthasar", &["MAGI_BALTHASAR_MODEL"], None),
    known("models.melchior", &["MAGI_MELCHIOR_MODEL"], None),
    known("models.solomon", &["MAGI_SOLOMON_MODEL"], None),
    known("fallback", &["MAGI_FALLBACK_MODEL"], None),
    known(
        "models.caspar_fallback",
        &["MAGI_CASPAR_FALLBACK_MODEL"],
        None,
    ),
    known(
        "models.balthasar_fallback",
        &["MAGI_BALTHASAR_FALLBACK_MODEL"],
        None,
    ),
    known(
        "models.melchior_fallback",
        &["MAGI_MELCHIOR_FALLBACK_MODEL"],
        None,
    ),
    known(
        "models.solomon_fallback",
        &["MAGI_SOLOMON_FALLBACK_MODEL"],
        None,
    ),
    known("models.solomon_panel", &["MAGI_SOLOMON_PANEL"], None),
    secret("openai.api_key", &["OPENAI_API_KEY"]),
    known(
        "openai.base_url",
        &["OPENAI_BASE_URL"],
        Some("https://api.openai.com/v1"),
    ),
    secret("anthropic.api_key", &["ANTHROPIC_API_KEY"]),
    known(
        "anthropic.base_url",
        &["ANTHROPIC_BASE_URL"],
        Some("https://api.anthropic.com"),
    ),
    known(
        "ollama.base_url",
        &["OLLAMA_HOST"],
        Some("http://127.0.0.1:11434"),
    ),
    known("aws.region", &["AWS_REGION", "AWS_DEFAULT_REGION"], None),
    secret("bedrock.api_key", &["AWS_BEARER_TOKEN_BEDROCK"]),
    known(
        "bedrock.endpoint_url",
        &["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"],
        None,
    ),
    known("retention", &["MAGI_RETENTION"], Some("off")),
    known("rehearsal.pace", &["MAGI_REHEARSAL_PACE"], Some("model")),
    known("host", &["MAGI_HOST"], Some("127.0.0.1")),
    known("port", &["MAGI_PORT", "PORT"], Some("8717")),
    known("trust", &["MAGI_TRUST"], Some("local")),
    secret("token", &["MAGI_TOKEN"]),
    known("heartbeat", &["MAGI_HEARTBEAT"], Some("2s")),
    known("write_stall", &["MAGI_WRITE_STALL"], Some("60s")),
    known("cors_origins", &["MAGI_CORS_ORIGINS"], Some("")),
    known("upstream", &["MAGI_UPSTREAM"], None),
    known("remote.sign", &["MAGI_SIGN"], Some("auto")),
    known("remote.service", &["MAGI_SIGN_SERVICE"], None),
    known("remote.region", &["MAGI_SIGN_REGION"], None),
    known("remote.session", &["MAGI_SESSION"], None),
    known("lambda.margin", &["MAGI_LAMBDA_MARGIN"], Some("5s")),
    secret("state_key", &["MAGI_STATE_KEY"]),
    known("deadlines.connect", &["MAGI_CONNECT_TIMEOUT"], None),
    known("deadlines.first_token", &["MAGI_FIRST_TOKEN_TIMEOUT"], None),
    known("deadlines.idle", &["MAGI_IDLE_TIMEOUT"], None),
    known("deadlines.sage", &["MAGI_SAGE_TIMEOUT"], None),
    known("deadlines.judge", &["MAGI_JUDGE_TIMEOUT"], None),
    known("late", &["MAGI_LATE"], None),
    known("deadlines.late", &["MAGI_LATE_TIMEOUT"], None),
    known("deadlines.whole", &["MAGI_WHOLE_TIMEOUT"], None),
    known("budget.usd", &["MAGI_BUDGET_USD"], None),
    known("budget.tokens", &["MAGI_BUDGET_TOKENS"], None),
    known("metrics.emf", &["MAGI_METRICS_EMF"], Some("auto")),
    known("metrics.deployment", &["MAGI_DEPLOYMENT"], Some("magi")),
    known("log", &["MAGI_LOG"], Some("warn")),
];

/// One value and its source.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    /// The value as text.
    pub(crate) text: String,
    /// Where it came from.
    pub(crate) source: Source,
}

/// All settings of this run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    values: BTreeMap<&'static str, Value>,
    /// USD per million tokens by model: `prices."openai:gpt-5".input` in the file, or
    /// `{"openai:gpt-5":{"input":..}}` in `MAGI_PRICES`, which wins model by model.
    pub(crate) prices: toml::Table,
}

/// What settings are read from; a test gives its own.
pub(crate) struct Origins<'a> {
    /// Flags given, by key.
    pub(crate) flags: BTreeMap<&'static str, String>,
    /// Looks an environment variable up.
    pub(crate) env: &'a dyn Fn(&str) -> Option<String>,
    /// The settings file named by `--config` or `MAGI_CONFIG`: it must exist.
    pub(crate) file: Option<PathBuf>,
}

impl Settings {
    /// Reads all settings.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is not TOML, or holds a setting that does not exist, or when
    /// `MAGI_PRICES` is not JSON.
    pub(crate) fn load(origins: &Origins<'_>) -> Result<Settings> {
        let (path, file, mut prices) = read_file(origins)?;
        prices.extend(prices_of((origins.env)("MAGI_PRICES").as_deref())?);
        let mut values = BTreeMap::new();
        for known in KNOWN {
            if let Some(value) = resolve(known, origins, &path, &file) {
                values.insert(known.key, value);
            }
        }
        values.entry("data_dir").or_insert_with(|| Value {
            text: default_data_dir(origins.env).display().to_string(),
            source: Source::Default,
        });
        Ok(Settings { values, prices })
    }

    /// Returns a setting, if anybody or the default says it.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// Returns a setting's text, or the empty text.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.get(key).map_or("", |value| value.text.as_str())
    }

    /// Reads a setting as a `T`.
    ///
    /// # Errors
    ///
    /// When the text is not a `T`; the error names the setting, its value and its source.
    pub(crate) fn parse<T>(&self, key: &str) -> Result<Option<T>>
    where
        T: std::str::FromStr,
        T::Err: fmt::Display,
    {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match value.text.parse() {
            Ok(parsed) => Ok(Some(parsed)),
            Err(error) => {
                bail!(
                    "setting `{key}` is `{}` (from {}): {error}",
                    value.text,
                    value.source
                )
            }
        }
    }

    /// Reads a setting as a list, its items separated by commas; `none` is the empty list.
    ///
    /// # Errors
    ///
    /// When an item is not a `T`; the error names the setting, the item and its source.
    pub(crate) fn list<T>(&self, key: &str) -> Result<Option<Vec<T>>>
    where
        T: std::str::FromStr,
        T::Err: fmt::Display,
    {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        if value.text.trim() == "none" {
            return Ok(Some(Vec::new()));
        }
        let items = value.text.split(',').map(str::trim);
        let parse = |item: &str| {
            item.parse::<T>().map_err(|error| {
                let source = &value.source;
                anyhow::anyhow!("setting `{key}` holds `{item}` (from {source}): {error}")
            })
        };
        let items: Result<Vec<T>> = items.filter(|item| !item.is_empty()).map(parse).collect();
        items.map(Some)
    }

    /// Reads a setting as a duration: `2s`, `500ms`, `5m`, `1h`, or seconds alone.
    ///
    /// # Errors
    ///
    /// When the text is not a duration; the error names the setting, its value and its source.
    pub(crate) fn duration(&self, key: &str) -> Result<Option<std::time::Duration>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match read_duration(&value.text) {
            Some(duration) => Ok(Some(duration)),
            None => bail!(
                "setting `{key}` is `{}` (from {}): expected a duration such as `2s`, `500ms` or `5m`",
                value.text,
                value.source
            ),
        }
    }

    /// Returns the folder that holds the store.
    pub(crate) fn data_dir(&self) -> PathBuf {
        PathBuf::from(self.text("data_dir"))
    }
}

/// Reads `2s`, `500ms`, `5m`, `1h` or a number of seconds; at most a year.
pub(crate) fn read_duration(text: &str) -> Option<std::time::Duration> {
    let text = text.trim();
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let number: f64 = text[..split].parse().ok()?;
    let unit = match text[split..].trim() {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let seconds = number * unit;
    (0.0..=31_536_000.0)
        .contains(&seconds)
        .then(|| std::time::Duration::from_secs_f64(seconds))
}

fn resolve(
    known: &Known,
    origins: &Origins<'_>,
    path: &Path,
    file: &BTreeMap<String, String>,
) -> Option<Value> {
    if let Some(text) = origins.flags.get(known.key) {
        return Some(Value {
            text: text.clone(),
            source: Source::Flag,
        });
    }
    for name in known.env {
        // An empty variable is how a shell says "not set".
        if let Some(text) = (origins.env)(name).filter(|text| !text.is_empty()) {
            return Some(Value {
                text,
                source: Source::Env(name),
            });
        }
    }
    if let Some(text) = file.get(known.key) {
        return Some(Value {
            text: text.clone(),
            source: Source::File(path.to_owned()),
        });
    }
    known.default.map(|text| Value {
        text: text.to_owned(),
        source: Source::Default,
    })
}

/// Reads the prices of the environment, for places that have no file.
fn prices_of(text: Option<&str>) -> Result<toml::Table> {
    match text.map(str::trim) {
        None | Some("") => Ok(toml::Table::new()),
        Some(text) => serde_json::from_str(text).context(
            "MAGI_PRICES: expected JSON such as {\"provider:model\":{\"input\":3,\"output\":15}}",
        ),
    }
}

type File = (PathBuf, BTreeMap<String, String>, toml::Table);

fn read_file(origins: &Origins<'_>) -> Result<File> {
    let named = origins
        .file
        .clone()
        .or_else(|| (origins.env)("MAGI_CONFIG").map(PathBuf::from));
    let path = named.clone().unwrap_or_else(|| default_config(origins.env));
    if named.is_none() && !path.exists() {
        return Ok((path, BTreeMap::new(), toml::Table::new()));
    }
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("failed to read the settings file {}", path.display()))?;
    let mut table: toml::Table = text
        .parse()
        .with_context(|| format!("the settings file {} is not TOML", path.display()))?;
    let prices = match table.remove("prices") {
        Some(toml::Value::Table(prices)) => prices,
        Some(_) => bail!("`prices` in {} is not a table", path.display()),
        None => toml::Table::new(),
    };
    let mut values = BTreeMap::new();
    flatten("", &table, &mut values);
    for key in values.keys() {
        if !KNOWN.iter().any(|known| known.key == key) {
            bail!(
                "{} holds `{key}`, which is no setting: `magi config show` lists them all",
                path.display()
            );
        }
    }
    Ok((path, values, prices))
}

fn flatten(prefix: &str, table: &toml::Table, values: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let key = format!("{prefix}{key}");
        match value {
            toml::Value::Table(inner) => flatten(&format!("{key}."), inner, values),
            toml::Value::String(text) => {
                values.insert(key, text.clone());
            }
            toml::Value::Array(items) => {
                let items: Vec<_> = items.iter().map(plain).collect();
                values.insert(key, items.join(","));
            }
            other => {
                values.insert(key, other.to_string());
            }
        }
    }
}

fn plain(value: &toml::Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Source: XDG Base Directory Specification; on other systems the same folders under home.
fn default_config(env: &dyn Fn(&str) -> Option<String>) -> PathBuf {
    xdg(env, "XDG_CONFIG_HOME", ".config")
        .join("magi")
        .join("magi.toml")
}

fn default_data_dir(env: &dyn Fn(&str) -> Option<String>) -> PathBuf {
    xdg(env, "XDG_DATA_HOME", ".local/share").join("magi")
}

fn xdg(env: &dyn Fn(&str) -> Option<String>, name: &str, under_home: &str) -> PathBuf {
    // The specification says a relative path must be ignored.
    if let Some(folder) = env(name)
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute())
    {
        return folder;
    }
    let home = env("HOME")
        .or_else(|| env("USERPROFILE"))
        .unwrap_or_else(|| ".".to_owned());
    PathBuf::from(home).join(under_home)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(
        flags: &[(&'static str, &str)],
        env: &[(&str, &str)],
        file: Option<&str>,
    ) -> Result<Settings> {
        let folder = tempfile::tempdir().unwrap();
        let path = file.map(|text| {
            let path = folder.path().join("magi.toml");
            std::fs::write(&path, text).unwrap();
            path
        });
        let lookup = |name: &str| {
            env.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Settings::load(&Origins {
            flags: flags
                .iter()
                .map(|(key, value)| (*key, (*value).to_owned()))
                .collect(),
            env: &lookup,
            file: path,
        })
    }

    #[test]
    fn flag_over_environment_over_file_over_default() {
        let file = Some("port = 1\nhost = \"0.0.0.0\"\n[models]\ncaspar = \"openai:a\"");
        let settings = load(&[("port", "3")], &[("MAGI_PORT", "2"), ("PORT", "4")], file).unwrap();
        assert_eq!(settings.text("port"), "3");
        let settings = load(&[], &[("PORT", "4"), ("MAGI_PORT", "2")], file).unwrap();
        assert_eq!(
            settings.get("port").unwrap().source,
            Source::Env("MAGI_PORT")
        );
        let settings = load(&[], &[("PORT", "4"), ("MAGI_PORT", "")], file).unwrap();
        assert_eq!(settings.text("port"), "4");
        let settings = load(&[], &[], file).unwrap();
        assert_eq!(settings.text("port"), "1");
        assert_eq!(settings.text("models.caspar"), "openai:a");
        assert_eq!(settings.text("heartbeat"), "2s");
        assert_eq!(load(&[], &[], None).unwrap().text("port"), "8717");
    }

    #[test]
    fn prices_of_the_environment_win_model_by_model() {
        let file = Some(
            "[prices.\"a:m\"]\ninput = 1\noutput = 2\n[prices.\"b:m\"]\ninput = 3\noutput = 4",
        );
        let env = [("MAGI_PRICES", r#"{"b:m":{"input":5,"output":6.5}}"#)];
        let prices = load(&[], &env, file).unwrap().prices;
        assert_eq!(prices["a:m"]["output"].as_integer(), Some(2));
        assert_eq!(prices["b:m"]["input"].as_integer(), Some(5));
        assert_eq!(prices["b:m"]["output"].as_float(), Some(6.5));
        let error = load(&[], &[("MAGI_PRICES", "b:m=5")], None).unwrap_err();
        assert!(error.to_string().contains("MAGI_PRICES"), "{error}");
    }

    #[test]
    fn a_wrong_value_names_the_setting_its_value_and_its_source() {
        let settings = load(&[], &[("PORT", "eighty"), ("MAGI_HEARTBEAT", "soon")], None).unwrap();
        let error = settings.parse::<u16>("port").unwrap_err().to_string();
        assert!(
            error.contains("`port` is `eighty` (from environment PORT)"),
            "{error}"
        );
        assert!(
            settings
                .duration("heartbeat")
                .unwrap_err()
                .to_string()
                .contains("`soon`")
        );
    }

    #[test]
    fn a_setting_that_does_not_exist_is_an_error_not_a_silence() {
        let error = load(&[], &[], Some("prot = 1")).unwrap_err().to_string();
        assert!(error.contains("`prot`"), "{error}");
        assert!(load(&[], &[("MAGI_CONFIG", "/nowhere/magi.toml")], None).is_err());
    }

    #[test]
    fn the_data_folder_follows_xdg_and_ignores_a_relative_one() {
        let home = ("HOME", "/home/rei");
        assert_eq!(
            load(&[], &[home], None).unwrap().text("data_dir"),
            "/home/rei/.local/share/magi"
        );
        let settings = load(&[], &[home, ("XDG_DATA_HOME", "/data")], None).unwrap();
        assert_eq!(settings.text("data_dir"), "/data/magi");
        let settings = load(&[], &[home, ("XDG_DATA_HOME", "data")], None).unwrap();
        assert_eq!(settings.text("data_dir"), "/home/rei/.local/share/magi");
    }

    #[test]
    fn durations_read_with_and_without_units() {
        let ms = |text| read_duration(text).map(|duration| duration.as_millis());
        assert_eq!(ms("2s"), Some(2000));
        assert_eq!(ms("500ms"), Some(500));
        assert_eq!(ms("1.5"), Some(1500));
        assert_eq!(ms("5m"), Some(300_000));
        assert_eq!(ms("1 h"), Some(3_600_000));
        assert_eq!(ms("0"), Some(0));
        assert_eq!(ms("-1s"), None);
        assert_eq!(ms("inf"), None);
        assert_eq!(ms("1e400s"), None);
    }
}
