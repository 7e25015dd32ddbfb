//! A sage: works blind to the others, and always comes to exactly one end.

use magi_event::{Agent, AgentComplete, Cause, Decision, Sage};
use magi_log::Closed;
use magi_model::Lang;
use serde_json::{Value, json};

use crate::deadline::Allowance;
use crate::lane::{Lane, LaneEnd};
use crate::member::{Came, Member};
use crate::memory::Said;
use crate::prompt;
use crate::setup::REHEARSAL;
use crate::stage::{SpanId, Stage};
use crate::vote::{Answer, Ballot, Reading, Why, read};

/// How a sage ended, and in words for `missing` what went wrong if something did.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SageEnd {
    pub(crate) complete: AgentComplete,
    pub(crate) message: Option<String>,
}

fn read_vote(answer: &Answer<'_>) -> Result<Ballot, Why> {
    match read(answer) {
        Reading::Vote(ballot) => Ok(ballot),
        Reading::Unparsable { why } => Err(why),
    }
}

/// What a sage is asked for.
#[derive(Clone, Debug)]
pub(crate) enum Turn {
    /// Its part, from the beginning.
    Whole,
    /// Another attempt that somebody asked for.
    Again,
    /// What it says to the notes that came after its vote.
    Reply(Box<Said>),
}

/// Runs a sage whose present attempt's `agent_start` is already in the log.
///
/// # Cancel safety
///
/// Dropping it cancels its call; the lane then says how far it came.
pub(crate) async fn run(
    stage: &Stage,
    lane: &Lane,
    (sage, turn): (Sage, &Turn),
    parent: &SpanId,
) -> Result<SageEnd, Closed> {
    let span = stage.begin(parent, "sage", Some(sage), json!({}))?;
    let deadlines = &stage.setup.council.deadlines;
    let Some(role) = stage.setup.role(Agent::Sage(sage)) else {
        return Ok(missing(lane, stage.setup.lang, Cause::Failed, "no role"));
    };
    let agent = Agent::Sage(sage);
    let hard_end = stage.sages_end(!matches!(turn, Turn::Whole));
    let call = || {
        let notes = stage.notes_for(agent);
        lane.hear(stage.notes().len());
        let matter = stage.setup.matter(&notes);
        let entropy = stage.env.entropy.as_ref();
        match turn {
            Turn::Whole | Turn::Again => prompt::sage(sage, role, &matter, entropy),
            Turn::Reply(said) => prompt::reply(sage, role, &matter, said, entropy),
        }
    };
    let member = Member {
        stage,
        lane,
        span: &span,
        allowance: Allowance::new(
            deadlines.sage_total,
            hard_end,
            deadlines,
            &stage.control.pauses,
        ),
        read: read_vote,
        models: stage.setup.council.models(agent),
        call: &call,
        may_refuse: true,
        is_aloud: true,
        is_followed: false,
    };
    let end = match member.work().await? {
        Came::Read(ballot, tool) => {
            let is_rehearsal = lane.model().provider == REHEARSAL && says_rehearsal(&tool);
            voted(lane.end(), ballot, is_rehearsal)
        }
        Came::Refused(words) => refused(lane.end(), words, stage.setup.lang),
        Came::Missing { cause, message } => missing(lane, stage.setup.lang, cause, &message),
    };
    let attributes = json!({
        "decision": end.complete.decision,
        "cause": end.complete.cause,
        "attempts": end.complete.attempt,
    });
    stage.end(&span, attributes)?;
    Ok(end)
}

/// Tells whether a rehearsal marks its vote as no opinion at all.
fn says_rehearsal(tool: &str) -> bool {
    serde_json::from_str::<Value>(tool)
        .is_ok_and(|vote| vote.get("cause").and_then(Value::as_str) == Some("rehearsal"))
}

fn voted(end: LaneEnd, ballot: Ballot, is_rehearsal: bool) -> SageEnd {
    let cause = match ballot.decision {
        Decision::Abstained if is_rehearsal => Some(Cause::Rehearsal),
        Decision::Abstained => Some(Cause::Own),
        Decision::Approved | Decision::Rejected => None,
    };
    let reasoning = ballot
        .reasoning
        .filter(|reasoning| !reasoning.trim().is_empty())
        .unwrap_or_else(|| end.prose.trim().to_owned());
    let mut complete = ended(end, ballot.decision, reasoning);
    complete.conditions = ballot.conditions;
    complete.would_change = ballot.would_change;
    complete.confidence = ballot.confidence;
    complete.cause = cause;
    SageEnd {
        complete,
        message: None,
    }
}

fn refused(end: LaneEnd, words: String, lang: Lang) -> SageEnd {
    let words = if words.is_empty() {
        match lang {
            Lang::Ja => "モデルが回答を拒否しました。".to_owned(),
            Lang::En => "The model refused to answer.".to_owned(),
        }
    } else {
        words
    };
    let mut complete = ended(end, Decision::Abstained, words);
    complete.cause = Some(Cause::Refused);
    SageEnd {
        complete,
        message: None,
    }
}

/// Ends a sage without a vote: nothing is invented, the reasoning says what happened.
pub(crate) fn missing(lane: &Lane, lang: Lang, cause: Cause, message: &str) -> SageEnd {
    let what = match (lang, cause) {
        (Lang::Ja, Cause::Timeout) => "時間内に回答が得られませんでした",
        (Lang::Ja, Cause::Unparsable) => "回答に読み取れる票がありませんでした",
        (Lang::Ja, Cause::Stopped) => "途中で中断されました",
        (Lang::Ja, _) => "回答が得られませんでした",
        (Lang::En, Cause::Timeout) => "There was no answer in time",
        (Lang::En, Cause::Unparsable) => "The answer held no readable vote",
        (Lang::En, Cause::Stopped) => "Stopped before its vote",
        (Lang::En, _) => "There was no answer",
    };
    // That nothing could be read says it all; why a call failed is worth telling.
    let is_told = message.is_empty() || cause == Cause::Unparsable;
    let reasoning = match (lang, is_told) {
        (Lang::Ja, true) => format!("{what}。"),
        (Lang::Ja, false) => format!("{what}（{message}）。"),
        (Lang::En, true) => format!("{what}."),
        (Lang::En, false) => format!("{what} ({message})."),
    };
    let mut complete = ended(lane.end(), Decision::Abstained, reasoning);
    complete.cause = Some(cause);
    SageEnd {
        complete,
        message: (!message.is_empty()).then(|| message.to_owned()),
    }
}

fn ended(end: LaneEnd, decision: Decision, reasoning: String) -> AgentComplete {
    AgentComplete {
        decision,
        reasoning,
        conditions: Vec::new(),
        would_change: Vec::new(),
        confidence: None,
        cause: None,
        attempt: end.attempt,
        text_bytes: end.text_bytes,
        text_sha256: end.text_sha256,
        usage: end.usage,
        cost_usd: end.cost_usd,
        first_token_ms: end.first_token_ms,
        execution_time: end.execution_time,
    }
}
