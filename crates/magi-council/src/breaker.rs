//! A circuit breaker per provider, shared by all deliberations of a process: a vendor that fails again
//! and again is left alone for a while, and then tried by one call.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use magi_event::TimeoutKind;
use magi_model::Kind;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::retry::Failure;

/// How many calls in a row must fail before a breaker opens. Three sages whose every attempt fails
/// make nine calls before they give up: one deliberation's bad second does not close a vendor to all
/// others.
pub(crate) const FAILURES: u32 = 10;

/// How long an open breaker lets nothing through.
pub(crate) const REST: Duration = Duration::from_secs(10);

/// How a provider's breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Breaker {
    /// Calls go through.
    Closed,
    /// No call goes through.
    Open,
    /// One call goes through, to see whether the vendor is back.
    HalfOpen,
}

impl Breaker {
    /// Returns the word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Breaker::Closed => "closed",
            Breaker::Open => "open",
            Breaker::HalfOpen => "half_open",
        }
    }
}

/// The breakers of one process. Time comes in from outside, so that they are the same on any clock.
#[derive(Debug, Default)]
pub(crate) struct Breakers {
    /// A plain mutex: held to look at one circuit, never across an await.
    circuits: Mutex<BTreeMap<String, Circuit>>,
}

#[derive(Debug)]
struct Circuit {
    state: State,
    changed: watch::Sender<()>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant },
    Probing,
}

/// Why a call may not be made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shut {
    /// How long until one call is let through; absent while one is on its way.
    pub(crate) wait: Option<Duration>,
}

/// Leave to make one call. Dropped without a word it says nothing of the vendor.
#[derive(Debug)]
pub(crate) struct Pass {
    breakers: Arc<Breakers>,
    pub(crate) provider: String,
    /// Whether this call shows if the vendor is back.
    pub(crate) is_probe: bool,
    is_settled: bool,
}

impl Breakers {
    fn circuits(&self) -> MutexGuard<'_, BTreeMap<String, Circuit>> {
        self.circuits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how every breaker stands that a call ever came to.
    pub(crate) fn all(&self) -> Vec<(String, Breaker)> {
        let circuits = self.circuits();
        let breaker = |circuit: &Circuit| match circuit.state {
            State::Closed { .. } => Breaker::Closed,
            State::Open { .. } => Breaker::Open,
            State::Probing => Breaker::HalfOpen,
        };
        circuits
            .iter()
            .map(|(provider, circuit)| (provider.clone(), breaker(circuit)))
            .collect()
    }

    /// Tells why a call to a provider would not be let through now.
    pub(crate) fn shut(&self, provider: &str, now: Instant) -> Option<Shut> {
        match self.circuits().get(provider)?.state {
            State::Open { until } if now < until => Some(Shut {
                wait: Some(until.duration_since(now)),
            }),
            State::Probing => Some(Shut { wait: None }),
            State::Open { .. } | State::Closed { .. } => None,
        }
    }

    /// Asks for leave to call a provider. The first one to ask after an open breaker's rest is let
    /// through, and nobody else before it has come back.
    ///
    /// # Errors
    ///
    /// When the breaker is open, or its probe is on its way.
    pub(crate) fn enter(self: &Arc<Self>, provider: &str, now: Instant) -> Result<Pass, Shut> {
        let mut circuits = self.circuits();
        let circuit = circuits
            .entry(provider.to_owned())
            .or_insert_with(|| Circuit {
                state: State::Closed { failures: 0 },
                changed: watch::Sender::new(()),
            });
        let is_probe = match circuit.state {
            State::Closed { .. } => false,
            State::Open { until } if now >= until => true,
            State::Open { until } => {
                let wait = Some(until.duration_since(now));
                return Err(Shut { wait });
            }
            State::Probing => return Err(Shut { wait: None }),
        };
        if is_probe {
            circuit.state = State::Probing;
            circuit.changed.send_replace(());
        }
        Ok(Pass {
            breakers: Arc::clone(self),
            provider: provider.to_owned(),
            is_probe,
            is_settled: false,
        })
    }

    /// Waits for leave to call a provider.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it returns, it changed nothing.
    pub(crate) async fn pass(self: &Arc<Self>, provider: &str) -> Pass {
        loop {
            let changed = self.changed(provider);
            let shut = match self.enter(provider, Instant::now()) {
                Ok(pass) => return pass,
                Err(shut) => shut,
            };
            // One that no call ever came to is closed, so what is shut is there.
            let Some(mut changed) = changed else { continue };
            let rest = async {
                match shut.wait {
                    Some(wait) => sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = rest => {}
                // The sender lives in the map, so this ends with a change only.
                _ = changed.changed() => {}
            }
        }
    }

    fn changed(&self, provider: &str) -> Option<watch::Receiver<()>> {
        let circuits = self.circuits();
        Some(circuits.get(provider)?.changed.subscribe())
    }

    fn settle(&self, provider: &str, is_probe: bool, went: Went) -> Option<Breaker> {
        let mut circuits = self.circuits();
        let circuit = circuits.get_mut(provider)?;
        let (state, told) = match (circuit.state, went) {
            (State::Probing, Went::Well) if is_probe => {
                (State::Closed { failures: 0 }, Some(Breaker::Closed))
            }
            (State::Probing, Went::Badly(now)) if is_probe => {
                (State::Open { until: now + REST }, Some(Breaker::Open))
            }
            // It said nothing: the next one to ask is the probe.
            (State::Probing, Went::Nowhere(now)) if is_probe => (State::Open { until: now }, None),
            (State::Closed { .. }, Went::Well) => (State::Closed { failures: 0 }, None),
            (State::Closed { failures }, Went::Badly(now)) if failures + 1 >= FAILURES => {
                (State::Open { until: now + REST }, Some(Breaker::Open))
            }
            (State::Closed { failures }, Went::Badly(_)) => (
                State::Closed {
                    failures: failures + 1,
                },
                None,
            ),
            // Calls that were under way when it opened change nothing any more.
            (same, _) => (same, None),
        };
        circuit.state = state;
        circuit.changed.send_replace(());
        told
    }
}

/// How a call went.
#[derive(Clone, Copy, Debug)]
enum Went {
    Well,
    Badly(Instant),
    Nowhere(Instant),
}

impl Pass {
    /// The vendor answered; returns what the breaker became, if it changed.
    pub(crate) fn answered(&mut self) -> Option<Breaker> {
        self.settle(Went::Well)
    }

    /// The call failed by `failure` before its first token; returns what the breaker became, if it
    /// changed.
    pub(crate) fn failed(&mut self, failure: &Failure, now: Instant) -> Option<Breaker> {
        match blame(failure) {
            Some(true) => self.settle(Went::Badly(now)),
            Some(false) => self.settle(Went::Well),
            None => None,
        }
    }

    fn settle(&mut self, went: Went) -> Option<Breaker> {
        if std::mem::replace(&mut self.is_settled, true) {
            return None;
        }
        self.breakers.settle(&self.provider, self.is_probe, went)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.is_probe {
            self.settle(Went::Nowhere(Instant::now()));
        }
    }
}

/// Tells whether a failure before the first token is the vendor's own; a vendor that refuses a call
/// with a reason answers. `None`: it says nothing of the vendor.
const fn blame(failure: &Failure) -> Option<bool> {
    match failure {
        Failure::Model(error) => match error.kind {
            Kind::Overloaded
            | Kind::Truncated
            | Kind::Malformed
            | Kind::Network
            | Kind::Untrusted
            | Kind::Timeout => Some(true),
            Kind::Throttled
            | Kind::Unauthorised
            | Kind::NotFound
            | Kind::BadRequest
            | Kind::Filtered => Some(false),
            // A kind this room does not know is no evidence.
            _ => None,
        },
        Failure::Late { kind, .. } => match kind {
            TimeoutKind::Connect | TimeoutKind::FirstToken => Some(true),
            TimeoutKind::Idle | TimeoutKind::Total => None,
        },
        Failure::Empty | Failure::Unreadable(_) | Failure::Cut(_) | Failure::Refused(_) => {
            Some(false)
        }
        Failure::Shut { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use magi_model::Error;

    use super::*;

    fn failure(kind: Kind) -> Failure {
        Failure::Model(Error::new(kind, "x"))
    }

    fn fail(breakers: &Arc<Breakers>, kind: Kind, now: Instant) -> Option<Breaker> {
        breakers
            .enter("v", now)
            .unwrap()
            .failed(&failure(kind), now)
    }

    fn open(breakers: &Arc<Breakers>, now: Instant) {
        for _ in 1..FAILURES {
            assert_eq!(fail(breakers, Kind::Overloaded, now), None);
        }
        assert_eq!(fail(breakers, Kind::Network, now), Some(Breaker::Open));
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_for_its_vendor_alone() {
        let (breakers, now) = (Arc::new(Breakers::default()), Instant::now());
        for _ in 1..FAILURES {
            fail(&breakers, Kind::Overloaded, now);
        }
        // One that answers, even with a refusal, begins the count anew.
        fail(&breakers, Kind::Throttled, now);
        open(&breakers, now);
        let wait = Some(REST);
        assert_eq!(breakers.enter("v", now).unwrap_err(), Shut { wait });
        assert!(breakers.enter("w", now).is_ok());
        let all = [("v", Breaker::Open), ("w", Breaker::Closed)];
        assert_eq!(breakers.all(), all.map(|(name, b)| (name.to_owned(), b)));
    }

    #[test]
    fn after_its_rest_one_call_is_let_through_and_decides() {
        let (breakers, now) = (Arc::new(Breakers::default()), Instant::now());
        let before = breakers.enter("v", now).unwrap();
        open(&breakers, now);
        let almost = now + REST - Duration::from_millis(1);
        assert!(breakers.enter("v", almost).is_err());
        let later = now + REST;
        let mut probe = breakers.enter("v", later).unwrap();
        assert!(probe.is_probe);
        let nobody = Shut { wait: None };
        assert_eq!(breakers.enter("v", later).unwrap_err(), nobody);
        // A call from before it opened does not close it.
        let mut before = before;
        assert_eq!(before.answered(), None);
        assert_eq!(breakers.enter("v", later).unwrap_err(), nobody);
        let failed = probe.failed(&failure(Kind::Overloaded), later);
        assert_eq!(failed, Some(Breaker::Open));
        assert!(breakers.enter("v", later).is_err());
        let mut probe = breakers.enter("v", later + REST).unwrap();
        assert_eq!(probe.answered(), Some(Breaker::Closed));
        assert_eq!(probe.answered(), None, "once");
        assert!(breakers.enter("v", later + REST).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_was_given_up_gives_way_to_the_next() {
        let breakers = Arc::new(Breakers::default());
        open(&breakers, Instant::now());
        let began = Instant::now();
        let probe = breakers.pass("v").await;
        assert_eq!(began.elapsed(), REST);
        let mut waiting = std::pin::pin!(breakers.pass("v"));
        let soon = tokio::time::timeout(REST * 5, &mut waiting).await;
        assert!(soon.is_err(), "one at a time");
        drop(probe);
        assert!(waiting.await.is_probe);
    }
}
