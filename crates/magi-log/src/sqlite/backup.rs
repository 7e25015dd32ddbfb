//! The store as one file, copied while others write, and back into a data folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use magi_event::Timestamp;
use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::damage::{self, beside};
use super::schema::{self, APPLICATION, Sight};
use super::{DATABASE, OWNERS, create_private, owner, still};
use crate::Error;

/// What is put behind a copy's name for its checksum, in the form that `sha256sum -c` reads.
const SUM: &str = ".sha256";

/// What is put behind the name of a file that is not whole yet.
const PART: &str = ".part";

/// How the folder's name begins into which a restore moves what was there.
const ASIDE: &str = "before-restore-";

/// What was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// How many deliberations the copy holds.
    pub deliberations: u64,
    /// The copy's length.
    pub bytes: u64,
    /// The copy's SHA-256 in hexadecimal digits, as it also stands in the file beside it.
    pub sha256: String,
}

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// How many deliberations there are now.
    pub deliberations: u64,
    /// How many of them have no last event: whoever serves the folder next treats them as after a
    /// crash.
    pub unfinished: u64,
    /// Where what was there before is now.
    pub moved_to: Option<PathBuf>,
}

/// Copies the store of a data folder into one new file, with its SHA-256 beside it in
/// `<file>.sha256`. Other processes may go on writing: the copy is one state of the store, and every
/// commit before the call is in it. Reads and writes the disk.
///
/// Source: SQLite, "VACUUM", section "VACUUM with an INTO clause".
///
/// # Errors
///
/// [`Error::Copy`] when there is no store, the file is there already, or the disk fails;
/// [`Error::Newer`], [`Error::Open`] when the store is none of ours. No file is left then.
pub fn backup(folder: &Path, file: &Path) -> Result<Copied, Error> {
    let source = folder.join(DATABASE);
    if !source.exists() {
        return Err(refused(folder, "holds no store: is it the data folder?"));
    }
    let sum = beside(file, SUM);
    for path in [file, &sum] {
        if path.exists() {
            return Err(refused(
                path,
                "is there already, and nothing is overwritten",
            ));
        }
    }
    let part = beside(file, PART);
    let sight = if still::is_read_only(folder) {
        still::look(folder)?
    } else {
        Sight::Shared
    };
    let made = copy_into(&source, sight, &part).and_then(|deliberations| {
        let (sha256, bytes) = digest(&part).map_err(|error| failed(&part, &error))?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let line = format!("{sha256}  {name}\n");
        let written = create(&sum).and_then(|mut sum| {
            sum.write_all(line.as_bytes())?;
            sum.sync_all()
        });
        // The copy gets its name last: what bears it is whole.
        written
            .and_then(|()| fs::rename(&part, file))
            .and_then(|()| sync_parent(file))
            .map_err(|error| failed(file, &error))?;
        Ok(Copied {
            deliberations,
            bytes,
            sha256,
        })
    });
    if made.is_err() {
        // What is left of it is of no use, and may not be there at all.
        let _ = (fs::remove_file(&part), fs::remove_file(&sum));
    }
    made
}

/// Puts a copy made by [`backup`] into a data folder. Deliberations that were running when it was made
/// are then as after a crash.
///
/// With `force` what is in the folder is moved into a folder inside it whose name begins with
/// `before-restore-`; nothing is ever deleted.
///
/// # Errors
///
/// [`Error::Copy`] when the checksum is missing or another, the file is no copy of ours or damaged, the
/// folder is in use, or not empty without `force`; [`Error::Newer`]. The folder is as it was then.
pub fn restore(file: &Path, folder: &Path, force: bool, now: Timestamp) -> Result<Restored, Error> {
    check_sum(file)?;
    create_private(folder).map_err(|error| failed(folder, &error))?;
    if owner::is_anybody_alive(&folder.join(OWNERS)) {
        return Err(refused(folder, "is in use: stop what runs on it first"));
    }
    let part = folder.join(format!("{DATABASE}{PART}"));
    let old = entries(folder, &part).map_err(|error| failed(folder, &error))?;
    if !old.is_empty() && !force {
        let why = "is not empty: with --force what is in it is moved aside, not deleted";
        return Err(refused(folder, why));
    }
    let looked = put(file, &part).and_then(|()| look(&part, file));
    let (deliberations, unfinished) = match looked {
        Ok(counts) => counts,
        Err(error) => {
            // Our own copy of what was refused.
            let _ = fs::remove_file(&part);
            return Err(error);
        }
    };
    let moved_to = move_aside(folder, &old, now).map_err(|error| failed(folder, &error))?;
    let database = folder.join(DATABASE);
    fs::rename(&part, &database)
        .and_then(|()| sync_parent(&database))
        .map_err(|error| failed(&database, &error))?;
    Ok(Restored {
        deliberations,
        unfinished,
        moved_to,
    })
}

/// Copies the database into a new file that only its owner may read; returns how many deliberations it
/// holds.
fn copy_into(source: &Path, sight: Sight, part: &Path) -> Result<u64, Error> {
    let connection = schema::open_reader(source, sight)?;
    schema::check_format(&connection, source)?;
    // Left by a copy that was broken off. SQLite fills an empty file that is there.
    let _ = fs::remove_file(part);
    create(part).map_err(|error| failed(part, &error))?;
    let into = part
        .to_str()
        .ok_or_else(|| refused(part, "has a name that is not UTF-8"))?;
    let copied = connection.execute("VACUUM INTO ?1", [into]);
    copied.map_err(|error| refused(source, &format!("could not be copied: {error}")))?;
    File::open(part)
        .and_then(|file| file.sync_all())
        .map_err(|error| failed(part, &error))?;
    let copy = schema::open_reader(part, Sight::Shared)?;
    counts(&copy)
        .map(|(all, _)| all)
        .map_err(|error| refused(part, &error.to_string()))
}

fn counts(connection: &Connection) -> rusqlite::Result<(u64, u64)> {
    let sql = "SELECT count(*), count(*) FILTER (WHERE over = 0) FROM deliberations";
    connection.query_row(sql, [], |row| {
        let number = |at| Ok::<_, rusqlite::Error>(super::values::uint(row.get(at)?));
        Ok((number(0)?, number(1)?))
    })
}

/// Holds a copy against the checksum beside it.
fn check_sum(file: &Path) -> Result<(), Error> {
    let (found, _) = digest(file).map_err(|error| failed(file, &error))?;
    let sum = beside(file, SUM);
    let Ok(line) = fs::read_to_string(&sum) else {
        let why = "is missing: bring the checksum along, or make it with `sha256sum` if you trust the copy";
        return Err(refused(&sum, why));
    };
    let expected = line.split_whitespace().next().unwrap_or_default();
    if expected.eq_ignore_ascii_case(&found) {
        return Ok(());
    }
    let why = "is not what was copied: its checksum is another. Take another copy";
    Err(refused(file, why))
}

fn put(file: &Path, part: &Path) -> Result<(), Error> {
    let copied = || {
        let _ = fs::remove_file(part);
        let mut to = create(part)?;
        io::copy(&mut File::open(file)?, &mut to)?;
        to.sync_all()
    };
    copied().map_err(|error| failed(part, &error))
}

/// Looks whether a file is a store of ours, whole, and of a format that this program knows.
fn look(part: &Path, file: &Path) -> Result<(u64, u64), Error> {
    let wrong = |why: &dyn std::fmt::Display| refused(file, &format!("is no whole store: {why}"));
    let connection = Connection::open(part).map_err(|error| wrong(&error))?;
    let read = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let application = read("application_id").map_err(|error| wrong(&error))?;
    let format = read("user_version").map_err(|error| wrong(&error))?;
    if application != APPLICATION || format < 1 {
        return Err(refused(file, "is no copy of a store of MAGI's"));
    }
    schema::check_format(&connection, part)?;
    match damage::look(&connection) {
        Ok(None) => {}
        Ok(Some(found)) => return Err(wrong(&found)),
        Err(error) => return Err(wrong(&error)),
    }
    counts(&connection).map_err(|error| wrong(&error))
}

/// Lists what is in a folder, but for what earlier restores moved aside and a part of our own.
fn entries(folder: &Path, part: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_aside = entry.file_name().to_string_lossy().starts_with(ASIDE);
        if !is_aside && entry.path() != part {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Moves what was there into a folder of its own inside the data folder, which may be a mount and so
/// cannot be renamed itself.
fn move_aside(folder: &Path, old: &[PathBuf], now: Timestamp) -> io::Result<Option<PathBuf>> {
    if old.is_empty() {
        return Ok(None);
    }
    let stamp: String = now
        .to_string()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let aside = folder.join(format!("{ASIDE}{stamp}"));
    fs::create_dir(&aside)?;
    for path in old {
        if let Some(name) = path.file_name() {
            fs::rename(path, aside.join(name))?;
        }
    }
    Ok(Some(aside))
}

/// Returns a file's SHA-256 in hexadecimal digits, and its length.
fn digest(path: &Path) -> io::Result<(String, u64)> {
    let mut file = File::open(path)?;
    let (mut hasher, mut bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        bytes += read as u64;
    }
    let digest = hasher.finalize();
    let digits = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((digits, bytes))
}

/// Creates a file for its owner alone.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes a new name durable.
fn sync_parent(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn failed(path: &Path, error: &io::Error) -> Error {
    refused(path, &error.to_string())
}

fn refused(path: &Path, reason: &str) -> Error {
    Error::Copy {
        path: path.display().to_string(),
        reason: reason.to_owned(),
    }
}
