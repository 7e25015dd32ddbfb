//! The judge's panel: who judges where all of the judge's models have failed, what comes of it, and
//! what stopping, retrying, crashes, deadlines and budgets do to it.

#![cfg(test)]

use std::collections::BTreeMap;
use std::time::Duration;

use magi_council::{Ask, Door, Error, Told};
use magi_event::check::Mode;
use magi_event::{Agent, Body, Cause, Complete, Cursor, Event, FinalDecision, Sage, Status};
use magi_log::MemoryStore;
use magi_model::Call;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::script::{House, Script, check_log, last};

type Log = Vec<(Cursor, Event)>;

/// The sages approve by two to one, and the judge's own model fails.
const SAGES: &str = "
caspar: text Good. | vote APPROVED
balthasar: text Kind. | vote APPROVED
melchior: text True. | vote REJECTED
solomon: fail unauthorised
";

fn body(rule: &str) -> Value {
    let panel = ["spare:a", "spare:b", "spare:c"];
    let solomon = json!({"fallbacks": [], "panel": panel});
    json!({"question": "Q?", "council": {"rule": rule, "roles": {"solomon": solomon}}})
}

async fn deliberate(house: &House, body: &Value) -> Log {
    let id = house.ask(body).await;
    let log = house.read(id).await.expect("it ends");
    check_log(&log, Mode::Reader, true);
    check_log(&house.read(id).await.unwrap(), Mode::Log, true);
    log
}

fn verdict(log: &Log) -> &Complete {
    match last(log) {
        Body::Complete(complete) => complete,
        other => panic!("{other:?}"),
    }
}

/// What the judge's lane went through.
fn lane(log: &Log) -> Vec<String> {
    log.iter()
        .filter_map(|(_, event)| match &event.body {
            Body::JudgeStart(start) => Some(format!("{}:{}", start.provider, start.model)),
            Body::JudgeError(error) => Some(format!("{} {}", error.code, error.retryable)),
            Body::JudgeTimeout(late) => Some(format!("late {}", late.retryable)),
            Body::JudgeComplete(_) => Some("complete".to_owned()),
            _ => None,
        })
        .collect()
}

const PANEL: &str = "panel:spare:a, spare:b, spare:c";

/// The scores that the kit's judges give: by the letters under which they saw the sages.
fn scores(call: &Call) -> BTreeMap<Sage, f64> {
    let order = call.about.order.iter().copied();
    order.zip([80.0, 70.0, 60.0]).collect()
}

#[tokio::test(start_paused = true)]
async fn its_majority_decides_and_its_median_scores() {
    let spare = "
solomon: +1 usage 10 5 | text Aloud? | verdict APPROVED The first one's words.
solomon: +3 usage 20 5 | verdict REJECTED The second one's words.
solomon: +2 usage 30 5 | verdict APPROVED The third one's words.
";
    let house = House::pair(SAGES, spare);
    let log = deliberate(&house, &body("majority")).await;
    let went = ["script:one", "unauthorised true", PANEL, "complete"];
    assert_eq!(lane(&log), went);
    let Body::Start(start) = &log[0].1.body else {
        panic!("no start")
    };
    assert_eq!(start.council.panel, ["spare:a", "spare:b", "spare:c"]);
    let complete = verdict(&log);
    assert_eq!(complete.status, Status::Completed, "a panel is no lack");
    let judgment = &complete.solomon_judgment;
    assert_eq!(judgment.final_decision, FinalDecision::Approved);
    assert_eq!(
        (judgment.judge_agrees, judgment.confidence),
        (Some(true), None)
    );
    assert_eq!((judgment.attempt, complete.overruled), (2, false));
    // Each saw the same material in an order of its own, which the seed gives again.
    let calls = house.spare.calls();
    let models: Vec<&str> = calls.iter().map(|call| call.model.as_str()).collect();
    assert_eq!(models, ["a", "b", "c"]);
    for call in &calls {
        let text = &call.messages[0].text;
        assert!(
            ["Good.", "Kind.", "True."]
                .iter()
                .all(|own| text.contains(own))
        );
        assert!(
            !text.contains("CASPAR") && !text.contains("words."),
            "blind"
        );
    }
    for sage in Sage::ALL {
        let mut given: Vec<f64> = calls.iter().map(|call| scores(call)[&sage]).collect();
        given.sort_by(f64::total_cmp);
        assert!((judgment.sage_scores[&sage] - given[1]).abs() < f64::EPSILON);
    }
    let votes: Vec<_> = judgment
        .panel
        .iter()
        .map(|one| one.final_decision)
        .collect();
    let (yes, no) = (Some(FinalDecision::Approved), Some(FinalDecision::Rejected));
    assert_eq!(votes, [yes, no, yes]);
    // One of the majority speaks, and is named.
    let speakers: Vec<_> = judgment.panel.iter().filter(|one| one.speaks).collect();
    assert!(speakers.len() == 1 && speakers[0].final_decision == yes);
    assert!(
        judgment.reasoning.contains("2 for, 1 against"),
        "{}",
        judgment.reasoning
    );
    assert!(judgment.reasoning.contains(&speakers[0].model));
    assert!(judgment.reasoning.contains("one's words."));
    assert!(!judgment.reasoning.contains("second one's"));
    let usage = judgment.usage.unwrap();
    assert_eq!(
        (usage.input_tokens, usage.output_tokens),
        (60, 15),
        "all are paid for"
    );
    let spans = log.iter().filter(|(_, event)| {
        matches!(&event.body, Body::Trace(None, trace)
            if trace.name == "panel.member" && trace.duration_ms.is_some())
    });
    assert_eq!(spans.count(), 3);
    assert!(!log.iter().any(|(_, event)| {
        matches!(&event.body, Body::JudgeChunk(delta) if delta.text.contains("Aloud"))
    }));
}

#[tokio::test(start_paused = true)]
async fn a_tie_decides_nothing_and_overrules_nothing() {
    let spare = "
solomon: verdict APPROVED For.
solomon: verdict REJECTED Against.
solomon: fail not_found
";
    for (rule, decision) in [
        ("majority", FinalDecision::Approved),
        ("judge", FinalDecision::Undecided),
    ] {
        let house = House::pair(SAGES, spare);
        let log = deliberate(&house, &body(rule)).await;
        let complete = verdict(&log);
        assert_eq!(complete.final_decision, decision, "{rule}");
        assert_eq!(complete.status, Status::Completed);
        let judgment = &complete.solomon_judgment;
        assert_eq!(judgment.final_decision, FinalDecision::Undecided);
        assert_eq!(
            (complete.judge_agrees, complete.overruled),
            (Some(false), false)
        );
        assert!(
            complete.summary.contains("was split"),
            "{}",
            complete.summary
        );
        assert!(
            judgment.panel[2]
                .error
                .as_ref()
                .unwrap()
                .contains("not_found")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn fewer_than_two_are_no_panel() {
    for spare in [
        "solomon: verdict APPROVED\nsolomon: fail not_found\nsolomon: fail unauthorised",
        "solomon: text Hm\nsolomon: text Hm\nsolomon: end refused",
    ] {
        let house = House::pair(SAGES, spare);
        let log = deliberate(&house, &body("majority")).await;
        let went = [
            "script:one",
            "unauthorised true",
            PANEL,
            "panel_failed false",
        ];
        assert_eq!(lane(&log), went);
        let complete = verdict(&log);
        assert_eq!(complete.status, Status::Degraded);
        let missing = &complete.missing[0];
        assert_eq!(
            (missing.agent, missing.cause),
            (Agent::Judge, Cause::Failed)
        );
        assert!(missing.message.as_ref().unwrap().contains("spare:b: "));
        assert_eq!(
            complete.final_decision,
            FinalDecision::Approved,
            "the votes alone"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_third_of_the_judges_time_is_kept_for_it() {
    let script = SAGES.replace("fail unauthorised", "think Hm. | +600 verdict APPROVED");
    let deadlines = json!({"idle": 500, "whole": 300});
    for (spare, is_judged) in [
        ("+19 verdict APPROVED", true),
        ("+600 verdict APPROVED", false),
    ] {
        let house = House::pair(&script, &format!("solomon: {spare}\n").repeat(3));
        let mut body = body("majority");
        body["council"]["deadlines"] = deadlines.clone();
        body["council"]["deadlines"]["first_token"] = json!(500);
        body["council"]["deadlines"]["connect"] = json!(500);
        let began = Instant::now();
        let log = deliberate(&house, &body).await;
        let took = began.elapsed();
        assert_eq!(lane(&log)[1], "late true");
        if is_judged {
            assert_eq!(verdict(&log).status, Status::Completed);
        } else {
            assert_eq!(verdict(&log).missing[0].cause, Cause::Timeout);
        }
        assert!(
            took < Duration::from_millis(60_500),
            "{took:?}: the judge's 60 s"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_stopped_and_begun_anew_as_the_judge_is() {
    let slow = "solomon: +10 verdict APPROVED\n".repeat(3);
    for verb in ["stop judge", "stop", "retry", "note"] {
        let again = "solomon: text Weighed. | verdict REJECTED";
        let replies = "caspar: vote APPROVED\nbalthasar: vote APPROVED\nmelchior: vote REJECTED";
        let house = House::pair(&format!("{SAGES}{again}\n{replies}"), &slow);
        let id = house.ask(&body("majority")).await;
        sleep(Duration::from_secs(5)).await;
        assert_eq!(house.spare.n_open(), 3, "{verb}");
        let (engine, judge, told) = (&house.engine, Some(Agent::Judge), Told::by("user"));
        let changed = match verb {
            "stop judge" => engine.stop(id, judge, "user").await.unwrap().changed,
            "stop" => engine.stop(id, None, "user").await.unwrap().changed,
            "retry" => engine.retry(id, judge, None, told).await.unwrap().changed,
            // It has not spoken yet.
            _ => {
                engine
                    .note(id, None, "It is Friday.", told)
                    .await
                    .unwrap()
                    .changed
            }
        };
        assert!(changed, "{verb}");
        assert_eq!(house.spare.n_open(), 0, "{verb}: its calls are closed");
        let log = house.read(id).await.unwrap();
        check_log(&log, Mode::Log, true);
        match verb {
            "stop" => assert!(matches!(last(&log), Body::Cancelled(_))),
            "stop judge" => assert_eq!(verdict(&log).missing[0].cause, Cause::Stopped),
            _ => {
                let went = lane(&log);
                let given_up = if verb == "retry" {
                    "retried true"
                } else {
                    "noted true"
                };
                assert_eq!(went[2..], [PANEL, given_up, "script:one", "complete"]);
                let judgment = &verdict(&log).solomon_judgment;
                assert!(judgment.panel.is_empty() && judgment.attempt == 3);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_the_judge_itself_is_asked_first() {
    let slow = "solomon: +10 verdict APPROVED\n".repeat(3);
    let first = House::pair(SAGES, &slow);
    let id = first.ask(&body("majority")).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(first.spare.n_open(), 3);
    first.engine.logs().abandon();
    let next = first.peer(4, "solomon: text Weighed. | verdict REJECTED");
    assert_eq!(next.engine.recover().await.unwrap().resumed, [id]);
    let log = next.read(id).await.unwrap();
    check_log(&log, Mode::Log, true);
    assert_eq!(lane(&log)[2..], [PANEL, "script:one", "complete"]);
    assert_eq!((next.model.calls().len(), next.spare.calls().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_it_costs_counts_against_the_budget() {
    let spends = "solomon: usage 400 10 | +10 verdict APPROVED\n".repeat(3);
    let sages = SAGES.replace("text", "usage 10 10 | text");
    let house = House::pair(&sages, &spends);
    let mut body = body("majority");
    body["budget"] = json!({"tokens": 1_000});
    let log = deliberate(&house, &body).await;
    assert!(
        matches!(last(&log), Body::Cancelled(cancelled) if cancelled.by == "budget"),
        "{:?}",
        last(&log)
    );
    assert_eq!(house.spare.n_open(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_panel_that_cannot_judge_is_refused_by_its_name() {
    let house = House::over(&MemoryStore::new(), 3, Script::read("").lines);
    let at = |agent: &str| format!("council.roles.{agent}.panel");
    for (agent, panel, says) in [
        ("solomon", json!(["spare:a"]), "2 to 5"),
        (
            "solomon",
            json!(["a:1", "a:2", "a:3", "a:4", "a:5", "a:6"]),
            "at most 5",
        ),
        ("solomon", json!(["spare:a", "spare:b", "spare:a"]), "twice"),
        ("solomon", json!(["spare:a", "rehearsal"]), "written scenes"),
        ("solomon", json!(["spare:a", "nobody:x"]), "not configured"),
        ("solomon", json!({}), "a list of texts"),
        ("caspar", json!(["spare:a", "spare:b"]), "the judge's alone"),
    ] {
        let roles = json!({agent: {"panel": panel}});
        let body = json!({"question": "Q?", "council": {"roles": roles}});
        let refused = match Ask::read(&body, &Door::default()) {
            Ok(ask) => house.engine.ask(ask).await.unwrap_err(),
            Err(error) => error,
        };
        assert!(
            matches!(&refused, Error::Invalid { field, message }
                if *field == at(agent) && message.contains(says)),
            "{panel}: {refused:?}"
        );
    }
    let none = json!({"solomon": {"panel": []}});
    let body = json!({"question": "Q?", "council": {"roles": none}});
    let ask = Ask::read(&body, &Door::default()).unwrap();
    assert!(house.engine.ask(ask).await.is_ok(), "an empty one is none");
}
