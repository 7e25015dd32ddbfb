//! One AWS account: its principals, their keys and what each of them may do.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// How long issued credentials hold, in seconds: an identity pool's own hour.
///
/// Source: Amazon Cognito Developer Guide, "GetCredentialsForIdentity" (credentials are valid for one hour).
const ISSUED_FOR: i64 = 3_600;

/// An AWS account; clones share it.
#[derive(Clone)]
pub struct Account(Arc<Inner>);

struct Inner {
    region: String,
    id: String,
    clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
    state: Mutex<State>,
}

struct State {
    keys: HashMap<String, Key>,
    rng: fastrand::Rng,
}

/// What the account knows of one access key.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) principal: Principal,
}

/// Who signed a request, and what they may do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Principal {
    /// The access key they signed with.
    pub access_key: String,
    /// The account they belong to, 12 digits.
    pub account_id: String,
    /// Their ARN: an IAM user's, or `arn:aws:sts::…:assumed-role/ROLE/SESSION`.
    pub arn: String,
    /// Their unique id, as `requestContext.authorizer.iam.userId` has it: `AIDA…` or `AROA…:SESSION`.
    pub user_id: String,
    /// The identity of an identity pool they are, if one.
    pub cognito: Option<CognitoIdentity>,
    /// The actions they may take: `service:Action`, `service:*` or `*`.
    pub allows: Vec<String>,
}

/// An identity of an identity pool, as the services see it beside the role.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CognitoIdentity {
    /// `REGION:UUID` of the identity.
    pub identity_id: String,
    /// `REGION:UUID` of its pool.
    pub pool_id: String,
    /// `authenticated` or `unauthenticated`, then the login providers.
    pub amr: Vec<String>,
}

impl CognitoIdentity {
    /// Names an identity of a pool.
    #[must_use]
    pub fn new(identity_id: &str, pool_id: &str, amr: &[&str]) -> Self {
        CognitoIdentity {
            identity_id: identity_id.to_owned(),
            pool_id: pool_id.to_owned(),
            amr: amr.iter().map(|word| (*word).to_owned()).collect(),
        }
    }
}

impl Principal {
    /// Tells whether one of the allowed actions covers `action` (`service:Action`).
    #[must_use]
    pub fn may(&self, action: &str) -> bool {
        self.allows
            .iter()
            .any(|allowed| match allowed.strip_suffix('*') {
                Some(prefix) => action.starts_with(prefix),
                None => allowed == action,
            })
    }

    /// Returns what IAM says to a principal without a permission.
    #[must_use]
    pub fn denial(&self, action: &str, resource: &str) -> String {
        // An identity pool narrows its sessions by a policy of their own, and IAM names that one.
        let policy = match self.cognito {
            Some(_) => "session",
            None => "identity-based",
        };
        format!(
            "User: {} is not authorized to perform: {action} on resource: {resource} because no {policy} policy allows the {action} action",
            self.arn
        )
    }
}

/// Keys to sign requests with.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credentials {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: String,
    /// `AWS_SESSION_TOKEN`, for keys that expire.
    pub session_token: Option<String>,
    /// When they expire, if they do.
    pub expires: Option<Timestamp>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("id", &self.0.id)
            .field("region", &self.0.region)
            .finish_non_exhaustive()
    }
}

impl Default for Account {
    fn default() -> Self {
        Account::demo()
    }
}

impl Account {
    /// The region of [`Account::demo`].
    pub const REGION: &str = "us-east-1";
    /// The id of [`Account::demo`].
    pub const ID: &str = "123456789012";
    /// The access key of the deployer of [`Account::demo`], who may do everything.
    pub const DEPLOYER: &str = "AKIDMAGIDEMO";
    /// The deployer's secret.
    pub const DEPLOYER_SECRET: &str = "magi-demo-secret";

    /// Makes the account of demos and tests: `us-east-1`, `123456789012`, one deployer who may do everything.
    #[must_use]
    pub fn demo() -> Self {
        Account::with_clock(machine_clock)
    }

    /// Makes the account of [`Account::demo`] with a clock of the caller's.
    #[must_use]
    pub fn with_clock(clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        let account = Account(Arc::new(Inner {
            region: Account::REGION.to_owned(),
            id: Account::ID.to_owned(),
            clock: Box::new(clock),
            state: Mutex::new(State {
                keys: HashMap::new(),
                rng: fastrand::Rng::new(),
            }),
        }));
        account.add_user(
            "deployer",
            Account::DEPLOYER,
            Account::DEPLOYER_SECRET,
            &["*"],
        );
        account
    }

    /// Returns the region its services are in.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.0.region
    }

    /// Returns its 12 digits.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Returns the present instant by the account's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.0.clock)()
    }

    /// Adds an IAM user with keys that do not expire; an access key of the same name is replaced.
    pub fn add_user(&self, name: &str, access_key: &str, secret: &str, allows: &[&str]) {
        let principal = Principal {
            access_key: access_key.to_owned(),
            account_id: self.0.id.clone(),
            arn: format!("arn:aws:iam::{}:user/{name}", self.0.id),
            user_id: self.unique("AIDA"),
            cognito: None,
            allows: allows.iter().map(|action| (*action).to_owned()).collect(),
        };
        let key = Key {
            secret: secret.to_owned(),
            token: None,
            expires: None,
            principal,
        };
        self.lock().keys.insert(access_key.to_owned(), key);
    }

    /// Issues keys of a role for an hour, as STS does; the session has a name of its own.
    #[must_use]
    pub fn issue(&self, role_arn: &str, allows: &[&str]) -> Credentials {
        let session = format!("magi-{}", self.unique("").to_ascii_lowercase());
        self.issue_to(role_arn, allows, &session, None)
    }

    /// Issues keys of a role for an hour under a session name, to an identity of a pool or to nobody's.
    #[must_use]
    pub fn issue_to(
        &self,
        role_arn: &str,
        allows: &[&str],
        session: &str,
        cognito: Option<CognitoIdentity>,
    ) -> Credentials {
        let role = role_arn.rsplit('/').next().unwrap_or(role_arn);
        let expires = self.now() + SignedDuration::from_secs(ISSUED_FOR);
        let access_key = self.unique("ASIA");
        let credentials = Credentials {
            access_key_id: access_key.clone(),
            secret_access_key: self.text(40),
            session_token: Some(format!("IQoJ{}", self.text(352))),
            expires: Some(expires),
        };
        let key = Key {
            secret: credentials.secret_access_key.clone(),
            token: credentials.session_token.clone(),
            expires: Some(expires),
            principal: Principal {
                access_key: access_key.clone(),
                account_id: self.0.id.clone(),
                arn: format!("arn:aws:sts::{}:assumed-role/{role}/{session}", self.0.id),
                user_id: format!("{}:{session}", self.unique("AROA")),
                cognito,
                allows: allows.iter().map(|action| (*action).to_owned()).collect(),
            },
        };
        self.lock().keys.insert(access_key, key);
        credentials
    }

    /// Returns the deployer's keys of [`Account::demo`].
    #[must_use]
    pub fn deployer(&self) -> Credentials {
        Credentials {
            access_key_id: Account::DEPLOYER.to_owned(),
            secret_access_key: Account::DEPLOYER_SECRET.to_owned(),
            session_token: None,
            expires: None,
        }
    }

    pub(crate) fn key(&self, access_key: &str) -> Option<Key> {
        self.lock().keys.get(access_key).cloned()
    }

    /// Returns a new identity's or pool's id: `REGION:UUID`.
    #[must_use]
    pub fn region_uuid(&self) -> String {
        format!("{}:{}", self.0.region, self.uuid())
    }

    /// Returns a random UUID (version 4), as request ids are.
    #[must_use]
    pub fn uuid(&self) -> String {
        let bits = self.lock().rng.u128(..);
        uuid_of(bits)
    }

    /// 16 random capitals and digits after a prefix, as access keys and unique ids have them.
    fn unique(&self, prefix: &str) -> String {
        const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let mut state = self.lock();
        let tail = (0..16).map(|_| char::from(ALPHABET[state.rng.usize(..32)]));
        format!("{prefix}{}", tail.collect::<String>())
    }

    /// Random text of base64's alphabet, as secrets and session tokens have it.
    fn text(&self, length: usize) -> String {
        const ALPHABET: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut state = self.lock();
        (0..length)
            .map(|_| char::from(ALPHABET[state.rng.usize(..64)]))
            .collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes 128 random bits as a UUID of version 4.
///
/// Source: RFC 9562, section 5.4.
pub(crate) fn uuid_of(bits: u128) -> String {
    let bits = (bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the machine's clock enters the cloud; tests give their own"
)]
fn machine_clock() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_exact_or_a_prefix() {
        let account = Account::demo();
        account.add_user(
            "reader",
            "AKIDREADER",
            "s",
            &["lambda:InvokeFunction", "bedrock:*"],
        );
        let reader = account.key("AKIDREADER").unwrap().principal;
        assert!(reader.may("lambda:InvokeFunction"));
        assert!(!reader.may("lambda:InvokeFunctionUrl"));
        assert!(reader.may("bedrock:InvokeModel"));
        assert!(!reader.may("bedrock-agentcore:InvokeAgentRuntime"));
        let deployer = account.key(Account::DEPLOYER).unwrap().principal;
        assert!(deployer.may("anything:AtAll"));
    }

    #[test]
    fn issued_keys_are_a_sessions_of_the_role() {
        let account = Account::demo();
        let keys = account.issue("arn:aws:iam::123456789012:role/page", &["lambda:*"]);
        let key = account.key(&keys.access_key_id).unwrap();
        assert_eq!(key.token, keys.session_token);
        assert!(
            key.principal
                .arn
                .starts_with("arn:aws:sts::123456789012:assumed-role/page/magi-")
        );
        assert!(keys.access_key_id.starts_with("ASIA"));
        assert_eq!(keys.access_key_id.len(), 20);
        assert_ne!(
            keys,
            account.issue("arn:aws:iam::123456789012:role/page", &["lambda:*"])
        );
        assert!(!format!("{keys:?}").contains(&keys.secret_access_key));
    }

    #[test]
    fn uuids_are_of_version_4() {
        assert_eq!(uuid_of(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid_of(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
