//! No buffering anywhere: the model says token k+1 only after the client has reported token k, and
//! no heartbeat could push a held byte out.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use magi_event::{Agent, Body, Sage};
use magi_log::MemoryStore;
use magi_model::{Call, Chunk, StopReason};
use magi_server::Config;
use serde_json::json;
use tokio::sync::watch;

use crate::house::{self, House};
use crate::model::{Answer, cast, vote};

const TOKENS: usize = 12;

/// How CASPAR answers; the others vote at once.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// Prose, then a tool call.
    Tool,
    /// Prose, then a fenced tail.
    Text,
    /// JSON alone, whose `reasoning` is what people see.
    Json,
}

/// The pieces of the answer of which each waits for the one before to be seen.
fn pieces() -> impl Iterator<Item = String> {
    (0..TOKENS).map(|at| format!("step{at} "))
}

fn frame_of(form: Form, call: &Call) -> (Vec<Chunk>, Vec<Chunk>) {
    match form {
        Form::Tool => (vec![], cast(call)),
        Form::Text => {
            let tail = format!("\n```json\n{}\n```\n", vote(call));
            (
                vec![],
                vec![Chunk::Text(tail), Chunk::End(StopReason::Complete)],
            )
        }
        Form::Json => {
            let head = format!(r#"{{"tag":"{}","reasoning":""#, call.about.tag);
            let tail =
                r#"","conditions":[],"would_change":[],"decision":"APPROVED","confidence":0.5}"#;
            (
                vec![Chunk::Text(head)],
                vec![
                    Chunk::Text(tail.to_owned()),
                    Chunk::End(StopReason::Complete),
                ],
            )
        }
    }
}

/// CASPAR says piece k once `seen` has reached k.
fn lockstep(form: Form, seen: watch::Receiver<usize>) -> Answer {
    Arc::new(move |call| {
        if call.about.agent != Agent::Sage(Sage::Caspar) {
            return stream::iter(cast(&call).into_iter().map(Ok)).boxed();
        }
        let (before, after) = frame_of(form, &call);
        let seen = seen.clone();
        let steps = stream::iter(pieces().enumerate()).then(move |(at, text)| {
            let mut seen = seen.clone();
            async move {
                seen.wait_for(|seen| *seen >= at).await.unwrap();
                Ok(Chunk::Text(text))
            }
        });
        stream::iter([Ok(Chunk::Accepted)])
            .chain(stream::iter(before.into_iter().map(Ok)))
            .chain(steps)
            .chain(stream::iter(after.into_iter().map(Ok)))
            .boxed()
    })
}

async fn quiet(answer: Answer) -> House {
    let mut config = Config::default();
    config.heartbeat = Duration::ZERO;
    house::start_with(Arc::new(MemoryStore::new()), answer, config).await
}

#[tokio::test]
async fn every_token_reaches_the_client_before_the_next_is_made() {
    for form in [Form::Tool, Form::Text, Form::Json] {
        for path in ["/v1/deliberations", "/invocations"] {
            let (report, seen) = watch::channel(0);
            let house = quiet(lockstep(form, seen)).await;
            let asking = house
                .wire
                .posting(path, &json!({ "question": "Should we?" }))
                .header("accept", "text/event-stream");
            let mut stream = house.wire.stream(asking).await;
            let mut text = String::new();
            let mut ended = false;
            while let Some((_, event)) = stream.event().await {
                if let Body::AgentChunk(Sage::Caspar, delta) = &event.body {
                    text.push_str(&delta.text);
                    // Only what was seen whole is reported.
                    let n_seen = (0..TOKENS)
                        .take_while(|at| text.contains(&format!("step{at} ")))
                        .count();
                    report.send_replace(n_seen);
                }
                ended = event.body.is_last();
            }
            let expected: String = pieces().collect();
            assert_eq!(text.trim_end(), expected.trim_end(), "{form:?} {path}");
            assert!(ended, "{form:?} {path}");
            assert!(!stream.bytes.windows(4).any(|four| four == b": hb"));
            house.shut().await;
        }
    }
}
