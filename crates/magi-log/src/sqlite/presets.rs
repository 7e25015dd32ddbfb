//! The presets in SQLite: every version of every name.

use std::collections::BTreeMap;

use magi_event::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::values::{failed, instant, uint, uint32};
use super::write::execute;
use crate::Error;
use crate::store::{PresetVersion, SavePreset, StoredPreset};

/// The columns that [`read`] takes.
const COLUMNS: &str = "name, version, saved_at, deleted_at IS NOT NULL, content";

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<StoredPreset> {
    Ok(StoredPreset {
        name: row.get(0)?,
        version: uint32(row.get(1)?),
        saved_at: instant(row.get(2)?),
        is_deleted: row.get(3)?,
        content: row.get(4)?,
        versions: Vec::new(),
    })
}

/// Reads the newest version of every name that is not deleted, by name.
pub(super) fn all(connection: &Connection) -> Result<Vec<StoredPreset>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM presets WHERE deleted_at IS NULL AND version = \
         (SELECT max(version) FROM presets AS newer WHERE newer.name = presets.name) ORDER BY name"
    );
    let all = || {
        let mut statement = connection.prepare_cached(&sql)?;
        let rows = statement.query_map([], read)?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    };
    all().map_err(failed)
}

/// Reads one version, deleted or not; without a number the newest, if it is not deleted.
pub(super) fn one(
    connection: &Connection,
    name: &str,
    version: Option<u32>,
) -> Result<Option<StoredPreset>, Error> {
    let which = match version {
        Some(_) => "version = ?2",
        None => "?2 IS NULL AND deleted_at IS NULL",
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM presets WHERE name = ?1 AND {which} ORDER BY version DESC LIMIT 1"
    );
    let one = || {
        let mut statement = connection.prepare_cached(&sql)?;
        let found = statement
            .query_row(params![name, version], read)
            .optional()?;
        let Some(mut preset) = found else {
            return Ok(None);
        };
        preset.versions = versions(connection, name)?;
        Ok(Some(preset))
    };
    one().map_err(failed)
}

fn versions(connection: &Connection, name: &str) -> rusqlite::Result<Vec<PresetVersion>> {
    let sql = "SELECT version, saved_at FROM presets WHERE name = ?1 ORDER BY version";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([name], |row| {
        Ok(PresetVersion {
            version: uint32(row.get(0)?),
            saved_at: instant(row.get(1)?),
        })
    })?;
    rows.collect()
}

/// Counts the deliberations by the name of their preset: one walk over an index.
pub(super) fn uses(connection: &Connection) -> Result<BTreeMap<String, u64>, Error> {
    let uses = || {
        let sql = "SELECT preset, count(*) FROM deliberations GROUP BY preset";
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, uint(row.get(1)?))))?;
        rows.collect::<rusqlite::Result<_>>()
    };
    uses().map_err(failed)
}

/// Saves a new version, unless the newest holds the same; see [`crate::Store::save_preset`].
pub(super) fn save(connection: &Connection, save: &SavePreset) -> Result<StoredPreset, Error> {
    let newest = one(connection, &save.name, None)?;
    if let Some(preset) = newest.as_ref()
        && preset.content == save.content
    {
        return Ok(preset.clone());
    }
    let at = newest.map_or(0, |preset| preset.version);
    if save.if_version.is_some_and(|expected| expected != at) {
        return Err(Error::PresetChanged {
            name: save.name.clone(),
            version: at,
        });
    }
    let sql = "INSERT INTO presets (name, version, saved_at, content) VALUES (?1, \
               (SELECT ifnull(max(version), 0) + 1 FROM presets WHERE name = ?1), ?2, ?3)";
    let values = params![save.name, save.at.as_millis(), save.content];
    execute(connection, sql, values).map_err(failed)?;
    one(connection, &save.name, None)?.ok_or_else(|| Error::unavailable("it was not saved"))
}

/// Hides a name; tells whether there was one to hide.
pub(super) fn delete(connection: &Connection, name: &str, at: Timestamp) -> Result<bool, Error> {
    let sql = "UPDATE presets SET deleted_at = ?2 WHERE name = ?1 AND deleted_at IS NULL";
    let hidden = execute(connection, sql, params![name, at.as_millis()]).map_err(failed)?;
    Ok(hidden > 0)
}
