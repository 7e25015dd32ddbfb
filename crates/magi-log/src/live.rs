//! A log while this process writes it: numbering, the two ends, and the part kept in memory.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use magi_event::{Body, Cursor, DeliberationId, Event, Timestamp};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::batch::PAGE_EVENTS;
use crate::facts::Folding;
use crate::store::{Generation, Opens, Write};
use crate::{Batch, Closed, Entry, Env, Options};

/// The most bytes handed to a reader at once, so that one write of a server stays small.
pub(crate) const PAGE_BYTES: usize = 256 * 1024;

/// A log this process owns in one generation.
pub(crate) struct Live {
    pub(crate) id: DeliberationId,
    pub(crate) generation: u32,
    /// All generations, the present one last: what a cursor of an older one means.
    pub(crate) generations: Vec<Generation>,
    env: Env,
    options: Options,
    /// A plain mutex: it is held to number and encode a few events, or to copy a page of them, and
    /// never across an await.
    state: Mutex<State>,
    /// Rings when the visible end moves, and when the log closes: readers wait for it.
    pub(crate) bell: watch::Sender<()>,
    /// Rings when something is stored, and when the log closes: writers wait for it.
    pub(crate) settled: watch::Sender<()>,
    /// Tells the flush task that there is something to do earlier than it knew.
    pub(crate) work: Notify,
}

struct State {
    /// The number of the next event.
    next: u64,
    /// The newest events, all of those not yet stored among them.
    tail: VecDeque<Entry>,
    /// The last stored event's number.
    stored: u64,
    /// The last event's number handed to the store.
    taken: u64,
    /// The milestones not yet stored: the first of them holds the visible end.
    held: VecDeque<u64>,
    unstored_bytes: usize,
    kept_bytes: usize,
    /// When what is not yet handed to the store must be.
    due: Option<Instant>,
    /// The last event was written.
    ended: bool,
    closed: Option<Closed>,
    /// No writer is left, whatever was or was not written.
    orphaned: bool,
    opens: Option<Opens>,
    folding: Folding,
    last_event_at: Timestamp,
    last_commit: Option<Duration>,
}

/// What a reader finds at its place.
pub(crate) enum Found {
    /// Events; `true` when the last one of the log is among them, or was before.
    Page(Vec<Entry>, bool),
    /// Events that are stored and no longer in memory.
    Older,
    /// Nothing yet.
    Nothing,
    /// Nothing more, and why.
    Closed(Closed),
}

/// What the flush task finds.
pub(crate) enum Due {
    /// Something must be handed over now.
    Now,
    /// Something must be handed over then.
    At(Instant),
    /// Nothing is there to be handed over.
    Nothing,
    /// Nothing is there, and nobody is left to write more.
    Orphaned,
    /// The log is closed.
    Closed,
}

/// Where a generation begins.
pub(crate) struct Begin {
    pub(crate) id: DeliberationId,
    pub(crate) generations: Vec<Generation>,
    /// The last stored event's number; 0 for a new log.
    pub(crate) stored: u64,
    pub(crate) opens: Option<Opens>,
    pub(crate) folding: Folding,
}

impl Live {
    pub(crate) fn new(begin: Begin, env: Env, options: Options) -> Self {
        Live {
            id: begin.id,
            generation: begin.generations.last().map_or(1, |last| last.number),
            generations: begin.generations,
            state: Mutex::new(State {
                next: begin.stored + 1,
                tail: VecDeque::new(),
                stored: begin.stored,
                taken: begin.stored,
                held: VecDeque::new(),
                unstored_bytes: 0,
                kept_bytes: 0,
                due: None,
                ended: false,
                closed: None,
                orphaned: false,
                opens: begin.opens,
                folding: begin.folding,
                last_event_at: env.clock.now(),
                last_commit: None,
            }),
            env,
            options,
            bell: watch::Sender::new(()),
            settled: watch::Sender::new(()),
            work: Notify::new(),
        }
    }

    /// A panic elsewhere cannot leave the state half changed: every change is a few plain moves.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers and encodes events, in order and with nothing between them, and wakes who waits.
    /// Returns the last one's number.
    pub(crate) fn append(&self, bodies: impl IntoIterator<Item = Body>) -> Result<u64, Closed> {
        let now = self.env.clock.now();
        let mut state = self.state();
        let before = state.visible();
        let mut refused = None;
        for body in bodies {
            if let Some(closed) = state.refuses() {
                refused = Some(closed);
                break;
            }
            let cursor = self.cursor(state.next);
            state.push(cursor, now, body, self.options.handover);
        }
        let (last, due, seen) = (
            state.next - 1,
            state.due.is_some(),
            state.visible() > before,
        );
        drop(state);
        if seen {
            self.bell.send_replace(());
        }
        if due {
            self.work.notify_one();
        }
        refused.map_or(Ok(last), Err)
    }

    fn cursor(&self, seq: u64) -> Cursor {
        Cursor {
            deliberation: self.id,
            generation: self.generation,
            seq,
        }
    }

    /// Returns what a reader who has everything up to `after` may have next.
    pub(crate) fn find(&self, after: u64) -> Found {
        let state = self.state();
        match state.closed {
            // What was stored before a process stops is still handed out; otherwise the log goes on
            // elsewhere, and what is here may be void.
            None | Some(Closed::Ended) => {}
            Some(Closed::Released) if after < state.stored => {}
            Some(closed) => return Found::Closed(closed),
        }
        let visible = state.visible();
        if after >= visible {
            return if state.is_stored_whole() {
                Found::Page(Vec::new(), true)
            } else {
                Found::Nothing
            };
        }
        let Some(skip) = (after + 1).checked_sub(state.first_in_memory()) else {
            return Found::Older;
        };
        let mut bytes = 0;
        let ready = state
            .tail
            .iter()
            .skip(usize::try_from(skip).unwrap_or(usize::MAX))
            .take_while(|entry| entry.cursor.seq <= visible)
            .take(PAGE_EVENTS)
            .take_while(|entry| {
                let room = bytes < PAGE_BYTES;
                bytes += entry.frame.len();
                room
            });
        let entries: Vec<_> = ready.cloned().collect();
        let end = entries.last().is_some_and(Entry::is_last);
        Found::Page(entries, end)
    }

    pub(crate) fn visible(&self) -> u64 {
        self.state().visible()
    }

    pub(crate) fn stored(&self) -> u64 {
        self.state().stored
    }

    /// Returns the last event's number, seen or not.
    pub(crate) fn appended(&self) -> u64 {
        self.state().next - 1
    }

    /// Tells whether the last event of the log is stored.
    pub(crate) fn is_stored_whole(&self) -> bool {
        self.state().is_stored_whole()
    }

    pub(crate) fn closed(&self) -> Option<Closed> {
        self.state().closed
    }

    /// Tells whether the last event was written, stored or not.
    pub(crate) fn ended(&self) -> bool {
        self.state().ended
    }

    pub(crate) fn is_full(&self) -> bool {
        self.state().unstored_bytes >= self.options.unstored_bytes
    }

    pub(crate) fn last_commit(&self) -> Option<Duration> {
        self.state().last_commit
    }

    /// Tells what the flush task has to do.
    pub(crate) fn due(&self) -> Due {
        let state = self.state();
        match (state.closed, state.due) {
            (Some(_), _) => Due::Closed,
            (None, Some(at)) if state.orphaned || at <= Instant::now() => Due::Now,
            (None, Some(at)) => Due::At(at),
            (None, None) if state.orphaned => Due::Orphaned,
            (None, None) => Due::Nothing,
        }
    }

    /// Makes everything due at once, because the process is stopping.
    pub(crate) fn hurry(&self) {
        let mut state = self.state();
        if state.due.is_some() {
            state.due = Some(Instant::now());
        }
        drop(state);
        self.work.notify_one();
    }

    /// Takes what is to be stored; the next call gets what comes after it. Packing is done outside
    /// the lock.
    pub(crate) fn take(&self) -> Option<Write> {
        let mut state = self.state();
        state.due = None;
        let skip = (state.taken + 1).saturating_sub(state.first_in_memory());
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let entries: Vec<_> = state.tail.iter().skip(skip).cloned().collect();
        state.taken = entries.last()?.cursor.seq;
        let (change, opens) = (state.folding.take(), state.opens.take());
        let last_event_at = state.last_event_at;
        drop(state);
        let lease = i64::try_from(self.options.lease.as_millis()).unwrap_or(i64::MAX);
        Some(Write {
            id: self.id,
            generation: self.generation,
            batches: Batch::pack(self.id, &entries),
            change,
            last_event_at,
            opens,
            lease_until: self.env.clock.now().plus_millis(lease),
        })
    }

    /// Notes that everything up to `seq` is stored.
    pub(crate) fn settle(&self, seq: u64, took: Duration) {
        let mut state = self.state();
        state.stored = seq;
        state.last_commit = Some(took);
        while state.held.front().is_some_and(|held| *held <= seq) {
            state.held.pop_front();
        }
        let stored = state
            .tail
            .iter()
            .take_while(|entry| entry.cursor.seq <= seq);
        state.kept_bytes = stored.map(Entry::cost).sum();
        let unstored = state.tail.iter().rev().take_while(|e| e.cursor.seq > seq);
        state.unstored_bytes = unstored.map(Entry::cost).sum();
        while state.kept_bytes > self.options.kept_bytes
            && state
                .tail
                .front()
                .is_some_and(|entry| entry.cursor.seq <= seq)
        {
            if let Some(old) = state.tail.pop_front() {
                state.kept_bytes -= old.cost();
            }
        }
        drop(state);
        self.ring();
    }

    /// Closes the log for its writer, and for its readers as far as `closed` says. The first reason
    /// stays, except that a deletion is always told. One that is stored to its end has nothing left to
    /// close: who reads it reads on.
    pub(crate) fn close(&self, closed: Closed) {
        let mut state = self.state();
        let is_open = state.closed.is_none() && !state.is_stored_whole();
        if is_open || closed == Closed::Deleted {
            state.closed = Some(closed);
        }
        drop(state);
        self.ring();
        self.work.notify_one();
    }

    pub(crate) fn orphan(&self) {
        self.state().orphaned = true;
        self.work.notify_one();
    }

    fn ring(&self) {
        self.bell.send_replace(());
        self.settled.send_replace(());
    }
}

impl State {
    /// Tells whether the last event of the log is stored.
    fn is_stored_whole(&self) -> bool {
        self.ended && self.stored + 1 == self.next
    }

    /// Returns the last event's number a reader may see.
    fn visible(&self) -> u64 {
        self.held.front().map_or(self.next, |held| *held) - 1
    }

    fn first_in_memory(&self) -> u64 {
        self.tail
            .front()
            .map_or(self.next, |entry| entry.cursor.seq)
    }

    fn refuses(&self) -> Option<Closed> {
        self.closed.or(self.ended.then_some(Closed::Ended))
    }

    fn push(&mut self, cursor: Cursor, now: Timestamp, body: Body, handover: Duration) {
        self.folding.apply(&body);
        let event = Event {
            seq: cursor.seq,
            timestamp: now,
            trace_id: cursor.deliberation,
            body,
        };
        let entry = Entry::new(&event, cursor.generation);
        let due = if entry.is_milestone() {
            self.held.push_back(cursor.seq);
            Instant::now()
        } else {
            Instant::now() + handover
        };
        self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
        self.ended = entry.is_last();
        self.unstored_bytes += entry.cost();
        self.last_event_at = now;
        self.next += 1;
        self.tail.push_back(entry);
    }
}

#[cfg(test)]
mod tests {
    use magi_event::{Delta, Rewind, Sage};

    use super::*;

    fn live() -> Live {
        let id = DeliberationId::new(Timestamp::from_millis(1), 1);
        let generation = Generation {
            number: 1,
            first_seq: 1,
            progress: false,
            released: false,
        };
        let begin = Begin {
            id,
            generations: vec![generation],
            stored: 0,
            opens: None,
            folding: Folding::default(),
        };
        Live::new(begin, Env::seeded(1), Options::default())
    }

    fn delta(bytes: usize) -> Body {
        let text = "x".repeat(bytes);
        Body::AgentChunk(Sage::Caspar, Delta { text })
    }

    fn memory(live: &Live) -> (usize, usize) {
        let state = live.state();
        let all: usize = state.tail.iter().map(Entry::cost).sum();
        assert_eq!(all, state.kept_bytes + state.unstored_bytes);
        (state.kept_bytes, state.unstored_bytes)
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_stored_leaves_memory_but_for_a_little() {
        let live = live();
        for round in 0..40_u64 {
            for _ in 0..100 {
                live.append([delta(100)]).unwrap();
            }
            assert!(memory(&live).1 > 0);
            let last = live.take().unwrap().last_seq();
            assert_eq!(last, (round + 1) * 100);
            live.settle(last, Duration::ZERO);
            let (kept, unstored) = memory(&live);
            assert!(kept <= 64 * 1024, "{kept}");
            assert_eq!(unstored, 0);
        }
        assert!(
            memory(&live).0 > 60 * 1024,
            "a reader at the end needs no store"
        );
        assert!(matches!(live.find(0), Found::Older));
        assert!(matches!(live.find(3_999), Found::Page(..)));
        assert!(matches!(live.find(4_000), Found::Nothing));
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_milestone_not_stored_holds_the_visible_end() {
        let live = live();
        let milestone = || Body::Rewind(Rewind { to: 0 });
        live.append([delta(1), milestone(), delta(1)]).unwrap();
        assert_eq!(live.visible(), 1);
        let first = live.take().unwrap();
        live.append([milestone(), delta(1)]).unwrap();
        assert_eq!(live.visible(), 1);
        live.settle(first.last_seq(), Duration::ZERO);
        assert_eq!(live.visible(), 3);
        let second = live.take().unwrap();
        assert_eq!(second.first_seq(), 4);
        live.settle(second.last_seq(), Duration::ZERO);
        assert_eq!(live.visible(), 5);
        assert!(live.take().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_is_bounded_in_events_and_in_bytes() {
        let live = live();
        live.append((0..1_000).map(|_| delta(10))).unwrap();
        let Found::Page(page, false) = live.find(0) else {
            panic!("a page is ready");
        };
        assert_eq!(page.len(), PAGE_EVENTS);
        live.append((0..10).map(|_| delta(100_000))).unwrap();
        let Found::Page(page, false) = live.find(1_000) else {
            panic!("a page is ready");
        };
        assert_eq!(page.len(), 3, "up to the one that crosses the bound");
    }
}
