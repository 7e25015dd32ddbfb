//! The sessions of runtimes: each has one container process, found again by its id until it ends.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::process::Child;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::agentcore::{Container, RuntimeConfig};
use super::agentcore_upstream as upstream;
use super::held::Held;
use super::launch::Launch;
use super::sigv4::Refusal;

/// Pings without an answer after which a container is given up.
const PINGS_LOST: u32 = 3;

/// How often a container that starts is asked whether it listens.
const START_PING: Duration = Duration::from_millis(5);

/// Ended sessions kept to be looked at.
const ENDED_KEPT: usize = 1_000;

/// Which session: of a runtime, at one of its endpoints, by the caller's id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) runtime: String,
    pub(crate) qualifier: String,
    pub(crate) session: String,
}

/// One session as it is, or as it was when it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SessionView {
    /// The runtime's id.
    pub runtime: String,
    /// The endpoint's name.
    pub qualifier: String,
    /// The session's id.
    pub session: String,
    /// How far it is.
    pub phase: Phase,
    /// Where its container listens.
    pub address: Option<SocketAddr>,
    /// Its container's process, if it was started here.
    pub pid: Option<u32>,
    /// Requests sent to the container.
    pub requests: u64,
    /// Requests that the container has not answered to their end.
    pub open: u64,
    /// What the last answered ping said.
    pub ping: Option<Ping>,
}

/// How far a session is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// Its container starts; another request gets a retryable conflict.
    Starting,
    /// Its container answers.
    Ready,
    /// Its container is being ended; a request gets a retryable conflict.
    Stopping,
    /// It is over, and why. The same id begins a new session.
    Ended(Over),
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Over {
    /// `StopRuntimeSession`, or the emulator was stopped.
    Stopped,
    /// Nothing happened for the idle timeout.
    Idle,
    /// It lived for its longest time.
    Lifetime,
    /// Its process ended by itself.
    Exited,
    /// It answered no ping.
    Unhealthy,
    /// It never answered its first ping, or could not be started.
    NeverStarted,
}

/// What a container says about itself.
///
/// Source: AgentCore Runtime service contract, "HTTP protocol contract", `/ping`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Ping {
    /// Nothing goes on beside the open requests.
    Healthy,
    /// Work goes on without an open request.
    HealthyBusy,
}

#[derive(Deserialize)]
struct PingBody {
    status: Ping,
    time_of_last_update: Option<f64>,
}

/// All sessions of one data plane; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Sessions(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    tracker: TaskTracker,
    stop: CancellationToken,
    held: Held,
}

#[derive(Debug, Default)]
struct State {
    live: HashMap<Key, Arc<Session>>,
    ended: VecDeque<SessionView>,
    begun: HashMap<String, VecDeque<Instant>>,
}

#[derive(Debug)]
pub(crate) struct Session {
    key: Key,
    runtime: Arc<RuntimeConfig>,
    state: Mutex<Now>,
    phase: watch::Sender<Phase>,
    /// Asks for the end.
    end: CancellationToken,
    /// The container is gone, or about to be: streams from it break off.
    gone: CancellationToken,
    sessions: Sessions,
    /// What the relays of this session hold.
    held: Held,
}

#[derive(Debug)]
struct Now {
    address: Option<SocketAddr>,
    pid: Option<u32>,
    requests: u64,
    open: u64,
    ping: Option<Ping>,
    /// When something last went on.
    active: Instant,
}

/// A request's hold on a session: while it lasts, the session is not idle.
#[derive(Debug)]
pub(crate) struct Lease(Arc<Session>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.change(|now| {
            now.open -= 1;
            now.active = Instant::now();
        });
    }
}

impl Lease {
    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.0
    }

    /// Waits until the container answers and tells where; `None` if it never will.
    pub(crate) async fn ready(&self) -> Option<SocketAddr> {
        let mut phases = self.0.phase.subscribe();
        let phase = phases.wait_for(|phase| *phase != Phase::Starting).await;
        match phase.as_deref() {
            Ok(Phase::Ready) => self.0.now().address,
            Ok(_) | Err(_) => None,
        }
    }
}

impl Session {
    /// Notes that something went on.
    pub(crate) fn touch(&self) {
        self.now().active = Instant::now();
    }

    /// Is cancelled when the container is gone.
    pub(crate) fn gone(&self) -> &CancellationToken {
        &self.gone
    }

    pub(crate) fn held(&self) -> &Held {
        &self.held
    }

    fn view(&self) -> SessionView {
        let phase = self.phase.borrow().clone();
        let now = self.now();
        SessionView {
            runtime: self.key.runtime.clone(),
            qualifier: self.key.qualifier.clone(),
            session: self.key.session.clone(),
            phase,
            address: now.address,
            pid: now.pid,
            requests: now.requests,
            open: now.open,
            ping: now.ping,
        }
    }

    fn change(&self, change: impl FnOnce(&mut Now)) {
        change(&mut self.now());
        self.sessions.touch();
    }

    fn set(&self, phase: Phase) {
        self.phase.send_replace(phase);
        self.sessions.touch();
    }

    fn now(&self) -> std::sync::MutexGuard<'_, Now> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the container, watches it and ends it.
    async fn keep(self: Arc<Self>) {
        let mut child = None;
        let over = match self.start(&mut child).await {
            Ok(address) => {
                self.change(|now| {
                    now.address = Some(address);
                    now.active = Instant::now();
                });
                self.set(Phase::Ready);
                self.watch(address, &mut child).await
            }
            Err(over) => over,
        };
        self.set(Phase::Stopping);
        self.gone.cancel();
        if let Some(child) = &mut child {
            // A microVM is taken away, not asked: the container gets no signal to attend to.
            let _ = child.kill().await;
        }
        self.sessions.over(&self, over);
    }

    async fn start(&self, child: &mut Option<Child>) -> Result<SocketAddr, Over> {
        let limit = tokio::time::sleep(self.runtime.start_limit);
        tokio::pin!(limit);
        let starting = async {
            tokio::time::sleep(self.runtime.start_delay).await;
            let address = match &self.runtime.container {
                Container::At(address) => *address,
                Container::Command(launch) => {
                    let (launch, address) = on_free_port(launch).await.ok()?;
                    let mut started = launch.spawn(&[]).ok()?;
                    self.change(|now| now.pid = started.id());
                    let listening = listens(address, self.runtime.ping_limit);
                    tokio::select! {
                        () = listening => {}
                        _ = started.wait() => return None,
                    }
                    *child = Some(started);
                    address
                }
            };
            listens(address, self.runtime.ping_limit).await;
            Some(address)
        };
        tokio::select! {
            address = starting => address.ok_or(Over::NeverStarted),
            () = &mut limit => Err(Over::NeverStarted),
            () = self.end.cancelled() => Err(Over::Stopped),
        }
    }

    /// Returns when the session is to end.
    async fn watch(&self, address: SocketAddr, child: &mut Option<Child>) -> Over {
        let lifetime = tokio::time::sleep(self.runtime.max_lifetime);
        tokio::pin!(lifetime);
        let mut ticks = tokio::time::interval(self.runtime.ping_every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut lost = 0;
        let mut changed = None;
        loop {
            tokio::select! {
                biased;
                () = self.end.cancelled() => return Over::Stopped,
                () = exited(child) => return Over::Exited,
                () = &mut lifetime => return Over::Lifetime,
                _ = ticks.tick() => {}
            }
            let ping = tokio::select! {
                ping = ping(address, self.runtime.ping_limit) => ping,
                () = self.end.cancelled() => return Over::Stopped,
                () = exited(child) => return Over::Exited,
            };
            let Some(ping) = ping else {
                lost += 1;
                if lost >= PINGS_LOST {
                    return Over::Unhealthy;
                }
                continue;
            };
            lost = 0;
            // The first time a container names is where counting begins; a later one is a change.
            let moved = ping.time_of_last_update > changed && changed.is_some();
            changed = ping.time_of_last_update.or(changed);
            let mut idle = Duration::ZERO;
            self.change(|now| {
                let turned = now.ping.is_some_and(|before| before != ping.status);
                if now.open > 0 || ping.status == Ping::HealthyBusy || moved || turned {
                    now.active = Instant::now();
                }
                now.ping = Some(ping.status);
                idle = now.active.elapsed();
            });
            if idle >= self.runtime.idle_timeout {
                return Over::Idle;
            }
        }
    }
}

/// Pends for ever where there is no process of ours.
async fn exited(child: &mut Option<Child>) {
    match child {
        Some(child) => {
            let _ = child.wait().await;
        }
        None => std::future::pending().await,
    }
}

/// Takes a free port and writes it for `{port}` in the arguments and the environment, and into `PORT`.
async fn on_free_port(launch: &Launch) -> std::io::Result<(Launch, SocketAddr)> {
    // Free until the process takes it: in a container the port is its own, here it is the system's.
    let address = TcpListener::bind(("127.0.0.1", 0)).await?.local_addr()?;
    let port = address.port().to_string();
    let mut launch = launch.clone();
    for arg in &mut launch.args {
        if let Some(text) = arg.to_str() {
            *arg = text.replace("{port}", &port).into();
        }
    }
    for value in launch.env.values_mut() {
        *value = value.replace("{port}", &port);
    }
    launch.env.entry("PORT".to_owned()).or_insert(port);
    Ok((launch, address))
}

async fn listens(address: SocketAddr, limit: Duration) {
    while ping(address, limit).await.is_none() {
        tokio::time::sleep(START_PING).await;
    }
}

async fn ping(address: SocketAddr, limit: Duration) -> Option<PingBody> {
    let asked = tokio::time::timeout(limit, upstream::get(address, "/ping"));
    let (status, body) = asked.await.ok()?.ok()?;
    (status == StatusCode::OK)
        .then(|| serde_json::from_slice(&body).ok())
        .flatten()
}

impl Sessions {
    pub(crate) fn new(tracker: TaskTracker, stop: CancellationToken, held: Held) -> Self {
        Sessions(Arc::new(Inner {
            state: Mutex::default(),
            changed: watch::Sender::new(0),
            tracker,
            stop,
            held,
        }))
    }

    /// Finds the session, or begins it.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] while it starts or stops, and where a quota holds.
    pub(crate) fn open(&self, runtime: &Arc<RuntimeConfig>, key: Key) -> Result<Lease, Refusal> {
        let mut state = self.lock();
        if let Some(session) = state.live.get(&key) {
            let phase = session.phase.borrow().clone();
            if phase != Phase::Ready {
                return Err(conflict(&phase));
            }
            let session = Arc::clone(session);
            drop(state);
            session.change(|now| {
                now.open += 1;
                now.requests += 1;
                now.active = Instant::now();
            });
            return Ok(Lease(session));
        }
        let of_runtime = |session: &&Arc<Session>| session.key.runtime == key.runtime;
        if state.live.values().filter(of_runtime).count() >= runtime.active_sessions {
            return Err(Refusal::new(
                StatusCode::PAYMENT_REQUIRED,
                "ServiceQuotaExceededException",
                "maxVms limit exceeded",
            ));
        }
        let now = Instant::now();
        let begun = state.begun.entry(key.runtime.clone()).or_default();
        while begun
            .front()
            .is_some_and(|at| now - *at >= Duration::from_secs(60))
        {
            begun.pop_front();
        }
        if begun.len() >= runtime.new_sessions_per_minute {
            return Err(throttled());
        }
        begun.push_back(now);
        let session = Arc::new(Session {
            key: key.clone(),
            runtime: Arc::clone(runtime),
            state: Mutex::new(Now {
                address: None,
                pid: None,
                requests: 1,
                open: 1,
                ping: None,
                active: now,
            }),
            phase: watch::Sender::new(Phase::Starting),
            end: self.0.stop.child_token(),
            gone: CancellationToken::new(),
            sessions: self.clone(),
            held: self.0.held.of_one(),
        });
        state.live.insert(key, Arc::clone(&session));
        drop(state);
        self.0.tracker.spawn(Arc::clone(&session).keep());
        self.touch();
        Ok(Lease(session))
    }

    /// Ends a session and waits until its container is gone; `false` if there is none.
    pub(crate) async fn stop(&self, key: &Key) -> bool {
        let Some(session) = self.lock().live.get(key).cloned() else {
            return false;
        };
        session.end.cancel();
        let mut phases = session.phase.subscribe();
        let _ = phases
            .wait_for(|phase| matches!(phase, Phase::Ended(_)))
            .await;
        true
    }

    pub(crate) fn views(&self) -> Vec<SessionView> {
        let state = self.lock();
        let live = state.live.values().map(|session| session.view());
        state.ended.iter().cloned().chain(live).collect()
    }

    /// Returns the sessions that live, with what their relays hold.
    pub(crate) fn held(&self) -> Vec<(String, Held)> {
        let live = self.lock();
        let of = |session: &Arc<Session>| (session.key.session.clone(), session.held.clone());
        live.live.values().map(of).collect()
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    fn over(&self, session: &Arc<Session>, over: Over) {
        let mut view = session.view();
        view.phase = Phase::Ended(over);
        let mut state = self.lock();
        state.live.remove(&session.key);
        if state.ended.len() >= ENDED_KEPT {
            state.ended.pop_front();
        }
        state.ended.push_back(view);
        drop(state);
        session.set(Phase::Ended(over));
    }

    pub(crate) fn touch(&self) {
        self.0.changed.send_modify(|version| *version += 1);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn conflict(phase: &Phase) -> Refusal {
    let what = match phase {
        Phase::Starting => "created",
        Phase::Ready | Phase::Stopping | Phase::Ended(_) => "terminated",
    };
    Refusal::new(
        StatusCode::CONFLICT,
        "RetryableConflictException",
        format!("The runtime session is being {what}. Retry the request."),
    )
}

pub(crate) fn throttled() -> Refusal {
    Refusal::new(
        StatusCode::TOO_MANY_REQUESTS,
        "ThrottlingException",
        "Rate exceeded",
    )
}
