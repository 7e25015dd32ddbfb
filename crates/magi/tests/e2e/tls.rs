//! Streams over TLS, with the connectors that production has: a certificate of an authority that only the
//! environment trusts, and vendors behind it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use magi_emulator::cloud::Account;
use magi_emulator::{Config, Emulator};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio_util::task::TaskTracker;

use super::lockstep::{self, TOKENS};
use super::support::{Served, http, magi};

/// Puts TLS before a server; ends with the test's runtime. Writes its authority's certificate to `trusted`.
async fn terminate(upstream: SocketAddr, trusted: &Path) -> String {
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(trusted, authority.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = names.signed_by(&key, &authority).unwrap();
    let chain = vec![certificate.der().clone()];
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let tracker = TaskTracker::new();
    let connections = tracker.clone();
    tracker.spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            connections.spawn(async move {
                let Ok(mut inside) = acceptor.accept(socket).await else {
                    return;
                };
                let mut outside = TcpStream::connect(upstream).await.unwrap();
                // Who leaves first ends both.
                let _ = tokio::io::copy_bidirectional(&mut inside, &mut outside).await;
            });
        }
    });
    format!("https://localhost:{port}")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_token_reaches_the_reader_before_the_next_is_made_over_tls_too() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("authority.pem");
    let mut config = Config::default();
    config.longest_hold = Duration::from_secs(30);
    config.account = Some(Account::demo());
    let vendors = Emulator::start(config).await.unwrap();
    let address = terminate(vendors.addr(), &trusted).await;
    let model = format!("fake+lockstep+tool+len-{TOKENS}");
    for vendor in ["openai", "anthropic", "bedrock"] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = magi(folder.path());
        let secure = |url: String| url.replace(&format!("http://{}", vendors.addr()), &address);
        command
            .env("SSL_CERT_FILE", &trusted)
            .env("OPENAI_BASE_URL", secure(vendors.openai_url()))
            .env("OPENAI_API_KEY", "test")
            .env("ANTHROPIC_BASE_URL", secure(vendors.anthropic_url()))
            .env("ANTHROPIC_API_KEY", "test")
            .env(
                "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
                secure(vendors.bedrock_url()),
            )
            .env("AWS_ACCESS_KEY_ID", Account::DEPLOYER)
            .env("AWS_SECRET_ACCESS_KEY", Account::DEPLOYER_SECRET)
            .env("AWS_REGION", Account::REGION)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("MAGI_HEARTBEAT", "0")
            .env("MAGI_MODEL", format!("{vendor}:{model}"));
        let served = Served::start(&mut command, 0).await;
        let answer = http()
            .post(format!("{}/v1/deliberations", served.address))
            .header("accept", "text/event-stream")
            .json(&json!({ "question": "Should we ship on Friday?" }))
            .send()
            .await
            .unwrap();
        lockstep::follow(&vendors, vendor, &model, answer).await;
        served.kill().await;
    }
    vendors.stop().await;
}
