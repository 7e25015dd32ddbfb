//! More faults planted for the doctor: what proxies, certificates and dead hosts do on the way; and that no row of
//! its table is without a plant.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::doctor::{Ground, doctor, finds, page_folder, server};
use super::meddler::{Does, meddle};
use super::runtime::{ARN, Reply, Runtime};

#[tokio::test]
async fn what_a_proxy_changes_on_the_way_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let origin = "https://page.example";
    let (served, _fakes) = server(folder, &[("MAGI_CORS_ORIGINS", origin)]).await;
    let behind = async |does| meddle(&served.address, does).await;
    let at = |url: &str| doctor(folder, url, &[]);

    let cached = behind(Does::Sets("cache-control", "public, max-age=600")).await;
    finds(at(&cached), "config-cached", &[]).await;
    let methods = Does::Sets("access-control-allow-methods", "GET");
    let get_only = format!("{}/invocations", behind(methods).await);
    let values = [
        ("method", "POST"),
        ("setting", "`cors_origins` (MAGI_CORS_ORIGINS)"),
    ];
    let with_origin = ["--origin", origin];
    finds(
        doctor(folder, &get_only, &with_origin),
        "cors-method",
        &values,
    )
    .await;
    let twice = Does::Adds("access-control-allow-origin", "https://page.example");
    let twice = format!("{}/invocations", behind(twice).await);
    finds(doctor(folder, &twice, &with_origin), "cors-twice", &[]).await;
    let short = format!("{}/invocations", behind(Does::Ends).await);
    finds(at(&short), "stream-ends", &[]).await;
    // A door that knows itself by another name says so, and how it is mended, in its own words.
    let renamed = format!(
        "{}/invocations",
        behind(Does::Renames("magi.example")).await
    );
    let fix = "read the log of what answers there";
    finds(at(&renamed), "refuses", &[("fix", fix)]).await;

    let (container, _fakes) = server(folder, &[("MAGI_TRUST", "platform")]).await;
    let mute = meddle(&container.address, Does::Hides("/ping")).await;
    finds(at(&mute), "ping-missing", &[]).await;

    // AWS does not always say what it got; then the doctor does not guess.
    let runtime = Runtime::start().await;
    let escaped = ARN.replace(':', "%3A").replace('/', "%2F");
    runtime.will(Reply::Refuses(403, "InvalidSignatureException"));
    let plane = format!("{}/runtimes/{escaped}/invocations", runtime.url());
    finds(at(&plane), "signature", &[]).await;
}

#[tokio::test]
async fn what_takes_connections_and_ends_them_or_none_at_all_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/invocations", listener.local_addr().unwrap());
    TaskTracker::new().spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
        }
    });
    // The name of the host in the fix is the whole address.
    finds(doctor(folder, &url, &[]), "cut", &[("host", &url)]).await;

    // A listener whose queue is full lets a connection wait for ever, as a firewall that drops packets does.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = socket.listen(1).unwrap();
    let address = full.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(connected) = timeout(Duration::from_secs(2), TcpStream::connect(address)).await {
        waiting.push(connected.unwrap());
    }
    let dead = format!("http://{address}/invocations");
    finds(
        doctor(folder, &dead, &[]),
        "unreachable",
        &[("peer", &address.to_string())],
    )
    .await;
}

/// A certificate for 127.0.0.1 that nobody has signed, and its key.
const UNTRUSTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/untrusted.pem");

/// Speaks TLS in front of an address.
async fn secure(upstream: &str) -> String {
    let certificate = CertificateDer::from_pem_file(UNTRUSTED).unwrap();
    let key = PrivateKeyDer::from_pem_file(UNTRUSTED).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    let upstream = upstream.trim_start_matches("http://").to_owned();
    let tracker = TaskTracker::new();
    tracker.clone().spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, upstream) = (acceptor.clone(), upstream.clone());
            tracker.spawn(async move {
                let Ok(mut near) = acceptor.accept(stream).await else {
                    return;
                };
                let mut far = TcpStream::connect(upstream).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn a_certificate_nobody_trusts_and_a_page_that_calls_without_tls_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (served, _fakes) = server(folder, &[]).await;
    let secured = secure(&served.address).await;
    let report = finds(
        doctor(folder, &format!("{secured}/invocations"), &[]),
        "tls-certificate",
        &[],
    )
    .await;
    assert!(report.to_string().contains("certificate"), "{report:#}");

    // Where this machine trusts it, the page is read, and names a door that browsers refuse.
    let config = json!({"door": "invocations", "base": served.address});
    let ground = Ground::new();
    let page = ground.host(Some(page_folder()), config).await;
    let page = secure(&page).await;
    let mut trusting = doctor(folder, &page, &[]);
    trusting.env("SSL_CERT_FILE", UNTRUSTED);
    finds(trusting, "config-mixed", &[]).await;
}

/// A fault that nobody plants may be one that the doctor does not find.
#[test]
fn every_fault_of_the_table_is_planted() {
    let page = include_str!("../../../../docs/doctor.md");
    let plants = [
        include_str!("doctor.rs"),
        include_str!("doctor_on_the_way.rs"),
        // A silence of a minute, on a paused clock.
        include_str!("../../src/doctor/reply.rs"),
    ];
    let faults: Vec<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .map(|(fault, _)| fault)
        .collect();
    assert!(faults.len() >= 60, "only {} faults", faults.len());
    for fault in faults {
        let is_planted = plants
            .iter()
            .any(|file| file.contains(&format!("\"{fault}\"")));
        assert!(is_planted, "nobody plants `{fault}`");
    }
}
