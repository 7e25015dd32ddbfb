//! The fakes' doors: the vendors' routes, the ledger and the lock-step reports.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::answer::{Part, answer};
use super::ask::{Ask, Vendor};
use super::ledger::{Arrival, End, Ledger, Ticket, safe_headers};
use super::lockstep::{Lockstep, Who};
use super::plan::{Door, Plan};
use super::player::{Player, Record};
use super::refuse::{Refused, tag};
use super::wire::{Conn, Wire};
use super::words::{Reason, Vote, parse};
use super::{Config, anthropic, bedrock, openai, refuse, script};
use crate::cloud;

/// What a signer must be allowed to do, to be answered with a stream.
const STREAM: &str = "bedrock:InvokeModelWithResponseStream";

/// What every handler shares.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) config: Arc<Config>,
    pub(crate) ledger: Ledger,
    pub(crate) lockstep: Lockstep,
    pub(crate) stop: CancellationToken,
}

/// Accepts connections until stopped; each is a task on the tracker.
pub(crate) async fn accept(
    listener: TcpListener,
    app: App,
    places: Arc<Semaphore>,
    tracker: TaskTracker,
) {
    let stop = app.stop.clone();
    let router = router(app);
    loop {
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            () = stop.cancelled() => return,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors: a pause instead of a busy loop.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let (router, stop) = (router.clone(), stop.clone());
        tracker.spawn(async move {
            serve(stream, router, stop).await;
            drop(place);
        });
    }
}

async fn serve(stream: tokio::net::TcpStream, router: Router, stop: CancellationToken) {
    // Without this small writes wait for the last one's acknowledgement.
    let _ = stream.set_nodelay(true);
    let (wire, conn) = Wire::new(stream);
    let service = hyper::service::service_fn(move |mut request: http::Request<Incoming>| {
        request.extensions_mut().insert(Arc::clone(&conn));
        let mut router = router.clone();
        async move { router.call(request).await }
    });
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(hyper_util::rt::TokioTimer::new())
        .serve_connection(TokioIo::new(wire), service);
    tokio::select! {
        // A client that left or a fault played is an error here, and both are in the ledger.
        _ = serving => {}
        () = stop.cancelled() => {}
    }
}

fn router(app: App) -> Router {
    let limit = app.config.body_limit;
    Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/chat/completions", post(chat))
        .route("/v1/messages", post(messages))
        .route("/v1/models", get(models))
        .route("/model/{model}/converse-stream", post(converse))
        .route("/model/{model}/count-tokens", post(count))
        .route("/ledger", get(ledger).delete(clear))
        .route("/release", post(release))
        .route("/healthz", get(|| async { "ok" }))
        .layer(DefaultBodyLimit::max(limit))
        .with_state(app)
}

/// One request before its body is understood.
struct Post {
    vendor: Vendor,
    conn: Arc<Conn>,
    headers: HeaderMap,
    body: Bytes,
    /// The model, where the path and not the body names it.
    model: Option<String>,
    /// The head of a request that may be signed.
    parts: Option<Parts>,
}

async fn chat(
    State(app): State<App>,
    Extension(conn): Extension<Arc<Conn>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    app.post(Post {
        vendor: Vendor::OpenAi,
        conn,
        headers,
        body,
        model: None,
        parts: None,
    })
    .await
}

async fn messages(
    State(app): State<App>,
    Extension(conn): Extension<Arc<Conn>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    app.post(Post {
        vendor: Vendor::Anthropic,
        conn,
        headers,
        body,
        model: None,
        parts: None,
    })
    .await
}

async fn converse(
    State(app): State<App>,
    Extension(conn): Extension<Arc<Conn>>,
    Path(model): Path<String>,
    parts: Parts,
    body: Bytes,
) -> Response {
    app.post(Post {
        vendor: Vendor::Bedrock,
        conn,
        headers: parts.headers.clone(),
        body,
        model: Some(model),
        parts: Some(parts),
    })
    .await
}

/// Counts tokens, which costs nothing and is in no ledger; a model that is refused is refused here too.
async fn count(
    State(app): State<App>,
    Path(model): Path<String>,
    parts: Parts,
    body: Bytes,
) -> Response {
    let admitted = app
        .admit(Vendor::Bedrock, &parts.headers)
        .and_then(|()| app.allow(&parts, &body, "bedrock:CountTokens", &model));
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let counted = admitted.and_then(|()| {
        let unknown = |word: String| Refused::unknown_model(Vendor::Bedrock, &model, &word);
        let words = parse(&model).map_err(unknown)?;
        let plan = Plan::new(&words, 1, Duration::ZERO, Duration::ZERO);
        if let Door::Refuse(asked) = &plan.door {
            return Err(Refused::asked(Vendor::Bedrock, asked, &model));
        }
        bedrock::lacks(&plan, &body)?;
        bedrock::count(&body)
    });
    match counted {
        Ok(counted) => Json(counted).into_response(),
        Err(refused) => refused.response(Vendor::Bedrock, 0),
    }
}

impl App {
    async fn post(&self, post: Post) -> Response {
        let vendor = post.vendor;
        let body: Value = serde_json::from_slice(&post.body).unwrap_or(Value::Null);
        let asked = self
            .admit(vendor, &post.headers)
            .and_then(|()| match (&post.parts, &post.model) {
                (Some(parts), Some(model)) => self.allow(parts, &post.body, STREAM, model),
                _ => Ok(()),
            })
            .and_then(|()| match vendor {
                Vendor::OpenAi => openai::read(&body),
                Vendor::Anthropic => anthropic::read(&body),
                Vendor::Bedrock => bedrock::read(post.model.as_deref().unwrap_or_default(), &body),
            });
        let named = post.model.as_deref().or(body["model"].as_str());
        let ticket = self.ledger.arrive(Arrival {
            vendor,
            model: match &asked {
                Ok(ask) => ask.model.clone(),
                Err(_) => named.unwrap_or_default().to_owned(),
            },
            role: asked.as_ref().ok().and_then(Ask::role),
            stream: body["stream"] == true || vendor == Vendor::Bedrock,
            headers: safe_headers(&post.headers),
            body: body.clone(),
        });
        let (ledger, stop) = (self.ledger.clone(), self.stop.clone());
        let record = Record::new(ticket.id, ledger, post.conn, stop);
        let planned = asked.and_then(|ask| {
            let plan = self.plan(&ask, &body, ticket)?;
            Ok((ask, plan))
        });
        match planned {
            Ok((ask, plan)) => self.open(&ask, &plan, ticket, record).await,
            Err(refused) => self.refuse(vendor, &refused, record),
        }
    }

    fn admit(&self, vendor: Vendor, headers: &HeaderMap) -> Result<(), Refused> {
        match vendor {
            Vendor::OpenAi => {}
            Vendor::Anthropic => anthropic::headers(headers)?,
            Vendor::Bedrock => bedrock::headers(headers)?,
        }
        let Some(key) = &self.config.key else {
            return Ok(());
        };
        let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let authorization = said("authorization");
        if vendor == Vendor::Bedrock && authorization.is_some_and(|it| it.starts_with("AWS4-")) {
            return Ok(());
        }
        let bearer = authorization.and_then(|value| value.strip_prefix("Bearer "));
        if bearer.or_else(|| said("x-api-key")) == Some(key.as_str()) {
            return Ok(());
        }
        let status = if vendor == Vendor::Bedrock { 403 } else { 401 };
        Err(Refused::new(
            status,
            refuse::error(vendor, status, Reason::UnknownKey, ""),
        ))
    }

    /// Checks the signature of a request that has one, and what its signer may do, where the
    /// emulator has an account to check them by.
    fn allow(&self, parts: &Parts, body: &[u8], action: &str, model: &str) -> Result<(), Refused> {
        let Some(account) = self.config.account.as_ref() else {
            return Ok(());
        };
        if !cloud::sigv4::is_signed(parts) {
            // A key instead: `admit` has compared it.
            return Ok(());
        }
        let principal = cloud::verify(account, parts, body, "bedrock", account.now())
            .map_err(|refusal| bedrock::unsigned(&refusal))?;
        if principal.may(action) {
            return Ok(());
        }
        let region = account.region();
        let resource = format!("arn:aws:bedrock:{region}::foundation-model/{model}");
        let refusal = cloud::Refusal::denied(&principal, action, &resource);
        Err(bedrock::unsigned(&refusal))
    }

    fn plan(&self, ask: &Ask, body: &Value, ticket: Ticket) -> Result<Plan, Refused> {
        let unknown = |word: String| Refused::unknown_model(ask.vendor, &ask.model, &word);
        let words = parse(&ask.model).map_err(unknown)?;
        let gap = match self.config.tokens_per_second {
            0 => Duration::ZERO,
            tps => Duration::from_secs(1) / tps,
        };
        let plan = Plan::new(&words, ticket.role_attempt, ticket.model_age, gap);
        if plan.strict_params {
            match ask.vendor {
                Vendor::OpenAi => openai::strict(body)?,
                Vendor::Anthropic => anthropic::strict(body)?,
                Vendor::Bedrock => bedrock::strict(body)?,
            }
        }
        if plan.no_prefill {
            refuse::prefill(ask.vendor, body)?;
        }
        if ask.vendor == Vendor::Bedrock {
            bedrock::lacks(&plan, body)?;
        }
        Ok(plan)
    }

    fn refuse(&self, vendor: Vendor, refused: &Refused, mut record: Record) -> Response {
        self.ledger
            .note(record.id, |entry| entry.status = Some(refused.status));
        let response = refused.response(vendor, record.id);
        record.end(End::Sent);
        response
    }

    /// Goes through the plan's door: an answer, a refusal, a reset or silence.
    async fn open(&self, ask: &Ask, plan: &Plan, ticket: Ticket, mut record: Record) -> Response {
        match &plan.door {
            Door::Open => self.answer(ask, plan, ticket, record),
            Door::Refuse(asked) => {
                let refused = Refused::asked(ask.vendor, asked, &ask.model);
                self.refuse(ask.vendor, &refused, record)
            }
            Door::Reset => match record.abort(End::Reset).await {},
            Door::Silent => {
                tokio::time::sleep(self.config.longest_hold).await;
                match record.abort(End::Cut).await {}
            }
        }
    }

    fn answer(&self, ask: &Ask, plan: &Plan, ticket: Ticket, record: Record) -> Response {
        let mut rng = self.rng(ask, plan, ticket);
        let mut answer = answer(ask, plan, ticket.role_attempt, &mut rng);
        if plan.huge_line > 0
            && let Some(at) = answer
                .tokens
                .iter()
                .position(|token| token.part == Part::Text)
        {
            answer.tokens[at].text.push_str(&"x".repeat(plan.huge_line));
        }
        let created = self.config.created + self.ledger.now_ms() / 1_000;
        let (steps, length) = if ask.stream {
            (script::stream(ask, plan, &answer, ticket.id, created), None)
        } else {
            let body = match ask.vendor {
                Vendor::OpenAi => openai::whole(ask, plan, &answer, ticket.id, created),
                // Bedrock's other call, `Converse`, is not played: an answer here is a stream.
                Vendor::Anthropic | Vendor::Bedrock => anthropic::whole(ask, &answer, ticket.id),
            };
            let body = body.to_string().into_bytes();
            (
                script::whole(plan, &body, answer.tokens.len()),
                Some(body.len()),
            )
        };
        self.ledger.note(ticket.id, |entry| {
            entry.status = Some(200);
            entry.tokens_planned = answer.tokens.len();
            entry.decision = answer.decision.map(|decision| decision.word().to_owned());
            entry.tag.clone_from(&answer.tag);
            entry.text = answer.part(Part::Text);
        });
        let gate = plan
            .lockstep
            .then(|| self.lockstep.open(ticket.id, &ask.model, ask.role()));
        let player = Player {
            steps,
            record,
            gate,
            hold: self.config.longest_hold,
        };
        let mut response = Response::new(Body::from_stream(player.into_stream()));
        let headers = response.headers_mut();
        let kind = match (ask.stream, ask.vendor) {
            (false, _) => "application/json",
            (true, Vendor::OpenAi) => "text/event-stream",
            (true, Vendor::Anthropic) => "text/event-stream; charset=utf-8",
            (true, Vendor::Bedrock) => "application/vnd.amazon.eventstream",
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        match length {
            Some(length) => headers.insert(CONTENT_LENGTH, HeaderValue::from(length)),
            None => headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        };
        tag(headers, ask.vendor, ticket.id);
        response
    }

    /// Chance that depends on nothing but the seed, the model, the role, the attempt and the question.
    fn rng(&self, ask: &Ask, plan: &Plan, ticket: Ticket) -> fastrand::Rng {
        let seed = match plan.vote {
            Vote::Random(seed) => seed,
            Vote::Approve | Vote::Reject | Vote::Abstain | Vote::ByRole => 0,
        };
        let role = ask.role().map_or("", magi_event::Agent::name);
        // The tag is new in every attempt; what it was must not decide anything.
        let tag = ask.tag().unwrap_or_default();
        let user = if tag.is_empty() {
            ask.user.clone()
        } else {
            ask.user.replace(&tag, "")
        };
        let text = format!(
            "{}/{seed}/{}/{role}/{}/{user}",
            self.config.seed, ask.model, ticket.role_attempt
        );
        fastrand::Rng::with_seed(fnv(text.as_bytes()))
    }
}

/// FNV-1a, 64 bits: stable across builds, which the standard library's hasher does not promise.
///
/// Source: <http://www.isthe.com/chongo/tech/comp/fnv/>.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Names that work, for clients that list models; any other composition works as well.
const LISTED: [&str; 6] = [
    "fake",
    "fake+reasoning",
    "fake+by-role",
    "fake+reject",
    "fake+abstain",
    "fake+random",
];

async fn models(State(app): State<App>, headers: HeaderMap) -> Response {
    let vendor = if headers.contains_key("anthropic-version") {
        Vendor::Anthropic
    } else {
        Vendor::OpenAi
    };
    if let Err(refused) = app.admit(vendor, &headers) {
        return refused.response(vendor, 0);
    }
    let created = app.config.created;
    Json(match vendor {
        Vendor::OpenAi => {
            let model = |id: &&str| {
                json!({"id": id, "object": "model", "created": created, "owned_by": "magi-emulator"})
            };
            json!({"object": "list", "data": LISTED.iter().map(model).collect::<Vec<_>>()})
        }
        Vendor::Anthropic | Vendor::Bedrock => {
            let model = |id: &&str| {
                json!({"type": "model", "id": id, "display_name": id,
                    "created_at": "2026-11-01T00:00:00Z"})
            };
            json!({"data": LISTED.iter().map(model).collect::<Vec<_>>(), "has_more": false,
                "first_id": LISTED[0], "last_id": LISTED[LISTED.len() - 1]})
        }
    })
    .into_response()
}

#[derive(serde::Deserialize)]
struct Filter {
    model: Option<String>,
}

async fn ledger(State(app): State<App>, Query(filter): Query<Filter>) -> Response {
    let entries = match filter.model {
        Some(model) => app.ledger.of(&model),
        None => app.ledger.entries(),
    };
    Json(json!({"requests": app.ledger.requests(), "entries": entries})).into_response()
}

async fn clear(State(app): State<App>) -> StatusCode {
    app.ledger.clear();
    StatusCode::NO_CONTENT
}

#[derive(serde::Deserialize)]
struct Report {
    #[serde(flatten)]
    who: Who,
    token: u64,
}

async fn release(State(app): State<App>, Json(report): Json<Report>) -> Response {
    match app.lockstep.report(&report.who, report.token) {
        Ok(matched) => Json(json!({"matched": matched})).into_response(),
        Err(ahead) => (StatusCode::CONFLICT, ahead.to_string()).into_response(),
    }
}
