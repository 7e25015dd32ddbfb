//! Whole councils, from the question to the verdict, over both vendors' wires and through their faults.

use std::sync::Arc;

use magi_council::{Ask, CouncilPatch, Door, Engine, Limits, Rooms};
use magi_emulator::Vendor;
use magi_event::check::{Checker, Mode};
use magi_event::{Body, Cause, Complete, Event};
use magi_log::{After, Env, Logs, MemoryStore, Options};
use magi_model::{
    Anthropic, AnthropicConfig, Key, ModelName, OpenAi, OpenAiConfig, Prices, Registry,
};
use serde_json::{Value, json};

use crate::Fakes;

pub(crate) const ENGLISH: &str = "Should we ship on Friday?";
pub(crate) const JAPANESE: &str = "本番の移行を金曜日に行うべきか？";

/// The two vendors at the fakes' addresses.
pub(crate) fn vendors(fakes: &Fakes) -> Registry {
    let key = || Some(Key::new("sk-test").unwrap());
    let openai = OpenAiConfig::new("openai", fakes.running.openai_url(), key());
    let anthropic = AnthropicConfig::new("anthropic", fakes.running.anthropic_url(), key());
    Registry::default()
        .with(Arc::new(OpenAi::new(openai).unwrap()))
        .with(Arc::new(Anthropic::new(anthropic).unwrap()))
}

/// Puts a question to a council whose models are all `model`, and returns its log.
async fn deliberate(fakes: &Fakes, model: &str, question: &str, council: Value) -> Vec<Event> {
    deliberate_with(vendors(fakes), model, question, council).await
}

/// As [`deliberate`], with these vendors.
pub(crate) async fn deliberate_with(
    models: Registry,
    model: &str,
    question: &str,
    council: Value,
) -> Vec<Event> {
    let engine = engine(models, model);
    let events = put(&engine, question, council).await;
    engine.shutdown(std::time::Duration::from_secs(5)).await;
    events
}

/// An engine over these vendors whose councils' models are all `model`.
pub(crate) fn engine(models: Registry, model: &str) -> Engine {
    let env = Env::seeded(7);
    let model: ModelName = model.parse().unwrap();
    Engine::new(Rooms {
        logs: Logs::new(
            Arc::new(MemoryStore::new()),
            env.clone(),
            Options::default(),
        ),
        models,
        env,
        limits: Limits::default(),
        prices: Prices::default(),
        settings: CouncilPatch::default().with_model(&model),
        state_key: None,
    })
}

/// Puts a question to a council of this engine, and returns its log.
pub(crate) async fn put(engine: &Engine, question: &str, council: Value) -> Vec<Event> {
    let body = json!({"question": question, "council": council});
    let asked = engine
        .ask(Ask::read(&body, &Door::default()).unwrap())
        .await
        .unwrap();
    let mut reader = engine.logs().read(After::Start(asked.id)).await.unwrap();
    let mut checker = Checker::new(Mode::Log);
    let mut events = Vec::new();
    loop {
        let page = reader.next().await.unwrap();
        for entry in page.entries {
            let event = entry.event().unwrap();
            checker.entry(entry.cursor, &event).unwrap();
            events.push(event);
        }
        if page.end {
            break;
        }
    }
    checker.finish(true).unwrap();
    events
}

pub(crate) fn complete(events: &[Event]) -> &Complete {
    match &events.last().unwrap().body {
        Body::Complete(complete) => complete,
        other => panic!("ended with {other:?}"),
    }
}

/// Says in a line what came out: status, votes, decision, and who is missing why.
pub(crate) fn outcome(events: &[Event]) -> String {
    match &events.last().unwrap().body {
        Body::Complete(complete) => {
            let missing: Vec<String> = complete
                .missing
                .iter()
                .map(|missing| format!(" {} {}", missing.agent, missing.cause))
                .collect();
            format!(
                "{} {} {}{}",
                complete.status,
                complete.voting_result.agreement(),
                complete.final_decision,
                missing.concat()
            )
        }
        Body::Error(error) => format!("error {}", error.code),
        other => panic!("ended with {other:?}"),
    }
}

/// Waits short enough for a test, and long enough for a busy machine.
fn quick() -> Value {
    json!({"deadlines": {"connect": 5, "first_token": 5, "idle": 3}})
}

#[tokio::test]
async fn both_languages_and_every_form_of_vote_over_both_wires() {
    let fakes = Fakes::start().await;
    for vendor in ["openai", "anthropic"] {
        for words in [
            "ok",
            "reasoning+tool",
            "tail",
            "json",
            "quoted",
            "malformed",
            "malformed-7",
        ] {
            for question in [ENGLISH, JAPANESE] {
                let model = format!("{vendor}:fake+by-role+{words}");
                let events = deliberate(&fakes, &model, question, quick()).await;
                let context = format!("{model} {question}");
                assert_eq!(outcome(&events), "completed 2-1-0 APPROVED", "{context}");
                let complete = complete(&events);
                // A damaged verdict has a decision and nothing else.
                let scored = if words.starts_with("malformed") { 0 } else { 3 };
                assert_eq!(
                    complete.solomon_judgment.sage_scores.len(),
                    scored,
                    "{context}"
                );
                assert_eq!(complete.judge_agrees, Some(true), "{context}");
                let ja = question == JAPANESE;
                let said = |text: &str| text.contains("偽の") == ja && text.contains("Fake") != ja;
                let shown: String = events
                    .iter()
                    .filter_map(|event| match &event.body {
                        Body::AgentChunk(_, delta) => Some(delta.text.as_str()),
                        _ => None,
                    })
                    .collect();
                assert!(said(&shown), "{context}: {shown}");
                assert!(
                    !shown.contains("\"decision\"") || words == "quoted",
                    "{context}: {shown}"
                );
            }
        }
    }
    let entries = fakes.running.ledger().entries();
    assert!(
        entries
            .iter()
            .all(|entry| entry.role.is_some() && entry.tag.is_some())
    );
    let asked = |vendor| {
        entries
            .iter()
            .filter(|entry| entry.vendor == vendor)
            .count()
    };
    assert_eq!(asked(Vendor::OpenAi), asked(Vendor::Anthropic));
}

#[tokio::test]
async fn what_passes_is_waited_out_and_what_stays_is_never_a_verdict() {
    let fakes = Fakes::start().await;
    // The words of every model, the outcome, and the attempts of each sage.
    let table = [
        ("429-retry-1", "completed 3-0-0 APPROVED", 2),
        ("500-once", "completed 3-0-0 APPROVED", 2),
        ("reset-before-headers-once", "completed 3-0-0 APPROVED", 2),
        ("no-answer-once", "completed 3-0-0 APPROVED", 2),
        ("cut-after-30-once", "completed 3-0-0 APPROVED", 2),
        ("cut-after-30-clean-once", "completed 3-0-0 APPROVED", 2),
        ("stall-after-5-once", "completed 3-0-0 APPROVED", 2),
        ("pings-after-5-once", "completed 3-0-0 APPROVED", 2),
        ("prose-once", "completed 3-0-0 APPROVED", 2),
        ("abstain", "completed 0-0-3 UNDECIDED", 1),
        ("refusal", "completed 0-0-3 UNDECIDED", 1),
        ("prose", "error no_votes", 2),
        ("401", "error no_votes", 1),
        ("400-context", "error no_votes", 1),
        ("400-filter", "error no_votes", 1),
    ];
    let runs = table.iter().flat_map(|(words, expected, attempts)| {
        ["openai", "anthropic"].map(|vendor| (vendor, *words, *expected, *attempts))
    });
    let runs = runs.map(async |(vendor, words, expected, attempts)| {
        let model = format!("fake-{vendor}+{words}");
        let events = deliberate(&fakes, &format!("{vendor}:{model}"), ENGLISH, quick()).await;
        assert_eq!(outcome(&events), expected, "{vendor} {words}");
        let asked = fakes.running.ledger().of(&model);
        let caspar = asked
            .iter()
            .filter(|entry| entry.role.is_some_and(|r| r.name() == "caspar"));
        assert_eq!(caspar.count(), attempts, "{vendor} {words}");
    });
    futures_util::future::join_all(runs).await;
}

#[tokio::test]
async fn one_broken_member_degrades_and_says_who_is_missing() {
    let fakes = Fakes::start().await;
    let broken = |agent: &str, model: &str| {
        let mut council = quick();
        // Without this the judge's fallback is a sage's model, which is well.
        council["judge_fallback"] = json!("openai:fake-fallback+503");
        council["roles"] = json!({agent: {"model": format!("openai:fake-broken+{model}")}});
        council
    };
    for (council, expected) in [
        (
            broken("caspar", "401"),
            "degraded 2-0-1 APPROVED caspar failed",
        ),
        (
            broken("melchior", "no-answer"),
            "degraded 2-0-1 APPROVED melchior timeout",
        ),
        (
            broken("balthasar", "prose"),
            "degraded 2-0-1 APPROVED balthasar unparsable",
        ),
        (
            broken("solomon", "404"),
            "degraded 3-0-0 APPROVED solomon failed",
        ),
    ] {
        let events = deliberate(&fakes, "openai:fake", ENGLISH, council).await;
        assert_eq!(outcome(&events), expected);
    }
}

#[tokio::test]
async fn a_random_council_counts_what_the_fakes_voted() {
    let fakes = Fakes::start().await;
    for seed in 0..24 {
        let model = format!("fake-{seed}+random-{seed}");
        let question = if seed % 2 == 0 { ENGLISH } else { JAPANESE };
        let events = deliberate(&fakes, &format!("openai:{model}"), question, quick()).await;
        let voted = |word: &str| {
            let asked = fakes.running.ledger().of(&model);
            let sages = asked
                .iter()
                .filter(|e| e.role.is_some_and(|r| r.sage().is_some()));
            u32::try_from(
                sages
                    .filter(|e| e.decision.as_deref() == Some(word))
                    .count(),
            )
            .unwrap()
        };
        let counted = complete(&events).voting_result;
        assert_eq!(counted.approved, voted("APPROVED"), "seed {seed}");
        assert_eq!(counted.rejected, voted("REJECTED"), "seed {seed}");
        assert_eq!(counted.abstained, voted("ABSTAINED"), "seed {seed}");
        let causes = events.iter().filter_map(|event| match &event.body {
            Body::AgentComplete(_, vote) => vote.cause,
            _ => None,
        });
        assert!(
            causes.into_iter().all(|cause| cause == Cause::Own),
            "seed {seed}"
        );
    }
}
