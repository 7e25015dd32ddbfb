//! The table of operations: what each address is for, takes and answers.

use magi_council::PresetWhole;
use magi_event::Snapshot;
use schemars::SchemaGenerator;
use serde_json::Value;

use super::{bodies, fields_of, schema_of};
use crate::about::{Models, Scenes};
use crate::deliberations::{Accepted, EventsQuery};
use crate::history::{Change, ExportQuery, Item, Items, ListQuery, Spent, UsageQuery};
use crate::presets::{PresetQuery, Presets};
use crate::socket::SocketQuery;
use crate::verbs::{Done, ForkBody, KeyBody, NoteBody, RejudgeBody, RetryBody, StopBody};

/// Makes a schema.
pub(super) type Schema = fn(&mut SchemaGenerator) -> Value;

/// The parameters of a query, as the fields of a type.
#[derive(Clone, Copy)]
pub(super) struct Parameters(pub(super) Schema);

/// One of the answers of an operation.
pub(super) enum Reply {
    /// JSON of a type.
    Json(u16, Schema),
    /// A JSON object, described in words.
    Object(&'static str),
    /// Server-sent events.
    Stream,
    /// A text of one of these media types.
    Text(&'static [&'static str]),
    /// No body.
    Empty(u16, &'static str),
}

/// One operation.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) query: Option<Parameters>,
    pub(super) headers: &'static [&'static str],
    pub(super) body: Option<Schema>,
    pub(super) replies: &'static [Reply],
}

const LAST: &[&str] = &["Last-Event-ID"];
const NONE: &[&str] = &[];

/// Makes a row; what most rows leave out stands here once.
const fn row(
    (method, path): (&'static str, &'static str),
    id: &'static str,
    summary: &'static str,
    replies: &'static [Reply],
) -> Operation {
    Operation {
        method,
        path,
        id,
        summary,
        query: None,
        headers: NONE,
        body: None,
        replies,
    }
}

const ALL: (&str, &str) = ("GET", "/v1/deliberations");
const ONE: &str = "/v1/deliberations/{id}";
const PRESET: &str = "/v1/presets/{name}";

/// Every operation, in the order of the routes.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        headers: LAST,
        body: Some(schema_of::<bodies::Question>),
        ..row(
            ("POST", "/v1/deliberations"),
            "ask",
            "Ask. With `Accept: text/event-stream` the answer is the stream itself",
            &[
                Reply::Json(201, schema_of::<Accepted>),
                Reply::Json(200, schema_of::<Accepted>),
                Reply::Stream,
            ],
        )
    },
    Operation {
        query: Some(Parameters(fields_of::<ListQuery>)),
        ..row(
            ALL,
            "list",
            "The history, newest first, with full-text search",
            &[Reply::Json(200, schema_of::<Items>)],
        )
    },
    row(
        ("GET", ONE),
        "snapshot",
        "All that is known, folded up to the stored end, with its `cursor`",
        &[Reply::Json(200, schema_of::<Snapshot>)],
    ),
    Operation {
        body: Some(schema_of::<Change>),
        ..row(
            ("PATCH", ONE),
            "change",
            "Change what a person writes beside the verdict",
            &[Reply::Json(200, schema_of::<Item>)],
        )
    },
    row(
        ("DELETE", ONE),
        "delete",
        "Delete it: it is gone",
        &[Reply::Empty(204, "It is gone.")],
    ),
    Operation {
        query: Some(Parameters(fields_of::<EventsQuery>)),
        headers: LAST,
        ..row(
            ("GET", "/v1/deliberations/{id}/events"),
            "events",
            "The events after a cursor, live or finished. `Last-Event-ID` wins over `after`",
            &[
                Reply::Stream,
                Reply::Empty(204, "The last event was seen: do not connect again."),
            ],
        )
    },
    Operation {
        body: Some(schema_of::<StopBody>),
        ..row(
            ("POST", "/v1/deliberations/{id}/stop"),
            "stop",
            "Stop it; model calls end first. After the last event nothing changes",
            &[Reply::Json(200, schema_of::<Done>)],
        )
    },
    Operation {
        body: Some(schema_of::<RetryBody>),
        ..row(
            ("POST", "/v1/deliberations/{id}/retry"),
            "retry",
            "Another attempt of a sage, the judge or all sages; what was said before is never lost. After the last event a linked one does it",
            &[Reply::Json(200, schema_of::<Done>)],
        )
    },
    Operation {
        body: Some(schema_of::<NoteBody>),
        ..row(
            ("POST", "/v1/deliberations/{id}/note"),
            "note",
            "Tell the council something until the judge speaks; sages who have voted reply once. Later: 409, fork instead",
            &[Reply::Json(200, schema_of::<Done>)],
        )
    },
    Operation {
        body: Some(schema_of::<KeyBody>),
        ..row(
            ("POST", "/v1/deliberations/{id}/pause"),
            "pause",
            "Hold before the next model call; the clocks stand still",
            &[Reply::Json(200, schema_of::<Done>)],
        )
    },
    Operation {
        body: Some(schema_of::<KeyBody>),
        ..row(
            ("POST", "/v1/deliberations/{id}/resume"),
            "resume",
            "Go on: a paused or interrupted one in place, an ended one as a linked one with its votes",
            &[Reply::Json(200, schema_of::<Done>)],
        )
    },
    Operation {
        body: Some(schema_of::<RejudgeBody>),
        ..row(
            ("POST", "/v1/deliberations/{id}/rejudge"),
            "rejudge",
            "Judge the stored votes again: another judge, order or rule, in a linked one",
            &[Reply::Json(200, schema_of::<Done>)],
        )
    },
    Operation {
        body: Some(schema_of::<ForkBody>),
        ..row(
            ("POST", "/v1/deliberations/{id}/fork"),
            "fork",
            "Go on from it in a linked one: a sage asked again, another council, something told",
            &[Reply::Json(200, schema_of::<Done>)],
        )
    },
    Operation {
        query: Some(Parameters(fields_of::<ExportQuery>)),
        ..row(
            ("GET", "/v1/deliberations/{id}/export"),
            "export",
            "The record, to keep",
            &[Reply::Text(&[
                "text/markdown",
                "application/json",
                "application/x-ndjson",
                "text/html",
            ])],
        )
    },
    Operation {
        query: Some(Parameters(fields_of::<SocketQuery>)),
        ..row(
            ("GET", "/v1/deliberations/{id}/ws"),
            "follow",
            "The same events over a WebSocket, and the verbs up",
            &[Reply::Empty(101, "A WebSocket.")],
        )
    },
    row(
        ("GET", "/ws"),
        "socket",
        "A WebSocket that asks and follows",
        &[Reply::Empty(101, "A WebSocket.")],
    ),
    row(
        ("GET", "/v1/rehearsal"),
        "rehearsal",
        "The written scenes",
        &[Reply::Json(200, schema_of::<Scenes>)],
    ),
    row(
        ("GET", "/v1/presets"),
        "presets",
        "The councils there are, in their newest versions: the built-in ones, then those kept here",
        &[Reply::Json(200, schema_of::<Presets>)],
    ),
    Operation {
        query: Some(Parameters(fields_of::<PresetQuery>)),
        ..row(
            ("GET", PRESET),
            "preset",
            "One preset whole. A numbered version is there also when it was changed or deleted since",
            &[Reply::Json(200, schema_of::<PresetWhole>)],
        )
    },
    Operation {
        body: Some(schema_of::<bodies::PresetBody>),
        ..row(
            ("PUT", PRESET),
            "savePreset",
            "Save a preset: a new one, or the next version. What `GET` answers may be sent back",
            &[
                Reply::Json(201, schema_of::<PresetWhole>),
                Reply::Json(200, schema_of::<PresetWhole>),
            ],
        )
    },
    row(
        ("DELETE", PRESET),
        "deletePreset",
        "Delete a preset. Its versions are still told by their numbers",
        &[Reply::Empty(204, "It is no longer listed.")],
    ),
    row(
        ("GET", "/v1/models"),
        "models",
        "What answers here, in OpenAI's list shape",
        &[Reply::Json(200, schema_of::<Models>)],
    ),
    Operation {
        query: Some(Parameters(fields_of::<UsageQuery>)),
        ..row(
            ("GET", "/v1/usage"),
            "usage",
            "What was spent",
            &[Reply::Json(200, schema_of::<Spent>)],
        )
    },
    INVOKE,
    Operation {
        path: "/api/invocations",
        id: "invoke_api",
        ..INVOKE
    },
    PING,
    Operation {
        path: "/api/ping",
        id: "ping_api",
        ..PING
    },
    row(
        ("GET", "/healthz"),
        "healthz",
        "Whether this process and its store answer",
        &[Reply::Object("`status`: ok; `version`.")],
    ),
    row(
        ("GET", "/metrics"),
        "metrics",
        "Figures in the OpenMetrics text form",
        &[Reply::Text(&["application/openmetrics-text"])],
    ),
    row(
        ("GET", "/openapi.json"),
        "openapi",
        "This description",
        &[Reply::Object("OpenAPI 3.1.")],
    ),
];

const INVOKE: Operation = Operation {
    headers: &["X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"],
    body: Some(schema_of::<bodies::Invocation>),
    ..row(
        ("POST", "/invocations"),
        "invoke",
        "AgentCore's one way in: every verb as an action. `ask`, `events` and `probe` stream",
        &[
            Reply::Stream,
            Reply::Object("What the other actions answer."),
            Reply::Empty(204, "`events`: the last event was seen, do not ask again."),
        ],
    )
};

const PING: Operation = row(
    ("GET", "/ping"),
    "ping",
    "AgentCore's health check",
    &[Reply::Object(
        "`status`: Healthy or HealthyBusy; `time_of_last_update`: when it changed, in unix seconds.",
    )],
);
