//! The way to a server elsewhere: its address, its door, and how requests are let in.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri};
use magi_client::{Body, Client, Door, Http, Options, Sending, Transport, TransportError};
use magi_log::Env;

use crate::settings::Settings;

/// One session of AgentCore is one container: all requests of a client carry the same one.
const SESSION: HeaderName = HeaderName::from_static("x-amzn-bedrock-agentcore-runtime-session-id");

/// The waits before a request is sent once more whose session is just being made (409
/// `RetryableConflictException`): nothing was begun by it.
const STARTING: [Duration; 5] = [
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1600),
    Duration::from_millis(3200),
];

/// What an address is, as far as its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A MAGI server, a container, a page, or something in front of them.
    Server,
    /// A Lambda Function URL.
    FunctionUrl,
    /// AgentCore's data plane.
    AgentCore,
}

/// What a signature is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) service: String,
    pub(crate) region: String,
}

/// Keys at hand, instead of AWS's own chain.
#[derive(Clone)]
#[cfg_attr(
    not(feature = "bedrock"),
    expect(dead_code, reason = "only AWS's signer reads them")
)]
pub(crate) struct Keys {
    pub(crate) key: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
}

/// How requests are let in.
#[derive(Clone)]
pub(crate) enum Sign {
    /// Nothing is added.
    None,
    /// A token is.
    Bearer(String),
    /// The body's hash, which CloudFront signs over.
    ContentHash,
    /// AWS's signature, with these keys or those of AWS's chain.
    SigV4(Scope, Option<Keys>),
}

/// Where a server is and how it is spoken to.
#[derive(Clone)]
pub(crate) struct Way {
    /// Its address; for AgentCore that of `invocations` itself.
    pub(crate) address: String,
    pub(crate) kind: Kind,
    pub(crate) sign: Sign,
    /// The session of all requests.
    session: String,
}

impl Way {
    /// Reads an address, or a runtime's ARN, under the settings.
    ///
    /// # Errors
    ///
    /// When it is no address, or a setting is wrong.
    pub(crate) fn read(text: &str, settings: &Settings) -> Result<Way> {
        let address = match text.strip_prefix("agentcore:").unwrap_or(text) {
            arn if arn.starts_with("arn:") => {
                let endpoint = std::env::var("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE").ok();
                runtime_address(arn, endpoint.as_deref())?
            }
            _ => text.trim().trim_end_matches('/').to_owned(),
        };
        let uri = read_uri(&address)?;
        let host = uri.host().unwrap_or_default();
        let by_host = scope_of(host);
        let service = settings
            .get("remote.service")
            .map(|value| value.text.clone());
        let service = service.or(by_host.as_ref().map(|scope| scope.service.clone()));
        let kind = match service.as_deref() {
            Some("bedrock-agentcore") => Kind::AgentCore,
            _ if uri.path().starts_with("/runtimes/") => Kind::AgentCore,
            Some("lambda") => Kind::FunctionUrl,
            _ => Kind::Server,
        };
        let service = service.or(match kind {
            Kind::AgentCore => Some("bedrock-agentcore".to_owned()),
            Kind::FunctionUrl | Kind::Server => None,
        });
        let text = |key: &str| settings.get(key).map(|value| value.text.clone());
        let region = text("remote.region")
            .or(by_host.as_ref().map(|scope| scope.region.clone()))
            .or_else(|| arn_of(uri.path()).and_then(|arn| region_of(&arn)))
            .or_else(|| text("aws.region"));
        let token = text("token").filter(|token| !token.is_empty());
        let sign = match (settings.text("remote.sign"), token) {
            ("none", _) => Sign::None,
            ("bearer", Some(token)) => Sign::Bearer(token),
            ("bearer", None) => bail!("--sign bearer: set MAGI_TOKEN to the token"),
            ("sigv4", _) => match (service, region) {
                (Some(service), Some(region)) => Sign::SigV4(Scope { service, region }, None),
                _ => bail!(
                    "--sign sigv4: the host's name tells no service and region: give --service and --region"
                ),
            },
            // A Function URL knows no tokens.
            ("auto", Some(token)) if kind != Kind::FunctionUrl => Sign::Bearer(token),
            ("auto", _) => match (service, region, kind) {
                (Some(service), Some(region), Kind::FunctionUrl | Kind::AgentCore) => {
                    Sign::SigV4(Scope { service, region }, None)
                }
                _ => Sign::None,
            },
            (other, _) => bail!("--sign is `{other}`: expected sigv4, bearer, none or auto"),
        };
        let mut way = Way::new(address, kind, sign);
        if let Some(session) = text("remote.session") {
            // Source: AgentCore API reference, InvokeAgentRuntime: runtimeSessionId, 33 to 256.
            let fits = (33..=256).contains(&session.len())
                && session.bytes().all(|byte| byte.is_ascii_graphic());
            if !fits {
                bail!(
                    "--session must be 33 to 256 visible ASCII characters, as AgentCore wants it"
                );
            }
            way.session = session;
        }
        Ok(way)
    }

    /// Makes a way of what is known already.
    pub(crate) fn new(address: String, kind: Kind, sign: Sign) -> Way {
        let entropy = Env::system().entropy;
        Way {
            address,
            kind,
            sign,
            session: format!("magi-{}{}", entropy.tag(20), entropy.tag(20)),
        }
    }

    /// Which of a server's doors is used.
    pub(crate) fn door(&self) -> Door {
        let is_one = self.path().ends_with("/invocations");
        match self.kind {
            Kind::Server if !is_one => Door::Api,
            Kind::Server | Kind::FunctionUrl | Kind::AgentCore => Door::Invocations,
        }
    }

    fn path(&self) -> &str {
        let end = self.address.find('?').unwrap_or(self.address.len());
        &self.address[..end]
    }

    /// Returns the address of `invocations`.
    pub(crate) fn invocations(&self) -> String {
        if self.path().ends_with("/invocations") {
            self.address.clone()
        } else {
            format!("{}/invocations", self.address)
        }
    }

    /// Returns the headers of every request.
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if self.door() == Door::Invocations
            && let Ok(session) = HeaderValue::from_str(&self.session)
        {
            headers.insert(SESSION, session);
        }
        headers
    }

    /// Returns what carries requests this way: signed, and patient with a session that is being made.
    ///
    /// # Errors
    ///
    /// When this build cannot sign, or the machine's TLS cannot be set up.
    pub(crate) async fn transport(&self) -> Result<Arc<dyn Transport>> {
        let authority = read_uri(&self.address)?;
        let host = authority.host().unwrap_or_default();
        let http = Http::new(is_here(host))?;
        let hand = match &self.sign {
            Sign::None => Hand::None,
            Sign::Bearer(token) => {
                let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
                    .context("the token is no text of one line")?;
                value.set_sensitive(true);
                Hand::Token(value)
            }
            Sign::ContentHash => Hand::Hash,
            Sign::SigV4(scope, keys) => signer(scope, keys.as_ref()).await?,
        };
        Ok(Arc::new(Carrier(Arc::new(Inner {
            http,
            hand,
            #[cfg(feature = "bedrock")]
            env: Env::system(),
        }))))
    }

    /// Makes a client of the server there.
    ///
    /// # Errors
    ///
    /// As [`Way::transport`].
    pub(crate) async fn client(&self) -> Result<Client> {
        let options = Options {
            door: self.door(),
            headers: self.headers(),
            transport: Some(self.transport().await?),
            ..Options::default()
        };
        Ok(Client::with(&self.address, options)?)
    }
}

/// Reads an absolute address.
pub(crate) fn read_uri(text: &str) -> Result<Uri> {
    let wrong = || format!("`{text}` is no address: expected one such as https://magi.example");
    let uri: Uri = text.parse().with_context(wrong)?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
        bail!(wrong());
    }
    Ok(uri)
}

/// Tells whether a host is this machine, which no proxy stands before.
pub(crate) fn is_here(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    let address: Option<std::net::IpAddr> = host.parse().ok();
    host == "localhost" || address.is_some_and(|address| address.is_loopback())
}

/// Returns the address at which AgentCore's data plane calls a runtime, `ARN` or `ARN?qualifier=NAME`;
/// `base` is another host than AWS's.
///
/// # Errors
///
/// When the ARN names no region.
pub(crate) fn runtime_address(arn: &str, base: Option<&str>) -> Result<String> {
    let (arn, query) = arn.split_once('?').unwrap_or((arn, "qualifier=DEFAULT"));
    let region = region_of(arn)
        .with_context(|| format!("`{arn}` is no runtime's ARN: it names no region"))?;
    let aws = format!("https://bedrock-agentcore.{region}.amazonaws.com");
    let base = base.unwrap_or(&aws).trim_end_matches('/');
    let arn = arn.replace(':', "%3A").replace('/', "%2F");
    Ok(format!("{base}/runtimes/{arn}/invocations?{query}"))
}

/// Returns the ARN in a data plane's path, escaped or not.
pub(crate) fn arn_of(path: &str) -> Option<String> {
    let text = path.replace("%3A", ":").replace("%3a", ":");
    let text = text.replace("%2F", "/").replace("%2f", "/");
    let from = text.find("arn:")?;
    let arn = &text[from..];
    let resource = arn.find(":runtime/")? + ":runtime/".len();
    let name = arn[resource..].split(['/', '?']).next()?;
    Some(arn[..resource + name.len()].to_owned())
}

/// Returns the region that an ARN names.
pub(crate) fn region_of(arn: &str) -> Option<String> {
    let region = arn.split(':').nth(3)?;
    (!region.is_empty()).then(|| region.to_owned())
}

#[cfg(feature = "bedrock")]
pub(crate) fn scope_of(host: &str) -> Option<Scope> {
    let magi_aws::sign::Scope { service, region } = magi_aws::sign::scope_of(host)?;
    Some(Scope { service, region })
}

#[cfg(not(feature = "bedrock"))]
pub(crate) fn scope_of(_: &str) -> Option<Scope> {
    None
}

/// What is put on a request before it goes.
enum Hand {
    None,
    Token(HeaderValue),
    Hash,
    #[cfg(feature = "bedrock")]
    Signer(magi_aws::sign::Signer),
}

#[cfg(feature = "bedrock")]
async fn signer(scope: &Scope, keys: Option<&Keys>) -> Result<Hand> {
    use magi_aws::sign::{Scope as Signed, Signer};
    let scope = Signed {
        service: scope.service.clone(),
        region: scope.region.clone(),
    };
    Ok(Hand::Signer(match keys {
        Some(keys) => Signer::with_keys(scope, &keys.key, &keys.secret, keys.token.clone()),
        None => Signer::new(scope).await,
    }))
}

#[cfg(not(feature = "bedrock"))]
async fn signer(_: &Scope, _: Option<&Keys>) -> Result<Hand> {
    bail!("this program was built without AWS: build it with the feature `bedrock`")
}

/// Where no credentials were found, as a transport's error begins.
pub(crate) const NO_CREDENTIALS: &str = "no AWS credentials";

struct Inner {
    http: Http,
    hand: Hand,
    #[cfg(feature = "bedrock")]
    env: Env,
}

#[derive(Clone)]
struct Carrier(Arc<Inner>);

impl Transport for Carrier {
    fn send(&self, request: Request<Bytes>) -> Sending {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            for wait in STARTING {
                let answer = inner.once(request.clone()).await?;
                if !is_starting(&answer) {
                    return Ok(answer);
                }
                tokio::time::sleep(wait).await;
            }
            inner.once(request).await
        })
    }
}

fn is_starting(answer: &Response<Body>) -> bool {
    let kind = answer.headers().get("x-amzn-errortype");
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    answer.status() == StatusCode::CONFLICT && kind.starts_with("RetryableConflictException")
}

impl Inner {
    async fn once(&self, mut request: Request<Bytes>) -> Result<Response<Body>, TransportError> {
        match &self.hand {
            Hand::None => {}
            Hand::Token(token) => {
                let headers = request.headers_mut();
                headers.insert(http::header::AUTHORIZATION, token.clone());
            }
            Hand::Hash => {
                let hash = hex_digest(request.body());
                if let Ok(hash) = HeaderValue::from_str(&hash) {
                    request.headers_mut().insert("x-amz-content-sha256", hash);
                }
            }
            #[cfg(feature = "bedrock")]
            Hand::Signer(signer) => {
                let now = u64::try_from(self.env.clock.now().as_millis()).unwrap_or(0);
                let now = std::time::UNIX_EPOCH + Duration::from_millis(now);
                let signed = signer.sign(&mut request, now).await;
                signed.map_err(|error| TransportError::new(error.to_string(), true))?;
            }
        }
        self.http.send(request).await
    }
}

/// Returns the SHA-256 of some bytes in hexadecimal digits.
pub(crate) fn hex_digest(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/magi-AbC123xyz0";

    #[test]
    fn a_runtime_is_found_in_a_path_escaped_or_not() {
        let escaped = ARN.replace(':', "%3A").replace('/', "%2F");
        for path in [
            format!("/runtimes/{escaped}/invocations"),
            format!("/runtimes/{ARN}/invocations"),
        ] {
            assert_eq!(arn_of(&path).as_deref(), Some(ARN), "{path}");
        }
        assert_eq!(arn_of("/invocations"), None);
        assert_eq!(region_of(ARN).as_deref(), Some("us-west-2"));
    }

    #[test]
    fn only_this_machine_is_here() {
        assert!(is_here("127.0.0.1") && is_here("localhost") && is_here("[::1]"));
        assert!(!is_here("magi.example") && !is_here("127.0.0.1.example"));
    }
}
