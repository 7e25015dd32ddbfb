//! `magi doctor URL`: every hop from here to the models behind an endpoint.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use http::Uri;
use magi_client::{Client, Door, Options, Transport};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::faults::{self, Found, Hop};
use super::page::{self, Site};
use super::reply::{self, Verdict, exchange, judge, no_reply, plain};
use super::stream::{self, Came};
use super::{Outcome, cors};
use crate::args;
use crate::exit::Exit;
use crate::settings::Settings;
use crate::show::words::Lang;
use crate::way::{self, Kind, Sign, Way};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// The time between the two pings that are compared: the platform's stamps count seconds.
const BETWEEN_PINGS: Duration = Duration::from_millis(1100);

/// The most paths tried where the one given is no door.
const NEAR: usize = 8;

/// What is known of one hop.
#[derive(Debug, Serialize)]
struct Line {
    #[serde(skip)]
    hop: Hop,
    name: &'static str,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'static str>,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

/// The hops as far as they are known.
struct Report {
    lang: Lang,
    lines: Vec<Line>,
    /// The hops that are there.
    plan: BTreeSet<Hop>,
    has_paid: bool,
}

impl Report {
    fn put(&mut self, hop: Hop, outcome: Outcome, found: impl Into<String>) {
        self.lines.push(Line {
            hop,
            name: hop.name(),
            outcome,
            fault: None,
            found: found.into(),
            fix: None,
        });
    }

    fn ok(&mut self, hop: Hop, found: impl Into<String>) {
        self.put(hop, Outcome::Ok, found);
    }

    fn fault(&mut self, found: &Found) {
        let hop = found.fault.hop;
        self.lines
            .retain(|line| line.hop != hop || line.outcome != Outcome::Ok);
        self.lines.push(Line {
            hop,
            name: hop.name(),
            outcome: found.fault.outcome,
            fault: Some(found.fault.name),
            found: found.says(self.lang),
            fix: Some(found.fix(self.lang)),
        });
    }

    /// Says of the hops without a line whether requests got through them.
    fn close(&mut self, failed: Option<Hop>) {
        for hop in self.plan.clone() {
            if self.lines.iter().any(|line| line.hop == hop) {
                continue;
            }
            match failed {
                Some(failed) if hop < failed => {
                    self.ok(
                        hop,
                        self.lang
                            .pick("lets requests through", "リクエストは通っています"),
                    );
                }
                _ => {
                    let found = self.lang.pick("not reached", "到達していません");
                    self.put(hop, Outcome::Unknown, found);
                }
            }
        }
        self.lines.sort_by_key(|line| line.hop);
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.lines
            .iter()
            .filter(|line| line.outcome == outcome)
            .count()
    }

    fn print(&self, url: &str, as_json: bool) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if as_json {
            let report =
                serde_json::json!({ "url": url, "hops": self.lines, "paid": self.has_paid });
            return writeln!(out, "{report}");
        }
        for line in &self.lines {
            let (outcome, name) = (line.outcome.word(), line.name);
            writeln!(out, "{outcome:<7} {name:<10} {}", line.found)?;
            if let Some(fix) = &line.fix {
                writeln!(out, "        {}: {fix}", self.lang.pick("fix", "対処"))?;
            }
        }
        let (n_failed, n_warned) = (self.count(Outcome::Fail), self.count(Outcome::Warn));
        let paid = if self.has_paid {
            self.lang
                .pick("One question was paid for.", "一問分の費用がかかりました。")
        } else {
            self.lang
                .pick("Nothing was paid for.", "費用はかかっていません。")
        };
        match self.lang {
            Lang::En => writeln!(out, "{n_failed} failed, {n_warned} to look at. {paid}"),
            Lang::Ja => writeln!(out, "失敗{n_failed}件、注意{n_warned}件。{paid}"),
        }
    }
}

/// Looks at every hop and prints what it found; only with `--ask` a question is paid for.
pub(crate) async fn run(settings: &Settings, flags: &args::Doctor, url: &str) -> Result<Exit> {
    let mut report = Report {
        lang: Lang::of_terminal(settings.text("lang")),
        lines: Vec::new(),
        plan: BTreeSet::from([
            Hop::Address,
            Hop::Connect,
            Hop::Door,
            Hop::Version,
            Hop::Stream,
            Hop::Model,
        ]),
        has_paid: false,
    };
    let looked = Box::pin(look(&mut report, settings, flags, url)).await;
    let failed = looked.err().map(|found| {
        report.fault(&found);
        found.fault.hop
    });
    report.close(failed);
    report.print(url, flags.json)?;
    let has_failed = report.count(Outcome::Fail) > 0;
    Ok(if has_failed { Exit::Failed } else { Exit::Done })
}

type Looked<T> = Result<T, Box<Found>>;

async fn look(
    report: &mut Report,
    settings: &Settings,
    flags: &args::Doctor,
    url: &str,
) -> Looked<()> {
    let wrong = |error: &anyhow::Error| faults::ADDRESS.found(&[("why", &format!("{error:#}"))]);
    let way = Way::read(url, settings).map_err(|error| wrong(&error))?;
    let uri = way::read_uri(&way.address).map_err(|error| wrong(&error))?;
    check_regions(&uri)?;
    report.ok(Hop::Address, way.address.clone());
    reach(report, &uri).await?;
    let bare = bare(&way.address).await?;
    let site = match (way.kind, way.door()) {
        (Kind::Server, Door::Api) => page::look(&bare, &way.address).await,
        _ => Ok(Ok(Site::Bare)),
    };
    let site = site.map_err(|why| no_reply(&why, &way.address))??;
    let Site::Page(config, cached) = site else {
        return door(report, &bare, way, flags, flags.origin.clone()).await;
    };
    report.plan.extend([Hop::Page, Hop::Config]);
    passed_tls(report, &uri);
    let compared = page::compare(&bare, &way.address).await?;
    let is_old = compared.old.is_some();
    if let Some(found) = compared.old {
        report.fault(&found);
    }
    let named = config.way(&way.address, settings).await;
    let identity = config.identity_url();
    let called: Vec<_> = [
        named.as_ref().ok().map(|named| named.address.as_str()),
        identity.as_deref(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let refused = compared.policies.refused(&way.address, &called);
    if !refused.is_empty() {
        report.fault(&faults::PAGE_POLICY.found(&[("origins", &refused.join(" "))]));
    } else if !is_old {
        let version = env!("CARGO_PKG_VERSION");
        report.ok(Hop::Page, format!("{} {version}", way.address));
    }
    let named = named?;
    let named_at = named.address.clone();
    let there = page::origin_of(&named.address);
    let origin = page::origin_of(&way.address);
    let is_own = there == origin;
    match cached {
        Some(found) => report.fault(&found),
        None => report.ok(Hop::Config, named.address.clone()),
    }
    let next = if is_own {
        door(report, &bare, named, flags, flags.origin.clone()).await
    } else {
        let uri = way::read_uri(&named.address).map_err(|error| wrong(&error))?;
        let origin = flags.origin.clone().unwrap_or(origin);
        let reached = async {
            check_regions(&uri)?;
            connect(&uri).await?;
            self::bare(&named_at).await
        };
        match reached.await {
            Ok(bare) => door(report, &bare, named, flags, Some(origin)).await,
            Err(found) => Err(found),
        }
    };
    next.map_err(|found| named_wrongly(report.lang, found, &named_at))
}

/// A page's door that is none is the page's own fault: the address is mended in `config.json`.
fn named_wrongly(lang: Lang, found: Box<Found>, url: &str) -> Box<Found> {
    match found.fault.hop {
        Hop::Address | Hop::Dns | Hop::Connect | Hop::Tls | Hop::Door
            if found.fault.name != "refuses" =>
        {
            faults::CONFIG_DOOR.found(&[("url", url), ("why", &found.says(lang))])
        }
        Hop::Runtime if found.fault.name == "runtime-unknown" => {
            faults::CONFIG_DOOR.found(&[("url", url), ("why", &found.says(lang))])
        }
        _ => found,
    }
}

/// Compares the regions that one address names.
fn check_regions(uri: &Uri) -> Looked<()> {
    let by_host = way::scope_of(uri.host().unwrap_or_default());
    let by_arn = way::arn_of(uri.path()).and_then(|arn| way::region_of(&arn));
    match (by_host, by_arn) {
        (Some(host), Some(arn)) if host.region != arn => {
            Err(faults::REGION_APART.found(&[("host_region", &host.region), ("arn_region", &arn)]))
        }
        _ => Ok(()),
    }
}

async fn bare(address: &str) -> Looked<Arc<dyn Transport>> {
    let way = Way::new(address.to_owned(), Kind::Server, Sign::None);
    let made = way.transport().await;
    made.map_err(|error| faults::CUT.found(&[("host", address), ("why", &format!("{error:#}"))]))
}

/// Resolves the host and makes a connection, as far as no proxy of the environment does that.
async fn reach(report: &mut Report, uri: &Uri) -> Looked<()> {
    let host = uri.host().unwrap_or_default();
    if uri.scheme_str() == Some("https") {
        report.plan.insert(Hop::Tls);
    }
    let is_address = host
        .trim_matches(['[', ']'])
        .parse::<std::net::IpAddr>()
        .is_ok();
    if !is_address {
        report.plan.insert(Hop::Dns);
    }
    if let Some(proxy) = proxy(uri) {
        let by = report
            .lang
            .pick("by the environment's proxy", "環境変数のプロキシ経由");
        report.put(Hop::Connect, Outcome::Unknown, format!("{by}: {proxy}"));
        if !is_address {
            report.put(Hop::Dns, Outcome::Unknown, by);
        }
        return Ok(());
    }
    let peers = connect(uri).await?;
    if !is_address {
        report.ok(Hop::Dns, peers.clone());
    }
    report.ok(Hop::Connect, peers);
    Ok(())
}

/// Returns the variable that sends requests there by a proxy.
fn proxy(uri: &Uri) -> Option<&'static str> {
    if way::is_here(uri.host().unwrap_or_default()) {
        return None;
    }
    let names: &[&str] = match uri.scheme_str() {
        Some("https") => &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
        _ => &["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
    };
    let is_set =
        |name: &&&'static str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    names.iter().find(is_set).copied()
}

async fn connect(uri: &Uri) -> Looked<String> {
    let host = uri.host().unwrap_or_default();
    let port = uri
        .port_u16()
        .unwrap_or(if uri.scheme_str() == Some("https") {
            443
        } else {
            80
        });
    let name = host.trim_matches(['[', ']']);
    let found = tokio::net::lookup_host((name, port)).await;
    let peers: Vec<_> = found
        .map_err(|error| faults::DNS.found(&[("host", host), ("why", &error.to_string())]))?
        .collect();
    let mut last = faults::DNS
        .found(&[("host", host)])
        .in_words("why", ["no address", "アドレスなし"]);
    for peer in &peers {
        let at = peer.to_string();
        last = match timeout(CONNECT, TcpStream::connect(peer)).await {
            Ok(Ok(_)) => return Ok(at),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                faults::REFUSED.found(&[("peer", &at)])
            }
            Ok(Err(error)) => {
                faults::UNREACHABLE.found(&[("peer", &at), ("why", &error.to_string())])
            }
            Err(_) => faults::UNREACHABLE.found(&[("peer", &at), ("why", "10 s")]),
        };
    }
    Err(last)
}

fn passed_tls(report: &mut Report, uri: &Uri) {
    if uri.scheme_str() == Some("https") && !report.lines.iter().any(|line| line.hop == Hop::Tls) {
        let host = uri.host().unwrap_or_default();
        report.ok(Hop::Tls, host);
    }
}

/// Looks at a door and at everything behind it.
async fn door(
    report: &mut Report,
    bare: &Arc<dyn Transport>,
    mut way: Way,
    flags: &args::Doctor,
    origin: Option<String>,
) -> Looked<()> {
    plan(report, &way, origin.is_some());
    let cut =
        |error: anyhow::Error| faults::CUT.found(&[("host", "?"), ("why", &format!("{error:#}"))]);
    let signed = way.transport().await.map_err(cut)?;
    // A browser asks before it calls, and so does the doctor: but whether a door is there comes first.
    let able = match capabilities(&signed, &way).await {
        Err(found) if found.fault.name == faults::NO_CREDENTIALS.name => {
            return Err(before_the_caller(bare, &way).await.unwrap_or(found));
        }
        able => able?,
    };
    if let Some(uri) = way::read_uri(&way.address)
        .ok()
        .filter(|_| !report.plan.contains(&Hop::Page))
    {
        passed_tls(report, &uri);
    }
    if able.is_tagged
        && way.kind == Kind::Server
        && !report.plan.contains(&Hop::Config)
        && able.json.get("trust").and_then(Value::as_str) == Some("platform")
    {
        way.kind = Kind::FunctionUrl;
        plan(report, &way, origin.is_some());
    }
    report.ok(Hop::Door, format!("POST {}", way.invocations()));
    report.ok(Hop::Caller, caller(report.lang, &way.sign));
    for hop in [Hop::Function, Hop::Runtime, Hop::Container] {
        if report.plan.contains(&hop) {
            report.ok(hop, report.lang.pick("answers", "応答しています"));
        }
    }
    if let Some(origin) = &origin {
        match cors::check(bare, &signed, &way, origin).await {
            Ok(()) => report.ok(Hop::Cors, origin.clone()),
            Err(found) => report.fault(&found),
        }
    }
    // A container listens at the root; below a path a proxy answers, which has no pings to give.
    let is_at_root = way.invocations() == format!("{}/invocations", page::origin_of(&way.address));
    let is_platform = able.json.get("trust").and_then(Value::as_str) == Some("platform");
    if way.kind == Kind::Server && is_at_root && is_platform {
        report.plan.insert(Hop::Container);
        match pings(bare, &way).await? {
            Some(found) => report.fault(&found),
            None => report.ok(
                Hop::Container,
                report
                    .lang
                    .pick("/ping as AgentCore wants it", "/ping は契約どおりです"),
            ),
        }
    }
    version(report, &able.json);
    streams(report, &way, signed).await?;
    models(report, &way, &able.json, flags.ask).await
}

fn plan(report: &mut Report, way: &Way, has_origin: bool) {
    report.plan.insert(Hop::Caller);
    match way.kind {
        Kind::Server => {}
        Kind::FunctionUrl => {
            report.plan.insert(Hop::Function);
        }
        Kind::AgentCore => report.plan.extend([Hop::Runtime, Hop::Container]),
    }
    if has_origin {
        report.plan.insert(Hop::Cors);
    }
    if matches!(way.sign, Sign::SigV4(_, Some(_))) {
        report.plan.insert(Hop::Pool);
        let found = report.lang.pick("gives keys", "認証情報を渡しています");
        if !report.lines.iter().any(|line| line.hop == Hop::Pool) {
            report.ok(Hop::Pool, found);
        }
    }
}

fn caller(lang: Lang, sign: &Sign) -> String {
    match sign {
        Sign::None => lang
            .pick("nobody is asked who calls", "呼び出し元は問われません")
            .to_owned(),
        Sign::Bearer(_) => lang
            .pick("the token is taken", "トークンは受け入れられました")
            .to_owned(),
        Sign::ContentHash => lang
            .pick(
                "the body's hash is taken",
                "本文のハッシュは受け入れられました",
            )
            .to_owned(),
        Sign::SigV4(scope, _) => {
            let taken = lang.pick("the signature is taken", "署名は受け入れられました");
            format!("{taken} ({}, {})", scope.service, scope.region)
        }
    }
}

/// What a door can do.
struct Able {
    json: Map<String, Value>,
    /// Whether one of AWS's services tagged the answer.
    is_tagged: bool,
}

/// Says what is wrong before anybody asks who calls. Without keys nothing was sent yet, and an unsigned request
/// gets as far as that.
async fn before_the_caller(bare: &Arc<dyn Transport>, way: &Way) -> Option<Box<Found>> {
    let found = capabilities(bare, way).await.err()?;
    (found.fault.hop < Hop::Caller).then_some(found)
}

/// Asks the door what it can do, and looks for a door near the path when there is none.
async fn capabilities(signed: &Arc<dyn Transport>, way: &Way) -> Looked<Able> {
    let url = way.invocations();
    let what = match attempt(signed, way, &url).await? {
        (Verdict::Door(json), is_tagged) => return Ok(Able { json, is_tagged }),
        (Verdict::Wrong(found), _) => return Err(found),
        (Verdict::Elsewhere(what), _) => what,
    };
    for near in near(&way.address, &url) {
        if let Ok((Verdict::Door(_), _)) = attempt(signed, way, &near).await {
            return Err(faults::PATH.found(&[("url", &url), ("what", &what), ("door", &near)]));
        }
    }
    Err(faults::NO_DOOR.found(&[("url", &url), ("what", &what)]))
}

async fn attempt(signed: &Arc<dyn Transport>, way: &Way, url: &str) -> Looked<(Verdict, bool)> {
    let Some(request) = reply::action(way, url, &reply::capabilities()) else {
        return Err(faults::ADDRESS.found(&[("why", url)]));
    };
    let reply = exchange(signed, request.clone()).await;
    let reply = reply.map_err(|why| no_reply(&why, url))?;
    let tags = reply.headers.contains_key("x-amzn-requestid");
    Ok((judge(&reply, way, &request), tags))
}

/// Returns the addresses near one that may be the door.
fn near(address: &str, tried: &str) -> Vec<String> {
    let Ok(uri) = way::read_uri(address) else {
        return Vec::new();
    };
    let origin = page::origin_of(address);
    let query = uri
        .query()
        .map_or_else(String::new, |query| format!("?{query}"));
    let mut all = Vec::new();
    if let Some(arn) = way::arn_of(uri.path()) {
        let escaped = arn.replace(':', "%3A").replace('/', "%2F");
        all.push(format!("{origin}/runtimes/{escaped}/invocations{query}"));
    }
    let mut path = uri.path().trim_end_matches('/');
    loop {
        all.push(format!("{origin}{path}/invocations"));
        if !path.ends_with("/api") {
            all.push(format!("{origin}{path}/api/invocations"));
        }
        match path.rfind('/') {
            Some(end) => path = &path[..end],
            None => break,
        }
    }
    let mut seen = BTreeSet::from([tried.to_owned()]);
    all.retain(|url| seen.insert(url.clone()));
    all.truncate(NEAR);
    all
}

/// Pings a container twice, as AgentCore would.
///
/// Source: AgentCore Runtime service contract, "HTTP protocol contract", `GET /ping`.
async fn pings(bare: &Arc<dyn Transport>, way: &Way) -> Looked<Option<Box<Found>>> {
    let url = format!("{}/ping", page::origin_of(&way.address));
    let mut times = Vec::new();
    let mut states = Vec::new();
    for round in 0..3 {
        if round > 0 {
            tokio::time::sleep(BETWEEN_PINGS).await;
        }
        let Some(request) = plain(http::Method::GET, &url) else {
            return Ok(None);
        };
        let reply = exchange(bare, request).await;
        let reply = reply.map_err(|why| no_reply(&why, &url))?;
        let json = reply.json().unwrap_or_default();
        let status = json.get("status").and_then(Value::as_str);
        let (200, Some(status)) = (reply.status, status) else {
            return Ok(Some(
                faults::PING_MISSING.found(&[("what", &reply.words())]),
            ));
        };
        if !matches!(status, "Healthy" | "HealthyBusy") {
            return Ok(Some(faults::PING_STATUS.found(&[("status", status)])));
        }
        states.push(status.to_owned());
        times.push(json.get("time_of_last_update").and_then(Value::as_f64));
    }
    let is_same = states.windows(2).all(|two| two[0] == two[1]);
    let moves = times.windows(2).all(|two| two[0] != two[1]);
    Ok((is_same && moves).then(|| faults::PING_TIME.found(&[])))
}

fn version(report: &mut Report, able: &Map<String, Value>) {
    let ours = env!("CARGO_PKG_VERSION");
    let theirs = able.get("version").and_then(Value::as_str).unwrap_or("?");
    if theirs == ours {
        report.ok(Hop::Version, ours);
    } else {
        report.fault(&faults::VERSION.found(&[("theirs", theirs), ("ours", ours)]));
    }
}

async fn streams(report: &mut Report, way: &Way, signed: Arc<dyn Transport>) -> Looked<()> {
    let options = Options {
        door: Door::Invocations,
        headers: way.headers(),
        transport: Some(signed),
        ..Options::default()
    };
    let client = Client::with(&way.invocations(), options);
    let client = client.map_err(|error| faults::ADDRESS.found(&[("why", &error.to_string())]))?;
    match stream::probe(&client, way).await {
        Ok(Came::InLockstep(frames)) => {
            let words = report.lang.pick(
                "frames, each seen before the next was sent: no hop holds the stream back",
                "フレームを、一つ届くごとに次を送って確かめました。途中で溜め込んでいる区間はありません",
            );
            report.ok(Hop::Stream, format!("{frames} {words}"));
        }
        Ok(Came::AsStamped(frames)) => {
            let words = report.lang.pick(
                "stamped frames came as they were sent: no hop holds the stream back",
                "フレームが、送られた間隔のまま届きました。途中で溜め込んでいる区間はありません",
            );
            report.ok(Hop::Stream, format!("{frames} {words}"));
        }
        Err(found) => {
            // The hop that holds the stream back has the line.
            if found.fault.hop != Hop::Stream {
                report.plan.remove(&Hop::Stream);
            }
            report.fault(&found);
        }
    }
    Ok(())
}

async fn models(
    report: &mut Report,
    way: &Way,
    able: &Map<String, Value>,
    pays: bool,
) -> Looked<()> {
    let roles = able.get("roles").and_then(Value::as_object);
    let models: BTreeSet<_> = roles
        .into_iter()
        .flat_map(|roles| roles.values().filter_map(Value::as_str))
        .collect();
    let is_rehearsal =
        !models.is_empty() && models.iter().all(|model| model.starts_with("rehearsal"));
    let models = models.into_iter().collect::<Vec<_>>().join(", ");
    if !pays {
        if is_rehearsal {
            report.fault(&faults::REHEARSAL.found(&[]));
        } else {
            let words = report.lang.pick(
                "was not asked: --ask puts one short question, which costs what a question costs",
                "には問うていません。--ask を付けると短い問いを一つ出します（一問分の費用がかかります）",
            );
            report.put(Hop::Model, Outcome::Unknown, format!("{models} {words}"));
        }
        return Ok(());
    }
    report.has_paid = !is_rehearsal;
    let answered = stream::ask(way).await?;
    match answered.failed() {
        Some(found) => report.fault(&found),
        None => report.ok(Hop::Model, format!("{models}: {}", answered.end)),
    }
    if let Some(found) = answered.unbeaten() {
        report.fault(&found);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doors_are_looked_for_from_the_path_up() {
        let near = near(
            "https://m.example/a/invocation",
            "https://m.example/a/invocation/invocations",
        );
        assert!(
            near.contains(&"https://m.example/a/invocations".to_owned()),
            "{near:?}"
        );
        assert!(
            near.contains(&"https://m.example/api/invocations".to_owned()),
            "{near:?}"
        );
        assert!(
            near.contains(&"https://m.example/invocations".to_owned()),
            "{near:?}"
        );
    }

    #[test]
    fn a_host_and_an_arn_of_two_regions_are_told() {
        let arn = "arn%3Aaws%3Abedrock-agentcore%3Aus-east-1%3A123456789012%3Aruntime%2Fmagi";
        let at = |region: &str| {
            format!("https://bedrock-agentcore.{region}.amazonaws.com/runtimes/{arn}/invocations")
        };
        let check = |region| check_regions(&way::read_uri(&at(region)).unwrap());
        assert_eq!(check("us-west-2").unwrap_err().fault.name, "region-apart");
        assert!(check("us-east-1").is_ok());
    }
}
