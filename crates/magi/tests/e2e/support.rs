//! A running `magi serve`, and a reader that goes on after every cut.

use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use magi_client::{Client, Door, Options, State, Step};
use magi_event::{Cursor, DeliberationId, Event};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How long anything here may take before the test gives up, with the state it was in.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// The binary under test, with an environment that no variable of the tester's leaks into.
pub(crate) fn magi(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_magi"));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder)
        .env("MAGI_DATA_DIR", folder.join("data"))
        .env("MAGI_REHEARSAL_PACE", "instant")
        .env("LANG", "C.UTF-8")
        .current_dir(folder)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// A number from the environment, for the long form of a test.
pub(crate) fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect(name))
}

/// A running server.
pub(crate) struct Served {
    child: Child,
    /// Its base address, `http://127.0.0.1:PORT`.
    pub(crate) address: String,
    /// Its port, to start it again on.
    pub(crate) port: u16,
}

impl Served {
    /// Starts the server and waits until it listens.
    pub(crate) async fn start(command: &mut Command, port: u16) -> Served {
        let mut child = command
            .args(["serve", "--port", &port.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let listening = async {
            loop {
                let line = lines
                    .next_line()
                    .await
                    .unwrap()
                    .expect("the server ended at once");
                if let Some((_, rest)) = line.split_once("http://") {
                    return rest
                        .split_whitespace()
                        .next()
                        .unwrap()
                        .trim_end_matches('/')
                        .to_owned();
                }
            }
        };
        let host = tokio::time::timeout(PATIENCE, listening)
            .await
            .expect("the server never listened");
        let port = host.rsplit(':').next().unwrap().parse().unwrap();
        Served {
            child,
            address: format!("http://{host}"),
            port,
        }
    }

    /// The process's number.
    #[cfg(target_os = "linux")]
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Kills the process where it stands (SIGKILL).
    pub(crate) async fn kill(mut self) -> u16 {
        self.child.kill().await.unwrap();
        self.port
    }

    /// Asks the process to end, and waits until it has.
    pub(crate) async fn terminate(mut self) -> std::process::ExitStatus {
        let pid = self.child.id().unwrap();
        signal(pid, "TERM").await;
        tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .expect("it does not end")
            .unwrap()
    }
}

/// Sends a signal to a process that this test started.
pub(crate) async fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill")
        .args([format!("-{name}"), pid.to_string()])
        .status()
        .await;
    assert!(sent.unwrap().success());
}

/// A free port below those that the system hands out by itself: nobody takes it between a server's
/// death and its successor.
pub(crate) fn quiet_port() -> u16 {
    // The tests of one process ask at the same moment, before any of them listens.
    static ASKED: AtomicU16 = AtomicU16::new(0);
    let own = ASKED.fetch_add(1, Ordering::SeqCst) % 3 * 4;
    let from = 20_000 + u16::try_from(std::process::id() % 1_000).unwrap() * 12 + own;
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (from..32_000).find(free).expect("a free port")
}

/// A client whose every request is a connection of its own.
pub(crate) fn http() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .build()
        .unwrap()
}

/// The product's own client, which here never gives up and does not wait long.
pub(crate) fn client(address: &str, door: Door) -> Client {
    Client::with(address, patient(door)).unwrap()
}

/// How such a client is set.
pub(crate) fn patient(door: Door) -> Options {
    Options {
        door,
        retry: Duration::from_millis(20),
        max_delay: Duration::from_millis(60),
        max_attempts: u32::MAX,
        ..Options::default()
    }
}

/// Puts a question and returns the deliberation's id, once it is stored.
pub(crate) async fn ask(client: &reqwest::Client, address: &str, question: &str) -> DeliberationId {
    let answer = client
        .post(format!("{address}/v1/deliberations"))
        .json(&json!({ "question": question }))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    location.rsplit('/').next().unwrap().parse().unwrap()
}

/// What one reader has seen of one deliberation, over all its connections.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The entries in the order in which they came.
    pub(crate) entries: Vec<(Cursor, Event)>,
    /// Connections made.
    pub(crate) connections: usize,
}

impl Seen {
    /// Reads on until the last event, over as many connections as it takes.
    pub(crate) async fn read_to_the_end(&mut self, address: &str, id: DeliberationId) {
        self.read_through(&client(address, Door::Api), id).await;
    }

    /// Reads on until the last event with this client.
    pub(crate) async fn read_through(&mut self, client: &Client, id: DeliberationId) {
        let after = self.entries.last().map(|(cursor, _)| *cursor);
        let mut reading = client.events(id, after);
        let whole = async {
            while let Some(step) = reading.next().await {
                match step.unwrap_or_else(|error| panic!("{id}: {error}")) {
                    Step::Entry(entry) => self.entries.push((entry.cursor, entry.event)),
                    Step::State(State::Connecting { .. }) => self.connections += 1,
                    Step::State(_) => {}
                    Step::Snapshot(_) => panic!("{id}: nothing was dropped from its log"),
                }
            }
        };
        let ended = tokio::time::timeout(PATIENCE, whole).await;
        assert!(
            ended.is_ok() && self.is_over(),
            "{id} has not ended; seen so far:\n{}",
            self.tail()
        );
    }

    /// Takes one message in.
    pub(crate) fn take(&mut self, message: &magi_event::sse::Message) {
        // A frame without a place in the log is the door's: it is never an event.
        let Ok(event) = Event::from_json(message.data.as_bytes()) else {
            let door: Value = serde_json::from_str(&message.data).unwrap();
            assert_eq!(door["type"], "error", "{door}");
            return;
        };
        let cursor = message.id.as_deref().unwrap().parse().unwrap();
        self.entries.push((cursor, event));
    }

    /// Tells whether the last event was seen.
    pub(crate) fn is_over(&self) -> bool {
        self.entries
            .last()
            .is_some_and(|(_, event)| event.body.is_last())
    }

    /// The newest entries, for a message.
    pub(crate) fn tail(&self) -> String {
        let newest = self.entries.iter().rev().take(12).rev();
        newest
            .map(|(cursor, event)| {
                format!("{cursor} {}", String::from_utf8_lossy(&event.to_json()))
            })
            .collect::<Vec<_>>()
            .join("\n")
    }
}
