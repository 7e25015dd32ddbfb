//! What is said about a question that no scene was written for: what would be examined, and no more.
//!
//! Nothing here knows anything about the matter. What is said of a question is what anybody can see
//! in it: that it names figures or times, sets alternatives side by side, or proposes nothing.

use magi_event::{Agent, Sage};

use super::{Part, Vote, json};
use crate::{About, Lang};

/// The longest part of a question that is repeated, in characters.
const MAX_QUOTED: usize = 120;

/// How many figures or times of a question are repeated.
const MAX_REPEATED: usize = 3;

/// Returns what a member of the council says, abstaining with the cause `rehearsal`.
pub(super) fn part(agent: Agent, about: &About) -> Part {
    let words = match about.lang {
        Lang::Ja => &JA,
        Lang::En => &EN,
    };
    let quoted = quote(&about.question);
    let (prose, reasoning) = match agent {
        Agent::Sage(sage) => (
            sage_prose(sage, about, words, &quoted),
            words.reasons[sage.index()],
        ),
        Agent::Judge => (
            words.judge.join("\n\n").replace("{q}", &quoted),
            words.judge_reason,
        ),
    };
    let arguments = json(&Vote {
        tag: &about.tag,
        reasoning,
        conditions: &[],
        would_change: &[words.would_change.to_owned()],
        decision: "ABSTAINED",
        confidence: None,
        cause: Some("rehearsal"),
    });
    Part {
        thinking: String::new(),
        prose,
        arguments,
    }
}

fn sage_prose(sage: Sage, about: &About, words: &Words, quoted: &str) -> String {
    let index = sage.index();
    let mut prose = words.opening[index].replace("{q}", quoted);
    prose.push_str("\n\n");
    for check in words.checks[index] {
        prose.push_str(words.bullet);
        prose.push_str(check);
        prose.push('\n');
    }
    let shape = Shape::of(&about.question, about.lang);
    let seen = [
        list(&shape.figures, words).map(|list| words.figures[index].replace("{x}", &list)),
        list(&shape.times, words).map(|list| words.times[index].replace("{x}", &list)),
        shape.is_choice.then(|| words.choice[index].to_owned()),
        shape.is_open.then(|| words.open[index].to_owned()),
    ];
    for line in seen.into_iter().flatten() {
        prose.push('\n');
        prose.push_str(&line);
        prose.push('\n');
    }
    prose.push('\n');
    prose.push_str(words.closing);
    prose
}

/// Repeats a question on one line, cut where it is long.
fn quote(question: &str) -> String {
    let line = question.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= MAX_QUOTED {
        return line;
    }
    line.chars().take(MAX_QUOTED).chain(['…']).collect()
}

fn list(items: &[String], words: &Words) -> Option<String> {
    let quoted: Vec<String> = items
        .iter()
        .map(|item| format!("{}{item}{}", words.quotes.0, words.quotes.1))
        .collect();
    (!quoted.is_empty()).then(|| quoted.join(words.comma))
}

/// What can be seen in a question without understanding it.
#[derive(Debug, Default, PartialEq)]
struct Shape {
    figures: Vec<String>,
    times: Vec<String>,
    is_choice: bool,
    is_open: bool,
}

impl Shape {
    fn of(question: &str, lang: Lang) -> Shape {
        let lower = question.to_lowercase();
        let (times, choice, open) = match lang {
            Lang::Ja => (JA_TIMES, JA_CHOICE, JA_OPEN),
            Lang::En => (EN_TIMES, EN_CHOICE, EN_OPEN),
        };
        let has = |word: &&str| match lang {
            Lang::Ja => lower.contains(*word),
            Lang::En => has_words(&lower, word),
        };
        let mut words = lower.split_whitespace();
        let (first, second) = (words.next(), words.next());
        let asks = second.is_some_and(|word| EN_ASKS.contains(&word));
        Shape {
            figures: figures(question),
            times: times
                .iter()
                .copied()
                .filter(|word| has(word))
                .take(MAX_REPEATED)
                .map(str::to_owned)
                .collect(),
            is_choice: choice.iter().any(has),
            is_open: match lang {
                Lang::Ja => open.iter().any(has),
                Lang::En => asks && first.is_some_and(|word| open.contains(&word)),
            },
        }
    }
}

/// Tells whether English words stand in a text as words.
fn has_words(text: &str, words: &str) -> bool {
    text.match_indices(words).any(|(at, _)| {
        let is_edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        is_edge(text[..at].chars().next_back()) && is_edge(text[at + words.len()..].chars().next())
    })
}

/// Returns the figures of a question with the sign or counter that touches them, as "30%", "3名".
///
/// A digit inside a name ("GPT-5", "2コンテナ") is no figure, so only those count that end at a sign,
/// a counter, a space or a stop.
fn figures(question: &str) -> Vec<String> {
    let mut figures: Vec<String> = Vec::new();
    let chars: Vec<char> = question.chars().collect();
    let mut at = 0;
    while at < chars.len() {
        let n_digits = figure_length(&chars[at..]);
        if n_digits == 0 {
            at += 1;
            continue;
        }
        let before = at.checked_sub(1).map(|before| chars[before]);
        let after = chars.get(at + n_digits).copied();
        let unit = after.filter(|c| UNITS.contains(c));
        let is_name = before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '-')
            || (unit.is_none() && after.is_some_and(|c| c.is_alphanumeric() || c == '-'));
        if !is_name {
            let figure: String = chars[at..at + n_digits]
                .iter()
                .copied()
                .chain(unit)
                .collect();
            figures.push(figure);
        }
        at += n_digits;
    }
    figures.dedup();
    figures.truncate(MAX_REPEATED);
    figures
}

/// Returns how many characters of a figure, "1,500" or "2.5", stand at the front.
fn figure_length(chars: &[char]) -> usize {
    let mut length = 0;
    while let Some(c) = chars.get(length) {
        let joins = matches!(c, '.' | ',') && length > 0;
        let goes_on = joins && chars.get(length + 1).copied().is_some_and(is_digit);
        if !is_digit(*c) && !goes_on {
            break;
        }
        length += 1;
    }
    length
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || ('０'..='９').contains(&c)
}

/// Signs and counters that belong to the figure before them.
const UNITS: [char; 14] = [
    '%', '％', '円', '人', '名', '年', '月', '日', '時', '分', '件', '台', '万', '億',
];

const JA_TIMES: &[&str] = &[
    "今日",
    "明日",
    "今週",
    "来週",
    "今月",
    "来月",
    "今年",
    "来年",
    "年内",
    "年度内",
    "月末",
    "年末",
    "月曜",
    "火曜",
    "水曜",
    "木曜",
    "金曜",
    "土曜",
    "日曜",
    "週末",
];
const EN_TIMES: &[&str] = &[
    "today",
    "tomorrow",
    "tonight",
    "this week",
    "next week",
    "this month",
    "next month",
    "this quarter",
    "next quarter",
    "this year",
    "next year",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "weekend",
];
const JA_CHOICE: &[&str] = &["それとも", "どちら", "どっち", "または", "もしくは"];
const EN_CHOICE: &[&str] = &["or", "versus", "vs"];
const JA_OPEN: &[&str] = &[
    "どのよう",
    "どうやって",
    "どうすれば",
    "なぜ",
    "何を",
    "何が",
    "いつから",
    "いつまで",
    "誰が",
    "いくら",
    "とは何",
];
const EN_OPEN: &[&str] = &["how", "why", "what", "when", "where", "who", "which"];

/// What follows a question word where it asks; after another word it begins a clause.
const EN_ASKS: &[&str] = &[
    "should", "shall", "do", "does", "did", "is", "are", "can", "could", "will", "would", "to",
    "many", "much", "long", "often",
];

/// All that is said in one language; lists of three are CASPAR's, BALTHASAR's, MELCHIOR's.
struct Words {
    bullet: &'static str,
    quotes: (&'static str, &'static str),
    comma: &'static str,
    opening: [&'static str; 3],
    checks: [&'static [&'static str]; 3],
    figures: [&'static str; 3],
    times: [&'static str; 3],
    choice: [&'static str; 3],
    open: [&'static str; 3],
    closing: &'static str,
    reasons: [&'static str; 3],
    would_change: &'static str,
    judge: [&'static str; 3],
    judge_reason: &'static str,
}

const JA: Words = Words {
    bullet: "・",
    quotes: ("「", "」"),
    comma: "、",
    opening: [
        "「{q}」という問いを受け取った。これはリハーサルであり、問いを読み解くモデルはつながっていない。CASPAR なら、実務の立場から次の点を調べる。",
        "「{q}」という問いを受け取った。これはリハーサルであり、問いを読み解くモデルはつながっていない。BALTHASAR なら、関わる人々の立場から次の点を確かめる。",
        "「{q}」という問いを受け取った。これはリハーサルであり、問いを読み解くモデルはつながっていない。MELCHIOR なら、証拠の立場から次の点を問う。",
    ],
    checks: [
        &[
            "今ある人手・時間・費用・技能でやり遂げられるか。もっとも失敗しやすい段階はどこか",
            "現実に起こりうる最悪の結果は何か。それはやり直せるものか",
            "始める費用、続ける費用、やめる費用はそれぞれどれほどか",
            "似た条件で試みたとき、何が起きたか",
            "規模を小さくする、時期を遅らせる、何もしない、という道では足りないか",
        ],
        &[
            "誰が助かり、誰が負担するか。負担する人は恩恵も受けるか",
            "影響を受ける人が十分に理解したとして、それでも同意するか",
            "人々の信頼に、今と一年後に何をもたらすか",
            "自分では声を上げられない人が、取り残されないか",
            "同じ目的を、もっと人のためになる形で果たす方法はないか",
        ],
        &[
            "根拠のうち、測られたものはどれで、仮定されたものはどれか",
            "結論をもっとも重く支えている仮定は何か",
            "効果の大きさと不確かさは、おおよそどれほどか",
            "前提が誤りだとしたら、何が観察されるはずか",
            "どんな観察が、どれだけの費用で、この問いに決着をつけるか",
        ],
    ],
    figures: [
        "問いには{x}という数がある。その数が半分でも二倍でも計画が成り立つかを、まず確かめる。",
        "問いには{x}という数がある。その数の一つひとつが、誰の暮らしを指しているのかを尋ねる。",
        "問いには{x}という数がある。その数の出どころと誤差を尋ねる。",
    ],
    times: [
        "問いには{x}という時が示されている。その時を過ぎてからでも戻せることと、戻せないことを分ける。",
        "問いには{x}という時が示されている。その時に間に合わせるために、誰が無理をするのかを尋ねる。",
        "問いには{x}という時が示されている。それまでに何を測れるかを考える。",
    ],
    choice: [
        "問いは選択肢を並べている。評議では一つの案への賛否を投じるので、より進めたい案を一つ選んで問うと、危険と費用を比べやすい。",
        "問いは選択肢を並べている。それぞれの案で負担する人が違うはずなので、一つの案に絞って問うと、誰のための判断かがはっきりする。",
        "問いは選択肢を並べている。一つの案に絞り、比べる相手を明記して問うと、検証できる形になる。",
    ],
    open: [
        "問いは賛否の形をしていない。「～すべきか」という一つの案にすれば、実行できるかどうかを判断できる。",
        "問いは賛否の形をしていない。「～すべきか」という一つの案にすれば、誰に何をもたらすかを判断できる。",
        "問いは賛否の形をしていない。「～すべきか」という一つの案にすれば、何が分かれば決まるかを示せる。",
    ],
    closing: "ここに挙げたのは調べる項目であって、調べた結果ではない。答えを持たないまま票を投じることはできないので、棄権する。",
    reasons: [
        "リハーサルのため、モデルがこの問いを検討していない。実現性、最悪の結果、費用、前例、代わりの道のいずれも調べていないので、賛否を投じない。",
        "リハーサルのため、モデルがこの問いを検討していない。影響を受ける人々について何も確かめていないので、賛否を投じない。",
        "リハーサルのため、モデルがこの問いを検討していない。証拠を一つも見ていないので、賛否を投じない。",
    ],
    would_change: "モデルを接続して、もう一度問う",
    judge: [
        "「{q}」について、裁定はない。これはリハーサルであり、この問いを検討したモデルがないからである。量るべき論拠がないところに裁定を書けば、作り話になる。",
        "実際に審議するための手順は一つである。`OPENAI_API_KEY` か `ANTHROPIC_API_KEY` を設定するか、手元のモデルを `MAGI_MODEL=ollama:モデル名` で指定して、もう一度問えばよい。",
        "評議がどのように語り、どのように決めるかは、用意された場面で見ることができる。",
    ],
    judge_reason: "リハーサルのため、この問いを検討したモデルがない。裁定するには、OPENAI_API_KEY か ANTHROPIC_API_KEY、または MAGI_MODEL=ollama:モデル名 を設定して、もう一度問う必要がある。",
};

const EN: Words = Words {
    bullet: "- ",
    quotes: ("\"", "\""),
    comma: ", ",
    opening: [
        "The question is \"{q}\". This is a rehearsal: no model is connected that could read it. As the one who looks at practice and risk, CASPAR would examine:",
        "The question is \"{q}\". This is a rehearsal: no model is connected that could read it. As the one who looks at the people concerned, BALTHASAR would examine:",
        "The question is \"{q}\". This is a rehearsal: no model is connected that could read it. As the one who looks at evidence, MELCHIOR would examine:",
    ],
    checks: [
        &[
            "whether the people, time, money and skills at hand are enough, and which step is likeliest to fail",
            "the worst outcome that can really happen, and whether it can be undone",
            "what it costs to begin, to go on and to stop",
            "what happened where something like it was tried",
            "whether a smaller version, a later one, or doing nothing would serve",
        ],
        &[
            "who is helped and who carries the burden, and whether they are the same people",
            "whether those affected would agree if they understood it fully",
            "what it does to trust, now and in a year",
            "whether anyone who cannot speak up is left behind",
            "whether the same aim can be reached in a way that serves people better",
        ],
        &[
            "which of the grounds were measured and which were assumed",
            "which assumption carries the most weight",
            "how large the effect is, roughly, and how uncertain",
            "what would be observed if the premise were wrong",
            "which observation would settle the question, and at what cost",
        ],
    ],
    figures: [
        "The question gives {x}. The first check would be whether the plan still stands with half or twice as much.",
        "The question gives {x}. The first thing to ask is whose lives stand behind it.",
        "The question gives {x}. The first thing to ask is where it comes from and how large its error is.",
    ],
    times: [
        "The question names a time, {x}. What can still be undone after it has to be told from what cannot.",
        "The question names a time, {x}. Somebody may have to overreach to meet it, and should be asked.",
        "The question names a time, {x}. It sets what can still be measured beforehand.",
    ],
    choice: [
        "The question may set alternatives side by side. A council votes for or against one proposal; asked about the one you lean to, it can compare risk and cost.",
        "The question may set alternatives side by side. Each would burden other people; asked about one of them, it becomes clear for whom the decision is made.",
        "The question may set alternatives side by side. Asked about one of them, with the other named as its measure, it can be tested.",
    ],
    open: [
        "The question does not propose anything to vote on. As \"Should we ...?\" it could be judged by whether it can be done.",
        "The question does not propose anything to vote on. As \"Should we ...?\" it could be judged by what it does to whom.",
        "The question does not propose anything to vote on. As \"Should we ...?\" it would show what has to be known to decide it.",
    ],
    closing: "These are the things to examine, not findings. Without an answer to any of them there is nothing to vote with, so this sage abstains.",
    reasons: [
        "This is a rehearsal: no model has considered the question. Nothing is known here about feasibility, the worst outcome, cost, precedents or alternatives, so there is no vote for or against.",
        "This is a rehearsal: no model has considered the question. Nothing is known here about the people concerned, so there is no vote for or against.",
        "This is a rehearsal: no model has considered the question. No evidence has been seen, so there is no vote for or against.",
    ],
    would_change: "A model is connected and the question is asked again",
    judge: [
        "There is no verdict on \"{q}\". This is a rehearsal: no model has considered the question, and a verdict written without arguments to weigh would be an invention.",
        "One step connects a model: set `OPENAI_API_KEY` or `ANTHROPIC_API_KEY`, or name a model on your own machine with `MAGI_MODEL=ollama:NAME`, and ask again.",
        "How a council speaks and decides can be seen in the written scenes.",
    ],
    judge_reason: "This is a rehearsal: no model has considered the question. For a verdict set OPENAI_API_KEY or ANTHROPIC_API_KEY, or MAGI_MODEL=ollama:NAME, and ask again.",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_seen_is_seen() {
        let shape = |text, lang| Shape::of(text, lang);
        let own = |items: &[&str]| {
            items
                .iter()
                .map(|item| (*item).to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            shape("来月、予算1,500万の30％を広告に使うべきか？", Lang::Ja),
            Shape {
                figures: own(&["1,500万", "30％"]),
                times: own(&["来月"]),
                ..Shape::default()
            }
        );
        assert_eq!(
            shape("Should we hire 3 people or wait until next year?", Lang::En),
            Shape {
                figures: own(&["3"]),
                times: own(&["next year"]),
                is_choice: true,
                is_open: false
            }
        );
        assert_eq!(
            shape("どのように障害を減らすか", Lang::Ja),
            Shape {
                is_open: true,
                ..Shape::default()
            }
        );
        assert_eq!(
            shape("How many people should we hire?", Lang::En),
            Shape {
                is_open: true,
                ..Shape::default()
            }
        );
        // Digits of a name, and a question word that begins a clause.
        for text in [
            "2コンテナ方式とGPT-5を採用すべきか",
            "いつもの店に頼むべきか",
        ] {
            assert_eq!(shape(text, Lang::Ja), Shape::default(), "{text}");
        }
        let text = "When we ship v2 with web3, should we tell covid-19 patients?";
        assert_eq!(shape(text, Lang::En), Shape::default());
        // "or" inside a word, and "how" not at the front, are neither.
        assert_eq!(
            shape("Should we show the form to Thor?", Lang::En),
            Shape::default()
        );
        assert_eq!(shape("", Lang::En), Shape::default());
    }

    #[test]
    fn a_long_question_is_cut_between_characters() {
        let quoted = quote(&"長い 問い\n".repeat(100));
        assert_eq!(quoted.chars().count(), MAX_QUOTED + 1);
        assert!(quoted.ends_with('…'));
    }

    #[test]
    fn both_languages_are_whole_and_of_one_style() {
        for words in [&JA, &EN] {
            for index in 0..3 {
                assert!(words.opening[index].contains("{q}"));
                assert_eq!(words.checks[index].len(), 5);
                assert!(words.figures[index].contains("{x}") && words.times[index].contains("{x}"));
            }
            let judge = words.judge.concat();
            for step in ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "MAGI_MODEL=ollama:"] {
                assert!(judge.contains(step) && words.judge_reason.contains(step));
            }
        }
        let all = [JA.closing, &JA.judge.concat(), &JA.opening.concat()].concat();
        assert!(!all.contains("です。") && !all.contains("ます。"));
    }
}
