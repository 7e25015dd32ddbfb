//! How a deliberation ends: with a verdict, without votes, stopped, or suspended.

use magi_event::{
    Agent, Body, Cancelled, Cause, Complete, Failure, FinalDecision, JudgeComplete, Missing,
    Paused, Rule, Status, Usage,
};
use magi_log::Closed;
use serde_json::json;

use crate::control::{Halt, Why};
use crate::deliberation::{Deliberation, put_back};
use crate::judge::{self, JudgeEnd};
use crate::lane::LaneEnd;
use crate::prompt::head;
use crate::sage;
use crate::setup::{Setup, Spent};
use crate::state::{LONGEST_CARRIED, LONGEST_LIST, State};
use crate::suspension::DEADLINE;
use crate::tally::{Count, Judged, Outcome, outcome};
use crate::words::{self, Facts};

/// What became of the judge.
pub(crate) struct JudgePart {
    judged: Judged,
    judgment: JudgeComplete,
    missing: Option<Missing>,
    /// Whether the judgment is an event of its own.
    is_event: bool,
}

impl JudgePart {
    /// Makes the part of a judge whose judgment was stored without the verdict.
    pub(crate) fn stored(judgment: JudgeComplete) -> Self {
        JudgePart {
            judged: judged_of(judgment.final_decision),
            judgment,
            missing: None,
            is_event: false,
        }
    }
}

impl Deliberation {
    pub(crate) fn judge_part(&self, end: JudgeEnd, lane: LaneEnd) -> JudgePart {
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
    pub(crate) fn dismissed_judge(&self, lane: Option<LaneEnd>) -> JudgePart {
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

    pub(crate) fn without_judge(&self, counted: &Count) -> JudgePart {
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

    /// Returns the sages whose vote is missing, and why.
    fn missing(&self) -> Vec<Missing> {
        self.done
            .iter()
            .filter_map(|(sage, said)| {
                let cause = said.end.complete.cause.filter(|cause| !cause.is_cast())?;
                Some(Missing {
                    agent: Agent::Sage(*sage),
                    cause,
                    message: said.end.message.clone(),
                })
            })
            .collect()
    }

    pub(crate) fn finish(
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
            .map(|(sage, said)| (*sage, said.end.complete.clone()))
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
            execution_time: self.memory.spent_ms + self.stage.took_ms(),
        }));
        self.stage.milestone(bodies)
    }

    pub(crate) fn fail_without_votes(&self, mut bodies: Vec<Body>) -> Result<u64, Closed> {
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
    pub(crate) fn cancel(&self, halt: &Halt) -> Result<u64, Closed> {
        if halt.why == Why::Suspended {
            return self.suspend(halt);
        }
        let lang = self.stage.setup.lang;
        let mut bodies: Vec<Body> = self
            .lanes
            .iter()
            .flat_map(|(sage, work)| match self.done.get(sage) {
                // What it said before stands.
                Some(said) if said.is_cast() => {
                    let mut bodies = vec![self.stopped(&work.lane)];
                    let end = work.lane.end();
                    bodies.extend(put_back(*sage, said, end.attempt + 1, &end));
                    bodies
                }
                _ => {
                    let end = sage::missing(&work.lane, lang, Cause::Stopped, "");
                    vec![Body::AgentComplete(*sage, end.complete)]
                }
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
        let (usage, cost_usd) = self.spent();
        stage.writer.append(Body::Paused(Paused {
            by: halt.by.clone(),
            reason: DEADLINE.to_owned(),
            state,
            usage: Some(usage),
            cost_usd,
        }))
    }

    /// Makes the setup of the deliberation that goes on from this one.
    fn left(&self) -> Setup {
        let mut setup = self.stage.setup.clone();
        setup.reused = self
            .done
            .iter()
            .map(|(sage, said)| {
                let mut reused = said.reused();
                let cut = |text: &String| head(text, LONGEST_CARRIED).to_owned();
                reused.prose = cut(&reused.prose);
                reused.complete.reasoning = cut(&reused.complete.reasoning);
                shorten(&mut reused.complete.conditions);
                shorten(&mut reused.complete.would_change);
                (*sage, reused)
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
        setup.notes = self.stage.notes();
        setup.is_judge_stopped = self.is_judge_stopped;
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
        for said in self.memory.done.values() {
            let end = &said.end;
            if let Some(more) = end.complete.usage {
                usage = usage + more;
                is_known &= end.complete.cost_usd.is_some();
                cost = Some(cost.unwrap_or(0.0) + end.complete.cost_usd.unwrap_or(0.0));
            }
        }
        (usage, cost.filter(|_| is_known))
    }
}

/// Keeps the front of a list that is too long to be carried.
fn shorten(list: &mut Vec<String>) {
    let mut room = LONGEST_LIST;
    list.retain_mut(|item| {
        let had_room = room > 0;
        *item = head(item, room).to_owned();
        room -= item.len();
        had_room
    });
}

const fn judged_of(decision: FinalDecision) -> Judged {
    match decision {
        FinalDecision::Approved => Judged::Approved,
        FinalDecision::Rejected => Judged::Rejected,
        FinalDecision::Undecided => Judged::Undecided,
    }
}
