//! `magi doctor URL`: nothing to say about what is healthy, and for each planted fault its hop and its fix.

use std::path::{Path, PathBuf};
use std::time::Duration;

use magi_emulator::cloud::{
    Account, AgentCore, AgentCoreConfig, Auth, Authorizer, Cloud, CloudConfig, Container, Cors,
    Function, FunctionConfig, FunctionUrl, Hosting, HostingConfig, InvokeMode, Issuer, Launch,
    RunningCloud, RuntimeConfig, Start, UrlConfig,
};
use magi_emulator::{Config, Emulator};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::cloud::{Deployed, function};
use super::meddler::{Does, meddle};
use super::runtime::{ARN, Reply, Runtime};
use super::support::{PATIENCE, Served, magi};

const MINUTE: Duration = Duration::from_secs(60);

const SIGNED: [&str; 6] = [
    "--sign",
    "sigv4",
    "--service",
    "lambda",
    "--region",
    "us-east-1",
];

/// The doctor with a deployer's keys; `--lang` is not set, so it speaks English here.
pub(crate) fn doctor(folder: &Path, url: &str, flags: &[&str]) -> Command {
    let mut command = magi(folder);
    command
        .args(["doctor", url, "--json"])
        .args(flags)
        .env("AWS_ACCESS_KEY_ID", Account::DEPLOYER)
        .env("AWS_SECRET_ACCESS_KEY", Account::DEPLOYER_SECRET)
        .env("AWS_EC2_METADATA_DISABLED", "true");
    command
}

async fn report(mut command: Command) -> (bool, Value) {
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = output.expect("the doctor never ended").unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let report = serde_json::from_str(&text);
    let report = report.unwrap_or_else(|error| {
        panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr))
    });
    (output.status.success(), report)
}

/// The row of a fault in a page of `docs/`: hop, outcome, fix.
fn row(page: &str, fault: &str) -> (String, String, String) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(page);
    let text = std::fs::read_to_string(path).unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("| `{fault}` |")));
    let line = line.unwrap_or_else(|| panic!("{page} has no `{fault}`"));
    let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
    (
        cells[1].to_owned(),
        cells[2].to_owned(),
        cells[4].to_owned(),
    )
}

/// Holds that the doctor finds this one fault, at its hop, with its fix; `values` are what the fix names.
pub(crate) async fn finds(command: Command, fault: &str, values: &[(&str, &str)]) -> Value {
    held_to("doctor.md", command, fault, values).await
}

/// The same of the doctor in Japanese; nothing of what it says may be English but what stands in backticks.
async fn found_in_japanese(mut command: Command, fault: &str, values: &[(&str, &str)]) {
    command.env("MAGI_LANG", "ja");
    let report = held_to("doctor.ja.md", command, fault, values).await;
    let found = faults(&report).next().unwrap();
    for text in [&found["found"], &found["fix"]] {
        let text = text.as_str().unwrap();
        let plain: String = text.split('`').step_by(2).collect();
        let is_word =
            |word: &&str| word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_lowercase());
        let words: Vec<_> = plain.split(' ').filter(is_word).collect();
        assert!(words.is_empty(), "{fault}: {words:?} in {text}");
    }
}

async fn held_to(page: &str, command: Command, fault: &str, values: &[(&str, &str)]) -> Value {
    let (is_fine, report) = report(command).await;
    let (hop, outcome, fix) = row(page, fault);
    let fix = values.iter().fold(fix, |fix, (name, value)| {
        fix.replace(&format!("{{{name}}}"), value)
    });
    let found: Vec<_> = faults(&report).collect();
    assert_eq!(found.len(), 1, "{fault}: {report:#}");
    assert_eq!(found[0]["fault"], fault, "{report:#}");
    assert_eq!(found[0]["name"], hop, "{report:#}");
    assert_eq!(found[0]["outcome"], outcome, "{report:#}");
    assert_eq!(found[0]["fix"], fix, "{report:#}");
    assert_eq!(is_fine, outcome == "warn", "{report:#}");
    assert_eq!(report["paid"], false, "{report:#}");
    report
}

fn faults(report: &Value) -> impl Iterator<Item = &Value> {
    let hops = report["hops"].as_array().unwrap();
    hops.iter().filter(|hop| hop.get("fault").is_some())
}

/// Holds that nothing is found, and that these hops are there and well.
pub(crate) async fn healthy(command: Command, hops: &[&str]) {
    let (is_fine, report) = report(command).await;
    assert_eq!(faults(&report).count(), 0, "{report:#}");
    assert!(is_fine, "{report:#}");
    for hop in hops {
        let lines = report["hops"].as_array().unwrap();
        let line = lines.iter().find(|line| line["name"] == *hop);
        assert_eq!(
            line.unwrap_or(&Value::Null)["outcome"],
            "ok",
            "{hop}: {report:#}"
        );
    }
}

pub(crate) fn page_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../magi-server/page")
}

pub(crate) async fn cloud() -> RunningCloud {
    let mut config = CloudConfig::new(env!("CARGO_BIN_EXE_magi"));
    config.page = Some(page_folder());
    config.quiet = true;
    Cloud::start(config).await.unwrap()
}

pub(crate) fn page(cloud: &RunningCloud, name: &str) -> String {
    let (_, page) = cloud
        .pages()
        .iter()
        .find(|(page, _)| *page == name)
        .unwrap();
    page.url()
}

/// A server on a fake model.
pub(crate) async fn server(
    folder: &Path,
    env: &[(&str, &str)],
) -> (Served, magi_emulator::Running) {
    let fakes = Emulator::start(Config::default()).await.unwrap();
    let mut command = magi(folder);
    command
        .env("OPENAI_BASE_URL", fakes.openai_url())
        .env("OPENAI_API_KEY", "sk-test")
        .env("MAGI_MODEL", "openai:fake")
        .envs(env.iter().copied());
    (Served::start(&mut command, 0).await, fakes)
}

/// A place for parts that the whole cloud has not, which end with it.
pub(crate) struct Ground {
    stop: CancellationToken,
    tracker: TaskTracker,
    _guard: DropGuard,
}

impl Ground {
    pub(crate) fn new() -> Ground {
        let stop = CancellationToken::new();
        Ground {
            _guard: stop.clone().drop_guard(),
            stop,
            tracker: TaskTracker::new(),
        }
    }

    async fn url(&self, launch: Launch, account: Account, config: UrlConfig) -> String {
        let function = FunctionConfig::new("magi", Start::Command(launch));
        let function = Function::new(function, account, self.stop.clone(), self.tracker.clone());
        let url = FunctionUrl::start(config, function, self.stop.clone(), &self.tracker);
        url.await.unwrap().url()
    }

    pub(crate) async fn host(&self, folder: Option<PathBuf>, config: Value) -> String {
        let config = HostingConfig::new(folder, config);
        let hosting = Hosting::start(config, self.stop.clone(), &self.tracker);
        hosting.await.unwrap().url()
    }
}

#[tokio::test]
async fn every_topology_that_is_healthy_gives_no_finding() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let cloud = cloud().await;
    let (served, _fakes) = server(folder, &[]).await;
    healthy(
        doctor(folder, &served.address, &["--sign", "none"]),
        &[
            "address", "connect", "page", "config", "door", "caller", "version", "stream",
        ],
    )
    .await;
    let container = meddle(&served.address, Does::Replaces("nothing to replace", "")).await;
    healthy(
        doctor(folder, &format!("{container}/invocations"), &[]),
        &["door", "stream"],
    )
    .await;
    let lambda = ["door", "caller", "function", "stream"];
    healthy(doctor(folder, &cloud.gateway().url(), &SIGNED), &lambda).await;
    healthy(doctor(folder, &cloud.direct().url(), &SIGNED), &lambda).await;
    let mut by_arn = doctor(folder, cloud.runtime_arn(), &[]);
    by_arn.env(
        "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE",
        cloud.agentcore().url(),
    );
    healthy(
        by_arn,
        &["door", "caller", "runtime", "container", "stream"],
    )
    .await;
    let paged = [
        "page", "config", "pool", "cors", "door", "caller", "version", "stream",
    ];
    for name in ["gateway", "direct", "agentcore"] {
        healthy(doctor(folder, &page(&cloud, name), &[]), &paged).await;
    }
    // What `magi ask` takes is the same.
    let asked = magi(folder)
        .args([
            "ask",
            "--plain",
            "Should we?",
            "--server",
            &cloud.gateway().url(),
        ])
        .args(SIGNED)
        .env("AWS_ACCESS_KEY_ID", Account::DEPLOYER)
        .env("AWS_SECRET_ACCESS_KEY", Account::DEPLOYER_SECRET)
        .output();
    let asked = asked.await.unwrap();
    assert!(
        asked.status.success(),
        "{}",
        String::from_utf8_lossy(&asked.stderr)
    );
    cloud.stop().await;
}

#[tokio::test]
async fn what_lies_before_the_door_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let at = |url: &str| doctor(folder, url, &[]);
    finds(at("magi.example"), "address", &[]).await;
    let arn = ARN.replace(':', "%3A").replace('/', "%2F");
    let apart =
        format!("https://bedrock-agentcore.us-west-2.amazonaws.com/runtimes/{arn}/invocations");
    finds(at(&apart), "region-apart", &[("arn_region", "us-east-1")]).await;
    // No name is longer than 63 letters, so nobody is asked for this one.
    let host = "m".repeat(70);
    finds(at(&format!("http://{host}.invalid")), "dns", &[]).await;
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    finds(at(&nobody), "refused", &[]).await;

    let (served, _fakes) = server(folder, &[]).await;
    let secure = served.address.replace("http://", "https://");
    let report = finds(at(&secure), "tls-none", &[]).await;
    let lines = report["hops"].as_array().unwrap();
    let outcomes: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["name"].as_str().unwrap(),
                line["outcome"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        outcomes,
        [
            ("address", "ok"),
            ("connect", "ok"),
            ("tls", "fail"),
            ("door", "unknown"),
            ("version", "unknown"),
            ("stream", "unknown"),
            ("model", "unknown"),
        ]
    );
    let wrong = format!("{}/magi/invocation", served.address);
    let door = format!("{}/invocations", served.address);
    finds(at(&wrong), "path", &[("door", &door)]).await;
    let not_here = Does::Says(404, "text/html", "<html>nothing</html>");
    finds(at(&meddle(&door, not_here).await), "no-door", &[]).await;
    let denied = Does::Says(403, "text/html", "<html>Request blocked.</html>");
    finds(at(&meddle(&door, denied).await), "proxy-denies", &[]).await;
    let late = Does::Says(504, "text/html", "<html>504</html>");
    finds(at(&meddle(&door, late).await), "time-limit", &[]).await;
    let dead = Does::Says(503, "text/html", "<html>503</html>");
    finds(at(&meddle(&door, dead).await), "proxy-failed", &[]).await;
    let buffers = meddle(&served.address, Does::Buffers).await;
    finds(at(&format!("{buffers}/invocations")), "proxy-buffers", &[]).await;
    let holds = meddle(&served.address, Does::HoldsEach).await;
    finds(at(&format!("{holds}/invocations")), "stream-held", &[]).await;
    let old = Does::Replaces("\"version\":\"0.1.", "\"version\":\"0.0.");
    let old = meddle(&served.address, old).await;
    finds(at(&format!("{old}/invocations")), "version", &[]).await;
    let origin = "https://page.example";
    let setting = "`cors_origins` (MAGI_CORS_ORIGINS)";
    let asks = doctor(folder, &served.address, &["--origin", origin]);
    finds(
        asks,
        "cors-origin",
        &[("origin", origin), ("setting", setting)],
    )
    .await;

    let rehearsal = Served::start(&mut magi(folder), 0).await;
    finds(at(&rehearsal.address), "rehearsal", &[]).await;
    let long = "a-token-that-is-long-enough-for-a-server";
    let locked = Served::start(
        magi(folder)
            .args(["--lang", "en"])
            .env("MAGI_TRUST", "token")
            .env("MAGI_TOKEN", long),
        0,
    )
    .await;
    finds(at(&locked.address), "no-token", &[]).await;
    let mut other = at(&locked.address);
    other.env("MAGI_TOKEN", "another-token-long-enough-as-well");
    finds(other, "token-refused", &[]).await;
}

/// The doctor where nobody set any keys.
fn nobody(folder: &Path, url: &str) -> Command {
    let mut command = doctor(folder, url, &SIGNED);
    command
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY");
    command
}

#[tokio::test]
async fn who_may_not_call_is_told_why() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let cloud = cloud().await;
    let gateway = cloud.gateway().url();
    finds(
        doctor(folder, &gateway, &["--sign", "none", "--service", "lambda"]),
        "unsigned",
        &[],
    )
    .await;
    let as_user = |url: &str, key: &str, secret: &str| {
        let mut command = doctor(folder, url, &SIGNED);
        command
            .env("AWS_ACCESS_KEY_ID", key)
            .env("AWS_SECRET_ACCESS_KEY", secret);
        command
    };
    finds(nobody(folder, &gateway), "no-credentials", &[]).await;
    // What is wrong before the caller matters is said first, keys or none.
    let no_door = meddle(
        &gateway,
        Does::Says(404, "text/html", "<html>nothing</html>"),
    )
    .await;
    finds(nobody(folder, &no_door), "no-door", &[]).await;
    finds(as_user(&gateway, "AKIDNOBODY", "s"), "keys-unknown", &[]).await;
    finds(as_user(&gateway, Account::DEPLOYER, "wrong"), "secret", &[]).await;
    cloud
        .account()
        .add_user("half", "AKIDHALF", "s", &["lambda:InvokeFunctionUrl"]);
    finds(as_user(&gateway, "AKIDHALF", "s"), "permissions-url", &[]).await;
    let elsewhere = [
        "--sign",
        "sigv4",
        "--service",
        "lambda",
        "--region",
        "eu-west-1",
    ];
    finds(doctor(folder, &gateway, &elsewhere), "region", &[]).await;
    let other = [
        "--sign",
        "sigv4",
        "--service",
        "execute-api",
        "--region",
        "us-east-1",
    ];
    finds(
        doctor(folder, &format!("{gateway}/invocations"), &other),
        "service",
        &[("wanted", "lambda")],
    )
    .await;
    let renamed = meddle(&gateway, Does::RewritesHost).await;
    let arrived = gateway.trim_start_matches("http://");
    finds(
        doctor(folder, &renamed, &SIGNED),
        "host-rewritten",
        &[("arrived", arrived)],
    )
    .await;
    let retyped = meddle(&gateway, Does::RewritesBody).await;
    finds(doctor(folder, &retyped, &SIGNED), "body-rewritten", &[]).await;
    finds(
        doctor(folder, &cloud.buffered().url(), &SIGNED),
        "function-buffers",
        &[],
    )
    .await;
    finds(
        doctor(folder, &page(&cloud, "villain"), &[]),
        "proxy-buffers",
        &[],
    )
    .await;

    finds(
        doctor(folder, &page(&cloud, "bearer"), &[]),
        "wants-token",
        &[],
    )
    .await;

    let escaped = cloud.runtime_arn().replace(':', "%3A").replace('/', "%2F");
    let runtime = format!("{}/runtimes/{escaped}/invocations", cloud.agentcore().url());
    let action = "bedrock-agentcore:InvokeAgentRuntime";
    cloud
        .account()
        .add_user("other", "AKIDOTHER", "s", &["s3:GetObject"]);
    let mut denied = doctor(folder, &runtime, &[]);
    denied
        .env("AWS_ACCESS_KEY_ID", "AKIDOTHER")
        .env("AWS_SECRET_ACCESS_KEY", "s");
    let values = [
        ("who", "arn:aws:iam::123456789012:user/other"),
        ("action", action),
        (
            "resource",
            &format!("{}/runtime-endpoint/DEFAULT", cloud.runtime_arn()),
        ),
    ];
    finds(denied, "permission", &values).await;
    finds(
        doctor(folder, &format!("{runtime}?qualifier=nope"), &[]),
        "runtime-unknown",
        &[],
    )
    .await;
    let bare = format!(
        "{}/runtimes/{}/invocations",
        cloud.agentcore().url(),
        cloud.runtime_arn()
    );
    finds(doctor(folder, &bare, &[]), "path", &[("door", &runtime)]).await;
    let mut token = doctor(folder, &runtime, &[]);
    token.env("MAGI_TOKEN", "x.y.z");
    finds(token, "wants-signature", &[]).await;

    // A clock that is an hour ahead of this machine's.
    let ahead = Account::with_clock(|| Account::demo().now() + Duration::from_secs(3600));
    let late = Deployed::of(function(folder), MINUTE, Auth::Iam, ahead).await;
    finds(doctor(folder, &late.url.url(), &SIGNED), "clock", &[]).await;
    cloud.stop().await;
}

#[tokio::test]
async fn a_token_for_agentcore_is_judged() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let account = Account::demo();
    let issuer = Issuer::new("https://issuer.example", b"the issuer's key");
    let dead = Container::At(([127, 0, 0, 1], 9).into());
    let mut config = RuntimeConfig::new("magi-tokens0000", dead);
    config.authorizer = Authorizer::Jwt {
        issuer: issuer.clone(),
        clients: vec!["page".to_owned()],
    };
    config.start_limit = Duration::from_secs(1);
    let arn = config.arn(&account).replace(':', "%3A").replace('/', "%2F");
    let agentcore = AgentCore::start(&account, AgentCoreConfig::new(vec![config]))
        .await
        .unwrap();
    let url = format!("{}/runtimes/{arn}/invocations", agentcore.url());
    let with = |token: &str| {
        let mut command = doctor(folder, &url, &[]);
        command.env("MAGI_TOKEN", token);
        command
    };
    finds(doctor(folder, &url, &[]), "wants-token", &[]).await;
    let old = issuer.token(
        "user",
        "page",
        account.now() - Duration::from_secs(7200),
        3600,
    );
    finds(with(&old), "token-expired", &[]).await;
    let others = issuer.token("user", "another", account.now(), 3600);
    finds(with(&others), "token-refused", &[]).await;
    agentcore.stop().await;
}

#[tokio::test]
async fn what_fails_behind_the_door_is_told_with_its_hop() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let runtime = Runtime::start().await;
    let escaped = ARN.replace(':', "%3A").replace('/', "%2F");
    let plane = format!("{}/runtimes/{escaped}/invocations", runtime.url());
    let says = |status, name, times| {
        for _ in 0..times {
            runtime.will(Reply::Refuses(status, name));
        }
    };
    says(409, "RetryableConflictException", 6);
    finds(doctor(folder, &plane, &[]), "starting", &[]).await;
    says(424, "RuntimeClientError", 1);
    finds(doctor(folder, &plane, &[]), "container", &[]).await;
    says(429, "ThrottlingException", 1);
    finds(doctor(folder, &plane, &[]), "throttled", &[]).await;
    says(403, "ExpiredTokenException", 1);
    finds(doctor(folder, &plane, &[]), "keys-expired", &[]).await;

    let gateway = function(folder)
        .env("MAGI_UPSTREAM", format!("agentcore:{ARN}"))
        .env("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", runtime.url())
        .env("AWS_ACCESS_KEY_ID", "AKIDMAGIDEMO")
        .env("AWS_SECRET_ACCESS_KEY", "magi-demo-secret")
        .env("AWS_EC2_METADATA_DISABLED", "true");
    let gateway = Deployed::open(gateway, MINUTE).await;
    let open = ["--sign", "none", "--service", "lambda"];
    let url = gateway.url.url();
    for (status, name, fault) in [
        (403, "AccessDeniedException", "gateway-permission"),
        (404, "ResourceNotFoundException", "gateway-target"),
        (424, "RuntimeClientError", "container"),
    ] {
        says(status, name, 1);
        finds(doctor(folder, &url, &open), fault, &[]).await;
    }
    let broken = Deployed::open(Launch::new("/bin/false"), MINUTE).await;
    finds(doctor(folder, &broken.url.url(), &open), "function", &[]).await;
}

#[tokio::test]
async fn a_page_that_calls_wrongly_and_a_browser_that_may_not_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let ground = Ground::new();
    let at = |url: &str| doctor(folder, url, &[]);
    let with_page = || Some(page_folder());
    let wrong = ground.host(with_page(), json!({"dor": "server"})).await;
    finds(at(&wrong), "config-invalid", &[]).await;
    let gone = json!({"door": "server", "base": "http://127.0.0.1:9"});
    finds(
        at(&ground.host(with_page(), gone).await),
        "config-door",
        &[],
    )
    .await;
    // Without a token too: no hop is passed that nothing was sent to.
    let gone = json!({"door": "invocations", "base": "http://127.0.0.1:9", "sign": "bearer"});
    finds(
        at(&ground.host(with_page(), gone).await),
        "config-door",
        &[],
    )
    .await;
    let no_pool = json!({"door": "invocations", "base": "http://127.0.0.1:9", "sign": "sigv4",
        "identity_pool": "us-east-1:none", "identity_endpoint": "http://127.0.0.1:9"});
    finds(at(&ground.host(with_page(), no_pool).await), "pool", &[]).await;
    let (served, _fakes) = server(folder, &[("MAGI_CORS_ORIGINS", "https://page.example")]).await;
    let origin = ["--origin", "https://page.example"];
    healthy(doctor(folder, &served.address, &origin), &["cors"]).await;
    let here = json!({"door": "server", "base": served.address});
    finds(
        at(&ground.host(None, here.clone()).await),
        "page-missing",
        &[],
    )
    .await;
    let other = tempfile::tempdir().unwrap();
    let index = r#"<title>MAGI</title><script src="./assets/index-OLD.js"></script>"#;
    std::fs::write(other.path().join("index.html"), index).unwrap();
    let old = ground
        .host(Some(other.path().to_owned()), here.clone())
        .await;
    // The page is another origin than the server allows.
    let mut asks = at(&old);
    asks.args(origin);
    finds(asks, "page-old", &[]).await;

    let cors = |headers: &[&str], expose: &[&str]| {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let mut config = UrlConfig::new(Auth::None, InvokeMode::Stream);
        config.cors = Some(Cors {
            origins: words(&["https://page.example"]),
            methods: words(&["POST"]),
            headers: words(headers),
            expose: words(expose),
            credentials: false,
            max_age: 0,
        });
        config
    };
    let fakes = Emulator::start(Config::default()).await.unwrap();
    let launch = || {
        function(folder)
            .arg("lambda")
            .env("OPENAI_BASE_URL", fakes.openai_url())
            .env("OPENAI_API_KEY", "sk-test")
            .env("MAGI_MODEL", "openai:fake")
    };
    let open = [
        "--sign",
        "none",
        "--service",
        "lambda",
        "--origin",
        "https://page.example",
    ];
    let setting = ("setting", "`Cors` of the Function URL");
    let session = "x-amzn-bedrock-agentcore-runtime-session-id";
    let url = ground
        .url(launch(), Account::demo(), cors(&["content-type"], &[]))
        .await;
    finds(
        doctor(folder, &url, &open),
        "cors-header",
        &[("header", session), setting],
    )
    .await;
    let url = ground
        .url(
            launch(),
            Account::demo(),
            cors(&["content-type", session], &["date"]),
        )
        .await;
    finds(
        doctor(folder, &url, &open),
        "cors-expose",
        &[("header", "x-amzn-errortype"), setting],
    )
    .await;
    let setting = ("setting", "Function URL の `Cors` 設定");
    let values = [("header", "x-amzn-errortype"), setting];
    found_in_japanese(doctor(folder, &url, &open), "cors-expose", &values).await;
    let other = "https://other.example";
    let setting = ("setting", "サーバーの `cors_origins`（MAGI_CORS_ORIGINS）");
    let asks = doctor(folder, &served.address, &["--origin", other]);
    found_in_japanese(asks, "cors-origin", &[("origin", other), setting]).await;
}

#[tokio::test]
async fn a_container_is_pinged_and_models_are_asked_only_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (served, fakes) = server(
        folder,
        &[("MAGI_TRUST", "platform"), ("MAGI_HEARTBEAT", "0")],
    )
    .await;
    healthy(
        doctor(folder, &served.address, &[]),
        &["container", "stream"],
    )
    .await;
    let behind = async |from, to| meddle(&served.address, Does::Replaces(from, to)).await;
    let lower = behind("\"Healthy\"", "\"healthy\"").await;
    finds(doctor(folder, &lower, &[]), "ping-status", &[]).await;
    let moving = behind("\"time_of_last_update\":", "\"time_of_last_update\":#").await;
    finds(doctor(folder, &moving, &[]), "ping-time", &[]).await;
    assert_eq!(fakes.ledger().requests(), 0, "a model was asked");

    // From here on it is allowed to pay.
    let asked = doctor(folder, &served.address, &["--ask"]);
    let (is_fine, told) = report(asked).await;
    assert!(is_fine && told["paid"] == true, "{told:#}");
    assert_eq!(faults(&told).count(), 0, "{told:#}");
    assert_eq!(fakes.ledger().requests(), 4, "three sages and the judge");
    for (model, fault) in [
        ("openai:no-such-model", "model-id"),
        ("openai:fake+403", "model-access"),
        ("openai:fake+first-token-7s", "heartbeats"),
        ("openai:fake+500", "model"),
    ] {
        let heartbeat = if fault == "heartbeats" { "0" } else { "2s" };
        let (served, _fakes) = server(
            folder,
            &[("MAGI_MODEL", model), ("MAGI_HEARTBEAT", heartbeat)],
        )
        .await;
        let mut command = doctor(folder, &served.address, &["--ask"]);
        command.env("MAGI_LANG", "ja");
        let (_, told) = report(command).await;
        let found: Vec<_> = faults(&told).collect();
        assert_eq!(found.len(), 1, "{told:#}");
        let (hop, outcome, fix) = row("doctor.ja.md", fault);
        assert_eq!(
            (&found[0]["fault"], &found[0]["name"]),
            (&json!(fault), &json!(hop)),
            "{told:#}"
        );
        assert_eq!(
            (&found[0]["outcome"], &found[0]["fix"]),
            (&json!(outcome), &json!(fix))
        );
        if fault == "model" {
            let told = found[0].to_string();
            let names = ["caspar", "balthasar", "melchior"];
            assert!(names.iter().any(|name| told.contains(name)), "{told}");
        }
    }
}
