//! What one attempt does: the model's words that hold for it, folded together.

use std::time::Duration;

use super::words::{At, Lack, Quirk, ReasoningField, Refuse, Usage, Vote, Way, What, Word};

/// What happens before the headers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Door {
    Open,
    Refuse(Refuse),
    Reset,
    Silent,
}

/// How a frame is cut into writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Split {
    Whole,
    /// Inside every character of more than one byte.
    Utf8,
    /// After every byte.
    Bytes,
}

/// Everything one attempt does.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) door: Door,
    pub(crate) first_token: Option<Duration>,
    pub(crate) gap: Duration,
    pub(crate) byte_gap: Duration,
    pub(crate) at: Vec<(usize, At)>,
    pub(crate) sentinel: bool,
    pub(crate) finish: bool,
    pub(crate) split: Split,
    pub(crate) huge_line: usize,
    pub(crate) no_newline: usize,
    pub(crate) flood: usize,
    pub(crate) empty: bool,
    pub(crate) refusal: bool,
    pub(crate) usage: Usage,
    pub(crate) reasoning: Option<ReasoningField>,
    pub(crate) quirks: Vec<Quirk>,
    pub(crate) vote: Vote,
    pub(crate) way: Way,
    pub(crate) len: Option<usize>,
    pub(crate) lockstep: bool,
    pub(crate) strict_params: bool,
    pub(crate) no_prefill: bool,
    pub(crate) cut_byte: Option<CutByte>,
    pub(crate) stall_at_end: bool,
    pub(crate) lacks: Vec<Lack>,
    pub(crate) cached: bool,
}

/// A cut after so many bytes of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CutByte {
    pub(crate) after: usize,
    /// With the body's proper end.
    pub(crate) clean: bool,
}

impl Plan {
    /// Folds the words that hold for attempt number `attempt` (from 1) of a model first asked
    /// `age` ago. `gap` is the emulator's own pace.
    pub(crate) fn new(words: &[Word], attempt: u32, age: Duration, gap: Duration) -> Self {
        let mut plan = Plan {
            door: Door::Open,
            first_token: None,
            gap,
            byte_gap: Duration::ZERO,
            at: Vec::new(),
            sentinel: true,
            finish: true,
            split: Split::Whole,
            huge_line: 0,
            no_newline: 0,
            flood: 0,
            empty: false,
            refusal: false,
            usage: Usage::default(),
            reasoning: None,
            quirks: Vec::new(),
            vote: Vote::Approve,
            way: Way::Auto,
            len: None,
            lockstep: false,
            strict_params: false,
            no_prefill: false,
            cut_byte: None,
            stall_at_end: false,
            lacks: Vec::new(),
            cached: false,
        };
        for word in words
            .iter()
            .filter(|word| word.times.is_none_or(|times| attempt <= times))
        {
            plan.take(&word.what, age);
        }
        plan.at.sort_by_key(|(n, _)| *n);
        plan
    }

    fn take(&mut self, what: &What, age: Duration) {
        match what {
            What::Label => {}
            What::Refuse(refuse) if refuse.lasting.is_some_and(|lasting| age >= lasting) => {}
            What::Refuse(refuse) => self.door = Door::Refuse(refuse.clone()),
            What::ResetBeforeHeaders => self.door = Door::Reset,
            What::NoAnswer => self.door = Door::Silent,
            What::FirstToken(wait) => self.first_token = Some(*wait),
            What::Tps(n) => self.gap = Duration::from_secs(1) / u32::try_from(*n).unwrap_or(1),
            What::Drip(gap) => self.gap = *gap,
            What::DripBytes(gap) => {
                self.byte_gap = *gap;
                self.split = Split::Bytes;
            }
            What::At(n, at) => self.at.push((*n, at.clone())),
            What::NoSentinel => self.sentinel = false,
            What::NoFinish => self.finish = false,
            What::SplitUtf8 => self.split = Split::Utf8,
            What::Slices => self.split = Split::Bytes,
            What::HugeLine(bytes) => self.huge_line = *bytes,
            What::NoNewline(bytes) => self.no_newline = *bytes,
            What::Flood(bytes) => self.flood = *bytes,
            What::Empty => self.empty = true,
            What::Refusal => self.refusal = true,
            What::Usage(usage) => self.usage = *usage,
            What::Reasoning(field) => self.reasoning = Some(*field),
            What::Quirk(quirk) => self.quirks.push(*quirk),
            What::Vote(vote) => self.vote = *vote,
            What::Way(way) => self.way = *way,
            What::Len(n) => self.len = Some(*n),
            What::Lockstep => self.lockstep = true,
            What::StrictParams => self.strict_params = true,
            What::NoPrefill => self.no_prefill = true,
            What::CutByte { after, clean } => {
                self.cut_byte = Some(CutByte {
                    after: *after,
                    clean: *clean,
                });
            }
            What::StallAtEnd => self.stall_at_end = true,
            What::Lacks(lack) => self.lacks.push(*lack),
            What::Cached => self.cached = true,
        }
    }

    pub(crate) fn has(&self, quirk: Quirk) -> bool {
        self.quirks.contains(&quirk)
    }
}
