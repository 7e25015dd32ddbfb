//! Two hundred readers in lock-step with the models, beside two that read a byte a second and two that never read; and
//! what a hundred that never read cost while the models speak.

use std::collections::HashMap;
use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::post;
use futures_util::{StreamExt, stream};
use magi_event::DeliberationId;
use magi_event::sse::Decoder;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::support::{PATIENCE, Served, http, magi};

/// Readers that read as fast as they can, half of them over WebSocket.
const FAST: usize = 200;

/// Readers that never read, in each of the two ways.
const STUCK: u64 = 50;

/// Bytes of a token, which still fits into one message.
const TOKEN: usize = 15 << 10;

/// Tokens of an answer: with all four answers 4 MB of events, more than the system's buffers of a connection take.
const TOKENS: u32 = 64;

/// The same where it is seen what the server itself keeps: 9.9 MB, of which those buffers take less than half.
const MORE_TOKENS: u32 = 160;

/// What the server may keep for one reader, in bytes: `docs/streaming.md` states it. A page of its log as it is read
/// and as it is written (256 KiB each), its connection's queue (32 KiB), and what allocating that in pieces leaves
/// unused.
const EACH: u64 = 1 << 20;

/// What a deliberation, its log and its store may take beside its readers, in bytes.
const OWN: u64 = 32 << 20;

/// How long a deliberation with two hundred readers may take on a machine that does other things too.
const LONG: Duration = Duration::from_secs(900);

/// A vendor whose models say a token only when all who count have seen the one before.
struct Vendor {
    tokens: u32,
    counts: usize,
    calls: AtomicU32,
    seen: Mutex<HashMap<(u32, u32), usize>>,
    moved: watch::Sender<()>,
}

impl Vendor {
    async fn start(tokens: u32, counts: usize) -> (Arc<Vendor>, String) {
        let vendor = Arc::new(Vendor {
            tokens,
            counts,
            calls: AtomicU32::new(0),
            seen: Mutex::default(),
            moved: watch::Sender::new(()),
        });
        let router = Router::new()
            .route("/v1/chat/completions", post(answer))
            .with_state(vendor.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        TaskTracker::new().spawn(async move { axum::serve(listener, router).await });
        (vendor, url)
    }

    /// A reader has this event; if it is a token, its answer may go on once all have it.
    fn see(&self, event: &str) {
        let mut marks = event.split('@').skip(1);
        let Some((call, token)) = marks.next().and_then(|mark| mark.split_once('.')) else {
            return;
        };
        let token = (call.parse().unwrap(), token.parse().unwrap());
        let mut seen = self.seen.lock().unwrap();
        let count = seen.entry(token).or_default();
        *count += 1;
        if *count == self.counts {
            self.moved.send_replace(());
        }
    }

    async fn all_saw(&self, token: (u32, u32)) {
        let mut moved = self.moved.subscribe();
        let count = || self.seen.lock().unwrap().get(&token).copied();
        while count().unwrap_or(0) < self.counts {
            moved.changed().await.unwrap();
        }
    }
}

async fn answer(State(vendor): State<Arc<Vendor>>) -> Body {
    let call = vendor.calls.fetch_add(1, Ordering::SeqCst);
    let event = |delta: Value, finish: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        let event = json!({"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [choice]});
        format!("data: {event}\n\n")
    };
    let tokens = stream::iter(0..vendor.tokens).then(move |token| {
        let vendor = vendor.clone();
        async move {
            if token > 0 {
                vendor.all_saw((call, token - 1)).await;
            }
            let text = format!("@{call}.{token}@{}", "x".repeat(TOKEN));
            // An answer has 1 MiB at most; what a model thinks has no such end.
            event(json!({ "reasoning_content": text }), Value::Null)
        }
    });
    // Sages read `decision`, the judge `final_decision`.
    let vote = json!({"reasoning": "so", "decision": "APPROVED", "final_decision": "APPROVED", "confidence": 0.5});
    let end = [
        event(
            json!({ "content": format!("\n```json\n{vote}\n```") }),
            Value::Null,
        ),
        event(json!({}), json!("stop")),
        "data: [DONE]\n\n".to_owned(),
    ];
    let whole = tokens.chain(stream::iter(end));
    Body::from_stream(whole.map(Ok::<_, std::convert::Infallible>))
}

async fn serve(folder: &std::path::Path, vendor: &str, stall: &str) -> Served {
    let mut command = magi(folder);
    command
        .env("OPENAI_BASE_URL", vendor)
        .env("OPENAI_API_KEY", "test")
        .env("MAGI_MODEL", "openai:m")
        .env("MAGI_WRITE_STALL", stall);
    Served::start(&mut command, 0).await
}

/// Puts a question whose deadlines no busy machine misses.
async fn ask(served: &Served) -> DeliberationId {
    let deadlines = json!({"connect": 300, "first_token": 300, "idle": 300, "sage_total": 900, "judge_total": 900, "whole": 1800});
    let body =
        json!({"question": "Should we ship on Friday?", "council": {"deadlines": deadlines}});
    let url = format!("{}/v1/deliberations", served.address);
    let answer = http().post(url).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let answer: Value = answer.json().await.unwrap();
    answer["id"].as_str().unwrap().parse().unwrap()
}

/// The two ways of reading a deliberation: the path, and whether it is a WebSocket's.
fn ways(id: DeliberationId) -> [(String, bool); 2] {
    [
        (format!("/v1/deliberations/{id}/events"), false),
        (format!("/v1/deliberations/{id}/ws"), true),
    ]
}

/// What a reader has: ids in order, the bytes of all events, and the last one's type.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    ids: Vec<String>,
    bytes: usize,
    last: String,
}

impl Seen {
    fn take(&mut self, id: &str, event: &str) {
        self.ids.push(id.to_owned());
        self.bytes += event.len();
        let kind = event.strip_prefix(r#"{"type":""#).unwrap();
        self.last = kind.split('"').next().unwrap().to_owned();
    }
}

async fn read_sse(client: reqwest::Client, url: String, vendor: Option<Arc<Vendor>>) -> Seen {
    let answer = client.get(url).send().await.unwrap();
    let mut bytes = answer.bytes_stream();
    let (mut decoder, mut seen) = (Decoder::new(1 << 20), Seen::default());
    while let Some(chunk) = bytes.next().await {
        let take = |message: magi_event::sse::Message| {
            seen.take(&message.id.unwrap(), &message.data);
            if let Some(vendor) = &vendor {
                vendor.see(&message.data);
            }
        };
        decoder.push(&chunk.unwrap(), take).unwrap();
    }
    seen
}

#[derive(Deserialize)]
struct Down {
    events: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    id: String,
    event: Box<RawValue>,
}

async fn read_socket(url: String, vendor: Arc<Vendor>) -> Seen {
    let (socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    read_messages(socket, Some(vendor)).await
}

async fn read_messages<S>(mut socket: WebSocketStream<S>, vendor: Option<Arc<Vendor>>) -> Seen
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut seen = Seen::default();
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Text(text) => {
                let down: Down = serde_json::from_str(&text).unwrap();
                for item in down.events {
                    seen.take(&item.id, item.event.get());
                    if let Some(vendor) = &vendor {
                        vendor.see(item.event.get());
                    }
                }
            }
            Message::Close(frame) => {
                assert_eq!(u16::from(frame.unwrap().code), 1000);
                return seen;
            }
            _ => {}
        }
    }
}

/// A connection with the smallest of buffers that has asked and reads nothing by itself.
struct Idler {
    stream: TcpStream,
    is_socket: bool,
    /// What it has read after all.
    bytes: Vec<u8>,
}

impl Idler {
    async fn connect(served: &Served, (path, is_socket): &(String, bool)) -> Idler {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4 << 10).unwrap();
        let host = served.address.trim_start_matches("http://");
        let mut stream = socket.connect(host.parse().unwrap()).await.unwrap();
        let mut head = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n");
        if *is_socket {
            head += "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        }
        head += "\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        Idler {
            stream,
            is_socket: *is_socket,
            bytes: Vec::new(),
        }
    }

    /// Reads a byte a second until it is told to hurry.
    async fn dawdle(mut self, hurry: CancellationToken) -> Idler {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                () = hurry.cancelled() => return self,
                _ = second.tick() => {}
            }
            self.bytes.push(self.stream.read_u8().await.unwrap());
        }
    }

    /// Reads on to the end, as fast as it can.
    async fn rest(mut self) -> Seen {
        if !self.is_socket {
            self.stream.read_to_end(&mut self.bytes).await.unwrap();
            let head = self.head().unwrap();
            return unchunked(&self.bytes[head..]);
        }
        while self.head().is_none() {
            self.bytes.push(self.stream.read_u8().await.unwrap());
        }
        let frames = self.bytes.split_off(self.head().unwrap());
        let socket =
            WebSocketStream::from_partially_read(self.stream, frames, Role::Client, None).await;
        read_messages(socket, None).await
    }

    /// Where the answer's head ends.
    fn head(&self) -> Option<usize> {
        let four = self.bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        Some(four + 4)
    }
}

/// Takes the chunks of a whole body apart.
fn unchunked(mut rest: &[u8]) -> Seen {
    let (mut decoder, mut seen) = (Decoder::new(1 << 20), Seen::default());
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n").unwrap();
        let length =
            usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        if length == 0 {
            return seen;
        }
        let chunk = &rest[line + 2..line + 2 + length];
        decoder
            .push(chunk, |message| {
                seen.take(&message.id.unwrap(), &message.data);
            })
            .unwrap();
        rest = &rest[line + 4 + length..];
    }
}

/// A line of `/proc/PID/status`, in bytes.
fn memory(served: &Served, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", served.pid())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap();
    let number = line.trim_start_matches(':').trim().trim_end_matches(" kB");
    number.parse::<u64>().unwrap() << 10
}

/// The most bytes that the system takes from the server for one connection and keeps itself.
fn send_buffer() -> u64 {
    let sizes = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_wmem").unwrap();
    sizes.split_whitespace().last().unwrap().parse().unwrap()
}

async fn gauge(served: &Served, name: &str) -> u64 {
    let metrics = http()
        .get(format!("{}/metrics", served.address))
        .send()
        .await
        .unwrap();
    let metrics = metrics.text().await.unwrap();
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("{metrics}")).parse().unwrap()
}

/// Waits until this many readers are attached, in both ways of reading.
async fn attached(served: &Served, by_sse: u64, by_socket: u64) {
    let mut now = (u64::MAX, u64::MAX);
    let wait = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        while now != (by_sse, by_socket) {
            ticks.tick().await;
            now = (
                gauge(served, "magi_sse_readers").await,
                gauge(served, "magi_websockets").await,
            );
        }
    };
    let waited = tokio::time::timeout(PATIENCE, wait).await;
    assert!(
        waited.is_ok(),
        "{now:?} are attached, not {by_sse} and {by_socket}"
    );
}

fn told(text: std::fmt::Arguments<'_>) {
    writeln!(std::io::stdout().lock(), "{text}").unwrap();
}

/// Waits until the server has written what the sockets take, and nothing moves any more; returns the most memory it had.
async fn most_at_rest(served: &Served) -> u64 {
    let (mut last, mut times) = (0, 0);
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    while times < 20 {
        ticks.tick().await;
        let now = memory(served, "VmHWM");
        times = if now == last { times + 1 } else { 0 };
        last = now;
    }
    last
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_readers_and_those_who_never_read_stall_nobody_and_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (vendor, url) = Vendor::start(TOKENS, FAST).await;
    let served = serve(folder.path(), &url, "1h").await;
    let idle = memory(&served, "VmRSS");
    let id = ask(&served).await;
    let ways = ways(id);
    let (hurry, mut slow, mut never) = (CancellationToken::new(), JoinSet::new(), Vec::new());
    for way in &ways {
        never.push(Idler::connect(&served, way).await);
        slow.spawn(Idler::connect(&served, way).await.dawdle(hurry.clone()));
    }
    attached(&served, 2, 2).await;
    // Making a client reads the system's certificates: once is enough.
    let client = http();
    let events = format!("{}{}", served.address, ways[0].0);
    let socket = format!("{}{}", served.address.replace("http", "ws"), ways[1].0);
    let mut readers = JoinSet::new();
    for at in 0..FAST {
        let vendor = vendor.clone();
        if at % 2 == 0 {
            readers.spawn(read_sse(client.clone(), events.clone(), Some(vendor)));
        } else {
            readers.spawn(read_socket(socket.clone(), vendor));
        }
    }
    // The models speak only as fast as the slowest of the two hundred reads: that they come to the end shows that
    // nobody waited for the four.
    let all = tokio::time::timeout(LONG, readers.join_all())
        .await
        .expect("somebody stalls");
    attached(&served, 2, 2).await;
    let most = memory(&served, "VmHWM");
    let reference = read_sse(client, events, None).await;
    assert_eq!(reference.last, "complete");
    assert!(reference.ids.len() > 4 * TOKENS as usize);
    assert!(
        all.iter().all(|seen| *seen == reference),
        "lost, doubled or reordered"
    );
    // What is kept for who does not read is seen by the other test; this sees what is kept of what was read.
    let bound = OWN + EACH * (FAST as u64 + 4);
    told(format_args!(
        "crowd: {FAST} readers of {} events in lock-step beside four that do not read: {} KiB at rest, {} KiB at most, \
         bound {} KiB above",
        reference.ids.len(),
        idle >> 10,
        most >> 10,
        bound >> 10
    ));
    assert!(most - idle <= bound, "{idle} {most} {bound}");
    // It is never too late: who begins to read has everything.
    hurry.cancel();
    for idler in never.into_iter().chain(slow.join_all().await) {
        let is_socket = idler.is_socket;
        let seen = tokio::time::timeout(PATIENCE, idler.rest()).await;
        assert!(seen.unwrap() == reference, "WebSocket: {is_socket}");
    }
    served.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_that_never_read_a_live_log_cost_a_bounded_sum_and_are_let_go_after_a_stall() {
    let folder = tempfile::tempdir().unwrap();
    let (vendor, url) = Vendor::start(MORE_TOKENS, 2).await;
    let served = serve(folder.path(), &url, "1h").await;
    let idle = memory(&served, "VmRSS");
    let ways = ways(ask(&served).await);
    // A tenth of them read a byte a second, the others nothing.
    let (hurry, mut slow, mut stuck) = (CancellationToken::new(), JoinSet::new(), Vec::new());
    for way in &ways {
        for at in 0..STUCK {
            let idler = Idler::connect(&served, way).await;
            if at % 10 == 0 {
                slow.spawn(idler.dawdle(hurry.clone()));
            } else {
                stuck.push(idler);
            }
        }
    }
    attached(&served, STUCK, STUCK).await;
    // No model has said its second token: the models wait for two readers, who come only now. So every event comes
    // live past the hundred.
    let events = format!("{}{}", served.address, ways[0].0);
    let socket = format!("{}{}", served.address.replace("http", "ws"), ways[1].0);
    let pace = async {
        tokio::join!(
            read_sse(http(), events, Some(vendor.clone())),
            read_socket(socket, vendor.clone())
        )
    };
    let (whole, other) = tokio::time::timeout(LONG, pace)
        .await
        .expect("somebody stalls");
    assert!(whole.last == "complete" && whole == other);
    let most = most_at_rest(&served).await;
    let bound = OWN + EACH * (2 * STUCK + 2);
    // What a server would have to keep that keeps all events for each reader of one of the two ways.
    let all = STUCK * (whole.bytes as u64 - send_buffer());
    told(format_args!(
        "stuck: {} readers that read nothing or a byte a second of a live log of {} KiB: {} KiB at rest, {} KiB at most, bound {} KiB above; \
         all events for half of them, beyond the system's buffers, are {} KiB",
        2 * STUCK,
        whole.bytes >> 10,
        idle >> 10,
        most >> 10,
        bound >> 10,
        all >> 10
    ));
    assert!(most - idle <= bound, "{idle} {most} {bound}");
    assert!(
        bound < all / 3 * 2,
        "this bound is too wide to be missed: {bound} {all}"
    );
    // All of them waited: a socket that had taken everything would have been closed by now.
    attached(&served, STUCK, STUCK).await;
    hurry.cancel();
    assert_eq!(slow.join_all().await.len() as u64, STUCK / 5);
    served.kill().await;

    // The same under a limit that a test can wait for: they are let go, and come back with their cursor.
    let served = serve(folder.path(), &url, "1s").await;
    let mut stuck = Vec::new();
    for way in &ways {
        stuck.push(Idler::connect(&served, way).await);
    }
    for idler in &stuck {
        // It is being answered, and so it is attached.
        idler.stream.peek(&mut [0]).await.unwrap();
    }
    attached(&served, 0, 0).await;
    for mut idler in stuck {
        let mut bytes = Vec::new();
        // Reset or closed: what matters is that it is over, and without the last event.
        let _ = tokio::time::timeout(PATIENCE, idler.stream.read_to_end(&mut bytes))
            .await
            .expect("it is held");
        assert!(!String::from_utf8_lossy(&bytes).contains(r#""type":"complete""#));
    }
    served.kill().await;
}
