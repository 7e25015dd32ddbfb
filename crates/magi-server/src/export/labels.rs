//! The fixed words of a record, in both languages.

use magi_council::Preset;
use magi_event::{
    Cause, Complete, CouncilInfo, Decision, FinalDecision, Rule, Sage, Snapshot, Status, Timestamp,
    Votes,
};
use magi_model::Lang;

use super::mine::Word;

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
    conditions: &'static str,
    conditions_anyway: &'static str,
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
    pub(super) follow: &'static str,
    pub(super) why: &'static str,
    pub(super) leaning: &'static str,
    pub(super) undecided_yet: &'static str,
    pub(super) outcome: &'static str,
    /// Good, bad, mixed.
    outcomes: [&'static str; 3],
    pub(super) note: &'static str,
    pub(super) recommendation: &'static str,
    pub(super) record: &'static str,
    pub(super) asked_at: &'static str,
    pub(super) goes_on_from: &'static str,
    pub(super) conversation: &'static str,
    /// What stands before the letter under which the judge knows a sage.
    sage_letter: &'static str,
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
    /// Between two words in a bracket.
    pub(super) comma: &'static str,
    pub(super) headings: Headings,
    sentences: Sentences,
    words: Words,
}

/// The headings of the Markdown record. The English ones are MADR's own.
pub(super) struct Headings {
    pub(super) problem: &'static str,
    pub(super) drivers: &'static str,
    pub(super) options: &'static str,
    pub(super) outcome: &'static str,
    pub(super) consequences: &'static str,
    pub(super) confirmation: &'static str,
    pub(super) pros_and_cons: &'static str,
    pub(super) more: &'static str,
}

/// What stands around the words of people and models in a sentence.
struct Sentences {
    /// Before an option, after it, and before its reason.
    chosen: [&'static str; 3],
    advises: [&'static str; 3],
    none_chosen: &'static str,
    none_advised: &'static str,
    /// Before a reason, before whose it is, and after that.
    good: [&'static str; 3],
    neutral: [&'static str; 3],
    bad: [&'static str; 3],
    /// Before, between and after the numbers of the votes.
    votes: [&'static str; 4],
    /// Around the name and version of a council that has a title.
    titled: [&'static str; 2],
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

    /// Returns the label of conditions: a rejection's count for who goes ahead all the same.
    pub(super) const fn conditions(&self, is_rejected: bool) -> &'static str {
        if is_rejected {
            self.conditions_anyway
        } else {
            self.conditions
        }
    }

    /// Returns the option that a decision takes, if it takes one.
    pub(super) const fn option(&self, decision: FinalDecision) -> Option<&'static str> {
        match decision {
            FinalDecision::Approved => Some(self.approve),
            FinalDecision::Rejected => Some(self.reject),
            FinalDecision::Undecided => None,
        }
    }

    /// Says what a person chose, and why where that is known.
    pub(super) fn chosen(&self, option: &str, why: Option<&str>) -> String {
        of_option(self.sentences.chosen, option, why)
    }

    /// Says that nothing was chosen.
    pub(super) fn none_chosen(&self, why: &str) -> String {
        format!("{}{why}", self.sentences.none_chosen)
    }

    /// Says what the council advises.
    pub(super) fn advises(&self, decision: FinalDecision, why: &str) -> String {
        match self.option(decision) {
            Some(option) => of_option(self.sentences.advises, option, Some(why)),
            None => format!("{}{why}", self.sentences.none_advised),
        }
    }

    /// Gives a reason for an option, and whose it is.
    pub(super) fn good(&self, why: &str, whose: &str) -> String {
        said_by(self.sentences.good, why, whose)
    }

    /// Gives the reason of somebody who took no option.
    pub(super) fn neutral(&self, why: &str, whose: &str) -> String {
        said_by(self.sentences.neutral, why, whose)
    }

    /// Gives a reason against what was decided.
    pub(super) fn bad(&self, why: &str, whose: &str) -> String {
        said_by(self.sentences.bad, why, whose)
    }

    /// Returns the votes, each number with its word.
    pub(super) fn tally(&self, votes: Votes) -> String {
        let [before, rejected, abstained, after] = self.sentences.votes;
        format!(
            "{before}{}{rejected}{}{abstained}{}{after}",
            votes.approved, votes.rejected, votes.abstained
        )
    }

    /// Returns how it turned out, in the page's words.
    pub(super) const fn outcome_word(&self, word: Word) -> &'static str {
        match word {
            Word::Good => self.outcomes[0],
            Word::Bad => self.outcomes[1],
            Word::Mixed => self.outcomes[2],
        }
    }

    /// Returns the council's name and version, those of a preset of the house under its title.
    pub(super) fn council_name(&self, council: &CouncilInfo) -> String {
        let name = format!("{} v{}", council.name, council.version);
        let lang = if self.lang == "ja" {
            Lang::Ja
        } else {
            Lang::En
        };
        match Preset::find(&council.name) {
            Some(preset) => {
                let [before, after] = self.sentences.titled;
                format!("{}{before}{name}{after}", preset.title.get(lang))
            }
            None => name,
        }
    }

    /// Says who is Sage A, B and C in the judge's words; nothing where nobody or a panel judged, each of whom
    /// saw them in an order of its own.
    pub(super) fn order(&self, snapshot: &Snapshot) -> Option<String> {
        let complete = snapshot.judge.complete.as_ref();
        let is_one = complete.is_some_and(|complete| complete.panel.is_empty());
        let letters = snapshot.judge_order.iter().zip('A'..);
        let names: Vec<String> = letters
            .map(|(sage, letter)| format!("{}{letter} = {}", self.sage_letter, super::name(*sage)))
            .collect();
        (is_one && !names.is_empty()).then(|| names.join(self.comma))
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

fn of_option([before, after, because]: [&str; 3], option: &str, why: Option<&str>) -> String {
    let why = why.map(|why| format!("{because}{why}")).unwrap_or_default();
    format!("{before}{option}{after}{why}")
}

fn said_by([before, by, after]: [&str; 3], why: &str, whose: &str) -> String {
    format!("{before}{why}{by}{whose}{after}")
}

/// Returns an instant to the minute. Where the reader is, is not known: the time zone is named.
pub(super) fn minute(at: Timestamp) -> String {
    let text = at.to_string();
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(time)) => format!("{day} {time} UTC"),
        _ => text,
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
    conditions_anyway: "Conditions, if you go ahead anyway",
    dissent: "Strongest objection to this verdict",
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
    follow: "as the verdict",
    why: "Why",
    leaning: "Leaning before",
    undecided_yet: "No decision is recorded yet.",
    outcome: "How it turned out",
    outcomes: ["turned out well", "turned out badly", "mixed outcome"],
    note: "Note",
    recommendation: "Recommendation",
    record: "Record",
    asked_at: "Asked",
    goes_on_from: "Goes on from",
    conversation: "Conversation",
    sage_letter: "Sage ",
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
    comma: ", ",
    headings: Headings {
        problem: "Context and Problem Statement",
        drivers: "Decision Drivers",
        options: "Considered Options",
        outcome: "Decision Outcome",
        consequences: "Consequences",
        confirmation: "Confirmation",
        pros_and_cons: "Pros and Cons of the Options",
        more: "More Information",
    },
    sentences: Sentences {
        chosen: ["Chosen option: \"", "\"", ", because "],
        advises: ["The council advises: \"", "\"", ", because "],
        none_chosen: "No option was chosen: ",
        none_advised: "The council did not decide: ",
        good: ["Good, because ", " (", ")"],
        neutral: ["Neutral, because ", " (", ")"],
        bad: ["Bad, because ", " (", ")"],
        votes: ["", " approved, ", " rejected, ", " abstained"],
        titled: [" (", ")"],
    },
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
    conditions_anyway: "進める場合の条件",
    dissent: "この結論への最も強い反論",
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
    follow: "評決に従う",
    why: "理由",
    leaning: "事前の考え",
    undecided_yet: "決定はまだ記録されていません。",
    outcome: "結果",
    outcomes: ["良い結果", "悪い結果", "一長一短"],
    note: "メモ",
    recommendation: "推奨",
    record: "記録",
    asked_at: "日時",
    goes_on_from: "元の審議",
    conversation: "一連の問い",
    sage_letter: "賢者",
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
    comma: "、",
    headings: Headings {
        problem: "背景と課題",
        drivers: "判断の観点",
        options: "検討した選択肢",
        outcome: "決定",
        consequences: "影響",
        confirmation: "確認",
        pros_and_cons: "選択肢の長所と短所",
        more: "補足情報",
    },
    sentences: Sentences {
        chosen: ["選んだ選択肢: 「", "」", "。理由: "],
        advises: ["評議の助言: 「", "」", "。理由: "],
        none_chosen: "どの選択肢も選ばれませんでした。理由: ",
        none_advised: "評議の結論は不成立でした。理由: ",
        good: ["支持する理由: ", "（", "）"],
        neutral: ["中立の理由: ", "（", "）"],
        bad: ["懸念: ", "（", "）"],
        votes: ["可決", "、否決", "、棄権", ""],
        titled: ["（", "）"],
    },
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
