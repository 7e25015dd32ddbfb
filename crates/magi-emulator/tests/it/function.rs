//! The Function URL and the runtime API behind it, with the real runtime client in a process of its own.

use std::time::{Duration, SystemTime};

use magi_emulator::cloud::{
    Account, Auth, Billed, Cors, Failure, Function, FunctionConfig, FunctionUrl, InvokeMode, Start,
    UrlConfig,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::client;
use crate::cloud_function::{self, scripted, signed};

/// A function with its URLs; everything ends when it is dropped.
struct Cloud {
    account: Account,
    function: Function,
    stop: CancellationToken,
    tracker: TaskTracker,
    _guard: DropGuard,
}

impl Cloud {
    fn new(start: Start) -> Cloud {
        Cloud::with(FunctionConfig::new("magi", start))
    }

    fn with(config: FunctionConfig) -> Cloud {
        let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
        let account = Account::demo();
        Cloud {
            function: Function::new(config, account.clone(), stop.clone(), tracker.clone()),
            account,
            _guard: stop.clone().drop_guard(),
            stop,
            tracker,
        }
    }

    async fn url(&self, config: UrlConfig) -> FunctionUrl {
        let stop = self.stop.clone();
        FunctionUrl::start(config, self.function.clone(), stop, &self.tracker)
            .await
            .unwrap()
    }

    async fn open(&self, mode: InvokeMode) -> FunctionUrl {
        self.url(UrlConfig::new(Auth::None, mode)).await
    }

    /// Waits until so many invocations are over, and returns them.
    async fn billed(&self, count: usize) -> Vec<Billed> {
        let over =
            |function: &Function| function.billed().len() >= count && function.running() == 0;
        let waited = tokio::time::timeout(Duration::from_secs(30), self.function.until(over)).await;
        waited.unwrap_or_else(|_| panic!("not over: {:?}", self.function.billed()));
        self.function.billed()
    }
}

async fn get(url: &FunctionUrl, path: &str) -> reqwest::Response {
    let at = format!("{}{path}", url.url());
    client().get(at).send().await.unwrap()
}

/// Reads a body to its end or its break.
async fn text(mut response: reqwest::Response) -> (String, bool) {
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            ended => return (String::from_utf8(bytes).unwrap(), ended.is_ok()),
        }
    }
}

fn now(account: &Account) -> SystemTime {
    account.now().into()
}

#[tokio::test]
async fn every_event_leaves_before_the_next_one_is_made() {
    let cloud = Cloud::new(cloud_function::start());
    let url = cloud.open(InvokeMode::Stream).await;
    let gate = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let path = format!("/gated?gate={}", gate.local_addr().unwrap());
    let (asked, opened) = tokio::join!(get(&url, &path), async {
        // The head is sent with the first bytes of the body, as `lambda_runtime` sends it before them.
        gate.accept().await.unwrap().0
    });
    let (mut asked, mut opened) = (asked, opened);
    assert_eq!(asked.status(), 200);
    assert_eq!(asked.headers()["content-type"], "text/event-stream");
    assert!(asked.headers().contains_key("x-amzn-requestid"));
    for number in 0..20 {
        opened.write_all(b".").await.unwrap();
        let chunk = asked.chunk().await.unwrap().unwrap();
        assert_eq!(chunk, format!("data: {number}\n\n"));
    }
    drop(opened);
    assert_eq!(asked.chunk().await.unwrap(), None);
    let billed = cloud.billed(1).await;
    assert_eq!((billed[0].failure.clone(), billed[0].unread), (None, 0));
    assert!(billed[0].init_ms.is_some());
    assert_eq!(url.held().now(), 0);
    assert!(
        url.held().most() < 128,
        "one event at a time: {}",
        url.held().most()
    );
}

#[tokio::test]
async fn the_function_sees_the_request_as_format_2_0() {
    let cloud = Cloud::new(cloud_function::start());
    let url = cloud
        .url(UrlConfig::new(Auth::Iam, InvokeMode::Stream))
        .await;
    let keys = cloud
        .account
        .issue("arn:aws:iam::123456789012:role/page", &["lambda:*"]);
    let at = format!("{}/echo?a=1&a=2&b=x%20y", url.url());
    let before = u64::try_from(cloud.account.now().as_millisecond()).unwrap();
    let key = (
        keys.access_key_id.as_str(),
        keys.secret_access_key.as_str(),
        keys.session_token.as_deref(),
    );
    let body = json!({"question": "東京に?"}).to_string();
    let mut request = signed(&client(), &at, &body, key, now(&cloud.account));
    request
        .headers_mut()
        .insert("cookie", "k=v; l=w".parse().unwrap());
    request.headers_mut().insert(
        "x-amzn-trace-id",
        "Root=1-5759e988-bd862e3fe1be46a994272793".parse().unwrap(),
    );
    let response = client().execute(request).await.unwrap();
    let (id, trace) = (
        response.headers()["x-amzn-requestid"].clone(),
        response.headers()["x-amzn-trace-id"].clone(),
    );
    let seen: Value = response.json().await.unwrap();
    let context = &seen["context"];
    assert_eq!(context["http"]["method"], "POST");
    assert_eq!(context["http"]["path"], "/echo");
    assert_eq!(context["http"]["sourceIp"], "127.0.0.1");
    assert_eq!(context["accountId"], "123456789012");
    assert_eq!(context["stage"], "$default");
    assert_eq!(context["requestId"], id.to_str().unwrap());
    let iam = &context["authorizer"]["iam"];
    assert_eq!(iam["accessKey"], keys.access_key_id);
    assert!(
        iam["userArn"]
            .as_str()
            .unwrap()
            .contains(":assumed-role/page/")
    );
    assert_eq!(iam["callerId"], iam["userId"]);
    assert!(
        seen["uri"]
            .as_str()
            .unwrap()
            .ends_with("/echo?a=1&a=2&b=x%20y"),
        "{}",
        seen["uri"]
    );
    assert_eq!(seen["headers"]["content-type"], "application/json");
    assert_eq!(seen["headers"]["cookie"], "k=v; l=w");
    assert_eq!(seen["headers"].get("authorization"), None);
    assert!(
        trace
            .to_str()
            .unwrap()
            .starts_with("Root=1-5759e988-bd862e3fe1be46a994272793;")
    );
    assert_eq!(seen["trace"], trace.to_str().unwrap());
    assert_eq!(seen["request_id"], id.to_str().unwrap());
    assert_eq!(
        seen["arn"],
        "arn:aws:lambda:us-east-1:123456789012:function:magi"
    );
    assert_eq!(
        (&seen["text"], &seen["function"]),
        (&json!(true), &json!("magi"))
    );
    assert_eq!(seen["body"], json!(body.as_bytes()));
    assert_eq!(seen["leaked"], false);
    let left = seen["deadline_ms"].as_u64().unwrap() - before;
    assert!(
        (899_000..960_000).contains(&left),
        "{left} ms are left of 900 s"
    );
}

#[tokio::test]
async fn a_body_that_is_no_text_arrives_byte_for_byte() {
    let cloud = Cloud::new(cloud_function::start());
    let url = cloud.open(InvokeMode::Stream).await;
    let bytes = vec![0, 159, 146, 150, 255];
    let asked = client()
        .post(format!("{}/echo", url.url()))
        .body(bytes.clone());
    let seen: Value = asked.send().await.unwrap().json().await.unwrap();
    assert_eq!(
        (&seen["text"], &seen["body"]),
        (&json!(false), &json!(bytes))
    );
    assert_eq!(
        seen["context"]
            .get("authorizer")
            .filter(|said| !said.is_null()),
        None
    );
}

#[tokio::test]
async fn status_headers_and_cookies_come_from_the_prelude_in_both_modes() {
    let cloud = Cloud::new(cloud_function::start());
    for mode in [InvokeMode::Stream, InvokeMode::Buffered] {
        let url = cloud.open(mode).await;
        let response = get(&url, "/teapot").await;
        assert_eq!(response.status(), 418);
        let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1; Path=/", "b=2"]);
        assert_eq!(response.headers()["x-own"], "kettle");
        let length = response.content_length();
        assert_eq!(length, (mode == InvokeMode::Buffered).then_some(15));
        assert_eq!(text(response).await, ("short and stout".to_owned(), true));
    }
    // One instance was enough: the second invocation found it warm.
    let billed = cloud.billed(2).await;
    assert_eq!((billed[0].instance, billed[1].instance), (0, 0));
    assert_eq!(
        (billed[0].init_ms.is_some(), billed[1].init_ms),
        (true, None)
    );
}

#[tokio::test]
async fn whoever_did_not_sign_or_may_not_is_forbidden_in_awss_words() {
    let cloud = Cloud::new(cloud_function::start());
    let url = cloud
        .url(UrlConfig::new(Auth::Iam, InvokeMode::Stream))
        .await;
    let at = format!("{}/teapot", url.url());
    let half = ["lambda:InvokeFunctionUrl"];
    cloud.account.add_user("half", "AKIDHALF", "s", &half);
    cloud
        .account
        .add_user("other", "AKIDOTHER", "s", &["lambda:InvokeFunction"]);
    let unsigned = client().post(&at).build().unwrap();
    let sign = |id, secret| {
        signed(
            &client(),
            &at,
            "{}",
            (id, secret, None),
            now(&cloud.account),
        )
    };
    for request in [unsigned, sign("AKIDHALF", "s"), sign("AKIDOTHER", "s")] {
        let response = client().execute(request).await.unwrap();
        assert_eq!(response.status(), 403);
        assert_eq!(
            response.headers()["x-amzn-errortype"],
            "AccessDeniedException"
        );
        assert!(response.headers().get("x-amzn-trace-id").is_none());
        let (words, _) = text(response).await;
        assert!(
            words.starts_with("{\"Message\":\"Forbidden. For troubleshooting"),
            "{words}"
        );
    }
    let wrong = client().execute(sign("AKIDHALF", "t")).await.unwrap();
    assert_eq!(
        (
            wrong.status().as_u16(),
            &wrong.headers()["x-amzn-errortype"]
        ),
        (403, &"InvalidSignatureException".parse().unwrap())
    );
    let mut changed = sign(Account::DEPLOYER, Account::DEPLOYER_SECRET);
    *changed.body_mut() = Some("[]".into());
    assert_eq!(client().execute(changed).await.unwrap().status(), 403);
    let whole = sign(Account::DEPLOYER, Account::DEPLOYER_SECRET);
    assert_eq!(client().execute(whole).await.unwrap().status(), 418);
    assert_eq!(
        cloud.billed(1).await.len(),
        1,
        "a refused request starts nothing"
    );
}

#[tokio::test]
async fn cors_is_answered_by_the_front_before_iam() {
    let cloud = Cloud::new(cloud_function::start());
    let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let mut config = UrlConfig::new(Auth::Iam, InvokeMode::Stream);
    config.cors = Some(Cors {
        origins: list(&["https://page.example"]),
        methods: list(&["GET", "POST"]),
        headers: list(&["authorization", "content-type"]),
        expose: list(&["x-own"]),
        credentials: false,
        max_age: 300,
    });
    let url = cloud.url(config).await;
    let ask = |origin: &str| {
        client()
            .request(reqwest::Method::OPTIONS, url.url())
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .send()
    };
    let ours = ask("https://page.example").await.unwrap();
    assert_eq!(ours.status(), 200);
    assert_eq!(
        ours.headers()["access-control-allow-origin"],
        "https://page.example"
    );
    assert_eq!(ours.headers()["access-control-allow-methods"], "GET,POST");
    assert_eq!(
        ours.headers()["access-control-allow-headers"],
        "authorization,content-type"
    );
    assert_eq!(ours.headers()["access-control-max-age"], "300");
    let theirs = ask("https://else.example").await.unwrap();
    assert_eq!(theirs.headers().get("access-control-allow-origin"), None);
    // An error is readable for the page too, and a function's own header stands beside ours.
    let denied = client()
        .post(url.url())
        .header("origin", "https://page.example")
        .send();
    let denied = denied.await.unwrap();
    assert_eq!(
        (
            denied.status().as_u16(),
            denied.headers()["access-control-allow-origin"]
                .to_str()
                .unwrap()
        ),
        (403, "https://page.example")
    );
    let key = (Account::DEPLOYER, Account::DEPLOYER_SECRET, None);
    let mut request = signed(
        &client(),
        &format!("{}/teapot", url.url()),
        "",
        key,
        now(&cloud.account),
    );
    request
        .headers_mut()
        .insert("origin", "https://page.example".parse().unwrap());
    let teapot = client().execute(request).await.unwrap();
    let origins: Vec<_> = teapot
        .headers()
        .get_all("access-control-allow-origin")
        .iter()
        .collect();
    assert_eq!(origins, ["https://own.example", "https://page.example"]);
    assert_eq!(teapot.headers()["access-control-expose-headers"], "x-own");
    // Without CORS a preflight is a request like any other.
    let bare = cloud
        .url(UrlConfig::new(Auth::Iam, InvokeMode::Stream))
        .await;
    let refused = client()
        .request(reqwest::Method::OPTIONS, bare.url())
        .header("origin", "https://page.example")
        .header("access-control-request-method", "POST");
    assert_eq!(refused.send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn an_error_before_the_response_is_502_in_the_fronts_words() {
    let cloud = Cloud::new(cloud_function::start());
    for mode in [InvokeMode::Stream, InvokeMode::Buffered] {
        let url = cloud.open(mode).await;
        for path in ["/error", "/exit"] {
            let response = get(&url, path).await;
            assert_eq!(response.status(), 502);
            assert_eq!(
                text(response).await,
                ("Internal Server Error".to_owned(), true)
            );
        }
    }
    let billed = cloud.billed(4).await;
    let Some(Failure::Function(_, words)) = &billed[0].failure else {
        panic!("{:?}", billed[0]);
    };
    assert!(words.contains("the council is out"), "{words}");
    assert_eq!(billed[1].failure, Some(Failure::Exit));
    assert_eq!(
        (billed[0].instance, billed[1].instance, billed[2].instance),
        (0, 0, 1)
    );
}

/// `lambda_runtime` 1.5 declares trailers and writes the failure into the body: the reader gets it as data,
/// and to Lambda the invocation is a success.
#[tokio::test]
async fn an_error_in_the_middle_arrives_as_data_as_on_aws() {
    let cloud = Cloud::new(cloud_function::start());
    let url = cloud.open(InvokeMode::Stream).await;
    let (body, well) = text(get(&url, "/broken").await).await;
    let (first, rest) = body.split_at(9);
    assert_eq!((first, well), ("data: 1\n\n", true));
    assert!(
        rest.starts_with("Lambda-Runtime-Function-Error-Type: Runtime.StreamError\r\n"),
        "{rest}"
    );
    assert_eq!(cloud.billed(1).await[0].failure, None);
}

#[tokio::test]
async fn error_trailers_cut_the_stream() {
    let cloud = Cloud::new(scripted(concat!(
        "POST /2018-06-01/runtime/invocation/ID/response HTTP/1.1\r\nhost: x\r\n",
        "transfer-encoding: chunked\r\nlambda-runtime-function-response-mode: streaming\r\n",
        "content-type: application/vnd.awslambda.http-integration-response\r\n",
        "trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n",
        // The prelude's NULs stand across two chunks, and a byte of the body beside them.
        "17\r\n{\"statusCode\":201}\0\0\0\0\0\r\n4\r\n\0\0\0d\r\n2\r\nat\r\n0\r\n",
        "Lambda-Runtime-Function-Error-Type: Runtime.Broke\r\n",
        "Lambda-Runtime-Function-Error-Body: dG9ybg==\r\n\r\n",
    )));
    let url = cloud.open(InvokeMode::Stream).await;
    let response = get(&url, "/").await;
    assert_eq!(response.status(), 201);
    assert_eq!(text(response).await, ("dat".to_owned(), false));
    let failure = Failure::Stream("Runtime.Broke".to_owned(), "torn".to_owned());
    assert_eq!(cloud.billed(1).await[0].failure, Some(failure));
    let url = cloud.open(InvokeMode::Buffered).await;
    assert_eq!(get(&url, "/").await.status(), 502);
}

#[tokio::test]
async fn a_response_in_one_piece_is_read_where_it_is_buffered_and_raw_where_it_streams() {
    let cloud = Cloud::new(scripted(concat!(
        "POST /2018-06-01/runtime/invocation/ID/response HTTP/1.1\r\nhost: x\r\ncontent-length: 72\r\n\r\n",
        r#"{"statusCode":202,"headers":{"x-a":"b"},"body":"aGk=","isBase64Encoded":"#,
        "true}",
    ).replace("72", "77").leak()));
    let url = cloud.open(InvokeMode::Buffered).await;
    let response = get(&url, "/").await;
    assert_eq!(
        (
            response.status().as_u16(),
            response.headers()["x-a"].to_str().unwrap()
        ),
        (202, "b")
    );
    assert_eq!(text(response).await.0, "hi");
    let url = cloud.open(InvokeMode::Stream).await;
    let response = get(&url, "/").await;
    assert_eq!(
        (
            response.status().as_u16(),
            response.headers()["content-type"].to_str().unwrap()
        ),
        (200, "application/octet-stream")
    );
    assert!(text(response).await.0.starts_with("{\"statusCode\":202"));
}

#[tokio::test]
async fn json_without_a_status_is_the_body_of_a_200() {
    let cloud = Cloud::new(scripted(
        "POST /2018-06-01/runtime/invocation/ID/response HTTP/1.1\r\nhost: x\r\ncontent-length: 7\r\n\r\n{\"a\":1}",
    ));
    let url = cloud.open(InvokeMode::Buffered).await;
    let response = get(&url, "/").await;
    assert_eq!(
        (
            response.status().as_u16(),
            response.headers()["content-type"].to_str().unwrap()
        ),
        (200, "application/json")
    );
    assert_eq!(text(response).await.0, "{\"a\":1}");
}

#[tokio::test]
async fn six_megabytes_are_the_end_where_it_buffers_and_not_where_it_streams() {
    let cloud = Cloud::new(cloud_function::start());
    let mut config = UrlConfig::new(Auth::None, InvokeMode::Stream);
    config.rate = 0;
    let streams = cloud.url(config).await;
    let path = format!("/big?bytes={}", 7 << 20);
    let (body, well) = text(get(&streams, &path).await).await;
    assert_eq!((body.len(), well), (7 << 20, true));
    assert!(
        streams.held().most() <= 64 << 10,
        "{}",
        streams.held().most()
    );
    let buffers = cloud.open(InvokeMode::Buffered).await;
    let response = get(&buffers, &path).await;
    assert_eq!(response.status(), 502);
    let response = get(&buffers, &format!("/big?bytes={}", 5 << 20)).await;
    assert_eq!(response.content_length(), Some(5 << 20));
    assert_eq!(text(response).await.0.len(), 5 << 20);
    assert!(
        buffers.held().most() >= 5 << 20,
        "what buffers holds it all"
    );
    let billed = cloud.billed(3).await;
    assert_eq!(billed[1].failure, Some(Failure::TooLarge));
    // The request's own limit is the same.
    let large = client().post(streams.url()).body(vec![0; (6 << 20) + 1]);
    let refused = large.send().await.unwrap();
    assert_eq!(
        (
            refused.status().as_u16(),
            refused.headers()["x-amzn-errortype"].to_str().unwrap()
        ),
        (413, "RequestTooLargeException")
    );
}

#[tokio::test]
async fn a_stream_breaks_off_at_its_limit() {
    let cloud = Cloud::new(cloud_function::start());
    let mut config = UrlConfig::new(Auth::None, InvokeMode::Stream);
    config.stream_limit = 1 << 20;
    let url = cloud.url(config).await;
    let (body, well) = text(get(&url, &format!("/big?bytes={}", 2 << 20)).await).await;
    assert!(!well && body.len() <= 1 << 20);
    assert_eq!(cloud.billed(1).await[0].failure, Some(Failure::TooLarge));
}

#[tokio::test]
async fn an_invocation_past_its_time_is_killed_and_its_stream_cut() {
    let mut config = FunctionConfig::new("magi", cloud_function::start());
    config.timeout = Duration::from_secs(2);
    let cloud = Cloud::with(config);
    let url = cloud.open(InvokeMode::Stream).await;
    let response = get(&url, "/hang").await;
    assert_eq!(response.status(), 502);
    let response = get(&url, "/hang-later").await;
    assert_eq!(response.status(), 200);
    assert_eq!(text(response).await, ("data: 1\n\n".to_owned(), false));
    let gate = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let path = format!("/exit-later?gate={}", gate.local_addr().unwrap());
    let mut asked = get(&url, &path).await;
    let (mut opened, _) = gate.accept().await.unwrap();
    opened.write_all(b".").await.unwrap();
    assert_eq!(asked.chunk().await.unwrap().unwrap(), "data: 0\n\n");
    drop(opened);
    assert!(asked.chunk().await.is_err());
    let billed = cloud.billed(3).await;
    assert_eq!(billed[0].failure, Some(Failure::Timeout));
    assert_eq!(billed[1].failure, Some(Failure::Timeout));
    assert_eq!(billed[2].failure, Some(Failure::Exit));
    assert_eq!(
        billed.iter().map(|one| one.instance).collect::<Vec<_>>(),
        [0, 1, 2]
    );
    let none = cloud.function.until(|function| function.instances() == 0);
    tokio::time::timeout(Duration::from_secs(30), none)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_instance_that_does_not_start_in_time_or_at_all_is_502() {
    let Start::Command(slow) = cloud_function::start() else {
        unreachable!("it is a process");
    };
    let missing = magi_emulator::cloud::Launch::new("/nowhere/bootstrap");
    for (launch, late) in [(slow.env("SLOW_START", "1"), true), (missing, false)] {
        let mut config = FunctionConfig::new("magi", Start::Command(launch));
        config.init_timeout = Duration::from_millis(if late { 300 } else { 10_000 });
        let cloud = Cloud::with(config);
        let url = cloud.open(InvokeMode::Stream).await;
        assert_eq!(get(&url, "/teapot").await.status(), 502);
        let failure = cloud.billed(1).await[0].failure.clone();
        assert_eq!(failure == Some(Failure::InitTimeout), late, "{failure:?}");
        assert_eq!(matches!(failure, Some(Failure::Init(_))), !late);
    }
}

#[tokio::test]
async fn an_instance_that_cannot_start_says_why() {
    let cloud = Cloud::new(Start::Here(std::sync::Arc::new(|api| {
        Box::pin(async move {
            let url = format!("http://{api}/2018-06-01/runtime/init/error");
            let told = client()
                .post(url)
                .body("{\"errorType\":\"Runtime.NoKey\"}")
                .send();
            assert_eq!(told.await.unwrap().status(), 202);
        })
    })));
    let url = cloud.open(InvokeMode::Stream).await;
    assert_eq!(get(&url, "/").await.status(), 502);
    let failure = cloud.billed(1).await[0].failure.clone();
    assert!(
        matches!(&failure, Some(Failure::Init(words)) if words.contains("NoKey")),
        "{failure:?}"
    );
}

#[tokio::test]
async fn concurrent_invocations_have_instances_of_their_own_up_to_the_bound() {
    let mut config = FunctionConfig::new("magi", cloud_function::start());
    config.concurrency = 2;
    let cloud = Cloud::with(config);
    let url = cloud.open(InvokeMode::Stream).await;
    let gate = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let path = format!("/gated?gate={}", gate.local_addr().unwrap());
    let (one, two) = tokio::join!(get(&url, &path), get(&url, &path));
    let gates = (gate.accept().await.unwrap(), gate.accept().await.unwrap());
    let third = get(&url, "/echo").await;
    assert_eq!(
        (
            third.status().as_u16(),
            third.headers()["x-amzn-errortype"].to_str().unwrap()
        ),
        (429, "TooManyRequestsException")
    );
    drop(gates);
    assert!(text(one).await.1 && text(two).await.1);
    let billed = cloud.billed(2).await;
    assert_ne!(billed[0].instance, billed[1].instance);
    assert_eq!(cloud.function.instances(), 2);
    assert_eq!(get(&url, "/echo").await.status(), 200);
    assert_eq!(cloud.function.instances(), 2, "a warm one was taken");
}

#[tokio::test]
async fn after_the_client_left_the_invocation_runs_on_and_is_billed() {
    let cloud = Cloud::new(cloud_function::start());
    let url = cloud.open(InvokeMode::Stream).await;
    let gate = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let path = format!("/gated?gate={}", gate.local_addr().unwrap());
    let mut asked = get(&url, &path).await;
    let (mut opened, _) = gate.accept().await.unwrap();
    opened.write_all(b".").await.unwrap();
    assert_eq!(asked.chunk().await.unwrap().unwrap(), "data: 0\n\n");
    drop(asked);
    while url.held().unread() == 0 {
        opened.write_all(b".").await.unwrap();
    }
    assert_eq!(cloud.function.running(), 1, "nobody told the function");
    drop(opened);
    let billed = cloud.billed(1).await;
    assert_eq!(billed[0].failure, None);
    assert!(billed[0].unread > 0, "{:?}", billed[0]);
    assert_eq!(url.held().now(), 0);
}

#[tokio::test]
async fn a_client_that_does_not_read_stops_the_source_and_the_front_holds_little() {
    let cloud = Cloud::new(cloud_function::start());
    let mut config = UrlConfig::new(Auth::None, InvokeMode::Stream);
    config.rate = 0;
    let url = cloud.url(config).await;
    let meter = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let all = 64 << 20;
    let path = format!("/big?bytes={all}&meter={}", meter.local_addr().unwrap());
    let host = url.url().replace("http://", "");
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 << 10).unwrap();
    let mut socket = socket.connect(host.parse().unwrap()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let (mut metered, _) = meter.accept().await.unwrap();
    let (mut made, mut read) = (0_usize, 0_usize);
    let mut marks = vec![0; 4_096];
    let mut bytes = vec![0; 256 << 10];
    // The source makes what fits into the sockets between, then no more than the client reads.
    let lead = 24 << 20;
    while read < all {
        while made < all.min(read + (64 << 10)) {
            made += metered.read(&mut marks).await.unwrap() * 4_096;
        }
        while let Ok(more) = metered.try_read(&mut marks)
            && more > 0
        {
            made += more * 4_096;
        }
        assert!(
            made <= read + lead,
            "{made} bytes were made when {read} were read"
        );
        read += socket.read(&mut bytes).await.unwrap();
    }
    assert!(url.held().most() > 4 << 10, "nothing was ever in the way");
    assert!(
        url.held().most() <= 64 << 10,
        "{} bytes are held",
        url.held().most()
    );
}

#[tokio::test]
async fn a_buffering_front_answers_only_at_the_end() {
    let cloud = Cloud::new(cloud_function::start());
    let url = cloud.open(InvokeMode::Buffered).await;
    let gate = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let path = format!("/gated?gate={}", gate.local_addr().unwrap());
    let mut asked = std::pin::pin!(get(&url, &path));
    let opened = tokio::select! {
        _ = &mut asked => panic!("answered before the function did"),
        opened = gate.accept() => opened.unwrap().0,
    };
    let mut opened = opened;
    opened.write_all(b"....").await.unwrap();
    while url.held().now() < 36 {
        tokio::select! {
            _ = &mut asked => panic!("answered in the middle"),
            () = tokio::task::yield_now() => {}
        }
    }
    drop(opened);
    let response = asked.await;
    assert_eq!(
        text(response).await.0,
        "data: 0\n\ndata: 1\n\ndata: 2\n\ndata: 3\n\n"
    );
}

#[tokio::test]
async fn the_runtime_api_refuses_what_is_out_of_order() {
    let (told, mut heard) = tokio::sync::mpsc::channel::<u16>(8);
    let cloud = Cloud::new(Start::Here(std::sync::Arc::new(move |api| {
        let told = told.clone();
        Box::pin(async move {
            let base = format!("http://{api}/2018-06-01/runtime");
            let next = client()
                .get(format!("{base}/invocation/next"))
                .send()
                .await
                .unwrap();
            let id = next.headers()["lambda-runtime-aws-request-id"]
                .to_str()
                .unwrap()
                .to_owned();
            let post = |path: String| client().post(format!("{base}/{path}")).body("{}").send();
            let again = client()
                .get(format!("{base}/invocation/next"))
                .send()
                .await
                .unwrap();
            for status in [
                again.status(),
                post("invocation/else/response".to_owned())
                    .await
                    .unwrap()
                    .status(),
                post("init/error".to_owned()).await.unwrap().status(),
                post(format!("invocation/{id}/response"))
                    .await
                    .unwrap()
                    .status(),
                post(format!("invocation/{id}/response"))
                    .await
                    .unwrap()
                    .status(),
                post("restore/error".to_owned()).await.unwrap().status(),
            ] {
                told.send(status.as_u16()).await.unwrap();
            }
            let _ = client().get(format!("{base}/invocation/next")).send().await;
        })
    })));
    let url = cloud.open(InvokeMode::Stream).await;
    assert_eq!(get(&url, "/").await.status(), 200);
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(heard.recv().await.unwrap());
    }
    assert_eq!(statuses, [403, 400, 403, 202, 403, 404]);
}
