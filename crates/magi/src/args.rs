//! The command line.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::show::words::Lang;

mod upkeep;

pub(crate) use upkeep::{Backup, Presets, PresetsCommand, Restore};

/// MAGI: one question, three sages, one verdict.
#[derive(Debug, Parser)]
#[command(name = "magi", version, about, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  magi ask \"Should we ship on Friday?\"            three sages deliberate, the verdict is printed
  git diff main | magi ask \"Safe to merge?\" --gate   exit code 0 approved, 10 rejected, 11 undecided
  magi ask --scene two-containers                 a written scene, free and offline
  magi serve --open                               the same in the browser
  magi history                                    what was decided so far";

/// Flags of every command.
#[derive(Args, Debug)]
pub(crate) struct Common {
    /// The settings file (default: magi/magi.toml in the user's configuration folder)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The folder of the store
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<String>,
    /// The language of labels and answers: ja, en or auto
    #[arg(long, global = true, value_name = "LANG")]
    lang: Option<String>,
    /// Say only the result
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Say more on stderr: -v what happens, -vv everything
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// No colours (also: any value in NO_COLOR)
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Put a question to the council and print the verdict
    Ask(Ask),
    /// Start the server with its page
    Serve(Serve),
    /// Be the container of AgentCore Runtime: port 8080, /invocations, /ping and /ws
    ///
    /// Listens on 0.0.0.0:8080 and trusts the platform to say who calls, so never open it to a
    /// network yourself. What was deliberated is kept as long as the process lives, or in the data
    /// folder when one is given.
    Agentcore(Agentcore),
    /// Be the handler of an AWS Lambda function behind a Function URL that streams
    ///
    /// Also what the program is when it is started without arguments where AWS_LAMBDA_RUNTIME_API is
    /// set. With MAGI_UPSTREAM=agentcore:ARN it relays to an AgentCore runtime; without, the council
    /// deliberates in the function itself.
    Lambda(Lambda),
    /// List, show and remove what was deliberated
    History(History),
    /// Play a stored deliberation again, without any network
    Replay(Replay),
    /// Print the record of a deliberation
    Export(Export),
    #[command(flatten)]
    Verb(Verb),
    /// Go on with a paused, interrupted or stopped deliberation, keeping its votes
    Resume(Resume),
    /// List the councils there are, and keep your own
    Presets(Presets),
    /// Copy the store into one file, also while a server runs
    Backup(Backup),
    /// Put a copy made by `magi backup` in the place of the store
    Restore(Restore),
    /// Show which model answers for whom, and what the providers offer
    Models(Models),
    /// Show the settings
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Check what MAGI stands on, and say how to mend what is wrong
    Doctor(Doctor),
    /// Print the completions of a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// Form of the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For a person
    #[default]
    Text,
    /// The snapshot as one JSON object
    Json,
    /// Every event as it happens, one JSON object a line
    Ndjson,
    /// The record, in Markdown
    Md,
}

/// Flags that choose models; what they set wins over environment and file.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ModelFlags {
    /// The model of all roles, as provider:model
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// The models that follow in this order where those before have failed, separated by commas
    #[arg(long, value_name = "MODELS")]
    fallback: Option<String>,
    /// The 2 to 5 models that judge together where all of the judge's have failed, separated by commas
    #[arg(long, value_name = "MODELS")]
    panel: Option<String>,
    /// Answer by rehearsal: written scenes, no model is asked
    #[arg(long, conflicts_with_all = ["model", "fallback", "panel"])]
    rehearsal: bool,
}

/// Flags of `magi ask`.
#[derive(Args, Debug)]
pub(crate) struct Ask {
    /// The question; what is piped to stdin is its context (or the question, when none is given)
    pub(crate) question: Option<String>,
    /// Play a written scene: `magi ask --scene list` names them all
    #[arg(long, value_name = "NAME", conflicts_with = "question")]
    pub(crate) scene: Option<String>,
    /// Which council: `magi presets` lists them (default, strict, brainstorm, classic, and yours)
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    #[command(flatten)]
    models: ModelFlags,
    /// The form of the result on stdout
    #[arg(long, short, value_enum, default_value_t)]
    pub(crate) output: Output,
    /// Let the exit code tell the verdict: 0 approved, 10 rejected, 11 undecided, 12 degraded
    #[arg(long, alias = "exit-code")]
    pub(crate) gate: bool,
    /// Stop when this much is spent
    #[arg(long, value_name = "USD")]
    max_cost: Option<String>,
    /// Stop after this long, as in 90s or 5m
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<String>,
    /// Ask a server instead of deliberating in this process (token from MAGI_TOKEN): its address, a
    /// Function URL, or an AgentCore runtime's address or ARN
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
    #[command(flatten)]
    sign: SignFlags,
    /// Plain lines instead of live lanes, on a terminal too
    #[arg(long)]
    pub(crate) plain: bool,
}

/// Flags of `magi serve`.
#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS")]
    host: Option<String>,
    /// The port to listen on; 0 takes a free one
    #[arg(long, value_name = "PORT")]
    port: Option<String>,
    /// Who may call: local (this machine), token (with MAGI_TOKEN), platform (AWS says who)
    #[arg(long, value_name = "TRUST")]
    trust: Option<String>,
    /// A comment after this much silence keeps connections alive; 0 for none
    #[arg(long, value_name = "TIME")]
    heartbeat: Option<String>,
    /// Delete what ended so long ago, as in 90d, but for what a decision or an outcome was written to
    #[arg(long, value_name = "TIME")]
    retention: Option<String>,
    #[command(flatten)]
    models: ModelFlags,
    /// Open the page in the browser
    #[arg(long)]
    pub(crate) open: bool,
}

/// Flags of `magi agentcore`.
#[derive(Args, Debug)]
pub(crate) struct Agentcore {
    /// The address to listen on (default: 0.0.0.0)
    #[arg(long, value_name = "ADDRESS")]
    host: Option<String>,
    /// The port to listen on; 0 takes a free one (default: 8080)
    #[arg(long, value_name = "PORT")]
    port: Option<String>,
    /// A comment after this much silence keeps connections alive; 0 for none
    #[arg(long, value_name = "TIME")]
    heartbeat: Option<String>,
    #[command(flatten)]
    models: ModelFlags,
}

/// Flags of `magi lambda`.
#[derive(Args, Debug)]
pub(crate) struct Lambda {
    /// Relay to this runtime: agentcore:ARN, or agentcore:ARN?qualifier=ENDPOINT
    #[arg(long, value_name = "WHERE")]
    upstream: Option<String>,
    /// What is kept of an invocation's time to put a deliberation down before the deadline
    #[arg(long, value_name = "TIME")]
    margin: Option<String>,
    /// A comment after this much silence keeps connections alive; 0 for none
    #[arg(long, value_name = "TIME")]
    heartbeat: Option<String>,
    #[command(flatten)]
    models: ModelFlags,
}

/// `magi history`.
#[derive(Args, Debug)]
pub(crate) struct History {
    #[command(subcommand)]
    pub(crate) command: Option<HistoryCommand>,
    #[command(flatten)]
    pub(crate) list: HistoryList,
}

/// Parts of `magi history`.
#[derive(Debug, Subcommand)]
pub(crate) enum HistoryCommand {
    /// List what was deliberated, newest first (the default)
    List(HistoryList),
    /// Show one deliberation
    Show {
        /// Its id, or the front of it as far as it is the only one
        id: String,
        /// The form
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
    },
    /// Remove deliberations for ever
    Rm {
        /// Its id, or the front of it as far as it is the only one
        #[arg(required_unless_present = "older_than")]
        ids: Vec<String>,
        /// Remove what ended so long ago, as in 90d, but for what a decision or an outcome was
        /// written to
        #[arg(long, value_name = "TIME", conflicts_with = "ids")]
        older_than: Option<String>,
        /// Remove those with a decision or an outcome, too
        #[arg(long, requires = "older_than")]
        all: bool,
    },
}

/// Flags of `magi history list`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct HistoryList {
    /// How many
    #[arg(short = 'n', long, default_value_t = 20)]
    pub(crate) limit: u32,
    /// Words to look for, in questions, titles, reasons and verdicts
    #[arg(long, short, value_name = "WORDS")]
    pub(crate) search: Option<String>,
    /// Only this verdict: approved, rejected or undecided
    #[arg(long)]
    pub(crate) verdict: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// Flags of `magi replay`.
#[derive(Args, Debug)]
pub(crate) struct Replay {
    /// The deliberation's id, or the front of it
    pub(crate) id: String,
    /// How many times faster than it happened
    #[arg(long, default_value_t = 1.0)]
    pub(crate) speed: f64,
    /// All at once
    #[arg(long, conflicts_with = "speed")]
    pub(crate) instant: bool,
    /// The form of the result on stdout
    #[arg(long, short, value_enum, default_value_t)]
    pub(crate) output: Output,
    /// Plain lines instead of live lanes, on a terminal too
    #[arg(long)]
    pub(crate) plain: bool,
}

/// Form of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Markdown, as a MADR decision record
    #[default]
    Md,
    /// The snapshot as one JSON object
    Json,
    /// Every event, one JSON object a line
    Ndjson,
    /// A page that stands alone
    Html,
}

/// Flags of `magi export`.
#[derive(Args, Debug)]
pub(crate) struct Export {
    /// The deliberation's id, or the front of it
    pub(crate) id: String,
    /// The form
    #[arg(long, short, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// What may be done with a deliberation, in the data folder or on a server.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Stop a deliberation, or one of its council; what was said is kept
    Stop(Stop),
    /// Let a sage, the judge or all sages begin another attempt; what was said before is not lost
    Retry(Retry),
    /// Tell the council something, until the judge speaks; sages who have voted reply to it once
    Note(Note),
    /// Hold a deliberation before its next model call; `magi resume` goes on
    Pause(At),
    /// Judge the stored votes again: another judge, order or rule
    Rejudge(Rejudge),
    /// Go on from a deliberation in a new one that keeps its votes
    Fork(Fork),
}

impl Verb {
    /// Returns where the deliberation is.
    pub(crate) const fn at(&self) -> &At {
        match self {
            Verb::Stop(stop) => &stop.at,
            Verb::Retry(retry) => &retry.at,
            Verb::Note(note) => &note.at,
            Verb::Pause(at) => at,
            Verb::Rejudge(rejudge) => &rejudge.at,
            Verb::Fork(fork) => &fork.at,
        }
    }

    /// Returns the form of the result and whether lanes are unwanted, where there is a result.
    pub(crate) fn shown(&self) -> (Output, bool) {
        match self {
            Verb::Retry(Retry { shown, .. })
            | Verb::Rejudge(Rejudge { shown, .. })
            | Verb::Fork(Fork { shown, .. }) => (shown.output, shown.plain),
            Verb::Stop(_) | Verb::Note(_) | Verb::Pause(_) => (Output::default(), true),
        }
    }

    /// Returns what to say when it was done in place.
    pub(crate) const fn did(&self, lang: Lang) -> &'static str {
        match self {
            Verb::Stop(_) => lang.pick(
                "stopped; what was said is kept",
                "を中断しました。それまでの内容は残ります",
            ),
            Verb::Retry(_) => lang.pick("another attempt has begun", "でやり直しが始まりました"),
            Verb::Note(_) => lang.pick("was told", "に伝えました"),
            Verb::Pause(_) => lang.pick(
                "is paused; go on with: magi resume",
                "を一時停止しました。続けるには: magi resume",
            ),
            Verb::Rejudge(_) | Verb::Fork(_) => lang.pick("goes on", "が続きます"),
        }
    }
}

/// Which deliberation, and where.
#[derive(Args, Debug)]
pub(crate) struct At {
    /// The deliberation's id, or the front of it
    pub(crate) id: String,
    /// Say it to a server instead of the data folder; then the whole id (token from MAGI_TOKEN): its
    /// address, or an AgentCore runtime's address or ARN (then the --session it was asked in, too)
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
    #[command(flatten)]
    sign: SignFlags,
}

/// How a new deliberation is shown.
#[derive(Args, Debug)]
pub(crate) struct Shown {
    /// The form of the result on stdout
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
    /// Plain lines instead of live lanes, on a terminal too
    #[arg(long)]
    plain: bool,
}

/// Flags of `magi stop`.
#[derive(Args, Debug)]
pub(crate) struct Stop {
    #[command(flatten)]
    at: At,
    /// Only this one: caspar, balthasar, melchior or judge
    #[arg(long, value_name = "AGENT")]
    pub(crate) agent: Option<String>,
}

/// Flags of `magi retry`.
#[derive(Args, Debug)]
pub(crate) struct Retry {
    #[command(flatten)]
    at: At,
    /// Who: caspar, balthasar, melchior or judge; when absent all sages, after the end those who have no vote
    #[arg(long, value_name = "AGENT")]
    pub(crate) agent: Option<String>,
    /// Only if this is the newest attempt
    #[arg(long, value_name = "N")]
    pub(crate) attempt: Option<u32>,
    #[command(flatten)]
    shown: Shown,
}

/// Flags of `magi note`.
#[derive(Args, Debug)]
pub(crate) struct Note {
    #[command(flatten)]
    at: At,
    /// A fact, a question or a correction
    pub(crate) text: String,
    /// Only to this one: caspar, balthasar, melchior or judge (the judge is always told)
    #[arg(long, value_name = "AGENT")]
    pub(crate) agent: Option<String>,
}

/// Flags of `magi rejudge`.
#[derive(Args, Debug)]
pub(crate) struct Rejudge {
    #[command(flatten)]
    at: At,
    /// A preset whose rule, quorum, judge and times are taken
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Option<String>,
    /// Another model for the judge, as provider:model
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Another rule: majority, unanimous, judge or veto:<sage>
    #[arg(long, value_name = "RULE")]
    pub(crate) rule: Option<String>,
    /// The seed of the order in which the judge sees the sages (default: another order)
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u32>,
    /// Judge N times in shuffled orders, 1 to 9, and say how many come to the same decision (three sages have six
    /// orders; those that were not seen come first)
    #[arg(long, value_name = "N")]
    pub(crate) stability: Option<u32>,
    #[command(flatten)]
    shown: Shown,
}

/// Flags of `magi fork`.
#[derive(Args, Debug)]
pub(crate) struct Fork {
    #[command(flatten)]
    at: At,
    /// A preset whose council takes the place of the one before
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Option<String>,
    /// A sage who is asked again, or whose model is to be another
    #[arg(long, value_name = "AGENT")]
    pub(crate) agent: Option<String>,
    /// Another model for that agent, as provider:model
    #[arg(long, value_name = "MODEL", requires = "agent")]
    pub(crate) model: Option<String>,
    /// What everybody is told; sages whose votes are kept reply to it once
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    #[command(flatten)]
    shown: Shown,
}

/// Flags of `magi resume`.
#[derive(Args, Debug)]
pub(crate) struct Resume {
    #[command(flatten)]
    pub(crate) at: At,
    /// The form of the result on stdout
    #[arg(long, short, value_enum, default_value_t)]
    pub(crate) output: Output,
    /// Plain lines instead of live lanes, on a terminal too
    #[arg(long)]
    pub(crate) plain: bool,
}

/// Flags of `magi models`.
#[derive(Args, Debug)]
pub(crate) struct Models {
    #[command(flatten)]
    models: ModelFlags,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Flags that say how requests to a server are let in.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct SignFlags {
    /// How requests are let in: sigv4 (AWS's own credentials), bearer (MAGI_TOKEN), none; auto takes
    /// sigv4 for AWS's hosts and the token, where there is one, for all others
    #[arg(long, value_name = "WAY")]
    sign: Option<String>,
    /// The service that is signed for (default: by the host's name)
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// The region that is signed for (default: by the host's name)
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
    /// AgentCore's session of all requests (default: a new one): a deliberation is found again in the
    /// session that it was asked in
    #[arg(long, value_name = "ID")]
    session: Option<String>,
}

/// Flags of `magi doctor`.
#[derive(Args, Debug)]
pub(crate) struct Doctor {
    /// An endpoint, to look at every hop on the way to its models: a server, a Function URL, an
    /// AgentCore runtime's address or ARN, a container, or a hosted page
    pub(crate) url: Option<String>,
    /// Do a browser's preflight for a page of this origin
    #[arg(long, value_name = "ORIGIN", requires = "url")]
    pub(crate) origin: Option<String>,
    /// Put one short question to the models as well: it costs what a question costs
    #[arg(long, requires = "url")]
    pub(crate) ask: bool,
    #[command(flatten)]
    sign: SignFlags,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// `magi config`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every setting and where it came from; secrets are not shown
    Show {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

impl Cli {
    /// Returns the settings that flags give, by key.
    pub(crate) fn flags(&self) -> BTreeMap<&'static str, String> {
        let mut flags = Flags::default();
        flags.add("data_dir", self.common.data_dir.as_ref());
        flags.add("lang", self.common.lang.as_ref());
        if self.common.verbose > 0 {
            let level = if self.common.verbose == 1 {
                "magi=info"
            } else {
                "debug"
            };
            flags.0.insert("log", level.to_owned());
        }
        match &self.command {
            Command::Ask(ask) => {
                flags.models(&ask.models);
                flags.add("preset", ask.preset.as_ref());
                flags.add("budget.usd", ask.max_cost.as_ref());
                flags.sign(&ask.sign);
            }
            Command::Serve(serve) => {
                flags.models(&serve.models);
                flags.add("host", serve.host.as_ref());
                flags.add("port", serve.port.as_ref());
                flags.add("trust", serve.trust.as_ref());
                flags.add("retention", serve.retention.as_ref());
                flags.add("heartbeat", serve.heartbeat.as_ref());
            }
            Command::Agentcore(container) => {
                flags.models(&container.models);
                flags.add("host", container.host.as_ref());
                flags.add("port", container.port.as_ref());
                flags.add("heartbeat", container.heartbeat.as_ref());
            }
            Command::Lambda(function) => {
                flags.models(&function.models);
                flags.add("upstream", function.upstream.as_ref());
                flags.add("lambda.margin", function.margin.as_ref());
                flags.add("heartbeat", function.heartbeat.as_ref());
            }
            Command::Models(models) => flags.models(&models.models),
            Command::Doctor(doctor) => flags.sign(&doctor.sign),
            Command::Verb(verb) => flags.sign(&verb.at().sign),
            Command::Resume(resume) => flags.sign(&resume.at.sign),
            Command::History(_)
            | Command::Presets(_)
            | Command::Backup(_)
            | Command::Restore(_)
            | Command::Replay(_)
            | Command::Export(_)
            | Command::Config { .. }
            | Command::Completions { .. } => {}
        }
        flags.0
    }
}

#[derive(Default)]
struct Flags(BTreeMap<&'static str, String>);

impl Flags {
    fn add(&mut self, key: &'static str, value: Option<&String>) {
        if let Some(value) = value {
            self.0.insert(key, value.clone());
        }
    }

    fn sign(&mut self, sign: &SignFlags) {
        self.add("remote.sign", sign.sign.as_ref());
        self.add("remote.service", sign.service.as_ref());
        self.add("remote.region", sign.region.as_ref());
        self.add("remote.session", sign.session.as_ref());
    }

    fn models(&mut self, models: &ModelFlags) {
        let fallback = match &models.fallback {
            Some(models) => Some(models.clone()),
            None => models.rehearsal.then(|| "none".to_owned()),
        };
        for key in [
            "fallback",
            "models.caspar_fallback",
            "models.balthasar_fallback",
            "models.melchior_fallback",
            "models.solomon_fallback",
        ] {
            self.add(key, fallback.as_ref());
        }
        let none = models.rehearsal.then(|| "none".to_owned());
        self.add(
            "models.solomon_panel",
            models.panel.clone().or(none).as_ref(),
        );
        let model = if models.rehearsal {
            Some("rehearsal".to_owned())
        } else {
            models.model.clone()
        };
        let Some(model) = model else { return };
        // A flag for all roles wins over what environment or file say for one.
        for key in [
            "model",
            "models.caspar",
            "models.balthasar",
            "models.melchior",
            "models.solomon",
        ] {
            self.0.insert(key, model.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn rehearsal_is_a_model_of_all_roles() {
        let cli = Cli::parse_from(["magi", "serve", "--rehearsal", "--port", "0"]);
        let flags = cli.flags();
        assert_eq!(flags["model"], "rehearsal");
        assert_eq!(flags["models.solomon"], "rehearsal");
        assert_eq!(flags["port"], "0");
    }
}
