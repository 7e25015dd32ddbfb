//! What ended deliberations were like, as lines of CloudWatch's embedded metric format.
//!
//! `/metrics` cannot be reached behind AgentCore or in a function; what is printed there ends up in
//! CloudWatch Logs, which reads the numbers out of such lines. A line holds numbers, a status and ids,
//! never a word of the question or of an answer.
//!
//! Source: Amazon CloudWatch User Guide, "Specification: Embedded metric format".

use std::fmt;
use std::str::FromStr;

use magi_event::{Body, Event, Status, Timestamp, Usage};
use serde_json::{Map, Value, json};
use tokio::io::AsyncWriteExt;

/// The namespace of all metrics; dashboards and alarms of `deploy/cloudformation` name it.
pub(crate) const NAMESPACE: &str = "MAGI";

/// The one dimension: which deployment it was.
pub(crate) const DIMENSION: &str = "Deployment";

/// Every metric with its unit. Ten: as many custom metrics as CloudWatch gives away per account.
pub(crate) const METRICS: [(&str, &str); 10] = [
    ("Deliberations", "Count"),
    ("Degraded", "Count"),
    ("Cancelled", "Count"),
    ("Failed", "Count"),
    ("Suspended", "Count"),
    ("FirstToken", "Milliseconds"),
    ("Duration", "Milliseconds"),
    ("InputTokens", "Count"),
    ("OutputTokens", "Count"),
    ("Cost", "None"),
];

/// The longest name of a deployment, in characters.
const DEPLOYMENT_LIMIT: usize = 128;

/// The name under which the numbers of this deployment stand: a stack's name, for example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment(String);

/// The text is no name of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to 128 letters, digits, `.`, `_`, `/` or `-`")]
pub struct BadDeployment;

impl FromStr for Deployment {
    type Err = BadDeployment;

    fn from_str(text: &str) -> Result<Self, BadDeployment> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._/-".contains(&byte);
        if !(1..=DEPLOYMENT_LIMIT).contains(&text.len()) || !text.bytes().all(fits) {
            return Err(BadDeployment);
        }
        Ok(Deployment(text.to_owned()))
    }
}

impl Default for Deployment {
    fn default() -> Self {
        Deployment("magi".to_owned())
    }
}

impl fmt::Display for Deployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Follows one deliberation and makes its line when it is over.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    started: Option<Timestamp>,
    first_token: Option<Timestamp>,
}

impl Ending {
    /// Tells whether the next delta is still of interest: the first one is, its successors are not.
    pub(crate) const fn wants_delta(&self) -> bool {
        self.first_token.is_none()
    }

    /// Takes the next event; returns the line when the deliberation is over, or suspended here.
    pub(crate) fn see(&mut self, event: &Event, deployment: &Deployment) -> Option<String> {
        let mut values = Map::new();
        match &event.body {
            Body::Start(_) => {
                self.started = Some(event.timestamp);
                return None;
            }
            Body::AgentChunk(..) | Body::AgentThinking(..) => {
                self.first_token.get_or_insert(event.timestamp);
                return None;
            }
            Body::Complete(complete) => {
                end(&mut values, complete.status);
                spent(&mut values, Some(complete.usage), complete.cost_usd);
                values.insert("Duration".into(), complete.execution_time.into());
            }
            Body::Cancelled(cancelled) => {
                end(&mut values, Status::Cancelled);
                spent(&mut values, cancelled.usage, cancelled.cost_usd);
            }
            Body::Error(failure) => {
                end(&mut values, Status::Failed);
                spent(&mut values, failure.usage, failure.cost_usd);
                values.insert("code".into(), failure.code.as_str().into());
            }
            // It goes on elsewhere, where it is counted when it is over.
            Body::Paused(paused) if paused.reason == "deadline" => {
                values.insert("Suspended".into(), 1.into());
                values.insert("status".into(), "suspended".into());
                spent(&mut values, paused.usage, paused.cost_usd);
            }
            _ => return None,
        }
        self.times(&mut values, event.timestamp);
        values.insert("trace_id".into(), event.trace_id.to_string().into());
        Some(line(values, event.timestamp, deployment))
    }

    fn times(&self, values: &mut Map<String, Value>, now: Timestamp) {
        let Some(started) = self.started else { return };
        if let Some(first_token) = self.first_token {
            let waited = first_token.millis_since(started);
            values.insert("FirstToken".into(), waited.into());
        }
        values
            .entry("Duration")
            .or_insert_with(|| now.millis_since(started).into());
    }
}

fn end(values: &mut Map<String, Value>, status: Status) {
    values.insert("Deliberations".into(), 1.into());
    for (name, of) in [
        ("Degraded", Status::Degraded),
        ("Cancelled", Status::Cancelled),
        ("Failed", Status::Failed),
    ] {
        values.insert(name.into(), u8::from(status == of).into());
    }
    values.insert("status".into(), status.word().into());
}

fn spent(values: &mut Map<String, Value>, usage: Option<Usage>, cost_usd: Option<f64>) {
    if let Some(usage) = usage {
        values.insert("InputTokens".into(), usage.input_tokens.into());
        values.insert("OutputTokens".into(), usage.output_tokens.into());
    }
    // Where a price is unknown no cost is told: a zero would be a number nobody measured.
    if let Some(cost) = cost_usd {
        values.insert("Cost".into(), cost.into());
    }
}

/// Makes one line: a directive that names the metrics among the values, and the values beside it.
fn line(mut values: Map<String, Value>, now: Timestamp, deployment: &Deployment) -> String {
    let metrics: Vec<Value> = METRICS
        .iter()
        .filter(|(name, _)| values.contains_key(*name))
        .map(|(name, unit)| json!({"Name": name, "Unit": unit}))
        .collect();
    let directive = json!({
        "Namespace": NAMESPACE,
        "Dimensions": [[DIMENSION]],
        "Metrics": metrics,
    });
    let metadata = json!({"Timestamp": now.as_millis(), "CloudWatchMetrics": [directive]});
    values.insert(DIMENSION.into(), deployment.0.as_str().into());
    values.insert("_aws".into(), metadata);
    Value::Object(values).to_string()
}

/// Prints a line where the platform collects them; a reader of stdout who left loses it.
pub(crate) async fn print(line: String) {
    let mut out = tokio::io::stdout();
    let written = out.write_all((line + "\n").as_bytes()).await;
    if let Err(error) = written.and(out.flush().await) {
        tracing::debug!(%error, "a line of metrics could not be printed");
    }
}

#[cfg(test)]
mod tests;
