//! The vendors, as the settings name them.

use std::sync::Arc;

use anyhow::{Context, Result};
use magi_model::rehearsal::{Pace, Rehearsal};
use magi_model::{
    Anthropic, AnthropicConfig, Error, Key, Kind, OpenAi, OpenAiConfig, Prices, Registry,
};

use crate::choice::Choice;
use crate::settings::Settings;

/// Makes every provider that the settings could name; nothing is sent before the first call.
///
/// # Errors
///
/// When an address or a key cannot be one.
pub(crate) fn registry(settings: &Settings) -> Result<Registry> {
    let openai = OpenAiConfig::new(
        "openai",
        settings.text("openai.base_url"),
        key(settings, "openai.api_key")?,
    );
    let ollama = OpenAiConfig::new("ollama", ollama_address(settings), None);
    let anthropic = AnthropicConfig::new(
        "anthropic",
        settings.text("anthropic.base_url"),
        key(settings, "anthropic.api_key")?,
    );
    let pace = match settings.text("rehearsal.pace") {
        "model" => Pace::model(),
        "instant" => Pace::instant(),
        other => {
            anyhow::bail!("setting `rehearsal.pace` is `{other}`: expected `model` or `instant`")
        }
    };
    Ok(Registry::default()
        .with(Arc::new(
            OpenAi::new(openai).context("setting `openai.base_url`")?,
        ))
        .with(Arc::new(
            OpenAi::new(ollama).context("setting `ollama.base_url`")?,
        ))
        .with(Arc::new(
            Anthropic::new(anthropic).context("setting `anthropic.base_url`")?,
        ))
        .with(Arc::new(Rehearsal::new(pace))))
}

/// `OLLAMA_HOST` may lack the scheme, as Ollama itself allows.
fn ollama_address(settings: &Settings) -> String {
    let address = settings.text("ollama.base_url");
    if address.contains("://") {
        address.to_owned()
    } else {
        format!("http://{address}")
    }
}

fn key(settings: &Settings, name: &str) -> Result<Option<Key>> {
    let Some(value) = settings.get(name) else {
        return Ok(None);
    };
    let key = Key::new(value.text.trim())
        .with_context(|| format!("setting `{name}` (from {})", value.source))?;
    Ok(Some(key))
}

/// Reads the prices of the settings file and of `MAGI_PRICES`.
///
/// # Errors
///
/// When one is not a price.
pub(crate) fn prices(settings: &Settings) -> Result<Prices> {
    toml::Value::Table(settings.prices.clone())
        .try_into()
        .context(
            "`prices` in the settings file or MAGI_PRICES: expected input and output of each \"provider:model\"",
        )
}

/// Returns the vendors that answer for a role or have a key, sorted.
pub(crate) fn configured(settings: &Settings, choice: &Choice) -> Vec<String> {
    let mut vendors: Vec<String> = choice
        .models
        .values()
        .map(|model| model.provider.clone())
        .collect();
    for vendor in ["anthropic", "openai"] {
        if settings.get(&format!("{vendor}.api_key")).is_some() {
            vendors.push(vendor.to_owned());
        }
    }
    vendors.retain(|vendor| vendor != "rehearsal");
    vendors.sort();
    vendors.dedup();
    vendors
}

/// Asks a vendor for the ids of its models.
///
/// # Errors
///
/// As the vendor's, or `not_found` where there is no such provider.
pub(crate) async fn list(settings: &Settings, vendor: &str) -> Result<Vec<String>, Error> {
    let registry =
        registry(settings).map_err(|error| Error::new(Kind::BadRequest, format!("{error:#}")))?;
    match registry.get(vendor) {
        Some(provider) => provider.models().await,
        None => Err(Error::new(
            Kind::NotFound,
            format!("there is no provider `{vendor}`"),
        )),
    }
}

/// Names the one fix of a vendor's failure.
pub(crate) fn fix(vendor: &str, error: &Error) -> String {
    let name = vendor.to_ascii_uppercase();
    match error.kind {
        Kind::Unauthorised => format!("set {name}_API_KEY to a key that this server accepts"),
        Kind::Throttled => "wait, or ask the vendor for a higher limit".to_owned(),
        Kind::Overloaded | Kind::Timeout => "wait: the trouble is on the vendor's side".to_owned(),
        _ if vendor == "ollama" => {
            "start Ollama, or set OLLAMA_HOST to where it listens".to_owned()
        }
        _ => format!(
            "set {name}_BASE_URL to the address of the API (for OpenAI-compatible servers with /v1)"
        ),
    }
}
