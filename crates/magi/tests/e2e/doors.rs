//! Every verb in every phase, said by the one client through every door: the answer, and the log that is left.
//!
//! A server over a loopback socket, and a model that holds each answer at each step until it is let go: a phase is reached
//! when a reader has seen its event, and ends when the verb is answered. What a verb means is told by the council's own
//! `phases`; here no door may tell it otherwise.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use magi_client::{Client, Done, Door, Error, Fork, Options, Reading, Rejudge, Step};
use magi_council::{CouncilPatch, Engine, Limits};
use magi_event::check::{Checker, Mode};
use magi_event::{Agent, Body, Cause, Cursor, Decision, DeliberationId, Event, Sage};
use magi_log::{Env, Logs, MemoryStore};
use magi_model::{Call, Chunk, ChunkStream, Prices, Provider, Registry, StopReason};
use magi_server::{Config, SESSION_HEADER, Server};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::support::{PATIENCE, patient};

/// Where a deliberation stands, and how far its model is let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// The sages are called, nobody has answered.
    Queued,
    /// Their vendors have accepted.
    Token,
    /// All three have said something.
    Writing,
    /// CASPAR and BALTHASAR have voted.
    Voting,
    /// The votes are counted and the judge is called.
    Counted,
    /// The judge has said something.
    Judging,
    /// The last event is there.
    Ended,
}

const PHASES: [(&str, Phase); 7] = [
    ("queued", Phase::Queued),
    ("token", Phase::Token),
    ("writing", Phase::Writing),
    ("voting", Phase::Voting),
    ("counted", Phase::Counted),
    ("judging", Phase::Judging),
    ("ended", Phase::Ended),
];

const VERBS: [&str; 14] = [
    "stop",
    "stop caspar",
    "stop judge",
    "retry",
    "retry caspar",
    "retry judge",
    "note",
    "note caspar",
    "note judge",
    "pause",
    "resume",
    "resume paused",
    "rejudge",
    "fork",
];

/// What a deliberation comes to that nothing happens to.
const PLAIN: &str = "completed 3-0-0 A/A/A judge 1";

/// The verb, the phases in which it is said, the answer, and the log that is left: how it ended, the votes, what CASPAR,
/// BALTHASAR and MELCHIOR voted one after another (Approved, Rejected, x for stopped), how often the judge began, and what
/// else stands there. `linked` means another deliberation whose log that is; this one then comes to what it would have.
/// `resume paused` is said right after a pause; a pause alone is resumed once it holds everything. The page's client is held
/// to the same table by `web/e2e/doors.test.ts`.
const TABLE: &str = include_str!("doors.txt");

/// The span of a call to a model.
const CALL: &str = "model.call";

/// The doors: which of the client's, and whether AgentCore's front stands before it.
const DOORS: [(&str, Door, bool); 4] = [
    ("HTTP", Door::Api, false),
    ("WebSocket", Door::Socket, false),
    ("actions", Door::Invocations, false),
    ("actions behind AgentCore", Door::Invocations, true),
];

/// One cell of the table.
#[derive(Clone, Copy)]
struct Cell {
    verb: &'static str,
    phase: Phase,
    answer: &'static str,
    log: &'static str,
}

fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for line in TABLE.trim().lines() {
        let parts: Vec<&str> = line.split('|').map(str::trim).collect();
        let [verb, phases, answer, log] = parts[..] else {
            panic!("four columns: {line}");
        };
        for name in phases.split_whitespace() {
            let phase = PHASES.iter().find(|(word, _)| *word == name);
            let (_, phase) = *phase.unwrap_or_else(|| panic!("{name}"));
            cells.push(Cell {
                verb,
                phase,
                answer,
                log,
            });
        }
    }
    cells
}

#[test]
fn the_table_has_every_verb_in_every_phase_once() {
    let mut named: Vec<_> = cells().iter().map(|cell| (cell.verb, cell.phase)).collect();
    let mut expected: Vec<_> = VERBS
        .iter()
        .flat_map(|verb| PHASES.map(|(_, phase)| (*verb, phase)))
        .collect();
    named.sort_unstable();
    expected.sort_unstable();
    assert_eq!(named, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_verb_in_every_phase_is_answered_alike_at_every_door() {
    stream::iter(cells())
        .for_each_concurrent(8, at_every_door)
        .await;
}

async fn at_every_door(cell: Cell) {
    let played = DOORS.map(|(name, door, is_behind)| async move {
        let what = format!("{} at {:?} by {name}", cell.verb, cell.phase);
        let played = play(cell, door, is_behind, &what);
        match tokio::time::timeout(PATIENCE, played).await {
            Ok(words) => words,
            Err(_) => panic!("{what}: it does not come to its end"),
        }
    });
    let words = join_all(played).await;
    for other in &words {
        assert_eq!(*other, words[0], "{} at {:?}", cell.verb, cell.phase);
    }
}

/// Says one verb in one phase by one door, and returns the words of a refusal.
async fn play(cell: Cell, door: Door, is_behind: bool, what: &str) -> String {
    let house = House::open(cell.phase).await;
    let client = house.client(door, is_behind);
    let mut reader = Reader::new(client.ask_body(question()));
    reader.until(|log| cell.phase.is_seen(log)).await;
    house.held.wait_for(cell.phase).await;
    let id = reader.log[0].1.trace_id;

    if cell.verb == "resume paused" {
        let paused = client.pause(id).await;
        assert_eq!(paused.is_ok(), cell.phase < Phase::Ended, "{what}");
    }
    let said = say(&client, cell.verb, id).await;
    assert_eq!(answer(&said, id), cell.answer, "{what}: {said:?}");
    house.held.let_go(Phase::Ended);

    reader.until(|log| is_over(log) || rests(log)).await;
    if !is_over(&reader.log) {
        assert!(client.resume(id).await.unwrap().changed, "{what}");
        reader.until(is_over).await;
    }
    let log = check(&client, id, reader.log, what).await;
    match &said {
        Ok(done) if done.id != id => {
            assert_eq!(outline(&log), PLAIN, "{what}: the first goes on");
            let mut reader = Reader::new(client.events(done.id, None));
            reader.until(is_over).await;
            let linked = check(&client, done.id, reader.log, what).await;
            assert_eq!(outline(&linked), cell.log, "{what}");
            let Body::Start(start) = &linked[0].1.body else {
                panic!("{what}: {:?}", linked[0]);
            };
            assert_eq!(start.fork_of, Some(id), "{what}");
        }
        _ => assert_eq!(outline(&log), cell.log, "{what}"),
    }
    house.close().await;
    let refused = said.err();
    refused.map_or_else(String::new, |error| error.to_string())
}

async fn say(client: &Client, verb: &str, id: DeliberationId) -> Result<Done, Error> {
    let (verb, whom) = verb.split_once(' ').unwrap_or((verb, ""));
    let whom: Option<Agent> = whom.parse().ok();
    match verb {
        "stop" => client.stop(id, whom).await,
        "retry" => client.retry(id, whom, None).await,
        "note" => client.note(id, whom, "It is Friday.", None).await,
        "pause" => client.pause(id).await,
        "resume" => client.resume(id).await,
        "rejudge" => client.rejudge(id, &Rejudge::default()).await,
        "fork" => {
            let wish = Fork {
                agent: Some(Sage::Caspar.into()),
                note: Some("It is Friday.".to_owned()),
                ..Fork::default()
            };
            client.fork(id, &wish).await
        }
        _ => panic!("{verb}"),
    }
}

/// Puts an answer as the table does.
fn answer(said: &Result<Done, Error>, id: DeliberationId) -> String {
    match said {
        Ok(done) if done.id != id && done.changed => "linked".to_owned(),
        Ok(done) if done.changed => "changed".to_owned(),
        Ok(_) => "unchanged".to_owned(),
        Err(error) => match error.problem() {
            Some(problem) => format!("{} {}", problem.status, problem.code),
            None => error.to_string(),
        },
    }
}

type Log = Vec<(Cursor, Event)>;

fn count(log: &Log, name: &str) -> usize {
    let named = log.iter().filter(|(_, event)| event.body.name() == name);
    named.count()
}

fn is_over(log: &Log) -> bool {
    log.last().is_some_and(|(_, event)| event.body.is_last())
}

/// Tells whether an event says that a model is called.
fn is_call(event: &Event) -> bool {
    matches!(&event.body, Body::Trace(_, trace) if trace.name == CALL && trace.duration_ms.is_none())
}

/// Tells whether a paused one has nothing left that goes on by itself: the sages have ended and the judge is not called.
fn rests(log: &Log) -> bool {
    let is_paused = count(log, "paused") > count(log, "resumed");
    let n_calls = log.iter().filter(|(_, event)| is_call(event)).count();
    is_paused && count(log, "agent_complete") == 3 && n_calls == 3
}

impl Phase {
    /// Tells whether a reader has seen that it is reached. That a vendor has accepted stands in no log.
    fn is_seen(self, log: &Log) -> bool {
        match self {
            Phase::Queued | Phase::Token => count(log, "agent_start") == 3,
            Phase::Writing => count(log, "agent_chunk") == 3,
            Phase::Voting => count(log, "agent_complete") == 2,
            Phase::Counted => count(log, "judge_start") == 1,
            Phase::Judging => count(log, "judge_chunk") == 1,
            Phase::Ended => is_over(log),
        }
    }
}

/// Puts a log as the table does.
fn outline(log: &Log) -> String {
    let mut votes: BTreeMap<Sage, String> = BTreeMap::new();
    let (mut end, mut others) = (String::new(), String::new());
    for (_, event) in log {
        match &event.body {
            Body::AgentComplete(sage, complete) => {
                votes
                    .entry(*sage)
                    .or_default()
                    .push(match (complete.decision, complete.cause) {
                        (Decision::Approved, None) => 'A',
                        (Decision::Rejected, None) => 'R',
                        (Decision::Abstained, Some(Cause::Stopped)) => 'x',
                        _ => '?',
                    });
            }
            Body::Note(_) | Body::Paused(_) | Body::Resumed(_) => {
                others.push(' ');
                others.push_str(event.body.name());
            }
            Body::Complete(complete) => {
                let agreement = complete.voting_result.agreement();
                end = format!("{} {agreement}", complete.status.word());
            }
            body if body.is_last() => end = body.name().to_owned(),
            _ => {}
        }
    }
    let votes = Sage::ALL.map(|sage| votes.remove(&sage).unwrap_or_default());
    let judged = count(log, "judge_start");
    format!("{end} {} judge {judged}{others}", votes.join("/"))
}

/// Holds that what a reader saw is what is stored, that both are whole, and that a pause held every call.
async fn check(client: &Client, id: DeliberationId, seen: Log, what: &str) -> Log {
    let mut reader = Reader::new(client.events(id, None));
    reader.until(is_over).await;
    assert_eq!(reader.log, seen, "{what}");
    for mode in [Mode::Reader, Mode::Log] {
        let mut checker = Checker::new(mode);
        for (cursor, event) in &seen {
            if let Err(violation) = checker.entry(*cursor, event) {
                panic!("{what}: {violation}");
            }
        }
        if let Err(violation) = checker.finish(true) {
            panic!("{what}: {violation}");
        }
    }
    let mut is_paused = false;
    for (_, event) in &seen {
        match &event.body {
            Body::Paused(_) => is_paused = true,
            Body::Resumed(_) => is_paused = false,
            _ => assert!(
                !(is_paused && is_call(event)),
                "{what}: called while paused"
            ),
        }
    }
    seen
}

/// Somebody who reads a deliberation as far as wanted.
struct Reader {
    reading: Reading,
    log: Log,
}

impl Reader {
    const fn new(reading: Reading) -> Reader {
        Reader {
            reading,
            log: Vec::new(),
        }
    }

    async fn until(&mut self, is_there: impl Fn(&Log) -> bool) {
        while !is_there(&self.log) {
            match self.reading.next().await.expect("it goes on").unwrap() {
                Step::Entry(entry) => self.log.push((entry.cursor, entry.event)),
                Step::State(_) => {}
                Step::Snapshot(_) => panic!("all of it is kept"),
            }
        }
    }
}

/// A question whose deliberation no clock ends.
fn question() -> Map<String, Value> {
    let deadlines = json!({
        "connect": 3600, "first_token": 3600, "idle": 3600,
        "sage_total": 3600, "judge_total": 3600, "whole": 7200,
    });
    let body = json!({
        "action": "ask",
        "question": "Should we adopt it?",
        "council": {"deadlines": deadlines},
    });
    body.as_object().unwrap().clone()
}

/// A model that holds every answer until its phase is let go.
#[derive(Clone)]
struct Held {
    level: watch::Sender<Phase>,
    /// How many answers have come to each step: being called, having accepted, having spoken, having voted.
    steps: watch::Sender<[usize; 4]>,
    /// How often each was called.
    calls: Arc<Mutex<BTreeMap<Agent, usize>>>,
}

impl Held {
    fn new(level: Phase) -> Held {
        Held {
            level: watch::Sender::new(level),
            steps: watch::Sender::new([0; 4]),
            calls: Arc::default(),
        }
    }

    fn let_go(&self, phase: Phase) {
        self.level.send_replace(phase);
    }

    /// Waits until the answers under way stand where this phase holds them.
    async fn wait_for(&self, phase: Phase) {
        let (step, n) = match phase {
            Phase::Queued => (0, 3),
            Phase::Token => (1, 3),
            Phase::Writing => (2, 3),
            Phase::Voting => (3, 2),
            Phase::Counted => (1, 4),
            Phase::Judging => (2, 4),
            Phase::Ended => (3, 4),
        };
        let mut steps = self.steps.subscribe();
        steps.wait_for(|steps| steps[step] >= n).await.unwrap();
    }
}

impl Provider for Held {
    fn name(&self) -> &str {
        "held"
    }

    fn stream(&self, call: Call) -> ChunkStream {
        let agent = call.about.agent;
        let nth = {
            let mut calls = self.calls.lock().unwrap();
            let n = calls.entry(agent).or_default();
            *n += 1;
            *n
        };
        // What holds back the acceptance, the first word and the vote.
        let gates = match agent {
            Agent::Judge => [Phase::Counted, Phase::Judging, Phase::Ended],
            Agent::Sage(Sage::Melchior) => [Phase::Token, Phase::Writing, Phase::Counted],
            Agent::Sage(_) => [Phase::Token, Phase::Writing, Phase::Voting],
        };
        let chunks = [
            Some((gates[0], Chunk::Accepted)),
            Some((gates[1], Chunk::Text("I have weighed it.".to_owned()))),
            Some((gates[2], Chunk::ToolArguments(vote(&call, nth).to_string()))),
            None,
        ];
        let held = self.clone();
        let chunks = stream::iter(chunks.into_iter().enumerate()).then(move |(step, chunk)| {
            let held = held.clone();
            async move {
                held.steps.send_modify(|steps| steps[step] += 1);
                let Some((gate, chunk)) = chunk else {
                    return Ok(Chunk::End(StopReason::ToolUse));
                };
                let mut level = held.level.subscribe();
                level.wait_for(|level| *level >= gate).await.unwrap();
                Ok(chunk)
            }
        });
        chunks.boxed()
    }
}

/// Everybody approves but CASPAR and the judge, who reject what they are asked again.
fn vote(call: &Call, nth: usize) -> Value {
    let is_other = nth > 1 && matches!(call.about.agent, Agent::Judge | Agent::Sage(Sage::Caspar));
    let decision = if is_other { "REJECTED" } else { "APPROVED" };
    let tag = &call.about.tag;
    match call.about.agent {
        Agent::Sage(_) => json!({
            "tag": tag, "reasoning": "It holds.", "conditions": [], "would_change": [],
            "decision": decision, "confidence": 0.7,
        }),
        Agent::Judge => json!({
            "tag": tag, "reasoning": "The arguments weigh so.",
            "sage_scores": {"A": 70, "B": 80, "C": 90},
            "score_reasons": {"A": "sound", "B": "sound", "C": "sound"},
            "dissent": {"sage": "A", "text": "It may fail."},
            "conditions": [], "would_change": [], "final_decision": decision, "confidence": 0.8,
        }),
    }
}

/// A whole server on a loopback socket, over a store in memory.
struct House {
    address: String,
    held: Held,
    engine: Engine,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl House {
    async fn open(level: Phase) -> House {
        let held = Held::new(level);
        let env = Env::system();
        let logs = Logs::new(
            Arc::new(MemoryStore::new()),
            env.clone(),
            magi_log::Options::default(),
        );
        let models = Registry::default().with(Arc::new(held.clone()));
        let settings = CouncilPatch::default().with_model(&"held:m".parse().unwrap());
        let engine = Engine::new(magi_council::Rooms {
            logs: logs.clone(),
            models: models.clone(),
            env: env.clone(),
            limits: Limits::default(),
            prices: Prices::default(),
            settings: settings.clone(),
            state_key: None,
        });
        let rooms = magi_server::Rooms {
            engine: engine.clone(),
            logs,
            env,
            models,
            settings,
            scenes: Vec::new(),
        };
        let stop = CancellationToken::new();
        let server = Server::new(rooms, Config::default(), stop.clone()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let tasks = TaskTracker::new();
        tasks.spawn(async move { server.serve(listener).await.unwrap() });
        House {
            address,
            held,
            engine,
            stop,
            tasks,
        }
    }

    fn client(&self, door: Door, is_behind: bool) -> Client {
        let mut options: Options = patient(door);
        if is_behind {
            let session = "session-0123456789-0123456789-0123456789";
            options
                .headers
                .insert(SESSION_HEADER, session.parse().unwrap());
        }
        Client::with(&self.address, options).unwrap()
    }

    async fn close(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.engine.shutdown(Duration::ZERO).await;
    }
}
