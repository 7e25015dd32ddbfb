//! Whole councils on Bedrock: every row of the table in `docs/bedrock.md` is driven through one, and
//! the event that it states is the event that comes.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use magi_council::{Ask, CouncilPatch, Door, Engine, Limits, Rooms};
use magi_emulator::Running;
use magi_event::check::{Checker, Mode};
use magi_event::{Agent, Body, Cause, Complete, Event, FinalDecision, Sage, Status};
use magi_log::{After, Env, Logs, MemoryStore, Options};
use magi_model::{ModelName, Prices, Registry};
use serde_json::{Value, json};

use crate::docs::{ENGLISH, Row, rows};
use crate::{bedrock, fakes};

const QUESTION: &str = "Should we ship on Friday?";

/// Puts the question to a council on Bedrock and returns its log, which the checker has read.
async fn deliberate(fakes: &Running, model: &str, council: Value) -> Vec<Event> {
    let env = Env::seeded(7);
    let model: ModelName = format!("bedrock:{model}").parse().unwrap();
    let engine = Engine::new(Rooms {
        logs: Logs::new(
            Arc::new(MemoryStore::new()),
            env.clone(),
            Options::default(),
        ),
        models: Registry::default().with(Arc::new(bedrock(fakes))),
        env,
        limits: Limits::default(),
        prices: Prices::default(),
        settings: CouncilPatch::default().with_model(&model),
        state_key: None,
    });
    let body = json!({"question": QUESTION, "council": council});
    let asked = engine
        .ask(Ask::read(&body, &Door::default()).unwrap())
        .await
        .unwrap();
    let mut reader = engine.logs().read(After::Start(asked.id)).await.unwrap();
    let mut checker = Checker::new(Mode::Log);
    let mut events = Vec::new();
    loop {
        let page = reader.next().await.unwrap();
        for entry in page.entries {
            let event = entry.event().unwrap();
            checker.entry(entry.cursor, &event).unwrap();
            events.push(event);
        }
        if page.end {
            break;
        }
    }
    checker.finish(true).unwrap();
    engine.shutdown(Duration::from_secs(5)).await;
    events
}

/// Waits short enough for a test, and long enough for a busy machine.
fn quick() -> Value {
    json!({"deadlines": {"connect": 4, "first_token": 5, "idle": 4}})
}

fn complete(events: &[Event]) -> &Complete {
    match &events.last().unwrap().body {
        Body::Complete(complete) => complete,
        other => panic!("ended with {other:?}"),
    }
}

/// What CASPAR's lane shows of its attempts, as the table writes it: `agent_error throttled`, ...
fn shown(events: &[Event]) -> Vec<String> {
    let caspar = events.iter().filter_map(|event| match &event.body {
        Body::AgentError(Sage::Caspar, error) => Some(format!("agent_error {}", error.code)),
        Body::AgentTimeout(Sage::Caspar, late) => {
            let kind = serde_json::to_value(late.kind).unwrap();
            Some(format!("agent_timeout {}", kind.as_str().unwrap()))
        }
        Body::AgentComplete(Sage::Caspar, vote) => Some(match vote.cause {
            Some(cause) => format!("agent_complete {} {cause}", vote.decision),
            None => format!("agent_complete {} attempt {}", vote.decision, vote.attempt),
        }),
        _ => None,
    });
    caspar.collect()
}

/// What the judge's lane shows of its attempts: `judge_error throttled`, ...
fn shown_of_the_judge(events: &[Event]) -> Vec<String> {
    let judge = events.iter().filter_map(|event| match &event.body {
        Body::JudgeError(error) => Some(format!("judge_error {}", error.code)),
        Body::JudgeTimeout(late) => {
            let kind = serde_json::to_value(late.kind).unwrap();
            Some(format!("judge_timeout {}", kind.as_str().unwrap()))
        }
        Body::JudgeComplete(judgment) => Some(format!(
            "judge_complete {} attempt {}",
            judgment.final_decision, judgment.attempt
        )),
        _ => None,
    });
    judge.collect()
}

/// Holds that what the first column names is what came: the exception by its name and its status stand in
/// the message that the reader is shown, and the fake's own book has the status. Returns whether there was
/// a message to hold.
fn is_named(row: &Row, events: &[Event], status: Option<u16>) -> bool {
    if let Some(stated) = row.status {
        assert_eq!(status, Some(stated), "{}", row.what);
    }
    let Some(exception) = &row.exception else {
        return false;
    };
    // Inside a stream the names begin with a small letter.
    let (first, others) = exception.split_at(1);
    let exception = first.to_uppercase() + others;
    let told = events.iter().find_map(|event| match &event.body {
        Body::AgentError(Sage::Caspar, error) | Body::JudgeError(error) => Some(&error.message),
        _ => None,
    });
    let Some(told) = told else {
        assert!(row.then.starts_with("the vote counts"), "{}", row.what);
        return false;
    };
    let words = match row.status {
        Some(status) => format!("answered {status} {exception}"),
        None => format!("broke off with {exception}"),
    };
    assert!(told.contains(&words), "{}: {told}", row.what);
    true
}

/// What must be shown for a row. CASPAR's model rejects where it can be heard, the others approve.
fn expected(row: &Row) -> Vec<String> {
    let event = row.event.join(" ");
    let voted = |attempt: u32| format!("agent_complete REJECTED attempt {attempt}");
    match row.then.split(':').next().unwrap() {
        "asks again" => vec![event, voted(2)],
        "abstains" => {
            let late = event.starts_with("agent_timeout");
            let cause = if late { "timeout" } else { "failed" };
            vec![event, format!("agent_complete ABSTAINED {cause}")]
        }
        "the vote counts" => {
            assert_eq!(event, "agent_complete");
            vec![voted(1)]
        }
        other => panic!("{other}: no such end"),
    }
}

/// The rows that a sage is held to, and the judge like it.
fn rows_of_a_sage() -> Vec<Row> {
    let rows = rows(ENGLISH)
        .into_iter()
        .filter(|row| !row.is_of_the_judge());
    let rows: Vec<_> = rows.collect();
    assert!(rows.len() >= 35, "only {} rows", rows.len());
    rows
}

#[tokio::test]
async fn every_row_of_the_table_is_what_a_council_shows() {
    let fakes = fakes().await;
    let rows = rows_of_a_sage();
    let councils = rows.iter().enumerate().map(async |(n, row)| {
        // The fault strikes once: what is asked again must then be answered.
        let model = format!("fake-row{n}+reject+{}-once", row.word);
        let mut council = quick();
        council["roles"] = json!({"caspar": {"model": format!("bedrock:{model}")}});
        (row, model, deliberate(&fakes, "fake", council).await)
    });
    let mut councils = futures_util::stream::iter(councils).buffer_unordered(8);
    let (mut n_seen, mut n_named) = (0, 0);
    while let Some((row, model, events)) = councils.next().await {
        assert_eq!(shown(&events), expected(row), "{model}: {}", row.what);
        let complete = complete(&events);
        // A verdict is the tally of what was really said.
        let tally = complete.voting_result.agreement();
        let is_missing = row.then.starts_with("abstains");
        assert_eq!(tally, if is_missing { "2-0-1" } else { "2-1-0" }, "{model}");
        assert_eq!(!complete.missing.is_empty(), is_missing, "{model}");
        let asked = fakes.ledger().of(&model);
        n_named += usize::from(is_named(row, &events, asked[0].status));
        for entry in asked {
            assert!(entry.end.is_some(), "{model}: a connection was left open");
        }
        n_seen += 1;
    }
    assert_eq!(n_seen, rows.len());
    assert!(n_named >= 20, "only {n_named} exceptions are named");
}

/// Puts the question to a council whose judge has this model and no other; its sages approve, all three.
async fn deliberate_before(fakes: &Running, judge: &str) -> Vec<Event> {
    let mut council = quick();
    council["roles"] = json!({"solomon": {"model": format!("bedrock:{judge}"), "fallbacks": []}});
    deliberate(fakes, "fake", council).await
}

/// Holds that the votes alone decided, and that the judge is told to be missing.
fn stands_without_a_judge(events: &[Event], cause: Cause, model: &str) {
    let complete = complete(events);
    assert_eq!(complete.status, Status::Degraded, "{model}");
    assert_eq!(complete.final_decision, FinalDecision::Approved, "{model}");
    assert_eq!(complete.voting_result.agreement(), "3-0-0", "{model}");
    let missing = complete.missing.iter();
    let missing: Vec<_> = missing.map(|one| (one.agent, one.cause)).collect();
    assert_eq!(missing, [(Agent::Judge, cause)], "{model}");
    let judgment = &complete.solomon_judgment;
    assert_eq!(judgment.final_decision, FinalDecision::Undecided, "{model}");
    assert!(!judgment.reasoning.is_empty(), "{model}: nothing says why");
    assert_eq!(complete.judge_agrees, None, "{model}");
}

/// The judge rejects where it can be heard, so that no vote is taken for its judgment.
#[tokio::test]
async fn every_row_of_the_table_is_the_same_at_the_judge() {
    let fakes = fakes().await;
    let rows = rows_of_a_sage();
    let councils = rows.iter().enumerate().map(async |(n, row)| {
        let model = format!("fake-judge{n}+reject+{}-once", row.word);
        (row, deliberate_before(&fakes, &model).await, model)
    });
    let mut councils = futures_util::stream::iter(councils).buffer_unordered(8);
    let (mut n_seen, mut n_named) = (0, 0);
    while let Some((row, events, model)) = councils.next().await {
        let event = row.event.join(" ").replace("agent_", "judge_");
        let judged = |attempt: u32| format!("judge_complete REJECTED attempt {attempt}");
        let then = row.then.split(':').next().unwrap();
        let expected = match then {
            "asks again" => vec![event, judged(2)],
            "abstains" => vec![event],
            "the vote counts" => vec![judged(1)],
            other => panic!("{other}: no such end"),
        };
        assert_eq!(
            shown_of_the_judge(&events),
            expected,
            "{model}: {}",
            row.what
        );
        if then == "abstains" {
            stands_without_a_judge(&events, Cause::Failed, &model);
        } else {
            let complete = complete(&events);
            assert_eq!(complete.status, Status::Completed, "{model}");
            assert_eq!(complete.judge_agrees, Some(false), "{model}");
            assert_eq!(complete.solomon_judgment.sage_scores.len(), 3, "{model}");
        }
        let asked = fakes.ledger().of(&model);
        n_named += usize::from(is_named(row, &events, asked[0].status));
        for entry in asked {
            assert!(entry.end.is_some(), "{model}: a connection was left open");
        }
        n_seen += 1;
    }
    assert_eq!(n_seen, rows.len());
    assert!(n_named >= 20, "only {n_named} exceptions are named");
}

/// The rows of the judge: what is broken at each of its attempts.
#[tokio::test]
async fn a_judge_that_stays_lost_leaves_the_votes_as_they_are() {
    let fakes = fakes().await;
    let rows = rows(ENGLISH).into_iter().filter(Row::is_of_the_judge);
    let rows: Vec<_> = rows.collect();
    assert!(rows.len() >= 6, "only {} rows", rows.len());
    let councils = rows.iter().enumerate().map(async |(n, row)| {
        let model = format!("fake-lost{n}+{}", row.word);
        (row, deliberate_before(&fakes, &model).await, model)
    });
    for (row, events, model) in futures_util::future::join_all(councils).await {
        let attempts = match row.then.as_str() {
            "the votes stand: after one attempt" => 1,
            "the votes stand: after two attempts" => 2,
            "the votes stand: after three attempts" => 3,
            other => panic!("{other}: no such end"),
        };
        let expected = vec![row.event.join(" "); attempts];
        assert_eq!(
            shown_of_the_judge(&events),
            expected,
            "{model}: {}",
            row.what
        );
        let is_late = row.event[0] == "judge_timeout";
        let cause = if is_late {
            Cause::Timeout
        } else {
            Cause::Failed
        };
        stands_without_a_judge(&events, cause, &model);
        let asked = fakes.ledger().of(&model);
        assert_eq!(asked.len(), attempts, "{model}");
        is_named(row, &events, asked[0].status);
    }
}

/// A fault that stays is never a verdict, and never a hang.
#[tokio::test]
async fn what_stays_broken_ends_with_its_cause() {
    let fakes = fakes().await;
    let table = [
        ("exception-model-stream-after-9", 2),
        ("bad-crc-after-9", 2),
        ("cut-after-9-clean", 2),
        ("stop-guardrail-after-9", 1),
        ("exception-validation-after-9", 1),
        ("403", 1),
        ("404", 1),
        ("400-context", 1),
        ("408", 3),
    ];
    let councils = table.map(async |(word, attempts)| {
        let model = format!("fake-stays+{word}");
        let events = deliberate(&fakes, &model, quick()).await;
        match &events.last().unwrap().body {
            Body::Error(error) => assert_eq!(error.code, "no_votes", "{word}"),
            other => panic!("{word} ended with {other:?}"),
        }
        let asked = fakes.ledger().of(&model);
        let caspar = asked
            .iter()
            .filter(|entry| entry.role.is_some_and(|role| role.name() == "caspar"));
        assert_eq!(caspar.count(), attempts, "{word}");
    });
    futures_util::future::join_all(councils).await;
}

/// The judge's stream breaks like a sage's: it is asked again, and the verdict is its own.
#[tokio::test]
async fn a_deliberation_by_tool_votes_outlives_a_cut_in_every_lane() {
    let fakes = fakes().await;
    for (model, usage) in [
        ("fake-cut+by-role+reasoning+cut-after-30-once", true),
        ("fake-byte+by-role+slices+cut-byte-4000-once", true),
        (
            "fake-frame+by-role+exception-throttling-after-30-once",
            true,
        ),
        ("fake-uncounted+by-role+no-usage", false),
    ] {
        let events = deliberate(&fakes, model, quick()).await;
        let complete = complete(&events);
        assert_eq!(complete.voting_result.agreement(), "2-1-0", "{model}");
        assert_eq!(complete.judge_agrees, Some(true), "{model}");
        assert_eq!(complete.solomon_judgment.sage_scores.len(), 3, "{model}");
        assert_eq!(complete.status.to_string(), "completed", "{model}");
        let attempts = if model.ends_with("-once") { 8 } else { 4 };
        let asked = fakes.ledger().of(model);
        assert_eq!(asked.len(), attempts, "{model}");
        for entry in &asked {
            let tools = entry.body.pointer("/toolConfig/tools/0/toolSpec/name");
            assert!(tools.is_some(), "{model}: the vote is a tool call");
        }
        // Counts that came are the vendor's own; without them they are an estimate and say so.
        let votes = events.iter().filter_map(|event| match &event.body {
            Body::AgentComplete(_, vote) => vote.usage,
            _ => None,
        });
        for vote in votes {
            assert!(vote.output_tokens > 0, "{model}");
            assert!(usage || vote.estimated, "{model}: {vote:?}");
        }
    }
}
