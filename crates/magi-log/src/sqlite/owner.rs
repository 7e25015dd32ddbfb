//! Who is alive: one locked file per store handle, which the system unlocks when the process dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The file that is locked while owners come and go, so that nobody clears away a file between its
/// creation and its lock.
const GATE: &str = "gate";

/// A store handle's name, and the locked file that shows it is alive.
pub(super) struct Ownership {
    name: String,
    folder: PathBuf,
    lock: Mutex<Option<File>>,
}

impl Ownership {
    /// Makes the name known as alive, clears away the files of the dead, and says how many these were.
    pub(super) fn take(folder: PathBuf, name: String) -> io::Result<(Self, usize)> {
        std::fs::create_dir_all(&folder)?;
        let gate = open(&folder.join(GATE))?;
        // A file system without locks leaves it to the leases alone.
        let guarded = gate.lock().is_ok();
        let file = open(&path_of(&folder, &name))?;
        let locked = file.lock().is_ok();
        let dead = if guarded { clear(&folder) } else { 0 };
        let ownership = Ownership {
            name,
            folder,
            lock: Mutex::new(locked.then_some(file)),
        };
        Ok((ownership, dead))
    }

    /// A name that owns nothing and leaves no file, for a folder that cannot be written to.
    pub(super) fn nobody(folder: PathBuf, name: String) -> Self {
        Ownership {
            name,
            folder,
            lock: Mutex::new(None),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Tells whether an owner is known to be dead.
    pub(super) fn is_dead(&self, owner: &str) -> bool {
        owner != self.name && is_free(&path_of(&self.folder, owner))
    }

    /// Shows that this handle is dead.
    pub(super) fn resign(&self) {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = lock.take() {
            // Closing the file unlocks it too; what is left is cleared away by the next owner.
            let _ = file.unlock();
            let _ = std::fs::remove_file(path_of(&self.folder, &self.name));
        }
    }
}

impl Drop for Ownership {
    fn drop(&mut self) {
        self.resign();
    }
}

fn path_of(folder: &Path, owner: &str) -> PathBuf {
    folder.join(format!("{owner}.lock"))
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

/// Tells whether nobody holds the file: it is not there, or it can be locked. The look is shared,
/// so that two who look do not take each other for the owner.
fn is_free(path: &Path) -> bool {
    match File::open(path) {
        Err(error) => error.kind() == io::ErrorKind::NotFound,
        Ok(file) => match file.try_lock_shared() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
        },
    }
}

/// Tells whether anybody who is alive owns these logs.
pub(super) fn is_anybody_alive(folder: &Path) -> bool {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files
        .map(|file| file.path())
        .any(|path| path.extension().is_some_and(|end| end == "lock") && !is_free(&path))
}

fn clear(folder: &Path) -> usize {
    let Ok(files) = std::fs::read_dir(folder) else {
        return 0;
    };
    let mut dead = 0;
    for file in files.flatten() {
        let path = file.path();
        if path.extension().is_some_and(|end| end == "lock") && is_free(&path) {
            // Somebody else may have cleared it away already.
            let _ = std::fs::remove_file(path);
            dead += 1;
        }
    }
    dead
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dead_are_known_at_once_and_cleared_away() {
        let folder = tempfile::tempdir().unwrap();
        let take = |name: &str| Ownership::take(folder.path().join("owners"), name.to_owned());
        let owner = |name: &str| take(name).unwrap().0;
        let (first, second) = (owner("a"), owner("b"));
        assert!(!second.is_dead("a") && !first.is_dead("b") && !first.is_dead("a"));
        assert!(first.is_dead("never"));
        // As after a crash: the lock is gone, the file is not.
        std::mem::forget(first.lock.lock().unwrap().take().map(|file| file.unlock()));
        assert!(second.is_dead("a"));
        let file = folder.path().join("owners").join("a.lock");
        assert!(file.exists());
        let (third, dead) = take("c").unwrap();
        assert_eq!(dead, 1);
        assert!(!file.exists());
        drop(second);
        assert!(third.is_dead("b"));
    }
}
