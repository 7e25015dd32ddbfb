//! What every handler shares, and how the rooms are wired into a router and a listening server.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use magi_council::{CouncilPatch, Engine, Preset};
use magi_event::Agent;
use magi_log::{Env, Logs};
use magi_model::{Lang, ModelName, Registry};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::metrics::Metrics;
use crate::observer::Observers;
use crate::ping::Pings;
use crate::probe::Probes;
use crate::problem::{Code, Problem};
use crate::{Config, Error, Trust, listen, routes};

/// The rooms that a server opens a door to.
#[derive(Clone)]
pub struct Rooms {
    /// The deliberations of this process.
    pub engine: Engine,
    /// Their logs.
    pub logs: Logs,
    /// Time and chance.
    pub env: Env,
    /// The providers at hand.
    pub models: Registry,
    /// The operator's changes to every preset, as the engine has them.
    pub settings: CouncilPatch,
    /// The written scenes of the rehearsal.
    pub scenes: Vec<Scene>,
}

/// A written scene of the rehearsal, as `GET /v1/rehearsal` lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Scene {
    /// Its name.
    pub name: String,
    /// Its language: `ja` or `en`.
    pub lang: String,
    /// The question that plays it.
    pub question: String,
    /// The preset it is played with.
    pub preset: String,
}

/// What every handler shares.
pub(crate) type App = Arc<Shared>;

pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) logs: Logs,
    pub(crate) env: Env,
    pub(crate) models: Registry,
    pub(crate) roles: BTreeMap<Agent, ModelName>,
    pub(crate) scenes: Vec<Scene>,
    pub(crate) config: Config,
    pub(crate) metrics: Metrics,
    pub(crate) observers: Observers,
    pub(crate) pings: Pings,
    pub(crate) probes: Probes,
    /// Cancelled when the server stops: streams end without a last event.
    pub(crate) stop: CancellationToken,
    /// Places for WebSockets, which leave the listening side's count when they are upgraded.
    pub(crate) sockets: Arc<Semaphore>,
    /// Open WebSockets.
    pub(crate) tracker: TaskTracker,
}

/// One door: a router over the rooms, and the listening side that serves it.
pub struct Server {
    app: App,
    router: Router,
}

impl Server {
    /// Wires the rooms to a door. `stop` ends the streams and the listening.
    ///
    /// # Errors
    ///
    /// When an origin of the settings is not one.
    pub fn new(rooms: Rooms, config: Config, stop: CancellationToken) -> Result<Self, Error> {
        let app = Arc::new(Shared {
            metrics: Metrics::new(),
            observers: Observers::new(),
            pings: Pings::new(rooms.env.clock.now()),
            probes: Probes::default(),
            sockets: Arc::new(Semaphore::new(config.max_connections.max(1))),
            tracker: TaskTracker::new(),
            stop,
            config,
            engine: rooms.engine,
            logs: rooms.logs,
            env: rooms.env,
            models: rooms.models,
            roles: roles(&rooms.settings),
            scenes: rooms.scenes,
        });
        let router = routes::router(&app)?;
        Ok(Server { app, router })
    }

    /// Returns the router, for a door that brings its own transport.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Waits until what ended is counted, and its line of metrics printed; as long as a deliberation
    /// goes on, so does this. For a platform that freezes the process between two requests.
    ///
    /// # Cancel safety
    ///
    /// Safe: counting goes on by itself.
    pub async fn settled(&self) {
        self.app.observers.settled().await;
    }

    /// Serves connections until the token given to [`Server::new`] is cancelled.
    ///
    /// Streams then end without a last event, so that their readers connect again; connections get
    /// [`Config::shutdown_limit`] to end by themselves. The engine is not shut down by this.
    ///
    /// # Errors
    ///
    /// When the trust does not fit the address; nothing was accepted then.
    pub async fn serve(self, listener: TcpListener) -> Result<(), Error> {
        let address = listener.local_addr().map_err(Error::Address)?;
        listen::check_address(address, &self.app.config.trust)?;
        listen::run(
            listener,
            self.router,
            &self.app.config,
            self.app.stop.clone(),
        )
        .await;
        self.app.tracker.close();
        let limit = self.app.config.shutdown_limit;
        if tokio::time::timeout(limit, self.app.tracker.wait())
            .await
            .is_err()
        {
            tracing::warn!("WebSockets were left open");
        }
        Ok(())
    }
}

/// Returns the model of each role under these settings; a role without one is played by rehearsal.
fn roles(settings: &CouncilPatch) -> BTreeMap<Agent, ModelName> {
    let rehearsal = ModelName {
        provider: "rehearsal".to_owned(),
        model: String::new(),
    };
    let [preset, ..] = Preset::ALL;
    let mut council = preset.council(Lang::En, &rehearsal);
    settings.apply(&mut council);
    council
        .members()
        .map(|(agent, role)| (agent, role.model.clone()))
        .collect()
}

impl Shared {
    /// Tells whether a body must be declared as JSON. Behind a platform it need not be: its SDKs
    /// declare nothing, and no web page's request comes through unsigned.
    pub(crate) fn declared(&self) -> bool {
        match self.config.trust {
            Trust::Local | Trust::Token(_) => true,
            Trust::Platform => false,
        }
    }

    /// Refuses a preset that is not built in at a door that keeps none.
    pub(crate) fn check_preset(&self, name: Option<&str>) -> Result<(), Problem> {
        match name {
            Some(name) if !self.config.has_store && Preset::find(name).is_none() => {
                let names = Preset::ALL.map(|preset| preset.name).join(", ");
                Err(
                    Problem::new(Code::Unsupported, "this door keeps no presets of its own")
                        .at("preset")
                        .fix(format!(
                            "ask with {names}, or send `council` with the question"
                        )),
                )
            }
            _ => Ok(()),
        }
    }

    /// Returns what this door can do, as `start` tells it.
    pub(crate) fn capabilities(&self) -> Vec<String> {
        let finds_again = self.config.finds_again;
        let all = [
            ("resume", finds_again),
            ("stop", finds_again),
            ("retry", finds_again),
            ("note", finds_again),
            ("pause", finds_again),
            ("rejudge", finds_again),
            ("fork", finds_again),
            ("resume_state", self.config.resumes_state),
            ("history", self.config.has_store),
            ("export", self.config.has_store),
            ("presets", self.config.has_store),
            ("idempotency", self.config.has_store),
            ("websocket", finds_again),
            ("leave", self.config.sees_leaving),
        ];
        all.into_iter()
            .filter(|(_, can)| *can)
            .map(|(name, _)| name.to_owned())
            .collect()
    }
}
