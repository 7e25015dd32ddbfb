//! All the logs of this process, and the store behind them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use magi_event::{Body, Cursor, DeliberationId, Event, Rewind, Snapshot, Status, Timestamp};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::catalogue::Catalogue;
use crate::facts::Folding;
use crate::live::{Begin, Live};
use crate::reader::{Reader, unpack};
use crate::store::{Generation, Head, Keyed, New, Opens, PostedVerb, Store, Write};
use crate::{Batch, Change, Closed, Commit, Entry, Env, Error, Writer, flush, lease};

/// The bounds and times of a log. The defaults are the product's; tests shorten them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The bytes of one log that may wait for the store before [`Writer::room`] waits.
    pub unstored_bytes: usize,
    /// The bytes of stored events of one log kept in memory for readers at its end.
    pub kept_bytes: usize,
    /// How long a delta may wait before it is handed to the store.
    pub handover: Duration,
    /// How long one commit may take, all its tries together.
    pub store_limit: Duration,
    /// How long an owner is believed alive after its last renewal.
    pub lease: Duration,
    /// How often an owner renews its lease.
    pub renew: Duration,
    /// How often what another process wrote is looked for.
    pub poll: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            unstored_bytes: 4 * 1024 * 1024,
            kept_bytes: 64 * 1024,
            handover: Duration::from_millis(80),
            store_limit: Duration::from_secs(5),
            lease: Duration::from_secs(10),
            renew: Duration::from_secs(3),
            poll: Duration::from_millis(200),
        }
    }
}

/// Where to read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// From the first event of this deliberation.
    Start(DeliberationId),
    /// After the event with this id.
    Cursor(Cursor),
}

impl After {
    /// Returns the place as a cursor.
    #[must_use]
    pub const fn cursor(self) -> Cursor {
        match self {
            After::Start(id) => Cursor::start(id),
            After::Cursor(cursor) => cursor,
        }
    }
}

/// A deliberation taken over, in its new generation.
#[derive(Debug)]
pub struct Takeover {
    /// The writing end; its `rewind` is stored.
    pub writer: Writer,
    /// The setup the log was opened with.
    pub setup: Bytes,
    /// Every stored event, the new `rewind` last.
    pub events: Vec<Event>,
}

/// A deliberation without a last event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The deliberation.
    pub id: DeliberationId,
    /// The instant of its last stored event.
    pub last_event_at: Timestamp,
    /// Whether somebody paused it.
    pub paused: bool,
    /// How often its owner died since its last finished part; see
    /// [`Head::crashes_without_milestone`]. Meaningful while no owner is alive.
    pub crashes_without_milestone: u32,
    /// Whether somebody writes it now.
    pub owner_alive: bool,
}

/// All the logs of this process, and the store behind them. Cheap to clone.
#[derive(Clone)]
pub struct Logs {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) env: Env,
    pub(crate) options: Options,
    /// Rings when a log is opened here, for readers who wait at the store.
    pub(crate) opened: watch::Sender<()>,
    /// A plain mutex: held for a look into a map, never across an await.
    registry: Mutex<Registry>,
    posted: Notify,
    tracker: TaskTracker,
    /// Ends every task where it stands, as the end of the process would.
    stop: CancellationToken,
    /// No log may be opened any more.
    pub(crate) closing: CancellationToken,
}

#[derive(Default)]
struct Registry {
    slots: HashMap<DeliberationId, Slot>,
    taking: HashSet<DeliberationId>,
    renewing: bool,
}

/// A log of this process.
enum Slot {
    Open(Arc<Live>),
    /// Over and stored; kept by its readers alone.
    Over(Weak<Live>),
}

impl Logs {
    /// Makes the logs of this process over a store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, env: Env, options: Options) -> Self {
        Logs {
            inner: Arc::new(Inner {
                store,
                env,
                options,
                opened: watch::Sender::new(()),
                registry: Mutex::default(),
                posted: Notify::new(),
                tracker: TaskTracker::new(),
                stop: CancellationToken::new(),
                closing: CancellationToken::new(),
            }),
        }
    }

    /// Opens a new log with its first events, `start` among them, which are one commit. Returns at
    /// once; the commit resolves when that first part is stored, or says why it will not be:
    /// [`Closed::KeyTaken`] when the key already stands for another deliberation.
    ///
    /// Needs a Tokio runtime.
    pub fn create(&self, new: New, first: Vec<Body>) -> (Writer, Commit) {
        let id = new.id;
        let begin = Begin {
            id,
            generations: vec![Generation {
                number: 1,
                first_seq: 1,
                progress: false,
                released: false,
            }],
            stored: 0,
            opens: Some(Opens::New(Box::new(new))),
            folding: Folding::default(),
        };
        let live = Arc::new(self.live_log(begin));
        let writer = Writer::new(Arc::clone(&live));
        if self.inner.closing.is_cancelled() {
            live.close(Closed::Released);
            return (writer, Commit::refused(Closed::Released));
        }
        let commit = match live.append(first) {
            Ok(last) => Commit::of(Arc::clone(&live), last),
            Err(closed) => Commit::refused(closed),
        };
        self.open(live);
        (writer, commit)
    }

    /// Returns the damage that a call met in the store's file, with what to do: nothing is written to
    /// it any more.
    #[must_use]
    pub fn damage(&self) -> Option<Error> {
        self.inner.store.damage()
    }

    /// Looks an idempotency key up.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the store does not answer.
    pub async fn lookup_key(&self, identity: &str, key: &str) -> Result<Option<Keyed>, Error> {
        let (identity, key) = (identity.to_owned(), key.to_owned());
        self.inner.store.lookup_key(identity, key).await
    }

    /// Opens a reader.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] for an unknown or deleted deliberation, [`Error::Ahead`] for a cursor
    /// ahead of the log, [`Error::Gone`] for one before what is kept, [`Error::Unavailable`] when
    /// the store does not answer.
    pub async fn read(&self, after: After) -> Result<Reader, Error> {
        Reader::open(Arc::clone(&self.inner), after.cursor()).await
    }

    /// Reads where a log stands, as stored.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] when it is not there, [`Error::Unavailable`] when the store does not
    /// answer.
    pub async fn head(&self, id: DeliberationId) -> Result<Head, Error> {
        self.inner.store.head(id).await
    }

    /// Reads every stored event that is kept.
    ///
    /// # Errors
    ///
    /// As for [`Logs::head`]; [`Error::Corrupt`] when what is stored does not read.
    pub async fn events(&self, id: DeliberationId) -> Result<Vec<Event>, Error> {
        let head = self.head(id).await?;
        let mut events = Vec::new();
        self.each_stored(&head, |event| events.push(event)).await?;
        Ok(events)
    }

    /// Folds a log up to its stored end, and returns that place too.
    ///
    /// # Errors
    ///
    /// As for [`Logs::events`].
    pub async fn snapshot(&self, id: DeliberationId) -> Result<(Snapshot, Cursor), Error> {
        let head = self.head(id).await?;
        let mut snapshot = Snapshot::new(id);
        self.each_stored(&head, |event| snapshot.apply(&event))
            .await?;
        Ok((snapshot, head.cursor()))
    }

    /// Reads the setup a log was opened with.
    ///
    /// # Errors
    ///
    /// As for [`Logs::head`].
    pub async fn setup(&self, id: DeliberationId) -> Result<Bytes, Error> {
        self.inner.store.setup(id).await
    }

    async fn each_stored(&self, head: &Head, mut each: impl FnMut(Event)) -> Result<(), Error> {
        let id = head.id;
        let mut after = head.first_kept - 1;
        while after < head.last_seq {
            let batches = self.inner.store.batches(id, after).await?;
            let entries = unpack(id, after, &batches)?;
            let Some(last) = entries.last() else {
                // It was deleted meanwhile, or a row is gone.
                self.head(id).await?;
                return Err(Error::Corrupt {
                    id,
                    what: format!("event {} is missing", after + 1),
                });
            };
            after = last.cursor.seq;
            for entry in &entries {
                each(decode(id, entry)?);
            }
        }
        Ok(())
    }

    /// Takes over a deliberation whose owner is dead or let its lease lapse: begins the next
    /// generation, whose `rewind` is stored before this returns.
    ///
    /// Needs a Tokio runtime.
    ///
    /// # Errors
    ///
    /// [`Error::Owned`] when it is being written, [`Error::Over`] when it has its last event, and
    /// as for [`Logs::events`].
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have begun the generation; the next call then begins another.
    pub async fn take_over(&self, id: DeliberationId) -> Result<Takeover, Error> {
        let Some(_taking) = Taking::begin(&self.inner, id) else {
            return Err(Error::Owned(id));
        };
        if self.inner.closing.is_cancelled() {
            return Err(Error::Moved);
        }
        let head = self.head(id).await?;
        if head.is_over() {
            return Err(Error::Over(id));
        }
        if self.inner.is_owned(&head) {
            return Err(Error::Owned(id));
        }
        let (seq, number) = (head.last_seq + 1, head.generation() + 1);
        self.begin_generation(&head, seq, number).await?;
        let setup = self.setup(id).await?;
        let (mut events, mut folding) = (Vec::new(), Folding::default());
        let mut head = self.head(id).await?;
        self.each_stored(&head, |event| {
            folding.apply(&event.body);
            events.push(event);
        })
        .await?;
        // What the stored events changed is in the catalogue already.
        folding.take();
        if head.generation() != number {
            return Err(Error::Owned(id));
        }
        let live = Arc::new(self.live_log(Begin {
            id,
            generations: std::mem::take(&mut head.generations),
            stored: head.last_seq,
            opens: None,
            folding,
        }));
        let writer = Writer::new(Arc::clone(&live));
        self.open(live);
        Ok(Takeover {
            writer,
            setup,
            events,
        })
    }

    async fn begin_generation(&self, head: &Head, seq: u64, number: u32) -> Result<(), Error> {
        let now = self.inner.env.clock.now();
        let rewind = Event {
            seq,
            timestamp: now,
            trace_id: head.id,
            body: Body::Rewind(Rewind { to: head.last_seq }),
        };
        // A generation this process gave up alive, because the store failed, is no crash.
        let mine = |owner: &crate::Owner| owner.name == self.inner.store.owner();
        let write = Write {
            id: head.id,
            generation: number,
            batches: Batch::pack(head.id, &[Entry::new(&rewind, number)]),
            change: Change::default(),
            last_event_at: now,
            opens: Some(Opens::Again {
                last_seq: head.last_seq,
                released: head.owner.as_ref().is_some_and(mine),
            }),
            lease_until: self.inner.lease_end(),
        };
        let written = self.inner.store.write(Arc::new(write));
        match timeout(self.inner.options.store_limit, written).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Error::Closed(Closed::Fenced))) => Err(Error::Owned(head.id)),
            Ok(Err(Error::Closed(Closed::Deleted))) => Err(Error::Unknown(head.id)),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::unavailable("no answer in time")),
        }
    }

    /// Lists the deliberations without a last event, oldest first.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the store does not answer.
    pub async fn unfinished(&self) -> Result<Vec<Unfinished>, Error> {
        let heads = self.inner.store.unfinished().await?;
        let unfinished = heads.into_iter().map(|head| Unfinished {
            id: head.id,
            last_event_at: head.last_event_at,
            paused: head.status == Status::Paused,
            crashes_without_milestone: head.crashes_without_milestone(),
            owner_alive: self.inner.is_owned(&head),
        });
        Ok(unfinished.collect())
    }

    /// Returns the catalogue.
    #[must_use]
    pub fn catalogue(&self) -> Catalogue {
        Catalogue {
            inner: Arc::clone(&self.inner),
        }
    }

    /// Hands a deliberation over that stands still here: once all of it is stored its readers get
    /// [`Error::Moved`], and it has no owner any more. One that is over, or is not written here,
    /// stays as it is.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have handed it over.
    pub async fn hand_over(&self, id: DeliberationId) {
        let Some(live) = self.inner.live(id) else {
            return;
        };
        if live.ended()
            || Commit::of(Arc::clone(&live), live.appended())
                .await
                .is_err()
        {
            return;
        }
        live.close(Closed::Released);
        self.inner.retire(&live);
        flush::give_up(&self.inner, &live, true).await;
    }

    /// Leaves a verb for whoever owns the log, in this process or another.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`], [`Error::Over`], [`Error::Unavailable`].
    pub async fn post(&self, id: DeliberationId, verb: PostedVerb) -> Result<(), Error> {
        self.inner.store.post(id, verb).await?;
        self.inner.posted.notify_one();
        Ok(())
    }

    /// Waits for verbs posted to the logs this process owns, and takes them, oldest first.
    ///
    /// # Cancel safety
    ///
    /// A call dropped while the store answers may lose what it took; who posted it sees no effect
    /// and posts again.
    pub async fn posted(&self) -> Vec<(DeliberationId, PostedVerb)> {
        let inner = &self.inner;
        let mut opened = inner.opened.subscribe();
        loop {
            opened.borrow_and_update();
            if inner.open_logs().is_empty() {
                // Nothing is owned, so nothing can be for us until a log is opened.
                let _ = opened.changed().await;
                continue;
            }
            match inner.store.take_posted().await {
                Ok(verbs) if verbs.is_empty() => {}
                Ok(verbs) => return verbs,
                Err(error) => tracing::warn!(%error, "failed to look for posted verbs"),
            }
            tokio::select! {
                () = inner.posted.notified() => {}
                () = sleep(inner.options.poll) => {}
            }
        }
    }

    /// Stores what is appended, hands every open log over and ends all tasks. Readers get what is
    /// stored and then [`Error::Moved`]; whoever serves the folder next goes on at once.
    pub async fn close(&self) {
        self.inner.closing.cancel();
        let open = self.inner.open_logs();
        let flushed = open.iter().map(|live| {
            live.hurry();
            Commit::of(Arc::clone(live), live.appended())
        });
        let limit = self.inner.options.store_limit;
        if timeout(limit, join_all(flushed)).await.is_err() {
            tracing::warn!("stopping before everything was stored");
        }
        for live in &open {
            live.close(Closed::Released);
        }
        self.inner.tracker.close();
        if timeout(limit, self.inner.tracker.wait()).await.is_err() {
            self.inner.stop.cancel();
        }
        let handed_over = open.iter().filter(|live| !live.is_stored_whole());
        join_all(handed_over.map(|live| flush::give_up(&self.inner, live, true))).await;
        if timeout(limit, self.inner.store.close()).await.is_err() {
            tracing::warn!("stopping before the store's files were closed");
            self.inner.store.resign();
        }
    }

    /// Drops what is not yet stored and hands nothing over, as the end of the process would. Tests
    /// of recovery use it; readers get [`Error::Moved`].
    pub fn abandon(&self) {
        self.inner.closing.cancel();
        self.inner.stop.cancel();
        for live in self.inner.open_logs() {
            live.close(Closed::Fenced);
            self.inner.retire(&live);
        }
        self.inner.store.resign();
    }

    fn live_log(&self, begin: Begin) -> Live {
        Live::new(begin, self.inner.env.clone(), self.inner.options)
    }

    /// Makes a log known to readers and starts the task that stores it.
    fn open(&self, live: Arc<Live>) {
        let inner = &self.inner;
        let mut registry = inner.registry();
        registry
            .slots
            .retain(|_, slot| !matches!(slot, Slot::Over(weak) if weak.strong_count() == 0));
        registry
            .slots
            .insert(live.id, Slot::Open(Arc::clone(&live)));
        let renewing = std::mem::replace(&mut registry.renewing, true);
        drop(registry);
        let stop = inner.stop.child_token();
        inner
            .tracker
            .spawn(flush::run(Arc::clone(inner), live, stop.clone()));
        if !renewing {
            inner.tracker.spawn(lease::run(Arc::clone(inner), stop));
        }
        inner.opened.send_replace(());
    }
}

impl Inner {
    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the log if this process writes it, or just did and readers are still there.
    pub(crate) fn live(&self, id: DeliberationId) -> Option<Arc<Live>> {
        match self.registry().slots.get(&id)? {
            Slot::Open(live) => Some(Arc::clone(live)),
            Slot::Over(weak) => weak.upgrade(),
        }
    }

    pub(crate) fn open_logs(&self) -> Vec<Arc<Live>> {
        let registry = self.registry();
        let open = registry.slots.values().filter_map(|slot| match slot {
            Slot::Open(live) => Some(Arc::clone(live)),
            Slot::Over(_) => None,
        });
        open.collect()
    }

    /// Notes that no log is open; returns false when one was opened meanwhile.
    pub(crate) fn stop_renewing(&self) -> bool {
        let mut registry = self.registry();
        let any = registry
            .slots
            .values()
            .any(|slot| matches!(slot, Slot::Open(_)));
        registry.renewing = any;
        !any
    }

    /// Forgets a closed log: it is read from the store from now on.
    pub(crate) fn retire(&self, live: &Arc<Live>) {
        let mut registry = self.registry();
        if let Some(Slot::Open(open)) = registry.slots.get(&live.id)
            && Arc::ptr_eq(open, live)
        {
            registry.slots.remove(&live.id);
        }
    }

    /// Leaves a log whose last event is stored to its readers. One that was closed while that was under way
    /// is read from the store: its readers were told to come back.
    pub(crate) fn finish(&self, live: &Arc<Live>) {
        if live.closed().is_some() {
            return self.retire(live);
        }
        let mut registry = self.registry();
        if let Some(slot) = registry.slots.get_mut(&live.id)
            && matches!(slot, Slot::Open(open) if Arc::ptr_eq(open, live))
        {
            *slot = Slot::Over(Arc::downgrade(live));
        }
    }

    /// Closes a deleted log.
    pub(crate) fn forget(&self, id: DeliberationId) {
        if let Some(live) = self.live(id) {
            live.close(Closed::Deleted);
        }
        self.registry().slots.remove(&id);
    }

    pub(crate) fn lease_end(&self) -> Timestamp {
        let lease = i64::try_from(self.options.lease.as_millis()).unwrap_or(i64::MAX);
        self.env.clock.now().plus_millis(lease)
    }

    /// Tells whether somebody writes the log now.
    fn is_owned(&self, head: &Head) -> bool {
        let Some(owner) = &head.owner else {
            return false;
        };
        if owner.name == self.store.owner() {
            return matches!(
                self.registry().slots.get(&head.id),
                Some(Slot::Open(live)) if live.closed().is_none()
            );
        }
        !owner.dead && owner.lease_until > self.env.clock.now()
    }
}

/// Keeps two calls of this process from taking one log over at the same time.
struct Taking<'a> {
    inner: &'a Inner,
    id: DeliberationId,
}

impl<'a> Taking<'a> {
    fn begin(inner: &'a Inner, id: DeliberationId) -> Option<Self> {
        let first = inner.registry().taking.insert(id);
        first.then_some(Taking { inner, id })
    }
}

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        self.inner.registry().taking.remove(&self.id);
    }
}

fn decode(id: DeliberationId, entry: &Entry) -> Result<Event, Error> {
    entry.event().map_err(|error| Error::Corrupt {
        id,
        what: format!("event {}: {error}", entry.cursor.seq),
    })
}

impl std::fmt::Debug for Logs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logs").finish_non_exhaustive()
    }
}
