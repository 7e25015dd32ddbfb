//! The model's name, read as a list of faults and habits: `fake-a+reasoning+cut-after-40`.

use std::time::Duration;

/// One word of a model's name, and for how many attempts it holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Word {
    pub(crate) what: What,
    /// The word holds for the first so many attempts; `None` is for ever.
    pub(crate) times: Option<u32>,
}

/// What a word asks for. The table in the crate's documentation explains each.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    Label,
    Refuse(Refuse),
    ResetBeforeHeaders,
    NoAnswer,
    FirstToken(Duration),
    Tps(u64),
    Drip(Duration),
    DripBytes(Duration),
    At(usize, At),
    NoSentinel,
    NoFinish,
    SplitUtf8,
    Slices,
    HugeLine(usize),
    NoNewline(usize),
    Flood(usize),
    Empty,
    Refusal,
    Usage(Usage),
    Reasoning(ReasoningField),
    Quirk(Quirk),
    Vote(Vote),
    Way(Way),
    Len(usize),
    Lockstep,
    StrictParams,
    NoPrefill,
    CutByte { after: usize, clean: bool },
    StallAtEnd,
    Lacks(Lack),
    Cached,
}

/// What a model on Bedrock cannot do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    Tools,
    ForcedTool,
    TextFormat,
    Counting,
}

/// An exception inside Bedrock's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exception {
    Internal,
    ModelStream,
    Validation,
    Throttling,
    Unavailable,
}

/// A reason to stop that only Bedrock has a word for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Guardrail,
    Sequence,
    MalformedOutput,
    MalformedTool,
    Context,
    New,
}

/// An answer that is an HTTP status and an error body.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refuse {
    pub(crate) status: u16,
    pub(crate) reason: Reason,
    /// The text of the `Retry-After` header.
    pub(crate) retry_after: Option<String>,
    /// The status holds for so long after the model's first request, then the model is healthy.
    pub(crate) lasting: Option<Duration>,
}

/// Which error body goes with the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Plain,
    Context,
    Filter,
    Quota,
    Html,
    /// Bedrock: the model is not ready.
    NotReady,
    /// Bedrock: the account may not use the model.
    NoModel,
    /// Bedrock: temporary credentials have run out.
    Expired,
    /// Bedrock: nobody has this key.
    UnknownKey,
    /// Bedrock: the model needs an inference profile.
    OnDemand,
}

/// What happens once so many tokens are out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum At {
    Stall(Option<Duration>),
    Cut { clean: bool },
    Reset,
    Malformed,
    Error,
    Pings,
    Length,
    Filter,
    Stop(Stop),
    Exception(Exception),
    BadCrc,
    UnknownEvent,
}

/// Where the usage stands in OpenAI's stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Usage {
    /// In an event of its own with no choices, when it was asked for.
    #[default]
    Asked,
    /// On the event with the finish reason, asked for or not.
    Anywhere,
    /// Never.
    Never,
}

/// How OpenAI-compatible servers name the reasoning's delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReasoningField {
    /// `reasoning_content`: DeepSeek, llama.cpp, SGLang.
    Content,
    /// `reasoning`: OpenRouter, Ollama, newer vLLM.
    Short,
}

/// A harmless habit of some server's event stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quirk {
    Crlf,
    NoSpace,
    Comments,
    NullContent,
    EmptyFrames,
    Bom,
}

/// What the vote is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vote {
    Approve,
    Reject,
    Abstain,
    ByRole,
    /// Drawn from the seed, the model, the role, the attempt and the question.
    Random(u64),
}

/// How the vote is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// A tool call where the request has tools, else a fenced tail.
    Auto,
    Tool,
    Tail,
    Json,
    Prose,
    /// A damaged tail whose decision is complete; the number picks the damage.
    Malformed(usize),
    Quoted,
}

/// Reads a model's name. `Err` holds the word that means nothing.
pub(crate) fn parse(model: &str) -> Result<Vec<Word>, String> {
    model
        .split('+')
        .map(|word| read(word).ok_or_else(|| word.to_owned()))
        .collect()
}

fn read(word: &str) -> Option<Word> {
    if let Some(rest) = word.strip_suffix("-once") {
        return what(rest).map(|what| Word {
            what,
            times: Some(1),
        });
    }
    if let Some((rest, times)) = word.rsplit_once("-times-") {
        let times = times.parse().ok()?;
        return what(rest).map(|what| Word {
            what,
            times: Some(times),
        });
    }
    let what = what(word)?;
    // A refusal that says when to come back keeps its word, unless told otherwise.
    let kept = matches!(&what, What::Refuse(r) if r.retry_after.is_some());
    let times = (kept && !word.ends_with("-always")).then_some(1);
    Some(Word { what, times })
}

fn what(word: &str) -> Option<What> {
    simple(word)
        .or_else(|| refuse(word).map(What::Refuse))
        .or_else(|| with_number(word))
        .or_else(|| is_label(word).then_some(What::Label))
}

/// `fake`, `fake-a`, `fake1`: words that only tell models apart.
fn is_label(word: &str) -> bool {
    word.starts_with("fake")
}

fn simple(word: &str) -> Option<What> {
    Some(match word {
        "ok" => What::Label,
        "reset-before-headers" => What::ResetBeforeHeaders,
        "no-answer" => What::NoAnswer,
        "no-sentinel" => What::NoSentinel,
        "no-finish" => What::NoFinish,
        "split-utf8" => What::SplitUtf8,
        "slices" => What::Slices,
        "empty" => What::Empty,
        "refusal" => What::Refusal,
        "usage-anywhere" => What::Usage(Usage::Anywhere),
        "no-usage" => What::Usage(Usage::Never),
        "reasoning" => What::Reasoning(ReasoningField::Content),
        "reasoning-short" => What::Reasoning(ReasoningField::Short),
        "crlf" => What::Quirk(Quirk::Crlf),
        "no-space" => What::Quirk(Quirk::NoSpace),
        "comments" => What::Quirk(Quirk::Comments),
        "null-content" => What::Quirk(Quirk::NullContent),
        "empty-frames" => What::Quirk(Quirk::EmptyFrames),
        "bom" => What::Quirk(Quirk::Bom),
        "approve" => What::Vote(Vote::Approve),
        "reject" => What::Vote(Vote::Reject),
        "abstain" => What::Vote(Vote::Abstain),
        "by-role" => What::Vote(Vote::ByRole),
        "random" => What::Vote(Vote::Random(0)),
        "tool" => What::Way(Way::Tool),
        "tail" => What::Way(Way::Tail),
        "json" => What::Way(Way::Json),
        "prose" => What::Way(Way::Prose),
        "malformed" => What::Way(Way::Malformed(0)),
        "quoted" => What::Way(Way::Quoted),
        "lockstep" => What::Lockstep,
        "strict-params" => What::StrictParams,
        "no-prefill" => What::NoPrefill,
        "stall-at-end" => What::StallAtEnd,
        "no-tools" => What::Lacks(Lack::Tools),
        "no-forced-tool" => What::Lacks(Lack::ForcedTool),
        "no-text-format" => What::Lacks(Lack::TextFormat),
        "no-count" => What::Lacks(Lack::Counting),
        "cached" => What::Cached,
        _ => return None,
    })
}

fn with_number(word: &str) -> Option<What> {
    if let Some(rest) = word.strip_prefix("stall-after-") {
        return stall(rest);
    }
    if let Some(n) = between(word, "cut-after-", "-clean") {
        return Some(What::At(n, At::Cut { clean: true }));
    }
    if let Some(after) = between(word, "cut-byte-", "-clean") {
        return Some(What::CutByte { after, clean: true });
    }
    let (name, number) = word.rsplit_once('-')?;
    let seconds = number.strip_suffix('s').and_then(|n| n.parse().ok());
    if let (Some(seconds), "first-token") = (seconds, name) {
        return Some(What::FirstToken(Duration::from_secs(seconds)));
    }
    let n: u64 = number.parse().ok()?;
    let count = usize::try_from(n).ok()?;
    Some(match name {
        "first-token" => What::FirstToken(Duration::from_millis(n)),
        "tps" if n > 0 => What::Tps(n),
        "drip" => What::Drip(Duration::from_millis(n)),
        "drip-bytes" => What::DripBytes(Duration::from_millis(n)),
        "cut-after" => What::At(count, At::Cut { clean: false }),
        "reset-after" => What::At(count, At::Reset),
        "malformed-at" => What::At(count, At::Malformed),
        "error-after" => What::At(count, At::Error),
        "pings-after" => What::At(count, At::Pings),
        "cut-byte" => What::CutByte {
            after: count,
            clean: false,
        },
        "bad-crc-after" => What::At(count, At::BadCrc),
        "unknown-event-after" => What::At(count, At::UnknownEvent),
        "length-after" => What::At(count, At::Length),
        "filter-after" => What::At(count, At::Filter),
        "huge-line" if n <= 65_536 => What::HugeLine(count << 10),
        "no-newline" if n <= 1_024 => What::NoNewline(count << 20),
        "flood" if n <= 1_024 => What::Flood(count << 20),
        "len" if n <= 100_000 => What::Len(count),
        "random" => What::Vote(Vote::Random(n)),
        "malformed" => What::Way(Way::Malformed(count)),
        _ => What::At(count, named(name)?),
    })
}

/// `exception-throttling-after`, `stop-guardrail-after`, ...
fn named(name: &str) -> Option<At> {
    let name = name.strip_suffix("-after")?;
    Some(match name {
        "exception-internal" => At::Exception(Exception::Internal),
        "exception-model-stream" => At::Exception(Exception::ModelStream),
        "exception-validation" => At::Exception(Exception::Validation),
        "exception-throttling" => At::Exception(Exception::Throttling),
        "exception-unavailable" => At::Exception(Exception::Unavailable),
        "stop-guardrail" => At::Stop(Stop::Guardrail),
        "stop-sequence" => At::Stop(Stop::Sequence),
        "stop-malformed-output" => At::Stop(Stop::MalformedOutput),
        "stop-malformed-tool" => At::Stop(Stop::MalformedTool),
        "stop-context" => At::Stop(Stop::Context),
        "stop-new" => At::Stop(Stop::New),
        _ => return None,
    })
}

/// `20` stalls until the client leaves; `20-30s` closes after 30 s.
fn stall(rest: &str) -> Option<What> {
    let (n, lasting) = match rest.split_once('-') {
        Some((n, seconds)) => {
            let seconds = seconds.strip_suffix('s')?.parse().ok()?;
            (n, Some(Duration::from_secs(seconds)))
        }
        None => (rest, None),
    };
    Some(What::At(n.parse().ok()?, At::Stall(lasting)))
}

fn between(word: &str, head: &str, tail: &str) -> Option<usize> {
    word.strip_prefix(head)?.strip_suffix(tail)?.parse().ok()
}

/// `429`, `429-retry-2`, `429-retry-2-always`, `429-retry-date`, `429-quota`, `503-for-60s`, ...
fn refuse(word: &str) -> Option<Refuse> {
    let (status, rest) = word.split_once('-').unwrap_or((word, ""));
    let status: u16 = status.parse().ok()?;
    if !matches!(status, 400..=599) {
        return None;
    }
    let mut refuse = Refuse {
        status,
        reason: Reason::Plain,
        retry_after: None,
        lasting: None,
    };
    match rest {
        "" => {}
        "context" if status == 400 => refuse.reason = Reason::Context,
        "filter" if status == 400 => refuse.reason = Reason::Filter,
        "quota" if status == 429 => refuse.reason = Reason::Quota,
        "html" => refuse.reason = Reason::Html,
        "not-ready" if status == 429 => refuse.reason = Reason::NotReady,
        "no-model" if status == 403 => refuse.reason = Reason::NoModel,
        "expired" if status == 403 => refuse.reason = Reason::Expired,
        "unknown-key" if status == 403 => refuse.reason = Reason::UnknownKey,
        "on-demand" if status == 400 => refuse.reason = Reason::OnDemand,
        _ => match rest.split_once('-')? {
            ("retry", when) => {
                let when = when.strip_suffix("-always").unwrap_or(when);
                refuse.retry_after = Some(retry_after(when)?);
            }
            ("for", time) => {
                let seconds = time.strip_suffix('s')?.parse().ok()?;
                refuse.lasting = Some(Duration::from_secs(seconds));
            }
            _ => return None,
        },
    }
    Some(refuse)
}

/// A number of seconds as it stands, or `date`: the other form RFC 9110 allows, long past.
fn retry_after(when: &str) -> Option<String> {
    if when == "date" {
        return Some("Sun, 06 Nov 1994 08:49:37 GMT".to_owned());
    }
    when.parse::<u32>().ok().map(|seconds| seconds.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_documented_table_is_read() {
        let docs = include_str!("../lib.rs");
        let mut seen = 0;
        for line in docs.lines().filter(|line| line.starts_with("//! | `")) {
            let cell = line.split('|').nth(1).unwrap_or_default();
            for word in cell.split('`').skip(1).step_by(2) {
                let example = word.replace("SECONDS", "3").replace("MS", "40");
                let example = example.replace("MIB", "2").replace("KIB", "64");
                let example = example.replace("SEED", "7").replace('N', "5");
                assert!(parse(&example).is_ok(), "{word} as {example}");
                seen += 1;
            }
        }
        assert!(seen >= 50, "only {seen} words documented");
    }

    #[test]
    fn words_compose_and_a_wrong_one_is_named() {
        let words = parse("fake-a+429-retry-2+reasoning+cut-after-40-clean").unwrap();
        assert_eq!(words[1].times, Some(1));
        assert_eq!(words[3].what, What::At(40, At::Cut { clean: true }));
        assert_eq!(parse("fake+cut-aftr-4").unwrap_err(), "cut-aftr-4");
        assert_eq!(parse("gpt-4o").unwrap_err(), "gpt-4o");
    }

    #[test]
    fn attempts_a_word_holds_for() {
        let once = |name: &str| parse(name).unwrap()[0].times;
        assert_eq!(once("500-once"), Some(1));
        assert_eq!(once("500-times-3"), Some(3));
        assert_eq!(once("429-retry-2"), Some(1));
        assert_eq!(once("429-retry-2-always"), None);
        assert_eq!(once("429"), None);
        assert_eq!(once("no-answer-once"), Some(1));
    }

    #[test]
    fn a_stall_may_end() {
        let stall = |name: &str| parse(name).unwrap().remove(0).what;
        assert_eq!(stall("stall-after-20"), What::At(20, At::Stall(None)));
        let ends = Some(Duration::from_secs(30));
        assert_eq!(stall("stall-after-20-30s"), What::At(20, At::Stall(ends)));
    }
}
