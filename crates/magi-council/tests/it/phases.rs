//! Every verb in every phase: queued, before the first token, writing, between the votes and the
//! judge, judging, ended.

#![cfg(test)]

use std::time::Duration;

use magi_council::{CouncilPatch, Done, Error, Fork, Rejudge, Told};
use magi_event::check::Mode;
use magi_event::{Agent, Body, Cause, Cursor, Decision, DeliberationId, Event, Sage, Status};
use magi_log::MemoryStore;
use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until};

use crate::script::{House, Script, check_log, last};

/// Calls at 0, accepted at 2, first token at 4; votes at 6, 6 and 10; the judge speaks at 12 and has
/// its verdict at 16. What follows are further calls.
pub(crate) const LINES: &str = "
caspar: +2 accept | +2 text Good. | +2 vote APPROVED Caspar's word.
balthasar: +2 accept | +2 text Kind. | +2 vote APPROVED Balthasar's word.
melchior: +2 accept | +2 text True. | +6 vote APPROVED Melchior's word.
solomon: +2 text Weighed. | +4 verdict APPROVED Solomon's word.
caspar: +1 text Again. | +1 vote REJECTED Caspar's other word.
balthasar: +1 text Again. | +1 vote APPROVED Balthasar's other word.
melchior: +1 text Again. | +1 vote APPROVED Melchior's other word.
solomon: +2 text Again. | +4 verdict REJECTED Solomon's other word.
solomon: +2 text Again. | +4 verdict REJECTED Solomon's third word.
";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Queued,
    BeforeToken,
    Writing,
    Between,
    BeforeJudgment,
    Judging,
    Ended,
}

const PHASES: [(Phase, u64); 7] = [
    (Phase::Queued, 1),
    (Phase::BeforeToken, 3),
    (Phase::Writing, 5),
    (Phase::Between, 8),
    (Phase::BeforeJudgment, 11),
    (Phase::Judging, 13),
    (Phase::Ended, 30),
];

pub(crate) type Log = Vec<(Cursor, Event)>;

pub(crate) fn house(text: &str) -> House {
    House::over(&MemoryStore::new(), 3, Script::read(text).lines)
}

fn told() -> Told<'static> {
    Told::by("user")
}

/// Plays the lines, does something in a phase, and returns what came of it and the whole log.
pub(crate) async fn at<T>(
    house: &House,
    seconds: u64,
    act: impl AsyncFnOnce(DeliberationId) -> T,
) -> (T, DeliberationId, Log) {
    let began = Instant::now();
    let id = house.ask(&json!({"question": "Q?"})).await;
    let acting = async {
        sleep_until(began + Duration::from_secs(seconds)).await;
        act(id).await
    };
    let (came, log) = tokio::join!(acting, house.read(id));
    let log = log.expect("it ends");
    check_log(&log, Mode::Reader, true);
    // What the store has is whole too.
    check_log(&house.read(id).await.unwrap(), Mode::Log, true);
    sleep(Duration::from_millis(1)).await;
    (came, id, log)
}

fn n_calls(house: &House, agent: impl Into<Agent>) -> usize {
    let agent = agent.into();
    let calls = house.model.calls();
    calls
        .iter()
        .filter(|call| call.about.agent == agent)
        .count()
}

fn count(log: &Log, name: &str) -> usize {
    log.iter()
        .filter(|(_, event)| event.body.name() == name)
        .count()
}

fn verdict(log: &Log) -> &magi_event::Complete {
    match last(log) {
        Body::Complete(complete) => complete,
        other => panic!("{other:?}"),
    }
}

/// Returns the votes of a sage, in the order in which they came.
fn votes(log: &Log, sage: Sage) -> Vec<(u32, Decision, Option<Cause>)> {
    log.iter()
        .filter_map(|(_, event)| match &event.body {
            Body::AgentComplete(own, complete) if *own == sage => {
                Some((complete.attempt, complete.decision, complete.cause))
            }
            _ => None,
        })
        .collect()
}

/// Reads the deliberation that a verb linked.
async fn linked(house: &House, done: Done, from: DeliberationId) -> Log {
    assert!(done.fresh && done.changed && done.id != from, "{done:?}");
    let log = house.read(done.id).await.unwrap();
    check_log(&log, Mode::Reader, true);
    assert!(matches!(&log[0].1.body, Body::Start(start) if start.fork_of == Some(from)));
    log
}

#[tokio::test(start_paused = true)]
async fn stop_of_all() {
    for (phase, seconds) in PHASES {
        let house = house(LINES);
        let (stopped, _, log) = at(&house, seconds, async |id| {
            let stopped = house.engine.stop(id, None, "user").await.unwrap();
            assert_eq!(house.model.n_open(), 0, "{phase:?}");
            stopped
        })
        .await;
        let is_in_time = phase < Phase::Ended;
        assert_eq!(stopped.changed, is_in_time, "{phase:?}");
        assert_eq!(matches!(last(&log), Body::Cancelled(_)), is_in_time);
        // What was cast is kept, and every sage has its end.
        let caspar = votes(&log, Sage::Caspar);
        let expected = if phase < Phase::Between {
            (1, Decision::Abstained, Some(Cause::Stopped))
        } else {
            (1, Decision::Approved, None)
        };
        assert_eq!(caspar, [expected], "{phase:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn stop_of_a_sage() {
    for (phase, seconds) in PHASES {
        let house = house(LINES);
        let caspar = Some(Sage::Caspar.into());
        let (stopped, _, log) = at(&house, seconds, async |id| {
            house.engine.stop(id, caspar, "user").await.unwrap()
        })
        .await;
        let is_in_time = phase < Phase::Between;
        assert_eq!(stopped.changed, is_in_time, "{phase:?}");
        let missing = verdict(&log).missing.len();
        assert_eq!(missing, usize::from(is_in_time), "{phase:?}");
        assert_eq!(n_calls(&house, Agent::Judge), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn stop_of_the_judge() {
    for (phase, seconds) in PHASES {
        let house = house(LINES);
        let (stopped, id, log) = at(&house, seconds, async |id| {
            let judge = Some(Agent::Judge);
            let stopped = house.engine.stop(id, judge, "user").await.unwrap();
            let again = house.engine.stop(id, judge, "user").await.unwrap();
            assert!(!again.changed, "{phase:?}: a second stop changes nothing");
            stopped
        })
        .await;
        assert_eq!(stopped.changed, phase < Phase::Ended, "{phase:?}");
        let is_called = phase >= Phase::BeforeJudgment;
        assert_eq!(n_calls(&house, Agent::Judge), usize::from(is_called));
        let is_judged = verdict(&log).judge_agrees.is_some();
        assert_eq!(is_judged, phase == Phase::Ended, "{phase:?}");
        if phase == Phase::Between {
            let (snapshot, _) = house.engine.logs().snapshot(id).await.unwrap();
            assert_eq!(snapshot.judge.faults.len(), 1, "it stands in the log");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn retry_of_a_sage() {
    for (phase, seconds) in PHASES {
        let house = house(LINES);
        let (done, id, log) = at(&house, seconds, async |id| {
            let caspar = Some(Sage::Caspar.into());
            house.engine.retry(id, caspar, None, told()).await.unwrap()
        })
        .await;
        assert!(done.changed, "{phase:?}");
        if phase == Phase::Ended {
            let log = linked(&house, done, id).await;
            assert_eq!(votes(&log, Sage::Caspar), [(1, Decision::Rejected, None)]);
            assert_eq!(n_calls(&house, Sage::Caspar), 2);
            assert_eq!(n_calls(&house, Sage::Melchior), 1, "its vote is reused");
            assert_eq!(n_calls(&house, Agent::Judge), 2);
            continue;
        }
        assert_eq!(done.id, id);
        let before = (1, Decision::Approved, None);
        let after = (2, Decision::Rejected, None);
        let expected = if phase < Phase::Between {
            vec![after]
        } else {
            vec![before, after]
        };
        assert_eq!(votes(&log, Sage::Caspar), expected, "{phase:?}");
        assert_eq!(
            verdict(&log).voting_result.agreement(),
            "2-1-0",
            "{phase:?}"
        );
        // A vote that changes after the tally is counted anew, and the judge begins anew.
        let is_late = phase >= Phase::BeforeJudgment;
        assert_eq!(count(&log, "tally"), 1 + usize::from(is_late), "{phase:?}");
        assert_eq!(n_calls(&house, Agent::Judge), 1 + usize::from(is_late));
        let judge = house.model.calls().pop().unwrap();
        assert!(judge.messages[0].text.contains("Caspar's other word."));
        assert!(!judge.messages[0].text.contains("Caspar's word."));
    }
}

#[tokio::test(start_paused = true)]
async fn retry_of_the_judge() {
    for (phase, seconds) in PHASES {
        let house = house(LINES);
        let (done, id, log) = at(&house, seconds, async |id| {
            let judge = Some(Agent::Judge);
            house.engine.retry(id, judge, None, told()).await.unwrap()
        })
        .await;
        let is_called = phase >= Phase::BeforeJudgment;
        assert_eq!(done.changed, is_called, "{phase:?}");
        assert_eq!(n_calls(&house, Agent::Judge), 1 + usize::from(is_called));
        if phase == Phase::Ended {
            let log = linked(&house, done, id).await;
            assert_eq!(house.model.calls().len(), 5, "the judge alone is called");
            assert_eq!(verdict(&log).judge_agrees, Some(false));
        } else if is_called {
            assert_eq!(count(&log, "judge_start"), 2, "{phase:?}");
            assert_eq!(verdict(&log).solomon_judgment.attempt, 2);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn retry_of_all() {
    for (phase, seconds) in PHASES {
        let house = house(LINES);
        let (done, id, log) = at(&house, seconds, async |id| {
            house.engine.retry(id, None, None, told()).await.unwrap()
        })
        .await;
        assert!(done.changed);
        let log = if phase == Phase::Ended {
            linked(&house, done, id).await
        } else {
            log
        };
        for sage in Sage::ALL {
            assert_eq!(n_calls(&house, sage), 2, "{phase:?}");
        }
        assert_eq!(
            verdict(&log).voting_result.agreement(),
            "2-1-0",
            "{phase:?}"
        );
    }
}

/// Who has a vote keeps it: nobody pays for it a second time.
#[tokio::test(start_paused = true)]
async fn retry_of_all_after_the_end_asks_those_who_failed() {
    let failing = |who: &[&str]| {
        let mut lines = LINES.to_owned();
        for name in who {
            let first = LINES
                .lines()
                .find(|line| line.starts_with(name))
                .expect("a line of each");
            lines = lines.replace(first, &format!("{name}: +1 fail bad_request"));
        }
        lines
    };
    // Who fails the first time, and how many calls each of the three sages and the judge gets in all.
    for (who, calls) in [
        (&["melchior"][..], [1, 1, 2, 2]),
        (&["balthasar", "melchior"][..], [1, 2, 2, 1]),
        (&["caspar", "balthasar", "melchior"][..], [2, 2, 2, 1]),
        (&["solomon"][..], [1, 1, 1, 2]),
        (&[][..], [2, 2, 2, 2]),
    ] {
        let house = house(&failing(who));
        let (done, id, _) = at(&house, 30, async |id| {
            house.engine.retry(id, None, None, told()).await.unwrap()
        })
        .await;
        let log = linked(&house, done, id).await;
        assert_eq!(verdict(&log).status, Status::Completed, "{who:?}");
        let asked: [usize; 4] = Agent::ALL.map(|agent| n_calls(&house, agent));
        assert_eq!(asked, calls, "{who:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn note_to_all() {
    for (phase, seconds) in PHASES {
        let house = house(LINES);
        let (noted, _, log) = at(&house, seconds, async |id| {
            house.engine.note(id, None, "It is Friday.", told()).await
        })
        .await;
        if phase >= Phase::Judging {
            assert!(
                matches!(&noted, Err(Error::Conflict(why)) if why.contains("`fork`")),
                "{phase:?}: {noted:?}"
            );
            assert_eq!((count(&log, "note"), n_calls(&house, Agent::Judge)), (0, 1));
            continue;
        }
        assert!(noted.unwrap().changed);
        assert_eq!(count(&log, "note"), 1);
        // Whoever was at work goes on; each replies once, to its own answer alone.
        for sage in Sage::ALL {
            assert_eq!(n_calls(&house, sage), 2, "{phase:?} {sage}");
            assert_eq!(votes(&log, sage).len(), 2, "{phase:?} {sage}");
        }
        let calls = house.model.calls();
        for (place, call) in calls.iter().enumerate() {
            let is_reply = call.messages.len() == 3;
            let text = &call.messages.last().unwrap().text;
            let is_told = is_reply || place + 1 == calls.len();
            assert_eq!(text.contains("It is Friday."), is_told, "{phase:?} {place}");
            if let (true, Some(sage)) = (is_reply, call.about.agent.sage()) {
                let own = format!(
                    "{}{}'s word.",
                    &sage.name()[..1].to_uppercase(),
                    &sage.name()[1..]
                );
                assert!(call.messages[1].text.contains(&own), "{own}");
                let others = Sage::ALL.iter().filter(|other| **other != sage);
                for other in others {
                    let word = format!("{}'s word", &other.name()[1..]);
                    assert!(
                        call.messages.iter().all(|m| !m.text.contains(&word)),
                        "blind"
                    );
                }
            }
        }
        let judged = 1 + usize::from(phase == Phase::BeforeJudgment);
        assert_eq!(n_calls(&house, Agent::Judge), judged, "{phase:?}");
        let complete = verdict(&log);
        assert_eq!(complete.voting_result.agreement(), "2-1-0");
        let costs = log.iter().filter_map(|(_, event)| match &event.body {
            Body::AgentComplete(Sage::Melchior, complete) => complete.usage,
            _ => None,
        });
        let costs: Vec<u64> = costs.map(|usage| usage.input_tokens).collect();
        assert!(
            costs[1] > costs[0] * 2,
            "the reply is counted too: {costs:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn note_to_one() {
    for (phase, seconds) in PHASES {
        for whom in [Sage::Caspar.into(), Sage::Melchior.into(), Agent::Judge] {
            let house = house(LINES);
            let (noted, _, log) = at(&house, seconds, async |id| {
                let note = house.engine.note(id, Some(whom), "It is Friday.", told());
                note.await
            })
            .await;
            let what = format!("{phase:?} {whom}");
            if phase >= Phase::Judging {
                assert!(matches!(noted, Err(Error::Conflict(_))), "{what}");
                assert_eq!((count(&log, "note"), house.model.calls().len()), (0, 4));
                continue;
            }
            assert!(noted.unwrap().changed, "{what}");
            for sage in Sage::ALL {
                let is_told = usize::from(whom == sage.into());
                assert_eq!(n_calls(&house, sage), 1 + is_told, "{what}: {sage}");
            }
            let judged = 1 + usize::from(phase == Phase::BeforeJudgment);
            assert_eq!(n_calls(&house, Agent::Judge), judged, "{what}");
            let judge = house.model.calls().pop().unwrap();
            let text = &judge.messages[0].text;
            assert!(text.contains("It is Friday."), "the judge is always told");
            assert_eq!(count(&log, "note"), 1, "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn pause_and_resume() {
    for (phase, seconds) in PHASES {
        let house = house(LINES);
        let (paused, id, log) = at(&house, seconds, async |id| {
            let paused = house.engine.pause(id, told()).await;
            paused.as_ref().map_err(Clone::clone)?;
            let again = house.engine.pause(id, told()).await.unwrap();
            assert!(!again.changed, "{phase:?}: a second pause changes nothing");
            let before = house.model.calls().len();
            // Longer than the whole may take, and than an unwatched one is kept.
            sleep(Duration::from_secs(5000)).await;
            assert_eq!(
                house.model.calls().len(),
                before,
                "{phase:?}: nothing is called"
            );
            if phase < Phase::BeforeJudgment {
                assert_eq!(house.engine.n_running(), 1);
                let resumed = house.engine.resume(id, told()).await.unwrap();
                assert!(resumed.changed && resumed.id == id);
                assert!(!house.engine.resume(id, told()).await.unwrap().changed);
            }
            paused
        })
        .await;
        if phase == Phase::Ended {
            assert!(matches!(paused, Err(Error::Conflict(_))), "{paused:?}");
            continue;
        }
        assert!(paused.unwrap().changed);
        let complete = verdict(&log);
        assert_eq!(complete.status, Status::Completed, "{phase:?}");
        assert!(
            complete.execution_time < 20_000,
            "{}",
            complete.execution_time
        );
        // Calls under way went on: a judge that was called needs no resume.
        let resumes = usize::from(phase < Phase::BeforeJudgment);
        assert_eq!(
            (count(&log, "paused"), count(&log, "resumed")),
            (1, resumes)
        );
        assert_eq!(house.model.calls().len(), 4);
        let (snapshot, _) = house.engine.logs().snapshot(id).await.unwrap();
        assert!(snapshot.paused.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn resume_of_what_runs_changes_nothing() {
    for (phase, seconds) in PHASES {
        let house = house(LINES);
        let (resumed, id, _) = at(&house, seconds, async |id| {
            house.engine.resume(id, told()).await.unwrap()
        })
        .await;
        assert_eq!(resumed.changed, phase == Phase::Ended, "{phase:?}");
        if phase == Phase::Ended {
            linked(&house, resumed, id).await;
            assert_eq!(house.model.calls().len(), 5, "all votes were cast");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn rejudge() {
    for (phase, seconds) in PHASES {
        let house = house(LINES);
        let (came, id, before) = at(&house, seconds, async |id| {
            let wish = Rejudge {
                times: 2,
                council: CouncilPatch::read(&json!({"rule": "unanimous"}), "council").unwrap(),
                ..Rejudge::default()
            };
            house.engine.rejudge(id, &wish, None).await
        })
        .await;
        if phase < Phase::Ended {
            assert!(matches!(&came, Err(Error::Conflict(why)) if why.contains("retry")));
            continue;
        }
        let started = came.unwrap();
        assert_eq!(started.len(), 2);
        let order = |log: &Log| {
            log.iter().find_map(|(_, event)| match &event.body {
                Body::JudgeStart(start) => Some(start.order.clone()),
                _ => None,
            })
        };
        let mut orders = vec![order(&before)];
        for asked in started {
            let done = Done {
                id: asked.id,
                changed: true,
                fresh: asked.fresh,
            };
            let log = linked(&house, done, id).await;
            assert_eq!(
                verdict(&log).final_decision,
                magi_event::FinalDecision::Approved
            );
            assert_eq!(
                verdict(&log).judge_agrees,
                Some(false),
                "the other judgment"
            );
            orders.push(order(&log));
        }
        assert!(orders[0] != orders[1] && orders[1] != orders[2] && orders[0] != orders[2]);
        assert_eq!(house.model.calls().len(), 6, "the judge alone is called");
        let original = house.read(id).await.unwrap();
        assert_eq!(original, before, "the first verdict stays");
    }
}

#[tokio::test(start_paused = true)]
async fn fork() {
    for (phase, seconds) in PHASES {
        let house = house(LINES);
        let (asked, id, before) = at(&house, seconds, async |id| {
            let wish = Fork {
                again: [Sage::Caspar].into(),
                note: Some("It is Friday.".into()),
                ..Fork::default()
            };
            let asked = house.engine.fork(id, &wish, None).await.unwrap();
            (asked, house.read(asked.id).await.unwrap())
        })
        .await;
        let (asked, log) = asked;
        check_log(&log, Mode::Reader, true);
        assert!(asked.fresh && asked.id != id);
        assert_eq!(
            verdict(&before).status,
            Status::Completed,
            "{phase:?}: it goes on"
        );
        let n_before = votes(&log, Sage::Balthasar).len();
        // A vote that was there is reused and replies to the note; else the sage is told at once.
        let has_voted = phase >= Phase::Between;
        assert_eq!(n_before, 1 + usize::from(has_voted), "{phase:?}");
        assert_eq!(votes(&log, Sage::Caspar).len(), 1, "{phase:?}");
        assert_eq!(count(&log, "note"), 1);
        let last_judge = house
            .model
            .calls()
            .into_iter()
            .rev()
            .find(|call| call.about.agent == Agent::Judge);
        assert!(last_judge.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn another_process_says_every_verb_through_the_store() {
    let owner = house(LINES);
    let other = owner.peer(4, "");
    let began = Instant::now();
    let id = owner.ask(&json!({"question": "Q?"})).await;
    let cli = Told {
        by: "cli",
        key: Some("k"),
    };
    let saying = async {
        sleep_until(began + Duration::from_secs(5)).await;
        let engine = &other.engine;
        assert!(
            engine
                .note(id, None, "It is Friday.", cli)
                .await
                .unwrap()
                .changed
        );
        assert!(
            !engine
                .note(id, None, "It is Friday.", cli)
                .await
                .unwrap()
                .changed,
            "the same key"
        );
        let reused = engine.note(id, None, "It is Monday.", cli).await;
        assert_eq!(reused, Err(Error::KeyReused), "another text");
        let caspar = Some(Sage::Caspar.into());
        assert!(engine.pause(id, Told::by("cli")).await.unwrap().changed);
        assert!(engine.resume(id, Told::by("cli")).await.unwrap().changed);
        assert!(
            engine
                .retry(id, caspar, None, Told::by("cli"))
                .await
                .unwrap()
                .changed
        );
        assert!(
            engine
                .stop(id, Some(Agent::Judge), "cli")
                .await
                .unwrap()
                .changed
        );
        let refused = engine
            .retry(id, Some(Agent::Judge), None, Told::by("cli"))
            .await;
        assert!(
            matches!(&refused, Err(Error::Conflict(why)) if why.contains("stopped")),
            "{refused:?}"
        );
    };
    let ((), log) = tokio::join!(saying, owner.read(id));
    let log = log.unwrap();
    check_log(&log, Mode::Reader, true);
    assert_eq!(count(&log, "note"), 1);
    assert_eq!((count(&log, "paused"), count(&log, "resumed")), (1, 1));
    assert!(
        log.iter()
            .any(|(_, event)| matches!(&event.body, Body::Note(note) if note.from == "cli"))
    );
    assert_eq!(n_calls(&owner, Agent::Judge), 0);
    assert_eq!(
        votes(&log, Sage::Caspar).len(),
        1,
        "it was told before its retry"
    );
    let over = other
        .engine
        .note(id, None, "Too late.", Told::by("cli"))
        .await;
    assert!(matches!(over, Err(Error::Conflict(_))), "{over:?}");
}

#[tokio::test(start_paused = true)]
async fn the_same_key_is_obeyed_once_and_after_a_restart_too() {
    let first = house(LINES);
    let id = first.ask(&json!({"question": "Q?"})).await;
    let key = Told {
        by: "user",
        key: Some("once"),
    };
    sleep(Duration::from_secs(1)).await;
    assert!(
        first
            .engine
            .note(id, None, "It is Friday.", key)
            .await
            .unwrap()
            .changed
    );
    assert!(
        !first
            .engine
            .note(id, None, "It is Friday.", key)
            .await
            .unwrap()
            .changed
    );
    first.engine.logs().abandon();
    let next = first.peer(4, LINES);
    assert_eq!(next.engine.recover().await.unwrap().resumed, [id]);
    assert!(
        !next
            .engine
            .note(id, None, "It is Friday.", key)
            .await
            .unwrap()
            .changed
    );
    let log = next.read(id).await.unwrap();
    check_log(&log, Mode::Log, true);
    assert_eq!(count(&log, "note"), 1);
    // Everybody began anew and so was told with the question.
    assert_eq!(next.model.calls().len(), 4);
    assert!(
        next.model
            .calls()
            .iter()
            .all(|call| call.messages[0].text.contains("It is Friday."))
    );
}

#[tokio::test(start_paused = true)]
async fn a_judge_stopped_before_its_call_stays_so_after_a_crash() {
    let first = house(LINES);
    let id = first.ask(&json!({"question": "Q?"})).await;
    sleep(Duration::from_secs(1)).await;
    assert!(
        first
            .engine
            .stop(id, Some(Agent::Judge), "user")
            .await
            .unwrap()
            .changed
    );
    first.engine.logs().abandon();
    let next = first.peer(4, LINES);
    assert_eq!(next.engine.recover().await.unwrap().resumed, [id]);
    let log = next.read(id).await.unwrap();
    check_log(&log, Mode::Log, true);
    assert_eq!(n_calls(&next, Agent::Judge), 0);
    let missing = &verdict(&log).missing;
    assert_eq!(
        (missing[0].agent, missing[0].cause),
        (Agent::Judge, Cause::Stopped)
    );
}

#[tokio::test(start_paused = true)]
async fn a_paused_one_stays_so_after_a_crash_until_it_is_resumed() {
    let first = house(LINES);
    let id = first.ask(&json!({"question": "Q?"})).await;
    sleep(Duration::from_secs(8)).await;
    first.engine.pause(id, told()).await.unwrap();
    first.engine.logs().abandon();
    let next = first.peer(4, LINES);
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(next.engine.recover().await.unwrap().resumed, [id]);
    sleep(Duration::from_secs(7200)).await;
    assert_eq!(next.model.calls().len(), 0);
    assert!(next.engine.resume(id, told()).await.unwrap().changed);
    let log = next.read(id).await.unwrap();
    check_log(&log, Mode::Log, true);
    assert_eq!(verdict(&log).status, Status::Completed);
    assert!(
        verdict(&log).execution_time < 30_000,
        "{}",
        verdict(&log).execution_time
    );
    assert_eq!(n_calls(&next, Sage::Caspar), 0, "its vote is kept");
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_brings_nothing_takes_nothing_away() {
    let lines = LINES.replace(
        "caspar: +1 text Again. | +1 vote REJECTED Caspar's other word.",
        "caspar: +1 text Oh no | fail bad_request",
    );
    let house = house(&lines);
    let (_, _, log) = at(&house, 11, async |id| {
        let caspar = Some(Sage::Caspar.into());
        house.engine.retry(id, caspar, None, told()).await.unwrap()
    })
    .await;
    let approved = Decision::Approved;
    assert_eq!(
        votes(&log, Sage::Caspar),
        [(1, approved, None), (3, approved, None)]
    );
    assert_eq!(count(&log, "tally"), 1, "no vote changed");
    assert_eq!(n_calls(&house, Agent::Judge), 1, "so the judge goes on");
    assert_eq!(verdict(&log).status, Status::Completed);
    assert_eq!(count(&log, "agent_error"), 1);
}

/// Whose judgment nobody needs any more is not missing.
#[tokio::test(start_paused = true)]
async fn a_retry_may_take_the_quorum_away_from_the_judge() {
    let lines = LINES.replace(
        "+1 vote REJECTED Caspar's other",
        "+1 vote ABSTAINED Caspar's other",
    );
    let house = house(&lines);
    let body = json!({"question": "Q?", "council": {"quorum": 3}});
    let id = house.ask(&body).await;
    sleep(Duration::from_secs(11)).await;
    let caspar = Some(Sage::Caspar.into());
    let retried = house.engine.retry(id, caspar, None, told()).await;
    assert!(retried.unwrap().changed);
    let log = house.read(id).await.unwrap();
    check_log(&log, Mode::Log, true);
    let complete = verdict(&log);
    assert_eq!(complete.voting_result.agreement(), "2-0-1");
    assert_eq!(complete.missing, []);
    assert_eq!(
        (complete.status, n_calls(&house, Agent::Judge)),
        (Status::Completed, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_is_stopped_takes_nothing_away_either() {
    for whole in [false, true] {
        let house =
            house(&LINES.replace("caspar: +1 text Again.", "caspar: +1 text Again. | hang"));
        let (_, id, log) = at(&house, 8, async |id| {
            let caspar = Some(Sage::Caspar.into());
            house.engine.retry(id, caspar, None, told()).await.unwrap();
            sleep(Duration::from_secs(3)).await;
            let again = house
                .engine
                .retry(id, caspar, Some(1), told())
                .await
                .unwrap();
            assert!(
                !again.changed,
                "the first attempt was followed by another already"
            );
            let agent = caspar.filter(|_| !whole);
            assert!(house.engine.stop(id, agent, "user").await.unwrap().changed);
        })
        .await;
        let votes = votes(&log, Sage::Caspar);
        let approved = Decision::Approved;
        assert_eq!(votes, [(1, approved, None), (3, approved, None)], "{whole}");
        if whole {
            assert!(matches!(last(&log), Body::Cancelled(_)));
            let next = house.peer(5, LINES);
            let done = next.engine.resume(id, told()).await.unwrap();
            linked(&next, done, id).await;
            assert_eq!(n_calls(&next, Sage::Caspar), 0, "its vote is kept");
        }
    }
}
