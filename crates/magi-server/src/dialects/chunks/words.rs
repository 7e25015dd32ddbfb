//! The text of the council in the language of the deliberation.

use magi_event::{
    AgentComplete, AttemptError, AttemptTimeout, Cancelled, Complete, Confidence, Failure,
    JudgeComplete, Mode, Note, Paused, Sage, Start, Tally,
};

use crate::export::labels::Labels;

/// Which language the text is in.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Words {
    #[default]
    English,
    Japanese,
}

impl Words {
    pub(super) fn of(lang: &str) -> Self {
        if lang == "ja" {
            Words::Japanese
        } else {
            Words::English
        }
    }

    fn labels(self) -> &'static Labels {
        Labels::of(match self {
            Words::English => "en",
            Words::Japanese => "ja",
        })
    }

    fn pick(self, english: String, japanese: String) -> String {
        match self {
            Words::English => english,
            Words::Japanese => japanese,
        }
    }

    pub(super) fn heading(name: &str) -> String {
        format!("\n\n## {}\n\n", name.to_uppercase())
    }

    pub(super) fn start(self, start: &Start) -> String {
        let rehearsal = match start.mode {
            Mode::Rehearsal => "[REHEARSAL] ",
            Mode::Live | Mode::Replay => "",
        };
        let question = &start.question;
        let (council, rule) = (&start.council.name, start.council.rule);
        self.pick(
            format!("{rehearsal}Question: {question}\nCouncil: {council}, rule: {rule}\n"),
            format!("{rehearsal}問い: {question}\n評議: {council}、決め方: {rule}\n"),
        )
    }

    pub(super) fn starts_again(self, name: &str) -> String {
        let name = name.to_uppercase();
        self.pick(
            format!("\n\n[{name} starts again: its unfinished text above no longer counts.]\n\n"),
            format!("\n\n[{name} は最初からやり直します。上の途中までの文章は無効です。]\n\n"),
        )
    }

    pub(super) fn restarted(self) -> String {
        self.pick(
            "\n\n[The deliberation was interrupted and goes on. Unfinished text above no longer \
             counts; finished votes do.]\n\n"
                .to_owned(),
            "\n\n[審議が途切れたため、続きから進めます。途中までの文章は無効です。\
             確定した票はそのまま有効です。]\n\n"
                .to_owned(),
        )
    }

    pub(super) fn fault(self, name: &str, error: &AttemptError) -> String {
        let (name, attempt, message) = (name.to_uppercase(), error.attempt, &error.message);
        let next = self.next(error.retryable);
        self.pick(
            format!("\n[{name}: attempt {attempt} failed ({message}){next}]\n"),
            format!("\n[{name}: {attempt}回目の呼び出しに失敗しました（{message}）{next}]\n"),
        )
    }

    pub(super) fn late(self, name: &str, timeout: &AttemptTimeout) -> String {
        let (name, attempt, limit) = (name.to_uppercase(), timeout.attempt, timeout.timeout);
        let next = self.next(timeout.retryable);
        self.pick(
            format!("\n[{name}: attempt {attempt} took longer than {limit} s{next}]\n"),
            format!("\n[{name}: {attempt}回目の呼び出しが{limit}秒を超えました{next}]\n"),
        )
    }

    fn next(self, retryable: bool) -> String {
        if retryable {
            self.pick("; it tries again".to_owned(), "。再試行します".to_owned())
        } else {
            String::new()
        }
    }

    pub(super) fn vote(self, sage: Sage, complete: &AgentComplete) -> String {
        let labels = self.labels();
        let cause = complete
            .cause
            .map(|cause| format!(" ({})", labels.cause(cause)))
            .unwrap_or_default();
        let sure = self.sure(complete.confidence);
        let mut text = format!(
            "\n\n→ {}: {}{cause}{sure}\n",
            sage.name().to_uppercase(),
            labels.decision(complete.decision)
        );
        if !complete.reasoning.is_empty() {
            text.push_str(&complete.reasoning);
            text.push('\n');
        }
        text.push_str(&self.list(&complete.conditions));
        text
    }

    fn sure(self, confidence: Option<Confidence>) -> String {
        let Some(confidence) = confidence else {
            return String::new();
        };
        let percent = (confidence.get() * 100.0).round();
        self.pick(format!(", {percent}% sure"), format!("、確信度 {percent}%"))
    }

    fn list(self, conditions: &[String]) -> String {
        if conditions.is_empty() {
            return String::new();
        }
        let mut text = self.pick("Conditions:\n".to_owned(), "条件:\n".to_owned());
        for condition in conditions {
            text.push_str("- ");
            text.push_str(condition);
            text.push('\n');
        }
        text
    }

    pub(super) fn tally(self, tally: &Tally) -> String {
        let (approved, rejected, abstained) = (tally.approved, tally.rejected, tally.abstained);
        self.pick(
            format!("\n\nVotes: {approved} approved, {rejected} rejected, {abstained} abstained\n"),
            format!("\n\n票数: 可決 {approved}、否決 {rejected}、棄権 {abstained}\n"),
        )
    }

    pub(super) fn judgment(self, complete: &JudgeComplete) -> String {
        let sure = self.sure(complete.confidence);
        let word = self.labels().final_decision(complete.final_decision);
        let mut text = format!("\n\n→ SOLOMON: {word}{sure}\n");
        if !complete.reasoning.is_empty() {
            text.push_str(&complete.reasoning);
            text.push('\n');
        }
        for (sage, score) in &complete.sage_scores {
            let reason = complete.score_reasons.get(sage);
            let reason = reason
                .map(|reason| format!(" - {reason}"))
                .unwrap_or_default();
            text.push_str(&format!(
                "{}: {score}{reason}\n",
                sage.name().to_uppercase()
            ));
        }
        if let Some(dissent) = &complete.dissent {
            let words = &dissent.text;
            text.push_str(&self.pick(
                format!("Strongest objection to this verdict: {words}\n"),
                format!("この結論への最も強い反論: {words}\n"),
            ));
        }
        text + &self.list(&complete.conditions)
    }

    pub(super) fn verdict(self, complete: &Complete) -> String {
        let labels = self.labels();
        let decision = labels.final_decision(complete.final_decision);
        let mut text = self.pick(
            format!("\n\n# Verdict: {decision}\n"),
            format!("\n\n# 評決: {decision}\n"),
        );
        for missing in &complete.missing {
            let name = missing.agent.name().to_uppercase();
            let cause = labels.cause(missing.cause);
            text.push_str(&self.pick(
                format!("Missing: {name} ({cause})\n"),
                format!("欠けているもの: {name}（{cause}）\n"),
            ));
        }
        for part in [&complete.summary, &complete.recommendation] {
            if !part.is_empty() {
                text.push_str(part);
                text.push('\n');
            }
        }
        text
    }

    pub(super) fn cancelled(self, cancelled: &Cancelled) -> String {
        let (by, reason) = (&cancelled.by, &cancelled.reason);
        self.pick(
            format!("\n\n[Ended before a verdict, by {by}: {reason}]\n"),
            format!("\n\n[評決の前に中断しました（{by}）: {reason}]\n"),
        )
    }

    pub(super) fn failed(self, failure: &Failure) -> String {
        let message = &failure.message;
        self.pick(
            format!("\n\n[The deliberation failed; there is no verdict: {message}]\n"),
            format!("\n\n[審議に失敗しました。評決はありません: {message}]\n"),
        )
    }

    pub(super) fn note(self, note: &Note) -> String {
        let (from, text) = (&note.from, &note.text);
        self.pick(
            format!("\n\n[Note from {from}: {text}]\n\n"),
            format!("\n\n[{from} からの伝言: {text}]\n\n"),
        )
    }

    pub(super) fn paused(self, paused: &Paused) -> String {
        let reason = &paused.reason;
        match (paused.is_deadline(), paused.state.is_some()) {
            (true, true) => self.pick(
                "\n\n[Paused: the time of this door is up. The next frame has the state to go on from.]\n\n"
                    .to_owned(),
                "\n\n[一時停止しました。この入口で使える時間が尽きました。続きの再開に使う状態は、次のフレームにあります。]\n\n"
                    .to_owned(),
            ),
            (true, false) => self.pick(
                "\n\n[Ended without a verdict: the time of this door is up, and it keeps no state to go on from.]\n\n"
                    .to_owned(),
                "\n\n[評決に至らずに終わりました。この入口で使える時間が尽き、再開に使う状態もありません。]\n\n"
                    .to_owned(),
            ),
            (false, _) => self.pick(
                format!("\n\n[Paused: {reason}]\n\n"),
                format!("\n\n[一時停止しました: {reason}]\n\n"),
            ),
        }
    }

    pub(super) fn resumed(self) -> String {
        self.pick(
            "\n\n[It goes on.]\n\n".to_owned(),
            "\n\n[再開しました。]\n\n".to_owned(),
        )
    }
}
