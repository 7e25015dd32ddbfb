//! `kill -9` at random moments: what was shown is kept, and every deliberation ends.

use std::collections::BTreeMap;
use std::time::Duration;

use magi_emulator::{Config, Emulator};
use magi_event::check::{Checker, Mode};
use magi_event::{Body, Cursor, Event};

use super::support::{Seen, Served, ask, http, magi, number};

/// Questions put before each kill.
const QUESTIONS: [&str; 2] = [
    "Should we ship on Friday?",
    "本番の移行を金曜日に行うべきか？",
];

/// What all kills together showed.
#[derive(Debug, Default)]
struct Figures {
    deliberations: usize,
    interrupted: usize,
    rewinds: usize,
    voided: usize,
    votes_before_the_kill: usize,
    votes_shown: usize,
    verdicts_shown: usize,
    ends: BTreeMap<String, usize>,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_shown_survives_kill_9_and_everything_ends() {
    let kills = number("MAGI_KILLS", 15);
    let seed = number("MAGI_SEED", 20_261_123);
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut config = Config::default();
    config.seed = seed;
    let vendors = Emulator::start(config).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let command = || {
        let mut command = magi(folder.path());
        command
            .env("OPENAI_BASE_URL", vendors.openai_url())
            .env("OPENAI_API_KEY", "test")
            .env("MAGI_MODEL", "openai:fake+random+len-60+tps-120");
        command
    };
    let mut figures = Figures::default();
    let mut port = 0;
    for _ in 0..kills {
        let served = Served::start(&mut command(), port).await;
        let client = http();
        let mut readers = Vec::new();
        for question in QUESTIONS {
            let id = ask(&client, &served.address, question).await;
            let address = served.address.clone();
            readers.push(async move {
                let mut seen = Seen::default();
                seen.read_to_the_end(&address, id).await;
                seen
            });
        }
        let moment = Duration::from_millis(rng.u64(0..1_600));
        let restart = async {
            tokio::time::sleep(moment).await;
            let port = served.kill().await;
            Served::start(&mut command(), port).await
        };
        let (seen, served) = tokio::join!(futures_util::future::join_all(readers), restart);
        for seen in &seen {
            let mut stored = Seen::default();
            stored
                .read_to_the_end(&served.address, seen.entries[0].0.deliberation)
                .await;
            figures.add(seen, &stored);
        }
        port = served.kill().await;
    }
    println!("kill -9: {kills} kills, seed {seed}: {figures:?}");
    assert_eq!(figures.deliberations, figures.ends.values().sum::<usize>());
    assert!(
        figures.votes_before_the_kill > 0,
        "no vote was at stake: the moments are wrong"
    );
    assert!(
        figures.interrupted > 0,
        "no kill interrupted anything: the moments are wrong"
    );
    vendors.stop().await;
}

impl Figures {
    /// Holds what one reader saw against what the store has, and counts.
    fn add(&mut self, seen: &Seen, stored: &Seen) {
        let mut reader = Checker::new(Mode::Reader);
        for (cursor, event) in &seen.entries {
            reader.entry(*cursor, event).unwrap();
        }
        reader.finish(true).unwrap();
        let mut log = Checker::new(Mode::Log);
        for (cursor, event) in &stored.entries {
            log.entry(*cursor, event).unwrap();
        }
        log.finish(true).unwrap();

        let kept: BTreeMap<Cursor, &Event> = stored
            .entries
            .iter()
            .map(|(cursor, event)| (*cursor, event))
            .collect();
        for (cursor, event) in &seen.entries {
            match kept.get(cursor) {
                Some(same) => assert_eq!(*same, event, "{cursor} is stored otherwise than shown"),
                None => {
                    assert!(
                        !event.body.is_milestone(),
                        "{cursor} was shown and is lost: {event:?}"
                    );
                    self.voided += 1;
                }
            }
            match &event.body {
                Body::AgentComplete(..) => {
                    self.votes_shown += 1;
                    self.votes_before_the_kill += usize::from(cursor.generation == 1);
                }
                Body::Complete(_) => self.verdicts_shown += 1,
                _ => {}
            }
        }
        let rewinds = stored
            .entries
            .iter()
            .filter(|(_, e)| matches!(e.body, Body::Rewind(_)))
            .count();
        assert!(rewinds <= 1, "one crash, {rewinds} rewinds");
        self.rewinds += rewinds;
        self.interrupted += rewinds;
        self.deliberations += 1;
        let end = match &stored.entries.last().unwrap().1.body {
            Body::Complete(complete) => format!("complete {}", complete.status),
            Body::Error(failure) => format!("error {}", failure.code),
            other => panic!("ended with {other:?}"),
        };
        *self.ends.entry(end).or_default() += 1;
    }
}
