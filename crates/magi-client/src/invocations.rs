//! The door of actions: `POST /invocations`, which every MAGI server has.

use std::sync::Arc;

use futures_util::stream::{self, BoxStream};
use http::Method;
use magi_event::{DeliberationId, sse};
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

    /// Sends an action whose answer is a stream of JSON, and gives each message as it comes, so
    /// that a hop which holds bytes back is seen: `probe`.
    ///
    /// # Errors
    ///
    /// Each message may be the error that ends the stream.
    pub fn probe(
        &self,
        fields: Map<String, Value>,
    ) -> BoxStream<'static, Result<Map<String, Value>, Error>> {
        let frames = Frames {
            server: Arc::clone(&self.server),
            call: Some(action("probe", fields).stream()),
            body: None,
            decoder: sse::Decoder::new(self.server.options.max_event_bytes),
            ready: Vec::new(),
        };
        Box::pin(stream::try_unfold(frames, |mut frames| async move {
            let message = frames.next().await?;
            Ok(message.map(|message| (message, frames)))
        }))
    }
}

/// A stream of messages that are no events of a log.
struct Frames {
    server: Arc<Server>,
    call: Option<Call>,
    body: Option<Body>,
    decoder: sse::Decoder,
    /// What the last bytes completed, newest first.
    ready: Vec<sse::Message>,
}

impl Frames {
    async fn next(&mut self) -> Result<Option<Map<String, Value>>, Error> {
        if let Some(call) = self.call.take() {
            self.open(call).await?;
        }
        loop {
            if let Some(message) = self.ready.pop() {
                let frame: Map<String, Value> = serde_json::from_str(&message.data)
                    .map_err(|error| Error::Contract(format!("a frame is no JSON: {error}")))?;
                return match Problem::of_door_frame(&frame) {
                    Some(problem) => Err(problem.into()),
                    None => Ok(Some(frame)),
                };
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
