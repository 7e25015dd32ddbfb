//! The store on disk: one SQLite database in the data folder.

mod backup;
mod catalogue;
mod damage;
mod owner;
mod presets;
mod queue;
mod read;
mod schema;
mod still;
mod values;
mod write;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use magi_event::{DeliberationId, Timestamp};

pub use self::backup::{Copied, Restored, backup, restore};
use self::damage::Health;
use self::owner::Ownership;
use self::queue::Queue;
use self::read::Pool;
use self::schema::Sight;
use crate::catalogue::{Patch, Query, Row, Rows};
use crate::store::{Head, Keyed, PostedVerb, SavePreset, Store, StoredPreset, Write};
use crate::{Batch, Entropy, Error, SystemEntropy};

/// The database's name in the data folder.
const DATABASE: &str = "magi.db";

/// Where the owners' locked files are.
const OWNERS: &str = "owners";

/// The letters of an owner's name: 60 random bits.
const NAME_LETTERS: usize = 12;

/// Keeps logs in a SQLite database, `magi.db` in the data folder. Several processes may share it.
///
/// What a commit confirmed is on the disk, as far as the disk keeps its word: the database runs
/// with a write-ahead log and `synchronous = FULL`.
pub struct SqliteStore {
    ownership: Arc<Ownership>,
    queue: Queue,
    pool: Pool,
    health: Arc<Health>,
}

impl SqliteStore {
    /// Opens the database in `folder`, creating both as needed. Reads and writes the disk: a few
    /// milliseconds.
    ///
    /// # Errors
    ///
    /// [`Error::Newer`] when a newer version wrote it, [`Error::Open`] when it cannot be opened,
    /// [`Error::ReadOnly`] when it cannot be written, [`Error::Damaged`] when the file is damaged: it
    /// is looked through after an owner has died, and when a copy of a damaged one is kept beside it.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        open_to_write(folder).map_err(|error| match error {
            Error::Open { .. } if still::is_read_only(folder) => still::refuse(folder),
            error => error,
        })
    }

    /// Opens the database in `folder` for reading alone, as a damaged one is opened: what can be read
    /// is, and every write is refused.
    ///
    /// # Errors
    ///
    /// [`Error::Open`] when there is no such folder. Damage is told by the reads that meet it.
    pub fn open_to_read(folder: &Path) -> Result<Self, Error> {
        let (ownership, _) = own(folder)?;
        let refused = Error::Damaged {
            reason: "it is open for reading alone".to_owned(),
        };
        Ok(SqliteStore::refusing(
            folder,
            ownership,
            Sight::Shared,
            refused,
        ))
    }

    /// Opens the database of a folder that cannot be written to: all of it is read, nothing is created,
    /// and every write is refused.
    ///
    /// # Errors
    ///
    /// [`Error::Newer`]; [`Error::Open`] when there is none, or it cannot be read without writing: its
    /// last commits are in a write-ahead log without an index, or it is of an older format.
    pub fn open_read_only(folder: &Path) -> Result<Self, Error> {
        let sight = still::look(folder)?;
        let name = SystemEntropy.tag(NAME_LETTERS);
        let ownership = Ownership::nobody(folder.join(OWNERS), name);
        let refused = still::refuse(folder);
        Ok(SqliteStore::refusing(folder, ownership, sight, refused))
    }

    fn refusing(folder: &Path, ownership: Ownership, sight: Sight, why: Error) -> Self {
        let path = folder.join(DATABASE);
        let health = Arc::new(Health::new(path.clone()));
        SqliteStore {
            ownership: Arc::new(ownership),
            queue: Queue::refusing(path.clone(), why, Arc::clone(&health)),
            pool: Pool::new(path, sight, Arc::clone(&health)),
            health,
        }
    }
}

fn open_to_write(folder: &Path) -> Result<SqliteStore, Error> {
    create_private(folder).map_err(|error| cannot_open(folder, &error))?;
    let path = folder.join(DATABASE);
    let connection = schema::open_writer(&path)?;
    // SQLite opens a file that it may not write for reading, and says nothing.
    if connection.is_readonly("main").unwrap_or(false) {
        return Err(still::refuse(folder));
    }
    let (ownership, dead) = own(folder)?;
    if dead > 0 || damage::is_kept(&path) {
        let found = match damage::look(&connection) {
            Ok(found) => found,
            Err(error) if damage::is_damage(&error) => Some(error.to_string()),
            Err(error) => {
                tracing::warn!(%error, "the store was not looked through");
                None
            }
        };
        if let Some(found) = found {
            damage::leave_alone(&connection);
            return Err(damage::refuse(&path, &found));
        }
    }
    let health = Arc::new(Health::new(path.clone()));
    Ok(SqliteStore {
        ownership: Arc::new(ownership),
        queue: Queue::new(path.clone(), connection, Arc::clone(&health)),
        pool: Pool::new(path, Sight::Shared, Arc::clone(&health)),
        health,
    })
}

/// Makes an owner of the folder, and says how many dead ones it had.
fn own(folder: &Path) -> Result<(Ownership, usize), Error> {
    let name = SystemEntropy.tag(NAME_LETTERS);
    Ownership::take(folder.join(OWNERS), name).map_err(|error| cannot_open(folder, &error))
}

fn cannot_open(folder: &Path, error: &std::io::Error) -> Error {
    if still::is_refusal(error) {
        return still::refuse(folder);
    }
    Error::Open {
        path: folder.display().to_string(),
        reason: error.to_string(),
    }
}

/// Creates the folder for this user alone: questions are nobody else's business.
fn create_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Marks the owners known to be dead.
fn look(ownership: &Ownership, head: &mut Head) {
    if let Some(owner) = &mut head.owner {
        owner.dead = ownership.is_dead(&owner.name);
    }
}

impl Store for SqliteStore {
    fn owner(&self) -> &str {
        self.ownership.name()
    }

    fn damage(&self) -> Option<Error> {
        self.health.known()
    }

    fn write(&self, write: Arc<Write>) -> BoxFuture<'_, Result<(), Error>> {
        let ownership = Arc::clone(&self.ownership);
        let act = move |c: &rusqlite::Connection| write::write(c, ownership.name(), &write);
        self.queue.write(act).boxed()
    }

    fn head(&self, id: DeliberationId) -> BoxFuture<'_, Result<Head, Error>> {
        let ownership = Arc::clone(&self.ownership);
        let read = self.pool.read(move |connection| {
            let mut head = read::head(connection, id)?;
            look(&ownership, &mut head);
            Ok(head)
        });
        read.boxed()
    }

    fn batches(&self, id: DeliberationId, after: u64) -> BoxFuture<'_, Result<Vec<Batch>, Error>> {
        let read = self.pool.read(move |c| read::batches(c, id, after));
        read.boxed()
    }

    fn setup(&self, id: DeliberationId) -> BoxFuture<'_, Result<Bytes, Error>> {
        self.pool.read(move |c| read::setup(c, id)).boxed()
    }

    fn lookup_key(
        &self,
        identity: String,
        key: String,
    ) -> BoxFuture<'_, Result<Option<Keyed>, Error>> {
        let read = self.pool.read(move |c| read::key(c, &identity, &key));
        read.boxed()
    }

    fn unfinished(&self) -> BoxFuture<'_, Result<Vec<Head>, Error>> {
        let ownership = Arc::clone(&self.ownership);
        let read = self.pool.read(move |connection| {
            let mut heads = read::unfinished(connection)?;
            heads.iter_mut().for_each(|head| look(&ownership, head));
            Ok(heads)
        });
        read.boxed()
    }

    fn renew(&self, until: Timestamp) -> BoxFuture<'_, Result<Vec<(DeliberationId, u32)>, Error>> {
        let ownership = Arc::clone(&self.ownership);
        let act = move |c: &rusqlite::Connection| write::renew(c, ownership.name(), until);
        self.queue.write(act).boxed()
    }

    fn release(
        &self,
        id: DeliberationId,
        generation: u32,
        alive: bool,
    ) -> BoxFuture<'_, Result<(), Error>> {
        let ownership = Arc::clone(&self.ownership);
        let release = self.queue.write(move |connection| {
            write::release(connection, ownership.name(), id, generation, alive)
        });
        release.boxed()
    }

    fn resign(&self) {
        self.ownership.resign();
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        let close = async {
            self.pool.close().await;
            self.queue.close().await;
            self.ownership.resign();
        };
        close.boxed()
    }

    fn post(&self, id: DeliberationId, verb: PostedVerb) -> BoxFuture<'_, Result<(), Error>> {
        let act = move |c: &rusqlite::Connection| write::post(c, id, &verb);
        self.queue.write(act).boxed()
    }

    fn take_posted(&self) -> BoxFuture<'_, Result<Vec<(DeliberationId, PostedVerb)>, Error>> {
        let ownership = Arc::clone(&self.ownership);
        let take = async move {
            // Mostly there is nothing, and looking needs no place in the line of writers.
            let any = self.pool.read(read::any_posted).await?;
            if !any {
                return Ok(Vec::new());
            }
            let act = move |c: &rusqlite::Connection| write::take_posted(c, ownership.name());
            self.queue.write(act).await
        };
        take.boxed()
    }

    fn list(&self, query: Query) -> BoxFuture<'_, Result<Rows, Error>> {
        self.pool.read(move |c| catalogue::list(c, &query)).boxed()
    }

    fn row(&self, id: DeliberationId) -> BoxFuture<'_, Result<Row, Error>> {
        self.pool.read(move |c| catalogue::row(c, id)).boxed()
    }

    fn patch(&self, id: DeliberationId, patch: Patch) -> BoxFuture<'_, Result<Row, Error>> {
        let act = move |c: &rusqlite::Connection| catalogue::patch(c, id, &patch);
        self.queue.write(act).boxed()
    }

    fn delete(&self, id: DeliberationId, at: Timestamp) -> BoxFuture<'_, Result<(), Error>> {
        let delete = self.queue.remove(move |c| write::delete(c, id, at));
        delete.boxed()
    }

    fn presets(&self) -> BoxFuture<'_, Result<Vec<StoredPreset>, Error>> {
        self.pool.read(presets::all).boxed()
    }

    fn preset(
        &self,
        name: String,
        version: Option<u32>,
    ) -> BoxFuture<'_, Result<Option<StoredPreset>, Error>> {
        let read = self.pool.read(move |c| presets::one(c, &name, version));
        read.boxed()
    }

    fn preset_uses(&self) -> BoxFuture<'_, Result<BTreeMap<String, u64>, Error>> {
        self.pool.read(presets::uses).boxed()
    }

    fn save_preset(&self, save: SavePreset) -> BoxFuture<'_, Result<StoredPreset, Error>> {
        let save = self.queue.write(move |c| presets::save(c, &save));
        save.boxed()
    }

    fn delete_preset(&self, name: String, at: Timestamp) -> BoxFuture<'_, Result<bool, Error>> {
        let delete = self.queue.write(move |c| presets::delete(c, &name, at));
        delete.boxed()
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore")
            .field("owner", &self.ownership.name())
            .finish_non_exhaustive()
    }
}
