//! The history: list and search, what a person writes beside a verdict, deleting, and the record.

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, Uri, header};
use magi_event::{DeliberationId, FinalDecision, Mode, Status, Timestamp, Usage, Votes};
use magi_log::{Patch, Query, Row};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::answer::Json;
use crate::app::App;
use crate::deliberations::deliberation;
use crate::dialects::Fold;
use crate::dialects::native::Native;
use crate::export::{Format, Record};
use crate::intake;
use crate::problem::Problem;

/// The longest title, in bytes.
const LONGEST_TITLE: usize = 512;

/// The longest text that a person writes beside a verdict, in bytes.
const LONGEST_REMARK: usize = 16 * 1024;

/// The parameters of `GET /v1/deliberations`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct ListQuery {
    /// Words that must all be found.
    q: Option<String>,
    /// `APPROVED`, `REJECTED` or `UNDECIDED`.
    #[schemars(regex(pattern = r"^(APPROVED|REJECTED|UNDECIDED)?$"))]
    verdict: Option<String>,
    /// A preset's name.
    preset: Option<String>,
    /// A conversation's id.
    conversation_id: Option<String>,
    /// The id of the deliberation they go on from.
    fork_of: Option<String>,
    /// The first instant or day, RFC 3339.
    from: Option<String>,
    /// The instant before which, or the last day, RFC 3339.
    to: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// The most items, 1 to 200.
    limit: Option<String>,
}

/// One line of the history.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Item {
    id: DeliberationId,
    trace_id: DeliberationId,
    title: String,
    question: String,
    lang: String,
    preset: String,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<Mode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    final_decision: Option<FinalDecision>,
    #[serde(skip_serializing_if = "Option::is_none")]
    voting_result: Option<Votes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agreement: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overruled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_usd: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fork_of: Option<DeliberationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    my_decision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Row> for Item {
    fn from(row: Row) -> Self {
        let facts = row.facts;
        Item {
            id: row.id,
            trace_id: row.id,
            title: row.title,
            question: row.question,
            lang: row.lang,
            preset: row.preset,
            status: facts.status,
            mode: facts.mode,
            final_decision: facts.verdict,
            voting_result: facts.votes,
            agreement: facts.votes.map(Votes::agreement),
            overruled: facts.overruled,
            summary: facts.summary,
            usage: facts.usage,
            cost_usd: facts.cost_usd,
            conversation_id: row.conversation_id,
            fork_of: row.fork_of,
            my_decision: row.my_decision,
            outcome: row.outcome,
            created_at: row.created_at,
            updated_at: row.last_event_at,
        }
    }
}

/// A page of the history.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Items {
    /// Newest first.
    items: Vec<Item>,
    /// What to send as `cursor` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<DeliberationId>,
}

/// `GET /v1/deliberations`.
pub(crate) async fn list(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let query: ListQuery = intake::query(&uri)?;
    let rows = app.logs.catalogue().list(query.read()?).await?;
    let items = rows.rows.into_iter().map(Item::from).collect();
    let next = rows.next;
    Ok(Json(Items { items, next }).into_response())
}

impl ListQuery {
    fn read(self) -> Result<Query, Problem> {
        let verdict = self.verdict.filter(|word| !word.is_empty());
        let cursor = self.cursor.filter(|cursor| !cursor.is_empty());
        let fork_of = self.fork_of.filter(|id| !id.is_empty());
        let limit = match self.limit.as_deref() {
            None | Some("") => 0,
            Some(digits) => digits
                .parse()
                .ok()
                .filter(|limit| (1..=magi_log::LIST_LIMIT).contains(limit))
                .ok_or_else(|| Problem::field("limit", "`limit` must be a number, 1 to 200"))?,
        };
        Ok(Query {
            q: self.q.filter(|q| !q.trim().is_empty()),
            verdict: verdict.as_deref().map(final_decision).transpose()?,
            preset: self.preset.filter(|preset| !preset.is_empty()),
            conversation_id: self.conversation_id.filter(|id| !id.is_empty()),
            fork_of: fork_of.as_deref().map(source).transpose()?,
            from: instant("from", self.from.as_deref(), 0)?,
            to: instant("to", self.to.as_deref(), 1)?,
            before: cursor.as_deref().map(before).transpose()?,
            limit,
            ..Query::default()
        })
    }
}

fn source(id: &str) -> Result<DeliberationId, Problem> {
    id.parse()
        .map_err(|_| Problem::field("fork_of", "`fork_of` must be a deliberation's id"))
}

fn before(cursor: &str) -> Result<DeliberationId, Problem> {
    cursor
        .parse()
        .map_err(|_| Problem::field("cursor", "`cursor` must be `next` of the page before"))
}

fn final_decision(word: &str) -> Result<FinalDecision, Problem> {
    [
        FinalDecision::Approved,
        FinalDecision::Rejected,
        FinalDecision::Undecided,
    ]
    .into_iter()
    .find(|decision| decision.word().eq_ignore_ascii_case(word))
    .ok_or_else(|| {
        let expected = "`verdict` must be `APPROVED`, `REJECTED` or `UNDECIDED`";
        Problem::field("verdict", expected)
    })
}

/// Reads an instant, or a day in UTC; `days` later where it is a day, so that `to` takes it in.
fn instant(field: &str, text: Option<&str>, days: i64) -> Result<Option<Timestamp>, Problem> {
    const DAY_MS: i64 = 24 * 60 * 60 * 1000;
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let day = || {
        let start: Timestamp = format!("{text}T00:00:00Z").parse().ok()?;
        Some(start.plus_millis(days * DAY_MS))
    };
    text.parse().ok().or_else(day).map(Some).ok_or_else(|| {
        Problem::field(field, format!("`{field}` must be a day or an instant"))
            .fix("write 2026-11-23 or 2026-11-23T01:02:03Z")
    })
}

/// The body of `PATCH /v1/deliberations/{id}`: what is absent stays, null clears.
#[derive(JsonSchema)]
#[expect(
    dead_code,
    reason = "the schema alone; the body is read field by field"
)]
pub(crate) struct Change {
    /// The title, 1 to 512 bytes and not blank; it cannot be cleared.
    #[schemars(length(max = 512), regex(pattern = r"\S"), transform = never_null)]
    title: Option<String>,
    /// What the person decided in the end, in their own words: any text of 1 to 16,384 bytes that
    /// is not blank. It need not be one of the verdict's words.
    #[schemars(length(max = 16_384), regex(pattern = r"\S"))]
    my_decision: Option<String>,
    /// How it turned out, in their own words: as `my_decision`.
    #[schemars(length(max = 16_384), regex(pattern = r"\S"))]
    outcome: Option<String>,
}

/// What may be absent, but is never null.
fn never_null(schema: &mut schemars::Schema) {
    schema.insert("type".to_owned(), "string".into());
}

/// `PATCH /v1/deliberations/{id}`.
pub(crate) async fn change(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let id = deliberation(&id)?;
    let body = intake::object(request, app.declared()).await?;
    let title = remark(&body, "title", LONGEST_TITLE)?;
    if title == Some(None) {
        return Err(Problem::field("title", "`title` cannot be cleared"));
    }
    let patch = Patch {
        title: title.flatten(),
        my_decision: remark(&body, "my_decision", LONGEST_REMARK)?,
        outcome: remark(&body, "outcome", LONGEST_REMARK)?,
    };
    let row = app.logs.catalogue().patch(id, patch).await?;
    Ok(Json(Item::from(row)).into_response())
}

/// Reads a text that may be absent or null, which clears it, and is neither blank nor too long.
fn remark(
    body: &Map<String, Value>,
    field: &str,
    longest: usize,
) -> Result<Option<Option<String>>, Problem> {
    match body.get(field) {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        Some(Value::String(text)) if text.len() > longest => Err(Problem::field(
            field,
            format!("`{field}` is longer than {longest} bytes"),
        )),
        Some(Value::String(text)) if text.trim().is_empty() => {
            Err(Problem::field(field, format!("`{field}` is blank")).fix("send null to clear it"))
        }
        Some(Value::String(text)) => Ok(Some(Some(text.clone()))),
        Some(_) => Err(Problem::field(
            field,
            format!("`{field}` must be a text or null"),
        )),
    }
}

/// `DELETE /v1/deliberations/{id}`.
pub(crate) async fn delete(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    app.logs.catalogue().delete(deliberation(&id)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The parameters of `GET /v1/deliberations/{id}/export`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct ExportQuery {
    /// `md`, `json`, `ndjson` or `html`; `md` when absent.
    #[schemars(regex(pattern = r"^(md|json|ndjson|html)$"))]
    format: Option<String>,
}

/// `GET /v1/deliberations/{id}/export`.
pub(crate) async fn export(
    State(app): State<App>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let id = deliberation(&id)?;
    let query: ExportQuery = intake::query(&uri)?;
    let format: Format = query.format.as_deref().unwrap_or("md").parse().map_err(
        |error: crate::export::UnknownFormat| Problem::field("format", error.to_string()),
    )?;
    let text = match format {
        Format::Ndjson => lines(&app, id).await?,
        Format::Markdown | Format::Json | Format::Html => record(&app, id, format).await?,
    };
    Ok(attachment(id, format, text))
}

async fn record(app: &App, id: DeliberationId, format: Format) -> Result<String, Problem> {
    let (snapshot, _) = app.logs.snapshot(id).await?;
    let row = app.logs.catalogue().get(id).await?;
    let record = Record {
        snapshot: &snapshot,
        title: Some(&row.title),
        my_decision: row.my_decision.as_deref(),
        outcome: row.outcome.as_deref(),
    };
    Ok(match format {
        Format::Markdown => record.markdown(),
        Format::Html => record.html(),
        Format::Json | Format::Ndjson => record.json(),
    })
}

async fn lines(app: &App, id: DeliberationId) -> Result<String, Problem> {
    let mut text = String::new();
    for event in app.logs.events(id).await? {
        for line in Native.step(&event) {
            text.push_str(&line);
            text.push('\n');
        }
    }
    Ok(text)
}

fn attachment(id: DeliberationId, format: Format, text: String) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, format.media_type()),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Were it opened in place, nothing in it could run.
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let name = format!("attachment; filename=\"magi-{id}.{}\"", format.name());
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    response
}

/// The parameters of `GET /v1/usage`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct UsageQuery {
    /// The first instant or day, RFC 3339.
    from: Option<String>,
    /// The instant before which, or the last day, RFC 3339.
    to: Option<String>,
}

/// What was spent.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Spent {
    /// How many deliberations were asked in that time.
    deliberations: u64,
    /// Their tokens, as far as the vendors told.
    usage: Usage,
    /// The cost of those whose prices are known, in US dollars; null where none has one.
    cost_usd: Option<f64>,
    /// How many have no known cost: what they cost is not in `cost_usd`.
    unpriced: u64,
}

/// `GET /v1/usage`.
pub(crate) async fn usage(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let query: UsageQuery = intake::query(&uri)?;
    let mut page = Query {
        from: instant("from", query.from.as_deref(), 0)?,
        to: instant("to", query.to.as_deref(), 1)?,
        limit: magi_log::LIST_LIMIT,
        ..Query::default()
    };
    let mut spent = Spent::default();
    loop {
        let rows = app.logs.catalogue().list(page.clone()).await?;
        for row in rows.rows {
            spent.deliberations += 1;
            spent.usage = spent.usage + row.facts.usage.unwrap_or_default();
            match row.facts.cost_usd {
                Some(cost) => *spent.cost_usd.get_or_insert(0.0) += cost,
                None => spent.unpriced += 1,
            }
        }
        match rows.next {
            Some(next) => page.before = Some(next),
            None => break,
        }
    }
    Ok(Json(spent).into_response())
}
