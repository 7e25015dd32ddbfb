//! The writes of a log, each within a transaction of the queue.

use magi_event::{DeliberationId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::values::{failed, id as read_id, int, uint, uint32, word};
use crate::facts::Folding;
use crate::store::{New, Opens, PostedVerb, Write};
use crate::{Batch, Closed, Error, Facts, Field, search};

/// Where a log stands, as far as a write must know.
struct At {
    number: i64,
    generation: u32,
    last_seq: u64,
    owner: Option<String>,
}

/// Makes one write, or finds that it was made before.
pub(super) fn write(connection: &Connection, owner: &str, write: &Write) -> Result<(), Error> {
    let id = write.id.to_string();
    let at = match (at(connection, &id)?, &write.opens) {
        (Some(at), _) => at,
        (None, Some(Opens::New(new))) => create(connection, owner, new)?,
        (None, _) => return Err(Closed::Deleted.into()),
    };
    if at.last_seq >= write.first_seq() && holds(connection, &id, write)? {
        // Of two who take over in the same millisecond, the rewinds are the same to the byte: whose
        // generation it is, only the owner tells.
        let begins = matches!(write.opens, Some(Opens::Again { .. }));
        if begins && at.owner.as_deref() != Some(owner) {
            return Err(Closed::Fenced.into());
        }
        return Ok(());
    }
    if let Some(Opens::Again { last_seq, released }) = write.opens {
        if at.generation + 1 != write.generation || at.last_seq != last_seq {
            return Err(Closed::Fenced.into());
        }
        begin(connection, &id, write, released)?;
    } else if at.generation != write.generation {
        return Err(Closed::Fenced.into());
    }
    if at.last_seq + 1 != write.first_seq() {
        return Err(Error::Corrupt {
            id: write.id,
            what: format!("event {} does not follow", write.first_seq()),
        });
    }
    for batch in &write.batches {
        insert_batch(connection, &id, batch).map_err(failed)?;
    }
    advance(connection, &id, write).map_err(failed)?;
    if write.opens.is_some() {
        let sql = "UPDATE deliberations SET owner = ?2, generation = ?3 WHERE id = ?1";
        execute(connection, sql, params![id, owner, write.generation]).map_err(failed)?;
        lease(connection, owner, write.lease_until).map_err(failed)?;
        forget_owners(connection, write.lease_until).map_err(failed)?;
    }
    for (field, text) in &write.change.texts {
        index(connection, at.number, *field, text).map_err(failed)?;
    }
    if let Some(facts) = &write.change.facts {
        set_facts(connection, &id, facts).map_err(failed)?;
    }
    Ok(())
}

fn at(connection: &Connection, id: &str) -> Result<Option<At>, Error> {
    let sql = "SELECT number, generation, last_seq, owner FROM deliberations WHERE id = ?1";
    let read = |row: &rusqlite::Row<'_>| {
        Ok(At {
            number: row.get(0)?,
            generation: uint32(row.get(1)?),
            last_seq: uint(row.get(2)?),
            owner: row.get(3)?,
        })
    };
    let found = connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_row([id], read).optional());
    found.map_err(failed)
}

fn create(connection: &Connection, owner: &str, new: &New) -> Result<At, Error> {
    let id = new.id.to_string();
    if let Some(key) = &new.key {
        let sql = "INSERT INTO keys (identity, key, deliberation, body_sha256) \
                   VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
        let values = params![key.identity, key.key, id, key.body_sha256];
        if execute(connection, sql, values).map_err(failed)? == 0 {
            return Err(Closed::KeyTaken.into());
        }
    }
    insert_new(connection, owner, &id, new).map_err(failed)?;
    let number = connection.last_insert_rowid();
    let first = "INSERT INTO generations VALUES (?1, 1, 1, 0, 0)";
    execute(connection, first, [&id]).map_err(failed)?;
    let texts = [
        (Field::Question, Some(&new.question)),
        (Field::Context, new.context.as_ref()),
        (Field::Beside, Some(&new.title)),
    ];
    for (field, text) in texts {
        if let Some(text) = text {
            index(connection, number, field, text).map_err(failed)?;
        }
    }
    Ok(At {
        number,
        generation: 1,
        last_seq: 0,
        owner: Some(owner.to_owned()),
    })
}

fn insert_new(
    connection: &Connection,
    owner: &str,
    id: &str,
    new: &New,
) -> rusqlite::Result<usize> {
    let sql = "INSERT INTO deliberations (id, created_at, setup, title, question, lang, preset, \
               conversation_id, fork_of, status, over, generation, first_kept, last_seq, \
               last_event_at, owner) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, 1, 1, 0, ?2, ?11)";
    let values = params![
        id,
        new.id.created_at().as_millis(),
        &new.setup[..],
        new.title,
        new.question,
        new.lang,
        new.preset,
        new.conversation_id,
        new.fork_of.map(|fork| fork.to_string()),
        Folding::default().facts().status.word(),
        owner,
    ];
    execute(connection, sql, values)
}

/// Tells whether this very write was made before and only its answer was lost.
fn holds(connection: &Connection, id: &str, write: &Write) -> Result<bool, Error> {
    let sql = "SELECT 1 FROM batches WHERE deliberation = ?1 AND first_seq = ?2 AND last_seq = ?3 \
               AND generation = ?4 AND checksum = ?5";
    for batch in &write.batches {
        let values = params![
            id,
            int(batch.first_seq),
            int(batch.last_seq),
            batch.generation,
            batch.checksum
        ];
        let found = connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.exists(values));
        if !found.map_err(failed)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn begin(connection: &Connection, id: &str, write: &Write, released: bool) -> Result<(), Error> {
    if released {
        let sql = "UPDATE generations SET released = 1 WHERE deliberation = ?1 AND generation = ?2";
        execute(connection, sql, params![id, write.generation - 1]).map_err(failed)?;
    }
    let sql = "INSERT INTO generations VALUES (?1, ?2, ?3, 0, 0)";
    let values = params![id, write.generation, int(write.first_seq())];
    execute(connection, sql, values).map_err(failed)?;
    Ok(())
}

fn insert_batch(connection: &Connection, id: &str, batch: &Batch) -> rusqlite::Result<usize> {
    let sql = "INSERT INTO batches VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let values = params![
        id,
        int(batch.first_seq),
        int(batch.last_seq),
        batch.generation,
        batch.checksum,
        &batch.bytes[..],
    ];
    execute(connection, sql, values)
}

fn advance(connection: &Connection, id: &str, write: &Write) -> rusqlite::Result<()> {
    let sql = "UPDATE deliberations SET last_seq = ?2, last_event_at = ?3 WHERE id = ?1";
    let values = params![id, int(write.last_seq()), write.last_event_at.as_millis()];
    execute(connection, sql, values)?;
    if write.change.progress {
        let sql = "UPDATE generations SET progress = 1 WHERE deliberation = ?1 AND generation = ?2";
        execute(connection, sql, params![id, write.generation])?;
    }
    Ok(())
}

fn set_facts(connection: &Connection, id: &str, facts: &Facts) -> rusqlite::Result<()> {
    let sql = "UPDATE deliberations SET status = ?2, mode = ?3, verdict = ?4, approved = ?5, \
               rejected = ?6, abstained = ?7, overruled = ?8, summary = ?9, usage = ?10, \
               cost_usd = ?11 WHERE id = ?1";
    let usage = facts
        .usage
        .and_then(|usage| serde_json::to_string(&usage).ok());
    let values = params![
        id,
        facts.status.word(),
        word(facts.mode),
        word(facts.verdict),
        facts.votes.map(|votes| votes.approved),
        facts.votes.map(|votes| votes.rejected),
        facts.votes.map(|votes| votes.abstained),
        facts.overruled,
        facts.summary,
        usage,
        facts.cost_usd,
    ];
    execute(connection, sql, values)?;
    if facts.status.is_over() {
        let sql = "UPDATE deliberations SET over = 1, owner = NULL WHERE id = ?1";
        execute(connection, sql, [id])?;
        let sql = "UPDATE generations SET released = 1 WHERE deliberation = ?1 AND generation = \
                   (SELECT generation FROM deliberations WHERE id = ?1)";
        execute(connection, sql, [id])?;
        execute(
            connection,
            "DELETE FROM posted WHERE deliberation = ?1",
            [id],
        )?;
    }
    Ok(())
}

/// Replaces what the index knows of one field.
pub(super) fn index(
    connection: &Connection,
    number: i64,
    field: Field,
    text: &str,
) -> rusqlite::Result<()> {
    let row = number * i64::from(Field::COUNT) + i64::from(field.index());
    execute(connection, "DELETE FROM search WHERE rowid = ?1", [row])?;
    let terms = search::terms(text);
    if !terms.is_empty() {
        let sql = "INSERT INTO search (rowid, terms) VALUES (?1, ?2)";
        execute(connection, sql, params![row, terms.join(" ")])?;
    }
    Ok(())
}

/// Lengthens a lease and lists what its owner still owns.
pub(super) fn renew(
    connection: &Connection,
    owner: &str,
    until: Timestamp,
) -> Result<Vec<(DeliberationId, u32)>, Error> {
    lease(connection, owner, until).map_err(failed)?;
    let owned = || {
        let sql = "SELECT id, generation FROM deliberations WHERE owner = ?1";
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement.query_map([owner], |row| {
            Ok((read_id(row.get_ref(0)?.as_str()?)?, uint32(row.get(1)?)))
        })?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    };
    owned().map_err(failed)
}

fn lease(connection: &Connection, owner: &str, until: Timestamp) -> rusqlite::Result<usize> {
    let sql = "INSERT INTO owners VALUES (?1, ?2) \
               ON CONFLICT DO UPDATE SET lease_until = excluded.lease_until";
    execute(connection, sql, params![owner, until.as_millis()])
}

/// Forgets the owners of the past: those who own nothing and whose lease ended a day ago.
fn forget_owners(connection: &Connection, now: Timestamp) -> rusqlite::Result<usize> {
    const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
    let sql = "DELETE FROM owners WHERE lease_until < ?1 AND NOT EXISTS \
               (SELECT 1 FROM deliberations WHERE deliberations.owner = owners.owner)";
    execute(connection, sql, [now.plus_millis(-DAY_MS).as_millis()])
}

/// Gives a log up, if it is still this owner's.
pub(super) fn release(
    connection: &Connection,
    owner: &str,
    id: DeliberationId,
    generation: u32,
    alive: bool,
) -> Result<(), Error> {
    let id = id.to_string();
    let sql = "UPDATE deliberations SET owner = NULL \
               WHERE id = ?1 AND generation = ?2 AND owner = ?3";
    let mine = execute(connection, sql, params![id, generation, owner]).map_err(failed)?;
    if mine == 1 && alive {
        let sql = "UPDATE generations SET released = 1 WHERE deliberation = ?1 AND generation = ?2";
        execute(connection, sql, params![id, generation]).map_err(failed)?;
    }
    Ok(())
}

pub(super) fn post(
    connection: &Connection,
    id: DeliberationId,
    verb: &PostedVerb,
) -> Result<(), Error> {
    let text = id.to_string();
    let sql = "SELECT over FROM deliberations WHERE id = ?1";
    let over = connection
        .query_row(sql, [&text], |row| row.get::<_, bool>(0))
        .optional();
    match over.map_err(failed)? {
        None => return Err(Error::Unknown(id)),
        Some(true) => return Err(Error::Over(id)),
        Some(false) => {}
    }
    let sql = "INSERT INTO posted (deliberation, verb) VALUES (?1, ?2)";
    execute(connection, sql, params![text, &verb.0[..]]).map_err(failed)?;
    Ok(())
}

pub(super) fn take_posted(
    connection: &Connection,
    owner: &str,
) -> Result<Vec<(DeliberationId, PostedVerb)>, Error> {
    let take = || {
        let sql = "DELETE FROM posted WHERE deliberation IN \
                   (SELECT id FROM deliberations WHERE owner = ?1) \
                   RETURNING number, deliberation, verb";
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement.query_map([owner], |row| {
            let verb = PostedVerb(row.get_ref(2)?.as_blob()?.to_vec().into());
            Ok((
                row.get::<_, i64>(0)?,
                read_id(row.get_ref(1)?.as_str()?)?,
                verb,
            ))
        })?;
        // RETURNING promises no order.
        let mut taken: Vec<_> = rows.collect::<rusqlite::Result<_>>()?;
        taken.sort_by_key(|(number, _, _)| *number);
        Ok(taken.into_iter().map(|(_, id, verb)| (id, verb)).collect())
    };
    take().map_err(failed)
}

/// Deletes all that is known of a deliberation, except that its key was used.
pub(super) fn delete(
    connection: &Connection,
    id: DeliberationId,
    now: Timestamp,
) -> Result<(), Error> {
    let text = id.to_string();
    let number = at(connection, &text)?.ok_or(Error::Unknown(id))?.number;
    let delete = || {
        for table in ["batches", "generations", "posted"] {
            let sql = format!("DELETE FROM {table} WHERE deliberation = ?1");
            execute(connection, &sql, [&text])?;
        }
        let first = number * i64::from(Field::COUNT);
        let sql = "DELETE FROM search WHERE rowid BETWEEN ?1 AND ?2";
        execute(
            connection,
            sql,
            [first, first + i64::from(Field::COUNT) - 1],
        )?;
        execute(
            connection,
            "DELETE FROM deliberations WHERE id = ?1",
            [&text],
        )?;
        let sql = "UPDATE keys SET deleted_at = ?2 WHERE deliberation = ?1";
        execute(connection, sql, params![text, now.as_millis()])
    };
    delete().map(|_| ()).map_err(failed)
}

pub(super) fn execute(
    connection: &Connection,
    sql: &str,
    values: impl rusqlite::Params,
) -> rusqlite::Result<usize> {
    connection.prepare_cached(sql)?.execute(values)
}
