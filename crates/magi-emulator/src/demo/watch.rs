//! What the relays of each way hold, looked at while they work.

use std::time::Duration;

use tokio::time::Instant;

use super::read::Asking;
use super::{Relay, Way};
use crate::cloud::{Held, RunningCloud};

/// How often the relays are looked at.
const EVERY: Duration = Duration::from_millis(5);

/// The relays of every way.
pub(super) struct Watched<'a> {
    cloud: &'a RunningCloud,
    began: Instant,
    /// The sessions that are no gateway's.
    known: Vec<(Way, String)>,
    ways: Vec<Relays>,
}

/// The relays of one way.
struct Relays {
    way: Way,
    /// The session's at AgentCore, once there is one.
    agentcore: Option<Held>,
    front: Option<(&'static str, Held)>,
    /// What went into the function and its sockets and had not come out, and when.
    between: Vec<(f64, i64)>,
    held: Vec<(f64, u64)>,
}

impl<'a> Watched<'a> {
    pub(super) fn new(cloud: &'a RunningCloud, asking: &[Asking], began: Instant) -> Self {
        let known = asking.iter().filter(|asking| asking.way != Way::Gateway);
        let ways = asking.iter().map(|asking| Relays {
            way: asking.way,
            agentcore: None,
            front: front(cloud, asking.way),
            between: Vec::new(),
            held: Vec::new(),
        });
        Watched {
            cloud,
            began,
            known: known
                .map(|asking| (asking.way, asking.session.clone()))
                .collect(),
            ways: ways.collect(),
        }
    }

    /// Looks again and again.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: what was seen is kept.
    pub(super) async fn look(&mut self) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.last();
        }
    }

    /// Looks once more.
    pub(super) fn last(&mut self) {
        let at_ms = self.began.elapsed().as_secs_f64() * 1_000.0;
        let has_all = |way: &Relays| way.agentcore.is_some() || !through_agentcore(way.way);
        if !self.ways.iter().all(has_all) {
            self.find();
        }
        for way in &mut self.ways {
            way.look(at_ms);
        }
    }

    /// Finds the sessions; the gateway chooses its own session's id, so its is the one nobody else chose.
    fn find(&mut self) {
        for (session, held) in self.cloud.agentcore().held_by_session() {
            let known = self.known.iter().find(|(_, known)| *known == session);
            let way = known.map_or(Way::Gateway, |(way, _)| *way);
            if let Some(relays) = self.ways.iter_mut().find(|relays| relays.way == way) {
                relays.agentcore.get_or_insert(held);
            }
        }
    }

    /// Returns the relays of a way with the most each held, and what they held together over time.
    pub(super) fn of(&self, way: Way) -> (Vec<Relay>, Vec<(f64, u64)>) {
        let Some(relays) = self.ways.iter().find(|relays| relays.way == way) else {
            return (Vec::new(), Vec::new());
        };
        let counted = |name, held: &Held| Relay {
            name,
            most: held.most(),
            is_bound: false,
        };
        let mut told = Vec::new();
        told.extend(
            relays
                .agentcore
                .iter()
                .map(|held| counted("AgentCore", held)),
        );
        told.extend(relays.function());
        told.extend(relays.front.iter().map(|(name, held)| counted(name, held)));
        (told, relays.held.clone())
    }
}

fn through_agentcore(way: Way) -> bool {
    matches!(way, Way::Villain | Way::Gateway | Way::Agentcore)
}

/// The relay that the reader is connected to, where that is not AgentCore.
fn front(cloud: &RunningCloud, way: Way) -> Option<(&'static str, Held)> {
    match way {
        Way::Villain => {
            let held = cloud.pages().iter().find_map(|(_, page)| page.held());
            Some(("hosting", held?.clone()))
        }
        Way::Gateway => Some(("Function URL", cloud.gateway().held().clone())),
        Way::Direct => Some(("Function URL", cloud.direct().held().clone())),
        Way::Buffered => Some(("Function URL", cloud.buffered().held().clone())),
        Way::Agentcore => None,
    }
}

/// What a relay has taken so far.
fn taken(held: &Held) -> i64 {
    i64::try_from(held.passed() + held.now()).unwrap_or(i64::MAX)
}

impl Relays {
    fn look(&mut self, at_ms: f64) {
        let counted = self.agentcore.iter();
        let counted = counted.chain(self.front.as_ref().map(|(_, held)| held));
        let held = counted.map(Held::now).sum();
        if self.held.last().is_none_or(|(_, last)| *last != held) {
            self.held.push((at_ms, held));
        }
        if self.way == Way::Gateway
            && let (Some(agentcore), Some((_, url))) = (&self.agentcore, &self.front)
        {
            // What came out first: what moves meanwhile seems held rather than not.
            let out = taken(url);
            let into = i64::try_from(agentcore.passed()).unwrap_or(i64::MAX);
            self.between.push((at_ms, into - out));
        }
    }

    /// The gateway's function, as far as it can be seen from outside.
    fn function(&self) -> Option<Relay> {
        // It adds a head to what it passes on, and at the end of a whole answer that is all that differs.
        let (_, head) = self.between.last()?;
        let most = self.between.iter().map(|(_, held)| held - head).max()?;
        Some(Relay {
            name: "function",
            most: u64::try_from(most).unwrap_or_default(),
            is_bound: true,
        })
    }
}
