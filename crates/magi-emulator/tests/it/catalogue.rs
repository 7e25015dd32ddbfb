//! Faults of a model's side that a council meets: what its reader is told, and what is left.
//!
//! `docs/failures.md` names these tests. CASPAR's model has the fault, the others are well: so each row
//! also holds that the others are not disturbed.

use std::sync::Arc;

use futures_util::future::join_all;
use magi_event::{Body, Event, Sage};
use magi_model::{Key, OpenAi, OpenAiConfig};
use serde_json::{Value, json};

use crate::Fakes;
use crate::councils::{ENGLISH, JAPANESE, deliberate_with, outcome, vendors};

/// Limits short enough for a test, and long enough for a healthy answer on a busy machine.
fn quick() -> Value {
    json!({"connect": 10, "first_token": 10, "idle": 10})
}

/// CASPAR alone on a model with a fault.
fn council(model: &str, deadlines: &Value) -> Value {
    json!({"roles": {"caspar": {"model": model}}, "deadlines": deadlines})
}

async fn play(fakes: &Fakes, model: &str, deadlines: Value) -> Vec<Event> {
    let council = council(model, &deadlines);
    deliberate_with(vendors(fakes), "openai:fake", ENGLISH, council).await
}

/// What a reader was told of CASPAR's failed attempts, in order.
fn told(events: &[Event]) -> Vec<String> {
    let told = events.iter().filter_map(|event| match &event.body {
        Body::AgentError(Sage::Caspar, error) => Some(error.code.clone()),
        Body::AgentTimeout(Sage::Caspar, late) => {
            Some(format!("timeout {}", json!(late.kind).as_str().unwrap()))
        }
        _ => None,
    });
    told.collect()
}

/// The prose that a reader is left with in CASPAR's lane.
fn shown(events: &[Event]) -> String {
    let mut text = String::new();
    for event in events {
        match &event.body {
            Body::AgentStart(Sage::Caspar, _) => text.clear(),
            Body::AgentChunk(Sage::Caspar, delta) => text.push_str(&delta.text),
            _ => {}
        }
    }
    text
}

/// One row: the words of CASPAR's model, the limits, what a reader is told, and the outcome.
type Row = (&'static str, Value, &'static [&'static str], &'static str);

const WELL: &str = "completed 3-0-0 APPROVED";
const FAILED: &str = "degraded 2-0-1 APPROVED caspar failed";
const LATE: &str = "degraded 2-0-1 APPROVED caspar timeout";
const UNREAD: &str = "degraded 2-0-1 APPROVED caspar unparsable";

/// Plays rows on both wires at a time.
async fn rows(rows: Vec<Row>) {
    let fakes = Fakes::start().await;
    let runs = rows
        .into_iter()
        .flat_map(|row| ["openai", "anthropic"].map(|wire| (wire, row.clone())));
    let runs = runs.map(async |(wire, (words, deadlines, expected, end))| {
        let model = format!("{wire}:fake-{wire}+{words}");
        let events = play(&fakes, &model, deadlines).await;
        assert_eq!(told(&events), expected, "{model}");
        assert_eq!(outcome(&events), end, "{model}");
        for entry in fakes.running.ledger().entries() {
            // Whoever was given up was left: nothing was written to a call that nobody heard.
            assert!(entry.bytes_after_close < 256 << 10, "{model}: {entry:?}");
        }
    });
    join_all(runs).await;
}

#[tokio::test]
async fn a_connection_that_breaks_is_tried_anew_and_its_text_set_aside() {
    rows(vec![
        ("reset-before-headers-once", quick(), &["network"], WELL),
        ("reset-after-8-once", quick(), &["network"], WELL),
        ("reset-after-8", quick(), &["network", "network"], FAILED),
        ("cut-after-8-once", quick(), &["truncated"], WELL),
        ("cut-after-8", quick(), &["truncated", "truncated"], FAILED),
        (
            "cut-after-8-clean",
            quick(),
            &["truncated", "truncated"],
            FAILED,
        ),
    ])
    .await;
}

#[tokio::test]
async fn silence_and_slowness_end_at_their_limit() {
    let limits = |name: &str, seconds: u64| {
        let mut limits = quick();
        limits[name] = json!(seconds);
        limits
    };
    rows(vec![
        (
            "no-answer",
            limits("connect", 1),
            &["timeout connect"; 3],
            LATE,
        ),
        (
            "first-token-60s",
            limits("first_token", 1),
            &["timeout first_token"; 2],
            LATE,
        ),
        (
            "stall-after-5",
            limits("idle", 1),
            &["timeout idle"; 2],
            LATE,
        ),
        (
            "pings-after-5",
            limits("idle", 1),
            &["timeout idle"; 2],
            LATE,
        ),
        // Never silent for long, and never done.
        (
            "drip-bytes-40",
            limits("sage_total", 3),
            &["timeout total"],
            LATE,
        ),
    ])
    .await;
}

#[tokio::test]
async fn odd_endings_and_damage_are_told_apart_from_answers() {
    rows(vec![
        ("no-sentinel", quick(), &[], WELL),
        ("malformed-at-10", quick(), &[], WELL),
        ("empty-frames+comments+crlf", quick(), &[], WELL),
        (
            "error-after-8",
            quick(),
            &["overloaded", "overloaded"],
            FAILED,
        ),
        ("empty", quick(), &["empty", "empty"], UNREAD),
        ("prose", quick(), &["unparsable"], UNREAD),
        ("refusal", quick(), &[], "completed 2-0-1 APPROVED"),
        ("404", quick(), &["not_found"], FAILED),
        ("403", quick(), &["unauthorised"], FAILED),
        ("502-html", quick(), &["overloaded"; 6], FAILED),
        ("504", quick(), &["timeout"; 3], FAILED),
    ])
    .await;
}

#[tokio::test]
async fn endless_answers_are_cut_at_their_bound() {
    let fakes = Fakes::start().await;
    for (words, expected) in [
        ("no-newline-64", &["malformed"; 3][..]),
        ("huge-line-4096", &["malformed"; 3]),
        // What came is read; here it holds no vote, which one more call asks for alone.
        ("flood-64", &[]),
    ] {
        let model = format!("fake+{words}");
        let events = play(&fakes, &format!("openai:{model}"), quick()).await;
        assert_eq!(told(&events), expected, "{words}");
        let sent: u64 = fakes
            .running
            .ledger()
            .of(&model)
            .iter()
            .map(|entry| entry.bytes_sent)
            .sum();
        // A few calls, each read to its bound of 1 MiB, and what sockets hold on the way.
        assert!(sent < 24 << 20, "{words}: {sent} bytes were taken");
        assert!(shown(&events).len() <= 1 << 20, "{words}");
    }
}

#[tokio::test]
async fn japanese_survives_every_cut_of_its_characters() {
    let fakes = Fakes::start().await;
    for words in ["split-utf8", "slices", "bom+null-content"] {
        for wire in ["openai", "anthropic"] {
            let model = format!("fake-{wire}+{words}");
            let council = council(&format!("{wire}:{model}"), &quick());
            let events = deliberate_with(vendors(&fakes), "openai:fake", JAPANESE, council).await;
            let text = shown(&events);
            assert_eq!(outcome(&events), WELL, "{model}");
            assert_eq!(text, fakes.running.ledger().of(&model)[0].text, "{model}");
            assert!(
                text.contains("偽の") && !text.contains('\u{fffd}'),
                "{model}: {text}"
            );
        }
    }
}

#[tokio::test]
async fn an_address_where_nobody_is_is_told_as_such() {
    let fakes = Fakes::start().await;
    let free = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    // A label of more than 63 letters is no name: it is refused before anybody is asked for it.
    let unnameable = "a".repeat(64);
    for (address, expected) in [
        (format!("http://{free}/v1"), &["network"; 3][..]),
        (format!("http://{unnameable}.invalid/v1"), &["network"; 3]),
        (
            format!("https://{}/v1", fakes.running.addr()),
            &["untrusted"],
        ),
    ] {
        let config = OpenAiConfig::new("gone", address.clone(), Some(Key::new("sk-test").unwrap()));
        let models = vendors(&fakes).with(Arc::new(OpenAi::new(config).unwrap()));
        let council = council("gone:fake", &quick());
        let events = deliberate_with(models, "openai:fake", ENGLISH, council).await;
        assert_eq!(told(&events), expected, "{address}");
        assert_eq!(outcome(&events), FAILED, "{address}");
    }
}

#[tokio::test]
async fn with_too_few_votes_the_judge_is_not_asked_and_nothing_is_decided() {
    let fakes = Fakes::start().await;
    let broken = json!({"model": "openai:fake-broken+401"});
    for (roles, expected) in [
        (
            json!({"caspar": broken, "melchior": broken}),
            "degraded 1-0-2 UNDECIDED caspar failed melchior failed",
        ),
        (
            json!({"caspar": broken, "balthasar": broken, "melchior": broken}),
            "error no_votes",
        ),
    ] {
        let mut council = json!({"roles": roles, "deadlines": quick()});
        council["roles"]["solomon"] = json!({"model": "openai:fake-judge"});
        let events = deliberate_with(vendors(&fakes), "openai:fake", ENGLISH, council).await;
        assert_eq!(outcome(&events), expected);
    }
    assert!(
        fakes.running.ledger().of("fake-judge").is_empty(),
        "a judge was billed"
    );
}

#[tokio::test]
async fn without_a_judge_the_votes_stay_and_are_marked_as_the_rules() {
    let fakes = Fakes::start().await;
    let runs = ["503", "prose", "stall-after-5", "refusal"].map(async |words| {
        let council = json!({
            "roles": {"solomon": {"model": format!("openai:fake-judge+{words}")}},
            "judge_fallback": format!("anthropic:fake-second+{words}"),
            "deadlines": {"connect": 10, "first_token": 10, "idle": 1},
        });
        let events = deliberate_with(vendors(&fakes), "openai:fake", ENGLISH, council).await;
        let end = outcome(&events);
        assert!(
            end.starts_with("degraded 3-0-0 APPROVED solomon "),
            "{words}: {end}"
        );
        let complete = crate::councils::complete(&events);
        assert_eq!(complete.judge_agrees, None, "{words}");
        assert!(!complete.solomon_judgment.reasoning.is_empty(), "{words}");
    });
    join_all(runs).await;
}
