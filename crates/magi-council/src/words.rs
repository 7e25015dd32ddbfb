//! What is said about the outcome, built from what really happened, in the question's language.

use magi_event::{
    Agent, AgentComplete, Cause, Decision, FinalDecision, JudgeComplete, Missing, PanelVote, Rule,
    Sage, TimeoutKind, Votes,
};
use magi_model::Lang;

use crate::control::Why;
use crate::deliberation::Again;
use crate::retry::{Failure, Limit};

/// What the last words are made of.
pub(crate) struct Facts<'a> {
    pub(crate) lang: Lang,
    pub(crate) rule: Rule,
    pub(crate) quorum: u32,
    pub(crate) decision: FinalDecision,
    pub(crate) votes: Votes,
    pub(crate) missing: &'a [Missing],
    pub(crate) judgment: &'a JudgeComplete,
    pub(crate) judge_agrees: Option<bool>,
    pub(crate) overruled: bool,
    pub(crate) sages: &'a [(Sage, AgentComplete)],
}

/// Returns a sage's or the judge's name as a reader knows it, in every language.
fn name(agent: Agent) -> &'static str {
    match agent {
        Agent::Sage(Sage::Caspar) => "CASPAR",
        Agent::Sage(Sage::Balthasar) => "BALTHASAR",
        Agent::Sage(Sage::Melchior) => "MELCHIOR",
        Agent::Judge => "SOLOMON",
    }
}

impl Facts<'_> {
    fn is_rehearsal(&self) -> bool {
        self.sages
            .iter()
            .any(|(_, complete)| complete.cause == Some(Cause::Rehearsal))
    }

    fn has_quorum(&self) -> bool {
        self.votes.valid() >= self.quorum
    }

    /// Returns what was decided, in one to three sentences.
    pub(crate) fn summary(&self) -> String {
        match self.lang {
            Lang::Ja => self.summary_ja(),
            Lang::En => self.summary_en(),
        }
    }

    fn summary_ja(&self) -> String {
        let votes = self.votes;
        let mut text = match self.decision {
            FinalDecision::Approved => "可決。".to_owned(),
            FinalDecision::Rejected => "否決。".to_owned(),
            FinalDecision::Undecided => "不成立。".to_owned(),
        };
        text.push_str(&format!(
            "賢者{}名のうち、賛成{}、反対{}、棄権・無回答{}でした。",
            votes.sages(),
            votes.approved,
            votes.rejected,
            votes.abstained
        ));
        if !self.has_quorum() {
            text.push_str(&format!(
                "有効な票が定足数の{}に届かなかったため、結論は出していません。",
                self.quorum
            ));
        }
        match (self.overruled, self.judge_agrees) {
            _ if self.judgment.is_split_panel() => {
                text.push_str("SOLOMON に代わる裁定パネルの判断は割れました。");
            }
            (true, _) => text.push_str("SOLOMON は票の結果を覆しました。"),
            (false, Some(true)) => text.push_str("SOLOMON の判断も票と一致しています。"),
            (false, Some(false)) => text.push_str("SOLOMON の判断は票と異なります。"),
            (false, None) => {}
        }
        if !self.missing.is_empty() {
            let names: Vec<&str> = self.missing.iter().map(|m| name(m.agent)).collect();
            text.push_str(&format!("次の回答が欠けています: {}。", names.join("、")));
        }
        text
    }

    fn summary_en(&self) -> String {
        let votes = self.votes;
        let mut text = match self.decision {
            FinalDecision::Approved => "Approved.".to_owned(),
            FinalDecision::Rejected => "Rejected.".to_owned(),
            FinalDecision::Undecided => "No decision.".to_owned(),
        };
        text.push_str(&format!(
            " {} of {} sages voted for it, {} against; {} abstained or did not answer.",
            votes.approved,
            votes.sages(),
            votes.rejected,
            votes.abstained
        ));
        if !self.has_quorum() {
            text.push_str(&format!(
                " The valid votes do not reach the quorum of {}, so there is no decision.",
                self.quorum
            ));
        }
        match (self.overruled, self.judge_agrees) {
            _ if self.judgment.is_split_panel() => {
                text.push_str(" The panel that judged in SOLOMON's place was split.");
            }
            (true, _) => text.push_str(" SOLOMON overruled the votes."),
            (false, Some(true)) => text.push_str(" SOLOMON agrees with the votes."),
            (false, Some(false)) => text.push_str(" SOLOMON does not agree with the votes."),
            (false, None) => {}
        }
        if !self.missing.is_empty() {
            let names: Vec<&str> = self.missing.iter().map(|m| name(m.agent)).collect();
            text.push_str(&format!(" Missing: {}.", names.join(", ")));
        }
        text
    }

    /// Returns what to do now.
    pub(crate) fn recommendation(&self) -> String {
        if self.is_rehearsal() {
            return match self.lang {
                Lang::Ja => "これはリハーサルです。実際に審議するには、環境変数 MAGI_MODEL（例: openai:gpt-5）と、そのプロバイダーの API キーを設定してモデルを接続してください。",
                Lang::En => "This is a rehearsal. To have the question deliberated, connect a model: set MAGI_MODEL (for example openai:gpt-5) and that vendor's API key.",
            }
            .to_owned();
        }
        let lines = self.points();
        let head = match (self.lang, self.decision, lines.is_empty()) {
            (Lang::Ja, FinalDecision::Approved, true) => "進めてください。",
            (Lang::Ja, FinalDecision::Approved, false) => {
                "次の条件を満たしたうえで進めてください: "
            }
            (Lang::Ja, FinalDecision::Rejected, true) => "この案のままでは進めないでください。",
            (Lang::Ja, FinalDecision::Rejected, false) => {
                "この案のままでは進めないでください。結論が変わりうるのは次の場合です: "
            }
            (Lang::Ja, FinalDecision::Undecided, true) => {
                return self.open_question().to_owned();
            }
            (Lang::Ja, FinalDecision::Undecided, false) => {
                "結論は出ていません。次のようなことがあれば、結論が出る可能性があります: "
            }
            (Lang::En, FinalDecision::Approved, true) => "Go ahead.",
            (Lang::En, FinalDecision::Approved, false) => "Go ahead on these conditions: ",
            (Lang::En, FinalDecision::Rejected, true) => "Do not go ahead with it as it stands.",
            (Lang::En, FinalDecision::Rejected, false) => {
                "Do not go ahead with it as it stands. What could change this: "
            }
            (Lang::En, FinalDecision::Undecided, true) => {
                return self.open_question().to_owned();
            }
            (Lang::En, FinalDecision::Undecided, false) => {
                "There is no decision. What could bring one: "
            }
        };
        let (join, end) = match self.lang {
            Lang::Ja => ("／", "。"),
            Lang::En => ("; ", "."),
        };
        if lines.is_empty() {
            return head.to_owned();
        }
        let lines: Vec<&str> = lines
            .iter()
            .map(|line| line.trim().trim_end_matches(['.', '。', ';']))
            .collect();
        format!("{head}{}{end}", lines.join(join))
    }

    /// Returns the conditions of an approval, else what would change the decision: the judge's where
    /// it decided likewise, else those of the sages who did. Where the cause is that somebody gave no
    /// answer, no argument of anybody helps.
    fn points(&self) -> Vec<&str> {
        let is_undecided = self.decision == FinalDecision::Undecided;
        if is_undecided && !self.missing.is_empty() {
            return Vec::new();
        }
        let is_approved = self.decision == FinalDecision::Approved;
        let judge_is_with_it = self.judgment.final_decision == self.decision || is_undecided;
        let judges = if is_approved {
            &self.judgment.conditions
        } else {
            &self.judgment.would_change
        };
        let own = match self.decision {
            FinalDecision::Approved => Some(Decision::Approved),
            FinalDecision::Rejected => Some(Decision::Rejected),
            FinalDecision::Undecided => None,
        };
        let sages = self
            .sages
            .iter()
            .filter(|(_, complete)| own.is_none_or(|own| complete.decision == own))
            .flat_map(|(_, complete)| {
                if is_approved {
                    &complete.conditions
                } else {
                    &complete.would_change
                }
            });
        let all: Vec<&String> = if judge_is_with_it && !judges.is_empty() {
            judges.iter().collect()
        } else {
            sages.collect()
        };
        let mut points: Vec<&str> = Vec::new();
        for point in all {
            let point = point.trim();
            if !point.is_empty() && !points.contains(&point) {
                points.push(point);
            }
        }
        points
    }

    fn open_question(&self) -> &'static str {
        let lacks_sages = self
            .missing
            .iter()
            .any(|missing| missing.agent != Agent::Judge);
        match (
            self.lang,
            lacks_sages,
            self.rule == Rule::Judge && !self.missing.is_empty(),
        ) {
            (Lang::Ja, true, _) => {
                "結論は出ていません。賢者が答えられなかった原因を取り除いて、もう一度問うてください。"
            }
            (Lang::Ja, false, true) => {
                "結論は出ていません。SOLOMON の裁定が得られませんでした。もう一度問うてください。"
            }
            (Lang::Ja, false, false) => {
                "結論は出ていません。問いをより具体的にするか、背景に資料を加えて問い直してください。"
            }
            (Lang::En, true, _) => {
                "There is no decision. Remove what kept the missing sages from answering, and ask again."
            }
            (Lang::En, false, true) => {
                "There is no decision because SOLOMON gave no judgment. Ask again."
            }
            (Lang::En, false, false) => {
                "There is no decision. Ask again with a narrower question or with material in the context."
            }
        }
    }
}

/// Says why no judge was called: the quorum was lost.
pub(crate) fn no_quorum(lang: Lang, votes: Votes, quorum: u32) -> String {
    let valid = votes.valid();
    match lang {
        Lang::Ja => format!(
            "有効な票が{valid}票で、定足数の{quorum}に届かないため、SOLOMON は呼ばれませんでした。"
        ),
        Lang::En => format!(
            "SOLOMON was not called: {valid} valid votes do not reach the quorum of {quorum}."
        ),
    }
}

/// Says why no judge was called: the council has none.
pub(crate) fn no_judge(lang: Lang) -> String {
    match lang {
        Lang::Ja => "この評議に SOLOMON は加わっていません。",
        Lang::En => "SOLOMON is not in this council.",
    }
    .to_owned()
}

/// Says why the judge gave no judgment.
pub(crate) fn judge_failed(lang: Lang, message: &str) -> String {
    match lang {
        Lang::Ja => format!("SOLOMON の裁定は得られませんでした（{message}）。"),
        Lang::En => format!("SOLOMON gave no judgment ({message})."),
    }
}

/// Says that a panel judged in the judge's place, how its members decided, and whose words follow.
pub(crate) fn panel(lang: Lang, votes: &[PanelVote], speaker: &str) -> String {
    let n = |decision| {
        let with = votes.iter().filter(|one| one.final_decision == decision);
        with.count()
    };
    let (all, approved) = (votes.len(), n(Some(FinalDecision::Approved)));
    let (rejected, none) = (n(Some(FinalDecision::Rejected)), n(None));
    match lang {
        Lang::Ja => format!(
            "SOLOMON のモデルがすべて失敗したため、{all}個のモデルによる裁定パネルが代わりに裁定しました（可決{approved}、否決{rejected}、回答なし{none}）。評点は各モデルの中央値、以下は {speaker} の文章です。"
        ),
        Lang::En => format!(
            "All of SOLOMON's models failed, so a panel of {all} judged instead: {approved} for, {rejected} against, {none} without an answer. Scores are medians; the words are those of {speaker}."
        ),
    }
}

/// Says why a panel came to nothing.
pub(crate) fn panel_failed(lang: Lang, votes: &[PanelVote]) -> String {
    let failed = votes
        .iter()
        .filter_map(|one| Some(format!("{}: {}", one.model, one.error.as_ref()?)));
    let failed: Vec<String> = failed.collect();
    match lang {
        Lang::Ja => format!(
            "裁定パネルで裁定を示したモデルが二つに満たず、結論を出せませんでした。{}",
            failed.join("／")
        ),
        Lang::En => format!(
            "fewer than two of the panel gave a judgment; {}",
            failed.join("; ")
        ),
    }
}

/// Says that the judge was told to stop.
pub(crate) fn judge_stopped(lang: Lang) -> String {
    match lang {
        Lang::Ja => "SOLOMON は利用者の指示で中断したため、裁定はありません。",
        Lang::En => "SOLOMON was stopped on request and gave no judgment.",
    }
    .to_owned()
}

/// Says that no sage voted.
pub(crate) fn no_votes(lang: Lang, missing: &[Missing]) -> String {
    let lines: Vec<String> = missing
        .iter()
        .map(|missing| {
            let who = name(missing.agent);
            let what = missing.message.as_deref().unwrap_or(missing.cause.word());
            format!("{who}: {what}")
        })
        .collect();
    match lang {
        Lang::Ja => format!(
            "どの賢者からも票が得られませんでした。{}。原因を取り除いて、もう一度問うてください。",
            lines.join("／")
        ),
        Lang::En => format!(
            "No sage gave a vote. {}. Remove the cause and ask again.",
            lines.join("; ")
        ),
    }
}

/// Says that a deliberation was interrupted too long ago to go on.
pub(crate) fn interrupted(lang: Lang) -> &'static str {
    match lang {
        Lang::Ja => {
            "審議の途中でプログラムが終了し、再開できる時間を過ぎました。得られた票は保存されています。再開すると、保存された票を使って新しい審議が始まります。"
        }
        Lang::En => {
            "The program ended during the deliberation, and it is too long ago to go on. The votes so far are kept: resume starts a new deliberation with them."
        }
    }
}

/// Says that a deliberation ends the program each time it goes on.
pub(crate) fn quarantined(lang: Lang) -> &'static str {
    match lang {
        Lang::Ja => {
            "この審議の途中でプログラムが続けて二度終了したため、自動では再開しません。得られた票は保存されています。"
        }
        Lang::En => {
            "The program ended twice in a row during this deliberation, so it does not go on by itself. The votes so far are kept."
        }
    }
}

/// Says why a deliberation was ended before its verdict.
pub(crate) fn halted(lang: Lang, why: &Why) -> String {
    match (lang, why) {
        (Lang::Ja, Why::Asked) => "利用者の指示で中断しました。".to_owned(),
        (Lang::Ja, Why::OutOfTime) => "指定された制限時間に達したため中断しました。".to_owned(),
        (Lang::Ja, Why::Alone(time)) => {
            format!(
                "{}秒のあいだ誰も見ていなかったため中断しました。",
                time.as_secs_f64()
            )
        }
        (Lang::Ja, Why::Budget(account)) => {
            format!("予算を使い切ったため中断しました（{account}）。")
        }
        (Lang::Ja, Why::Suspended) => {
            "実行環境の制限時間が来たため、いったん止めました。".to_owned()
        }
        (Lang::En, Why::Suspended) => "Suspended at the deadline of this place.".to_owned(),
        (Lang::En, Why::Asked) => "Stopped on request.".to_owned(),
        (Lang::En, Why::OutOfTime) => "Stopped because the time given to it ran out.".to_owned(),
        (Lang::En, Why::Alone(time)) => {
            format!(
                "Stopped because nobody watched for {} s.",
                time.as_secs_f64()
            )
        }
        (Lang::En, Why::Budget(account)) => {
            format!("Stopped because the budget is spent ({account}).")
        }
    }
}

/// The code of an attempt that was stopped.
pub(crate) const STOPPED: &str = "stopped";

/// Says why an attempt is given up for another one.
pub(crate) fn again(lang: Lang, why: Again) -> String {
    match (lang, why) {
        (Lang::Ja, Again::Retried) => "利用者の指示でやり直します。",
        (Lang::Ja, Again::VotesChanged) => "票が変わったため、裁定をやり直します。",
        (Lang::Ja, Again::Noted) => "審議中に伝言があったため、やり直します。",
        (Lang::En, Again::Retried) => "Begun anew on request.",
        (Lang::En, Again::VotesChanged) => "Begun anew because the votes have changed.",
        (Lang::En, Again::Noted) => "Begun anew because the council was told something.",
    }
    .to_owned()
}

/// Says what kept an attempt from bringing an answer. A vendor's own words stay as they are.
pub(crate) fn failed(lang: Lang, failure: &Failure) -> String {
    match (lang, failure) {
        (_, Failure::Model(error)) => match error.retry_after {
            Some(wait) => {
                let seconds = wait.as_secs_f64();
                match lang {
                    Lang::Ja => format!("{}（{seconds}秒待つよう求められました）", error.message),
                    Lang::En => format!("{} (asked to wait {seconds} s)", error.message),
                }
            }
            None => error.message.clone(),
        },
        (_, Failure::Late { kind, limit, .. }) => late(lang, *kind, limit.as_secs_f64()),
        (Lang::Ja, Failure::Empty) => "回答が空でした".to_owned(),
        (Lang::En, Failure::Empty) => "the answer was empty".to_owned(),
        (Lang::Ja, Failure::Unreadable(_)) => "読み取れる形の結論がありませんでした".to_owned(),
        (Lang::En, Failure::Unreadable(why)) => why.clone(),
        (_, Failure::Cut(limit)) => cut(lang, *limit),
        (Lang::Ja, Failure::Refused(words)) => format!("モデルが回答を拒否しました: {words}"),
        (Lang::En, Failure::Refused(words)) => format!("the model refused: {words}"),
        (Lang::Ja, Failure::Shut { provider, .. }) => format!(
            "{provider} への呼び出しが続けて失敗したため、しばらく呼び出しを見合わせています"
        ),
        (Lang::En, Failure::Shut { provider, .. }) => {
            format!(
                "calls to {provider} failed one after the other, so it is left alone for a while"
            )
        }
    }
}

/// Says that a sage was left out because it was late.
pub(crate) fn excluded(lang: Lang, grace: std::time::Duration) -> String {
    let seconds = grace.as_secs_f64();
    match lang {
        Lang::Ja => format!("ほかの賢者の投票後{seconds}秒待っても回答がなく、除外しました"),
        Lang::En => format!("left out: no vote within {seconds} s after the others had voted"),
    }
}

/// Says which limit cut an answer before its vote, and what to raise.
fn cut(lang: Lang, limit: Limit) -> String {
    match (lang, limit) {
        (Lang::Ja, Limit::Tokens(Some(tokens))) => format!(
            "回答が投票の前に出力の上限（max_tokens = {tokens}）で切れました。max_tokens を増やしてください"
        ),
        (Lang::Ja, Limit::Tokens(None)) => {
            "回答が投票の前にモデルの出力の上限（max_tokens）で切れました。max_tokens を増やしてください"
                .to_owned()
        }
        (Lang::Ja, Limit::Bytes(bytes)) => {
            format!("回答が投票の前に{bytes} バイトを超えたため、受信を打ち切りました")
        }
        (Lang::En, Limit::Tokens(Some(tokens))) => format!(
            "the output limit (max_tokens = {tokens}) cut the answer before its vote: raise max_tokens"
        ),
        (Lang::En, Limit::Tokens(None)) => {
            "the model's output limit (max_tokens) cut the answer before its vote: raise max_tokens"
                .to_owned()
        }
        (Lang::En, Limit::Bytes(bytes)) => {
            format!("the answer was longer than {bytes} bytes before its vote and was cut there")
        }
    }
}

/// Says that a member's task fell over: a defect of ours, whose details are in the operator's log.
pub(crate) fn fell_over(lang: Lang) -> &'static str {
    match lang {
        Lang::Ja => "内部エラーで処理が途切れました",
        Lang::En => "its task ended unexpectedly, an internal error",
    }
}

/// Says which deadline ran out.
pub(crate) fn late(lang: Lang, kind: TimeoutKind, seconds: f64) -> String {
    match (lang, kind) {
        (Lang::Ja, TimeoutKind::Connect) => format!("{seconds}秒以内に接続できませんでした"),
        (Lang::Ja, TimeoutKind::FirstToken) => format!("{seconds}秒以内に応答が始まりませんでした"),
        (Lang::Ja, TimeoutKind::Idle) => format!("応答が{seconds}秒間途絶えました"),
        (Lang::Ja, TimeoutKind::Total) => format!("{seconds}秒以内に終わりませんでした"),
        (Lang::En, TimeoutKind::Connect) => format!("no connection within {seconds} s"),
        (Lang::En, TimeoutKind::FirstToken) => format!("no first token within {seconds} s"),
        (Lang::En, TimeoutKind::Idle) => format!("silent for {seconds} s"),
        (Lang::En, TimeoutKind::Total) => format!("not done within {seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts<'a>(lang: Lang, decision: FinalDecision, judgment: &'a JudgeComplete) -> Facts<'a> {
        Facts {
            lang,
            rule: Rule::Majority,
            quorum: 2,
            decision,
            votes: Votes {
                approved: 2,
                rejected: 1,
                abstained: 0,
            },
            missing: &[],
            judgment,
            judge_agrees: Some(true),
            overruled: false,
            sages: &[],
        }
    }

    #[test]
    fn the_words_say_what_happened() {
        let mut judgment = crate::judge::none(String::new(), None);
        judgment.final_decision = FinalDecision::Approved;
        judgment.conditions = vec!["Review in 30 days.".into(), "Set a cap".into()];
        let text = facts(Lang::En, FinalDecision::Approved, &judgment);
        assert_eq!(
            text.summary(),
            "Approved. 2 of 3 sages voted for it, 1 against; 0 abstained or did not answer. SOLOMON agrees with the votes."
        );
        assert_eq!(
            text.recommendation(),
            "Go ahead on these conditions: Review in 30 days; Set a cap."
        );
        let more = ["Name an owner".into(), "Keep the old one".into()];
        judgment.conditions.extend(more);
        assert_eq!(
            facts(Lang::En, FinalDecision::Approved, &judgment).recommendation(),
            "Go ahead on these conditions: Review in 30 days; Set a cap; Name an owner; Keep the old one."
        );
        let text = facts(Lang::Ja, FinalDecision::Rejected, &judgment);
        assert!(
            text.summary()
                .starts_with("否決。賢者3名のうち、賛成2、反対1、棄権・無回答0でした。")
        );
        assert_eq!(
            text.recommendation(),
            "この案のままでは進めないでください。"
        );
    }
}
