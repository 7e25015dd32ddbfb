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
    /// The model refused, where a refusal is no answer.
    Refused(String),
}

impl Failure {
    /// Returns the word on the wire.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Failure::Model(error) => error.kind.code(),
            Failure::Late { .. } => "timeout",
            Failure::Empty => "empty",
            Failure::Unreadable(_) => "unparsable",
            Failure::Refused(_) => "refused",
        }
    }

    /// Returns the cause of the abstention that follows when nothing else does.
    pub(crate) const fn cause(&self) -> Cause {
        match self {
            Failure::Model(_) | Failure::Refused(_) => Cause::Failed,
            Failure::Late { .. } => Cause::Timeout,
            Failure::Empty | Failure::Unreadable(_) => Cause::Unparsable,
        }
    }
}

/// How many attempts before the first token may follow the first one.
const RETRIES: u32 = 2;

/// How many attempts may follow one that broke after its first token.
const RESTARTS: u32 = 1;

/// The wait before the second attempt, doubled for each further one.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// No attempt follows another sooner.
const LEAST_WAIT: Duration = Duration::from_millis(250);

/// What one member may still try on one model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    retries: u32,
    restarts: u32,
    /// A vendor that accepts and stays silent is asked twice, not three times.
    silences: u32,
}

impl Default for Plan {
    fn default() -> Self {
        Plan {
            retries: RETRIES,
            restarts: RESTARTS,
            silences: 1,
        }
    }
}

impl Plan {
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
                TimeoutKind::Connect | TimeoutKind::Idle => true,
                TimeoutKind::FirstToken => take_one(&mut self.silences),
                TimeoutKind::Total => false,
            },
            Failure::Empty => true,
            Failure::Unreadable(_) | Failure::Refused(_) => false,
        };
        if !may_help {
            return None;
        }
        let done = RETRIES - self.retries;
        let is_allowed = if spoke || matches!(failure, Failure::Empty) {
            take_one(&mut self.restarts)
        } else {
            take_one(&mut self.retries)
        };
        is_allowed.then(|| wait(failure, done, entropy))
    }
}

fn take_one(left: &mut u32) -> bool {
    let has_one = *left > 0;
    *left = left.saturating_sub(1);
    has_one
}

/// Returns the wait that the vendor asked for and a little more, or else a doubled one, half of it
/// at random, so that three sages on one vendor do not come back at the same instant.
fn wait(failure: &Failure, done: u32, entropy: &dyn Entropy) -> Duration {
    // 53 random bits make a fraction from 0 up to 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    let random = (entropy.u64() >> 11) as f64 / 9_007_199_254_740_992.0;
    let asked = match failure {
        Failure::Model(error) => error.retry_after,
        _ => None,
    };
    if let Some(asked) = asked {
        return asked.max(LEAST_WAIT).mul_f64(1.0 + random * 0.05);
    }
    let base = FIRST_WAIT * 2_u32.saturating_pow(done);
    base.mul_f64(0.5 + random * 0.5).max(LEAST_WAIT)
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
        let mut plan = Plan::default();
        let first = plan
            .next(&failed(Kind::Overloaded), false, &entropy)
            .unwrap();
        let second = plan
            .next(&failed(Kind::Throttled), false, &entropy)
            .unwrap();
        assert!(first >= LEAST_WAIT && first <= FIRST_WAIT);
        assert!(second >= FIRST_WAIT && second <= FIRST_WAIT * 2);
        assert_eq!(plan.next(&failed(Kind::Overloaded), false, &entropy), None);
    }

    #[test]
    fn after_it_there_is_one_restart() {
        let entropy = SeededEntropy::new(1);
        let mut plan = Plan::default();
        assert!(
            plan.next(&failed(Kind::Truncated), true, &entropy)
                .is_some()
        );
        assert_eq!(plan.next(&failed(Kind::Truncated), true, &entropy), None);
        assert!(plan.next(&failed(Kind::Network), false, &entropy).is_some());
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
            assert_eq!(Plan::default().next(&failed(kind), false, &entropy), None);
        }
        let total = Failure::Late {
            kind: TimeoutKind::Total,
            limit: Duration::from_secs(90),
            elapsed: Duration::from_secs(90),
        };
        assert_eq!(Plan::default().next(&total, false, &entropy), None);
    }

    #[test]
    fn a_vendors_wish_is_kept_within_a_twentieth() {
        let entropy = SeededEntropy::new(4);
        let mut error = Error::new(Kind::Throttled, "slow down");
        error.retry_after = Some(Duration::from_secs(2));
        for _ in 0..100 {
            let failure = Failure::Model(error.clone());
            let wait = Plan::default().next(&failure, false, &entropy).unwrap();
            assert!((2.0..=2.1).contains(&wait.as_secs_f64()), "{wait:?}");
        }
    }
}
