//! The front of the data plane: routes, who is let in, preflights, and the form of refusals.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, ORIGIN, SEC_WEBSOCKET_PROTOCOL, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::account::Account;
use super::agentcore::{AgentCoreConfig, Authorizer, CUSTOM_PREFIX, RuntimeConfig, SESSION_HEADER};
use super::agentcore_session::{Key, Lease, Sessions, throttled};
use super::agentcore_upstream::{Counts, Relay, take_over};
use super::agentcore_ws::Tunnel;
use super::held::Held;
use super::sigv4::{self, Refusal, query_value, unescape};
use super::wire::{self, Answer, Front, Out};

/// The signing name of the data plane.
const SERVICE: &str = "bedrock-agentcore";

/// The longest life of a presigned WebSocket address, in seconds.
///
/// Source: AgentCore Developer Guide, "Get started with bidirectional streaming using WebSocket".
const PRESIGNED: i64 = 300;

/// The longest token in a WebSocket's subprotocol, in encoded characters (same page).
const TOKEN_LIMIT: usize = 4_096;

/// The longest value of an allow-listed header, in bytes.
const VALUE_LIMIT: usize = 4 << 10;

/// The subprotocol that carries a token, since a browser cannot set headers on a WebSocket.
pub(crate) const TOKEN_PROTOCOL: &str = "base64UrlBearerAuthorization";

const USER_HEADER: &str = "x-amzn-bedrock-agentcore-runtime-user-id";
const REQUEST_HEADER: &str = "x-amzn-bedrock-agentcore-runtime-request-id";
const TRACE_HEADER: &str = "x-amzn-trace-id";

/// What a container sees of a request beside what is set for it and what is allow-listed.
///
/// Source: Amazon Bedrock AgentCore API Reference, `InvokeAgentRuntime`, request syntax.
const PASSED: [&str; 9] = [
    "content-type",
    "accept",
    "traceparent",
    "tracestate",
    "baggage",
    "mcp-session-id",
    "mcp-protocol-version",
    "mcp-method",
    "mcp-name",
];

/// What pages may send.
const ALLOWED: &str = "authorization,content-type,accept,x-amz-date,x-amz-security-token,x-amz-content-sha256,x-amz-user-agent,amz-sdk-invocation-id,amz-sdk-request,x-amzn-trace-id,traceparent,tracestate,baggage,mcp-session-id,mcp-protocol-version,x-amzn-bedrock-agentcore-runtime-session-id,x-amzn-bedrock-agentcore-runtime-user-id";

/// What pages may read beside the body.
const EXPOSED: &str = "x-amzn-bedrock-agentcore-runtime-session-id,x-amzn-requestid,x-amzn-errortype,x-amzn-trace-id,www-authenticate";

/// Everything the requests of a data plane share.
#[derive(Debug)]
pub(crate) struct Plane {
    account: Account,
    runtimes: Vec<Arc<RuntimeConfig>>,
    origins: Vec<String>,
    pub(crate) sessions: Sessions,
    pub(crate) counts: Arc<Counts>,
    pub(crate) held: Held,
    tracker: TaskTracker,
    recent: Mutex<Vec<(String, VecDeque<Instant>)>>,
}

/// What is asked of which runtime.
struct Call {
    runtime: Arc<RuntimeConfig>,
    qualifier: String,
    operation: Operation,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Invoke,
    WebSocket,
    Stop,
    Metadata,
}

impl Operation {
    fn action(self) -> &'static str {
        match self {
            Operation::Invoke | Operation::Metadata => "bedrock-agentcore:InvokeAgentRuntime",
            Operation::WebSocket => "bedrock-agentcore:InvokeAgentRuntimeWithWebSocketStream",
            Operation::Stop => "bedrock-agentcore:StopRuntimeSession",
        }
    }

    fn method(self) -> Method {
        match self {
            Operation::Invoke | Operation::Stop => Method::POST,
            Operation::WebSocket | Operation::Metadata => Method::GET,
        }
    }
}

/// How a request was let in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Signed,
    Bearer,
}

impl Front for Plane {
    async fn answer(self: Arc<Self>, request: Request<Incoming>, _peer: SocketAddr) -> Answer {
        let origin = request.headers().get(ORIGIN).cloned();
        let id = self.account.uuid();
        let is_preflight = request.method() == Method::OPTIONS
            && request
                .headers()
                .contains_key("access-control-request-method");
        let mut answer = if is_preflight {
            self.preflight()
        } else {
            let asked = Arc::clone(&self).asked(request, &id).await;
            asked.unwrap_or_else(|refusal| *refusal)
        };
        let headers = answer.headers_mut();
        if let Ok(id) = HeaderValue::from_str(&id) {
            headers.insert("x-amzn-requestid", id);
        }
        if let Some(allowed) = origin.and_then(|origin| self.allow(&origin)) {
            headers.insert("access-control-allow-origin", allowed);
            headers.insert(
                "access-control-expose-headers",
                HeaderValue::from_static(EXPOSED),
            );
        }
        answer
    }
}

/// A refusal as it is sent, behind a pointer since it is the rarer outcome.
type Refused = Box<Answer>;

fn refuse(refusal: Refusal) -> Refused {
    let Refusal {
        status,
        kind,
        message,
    } = refusal;
    let body = Value::Object(
        [("message".to_owned(), message.into())]
            .into_iter()
            .collect(),
    );
    let mut answer = Response::new(Out::own(body.to_string()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("x-amzn-errortype", HeaderValue::from_static(kind));
    Box::new(answer)
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "ValidationException", message)
}

fn missing(message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "ResourceNotFoundException", message)
}

impl Plane {
    pub(crate) fn new(
        account: Account,
        config: AgentCoreConfig,
        tracker: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let recent = config.runtimes.iter();
        let held = Held::new();
        Plane {
            account,
            recent: Mutex::new(
                recent
                    .map(|runtime| (runtime.id.clone(), VecDeque::new()))
                    .collect(),
            ),
            runtimes: config.runtimes.into_iter().map(Arc::new).collect(),
            origins: config.origins,
            sessions: Sessions::new(tracker.clone(), stop, held.clone()),
            counts: Arc::default(),
            held,
            tracker,
        }
    }

    fn allow(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        if self.origins.is_empty() {
            return Some(HeaderValue::from_static("*"));
        }
        let known = |allowed: &String| origin.as_bytes() == allowed.as_bytes();
        self.origins.iter().any(known).then(|| origin.clone())
    }

    /// Answered by the front, before anybody is asked who they are: a preflight carries no credentials.
    fn preflight(&self) -> Answer {
        let mut allowed = ALLOWED.to_owned();
        for name in self
            .runtimes
            .iter()
            .flat_map(|runtime| &runtime.header_allowlist)
        {
            allowed.push(',');
            allowed.push_str(&name.to_ascii_lowercase());
        }
        let mut answer = Response::new(Out::own(""));
        let headers = answer.headers_mut();
        if let Ok(allowed) = HeaderValue::from_str(&allowed) {
            headers.insert("access-control-allow-headers", allowed);
        }
        let methods = HeaderValue::from_static("GET,POST,OPTIONS");
        headers.insert("access-control-allow-methods", methods);
        headers.insert("access-control-max-age", HeaderValue::from_static("86400"));
        answer
    }

    async fn asked(
        self: Arc<Self>,
        mut request: Request<Incoming>,
        id: &str,
    ) -> Result<Answer, Refused> {
        // Taken while the request is whole: this is what a WebSocket's bytes come through.
        let upgrade = hyper::upgrade::on(&mut request);
        let (parts, body) = request.into_parts();
        let call = self.call(&parts).map_err(refuse)?;
        if call.operation == Operation::Metadata {
            return Ok(metadata(&call, &parts));
        }
        let Some(body) = wire::read(body, call.runtime.body_limit).await else {
            let limit = call.runtime.body_limit;
            return Err(refuse(invalid(format!(
                "1 validation error detected: Value at 'payload' failed to satisfy constraint: Member must have length less than or equal to {limit}"
            ))));
        };
        let way = self.admit(&call, &parts, &body)?;
        self.rate(&call.runtime).map_err(refuse)?;
        let session = session_id(&parts).map_err(refuse)?;
        if call.operation == Operation::Stop {
            return self.stop_session(&call, session).await.map_err(refuse);
        }
        let session = session.unwrap_or_else(|| self.account.uuid());
        let ids = [(SESSION_HEADER, session.as_str()), (REQUEST_HEADER, id)];
        let headers = self.passed(&call, &parts, way, ids).map_err(refuse)?;
        let trace = headers.get(TRACE_HEADER).cloned();
        let key = Key {
            runtime: call.runtime.id.clone(),
            qualifier: call.qualifier.clone(),
            session: session.clone(),
        };
        let lease = self.sessions.open(&call.runtime, key);
        let lease = lease.map_err(|refusal| {
            if refusal.status == StatusCode::CONFLICT {
                self.counts.conflicts.fetch_add(1, Ordering::AcqRel);
                self.sessions.touch();
            }
            refuse(refusal)
        })?;
        let answer = if call.operation == Operation::WebSocket {
            let tunnel = Tunnel {
                runtime: Arc::clone(&call.runtime),
                held: lease.session().held().clone(),
                lease,
                upgrade,
                tracker: self.tracker.clone(),
            };
            tunnel.open(&parts, headers).await
        } else {
            self.invoke(call.runtime, lease, headers, body).await
        };
        let mut answer = answer.map_err(refuse)?;
        let told = answer.headers_mut();
        if let Ok(session) = HeaderValue::from_str(&session) {
            told.insert(SESSION_HEADER, session);
        }
        if let Some(trace) = trace {
            told.insert(TRACE_HEADER, trace);
        }
        Ok(answer)
    }

    async fn invoke(
        &self,
        runtime: Arc<RuntimeConfig>,
        lease: Lease,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, Refusal> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = http::Uri::from_static("/invocations");
        *request.headers_mut() = headers;
        let sessions = self.sessions.clone();
        let relay = Relay {
            runtime,
            held: lease.session().held().clone(),
            lease,
            request,
            counts: Arc::clone(&self.counts),
            tracker: self.tracker.clone(),
            changed: Box::new(move || sessions.touch()),
        };
        let (gives, takes) = oneshot::channel();
        // A task of its own: the container is not told when the caller leaves.
        self.tracker.spawn(relay.run(gives));
        takes.await.unwrap_or_else(|_| {
            Err(Refusal::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "InternalServerException",
                "The emulator is being stopped.",
            ))
        })
    }

    /// Finds what the path asks for: `/runtimes/{escaped ARN or id}/OPERATION`.
    fn call(&self, parts: &Parts) -> Result<Call, Refusal> {
        let unknown = || {
            Refusal::new(
                StatusCode::NOT_FOUND,
                "UnknownOperationException",
                "No operation has this path and method.",
            )
        };
        let path = parts.uri.path().strip_prefix("/runtimes/");
        let (name, operation) = path
            .and_then(|rest| rest.split_once('/'))
            .ok_or_else(unknown)?;
        let operation = match operation {
            "invocations" => Operation::Invoke,
            "ws" => Operation::WebSocket,
            "stopruntimesession" => Operation::Stop,
            "invocations/.well-known/oauth-protected-resource" => Operation::Metadata,
            _ => return Err(unknown()),
        };
        if parts.method != operation.method() {
            return Err(unknown());
        }
        let name = String::from_utf8(unescape(name, false))
            .map_err(|_| invalid("The runtime's ARN is not text."))?;
        if !name.starts_with("arn:") && query_value(parts, "accountId").is_none() {
            return Err(invalid(
                "accountId is required as a query parameter when the agent's ID is used instead of its ARN.",
            ));
        }
        let is_it = |runtime: &&Arc<RuntimeConfig>| {
            let by_id = query_value(parts, "accountId").as_deref() == Some(self.account.id());
            name == runtime.arn(&self.account) || (by_id && name == runtime.id)
        };
        let qualifier = query_value(parts, "qualifier").unwrap_or_else(|| "DEFAULT".to_owned());
        let runtime = self
            .runtimes
            .iter()
            .find(is_it)
            .filter(|runtime| qualifier == "DEFAULT" || runtime.endpoints.contains(&qualifier));
        let runtime = runtime.ok_or_else(|| {
            missing(format!(
                "No endpoint or agent found with qualifier '{qualifier}' for agent '{name}'"
            ))
        })?;
        Ok(Call {
            runtime: Arc::clone(runtime),
            qualifier,
            operation,
        })
    }

    fn admit(&self, call: &Call, parts: &Parts, body: &[u8]) -> Result<Way, Refused> {
        let bearer = bearer(parts, call.operation == Operation::WebSocket).map_err(refuse)?;
        let mismatch = || {
            refuse(Refusal::new(
                StatusCode::FORBIDDEN,
                "AccessDeniedException",
                "Authorization method mismatch. The agent is configured for a different authorization method than what was used in your request. Check the agent's authorization configuration and ensure your request uses the matching method (OAuth or SigV4)",
            ))
        };
        match &call.runtime.authorizer {
            Authorizer::Iam => {
                if bearer.is_some() {
                    return Err(mismatch());
                }
                self.signed(call, parts, body).map_err(refuse)?;
                Ok(Way::Signed)
            }
            Authorizer::Jwt { issuer, clients } => {
                if sigv4::is_signed(parts) {
                    return Err(mismatch());
                }
                let token = bearer
                    .ok_or_else(|| unauthorised(call, parts, "Missing Authentication Token"))?;
                let claims = issuer.check(&token, self.account.now()).map_err(|fault| {
                    unauthorised(call, parts, &format!("OAuth authorization failed: {fault}"))
                })?;
                let is_for = |client: &String| {
                    claims.client_id.as_ref() == Some(client) || claims.aud.as_ref() == Some(client)
                };
                if !clients.is_empty() && !clients.iter().any(is_for) {
                    let words = "Claim 'client_id' value mismatch with configuration.";
                    return Err(unauthorised(call, parts, words));
                }
                Ok(Way::Bearer)
            }
        }
    }

    fn signed(&self, call: &Call, parts: &Parts, body: &[u8]) -> Result<(), Refusal> {
        let now = self.account.now();
        let principal = sigv4::verify(&self.account, parts, body, SERVICE, now)?;
        if sigv4::presigned_for(parts).is_some_and(|seconds| seconds > PRESIGNED) {
            return Err(invalid(format!(
                "A presigned URL of this service lives {PRESIGNED} seconds at most."
            )));
        }
        let arn = call.runtime.arn(&self.account);
        let resource = format!("{arn}/runtime-endpoint/{}", call.qualifier);
        let mut actions = vec![call.operation.action().to_owned()];
        if parts.headers.contains_key(USER_HEADER) && call.operation != Operation::Stop {
            actions.push(format!("{}ForUser", call.operation.action()));
        }
        for action in actions {
            if !principal.may(&action) {
                return Err(Refusal::denied(&principal, &action, &resource));
            }
        }
        Ok(())
    }

    /// Counts a request of this second, or refuses it.
    fn rate(&self, runtime: &RuntimeConfig) -> Result<(), Refusal> {
        let now = Instant::now();
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((_, times)) = recent.iter_mut().find(|(id, _)| *id == runtime.id) else {
            return Ok(());
        };
        while times
            .front()
            .is_some_and(|at| now - *at >= Duration::from_secs(1))
        {
            times.pop_front();
        }
        if times.len() >= runtime.requests_per_second {
            return Err(throttled());
        }
        times.push_back(now);
        Ok(())
    }

    async fn stop_session(&self, call: &Call, session: Option<String>) -> Result<Answer, Refusal> {
        let session = session.ok_or_else(|| {
            invalid("1 validation error detected: Value at 'runtimeSessionId' failed to satisfy constraint: Member must not be null")
        })?;
        let told = HeaderValue::from_str(&session).map_err(|_| invalid("runtimeSessionId"))?;
        let key = Key {
            runtime: call.runtime.id.clone(),
            qualifier: call.qualifier.clone(),
            session,
        };
        if !self.sessions.stop(&key).await {
            return Err(missing(format!(
                "Runtime session '{}' not found for agent '{}'",
                key.session,
                call.runtime.arn(&self.account)
            )));
        }
        let mut answer = Response::new(Out::own("{}"));
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(SESSION_HEADER, told);
        Ok(answer)
    }

    /// What the container sees of the caller's headers; everything else is taken away.
    fn passed(
        &self,
        call: &Call,
        parts: &Parts,
        way: Way,
        ids: [(&'static str, &str); 2],
    ) -> Result<HeaderMap, Refusal> {
        let mut passed = HeaderMap::new();
        for name in PASSED {
            take_over(&parts.headers, &mut passed, name);
        }
        for name in &call.runtime.header_allowlist {
            let name = name.to_ascii_lowercase();
            // A signature is for this front alone; a token is the user's to be shown.
            if name == AUTHORIZATION.as_str() && way == Way::Signed {
                continue;
            }
            take_over(&parts.headers, &mut passed, &name);
            if call.operation == Operation::WebSocket
                && name.starts_with(CUSTOM_PREFIX)
                && let Some(value) = query_of(parts, &name)
                && let Ok(key) = http::HeaderName::from_bytes(name.as_bytes())
                && let Ok(value) = HeaderValue::from_str(&value)
            {
                passed.entry(key).or_insert(value);
            }
            if passed
                .get_all(&name)
                .iter()
                .any(|value| value.len() > VALUE_LIMIT)
            {
                return Err(invalid(format!(
                    "The header '{name}' is longer than {VALUE_LIMIT} bytes."
                )));
            }
        }
        // With a token the user is the token's, and this header is ignored.
        if way == Way::Signed {
            take_over(&parts.headers, &mut passed, USER_HEADER);
        }
        take_over(&parts.headers, &mut passed, TRACE_HEADER);
        if !passed.contains_key(TRACE_HEADER)
            && let Ok(trace) = HeaderValue::from_str(&self.trace())
        {
            passed.insert(TRACE_HEADER, trace);
        }
        for (name, value) in ids {
            let value = HeaderValue::from_str(value)
                .map_err(|_| invalid("The session id is not text that a header can carry."))?;
            passed.insert(name, value);
        }
        Ok(passed)
    }

    /// A new trace in X-Ray's form.
    ///
    /// Source: AWS X-Ray Developer Guide, "Tracing header".
    fn trace(&self) -> String {
        let random = self.account.uuid().replace('-', "") + &self.account.uuid().replace('-', "");
        format!(
            "Root=1-{:08x}-{};Parent={};Sampled=1",
            self.account.now().as_second(),
            &random[..24],
            &random[24..40]
        )
    }
}

/// The session's id from its header, or on a WebSocket from the query; 33 to 256 characters.
fn session_id(parts: &Parts) -> Result<Option<String>, Refusal> {
    let by_header = parts.headers.get(SESSION_HEADER);
    let by_header = by_header.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let Some(id) = by_header.or_else(|| query_of(parts, SESSION_HEADER)) else {
        return Ok(None);
    };
    let bound = match id.chars().count() {
        ..33 => "greater than or equal to 33",
        33..=256 => return Ok(Some(id)),
        _ => "less than or equal to 256",
    };
    Err(invalid(format!(
        "1 validation error detected: Value '{id}' at 'runtimeSessionId' failed to satisfy constraint: Member must have length {bound}"
    )))
}

/// A query parameter whose name is a header's, in any case.
fn query_of(parts: &Parts, name: &str) -> Option<String> {
    let query = parts.uri.query().unwrap_or_default();
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.eq_ignore_ascii_case(name)
            .then(|| String::from_utf8_lossy(&unescape(value, true)).into_owned())
    })
}

/// The token of `Authorization: Bearer`, or of a WebSocket's subprotocol.
fn bearer(parts: &Parts, is_socket: bool) -> Result<Option<String>, Refusal> {
    let header = parts.headers.get(AUTHORIZATION);
    let header = header.and_then(|value| value.to_str().ok());
    let by_header = header
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim().to_owned());
    if by_header.is_some() || !is_socket {
        return Ok(by_header);
    }
    let protocols = parts.headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let names: Vec<&str> = protocols
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let prefix = format!("{TOKEN_PROTOCOL}.");
    let Some(encoded) = names.iter().find_map(|name| name.strip_prefix(&prefix)) else {
        return Ok(None);
    };
    let foreign = names
        .iter()
        .any(|name| *name != TOKEN_PROTOCOL && !name.starts_with(&prefix));
    if foreign || !names.contains(&TOKEN_PROTOCOL) || encoded.len() > TOKEN_LIMIT {
        return Err(invalid(format!(
            "The subprotocols must be '{TOKEN_PROTOCOL}.TOKEN' (at most {TOKEN_LIMIT} characters) and '{TOKEN_PROTOCOL}', and no others."
        )));
    }
    let token = URL_SAFE_NO_PAD
        .decode(encoded.trim_end_matches('='))
        .ok()
        .and_then(|token| String::from_utf8(token).ok());
    token
        .map(Some)
        .ok_or_else(|| invalid("The subprotocol's token is not base64url."))
}

/// Where the front itself was reached, as the caller wrote it.
fn resource(parts: &Parts) -> String {
    let host = parts.headers.get(http::header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = parts.uri.path().split('/').nth(2).unwrap_or_default();
    format!("http://{host}/runtimes/{name}/invocations")
}

fn unauthorised(call: &Call, parts: &Parts, words: &str) -> Refused {
    let mut answer = refuse(Refusal::new(
        StatusCode::UNAUTHORIZED,
        "UnauthorizedException",
        words,
    ));
    let way = format!(
        "Bearer resource_metadata=\"{}/.well-known/oauth-protected-resource?qualifier={}\"",
        resource(parts),
        call.qualifier
    );
    if let Ok(way) = HeaderValue::from_str(&way) {
        answer.headers_mut().insert(WWW_AUTHENTICATE, way);
    }
    answer
}

/// Who gives tokens for this runtime.
///
/// Source: RFC 9728, section 2.
fn metadata(call: &Call, parts: &Parts) -> Answer {
    let Authorizer::Jwt { issuer, .. } = &call.runtime.authorizer else {
        return *refuse(missing("This runtime takes no tokens."));
    };
    let body = json!({
        "authorization_servers": [issuer.url()],
        "resource": format!("{}?qualifier={}", resource(parts), call.qualifier),
    });
    let mut answer = Response::new(Out::own(body.to_string()));
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, json);
    answer
}
