//! A data folder that is only read: nothing in it changes, and what cannot be read is told.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use magi_log::{Error, Logs, SqliteStore};

use crate::world::*;

fn folder(place: &Place) -> &Path {
    match place {
        Place::Disk(folder) => folder.path(),
        Place::Memory(_) => unreachable!("these tests are of the disk"),
    }
}

fn read_only(folder: &Path) -> Result<Logs, Error> {
    let store = SqliteStore::open_read_only(folder)?;
    Ok(logs_on(Arc::new(store)))
}

/// Everything in a folder, by name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().flatten();
    let files = files.filter(|entry| entry.path().is_file());
    let read = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    };
    files.map(read).collect()
}

#[tokio::test(start_paused = true)]
async fn a_folder_at_rest_is_read_whole_and_nothing_is_made_in_it() {
    let place = Place::disk();
    let logs = place.logs();
    whole(&logs, new(1)).await;
    logs.close().await;
    drop(logs);
    // A name that a URI must not take for something else.
    let folder = folder(&place).join("50%?a=b#c d");
    fs::create_dir(&folder).unwrap();
    fs::rename(
        folder.parent().unwrap().join("magi.db"),
        folder.join("magi.db"),
    )
    .unwrap();
    let before = files(&folder);
    assert_eq!(before.len(), 1, "it is not at rest");
    let logs = read_only(&folder).unwrap();
    assert_eq!(logs.events(id(1)).await.unwrap().len(), 11);
    let refused = logs.catalogue().delete(id(1)).await.unwrap_err();
    assert!(matches!(refused, Error::ReadOnly { .. }), "{refused}");
    for part in ["read-only", "--data-dir", "make it writable"] {
        assert!(refused.to_string().contains(part), "{refused}");
    }
    assert!(files(&folder) == before, "something was written");
    logs.close().await;
    assert!(files(&folder) == before, "something was written");
    assert!(!folder.join("owners").exists());
}

#[tokio::test(start_paused = true)]
async fn commits_in_the_write_ahead_log_are_read_or_told_to_be_out_of_reach() {
    let place = Place::disk();
    let logs = place.logs();
    whole(&logs, new(1)).await;
    // With the index beside it, as whoever writes has it.
    let beside = read_only(folder(&place)).unwrap();
    assert_eq!(beside.events(id(1)).await.unwrap().len(), 11);
    // Copied without the index: the file alone would be an older state, shown as if it were all.
    let copy = tempfile::tempdir().unwrap();
    for name in ["magi.db", "magi.db-wal"] {
        fs::copy(folder(&place).join(name), copy.path().join(name)).unwrap();
    }
    let refused = read_only(copy.path()).unwrap_err();
    assert!(matches!(refused, Error::Open { .. }), "{refused}");
    for part in ["read-only", "write-ahead log", "--data-dir"] {
        assert!(refused.to_string().contains(part), "{refused}");
    }
    let empty = tempfile::tempdir().unwrap();
    let refused = read_only(empty.path()).unwrap_err();
    assert!(refused.to_string().contains("holds no store"), "{refused}");
}
