//! `magi lambda` behind the Function URL of the emulator.

use std::path::Path;
use std::time::Duration;

use magi_emulator::cloud::{
    Account, Auth, Function, FunctionConfig, FunctionUrl, InvokeMode, Launch, Start, UrlConfig,
};
use magi_event::sse::Decoder;
use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::support::{PATIENCE, Seen, http};

/// The key of every function here.
const STATE_KEY: &str = "a key of the tests, long enough to be one";

/// The binary as a function's entry, with an environment of its own.
pub(crate) fn function(folder: &Path) -> Launch {
    Launch::new(env!("CARGO_BIN_EXE_magi"))
        .env("HOME", folder.display().to_string())
        .env("LANG", "C.UTF-8")
        .env("MAGI_REHEARSAL_PACE", "instant")
        .env("MAGI_STATE_KEY", STATE_KEY)
        .env("MAGI_METRICS_EMF", "off")
}

/// A function with its URL; everything ends when it is dropped.
pub(crate) struct Deployed {
    pub(crate) function: Function,
    pub(crate) url: FunctionUrl,
    _guard: DropGuard,
}

impl Deployed {
    /// Deploys a function that answers everybody.
    pub(crate) async fn open(launch: Launch, timeout: Duration) -> Deployed {
        Deployed::of(launch, timeout, Auth::None, Account::demo()).await
    }

    /// Deploys a function of this account.
    pub(crate) async fn of(
        launch: Launch,
        timeout: Duration,
        auth: Auth,
        account: Account,
    ) -> Deployed {
        let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
        let mut config = FunctionConfig::new("magi", Start::Command(launch));
        config.timeout = timeout;
        let function = Function::new(config, account, stop.clone(), tracker.clone());
        let config = UrlConfig::new(auth, InvokeMode::Stream);
        let url = FunctionUrl::start(config, function.clone(), stop.clone(), &tracker);
        Deployed {
            url: url.await.unwrap(),
            function,
            _guard: stop.drop_guard(),
        }
    }

    /// Posts a body to `/invocations`.
    pub(crate) async fn post(&self, body: &Value) -> reqwest::Response {
        self.post_as(body, None).await
    }

    /// Posts a body to `/invocations` in a session.
    pub(crate) async fn post_as(&self, body: &Value, session: Option<&str>) -> reqwest::Response {
        let mut request = http().post(format!("{}/invocations", self.url.url()));
        if let Some(session) = session {
            request = request.header(magi_server::SESSION_HEADER, session);
        }
        request.json(body).send().await.unwrap()
    }

    /// Waits until nothing runs, and holds that no invocation ended other than well.
    pub(crate) async fn ended_well(&self, n_invocations: usize) {
        let is_over = |function: &Function| {
            function.running() == 0 && function.billed().len() >= n_invocations
        };
        let ended = tokio::time::timeout(PATIENCE, self.function.until(is_over)).await;
        let billed = self.function.billed();
        assert!(ended.is_ok(), "not over: {billed:?}");
        assert_eq!(billed.len(), n_invocations, "{billed:?}");
        for one in billed {
            assert_eq!(one.failure, None, "{one:?}");
        }
    }
}

/// Reads an answer to its end.
pub(crate) async fn text(answer: reqwest::Response) -> String {
    let bytes = tokio::time::timeout(PATIENCE, answer.bytes()).await;
    String::from_utf8(bytes.expect("it never ended").unwrap().to_vec()).unwrap()
}

/// Reads a stream of native events to its end.
pub(crate) async fn events(answer: reqwest::Response) -> Seen {
    assert_eq!(answer.status(), 200);
    let text = text(answer).await;
    let mut seen = Seen::default();
    Decoder::new(1 << 20)
        .push(text.as_bytes(), |message| seen.take(&message))
        .unwrap();
    seen
}

/// Returns the JSON of a stream's only frame.
pub(crate) fn only_frame(text: &str) -> Value {
    let frame = text
        .strip_prefix("data: ")
        .unwrap_or_else(|| panic!("{text}"));
    serde_json::from_str(frame.trim_end()).unwrap()
}
