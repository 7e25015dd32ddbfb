//! The calls of `/v1` that are no streams.

use std::time::Duration;

use magi_client::{Budget, Change, Client, Error, Fork, Format, ListQuery, Options, Question};
use magi_event::{FinalDecision, Sage, Snapshot, Status, sample};
use serde_json::{Value, json};

use crate::fake::{Fake, Part, Reply};

const SEED: u64 = 11;

#[tokio::test(start_paused = true)]
async fn every_call_goes_where_the_contract_says() {
    let id = sample::id(SEED);
    let fake = Fake::new(|asked| match asked.method.as_str() {
        "DELETE" => Reply::empty(204),
        "POST" if asked.uri.path() == "/v1/deliberations" => {
            Reply::json(201, &json!({ "id": sample::id(SEED) }))
        }
        "POST" => Reply::json(200, &json!({ "id": sample::id(SEED), "changed": true })),
        _ => Reply::json(200, &json!({ "title": "t" })),
    });
    let client = fake.client();
    let question = Question {
        budget: Some(Budget {
            usd: Some(0.5),
            tokens: None,
        }),
        ..Question::new("?")
    };
    assert_eq!(client.create(&question).await.unwrap(), id);
    assert_eq!(client.get(id).await.unwrap()["title"], "t");
    client.stop(id, Some(Sage::Melchior.into())).await.unwrap();
    assert!(client.resume(id).await.unwrap().changed);
    let caspar = Some(Sage::Caspar.into());
    client.retry(id, caspar, Some(2)).await.unwrap();
    client.note(id, caspar, "Fact", None).await.unwrap();
    client.pause(id).await.unwrap();
    let fork = Fork {
        agent: caspar,
        model: Some("openai:x".into()),
        ..Fork::default()
    };
    client.fork(id, &fork).await.unwrap();
    let change = Change {
        title: Some("新題".into()),
        ..Change::default()
    };
    client.change(id, &change).await.unwrap();
    client.export(id, Format::Md).await.unwrap();
    client.delete(id).await.unwrap();
    // Bodies are compared as values: in which order fields are written is decided by a feature of
    // the JSON library that other rooms may turn on.
    let calls: Vec<(String, Value)> = fake
        .ledger()
        .into_iter()
        .map(|asked| (format!("{} {}", asked.method, asked.uri), asked.body))
        .map(|(call, body)| {
            let call = call.replace(&id.to_string(), "ID");
            (call.replace("http://magi.test", ""), body)
        })
        .collect();
    let expected = [
        (
            "POST /v1/deliberations",
            json!({ "question": "?", "budget": { "usd": 0.5 } }),
        ),
        ("GET /v1/deliberations/ID", Value::Null),
        (
            "POST /v1/deliberations/ID/stop",
            json!({ "agent": "melchior" }),
        ),
        ("POST /v1/deliberations/ID/resume", json!({})),
        (
            "POST /v1/deliberations/ID/retry",
            json!({ "agent": "caspar", "attempt": 2 }),
        ),
        (
            "POST /v1/deliberations/ID/note",
            json!({ "agent": "caspar", "text": "Fact" }),
        ),
        ("POST /v1/deliberations/ID/pause", json!({})),
        (
            "POST /v1/deliberations/ID/fork",
            json!({ "agent": "caspar", "model": "openai:x" }),
        ),
        ("PATCH /v1/deliberations/ID", json!({ "title": "新題" })),
        ("GET /v1/deliberations/ID/export?format=md", Value::Null),
        ("DELETE /v1/deliberations/ID", Value::Null),
    ];
    assert_eq!(calls, expected.map(|(call, body)| (call.to_owned(), body)));
}

#[tokio::test(start_paused = true)]
async fn the_history_is_asked_for_and_read() {
    let id = sample::id(SEED);
    let page = json!({ "items": [
        { "id": id, "question": "採用?", "title": null, "status": "degraded",
          "final_decision": "APPROVED", "created_at": "2026-11-23T01:02:03.004Z", "more": [1] },
        { "trace_id": id, "question": "x", "status": "unheard of", "verdict": "UNDECIDED" },
    ], "next": "abc" });
    let fake = Fake::of(vec![
        Reply::json(200, &page),
        Reply::json(200, &json!({ "items": [] })),
        Reply::json(200, &json!({ "rows": [] })),
    ]);
    let query = ListQuery {
        q: Some("採用 & 可決".into()),
        verdict: Some(FinalDecision::Approved),
        limit: Some(2),
        ..ListQuery::default()
    };
    let page = fake.client().list(&query).await.unwrap();
    assert_eq!(page.next.as_deref(), Some("abc"));
    let first = &page.items[0];
    assert_eq!((first.id, first.question.as_str()), (id, "採用?"));
    assert_eq!(first.status, Some(Status::Degraded));
    assert_eq!(first.final_decision, Some(FinalDecision::Approved));
    assert_eq!(
        (first.title.clone(), &first.fields["more"]),
        (None, &json!([1]))
    );
    let second = &page.items[1];
    assert_eq!(
        (second.status, second.final_decision),
        (None, Some(FinalDecision::Undecided))
    );
    assert_eq!(second.created_at, id.created_at());
    let asked = &fake.ledger()[0];
    let query = asked.uri.query().unwrap();
    assert_eq!(
        query,
        "q=%E6%8E%A1%E7%94%A8+%26+%E5%8F%AF%E6%B1%BA&verdict=APPROVED&limit=2"
    );
    assert_eq!(
        fake.client()
            .list(&ListQuery::default())
            .await
            .unwrap()
            .next,
        None
    );
    let error = fake.client().list(&ListQuery::default()).await.unwrap_err();
    assert!(matches!(error, Error::Contract(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn scenes_models_and_snapshots_are_read() {
    let snapshot = Snapshot::fold(
        sample::id(SEED),
        sample::log(SEED).iter().map(|(_, event)| event),
    );
    let mut beside = serde_json::to_value(&snapshot).unwrap();
    beside["title"] = json!("t");
    let fake = Fake::of(vec![
        Reply::json(
            200,
            &json!({ "scenes": [
            { "name": "two-containers", "lang": "ja", "question": "?", "preset": "classic" }] }),
        ),
        Reply::json(
            200,
            &json!({ "object": "list", "data": [{ "id": "rehearsal", "ready": true }] }),
        ),
        Reply::json(200, &beside),
    ]);
    let client = fake.client();
    assert_eq!(client.scenes().await.unwrap()[0].name, "two-containers");
    let models = client.models().await.unwrap();
    assert_eq!(
        (models[0].id.as_str(), &models[0].fields["ready"]),
        ("rehearsal", &json!(true))
    );
    assert_eq!(
        client.snapshot(sample::id(SEED)).await.unwrap().cursor,
        snapshot.cursor
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_the_field_and_what_to_do() {
    let fake = Fake::of(vec![Reply::json(
        400,
        &json!({ "type": "urn:magi:problem:bad_request", "title": "The request is wrong",
            "status": 400, "code": "bad_request", "detail": "the question is empty",
            "field": "question", "fix": "write one" }),
    )]);
    let error = fake.client().create(&Question::new("")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`question`: the question is empty (write one)"
    );
    assert_eq!(error.problem().unwrap().field.as_deref(), Some("question"));
}

#[tokio::test(start_paused = true)]
async fn answers_are_bounded_in_size_and_time() {
    let endless = Part::Bytes(vec![b' '; 600].into());
    let fake = Fake::of(vec![
        Reply::json(200, &json!({}))
            .then(endless.clone())
            .then(endless),
        Reply::json(200, &json!({})).then(Part::Stall),
    ]);
    let client = fake.client_with(Options {
        max_answer_bytes: 1000,
        ..Options::default()
    });
    let error = client.get(sample::id(SEED)).await.unwrap_err();
    assert!(matches!(error, Error::Contract(_)), "{error}");
    let error = client.get(sample::id(SEED)).await.unwrap_err();
    assert!(matches!(error, Error::Silent(_)), "{error}");
}

#[tokio::test]
async fn the_token_is_sent_over_tcp_and_shown_nowhere() {
    let fake = Fake::new(|_| Reply::json(200, &json!({ "data": [] })));
    let (server, _serving) = fake.listen().await;
    let client = Client::new(&format!("http://{server}/"), Some("geheim")).unwrap();
    client.models().await.unwrap();
    let asked = fake.ledger().pop().unwrap();
    assert_eq!(asked.header("authorization"), Some("Bearer geheim"));
    assert_eq!(asked.uri.path(), "/v1/models");
    assert!(!format!("{client:?}").contains("geheim"));
}

#[tokio::test]
async fn an_address_that_nobody_serves_is_unreachable_and_a_wrong_one_is_said_so() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let client = Client::new(&format!("http://{address}"), None).unwrap();
    let error = client.models().await.unwrap_err();
    assert!(
        matches!(&error, Error::Unreachable(why) if why.never_sent()),
        "{error}"
    );
    assert!(error.is_transient());
    for wrong in ["localhost:8717", "", "ftp://x", "http://", "magi"] {
        let error = Client::new(wrong, None).unwrap_err();
        assert!(matches!(error, Error::Address(_)), "{wrong}");
    }
    assert!(matches!(
        Client::new("http://x", Some("a\nb")),
        Err(Error::Address(_))
    ));
    assert_eq!(Options::default().silence, Duration::from_secs(20));
}
