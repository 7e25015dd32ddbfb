//! The words a person reads, in English and Japanese.

use magi_event::{Agent, Cause, Decision, FinalDecision, Sage, Status};

/// The language of what is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lang {
    /// English.
    En,
    /// Japanese.
    Ja,
}

impl Lang {
    /// Reads `ja` or `en`.
    pub(crate) fn from_code(code: &str) -> Option<Lang> {
        match code {
            "ja" => Some(Lang::Ja),
            "en" => Some(Lang::En),
            _ => None,
        }
    }

    /// Reads the language of labels before any question is known: as set, else the terminal's.
    pub(crate) fn of_terminal(setting: &str) -> Lang {
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
        let is_japanese = locale.is_some_and(|locale| locale.starts_with("ja"));
        Lang::from_code(setting).unwrap_or(if is_japanese { Lang::Ja } else { Lang::En })
    }

    /// Picks one of two texts.
    pub(crate) const fn pick(self, en: &'static str, ja: &'static str) -> &'static str {
        match self {
            Lang::En => en,
            Lang::Ja => ja,
        }
    }
}

/// The shape that stands for a member of the council: told apart without colour.
pub(crate) const fn shape(agent: Agent) -> &'static str {
    match agent {
        Agent::Sage(Sage::Caspar) => "■",
        Agent::Sage(Sage::Balthasar) => "●",
        Agent::Sage(Sage::Melchior) => "▲",
        Agent::Judge => "◆",
    }
}

/// The name of a member of the council.
pub(crate) const fn name(agent: Agent) -> &'static str {
    match agent {
        Agent::Sage(Sage::Caspar) => "CASPAR",
        Agent::Sage(Sage::Balthasar) => "BALTHASAR",
        Agent::Sage(Sage::Melchior) => "MELCHIOR",
        Agent::Judge => "SOLOMON",
    }
}

/// A decision's seal: icon and both words.
pub(crate) const fn seal(decision: Decision) -> &'static str {
    match decision {
        Decision::Approved => "✔ 可決 APPROVED",
        Decision::Rejected => "✖ 否決 REJECTED",
        Decision::Abstained => "○ 棄権 ABSTAINED",
    }
}

/// The verdict's seal: icon and both words.
pub(crate) const fn final_seal(decision: FinalDecision) -> &'static str {
    match decision {
        FinalDecision::Approved => "✔ 可決 APPROVED",
        FinalDecision::Rejected => "✖ 否決 REJECTED",
        FinalDecision::Undecided => "! 不成立 NO DECISION",
    }
}

/// Why a sage abstained.
pub(crate) const fn cause(lang: Lang, cause: Cause) -> &'static str {
    match cause {
        Cause::Own => lang.pick("by its own choice", "自らの判断による棄権"),
        Cause::Rehearsal => lang.pick(
            "rehearsal: no model is connected",
            "リハーサル（モデル未接続）",
        ),
        Cause::Refused => lang.pick("the model refused to answer", "モデルが回答を拒否"),
        Cause::Failed => lang.pick("the model call failed", "モデル呼び出しの失敗"),
        Cause::Timeout => lang.pick("out of time", "時間切れ"),
        Cause::Unparsable => lang.pick("no readable vote", "票を読み取れず"),
        Cause::Stopped => lang.pick("stopped", "中断"),
    }
}

/// How a deliberation stands.
pub(crate) const fn status(lang: Lang, status: Status) -> &'static str {
    match status {
        Status::Running => lang.pick("deliberating", "審議中"),
        Status::Paused => lang.pick("paused", "一時停止中"),
        Status::Completed => lang.pick("completed", "完了"),
        Status::Degraded => lang.pick("degraded", "一部欠落"),
        Status::Cancelled => lang.pick("stopped", "中断"),
        Status::Failed => lang.pick("failed", "失敗"),
    }
}
