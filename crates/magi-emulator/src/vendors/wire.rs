//! The socket under a request: it can be cut or reset in the middle, and it notices who left.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

const OPEN: u8 = 0;
const CUT: u8 = 1;
const RESET: u8 = 2;

/// What a request's handler knows of the socket it came on.
#[derive(Debug)]
pub(crate) struct Conn {
    abort: AtomicU8,
    wake: AtomicWaker,
    started: Instant,
    /// Milliseconds since `started` plus 1; 0 while the client is there.
    closed: AtomicU64,
    after_close: AtomicU64,
}

impl Conn {
    fn new() -> Self {
        Conn {
            abort: AtomicU8::new(OPEN),
            wake: AtomicWaker::new(),
            started: Instant::now(),
            closed: AtomicU64::new(0),
            after_close: AtomicU64::new(0),
        }
    }

    /// Closes the connection once everything written is flushed, without the body's end.
    pub(crate) fn cut(&self) {
        self.abort.store(CUT, Ordering::Release);
        self.wake.wake();
    }

    /// Resets the connection (RST). What was written before was sent, but may not be delivered.
    pub(crate) fn reset(&self) {
        self.abort.store(RESET, Ordering::Release);
        self.wake.wake();
    }

    /// Returns how long ago the client's end was seen closed.
    pub(crate) fn closed_ago(&self) -> Option<std::time::Duration> {
        let at = self.closed.load(Ordering::Acquire).checked_sub(1)?;
        Some(
            self.started
                .elapsed()
                .saturating_sub(std::time::Duration::from_millis(at)),
        )
    }

    /// Returns the bytes written after that.
    pub(crate) fn bytes_after_close(&self) -> u64 {
        self.after_close.load(Ordering::Acquire)
    }

    fn saw_close(&self) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        let _ = self
            .closed
            .compare_exchange(0, now + 1, Ordering::AcqRel, Ordering::Acquire);
    }

    fn aborted(&self) -> bool {
        self.abort.load(Ordering::Acquire) != OPEN
    }
}

/// A socket with a [`Conn`] beside it.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    conn: Arc<Conn>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> (Self, Arc<Conn>) {
        let conn = Arc::new(Conn::new());
        (
            Wire {
                stream,
                conn: Arc::clone(&conn),
            },
            conn,
        )
    }

    /// Ends the socket as asked; the error makes the HTTP server drop it.
    fn end(&self) -> io::Error {
        if self.conn.abort.load(Ordering::Acquire) == RESET {
            // If this fails the close is an ordinary one, which the test of the fault would see.
            let _ = self.stream.set_zero_linger();
        }
        io::Error::from(io::ErrorKind::ConnectionAborted)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.conn.wake.register(cx.waker());
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        match &read {
            Poll::Ready(Ok(())) if buf.filled().len() == before => self.conn.saw_close(),
            Poll::Ready(Err(_)) => self.conn.saw_close(),
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(cx, buf);
        if let Poll::Ready(Ok(n)) = &wrote
            && self.conn.closed_ago().is_some()
        {
            self.conn.after_close.fetch_add(*n as u64, Ordering::AcqRel);
        }
        wrote
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The server flushes after it has written its own buffer, so everything before the abort
        // is out when the abort is seen here.
        std::task::ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        if self.conn.aborted() {
            return Poll::Ready(Err(self.end()));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.conn.aborted() {
            return Poll::Ready(Err(self.end()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
