//! What every front of the cloud stands on: a listener, an HTTP server that holds little, answers that relay.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::held::{Held, Piece};
use crate::Error;

/// Connections served at once by one front; more wait to be accepted.
const CONNECTIONS: usize = 1_024;

/// Connections that wait to be accepted by one front.
const WAITING: u32 = 1_024;

/// The write queue and the read buffer of a front's connection, in bytes. It bounds the request's head as well,
/// which AWS bounds at 10,240 bytes.
pub(crate) const FRONT_BUFFER: usize = 16 << 10;

/// What a front's connections may keep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Buffers {
    /// The write queue and the read buffer, in bytes.
    http: usize,
    /// The sockets' own buffers, see [`narrow`]; the system's choice if not said.
    socket: Option<u32>,
}

impl From<usize> for Buffers {
    fn from(http: usize) -> Self {
        Buffers { http, socket: None }
    }
}

impl From<(usize, Option<u32>)> for Buffers {
    fn from((http, socket): (usize, Option<u32>)) -> Self {
        Buffers { http, socket }
    }
}

/// The largest segment of a connection whose buffers are narrow, in bytes, as on a network with an MTU of 1,500.
const SEGMENT: u32 = 1_448;

/// Bounds what the system keeps of a socket's connections: `buffer` bytes each way on this side (which it
/// doubles), and by the size of a segment what it keeps for whoever writes on the other. Loopback's own
/// segments of 64 KiB make that 4 MiB.
pub(crate) fn narrow(socket: &TcpSocket, buffer: u32) -> std::io::Result<()> {
    socket.set_recv_buffer_size(buffer)?;
    socket.set_send_buffer_size(buffer)?;
    socket2::SockRef::from(socket).set_tcp_mss(SEGMENT)
}

/// An answer of a front.
pub(crate) type Answer = Response<Out>;

/// The body of an answer: whole, or relayed as it comes.
#[derive(Debug)]
pub(crate) enum Out {
    /// All of it, or nothing more.
    Whole(Option<Piece>),
    /// What a relay sends. A channel that ends without [`Step::End`] is a stream that broke: the
    /// connection is closed without the body's end.
    Relay(mpsc::Receiver<Step>, Option<Piece>),
    /// All of it, in the pieces it came in.
    Pieces(VecDeque<Piece>),
}

/// What a relay hands over.
#[derive(Debug)]
pub(crate) enum Step {
    /// The next bytes.
    Bytes(Piece),
    /// The body is whole.
    End,
}

/// The stream broke off upstream.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the stream broke off upstream")]
pub(crate) struct Cut;

impl Out {
    /// A body of the front's own, held by nobody.
    pub(crate) fn own(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() {
            return Out::Whole(None);
        }
        Out::Whole(Some(Held::new().piece(bytes)))
    }
}

impl Body for Out {
    type Data = Piece;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, Cut>>> {
        match &mut *self {
            Out::Whole(piece) => Poll::Ready(piece.take().map(|piece| Ok(Frame::data(piece)))),
            Out::Pieces(pieces) => {
                Poll::Ready(pieces.pop_front().map(|piece| Ok(Frame::data(piece))))
            }
            Out::Relay(steps, first) => {
                if let Some(piece) = first.take() {
                    return Poll::Ready(Some(Ok(Frame::data(piece))));
                }
                Poll::Ready(match ready!(steps.poll_recv(cx)) {
                    Some(Step::Bytes(piece)) => Some(Ok(Frame::data(piece))),
                    Some(Step::End) => None,
                    None => Some(Err(Cut)),
                })
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Out::Whole(piece) => piece.is_none(),
            Out::Pieces(pieces) => pieces.is_empty(),
            Out::Relay(..) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Out::Whole(piece) => {
                SizeHint::with_exact(piece.as_ref().map_or(0, |piece| piece.bytes().len() as u64))
            }
            Out::Pieces(pieces) => {
                SizeHint::with_exact(pieces.iter().map(|piece| piece.bytes().len() as u64).sum())
            }
            Out::Relay(..) => SizeHint::default(),
        }
    }
}

/// What answers the requests of one front.
pub(crate) trait Front: Send + Sync + 'static {
    /// Answers a request; dropped when its client leaves.
    fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> impl Future<Output = Answer> + Send;
}

/// A front listening on an address until `stop`, its connections on `tracker`.
///
/// # Errors
///
/// [`Error::Listen`] if the address cannot be listened on.
pub(crate) async fn listen<F: Front>(
    addr: SocketAddr,
    front: Arc<F>,
    buffers: impl Into<Buffers>,
    stop: CancellationToken,
    tracker: &TaskTracker,
) -> Result<SocketAddr, Error> {
    let failed = |source| Error::Listen { addr, source };
    let buffers = buffers.into();
    let listener = bind(addr, buffers.socket).map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    tracker.spawn(accept(listener, front, buffers.http, stop, tracker.clone()));
    Ok(addr)
}

fn bind(addr: SocketAddr, buffer: Option<u32>) -> std::io::Result<TcpListener> {
    let socket = if addr.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    if let Some(buffer) = buffer {
        narrow(&socket, buffer)?;
    }
    socket.bind(addr)?;
    socket.listen(WAITING)
}

async fn accept<F: Front>(
    listener: TcpListener,
    front: Arc<F>,
    buffer: usize,
    stop: CancellationToken,
    tracker: TaskTracker,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            () = stop.cancelled() => return,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let Ok((stream, peer)) = accepted else {
            // Out of file descriptors: a pause instead of a busy loop.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let (front, stop) = (Arc::clone(&front), stop.clone());
        tracker.spawn(async move {
            tokio::select! {
                () = serve(stream, peer, front, buffer) => {}
                () = stop.cancelled() => {}
            }
            drop(place);
        });
    }
}

async fn serve<F: Front>(stream: TcpStream, peer: SocketAddr, front: Arc<F>, buffer: usize) {
    // Without this small writes wait for the last one's acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        Arc::clone(&front)
            .answer(request, peer)
            .map(Ok::<_, Infallible>)
    });
    // A client that left or a stream that broke is an error here; both are the front's to count.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(hyper_util::rt::TokioTimer::new())
        .max_buf_size(buffer)
        // Pieces are written as they are and not copied together, so that a piece counts as held until
        // the socket has it.
        .writev(true)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
}

/// Reads a body of at most `limit` bytes; `None` if it is longer (read to its end all the same, so that the
/// refusal is not a reset) or the client left.
pub(crate) async fn read(mut body: Incoming, limit: usize) -> Option<Bytes> {
    let mut whole = BytesMut::new();
    let mut length = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.ok()?.into_data() else {
            continue;
        };
        length = length.saturating_add(data.len());
        if length <= limit {
            whole.extend_from_slice(&data);
        } else {
            whole = BytesMut::new();
        }
    }
    (length <= limit).then(|| whole.freeze())
}
