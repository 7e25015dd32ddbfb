//! `POST /invocations`: AgentCore's one way in, through which every verb is also an action.
//!
//! A body without `action` and `preset` is the original's call.

use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use magi_council::Door;
use magi_event::{Cursor, DeliberationId, Status};
use schemars::JsonSchema;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::answer::Json;
use crate::app::App;
use crate::deliberations::{self, Question};
use crate::dialects::Dialect;
use crate::observer::observe;
use crate::problem::Problem;
use crate::trust::SESSION_HEADER;
use crate::verbs::{self, Said, Verb};
use crate::{Caller, about, elsewhere, intake, probe, stream};

/// What a body may ask for, `ask` where it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    /// Put a question and stream its events.
    #[default]
    Ask,
    /// Stream the events of `id` after `after`.
    Events,
    /// Where a deliberation stands, in a few words.
    Status,
    /// All that is known of it.
    Snapshot,
    /// What this door can do.
    Capabilities,
    /// Test whether a hop on the way buffers.
    Probe,
    /// Say that a probe's frame was seen.
    Ack,
    /// Stop a deliberation, or one of its council.
    Stop,
    /// Let a sage, the judge or all sages begin another attempt.
    Retry,
    /// Tell the council something.
    Note,
    /// Hold before the next model call.
    Pause,
    /// Go on with one: by `id` where it is kept, or by the `state` that a `paused` at a deadline
    /// gave, which streams the events of the deliberation that goes on.
    Resume,
    /// Judge the stored votes again, in a linked deliberation.
    Rejudge,
    /// Go on from it in a linked deliberation.
    Fork,
}

/// The actions that are no verbs.
const OTHERS: [&str; 7] = [
    "ask",
    "events",
    "status",
    "snapshot",
    "capabilities",
    "probe",
    "ack",
];

impl Action {
    fn read(body: &Map<String, Value>) -> Result<Option<Action>, Problem> {
        let Some(name) = deliberations::text(body, "action")? else {
            return Ok(None);
        };
        let action = match name.as_str() {
            "ask" => Action::Ask,
            "events" => Action::Events,
            "status" => Action::Status,
            "snapshot" => Action::Snapshot,
            "capabilities" => Action::Capabilities,
            "probe" => Action::Probe,
            "ack" => Action::Ack,
            word => match Verb::read(word) {
                Some(Verb::Stop) => Action::Stop,
                Some(Verb::Retry) => Action::Retry,
                Some(Verb::Note) => Action::Note,
                Some(Verb::Pause) => Action::Pause,
                Some(Verb::Resume) => Action::Resume,
                Some(Verb::Rejudge) => Action::Rejudge,
                Some(Verb::Fork) => Action::Fork,
                None => return Err(verbs::unknown(word, "this door", &OTHERS)),
            },
        };
        Ok(Some(action))
    }

    /// Tells whether it needs what an earlier request began.
    const fn looks_back(self, has_state: bool) -> bool {
        match self {
            Action::Ask | Action::Capabilities | Action::Probe => false,
            Action::Resume => !has_state,
            Action::Events
            | Action::Status
            | Action::Snapshot
            | Action::Ack
            | Action::Stop
            | Action::Retry
            | Action::Note
            | Action::Pause
            | Action::Rejudge
            | Action::Fork => true,
        }
    }

    const fn streams(self, has_state: bool) -> bool {
        match self {
            Action::Ask | Action::Events | Action::Probe => true,
            Action::Resume => has_state,
            Action::Status
            | Action::Snapshot
            | Action::Capabilities
            | Action::Ack
            | Action::Stop
            | Action::Retry
            | Action::Note
            | Action::Pause
            | Action::Rejudge
            | Action::Fork => false,
        }
    }
}

fn has_state(body: &Map<String, Value>) -> bool {
    body.get("state").is_some_and(|state| !state.is_null())
}

/// Tells whether a body of `POST /invocations` is answered by a stream, so that a relay's own refusal
/// takes the same form. What does not read is refused in a stream, too.
#[must_use]
pub fn streams(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Peeked {
        action: Option<Action>,
        state: Option<IgnoredAny>,
    }
    serde_json::from_slice::<Peeked>(body).map_or(true, |peeked| {
        let action = peeked.action.unwrap_or_default();
        action.streams(peeked.state.is_some())
    })
}

/// `POST /invocations`.
pub(crate) async fn invoke(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    let body = intake::object(request, app.declared())
        .await
        .map_err(Problem::in_stream)?;
    let action = Action::read(&body).map_err(Problem::in_stream)?;
    let streams = action.unwrap_or_default().streams(has_state(&body));
    let invocation = Invocation {
        app: &app,
        caller: &caller,
        headers: &headers,
        body,
    };
    invocation.run(action).await.map_err(|problem| {
        if streams {
            problem.in_stream()
        } else {
            problem.in_json()
        }
    })
}

struct Invocation<'a> {
    app: &'a App,
    caller: &'a Caller,
    headers: &'a HeaderMap,
    body: Map<String, Value>,
}

impl Invocation<'_> {
    async fn run(self, action: Option<Action>) -> Result<Response, Problem> {
        let app = self.app;
        let has_state = has_state(&self.body);
        if !app.config.finds_again && action.is_some_and(|action| action.looks_back(has_state)) {
            return Err(elsewhere::refusal("this action").at("action"));
        }
        match action {
            None => {
                let classic = !self.body.contains_key("preset");
                self.ask(classic).await
            }
            Some(Action::Ask) => self.ask(false).await,
            Some(Action::Events) => self.events().await,
            Some(Action::Status) => Ok(Json(status(app, self.id()?).await?).into_response()),
            Some(Action::Snapshot) => {
                let (snapshot, _) = app.logs.snapshot(self.id()?).await?;
                Ok(Json(snapshot).into_response())
            }
            Some(Action::Capabilities) => Ok(Json(about::capabilities(app)).into_response()),
            Some(Action::Probe) => self.probe(),
            Some(Action::Ack) => self.ack(),
            Some(Action::Stop) => self.say(Verb::Stop).await,
            Some(Action::Retry) => self.say(Verb::Retry).await,
            Some(Action::Note) => self.say(Verb::Note).await,
            Some(Action::Pause) => self.say(Verb::Pause).await,
            Some(Action::Rejudge) => self.say(Verb::Rejudge).await,
            Some(Action::Fork) => self.say(Verb::Fork).await,
            Some(Action::Resume) if has_state => self.resume_state().await,
            Some(Action::Resume) => self.say(Verb::Resume).await,
        }
    }

    async fn say(self, verb: Verb) -> Result<Response, Problem> {
        let said = Said {
            app: self.app,
            caller: self.caller,
            id: self.id()?,
        };
        Ok(Json(said.run(verb, self.body).await?).into_response())
    }

    async fn ask(self, classic: bool) -> Result<Response, Problem> {
        let question = Question::read(self.body, self.headers, classic)?;
        let asked = deliberations::ask(self.app, self.caller, &question).await?;
        let after = question.place(&asked)?;
        let dialect = question.dialect;
        stream::open(self.app, stream::From { after, dialect }).await
    }

    fn dialect(&self) -> Result<Dialect, Problem> {
        match deliberations::text(&self.body, "dialect")? {
            Some(name) => deliberations::dialect(&name),
            None => Ok(Dialect::Native),
        }
    }

    /// Goes on from signed state: a linked deliberation, streamed like a question.
    async fn resume_state(self) -> Result<Response, Problem> {
        let app = self.app;
        let dialect = self.dialect()?;
        let state = deliberations::text(&self.body, "state")?.unwrap_or_default();
        let door = Door {
            identity: self.caller.identity.clone(),
            called: self.caller.called.clone(),
            capabilities: app.capabilities(),
            classic: false,
        };
        let asked = app.engine.resume_state(&state, &door).await?;
        observe(app, asked.id);
        let after = Cursor::start(asked.id);
        stream::open(app, stream::From { after, dialect }).await
    }

    async fn events(self) -> Result<Response, Problem> {
        let after = deliberations::text(&self.body, "after")?;
        let dialect = self.dialect()?;
        let after = deliberations::place(self.id()?, after.as_deref(), "after")?;
        // What the platform's front makes of an answer without a body is written nowhere. Behind it
        // the stream ends at once, and `status` tells that it is over.
        let behind_a_front = self.headers.contains_key(SESSION_HEADER);
        if !behind_a_front && deliberations::has_seen_all(self.app, after).await? {
            return Ok(deliberations::seen_all());
        }
        stream::open(self.app, stream::From { after, dialect }).await
    }

    /// Returns the deliberation that is meant: `id`, or the one whose place `after` is.
    fn id(&self) -> Result<DeliberationId, Problem> {
        if let Some(id) = deliberations::text(&self.body, "id")? {
            return deliberations::deliberation(&id);
        }
        deliberations::text(&self.body, "after")?
            .and_then(|after| after.parse::<Cursor>().ok())
            .map(|cursor| cursor.deliberation)
            .ok_or_else(|| Problem::field("id", "`id` is missing: name the deliberation"))
    }

    fn probe(self) -> Result<Response, Problem> {
        let asked: ProbeBody = intake::typed(self.body)?;
        probe::run(
            self.app,
            probe::Asked {
                frames: asked.frames.unwrap_or(5),
                acked: asked.ack.unwrap_or(true),
            },
        )
    }

    fn ack(self) -> Result<Response, Problem> {
        let seen: AckBody = intake::typed(self.body)?;
        self.app.probes.ack(&seen.probe, seen.frame)?;
        Ok(Json(json!({ "seen": seen.frame })).into_response())
    }
}

/// The body of the action `probe`.
#[derive(Debug, Deserialize)]
struct ProbeBody {
    frames: Option<u32>,
    ack: Option<bool>,
}

/// The body of the action `ack`.
#[derive(Debug, Deserialize)]
struct AckBody {
    probe: String,
    frame: u32,
}

/// Where a deliberation stands.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Standing {
    id: DeliberationId,
    status: Status,
    /// The place of the last stored event.
    cursor: Cursor,
}

async fn status(app: &App, id: DeliberationId) -> Result<Standing, Problem> {
    let head = app.logs.head(id).await?;
    Ok(Standing {
        id,
        status: head.status,
        cursor: head.cursor(),
    })
}
