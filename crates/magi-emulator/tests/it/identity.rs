//! The identity pool as a browser uses it.

use http::StatusCode;
use jiff::Timestamp;
use magi_emulator::cloud::{
    Account, Credentials, IdentityPool, Issuer, PoolConfig, Provider, Role, verify,
};
use reqwest::Response;
use serde_json::{Value, json};

use crate::sigv4::{How, Sample, signed};

const PROVIDER: &str = "cognito-idp.us-east-1.amazonaws.com/us-east-1_magi";

async fn call(pool: &IdentityPool, operation: &str, body: &Value) -> Response {
    let target = format!("AWSCognitoIdentityService.{operation}");
    crate::client()
        .post(pool.url())
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", target)
        .header("origin", "https://main.d111.amplifyapp.com")
        .body(body.to_string())
        .send()
        .await
        .unwrap()
}

async fn said(pool: &IdentityPool, operation: &str, body: &Value) -> Value {
    let response = call(pool, operation, body).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    assert_eq!(
        response.headers()["content-type"],
        "application/x-amz-json-1.1"
    );
    response.json().await.unwrap()
}

/// The exception's name and words.
async fn refused(pool: &IdentityPool, operation: &str, body: &Value) -> (String, String) {
    let response = call(pool, operation, body).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let kind = response.headers()["x-amzn-errortype"]
        .to_str()
        .unwrap()
        .to_owned();
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["__type"], kind);
    (
        kind,
        body["message"].as_str().unwrap_or_default().to_owned(),
    )
}

fn role(name: &str) -> Role {
    let arn = format!("arn:aws:iam::123456789012:role/{name}");
    Role::new(&arn, &["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"])
}

/// Signs something with the keys that a pool gave and has the account say who it was.
fn who(account: &Account, keys: &Value) -> magi_emulator::cloud::Principal {
    let mut given: Credentials = account.deployer();
    given.access_key_id = keys["AccessKeyId"].as_str().unwrap().to_owned();
    given.secret_access_key = keys["SecretKey"].as_str().unwrap().to_owned();
    given.session_token = Some(keys["SessionToken"].as_str().unwrap().to_owned());
    let sample = Sample {
        method: "POST",
        uri: "http://127.0.0.1:9/".to_owned(),
        headers: Vec::new(),
        body: b"{}".to_vec(),
    };
    let how = How {
        keys: &given,
        presigned: None,
        region: Account::REGION,
        at: account.now(),
    };
    let (parts, body) = signed(&sample, &how);
    verify(account, &parts, &body, "bedrock-agentcore", account.now()).unwrap()
}

#[tokio::test]
async fn a_guest_gets_keys_that_sign() {
    let account = Account::demo();
    let mut config = PoolConfig::default();
    config.guests = Some(role("guest"));
    let pool = IdentityPool::start(&account, config).await.unwrap();
    let id = said(&pool, "GetId", &json!({"IdentityPoolId": pool.id()})).await;
    let id = id["IdentityId"].as_str().unwrap().to_owned();
    assert!(id.starts_with("us-east-1:"));
    let given = said(
        &pool,
        "GetCredentialsForIdentity",
        &json!({"IdentityId": id}),
    )
    .await;
    assert_eq!(given["IdentityId"], id);
    let keys = &given["Credentials"];
    let end = keys["Expiration"].as_i64().unwrap();
    let left = end - account.now().as_second();
    assert!((3_500..=3_600).contains(&left), "{left} s");
    let guest = who(&account, keys);
    assert_eq!(
        guest.arn,
        "arn:aws:sts::123456789012:assumed-role/guest/CognitoIdentityCredentials"
    );
    assert!(guest.may("lambda:InvokeFunctionUrl"));
    assert!(!guest.may("bedrock-agentcore:InvokeAgentRuntime"));
    let cognito = guest.cognito.unwrap();
    assert_eq!(
        (cognito.identity_id.as_str(), cognito.pool_id.as_str()),
        (id.as_str(), pool.id())
    );
    assert_eq!(cognito.amr, ["unauthenticated"]);

    let other = said(&pool, "GetId", &json!({"IdentityPoolId": pool.id()})).await;
    assert_ne!(other["IdentityId"], id);
}

#[tokio::test]
async fn a_user_gets_the_same_identity_again_and_nobody_else_does() {
    let account = Account::demo();
    let issuer = Issuer::new(&format!("https://{PROVIDER}"), b"key");
    let mut config = PoolConfig::default();
    config.guests = Some(role("guest"));
    config.users = Some(role("user"));
    config.providers = vec![Provider {
        name: PROVIDER.to_owned(),
        issuer: issuer.clone(),
        client: "page".to_owned(),
    }];
    let pool = IdentityPool::start(&account, config).await.unwrap();
    let now: Timestamp = account.now();
    let ask = |token: String| json!({"IdentityPoolId": pool.id(), "Logins": {PROVIDER: token}});
    let ada = issuer.token("ada", "page", now, 60);
    let first = said(&pool, "GetId", &ask(ada.clone())).await;
    assert_eq!(
        said(&pool, "GetId", &ask(issuer.token("ada", "page", now, 90))).await,
        first
    );
    let bob = issuer.token("bob", "page", now, 60);
    assert_ne!(said(&pool, "GetId", &ask(bob.clone())).await, first);

    let with =
        |token: &str| json!({"IdentityId": first["IdentityId"], "Logins": {PROVIDER: token}});
    let given = said(&pool, "GetCredentialsForIdentity", &with(&ada)).await;
    let user = who(&account, &given["Credentials"]);
    assert!(user.arn.contains("assumed-role/user/"));
    assert_eq!(user.cognito.unwrap().amr, ["authenticated", PROVIDER]);

    for body in [json!({"IdentityId": first["IdentityId"]}), with(&bob)] {
        let (kind, words) = refused(&pool, "GetCredentialsForIdentity", &body).await;
        assert_eq!(kind, "NotAuthorizedException");
        assert!(words.contains("is forbidden"), "{words}");
    }
    let theirs = Issuer::new(issuer.url(), b"other");
    for (token, words) in [
        (issuer.token("ada", "page", now, -1), "Token expired"),
        (issuer.token("ada", "other", now, 60), "audience"),
        (theirs.token("ada", "page", now, 60), "signature invalid"),
        ("x".to_owned(), "Not a valid OpenId Connect identity token"),
    ] {
        let (kind, said) = refused(&pool, "GetId", &ask(token)).await;
        assert_eq!(kind, "NotAuthorizedException");
        assert!(said.contains(words), "{said}");
    }
}

#[tokio::test]
async fn wrong_calls_are_refused_in_the_services_words() {
    let pool = IdentityPool::start(&Account::demo(), PoolConfig::default())
        .await
        .unwrap();
    let id = "us-east-1:00000000-0000-4000-8000-000000000000";
    let kind = |operation: &'static str, body: Value| {
        let pool = &pool;
        async move { refused(pool, operation, &body).await.0 }
    };
    assert_eq!(
        kind("GetId", json!({"IdentityPoolId": id})).await,
        "ResourceNotFoundException"
    );
    assert_eq!(
        kind("GetId", json!({"IdentityPoolId": "pool"})).await,
        "ValidationException"
    );
    let guest = json!({"IdentityPoolId": pool.id()});
    assert_eq!(kind("GetId", guest).await, "NotAuthorizedException");
    assert_eq!(kind("GetId", json!([])).await, "SerializationException");
    assert_eq!(
        kind("Describe", json!({})).await,
        "UnknownOperationException"
    );
    let login = json!({"IdentityPoolId": pool.id(), "Logins": {"accounts.example": "x"}});
    assert_eq!(kind("GetId", login).await, "NotAuthorizedException");
}

#[tokio::test]
async fn browsers_may_ask_first() {
    let pool = IdentityPool::start(&Account::demo(), PoolConfig::default())
        .await
        .unwrap();
    let preflight = crate::client()
        .request(http::Method::OPTIONS, pool.url())
        .header("origin", "https://main.d111.amplifyapp.com")
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "content-type,x-amz-target",
        )
        .send()
        .await
        .unwrap();
    assert_eq!(preflight.status(), StatusCode::OK);
    assert_eq!(preflight.headers()["access-control-allow-origin"], "*");
    let allowed = preflight.headers()["access-control-allow-headers"]
        .to_str()
        .unwrap();
    assert!(allowed.contains("x-amz-target") && allowed.contains("content-type"));
}
