//! From an answer and a plan to the steps of its delivery.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::answer::{Answer, Finish, Part, Token};
use super::ask::{Ask, Vendor};
use super::frame::{Frame, split};
use super::plan::{CutByte, Plan, Split};
use super::words::{At, Exception, Quirk};
use super::{anthropic, bedrock, openai};

/// One step of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Wait until lock-step lets this prose token go.
    Gate(u64),
    /// Hand bytes to the connection; they complete so many tokens.
    Write {
        bytes: Bytes,
        tokens: usize,
    },
    /// This prose token goes out next, so it may be reported.
    Sent(u64),
    /// The same bytes so many times more.
    Repeat {
        bytes: Bytes,
        times: usize,
        gap: Duration,
    },
    /// Let the connection flush, so that the next bytes are a write of their own.
    Breathe,
    Wait(Duration),
    /// Say nothing until the client leaves, or the longest hold is over.
    Hold,
    Cut,
    Reset,
}

/// The event writer of one answer.
#[derive(Debug)]
enum Encoder {
    OpenAi(openai::Encoder),
    Anthropic(anthropic::Encoder),
    Bedrock(bedrock::Encoder),
}

impl Encoder {
    fn open(&self) -> Vec<Frame> {
        match self {
            Encoder::OpenAi(encoder) => encoder.open(),
            Encoder::Anthropic(encoder) => encoder.open(),
            Encoder::Bedrock(encoder) => encoder.open(),
        }
    }

    fn token(&mut self, token: &Token) -> Vec<Frame> {
        match self {
            Encoder::OpenAi(encoder) => encoder.token(token),
            Encoder::Anthropic(encoder) => encoder.token(token),
            Encoder::Bedrock(encoder) => encoder.token(token),
        }
    }

    fn close(&mut self, finish: Finish, answer: &Answer, sent: usize) -> Vec<Frame> {
        match self {
            Encoder::OpenAi(encoder) => encoder.close(finish, answer, sent),
            Encoder::Anthropic(encoder) => encoder.close(finish, sent),
            Encoder::Bedrock(encoder) => encoder.close(finish),
        }
    }

    fn error(&self) -> Frame {
        match self {
            Encoder::OpenAi(encoder) => encoder.error(),
            Encoder::Anthropic(_) => anthropic::Encoder::error(),
            Encoder::Bedrock(_) => bedrock::exception(Exception::ModelStream),
        }
    }

    /// An exception of Bedrock's; the others have one error only.
    fn exception(&self, exception: Exception) -> Frame {
        match self {
            Encoder::Bedrock(_) => bedrock::exception(exception),
            Encoder::OpenAi(_) | Encoder::Anthropic(_) => self.error(),
        }
    }

    /// An event of a kind that nobody knows yet.
    fn unknown(&self) -> Vec<u8> {
        match self {
            Encoder::OpenAi(_) => b"data: {\"object\":\"future\",\"choices\":[]}\n\n".to_vec(),
            Encoder::Anthropic(_) => b"event: future\ndata: {\"type\":\"future\"}\n\n".to_vec(),
            Encoder::Bedrock(encoder) => encoder.unknown(),
        }
    }

    /// An event that was damaged on its way; server-sent ones have no checksum.
    fn damaged(&self) -> Vec<u8> {
        match self {
            Encoder::Bedrock(encoder) => encoder.bad_sum(),
            Encoder::OpenAi(_) | Encoder::Anthropic(_) => self.malformed(),
        }
    }

    /// The beginning of an event that never ends.
    fn endless(&self) -> Vec<u8> {
        match self {
            Encoder::Bedrock(_) => bedrock::Encoder::endless(),
            Encoder::OpenAi(_) | Encoder::Anthropic(_) => {
                b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"".to_vec()
            }
        }
    }

    fn sentinel(&self, sent: usize) -> Frame {
        match self {
            Encoder::OpenAi(_) => Frame::data("[DONE]"),
            Encoder::Anthropic(_) => anthropic::Encoder::sentinel(),
            Encoder::Bedrock(encoder) => encoder.sentinel(sent),
        }
    }

    /// What keeps a connection warm without a token.
    fn ping(&self) -> Vec<u8> {
        match self {
            Encoder::OpenAi(_) => b": ping\n\n".to_vec(),
            Encoder::Anthropic(_) => b"event: ping\ndata: {\"type\": \"ping\"}\n\n".to_vec(),
            Encoder::Bedrock(encoder) => encoder.unknown(),
        }
    }

    /// An event whose JSON stops in the middle.
    fn malformed(&self) -> Vec<u8> {
        match self {
            Encoder::OpenAi(_) => {
                b"data: {\"id\":\"chatcmpl-fake\",\"choices\":[{\"delta\":{\"cont\n\n".to_vec()
            }
            Encoder::Anthropic(_) => {
                b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"ind\n\n"
                    .to_vec()
            }
            Encoder::Bedrock(encoder) => encoder.malformed(),
        }
    }
}

/// How often a stream that only pings does so.
const PING_EVERY: Duration = Duration::from_millis(500);
const PINGS: usize = 10_000;
const BLOCK: usize = 64 << 10;

/// Builds the steps of a stream.
pub(crate) fn stream(
    ask: &Ask,
    plan: &Plan,
    answer: &Answer,
    id: u64,
    created: u64,
) -> VecDeque<Step> {
    let encoder = match ask.vendor {
        Vendor::OpenAi => Encoder::OpenAi(openai::Encoder::new(ask, plan, answer, id, created)),
        Vendor::Anthropic => Encoder::Anthropic(anthropic::Encoder::new(ask, answer, id)),
        Vendor::Bedrock => Encoder::Bedrock(bedrock::Encoder::new(ask, plan, answer, id)),
    };
    let mut build = Builder {
        plan,
        steps: VecDeque::new(),
        encoder,
    };
    build.all(answer);
    match plan.cut_byte {
        Some(cut) => cut_at(build.steps, cut),
        None => build.steps,
    }
}

/// Ends a delivery after so many bytes, wherever that is.
fn cut_at(steps: VecDeque<Step>, cut: CutByte) -> VecDeque<Step> {
    let mut left = cut.after;
    let mut kept = VecDeque::new();
    for step in steps {
        match step {
            Step::Write { bytes, tokens } if bytes.len() < left => {
                left -= bytes.len();
                kept.push_back(Step::Write { bytes, tokens });
            }
            Step::Write { bytes, .. } => {
                let bytes = bytes.slice(..left.min(bytes.len()));
                kept.push_back(Step::Write { bytes, tokens: 0 });
                break;
            }
            other => kept.push_back(other),
        }
    }
    if !cut.clean {
        kept.push_back(Step::Cut);
    }
    kept
}

struct Builder<'a> {
    plan: &'a Plan,
    steps: VecDeque<Step>,
    encoder: Encoder,
}

/// Whether the delivery goes on after a fault.
#[derive(PartialEq)]
enum Then {
    GoOn,
    Over,
}

impl Builder<'_> {
    fn all(&mut self, answer: &Answer) {
        let is_text = !matches!(self.encoder, Encoder::Bedrock(_));
        if self.plan.has(Quirk::Bom) && is_text {
            self.write("\u{feff}".as_bytes(), 0);
        }
        for frame in self.encoder.open() {
            self.frame(&frame, 0);
        }
        self.steps.extend(self.plan.first_token.map(Step::Wait));
        if self.plan.no_newline > 0 {
            self.no_newline();
            return;
        }
        let mut sent = 0;
        for token in &answer.tokens {
            if self.faults(|at| at == sent, answer, sent) == Then::Over {
                return;
            }
            if sent > 0 && !self.plan.gap.is_zero() {
                self.steps.push_back(Step::Wait(self.plan.gap));
            }
            self.token(token);
            sent += 1;
        }
        // A fault after more tokens than the answer has comes before its end.
        if self.faults(|at| at >= sent, answer, sent) == Then::Over {
            return;
        }
        self.flood();
        self.end(answer.finish, answer, sent);
    }

    fn token(&mut self, token: &Token) {
        let gate = token.prose.filter(|_| self.plan.lockstep);
        self.steps.extend(gate.map(Step::Gate));
        // Noted before the bytes go, so that nobody can report a token that is not noted yet.
        self.steps.extend(gate.map(Step::Sent));
        let frames = self.encoder.token(token);
        let last = frames.len() - 1;
        for (n, frame) in frames.iter().enumerate() {
            self.frame(frame, usize::from(n == last));
        }
    }

    fn end(&mut self, finish: Finish, answer: &Answer, sent: usize) {
        if self.plan.finish {
            for frame in self.encoder.close(finish, answer, sent) {
                self.frame(&frame, 0);
            }
        }
        if self.plan.stall_at_end {
            self.steps.push_back(Step::Hold);
            return;
        }
        if self.plan.sentinel {
            let frame = self.encoder.sentinel(sent);
            self.frame(&frame, 0);
        }
    }

    fn faults(&mut self, due: impl Fn(usize) -> bool, answer: &Answer, sent: usize) -> Then {
        let plan = self.plan;
        for (_, at) in plan.at.iter().filter(|(n, _)| due(*n)) {
            match at {
                At::Stall(None) => {
                    self.steps.push_back(Step::Hold);
                    return Then::Over;
                }
                At::Stall(Some(lasting)) => {
                    self.steps.extend([Step::Wait(*lasting), Step::Cut]);
                    return Then::Over;
                }
                At::Cut { clean: true } => return Then::Over,
                At::Cut { clean: false } => {
                    self.steps.push_back(Step::Cut);
                    return Then::Over;
                }
                At::Reset => {
                    self.steps.push_back(Step::Reset);
                    return Then::Over;
                }
                At::Malformed => {
                    let bytes = self.encoder.malformed();
                    self.write(&bytes, 0);
                }
                At::BadCrc => {
                    let bytes = self.encoder.damaged();
                    self.write(&bytes, 0);
                }
                At::UnknownEvent => {
                    let bytes = self.encoder.unknown();
                    self.write(&bytes, 0);
                }
                At::Error => {
                    let frame = self.encoder.error();
                    self.frame(&frame, 0);
                    return Then::Over;
                }
                At::Exception(exception) => {
                    let frame = self.encoder.exception(*exception);
                    self.frame(&frame, 0);
                    return Then::Over;
                }
                At::Stop(stop) => {
                    self.end(Finish::Word(*stop), answer, sent);
                    return Then::Over;
                }
                At::Pings => {
                    let bytes = Bytes::from(self.encoder.ping());
                    self.steps.push_back(Step::Repeat {
                        bytes,
                        times: PINGS,
                        gap: PING_EVERY,
                    });
                    self.steps.push_back(Step::Cut);
                    return Then::Over;
                }
                At::Length | At::Filter => {
                    let length = matches!(at, At::Length);
                    let finish = if length {
                        Finish::Length
                    } else {
                        Finish::Filter
                    };
                    self.end(finish, answer, sent);
                    return Then::Over;
                }
            }
        }
        Then::GoOn
    }

    /// Text tokens of 1 KiB each, until the flood is as large as asked.
    fn flood(&mut self) {
        let times = self.plan.flood >> 10;
        if times == 0 {
            return;
        }
        let token = Token {
            part: Part::Text,
            text: "flood ".repeat(171),
            prose: None,
        };
        let mut bytes = Vec::new();
        for frame in self.encoder.token(&token) {
            let frame = frame.bytes(self.plan);
            // Only the delta itself is repeated, never the start of a block.
            bytes.clone_from(&frame);
            self.steps.push_back(Step::Write {
                bytes: Bytes::from(frame),
                tokens: 0,
            });
        }
        let bytes = Bytes::from(bytes);
        self.steps.push_back(Step::Repeat {
            bytes,
            times,
            gap: Duration::ZERO,
        });
    }

    /// An event that never ends: the beginning of a delta, then letters without a newline.
    fn no_newline(&mut self) {
        let head = self.encoder.endless();
        self.write(&head, 0);
        let bytes = Bytes::from(vec![b'x'; BLOCK]);
        let times = self.plan.no_newline / BLOCK;
        self.steps.push_back(Step::Repeat {
            bytes,
            times,
            gap: Duration::ZERO,
        });
        self.steps.push_back(Step::Cut);
    }

    fn frame(&mut self, frame: &Frame, tokens: usize) {
        let bytes = frame.bytes(self.plan);
        self.write(&bytes, tokens);
    }

    fn write(&mut self, bytes: &[u8], tokens: usize) {
        let parts = split(bytes, self.plan.split);
        let last = parts.len() - 1;
        for (n, part) in parts.into_iter().enumerate() {
            let tokens = if n == last { tokens } else { 0 };
            self.steps.push_back(Step::Write {
                bytes: Bytes::copy_from_slice(part),
                tokens,
            });
            if !self.plan.byte_gap.is_zero() {
                self.steps.push_back(Step::Wait(self.plan.byte_gap));
            } else if self.plan.split != Split::Whole {
                self.steps.push_back(Step::Breathe);
            }
        }
    }
}

/// Builds the steps of an answer that is one JSON body; cuts and stalls come in its middle.
pub(crate) fn whole(plan: &Plan, body: &[u8], tokens: usize) -> VecDeque<Step> {
    let mut steps = VecDeque::new();
    let think = plan.gap * u32::try_from(tokens).unwrap_or(u32::MAX);
    steps.extend(plan.first_token.map(Step::Wait));
    if !think.is_zero() {
        steps.push_back(Step::Wait(think));
    }
    let write = |bytes: &[u8], tokens| Step::Write {
        bytes: Bytes::copy_from_slice(bytes),
        tokens,
    };
    let ending = plan.at.iter().find_map(|(_, at)| match at {
        At::Stall(None) | At::Pings => Some(vec![Step::Hold]),
        At::Stall(Some(lasting)) => Some(vec![Step::Wait(*lasting), Step::Cut]),
        At::Cut { .. } => Some(vec![Step::Cut]),
        At::Reset => Some(vec![Step::Reset]),
        At::Malformed
        | At::Error
        | At::Length
        | At::Filter
        | At::Stop(_)
        | At::Exception(_)
        | At::BadCrc
        | At::UnknownEvent => None,
    });
    match ending {
        Some(ending) => {
            steps.push_back(write(&body[..body.len() / 2], 0));
            steps.extend(ending);
        }
        None => steps.push_back(write(body, tokens)),
    }
    steps
}
