//! Reasoning that a server leaves inside the text, between `<think>` and `</think>`.

use std::collections::VecDeque;

use crate::Chunk;

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// Tells reasoning from text where a model writes both into one string.
///
/// Only tags at the very beginning count, since a sage may write about tags. Source: DeepSeek-R1's
/// and Qwen3's chat templates; vLLM, llama.cpp and Ollama pass the tags on unless told otherwise.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    place: Place,
    /// What could still become a tag.
    held: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Nothing but white space, or a beginning of the opening tag.
    #[default]
    Front,
    /// Between the tags.
    Inside,
    /// Behind the closing tag: the white space that follows it belongs to neither.
    Behind,
    /// In the text.
    Text,
}

impl Splitter {
    /// Takes more text.
    pub(super) fn push(&mut self, text: &str, chunks: &mut VecDeque<Chunk>) {
        match self.place {
            Place::Text => give(Chunk::Text, text.to_owned(), chunks),
            Place::Front => self.front(text, chunks),
            Place::Inside => self.inside(text, chunks),
            Place::Behind => self.behind(text, chunks),
        }
    }

    /// Gives up what is held: nothing more will come.
    pub(super) fn finish(&mut self, chunks: &mut VecDeque<Chunk>) {
        let kind = if self.place == Place::Inside {
            Chunk::Reasoning
        } else {
            Chunk::Text
        };
        give(kind, std::mem::take(&mut self.held), chunks);
        self.place = Place::Text;
    }

    fn front(&mut self, text: &str, chunks: &mut VecDeque<Chunk>) {
        self.held.push_str(text);
        let begun = self.held.trim_start();
        if let Some(rest) = begun.strip_prefix(OPEN) {
            let rest = rest.to_owned();
            self.held.clear();
            self.place = Place::Inside;
            self.inside(&rest, chunks);
        } else if !OPEN.starts_with(begun) {
            self.place = Place::Text;
            give(Chunk::Text, std::mem::take(&mut self.held), chunks);
        }
    }

    fn inside(&mut self, text: &str, chunks: &mut VecDeque<Chunk>) {
        self.held.push_str(text);
        if let Some(at) = self.held.find(CLOSE) {
            let rest = self.held.split_off(at);
            give(Chunk::Reasoning, std::mem::take(&mut self.held), chunks);
            self.place = Place::Behind;
            self.behind(&rest[CLOSE.len()..], chunks);
            return;
        }
        let n_kept = (1..CLOSE.len())
            .rev()
            .find(|n| self.held.ends_with(&CLOSE[..*n]));
        let kept = self.held.split_off(self.held.len() - n_kept.unwrap_or(0));
        give(
            Chunk::Reasoning,
            std::mem::replace(&mut self.held, kept),
            chunks,
        );
    }

    fn behind(&mut self, text: &str, chunks: &mut VecDeque<Chunk>) {
        let text = text.trim_start();
        if !text.is_empty() {
            self.place = Place::Text;
            give(Chunk::Text, text.to_owned(), chunks);
        }
    }
}

fn give(kind: fn(String) -> Chunk, text: String, chunks: &mut VecDeque<Chunk>) {
    if !text.is_empty() {
        chunks.push_back(kind(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(pieces: &[&str]) -> (String, String) {
        let (mut splitter, mut chunks) = (Splitter::default(), VecDeque::new());
        for piece in pieces {
            splitter.push(piece, &mut chunks);
        }
        splitter.finish(&mut chunks);
        let (mut reasoning, mut text) = (String::new(), String::new());
        for chunk in chunks {
            match chunk {
                Chunk::Reasoning(piece) => reasoning.push_str(&piece),
                Chunk::Text(piece) => text.push_str(&piece),
                other => panic!("{other:?}"),
            }
        }
        (reasoning, text)
    }

    #[test]
    fn tags_at_the_front_count_however_they_are_cut() {
        for (whole, reasoning, text) in [
            (
                "\n<think>危険は？ a < b </thin no</think>\n\n承認する。",
                "危険は？ a < b </thin no",
                "承認する。",
            ),
            ("<think></think>x", "", "x"),
            ("I write <think> here", "", "I write <think> here"),
            ("  <thinking> aloud", "", "  <thinking> aloud"),
            ("<think>never closed </th", "never closed </th", ""),
            ("<thi", "", "<thi"),
            ("", "", ""),
        ] {
            let wanted = (reasoning.to_owned(), text.to_owned());
            let letters: Vec<String> = whole.chars().map(String::from).collect();
            let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
            assert_eq!(split(&letters), wanted, "{whole}");
            for at in (0..=whole.len()).filter(|at| whole.is_char_boundary(*at)) {
                assert_eq!(
                    split(&[&whole[..at], &whole[at..]]),
                    wanted,
                    "{whole} cut at {at}"
                );
            }
        }
    }
}
