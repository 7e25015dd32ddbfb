//! The words of a vote: which keys name which field, and which values say which decision.
//!
//! Every word is written here, in full. A value is looked up whole (after Unicode compatibility
//! folding, lower case, and without the punctuation around it) and never searched for a word inside:
//! "not approved" and 反対しない contain a decision and say another thing, so they say nothing here.

use magi_event::Decision;
use unicode_normalization::UnicodeNormalization;

/// The longest decision that is looked up, in bytes.
const MAX_WORD: usize = 200;

/// What a key of the vote, or of the judge's block, holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// The random tag of the attempt.
    Tag,
    /// The decision, by a name that can mean nothing else.
    Decision,
    /// Perhaps the decision: counts only if its value is a decision and no better key is there.
    Perhaps,
    /// Why.
    Reasoning,
    /// What must hold for the decision to stand.
    Conditions,
    /// What would change the decision.
    WouldChange,
    /// How sure.
    Confidence,
    /// The judge's score per sage.
    Scores,
    /// The judge's line per score.
    ScoreReasons,
    /// The judge's strongest dissent.
    Dissent,
    /// An object around the vote.
    Wrapper,
}

impl Field {
    /// Tells whether the field makes its object look like a vote.
    pub(super) const fn is_of_a_vote(self) -> bool {
        match self {
            Field::Tag
            | Field::Decision
            | Field::Reasoning
            | Field::Conditions
            | Field::WouldChange
            | Field::Confidence
            | Field::Scores
            | Field::ScoreReasons
            | Field::Dissent => true,
            Field::Perhaps | Field::Wrapper => false,
        }
    }

    /// Tells whether a vote may stand inside the field's value.
    pub(super) const fn may_wrap(self) -> bool {
        matches!(self, Field::Wrapper | Field::Perhaps | Field::Decision)
    }
}

/// Returns the field a key names: spelling, case, width and `_ -` and spaces do not matter.
pub(super) fn field(key: &str) -> Option<Field> {
    if key.len() > MAX_WORD {
        return None;
    }
    let key: String = fold(key)
        .chars()
        .filter(|c| !matches!(c, '_' | '-' | ' '))
        .collect();
    Some(match key.as_str() {
        "tag" | "votetag" | "タグ" => Field::Tag,
        "decision" | "finaldecision" | "mydecision" | "vote" | "myvote" | "finalvote"
        | "verdict" | "finalverdict" | "ruling" | "judgment" | "judgement" | "finaljudgment"
        | "判断" | "決定" | "判定" | "決断" | "裁定" | "評決" | "採決" | "表決" | "議決"
        | "投票" | "票" | "一票" | "私の票" | "私の判断" | "最終判断" | "最終決定" | "最終判定"
        | "結論" | "賛否" => Field::Decision,
        "result" | "outcome" | "answer" | "conclusion" | "position" | "stance" | "choice"
        | "ballot" | "結果" | "回答" | "立場" | "意見" | "審議結果" | "投票結果" => {
            Field::Perhaps
        }
        "reasoning" | "reason" | "reasons" | "rationale" | "justification" | "explanation"
        | "synthesis" | "理由" | "判断理由" | "決定理由" | "投票理由" | "根拠" | "理由付け"
        | "説明" => Field::Reasoning,
        "conditions" | "condition" | "条件" | "付帯条件" | "前提条件" | "承認条件"
        | "可決の条件" => Field::Conditions,
        "wouldchange"
        | "whatwouldchange"
        | "wouldchangemymind"
        | "changeconditions"
        | "whatwouldchangeit"
        | "whatwouldchangethedecision"
        | "覆す条件"
        | "変更条件"
        | "判断を変える条件"
        | "判断が変わる条件"
        | "結論を変える条件"
        | "考えを変える条件" => Field::WouldChange,
        "confidence" | "confidencescore" | "confidencelevel" | "certainty" | "確信度"
        | "信頼度" | "自信度" | "自信" | "確度" | "確信" => Field::Confidence,
        "sagescores" | "scores" | "score" | "評点" | "採点" | "点数" | "スコア" => {
            Field::Scores
        }
        "scorereasons" | "scorereason" | "採点理由" | "評点理由" => Field::ScoreReasons,
        "dissent" | "strongestdissent" | "反対意見" | "最も強い反対意見" | "少数意見" => {
            Field::Dissent
        }
        "response" | "output" | "castvote" | "arguments" | "args" | "parameters" | "params"
        | "input" | "function" | "functioncall" | "toolcall" | "toolcalls" | "data" | "final"
        | "json" | "content" => Field::Wrapper,
        _ => return None,
    })
}

/// What the value of a decision says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// One of the three.
    Plain(Decision),
    /// Approved, as long as the conditions come with it.
    Conditional,
}

/// Returns what a whole value says, or nothing if it is not in the table.
///
/// One value may say the word in two languages, as in "APPROVED（可決）" or "否決 / REJECTED": then
/// both must be in the table and say the same. Two words of one language are a sentence ("against
/// rejection"), and sentences are not read.
pub(super) fn decision(value: &str) -> Option<Word> {
    if value.len() > MAX_WORD {
        return None;
    }
    let value = fold(value);
    if let Some(word) = look_up(strip(&value)) {
        return Some(word);
    }
    let value = value.replace(" - ", "/");
    let parts: Vec<&str> = value
        .split(['(', ')', '/', ':', '=', '[', ']', '【', '】', '「', '」'])
        .map(strip)
        .filter(|part| !part.is_empty())
        .collect();
    let [one, other] = parts[..] else { return None };
    let word = look_up(one)?;
    (one.is_ascii() != other.is_ascii() && look_up(other) == Some(word)).then_some(word)
}

fn look_up(value: &str) -> Option<Word> {
    let value = value
        .split([' ', '_', '-', '\t', '\n'])
        .filter(|word| !word.is_empty());
    let value = value.collect::<Vec<_>>().join(" ");
    let plain = match value.as_str() {
        "approved" | "approve" | "approves" | "approval" | "accept" | "accepted" | "adopt"
        | "adopted" | "in favor" | "in favour" | "yes" => Decision::Approved,
        "rejected" | "reject" | "rejects" | "rejection" | "disapprove" | "disapproved" | "deny"
        | "denied" | "against" | "opposed" | "oppose" | "declined" | "no" | "不承認" | "非承認"
        | "不可" | "不採択" | "不採用" | "不賛成" => Decision::Rejected,
        "abstained" | "abstain" | "abstains" | "abstention" | "abstaining" => Decision::Abstained,
        "approved with conditions"
        | "approve with conditions"
        | "conditionally approved"
        | "conditional approval"
        | "conditional approve"
        | "approved conditionally"
        | "条件付き承認"
        | "条件付き可決"
        | "条件付き賛成"
        | "条件付承認"
        | "条件つき賛成"
        | "条件付きで承認"
        | "条件付きで可決"
        | "条件付きで賛成"
        | "条件付き採択" => {
            return Some(Word::Conditional);
        }
        _ => return japanese(&value).map(Word::Plain),
    };
    Some(Word::Plain(plain))
}

/// The stems of Japanese decisions, and the endings they may have: together, the whole value.
///
/// A stem that begins another one comes after it.
const STEMS: [(&str, Decision); 12] = [
    ("可決", Decision::Approved),
    ("賛成", Decision::Approved),
    ("承認", Decision::Approved),
    ("採択", Decision::Approved),
    ("賛同", Decision::Approved),
    ("可", Decision::Approved),
    ("否決", Decision::Rejected),
    ("反対", Decision::Rejected),
    ("却下", Decision::Rejected),
    ("否認", Decision::Rejected),
    ("否", Decision::Rejected),
    ("棄権", Decision::Abstained),
];

/// None of these negates, asks or wishes.
const ENDINGS: [&str; 25] = [
    "",
    "です",
    "だ",
    "である",
    "する",
    "します",
    "した",
    "しました",
    "いたします",
    "致します",
    "とする",
    "とします",
    "とした",
    "としました",
    "といたします",
    "すべき",
    "すべきだ",
    "すべきです",
    "すべきである",
    "票",
    "に一票",
    "に投票",
    "に投票する",
    "に投票します",
    "の立場",
];

fn japanese(value: &str) -> Option<Decision> {
    STEMS.iter().find_map(|(stem, decision)| {
        let ending = value.strip_prefix(stem)?;
        ENDINGS.contains(&ending).then_some(*decision)
    })
}

/// Tells whether a text says that there is nothing to say: "none", なし.
pub(super) fn is_nothing(text: &str) -> bool {
    if text.len() > MAX_WORD {
        return false;
    }
    matches!(
        strip(&fold(text)),
        "" | "none"
            | "n/a"
            | "na"
            | "nothing"
            | "null"
            | "nil"
            | "no conditions"
            | "なし"
            | "無し"
            | "無"
            | "特になし"
            | "特に無し"
            | "特にありません"
            | "ありません"
            | "該当なし"
            | "条件なし"
    )
}

/// Folds compatibility forms (full width to plain), case, and drops what has no width.
pub(super) fn fold(text: &str) -> String {
    text.nfkc()
        .flat_map(char::to_lowercase)
        .filter(|c| !is_zero_width(*c))
        .collect()
}

/// Strips what is neither letter nor digit from both ends: quotes, stops, emphasis, ticks.
pub(super) fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| !c.is_alphanumeric())
}

/// Tells whether the character is white space, or has no width at all.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || is_zero_width(c)
}

const fn is_zero_width(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
}
