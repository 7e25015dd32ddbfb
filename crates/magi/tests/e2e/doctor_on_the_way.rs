//! More faults planted for the doctor: what proxies, certificates and dead hosts do on the way; and that no row of
//! its table is without a plant.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::doctor::{Ground, cloud, doctor, finds, healthy, page, page_folder, server};
use super::meddler::{Does, meddle};
use super::runtime::{ARN, Reply, Runtime};
use super::support::magi;
use super::ways::told;

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

    // One that takes a request and keeps it.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/invocations", listener.local_addr().unwrap());
    TaskTracker::new().spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            kept.push(stream);
        }
    });
    finds(doctor(folder, &url, &[]), "silent", &[("host", &url)]).await;

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

#[tokio::test]
async fn a_page_whose_policy_forbids_its_door_is_told_which_origins_to_add() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let origin = "https://page.example";
    let (served, _fakes) = server(folder, &[("MAGI_CORS_ORIGINS", origin)]).await;
    let ground = Ground::new();
    let here = json!({"door": "server", "base": served.address});
    let hosted = ground.host(Some(page_folder()), here).await;
    let with = async |policy| {
        let page = meddle(&hosted, Does::Sets("content-security-policy", policy)).await;
        doctor(folder, &page, &["--origin", origin])
    };
    let own = with("default-src 'none'; connect-src 'self'").await;
    let values = [("origins", served.address.as_str())];
    finds(own, "page-policy", &values).await;
    let named = with("default-src 'none'; connect-src 'self' http://127.0.0.1:*").await;
    healthy(named, &["page", "config", "door"]).await;
}

/// A page that signs calls two origins: where a guest's keys come from, and its door.
#[tokio::test]
async fn a_page_whose_policy_forbids_its_identity_pool_is_told_that_origin() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let cloud = cloud().await;
    let door = cloud.gateway().url();
    let pool = told(&cloud, "AWS_ENDPOINT_URL_COGNITO_IDENTITY");
    let with = async |origins: &str| {
        let policy = format!("default-src 'none'; connect-src 'self' {origins}");
        let sets = Does::Sets("content-security-policy", policy.leak());
        let page = meddle(&page(&cloud, "gateway"), sets).await;
        doctor(folder, &page, &[])
    };
    let both = format!("{door} {pool}");
    finds(with(&door).await, "page-policy", &[("origins", &pool)]).await;
    finds(with(&pool).await, "page-policy", &[("origins", &door)]).await;
    finds(with("").await, "page-policy", &[("origins", &both)]).await;
    healthy(with(&both).await, &["page", "pool", "door", "stream"]).await;
    cloud.stop().await;
}

#[tokio::test]
async fn an_address_that_redirects_is_named_with_where_to() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (served, _fakes) = server(folder, &[]).await;
    for status in [301, 302, 307, 308] {
        let to = format!("{}/invocations", served.address);
        let old = meddle(&served.address, Does::Moves(status)).await;
        let url = format!("{old}/invocations");
        finds(doctor(folder, &url, &[]), "redirect", &[("location", &to)]).await;
    }
    // A page's files say where the page is.
    let old = meddle(&served.address, Does::Moves(301)).await;
    let values = [("location", served.address.as_str())];
    finds(doctor(folder, &old, &[]), "redirect", &values).await;
    // Who asks there is told the same, and once.
    let asked = magi(folder)
        .args(["ask", "Should we?", "--server", &old])
        .output();
    let asked = asked.await.unwrap();
    assert!(!asked.status.success());
    let said = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(
        said.contains("redirects to") && said.contains(&served.address),
        "{said}"
    );
}

/// Returns the names of the faults that a file holds a report to: the second argument of each `finds(`, and the
/// last word of each row of a `for` over faults.
fn planted(file: &str) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for (at, _) in file.match_indices("finds(") {
        let arguments = &file[at + "finds(".len()..];
        names.extend(argument(arguments, 1).and_then(literal));
    }
    for (at, _) in file.match_indices("for (") {
        let rest = &file[at..];
        let Some((head, rest)) = rest.split_once(" in [") else {
            continue;
        };
        if !head.ends_with("fault)") || head.contains('\n') {
            continue;
        }
        let rows = rest.split("] {").next().unwrap();
        let rows = rows
            .split(')')
            .filter_map(|row| row.trim_end_matches(',').rsplit(", ").next());
        names.extend(rows.filter_map(literal));
    }
    names
}

/// Returns an argument of a call whose arguments a text begins with.
fn argument(text: &str, number: usize) -> Option<&str> {
    let (mut depth, mut count, mut from, mut is_text) = (0_u32, 0, 0, false);
    for (at, letter) in text.char_indices() {
        match letter {
            '"' => is_text = !is_text,
            _ if is_text => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth > 0 => depth -= 1,
            ',' | ')' if depth == 0 => {
                if count == number {
                    return Some(text[from..at].trim());
                }
                if letter == ')' {
                    return None;
                }
                (count, from) = (count + 1, at + 1);
            }
            _ => {}
        }
    }
    None
}

fn literal(text: &str) -> Option<&str> {
    text.trim().strip_prefix('"')?.strip_suffix('"')
}

/// A fault that nobody plants may be one that the doctor does not find.
#[test]
fn every_fault_of_the_table_is_planted() {
    let page = include_str!("../../../../docs/doctor.md");
    let mut plants = planted(include_str!("doctor.rs"));
    plants.extend(planted(include_str!("doctor_on_the_way.rs")));
    let (_, table) = page.split_once("## What it finds").unwrap();
    let faults: BTreeSet<_> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .map(|(fault, _)| fault)
        .collect();
    let nobody: Vec<_> = faults.difference(&plants).collect();
    assert!(nobody.is_empty(), "nobody plants {nobody:?}");
    let unknown: Vec<_> = plants.difference(&faults).collect();
    assert!(unknown.is_empty(), "the table has no {unknown:?}");
}
