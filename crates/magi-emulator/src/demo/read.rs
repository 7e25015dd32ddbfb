//! A reader of one way: a signed request, and its answer as it comes.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use magi_event::check::{Checker, Mode};
use magi_event::sse::{Decoder, Message};
use magi_event::{Agent, Body, Event};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::{Outcome, Token, Way};
use crate::cloud::sign::{Keys, escaped, sign};
use crate::cloud::{Account, RunningCloud, SESSION_HEADER};

/// The longest event that is read, in bytes.
const EVENT: usize = 1 << 20;

/// A question on one way.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) way: Way,
    pub(super) session: String,
    /// `HOST:PORT`.
    host: String,
    /// The path, with its query.
    target: String,
    /// Whom the signature is for; the villain asks for none.
    service: Option<&'static str>,
    body: Bytes,
}

impl Asking {
    pub(super) fn new(way: Way, cloud: &RunningCloud, question: &str) -> Self {
        let arn = escaped(cloud.runtime_arn());
        let villain = || {
            let pages = cloud.pages().iter();
            let mut villains = pages.filter(|(name, _)| *name == "villain");
            villains
                .next()
                .map(|(_, page)| page.url())
                .unwrap_or_default()
        };
        let invocations = "/invocations".to_owned();
        let (base, target, service) = match way {
            Way::Villain => (villain(), "/api/invocations".to_owned(), None),
            Way::Gateway => (cloud.gateway().url(), invocations, Some("lambda")),
            Way::Direct => (cloud.direct().url(), invocations, Some("lambda")),
            Way::Buffered => (cloud.buffered().url(), invocations, Some("lambda")),
            Way::Agentcore => (
                cloud.agentcore().url(),
                format!("/runtimes/{arn}/invocations?qualifier=DEFAULT"),
                Some("bedrock-agentcore"),
            ),
        };
        Asking {
            way,
            session: cloud.account().uuid(),
            host: base.trim_start_matches("http://").to_owned(),
            target,
            service,
            body: json!({"action": "ask", "question": question})
                .to_string()
                .into(),
        }
    }

    fn request(&self, account: &Account) -> Result<Request<Full<Bytes>>, http::Error> {
        let mut request = Request::post(&self.target)
            .header(HOST, &self.host)
            .header(CONTENT_TYPE, "application/json")
            .header(SESSION_HEADER, &self.session)
            .body(Full::new(self.body.clone()))?;
        if let Some(service) = self.service {
            let keys = Keys {
                id: Account::DEPLOYER,
                secret: Account::DEPLOYER_SECRET,
                service,
            };
            sign(&mut request, &self.body, &keys, account);
        }
        Ok(request)
    }
}

/// Why an answer could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("{0}")]
    Request(#[from] http::Error),
    #[error("{0}")]
    Connection(#[from] std::io::Error),
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("{0}")]
    Frame(#[from] magi_event::sse::TooLong),
}

/// What one reader has seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    status: Option<StatusCode>,
    pub(super) events: u64,
    pub(super) bytes: u64,
    pub(super) tokens: Vec<Token>,
    checker: Option<Checker>,
    /// What an event or a frame broke.
    fault: Option<String>,
}

impl Seen {
    /// Puts the question and reads its answer to the end.
    pub(super) async fn read(
        &mut self,
        asking: &Asking,
        account: &Account,
        tracker: &TaskTracker,
        began: Instant,
    ) -> Result<(), Broken> {
        let request = asking.request(account)?;
        let stream = TcpStream::connect(&asking.host).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tracker.spawn(async move {
            // Its failure is the body's as well.
            let _ = connection.await;
        });
        let answer = sender.send_request(request).await?;
        self.status = Some(answer.status());
        self.body(answer.into_body(), began).await
    }

    async fn body(&mut self, mut body: Incoming, began: Instant) -> Result<(), Broken> {
        let mut decoder = Decoder::new(EVENT);
        while let Some(frame) = body.frame().await {
            let Ok(bytes) = frame?.into_data() else {
                continue;
            };
            let at_ms = began.elapsed().as_secs_f64() * 1_000.0;
            self.bytes += bytes.len() as u64;
            if self.status == Some(StatusCode::OK) {
                decoder.push(&bytes, |message| self.take(&message, at_ms))?;
            }
        }
        Ok(())
    }

    fn take(&mut self, message: &Message, at_ms: f64) {
        let Ok(event) = Event::from_json(message.data.as_bytes()) else {
            // A door's own frame: what it says is why there is no verdict.
            self.fault.get_or_insert_with(|| message.data.clone());
            return;
        };
        self.events += 1;
        let agent = match &event.body {
            Body::AgentChunk(sage, _) => Some(Agent::Sage(*sage)),
            Body::JudgeChunk(_) => Some(Agent::Judge),
            _ => None,
        };
        self.tokens
            .extend(agent.map(|agent| Token { at_ms, agent }));
        let cursor = message.id.as_deref().and_then(|id| id.parse().ok());
        let checker = self.checker.get_or_insert_with(|| Checker::new(Mode::Log));
        let checked = match cursor {
            Some(cursor) => checker.entry(cursor, &event).map_err(|it| it.to_string()),
            None => Err("an event without its place".to_owned()),
        };
        if let Err(fault) = checked {
            self.fault.get_or_insert(fault);
        }
    }

    /// Returns what became of the question.
    pub(super) fn outcome(&self, broken: Option<Broken>) -> Outcome {
        let why = |why: String| Outcome::Broken { why };
        if let Some(broken) = broken {
            return why(broken.to_string());
        }
        match self.status {
            Some(StatusCode::OK) => {}
            None => return why("no answer".to_owned()),
            Some(status) => {
                return Outcome::Refused {
                    status: status.as_u16(),
                    title: status.canonical_reason().unwrap_or_default().to_owned(),
                };
            }
        }
        if let Some(fault) = &self.fault {
            return why(fault.clone());
        }
        let Some(checker) = &self.checker else {
            return why("no event".to_owned());
        };
        if let Err(violation) = checker.finish(true) {
            return why(violation.to_string());
        }
        let snapshot = checker.snapshot();
        let votes = snapshot.sages.iter().filter_map(|(sage, lane)| {
            let vote = lane.complete.as_ref()?;
            Some((*sage, vote.decision))
        });
        match (&snapshot.verdict, &snapshot.tally) {
            (Some(verdict), Some(tally)) => Outcome::Verdict {
                decision: verdict.final_decision,
                agreement: tally.agreement.clone(),
                votes: votes.collect(),
            },
            _ => why(format!("it ended as {:?}", snapshot.status)),
        }
    }
}
