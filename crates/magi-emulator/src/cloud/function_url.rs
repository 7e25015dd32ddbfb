//! A Function URL: the HTTP front of a function, with IAM, CORS and its two ways to answer.
//!
//! It streams as AWS's does and no faster: nothing is kept of an answer but what the client's socket has
//! not taken yet, counted in [`Held`]. A front that buffers keeps the whole answer, as AWS's does, and that
//! is counted too.

use std::net::SocketAddr;
use std::sync::Arc;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_TYPE, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::account::{Principal, uuid_of};
use super::function::{Ask, Function};
use super::function_answer::{Head, gathered, opened, payload, raw};
use super::function_event::{About, event};
use super::held::Held;
use super::runtime_api::{Flow, Said};
use super::sigv4;
use super::wire::{self, Answer, FRONT_BUFFER, Front, Out};
use crate::Error;

/// The largest request and the largest whole response, in bytes; a response may be a little larger than 6 MB.
///
/// Source: AWS Lambda Developer Guide, "Lambda quotas" (6 MB each for request and response), and the limit that
/// `Function.ResponseSizeTooLarge` names.
const REQUEST: usize = 6 << 20;
const WHOLE: usize = (6 << 20) + 100;

/// Who may call a Function URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// `AWS_IAM`: signed for the service `lambda`, by somebody who may do both actions.
    Iam,
    /// `NONE`: everybody.
    None,
}

/// How a Function URL answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvokeMode {
    /// `BUFFERED`: the whole response at its end, at most 6 MB.
    Buffered,
    /// `RESPONSE_STREAM`: as it is made.
    Stream,
}

/// The `Cors` of a Function URL's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    /// `AllowOrigins`; `*` is any.
    pub origins: Vec<String>,
    /// `AllowMethods`; `*` is any. `OPTIONS` is no member.
    pub methods: Vec<String>,
    /// `AllowHeaders`; `*` is any.
    pub headers: Vec<String>,
    /// `ExposeHeaders`.
    pub expose: Vec<String>,
    /// `AllowCredentials`.
    pub credentials: bool,
    /// `MaxAge` in seconds; 0 is none.
    pub max_age: u32,
}

/// A Function URL's settings.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UrlConfig {
    /// Where to listen; port 0 takes a free one.
    pub addr: SocketAddr,
    /// Who may call.
    pub auth: Auth,
    /// How it answers.
    pub mode: InvokeMode,
    /// Its CORS, if any.
    pub cors: Option<Cors>,
    /// The largest streamed response in bytes; the stream breaks off there.
    ///
    /// Source: AWS Lambda Developer Guide, "Response streaming for Lambda functions" (200 MB).
    pub stream_limit: u64,
    /// Bytes of a stream that leave as fast as they come; source as above (6 MB).
    pub burst: u64,
    /// Bytes per second after those; 0 is no limit. Source as above (2 MB/s).
    pub rate: u64,
    /// The buffers of its sockets, in bytes, each way, with segments as on a network; the system's choice if not said.
    pub socket_buffer: Option<u32>,
}

impl UrlConfig {
    /// AWS's own settings of a Function URL that streams and asks for a signature, without CORS.
    #[must_use]
    pub fn new(auth: Auth, mode: InvokeMode) -> Self {
        UrlConfig {
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            auth,
            mode,
            cors: None,
            stream_limit: 200 << 20,
            burst: 6 << 20,
            rate: 2 << 20,
            socket_buffer: None,
        }
    }
}

/// A running Function URL.
#[derive(Clone, Debug)]
pub struct FunctionUrl(Arc<Url>);

#[derive(Debug)]
struct Url {
    config: UrlConfig,
    function: Function,
    id: String,
    domain: String,
    addr: std::sync::OnceLock<SocketAddr>,
    held: Held,
}

impl FunctionUrl {
    /// Puts a Function URL in front of a function; it serves on `tracker` until `stop`.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] if the address cannot be listened on.
    pub async fn start(
        config: UrlConfig,
        function: Function,
        stop: CancellationToken,
        tracker: &TaskTracker,
    ) -> Result<FunctionUrl, Error> {
        let id = url_id();
        let domain = format!("{id}.lambda-url.{}.on.aws", function.account().region());
        let at = config.addr;
        let buffers = (FRONT_BUFFER, config.socket_buffer);
        let url = Arc::new(Url {
            config,
            function,
            id,
            domain,
            addr: std::sync::OnceLock::new(),
            held: Held::new(),
        });
        let addr = wire::listen(at, Arc::clone(&url), buffers, stop, tracker).await?;
        url.addr.get_or_init(|| addr);
        Ok(FunctionUrl(url))
    }

    /// Returns the URL without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        let at = self.0.addr.get().unwrap_or(&self.0.config.addr);
        format!("http://{at}")
    }

    /// Returns what its relay holds.
    #[must_use]
    pub fn held(&self) -> &Held {
        &self.0.held
    }

    /// Returns the function behind it.
    #[must_use]
    pub fn function(&self) -> &Function {
        &self.0.function
    }
}

/// What every answer of the front carries.
struct Tags {
    request: String,
    trace: Option<String>,
}

impl Front for Url {
    async fn answer(self: Arc<Self>, request: Request<Incoming>, peer: SocketAddr) -> Answer {
        let origin = request.headers().get(ORIGIN).cloned();
        let mut tags = Tags {
            request: uuid_of(fastrand::u128(..)),
            trace: None,
        };
        let mut answer = if self.is_preflight(&request) {
            let mut answer = Response::new(Out::Whole(None));
            self.preflight(answer.headers_mut());
            answer
        } else {
            self.pass(request, peer, &mut tags).await
        };
        let headers = answer.headers_mut();
        self.allow(origin.as_ref(), headers);
        put(headers, "x-amzn-requestid", &tags.request);
        if let Some(trace) = tags.trace {
            put(headers, "x-amzn-trace-id", &trace);
        }
        answer
    }
}

impl Url {
    async fn pass(&self, request: Request<Incoming>, peer: SocketAddr, tags: &mut Tags) -> Answer {
        let (parts, body) = request.into_parts();
        let Some(body) = wire::read(body, REQUEST).await else {
            let words = format!(
                "Request must be smaller than {REQUEST} bytes for the InvokeFunction operation"
            );
            let refusal = json!({"Message": words});
            return refuse(
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestTooLargeException",
                &refusal,
            );
        };
        let principal = match self.config.auth {
            Auth::None => None,
            Auth::Iam => match self.admit(&parts, &body) {
                Ok(principal) => Some(principal),
                Err(refusal) => return *refusal,
            },
        };
        let account = self.function.account();
        let now = account.now();
        let trace = trace_id(&parts.headers, now.as_second());
        let about = About {
            url_id: &self.id,
            domain: &self.domain,
            account_id: account.id(),
            request_id: &tags.request,
            trace: &trace,
            source_ip: peer.ip().to_string(),
            now,
            principal: principal.as_ref(),
        };
        let ask = Ask {
            id: tags.request.clone(),
            event: event(&parts, &body, &about),
            trace: trace.clone(),
            flow: self.flow(),
            held: self.held.clone(),
        };
        drop(body);
        tags.trace = Some(trace);
        let Ok(said) = self.function.invoke(ask) else {
            let refusal = json!({
                "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
                "Type": "User",
                "message": "Rate Exceeded.",
            });
            return refuse(
                StatusCode::TOO_MANY_REQUESTS,
                "TooManyRequestsException",
                &refusal,
            );
        };
        // Nobody answers only when the whole cloud stops.
        let Ok(said) = said.await else {
            return bad_gateway();
        };
        self.tell(said).await.unwrap_or_else(bad_gateway)
    }

    /// Turns what the function said into an answer; `None` if it said nothing that is one.
    async fn tell(&self, said: Said) -> Option<Answer> {
        let (head, out) = match (said, self.config.mode) {
            (Said::Stream(prelude, steps), InvokeMode::Stream) => {
                opened(prelude, steps).await.ok()?
            }
            (Said::Stream(prelude, steps), InvokeMode::Buffered) => {
                let (head, out) = opened(prelude, steps).await.ok()?;
                (head, gathered(out).await.ok()?)
            }
            (Said::Whole(bytes), InvokeMode::Stream) => raw(bytes, &self.held),
            (Said::Whole(bytes), InvokeMode::Buffered) => payload(bytes, &self.held).ok()?,
            (Said::Failed(failure), _) => {
                tracing::info!(?failure, "an invocation failed");
                return None;
            }
        };
        Some(whole(head, out))
    }

    fn flow(&self) -> Flow {
        match self.config.mode {
            InvokeMode::Stream => Flow {
                most: self.config.stream_limit,
                burst: self.config.burst,
                rate: self.config.rate,
                whole: WHOLE,
            },
            InvokeMode::Buffered => Flow {
                most: WHOLE as u64,
                burst: 0,
                rate: 0,
                whole: WHOLE,
            },
        }
    }

    /// Lets somebody in who signed and may do both actions.
    fn admit(&self, parts: &Parts, body: &[u8]) -> Result<Principal, Box<Answer>> {
        let presigned = parts
            .uri
            .query()
            .unwrap_or_default()
            .contains("X-Amz-Signature=");
        if !presigned && !parts.headers.contains_key(AUTHORIZATION) {
            return Err(Box::new(forbidden()));
        }
        let account = self.function.account();
        let principal =
            sigv4::verify(account, parts, body, "lambda", account.now()).map_err(|refusal| {
                let words = json!({"message": refusal.message});
                Box::new(refuse(refusal.status, refusal.kind, &words))
            })?;
        let both = ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"];
        if both.iter().all(|action| principal.may(action)) {
            Ok(principal)
        } else {
            Err(Box::new(forbidden()))
        }
    }

    fn is_preflight(&self, request: &Request<Incoming>) -> bool {
        let headers = request.headers();
        self.config.cors.is_some()
            && request.method() == Method::OPTIONS
            && headers.contains_key(ORIGIN)
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    }

    fn preflight(&self, headers: &mut HeaderMap) {
        let Some(cors) = &self.config.cors else {
            return;
        };
        list(headers, ACCESS_CONTROL_ALLOW_METHODS, &cors.methods);
        list(headers, ACCESS_CONTROL_ALLOW_HEADERS, &cors.headers);
        if cors.max_age > 0 {
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(cors.max_age));
        }
    }

    /// Adds the CORS headers every response has, errors too; a function's own stay beside them.
    ///
    /// Source: AWS Lambda Developer Guide, "Creating and managing Lambda function URLs" (cross-origin resource
    /// sharing: all responses, and duplicates where the function sends its own).
    fn allow(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        let (Some(cors), Some(origin)) = (&self.config.cors, origin) else {
            return;
        };
        let any = cors.origins.iter().any(|allowed| allowed == "*");
        let named = cors
            .origins
            .iter()
            .any(|allowed| allowed.as_bytes() == origin.as_bytes());
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if !any && !named {
            return;
        }
        let said = if any && !cors.credentials {
            HeaderValue::from_static("*")
        } else {
            origin.clone()
        };
        headers.append(ACCESS_CONTROL_ALLOW_ORIGIN, said);
        list(headers, ACCESS_CONTROL_EXPOSE_HEADERS, &cors.expose);
        if cors.credentials {
            headers.append(
                ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
        }
    }
}

fn whole(head: Head, out: Out) -> Answer {
    let mut answer = Response::new(out);
    *answer.status_mut() = head.status;
    *answer.headers_mut() = head.headers;
    answer
}

fn refuse(status: StatusCode, kind: &'static str, body: &Value) -> Answer {
    let mut answer = Response::new(Out::own(body.to_string()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("x-amzn-errortype", HeaderValue::from_static(kind));
    answer
}

/// What AWS says to whoever is nobody, or may not: it does not say which.
fn forbidden() -> Answer {
    let words = "Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html";
    refuse(
        StatusCode::FORBIDDEN,
        "AccessDeniedException",
        &json!({"Message": words}),
    )
}

/// What a Function URL says when its function has failed, whatever the failure was.
fn bad_gateway() -> Answer {
    let mut answer = Response::new(Out::own("Internal Server Error"));
    *answer.status_mut() = StatusCode::BAD_GATEWAY;
    let kind = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn list(headers: &mut HeaderMap, name: HeaderName, values: &[String]) {
    if values.is_empty() {
        return;
    }
    if let Ok(value) = HeaderValue::try_from(values.join(",")) {
        headers.append(name, value);
    }
}

/// The trace's id: the client's own root, or a new one.
///
/// Source: AWS X-Ray Developer Guide, "Tracing header".
fn trace_id(headers: &HeaderMap, now: i64) -> String {
    let said = headers
        .get("x-amzn-trace-id")
        .and_then(|said| said.to_str().ok());
    let root = said
        .into_iter()
        .flat_map(|said| said.split(';'))
        .find(|part| part.starts_with("Root="));
    match root {
        Some(root) => format!("{root};Parent={:016x};Sampled=0", fastrand::u64(..)),
        None => {
            let unique = fastrand::u128(..) >> 32;
            format!(
                "Root=1-{now:08x}-{unique:024x};Parent={:016x};Sampled=0",
                fastrand::u64(..)
            )
        }
    }
}

/// 32 lower-case letters and digits, as the ids of Function URLs are.
fn url_id() -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    (0..32)
        .map(|_| char::from(ALPHABET[fastrand::usize(..32)]))
        .collect()
}
