//! One model call: from its stream to the log, as the tokens come.

use futures_util::StreamExt;
use magi_event::TimeoutKind;
use magi_log::Closed;
use magi_model::{Call, Chunk, ChunkStream, StopReason};
use tokio::time::{Instant, timeout_at};

use crate::breaker::Pass;
use crate::deadline::Allowance;
use crate::lane::Lane;
use crate::meter::Tab;
use crate::retry::Failure;
use crate::stage::Stage;
use crate::vote::{Splitter, ToolArguments};

/// The most bytes of one answer that are taken.
pub(crate) const LONGEST_ANSWER: usize = 1024 * 1024;

/// What a model answered, as far as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    /// The whole text, the raw vote in it.
    pub(crate) text: String,
    /// The tool's arguments.
    pub(crate) tool: String,
    /// Whether a token came at all.
    pub(crate) spoke: bool,
    /// Why the model stopped; `None` when it did not get that far.
    pub(crate) stop: Option<StopReason>,
}

impl Heard {
    /// Tells whether nothing was said.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.trim().is_empty() && self.tool.trim().is_empty()
    }
}

/// One call under way.
pub(crate) struct Attempt<'a, 'b> {
    pub(crate) stage: &'a Stage,
    pub(crate) lane: &'a Lane,
    pub(crate) allowance: &'a mut Allowance<'b>,
    pub(crate) tab: Tab<'a>,
    /// Leave to make this call.
    pub(crate) pass: Pass,
    /// Whether the prose is shown: a repair's is not.
    pub(crate) is_aloud: bool,
}

/// How far a call has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Connecting,
    Accepted,
    Speaking,
}

/// What shows prose and holds the raw vote back.
struct Shown {
    splitter: Option<Splitter>,
    arguments: Option<ToolArguments>,
    had_prose: bool,
}

impl Attempt<'_, '_> {
    /// Makes the call and returns what came, and why it broke if it did.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the stream, which cancels the call; what was shown is in the lane.
    pub(crate) async fn run(
        mut self,
        mut stream: ChunkStream,
        call: &Call,
    ) -> Result<(Heard, Option<Failure>), Closed> {
        let mut heard = Heard::default();
        let mut shown = Shown::new(&call.about.tag);
        let failure = self.listen(&mut stream, &mut heard, &mut shown).await?;
        // The connection closes before anything else happens.
        drop(stream);
        let became = match &failure {
            Some(failure) => self.pass.failed(failure, Instant::now()),
            None => self.pass.answered(),
        };
        self.stage.breaker(&self.pass.provider, became)?;
        self.show(&shown.finish())?;
        Ok((heard, failure))
    }

    async fn listen(
        &mut self,
        stream: &mut ChunkStream,
        heard: &mut Heard,
        shown: &mut Shown,
    ) -> Result<Option<Failure>, Closed> {
        let began = Instant::now();
        let mut last_token = began;
        let mut progress = Progress::Connecting;
        loop {
            let (kind, at) = self.next_deadline(progress, began, last_token);
            let chunk = match timeout_at(at, stream.next()).await {
                // A pause moved the end meanwhile.
                Err(_) if self.next_deadline(progress, began, last_token).1 > Instant::now() => {
                    continue;
                }
                Err(_) => return Ok(Some(self.late(kind, began))),
                Ok(None) => {
                    let message = "the stream ended without its proper end";
                    let error = magi_model::Error::new(magi_model::Kind::Truncated, message);
                    return Ok(Some(Failure::Model(error)));
                }
                Ok(Some(Err(error))) => return Ok(Some(Failure::Model(error))),
                Ok(Some(Ok(chunk))) => chunk,
            };
            match chunk {
                Chunk::Accepted => {
                    self.tab.accepted();
                    if progress == Progress::Connecting {
                        progress = Progress::Accepted;
                    }
                    continue;
                }
                Chunk::Usage(usage) => {
                    self.tab.told(usage);
                    continue;
                }
                Chunk::End(stop) => {
                    heard.stop = Some(stop);
                    return Ok(None);
                }
                Chunk::Reasoning(_) | Chunk::Text(_) | Chunk::ToolArguments(_) => {}
            }
            progress = Progress::Speaking;
            self.take(chunk, heard, shown)?;
            if heard.text.len() + heard.tool.len() > LONGEST_ANSWER {
                // What came is read as it is: a vote may stand in it.
                heard.stop = Some(StopReason::MaxTokens);
                return Ok(None);
            }
            last_token = self.wait_for_room().await;
        }
    }

    /// Takes one token in: reasoning, text or arguments.
    fn take(&mut self, chunk: Chunk, heard: &mut Heard, shown: &mut Shown) -> Result<(), Closed> {
        if !heard.spoke {
            heard.spoke = true;
            let became = self.pass.answered();
            self.stage.breaker(&self.pass.provider, became)?;
        }
        if self.is_aloud {
            self.lane.token();
        }
        match chunk {
            Chunk::Reasoning(text) => {
                self.tab.wrote(text.len());
                if self.is_aloud {
                    self.lane.thinking(&self.stage.writer, text)?;
                }
            }
            Chunk::Text(text) => {
                self.tab.wrote(text.len());
                heard.text.push_str(&text);
                self.show(&shown.text(&text))?;
            }
            Chunk::ToolArguments(text) => {
                self.tab.wrote(text.len());
                heard.tool.push_str(&text);
                self.show(&shown.arguments(&text))?;
            }
            Chunk::Accepted | Chunk::Usage(_) | Chunk::End(_) => {}
        }
        Ok(())
    }

    fn show(&self, text: &str) -> Result<(), Closed> {
        if self.is_aloud {
            self.lane.chunk(&self.stage.writer, text)
        } else {
            Ok(())
        }
    }

    /// Waits while the log's unstored part is at its bound; that time is nobody's silence.
    async fn wait_for_room(&mut self) -> Instant {
        let before = Instant::now();
        self.stage.writer.room().await;
        let now = Instant::now();
        self.allowance.excuse(now.duration_since(before));
        now
    }

    fn next_deadline(
        &self,
        progress: Progress,
        began: Instant,
        last_token: Instant,
    ) -> (TimeoutKind, Instant) {
        let deadlines = &self.stage.setup.council.deadlines;
        let first_token = (TimeoutKind::FirstToken, began + deadlines.first_token);
        let own = match progress {
            Progress::Connecting => {
                let connect = (TimeoutKind::Connect, began + deadlines.connect);
                if connect.1 <= first_token.1 {
                    connect
                } else {
                    first_token
                }
            }
            Progress::Accepted => first_token,
            Progress::Speaking => (TimeoutKind::Idle, last_token + deadlines.idle),
        };
        let end = self.allowance.end();
        if end <= own.1 {
            (TimeoutKind::Total, end)
        } else {
            own
        }
    }

    fn late(&self, kind: TimeoutKind, began: Instant) -> Failure {
        let deadlines = &self.stage.setup.council.deadlines;
        Failure::Late {
            kind,
            limit: match kind {
                TimeoutKind::Connect => deadlines.connect,
                TimeoutKind::FirstToken => deadlines.first_token,
                TimeoutKind::Idle => deadlines.idle,
                TimeoutKind::Total => self.allowance.limit(),
            },
            elapsed: began.elapsed(),
        }
    }
}

/// However the call ended, and if its task was stopped in the middle, the lane knows what it used.
impl Drop for Attempt<'_, '_> {
    fn drop(&mut self) {
        let (usage, cost) = self.tab.settle();
        self.lane.spend(usage, cost);
    }
}

impl Shown {
    fn new(tag: &str) -> Self {
        Shown {
            splitter: Some(Splitter::new(tag)),
            arguments: None,
            had_prose: false,
        }
    }

    fn text(&mut self, delta: &str) -> String {
        let visible = self
            .splitter
            .as_mut()
            .map(|splitter| splitter.push(delta))
            .unwrap_or_default();
        self.had_prose |= !visible.trim().is_empty();
        visible
    }

    /// The text is over when the tool begins: what was held back of it comes first.
    fn arguments(&mut self, delta: &str) -> String {
        let mut visible = self.finish_text();
        self.had_prose |= !visible.trim().is_empty();
        let arguments = self
            .arguments
            .get_or_insert_with(|| ToolArguments::new(self.had_prose));
        visible.push_str(&arguments.push(delta));
        visible
    }

    fn finish_text(&mut self) -> String {
        self.splitter
            .take()
            .map(|splitter| splitter.finish().visible)
            .unwrap_or_default()
    }

    fn finish(mut self) -> String {
        let mut visible = self.finish_text();
        if let Some(arguments) = self.arguments {
            visible.push_str(&arguments.finish());
        }
        visible
    }
}
