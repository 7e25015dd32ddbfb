//! What only the store on disk can get wrong: its format, damage to it, and what stays after a
//! deletion.

use std::path::Path;

use magi_event::{Body, FinalDecision, Rewind, Sage};
use magi_log::{After, Error, Logs, New, Query, SqliteStore};
use rusqlite::Connection;

use crate::world::*;

fn folder(place: &Place) -> &Path {
    match place {
        Place::Disk(folder) => folder.path(),
        Place::Memory(_) => unreachable!("these tests are of the disk"),
    }
}

fn database(place: &Place) -> Connection {
    Connection::open(folder(place).join("magi.db")).unwrap()
}

/// Two deliberations that are over, of several batches each.
async fn two(place: &Place) -> Logs {
    let logs = place.logs();
    for number in [1, 2] {
        let writer = opened(&logs, number).await;
        for text in ["一", "二", "三"] {
            let seq = writer.append(chunk(Sage::Caspar, text)).unwrap();
            writer.commit(seq).await.unwrap();
        }
        let last = writer.append_all(ending(id(number))).unwrap();
        writer.commit(last).await.unwrap();
    }
    logs
}

#[tokio::test(start_paused = true)]
async fn a_closed_store_has_let_its_files_go_and_opens_them_again() {
    let place = Place::disk();
    let logs = two(&place).await;
    let log = folder(&place).join("magi.db-wal");
    assert!(log.exists(), "its connections are open");
    logs.close().await;
    // SQLite takes the write-ahead log away with the last connection.
    assert!(!log.exists(), "a connection is still open");
    assert_eq!(logs.events(id(2)).await.unwrap().len(), 14);
}

fn refusal(folder: &Path) -> Error {
    SqliteStore::open(folder).unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn a_newer_format_is_refused_and_left_alone() {
    let place = Place::disk();
    two(&place).await;
    let other = database(&place);
    other.pragma_update(None, "user_version", 3).unwrap();
    let newer = Error::Newer { found: 3, known: 2 };
    assert_eq!(refusal(folder(&place)), newer);
    other.pragma_update(None, "user_version", 2).unwrap();
    let (events, _) = to_end(&mut reader(&place.logs(), 2).await).await;
    assert_eq!(events.len(), 14);
}

#[test]
fn what_is_not_our_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("magi.db");
    std::fs::write(&file, "a letter to my mother, nothing else\n".repeat(100)).unwrap();
    let before = std::fs::read(&file).unwrap();
    assert!(matches!(refusal(folder.path()), Error::Open { .. }));
    assert_eq!(std::fs::read(&file).unwrap(), before);
    std::fs::remove_file(&file).unwrap();

    let other = Connection::open(&file).unwrap();
    other.pragma_update(None, "user_version", 7).unwrap();
    other.execute_batch("CREATE TABLE theirs (x)").unwrap();
    let refused = refusal(folder.path()).to_string();
    assert!(refused.contains("another program"), "{refused}");

    let file = folder.path().join("not-a-folder");
    std::fs::write(&file, "").unwrap();
    assert!(matches!(refusal(&file), Error::Open { .. }));
}

#[tokio::test(start_paused = true)]
async fn damage_is_told_with_the_deliberations_id_and_harms_no_other() {
    let wounds = [
        "UPDATE batches SET bytes = CAST(replace(CAST(bytes AS TEXT), '二', '三') AS BLOB) \
         WHERE deliberation = ?1",
        "UPDATE batches SET bytes = CAST(substr(bytes, 1, length(bytes) - 9) AS BLOB) \
         WHERE deliberation = ?1 AND first_seq = 7",
        "UPDATE batches SET checksum = x'00' WHERE deliberation = ?1 AND first_seq = 7",
        "UPDATE batches SET generation = 2 WHERE deliberation = ?1 AND first_seq = 7",
        "DELETE FROM batches WHERE deliberation = ?1 AND first_seq = 1",
        "DELETE FROM batches WHERE deliberation = ?1 AND first_seq = 7",
        "DELETE FROM batches WHERE deliberation = ?1 AND first_seq = 9",
        "DELETE FROM batches WHERE deliberation = ?1",
        "UPDATE batches SET first_seq = 4, last_seq = 4 \
         WHERE deliberation = ?1 AND first_seq = 7",
    ];
    for wound in wounds {
        let place = Place::disk();
        two(&place).await;
        let changed = database(&place).execute(wound, [id(1).to_string()]);
        assert!(changed.unwrap() > 0, "{wound}");
        let logs = place.logs();
        let (_, error) = to_end(&mut reader(&logs, 1).await).await;
        for error in [
            error,
            logs.events(id(1)).await.err(),
            logs.snapshot(id(1)).await.err(),
        ] {
            let Some(Error::Corrupt { id: told, .. }) = error else {
                panic!("{wound}: {error:?}");
            };
            assert_eq!(told, id(1));
        }
        assert_eq!(logs.events(id(2)).await.unwrap().len(), 14);
    }
}

/// The checksums are the events'. What the catalogue says beside them is believed, and believed by nobody who reads the
/// deliberation itself.
#[tokio::test(start_paused = true)]
async fn what_stands_beside_the_events_has_no_checksum_and_the_record_stays_true() {
    let place = Place::disk();
    let logs = two(&place).await;
    let (snapshot, _) = logs.snapshot(id(1)).await.unwrap();
    let events = logs.events(id(1)).await.unwrap();
    let verdict = snapshot.verdict.clone().unwrap().final_decision;
    assert_eq!(verdict, FinalDecision::Approved);
    let wound = "UPDATE deliberations SET title = 'Another', verdict = 'REJECTED', summary = 'No.' \
                 WHERE id = ?1";
    database(&place)
        .execute(wound, [id(1).to_string()])
        .unwrap();
    let logs = place.logs();
    let row = logs.catalogue().get(id(1)).await.unwrap();
    assert_eq!(
        (&*row.title, row.facts.verdict),
        ("Another", Some(FinalDecision::Rejected))
    );
    assert_eq!(logs.snapshot(id(1)).await.unwrap().0, snapshot);
    assert_eq!(logs.events(id(1)).await.unwrap(), events);
}

#[tokio::test(start_paused = true)]
async fn a_cursor_before_what_is_kept_is_told_the_first_that_is() {
    let place = Place::disk();
    two(&place).await;
    let drop_prefix = "DELETE FROM batches WHERE deliberation = ?1 AND last_seq < 7";
    let mark = "UPDATE deliberations SET first_kept = 7 WHERE id = ?1";
    for sql in [drop_prefix, mark] {
        database(&place).execute(sql, [id(1).to_string()]).unwrap();
    }
    let logs = place.logs();
    let gone = Error::Gone {
        first_kept: at(1, 1, 7),
    };
    for after in [After::Start(id(1)), After::Cursor(at(1, 1, 5))] {
        assert_eq!(logs.read(after).await.unwrap_err(), gone);
    }
    let mut rest = logs.read(After::Cursor(at(1, 1, 6))).await.unwrap();
    let (events, error) = to_end(&mut rest).await;
    assert_eq!((events[0].seq, events.len(), error), (7, 8, None));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_question_is_in_no_file() {
    let place = Place::disk();
    let logs = place.logs();
    let secret = "社長の辞任を求めるべきか plutonium";
    let asked = New {
        question: secret.into(),
        context: Some(secret.repeat(300)),
        setup: secret.into(),
        ..new(1)
    };
    whole(&logs, asked).await;
    whole(&logs, new(2)).await;
    let found = |needle: &str| {
        let files = std::fs::read_dir(folder(&place)).unwrap().flatten();
        let files = files.filter(|file| file.file_type().unwrap().is_file());
        let bytes = files.map(|file| std::fs::read(file.path()).unwrap());
        bytes
            .map(|bytes| {
                bytes
                    .windows(needle.len())
                    .filter(|window| *window == needle.as_bytes())
                    .count()
            })
            .sum::<usize>()
    };
    assert!(found("辞任") > 0 && found("plutonium") > 0);
    logs.catalogue().delete(id(1)).await.unwrap();
    for word in ["辞任", "社長", "plutonium", &id(1).to_string()] {
        assert_eq!(found(word), 0, "{word}");
    }
    assert_eq!(logs.events(id(2)).await.unwrap().len(), 11);
}

#[tokio::test(start_paused = true)]
async fn owners_of_the_past_are_forgotten_and_those_of_unfinished_logs_are_not() {
    let place = Place::disk();
    let owners = || {
        let count = "SELECT count(*) FROM owners";
        database(&place).query_row(count, [], |row| row.get::<_, i64>(0))
    };
    let (first, second) = (place.logs(), place.logs());
    whole(&first, new(1)).await;
    let _unfinished = opened(&second, 2).await;
    second.abandon();
    assert_eq!(owners(), Ok(2));
    // The test's clock stands at the first lease; a later one comes with a later clock.
    let later = "UPDATE owners SET lease_until = lease_until - 90000000";
    database(&place).execute(later, []).unwrap();
    let _third = opened(&place.logs(), 3).await;
    assert_eq!(owners(), Ok(2));
    assert!(!place.logs().unfinished().await.unwrap()[0].owner_alive);
}

#[cfg(unix)]
#[tokio::test]
async fn the_folder_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data").join("magi");
    SqliteStore::open(&folder).unwrap();
    let mode = std::fs::metadata(&folder).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0);
}

/// Databases as each version of the format wrote them: every later version must read them.
const FORMATS: [&str; 2] = [
    include_str!("../fixtures/format-1.sql"),
    include_str!("../fixtures/format-2.sql"),
];

#[tokio::test(start_paused = true)]
async fn a_database_of_every_format_is_read() {
    for format in FORMATS {
        reads(format).await;
    }
}

async fn reads(format: &str) {
    let place = Place::disk();
    database(&place).execute_batch(format).unwrap();
    let logs = place.logs();
    let (events, error) = to_end(&mut reader(&logs, 1).await).await;
    assert_eq!((events.len(), error), (12, None));
    assert_eq!(events[5].body, Body::Rewind(Rewind { to: 5 }));
    let query = Query {
        q: Some("移行".into()),
        ..Query::default()
    };
    let found = logs.catalogue().list(query).await.unwrap();
    assert_eq!(found.rows[0].facts.summary.as_deref(), Some("採用する"));
    let keyed = logs.lookup_key("local", "k").await.unwrap().unwrap();
    assert_eq!((keyed.id, keyed.deleted), (id(1), false));
    let unfinished = logs.unfinished().await.unwrap();
    assert_eq!(unfinished[0].id, id(2));
    let taken = logs.take_over(id(2)).await.unwrap();
    assert_eq!((taken.events.len(), &taken.setup[..]), (6, &b"setup 2"[..]));
    // Every step was taken: what later versions added is there.
    let catalogue = logs.catalogue();
    let saved = catalogue.save_preset("x", "{}".into(), None).await;
    assert_eq!(saved.unwrap().version, 1);
    let version = database(&place).pragma_query_value(None, "user_version", |row| row.get(0));
    assert_eq!(version, Ok(2));
}

#[tokio::test]
async fn a_step_that_fails_leaves_the_format_before_it() {
    let place = Place::disk();
    let before = database(&place);
    before.execute_batch(FORMATS[0]).unwrap();
    // Something is in the way of the step's last statement.
    let way = "CREATE TABLE asked_with (x)";
    before.execute_batch(way).unwrap();
    let Place::Disk(folder) = &place else {
        unreachable!()
    };
    let refused = SqliteStore::open(folder.path()).unwrap_err();
    assert!(matches!(refused, Error::Open { .. }), "{refused}");
    let version = before.pragma_query_value(None, "user_version", |row| row.get(0));
    assert_eq!(version, Ok(1));
    let tables = "SELECT count(*) FROM sqlite_schema WHERE name = 'presets'";
    let tables = before.query_row(tables, [], |row| row.get(0));
    assert_eq!(tables, Ok(0), "nothing of it stays");
    before.execute_batch("DROP TABLE asked_with").unwrap();
    SqliteStore::open(folder.path()).unwrap();
}

/// Writes the fixture anew, for a later format: `MAGI_LOG_WRITE_FIXTURE=1`.
#[tokio::test(start_paused = true)]
async fn the_fixture_is_what_is_written_today() {
    let place = Place::disk();
    let logs = place.logs();
    let asked = New {
        key: key("k"),
        ..new(1)
    };
    let (_writer, commit) = logs.create(asked, opening(id(1)));
    commit.await.unwrap();
    let _other = opened(&logs, 2).await;
    logs.abandon();
    let logs = place.logs();
    let taken = logs.take_over(id(1)).await.unwrap();
    let last = taken.writer.append_all(ending(id(1))).unwrap();
    taken.writer.commit(last).await.unwrap();
    drop(logs);

    let written = dump(&database(&place));
    if std::env::var("MAGI_LOG_WRITE_FIXTURE").is_ok() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-2.sql");
        std::fs::write(file, &written).unwrap();
    }
    // Events may gain fields; where they are kept, and what is kept beside them, stays.
    assert_eq!(
        without_events(&written),
        without_events(FORMATS[FORMATS.len() - 1])
    );
}

fn without_events(sql: &str) -> String {
    let lines = sql
        .lines()
        .filter(|line| !line.starts_with("INSERT INTO batches"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The schema and all rows as SQL, with owners' names that are the same each time.
fn dump(database: &Connection) -> String {
    let mut sql = include_str!("../../src/sqlite/schema.sql").to_owned();
    sql.push_str(include_str!("../../src/sqlite/schema-2.sql"));
    for table in ["deliberations", "generations", "batches", "keys", "owners"] {
        let statement = database.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let quoted = statement
            .column_names()
            .map(|name| format!("quote({name})"));
        let values = quoted.collect::<Vec<_>>().join(" || ', ' || ");
        rows(database, table, &values, &mut sql);
    }
    let values = "rowid || ', ' || quote(terms)";
    rows(database, "search (rowid, terms)", values, &mut sql);
    for pragma in ["application_id", "user_version"] {
        let value: i64 = database
            .pragma_query_value(None, pragma, |row| row.get(0))
            .unwrap();
        sql.push_str(&format!("PRAGMA {pragma} = {value};\n"));
    }
    sql
}

fn rows(database: &Connection, into: &str, values: &str, sql: &mut String) {
    let living = "SELECT owner FROM deliberations WHERE over = 0";
    let living: String = database.query_row(living, [], |row| row.get(0)).unwrap();
    let dead = "SELECT owner FROM owners WHERE owner <> ?1";
    let dead: String = database
        .query_row(dead, [&living], |row| row.get(0))
        .unwrap();
    let table = into.split(' ').next().unwrap();
    let mut statement = database
        .prepare(&format!("SELECT {values} FROM {table}"))
        .unwrap();
    let rows = statement
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap();
    let mut rows: Vec<_> = rows
        .map(|row| {
            row.unwrap()
                .replace(&living, "first")
                .replace(&dead, "second")
        })
        .collect();
    rows.sort();
    for row in rows {
        sql.push_str(&format!("INSERT INTO {into} VALUES ({row});\n"));
    }
}
