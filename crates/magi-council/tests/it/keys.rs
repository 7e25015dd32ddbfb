//! The keys of verbs that link another deliberation after the end: the same key finds the same one.

#![cfg(test)]

use std::time::Duration;

use magi_council::{Error, Fork, Idempotency, Rejudge, Told};
use magi_event::check::Mode;
use magi_event::{Agent, Sage};
use serde_json::json;
use tokio::time::sleep;

use crate::phases::{LINES, at, house};
use crate::script::{House, check_log};

/// What a verb linked after the end is found again by its key: at once, and after a restart.
#[tokio::test(start_paused = true)]
async fn the_same_key_finds_what_a_verb_linked() {
    let caspar = Some(Sage::Caspar.into());
    for verb in [
        "retry",
        "retry caspar",
        "retry solomon",
        "resume",
        "rejudge",
        "fork",
    ] {
        let first = house(LINES);
        let id = first.ask(&json!({"question": "Q?"})).await;
        first.read(id).await.unwrap();
        let own = Idempotency {
            identity: "somebody".into(),
            key: "k".into(),
            body_sha256: [7; 32],
        };
        let say = async |house: &House, key: &'static str| {
            let told = Told {
                by: "user",
                key: Some(key),
            };
            let own = Idempotency {
                key: key.into(),
                ..own.clone()
            };
            let engine = &house.engine;
            let done = match verb {
                "retry" => engine.retry(id, None, None, told).await,
                "retry caspar" => engine.retry(id, caspar, None, told).await,
                "retry solomon" => engine.retry(id, Some(Agent::Judge), None, told).await,
                "resume" => engine.resume(id, told).await,
                "rejudge" => {
                    let wish = Rejudge {
                        times: 1,
                        ..Rejudge::default()
                    };
                    let judged = engine.rejudge(id, &wish, Some(&own)).await.unwrap();
                    return (judged[0].id, judged[0].fresh);
                }
                _ => {
                    let forked = engine.fork(id, &Fork::default(), Some(own)).await.unwrap();
                    return (forked.id, forked.fresh);
                }
            };
            let done = done.unwrap();
            assert_eq!(done.changed, done.fresh, "{verb}");
            (done.id, done.fresh)
        };
        let (linked, fresh) = say(&first, "k").await;
        assert!(fresh && linked != id, "{verb}");
        assert_eq!(say(&first, "k").await, (linked, false), "{verb}");
        first.read(linked).await.unwrap();
        assert_eq!(say(&first, "k").await, (linked, false), "{verb}");
        let n_calls = first.model.calls().len();
        first.engine.logs().abandon();
        let next = first.peer(5, LINES);
        assert_eq!(say(&next, "k").await, (linked, false), "{verb}");
        assert_eq!(
            (first.model.calls().len(), next.model.calls().len()),
            (n_calls, 0)
        );
        let (other, fresh) = say(&next, "another").await;
        assert!(fresh && other != linked, "{verb}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_stands_for_one_verb_and_for_what_it_did_in_place() {
    let house = house(LINES);
    let caspar = Some(Sage::Caspar.into());
    let told = |key| Told {
        by: "user",
        key: Some(key),
    };
    let (_, id, _) = at(&house, 8, async |id| {
        let done = house.engine.retry(id, caspar, None, told("in place")).await;
        assert!(done.unwrap().changed);
    })
    .await;
    let engine = &house.engine;
    for done in [
        engine.retry(id, caspar, None, told("in place")).await,
        // The second attempt is there already.
        engine.retry(id, caspar, Some(1), told("other")).await,
    ] {
        let done = done.unwrap();
        assert_eq!((done.id, done.changed, done.fresh), (id, false, false));
    }
    let linked = engine.retry(id, caspar, Some(2), told("k")).await.unwrap();
    assert!(linked.fresh && linked.id != id);
    for refused in [
        engine.retry(id, None, None, told("k")).await,
        engine.resume(id, told("k")).await,
    ] {
        assert_eq!(refused, Err(Error::KeyReused));
    }
    house.read(linked.id).await.unwrap();
}

/// A second note under a used key would otherwise be lost with a good answer.
#[tokio::test(start_paused = true)]
async fn a_key_stands_for_one_text_here_elsewhere_and_after_a_crash() {
    let first = house(LINES);
    let id = first.ask(&json!({"question": "Q?"})).await;
    sleep(Duration::from_secs(1)).await;
    let told = Told {
        by: "user",
        key: Some("k"),
    };
    let caspar = Some(Sage::Caspar.into());
    let say = async |house: &House| {
        let engine = &house.engine;
        let again = engine.note(id, None, "It is Friday.", told).await.unwrap();
        assert!(!again.changed);
        for refused in [
            engine.note(id, None, "It is Monday.", told).await,
            engine.note(id, caspar, "It is Friday.", told).await,
            engine.retry(id, caspar, None, told).await,
            engine.pause(id, told).await,
        ] {
            assert_eq!(refused, Err(Error::KeyReused));
        }
    };
    let noted = first.engine.note(id, None, "It is Friday.", told).await;
    assert!(noted.unwrap().changed);
    say(&first).await;
    say(&first.peer(5, LINES)).await;
    first.engine.logs().abandon();
    let next = first.peer(4, LINES);
    assert_eq!(next.engine.recover().await.unwrap().resumed, [id]);
    say(&next).await;
    let log = next.read(id).await.unwrap();
    check_log(&log, Mode::Reader, true);
    let notes = log.iter().filter(|(_, event)| event.body.name() == "note");
    assert_eq!(notes.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_key_of_a_resume_in_place_links_nothing_after_the_end() {
    let first = house(LINES);
    let id = first.ask(&json!({"question": "Q?"})).await;
    sleep(Duration::from_secs(1)).await;
    first.engine.logs().abandon();
    let next = first.peer(4, LINES);
    let told = Told {
        by: "user",
        key: Some("k"),
    };
    assert_eq!(next.engine.resume(id, told).await.unwrap().id, id);
    let log = next.read(id).await.unwrap();
    check_log(&log, Mode::Log, true);
    let done = next.engine.resume(id, told).await.unwrap();
    assert_eq!((done.id, done.changed, done.fresh), (id, false, false));
}
