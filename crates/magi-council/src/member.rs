//! One member's part: attempts on one model or two, until something can be read or nothing is left.

use std::time::Duration;

use magi_event::{AttemptError, AttemptTimeout, Cause, TimeoutKind};
use magi_log::Closed;
use magi_model::{Call, Kind, ModelName, StopReason};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout_at};

use crate::attempt::{Attempt, Heard, LONGEST_ANSWER};
use crate::breaker::{Breaker, Pass};
use crate::deadline::Allowance;
use crate::lane::Lane;
use crate::prompt;
use crate::retry::{Failure, Limit, Plan, is_throttle};
use crate::stage::{Span, Stage};
use crate::vote::{Answer, Why};
use crate::words;

/// How many characters of a late answer its event shows.
const PARTIAL_CHARS: usize = 200;

/// What a member's part came to.
#[derive(Clone, Debug)]
pub(crate) enum Came<T> {
    /// Something that can be read, and the tool's raw arguments.
    Read(T, String),
    /// The model refused, with these words.
    Refused(String),
    /// Nothing.
    Missing { cause: Cause, message: String },
}

/// How an answer is read.
pub(crate) type Read<T> = fn(&Answer<'_>) -> Result<T, Why>;

/// One member at work.
pub(crate) struct Member<'a, T> {
    pub(crate) stage: &'a Stage,
    pub(crate) lane: &'a Lane,
    pub(crate) span: &'a Span,
    pub(crate) allowance: Allowance<'a>,
    pub(crate) read: Read<T>,
    /// The models to try, the first one first; one that failed for good gives way to the next.
    pub(crate) models: Vec<ModelName>,
    /// Makes the call of one attempt.
    pub(crate) call: &'a (dyn Fn() -> Call + Send + Sync),
    /// Whether a refusal is an answer, as a sage's is.
    pub(crate) may_refuse: bool,
    /// Whether its prose is shown as it comes.
    pub(crate) is_aloud: bool,
    /// Whether somebody else is asked where all of its models have failed.
    pub(crate) is_followed: bool,
}

/// What one attempt came to.
enum Tried<T> {
    Came(Came<T>),
    Failed { failure: Failure, spoke: bool },
}

impl<T> Member<'_, T> {
    /// Works until something came, or nothing can come any more. The first attempt's start is
    /// already in the log.
    ///
    /// # Cancel safety
    ///
    /// Dropping it cancels the call under way; what was shown is in the lane.
    pub(crate) async fn work(mut self) -> Result<Came<T>, Closed> {
        let models = std::mem::take(&mut self.models);
        let mut current = 0;
        let mut plan = Plan::new(models.len() > 1);
        let mut held = None;
        loop {
            let Some(model) = models.get(current) else {
                return Ok(Came::Missing {
                    cause: Cause::Failed,
                    message: "no model is set".to_owned(),
                });
            };
            let (failure, spoke) = match self.attempt(model, held.take()).await? {
                Tried::Came(came) => return Ok(came),
                Tried::Failed { failure, spoke } => (failure, spoke),
            };
            let again = self
                .again(
                    &mut plan,
                    (&failure, spoke),
                    model,
                    current + 1 < models.len(),
                )
                .filter(|wait| self.has_time_for(&failure, *wait));
            let next = match again {
                Some(wait) => Some((current, wait)),
                None if current + 1 < models.len() && self.has_time_left() => {
                    plan = Plan::new(current + 2 < models.len());
                    Some((current + 1, Duration::ZERO))
                }
                None => None,
            };
            self.tell(&failure, next.map(|(_, wait)| wait).or(self.after()))?;
            let Some((chosen, wait)) = next else {
                return Ok(Came::Missing {
                    cause: failure.cause(),
                    message: words::failed(self.stage.setup.lang, &failure),
                });
            };
            self.wait(&failure, wait).await?;
            if let Failure::Shut { provider, .. } = &failure
                && chosen == current
            {
                held = match self.wait_for_pass(provider).await? {
                    Ok(pass) => Some(pass),
                    Err(late) => {
                        self.tell(&late, self.after())?;
                        return Ok(Came::Missing {
                            cause: late.cause(),
                            message: words::failed(self.stage.setup.lang, &failure),
                        });
                    }
                };
            }
            current = chosen;
            if let Some(model) = models.get(current) {
                self.lane.restart(&self.stage.writer, model)?;
            }
        }
    }

    /// Makes one call to one model, with its repair, and no other attempt.
    ///
    /// # Cancel safety
    ///
    /// Dropping it cancels the call.
    pub(crate) async fn once(mut self, model: &ModelName) -> Result<Result<T, Failure>, Closed> {
        Ok(match self.attempt(model, None).await? {
            Tried::Came(Came::Read(read, _)) => Ok(read),
            Tried::Came(Came::Refused(words)) => Err(Failure::Refused(words)),
            Tried::Came(Came::Missing { message, .. }) => Err(Failure::Unreadable(message)),
            Tried::Failed { failure, .. } => Err(failure),
        })
    }

    /// Returns how soon somebody else is asked where nothing more is tried here, if anybody is.
    fn after(&self) -> Option<Duration> {
        self.is_followed.then_some(Duration::ZERO)
    }

    /// Returns how long to wait before the same model is asked again, if it is: one whose provider
    /// is left alone only where there is no other.
    fn again(
        &self,
        plan: &mut Plan,
        (failure, spoke): (&Failure, bool),
        model: &ModelName,
        has_other: bool,
    ) -> Option<Duration> {
        if let Failure::Shut { wait, .. } = failure {
            return (!has_other).then(|| wait.unwrap_or_default());
        }
        let wait = plan.next(failure, spoke, self.stage.env.entropy.as_ref())?;
        // So long a wait is for those who have nobody else to ask.
        let cap = self.stage.setup.council.deadlines.throttle_cap;
        if has_other && is_throttle(failure) && wait > cap {
            return None;
        }
        match self.stage.breakers.shut(&model.provider, Instant::now()) {
            Some(_) if has_other => None,
            Some(shut) => Some(wait.max(shut.wait.unwrap_or_default())),
            None => Some(wait),
        }
    }

    /// Waits until a provider that is left alone may be called, as long as there is time.
    async fn wait_for_pass(&self, provider: &str) -> Result<Result<Pass, Failure>, Closed> {
        let began = Instant::now();
        let attributes = json!({"provider": provider});
        let sage = self.lane.agent().sage();
        let span = self
            .stage
            .begin(&self.span.id, "breaker.wait", sage, attributes)?;
        let passed = loop {
            let end = self.allowance.end();
            match timeout_at(end, self.stage.breakers.pass(provider)).await {
                Ok(pass) => break Ok(pass),
                // A pause moved the end meanwhile.
                Err(_) if self.has_time_left() => {}
                Err(_) => {
                    break Err(Failure::Late {
                        kind: TimeoutKind::Total,
                        limit: self.allowance.limit(),
                        elapsed: began.elapsed(),
                    });
                }
            }
        };
        self.stage.end(&span, json!({}))?;
        Ok(passed)
    }

    async fn attempt(&mut self, model: &ModelName, held: Option<Pass>) -> Result<Tried<T>, Closed> {
        // Whatever is told in a pause is told to the call after it.
        self.stage.control.pauses.over().await;
        let pass = match held {
            Some(pass) => Ok(pass),
            None => self.enter(model),
        };
        let pass = match pass {
            Ok(pass) => pass,
            Err(failure) => {
                return Ok(Tried::Failed {
                    failure,
                    spoke: false,
                });
            }
        };
        let mut call = (self.call)();
        call.model.clone_from(&model.model);
        let (heard, failure) = self.converse(&call, model, ("model.call", pass)).await?;
        let spoke = heard.spoke;
        let Some(failure) = failure else {
            return self.understand(&call, model, &heard).await;
        };
        // A vote that was whole before the stream broke stands, if it is surely the member's own.
        if is_own(&heard, &call)
            && let Ok(read) = (self.read)(&answer(&heard, &call))
        {
            return Ok(Tried::Came(Came::Read(read, heard.tool)));
        }
        Ok(Tried::Failed { failure, spoke })
    }

    /// Asks for leave to call a model's provider.
    fn enter(&self, model: &ModelName) -> Result<Pass, Failure> {
        let provider = &model.provider;
        let pass = self.stage.breakers.enter(provider, Instant::now());
        pass.map_err(|shut| Failure::Shut {
            provider: provider.clone(),
            wait: shut.wait,
        })
    }

    /// Makes one call inside a span.
    async fn converse(
        &mut self,
        call: &Call,
        model: &ModelName,
        (name, pass): (&'static str, Pass),
    ) -> Result<(Heard, Option<Failure>), Closed> {
        if pass.is_probe {
            self.stage
                .breaker(&pass.provider, Some(Breaker::HalfOpen))?;
        }
        self.stage.control.pauses.over().await;
        let attributes = json!({
            "attempt": self.lane.attempt(),
            "provider": model.provider,
            "model": model.model,
        });
        let sage = self.lane.agent().sage();
        let span = self.stage.begin(&self.span.id, name, sage, attributes)?;
        let Some(provider) = self.stage.models.get(&model.provider) else {
            let message = format!("there is no provider `{}` here", model.provider);
            let failure = Failure::Model(magi_model::Error::new(Kind::NotFound, message));
            self.stage.end(&span, json!({"error": failure.code()}))?;
            return Ok((Heard::default(), Some(failure)));
        };
        let bytes = call.system.len() + call.messages.iter().map(|m| m.text.len()).sum::<usize>();
        let attempt = Attempt {
            stage: self.stage,
            lane: self.lane,
            allowance: &mut self.allowance,
            tab: self.stage.meter.open(model, bytes),
            pass,
            is_aloud: self.is_aloud && name != REPAIR,
        };
        let (heard, failure) = attempt.run(provider.stream(call.clone()), call).await?;
        let attributes = match (&failure, heard.stop) {
            (Some(failure), _) => json!({"error": failure.code()}),
            (None, Some(stop)) => json!({"stop": stop_word(stop)}),
            (None, None) => json!({}),
        };
        self.stage.end(&span, attributes)?;
        Ok((heard, failure))
    }

    /// Reads a whole answer, with one repair call if it cannot be read.
    async fn understand(
        &mut self,
        call: &Call,
        model: &ModelName,
        heard: &Heard,
    ) -> Result<Tried<T>, Closed> {
        let failed = |failure| Tried::Failed {
            failure,
            spoke: heard.spoke,
        };
        match heard.stop {
            Some(StopReason::Refused) if self.may_refuse => {
                return Ok(Tried::Came(Came::Refused(heard.text.trim().to_owned())));
            }
            Some(StopReason::Refused) => {
                let words = prompt::head(heard.text.trim(), 500).to_owned();
                return Ok(failed(Failure::Refused(format!(
                    "the model refused: {words}"
                ))));
            }
            Some(StopReason::Filtered) => {
                let message = "the vendor's filter stopped the answer";
                let error = magi_model::Error::new(Kind::Filtered, message);
                return Ok(failed(Failure::Model(error)));
            }
            Some(StopReason::Complete | StopReason::ToolUse | StopReason::MaxTokens) | None => {}
        }
        let cut = cut_by(heard, call);
        if heard.is_empty() {
            return Ok(failed(cut.map_or(Failure::Empty, Failure::Cut)));
        }
        let why = match self.believe(heard, call) {
            Ok(read) => return Ok(Tried::Came(Came::Read(read, heard.tool.clone()))),
            Err(why) => why,
        };
        Ok(match self.repair(call, model, heard).await? {
            Some((read, tool)) => Tried::Came(Came::Read(read, tool)),
            None => failed(cut.map_or(Failure::Unreadable(why.to_string()), Failure::Cut)),
        })
    }

    /// Reads a whole answer. What ends one that was cut by its limit may be anything it was about to
    /// quote, so only what is surely the member's own counts there.
    fn believe(&self, heard: &Heard, call: &Call) -> Result<T, Why> {
        if cut_by(heard, call).is_some() && !is_own(heard, call) {
            return Err(Why::CutOff);
        }
        (self.read)(&answer(heard, call))
    }

    async fn repair(
        &mut self,
        call: &Call,
        model: &ModelName,
        heard: &Heard,
    ) -> Result<Option<(T, String)>, Closed> {
        if !self.has_time_left() {
            return Ok(None);
        }
        let said = if heard.text.trim().is_empty() {
            &heard.tool
        } else {
            &heard.text
        };
        let call = prompt::repair(call, said);
        let Ok(pass) = self.enter(model) else {
            return Ok(None);
        };
        let (heard, failure) = self.converse(&call, model, (REPAIR, pass)).await?;
        let is_usable = failure.is_none() && heard.stop != Some(StopReason::Refused);
        let read = is_usable.then(|| self.believe(&heard, &call));
        Ok(read.and_then(Result::ok).map(|read| (read, heard.tool)))
    }

    fn has_time_left(&self) -> bool {
        Instant::now() < self.allowance.end()
    }

    fn has_time_for(&mut self, failure: &Failure, wait: Duration) -> bool {
        let mut allowance = self.allowance;
        if is_throttle(failure) {
            allowance.throttled(wait);
        }
        if Instant::now() + wait >= allowance.end() {
            return false;
        }
        self.allowance = allowance;
        true
    }

    /// Appends the event of a failed attempt.
    fn tell(&self, failure: &Failure, next: Option<Duration>) -> Result<(), Closed> {
        let attempt = self.lane.attempt();
        let body = match failure {
            Failure::Late {
                kind,
                limit,
                elapsed,
            } => {
                let prose = self.lane.prose();
                let partial: String = prose.chars().take(PARTIAL_CHARS).collect();
                self.lane.timeout(AttemptTimeout {
                    kind: *kind,
                    timeout: limit.as_secs_f64(),
                    elapsed: elapsed.as_secs_f64(),
                    partial_response: (!partial.is_empty()).then_some(partial),
                    attempt,
                    retryable: next.is_some(),
                })
            }
            Failure::Model(_)
            | Failure::Empty
            | Failure::Unreadable(_)
            | Failure::Cut(_)
            | Failure::Refused(_)
            | Failure::Shut { .. } => self.lane.error(AttemptError {
                code: failure.code().to_owned(),
                message: words::failed(self.stage.setup.lang, failure),
                attempt,
                retryable: next.is_some(),
                retry_in: next.map(|wait| wait.as_secs_f64()),
            }),
        };
        self.stage.milestone(vec![body])?;
        Ok(())
    }

    async fn wait(&self, failure: &Failure, wait: Duration) -> Result<(), Closed> {
        if wait.is_zero() {
            return Ok(());
        }
        let attributes = json!({"after": failure.code()});
        let sage = self.lane.agent().sage();
        let span = self.stage.begin(&self.span.id, "retry", sage, attributes)?;
        sleep(wait).await;
        self.stage.end(&span, json!({}))
    }
}

/// The span of a repair call, whose prose is not shown.
const REPAIR: &str = "repair";

/// Tells whether what an answer holds is surely the member's own: the tool's arguments, or the tag
/// that nobody else knows.
fn is_own(heard: &Heard, call: &Call) -> bool {
    !heard.tool.is_empty() || heard.text.contains(&call.about.tag)
}

/// Returns the limit that cut an answer, if one did.
fn cut_by(heard: &Heard, call: &Call) -> Option<Limit> {
    let is_cut = heard.stop == Some(StopReason::MaxTokens);
    is_cut.then(|| {
        if heard.text.len() + heard.tool.len() > LONGEST_ANSWER {
            Limit::Bytes(LONGEST_ANSWER)
        } else {
            Limit::Tokens(call.sampling.max_tokens)
        }
    })
}

fn answer<'a>(heard: &'a Heard, call: &'a Call) -> Answer<'a> {
    Answer {
        text: &heard.text,
        tool_arguments: (!heard.tool.is_empty()).then_some(heard.tool.as_str()),
        tag: &call.about.tag,
    }
}

const fn stop_word(stop: StopReason) -> &'static str {
    match stop {
        StopReason::Complete => "complete",
        StopReason::ToolUse => "tool_use",
        StopReason::MaxTokens => "max_tokens",
        StopReason::Refused => "refused",
        StopReason::Filtered => "filtered",
    }
}
