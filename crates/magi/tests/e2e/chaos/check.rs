//! What must hold of one deliberation after everything that was done to it, and what is counted.

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::sync::Arc;

use magi_client::Door;
use magi_emulator::End;
use magi_event::check::{Checker, Mode};
use magi_event::{Body, Cursor, DeliberationId, Event, Snapshot};

use super::deliberation::{Outcome, Outing, Sight};
use super::plan::Verb;
use super::town::Kill;

/// What all deliberations together showed.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) deliberations: usize,
    pub(super) events: usize,
    ends: BTreeMap<String, usize>,
    readers: usize,
    connections: u64,
    over_sockets: u64,
    pub(super) cuts: u64,
    /// Deaths of the server, counted once for each deliberation that was under way.
    pub(super) interruptions: usize,
    rewinds: usize,
    pub(super) votes_shown: usize,
    /// Of those, shown by a server that was killed afterwards while the deliberation went on.
    pub(super) votes_at_stake: usize,
    verdicts_shown: usize,
    pub(super) voided: usize,
    /// Void though no server was killed: the store kept a writer waiting for too long.
    voided_alive: usize,
    /// Milliseconds from when a void delta was appended to the kill.
    pub(super) ages: Vec<u64>,
    /// Milliseconds from when a reader saw it to the kill.
    seen_ages: Vec<u64>,
    verbs: BTreeMap<String, usize>,
    verbs_over_sockets: usize,
    pub(super) verbs_said: usize,
    pub(super) linked: Vec<DeliberationId>,
    pub(super) stopped_calls: usize,
    /// Open when a stop was said, and over by themselves before it was answered.
    ended_calls: usize,
    /// After the vendor saw the close of a call.
    tokens_after_close: usize,
    bytes_after_close: u64,
    /// Milliseconds from when another reader saw the last event to when the slow one did.
    lags: Vec<u64>,
    after_request: Vec<u64>,
    after_answer: Vec<u64>,
    calls: usize,
}

/// What is in the store of one deliberation.
struct Stored<'a> {
    kept: &'a BTreeMap<Cursor, &'a Event>,
    /// To which event each generation goes back.
    rewinds: &'a BTreeMap<u32, u64>,
}

/// Returns the finding when something does not hold.
pub(super) fn hold(holds: bool, finding: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(finding()) }
}

pub(super) fn said<T, E: Display>(result: Result<T, E>, what: &str) -> Result<T, String> {
    result.map_err(|error| format!("{what}: {error}"))
}

/// Reads entries with the checker.
pub(super) fn check<'a>(
    mode: Mode,
    entries: impl Iterator<Item = (Cursor, &'a Event)>,
    what: &str,
) -> Result<Snapshot, String> {
    let mut checker = Checker::new(mode);
    for (cursor, event) in entries {
        said(checker.entry(cursor, event), what)?;
    }
    said(checker.finish(true), what)?;
    Ok(checker.snapshot().clone())
}

impl Figures {
    /// Holds one deliberation against everything that must hold, and counts it.
    pub(super) fn add(&mut self, outing: &Outing, kills: &[Arc<Kill>]) -> Result<(), String> {
        let stored = || outing.stored.iter().map(|(cursor, event)| (*cursor, event));
        let fold = check(Mode::Log, stored(), "the log")?;
        let starts = stored().filter(|(_, event)| matches!(event.body, Body::Start(_)));
        hold(starts.count() == 1, || "it began more than once".into())?;
        let kills: Vec<&Kill> = kills.iter().map(AsRef::as_ref).collect();
        let kills: Vec<&Kill> = kills
            .into_iter()
            .filter(|kill| kill.heads.contains_key(&outing.id))
            .collect();
        let rewinds = self.generations(outing, &kills)?;
        let kept: BTreeMap<Cursor, &Event> = stored().collect();
        for sight in &outing.sights {
            let what = format!("the {} reader", sight.who);
            let entries = || {
                sight
                    .entries
                    .iter()
                    .map(|(cursor, event, _)| (*cursor, event))
            };
            let seen = check(Mode::Reader, entries(), &what)?;
            hold(seen == fold, || format!("{what} ends in another state"))?;
            let common = entries().filter(|(cursor, _)| kept.contains_key(cursor));
            hold(common.eq(stored()), || {
                format!("{what}: lost, doubled or reordered")
            })?;
            self.voids(
                outing.id,
                sight,
                &Stored {
                    kept: &kept,
                    rewinds: &rewinds,
                },
                &kills,
            )
            .map_err(|error| format!("{what}: {error}"))?;
        }
        self.verbs(outing)?;
        self.calls(outing)?;
        self.lag(outing);
        self.deliberations += 1;
        self.events += outing.stored.len();
        self.cuts += outing.cuts;
        let (_, last) = outing.stored.last().ok_or("an empty log")?;
        *self.ends.entry(end(&last.body)).or_default() += 1;
        Ok(())
    }

    /// Each kill is followed by a generation that goes back exactly to what the dead server had
    /// committed: nothing committed is void.
    fn generations(
        &mut self,
        outing: &Outing,
        kills: &[&Kill],
    ) -> Result<BTreeMap<u32, u64>, String> {
        let rewinds: BTreeMap<u32, u64> = outing
            .stored
            .iter()
            .filter_map(|(cursor, event)| match event.body {
                Body::Rewind(rewind) => Some((cursor.generation, rewind.to)),
                _ => None,
            })
            .collect();
        self.rewinds += rewinds.len();
        for kill in kills {
            let head = &kill.heads[&outing.id];
            self.interruptions += 1;
            let to = rewinds.get(&(head.generation() + 1));
            hold(to == Some(&head.last_seq), || {
                let at = head.cursor();
                format!(
                    "the killed server had committed up to {at}, the next one goes back to {to:?}"
                )
            })?;
        }
        Ok(rewinds)
    }

    /// Counts what a reader saw that is not in the log: only deltas, none of them ever committed.
    fn voids(
        &mut self,
        id: DeliberationId,
        sight: &Sight,
        stored: &Stored<'_>,
        kills: &[&Kill],
    ) -> Result<(), String> {
        self.readers += 1;
        self.connections += sight.connections;
        self.over_sockets += u64::from(sight.over_sockets > 0);
        for (cursor, event, seen) in &sight.entries {
            let died = kills.iter().find(|kill| {
                let head = &kill.heads[&id];
                head.generation() == cursor.generation
            });
            match &event.body {
                Body::AgentComplete(..) => {
                    self.votes_shown += 1;
                    self.votes_at_stake += usize::from(died.is_some());
                }
                Body::Complete(_) => self.verdicts_shown += 1,
                _ => {}
            }
            if let Some(same) = stored.kept.get(cursor) {
                hold(*same == event, || {
                    format!("{cursor} is stored otherwise than shown")
                })?;
                continue;
            }
            hold(!event.body.is_milestone(), || {
                format!("{cursor} was shown and is lost: {event:?}")
            })?;
            self.voided += 1;
            // Whoever ended its writer, what comes next goes back to before it.
            let to = stored.rewinds.get(&(cursor.generation + 1));
            hold(to.is_some_and(|to| cursor.seq > *to), || {
                format!("{cursor} is lost, the next generation goes back to {to:?}: {event:?}")
            })?;
            let Some(kill) = died else {
                self.voided_alive += 1;
                continue;
            };
            hold(cursor.seq > kill.heads[&id].last_seq, || {
                format!("{cursor} was committed and is void: {event:?}")
            })?;
            self.ages.push(kill.clock.millis_since(event.timestamp));
            let age = kill.at.saturating_duration_since(*seen).as_millis();
            self.seen_ages.push(u64::try_from(age).unwrap());
        }
        Ok(())
    }

    fn verbs(&mut self, outing: &Outing) -> Result<(), String> {
        for said in &outing.said {
            let outcome = match said.outcome {
                Outcome::Linked(id) => {
                    self.linked.push(id);
                    "linked".to_owned()
                }
                outcome => format!("{outcome:?}").to_lowercase(),
            };
            let word = format!("{:?} {outcome}", said.verb).to_lowercase();
            *self.verbs.entry(word).or_default() += 1;
            if said.outcome != Outcome::NotReached {
                self.verbs_said += 1;
                self.verbs_over_sockets += usize::from(said.door == Door::Socket);
            }
            let is_whole = said.verb == Verb::Stop && said.agent.is_none();
            if is_whole && said.outcome == Outcome::Changed {
                let (_, last) = outing.stored.last().ok_or("an empty log")?;
                hold(matches!(last.body, Body::Cancelled(_)), || {
                    format!(
                        "a stop was answered and forgotten: it ended with {:?}",
                        last.body
                    )
                })?;
            }
            self.ended_calls += said.stopped.by_themselves;
            for closed in &said.stopped.closed {
                self.stopped_calls += 1;
                self.after_request.push(closed.after_request);
                self.after_answer.push(closed.after_answer);
            }
        }
        Ok(())
    }

    /// Nothing went out to a client that was seen to have left, up to now, when its deliberation is long over.
    fn calls(&mut self, outing: &Outing) -> Result<(), String> {
        self.calls += outing.calls.len();
        for call in outing
            .calls
            .iter()
            .filter(|call| call.end == Some(End::ClientClosed))
        {
            self.tokens_after_close += call.tokens_after_close;
            self.bytes_after_close += call.bytes_after_close;
            let is_silent = call.tokens_after_close == 0 && call.bytes_after_close == 0;
            hold(is_silent, || {
                format!("something was released after the close: {call:?}")
            })?;
        }
        Ok(())
    }

    /// Counts how much later than the first of the others the slow reader had the last event.
    fn lag(&mut self, outing: &Outing) {
        let ended = |is_slow: bool| {
            let sights = outing
                .sights
                .iter()
                .filter(move |sight| (sight.who == "slow") == is_slow);
            let last = sights.filter_map(|sight| sight.entries.last().map(|(.., seen)| *seen));
            last.min()
        };
        if let (Some(slow), Some(first)) = (ended(true), ended(false)) {
            let lag = slow.saturating_duration_since(first).as_millis();
            self.lags.push(u64::try_from(lag).unwrap());
        }
    }

    /// Writes everything as lines for a person; `broken` deliberations did not hold and are not among those counted.
    pub(super) fn print(&mut self, broken: usize) {
        told!(
            "  {} deliberations held: nothing lost, doubled or reordered in their logs, every reader's state the stored \
             log's; {broken} broke",
            self.deliberations
        );
        told!("  {} events, ends {:?}", self.events, self.ends);
        told!(
            "  readers: {} ({} of them over WebSockets at least once), {} connections, {} cuts or resets",
            self.readers,
            self.over_sockets,
            self.connections,
            self.cuts
        );
        told!(
            "  the slow readers had the last event later than the first of the others by: {}",
            spread(&mut self.lags)
        );
        told!(
            "  votes shown {}, {} of them before a kill; verdicts shown {}; a lost one breaks its deliberation",
            self.votes_shown,
            self.votes_at_stake,
            self.verdicts_shown
        );
        told!(
            "  {} deliberations interrupted by kills, {} rewinds",
            self.interruptions,
            self.rewinds
        );
        told!(
            "  deltas voided {} (by a living server {}); one of a committed batch breaks its deliberation",
            self.voided,
            self.voided_alive
        );
        told!(
            "    their age at the kill, since they were made: {} (goal 100 ms)",
            spread(&mut self.ages)
        );
        told!(
            "    since a reader saw them: {}",
            spread(&mut self.seen_ages)
        );
        told!(
            "  verbs said {}, {} over WebSockets: {:?}",
            self.verbs_said,
            self.verbs_over_sockets,
            self.verbs
        );
        told!(
            "  {} calls, {} of them open when a stop was said: {} closed by it in their middle, {} over by themselves \
             before it was answered",
            self.calls,
            self.stopped_calls + self.ended_calls,
            self.stopped_calls,
            self.ended_calls
        );
        told!(
            "    after the vendor saw a close it released {} tokens and {} bytes",
            self.tokens_after_close,
            self.bytes_after_close
        );
        told!(
            "    from the request to the close: {} (goal 1 s)",
            spread(&mut self.after_request)
        );
        told!(
            "    from the answer to the close: {}",
            spread(&mut self.after_answer)
        );
    }
}

fn end(body: &Body) -> String {
    match body {
        Body::Complete(complete) => format!("complete {}", complete.status),
        Body::Cancelled(_) => "cancelled".to_owned(),
        Body::Error(failure) => format!("error {}", failure.code),
        other => format!("{other:?}"),
    }
}

/// Median, 99th percentile and maximum, in milliseconds.
fn spread(values: &mut [u64]) -> String {
    values.sort_unstable();
    let Some(most) = values.last() else {
        return "none".to_owned();
    };
    let at = |percent: usize| values[(values.len() - 1) * percent / 100];
    format!("median {} ms, p99 {} ms, most {most} ms", at(50), at(99))
}
