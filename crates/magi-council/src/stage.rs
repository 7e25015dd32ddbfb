//! What all tasks of one deliberation share, and the spans of their work.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use magi_event::{Agent, Body, Note, Sage, Timestamp, Trace};
use magi_log::{Closed, Env, Writer};
use magi_model::Registry;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::StateKey;
use crate::breaker::{Breaker, Breakers};
use crate::control::Control;
use crate::lane::millis;
use crate::meter::Meter;
use crate::setup::Setup;

/// What all tasks of one deliberation share.
pub(crate) struct Stage {
    pub(crate) writer: Writer,
    pub(crate) env: Env,
    pub(crate) models: Registry,
    /// Which providers are left alone, for all deliberations of this process.
    pub(crate) breakers: Arc<Breakers>,
    pub(crate) setup: Setup,
    pub(crate) meter: Meter,
    /// Signs what a suspended deliberation leaves; absent: it leaves nothing to go on from.
    pub(crate) state_key: Option<StateKey>,
    /// When this generation began.
    pub(crate) began: Instant,
    /// When the whole must have ended.
    pub(crate) whole_end: Instant,
    /// How long all pauses had taken when this generation began.
    pub(crate) paused_before: Duration,
    /// Who pauses, stops and orders.
    pub(crate) control: Arc<Control>,
    /// What the council was told on the way. A plain mutex: held to add or copy a few texts.
    pub(crate) notes: Mutex<Vec<Note>>,
    /// The span of the whole.
    pub(crate) root: SpanId,
}

fn is_told(note: &Note, agent: Agent) -> bool {
    agent == Agent::Judge || note.to == ALL || note.to == agent.name()
}

/// The `to` of a note that everybody is told.
pub(crate) const ALL: &str = "all";

/// The id of a span: 16 lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SpanId(String);

/// A span of work that has begun.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) id: SpanId,
    parent: Option<SpanId>,
    name: &'static str,
    sage: Option<Sage>,
    started_at: Timestamp,
    began: Instant,
    attributes: Map<String, Value>,
}

impl SpanId {
    /// Makes a new id.
    pub(crate) fn new(env: &Env) -> Self {
        SpanId(format!("{:016x}", env.entropy.u64()))
    }
}

impl Stage {
    fn told(&self) -> MutexGuard<'_, Vec<Note>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a note.
    pub(crate) fn tell(&self, note: Note) {
        self.told().push(note);
    }

    /// Returns every note so far.
    pub(crate) fn notes(&self) -> Vec<Note> {
        self.told().clone()
    }

    /// Returns the texts of the notes that a member is told: the judge is told all, a sage those to
    /// all and to itself.
    pub(crate) fn notes_for(&self, agent: Agent) -> Vec<String> {
        let notes = self.told();
        let own = notes.iter().filter(|note| is_told(note, agent));
        own.map(|note| note.text.clone()).collect()
    }

    /// Tells whether there is a note to a member among those after the first `heard`.
    pub(crate) fn has_news(&self, agent: Agent, heard: usize) -> bool {
        let notes = self.told();
        notes.iter().skip(heard).any(|note| is_told(note, agent))
    }

    /// Returns when a sage that begins now must have ended: the judge's time is kept aside from the
    /// whole, and what somebody asks for later has a sage's time of its own.
    pub(crate) fn sages_end(&self, is_asked_for: bool) -> Instant {
        let deadlines = &self.setup.council.deadlines;
        let kept = if self.setup.council.has_judge() {
            deadlines.judge_total
        } else {
            Duration::ZERO
        };
        let end = self.whole_end.checked_sub(kept).unwrap_or(self.whole_end);
        let end = end + self.paused();
        if is_asked_for {
            end.max(Instant::now() + deadlines.sage_total)
        } else {
            end
        }
    }

    /// Returns the milliseconds that this generation took, those paused left out.
    pub(crate) fn took_ms(&self) -> u64 {
        millis(self.began.elapsed().saturating_sub(self.paused()))
    }

    /// Returns how long this generation was paused.
    fn paused(&self) -> Duration {
        let all = self.control.pauses.total();
        all.saturating_sub(self.paused_before)
    }

    /// Makes a span that begins now, without telling anybody.
    pub(crate) fn span(
        &self,
        parent: &SpanId,
        name: &'static str,
        sage: Option<Sage>,
        attributes: Value,
    ) -> Span {
        Span {
            id: SpanId::new(&self.env),
            parent: Some(parent.clone()),
            name,
            sage,
            started_at: self.env.clock.now(),
            began: Instant::now(),
            attributes: map(attributes),
        }
    }

    /// Begins a span and appends it as started.
    pub(crate) fn begin(
        &self,
        parent: &SpanId,
        name: &'static str,
        sage: Option<Sage>,
        attributes: Value,
    ) -> Result<Span, Closed> {
        let span = self.span(parent, name, sage, attributes);
        self.writer.append(span.started())?;
        Ok(span)
    }

    /// Ends a span and appends it.
    pub(crate) fn end(&self, span: &Span, attributes: Value) -> Result<(), Closed> {
        self.writer.append(span.ended(attributes))?;
        Ok(())
    }

    /// Makes the span of the whole deliberation, as far as this generation has it.
    pub(crate) fn root_span(&self, attributes: Value) -> Span {
        let since = i64::try_from(millis(self.began.elapsed())).unwrap_or(i64::MAX);
        Span {
            id: self.root.clone(),
            parent: None,
            name: "deliberation",
            sage: None,
            started_at: self.env.clock.now().plus_millis(-since),
            began: self.began,
            attributes: map(attributes),
        }
    }

    /// Appends events that become visible together, after the time that the last commit took.
    pub(crate) fn milestone(&self, bodies: Vec<Body>) -> Result<u64, Closed> {
        let mut all = Vec::with_capacity(bodies.len() + 1);
        all.extend(self.last_commit());
        all.extend(bodies);
        self.writer.append_all(all)
    }

    fn last_commit(&self) -> Option<Body> {
        let took = millis(self.writer.last_commit()?);
        let trace = Trace {
            span_id: SpanId::new(&self.env).0,
            parent_id: Some(self.root.0.clone()),
            name: "commit".to_owned(),
            started_at: self
                .env
                .clock
                .now()
                .plus_millis(-i64::try_from(took).unwrap_or(i64::MAX)),
            duration_ms: Some(took),
            attributes: Map::new(),
        };
        Some(Body::Trace(None, trace))
    }

    /// Appends that a provider's breaker changed.
    pub(crate) fn breaker(&self, provider: &str, became: Option<Breaker>) -> Result<(), Closed> {
        let Some(state) = became else { return Ok(()) };
        let attributes = json!({"provider": provider, "state": state});
        self.writer.append(self.record("breaker", attributes))?;
        Ok(())
    }

    /// Makes the event that records something that happened at once.
    pub(crate) fn record(&self, name: &str, attributes: Value) -> Body {
        record(&self.env, Some(&self.root), name, attributes)
    }
}

impl Span {
    /// Makes the event that says that the span began.
    pub(crate) fn started(&self) -> Body {
        self.body(None, self.attributes.clone())
    }

    /// Makes the event that says that the span ended now.
    pub(crate) fn ended(&self, attributes: Value) -> Body {
        let mut all = self.attributes.clone();
        all.extend(map(attributes));
        self.body(Some(millis(self.began.elapsed())), all)
    }

    fn body(&self, duration_ms: Option<u64>, attributes: Map<String, Value>) -> Body {
        let trace = Trace {
            span_id: self.id.0.clone(),
            parent_id: self.parent.as_ref().map(|parent| parent.0.clone()),
            name: self.name.to_owned(),
            started_at: self.started_at,
            duration_ms,
            attributes,
        };
        Body::Trace(self.sage, trace)
    }
}

/// Makes the event that records something that happened at once.
pub(crate) fn record(env: &Env, parent: Option<&SpanId>, name: &str, attributes: Value) -> Body {
    let trace = Trace {
        span_id: SpanId::new(env).0,
        parent_id: parent.map(|parent| parent.0.clone()),
        name: name.to_owned(),
        started_at: env.clock.now(),
        duration_ms: Some(0),
        attributes: map(attributes),
    };
    Body::Trace(None, trace)
}

fn map(attributes: Value) -> Map<String, Value> {
    match attributes {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
