//! Amazon Bedrock's models, through the official SDK's ConverseStream.

mod answer;
mod fault;
mod request;
mod stream;

use std::sync::Arc;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::config::retry::RetryConfig;
use aws_sdk_bedrockruntime::config::timeout::TimeoutConfig;
use aws_sdk_bedrockruntime::config::{Builder, StalledStreamProtectionConfig, Token};
use aws_smithy_runtime_api::client::auth::http::HTTP_BEARER_AUTH_SCHEME_ID;
use magi_model::{Call, ChunkStream, Error, Key, Kind, ModelList, Provider};
use tokio::sync::OnceCell;

use self::fault::Teller;
use self::request::{Lessons, Part, Plan};

/// How to reach Bedrock; what is `None` is left to the SDK's own chain (environment, profile, SSO,
/// web identity, container, instance).
#[derive(Clone, Default)]
pub struct BedrockConfig {
    /// The region, as in `us-east-1`.
    pub region: Option<String>,
    /// Another address than the region's own, as in `http://127.0.0.1:8718`.
    pub endpoint_url: Option<String>,
    /// A Bedrock API key, sent as a bearer token; with one, AWS credentials are neither needed nor used.
    pub api_key: Option<Key>,
}

/// Amazon Bedrock: the provider `bedrock`.
pub struct Bedrock {
    shared: Arc<Shared>,
}

/// What a check that costs nothing could tell about a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Bedrock took the credentials and knows the model.
    Known,
    /// Bedrock took the credentials and cannot count this model's tokens: whether the account may
    /// use the model only a paid call can tell. Holds what Bedrock said.
    Unsure(String),
}

struct Shared {
    config: BedrockConfig,
    /// Made at the first call: it reads the profile and the system's certificates, and may ask the
    /// machine it runs on for its region.
    client: OnceCell<Ready>,
    lessons: Lessons,
}

/// The client, and what an error needs to know about it.
struct Ready {
    client: Client,
    teller: Teller,
}

impl Bedrock {
    /// Makes the provider; nothing is read or sent before the first call.
    ///
    /// # Errors
    ///
    /// When the endpoint is not an `http` or `https` address.
    pub fn new(config: BedrockConfig) -> Result<Self, Error> {
        if let Some(url) = &config.endpoint_url {
            check_endpoint(url)?;
        }
        Ok(Bedrock {
            shared: Arc::new(Shared {
                config,
                client: OnceCell::new(),
                lessons: Lessons::default(),
            }),
        })
    }

    /// Asks Bedrock to count the tokens of one word for this model: it shows that region, credentials
    /// and the model's id are right, and costs nothing.
    ///
    /// # Errors
    ///
    /// As a call's.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request.
    pub async fn check(&self, model: &str) -> Result<Reach, Error> {
        let ready = self.shared.ready().await?;
        let request = ready.client.count_tokens();
        let request = request
            .model_id(request::without_geography(model))
            .input(request::one_word()?);
        match Box::pin(request.send()).await {
            Ok(_) => Ok(Reach::Known),
            Err(error) => ready.teller.uncounted(&error),
        }
    }
}

impl Provider for Bedrock {
    fn name(&self) -> &'static str {
        "bedrock"
    }

    fn stream(&self, call: Call) -> ChunkStream {
        let shared = Arc::clone(&self.shared);
        let tool = request::tool_name(&call);
        let open = Box::pin(async move { shared.open(&call).await });
        stream::run(open, tool)
    }

    fn models(&self) -> ModelList {
        Box::pin(async {
            let message = "Bedrock lists its models elsewhere: `aws bedrock list-inference-profiles` \
                           and `aws bedrock list-foundation-models` show the ids, and \
                           MAGI_MODEL=bedrock:ID takes any of them";
            Err(Error::new(Kind::NotFound, message))
        })
    }
}

impl Shared {
    /// Sends the request. A parameter that the model refuses is left out, once each; a refused
    /// request makes no token, so nothing is paid twice.
    async fn open(&self, call: &Call) -> Result<stream::Opened, Error> {
        let ready = self.ready().await?;
        let mut plan = self.lessons.of(&call.model);
        loop {
            let schema = request::schema(call).cloned().unwrap_or_default();
            let request = request::converse(&ready.client, call, &plan)?
                .customize()
                .mutate_request(move |request| request::keep_order(request, &schema));
            let refused = match Box::pin(request.send()).await {
                Ok(output) => {
                    self.lessons.learn(&call.model, plan);
                    return Ok(stream::Opened {
                        events: output.stream,
                        teller: ready.teller.clone(),
                    });
                }
                Err(refused) => ready.teller.refused(&refused),
            };
            match refused_part(call, &plan, &refused) {
                Some(part) => {
                    tracing::info!(
                        model = call.model,
                        ?part,
                        "the model does not take a parameter; asking without it"
                    );
                    plan.leave_out(part);
                }
                None => return Err(refused.error),
            }
        }
    }

    async fn ready(&self) -> Result<&Ready, Error> {
        self.client.get_or_try_init(|| self.connect()).await
    }

    async fn connect(&self) -> Result<Ready, Error> {
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(region) = &self.config.region {
            loader = loader.region(Region::new(region.clone()));
        }
        let loaded = Box::pin(loader.load()).await;
        let region = loaded.region().map(ToString::to_string);
        let Some(region) = region.filter(|region| !region.trim().is_empty()) else {
            let message = "no AWS region is set: set AWS_REGION to the region whose models you use, \
                           as in AWS_REGION=us-east-1";
            return Err(Error::new(Kind::BadRequest, message));
        };
        let teller = Teller::new(region, self.config.api_key.clone());
        Ok(Ready {
            client: Client::from_conf(self.settings(&loaded).build()),
            teller,
        })
    }

    /// The council retries, where everybody sees it, and its deadlines are its own: the SDK does
    /// neither.
    fn settings(&self, loaded: &SdkConfig) -> Builder {
        let mut builder = Builder::from(loaded)
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if let Some(url) = &self.config.endpoint_url {
            builder = builder.endpoint_url(url.clone());
        }
        if let Some(key) = &self.config.api_key {
            builder = builder
                .bearer_token(Token::new(key.expose(), None))
                .auth_scheme_preference([HTTP_BEARER_AUTH_SCHEME_ID]);
        }
        let own = self.config.endpoint_url.as_deref();
        if own.or(loaded.endpoint_url()).is_some_and(is_loopback) {
            // This machine's own servers are never asked through a proxy.
            builder = builder.http_client(aws_smithy_http_client::Builder::new().build_http());
        }
        builder
    }
}

fn refused_part(call: &Call, plan: &Plan, refused: &fault::Refused) -> Option<Part> {
    let reason = refused.invalid.as_deref()?;
    request::refused(call, plan, reason)
}

fn check_endpoint(url: &str) -> Result<(), Error> {
    let parsed: Result<http::Uri, _> = url.trim().parse();
    let is_web = parsed.is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()
    });
    if is_web {
        return Ok(());
    }
    let message = format!("the endpoint `{url}` must begin with http:// or https:// and a host");
    Err(Error::new(Kind::BadRequest, message))
}

/// Tells whether a plain address is this machine's own.
fn is_loopback(url: &str) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else {
        return false;
    };
    let host = uri.host().unwrap_or_default();
    let address: Option<std::net::IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    let is_own =
        host == "localhost" || address.is_some_and(|address| address.to_canonical().is_loopback());
    is_own && uri.scheme_str() == Some("http")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_web_address() {
        let made = |url: &str| {
            Bedrock::new(BedrockConfig {
                endpoint_url: Some(url.to_owned()),
                ..BedrockConfig::default()
            })
        };
        assert!(made("http://127.0.0.1:8718").is_ok());
        assert!(made("https://bedrock-runtime.us-east-1.amazonaws.com").is_ok());
        for wrong in ["", "127.0.0.1:8718", "ftp://h", "http://"] {
            let error = made(wrong).err().map(|error| error.kind);
            assert_eq!(error, Some(Kind::BadRequest), "{wrong}");
        }
    }

    #[test]
    fn only_this_machines_own_plain_addresses_avoid_the_proxy() {
        for (url, own) in [
            ("http://127.0.0.1:8718", true),
            ("http://[::1]:8718", true),
            ("http://localhost:1", true),
            ("https://127.0.0.1:8718", false),
            ("http://10.0.0.1", false),
            ("https://bedrock-runtime.us-east-1.amazonaws.com", false),
        ] {
            assert_eq!(is_loopback(url), own, "{url}");
        }
    }
}
