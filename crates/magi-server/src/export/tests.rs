use magi_event::{Body, Cursor, DeliberationId, Event, FinalDecision, Timestamp};

use super::mine::{Choice, Word};
use super::*;

const HOSTILE: &str = "Yes.\n## Injected heading\n<script>alert(1)</script>\n<img src=x onerror=a()>\n\
    ![pixel](http://evil.example/x.png)\n\"quoted\" & 'single' </div><!-- -->";

fn snapshot(lang: &str) -> Snapshot {
    let id: DeliberationId = DeliberationId::new(Timestamp::from_millis(1_795_395_723_004), 7);
    let envelope = |seq: u64, rest: serde_json::Value| {
        let mut event = serde_json::json!({
            "seq": seq, "timestamp": "2026-11-23T01:02:03.004Z", "trace_id": id,
        });
        for (key, value) in rest.as_object().unwrap() {
            event[key] = value.clone();
        }
        Event::from_json(event.to_string().as_bytes()).unwrap()
    };
    let judgment = serde_json::json!({
        "final_decision": "REJECTED", "reasoning": HOSTILE, "sage_scores": {"caspar": 80.0},
        "score_reasons": {"caspar": HOSTILE}, "dissent": {"agent": "melchior", "text": HOSTILE},
        "conditions": [HOSTILE], "would_change": [HOSTILE], "judge_agrees": true,
        "text_bytes": 0, "text_sha256": "",
    });
    let vote = |decision: &str, cause: serde_json::Value| {
        serde_json::json!({
            "decision": decision, "reasoning": HOSTILE, "conditions": [HOSTILE],
            "would_change": [], "confidence": 0.75, "cause": cause, "attempt": 1,
            "text_bytes": 0, "text_sha256": "", "execution_time": 5,
        })
    };
    let events = [
        envelope(
            1,
            serde_json::json!({"type": "start", "data": {
                "protocol": 1, "trace_id": id, "question": HOSTILE, "context": HOSTILE, "lang": lang,
                "council": {"name": "default", "version": 1, "rule": "majority", "quorum": 2,
                    "sages": ["caspar", "balthasar", "melchior"],
                    "models": {"caspar": "openai:<b>model</b>"}},
                "mode": "rehearsal", "capabilities": [],
            }}),
        ),
        envelope(
            2,
            serde_json::json!({"type": "agent_chunk", "agentId": "caspar",
            "data": {"text": HOSTILE}}),
        ),
        envelope(
            3,
            serde_json::json!({"type": "agent_complete", "agentId": "caspar",
            "data": vote("REJECTED", serde_json::Value::Null)}),
        ),
        envelope(
            4,
            serde_json::json!({"type": "agent_complete", "agentId": "melchior",
            "data": vote("APPROVED", serde_json::Value::Null)}),
        ),
        envelope(
            5,
            serde_json::json!({"type": "agent_complete", "agentId": "balthasar",
            "data": vote("ABSTAINED", "timeout".into())}),
        ),
        envelope(
            6,
            serde_json::json!({"type": "judge_complete", "data": judgment}),
        ),
        envelope(
            7,
            serde_json::json!({"type": "complete", "data": {
                "trace_id": id, "status": "degraded",
                "missing": [{"agent": "balthasar", "cause": "timeout"}],
                "final_decision": "REJECTED",
                "voting_result": {"approved": 1, "rejected": 1, "abstained": 1},
                "solomon_judgment": judgment, "overruled": false, "judge_agrees": true,
                "summary": HOSTILE, "recommendation": HOSTILE,
                "usage": {"input_tokens": 1200, "output_tokens": 340}, "cost_usd": 0.0123,
                "execution_time": 12_345,
            }}),
        ),
    ];
    let snapshot = Snapshot::fold(id, &events);
    assert_eq!(
        snapshot.cursor,
        Cursor {
            deliberation: id,
            generation: 1,
            seq: 7
        }
    );
    assert!(matches!(events[0].body, Body::Start(_)));
    snapshot
}

fn record(snapshot: &Snapshot) -> Record<'_> {
    Record {
        snapshot,
        title: Some("Adopt <it>?"),
        my_decision: Some(HOSTILE),
        outcome: Some("It went well."),
    }
}

#[test]
fn the_markdown_has_madrs_headings_and_no_others_of_the_first_two_levels() {
    let snapshot = snapshot("en");
    let text = record(&snapshot).markdown();
    let headings: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("# ") || line.starts_with("## "))
        .collect();
    assert_eq!(
        headings,
        [
            "# Adopt <it>?".replace('<', "\\<"),
            "## Context and Problem Statement".to_owned(),
            "## Decision Drivers".to_owned(),
            "## Considered Options".to_owned(),
            "## Decision Outcome".to_owned(),
            "## Pros and Cons of the Options".to_owned(),
            "## More Information".to_owned(),
        ]
    );
    assert!(
        text.starts_with("---\nstatus: accepted\ndate: 2026-11-23\n"),
        "{text}"
    );
    assert!(text.contains("### Consequences\n") && text.contains("### Confirmation\n"));
    assert!(text.contains("Missing: BALTHASAR (timed out)"), "{text}");
}

/// Lets a model speak for a member, in an attempt after the first.
fn called(
    snapshot: &mut Snapshot,
    kind: &str,
    agent: Option<&str>,
    (provider, model): (&str, &str),
) {
    let mut event = serde_json::json!({
        "type": kind, "seq": snapshot.cursor.seq + 1, "timestamp": "2026-11-23T01:02:04.004Z",
        "trace_id": snapshot.trace_id,
        "data": {"attempt": 3, "provider": provider, "model": model, "order_seed": 1, "order": []},
    });
    if let Some(agent) = agent {
        event["agentId"] = agent.into();
    }
    snapshot.apply(&Event::from_json(event.to_string().as_bytes()).unwrap());
}

#[test]
fn the_record_names_the_models_that_really_spoke() {
    for (lang, caspar, judge) in [
        (
            "en",
            "CASPAR (openai:other, in place of openai:<b>model</b>)",
            "SOLOMON (openai:second, in place of openai:first)",
        ),
        (
            "ja",
            "CASPAR (openai:other、openai:<b>model</b> の代わり)",
            "SOLOMON (openai:second、openai:first の代わり)",
        ),
    ] {
        let mut snapshot = snapshot(lang);
        let models = &mut snapshot.council.as_mut().unwrap().models;
        models.insert(Agent::Judge, "openai:first".into());
        models.insert(Agent::Sage(Sage::Melchior), "openai:same".into());
        models.insert(Agent::Sage(Sage::Balthasar), "openai:uncalled".into());
        called(&mut snapshot, "judge_start", None, ("openai", "first"));
        called(&mut snapshot, "judge_start", None, ("openai", "second"));
        called(
            &mut snapshot,
            "agent_start",
            Some("caspar"),
            ("openai", "other"),
        );
        called(
            &mut snapshot,
            "agent_start",
            Some("melchior"),
            ("openai", "same"),
        );
        let text = record(&snapshot).markdown();
        let page = record(&snapshot).html();
        for who in [
            caspar,
            judge,
            "MELCHIOR (openai:same)",
            "BALTHASAR (openai:uncalled)",
        ] {
            let heading = format!("\n### {}: ", who.replace('<', "\\<"));
            assert!(text.contains(&heading), "{heading} in {text}");
            let (name, model) = who.trim_end_matches(')').split_once(" (").unwrap();
            let model = model.replace('<', "&lt;").replace('>', "&gt;");
            let heading = format!("{name} <small>{model}</small> - ");
            assert!(page.contains(&heading), "{heading} in {page}");
        }
    }
}

/// Lets a panel judge in the judge's place: two of three answer.
fn judged_by_panel(snapshot: &mut Snapshot, decision: &str) {
    let models = &mut snapshot.council.as_mut().unwrap().models;
    models.insert(Agent::Judge, "openai:first".into());
    called(snapshot, "judge_start", None, ("panel", "a:b, c:d, e:f"));
    let panel = serde_json::json!([
        {"model": "a:b", "final_decision": "REJECTED", "sage_scores": {"caspar": 80.0, "melchior": 61.0},
            "speaks": true},
        {"model": "c:d", "error": "it answered 401"},
        {"model": "e:f", "final_decision": decision, "sage_scores": {"caspar": 71.0}},
    ]);
    let panel: Vec<PanelVote> = serde_json::from_value(panel).unwrap();
    let word = serde_json::json!(if decision == "REJECTED" {
        decision
    } else {
        "UNDECIDED"
    });
    let verdict = &mut snapshot.verdict.as_mut().unwrap().solomon_judgment;
    for judgment in [verdict, snapshot.judge.complete.as_mut().unwrap()] {
        judgment.panel.clone_from(&panel);
        judgment.final_decision = serde_json::from_value(word.clone()).unwrap();
        judgment.sage_scores = [(Sage::Caspar, 75.5)].into();
        judgment.score_reasons.clear();
    }
}

#[test]
fn the_judge_is_quoted_whole_with_a_key_to_its_letters_and_links_are_named() {
    for (lang, key, from, conversation) in [
        (
            "en",
            "Sage A = MELCHIOR, Sage B = CASPAR",
            "Goes on from",
            "Conversation",
        ),
        (
            "ja",
            "賢者A = MELCHIOR、賢者B = CASPAR",
            "元の審議",
            "一連の問い",
        ),
    ] {
        let mut snapshot = snapshot(lang);
        snapshot.judge.text = "Sage B is right.\n\nAnd answered.".into();
        snapshot.judge_order = vec![Sage::Melchior, Sage::Caspar];
        snapshot.fork_of = Some(snapshot.trace_id);
        snapshot.conversation_id = Some("spring".into());
        let id = snapshot.trace_id;
        let text = record(&snapshot).markdown();
        for line in [
            "> Sage B is right.\n>\n> And answered.\n".to_owned(),
            format!("\n* {key}\n"),
            format!("\n* {from}: {id}\n"),
            format!("\n* {conversation}: spring\n"),
        ] {
            assert!(text.contains(&line), "{line} in {text}");
        }
        let page = record(&snapshot).html();
        for part in [
            key.to_owned(),
            format!("<dt>{from}</dt><dd>{id}</dd>"),
            format!("<dt>{conversation}</dt><dd>spring</dd>"),
        ] {
            assert!(page.contains(&part), "{part} in {page}");
        }
    }
}

#[test]
fn the_record_lists_what_each_of_a_panel_decided() {
    let mut english = snapshot("en");
    judged_by_panel(&mut english, "REJECTED");
    let text = record(&english).markdown();
    for line in [
        "\n### SOLOMON (panel of a:b, c:d, e:f, in place of openai:first): REJECTED\n",
        "\n* Panel: a:b: REJECTED, CASPAR 80, MELCHIOR 61 (the words of the judgment)\n\
         * Panel: c:d: no answer (it answered 401)\n\
         * Panel: e:f: REJECTED, CASPAR 71\n\
         * CASPAR score, median of the panel: 75.5",
        "\n* The judge agrees with the votes.\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    let page = record(&english).html();
    assert!(
        page.contains("<li>c:d: no answer (it answered 401)</li>"),
        "{page}"
    );
    let mut japanese = snapshot("ja");
    judged_by_panel(&mut japanese, "APPROVED");
    let text = record(&japanese).markdown();
    for line in [
        "\n### SOLOMON (裁定パネル（a:b, c:d, e:f）、openai:first の代わり): 不成立\n",
        "\n* 裁定パネル: e:f: 可決, CASPAR 71\n* CASPAR 評点（裁定パネルの中央値）: 75.5",
        "\n* SOLOMON に代わる裁定パネルの判断は割れました。\n",
        "\n* 決め方: 多数決, 定足数: 2\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(!text.contains("裁定者は投票の結果に"), "{text}");
}

#[test]
fn the_decision_stands_because_of_what_the_judge_said_first() {
    let mut snapshot = snapshot("en");
    let verdict = snapshot.verdict.as_mut().unwrap();
    verdict.summary = "Rejected. 1 of 3.".into();
    verdict.solomon_judgment.reasoning = "It costs\ttoo much. And more.".into();
    let chosen = |snapshot: &Snapshot, because: &str| {
        let mut record = record(snapshot);
        record.my_decision = Some("Decision: as the verdict");
        let text = record.markdown();
        let line = text.lines().find(|line| line.starts_with("Chosen option:"));
        let line = line.unwrap();
        assert!(line.ends_with(&format!("because {because}")), "{line}");
    };
    chosen(&snapshot, "It costs too much.");
    // A panel's own line stands before what its speaker said.
    judged_by_panel(&mut snapshot, "REJECTED");
    let judge = |snapshot: &mut Snapshot, change: fn(&mut JudgeComplete)| {
        change(&mut snapshot.verdict.as_mut().unwrap().solomon_judgment);
    };
    judge(&mut snapshot, |judge| {
        judge.reasoning = "A panel judged instead.\n\nIt is late. Later.".into();
    });
    chosen(&snapshot, "It is late.");
    // A judge that came to something else, and one that did not speak, gave no reason for this.
    judge(&mut snapshot, |judge| {
        judge.final_decision = FinalDecision::Approved;
    });
    chosen(&snapshot, "Rejected. 1 of 3.");
    judge(&mut snapshot, |judge| {
        judge.final_decision = FinalDecision::Rejected;
        judge.judge_agrees = None;
    });
    chosen(&snapshot, "Rejected. 1 of 3.");
}

#[test]
fn markdown_from_models_is_inert() {
    for lang in ["en", "ja"] {
        let snapshot = snapshot(lang);
        let text = record(&snapshot).markdown();
        assert!(text.contains("\\<script>"), "{text}");
        for alive in ["<script", "<img", "</div", "<!--", "![pixel"] {
            let mut from = 0;
            while let Some(at) = text[from..].find(alive) {
                let at = from + at;
                assert_eq!(&text[at - 1..at], "\\", "{alive} at {at}");
                from = at + 1;
            }
        }
    }
}

#[test]
fn the_page_has_no_live_word_of_a_model_and_loads_nothing() {
    for lang in ["en", "ja"] {
        let snapshot = snapshot(lang);
        let page = record(&snapshot).html();
        let own = [
            "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "p",
            "strong", "section", "div", "ul", "li", "dl", "dt", "dd", "small",
        ];
        for tag in page.split('<').skip(1) {
            let tag = tag.trim_start_matches('/');
            if tag.starts_with("!doctype") {
                continue;
            }
            let end = tag
                .find(|char: char| !char.is_ascii_alphanumeric())
                .unwrap();
            assert!(own.contains(&&tag[..end]), "<{tag}");
        }
        for loads in ["src=", "href=", "url(", "@import", "<script", "<link"] {
            let escaped = page.replace("&lt;img src=x", "").replace("onerror", "");
            assert!(!escaped.contains(loads), "{loads}");
        }
        assert!(page.contains("default-src 'none'"));
        assert!(page.contains("REHEARSAL"));
        assert!(page.contains(&format!("<html lang=\"{lang}\">")));
    }
}

#[test]
fn an_ended_one_without_a_verdict_says_so() {
    let id = DeliberationId::new(Timestamp::from_millis(1), 7);
    let mut snapshot = Snapshot::new(id);
    snapshot.apply(&Event {
        seq: 1,
        timestamp: Timestamp::from_millis(5),
        trace_id: id,
        body: Body::Error(magi_event::Failure {
            code: "no_votes".into(),
            message: "all sages are missing".into(),
            missing: vec![],
            usage: None,
            cost_usd: None,
        }),
    });
    let record = Record::of(&snapshot);
    assert!(
        record
            .markdown()
            .contains("There is no verdict: all sages are missing (no_votes)")
    );
    assert!(record.markdown().contains("status: proposed"));
    assert!(record.html().contains("There is no verdict"));
    for word in ["APPROVED", "REJECTED", "UNDECIDED"] {
        assert!(!record.html().contains(word), "{word}");
    }
}

/// The table that the page's twin of this is held to as well.
const CASES: &str = include_str!("../../tests/records/cases.json");
const TOLD: &str = include_str!("../../tests/records/told.ndjson");

/// Returns the part of the table of this name, which is not empty.
fn cases(part: &str) -> serde_json::Value {
    let mut table: serde_json::Value = serde_json::from_str(CASES).unwrap();
    table[part].take()
}

/// Folds what was told, in a language and with a verdict, or with a failure in its place.
fn told(lang: &str, verdict: &serde_json::Value) -> Snapshot {
    let mut events: Vec<serde_json::Value> = TOLD
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    events[0]["data"]["lang"] = lang.into();
    let last = events.last_mut().unwrap();
    if verdict.is_null() {
        last["type"] = "error".into();
        last["data"] = serde_json::json!({
            "code": "no_votes", "message": "the key was refused", "missing": [],
        });
    } else {
        last["data"]["final_decision"] = verdict.clone();
        last["data"]["solomon_judgment"]["final_decision"] = verdict.clone();
    }
    let events: Vec<Event> = events
        .iter()
        .map(|event| Event::from_json(event.to_string().as_bytes()).unwrap())
        .collect();
    Snapshot::fold(events[0].trace_id, &events)
}

#[test]
fn the_record_says_what_the_person_decided_and_what_the_council_advised() {
    for case in cases("records").as_array().unwrap() {
        let snapshot = told(case["lang"].as_str().unwrap(), &case["verdict"]);
        let record = Record {
            snapshot: &snapshot,
            title: None,
            my_decision: case["my_decision"].as_str(),
            outcome: case["outcome"].as_str(),
        };
        let (text, page) = (record.markdown(), record.html());
        let says = &case["says"];
        for (part, text) in [("md", &text), ("html", &page)] {
            for words in case[part].as_array().unwrap() {
                let words = words.as_str().unwrap();
                assert!(text.contains(words), "{says}: {words}\nin {text}");
            }
        }
        for words in case["never"].as_array().unwrap() {
            let words = words.as_str().unwrap();
            assert!(!text.contains(words), "{says}: {words}\nin {text}");
        }
    }
}

#[test]
fn an_own_decision_and_an_outcome_are_read_in_their_parts() {
    for case in cases("decisions").as_array().unwrap() {
        let Mine {
            leaning,
            choice,
            why,
            boxes,
        } = Mine::read(case["text"].as_str().unwrap());
        let (choice, instead) = match choice {
            Some(Choice::Follow) => (Some("follow"), String::new()),
            Some(Choice::Other(words)) => (Some("other"), words),
            None => (None, String::new()),
        };
        let read = serde_json::json!({
            "text": case["text"], "choice": choice, "instead": instead, "leaning": leaning,
            "why": why, "boxes": boxes,
        });
        assert_eq!(read, *case);
    }
    for case in cases("outcomes").as_array().unwrap() {
        let Outcome { word, note } = Outcome::read(case["text"].as_str().unwrap());
        let word = word.map(|word| match word {
            Word::Good => "good",
            Word::Bad => "bad",
            Word::Mixed => "mixed",
        });
        let read = serde_json::json!({"text": case["text"], "word": word, "note": note});
        assert_eq!(read, *case);
    }
}

#[test]
fn a_preset_of_the_house_goes_by_its_title() {
    let named = cases("councils");
    for preset in magi_council::Preset::ALL {
        assert!(named[preset.name].is_object(), "{}", preset.name);
    }
    for (name, written) in named.as_object().unwrap() {
        for lang in ["en", "ja"] {
            let mut snapshot = told(lang, &"APPROVED".into());
            snapshot.council.as_mut().unwrap().name.clone_from(name);
            let (record, written) = (Record::of(&snapshot), written[lang].as_str().unwrap());
            let line = format!("* {}: {written}\n", record.labels().council);
            assert!(record.markdown().contains(&line), "{line}");
            let cell = format!("<dd>{written}</dd>");
            assert!(record.html().contains(&cell), "{cell}");
        }
    }
}
