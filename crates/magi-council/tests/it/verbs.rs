//! The engine's verbs: keys, stops from elsewhere, resume, shutdown, limits.

#![cfg(test)]

use std::time::Duration;

use magi_council::{Ask, Asked, Budget, CouncilPatch, Door, Error, Fork, Told};
use magi_event::check::Mode as CheckMode;
use magi_event::{Agent, Body, Cause, Decision, Mode, Sage, Status};
use magi_log::MemoryStore;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::script::{House, Script, check_log, last};

const FINE: &str = "
caspar: +0.1 text Good. | vote APPROVED Caspar's word.
balthasar: +0.1 text Kind. | vote APPROVED Balthasar's word.
melchior: +0.1 text True. | vote REJECTED Melchior's word.
solomon: +0.1 text Weighed. | verdict APPROVED Solomon's word.
";

const SLOW: &str = "
caspar: +0.1 text Good. | vote APPROVED Caspar's word.
balthasar: +0.1 text Kind | +10 vote APPROVED
melchior: +0.1 text True | +10 vote APPROVED
";

fn house(text: &str) -> House {
    House::over(&MemoryStore::new(), 3, Script::read(text).lines)
}

async fn ask(house: &House, body: Value) -> Result<Asked, Error> {
    let door = Door {
        identity: "someone".into(),
        ..Door::default()
    };
    house.engine.ask(Ask::read(&body, &door)?).await
}

#[tokio::test(start_paused = true)]
async fn a_repeated_key_is_the_same_deliberation() {
    let house = house(FINE);
    let body = json!({"question": "Q?", "idempotency_key": "k"});
    let first = ask(&house, body.clone()).await.unwrap();
    assert!(first.fresh);
    let again = ask(&house, body.clone()).await.unwrap();
    assert_eq!((again.id, again.fresh), (first.id, false));
    house.read(first.id).await.unwrap();
    let after = ask(&house, body.clone()).await.unwrap();
    assert_eq!((after.id, after.fresh), (first.id, false));
    let other = ask(&house, json!({"question": "R?", "idempotency_key": "k"})).await;
    assert_eq!(other, Err(Error::KeyReused));
    house
        .engine
        .logs()
        .catalogue()
        .delete(first.id)
        .await
        .unwrap();
    assert_eq!(ask(&house, body).await, Err(Error::KeyDeleted));
    assert_eq!(house.model.calls().len(), 4, "nothing was called twice");
}

#[tokio::test(start_paused = true)]
async fn of_two_at_once_with_one_key_one_starts() {
    let house = house(FINE);
    let body = json!({"question": "Q?", "idempotency_key": "k"});
    let (one, two) = tokio::join!(ask(&house, body.clone()), ask(&house, body));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.id, two.id);
    assert!(one.fresh != two.fresh);
    check_log(&house.read(one.id).await.unwrap(), CheckMode::Reader, true);
}

#[tokio::test(start_paused = true)]
async fn a_stop_of_what_is_over_changes_nothing() {
    let house = house(FINE);
    let id = ask(&house, json!({"question": "Q?"})).await.unwrap().id;
    let log = house.read(id).await.unwrap();
    let stopped = house.engine.stop(id, None, "user").await.unwrap();
    assert_eq!(
        (stopped.status, stopped.changed),
        (Status::Completed, false)
    );
    assert_eq!(house.read(id).await.unwrap(), log);
    let nobody = "01JD3ZK8M00000000000000000".parse().unwrap();
    assert_eq!(
        house.engine.stop(nobody, None, "user").await,
        Err(Error::Unknown)
    );
}

#[tokio::test(start_paused = true)]
async fn the_originals_ids_are_answered_by_our_own_models_and_told() {
    let id = "us.anthropic.claude-3-5-sonnet-20241022-v2:0";
    for body in [
        json!({"question": "Q?", "agentConfigs": {"caspar": {"model": id}, "solomon": {"model": "amazon.nova-pro-v1:0"}}}),
        json!({"question": "Q?", "model_configs": {"caspar": id, "solomon": "amazon.nova-pro-v1:0"}}),
    ] {
        let house = house(FINE);
        let asked = ask(&house, body).await.unwrap();
        let log = house.read(asked.id).await.unwrap();
        check_log(&log, CheckMode::Log, true);
        let Body::Start(start) = &log[0].1.body else {
            panic!("{:?}", log[0])
        };
        assert!(
            start
                .council
                .models
                .values()
                .all(|model| model == "script:one")
        );
        let told: Vec<_> = log
            .iter()
            .filter_map(|(_, event)| match &event.body {
                Body::Trace(_, trace) if trace.name == "model.replaced" => Some((
                    trace.attributes["agent"].clone(),
                    trace.attributes["asked"].clone(),
                    trace.attributes["model"].clone(),
                )),
                _ => None,
            })
            .collect();
        assert_eq!(
            told,
            [
                (json!("caspar"), json!(id), json!("script:one")),
                (
                    json!("solomon"),
                    json!("amazon.nova-pro-v1:0"),
                    json!("script:one")
                ),
            ]
        );
        assert!(
            matches!(last(&log), Body::Complete(complete) if complete.status == Status::Completed)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_not_here_is_refused_by_the_bodys_own_field() {
    let house = house(FINE);
    for (part, at) in [
        (
            json!({"agentConfigs": {"caspar": {"model": "openai:x"}}}),
            "agentConfigs.caspar.model",
        ),
        (
            json!({"model_configs": {"caspar": "bedrock:x"}}),
            "model_configs.caspar",
        ),
        (
            json!({"council": {"roles": {"caspar": {"model": "bedrock:x"}}}}),
            "council.roles.caspar.model",
        ),
    ] {
        let mut body = part;
        body["question"] = json!("Q?");
        let refused = ask(&house, body).await;
        assert!(
            matches!(&refused, Err(Error::Invalid { field, .. }) if field == at),
            "{at}: {refused:?}"
        );
    }
    assert_eq!(house.model.calls().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_member_is_stopped_from_elsewhere_once() {
    let owner = house(&format!("{SLOW}solomon: verdict APPROVED"));
    let other = owner.peer(4, "");
    let id = ask(&owner, json!({"question": "Q?"})).await.unwrap().id;
    sleep(Duration::from_secs(1)).await;
    let melchior = Some(Sage::Melchior.into());
    let stopped = other.engine.stop(id, melchior, "cli").await.unwrap();
    assert_eq!((stopped.status, stopped.changed), (Status::Running, true));
    assert_eq!(owner.model.n_open(), 1, "balthasar goes on alone");
    for house in [&owner, &other] {
        for done in [Sage::Caspar, Sage::Melchior] {
            let again = house.engine.stop(id, Some(done.into()), "cli").await;
            assert!(!again.unwrap().changed, "{done}");
        }
    }
    let log = owner.read(id).await.unwrap();
    check_log(&log, CheckMode::Log, true);
    let Body::Complete(complete) = last(&log) else {
        panic!("{:?}", last(&log))
    };
    assert_eq!(complete.status, Status::Degraded);
    assert_eq!(complete.voting_result.approved, 2);
    assert_eq!(complete.missing.len(), 1);
    assert_eq!(complete.missing[0].cause, Cause::Stopped);
    let over = other
        .engine
        .stop(id, Some(magi_event::Agent::Judge), "cli")
        .await
        .unwrap();
    assert_eq!((over.status, over.changed), (Status::Degraded, false));
}

#[tokio::test(start_paused = true)]
async fn nobody_who_is_not_there_is_stopped() {
    let house = house(SLOW);
    let body = json!({"question": "Q?", "council": {"roles": {"caspar": {"enabled": false}}}});
    let id = ask(&house, body).await.unwrap().id;
    let stopped = house
        .engine
        .stop(id, Some(Sage::Caspar.into()), "user")
        .await;
    assert!(
        matches!(&stopped, Err(Error::Invalid { field, .. }) if field == "agent"),
        "{stopped:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_question_goes_on_only_from_what_is_here() {
    let house = house(FINE);
    let nobody = "01JD3ZK8M00000000000000000";
    let refused = ask(&house, json!({"question": "Q?", "fork_of": nobody})).await;
    assert!(
        matches!(&refused, Err(Error::Invalid { field, .. }) if field == "fork_of"),
        "{refused:?}"
    );
    assert_eq!(
        (house.model.calls().len(), house.engine.n_running()),
        (0, 0)
    );
    let id = ask(&house, json!({"question": "Q?"})).await.unwrap().id;
    house.read(id).await.unwrap();
    let fork = ask(&house, json!({"question": "R?", "fork_of": id.to_string()})).await;
    let log = house.read(fork.unwrap().id).await.unwrap();
    assert!(matches!(&log[0].1.body, Body::Start(start) if start.fork_of == Some(id)));
}

#[tokio::test(start_paused = true)]
async fn another_process_stops_through_the_store() {
    let owner = house(SLOW);
    let other = owner.peer(4, "");
    let id = ask(&owner, json!({"question": "Q?"})).await.unwrap().id;
    sleep(Duration::from_secs(1)).await;
    let stopped = other.engine.stop(id, None, "cli").await.unwrap();
    assert_eq!((stopped.status, stopped.changed), (Status::Cancelled, true));
    let log = owner.read(id).await.unwrap();
    check_log(&log, CheckMode::Reader, true);
    assert!(matches!(last(&log), Body::Cancelled(cancelled) if cancelled.by == "cli"));
    assert_eq!(owner.model.n_open(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stop_reaches_what_nobody_runs_any_more() {
    let owner = house(SLOW);
    let id = ask(&owner, json!({"question": "Q?"})).await.unwrap().id;
    sleep(Duration::from_secs(1)).await;
    owner.engine.logs().abandon();
    let other = owner.peer(4, "");
    let stopped = other.engine.stop(id, None, "cli").await.unwrap();
    assert_eq!(stopped.status, Status::Cancelled);
    let log = other.read(id).await.unwrap();
    check_log(&log, CheckMode::Log, true);
    assert_eq!(other.engine.recover().await.unwrap().resumed, []);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_one_is_resumed_as_another_with_its_votes() {
    let house = house(SLOW);
    let id = ask(&house, json!({"question": "Q?", "preset": "default"}))
        .await
        .unwrap()
        .id;
    sleep(Duration::from_secs(1)).await;
    house.engine.stop(id, None, "user").await.unwrap();
    let stopped = house.read(id).await.unwrap();
    let again = house.peer(5, FINE);
    let linked = again.engine.resume(id, Told::by("user")).await.unwrap();
    assert!(linked.fresh && linked.id != id);
    let log = again.read(linked.id).await.unwrap();
    check_log(&log, CheckMode::Reader, true);
    let calls = again.model.calls();
    assert_eq!(calls.len(), 3, "caspar's vote is not asked for again");
    assert!(
        calls
            .iter()
            .all(|call| call.about.agent != Sage::Caspar.into())
    );
    let votes = |log: &[(_, magi_event::Event)]| {
        log.iter()
            .find_map(|(_, event)| match &event.body {
                Body::AgentComplete(Sage::Caspar, complete) => Some(complete.clone()),
                _ => None,
            })
            .unwrap()
    };
    let (before, after) = (votes(&stopped), votes(&log));
    assert_eq!(before.reasoning, after.reasoning);
    assert_eq!(
        (before.decision, before.confidence),
        (after.decision, after.confidence)
    );
    assert_eq!(before.text_sha256, after.text_sha256);
    assert_eq!(after.usage, None, "it cost nothing here");
    let is_marked = log.iter().any(|(_, event)| {
        matches!(&event.body, Body::Trace(Some(Sage::Caspar), trace)
            if trace.attributes.get("reused") == Some(&Value::Bool(true)))
    });
    assert!(is_marked);
    assert!(matches!(&log[0].1.body, Body::Start(start) if start.fork_of == Some(id)));
    assert!(matches!(last(&log), Body::Complete(complete) if complete.status == Status::Completed));
    assert_eq!(
        again.read(id).await.unwrap().len(),
        stopped.len(),
        "the stopped one stays so"
    );
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_hands_over_and_the_next_goes_on() {
    let first = house(SLOW);
    let id = ask(&first, json!({"question": "Q?"})).await.unwrap().id;
    sleep(Duration::from_secs(1)).await;
    first.engine.shutdown(Duration::from_secs(2)).await;
    assert_eq!(first.model.n_open(), 0);
    let busy = ask(&first, json!({"question": "Q?"})).await;
    assert!(matches!(busy, Err(Error::Busy(_))), "{busy:?}");
    let next = first.peer(4, "balthasar: text Kind. | vote APPROVED\nmelchior: text True. | vote APPROVED\nsolomon: verdict APPROVED");
    let recovered = next.engine.recover().await.unwrap();
    assert_eq!(recovered.resumed, [id]);
    let log = next.read(id).await.unwrap();
    check_log(&log, CheckMode::Log, true);
    assert!(matches!(last(&log), Body::Complete(complete) if complete.voting_result.approved == 3));
    assert_eq!(next.model.calls().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn old_ones_end_interrupted_and_repeat_offenders_quarantined() {
    let first = house(SLOW);
    let id = ask(&first, json!({"question": "Q?"})).await.unwrap().id;
    sleep(Duration::from_secs(1)).await;
    first.engine.logs().abandon();
    sleep(Duration::from_secs(16 * 60)).await;
    let next = first.peer(4, FINE);
    assert_eq!(next.engine.recover().await.unwrap().interrupted, [id]);
    let log = next.read(id).await.unwrap();
    check_log(&log, CheckMode::Log, true);
    assert!(matches!(last(&log), Body::Error(error) if error.code == "interrupted"));
    // Its vote is kept, and resume uses it.
    let linked = next.engine.resume(id, Told::by("user")).await.unwrap();
    let log = next.read(linked.id).await.unwrap();
    assert!(matches!(last(&log), Body::Complete(complete) if complete.voting_result.approved == 2));

    // One that ends the process twice without anything finished in between.
    let silent = "caspar: hang\nbalthasar: hang\nmelchior: hang";
    let crashing = first.peer(5, silent);
    let id = ask(&crashing, json!({"question": "Q?"})).await.unwrap().id;
    sleep(Duration::from_secs(1)).await;
    crashing.engine.logs().abandon();
    let second = first.peer(6, silent);
    assert_eq!(second.engine.recover().await.unwrap().resumed, [id]);
    sleep(Duration::from_secs(1)).await;
    second.engine.logs().abandon();
    let third = first.peer(7, FINE);
    assert_eq!(third.engine.recover().await.unwrap().quarantined, [id]);
    let log = third.read(id).await.unwrap();
    check_log(&log, CheckMode::Log, true);
    assert!(matches!(last(&log), Body::Error(error) if error.code == "quarantined"));
    assert_eq!(third.model.calls().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_live_owner_is_left_alone() {
    let owner = house(SLOW);
    let id = ask(&owner, json!({"question": "Q?"})).await.unwrap().id;
    let other = owner.peer(4, "");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(
        other.engine.recover().await.unwrap(),
        magi_council::Recovered::default()
    );
    let same = other.engine.resume(id, Told::by("cli")).await.unwrap();
    assert_eq!((same.id, same.fresh), (id, false));
    assert_eq!(other.model.calls().len(), 0);
    owner.engine.stop(id, None, "user").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_deliberated_is_refused_by_name() {
    let house = house("");
    for (body, field) in [
        (
            json!({"question": "Q?", "council": {"roles": {"caspar": {"model": "openai:x"}}}}),
            "council.roles.caspar.model",
        ),
        (
            json!({"question": "Q?", "model_configs": {"solomon": "openai:anthropic.claude-v1:0"}}),
            "model_configs.solomon",
        ),
        (
            json!({"question": "Q?", "budget": {"usd": 1}}),
            "budget.usd",
        ),
        (
            json!({"question": "Q?", "agentConfigs": {"caspar": {"enabled": false},
                   "melchior": {"enabled": false}}}),
            "council.quorum",
        ),
    ] {
        let refused = ask(&house, body.clone()).await;
        assert!(
            matches!(&refused, Err(Error::Invalid { field: at, .. }) if at == field),
            "{body}: {refused:?}"
        );
    }
    assert_eq!(house.engine.n_running(), 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_allowed_more_than_the_doors_own_budget() {
    let ceiling = Budget {
        usd: None,
        tokens: Some(100),
    };
    let spends = FINE.replace("text Good.", "usage 90 30 | text Good.");
    let house = House::capped(ceiling, &spends);
    let more = json!({"tokens": 1_000_000});
    for body in [
        json!({"question": "Q?", "budget": more}),
        json!({"question": "Q?", "council": {"budget": more}}),
    ] {
        let refused = ask(&house, body).await;
        assert!(
            matches!(&refused, Err(Error::Invalid { field, message })
                if field == "budget.tokens" && message.contains("at most 100")),
            "{refused:?}"
        );
    }
    // Who names no budget has this one, too.
    let asked = ask(&house, json!({"question": "Q?"})).await.unwrap();
    let log = house.read(asked.id).await.unwrap();
    assert!(
        matches!(last(&log), Body::Cancelled(cancelled) if cancelled.by == "budget"),
        "{:?}",
        last(&log)
    );
    let wish = Fork {
        council: CouncilPatch {
            budget: Budget {
                usd: None,
                tokens: Some(101),
            },
            ..CouncilPatch::default()
        },
        ..Fork::default()
    };
    let fork = house.engine.fork(asked.id, &wish, None).await;
    assert!(
        matches!(&fork, Err(Error::Invalid { field, .. }) if field == "budget.tokens"),
        "{fork:?}"
    );
    let less = json!({"question": "Q?", "budget": {"tokens": 99}});
    assert!(ask(&house, less).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_takes_no_question() {
    let house = house(FINE);
    house.fault.set_down(true);
    let refused = ask(&house, json!({"question": "Q?"})).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    sleep(Duration::from_secs(10)).await;
    house.fault.set_down(false);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(house.engine.n_running(), 0, "nothing was started");
    assert_eq!(house.model.n_open(), 0);
}

#[tokio::test(start_paused = true)]
async fn earlier_verdicts_of_a_conversation_become_context() {
    let first = house(FINE);
    let body = json!({"question": "First?", "conversation_id": "c"});
    let id = ask(&first, body).await.unwrap().id;
    first.read(id).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let second = first.peer(4, FINE);
    let body = json!({"question": "Second?", "conversation_id": "c"});
    let id = ask(&second, body).await.unwrap().id;
    second.read(id).await.unwrap();
    let calls = second.model.calls();
    assert!(
        calls
            .iter()
            .all(|call| call.messages[0].text.contains("First?\n=> APPROVED:"))
    );
    assert!(
        first
            .model
            .calls()
            .iter()
            .all(|call| !call.messages[0].text.contains("=>"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_conversation_may_be_called_by_the_deliberation_it_began_with() {
    let first = house(FINE);
    let begun = ask(&first, json!({"question": "First?"})).await.unwrap().id;
    first.read(begun).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let second = first.peer(4, FINE);
    let body = json!({"question": "Second?", "conversation_id": begun});
    let id = ask(&second, body).await.unwrap().id;
    second.read(id).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let third = first.peer(5, FINE);
    let body = json!({"question": "Third?", "conversation_id": begun});
    let id = ask(&third, body).await.unwrap().id;
    third.read(id).await.unwrap();
    let knows = |house: &House, earlier: &str| {
        let calls = house.model.calls();
        !calls.is_empty()
            && calls
                .iter()
                .all(|call| call.messages[0].text.contains(earlier))
    };
    assert!(knows(&second, "First?\n=> APPROVED:"));
    assert!(knows(&third, "First?\n=> APPROVED:"));
    assert!(knows(&third, "Second?\n=> APPROVED:"));
}

#[tokio::test(start_paused = true)]
async fn being_busy_with_nobody_there_is_known() {
    let house = house(SLOW);
    assert!(!house.engine.is_busy_unwatched());
    let id = ask(&house, json!({"question": "Q?"})).await.unwrap().id;
    assert!(house.engine.is_busy_unwatched());
    let watch = house.engine.watch(id);
    assert!(!house.engine.is_busy_unwatched());
    drop(watch);
    assert!(house.engine.is_busy_unwatched());
    house.engine.stop(id, None, "user").await.unwrap();
    assert!(!house.engine.is_busy_unwatched());
}

#[tokio::test(start_paused = true)]
async fn sages_are_blind_to_each_other_and_the_judge_sees_no_names() {
    let house = house(FINE);
    let id = ask(&house, json!({"question": "Q?"})).await.unwrap().id;
    let log = house.read(id).await.unwrap();
    let calls = house.model.calls();
    let (sages, judge) = calls.split_at(3);
    for call in sages {
        let all = format!("{}{}", call.system, call.messages[0].text);
        assert!(!all.contains("'s word"), "a sage sees nobody's vote");
    }
    let text = &judge[0].messages[0].text;
    for word in ["Caspar's word.", "Balthasar's word.", "Melchior's word."] {
        assert!(text.contains(word));
    }
    assert!(!text.contains("CASPAR") && !text.contains("Good.\nCaspar"));
    let live = log
        .iter()
        .all(|(_, event)| !matches!(&event.body, Body::Start(start) if start.mode != Mode::Live));
    assert!(live);
    let abstained = log.iter().any(|(_, event)| {
        matches!(&event.body, Body::AgentComplete(_, complete)
            if complete.decision == Decision::Abstained || complete.cause == Some(Cause::Own))
    });
    assert!(!abstained);
}

#[tokio::test(start_paused = true)]
async fn a_server_takes_up_what_dies_while_it_runs() {
    let owner = house(SLOW);
    let other = owner.peer(
        4,
        "balthasar: text Kind. | vote APPROVED\nmelchior: text True. | vote APPROVED\nsolomon: verdict APPROVED",
    );
    let attending = other.engine.attend(Duration::from_secs(10));
    let story = async {
        let id = ask(&owner, json!({"question": "Q?"})).await.unwrap().id;
        sleep(Duration::from_secs(2)).await;
        owner.engine.logs().abandon();
        let log = other.read(id).await.unwrap();
        check_log(&log, CheckMode::Log, true);
        assert!(
            matches!(last(&log), Body::Complete(complete) if complete.voting_result.approved == 3)
        );
        other.engine.shutdown(Duration::ZERO).await;
    };
    tokio::join!(attending, story);
}

const OTHERS: &str = "balthasar: +5 text Kind. | vote APPROVED\nmelchior: +5 text True. | vote APPROVED\nsolomon: verdict APPROVED";

/// Between an owner's death and the server's next look nobody deliberates, and a verb is obeyed all the same.
#[tokio::test(start_paused = true)]
async fn a_verb_for_what_was_just_interrupted_is_obeyed_by_a_server() {
    let owner = house(SLOW);
    let other = owner.peer(4, OTHERS);
    let attending = other.engine.attend(Duration::from_secs(60));
    let story = async {
        let id = ask(&owner, json!({"question": "Q?"})).await.unwrap().id;
        sleep(Duration::from_secs(1)).await;
        owner.engine.logs().abandon();
        let balthasar = Some(Agent::Sage(Sage::Balthasar));
        let before = Instant::now();
        let stopped = other.engine.stop(id, balthasar, "user").await.unwrap();
        assert!(stopped.changed);
        assert!(before.elapsed() < Duration::from_secs(1));
        let log = other.read(id).await.unwrap();
        check_log(&log, CheckMode::Log, true);
        let Body::Complete(complete) = last(&log) else {
            panic!("{:?}", last(&log));
        };
        assert_eq!(complete.missing.len(), 1);
        assert_eq!(complete.voting_result.approved, 2);
        other.engine.shutdown(Duration::ZERO).await;
    };
    tokio::join!(attending, story);
}

/// The same while that server is already about to take it over.
#[tokio::test(start_paused = true)]
async fn a_verb_for_what_a_server_is_taking_over_is_obeyed() {
    let owner = house(SLOW);
    let other = owner.peer(4, OTHERS);
    let attending = other.engine.attend(Duration::from_secs(3));
    let story = async {
        let id = ask(&owner, json!({"question": "Q?"})).await.unwrap().id;
        sleep(Duration::from_secs(1)).await;
        other.fault.set_slow(Duration::from_secs(2));
        owner.engine.logs().abandon();
        sleep(Duration::from_millis(2_500)).await;
        let balthasar = Some(Agent::Sage(Sage::Balthasar));
        let stopped = other.engine.stop(id, balthasar, "user").await.unwrap();
        assert!(stopped.changed);
        other.fault.set_slow(Duration::ZERO);
        other.engine.shutdown(Duration::ZERO).await;
    };
    tokio::join!(attending, story);
}

/// An owner that has the log and does not deliberate yet keeps the verb until it does.
#[tokio::test(start_paused = true)]
async fn a_verb_that_comes_in_the_middle_of_a_takeover_is_not_lost() {
    let owner = house(SLOW);
    let (other, third) = (owner.peer(4, OTHERS), owner.peer(5, ""));
    let id = ask(&owner, json!({"question": "Q?"})).await.unwrap().id;
    sleep(Duration::from_secs(1)).await;
    owner.engine.logs().abandon();
    other.fault.set_slow_setup(Duration::from_secs(2));
    let balthasar = Some(Agent::Sage(Sage::Balthasar));
    let meanwhile = async {
        sleep(Duration::from_millis(500)).await;
        third.engine.stop(id, balthasar, "user").await
    };
    let (recovered, stopped) = tokio::join!(other.engine.recover(), meanwhile);
    assert_eq!(recovered.unwrap().resumed, [id]);
    assert!(stopped.unwrap().changed);
    other.engine.stop(id, None, "user").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_owner_whose_lease_lapsed_gives_way() {
    let owner = house(SLOW);
    let other = owner.peer(
        4,
        "balthasar: +2 text Kind. | vote APPROVED\nmelchior: +2 text True. | vote APPROVED\nsolomon: verdict APPROVED",
    );
    let id = ask(&owner, json!({"question": "Q?"})).await.unwrap().id;
    sleep(Duration::from_secs(1)).await;
    // The first owner alone loses the store; its lease lapses, and the other takes over.
    owner.fault.set_down(true);
    sleep(Duration::from_secs(12)).await;
    assert_eq!(
        owner.model.n_open(),
        0,
        "an owner without its store calls no model"
    );
    assert_eq!(other.engine.recover().await.unwrap().resumed, [id]);
    owner.fault.set_down(false);
    let log = other.read(id).await.unwrap();
    check_log(&log, CheckMode::Log, true);
    assert!(matches!(last(&log), Body::Complete(complete) if complete.voting_result.approved == 3));
    sleep(Duration::from_secs(10)).await;
    assert_eq!(owner.engine.n_running(), 0);
    assert_eq!(owner.model.n_open(), 0, "a fenced owner calls no model");
    // Its three sages, and at most the judge before it noticed that nothing is stored any more.
    assert!(owner.model.calls().len() <= 4);
    assert_eq!(owner.read(id).await.unwrap(), log);
}

/// A council whose models say nothing for a long time, so that its owner has nothing to store.
fn silent() -> Value {
    let deadlines = json!({"connect": 600, "first_token": 600, "sage_total": 600, "whole": 900});
    json!({"question": "Q?", "council": {"deadlines": deadlines}})
}

const SILENCE: &str = "caspar: hang\nbalthasar: hang\nmelchior: hang\n\
                       caspar: hang\nbalthasar: hang\nmelchior: hang";

#[tokio::test(start_paused = true)]
async fn an_owner_with_nothing_to_store_calls_no_model_past_its_lease() {
    let owner = house(SILENCE);
    let id = ask(&owner, silent()).await.unwrap().id;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(owner.model.n_open(), 3);
    owner.fault.set_down(true);
    sleep(Duration::from_secs(11)).await;
    assert_eq!(
        owner.model.n_open(),
        0,
        "another owner may have begun by now"
    );
    owner.fault.set_down(false);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(owner.engine.logs().head(id).await.unwrap().generation(), 2);
    assert!(owner.engine.is_running(id), "it goes on");
    owner.engine.stop(id, None, "user").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stop_said_to_an_owner_who_lost_it_reaches_whoever_goes_on() {
    let owner = house(SILENCE);
    let id = ask(&owner, silent()).await.unwrap().id;
    let other = owner.peer(4, SILENCE);
    sleep(Duration::from_secs(1)).await;
    owner.engine.suspend(id).await.unwrap();
    let resumed = other.engine.resume(id, Told::by("user")).await.unwrap();
    assert_eq!((resumed.id, other.engine.is_running(id)), (id, true));
    sleep(Duration::from_secs(1)).await;
    other.fault.set_down(true);
    sleep(Duration::from_millis(11_500)).await;
    assert_eq!(owner.engine.recover().await.unwrap().resumed, [id]);
    other.fault.set_down(false);
    assert!(other.engine.is_running(id), "it has not noticed yet");
    let stopped = other.engine.stop(id, None, "user").await.unwrap();
    assert_eq!(stopped.status, Status::Cancelled);
    let log = owner.read(id).await.unwrap();
    check_log(&log, CheckMode::Log, true);
    assert_eq!((owner.model.n_open(), other.model.n_open()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_slow_store_is_nobodys_silence() {
    // Every write takes 4 s and hardly anything may wait for it, so the sages wait for room; their
    // deadline for silence is 2 s and must not run meanwhile.
    let words = "text word | +0.5 ".repeat(12);
    let mut text = String::new();
    for sage in Sage::ALL {
        text.push_str(&format!("{sage}: {words}vote APPROVED\n"));
    }
    text.push_str("solomon: verdict APPROVED");
    let house = House::tight(2_000, &text);
    house.fault.set_slow(Duration::from_secs(4));
    let deadlines = json!({"idle": 2, "sage_total": 600, "whole": 900});
    let body = json!({"question": "Q?", "council": {"deadlines": deadlines}});
    let id = ask(&house, body).await.unwrap().id;
    let log = house.read(id).await.unwrap();
    check_log(&log, CheckMode::Reader, true);
    assert!(matches!(last(&log), Body::Complete(complete) if complete.status == Status::Completed));
    let late = log
        .iter()
        .any(|(_, event)| matches!(event.body, Body::AgentTimeout(..)));
    assert!(!late);
    assert_eq!(house.model.calls().len(), 4, "nothing was restarted");
}
