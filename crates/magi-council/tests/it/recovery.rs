//! Recovery at every event of a recorded log.

#![cfg(test)]

use std::time::Duration;

use magi_council::Told;
use magi_event::check::Mode;
use magi_event::{Agent, Body, Cursor, DeliberationId, Event, Sage, Status};
use magi_log::{Env, Logs, MemoryStore, New, Options};
use std::sync::Arc;
use tokio::time::sleep;

use crate::script::{House, Lines, Script, check_log, last};

const RECORDED: &str = "
caspar: +0.3 think Hm. | +0.1 text Good. | vote APPROVED Caspar's word.
balthasar: +0.2 fail overloaded
balthasar: +0.1 text Kind. | +0.4 text Very kind. | vote APPROVED Balthasar's word.
melchior: +0.1 text Half of | cut
melchior: +0.9 text True. | vote REJECTED Melchior's word.
solomon: +0.2 think Let me weigh. | +0.1 text Two against one. | +0.2 verdict APPROVED Solomon's word.
";

/// What every role says after the restart.
fn second_lines() -> Lines {
    let mut lines = Lines::default();
    for agent in Agent::ALL {
        let line = match agent {
            Agent::Sage(_) => "+0.1 text Again. | vote APPROVED After the restart.",
            Agent::Judge => "+0.1 text Again. | verdict REJECTED After the restart.",
        };
        (0..3).for_each(|_| lines.add(agent, line));
    }
    lines
}

/// The votes and verdicts of a log, as they stand in it.
fn shown(log: &[(Cursor, Event)]) -> Vec<String> {
    log.iter()
        .filter(|(_, event)| {
            matches!(
                event.body,
                Body::AgentComplete(..)
                    | Body::Tally(_)
                    | Body::JudgeComplete(_)
                    | Body::Complete(_)
            )
        })
        .map(|(_, event)| String::from_utf8(event.to_json()).unwrap())
        .map(|json| json[json.find("\"data\"").unwrap()..].to_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_log_cut_at_any_event_goes_on_and_keeps_what_was_shown() {
    let house = House::over(&MemoryStore::new(), 3, Script::read(RECORDED).lines);
    let id = house.ask(&Script::read(RECORDED).body).await;
    let log = house.read(id).await.unwrap();
    assert!(log.len() > 40, "{}", log.len());
    cut_everywhere(&house, id, &log, 1).await;
}

/// A deliberation in which somebody says every verb.
const TOLD: &str = "
caspar: +1 text Good. | +1 vote APPROVED Caspar's word.
balthasar: +1 text Kind. | +9 vote APPROVED Balthasar's word.
melchior: +1 text True. | +7 vote REJECTED Melchior's word.
caspar: +1 text Again | +1 vote REJECTED Caspar's second word.
caspar: +1 text Well | +1 vote APPROVED Caspar's third word.
balthasar: +1 text Again | +1 vote APPROVED Balthasar's second word.
melchior: +1 text Again | +1 fail bad_request
caspar: +1 text Not | fail bad_request
solomon: +20 text Too late
solomon: +4 text Two against one. | +2 verdict APPROVED Solomon's word.
";

#[tokio::test(start_paused = true)]
async fn so_does_one_in_which_every_verb_was_said() {
    let house = House::over(&MemoryStore::new(), 3, Script::read(TOLD).lines);
    let id = house.ask(&Script::read(TOLD).body).await;
    let (told, engine) = (Told::by("user"), &house.engine);
    let caspar = Some(Sage::Caspar.into());
    let acting = async {
        let second = Duration::from_secs(1);
        sleep(second * 3).await;
        assert!(engine.retry(id, caspar, None, told).await.unwrap().changed);
        sleep(second).await;
        assert!(
            engine
                .note(id, None, "It is Friday.", told)
                .await
                .unwrap()
                .changed
        );
        sleep(second).await;
        assert!(engine.pause(id, told).await.unwrap().changed);
        sleep(second * 10).await;
        assert!(engine.resume(id, told).await.unwrap().changed);
        sleep(second * 6).await;
        assert!(engine.retry(id, caspar, None, told).await.unwrap().changed);
        assert!(
            engine
                .retry(id, Some(Agent::Judge), None, told)
                .await
                .unwrap()
                .changed
        );
    };
    let (log, ()) = tokio::join!(house.read(id), acting);
    let log = log.unwrap();
    for name in ["note", "paused", "resumed", "judge_error", "agent_error"] {
        assert!(
            log.iter().any(|(_, event)| event.body.name() == name),
            "{name}"
        );
    }
    assert_eq!(engine.n_running(), 0);
    // An attempt that restarts, and a reply to the note.
    cut_everywhere(&house, id, &log, 2).await;
}

/// Cuts a recorded log at every event and lets another process go on, in which each role is called
/// so often at most.
async fn cut_everywhere(
    house: &House,
    id: DeliberationId,
    log: &[(Cursor, Event)],
    most_calls: usize,
) {
    check_log(log, Mode::Log, true);
    let setup = house.engine.logs().setup(id).await.unwrap();
    // The first five events are one commit, so the log never is shorter.
    for cut in 5..log.len() {
        let store = MemoryStore::new();
        let logs = Logs::new(Arc::new(store.peer()), Env::seeded(1), Options::default());
        let new = New {
            id,
            setup: setup.clone(),
            key: None,
            title: "t".into(),
            preset: "default".into(),
            lang: "en".into(),
            question: "q".into(),
            context: None,
            conversation_id: None,
            fork_of: None,
        };
        let bodies = |from: usize, to: usize| -> Vec<Body> {
            log[from..to]
                .iter()
                .map(|(_, event)| event.body.clone())
                .collect()
        };
        let (writer, commit) = logs.create(new, bodies(0, 5));
        commit.await.unwrap();
        if cut > 5 {
            let seq = writer.append_all(bodies(5, cut)).unwrap();
            writer.commit(seq).await.unwrap();
        }
        logs.abandon();

        let next = House::over(&store, 9, second_lines());
        let recovered = next.engine.recover().await.unwrap();
        assert_eq!(recovered.resumed, [id], "cut at {cut}");
        if next.engine.logs().head(id).await.unwrap().status == Status::Paused {
            let resumed = next.engine.resume(id, Told::by("user")).await;
            assert!(resumed.unwrap().changed, "cut at {cut}");
        }
        let after = next.read(id).await.unwrap();
        check_log(&after, Mode::Log, true);
        assert!(matches!(last(&after), Body::Complete(_)), "cut at {cut}");
        let (before, now) = (shown(&log[..cut]), shown(&after));
        assert_eq!(now[..before.len()], before, "cut at {cut}: word for word");
        for agent in Agent::ALL {
            let calls = next.model.calls();
            let n = calls
                .iter()
                .filter(|call| call.about.agent == agent)
                .count();
            assert!(n <= most_calls, "cut at {cut}: {agent} is called {n} times");
        }
        assert_eq!(next.model.n_open(), 0);
    }
}
