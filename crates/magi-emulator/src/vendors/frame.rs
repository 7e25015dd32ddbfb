//! Events as the vendors write them, and the habits of lesser servers.

use super::plan::{Plan, Split};
use super::words::Quirk;

/// One event: a server-sent one, or a binary frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The `event:` line, which only Anthropic writes.
    pub(crate) event: Option<&'static str>,
    pub(crate) data: String,
    /// A frame that is written as it is, which only Bedrock does.
    binary: Option<Vec<u8>>,
}

impl Frame {
    pub(crate) fn data(data: impl Into<String>) -> Self {
        Frame {
            event: None,
            data: data.into(),
            binary: None,
        }
    }

    pub(crate) fn named(event: &'static str, data: String) -> Self {
        Frame {
            event: Some(event),
            data,
            binary: None,
        }
    }

    pub(crate) fn binary(bytes: Vec<u8>) -> Self {
        Frame {
            event: None,
            data: String::new(),
            binary: Some(bytes),
        }
    }

    /// Writes the event as bytes.
    pub(crate) fn bytes(&self, plan: &Plan) -> Vec<u8> {
        if let Some(bytes) = &self.binary {
            return bytes.clone();
        }
        let space = if plan.has(Quirk::NoSpace) { "" } else { " " };
        let end = if plan.has(Quirk::Crlf) { "\r\n" } else { "\n" };
        let mut text = String::with_capacity(self.data.len() + 48);
        if plan.has(Quirk::Comments) {
            text.push_str(": keep-alive");
            text.push_str(end);
            text.push_str(end);
        }
        if plan.has(Quirk::EmptyFrames) {
            text.push_str("data:");
            text.push_str(end);
            text.push_str(end);
        }
        if let Some(event) = self.event {
            text.push_str("event:");
            text.push_str(space);
            text.push_str(event);
            text.push_str(end);
        }
        text.push_str("data:");
        text.push_str(space);
        text.push_str(&self.data);
        text.push_str(end);
        text.push_str(end);
        text.into_bytes()
    }
}

/// Cuts bytes into the writes that a plan asks for.
pub(crate) fn split(bytes: &[u8], how: Split) -> Vec<&[u8]> {
    match how {
        Split::Whole => vec![bytes],
        Split::Bytes => bytes.chunks(1).collect(),
        Split::Utf8 => {
            let mut parts = Vec::new();
            let mut from = 0;
            for (at, byte) in bytes.iter().enumerate() {
                // A continuation byte: the write before it ends inside the character.
                if byte & 0xc0 == 0x80 && at > from {
                    parts.push(&bytes[from..at]);
                    from = at;
                }
            }
            parts.push(&bytes[from..]);
            parts
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_lose_nothing_and_cut_every_character() {
        let text = "a案b🙂".as_bytes();
        for how in [Split::Whole, Split::Bytes, Split::Utf8] {
            assert_eq!(split(text, how).concat(), text);
        }
        assert_eq!(split(text, Split::Utf8).len(), 6);
    }
}
