//! The door of actions: `POST /invocations`, which every MAGI server has.

use std::sync::Arc;

use futures_util::stream::{self, BoxStream};
use http::Method;
use magi_event::{DeliberationId, Timestamp, sse};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::call::{Call, Server};
use crate::{Body, Client, Error, Problem};

/// Makes the call of an action.
pub(crate) fn action(name: &str, mut fields: Map<String, Value>) -> Call {
    fields.insert("action".into(), name.into());
    Call::new(Method::POST, &["invocations"]).body(fields)
}

impl Client {
    /// Sends an action whose answer is JSON.
    ///
    /// # Errors
    ///
    /// When the server refuses or cannot be reached.
    pub async fn action(
        &self,
        name: &str,
        fields: Map<String, Value>,
    ) -> Result<Map<String, Value>, Error> {
        self.server.json(action(name, fields)).await
    }

    /// Returns how a deliberation stands.
    ///
    /// # Errors
    ///
    /// When there is no such deliberation, or the server cannot be reached.
    pub async fn status(&self, id: DeliberationId) -> Result<Map<String, Value>, Error> {
        let fields = Map::from_iter([("id".to_owned(), id.to_string().into())]);
        self.action("status", fields).await
    }

    /// Returns what this door can do.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached.
    pub async fn capabilities(&self) -> Result<Vec<String>, Error> {
        let answer = self.action("capabilities", Map::new()).await?;
        let list = answer.get("capabilities").and_then(Value::as_array);
        let list = list.ok_or_else(|| Error::Contract("no `capabilities`".into()))?;
        let words = list.iter().filter_map(Value::as_str);
        Ok(words.map(str::to_owned).collect())
    }

    /// Asks for a probe of the way here: frames that come one by one, so that a hop which holds
    /// bytes back is seen.
    ///
    /// With `acked` each frame is sent only after the word that the one before was seen, which
    /// goes out when the next is asked for; else they come 300 ms apart and bear their instant.
    /// A stream that ends in an error has found such a hop, or acks that reach another process.
    pub fn probe(&self, frames: u32, acked: bool) -> BoxStream<'static, Result<Beat, Error>> {
        let fields = [("frames", frames.into()), ("ack", acked.into())];
        let fields = fields.map(|(name, value): (&str, Value)| (name.to_owned(), value));
        let frames = Frames {
            server: Arc::clone(&self.server),
            call: Some(action("probe", Map::from_iter(fields)).stream()),
            body: None,
            decoder: sse::Decoder::new(self.server.options.max_event_bytes),
            ready: Vec::new(),
            seen: None,
        };
        Box::pin(stream::try_unfold(frames, |mut frames| async move {
            let beat = frames.next().await?;
            Ok(beat.map(|beat| (beat, frames)))
        }))
    }
}

/// One frame of a probe.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Beat {
    /// Which probe it is of.
    pub probe: String,
    /// Its number, from 1.
    pub frame: u32,
    /// How many there will be.
    pub frames: u32,
    /// Whether the next one waits for the word that this one was seen.
    pub acked: bool,
    /// When the server sent it, by its own clock.
    pub sent_at: Timestamp,
}

/// The frames of a probe as they come.
struct Frames {
    server: Arc<Server>,
    call: Option<Call>,
    body: Option<Body>,
    decoder: sse::Decoder,
    /// What the last bytes completed, newest first.
    ready: Vec<sse::Message>,
    /// The frame about which the server waits for a word.
    seen: Option<Beat>,
}

impl Frames {
    async fn next(&mut self) -> Result<Option<Beat>, Error> {
        if let Some(call) = self.call.take() {
            self.open(call).await?;
        }
        if let Some(beat) = self.seen.take() {
            self.ack(&beat).await?;
        }
        loop {
            if let Some(message) = self.ready.pop() {
                let beat = read(&message)?;
                self.seen = Some(beat.clone()).filter(|beat| beat.acked);
                return Ok(Some(beat));
            }
            let Some(body) = &mut self.body else {
                return Ok(None);
            };
            let silence = self.server.options.silence;
            let Some(bytes) = self.server.next_chunk(body, silence).await? else {
                return Ok(None);
            };
            let ready = &mut self.ready;
            self.decoder.push(&bytes, |message| ready.push(message))?;
            ready.reverse();
        }
    }

    async fn ack(&mut self, beat: &Beat) -> Result<(), Error> {
        let fields = [
            ("probe".to_owned(), beat.probe.clone().into()),
            ("frame".to_owned(), beat.frame.into()),
        ];
        let call = action("ack", Map::from_iter(fields));
        self.server.json(call).await.map(drop)
    }

    async fn open(&mut self, call: Call) -> Result<(), Error> {
        let (head, body) = self.server.send(call).await?.into_parts();
        if head.status.is_success() {
            self.body = Some(body);
            return Ok(());
        }
        let bytes = self.server.collect(body).await?;
        Err(Problem::of_answer(head.status, &head.headers, &bytes).into())
    }
}

fn read(message: &sse::Message) -> Result<Beat, Error> {
    let wrong = |error| Error::Contract(format!("a probe's frame does not read: {error}"));
    let mut frame: Map<String, Value> = serde_json::from_str(&message.data).map_err(wrong)?;
    if let Some(problem) = Problem::of_door_frame(&frame) {
        return Err(problem.into());
    }
    let data = frame.remove("data").unwrap_or_default();
    Beat::deserialize(data).map_err(wrong)
}
