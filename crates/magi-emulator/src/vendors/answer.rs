//! What the fake model says: reasoning, prose and a vote, as tokens.

use magi_event::{Agent, Decision, Sage};
use serde_json::Value;

use super::ask::Ask;
use super::plan::Plan;
use super::schema::{self, Fields, Filling};
use super::words::{Stop, Vote, Way};

/// A whole answer, before any fault of delivery.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) tokens: Vec<Token>,
    pub(crate) tool: Option<String>,
    pub(crate) finish: Finish,
    pub(crate) decision: Option<Decision>,
    pub(crate) tag: Option<String>,
}

/// One token of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) part: Part,
    pub(crate) text: String,
    /// The number of a prose token, which lock-step counts.
    pub(crate) prose: Option<u64>,
}

/// Which part of an answer a token belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Thinking,
    Text,
    Args,
    Refusal,
}

/// Why the model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    Stop,
    Tool,
    Length,
    Filter,
    Refusal,
    Word(Stop),
}

const ENGLISH: [&str; 32] = [
    "risk",
    "cost",
    "people",
    "evidence",
    "plan",
    "delay",
    "rollback",
    "trust",
    "measure",
    "limits",
    "failure",
    "support",
    "benefit",
    "the",
    "a",
    "is",
    "needs",
    "shows",
    "before",
    "after",
    "without",
    "bounded",
    "reversible",
    "unclear",
    "small",
    "growing",
    "tested",
    "measured",
    "and",
    "but",
    "then",
    "so",
];
const JAPANESE: [&str; 32] = [
    "危険",
    "費用",
    "人々",
    "証拠",
    "計画",
    "遅れ",
    "撤回",
    "信頼",
    "測定",
    "限界",
    "失敗",
    "支援",
    "利益",
    "は",
    "が",
    "を",
    "に",
    "示す",
    "前に",
    "後で",
    "なしに",
    "限られ",
    "可逆で",
    "不明",
    "小さく",
    "増える",
    "試された",
    "測られた",
    "、",
    "しかし",
    "そして",
    "。",
];

/// Makes the answer to `ask`. `rng` is the only source of chance.
pub(crate) fn answer(ask: &Ask, plan: &Plan, attempt: u32, rng: &mut fastrand::Rng) -> Answer {
    if plan.empty {
        return Answer::bare(Vec::new(), Finish::Stop);
    }
    if plan.refusal {
        return refusal(ask);
    }
    let random = matches!(plan.vote, Vote::Random(_));
    let len = plan
        .len
        .unwrap_or_else(|| if random { rng.usize(5..80) } else { 60 });
    let prose = prose(ask, plan, attempt, len, rng);
    let mut tokens = Vec::new();
    if plan.reasoning.is_some() || ask.thinking {
        tokens.extend(
            words(ask, 8, rng)
                .into_iter()
                .map(|text| Token::plain(Part::Thinking, text)),
        );
    }
    let way = way(ask, plan, rng);
    let decision = decision(ask, plan, rng);
    let filling = filling(ask, decision, random, rng);
    let mut answer = Answer {
        tokens: Vec::new(),
        tool: None,
        finish: Finish::Stop,
        decision: (way != Way::Prose).then_some(decision),
        tag: filling.tag.clone(),
    };
    match way {
        Way::Json => tokens.extend(json_only(ask, &prose, &filling)),
        Way::Tool => {
            if !ask.is_forced() {
                tokens.extend(gated(&prose));
            }
            let args = write(&tool_fields(ask, &filling));
            tokens.extend(pieces(&args).map(|text| Token::plain(Part::Args, text)));
            answer.tool = ask.tool().map(|tool| tool.name.clone());
            answer.finish = Finish::Tool;
        }
        Way::Prose => tokens.extend(gated(&prose)),
        Way::Auto | Way::Tail | Way::Malformed(_) | Way::Quoted => {
            if way == Way::Quoted {
                let quote = quoted(&filling);
                tokens.extend(pieces(&quote).map(|text| Token::plain(Part::Text, text)));
            }
            tokens.extend(gated(&prose));
            let tail = match way {
                Way::Malformed(n) => malformed(n, &filling),
                _ => format!(
                    "\n\n```json\n{}\n```",
                    write(&council_fields(ask, &filling))
                ),
            };
            tokens.extend(pieces(&tail).map(|text| Token::plain(Part::Text, text)));
        }
    }
    answer.tokens = tokens;
    if let Some(most) = ask.max_tokens
        && answer.tokens.len() > most
    {
        answer.tokens.truncate(most);
        answer.finish = Finish::Length;
    }
    answer
}

impl Answer {
    fn bare(tokens: Vec<Token>, finish: Finish) -> Self {
        Answer {
            tokens,
            tool: None,
            finish,
            decision: None,
            tag: None,
        }
    }

    /// Joins the tokens of one part.
    pub(crate) fn part(&self, part: Part) -> String {
        self.tokens
            .iter()
            .filter(|t| t.part == part)
            .map(|t| t.text.as_str())
            .collect()
    }

    /// Counts the tokens of one part.
    pub(crate) fn count(&self, part: Part) -> usize {
        self.tokens.iter().filter(|t| t.part == part).count()
    }
}

impl Token {
    fn plain(part: Part, text: impl Into<String>) -> Self {
        Token {
            part,
            text: text.into(),
            prose: None,
        }
    }
}

fn gated(prose: &[String]) -> impl Iterator<Item = Token> + '_ {
    (0_u64..).zip(prose).map(|(k, text)| Token {
        part: Part::Text,
        text: text.clone(),
        prose: Some(k),
    })
}

fn refusal(ask: &Ask) -> Answer {
    let text = if ask.is_japanese() {
        "申し訳ありませんが、この依頼にはお応えできません。"
    } else {
        "I'm sorry, but I can't help with that request."
    };
    let tokens = pieces(text)
        .map(|text| Token::plain(Part::Refusal, text))
        .collect();
    Answer::bare(tokens, Finish::Refusal)
}

/// Says who speaks and that it is a fake, then words. In lock-step every token is its own number.
fn prose(ask: &Ask, plan: &Plan, attempt: u32, len: usize, rng: &mut fastrand::Rng) -> Vec<String> {
    let ja = ask.is_japanese();
    if plan.lockstep {
        let number = |k| {
            if ja {
                format!("第{k}語、")
            } else {
                format!("k{k} ")
            }
        };
        return (0..len).map(number).collect();
    }
    let role = ask.role().map_or("model", Agent::name);
    let head = if ja {
        vec![
            "偽の".to_owned(),
            format!("{role}の"),
            format!("{attempt}回目の"),
            "分析：".to_owned(),
        ]
    } else {
        vec![
            "Fake ".to_owned(),
            format!("{role}, "),
            format!("attempt {attempt}: "),
        ]
    };
    let rest = len.saturating_sub(head.len());
    head.into_iter()
        .chain(words(ask, rest, rng))
        .take(len)
        .collect()
}

fn words(ask: &Ask, len: usize, rng: &mut fastrand::Rng) -> Vec<String> {
    let list = if ask.is_japanese() {
        &JAPANESE
    } else {
        &ENGLISH
    };
    let space = if ask.is_japanese() { "" } else { " " };
    (0..len)
        .map(|_| format!("{}{space}", list[rng.usize(..list.len())]))
        .collect()
}

fn way(ask: &Ask, plan: &Plan, rng: &mut fastrand::Rng) -> Way {
    let has_tool = ask.tool().is_some();
    if has_tool && ask.is_forced() && plan.way != Way::Prose {
        return Way::Tool;
    }
    match plan.way {
        Way::Auto if ask.json_only.is_some() => Way::Json,
        Way::Auto if matches!(plan.vote, Vote::Random(_)) => match rng.u8(0..3) {
            0 if has_tool => Way::Tool,
            1 => Way::Json,
            _ => Way::Tail,
        },
        Way::Auto if has_tool => Way::Tool,
        Way::Tool if !has_tool => Way::Tail,
        other => other,
    }
}

fn decision(ask: &Ask, plan: &Plan, rng: &mut fastrand::Rng) -> Decision {
    let judge = ask.role() == Some(Agent::Judge);
    match plan.vote {
        Vote::Approve => Decision::Approved,
        Vote::Reject => Decision::Rejected,
        Vote::Abstain if judge => Decision::Approved,
        Vote::Abstain => Decision::Abstained,
        Vote::ByRole if ask.role() == Some(Agent::Sage(Sage::Caspar)) => Decision::Rejected,
        Vote::ByRole => Decision::Approved,
        Vote::Random(_) => match rng.u8(0..5) {
            0 | 1 => Decision::Approved,
            2 | 3 => Decision::Rejected,
            _ if judge => Decision::Rejected,
            _ => Decision::Abstained,
        },
    }
}

fn filling(ask: &Ask, decision: Decision, random: bool, rng: &mut fastrand::Rng) -> Filling {
    let percent = rng.u8(50..100);
    let text = |rng: &mut fastrand::Rng, n| words(ask, n, rng).concat().trim_end().to_owned();
    Filling {
        decision,
        confidence: (!random || percent < 90).then_some(f64::from(percent) / 100.0),
        reasoning: text(rng, 12),
        sentence: text(rng, 5),
        tag: ask.tag(),
        score: percent,
    }
}

fn tool_fields(ask: &Ask, filling: &Filling) -> Fields {
    ask.tool()
        .map(|tool| schema::fill(&tool.schema, filling))
        .unwrap_or_default()
}

/// The fields of a vote in text: after the asked schema, the tool's, or the council's own form.
fn council_fields(ask: &Ask, filling: &Filling) -> Fields {
    let of_schema = ask
        .json_only
        .as_ref()
        .filter(|schema| schema.get("properties").is_some());
    match (of_schema, ask.tool()) {
        (Some(schema), _) => schema::fill(schema, filling),
        (None, Some(tool)) => schema::fill(&tool.schema, filling),
        (None, None) if ask.role() == Some(Agent::Judge) => {
            schema::verdict(filling, &ask.letters())
        }
        (None, None) => schema::vote(filling),
    }
}

/// Writes an object in the order of its fields.
pub(crate) fn write(fields: &[(String, Value)]) -> String {
    let body: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}: {value}", Value::from(&**name)))
        .collect();
    format!("{{{}}}", body.join(", "))
}

/// A vote without prose around it, whose reasoning is the prose, token by token.
fn json_only(ask: &Ask, prose: &[String], filling: &Filling) -> Vec<Token> {
    let fields = council_fields(ask, filling);
    let at = fields
        .iter()
        .position(|(name, _)| name == "reasoning" || name == "synthesis");
    let Some(at) = at else {
        return pieces(&write(&fields))
            .map(|text| Token::plain(Part::Text, text))
            .collect();
    };
    let before = write(&fields[..at]);
    let open = before.trim_end_matches('}');
    let comma = if at == 0 { "" } else { ", " };
    let name = Value::from(&*fields[at].0);
    let head = format!("{open}{comma}{name}: \"");
    let after = write(&fields[at + 1..]);
    let comma = if at + 1 == fields.len() { "" } else { ", " };
    let tail = format!("\"{comma}{}", after.trim_start_matches('{'));
    let escaped = prose.iter().map(|text| {
        let quoted = Value::from(text.as_str()).to_string();
        quoted[1..quoted.len() - 1].to_owned()
    });
    let escaped: Vec<String> = escaped.collect();
    let mut tokens: Vec<Token> = pieces(&head).map(|t| Token::plain(Part::Text, t)).collect();
    tokens.extend(gated(&escaped));
    tokens.extend(pieces(&tail).map(|text| Token::plain(Part::Text, text)));
    tokens
}

/// Somebody else's block with the opposite decision and no valid tag, quoted before the own words.
fn quoted(filling: &Filling) -> String {
    let mut other = filling.clone();
    other.decision = match filling.decision {
        Decision::Approved | Decision::Abstained => Decision::Rejected,
        Decision::Rejected => Decision::Approved,
    };
    other.tag = Some("zzzz0000".to_owned());
    format!("> ```json\n> {}\n> ```\n\n", write(&schema::vote(&other)))
}

/// A tail that is damaged, but whose decision is complete and plain to a person.
fn malformed(n: usize, filling: &Filling) -> String {
    let word = filling.decision.word();
    let tag = filling.tag.as_deref().unwrap_or("none0000");
    let why = &filling.reasoning;
    let local = match filling.decision {
        Decision::Approved => "可決",
        Decision::Rejected => "否決",
        Decision::Abstained => "棄権",
    };
    match n % 10 {
        0 => format!(
            "\n```json\n{{\"tag\": \"{tag}\", \"reasoning\": \"{why}\", \"decision\": \"{word}\",}}\n```"
        ),
        1 => format!(
            "\n```json\n{{“tag”: “{tag}”, “reasoning”: “{why}”, “decision”: “{word}”}}\n```"
        ),
        2 => format!(
            "\n```json\n{{tag: \"{tag}\", reasoning: \"{why}\", decision: \"{word}\"}}\n```"
        ),
        3 => format!(
            "\n```json\n{{'tag': '{tag}', 'reasoning': '{why}', 'decision': '{word}'}}\n```"
        ),
        4 => {
            format!("\n{{\"tag\": \"{tag}\", \"reasoning\": \"{why}\", \"decision\": \"{word}\"}}")
        }
        5 => format!(
            "\n```\n{{\"tag\": \"{tag}\", \"decision\": \"{}.\"}}\n```",
            word.to_lowercase()
        ),
        6 => format!("\n```json\n{{\"tag\": \"{tag}\", \"decision\": \"{local}\"}}\n```"),
        7 => format!(
            "\n```json\n{{\"tag\": \"{tag}\", \"reasoning\": \"{why}\", \"decision\": \"{word}\", \"confid"
        ),
        8 => format!(
            "\n```json\n{{\"tag\": \"{tag}\", \"decision\": \"{word}\", \"confidence\": \"85%\"}}\n```\nThank you."
        ),
        _ => {
            let wide: String = word.chars().map(full_width).collect();
            format!("\n```json\n{{\"tag\": \"{tag}\", \"decision\": \"{wide}\"}}\n```")
        }
    }
}

fn full_width(c: char) -> char {
    if c.is_ascii_graphic() {
        char::from_u32(c as u32 + 0xfee0).unwrap_or(c)
    } else {
        c
    }
}

/// Cuts a text into pieces of six characters, as a tokenizer would at some places or other.
fn pieces(text: &str) -> impl Iterator<Item = String> + use<> {
    let chars: Vec<char> = text.chars().collect();
    let cut: Vec<String> = chars
        .chunks(6)
        .map(|piece| piece.iter().collect())
        .collect();
    cut.into_iter()
}
