//! Opening the database: settings, format version, the first creation.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{damage, values};
use crate::Error;

/// The version of the stored format, in `user_version`.
pub(super) const FORMAT: u32 = 2;

/// What each version of the format adds to the one before it; the first begins with nothing.
const STEPS: [&str; FORMAT as usize] = [include_str!("schema.sql"), include_str!("schema-2.sql")];

/// "MAGI" in ASCII, in `application_id`, so that `file` and we know whose database it is.
pub(super) const APPLICATION: i32 = 0x4D41_4749;

/// How long SQLite waits for another process's lock before a call fails. Shorter than the time of
/// one commit, which tries again.
const BUSY: Duration = Duration::from_millis(1_000);

/// The write-ahead log is cut back to this many bytes after a checkpoint.
const WAL_LIMIT: i64 = 16 * 1024 * 1024;

/// Opens the database for writing, creating it when it is new.
///
/// A commit is durable when it returns (`synchronous = FULL`): the operating system was told to
/// write the log through to the disk. Source: SQLite, "PRAGMA synchronous" and "Write-Ahead
/// Logging", section 3.
pub(super) fn open_writer(path: &Path) -> Result<Connection, Error> {
    let fresh = !path.exists();
    let mut connection = Connection::open(path).map_err(|error| cannot_open(path, &error))?;
    prepare(&mut connection, path)?;
    if fresh {
        sync_folder(path)?;
    }
    Ok(connection)
}

/// How a database is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// With its write-ahead log, beside whoever writes.
    Shared,
    /// As one file that nobody changes: SQLite creates nothing beside it.
    Still,
}

/// Opens the database for reading alone.
///
/// Source: SQLite, "Uniform Resource Identifiers", `immutable`.
pub(super) fn open_reader(path: &Path, sight: Sight) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match sight {
        Sight::Shared => Connection::open_with_flags(path, flags),
        Sight::Still => {
            Connection::open_with_flags(still_uri(path), flags | OpenFlags::SQLITE_OPEN_URI)
        }
    };
    let connection = connection.map_err(values::failed)?;
    connection.busy_timeout(BUSY).map_err(values::failed)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

/// Writes a path as SQLite's URI of a file that does not change.
fn still_uri(path: &Path) -> String {
    use std::fmt::Write as _;

    let mut uri = "file:".to_owned();
    if cfg!(windows) && path.is_absolute() {
        uri.push('/');
    }
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'\\' if cfg!(windows) => uri.push('/'),
            b'/' | b':' | b'.' | b'-' | b'_' => uri.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
            // Writing to a string does not fail.
            byte => drop(write!(uri, "%{byte:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    uri
}

fn prepare(connection: &mut Connection, path: &Path) -> Result<(), Error> {
    let failed = |error: rusqlite::Error| cannot_open(path, &error);
    connection.busy_timeout(BUSY).map_err(failed)?;
    check_format(connection, path)?;
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
        .map_err(failed)?;
    if mode != "wal" {
        return Err(refused(path, "it does not allow a write-ahead log"));
    }
    for (name, value) in [
        ("synchronous", "full"),
        ("secure_delete", "on"), // Deleted text must not stay in the file's free pages.
        ("temp_store", "memory"),
    ] {
        connection
            .pragma_update(None, name, value)
            .map_err(failed)?;
    }
    let limit =
        connection.pragma_update_and_check(None, "journal_size_limit", WAL_LIMIT, |_| Ok(()));
    limit.map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(64);
    migrate(connection, path)
}

/// Refuses a database of a newer version, or of another program.
pub(super) fn check_format(connection: &Connection, path: &Path) -> Result<u32, Error> {
    let number = |name: &str| {
        let value = connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
        value.map_err(|error| cannot_open(path, &error))
    };
    let found = u32::try_from(number("user_version")?).unwrap_or(u32::MAX);
    let application = number("application_id")?;
    if application != APPLICATION && (application != 0 || found != 0) {
        return Err(refused(path, "it is another program's database"));
    }
    if found > FORMAT {
        return Err(Error::Newer {
            found,
            known: FORMAT,
        });
    }
    Ok(found)
}

/// Brings the tables from the version found to the present one, in one transaction, also when two
/// processes begin at the same time. A new file is of version 0.
fn migrate(connection: &mut Connection, path: &Path) -> Result<(), Error> {
    if check_format(connection, path)? == FORMAT {
        return Ok(());
    }
    let failed = |error: rusqlite::Error| cannot_open(path, &error);
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    let found = check_format(&transaction, path)?;
    let steps = || {
        for step in STEPS.iter().skip(found as usize) {
            transaction.execute_batch(step)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", FORMAT)
    };
    steps().map_err(failed)?;
    transaction.commit().map_err(failed)?;
    if found > 0 {
        tracing::info!(
            from = found,
            to = FORMAT,
            "the store was brought to the present format"
        );
    }
    Ok(())
}

/// Moves everything committed from the write-ahead log into the database and makes both durable.
///
/// # Errors
///
/// When a part could not be moved: a reader is in the way, or the disk fails.
pub(super) fn checkpoint(connection: &Connection) -> Result<(), Error> {
    let moved = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
        Ok((
            row.get::<_, i64>(0)?,
            row.get::<_, i64>(1)?,
            row.get::<_, i64>(2)?,
        ))
    });
    match moved {
        Ok((0, log, done)) if log == done => Ok(()),
        Ok(_) => Err(Error::unavailable("a checkpoint could not be completed")),
        Err(error) => Err(values::failed(error)),
    }
}

/// Makes the new file's name durable too.
fn sync_folder(path: &Path) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let synced = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| refused(path, &error.to_string()))
}

fn cannot_open(path: &Path, error: &rusqlite::Error) -> Error {
    if damage::is_damage(error) && damage::is_ours(path) {
        return damage::refuse(path, &error.to_string());
    }
    refused(path, &error.to_string())
}

fn refused(path: &Path, reason: &str) -> Error {
    Error::Open {
        path: path.display().to_string(),
        reason: reason.to_owned(),
    }
}
