//! What a log does when its store fails.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use magi_event::{Body, Sage};
use magi_log::{After, Closed, Error, Logs, Options};
use tokio::time::{Instant, sleep, timeout};

use crate::faulty::Faulty;
use crate::world::*;

fn broken() -> (Arc<Faulty>, Logs, Place) {
    let place = Place::memory();
    let store = Faulty::new(place.store());
    (store.clone(), logs_on(store), place)
}

#[tokio::test(start_paused = true)]
async fn a_short_failure_holds_milestones_and_loses_nothing() {
    let (store, logs, _place) = broken();
    let writer = opened(&logs, 1).await;
    let mut live = logs.read(After::Cursor(at(1, 1, 5))).await.unwrap();
    store.set_down(true);
    writer.append(chunk(Sage::Caspar, "seen")).unwrap();
    let vote = writer.append(done(Sage::Caspar, 1, &[])).unwrap();
    writer.append(chunk(Sage::Melchior, "held")).unwrap();
    assert_eq!(seqs(&ready(&mut live).await), [6]);
    sleep(Duration::from_secs(4)).await;
    assert!(ready(&mut live).await.is_empty());
    store.set_down(false);
    writer.commit(vote).await.unwrap();
    assert_eq!(seqs(&ready(&mut live).await), [7, 8]);
}

#[tokio::test(start_paused = true)]
async fn a_writer_is_closed_when_the_task_that_stores_for_it_panics() {
    let (store, logs, _place) = broken();
    let writer = opened(&logs, 1).await;
    store.panicking.store(true, Ordering::SeqCst);
    let vote = writer.append(done(Sage::Caspar, 1, &[])).unwrap();
    assert_eq!(writer.commit(vote).await, Err(Closed::Unavailable));
    assert_eq!(writer.closed().await, Closed::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn after_five_seconds_the_writer_closes_and_readers_are_told() {
    let (store, logs, place) = broken();
    let writer = opened(&logs, 1).await;
    let mut live = reader(&logs, 1).await;
    ready(&mut live).await;
    store.set_down(true);
    let vote = writer.append(done(Sage::Caspar, 1, &[])).unwrap();
    let started = Instant::now();
    assert_eq!(writer.closed().await, Closed::Unavailable);
    let took = started.elapsed();
    assert!(took <= Duration::from_secs(5), "{took:?}");
    assert!(took >= Duration::from_millis(4_500), "{took:?}");
    assert_eq!(writer.commit(vote).await, Err(Closed::Unavailable));
    let error = live.next().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }));
    assert!(error.is_temporary());
    let seen = live.cursor();
    let refused = logs.read(After::Cursor(seen)).await;
    assert!(matches!(refused, Err(Error::Unavailable { .. })));
    let (_asked, commit) = logs.create(new(2), opening(id(2)));
    assert_eq!(commit.await, Err(Closed::Unavailable));

    store.set_down(false);
    let unfinished = logs.unfinished().await.unwrap();
    assert_eq!(
        unfinished.len(),
        1,
        "the question that was refused is not there"
    );
    assert!(!unfinished[0].owner_alive);
    let taken = logs.take_over(id(1)).await.unwrap();
    assert_eq!(taken.writer.generation(), 2);
    let head = logs.head(id(1)).await.unwrap();
    assert!(head.generations[0].released, "a failing store is no crash");
    let mut back = logs.read(After::Cursor(seen)).await.unwrap();
    assert_eq!(seqs(&back.next().await.unwrap().entries), [6]);
    drop(place);
}

#[tokio::test(start_paused = true)]
async fn a_log_whose_lease_lapses_while_its_end_is_stored_is_read_to_its_end() {
    let (store, logs, _place) = broken();
    let writer = opened(&logs, 1).await;
    // A reader that stays keeps what this process knows of the log in memory.
    let mut stays = reader(&logs, 1).await;
    ready(&mut stays).await;
    store.set_down(true);
    sleep(Duration::from_secs(8)).await;
    let last = writer.append_all(ending(id(1))).unwrap();
    assert_eq!(writer.closed().await, Closed::Unavailable, "the lease");
    store.set_down(false);
    writer.commit(last).await.unwrap_err();
    let mut waited = 0;
    while !logs.head(id(1)).await.unwrap().is_over() {
        sleep(Duration::from_millis(50)).await;
        waited += 1;
        assert!(waited < 100, "what was under way is not stored");
    }
    sleep(Duration::from_secs(1)).await;
    let mut back = reader(&logs, 1).await;
    let mut seen = Vec::new();
    loop {
        let page = back.next().await.unwrap();
        seen.extend(seqs(&page.entries));
        if page.end {
            break;
        }
    }
    assert_eq!(seen, (1..=last).collect::<Vec<_>>());
    assert!(matches!(stays.next().await, Err(Error::Unavailable { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_is_a_failing_store() {
    let (store, logs, _place) = broken();
    let writer = opened(&logs, 1).await;
    store.hanging.store(true, Ordering::SeqCst);
    writer.append(chunk(Sage::Caspar, "x")).unwrap();
    let started = Instant::now();
    assert_eq!(writer.closed().await, Closed::Unavailable);
    let took = started.elapsed().as_millis();
    assert!((5_000..=5_200).contains(&took), "{took}");
    let refused = logs.take_over(id(1)).await.unwrap_err();
    assert!(matches!(refused, Error::Unavailable { .. }));
    store.hanging.store(false, Ordering::SeqCst);
    assert_eq!(logs.take_over(id(1)).await.unwrap().events.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_was_made_and_not_confirmed_is_there_once() {
    let (store, logs, _place) = broken();
    store.unconfirmed.store(2, Ordering::SeqCst);
    let writer = opened(&logs, 1).await;
    store.unconfirmed.store(3, Ordering::SeqCst);
    let last = writer.append_all(ending(id(1))).unwrap();
    writer.commit(last).await.unwrap();
    assert_eq!(store.writes.load(Ordering::SeqCst), 7);
    let events = logs.events(id(1)).await.unwrap();
    let numbers: Vec<_> = events.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, (1..=11).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_takeover_that_was_not_confirmed_is_followed_by_another() {
    let (store, logs, place) = broken();
    let first = place.logs();
    opened(&first, 1).await;
    first.abandon();
    store.unconfirmed.store(1, Ordering::SeqCst);
    let refused = logs.take_over(id(1)).await.unwrap_err();
    assert!(matches!(refused, Error::Unavailable { .. }));
    let taken = logs.take_over(id(1)).await.unwrap();
    assert_eq!(taken.writer.generation(), 3);
    let tail: Vec<_> = taken.events[5..].iter().map(|e| e.body.clone()).collect();
    let rewind = |to| Body::Rewind(magi_event::Rewind { to });
    assert_eq!(tail, [rewind(5), rewind(6)]);
}

#[tokio::test(start_paused = true)]
async fn writers_wait_for_room_while_the_store_is_behind() {
    let place = Place::memory();
    let store = Faulty::new(place.store());
    let options = Options {
        unstored_bytes: 10_000,
        ..Options::default()
    };
    let logs = Logs::new(store.clone(), magi_log::Env::seeded(1), options);
    let writer = opened(&logs, 1).await;
    store.set_down(true);
    let text = "x".repeat(1_000);
    let mut last = 0;
    while timeout(Duration::from_millis(1), writer.room())
        .await
        .is_ok()
    {
        last = writer.append(chunk(Sage::Caspar, &text)).unwrap();
        assert!(last < 20, "the bound is not held");
    }
    store.set_down(false);
    timeout(Duration::from_secs(2), writer.room())
        .await
        .unwrap();
    writer.commit(last).await.unwrap();
    // A closed writer does not keep anyone waiting.
    store.set_down(true);
    for _ in 0..12 {
        writer.append(chunk(Sage::Caspar, &text)).unwrap();
    }
    timeout(Duration::from_secs(6), writer.room())
        .await
        .unwrap();
    assert_eq!(
        writer.append(chunk(Sage::Caspar, "late")),
        Err(Closed::Unavailable)
    );
}

#[tokio::test(start_paused = true)]
async fn a_last_event_written_during_a_commit_is_stored_too() {
    let (store, logs, _place) = broken();
    let writer = opened(&logs, 1).await;
    store.unconfirmed.store(1, Ordering::SeqCst);
    writer.append(done(Sage::Caspar, 1, &[])).unwrap();
    sleep(Duration::from_millis(10)).await;
    let last = writer.append_all(vec![tally(), verdict(id(1))]).unwrap();
    let stored = timeout(Duration::from_secs(1), writer.commit(last)).await;
    stored.unwrap().unwrap();
    let (events, error) = to_end(&mut reader(&logs, 1).await).await;
    assert_eq!((events.len(), error), (8, None));
}

#[tokio::test(start_paused = true)]
async fn a_place_known_from_the_store_before_its_writer_knows_it_is_not_refused() {
    let (store, logs, place) = broken();
    let writer = opened(&logs, 1).await;
    store.unconfirmed.store(1, Ordering::SeqCst);
    let vote = writer.append(done(Sage::Caspar, 1, &[])).unwrap();
    sleep(Duration::from_millis(10)).await;
    let elsewhere = place.logs();
    let mut early = elsewhere.read(After::Cursor(at(1, 1, 5))).await.unwrap();
    assert_eq!(seqs(&ready(&mut early).await), [vote]);
    let mut here = logs.read(After::Cursor(early.cursor())).await.unwrap();
    writer.append(tally()).unwrap();
    assert_eq!(seqs(&here.next().await.unwrap().entries), [vote + 1]);
}
