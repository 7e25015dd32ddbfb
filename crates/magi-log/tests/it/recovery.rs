//! Damage, copies and torn ends of the folder itself: what is whole is read, what is not is told.

use std::fs;
use std::path::Path;

use magi_event::{Body, Event, Rewind, Sage};
use magi_log::{Closed, Error, Logs, SqliteStore};

use crate::world::*;

const DATABASE: &str = "magi.db";
const WAL: &str = "magi.db-wal";

/// The size of a page. Source: SQLite's default since 3.12, which our files have.
const PAGE: usize = 4096;

/// Bytes of a frame in the write-ahead log. Source: SQLite, "WAL-mode File Format", 4.
const FRAME: usize = PAGE + 24;

fn folder(place: &Place) -> &Path {
    match place {
        Place::Disk(folder) => folder.path(),
        Place::Memory(_) => unreachable!("these tests are of the disk"),
    }
}

fn logs_in(folder: &Path) -> Result<Logs, Error> {
    Ok(logs_on(std::sync::Arc::new(SqliteStore::open(folder)?)))
}

/// Three deliberations: two over, one under way with several commits.
async fn three(place: &Place) -> Logs {
    let logs = place.logs();
    for number in [1, 2] {
        whole(&logs, new(number)).await;
    }
    let writer = opened(&logs, 3).await;
    for text in ["一", "二", "三", "four", "five"] {
        let seq = writer
            .append(chunk(Sage::Caspar, &text.repeat(700)))
            .unwrap();
        writer.commit(seq).await.unwrap();
    }
    logs
}

async fn all(logs: &Logs) -> Vec<Vec<Event>> {
    let mut all = Vec::new();
    for number in 1..=3 {
        all.push(logs.events(id(number)).await.unwrap());
    }
    all
}

/// Holds every log to be a beginning of what was written, and returns their lengths.
async fn prefixes(logs: &Logs, written: &[Vec<Event>], context: &str) -> Vec<usize> {
    let mut lengths = Vec::new();
    for (number, written) in (1..).zip(written) {
        let read = match logs.events(id(number)).await {
            Ok(read) => read,
            Err(Error::Unknown(_)) => Vec::new(),
            Err(error) => panic!("{context}: {error}"),
        };
        assert_eq!(read, written[..read.len()], "{context}");
        lengths.push(read.len());
    }
    lengths
}

#[tokio::test(start_paused = true)]
async fn a_torn_end_of_the_write_ahead_log_ends_at_a_whole_commit() {
    let place = Place::disk();
    let logs = three(&place).await;
    let written = all(&logs).await;
    // As a crash leaves it: nothing is moved into the database at the end.
    let database = fs::read(folder(&place).join(DATABASE)).unwrap();
    let wal = fs::read(folder(&place).join(WAL)).unwrap();
    let frames = (wal.len() - 32) / FRAME;
    assert!(frames > 20, "{frames} frames");
    let mut longest = vec![0; 3];
    let mut seen = std::collections::BTreeSet::new();
    for frame in 0..=frames {
        for (torn, at) in [(0, 0), (1, 1), (FRAME / 2, FRAME / 2)] {
            let end = 32 + frame * FRAME + torn;
            if end > wal.len() {
                continue;
            }
            let copy = tempfile::tempdir().unwrap();
            fs::write(copy.path().join(DATABASE), &database).unwrap();
            fs::write(copy.path().join(WAL), &wal[..end]).unwrap();
            let context = format!("{frame} frames and {at} bytes");
            let logs = logs_in(copy.path()).unwrap();
            let lengths = prefixes(&logs, &written, &context).await;
            assert!(
                lengths
                    .iter()
                    .zip(&longest)
                    .all(|(now, before)| now >= before)
            );
            seen.insert(lengths.clone());
            if lengths[2] > 0 {
                // It goes on from its last whole commit.
                let taken = logs.take_over(id(3)).await.unwrap();
                let rewind = &taken.events[lengths[2]].body;
                let to = u64::try_from(lengths[2]).unwrap();
                assert_eq!(*rewind, Body::Rewind(Rewind { to }), "{context}");
            }
            longest = lengths;
        }
    }
    let lengths: Vec<_> = written.iter().map(Vec::len).collect();
    assert_eq!(longest, lengths);
    assert!(
        seen.len() >= 8,
        "every commit is an end of its own: {seen:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_changed_byte_of_the_write_ahead_log_ends_it_there() {
    let place = Place::disk();
    let logs = three(&place).await;
    let written = all(&logs).await;
    let database = fs::read(folder(&place).join(DATABASE)).unwrap();
    let wal = fs::read(folder(&place).join(WAL)).unwrap();
    for number in 0..60 {
        // A prime step, so that heads, payloads and checksums of frames are all met.
        let at = (32 + number * 7_919 + number * number * 31) % wal.len();
        let mut changed = wal.clone();
        changed[at] ^= 0x10;
        let copy = tempfile::tempdir().unwrap();
        fs::write(copy.path().join(DATABASE), &database).unwrap();
        fs::write(copy.path().join(WAL), changed).unwrap();
        let logs = logs_in(copy.path()).unwrap();
        prefixes(&logs, &written, &format!("byte {at}")).await;
    }
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy_all(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_folder_copied_from_under_its_owner_goes_on_in_both_places() {
    let place = Place::disk();
    let logs = place.logs();
    whole(&logs, new(1)).await;
    let writer = opened(&logs, 2).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = elsewhere.path().join("copy");
    copy_all(folder(&place), &copy);

    // There its owner is dead, at once, and the deliberation is taken over.
    let there = logs_in(&copy).unwrap();
    assert_eq!(there.events(id(1)).await.unwrap().len(), 11);
    let unfinished = there.unfinished().await.unwrap();
    assert_eq!((unfinished.len(), unfinished[0].owner_alive), (1, false));
    let taken = there.take_over(id(2)).await.unwrap();
    assert_eq!(taken.writer.generation(), 2);
    let last = taken.writer.append_all(ending(id(2))).unwrap();
    taken.writer.commit(last).await.unwrap();

    // Here nothing has changed: its owner is alive and writes on in the first generation.
    let unfinished = place.logs().unfinished().await.unwrap();
    assert_eq!((unfinished.len(), unfinished[0].owner_alive), (1, true));
    assert_eq!(writer.generation(), 1);
    let last = writer.append_all(ending(id(2))).unwrap();
    writer.commit(last).await.unwrap();
    assert_eq!(logs.events(id(2)).await.unwrap().len(), 11);
    assert_eq!(there.events(id(2)).await.unwrap().len(), 12);
}

/// Leaves the folder as a process that was killed does: its file in `owners` is there, and unlocked.
fn as_after_a_crash(folder: &Path) {
    fs::create_dir_all(folder.join("owners")).unwrap();
    fs::write(folder.join("owners").join("killed.lock"), "").unwrap();
}

/// Returns the database with everything in it: the write-ahead log is empty.
fn moved_in(place: &Place) -> Vec<u8> {
    let file = folder(place).join(DATABASE);
    let whole = rusqlite::Connection::open(&file).unwrap();
    let moved = "PRAGMA wal_checkpoint(TRUNCATE)";
    whole.query_row(moved, [], |_| Ok(())).unwrap();
    fs::read(file).unwrap()
}

/// Makes a folder in which one page of a database is overwritten.
fn wounded(database: &[u8], page: usize) -> (tempfile::TempDir, Vec<u8>) {
    let mut damaged = database.to_vec();
    damaged[page * PAGE..(page + 1) * PAGE].fill(0xAA);
    let copy = tempfile::tempdir().unwrap();
    fs::write(copy.path().join(DATABASE), &damaged).unwrap();
    (copy, damaged)
}

/// Reads every log: as it was written, or told to be damaged. Returns how many are lost.
async fn n_lost(logs: &Logs, written: &[Vec<Event>], page: usize) -> usize {
    let mut lost = 0;
    for (number, written) in (1..).zip(written) {
        match logs.events(id(number)).await {
            Ok(read) => assert_eq!(read, *written, "page {page}"),
            Err(Error::Damaged { .. } | Error::Corrupt { .. }) => lost += 1,
            Err(error) => panic!("page {page}: {error}"),
        }
    }
    lost
}

#[tokio::test(start_paused = true)]
async fn damage_that_nobody_looked_for_is_told_where_it_is_read() {
    let place = Place::disk();
    let written = all(&three(&place).await).await;
    let database = moved_in(&place);
    let (mut opened, mut lost) = (0, 0);
    for page in 1..database.len() / PAGE {
        let (copy, _) = wounded(&database, page);
        // Nobody was killed here.
        match logs_in(copy.path()) {
            Ok(logs) => {
                opened += 1;
                lost += n_lost(&logs, &written, page).await;
            }
            Err(Error::Damaged { .. }) => {}
            Err(error) => panic!("page {page}: {error}"),
        }
    }
    assert!(opened > 5 && lost > 5, "{opened} opened, {lost} logs lost");
}

#[tokio::test(start_paused = true)]
async fn a_damaged_page_is_found_kept_and_read_around() {
    let place = Place::disk();
    let written = all(&three(&place).await).await;
    let database = moved_in(&place);
    let (mut refused, mut lost) = (0, 0);
    for page in 1..database.len() / PAGE {
        let (copy, damaged) = wounded(&database, page);
        as_after_a_crash(copy.path());
        let logs = match SqliteStore::open(copy.path()) {
            Ok(store) => logs_on(std::sync::Arc::new(store)),
            Err(error) => {
                let kept = copy.path().join("magi.db.damaged");
                let told = error.to_string();
                assert!(
                    matches!(error, Error::Damaged { .. }),
                    "page {page}: {told}"
                );
                for part in [kept.to_str().unwrap(), "magi history", "begin anew"] {
                    assert!(told.contains(part), "page {page}: {told}");
                }
                assert_eq!(fs::read(kept).unwrap(), damaged, "page {page}");
                // It is refused the next time too, though nobody has died meanwhile.
                let again = SqliteStore::open(copy.path()).unwrap_err();
                assert!(
                    matches!(again, Error::Damaged { .. }),
                    "page {page}: {again}"
                );
                refused += 1;
                let store = SqliteStore::open_to_read(copy.path()).unwrap();
                logs_on(std::sync::Arc::new(store))
            }
        };
        lost += n_lost(&logs, &written, page).await;
    }
    assert!(
        refused > 5 && lost > 5,
        "{refused} refused, {lost} logs lost"
    );
}

#[tokio::test(start_paused = true)]
async fn a_damaged_store_takes_no_write_and_a_good_copy_brings_it_back() {
    let place = Place::disk();
    let logs = place.logs();
    whole(&logs, new(1)).await;
    logs.close().await;
    drop(logs);
    let file = folder(&place).join(DATABASE);
    let good = fs::read(&file).unwrap();
    let mut damaged = good.clone();
    let end = damaged.len();
    damaged[PAGE..end].fill(0xAA);
    fs::write(&file, &damaged).unwrap();
    as_after_a_crash(folder(&place));
    assert!(matches!(
        logs_in(folder(&place)),
        Err(Error::Damaged { .. })
    ));
    let store = SqliteStore::open_to_read(folder(&place)).unwrap();
    let logs = logs_on(std::sync::Arc::new(store));
    assert!(logs.catalogue().delete(id(1)).await.is_err());
    let (_writer, commit) = logs.create(new(2), opening(id(2)));
    assert!(commit.await.is_err());
    drop(logs);
    assert_eq!(fs::read(&file).unwrap(), damaged, "it was written to");

    fs::write(&file, good).unwrap();
    let logs = logs_in(folder(&place)).unwrap();
    assert_eq!(logs.events(id(1)).await.unwrap().len(), 11);
    whole(&logs, new(2)).await;
}

#[tokio::test(start_paused = true)]
async fn damage_that_a_call_meets_ends_all_writing_and_is_told_in_the_same_words() {
    let place = Place::disk();
    let written = all(&three(&place).await).await;
    let database = moved_in(&place);
    let (mut met, mut stopped) = (0, 0);
    for page in 1..database.len() / PAGE {
        let (copy, damaged) = wounded(&database, page);
        let Ok(logs) = logs_in(copy.path()) else {
            continue;
        };
        n_lost(&logs, &written, page).await;
        let (_writer, commit) = logs.create(new(4), opening(id(4)));
        let created = commit.await;
        let Some(damage) = logs.damage() else {
            assert_eq!(created, Ok(()), "page {page}");
            continue;
        };
        met += 1;
        let told = damage.to_string();
        let kept = copy.path().join("magi.db.damaged");
        for part in [kept.to_str().unwrap(), "magi restore FILE --force"] {
            assert!(told.contains(part), "page {page}: {told}");
        }
        assert_eq!(fs::read(&kept).unwrap(), damaged, "page {page}");
        // A write that was made before it was met stays; from now on there is none.
        let before = fs::read(copy.path().join(WAL)).unwrap_or_default();
        assert_eq!(logs.catalogue().delete(id(1)).await, Err(damage.clone()));
        let (_writer, commit) = logs.create(new(5), opening(id(5)));
        assert_eq!(commit.await, Err(Closed::Damaged), "page {page}");
        stopped += usize::from(created == Err(Closed::Damaged));
        logs.close().await;
        drop(logs);
        let after = fs::read(copy.path().join(WAL)).unwrap_or_default();
        assert!(before == after, "page {page}: the log was written to");
        let file = fs::read(copy.path().join(DATABASE)).unwrap();
        assert!(file == damaged, "page {page}: the file was written to");
        let again = SqliteStore::open(copy.path()).unwrap_err();
        assert!(
            matches!(again, Error::Damaged { .. }),
            "page {page}: {again}"
        );
    }
    assert!(met > 5 && stopped > 5, "{met} met, {stopped} stopped");
}
