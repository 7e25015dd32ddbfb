//! `/v1/deliberations`: ask, follow and look up.

use axum::extract::{Extension, Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use magi_council::{Ask, Asked, Door};
use magi_event::{Cursor, DeliberationId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::answer::{Json, accepts_stream};
use crate::app::App;
use crate::dialects::Dialect;
use crate::observer::observe;
use crate::problem::{Code, Problem};
use crate::stream::{self, From};
use crate::{Caller, intake};

/// A question that came through a door.
pub(crate) struct Question {
    /// The body, without what is the door's own.
    pub(crate) body: Map<String, Value>,
    /// Whether a body without `preset` is the original's call.
    pub(crate) classic: bool,
    /// Where a repeated question's stream goes on.
    pub(crate) after: Option<Cursor>,
    /// In whose words the answer comes.
    pub(crate) dialect: Dialect,
}

impl Question {
    /// Takes what is the door's own out of a body.
    ///
    /// # Errors
    ///
    /// When `after` or `dialect` is wrong.
    pub(crate) fn read(
        mut body: Map<String, Value>,
        headers: &HeaderMap,
        classic: bool,
    ) -> Result<Self, Problem> {
        let (field, after) = match last_event_id(headers)? {
            Some(id) => ("Last-Event-ID", Some(id)),
            None => ("after", text(&body, "after")?),
        };
        let after = match after.as_deref() {
            None | Some("0") => None,
            Some(after) => Some(cursor(after, field)?),
        };
        body.remove("after");
        let dialect = match text(&body, "dialect")? {
            Some(name) => dialect(&name)?,
            None => Dialect::Native,
        };
        Ok(Question {
            body,
            classic,
            after,
            dialect,
        })
    }
}

impl Question {
    /// Returns where the stream of the deliberation begins: a new one has no other place.
    ///
    /// # Errors
    ///
    /// When the cursor is of another deliberation than the key's; nothing was started then.
    pub(crate) fn place(&self, asked: &Asked) -> Result<Cursor, Problem> {
        match self.after {
            Some(after) if !asked.fresh => of(asked.id, after, "after"),
            _ => Ok(Cursor::start(asked.id)),
        }
    }
}

/// Puts a question to the council; resolves once its start is stored.
pub(crate) async fn ask(app: &App, caller: &Caller, question: &Question) -> Result<Asked, Problem> {
    if !app.config.has_store && question.body.contains_key("idempotency_key") {
        return Err(no_keys());
    }
    let preset = question.body.get("preset").and_then(Value::as_str);
    app.check_preset(preset)?;
    let door = Door {
        identity: caller.identity.clone(),
        called: caller.called.clone(),
        capabilities: app.capabilities(),
        classic: question.classic,
    };
    let mut ask = Ask::read(&Value::Object(question.body.clone()), &door)?;
    if ask.conversation_id.is_none() {
        ask.conversation_id.clone_from(&caller.session);
    }
    let asked = app.engine.ask(ask).await?;
    if asked.fresh {
        observe(app, asked.id);
    }
    Ok(asked)
}

/// Refuses a key at a door that keeps none.
pub(crate) fn no_keys() -> Problem {
    Problem::new(
        Code::Unsupported,
        "this door keeps nothing between requests",
    )
    .at("idempotency_key")
    .fix("leave the key out, or ask through a door with a store")
}

/// The answer to a question where no stream is wanted.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Accepted {
    /// The deliberation's id.
    pub(crate) id: DeliberationId,
    /// The same, under its name in the events.
    pub(crate) trace_id: DeliberationId,
    /// False when an `idempotency_key` was repeated.
    pub(crate) fresh: bool,
    /// Where its events are.
    pub(crate) events: String,
    /// The place before its first event.
    pub(crate) cursor: Cursor,
}

impl Accepted {
    pub(crate) fn of(asked: &Asked) -> Self {
        Accepted {
            id: asked.id,
            trace_id: asked.id,
            fresh: asked.fresh,
            events: format!("{}/events", address(asked.id)),
            cursor: Cursor::start(asked.id),
        }
    }
}

fn address(id: DeliberationId) -> String {
    format!("/v1/deliberations/{id}")
}

/// `POST /v1/deliberations`.
pub(crate) async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    let stream = accepts_stream(&headers);
    let body = intake::object(request, app.declared()).await?;
    let question = Question::read(body, &headers, false)?;
    let asked = ask(&app, &caller, &question).await?;
    let mut response = if stream {
        let after = question.place(&asked)?;
        stream::open(
            &app,
            From {
                after,
                dialect: question.dialect,
            },
        )
        .await?
    } else {
        let status = if asked.fresh {
            StatusCode::CREATED
        } else {
            StatusCode::OK
        };
        (status, Json(Accepted::of(&asked))).into_response()
    };
    if let Ok(location) = HeaderValue::from_str(&address(asked.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// The parameters of `GET /v1/deliberations/{id}/events`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct EventsQuery {
    /// A whole event id, or `0` for the beginning.
    after: Option<String>,
    /// `native` or `chunks`.
    #[schemars(regex(pattern = r"^(native|chunks)$"))]
    dialect: Option<String>,
}

/// `GET /v1/deliberations/{id}/events`.
pub(crate) async fn events(
    State(app): State<App>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = deliberation(&id)?;
    let query: EventsQuery = intake::query(&uri)?;
    let dialect = query.dialect.as_deref().map(dialect).transpose()?;
    let (field, after) = match last_event_id(&headers)? {
        Some(last) => ("Last-Event-ID", Some(last)),
        None => ("after", query.after),
    };
    let after = place(id, after.as_deref(), field)?;
    if has_seen_all(&app, after).await? {
        return Ok(seen_all());
    }
    let dialect = dialect.unwrap_or_default();
    stream::open(&app, From { after, dialect }).await
}

/// Tells whether a reader at this place has the last event: there is nothing to stream.
pub(crate) async fn has_seen_all(app: &App, after: Cursor) -> Result<bool, Problem> {
    if after.seq == 0 {
        return Ok(false);
    }
    let head = app.logs.head(after.deliberation).await?;
    Ok(head.is_over() && after == head.cursor())
}

/// Answers a reader who has the last event.
///
/// Source: HTML standard, 9.2.4: 204 tells an `EventSource` to stop connecting again.
pub(crate) fn seen_all() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// `GET /v1/deliberations/{id}`.
pub(crate) async fn snapshot(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let (snapshot, _) = app.logs.snapshot(deliberation(&id)?).await?;
    Ok(Json(snapshot).into_response())
}

/// Reads a deliberation's id from an address.
pub(crate) fn deliberation(id: &str) -> Result<DeliberationId, Problem> {
    id.parse()
        .map_err(|error: magi_event::IdError| Problem::field("id", error.to_string()))
}

/// Reads a place in a log: a whole id, or `0`, or nothing for the beginning.
pub(crate) fn place(
    id: DeliberationId,
    after: Option<&str>,
    field: &str,
) -> Result<Cursor, Problem> {
    match after {
        None | Some("0") => Ok(Cursor::start(id)),
        Some(text) => of(id, cursor(text, field)?, field),
    }
}

fn cursor(text: &str, field: &str) -> Result<Cursor, Problem> {
    text.parse()
        .map_err(|error: magi_event::CursorError| Problem::field(field, error.to_string()))
}

/// Returns the cursor, if it is a place in this deliberation.
fn of(id: DeliberationId, cursor: Cursor, field: &str) -> Result<Cursor, Problem> {
    if cursor.deliberation == id {
        return Ok(cursor);
    }
    Err(Problem::new(
        Code::CursorAhead,
        format!(
            "the cursor is a place in deliberation `{}`",
            cursor.deliberation
        ),
    )
    .at(field))
}

pub(crate) fn dialect(name: &str) -> Result<Dialect, Problem> {
    name.parse()
        .map_err(|error: crate::dialects::UnknownDialect| {
            Problem::field("dialect", error.to_string())
        })
}

/// Returns the last id a reader has seen; an empty one is none.
pub(crate) fn last_event_id(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("last-event-id") else {
        return Ok(None);
    };
    let text = value
        .to_str()
        .map_err(|_| Problem::field("Last-Event-ID", "`Last-Event-ID` is not plain text"))?;
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

/// Reads a text of the door's own from a body.
pub(crate) fn text(body: &Map<String, Value>, name: &str) -> Result<Option<String>, Problem> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Problem::field(name, format!("`{name}` must be a text"))),
    }
}
