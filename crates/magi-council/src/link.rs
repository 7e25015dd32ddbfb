//! Deliberations that go on from others: linked by `start.fork_of`, with the stored votes.

use std::collections::{BTreeMap, BTreeSet};

use magi_event::{
    Agent, AgentComplete, AgentStart, AttemptError, Body, Cause, DeliberationId, Delta, Note, Sage,
    Trace, text_sha256,
};
use magi_log::Env;
use serde_json::{Map, Value, json};

use crate::control::Why;
use crate::engine::{Asked, Engine};
use crate::judge;
use crate::memory::{Memory, Said};
use crate::order::Act;
use crate::presets::CUSTOM;
use crate::sage::SageEnd;
use crate::setup::{Reused, Setup};
use crate::stage::ALL;
use crate::verbs::{Done, Told, check_note, meant, same};
use crate::{Council, CouncilPatch, Error, Idempotency, body_digest, words};

/// The most re-judgements that one request starts.
pub const MOST_REJUDGEMENTS: u32 = 9;

/// What is to be other when the stored votes are judged again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rejudge {
    /// The preset whose rule, quorum, judge and times are taken; the sages stay as they were.
    pub preset: Option<String>,
    /// Another judge, rule, quorum or time; not another sage.
    pub council: CouncilPatch,
    /// The seed of the order in which the judge sees the sages; absent: another order than before.
    pub order_seed: Option<u32>,
    /// How many times, each in another order as far as there are any: 1 to
    /// [`MOST_REJUDGEMENTS`].
    pub times: u32,
}

/// What is to be other in a fork.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fork {
    /// The preset whose council takes the place of the one before, under the settings of now.
    pub preset: Option<String>,
    /// Changes to the council. A sage whose own part changes is asked again.
    pub council: CouncilPatch,
    /// The sages who are asked again whatever they said.
    pub again: BTreeSet<Sage>,
    /// What everybody is told: the sages whose votes are reused reply to it.
    pub note: Option<String>,
}

impl Engine {
    /// Starts a deliberation that goes on from one that is over, with the votes that were cast.
    pub(crate) async fn link(&self, id: DeliberationId, told: Told<'_>) -> Result<Done, Error> {
        let (setup, memory) = self.source(id).await?;
        if memory.knows(told.key, &Act::Resume)? {
            return Ok(same(id, false));
        }
        let votes = |_: Sage, said: &Said| said.is_cast();
        let setup = relinked(setup, id, &memory, votes);
        let key = link_key(id, told, &Act::Resume);
        self.start_linked(setup, key).await
    }

    /// Retries in a deliberation that is over.
    pub(crate) async fn retry_ended(
        &self,
        id: DeliberationId,
        (agent, attempt): (Option<Agent>, Option<u32>),
        told: Told<'_>,
    ) -> Result<Done, Error> {
        let (setup, memory) = self.source(id).await?;
        let is_meant = |agent: Agent| {
            let newest = memory.next_attempt(agent) - 1;
            attempt.is_none_or(|attempt| attempt == newest)
        };
        let mut again = meant(&setup, agent);
        let mut judge_alone = agent == Some(Agent::Judge);
        if agent.is_none() {
            // What failed is tried again; where nothing did, everything.
            let is_cast = |sage: &Sage| memory.done.get(sage).is_some_and(Said::is_cast);
            if !again.iter().all(is_cast) {
                again.retain(|sage| !is_cast(sage));
            } else if memory.judge_attempt > 0 && memory.judgment.is_none() {
                again.clear();
                judge_alone = true;
            }
        }
        again.retain(|sage| is_meant((*sage).into()));
        judge_alone &= is_meant(Agent::Judge);
        let act = Act::Retry { agent, attempt };
        if memory.knows(told.key, &act)? || (again.is_empty() && !judge_alone) {
            return Ok(same(id, false));
        }
        let mut setup = relinked(setup, id, &memory, |sage, _| !again.contains(&sage));
        setup.is_judge_stopped = false;
        let key = link_key(id, told, &act);
        self.start_linked(setup, key).await
    }

    /// Judges the stored votes of an ended deliberation again: linked deliberations with another
    /// judge, order or rule, whose sages are not called. With a key a repeat finds the same ones.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] before the last event, and where no vote was cast; [`Error::Invalid`] for
    /// a change that is not the judge's; else as [`Engine::ask`].
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have started some of them.
    pub async fn rejudge(
        &self,
        id: DeliberationId,
        wish: &Rejudge,
        key: Option<&Idempotency>,
    ) -> Result<Vec<Asked>, Error> {
        if !(1..=MOST_REJUDGEMENTS).contains(&wish.times) {
            let message = format!("must be between 1 and {MOST_REJUDGEMENTS}");
            return Err(Error::invalid("stability", message));
        }
        if let Some(sage) = wish.council.roles.keys().find_map(|agent| agent.sage()) {
            let message = "changes a sage, whose vote is stored: use `fork`";
            return Err(Error::invalid(format!("council.roles.{sage}"), message));
        }
        if let Some(known) = self.known_all(key, wish.times).await? {
            return Ok(known);
        }
        if !self.logs().head(id).await?.is_over() {
            let why = "it is not over yet: `retry` with agent `judge` lets the judge begin anew";
            return Err(Error::Conflict(why.to_owned()));
        }
        let (setup, memory) = self.source(id).await?;
        if !memory.done.values().any(Said::is_cast) {
            let why = "no vote was cast, so there is nothing to judge: use `retry`";
            return Err(Error::Conflict(why.to_owned()));
        }
        let mut base = relinked(setup, id, &memory, |_, _| true);
        if let Some(name) = &wish.preset {
            let council = self.council_of(name, &base).await?;
            judge_as(&mut base.council, council);
        }
        wish.council.apply(&mut base.council);
        base.is_judge_stopped = false;
        base.council.validate()?;
        if !base.council.has_judge() {
            let message = "has no judge: enable `solomon`";
            return Err(Error::invalid("council.roles.solomon", message));
        }
        self.inner.check_models(&base, &wish.council)?;
        let seeds = self.seeds(&base, &memory, wish);
        let mut started = Vec::new();
        for (number, seed) in seeds.into_iter().enumerate() {
            let mut setup = base.clone();
            setup.order_seed = Some(seed);
            let key = key.map(|key| numbered(key, number));
            started.push(self.open_known(setup, key).await?);
        }
        Ok(started)
    }

    /// Starts a deliberation that goes on from another one, running or over, with the votes that it
    /// has: some sages may be asked again, the council may be another, and everybody may be told
    /// something.
    ///
    /// # Errors
    ///
    /// As [`Engine::ask`], and [`Error::Unknown`].
    ///
    /// # Cancel safety
    ///
    /// As [`Engine::ask`].
    pub async fn fork(
        &self,
        id: DeliberationId,
        wish: &Fork,
        key: Option<Idempotency>,
    ) -> Result<Asked, Error> {
        if let Some(note) = &wish.note {
            check_note(note, "note")?;
        }
        if let Some(known) = self.known(key.as_ref()).await? {
            return Ok(known);
        }
        let (setup, memory) = self.source(id).await?;
        let mut council = match &wish.preset {
            Some(name) => self.council_of(name, &setup).await?,
            None => setup.council.clone(),
        };
        wish.council.apply(&mut council);
        council.validate()?;
        let members = council.sages();
        if let Some(sage) = wish.again.iter().find(|sage| !members.contains(sage)) {
            let message = format!("names {sage}, who is not in this council");
            return Err(Error::invalid("agent", message));
        }
        let is_kept = |sage: Sage, said: &Said| {
            let agent = Agent::Sage(sage);
            let is_same = council.roles.get(&agent) == setup.council.roles.get(&agent);
            said.is_cast() && is_same && members.contains(&sage) && !wish.again.contains(&sage)
        };
        let mut linked = relinked(setup.clone(), id, &memory, is_kept);
        linked.council = council.clone();
        linked.is_judge_stopped = false;
        if let Some(note) = &wish.note {
            linked.notes.push(Note {
                from: "user".to_owned(),
                to: ALL.to_owned(),
                text: note.trim().to_owned(),
            });
        }
        self.inner.check_models(&linked, &wish.council)?;
        self.open_known(linked, key).await
    }

    /// Returns the council of a preset as it would be asked now, in the deliberation's language.
    async fn council_of(&self, preset: &str, setup: &Setup) -> Result<Council, Error> {
        let chosen = self.presets().chosen(preset).await?;
        Ok(chosen.council(setup.lang, &self.inner.rooms.settings))
    }

    /// Looks for the re-judgements that the same key started: all of them, or it is no repeat.
    async fn known_all(
        &self,
        key: Option<&Idempotency>,
        times: u32,
    ) -> Result<Option<Vec<Asked>>, Error> {
        let Some(key) = key else { return Ok(None) };
        let mut known = Vec::new();
        for number in 0..times as usize {
            match self.known(Some(&numbered(key, number))).await? {
                Some(asked) => known.push(asked),
                None => return Ok(None),
            }
        }
        Ok(Some(known))
    }

    async fn open_known(&self, setup: Setup, key: Option<Idempotency>) -> Result<Asked, Error> {
        match self.known(key.as_ref()).await? {
            Some(known) => Ok(known),
            None => self.open(setup, key).await,
        }
    }

    async fn start_linked(&self, setup: Setup, key: Option<Idempotency>) -> Result<Done, Error> {
        self.inner.check_models(&setup, &CouncilPatch::default())?;
        let asked = self.open_known(setup, key).await?;
        Ok(Done {
            id: asked.id,
            changed: asked.fresh,
            fresh: asked.fresh,
        })
    }

    /// Reads what a deliberation left.
    async fn source(&self, id: DeliberationId) -> Result<(Setup, Memory), Error> {
        let setup = self.logs().setup(id).await?;
        let setup: Setup = serde_json::from_slice(&setup)
            .map_err(|error| Error::Conflict(format!("its setup does not read: {error}")))?;
        let memory = Memory::of(&self.logs().events(id).await?);
        Ok((setup, memory))
    }

    /// Chooses a seed for each re-judgement: orders that were not seen yet come first.
    fn seeds(&self, setup: &Setup, memory: &Memory, wish: &Rejudge) -> Vec<u32> {
        // Those whom the judge sees, as the deliberation itself chooses them.
        let speaking: Vec<Sage> = setup
            .reused
            .iter()
            .filter(|(_, reused)| matches!(reused.complete.cause, None | Some(Cause::Own)))
            .map(|(sage, _)| *sage)
            .collect();
        let mut seen: Vec<Vec<Sage>> = Vec::new();
        if let Some((seed, _)) = memory.judge_order {
            seen.push(judge::order(&speaking, seed));
        }
        let mut seeds: Vec<u32> = wish.order_seed.into_iter().collect();
        while (seeds.len() as u64) < u64::from(wish.times) {
            // Six orders at most, so 64 draws find what is left with hardly an exception.
            let fresh = (0..64).map(|_| self.seed()).find(|seed| {
                let order = judge::order(&speaking, *seed);
                !seen.contains(&order)
            });
            let seed = fresh.unwrap_or_else(|| self.seed());
            seen.push(judge::order(&speaking, seed));
            seeds.push(seed);
        }
        seeds
    }

    fn seed(&self) -> u32 {
        let mut bytes = [0; 4];
        self.inner.rooms.env.entropy.fill(&mut bytes);
        u32::from_le_bytes(bytes)
    }
}

/// Makes the key under which a linked deliberation is found again. As in place, the key stands for a
/// verb of this deliberation, whoever says it.
fn link_key(id: DeliberationId, told: Told<'_>, act: &Act) -> Option<Idempotency> {
    let key = told.key?;
    Some(Idempotency {
        identity: format!("verb of {id}"),
        key: key.to_owned(),
        body_sha256: body_digest(&json!(act)),
    })
}

/// Makes the key of one of several re-judgements.
fn numbered(key: &Idempotency, number: usize) -> Idempotency {
    Idempotency {
        key: format!("{}#{number}", key.key),
        ..key.clone()
    }
}

/// Takes from another council what a judgment goes by. It bears that council's name only where the
/// sages were told what they would be told there.
fn judge_as(council: &mut Council, other: Council) {
    let is_asked_alike = Sage::ALL.iter().all(|sage| {
        let prompt = |council: &Council| {
            let role = council.roles.get(&Agent::Sage(*sage));
            role.map(|role| (role.enabled, role.prompt.clone()))
        };
        prompt(council) == prompt(&other)
    });
    council.version = other.version;
    council.name = if is_asked_alike {
        other.name
    } else {
        CUSTOM.to_owned()
    };
    council.rule = other.rule;
    council.quorum = other.quorum;
    council.late = other.late;
    council.deadlines = other.deadlines;
    council.budget = other.budget;
    if let Some(judge) = other.roles.get(&Agent::Judge) {
        council.roles.insert(Agent::Judge, judge.clone());
    }
}

/// Makes the setup of a deliberation that goes on from another with the votes that are kept.
fn relinked(
    mut setup: Setup,
    id: DeliberationId,
    memory: &Memory,
    is_kept: impl Fn(Sage, &Said) -> bool,
) -> Setup {
    let members = setup.council.sages();
    setup.reused = memory
        .done
        .iter()
        .filter(|(sage, said)| members.contains(sage) && is_kept(**sage, said))
        .map(|(sage, said)| (*sage, said.reused()))
        .collect();
    setup.fork_of = Some(id);
    setup.spent = None;
    setup.notes.clone_from(&memory.notes);
    setup.is_judge_stopped = false;
    setup.order_seed = None;
    setup
}

impl Setup {
    /// Returns what is done before the first token: the reused votes.
    pub(crate) fn memory(&self) -> Memory {
        let done: BTreeMap<_, _> = self
            .reused
            .iter()
            .map(|(sage, reused)| (*sage, reused.said()))
            .collect();
        Memory {
            done,
            notes: self.notes.clone(),
            is_judge_stopped: self.is_judge_stopped,
            ..Memory::default()
        }
    }

    /// Makes the events that say what the deliberation goes on from: each reused vote stands before
    /// the notes that its sage was not told.
    pub(crate) fn inherited(&self, env: &Env) -> Vec<Body> {
        let mut bodies = Vec::new();
        for told in 0..=self.notes.len() {
            let is_last = told == self.notes.len();
            for (sage, reused) in &self.reused {
                if reused.heard == told || (is_last && reused.heard > told) {
                    bodies.extend(reused.lane(*sage, self.fork_of, env));
                }
            }
            bodies.extend(self.notes.get(told).cloned().map(Body::Note));
        }
        if self.is_judge_stopped {
            bodies.push(Body::JudgeError(AttemptError {
                code: words::STOPPED.to_owned(),
                message: words::halted(self.lang, &Why::Asked),
                attempt: 0,
                retryable: false,
                retry_in: None,
            }));
        }
        bodies
    }
}

impl Reused {
    fn said(&self) -> Said {
        Said {
            end: SageEnd {
                complete: self.complete(),
                message: self.message.clone(),
            },
            prose: self.prose.clone(),
            provider: self.provider.clone(),
            model: self.model.clone(),
            heard: self.heard,
        }
    }

    /// The vote as this deliberation has it: it cost nothing here.
    fn complete(&self) -> AgentComplete {
        AgentComplete {
            attempt: 1,
            text_bytes: self.prose.len() as u64,
            text_sha256: text_sha256(&self.prose),
            usage: None,
            cost_usd: None,
            first_token_ms: None,
            execution_time: 0,
            ..self.complete.clone()
        }
    }

    /// Makes the sage's whole lane, so that the new log stands by itself.
    pub(crate) fn lane(&self, sage: Sage, from: Option<DeliberationId>, env: &Env) -> Vec<Body> {
        let mut attributes = Map::new();
        attributes.insert("reused".to_owned(), Value::Bool(true));
        if let Some(from) = from {
            attributes.insert("from".to_owned(), Value::String(from.to_string()));
        }
        let trace = Trace {
            span_id: format!("{:016x}", env.entropy.u64()),
            parent_id: None,
            name: "sage".to_owned(),
            started_at: env.clock.now(),
            duration_ms: Some(0),
            attributes,
        };
        let start = AgentStart {
            attempt: 1,
            provider: self.provider.clone(),
            model: self.model.clone(),
        };
        let mut lane = vec![Body::AgentStart(sage, start)];
        if !self.prose.is_empty() {
            let text = self.prose.clone();
            lane.push(Body::AgentChunk(sage, Delta { text }));
        }
        lane.push(Body::Trace(Some(sage), trace));
        lane.push(Body::AgentComplete(sage, self.complete()));
        lane
    }
}
