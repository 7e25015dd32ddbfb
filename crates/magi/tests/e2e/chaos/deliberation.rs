//! One deliberation and all who are about it: the readers, who says the verbs, who kills its server.

use std::time::Duration;

use magi_client::{Door, Error, Question, Reading, Step};
use magi_emulator::fault::Proxy;
use magi_emulator::{End, Entry as Call};
use magi_event::{Agent, Body, Cursor, DeliberationId, Event};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use super::check::hold;
use super::plan::{At, Plan, Verb, Wish};
use super::town::Town;

/// How long a deliberation may take, its server's deaths and its verbs included.
const PATIENCE: Duration = Duration::from_secs(180);

/// How far a deliberation has come, as seen by whoever has seen most.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    id: Option<DeliberationId>,
    seq: u64,
    /// Where the judge began.
    judge: Option<u64>,
    is_over: bool,
}

/// What one reader has seen, over all its connections.
pub(super) struct Sight {
    pub(super) who: &'static str,
    pub(super) entries: Vec<(Cursor, Event, Instant)>,
    pub(super) connections: u64,
    pub(super) over_sockets: u64,
}

/// A verb that was said, and what came of it.
pub(super) struct Said {
    pub(super) verb: Verb,
    pub(super) agent: Option<Agent>,
    pub(super) door: Door,
    pub(super) outcome: Outcome,
    pub(super) stopped: Stopped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// The deliberation had not come so far when it ended.
    NotReached,
    Changed,
    Unchanged,
    /// Another deliberation was begun.
    Linked(DeliberationId),
    /// 409: it does not fit the state.
    Refused,
}

/// What became of the calls that were open when a stop was said.
#[derive(Default)]
pub(super) struct Stopped {
    pub(super) closed: Vec<Closed>,
    /// So many had ended by themselves before the stop was answered.
    pub(super) by_themselves: usize,
}

/// A vendor's call that a stop ended, in milliseconds.
pub(super) struct Closed {
    pub(super) after_request: u64,
    /// From the answer to the close; nothing if the close came first.
    pub(super) after_answer: u64,
}

/// All that was seen of one deliberation.
pub(super) struct Outing {
    pub(super) id: DeliberationId,
    pub(super) sights: Vec<Sight>,
    pub(super) said: Vec<Said>,
    pub(super) cuts: u64,
    /// What its log is now, read anew from the server.
    pub(super) stored: Vec<(Cursor, Event)>,
    /// The vendor's calls, all of which have ended.
    pub(super) calls: Vec<Call>,
}

/// Does to one deliberation what its plan says.
pub(super) async fn run(town: &Town, plan: &Plan) -> Result<Outing, String> {
    let progress = watch::Sender::new(Progress::default());
    let target = town.host.parse().unwrap();
    let cutting = Proxy::start(target, plan.cutting()).await.unwrap();
    let narrow = Proxy::start(target, plan.narrow()).await.unwrap();
    let rounds = async {
        let (asker, rotating, slow, said, ()) = tokio::try_join!(
            ask(town, plan, &cutting, &progress),
            rotate(town, plan, &progress),
            follow_slowly(town, plan, &narrow, &progress),
            speak(town, plan, &progress),
            kill(town, plan, &progress),
        )?;
        Ok((vec![asker, rotating, slow], said))
    };
    let ended = tokio::time::timeout(PATIENCE, rounds).await;
    let (sights, said) =
        ended.unwrap_or_else(|_| Err(format!("not over: {:?}", *progress.borrow())))?;
    let cuts = cutting.counts().faults;
    let id = sights[0].entries[0].0.deliberation;
    let mut stored = Sight::new("stored");
    stored
        .read(
            town.client(&town.host, Door::Api).events(id, None),
            None,
            &progress,
        )
        .await?;
    let name = format!("{id} {}", plan.model);
    let (calls, all_ended) = town
        .vendors
        .ledger()
        .until_of(&plan.model, Duration::from_secs(20), ended_all)
        .await;
    if !all_ended {
        return Err(format!("a call of {name} is open after its end: {calls:?}"));
    }
    cutting.stop().await;
    narrow.stop().await;
    let stored = stored
        .entries
        .into_iter()
        .map(|(cursor, event, _)| (cursor, event));
    Ok(Outing {
        id,
        sights,
        said,
        cuts,
        stored: stored.collect(),
        calls,
    })
}

fn ended_all(calls: &[Call]) -> bool {
    calls.iter().all(|call| call.ended_ms.is_some())
}

/// Asks, and reads on through a network that cuts.
async fn ask(
    town: &Town,
    plan: &Plan,
    network: &Proxy,
    progress: &watch::Sender<Progress>,
) -> Result<Sight, String> {
    let client = town.client(&network.addr().to_string(), plan.asker);
    let model = format!("openai:{}", plan.model);
    let role = json!({ "model": model, "fallbacks": [] });
    let roles = json!({ "caspar": role, "balthasar": role, "melchior": role, "solomon": role });
    let question = Question {
        council: Some(json!({ "roles": roles })),
        ..Question::new(plan.question)
    };
    let mut sight = Sight::new("asker");
    sight.over_sockets = u64::from(plan.asker == Door::Socket);
    sight.read(client.ask(&question), None, progress).await?;
    Ok(sight)
}

/// Reads along, leaves again and again, and comes back through the other door.
async fn rotate(
    town: &Town,
    plan: &Plan,
    progress: &watch::Sender<Progress>,
) -> Result<Sight, String> {
    let id = known(progress).await;
    let mut sight = Sight::new("rotating");
    let mut door = plan.rotating;
    let mut legs = plan.legs.iter();
    while !sight.is_over() {
        let after = sight.entries.last().map(|(cursor, ..)| *cursor);
        let reading = town.client(&town.host, door).events(id, after);
        sight.over_sockets += u64::from(door == Door::Socket);
        sight.read(reading, legs.next().copied(), progress).await?;
        door = if door == Door::Api {
            Door::Socket
        } else {
            Door::Api
        };
    }
    Ok(sight)
}

async fn follow_slowly(
    town: &Town,
    plan: &Plan,
    network: &Proxy,
    progress: &watch::Sender<Progress>,
) -> Result<Sight, String> {
    let id = known(progress).await;
    let client = town.client(&network.addr().to_string(), plan.slow);
    let mut sight = Sight::new("slow");
    sight.over_sockets = u64::from(plan.slow == Door::Socket);
    sight.read(client.events(id, None), None, progress).await?;
    Ok(sight)
}

/// Waits until somebody has seen an event, and tells which deliberation it is.
async fn known(progress: &watch::Sender<Progress>) -> DeliberationId {
    let mut seen = progress.subscribe();
    let known = seen.wait_for(|progress| progress.id.is_some()).await;
    known.unwrap().id.unwrap()
}

/// Waits for a point; false when the deliberation ended before it.
async fn reach(progress: &watch::Sender<Progress>, at: At) -> bool {
    let is_there = |progress: &Progress| match at {
        At::Event(seq) => progress.seq >= seq,
        At::Judge(seqs) => progress
            .judge
            .is_some_and(|judge| progress.seq >= judge + seqs),
    };
    let mut seen = progress.subscribe();
    let reached = seen
        .wait_for(|progress| progress.is_over || is_there(progress))
        .await;
    reached.is_ok_and(|progress| !progress.is_over)
}

async fn kill(town: &Town, plan: &Plan, progress: &watch::Sender<Progress>) -> Result<(), String> {
    if let Some(seq) = plan.kill
        && reach(progress, At::Event(seq)).await
    {
        town.kill().await;
    }
    Ok(())
}

async fn speak(
    town: &Town,
    plan: &Plan,
    progress: &watch::Sender<Progress>,
) -> Result<Vec<Said>, String> {
    let said = plan
        .wishes
        .iter()
        .map(|wish| wish.say(town, plan, progress));
    futures_util::future::try_join_all(said).await
}

impl Wish {
    async fn say(
        &self,
        town: &Town,
        plan: &Plan,
        progress: &watch::Sender<Progress>,
    ) -> Result<Said, String> {
        let mut said = Said {
            verb: self.verb,
            agent: self.agent,
            door: self.door,
            outcome: Outcome::NotReached,
            stopped: Stopped::default(),
        };
        if !reach(progress, self.at).await {
            return Ok(said);
        }
        let id = known(progress).await;
        let before = self.under_way(town, plan);
        let kills = town.kills().len();
        let ledger = town.vendors.ledger();
        let requested = ledger.now_ms();
        said.outcome = self.insist(town, id).await?;
        let answered = ledger.now_ms();
        if self.verb == Verb::Stop && said.outcome == Outcome::Changed {
            let has_ended = |calls: &[Call]| {
                let open = calls.iter().filter(|call| call.ended_ms.is_none());
                open.into_iter().all(|call| !before.contains(&call.id))
            };
            let (calls, ended) = ledger
                .until_of(&plan.model, Duration::from_secs(20), has_ended)
                .await;
            if !ended {
                return Err(format!(
                    "{self:?} was answered and its call goes on: {calls:?}"
                ));
            }
            // Where the server was killed meanwhile, that closed them.
            if town.kills().len() == kills {
                let mine = calls.iter().filter(|call| before.contains(&call.id));
                said.stopped = Stopped::of(mine, requested, answered)?;
            }
        }
        Ok(said)
    }

    /// The calls to the vendor that a stop would end.
    fn under_way(&self, town: &Town, plan: &Plan) -> Vec<u64> {
        let calls = town.vendors.ledger().of(&plan.model);
        let open = calls.iter().filter(|call| call.ended_ms.is_none());
        let meant = open.filter(|call| self.agent.is_none() || call.role == self.agent);
        meant.map(|call| call.id).collect()
    }

    /// Says it until it is answered: a server that dies meanwhile leaves it open whether it was done.
    async fn insist(&self, town: &Town, id: DeliberationId) -> Result<Outcome, String> {
        let client = town.client(&town.host, self.door);
        let key = format!("{:?} {id}", self.at);
        loop {
            let done = match self.verb {
                Verb::Stop => client.stop(id, self.agent).await,
                Verb::Retry => client.retry(id, self.agent, None).await,
                Verb::Note => {
                    client
                        .note(id, self.agent, "期限は月末です。", Some(&key))
                        .await
                }
                Verb::Pause => match client.pause(id).await {
                    Ok(_) => client.resume(id).await,
                    Err(error) => Err(error),
                },
            };
            return match done {
                Ok(done) if done.id != id => Ok(Outcome::Linked(done.id)),
                Ok(done) if done.changed => Ok(Outcome::Changed),
                Ok(_) => Ok(Outcome::Unchanged),
                // A stop fits every state.
                Err(Error::Conflict(_)) if self.verb != Verb::Stop => Ok(Outcome::Refused),
                Err(error) if error.is_transient() => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
                Err(error) => Err(format!("{self:?}: {error}")),
            };
        }
    }
}

impl Stopped {
    /// Holds that each of these calls, which were open when the stop was requested, was closed in its middle, or
    /// had ended by itself before the stop was answered.
    fn of<'a>(
        calls: impl Iterator<Item = &'a Call>,
        requested: u64,
        answered: u64,
    ) -> Result<Stopped, String> {
        let mut stopped = Stopped::default();
        for call in calls {
            // One without a status was left before its answer began.
            let is_cut_short = call.end == Some(End::ClientClosed)
                && (call.status.is_none() || call.tokens_sent < call.tokens_planned);
            let ended = call.ended_ms.ok_or("a call that is open")?;
            if is_cut_short {
                let at = call.client_closed_ms.unwrap_or(ended);
                stopped.closed.push(Closed {
                    after_request: at.saturating_sub(requested),
                    after_answer: at.saturating_sub(answered),
                });
            } else {
                hold(ended <= answered, || {
                    format!("a stop answered at {answered} ms did not close {call:?}")
                })?;
                stopped.by_themselves += 1;
            }
        }
        Ok(stopped)
    }
}

impl Sight {
    fn new(who: &'static str) -> Sight {
        Sight {
            who,
            entries: Vec::new(),
            connections: 0,
            over_sockets: 0,
        }
    }

    fn is_over(&self) -> bool {
        let last = self.entries.last();
        last.is_some_and(|(_, event, _)| event.body.is_last())
    }

    /// Reads to the end, or so many events.
    async fn read(
        &mut self,
        mut reading: Reading,
        most: Option<usize>,
        progress: &watch::Sender<Progress>,
    ) -> Result<(), String> {
        let mut left = most.unwrap_or(usize::MAX);
        while left > 0 {
            match reading.next().await {
                None => return Ok(()),
                Some(Err(error)) => return Err(format!("the {} reader: {error}", self.who)),
                Some(Ok(Step::Snapshot(_))) => {
                    return Err(format!(
                        "the {} reader: nothing was dropped from the log",
                        self.who
                    ));
                }
                Some(Ok(Step::State(magi_client::State::Connecting { .. }))) => {
                    self.connections += 1;
                }
                Some(Ok(Step::State(_))) => {}
                Some(Ok(Step::Entry(entry))) => {
                    left -= 1;
                    saw(progress, entry.cursor, &entry.event);
                    self.entries
                        .push((entry.cursor, entry.event, Instant::now()));
                }
            }
        }
        Ok(())
    }
}

fn saw(progress: &watch::Sender<Progress>, cursor: Cursor, event: &Event) {
    let is_last = event.body.is_last();
    let judges = matches!(event.body, Body::JudgeStart(_));
    progress.send_if_modified(|progress| {
        // After a rewind the numbers come again, and the last one may be below what was seen.
        if cursor.seq <= progress.seq && !is_last && !judges {
            return false;
        }
        progress.id = Some(cursor.deliberation);
        progress.seq = progress.seq.max(cursor.seq);
        if judges {
            progress.judge.get_or_insert(cursor.seq);
        }
        progress.is_over |= is_last;
        true
    });
}
