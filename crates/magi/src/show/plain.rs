//! Plain blocks: progress for a pipe, a log file or a narrow terminal. Nothing is ever redrawn.

use magi_event::{Agent, Body, Event, PANEL, Sage, Snapshot};

use super::verdict;
use super::words::{self, Lang};

/// Tells what an event means to somebody who reads line by line; most deltas mean nothing alone.
pub(crate) fn progress(snapshot: &Snapshot, event: &Event, lang: Lang) -> Option<String> {
    match &event.body {
        Body::Start(start) => Some(opening(start, lang)),
        Body::AgentStart(sage, start) => (start.attempt > 1).then(|| {
            let again = lang.pick("starts again, attempt", "最初からやり直し、試行");
            format!("{} {again} {}", who(*sage), start.attempt)
        }),
        Body::AgentError(sage, error) => Some(trouble(&who(*sage), error, lang)),
        Body::JudgeError(error) => Some(trouble(&judge(), error, lang)),
        Body::AgentTimeout(sage, timeout) => Some(late(&who(*sage), timeout, lang)),
        Body::JudgeTimeout(timeout) => Some(late(&judge(), timeout, lang)),
        Body::AgentComplete(sage, done) => {
            let prose = snapshot.sages.get(sage).map_or("", |lane| lane.text.trim());
            let head = verdict::vote_line(*sage, done, lang);
            Some(if prose.is_empty() {
                head
            } else {
                format!("{}\n{head}", block(*sage, prose))
            })
        }
        Body::Tally(tally) => {
            let label = lang.pick("votes (for-against-abstained)", "票数（可決-否決-棄権）");
            Some(format!("  {label}: {}", tally.agreement))
        }
        Body::JudgeStart(start) => {
            if start.provider == PANEL {
                let label = lang.pick("gives way to a panel", "に代わり裁定パネルが裁定中");
                return Some(format!("{} {label}: {}", judge(), start.model));
            }
            let label = lang.pick("weighs the arguments", "が論拠を吟味中");
            (start.attempt == 1).then(|| format!("{} {label}", judge()))
        }
        Body::Rewind(_) => Some(
            lang.pick(
                "(the server started again; what was unfinished is said anew)",
                "（サーバーが再起動したため、途中の発言はやり直しになります）",
            )
            .to_owned(),
        ),
        Body::Paused(paused) => Some(format!(
            "{}: {}",
            lang.pick("paused", "一時停止"),
            paused.reason
        )),
        Body::Resumed(_) => Some(lang.pick("resumed", "再開").to_owned()),
        Body::Note(note) => Some(format!(
            "{} {} -> {}: {}",
            lang.pick("note", "伝言"),
            note.from,
            note.to,
            note.text
        )),
        Body::SagesStart(_)
        | Body::AgentThinking(..)
        | Body::AgentChunk(..)
        | Body::JudgeThinking(_)
        | Body::JudgeChunk(_)
        | Body::JudgeComplete(_)
        | Body::Trace(..)
        | Body::Complete(_)
        | Body::Cancelled(_)
        | Body::Error(_)
        | Body::Unknown(_) => None,
    }
}

fn opening(start: &magi_event::Start, lang: Lang) -> String {
    let models: Vec<_> = start
        .council
        .models
        .iter()
        .map(|(agent, model)| format!("{} {model}", words::shape(*agent)))
        .collect();
    let label = lang.pick("council", "評議");
    let mut text = format!(
        "{label} {} ({})  {}",
        start.council.name,
        start.council.rule,
        models.join("  ")
    );
    if start.mode == magi_event::Mode::Rehearsal {
        text = format!("{}\n{text}", verdict::rehearsal_mark(lang));
    }
    text
}

fn who(sage: Sage) -> String {
    format!("{} {}", words::shape(sage.into()), words::name(sage.into()))
}

fn judge() -> String {
    format!(
        "{} {}",
        words::shape(Agent::Judge),
        words::name(Agent::Judge)
    )
}

fn block(sage: Sage, prose: &str) -> String {
    let quoted = prose.replace('\n', "\n  ");
    format!("{}\n  {quoted}", who(sage))
}

fn trouble(who: &str, error: &magi_event::AttemptError, lang: Lang) -> String {
    let next = match (error.retryable, error.retry_in) {
        (true, Some(seconds)) => match lang {
            Lang::En => format!("; trying again in {seconds:.1} s"),
            Lang::Ja => format!("（{seconds:.1}秒後に再試行）"),
        },
        (true, None) => lang.pick("; trying again", "（再試行）").to_owned(),
        (false, _) => String::new(),
    };
    format!("{who} ! {} ({}){next}", error.message, error.code)
}

fn late(who: &str, timeout: &magi_event::AttemptTimeout, lang: Lang) -> String {
    use magi_event::TimeoutKind::{Connect, FirstToken, Idle, Total};
    let what = match timeout.kind {
        Connect => lang.pick("no connection within", "接続なし"),
        FirstToken => lang.pick("no first token within", "最初のトークンなし"),
        Idle => lang.pick("silent for", "無応答"),
        Total => lang.pick("not done within", "未完了"),
    };
    let next = if timeout.retryable {
        lang.pick("; trying again", "（再試行）")
    } else {
        ""
    };
    format!("{who} ! {what} {:.0} s{next}", timeout.timeout)
}
