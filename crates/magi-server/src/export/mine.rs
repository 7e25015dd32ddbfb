//! What a person keeps beside a verdict, read back from the one text that the page makes of it. It is
//! the twin of the page's `mine.ts` and `outcome.ts`, and one table of cases holds both to the same.

/// A person's own decision in its parts; each is empty where it was not said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mine {
    /// What they leaned to before the council spoke.
    pub(super) leaning: String,
    pub(super) choice: Option<Choice>,
    pub(super) why: String,
    /// The conditions, each with whether it is seen to.
    pub(super) boxes: Vec<(bool, String)>,
}

/// What a person decided.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// As the verdict says.
    Follow,
    /// Something else, in their words.
    Other(String),
}

/// The labels of the text's lines, in both languages.
const LABELS: [(&str, Field); 6] = [
    ("Leaning before: ", Field::Leaning),
    ("事前の考え: ", Field::Leaning),
    ("Decision: ", Field::Decision),
    ("決定: ", Field::Decision),
    ("Why: ", Field::Why),
    ("理由: ", Field::Why),
];

const FOLLOW: [&str; 2] = ["as the verdict", "評決に従う"];

#[derive(Clone, Copy, Debug)]
enum Field {
    Leaning,
    Decision,
    Why,
    /// The newest condition.
    Box,
}

impl Mine {
    /// Reads a text. What was written elsewhere, in any other form, is the decision itself.
    pub(super) fn read(text: &str) -> Self {
        let (mut leaning, mut decision, mut why) = (String::new(), String::new(), String::new());
        let mut boxes: Vec<(bool, String)> = Vec::new();
        // Whose words a line that stands further in goes on with.
        let mut open: Option<Field> = None;
        for line in text.trim().lines() {
            let (field, words) = match (open, line.strip_prefix("  ")) {
                (Some(field), Some(words)) => (field, words),
                _ => match read_line(line, &mut boxes) {
                    Some((field, words)) => {
                        open = Some(field);
                        (field, words)
                    }
                    None => {
                        open = None;
                        (Field::Decision, line)
                    }
                },
            };
            let last = match field {
                Field::Leaning => &mut leaning,
                Field::Decision => &mut decision,
                Field::Why => &mut why,
                Field::Box => match boxes.last_mut() {
                    Some((_, text)) => text,
                    None => continue,
                },
            };
            if !last.is_empty() {
                last.push('\n');
            }
            last.push_str(words);
        }
        let choice = match decision.trim() {
            "" => None,
            follow if FOLLOW.contains(&follow) => Some(Choice::Follow),
            other => Some(Choice::Other(other.to_owned())),
        };
        Mine {
            leaning: leaning.trim().to_owned(),
            choice,
            why: why.trim().to_owned(),
            boxes,
        }
    }
}

/// Reads the label or the box that a line begins with; a box is put down with the others, still empty.
fn read_line<'a>(line: &'a str, boxes: &mut Vec<(bool, String)>) -> Option<(Field, &'a str)> {
    let labelled = |(label, field)| Some((field, line.strip_prefix(label)?));
    if let Some(found) = LABELS.into_iter().find_map(labelled) {
        return Some(found);
    }
    let (is_ticked, words) = match (line.strip_prefix("[x] "), line.strip_prefix("[ ] ")) {
        (Some(words), _) => (true, words),
        (None, Some(words)) => (false, words),
        (None, None) => return None,
    };
    boxes.push((is_ticked, String::new()));
    Some((Field::Box, words))
}

/// A word for how it turned out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Good,
    Bad,
    Mixed,
}

const WORDS: [(&str, Word); 3] = [
    ("good", Word::Good),
    ("bad", Word::Bad),
    ("mixed", Word::Mixed),
];

/// How it turned out: one of three words and a note, or a note alone.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome<'a> {
    pub(super) word: Option<Word>,
    pub(super) note: &'a str,
}

impl<'a> Outcome<'a> {
    /// Reads a text. What begins with none of the words is the note.
    pub(super) fn read(text: &'a str) -> Self {
        let text = text.trim();
        let found = WORDS.into_iter().find_map(|(name, word)| {
            let (head, rest) = text.split_at_checked(name.len())?;
            let note = rest.trim_start();
            let noted = note.strip_prefix([':', '：']);
            let ends = rest.is_empty() || noted.is_some() || note.len() < rest.len();
            (head.eq_ignore_ascii_case(name) && ends).then(|| (word, noted.unwrap_or(note)))
        });
        match found {
            Some((word, note)) => Outcome {
                word: Some(word),
                note: note.trim(),
            },
            None => Outcome {
                word: None,
                note: text,
            },
        }
    }
}
