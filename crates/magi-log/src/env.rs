//! What a room takes from the world by injection: wall time and randomness.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use magi_event::Timestamp;

/// Tells wall time. Durations are measured with `tokio::time`, never with this.
pub trait Clock: Send + Sync + 'static {
    /// Returns the present instant.
    fn now(&self) -> Timestamp;
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place where the machine's clock enters"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
    }
}

/// A clock that starts at a fixed instant and goes on with `tokio::time`: paused tests move it.
#[derive(Clone, Copy, Debug)]
pub struct TokioClock {
    epoch: Timestamp,
    started: tokio::time::Instant,
}

impl TokioClock {
    /// Makes a clock that says `epoch` now. Needs a Tokio runtime.
    #[must_use]
    pub fn new(epoch: Timestamp) -> Self {
        TokioClock {
            epoch,
            started: tokio::time::Instant::now(),
        }
    }
}

impl Default for TokioClock {
    /// Makes a clock that says 2026-11-23T01:02:03.000Z now.
    fn default() -> Self {
        TokioClock::new(Timestamp::from_millis(1_795_395_723_000))
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let elapsed = self.started.elapsed().as_millis();
        self.epoch
            .plus_millis(i64::try_from(elapsed).unwrap_or(i64::MAX))
    }
}

/// The letters of [`Entropy::tag`]: none is mistaken for another in any font.
const TAG_LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Gives random bytes.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes` with randomness.
    fn fill(&self, bytes: &mut [u8]);

    /// Returns 64 random bits.
    fn u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// Returns 128 random bits.
    fn u128(&self) -> u128 {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        u128::from_le_bytes(bytes)
    }

    /// Returns `length` random lower-case letters and digits, 5 bits each.
    fn tag(&self, length: usize) -> String {
        let mut bytes = vec![0; length];
        self.fill(&mut bytes);
        bytes
            .iter()
            .map(|byte| char::from(TAG_LETTERS[usize::from(byte % 32)]))
            .collect()
    }
}

/// The operating system's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        if getrandom::fill(bytes).is_err() {
            // The system has no randomness to give (a sandbox without the call): the hasher's keys
            // are the best that is left, and ids stay distinct.
            SeededEntropy::new(RandomState::new().hash_one(bytes.len())).fill(bytes);
        }
    }
}

/// Randomness that repeats: the same seed gives the same bytes. For tests.
///
/// Source: SplitMix64, Steele, Lea and Flood, "Fast splittable pseudorandom number generators".
#[derive(Debug)]
pub struct SeededEntropy(AtomicU64);

impl SeededEntropy {
    /// Makes a source from a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        SeededEntropy(AtomicU64::new(seed))
    }

    fn step(&self) -> u64 {
        const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;
        let state = self.0.fetch_add(GAMMA, Ordering::Relaxed);
        let mut z = state.wrapping_add(GAMMA);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(8) {
            let random = self.step().to_le_bytes();
            part.copy_from_slice(&random[..part.len()]);
        }
    }
}

/// The injected world, handed from room to room.
#[derive(Clone)]
pub struct Env {
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

impl Env {
    /// Makes the world as it is: the machine's clock and randomness.
    #[must_use]
    pub fn system() -> Self {
        Env {
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
        }
    }

    /// Makes a world that repeats: a [`TokioClock`] and randomness from `seed`. For tests; needs a
    /// Tokio runtime.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Env {
            clock: Arc::new(TokioClock::default()),
            entropy: Arc::new(SeededEntropy::new(seed)),
        }
    }
}

impl std::fmt::Debug for Env {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Env").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_another_does_not() {
        let (one, same, other) = (
            SeededEntropy::new(7),
            SeededEntropy::new(7),
            SeededEntropy::new(8),
        );
        assert_eq!(one.tag(12), same.tag(12));
        assert_ne!(one.u128(), other.u128());
        // The published first output of SplitMix64 for seed 0.
        assert_eq!(SeededEntropy::new(0).u64(), 0xE220_A839_7B1D_CDAF);
    }

    #[test]
    fn the_systems_randomness_is_not_constant() {
        assert_ne!(SystemEntropy.u128(), SystemEntropy.u128());
        assert_eq!(SystemEntropy.tag(9).len(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn the_test_clock_moves_with_the_runtimes() {
        let clock = TokioClock::default();
        let before = clock.now();
        tokio::time::advance(std::time::Duration::from_millis(1_500)).await;
        assert_eq!(clock.now().millis_since(before), 1_500);
    }
}
