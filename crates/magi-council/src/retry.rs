//! What follows a failed attempt: another one after a while, another model, or the end.

use std::time::Duration;

use magi_event::{Cause, TimeoutKind};
use magi_log::Entropy;
use magi_model::Kind;

/// Why an attempt brought no answer.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// The provider said so.
    Model(magi_model::Error),
    /// A deadline ran out.
    Late {
        kind: TimeoutKind,
        limit: Duration,
        elapsed: Duration,
    },
    /// The answer was empty.
    Empty,
    /// The answer, and its repair, held nothing that can be read.
    Unreadable(String),
    /// The answer reached the limit of its length before it held a vote of its own.
    Cut(Limit),
    /// The model refused, where a refusal is no answer.
    Refused(String),
    /// No call was made: the provider's breaker is open, or its probe is on its way.
    Shut {
        provider: String,
        wait: Option<Duration>,
    },
}

/// Which limit cut an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// `max_tokens`: so many where the council sets it, else the vendor's own.
    Tokens(Option<u32>),
    /// The most bytes of one answer that we take.
    Bytes(usize),
}

impl Failure {
    /// Returns the word on the wire.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Failure::Model(error) => error.kind.code(),
            Failure::Late { .. } => "timeout",
            Failure::Empty => "empty",
            Failure::Unreadable(_) => "unparsable",
            Failure::Cut(_) => Kind::Truncated.code(),
            Failure::Refused(_) => "refused",
            Failure::Shut { .. } => "circuit_open",
        }
    }

    /// Returns the cause of the abstention that follows when nothing else does.
    pub(crate) const fn cause(&self) -> Cause {
        match self {
            Failure::Model(_) | Failure::Refused(_) | Failure::Shut { .. } => Cause::Failed,
            Failure::Late { .. } => Cause::Timeout,
            Failure::Empty | Failure::Unreadable(_) | Failure::Cut(_) => Cause::Unparsable,
        }
    }
}

/// How many attempts before the first token may follow the first one.
const RETRIES: u32 = 2;

/// How many may follow where the vendor is too busy for the moment and there is no other model to
/// ask: then waiting is what helps.
const PATIENCE: u32 = 5;

/// How many attempts may follow one that broke after its first token.
const RESTARTS: u32 = 1;

/// The wait before the second attempt. For each further one it grows: threefold where the vendor
/// asks us to slow down, so that the five waits outlast a limit per minute in most cases (30 to
/// 60 s), else twofold (8 to 15 s).
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// No attempt follows another sooner.
const LEAST_WAIT: Duration = Duration::from_millis(250);

/// What one member may still try on one model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// How many attempts followed the first one, restarts among them.
    done: u32,
    /// How many of them followed a failure before the first token.
    retries: u32,
    restarts: u32,
    /// A vendor that accepts and stays silent is asked twice, not three times; where there is another
    /// model, once: each time costs the whole limit.
    silences: u32,
    /// Whether a vendor that does not even accept is asked again.
    may_knock_again: bool,
    /// How many attempts at a busy vendor may follow the first one.
    patience: u32,
}

impl Plan {
    /// Makes the plan for a model. Where another one can be asked, a busy one is not waited for.
    pub(crate) const fn new(has_other_model: bool) -> Self {
        Plan {
            done: 0,
            retries: 0,
            restarts: RESTARTS,
            silences: if has_other_model { 0 } else { 1 },
            may_knock_again: !has_other_model,
            patience: if has_other_model { RETRIES } else { PATIENCE },
        }
    }

    /// Returns how long to wait before the next attempt, or `None` when there is none.
    pub(crate) fn next(
        &mut self,
        failure: &Failure,
        spoke: bool,
        entropy: &dyn Entropy,
    ) -> Option<Duration> {
        let may_help = match failure {
            Failure::Model(error) => error.kind.is_retryable(),
            Failure::Late { kind, .. } => match kind {
                TimeoutKind::Connect => self.may_knock_again,
                TimeoutKind::Idle => true,
                TimeoutKind::FirstToken => take_one(&mut self.silences),
                TimeoutKind::Total => false,
            },
            Failure::Empty => true,
            // That one is waited for, not tried again.
            Failure::Shut { .. } => false,
            Failure::Unreadable(_) | Failure::Cut(_) | Failure::Refused(_) => false,
        };
        if !may_help {
            return None;
        }
        let retries = self.retries;
        let is_allowed = if spoke || matches!(failure, Failure::Empty) {
            take_one(&mut self.restarts)
        } else {
            self.retries += 1;
            let most = if is_busy(failure) {
                self.patience
            } else {
                RETRIES
            };
            retries < most
        };
        self.done += 1;
        let is_within_all = self.done <= PATIENCE;
        (is_allowed && is_within_all).then(|| wait(failure, retries, entropy))
    }
}

fn take_one(left: &mut u32) -> bool {
    let has_one = *left > 0;
    *left = left.saturating_sub(1);
    has_one
}

/// Returns a wait that grows with every attempt, half of it at random, so that three sages on one
/// vendor do not come back at the same instant; or what the vendor asked for and a little more. One
/// that asks for next to nothing again and again is met with the growing wait all the same.
fn wait(failure: &Failure, done: u32, entropy: &dyn Entropy) -> Duration {
    // 53 random bits make a fraction from 0 up to 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    let random = (entropy.u64() >> 11) as f64 / 9_007_199_254_740_992.0;
    let factor: u32 = if is_throttle(failure) { 3 } else { 2 };
    let base = FIRST_WAIT * factor.saturating_pow(done);
    let own = base.mul_f64(0.5 + random * 0.5).max(LEAST_WAIT);
    let asked = match failure {
        Failure::Model(error) => error.retry_after,
        _ => None,
    };
    let Some(asked) = asked else { return own };
    let asked = asked.max(LEAST_WAIT).mul_f64(1.0 + random * 0.05);
    if done < RETRIES {
        asked
    } else {
        asked.max(own)
    }
}

/// Tells whether the vendor is too busy for the moment.
fn is_busy(failure: &Failure) -> bool {
    matches!(failure, Failure::Model(error)
        if matches!(error.kind, Kind::Throttled | Kind::Overloaded))
}

/// Tells whether a failure is the vendor's asking to slow down.
pub(crate) fn is_throttle(failure: &Failure) -> bool {
    matches!(failure, Failure::Model(error) if error.kind == Kind::Throttled)
}

#[cfg(test)]
mod tests {
    use magi_log::SeededEntropy;
    use magi_model::Error;

    use super::*;

    fn failed(kind: Kind) -> Failure {
        Failure::Model(Error::new(kind, "x"))
    }

    #[test]
    fn before_the_first_token_there_are_two_retries() {
        let entropy = SeededEntropy::new(1);
        let mut plan = Plan::new(false);
        let first = plan.next(&failed(Kind::Network), false, &entropy).unwrap();
        let second = plan.next(&failed(Kind::Timeout), false, &entropy).unwrap();
        assert!(first >= LEAST_WAIT && first <= FIRST_WAIT);
        assert!(second >= FIRST_WAIT && second <= FIRST_WAIT * 2);
        assert_eq!(plan.next(&failed(Kind::Network), false, &entropy), None);
    }

    /// The waits that a failure which repeats for ever is given.
    fn waits(failure: &Failure, has_other_model: bool, seed: u64) -> Vec<f64> {
        let entropy = SeededEntropy::new(seed);
        let mut plan = Plan::new(has_other_model);
        std::iter::from_fn(|| plan.next(failure, false, &entropy))
            .map(|wait| wait.as_secs_f64())
            .take(50)
            .collect()
    }

    #[test]
    fn a_busy_vendor_is_waited_for_but_not_pressed() {
        let mut asks_for_nothing = Error::new(Kind::Throttled, "x");
        asks_for_nothing.retry_after = Some(Duration::ZERO);
        for seed in 0..200 {
            for (failure, least) in [
                (failed(Kind::Throttled), 30.0),
                (failed(Kind::Overloaded), 7.5),
                (Failure::Model(asks_for_nothing.clone()), 25.0),
            ] {
                let waits = waits(&failure, false, seed);
                assert_eq!(waits.len(), 5, "six attempts in all");
                let total: f64 = waits.iter().sum();
                assert!((least..=61.0).contains(&total), "{waits:?}");
                let first_four: f64 = waits.iter().take(4).sum();
                assert!(first_four > 3.0, "a fifth within 3 s: {waits:?}");
            }
        }
        assert_eq!(waits(&failed(Kind::Throttled), true, 1).len(), 2);
    }

    #[test]
    fn after_it_there_is_one_restart() {
        let entropy = SeededEntropy::new(1);
        let mut plan = Plan::new(false);
        assert!(
            plan.next(&failed(Kind::Truncated), true, &entropy)
                .is_some()
        );
        assert_eq!(plan.next(&failed(Kind::Truncated), true, &entropy), None);
        assert!(plan.next(&failed(Kind::Network), false, &entropy).is_some());
    }

    #[test]
    fn a_silent_vendor_is_asked_once_where_there_is_another_model() {
        let entropy = SeededEntropy::new(1);
        let late = |kind| Failure::Late {
            kind,
            limit: Duration::from_secs(10),
            elapsed: Duration::from_secs(10),
        };
        for (kind, alone) in [(TimeoutKind::Connect, 2), (TimeoutKind::FirstToken, 1)] {
            assert_eq!(waits(&late(kind), false, 1).len(), alone);
            assert_eq!(waits(&late(kind), true, 1).len(), 0);
        }
        let mut plan = Plan::new(true);
        assert!(
            plan.next(&late(TimeoutKind::Idle), true, &entropy)
                .is_some()
        );
    }

    #[test]
    fn what_cannot_help_is_not_tried() {
        let entropy = SeededEntropy::new(1);
        for kind in [
            Kind::Unauthorised,
            Kind::NotFound,
            Kind::BadRequest,
            Kind::Filtered,
        ] {
            assert_eq!(Plan::new(false).next(&failed(kind), false, &entropy), None);
        }
        let total = Failure::Late {
            kind: TimeoutKind::Total,
            limit: Duration::from_secs(90),
            elapsed: Duration::from_secs(90),
        };
        assert_eq!(Plan::new(false).next(&total, false, &entropy), None);
    }

    #[test]
    fn a_vendors_wish_is_kept_within_a_twentieth() {
        let entropy = SeededEntropy::new(4);
        let mut error = Error::new(Kind::Throttled, "slow down");
        error.retry_after = Some(Duration::from_secs(2));
        for _ in 0..100 {
            let failure = Failure::Model(error.clone());
            let wait = Plan::new(false).next(&failure, false, &entropy).unwrap();
            assert!((2.0..=2.1).contains(&wait.as_secs_f64()), "{wait:?}");
        }
    }
}
