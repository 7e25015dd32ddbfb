//! What is wrong with what an event says.

use std::collections::BTreeMap;

use super::*;
use crate::PanelVote;

pub(super) const TABLE: &[Row] = &[
    (
        "fewer sages set out",
        Mode::Log,
        Invariant::Council,
        |log, dice| change!(log, dice, Body::SagesStart(sages) => sages.sage_count -= 1),
    ),
    (
        "they set out twice",
        Mode::Log,
        Invariant::Council,
        |log, dice| {
            let (place, body) = (inside(log, dice)?, log[1].1.body.clone());
            insert(log, place.max(2), body);
            Some(())
        },
    ),
    (
        "they never set out",
        Mode::Log,
        Invariant::Council,
        |log, _| {
            remove(log, 1);
            Some(())
        },
    ),
    (
        "a quorum nobody reaches",
        Mode::Log,
        Invariant::Council,
        |log, dice| change!(log, dice, Body::Start(start) => start.council.quorum = 4),
    ),
    (
        "no quorum at all",
        Mode::Log,
        Invariant::Council,
        |log, dice| change!(log, dice, Body::Start(start) => start.council.quorum = 0),
    ),
    (
        "a sage sits twice",
        Mode::Log,
        Invariant::Council,
        |log, dice| {
            change!(log, dice, Body::Start(start) => {
                let first = start.council.sages[0];
                start.council.sages.push(first);
            })
        },
    ),
    (
        "the veto of an outsider",
        Mode::Log,
        Invariant::Council,
        |log, dice| {
            let sage = outsider(log)?;
            change!(log, dice, Body::Start(start) => start.council.rule = Rule::Veto(sage))
        },
    ),
    (
        "an outsider speaks",
        Mode::Log,
        Invariant::Outsider,
        |log, dice| {
            let (sage, place) = (outsider(log)?, inside(log, dice)?.max(2));
            insert(log, place, Body::AgentChunk(sage, sample::delta("I")));
            Some(())
        },
    ),
    (
        "an attempt is skipped",
        Mode::Log,
        Invariant::Attempt,
        |log, dice| change!(log, dice, Body::AgentStart(_, start) => start.attempt += 1),
    ),
    (
        "a judge's attempt is skipped",
        Mode::Log,
        Invariant::Attempt,
        |log, dice| change!(log, dice, Body::JudgeStart(start) => start.attempt += 1),
    ),
    (
        "an attempt completes that never began",
        Mode::Log,
        Invariant::Attempt,
        |log, dice| change!(log, dice, Body::AgentComplete(_, complete) => complete.attempt += 1),
    ),
    (
        "an attempt fails that never began",
        Mode::Log,
        Invariant::Attempt,
        |log, dice| change!(log, dice, Body::AgentError(_, error) => error.attempt += 1),
    ),
    (
        "an older attempt times out",
        Mode::Log,
        Invariant::Attempt,
        |log, dice| change!(log, dice, Body::AgentTimeout(_, timeout) => timeout.attempt -= 1),
    ),
    (
        "a delta after the vote",
        Mode::Log,
        Invariant::OutsideAttempt,
        |log, dice| {
            let place = place(log, dice, |body| matches!(body, Body::AgentComplete(..)))?;
            let sage = log[place].1.body.sage()?;
            insert(
                log,
                place + 1,
                Body::AgentThinking(sage, sample::delta("hm")),
            );
            Some(())
        },
    ),
    (
        "a delta after a failure",
        Mode::Log,
        Invariant::OutsideAttempt,
        |log, dice| {
            let place = place(log, dice, |body| {
                matches!(body, Body::AgentError(..) | Body::AgentTimeout(..))
            })?;
            let sage = log[place].1.body.sage()?;
            insert(
                log,
                place + 1,
                Body::AgentChunk(sage, sample::delta("still")),
            );
            Some(())
        },
    ),
    (
        "a delta before the attempt",
        Mode::Log,
        Invariant::OutsideAttempt,
        |log, _| {
            let sage = log[2].1.body.sage()?;
            insert(log, 2, Body::AgentChunk(sage, sample::delta("early")));
            Some(())
        },
    ),
    (
        "the judge speaks before it is called",
        Mode::Log,
        Invariant::OutsideAttempt,
        |log, _| {
            let place = has_tally(log)?;
            insert(log, place, Body::JudgeChunk(sample::delta("early")));
            Some(())
        },
    ),
    (
        "a vote is cast twice",
        Mode::Log,
        Invariant::OneComplete,
        |log, dice| {
            let place = place(log, dice, |body| matches!(body, Body::AgentComplete(..)))?;
            let body = log[place].1.body.clone();
            insert(log, place + 1, body);
            Some(())
        },
    ),
    (
        "the judge completes twice",
        Mode::Log,
        Invariant::OneComplete,
        |log, dice| {
            let place = place(log, dice, |body| matches!(body, Body::JudgeComplete(_)))?;
            let body = log[place].1.body.clone();
            insert(log, place + 1, body);
            Some(())
        },
    ),
    (
        "a chunk is altered",
        Mode::Log,
        Invariant::Text,
        |log, dice| {
            let place = counted_chunk(log, dice)?;
            let (sage, text) = chunk_of(&log[place].1.body)?;
            let altered = sample::delta(&format!(
                "{}x",
                &text[..text.len() - text.chars().last()?.len_utf8()]
            ));
            log[place].1.body = Body::AgentChunk(sage, altered);
            Some(())
        },
    ),
    (
        "a chunk is lost",
        Mode::Log,
        Invariant::Text,
        |log, dice| {
            let place = counted_chunk(log, dice)?;
            remove(log, place);
            Some(())
        },
    ),
    (
        "a chunk is doubled",
        Mode::Log,
        Invariant::Text,
        |log, dice| {
            let place = counted_chunk(log, dice)?;
            let body = log[place].1.body.clone();
            insert(log, place, body);
            Some(())
        },
    ),
    (
        "two chunks change places",
        Mode::Log,
        Invariant::Text,
        swap_counted_chunks,
    ),
    (
        "a wrong length",
        Mode::Log,
        Invariant::Text,
        |log, dice| change!(log, dice, Body::AgentComplete(_, complete) => complete.text_bytes += 1),
    ),
    (
        "a wrong digest",
        Mode::Log,
        Invariant::Text,
        |log, dice| change!(log, dice, Body::AgentComplete(_, complete) => flip_hex(&mut complete.text_sha256)),
    ),
    (
        "a judge's wrong digest",
        Mode::Log,
        Invariant::Text,
        |log, dice| change!(log, dice, Body::JudgeComplete(complete) => flip_hex(&mut complete.text_sha256)),
    ),
    (
        "an abstention without cause",
        Mode::Log,
        Invariant::Cause,
        |log, dice| change!(log, dice, Body::AgentComplete(_, complete) if complete.cause.is_some() => complete.cause = None),
    ),
    (
        "a cause without abstention",
        Mode::Log,
        Invariant::Cause,
        |log, dice| change!(log, dice, Body::AgentComplete(_, complete) if complete.cause.is_none() => complete.cause = Some(Cause::Own)),
    ),
    (
        "a vote is lost",
        Mode::Log,
        Invariant::EverySage,
        |log, dice| {
            has_tally(log)?;
            let place = place(log, dice, |body| matches!(body, Body::AgentComplete(..)))?;
            remove(log, place);
            Some(())
        },
    ),
    (
        "a vote is turned",
        Mode::Log,
        Invariant::Tally,
        |log, dice| {
            has_tally(log)?;
            change!(log, dice, Body::AgentComplete(_, complete) if complete.cause.is_none() => {
                complete.decision = match complete.decision {
                    Decision::Approved => Decision::Rejected,
                    Decision::Rejected | Decision::Abstained => Decision::Approved,
                }
            })
        },
    ),
    (
        "a vote is invented",
        Mode::Log,
        Invariant::Tally,
        |log, dice| change!(log, dice, Body::Tally(tally) => tally.approved += 1),
    ),
    (
        "the agreement says otherwise",
        Mode::Log,
        Invariant::Tally,
        |log, dice| change!(log, dice, Body::Tally(tally) => tally.agreement = "3-0-3".into()),
    ),
    (
        "another quorum is counted with",
        Mode::Log,
        Invariant::Tally,
        |log, dice| change!(log, dice, Body::Tally(tally) => tally.quorum += 1),
    ),
    (
        "the outcome is turned",
        Mode::Log,
        Invariant::Outcome,
        |log, dice| change!(log, dice, Body::Tally(tally) => tally.outcome = flip(tally.outcome)),
    ),
    (
        "the judge is called before the tally",
        Mode::Log,
        Invariant::JudgeEarly,
        |log, _| {
            let place = has_tally(log)?;
            insert(log, place, judge_start(1));
            Some(())
        },
    ),
    (
        "the tally is lost",
        Mode::Log,
        Invariant::JudgeEarly,
        |log, dice| {
            place(log, dice, |body| matches!(body, Body::JudgeStart(_)))?;
            let place = has_tally(log)?;
            remove(log, place);
            Some(())
        },
    ),
    (
        "the judge is called without quorum",
        Mode::Log,
        Invariant::JudgeEarly,
        |log, _| {
            let place = has_tally(log)?;
            let Body::Tally(tally) = &log[place].1.body else {
                return None;
            };
            if tally.approved + tally.rejected >= tally.quorum {
                return None;
            }
            insert(log, place + 1, judge_start(1));
            Some(())
        },
    ),
    (
        "the judge sees a sage twice",
        Mode::Log,
        Invariant::Judgment,
        |log, dice| {
            change!(log, dice, Body::JudgeStart(start) => {
                let first = start.order[0];
                start.order.push(first);
            })
        },
    ),
    (
        "a score above 100",
        Mode::Log,
        Invariant::Judgment,
        |log, dice| {
            change!(log, dice, Body::JudgeComplete(complete) => {
                complete.sage_scores.values_mut().for_each(|score| *score += 100.5);
            })
        },
    ),
    (
        "an outsider is scored",
        Mode::Log,
        Invariant::Judgment,
        |log, dice| {
            let sage = outsider(log)?;
            change!(log, dice, Body::JudgeComplete(complete) => {
                complete.sage_scores.insert(sage, 50.0);
            })
        },
    ),
    (
        "a panel decides against its majority",
        Mode::Log,
        Invariant::Judgment,
        |log, dice| {
            change!(log, dice, Body::JudgeComplete(complete) => {
                complete.panel = vec![panel_vote(FinalDecision::Undecided, true)];
            })
        },
    ),
    (
        "nobody speaks for a panel",
        Mode::Log,
        Invariant::Judgment,
        |log, dice| {
            change!(log, dice, Body::JudgeComplete(complete) => {
                complete.panel = vec![panel_vote(complete.final_decision, false)];
            })
        },
    ),
    (
        "the verdict counts otherwise",
        Mode::Log,
        Invariant::Verdict,
        |log, dice| change!(log, dice, Body::Complete(complete) => complete.voting_result.rejected += 1),
    ),
    (
        "the judge's words are altered",
        Mode::Log,
        Invariant::Verdict,
        |log, dice| {
            change!(log, dice, Body::Complete(complete) if complete.judge_agrees.is_some() => {
                complete.solomon_judgment.reasoning.push('!');
            })
        },
    ),
    (
        "a judgment is invented",
        Mode::Log,
        Invariant::Verdict,
        |log, dice| {
            change!(log, dice, Body::Complete(complete) if complete.judge_agrees.is_none() => {
                complete.solomon_judgment.final_decision = FinalDecision::Approved;
            })
        },
    ),
    (
        "agreement is turned",
        Mode::Log,
        Invariant::Verdict,
        |log, dice| {
            change!(log, dice, Body::Complete(complete) if complete.judge_agrees.is_some() => {
                complete.judge_agrees = complete.judge_agrees.map(|agrees| !agrees);
            })
        },
    ),
    (
        "the verdict is turned",
        Mode::Log,
        Invariant::FinalDecision,
        |log, dice| {
            change!(log, dice, Body::Complete(complete) => {
                complete.final_decision = flip(complete.final_decision);
            })
        },
    ),
    (
        "overruled without the right",
        Mode::Log,
        Invariant::Overruled,
        |log, dice| {
            let Body::Start(start) = &log[0].1.body else {
                return None;
            };
            if start.council.rule == Rule::Judge {
                return None;
            }
            change!(log, dice, Body::Complete(complete) => complete.overruled = true)
        },
    ),
    (
        "the judge's agreement is turned everywhere",
        Mode::Log,
        Invariant::Judgment,
        |log, dice| {
            change!(log, dice, Body::JudgeComplete(complete) => {
                complete.judge_agrees = complete.judge_agrees.map(|agrees| !agrees);
            })?;
            let last = log.last_mut()?;
            if let Body::Complete(complete) = &mut last.1.body {
                complete.judge_agrees = complete.judge_agrees.map(|agrees| !agrees);
                complete.solomon_judgment.judge_agrees = complete.judge_agrees;
            }
            Some(())
        },
    ),
    (
        "overruling is hidden",
        Mode::Log,
        Invariant::Overruled,
        |log, dice| {
            change!(log, dice, Body::Complete(complete) if complete.overruled => {
                complete.overruled = false;
            })
        },
    ),
    (
        "a missing vote is not listed",
        Mode::Log,
        Invariant::Missing,
        |log, dice| {
            change!(log, dice, Body::Complete(complete) if !complete.missing.is_empty() => {
                complete.missing.pop();
            })
        },
    ),
    (
        "a missing vote has another cause",
        Mode::Log,
        Invariant::Missing,
        |log, dice| {
            change!(log, dice, Body::Complete(complete) if !complete.missing.is_empty() => {
                complete.missing[0].cause = Cause::Own;
            })
        },
    ),
    (
        "a cast vote is listed as missing",
        Mode::Log,
        Invariant::Missing,
        |log, dice| {
            change!(log, dice, Body::Complete(complete) if complete.missing.is_empty() => {
                complete.status = Status::Degraded;
                complete.missing.push(Missing {
                    agent: Sage::Caspar.into(),
                    cause: Cause::Failed,
                    message: None,
                });
            })
        },
    ),
    (
        "degraded is called completed",
        Mode::Log,
        Invariant::Missing,
        |log, dice| {
            change!(log, dice, Body::Complete(complete) if complete.status == Status::Degraded => {
                complete.status = Status::Completed;
            })
        },
    ),
    (
        "a failure is called a verdict",
        Mode::Log,
        Invariant::NoVotes,
        no_votes_but_a_verdict,
    ),
    (
        "a note to nobody",
        Mode::Log,
        Invariant::NoteTo,
        |log, dice| change!(log, dice, Body::Note(note) => note.to = "ramiel".into()),
    ),
    (
        "a span id in capitals",
        Mode::Log,
        Invariant::Span,
        |log, dice| change!(log, dice, Body::Trace(_, trace) => trace.span_id = "00000000000000FF".into()),
    ),
    (
        "an unknown kind is stored",
        Mode::Log,
        Invariant::UnknownKind,
        |log, dice| {
            let place = inside(log, dice)?.max(2);
            let unknown = Unknown {
                name: "agent_chunky".into(),
                agent: None,
                data: serde_json::json!({}),
            };
            insert(log, place, Body::Unknown(unknown));
            Some(())
        },
    ),
];

fn panel_vote(decision: FinalDecision, speaks: bool) -> PanelVote {
    PanelVote {
        model: "fake:one".into(),
        final_decision: Some(decision),
        sage_scores: BTreeMap::new(),
        error: None,
        speaks,
    }
}
