use magi_event::{
    Cause, CouncilInfo, Cursor, Decision, DeliberationId, Delta, FinalDecision, Mode, Rule, Status,
    Usage, Votes,
};

use super::*;

fn id() -> DeliberationId {
    DeliberationId::new(Timestamp::from_millis(1_795_395_723_004), 7)
}

fn event(seq: u64, body: Body) -> Event {
    Event {
        seq,
        timestamp: Timestamp::from_millis(1_795_395_723_004),
        trace_id: id(),
        body,
    }
}

fn says(sage: Sage, text: &str) -> Body {
    Body::AgentChunk(sage, Delta { text: text.into() })
}

fn starts(sage: Sage, attempt: u32) -> Body {
    let start = AgentStart {
        attempt,
        provider: "p".into(),
        model: "m".into(),
    };
    Body::AgentStart(sage, start)
}

fn ends(sage: Sage, decision: Decision) -> Body {
    let complete = AgentComplete {
        decision,
        reasoning: format!("{sage}'s reasons"),
        conditions: vec![],
        would_change: vec![],
        confidence: None,
        cause: (decision == Decision::Abstained).then_some(Cause::Own),
        attempt: 1,
        text_bytes: 0,
        text_sha256: String::new(),
        usage: None,
        cost_usd: None,
        first_token_ms: None,
        execution_time: 1,
    };
    Body::AgentComplete(sage, complete)
}

fn start(lang: &str) -> Body {
    Body::Start(Start {
        protocol: 1,
        trace_id: id(),
        question: "Should we?".into(),
        context: None,
        lang: lang.into(),
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
        mode: Mode::Rehearsal,
        capabilities: vec![],
        conversation_id: Some("talk".into()),
        fork_of: None,
    })
}

fn judgment() -> JudgeComplete {
    JudgeComplete {
        final_decision: FinalDecision::Undecided,
        reasoning: "no judge".into(),
        confidence: None,
        sage_scores: BTreeMap::new(),
        score_reasons: BTreeMap::new(),
        dissent: None,
        conditions: vec![],
        would_change: vec![],
        judge_agrees: None,
        attempt: 0,
        text_bytes: 0,
        text_sha256: String::new(),
        usage: None,
        cost_usd: None,
        first_token_ms: None,
        execution_time: 0,
        panel: Vec::new(),
    }
}

fn complete() -> Body {
    Body::Complete(Complete {
        trace_id: id(),
        status: Status::Completed,
        missing: vec![],
        final_decision: FinalDecision::Approved,
        voting_result: Votes::default(),
        solomon_judgment: judgment(),
        overruled: false,
        judge_agrees: None,
        summary: "Do it.".into(),
        recommendation: "Soon.".into(),
        confidence: None,
        usage: Usage::default(),
        cost_usd: None,
        execution_time: 4321,
    })
}

/// Folds events numbered from 1 and returns what a reader prints.
fn printed(bodies: Vec<Body>) -> String {
    let mut fold = Chunks::default();
    let mut text = String::new();
    for (at, body) in bodies.into_iter().enumerate() {
        for frame in fold.step(&event(at as u64 + 1, body)) {
            let frame: Value = serde_json::from_str(&frame).unwrap();
            text.push_str(frame["content"].as_str().unwrap_or_default());
        }
    }
    text
}

#[test]
fn one_sage_is_heard_live_and_the_others_after_it() {
    use Sage::{Balthasar, Caspar, Melchior};
    let text = printed(vec![
        says(Caspar, "c1 "),
        says(Melchior, "m1 "),
        says(Caspar, "c2 "),
        says(Balthasar, "b1 "),
        ends(Melchior, Decision::Rejected),
        ends(Caspar, Decision::Approved),
        says(Balthasar, "b2"),
        ends(Balthasar, Decision::Abstained),
    ]);
    assert_eq!(
        text,
        "\n\n## CASPAR\n\nc1 c2 \n\n→ CASPAR: APPROVED\ncaspar's reasons\n\
         \n\n## MELCHIOR\n\nm1 \n\n→ MELCHIOR: REJECTED\nmelchior's reasons\n\
         \n\n## BALTHASAR\n\nb1 b2\n\n→ BALTHASAR: ABSTAINED (its own choice)\nbalthasar's reasons\n"
    );
}

#[test]
fn a_restarted_attempt_says_so_or_was_never_heard() {
    use Sage::{Balthasar, Caspar};
    let text = printed(vec![
        starts(Caspar, 1),
        says(Caspar, "half"),
        says(Balthasar, "unheard"),
        starts(Caspar, 2),
        starts(Balthasar, 2),
        says(Caspar, "whole"),
        says(Balthasar, "heard"),
        ends(Caspar, Decision::Approved),
    ]);
    assert!(text.contains(
        "half\n\n[CASPAR starts again: its unfinished text above no longer counts.]\n\nwhole"
    ));
    assert!(text.ends_with("## BALTHASAR\n\nheard"), "{text}");
}

#[test]
fn a_rewind_takes_back_what_was_not_heard_yet_and_says_what_was() {
    use Sage::{Balthasar, Caspar};
    let mut fold = Chunks::default();
    let mut bodies = vec![
        says(Caspar, "live"),
        says(Balthasar, "kept "),
        says(Balthasar, "void"),
    ];
    for (at, body) in bodies.drain(..).enumerate() {
        fold.step(&event(at as u64 + 1, body));
    }
    let frames = fold.step(&event(3, Body::Rewind(Rewind { to: 2 })));
    assert!(frames[0].contains("no longer counts"), "{frames:?}");
    let frames = fold.step(&event(4, ends(Caspar, Decision::Approved)));
    let frame: Value = serde_json::from_str(&frames[0]).unwrap();
    let text = frame["content"].as_str().unwrap();
    assert!(text.ends_with("## BALTHASAR\n\nkept "), "{text:?}");
}

#[test]
fn the_last_frame_is_the_originals_and_counts_what_was_sent() {
    let mut fold = Chunks::default();
    let mut bytes = 0;
    let first = fold.step(&event(1, start("ja")));
    let last = fold.step(&event(2, complete()));
    for frame in first.iter().chain(&last[..1]) {
        let frame: Value = serde_json::from_str(frame).unwrap();
        bytes += frame["content"].as_str().unwrap().len();
    }
    assert!(
        first[0].contains("[REHEARSAL] 問い: Should we?"),
        "{first:?}"
    );
    assert_eq!(last.len(), 2);
    let frame: Value = serde_json::from_str(&last[1]).unwrap();
    assert_eq!(
        frame,
        json!({
            "type": "complete",
            "sessionId": "talk",
            "agentId": "magi",
            "traceId": id().to_string(),
            "executionTime": 4321,
            "chunkCount": 2,
            "totalBytes": bytes,
            "timestamp": "2026-11-23T01:02:03.004Z",
        })
    );
    let cursor = Cursor {
        deliberation: id(),
        generation: 1,
        seq: 2,
    };
    let framed = crate::dialects::frames(cursor, &last);
    let framed = std::str::from_utf8(&framed).unwrap();
    assert_eq!(framed.matches("id: ").count(), 1, "{framed}");
    assert!(framed.rfind("id: ") > framed.find("chunk"), "{framed}");
}

#[test]
fn a_failure_and_a_cancellation_are_errors_and_never_a_verdict() {
    let failure = Failure {
        code: "no_votes".into(),
        message: "all sages are missing".into(),
        missing: vec![],
        usage: None,
        cost_usd: None,
    };
    let frames = Chunks::default().step(&event(1, Body::Error(failure)));
    let frame: Value = serde_json::from_str(frames.last().unwrap()).unwrap();
    assert_eq!(frame["type"], "error");
    assert_eq!(frame["details"], "no_votes");
    let cancelled = Cancelled {
        by: "user".into(),
        reason: "asked to".into(),
        usage: None,
        cost_usd: None,
    };
    let frames = Chunks::default().step(&event(1, Body::Cancelled(cancelled)));
    let frame: Value = serde_json::from_str(frames.last().unwrap()).unwrap();
    assert_eq!(
        (frame["type"].as_str(), frame["error"].as_str()),
        (Some("error"), Some("Cancelled"))
    );
}
