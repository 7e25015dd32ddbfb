//! What the process says with its exit code.

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
