//! From the SDK's events to a stream of chunks: pulled, never pushed.

use std::collections::VecDeque;
use std::time::Duration;

use aws_sdk_bedrockruntime::primitives::event_stream::EventReceiver;
use aws_sdk_bedrockruntime::types::ConverseStreamOutput;
use aws_sdk_bedrockruntime::types::error::ConverseStreamOutputError;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, stream};
use magi_model::{Chunk, ChunkStream, Error, Kind, StopReason};

use super::answer::{Heard, Listener};
use super::fault::Teller;

/// The events of one answer.
pub(super) type Events = EventReceiver<ConverseStreamOutput, ConverseStreamOutputError>;

/// How long the token counts are waited for once the answer is over: they come behind its end, and
/// a whole answer must not be lost to a connection that hangs there.
const COUNTS_WAIT: Duration = Duration::from_secs(2);

/// An answer that Bedrock has begun.
pub(super) struct Opened {
    pub(super) events: Events,
    pub(super) teller: Teller,
}

/// Streams the answer that `open` gives. Dropping the stream drops the response, which closes its
/// connection: there is no task in between.
pub(super) fn run(
    open: BoxFuture<'static, Result<Opened, Error>>,
    tool: Option<String>,
) -> ChunkStream {
    let call = Running {
        phase: Phase::Opening(open),
        listener: Listener::new(tool),
        ready: VecDeque::new(),
        failure: None,
    };
    Box::pin(stream::unfold(call, |mut call| async move {
        let item = call.next().await?;
        Some((item, call))
    }))
}

struct Running {
    phase: Phase,
    listener: Listener,
    /// Chunks that have come and were not yet asked for.
    ready: VecDeque<Chunk>,
    /// Comes after what is ready.
    failure: Option<Error>,
}

enum Phase {
    Opening(BoxFuture<'static, Result<Opened, Error>>),
    Speaking(Opened),
    /// `messageStop` has come; the token counts follow it.
    Stopped(Opened, StopReason),
    Over,
}

impl Running {
    async fn next(&mut self) -> Option<Result<Chunk, Error>> {
        loop {
            if let Some(chunk) = self.ready.pop_front() {
                return Some(Ok(chunk));
            }
            if let Some(error) = self.failure.take() {
                return Some(Err(error));
            }
            if matches!(self.phase, Phase::Over) {
                return None;
            }
            if let Err(error) = self.step().await {
                self.phase = Phase::Over;
                self.failure = Some(error);
            }
        }
    }

    async fn step(&mut self) -> Result<(), Error> {
        match &mut self.phase {
            Phase::Opening(open) => {
                let opened = open.await?;
                self.phase = Phase::Speaking(opened);
                self.ready.push_back(Chunk::Accepted);
                Ok(())
            }
            Phase::Speaking(opened) => match opened.events.recv().await {
                Ok(Some(event)) => self.hear(event),
                Ok(None) => {
                    let message = "the stream ended before `messageStop`: the answer was cut off";
                    Err(opened.teller.about(Kind::Truncated, message))
                }
                Err(error) => Err(opened.teller.broken(&error)),
            },
            Phase::Stopped(opened, reason) => {
                let reason = *reason;
                let waited = tokio::time::timeout(COUNTS_WAIT, opened.events.recv()).await;
                match waited {
                    Ok(Ok(Some(ConverseStreamOutput::Metadata(counts)))) => {
                        self.ready.extend(self.listener.counts(&counts));
                        // The last bytes of the body are mostly here already; with them read, the
                        // connection can serve the next call instead of being closed.
                        let _ = opened.events.recv().now_or_never();
                        self.end(reason);
                    }
                    Ok(Ok(Some(_))) => {}
                    // The answer is whole: what breaks behind its end takes nothing from it.
                    Ok(Ok(None) | Err(_)) | Err(_) => self.end(reason),
                }
                Ok(())
            }
            Phase::Over => Ok(()),
        }
    }

    fn hear(&mut self, event: ConverseStreamOutput) -> Result<(), Error> {
        match self.listener.hear(event) {
            Heard::Chunk(chunk) => self.ready.push_back(chunk),
            Heard::Nothing => {}
            Heard::Stop(reason) => {
                if let Phase::Speaking(opened) = std::mem::replace(&mut self.phase, Phase::Over) {
                    self.phase = Phase::Stopped(opened, reason);
                }
            }
            Heard::Broken(what) => {
                let message = format!("the model's answer is not usable: {what}");
                return Err(match &self.phase {
                    Phase::Speaking(opened) => opened.teller.about(Kind::Malformed, &message),
                    _ => Error::new(Kind::Malformed, message),
                });
            }
        }
        Ok(())
    }

    fn end(&mut self, reason: StopReason) {
        self.phase = Phase::Over;
        self.ready.push_back(Chunk::End(reason));
    }
}
