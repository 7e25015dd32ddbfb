//! The whole cloud on loopback: every topology of MAGI, from one `magi` binary.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::account::Account;
use super::agentcore::{
    AgentCore, AgentCoreConfig, Authorizer, Container, RuntimeConfig, SESSION_HEADER,
};
use super::function::{Function, FunctionConfig};
use super::function_url::{Auth, Cors, FunctionUrl, InvokeMode, UrlConfig};
use super::held::Held;
use super::hosting::{Hosting, HostingConfig};
use super::identity::{IdentityPool, PoolConfig, Role};
use super::jwt::Issuer;
use super::launch::{Launch, Start};
use super::villain::{Upstream, Villain};
use super::wire::{self, Answer, FRONT_BUFFER, Front, Out};
use crate::{Config, Emulator, Error, Running};

/// What pages may send to a Function URL, as `deploy/cloudformation` allows it.
const ALLOWED: [&str; 6] = [
    "authorization",
    "content-type",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
    SESSION_HEADER,
];

/// What pages may read of a Function URL's answers, as `deploy/cloudformation` exposes it.
const EXPOSED: [&str; 5] = [
    "date",
    "retry-after",
    SESSION_HEADER,
    "x-amzn-errortype",
    "x-amzn-requestid",
];

/// The endpoint of each runtime beside `DEFAULT`, named as `deploy/cloudformation` names it.
const ENDPOINT: &str = "live";

/// The client that tokens are made for.
const CLIENT: &str = "page";

/// How long the token in [`RunningCloud::env`] is valid, in seconds: the longest that a user pool gives.
///
/// Source: Amazon Cognito Developer Guide, "Using the access token" (five minutes to one day).
const TOKEN_SECONDS: i64 = 86_400;

/// What a cloud is like.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CloudConfig {
    /// The binary that is started as container and as function.
    pub magi: PathBuf,
    /// The built page; without one the hostings have only their `config.json`.
    pub page: Option<PathBuf>,
    /// The model all roles ask, `PROVIDER:MODEL`; of `bedrock`, `openai` and `anthropic` the fakes answer.
    pub model: String,
    /// The fake vendors.
    pub vendors: Config,
    /// When the villain gives up.
    pub villain_limit: Duration,
    /// How long an invocation of a function may take.
    pub timeout: Duration,
    /// Variables for every container and function, beside those the cloud sets.
    pub env: BTreeMap<String, String>,
    /// Whether the processes' output is thrown away instead of going to standard error.
    pub quiet: bool,
    /// The buffers of the sockets of every relay, in bytes, each way, with segments as on a network; the
    /// system's choice if not said, which on loopback is megabytes.
    pub socket_buffer: Option<u32>,
    /// The first of the ports taken, one after the other; 0 takes free ones.
    pub first_port: u16,
}

impl CloudConfig {
    /// A cloud of one binary, with AWS's own limits, on free ports, without a page.
    #[must_use]
    pub fn new(magi: impl Into<PathBuf>) -> Self {
        CloudConfig {
            magi: magi.into(),
            page: None,
            model: "bedrock:fake".to_owned(),
            vendors: Config::default(),
            villain_limit: Duration::from_secs(30),
            timeout: Duration::from_secs(900),
            env: BTreeMap::new(),
            quiet: false,
            socket_buffer: None,
            first_port: 0,
        }
    }
}

/// Starts clouds.
#[derive(Debug)]
pub struct Cloud;

/// A running cloud. Dropping it ends everything, its processes too.
#[derive(Debug)]
pub struct RunningCloud {
    account: Account,
    vendors: Running,
    pool: IdentityPool,
    agentcore: AgentCore,
    arn: String,
    bearer_arn: String,
    users: Issuer,
    gateway: FunctionUrl,
    direct: FunctionUrl,
    buffered: FunctionUrl,
    pages: Vec<(&'static str, Hosting)>,
    control: String,
    stop: CancellationToken,
    tracker: TaskTracker,
}

/// What is needed to put the parts together.
struct Site {
    config: CloudConfig,
    account: Account,
    stop: CancellationToken,
    tracker: TaskTracker,
    ports: std::ops::RangeFrom<u16>,
}

impl Cloud {
    /// Starts everything: vendors, identity pool, AgentCore with a runtime behind signatures and one behind
    /// tokens, the Function URLs `gateway`, `direct` and `buffered`, a hosted page for each way and for the
    /// villain, and the control port.
    ///
    /// # Errors
    ///
    /// [`Error`] if the binary is not there, or an address cannot be listened on.
    pub async fn start(config: CloudConfig) -> Result<RunningCloud, Error> {
        // A bare name is looked for in the path when a process is started; a place is looked at now.
        if config.magi.components().count() > 1 && !config.magi.is_file() {
            return Err(Error::Setting {
                field: "magi",
                why: format!("there is no file {}", config.magi.display()),
            });
        }
        let first_port = config.first_port;
        let mut site = Site {
            config,
            account: Account::demo(),
            stop: CancellationToken::new(),
            tracker: TaskTracker::new(),
            ports: first_port..,
        };
        // Whatever fails, what was started before ends.
        let guard = site.stop.clone().drop_guard();
        let mut vendors = site.config.vendors.clone();
        vendors.account = Some(site.account.clone());
        vendors.addr = site.next();
        let vendors = Emulator::start(vendors).await?;
        let pool = site.pool().await?;
        let users = users();
        let (agentcore, [arn, bearer_arn]) = site.agentcore(&vendors, &users).await?;
        let relay = site.relay(&agentcore, &arn);
        let council = site.council(&vendors);
        let gateway = site.url(&relay, InvokeMode::Stream).await?;
        let direct = site.url(&council, InvokeMode::Stream).await?;
        let buffered = site.url(&council, InvokeMode::Buffered).await?;
        let mut pages = Vec::new();
        for (name, url) in [
            ("gateway", &gateway),
            ("direct", &direct),
            ("buffered", &buffered),
        ] {
            let mut config = site.signed("lambda", &pool);
            config["base"] = json!(url.url());
            pages.push((name, site.host(config, None).await?));
        }
        let mut config = site.signed("bedrock-agentcore", &pool);
        config["base"] = json!(agentcore.url());
        config["runtime"] = json!(arn);
        pages.push(("agentcore", site.host(config, None).await?));
        let mut villain = Villain::new(Upstream::Runtime {
            base: agentcore.url(),
            arn: arn.clone(),
            account: site.account.clone(),
        });
        villain.limit = site.config.villain_limit;
        let config = json!({"door": "invocations", "base": "/api", "sign": "none"});
        pages.push(("villain", site.host(config, Some(villain)).await?));
        let config = json!({"door": "invocations", "base": agentcore.url(), "runtime": bearer_arn,
            "qualifier": ENDPOINT, "sign": "bearer"});
        pages.push(("bearer", site.host(config, None).await?));
        let control = Arc::new(Control {
            held: held(&agentcore, [&gateway, &direct, &buffered], &pages),
            functions: [("gateway", relay), ("direct", council)],
        });
        let at = site.next();
        let control = wire::listen(at, control, FRONT_BUFFER, site.stop.clone(), &site.tracker);
        let control = format!("http://{}", control.await?);
        Ok(RunningCloud {
            account: site.account,
            vendors,
            pool,
            agentcore,
            arn,
            bearer_arn,
            users,
            gateway,
            direct,
            buffered,
            pages,
            control,
            stop: guard.disarm(),
            tracker: site.tracker,
        })
    }
}

impl Site {
    /// Where the next part listens.
    fn next(&mut self) -> SocketAddr {
        let port = match self.config.first_port {
            0 => 0,
            _ => self.ports.next().unwrap_or_default(),
        };
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    async fn pool(&mut self) -> Result<IdentityPool, Error> {
        let allows = [
            "lambda:InvokeFunctionUrl",
            "lambda:InvokeFunction",
            "bedrock-agentcore:InvokeAgentRuntime",
        ];
        let config = PoolConfig {
            addr: self.next(),
            guests: Some(Role::new(&self.role("magi-page"), &allows)),
            ..PoolConfig::default()
        };
        IdentityPool::start(&self.account, config).await
    }

    /// The data plane, with the ARNs of the runtime behind signatures and of the one behind tokens.
    async fn agentcore(
        &mut self,
        vendors: &Running,
        users: &Issuer,
    ) -> Result<(AgentCore, [String; 2]), Error> {
        let launch = self
            .magi("agentcore", &["bedrock:InvokeModelWithResponseStream"])
            .arg("agentcore")
            .env("MAGI_HOST", "127.0.0.1");
        let launch = self.asks(launch, vendors);
        // One runtime cannot take both, so there are two of the same container.
        let by_token = Authorizer::Jwt {
            issuer: users.clone(),
            clients: vec![CLIENT.to_owned()],
        };
        let runtimes = [
            ("magi-emulated00", Authorizer::Iam),
            ("magi-bearer0000", by_token),
        ]
        .map(|(id, authorizer)| {
            let mut runtime = RuntimeConfig::new(id, Container::Command(launch.clone()));
            runtime.endpoints = vec![ENDPOINT.to_owned()];
            runtime.authorizer = authorizer;
            runtime.socket_buffer = self.config.socket_buffer;
            runtime.header_allowlist = vec!["Last-Event-ID".to_owned()];
            runtime
        });
        let arns = runtimes
            .each_ref()
            .map(|runtime| runtime.arn(&self.account));
        let mut config = AgentCoreConfig::new(runtimes.into());
        config.addr = self.next();
        config.socket_buffer = self.config.socket_buffer;
        Ok((AgentCore::start(&self.account, config).await?, arns))
    }

    /// The function that relays to AgentCore.
    fn relay(&self, agentcore: &AgentCore, arn: &str) -> Function {
        let allows = ["bedrock-agentcore:InvokeAgentRuntime"];
        let launch = self
            .magi("gateway", &allows)
            .arg("lambda")
            .env("MAGI_UPSTREAM", format!("agentcore:{arn}"))
            .env("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", agentcore.url());
        self.function("magi-gateway", launch)
    }

    /// The function that is the council.
    fn council(&self, vendors: &Running) -> Function {
        let allows = ["bedrock:InvokeModelWithResponseStream"];
        let launch = self
            .magi("direct", &allows)
            .arg("lambda")
            .env("MAGI_STATE_KEY", format!("{:032x}", fastrand::u128(..)));
        self.function("magi-direct", self.asks(launch, vendors))
    }

    fn function(&self, name: &str, launch: Launch) -> Function {
        let mut config = FunctionConfig::new(name, Start::Command(launch));
        config.timeout = self.config.timeout;
        config.socket_buffer = self.config.socket_buffer;
        // A binary with debug information on a busy machine starts slower than on AWS.
        config.init_timeout = Duration::from_secs(30);
        let (stop, tracker) = (self.stop.clone(), self.tracker.clone());
        Function::new(config, self.account.clone(), stop, tracker)
    }

    async fn url(&mut self, function: &Function, mode: InvokeMode) -> Result<FunctionUrl, Error> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let mut config = UrlConfig::new(Auth::Iam, mode);
        config.addr = self.next();
        config.socket_buffer = self.config.socket_buffer;
        config.cors = Some(Cors {
            origins: words(&["*"]),
            methods: words(&["POST"]),
            headers: words(&ALLOWED),
            expose: words(&EXPOSED),
            credentials: false,
            max_age: 86_400,
        });
        FunctionUrl::start(config, function.clone(), self.stop.clone(), &self.tracker).await
    }

    async fn host(&mut self, config: Value, villain: Option<Villain>) -> Result<Hosting, Error> {
        let mut hosting = HostingConfig::new(self.config.page.clone(), config);
        hosting.addr = self.next();
        hosting.villain = villain;
        Hosting::start(hosting, self.stop.clone(), &self.tracker).await
    }

    /// `config.json` of a page that signs with the identity pool's keys.
    fn signed(&self, service: &str, pool: &IdentityPool) -> Value {
        json!({
            "door": "invocations",
            "sign": "sigv4",
            "region": self.account.region(),
            "service": service,
            "identity_pool": pool.id(),
            "identity_endpoint": pool.url(),
        })
    }

    fn role(&self, name: &str) -> String {
        format!("arn:aws:iam::{}:role/{name}", self.account.id())
    }

    /// The binary with a role's keys. They are a user's, because a process cannot fetch new ones here as
    /// functions and containers do on AWS.
    fn magi(&self, name: &str, allows: &[&str]) -> Launch {
        let (key, secret) = (
            format!("AKIDMAGI{}", name.to_ascii_uppercase()),
            format!("magi-{name}-secret"),
        );
        self.account
            .add_user(&format!("magi-{name}"), &key, &secret, allows);
        let mut launch = Launch::new(&self.config.magi)
            .env("AWS_ACCESS_KEY_ID", key)
            .env("AWS_SECRET_ACCESS_KEY", secret)
            .env("AWS_REGION", self.account.region())
            // The settings file of whoever starts the cloud is not there on AWS either.
            .env("XDG_CONFIG_HOME", "/var/empty");
        launch.quiet = self.config.quiet;
        launch.env.extend(self.config.env.clone());
        launch
    }

    /// Adds the way to the fake vendors.
    fn asks(&self, launch: Launch, vendors: &Running) -> Launch {
        let key = vendors_key(&self.config.vendors);
        launch
            .env("MAGI_MODEL", &self.config.model)
            .env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", vendors.bedrock_url())
            .env("OPENAI_BASE_URL", vendors.openai_url())
            .env("OPENAI_API_KEY", key.clone())
            .env("ANTHROPIC_BASE_URL", vendors.anthropic_url())
            .env("ANTHROPIC_API_KEY", key)
    }
}

/// The provider whose users the runtime behind tokens lets in; nobody else has its key.
fn users() -> Issuer {
    let key: [u8; 32] = std::array::from_fn(|_| fastrand::u8(..));
    // No address of a real provider: a client that looks it up must find nobody.
    Issuer::new("https://users.magi.invalid", &key)
}

fn vendors_key(config: &Config) -> String {
    config
        .key
        .clone()
        .unwrap_or_else(|| "sk-emulated".to_owned())
}

/// The relays by name.
fn held(
    agentcore: &AgentCore,
    urls: [&FunctionUrl; 3],
    pages: &[(&'static str, Hosting)],
) -> Vec<(&'static str, Held)> {
    let names = ["gateway", "direct", "buffered"];
    let mut held: Vec<_> = names
        .into_iter()
        .zip(urls.map(|url| url.held().clone()))
        .collect();
    held.push(("agentcore", agentcore.held().clone()));
    let villains = pages
        .iter()
        .filter_map(|(name, page)| Some((*name, page.held()?.clone())));
    held.extend(villains);
    held
}

impl RunningCloud {
    /// Returns the account everything belongs to.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Returns the fake vendors, with their ledger.
    #[must_use]
    pub fn vendors(&self) -> &Running {
        &self.vendors
    }

    /// Returns AgentCore's data plane.
    #[must_use]
    pub fn agentcore(&self) -> &AgentCore {
        &self.agentcore
    }

    /// Returns the ARN of the runtime that takes signatures.
    #[must_use]
    pub fn runtime_arn(&self) -> &str {
        &self.arn
    }

    /// Returns the ARN of the runtime that takes tokens.
    #[must_use]
    pub fn bearer_runtime_arn(&self) -> &str {
        &self.bearer_arn
    }

    /// Makes a user's token for that runtime, valid for `seconds` from now; not above 0 it has ended.
    #[must_use]
    pub fn bearer_token(&self, seconds: i64) -> String {
        self.users.token("ada", CLIENT, self.account.now(), seconds)
    }

    /// Returns the Function URL that relays to AgentCore.
    #[must_use]
    pub fn gateway(&self) -> &FunctionUrl {
        &self.gateway
    }

    /// Returns the Function URL whose function is the council.
    #[must_use]
    pub fn direct(&self) -> &FunctionUrl {
        &self.direct
    }

    /// Returns the Function URL of the same function that buffers.
    #[must_use]
    pub fn buffered(&self) -> &FunctionUrl {
        &self.buffered
    }

    /// Returns the identity pool whose guests may call everything.
    #[must_use]
    pub fn pool(&self) -> &IdentityPool {
        &self.pool
    }

    /// Returns the hosted pages by the way they call: `gateway`, `direct`, `buffered`, `agentcore`, `villain`,
    /// `bearer`.
    #[must_use]
    pub fn pages(&self) -> &[(&'static str, Hosting)] {
        &self.pages
    }

    /// Returns what a client of this cloud needs in its environment: the SDKs' own variables with a deployer's
    /// keys, and `MAGI_CLOUD_*` for what no SDK asks for: addresses, and a token that is valid for a day.
    #[must_use]
    pub fn env(&self) -> Vec<(String, String)> {
        let deployer = self.account.deployer();
        let mut env: Vec<(String, String)> = [
            ("AWS_ACCESS_KEY_ID", deployer.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", deployer.secret_access_key),
            ("AWS_REGION", self.account.region().to_owned()),
            ("AWS_DEFAULT_REGION", self.account.region().to_owned()),
            (
                "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
                self.vendors.bedrock_url(),
            ),
            ("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", self.agentcore.url()),
            ("AWS_ENDPOINT_URL_COGNITO_IDENTITY", self.pool.url()),
            ("OPENAI_BASE_URL", self.vendors.openai_url()),
            ("ANTHROPIC_BASE_URL", self.vendors.anthropic_url()),
            ("MAGI_CLOUD_RUNTIME_ARN", self.arn.clone()),
            ("MAGI_CLOUD_BEARER_RUNTIME_ARN", self.bearer_arn.clone()),
            ("MAGI_CLOUD_BEARER_TOKEN", self.bearer_token(TOKEN_SECONDS)),
            ("MAGI_CLOUD_IDENTITY_POOL", self.pool.id().to_owned()),
            ("MAGI_CLOUD_GATEWAY_URL", self.gateway.url()),
            ("MAGI_CLOUD_DIRECT_URL", self.direct.url()),
            ("MAGI_CLOUD_BUFFERED_URL", self.buffered.url()),
            ("MAGI_CLOUD_CONTROL_URL", self.control.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec();
        for (name, page) in &self.pages {
            let name = format!("MAGI_CLOUD_PAGE_{}", name.to_ascii_uppercase());
            env.push((name, page.url()));
        }
        env
    }

    /// Ends everything and waits until all tasks and processes are over.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: everything ends all the same.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.agentcore.stop().await;
        self.pool.stop().await;
        self.vendors.stop().await;
        self.tracker.close();
        self.tracker.wait().await;
    }
}

impl Drop for RunningCloud {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The control port: what the relays hold and what the functions cost.
#[derive(Debug)]
struct Control {
    held: Vec<(&'static str, Held)>,
    functions: [(&'static str, Function); 2],
}

impl Front for Control {
    async fn answer(self: Arc<Self>, request: Request<Incoming>, _peer: SocketAddr) -> Answer {
        let said: Map<String, Value> = match request.uri().path() {
            "/held" => self
                .held
                .iter()
                .map(|(name, held)| told(name, held))
                .collect(),
            "/invocations" => {
                let of = |(name, function): &(&'static str, Function)| {
                    let told = json!({"running": function.running(), "instances": function.instances(),
                        "billed": function.billed()});
                    ((*name).to_owned(), told)
                };
                self.functions.iter().map(of).collect()
            }
            _ => {
                let mut answer = Response::new(Out::own("GET /held or GET /invocations\n"));
                *answer.status_mut() = StatusCode::NOT_FOUND;
                return answer;
            }
        };
        let mut answer = Response::new(Out::own(Value::Object(said).to_string()));
        let kind = HeaderValue::from_static("application/json");
        answer.headers_mut().insert(CONTENT_TYPE, kind);
        answer
    }
}

fn told(name: &str, held: &Held) -> (String, Value) {
    let told = json!({"now": held.now(), "most": held.most(), "passed": held.passed(),
        "unread": held.unread()});
    (name.to_owned(), told)
}
