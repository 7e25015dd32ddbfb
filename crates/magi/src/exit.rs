//! What the process says with its exit code.

use std::fmt;
use std::process::ExitCode;

use magi_event::{FinalDecision, Snapshot, Status};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what it was asked.
    Done,
    /// Something failed; the message stands on stderr.
    Failed,
    /// The command line or a setting is wrong.
    Usage,
    /// `--gate`: the proposal is rejected.
    Rejected,
    /// `--gate`: there is no decision.
    Undecided,
    /// `--gate`: approved, but something is missing.
    Degraded,
    /// The budget is spent.
    Budget,
    /// A key is missing or refused.
    Unauthorised,
    /// `--timeout` ran out.
    Timeout,
    /// Ctrl+C.
    Interrupted,
}

impl Exit {
    /// Returns the number.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Rejected => 10,
            Exit::Undecided => 11,
            Exit::Degraded => 12,
            Exit::Budget => 20,
            Exit::Unauthorised => 21,
            Exit::Timeout => 124,
            Exit::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.number())
    }
}

/// A failure that lies in the command line or in a setting.
#[derive(Debug)]
pub(crate) struct Usage(anyhow::Error);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl std::error::Error for Usage {}

/// Says of a failure that it lies in the command line or in a setting.
pub(crate) trait OrUsage<T> {
    /// Makes the failure one of usage.
    fn or_usage(self) -> anyhow::Result<T>;
}

impl<T> OrUsage<T> for anyhow::Result<T> {
    fn or_usage(self) -> anyhow::Result<T> {
        self.map_err(|error| anyhow::Error::new(Usage(error)))
    }
}

/// Reads the exit of a failure.
pub(crate) fn of_failure(error: &anyhow::Error) -> Exit {
    if error.is::<Usage>() {
        return Exit::Usage;
    }
    if let Some(magi_council::Error::Invalid { .. }) = error.downcast_ref() {
        return Exit::Usage;
    }
    let problem = error
        .downcast_ref::<magi_client::Error>()
        .and_then(magi_client::Error::problem);
    match problem.map(|problem| problem.status) {
        Some(401 | 403) => Exit::Unauthorised,
        Some(400 | 413 | 422) => Exit::Usage,
        _ => Exit::Failed,
    }
}

/// Reads the exit of a deliberation that is over.
///
/// Without `gate` every verdict is a success, a rejection too; a deliberation without a verdict is
/// a failure either way.
pub(crate) fn of(snapshot: &Snapshot, gate: bool) -> Exit {
    if let Some(verdict) = &snapshot.verdict {
        return match (gate, verdict.final_decision, verdict.status) {
            (false, _, _) => Exit::Done,
            (true, FinalDecision::Rejected, _) => Exit::Rejected,
            (true, FinalDecision::Undecided, _) => Exit::Undecided,
            (true, FinalDecision::Approved, Status::Degraded) => Exit::Degraded,
            (true, FinalDecision::Approved, _) => Exit::Done,
        };
    }
    if let Some(cancelled) = &snapshot.cancelled {
        return if cancelled.by == "budget" {
            Exit::Budget
        } else {
            Exit::Interrupted
        };
    }
    let was_refused = snapshot.sages.values().any(|lane| {
        lane.faults.iter().any(|fault| {
            fault
                .error
                .as_ref()
                .is_some_and(|error| error.code == "unauthorised")
        })
    });
    match &snapshot.error {
        Some(failure) if failure.code == "budget" => Exit::Budget,
        Some(_) if was_refused => Exit::Unauthorised,
        _ => Exit::Failed,
    }
}
