//! A data folder that cannot be written to: how it is known, and how what is in it is read.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use super::DATABASE;
use super::damage::beside;
use super::schema::{self, FORMAT, Sight};
use crate::Error;

pub(super) fn refuse(folder: &Path) -> Error {
    Error::ReadOnly {
        path: folder.display().to_string(),
    }
}

/// Tells whether the folder, or the database in it, may not be written to. It tries.
pub(super) fn is_read_only(folder: &Path) -> bool {
    // The process's number, so that two who try do not meet.
    let probe = folder.join(format!("write-test-{}", std::process::id()));
    let created = File::create_new(&probe);
    if created.is_ok() {
        // It is ours; left behind it harms nothing.
        let _ = std::fs::remove_file(&probe);
    }
    let database = OpenOptions::new().write(true).open(folder.join(DATABASE));
    [created.err(), database.err()]
        .iter()
        .flatten()
        .any(is_refusal)
}

/// Tells whether the system refuses to write there at all.
pub(super) fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
    )
}

/// Finds how the database of a folder that cannot be written to is read, and reads that it is ours and
/// of the present format.
///
/// SQLite reads a write-ahead log with the index beside it. Without both, and only then, the file
/// alone is all of it and nobody writes it: whoever does has both.
///
/// Source: SQLite, "Write-Ahead Logging", 6, "Read-Only Databases".
pub(super) fn look(folder: &Path) -> Result<Sight, Error> {
    let path = folder.join(DATABASE);
    let refused = |reason: &str| Error::Open {
        path: folder.display().to_string(),
        reason: reason.to_owned(),
    };
    if !path.exists() {
        return Err(refused("it is read-only and holds no store"));
    }
    let has_log = beside(&path, "-wal")
        .metadata()
        .is_ok_and(|log| log.len() > 0);
    let has_index = beside(&path, "-shm").exists();
    let sight = match (has_log, has_index) {
        (false, false) => Sight::Still,
        (_, true) => Sight::Shared,
        (true, false) => {
            return Err(refused(
                "it is read-only, and its newest commits are in a write-ahead log that cannot be \
                 read without writing beside it: make it writable, or copy it to a folder that is \
                 and use that with --data-dir",
            ));
        }
    };
    let connection = schema::open_reader(&path, sight)?;
    if schema::check_format(&connection, &path)? < FORMAT {
        return Err(refused(
            "it is read-only, and an older version wrote it: make it writable once, so that it is \
             brought to the present format",
        ));
    }
    Ok(sight)
}
