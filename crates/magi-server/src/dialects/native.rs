//! `native`: the events as they are, one frame each. The log has encoded them once already, so a
//! reader of this dialect never needs this fold; it stands here for those who have only the event.

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
