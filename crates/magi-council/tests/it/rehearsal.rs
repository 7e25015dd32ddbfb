//! The rehearsal through the whole council: scenes end as they were written, and a question of one's
//! own is never answered with an opinion that nobody has.

#![cfg(test)]

use std::sync::Arc;

use magi_council::{Ask, CouncilPatch, Door, Engine, Limits, Rooms};
use magi_event::check::Mode as CheckMode;
use magi_event::{Body, Cause, Complete, Cursor, Event, FinalDecision, Mode, Status};
use magi_log::{Env, Logs, MemoryStore, Options};
use magi_model::rehearsal::{Pace, scenes};
use magi_model::{Prices, Registry, Rehearsal};
use serde_json::json;

use crate::script::{check_log, last, read};

async fn deliberate(question: &str) -> Vec<(Cursor, Event)> {
    let env = Env::seeded(11);
    let logs = Logs::new(
        Arc::new(MemoryStore::new()),
        env.clone(),
        Options::default(),
    );
    let engine = Engine::new(Rooms {
        logs: logs.clone(),
        models: Registry::default().with(Arc::new(Rehearsal::new(Pace::model()))),
        env,
        limits: Limits::default(),
        prices: Prices::default(),
        settings: CouncilPatch::default(),
        state_key: None,
    });
    let ask = Ask::read(&json!({"question": question}), &Door::default()).unwrap();
    let id = engine.ask(ask).await.unwrap().id;
    let log = read(&logs, id).await.unwrap();
    check_log(&log, CheckMode::Reader, true);
    log
}

#[track_caller]
fn verdict(log: &[(Cursor, Event)]) -> &Complete {
    match last(log) {
        Body::Complete(complete) => complete,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn every_scene_ends_as_it_was_written() {
    let (mut overruled, mut dissents, mut abstentions) = (0, 0, 0);
    assert!(scenes().len() >= 6);
    for scene in scenes() {
        let log = deliberate(&scene.question).await;
        let Body::Start(start) = &log[0].1.body else {
            panic!("no start")
        };
        assert_eq!(start.mode, Mode::Rehearsal, "{}", scene.name);
        assert_eq!(start.council.name, scene.preset, "{}", scene.name);
        assert_eq!(start.lang, scene.lang.code(), "{}", scene.name);
        let complete = verdict(&log);
        assert_eq!(complete.status, Status::Completed, "{}", scene.name);
        assert!(
            complete.judge_agrees.is_some(),
            "{}: the judge plays its part",
            scene.name
        );
        assert_eq!(
            complete.solomon_judgment.sage_scores.len(),
            3,
            "{}",
            scene.name
        );
        overruled += u32::from(complete.overruled);
        dissents += u32::from(complete.solomon_judgment.dissent.is_some());
        abstentions += complete.voting_result.abstained;
    }
    assert!(overruled >= 1 && dissents >= 6 && abstentions >= 1);
}

#[tokio::test(start_paused = true)]
async fn a_question_of_ones_own_gets_no_made_up_verdict() {
    for (question, step) in [
        ("Should our chess club meet on Tuesdays?", "MAGI_MODEL"),
        ("将棋部の活動日を火曜日にすべきか", "MAGI_MODEL"),
    ] {
        let log = deliberate(question).await;
        let complete = verdict(&log);
        assert_eq!(complete.status, Status::Completed);
        assert_eq!(complete.final_decision, FinalDecision::Undecided);
        assert_eq!(complete.voting_result.abstained, 3);
        assert!(
            complete.recommendation.contains(step),
            "{}",
            complete.recommendation
        );
        let causes = log.iter().filter(|(_, event)| {
            matches!(&event.body, Body::AgentComplete(_, complete)
                if complete.cause == Some(Cause::Rehearsal))
        });
        assert_eq!(causes.count(), 3);
        let judge = log
            .iter()
            .any(|(_, event)| matches!(event.body, Body::JudgeStart(_)));
        assert!(!judge, "the judge is not called");
    }
}
