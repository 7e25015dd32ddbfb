//! The presets: named, versioned councils, each saying what it is for and what it is bad at.

use std::collections::BTreeMap;

use magi_event::{Agent, Rule};
use magi_model::{Lang, ModelName};
use serde::Serialize;

use crate::prompt::texts;
use crate::{Budget, Council, Deadlines, Late, Role, Sampling};

/// A text in both languages of the house.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Text {
    /// Japanese.
    pub ja: &'static str,
    /// English.
    pub en: &'static str,
}

impl Text {
    /// Returns the text in this language.
    #[must_use]
    pub const fn get(&self, lang: Lang) -> &'static str {
        match lang {
            Lang::Ja => self.ja,
            Lang::En => self.en,
        }
    }
}

/// A named, versioned council. It names no models: those are the settings'.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Preset {
    /// The name by which it is asked for.
    pub name: &'static str,
    /// Rises whenever the same question could be answered otherwise.
    pub version: u32,
    /// How votes become an outcome.
    pub rule: Rule,
    /// The least number of valid votes for a decision.
    pub quorum: u32,
    /// What it is called on a page.
    pub title: Text,
    /// What it is for.
    pub good_for: Text,
    /// What it is bad at.
    pub bad_at: Text,
    /// What every member is told on top of its role; empty for none.
    #[serde(skip)]
    addition: Text,
}

/// No addition to the roles.
const NOTHING: Text = Text { ja: "", en: "" };

impl Preset {
    /// All presets, the default first.
    pub const ALL: [Preset; 4] = [DEFAULT, STRICT, BRAINSTORM, CLASSIC];

    /// Returns the preset of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Preset> {
        const ALL: &[Preset] = &Preset::ALL;
        ALL.iter().find(|preset| preset.name == name)
    }

    /// Returns the council of this preset, every role in this language and on this model.
    #[must_use]
    pub fn council(&self, lang: Lang, model: &ModelName) -> Council {
        let roles = Agent::ALL.map(|agent| {
            let role = Role {
                prompt: self.role_text(agent, lang),
                model: model.clone(),
                fallbacks: None,
                panel: Vec::new(),
                sampling: Sampling::default(),
                enabled: true,
            };
            (agent, role)
        });
        Council {
            name: self.name.to_owned(),
            version: self.version,
            rule: self.rule,
            quorum: self.quorum,
            roles: BTreeMap::from(roles),
            judge_fallback: None,
            late: Late::Wait,
            deadlines: Deadlines::default(),
            budget: Budget::default(),
        }
    }

    /// Returns the role text of one member in this language.
    #[must_use]
    pub fn role_text(&self, agent: Agent, lang: Lang) -> String {
        let role = texts::role(agent, lang).trim_end();
        let addition = self.addition.get(lang).trim_end();
        if addition.is_empty() {
            role.to_owned()
        } else {
            format!("{role}\n\n{addition}")
        }
    }
}

const DEFAULT: Preset = Preset {
    name: "default",
    version: 1,
    rule: Rule::Majority,
    quorum: 2,
    title: Text {
        ja: "標準",
        en: "Default",
    },
    good_for: Text {
        ja: "賛成か反対かを決めたい、ふつうの意思決定。三賢者が互いの答えを見ずに考え、票は多数決で数えます。",
        en: "Everyday decisions for or against a proposal. Three sages think without seeing each \
             other's answer, and the majority of votes decides.",
    },
    bad_at: Text {
        ja: "事実の調べもの、計算、アイデア出し。票が割れた2対1の結論は、全員一致ほどの重みを持ちません。",
        en: "Looking up facts, arithmetic, and collecting ideas. A 2-1 outcome does not weigh as \
             much as a unanimous one.",
    },
    addition: NOTHING,
};

const STRICT: Preset = Preset {
    name: "strict",
    version: 1,
    rule: Rule::Unanimous,
    quorum: 3,
    title: Text {
        ja: "厳格",
        en: "Strict",
    },
    good_for: Text {
        ja: "取り返しのつかない決定、安全や法令に関わる決定。三人全員が一致したときだけ結論を出します。",
        en: "Decisions that are hard to undo, or touch safety or law. It decides only when all three \
             sages agree.",
    },
    bad_at: Text {
        ja: "急ぎの判断や情報の少ない問い。不成立で終わることが多く、賢者が一人でも欠けると結論は出ません。",
        en: "Urgent calls and questions with little information: it often ends undecided, and it \
             cannot decide when one sage is missing.",
    },
    addition: Text {
        ja: include_str!("../prompts/ja/strict.txt"),
        en: include_str!("../prompts/en/strict.txt"),
    },
};

const BRAINSTORM: Preset = Preset {
    name: "brainstorm",
    version: 1,
    rule: Rule::Majority,
    quorum: 2,
    title: Text {
        ja: "発想",
        en: "Brainstorm",
    },
    good_for: Text {
        ja: "粗い案を育てたいとき。賢者はまず案をよりよくする道を探し、条件付きの可決と代案を多く出します。",
        en: "Growing a rough idea. The sages first look for ways to make it better, and answer with \
             conditions and alternatives.",
    },
    bad_at: Text {
        ja: "最終判断。案に好意的に読むため、リスクの見積もりは甘くなります。決める前に「標準」か「厳格」で問い直してください。",
        en: "Final decisions: it reads a proposal kindly and underrates danger. Ask again with \
             `default` or `strict` before you commit.",
    },
    addition: Text {
        ja: include_str!("../prompts/ja/brainstorm.txt"),
        en: include_str!("../prompts/en/brainstorm.txt"),
    },
};

const CLASSIC: Preset = Preset {
    name: "classic",
    version: 1,
    rule: Rule::Judge,
    quorum: 2,
    title: Text {
        ja: "クラシック",
        en: "Classic",
    },
    good_for: Text {
        ja: "元祖 MAGI と同じ進め方。三賢者の論拠を読んだうえで、SOLOMON が最終的な評決を下します。既存のクライアントとの互換にも使います。",
        en: "Deliberating as the original MAGI did: SOLOMON reads the three sages and decides. It is \
             also what the original's clients get.",
    },
    bad_at: Text {
        ja: "裁定者一人に頼らない結論。SOLOMON は票の結果を覆すことがあり、SOLOMON が欠けると結論は出ません。",
        en: "Conclusions that must not hang on one model: SOLOMON may overrule the majority, and \
             without SOLOMON there is no decision.",
    },
    addition: NOTHING,
};

#[cfg(test)]
mod tests {
    use magi_event::Sage;

    use super::*;

    #[test]
    fn every_preset_is_whole_in_both_languages() {
        for preset in Preset::ALL {
            assert_eq!(Preset::find(preset.name), Some(&preset));
            for lang in [Lang::Ja, Lang::En] {
                for text in [preset.title, preset.good_for, preset.bad_at] {
                    assert!(!text.get(lang).trim().is_empty(), "{}", preset.name);
                }
                let model = "rehearsal".parse().unwrap();
                let council = preset.council(lang, &model);
                council.validate().unwrap();
                assert_eq!(council.sages(), Sage::ALL);
                assert!(council.roles.values().all(|role| role.prompt.len() > 200));
            }
        }
    }

    #[test]
    fn an_addition_reaches_every_member() {
        let strict = Preset::find("strict").unwrap();
        for agent in Agent::ALL {
            let plain = DEFAULT.role_text(agent, Lang::En);
            let text = strict.role_text(agent, Lang::En);
            assert!(text.starts_with(&plain) && text.len() > plain.len());
        }
    }
}
