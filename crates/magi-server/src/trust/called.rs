//! The ids by which the platform in front knows a call: for our lines of log, and for the trace.
//!
//! They help to find one call in two logs and decide nothing: what is no id is left out, and the call
//! goes on.

use std::collections::BTreeMap;

use http::HeaderMap;
use tracing::Span;

/// The headers, under the names that their ids have with us.
///
/// Source: AgentCore Runtime service contract, "HTTP protocol contract"; W3C Trace Context, section 3.2;
/// AWS X-Ray Developer Guide, "Tracing header".
const IDS: [(&str, &str); 3] = [
    ("request_id", "x-amzn-bedrock-agentcore-runtime-request-id"),
    ("trace_parent", "traceparent"),
    ("xray_trace_id", "x-amzn-trace-id"),
];

/// The longest of them, in bytes.
///
/// Source: Amazon Bedrock AgentCore API reference, `InvokeAgentRuntime`.
const LONGEST: usize = 128;

/// Reads the ids: each may stand once, in visible ASCII.
pub(super) fn read(headers: &HeaderMap) -> BTreeMap<String, String> {
    let ids = IDS.into_iter().filter_map(|(name, header)| {
        let mut values = headers.get_all(header).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return None;
        };
        let value = value.to_str().ok()?;
        let is_id = (1..=LONGEST).contains(&value.len())
            && value.bytes().all(|byte| byte.is_ascii_graphic());
        is_id.then(|| (name.to_owned(), value.to_owned()))
    });
    ids.collect()
}

/// Makes the span whose fields stand on every line of the call; none where there is no id. Its level is
/// the highest, so that it is there whatever `MAGI_LOG` lets through.
pub(super) fn span(ids: &BTreeMap<String, String>) -> Span {
    if ids.is_empty() {
        return Span::none();
    }
    let id = |name: &str| ids.get(name).map(String::as_str);
    tracing::error_span!(
        "call",
        request_id = id("request_id"),
        trace_parent = id("trace_parent"),
        xray_trace_id = id("xray_trace_id"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_id_is_left_out() {
        let read_one = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", value.parse().unwrap());
            read(&headers).remove("trace_parent")
        };
        let whole = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(read_one(whole).as_deref(), Some(whole));
        assert_eq!(read_one(&"x".repeat(128)), Some("x".repeat(128)));
        for wrong in ["", "a b", &"x".repeat(129)] {
            assert_eq!(read_one(wrong), None, "{wrong}");
        }
        let mut twice = HeaderMap::new();
        twice.append("traceparent", whole.parse().unwrap());
        twice.append("traceparent", whole.parse().unwrap());
        assert!(read(&twice).is_empty());
    }
}
