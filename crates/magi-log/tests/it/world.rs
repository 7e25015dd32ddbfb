//! What the tests share: places to store logs in, bodies to write, and readers that check.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use magi_event::{
    AgentComplete, AgentStart, Body, Complete, Confidence, CouncilInfo, Cursor, Decision,
    DeliberationId, Delta, Event, FinalDecision, JudgeComplete, Mode, Rule, Sage, SagesStart,
    Start, Status, Tally, TextDigest, Usage, Votes,
};
use magi_log::{
    After, Commit, Entry, Env, Error, Key, Logs, MemoryStore, New, Options, Reader, SqliteStore,
    Store, Writer,
};

/// Somewhere logs are kept; every store made of it is another owner on the same logs.
pub(crate) enum Place {
    Memory(MemoryStore),
    Disk(tempfile::TempDir),
}

impl Place {
    pub(crate) fn memory() -> Self {
        Place::Memory(MemoryStore::new())
    }

    pub(crate) fn disk() -> Self {
        Place::Disk(tempfile::tempdir().unwrap())
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        match self {
            Place::Memory(store) => Arc::new(store.peer()),
            Place::Disk(folder) => Arc::new(SqliteStore::open(folder.path()).unwrap()),
        }
    }

    pub(crate) fn logs(&self) -> Logs {
        logs_on(self.store())
    }
}

pub(crate) fn logs_on(store: Arc<dyn Store>) -> Logs {
    Logs::new(store, Env::seeded(1), Options::default())
}

pub(crate) fn id(number: u64) -> DeliberationId {
    let epoch = magi_event::Timestamp::from_millis(1_795_395_723_000);
    DeliberationId::new(
        epoch.plus_millis(i64::try_from(number).unwrap() * 60_000),
        u128::from(number),
    )
}

pub(crate) fn new(number: u64) -> New {
    New {
        id: id(number),
        setup: format!("setup {number}").into(),
        key: None,
        title: format!("question {number}"),
        preset: "default".into(),
        lang: "ja".into(),
        question: format!("二つのコンテナを採用すべきか？ {number}"),
        context: None,
        conversation_id: None,
        fork_of: None,
    }
}

pub(crate) fn key(key: &str) -> Option<Key> {
    Some(Key {
        identity: "local".into(),
        key: key.into(),
        body_sha256: [7; 32],
    })
}

pub(crate) fn opening(id: DeliberationId) -> Vec<Body> {
    let start = Start {
        protocol: 1,
        trace_id: id,
        question: "二つのコンテナを採用すべきか？".into(),
        context: None,
        lang: "ja".into(),
        council: CouncilInfo {
            name: "default".into(),
            version: 1,
            rule: Rule::Majority,
            quorum: 2,
            sages: Sage::ALL.to_vec(),
            models: BTreeMap::new(),
            fallbacks: BTreeMap::new(),
            panel: Vec::new(),
        },
        mode: Mode::Live,
        capabilities: vec![],
        conversation_id: None,
        fork_of: None,
    };
    let mut bodies = vec![
        Body::Start(start),
        Body::SagesStart(SagesStart { sage_count: 3 }),
    ];
    bodies.extend(Sage::ALL.map(|sage| attempt(sage, 1)));
    bodies
}

pub(crate) fn attempt(sage: Sage, attempt: u32) -> Body {
    let start = AgentStart {
        attempt,
        provider: "fake".into(),
        model: "m".into(),
    };
    Body::AgentStart(sage, start)
}

pub(crate) fn chunk(sage: Sage, text: &str) -> Body {
    Body::AgentChunk(sage, Delta { text: text.into() })
}

pub(crate) fn done(sage: Sage, attempt: u32, said: &[String]) -> Body {
    let mut digest = TextDigest::new();
    for text in said {
        digest.update(text);
    }
    let (text_bytes, text_sha256) = (digest.bytes(), digest.sha256());
    let complete = AgentComplete {
        decision: Decision::Approved,
        reasoning: format!("{sage}: 移行は妥当"),
        conditions: vec![],
        would_change: vec![],
        confidence: Confidence::new(0.5),
        cause: None,
        attempt,
        text_bytes,
        text_sha256,
        usage: Some(usage(10)),
        cost_usd: Some(0.25),
        first_token_ms: None,
        execution_time: 5,
    };
    Body::AgentComplete(sage, complete)
}

pub(crate) fn usage(tokens: u64) -> Usage {
    Usage {
        input_tokens: tokens,
        output_tokens: tokens * 2,
        ..Usage::default()
    }
}

pub(crate) fn tally() -> Body {
    Body::Tally(Tally {
        approved: 3,
        rejected: 0,
        abstained: 0,
        quorum: 2,
        outcome: FinalDecision::Approved,
        agreement: "3-0-0".into(),
    })
}

pub(crate) fn judgment() -> JudgeComplete {
    let (text_bytes, text_sha256) = (0, TextDigest::new().sha256());
    JudgeComplete {
        final_decision: FinalDecision::Approved,
        reasoning: "契約を結ぶ前に確認する".into(),
        confidence: None,
        sage_scores: BTreeMap::new(),
        score_reasons: BTreeMap::new(),
        dissent: None,
        conditions: vec![],
        would_change: vec![],
        judge_agrees: None,
        attempt: 0,
        text_bytes,
        text_sha256,
        usage: None,
        cost_usd: None,
        first_token_ms: None,
        execution_time: 0,
        panel: Vec::new(),
    }
}

pub(crate) fn verdict(id: DeliberationId) -> Body {
    Body::Complete(Complete {
        trace_id: id,
        status: Status::Completed,
        missing: vec![],
        final_decision: FinalDecision::Approved,
        voting_result: Votes {
            approved: 3,
            rejected: 0,
            abstained: 0,
        },
        solomon_judgment: judgment(),
        overruled: false,
        judge_agrees: None,
        summary: "採用する".into(),
        recommendation: "小さく始める".into(),
        confidence: None,
        usage: usage(100),
        cost_usd: Some(1.5),
        execution_time: 50,
    })
}

/// Everything from the sages' votes to the verdict, for sages who said nothing.
pub(crate) fn ending(id: DeliberationId) -> Vec<Body> {
    let mut bodies: Vec<_> = Sage::ALL.map(|sage| done(sage, 1, &[])).into();
    bodies.extend([tally(), Body::JudgeComplete(judgment()), verdict(id)]);
    bodies
}

/// Opens log `number`, and returns when its first commit is made.
pub(crate) async fn opened(logs: &Logs, number: u64) -> Writer {
    let (writer, commit) = logs.create(new(number), opening(id(number)));
    commit.await.unwrap();
    writer
}

/// Opens log `number` and writes it to its end.
pub(crate) async fn whole(logs: &Logs, new: New) {
    let id = new.id;
    let (writer, first) = logs.create(new, opening(id));
    first.await.unwrap();
    let last = writer.append_all(ending(id)).unwrap();
    let commit: Commit = writer.commit(last);
    commit.await.unwrap();
}

pub(crate) async fn reader(logs: &Logs, number: u64) -> Reader {
    logs.read(After::Start(id(number))).await.unwrap()
}

pub(crate) fn at(number: u64, generation: u32, seq: u64) -> Cursor {
    Cursor {
        deliberation: id(number),
        generation,
        seq,
    }
}

/// Reads what is ready within a moment; the rest of the time nothing came.
pub(crate) async fn ready(reader: &mut Reader) -> Vec<Entry> {
    let mut entries = Vec::new();
    while let Ok(page) = tokio::time::timeout(Duration::from_millis(1), reader.next()).await {
        let page = page.unwrap();
        entries.extend(page.entries);
        if page.end {
            break;
        }
    }
    entries
}

/// Reads to the end of the log, or to the error that ends the stream.
pub(crate) async fn to_end(reader: &mut Reader) -> (Vec<Event>, Option<Error>) {
    let mut events = Vec::new();
    loop {
        match reader.next().await {
            Ok(page) => {
                events.extend(page.entries.iter().map(|entry| entry.event().unwrap()));
                if page.end {
                    return (events, None);
                }
            }
            Err(error) => return (events, Some(error)),
        }
    }
}

pub(crate) fn seqs(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.cursor.seq).collect()
}
