//! MAGI measured beside a bare fan-out relay, both in one run on one machine.
//!
//! Figures of two machines, or of two hours on one machine, cannot be compared; the ratio of two
//! servers measured one after the other can. The relay does the least that anything between three
//! model streams and one reader must do: three upstream calls, bytes passed on as they come. What
//! MAGI costs above it is what parsing, votes, the log, the store and resumption cost.

mod drive;
mod process;
mod relay;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The bare fan-out: three upstream streams, one reader, bytes passed on
    Relay {
        /// The upstream's base address, as in OPENAI_BASE_URL
        #[arg(long)]
        upstream: String,
    },
    /// Measures the relay and MAGI, and prints a table
    Run(Run),
}

#[derive(Clone, Debug, clap::Args)]
struct Run {
    /// The `magi` binary to measure
    #[arg(long)]
    magi: PathBuf,
    /// Rounds; the table shows the median
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Questions at once, one row each
    #[arg(long, value_delimiter = ',', default_value = "1,10,100")]
    at_once: Vec<usize>,
    /// Tokens of each answer
    #[arg(long, default_value_t = 200)]
    tokens: usize,
    /// Tokens per second of each answer
    #[arg(long, default_value_t = 100)]
    pace: u32,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Relay { upstream } => relay::serve(&upstream).await?,
        Command::Run(run) => {
            let table = drive::table(&run).await?;
            std::io::stdout().lock().write_all(table.as_bytes())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
