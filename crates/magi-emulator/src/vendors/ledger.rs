//! What the fakes saw: one entry per request, for tests to count attempts, tokens and leavings.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use magi_event::Agent;
use serde::Serialize;
use tokio::sync::watch;

use super::ask::Vendor;
use super::wire::Conn;

/// One request and what became of it. Times are milliseconds since the emulator started.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Entry {
    /// The request's number, from 0.
    pub id: u64,
    /// The wire it came on.
    pub vendor: Vendor,
    /// The model's name as asked for.
    pub model: String,
    /// The member of the council that the prompt names, if one.
    pub role: Option<Agent>,
    /// Which attempt on this model it is, from 1.
    pub attempt: u32,
    /// Which attempt on this model by this role it is, from 1: words such as `-once` count this one.
    pub role_attempt: u32,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// When the request was read whole.
    pub arrived_ms: u64,
    /// The answer's HTTP status; `None` before it, and when there was none.
    pub status: Option<u16>,
    /// When the first token left, if one did.
    pub first_token_ms: Option<u64>,
    /// Tokens of the whole answer: reasoning, text and tool arguments.
    pub tokens_planned: usize,
    /// Tokens handed to the connection.
    pub tokens_sent: usize,
    /// Bytes of the body handed to the connection.
    pub bytes_sent: u64,
    /// Tokens that the fake still made for the connection after the client's end was seen closed.
    pub tokens_after_close: usize,
    /// Bytes written to the socket after the client's end was seen closed, up to the moment at which the
    /// entry is read: they are counted on after the answer's end.
    pub bytes_after_close: u64,
    /// When the client's end was seen closed, if that came before the answer's end.
    pub client_closed_ms: Option<u64>,
    /// When the answer ended.
    pub ended_ms: Option<u64>,
    /// How the answer ended.
    pub end: Option<End>,
    /// What the fake voted, where it did.
    pub decision: Option<String>,
    /// The tag it found in the prompt, where it did.
    pub tag: Option<String>,
    /// The visible text of the whole answer as planned, to compare with what was shown.
    pub text: String,
    /// The request's headers; a key is replaced by its length.
    pub headers: BTreeMap<String, String>,
    /// The request's body; `null` when it is not kept.
    pub body: serde_json::Value,
    /// The connection of an answer that has ended.
    #[serde(skip)]
    pub(crate) conn: Option<Arc<Conn>>,
}

impl Entry {
    /// Returns the entry with what its connection has counted by now.
    fn by_now(&self) -> Entry {
        let mut entry = self.clone();
        if let Some(conn) = &self.conn {
            entry.bytes_after_close = conn.bytes_after_close();
        }
        entry
    }
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum End {
    /// Everything planned was sent, faults of content included.
    Sent,
    /// The client left first.
    ClientClosed,
    /// The fake closed the connection in the middle.
    Cut,
    /// The fake reset the connection.
    Reset,
    /// The emulator was stopped first.
    Stopped,
}

/// The entries of one emulator; clones share them.
#[derive(Clone, Debug)]
pub struct Ledger(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    started: tokio::time::Instant,
    keep: usize,
}

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<Entry>,
    next: u64,
    attempts: HashMap<(String, Option<&'static str>), u32>,
    by_model: HashMap<String, u32>,
    first_seen: HashMap<String, u64>,
}

/// What is known of a request when it arrives.
pub(crate) struct Arrival {
    pub(crate) vendor: Vendor,
    pub(crate) model: String,
    pub(crate) role: Option<Agent>,
    pub(crate) stream: bool,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: serde_json::Value,
}

/// The numbers a request gets on arrival.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    pub(crate) id: u64,
    pub(crate) role_attempt: u32,
    /// How long ago the model was asked for the first time.
    pub(crate) model_age: Duration,
}

impl Ledger {
    /// Makes an empty ledger that keeps the newest `keep` entries.
    pub(crate) fn new(keep: usize) -> Self {
        Ledger(Arc::new(Inner {
            state: Mutex::default(),
            changed: watch::Sender::new(0),
            started: tokio::time::Instant::now(),
            keep,
        }))
    }

    /// Returns the entries kept, oldest first.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().entries.iter().map(Entry::by_now).collect()
    }

    /// Returns the entries of one model, oldest first.
    #[must_use]
    pub fn of(&self, model: &str) -> Vec<Entry> {
        self.lock()
            .entries
            .iter()
            .filter(|entry| entry.model == model)
            .map(Entry::by_now)
            .collect()
    }

    /// Returns how many requests came, whether still kept or not.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.lock().next
    }

    /// Forgets all entries and attempts, so that `-once` words hold again.
    pub fn clear(&self) {
        let mut state = self.lock();
        *state = State {
            next: state.next,
            ..State::default()
        };
        drop(state);
        self.touch();
    }

    /// Waits until `ready` holds for the entries, or `limit` has passed; returns the entries and
    /// whether it did.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: it only looks.
    pub async fn until(
        &self,
        limit: Duration,
        ready: impl Fn(&[Entry]) -> bool,
    ) -> (Vec<Entry>, bool) {
        self.wait(limit, || self.entries(), ready).await
    }

    /// Waits as [`Ledger::until`] does, for the entries of one model.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: it only looks.
    pub async fn until_of(
        &self,
        model: &str,
        limit: Duration,
        ready: impl Fn(&[Entry]) -> bool,
    ) -> (Vec<Entry>, bool) {
        self.wait(limit, || self.of(model), ready).await
    }

    async fn wait(
        &self,
        limit: Duration,
        look: impl Fn() -> Vec<Entry>,
        ready: impl Fn(&[Entry]) -> bool,
    ) -> (Vec<Entry>, bool) {
        let mut changes = self.0.changed.subscribe();
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            changes.borrow_and_update();
            let entries = look();
            if ready(&entries) {
                return (entries, true);
            }
            match tokio::time::timeout_at(deadline, changes.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return (entries, false),
            }
        }
    }

    /// Writes a new request down.
    pub(crate) fn arrive(&self, arrival: Arrival) -> Ticket {
        let mut state = self.lock();
        // Read under the lock, so that later numbers never have earlier times.
        let now = self.now_ms();
        let id = state.next;
        state.next += 1;
        let first_seen = *state.first_seen.entry(arrival.model.clone()).or_insert(now);
        let attempt = bump(state.by_model.entry(arrival.model.clone()).or_default());
        let key = (arrival.model.clone(), arrival.role.map(Agent::name));
        let role_attempt = bump(state.attempts.entry(key).or_default());
        if state.entries.len() >= self.0.keep {
            state.entries.pop_front();
        }
        state.entries.push_back(Entry {
            id,
            vendor: arrival.vendor,
            model: arrival.model,
            role: arrival.role,
            attempt,
            role_attempt,
            stream: arrival.stream,
            arrived_ms: now,
            status: None,
            first_token_ms: None,
            tokens_planned: 0,
            tokens_sent: 0,
            bytes_sent: 0,
            tokens_after_close: 0,
            bytes_after_close: 0,
            client_closed_ms: None,
            ended_ms: None,
            end: None,
            decision: None,
            tag: None,
            text: String::new(),
            headers: arrival.headers,
            body: arrival.body,
            conn: None,
        });
        drop(state);
        self.touch();
        Ticket {
            id,
            role_attempt,
            model_age: Duration::from_millis(now - first_seen),
        }
    }

    /// Changes the entry of a request, if it is still kept.
    pub(crate) fn note(&self, id: u64, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self
            .lock()
            .entries
            .iter_mut()
            .rev()
            .find(|entry| entry.id == id)
        {
            change(entry);
        }
        self.touch();
    }

    /// Returns milliseconds since the emulator started: the clock of the entries.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.0.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn touch(&self) {
        self.0.changed.send_modify(|version| *version += 1);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bump(count: &mut u32) -> u32 {
    *count += 1;
    *count
}

/// Copies headers for the ledger: values of keys and cookies are replaced by their length.
pub(crate) fn safe_headers(headers: &http::HeaderMap) -> BTreeMap<String, String> {
    let secret = |name: &str| matches!(name, "authorization" | "x-api-key" | "api-key" | "cookie");
    headers
        .iter()
        .map(|(name, value)| {
            let text = if secret(name.as_str()) {
                format!("({} bytes)", value.len())
            } else {
                String::from_utf8_lossy(value.as_bytes()).into_owned()
            };
            (name.as_str().to_owned(), text)
        })
        .collect()
}
