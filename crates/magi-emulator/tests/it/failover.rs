//! The sixteen scenarios of failoverbench (its catalogue v0.1), each against both vendors' wires.
//!
//! The member that has a second model is the judge, so the scenario's route is: the judge's model has
//! the fault, its fallback is a healthy model of the other vendor. "The whole answer" is the judgment,
//! its text compared with what the fake wrote, word for word. Limits are the scenarios' own, scaled so
//! that a test takes seconds; what is compared with a clock is only ever "not sooner than".

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use magi_council::{Breaker, Engine};
use magi_emulator::{Entry, Vendor};
use magi_event::{Agent, Body, Event, FinalDecision, JudgeComplete};
use magi_model::{Key, OpenAi, OpenAiConfig};
use serde_json::{Value, json};

use crate::Fakes;
use crate::councils::{ENGLISH, complete, engine, outcome, put, vendors};

/// The healthy second model. It does not go on from its own words, as newer models do not (S14).
const FALLBACK: &str = "fake-fallback+no-prefill";

/// One council whose judge has a fault, and what the vendors saw of it.
struct Played {
    events: Vec<Event>,
    primary: Vec<Entry>,
    fallback: Vec<Entry>,
    context: String,
}

/// Who answers on which wire, with models of its own so that no scenario counts another's attempts.
fn names(vendor: Vendor, words: &str) -> (String, String) {
    let (own, other) = match vendor {
        Vendor::Anthropic => ("anthropic", "openai"),
        Vendor::OpenAi | Vendor::Bedrock => ("openai", "anthropic"),
    };
    (
        format!("{own}:fake-{own}+{words}"),
        format!("{other}:{FALLBACK}+fake-for-{own}"),
    )
}

fn model_of(name: &str) -> &str {
    name.split_once(':').unwrap().1
}

async fn play(vendor: Vendor, words: &str, deadlines: Value) -> Played {
    let fakes = Fakes::start().await;
    play_on(&fakes, vendor, words, deadlines).await
}

async fn play_on(fakes: &Fakes, vendor: Vendor, words: &str, deadlines: Value) -> Played {
    let engine = engine(vendors(fakes), "openai:fake-sages");
    let played = play_by(&engine, fakes, vendor, words, deadlines).await;
    engine.shutdown(Duration::from_secs(5)).await;
    played
}

async fn play_by(
    engine: &Engine,
    fakes: &Fakes,
    vendor: Vendor,
    words: &str,
    deadlines: Value,
) -> Played {
    let (primary, fallback) = names(vendor, words);
    let council = json!({
        "roles": {"solomon": {"model": primary}},
        "judge_fallback": fallback,
        "deadlines": deadlines,
    });
    let events = put(engine, ENGLISH, council).await;
    Played {
        events,
        primary: fakes.running.ledger().of(model_of(&primary)),
        fallback: fakes.running.ledger().of(model_of(&fallback)),
        context: format!("{primary}, then {fallback}"),
    }
}

/// Plays a scenario on both wires at a time.
async fn both(words: &str, deadlines: Value) -> Vec<Played> {
    let wires = [Vendor::OpenAi, Vendor::Anthropic];
    join_all(wires.map(|vendor| play(vendor, words, deadlines.clone()))).await
}

/// Limits that no healthy answer of a busy machine reaches.
fn patient() -> Value {
    json!({"connect": 10, "first_token": 10, "idle": 10})
}

impl Played {
    /// Returns the judgment, and holds it to be whole: the text shown in its attempt is the text that
    /// the fake wrote, to the last word.
    fn judgment(&self) -> &JudgeComplete {
        let context = &self.context;
        assert_eq!(
            outcome(&self.events),
            "completed 3-0-0 APPROVED",
            "{context}"
        );
        let judgment = &complete(&self.events).solomon_judgment;
        assert_eq!(judgment.final_decision, FinalDecision::Approved);
        assert_eq!(judgment.sage_scores.len(), 3, "{context}");
        let answered = self.primary.iter().chain(&self.fallback);
        let answered = answered.max_by_key(|entry| entry.arrived_ms).unwrap();
        assert_eq!(self.shown(), answered.text, "{context}");
        assert!(answered.decision.is_some(), "{context}");
        judgment
    }

    /// The prose shown in the judge's newest attempt.
    fn shown(&self) -> String {
        let mut text = String::new();
        for event in &self.events {
            match &event.body {
                Body::JudgeStart(_) => text.clear(),
                Body::JudgeChunk(delta) => text.push_str(&delta.text),
                _ => {}
            }
        }
        text
    }

    /// The vendor and model of the judge's newest attempt, as a reader is told them.
    fn named(&self) -> String {
        let mut starts = self.events.iter().filter_map(|event| match &event.body {
            Body::JudgeStart(start) => Some(format!("{}:{}", start.provider, start.model)),
            _ => None,
        });
        starts.next_back().unwrap()
    }

    /// What the judge's failed attempts were told as: a code, or the deadline that ran out.
    fn failures(&self) -> Vec<String> {
        let failures = self.events.iter().filter_map(|event| match &event.body {
            Body::JudgeError(error) => Some(error.code.clone()),
            Body::JudgeTimeout(late) => {
                Some(format!("timeout {}", json!(late.kind).as_str().unwrap()))
            }
            _ => None,
        });
        failures.collect()
    }

    /// How many requests came within so many milliseconds of the first.
    fn within(&self, ms: u64) -> usize {
        let first = self.primary[0].arrived_ms;
        let early = |entry: &&Entry| entry.arrived_ms < first + ms;
        self.primary.iter().filter(early).count()
    }

    fn assert_requests(&self, primary: usize, fallback: usize) {
        let asked = (self.primary.len(), self.fallback.len());
        assert_eq!(
            asked,
            (primary, fallback),
            "{}: {:?}",
            self.context,
            self.failures()
        );
    }
}

#[tokio::test]
async fn s01_a_429_with_retry_after_is_waited_out() {
    for played in both("429-retry-2", patient()).await {
        played.judgment();
        played.assert_requests(2, 0);
        assert!(played.within(1_500) <= 2);
        let waited = played.primary[1].arrived_ms - played.primary[0].arrived_ms;
        assert!(waited >= 1_800, "{waited} ms");
    }
}

#[tokio::test]
async fn s02_a_429_that_stays_is_not_pressed() {
    for played in both("429", patient()).await {
        played.judgment();
        assert!(played.within(3_000) <= 4 && played.primary.len() <= 6);
        assert_eq!(played.fallback.len(), 1);
    }
}

#[tokio::test]
async fn s03_one_500_is_asked_again_at_the_same_provider() {
    for played in both("500-once", patient()).await {
        played.judgment();
        played.assert_requests(2, 0);
    }
}

#[tokio::test]
async fn s04_a_503_that_stays_is_left_for_the_fallback() {
    for played in both("503", patient()).await {
        played.judgment();
        assert!(played.primary.len() <= 6);
        assert_eq!(played.fallback.len(), 1);
    }
}

#[tokio::test]
async fn s05_a_reset_before_the_headers_is_asked_again() {
    for played in both("reset-before-headers-once", patient()).await {
        played.judgment();
        played.assert_requests(2, 0);
        assert_eq!(played.failures(), ["network"]);
    }
}

#[tokio::test]
async fn s06_a_route_that_never_answers_is_tried_once() {
    let deadlines = json!({"connect": 1, "first_token": 10, "idle": 10});
    for played in both("no-answer", deadlines).await {
        played.judgment();
        played.assert_requests(1, 1);
        assert_eq!(played.failures(), ["timeout connect"]);
    }
}

/// With the first-token limit at 10 s the scenario's answer comes within its 15 s; here it is 1 s.
#[tokio::test]
async fn s07_a_first_token_after_the_limit_is_not_waited_for() {
    let deadlines = json!({"connect": 10, "first_token": 1, "idle": 10});
    for played in both("first-token-20s", deadlines).await {
        played.judgment();
        played.assert_requests(1, 1);
        assert_eq!(played.failures(), ["timeout first_token"]);
    }
}

#[tokio::test]
async fn s08_a_stream_that_dies_after_40_of_60_tokens_is_no_answer() {
    for played in both("len-60+cut-after-40", patient()).await {
        played.judgment();
        // One restart, which clears the lane, and then the other model.
        played.assert_requests(2, 1);
        assert_eq!(played.failures(), ["truncated", "truncated"]);
    }
}

#[tokio::test]
async fn s09_a_stream_that_falls_silent_is_no_answer_and_harms_no_other_call() {
    let fakes = Fakes::start().await;
    for vendor in [Vendor::OpenAi, Vendor::Anthropic] {
        let deadlines = json!({"connect": 10, "first_token": 10, "idle": 1});
        let played = play_on(&fakes, vendor, "stall-after-20-30s", deadlines).await;
        played.judgment();
        played.assert_requests(2, 1);
        assert_eq!(played.failures(), ["timeout idle", "timeout idle"]);
        let healthy = play_on(&fakes, vendor, "ok", patient()).await;
        healthy.judgment();
        healthy.assert_requests(1, 1);
    }
}

#[tokio::test]
async fn s10_one_event_of_broken_json_costs_nothing() {
    let fakes = Fakes::start().await;
    for vendor in [Vendor::OpenAi, Vendor::Anthropic] {
        let played = play_on(&fakes, vendor, "malformed-at-10", patient()).await;
        played.judgment();
        played.assert_requests(1, 0);
        play_on(&fakes, vendor, "ok", patient()).await.judgment();
    }
}

#[tokio::test]
async fn s11_a_proper_end_without_the_sentinel_is_an_end() {
    for played in both("no-sentinel", patient()).await {
        assert!(played.judgment().usage.is_some());
        played.assert_requests(1, 0);
    }
}

#[tokio::test]
async fn s12_what_is_too_long_is_not_sent_again() {
    for played in both("400-context", patient()).await {
        played.judgment();
        played.assert_requests(1, 1);
        assert_eq!(played.failures(), ["bad_request"]);
    }
}

#[tokio::test]
async fn s13_a_policys_refusal_is_asked_once_and_its_reason_is_told() {
    for played in both("400-filter", patient()).await {
        played.judgment();
        played.assert_requests(1, 1);
        let told = played.events.iter().find_map(|event| match &event.body {
            Body::JudgeError(error) => Some((error.code.as_str(), error.message.as_str())),
            _ => None,
        });
        let (code, message) = told.unwrap();
        assert_eq!(code, "filtered");
        let reason = message.contains("content filtering policy")
            || message.contains("content management policy");
        assert!(reason, "{message}");
    }
}

#[tokio::test]
async fn s14_the_fallback_is_not_handed_half_an_answer_to_go_on_from() {
    for played in both("len-60+cut-after-40", patient()).await {
        played.judgment();
        for entry in played.primary.iter().chain(&played.fallback) {
            let messages = entry.body["messages"].as_array().unwrap();
            assert_eq!(messages.last().unwrap()["role"], "user");
        }
        assert_eq!(played.fallback[0].status, Some(200));
    }
}

/// How many calls in a row must fail before a vendor is left alone, and for how long it then is, in milliseconds.
const FAILURES: usize = 10;
const REST: u64 = 10_000;

/// The scenario's own figures: an outage of 60 s, and calls 4 s apart, all of one engine. Between two of them nothing is
/// under way, and the clock of the engine and of the fakes is moved on.
#[tokio::test]
async fn s15_an_outage_is_served_by_the_fallback_and_its_end_is_noticed() {
    for vendor in [Vendor::OpenAi, Vendor::Anthropic] {
        let fakes = Fakes::start().await;
        // The sages' vendor is another one, or their answers would begin the count anew.
        let key = Some(Key::new("sk-test").unwrap());
        let sages = OpenAiConfig::new("sages", fakes.running.openai_url(), key);
        let models = vendors(&fakes).with(Arc::new(OpenAi::new(sages).unwrap()));
        let engine = engine(models, "sages:fake-sages");
        let (mut asked, mut shut) = (Vec::new(), 0);
        let mut primary = Vec::new();
        for _ in 0..20 {
            let played = play_by(&engine, &fakes, vendor, "503-for-60s", patient()).await;
            played.judgment();
            asked.push(played.primary.len() - primary.len());
            if asked.ends_with(&[0]) {
                assert_eq!(played.failures(), ["circuit_open"]);
                shut += 1;
            }
            primary = played.primary;
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(4)).await;
            tokio::time::resume();
        }
        let refused = primary.iter().take_while(|entry| entry.status == Some(503));
        let refused = refused.count();
        println!("{vendor:?}: requests of each call {asked:?}, of all {refused} in the outage");
        // Ten open the breaker. From there on it promises one request in a rest, the first one after the outage too.
        assert!(refused > FAILURES && shut > 0, "{asked:?}");
        let tries: Vec<u64> = primary[FAILURES - 1..=refused]
            .iter()
            .map(|entry| entry.arrived_ms)
            .collect();
        assert!(
            tries.windows(2).all(|two| two[1] - two[0] >= REST),
            "{tries:?}"
        );
        let rests = usize::try_from(60_000 / REST).unwrap();
        assert!(refused <= FAILURES + rests, "{asked:?}");
        // That one closes it: all calls after it are the model's own, of one request each.
        let well = primary.len() - refused;
        assert!(well > 1 && asked.ends_with(&vec![1; well]), "{asked:?}");
        assert!(
            primary[refused..]
                .iter()
                .all(|entry| entry.status == Some(200))
        );
        let name = names(vendor, "").0;
        let closed = (name.split_once(':').unwrap().0.to_owned(), Breaker::Closed);
        assert!(engine.breakers().contains(&closed));
        engine.shutdown(Duration::from_secs(5)).await;
    }
}

#[tokio::test]
async fn s16_the_fallbacks_name_is_told_and_failures_are_not_billed() {
    for played in both("503", patient()).await {
        let judgment = played.judgment();
        let answered = &played.fallback[0];
        let named = played.named();
        assert!(named.ends_with(&format!(":{}", answered.model)), "{named}");
        assert_eq!(answered.role, Some(Agent::Judge));
        assert!(played.primary.len() <= 6);
        // Only what was answered is billed, and as the vendor counted it.
        let usage = judgment.usage.as_ref().unwrap();
        let written = u64::try_from(answered.tokens_planned).unwrap();
        assert_eq!(usage.output_tokens, written);
    }
}
