//! Writers that die, stores that fail and readers that come and go, in any order: what every reader
//! saw, and what is stored, keeps the invariants of the contract.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use magi_event::check::{Checker, Mode};
use magi_event::sample::Dice;
use magi_event::{
    AttemptError, Body, Complete, Cursor, Decision, DeliberationId, Event, Sage, Snapshot,
    TextDigest, Trace, sample,
};
use magi_log::{After, Error, Logs, Writer};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::faulty::Faulty;
use crate::world::*;

/// How many seeds each store is put through; `MAGI_LOG_SEEDS` says another number.
const MEMORY_SEEDS: u64 = 60;
const DISK_SEEDS: u64 = 15;

/// The readers of each deliberation.
const READERS: u64 = 5;

/// Deliberates by rolls, from where the stored events leave it.
#[derive(Default)]
struct Council {
    lanes: [Lane; 3],
}

#[derive(Default)]
struct Lane {
    attempt: u32,
    open: bool,
    text: TextDigest,
    done: bool,
}

impl Council {
    fn after(events: &[Event]) -> Self {
        let mut council = Council::default();
        for event in events {
            council.apply(&event.body);
        }
        council
    }

    fn apply(&mut self, body: &Body) {
        match body {
            Body::AgentStart(sage, start) => {
                self.lanes[sage.index()] = Lane {
                    attempt: start.attempt,
                    open: true,
                    ..Lane::default()
                };
            }
            Body::AgentChunk(sage, delta) => self.lanes[sage.index()].text.update(&delta.text),
            Body::AgentComplete(sage, _) => self.lanes[sage.index()].done = true,
            Body::AgentError(sage, _) => self.lanes[sage.index()].open = false,
            Body::Rewind(_) => self.lanes.iter_mut().for_each(|lane| lane.open = false),
            _ => {}
        }
    }

    /// Returns what happens next.
    fn step(&mut self, id: DeliberationId, dice: &mut Dice) -> Vec<Body> {
        let waiting: Vec<_> = Sage::ALL
            .into_iter()
            .filter(|sage| !self.lanes[sage.index()].done)
            .collect();
        let Some(sage) = dice.pick(&waiting) else {
            return vec![tally(), last(id)];
        };
        let lane = &self.lanes[sage.index()];
        let bodies = match dice.roll(24) {
            _ if !lane.open => vec![attempt(sage, lane.attempt + 1)],
            0 => {
                let vote = sample::vote(Decision::Approved, lane.attempt, &lane.text);
                vec![Body::AgentComplete(sage, vote)]
            }
            1 => vec![failure(sage, lane.attempt)],
            2 => vec![Body::AgentThinking(sage, sample::delta("うーん"))],
            3 => vec![span()],
            4 => vec![chunk(sage, &"長".repeat(3_000))],
            roll => vec![chunk(sage, "賛成"); roll - 4],
        };
        bodies.iter().for_each(|body| self.apply(body));
        bodies
    }
}

fn failure(sage: Sage, attempt: u32) -> Body {
    let error = AttemptError {
        code: "overloaded".into(),
        message: "try later".into(),
        attempt,
        retryable: true,
        retry_in: None,
    };
    Body::AgentError(sage, error)
}

fn span() -> Body {
    Body::Trace(
        None,
        Trace {
            span_id: "00000000000000ff".into(),
            parent_id: None,
            name: "model.call".into(),
            started_at: magi_event::Timestamp::from_millis(1_795_395_723_004),
            duration_ms: None,
            attributes: serde_json::Map::new(),
        },
    )
}

fn last(id: DeliberationId) -> Body {
    let Body::Complete(complete) = verdict(id) else {
        unreachable!("a verdict is complete");
    };
    Body::Complete(Complete {
        solomon_judgment: sample::no_judgment(),
        ..complete
    })
}

/// The processes that readers may reach; the last one writes.
type Processes = Arc<Mutex<Vec<Logs>>>;

/// One deliberation from its question to its verdict, whatever happens on the way.
struct Story {
    place: Place,
    processes: Processes,
    store: Arc<Faulty>,
    logs: Logs,
    dice: Dice,
}

impl Story {
    fn new(place: Place, seed: u64) -> Self {
        let store = Faulty::new(place.store());
        let logs = logs_on(store.clone());
        Story {
            place,
            processes: Arc::new(Mutex::new(vec![logs.clone()])),
            store,
            logs,
            dice: Dice::new(seed),
        }
    }

    /// Another process comes up; readers may still reach the one before unless it died.
    fn replace(&mut self, died: bool) {
        self.store = Faulty::new(self.place.store());
        self.logs = logs_on(self.store.clone());
        let mut processes = self.processes.lock().unwrap();
        if died {
            processes.clear();
        }
        processes.push(self.logs.clone());
    }

    /// Takes over, or returns `None` when the last event turns out to be stored.
    async fn take_over(&self, id: DeliberationId) -> Option<(Writer, Council)> {
        loop {
            match self.logs.take_over(id).await {
                Ok(taken) => return Some((taken.writer, Council::after(&taken.events))),
                Err(Error::Over(_)) => return None,
                Err(Error::Unavailable { .. } | Error::Owned(_)) => {
                    sleep(Duration::from_millis(500)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    async fn pause(&mut self, most_ms: usize) {
        let ms = self.dice.roll(most_ms + 1) as u64;
        sleep(Duration::from_millis(ms)).await;
    }

    async fn write(&mut self, id: DeliberationId) {
        let mut writer = opened(&self.logs, 1).await;
        let mut council = Council::after(&self.logs.events(id).await.unwrap());
        loop {
            let bodies = council.step(id, &mut self.dice);
            let ends = bodies.iter().any(Body::is_last);
            let appended = writer.append_all(bodies);
            if let (true, Ok(last)) = (ends, appended)
                && writer.commit(last).await.is_ok()
            {
                return;
            }
            if self.dice.once_in(2) {
                self.pause(80).await;
            }
            let lost = self.misfortune(&writer).await;
            if lost || ends || appended.is_err() {
                self.pause(3_000).await;
                match self.take_over(id).await {
                    Some(taken) => (writer, council) = taken,
                    None => return,
                }
            }
        }
    }

    /// Now and then something breaks; tells whether the writer is lost by it.
    async fn misfortune(&mut self, writer: &Writer) -> bool {
        match self.dice.roll(150) {
            0 => {
                self.logs.abandon();
                self.replace(true);
                true
            }
            1 => {
                self.logs.close().await;
                self.replace(true);
                true
            }
            2 => {
                self.store.set_down(true);
                self.pause(9_000).await;
                self.store.set_down(false);
                false
            }
            3 => {
                self.store.unconfirmed.store(1, Ordering::SeqCst);
                false
            }
            4 => {
                // Suspended past its lease, and then it goes on as if nothing had happened.
                self.store.suspended.store(true, Ordering::SeqCst);
                sleep(Duration::from_secs(11)).await;
                self.replace(false);
                let stale = writer.clone();
                let _ = stale.append_all(vec![span(), span()]);
                true
            }
            _ => false,
        }
    }
}

/// What a reader saw, checked as it came.
struct Seen {
    checker: Checker,
    cursor: Cursor,
    milestones: Vec<(Cursor, Event)>,
    taken_back: usize,
}

/// Reads to the end over any number of connections, some cut in the middle of a page.
async fn follow(processes: Processes, start: Cursor, seed: u64) -> Seen {
    let mut dice = Dice::new(seed);
    let mut seen = Seen {
        checker: Checker::new(Mode::Reader),
        cursor: start,
        milestones: Vec::new(),
        taken_back: 0,
    };
    let slowness = dice.roll(4);
    if dice.once_in(2) {
        sleep(Duration::from_millis(dice.roll(5_000) as u64)).await;
        begin_at_a_snapshot(&processes, &mut seen).await;
    }
    loop {
        let logs = {
            let processes = processes.lock().unwrap();
            processes[dice.roll(processes.len())].clone()
        };
        let mut reader = match logs.read(After::Cursor(seen.cursor)).await {
            Ok(reader) => reader,
            Err(Error::Unavailable { .. } | Error::Moved) => {
                sleep(Duration::from_millis(300)).await;
                continue;
            }
            Err(error) => panic!("at {}: {error}", seen.cursor),
        };
        loop {
            let page = match timeout(Duration::from_secs(20), reader.next()).await {
                Ok(Ok(page)) => page,
                Ok(Err(Error::Unavailable { .. } | Error::Moved)) => {
                    sleep(Duration::from_millis(100)).await;
                    break;
                }
                Ok(Err(error)) => panic!("at {}: {error}", seen.cursor),
                Err(_) => break,
            };
            let cut = dice.once_in(6);
            let read = if cut {
                dice.roll(page.entries.len() + 1)
            } else {
                page.entries.len()
            };
            for entry in &page.entries[..read] {
                see(&mut seen, entry.cursor, &entry.event().unwrap());
            }
            if page.end && read == page.entries.len() {
                return seen;
            }
            if cut {
                break;
            }
            sleep(Duration::from_millis(dice.roll(1 + slowness * 200) as u64)).await;
        }
    }
}

async fn begin_at_a_snapshot(processes: &Processes, seen: &mut Seen) {
    let logs = processes.lock().unwrap()[0].clone();
    if let Ok((snapshot, cursor)) = logs.snapshot(seen.cursor.deliberation).await {
        assert_eq!(snapshot.cursor, cursor);
        seen.cursor = cursor;
        seen.checker = Checker::after(Mode::Reader, snapshot);
    }
}

fn see(seen: &mut Seen, cursor: Cursor, event: &Event) {
    if let Body::Rewind(rewind) = &event.body {
        seen.taken_back += usize::try_from(seen.cursor.seq - rewind.to).unwrap();
    }
    if let Err(violation) = seen.checker.entry(cursor, event) {
        panic!("after {} came {cursor}: {violation}", seen.cursor);
    }
    seen.cursor = cursor;
    if event.body.is_milestone() {
        seen.milestones.push((cursor, event.clone()));
    }
}

/// Runs one seed and returns how many generations there were, and deltas taken back.
async fn tell(place: Place, seed: u64) -> (u32, usize) {
    let id = id(1);
    let mut story = Story::new(place, seed);
    let mut readers = JoinSet::new();
    // Readers come when there is something to find.
    let processes = Arc::clone(&story.processes);
    for number in 0..READERS {
        let (processes, seed) = (Arc::clone(&processes), seed * 31 + number);
        readers.spawn(async move {
            sleep(Duration::from_millis(20)).await;
            follow(processes, Cursor::start(id), seed).await
        });
    }
    story.write(id).await;
    let seen = timeout(Duration::from_secs(120), readers.join_all()).await;
    let seen = seen.expect("every reader comes to the end");

    let logs = story.place.logs();
    let stored = logs.events(id).await.unwrap();
    let mut checker = Checker::new(Mode::Log);
    let mut generation = 1;
    for event in &stored {
        generation += u32::from(matches!(event.body, Body::Rewind(_)));
        let cursor = Cursor {
            deliberation: id,
            generation,
            seq: event.seq,
        };
        checker.entry(cursor, event).unwrap();
    }
    checker.finish(true).unwrap();
    let head = logs.head(id).await.unwrap();
    assert_eq!(head.generation(), generation);
    let whole = Snapshot::fold(id, &stored);
    let mut taken_back = 0;
    for seen in seen {
        seen.checker.finish(true).unwrap();
        for (cursor, event) in &seen.milestones {
            let at = usize::try_from(cursor.seq).unwrap() - 1;
            assert_eq!(event, &stored[at], "seed {seed}: shown, and not stored");
        }
        assert_eq!(seen.checker.snapshot().sages, whole.sages);
        taken_back += seen.taken_back;
    }
    (generation, taken_back)
}

async fn tell_all(place: fn() -> Place, seeds: u64) {
    let (mut generations, mut taken_back) = (0, 0);
    let asked = std::env::var("MAGI_LOG_SEEDS");
    let seeds = asked.map_or(seeds, |asked| asked.parse().unwrap());
    for seed in 0..seeds {
        let told = timeout(Duration::from_secs(3_600), tell(place(), seed)).await;
        let (n_generations, n_taken_back) = told.unwrap_or_else(|_| panic!("seed {seed} hangs"));
        generations += n_generations;
        taken_back += n_taken_back;
    }
    println!("{seeds} seeds: {generations} generations, {taken_back} deltas taken back");
    if seeds >= DISK_SEEDS {
        assert!(u64::from(generations) > seeds, "nobody ever died");
        assert!(taken_back > 0, "nothing was ever taken back");
    }
}

#[tokio::test(start_paused = true)]
async fn in_memory() {
    tell_all(Place::memory, MEMORY_SEEDS).await;
}

#[tokio::test(start_paused = true)]
async fn on_disk() {
    tell_all(Place::disk, DISK_SEEDS).await;
}
