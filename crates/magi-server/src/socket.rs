//! The same events over a WebSocket, and the verbs up.
//!
//! Down, every message is a JSON object under 16 KiB, because the platform's fronts bound frames:
//!
//! - `{"type":"events","events":[{"id":CURSOR,"event":EVENT},..]}`: what was ready, in order.
//! - `{"type":"part","id":CURSOR,"part":1,"parts":3,"text":..}`: an event too long for one message;
//!   the texts of its parts, one after the other, are the event's JSON. Its place counts as seen
//!   only with the last part.
//! - `{"type":"answer","action":..,"ref":..,"data":..}`: what an action did.
//! - `{"type":"error","error":..,"data":..,"ref":..}`: a door frame; the action did nothing.
//!
//! Up, every message is `{"action":..}` with the fields of the same action of `/invocations`: every
//! verb, and on `/ws` also `ask` and `events`, which make the socket follow that deliberation instead
//! of the one before; so does a verb that starts a linked one. A `ref` comes back with the answer.
//!
//! Source: Amazon Bedrock AgentCore quotas: WebSocket frames up to 32 or 64 KB, 250 frames a second.

mod frames;

use std::time::Duration;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Extension, Path, State};
use axum::response::Response;
use http::{HeaderMap, Uri};
use magi_council::Watch;
use magi_event::{Cursor, DeliberationId};
use magi_log::{After, Page, Reader};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::app::App;
use crate::deliberations::{self, Question};
use crate::problem::{Code, Problem};
use crate::stream::Counted;
use crate::verbs::{self, Said, Verb};
use crate::{Caller, intake};

/// How often a silent socket is pinged.
const PING_EVERY: Duration = Duration::from_secs(15);

/// How many pings in a row may go without any word from the other side.
const PINGS_LIMIT: u32 = 4;

/// The least time between two messages with events: under 250 a second, and no wait where tokens
/// come slower than that.
const PACE: Duration = Duration::from_millis(5);

/// The most bytes of a message up: a question with its context fits.
const MESSAGE_LIMIT: usize = 1024 * 1024;

/// How long a message may be to be refused with a word: it is read to its end first, for a socket
/// closed with unread bytes is reset, and the other side would not see why. What is longer yet
/// breaks the connection.
const READ_LIMIT: usize = intake::BODY_LIMIT;

/// The subprotocol that is answered when a token came as the other one.
const TOKEN_PROTOCOL: &str = "base64UrlBearerAuthorization";

/// The parameters of a socket on one deliberation.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct SocketQuery {
    /// A whole event id, or `0` for the beginning.
    after: Option<String>,
}

/// `GET /ws`.
pub(crate) async fn open(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    accept(app, caller, upgrade, None)
}

/// `GET /v1/deliberations/{id}/ws`.
pub(crate) async fn follow(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    uri: Uri,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let id = deliberations::deliberation(&id)?;
    let query: SocketQuery = intake::query(&uri)?;
    let after = deliberations::place(id, query.after.as_deref(), "after")?;
    let following = Following::open(&app, after).await?;
    accept(app, caller, upgrade, Some(following))
}

fn accept(
    app: App,
    caller: Caller,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    following: Option<Following>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|rejection| {
        Problem::new(Code::BadRequest, rejection.body_text())
            .at("Upgrade")
            .fix("connect with a WebSocket client")
    })?;
    let place = app
        .sockets
        .clone()
        .try_acquire_owned()
        .map_err(|_| Problem::new(Code::Busy, "too many WebSockets are open"))?;
    let counted = Counted::new(&app.metrics.sockets);
    let tracker = app.tracker.clone();
    let single = following.as_ref().map(|following| following.id);
    let upgrade = upgrade
        .max_message_size(READ_LIMIT)
        .max_frame_size(READ_LIMIT)
        .protocols([TOKEN_PROTOCOL]);
    Ok(upgrade.on_upgrade(move |socket| {
        let connection = Connection {
            app,
            caller,
            socket,
            following,
            single,
            unheard: 0,
            next_at: Instant::now(),
        };
        tracker.track_future(async move {
            connection.run().await;
            drop((place, counted));
        })
    }))
}

/// The deliberation that a socket follows.
struct Following {
    id: DeliberationId,
    reader: Reader,
    _watch: Watch,
}

impl Following {
    async fn open(app: &App, after: Cursor) -> Result<Self, Problem> {
        let id = after.deliberation;
        Ok(Following {
            id,
            reader: app.logs.read(After::Cursor(after)).await?,
            _watch: app.engine.watch(id),
        })
    }
}

struct Connection {
    app: App,
    caller: Caller,
    socket: WebSocket,
    following: Option<Following>,
    /// The deliberation in the address, whose end closes the socket.
    single: Option<DeliberationId>,
    /// Pings since the other side was heard last.
    unheard: u32,
    /// When the next message with events may go.
    next_at: Instant,
}

/// What happened next on a socket.
enum Next {
    Stop,
    Silence,
    Up(Option<Result<Message, axum::Error>>),
    Down(Result<Page, magi_log::Error>),
}

/// The socket is closed or broken: there is nobody to tell.
struct Closed;

impl Connection {
    async fn run(mut self) {
        while self.step().await.is_ok() {}
    }

    async fn step(&mut self) -> Result<(), Closed> {
        match self.next().await {
            Next::Stop => Err(self.close(close_code::AWAY, "the server stops").await),
            Next::Silence if self.unheard >= PINGS_LIMIT => Err(Closed),
            Next::Silence => {
                self.unheard += 1;
                self.send(Message::Ping(bytes::Bytes::new())).await
            }
            Next::Up(Some(Ok(message))) => {
                self.unheard = 0;
                self.hear(message).await
            }
            Next::Up(_) => Err(Closed),
            Next::Down(Ok(page)) => self.tell(page).await,
            Next::Down(Err(error)) => self.lose(error).await,
        }
    }

    /// Waits for whatever comes first.
    ///
    /// # Cancel safety
    ///
    /// All branches are: a message or page is taken only when its branch is.
    async fn next(&mut self) -> Next {
        let (stop, at) = (&self.app.stop, self.next_at);
        let following = self.following.as_mut();
        let page = async {
            match following {
                Some(following) => {
                    tokio::time::sleep_until(at).await;
                    following.reader.next().await
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => Next::Stop,
            up = self.socket.recv() => Next::Up(up),
            page = page => Next::Down(page),
            () = tokio::time::sleep(PING_EVERY) => Next::Silence,
        }
    }

    async fn send(&mut self, message: Message) -> Result<(), Closed> {
        self.socket.send(message).await.map_err(|_| Closed)
    }

    async fn say(&mut self, text: String) -> Result<(), Closed> {
        self.send(Message::Text(text.into())).await
    }

    async fn close(&mut self, code: u16, reason: &'static str) -> Closed {
        let frame = CloseFrame {
            code,
            reason: reason.into(),
        };
        // The other side may be gone already; then there is nobody to tell.
        let _ = self.socket.send(Message::Close(Some(frame))).await;
        Closed
    }

    async fn too_long(&mut self) -> Closed {
        self.close(close_code::SIZE, "a message may have 1 MiB at most")
            .await
    }

    async fn tell(&mut self, page: Page) -> Result<(), Closed> {
        for message in frames::pack(&page.entries) {
            self.say(message).await?;
        }
        self.next_at = Instant::now() + PACE;
        if !page.end {
            return Ok(());
        }
        let ended = self.following.take().map(|following| following.id);
        if ended.is_some() && ended == self.single {
            return Err(self
                .close(close_code::NORMAL, "the last event was sent")
                .await);
        }
        Ok(())
    }

    /// The log cannot be read on: say why, and let the reader connect again.
    async fn lose(&mut self, error: magi_log::Error) -> Result<(), Closed> {
        self.following = None;
        if error != magi_log::Error::Moved {
            let frame = door(&Problem::from(error), None);
            self.say(frame).await?;
        }
        Err(self
            .close(close_code::AGAIN, "connect again with the last cursor")
            .await)
    }

    async fn hear(&mut self, message: Message) -> Result<(), Closed> {
        let text = match message {
            Message::Text(text) if text.len() > MESSAGE_LIMIT => return Err(self.too_long().await),
            Message::Binary(bytes) if bytes.len() > MESSAGE_LIMIT => {
                return Err(self.too_long().await);
            }
            Message::Text(text) => text,
            Message::Close(_) => return Err(Closed),
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Binary(_) => {
                let problem = Problem::new(Code::BadRequest, "messages must be text");
                return self.say(door(&problem, None)).await;
            }
        };
        let body = match intake::object_of(text.as_bytes()) {
            Ok(body) => body,
            Err(problem) => return self.say(door(&problem, None)).await,
        };
        let mark = body.get("ref").cloned();
        match self.act(body).await {
            Ok((action, data)) => {
                let answer = json!({
                    "type": "answer", "action": action, "ref": mark, "data": data,
                });
                self.say(answer.to_string()).await
            }
            Err(problem) => self.say(door(&problem, mark)).await,
        }
    }

    async fn act(&mut self, mut body: Map<String, Value>) -> Result<(String, Value), Problem> {
        body.remove("ref");
        let action = deliberations::text(&body, "action")?.unwrap_or_default();
        let data = match action.as_str() {
            "ask" if self.single.is_none() => self.ask(body).await?,
            "events" if self.single.is_none() => {
                let id = self.meant(&body)?;
                let after = deliberations::text(&body, "after")?;
                let after = deliberations::place(id, after.as_deref(), "after")?;
                self.following = Some(Following::open(&self.app, after).await?);
                json!({ "id": id })
            }
            word => match Verb::read(word) {
                Some(verb) => self.say_verb(verb, body).await?,
                None if self.single.is_none() => {
                    return Err(verbs::unknown(word, "this socket", &["ask", "events"]));
                }
                None => return Err(verbs::unknown(word, "this socket", &[])),
            },
        };
        Ok((action, data))
    }

    /// Says a verb, and follows the deliberation that it started, if it did.
    async fn say_verb(&mut self, verb: Verb, body: Map<String, Value>) -> Result<Value, Problem> {
        let id = self.meant(&body)?;
        let said = Said {
            app: &self.app,
            caller: &self.caller,
            id,
        };
        let done = said.run(verb, body).await?;
        if done.id != id || verb == Verb::Resume {
            self.follow_on(done.id, id).await?;
        }
        Ok(json!(done))
    }

    async fn ask(&mut self, body: Map<String, Value>) -> Result<Value, Problem> {
        let question = Question::read(body, &HeaderMap::new(), false)?;
        let asked = deliberations::ask(&self.app, &self.caller, &question).await?;
        let after = question.place(&asked)?;
        self.following = Some(Following::open(&self.app, after).await?);
        Ok(json!(deliberations::Accepted::of(&asked)))
    }

    /// Follows the deliberation that goes on, where it is another one or was not followed any more.
    async fn follow_on(&mut self, id: DeliberationId, from: DeliberationId) -> Result<(), Problem> {
        let followed = self.following.as_ref().map(|following| following.id);
        if self.single.is_some() || (id == from && followed == Some(id)) {
            return Ok(());
        }
        self.following = Some(Following::open(&self.app, Cursor::start(id)).await?);
        Ok(())
    }

    /// Returns the deliberation an action is meant for: the named one, or the one followed.
    fn meant(&self, body: &Map<String, Value>) -> Result<DeliberationId, Problem> {
        match deliberations::text(body, "id")? {
            Some(id) => deliberations::deliberation(&id),
            None => self
                .single
                .or_else(|| self.following.as_ref().map(|following| following.id))
                .ok_or_else(|| Problem::field("id", "`id` is missing: name the deliberation")),
        }
    }
}

/// Returns a door frame, with the mark of the message it answers.
fn door(problem: &Problem, mark: Option<Value>) -> String {
    let mut frame: Value = serde_json::from_slice(&problem.door_json()).unwrap_or_default();
    if let (Some(mark), Value::Object(frame)) = (mark, &mut frame) {
        frame.insert("ref".to_owned(), mark);
    }
    frame.to_string()
}
