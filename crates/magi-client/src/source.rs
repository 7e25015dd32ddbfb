//! One connection that gives events: a stream's body or a WebSocket.

use std::time::Duration;

use magi_event::sse;

use crate::call::Server;
use crate::socket::Socket;
use crate::{Body, Error};

/// What the events of a connection come out of.
pub(crate) enum Source {
    Stream(Body, sse::Decoder),
    Socket(Box<Socket>),
}

/// What one read of a connection brought.
#[derive(Default)]
pub(crate) struct Pulled {
    pub(crate) messages: Vec<sse::Message>,
    /// What is wrong behind them.
    pub(crate) fault: Option<Error>,
    /// How long the server asks to wait before the next connection.
    pub(crate) retry: Option<Duration>,
}

impl Source {
    /// Returns what comes next, `None` at the connection's end.
    pub(crate) async fn pull(&mut self, server: &Server) -> Result<Option<Pulled>, Error> {
        let silence = server.options.silence;
        let mut pulled = Pulled::default();
        match self {
            Source::Stream(body, decoder) => {
                let Some(bytes) = server.next_chunk(body, silence).await? else {
                    return Ok(None);
                };
                let whole = decoder.push(&bytes, |message| pulled.messages.push(message));
                pulled.fault = whole.err().map(Error::TooLong);
                pulled.retry = decoder.retry_ms().map(Duration::from_millis);
            }
            Source::Socket(socket) => match socket.next(silence).await? {
                Some(messages) => pulled.messages = messages,
                None => return Ok(None),
            },
        }
        Ok(Some(pulled))
    }
}
