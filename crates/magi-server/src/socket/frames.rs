//! Packs events into messages of bounded length.

use magi_event::Cursor;
use magi_log::Entry;

/// A message is shorter than this, in bytes.
const LIMIT: usize = 16 * 1024;

const HEAD: &str = r#"{"type":"events","events":["#;
const TAIL: &str = "]}";

/// Packs events into messages, in order; long ones come in parts.
pub(super) fn pack(entries: &[Entry]) -> Vec<String> {
    let events = entries
        .iter()
        .map(|entry| (entry.cursor, String::from_utf8_lossy(entry.json())));
    pack_texts(events)
}

fn pack_texts<T: AsRef<str>>(events: impl Iterator<Item = (Cursor, T)>) -> Vec<String> {
    let mut messages = Vec::new();
    let mut open = String::new();
    for (cursor, json) in events {
        let json = json.as_ref();
        let item = format!(r#"{{"id":"{cursor}","event":{json}}}"#);
        if !open.is_empty() && open.len() + 1 + item.len() + TAIL.len() >= LIMIT {
            messages.push(std::mem::take(&mut open) + TAIL);
        }
        if HEAD.len() + item.len() + TAIL.len() >= LIMIT {
            messages.extend(parts(cursor, json));
            continue;
        }
        open.push_str(if open.is_empty() { HEAD } else { "," });
        open.push_str(&item);
    }
    if !open.is_empty() {
        messages.push(open + TAIL);
    }
    messages
}

/// Cuts one event's JSON into parts.
fn parts(cursor: Cursor, json: &str) -> Vec<String> {
    // What stands around the text, with numbers of any length, is far below this.
    let texts = cut(json, LIMIT - 256);
    let n_parts = texts.len();
    texts
        .iter()
        .enumerate()
        .map(|(at, text)| {
            let part = at + 1;
            let text = serde_json::Value::from(*text);
            format!(
                r#"{{"type":"part","id":"{cursor}","part":{part},"parts":{n_parts},"text":{text}}}"#
            )
        })
        .collect()
}

/// Cuts a text so that each piece, written as a JSON string, takes at most `limit` bytes.
fn cut(text: &str, limit: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut from, mut length) = (0, 2);
    for (at, char) in text.char_indices() {
        let written = match char {
            '"' | '\\' => 2,
            char if char.is_control() => 6,
            char => char.len_utf8(),
        };
        if length + written > limit {
            pieces.push(&text[from..at]);
            (from, length) = (at, 2);
        }
        length += written;
    }
    pieces.push(&text[from..]);
    pieces
}

#[cfg(test)]
mod tests {
    use magi_event::DeliberationId;
    use serde_json::Value;

    use super::*;

    fn cursor(seq: u64) -> Cursor {
        Cursor {
            seq,
            ..Cursor::start(DeliberationId::new(
                magi_event::Timestamp::from_millis(5),
                7,
            ))
        }
    }

    /// Reads messages back into (id, event) pairs.
    fn unpack(messages: &[String]) -> Vec<(String, Value)> {
        let mut events = Vec::new();
        let mut pending = String::new();
        for message in messages {
            assert!(message.len() < LIMIT, "{}", message.len());
            let message: Value = serde_json::from_str(message).unwrap();
            let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
            if message["type"] == "events" {
                for item in message["events"].as_array().unwrap() {
                    events.push((id(item), item["event"].clone()));
                }
                continue;
            }
            pending.push_str(message["text"].as_str().unwrap());
            if message["part"] == message["parts"] {
                let json = std::mem::take(&mut pending);
                events.push((id(&message), serde_json::from_str(&json).unwrap()));
            }
        }
        assert!(pending.is_empty());
        events
    }

    #[test]
    fn events_of_any_length_read_back_in_order_and_every_message_is_short() {
        let mut random = fastrand::Rng::with_seed(7);
        let letters: Vec<char> = "ab\"\\\n可😀\u{1}".chars().collect();
        for _ in 0..8 {
            let events: Vec<(Cursor, String)> = (1..40)
                .map(|seq| {
                    let length = if random.u8(..) < 30 {
                        random.usize(10_000..60_000)
                    } else {
                        random.usize(0..900)
                    };
                    let text: String = (0..length)
                        .map(|_| letters[random.usize(..letters.len())])
                        .collect();
                    (cursor(seq), serde_json::json!({ "text": text }).to_string())
                })
                .collect();
            let expected: Vec<(String, Value)> = events
                .iter()
                .map(|(cursor, json)| (cursor.to_string(), serde_json::from_str(json).unwrap()))
                .collect();
            assert_eq!(unpack(&pack_texts(events.into_iter())), expected);
        }
    }

    #[test]
    fn a_burst_of_tokens_is_one_message() {
        let events = (1..50).map(|seq| (cursor(seq), r#"{"type":"agent_chunk"}"#));
        assert_eq!(pack_texts(events).len(), 1);
    }
}
