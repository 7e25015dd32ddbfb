//! How a request gets to the server: an HTTP client, or whatever a caller puts in its place.

use std::error::Error as StdError;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use http::{Request, Response};

use crate::Error;

/// The body of an answer as it comes. Dropping it closes the connection.
pub type Body = Pin<Box<dyn Stream<Item = Result<Bytes, TransportError>> + Send>>;

/// A request on its way: it resolves when the answer's head is there.
pub type Sending = Pin<Box<dyn Future<Output = Result<Response<Body>, TransportError>> + Send>>;

/// Something that carries requests to a server.
///
/// [`Http`] is the one for everyday use. Another may sign what it sends, or be a server in the same
/// process.
pub trait Transport: Send + Sync + 'static {
    /// Sends a request with an absolute address. Nothing may happen before the first poll, and
    /// dropping the future ends the request.
    fn send(&self, request: Request<Bytes>) -> Sending;
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
pub struct Http(reqwest::Client);

impl Http {
    /// Makes a transport; `direct` passes the proxies of the environment by.
    ///
    /// # Errors
    ///
    /// When the machine's TLS cannot be set up.
    pub fn new(direct: bool) -> Result<Self, Error> {
        let builder = reqwest::Client::builder()
            .user_agent(concat!("magi/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::limited(3));
        let builder = if direct { builder.no_proxy() } else { builder };
        let client = builder
            .build()
            .map_err(|error| Error::Unreachable(error.into()))?;
        Ok(Http(client))
    }
}

impl Transport for Http {
    fn send(&self, request: Request<Bytes>) -> Sending {
        let client = self.0.clone();
        Box::pin(async move {
            let response = client.execute(request.try_into()?).await?;
            let mut head = Response::new(());
            *head.status_mut() = response.status();
            *head.headers_mut() = response.headers().clone();
            let body: Body = Box::pin(response.bytes_stream().map_err(TransportError::from));
            Ok(head.map(|()| body))
        })
    }
}
