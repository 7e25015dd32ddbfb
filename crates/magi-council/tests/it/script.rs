//! The kit: a deliberation is a few lines of text (who says what, when, and what breaks), played on
//! a paused clock, and its events are compared with a committed list.
//!
//! A script's lines:
//!
//! ```text
//! question: Should we adopt it?        the question; `body: {...}` adds fields to the request
//! caspar: text Fine. | vote APPROVED   one line per call of a role, in the order of its calls
//! at 2.5: stop                         what somebody does at that second: stop, stop AGENT, watch,
//!                                      leave, store down, store up, shutdown
//! show: trace                          prints the spans too
//! ```
//!
//! A call's steps, separated by ` | `, each with an optional `+seconds` before it:
//! `accept`, `think TEXT`, `text TEXT`, `vote DECISION [TEXT]` (a tool call), `tail DECISION [TEXT]`
//! (a fenced block), `json DECISION [TEXT]` (JSON alone), `verdict DECISION [TEXT]` (the judge's tool
//! call), `tool TEXT` (raw arguments), `usage IN OUT`, `end [tool|max|refused|filtered]`,
//! `fail KIND [RETRY_AFTER]`, `cut` (the stream breaks), `hang`, `panic`. `{tag}` and `\n` are
//! filled in. A call that does not say how it ends, ends properly.

#![cfg(test)]

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream;
use magi_council::{Ask, Budget, CouncilPatch, Door, Engine, Limits, Rooms, StateKey, Watch};
use magi_event::check::{Checker, Mode};
use magi_event::{Agent, Body, Cursor, DeliberationId, Event, Usage};
use magi_log::{After, Env, Logs, MemoryStore, Options};
use magi_model::{Call, Chunk, ChunkStream, Error, Kind, Prices, Provider, Registry, StopReason};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::faulty::Faulty;

/// The key of every house: they are instances of one function.
const STATE_KEY: &str = "a text of thirty-two bytes or more";

/// One step of a call.
#[derive(Clone, Debug)]
struct Step {
    wait: Duration,
    act: String,
}

/// Makes up what a role says in its next call.
pub(crate) type MakeUp = fn(&mut fastrand::Rng, Agent) -> String;

/// What the models of a script say, call by call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    written: BTreeMap<Agent, VecDeque<Vec<Step>>>,
    /// What is said where nothing is written any more.
    made_up: Option<(fastrand::Rng, MakeUp)>,
}

/// A whole script.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    pub(crate) body: Value,
    pub(crate) lines: Lines,
    acts: Vec<(Duration, String)>,
    shows_trace: bool,
}

/// What was played.
pub(crate) struct Played {
    pub(crate) log: Vec<(Cursor, Event)>,
    pub(crate) took: Duration,
    /// The model streams that are open after the end.
    pub(crate) still_open: usize,
}

fn seconds(text: &str) -> Duration {
    Duration::from_secs_f64(
        text.trim()
            .parse()
            .unwrap_or_else(|_| panic!("seconds: {text}")),
    )
}

impl Script {
    /// Reads a script.
    pub(crate) fn read(text: &str) -> Self {
        let mut script = Script {
            body: json!({"question": "Should we adopt it?"}),
            ..Script::default()
        };
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, rest) = line
                .split_once(':')
                .unwrap_or_else(|| panic!("line: {line}"));
            let rest = rest.trim();
            match key {
                "question" => script.body["question"] = json!(rest),
                "body" => {
                    let more: Value = serde_json::from_str(rest).unwrap();
                    for (name, value) in more.as_object().unwrap() {
                        script.body[name] = value.clone();
                    }
                }
                "show" => script.shows_trace = rest == "trace",
                _ if key.starts_with("at ") => {
                    script.acts.push((seconds(&key[3..]), rest.to_owned()));
                }
                agent => script.lines.add(agent.parse().unwrap(), rest),
            }
        }
        script
    }
}

impl Lines {
    /// Makes models that say what is made up.
    pub(crate) fn made_up(seed: u64, make_up: MakeUp) -> Self {
        Lines {
            made_up: Some((fastrand::Rng::with_seed(seed), make_up)),
            ..Lines::default()
        }
    }

    /// Adds what a role says in its next call.
    pub(crate) fn add(&mut self, agent: Agent, line: &str) {
        let written = self.written.entry(agent).or_default();
        written.push_back(steps(line));
    }

    /// Takes what a role says now.
    fn next(&mut self, agent: Agent) -> Option<Vec<Step>> {
        let written = self.written.get_mut(&agent).and_then(VecDeque::pop_front);
        written.or_else(|| {
            let (random, make_up) = self.made_up.as_mut()?;
            Some(steps(&make_up(random, agent)))
        })
    }
}

fn steps(line: &str) -> Vec<Step> {
    line.split(" | ")
        .map(str::trim)
        .map(|step| match step.strip_prefix('+') {
            Some(rest) => {
                let (wait, act) = rest.split_once(' ').unwrap_or((rest, "accept"));
                Step {
                    wait: seconds(wait),
                    act: act.to_owned(),
                }
            }
            None => Step {
                wait: Duration::ZERO,
                act: step.to_owned(),
            },
        })
        .collect()
}

/// Plays the lines of a script as a vendor would.
pub(crate) struct Scripted {
    name: String,
    lines: Mutex<Lines>,
    calls: Mutex<Vec<Call>>,
    open: Arc<()>,
}

impl Scripted {
    pub(crate) fn new(name: &str, lines: Lines) -> Arc<Self> {
        Arc::new(Scripted {
            name: name.to_owned(),
            lines: Mutex::new(lines),
            calls: Mutex::default(),
            open: Arc::new(()),
        })
    }

    /// Returns every call so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Returns how many streams are open.
    pub(crate) fn n_open(&self) -> usize {
        Arc::strong_count(&self.open) - 1
    }
}

impl Provider for Scripted {
    fn name(&self) -> &str {
        &self.name
    }

    fn stream(&self, call: Call) -> ChunkStream {
        self.calls.lock().unwrap().push(call.clone());
        let steps = self.lines.lock().unwrap().next(call.about.agent);
        let Some(steps) = steps else {
            let error = Error::new(Kind::BadRequest, "the script has no line for this call");
            return Box::pin(stream::iter([Err(error)]));
        };
        let mut queue: VecDeque<(Duration, Out)> = VecDeque::new();
        for step in steps {
            let mut wait = step.wait;
            for out in expand(&step.act, &call) {
                queue.push_back((std::mem::take(&mut wait), out));
            }
        }
        if !queue.iter().any(|(_, out)| out.is_end()) {
            queue.push_back((
                Duration::ZERO,
                Out::Item(Ok(Chunk::End(StopReason::Complete))),
            ));
        }
        let open = Arc::clone(&self.open);
        Box::pin(stream::unfold(
            (queue, open),
            |(mut queue, open)| async move {
                let (wait, out) = queue.pop_front()?;
                if !wait.is_zero() {
                    sleep(wait).await;
                }
                match out {
                    Out::Item(item) => Some((item, (queue, open))),
                    Out::Hang => std::future::pending().await,
                    Out::Panic => panic!("the script says so"),
                }
            },
        ))
    }
}

enum Out {
    Item(Result<Chunk, Error>),
    Hang,
    Panic,
}

impl Out {
    fn is_end(&self) -> bool {
        match self {
            Out::Item(Ok(Chunk::End(_)) | Err(_)) | Out::Hang | Out::Panic => true,
            Out::Item(Ok(_)) => false,
        }
    }
}

fn expand(act: &str, call: &Call) -> Vec<Out> {
    let act = act.replace("{tag}", &call.about.tag).replace("\\n", "\n");
    let (word, rest) = act.split_once(' ').unwrap_or((&act, ""));
    let items = |chunks: Vec<Chunk>| {
        chunks
            .into_iter()
            .map(|chunk| Out::Item(Ok(chunk)))
            .collect()
    };
    match word {
        "accept" => items(vec![Chunk::Accepted]),
        "think" => items(vec![Chunk::Reasoning(rest.to_owned())]),
        "text" => items(vec![Chunk::Text(rest.to_owned())]),
        "tool" => items(vec![Chunk::ToolArguments(rest.to_owned())]),
        "vote" => items(
            pieces(&vote(rest, call))
                .map(Chunk::ToolArguments)
                .collect(),
        ),
        "verdict" => items(
            pieces(&verdict(rest, call))
                .map(Chunk::ToolArguments)
                .collect(),
        ),
        "json" => items(pieces(&vote(rest, call)).map(Chunk::Text).collect()),
        "tail" => {
            let text = format!("\n```json\n{}\n```\n", vote(rest, call));
            items(pieces(&text).map(Chunk::Text).collect())
        }
        "usage" => {
            let (input, output) = rest.split_once(' ').unwrap();
            items(vec![Chunk::Usage(Usage {
                input_tokens: input.parse().unwrap(),
                output_tokens: output.parse().unwrap(),
                ..Usage::default()
            })])
        }
        "end" => items(vec![Chunk::End(match rest {
            "" => StopReason::Complete,
            "tool" => StopReason::ToolUse,
            "max" => StopReason::MaxTokens,
            "refused" => StopReason::Refused,
            "filtered" => StopReason::Filtered,
            other => panic!("end {other}"),
        })]),
        "cut" => vec![Out::Item(Err(Error::new(
            Kind::Truncated,
            "the stream was cut",
        )))],
        "fail" => vec![Out::Item(Err(failure(rest)))],
        "hang" => vec![Out::Hang],
        "panic" => vec![Out::Panic],
        other => panic!("unknown step {other}"),
    }
}

fn failure(rest: &str) -> Error {
    let (code, retry_after) = rest.split_once(' ').unwrap_or((rest, ""));
    let kind = [
        Kind::Throttled,
        Kind::Overloaded,
        Kind::Unauthorised,
        Kind::NotFound,
        Kind::BadRequest,
        Kind::Filtered,
        Kind::Truncated,
        Kind::Malformed,
        Kind::Network,
        Kind::Timeout,
    ]
    .into_iter()
    .find(|kind| kind.code() == code)
    .unwrap_or_else(|| panic!("unknown kind {code}"));
    let mut error = Error::new(kind, format!("the vendor says {code}"));
    error.retry_after = (!retry_after.is_empty()).then(|| seconds(retry_after));
    error
}

fn vote(rest: &str, call: &Call) -> String {
    let (decision, why) = rest.split_once(' ').unwrap_or((rest, "It decides itself."));
    let tag = &call.about.tag;
    format!(
        r#"{{"tag":"{tag}","reasoning":"{why}","conditions":["Review it"],"would_change":["New facts"],"decision":"{decision}","confidence":0.8}}"#
    )
}

fn verdict(rest: &str, call: &Call) -> String {
    let (decision, why) = rest
        .split_once(' ')
        .unwrap_or((rest, "The weight is there."));
    let letters = || ('A'..='C').take(call.about.order.len());
    let scores: BTreeMap<String, u32> = letters()
        .zip([80, 70, 60])
        .map(|(letter, score)| (letter.to_string(), score))
        .collect();
    let reasons: BTreeMap<String, String> = letters()
        .map(|letter| (letter.to_string(), format!("Sound {letter}")))
        .collect();
    format!(
        r#"{{"tag":"{}","reasoning":"{why}","sage_scores":{},"score_reasons":{},"dissent":{{"sage":"B","text":"It costs."}},"conditions":["Review it"],"would_change":["New facts"],"final_decision":"{decision}","confidence":0.9}}"#,
        call.about.tag,
        json!(scores),
        json!(reasons),
    )
}

/// Cuts a text into pieces as tokens come.
fn pieces(text: &str) -> impl Iterator<Item = String> {
    let chars: Vec<char> = text.chars().collect();
    let pieces: Vec<String> = chars
        .chunks(24)
        .map(|piece| piece.iter().collect())
        .collect();
    pieces.into_iter()
}

/// A house for one test: store, logs, engine, models.
pub(crate) struct House {
    store: MemoryStore,
    env: Env,
    pub(crate) fault: Faulty,
    pub(crate) engine: Engine,
    pub(crate) model: Arc<Scripted>,
    /// Another vendor: `spare:one` and so on.
    pub(crate) spare: Arc<Scripted>,
}

impl House {
    /// Builds an engine over a store on which the scripted models answer for `script`.
    pub(crate) fn over(store: &MemoryStore, seed: u64, lines: Lines) -> House {
        let lines = [lines, Lines::default()];
        House::build(store, Env::seeded(seed), lines, Options::default())
    }

    /// Builds an engine with two vendors on a store of its own.
    pub(crate) fn pair(script: &str, spare: &str) -> House {
        let lines = [script, spare].map(|text| Script::read(text).lines);
        House::build(
            &MemoryStore::new(),
            Env::seeded(3),
            lines,
            Options::default(),
        )
    }

    /// Builds an engine whose logs keep little in memory, on a store of its own.
    pub(crate) fn tight(unstored_bytes: usize, text: &str) -> House {
        let options = Options {
            unstored_bytes,
            ..Options::default()
        };
        let lines = [Script::read(text).lines, Lines::default()];
        House::build(&MemoryStore::new(), Env::seeded(1), lines, options)
    }

    /// Builds another engine on the same store and clock, as another process is.
    pub(crate) fn peer(&self, seed: u64, text: &str) -> House {
        let env = Env {
            clock: Arc::clone(&self.env.clock),
            ..Env::seeded(seed)
        };
        House::build(
            &self.store,
            env,
            [Script::read(text).lines, Lines::default()],
            Options::default(),
        )
    }

    /// Builds an engine that allows so much to be spent, on a store of its own.
    pub(crate) fn capped(budget: Budget, text: &str) -> House {
        let lines = [Script::read(text).lines, Lines::default()];
        let limits = Limits {
            budget,
            ..Limits::default()
        };
        let env = Env::seeded(3);
        House::limited(&MemoryStore::new(), env, lines, Options::default(), limits)
    }

    /// Builds an engine with two vendors on a store.
    pub(crate) fn build(
        store: &MemoryStore,
        env: Env,
        lines: [Lines; 2],
        options: Options,
    ) -> House {
        House::limited(store, env, lines, options, Limits::default())
    }

    fn limited(
        store: &MemoryStore,
        env: Env,
        lines: [Lines; 2],
        options: Options,
        limits: Limits,
    ) -> House {
        let [lines, spare] = lines;
        let model = Scripted::new("script", lines);
        let spare = Scripted::new("spare", spare);
        let own = env.clone();
        let fault = Faulty::over(store.peer());
        let logs = Logs::new(Arc::new(fault.clone()), env.clone(), options);
        let settings = CouncilPatch::default().with_model(&"script:one".parse().unwrap());
        let engine = Engine::new(Rooms {
            logs,
            models: Registry::default()
                .with(Arc::clone(&model) as Arc<dyn Provider>)
                .with(Arc::clone(&spare) as Arc<dyn Provider>),
            env,
            limits,
            prices: Prices::default(),
            settings,
            state_key: Some(StateKey::new(STATE_KEY).unwrap()),
        });
        House {
            store: store.peer(),
            env: own,
            fault,
            engine,
            model,
            spare,
        }
    }

    /// Asks what a body says.
    pub(crate) async fn ask(&self, body: &Value) -> DeliberationId {
        let ask = Ask::read(body, &Door::default()).unwrap();
        self.engine.ask(ask).await.unwrap().id
    }

    /// Reads a whole log to its last event, from the first one, following it live. Returns `None`
    /// when it does not end within two hours.
    pub(crate) async fn read(&self, id: DeliberationId) -> Option<Vec<(Cursor, Event)>> {
        read(self.engine.logs(), id).await
    }
}

/// Reads a whole log to its last event; a reader that loses its log comes back with its cursor.
pub(crate) async fn read(logs: &Logs, id: DeliberationId) -> Option<Vec<(Cursor, Event)>> {
    let mut log = Vec::new();
    let all = async {
        let mut after = After::Start(id);
        loop {
            let Ok(mut reader) = logs.read(after).await else {
                sleep(Duration::from_millis(200)).await;
                continue;
            };
            while let Ok(page) = reader.next().await {
                for entry in page.entries {
                    log.push((entry.cursor, entry.event().unwrap()));
                }
                if page.end {
                    return;
                }
            }
            after = log
                .last()
                .map_or(After::Start(id), |(cursor, _)| After::Cursor(*cursor));
            sleep(Duration::from_millis(200)).await;
        }
    };
    let ended = timeout(Duration::from_secs(7200), all).await;
    ended.is_ok().then_some(log)
}

/// Checks every invariant of a log.
#[track_caller]
pub(crate) fn check_log(log: &[(Cursor, Event)], mode: Mode, expect_end: bool) {
    let mut checker = Checker::new(mode);
    for (cursor, event) in log {
        if let Err(violation) = checker.entry(*cursor, event) {
            let events: Vec<&Event> = log.iter().map(|(_, event)| event).collect();
            panic!("{violation}\n{}", print(&events, false));
        }
    }
    checker.finish(expect_end).unwrap();
}

/// Plays a script to its end.
pub(crate) async fn play(script: &Script) -> Played {
    let house = House::over(&MemoryStore::new(), 7, script.lines.clone());
    let began = Instant::now();
    let id = house.ask(&script.body).await;
    let acting = act(&house, id, script, began);
    let reading = house.read(id);
    let (log, ()) = tokio::join!(reading, acting);
    let log = log.expect("the deliberation ends");
    check_log(&log, Mode::Reader, true);
    // The last event is seen before the engine has noticed it: let it.
    sleep(Duration::from_millis(1)).await;
    let took = log.last().map_or(Duration::ZERO, |(_, last)| {
        Duration::from_millis(last.timestamp.millis_since(log[0].1.timestamp))
    });
    Played {
        took,
        still_open: house.model.n_open(),
        log,
    }
}

async fn act(house: &House, id: DeliberationId, script: &Script, began: Instant) {
    let mut watches: Vec<Watch> = Vec::new();
    for (at, act) in &script.acts {
        sleep_until(began + *at).await;
        match act.as_str() {
            "stop" => {
                let stopped = house.engine.stop(id, None, "user").await;
                if !house.fault.is_down() {
                    stopped.unwrap();
                    assert_eq!(
                        house.model.n_open(),
                        0,
                        "calls end before a stop is answered"
                    );
                }
            }
            act if act.starts_with("stop ") => {
                let agent = act[5..].parse().unwrap();
                let before = house.model.n_open();
                let stopped = house.engine.stop(id, Some(agent), "user").await.unwrap();
                assert!(stopped.changed, "{act}");
                assert!(house.model.n_open() <= before, "{act}");
            }
            "watch" => watches.push(house.engine.watch(id)),
            "leave" => drop(watches.pop().unwrap()),
            "store down" => house.fault.set_down(true),
            "store up" => house.fault.set_down(false),
            other => panic!("unknown act {other}"),
        }
    }
}

/// Prints events for a person: one line each, without ids and times.
pub(crate) fn print(events: &[&Event], shows_trace: bool) -> String {
    let mut text = String::new();
    for event in events {
        if matches!(event.body, Body::Trace(..)) && !shows_trace {
            continue;
        }
        let wire: Value = serde_json::from_slice(&event.to_json()).unwrap();
        let who = wire["agentId"].as_str().unwrap_or("-");
        text.push_str(&format!(
            "{:<15} {who:<9} {}\n",
            event.body.name(),
            redacted(&wire["data"])
        ));
    }
    text
}

/// What differs from run to run, and what other tests hold.
const REDACTED: [&str; 13] = [
    "trace_id",
    "execution_time",
    "first_token_ms",
    "text_sha256",
    "span_id",
    "parent_id",
    "started_at",
    "duration_ms",
    "retry_in",
    "elapsed",
    "order_seed",
    "protocol",
    "lang",
];

/// Takes out what is redacted, and sorts the keys.
fn redacted(data: &Value) -> Value {
    match data {
        Value::Object(map) => {
            let kept: BTreeMap<&String, Value> = map
                .iter()
                .filter(|(name, _)| !REDACTED.contains(&name.as_str()))
                .map(|(name, value)| (name, redacted(value)))
                .collect();
            Value::Object(
                kept.into_iter()
                    .map(|(name, value)| (name.clone(), value))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.iter().map(redacted).collect()),
        leaf => leaf.clone(),
    }
}

/// Plays the script of this name and compares its events with the ones committed beside it, after
/// `---`. With `MAGI_WRITE_GOLDEN=1` it writes them instead.
pub(crate) async fn check(name: &str) -> Played {
    let path = format!("{}/tests/it/scripts/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let file = std::fs::read_to_string(&path).unwrap();
    let (text, expected) = file.split_once("\n---\n").unwrap_or((file.trim_end(), ""));
    let script = Script::read(text);
    let played = play(&script).await;
    let events: Vec<&Event> = played.log.iter().map(|(_, event)| event).collect();
    let found = print(&events, script.shows_trace);
    if std::env::var_os("MAGI_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, format!("{}\n---\n{found}", text.trim_end())).unwrap();
    } else {
        assert!(
            found == expected,
            "{name}: the events differ; found:\n{found}\nexpected:\n{expected}"
        );
    }
    assert_eq!(played.still_open, 0, "{name}: every call is closed");
    played
}

/// Returns the last event.
pub(crate) fn last(log: &[(Cursor, Event)]) -> &Body {
    &log.last().unwrap().1.body
}
