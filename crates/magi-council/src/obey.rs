//! What a running deliberation does when it is told to: each verb changes the log and nothing else,
//! leaves its record there, and is answered once that is stored.

use std::collections::BTreeSet;

use magi_event::{Agent, AttemptError, Body, Note, Paused, Resumed, Sage};
use magi_log::Closed;

use crate::control::Why;
use crate::deliberation::{Again, Deliberation};
use crate::order::{Act, Order, RECORD, Reply};
use crate::stage::ALL;
use crate::words;

/// The most notes of one deliberation: each may cost a call of every sage.
const MOST_NOTES: usize = 16;

/// The reason of a pause, and of its end, that somebody asked for.
const ASKED: &str = "asked";

const STAYS_STOPPED: &str = "the judge was stopped: use `rejudge` once this has ended";

const TOO_LATE: &str = "the judge has begun to speak: use `fork` with this as its `note`, which keeps \
                        the votes and lets every sage reply to it";

/// An order that waits for calls to end.
pub(crate) struct Asked {
    pub(crate) order: Order,
    /// Whose calls it waits for.
    waits_for: BTreeSet<Agent>,
}

impl Deliberation {
    /// Obeys an order, or notes what it waits for.
    ///
    /// # Errors
    ///
    /// Why the log takes no more; the order then waits for the next generation.
    pub(crate) fn obey(&mut self, order: Order) -> Result<(), Closed> {
        if !order.key.is_empty()
            && let Some(known) = self.keys.get(&order.key)
        {
            if known
                .as_ref()
                .is_some_and(|known| *known != order.act.digest())
            {
                // Who waits in another process sees by the record what the key was used for.
                let mut order = order;
                order.answer(Reply::KeyReused);
                return Ok(());
            }
            // The same request again: what it asked for has happened.
            return self.answer(order, false, Vec::new());
        }
        match order.act.clone() {
            // The whole is stopped by the control, whatever the task is about.
            Act::Stop { agent: None } => self.answer(order, false, Vec::new()),
            Act::Stop {
                agent: Some(Agent::Sage(sage)),
            } => self.stop_sage(order, sage),
            Act::Stop {
                agent: Some(Agent::Judge),
            } => self.stop_judge(order),
            Act::Retry {
                agent: Some(Agent::Judge),
                attempt,
            } => self.retry_judge(order, attempt),
            Act::Retry { agent, attempt } => {
                let sages = match agent.and_then(Agent::sage) {
                    Some(sage) => vec![sage],
                    None => self.stage.setup.council.sages(),
                };
                self.retry_sages(order, &sages, attempt)
            }
            Act::Note { agent, text } => self.take_note(order, agent, text),
            Act::Pause => self.pause(order),
            Act::Resume => self.resume(order),
        }
    }

    /// Answers an order: its record and what it did are one commit.
    fn answer(
        &mut self,
        mut order: Order,
        changed: bool,
        mut bodies: Vec<Body>,
    ) -> Result<(), Closed> {
        bodies.insert(0, self.stage.record(RECORD, order.record(changed, None)));
        let seq = match self.write(bodies) {
            Ok(seq) => seq,
            Err(closed) => {
                self.stage.control.put_back(vec![order]);
                return Err(closed);
            }
        };
        let digest = order.act.digest();
        self.keys.entry(order.key.clone()).or_insert(Some(digest));
        let commit = self.stage.writer.commit(seq);
        order.answer(Reply::Done { changed, commit });
        Ok(())
    }

    /// Refuses an order. Who waits in another process reads the record of it.
    fn refuse(&mut self, mut order: Order, why: &str) -> Result<(), Closed> {
        if !order.is_waited_for() {
            let record = order.record(false, Some(why));
            self.stage
                .writer
                .append(self.stage.record(RECORD, record))?;
        }
        order.answer(Reply::Refused(why.to_owned()));
        Ok(())
    }

    /// Lets an order wait until these calls have ended.
    fn wait_for(&mut self, order: Order, waits_for: BTreeSet<Agent>) {
        self.asked.push(Asked { order, waits_for });
    }

    /// Answers the orders that waited for this call alone.
    pub(crate) fn answer_asked(&mut self, ended: Agent) -> Result<(), Closed> {
        let (mut waiting, mut ready) = (Vec::new(), Vec::new());
        for mut asked in self.asked.drain(..) {
            asked.waits_for.remove(&ended);
            if asked.waits_for.is_empty() {
                ready.push(asked.order);
            } else {
                waiting.push(asked);
            }
        }
        self.asked = waiting;
        for order in ready {
            let is_done = match &order.act {
                // It ended by itself in the same moment: then nothing was stopped.
                Act::Stop { .. } => self.was_stopped(ended),
                _ => true,
            };
            self.answer(order, is_done, Vec::new())?;
        }
        Ok(())
    }

    fn was_stopped(&self, agent: Agent) -> bool {
        match agent {
            Agent::Judge => self.is_judge_stopped,
            Agent::Sage(sage) => self.last_stopped.contains(&sage),
        }
    }

    /// Tells whether an order waits for this sage's call to end, to begin another one.
    pub(crate) fn is_to_retry(&self, sage: Sage) -> bool {
        let mut asked = self.asked.iter();
        asked.any(|asked| {
            matches!(asked.order.act, Act::Retry { .. })
                && asked.waits_for.contains(&Agent::Sage(sage))
        })
    }

    fn stop_sage(&mut self, order: Order, sage: Sage) -> Result<(), Closed> {
        let Some(work) = self.lanes.get(&sage) else {
            return self.answer(order, false, Vec::new());
        };
        work.handle.abort();
        // Stopping wins over beginning again.
        for asked in &mut self.asked {
            if matches!(asked.order.act, Act::Retry { .. }) {
                asked.waits_for.remove(&Agent::Sage(sage));
            }
        }
        self.wait_for(order, BTreeSet::from([sage.into()]));
        Ok(())
    }

    fn stop_judge(&mut self, order: Order) -> Result<(), Closed> {
        if let Some(judging) = &mut self.judge {
            judging.again = None;
            judging.handle.abort();
            self.wait_for(order, BTreeSet::from([Agent::Judge]));
            return Ok(());
        }
        if self.is_judge_stopped || self.judged.is_some() {
            return self.answer(order, false, Vec::new());
        }
        self.is_judge_stopped = true;
        let attempt = self.judge_lane.as_ref().map_or(0, |lane| lane.attempt());
        let stopped = Body::JudgeError(AttemptError {
            code: words::STOPPED.to_owned(),
            message: words::halted(self.stage.setup.lang, &Why::Asked),
            attempt: attempt.max(self.memory.judge_attempt),
            retryable: false,
            retry_in: None,
        });
        self.answer(order, true, vec![stopped])
    }

    fn retry_judge(&mut self, order: Order, attempt: Option<u32>) -> Result<(), Closed> {
        if self.is_judge_stopped {
            return self.refuse(order, STAYS_STOPPED);
        }
        let newest = self.judge_lane.as_ref().map_or(0, |lane| lane.attempt());
        let is_meant = attempt.is_none_or(|attempt| attempt == newest);
        match &mut self.judge {
            Some(judging) if is_meant && judging.again.is_none() => {
                judging.again = Some(Again::Retried);
                judging.handle.abort();
                self.wait_for(order, BTreeSet::from([Agent::Judge]));
                Ok(())
            }
            None if is_meant && self.judged.is_some() => {
                // It is called again once the sages who are at work have ended.
                let given_up = self.forget_judgment(Again::Retried);
                self.answer(order, true, given_up.into_iter().collect())
            }
            // It was not called yet, or begins anew already.
            Some(_) | None => self.answer(order, false, Vec::new()),
        }
    }

    fn retry_sages(
        &mut self,
        order: Order,
        sages: &[Sage],
        attempt: Option<u32>,
    ) -> Result<(), Closed> {
        let (mut waits_for, mut changed) = (BTreeSet::new(), false);
        for sage in sages {
            let newest = match self.lanes.get(sage) {
                Some(work) => work.lane.attempt(),
                None => self.attempt(*sage),
            };
            if attempt.is_some_and(|attempt| attempt != newest) || self.is_to_retry(*sage) {
                continue;
            }
            match self.lanes.get(sage) {
                // The same wish again, before anything came of the first.
                Some(work) if work.is_asked_for && !work.lane.has_spoken() && attempt.is_none() => {
                }
                Some(work) => {
                    work.handle.abort();
                    waits_for.insert((*sage).into());
                }
                None => {
                    self.retry_done(*sage)?;
                    changed = true;
                }
            }
        }
        if waits_for.is_empty() {
            return self.answer(order, changed, Vec::new());
        }
        self.wait_for(order, waits_for);
        Ok(())
    }

    fn take_note(
        &mut self,
        order: Order,
        agent: Option<Agent>,
        text: String,
    ) -> Result<(), Closed> {
        let is_heard = self
            .judge
            .as_ref()
            .is_some_and(|judging| judging.lane.has_spoken() && judging.again.is_none());
        if is_heard || self.judged.is_some() {
            return self.refuse(order, TOO_LATE);
        }
        if self.stage.notes().len() >= MOST_NOTES {
            return self.refuse(
                order,
                &format!("a deliberation takes {MOST_NOTES} notes at most"),
            );
        }
        let note = Note {
            from: order.by.clone(),
            to: agent.map_or(ALL, Agent::name).to_owned(),
            text,
        };
        self.stage.tell(note.clone());
        self.judge_again(Again::Noted);
        self.answer(order, true, vec![Body::Note(note)])
    }

    fn pause(&mut self, order: Order) -> Result<(), Closed> {
        if !self.stage.control.pauses.pause() {
            return self.answer(order, false, Vec::new());
        }
        let paused = Body::Paused(Paused {
            by: order.by.clone(),
            reason: ASKED.to_owned(),
            state: None,
            usage: None,
            cost_usd: None,
        });
        self.answer(order, true, vec![paused])
    }

    fn resume(&mut self, order: Order) -> Result<(), Closed> {
        if !self.stage.control.pauses.resume() {
            return self.answer(order, false, Vec::new());
        }
        let resumed = Body::Resumed(Resumed {
            by: order.by.clone(),
            reason: ASKED.to_owned(),
        });
        self.answer(order, true, vec![resumed])
    }
}
