//! A whole server on a loopback socket, over a store in memory.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use magi_council::{CouncilPatch, Engine, Limits, StateKey};
use magi_log::{Env, Logs, MemoryStore, Options, Store};
use magi_model::{Price, Prices, Registry};
use magi_server::{Config, Rooms, Scene, Server};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::model::{Answer, Test};
use crate::wire::Wire;

/// A server, and what a test needs of it.
pub(crate) struct House {
    pub(crate) address: SocketAddr,
    pub(crate) engine: Engine,
    pub(crate) wire: Wire,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

/// The rooms of a process on this store.
pub(crate) fn rooms(store: Arc<dyn Store>, answer: Answer, env: Env) -> Rooms {
    furnished(store, answer, env, (Prices::default(), None))
}

/// The rooms of a process that keeps nothing, but signs what it puts down.
pub(crate) fn signing_rooms(answer: Answer) -> Rooms {
    let key = StateKey::new("a text of thirty-two bytes or more").unwrap();
    let extras = (Prices::default(), Some(key));
    furnished(Arc::new(MemoryStore::new()), answer, Env::system(), extras)
}

fn furnished(
    store: Arc<dyn Store>,
    answer: Answer,
    env: Env,
    (prices, state_key): (Prices, Option<StateKey>),
) -> Rooms {
    let options = Options {
        poll: Duration::from_millis(20),
        store_limit: Duration::from_millis(500),
        ..Options::default()
    };
    let logs = Logs::new(store, env.clone(), options);
    let models = Registry::default().with(Arc::new(Test(answer)));
    let settings = CouncilPatch::default().with_model(&"test:m".parse().unwrap());
    let engine = Engine::new(magi_council::Rooms {
        logs: logs.clone(),
        models: models.clone(),
        env: env.clone(),
        limits: Limits::default(),
        prices,
        settings: settings.clone(),
        state_key,
    });
    Rooms {
        engine,
        logs,
        env,
        models,
        settings,
        scenes: vec![Scene {
            name: "two-containers".into(),
            lang: "en".into(),
            question: "Should the two-container approach be adopted?".into(),
            preset: "default".into(),
        }],
    }
}

/// Starts a server on a fresh store.
pub(crate) async fn start(answer: Answer) -> House {
    start_with(Arc::new(MemoryStore::new()), answer, Config::default()).await
}

/// Starts a server.
pub(crate) async fn start_with(store: Arc<dyn Store>, answer: Answer, config: Config) -> House {
    open(rooms(store, answer, Env::system()), config).await
}

/// Starts a server that knows what its model costs.
pub(crate) async fn start_priced(answer: Answer, price: Price) -> House {
    let prices = Prices::default().with(&"test:m".parse().unwrap(), price);
    let store = Arc::new(MemoryStore::new());
    let rooms = furnished(store, answer, Env::system(), (prices, None));
    open(rooms, Config::default()).await
}

async fn open(rooms: Rooms, config: Config) -> House {
    let engine = rooms.engine.clone();
    let stop = CancellationToken::new();
    let server = Server::new(rooms, config, stop.clone()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tasks = TaskTracker::new();
    tasks.spawn(async move { server.serve(listener).await.unwrap() });
    House {
        address,
        engine,
        wire: Wire::new(address),
        stop,
        tasks,
    }
}

impl House {
    /// Ends everything, as a stopping process does.
    pub(crate) async fn shut(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.engine.shutdown(Duration::ZERO).await;
    }
}
