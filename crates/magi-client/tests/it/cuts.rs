//! Connections cut at random bytes: nothing lost, nothing doubled, nothing in another order.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use magi_client::{Client, Options, Question, Reading, State, Step};
use magi_event::check::{Checker, Mode};
use magi_event::sample::{self, Dice, Entry};
use magi_event::{Body, Cursor, DeliberationId, Snapshot, sse};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::fake::{Asked, Fake, Part, Reply};

/// What a server that may die at any rewind has to give after a cursor: the stored log, and before
/// each rewind as much of what was never stored as this connection happens to see.
pub(crate) fn rest(
    seen: &[Entry],
    stored: &[Entry],
    after: Option<Cursor>,
    dice: &mut Dice,
) -> Vec<Entry> {
    let Some(at) = after else {
        return with_void(seen, stored, dice);
    };
    let place = seen
        .iter()
        .position(|(cursor, _)| *cursor == at)
        .expect("a cursor we gave");
    let mut next = place + 1;
    if !stored.contains(&seen[place]) {
        // The cursor is past the end of its generation, which reads as that end.
        while !matches!(seen[next].1.body, Body::Rewind(_)) {
            next += 1;
        }
    }
    with_void(&seen[next..], stored, dice)
}

fn with_void(rest: &[Entry], stored: &[Entry], dice: &mut Dice) -> Vec<Entry> {
    let mut shows = true;
    let mut given = Vec::new();
    for entry in rest {
        if matches!(entry.1.body, Body::Rewind(_)) {
            shows = true;
        } else if !stored.contains(entry) {
            shows &= !dice.once_in(4);
            if !shows {
                continue;
            }
        }
        given.push(entry.clone());
    }
    given
}

/// Slices the frames at random bytes, with heartbeats between frames, and ends them badly.
fn faulty(log: &[Entry], dice: &mut Dice, cuts: bool) -> Reply {
    let mut bytes = b"retry: 1\n\n".to_vec();
    for (cursor, event) in log {
        if dice.once_in(6) {
            bytes.extend_from_slice(sse::HEARTBEAT);
        }
        bytes.extend_from_slice(&sse::frame(*cursor, &event.to_json()));
    }
    let cut = if cuts && !dice.once_in(12) {
        dice.roll(bytes.len().min(4000))
    } else {
        bytes.len()
    };
    let mut bytes = Bytes::from(bytes).slice(..cut);
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        parts.push(Part::Bytes(
            bytes.split_to(bytes.len().min(1 + dice.roll(700))),
        ));
    }
    let ends = [Some(Part::Break), Some(Part::Stall), None];
    let end = ends[dice.roll(3)].clone();
    let mut reply = Reply::stream(parts);
    reply.parts.extend(end.filter(|_| cuts));
    reply
}

fn log_server(seed: u64, seen: Vec<Entry>, stored: Vec<Entry>, cuts: bool) -> Fake {
    let mut dice = Dice::new(seed ^ 0xfa17);
    Fake::new(move |asked: &Asked| {
        let log = rest(&seen, &stored, asked.after(), &mut dice);
        if log.is_empty() {
            return Reply::empty(204);
        }
        if cuts && dice.once_in(9) {
            return Reply::empty([500, 502, 503, 504, 429][dice.roll(5)]);
        }
        faulty(&log, &mut dice, cuts)
    })
}

/// What a reading came to.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) entries: Vec<Entry>,
    pub(crate) connections: u32,
}

pub(crate) async fn read_all(mut reading: Reading) -> Tally {
    let mut tally = Tally::default();
    while let Some(step) = reading.next().await {
        match step.expect("a good end") {
            Step::Entry(entry) => tally.entries.push((entry.cursor, entry.event)),
            Step::State(State::Connecting { .. }) => tally.connections += 1,
            Step::State(_) => {}
            Step::Snapshot(_) => panic!("nobody answered 410"),
        }
    }
    tally
}

/// Holds that what was read is the stored log and void deltas, each once and in order.
pub(crate) fn hold(id: DeliberationId, read: &[Entry], stored: &[Entry]) {
    let mut checker = Checker::new(Mode::Reader);
    for (cursor, event) in read {
        checker.entry(*cursor, event).unwrap();
    }
    checker.finish(true).unwrap();
    let kept: Vec<&Entry> = read.iter().filter(|entry| stored.contains(entry)).collect();
    assert!(
        kept.iter().copied().eq(stored),
        "lost, doubled or in another order"
    );
    let fold = |log: &[Entry]| Snapshot::fold(id, log.iter().map(|(_, event)| event));
    assert_eq!(fold(read), fold(stored));
}

pub(crate) fn logs(seed: u64) -> (Vec<Entry>, Vec<Entry>) {
    let stored = sample::log(seed);
    (sample::as_seen(&stored, seed), stored)
}

#[tokio::test(start_paused = true)]
async fn random_cuts_stalls_and_refusals_lose_and_double_nothing() {
    let mut connections = 0;
    for seed in 0..150 {
        let (seen, stored) = logs(seed);
        let fake = log_server(seed, seen, stored.clone(), true);
        let client = fake.client_with(Options {
            max_attempts: 200,
            ..Options::default()
        });
        let id = sample::id(seed);
        let reading = if seed % 2 == 0 {
            client.events(id, None)
        } else {
            client.ask(&Question::new("採用すべきか?"))
        };
        let tally = read_all(reading).await;
        hold(id, &tally.entries, &stored);
        connections += tally.connections;
        assert_eq!(fake.ledger().len(), tally.connections as usize);
    }
    assert!(
        connections > 600,
        "only {connections} connections: nothing was cut"
    );
}

/// Dropping the future of a step at every possible point loses nothing.
#[tokio::test(start_paused = true)]
async fn a_step_may_be_dropped_at_any_time() {
    for seed in 0..20 {
        let (seen, stored) = logs(seed);
        let fake = log_server(seed, seen, stored.clone(), true);
        let mut reading = fake
            .client_with(Options {
                max_attempts: 200,
                ..Options::default()
            })
            .events(sample::id(seed), None);
        let mut entries = Vec::new();
        let mut dice = Dice::new(seed);
        loop {
            let patience = Duration::from_millis(dice.roll(40) as u64);
            match tokio::time::timeout(patience, reading.next()).await {
                Err(_) => {}
                Ok(None) => break,
                Ok(Some(step)) => {
                    if let Step::Entry(entry) = step.unwrap() {
                        entries.push((entry.cursor, entry.event));
                    }
                }
            }
        }
        hold(sample::id(seed), &entries, &stored);
    }
}

/// Forwards to a server and cuts each connection after so many bytes of the answer, head included.
async fn cutting_proxy(to: SocketAddr, seed: u64) -> (SocketAddr, DropGuard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let (stopped, tracker) = (stop.clone(), TaskTracker::new());
    let dice = Arc::new(Mutex::new(Dice::new(seed)));
    let inner = tracker.clone();
    tracker.spawn(async move {
        stopped
            .run_until_cancelled(async {
                while let Ok((down, _)) = listener.accept().await {
                    let left = 20 + dice.lock().unwrap().roll(6000);
                    inner.spawn(forward(down, to, left));
                }
            })
            .await
    });
    (address, stop.drop_guard())
}

async fn forward(mut down: TcpStream, to: SocketAddr, mut left: usize) {
    let mut up = TcpStream::connect(to).await.unwrap();
    let (mut asked, mut answered) = ([0; 4096], [0; 4096]);
    while left > 0 {
        let most = left.min(answered.len());
        tokio::select! {
            read = down.read(&mut asked) => match read {
                Ok(n) if n > 0 => up.write_all(&asked[..n]).await.unwrap(),
                _ => return,
            },
            read = up.read(&mut answered[..most]) => match read {
                Ok(n) if n > 0 && down.write_all(&answered[..n]).await.is_ok() => left -= n,
                _ => return,
            },
        }
    }
}

#[tokio::test]
async fn tcp_connections_cut_at_any_byte_lose_and_double_nothing() {
    let mut connections = 0;
    for seed in 0..12 {
        let (seen, stored) = logs(seed);
        let fake = log_server(seed, seen, stored.clone(), false);
        let (server, _serving) = fake.listen().await;
        let (proxy, _forwarding) = cutting_proxy(server, seed).await;
        let options = Options {
            max_attempts: 1000,
            retry: Duration::from_millis(1),
            max_delay: Duration::from_millis(4),
            ..Options::default()
        };
        let client = Client::with(&format!("http://{proxy}"), options).unwrap();
        let tally = read_all(client.ask(&Question::new("採用すべきか?"))).await;
        hold(sample::id(seed), &tally.entries, &stored);
        connections += tally.connections;
    }
    assert!(
        connections > 40,
        "only {connections} connections: nothing was cut"
    );
}
