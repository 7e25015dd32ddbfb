//! One WebSocket as a connection uses it: paced, read while it writes, closed by a handshake.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocketUpgrade, close_code};
use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite;
use tokio_util::sync::CancellationToken;

use crate::intake;

/// The least time between two messages in either direction: under 250 a second, and no wait where
/// tokens come slower than that.
const PACE: Duration = Duration::from_millis(5);

/// How long a message may be to be refused with a word; what is longer yet breaks the connection.
const READ_LIMIT: usize = intake::BODY_LIMIT;

/// What is read at once, in bytes, and kept by a socket for it.
const READ: usize = 8 * 1024;

/// The most bytes that the library keeps before it writes by itself: above the longest message of
/// events and an answer, so that taking a message never waits.
const WRITE: usize = 64 * 1024;

/// How long the other side may take to read to the end of a socket that this side closes.
const CLOSING: Duration = Duration::from_secs(60);

/// The same when the server stops.
const STOPPING: Duration = Duration::from_secs(1);

/// The socket is closed or broken: there is nobody to tell.
pub(super) struct Closed;

/// What a wire that was listened to did.
enum Heard {
    /// What was being written is taken.
    Taken,
    Said(Option<Result<Message, axum::Error>>),
}

/// Bounds what a socket keeps.
pub(super) fn bounded(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade
        .read_buffer_size(READ)
        .write_buffer_size(WRITE)
        .max_message_size(READ_LIMIT)
        .max_frame_size(READ_LIMIT)
}

/// The socket, at most one message of events, and at most one answer.
pub(super) struct Wire<S> {
    socket: S,
    /// Whether something is not yet taken by the system.
    is_full: bool,
    /// Whether an answer is: until it is out, nothing more is heard.
    is_answering: bool,
    next_at: Instant,
}

impl<S> Wire<S>
where
    S: Stream<Item = Result<Message, axum::Error>> + Sink<Message, Error = axum::Error> + Unpin,
{
    pub(super) fn new(socket: S) -> Self {
        Wire {
            socket,
            is_full: false,
            is_answering: false,
            next_at: Instant::now(),
        }
    }

    /// Waits until the next message may pass.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub(super) async fn pace(&mut self) {
        tokio::time::sleep_until(self.next_at).await;
    }

    /// Tells whether a message waits to be taken; events wait for it.
    pub(super) const fn is_full(&self) -> bool {
        self.is_full
    }

    /// Waits for a message, also while one is being written, so that a reader that is slow is heard at
    /// once; `None` when what was being written is taken.
    ///
    /// # Cancel safety
    ///
    /// Safe: what was not read stays in the socket.
    pub(super) async fn hear(&mut self) -> Result<Option<Message>, Closed> {
        let heard = poll_fn(|cx| {
            if self.is_full
                && let Poll::Ready(flushed) = Pin::new(&mut self.socket).poll_flush(cx)
            {
                (self.is_full, self.is_answering) = (false, false);
                return Poll::Ready(flushed.map_or(Heard::Said(None), |()| Heard::Taken));
            }
            if self.is_answering {
                return Poll::Pending;
            }
            Pin::new(&mut self.socket).poll_next(cx).map(Heard::Said)
        })
        .await;
        let said = match heard {
            Heard::Taken => return Ok(None),
            Heard::Said(said) => said,
        };
        self.next_at = Instant::now() + PACE;
        match said {
            Some(Ok(message)) => Ok(Some(message)),
            Some(Err(error)) => {
                if let Some((code, reason)) = broken(error) {
                    self.say_close(code, reason).await;
                }
                Err(Closed)
            }
            None => Err(Closed),
        }
    }

    /// Sends a message of events or a ping; there is room where the wire is not full.
    pub(super) async fn tell(&mut self, message: Message) -> Result<(), Closed> {
        self.socket.feed(message).await.map_err(|_| Closed)?;
        self.next_at = Instant::now() + PACE;
        match self.socket.flush().now_or_never() {
            Some(Ok(())) => (self.is_full, self.is_answering) = (false, false),
            Some(Err(_)) => return Err(Closed),
            None => self.is_full = true,
        }
        Ok(())
    }

    /// Sends an answer.
    pub(super) async fn answer(&mut self, text: String) -> Result<(), Closed> {
        self.is_answering = true;
        self.tell(Message::Text(text.into())).await
    }

    /// Closes this side with a code and a word, and waits for the other side to have read all.
    pub(super) async fn close(
        &mut self,
        code: u16,
        reason: &'static str,
        stop: &CancellationToken,
    ) -> Closed {
        let closing = async {
            self.say_close(code, reason).await;
            self.drained().await;
        };
        tokio::select! {
            () = closing => {}
            () = tokio::time::sleep(CLOSING) => {}
            () = stopped(stop) => {}
        }
        Closed
    }

    /// Answers the other side's close.
    pub(super) async fn closed(&mut self, stop: &CancellationToken) -> Closed {
        tokio::select! {
            () = self.drained() => {}
            () = tokio::time::sleep(CLOSING) => {}
            () = stopped(stop) => {}
        }
        Closed
    }

    async fn say_close(&mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame {
            code,
            reason: reason.into(),
        };
        // The other side may be gone already; then there is nobody to tell.
        let _ = self.socket.send(Message::Close(Some(frame))).await;
    }

    /// Reads to the other side's close: a connection that is dropped with something unread is reset
    /// by the system, and what was sent last would be lost.
    async fn drained(&mut self) {
        while let Some(Ok(_)) = self.socket.next().await {}
    }
}

async fn stopped(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(STOPPING).await;
}

/// Returns the close code and the word for what the other side did, if it did something.
///
/// Source: RFC 6455, section 7.4.1.
fn broken(error: axum::Error) -> Option<(u16, &'static str)> {
    let error = error.into_inner();
    match error.downcast_ref::<tungstenite::Error>()? {
        tungstenite::Error::Capacity(_) => {
            Some((close_code::SIZE, "a message may have 1 MiB at most"))
        }
        tungstenite::Error::Utf8(_) => Some((close_code::INVALID, "a text must be UTF-8")),
        tungstenite::Error::Protocol(
            tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
        ) => None,
        tungstenite::Error::Protocol(_) => Some((close_code::PROTOCOL, "this is no WebSocket")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::task::Context;

    use super::*;

    /// A socket whose other side has said something and takes nothing for now.
    #[derive(Default)]
    struct Stuck {
        is_taken: bool,
        written: Vec<Message>,
        inbox: VecDeque<Message>,
    }

    impl Stream for Stuck {
        type Item = Result<Message, axum::Error>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            match self.inbox.pop_front() {
                Some(message) => Poll::Ready(Some(Ok(message))),
                None => Poll::Pending,
            }
        }
    }

    impl Sink<Message> for Stuck {
        type Error = axum::Error;

        fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
            Poll::Ready(Ok(()))
        }

        fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), axum::Error> {
            self.written.push(message);
            Ok(())
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
            if self.is_taken {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            }
        }

        fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
            self.poll_flush(cx)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_is_slow_is_heard_and_one_answer_waits_at_most() {
        let mut wire = Wire::new(Stuck::default());
        wire.socket
            .inbox
            .extend(["stop", "again"].map(Message::from));
        assert!(wire.tell(Message::from("events")).await.is_ok());
        assert!(wire.is_full(), "more events wait");
        let heard = wire.hear().now_or_never();
        assert!(matches!(heard, Some(Ok(Some(Message::Text(text)))) if text.as_str() == "stop"));
        assert!(wire.answer("stopped".to_owned()).await.is_ok());
        // Whoever sends without reading cannot make this side keep answers.
        assert!(wire.hear().now_or_never().is_none());
        assert_eq!(wire.socket.written.len(), 2);
        wire.socket.is_taken = true;
        // Whoever waits for room is told, though nothing was said.
        assert!(matches!(wire.hear().now_or_never(), Some(Ok(None))));
        assert!(!wire.is_full());
        assert!(matches!(wire.hear().now_or_never(), Some(Ok(Some(_)))));
    }

    #[tokio::test(start_paused = true)]
    async fn messages_are_a_pace_apart_in_both_directions() {
        let mut wire = Wire::new(Stuck {
            is_taken: true,
            ..Stuck::default()
        });
        let began = Instant::now();
        for _ in 0..100 {
            wire.pace().await;
            assert!(wire.tell(Message::from("events")).await.is_ok());
            wire.pace().await;
            wire.socket
                .inbox
                .push_back(Message::Ping(bytes::Bytes::new()));
            assert!(wire.hear().await.is_ok());
        }
        assert!(began.elapsed() >= PACE * 199, "{:?}", began.elapsed());
    }
}
