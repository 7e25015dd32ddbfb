//! Random schedules on the paused clock: any council, any models, any verb at any moment from any
//! process, any fault of the store, crashes and takeovers. Whatever comes, every deliberation ends,
//! every invariant of the checker holds, and nothing that was shown is lost.
//!
//! `MAGI_SCHEDULES=100000` is the long run (`make chaos`); a seed that fails is printed and replays alone with
//! `MAGI_SEED=<seed> MAGI_SCHEDULES=1`.

#![cfg(test)]

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use magi_council::{Asked, CouncilPatch, Done, Door, Engine, Fork, Rejudge, Told, Watch};
use magi_event::check::{Checker, Mode};
use magi_event::{Agent, Body, DeliberationId, Event, Sage, Status};
use magi_log::{After, Entry, Env, MemoryStore, Options};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::script::{House, Lines};
use crate::seen::{Seen, is_passing, print};

/// How many schedules run where nobody says.
const FEW: u64 = 300;

/// How many deliberations a schedule's verbs may link; each is followed to its end too.
const MOST_LINKED: usize = 6;

/// The keys that verbs are said with.
const KEYS: [&str; 3] = ["one", "two", "three"];

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

#[test]
fn random_schedules_end_properly() {
    let first = number("MAGI_SEED").unwrap_or(0);
    let count = number("MAGI_SCHEDULES").unwrap_or(FEW);
    let next = AtomicU64::new(first);
    let sum = Mutex::new(Figures::default());
    let failed = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get().min(8));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count || failed.lock().unwrap().len() >= 5 {
                        return;
                    }
                    match catch_unwind(|| play(seed)) {
                        Ok(figures) => sum.lock().unwrap().add(&figures),
                        Err(_) => {
                            println!(
                                "seed {seed} fails: MAGI_SEED={seed} MAGI_SCHEDULES=1 cargo test \
                                 -p magi-council --test it random_schedules"
                            );
                            failed.lock().unwrap().push(seed);
                        }
                    }
                }
            });
        }
    });
    let sum = sum.into_inner().unwrap();
    // Past the test runner, which keeps what a passing test prints to itself.
    let told = format!(
        "schedules: seeds {first} to {}: {sum:?}\n",
        first + count - 1
    );
    std::io::stdout().lock().write_all(told.as_bytes()).unwrap();
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "these seeds fail: {failed:?}");
    if count >= FEW {
        sum.assert_none_is_missing();
    }
}

/// What happened in all schedules together: a run in which something never happens proves little.
#[derive(Clone, Debug, Default)]
struct Figures {
    schedules: u64,
    deliberations: u64,
    events: u64,
    model_calls: u64,
    verbs: u64,
    crashes: u64,
    takeovers: u64,
    suspensions: u64,
    store_faults: u64,
    rewinds: u64,
    verdicts: u64,
    cancelled: u64,
    errors: u64,
    /// The verbs and the faults of the store, each by its name.
    kinds: BTreeMap<&'static str, Kind>,
}

/// How often something was said or made, and how often that changed anything.
#[derive(Clone, Copy, Debug, Default)]
struct Kind {
    said: u64,
    changed: u64,
}

/// The verbs, as [`World::verb`] says them; a stop of one member is told from one of all.
const VERBS: [&str; 8] = [
    "stop all", "stop one", "note", "pause", "resume", "retry", "rejudge", "fork",
];

/// What [`World::something`] does to the store.
const FAULTS: [&str; 3] = ["unconfirmed", "slow", "down"];

impl Figures {
    /// Notes that a verb was said, or the store was broken.
    fn note(&mut self, kind: &'static str, changed: bool) {
        let figures = self.kinds.entry(kind).or_default();
        figures.said += 1;
        figures.changed += u64::from(changed);
    }

    /// Fails when something never came about: the schedules then prove nothing of it.
    fn assert_none_is_missing(&self) {
        let Figures {
            schedules,
            deliberations,
            events,
            model_calls,
            verbs,
            crashes,
            takeovers,
            suspensions,
            store_faults,
            rewinds,
            verdicts,
            cancelled,
            errors,
            kinds,
        } = self;
        for (name, figure) in [
            ("schedules", schedules),
            ("events", events),
            ("model_calls", model_calls),
            ("verbs", verbs),
            ("crashes", crashes),
            ("takeovers", takeovers),
            ("suspensions", suspensions),
            ("store_faults", store_faults),
            ("rewinds", rewinds),
            ("verdicts", verdicts),
            ("cancelled", cancelled),
            ("errors", errors),
        ] {
            assert!(*figure > 0, "{name}: none in {schedules} schedules");
        }
        assert!(deliberations > schedules, "no verb linked a deliberation");
        for kind in VERBS.into_iter().chain(FAULTS) {
            let Kind { said, changed } = kinds.get(kind).copied().unwrap_or_default();
            assert!(changed > 0, "`{kind}`: {said} times, never with effect");
        }
    }

    fn add(&mut self, other: &Figures) {
        self.schedules += other.schedules;
        self.deliberations += other.deliberations;
        self.events += other.events;
        self.model_calls += other.model_calls;
        self.verbs += other.verbs;
        self.crashes += other.crashes;
        self.takeovers += other.takeovers;
        self.suspensions += other.suspensions;
        self.store_faults += other.store_faults;
        self.rewinds += other.rewinds;
        self.verdicts += other.verdicts;
        self.cancelled += other.cancelled;
        self.errors += other.errors;
        for (kind, Kind { said, changed }) in &other.kinds {
            let sum = self.kinds.entry(kind).or_default();
            sum.said += said;
            sum.changed += changed;
        }
    }
}

/// Plays one schedule; panics where something does not hold.
fn play(seed: u64) -> Figures {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let trail = Rc::new(RefCell::new(Vec::new()));
    let told = Rc::clone(&trail);
    let played = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async move {
            let world = World::new(seed, told);
            world.schedule().await;
            world.figures.take()
        })
    }));
    match played {
        Ok(figures) => figures,
        Err(panic) => {
            println!("seed {seed}:\n{}", trail.borrow().join("\n"));
            std::panic::resume_unwind(panic);
        }
    }
}

/// What a role says in one call: random steps, some of which end well and some never.
fn random_line(random: &mut fastrand::Rng, agent: Agent) -> String {
    let mut steps = Vec::new();
    let wait = |random: &mut fastrand::Rng| match random.u8(0..10) {
        0 => format!("+{} ", random.u32(5..40)),
        1..4 => format!("+{}.{} ", random.u32(0..3), random.u32(0..10)),
        _ => String::new(),
    };
    if random.bool() {
        steps.push(format!("{}accept", wait(random)));
    }
    for _ in 0..random.usize(0..4) {
        let word = random.choice([
            "text Some words.",
            "think Hm.",
            "text 言葉。",
            "usage 10 10",
        ]);
        steps.push(format!("{}{}", wait(random), word.unwrap_or_default()));
    }
    let decision = random
        .choice([
            "APPROVED",
            "APPROVED",
            "REJECTED",
            "REJECTED",
            "ABSTAINED",
            "MAYBE",
        ])
        .unwrap_or_default();
    let vote = match agent {
        Agent::Sage(_) => random.choice(["vote", "tail", "json"]).unwrap_or_default(),
        Agent::Judge => "verdict",
    };
    match random.u8(0..24) {
        0 => steps.push("cut".to_owned()),
        1 => steps.push("hang".to_owned()),
        2 => steps.push("end refused".to_owned()),
        3 => steps.push("end max".to_owned()),
        4..8 => {
            let kinds = [
                "throttled",
                "throttled 7",
                "throttled 50",
                "overloaded",
                "network",
                "unauthorised",
                "not_found",
            ];
            let kind = random.choice(kinds).unwrap_or_default();
            steps.push(format!("{}fail {kind}", wait(random)));
        }
        // Rarely: it is told on stderr each time.
        8 if random.u8(0..10) == 0 => steps.push("panic".to_owned()),
        _ => steps.push(format!("{}{vote} {decision} Random.", wait(random))),
    }
    steps.join(" | ")
}

/// One process.
struct Process {
    house: House,
    /// Whether its part of the store is in order.
    is_well: Cell<bool>,
    /// Whether it has ended.
    is_gone: Cell<bool>,
}

/// Everything in one schedule.
struct World {
    random: RefCell<fastrand::Rng>,
    trail: Rc<RefCell<Vec<String>>>,
    began: Instant,
    store: MemoryStore,
    env: Env,
    options: Options,
    processes: RefCell<Vec<Rc<Process>>>,
    /// The deliberations that verbs linked.
    linked: RefCell<Vec<DeliberationId>>,
    /// The keys with which verbs linked one: no key links a second one.
    used: RefCell<BTreeSet<&'static str>>,
    /// Who watches.
    watches: RefCell<Vec<Watch>>,
    figures: RefCell<Figures>,
}

impl World {
    fn new(seed: u64, trail: Rc<RefCell<Vec<String>>>) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        // Looking at the store again and again is most of the cost, and needed only where another
        // process says something.
        let has_peers = random.u8(0..3) == 0;
        let poll = if has_peers { 1 } else { 60 };
        let world = World {
            random: RefCell::new(random),
            trail,
            began: Instant::now(),
            store: MemoryStore::new(),
            env: Env::seeded(seed),
            options: Options {
                poll: Duration::from_secs(poll),
                ..Options::default()
            },
            processes: RefCell::default(),
            linked: RefCell::default(),
            used: RefCell::default(),
            watches: RefCell::default(),
            figures: RefCell::default(),
        };
        world.new_process();
        if has_peers {
            world.new_process();
        }
        world
    }

    fn dice(&self, sides: u64) -> u64 {
        self.random.borrow_mut().u64(0..sides)
    }

    fn choose<T: Clone>(&self, of: &[T]) -> T {
        let place = self.dice(of.len() as u64);
        of[usize::try_from(place).unwrap()].clone()
    }

    fn millis(&self, most: u64) -> Duration {
        Duration::from_millis(self.dice(most + 1))
    }

    fn tell(&self, what: &str) {
        let at = self.began.elapsed().as_secs_f64();
        self.trail.borrow_mut().push(format!("{at:>8.3} {what}"));
    }

    fn new_process(&self) -> Rc<Process> {
        let seed = self.random.borrow_mut().u64(..);
        let env = Env {
            clock: std::sync::Arc::clone(&self.env.clock),
            ..Env::seeded(seed)
        };
        let lines = [seed ^ 1, seed ^ 2].map(|seed| Lines::made_up(seed, random_line));
        let process = Rc::new(Process {
            house: House::build(&self.store, env, lines, self.options),
            is_well: Cell::new(true),
            is_gone: Cell::new(false),
        });
        self.processes.borrow_mut().push(Rc::clone(&process));
        process
    }

    /// Returns any process that is there; one is, at any time.
    fn somebody(&self) -> Rc<Process> {
        let all = self.processes.borrow();
        let alive = all.iter().filter(|one| !one.is_gone.get()).cloned();
        self.choose(&alive.collect::<Vec<_>>())
    }

    fn engine(&self) -> Engine {
        self.somebody().house.engine.clone()
    }

    /// Returns the process that runs a deliberation, if one does.
    fn owner(&self, id: DeliberationId) -> Option<Rc<Process>> {
        let all = self.processes.borrow();
        let mut owners = all
            .iter()
            .filter(|one| !one.is_gone.get() && one.house.engine.is_running(id));
        owners.next().map(Rc::clone)
    }

    fn n_calls(&self) -> usize {
        let all = self.processes.borrow();
        let calls =
            |one: &Rc<Process>| one.house.model.calls().len() + one.house.spare.calls().len();
        all.iter().map(calls).sum()
    }

    fn n_open(&self) -> usize {
        let all = self.processes.borrow();
        let open = |one: &Rc<Process>| one.house.model.n_open() + one.house.spare.n_open();
        all.iter().map(open).sum()
    }

    /// Plays everything, and checks everything.
    async fn schedule(&self) {
        let body = self.body();
        self.tell(&format!("{body}"));
        let process = self.somebody();
        let ask = magi_council::Ask::read(&body, &Door::default()).unwrap();
        let id = match process.house.engine.ask(ask).await {
            Ok(asked) => asked.id,
            Err(error) => panic!("{error}"),
        };
        let (acted, first, second) = tokio::join!(
            self.act(id),
            self.follow(id, Duration::ZERO),
            self.follow(id, self.millis(40_000)),
        );
        let () = acted;
        self.agree(id, &[first, second]).await;
        let mut done = 0;
        loop {
            let linked = self.linked.borrow().get(done).copied();
            let Some(linked) = linked else { break };
            self.tell(&format!("{linked} is followed to its end"));
            let (seen, ()) = tokio::join!(self.follow(linked, Duration::ZERO), self.settle(linked));
            self.agree(linked, &[seen]).await;
            done += 1;
        }
        sleep(Duration::from_secs(30)).await;
        assert_eq!(self.n_open(), 0, "calls are left open");
        let all = self.processes.borrow();
        for one in all.iter().filter(|one| !one.is_gone.get()) {
            assert_eq!(one.house.engine.n_running(), 0, "something still runs");
        }
        let mut figures = self.figures.borrow_mut();
        figures.schedules = 1;
        figures.deliberations = 1 + done as u64;
        figures.model_calls = self.n_calls() as u64;
    }

    /// Makes up a question: its council, its budget and what leaving it means.
    fn body(&self) -> Value {
        let mut roles = json!({});
        if self.dice(4) == 0 {
            roles["solomon"]["enabled"] = json!(false);
        } else if self.dice(3) == 0 {
            roles["solomon"]["fallbacks"] = json!(["spare:one", "script:two"]);
        }
        if self.dice(4) == 0 {
            let panel = ["spare:a", "spare:b", "script:c", "script:d", "script:e"];
            let n = usize::try_from(2 + self.dice(4)).unwrap();
            roles["solomon"]["panel"] = json!(&panel[..n]);
        }
        let mut most = 3;
        for sage in Sage::ALL {
            if self.dice(3) == 0 {
                roles[sage.name()]["fallbacks"] = json!(["spare:one"]);
            }
            if most == 3 && self.dice(10) == 0 {
                roles[sage.name()] = json!({"enabled": false});
                most = 2;
            }
        }
        let is_in = |sage: &Sage| roles[sage.name()]["enabled"] != json!(false);
        let there: Vec<Sage> = Sage::ALL.into_iter().filter(is_in).collect();
        let veto = format!("veto:{}", self.choose(&there));
        let rule = self
            .choose(&["majority", "unanimous", &veto, "judge"])
            .to_owned();
        let quorum = 1 + self.dice(most);
        let late = self.choose(&["wait", "exclude"]);
        let mut body = json!({
            "question": "Should we adopt it?",
            "council": {"roles": roles, "rule": rule, "quorum": quorum, "late": late},
        });
        if self.dice(6) == 0 {
            body["budget"] = json!({"tokens": 1_000 + self.dice(20_000)});
        }
        if self.dice(6) == 0 {
            body["on_leave"] = json!(format!("stop_after:{}", self.dice(10)));
        }
        if self.dice(6) == 0 {
            body["council"]["deadlines"] = json!({
                "first_token": 3, "idle": 3, "sage_total": 20, "judge_total": 20, "whole": 60,
            });
        }
        body
    }

    /// Does whatever comes, and then lets it end.
    async fn act(&self, id: DeliberationId) {
        for _ in 0..self.dice(9) {
            let wait = match self.dice(4) {
                0 => Duration::ZERO,
                1 | 2 => self.millis(4_000),
                _ => self.millis(30_000),
            };
            sleep(wait).await;
            self.something(id).await;
        }
        self.settle(id).await;
    }

    /// Says a verb, or breaks something.
    async fn something(&self, id: DeliberationId) {
        match self.dice(24) {
            0..15 => self.verb(id).await,
            15 => self.crash(id).await,
            16 => self.take_over(id).await,
            17 => self.shut_down().await,
            18 => self.suspend(id).await,
            19 => self.watch(id),
            20 => {
                self.break_store("unconfirmed");
                let n = 1 + self.dice(4);
                self.tell(&format!("the next {n} commits are not confirmed"));
                self.somebody().house.fault.lose_confirmations(n);
            }
            21 => {
                self.break_store("slow");
                let (slow, process) = (self.millis(7_000), self.somebody());
                self.tell(&format!("the store takes {slow:?}"));
                process.house.fault.set_slow(slow);
                sleep(self.millis(20_000)).await;
                process.house.fault.set_slow(Duration::ZERO);
            }
            _ => {
                self.break_store("down");
                let process = self.somebody();
                self.tell("the store is down");
                process.is_well.set(false);
                process.house.fault.set_down(true);
                if self.dice(2) == 0 {
                    sleep(self.millis(2_000)).await;
                    self.verb(id).await;
                }
                sleep(self.millis(20_000)).await;
                process.house.fault.set_down(false);
                process.is_well.set(true);
                self.tell("the store is back");
            }
        }
    }

    fn break_store(&self, how: &'static str) {
        let mut figures = self.figures.borrow_mut();
        figures.store_faults += 1;
        figures.note(how, true);
    }

    fn note_said(&self, verb: &'static str, changed: bool) {
        self.figures.borrow_mut().note(verb, changed);
    }

    /// The process that runs it ends without a word, and another one recovers.
    async fn crash(&self, id: DeliberationId) {
        let process = self.owner(id).unwrap_or_else(|| self.somebody());
        self.figures.borrow_mut().crashes += 1;
        self.tell("a process ends without a word");
        process.house.engine.logs().abandon();
        process.is_gone.set(true);
        let next = self.new_process();
        sleep(self.millis(20_000)).await;
        let recovered = next.house.engine.recover().await;
        self.tell(&format!("recovered {recovered:?}"));
    }

    /// The process that runs it loses the store until its lease has lapsed, and another one recovers.
    async fn take_over(&self, id: DeliberationId) {
        let Some(process) = self.owner(id) else {
            return;
        };
        self.figures.borrow_mut().takeovers += 1;
        self.tell("the owner alone loses the store");
        process.is_well.set(false);
        process.house.fault.set_down(true);
        let next = self.new_process();
        sleep(Duration::from_secs(11) + self.millis(10_000)).await;
        let recovered = next.house.engine.recover().await;
        self.tell(&format!("recovered {recovered:?}"));
        sleep(self.millis(10_000)).await;
        process.house.fault.set_down(false);
        process.is_well.set(true);
    }

    /// A process stops gracefully, and another one recovers.
    async fn shut_down(&self) {
        let process = self.somebody();
        let next = self.new_process();
        process.is_gone.set(true);
        self.tell("a process shuts down");
        process.house.engine.shutdown(self.millis(5_000)).await;
        let recovered = next.house.engine.recover().await;
        self.tell(&format!("recovered {recovered:?}"));
    }

    /// A function ends at its deadline; sometimes another one goes on from its state.
    async fn suspend(&self, id: DeliberationId) {
        let Some(process) = self.owner(id) else {
            return;
        };
        let suspended = process.house.engine.suspend(id).await;
        self.tell(&format!("suspended: {suspended:?}"));
        if suspended.is_err() {
            return;
        }
        self.figures.borrow_mut().suspensions += 1;
        let Ok((snapshot, _)) = self.engine().logs().snapshot(id).await else {
            return;
        };
        let state = snapshot.paused.and_then(|paused| paused.state);
        if let Some(state) = state.filter(|_| self.dice(2) == 0) {
            let resumed = self.engine().resume_state(&state, &Door::default()).await;
            self.note_linked(resumed.into_iter());
        }
        sleep(self.millis(5_000)).await;
        let resumed = self.engine().resume(id, Told::by("user")).await;
        self.tell(&format!("resumed: {resumed:?}"));
        // It may be over by now, and then a new one goes on from it.
        self.note_done(resumed.ok().as_ref());
    }

    /// Somebody comes, or leaves.
    fn watch(&self, id: DeliberationId) {
        let mut watches = self.watches.borrow_mut();
        if watches.pop().is_none() {
            watches.push(self.engine().watch(id));
        }
    }

    fn note_done(&self, done: Option<&Done>) {
        self.note_linked(done.into_iter().map(|done| Asked {
            id: done.id,
            fresh: done.fresh,
        }));
    }

    fn note_linked(&self, asked: impl Iterator<Item = Asked>) {
        let fresh = asked.filter(|asked| asked.fresh).map(|asked| asked.id);
        let mut linked = self.linked.borrow_mut();
        for id in fresh {
            self.trail
                .borrow_mut()
                .push(format!("         linked {id}"));
            linked.push(id);
        }
    }

    /// Says any verb to anybody; whether it is obeyed is another test's.
    async fn verb(&self, id: DeliberationId) {
        let engine = self.engine();
        let agent = Some(self.choose(&Agent::ALL)).filter(|_| self.dice(3) > 0);
        let key = (self.dice(3) == 0).then(|| self.choose(&KEYS));
        let told = Told { by: "user", key };
        let has_room = self.linked.borrow().len() < MOST_LINKED;
        let verb = self.dice(if has_room { 16 } else { 11 });
        self.figures.borrow_mut().verbs += 1;
        let who = agent.map_or("all", Agent::name);
        let done = match verb {
            0 => {
                self.tell("stop all");
                return self.stop(&engine, id).await;
            }
            1 | 2 => {
                let agent = agent.unwrap_or(Agent::Judge);
                let stopped = engine.stop(id, Some(agent), "user").await;
                self.note_said("stop one", stopped.as_ref().is_ok_and(|done| done.changed));
                return self.tell(&format!("stop {agent}: {stopped:?}"));
            }
            3..6 => {
                let note = engine.note(id, agent, "It is Friday.", told).await;
                self.note_said("note", note.as_ref().is_ok_and(|done| done.changed));
                return self.tell(&format!("note to {who}: {note:?}"));
            }
            6..8 => {
                let paused = engine.pause(id, told).await;
                self.note_said("pause", paused.as_ref().is_ok_and(|done| done.changed));
                self.tell(&format!("pause: {paused:?}"));
                sleep(self.millis(60_000)).await;
                return;
            }
            8..11 if !has_room => return,
            8 => engine.resume(id, told).await,
            9..12 => {
                let attempt = (self.dice(4) == 0).then(|| 1 + u32::try_from(self.dice(2)).unwrap());
                engine.retry(id, agent, attempt, told).await
            }
            12 | 13 => {
                let rule = self.choose(&["majority", "judge"]);
                let wish = Rejudge {
                    times: 1 + u32::try_from(self.dice(2)).unwrap(),
                    council: CouncilPatch::read(&json!({"rule": rule}), "council").unwrap(),
                    ..Rejudge::default()
                };
                let judged = engine.rejudge(id, &wish, None).await;
                self.note_said("rejudge", judged.is_ok());
                self.tell(&format!("rejudge: {judged:?}"));
                return self.note_linked(judged.into_iter().flatten());
            }
            _ => {
                let wish = Fork {
                    again: agent.and_then(Agent::sage).into_iter().collect(),
                    note: (self.dice(2) == 0).then(|| "It rains.".to_owned()),
                    ..Fork::default()
                };
                let forked = engine.fork(id, &wish, None).await;
                self.note_said("fork", forked.is_ok());
                self.tell(&format!("fork: {forked:?}"));
                return self.note_linked(forked.into_iter());
            }
        };
        let word = if verb == 8 { "resume" } else { "retry" };
        self.note_said(word, done.as_ref().is_ok_and(|done| done.changed));
        self.tell(&format!("{word} {who} {key:?}: {done:?}"));
        let fresh = done.ok().filter(|done| done.fresh);
        if let (Some(_), Some(key)) = (&fresh, key) {
            let is_new = self.used.borrow_mut().insert(key);
            assert!(is_new, "`{key}` links a second deliberation");
        }
        self.note_done(fresh.as_ref());
    }

    /// Stops it all: once that is answered nothing is called any more.
    async fn stop(&self, engine: &Engine, id: DeliberationId) {
        let stopped = engine.stop(id, None, "user").await;
        self.note_said("stop all", stopped.as_ref().is_ok_and(|done| done.changed));
        self.tell(&format!("stopped: {stopped:?}"));
        let all_are_well = self.processes.borrow().iter().all(|one| one.is_well.get());
        let Ok(stopped) = stopped else { return };
        assert!(stopped.status.is_over(), "{stopped:?}");
        if all_are_well && self.linked.borrow().is_empty() {
            assert_eq!(
                self.n_open(),
                0,
                "a call goes on after the stop was answered"
            );
            let before = self.n_calls();
            sleep(Duration::from_secs(120)).await;
            assert_eq!(self.n_calls(), before, "a model is called after the stop");
        }
    }

    /// Brings a deliberation to its end, in a world in which nothing breaks any more.
    async fn settle(&self, id: DeliberationId) {
        for round in 0..40 {
            let engine = self.engine();
            let head = engine.logs().head(id).await.unwrap();
            if head.is_over() {
                return;
            }
            let recovered = engine.recover().await.unwrap();
            if recovered != magi_council::Recovered::default() {
                self.tell(&format!("settling: recovered {recovered:?}"));
            }
            if head.status == Status::Paused {
                let resumed = engine.resume(id, Told::by("user")).await;
                self.tell(&format!("settling: resumed {resumed:?}"));
            }
            assert!(round < 39, "it does not end");
            sleep(Duration::from_secs(60)).await;
        }
    }

    /// Follows a log to its end as a reader does: it begins anywhere, is slow or fast, is cut off and
    /// comes back to any process.
    async fn follow(&self, id: DeliberationId, later: Duration) -> Seen {
        sleep(later).await;
        let mut seen = Seen::default();
        let mut after = After::Start(id);
        let all = async {
            loop {
                let process = self.somebody();
                let mut reader = match process.house.engine.logs().read(after).await {
                    Ok(reader) => reader,
                    Err(error) if is_passing(&error) => {
                        sleep(Duration::from_millis(500)).await;
                        continue;
                    }
                    Err(error) => panic!("a reader at {after:?}: {error}"),
                };
                let patience = Duration::from_secs(1 + self.dice(120));
                loop {
                    match timeout(patience, reader.next()).await {
                        Ok(Ok(page)) => {
                            seen.entries.extend(page.entries);
                            if page.end {
                                return;
                            }
                        }
                        Ok(Err(error)) if is_passing(&error) => break,
                        Ok(Err(error)) => panic!("a reader at {after:?}: {error}"),
                        Err(_) => break,
                    }
                    if self.dice(8) == 0 {
                        sleep(self.millis(3_000)).await;
                        break;
                    }
                }
                after = seen.place(id);
                sleep(Duration::from_millis(50)).await;
            }
        };
        let ended = timeout(Duration::from_secs(48 * 3600), all).await;
        assert!(
            ended.is_ok(),
            "a reader waits for ever at {:?}",
            seen.place(id)
        );
        seen
    }

    /// Checks that what is stored is whole, and that every reader has seen it.
    async fn agree(&self, id: DeliberationId, readers: &[Seen]) {
        let stored = self.stored(id).await;
        assert_eq!(stored, self.stored(id).await, "a second replay differs");
        let events: Vec<Event> = stored.iter().map(|one| one.event().unwrap()).collect();
        let mut checker = Checker::new(Mode::Log);
        for (entry, event) in stored.iter().zip(&events) {
            if let Err(violation) = checker.entry(entry.cursor, event) {
                panic!("{violation}\n{}", print(&stored));
            }
            let mut figures = self.figures.borrow_mut();
            figures.events += 1;
            match &event.body {
                Body::Rewind(_) => figures.rewinds += 1,
                Body::Complete(_) => figures.verdicts += 1,
                Body::Cancelled(_) => figures.cancelled += 1,
                Body::Error(_) => figures.errors += 1,
                _ => {}
            }
        }
        checker.finish(true).unwrap();
        let folded = checker.snapshot();
        for seen in readers {
            seen.check(&stored, &events, folded);
        }
        let row = self.engine().logs().catalogue().get(id).await.unwrap();
        assert_eq!(row.facts.status, folded.status, "the catalogue");
        let verdict = folded
            .verdict
            .as_ref()
            .map(|verdict| verdict.final_decision);
        assert_eq!(row.facts.verdict, verdict, "the catalogue");
    }

    /// Reads all of a log that is over, through any process.
    async fn stored(&self, id: DeliberationId) -> Vec<Entry> {
        let logs = self.engine().logs().clone();
        let mut reader = logs.read(After::Start(id)).await.unwrap();
        let mut all = Vec::new();
        loop {
            let page = reader.next().await.unwrap();
            all.extend(page.entries);
            if page.end {
                return all;
            }
        }
    }
}

/// A schedule that cannot be played again proves nothing of its failure.
#[test]
fn a_seed_replays() {
    let trail = |seed| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let trail = Rc::new(RefCell::new(Vec::new()));
        let told = Rc::clone(&trail);
        runtime.block_on(async move { World::new(seed, told).schedule().await });
        Rc::try_unwrap(trail).unwrap().into_inner()
    };
    for seed in 0..20 {
        assert_eq!(trail(seed), trail(seed), "seed {seed}");
    }
}
