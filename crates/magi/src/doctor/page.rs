//! A hosted page: its files, and the way that its `config.json` names.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method};
use magi_client::Transport;
use serde::Deserialize;
use serde_json::{Value, json};

use super::faults::{self, Found, Words};
use super::policy::Policies;
use super::reply::{NoReply, Reply, exchange, plain, redirect};
use crate::settings::Settings;
use crate::way::{self, Keys, Kind, Scope, Sign, Way};

/// `config.json`, as docs/hosting.md has it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PageConfig {
    door: PageDoor,
    base: String,
    runtime: Option<String>,
    qualifier: Option<String>,
    sign: PageSign,
    region: Option<String>,
    service: Option<String>,
    identity_pool: Option<String>,
    identity_endpoint: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PageDoor {
    #[default]
    Server,
    Invocations,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PageSign {
    #[default]
    None,
    Bearer,
    Sigv4,
    ContentSha256,
}

/// Where a page's settings stand.
const CONFIG: &str = "/config.json";

/// What stands at an address that may be a page's.
pub(crate) enum Site {
    /// A page with this `config.json`.
    Page(Box<PageConfig>, Option<Box<Found>>),
    /// No `config.json`: a server, or something else.
    Bare,
}

/// Looks for a page's `config.json` under an address.
pub(crate) async fn look(
    bare: &Arc<dyn Transport>,
    base: &str,
) -> Result<Result<Site, Box<Found>>, NoReply> {
    let Some(request) = plain(Method::GET, &format!("{base}{CONFIG}")) else {
        return Ok(Ok(Site::Bare));
    };
    let reply = exchange(bare, request).await?;
    // Where the whole page has moved, its files have; anything else may still be a door.
    let moved = reply.header(LOCATION.as_str()).ends_with(CONFIG);
    if let Some(found) = redirect(&reply, &format!("{base}{CONFIG}"), CONFIG).filter(|_| moved) {
        return Ok(Err(found));
    }
    if reply.status != 200 {
        return Ok(Ok(Site::Bare));
    }
    let invalid = |why: &str| Ok(Err(faults::CONFIG_INVALID.found(&[("why", why)])));
    match serde_json::from_slice::<Value>(&reply.body) {
        Ok(config) => match PageConfig::deserialize(config) {
            Ok(config) => Ok(Ok(Site::Page(Box::new(config), cached(&reply)))),
            Err(error) => invalid(&error.to_string()),
        },
        Err(_) if is_page(&reply) => {
            let why = [
                "a page stands in its place: a rewrite rule, most likely, answers for it",
                "その場所にページがあります。おそらくリライトルールが代わりに答えています",
            ];
            Ok(Err(faults::CONFIG_INVALID.found(&[]).in_words("why", why)))
        }
        Err(error)
            if reply
                .header(CONTENT_TYPE.as_str())
                .starts_with("application/json") =>
        {
            invalid(&error.to_string())
        }
        Err(_) => Ok(Ok(Site::Bare)),
    }
}

fn is_page(reply: &Reply) -> bool {
    String::from_utf8_lossy(&reply.body).contains("<title>MAGI</title>")
}

fn cached(reply: &Reply) -> Option<Box<Found>> {
    let words = reply.header("cache-control").split(',');
    let age = words
        .filter_map(|word| word.trim().strip_prefix("max-age="))
        .next()?;
    let is_kept = age.parse::<u64>().is_ok_and(|seconds| seconds > 0);
    is_kept.then(|| faults::CONFIG_CACHED.found(&[("seconds", age)]))
}

/// What was found of a page that is there.
pub(crate) struct Compared {
    /// What the hosting lets it call.
    pub(crate) policies: Policies,
    /// That it is another version's.
    pub(crate) old: Option<Box<Found>>,
}

/// Compares the page with the one that this program brings.
///
/// # Errors
///
/// That there is none.
pub(crate) async fn compare(bare: &Arc<dyn Transport>, base: &str) -> Result<Compared, Box<Found>> {
    let Some(request) = plain(Method::GET, &format!("{base}/")) else {
        return Err(faults::PAGE_MISSING.found(&[("what", base)]));
    };
    let reply = exchange(bare, request).await;
    let reply = reply.map_err(|why| super::reply::no_reply(&why, base))?;
    if reply.status != 200 || !is_page(&reply) {
        return Err(faults::PAGE_MISSING.found(&[("what", &reply.words())]));
    }
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    let own = magi_server::page_index().unwrap_or_default();
    let own = String::from_utf8_lossy(&own).into_owned();
    let policies = Policies::of(&reply);
    if entry(&text) == entry(&own) {
        return Ok(Compared {
            policies,
            old: None,
        });
    }
    let age = match reply.header("age") {
        "" => String::new(),
        age => format!(" (Age: {age})"),
    };
    let values = &[
        ("version", env!("CARGO_PKG_VERSION")),
        ("age", age.as_str()),
    ];
    Ok(Compared {
        policies,
        old: Some(faults::PAGE_OLD.found(values)),
    })
}

/// Returns the page's own code by its name, which has a hash of the content.
fn entry(index: &str) -> Option<&str> {
    let from = index.find("assets/index-")?;
    index[from..].split('"').next()
}

impl PageConfig {
    /// Returns where the page gets a guest's keys, if it signs.
    pub(crate) fn identity_url(&self) -> Option<String> {
        let pool = self.identity_pool.as_deref();
        let pool = pool.filter(|_| self.sign == PageSign::Sigv4)?;
        let endpoint = self.identity_endpoint.clone();
        Some(endpoint.unwrap_or_else(|| identity_service(pool)))
    }

    /// Returns the way that the page takes.
    ///
    /// # Errors
    ///
    /// What is wrong with the file, or with the identity pool that it names.
    pub(crate) async fn way(&self, page: &str, settings: &Settings) -> Result<Way, Box<Found>> {
        let invalid = |why: &str| faults::CONFIG_INVALID.found(&[("why", why)]);
        let lacks = |why: Words| faults::CONFIG_INVALID.found(&[]).in_words("why", why);
        let base = self.base.trim_end_matches('/');
        let base = if base.is_empty() || base.starts_with('/') {
            format!("{}{base}", origin_of(page))
        } else {
            base.to_owned()
        };
        let address = match (&self.runtime, self.door) {
            (Some(_), PageDoor::Server) => {
                return Err(lacks([
                    "`runtime` needs \"door\": \"invocations\"",
                    "`runtime` には \"door\": \"invocations\" が必要です",
                ]));
            }
            (Some(arn), PageDoor::Invocations) => {
                let qualifier = self.qualifier.as_deref().unwrap_or("DEFAULT");
                let arn = format!("{arn}?qualifier={qualifier}");
                let host = (!self.base.is_empty()).then_some(base.as_str());
                way::runtime_address(&arn, host).map_err(|error| invalid(&error.to_string()))?
            }
            (None, PageDoor::Invocations) if !base.contains("/invocations") => {
                format!("{base}/invocations")
            }
            (None, PageDoor::Server | PageDoor::Invocations) => base,
        };
        let uri = way::read_uri(&address).map_err(|error| invalid(&error.to_string()))?;
        if page.starts_with("https://") && uri.scheme_str() == Some("http") {
            return Err(faults::CONFIG_MIXED.found(&[("url", &address)]));
        }
        let by_host = way::scope_of(uri.host().unwrap_or_default());
        let is_runtime = uri.path().contains("/runtimes/");
        let service = self.service.clone().unwrap_or_else(|| {
            let service = if is_runtime {
                "bedrock-agentcore"
            } else {
                "lambda"
            };
            by_host
                .as_ref()
                .map_or(service.to_owned(), |scope| scope.service.clone())
        });
        let sign = match self.sign {
            // The page asks for a server's token when it is told to; ours goes to the page's own only.
            PageSign::None
                if self.door == PageDoor::Server && origin_of(page) == origin_of(&address) =>
            {
                match settings.text("token") {
                    "" => Sign::None,
                    token => Sign::Bearer(token.to_owned()),
                }
            }
            PageSign::None => Sign::None,
            PageSign::ContentSha256 => Sign::ContentHash,
            PageSign::Bearer => match settings.text("token") {
                // The door itself says that it wants one: until it is asked, nothing is known of the hops before it.
                "" => Sign::None,
                token => Sign::Bearer(token.to_owned()),
            },
            PageSign::Sigv4 => {
                let pool = self.identity_pool.as_deref();
                let none = [
                    "`sign` is sigv4, and there is no `identity_pool`",
                    "`sign` が sigv4 なのに、`identity_pool` がありません",
                ];
                let pool = pool.ok_or_else(|| lacks(none))?;
                let by_arn = self.runtime.as_deref().and_then(way::region_of);
                let by_pool = pool.split(':').next().unwrap_or_default().to_owned();
                let region = self.region.clone().or(by_arn).unwrap_or(by_pool);
                let keys = guest(pool, self.identity_endpoint.as_deref()).await?;
                let service = service.clone();
                Sign::SigV4(Scope { service, region }, Some(keys))
            }
        };
        let kind = match (is_runtime, self.sign) {
            (true, _) => Kind::AgentCore,
            (false, PageSign::Sigv4) if service == "lambda" => Kind::FunctionUrl,
            _ if by_host.is_some() => Kind::FunctionUrl,
            _ => Kind::Server,
        };
        Ok(Way::new(address, kind, sign))
    }
}

/// Returns scheme, host and port of an address, as a browser writes an origin.
pub(crate) fn origin_of(url: &str) -> String {
    match way::read_uri(url) {
        Ok(uri) => {
            let authority = uri.authority().map_or("", http::uri::Authority::as_str);
            format!("{}://{authority}", uri.scheme_str().unwrap_or("https"))
        }
        Err(_) => String::new(),
    }
}

/// Returns the address of an identity pool's service, whose region the pool's id begins with.
fn identity_service(pool: &str) -> String {
    let region = pool.split(':').next().unwrap_or_default();
    format!("https://cognito-identity.{region}.amazonaws.com")
}

/// Gets a guest's keys as the page does.
///
/// Source: Amazon Cognito Federated Identities API reference, `GetId`, `GetCredentialsForIdentity`.
async fn guest(pool: &str, endpoint: Option<&str>) -> Result<Keys, Box<Found>> {
    let none = |why: &str| faults::POOL.found(&[("pool", pool), ("why", why)]);
    let says = |why: Words| faults::POOL.found(&[("pool", pool)]).in_words("why", why);
    let aws = identity_service(pool);
    let url = endpoint.unwrap_or(&aws);
    let way = Way::new(url.to_owned(), Kind::Server, Sign::None);
    let bare = way
        .transport()
        .await
        .map_err(|error| none(&error.to_string()))?;
    let call = async |name: &str, body: Value| -> Result<Value, Box<Found>> {
        let target = format!("AWSCognitoIdentityService.{name}");
        let request = plain(Method::POST, url).zip(HeaderValue::from_str(&target).ok());
        let no_address = [
            "its endpoint is no address",
            "エンドポイントがアドレスではありません",
        ];
        let (mut request, target) = request.ok_or_else(|| says(no_address))?;
        *request.body_mut() = Bytes::from(body.to_string());
        let kind = HeaderValue::from_static("application/x-amz-json-1.1");
        request.headers_mut().insert(CONTENT_TYPE, kind);
        request.headers_mut().insert("x-amz-target", target);
        let reply = match exchange(&bare, request).await {
            Ok(reply) => reply,
            Err(NoReply::Transport(error)) => return Err(none(&error.to_string())),
            Err(NoReply::Silent) => return Err(says(faults::SILENCE)),
        };
        if reply.status != 200 {
            return Err(none(&reply.words()));
        }
        Ok(Value::Object(reply.json().unwrap_or_default()))
    };
    let id = call("GetId", json!({ "IdentityPoolId": pool })).await?;
    let body = json!({ "IdentityId": id["IdentityId"] });
    let given = call("GetCredentialsForIdentity", body).await?;
    let text = |name: &str| given["Credentials"][name].as_str().map(str::to_owned);
    let keys = text("AccessKeyId").zip(text("SecretKey"));
    let empty = ["its answer holds none", "応答に認証情報がありません"];
    let (key, secret) = keys.ok_or_else(|| says(empty))?;
    Ok(Keys {
        key,
        secret,
        token: text("SessionToken"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_does_not_exist_is_named() {
        let read = |text: &str| serde_json::from_str::<PageConfig>(text);
        assert!(read(r#"{"door":"invocations","sign":"content-sha256"}"#).is_ok());
        let error = read(r#"{"dor":"server"}"#).unwrap_err().to_string();
        assert!(error.contains("`dor`"), "{error}");
        assert!(read(r#"{"sign":"sigv5"}"#).is_err());
    }

    #[test]
    fn a_page_that_signs_gets_its_keys_at_the_pool_of_its_region_or_at_the_endpoint_named() {
        let at = |text: &str| {
            let config = serde_json::from_str::<PageConfig>(text).unwrap();
            config.identity_url()
        };
        assert_eq!(
            at(r#"{"sign":"sigv4","identity_pool":"eu-west-1:p"}"#).as_deref(),
            Some("https://cognito-identity.eu-west-1.amazonaws.com")
        );
        assert_eq!(
            at(r#"{"sign":"sigv4","identity_pool":"p","identity_endpoint":"http://h:1"}"#)
                .as_deref(),
            Some("http://h:1")
        );
        assert_eq!(at(r#"{"sign":"sigv4"}"#), None);
        assert_eq!(at(r#"{"sign":"bearer","identity_pool":"p"}"#), None);
    }

    #[test]
    fn an_origin_has_no_path() {
        assert_eq!(
            origin_of("https://magi.example/page?x"),
            "https://magi.example"
        );
        assert_eq!(origin_of("http://127.0.0.1:80/"), "http://127.0.0.1:80");
    }
}
