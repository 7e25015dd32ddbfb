//! The deliberation itself: sages in parallel, tally, judge, verdict, and every other way to end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use magi_event::{
    Agent, AttemptError, Body, Cancelled, Cause, Complete, Failure, FinalDecision, JudgeComplete,
    Missing, Paused, Rule, Sage, Status, Tally, Usage,
};
use magi_log::Closed;
use serde_json::json;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

use crate::control::{Control, Halt, Why};
use crate::judge::{self, JudgeEnd};
use crate::lane::{Lane, LaneEnd, millis};
use crate::memory::Memory;
use crate::prompt::{Argument, head};
use crate::sage::{self, SageEnd};
use crate::setup::{Reused, Setup, Spent};
use crate::stage::{Span, Stage};
use crate::state::{LONGEST_CARRIED, State};
use crate::suspension::DEADLINE;
use crate::tally::{Ballot, Count, Judged, Outcome, count, outcome};
use crate::words::{self, Facts};

/// One deliberation in one generation.
pub(crate) struct Deliberation {
    stage: Arc<Stage>,
    control: Arc<Control>,
    memory: Memory,
    /// Sages who are done, with the prose before their vote.
    done: BTreeMap<Sage, (SageEnd, String)>,
    /// The lanes of the sages at work.
    lanes: BTreeMap<Sage, Arc<Lane>>,
    /// The members who were told to stop and whose call was ended for it.
    dismissed: BTreeSet<Agent>,
}

/// Who is at work in which task.
#[derive(Default)]
struct Names {
    sages: HashMap<Id, Sage>,
    handles: BTreeMap<Sage, AbortHandle>,
}

/// What happened next.
enum Next<T> {
    Halted(Halt),
    /// One member is to stop; the others go on.
    Dismissed(Agent),
    Joined(Result<(Id, T), JoinError>),
    /// Nobody is at work any more.
    Idle,
}

/// What became of the judge.
struct JudgePart {
    judged: Judged,
    judgment: JudgeComplete,
    missing: Option<Missing>,
    /// Whether the judgment is an event of its own.
    is_event: bool,
}

type SageDone = (Sage, Result<SageEnd, Closed>);

/// Runs a deliberation to its last event and returns that event's number. With `has_begun` the first
/// attempts of all sages are already in the log.
///
/// # Errors
///
/// Why the log takes no more; every model call has stopped by then.
///
/// # Cancel safety
///
/// Dropping it stops every model call and writes nothing.
pub(crate) async fn run(
    stage: Arc<Stage>,
    control: Arc<Control>,
    memory: Memory,
    has_begun: bool,
) -> Result<u64, Closed> {
    let mut deliberation = Deliberation {
        done: memory.done.clone(),
        stage,
        control,
        memory,
        lanes: BTreeMap::new(),
        dismissed: BTreeSet::new(),
    };
    let stage = Arc::clone(&deliberation.stage);
    let generation = stage.writer.generation();
    let root = stage.root_span(json!({"generation": generation}));
    stage.writer.append(root.started())?;
    if deliberation.memory.is_tallied {
        return deliberation.judge_and_finish(None, Vec::new()).await;
    }
    let phase = stage.begin(&stage.root, "phase.sages", None, json!({}))?;
    match deliberation.sages(&phase, has_begun).await? {
        Ok(last) => deliberation.judge_and_finish(Some(phase), last).await,
        Err(halt) => deliberation.cancel(&halt),
    }
}

impl Deliberation {
    /// Runs the sages until all are done. Returns the events of the last one, which go into one
    /// commit with the tally.
    async fn sages(
        &mut self,
        phase: &Span,
        has_begun: bool,
    ) -> Result<Result<Vec<Body>, Halt>, Closed> {
        let mut tasks: JoinSet<SageDone> = JoinSet::new();
        let names = self.set_out(&mut tasks, phase, has_begun)?;
        let mut last = Vec::new();
        loop {
            let joined = match self.next(&mut tasks).await? {
                Next::Halted(halt) => {
                    if halt.why == Why::Suspended {
                        // A vote that was cast in this very moment was paid for: it is kept.
                        self.keep_finished(&mut tasks)?;
                    }
                    // The calls end before anything is written or answered.
                    tasks.shutdown().await;
                    return Ok(Err(halt));
                }
                Next::Dismissed(agent) => {
                    self.dismissed.insert(agent);
                    let handle = agent.sage().and_then(|sage| names.handles.get(&sage));
                    if let Some(handle) = handle {
                        handle.abort();
                    }
                    continue;
                }
                Next::Idle => return Ok(Ok(last)),
                Next::Joined(joined) => joined,
            };
            let (sage, end) = match joined {
                Ok((_, (sage, end))) => (sage, end?),
                Err(error) => {
                    let Some(sage) = names.sages.get(&error.id()).copied() else {
                        continue;
                    };
                    let end = if error.is_cancelled() {
                        self.stopped(sage)
                    } else {
                        self.fallen(sage, &error)?
                    };
                    (sage, end)
                }
            };
            let body = self.note_end(sage, end);
            if tasks.is_empty() {
                last = vec![body];
            } else {
                self.stage.milestone(vec![body])?;
            }
        }
    }

    /// Notes that a sage is done, and makes the event that says so.
    fn note_end(&mut self, sage: Sage, end: SageEnd) -> Body {
        let prose = self
            .lanes
            .remove(&sage)
            .map_or_else(String::new, |lane| lane.prose());
        let body = Body::AgentComplete(sage, end.complete.clone());
        self.done.insert(sage, (end, prose));
        body
    }

    /// Takes the votes of sages whose tasks have ended and were not looked at yet.
    fn keep_finished(&mut self, tasks: &mut JoinSet<SageDone>) -> Result<(), Closed> {
        while let Some(joined) = tasks.try_join_next() {
            if let Ok((sage, end)) = joined {
                let body = self.note_end(sage, end?);
                self.stage.milestone(vec![body])?;
            }
        }
        Ok(())
    }

    /// Starts a task for every sage who is not done.
    fn set_out(
        &mut self,
        tasks: &mut JoinSet<SageDone>,
        phase: &Span,
        has_begun: bool,
    ) -> Result<Names, Closed> {
        let council = &self.stage.setup.council;
        let mut starts = Vec::new();
        for sage in council.sages() {
            if self.done.contains_key(&sage) {
                continue;
            }
            let agent = Agent::Sage(sage);
            let attempt = self.memory.next_attempt(agent);
            let lane = Arc::new(Lane::new(agent, attempt, None));
            if let Some(role) = self.stage.setup.role(agent) {
                starts.push(lane.start(attempt, &role.model));
            }
            self.lanes.insert(sage, lane);
        }
        if !has_begun && !starts.is_empty() {
            self.stage.milestone(starts)?;
        }
        let mut names = Names::default();
        for (sage, lane) in &self.lanes {
            let (sage, lane) = (*sage, Arc::clone(lane));
            let (stage, parent) = (Arc::clone(&self.stage), phase.id.clone());
            let task = tasks.spawn(async move {
                let end = sage::run(&stage, &lane, sage, &parent).await;
                (sage, end)
            });
            names.sages.insert(task.id(), sage);
            names.handles.insert(sage, task);
        }
        Ok(names)
    }

    /// Waits for whatever happens next.
    async fn next<T: 'static>(&self, tasks: &mut JoinSet<T>) -> Result<Next<T>, Closed> {
        let setup = &self.stage.setup;
        let unwatched = setup.council.deadlines.unwatched;
        tokio::select! {
            biased;
            closed = self.stage.writer.closed() => {
                tasks.shutdown().await;
                Err(closed)
            }
            halt = self.control.halted() => Ok(Next::Halted(halt)),
            () = self.stage.meter.spent() => Ok(Next::Halted(Halt {
                by: "budget".to_owned(),
                why: Why::Budget(self.stage.meter.account()),
            })),
            halt = self.control.left_alone(setup.on_leave, unwatched) => Ok(Next::Halted(halt)),
            agent = self.control.dismissed(&self.dismissed) => Ok(Next::Dismissed(agent)),
            joined = tasks.join_next_with_id() => Ok(match joined {
                Some(joined) => Next::Joined(joined),
                None => Next::Idle,
            }),
        }
    }

    fn lane(&self, sage: Sage) -> Arc<Lane> {
        match self.lanes.get(&sage) {
            Some(lane) => Arc::clone(lane),
            None => Arc::new(Lane::new(Agent::Sage(sage), 1, None)),
        }
    }

    /// Ends a sage who was told to stop; its call has ended by now.
    fn stopped(&self, sage: Sage) -> SageEnd {
        let lane = self.lane(sage);
        sage::missing(&lane, self.stage.setup.lang, Cause::Stopped, "")
    }

    /// Ends a sage whose task fell over: its lane still knows what it said.
    fn fallen(&self, sage: Sage, error: &JoinError) -> Result<SageEnd, Closed> {
        tracing::error!(%sage, %error, "a sage's task ended unexpectedly");
        let message = words::fell_over(self.stage.setup.lang);
        let lane = self.lane(sage);
        self.stage.milestone(vec![internal_error(&lane, message)])?;
        let lang = self.stage.setup.lang;
        Ok(sage::missing(&lane, lang, Cause::Failed, message))
    }

    /// Counts the votes, calls the judge where there is a reason to, and writes the verdict.
    async fn judge_and_finish(
        &mut self,
        phase: Option<Span>,
        mut bodies: Vec<Body>,
    ) -> Result<u64, Closed> {
        let counted = self.count();
        if let Some(phase) = phase {
            bodies.push(phase.ended(json!({})));
        }
        if counted.is_empty {
            return self.fail_without_votes(bodies);
        }
        if !self.memory.is_tallied {
            bodies.push(self.tally(&counted));
        }
        let part = if let Some(judgment) = self.memory.judgment.take() {
            JudgePart {
                judged: judged_of(judgment.final_decision),
                judgment,
                missing: None,
                is_event: false,
            }
        } else if counted.has_quorum && self.stage.setup.council.has_judge() {
            if self.control.is_dismissed(Agent::Judge) {
                return self.finish(&counted, self.dismissed_judge(None), bodies);
            }
            match self.judge(&counted, std::mem::take(&mut bodies)).await? {
                Ok(part) => part,
                Err(halt) => return self.cancel(&halt),
            }
        } else {
            self.without_judge(&counted)
        };
        self.finish(&counted, part, bodies)
    }

    fn count(&self) -> Count {
        let council = &self.stage.setup.council;
        let ballots = self
            .done
            .iter()
            .map(|(sage, (end, _))| (*sage, Ballot::of(end.complete.decision, end.complete.cause)))
            .collect();
        count(council.rule, council.quorum, &ballots)
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
    async fn judge(
        &mut self,
        counted: &Count,
        mut bodies: Vec<Body>,
    ) -> Result<Result<JudgePart, Halt>, Closed> {
        let stage = Arc::clone(&self.stage);
        let (seed, order) = self.judge_order();
        let arguments = self.arguments(&order);
        let attempt = self.memory.next_attempt(Agent::Judge);
        let lane = Arc::new(Lane::new(Agent::Judge, attempt, Some((seed, order))));
        if let Some(role) = stage.setup.role(Agent::Judge) {
            bodies.push(lane.start(attempt, &role.model));
        }
        stage.milestone(bodies)?;
        let phase = stage.begin(&stage.root, "phase.judge", None, json!({}))?;
        let mut tasks = JoinSet::new();
        let direction = counted.direction;
        let (parent, own) = (phase.id.clone(), Arc::clone(&lane));
        let judging = Arc::clone(&stage);
        tasks
            .spawn(async move { judge::run(&judging, &own, &arguments, direction, &parent).await });
        let next = loop {
            match self.next(&mut tasks).await? {
                // A sage has nothing to stop any more.
                Next::Dismissed(agent @ Agent::Sage(_)) => drop(self.dismissed.insert(agent)),
                next => break next,
            }
        };
        let end = match next {
            Next::Halted(halt) => {
                tasks.shutdown().await;
                return Ok(Err(halt));
            }
            Next::Dismissed(_) => {
                tasks.shutdown().await;
                let message = words::halted(stage.setup.lang, &Why::Asked);
                stage.milestone(vec![lane.error(AttemptError {
                    code: Cause::Stopped.word().to_owned(),
                    message,
                    attempt: lane.attempt(),
                    retryable: false,
                    retry_in: None,
                })])?;
                stage.end(&phase, json!({}))?;
                return Ok(Ok(self.dismissed_judge(Some(lane.end()))));
            }
            Next::Joined(Ok((_, end))) => end?,
            Next::Joined(Err(error)) => {
                tracing::error!(%error, "the judge's task ended unexpectedly");
                let message = words::fell_over(stage.setup.lang);
                stage.milestone(vec![internal_error(&lane, message)])?;
                JudgeEnd::Failed {
                    cause: Cause::Failed,
                    message: message.to_owned(),
                }
            }
            Next::Idle => JudgeEnd::Failed {
                cause: Cause::Failed,
                message: String::new(),
            },
        };
        stage.end(&phase, json!({}))?;
        Ok(Ok(self.judge_part(end, lane.end())))
    }

    fn judge_part(&self, end: JudgeEnd, lane: LaneEnd) -> JudgePart {
        match end {
            JudgeEnd::Judged(judgment) => JudgePart {
                judged: judged_of(judgment.final_decision),
                judgment: *judgment,
                missing: None,
                is_event: true,
            },
            JudgeEnd::Failed { cause, message } => JudgePart {
                judged: Judged::Failed,
                judgment: judge::none(
                    words::judge_failed(self.stage.setup.lang, &message),
                    Some(lane),
                ),
                missing: Some(Missing {
                    agent: Agent::Judge,
                    cause,
                    message: (!message.is_empty()).then_some(message),
                }),
                is_event: false,
            },
        }
    }

    /// Makes the part of a judge who was told to stop, before its call or in the middle of it.
    fn dismissed_judge(&self, lane: Option<LaneEnd>) -> JudgePart {
        let lang = self.stage.setup.lang;
        JudgePart {
            judged: Judged::Failed,
            judgment: judge::none(words::judge_stopped(lang), lane),
            missing: Some(Missing {
                agent: Agent::Judge,
                cause: Cause::Stopped,
                message: None,
            }),
            is_event: false,
        }
    }

    fn without_judge(&self, counted: &Count) -> JudgePart {
        let setup = &self.stage.setup;
        let reason = if counted.has_quorum {
            words::no_judge(setup.lang)
        } else {
            words::no_quorum(setup.lang, counted.votes, setup.council.quorum)
        };
        // Where the votes alone may decide, a council without a judge lacks nothing.
        let is_missed = counted.has_quorum && setup.council.rule == Rule::Judge;
        JudgePart {
            judged: Judged::NotCalled,
            missing: is_missed.then(|| Missing {
                agent: Agent::Judge,
                cause: Cause::Failed,
                message: Some(reason.clone()),
            }),
            judgment: judge::none(reason, None),
            is_event: false,
        }
    }

    /// Returns the sages who have an argument, shuffled; again the same after a recovery.
    fn judge_order(&self) -> (u32, Vec<Sage>) {
        let speaking: Vec<Sage> = self
            .done
            .iter()
            .filter(|(_, (end, _))| matches!(end.complete.cause, None | Some(Cause::Own)))
            .map(|(sage, _)| *sage)
            .collect();
        match &self.memory.judge_order {
            Some((seed, order)) if order.len() == speaking.len() => (*seed, order.clone()),
            _ => {
                let mut seed = [0; 4];
                self.stage.env.entropy.fill(&mut seed);
                let seed = u32::from_le_bytes(seed);
                (seed, judge::order(&speaking, seed))
            }
        }
    }

    fn arguments(&self, order: &[Sage]) -> Vec<Argument> {
        order
            .iter()
            .filter_map(|sage| {
                let (end, prose) = self.done.get(sage)?;
                Some(Argument {
                    sage: *sage,
                    decision: end.complete.decision,
                    prose: prose.clone(),
                    reasoning: end.complete.reasoning.clone(),
                    conditions: end.complete.conditions.clone(),
                    would_change: end.complete.would_change.clone(),
                })
            })
            .collect()
    }

    /// Returns the sages whose vote is missing, and why.
    fn missing(&self) -> Vec<Missing> {
        self.done
            .iter()
            .filter_map(|(sage, (end, _))| {
                let cause = end.complete.cause.filter(|cause| !cause.is_cast())?;
                Some(Missing {
                    agent: Agent::Sage(*sage),
                    cause,
                    message: end.message.clone(),
                })
            })
            .collect()
    }

    fn finish(
        &self,
        counted: &Count,
        part: JudgePart,
        mut bodies: Vec<Body>,
    ) -> Result<u64, Closed> {
        let setup = &self.stage.setup;
        let Outcome::Ended {
            status,
            decision,
            judge_agrees,
            overruled,
        } = outcome(setup.council.rule, counted, part.judged)
        else {
            return self.fail_without_votes(bodies);
        };
        let mut missing = self.missing();
        missing.extend(part.missing);
        let sages: Vec<_> = self
            .done
            .iter()
            .map(|(sage, (end, _))| (*sage, end.complete.clone()))
            .collect();
        let facts = Facts {
            lang: setup.lang,
            rule: setup.council.rule,
            quorum: setup.council.quorum,
            decision,
            votes: counted.votes,
            missing: &missing,
            judgment: &part.judgment,
            judge_agrees,
            overruled,
            sages: &sages,
        };
        let (summary, recommendation) = (facts.summary(), facts.recommendation());
        let (usage, cost_usd) = self.spent();
        if part.is_event {
            bodies.push(Body::JudgeComplete(part.judgment.clone()));
        }
        bodies.push(self.root_end(status));
        bodies.push(Body::Complete(Complete {
            trace_id: self.stage.writer.id(),
            status,
            missing,
            final_decision: decision,
            voting_result: counted.votes,
            confidence: part.judgment.confidence,
            judge_agrees,
            solomon_judgment: part.judgment,
            overruled,
            summary,
            recommendation,
            usage,
            cost_usd,
            execution_time: self.memory.spent_ms + millis(self.stage.began.elapsed()),
        }));
        self.stage.milestone(bodies)
    }

    fn fail_without_votes(&self, mut bodies: Vec<Body>) -> Result<u64, Closed> {
        let missing = self.missing();
        let (usage, cost_usd) = self.spent();
        bodies.push(self.root_end(Status::Failed));
        bodies.push(Body::Error(Failure {
            code: "no_votes".to_owned(),
            message: words::no_votes(self.stage.setup.lang, &missing),
            missing,
            usage: Some(usage),
            cost_usd,
        }));
        self.stage.milestone(bodies)
    }

    /// Ends the deliberation before its verdict; what was said is kept, and every sage has its end.
    fn cancel(&self, halt: &Halt) -> Result<u64, Closed> {
        if halt.why == Why::Suspended {
            return self.suspend(halt);
        }
        let lang = self.stage.setup.lang;
        let mut bodies: Vec<Body> = self
            .lanes
            .iter()
            .map(|(sage, lane)| {
                let end = sage::missing(lane, lang, Cause::Stopped, "");
                Body::AgentComplete(*sage, end.complete)
            })
            .collect();
        let (usage, cost_usd) = self.spent();
        bodies.push(self.root_end(Status::Cancelled));
        bodies.push(Body::Cancelled(Cancelled {
            by: halt.by.clone(),
            reason: words::halted(lang, &halt.why),
            usage: Some(usage),
            cost_usd,
        }));
        self.stage.milestone(bodies)
    }

    /// Leaves the deliberation to be gone on with elsewhere: what is finished stands in the signed
    /// state, what is not is begun anew there.
    fn suspend(&self, halt: &Halt) -> Result<u64, Closed> {
        let stage = &self.stage;
        let seq = stage.writer.append(self.root_end(Status::Paused))?;
        let state = stage.state_key.as_ref().and_then(|key| {
            let place = (stage.writer.id(), stage.writer.generation(), seq);
            key.seal(&State::new(place, self.left(), stage.env.clock.now()))
        });
        stage.writer.append(Body::Paused(Paused {
            by: halt.by.clone(),
            reason: DEADLINE.to_owned(),
            state,
        }))
    }

    /// Makes the setup of the deliberation that goes on from this one.
    fn left(&self) -> Setup {
        let mut setup = self.stage.setup.clone();
        setup.reused = self
            .done
            .iter()
            .filter_map(|(sage, (end, prose))| {
                let before = self.stage.setup.reused.get(sage);
                let (provider, model) = match (before, setup.role((*sage).into())) {
                    (Some(before), _) => (before.provider.clone(), before.model.clone()),
                    (None, Some(role)) => (role.model.provider.clone(), role.model.model.clone()),
                    (None, None) => return None,
                };
                let mut complete = end.complete.clone();
                complete.reasoning = head(&complete.reasoning, LONGEST_CARRIED).to_owned();
                let reused = Reused {
                    prose: head(prose, LONGEST_CARRIED).to_owned(),
                    provider,
                    model,
                    complete,
                    message: end.message.clone(),
                };
                Some((*sage, reused))
            })
            .collect();
        let (usage, cost_usd) = self.spent();
        let before = setup.spent.unwrap_or(Spent {
            usage: Usage::default(),
            cost_usd: None,
        });
        setup.spent = Some(Spent {
            usage: usage + before.usage,
            cost_usd: match (cost_usd, before.cost_usd) {
                (Some(cost), Some(before)) => Some(cost + before),
                (cost, before) => cost.or(before),
            },
        });
        setup
    }

    fn root_end(&self, status: Status) -> Body {
        self.stage
            .root_span(json!({"status": status}))
            .ended(json!({}))
    }

    /// Returns what this generation used, and what the sages kept from earlier ones had used.
    fn spent(&self) -> (Usage, Option<f64>) {
        let (mut usage, mut cost) = self.stage.meter.total();
        let mut is_known = cost.is_some() || usage == Usage::default();
        for (end, _) in self.memory.done.values() {
            if let Some(more) = end.complete.usage {
                usage = usage + more;
                is_known &= end.complete.cost_usd.is_some();
                cost = Some(cost.unwrap_or(0.0) + end.complete.cost_usd.unwrap_or(0.0));
            }
        }
        (usage, cost.filter(|_| is_known))
    }
}

const fn judged_of(decision: FinalDecision) -> Judged {
    match decision {
        FinalDecision::Approved => Judged::Approved,
        FinalDecision::Rejected => Judged::Rejected,
        FinalDecision::Undecided => Judged::Failed,
    }
}

fn internal_error(lane: &Lane, message: &str) -> Body {
    lane.error(AttemptError {
        code: "internal".to_owned(),
        message: message.to_owned(),
        attempt: lane.attempt(),
        retryable: false,
        retry_in: None,
    })
}
