//! `kill -9` at random moments, and two servers that both want what the dead one left: what was shown is
//! kept, every deliberation ends, nobody is asked more often than it must be, and one owner goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use magi_client::{Client, Door, Question};
use magi_emulator::{Config, Emulator, Entry as Call, Running};
use magi_event::check::{Checker, Mode};
use magi_event::{Agent, Body, Cursor, DeliberationId, Event};
use serde_json::json;
use tokio::process::Command;

use super::support::{Seen, Served, client, magi, number, quiet_port};

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
    voided: usize,
    votes_before_the_kill: usize,
    votes_shown: usize,
    verdicts_shown: usize,
    calls: usize,
    repeated_calls: usize,
    ends: BTreeMap<String, usize>,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_shown_survives_kill_9_and_everything_ends() {
    let kills = number("MAGI_KILLS", 15);
    let seed = number("MAGI_SEED", 20_261_123);
    told!("kill -9: {kills} kills, seed {seed}");
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
            .env("MAGI_MODEL", "openai:fake");
        command
    };
    let mut figures = Figures::default();
    let mut served = Served::start(&mut command(), quiet_port()).await;
    let client = client(&served.address, Door::Api);
    for kill in 0..kills {
        let mut readers = Vec::new();
        for (n, question) in QUESTIONS.iter().enumerate() {
            let model = format!("fake-k{kill}-{n}+by-role+len-60+tps-120");
            let id = put(&client, question, &model).await;
            let client = &client;
            readers.push(async move {
                let mut seen = Seen::default();
                seen.read_through(client, id).await;
                (id, model, seen)
            });
        }
        let moment = Duration::from_millis(rng.u64(0..1_600));
        let restart = async {
            tokio::time::sleep(moment).await;
            let port = served.kill().await;
            two_at_once(&command, port).await
        };
        let (seen, (next, rival)) = tokio::join!(futures_util::future::join_all(readers), restart);
        for (id, model, seen) in &seen {
            let mut stored = Seen::default();
            stored.read_through(&client, *id).await;
            let rewinds = figures.add(seen, &stored);
            figures.count_calls(&vendors, model, rewinds).await;
        }
        rival.kill().await;
        served = next;
    }
    served.kill().await;
    // Two owners, a lost vote or a third call would have ended the test before this line.
    told!("  {figures:?}");
    assert_eq!(
        figures.ends.get("complete completed"),
        Some(&figures.deliberations),
        "not all ended as they should"
    );
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

/// Starts two servers on one folder at the same moment: on the old port, where the readers come back
/// to, and on another.
async fn two_at_once(command: impl Fn() -> Command, port: u16) -> (Served, Served) {
    let (mut one, mut other) = (command(), command());
    tokio::join!(Served::start(&mut one, port), Served::start(&mut other, 0))
}

/// Puts a question to a council of one model, whose name is its own in the vendor's ledger.
async fn put(client: &Client, question: &str, model: &str) -> DeliberationId {
    let role = json!({ "model": format!("openai:{model}"), "fallbacks": [] });
    let roles = json!({ "caspar": role, "balthasar": role, "melchior": role, "solomon": role });
    let question = Question {
        council: Some(json!({ "roles": roles })),
        ..Question::new(question)
    };
    client.create(&question).await.unwrap()
}

impl Figures {
    /// Holds what one reader saw against what the store has, and counts; returns the rewinds.
    fn add(&mut self, seen: &Seen, stored: &Seen) -> usize {
        check(Mode::Reader, seen);
        check(Mode::Log, stored);
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
        let is = |what: fn(&Body) -> bool| {
            let found = stored.entries.iter().filter(|(_, event)| what(&event.body));
            found.count()
        };
        assert_eq!(is(|body| matches!(body, Body::Start(_))), 1);
        // Each generation is one owner's: of the two that wanted it, one went on.
        let rewinds = is(|body| matches!(body, Body::Rewind(_)));
        assert!(rewinds <= 1, "one crash, {rewinds} rewinds");
        self.interrupted += rewinds;
        self.deliberations += 1;
        let end = match &stored.entries.last().unwrap().1.body {
            Body::Complete(complete) => format!("complete {}", complete.status),
            Body::Error(failure) => format!("error {}", failure.code),
            other => panic!("ended with {other:?}"),
        };
        *self.ends.entry(end).or_default() += 1;
        rewinds
    }

    /// Holds what the vendor was asked: each member once, and once more where a crash came between,
    /// and never twice at a time.
    async fn count_calls(&mut self, vendors: &Running, model: &str, crashes: usize) {
        let over = |calls: &[Call]| calls.iter().all(|call| call.ended_ms.is_some());
        let limit = Duration::from_secs(20);
        let (calls, ended) = vendors.ledger().until_of(model, limit, over).await;
        assert!(ended, "a call is open after the end: {calls:?}");
        self.calls += calls.len();
        for agent in Agent::ALL {
            let mut of: Vec<&Call> = calls.iter().filter(|it| it.role == Some(agent)).collect();
            of.sort_by_key(|call| call.arrived_ms);
            assert!(!of.is_empty(), "{model}: {agent:?} was never asked");
            assert!(
                of.len() <= 1 + crashes,
                "{model}: {agent:?} was asked {} times in {crashes} crashes: {of:?}",
                of.len()
            );
            self.repeated_calls += of.len() - 1;
            for pair in of.windows(2) {
                assert!(
                    pair[0].ended_ms <= Some(pair[1].arrived_ms),
                    "{model}: {agent:?} was asked by two owners at a time: {pair:?}"
                );
            }
        }
    }
}

fn check(mode: Mode, seen: &Seen) {
    let mut checker = Checker::new(mode);
    for (cursor, event) in &seen.entries {
        checker.entry(*cursor, event).unwrap();
    }
    checker.finish(true).unwrap();
}
