//! A verb on its way to the task that obeys it, from this process or another.

use magi_event::Agent;
use magi_log::Commit;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::body_digest;

/// The name of the `trace` event that records a verb.
pub(crate) const RECORD: &str = "verb";

/// What is to be done in place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub(crate) enum Act {
    /// Stop one member, or all.
    Stop {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent: Option<Agent>,
    },
    /// Let one member, or all sages, begin another attempt.
    Retry {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent: Option<Agent>,
        /// Only if this is the newest attempt.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attempt: Option<u32>,
    },
    /// Tell one member, or all, something.
    Note {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent: Option<Agent>,
        text: String,
    },
    /// Hold before the next model call.
    Pause,
    /// Go on after a pause.
    Resume,
}

impl Act {
    /// Returns the verb and whom it is meant for, for the record.
    pub(crate) fn told(&self) -> (&'static str, Option<Agent>) {
        match self {
            Act::Stop { agent } => ("stop", *agent),
            Act::Retry { agent, .. } => ("retry", *agent),
            Act::Note { agent, .. } => ("note", *agent),
            Act::Pause => ("pause", None),
            Act::Resume => ("resume", None),
        }
    }

    /// Returns by what its record is told from another verb or another text under the same key: half of a SHA-256,
    /// in hex.
    pub(crate) fn digest(&self) -> String {
        let digest = body_digest(&json!(self));
        digest[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// A verb as another process leaves it in the store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Posted {
    pub(crate) by: String,
    /// By which its record is found in the log.
    #[serde(default)]
    pub(crate) key: String,
    #[serde(flatten)]
    pub(crate) act: Act,
}

/// What came of an order.
#[derive(Debug)]
pub(crate) enum Reply {
    /// It was obeyed; the commit says when that is stored.
    Done { changed: bool, commit: Commit },
    /// It cannot be obeyed any more, and why.
    Refused(String),
    /// Its key was used for something else.
    KeyReused,
}

/// A verb for the task of a deliberation.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) key: String,
    pub(crate) by: String,
    pub(crate) act: Act,
    /// Who waits for the reply; nobody for one from another process, which reads the record.
    reply: Option<oneshot::Sender<Reply>>,
}

impl Order {
    /// Makes an order of this process, and where its reply comes.
    pub(crate) fn new(act: Act, by: &str, key: String) -> (Self, oneshot::Receiver<Reply>) {
        let (reply, answer) = oneshot::channel();
        let order = Order {
            key,
            by: by.to_owned(),
            act,
            reply: Some(reply),
        };
        (order, answer)
    }

    /// Tells whether somebody in this process waits.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| !reply.is_closed())
    }

    /// Answers whoever waits; nobody may any more.
    pub(crate) fn answer(&mut self, reply: Reply) {
        if let Some(waiting) = self.reply.take() {
            let _ = waiting.send(reply);
        }
    }

    /// Returns what the record of it says.
    pub(crate) fn record(&self, changed: bool, refused: Option<&str>) -> Value {
        let (verb, agent) = self.act.told();
        let digest = self.act.digest();
        let mut record = json!({
            "verb": verb, "by": self.by, "key": self.key, "digest": digest, "changed": changed,
        });
        if let Some(agent) = agent {
            record["agent"] = json!(agent);
        }
        if let Some(refused) = refused {
            record["refused"] = json!(refused);
        }
        record
    }
}

impl From<Posted> for Order {
    fn from(posted: Posted) -> Self {
        Order {
            key: posted.key,
            by: posted.by,
            act: posted.act,
            reply: None,
        }
    }
}
