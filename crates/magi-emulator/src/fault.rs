//! A network that breaks: a TCP proxy on loopback that cuts, stalls, slices and resets.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Error;

/// What one connection suffers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// How the connection ends, if it does not end by itself.
    pub end: Option<Ending>,
    /// How the bytes toward the client are cut into writes.
    pub slice: Option<Slice>,
}

/// How a connection is ended after so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Bytes let through before it.
    pub after: u64,
    /// Which direction's bytes are counted.
    pub toward: Toward,
    /// What happens then.
    pub how: How,
}

/// A direction through the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toward {
    /// From the server to the client.
    Client,
    /// From the client to the server.
    Server,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Both sides are closed (FIN).
    Cut,
    /// The client's side is reset (RST), the server's closed.
    Reset,
    /// Nothing moves for so long, then both sides are closed.
    Stall(Duration),
}

/// Small writes toward the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Bytes per write, at least 1.
    pub bytes: usize,
    /// The pause after each write.
    pub gap: Duration,
}

/// Which connection suffers what.
#[derive(Clone, Debug)]
pub enum Plan {
    /// The first connection has the first fault, and so on; later ones have none.
    Each(Vec<Fault>),
    /// Every connection has this fault.
    All(Fault),
    /// Every connection is cut or reset somewhere, see [`Random`].
    Random(Random),
}

/// Cuts and resets at random places. Progress is guaranteed: after every 8 connections the places move
/// one whole window further back, so that a reply of any length gets through in the end.
#[derive(Clone, Copy, Debug)]
pub struct Random {
    /// The seed; the same one gives the same places.
    pub seed: u64,
    /// The fewest bytes toward the client that a connection lets through.
    pub least: u64,
    /// The most bytes at first.
    pub most: u64,
    /// After so many faults every connection is whole.
    pub faults: u64,
}

/// What went through a proxy so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections accepted.
    pub connections: u64,
    /// Connections ended by a fault.
    pub faults: u64,
    /// Bytes toward clients.
    pub toward_client: u64,
    /// Bytes toward the server.
    pub toward_server: u64,
}

/// A running proxy. Dropping it closes every connection.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    shared: Arc<Shared>,
    tracker: TaskTracker,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    plan: Mutex<Plan>,
    stop: CancellationToken,
    /// Ends the connections of now, not those to come.
    cut: Mutex<CancellationToken>,
    connections: AtomicU64,
    faults: AtomicU64,
    toward_client: AtomicU64,
    toward_server: AtomicU64,
}

/// Connections served at once; more wait to be accepted.
const CONNECTIONS: usize = 1_024;
const BUFFER: usize = 16 << 10;

impl Proxy {
    /// Listens on a free loopback port and forwards every connection to `target`.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] if no port can be had.
    pub async fn start(target: SocketAddr, plan: Plan) -> Result<Proxy, Error> {
        let addr = SocketAddr::from(([127, 0, 0, 1], 0));
        let listen = |source| Error::Listen { addr, source };
        let listener = TcpListener::bind(addr).await.map_err(listen)?;
        let addr = listener.local_addr().map_err(listen)?;
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            target,
            plan: Mutex::new(plan),
            cut: Mutex::new(stop.child_token()),
            stop,
            connections: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            toward_client: AtomicU64::new(0),
            toward_server: AtomicU64::new(0),
        });
        let tracker = TaskTracker::new();
        tracker.spawn(accept(listener, Arc::clone(&shared), tracker.clone()));
        Ok(Proxy {
            addr,
            shared,
            tracker,
        })
    }

    /// Returns the address to connect to.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns what went through.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Acquire);
        Counts {
            connections: read(&self.shared.connections),
            faults: read(&self.shared.faults),
            toward_client: read(&self.shared.toward_client),
            toward_server: read(&self.shared.toward_server),
        }
    }

    /// Cuts every connection of now, in the middle of whatever it carries.
    pub fn cut_all(&self) {
        let next = self.shared.stop.child_token();
        let old = std::mem::replace(&mut *lock(&self.shared.cut), next);
        old.cancel();
    }

    /// Closes everything and waits until all tasks are over.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: everything ends all the same.
    pub async fn stop(&self) {
        self.shared.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Decides what connection number `number` (from 0) suffers.
    fn fault(&self, number: u64) -> Fault {
        let mut plan = lock(&self.plan);
        match &mut *plan {
            Plan::Each(faults) if faults.is_empty() => Fault::default(),
            Plan::Each(faults) => faults.remove(0),
            Plan::All(fault) => fault.clone(),
            Plan::Random(random) => {
                let faults = self.faults.load(Ordering::Acquire);
                if faults >= random.faults {
                    Fault::default()
                } else {
                    random.fault(number)
                }
            }
        }
    }
}

impl Random {
    fn fault(&self, number: u64) -> Fault {
        let mut rng =
            fastrand::Rng::with_seed(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let window = self.most.saturating_sub(self.least).max(1);
        let start = self.least + window.saturating_mul(number / 8);
        let how = if rng.bool() { How::Cut } else { How::Reset };
        let after = start.saturating_add(rng.u64(0..window));
        Fault {
            end: Some(Ending {
                after,
                toward: Toward::Client,
                how,
            }),
            slice: None,
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, tracker: TaskTracker) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            () = shared.stop.cancelled() => return,
        };
        let client = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.stop.cancelled() => return,
        };
        let Ok((client, _)) = client else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let number = shared.connections.fetch_add(1, Ordering::AcqRel);
        let fault = shared.fault(number);
        let cut = lock(&shared.cut).clone();
        let shared = Arc::clone(&shared);
        tracker.spawn(async move {
            let cut_off = tokio::select! {
                () = carry(client, &shared, &fault) => false,
                () = cut.cancelled() => !shared.stop.is_cancelled(),
            };
            shared
                .faults
                .fetch_add(u64::from(cut_off), Ordering::AcqRel);
            drop(place);
        });
    }
}

/// What one direction needs to know.
struct Lane<'a> {
    limit: Option<u64>,
    slice: Option<Slice>,
    count: &'a AtomicU64,
}

/// Why a direction stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopped {
    Closed,
    AtLimit,
}

async fn carry(client: TcpStream, shared: &Shared, fault: &Fault) {
    let Ok(server) = TcpStream::connect(shared.target).await else {
        return;
    };
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let limit = |toward| {
        fault
            .end
            .filter(|end| end.toward == toward)
            .map(|end| end.after)
    };
    let down = Lane {
        limit: limit(Toward::Client),
        slice: fault.slice,
        count: &shared.toward_client,
    };
    let up = Lane {
        limit: limit(Toward::Server),
        slice: None,
        count: &shared.toward_server,
    };
    // A client may close its sending side and still read, so the request's end alone ends nothing;
    // the reply's end does.
    let stopped = tokio::select! {
        stopped = pump(&mut from_server, &mut to_client, &down) => stopped,
        stopped = async {
            let stopped = pump(&mut from_client, &mut to_server, &up).await;
            if stopped == Stopped::Closed {
                let _ = to_server.shutdown().await;
                // The server ends its reply when it sees this; if not, the client is gone anyway.
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            stopped
        } => stopped,
    };
    let Some(end) = fault.end.filter(|_| stopped == Stopped::AtLimit) else {
        return;
    };
    shared.faults.fetch_add(1, Ordering::AcqRel);
    match end.how {
        How::Cut => {}
        How::Reset => {
            if let Ok(client) = from_client.reunite(to_client) {
                // If this fails the close is an ordinary one, which the fault's test would see.
                let _ = client.set_zero_linger();
            }
        }
        How::Stall(time) => tokio::time::sleep(time).await,
    }
}

async fn pump(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, lane: &Lane<'_>) -> Stopped {
    let mut buffer = vec![0; BUFFER];
    let mut passed = 0_u64;
    loop {
        let left = lane.limit.map_or(u64::MAX, |limit| limit - passed);
        if left == 0 {
            return Stopped::AtLimit;
        }
        let room = usize::try_from(left).unwrap_or(BUFFER).min(BUFFER);
        let Ok(read @ 1..) = from.read(&mut buffer[..room]).await else {
            return Stopped::Closed;
        };
        let step = lane.slice.map_or(read, |slice| slice.bytes.max(1));
        for part in buffer[..read].chunks(step) {
            if to.write_all(part).await.is_err() {
                return Stopped::Closed;
            }
            lane.count.fetch_add(part.len() as u64, Ordering::AcqRel);
            if let Some(slice) = lane.slice {
                pause(slice.gap).await;
            }
        }
        passed += read as u64;
    }
}

/// Pauses, or at least lets the other tasks run, so that slices stay writes of their own.
async fn pause(gap: Duration) {
    if gap.is_zero() {
        tokio::task::yield_now().await;
    } else {
        tokio::time::sleep(gap).await;
    }
}
