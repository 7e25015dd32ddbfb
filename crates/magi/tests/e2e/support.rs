//! A running `magi serve`, and a reader that goes on after every cut.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use futures_util::StreamExt;
use magi_event::sse::Decoder;
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

/// A client whose every request is a connection of its own.
pub(crate) fn http() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .build()
        .unwrap()
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
        let client = http();
        let whole = async {
            while !self.is_over() {
                self.connections += 1;
                if !self.read_once(&client, address, id).await {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        };
        let ended = tokio::time::timeout(PATIENCE, whole).await;
        assert!(
            ended.is_ok(),
            "{id} has not ended; seen so far:\n{}",
            self.tail()
        );
    }

    /// Reads one connection to its end, whatever ends it; tells whether it was answered.
    async fn read_once(
        &mut self,
        client: &reqwest::Client,
        address: &str,
        id: DeliberationId,
    ) -> bool {
        let mut request = client.get(format!("{address}/v1/deliberations/{id}/events"));
        if let Some((cursor, _)) = self.entries.last() {
            request = request.header("last-event-id", cursor.to_string());
        }
        let Ok(answer) = request.send().await else {
            return false;
        };
        assert!(
            [200, 503].contains(&answer.status().as_u16()),
            "{id}: {} {}",
            answer.status(),
            answer.text().await.unwrap_or_default()
        );
        let mut decoder = Decoder::new(1 << 20);
        let mut bytes = answer.bytes_stream();
        while let Some(Ok(chunk)) = bytes.next().await {
            decoder.push(&chunk, |message| self.take(&message)).unwrap();
        }
        true
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
