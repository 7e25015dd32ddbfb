//! The store as one file and back: whole, checked, and nothing of what was there lost.

use std::fs;
use std::path::{Path, PathBuf};

use magi_event::Timestamp;
use magi_log::{Error, Expiry, Patch, backup, restore};
use rusqlite::Connection;

use crate::world::*;

fn folder(place: &Place) -> &Path {
    match place {
        Place::Disk(folder) => folder.path(),
        Place::Memory(_) => unreachable!(),
    }
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_795_395_723_000)
}

/// Tells which file a refusal is about, and why.
#[track_caller]
fn refusal<T: std::fmt::Debug>(done: Result<T, Error>) -> (PathBuf, String) {
    match done {
        Err(Error::Copy { path, reason }) => (PathBuf::from(path), reason),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_made_while_others_write_is_a_store_as_after_a_crash() {
    let place = Place::disk();
    let logs = place.logs();
    whole(&logs, new(1)).await;
    let writer = opened(&logs, 2).await;
    let to = tempfile::tempdir().unwrap();
    let file = to.path().join("copy.db");
    let copied = backup(folder(&place), &file).unwrap();
    assert_eq!(
        (copied.deliberations, copied.bytes),
        (2, fs::metadata(&file).unwrap().len())
    );
    let sum = fs::read_to_string(to.path().join("copy.db.sha256")).unwrap();
    assert_eq!(sum, format!("{}  copy.db\n", copied.sha256));
    #[cfg(unix)]
    for name in ["copy.db", "copy.db.sha256"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(to.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{name} is its owner's alone");
    }
    // The writer never noticed, and what it writes now is not in the copy.
    let last = writer.append_all(ending(id(2))).unwrap();
    writer.commit(last).await.unwrap();

    let other = Place::disk();
    let restored = restore(&file, folder(&other), false, now()).unwrap();
    let counts = (
        restored.deliberations,
        restored.unfinished,
        restored.moved_to,
    );
    assert_eq!(counts, (2, 1, None));
    let again = other.logs();
    assert_eq!(
        again.events(id(1)).await.unwrap(),
        logs.events(id(1)).await.unwrap()
    );
    let taken = again.take_over(id(2)).await.unwrap();
    assert_eq!(taken.events.len(), 6, "it goes on where the copy ends");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_overwritten_and_what_is_no_copy_is_refused() {
    let place = Place::disk();
    let logs = place.logs();
    whole(&logs, new(1)).await;
    let to = tempfile::tempdir().unwrap();
    let file = to.path().join("copy.db");
    let empty = to.path().join("empty");
    assert_eq!(refusal(backup(&empty, &file)).0, empty);
    assert!(!file.exists());
    backup(folder(&place), &file).unwrap();
    assert_eq!(refusal(backup(folder(&place), &file)).0, file);

    // In use, and not empty.
    let in_use = refusal(restore(&file, folder(&place), true, now()));
    assert_eq!(
        (in_use.0.as_path(), in_use.1.contains("in use")),
        (folder(&place), true)
    );
    logs.close().await;
    let not_empty = refusal(restore(&file, folder(&place), false, now()));
    assert!(not_empty.1.contains("--force"), "{not_empty:?}");

    // Damaged, without its checksum, and foreign.
    let target = tempfile::tempdir().unwrap();
    let bytes = fs::read(&file).unwrap();
    let sum = to.path().join("copy.db.sha256");
    for at in [bytes.len() / 2, bytes.len() - 1] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        fs::write(&file, damaged).unwrap();
        assert_eq!(
            refusal(restore(&file, target.path(), true, now())).0,
            file,
            "{at}"
        );
    }
    fs::write(&file, &bytes).unwrap();
    let line = fs::read_to_string(&sum).unwrap();
    fs::remove_file(&sum).unwrap();
    assert_eq!(refusal(restore(&file, target.path(), true, now())).0, sum);
    fs::write(&sum, line).unwrap();
    let foreign = to.path().join("foreign.db");
    let database = Connection::open(&foreign).unwrap();
    database.execute_batch("CREATE TABLE t (x)").unwrap();
    drop(database);
    summed(&foreign);
    assert!(
        refusal(restore(&foreign, target.path(), true, now()))
            .1
            .contains("no copy")
    );
    let newer = to.path().join("newer.db");
    fs::copy(&file, &newer).unwrap();
    let database = Connection::open(&newer).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();
    drop(database);
    summed(&newer);
    let refused = restore(&newer, target.path(), true, now()).unwrap_err();
    assert!(
        matches!(refused, Error::Newer { found: 99, .. }),
        "{refused}"
    );
    assert_eq!(
        fs::read_dir(target.path()).unwrap().count(),
        0,
        "nothing was changed"
    );
}

/// Writes a file's checksum beside it, as `sha256sum` does.
fn summed(file: &Path) {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(fs::read(file).unwrap());
    let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let name = file.file_name().unwrap().to_str().unwrap();
    let mut sum = file.as_os_str().to_owned();
    sum.push(".sha256");
    fs::write(sum, format!("{digits}  {name}\n")).unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_there_is_moved_aside_and_still_reads() {
    let place = Place::disk();
    let logs = place.logs();
    whole(&logs, new(1)).await;
    let to = tempfile::tempdir().unwrap();
    let file = to.path().join("copy.db");
    backup(folder(&place), &file).unwrap();
    whole(&logs, new(2)).await;
    logs.close().await;
    let restored = restore(&file, folder(&place), true, now()).unwrap();
    let aside = restored.moved_to.unwrap();
    assert!(aside.starts_with(folder(&place)));
    let logs = place.logs();
    assert!(logs.head(id(1)).await.is_ok());
    assert_eq!(logs.head(id(2)).await, Err(Error::Unknown(id(2))));
    let store = magi_log::SqliteStore::open(&aside).unwrap();
    let old = logs_on(std::sync::Arc::new(store));
    assert!(old.head(id(2)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_has_been_over_for_long_goes_and_nothing_else() {
    for place in [Place::memory(), Place::disk()] {
        let logs = place.logs();
        for number in 1..=5 {
            whole(&logs, new(number)).await;
        }
        let _running = opened(&logs, 6).await;
        let catalogue = logs.catalogue();
        let mark = Patch {
            outcome: Some(Some("Well.".into())),
            ..Patch::default()
        };
        catalogue.patch(id(2), mark).await.unwrap();
        let ended = catalogue.get(id(1)).await.unwrap().last_event_at;
        let expiry = |before, spares_marked, most| Expiry {
            before,
            spares_marked,
            most,
        };
        let gone = async |expiry: Expiry| {
            let mut gone = logs.catalogue().expire(&expiry).await.unwrap();
            gone.sort();
            gone
        };
        assert_eq!(gone(expiry(ended, true, 9)).await, []);
        let later = ended.plus_millis(24 * 3600 * 1000);
        assert_eq!(
            gone(expiry(later, true, 2)).await,
            [id(4), id(5)],
            "no more at a time"
        );
        assert_eq!(gone(expiry(later, true, 9)).await, [id(1), id(3)]);
        assert_eq!(
            gone(expiry(later, true, 9)).await,
            [],
            "the marked and the running stay"
        );
        assert_eq!(gone(expiry(later, false, 9)).await, [id(2)]);
        assert!(logs.head(id(6)).await.is_ok());
    }
}
