//! Many at once: readers of one log, and logs on one disk.

use std::time::Duration;

use magi_event::Sage;
use magi_log::After;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::world::*;

#[tokio::test(start_paused = true)]
async fn a_thousand_readers_read_the_same() {
    let place = Place::memory();
    let logs = place.logs();
    let writer = opened(&logs, 1).await;
    let mut readers = JoinSet::new();
    for number in 0..1_000_u64 {
        let logs = logs.clone();
        readers.spawn(async move {
            let after = After::Cursor(at(1, 1, number % 6));
            let mut reader = logs.read(after).await.unwrap();
            let (mut expected, mut pages) = (number % 6, 0_u64);
            loop {
                let page = reader.next().await.unwrap();
                for entry in &page.entries {
                    expected += 1;
                    assert_eq!(entry.cursor.seq, expected);
                }
                pages += 1;
                if page.end {
                    return (expected, pages);
                }
                // Every tenth is so slow that it reads what is long out of memory.
                if number % 10 == 0 {
                    sleep(Duration::from_secs(7)).await;
                }
            }
        });
    }
    let text = "長い文".repeat(40);
    for _ in 0..400 {
        writer.append(chunk(Sage::Caspar, &text)).unwrap();
        sleep(Duration::from_millis(25)).await;
    }
    writer.append_all(ending(id(1))).unwrap();
    let read = readers.join_all().await;
    assert_eq!(read.len(), 1_000);
    assert!(read.iter().all(|(last, _)| *last == 411));
    let pages: u64 = read.iter().map(|(_, pages)| pages).sum();
    assert!(pages > 300_000, "who keeps up reads each event as it comes");
}

#[tokio::test]
async fn many_deliberations_share_the_disk() {
    let place = Place::disk();
    let logs = place.logs();
    let mut writers = JoinSet::new();
    for number in 1..=50 {
        let logs = logs.clone();
        writers.spawn(async move {
            let writer = opened(&logs, number).await;
            for _ in 0..20 {
                writer.append(chunk(Sage::Caspar, "言葉")).unwrap();
            }
            let last = writer.append_all(ending(id(number))).unwrap();
            writer.commit(last).await.unwrap();
        });
    }
    writers.join_all().await;
    let elsewhere = place.logs();
    for number in 1..=50 {
        assert_eq!(elsewhere.events(id(number)).await.unwrap().len(), 31);
    }
}
