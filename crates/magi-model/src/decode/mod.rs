//! The vendors' streams: bytes, split anywhere, into chunks. No network, no clock.

mod anthropic;
mod openai;
mod think;

use std::collections::VecDeque;

use magi_event::sse;

use crate::{Chunk, Error, Kind};

pub use anthropic::Anthropic;
pub use openai::OpenAi;

/// The longest event of a stream, in bytes.
pub const EVENT_LIMIT: usize = 1 << 20;

/// How many events that cannot be read are passed over; one more fails the answer.
pub const MAX_SKIPPED: u32 = 3;

/// Turns one answer of a vendor into chunks.
///
/// After an error, or after the chunk [`Chunk::End`], the decoder is done and gives nothing more.
pub trait Decode: Send + 'static {
    /// Reads more bytes of an event stream; the chunks they complete go to the back of `chunks`.
    ///
    /// # Errors
    ///
    /// When the vendor reports a failure in its stream, or the stream is not in the vendor's format.
    /// The chunks before that are in `chunks`.
    fn push(&mut self, bytes: &[u8], chunks: &mut VecDeque<Chunk>) -> Result<(), Error>;

    /// Reads a whole answer that came as one JSON object instead of a stream.
    ///
    /// # Errors
    ///
    /// As [`Decode::push`].
    fn whole(&mut self, body: &[u8], chunks: &mut VecDeque<Chunk>) -> Result<(), Error>;

    /// Says that the bytes have ended.
    ///
    /// # Errors
    ///
    /// [`Kind::Truncated`] when the answer had not properly ended.
    fn finish(&mut self, chunks: &mut VecDeque<Chunk>) -> Result<(), Error>;

    /// Returns how many events could not be read and were passed over.
    fn skipped(&self) -> u32;
}

/// Why one event gives no chunks.
enum Fault {
    /// It is not in the vendor's format.
    Unreadable,
    /// It reports a failure.
    Failed(Error),
}

/// The events of a stream, with the count of those that could not be read.
struct Frames {
    decoder: sse::Decoder,
    skipped: u32,
}

impl Frames {
    fn new() -> Frames {
        Frames {
            decoder: sse::Decoder::new(EVENT_LIMIT),
            skipped: 0,
        }
    }

    /// Hands the data of each event that `bytes` complete to `read`, until one fails.
    fn push(
        &mut self,
        bytes: &[u8],
        mut read: impl FnMut(&str) -> Result<(), Fault>,
    ) -> Result<(), Error> {
        let mut failure = None;
        let skipped = &mut self.skipped;
        let pushed = self.decoder.push(bytes, |message| {
            if failure.is_some() || message.data.trim().is_empty() {
                return;
            }
            match read(&message.data) {
                Ok(()) => {}
                Err(Fault::Failed(error)) => failure = Some(error),
                Err(Fault::Unreadable) => {
                    *skipped += 1;
                    if *skipped > MAX_SKIPPED {
                        failure = Some(unreadable(*skipped));
                    }
                }
            }
        });
        match (failure, pushed) {
            (Some(error), _) => Err(error),
            (None, Err(too_long)) => Err(Error::new(Kind::Malformed, too_long.to_string())),
            (None, Ok(())) => Ok(()),
        }
    }
}

fn unreadable(count: u32) -> Error {
    Error::new(
        Kind::Malformed,
        format!("{count} events of the stream could not be read"),
    )
}

fn truncated() -> Error {
    Error::new(Kind::Truncated, "the stream ended without its proper end")
}
