//! The catalogue in SQLite: rows, pages of them, and the search.

use magi_event::DeliberationId;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::values::{FACTS, facts, failed, id as read_id, instant, word};
use super::write::{execute, index};
use crate::catalogue::{Patch, Query, Row, Rows};
use crate::search::Term;
use crate::{Error, Field};

/// The columns before those of `FACTS`; [`read_row`] reads them in this order.
const ASKED: &str = "id, created_at, last_event_at, title, question, lang, preset, \
                     conversation_id, fork_of, my_decision, outcome";

/// How many columns [`ASKED`] names.
const N_ASKED: usize = 11;

fn read_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let fork_of: Option<String> = row.get(8)?;
    Ok(Row {
        id: read_id(row.get_ref(0)?.as_str()?)?,
        created_at: instant(row.get(1)?),
        last_event_at: instant(row.get(2)?),
        title: row.get(3)?,
        question: row.get(4)?,
        lang: row.get(5)?,
        preset: row.get(6)?,
        conversation_id: row.get(7)?,
        fork_of: fork_of.map(|fork| read_id(&fork)).transpose()?,
        my_decision: row.get(9)?,
        outcome: row.get(10)?,
        facts: facts(row, N_ASKED)?,
    })
}

pub(super) fn row(connection: &Connection, id: DeliberationId) -> Result<Row, Error> {
    let sql = format!("SELECT {ASKED}, {FACTS} FROM deliberations WHERE id = ?1");
    let row = connection
        .prepare_cached(&sql)
        .and_then(|mut statement| statement.query_row([id.to_string()], read_row).optional());
    row.map_err(failed)?.ok_or(Error::Unknown(id))
}

pub(super) fn list(connection: &Connection, query: &Query) -> Result<Rows, Error> {
    let (condition, values) = conditions(query);
    let limit = query.limit();
    let sql = format!(
        "SELECT {ASKED}, {FACTS} FROM deliberations WHERE {condition} ORDER BY id DESC LIMIT {}",
        limit + 1
    );
    let read = || {
        let mut statement = connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(values), read_row)?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    };
    let mut rows = read().map_err(failed)?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|row| row.id);
    Ok(Rows { rows, next })
}

/// Returns the WHERE clause of a query and its values. User text is only ever a value.
fn conditions(query: &Query) -> (String, Vec<Value>) {
    let mut parts = vec!["1".to_owned()];
    let mut values = Vec::new();
    let text = |value: &Option<String>| value.clone().map(Value::Text);
    let ms = |at: Option<magi_event::Timestamp>| at.map(|at| Value::Integer(at.as_millis()));
    let plain = [
        ("verdict = ?", text(&query.verdict.and_then(word))),
        ("status = ?", text(&query.status.and_then(word))),
        ("preset = ?", text(&query.preset)),
        ("conversation_id = ?", text(&query.conversation_id)),
        (
            "fork_of = ?",
            query.fork_of.map(|id| Value::Text(id.to_string())),
        ),
        ("created_at >= ?", ms(query.from)),
        ("created_at < ?", ms(query.to)),
        ("id < ?", query.before.map(|id| Value::Text(id.to_string()))),
    ];
    for (part, value) in plain {
        if let Some(value) = value {
            parts.push(part.to_owned());
            values.push(value);
        }
    }
    if let Some(terms) = query.terms() {
        if terms.is_empty() {
            // Only signs that are in no word: nothing is found rather than everything.
            parts.push("0".to_owned());
        }
        for term in terms {
            let rows = "SELECT rowid / 8 FROM search WHERE search MATCH ?";
            parts.push(format!("number IN ({rows})"));
            values.push(Value::Text(expression(&term)));
        }
    }
    (parts.join(" AND "), values)
}

/// Writes a condition in the index's own query language: a quoted phrase, perhaps a prefix.
fn expression(term: &Term) -> String {
    let phrase = term.words.join(" ").replace('"', "\"\"");
    let star = if term.prefix { " *" } else { "" };
    format!("\"{phrase}\"{star}")
}

pub(super) fn patch(
    connection: &Connection,
    id: DeliberationId,
    patch: &Patch,
) -> Result<Row, Error> {
    let text = id.to_string();
    let columns = [
        ("title", patch.title.clone().map(Some)),
        ("my_decision", patch.my_decision.clone()),
        ("outcome", patch.outcome.clone()),
    ];
    let set = || {
        for (column, value) in columns {
            if let Some(value) = value {
                let sql = format!("UPDATE deliberations SET {column} = ?2 WHERE id = ?1");
                execute(connection, &sql, params![text, value])?;
            }
        }
        let sql = "SELECT number FROM deliberations WHERE id = ?1";
        let number = connection.query_row(sql, [&text], |row| row.get(0));
        number.optional()
    };
    let number = set().map_err(failed)?;
    let row = row(connection, id)?;
    if let Some(number) = number {
        index(connection, number, Field::Beside, &row.beside()).map_err(failed)?;
    }
    Ok(row)
}
