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
//! - `{"type":"end","id":..}`: the deliberation that `/ws` followed has no more events. A
//!   deliberation's own socket closes with 1000 instead.
//!
//! Up, every message is `{"action":..}` with the fields of the same action of `/invocations`: every
//! verb, and on `/ws` also `ask` and `events`, which make the socket follow that deliberation instead
//! of the one before; so does a verb that starts a linked one. A `ref` comes back with the answer. A
//! verb is heard while events wait for a slow reader; the next one when its answer is out.
//!
//! Source: Amazon Bedrock AgentCore quotas: WebSocket frames up to 32 or 64 KB, 250 frames a second.

mod frames;
mod wire;

use std::collections::VecDeque;
use std::time::Duration;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Extension, Path, State};
use axum::response::Response;
use http::{HeaderMap, Uri};
use magi_council::Watch;
use magi_event::{Cursor, DeliberationId};
use magi_log::{After, Reader};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::deliberations::{self, Question};
use crate::problem::{Code, Problem};
use crate::socket::wire::{Closed, Wire};
use crate::stream::Counted;
use crate::verbs::{self, Said, Verb};
use crate::{Caller, intake};

/// How often a silent socket is pinged.
const PING_EVERY: Duration = Duration::from_secs(15);

/// How many pings in a row may go without any word from the other side.
const PINGS_LIMIT: u32 = 4;

/// The most bytes of a message up: a question with its context fits. A longer one is read to its end
/// and refused with a word, and the socket goes on.
const MESSAGE_LIMIT: usize = 1024 * 1024;

/// The longest mark of a message, in bytes of JSON: it comes back with the answer, and has to fit into a frame.
const MAX_REF: usize = 128;

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
    let upgrade = wire::bounded(upgrade).protocols([TOKEN_PROTOCOL]);
    Ok(upgrade.on_upgrade(move |socket| {
        let connection = Connection {
            app,
            caller,
            wire: Wire::new(socket),
            following,
            single,
            unheard: 0,
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
    /// Messages of the newest page.
    waiting: VecDeque<String>,
    is_over: bool,
    _watch: Watch,
}

impl Following {
    async fn open(app: &App, after: Cursor) -> Result<Self, Problem> {
        let id = after.deliberation;
        Ok(Following {
            id,
            reader: app.logs.read(After::Cursor(after)).await?,
            waiting: VecDeque::new(),
            is_over: false,
            _watch: app.engine.watch(id),
        })
    }

    /// Returns the next message, `None` after the last event.
    ///
    /// # Cancel safety
    ///
    /// Safe: a page is taken whole.
    async fn next(&mut self) -> Result<Option<String>, magi_log::Error> {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                return Ok(Some(message));
            }
            if self.is_over {
                return Ok(None);
            }
            let page = self.reader.next().await?;
            self.is_over = page.end;
            self.waiting = frames::pack(&page.entries).into();
        }
    }
}

struct Connection {
    app: App,
    caller: Caller,
    wire: Wire<WebSocket>,
    following: Option<Following>,
    /// The deliberation in the address, whose end closes the socket.
    single: Option<DeliberationId>,
    /// Pings since the other side was heard last.
    unheard: u32,
}

/// What happened next on a socket.
enum Next {
    Stop,
    Silence,
    Up(Result<Option<Message>, Closed>),
    Down(Result<Option<String>, magi_log::Error>),
}

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
                self.wire.tell(Message::Ping(bytes::Bytes::new())).await
            }
            Next::Up(heard) => {
                let Some(message) = heard? else {
                    return Ok(());
                };
                self.unheard = 0;
                self.hear(message).await
            }
            Next::Down(Ok(Some(message))) => self.wire.tell(Message::Text(message.into())).await,
            Next::Down(Ok(None)) => self.end().await,
            Next::Down(Err(error)) => self.lose(error).await,
        }
    }

    /// Waits for whatever comes first. Neither direction keeps the other from its turn: what comes
    /// up is as paced as what goes down.
    ///
    /// # Cancel safety
    ///
    /// All branches are: a message or page is taken only when its branch is.
    async fn next(&mut self) -> Next {
        let stop = &self.app.stop;
        tokio::select! {
            biased;
            () = stop.cancelled() => return Next::Stop,
            () = self.wire.pace() => {}
        }
        let is_full = self.wire.is_full();
        let following = self.following.as_mut();
        let down = async {
            match following {
                Some(following) if !is_full => following.next().await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => Next::Stop,
            heard = self.wire.hear() => Next::Up(heard),
            message = down => Next::Down(message),
            () = tokio::time::sleep(PING_EVERY), if !is_full => Next::Silence,
        }
    }

    async fn close(&mut self, code: u16, reason: &'static str) -> Closed {
        self.wire.close(code, reason, &self.app.stop).await
    }

    /// The followed deliberation has no more events.
    async fn end(&mut self) -> Result<(), Closed> {
        let ended = self.following.take().map(|following| following.id);
        if ended.is_some() && ended == self.single {
            return Err(self
                .close(close_code::NORMAL, "the last event was sent")
                .await);
        }
        let end = json!({ "type": "end", "id": ended }).to_string();
        self.wire.tell(Message::Text(end.into())).await
    }

    /// The log cannot be read on: say why, and let the reader connect again.
    async fn lose(&mut self, error: magi_log::Error) -> Result<(), Closed> {
        self.following = None;
        if error != magi_log::Error::Moved {
            let frame = door(&Problem::from(error), None);
            self.wire.answer(frame).await?;
        }
        Err(self
            .close(close_code::AGAIN, "connect again with the last cursor")
            .await)
    }

    async fn hear(&mut self, message: Message) -> Result<(), Closed> {
        let text = match message {
            Message::Close(_) => return Err(self.wire.closed(&self.app.stop).await),
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Text(text) if text.len() <= MESSAGE_LIMIT => text,
            Message::Binary(bytes) if bytes.len() <= MESSAGE_LIMIT => {
                let problem = Problem::new(Code::BadRequest, "messages must be text")
                    .fix("send the JSON in a text message");
                return self.wire.answer(door(&problem, None)).await;
            }
            Message::Text(_) | Message::Binary(_) => {
                let problem = Problem::new(Code::TooLarge, "the message is larger than 1 MiB");
                return self.wire.answer(door(&problem, None)).await;
            }
        };
        let body = match intake::object_of(text.as_bytes()) {
            Ok(body) => body,
            Err(problem) => return self.wire.answer(door(&problem, None)).await,
        };
        let mark = body.get("ref").cloned();
        if mark
            .as_ref()
            .is_some_and(|mark| mark.to_string().len() > MAX_REF)
        {
            let told = format!("`ref` may have at most {MAX_REF} bytes as JSON");
            return self
                .wire
                .answer(door(&Problem::field("ref", told), None))
                .await;
        }
        match self.act(body).await {
            Ok((action, data)) => {
                let answer = json!({
                    "type": "answer", "action": action, "ref": mark, "data": data,
                });
                self.wire.answer(answer.to_string()).await
            }
            Err(problem) => self.wire.answer(door(&problem, mark)).await,
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
