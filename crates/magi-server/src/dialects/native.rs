//! `native`: the events as they are, one frame each. The log has encoded them once already, so a
//! stream in this dialect sends its bytes; this fold is for a record, which has only the events.

use magi_event::Event;

use super::Fold;

/// The fold without a state.
#[derive(Clone, Copy, Debug, Default)]
pub struct Native;

impl Fold for Native {
    fn step(&mut self, event: &Event) -> Vec<String> {
        // An event's JSON is UTF-8 by construction.
        String::from_utf8(event.to_json()).into_iter().collect()
    }
}
