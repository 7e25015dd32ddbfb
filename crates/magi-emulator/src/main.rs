//! `magi-emulator`: fake vendors on a port, for demos and for tests in other languages.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use magi_emulator::cloud::{Cloud, CloudConfig};
use magi_emulator::demo::{self, DemoConfig};
use magi_emulator::{Config, Emulator};

/// Fake vendors and faulty networks for MAGI's tests, benches and demos.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the fakes of OpenAI (/v1/chat/completions), Anthropic (/v1/messages) and Bedrock
    /// (/model/ID/converse-stream).
    Vendors(Vendors),
    /// Start MAGI's whole cloud on loopback: Bedrock and other fakes, an identity pool, AgentCore with a
    /// runtime behind signatures and one behind tokens, Function URLs, the page on static hosting, and the
    /// hosting that buffers.
    ///
    /// Prints one NAME=value per line, or one JSON object with --json. GET /held at MAGI_CLOUD_CONTROL_URL
    /// says what each relay holds, GET /invocations what the functions did.
    Cloud(CloudArgs),
    /// Put one question at the same moment through every way that the cloud has, the hosting that buffers among
    /// them, and tell what was measured: first token, end, events, what each relay held, and what came of it.
    ///
    /// Fails if a way that streams does not end in the same verdict as the others, or the hosting gives one.
    Demo(DemoArgs),
}

#[derive(Debug, clap::Args)]
struct DemoArgs {
    /// When the hosting gives up, 1s to 60s; the deliberation lasts about one and a half times as long.
    #[arg(long, default_value = "30s", value_parser = seconds)]
    limit: Duration,
    /// Write the run as a picture into this file.
    #[arg(long)]
    svg: Option<PathBuf>,
    /// Print one JSON object instead of the table.
    #[arg(long)]
    json: bool,
    /// The binary that is started as container and as function; the one beside this program, or else in the
    /// path, if not said.
    #[arg(long)]
    magi: Option<PathBuf>,
}

/// Reads `30s`, `1500ms` or a number of seconds.
fn seconds(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    let number: f64 = number.parse().map_err(|_| "not like 30s")?;
    Duration::try_from_secs_f64(number * unit).map_err(|error| error.to_string())
}

/// The `magi` that was built together with this program, or the one in the path.
fn magi() -> PathBuf {
    let beside = std::env::current_exe().map(|program| program.with_file_name("magi"));
    beside
        .ok()
        .filter(|path| path.is_file())
        .unwrap_or_else(|| PathBuf::from("magi"))
}

#[derive(Debug, clap::Args)]
struct Vendors {
    /// Where to listen; port 0 takes a free one. The first line of output says which.
    #[arg(long, default_value = "127.0.0.1:8718")]
    listen: SocketAddr,
    /// Tokens per second of every answer; 0 is as fast as possible.
    #[arg(long, default_value_t = 0)]
    tps: u32,
    /// The seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The longest silence of a stall, in seconds.
    #[arg(long, default_value_t = 120)]
    hold: u64,
    /// The key a request must carry; without it none is needed.
    #[arg(long)]
    key: Option<String>,
}

#[derive(Debug, clap::Args)]
struct CloudArgs {
    /// The binary that is started as container and as function; the one beside this program, or else in the
    /// path, if not said.
    #[arg(long)]
    magi: Option<PathBuf>,
    /// The folder of the built page; without it only config.json is hosted.
    #[arg(long)]
    page: Option<PathBuf>,
    /// The model all roles ask.
    #[arg(long, default_value = "bedrock:fake")]
    model: String,
    /// Tokens per second of every fake answer; 0 is as fast as possible.
    #[arg(long, default_value_t = 0)]
    tps: u32,
    /// When the villain gives up, in seconds.
    #[arg(long, default_value_t = 30.0)]
    villain_limit: f64,
    /// How long an invocation of a function may take, in seconds.
    #[arg(long, default_value_t = 900.0)]
    timeout: f64,
    /// A variable for every container and function, NAME=VALUE; may be given several times.
    #[arg(long = "env", value_parser = pair)]
    env: Vec<(String, String)>,
    /// The first of the ports taken, one after the other; without it free ones are taken.
    #[arg(long, default_value_t = 0)]
    first_port: u16,
    /// Print one JSON object instead of lines.
    #[arg(long)]
    json: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it is no NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Vendors(vendors) => serve(vendors).await,
        Command::Cloud(args) => cloud(args).await,
        Command::Demo(args) => demo(args).await,
    }
}

async fn demo(args: DemoArgs) -> anyhow::Result<ExitCode> {
    let mut config = DemoConfig::new(args.magi.unwrap_or_else(magi));
    config.limit = args.limit;
    config.quiet = true;
    let mut err = std::io::stderr();
    writeln!(
        err,
        "five ways at once, about {:.0} s ...",
        args.limit.as_secs_f64() * 1.5
    )?;
    let report = demo::run(config).await?;
    let mut out = std::io::stdout();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        write!(out, "{}", report.table())?;
    }
    out.flush()?;
    if let Some(file) = &args.svg {
        std::fs::write(file, report.svg()).with_context(|| format!("{}", file.display()))?;
    }
    let faults = report.faults();
    for fault in &faults {
        writeln!(err, "not as it has to be: {fault}")?;
    }
    Ok(if faults.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn serve(vendors: Vendors) -> anyhow::Result<ExitCode> {
    let mut config = Config::default();
    config.addr = vendors.listen;
    config.tokens_per_second = vendors.tps;
    config.seed = vendors.seed;
    config.longest_hold = Duration::from_secs(vendors.hold);
    config.key = vendors.key;
    let running = Emulator::start(config).await?;
    let mut out = std::io::stdout();
    writeln!(out, "listening on http://{}", running.addr())?;
    writeln!(out, "OPENAI_BASE_URL={}", running.openai_url())?;
    writeln!(out, "ANTHROPIC_BASE_URL={}", running.anthropic_url())?;
    writeln!(
        out,
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME={}",
        running.bedrock_url()
    )?;
    out.flush()?;
    tokio::signal::ctrl_c().await?;
    running.stop().await;
    Ok(ExitCode::SUCCESS)
}

async fn cloud(args: CloudArgs) -> anyhow::Result<ExitCode> {
    let mut config = CloudConfig::new(args.magi.unwrap_or_else(magi));
    config.page = args.page;
    config.model = args.model;
    config.vendors.tokens_per_second = args.tps;
    config.villain_limit = Duration::try_from_secs_f64(args.villain_limit)?;
    config.timeout = Duration::try_from_secs_f64(args.timeout)?;
    config.env = args.env.into_iter().collect();
    config.first_port = args.first_port;
    let cloud = Cloud::start(config).await?;
    let mut out = std::io::stdout();
    if args.json {
        let env: serde_json::Map<_, _> = cloud
            .env()
            .into_iter()
            .map(|(name, value)| (name, value.into()))
            .collect();
        writeln!(out, "{}", serde_json::Value::Object(env))?;
    } else {
        for (name, value) in cloud.env() {
            writeln!(out, "{name}={value}")?;
        }
    }
    out.flush()?;
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminated.recv() => {}
    }
    cloud.stop().await;
    Ok(ExitCode::SUCCESS)
}
