//! `chunks`: the frames of the original's Lambda gateway, `{"type":"chunk","content":..}`.
//!
//! Its readers print `content` one after the other, so the content is a text of the council that a
//! person can read: one sage has the floor and is heard live, the others are kept until it is done.
//! What was printed cannot be taken back; where text turns out void, a line says so.
//!
//! Source: tudoumono/MAGISystem2, bedrock-agent-gateway/streaming-handler.ts at 44b72ea.

mod words;

use std::collections::{BTreeMap, VecDeque};

use magi_event::{
    AgentComplete, AgentStart, AttemptError, AttemptTimeout, Body, Cancelled, Complete, Event,
    Failure, JudgeComplete, JudgeStart, Paused, Rewind, Sage, Start, Timestamp, Trace,
};
use serde_json::{Value, json};

use super::Fold;
use words::Words;

/// What the fold remembers.
#[derive(Clone, Debug, Default)]
pub struct Chunks {
    words: Words,
    session: Option<String>,
    /// Who is heard live, once its heading is printed.
    floor: Option<Sage>,
    /// Who has something to say, in the order in which they began.
    queue: VecDeque<Sage>,
    lanes: BTreeMap<Sage, Lane>,
    judge_spoke: bool,
    n_chunks: u64,
    n_bytes: u64,
}

/// What a sage without the floor has said so far.
#[derive(Clone, Debug, Default)]
struct Lane {
    /// What went wrong before the present attempt.
    faults: String,
    text: String,
    /// After which seq the text was how long, since the last milestone: what a rewind goes back to.
    marks: Vec<(u64, usize)>,
    /// How it ended.
    closing: Option<String>,
}

impl Fold for Chunks {
    fn step(&mut self, event: &Event) -> Vec<String> {
        if event.body.is_milestone() {
            self.settle(&event.body);
        }
        let at = event.timestamp;
        match &event.body {
            Body::Start(start) => self.start(start, at),
            Body::AgentStart(sage, start) => self.sage_starts(*sage, start, at),
            Body::AgentChunk(sage, delta) => self.sage_says(*sage, &delta.text, event),
            Body::AgentError(sage, error) => {
                let line = self.words.fault(sage.name(), error);
                self.sage_fails(*sage, &line, at)
            }
            Body::AgentTimeout(sage, timeout) => {
                let line = self.words.late(sage.name(), timeout);
                self.sage_fails(*sage, &line, at)
            }
            Body::AgentComplete(sage, complete) => self.sage_ends(*sage, complete, at),
            Body::Tally(tally) => {
                let text = self.words.tally(tally);
                self.chunk(&text, at)
            }
            Body::JudgeStart(start) => self.judge_starts(start, at),
            Body::JudgeChunk(delta) => {
                self.judge_spoke = true;
                self.chunk(&delta.text, at)
            }
            Body::JudgeError(error) => self.judge_fails(error, at),
            Body::JudgeTimeout(timeout) => self.judge_is_late(timeout, at),
            Body::JudgeComplete(complete) => self.judge_ends(complete, at),
            Body::Trace(sage, trace) => vec![traced(*sage, trace, at)],
            Body::Rewind(rewind) => self.rewind(*rewind, at),
            Body::Complete(complete) => self.complete(complete, at),
            Body::Cancelled(cancelled) => self.cancelled(cancelled, at),
            Body::Error(failure) => self.failed(failure, at),
            Body::Note(note) => {
                let line = self.words.note(note);
                self.chunk(&line, at)
            }
            Body::Paused(paused) => self.paused(paused, event),
            Body::Resumed(_) => {
                let line = self.words.resumed();
                self.chunk(&line, at)
            }
            // The model's own reasoning is not part of the text, and later kinds are not known.
            Body::SagesStart(_)
            | Body::AgentThinking(..)
            | Body::JudgeThinking(_)
            | Body::Unknown(_) => Vec::new(),
        }
    }
}

impl Chunks {
    /// Forgets what a rewind could go back to: nothing before a milestone turns out void.
    fn settle(&mut self, body: &Body) {
        if !matches!(body, Body::Rewind(_) | Body::Unknown(_)) {
            self.lanes.values_mut().for_each(|lane| lane.marks.clear());
        }
    }

    /// Returns the frame of a piece of text, or nothing for no text.
    fn chunk(&mut self, content: &str, at: Timestamp) -> Vec<String> {
        if content.is_empty() {
            return Vec::new();
        }
        self.n_chunks += 1;
        self.n_bytes += content.len() as u64;
        let frame = json!({
            "type": "chunk",
            "content": content,
            "chunkNumber": self.n_chunks,
            "timestamp": at,
        });
        vec![frame.to_string()]
    }

    fn start(&mut self, start: &Start, at: Timestamp) -> Vec<String> {
        self.words = Words::of(&start.lang);
        self.session.clone_from(&start.conversation_id);
        let text = self.words.start(start);
        self.chunk(&text, at)
    }

    fn sage_starts(&mut self, sage: Sage, start: &AgentStart, at: Timestamp) -> Vec<String> {
        let lane = self.lanes.entry(sage).or_default();
        lane.closing = None;
        if start.attempt <= 1 {
            return Vec::new();
        }
        if self.floor == Some(sage) {
            let line = self.words.starts_again(sage.name());
            return self.chunk(&line, at);
        }
        lane.text.clear();
        lane.marks.clear();
        Vec::new()
    }

    fn sage_says(&mut self, sage: Sage, text: &str, event: &Event) -> Vec<String> {
        let mut opening = String::new();
        if self.floor.is_none() {
            opening = self.give_floor(sage);
        }
        if self.floor == Some(sage) {
            return self.chunk(&(opening + text), event.timestamp);
        }
        self.line_up(sage);
        let lane = self.lanes.entry(sage).or_default();
        lane.marks.push((event.seq, lane.text.len()));
        lane.text.push_str(text);
        Vec::new()
    }

    fn sage_fails(&mut self, sage: Sage, line: &str, at: Timestamp) -> Vec<String> {
        if self.floor == Some(sage) {
            return self.chunk(line, at);
        }
        let lane = self.lanes.entry(sage).or_default();
        lane.faults.push_str(line);
        Vec::new()
    }

    fn sage_ends(&mut self, sage: Sage, complete: &AgentComplete, at: Timestamp) -> Vec<String> {
        let closing = self.words.vote(sage, complete);
        let mut text = String::new();
        if self.floor.is_none() {
            text = self.give_floor(sage);
        }
        if self.floor != Some(sage) {
            self.line_up(sage);
            self.lanes.entry(sage).or_default().closing = Some(closing);
            return Vec::new();
        }
        text.push_str(&closing);
        self.floor = None;
        while let Some(next) = self.queue.pop_front() {
            text.push_str(&self.give_floor(next));
            let lane = self.lanes.entry(next).or_default();
            match lane.closing.take() {
                Some(closing) => {
                    text.push_str(&closing);
                    self.floor = None;
                }
                None => break,
            }
        }
        self.chunk(&text, at)
    }

    /// Gives a sage the floor; returns its heading and what it has said so far.
    fn give_floor(&mut self, sage: Sage) -> String {
        self.queue.retain(|waiting| *waiting != sage);
        self.floor = Some(sage);
        let lane = self.lanes.entry(sage).or_default();
        let mut text = Words::heading(sage.name());
        text.push_str(&std::mem::take(&mut lane.faults));
        text.push_str(&std::mem::take(&mut lane.text));
        lane.marks.clear();
        text
    }

    fn line_up(&mut self, sage: Sage) {
        if !self.queue.contains(&sage) {
            self.queue.push_back(sage);
        }
    }

    fn judge_starts(&mut self, start: &JudgeStart, at: Timestamp) -> Vec<String> {
        let text = if start.attempt <= 1 {
            Words::heading("solomon")
        } else if self.judge_spoke {
            self.words.starts_again("solomon")
        } else {
            String::new()
        };
        self.judge_spoke = false;
        self.chunk(&text, at)
    }

    fn judge_fails(&mut self, error: &AttemptError, at: Timestamp) -> Vec<String> {
        let line = self.words.fault("solomon", error);
        self.chunk(&line, at)
    }

    fn judge_is_late(&mut self, timeout: &AttemptTimeout, at: Timestamp) -> Vec<String> {
        let line = self.words.late("solomon", timeout);
        self.chunk(&line, at)
    }

    fn judge_ends(&mut self, complete: &JudgeComplete, at: Timestamp) -> Vec<String> {
        let text = self.words.judgment(complete);
        self.chunk(&text, at)
    }

    fn rewind(&mut self, rewind: Rewind, at: Timestamp) -> Vec<String> {
        for lane in self.lanes.values_mut() {
            let void = lane.marks.iter().find(|(seq, _)| *seq > rewind.to);
            if let Some((_, length)) = void {
                lane.text.truncate(*length);
            }
            lane.marks.clear();
        }
        let line = self.words.restarted();
        self.chunk(&line, at)
    }

    /// Says that it holds; where the stream ends with that, the last frame has what goes on from there.
    fn paused(&mut self, paused: &Paused, event: &Event) -> Vec<String> {
        let line = self.words.paused(paused);
        let mut frames = self.chunk(&line, event.timestamp);
        if let Some(state) = &paused.state {
            let id = event.trace_id.to_string();
            let frame = json!({
                "type": "paused",
                "sessionId": self.session.as_ref().unwrap_or(&id),
                "agentId": "magi",
                "traceId": id,
                "reason": paused.reason,
                "state": state,
                "chunkCount": self.n_chunks,
                "totalBytes": self.n_bytes,
                "timestamp": event.timestamp,
            });
            frames.push(frame.to_string());
        }
        frames
    }

    fn complete(&mut self, complete: &Complete, at: Timestamp) -> Vec<String> {
        let text = self.words.verdict(complete);
        let mut frames = self.chunk(&text, at);
        let id = complete.trace_id.to_string();
        let frame = json!({
            "type": "complete",
            "sessionId": self.session.as_ref().unwrap_or(&id),
            "agentId": "magi",
            "traceId": id,
            "executionTime": complete.execution_time,
            "chunkCount": self.n_chunks,
            "totalBytes": self.n_bytes,
            "timestamp": at,
        });
        frames.push(frame.to_string());
        frames
    }

    fn cancelled(&mut self, cancelled: &Cancelled, at: Timestamp) -> Vec<String> {
        let text = self.words.cancelled(cancelled);
        let mut frames = self.chunk(&text, at);
        frames.push(error("Cancelled", &cancelled.reason, &cancelled.by, at));
        frames
    }

    fn failed(&mut self, failure: &Failure, at: Timestamp) -> Vec<String> {
        let text = self.words.failed(failure);
        let mut frames = self.chunk(&text, at);
        frames.push(error("Failed", &failure.message, &failure.code, at));
        frames
    }
}

fn traced(sage: Option<Sage>, trace: &Trace, at: Timestamp) -> String {
    let mut frame = json!({ "type": "trace", "trace": trace, "timestamp": at });
    if let (Some(sage), Some(Value::Object(inner))) = (sage, frame.get_mut("trace")) {
        inner.insert("agentId".to_owned(), Value::from(sage.name()));
    }
    frame.to_string()
}

fn error(error: &str, message: &str, details: &str, at: Timestamp) -> String {
    let frame = json!({
        "type": "error",
        "error": error,
        "message": message,
        "details": details,
        "timestamp": at,
    });
    frame.to_string()
}

#[cfg(test)]
mod tests;
