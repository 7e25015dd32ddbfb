//! What is done to one deliberation: every choice, drawn from the seed and the deliberation's number
//! alone, so that the same seed does the same again.

use std::time::Duration;

use magi_client::Door;
use magi_emulator::fault::{Fault, Plan as Network, Random, Slice};
use magi_event::{Agent, Sage};

/// One deliberation in so many loses its server.
const KILL_EVERY: u64 = 10;

/// The questions, in turn.
const QUESTIONS: [&str; 3] = [
    "Should we ship on Friday?",
    "本番の移行を金曜日に行うべきか？",
    "Should the cache be shared? 🙂 Its owners disagree.",
];

/// Everything that will be done to one deliberation.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) number: u64,
    pub(super) question: &'static str,
    /// The model of everybody: its label names the deliberation in the vendor's ledger.
    pub(super) model: String,
    /// Who asks, and reads on through a network that cuts.
    pub(super) asker: Door,
    pub(super) cuts: Random,
    /// Who reads along, leaves after so many events, and comes back through the other door.
    pub(super) rotating: Door,
    pub(super) legs: Vec<usize>,
    /// Who reads through a narrow network.
    pub(super) slow: Door,
    pub(super) slice: Slice,
    pub(super) wishes: Vec<Wish>,
    /// The server is killed once somebody has seen so many events.
    pub(super) kill: Option<u64>,
}

/// A verb that is said at some point.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) verb: Verb,
    /// Whom it is for; nobody named is all.
    pub(super) agent: Option<Agent>,
    pub(super) door: Door,
    pub(super) at: At,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verb {
    Stop,
    Retry,
    Note,
    /// And goes on as soon as the pause is answered.
    Pause,
}

/// When a verb is said: once somebody has seen so much.
#[derive(Clone, Copy, Debug)]
pub(super) enum At {
    /// The event with this number.
    Event(u64),
    /// So many events after the judge began.
    Judge(u64),
}

impl Plan {
    pub(super) fn new(seed: u64, number: u64) -> Plan {
        let mixed = seed ^ (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut rng = fastrand::Rng::with_seed(mixed);
        let socket_asks = number % 2 == 1;
        let wishes: Vec<Wish> = (0..rng.usize(0..3)).map(|_| Wish::new(&mut rng)).collect();
        let stops = wishes.iter().any(|wish| wish.verb == Verb::Stop);
        Plan {
            number,
            question: QUESTIONS[rng.usize(..QUESTIONS.len())],
            model: model(&mut rng, number, stops),
            asker: door(socket_asks),
            cuts: Random {
                seed: rng.u64(..),
                least: 1,
                most: rng.u64(4_000..40_000),
                faults: rng.u64(1..7),
            },
            rotating: door(!socket_asks),
            legs: (0..6).map(|_| rng.usize(1..120)).collect(),
            slow: door(rng.bool()),
            slice: Slice {
                bytes: rng.usize(30..150),
                gap: Duration::from_millis(rng.u64(4..12)),
            },
            wishes,
            kill: (number % KILL_EVERY == seed % KILL_EVERY).then(|| rng.u64(4..90)),
        }
    }

    /// The network of who asks.
    pub(super) fn cutting(&self) -> Network {
        Network::Random(self.cuts)
    }

    /// The network of who is slow.
    pub(super) fn narrow(&self) -> Network {
        Network::All(Fault {
            end: None,
            slice: Some(self.slice),
        })
    }
}

impl Wish {
    fn new(rng: &mut fastrand::Rng) -> Wish {
        let verb = match rng.u8(0..10) {
            0..=4 => Verb::Stop,
            5 | 6 => Verb::Retry,
            7 | 8 => Verb::Note,
            _ => Verb::Pause,
        };
        let agent = match rng.u8(0..6) {
            0..=2 => Some(Agent::Sage(Sage::ALL[rng.usize(..3)])),
            3 => Some(Agent::Judge),
            _ => None,
        };
        let agent = agent.filter(|_| verb != Verb::Pause);
        let at = if agent == Some(Agent::Judge) && rng.bool() || rng.u8(0..5) == 0 {
            At::Judge(rng.u64(0..30))
        } else {
            At::Event(rng.u64(2..160))
        };
        let door = door(rng.bool());
        Wish {
            verb,
            agent,
            door,
            at,
        }
    }
}

fn door(socket: bool) -> Door {
    if socket { Door::Socket } else { Door::Api }
}

/// Answers of every form, some with reasoning, some broken off once. They are short, but long and slow where a stop
/// is to come: a call that ends by itself meanwhile says nothing about the stop.
fn model(rng: &mut fastrand::Rng, number: u64, stops: bool) -> String {
    let (words, tokens_per_second) = if stops {
        (rng.u64(60..150), rng.u64(15..40))
    } else {
        (rng.u64(15..60), rng.u64(50..250))
    };
    let mut name = format!("fake-d{number}+random+len-{words}+tps-{tokens_per_second}");
    if rng.u8(0..3) == 0 {
        name.push_str("+reasoning");
    }
    if rng.u8(0..10) == 0 {
        name.push_str(&format!("+cut-after-{}-once", rng.u64(1..30)));
    }
    name
}
