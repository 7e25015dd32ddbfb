//! How a reading goes on, waits, gives up and ends.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use magi_client::{Error, Options, Question, Reading, State, Step};
use magi_event::sample::{self, Entry, Script};
use magi_event::{Body, Cursor, Decision, Paused, Rule, Sage, Snapshot, sse};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::fake::{Fake, Part, Reply, frames};

const SEED: u64 = 11;

/// A log of three generations' worth of events, ended.
fn log() -> Vec<Entry> {
    sample::log(SEED)
}

fn after(entry: &Entry) -> Option<Cursor> {
    Some(entry.0)
}

/// Runs a reading to its end: its steps as short words, and the error at its end.
async fn words(mut reading: Reading) -> (Vec<String>, Option<Error>) {
    let mut words = Vec::new();
    while let Some(step) = reading.next().await {
        words.push(match step {
            Ok(Step::Entry(entry)) => entry.event.seq.to_string(),
            Ok(Step::Snapshot(snapshot)) => format!("snapshot {}", snapshot.cursor.seq),
            Ok(Step::State(State::Connecting { attempt })) => format!("connecting {attempt}"),
            Ok(Step::State(State::Live { resumed: true })) => "resumed".into(),
            Ok(Step::State(State::Live { resumed: false })) => "live".into(),
            Ok(Step::State(State::Waiting { .. })) => "waiting".into(),
            Ok(Step::State(State::Over)) => "over".into(),
            Ok(Step::State(State::Paused)) => "paused".into(),
            Err(error) => {
                assert!(reading.next().await.is_none(), "an error is the end");
                return (words, Some(error));
            }
        });
    }
    (words, None)
}

fn numbers(range: std::ops::RangeInclusive<usize>) -> Vec<String> {
    range.map(|seq| seq.to_string()).collect()
}

fn problem(status: u16, code: &str) -> Reply {
    Reply::json(
        status,
        &json!({ "detail": "no", "code": code, "status": status }),
    )
}

fn door(status: u16, code: &str) -> Value {
    json!({ "type": "error", "error": "no", "data":
        { "status": status, "code": code, "message": "no" } })
}

fn door_frame(status: u16, code: &str) -> Part {
    Part::Bytes(sse::data_frame(door(status, code).to_string().as_bytes()))
}

/// Options whose jitter is the most there is, so that waits are exact.
fn no_jitter() -> Options {
    Options {
        entropy: Arc::new(|| 1023),
        ..Options::default()
    }
}

async fn waits(mut reading: Reading) -> Vec<Duration> {
    let mut waits = Vec::new();
    while let Some(step) = reading.next().await {
        if let Ok(Step::State(State::Waiting { delay, .. })) = step {
            let before = Instant::now();
            waits.push(delay);
            assert!(matches!(
                reading.next().await,
                Some(Ok(Step::State(State::Connecting { .. })))
            ));
            assert!(
                before.elapsed() >= delay,
                "it said {delay:?} and waited less"
            );
        }
    }
    waits
}

#[tokio::test(start_paused = true)]
async fn states_and_events_come_in_order_and_the_last_event_ends_it() {
    let log = log();
    let half = log.len() / 2;
    let fake = Fake::of(vec![
        Reply::events(&log[..half]),
        // More after the last event, on an open connection: none of our business.
        Reply::events(&log[half..])
            .then(Part::Bytes(frames(&log)))
            .then(Part::Stall),
    ]);
    let (words, error) = words(fake.client().events(sample::id(SEED), None)).await;
    let mut expected = vec!["connecting 1".to_owned(), "live".into()];
    expected.extend(numbers(1..=half));
    expected.extend(["waiting", "connecting 2", "resumed"].map(str::to_owned));
    expected.extend(numbers(half + 1..=log.len()));
    expected.push("over".into());
    assert_eq!(words, expected);
    assert!(error.is_none(), "{error:?}");
    let ledger = fake.ledger();
    assert_eq!(ledger[0].header("last-event-id"), None);
    assert_eq!(ledger[1].after(), after(&log[half - 1]));
    assert_eq!(ledger[1].header("accept"), Some("text/event-stream"));
}

#[tokio::test(start_paused = true)]
async fn a_reader_who_has_the_last_event_is_told_that_it_is_over() {
    let fake = Fake::of(vec![Reply::empty(204)]);
    let last = after(log().last().unwrap());
    let (words, error) = words(fake.client().events(sample::id(SEED), last)).await;
    assert_eq!(words, ["connecting 1", "over"]);
    assert!(error.is_none());
}

#[tokio::test(start_paused = true)]
async fn waits_double_up_to_the_bound_and_then_it_gives_up() {
    let fake = Fake::new(|_| Reply::empty(502));
    let waited = waits(fake.client_with(no_jitter()).events(sample::id(SEED), None)).await;
    let seconds: Vec<u64> = waited
        .iter()
        .map(|wait| wait.as_millis().div_ceil(1000) as u64)
        .collect();
    assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30, 30, 30, 30, 30]);

    let (_, error) = words(fake.client().events(sample::id(SEED), None)).await;
    let error = error.unwrap();
    assert!(
        matches!(&error, Error::GaveUp { attempts: 12, .. }),
        "{error}"
    );
    assert_eq!(error.problem().unwrap().status, 502);
}

#[tokio::test(start_paused = true)]
async fn half_of_a_wait_is_random() {
    let least = Options {
        entropy: Arc::new(|| 0),
        ..Options::default()
    };
    let fake = Fake::new(|_| Reply::empty(502));
    let waited = waits(fake.client_with(least).events(sample::id(SEED), None)).await;
    assert_eq!(waited[0], Duration::from_millis(500));
    assert_eq!(waited[1], Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn the_servers_own_words_on_waiting_are_honoured() {
    let log = log();
    let fake = Fake::of(vec![
        Reply::empty(503).header("retry-after", "7"),
        Reply::empty(429)
            .header("date", "Sun, 06 Nov 1994 08:49:37 GMT")
            .header("retry-after", "Sun, 06 Nov 1994 08:49:48 GMT"),
        Reply::stream(vec![Part::Bytes(Bytes::from_static(b"retry: 250\n\n"))]),
        Reply::events(&log),
    ]);
    let waited = waits(fake.client_with(no_jitter()).events(sample::id(SEED), None)).await;
    assert_eq!(waited[0], Duration::from_secs(7));
    assert_eq!(waited[1], Duration::from_secs(11));
    // The third in a row: 250 ms, doubled twice.
    assert!(
        (990..=1000).contains(&waited[2].as_millis()),
        "{:?}",
        waited[2]
    );
}

#[tokio::test(start_paused = true)]
async fn silence_counts_as_a_cut_and_heartbeats_do_not() {
    let log = log();
    let mut beating = Reply::events(&log[..1]);
    for _ in 0..300 {
        beating = beating
            .then(Part::Wait(Duration::from_secs(2)))
            .then(Part::Bytes(Bytes::from_static(sse::HEARTBEAT)));
    }
    let fake = Fake::of(vec![beating.then(Part::Stall), Reply::events(&log[1..])]);
    let before = Instant::now();
    let mut reading = fake.client().events(sample::id(SEED), None);
    let mut reason = None;
    while let Some(step) = reading.next().await {
        if let Step::State(State::Waiting { reason: why, .. }) = step.unwrap() {
            reason = why;
            assert_eq!(before.elapsed(), Duration::from_secs(620));
        }
    }
    assert!(matches!(*reason.unwrap(), Error::Silent(limit) if limit == Duration::from_secs(20)));
}

#[tokio::test(start_paused = true)]
async fn a_door_frame_is_the_status_it_names() {
    let log = log();
    // The store is away for a moment: the events before it count, and the cursor is kept.
    let fake = Fake::of(vec![
        Reply::events(&log[..3])
            .then(door_frame(503, "store_unavailable"))
            .then(Part::Stall),
        Reply::stream(vec![door_frame(503, "store_unavailable")]),
        Reply::events(&log[3..]),
    ]);
    let (got, error) = words(fake.client().events(sample::id(SEED), None)).await;
    let mut expected = vec!["connecting 1".to_owned(), "live".into()];
    expected.extend(numbers(1..=3));
    expected.extend(
        [
            "waiting",
            "connecting 2",
            "resumed",
            "waiting",
            "connecting 3",
        ]
        .map(str::to_owned),
    );
    expected.push("resumed".into());
    expected.extend(numbers(4..=log.len()));
    expected.push("over".into());
    assert_eq!(got, expected);
    assert!(error.is_none());
    assert_eq!(fake.ledger()[2].after(), after(&log[2]));

    // Gone for good: as a frame, or as JSON that stands for one.
    for reply in [
        Reply::stream(vec![door_frame(404, "not_found")]),
        Reply::json(200, &door(404, "not_found")),
        Reply::json(424, &door(404, "not_found")),
        problem(404, "not_found"),
    ] {
        let fake = Fake::of(vec![reply]);
        let (_, error) = words(fake.client().events(sample::id(SEED), None)).await;
        assert!(matches!(error, Some(Error::NotFound(_))), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_longer_kept_is_replaced_by_the_snapshot() {
    let log = log();
    let half = log.len() / 2;
    let events = log[..half].iter().map(|(_, event)| event);
    let snapshot = Snapshot::fold(sample::id(SEED), events);
    let snapshot = serde_json::to_value(snapshot).unwrap();
    for reply in [
        problem(410, "gone"),
        Reply::stream(vec![door_frame(410, "gone")]),
    ] {
        let fake = Fake::of(vec![
            reply,
            Reply::json(200, &snapshot),
            Reply::events(&log[half..]),
        ]);
        let (words, error) = words(fake.client().events(sample::id(SEED), after(&log[0]))).await;
        assert!(error.is_none(), "{error:?}");
        assert!(words.contains(&format!("snapshot {half}")));
        assert_eq!(words.last().unwrap(), "over");
        let ledger = fake.ledger();
        assert_eq!(
            ledger[1].uri.path(),
            format!("/v1/deliberations/{}", sample::id(SEED))
        );
        assert_eq!(ledger[2].after(), after(&log[half - 1]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_of_what_is_over_is_the_end() {
    let whole = log();
    let snapshot = Snapshot::fold(sample::id(SEED), whole.iter().map(|(_, event)| event));
    let snapshot = serde_json::to_value(snapshot).unwrap();
    let fake = Fake::of(vec![problem(410, "gone"), Reply::json(200, &snapshot)]);
    let (words, error) = words(fake.client().events(sample::id(SEED), None)).await;
    assert!(error.is_none(), "{error:?}");
    let snapshot = format!("snapshot {}", whole.len());
    assert_eq!(words, ["connecting 1", snapshot.as_str(), "over"]);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_refuses_its_own_snapshot_is_left_in_the_end() {
    let events = log();
    let events = events[..4].iter().map(|(_, event)| event);
    let snapshot = serde_json::to_value(Snapshot::fold(sample::id(SEED), events)).unwrap();
    let fake = Fake::new(move |asked| {
        if asked.uri.path().ends_with("/events") {
            problem(410, "gone")
        } else {
            Reply::json(200, &snapshot)
        }
    });
    let (_, error) = words(fake.client().events(sample::id(SEED), None)).await;
    assert!(matches!(error, Some(Error::Gone(_))), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn refusals_that_waiting_cannot_mend_end_it_at_once() {
    for (status, code) in [
        (400, "bad_request"),
        (401, "unauthorised"),
        (403, "forbidden_host"),
    ] {
        let fake = Fake::of(vec![problem(status, code)]);
        let (_, error) = words(fake.client().events(sample::id(SEED), None)).await;
        let error = error.unwrap();
        assert!(
            matches!(&error, Error::Refused(problem) if problem.code == code),
            "{error}"
        );
        assert!(!error.is_transient());
    }
    let fake = Fake::of(vec![problem(409, "cursor_ahead")]);
    let (_, error) = words(fake.client().events(sample::id(SEED), after(&log()[3]))).await;
    assert!(matches!(error, Some(Error::Conflict(_))));
    let fake = Fake::of(vec![Reply::json(200, &json!({ "hello": "world" }))]);
    let (_, error) = words(fake.client().events(sample::id(SEED), None)).await;
    assert!(matches!(error, Some(Error::Contract(_))));
}

#[tokio::test(start_paused = true)]
async fn a_question_is_deliberated_once_however_often_it_is_sent() {
    let log = log();
    let fake = Fake::of(vec![
        Reply::stream(vec![Part::Break]),
        Reply::empty(500),
        Reply::events(&log[..2]),
        Reply::events(&log[2..]),
    ]);
    let (_, error) = words(fake.client().ask(&Question::new("採用すべきか?"))).await;
    assert!(error.is_none(), "{error:?}");
    let ledger = fake.ledger();
    let keys: Vec<&str> = ledger[..3]
        .iter()
        .map(|asked| asked.body["idempotency_key"].as_str().unwrap())
        .collect();
    assert_eq!(keys[0].len(), 32);
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    assert_eq!(ledger[0].body["question"], "採用すべきか?");
    // Once there is an event, it is followed, not asked.
    assert_eq!(ledger[3].method, http::Method::GET);
    assert_eq!(ledger[3].after(), after(&log[1]));
}

#[tokio::test(start_paused = true)]
async fn a_door_without_keys_is_asked_without_one_and_never_twice() {
    let refusal =
        json!({ "detail": "no store", "code": "unsupported", "field": "idempotency_key" });
    let fake = Fake::of(vec![
        Reply::json(400, &refusal),
        Reply::stream(vec![Part::Break]),
    ]);
    let (_, error) = words(fake.client().ask(&Question::new("?"))).await;
    assert!(matches!(error, Some(Error::Unreachable(_))), "{error:?}");
    let ledger = fake.ledger();
    assert!(ledger[0].body["idempotency_key"].is_string());
    assert_eq!(ledger[1].body, json!({ "question": "?" }));
    assert_eq!(ledger.len(), 2);

    // A server that did nothing yet may be asked again all the same.
    let fake = Fake::of(vec![
        Reply::json(400, &refusal),
        Reply::empty(503),
        Reply::events(&log()),
    ]);
    let (_, error) = words(fake.client().ask(&Question::new("?"))).await;
    assert!(error.is_none(), "{error:?}");

    // A key of the caller's own is never dropped behind its back.
    let fake = Fake::of(vec![Reply::json(400, &refusal)]);
    let question = Question {
        idempotency_key: Some("mine".into()),
        ..Question::new("?")
    };
    let (_, error) = words(fake.client().ask(&question)).await;
    assert!(matches!(error, Some(Error::Refused(_))), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn events_that_come_twice_are_given_once_and_gaps_are_read_again() {
    let log = log();
    let mut doubled = log[..5].to_vec();
    doubled.extend_from_slice(&log[2..6]);
    let fake = Fake::of(vec![
        Reply::events(&doubled),
        Reply::events(&log[8..]),
        Reply::events(&log[6..]),
    ]);
    let (words_seen, error) = words(fake.client().events(sample::id(SEED), None)).await;
    assert!(error.is_none(), "{error:?}");
    let seen: Vec<&String> = words_seen
        .iter()
        .filter(|word| word.parse::<u64>().is_ok())
        .collect();
    assert!(seen.into_iter().eq(&numbers(1..=log.len())));
    assert_eq!(fake.ledger()[2].after(), after(&log[5]));

    let holed = [&log[..3], &log[4..]].concat();
    let fake = Fake::new(move |_| Reply::events(&holed));
    let (_, error) = words(fake.client().events(sample::id(SEED), None)).await;
    let error = error.unwrap();
    assert!(
        matches!(&error, Error::Contract(why) if why == "event 5 came after event 3"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn every_new_event_gives_patience_back() {
    let log = log();
    assert!(log.len() > 12, "more cuts than attempts");
    let all = log.clone();
    let fake = Fake::new(move |asked| {
        let next = asked.after().map_or(0, |cursor| cursor.seq as usize);
        Reply::events(&all[next..=next])
    });
    let (words, error) = words(fake.client().events(sample::id(SEED), None)).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(words.last().unwrap(), "over");
    assert_eq!(fake.ledger().len(), log.len());
}

#[tokio::test(start_paused = true)]
async fn a_rewind_that_skips_stored_events_is_read_again_from_the_last_good_place() {
    let mut script = Script::new(sample::id(SEED));
    script.push(sample::start(
        sample::id(SEED),
        "?",
        sample::council(&Sage::ALL, Rule::Majority, 2),
    ));
    script.sage(Sage::Caspar, &["可決"], Decision::Approved);
    script.rewind();
    script.push(Body::Cancelled(magi_event::Cancelled {
        by: "user".into(),
        reason: "enough".into(),
        usage: None,
        cost_usd: None,
    }));
    let log = script.finish();
    let fake = Fake::of(vec![
        Reply::events(&[log[0].clone(), log[4].clone()]),
        Reply::events(&log[1..]),
    ]);
    let (words, error) = words(fake.client().events(sample::id(SEED), None)).await;
    assert!(error.is_none(), "{error:?}");
    let seqs: Vec<&String> = words
        .iter()
        .filter(|word| word.parse::<u64>().is_ok())
        .collect();
    assert!(seqs.into_iter().eq(&numbers(1..=6)), "{words:?}");
    assert_eq!(fake.ledger()[1].after(), after(&log[0]));
}

#[tokio::test(start_paused = true)]
async fn foreign_output_and_lost_ids_do_no_harm() {
    let log = log();
    let mut bytes = b"data: INFO starting\n\ndata: {\"level\":\"info\"}\n\ndata: [1]\n\n".to_vec();
    for (_, event) in &log {
        bytes.extend_from_slice(&sse::data_frame(&event.to_json()));
    }
    let fake = Fake::of(vec![Reply::stream(vec![Part::Bytes(bytes.into())])]);
    let mut reading = fake.client().events(sample::id(SEED), None);
    let mut entries = Vec::new();
    while let Some(step) = reading.next().await {
        if let Step::Entry(entry) = step.unwrap() {
            entries.push((entry.cursor, entry.event));
        }
    }
    assert_eq!(entries, log);
}

#[tokio::test(start_paused = true)]
async fn an_event_of_another_contract_is_said_so_and_not_passed_over() {
    let log = log();
    let wrong = json!({ "type": "tally", "seq": 3, "timestamp": "2026-11-23T01:02:03.004Z",
        "trace_id": sample::id(SEED), "data": { "approved": "two" } });
    let wrong = Part::Bytes(sse::data_frame(wrong.to_string().as_bytes()));
    let fake = Fake::of(vec![Reply::events(&log[..2]).then(wrong)]);
    let (words, error) = words(fake.client().events(sample::id(SEED), None)).await;
    assert_eq!(words[2..], numbers(1..=2));
    assert!(matches!(error, Some(Error::Event(_))), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn an_event_above_the_bound_is_refused_after_what_came_before_it() {
    let log = log();
    let huge = Part::Bytes(vec![b'x'; 5000].into());
    let fake = Fake::of(vec![Reply::events(&log[..2]).then(huge)]);
    let small = Options {
        max_event_bytes: 4096,
        ..Options::default()
    };
    let (words, error) = words(fake.client_with(small).events(sample::id(SEED), None)).await;
    assert_eq!(words[2..], numbers(1..=2));
    assert!(matches!(error, Some(Error::TooLong(_))), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_of_the_door_ends_the_reading_with_its_state() {
    let id = sample::id(SEED);
    let mut script = Script::new(id);
    script.push(sample::start(
        id,
        "?",
        sample::council(&Sage::ALL, Rule::Majority, 2),
    ));
    script.sage(Sage::Caspar, &["可決"], Decision::Approved);
    // A door without a key leaves no state; there is nothing to connect to again either.
    for state in [Some("signed".into()), None] {
        let mut script = script.clone();
        script.push(Body::Paused(Paused {
            by: "magi".into(),
            reason: "deadline".into(),
            state,
            usage: None,
            cost_usd: None,
        }));
        let fake = Fake::of(vec![Reply::events(script.entries())]);
        let (words, error) = words(fake.client().events(id, None)).await;
        assert_eq!(words.last().unwrap(), "paused");
        assert!(error.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_there_before_the_answer_is_marked_as_replay() {
    let log = log();
    // The server's clock stands two seconds after the fifth event.
    let at = log[4].1.timestamp.plus_millis(2000);
    let date = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap();
    let date = jiff::fmt::rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&date)
        .unwrap();
    let fake = Fake::of(vec![Reply::events(&log).header("date", &date)]);
    let mut reading = fake.client().events(sample::id(SEED), None);
    let mut replayed = Vec::new();
    while let Some(step) = reading.next().await {
        if let Step::Entry(entry) = step.unwrap() {
            replayed.push(entry.replay);
        }
    }
    assert!(replayed[..5].iter().all(|replay| *replay));
    let first_live = replayed
        .iter()
        .position(|replay| !replay)
        .unwrap_or(replayed.len());
    assert!(
        replayed[first_live..].iter().all(|replay| !replay),
        "live once is live on"
    );

    let fake = Fake::of(vec![Reply::events(&log)]);
    let mut reading = fake.client().events(sample::id(SEED), None);
    while let Some(step) = reading.next().await {
        if let Step::Entry(entry) = step.unwrap() {
            assert!(
                !entry.replay,
                "without the server's clock nothing is called old"
            );
        }
    }
}
