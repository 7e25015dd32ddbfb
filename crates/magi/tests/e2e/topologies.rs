//! Every way from a question to its verdict, side by side in one emulated cloud: one verdict, whoever relays.

use std::time::Duration;

use magi_emulator::demo::{self, DemoConfig, Outcome, Way};
use magi_event::{Decision, FinalDecision, Sage};
use serde_json::{Value, json};

use super::cloud::{events, text};
use super::support::http;
use super::ways::{self, HELD, invocations, post, post_signed, post_with, start, verdict, villain};

/// The villain's limit is over before the first sage has begun to speak.
const MODEL: &str = "bedrock:fake+by-role+first-token-2s";

fn body() -> Value {
    json!({"action": "ask", "question": "Should we move to Tokyo?"})
}

#[tokio::test]
async fn every_way_that_streams_ends_in_the_same_verdict_and_the_villain_in_504() {
    let cloud = start(MODEL, |config| {
        config.villain_limit = Duration::from_secs(1);
    })
    .await;
    let (_folder, served) = ways::single_binary(&cloud, MODEL).await;
    let streams = |way| {
        let cloud = &cloud;
        async move {
            let answer = post(cloud, way, &body()).await;
            // Nobody knows how long a stream will be; whoever does has waited for its end.
            assert_eq!(answer.content_length().is_none(), way.streams(), "{way:?}");
            events(answer).await
        }
    };
    let single = async {
        let url = format!("{}/invocations", served.address);
        events(http().post(url).json(&body()).send().await.unwrap()).await
    };
    let with_token = async {
        let arn = ways::told(&cloud, "MAGI_CLOUD_BEARER_RUNTIME_ARN");
        let token = ways::told(&cloud, "MAGI_CLOUD_BEARER_TOKEN");
        let url = invocations(&cloud, &arn, "live");
        events(post_with(&url, Some(&token), &body()).await).await
    };
    let (single, bearer, gateway, agentcore, direct, buffered, villains) = tokio::join!(
        single,
        with_token,
        streams(Way::Gateway),
        streams(Way::Agentcore),
        streams(Way::Direct),
        streams(Way::Buffered),
        async { post(&cloud, Way::Villain, &body()).await },
    );
    assert_eq!(villains.status(), 504);
    assert!(!text(villains).await.contains("data:"));
    for seen in [&single, &bearer, &gateway, &agentcore, &direct, &buffered] {
        let snapshot = ways::whole(seen);
        let (votes, complete) = verdict(&snapshot);
        let expected = [
            (Sage::Caspar, Decision::Rejected),
            (Sage::Balthasar, Decision::Approved),
            (Sage::Melchior, Decision::Approved),
        ];
        assert_eq!(votes, expected);
        assert_eq!(snapshot.tally.as_ref().unwrap().agreement, "2-1-0");
        assert_eq!(complete.final_decision, FinalDecision::Approved);
        assert_eq!(complete.judge_agrees, Some(true));
    }
    // The relays that stream held little; what buffers held a whole answer.
    for held in [
        cloud.gateway().held(),
        cloud.direct().held(),
        cloud.agentcore().held(),
    ] {
        assert!(held.passed() > 10_000 && held.most() <= HELD, "{held:?}");
    }
    let held = cloud.buffered().held();
    assert!(held.most() > held.passed() / 2, "{held:?}");
    served.kill().await;
    cloud.stop().await;
}

#[tokio::test]
async fn a_runtime_behind_tokens_refuses_without_one_or_with_an_ended_one_and_says_where_to_get_it()
{
    let cloud = start(MODEL, |_| {}).await;
    let url = invocations(&cloud, cloud.bearer_runtime_arn(), "live");
    let ended = cloud.bearer_token(-1);
    let signature_of_another = {
        let token = cloud.bearer_token(60);
        let (signed, _) = token.rsplit_once('.').unwrap();
        let (_, signature) = ended.rsplit_once('.').unwrap();
        format!("{signed}.{signature}")
    };
    for (token, words) in [
        (None, "Missing Authentication Token"),
        (Some(&ended), "Token has expired"),
        (Some(&signature_of_another), "Token signature invalid"),
    ] {
        let refused = post_with(&url, token.map(String::as_str), &body()).await;
        assert_eq!(refused.status(), 401, "{words}");
        let way = refused.headers()["www-authenticate"].to_str().unwrap();
        let place = way.strip_prefix("Bearer resource_metadata=\"").unwrap();
        let place = place.strip_suffix('"').unwrap().to_owned();
        let said = text(refused).await;
        assert!(said.contains(words), "{said}");
        let found = http().get(place).send().await.unwrap();
        assert_eq!(found.status(), 200, "{words}");
        let found: Value = serde_json::from_str(&text(found).await).unwrap();
        assert_eq!(found["resource"], url.as_str());
    }
    // Neither does a signature open it, nor a token the other one.
    let token = cloud.bearer_token(60);
    let signed = post_signed(&cloud, &url, &body()).await;
    let other = invocations(&cloud, cloud.runtime_arn(), "live");
    for refused in [signed, post_with(&other, Some(&token), &body()).await] {
        assert_eq!(refused.status(), 403);
        let said = text(refused).await;
        assert!(said.contains("Authorization method mismatch"), "{said}");
    }
    assert!(cloud.agentcore().sessions().is_empty());
    cloud.stop().await;
}

#[tokio::test]
async fn a_patient_villain_gives_the_whole_answer_at_once() {
    let cloud = start(MODEL, |config| {
        config.villain_limit = Duration::from_secs(60);
    })
    .await;
    let answer = post(&cloud, Way::Villain, &body()).await;
    let length = answer.content_length().unwrap();
    let snapshot = ways::whole(&events(answer).await);
    assert_eq!(verdict(&snapshot).1.final_decision, FinalDecision::Approved);
    assert_eq!(villain(&cloud).held().unwrap().most(), length);
    cloud.stop().await;
}

#[tokio::test]
async fn the_demo_tells_and_plots_what_it_measured() {
    let mut config = DemoConfig::new(env!("CARGO_BIN_EXE_magi"));
    config.limit = Duration::from_secs(3);
    config.quiet = true;
    let report = demo::run(config).await.unwrap();
    assert_eq!(report.faults(), Vec::<String>::new());
    let (table, svg) = (report.table(), report.svg());
    let mut lines = table.lines().skip(2);
    for taken in &report.ways {
        let line = lines.next().unwrap();
        assert!(line.contains(taken.way.title()), "{table}");
        assert!(line.contains(&format!("| {} ", taken.events)), "{table}");
        let most = taken.relays.iter().map(|relay| relay.most).max().unwrap();
        match &taken.outcome {
            Outcome::Verdict { agreement, .. } => {
                assert_eq!(agreement, "2-1-0");
                assert!(line.contains("APPROVED 2-1-0"), "{table}");
                assert_eq!(taken.way.streams(), most <= HELD, "{taken:?}");
                assert_eq!(taken.way.streams(), line.contains("live"), "{table}");
            }
            outcome => {
                assert!(matches!(outcome, Outcome::Refused { status: 504, .. }));
                assert!(line.contains("504 Gateway Timeout"), "{table}");
                assert_eq!(taken.events, 0);
            }
        }
    }
    assert_eq!(lines.next(), None);
    // The ticks of three sages and a judge on each of the ways that gave tokens.
    assert_eq!(svg.matches("v9\" stroke=").count(), 4 * 4);
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    let broken = DemoConfig::new("/nowhere/magi");
    assert!(demo::run(broken).await.is_err());
}
