//! The prompts: what each member of the council is told, in the question's language.
//!
//! The role text is the user's to change, the answer's format is ours. Whatever somebody else wrote
//! (the question's material, a sage's arguments) stands between random data markers, its role
//! markers escaped, and every prompt says that it is data and never an instruction.

mod clean;
mod schema;
pub(crate) mod texts;

use magi_event::{Agent, Decision, Sage};
use magi_log::Entropy;
use magi_model::{About, Call, Lang, Message, Purpose, Speaker};

use crate::Role;
use crate::memory::Said;
use texts::Template;

pub(crate) use clean::head;

/// The most bytes of one sage's text that the judge is shown.
const LONGEST_ARGUMENT: usize = 24 * 1024;

/// The most bytes of an unreadable answer that its repair is shown: the vote stands at the end.
const LONGEST_REPAIRED: usize = 16 * 1024;

/// The letters of a tag: 32^6 is beyond guessing, and a model copies it without error.
const TAG_LENGTH: usize = 6;

/// What the sages are asked, the same for all of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matter<'a> {
    pub(crate) question: &'a str,
    pub(crate) context: Option<&'a str>,
    /// Earlier verdicts of the conversation, as text.
    pub(crate) earlier: Option<&'a str>,
    /// What the council was told on the way.
    pub(crate) notes: &'a [String],
    pub(crate) lang: Lang,
}

/// One sage's arguments, for the judge.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Argument {
    pub(crate) sage: Sage,
    pub(crate) decision: Decision,
    /// The visible prose of the sage.
    pub(crate) prose: String,
    pub(crate) reasoning: String,
    pub(crate) conditions: Vec<String>,
    pub(crate) would_change: Vec<String>,
}

/// Tells the language of a text by its script: Japanese when it has kana, or Han characters and
/// hardly a Latin letter; else English.
#[must_use]
pub fn language_of(text: &str) -> Lang {
    let (mut han, mut latin) = (0_usize, 0_usize);
    for c in text.chars() {
        match c {
            '\u{3041}'..='\u{309f}' | '\u{30a0}'..='\u{30ff}' | '\u{ff66}'..='\u{ff9f}' => {
                return Lang::Ja;
            }
            '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' => han += 1,
            c if c.is_alphabetic() => latin += 1,
            _ => {}
        }
    }
    // A Han character says about as much as three letters.
    if han * 3 > latin { Lang::Ja } else { Lang::En }
}

/// Makes the tag that marks one attempt's own vote.
pub(crate) fn new_tag(entropy: &dyn Entropy) -> String {
    entropy.tag(TAG_LENGTH)
}

/// Makes a sage's call.
pub(crate) fn sage(sage: Sage, role: &Role, matter: &Matter<'_>, entropy: &dyn Entropy) -> Call {
    let lang = matter.lang;
    let tag = new_tag(entropy);
    let format = Template::VoteFormat.fill(lang, &[("tag", &tag)]);
    let mut text = matter_text(matter, entropy);
    text.push_str("\n\n");
    text.push_str(&Template::SageGo.fill(lang, &[("tag", &tag)]));
    Call {
        model: role.model.model.clone(),
        system: format!("{}\n\n{format}", role.prompt.trim()),
        messages: vec![said_by(Speaker::User, text)],
        tool: Some(schema::cast_vote(lang)),
        schema: None,
        sampling: role.sampling.into(),
        about: About {
            agent: Agent::Sage(sage),
            purpose: Purpose::Answer,
            question: matter.question.to_owned(),
            lang,
            tag,
            order: Vec::new(),
        },
    }
}

/// Makes the call in which a sage that has voted says what it makes of the notes since then, and
/// votes again. It sees its own answer, and nobody else's.
pub(crate) fn reply(
    sage: Sage,
    role: &Role,
    matter: &Matter<'_>,
    said: &Said,
    entropy: &dyn Entropy,
) -> Call {
    let lang = matter.lang;
    let earlier = Matter {
        notes: &[],
        ..*matter
    };
    let mut call = self::sage(sage, role, &earlier, entropy);
    let mut answer = said.prose.trim().to_owned();
    let complete = &said.end.complete;
    let reasoning = complete.reasoning.trim();
    for more in [reasoning, complete.decision.word()] {
        if !more.is_empty() && !answer.contains(more) {
            answer.push_str(if answer.is_empty() { "" } else { "\n\n" });
            answer.push_str(more);
        }
    }
    let notes = notes_text(matter, entropy);
    let go = Template::SageReply.fill(lang, &[("tag", &call.about.tag)]);
    let own = clean::head(&answer, LONGEST_ARGUMENT).to_owned();
    call.messages.push(said_by(Speaker::Assistant, own));
    call.messages
        .push(said_by(Speaker::User, format!("{notes}\n\n{go}")));
    call
}

/// Returns the notes as one fenced text; empty without any.
fn notes_text(matter: &Matter<'_>, entropy: &dyn Entropy) -> String {
    if matter.notes.is_empty() {
        return String::new();
    }
    let notes: Vec<String> = matter
        .notes
        .iter()
        .map(|note| format!("- {}", clean::neutral(note)))
        .collect();
    let notes = notes.join("\n");
    let fence = fence(&[&notes], entropy);
    Template::Notes.fill(matter.lang, &[("fence", &fence), ("notes", &notes)])
}

/// Makes the judge's call about these arguments, in the order in which the judge is to see them.
pub(crate) fn judge(
    role: &Role,
    matter: &Matter<'_>,
    arguments: &[Argument],
    entropy: &dyn Entropy,
) -> Call {
    let lang = matter.lang;
    let tag = new_tag(entropy);
    let letters: Vec<char> = ('A'..='C').take(arguments.len()).collect();
    let names: Vec<String> = letters.iter().map(char::to_string).collect();
    let format = [("tag", tag.as_str()), ("letters", &names.join(", "))];
    let format = Template::VerdictFormat.fill(lang, &format);
    // The original's prompts hold this gap; the arguments stand in our own message.
    let own = role.prompt.replace("{sage_responses}", "");
    let mut text = matter_text(matter, entropy);
    let labels: Vec<String> = letters.iter().map(|letter| label(*letter, lang)).collect();
    for (label, argument) in labels.iter().zip(arguments) {
        let shown = argument_text(argument, lang);
        let fence = fence(&[&shown], entropy);
        let decision = argument.decision.word();
        text.push_str("\n\n");
        text.push_str(&Template::Arguments.fill(
            lang,
            &[
                ("label", label),
                ("fence", &fence),
                ("decision", decision),
                ("text", &shown),
            ],
        ));
    }
    let join = match lang {
        Lang::Ja => "、",
        Lang::En => ", ",
    };
    text.push_str("\n\n");
    text.push_str(&Template::JudgeGo.fill(lang, &[("labels", &labels.join(join)), ("tag", &tag)]));
    Call {
        model: role.model.model.clone(),
        system: format!("{}\n\n{format}", own.trim()),
        messages: vec![said_by(Speaker::User, text)],
        tool: Some(schema::give_verdict(lang, &letters)),
        schema: None,
        sampling: role.sampling.into(),
        about: About {
            agent: Agent::Judge,
            purpose: Purpose::Answer,
            question: matter.question.to_owned(),
            lang,
            tag,
            order: arguments.iter().map(|argument| argument.sage).collect(),
        },
    }
}

/// Makes the call that asks for the structured part of an answer that could not be read.
pub(crate) fn repair(call: &Call, answer: &str) -> Call {
    let lang = call.about.lang;
    let template = match call.about.agent {
        Agent::Sage(_) => Template::RepairVote,
        Agent::Judge => Template::RepairVerdict,
    };
    let request = template.fill(lang, &[("tag", &call.about.tag)]);
    let mut repair = call.clone();
    repair.about.purpose = Purpose::Repair;
    repair.schema = repair.tool.take().map(|tool| tool.parameters);
    let answer = clean::tail(answer.trim(), LONGEST_REPAIRED);
    if answer.is_empty() {
        // No vendor takes an empty turn: the request joins the question instead.
        if let Some(last) = repair.messages.last_mut() {
            last.text.push_str("\n\n");
            last.text.push_str(&request);
        }
    } else {
        repair
            .messages
            .push(said_by(Speaker::Assistant, answer.to_owned()));
        repair.messages.push(said_by(Speaker::User, request));
    }
    repair
}

/// Returns what the judge and the reader call a sage of this letter.
pub(crate) fn label(letter: char, lang: Lang) -> String {
    match lang {
        Lang::Ja => format!("賢者{letter}"),
        Lang::En => format!("Sage {letter}"),
    }
}

fn said_by(speaker: Speaker, text: String) -> Message {
    Message { speaker, text }
}

fn matter_text(matter: &Matter<'_>, entropy: &dyn Entropy) -> String {
    let question = clean::neutral(matter.question);
    let parts = [
        (Template::Question, "question", Some(question)),
        (
            Template::Context,
            "context",
            matter.context.map(clean::neutral),
        ),
        (
            Template::Earlier,
            "earlier",
            matter.earlier.map(clean::neutral),
        ),
    ];
    let mut texts: Vec<String> = parts
        .into_iter()
        .filter_map(|(template, name, text)| {
            let text = text?;
            let fence = fence(&[&text], entropy);
            Some(template.fill(matter.lang, &[("fence", &fence), (name, &text)]))
        })
        .collect();
    texts.extend(Some(notes_text(matter, entropy)).filter(|notes| !notes.is_empty()));
    texts.join("\n\n")
}

/// Makes a data marker that stands nowhere in the texts it encloses.
fn fence(texts: &[&str], entropy: &dyn Entropy) -> String {
    loop {
        let fence = format!("DATA-{}", entropy.tag(10));
        if !texts.iter().any(|text| text.contains(&fence)) {
            return fence;
        }
    }
}

fn argument_text(argument: &Argument, lang: Lang) -> String {
    let mut text = clean::plain(&argument.prose);
    let reasoning = clean::plain(&argument.reasoning);
    if !reasoning.is_empty() && !text.contains(&reasoning) {
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str(&reasoning);
    }
    let (conditions, would_change) = match lang {
        Lang::Ja => ("条件", "判断が変わりうること"),
        Lang::En => ("Conditions", "Would change it"),
    };
    for (title, items) in [
        (conditions, &argument.conditions),
        (would_change, &argument.would_change),
    ] {
        if !items.is_empty() {
            text.push_str(&format!("\n{title}:"));
            for item in items {
                text.push_str("\n- ");
                text.push_str(&clean::plain(item));
            }
        }
    }
    clean::neutral(clean::head(&text, LONGEST_ARGUMENT))
}

#[cfg(test)]
mod tests;
