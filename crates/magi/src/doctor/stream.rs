//! Whether a stream comes as it is sent, and, when asked to pay, whether the models answer.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use http::HeaderValue;
use http::header::ACCEPT;
use magi_client::{Beat, Client, Error};
use magi_event::sse::Decoder;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::faults::{self, Found, Words};
use super::reply;
use crate::way::{Kind, Way};

/// A stream that is silent for longer, without a heartbeat, is taken for dead by some hop.
const QUIET: Duration = Duration::from_secs(5);

/// How long a paid answer may be silent before the doctor gives up on it.
const PATIENCE: Duration = Duration::from_secs(180);

/// What the doctor asks when it may pay.
const QUESTION: &str = "Is one plus one two? Answer in one sentence.";

/// Who failed where it was no member alone.
const COUNCIL: Words = ["council", "評議"];

/// How the frames of a probe came.
pub(crate) enum Came {
    /// Each was seen before the next was sent.
    InLockstep(usize),
    /// As they were stamped; whether a word reaches the process that waits for it is another matter.
    AsStamped(usize),
}

/// Probes the way: stamped frames first, then frames that wait for the word that each was seen.
pub(crate) async fn probe(client: &Client, way: &Way) -> Result<Came, Box<Found>> {
    let mut frames = 5;
    // Two that look held: a busy machine may have been slow once.
    for _ in 0..2 {
        let stamped = stamped(client, frames).await?;
        let (Some(first), Some(last)) = (stamped.first(), stamped.last()) else {
            return Err(broke_off(0, frames, ["it was empty", "空でした"]));
        };
        if stamped.len() < frames as usize {
            let why = ["no more came", "続きが来ませんでした"];
            return Err(broke_off(stamped.len(), frames, why));
        }
        let sent = last.beat.sent_at.millis_since(first.beat.sent_at);
        let arrived = last.at.duration_since(first.at).as_millis();
        if arrived * 2 >= u128::from(sent) {
            return lockstep(client, stamped.len()).await;
        }
        if frames > 5 {
            let (count, sent, arrived) = (
                stamped.len().to_string(),
                sent.to_string(),
                arrived.to_string(),
            );
            let values = &[
                ("frames", count.as_str()),
                ("sent", &sent),
                ("arrived", &arrived),
            ];
            return Err(match way.kind {
                Kind::FunctionUrl => faults::FUNCTION_BUFFERS.found(values),
                Kind::Server | Kind::AgentCore => faults::PROXY_BUFFERS.found(values),
            });
        }
        frames = 8;
    }
    Ok(Came::AsStamped(0))
}

struct Stamped {
    beat: Beat,
    at: Instant,
}

async fn stamped(client: &Client, frames: u32) -> Result<Vec<Stamped>, Box<Found>> {
    let beats = client.probe(frames, false).map_ok(|beat| Stamped {
        beat,
        at: Instant::now(),
    });
    let mut seen = Vec::new();
    let began = Instant::now();
    let mut beats = std::pin::pin!(beats);
    while let Some(beat) = beats.next().await {
        match beat {
            Ok(beat) => seen.push(beat),
            Err(error) => return Err(broken(&error, (seen.len(), frames), began)),
        }
    }
    Ok(seen)
}

/// A hop that keeps each frame until the next one delays all of them alike: only frames that wait for
/// the word that the one before was seen find it.
async fn lockstep(client: &Client, stamped: usize) -> Result<Came, Box<Found>> {
    let frames = 3;
    let mut seen = 0;
    let mut is_acked = true;
    let mut beats = client.probe(frames, true);
    let began = Instant::now();
    let mut first = None;
    while let Some(beat) = beats.next().await {
        match beat {
            Ok(beat) => {
                first.get_or_insert_with(|| began.elapsed());
                seen += 1;
                is_acked &= beat.acked;
            }
            Err(Error::NotFound(_) | Error::Conflict(_)) => {
                // What pushed the first frame out at last was the door's word that it waits no longer.
                if first.is_none_or(|first| first > QUIET) {
                    return Err(faults::STREAM_HELD.found(&[]));
                }
                // The word went to another process: the stamps have told all there is to know.
                return Ok(Came::AsStamped(stamped));
            }
            Err(error) => return Err(broken(&error, (seen, frames), began)),
        }
    }
    Ok(if is_acked && seen == frames as usize {
        Came::InLockstep(seen)
    } else {
        Came::AsStamped(stamped)
    })
}

fn ends(seen: usize, asked: u32, why: &str) -> Box<Found> {
    let (seen, asked) = (seen.to_string(), asked.to_string());
    faults::STREAM_ENDS.found(&[("frames", &seen), ("asked", &asked), ("why", why)])
}

/// The same, and why is said in words of our own.
fn broke_off(seen: usize, asked: u32, why: Words) -> Box<Found> {
    let (seen, asked) = (seen.to_string(), asked.to_string());
    let found = faults::STREAM_ENDS.found(&[("frames", &seen), ("asked", &asked)]);
    found.in_words("why", why)
}

fn broken(error: &Error, (seen, asked): (usize, u32), began: Instant) -> Box<Found> {
    if error.problem().is_some_and(|problem| problem.status == 504) {
        let seconds = began.elapsed().as_secs().to_string();
        return faults::TIME_LIMIT.found(&[("seconds", &seconds)]);
    }
    ends(seen, asked, &error.to_string())
}

/// What a paid question showed.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    /// How it ended, in the event's own word.
    pub(crate) end: String,
    /// The longest silence, and whether a heartbeat came.
    silence: Duration,
    has_beaten: bool,
    /// The first failure that ended an attempt: whose, if it was one member's; its code and message.
    failure: Option<(Option<String>, String, String)>,
}

/// Puts one short question and reads its answer.
pub(crate) async fn ask(way: &Way) -> Result<Answered, Box<Found>> {
    let host = way.address.as_str();
    let body = json!({ "action": "ask", "question": QUESTION, "lang": "en" });
    let url = way.invocations();
    let transport = way.transport().await;
    let (Ok(transport), Some(mut request)) = (transport, reply::action(way, &url, &body)) else {
        return Err(faults::CUT.found(&[("host", host), ("why", "")]));
    };
    let accept = HeaderValue::from_static("text/event-stream");
    request.headers_mut().insert(ACCEPT, accept);
    let cut = |why: &str| faults::CUT.found(&[("host", host), ("why", why)]);
    let sending = timeout(PATIENCE, transport.send(request)).await;
    let answer = match sending {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(cut(&error.to_string())),
        Err(_) => {
            let found = faults::CUT.found(&[("host", host)]);
            return Err(found.in_words("why", faults::SILENCE));
        }
    };
    let mut answered = Answered::default();
    let mut decoder = Decoder::new(4 << 20);
    let mut body = answer.into_body();
    let mut last = Instant::now();
    loop {
        let piece = match timeout(PATIENCE, body.next()).await {
            Ok(Some(Ok(piece))) => piece,
            Ok(None) => break,
            Ok(Some(Err(error))) => return Err(ends(0, 0, &error.to_string())),
            Err(_) => return Err(broke_off(0, 0, faults::SILENCE)),
        };
        answered.silence = answered.silence.max(last.elapsed());
        last = Instant::now();
        answered.has_beaten |= piece.starts_with(b":") || piece.windows(2).any(|two| two == b"\n:");
        let read = decoder.push(&piece, |message| answered.take(&message.data));
        if read.is_err() {
            let why = ["a frame above 4 MiB", "4 MiB を超えるフレーム"];
            return Err(broke_off(0, 0, why));
        }
    }
    Ok(answered)
}

impl Answered {
    fn take(&mut self, frame: &str) {
        let Ok(frame) = serde_json::from_str::<Value>(frame) else {
            return;
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (kind, data) = (text(&frame["type"]), &frame["data"]);
        match kind.as_str() {
            "agent_error" | "judge_error" if data["retryable"] == false => {
                let agent = match kind.as_str() {
                    "judge_error" => "solomon".to_owned(),
                    _ => text(&frame["agentId"]),
                };
                let failure = (Some(agent), text(&data["code"]), text(&data["message"]));
                self.failure.get_or_insert(failure);
            }
            "complete" | "error" | "cancelled" | "paused" => {
                self.end = match data["final_decision"].as_str() {
                    Some(decision) => decision.to_owned(),
                    None => kind.clone(),
                };
                if kind == "error" {
                    let (code, message) = (text(&data["code"]), text(&data["message"]));
                    self.failure.get_or_insert((None, code, message));
                }
            }
            _ => {}
        }
    }

    /// Says what was wrong with the answers.
    pub(crate) fn failed(&self) -> Option<Box<Found>> {
        let Some((agent, code, message)) = &self.failure else {
            let message = [
                "the stream ended before the verdict",
                "評決の前にストリームが終わりました",
            ];
            let found = self.end.is_empty().then(|| faults::MODEL.found(&[]));
            return found.map(|found| {
                found
                    .in_words("agent", COUNCIL)
                    .in_words("message", message)
            });
        };
        let fault = match code.as_str() {
            "unauthorised" => &faults::MODEL_ACCESS,
            "not_found" | "bad_request" => &faults::MODEL_ID,
            _ => &faults::MODEL,
        };
        Some(match agent {
            Some(agent) => fault.found(&[("agent", agent), ("message", message)]),
            None => fault
                .found(&[("message", message)])
                .in_words("agent", COUNCIL),
        })
    }

    /// Says that nothing kept the stream alive while the models thought.
    pub(crate) fn unbeaten(&self) -> Option<Box<Found>> {
        (self.silence > QUIET && !self.has_beaten).then(|| {
            let seconds = self.silence.as_secs().to_string();
            faults::HEARTBEATS.found(&[("seconds", &seconds)])
        })
    }
}
