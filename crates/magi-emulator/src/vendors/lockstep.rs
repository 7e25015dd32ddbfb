//! Lock-step: a token is sent only after the test has reported the one before.

use std::sync::{Arc, Mutex, PoisonError};

use magi_event::Agent;
use tokio::sync::watch;

/// The open lock-step answers of one emulator; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Lockstep(Arc<Mutex<Vec<Open>>>);

#[derive(Debug)]
struct Open {
    id: u64,
    model: String,
    role: Option<Agent>,
    sent: u64,
    reported: watch::Sender<u64>,
}

/// Which answers a report is about: every open one that fits.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub struct Who {
    /// Only answers of this model.
    pub model: Option<String>,
    /// Only answers of this member of the council.
    pub role: Option<Agent>,
}

/// Why a report was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("token {token} was reported, but only {sent} tokens were sent")]
pub struct Ahead {
    /// The token reported, from 0.
    pub token: u64,
    /// How many were sent to that answer.
    pub sent: u64,
}

impl Lockstep {
    /// Reports that a reader has prose token `token` (from 0) of the answers that fit `who`, which
    /// lets the next one go. Returns how many open answers fitted.
    ///
    /// # Errors
    ///
    /// [`Ahead`] if an answer that fits has not sent that token: nobody can have seen it.
    pub fn report(&self, who: &Who, token: u64) -> Result<usize, Ahead> {
        let open = self.lock();
        let fits = |answer: &&Open| {
            who.model
                .as_ref()
                .is_none_or(|model| *model == answer.model)
                && who.role.is_none_or(|role| answer.role == Some(role))
        };
        let mut matched = 0;
        for answer in open.iter().filter(fits) {
            if token >= answer.sent {
                return Err(Ahead {
                    token,
                    sent: answer.sent,
                });
            }
            answer.reported.send_if_modified(|count| {
                let more = token + 1 > *count;
                *count = (*count).max(token + 1);
                more
            });
            matched += 1;
        }
        Ok(matched)
    }

    /// Opens an answer; its gate closes it when dropped.
    pub(crate) fn open(&self, id: u64, model: &str, role: Option<Agent>) -> Gate {
        let (reported, reports) = watch::channel(0);
        self.lock().push(Open {
            id,
            model: model.to_owned(),
            role,
            sent: 0,
            reported,
        });
        Gate {
            all: self.clone(),
            id,
            reports,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One answer's side of the lock-step.
#[derive(Debug)]
pub(crate) struct Gate {
    all: Lockstep,
    id: u64,
    reports: watch::Receiver<u64>,
}

impl Gate {
    /// Waits until all tokens before `token` are reported.
    pub(crate) async fn pass(&mut self, token: u64) {
        // The sender lives in the list until this gate is dropped, so waiting cannot fail.
        let _ = self.reports.wait_for(|reported| *reported >= token).await;
    }

    /// Tells that `token` goes out now, so that it may be reported.
    pub(crate) fn sent(&self, token: u64) {
        if let Some(open) = self.all.lock().iter_mut().find(|open| open.id == self.id) {
            open.sent = token + 1;
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.all.lock().retain(|open| open.id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_waits_for_the_report_of_the_one_before() {
        let all = Lockstep::default();
        let mut gate = all.open(1, "fake", None);
        gate.pass(0).await;
        assert_eq!(
            all.report(&Who::default(), 0),
            Err(Ahead { token: 0, sent: 0 })
        );
        gate.sent(0);
        assert!(futures_util::FutureExt::now_or_never(gate.pass(1)).is_none());
        assert_eq!(all.report(&Who::default(), 0), Ok(1));
        gate.pass(1).await;
        drop(gate);
        assert_eq!(all.report(&Who::default(), 1), Ok(0));
    }
}
