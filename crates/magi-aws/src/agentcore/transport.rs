//! The HTTP under the client: HTTP/1.1 with a read buffer of a fixed size.
//!
//! The SDK's own transport lets a read buffer grow to 400 KiB, or an HTTP/2 window to 2 MiB, while
//! nobody reads. A relay must stop its source instead, so that it holds little however long and
//! however many its streams are; nothing in the SDK's transport sets that.

use std::time::Duration;

use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector as Tcp;
use hyper_util::rt::TokioExecutor;

/// What is read from a connection at a time, in bytes, and so the most that waits unread in it.
const READ: usize = 8 * 1024;

/// What the system keeps of a connection that is not read, in bytes.
const RECEIVED: usize = 64 * 1024;

/// Makes the transport.
pub(super) fn client(connect: Duration) -> SharedHttpClient {
    let connector = SharedHttpConnector::new(Transport(pool(connect)));
    http_client_fn(move |_, _| connector.clone())
}

type Pool = Client<HttpsConnector<Tcp>, SdkBody>;

fn pool(connect: Duration) -> Result<Pool, String> {
    let mut tcp = Tcp::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(connect));
    tcp.set_recv_buffer_size(Some(RECEIVED));
    let tls = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(rustls::crypto::aws_lc_rs::default_provider())
        .map_err(|error| format!("the system's certificates cannot be read: {error}"))?;
    // Plain HTTP is for an endpoint that the environment names; AWS's own are all https.
    let connector = tls.https_or_http().enable_http1().wrap_connector(tcp);
    Ok(Client::builder(TokioExecutor::new())
        // A function is frozen between its calls, and a connection kept meanwhile may be dead when
        // the next call is written to it; that call could not be made again.
        .pool_max_idle_per_host(0)
        .http1_read_buf_exact_size(READ)
        .build(connector))
}

fn used_once() -> ConnectionMetadata {
    ConnectionMetadata::builder()
        .proxied(false)
        .poison_fn(|| {})
        .build()
}

#[derive(Debug)]
struct Transport(Result<Pool, String>);

impl HttpConnector for Transport {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let pool = match &self.0 {
            Ok(pool) => pool.clone(),
            Err(error) => {
                return HttpConnectorFuture::ready(Err(ConnectorError::user(error.clone().into())));
            }
        };
        HttpConnectorFuture::new(async move {
            let request = request
                .try_into_http1x()
                .map_err(|error| ConnectorError::user(error.into()))?;
            if let Some(capture) = request.extensions().get::<CaptureSmithyConnection>() {
                // No connection is used twice, so there is none to keep from the next call.
                capture.set_connection_retriever(|| Some(used_once()));
            }
            let response = pool
                .request(request)
                .await
                .map_err(|error| ConnectorError::io(error.into()))?;
            HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}
