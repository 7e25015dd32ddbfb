//! The fixed words of a record, in both languages.

use magi_event::{Cause, Complete, Decision, FinalDecision, Rule, Sage, Status};

/// The fixed words of a record in one language.
pub(crate) struct Labels {
    pub(super) lang: &'static str,
    pub(super) question: &'static str,
    pub(super) context: &'static str,
    pub(super) verdict: &'static str,
    pub(super) no_verdict: &'static str,
    pub(super) votes: &'static str,
    pub(super) rule: &'static str,
    /// Majority, unanimous, the judge alone, and before and after the sage of a veto.
    rules: [&'static str; 5],
    pub(super) quorum: &'static str,
    pub(super) judge_agrees: &'static str,
    pub(super) judge_differs: &'static str,
    pub(super) overruled: &'static str,
    pub(super) split: &'static str,
    pub(super) missing: &'static str,
    pub(super) conditions: &'static str,
    pub(super) dissent: &'static str,
    pub(super) would_change: &'static str,
    pub(super) confidence: &'static str,
    pub(super) score: &'static str,
    pub(super) median: &'static str,
    pub(super) panel: &'static str,
    pub(super) no_answer: &'static str,
    pub(super) speaks: &'static str,
    pub(super) sages: &'static str,
    pub(super) judge: &'static str,
    pub(super) said: &'static str,
    pub(super) reasoning: &'static str,
    pub(super) my_decision: &'static str,
    pub(super) outcome: &'static str,
    pub(super) recommendation: &'static str,
    pub(super) record: &'static str,
    pub(super) asked_at: &'static str,
    pub(super) status: &'static str,
    pub(super) council: &'static str,
    pub(super) tokens: &'static str,
    pub(super) cost: &'static str,
    pub(super) duration: &'static str,
    pub(super) estimated: &'static str,
    pub(super) rehearsal: &'static str,
    pub(super) none_yet: &'static str,
    pub(super) approve: &'static str,
    pub(super) reject: &'static str,
    pub(super) human: &'static str,
    words: Words,
}

struct Words {
    decisions: [&'static str; 3],
    undecided: &'static str,
    causes: [&'static str; 7],
    statuses: [&'static str; 6],
    sages: [&'static str; 3],
    /// What stands before and after the name of a model that another one spoke for.
    in_place_of: [&'static str; 2],
    /// What stands before and after the models of a panel.
    panel_of: [&'static str; 2],
}

impl Labels {
    pub(crate) fn of(lang: &str) -> &'static Labels {
        if lang == "ja" { &JAPANESE } else { &ENGLISH }
    }

    pub(crate) const fn decision(&self, decision: Decision) -> &'static str {
        match decision {
            Decision::Approved => self.words.decisions[0],
            Decision::Rejected => self.words.decisions[1],
            Decision::Abstained => self.words.decisions[2],
        }
    }

    pub(crate) const fn final_decision(&self, decision: FinalDecision) -> &'static str {
        match decision {
            FinalDecision::Approved => self.words.decisions[0],
            FinalDecision::Rejected => self.words.decisions[1],
            FinalDecision::Undecided => self.words.undecided,
        }
    }

    pub(crate) const fn cause(&self, cause: Cause) -> &'static str {
        let at = match cause {
            Cause::Own => 0,
            Cause::Rehearsal => 1,
            Cause::Refused => 2,
            Cause::Failed => 3,
            Cause::Timeout => 4,
            Cause::Unparsable => 5,
            Cause::Stopped => 6,
        };
        self.words.causes[at]
    }

    pub(super) const fn status_word(&self, status: Status) -> &'static str {
        let at = match status {
            Status::Running => 0,
            Status::Paused => 1,
            Status::Completed => 2,
            Status::Degraded => 3,
            Status::Cancelled => 4,
            Status::Failed => 5,
        };
        self.words.statuses[at]
    }

    /// Says that a model spoke in the place of another one.
    pub(super) fn in_place_of(&self, model: &str) -> String {
        let [before, after] = self.words.in_place_of;
        format!("{before}{model}{after}")
    }

    /// Says which models judged together.
    pub(super) fn panel_of(&self, models: &str) -> String {
        let [before, after] = self.words.panel_of;
        format!("{before}{models}{after}")
    }

    /// Says how the judge stood to the votes, or that a panel in its place was split, which neither
    /// agrees nor differs.
    pub(super) fn standing(&self, verdict: &Complete) -> Option<&'static str> {
        match (verdict.overruled, verdict.judge_agrees) {
            _ if verdict.solomon_judgment.is_split_panel() => Some(self.split),
            (true, _) => Some(self.overruled),
            (false, Some(true)) => Some(self.judge_agrees),
            (false, Some(false)) => Some(self.judge_differs),
            (false, None) => None,
        }
    }

    /// Returns how the council comes to its verdict.
    pub(super) fn rule_word(&self, rule: Rule) -> String {
        let [majority, unanimous, judge, before, after] = self.rules;
        match rule {
            Rule::Majority => majority.to_owned(),
            Rule::Unanimous => unanimous.to_owned(),
            Rule::Judge => judge.to_owned(),
            Rule::Veto(sage) => format!("{before}{}{after}", super::name(sage)),
        }
    }

    /// Returns what a sage looks at first.
    pub(super) const fn view_of(&self, sage: Sage) -> &'static str {
        self.words.sages[sage.index()]
    }
}

const ENGLISH: Labels = Labels {
    lang: "en",
    question: "Question",
    context: "Context",
    verdict: "Verdict",
    no_verdict: "There is no verdict",
    votes: "Votes",
    rule: "Rule",
    rules: [
        "majority of the votes",
        "all alike, or no decision",
        "the judge decides",
        "majority, and a rejection by ",
        " rejects",
    ],
    quorum: "Quorum",
    judge_agrees: "The judge agrees with the votes.",
    judge_differs: "The judge does not agree with the votes.",
    overruled: "The judge overruled the votes, as the rule allows.",
    split: "The panel that judged in SOLOMON's place was split.",
    missing: "Missing",
    conditions: "Conditions",
    dissent: "Strongest dissent",
    would_change: "What would change the verdict",
    confidence: "confidence",
    score: "score",
    median: "score, median of the panel",
    panel: "Panel",
    no_answer: "no answer",
    speaks: "the words of the judgment",
    sages: "Sages",
    judge: "Judge",
    said: "What it said",
    reasoning: "Reasoning",
    my_decision: "My decision",
    outcome: "How it turned out",
    recommendation: "Recommendation",
    record: "Record",
    asked_at: "Asked",
    status: "Status",
    council: "Council",
    tokens: "Tokens",
    cost: "Cost",
    duration: "Duration",
    estimated: "estimated",
    rehearsal: "REHEARSAL: written scenes answered, no model did. This is no advice.",
    none_yet: "no vote",
    approve: "Approve the proposal",
    reject: "Reject the proposal",
    human: "the person who asked",
    words: Words {
        decisions: ["APPROVED", "REJECTED", "ABSTAINED"],
        undecided: "UNDECIDED",
        causes: [
            "its own choice",
            "rehearsal",
            "refused to answer",
            "failed",
            "timed out",
            "unreadable answer",
            "stopped",
        ],
        statuses: [
            "running",
            "paused",
            "completed",
            "degraded",
            "cancelled",
            "failed",
        ],
        sages: [
            "practical, risk first",
            "creative, people and ethics first",
            "scientific, evidence first",
        ],
        in_place_of: [", in place of ", ""],
        panel_of: ["panel of ", ""],
    },
};

const JAPANESE: Labels = Labels {
    lang: "ja",
    question: "問い",
    context: "背景",
    verdict: "評決",
    no_verdict: "評決はありません",
    votes: "投票",
    rule: "決め方",
    rules: [
        "多数決",
        "全員一致（不一致なら不成立）",
        "裁定者が決める",
        "多数決、ただし ",
        " の否決で否決",
    ],
    quorum: "定足数",
    judge_agrees: "裁定者は票の結果に同意しています。",
    judge_differs: "裁定者は票の結果に同意していません。",
    overruled: "決め方に従い、裁定者が票の結果を覆しました。",
    split: "SOLOMON に代わる裁定パネルの判断は割れました。",
    missing: "欠けているもの",
    conditions: "条件",
    dissent: "最も強い反対意見",
    would_change: "結論が変わるとすれば",
    confidence: "確信度",
    score: "評点",
    median: "評点（裁定パネルの中央値）",
    panel: "裁定パネル",
    no_answer: "回答なし",
    speaks: "判断文はこのモデルのもの",
    sages: "三賢者",
    judge: "裁定者",
    said: "発言",
    reasoning: "理由",
    my_decision: "自分の決定",
    outcome: "結果",
    recommendation: "推奨",
    record: "記録",
    asked_at: "日時",
    status: "状態",
    council: "評議",
    tokens: "トークン",
    cost: "費用",
    duration: "所要時間",
    estimated: "推定",
    rehearsal: "REHEARSAL: 用意された台本による回答です。モデルは答えていません。判断の根拠にはなりません。",
    none_yet: "票なし",
    approve: "提案を可決する",
    reject: "提案を否決する",
    human: "問うた人",
    words: Words {
        decisions: ["可決", "否決", "棄権"],
        undecided: "不成立",
        causes: [
            "本人の判断",
            "リハーサル",
            "回答の拒否",
            "失敗",
            "時間切れ",
            "票を読み取れず",
            "中断",
        ],
        statuses: ["審議中", "一時停止中", "完了", "一部欠落", "中断", "失敗"],
        sages: [
            "実務的、リスク優先",
            "創造的、人と倫理を優先",
            "科学的、根拠優先",
        ],
        in_place_of: ["、", " の代わり"],
        panel_of: ["裁定パネル（", "）"],
    },
};
