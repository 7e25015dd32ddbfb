//! What all deliberations of a run share: the server that is killed, its store, the fake vendors.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use magi_client::{Client, Door, Http, Options};
use magi_emulator::Running;
use magi_event::{DeliberationId, Timestamp};
use magi_log::{Env, Head, Logs, SqliteStore};
use tokio::time::Instant;

use crate::support::{Served, magi, patient, quiet_port};

/// The server, and all that was done to it.
pub(super) struct Town {
    pub(super) folder: tempfile::TempDir,
    pub(super) vendors: Running,
    /// Where the server listens, whichever process it is: `127.0.0.1:PORT`.
    pub(super) host: String,
    served: tokio::sync::Mutex<Option<Served>>,
    kills: Mutex<Vec<Arc<Kill>>>,
    http: Arc<Http>,
}

/// A server was killed.
pub(super) struct Kill {
    pub(super) at: Instant,
    pub(super) clock: Timestamp,
    /// Where the unfinished logs stood in the store of the dead server, before another one began.
    pub(super) heads: BTreeMap<DeliberationId, Head>,
}

impl Town {
    pub(super) async fn start(vendors: Running) -> Town {
        let folder = tempfile::tempdir().unwrap();
        let served = serve(folder.path(), &vendors, quiet_port()).await;
        Town {
            host: served.address.trim_start_matches("http://").to_owned(),
            served: tokio::sync::Mutex::new(Some(served)),
            kills: Mutex::default(),
            http: Arc::new(Http::new(true).unwrap()),
            folder,
            vendors,
        }
    }

    /// A client that never gives up and does not wait long.
    pub(super) fn client(&self, host: &str, door: Door) -> Client {
        let options = Options {
            transport: Some(Arc::clone(&self.http) as _),
            ..patient(door)
        };
        Client::with(&format!("http://{host}"), options).unwrap()
    }

    /// Kills the server where it stands, looks at what it left, and starts it again.
    pub(super) async fn kill(&self) {
        let mut served = self.served.lock().await;
        let (at, clock) = (Instant::now(), Env::system().clock.now());
        let port = served.take().unwrap().kill().await;
        let heads = left(&self.folder.path().join("data")).await;
        self.kills
            .lock()
            .unwrap()
            .push(Arc::new(Kill { at, clock, heads }));
        *served = Some(serve(self.folder.path(), &self.vendors, port).await);
    }

    pub(super) fn kills(&self) -> Vec<Arc<Kill>> {
        self.kills.lock().unwrap().clone()
    }

    /// Ends the server as a person would.
    pub(super) async fn close(&self) {
        let served = self.served.lock().await.take().unwrap();
        assert!(served.terminate().await.success());
    }
}

async fn serve(folder: &Path, vendors: &Running, port: u16) -> Served {
    let mut command = magi(folder);
    command
        .env("OPENAI_BASE_URL", vendors.openai_url())
        .env("OPENAI_API_KEY", "test")
        .env("MAGI_MODEL", "openai:fake");
    Served::start(&mut command, port).await
}

/// Reads where the unfinished logs stand in a folder that nobody owns, from a copy: looking changes nothing.
async fn left(data: &Path) -> BTreeMap<DeliberationId, Head> {
    let copy = tempfile::tempdir().unwrap();
    for name in ["magi.db", "magi.db-wal"] {
        if data.join(name).exists() {
            std::fs::copy(data.join(name), copy.path().join(name)).unwrap();
        }
    }
    let store = SqliteStore::open_to_read(copy.path()).unwrap();
    let logs = Logs::new(Arc::new(store), Env::system(), magi_log::Options::default());
    let mut heads = BTreeMap::new();
    for unfinished in logs.unfinished().await.unwrap() {
        let head = logs.head(unfinished.id).await.unwrap();
        heads.insert(unfinished.id, head);
    }
    logs.close().await;
    heads
}
