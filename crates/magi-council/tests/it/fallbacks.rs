//! What follows where a model fails: the next of its list, in order; where a whole vendor fails: its
//! breaker; where it is too busy: a wait.

#![cfg(test)]

use std::time::Duration;

use magi_council::{Ask, Breaker, Door, Error};
use magi_event::check::Mode;
use magi_event::{Agent, Body, Cause, Cursor, Event, Sage, Status};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::script::{House, check_log, last};

type Log = Vec<(Cursor, Event)>;

/// Everybody but Caspar answers at once.
const OTHERS: &str = "
balthasar: text Kind. | vote APPROVED
melchior: text True. | vote APPROVED
solomon: text Weighed. | verdict APPROVED
";

/// Asks, reads to the end and checks every invariant.
async fn deliberate(house: &House, council: &Value) -> Log {
    let body = json!({"question": "Q?", "council": council});
    let id = house.ask(&body).await;
    let log = house.read(id).await.expect("it ends");
    check_log(&log, Mode::Reader, true);
    log
}

fn verdict(log: &Log) -> &magi_event::Complete {
    match last(log) {
        Body::Complete(complete) => complete,
        other => panic!("{other:?}"),
    }
}

/// Returns what an agent's lane went through: each start's model, each failure's code.
fn lane(log: &Log, agent: Agent) -> Vec<String> {
    log.iter()
        .filter_map(|(_, event)| match &event.body {
            Body::AgentStart(sage, start) if agent == Agent::Sage(*sage) => {
                Some(format!("{}:{}", start.provider, start.model))
            }
            Body::JudgeStart(start) if agent == Agent::Judge => {
                Some(format!("{}:{}", start.provider, start.model))
            }
            Body::AgentError(sage, error) if agent == Agent::Sage(*sage) => {
                Some(error.code.clone())
            }
            Body::JudgeError(error) if agent == Agent::Judge => Some(error.code.clone()),
            _ => None,
        })
        .collect()
}

fn refused(body: &Value, house: &House) -> impl Future<Output = (String, String)> {
    let ask = Ask::read(body, &Door::default());
    let engine = house.engine.clone();
    async move {
        let error = match ask {
            Ok(ask) => engine.ask(ask).await.unwrap_err(),
            Err(error) => error,
        };
        match error {
            Error::Invalid { field, message } => (field, message),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn models_are_asked_in_the_listed_order_each_once() {
    let script = format!("caspar: fail not_found\ncaspar: text No. | fail unauthorised\n{OTHERS}");
    let house = House::pair(
        &script,
        "caspar: fail bad_request\ncaspar: text Good. | vote REJECTED",
    );
    let fallbacks = [
        "script:two",
        "spare:three",
        "script:one",
        "spare:four",
        "spare:five",
    ];
    let council = json!({"roles": {"caspar": {"fallbacks": &fallbacks[..4]}}});
    let log = deliberate(&house, &council).await;
    let caspar = Agent::Sage(Sage::Caspar);
    let went = [
        "script:one",
        "not_found",
        "script:two",
        "unauthorised",
        "spare:three",
        "bad_request",
        "spare:four",
    ];
    assert_eq!(lane(&log, caspar), went);
    // A vote is a vote, whoever gave it, and one sage has one.
    let complete = verdict(&log);
    assert_eq!(complete.status, Status::Completed);
    assert_eq!(complete.voting_result.agreement(), "2-1-0");
    let Body::Start(start) = &log[0].1.body else {
        panic!("no start")
    };
    let told = &start.council.fallbacks[&caspar];
    assert_eq!(told, &["script:two", "spare:three", "spare:four"]);
    let models: Vec<String> = house
        .spare
        .calls()
        .iter()
        .map(|c| c.model.clone())
        .collect();
    assert_eq!(models, ["three", "four"]);
}

#[tokio::test(start_paused = true)]
async fn without_a_list_a_sage_is_missing_and_an_empty_one_leaves_the_judge_none() {
    let script = format!(
        "caspar: fail not_found\n{}",
        OTHERS.replace("text Weighed. | verdict APPROVED", "fail not_found")
    );
    let house = House::pair(&script, "");
    let roles = json!({"solomon": {"fallbacks": []}, "melchior": {"model": "script:two"}});
    let log = deliberate(&house, &json!({"roles": roles})).await;
    let complete = verdict(&log);
    assert_eq!(complete.status, Status::Degraded);
    let missing: Vec<_> = complete
        .missing
        .iter()
        .map(|m| (m.agent, m.cause))
        .collect();
    let caspar = Agent::Sage(Sage::Caspar);
    assert_eq!(
        missing,
        [(caspar, Cause::Failed), (Agent::Judge, Cause::Failed)]
    );
    assert_eq!(lane(&log, caspar), ["script:one", "not_found"]);
    assert_eq!(lane(&log, Agent::Judge), ["script:one", "not_found"]);
}

#[tokio::test(start_paused = true)]
async fn the_judges_old_setting_is_a_list_of_one() {
    for council in [
        json!({"judge_fallback": "spare:two"}),
        json!({"roles": {"solomon": {"fallbacks": "spare:two"}}}),
        // The list wins over the old word beside it.
        json!({"judge_fallback": "script:x", "roles": {"solomon": {"fallbacks": ["spare:two"]}}}),
    ] {
        let script = format!(
            "caspar: vote APPROVED\n{}",
            OTHERS.replace("text Weighed. | verdict APPROVED", "fail not_found")
        );
        let house = House::pair(&script, "solomon: text Weighed. | verdict APPROVED");
        let log = deliberate(&house, &council).await;
        let went = ["script:one", "not_found", "spare:two"];
        assert_eq!(lane(&log, Agent::Judge), went, "{council}");
        assert_eq!(verdict(&log).status, Status::Completed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reused_vote_names_the_model_that_gave_it() {
    let again = "solomon: text Weighed. | verdict APPROVED";
    let script = format!("caspar: fail not_found\n{OTHERS}{again}");
    let house = House::pair(&script, "caspar: text Good. | vote APPROVED");
    let council = json!({"roles": {"caspar": {"fallbacks": ["spare:two"]}}});
    let log = deliberate(&house, &council).await;
    let id = log[0].0.deliberation;
    let wish = magi_council::Rejudge {
        times: 1,
        ..magi_council::Rejudge::default()
    };
    let asked = house.engine.rejudge(id, &wish, None).await.unwrap();
    let log = house.read(asked[0].id).await.unwrap();
    assert_eq!(lane(&log, Agent::Sage(Sage::Caspar)), ["spare:two"]);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_cannot_be_kept_is_refused_by_its_name() {
    let house = House::pair("", "");
    for (fallbacks, field, says) in [
        (
            json!(["nobody:x"]),
            "council.roles.caspar.fallbacks",
            "not configured",
        ),
        (
            json!(["gpt5"]),
            "council.roles.caspar.fallbacks[0]",
            "provider:model",
        ),
        (
            json!(["a:b", 3]),
            "council.roles.caspar.fallbacks[1]",
            "a text",
        ),
        (
            json!({}),
            "council.roles.caspar.fallbacks",
            "a list of texts",
        ),
        (
            json!(["a:1", "a:2", "a:3", "a:4", "a:5"]),
            "council.roles.caspar.fallbacks",
            "at most 4",
        ),
        (
            json!(["rehearsal"]),
            "council.roles.caspar.fallbacks",
            "written scenes",
        ),
    ] {
        let body =
            json!({"question": "Q?", "council": {"roles": {"caspar": {"fallbacks": fallbacks}}}});
        let (found, message) = refused(&body, &house).await;
        assert_eq!(found, field, "{fallbacks}");
        assert!(message.contains(says), "{fallbacks}: {message}");
    }
}

/// Every sage's first four calls meet a vendor that is down.
fn down() -> String {
    let sages = ["caspar", "balthasar", "melchior"].map(|sage| {
        let down = format!("{sage}: +0.1 fail overloaded\n").repeat(4);
        format!("{down}{sage}: text Back. | vote APPROVED\n")
    });
    format!(
        "{}solomon: text Weighed. | verdict APPROVED\n",
        sages.concat()
    )
}

/// Returns when the breaker changed to what, and when each call began, in the order of the log.
fn circuit(log: &Log) -> Vec<(i64, String)> {
    log.iter()
        .filter_map(|(_, event)| match &event.body {
            Body::Trace(_, trace) => Some(trace),
            _ => None,
        })
        .filter_map(|trace| {
            let state = trace.attributes.get("state").and_then(Value::as_str);
            let what = match (trace.name.as_str(), trace.duration_ms) {
                ("breaker", _) => state?.to_owned(),
                ("model.call", None) => "call".to_owned(),
                _ => return None,
            };
            Some((trace.started_at.as_millis(), what))
        })
        .collect()
}

async fn until_open(house: &House) {
    while !house
        .engine
        .breakers()
        .contains(&("script".to_owned(), Breaker::Open))
    {
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_rests_then_one_call_tries_and_all_go_on() {
    let house = House::pair(&down(), "");
    let log = deliberate(&house, &json!({})).await;
    assert_eq!(verdict(&log).status, Status::Completed);
    let circuit = circuit(&log);
    let (mut opened, mut is_trying, mut n_opened, mut tried) = (None, false, 0, 0);
    for (at, what) in &circuit {
        match what.as_str() {
            "open" => {
                (opened, is_trying) = (Some(*at), false);
                n_opened += 1;
            }
            "half_open" => {
                let rested = at - opened.take().expect("it was open");
                assert!(rested >= 10_000, "{circuit:?}");
                (is_trying, tried) = (true, 0);
            }
            "closed" => is_trying = false,
            _ => {
                assert_eq!(opened, None, "no call while open: {circuit:?}");
                tried += 1;
                assert!(!is_trying || tried == 1, "one call tries: {circuit:?}");
            }
        }
    }
    assert!(n_opened > 0, "{circuit:?}");
    assert!(circuit.iter().any(|(_, what)| what == "closed"));
    // Who had nobody else to ask says that it waits, and how long.
    let waits = log.iter().any(|(_, event)| {
        matches!(&event.body, Body::AgentError(_, error)
            if error.code == "circuit_open" && error.retryable && error.retry_in > Some(1.0))
    });
    assert!(waits, "{:?}", lane(&log, Agent::Sage(Sage::Caspar)));
    assert_eq!(
        house.engine.breakers(),
        [("script".to_owned(), Breaker::Closed)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_breaker_is_every_deliberations_and_its_roles_go_to_their_next_model_at_once() {
    let spare = ["caspar", "balthasar", "melchior"].map(|sage| format!("{sage}: vote REJECTED\n"));
    let spare = format!("{}solomon: verdict REJECTED\n", spare.concat());
    let house = House::pair(&down(), &spare);
    let first = house.ask(&json!({"question": "Q?"})).await;
    until_open(&house).await;
    let (n_before, began) = (house.model.calls().len(), Instant::now());
    let next = json!({"fallbacks": ["spare:two"]});
    let roles = json!({"caspar": next, "balthasar": next, "melchior": next, "solomon": next});
    let log = deliberate(&house, &json!({"roles": roles})).await;
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(house.model.calls().len(), n_before, "nobody called it");
    for agent in Agent::ALL {
        let went = ["script:one", "circuit_open", "spare:two"];
        assert_eq!(lane(&log, agent), went, "{agent}");
    }
    assert_eq!(verdict(&log).status, Status::Completed);
    // The first one had no other model: it waited, and went on.
    let first = house.read(first).await.expect("it ends");
    assert_eq!(verdict(&first).status, Status::Completed);
}

#[tokio::test(start_paused = true)]
async fn who_cannot_wait_for_a_breaker_is_missing() {
    let house = House::pair(&down(), "");
    let council = json!({"deadlines": {"sage_total": 9}});
    let body = json!({"question": "Q?", "council": council});
    let id = house.ask(&body).await;
    let log = house.read(id).await.expect("it ends");
    check_log(&log, Mode::Reader, true);
    match last(&log) {
        Body::Error(failure) => {
            assert_eq!(failure.code, "no_votes");
            assert!(
                failure.message.contains("left alone"),
                "{}",
                failure.message
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_wait_counts_up_to_the_cap_and_the_deliberation_goes_on() {
    let script = format!("caspar: fail throttled 50\ncaspar: text Late. | vote APPROVED\n{OTHERS}");
    for (cap, status) in [(30, Status::Completed), (60, Status::Degraded)] {
        let house = House::pair(&script, "");
        let council = json!({"deadlines": {"sage_total": 45, "throttle_cap": cap}});
        let began = Instant::now();
        let log = deliberate(&house, &council).await;
        let waited = began.elapsed() >= Duration::from_secs(50);
        assert_eq!(verdict(&log).status, status, "cap {cap}");
        assert_eq!(
            waited,
            status == Status::Completed,
            "a wait that cannot fit is not begun"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_wait_beyond_the_cap_is_not_waited_where_another_model_is() {
    for (asked, models) in [
        (50, vec!["script:one", "throttled", "spare:two"]),
        (20, vec!["script:one", "throttled", "script:one"]),
    ] {
        let script = format!("caspar: fail throttled {asked}\ncaspar: vote APPROVED\n{OTHERS}");
        let house = House::pair(&script, "caspar: vote APPROVED");
        let council = json!({"roles": {"caspar": {"fallbacks": ["spare:two"]}}});
        let log = deliberate(&house, &council).await;
        assert_eq!(lane(&log, Agent::Sage(Sage::Caspar)), models);
        assert_eq!(verdict(&log).status, Status::Completed);
    }
}

/// Caspar votes at 40 s, the others at once.
fn one_is_late() -> String {
    format!("caspar: text Well. | +40 vote REJECTED\n{OTHERS}")
}

/// Returns what the log says of those who were late.
fn late(log: &Log) -> Vec<(String, String)> {
    log.iter()
        .filter_map(|(_, event)| match &event.body {
            Body::Trace(_, trace) if trace.name == "late" => Some(&trace.attributes),
            _ => None,
        })
        .map(|told| (told["agent"].to_string(), told["choice"].to_string()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_late_sage_is_waited_for_or_left_out_by_choice() {
    // `first_token` and `idle` stand back, so that only lateness is seen.
    let deadlines = json!({"first_token": 60, "idle": 60, "late": 7});
    for (choice, votes, seconds) in [("wait", "2-1-0", 40), ("exclude", "2-0-1", 7)] {
        let house = House::pair(&one_is_late(), "");
        let began = Instant::now();
        let council = json!({"late": choice, "deadlines": deadlines});
        let log = deliberate(&house, &council).await;
        assert_eq!(began.elapsed().as_secs(), seconds, "{choice}");
        let complete = verdict(&log);
        assert_eq!(complete.voting_result.agreement(), votes, "{choice}");
        let caspar = Agent::Sage(Sage::Caspar);
        let missing: Vec<_> = complete
            .missing
            .iter()
            .map(|m| (m.agent, m.cause))
            .collect();
        if choice == "exclude" {
            let told = [r#""caspar""#, r#""exclude""#].map(str::to_owned);
            assert_eq!(late(&log), [told.into()], "the choice is recorded");
            assert_eq!(missing, [(caspar, Cause::Timeout)]);
            assert_eq!(lane(&log, caspar), ["script:one", "late"]);
            assert!(
                complete.missing[0]
                    .message
                    .as_deref()
                    .is_some_and(|m| m.contains("7 s"))
            );
        } else {
            assert_eq!(late(&log), []);
            assert_eq!(missing, []);
        }
        sleep(Duration::from_millis(1)).await;
        assert_eq!(house.model.n_open(), 0, "its call is closed");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_late_before_the_votes_reach_the_quorum() {
    let deadlines = json!({"first_token": 60, "idle": 60, "late": 7});
    let house = House::pair(&one_is_late(), "");
    let council = json!({"late": "exclude", "quorum": 3, "deadlines": deadlines});
    let log = deliberate(&house, &council).await;
    assert_eq!(late(&log), []);
    assert_eq!(verdict(&log).voting_result.agreement(), "2-1-0");
}

#[tokio::test(start_paused = true)]
async fn a_pause_makes_nobody_late() {
    let deadlines = json!({"first_token": 60, "idle": 60, "late": 7});
    let house = House::pair(&one_is_late(), "");
    let council = json!({"late": "exclude", "deadlines": deadlines});
    let id = house
        .ask(&json!({"question": "Q?", "council": council}))
        .await;
    sleep(Duration::from_secs(3)).await;
    let told = || magi_council::Told::by("user");
    house.engine.pause(id, told()).await.unwrap();
    sleep(Duration::from_secs(36)).await;
    house.engine.resume(id, told()).await.unwrap();
    let log = house.read(id).await.expect("it ends");
    check_log(&log, Mode::Reader, true);
    // Three seconds before the pause and one after it: its vote came at forty.
    assert_eq!(late(&log), []);
    assert_eq!(verdict(&log).voting_result.agreement(), "2-1-0");
}
