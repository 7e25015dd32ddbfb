//! The demo: one question, put at the same moment through every way to a verdict, and what became of it.
//!
//! Models on the fake of Bedrock speak for longer than the villain waits. Everything told is measured in
//! that run: by readers of the ways' own answers, and by the counts that the relays keep of what they hold.

mod plot;
mod read;
mod table;
mod watch;

use std::path::PathBuf;
use std::time::Duration;

use magi_event::{Agent, Decision, FinalDecision, Sage};
use serde::Serialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Error;
use crate::cloud::{Cloud, CloudConfig, RunningCloud};
use read::{Asking, Seen};
use watch::Watched;

/// The tokens of a sage's prose.
const PROSE: u32 = 200;

/// The tokens of a sage's whole answer, about: its vote is given by a tool call after the prose.
const SPOKEN: u32 = 260;

/// The tokens of the judge's prose.
const JUDGED: u32 = 90;

/// The shortest and the longest limit: below, starting processes is most of what is seen; above, a sage
/// would meet the council's own deadlines.
const LIMITS: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);

/// What is put to every council.
const QUESTION: &str = "Should we put the page and the agent into one container?";

/// A demo's settings.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DemoConfig {
    /// The binary that is started as container and as function.
    pub magi: PathBuf,
    /// When the villain gives up; the deliberation lasts about one and a half times as long.
    pub limit: Duration,
    /// Whether the processes' output is thrown away instead of going to standard error.
    pub quiet: bool,
}

impl DemoConfig {
    /// The demo with the limit that hostings have, 30 s.
    #[must_use]
    pub fn new(magi: impl Into<PathBuf>) -> Self {
        DemoConfig {
            magi: magi.into(),
            limit: Duration::from_secs(30),
            quiet: false,
        }
    }
}

/// A way from the reader to the council.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// The hosting's own route, which buffers and gives up, in front of AgentCore.
    Villain,
    /// A Function URL that relays to AgentCore.
    Gateway,
    /// AgentCore itself.
    Agentcore,
    /// A Function URL whose function is the council.
    Direct,
    /// The same function behind a Function URL that buffers.
    Buffered,
}

impl Way {
    /// All ways, as they are told.
    pub const ALL: [Way; 5] = [
        Way::Villain,
        Way::Gateway,
        Way::Agentcore,
        Way::Direct,
        Way::Buffered,
    ];

    /// Returns the way in words.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Way::Villain => "hosting that buffers",
            Way::Gateway => "Function URL → AgentCore",
            Way::Agentcore => "AgentCore",
            Way::Direct => "Function URL",
            Way::Buffered => "Function URL, BUFFERED",
        }
    }

    /// Tells whether the way streams.
    #[must_use]
    pub const fn streams(self) -> bool {
        matches!(self, Way::Gateway | Way::Agentcore | Way::Direct)
    }
}

/// What became of one question.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// A whole deliberation with its verdict.
    Verdict {
        /// The verdict.
        decision: FinalDecision,
        /// `approved-rejected-abstained`.
        agreement: String,
        /// Each sage's vote.
        votes: Vec<(Sage, Decision)>,
    },
    /// Another status than 200.
    Refused {
        /// The status.
        status: u16,
        /// Its words.
        title: String,
    },
    /// An answer that is no whole deliberation, and why.
    Broken {
        /// What is wrong with it.
        why: String,
    },
}

/// One relay of a way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Relay {
    /// Which it is.
    pub name: &'static str,
    /// The most bytes of this answer it held at any moment.
    pub most: u64,
    /// Whether `most` is a bound: what a process and the sockets on both its sides held together, looked at
    /// every few milliseconds. The others are counted byte by byte.
    pub is_bound: bool,
}

/// A place on the time line.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Token {
    /// When it reached the reader, in milliseconds after the question was put.
    pub at_ms: f64,
    /// Who said it.
    pub agent: Agent,
}

/// What was measured of one way.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Taken {
    /// The way.
    pub way: Way,
    /// When the first token of a sage reached the reader, in milliseconds.
    pub first_token_ms: Option<u64>,
    /// When the last of a sage's or the judge's tokens reached the reader, in milliseconds.
    pub last_token_ms: Option<u64>,
    /// When the answer was over, in milliseconds.
    pub end_ms: u64,
    /// Events that reached the reader.
    pub events: u64,
    /// Bytes of the answer's body.
    pub bytes: u64,
    /// The relays, from the council to the reader.
    pub relays: Vec<Relay>,
    /// What became of the question.
    pub outcome: Outcome,
    /// When each piece of prose came.
    #[serde(skip)]
    pub tokens: Vec<Token>,
    /// What the relays held together, wherever it changed: milliseconds and bytes.
    #[serde(skip)]
    pub held: Vec<(f64, u64)>,
}

/// A demo's result.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// When the villain gave up, in milliseconds.
    pub limit_ms: u64,
    /// The question.
    pub question: &'static str,
    /// The ways, in the order of [`Way::ALL`].
    pub ways: Vec<Taken>,
}

impl Report {
    /// Returns the table of the run, as Markdown.
    #[must_use]
    pub fn table(&self) -> String {
        table::table(self)
    }

    /// Returns the run as a picture: a time line for each way.
    #[must_use]
    pub fn svg(&self) -> String {
        plot::svg(self)
    }

    /// Returns what is not as it has to be: a way that streams without its verdict or not as it was made, two
    /// verdicts of one council that differ, a villain that gave an answer. Nothing is left out.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let verdict = self.ways.iter().find(|taken| taken.way == Way::Gateway);
        let verdict = verdict.map(|taken| &taken.outcome);
        for taken in &self.ways {
            let (way, outcome) = (taken.way.title(), &taken.outcome);
            let is_verdict = matches!(outcome, Outcome::Verdict { .. });
            match taken.way {
                Way::Villain if !matches!(outcome, Outcome::Refused { status: 504, .. }) => {
                    faults.push(format!("{way}: {outcome:?} instead of 504"));
                }
                Way::Villain => {}
                _ if !is_verdict || Some(outcome) != verdict => {
                    faults.push(format!("{way}: {outcome:?}"));
                }
                // What streams begins long before its end; what buffers does not.
                _ => {
                    let early = taken.first_token_ms.is_some_and(|ms| ms < taken.end_ms / 2);
                    if early != taken.way.streams() {
                        faults.push(format!("{way}: first token {:?}", taken.first_token_ms));
                    }
                }
            }
        }
        faults
    }
}

/// Runs the demo.
///
/// # Errors
///
/// [`Error`] if a setting is wrong or the cloud cannot be started. What goes wrong on a way is in the report.
///
/// # Cancel safety
///
/// Cancel safe: everything that was started ends.
pub async fn run(config: DemoConfig) -> Result<Report, Error> {
    if !LIMITS.contains(&config.limit) {
        return Err(Error::Setting {
            field: "limit",
            why: "it must be 1 s to 60 s".to_owned(),
        });
    }
    let mut site = CloudConfig::new(config.magi);
    site.villain_limit = config.limit;
    site.quiet = config.quiet;
    site.env = models(config.limit).into_iter().collect();
    let cloud = Cloud::start(site).await?;
    let ways = ways(&cloud).await;
    cloud.stop().await;
    Ok(Report {
        limit_ms: ms(config.limit),
        question: QUESTION,
        ways,
    })
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Which model speaks for whom: each at a pace of its own, all of them for most of the limit, and the judge
/// over it.
fn models(limit: Duration) -> [(String, String); 4] {
    let token = limit.as_secs_f64() * 1_000.0 * 0.8 / f64::from(SPOKEN);
    [
        ("CASPAR", 0.93, 0.020, PROSE),
        ("BALTHASAR", 1.06, 0.032, PROSE),
        ("MELCHIOR", 1.0, 0.026, PROSE),
        ("SOLOMON", 1.0, 0.020, JUDGED),
    ]
    .map(|(role, pace, first, tokens)| {
        let drip = (token * pace).round().max(1.0);
        let first = (limit.as_secs_f64() * 1_000.0 * first).round();
        let model =
            format!("bedrock:fake+by-role+tool+len-{tokens}+first-token-{first}+drip-{drip}");
        (format!("MAGI_{role}_MODEL"), model)
    })
}

/// Puts the question through all ways at once.
async fn ways(cloud: &RunningCloud) -> Vec<Taken> {
    let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
    let _guard = stop.clone().drop_guard();
    let asking = Way::ALL.map(|way| Asking::new(way, cloud, QUESTION));
    let began = Instant::now();
    let mut watched = Watched::new(cloud, &asking, began);
    let readings = asking.iter().map(|asking| {
        let tracker = tracker.clone();
        async move {
            let mut seen = Seen::default();
            let broken = seen
                .read(asking, cloud.account(), &tracker, began)
                .await
                .err();
            (seen, broken, began.elapsed())
        }
    });
    let all = futures_util::future::join_all(readings);
    let seen = tokio::select! {
        seen = all => seen,
        () = watched.look() => Vec::new(),
    };
    watched.last();
    let taken = Way::ALL.into_iter().zip(seen);
    taken
        .map(|(way, (seen, broken, end))| {
            let (relays, held) = watched.of(way);
            Taken {
                way,
                first_token_ms: seen.tokens.first().map(|token| whole(token.at_ms)),
                last_token_ms: seen.tokens.last().map(|token| whole(token.at_ms)),
                end_ms: ms(end),
                events: seen.events,
                bytes: seen.bytes,
                relays,
                outcome: seen.outcome(broken),
                tokens: seen.tokens,
                held,
            }
        })
        .collect()
}

/// Milliseconds as they are told.
fn whole(at_ms: f64) -> u64 {
    ms(Duration::from_secs_f64(at_ms / 1_000.0))
}
