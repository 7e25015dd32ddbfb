//! The vendors, as the settings name them.

use std::sync::Arc;

use anyhow::{Context, Result};
use magi_model::rehearsal::{Pace, Rehearsal};
use magi_model::{
    Anthropic, AnthropicConfig, Error, Key, Kind, OpenAi, OpenAiConfig, Prices, Registry,
};

use crate::choice::{self, Choice};
use crate::settings::Settings;
use crate::show::words::Lang;

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
    let registry = Registry::default()
        .with(Arc::new(
            OpenAi::new(openai).context("setting `openai.base_url`")?,
        ))
        .with(Arc::new(
            OpenAi::new(ollama).context("setting `ollama.base_url`")?,
        ))
        .with(Arc::new(
            Anthropic::new(anthropic).context("setting `anthropic.base_url`")?,
        ))
        .with(Arc::new(Rehearsal::new(pace)));
    with_bedrock(registry, settings)
}

/// Tells whether somebody said that Bedrock is to be used: with a Bedrock key, with an address of its
/// own, or with a model there for a role. AWS credentials alone do not say so: many machines have
/// them for something else, and a question must not be paid for because they lie around.
pub(crate) fn wants_bedrock(settings: &Settings) -> bool {
    let is_set = |key: &&str| settings.get(key).is_some();
    let is_named = |key: &&str| {
        let mut models = settings.text(key).split(',');
        models.any(|model| model.trim_start().starts_with("bedrock:"))
    };
    ["bedrock.api_key", "bedrock.endpoint_url"]
        .iter()
        .any(is_set)
        || choice::MODELS.iter().any(is_named)
}

#[cfg(feature = "bedrock")]
fn with_bedrock(registry: Registry, settings: &Settings) -> Result<Registry> {
    if wants_bedrock(settings) {
        Ok(registry.with(Arc::new(bedrock(settings)?)))
    } else {
        Ok(registry)
    }
}

#[cfg(feature = "bedrock")]
fn bedrock(settings: &Settings) -> Result<magi_aws::Bedrock> {
    let text = |key| settings.get(key).map(|value| value.text.trim().to_owned());
    let config = magi_aws::BedrockConfig {
        region: text("aws.region"),
        endpoint_url: text("bedrock.endpoint_url"),
        api_key: key(settings, "bedrock.api_key")?,
    };
    magi_aws::Bedrock::new(config).context("setting `bedrock.endpoint_url`")
}

/// What a question to Bedrock is answered with where Bedrock was left out.
#[cfg(not(feature = "bedrock"))]
pub(crate) const NO_BEDROCK: &str = "Bedrock is not in this build of magi, which was made without the \
     feature `bedrock`: use one made with it, or name another provider's model";

#[cfg(not(feature = "bedrock"))]
fn with_bedrock(registry: Registry, settings: &Settings) -> Result<Registry> {
    anyhow::ensure!(!wants_bedrock(settings), NO_BEDROCK);
    Ok(registry)
}

/// Looks, without a paid call, whether Bedrock takes the credentials and knows a model; says what it
/// found.
///
/// # Errors
///
/// As a call's.
pub(crate) async fn check_bedrock(
    lang: Lang,
    settings: &Settings,
    model: &str,
) -> Result<String, Error> {
    #[cfg(feature = "bedrock")]
    {
        let provider = bedrock(settings)
            .map_err(|error| Error::new(Kind::BadRequest, format!("{error:#}")))?;
        Ok(match (provider.check(model).await?, lang) {
            (magi_aws::Reach::Known, Lang::En) => {
                format!("bedrock takes the credentials and knows {model}")
            }
            (magi_aws::Reach::Known, Lang::Ja) => {
                format!("bedrock は認証情報を受け入れ、{model} を知っています")
            }
            (magi_aws::Reach::Unsure(why), Lang::En) => format!(
                "bedrock answers; whether this account may use {model} only a question tells ({why})"
            ),
            (magi_aws::Reach::Unsure(why), Lang::Ja) => format!(
                "bedrock は応答しています。このアカウントで {model} を使えるかどうかは、問うまで分かりません（{why}）"
            ),
        })
    }
    #[cfg(not(feature = "bedrock"))]
    {
        let _ = (lang, settings, model);
        Err(Error::new(Kind::NotFound, NO_BEDROCK))
    }
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
    for vendor in ["anthropic", "openai", "bedrock"] {
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
pub(crate) fn fix(lang: Lang, vendor: &str, error: &Error) -> String {
    if vendor == "bedrock" {
        return fix_bedrock(lang, error.kind).to_owned();
    }
    let name = vendor.to_ascii_uppercase();
    match (error.kind, lang) {
        (Kind::Unauthorised, Lang::En) => {
            format!("set {name}_API_KEY to a key that this server accepts")
        }
        (Kind::Unauthorised, Lang::Ja) => {
            format!("{name}_API_KEY に、このサーバーが受け入れるキーを設定してください")
        }
        (Kind::Throttled, _) => lang
            .pick(
                "wait, or ask the vendor for a higher limit",
                "しばらく待つか、プロバイダーに上限の引き上げを申し込んでください",
            )
            .to_owned(),
        (Kind::Overloaded | Kind::Timeout, _) => lang
            .pick(
                "wait: the trouble is on the vendor's side",
                "しばらく待ってください。障害はプロバイダーにあります",
            )
            .to_owned(),
        _ if vendor == "ollama" => lang
            .pick(
                "start Ollama, or set OLLAMA_HOST to where it listens",
                "Ollama を起動するか、待ち受けているアドレスを OLLAMA_HOST に設定してください",
            )
            .to_owned(),
        (_, Lang::En) => format!(
            "set {name}_BASE_URL to the address of the API (for OpenAI-compatible servers with /v1)"
        ),
        (_, Lang::Ja) => format!(
            "{name}_BASE_URL に API のアドレスを設定してください（OpenAI 互換のサーバーでは /v1 まで）"
        ),
    }
}

/// Names the one fix of Bedrock's failure.
const fn fix_bedrock(lang: Lang, kind: Kind) -> &'static str {
    match kind {
        _ if cfg!(not(feature = "bedrock")) => lang.pick(
            "use a magi made with the feature `bedrock`, or name another provider's model",
            "機能 `bedrock` を含めて作った magi を使うか、別のプロバイダーのモデルを指定してください",
        ),
        Kind::Unauthorised => lang.pick(
            "set AWS_BEARER_TOKEN_BEDROCK, or sign in (`aws sso login`, AWS_PROFILE), and allow the \
             identity bedrock:InvokeModelWithResponseStream on the model and its inference profile",
            "AWS_BEARER_TOKEN_BEDROCK を設定するかサインインし（`aws sso login`、AWS_PROFILE）、モデルとその推論プロファイルに\
             対する bedrock:InvokeModelWithResponseStream を許可してください",
        ),
        Kind::NotFound => lang.pick(
            "set MAGI_MODEL=bedrock:ID to an id of this region: `aws bedrock \
             list-inference-profiles` shows them",
            "MAGI_MODEL=bedrock:ID に、このリージョンの ID を指定してください。`aws bedrock \
             list-inference-profiles` で一覧できます",
        ),
        Kind::BadRequest => lang.pick(
            "correct what the message names: AWS_REGION, or the model's id",
            "メッセージが示すもの（AWS_REGION またはモデルの ID）を直してください",
        ),
        Kind::Throttled => lang.pick(
            "wait, or ask AWS for a higher quota of this model",
            "しばらく待つか、このモデルのクォータの引き上げを AWS に申請してください",
        ),
        Kind::Overloaded | Kind::Timeout => lang.pick(
            "wait: the trouble is on AWS's side",
            "しばらく待ってください。障害は AWS にあります",
        ),
        _ => lang.pick(
            "check AWS_REGION, the network, and AWS_ENDPOINT_URL_BEDROCK_RUNTIME if it is set",
            "AWS_REGION とネットワーク、設定していれば AWS_ENDPOINT_URL_BEDROCK_RUNTIME を確認してください",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Origins;

    fn wants(env: &[(&str, &str)]) -> bool {
        let lookup = |name: &str| {
            env.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        let origins = Origins {
            flags: std::collections::BTreeMap::new(),
            env: &lookup,
            file: None,
        };
        wants_bedrock(&Settings::load(&origins).unwrap())
    }

    #[test]
    fn aws_credentials_alone_open_no_way_to_bedrock() {
        assert!(!wants(&[
            ("AWS_ACCESS_KEY_ID", "AKID"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("AWS_PROFILE", "work"),
            ("AWS_REGION", "us-east-1"),
        ]));
        for said in [
            ("AWS_BEARER_TOKEN_BEDROCK", "k"),
            ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://127.0.0.1:1"),
            ("MAGI_MODEL", "bedrock:global.anthropic.claude-sonnet-4-6"),
            ("MAGI_CASPAR_MODEL", "bedrock:amazon.nova-lite-v1:0"),
            (
                "MAGI_SOLOMON_FALLBACK_MODEL",
                "bedrock:amazon.nova-lite-v1:0",
            ),
        ] {
            assert!(wants(&[said]), "{said:?}");
        }
    }
}
