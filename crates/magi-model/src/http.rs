//! One HTTP client per provider: connections, headers with keys, and how failures are told.

use std::sync::{Arc, OnceLock};

use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response, Url, redirect};

use crate::causes::{causes, root_cause};
use crate::fault::{Complaint, retry_after};
use crate::secret::{Key, scrub};
use crate::{Error, Kind, stream};

/// How much of an error's body is read, in bytes.
const ERROR_LIMIT: usize = 64 << 10;

/// How much of a list of models is read, in bytes.
const LIST_LIMIT: usize = 8 << 20;

/// A vendor's address with the client that calls it. Clones share the client and its connections.
#[derive(Clone)]
pub(crate) struct Http(Arc<Inner>);

struct Inner {
    name: String,
    base: Url,
    headers: HeaderMap,
    key: Option<Key>,
    /// Made at the first call: reading the system's certificates costs time a start should not pay.
    client: OnceLock<Result<Client, Error>>,
}

/// How a vendor wants its key.
#[derive(Clone, Copy)]
pub(crate) enum Auth {
    /// `Authorization: Bearer KEY`.
    Bearer,
    /// `x-api-key: KEY`.
    ApiKey,
}

/// A request that the vendor refused, with what it says about that.
pub(crate) struct Refused {
    pub(crate) error: Error,
    pub(crate) complaint: Complaint,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Refused {
        Refused {
            error,
            complaint: Complaint::default(),
        }
    }
}

impl Http {
    /// Makes the client of one vendor.
    ///
    /// # Errors
    ///
    /// When the base URL is not an `http` or `https` address.
    pub(crate) fn new(
        name: &str,
        base_url: &str,
        auth: Auth,
        key: Option<Key>,
    ) -> Result<Http, Error> {
        let base = parse_base(base_url)?;
        let mut headers = HeaderMap::new();
        headers.insert(
            http::header::ACCEPT,
            HeaderValue::from_static("text/event-stream, application/json"),
        );
        let (header, prefix) = match auth {
            Auth::Bearer => (http::header::AUTHORIZATION, "Bearer "),
            Auth::ApiKey => (HeaderName::from_static("x-api-key"), ""),
        };
        if let Some(value) = key.as_ref().and_then(|key| key.header(prefix)) {
            headers.insert(header, value);
        }
        if matches!(auth, Auth::ApiKey) {
            headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
        }
        let client = OnceLock::new();
        Ok(Http(Arc::new(Inner {
            name: name.to_owned(),
            base,
            headers,
            key,
            client,
        })))
    }

    /// Returns the provider's name.
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// Sends a request body; the response is a success whose body has not been read.
    pub(crate) async fn post(&self, path: &str, body: Vec<u8>) -> Result<Response, Refused> {
        let request = self.client()?.post(self.url(path, None));
        let request = request
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(body);
        self.send(request).await
    }

    /// Gets a JSON document.
    pub(crate) async fn get(&self, path: &str, query: Option<&str>) -> Result<Vec<u8>, Error> {
        let request = self.client()?.get(self.url(path, query));
        let mut response = self.send(request).await.map_err(|refused| refused.error)?;
        self.body(&mut response, LIST_LIMIT).await
    }

    /// Reads a body of at most `limit` bytes.
    pub(crate) async fn body(
        &self,
        response: &mut Response,
        limit: usize,
    ) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        while let Some(bytes) = response
            .chunk()
            .await
            .map_err(|error| self.broken(&error))?
        {
            if body.len() + bytes.len() > limit {
                return Err(self.unexpected(&format!("an answer of more than {limit} bytes")));
            }
            body.extend_from_slice(&bytes);
        }
        Ok(body)
    }

    /// Returns the error of a connection that broke while the answer came.
    pub(crate) fn broken(&self, error: &reqwest::Error) -> Error {
        let is_cut = causes(error).any(|cause| {
            let io = cause.downcast_ref::<std::io::Error>();
            io.is_some_and(|io| io.kind() == std::io::ErrorKind::UnexpectedEof)
        });
        let kind = if is_cut {
            Kind::Truncated
        } else {
            Kind::Network
        };
        let message = format!(
            "the connection to {} broke: {}",
            self.place(),
            root_cause(error)
        );
        Error::new(kind, scrub(&message, self.0.key.as_ref()))
    }

    /// Returns the error that the vendor sent something else than was asked for.
    pub(crate) fn unexpected(&self, what: &str) -> Error {
        stream::malformed(&self.place(), what)
    }

    /// Names the vendor in an error that a decoder made, and takes keys out of it.
    pub(crate) fn named(&self, mut error: Error) -> Error {
        let message = format!("{}: {}", self.place(), error.message);
        error.message = scrub(&message, self.0.key.as_ref());
        error
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Response, Refused> {
        let request = request.headers(self.0.headers.clone());
        let mut response = request
            .send()
            .await
            .map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let wait = retry_after(response.headers());
        let complaint = if status.is_redirection() {
            moved(response.headers())
        } else {
            Complaint::from_body(&read_some(&mut response).await)
        };
        let error =
            complaint
                .clone()
                .into_error(&self.place(), Some(status.as_u16()), self.0.key.as_ref());
        Err(Refused {
            error: Error {
                retry_after: wait,
                ..error
            },
            complaint,
        })
    }

    fn unreachable(&self, error: &reqwest::Error) -> Error {
        let reason = root_cause(error);
        let tls = causes(error).any(|cause| cause.is::<rustls::Error>());
        let (kind, message) = if tls {
            (
                Kind::Untrusted,
                format!("no trusted connection to {}: {reason}", self.place()),
            )
        } else if error.is_builder() {
            (
                Kind::BadRequest,
                format!("the request to {} cannot be made: {reason}", self.place()),
            )
        } else if error.is_connect() {
            (
                Kind::Network,
                format!("no connection to {}: {reason}", self.place()),
            )
        } else {
            (
                Kind::Network,
                format!("the connection to {} broke: {reason}", self.place()),
            )
        };
        Error::new(kind, scrub(&message, self.0.key.as_ref()))
    }

    /// Returns the host, with the port where it is not the usual one.
    fn place(&self) -> String {
        let host = self.0.base.host_str().unwrap_or_default();
        let port = self.0.base.port().map(|port| format!(":{port}"));
        format!("{host}{}", port.unwrap_or_default())
    }

    fn url(&self, path: &str, query: Option<&str>) -> Url {
        let mut url = self.0.base.clone();
        let whole = format!("{}/{path}", url.path().trim_end_matches('/'));
        url.set_path(&whole);
        if query.is_some() {
            url.set_query(query);
        }
        url
    }

    fn client(&self) -> Result<&Client, Error> {
        let client = self.0.client.get_or_init(|| build(&self.0.base));
        client.as_ref().map_err(Clone::clone)
    }
}

/// Makes the client. Redirects are not followed: a key is for one host only. A proxy is taken from
/// the environment, but never for this machine's own servers.
fn build(base: &Url) -> Result<Client, Error> {
    let builder = Client::builder()
        .redirect(redirect::Policy::none())
        .tcp_nodelay(true)
        .user_agent(concat!("magi/", env!("CARGO_PKG_VERSION")));
    let builder = if is_loopback(base) {
        builder.no_proxy()
    } else {
        builder
    };
    builder.build().map_err(|error| {
        Error::new(
            Kind::Untrusted,
            format!("TLS cannot be set up: {}", root_cause(&error)),
        )
    })
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address: Option<std::net::IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    host == "localhost"
        || host.ends_with(".localhost")
        || address.is_some_and(|address| address.to_canonical().is_loopback())
}

fn parse_base(text: &str) -> Result<Url, Error> {
    let wrong = |why: &str| {
        Error::new(
            Kind::BadRequest,
            format!("the base URL is not usable: {why}"),
        )
    };
    let url = Url::parse(text.trim()).map_err(|error| wrong(&error.to_string()))?;
    match (url.scheme(), url.host_str()) {
        ("http" | "https", Some(_)) => Ok(url),
        _ => Err(wrong("it must begin with http:// or https://")),
    }
}

fn moved(headers: &HeaderMap) -> Complaint {
    let host = headers
        .get(http::header::LOCATION)
        .and_then(|place| Url::parse(place.to_str().ok()?).ok())
        .and_then(|place| place.host_str().map(str::to_owned));
    let place = host.unwrap_or_else(|| "another path".to_owned());
    let message = format!("a redirect to {place}, which is not followed with a key");
    Complaint {
        message,
        ..Complaint::default()
    }
}

/// Reads an error's body up to the limit; what cannot be read is left out.
async fn read_some(response: &mut Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(bytes)) = response.chunk().await {
        let room = ERROR_LIMIT - body.len();
        body.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if body.len() == ERROR_LIMIT {
            break;
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machines_own_addresses_are_loopback() {
        for (url, own) in [
            ("http://localhost:11434/v1", true),
            ("http://127.8.0.1", true),
            ("http://[::1]:8080", true),
            ("http://[::ffff:127.0.0.1]:8080", true),
            ("http://x.localhost", true),
            ("http://localhost.example.com", false),
            ("http://10.0.0.1", false),
            ("https://api.openai.com/v1", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), own, "{url}");
        }
    }

    #[test]
    fn paths_join_and_a_query_stays() {
        let http = |base: &str| Http::new("x", base, Auth::Bearer, None).unwrap();
        assert_eq!(
            http("http://h/v1/").url("models", None).as_str(),
            "http://h/v1/models"
        );
        assert_eq!(
            http("http://h/v1?a=b").url("models", None).as_str(),
            "http://h/v1/models?a=b"
        );
        for bad in ["", "h/v1", "ftp://h", "localhost:11434"] {
            assert!(Http::new("x", bad, Auth::Bearer, None).is_err(), "{bad}");
        }
    }
}
