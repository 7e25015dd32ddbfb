//! `magi-emulator`: fake vendors on a port, for demos and for tests in other languages.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
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

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Vendors(vendors) => serve(vendors).await,
    }
}

async fn serve(vendors: Vendors) -> anyhow::Result<ExitCode> {
    use std::io::Write;

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
