//! The measurement itself.

use std::fmt::Write;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use futures_util::future::try_join_all;
use magi_emulator::{Config, Emulator, Running};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::Run;
use crate::process::Server;

/// What one server cost at one concurrency.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    cpu_ms_per_1000: f64,
    peak_kib: u64,
    seconds: f64,
}

/// What one server cost altogether.
#[derive(Debug, Default)]
struct Row {
    name: &'static str,
    idle_kib: u64,
    cold_start_ms: f64,
    costs: Vec<(usize, Cost)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Relay,
    Magi,
}

/// Measures both servers, round by round, and returns the table.
pub(crate) async fn table(run: &Run) -> Result<String> {
    let mut config = Config::default();
    config.tokens_per_second = run.pace;
    let vendors = Emulator::start(config).await?;
    let mut rows = Vec::new();
    for _ in 0..run.rounds {
        for kind in [Kind::Relay, Kind::Magi] {
            rows.push((kind, measure(run, kind, &vendors).await?));
        }
    }
    vendors.stop().await;
    Ok(render(run, &rows))
}

async fn measure(run: &Run, kind: Kind, vendors: &Running) -> Result<Row> {
    let mut row = Row {
        name: if kind == Kind::Magi { "magi" } else { "relay" },
        ..Row::default()
    };
    for at_once in &run.at_once {
        // A server per figure: what one figure leaves behind must not weigh on the next.
        let folder = tempfile::tempdir()?;
        let server = start(run, kind, vendors, folder.path()).await?;
        tokio::time::sleep(Duration::from_millis(300)).await;
        row.idle_kib = server.memory_kib()?;
        row.cold_start_ms = server.cold_start.as_secs_f64() * 1000.0;
        row.costs
            .push((*at_once, cost(run, kind, vendors, &server, *at_once).await?));
        server.stop().await?;
    }
    Ok(row)
}

async fn start(
    run: &Run,
    kind: Kind,
    vendors: &Running,
    folder: &std::path::Path,
) -> Result<Server> {
    let upstream = vendors.openai_url();
    match kind {
        Kind::Relay => {
            let own = std::env::current_exe()?;
            Server::start(&own, &["relay", "--upstream", &upstream], &[]).await
        }
        Kind::Magi => {
            let folder = folder.to_str().context("the folder's name is not text")?;
            let model = format!("openai:{}", model(run));
            let env = [
                ("OPENAI_BASE_URL", upstream.as_str()),
                ("OPENAI_API_KEY", "bench"),
                ("MAGI_MODEL", model.as_str()),
                ("MAGI_DATA_DIR", folder),
                ("MAGI_LOG", "off"),
            ];
            Server::start(&run.magi, &["serve", "--port", "0"], &env).await
        }
    }
}

fn model(run: &Run) -> String {
    format!("fake+len-{}", run.tokens)
}

async fn cost(
    run: &Run,
    kind: Kind,
    vendors: &Running,
    server: &Server,
    at_once: usize,
) -> Result<Cost> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    // The first request pays for what every process pays once.
    ask(&client, run, kind, server).await?;
    vendors.ledger().clear();
    let cpu = server.cpu()?;
    let began = Instant::now();
    let asked = try_join_all((0..at_once).map(|_| ask(&client, run, kind, server)));
    tokio::pin!(asked);
    let mut peak_kib = 0;
    loop {
        tokio::select! {
            done = &mut asked => {
                done?;
                break;
            }
            () = tokio::time::sleep(WEIGH_EVERY) => peak_kib = peak_kib.max(server.memory_kib()?),
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let spent = server.cpu()?.saturating_sub(cpu);
    let tokens: usize = vendors
        .ledger()
        .entries()
        .iter()
        .map(|entry| entry.tokens_sent)
        .sum();
    ensure!(tokens > 0, "no token came through");
    Ok(Cost {
        cpu_ms_per_1000: spent.as_secs_f64() * 1e6 / tokens as f64,
        peak_kib,
        seconds,
    })
}

/// How often a server's memory is looked at while it works.
const WEIGH_EVERY: Duration = Duration::from_millis(20);

/// Puts one question and reads the whole stream; a stream without its proper end is an error.
async fn ask(client: &reqwest::Client, run: &Run, kind: Kind, server: &Server) -> Result<()> {
    let (path, body) = match kind {
        Kind::Relay => (
            "/",
            json!({ "model": model(run), "question": "Ship on Friday?" }),
        ),
        Kind::Magi => (
            "/v1/deliberations",
            json!({ "question": "Ship on Friday?" }),
        ),
    };
    let answer = client
        .post(format!("{}{path}", server.address))
        .header("accept", "text/event-stream")
        .json(&body)
        .send()
        .await?
        .error_for_status()?;
    let mut bytes = answer.bytes_stream();
    let mut decoder = magi_event::sse::Decoder::new(1 << 20);
    let mut last = String::new();
    while let Some(chunk) = bytes.next().await {
        decoder.push(&chunk?, |message| last = message.data)?;
    }
    if kind == Kind::Magi {
        let last: Value = serde_json::from_str(&last)?;
        ensure!(last["type"] == "complete", "the stream ended with {last}");
    }
    Ok(())
}

fn render(run: &Run, rows: &[(Kind, Row)]) -> String {
    let mut out = String::new();
    let of = |kind: Kind| {
        rows.iter()
            .filter(move |(of, _)| *of == kind)
            .map(|(_, row)| row)
    };
    let _ = writeln!(
        out,
        "{} tokens per answer at {} tokens/s, three sages; medians of {} rounds",
        run.tokens, run.pace, run.rounds
    );
    for kind in [Kind::Relay, Kind::Magi] {
        let name = of(kind).next().map_or("", |row| row.name);
        let idle = median(of(kind).map(|row| row.idle_kib as f64 / 1024.0));
        let cold = median(of(kind).map(|row| row.cold_start_ms));
        let _ = writeln!(
            out,
            "{name:<6} idle {idle:.1} MiB, spawn to /ping {cold:.0} ms"
        );
    }
    let _ = writeln!(
        out,
        "{:<8} {:>22} {:>22} {:>7} {:>22} {:>12}",
        "at once",
        "relay CPU ms/1k tokens",
        "magi CPU ms/1k tokens",
        "ratio",
        "magi KiB/deliberation",
        "magi s"
    );
    for (at, at_once) in run.at_once.iter().enumerate() {
        let cpu = |kind| median(of(kind).map(|row| row.costs[at].1.cpu_ms_per_1000));
        let (relay, magi) = (cpu(Kind::Relay), cpu(Kind::Magi));
        let each = median(of(Kind::Magi).map(|row| {
            (row.costs[at].1.peak_kib.saturating_sub(row.idle_kib)) as f64 / *at_once as f64
        }));
        let seconds = median(of(Kind::Magi).map(|row| row.costs[at].1.seconds));
        let _ = writeln!(
            out,
            "{at_once:<8} {relay:>22.1} {magi:>22.1} {:>7.2} {each:>22.0} {seconds:>12.1}",
            magi / relay
        );
    }
    out
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
