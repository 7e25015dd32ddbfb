//! Server-sent events: the frame we write, and a decoder for any stream of them.
//!
//! Source: HTML standard, section 9.2 "Server-sent events".

use bytes::{BufMut, Bytes, BytesMut};

use crate::Cursor;

/// What every event stream begins with: how long a reader waits before it connects again, in ms.
pub const RETRY: &[u8] = b"retry: 1000\n\n";

/// A comment that keeps a silent connection alive; readers see nothing of it.
pub const HEARTBEAT: &[u8] = b": hb\n\n";

/// Returns the frame of one event: `id`, exactly one `data` line, a blank line.
///
/// `json` must be one line; an event's JSON is. There is no `event` line, so that every reader of
/// `message` events works.
#[must_use]
pub fn frame(id: Cursor, json: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(json.len() + 64);
    frame.put_slice(b"id: ");
    frame.put_slice(id.to_string().as_bytes());
    frame.put_slice(b"\ndata: ");
    frame.put_slice(json);
    frame.put_slice(b"\n\n");
    frame.freeze()
}

/// Returns the frame of data that has no place in a log, such as a door's error.
#[must_use]
pub fn data_frame(json: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(json.len() + 8);
    frame.put_slice(b"data: ");
    frame.put_slice(json);
    frame.put_slice(b"\n\n");
    frame.freeze()
}

/// One decoded message of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The `id` field in force: this message's own, else the last one before it.
    pub id: Option<String>,
    /// The `event` field, if any.
    pub event: Option<String>,
    /// The `data` lines, joined by line feeds; bytes that are not UTF-8 read as U+FFFD.
    pub data: String,
}

/// A line or message grew past the decoder's bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a server-sent event is longer than {limit} bytes")]
pub struct TooLong {
    /// The bound, in bytes.
    pub limit: usize,
}

/// Turns bytes, split anywhere, into messages. Memory stays under about twice the limit.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    /// The line being read, without its end.
    line: Vec<u8>,
    /// The last byte was a CR: a LF that follows belongs to the same line end.
    after_cr: bool,
    /// No line has ended yet: a byte order mark may stand at its front.
    first_line: bool,
    data: Vec<u8>,
    has_data: bool,
    event: Option<String>,
    id: Option<String>,
    retry_ms: Option<u64>,
}

impl Decoder {
    /// Makes a decoder that refuses a line or message of more than `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Decoder {
            limit,
            line: Vec::new(),
            after_cr: false,
            first_line: true,
            data: Vec::new(),
            has_data: false,
            event: None,
            id: None,
            retry_ms: None,
        }
    }

    /// Returns the reconnection time the stream asked for last, in milliseconds.
    #[must_use]
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    /// Reads more bytes and hands every message they complete to `sink`, in order.
    ///
    /// What the stream leaves unfinished at its end is never handed over.
    ///
    /// # Errors
    ///
    /// When a line or message is longer than the limit; the decoder is of no use afterwards.
    pub fn push(&mut self, bytes: &[u8], mut sink: impl FnMut(Message)) -> Result<(), TooLong> {
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            if std::mem::take(&mut self.after_cr) && *first == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                return self.extend_line(rest);
            };
            self.extend_line(&rest[..end])?;
            self.after_cr = rest[end] == b'\r';
            rest = &rest[end + 1..];
            if let Some(message) = self.end_line()? {
                sink(message);
            }
        }
        Ok(())
    }

    fn extend_line(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.line.len() + bytes.len() > self.limit {
            return Err(TooLong { limit: self.limit });
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self) -> Result<Option<Message>, TooLong> {
        let line = std::mem::take(&mut self.line);
        let mut text = line.as_slice();
        if std::mem::take(&mut self.first_line) {
            text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
        }
        let message = if text.is_empty() {
            self.dispatch()
        } else {
            self.field(text).map(|()| None)?
        };
        // The buffer is kept, so that a long stream allocates for its lines only once.
        self.line = line;
        self.line.clear();
        Ok(message)
    }

    fn field(&mut self, line: &[u8]) -> Result<(), TooLong> {
        let colon = line
            .iter()
            .position(|byte| *byte == b':')
            .unwrap_or(line.len());
        let name = &line[..colon];
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => self.add_data(value)?,
            b"event" => self.event = Some(String::from_utf8_lossy(value).into_owned()),
            b"id" if !value.contains(&0) => {
                self.id = Some(String::from_utf8_lossy(value).into_owned());
            }
            b"retry" => self.set_retry(value),
            _ => {} // A comment (empty name) or a field the standard says to ignore.
        }
        Ok(())
    }

    fn add_data(&mut self, value: &[u8]) -> Result<(), TooLong> {
        if self.data.len() + value.len() + 1 > self.limit {
            return Err(TooLong { limit: self.limit });
        }
        if self.has_data {
            self.data.push(b'\n');
        }
        self.data.extend_from_slice(value);
        self.has_data = true;
        Ok(())
    }

    fn set_retry(&mut self, digits: &[u8]) {
        let text = std::str::from_utf8(digits).unwrap_or_default();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            self.retry_ms = text.parse().ok();
        }
    }

    fn dispatch(&mut self) -> Option<Message> {
        let event = self.event.take();
        if !std::mem::take(&mut self.has_data) {
            return None;
        }
        let data = String::from_utf8_lossy(&self.data).into_owned();
        self.data.clear();
        Some(Message {
            id: self.id.clone(),
            event,
            data,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(chunks: &[&[u8]]) -> Vec<Message> {
        let mut decoder = Decoder::new(1 << 16);
        let mut messages = Vec::new();
        for chunk in chunks {
            decoder
                .push(chunk, |message| messages.push(message))
                .unwrap();
        }
        messages
    }

    const STREAM: &str = "\u{feff}retry: 1000\n\n: hb\r\n\r\nid: a.1.1\rdata: 賛成\r\rdata:one\ndata\n\
        data:  two\n\nevent: x\nid: \ndata: 😀\r\n\nfoo: bar\n\ndata: lost";

    #[test]
    fn fields_comments_and_line_ends_follow_the_standard() {
        let messages = decode(&[STREAM.as_bytes()]);
        let data: Vec<_> = messages
            .iter()
            .map(|message| message.data.as_str())
            .collect();
        assert_eq!(data, ["賛成", "one\n\n two", "😀"]);
        assert_eq!(messages[0].id.as_deref(), Some("a.1.1"));
        assert_eq!(messages[1].id.as_deref(), Some("a.1.1"));
        assert_eq!(messages[2].id.as_deref(), Some(""));
        assert_eq!(messages[2].event.as_deref(), Some("x"));
    }

    #[test]
    fn every_two_cuts_give_the_same_messages() {
        let bytes = STREAM.as_bytes();
        let whole = decode(&[bytes]);
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let parts = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                assert_eq!(decode(&parts), whole, "cut at {first} and {second}");
            }
        }
        assert_eq!(decode(&bytes.chunks(1).collect::<Vec<_>>()), whole);
    }

    #[test]
    fn a_cr_at_one_chunks_end_and_two_lfs_after_it_are_a_line_end_and_a_blank_line() {
        assert_eq!(decode(&[b"data: a\r", b"\n\n"]).len(), 1);
        assert_eq!(decode(&[b"data: a\r", b"", b"\n", b"\n"]).len(), 1);
    }

    #[test]
    fn a_stream_without_line_ends_is_refused_not_kept() {
        let mut decoder = Decoder::new(1024);
        let refused = (0..100).find_map(|_| decoder.push(&[b'x'; 64], |_| {}).err());
        assert_eq!(refused, Some(TooLong { limit: 1024 }));
        let mut decoder = Decoder::new(1024);
        let refused =
            (0..100).find_map(|_| decoder.push(b"data: yyyyyyyyyyyyyyyy\n", |_| {}).err());
        assert_eq!(refused, Some(TooLong { limit: 1024 }));
    }

    #[test]
    fn our_own_frame_decodes() {
        let id = "01KAQ8E5WC000000000000000A.1.42";
        let frame = frame(id.parse().unwrap(), br#"{"type":"x"}"#);
        assert_eq!(
            decode(&[&frame]),
            [Message {
                id: Some(id.to_owned()),
                event: None,
                data: r#"{"type":"x"}"#.to_owned()
            }]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_cut_anywhere_give_the_same_messages(
            bytes in proptest::collection::vec(prop_oneof![
                Just(b'\n'), Just(b'\r'), Just(b':'), Just(b'd'), any::<u8>()], 0..200),
            cut in 0usize..200,
        ) {
            let cut = cut.min(bytes.len());
            prop_assert_eq!(decode(&[&bytes]), decode(&[&bytes[..cut], &bytes[cut..]]));
        }
    }
}
