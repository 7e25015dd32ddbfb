//! The prompts' texts, from the files under `prompts/`, and how they are filled in.

use magi_event::Agent;
use magi_model::Lang;

/// A text with gaps such as `{question}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Template {
    /// How a sage answers; ours, not the user's.
    VoteFormat,
    /// How the judge answers; ours, not the user's.
    VerdictFormat,
    /// The question, fenced.
    Question,
    /// The material given with it, fenced.
    Context,
    /// The conversation's earlier verdicts, fenced.
    Earlier,
    /// What the council was told on the way, fenced.
    Notes,
    /// One sage's arguments for the judge, fenced.
    Arguments,
    /// What a sage is to do now.
    SageGo,
    /// What a sage that has voted is to do with the notes.
    SageReply,
    /// What the judge is to do now.
    JudgeGo,
    /// Asks for a vote that can be read.
    RepairVote,
    /// Asks for a verdict that can be read.
    RepairVerdict,
}

macro_rules! both {
    ($lang:expr, $file:literal) => {
        match $lang {
            Lang::Ja => include_str!(concat!("../../prompts/ja/", $file)),
            Lang::En => include_str!(concat!("../../prompts/en/", $file)),
        }
    };
}

/// Returns a member's role text.
pub(crate) fn role(agent: Agent, lang: Lang) -> &'static str {
    use magi_event::Sage::{Balthasar, Caspar, Melchior};
    match agent {
        Agent::Sage(Caspar) => both!(lang, "caspar.txt"),
        Agent::Sage(Balthasar) => both!(lang, "balthasar.txt"),
        Agent::Sage(Melchior) => both!(lang, "melchior.txt"),
        Agent::Judge => both!(lang, "solomon.txt"),
    }
}

impl Template {
    fn text(self, lang: Lang) -> &'static str {
        let text = match self {
            Template::VoteFormat => both!(lang, "vote_format.txt"),
            Template::VerdictFormat => both!(lang, "verdict_format.txt"),
            Template::Question => both!(lang, "sage_question.txt"),
            Template::Context => both!(lang, "context.txt"),
            Template::Earlier => both!(lang, "earlier.txt"),
            Template::Arguments => both!(lang, "sage_arguments.txt"),
            Template::Notes => both!(lang, "notes.txt"),
            Template::SageReply => both!(lang, "sage_reply.txt"),
            Template::SageGo => both!(lang, "sage_go.txt"),
            Template::JudgeGo => both!(lang, "judge_go.txt"),
            Template::RepairVote => both!(lang, "repair_vote.txt"),
            Template::RepairVerdict => both!(lang, "repair_verdict.txt"),
        };
        text.trim_end()
    }

    /// Fills the gaps in one pass, so that a filled-in text is never taken for a gap itself.
    pub(crate) fn fill(self, lang: Lang, values: &[(&str, &str)]) -> String {
        let mut rest = self.text(lang);
        let mut filled = String::with_capacity(rest.len() * 2);
        while let Some(at) = rest.find('{') {
            filled.push_str(&rest[..at]);
            rest = &rest[at..];
            let gap = values.iter().find_map(|(name, value)| {
                let after = rest[1..].strip_prefix(name)?.strip_prefix('}')?;
                Some((*value, after))
            });
            match gap {
                Some((value, after)) => {
                    filled.push_str(value);
                    rest = after;
                }
                None => {
                    filled.push('{');
                    rest = &rest[1..];
                }
            }
        }
        filled.push_str(rest);
        filled
    }
}
