//! One event: a numbered line of a log, and its wire JSON.

use std::borrow::Cow;

use serde::Deserialize;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use crate::body::DataVisitor;
use crate::{Body, DeliberationId, Timestamp, UnknownAgent};

/// One event of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its number in the log, from 1, rising by exactly 1.
    pub seq: u64,
    /// When it happened.
    pub timestamp: Timestamp,
    /// The deliberation it belongs to.
    pub trace_id: DeliberationId,
    /// What happened.
    pub body: Body,
}

/// Why a text is not an event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// It is not an event's JSON object.
    #[error("not an event: {0}")]
    Envelope(#[source] serde_json::Error),
    /// The data of this kind of event does not read.
    #[error("`{name}` event with wrong data: {source}")]
    Data {
        /// The kind of event.
        name: String,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// This kind of event is about a sage, and names none.
    #[error("`{0}` event without `agentId`")]
    NoAgent(String),
    /// The sage is unknown.
    #[error(transparent)]
    Agent(UnknownAgent),
}

/// The envelope on the wire, before its data is read.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    name: Cow<'a, str>,
    seq: u64,
    timestamp: Timestamp,
    trace_id: DeliberationId,
    #[serde(rename = "agentId", borrow, default)]
    agent: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl Event {
    /// Reads an event from its JSON.
    ///
    /// # Errors
    ///
    /// When the text is not an event of this contract. An event of an unknown kind is not an error:
    /// it reads as [`Body::Unknown`].
    pub fn from_json(json: &[u8]) -> Result<Event, DecodeError> {
        let envelope: Envelope<'_> = serde_json::from_slice(json).map_err(DecodeError::Envelope)?;
        let body = Body::read(&envelope.name, envelope.agent.as_deref(), envelope.data)?;
        Ok(Event {
            seq: envelope.seq,
            timestamp: envelope.timestamp,
            trace_id: envelope.trace_id,
            body,
        })
    }

    /// Returns the event's JSON: one line, without a line break anywhere.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Writing these types to memory cannot fail: every map key is a string.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", self.body.name())?;
        map.serialize_entry("seq", &self.seq)?;
        map.serialize_entry("timestamp", &self.timestamp)?;
        map.serialize_entry("trace_id", &self.trace_id)?;
        match &self.body {
            Body::Unknown(unknown) => {
                if let Some(agent) = &unknown.agent {
                    map.serialize_entry("agentId", agent)?;
                }
            }
            body => {
                if let Some(sage) = body.sage() {
                    map.serialize_entry("agentId", &sage)?;
                }
            }
        }
        self.body.with_data(EntryOf(&mut map))?;
        map.end()
    }
}

/// Writes the data as the map's entry `data`.
struct EntryOf<'a, M>(&'a mut M);

impl<M: SerializeMap> DataVisitor for EntryOf<'_, M> {
    type Output = Result<(), M::Error>;

    fn visit<T: Serialize>(self, data: &T) -> Self::Output {
        self.0.serialize_entry("data", data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Delta, Sage};

    fn chunk() -> Event {
        Event {
            seq: 42,
            timestamp: Timestamp::from_millis(1_795_395_723_004),
            trace_id: DeliberationId::new(Timestamp::from_millis(1_795_395_723_004), 7),
            body: Body::AgentChunk(
                Sage::Caspar,
                Delta {
                    text: "可決\n\u{2028}".into(),
                },
            ),
        }
    }

    #[test]
    fn the_wire_form_is_the_documented_one() {
        let event = chunk();
        let json = String::from_utf8(event.to_json()).unwrap();
        let id = event.trace_id;
        assert_eq!(
            json,
            format!(
                r#"{{"type":"agent_chunk","seq":42,"timestamp":"2026-11-23T01:02:03.004Z","trace_id":"{id}","agentId":"caspar","data":{{"text":"可決\n{}"}}}}"#,
                '\u{2028}'
            )
        );
        assert_eq!(Event::from_json(json.as_bytes()).unwrap(), event);
    }

    #[test]
    fn an_unknown_kind_keeps_its_place_and_writes_back() {
        let json = String::from_utf8(chunk().to_json())
            .unwrap()
            .replace("agent_chunk", "agent_hums")
            .replace("caspar", "ramiel");
        let event = Event::from_json(json.as_bytes()).unwrap();
        assert!(matches!(&event.body, Body::Unknown(unknown) if unknown.name == "agent_hums"));
        assert_eq!(String::from_utf8(event.to_json()).unwrap(), json);
    }

    #[test]
    fn an_unknown_field_is_ignored_and_a_wrong_sage_is_not() {
        let json = String::from_utf8(chunk().to_json()).unwrap();
        let more = json.replace(r#""data":{"#, r#""more":1,"data":{"mood":"calm","#);
        assert_eq!(Event::from_json(more.as_bytes()).unwrap(), chunk());
        let wrong = json.replace("caspar", "solomon");
        assert!(matches!(
            Event::from_json(wrong.as_bytes()),
            Err(DecodeError::Agent(_))
        ));
        let none = json.replace(r#""agentId":"caspar","#, "");
        assert!(matches!(
            Event::from_json(none.as_bytes()),
            Err(DecodeError::NoAgent(_))
        ));
    }
}
