//! Everything at once: cuts at random bytes, readers that leave and come back, slow readers, SIGKILL,
//! stop, retry, note and pause at random, over streams and WebSockets. `docs/chaos.md` says what must hold.

mod check;
mod deliberation;
mod plan;
mod town;

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use magi_client::Door;
use magi_emulator::{Config, Emulator};
use magi_event::check::Mode;
use magi_event::{Body, Cursor, DeliberationId};
use magi_log::{Env, Logs, Query, SqliteStore};
use tokio::time::Instant;

use super::support::number;
use check::{Figures, hold, said};
use plan::Plan;
use town::Town;

/// Deliberations under way at once.
const AT_ONCE: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn chaos_loses_doubles_and_reorders_nothing() {
    let count = number("MAGI_CHAOS", 24);
    let first = number("MAGI_CHAOS_FIRST", 0);
    let seed = number("MAGI_SEED", 20_261_123);
    let mut config = Config::default();
    config.seed = seed;
    config.keep = 4_000;
    let began = Instant::now();
    let town = Town::start(Emulator::start(config).await.unwrap()).await;
    let town = &town;
    let mut figures = Figures::default();
    let mut findings = Vec::new();
    let mut outings = stream::iter(first..first + count)
        .map(async |number| {
            let plan = Plan::new(seed, number);
            (deliberation::run(town, &plan).await, plan)
        })
        .buffer_unordered(AT_ONCE);
    while let Some((outing, plan)) = outings.next().await {
        let kills = town.kills();
        if let Err(finding) = outing.and_then(|outing| figures.add(&outing, &kills)) {
            told!(
                "deliberation {} of seed {seed}: {finding}\n{plan:#?}",
                plan.number
            );
            findings.push(plan.number);
        }
    }
    drop(outings);
    let kills = town.kills().len();
    told!(
        "chaos: seed {seed}, deliberations {first} to {}, {kills} kills, {} s",
        first + count - 1,
        began.elapsed().as_secs()
    );
    figures.print(findings.len());
    for number in &findings {
        told!("  again: MAGI_SEED={seed} MAGI_CHAOS_FIRST={number} make chaos-replay");
    }
    assert!(
        findings.is_empty(),
        "MAGI_SEED={seed}: deliberations {findings:?} broke what must hold"
    );
    for id in &figures.linked {
        read_to_the_end(town, *id).await.unwrap();
    }
    town.close().await;
    let stored = all_stored(town).await.unwrap();
    told!("  the store holds {stored} deliberations, each whole");
    assert_eq!(stored, figures.deliberations + figures.linked.len());
    // One deliberation alone may have no verb, no cut and no vote: only of many something must have happened.
    if count >= 24 {
        assert!(figures.cuts > 0 && figures.verbs_said > 0 && figures.votes_shown > 0);
        assert!(figures.interruptions > 0, "no kill interrupted anything");
        assert!(figures.stopped_calls > 0, "no stop had a call to close");
    }
    town.vendors.stop().await;
}

async fn read_to_the_end(town: &Town, id: DeliberationId) -> Result<(), String> {
    let mut reading = town.client(&town.host, Door::Socket).events(id, None);
    while let Some(step) = reading.next().await {
        said(step, "a linked deliberation")?;
    }
    Ok(())
}

/// Reads every log out of the store itself, as another process would, and returns how many there are.
async fn all_stored(town: &Town) -> Result<usize, String> {
    let store = SqliteStore::open(&town.folder.path().join("data")).map_err(|e| e.to_string())?;
    let logs = Logs::new(Arc::new(store), Env::system(), magi_log::Options::default());
    let mut query = Query::default();
    let mut count = 0;
    loop {
        let page = said(logs.catalogue().list(query.clone()).await, "the catalogue")?;
        let Some(last) = page.rows.last() else {
            logs.close().await;
            return Ok(count);
        };
        query.before = Some(last.id);
        for row in &page.rows {
            whole(&logs, row.id)
                .await
                .map_err(|finding| format!("{}: {finding}", row.id))?;
            count += 1;
        }
    }
}

/// Holds that a stored log is whole and that each of its generations had one writer.
async fn whole(logs: &Logs, id: DeliberationId) -> Result<(), String> {
    let head = said(logs.head(id).await, "its head")?;
    let events = said(logs.events(id).await, "its events")?;
    let mut entries = Vec::new();
    for event in &events {
        let begun = head
            .generations
            .iter()
            .rev()
            .find(|it| it.first_seq <= event.seq);
        let begun = begun.ok_or("an event of no generation")?;
        let is_first = begun.first_seq == event.seq && begun.number > 1;
        hold(is_first == matches!(event.body, Body::Rewind(_)), || {
            format!("event {} and generation {begun:?}", event.seq)
        })?;
        let cursor = Cursor {
            deliberation: id,
            generation: begun.number,
            seq: event.seq,
        };
        entries.push((cursor, event));
    }
    check::check(Mode::Log, entries.into_iter(), "the stored log").map(drop)
}
