//! No hop of any way holds a token back, none holds much of what nobody reads, and a long answer passes.

use std::time::Duration;

use magi_emulator::cloud::{Failure, RunningCloud};
use magi_emulator::demo::Way;
use magi_event::sse::Decoder;
use magi_event::{FinalDecision, Timestamp};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::cloud::text;
use super::lockstep::{self, TOKENS};
use super::support::{PATIENCE, Seen, http};
use super::ways::{HELD, address, headers, post, start, verdict, whole};

const STREAMING: [Way; 3] = [Way::Gateway, Way::Agentcore, Way::Direct];

fn question() -> Value {
    json!({"action": "ask", "question": "Should we ship on Friday?"})
}

#[tokio::test(flavor = "multi_thread")]
async fn on_every_way_every_token_arrives_before_the_next_is_made() {
    let named = format!("fake+lockstep+tool+len-{TOKENS}");
    let cloud = start(&format!("bedrock:{named}"), |config| {
        config.vendors.longest_hold = Duration::from_secs(30);
        // A heartbeat would push out whatever a hop holds back.
        config
            .env
            .insert("MAGI_HEARTBEAT".to_owned(), "0".to_owned());
    })
    .await;
    for way in STREAMING {
        let answer = post(&cloud, way, &question()).await;
        lockstep::follow(cloud.vendors(), "bedrock", &named, answer).await;
    }
    // The same function behind the front that buffers: the model has spoken, and nobody hears it.
    let question = question();
    let mut asked = Box::pin(post(&cloud, Way::Buffered, &question));
    let calls_before = cloud.vendors().ledger().requests();
    let spoken = cloud.vendors().ledger().until(PATIENCE, |entries| {
        let sages = entries.iter().filter(|entry| entry.id >= calls_before);
        sages.filter(|entry| entry.tokens_sent > 0).count() >= 3
    });
    tokio::select! {
        answer = &mut asked => panic!("answered in the middle: {answer:?}"),
        (_, spoken) = spoken => assert!(spoken),
    }
    drop(asked);
    cloud.stop().await;
}

/// Reads the frames of a probe, and does something at each as soon as it is there.
async fn probe(cloud: &RunningCloud, way: Way, acked: bool) -> Vec<(Timestamp, Value)> {
    let asking = json!({"action": "probe", "frames": 8, "ack": acked});
    let mut answer = post(cloud, way, &asking).await;
    assert_eq!(answer.status(), 200);
    let mut decoder = Decoder::new(1 << 20);
    let mut frames: Vec<(Timestamp, Value)> = Vec::new();
    loop {
        let bytes = tokio::time::timeout(PATIENCE, answer.chunk()).await;
        let Some(bytes) = bytes.expect("a hop holds a frame back").unwrap() else {
            return frames;
        };
        let now = Timestamp::from_millis(cloud.account().now().as_millisecond());
        let before = frames.len();
        let mut take = |data: &str| frames.push((now, serde_json::from_str(data).unwrap()));
        decoder.push(&bytes, |message| take(&message.data)).unwrap();
        for (_, frame) in &frames[before..] {
            assert_eq!(frame["type"], "probe", "{way:?}: {frame}");
            assert_eq!(frame["data"]["acked"], acked, "{way:?}: {frame}");
            if acked {
                let (probe, frame) = (&frame["data"]["probe"], &frame["data"]["frame"]);
                let ack = json!({"action": "ack", "probe": probe, "frame": frame});
                let acked = post(cloud, way, &ack).await;
                assert_eq!(acked.status(), 200, "{way:?}: {}", text(acked).await);
            }
        }
    }
}

#[tokio::test]
async fn a_probe_finds_the_hop_that_buffers_and_no_other() {
    let cloud = start("bedrock:fake", |_| {}).await;
    for way in [Way::Gateway, Way::Agentcore] {
        assert_eq!(probe(&cloud, way, true).await.len(), 8);
    }
    // An ack may reach another instance of the function: there the frames bear when they were sent.
    for way in [Way::Direct, Way::Buffered] {
        let frames = probe(&cloud, way, false).await;
        assert_eq!(frames.len(), 8);
        let sent_at = |frame: &Value| {
            let sent_at = frame["data"]["sent_at"].as_str().unwrap();
            sent_at.parse::<Timestamp>().unwrap()
        };
        let (first_came, _) = frames[0];
        let last_sent = sent_at(&frames[7].1);
        assert_eq!(first_came < last_sent, way.streams(), "{way:?}: {frames:?}");
    }
    cloud.stop().await;
}

/// More than 6 MB of events, in tokens of a usual size.
const LONG: &str = "bedrock:fake+by-role+tool+len-8500";

/// The largest whole answer of a function, in bytes.
const WHOLE: usize = 6 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_above_6_mb_passes_where_it_streams_and_is_refused_where_it_is_buffered() {
    let cloud = start(LONG, |_| {}).await;
    let asked = question();
    let reading = |way| {
        let asked = post(&cloud, way, &asked);
        async move {
            let answer = text(asked.await).await;
            assert!(answer.len() > WHOLE, "{way:?}: only {} bytes", answer.len());
            let mut seen = Seen::default();
            Decoder::new(1 << 20)
                .push(answer.as_bytes(), |message| seen.take(&message))
                .unwrap();
            assert_eq!(
                verdict(&whole(&seen)).1.final_decision,
                FinalDecision::Approved
            );
        }
    };
    reading(Way::Direct).await;
    // AgentCore is on this way as well.
    reading(Way::Gateway).await;
    let refused = post(&cloud, Way::Buffered, &asked).await;
    assert_eq!(refused.status(), 502);
    assert_eq!(text(refused).await, "Internal Server Error");
    let function = cloud.buffered().function();
    function.until(|function| function.running() == 0).await;
    let failures: Vec<_> = function
        .billed()
        .into_iter()
        .map(|one| one.failure)
        .collect();
    assert_eq!(failures, [None, Some(Failure::TooLarge)]);
    cloud.stop().await;
}

/// The sockets' buffers in the test, in bytes; the system doubles what it is asked for.
const SOCKET: u32 = 4 << 10;

/// What the emulator's end of a connection may keep unread, in bytes, and what it may keep unsent: the system
/// takes a write whole while it has room at all.
const UNREAD: u64 = 2 * SOCKET as u64;
const UNSENT: u64 = 2 * SOCKET as u64 + (64 << 10);

/// What the system keeps unsent of a process, in bytes: on Linux 4,608 for each packet of its congestion
/// window, which stays below 100 packets because no more frames than that fit into the other end,
const SENDS: u64 = 450 << 10;
/// and unread of the gateway's client, which asks for 64 KiB itself.
const RECEIVES: u64 = 128 << 10;

/// What the container's own server has taken from its log: a page, and its connection's queue.
const SERVER: u64 = (256 << 10) + (32 << 10);

/// All that can be on its way on each way, in bytes: `docs/streaming.md` states the same sums.
fn sum(way: Way) -> u64 {
    let reader = UNREAD + UNSENT;
    let container = UNREAD + SENDS + SERVER;
    match way {
        Way::Agentcore => reader + HELD + container,
        Way::Gateway => {
            let function = UNREAD + SENDS;
            let agentcore = RECEIVES + UNSENT;
            reader + HELD + function + HELD + agentcore + HELD + container
        }
        // What the function's own server has given is not seen from outside: only what came out of it.
        _ => reader + HELD,
    }
}

/// A reader that has asked and does not read.
async fn ask_without_reading(cloud: &RunningCloud, way: Way) -> TcpStream {
    let body = question().to_string();
    let (url, _) = address(cloud, way);
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_at(rest.find('/').unwrap());
    let mut request = format!("POST {path} HTTP/1.1\r\nhost: {host}\r\n");
    for (name, value) in headers(cloud, way, &body) {
        request += &format!("{name}: {value}\r\n");
    }
    request += &format!("content-length: {}\r\n\r\n{body}", body.len());
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(SOCKET).unwrap();
    let mut socket = socket.connect(host.parse().unwrap()).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    socket
}

/// What the relays between the council and the reader have let through so far, and the source's own count. A function
/// that is the council has none that a second call could read: there it is what the front took from it.
async fn moved(cloud: &RunningCloud, way: Way) -> [u64; 3] {
    let front = match way {
        Way::Gateway => cloud.gateway().held(),
        Way::Agentcore => cloud.agentcore().held(),
        _ => cloud.direct().held(),
    };
    let front = front.passed() + front.now();
    let behind = cloud.agentcore().held().passed();
    let ready = cloud.agentcore().sessions().into_iter().rev();
    let address = ready.filter_map(|session| session.address).next();
    let Some(address) = address.filter(|_| way != Way::Direct) else {
        return [front, behind, front];
    };
    let metrics = http().get(format!("http://{address}/metrics")).send();
    let metrics = metrics.await.unwrap().text().await.unwrap();
    let sent = metrics
        .lines()
        .find_map(|line| line.strip_prefix("magi_stream_bytes_total "))
        .unwrap_or_else(|| panic!("{metrics}"));
    [front, behind, sent.parse().unwrap()]
}

/// The least that a token's event takes on the wire, in bytes.
const TOKEN: u64 = 150;

/// Waits until the models have said more than all that may be on its way, and nothing moves any more. Not until
/// they are done: a server cuts off who takes nothing for a minute.
async fn until_it_stands(cloud: &RunningCloud, way: Way) -> [u64; 3] {
    let ledger = cloud.vendors().ledger();
    let (mut last, mut times) = ([0; 3], 0);
    // A look at the ledger copies what was said, so it is not looked at with every token.
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    while times < 10 {
        ticks.tick().await;
        let entries = ledger.entries();
        let tokens = entries.iter().map(|entry| entry.tokens_sent as u64);
        let is_ahead = tokens.sum::<u64>() * TOKEN > sum(way);
        let now = moved(cloud, way).await;
        times = if is_ahead && now == last {
            times + 1
        } else {
            0
        };
        last = now;
    }
    last
}

/// What the sockets between a port of this machine and whoever is connected to it have queued, in bytes:
/// what was written there and not yet taken by the system at the other end, and what waits there unread.
#[cfg(target_os = "linux")]
fn queued(port: u16) -> u64 {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().skip(1).filter_map(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let (local, remote) = (columns.next()?, columns.next()?);
        let (sends, receives) = columns.nth(1)?.split_once(':')?;
        let at = |address: &str| address.rsplit(':').next() == Some(&format!("{port:04X}"));
        let queues =
            u64::from_str_radix(sends, 16).ok()? + u64::from_str_radix(receives, 16).ok()?;
        (at(local) || at(remote)).then_some(queues)
    });
    rows.sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nobody_reads_no_relay_holds_more_than_64_kib_and_the_source_stops() {
    for way in STREAMING {
        let cloud = start(LONG, |config| config.socket_buffer = Some(SOCKET)).await;
        let mut socket = ask_without_reading(&cloud, way).await;
        let standing = tokio::time::timeout(PATIENCE, until_it_stands(&cloud, way)).await;
        let [front, behind, sent] = standing.unwrap_or_else(|_| panic!("{way:?} goes on"));
        assert!(
            sent > 0 && sent <= sum(way),
            "{way:?}: {sent} of {}",
            sum(way)
        );
        let relays = [
            cloud.agentcore().held(),
            cloud.gateway().held(),
            cloud.direct().held(),
        ];
        for held in relays {
            assert!(held.most() <= HELD, "{way:?}: {held:?}");
        }
        #[cfg(target_os = "linux")]
        if way == Way::Gateway {
            // The function is a process: what went into it less what came out of it, less the sockets' own.
            let into = queued(cloud.agentcore().addr().port());
            let apis = cloud.gateway().function().apis();
            let out: u64 = apis.iter().map(|api| queued(api.port())).sum();
            // The queues hold the frames of HTTP as well, 7 bytes on 1 KiB; the head is out already.
            let payload = (into + out) * 98 / 100;
            let held = (behind + 1_024).saturating_sub(front + payload);
            assert!(
                held <= HELD,
                "the function holds {held}: {behind} {front} {into} {out}"
            );
        }
        // The source goes on as soon as somebody reads.
        let mut bytes = vec![0; 64 << 10];
        while moved(&cloud, way).await[2] == sent {
            let more = tokio::time::timeout(PATIENCE, socket.read(&mut bytes)).await;
            let more = more.expect("the stream does not go on").unwrap();
            assert!(more > 0, "{way:?}: the stream broke off");
        }
        cloud.stop().await;
    }
}
