//! From a response to a stream of chunks: pulled, never pushed, so a slow council slows the vendor.

use std::collections::VecDeque;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, stream};
use reqwest::Response;

use crate::decode::Decode;
use crate::http::Http;
use crate::{Chunk, ChunkStream, Error, Kind};

/// The longest answer that is taken as one JSON object, in bytes.
const WHOLE_LIMIT: usize = 8 << 20;

/// Streams what `decoder` makes of the response that `open` gives.
///
/// Dropping the stream drops the response, which closes its connection (or resets its HTTP/2
/// stream): there is no task in between.
pub(crate) fn run<D: Decode>(
    open: BoxFuture<'static, Result<Response, Error>>,
    decoder: D,
    http: Http,
) -> ChunkStream {
    let call = Running {
        phase: Phase::Opening(open),
        decoder,
        http,
        ready: VecDeque::new(),
        failure: None,
    };
    Box::pin(stream::unfold(call, |mut call| async move {
        let item = call.next().await?;
        Some((item, call))
    }))
}

struct Running<D> {
    phase: Phase,
    decoder: D,
    http: Http,
    /// Chunks that have come and were not yet asked for.
    ready: VecDeque<Chunk>,
    /// Comes after what is ready.
    failure: Option<Error>,
}

enum Phase {
    Opening(BoxFuture<'static, Result<Response, Error>>),
    Streaming(Response),
    /// The server answers with one JSON object although a stream was asked for.
    Whole(Response),
    Over,
}

impl<D: Decode> Running<D> {
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
                let response = open.await?;
                self.phase = self.begin(response)?;
                self.ready.push_back(Chunk::Accepted);
                Ok(())
            }
            Phase::Streaming(response) => match response.chunk().await {
                Ok(Some(bytes)) => self.push(&bytes),
                Ok(None) => self.finish(),
                // A finish reason may have come before the connection broke: then nothing is lost.
                Err(error) => self.finish().map_err(|_| self.http.broken(&error)),
            },
            Phase::Whole(response) => {
                let body = self.http.body(response, WHOLE_LIMIT).await?;
                self.phase = Phase::Over;
                self.decoder
                    .whole(&body, &mut self.ready)
                    .map_err(|error| self.http.named(error))
            }
            Phase::Over => Ok(()),
        }
    }

    fn begin(&self, response: Response) -> Result<Phase, Error> {
        let header = |name| {
            response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        if let Some(encoding) = header("content-encoding").filter(|word| *word != "identity") {
            let what = format!("an answer encoded as `{encoding}`, which was not asked for");
            return Err(self.http.unexpected(&what));
        }
        let kind = header("content-type")
            .unwrap_or_default()
            .to_ascii_lowercase();
        if kind.starts_with("application/json") {
            Ok(Phase::Whole(response))
        } else if kind.starts_with("text/html") {
            Err(self
                .http
                .unexpected("a web page instead of an answer: is the base URL right?"))
        } else {
            Ok(Phase::Streaming(response))
        }
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.decoder
            .push(bytes, &mut self.ready)
            .map_err(|error| self.http.named(error))?;
        if matches!(self.ready.back(), Some(Chunk::End(_))) {
            self.close();
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.phase = Phase::Over;
        self.decoder
            .finish(&mut self.ready)
            .map_err(|error| self.http.named(error))
    }

    /// Lets go of a finished response. Its last bytes are mostly here already; with them read, the
    /// connection can serve the next call instead of being closed.
    fn close(&mut self) {
        if let Phase::Streaming(mut response) = std::mem::replace(&mut self.phase, Phase::Over) {
            let _ = response.chunk().now_or_never();
        }
        if self.decoder.skipped() > 0 {
            tracing::warn!(
                skipped = self.decoder.skipped(),
                provider = self.http.name(),
                "unreadable events passed over"
            );
        }
    }
}

/// The error that an answer is not what was asked for.
pub(crate) fn malformed(who: &str, what: &str) -> Error {
    Error::new(Kind::Malformed, format!("{who} sent {what}"))
}
