//! The verbs: what may be done with a deliberation that is there.

use http::Method;
use magi_event::{Agent, DeliberationId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::call::Call;
use crate::{Client, Door, Error, socket};

/// What a verb did.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Done {
    /// The deliberation to follow: another one where a new one was linked.
    pub id: DeliberationId,
    /// Whether anything changed.
    pub changed: bool,
    /// All that were linked, where that is more than one.
    #[serde(default)]
    pub ids: Vec<DeliberationId>,
}

/// What is to be other when stored votes are judged again.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Rejudge {
    /// A preset whose rule, quorum, judge and times are taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Another model for the judge, as `provider:model`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Another rule, quorum, judge or time, as a question's `council`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub council: Option<Value>,
    /// The seed of the order in which the judge sees the sages; absent: another order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_seed: Option<u32>,
    /// So many re-judgements, each in another order as far as there are any: 1 to 9.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stability: Option<u32>,
}

/// What is to be other in a fork.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Fork {
    /// A preset whose council takes the place of the one before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// A sage who is asked again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<Agent>,
    /// Another model for that agent, as `provider:model`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Changes to the council, as a question's `council`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub council: Option<Value>,
    /// What everybody is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Client {
    /// Stops a deliberation, or one of its council. Stopping what has ended changes nothing.
    ///
    /// # Errors
    ///
    /// When there is no such deliberation, or the server cannot be reached.
    pub async fn stop(&self, id: DeliberationId, agent: Option<Agent>) -> Result<Done, Error> {
        self.verb(id, "stop", of_agent(agent)).await
    }

    /// Lets a sage, the judge, or with nobody named all sages, begin another attempt; with `attempt`
    /// only if that is the newest one. After the end a linked deliberation does it.
    ///
    /// # Errors
    ///
    /// As [`Client::stop`].
    pub async fn retry(
        &self,
        id: DeliberationId,
        agent: Option<Agent>,
        attempt: Option<u32>,
    ) -> Result<Done, Error> {
        let mut fields = of_agent(agent);
        if let Some(attempt) = attempt {
            fields.insert("attempt".into(), attempt.into());
        }
        self.verb(id, "retry", fields).await
    }

    /// Tells a sage, the judge, or with nobody named all, something, until the judge speaks. The same
    /// `key` again changes nothing more.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] once the judge has begun to speak: [`Client::fork`] with the note instead;
    /// else as [`Client::stop`].
    pub async fn note(
        &self,
        id: DeliberationId,
        agent: Option<Agent>,
        text: &str,
        key: Option<&str>,
    ) -> Result<Done, Error> {
        let mut fields = of_agent(agent);
        fields.insert("text".into(), text.into());
        if let Some(key) = key {
            fields.insert("idempotency_key".into(), key.into());
        }
        self.verb(id, "note", fields).await
    }

    /// Holds a deliberation before its next model call.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] after its end; else as [`Client::stop`].
    pub async fn pause(&self, id: DeliberationId) -> Result<Done, Error> {
        self.verb(id, "pause", Map::new()).await
    }

    /// Goes on with a paused or interrupted deliberation, or with one that ended as a linked one;
    /// the answer names the one to follow.
    ///
    /// # Errors
    ///
    /// When it cannot be resumed; else as [`Client::stop`].
    pub async fn resume(&self, id: DeliberationId) -> Result<Done, Error> {
        self.verb(id, "resume", Map::new()).await
    }

    /// Judges the stored votes of an ended deliberation again, in linked ones.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] before its end; else as [`Client::stop`].
    pub async fn rejudge(&self, id: DeliberationId, wish: &Rejudge) -> Result<Done, Error> {
        self.verb(id, "rejudge", fields_of(wish)).await
    }

    /// Goes on from a deliberation in a linked one, with the votes that it has.
    ///
    /// # Errors
    ///
    /// As [`Client::stop`].
    pub async fn fork(&self, id: DeliberationId, wish: &Fork) -> Result<Done, Error> {
        self.verb(id, "fork", fields_of(wish)).await
    }

    async fn verb(
        &self,
        id: DeliberationId,
        verb: &'static str,
        mut fields: Map<String, Value>,
    ) -> Result<Done, Error> {
        let answer = match self.server.options.door {
            Door::Api => {
                let call = Call::about(Method::POST, id, &[verb]).body(fields);
                self.server.json(call).await?
            }
            Door::Invocations => {
                fields.insert("id".into(), id.to_string().into());
                self.action(verb, fields).await?
            }
            Door::Socket => {
                fields.insert("id".into(), id.to_string().into());
                socket::act(&self.server, verb, fields).await?
            }
        };
        serde_json::from_value(Value::Object(answer))
            .map_err(|error| Error::Contract(format!("its answer does not read: {error}")))
    }
}

fn of_agent(agent: Option<Agent>) -> Map<String, Value> {
    let name = |agent: Agent| agent.sage().map_or("judge", magi_event::Sage::name);
    let named = agent.map(|agent| ("agent".to_owned(), Value::from(name(agent))));
    Map::from_iter(named)
}

fn fields_of(wish: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(wish) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) | Err(_) => Map::new(),
    }
}
