//! The reading end of a log: a cursor and nothing else.

use std::sync::Arc;

use magi_event::{Cursor, DeliberationId};
use tokio::sync::watch;

use crate::live::{Found, Live};
use crate::logs::Inner;
use crate::store::{Generation, Head};
use crate::{Batch, Closed, Entry, Error};

/// How far a cursor may be ahead of what is stored while another process, or one that died, may
/// have shown more: the events of a full unstored part, generously.
const UNSTORED_EVENTS: u64 = 65_536;

/// Events in order, as many as were ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The events; empty only at the end.
    pub entries: Vec<Entry>,
    /// Whether the log is over and nothing follows.
    pub end: bool,
}

/// A place in a log from which events are read. It holds no queue: a slow reader only falls behind.
pub struct Reader {
    inner: Arc<Inner>,
    cursor: Cursor,
    source: Source,
}

/// Where a reader reads.
enum Source {
    /// This process writes the log, or just did.
    Here(Arc<Live>, watch::Receiver<()>),
    /// The store alone; the receiver rings when this process opens any log.
    Store(watch::Receiver<()>),
}

impl Reader {
    /// Opens a reader after `cursor`, if the log can be read from there.
    pub(crate) async fn open(inner: Arc<Inner>, cursor: Cursor) -> Result<Reader, Error> {
        let opened = inner.opened.subscribe();
        let mut reader = Reader {
            inner,
            cursor,
            source: Source::Store(opened),
        };
        if !reader.attach()? {
            let head = reader.inner.store.head(cursor.deliberation).await?;
            // What was shown of an unfinished log and not stored is void with the next generation,
            // whose `rewind` then says so: such a cursor is not wrong yet.
            let slack = if head.is_over() { 0 } else { UNSTORED_EVENTS };
            reader.check(&head.generations, head.last_seq + slack, head.cursor())?;
            reader.kept(&head)?;
        }
        Ok(reader)
    }

    /// Returns the place of the last event served.
    #[must_use]
    pub const fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Waits for events and returns them.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] when the deliberation was deleted, [`Error::Moved`] when another owner or
    /// process goes on with it, [`Error::Unavailable`] when the store fails: the stream then ends
    /// without a last event and the reader connects again with its cursor. [`Error::Gone`] and
    /// [`Error::Corrupt`] when the stored part does not read.
    ///
    /// # Cancel safety
    ///
    /// Safe: the place moves only when a page is returned.
    pub async fn next(&mut self) -> Result<Page, Error> {
        loop {
            self.attach()?;
            let page = match &mut self.source {
                Source::Here(live, bell) => {
                    bell.borrow_and_update();
                    match live.find(self.cursor.seq) {
                        Found::Page(entries, end) => Page { entries, end },
                        Found::Older => self.stored_page().await?,
                        Found::Nothing => {
                            // The sender lives in `live`, which this reader holds.
                            let _ = bell.changed().await;
                            continue;
                        }
                        Found::Closed(closed) => return Err(self.end_of(closed)),
                    }
                }
                Source::Store(_) => match self.follow().await? {
                    Some(page) => page,
                    None => continue,
                },
            };
            if let Some(last) = page.entries.last() {
                self.cursor = last.cursor;
            }
            return Ok(page);
        }
    }

    /// Joins the log in this process, if it is written here. Tells whether it is.
    fn attach(&mut self) -> Result<bool, Error> {
        let Source::Store(opened) = &mut self.source else {
            return Ok(true);
        };
        opened.borrow_and_update();
        let live = self.inner.live(self.cursor.deliberation);
        // A log this process wrote in an older generation than the reader saw was taken over
        // elsewhere, and this process has not noticed yet: the store knows better.
        let Some(live) = live.filter(|live| live.generation >= self.cursor.generation) else {
            return Ok(false);
        };
        let newest = Cursor {
            deliberation: live.id,
            generation: live.generation,
            seq: live.visible(),
        };
        // Who followed the stored events elsewhere may know a commit before its writer does.
        self.check(&live.generations, live.appended(), newest)?;
        let bell = live.bell.subscribe();
        self.source = Source::Here(live, bell);
        Ok(true)
    }

    /// Moves the cursor to what it means in the log's generations.
    fn check(&mut self, generations: &[Generation], end: u64, newest: Cursor) -> Result<(), Error> {
        let cursor = self.cursor;
        let ahead = Error::Ahead { cursor, newest };
        let following = generations
            .iter()
            .find(|generation| generation.number > cursor.generation);
        match following {
            Some(next) => self.cursor.seq = cursor.seq.min(next.first_seq - 1),
            None if cursor.generation > newest.generation => return Err(ahead),
            None if cursor.seq > end => return Err(ahead),
            None => {}
        }
        Ok(())
    }

    fn kept(&self, head: &Head) -> Result<(), Error> {
        let next = self.cursor.seq + 1;
        if next >= head.first_kept || head.last_seq < head.first_kept {
            return Ok(());
        }
        let generation = head
            .generations
            .iter()
            .rev()
            .find(|generation| generation.first_seq <= head.first_kept);
        Err(Error::Gone {
            first_kept: Cursor {
                deliberation: head.id,
                generation: generation.map_or(1, |generation| generation.number),
                seq: head.first_kept,
            },
        })
    }

    /// Reads the store once: a page, the end, or `None` after a while without news.
    async fn follow(&mut self) -> Result<Option<Page>, Error> {
        let head = self.inner.store.head(self.cursor.deliberation).await?;
        // A takeover since the last look turns a place that was never stored into the end of its
        // generation.
        self.check(&head.generations, u64::MAX, head.cursor())?;
        if self.cursor.seq < head.last_seq {
            self.kept(&head)?;
            return self.stored_page().await.map(Some);
        }
        if head.is_over() {
            return Ok(Some(Page {
                entries: Vec::new(),
                end: true,
            }));
        }
        if let Source::Store(opened) = &mut self.source {
            let _ = tokio::time::timeout(self.inner.options.poll, opened.changed()).await;
        }
        Ok(None)
    }

    /// Reads the next page of what is stored. There is one.
    async fn stored_page(&self) -> Result<Page, Error> {
        let (id, after) = (self.cursor.deliberation, self.cursor.seq);
        let batches = self.inner.store.batches(id, after).await?;
        let entries = unpack(id, after, &batches)?;
        if entries.is_empty() {
            // The head said that there is more: a row is gone.
            return match self.inner.store.head(id).await {
                Ok(head) => {
                    self.kept(&head)?;
                    Err(missing(id, after))
                }
                Err(error) => Err(error),
            };
        }
        let end = entries.last().is_some_and(Entry::is_last);
        Ok(Page { entries, end })
    }

    fn end_of(&self, closed: Closed) -> Error {
        match closed {
            Closed::Deleted | Closed::KeyTaken => Error::Unknown(self.cursor.deliberation),
            Closed::Unavailable => Error::unavailable("a batch could not be committed in time"),
            Closed::Damaged => self.inner.store.damage().unwrap_or(Error::Closed(closed)),
            Closed::Fenced | Closed::Released | Closed::Ended => Error::Moved,
        }
    }
}

fn missing(id: DeliberationId, after: u64) -> Error {
    Error::Corrupt {
        id,
        what: format!("event {} is missing", after + 1),
    }
}

/// Reads batches into at most a page of entries after `after`, and checks that none is missing: a page
/// is full by number or by bytes, whichever comes first, so that a reader of long events costs no
/// more than one of short ones.
pub(crate) fn unpack(
    id: DeliberationId,
    after: u64,
    batches: &[Batch],
) -> Result<Vec<Entry>, Error> {
    let mut entries = Vec::new();
    let mut next = after + 1;
    for batch in batches {
        if batch.first_seq > next {
            return Err(missing(id, next - 1));
        }
        entries.extend(batch.unpack(id, next - 1)?);
        next = next.max(batch.last_seq + 1);
    }
    let mut bytes = 0;
    let page = entries
        .iter()
        .take(crate::batch::PAGE_EVENTS)
        .take_while(|entry| {
            let room = bytes < crate::live::PAGE_BYTES;
            bytes += entry.frame.len();
            room
        })
        .count();
    entries.truncate(page);
    Ok(entries)
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use magi_event::{Body, Delta, Event, Sage, Timestamp};

    use super::*;
    use crate::live::PAGE_BYTES;

    #[test]
    fn a_page_of_long_events_is_full_by_its_bytes() {
        let id = DeliberationId::new(Timestamp::from_millis(1), 1);
        let entry = |seq| {
            let text = "x".repeat(8 * 1024);
            let body = Body::AgentChunk(Sage::Caspar, Delta { text });
            let event = Event {
                seq,
                timestamp: Timestamp::from_millis(5),
                trace_id: id,
                body,
            };
            Entry::new(&event, 1)
        };
        let entries: Vec<_> = (1..=200).map(entry).collect();
        let batches = Batch::pack(id, &entries);
        let mut read = Vec::new();
        while read.len() < entries.len() {
            let page = unpack(id, read.len() as u64, &batches).unwrap();
            let bytes: usize = page.iter().map(|entry| entry.frame.len()).sum();
            assert!(!page.is_empty() && bytes < PAGE_BYTES + 9 * 1024, "{bytes}");
            read.extend(page.into_iter().map(|entry| entry.frame));
        }
        let frames: Vec<_> = entries.into_iter().map(|entry| entry.frame).collect();
        assert_eq!(read, frames);
    }
}
