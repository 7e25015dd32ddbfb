//! The function as the council itself: each invocation has rooms of its own, which end with it.
//!
//! An instance is frozen between its invocations and shared by all callers. So nothing runs on after
//! an answer's end, and nothing of one caller is there for the next.

use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::BodyExt;
use lambda_http::Request;
use lambda_http::http::{Method, Response};
use lambda_http::tower::ServiceExt;
use magi_event::sse;
use magi_log::SystemClock;
use magi_server::problem::{Code, Problem};
use magi_server::{Config, Deadline, Identity, Server, Trust};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::exit::OrUsage;
use crate::house::{self, House, Plan};
use crate::lambda::answer::{self, Body};
use crate::lambda::deadline::{Margin, Time};
use crate::lambda::session;
use crate::serve;
use crate::settings::Settings;

/// How long an answer's end waits for what ended to be counted.
const COUNTED: Duration = Duration::from_secs(1);

/// The council in a function.
pub(crate) struct Direct {
    plan: Plan,
    config: Config,
    margin: Margin,
    /// The ends of invocations whose answer nobody read to its end.
    endings: TaskTracker,
}

impl Direct {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// When one is wrong.
    pub(crate) fn new(settings: &Settings, margin: Margin) -> Result<Self> {
        let plan = Plan::read(settings)?.for_others();
        if plan.state_key.is_none() {
            tracing::warn!(
                "MAGI_STATE_KEY is not set: what this function does not finish in its time cannot \
                 be gone on with"
            );
        }
        let mut config = serve::config(settings).or_usage()?;
        config.trust = Trust::Platform;
        // The Function URL answers for other origins; a second answer would be one too many.
        config.cors_origins.clear();
        config.has_store = false;
        config.finds_again = false;
        config.sees_leaving = false;
        config.resumes_state = plan.state_key.is_some();
        config.emf = serve::emf(settings, true).or_usage()?;
        Ok(Direct {
            plan,
            config,
            margin,
            endings: TaskTracker::new(),
        })
    }

    /// Answers one invocation; it always has an answer.
    ///
    /// # Errors
    ///
    /// None: an invocation that fails shows its caller nothing but 502.
    pub(crate) async fn answer(
        &self,
        mut request: Request,
    ) -> Result<Response<Body>, lambda_http::Error> {
        self.ended().await;
        if let Some(time) = Time::of(&request, &SystemClock) {
            if request.method() == Method::POST && time.left <= self.margin.length() {
                return Ok(answer::refused(&self.no_time(time)));
            }
            let deadline = Deadline(self.margin.before(time));
            request.extensions_mut().insert(deadline);
        }
        if let Some(identity) = session::identity(&request) {
            let identity = Identity(format!("iam:{identity}"));
            request.extensions_mut().insert(identity);
        }
        let rooms = match Rooms::build(self) {
            Ok(rooms) => rooms,
            Err(problem) => return Ok(answer::refused(&problem)),
        };
        let Ok(response) = rooms.server.router().oneshot(request).await;
        Ok(response.map(|body| rooms.stream(body)))
    }

    /// Waits for what an earlier invocation left.
    async fn ended(&self) {
        self.endings.close();
        self.endings.wait().await;
        self.endings.reopen();
    }

    fn no_time(&self, time: Time) -> Problem {
        Problem::new(
            Code::Unsupported,
            format!(
                "this function has {} s for an answer and keeps {} s of them to end it well",
                time.left.as_secs(),
                self.margin.length().as_secs()
            ),
        )
        .fix("raise the function's timeout, best to 3 minutes or more")
    }
}

/// The rooms of one invocation.
struct Rooms {
    house: House,
    server: Server,
    stop: CancellationToken,
    endings: TaskTracker,
    is_closed: bool,
}

impl Rooms {
    fn build(direct: &Direct) -> Result<Rooms, Problem> {
        let house = direct.plan.build(house::logs_in_memory());
        let stop = CancellationToken::new();
        let server = Server::new(serve::rooms(&house), direct.config.clone(), stop.clone())
            .map_err(|error| Problem::new(Code::Internal, error.to_string()))?;
        Ok(Rooms {
            house,
            server,
            stop,
            endings: direct.endings.clone(),
            is_closed: false,
        })
    }

    /// Passes a body on, and ends the rooms before its end.
    fn stream<B>(self, body: B) -> Body
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::fmt::Display + Send,
    {
        let passing = Passing {
            body: Some(body),
            rooms: self,
        };
        answer::pulled(stream::unfold(passing, |mut passing| async move {
            let bytes = passing.next().await?;
            Some((bytes, passing))
        }))
    }
}

impl Drop for Rooms {
    fn drop(&mut self) {
        if !self.is_closed {
            // Nobody reads on: what runs is put down, and the next invocation waits for it.
            let ending = close(self.house.engine.clone(), self.stop.clone());
            self.endings.spawn(ending);
        }
    }
}

/// Puts down whatever runs.
async fn close(engine: magi_council::Engine, stop: CancellationToken) {
    engine.shutdown(Duration::ZERO).await;
    stop.cancel();
}

struct Passing<B> {
    body: Option<B>,
    rooms: Rooms,
}

impl<B> Passing<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    async fn next(&mut self) -> Option<Bytes> {
        while let Some(body) = &mut self.body {
            match body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Some(bytes);
                    }
                }
                Some(Err(error)) => {
                    tracing::error!(%error, "an answer failed");
                    self.body = None;
                    let problem = Problem::new(Code::Internal, "the answer failed in its middle");
                    return Some(sse::data_frame(&problem.door_json()));
                }
                None => self.body = None,
            }
        }
        if !self.rooms.is_closed {
            // The reader has had its last event; what it did is counted before the freeze.
            if timeout(COUNTED, self.rooms.server.settled()).await.is_err() {
                tracing::warn!("a deliberation was not counted");
            }
            close(self.rooms.house.engine.clone(), self.rooms.stop.clone()).await;
            self.rooms.is_closed = true;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use lambda_http::http;

    use crate::settings::Origins;

    use super::*;

    fn asking() -> Request {
        http::Request::post("https://x.lambda-url.us-east-1.on.aws/invocations")
            .body(r#"{"action":"ask","question":"Should we?"}"#.into())
            .unwrap()
    }

    #[tokio::test]
    async fn what_nobody_reads_on_is_put_down_before_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().display().to_string();
        let settings = Settings::load(&Origins {
            flags: BTreeMap::from([("model", "rehearsal".to_owned())]),
            env: &|name| (name == "HOME").then(|| home.clone()),
            file: None,
        })
        .unwrap();
        let margin = Margin::read(&settings).unwrap();
        let direct = Direct::new(&settings, margin).unwrap();
        // Paced like a model, so that the reader leaves in the middle.
        let mut body = direct.answer(asking()).await.unwrap().into_body();
        assert!(body.frame().await.is_some());
        drop(body);
        assert_eq!(direct.endings.len(), 1);
        let ended = timeout(Duration::from_secs(30), direct.ended()).await;
        assert!(ended.is_ok(), "it runs on");
        assert!(direct.endings.is_empty());
        let answer = direct.answer(asking()).await.unwrap();
        assert_eq!(answer.status(), 200);
    }
}
