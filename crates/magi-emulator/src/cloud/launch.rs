//! Starting the processes that stand for a function's instances.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;

use tokio::process::{Child, Command};

/// What every process of the cloud keeps of the environment it was started in; everything else it is told.
const KEPT: [&str; 8] = [
    "PATH",
    "HOME",
    "LANG",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "RUST_BACKTRACE",
    "SSL_CERT_FILE",
    "LLVM_PROFILE_FILE",
];

/// A function of this process: given the runtime API's `HOST:PORT`, it is an instance as long as it runs.
pub type Here = Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// What makes an instance.
#[derive(Clone)]
#[non_exhaustive]
pub enum Start {
    /// A process.
    Command(Launch),
    /// A function of this process; dropped when the instance ends.
    Here(Here),
}

impl std::fmt::Debug for Start {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Start::Command(launch) => launch.fmt(f),
            Start::Here(_) => f.write_str("Start::Here"),
        }
    }
}

/// A command with its arguments and environment.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Its environment, beside the little that is kept of ours; nothing of AWS's or a vendor's is kept.
    pub env: BTreeMap<String, String>,
    /// Whether its output is thrown away instead of going to our standard error.
    pub quiet: bool,
}

// An environment holds keys: only its names are shown.
impl std::fmt::Debug for Launch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Launch")
            .field("program", &self.program)
            .field("args", &self.args)
            .field("env", &self.env.keys())
            .finish_non_exhaustive()
    }
}

impl Launch {
    /// Names a program without arguments and with an empty environment.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Launch {
            program: program.into(),
            ..Launch::default()
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    /// Starts the process; dropping the child kills it. Variables of `env` win over the launch's own.
    pub(crate) fn spawn(&self, env: &[(&str, String)]) -> std::io::Result<Child> {
        let output = || {
            if self.quiet {
                Stdio::null()
            } else {
                Stdio::from(std::io::stderr())
            }
        };
        let kept = KEPT
            .iter()
            .filter_map(|name| Some((name, std::env::var_os(name)?)));
        Command::new(&self.program)
            .args(&self.args)
            .env_clear()
            .envs(kept)
            .envs(&self.env)
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output())
            .stderr(output())
            .kill_on_drop(true)
            .spawn()
    }
}
