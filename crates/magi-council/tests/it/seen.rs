//! What a reader saw of a log, against what is stored of it.

#![cfg(test)]

use magi_event::check::{Checker, Mode};
use magi_event::{DeliberationId, Event, Snapshot};
use magi_log::{After, Entry};

/// Tells whether a reader comes back with its cursor.
pub(crate) fn is_passing(error: &magi_log::Error) -> bool {
    matches!(
        error,
        magi_log::Error::Moved | magi_log::Error::Unavailable { .. }
    )
}

/// Prints a log, a line for each event.
pub(crate) fn print(log: &[Entry]) -> String {
    let lines = log
        .iter()
        .map(|entry| String::from_utf8_lossy(entry.json()).into_owned());
    lines.collect::<Vec<_>>().join("\n")
}

/// What one reader saw.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) entries: Vec<Entry>,
}

impl Seen {
    pub(crate) fn place(&self, id: DeliberationId) -> After {
        let last = self.entries.last();
        last.map_or(After::Start(id), |entry| After::Cursor(entry.cursor))
    }

    /// Checks what the reader saw: in itself, against what is stored, and what it comes to.
    pub(crate) fn check(&self, stored: &[Entry], events: &[Event], folded: &Snapshot) {
        let is_same = |one: &Entry, other: &Entry| one.frame == other.frame;
        let pairs = self.entries.iter().zip(stored);
        if self.entries.len() == stored.len()
            && pairs.clone().all(|(one, other)| is_same(one, other))
        {
            return;
        }
        let mut checker = Checker::new(Mode::Reader);
        for entry in &self.entries {
            let place = usize::try_from(entry.cursor.seq - 1).unwrap();
            let is_stored = stored.get(place).is_some_and(|one| is_same(one, entry));
            // Only what was void later, or not yet stored, is not there.
            let own = (!is_stored).then(|| entry.event().unwrap());
            let event = own.as_ref().unwrap_or_else(|| &events[place]);
            if let Err(violation) = checker.entry(entry.cursor, event) {
                panic!("a reader: {violation}\n{}", print(&self.entries));
            }
            assert!(
                is_stored || !event.body.is_milestone(),
                "what a reader saw is not what is stored: {event:?}"
            );
        }
        checker.finish(true).unwrap();
        assert_eq!(checker.snapshot(), folded, "a reader came to another state");
    }
}
