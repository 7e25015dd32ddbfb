//! A Cognito identity pool: keys for guests and for signed-in users, in the form browsers ask for them.
//!
//! Source: Amazon Cognito Federated Identities API Reference, `GetId` and `GetCredentialsForIdentity`;
//! AWS JSON 1.1 protocol of Smithy.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http::header::{CONTENT_TYPE, ORIGIN};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::account::{Account, CognitoIdentity};
use super::jwt::{Fault, Issuer};
use super::wire::{self, Answer, FRONT_BUFFER, Front, Out};
use crate::Error;

/// The largest request, in bytes.
const BODY_LIMIT: usize = 256 << 10;

/// Identities a pool remembers; more are refused, so that a loop cannot fill the memory.
const IDENTITIES: usize = 100_000;

const TARGET: &str = "AWSCognitoIdentityService.";
const JSON: &str = "application/x-amz-json-1.1";

/// A role that a pool gives to its identities.
#[derive(Clone, Debug)]
pub struct Role {
    /// The role's ARN.
    pub arn: String,
    /// What it allows, as in [`super::Principal::allows`].
    pub allows: Vec<String>,
}

impl Role {
    /// Names a role and what it allows.
    #[must_use]
    pub fn new(arn: &str, allows: &[&str]) -> Self {
        Role {
            arn: arn.to_owned(),
            allows: allows.iter().map(|action| (*action).to_owned()).collect(),
        }
    }
}

/// A provider that a pool takes logins of.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Its name in `Logins`, as `cognito-idp.us-east-1.amazonaws.com/us-east-1_abc`.
    pub name: String,
    /// Who signs its tokens.
    pub issuer: Issuer,
    /// The client its id tokens are made for.
    pub client: String,
}

/// What an identity pool is like.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PoolConfig {
    /// Where to listen; port 0 takes a free one.
    pub addr: SocketAddr,
    /// The pool's id, `REGION:UUID`; a random one if empty.
    pub id: String,
    /// The role of guests; without one there are none.
    pub guests: Option<Role>,
    /// The role of signed-in users; without one there are none.
    pub users: Option<Role>,
    /// Whose logins are taken.
    pub providers: Vec<Provider>,
}

impl Default for PoolConfig {
    fn default() -> Self {
        PoolConfig {
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            id: String::new(),
            guests: None,
            users: None,
            providers: Vec::new(),
        }
    }
}

/// A running identity pool. Dropping it ends every connection.
#[derive(Debug)]
pub struct IdentityPool {
    addr: SocketAddr,
    pool: Arc<Pool>,
    stop: CancellationToken,
    tracker: TaskTracker,
}

#[derive(Debug)]
struct Pool {
    account: Account,
    config: PoolConfig,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The logins of each identity, `PROVIDER SUBJECT`; none for a guest.
    identities: HashMap<String, Option<String>>,
    /// The identity of each login.
    logins: HashMap<String, String>,
}

/// A refusal in the form of AWS JSON 1.1.
struct Refused {
    kind: &'static str,
    message: String,
}

fn refused(kind: &'static str, message: impl Into<String>) -> Refused {
    Refused {
        kind,
        message: message.into(),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Asked {
    #[serde(default)]
    identity_pool_id: String,
    #[serde(default)]
    identity_id: String,
    #[serde(default)]
    logins: BTreeMap<String, String>,
}

/// Who a set of logins is.
struct Login {
    key: String,
    provider: String,
}

impl IdentityPool {
    /// Starts a pool of an account; it serves until stopped or dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] if the address cannot be listened on.
    pub async fn start(account: &Account, mut config: PoolConfig) -> Result<Self, Error> {
        if config.id.is_empty() {
            config.id = account.region_uuid();
        }
        let stop = CancellationToken::new();
        let tracker = TaskTracker::new();
        let addr = config.addr;
        let pool = Arc::new(Pool {
            account: account.clone(),
            config,
            state: Mutex::default(),
        });
        let front = Arc::clone(&pool);
        let addr = wire::listen(addr, front, FRONT_BUFFER, stop.clone(), &tracker).await?;
        Ok(IdentityPool {
            addr,
            pool,
            stop,
            tracker,
        })
    }

    /// Returns the address it listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns its endpoint, as in `AWS_ENDPOINT_URL_COGNITO_IDENTITY`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Returns the pool's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.pool.config.id
    }

    /// Ends every connection and waits until all tasks are over.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: everything ends all the same.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

impl Drop for IdentityPool {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Front for Pool {
    async fn answer(self: Arc<Self>, request: Request<Incoming>, _peer: SocketAddr) -> Answer {
        let (parts, body) = request.into_parts();
        if parts.method == Method::OPTIONS {
            return preflight();
        }
        let Some(body) = wire::read(body, BODY_LIMIT).await else {
            let message = "Request size exceeded";
            return self.reply(Err(refused("SerializationException", message)));
        };
        let target = parts.headers.get("x-amz-target");
        let target = target.and_then(|value| value.to_str().ok());
        let operation = target.and_then(|value| value.strip_prefix(TARGET));
        let is_post = parts.method == Method::POST && parts.uri.path() == "/";
        let outcome = match operation {
            Some(operation) if is_post => self.operate(operation, &body),
            Some(_) | None => Err(refused("UnknownOperationException", "")),
        };
        let mut answer = self.reply(outcome);
        if parts.headers.contains_key(ORIGIN) {
            let headers = answer.headers_mut();
            headers.insert("access-control-allow-origin", HeaderValue::from_static("*"));
            headers.insert(
                "access-control-expose-headers",
                HeaderValue::from_static(
                    "x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date",
                ),
            );
        }
        answer
    }
}

/// A browser asks before it sends `X-Amz-Target` and AWS's content type, from any page.
fn preflight() -> Answer {
    let mut answer = Response::new(Out::own(""));
    let headers = answer.headers_mut();
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", "POST"),
        (
            "access-control-allow-headers",
            "authorization,content-type,x-amz-date,x-amz-security-token,x-amz-target,x-amz-user-agent,x-amz-content-sha256,amz-sdk-invocation-id,amz-sdk-request,cache-control",
        ),
        ("access-control-max-age", "172800"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

impl Pool {
    fn reply(&self, outcome: Result<Value, Refused>) -> Answer {
        let (status, kind, body) = match outcome {
            Ok(body) => (StatusCode::OK, None, body),
            Err(refused) => {
                let mut body = json!({ "__type": refused.kind });
                if !refused.message.is_empty() {
                    body["message"] = Value::String(refused.message);
                }
                (StatusCode::BAD_REQUEST, Some(refused.kind), body)
            }
        };
        let mut answer = Response::new(Out::own(body.to_string()));
        *answer.status_mut() = status;
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        if let Some(kind) = kind {
            headers.insert("x-amzn-errortype", HeaderValue::from_static(kind));
        }
        if let Ok(id) = HeaderValue::from_str(&self.account.uuid()) {
            headers.insert("x-amzn-requestid", id);
        }
        answer
    }

    fn operate(&self, operation: &str, body: &[u8]) -> Result<Value, Refused> {
        let wrong = |error: serde_json::Error| refused("SerializationException", error.to_string());
        // A list would be read as the fields in their order.
        let asked: Map<String, Value> = serde_json::from_slice(body).map_err(wrong)?;
        let asked: Asked = serde_json::from_value(Value::Object(asked)).map_err(wrong)?;
        match operation {
            "GetId" => self.get_id(&asked),
            "GetCredentialsForIdentity" => self.credentials(&asked),
            _ => Err(refused("UnknownOperationException", "")),
        }
    }

    fn get_id(&self, asked: &Asked) -> Result<Value, Refused> {
        check_id("identityPoolId", &asked.identity_pool_id)?;
        if asked.identity_pool_id != self.config.id {
            let message = format!("IdentityPool '{}' not found.", asked.identity_pool_id);
            return Err(refused("ResourceNotFoundException", message));
        }
        let login = self.login(&asked.logins)?;
        let id = self.account.region_uuid();
        let mut state = self.lock();
        if state.identities.len() >= IDENTITIES {
            return Err(refused("LimitExceededException", "Too many identities."));
        }
        let id = match &login {
            None => id,
            Some(login) => state.logins.entry(login.key.clone()).or_insert(id).clone(),
        };
        state
            .identities
            .insert(id.clone(), login.map(|login| login.key));
        Ok(json!({ "IdentityId": id }))
    }

    fn credentials(&self, asked: &Asked) -> Result<Value, Refused> {
        let id = &asked.identity_id;
        check_id("identityId", id)?;
        let login = self.login(&asked.logins)?;
        let known = self.lock().identities.get(id).cloned();
        let bound = known.ok_or_else(|| {
            refused(
                "ResourceNotFoundException",
                format!("Identity '{id}' not found."),
            )
        })?;
        // An identity with a login is closed to everybody who cannot show it.
        if bound.as_deref() != login.as_ref().map(|login| login.key.as_str()) {
            return Err(refused(
                "NotAuthorizedException",
                format!("Access to Identity '{id}' is forbidden."),
            ));
        }
        let (role, amr) = match &login {
            Some(login) => (
                &self.config.users,
                vec!["authenticated", login.provider.as_str()],
            ),
            None => (&self.config.guests, vec!["unauthenticated"]),
        };
        let role = role.as_ref().ok_or_else(|| {
            refused(
                "InvalidIdentityPoolConfigurationException",
                "Invalid identity pool configuration. Check assigned IAM roles for this pool.",
            )
        })?;
        let allows: Vec<&str> = role.allows.iter().map(String::as_str).collect();
        let keys = self.account.issue_to(
            &role.arn,
            &allows,
            "CognitoIdentityCredentials",
            Some(CognitoIdentity::new(id, &self.config.id, &amr)),
        );
        Ok(json!({
            "IdentityId": id,
            "Credentials": {
                "AccessKeyId": keys.access_key_id,
                "SecretKey": keys.secret_access_key,
                "SessionToken": keys.session_token,
                "Expiration": keys.expires.map(|at| at.as_second()),
            },
        }))
    }

    /// Checks the logins given; `None` for a guest, where guests are let in.
    fn login(&self, logins: &BTreeMap<String, String>) -> Result<Option<Login>, Refused> {
        let Some((name, token)) = logins.iter().next() else {
            if self.config.guests.is_none() {
                return Err(refused(
                    "NotAuthorizedException",
                    "Unauthenticated access is not supported for this identity pool.",
                ));
            }
            return Ok(None);
        };
        if logins.len() > 1 {
            // A pool may merge identities; this one never has two of one user.
            return Err(refused(
                "InvalidParameterException",
                "Please provide a single login.",
            ));
        }
        let provider = self
            .config
            .providers
            .iter()
            .find(|known| known.name == *name);
        let provider = provider.ok_or_else(|| {
            refused(
                "NotAuthorizedException",
                "Token is not from a supported provider of this identity pool.",
            )
        })?;
        let now = self.account.now();
        let claims = provider.issuer.check(token, now).map_err(|fault| {
            let words = match fault {
                Fault::Malformed => {
                    "Invalid login token. Not a valid OpenId Connect identity token.".to_owned()
                }
                Fault::Signature => "Invalid login token. Token signature invalid.".to_owned(),
                Fault::Issuer => {
                    "Invalid login token. Issuer doesn't match providerName".to_owned()
                }
                Fault::Expired => format!(
                    "Invalid login token. Token expired: it is now {}",
                    now.as_second()
                ),
                Fault::TooEarly => "Invalid login token. Token is not valid yet.".to_owned(),
            };
            refused("NotAuthorizedException", words)
        })?;
        if claims.aud.as_deref() != Some(provider.client.as_str()) {
            return Err(refused(
                "NotAuthorizedException",
                "Invalid login token. Incorrect token audience.",
            ));
        }
        Ok(Some(Login {
            key: format!("{name} {}", claims.sub),
            provider: name.clone(),
        }))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Refuses what is not `REGION:UUID`, as the service's own validation does.
fn check_id(field: &str, value: &str) -> Result<(), Refused> {
    let is_id = value.split_once(':').is_some_and(|(region, uuid)| {
        !region.is_empty()
            && !uuid.is_empty()
            && uuid
                .bytes()
                .all(|byte| byte == b'-' || byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    });
    if is_id && value.len() <= 55 {
        return Ok(());
    }
    Err(refused(
        "ValidationException",
        format!(
            "1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w-]+:[0-9a-f-]+"
        ),
    ))
}
