//! Damage to the database itself: how it is found, and how what is left of it is kept.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode};

use super::schema::APPLICATION;
use crate::Error;

/// What is put behind the name of a damaged database's copy.
const KEPT: &str = ".damaged";

/// Where the application's number stands in the file. Source: SQLite, "Database File Format", 1.3.
const APPLICATION_AT: u64 = 68;

/// What this process knows of its database's damage. From the first call that meets it on, every call
/// tells it in the same words, and nothing more is written.
pub(super) struct Health {
    path: PathBuf,
    told: OnceLock<Error>,
}

impl Health {
    pub(super) fn new(path: PathBuf) -> Self {
        Health {
            path,
            told: OnceLock::new(),
        }
    }

    /// Returns the damage, if any was met.
    pub(super) fn known(&self) -> Option<Error> {
        self.told.get().cloned()
    }

    /// Notes damage that a call met and returns it in the words for all; any other error is returned
    /// as it is. The first time the file is copied: never call it on an async thread.
    pub(super) fn note(&self, error: Error) -> Error {
        match error {
            Error::Damaged { reason } => self.adopt(|| refuse(&self.path, &reason)),
            other => other,
        }
    }

    /// Notes damage that is in the words for all already.
    pub(super) fn note_told(&self, error: Error) -> Error {
        match error {
            Error::Damaged { .. } => self.adopt(|| error),
            other => other,
        }
    }

    fn adopt(&self, told: impl FnOnce() -> Error) -> Error {
        let first = || {
            let error = told();
            tracing::error!(%error, "nothing more is written to the store");
            error
        };
        self.told.get_or_init(first).clone()
    }
}

/// Makes the end of a connection leave the file as it is: the last one to close would move the
/// write-ahead log into it.
pub(super) fn leave_alone(connection: &Connection) {
    let set = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
    if let Err(error) = set {
        tracing::warn!(%error, "the damaged store may be written to when it is closed");
    }
}

/// Tells whether SQLite found damage, and not only a reason to wait.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

/// Reads the whole database for damage: about a second per gibibyte. `None` when it is well.
///
/// # Errors
///
/// What keeps SQLite from looking, which may be the damage.
pub(super) fn look(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok((found != "ok").then_some(found))
}

/// Tells whether a file says in its head that it is ours.
pub(super) fn is_ours(path: &Path) -> bool {
    let read = || {
        let mut file = std::fs::File::open(path)?;
        file.seek(SeekFrom::Start(APPLICATION_AT))?;
        let mut number = [0; 4];
        file.read_exact(&mut number)?;
        Ok::<_, io::Error>(i32::from_be_bytes(number))
    };
    read().is_ok_and(|number| number == APPLICATION)
}

/// Tells whether a copy of a damaged database is kept here.
pub(super) fn is_kept(path: &Path) -> bool {
    beside(path, KEPT).exists()
}

/// Keeps a copy of a damaged database and its write-ahead log, once, and says what to do.
pub(super) fn refuse(path: &Path, found: &str) -> Error {
    let kept = beside(path, KEPT);
    let kept = match keep(path, &kept) {
        Ok(()) => format!("a copy as it was found is kept in {}", kept.display()),
        Err(error) => format!("no copy could be kept ({error})"),
    };
    let folder = path.parent().unwrap_or(path).display();
    Error::Damaged {
        reason: format!(
            "{}: {found}; {kept}. What can still be read is shown by `magi history`, `magi replay` \
             and `magi export`. To go on, bring back a backup (`magi restore FILE --force`, which \
             moves what is there aside), or move the folder {folder} away and begin anew",
            path.display()
        ),
    }
}

fn keep(path: &Path, kept: &Path) -> io::Result<()> {
    if kept.exists() {
        return Ok(());
    }
    let log = beside(path, "-wal");
    if log.exists() {
        std::fs::copy(log, beside(kept, "-wal"))?;
    }
    // Last, and under another name until it is whole: its name says that the copy is complete.
    let part = beside(kept, ".part");
    std::fs::copy(path, &part)?;
    std::fs::File::open(&part)?.sync_all()?;
    std::fs::rename(part, kept)
}

pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}
