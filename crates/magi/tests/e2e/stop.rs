//! A stop said to a real server, and what the vendor sees of it.

use magi_client::{Client, Door, Question};
use magi_emulator::{Config, Emulator, End, Entry as Call};
use magi_event::{Agent, DeliberationId, Sage};
use serde_json::json;

use super::support::{PATIENCE, Served, client, magi};

/// Puts a question to a council of one model that would write for longer than the test waits.
async fn put(client: &Client, model: &str) -> DeliberationId {
    let role = json!({ "model": format!("openai:{model}"), "fallbacks": [] });
    let roles = json!({ "caspar": role, "balthasar": role, "melchior": role, "solomon": role });
    let question = Question {
        council: Some(json!({ "roles": roles })),
        ..Question::new("Should we ship on Friday?")
    };
    client.create(&question).await.unwrap()
}

fn holds_closed(call: &Call) {
    assert_eq!(call.end, Some(End::ClientClosed), "{call:?}");
    assert!(call.tokens_sent < call.tokens_planned, "{call:?}");
    let after = (call.tokens_after_close, call.bytes_after_close);
    assert_eq!(after, (0, 0), "{call:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_closes_the_calls_in_their_middle_and_the_vendor_sends_nothing_more() {
    let vendors = Emulator::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut command = magi(folder.path());
    command
        .env("OPENAI_BASE_URL", vendors.openai_url())
        .env("OPENAI_API_KEY", "test")
        .env("MAGI_MODEL", "openai:fake");
    let served = Served::start(&mut command, 0).await;
    let ledger = vendors.ledger();
    let caspar = Agent::Sage(Sage::Caspar);
    for (door, name) in [(Door::Api, "http"), (Door::Socket, "socket")] {
        let client = client(&served.address, door);
        // Twenty tokens a second for more than three minutes.
        let model = format!("fake-{name}+len-4000+tps-20");
        let id = put(&client, &model).await;
        let all_write = |calls: &[Call]| {
            let writing = calls.iter().filter(|call| call.tokens_sent > 0);
            writing.count() == Sage::ALL.len()
        };
        let (calls, began) = ledger.until_of(&model, PATIENCE, all_write).await;
        assert!(began, "{calls:?}");
        // One of them: its call ends, the others go on.
        assert!(client.stop(id, Some(caspar)).await.unwrap().changed);
        let is_closed = |call: &&Call| call.ended_ms.is_some();
        let one_closed = |calls: &[Call]| calls.iter().any(|call| is_closed(&call));
        let (calls, closed) = ledger.until_of(&model, PATIENCE, one_closed).await;
        assert!(closed, "the call of {caspar} goes on: {calls:?}");
        let ended: Vec<&Call> = calls.iter().filter(is_closed).collect();
        assert_eq!(ended.len(), 1, "{ended:?}");
        assert_eq!(ended[0].role, Some(caspar));
        holds_closed(ended[0]);
        let sent = ended[0].tokens_sent;
        // All.
        assert!(client.stop(id, None).await.unwrap().changed);
        let all_closed = |calls: &[Call]| calls.iter().all(|call| is_closed(&call));
        let (calls, closed) = ledger.until_of(&model, PATIENCE, all_closed).await;
        assert!(closed, "a call goes on after the stop: {calls:?}");
        assert_eq!(calls.len(), Sage::ALL.len(), "somebody was called again");
        calls.iter().for_each(holds_closed);
        let first = calls.iter().find(|call| call.role == Some(caspar)).unwrap();
        assert_eq!(first.tokens_sent, sent, "it went on after its close");
    }
    served.kill().await;
    vendors.stop().await;
}
