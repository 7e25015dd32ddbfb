//! How a request gets to the server: an HTTP client, or whatever a caller puts in its place.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use http::{Request, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::Error;

/// The body of an answer as it comes. Dropping it closes the connection.
pub type Body = Pin<Box<dyn Stream<Item = Result<Bytes, TransportError>> + Send>>;

/// A request on its way: it resolves when the answer's head is there.
pub type Sending = Pin<Box<dyn Future<Output = Result<Response<Body>, TransportError>> + Send>>;

/// The bytes of a connection that has left HTTP behind, both ways. Dropping it closes the connection.
pub trait Pipe: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Pipe for T {}

/// What became of a wish to leave HTTP behind.
pub enum Upgrade {
    /// The server switched (101).
    Switched(Box<dyn Pipe>),
    /// It answered as to any other request.
    Refused(Body),
}

impl std::fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Upgrade::Switched(_) => "Switched",
            Upgrade::Refused(_) => "Refused",
        })
    }
}

/// An upgrade on its way: it resolves when the answer's head is there.
pub type Upgrading =
    Pin<Box<dyn Future<Output = Result<Response<Upgrade>, TransportError>> + Send>>;

/// Something that carries requests to a server.
///
/// [`Http`] is the one for everyday use. Another may sign what it sends, or be a server in the same
/// process.
pub trait Transport: Send + Sync + 'static {
    /// Sends a request with an absolute address. Nothing may happen before the first poll, and
    /// dropping the future ends the request.
    fn send(&self, request: Request<Bytes>) -> Sending;

    /// Sends a request that asks for a WebSocket, as [`Transport::send`] sends others. A transport
    /// without them need not say so itself.
    fn upgrade(&self, request: Request<Bytes>) -> Upgrading {
        drop(request);
        let none = TransportError::new("this transport carries no WebSockets", true);
        Box::pin(std::future::ready(Err(none)))
    }
}

/// No answer came, or it broke off.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct TransportError {
    message: String,
    never_sent: bool,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl TransportError {
    /// Makes an error; `never_sent` says that the server cannot have seen the request.
    pub fn new(message: impl Into<String>, never_sent: bool) -> Self {
        TransportError {
            message: message.into(),
            never_sent,
            source: None,
        }
    }

    /// Tells whether the server cannot have seen the request.
    #[must_use]
    pub fn never_sent(&self) -> bool {
        self.never_sent
    }
}

impl From<reqwest::Error> for TransportError {
    fn from(error: reqwest::Error) -> Self {
        // reqwest's own words name the address and hide the reason; the reason is what helps.
        let mut reason: &dyn StdError = &error;
        while let Some(source) = reason.source() {
            reason = source;
        }
        TransportError {
            message: reason.to_string(),
            never_sent: error.is_connect() || error.is_builder(),
            source: Some(Box::new(error.without_url())),
        }
    }
}

/// HTTP/1.1 and HTTP/2 over TCP and TLS.
#[derive(Clone, Debug)]
pub struct Http {
    client: reqwest::Client,
    direct: bool,
    /// For WebSockets, which only HTTP/1.1 switches to; made when the first one is asked for.
    first: OnceLock<reqwest::Client>,
}

impl Http {
    /// Makes a transport; `direct` passes the proxies of the environment by.
    ///
    /// # Errors
    ///
    /// When the machine's TLS cannot be set up.
    pub fn new(direct: bool) -> Result<Self, Error> {
        let client = builder(direct)
            .build()
            .map_err(|error| Error::Unreachable(error.into()))?;
        Ok(Http {
            client,
            direct,
            first: OnceLock::new(),
        })
    }

    fn http1(&self) -> Result<reqwest::Client, TransportError> {
        if let Some(client) = self.first.get() {
            return Ok(client.clone());
        }
        let client = builder(self.direct).http1_only().build()?;
        Ok(self.first.get_or_init(|| client).clone())
    }
}

fn builder(direct: bool) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("magi/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(10))
        // A question that is sent on as a GET is none, and a signature is for one address.
        .redirect(reqwest::redirect::Policy::none());
    if direct { builder.no_proxy() } else { builder }
}

/// Returns an answer's head.
fn head(response: &reqwest::Response) -> Response<()> {
    let mut head = Response::new(());
    *head.status_mut() = response.status();
    *head.headers_mut() = response.headers().clone();
    head
}

fn body(response: reqwest::Response) -> Body {
    Box::pin(response.bytes_stream().map_err(TransportError::from))
}

impl Transport for Http {
    fn send(&self, request: Request<Bytes>) -> Sending {
        let client = self.client.clone();
        Box::pin(async move {
            let response = client.execute(request.try_into()?).await?;
            Ok(head(&response).map(|()| body(response)))
        })
    }

    fn upgrade(&self, request: Request<Bytes>) -> Upgrading {
        let client = self.http1();
        Box::pin(async move {
            let response = client?.execute(request.try_into()?).await?;
            let head = head(&response);
            let upgrade = if head.status() == StatusCode::SWITCHING_PROTOCOLS {
                Upgrade::Switched(Box::new(response.upgrade().await?))
            } else {
                Upgrade::Refused(body(response))
            };
            Ok(head.map(|()| upgrade))
        })
    }
}
