//! A Lambda function: instances that are started when needed, one invocation at a time each.
//!
//! An instance is a process; it is warm until the function is stopped, because a process cannot be frozen
//! from outside as AWS freezes an instance between invocations. What AWS would bill is counted.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::account::{Account, uuid_of};
use super::held::Held;
use super::launch::Start;
use super::runtime_api::{Api, Failure, Flow, Invocation, Phase, Said};

/// How many invocations the ledger keeps; older ones are forgotten.
const KEPT: usize = 4_096;

/// A function's settings.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FunctionConfig {
    /// Its name.
    pub name: String,
    /// What makes an instance.
    pub start: Start,
    /// How long an invocation may take; then its instance is killed.
    pub timeout: Duration,
    /// How long an instance may take until it asks for its first invocation.
    ///
    /// Source: AWS Lambda Developer Guide, "Understanding the Lambda execution environment lifecycle" (10 s).
    pub init_timeout: Duration,
    /// Instances at once; more invocations are throttled.
    pub concurrency: usize,
    /// Memory, as its environment says, in MB.
    pub memory_mb: u32,
    /// The buffers of the runtime API's sockets, in bytes, each way, with segments as on a network; the
    /// system's choice if not said.
    pub socket_buffer: Option<u32>,
}

impl FunctionConfig {
    /// Settings of a function: 900 s, 10 s to start, 10 instances, 256 MB.
    #[must_use]
    pub fn new(name: &str, start: Start) -> Self {
        FunctionConfig {
            name: name.to_owned(),
            start,
            timeout: Duration::from_secs(900),
            init_timeout: Duration::from_secs(10),
            concurrency: 10,
            memory_mb: 256,
            socket_buffer: None,
        }
    }
}

/// One invocation that is over.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Billed {
    /// The request's id.
    pub id: String,
    /// Which instance took it, counted from 0.
    pub instance: u64,
    /// The instance's start, if this invocation caused it, in milliseconds.
    pub init_ms: Option<u64>,
    /// From the hand-over to the instance's asking for the next one, in milliseconds; this is what is billed.
    pub billed_ms: u64,
    /// Bytes of the response, prelude included.
    pub bytes: u64,
    /// Bytes of it that came after the client had left.
    pub unread: u64,
    /// Why it has no whole response, if so.
    pub failure: Option<Failure>,
}

impl Billed {
    fn new(id: String, instance: u64) -> Self {
        Billed {
            id,
            instance,
            init_ms: None,
            billed_ms: 0,
            bytes: 0,
            unread: 0,
            failure: None,
        }
    }
}

/// A function and its instances; clones share it.
#[derive(Clone, Debug)]
pub struct Function(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: FunctionConfig,
    account: Account,
    pool: Mutex<Pool>,
    /// Marked whenever the pool changes.
    changed: watch::Sender<()>,
    stop: CancellationToken,
    tracker: TaskTracker,
}

#[derive(Debug, Default)]
struct Pool {
    idle: Vec<Arc<Instance>>,
    live: usize,
    started: u64,
    running: usize,
    ledger: VecDeque<Billed>,
    over: u64,
    apis: Vec<SocketAddr>,
}

/// One instance and its runtime API.
#[derive(Debug)]
struct Instance {
    number: u64,
    api: Arc<Api>,
    dead: CancellationToken,
}

/// What a front asks of a function.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) id: String,
    pub(crate) trace: String,
    pub(crate) event: Bytes,
    pub(crate) flow: Flow,
    pub(crate) held: Held,
}

/// All instances are busy and no more may be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Throttled;

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Function {
    /// Makes a function; its instances are started when they are needed, on `tracker`, until `stop`.
    #[must_use]
    pub fn new(
        config: FunctionConfig,
        account: Account,
        stop: CancellationToken,
        tracker: TaskTracker,
    ) -> Self {
        Function(Arc::new(Inner {
            config,
            account,
            pool: Mutex::default(),
            changed: watch::Sender::new(()),
            stop,
            tracker,
        }))
    }

    /// Returns the function's ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        let Inner {
            account, config, ..
        } = &*self.0;
        let (region, id) = (account.region(), account.id());
        format!("arn:aws:lambda:{region}:{id}:function:{}", config.name)
    }

    /// Returns the invocations that are over, oldest first.
    #[must_use]
    pub fn billed(&self) -> Vec<Billed> {
        self.0.lock().ledger.iter().cloned().collect()
    }

    /// Returns how many invocations go on now.
    #[must_use]
    pub fn running(&self) -> usize {
        self.0.lock().running
    }

    /// Returns how many instances live now.
    #[must_use]
    pub fn instances(&self) -> usize {
        self.0.lock().live
    }

    /// Returns where the runtime APIs of the instances that live listen.
    #[must_use]
    pub fn apis(&self) -> Vec<SocketAddr> {
        self.0.lock().apis.clone()
    }

    /// Waits until `holds` is true of the function; it is asked again whenever something changes.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: it only looks.
    pub async fn until(&self, holds: impl Fn(&Function) -> bool) {
        let mut changed = self.0.changed.subscribe();
        while !holds(self) {
            // The sender lives as long as the function.
            let _ = changed.changed().await;
        }
    }

    pub(crate) fn account(&self) -> &Account {
        &self.0.account
    }

    /// Invokes the function. The invocation goes on if the receiver is dropped: a client that leaves stops nothing.
    pub(crate) fn invoke(&self, ask: Ask) -> Result<oneshot::Receiver<Said>, Throttled> {
        let taken = self.0.take().ok_or(Throttled)?;
        let (reply, said) = oneshot::channel();
        let inner = Arc::clone(&self.0);
        let arn = self.arn();
        self.0.tracker.spawn(async move {
            tokio::select! {
                () = inner.carry(taken, ask, arn, reply) => {}
                () = inner.stop.cancelled() => {}
            }
            inner.change(|pool| pool.running -= 1);
        });
        Ok(said)
    }
}

/// Who takes an invocation.
enum Taken {
    Warm(Arc<Instance>),
    Cold(u64),
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Pool)) {
        change(&mut self.lock());
        self.changed.send_replace(());
    }

    /// Takes the instance that was used last, or a place for a new one.
    fn take(&self) -> Option<Taken> {
        let mut pool = self.lock();
        while let Some(instance) = pool.idle.pop() {
            if !instance.dead.is_cancelled() {
                pool.running += 1;
                return Some(Taken::Warm(instance));
            }
        }
        if pool.live >= self.config.concurrency {
            return None;
        }
        pool.running += 1;
        Some(Taken::Cold(pool.place()))
    }

    async fn carry(
        self: &Arc<Self>,
        mut taken: Taken,
        ask: Ask,
        arn: String,
        reply: oneshot::Sender<Said>,
    ) {
        let mut reply = reply;
        loop {
            let (instance, init_ms) = match taken {
                Taken::Warm(instance) => (instance, None),
                Taken::Cold(number) => {
                    let started = Instant::now();
                    match self.begin(number).await {
                        Ok(instance) => (instance, Some(ms(started.elapsed()))),
                        Err(failure) => {
                            // The client may be gone; then nobody is told.
                            let _ = reply.send(Said::Failed(failure.clone()));
                            let init_ms = Some(ms(started.elapsed()));
                            let billed = Billed {
                                init_ms,
                                failure: Some(failure),
                                ..Billed::new(ask.id, number)
                            };
                            return self.end(billed, None);
                        }
                    }
                }
            };
            let (done, over) = oneshot::channel();
            let timeout = self.config.timeout;
            let deadline_ms = self.account.now().as_millisecond()
                + i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX / 2);
            instance.api.hand(Invocation {
                id: ask.id.clone(),
                token: uuid_of(fastrand::u128(..)),
                trace: ask.trace.clone(),
                arn: arn.clone(),
                event: ask.event.clone(),
                flow: ask.flow,
                held: ask.held.clone(),
                deadline_ms,
                reply,
                done,
            });
            let started = Instant::now();
            let ended = tokio::select! {
                ended = over => ended.is_ok(),
                () = instance.dead.cancelled() => false,
                () = tokio::time::sleep(timeout) => {
                    instance.api.fail(&Failure::Timeout);
                    instance.dead.cancel();
                    false
                }
            };
            if !ended && let Some(untouched) = instance.api.take_back() {
                // It ended while it waited: the invocation never began, so another instance takes it.
                instance.dead.cancel();
                reply = untouched.reply;
                taken = Taken::Cold(self.lock().place());
                continue;
            }
            if !ended {
                instance.api.fail(&Failure::Exit);
            }
            let current = instance.api.over();
            let billed = Billed {
                init_ms,
                billed_ms: ms(started.elapsed()),
                bytes: current.bytes,
                unread: current.unread,
                failure: current.failure,
                ..Billed::new(ask.id, instance.number)
            };
            self.end(billed, ended.then_some(instance));
            return;
        }
    }

    /// Writes down an invocation that is over, and keeps its instance warm if it lives.
    fn end(&self, billed: Billed, alive: Option<Arc<Instance>>) {
        self.change(|pool| {
            pool.write(billed);
            pool.idle.extend(alive);
        });
    }

    /// Starts an instance and waits until it asks for an invocation.
    async fn begin(self: &Arc<Self>, number: u64) -> Result<Arc<Instance>, Failure> {
        let dead = self.stop.child_token();
        let started = Api::start(self.config.socket_buffer, dead.clone(), &self.tracker).await;
        let (api, addr) = match started {
            Ok(started) => started,
            Err(error) => {
                self.lock().live -= 1;
                return Err(Failure::Init(error.to_string()));
            }
        };
        let instance = Arc::new(Instance {
            number,
            api: Arc::clone(&api),
            dead: dead.clone(),
        });
        self.lock().apis.push(addr);
        let (inner, over) = (Arc::clone(self), dead.clone());
        let api_at = addr.to_string();
        // A guard: whoever waits here may leave, but an instance that was never ready must not stay.
        let unready = dead.clone().drop_guard();
        self.tracker.spawn(async move {
            inner.live(&api_at, &over).await;
            over.cancel();
            inner.change(|pool| {
                pool.live -= 1;
                pool.apis.retain(|api| *api != addr);
            });
        });
        let mut phase = api.phase();
        let ready = tokio::select! {
            biased;
            ready = phase.wait_for(|phase| *phase != Phase::Starting) => {
                ready.map(|_| ()).map_err(|_| Failure::Exit)
            }
            words = api.init_error() => Err(Failure::Init(words)),
            () = dead.cancelled() => Err(Failure::Init("the instance ended before it was ready".to_owned())),
            () = tokio::time::sleep(self.config.init_timeout) => Err(Failure::InitTimeout),
        };
        ready?;
        unready.disarm();
        Ok(instance)
    }

    /// Runs an instance until it ends by itself or is killed.
    async fn live(&self, api: &str, dead: &CancellationToken) {
        match &self.config.start {
            Start::Here(start) => {
                tokio::select! {
                    () = start(api.to_owned()) => {}
                    () = dead.cancelled() => {}
                }
            }
            Start::Command(launch) => match launch.spawn(&self.env(api)) {
                Ok(mut child) => {
                    tokio::select! {
                        ended = child.wait() => tracing::debug!(?ended, "an instance ended"),
                        () = dead.cancelled() => {
                            // It may have ended at the same moment.
                            let _ = child.kill().await;
                        }
                    }
                }
                Err(error) => {
                    let program = launch.program.display();
                    tracing::error!(%program, %error, "an instance cannot be started");
                }
            },
        }
    }

    /// The environment of an instance.
    ///
    /// Source: AWS Lambda Developer Guide, "Defined runtime environment variables".
    fn env(&self, api: &str) -> [(&'static str, String); 14] {
        let name = &self.config.name;
        let day = self.account.now().strftime("%Y/%m/%d");
        let stream = format!("{day}/[$LATEST]{:032x}", fastrand::u128(..));
        [
            ("AWS_LAMBDA_RUNTIME_API", api.to_owned()),
            ("AWS_LAMBDA_FUNCTION_NAME", name.clone()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            (
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
                self.config.memory_mb.to_string(),
            ),
            ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}")),
            ("AWS_LAMBDA_LOG_STREAM_NAME", stream),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
            ("_HANDLER", "bootstrap".to_owned()),
            ("LAMBDA_TASK_ROOT", "/var/task".to_owned()),
            ("LAMBDA_RUNTIME_DIR", "/var/runtime".to_owned()),
            ("TZ", ":UTC".to_owned()),
            ("AWS_REGION", self.account.region().to_owned()),
            ("AWS_DEFAULT_REGION", self.account.region().to_owned()),
            ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023".to_owned()),
        ]
    }
}

impl Pool {
    /// Makes a place for a new instance.
    fn place(&mut self) -> u64 {
        self.live += 1;
        self.started += 1;
        self.started - 1
    }

    fn write(&mut self, billed: Billed) {
        if self.ledger.len() == KEPT {
            self.ledger.pop_front();
        }
        self.ledger.push_back(billed);
        self.over += 1;
    }
}
