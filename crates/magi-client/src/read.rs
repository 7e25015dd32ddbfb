//! Reading one deliberation to its end, over as many connections as that takes.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, Method, Response, StatusCode, header};
use magi_event::{
    Body as EventBody, Cursor, DecodeError, DeliberationId, Event, Snapshot, Status, Timestamp, sse,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::call::{Call, Server};
use crate::invocations::action;
use crate::problem::date;
use crate::socket::{Opened, Socket};
use crate::source::{Pulled, Source};
use crate::{Body, Door, Error, Problem, TransportError};

/// A server's own word on how long to wait is honoured up to this.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);
/// An event this much older than the server's clock at the answer was there before us.
const FRESH_MS: i64 = 1000;
/// Gaps at one place that a new connection may mend before the stream itself is called broken.
const MAX_GAPS: u32 = 3;

/// One event of a deliberation.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its place in the log: a later reading goes on from here.
    pub cursor: Cursor,
    /// The event.
    pub event: Event,
    /// Whether it happened before this connection caught up: show it, but do not announce it.
    pub replay: bool,
}

/// Where the connection stands.
#[derive(Clone, Debug)]
pub enum State {
    /// A request is on its way: the n-th in a row without a new event.
    Connecting {
        /// Which one it is, from 1.
        attempt: u32,
    },
    /// The server answered with a stream.
    Live {
        /// Whether it goes on after an earlier connection.
        resumed: bool,
    },
    /// The next request goes out after a while.
    Waiting {
        /// The request that was in vain, from 1.
        attempt: u32,
        /// How long it waits from now on.
        delay: Duration,
        /// What went wrong; absent when the stream merely ended.
        reason: Option<Arc<Error>>,
    },
    /// The deliberation is over and nothing more will come.
    Over,
    /// This door's deadline came: the deliberation goes on by `resume` with the state that the
    /// last event, `paused`, carries; without a state it cannot go on.
    Paused,
}

/// What a reading gives, in order; each event exactly once.
#[derive(Clone, Debug)]
pub enum Step {
    /// The next event. After a `rewind` what came above its `to` is void: the fold takes it back.
    Entry(Box<Entry>),
    /// The log no longer keeps what was asked for: this stands for everything up to its cursor.
    Snapshot(Box<Snapshot>),
    /// The connection's state changed.
    State(State),
}

/// A deliberation as it comes. It ends after [`State::Over`], [`State::Paused`] or an error.
///
/// Leaving is not stopping: dropping it closes the connection, and the deliberation goes on.
///
/// # Cancel safety
///
/// A future of the next step may be dropped at any time: nothing is lost, and the request or wait
/// under way goes on with the next poll.
pub struct Reading {
    steps: BoxStream<'static, Result<Step, Error>>,
}

impl Reading {
    pub(crate) fn new(server: Arc<Server>, origin: Origin, after: Option<Cursor>) -> Self {
        let reader = Reader {
            origin,
            cursor: after,
            attempt: 1,
            gaps: 0,
            resumed: after.is_some(),
            is_paused: false,
            retry: server.options.retry,
            ready: VecDeque::new(),
            phase: Phase::Connect,
            server,
        };
        let steps = stream::unfold(reader, |mut reader| async move {
            let step = reader.next().await?;
            Some((step, reader))
        });
        Reading {
            steps: Box::pin(steps),
        }
    }

    /// Returns the next step, `None` at the end.
    pub async fn next(&mut self) -> Option<Result<Step, Error>> {
        self.steps.next().await
    }
}

impl Stream for Reading {
    type Item = Result<Step, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.steps.as_mut().poll_next(cx)
    }
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reading").finish_non_exhaustive()
    }
}

/// What a reading begins with.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// A question; `made_key` when its idempotency key is ours.
    Question {
        body: Map<String, Value>,
        made_key: bool,
    },
    /// A deliberation that is there already.
    Log(DeliberationId),
    /// What a suspended deliberation left.
    State(String),
}

/// What a reader does next.
enum Phase {
    Connect,
    Request,
    Live(Box<Live>),
    Wait(Duration),
    FromSnapshot(DeliberationId, Problem),
    Failed(Error),
    Done,
}

/// A connection that gives events.
struct Live {
    source: Source,
    /// Events before this instant were there before us; none are, once one was not.
    caught_up: Option<Timestamp>,
    has_events: bool,
}

struct Reader {
    server: Arc<Server>,
    origin: Origin,
    /// The last place read.
    cursor: Option<Cursor>,
    /// The connection in a row without a new event, from 1.
    attempt: u32,
    gaps: u32,
    resumed: bool,
    is_paused: bool,
    retry: Duration,
    /// What the last bytes completed: as much as one read brings.
    ready: VecDeque<Step>,
    phase: Phase,
}

/// What one read came to.
enum Came {
    /// Events, or nothing whole yet.
    Events,
    /// The last event.
    End,
    /// Something at which the connection is given up.
    Fault(Error),
}

impl Reader {
    async fn next(&mut self) -> Option<Result<Step, Error>> {
        loop {
            if let Some(step) = self.ready.pop_front() {
                return Some(Ok(step));
            }
            let turn = match std::mem::replace(&mut self.phase, Phase::Done) {
                Phase::Connect => {
                    let attempt = self.attempt;
                    self.say(State::Connecting { attempt });
                    self.phase = Phase::Request;
                    Ok(())
                }
                Phase::Request => self.request().await,
                Phase::Live(live) => self.read(live).await,
                Phase::Wait(delay) => {
                    tokio::time::sleep(delay).await;
                    self.phase = Phase::Connect;
                    Ok(())
                }
                Phase::FromSnapshot(id, problem) => self.skip_to_snapshot(id, problem).await,
                Phase::Failed(error) => Err(error),
                Phase::Done => return None,
            };
            if let Err(error) = turn {
                return Some(Err(error));
            }
        }
    }

    fn say(&mut self, state: State) {
        self.ready.push_back(Step::State(state));
    }

    /// Returns the deliberation that is read; `None` while it is only asked for.
    fn id(&self) -> Option<DeliberationId> {
        match (&self.origin, self.cursor) {
            (_, Some(cursor)) => Some(cursor.deliberation),
            (Origin::Log(id), None) => Some(*id),
            (Origin::Question { .. } | Origin::State(_), None) => None,
        }
    }

    fn call(&self) -> Call {
        let id = match (&self.origin, self.id()) {
            (_, Some(id)) => id,
            (Origin::Log(id), None) => *id,
            (Origin::Question { body, .. }, None) => return self.ask(body.clone()),
            (Origin::State(state), None) => {
                // Every door takes it as an action, and only so: its answer is a stream.
                let state = ("state".to_owned(), state.clone().into());
                return action("resume", Map::from_iter([state])).stream();
            }
        };
        match self.server.options.door {
            Door::Api | Door::Socket => Call::about(Method::GET, id, &["events"])
                .after(self.cursor)
                .stream(),
            Door::Invocations => {
                let mut fields = Map::from_iter([("id".to_owned(), id.to_string().into())]);
                if let Some(cursor) = self.cursor {
                    fields.insert("after".into(), cursor.to_string().into());
                }
                action("events", fields).stream()
            }
        }
    }

    fn ask(&self, body: Map<String, Value>) -> Call {
        match self.server.options.door {
            Door::Api | Door::Socket => Call::new(Method::POST, &["v1", "deliberations"])
                .body(body)
                .stream(),
            Door::Invocations => action("ask", body).stream(),
        }
    }

    /// Sends the request that comes next and sees what kind of answer it gets.
    async fn request(&mut self) -> Result<(), Error> {
        let is_state = matches!((&self.origin, self.cursor), (Origin::State(_), None));
        if self.server.options.door == Door::Socket && !is_state {
            return self.open().await;
        }
        let (head, body) = match self.server.send(self.call()).await {
            Ok(answer) => answer.into_parts(),
            Err(error) => return self.again(Some(error)),
        };
        if head.status == StatusCode::NO_CONTENT {
            self.say(State::Over);
            return Ok(());
        }
        let kind = head.headers.get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if head.status.is_success() && kind.starts_with("text/event-stream") {
            let decoder = sse::Decoder::new(self.server.options.max_event_bytes);
            self.live(&head.headers, Source::Stream(body, decoder));
            return Ok(());
        }
        self.no_stream(Response::from_parts(head, body)).await
    }

    /// Opens a WebSocket: the deliberation's own, or one on which the question is put.
    async fn open(&mut self) -> Result<(), Error> {
        let call = match self.id() {
            Some(id) => {
                let after = self.cursor.map(|cursor| ("after", cursor.to_string()));
                Call::about(Method::GET, id, &["ws"]).query(after.into_iter().collect())
            }
            None => Call::new(Method::GET, &["ws"]),
        };
        let (headers, mut socket) = match Socket::open(&self.server, call).await {
            Ok(Opened::Socket(headers, socket)) => (headers, socket),
            Ok(Opened::Refused(answer)) => return self.no_stream(answer).await,
            Err(error) => return self.again(Some(error)),
        };
        if let (Origin::Question { body, .. }, None) = (&self.origin, self.cursor)
            && let Err(error) = socket.say("ask", body.clone()).await
        {
            return self.again(Some(error));
        }
        self.live(&headers, Source::Socket(socket));
        Ok(())
    }

    /// Goes on with a connection that gives events.
    fn live(&mut self, headers: &HeaderMap, source: Source) {
        let caught_up =
            date(headers).map(|now| Timestamp::from_millis(now.as_millisecond() - FRESH_MS));
        let resumed = self.resumed;
        self.say(State::Live { resumed });
        self.phase = Phase::Live(Box::new(Live {
            source,
            caught_up,
            has_events: false,
        }));
    }

    /// Reads an answer that is no stream: a refusal.
    async fn no_stream(&mut self, answer: Response<Body>) -> Result<(), Error> {
        let (head, body) = answer.into_parts();
        let bytes = match self.server.collect(body).await {
            Ok(bytes) => bytes,
            Err(error) => return self.again(Some(error)),
        };
        if !head.status.is_success() {
            return self.refused(Problem::of_answer(head.status, &head.headers, &bytes));
        }
        let frame = serde_json::from_slice(&bytes).unwrap_or_default();
        if let Some(problem) = Problem::of_door_frame(&frame) {
            return self.refused(problem);
        }
        let kind = head.headers.get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        Err(Error::Contract(format!(
            "`{kind}` instead of an event stream"
        )))
    }

    /// Decides what a refusal means for the reading.
    fn refused(&mut self, problem: Problem) -> Result<(), Error> {
        if let (410, Some(id)) = (problem.status, self.id()) {
            self.phase = Phase::FromSnapshot(id, problem);
            return Ok(());
        }
        if let (None, Origin::Question { body, made_key }) = (self.cursor, &mut self.origin) {
            let names_key = problem.field.as_deref() == Some("idempotency_key");
            if problem.status == 400 && names_key && std::mem::take(made_key) {
                // This door keeps no keys: the question goes out without one, once.
                body.remove("idempotency_key");
                self.phase = Phase::Request;
                return Ok(());
            }
        }
        self.again(Some(problem.into()))
    }

    /// Reads what comes next on the connection.
    async fn read(&mut self, mut live: Box<Live>) -> Result<(), Error> {
        let pulled = match live.source.pull(&self.server).await {
            Ok(Some(pulled)) => pulled,
            Ok(None) if self.is_paused => {
                self.say(State::Paused);
                return Ok(());
            }
            Ok(None) if !live.has_events && self.is_over().await => {
                self.say(State::Over);
                return Ok(());
            }
            Ok(None) => return self.again(None),
            Err(error) => return self.again(Some(error)),
        };
        self.retry = pulled.retry.unwrap_or(self.retry);
        match self.accept(&mut live, pulled) {
            Came::Events => self.phase = Phase::Live(live),
            Came::End => self.say(State::Over),
            // What came before the fault is given first.
            Came::Fault(error) => {
                if let Err(error) = self.fault(error) {
                    self.phase = Phase::Failed(error);
                }
            }
        }
        Ok(())
    }

    /// Tells whether the last event is read already. A door of actions, whose 204 a front may lose,
    /// and a socket, which has none, then end without an event, and are asked.
    async fn is_over(&mut self) -> bool {
        let cursor = match (self.server.options.door, self.cursor) {
            (Door::Invocations | Door::Socket, Some(cursor)) => cursor,
            (Door::Api, _) | (_, None) => return false,
        };
        let id = cursor.deliberation.to_string().into();
        let call = action("status", Map::from_iter([("id".to_owned(), id)]));
        // Whatever is wrong with this answer will be wrong with the next connection too.
        let standing = self.server.json(call).await.unwrap_or_default();
        let status = standing.get("status").map(Status::deserialize);
        let end = standing.get("cursor").map(Cursor::deserialize);
        matches!((status, end), (Some(Ok(status)), Some(Ok(end))) if status.is_over() && end == cursor)
    }

    fn fault(&mut self, fault: Error) -> Result<(), Error> {
        match fault {
            Error::NotFound(problem)
            | Error::Conflict(problem)
            | Error::Gone(problem)
            | Error::Refused(problem) => self.refused(*problem),
            other => self.again(Some(other)),
        }
    }

    /// Turns messages into steps, up to the last event or a fault.
    fn accept(&mut self, live: &mut Live, pulled: Pulled) -> Came {
        for message in pulled.messages {
            match self.take(&message) {
                Ok(None) => {}
                Ok(Some(mut entry)) => {
                    live.caught_up = live.caught_up.filter(|at| entry.event.timestamp < *at);
                    entry.replay = live.caught_up.is_some();
                    live.has_events = true;
                    let is_last = entry.event.body.is_last();
                    self.ready.push_back(Step::Entry(Box::new(entry)));
                    if is_last {
                        return Came::End;
                    }
                }
                Err(fault) => return Came::Fault(fault),
            }
        }
        pulled.fault.map_or(Came::Events, Came::Fault)
    }

    /// Reads one message: an event that is new, or nothing; a door frame is a fault.
    fn take(&mut self, message: &sse::Message) -> Result<Option<Entry>, Error> {
        let event = match Event::from_json(message.data.as_bytes()) {
            Ok(event) => event,
            Err(error) => return not_an_event(message, error).map(|()| None),
        };
        let cursor = self.place(message, &event);
        if !self.is_new(cursor, &event)? {
            return Ok(None);
        }
        self.cursor = Some(cursor);
        self.attempt = 1;
        self.gaps = 0;
        self.resumed = true;
        self.is_paused = matches!(&event.body, EventBody::Paused(paused) if paused.is_deadline());
        Ok(Some(Entry {
            cursor,
            event,
            replay: false,
        }))
    }

    /// Returns the event's place: its id, or where it must be when a front lost the id.
    fn place(&self, message: &sse::Message, event: &Event) -> Cursor {
        let id = message.id.as_deref().and_then(|id| id.parse().ok());
        let generation = self.cursor.map_or(1, |cursor| cursor.generation);
        let is_rewind = matches!(event.body, EventBody::Rewind(_));
        id.filter(|id: &Cursor| id.seq == event.seq)
            .unwrap_or(Cursor {
                deliberation: event.trace_id,
                generation: generation.saturating_add(u32::from(is_rewind)),
                seq: event.seq,
            })
    }

    /// Holds the rule of the log: `seq` rises by one, and a new generation begins by taking back.
    fn is_new(&mut self, cursor: Cursor, event: &Event) -> Result<bool, Error> {
        let Some(at) = self.cursor else {
            return if cursor.seq <= 1 {
                Ok(true)
            } else {
                Err(self.gap(0, cursor.seq))
            };
        };
        if cursor.deliberation != at.deliberation {
            let both = format!("an event of {} in {}", cursor.deliberation, at.deliberation);
            return Err(Error::Contract(both));
        }
        if (cursor.generation, cursor.seq) <= (at.generation, at.seq) {
            return Ok(false);
        }
        let follows = match &event.body {
            EventBody::Rewind(rewind) => rewind.to <= at.seq && cursor.generation > at.generation,
            _ => cursor.generation == at.generation && cursor.seq == at.seq + 1,
        };
        if follows {
            Ok(true)
        } else {
            Err(self.gap(at.seq, cursor.seq))
        }
    }

    /// Something is missing between two events: it is read again from the last good place.
    fn gap(&mut self, from: u64, to: u64) -> Error {
        self.gaps += 1;
        let message = format!("event {to} came after event {from}");
        if self.gaps < MAX_GAPS {
            Error::Unreachable(TransportError::new(message, false))
        } else {
            Error::Contract(message)
        }
    }

    /// Waits for another connection, or gives up.
    fn again(&mut self, reason: Option<Error>) -> Result<(), Error> {
        if let Some(error) = reason.as_ref()
            && !error.is_transient()
        {
            return reason.map_or(Ok(()), Err);
        }
        let cut = || Error::Unreachable(TransportError::new("the stream was cut", false));
        let is_safe = match (&self.origin, self.cursor) {
            (Origin::Question { body, .. }, None) => {
                body.contains_key("idempotency_key")
                    || reason.as_ref().is_some_and(Error::nothing_began)
            }
            // Sent twice it would be paid for twice.
            (Origin::State(_), None) => reason.as_ref().is_some_and(Error::nothing_began),
            (Origin::Question { .. } | Origin::State(_), Some(_)) | (Origin::Log(_), _) => true,
        };
        if !is_safe {
            return Err(reason.unwrap_or_else(cut));
        }
        let attempt = self.attempt;
        if attempt >= self.server.options.max_attempts {
            return Err(Error::GaveUp {
                attempts: attempt,
                last: Arc::new(reason.unwrap_or_else(cut)),
            });
        }
        self.attempt += 1;
        let delay = self.delay(attempt, reason.as_ref());
        self.say(State::Waiting {
            attempt,
            delay,
            reason: reason.map(Arc::new),
        });
        self.phase = Phase::Wait(delay);
        Ok(())
    }

    /// Returns how long to wait: doubled each time, half of it random, never under what the
    /// server asks for.
    fn delay(&self, attempt: u32, reason: Option<&Error>) -> Duration {
        let doubled = self.retry.saturating_mul(1 << (attempt - 1).min(16));
        let most = doubled.min(self.server.options.max_delay);
        let random = (self.server.options.entropy)() % 1024;
        let jittered = most / 2 + most / 2 * u32::try_from(random).unwrap_or(0) / 1024;
        let asked = reason
            .and_then(Error::problem)
            .and_then(|problem| problem.retry_after);
        jittered.max(asked.unwrap_or_default().min(MAX_RETRY_AFTER))
    }

    /// Goes on from the snapshot where the log no longer keeps what is asked for.
    async fn skip_to_snapshot(
        &mut self,
        id: DeliberationId,
        problem: Problem,
    ) -> Result<(), Error> {
        // A log that refuses its own snapshot's cursor would send us round for ever.
        self.attempt += 1;
        if self.attempt > self.server.options.max_attempts {
            return Err(problem.into());
        }
        match self.server.snapshot(id).await {
            Ok(snapshot) => {
                self.cursor = Some(snapshot.cursor);
                self.resumed = true;
                let is_over = snapshot.status.is_over();
                self.ready.push_back(Step::Snapshot(Box::new(snapshot)));
                if is_over {
                    self.say(State::Over);
                } else {
                    self.phase = Phase::Connect;
                }
                Ok(())
            }
            Err(error) => self.again(Some(error)),
        }
    }
}

/// Passes over what is not ours: some fronts let other output through between the events.
fn not_an_event(message: &sse::Message, error: DecodeError) -> Result<(), Error> {
    let Ok(Value::Object(frame)) = serde_json::from_str(&message.data) else {
        return Ok(());
    };
    if let Some(problem) = Problem::of_door_frame(&frame) {
        return Err(problem.into());
    }
    if frame.contains_key("type") && frame.contains_key("seq") {
        return Err(Error::Event(error));
    }
    Ok(())
}
