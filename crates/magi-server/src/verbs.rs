//! The verbs: what may be done with a deliberation that is there, the same over HTTP, as actions of
//! `/invocations`, and over WebSocket.

use std::collections::BTreeSet;

use axum::extract::{Extension, Path, Request, State};
use axum::response::{IntoResponse, Response};
use magi_council::{CouncilPatch, Fork, Idempotency, Rejudge, Told, body_digest};
use magi_event::{Agent, DeliberationId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::answer::Json;
use crate::app::App;
use crate::observer::observe;
use crate::openapi::bodies;
use crate::problem::{Code, Problem};
use crate::{Caller, deliberations, intake};

/// Something that can be done with a deliberation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Stop,
    Retry,
    Note,
    Pause,
    Resume,
    Rejudge,
    Fork,
}

impl Verb {
    /// Every verb.
    pub(crate) const ALL: [Verb; 7] = [
        Verb::Stop,
        Verb::Retry,
        Verb::Note,
        Verb::Pause,
        Verb::Resume,
        Verb::Rejudge,
        Verb::Fork,
    ];

    /// Returns the word on the wire.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Verb::Stop => "stop",
            Verb::Retry => "retry",
            Verb::Note => "note",
            Verb::Pause => "pause",
            Verb::Resume => "resume",
            Verb::Rejudge => "rejudge",
            Verb::Fork => "fork",
        }
    }

    /// Reads the word on the wire.
    pub(crate) fn read(word: &str) -> Option<Verb> {
        Verb::ALL.into_iter().find(|verb| verb.word() == word)
    }
}

/// Whom a stop is meant for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct StopBody {
    /// A sage, `judge`, or nothing for all.
    agent: Option<String>,
}

/// Who begins another attempt.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct RetryBody {
    /// A sage, `judge`, or nothing for all sages; after the end nothing means those who have no vote, the judge where
    /// only the judgment is missing, and all sages where nobody failed.
    agent: Option<String>,
    /// Only if this is the newest attempt: a repeat then does nothing.
    attempt: Option<u32>,
    /// Makes a repeat of this request harmless; up to 128 bytes.
    #[schemars(length(max = 128))]
    idempotency_key: Option<String>,
}

/// What is told to whom.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct NoteBody {
    /// A fact, a question, a correction: 1 to 16,384 bytes, not blank.
    #[schemars(length(max = 16_384), regex(pattern = r"\S"))]
    text: String,
    /// A sage, `judge`, or nothing for all.
    agent: Option<String>,
    /// Makes a repeat of this request harmless; up to 128 bytes.
    #[schemars(length(max = 128))]
    idempotency_key: Option<String>,
}

/// Nothing but a key: the whole deliberation is meant, and an `agent` is refused.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct KeyBody {
    /// Makes a repeat of this request harmless; up to 128 bytes.
    #[schemars(length(max = 128))]
    idempotency_key: Option<String>,
}

/// What is other when the stored votes are judged again.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct RejudgeBody {
    /// A preset whose rule, quorum, judge and times are taken.
    preset: Option<String>,
    /// Another model for the judge, as `provider:model`.
    model: Option<String>,
    /// Another rule, quorum, judge or time; no sage.
    #[schemars(with = "Option<bodies::Council>")]
    council: Option<Value>,
    /// The seed of the order in which the judge sees the sages; absent: another order.
    order_seed: Option<u32>,
    /// So many re-judgements, each in another order as far as there are any: 1 to 9.
    #[schemars(range(min = 1, max = 9))]
    stability: Option<u32>,
    /// Makes a repeat of this request find the same ones; up to 128 bytes.
    #[schemars(length(max = 128))]
    idempotency_key: Option<String>,
}

/// What is other in a fork.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct ForkBody {
    /// A preset whose council takes the place of the one before.
    preset: Option<String>,
    /// A sage who is asked again.
    agent: Option<String>,
    /// Another model for that agent, as `provider:model`.
    model: Option<String>,
    /// Changes to the council. A sage whose own part changes is asked again.
    #[schemars(with = "Option<bodies::Council>")]
    council: Option<Value>,
    /// What everybody is told: sages whose votes are reused reply to it once.
    #[schemars(length(max = 16_384), regex(pattern = r"\S"))]
    note: Option<String>,
    /// Makes a repeat of this request find the same one; up to 128 bytes.
    #[schemars(length(max = 128))]
    idempotency_key: Option<String>,
}

/// What a verb did.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Done {
    /// The deliberation to follow: another one where a new one was linked.
    pub(crate) id: DeliberationId,
    /// Whether anything changed.
    pub(crate) changed: bool,
    /// All that were linked, where that is more than one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) ids: Vec<DeliberationId>,
}

impl From<magi_council::Done> for Done {
    fn from(done: magi_council::Done) -> Self {
        Done {
            id: done.id,
            changed: done.changed,
            ids: Vec::new(),
        }
    }
}

/// Who says a verb about which deliberation.
pub(crate) struct Said<'a> {
    pub(crate) app: &'a App,
    pub(crate) caller: &'a Caller,
    pub(crate) id: DeliberationId,
}

impl Said<'_> {
    /// Does what a verb's body says.
    pub(crate) async fn run(&self, verb: Verb, body: Map<String, Value>) -> Result<Done, Problem> {
        let done = match verb {
            Verb::Stop => self.stop(intake::typed(body)?).await?,
            Verb::Retry => {
                let body: RetryBody = intake::typed(body)?;
                let agent = body.agent.as_deref().map(agent).transpose()?;
                let told = told(body.idempotency_key.as_deref());
                let engine = &self.app.engine;
                engine.retry(self.id, agent, body.attempt, told).await?
            }
            Verb::Note => {
                let body: NoteBody = intake::typed(body)?;
                let agent = body.agent.as_deref().map(agent).transpose()?;
                let told = told(body.idempotency_key.as_deref());
                let engine = &self.app.engine;
                engine.note(self.id, agent, &body.text, told).await?
            }
            Verb::Pause => {
                whole(verb, &body)?;
                let body: KeyBody = intake::typed(body)?;
                let told = told(body.idempotency_key.as_deref());
                self.app.engine.pause(self.id, told).await?
            }
            Verb::Resume => {
                whole(verb, &body)?;
                let body: KeyBody = intake::typed(body)?;
                let told = told(body.idempotency_key.as_deref());
                self.app.engine.resume(self.id, told).await?
            }
            Verb::Rejudge => return self.rejudge(body).await,
            Verb::Fork => return self.fork(body).await,
        };
        if done.fresh {
            observe(self.app, done.id);
        }
        Ok(done.into())
    }

    async fn stop(&self, body: StopBody) -> Result<magi_council::Done, Problem> {
        let target = body.agent.as_deref().map(agent).transpose()?;
        let stopped = self.app.engine.stop(self.id, target, "user").await?;
        Ok(magi_council::Done {
            id: self.id,
            changed: stopped.changed,
            fresh: false,
        })
    }

    async fn rejudge(&self, fields: Map<String, Value>) -> Result<Done, Problem> {
        let body: RejudgeBody = intake::typed(fields.clone())?;
        let key = self.key(Verb::Rejudge, body.idempotency_key.as_deref(), fields)?;
        let mut council = council(body.council.as_ref())?;
        if let Some(model) = &body.model {
            council = council.with_role_model(Agent::Judge, self::model(model)?);
        }
        self.app.check_preset(body.preset.as_deref())?;
        let wish = Rejudge {
            preset: body.preset,
            council,
            order_seed: body.order_seed,
            times: body.stability.unwrap_or(1),
        };
        let engine = &self.app.engine;
        let started = engine.rejudge(self.id, &wish, key.as_ref()).await?;
        let fresh = started.iter().filter(|asked| asked.fresh);
        fresh.for_each(|asked| observe(self.app, asked.id));
        let ids: Vec<_> = started.iter().map(|asked| asked.id).collect();
        Ok(Done {
            id: ids.first().copied().unwrap_or(self.id),
            changed: started.iter().any(|asked| asked.fresh),
            ids: if ids.len() > 1 { ids } else { Vec::new() },
        })
    }

    async fn fork(&self, fields: Map<String, Value>) -> Result<Done, Problem> {
        let body: ForkBody = intake::typed(fields.clone())?;
        let key = self.key(Verb::Fork, body.idempotency_key.as_deref(), fields)?;
        let mut council = council(body.council.as_ref())?;
        let who = body.agent.as_deref().map(agent).transpose()?;
        if let Some(model) = &body.model {
            let who = who.ok_or_else(|| {
                Problem::field("agent", "`agent` is missing: whose model is to be another?")
            })?;
            council = council.with_role_model(who, self::model(model)?);
        }
        self.app.check_preset(body.preset.as_deref())?;
        let wish = Fork {
            preset: body.preset,
            council,
            again: who
                .and_then(Agent::sage)
                .into_iter()
                .collect::<BTreeSet<_>>(),
            note: body.note,
        };
        let asked = self.app.engine.fork(self.id, &wish, key).await?;
        if asked.fresh {
            observe(self.app, asked.id);
        }
        Ok(Done {
            id: asked.id,
            changed: asked.fresh,
            ids: Vec::new(),
        })
    }

    /// Makes the key of a request that starts deliberations: it stands for this verb, of this
    /// deliberation, with this body.
    fn key(
        &self,
        verb: Verb,
        key: Option<&str>,
        mut body: Map<String, Value>,
    ) -> Result<Option<Idempotency>, Problem> {
        let Some(key) = key else { return Ok(None) };
        if !self.app.config.has_store {
            return Err(deliberations::no_keys());
        }
        // A re-judgement's own number is put behind it.
        if key.is_empty() || key.len() > magi_council::LONGEST_KEY - 2 {
            let message = "`idempotency_key` must be 1 to 126 bytes";
            return Err(Problem::field("idempotency_key", message));
        }
        body.insert("verb".to_owned(), json!(verb.word()));
        body.insert("id".to_owned(), json!(self.id));
        Ok(Some(Idempotency {
            identity: self.caller.identity.clone(),
            key: key.to_owned(),
            body_sha256: body_digest(&Value::Object(body)),
        }))
    }
}

/// Refuses a member where a verb is for all: to take it for all in silence would hold those who were not named.
fn whole(verb: Verb, body: &Map<String, Value>) -> Result<(), Problem> {
    if body.get("agent").is_none_or(Value::is_null) {
        return Ok(());
    }
    let word = verb.word();
    let message = format!(
        "`{word}` is for the whole deliberation: leave `agent` out; one member alone is ended with `stop` and begins \
         again with `retry`"
    );
    Err(Problem::field("agent", message))
}

const fn told(key: Option<&str>) -> Told<'_> {
    Told { by: "user", key }
}

fn agent(name: &str) -> Result<Agent, Problem> {
    name.parse()
        .map_err(|error: magi_event::UnknownAgent| Problem::field("agent", error.to_string()))
}

fn model(name: &str) -> Result<magi_model::ModelName, Problem> {
    name.parse().map_err(|error: magi_model::ModelNameError| {
        Problem::field("model", format!("`model` is wrong: {error}"))
    })
}

fn council(value: Option<&Value>) -> Result<CouncilPatch, Problem> {
    match value {
        Some(value) => Ok(CouncilPatch::read(value, "council")?),
        None => Ok(CouncilPatch::default()),
    }
}

/// `POST /v1/deliberations/{id}/<verb>`.
pub(crate) async fn post(
    verb: Verb,
    (app, caller): (App, Caller),
    id: String,
    request: Request,
) -> Result<Response, Problem> {
    let id = deliberations::deliberation(&id)?;
    let body = intake::object(request, app.declared()).await?;
    let said = Said {
        app: &app,
        caller: &caller,
        id,
    };
    Ok(Json(said.run(verb, body).await?).into_response())
}

/// Makes the handler of each verb's address.
macro_rules! handlers {
    ($($name:ident $verb:ident;)*) => {$(
        #[doc = concat!("`POST /v1/deliberations/{id}/", stringify!($name), "`.")]
        pub(crate) async fn $name(
            State(app): State<App>,
            Extension(caller): Extension<Caller>,
            Path(id): Path<String>,
            request: Request,
        ) -> Result<Response, Problem> {
            post(Verb::$verb, (app, caller), id, request).await
        }
    )*};
}

handlers! {
    stop Stop;
    retry Retry;
    note Note;
    pause Pause;
    resume Resume;
    rejudge Rejudge;
    fork Fork;
}

/// Refuses what is no action, by naming those that there are.
pub(crate) fn unknown(action: &str, what: &str, others: &[&str]) -> Problem {
    let shown: String = action.chars().take(64).collect();
    let verbs = Verb::ALL.map(Verb::word);
    let known = [others, &verbs].concat().join(", ");
    Problem::new(
        Code::Unsupported,
        format!("{what} has no action `{shown}`: it has {known}"),
    )
    .at("action")
}
