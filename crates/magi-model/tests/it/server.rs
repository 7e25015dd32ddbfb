//! A server of one socket that does as it is told, byte by byte.

use std::io::ErrorKind;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// A listener on this machine's loopback.
pub(crate) struct Server {
    listener: TcpListener,
}

/// A request as it came.
#[derive(Debug)]
pub(crate) struct Request {
    /// The request line and the headers.
    pub(crate) head: String,
    /// The body.
    pub(crate) body: serde_json::Value,
}

impl Server {
    /// Listens, with small socket buffers, so that what is sent ahead of a reader is bounded.
    pub(crate) fn start() -> Server {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_send_buffer_size(16 << 10).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Server {
            listener: socket.listen(16).unwrap(),
        }
    }

    /// Returns the base URL of the server.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap())
    }

    /// Waits for a connection and reads its request.
    pub(crate) async fn accept(&self) -> (TcpStream, Request) {
        let (mut socket, _) = self.listener.accept().await.unwrap();
        let request = read_request(&mut socket).await;
        (socket, request)
    }

    /// Waits for a connection and reads its first bytes, whatever they are.
    pub(crate) async fn accept_raw(&self) -> (TcpStream, usize) {
        let (mut socket, _) = self.listener.accept().await.unwrap();
        let n_read = socket.read(&mut [0; 4096]).await.unwrap();
        (socket, n_read)
    }

    /// Answers one request on a new connection, which is closed after it.
    pub(crate) async fn answer(&self, status: &str, headers: &str, body: &[u8]) -> Request {
        let (mut socket, request) = self.accept().await;
        respond(&mut socket, status, headers, body).await;
        request
    }
}

/// Writes a whole response with its length, or as much of its body as the client wants: one that cuts a long
/// error closes before its end.
pub(crate) async fn respond(socket: &mut TcpStream, status: &str, headers: &str, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    match socket.write_all(body).await {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
            ) => {}
        written => written.unwrap(),
    }
}

/// Reads one request with its body.
pub(crate) async fn read_request(socket: &mut TcpStream) -> Request {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        assert_ne!(
            socket.read_buf(&mut bytes).await.unwrap(),
            0,
            "no request came"
        );
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let length = head
        .lines()
        .find_map(|line| {
            line.to_lowercase()
                .strip_prefix("content-length: ")
                .map(str::to_owned)
        })
        .map_or(0, |length| length.parse().unwrap());
    while bytes.len() < end + 4 + length {
        assert_ne!(
            socket.read_buf(&mut bytes).await.unwrap(),
            0,
            "half a request came"
        );
    }
    let body = serde_json::from_slice(&bytes[end + 4..]).unwrap_or_default();
    Request { head, body }
}
