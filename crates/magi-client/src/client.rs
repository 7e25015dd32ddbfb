//! The client of one server: ask, follow, and the verbs.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use magi_event::{Cursor, DeliberationId, Snapshot};
use serde_json::{Map, Value};

use crate::call::{Call, Server};
use crate::list::{id_in, objects};
use crate::read::Origin;
use crate::{
    Change, Door, Error, Format, ListQuery, Model, Page, Question, Reading, Scene, Transport,
};

/// How a client speaks to its server; [`Options::default`] suits a MAGI server nearby.
#[derive(Clone)]
pub struct Options {
    /// Sent as `Authorization: Bearer`.
    pub token: Option<String>,
    /// Which way in is used.
    pub door: Door,
    /// Sent with every request, such as AgentCore's session id.
    pub headers: HeaderMap,
    /// Carries the requests; absent: [`Http`](crate::Http).
    pub transport: Option<Arc<dyn Transport>>,
    /// Gives random numbers, for jitter and idempotency keys.
    pub entropy: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// How long the head of an answer may take: 60 s, which a cold start fits in.
    pub answer_timeout: Duration,
    /// A stream without a byte for this long counts as cut: 20 s, ten heartbeats.
    pub silence: Duration,
    /// The wait between two connections until the server names one: 1 s.
    pub retry: Duration,
    /// Connections in a row without a new event before giving up: 12, about four minutes.
    pub max_attempts: u32,
    /// The longest wait of our own between two connections: 30 s.
    pub max_delay: Duration,
    /// The largest event: 4 MiB.
    pub max_event_bytes: usize,
    /// The largest answer that is no stream: 64 MiB.
    pub max_answer_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            token: None,
            door: Door::Api,
            headers: HeaderMap::new(),
            transport: None,
            // Every `RandomState` has keys of its own that come from the system's randomness.
            entropy: Arc::new(|| RandomState::new().build_hasher().finish()),
            answer_timeout: Duration::from_secs(60),
            silence: Duration::from_secs(20),
            retry: Duration::from_secs(1),
            max_attempts: 12,
            max_delay: Duration::from_secs(30),
            max_event_bytes: 4 << 20,
            max_answer_bytes: 64 << 20,
        }
    }
}

/// Speaks to one MAGI server. Clones share what they stand on.
#[derive(Clone)]
pub struct Client {
    pub(crate) server: Arc<Server>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// Makes a client of the `/v1` door at an address such as `http://127.0.0.1:8717`.
    ///
    /// # Errors
    ///
    /// When the address or token cannot be one, or the machine's TLS cannot be set up.
    pub fn new(address: &str, token: Option<&str>) -> Result<Self, Error> {
        let token = token.map(str::to_owned);
        Client::with(
            address,
            Options {
                token,
                ..Options::default()
            },
        )
    }

    /// Makes a client with options. With [`Door::Invocations`] the address may be that of
    /// `/invocations` itself.
    ///
    /// # Errors
    ///
    /// As [`Client::new`].
    pub fn with(address: &str, options: Options) -> Result<Self, Error> {
        let server = Arc::new(Server::new(address, options)?);
        Ok(Client { server })
    }

    /// Puts a question and reads its deliberation to the end.
    ///
    /// Nothing is sent before the first poll. A connection that dies before the first event asks
    /// again under the same idempotency key, so the question is deliberated once; behind a door
    /// that keeps no keys it is not asked again unless the server cannot have seen it.
    #[must_use]
    pub fn ask(&self, question: &Question) -> Reading {
        self.ask_body(question.body())
    }

    /// Puts a question in any form that the doors take.
    #[must_use]
    pub fn ask_body(&self, mut body: Map<String, Value>) -> Reading {
        let made_key = !body.contains_key("idempotency_key");
        if made_key {
            body.insert("idempotency_key".into(), self.key().into());
        }
        let origin = Origin::Question { body, made_key };
        Reading::new(Arc::clone(&self.server), origin, None)
    }

    /// Reads a deliberation to its end, from its beginning or after a cursor.
    #[must_use]
    pub fn events(&self, id: DeliberationId, after: Option<Cursor>) -> Reading {
        Reading::new(Arc::clone(&self.server), Origin::Log(id), after)
    }

    /// Goes on from the state that a `paused` at a door's deadline left, and reads that linked
    /// deliberation to its end. The same state may be used again: each use starts another one.
    #[must_use]
    pub fn resume_state(&self, state: &str) -> Reading {
        Reading::new(
            Arc::clone(&self.server),
            Origin::State(state.to_owned()),
            None,
        )
    }

    /// Puts a question without staying to read.
    ///
    /// # Errors
    ///
    /// When the server refuses or cannot be reached; it may then be asked again with the same
    /// `idempotency_key`.
    pub async fn create(&self, question: &Question) -> Result<DeliberationId, Error> {
        self.only_api("create")?;
        let call = Call::new(Method::POST, &["v1", "deliberations"]).body(question.body());
        id_in(&self.server.json(call).await?)
    }

    /// Returns what is known of a deliberation up to its stored end; it goes on from its cursor.
    ///
    /// # Errors
    ///
    /// When there is no such deliberation, or the server cannot be reached.
    pub async fn snapshot(&self, id: DeliberationId) -> Result<Snapshot, Error> {
        self.server.snapshot(id).await
    }

    /// Returns a deliberation as the server tells it: the snapshot and what stands beside it.
    ///
    /// # Errors
    ///
    /// As [`Client::snapshot`].
    pub async fn get(&self, id: DeliberationId) -> Result<Map<String, Value>, Error> {
        self.server.get(id).await
    }

    /// Returns one page of the history, newest first.
    ///
    /// # Errors
    ///
    /// When a parameter is wrong, or the server cannot be reached or keeps no history.
    pub async fn list(&self, query: &ListQuery) -> Result<Page, Error> {
        self.only_api("list")?;
        let call = Call::new(Method::GET, &["v1", "deliberations"]).query(query.pairs());
        Page::read(self.server.json(call).await?)
    }

    /// Changes what a person wrote beside the verdict.
    ///
    /// # Errors
    ///
    /// When there is no such deliberation, or the server cannot be reached.
    pub async fn change(&self, id: DeliberationId, change: &Change) -> Result<(), Error> {
        self.only_api("change")?;
        let body = match serde_json::to_value(change) {
            Ok(Value::Object(body)) => body,
            Ok(_) | Err(_) => Map::new(),
        };
        let call = Call::about(Method::PATCH, id, &[]).body(body);
        self.server.json(call).await.map(drop)
    }

    /// Deletes a deliberation: it is gone.
    ///
    /// # Errors
    ///
    /// When there is no such deliberation, or the server cannot be reached.
    pub async fn delete(&self, id: DeliberationId) -> Result<(), Error> {
        self.only_api("delete")?;
        let call = Call::about(Method::DELETE, id, &[]);
        self.server.json(call).await.map(drop)
    }

    /// Returns a deliberation's record.
    ///
    /// # Errors
    ///
    /// When there is no such deliberation, or the server cannot be reached.
    pub async fn export(&self, id: DeliberationId, format: Format) -> Result<Bytes, Error> {
        self.only_api("export")?;
        let call = Call::about(Method::GET, id, &["export"])
            .query(vec![("format", format.word().to_owned())])
            .accept("*/*");
        self.server.bytes(call).await
    }

    /// Returns the written scenes of the rehearsal.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached.
    pub async fn scenes(&self) -> Result<Vec<Scene>, Error> {
        self.only_api("scenes")?;
        let call = Call::new(Method::GET, &["v1", "rehearsal"]);
        let mut answer = self.server.json(call).await?;
        let scene = |fields| {
            serde_json::from_value(Value::Object(fields))
                .map_err(|error| Error::Contract(format!("a scene does not read: {error}")))
        };
        let scenes = objects(&mut answer, &["scenes"])?;
        scenes.into_iter().map(scene).collect()
    }

    /// Returns the models that can answer.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached.
    pub async fn models(&self) -> Result<Vec<Model>, Error> {
        self.only_api("models")?;
        let call = Call::new(Method::GET, &["v1", "models"]);
        let mut answer = self.server.json(call).await?;
        let models = objects(&mut answer, &["data"])?;
        models.into_iter().map(Model::read).collect()
    }

    pub(crate) fn only_api(&self, call: &'static str) -> Result<(), Error> {
        match self.server.options.door {
            Door::Api | Door::Socket => Ok(()),
            Door::Invocations => Err(Error::Unsupported(call)),
        }
    }

    /// Returns a new idempotency key: 128 random bits.
    fn key(&self) -> String {
        let random = &self.server.options.entropy;
        format!("{:016x}{:016x}", random(), random())
    }
}

impl Server {
    pub(crate) async fn get(&self, id: DeliberationId) -> Result<Map<String, Value>, Error> {
        let call = match self.options.door {
            Door::Api | Door::Socket => Call::about(Method::GET, id, &[]),
            Door::Invocations => {
                let id = Map::from_iter([("id".to_owned(), id.to_string().into())]);
                crate::invocations::action("snapshot", id)
            }
        };
        self.json(call).await
    }

    pub(crate) async fn snapshot(&self, id: DeliberationId) -> Result<Snapshot, Error> {
        let answer = self.get(id).await?;
        serde_json::from_value(Value::Object(answer))
            .map_err(|error| Error::Contract(format!("its snapshot does not read: {error}")))
    }
}
