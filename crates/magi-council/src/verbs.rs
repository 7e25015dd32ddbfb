//! The verbs that act in place: how one reaches the task that obeys it, here or in another process,
//! and comes back answered.

use std::sync::atomic::Ordering;
use std::time::Duration;

use magi_event::{Agent, Body, DeliberationId, Event, Sage};
use magi_log::{After, PostedVerb, Unfinished};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::Error;
use crate::engine::{Engine, Inner, Run, Stopped};
use crate::order::{Act, Order, Posted, RECORD, Reply};
use crate::request::LONGEST_KEY;
use crate::setup::Setup;

/// How long a verb waits that came while its deliberation was being taken over.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// The longest note, in bytes.
pub const LONGEST_NOTE: usize = 16_384;

/// Who says a verb, and under which key: the same key again changes nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told<'a> {
    /// Who: `user`, `cli`, ...
    pub by: &'a str,
    /// Makes a repeat of this request harmless; up to 128 bytes.
    pub key: Option<&'a str>,
}

impl<'a> Told<'a> {
    /// Makes what one says without a key.
    #[must_use]
    pub const fn by(by: &'a str) -> Self {
        Told { by, key: None }
    }
}

/// What a verb did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// The deliberation to follow: another one where a new one was linked.
    pub id: DeliberationId,
    /// Whether anything changed.
    pub changed: bool,
    /// Whether a new deliberation was started for it.
    pub fresh: bool,
}

/// What an order came to.
pub(crate) enum Obeyed {
    /// It was obeyed.
    Done { changed: bool },
    /// The deliberation had its last event.
    Over,
}

impl Inner {
    /// Leaves a verb once more that came while its deliberation was being taken over; where that is over
    /// meanwhile there is nobody to obey it.
    pub(crate) async fn put_back(&self, id: DeliberationId, verb: PostedVerb) {
        sleep(BETWEEN_LOOKS).await;
        if let Err(error) = self.rooms.logs.post(id, verb).await {
            tracing::info!(%id, %error, "a posted verb has nobody to obey it");
        }
    }
}

impl Engine {
    /// Stops one member. The answer comes when its end is stored.
    pub(crate) async fn stop_member(
        &self,
        id: DeliberationId,
        agent: Agent,
        told: Told<'_>,
    ) -> Result<Stopped, Error> {
        self.check_member(id, Some(agent)).await?;
        let act = Act::Stop { agent: Some(agent) };
        let changed = match self.command(id, act, told).await? {
            Obeyed::Done { changed } => changed,
            Obeyed::Over => false,
        };
        let status = self.logs().head(id).await?.status;
        Ok(Stopped {
            id,
            status,
            changed,
        })
    }

    /// Lets a sage, the judge, or with nobody named all sages, begin another attempt. What they said
    /// before is never lost: it counts until a later attempt has a vote, and again if that one fails.
    /// A vote that comes after the tally gives a new tally and lets the judge begin anew. With
    /// `attempt` only that attempt is followed by another. The judge is not called early by this.
    ///
    /// After the last event a new, linked deliberation does it, with the stored votes of the others. With nobody
    /// named it asks those without a vote again, the judge alone where only the judgment is missing, and all sages
    /// where nobody failed. The same key again finds that one.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`]; [`Error::Invalid`] for somebody who is not in the council;
    /// [`Error::KeyReused`] for a key under which something else was said; [`Error::Conflict`] for a judge who was
    /// stopped, and for a deliberation that was interrupted;
    /// [`Error::Unavailable`], [`Error::Busy`].
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have done it.
    pub async fn retry(
        &self,
        id: DeliberationId,
        agent: Option<Agent>,
        attempt: Option<u32>,
        told: Told<'_>,
    ) -> Result<Done, Error> {
        self.check_member(id, agent).await?;
        match self
            .command(id, Act::Retry { agent, attempt }, told)
            .await?
        {
            Obeyed::Done { changed } => Ok(same(id, changed)),
            Obeyed::Over => self.retry_ended(id, (agent, attempt), told).await,
        }
    }

    /// Tells a sage, the judge, or with nobody named all, something: a fact, a question, a
    /// correction. Sages at work go on; each who voted without having been told replies once, blind
    /// as before, and votes again. The judge is always told.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] once the judge has begun to speak, and after the end: fork it with the
    /// note instead; else as [`Engine::retry`].
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have done it.
    pub async fn note(
        &self,
        id: DeliberationId,
        agent: Option<Agent>,
        text: &str,
        told: Told<'_>,
    ) -> Result<Done, Error> {
        check_note(text, "text")?;
        self.check_member(id, agent).await?;
        let text = text.trim().to_owned();
        match self.command(id, Act::Note { agent, text }, told).await? {
            Obeyed::Done { changed } => Ok(same(id, changed)),
            Obeyed::Over => Err(Error::Conflict(
                "it is over: use `fork` with this as its `note`, which keeps the votes and lets \
                 every sage reply to it"
                    .to_owned(),
            )),
        }
    }

    /// Holds a deliberation before its next model call; calls under way go on to their end. Its
    /// clocks stand still until [`Engine::resume`].
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] after the end, and for one that was interrupted; [`Error::Unknown`],
    /// [`Error::Unavailable`], [`Error::Busy`].
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have done it.
    pub async fn pause(&self, id: DeliberationId, told: Told<'_>) -> Result<Done, Error> {
        match self.command(id, Act::Pause, told).await? {
            Obeyed::Done { changed } => Ok(same(id, changed)),
            Obeyed::Over => Err(Error::Conflict(
                "it is over: there is nothing to pause".to_owned(),
            )),
        }
    }

    /// Goes on with a deliberation. A paused one goes on; an interrupted one goes on under its own
    /// id, however old; one that is over, or was stopped, is gone on from by a new, linked one that
    /// reuses the votes that were cast, and that the same key again finds.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`], [`Error::Unavailable`], [`Error::Busy`]; [`Error::Invalid`] when a model
    /// of the council is not configured here any more.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have done it.
    pub async fn resume(&self, id: DeliberationId, told: Told<'_>) -> Result<Done, Error> {
        told.key.map_or(Ok(()), check_key)?;
        if !self.is_running(id) && !self.logs().head(id).await?.is_over() {
            match self.logs().take_over(id).await {
                Ok(taken) => {
                    let Some(mut run) = Run::again(taken) else {
                        return Err(Error::Conflict("its setup does not read".to_owned()));
                    };
                    let was_paused = run.resume(told, &self.inner.rooms)?;
                    tracing::info!(%id, by = told.by, "an interrupted deliberation goes on");
                    self.inner.spawn(run);
                    return Ok(same(id, was_paused));
                }
                // Somebody goes on with it already: it may be paused there.
                Err(magi_log::Error::Owned(_) | magi_log::Error::Over(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        match self.command(id, Act::Resume, told).await? {
            Obeyed::Done { changed } => Ok(same(id, changed)),
            Obeyed::Over => self.link(id, told).await,
        }
    }

    /// Checks that somebody is in the council.
    pub(crate) async fn check_member(
        &self,
        id: DeliberationId,
        agent: Option<Agent>,
    ) -> Result<(), Error> {
        let setup = self.logs().setup(id).await?;
        let setup: Setup = serde_json::from_slice(&setup)
            .map_err(|error| Error::Conflict(format!("its setup does not read: {error}")))?;
        let mut members = setup.council.members();
        match agent {
            Some(agent) if !members.any(|(member, _)| member == agent) => {
                let message = format!("names {agent}, who is not in this council");
                Err(Error::invalid("agent", message))
            }
            _ => Ok(()),
        }
    }

    /// Brings an order to the task of a deliberation, in whichever process, and waits until what it
    /// did is stored.
    async fn command(&self, id: DeliberationId, act: Act, told: Told<'_>) -> Result<Obeyed, Error> {
        let key = match told.key {
            Some(key) => {
                check_key(key)?;
                key.to_owned()
            }
            None => format!("{:032x}", self.inner.rooms.env.entropy.u128()),
        };
        let wait = self.inner.rooms.limits.stop_wait;
        let unanswered = || Error::Unavailable("it is not stored yet".to_owned());
        if !self.is_running(id) {
            self.take_up_now(id).await?;
        }
        let Some(control) = self.inner.control(id) else {
            let elsewhere = self.command_elsewhere(id, act, told.by, key);
            return timeout(wait, elsewhere)
                .await
                .map_err(|_| Error::Unavailable("its owner did not answer yet".to_owned()))?;
        };
        let (order, answer) = Order::new(act, told.by, key);
        if !control.order(order) {
            let message = "too many verbs wait for this deliberation: try again in a second";
            return Err(Error::Busy(message.to_owned()));
        }
        let answered = async {
            tokio::select! {
                biased;
                answer = answer => answer.ok(),
                () = control.done.cancelled() => None,
            }
        };
        let reply = timeout(wait, answered).await.map_err(|_| unanswered())?;
        match reply {
            Some(Reply::Done { changed, commit }) => match timeout(wait, commit).await {
                Ok(Ok(())) => Ok(Obeyed::Done { changed }),
                Ok(Err(closed)) => Err(Error::closed(self.logs(), closed)),
                Err(_) => Err(unanswered()),
            },
            Some(Reply::Refused(why)) => Err(Error::Conflict(why)),
            Some(Reply::KeyReused) => Err(Error::KeyReused),
            None if self.logs().head(id).await?.is_over() => Ok(Obeyed::Over),
            None => Err(unanswered()),
        }
    }

    /// Leaves an order for the owner, and reads its record.
    async fn command_elsewhere(
        &self,
        id: DeliberationId,
        act: Act,
        by: &str,
        key: String,
    ) -> Result<Obeyed, Error> {
        let head = self.logs().head(id).await?;
        if head.is_over() {
            return Ok(Obeyed::Over);
        }
        let unfinished = self.logs().unfinished().await?;
        let is_alone = |one: &Unfinished| one.id == id && !one.owner_alive;
        // A server is taking it over this moment, and will find the order.
        let attends = self.inner.attends.load(Ordering::Acquire);
        if unfinished.iter().any(is_alone) && (!attends || self.is_suspended(id).await?) {
            return Err(Error::Conflict(
                "it was interrupted and nobody deliberates: use `resume` first".to_owned(),
            ));
        }
        // The same key may have been obeyed before.
        let mut reader = self.logs().read(After::Start(id)).await?;
        let digest = act.digest();
        if !self.post(id, by, &key, act).await? {
            return Ok(Obeyed::Over);
        }
        let mut is_new = false;
        loop {
            let page = reader.next().await?;
            for entry in &page.entries {
                is_new |= entry.cursor.seq > head.last_seq;
                let event = entry
                    .event()
                    .map_err(|error| Error::Unavailable(error.to_string()))?;
                match answer_in(&event, &key, &digest) {
                    Some(Recorded::Refused(why)) if is_new => return Err(Error::Conflict(why)),
                    Some(Recorded::Done { changed }) => {
                        return Ok(Obeyed::Done {
                            changed: changed && is_new,
                        });
                    }
                    Some(Recorded::Other) => return Err(Error::KeyReused),
                    Some(Recorded::Refused(_)) | None => {}
                }
            }
            if page.end {
                return Ok(Obeyed::Over);
            }
        }
    }

    /// Leaves an order for the owner; false when the deliberation is over.
    pub(crate) async fn post(
        &self,
        id: DeliberationId,
        by: &str,
        key: &str,
        act: Act,
    ) -> Result<bool, Error> {
        let posted = Posted {
            by: by.to_owned(),
            key: key.to_owned(),
            act,
        };
        let verb = serde_json::to_vec(&posted).unwrap_or_default();
        match self.logs().post(id, PostedVerb(verb.into())).await {
            Ok(()) => Ok(true),
            Err(magi_log::Error::Over(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn check_key(key: &str) -> Result<(), Error> {
    if (1..=LONGEST_KEY).contains(&key.len()) {
        return Ok(());
    }
    let message = format!("must be 1 to {LONGEST_KEY} bytes");
    Err(Error::invalid("idempotency_key", message))
}

/// Checks a note's text.
pub(crate) fn check_note(text: &str, field: &str) -> Result<(), Error> {
    if text.trim().is_empty() {
        return Err(Error::invalid(field, "is blank: write what is to be told"));
    }
    if text.contains('\0') {
        let message = "holds the character U+0000, which is no text: remove it";
        return Err(Error::invalid(field, message));
    }
    if text.len() > LONGEST_NOTE {
        let length = text.len();
        let message = format!("is {length} bytes long, at most {LONGEST_NOTE} are taken");
        return Err(Error::invalid(field, message));
    }
    Ok(())
}

pub(crate) const fn same(id: DeliberationId, changed: bool) -> Done {
    Done {
        id,
        changed,
        fresh: false,
    }
}

/// What a record says of an order.
enum Recorded {
    /// It was obeyed.
    Done { changed: bool },
    /// It was refused, and why.
    Refused(String),
    /// Another one was obeyed under its key.
    Other,
}

/// Reads the record of the order with this key.
fn answer_in(event: &Event, key: &str, digest: &str) -> Option<Recorded> {
    let Body::Trace(_, trace) = &event.body else {
        return None;
    };
    let of = |name: &str| trace.attributes.get(name);
    if trace.name != RECORD || of("key").and_then(Value::as_str) != Some(key) {
        return None;
    }
    Some(match of("refused").and_then(Value::as_str) {
        Some(why) => Recorded::Refused(why.to_owned()),
        None if of("digest").is_some_and(|other| other != digest) => Recorded::Other,
        None => Recorded::Done {
            changed: of("changed").and_then(Value::as_bool).unwrap_or(false),
        },
    })
}

/// Returns the sages whom a verb means.
pub(crate) fn meant(setup: &Setup, agent: Option<Agent>) -> Vec<Sage> {
    match agent {
        None => setup.council.sages(),
        Some(agent) => agent.sage().into_iter().collect(),
    }
}
