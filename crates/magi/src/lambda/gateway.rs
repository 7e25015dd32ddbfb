//! The function as a gateway: what comes in goes to an AgentCore runtime, and its answer comes back,
//! byte for byte and as it comes.

use anyhow::Result;
use bytes::Bytes;
use futures_util::stream;
use lambda_http::http::{HeaderMap, Method, Response, StatusCode, header};
use lambda_http::{Body as Event, Request};
use magi_aws::agentcore::{Client, Error, Invoke, Target};
use magi_log::{Clock, SystemClock, SystemEntropy};
use magi_server::BODY_LIMIT;
use magi_server::problem::{Code, Problem};
use serde_json::json;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

use crate::lambda::answer::{self, Body};
use crate::lambda::deadline::{Margin, Time};
use crate::lambda::relay::{LetGo, Relay};
use crate::lambda::session::Session;

/// A relay to one runtime.
pub(crate) struct Gateway {
    client: Client,
    margin: Margin,
    /// Unix seconds: the status has never changed since.
    since: i64,
    /// What ends an answer in time that nobody reads.
    watches: TaskTracker,
}

/// The longest that AgentCore takes of a header that goes on to it, in bytes. A longer one stays behind: the
/// call would be refused for it.
///
/// Source: Amazon Bedrock AgentCore API reference, `InvokeAgentRuntime`, URI request parameters.
mod longest {
    pub(super) const TRACE: usize = 128;
    pub(super) const TRACE_STATE: usize = 512;
    pub(super) const BAGGAGE: usize = 8192;
}

impl Gateway {
    /// Makes the gateway; nothing is called yet.
    pub(crate) async fn new(target: Target, margin: Margin) -> Self {
        Gateway {
            client: Client::new(target).await,
            margin,
            since: SystemClock.now().as_millis() / 1000,
            watches: TaskTracker::new(),
        }
    }

    /// Answers one invocation; it always has an answer.
    ///
    /// # Errors
    ///
    /// None: an invocation that fails shows its caller nothing but 502.
    pub(crate) async fn answer(
        &self,
        request: Request,
    ) -> Result<Response<Body>, lambda_http::Error> {
        let path = request.uri().path();
        let is_get = matches!(*request.method(), Method::GET | Method::HEAD);
        Ok(match path {
            "/invocations" | "/api/invocations" if request.method() == Method::POST => {
                self.relay(request).await
            }
            "/ping" | "/api/ping" if is_get => self.ping(),
            "/invocations" | "/api/invocations" | "/ping" | "/api/ping" => answer::refused(
                &Problem::new(Code::MethodNotAllowed, "this path has no such method")
                    .fix("POST /invocations, GET /ping"),
            ),
            _ => answer::refused(
                &Problem::new(
                    Code::NotFound,
                    "this function relays `/invocations` and knows no other path",
                )
                .fix("POST to /invocations; everything is an action there"),
            ),
        })
    }

    fn ping(&self) -> Response<Body> {
        let ping = json!({ "status": "Healthy", "time_of_last_update": self.since });
        answer::json(StatusCode::OK, "application/json", ping.to_string().into())
    }

    async fn relay(&self, request: Request) -> Response<Body> {
        let until = Time::of(&request, &SystemClock).map(|time| self.margin.before(time));
        let session = Session::of(&request, &SystemEntropy);
        let (parts, event) = request.into_parts();
        let body = bytes_of(event);
        let streams = magi_server::streams(&body);
        let session = match session {
            Ok(session) if body.len() <= BODY_LIMIT => session,
            Ok(_) => return answer::door(&too_large(), streams),
            Err(problem) => return answer::door(&problem, streams),
        };
        let call = invocation(&parts.headers, session.upstream, body);
        let mut response = match self.call(&call, until).await {
            Ok(response) => response,
            Err(problem) => answer::door(&problem, streams),
        };
        answer::mark_session(response.headers_mut(), &session.client);
        response
    }

    async fn call(&self, call: &Invoke, until: Option<Instant>) -> Result<Response<Body>, Problem> {
        let calling = self.client.invoke(call);
        let answered = match until {
            Some(until) => timeout_at(until, calling).await.map_err(|_| late())?,
            None => calling.await,
        };
        let answered = answered.map_err(|error| {
            tracing::warn!(%error, "AgentCore did not answer");
            explain(&error)
        })?;
        let is_stream = answered.content_type.starts_with("text/event-stream");
        let kind = answered.content_type.parse();
        let source = LetGo::at(until, answered, &self.watches);
        let relay = Relay::new(source, is_stream, until, explain);
        let body = answer::pulled(stream::unfold(relay, |mut relay| async move {
            let piece = relay.next().await?;
            Some((piece, relay))
        }));
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        answer::mark_stream(headers);
        if let Ok(kind) = kind {
            headers.insert(header::CONTENT_TYPE, kind);
        }
        Ok(response)
    }
}

fn bytes_of(event: Event) -> Bytes {
    match event {
        Event::Text(text) => Bytes::from(text),
        Event::Binary(bytes) => Bytes::from(bytes),
        _ => Bytes::new(),
    }
}

/// The call as AgentCore gets it: the body as it is, and of the headers those that it hands on.
fn invocation(headers: &HeaderMap, session: String, body: Bytes) -> Invoke {
    Invoke {
        session,
        body,
        accept: text(headers, header::ACCEPT.as_str(), longest::TRACE),
        trace_id: text(headers, "x-amzn-trace-id", longest::TRACE),
        trace_parent: text(headers, "traceparent", longest::TRACE),
        trace_state: text(headers, "tracestate", longest::TRACE_STATE),
        baggage: text(headers, "baggage", longest::BAGGAGE),
    }
}

fn text(headers: &HeaderMap, name: &str, longest: usize) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    (!value.is_empty() && value.len() <= longest).then(|| value.to_owned())
}

fn too_large() -> Problem {
    Problem::new(Code::TooLarge, "the body is larger than 4 MiB")
        .fix("shorten `context` to 256 KiB and `question` to 16,384 bytes")
}

fn late() -> Problem {
    Problem::new(
        Code::UpstreamTimeout,
        "AgentCore did not begin to answer before this function's deadline",
    )
    .fix("raise the function's timeout, and look into the container's log for why it starts so slowly")
}

/// Says which hop failed and the one thing to do about it. AWS's own sentence names roles and
/// accounts: it stays in the log, and its word goes to the caller.
fn explain(error: &Error) -> Problem {
    let (code, detail, fix) = match error {
        Error::Forbidden { name, .. } => (
            Code::UpstreamForbidden,
            format!("AgentCore does not let this function in ({name})"),
            forbidden_fix(name),
        ),
        Error::NoCredentials(_) => (
            Code::UpstreamForbidden,
            "this function has no AWS credentials to call AgentCore with".to_owned(),
            "give the function an execution role",
        ),
        Error::NotFound { name, .. } => (
            Code::UpstreamNotFound,
            format!("AgentCore has no such runtime or endpoint ({name})"),
            "compare MAGI_UPSTREAM with the runtime's ARN, its region and its endpoint's name",
        ),
        Error::Refused { name, .. } => (
            Code::UpstreamRefused,
            format!("AgentCore refuses what this function sends ({name})"),
            "read the reason in the function's log",
        ),
        Error::Throttled { name, .. } => (
            Code::UpstreamThrottled,
            format!("AgentCore has too many calls or sessions of this account ({name})"),
            "wait and ask again; if it lasts, shorten the runtime's idle timeout or raise its quota",
        ),
        Error::Conflict { name, .. } => (
            Code::UpstreamConflict,
            format!("AgentCore is still making or ending this session ({name})"),
            "ask again in some seconds",
        ),
        Error::Failed { name, .. } => (
            Code::UpstreamFailed,
            format!("the container behind AgentCore failed ({name})"),
            "look into the container's log: /aws/bedrock-agentcore/runtimes/ in CloudWatch",
        ),
        Error::Cut(_) => (
            Code::UpstreamCut,
            "the answer of AgentCore was cut on its way to this function".to_owned(),
            "go on from the last event by the action `events`",
        ),
        _ => (
            Code::UpstreamUnreachable,
            "this function cannot reach AgentCore".to_owned(),
            "check the region in MAGI_UPSTREAM and, inside of a VPC, the way out of it",
        ),
    };
    Problem::new(code, detail).fix(fix)
}

fn forbidden_fix(name: &str) -> &'static str {
    match name {
        "AccessDeniedException" => {
            "allow the function's role bedrock-agentcore:InvokeAgentRuntime on the runtime and its endpoint, and let the runtime take IAM, not a bearer token"
        }
        "ExpiredTokenException" | "UnrecognizedClientException" | "InvalidClientTokenId" => {
            "give the function its execution role's credentials, not ones from its settings"
        }
        _ => "read the reason in the function's log",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_a_trace_goes_on_in_the_lengths_that_agentcore_takes() {
        let sent = |name: &'static str, length: usize| {
            let mut headers = HeaderMap::new();
            headers.insert(name, "x".repeat(length).parse().unwrap());
            let call = invocation(&headers, String::new(), Bytes::new());
            let values = [
                call.trace_id,
                call.trace_parent,
                call.trace_state,
                call.baggage,
            ];
            values.into_iter().flatten().next().map(|value| value.len())
        };
        for (name, longest) in [
            ("x-amzn-trace-id", 128),
            ("traceparent", 128),
            ("tracestate", 512),
            ("baggage", 8192),
        ] {
            assert_eq!(sent(name, longest), Some(longest), "{name}");
            assert_eq!(sent(name, longest + 1), None, "{name}");
        }
    }
}
