//! MAGI: one question, three sages, one verdict.
//!
//! The one binary. This room knows the command line, the settings and the terminal, and wires the
//! other rooms together; it decides nothing about a deliberation itself.

mod agentcore;
mod args;
mod ask;
mod choice;
mod config;
mod doctor;
mod exit;
mod follow;
mod history;
mod house;
#[cfg(feature = "bedrock")]
mod lambda;
mod models;
mod presets;
mod providers;
mod remote;
mod retention;
mod serve;
mod settings;
mod show;
mod signals;
mod stability;
mod upkeep;
mod verbs;
mod way;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser};

use crate::args::{Cli, Command, ConfigCommand, Output};
use crate::exit::{Exit, OrUsage};
use crate::follow::View;
use crate::settings::{Origins, Settings};
use crate::show::words::Lang;

fn main() -> ExitCode {
    let cli = match Cli::try_parse_from(command_line()) {
        Ok(cli) => cli,
        Err(error) => {
            let is_help = !error.use_stderr();
            // A closed pipe is no reason to fail over a help text.
            let _ = error.print();
            return if is_help { Exit::Done } else { Exit::Usage }.into();
        }
    };
    match start(&cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            let _ = writeln!(io::stderr().lock(), "magi: {error:#}");
            exit::of_failure(&error).into()
        }
    }
}

/// Returns the command line; where Lambda starts the program it gives no argument.
///
/// Source: AWS Lambda Developer Guide, "Building a custom runtime": the entry is `bootstrap`, and
/// `AWS_LAMBDA_RUNTIME_API` is set.
fn command_line() -> Vec<OsString> {
    let mut args: Vec<_> = std::env::args_os().collect();
    if args.len() == 1 && std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some() {
        args.push("lambda".into());
    }
    args
}

#[cfg(feature = "bedrock")]
async fn function(settings: &Settings) -> Result<Exit> {
    lambda::run(settings).await
}

#[cfg(not(feature = "bedrock"))]
async fn function(_: &Settings) -> Result<Exit> {
    Err(anyhow::anyhow!(
        "this program was built without AWS: build it with the feature `bedrock`"
    ))
    .or_usage()
}

fn start(cli: &Cli) -> Result<Exit> {
    let origins = Origins {
        flags: cli.flags(),
        env: &|name| std::env::var(name).ok(),
        file: cli.common.config.clone(),
    };
    let settings = Settings::load(&origins).or_usage()?;
    watch_over(cli, &settings).or_usage()?;
    // One crypto provider for the whole process; a second one would be a panic at run time.
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        tracing::debug!("a crypto provider was installed already");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("failed to start the runtime")?;
    runtime.block_on(run(cli, &settings))
}

/// Sends what happens inside to stderr, as much of it as the setting `log` says.
fn watch_over(cli: &Cli, settings: &Settings) -> Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(settings.text("log"))
        .with_context(|| format!("setting `log` is `{}`", settings.text("log")))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal() && has_colour(cli))
        .with_writer(io::stderr)
        // A line that cannot be written, as on a full disk, is lost. Told on stderr as well, that
        // would panic, and end whichever task had something to say.
        .log_internal_errors(false)
        .init();
    Ok(())
}

async fn run(cli: &Cli, settings: &Settings) -> Result<Exit> {
    match &cli.command {
        Command::Ask(flags) => {
            ask::ask(
                settings,
                flags,
                view(cli, settings, flags.output, flags.plain),
            )
            .await
        }
        Command::Serve(flags) => serve::run(settings, flags).await,
        Command::Agentcore(_) => agentcore::run(settings).await,
        Command::Lambda(_) => function(settings).await,
        Command::History(history) => history::run(settings, &history.command, &history.list).await,
        Command::Replay(flags) => {
            let pace = history::Pace {
                speed: flags.speed,
                is_instant: flags.instant,
            };
            let view = view(cli, settings, flags.output, flags.plain || flags.instant);
            history::replay(settings, &flags.id, view, pace).await
        }
        Command::Export(flags) => history::export(settings, &flags.id, flags.format).await,
        Command::Verb(verb) => {
            let (output, is_plain) = verb.shown();
            verbs::run(settings, verb, view(cli, settings, output, is_plain)).await
        }
        Command::Resume(flags) => {
            ask::resume(
                settings,
                &flags.at,
                view(cli, settings, flags.output, flags.plain),
            )
            .await
        }
        Command::Presets(flags) => presets::run(settings, flags).await,
        Command::Backup(flags) => upkeep::backup(settings, flags).await,
        Command::Restore(flags) => upkeep::restore(settings, flags).await,
        Command::Models(flags) => models::run(settings, flags.json).await,
        Command::Config {
            command: ConfigCommand::Show { json },
        } => {
            config::show(settings, *json)?;
            Ok(Exit::Done)
        }
        Command::Doctor(flags) => match &flags.url {
            Some(url) => Box::pin(doctor::endpoint::run(settings, flags, url)).await,
            None => doctor::run(settings, flags.json).await,
        },
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "magi", &mut io::stdout());
            Ok(Exit::Done)
        }
    }
}

fn view(cli: &Cli, settings: &Settings, output: Output, is_plain: bool) -> View {
    View {
        output,
        may_draw: !is_plain && io::stdout().is_terminal(),
        is_quiet: cli.common.quiet,
        lang: Lang::from_code(settings.text("lang")),
        has_colour: has_colour(cli),
    }
}

/// Source: <https://no-color.org>: any value of `NO_COLOR` that is not empty.
fn has_colour(cli: &Cli) -> bool {
    !cli.common.no_color && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
