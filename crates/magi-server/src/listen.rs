//! The listening side: accepted sockets, their bounds, and a shutdown that readers survive.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{Config, Error, Trust};

/// The most bytes of a request's head; a longer one is answered 431.
const HEAD_LIMIT: usize = 32 * 1024;

/// The most header fields of a request.
const HEADERS_LIMIT: usize = 64;

/// How long accepting waits after an error such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Refuses the combination that would let anybody on the network in.
pub(crate) fn check_address(address: SocketAddr, trust: &Trust) -> Result<(), Error> {
    match trust {
        Trust::Local if !address.ip().is_loopback() => Err(Error::OpenToAll(address)),
        Trust::Local | Trust::Token(_) | Trust::Platform => Ok(()),
    }
}

/// Accepts and serves connections until `stop`, then waits for them to end by themselves.
pub(crate) async fn run(
    listener: TcpListener,
    router: Router,
    config: &Config,
    stop: CancellationToken,
) {
    let tracker = TaskTracker::new();
    let places = Arc::new(Semaphore::new(config.max_connections.max(1)));
    let cut = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, place)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let connection = Connection {
            router: router.clone(),
            header_timeout: config.header_timeout,
            write_stall: config.write_stall,
            stop: stop.clone(),
        };
        let cut = cut.clone();
        tracker.spawn(async move {
            tokio::select! {
                () = cut.cancelled() => {}
                () = connection.serve(stream) => {}
            }
            drop(place);
        });
    }
    drop(listener);
    tracker.close();
    if tokio::time::timeout(config.shutdown_limit, tracker.wait())
        .await
        .is_err()
    {
        tracing::warn!(connections = tracker.len(), "cutting what has not ended");
        cut.cancel();
        tracker.wait().await;
    }
}

/// Waits for a place and for a connection to take it; `None` when accepting failed.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // Tokens are small and each should leave at once; where this fails they leave later.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "failed to set TCP_NODELAY");
            }
            Some((stream, place))
        }
        Err(error) => {
            tracing::warn!(%error, "failed to accept a connection");
            None
        }
    }
}

struct Connection {
    router: Router,
    header_timeout: Duration,
    write_stall: Duration,
    stop: CancellationToken,
}

impl Connection {
    async fn serve(self, stream: TcpStream) {
        let io = TokioIo::new(Stalling::new(stream, self.write_stall));
        let service = TowerToHyperService::new(self.router);
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.header_timeout)
            .max_headers(HEADERS_LIMIT)
            .max_buf_size(HEAD_LIMIT)
            .serve_connection(io, service)
            .with_upgrades();
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

/// A socket whose writes fail once they make no progress for too long: a reader that is gone
/// without a word, or never reads, must not keep a connection for ever.
struct Stalling<S> {
    inner: S,
    limit: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Stalling<S> {
    fn new(inner: S, limit: Duration) -> Self {
        Stalling {
            inner,
            limit,
            stalled: None,
        }
    }

    /// Passes a write's progress on; without any, fails once the limit has passed.
    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        progress: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            self.stalled = None;
            return progress;
        }
        let limit = self.limit;
        let sleep = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + limit)));
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the reader takes nothing any more",
        )))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stalling<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stalling<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.watch(cx, progress)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.watch(cx, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn local_trust_is_for_loopback_alone() {
        let token = Trust::Token(crate::Token::new("0123456789abcdef").unwrap());
        for (address, trust, fits) in [
            ("127.0.0.1:8717", Trust::Local, true),
            ("[::1]:8717", Trust::Local, true),
            ("0.0.0.0:8717", Trust::Local, false),
            ("[::]:8717", Trust::Local, false),
            ("192.168.1.5:8717", Trust::Local, false),
            ("0.0.0.0:8717", token, true),
            ("0.0.0.0:8080", Trust::Platform, true),
        ] {
            let checked = check_address(address.parse().unwrap(), &trust);
            assert_eq!(checked.is_ok(), fits, "{address} {trust:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_without_progress_fails_after_its_limit_and_not_before() {
        let (near, mut far) = tokio::io::duplex(8);
        let limit = Duration::from_secs(60);
        let mut near = Stalling::new(near, limit);
        near.write_all(&[0; 8]).await.unwrap();
        // Progress within the limit starts the time anew.
        let slow = async {
            tokio::time::sleep(Duration::from_secs(59)).await;
            far.read_exact(&mut [0; 4]).await.unwrap();
        };
        let (written, ()) = tokio::join!(near.write_all(&[0; 4]), slow);
        written.unwrap();
        let began = Instant::now();
        let error = near.write_all(&[0; 4]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed(), limit);
    }
}
