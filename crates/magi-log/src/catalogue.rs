//! The catalogue beside the logs: what was asked, how it ended, and how to find it again.

use std::collections::BTreeMap;
use std::sync::Arc;

use magi_event::{DeliberationId, FinalDecision, Status, Timestamp};

use crate::logs::Inner;
use crate::store::{SavePreset, StoredPreset};
use crate::{Error, Facts, search};

/// The most rows of one page.
pub const LIST_LIMIT: usize = 200;

/// What to list. The default lists everything, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// Words that must all be found in the question, the context, what the council said and decided, or what a
    /// person wrote beside it.
    pub q: Option<String>,
    /// Only those with this verdict.
    pub verdict: Option<FinalDecision>,
    /// Only those with this status.
    pub status: Option<Status>,
    /// Only those of this preset.
    pub preset: Option<String>,
    /// Only those of this conversation.
    pub conversation_id: Option<String>,
    /// Only those that go on from this one.
    pub fork_of: Option<DeliberationId>,
    /// Only those asked at or after this instant.
    pub from: Option<Timestamp>,
    /// Only those asked before this instant.
    pub to: Option<Timestamp>,
    /// Only those older than this one: the last row of the page before.
    pub before: Option<DeliberationId>,
    /// The most rows to return, 1 to [`LIST_LIMIT`]; 0 means 50.
    pub limit: usize,
}

/// The rows of a page when the caller does not say.
const LIST_DEFAULT: usize = 50;

impl Query {
    /// Returns the conditions of `q`; `Some` of nothing finds nothing.
    pub(crate) fn terms(&self) -> Option<Vec<search::Term>> {
        let q = self.q.as_deref()?.trim();
        (!q.is_empty()).then(|| search::query(q))
    }

    pub(crate) fn limit(&self) -> usize {
        match self.limit {
            0 => LIST_DEFAULT,
            limit => limit.min(LIST_LIMIT),
        }
    }
}

/// One deliberation, as the catalogue knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The deliberation.
    pub id: DeliberationId,
    /// When it was asked.
    pub created_at: Timestamp,
    /// When its last stored event happened.
    pub last_event_at: Timestamp,
    /// The title.
    pub title: String,
    /// The question, as asked.
    pub question: String,
    /// The language of prompts and answers: `ja` or `en`.
    pub lang: String,
    /// The preset's name, or `custom`.
    pub preset: String,
    /// The conversation it belongs to.
    pub conversation_id: Option<String>,
    /// The deliberation it goes on from.
    pub fork_of: Option<DeliberationId>,
    /// What a person decided in the end, in their words.
    pub my_decision: Option<String>,
    /// How it turned out, in their words.
    pub outcome: Option<String>,
    /// What follows from its events.
    pub facts: Facts,
}

impl Row {
    /// Returns all that a person wrote beside it, to be found by.
    pub(crate) fn beside(&self) -> String {
        let own = [
            Some(&self.title),
            self.my_decision.as_ref(),
            self.outcome.as_ref(),
        ];
        let own: Vec<&str> = own.into_iter().flatten().map(String::as_str).collect();
        own.join("\n")
    }
}

/// A page of the catalogue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// The rows, newest first.
    pub rows: Vec<Row>,
    /// What to give as [`Query::before`] for the next page; absent on the last one.
    pub next: Option<DeliberationId>,
}

/// What a person changes of a row: an absent field stays, an inner `None` clears it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// The title.
    pub title: Option<String>,
    /// What the person decided.
    pub my_decision: Option<Option<String>>,
    /// How it turned out.
    pub outcome: Option<Option<String>>,
}

/// What has been over for so long that it may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// The last event must be older than this.
    pub before: Timestamp,
    /// Whether what a person wrote a decision or an outcome to stays.
    pub spares_marked: bool,
    /// The most that go in one call.
    pub most: usize,
}

/// The catalogue. Cheap to clone.
#[derive(Clone)]
pub struct Catalogue {
    pub(crate) inner: Arc<Inner>,
}

impl Expiry {
    fn takes(&self, row: &Row) -> bool {
        let is_marked = row.my_decision.is_some() || row.outcome.is_some();
        row.facts.status.is_over()
            && row.last_event_at < self.before
            && !(self.spares_marked && is_marked)
    }
}

impl Catalogue {
    /// Lists deliberations, newest first.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the store does not answer.
    pub async fn list(&self, query: Query) -> Result<Rows, Error> {
        self.inner.store.list(query).await
    }

    /// Reads one row.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] when there is no such deliberation.
    pub async fn get(&self, id: DeliberationId) -> Result<Row, Error> {
        self.inner.store.row(id).await
    }

    /// Changes what a person may change, and returns the row.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] when there is no such deliberation.
    pub async fn patch(&self, id: DeliberationId, patch: Patch) -> Result<Row, Error> {
        self.inner.store.patch(id, patch).await
    }

    /// Deletes a deliberation: events, index and all; only that its key was used is kept. A writer
    /// of it is closed, a reader of it gets [`Error::Unknown`].
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] when there is no such deliberation.
    pub async fn delete(&self, id: DeliberationId) -> Result<(), Error> {
        self.inner
            .store
            .delete(id, self.inner.env.clock.now())
            .await?;
        self.inner.forget(id);
        Ok(())
    }

    /// Deletes deliberations that have been over for long, as [`Catalogue::delete`] does, and returns
    /// which. One that is running or paused never goes. As long as as many go as may in one call,
    /// there may be more.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the store does not answer; some may be deleted then.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have deleted some.
    pub async fn expire(&self, expiry: &Expiry) -> Result<Vec<DeliberationId>, Error> {
        let mut query = Query {
            // What was asked later cannot have ended earlier.
            before: Some(DeliberationId::new(expiry.before, 0)),
            limit: LIST_LIMIT,
            ..Query::default()
        };
        let mut gone = Vec::new();
        loop {
            let page = self.list(query.clone()).await?;
            for row in page.rows.iter().filter(|row| expiry.takes(row)) {
                if gone.len() >= expiry.most {
                    return Ok(gone);
                }
                match self.delete(row.id).await {
                    Ok(()) => gone.push(row.id),
                    // Somebody else was faster.
                    Err(Error::Unknown(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            match page.next {
                Some(next) => query.before = Some(next),
                None => return Ok(gone),
            }
        }
    }

    /// Lists the newest version of every preset that a person made and did not delete, by name.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the store does not answer.
    pub async fn presets(&self) -> Result<Vec<StoredPreset>, Error> {
        self.inner.store.presets().await
    }

    /// Reads one version of a preset that a person made, also of a deleted one; without a number the
    /// newest of one that is not deleted.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the store does not answer.
    pub async fn preset(
        &self,
        name: &str,
        version: Option<u32>,
    ) -> Result<Option<StoredPreset>, Error> {
        self.inner.store.preset(name.to_owned(), version).await
    }

    /// Counts the deliberations that are kept, by the name of their preset.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the store does not answer.
    pub async fn preset_uses(&self) -> Result<BTreeMap<String, u64>, Error> {
        self.inner.store.preset_uses().await
    }

    /// Saves the next version of a preset. `if_version` is the newest one that the writer knows, 0
    /// for none. The same content again changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::PresetChanged`] when somebody else saved meanwhile; [`Error::Unavailable`].
    pub async fn save_preset(
        &self,
        name: &str,
        content: String,
        if_version: Option<u32>,
    ) -> Result<StoredPreset, Error> {
        let save = SavePreset {
            name: name.to_owned(),
            content,
            if_version,
            at: self.inner.env.clock.now(),
        };
        self.inner.store.save_preset(save).await
    }

    /// Hides a preset, whose versions are still found by their numbers; tells whether there was one.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the store does not answer.
    pub async fn delete_preset(&self, name: &str) -> Result<bool, Error> {
        let now = self.inner.env.clock.now();
        self.inner.store.delete_preset(name.to_owned(), now).await
    }
}

impl std::fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalogue").finish_non_exhaustive()
    }
}
