//! Made-up deliberations for tests and benches: valid by construction, different by seed.
//!
//! Nothing of the product reads this. [`log`] gives a whole stored log, [`as_seen`] the same log as
//! a reader sees it who was there when its owners died, and [`Script`] builds one event by event.

use crate::{
    AgentComplete, AgentStart, AttemptError, AttemptTimeout, Body, Cancelled, Cause, Complete,
    Confidence, CouncilInfo, Cursor, Decision, DeliberationId, Delta, Dissent, Event, Failure,
    FinalDecision, JudgeComplete, JudgeStart, Missing, Mode, Note, Paused, Resumed, Rewind, Rule,
    Sage, SagesStart, Snapshot, Start, Status, Tally, TextDigest, TimeoutKind, Timestamp, Trace,
    Usage, Votes,
};

/// One line of a log: an event and its id.
pub type Entry = (Cursor, Event);

/// Numbers that look random and depend on the seed alone.
///
/// Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014 (SplitMix64).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Makes dice from a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Dice(seed)
    }

    /// Returns a number below `sides`; 0 when `sides` is 0.
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        // The remainder is below `sides`, so it fits.
        usize::try_from(z % (sides.max(1) as u64)).unwrap_or(0)
    }

    /// Returns true once in `sides` rolls.
    pub fn once_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }

    /// Returns one of the options; `None` of none.
    pub fn pick<T: Copy>(&mut self, options: &[T]) -> Option<T> {
        options.get(self.roll(options.len())).copied()
    }
}

/// A log being written: it numbers and stamps what is pushed.
#[derive(Clone, Debug)]
pub struct Script {
    place: Cursor,
    at: Timestamp,
    entries: Vec<Entry>,
}

impl Script {
    /// Makes the empty log of a deliberation.
    #[must_use]
    pub fn new(deliberation: DeliberationId) -> Self {
        Script {
            place: Cursor::start(deliberation),
            at: deliberation.created_at(),
            entries: Vec::new(),
        }
    }

    /// Adds an event, 7 ms after the one before.
    pub fn push(&mut self, body: Body) -> &mut Self {
        self.place.seq += 1;
        self.at = self.at.plus_millis(7);
        let event = Event {
            seq: self.place.seq,
            timestamp: self.at,
            trace_id: self.place.deliberation,
            body,
        };
        self.entries.push((self.place, event));
        self
    }

    /// Begins a new generation after all that was pushed.
    pub fn rewind(&mut self) -> &mut Self {
        let to = self.place.seq;
        self.place.generation += 1;
        self.push(Body::Rewind(Rewind { to }))
    }

    /// Adds an attempt of a sage that speaks the pieces and then votes.
    pub fn sage(&mut self, sage: Sage, pieces: &[&str], decision: Decision) -> &mut Self {
        self.push(Body::AgentStart(sage, agent_start(1)));
        let mut digest = TextDigest::new();
        for piece in pieces {
            digest.update(piece);
            self.push(Body::AgentChunk(sage, delta(piece)));
        }
        self.push(Body::AgentComplete(sage, vote(decision, 1, &digest)))
    }

    /// Returns the log.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns the log, which is done.
    #[must_use]
    pub fn finish(self) -> Vec<Entry> {
        self.entries
    }
}

/// Returns a deliberation's id that depends on the seed alone.
#[must_use]
pub fn id(seed: u64) -> DeliberationId {
    let at = 1_795_395_723_004_i64.saturating_add(i64::from(seed as u16) * 1000);
    DeliberationId::new(Timestamp::from_millis(at), u128::from(seed) + 1)
}

/// Returns a council of the given sages.
#[must_use]
pub fn council(sages: &[Sage], rule: Rule, quorum: u32) -> CouncilInfo {
    let models = sages.iter().map(|sage| ((*sage).into(), "fake:one".into()));
    CouncilInfo {
        name: "default".into(),
        version: 1,
        rule,
        quorum,
        sages: sages.to_vec(),
        models: models.collect(),
        fallbacks: std::collections::BTreeMap::new(),
        panel: Vec::new(),
    }
}

/// Returns the first event's body.
#[must_use]
pub fn start(deliberation: DeliberationId, question: &str, council: CouncilInfo) -> Body {
    Body::Start(Start {
        protocol: crate::PROTOCOL,
        trace_id: deliberation,
        question: question.into(),
        context: None,
        lang: "ja".into(),
        council,
        mode: Mode::Live,
        capabilities: vec!["resume".into(), "stop".into()],
        conversation_id: None,
        fork_of: None,
    })
}

/// Returns the data of a sage's `agent_start`.
#[must_use]
pub fn agent_start(attempt: u32) -> AgentStart {
    AgentStart {
        attempt,
        provider: "fake".into(),
        model: "one".into(),
    }
}

/// Returns a delta.
#[must_use]
pub fn delta(text: &str) -> Delta {
    Delta { text: text.into() }
}

/// Returns the data of an `agent_complete`; an abstention is the sage's own.
#[must_use]
pub fn vote(decision: Decision, attempt: u32, text: &TextDigest) -> AgentComplete {
    AgentComplete {
        decision,
        reasoning: "because".into(),
        conditions: vec!["tested".into()],
        would_change: Vec::new(),
        confidence: Confidence::new(0.75),
        cause: (decision == Decision::Abstained).then_some(Cause::Own),
        attempt,
        text_bytes: text.bytes(),
        text_sha256: text.sha256(),
        usage: Some(Usage {
            input_tokens: 100,
            output_tokens: text.bytes() / 4,
            ..Usage::default()
        }),
        cost_usd: Some(0.25),
        first_token_ms: Some(21),
        execution_time: 210,
    }
}

/// Returns a valid log of the seed: two or three sages of any rule, failures, retries, notes,
/// pauses, new generations, a judge or none, and one of the three ends.
#[must_use]
pub fn log(seed: u64) -> Vec<Entry> {
    let mut author = Author::new(seed);
    author.begin();
    if author.sages() {
        author.close();
    }
    author.script.finish()
}

/// Returns the log as a reader saw it who was there all the time: before a `rewind` stand deltas
/// and traces that were shown and never stored.
#[must_use]
pub fn as_seen(stored: &[Entry], seed: u64) -> Vec<Entry> {
    let mut dice = Dice::new(seed ^ 0x5eed);
    let mut seen: Vec<Entry> = Vec::new();
    let mut lanes = stored.first().map(|(at, _)| Snapshot::new(at.deliberation));
    for (cursor, event) in stored {
        let Some(lanes) = &mut lanes else { break };
        if let (Body::Rewind(_), Some((mut place, last))) = (&event.body, seen.last().cloned()) {
            let spoken = void(lanes, &mut dice);
            for body in spoken {
                place.seq += 1;
                let (seq, last) = (place.seq, last.clone());
                seen.push((place, Event { seq, body, ..last }));
            }
        }
        lanes.apply(event);
        seen.push((*cursor, event.clone()));
    }
    seen
}

/// What roles that are speaking might have said before their owner died.
fn void(lanes: &Snapshot, dice: &mut Dice) -> Vec<Body> {
    use crate::LaneState::{Connecting, Thinking, Writing};
    let is_open = |state| matches!(state, Connecting | Thinking | Writing);
    let speaking: Vec<Sage> = lanes
        .sages
        .iter()
        .filter_map(|(sage, lane)| is_open(lane.state).then_some(*sage))
        .collect();
    let mut bodies = Vec::new();
    for _ in 0..dice.roll(8) {
        let text = delta(dice.pick(&PIECES).unwrap_or_default());
        let judge_is_open = is_open(lanes.judge.state);
        bodies.push(match (dice.pick(&speaking), dice.roll(4)) {
            (_, 0) => Body::Trace(None, trace(dice)),
            (Some(sage), 1) => Body::AgentThinking(sage, text),
            (Some(sage), _) => Body::AgentChunk(sage, text),
            (None, 1) if judge_is_open => Body::JudgeThinking(text),
            (None, _) if judge_is_open => Body::JudgeChunk(text),
            (None, _) => Body::Trace(None, trace(dice)),
        });
    }
    bodies
}

const PIECES: [&str; 8] = [
    "可決",
    "に近い。",
    "the ",
    "risk ",
    "",
    "\n",
    "😀",
    "e\u{301}",
];

fn trace(dice: &mut Dice) -> Trace {
    Trace {
        span_id: format!("{:016x}", dice.roll(1 << 30)),
        parent_id: dice.once_in(2).then(|| "00000000000000ff".into()),
        name: "model.call".into(),
        started_at: Timestamp::from_millis(1_795_395_723_004),
        duration_ms: dice.once_in(2).then_some(12),
        attributes: serde_json::Map::new(),
    }
}

/// Where one role stands while the log is written.
#[derive(Clone, Debug, Default)]
struct Role {
    attempt: u32,
    is_open: bool,
    text: TextDigest,
    done: Option<AgentComplete>,
}

/// Writes a log from rolls.
struct Author {
    dice: Dice,
    id: DeliberationId,
    council: CouncilInfo,
    script: Script,
    roles: [Role; 3],
    judge: Role,
}

impl Author {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut sages = Sage::ALL.to_vec();
        if dice.once_in(4) {
            sages.remove(dice.roll(3));
        }
        let veto = Rule::Veto(dice.pick(&sages).unwrap_or(Sage::Caspar));
        let rules = [Rule::Majority, Rule::Unanimous, veto, Rule::Judge];
        let rule = dice.pick(&rules).unwrap_or_default();
        let quorum = 1 + u32::from(!dice.once_in(3));
        let id = id(seed);
        Author {
            dice,
            id,
            council: council(&sages, rule, quorum),
            script: Script::new(id),
            roles: Default::default(),
            judge: Role::default(),
        }
    }

    fn begin(&mut self) {
        let start = start(
            self.id,
            "二コンテナ構成を採用すべきか?",
            self.council.clone(),
        );
        let sage_count = u32::try_from(self.council.sages.len()).unwrap_or(0);
        self.script.push(start);
        self.script
            .push(Body::SagesStart(SagesStart { sage_count }));
        for sage in self.council.sages.clone() {
            self.open(sage);
        }
    }

    fn open(&mut self, sage: Sage) {
        let role = &mut self.roles[sage.index()];
        role.attempt += 1;
        role.is_open = true;
        role.text = TextDigest::new();
        let start = agent_start(role.attempt);
        self.script.push(Body::AgentStart(sage, start));
    }

    /// Writes the sages' part; false when it ended there.
    fn sages(&mut self) -> bool {
        loop {
            let waiting: Vec<Sage> = self
                .council
                .sages
                .iter()
                .copied()
                .filter(|sage| self.roles[sage.index()].done.is_none())
                .collect();
            let Some(sage) = self.dice.pick(&waiting) else {
                return true;
            };
            if self.dice.once_in(150) {
                self.cancel();
                return false;
            }
            if self.dice.once_in(25) {
                self.die();
            }
            self.aside();
            self.step(sage);
        }
    }

    /// Writes what one sage does next.
    fn step(&mut self, sage: Sage) {
        if !self.roles[sage.index()].is_open {
            return self.open(sage);
        }
        let text = self.dice.pick(&PIECES).unwrap_or_default();
        match self.dice.roll(12) {
            0 => self.complete(sage, None),
            1 => self.fail(sage),
            2..5 => {
                self.script.push(Body::AgentThinking(sage, delta(text)));
            }
            _ => {
                self.roles[sage.index()].text.update(text);
                self.script.push(Body::AgentChunk(sage, delta(text)));
            }
        }
    }

    fn fail(&mut self, sage: Sage) {
        let attempt = self.roles[sage.index()].attempt;
        let retryable = attempt < 3 && !self.dice.once_in(4);
        let cause = if self.dice.once_in(2) {
            self.script
                .push(Body::AgentError(sage, error(attempt, retryable)));
            Cause::Failed
        } else {
            let timeout = timeout(attempt, retryable);
            self.script.push(Body::AgentTimeout(sage, timeout));
            Cause::Timeout
        };
        self.roles[sage.index()].is_open = false;
        if !retryable {
            self.complete(sage, Some(cause));
        }
    }

    fn complete(&mut self, sage: Sage, cause: Option<Cause>) {
        let decisions = [Decision::Approved, Decision::Rejected, Decision::Approved];
        let abstains = cause.is_some() || self.dice.once_in(5);
        let decision = if abstains {
            Decision::Abstained
        } else {
            self.dice.pick(&decisions).unwrap_or(Decision::Approved)
        };
        let role = &mut self.roles[sage.index()];
        let mut vote = vote(decision, role.attempt, &role.text);
        vote.cause = cause.or(vote.cause);
        role.done = Some(vote.clone());
        self.script.push(Body::AgentComplete(sage, vote));
    }

    /// The owner dies, and another takes over: what was unfinished is tried again.
    fn die(&mut self) {
        self.script.rewind();
        for role in &mut self.roles {
            role.is_open = false;
        }
        self.judge.is_open = false;
    }

    /// Writes what may happen at any time.
    fn aside(&mut self) {
        let trace = trace(&mut self.dice);
        match self.dice.roll(60) {
            0 => {
                self.script.push(Body::Note(Note {
                    from: "user".into(),
                    to: "all".into(),
                    text: "mind the budget".into(),
                }));
            }
            1 => {
                let (by, reason) = ("user".to_owned(), "lunch".to_owned());
                self.script.push(Body::Paused(Paused {
                    by: by.clone(),
                    reason: reason.clone(),
                    state: None,
                    usage: None,
                    cost_usd: None,
                }));
                self.script.push(Body::Resumed(Resumed { by, reason }));
            }
            2..6 => {
                self.script.push(Body::Trace(None, trace));
            }
            _ => {}
        }
    }

    fn cancel(&mut self) {
        self.script.push(Body::Cancelled(Cancelled {
            by: "user".into(),
            reason: "stopped".into(),
            usage: None,
            cost_usd: None,
        }));
    }

    /// Writes tally, judge and verdict.
    fn close(&mut self) {
        let missing = self.missing();
        if missing.len() == self.council.sages.len() {
            self.script.push(Body::Error(Failure {
                code: "no_votes".into(),
                message: "every sage is missing".into(),
                missing,
                usage: None,
                cost_usd: None,
            }));
            return;
        }
        let tally = self.tally();
        let has_quorum = tally.approved + tally.rejected >= tally.quorum;
        self.script.push(Body::Tally(tally.clone()));
        let judgment = if has_quorum && !self.dice.once_in(5) {
            self.judge()
        } else {
            None
        };
        self.aside();
        self.verdict(&tally, judgment, missing);
    }

    fn missing(&self) -> Vec<Missing> {
        let of = |sage: &Sage| {
            let cause = self.roles[sage.index()].done.as_ref()?.cause?;
            (!cause.is_cast()).then_some(Missing {
                agent: (*sage).into(),
                cause,
                message: None,
            })
        };
        self.council.sages.iter().filter_map(of).collect()
    }

    fn done(&self) -> Vec<(Sage, &AgentComplete)> {
        let done = |sage: &Sage| Some((*sage, self.roles[sage.index()].done.as_ref()?));
        self.council.sages.iter().filter_map(done).collect()
    }

    fn tally(&self) -> Tally {
        let votes = crate::check::count(&self.done());
        Tally {
            approved: votes.approved,
            rejected: votes.rejected,
            abstained: votes.abstained,
            quorum: self.council.quorum,
            outcome: crate::check::outcome(&self.council, &self.done()),
            agreement: votes.agreement(),
        }
    }

    /// Writes the judge's part; `None` when every attempt failed.
    fn judge(&mut self) -> Option<JudgeComplete> {
        loop {
            self.judge.attempt += 1;
            let attempt = self.judge.attempt;
            self.script.push(Body::JudgeStart(JudgeStart {
                attempt,
                provider: "fake".into(),
                model: "one".into(),
                order_seed: 7,
                order: self.council.sages.iter().rev().copied().collect(),
            }));
            let mut text = TextDigest::new();
            for _ in 0..self.dice.roll(8) {
                let piece = self.dice.pick(&PIECES).unwrap_or_default();
                if self.dice.once_in(3) {
                    self.script.push(Body::JudgeThinking(delta(piece)));
                } else {
                    text.update(piece);
                    self.script.push(Body::JudgeChunk(delta(piece)));
                }
            }
            match self.dice.roll(8) {
                0 => self.die(),
                1 if attempt < 3 => {
                    self.script.push(Body::JudgeError(error(attempt, true)));
                }
                2 => {
                    self.script
                        .push(Body::JudgeTimeout(timeout(attempt, false)));
                    return None;
                }
                _ => {
                    let judgment = self.judgment(attempt, &text);
                    self.script.push(Body::JudgeComplete(judgment.clone()));
                    return Some(judgment);
                }
            }
        }
    }

    fn judgment(&mut self, attempt: u32, text: &TextDigest) -> JudgeComplete {
        let decisions = [FinalDecision::Approved, FinalDecision::Rejected];
        let decision = self
            .dice
            .pick(&decisions)
            .unwrap_or(FinalDecision::Undecided);
        let direction = crate::check::direction(&self.council, &self.done());
        let sages = self.council.sages.clone();
        let dice = &mut self.dice;
        JudgeComplete {
            final_decision: decision,
            reasoning: "weighed".into(),
            confidence: Confidence::new(0.5),
            sage_scores: sages
                .iter()
                .map(|sage| (*sage, dice.roll(101) as f64))
                .collect(),
            score_reasons: sages.iter().map(|sage| (*sage, "clear".into())).collect(),
            dissent: Some(Dissent {
                agent: sages.first().copied(),
                text: "too early".into(),
            }),
            conditions: vec!["tested".into()],
            would_change: vec!["a failed trial".into()],
            judge_agrees: Some(decision == direction),
            attempt,
            text_bytes: text.bytes(),
            text_sha256: text.sha256(),
            usage: None,
            cost_usd: None,
            first_token_ms: None,
            execution_time: 70,
            panel: Vec::new(),
        }
    }

    fn verdict(&mut self, tally: &Tally, judgment: Option<JudgeComplete>, missing: Vec<Missing>) {
        let mut missing = missing;
        if self.judge.attempt > 0 && judgment.is_none() {
            missing.push(Missing {
                agent: crate::Agent::Judge,
                cause: Cause::Timeout,
                message: None,
            });
        }
        let is_judges = self.council.rule == Rule::Judge;
        let direction = crate::check::direction(&self.council, &self.done());
        let is_against = judgment.as_ref().and_then(|said| said.judge_agrees) == Some(false);
        let overruled = is_judges && is_against && direction != FinalDecision::Undecided;
        let judgment = judgment.unwrap_or_else(no_judgment);
        self.script.push(Body::Complete(Complete {
            trace_id: self.id,
            status: if missing.is_empty() {
                Status::Completed
            } else {
                Status::Degraded
            },
            missing,
            final_decision: if is_judges {
                judgment.final_decision
            } else {
                tally.outcome
            },
            voting_result: Votes {
                approved: tally.approved,
                rejected: tally.rejected,
                abstained: tally.abstained,
            },
            overruled,
            judge_agrees: judgment.judge_agrees,
            summary: "decided".into(),
            recommendation: "go on".into(),
            confidence: judgment.confidence,
            solomon_judgment: judgment,
            usage: Usage::default(),
            cost_usd: Some(0.5),
            execution_time: 2100,
        }));
    }
}

/// Returns the judgment of a council whose judge was not called or failed.
#[must_use]
pub fn no_judgment() -> JudgeComplete {
    JudgeComplete {
        final_decision: FinalDecision::Undecided,
        reasoning: "there is no judgment".into(),
        confidence: None,
        sage_scores: Default::default(),
        score_reasons: Default::default(),
        dissent: None,
        conditions: Vec::new(),
        would_change: Vec::new(),
        judge_agrees: None,
        attempt: 0,
        text_bytes: 0,
        text_sha256: crate::text_sha256(""),
        usage: None,
        cost_usd: None,
        first_token_ms: None,
        execution_time: 0,
        panel: Vec::new(),
    }
}

fn error(attempt: u32, retryable: bool) -> AttemptError {
    AttemptError {
        code: "overloaded".into(),
        message: "try later".into(),
        attempt,
        retryable,
        retry_in: retryable.then_some(0.5),
    }
}

fn timeout(attempt: u32, retryable: bool) -> AttemptTimeout {
    AttemptTimeout {
        kind: TimeoutKind::Idle,
        timeout: 15.0,
        elapsed: 16.5,
        partial_response: Some("可決".into()),
        attempt,
        retryable,
    }
}
