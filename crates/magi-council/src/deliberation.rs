//! The deliberation itself: sages in parallel, tally, judge, and back again where somebody asks for
//! it. How it ends stands in `ending`, what it does when told to in `obey`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use magi_event::{Agent, AttemptError, Body, Cause, Delta, Sage, Tally, text_sha256};
use magi_log::Closed;
use magi_model::ModelName;
use serde_json::json;
use tokio::task::{AbortHandle, Id, JoinSet};

use crate::control::{Halt, Why};
use crate::ending::JudgePart;
use crate::judge::{self, JudgeEnd};
use crate::lane::{Before, Lane, LaneEnd};
use crate::late::Waiting;
use crate::memory::{Memory, Said};
use crate::obey::Asked;
use crate::order::Order;
use crate::prompt::Argument;
use crate::sage::{self, SageEnd, Turn};
use crate::stage::{Span, Stage};
use crate::tally::{Ballot, Count, count};
use crate::words;

/// One deliberation in one generation.
pub(crate) struct Deliberation {
    pub(crate) stage: Arc<Stage>,
    /// What earlier generations left.
    pub(crate) memory: Memory,
    /// What the sages said in the attempts that count; it stays while a later one is at work.
    pub(crate) done: BTreeMap<Sage, Said>,
    /// The sages at work.
    pub(crate) lanes: BTreeMap<Sage, Work>,
    /// The judge at work.
    pub(crate) judge: Option<Judging>,
    /// The judge's newest lane, at work or not.
    pub(crate) judge_lane: Option<Arc<Lane>>,
    /// The order in which the judge sees the sages.
    order: Option<(u32, Vec<Sage>)>,
    /// What the judge came to on the votes as they stand.
    pub(crate) judged: Option<JudgePart>,
    pub(crate) is_judge_stopped: bool,
    /// Whether the votes as they stand were counted.
    pub(crate) is_tallied: bool,
    /// Events that go into one commit with what follows at once.
    pending: Vec<Body>,
    phase: Option<Span>,
    tasks: JoinSet<TaskEnd>,
    names: HashMap<Id, Agent>,
    /// Orders that wait for a task to end.
    pub(crate) asked: Vec<Asked>,
    /// The sages whose newest attempt was stopped.
    pub(crate) last_stopped: BTreeSet<Sage>,
    /// The keys of the orders that were obeyed, and for what each was.
    pub(crate) keys: BTreeMap<String, Option<String>>,
    /// Since when the votes would do without those who are still at work.
    pub(crate) waiting: Option<Waiting>,
    /// Whether somebody was late already: it is told once.
    pub(crate) was_late: bool,
    /// The sages whose call was ended because they were late.
    pub(crate) excluded: BTreeSet<Sage>,
}

/// A sage at work.
pub(crate) struct Work {
    pub(crate) lane: Arc<Lane>,
    pub(crate) handle: AbortHandle,
    /// Whether somebody asked for this attempt.
    pub(crate) is_asked_for: bool,
}

/// The judge at work.
pub(crate) struct Judging {
    pub(crate) lane: Arc<Lane>,
    pub(crate) handle: AbortHandle,
    phase: Span,
    /// Why it must begin anew, once its task has ended.
    pub(crate) again: Option<Again>,
}

/// Why an attempt is given up for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// Somebody asked for it.
    Retried,
    /// The votes that it weighs have changed.
    VotesChanged,
    /// The council was told something.
    Noted,
}

impl Again {
    /// Returns the word on the wire.
    const fn code(self) -> &'static str {
        match self {
            Again::Retried => "retried",
            Again::VotesChanged => "votes_changed",
            Again::Noted => "noted",
        }
    }
}

/// What a task came to.
enum TaskEnd {
    Sage(Result<Box<SageEnd>, Closed>),
    Judge(Result<JudgeEnd, Closed>),
}

/// How a task ended.
enum Ended {
    With(TaskEnd),
    /// It was given up.
    Aborted,
    /// It fell over.
    Fell(String),
}

/// What happened next.
enum Next {
    Halted(Halt),
    Ordered(Order),
    Late,
    Ended(Agent, Ended),
}

/// Runs a deliberation to its last event, or to its suspension, and returns that event's number.
/// With `has_begun` the first attempts of all sages are already in the log.
///
/// # Errors
///
/// Why the log takes no more; every model call has stopped by then.
///
/// # Cancel safety
///
/// Dropping it stops every model call and writes nothing.
pub(crate) async fn run(stage: Arc<Stage>, memory: Memory, has_begun: bool) -> Result<u64, Closed> {
    let mut deliberation = Deliberation::new(stage, memory);
    let ended = deliberation.deliberate(has_begun).await;
    if ended.is_err() {
        deliberation.tasks.shutdown().await;
        let untouched = deliberation.asked.drain(..).map(|asked| asked.order);
        let control = Arc::clone(&deliberation.stage.control);
        control.put_back(untouched.collect());
    }
    ended
}

impl Deliberation {
    fn new(stage: Arc<Stage>, memory: Memory) -> Self {
        Deliberation {
            done: memory.done.clone(),
            lanes: BTreeMap::new(),
            judge: None,
            judge_lane: None,
            order: memory.judge_order.clone(),
            judged: memory.judgment.clone().map(JudgePart::stored),
            is_judge_stopped: memory.is_judge_stopped,
            is_tallied: memory.is_tallied,
            pending: Vec::new(),
            phase: None,
            tasks: JoinSet::new(),
            names: HashMap::new(),
            asked: Vec::new(),
            last_stopped: BTreeSet::new(),
            keys: memory.keys.clone(),
            waiting: None,
            was_late: false,
            excluded: BTreeSet::new(),
            stage,
            memory,
        }
    }

    async fn deliberate(&mut self, has_begun: bool) -> Result<u64, Closed> {
        let generation = self.stage.writer.generation();
        let mut attributes = json!({"generation": generation});
        for (name, id) in &self.stage.setup.called {
            attributes[name] = json!(id);
        }
        let root = self.stage.root_span(attributes);
        self.stage.writer.append(root.started())?;
        if !self.is_tallied {
            let phase = self
                .stage
                .begin(&self.stage.root, "phase.sages", None, json!({}))?;
            self.phase = Some(phase);
        }
        self.set_out(has_begun)?;
        loop {
            self.look_for_late();
            if self.lanes.is_empty()
                && self.judge.is_none()
                && let Some(last) = self.settle()?
            {
                return Ok(last);
            }
            match self.next().await? {
                Next::Halted(halt) => return self.halt(&halt).await,
                Next::Ordered(order) => self.obey(order)?,
                Next::Late => self.take_late()?,
                Next::Ended(Agent::Sage(sage), ended) => self.sage_ended(sage, ended)?,
                Next::Ended(Agent::Judge, ended) => self.judge_ended(ended)?,
            }
        }
    }

    /// Waits for whatever happens next.
    async fn next(&mut self) -> Result<Next, Closed> {
        let Deliberation {
            stage,
            tasks,
            names,
            waiting,
            ..
        } = self;
        let waiting = *waiting;
        let (control, setup) = (&stage.control, &stage.setup);
        loop {
            let joined = tokio::select! {
                biased;
                closed = stage.writer.closed() => return Err(closed),
                halt = control.halted() => return Ok(Next::Halted(halt)),
                () = stage.meter.spent() => return Ok(Next::Halted(Halt {
                    by: "budget".to_owned(),
                    why: Why::Budget(stage.meter.account()),
                })),
                halt = control.left_alone(setup.on_leave, &setup.council.deadlines) => {
                    return Ok(Next::Halted(halt));
                }
                order = control.next_order() => return Ok(Next::Ordered(order)),
                () = late_over(waiting, stage) => return Ok(Next::Late),
                Some(joined) = tasks.join_next_with_id() => joined,
            };
            let (id, ended) = match joined {
                Ok((id, end)) => (id, Ended::With(end)),
                Err(error) if error.is_cancelled() => (error.id(), Ended::Aborted),
                Err(error) => (error.id(), Ended::Fell(error.to_string())),
            };
            if let Some(agent) = names.remove(&id) {
                return Ok(Next::Ended(agent, ended));
            }
        }
    }

    /// Starts a task for every sage who is not done.
    fn set_out(&mut self, has_begun: bool) -> Result<(), Closed> {
        let mut starts = Vec::new();
        for sage in self.stage.setup.council.sages() {
            let is_done = self.done.contains_key(&sage);
            if is_done && !self.memory.open.contains(&sage) {
                continue;
            }
            let attempt = self.memory.next_attempt(sage.into());
            let lane = self.lane(self.before(sage), sage.into(), attempt, None);
            starts.push(lane.start());
            // What was under way after the first vote was a reply or a retry; either way the notes
            // are told now.
            let turn = if is_done { Turn::Again } else { Turn::Whole };
            self.work(sage, lane, turn);
        }
        if !has_begun && !starts.is_empty() {
            self.stage.milestone(starts)?;
        }
        Ok(())
    }

    /// Makes the lane of an attempt on a role's first model; every council has all four roles.
    fn lane(
        &self,
        before: Before,
        agent: Agent,
        attempt: u32,
        order: Option<(u32, Vec<Sage>)>,
    ) -> Lane {
        let models = self.stage.setup.council.models(agent);
        let nobody = || ModelName {
            provider: String::new(),
            model: String::new(),
        };
        let model = models.into_iter().next().unwrap_or_else(nobody);
        Lane::after(before, agent, (attempt, model), order)
    }

    /// Returns what a sage's earlier attempts used.
    fn before(&self, sage: Sage) -> Before {
        self.done
            .get(&sage)
            .map_or_else(Before::default, |said| Before {
                usage: said.end.complete.usage,
                cost_usd: said.end.complete.cost_usd,
                execution_time: said.end.complete.execution_time,
            })
    }

    /// Returns a sage's newest attempt.
    pub(crate) fn attempt(&self, sage: Sage) -> u32 {
        let known = self.memory.attempts.get(&sage).copied();
        let done = self.done.get(&sage).map(|said| said.end.complete.attempt);
        known.max(done).unwrap_or(0)
    }

    /// Lets a sage work in a task of its own.
    fn work(&mut self, sage: Sage, lane: Lane, turn: Turn) {
        let lane = Arc::new(lane);
        let is_asked_for = !matches!(turn, Turn::Whole);
        let (stage, own) = (Arc::clone(&self.stage), Arc::clone(&lane));
        let parent = self.phase.as_ref().map_or(&stage.root, |phase| &phase.id);
        let parent = parent.clone();
        let handle = self.tasks.spawn(async move {
            let end = sage::run(&stage, &own, (sage, &turn), &parent).await;
            TaskEnd::Sage(end.map(Box::new))
        });
        self.names.insert(handle.id(), sage.into());
        let work = Work {
            lane,
            handle,
            is_asked_for,
        };
        self.lanes.insert(sage, work);
    }

    /// Begins another attempt of a sage who is not at work; the events that come `first` become
    /// visible with its start.
    pub(crate) fn begin_again(
        &mut self,
        sage: Sage,
        before: Before,
        turn: Turn,
        mut first: Vec<Body>,
    ) -> Result<(), Closed> {
        let attempt = self.attempt(sage) + 1;
        self.memory.attempts.insert(sage, attempt);
        let lane = self.lane(before, sage.into(), attempt, None);
        first.push(lane.start());
        self.last_stopped.remove(&sage);
        self.write(first)?;
        self.work(sage, lane, turn);
        Ok(())
    }

    /// Begins another attempt of a sage who is done.
    pub(crate) fn retry_done(&mut self, sage: Sage) -> Result<(), Closed> {
        let before = self.before(sage);
        self.begin_again(sage, before, Turn::Again, Vec::new())
    }

    /// Takes in that a sage's task ended.
    fn sage_ended(&mut self, sage: Sage, ended: Ended) -> Result<(), Closed> {
        let Some(work) = self.lanes.remove(&sage) else {
            return Ok(());
        };
        let lane = work.lane;
        self.memory.attempts.insert(sage, lane.attempt());
        let is_retried = self.is_to_retry(sage);
        let is_excluded = self.excluded.remove(&sage);
        match ended {
            Ended::With(TaskEnd::Sage(end)) => {
                self.take_end(sage, &lane, *end?)?;
                if is_retried {
                    self.retry_done(sage)?;
                }
            }
            Ended::With(TaskEnd::Judge(_)) => {}
            Ended::Aborted if is_retried => {
                let error = self.given_up(&lane, Again::Retried);
                self.begin_again(sage, lane.end().into(), Turn::Again, vec![error])?;
            }
            Ended::Aborted if is_excluded => {
                lane.hear(self.stage.notes().len());
                let setup = &self.stage.setup;
                let message = words::excluded(setup.lang, setup.council.deadlines.late);
                let error = lane.error(AttemptError {
                    code: "late".to_owned(),
                    message: message.clone(),
                    attempt: lane.attempt(),
                    retryable: false,
                    retry_in: None,
                });
                let end = sage::missing(&lane, setup.lang, Cause::Timeout, &message);
                self.write(vec![error])?;
                self.take_end(sage, &lane, end)?;
            }
            Ended::Aborted => {
                self.last_stopped.insert(sage);
                lane.hear(self.stage.notes().len());
                let end = sage::missing(&lane, self.stage.setup.lang, Cause::Stopped, "");
                if self.done.contains_key(&sage) {
                    self.write(vec![self.stopped(&lane)])?;
                }
                self.take_end(sage, &lane, end)?;
            }
            Ended::Fell(error) => {
                tracing::error!(%sage, %error, "a sage's task ended unexpectedly");
                lane.hear(self.stage.notes().len());
                let message = words::fell_over(self.stage.setup.lang);
                self.write(vec![internal_error(&lane, message)])?;
                let lang = self.stage.setup.lang;
                let end = sage::missing(&lane, lang, Cause::Failed, message);
                self.take_end(sage, &lane, end)?;
            }
        }
        self.answer_asked(sage.into())
    }

    /// Notes how a sage's attempt ended. A later attempt that brought no vote takes nothing away:
    /// what was said before is put back, as an attempt of its own.
    pub(crate) fn take_end(&mut self, sage: Sage, lane: &Lane, end: SageEnd) -> Result<(), Closed> {
        let is_missing = end.complete.cause.is_some_and(|cause| !cause.is_cast());
        if is_missing && let Some(before) = self.done.get(&sage).filter(|said| said.is_cast()) {
            let bodies = put_back(sage, before, lane.attempt() + 1, &lane.end());
            let mut said = before.clone();
            if let Some(Body::AgentComplete(_, complete)) = bodies.last() {
                said.end.complete = complete.clone();
            }
            // Who could not answer a note is not asked about it again.
            said.heard = said.heard.max(lane.heard());
            self.memory.attempts.insert(sage, lane.attempt() + 1);
            self.done.insert(sage, said);
            self.write(bodies)?;
            return Ok(());
        }
        let model = lane.model();
        let said = Said {
            prose: lane.prose(),
            provider: model.provider,
            model: model.model,
            heard: lane.heard(),
            end,
        };
        let body = Body::AgentComplete(sage, said.end.complete.clone());
        self.done.insert(sage, said);
        self.votes_changed();
        // The last vote goes into one commit with the tally.
        if self.lanes.is_empty() {
            self.pending.push(body);
        } else {
            self.write(vec![body])?;
        }
        Ok(())
    }

    /// Appends events that become visible together, after those that waited for them.
    pub(crate) fn write(&mut self, bodies: Vec<Body>) -> Result<u64, Closed> {
        let mut all = std::mem::take(&mut self.pending);
        all.extend(bodies);
        self.stage.milestone(all)
    }

    /// Notes that what was counted and judged does not hold any more.
    fn votes_changed(&mut self) {
        self.is_tallied = false;
        if let Some(given_up) = self.forget_judgment(Again::VotesChanged) {
            self.pending.push(given_up);
        }
        self.judge_again(Again::VotesChanged);
    }

    /// Forgets what the judge came to; returns the event that says so.
    pub(crate) fn forget_judgment(&mut self, why: Again) -> Option<Body> {
        self.judged.take()?;
        let lane = self.judge_lane.as_ref()?;
        Some(self.given_up(lane, why))
    }

    /// Ends the judge's attempt under way, so that it begins anew.
    pub(crate) fn judge_again(&mut self, why: Again) {
        if let Some(judging) = &mut self.judge {
            judging.again.get_or_insert(why);
            judging.handle.abort();
        }
    }

    /// Makes the event of an attempt that was given up for another.
    fn given_up(&self, lane: &Lane, why: Again) -> Body {
        lane.error(AttemptError {
            code: why.code().to_owned(),
            message: words::again(self.stage.setup.lang, why),
            attempt: lane.attempt(),
            retryable: true,
            retry_in: None,
        })
    }

    /// Makes the event of an attempt that was stopped.
    pub(crate) fn stopped(&self, lane: &Lane) -> Body {
        lane.error(AttemptError {
            code: words::STOPPED.to_owned(),
            message: words::halted(self.stage.setup.lang, &Why::Asked),
            attempt: lane.attempt(),
            retryable: false,
            retry_in: None,
        })
    }

    /// Goes on where nobody is at work: replies to notes, the tally, the judge, the end. Returns the
    /// last event's number once it is written.
    fn settle(&mut self) -> Result<Option<u64>, Closed> {
        if self.begin_replies()? {
            return Ok(None);
        }
        let counted = self.count();
        let mut bodies = std::mem::take(&mut self.pending);
        if let Some(phase) = self.phase.take() {
            bodies.push(phase.ended(json!({})));
        }
        if counted.is_empty {
            return self.fail_without_votes(bodies).map(Some);
        }
        if !self.is_tallied {
            bodies.push(self.tally(&counted));
            self.is_tallied = true;
        }
        let is_judged = counted.has_quorum && self.stage.setup.council.has_judge();
        let part = match self.judged.take() {
            Some(part) => part,
            None if !is_judged => self.without_judge(&counted),
            None if self.is_judge_stopped => {
                let lane = self.judge_lane.as_ref().map(|lane| lane.end());
                self.dismissed_judge(lane)
            }
            None => {
                self.call_judge(&counted, bodies)?;
                return Ok(None);
            }
        };
        self.finish(&counted, part, bodies).map(Some)
    }

    /// Lets every sage reply who voted before it was told what was told since; each sees its own
    /// answer and nobody else's. Tells whether anybody does.
    fn begin_replies(&mut self) -> Result<bool, Closed> {
        let speaking = self.done.iter().filter(|(sage, said)| {
            let has_spoken = matches!(said.end.complete.cause, None | Some(Cause::Own));
            has_spoken && self.stage.has_news((**sage).into(), said.heard)
        });
        let replies: Vec<(Sage, Said)> =
            speaking.map(|(sage, said)| (*sage, said.clone())).collect();
        for (sage, said) in &replies {
            let before = self.before(*sage);
            let turn = Turn::Reply(Box::new(said.clone()));
            self.begin_again(*sage, before, turn, Vec::new())?;
        }
        Ok(!replies.is_empty())
    }

    pub(crate) fn count(&self) -> Count {
        let council = &self.stage.setup.council;
        let ballots = self.done.iter().map(|(sage, said)| {
            let complete = &said.end.complete;
            (*sage, Ballot::of(complete.decision, complete.cause))
        });
        count(council.rule, council.quorum, &ballots.collect())
    }

    fn tally(&self, counted: &Count) -> Body {
        let votes = counted.votes;
        Body::Tally(Tally {
            approved: votes.approved,
            rejected: votes.rejected,
            abstained: votes.abstained,
            quorum: self.stage.setup.council.quorum,
            outcome: counted.outcome,
            agreement: votes.agreement(),
        })
    }

    /// Calls the judge. Its start is one commit with `bodies`, while its call already begins.
    fn call_judge(&mut self, counted: &Count, mut bodies: Vec<Body>) -> Result<(), Closed> {
        let stage = Arc::clone(&self.stage);
        let (seed, order) = self.judge_order();
        self.order = Some((seed, order.clone()));
        let arguments = self.arguments(&order);
        let (before, attempt) = match &self.judge_lane {
            Some(lane) => (lane.end().into(), lane.attempt() + 1),
            None => (Before::default(), self.memory.next_attempt(Agent::Judge)),
        };
        let lane = Arc::new(self.lane(before, Agent::Judge, attempt, Some((seed, order))));
        bodies.push(lane.start());
        stage.milestone(bodies)?;
        let phase = stage.begin(&stage.root, "phase.judge", None, json!({}))?;
        let direction = counted.direction;
        let (parent, own) = (phase.id.clone(), Arc::clone(&lane));
        let judging = Arc::clone(&stage);
        let handle = self.tasks.spawn(async move {
            TaskEnd::Judge(judge::run(&judging, &own, &arguments, direction, &parent).await)
        });
        self.names.insert(handle.id(), Agent::Judge);
        self.judge_lane = Some(Arc::clone(&lane));
        self.judge = Some(Judging {
            lane,
            handle,
            phase,
            again: None,
        });
        Ok(())
    }

    /// Takes in that the judge's task ended.
    fn judge_ended(&mut self, ended: Ended) -> Result<(), Closed> {
        let Some(judging) = self.judge.take() else {
            return Ok(());
        };
        let stage = Arc::clone(&self.stage);
        let lane = judging.lane;
        let end = match (judging.again, ended) {
            (Some(why), ended) => {
                if let Ended::With(TaskEnd::Judge(end)) = ended {
                    end?;
                }
                self.write(vec![self.given_up(&lane, why)])?;
                stage.end(&judging.phase, json!({}))?;
                return self.answer_asked(Agent::Judge);
            }
            (None, Ended::Aborted) => {
                self.is_judge_stopped = true;
                self.write(vec![self.stopped(&lane)])?;
                stage.end(&judging.phase, json!({}))?;
                return self.answer_asked(Agent::Judge);
            }
            (None, Ended::With(TaskEnd::Judge(end))) => end?,
            (None, Ended::With(TaskEnd::Sage(_))) => JudgeEnd::Failed {
                cause: Cause::Failed,
                message: String::new(),
            },
            (None, Ended::Fell(error)) => {
                tracing::error!(%error, "the judge's task ended unexpectedly");
                let message = words::fell_over(stage.setup.lang);
                self.write(vec![internal_error(&lane, message)])?;
                JudgeEnd::Failed {
                    cause: Cause::Failed,
                    message: message.to_owned(),
                }
            }
        };
        stage.end(&judging.phase, json!({}))?;
        self.judged = Some(self.judge_part(end, lane.end()));
        self.answer_asked(Agent::Judge)
    }

    /// Returns the sages who have an argument, shuffled; again the same after a recovery.
    fn judge_order(&self) -> (u32, Vec<Sage>) {
        let speaking: Vec<Sage> = self
            .done
            .iter()
            .filter(|(_, said)| matches!(said.end.complete.cause, None | Some(Cause::Own)))
            .map(|(sage, _)| *sage)
            .collect();
        match &self.order {
            Some((seed, order))
                if order.len() == speaking.len()
                    && speaking.iter().all(|sage| order.contains(sage)) =>
            {
                (*seed, order.clone())
            }
            _ => {
                let mut random = [0; 4];
                self.stage.env.entropy.fill(&mut random);
                let chosen = self.stage.setup.order_seed;
                let seed = chosen.unwrap_or_else(|| u32::from_le_bytes(random));
                (seed, judge::order(&speaking, seed))
            }
        }
    }

    fn arguments(&self, order: &[Sage]) -> Vec<Argument> {
        order
            .iter()
            .filter_map(|sage| {
                let said = self.done.get(sage)?;
                let complete = &said.end.complete;
                Some(Argument {
                    sage: *sage,
                    decision: complete.decision,
                    prose: said.prose.clone(),
                    reasoning: complete.reasoning.clone(),
                    conditions: complete.conditions.clone(),
                    would_change: complete.would_change.clone(),
                })
            })
            .collect()
    }

    /// Ends before the verdict: the calls end before anything is written or answered.
    async fn halt(&mut self, halt: &Halt) -> Result<u64, Closed> {
        if halt.why == Why::Suspended {
            // A vote that was cast in this very moment was paid for: it is kept.
            while let Some(joined) = self.tasks.try_join_next_with_id() {
                let Ok((id, TaskEnd::Sage(end))) = joined else {
                    continue;
                };
                let agent = self.names.remove(&id).and_then(Agent::sage);
                let work = agent.and_then(|sage| Some((sage, self.lanes.remove(&sage)?)));
                if let Some((sage, work)) = work {
                    self.take_end(sage, &work.lane, *end?)?;
                }
            }
        }
        self.tasks.shutdown().await;
        if !self.pending.is_empty() {
            self.write(Vec::new())?;
        }
        self.cancel(halt)
    }
}

/// Waits until those at work are late; for ever where nobody can be.
async fn late_over(waiting: Option<Waiting>, stage: &Stage) {
    match waiting {
        Some(waiting) => {
            let grace = stage.setup.council.deadlines.late;
            waiting.over(&stage.control.pauses, grace).await;
        }
        None => std::future::pending().await,
    }
}

/// Makes the events with which a vote that was cast stands again after an attempt that brought none:
/// the lane reads as it did, and says what all attempts used.
pub(crate) fn put_back(sage: Sage, said: &Said, attempt: u32, end: &LaneEnd) -> Vec<Body> {
    let mut bodies = vec![Body::AgentStart(
        sage,
        magi_event::AgentStart {
            attempt,
            provider: said.provider.clone(),
            model: said.model.clone(),
        },
    )];
    if !said.prose.is_empty() {
        let text = said.prose.clone();
        bodies.push(Body::AgentChunk(sage, Delta { text }));
    }
    let mut complete = said.end.complete.clone();
    complete.attempt = attempt;
    complete.text_bytes = said.prose.len() as u64;
    complete.text_sha256 = text_sha256(&said.prose);
    complete.usage = end.usage;
    complete.cost_usd = end.cost_usd;
    complete.execution_time = end.execution_time;
    bodies.push(Body::AgentComplete(sage, complete));
    bodies
}

pub(crate) fn internal_error(lane: &Lane, message: &str) -> Body {
    lane.error(AttemptError {
        code: "internal".to_owned(),
        message: message.to_owned(),
        attempt: lane.attempt(),
        retryable: false,
        retry_in: None,
    })
}
