//! The reads of a log, on connections that can do nothing else.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use magi_event::{DeliberationId, Status};
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::Semaphore;

use super::damage::Health;
use super::schema::{self, Sight};
use super::values::{failed, id as read_id, instant, int, read_word, uint, uint32};
use crate::batch::PAGE_EVENTS;
use crate::store::{Generation, Head, Keyed, Owner};
use crate::{Batch, Error};

/// The most reads at a time; more wait. SQLite reads one page of events in well under a millisecond.
const READERS: usize = 4;

/// A few connections for reading, opened when they are first needed.
pub(super) struct Pool {
    path: PathBuf,
    sight: Sight,
    health: Arc<Health>,
    idle: Arc<Mutex<Vec<Connection>>>,
    turns: Arc<Semaphore>,
}

impl Pool {
    pub(super) fn new(path: PathBuf, sight: Sight, health: Arc<Health>) -> Self {
        Pool {
            path,
            sight,
            health,
            idle: Arc::default(),
            turns: Arc::new(Semaphore::new(READERS)),
        }
    }

    /// Does `act` off the async threads, on one state of the database.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(Error::unavailable)?;
        let (path, idle) = (self.path.clone(), Arc::clone(&self.idle));
        let (sight, health) = (self.sight, Arc::clone(&self.health));
        let task = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = kept.map_or_else(|| schema::open_reader(&path, sight), Ok);
            let connection = connection.map_err(|error| health.note(error))?;
            let answer = connection
                .unchecked_transaction()
                .map_err(failed)
                .and_then(|state| act(&state))
                .map_err(|error| health.note(error));
            // One that failed is closed: the next read opens the file anew.
            if !matches!(answer, Err(Error::Unavailable { .. })) {
                let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
                idle.push(connection);
            }
            answer
        });
        task.await.map_err(Error::unavailable)?
    }

    /// Waits for the reads under way and closes every connection; the next read opens one anew.
    pub(super) async fn close(&self) {
        let most = u32::try_from(READERS).unwrap_or(u32::MAX);
        let turns = Arc::clone(&self.turns).acquire_many_owned(most).await;
        let idle = Arc::clone(&self.idle);
        let close = tokio::task::spawn_blocking(move || {
            let connections =
                std::mem::take(&mut *idle.lock().unwrap_or_else(PoisonError::into_inner));
            drop(connections);
            drop(turns);
        });
        // It only fails when the process is ending, which closes them too.
        let _ = close.await;
    }
}

/// Reads where a log stands; whether its owner is dead is for the caller to find out.
pub(super) fn head(connection: &Connection, id: DeliberationId) -> Result<Head, Error> {
    let text = id.to_string();
    let row = connection
        .prepare_cached(&format!("{HEAD} WHERE id = ?1"))
        .and_then(|mut statement| statement.query_row([&text], read_head).optional());
    let mut head = row.map_err(failed)?.ok_or(Error::Unknown(id))?;
    head.generations = generations(connection, &text).map_err(failed)?;
    Ok(head)
}

/// Reads where every log stands that has no last event, oldest first.
pub(super) fn unfinished(connection: &Connection) -> Result<Vec<Head>, Error> {
    let read = || {
        let mut statement =
            connection.prepare_cached(&format!("{HEAD} WHERE over = 0 ORDER BY id"))?;
        let heads = statement.query_map([], read_head)?;
        let mut heads: Vec<Head> = heads.collect::<rusqlite::Result<_>>()?;
        for head in &mut heads {
            head.generations = generations(connection, &head.id.to_string())?;
        }
        Ok(heads)
    };
    read().map_err(failed)
}

const HEAD: &str = "SELECT id, last_seq, status, last_event_at, first_kept, deliberations.owner, \
                    lease_until FROM deliberations LEFT JOIN owners \
                    ON owners.owner = deliberations.owner";

fn read_head(row: &rusqlite::Row<'_>) -> rusqlite::Result<Head> {
    let lease_until: Option<i64> = row.get(6)?;
    let owner = row.get::<_, Option<String>>(5)?.map(|name| Owner {
        name,
        lease_until: instant(lease_until.unwrap_or(0)),
        dead: false,
    });
    Ok(Head {
        id: read_id(row.get_ref(0)?.as_str()?)?,
        last_seq: uint(row.get(1)?),
        status: read_word(row.get(2)?).unwrap_or(Status::Failed),
        last_event_at: instant(row.get(3)?),
        first_kept: uint(row.get(4)?),
        generations: Vec::new(),
        owner,
    })
}

fn generations(connection: &Connection, id: &str) -> rusqlite::Result<Vec<Generation>> {
    let sql = "SELECT generation, first_seq, progress, released FROM generations \
               WHERE deliberation = ?1 ORDER BY generation";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([id], |row| {
        Ok(Generation {
            number: uint32(row.get(0)?),
            first_seq: uint(row.get(1)?),
            progress: row.get(2)?,
            released: row.get(3)?,
        })
    })?;
    rows.collect()
}

/// Reads the batches from the one that holds the event after `after`, up to a page of events.
pub(super) fn batches(
    connection: &Connection,
    id: DeliberationId,
    after: u64,
) -> Result<Vec<Batch>, Error> {
    let next = after.saturating_add(1);
    let end = after.saturating_add(PAGE_EVENTS as u64);
    let text = id.to_string();
    let read = || {
        // The batch that holds `next` begins at or before it.
        let sql = "SELECT first_seq, last_seq, generation, checksum, bytes FROM batches \
                   WHERE deliberation = ?1 AND last_seq >= ?2 AND first_seq <= ?3 \
                   AND first_seq >= ifnull((SELECT max(first_seq) FROM batches \
                                            WHERE deliberation = ?1 AND first_seq <= ?2), 0) \
                   ORDER BY first_seq";
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![text, int(next), int(end)], |row| {
            let checksum = row.get_ref(3)?.as_blob()?;
            Ok(Batch {
                first_seq: uint(row.get(0)?),
                last_seq: uint(row.get(1)?),
                generation: uint32(row.get(2)?),
                // One of another length matches nothing.
                checksum: checksum.try_into().unwrap_or_default(),
                bytes: Bytes::copy_from_slice(row.get_ref(4)?.as_blob()?),
            })
        })?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    };
    let batches = read().map_err(failed)?;
    if batches.is_empty() {
        let sql = "SELECT 1 FROM deliberations WHERE id = ?1";
        let known = connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.exists([&text]));
        if !known.map_err(failed)? {
            return Err(Error::Unknown(id));
        }
    }
    Ok(batches)
}

pub(super) fn setup(connection: &Connection, id: DeliberationId) -> Result<Bytes, Error> {
    let sql = "SELECT setup FROM deliberations WHERE id = ?1";
    let setup = connection
        .query_row(sql, [id.to_string()], |row| row.get::<_, Vec<u8>>(0))
        .optional();
    let setup = setup.map_err(failed)?.ok_or(Error::Unknown(id))?;
    Ok(setup.into())
}

pub(super) fn key(
    connection: &Connection,
    identity: &str,
    key: &str,
) -> Result<Option<Keyed>, Error> {
    let sql = "SELECT deliberation, body_sha256, deleted_at IS NOT NULL FROM keys \
               WHERE identity = ?1 AND key = ?2";
    let keyed = connection.query_row(sql, [identity, key], |row| {
        Ok(Keyed {
            id: read_id(row.get_ref(0)?.as_str()?)?,
            body_sha256: row.get(1)?,
            deleted: row.get(2)?,
        })
    });
    keyed.optional().map_err(failed)
}

/// Tells whether any verb waits for anybody.
pub(super) fn any_posted(connection: &Connection) -> Result<bool, Error> {
    let any = connection
        .prepare_cached("SELECT 1 FROM posted LIMIT 1")
        .and_then(|mut statement| statement.exists([]));
    any.map_err(failed)
}
