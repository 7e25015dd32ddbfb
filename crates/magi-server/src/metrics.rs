//! What is measured of this process, in the OpenMetrics text that `/metrics` answers.

use magi_council::Breaker;
use magi_event::{Body, Event, Status, Trace, Usage};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::histogram::exponential_buckets;
use prometheus_client::registry::{Registry, Unit};
use serde_json::Value;

/// The media type of the answer.
///
/// Source: OpenMetrics 1.0, "Overall structure".
pub(crate) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A status of a deliberation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByStatus {
    status: &'static str,
}

/// A kind of failed model call.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByCode {
    code: String,
}

/// A provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByProvider {
    provider: String,
}

/// A change of a provider's breaker.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByChange {
    provider: String,
    state: &'static str,
}

/// A direction of tokens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByDirection {
    direction: &'static str,
}

/// An answer's kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByAnswer {
    method: &'static str,
    status: u16,
}

/// All that is measured. One per server.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    ended: Family<ByStatus, Counter>,
    tokens: Family<ByDirection, Counter>,
    call_errors: Family<ByCode, Counter>,
    breakers: Family<ByProvider, Gauge>,
    breaker_changes: Family<ByChange, Counter>,
    commits: Histogram,
    requests: Family<ByAnswer, Counter>,
    /// Deliberations that go on in this process.
    pub(crate) running: Gauge,
    /// Connections that read a log as server-sent events now.
    pub(crate) sse_readers: Gauge,
    /// Connections that are WebSockets now.
    pub(crate) sockets: Gauge,
    /// Bytes of event streams sent.
    pub(crate) stream_bytes: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut metrics = Metrics {
            registry: Registry::with_prefix("magi"),
            ended: Family::default(),
            tokens: Family::default(),
            call_errors: Family::default(),
            breakers: Family::default(),
            breaker_changes: Family::default(),
            // 0.5 ms to about 8 s: a commit later than 5 s closes its writer.
            commits: Histogram::new(exponential_buckets(0.0005, 2.0, 15)),
            requests: Family::default(),
            running: Gauge::default(),
            sse_readers: Gauge::default(),
            sockets: Gauge::default(),
            stream_bytes: Counter::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "deliberations",
            "Deliberations that ended here, by how they ended",
            self.ended.clone(),
        );
        registry.register(
            "deliberations_running",
            "Deliberations that go on in this process",
            self.running.clone(),
        );
        registry.register(
            "model_tokens",
            "Tokens of model calls, as the vendors counted them",
            self.tokens.clone(),
        );
        registry.register(
            "model_call_errors",
            "Model calls that failed or took too long, by the kind of failure",
            self.call_errors.clone(),
        );
        registry.register(
            "breaker_shut",
            "Whether a provider's breaker lets no call through: 0 closed, 1 open, or half open with its \
             one call under way",
            self.breakers.clone(),
        );
        registry.register(
            "breaker_changes",
            "Changes of the breakers, by provider and what they became",
            self.breaker_changes.clone(),
        );
        registry.register_with_unit(
            "commit",
            "How long commits took that held a milestone",
            Unit::Seconds,
            self.commits.clone(),
        );
        registry.register(
            "http_requests",
            "Requests answered, by method and status",
            self.requests.clone(),
        );
        registry.register(
            "sse_readers",
            "Connections that read events now",
            self.sse_readers.clone(),
        );
        registry.register(
            "websockets",
            "WebSocket connections now",
            self.sockets.clone(),
        );
        registry.register_with_unit(
            "stream",
            "Bytes of event streams sent",
            Unit::Bytes,
            self.stream_bytes.clone(),
        );
    }

    /// Counts an answer. The method is one of a few words, so that a caller cannot add rows.
    pub(crate) fn answered(&self, method: &http::Method, status: u16) {
        let method = match *method {
            http::Method::GET => "GET",
            http::Method::POST => "POST",
            http::Method::PATCH => "PATCH",
            http::Method::DELETE => "DELETE",
            http::Method::HEAD => "HEAD",
            http::Method::OPTIONS => "OPTIONS",
            _ => "other",
        };
        self.requests
            .get_or_create(&ByAnswer { method, status })
            .inc();
    }

    /// Takes over how the breakers stand.
    pub(crate) fn stand(&self, breakers: Vec<(String, Breaker)>) {
        for (provider, state) in breakers {
            let is_shut = i64::from(state != Breaker::Closed);
            let gauge = self.breakers.get_or_create(&ByProvider { provider });
            gauge.set(is_shut);
        }
    }

    fn breaker(&self, trace: &Trace) {
        let text = |name: &str| trace.attributes.get(name).and_then(Value::as_str);
        let states = [Breaker::Closed, Breaker::Open, Breaker::HalfOpen];
        let state = states
            .into_iter()
            .find(|state| Some(state.word()) == text("state"));
        if let (Some(provider), Some(state)) = (text("provider"), state) {
            let change = ByChange {
                provider: provider.to_owned(),
                state: state.word(),
            };
            self.breaker_changes.get_or_create(&change).inc();
        }
    }

    /// Counts what an event of a deliberation of this process tells.
    pub(crate) fn observe(&self, event: &Event) {
        match &event.body {
            Body::AgentError(_, error) | Body::JudgeError(error) => self.failed(&error.code),
            Body::AgentTimeout(..) | Body::JudgeTimeout(_) => self.failed("timeout"),
            Body::AgentComplete(_, complete) => self.spent(complete.usage),
            Body::JudgeComplete(complete) => self.spent(complete.usage),
            Body::Trace(_, trace) if trace.name == "commit" => {
                if let Some(ms) = trace.duration_ms {
                    self.commits
                        .observe(std::time::Duration::from_millis(ms).as_secs_f64());
                }
            }
            Body::Trace(_, trace) if trace.name == "breaker" => self.breaker(trace),
            Body::Complete(complete) => self.ended(complete.status),
            Body::Cancelled(_) => self.ended(Status::Cancelled),
            Body::Error(_) => self.ended(Status::Failed),
            _ => {}
        }
    }

    fn failed(&self, code: &str) {
        let code = code.chars().take(64).collect();
        self.call_errors.get_or_create(&ByCode { code }).inc();
    }

    fn spent(&self, usage: Option<Usage>) {
        let Some(usage) = usage else { return };
        for (direction, n_tokens) in [
            ("input", usage.input_tokens),
            ("output", usage.output_tokens),
        ] {
            self.tokens
                .get_or_create(&ByDirection { direction })
                .inc_by(n_tokens);
        }
    }

    fn ended(&self, status: Status) {
        let status = status.word();
        self.ended.get_or_create(&ByStatus { status }).inc();
    }

    /// Returns the text of all measurements.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use magi_event::{AttemptError, DeliberationId, Failure, Timestamp};

    use super::*;

    #[test]
    fn what_events_tell_is_counted() {
        let metrics = Metrics::new();
        let event = |body| Event {
            seq: 1,
            timestamp: Timestamp::from_millis(1),
            trace_id: DeliberationId::new(Timestamp::from_millis(1), 1),
            body,
        };
        let error = AttemptError {
            code: "throttled".into(),
            message: "slow down".into(),
            attempt: 1,
            retryable: true,
            retry_in: None,
        };
        metrics.observe(&event(Body::JudgeError(error)));
        metrics.observe(&event(Body::Error(Failure {
            code: "no_votes".into(),
            message: String::new(),
            missing: vec![],
            usage: None,
            cost_usd: None,
        })));
        metrics.answered(&http::Method::from_bytes(b"BREW").unwrap(), 405);
        for state in ["open", "half_open", "open", "melted"] {
            let attributes = serde_json::json!({"provider": "openai", "state": state});
            metrics.observe(&event(Body::Trace(
                None,
                Trace {
                    span_id: "0123456789abcdef".into(),
                    parent_id: None,
                    name: "breaker".into(),
                    started_at: Timestamp::from_millis(1),
                    duration_ms: Some(0),
                    attributes: attributes.as_object().unwrap().clone(),
                },
            )));
        }
        metrics.stand(vec![("openai".into(), Breaker::Open)]);
        let text = metrics.text();
        for line in [
            "magi_model_call_errors_total{code=\"throttled\"} 1",
            "magi_breaker_changes_total{provider=\"openai\",state=\"open\"} 2",
            "magi_breaker_changes_total{provider=\"openai\",state=\"half_open\"} 1",
            "magi_breaker_shut{provider=\"openai\"} 1",
            "magi_deliberations_total{status=\"failed\"} 1",
            "magi_http_requests_total{method=\"other\",status=\"405\"} 1",
            "magi_sse_readers 0",
            "# EOF",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }
}
