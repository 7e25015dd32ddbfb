//! The corpus: stores as every version of the stored format wrote them, which every later version must
//! open, fold to the same, and go on with.
//!
//! `tests/corpus/README.md` says what is in an entry and how a new one is made.

#![cfg(test)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use magi_council::{Ask, CouncilPatch, Door, Engine, Fork, Limits, Rejudge, Rooms, Told};
use magi_event::check::Mode;
use magi_event::{Agent, Body, DeliberationId, Event, Sage, Snapshot, Status};
use magi_log::{Env, Logs, Options, Patch, Query, SeededEntropy, SqliteStore, Store};
use magi_model::{Prices, Provider, Registry};
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use crate::script::{Lines, Script, Scripted, check_log, read};

/// The folder of the entries.
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");

/// A process on a data folder.
struct House {
    store: Arc<SqliteStore>,
    engine: Engine,
}

impl House {
    fn on(folder: &Path, clock: &Env, seed: u64, lines: Lines) -> House {
        let env = Env {
            clock: Arc::clone(&clock.clock),
            entropy: Arc::new(SeededEntropy::new(seed)),
        };
        let store = Arc::new(SqliteStore::open(folder).unwrap());
        let logs = Logs::new(
            Arc::clone(&store) as Arc<dyn Store>,
            env.clone(),
            Options::default(),
        );
        let engine = Engine::new(Rooms {
            logs,
            models: Registry::default().with(Scripted::new("script", lines) as Arc<dyn Provider>),
            env,
            limits: Limits::default(),
            prices: Prices::default(),
            settings: CouncilPatch::default().with_model(&"script:one".parse().unwrap()),
            state_key: None,
        });
        House { store, engine }
    }

    async fn ask(&self, body: &Value) -> DeliberationId {
        let door = Door {
            identity: "local".into(),
            ..Door::default()
        };
        let ask = Ask::read(body, &door).unwrap();
        self.engine.ask(ask).await.unwrap().id
    }

    /// Reads a log to its last event, and checks it.
    async fn end_of(&self, id: DeliberationId) {
        let log = read(self.engine.logs(), id).await.expect("it ends");
        check_log(&log, Mode::Reader, true);
    }

    /// Stops as a process that is asked to.
    async fn shut(self) {
        self.engine.shutdown(Duration::ZERO).await;
        self.store.close().await;
    }

    /// Ends as a process that is killed.
    async fn die(self) {
        self.engine.logs().abandon();
        self.store.close().await;
    }
}

/// What the councils of the corpus say.
const FINE: &str = "
caspar: +0.1 text Good. | usage 100 20 | vote APPROVED Caspar's word.
balthasar: +0.2 think Hm. | text Kind. | tail APPROVED Balthasar's word.
melchior: +0.3 text True. | json REJECTED Melchior's word.
solomon: +0.1 text Weighed. | verdict APPROVED Solomon's word.
";

const CLASSIC: &str = "
body: {\"preset\": \"classic\", \"context\": \"費用は月3万円。\", \"lang\": \"ja\"}
question: 移行計画を進めるべきか？
caspar: +0.1 text よい案です。 | vote APPROVED 安全です。
balthasar: +0.2 text 人にやさしい。 | vote APPROVED 歓迎されます。
melchior: +0.3 text 証拠が足りない。 | vote REJECTED 測っていません。
solomon: +0.1 text 重みを量りました。 | verdict REJECTED 証拠が先です。
";

const DEGRADED: &str = "
caspar: fail unauthorised
balthasar: +0.1 text Kind. | vote APPROVED Balthasar's word.
melchior: +0.2 text True. | vote APPROVED Melchior's word.
solomon: +0.1 text Weighed. | verdict APPROVED Solomon's word.
";

const FAILED: &str = "
caspar: fail unauthorised
balthasar: fail bad_request
melchior: fail not_found
";

const SLOW: &str = "
caspar: +0.1 text Good. | vote APPROVED Caspar's word.
balthasar: +0.1 text Kind | +10 vote APPROVED Balthasar's word.
melchior: +0.1 text True | +10 vote REJECTED Melchior's word.
solomon: +1 text Weighed. | verdict APPROVED Solomon's word.
";

/// Everybody is told, asked again, held, and the judge judges twice.
const TOLD: &str = "
caspar: +1 text Good. | +1 vote APPROVED Caspar's word.
balthasar: +1 text Kind. | +9 vote APPROVED Balthasar's word.
melchior: +1 text True. | +7 vote REJECTED Melchior's word.
caspar: +1 text Again | +1 vote REJECTED Caspar's second word.
caspar: +1 text Well | +1 vote APPROVED Caspar's third word.
balthasar: +1 text Again | +1 vote APPROVED Balthasar's second word.
melchior: +1 text Again | +1 fail bad_request
solomon: +20 text Too late
solomon: +4 text Two against one. | +2 verdict APPROVED Solomon's word.
";

/// What everybody says who is asked by a later version.
fn later() -> Lines {
    let mut lines = Lines::default();
    for agent in Agent::ALL {
        let line = match agent {
            Agent::Sage(_) => "+0.1 text Later. | vote APPROVED After the restart.",
            Agent::Judge => "+0.1 text Later. | verdict REJECTED After the restart.",
        };
        (0..8).for_each(|_| lines.add(agent, line));
    }
    lines
}

/// Makes the deliberations of an entry, and says what each is.
async fn make(folder: &Path) -> Vec<(&'static str, DeliberationId)> {
    let clock = Env::seeded(0);
    let script = |text: &str| Script::read(text);
    let mut made = Vec::new();
    for (seed, (what, text)) in [
        ("finished", FINE),
        ("classic", CLASSIC),
        ("degraded", DEGRADED),
        ("failed", FAILED),
        ("cancelled", SLOW),
        ("told", TOLD),
    ]
    .into_iter()
    .enumerate()
    {
        let script = script(text);
        let house = House::on(folder, &clock, seed as u64 + 1, script.lines);
        let mut body = script.body;
        body["idempotency_key"] = json!(what);
        let id = house.ask(&body).await;
        match what {
            "cancelled" => {
                sleep(Duration::from_secs(2)).await;
                house.engine.stop(id, None, "user").await.unwrap();
            }
            "told" => tell(&house.engine, id).await,
            _ => {}
        }
        house.end_of(id).await;
        if what == "finished" {
            let patch = Patch {
                title: Some("The first of the corpus".into()),
                my_decision: Some(Some("Go.".into())),
                outcome: Some(Some("It went well.".into())),
            };
            let catalogue = house.engine.logs().catalogue();
            catalogue.patch(id, patch).await.unwrap();
            let wish = Rejudge {
                times: 1,
                ..Rejudge::default()
            };
            let linked = house.engine.rejudge(id, &wish, None).await;
            // The script has no line for the second judgment: the votes alone count in it.
            let linked = linked.unwrap()[0].id;
            house.end_of(linked).await;
            made.push(("rejudged", linked));
        }
        house.shut().await;
        made.push((what, id));
    }
    made.extend(make_unfinished(folder, &clock).await);
    made
}

/// Says every verb.
async fn tell(engine: &Engine, id: DeliberationId) {
    let (told, second) = (Told::by("user"), Duration::from_secs(1));
    let caspar = Some(Sage::Caspar.into());
    sleep(second * 3).await;
    engine.retry(id, caspar, None, told).await.unwrap();
    sleep(second).await;
    let note = engine.note(id, None, "It is Friday.", told);
    assert!(note.await.unwrap().changed);
    sleep(second).await;
    engine.pause(id, told).await.unwrap();
    sleep(second * 10).await;
    engine.resume(id, told).await.unwrap();
    sleep(second * 6).await;
    engine
        .retry(id, Some(Agent::Judge), None, told)
        .await
        .unwrap();
}

/// Makes one that went on after a crash, one that is paused, and last one that runs when all dies.
async fn make_unfinished(folder: &Path, clock: &Env) -> Vec<(&'static str, DeliberationId)> {
    let slow = || Script::read(SLOW);
    let two = Duration::from_secs(2);
    let house = House::on(folder, clock, 21, slow().lines);
    let rewound = house.ask(&slow().body).await;
    sleep(two).await;
    house.die().await;
    let house = House::on(folder, clock, 22, later());
    assert_eq!(house.engine.recover().await.unwrap().resumed, [rewound]);
    house.end_of(rewound).await;
    house.shut().await;

    let house = House::on(folder, clock, 23, slow().lines);
    let paused = house.ask(&slow().body).await;
    sleep(two).await;
    let told = Told::by("user");
    assert!(house.engine.pause(paused, told).await.unwrap().changed);
    sleep(two * 10).await;
    house.shut().await;

    let house = House::on(folder, clock, 24, slow().lines);
    let crashed = house.ask(&slow().body).await;
    sleep(two).await;
    house.die().await;
    vec![
        ("rewound", rewound),
        ("paused", paused),
        ("crashed", crashed),
    ]
}

fn as_json(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

/// Writes an entry down: the store, each log as it is exported, and what each folds to.
async fn write(entry: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let made = make(folder.path()).await;
    std::fs::create_dir_all(entry).unwrap();
    let house = House::on(folder.path(), &Env::seeded(0), 31, Lines::default());
    let logs = house.engine.logs().clone();
    let mut expected = Map::new();
    for (what, id) in made {
        let (snapshot, cursor) = logs.snapshot(id).await.unwrap();
        let row = logs.catalogue().get(id).await.unwrap();
        let mut lines = Vec::new();
        for event in logs.events(id).await.unwrap() {
            lines.extend(event.to_json());
            lines.push(b'\n');
        }
        std::fs::write(entry.join(format!("{what}.ndjson")), lines).unwrap();
        let told = json!({
            "id": id,
            "cursor": cursor,
            "title": row.title,
            "preset": row.preset,
            "my_decision": row.my_decision,
            "outcome": row.outcome,
            "snapshot": as_json(&snapshot),
        });
        expected.insert(what.to_owned(), told);
    }
    let text = serde_json::to_string_pretty(&Value::Object(expected)).unwrap();
    std::fs::write(entry.join("expected.json"), text + "\n").unwrap();
    // Nobody reads any more, so the write-ahead log goes into the database.
    house.die().await;
    std::fs::copy(folder.path().join("magi.db"), entry.join("magi.db")).unwrap();
    assert!(!folder.path().join("magi.db-wal").exists());
}

/// Tells where `found` is not what `expected` says; what `found` has beside is no difference, since a
/// later version may tell more.
fn difference(expected: &Value, found: &Value, path: &str) -> Option<String> {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            expected.iter().find_map(|(name, value)| {
                let path = format!("{path}.{name}");
                match found.get(name) {
                    Some(found) => difference(value, found, &path),
                    None => Some(format!("{path} is gone")),
                }
            })
        }
        (Value::Array(all), Value::Array(found)) if all.len() == found.len() => {
            let pairs = all.iter().zip(found).enumerate();
            pairs
                .map(|(at, (expected, found))| (format!("{path}[{at}]"), expected, found))
                .find_map(|(path, expected, found)| difference(expected, found, &path))
        }
        _ if expected == found => None,
        _ => Some(format!("{path} is {found}, not {expected}")),
    }
}

/// Returns every entry, oldest first.
fn entries() -> Vec<PathBuf> {
    let found = std::fs::read_dir(CORPUS).unwrap();
    let mut entries: Vec<_> = found
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    entries.sort();
    entries
}

fn expected(entry: &Path) -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(entry.join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn id_of(told: &Value) -> DeliberationId {
    told["id"].as_str().unwrap().parse().unwrap()
}

/// Copies an entry's store into a folder of its own.
fn copy(entry: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(entry.join("magi.db"), folder.path().join("magi.db")).unwrap();
    folder
}

#[tokio::test(start_paused = true)]
async fn every_store_of_the_corpus_opens_and_folds_to_what_it_said() {
    if let Some(name) = std::env::var_os("MAGI_CORPUS") {
        write(&Path::new(CORPUS).join(name)).await;
    }
    assert!(!entries().is_empty());
    for entry in entries() {
        let folder = copy(&entry);
        let house = House::on(folder.path(), &Env::seeded(0), 41, Lines::default());
        let logs = house.engine.logs();
        let expected = expected(&entry);
        for (what, told) in &expected {
            let at = format!("{} {what}", entry.display());
            let id = id_of(told);
            let (snapshot, cursor) = logs.snapshot(id).await.unwrap();
            assert_eq!(as_json(&cursor), told["cursor"], "{at}");
            let difference = difference(&told["snapshot"], &as_json(&snapshot), "snapshot");
            assert_eq!(difference, None, "{at}");
            let row = logs.catalogue().get(id).await.unwrap();
            let kept = json!([row.title, row.preset, row.my_decision, row.outcome]);
            let said = ["title", "preset", "my_decision", "outcome"].map(|name| &told[name]);
            assert_eq!(kept, json!(said), "{at}");

            // The exported log is the stored one, and folds to the same.
            let lines = std::fs::read_to_string(entry.join(format!("{what}.ndjson"))).unwrap();
            let events = lines
                .lines()
                .map(|line| Event::from_json(line.as_bytes()).unwrap());
            let events: Vec<Event> = events.collect();
            assert_eq!(events, logs.events(id).await.unwrap(), "{at}");
            assert_eq!(Snapshot::fold(id, &events), snapshot, "{at}");
        }
        let rows = logs.catalogue().list(Query::default()).await.unwrap().rows;
        assert_eq!(rows.len(), expected.len(), "nothing else is in it");
        let query = Query {
            q: Some("移行計画".into()),
            ..Query::default()
        };
        let found = logs.catalogue().list(query).await.unwrap().rows;
        assert_eq!(
            found[0].id,
            id_of(&expected["classic"]),
            "it is found by its words"
        );
        house.shut().await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_store_of_the_corpus_goes_on() {
    for entry in entries() {
        let folder = copy(&entry);
        let expected = expected(&entry);
        let house = House::on(folder.path(), &Env::seeded(0), 42, later());
        let engine = &house.engine;
        let id = |what: &str| id_of(&expected[what]);

        // What ran when all died goes on, and keeps the vote that was cast.
        let recovered = engine.recover().await.unwrap();
        let mut resumed = recovered.resumed;
        resumed.sort();
        let mut unfinished = [id("paused"), id("crashed")];
        unfinished.sort();
        assert_eq!(resumed, unfinished, "{}", entry.display());
        house.end_of(id("crashed")).await;
        let told = Told::by("user");
        assert!(engine.resume(id("paused"), told).await.unwrap().changed);
        house.end_of(id("paused")).await;
        for what in ["paused", "crashed"] {
            let (snapshot, _) = engine.logs().snapshot(id(what)).await.unwrap();
            assert_eq!(snapshot.status, Status::Completed, "{what}");
            let before = &expected[what]["snapshot"]["sages"]["caspar"];
            let now = as_json(&snapshot.sages[&Sage::Caspar]);
            assert_eq!(difference(before, &now, "caspar"), None, "{what}");
        }

        // A repeated key is the same deliberation, and a stored vote is good for another one.
        let again = json!({"question": "Should we adopt it?", "idempotency_key": "finished"});
        assert_eq!(house.ask(&again).await, id("finished"));
        let wish = Fork {
            again: [Sage::Melchior].into(),
            ..Fork::default()
        };
        let forked = engine.fork(id("finished"), &wish, None).await.unwrap().id;
        house.end_of(forked).await;
        let log = engine.logs().events(forked).await.unwrap();
        let Some(Body::Complete(complete)) = log.last().map(|event| &event.body) else {
            panic!("{log:?}")
        };
        assert_eq!(complete.voting_result.agreement(), "3-0-0");
        house.shut().await;
    }
}

/// A changed format needs an entry: `MAGI_CORPUS=format-N cargo test -p magi-council --test it corpus`.
#[tokio::test(start_paused = true)]
async fn the_newest_format_is_in_the_corpus() {
    let folder = tempfile::tempdir().unwrap();
    House::on(folder.path(), &Env::seeded(0), 1, Lines::default())
        .shut()
        .await;
    let format = |path: PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        // Source: SQLite, "Database File Format", 1.3: the user version stands at offset 60.
        u32::from_be_bytes(bytes[60..64].try_into().unwrap())
    };
    let formats: Vec<u32> = entries()
        .into_iter()
        .map(|entry| format(entry.join("magi.db")))
        .collect();
    let newest = format(folder.path().join("magi.db"));
    assert_eq!(formats, (1..=newest).collect::<Vec<_>>());
}
