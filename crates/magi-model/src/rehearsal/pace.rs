//! How fast a model speaks, without a clock and without chance: the same words, the same rhythm.

use std::time::Duration;

use magi_event::Agent;

use crate::Chunk;

/// How fast the rehearsal speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    is_instant: bool,
}

impl Pace {
    /// As a model: the first token after 0.4 to 1.2 s, then 30 to 60 tokens a second with jitter,
    /// all drawn from the question and the speaker.
    #[must_use]
    pub const fn model() -> Self {
        Pace { is_instant: false }
    }

    /// Without any wait, for tests.
    #[must_use]
    pub const fn instant() -> Self {
        Pace { is_instant: true }
    }

    /// Begins one answer.
    pub(super) fn start(self, question: &str, agent: Agent) -> Beat {
        let mut dice = Dice(seed(question, agent));
        let first = Duration::from_millis(400 + dice.below(800));
        let per_token = Duration::from_micros(1_000_000 / (30 + dice.below(31)));
        Beat {
            dice,
            first: Some(first),
            per_token,
            is_instant: self.is_instant,
        }
    }
}

/// The rhythm of one answer.
pub(super) struct Beat {
    dice: Dice,
    first: Option<Duration>,
    per_token: Duration,
    is_instant: bool,
}

impl Beat {
    /// Returns how long the answer waits before this chunk.
    pub(super) fn before(&mut self, chunk: &Chunk) -> Option<Duration> {
        if self.is_instant {
            return None;
        }
        match chunk {
            Chunk::Accepted => Some(Duration::from_millis(40 + self.dice.below(80))),
            Chunk::Reasoning(_) | Chunk::Text(_) | Chunk::ToolArguments(_) => {
                let jittered = || self.per_token.mul_f64(0.5);
                let wait = self.first.take().unwrap_or_else(|| {
                    jittered() + self.per_token.mul_f64(fraction(self.dice.below(1000)))
                });
                Some(wait)
            }
            Chunk::Usage(_) | Chunk::End(_) => None,
        }
    }
}

fn fraction(of_thousand: u64) -> f64 {
    u32::try_from(of_thousand).map_or(0.0, f64::from) / 1000.0
}

/// Cuts text into pieces of about a token: a word of up to eight letters with the space before it,
/// or two characters of Japanese.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut piece = String::new();
    let mut n_wide = 0;
    for c in text.chars() {
        let is_word = c.is_ascii_alphanumeric() || c == '\'';
        let is_full = n_wide == 2 || piece.len() >= 9;
        let joins = match piece.chars().next_back() {
            None => true,
            Some(_) if is_full => false,
            Some(last) if is_word => last.is_ascii_alphanumeric() || last == '\'' || last == ' ',
            Some(last) => !c.is_ascii() && !last.is_ascii(),
        };
        if !joins {
            pieces.push(std::mem::take(&mut piece));
            n_wide = 0;
        }
        n_wide += usize::from(!c.is_ascii());
        piece.push(c);
    }
    if !piece.is_empty() {
        pieces.push(piece);
    }
    pieces.into_iter()
}

/// Source: FNV-1a, 64 bit.
fn seed(question: &str, agent: Agent) -> u64 {
    let speaker = match agent {
        Agent::Sage(sage) => sage.name(),
        Agent::Judge => "solomon",
    };
    let bytes = question.bytes().chain([0]).chain(speaker.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Numbers that look random and are not. Source: Vigna's SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

#[cfg(test)]
mod tests {
    use magi_event::Sage;

    use super::*;

    #[test]
    fn pieces_are_about_a_token_and_lose_nothing() {
        for text in [
            "",
            "A plan, reversible; it's bounded.\n\nNext: 42%",
            "可逆である。AIの役割は、",
            "{\"tag\":\"k3v9\"}",
        ] {
            let cut: Vec<String> = pieces(text).collect();
            assert_eq!(cut.concat(), text);
            assert!(
                cut.iter().all(|piece| piece.chars().count() <= 9),
                "{cut:?}"
            );
        }
        assert_eq!(
            pieces("可逆である。").collect::<Vec<_>>(),
            ["可逆", "であ", "る。"]
        );
        assert_eq!(
            pieces("to be, or").collect::<Vec<_>>(),
            ["to", " be", ",", " or"]
        );
    }

    #[test]
    fn speakers_have_their_own_rhythm_and_keep_it() {
        let waits = |agent| {
            let mut beat = Pace::model().start("導入すべきか", agent);
            let token = Chunk::Text("x".to_owned());
            (0..200)
                .map(|_| beat.before(&token).unwrap())
                .collect::<Vec<_>>()
        };
        let caspar = waits(Agent::Sage(Sage::Caspar));
        assert_eq!(caspar, waits(Agent::Sage(Sage::Caspar)));
        let mut firsts = vec![];
        for agent in Agent::ALL {
            let waits = waits(agent);
            assert!(
                (400..1200).contains(&waits[0].as_millis()),
                "{:?}",
                waits[0]
            );
            let rest: Duration = waits[1..].iter().sum();
            let per_second = 199.0 / rest.as_secs_f64();
            assert!((28.0..64.0).contains(&per_second), "{per_second}");
            firsts.push(waits[0]);
        }
        firsts.sort_unstable();
        firsts.dedup();
        assert_eq!(firsts.len(), 4);
    }

    #[test]
    fn an_instant_pace_never_waits() {
        let mut beat = Pace::instant().start("q", Agent::Judge);
        assert_eq!(beat.before(&Chunk::Accepted), None);
        assert_eq!(beat.before(&Chunk::Text("x".to_owned())), None);
    }
}
