//! What the disk and the system can do to a running server, and what its users then see.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use magi_emulator::{Config, Emulator};
use magi_event::Body;
use magi_event::check::{Checker, Mode};
use magi_log::{Env, Logs, Options, Query, SqliteStore};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::support::{PATIENCE, Seen, Served, ask, http, magi};

const QUESTION: &str = "Should we ship on Friday?";

/// The server behind a shell that first sets a limit of its own process.
fn limited(folder: &Path, limit: &str) -> Command {
    let plain = magi(folder);
    let plain = plain.as_std();
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{limit}; exec \"$0\" \"$@\"")])
        .arg(plain.get_program())
        .env_clear()
        .envs(plain.get_envs().filter_map(|(k, v)| Some((k, v?))))
        .current_dir(folder)
        .kill_on_drop(true);
    command
}

/// Sets how large a file the process may write from now on: no byte behind it is taken, as on a disk
/// that is full.
async fn most_bytes(served: &Served, bytes: &str) {
    let set = Command::new("prlimit")
        .args(["--pid", &served.pid().to_string()])
        .arg(format!("--fsize={bytes}:unlimited"))
        .status()
        .await;
    assert!(set.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_the_deliberation_goes_on_when_there_is_room() {
    let vendors = Emulator::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    // Whoever writes too much gets an error, not a signal.
    let mut command = limited(folder.path(), "trap '' XFSZ");
    command
        .env("OPENAI_BASE_URL", vendors.openai_url())
        .env("OPENAI_API_KEY", "test")
        .env("MAGI_MODEL", "openai:fake+len-600+tps-60");
    // The server's own log is a file on the same full disk.
    let log = folder.path().join("server.log");
    fs::write(&log, vec![b'\n'; 8192]).unwrap();
    command.stderr(fs::File::options().append(true).open(&log).unwrap());
    let served = Served::start(&mut command, 0).await;
    let client = http();
    let id = ask(&client, &served.address, QUESTION).await;
    most_bytes(&served, "4096").await;
    let body = serde_json::json!({ "question": "And on Monday?" });
    // Each is refused after its five seconds; after both, so has the first one's writer been.
    for _ in 0..2 {
        let asked = client.post(format!("{}/v1/deliberations", served.address));
        let refused = asked.json(&body).send().await.unwrap();
        assert_eq!(refused.status(), 503);
        assert!(refused.headers().contains_key("retry-after"));
        let text = refused.text().await.unwrap();
        assert!(text.contains("store_unavailable"), "{text}");
    }
    most_bytes(&served, "unlimited").await;
    let mut seen = Seen::default();
    seen.read_to_the_end(&served.address, id).await;
    let mut checker = Checker::new(Mode::Log);
    for (cursor, event) in &seen.entries {
        checker.entry(*cursor, event).unwrap();
    }
    checker.finish(true).unwrap();
    let last = &seen.entries.last().unwrap().1.body;
    assert!(matches!(last, Body::Complete(_)), "{}", seen.tail());
    let rewound = |body: &Body| matches!(body, Body::Rewind(_));
    assert!(seen.entries.iter().any(|(_, event)| rewound(&event.body)));
    ask(&client, &served.address, "And on Monday?").await;
    served.kill().await;
    vendors.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_store_is_refused_by_name_and_read_as_far_as_it_can_be() {
    let folder = tempfile::tempdir().unwrap();
    let run = async |args: &[&str]| {
        let output = magi(folder.path()).args(args).output();
        let ended = tokio::time::timeout(PATIENCE, output).await;
        ended.expect("it does not end").unwrap()
    };
    run(&["ask", QUESTION]).await;
    run(&["ask", "And on Monday?"]).await;
    let data = folder.path().join("data");
    let backup = folder.path().join("monday.db");
    let backup = backup.to_str().unwrap();
    assert!(run(&["backup", backup]).await.status.success());
    // A deletion moves everything from the write-ahead log into the database.
    let store = SqliteStore::open(&data).unwrap();
    let logs = Logs::new(Arc::new(store), Env::system(), Options::default());
    let rows = logs.catalogue().list(Query::default()).await.unwrap().rows;
    logs.catalogue().delete(rows[0].id).await.unwrap();
    logs.close().await;
    drop(logs);
    let file = data.join("magi.db");
    let mut bytes = fs::read(&file).unwrap();
    // The second page: the root of a table.
    bytes[4096..8192].fill(0xAA);
    fs::write(&file, &bytes).unwrap();
    // Damage is looked for after somebody was killed, whose file is left behind.
    fs::write(data.join("owners").join("killed.lock"), "").unwrap();
    let refused = run(&["serve", "--port", "0"]).await;
    assert!(!refused.status.success());
    let told = String::from_utf8(refused.stderr).unwrap();
    for part in [
        "damaged",
        "magi.db.damaged",
        "`magi history`",
        "`magi restore FILE --force`",
        "begin anew",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(fs::read(data.join("magi.db.damaged")).unwrap(), bytes);
    let history = run(&["history"]).await;
    let warned = String::from_utf8(history.stderr).unwrap();
    assert!(
        warned.contains("warning") && warned.contains("magi.db.damaged"),
        "{warned}"
    );
    assert_eq!(fs::read(&file).unwrap(), bytes, "it was written to");
    // What the refusal advises.
    assert!(run(&["restore", backup, "--force"]).await.status.success());
    let history = run(&["history"]).await;
    let listed = String::from_utf8(history.stdout).unwrap();
    assert!(listed.contains("And on Monday?"), "{listed}");
    let warned = String::from_utf8(history.stderr).unwrap();
    assert_eq!(warned, "", "it is whole again");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_file_descriptors_connections_wait_and_are_served_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(&mut limited(folder.path(), "ulimit -n 48"), 0).await;
    let host = served.address.strip_prefix("http://").unwrap();
    let mut held = Vec::new();
    for _ in 0..64 {
        held.push(TcpStream::connect(host).await.unwrap());
    }
    let client = http();
    let ping = client.get(format!("{}/ping", served.address)).send();
    let free = async {
        // Asked first, while every place is taken.
        tokio::task::yield_now().await;
        drop(held);
    };
    let (ping, ()) = tokio::join!(ping, free);
    assert_eq!(ping.unwrap().status(), 200);
    let id = ask(&client, &served.address, QUESTION).await;
    let mut seen = Seen::default();
    seen.read_to_the_end(&served.address, id).await;
    assert!(served.terminate().await.success());
}
