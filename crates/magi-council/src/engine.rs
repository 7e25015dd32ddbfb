//! All running deliberations of this process, and the verbs that reach them.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use magi_event::{Agent, AgentStart, Body, DeliberationId, Resumed, SagesStart, Status};
use magi_log::{Closed, Env, Key, Logs, New, Takeover, Writer};
use magi_model::{ModelName, Price, Prices, Registry};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::breaker::{Breaker, Breakers};
use crate::control::{Control, Halt, Watch};
use crate::deliberation;
use crate::memory::Memory;
use crate::meter::Meter;
use crate::order::{Act, Order, Posted, RECORD};
use crate::presets::Presets;
use crate::setup::Setup;
use crate::stage::{self, SpanId, Stage};
use crate::verbs::Told;
use crate::{Ask, Budget, CouncilPatch, Error, Idempotency, StateKey};

/// What the engine is built from.
#[derive(Clone)]
pub struct Rooms {
    /// Where the events go.
    pub logs: Logs,
    /// The providers at hand.
    pub models: Registry,
    /// Time and chance.
    pub env: Env,
    /// What this process allows.
    pub limits: Limits,
    /// What models cost.
    pub prices: Prices,
    /// The operator's changes to every preset, models above all; a request's own come after them.
    /// A role that no one gives a model is played by `rehearsal`.
    pub settings: CouncilPatch,
    /// Signs the state that [`Engine::suspend`] leaves; without it a suspended deliberation cannot
    /// be resumed elsewhere.
    pub state_key: Option<StateKey>,
}

/// What this process allows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// The most deliberations at a time; one more is [`Error::Busy`].
    pub running: usize,
    /// How long a stop waits for its commit before it answers [`Error::Unavailable`].
    pub stop_wait: Duration,
    /// The most that any deliberation may be allowed to spend, whoever asks; a request that names
    /// more is [`Error::Invalid`], one that names nothing gets this.
    pub budget: Budget,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            running: 256,
            stop_wait: Duration::from_secs(10),
            budget: Budget::default(),
        }
    }
}

/// All running deliberations of this process. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) rooms: Rooms,
    /// A plain mutex: held to look into the map, never across an await.
    running: Mutex<HashMap<DeliberationId, Running>>,
    tracker: TaskTracker,
    /// No new deliberation is taken.
    pub(crate) closing: CancellationToken,
    /// Every deliberation stands still, to be taken over by whoever comes next.
    halting: CancellationToken,
    /// Which providers are left alone; every deliberation of this process asks it.
    breakers: Arc<Breakers>,
    /// Whether what others leave is taken up here without being asked.
    pub(crate) attends: AtomicBool,
}

/// One deliberation that runs here.
struct Running {
    control: Arc<Control>,
    /// Keeps the log open until it is handed over.
    writer: Writer,
}

/// A deliberation that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its id.
    pub id: DeliberationId,
    /// Whether it was started by this call: false for a repeated idempotency key, and for one that
    /// goes on under its own id.
    pub fresh: bool,
}

/// What a stop found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// The deliberation.
    pub id: DeliberationId,
    /// How it stands: `cancelled`, unless it was over before or only one member was stopped.
    pub status: Status,
    /// Whether this call changed anything.
    pub changed: bool,
}

/// What one run of a deliberation needs.
pub(crate) struct Run {
    pub(crate) writer: Writer,
    pub(crate) setup: Setup,
    pub(crate) memory: Memory,
    /// Whether the first attempts of all sages are already in the log.
    pub(crate) has_begun: bool,
}

impl Engine {
    /// Makes the engine and starts listening for verbs from other processes. Needs a Tokio runtime.
    #[must_use]
    pub fn new(rooms: Rooms) -> Self {
        let inner = Arc::new(Inner {
            rooms,
            running: Mutex::default(),
            tracker: TaskTracker::new(),
            closing: CancellationToken::new(),
            halting: CancellationToken::new(),
            breakers: Arc::default(),
            attends: AtomicBool::new(false),
        });
        inner.tracker.spawn(Arc::clone(&inner).listen());
        Engine { inner }
    }

    /// Returns the logs, for readers.
    #[must_use]
    pub fn logs(&self) -> &Logs {
        &self.inner.rooms.logs
    }

    /// Returns the presets there are.
    #[must_use]
    pub fn presets(&self) -> Presets {
        Presets::of(self.logs())
    }

    /// Returns what a model costs, or `None` where no price is set.
    #[must_use]
    pub fn price(&self, model: &ModelName) -> Option<Price> {
        self.inner.rooms.prices.of(model)
    }

    /// Starts a deliberation, or finds the one that the same idempotency key started. Returns after
    /// its first events are stored; the model calls begin meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`], [`Error::KeyReused`], [`Error::KeyDeleted`], [`Error::Unavailable`],
    /// [`Error::Busy`]; nothing was started then.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have started the deliberation, which then goes on.
    pub async fn ask(&self, ask: Ask) -> Result<Asked, Error> {
        if let Some(known) = self.known(ask.idempotency.as_ref()).await? {
            return Ok(known);
        }
        let chosen = self.presets().chosen(ask.preset_name()).await?;
        let mut setup = self.inner.setup(&ask, &chosen)?;
        self.inner.check_fork(ask.fork_of).await?;
        setup.earlier = self.inner.earlier(ask.conversation_id.as_deref()).await?;
        self.open(setup, ask.idempotency).await
    }

    /// Stores a new deliberation and lets it run.
    pub(crate) async fn open(
        &self,
        mut setup: Setup,
        key: Option<Idempotency>,
    ) -> Result<Asked, Error> {
        let inner = &self.inner;
        inner.admit()?;
        setup.council.budget = setup.council.budget.within(inner.rooms.limits.budget)?;
        let env = &inner.rooms.env;
        let id = DeliberationId::new(env.clock.now(), env.entropy.u128());
        let memory = setup.memory();
        let first = setup.first(id, env);
        let (writer, commit) = inner
            .rooms
            .logs
            .create(setup.new_log(id, key.as_ref())?, first);
        let control = inner.spawn(Run {
            writer,
            setup,
            memory,
            has_begun: true,
        });
        match commit.await {
            Ok(()) => Ok(Asked { id, fresh: true }),
            Err(closed) => {
                control.discard();
                match (closed, self.known(key.as_ref()).await?) {
                    (Closed::KeyTaken, Some(known)) => Ok(known),
                    _ => Err(Error::closed(&inner.rooms.logs, closed)),
                }
            }
        }
    }

    /// Looks for the deliberation that the same key started.
    pub(crate) async fn known(&self, key: Option<&Idempotency>) -> Result<Option<Asked>, Error> {
        let Some(key) = key else { return Ok(None) };
        let found = self
            .inner
            .rooms
            .logs
            .lookup_key(&key.identity, &key.key)
            .await
            .map_err(Error::from)?;
        match found {
            None => Ok(None),
            Some(found) if found.deleted => Err(Error::KeyDeleted),
            Some(found) if found.body_sha256 != key.body_sha256 => Err(Error::KeyReused),
            Some(found) => Ok(Some(Asked {
                id: found.id,
                fresh: false,
            })),
        }
    }

    /// Stops a deliberation: its model calls end at once, what was said is kept, and the answer
    /// comes after `cancelled` is stored. One that is over stays as it is. One that runs in another
    /// process is reached through the store.
    ///
    /// With a `target` only that member stops and the others go on: a sage's vote is then missing,
    /// and without the judge the votes alone count. The judge may be stopped before it is called. A
    /// member that is done stays as it is.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`]; [`Error::Invalid`] for a `target` that is not in the council;
    /// [`Error::Unavailable`] when the store did not take it in time.
    pub async fn stop(
        &self,
        id: DeliberationId,
        target: Option<Agent>,
        by: &str,
    ) -> Result<Stopped, Error> {
        if let Some(agent) = target {
            return self.stop_member(id, agent, Told::by(by)).await;
        }
        let halt = Halt::asked(by);
        let wait = self.inner.rooms.limits.stop_wait;
        if let Some(control) = self.inner.control(id) {
            control.halt(halt.clone());
            if timeout(wait, control.done.cancelled()).await.is_err() {
                return Err(Error::Unavailable("the stop is not stored yet".to_owned()));
            }
            let stopped = self.stopped(id, true).await?;
            if stopped.status.is_over() {
                return Ok(stopped);
            }
            // It was not ours any more, or was suspended: it is stopped where it goes on.
        }
        let head = self.logs().head(id).await?;
        if head.is_over() {
            return self.stopped(id, false).await;
        }
        match self.logs().take_over(id).await {
            Ok(taken) => {
                let Ok(setup) = serde_json::from_slice::<Setup>(&taken.setup) else {
                    return Err(Error::Conflict("its setup does not read".to_owned()));
                };
                crate::recovery::cancel(&taken, &setup, &halt)
                    .await
                    .map_err(|closed| Error::closed(self.logs(), closed))?;
                self.stopped(id, true).await
            }
            Err(magi_log::Error::Owned(_)) => self.stop_elsewhere(id, halt, wait).await,
            Err(magi_log::Error::Over(_)) => self.stopped(id, false).await,
            Err(error) => Err(error.into()),
        }
    }

    async fn stop_elsewhere(
        &self,
        id: DeliberationId,
        halt: Halt,
        wait: Duration,
    ) -> Result<Stopped, Error> {
        if !self
            .post(id, &halt.by, "", Act::Stop { agent: None })
            .await?
        {
            return self.stopped(id, false).await;
        }
        let over = async {
            while !self.logs().head(id).await?.is_over() {
                sleep(Duration::from_millis(100)).await;
            }
            Ok::<(), Error>(())
        };
        match timeout(wait, over).await {
            Ok(ended) => ended?,
            Err(_) => {
                return Err(Error::Unavailable(
                    "its owner did not answer yet".to_owned(),
                ));
            }
        }
        self.stopped(id, true).await
    }

    pub(crate) async fn stopped(&self, id: DeliberationId, asked: bool) -> Result<Stopped, Error> {
        let status = self.logs().head(id).await?.status;
        Ok(Stopped {
            id,
            status,
            changed: asked && status == Status::Cancelled,
        })
    }

    /// Notes that somebody watches a deliberation, until the value is dropped.
    #[must_use]
    pub fn watch(&self, id: DeliberationId) -> Watch {
        match self.inner.control(id) {
            Some(control) => control.watch(),
            None => Watch::of_nothing(),
        }
    }

    /// Tells whether a deliberation runs here that nobody watches: `/ping` says `HealthyBusy` then.
    #[must_use]
    pub fn is_busy_unwatched(&self) -> bool {
        let running = self.inner.running();
        running.values().any(|running| running.control.is_alone())
    }

    /// Returns how many deliberations run here.
    #[must_use]
    pub fn n_running(&self) -> usize {
        self.inner.running().len()
    }

    /// Returns how the breaker of every provider stands that was called here.
    #[must_use]
    pub fn breakers(&self) -> Vec<(String, Breaker)> {
        self.inner.breakers.all()
    }

    /// Tells whether this deliberation runs here.
    #[must_use]
    pub fn is_running(&self, id: DeliberationId) -> bool {
        self.inner.control(id).is_some()
    }

    /// Stops gracefully: takes no new deliberations, gives those that run up to `limit` to end, then
    /// stands still and hands the rest over, without a last event, to whoever serves the store next.
    pub async fn shutdown(&self, limit: Duration) {
        let inner = &self.inner;
        inner.closing.cancel();
        let controls: Vec<_> = inner
            .running()
            .values()
            .map(|running| Arc::clone(&running.control))
            .collect();
        let ended = async {
            for control in controls {
                control.done.cancelled().await;
            }
        };
        // What does not end in time goes on after the handover; nothing is lost by it.
        let _ = timeout(limit, ended).await;
        inner.halting.cancel();
        inner.tracker.close();
        inner.tracker.wait().await;
        inner.rooms.logs.close().await;
        inner.running().clear();
    }
}

impl Inner {
    fn running(&self) -> MutexGuard<'_, HashMap<DeliberationId, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn control(&self, id: DeliberationId) -> Option<Arc<Control>> {
        let running = self.running();
        running.get(&id).map(|running| Arc::clone(&running.control))
    }

    /// Refuses a new deliberation while shutting down or full.
    fn admit(&self) -> Result<(), Error> {
        if self.closing.is_cancelled() {
            return Err(Error::Busy("the server is shutting down".to_owned()));
        }
        let limit = self.rooms.limits.running;
        if self.running().len() >= limit {
            return Err(Error::Busy(format!(
                "{limit} deliberations are running: try again when one has ended"
            )));
        }
        Ok(())
    }

    /// Lets a deliberation run in a task of its own.
    pub(crate) fn spawn(self: &Arc<Self>, run: Run) -> Arc<Control> {
        let control = Control::new();
        let running = Running {
            control: Arc::clone(&control),
            writer: run.writer.clone(),
        };
        self.running().insert(run.writer.id(), running);
        // Its lines of log name the call that it was asked by, where one is known.
        let supervised = Arc::clone(self).supervise(run, Arc::clone(&control));
        self.tracker.spawn(supervised.in_current_span());
        control
    }

    /// Runs a deliberation to its end, through failures of the store, or until the engine halts.
    async fn supervise(self: Arc<Self>, mut run: Run, control: Arc<Control>) {
        let id = run.writer.id();
        loop {
            let ended = tokio::select! {
                ended = self.run_once(run, &control) => ended,
                // The writer stays in the map, so that the log is handed over and not given up.
                () = self.halting.cancelled() => return,
            };
            let again = match ended {
                Ok(()) | Err(Closed::Ended | Closed::Deleted | Closed::Fenced) => None,
                Err(Closed::KeyTaken | Closed::Released | Closed::Damaged) => None,
                Err(Closed::Unavailable) => self.reclaim(id, &control).await,
            };
            match again {
                Some(again) => {
                    if let Some(running) = self.running().get_mut(&id) {
                        running.writer = again.writer.clone();
                    }
                    run = again;
                }
                None => break,
            }
        }
        self.running().remove(&id);
        control.done.cancel();
    }

    async fn run_once(&self, run: Run, control: &Arc<Control>) -> Result<(), Closed> {
        let rooms = &self.rooms;
        let began = tokio::time::Instant::now();
        let writer = run.writer.clone();
        let stage = Arc::new(Stage {
            writer: run.writer,
            env: rooms.env.clone(),
            models: rooms.models.clone(),
            breakers: Arc::clone(&self.breakers),
            meter: Meter::new(
                run.setup.council.budget,
                rooms.prices.clone(),
                run.setup.spent,
            ),
            state_key: rooms.state_key.clone(),
            began,
            paused_before: control.pauses.total(),
            control: Arc::clone(control),
            notes: Mutex::new(run.memory.notes.clone()),
            whole_end: began + run.setup.council.deadlines.whole,
            root: SpanId::new(&rooms.env),
            setup: run.setup,
        });
        if run.memory.is_paused {
            control.pauses.pause();
        } else {
            control.pauses.resume();
        }
        let run = deliberation::run(stage, run.memory, run.has_begun);
        let last = Box::pin(run).await?;
        writer.commit(last).await?;
        if control.is_suspended() {
            // Its readers have all of it now, and nothing more comes here.
            rooms.logs.hand_over(writer.id()).await;
        }
        Ok(())
    }

    /// Takes the deliberation over again once the store is back; `None` when somebody else did, or
    /// when it never was stored.
    async fn reclaim(&self, id: DeliberationId, control: &Control) -> Option<Run> {
        let mut wait = Duration::from_millis(500);
        loop {
            tokio::select! {
                () = sleep(wait) => {}
                () = self.halting.cancelled() => return None,
            }
            if control.is_discarded() {
                return None;
            }
            match self.rooms.logs.take_over(id).await {
                Ok(taken) => return Run::again(taken),
                Err(error) if error.is_temporary() => {
                    tracing::warn!(%id, %error, "the store does not take the deliberation yet");
                }
                Err(error) => {
                    tracing::info!(%id, %error, "the deliberation is not ours any more");
                    return None;
                }
            }
            wait = (wait * 2).min(Duration::from_secs(5));
        }
    }

    /// Takes the verbs that other processes left for deliberations that run here.
    async fn listen(self: Arc<Self>) {
        loop {
            let posted = tokio::select! {
                posted = self.rooms.logs.posted() => posted,
                () = self.halting.cancelled() => return,
            };
            for (id, verb) in posted {
                match serde_json::from_slice::<Posted>(&verb.0) {
                    Ok(posted) => {
                        let Some(control) = self.control(id) else {
                            self.put_back(id, verb).await;
                            continue;
                        };
                        if posted.act == (Act::Stop { agent: None }) {
                            control.halt(Halt::asked(&posted.by));
                        } else if !control.order(Order::from(posted)) {
                            tracing::warn!(%id, "too many verbs wait: one is dropped");
                        }
                    }
                    Err(error) => tracing::warn!(%id, %error, "a posted verb does not read"),
                }
            }
        }
    }
}

impl Run {
    /// Lets one that nobody ran go on, and leaves the record of it; tells whether it was paused.
    pub(crate) fn resume(&mut self, told: Told<'_>, rooms: &Rooms) -> Result<bool, Error> {
        let was_paused = std::mem::take(&mut self.memory.is_paused);
        let mut bodies = Vec::new();
        if let Some(key) = told.key {
            let (order, _) = Order::new(Act::Resume, told.by, key.to_owned());
            let digest = order.act.digest();
            let is_repeated = self.memory.keys.contains_key(key);
            self.memory
                .keys
                .entry(key.to_owned())
                .or_insert(Some(digest));
            bodies.push(stage::record(
                &rooms.env,
                None,
                RECORD,
                order.record(!is_repeated, None),
            ));
        }
        if was_paused {
            bodies.push(Body::Resumed(Resumed {
                by: told.by.to_owned(),
                reason: "asked".to_owned(),
            }));
        }
        match self.writer.append_all(bodies) {
            Ok(_) => Ok(was_paused),
            Err(closed) => Err(Error::closed(&rooms.logs, closed)),
        }
    }

    /// Makes the run that goes on where a log was taken over.
    pub(crate) fn again(taken: Takeover) -> Option<Self> {
        let setup = match serde_json::from_slice(&taken.setup) {
            Ok(setup) => setup,
            Err(error) => {
                let id = taken.writer.id();
                tracing::error!(%id, %error, "the deliberation's setup does not read");
                return None;
            }
        };
        Some(Run {
            memory: Memory::of(&taken.events),
            writer: taken.writer,
            setup,
            has_begun: false,
        })
    }
}

impl Setup {
    /// Makes what the log keeps of this deliberation beside its events.
    fn new_log(&self, id: DeliberationId, key: Option<&Idempotency>) -> Result<New, Error> {
        let setup = serde_json::to_vec(self)
            .map_err(|error| Error::Unavailable(format!("the setup does not write: {error}")))?;
        Ok(New {
            id,
            setup: Bytes::from(setup),
            key: key.map(|key| Key {
                identity: key.identity.clone(),
                key: key.key.clone(),
                body_sha256: key.body_sha256,
            }),
            title: title(&self.question),
            preset: self.council.name.clone(),
            lang: self.lang.code().to_owned(),
            question: self.question.clone(),
            context: self.context.clone(),
            conversation_id: self.conversation_id.clone(),
            fork_of: self.fork_of,
        })
    }

    /// Makes the first events, which are one commit: `start`, `sages_start`, every sage's first
    /// `agent_start`, and the whole lane of a sage whose vote is reused.
    fn first(&self, id: DeliberationId, env: &Env) -> Vec<Body> {
        let sages = self.council.sages();
        let sage_count = u32::try_from(sages.len()).unwrap_or(0);
        let mut first = vec![
            Body::Start(self.start(id)),
            Body::SagesStart(SagesStart { sage_count }),
        ];
        first.extend(self.replacements(env));
        first.extend(self.inherited(env));
        for sage in sages {
            if self.reused.contains_key(&sage) {
                continue;
            }
            if let Some(role) = self.role(sage.into()) {
                first.push(Body::AgentStart(
                    sage,
                    AgentStart {
                        attempt: 1,
                        provider: role.model.provider.clone(),
                        model: role.model.model.clone(),
                    },
                ));
            }
        }
        first
    }
}

/// The longest title, in characters.
const LONGEST_TITLE: usize = 80;

/// Makes a title of a question: its first line, shortened.
fn title(question: &str) -> String {
    let line = question.trim().lines().next().unwrap_or_default().trim();
    let mut title: String = line.chars().take(LONGEST_TITLE).collect();
    if title.len() < line.len() {
        title.push('…');
    }
    title
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("running", &self.n_running())
            .finish_non_exhaustive()
    }
}
