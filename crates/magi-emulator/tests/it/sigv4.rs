//! The verifying side of Signature Version 4, against AWS's published examples and the real signer.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    SessionTokenMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use http::request::Parts;
use http::{HeaderValue, Request, StatusCode};
use jiff::{SignedDuration, Timestamp};
use magi_emulator::cloud::{Account, Refusal, verify};

/// The instant of AWS's own examples.
fn august() -> Timestamp {
    "2015-08-30T12:36:00Z".parse().unwrap()
}

/// The account of AWS's own examples.
fn example() -> Account {
    let account = Account::with_clock(august);
    account.add_user(
        "example",
        "AKIDEXAMPLE",
        "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        &["*"],
    );
    account
}

/// Reads a request as the examples write it: a line, headers, an empty line, the body.
fn wire(text: &str) -> (Parts, Vec<u8>) {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let mut first = lines.next().unwrap().split(' ');
    let mut request = Request::builder()
        .method(first.next().unwrap())
        .uri(first.next().unwrap());
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        request = request.header(name, value.trim());
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    (parts, body.as_bytes().to_vec())
}

const SCOPE: &str = "Credential=AKIDEXAMPLE/20150830/us-east-1";

/// Source: AWS General Reference, "Signature Version 4 test suite", and the IAM `ListUsers` example of
/// "Create a signed AWS API request".
#[test]
fn the_published_examples_verify_and_one_changed_digit_does_not() {
    let examples = [
        (
            "iam",
            format!(
                "GET /?Action=ListUsers&Version=2010-05-08 HTTP/1.1\nhost: iam.amazonaws.com\n\
                 content-type: application/x-www-form-urlencoded; charset=utf-8\nx-amz-date: 20150830T123600Z\n\
                 authorization: AWS4-HMAC-SHA256 {SCOPE}/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, \
                 Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
            ),
        ),
        (
            "service",
            format!(
                "GET / HTTP/1.1\nhost: example.amazonaws.com\nx-amz-date: 20150830T123600Z\n\
                 authorization: AWS4-HMAC-SHA256 {SCOPE}/service/aws4_request, SignedHeaders=host;x-amz-date, \
                 Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
            ),
        ),
        (
            "service",
            "GET /?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fservice%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders=host&X-Amz-Expires=3600&X-Amz-Signature=e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d HTTP/1.1\n\
             host: example.amazonaws.com"
                .to_owned(),
        ),
        (
            // get-vanilla-query-order-encoded
            "service",
            format!(
                "GET /?Param-3=Value3&Param=Value2&%E1%88%B4=Value1 HTTP/1.1\nhost: example.amazonaws.com\n\
                 x-amz-date: 20150830T123600Z\nauthorization: AWS4-HMAC-SHA256 {SCOPE}/service/aws4_request, \
                 SignedHeaders=host;x-amz-date, Signature=371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"
            ),
        ),
        (
            // get-header-value-trim
            "service",
            format!(
                "GET / HTTP/1.1\nhost: example.amazonaws.com\nmy-header1:  value1\nmy-header2:  \"a   b   c\"\n\
                 x-amz-date: 20150830T123600Z\nauthorization: AWS4-HMAC-SHA256 {SCOPE}/service/aws4_request, \
                 SignedHeaders=host;my-header1;my-header2;x-amz-date, \
                 Signature=acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"
            ),
        ),
        (
            // get-header-key-duplicate
            "service",
            format!(
                "GET / HTTP/1.1\nhost: example.amazonaws.com\nmy-header1: value2\nmy-header1: value2\nmy-header1: value1\n\
                 x-amz-date: 20150830T123600Z\nauthorization: AWS4-HMAC-SHA256 {SCOPE}/service/aws4_request, \
                 SignedHeaders=host;my-header1;x-amz-date, \
                 Signature=c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"
            ),
        ),
        (
            // post-x-www-form-urlencoded, with the body's hash as a header
            "service",
            format!(
                "POST / HTTP/1.1\ncontent-type: application/x-www-form-urlencoded\nhost: example.amazonaws.com\n\
                 content-length: 13\nx-amz-date: 20150830T123600Z\n\
                 x-amz-content-sha256: 9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e\n\
                 authorization: AWS4-HMAC-SHA256 {SCOPE}/service/aws4_request, \
                 SignedHeaders=content-length;content-type;host;x-amz-content-sha256;x-amz-date, \
                 Signature=d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b\n\nParam1=value1"
            ),
        ),
    ];
    for (service, text) in examples {
        let (parts, body) = wire(&text);
        let principal = verify(&example(), &parts, &body, service, august())
            .unwrap_or_else(|refusal| panic!("{text}\n{refusal}"));
        assert_eq!(principal.arn, "arn:aws:iam::123456789012:user/example");

        let at = text.find("Signature=").unwrap() + "Signature=".len();
        let digit = if &text[at..=at] == "0" { "1" } else { "0" };
        let (parts, body) = wire(&format!("{}{digit}{}", &text[..at], &text[at + 1..]));
        let refusal = verify(&example(), &parts, &body, service, august()).unwrap_err();
        assert_eq!(refusal.kind, "InvalidSignatureException", "{text}");
        assert_eq!(refusal.status, StatusCode::FORBIDDEN);
    }
}

/// A request as a client would send it, and the keys to sign it with.
pub(crate) struct Sample {
    pub(crate) method: &'static str,
    pub(crate) uri: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

const SERVICE: &str = "bedrock-agentcore";

/// Random requests: escapes, repeated and empty queries, odd headers, any bytes as body.
fn sample(rng: &mut fastrand::Rng) -> Sample {
    let word = |rng: &mut fastrand::Rng, escape: bool| -> String {
        let pick = |rng: &mut fastrand::Rng| {
            *rng.choice(&[
                'a', 'Z', '0', '-', '_', '.', '~', ':', '@', '+', ' ', '/', '&', '=', '%', '東',
                '!', '*',
            ])
            .unwrap()
        };
        let text: String = (0..rng.usize(1..9)).map(|_| pick(rng)).collect();
        if !escape {
            return text.replace(['東', '/'], "x");
        }
        // Unreserved letters may be escaped as well; a service takes both spellings.
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                    char::from(byte).to_string()
                }
                other => format!("%{other:02X}"),
            })
            .collect()
    };
    let path: String = (0..rng.usize(0..5))
        .map(|_| match rng.u8(..20) {
            0 => "/.".to_owned(),
            1 => "/..".to_owned(),
            2 => "/".to_owned(),
            _ => format!("/{}", word(rng, true)),
        })
        .collect();
    let query: Vec<String> = (0..rng.usize(0..5))
        .map(|_| match rng.u8(..6) {
            0 => word(rng, true),
            1 => format!("{}=", word(rng, true)),
            2 => "same=1".to_owned(),
            _ => format!("{}={}", word(rng, true), word(rng, true)),
        })
        .collect();
    let headers = (0..rng.usize(0..4))
        .map(|n| (format!("x-thing-{n}"), word(rng, false)))
        .collect();
    Sample {
        method: ["GET", "POST", "PUT"][rng.usize(..3)],
        uri: format!(
            "http://127.0.0.1:8080{}{}{}",
            if path.is_empty() { "/" } else { &path },
            if query.is_empty() { "" } else { "?" },
            query.join("&")
        ),
        headers,
        body: (0..rng.usize(0..200)).map(|_| rng.u8(..)).collect(),
    }
}

/// How the real signer is asked to sign.
#[derive(Clone)]
pub(crate) struct How<'a> {
    pub(crate) keys: &'a magi_emulator::cloud::Credentials,
    pub(crate) presigned: Option<Duration>,
    pub(crate) region: &'a str,
    pub(crate) at: Timestamp,
}

/// Signs with AWS's own crate and gives what would arrive.
pub(crate) fn signed(sample: &Sample, how: &How<'_>) -> (Parts, Vec<u8>) {
    let mut settings = SigningSettings::default();
    settings.session_token_mode = SessionTokenMode::Include;
    if let Some(expires) = how.presigned {
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(expires);
    }
    let identity = Credentials::new(
        &how.keys.access_key_id,
        &how.keys.secret_access_key,
        how.keys.session_token.clone(),
        None,
        "test",
    )
    .into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(how.region)
        .name(SERVICE)
        .time(SystemTime::from(how.at))
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let headers = sample.headers.iter().map(|(n, v)| (n.as_str(), v.as_str()));
    let signable = SignableRequest::new(
        sample.method,
        sample.uri.as_str(),
        headers,
        SignableBody::Bytes(&sample.body),
    )
    .unwrap();
    let (instructions, _) = sign(signable, &params).unwrap().into_parts();
    let mut request = Request::builder().method(sample.method).uri(&sample.uri);
    for (name, value) in &sample.headers {
        request = request.header(name, value);
    }
    let mut request = request.body(()).unwrap();
    instructions.apply_to_request_http1x(&mut request);
    let (mut parts, ()) = request.into_parts();
    // On the wire the authority is a header, and the target begins with the path.
    let host = parts.uri.authority().unwrap().to_string();
    parts
        .headers
        .insert("host", HeaderValue::from_str(&host).unwrap());
    parts.uri = parts
        .uri
        .path_and_query()
        .unwrap()
        .as_str()
        .parse()
        .unwrap();
    (parts, sample.body.clone())
}

fn refused(account: &Account, parts: &Parts, body: &[u8]) -> Refusal {
    match verify(account, parts, body, SERVICE, account.now()) {
        Ok(principal) => panic!("{} was let in by {:?}", principal.arn, parts.uri),
        Err(refusal) => refusal,
    }
}

#[test]
fn what_the_real_signer_signs_is_let_in_and_one_changed_byte_is_not() {
    let account = example();
    let session = account.issue("arn:aws:iam::123456789012:role/page", &["*"]);
    let deployer = account.deployer();
    let mut rng = fastrand::Rng::with_seed(20_150_830);
    for round in 0..600 {
        let sample = sample(&mut rng);
        let how = How {
            keys: if round % 2 == 0 { &session } else { &deployer },
            presigned: (round % 3 == 0).then_some(Duration::from_secs(300)),
            region: Account::REGION,
            at: august(),
        };
        let (parts, body) = signed(&sample, &how);
        let told = verify(&account, &parts, &body, SERVICE, august())
            .unwrap_or_else(|refusal| panic!("{round} {} {:?}\n{refusal}", sample.uri, parts));
        assert_eq!(told.access_key, how.keys.access_key_id);

        let mut other = body.clone();
        match other.first_mut() {
            Some(byte) => *byte ^= 1,
            None => other.push(0),
        }
        assert_eq!(
            refused(&account, &parts, &other).kind,
            "InvalidSignatureException"
        );

        let (mut moved, body) = signed(&sample, &how);
        let uri = moved.uri.to_string();
        moved.uri = match uri.split_once('?') {
            Some((path, query)) => format!("{path}?{query}&more=1"),
            None => format!("{uri}?more=1"),
        }
        .parse()
        .unwrap();
        assert_eq!(
            refused(&account, &moved, &body).kind,
            "InvalidSignatureException"
        );

        if let Some((name, _)) = sample.headers.first() {
            let (mut parts, body) = signed(&sample, &how);
            parts.headers.remove(name.as_str());
            assert_eq!(
                refused(&account, &parts, &body).kind,
                "InvalidSignatureException",
                "a signed header that never came"
            );
        }
    }
}

fn plain() -> Sample {
    Sample {
        method: "POST",
        uri: "http://127.0.0.1:8080/runtimes/arn%3Aaws%3Aa%2Fb/invocations?qualifier=DEFAULT"
            .to_owned(),
        headers: vec![("x-amzn-thing".to_owned(), "1".to_owned())],
        body: b"{}".to_vec(),
    }
}

#[test]
fn dates_outside_the_quarter_hour_are_refused() {
    let account = example();
    let keys = account.deployer();
    for (minutes, words) in [
        (0, None),
        (-14, None),
        (14, None),
        (
            -16,
            Some(
                "Signature expired: 20150830T122000Z is now earlier than 20150830T122100Z (20150830T123600Z - 15 min.)",
            ),
        ),
        (
            16,
            Some(
                "Signature not yet current: 20150830T125200Z is still later than 20150830T125100Z (20150830T123600Z + 15 min.)",
            ),
        ),
    ] {
        let how = How {
            keys: &keys,
            presigned: None,
            region: Account::REGION,
            at: august() + SignedDuration::from_mins(minutes),
        };
        let (parts, body) = signed(&plain(), &how);
        match (verify(&account, &parts, &body, SERVICE, august()), words) {
            (Ok(_), None) => {}
            (Err(refusal), Some(words)) => {
                assert_eq!(refusal.message, words);
                assert_eq!(refusal.kind, "InvalidSignatureException");
            }
            (outcome, _) => panic!("{minutes} min: {outcome:?}"),
        }
    }
}

#[test]
fn a_presigned_url_ends_when_it_says() {
    let account = example();
    let keys = account.deployer();
    for (age, is_alive) in [(0, true), (299, true), (301, false)] {
        let how = How {
            keys: &keys,
            presigned: Some(Duration::from_secs(300)),
            region: Account::REGION,
            at: august() - SignedDuration::from_secs(age),
        };
        let (parts, body) = signed(&plain(), &how);
        let outcome = verify(&account, &parts, &body, SERVICE, august());
        assert_eq!(outcome.is_ok(), is_alive, "{age} s: {outcome:?}");
    }
}

#[test]
fn missing_halves_and_unknown_or_wrong_keys_are_each_refused_in_their_own_words() {
    let account = example();
    let now = august();
    let deployer = account.deployer();
    let how = How {
        keys: &deployer,
        presigned: None,
        region: Account::REGION,
        at: now,
    };

    let (mut parts, body) = signed(&plain(), &how);
    parts.headers.remove("authorization");
    let refusal = refused(&account, &parts, &body);
    assert_eq!(refusal.kind, "MissingAuthenticationTokenException");
    assert_eq!(refusal.message, "Missing Authentication Token");

    let (mut parts, body) = signed(&plain(), &how);
    let half = HeaderValue::from_static(
        "AWS4-HMAC-SHA256 Credential=AKIDMAGIDEMO/20150830/us-east-1/x/aws4_request",
    );
    parts.headers.insert("authorization", half);
    let refusal = refused(&account, &parts, &body);
    assert_eq!(refusal.kind, "IncompleteSignatureException");
    assert!(
        refusal.message.contains("requires 'Signature' parameter"),
        "{refusal}"
    );

    let mut unknown = deployer.clone();
    unknown.access_key_id = "AKIDNOBODY".to_owned();
    let (parts, body) = signed(
        &plain(),
        &How {
            keys: &unknown,
            ..how.clone()
        },
    );
    assert_eq!(
        refused(&account, &parts, &body).kind,
        "UnrecognizedClientException"
    );

    let mut wrong = deployer.clone();
    wrong.secret_access_key.push('x');
    let (parts, body) = signed(
        &plain(),
        &How {
            keys: &wrong,
            ..how.clone()
        },
    );
    let refusal = refused(&account, &parts, &body);
    assert_eq!(refusal.kind, "InvalidSignatureException");
    assert!(
        refusal
            .message
            .starts_with("The request signature we calculated does not match")
    );
    assert!(!refusal.message.contains("magi-demo-secret"));
}

#[test]
fn sessions_scopes_and_headers_are_each_refused_in_their_own_words() {
    let account = example();
    let now = august();
    let deployer = account.deployer();
    let how = How {
        keys: &deployer,
        presigned: None,
        region: Account::REGION,
        at: now,
    };

    let session = account.issue("arn:aws:iam::123456789012:role/page", &["*"]);
    let (mut parts, body) = signed(
        &plain(),
        &How {
            keys: &session,
            ..how.clone()
        },
    );
    assert!(verify(&account, &parts, &body, SERVICE, now).is_ok());
    let late = now + SignedDuration::from_secs(3_601);
    let (later, _) = signed(
        &plain(),
        &How {
            keys: &session,
            at: late,
            ..how.clone()
        },
    );
    let refusal = verify(&account, &later, &body, SERVICE, late).unwrap_err();
    assert_eq!(refusal.kind, "ExpiredTokenException");
    parts
        .headers
        .insert("x-amz-security-token", HeaderValue::from_static("another"));
    assert_eq!(
        refused(&account, &parts, &body).kind,
        "UnrecognizedClientException"
    );
    parts.headers.remove("x-amz-security-token");
    assert_eq!(
        refused(&account, &parts, &body).kind,
        "UnrecognizedClientException"
    );

    let (parts, body) = signed(
        &plain(),
        &How {
            region: "eu-west-1",
            ..how.clone()
        },
    );
    let refusal = refused(&account, &parts, &body);
    assert!(
        refusal.message.contains("valid region, not 'eu-west-1'"),
        "{refusal}"
    );
    let refusal = verify(&account, &parts, &body, "lambda", now).unwrap_err();
    assert!(
        refusal.message.contains("correct service: 'lambda'"),
        "{refusal}"
    );

    let (mut parts, body) = signed(&plain(), &how);
    parts
        .headers
        .insert("x-amz-extra", HeaderValue::from_static("1"));
    let refusal = refused(&account, &parts, &body);
    assert!(
        refusal
            .message
            .contains("'x-amz-extra' must be a 'SignedHeader'"),
        "{refusal}"
    );

    let (mut parts, body) = signed(&plain(), &how);
    parts
        .headers
        .insert("host", HeaderValue::from_static("elsewhere.example"));
    assert_eq!(
        refused(&account, &parts, &body).kind,
        "InvalidSignatureException"
    );
}
