//! What follows where a model fails: the next of its list, in order.

#![cfg(test)]

use magi_council::{Ask, Door, Error};
use magi_event::check::Mode;
use magi_event::{Agent, Body, Cause, Cursor, Event, Sage, Status};
use serde_json::{Value, json};

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
