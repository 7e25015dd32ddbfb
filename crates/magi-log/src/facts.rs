//! What the catalogue says about a deliberation, folded from its events.

use std::collections::BTreeMap;

use magi_event::{Agent, Body, FinalDecision, Mode, Status, Usage, Votes};

use crate::search::INDEXED_CHARS;

/// The catalogue's columns that follow from events.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// How it stands or ended.
    pub status: Status,
    /// How the answers came to be; absent before `start`.
    pub mode: Option<Mode>,
    /// The decision under the council's rule; absent until `complete`.
    pub verdict: Option<FinalDecision>,
    /// The votes; absent until `tally`.
    pub votes: Option<Votes>,
    /// Whether the judge overruled the votes; absent until `complete`.
    pub overruled: Option<bool>,
    /// What was decided in a sentence or two, or why there is no verdict; absent until the end.
    pub summary: Option<String>,
    /// Tokens spent so far, as far as the vendors told.
    pub usage: Option<Usage>,
    /// Cost so far in US dollars, where the prices are known.
    pub cost_usd: Option<f64>,
}

/// A text that can be searched, by where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The question.
    Question,
    /// The context given with it.
    Context,
    /// What a person wrote beside it: the title, their own decision, and how it turned out.
    Beside,
    /// The verdict's summary and recommendation.
    Verdict,
    /// What the sage or the judge said, and the words of its vote or judgment.
    Speech(Agent),
}

impl Field {
    /// The number of fields; [`Field::index`] is below it.
    pub const COUNT: u32 = 8;

    /// Returns the field's number in the stored index, 0 to 7, the same for ever.
    #[must_use]
    pub const fn index(self) -> u32 {
        match self {
            Field::Question => 0,
            Field::Context => 1,
            Field::Beside => 2,
            Field::Verdict => 3,
            Field::Speech(Agent::Sage(sage)) => 4 + sage.index() as u32,
            Field::Speech(Agent::Judge) => 7,
        }
    }
}

/// Folds events into facts, and notes what changed since it was last asked.
#[derive(Clone, Debug)]
pub(crate) struct Folding {
    facts: Facts,
    spent: BTreeMap<Agent, (Option<Usage>, Option<f64>)>,
    /// What those who are speaking have said, as far as it is indexed.
    speech: BTreeMap<Agent, String>,
    texts: Vec<(Field, String)>,
    changed: bool,
    progress: bool,
}

/// What changed in the catalogue by a run of events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// The columns as they are after the run; absent when none changed.
    pub facts: Option<Facts>,
    /// The texts to be found from now on, each replacing what its field held.
    pub texts: Vec<(Field, String)>,
    /// Whether the run holds a finished part: a vote, the tally, the judgment or the last event.
    /// Beginnings (`start`, `agent_start`, `rewind`) and failures are not progress: a question that
    /// crashes the process at every start would otherwise seem to go forward.
    pub progress: bool,
}

impl Default for Folding {
    fn default() -> Self {
        Folding {
            facts: Facts {
                status: Status::Running,
                mode: None,
                verdict: None,
                votes: None,
                overruled: None,
                summary: None,
                usage: None,
                cost_usd: None,
            },
            spent: BTreeMap::new(),
            speech: BTreeMap::new(),
            texts: Vec::new(),
            changed: false,
            progress: false,
        }
    }
}

impl Folding {
    pub(crate) const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Returns what changed since the last call.
    pub(crate) fn take(&mut self) -> Change {
        Change {
            facts: std::mem::take(&mut self.changed).then(|| self.facts.clone()),
            texts: std::mem::take(&mut self.texts),
            progress: std::mem::take(&mut self.progress),
        }
    }

    /// Takes one more event into account. Deltas change nothing until the speech they belong to ends.
    pub(crate) fn apply(&mut self, body: &Body) {
        match body {
            Body::Start(start) => self.set(|facts| facts.mode = Some(start.mode)),
            // A new attempt takes the place of what the one before it said.
            Body::AgentStart(sage, _) => drop(self.speech.remove(&(*sage).into())),
            Body::JudgeStart(_) => drop(self.speech.remove(&Agent::Judge)),
            Body::AgentChunk(sage, delta) => self.hear((*sage).into(), &delta.text),
            Body::JudgeChunk(delta) => self.hear(Agent::Judge, &delta.text),
            Body::AgentComplete(sage, done) => {
                let points = done.conditions.iter().chain(&done.would_change);
                self.said((*sage).into(), &done.reasoning, points);
                self.spend((*sage).into(), done.usage, done.cost_usd);
            }
            Body::Tally(tally) => {
                self.progress = true;
                let votes = Votes {
                    approved: tally.approved,
                    rejected: tally.rejected,
                    abstained: tally.abstained,
                };
                self.set(|facts| facts.votes = Some(votes));
            }
            Body::JudgeComplete(done) => {
                let dissent = done.dissent.as_ref().map(|dissent| &dissent.text);
                let points = done
                    .conditions
                    .iter()
                    .chain(&done.would_change)
                    .chain(dissent);
                self.said(Agent::Judge, &done.reasoning, points);
                self.spend(Agent::Judge, done.usage, done.cost_usd);
            }
            Body::Paused(paused) => self.set(|facts| {
                facts.status = Status::Paused;
                facts.usage = paused.usage.or(facts.usage);
                facts.cost_usd = paused.cost_usd.or(facts.cost_usd);
            }),
            Body::Resumed(_) => self.set(|facts| facts.status = Status::Running),
            Body::Complete(_) | Body::Cancelled(_) | Body::Error(_) => self.end(body),
            Body::SagesStart(_)
            | Body::AgentThinking(..)
            | Body::AgentError(..)
            | Body::AgentTimeout(..)
            | Body::JudgeThinking(_)
            | Body::JudgeError(_)
            | Body::JudgeTimeout(_)
            | Body::Trace(..)
            | Body::Note(_)
            | Body::Rewind(_)
            | Body::Unknown(_) => {}
        }
    }

    fn end(&mut self, body: &Body) {
        self.progress = true;
        for (agent, speech) in std::mem::take(&mut self.speech) {
            self.texts.push((Field::Speech(agent), speech));
        }
        match body {
            Body::Complete(complete) => {
                let text = format!("{}\n{}", complete.summary, complete.recommendation);
                self.texts.push((Field::Verdict, text));
                self.set(|facts| {
                    facts.status = complete.status;
                    facts.verdict = Some(complete.final_decision);
                    facts.votes = Some(complete.voting_result);
                    facts.overruled = Some(complete.overruled);
                    facts.summary = Some(complete.summary.clone());
                    facts.usage = Some(complete.usage);
                    facts.cost_usd = complete.cost_usd.or(facts.cost_usd);
                });
            }
            Body::Cancelled(cancelled) => self.set(|facts| {
                facts.status = Status::Cancelled;
                facts.summary = Some(cancelled.reason.clone());
                facts.usage = cancelled.usage.or(facts.usage);
                facts.cost_usd = cancelled.cost_usd.or(facts.cost_usd);
            }),
            Body::Error(failure) => self.set(|facts| {
                facts.status = Status::Failed;
                facts.summary = Some(failure.message.clone());
                facts.usage = failure.usage.or(facts.usage);
                facts.cost_usd = failure.cost_usd.or(facts.cost_usd);
            }),
            _ => {}
        }
    }

    fn set(&mut self, change: impl FnOnce(&mut Facts)) {
        change(&mut self.facts);
        self.changed = true;
    }

    /// Takes in what an agent goes on to say.
    fn hear(&mut self, agent: Agent, text: &str) {
        let speech = self.speech.entry(agent).or_default();
        // No character is longer than four bytes, so what is indexed is in it whole.
        if speech.len() < 4 * INDEXED_CHARS {
            speech.push_str(text);
        }
    }

    /// Notes what an agent said, to its end. The speech stands last: it may be longer than what is indexed.
    fn said<'a>(
        &mut self,
        agent: Agent,
        reasoning: &str,
        points: impl Iterator<Item = &'a String>,
    ) {
        self.progress = true;
        let mut text = String::new();
        for point in points {
            text.push_str(point);
            text.push('\n');
        }
        let speech = self.speech.remove(&agent).unwrap_or_default();
        if !speech.contains(reasoning) || speech.len() > INDEXED_CHARS {
            text.push_str(reasoning);
            text.push('\n');
        }
        text.push_str(&speech);
        self.texts.push((Field::Speech(agent), text));
    }

    /// Notes what an agent spent over all its attempts; a later word of it replaces the earlier one.
    fn spend(&mut self, agent: Agent, usage: Option<Usage>, cost_usd: Option<f64>) {
        self.spent.insert(agent, (usage, cost_usd));
        let usage = self.spent.values().filter_map(|(usage, _)| *usage);
        let cost = self.spent.values().filter_map(|(_, cost)| *cost);
        let (usage, cost) = (usage.reduce(|a, b| a + b), cost.reduce(|a, b| a + b));
        self.set(|facts| {
            facts.usage = usage;
            facts.cost_usd = cost;
        });
    }
}
