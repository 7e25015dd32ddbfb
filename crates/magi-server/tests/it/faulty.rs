//! A store that can be taken down: every call then fails, as on a disk that is full.

#![cfg(test)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, ready};
use magi_event::{DeliberationId, Timestamp};
use magi_log::{
    Batch, Error, Head, Keyed, MemoryStore, Patch, PostedVerb, Query, Row, Rows, SavePreset, Store,
    StoredPreset, Write,
};

/// A store that can be taken down. Clones are the same store.
#[derive(Clone)]
pub(crate) struct Faulty {
    store: Arc<MemoryStore>,
    down: Arc<AtomicBool>,
}

impl Faulty {
    pub(crate) fn over(store: MemoryStore) -> Self {
        Faulty {
            store: Arc::new(store),
            down: Arc::new(AtomicBool::new(false)),
        }
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    pub(crate) fn is_down(&self) -> bool {
        self.down.load(Ordering::SeqCst)
    }

    fn guard<'a, T: Send + 'a>(
        &'a self,
        answer: impl FnOnce(&'a MemoryStore) -> BoxFuture<'a, Result<T, Error>>,
    ) -> BoxFuture<'a, Result<T, Error>> {
        if self.is_down() {
            let reason = "the disk is full".to_owned();
            ready(Err(Error::Unavailable { reason })).boxed()
        } else {
            answer(&self.store)
        }
    }
}

impl Store for Faulty {
    fn owner(&self) -> &str {
        self.store.owner()
    }

    fn write(&self, write: Arc<Write>) -> BoxFuture<'_, Result<(), Error>> {
        self.guard(|store| store.write(write))
    }

    fn head(&self, id: DeliberationId) -> BoxFuture<'_, Result<Head, Error>> {
        self.guard(|store| store.head(id))
    }

    fn batches(&self, id: DeliberationId, after: u64) -> BoxFuture<'_, Result<Vec<Batch>, Error>> {
        self.guard(|store| store.batches(id, after))
    }

    fn setup(&self, id: DeliberationId) -> BoxFuture<'_, Result<Bytes, Error>> {
        self.guard(|store| store.setup(id))
    }

    fn lookup_key(
        &self,
        identity: String,
        key: String,
    ) -> BoxFuture<'_, Result<Option<Keyed>, Error>> {
        self.guard(|store| store.lookup_key(identity, key))
    }

    fn unfinished(&self) -> BoxFuture<'_, Result<Vec<Head>, Error>> {
        self.guard(MemoryStore::unfinished)
    }

    fn renew(&self, until: Timestamp) -> BoxFuture<'_, Result<Vec<(DeliberationId, u32)>, Error>> {
        self.guard(|store| store.renew(until))
    }

    fn release(
        &self,
        id: DeliberationId,
        generation: u32,
        alive: bool,
    ) -> BoxFuture<'_, Result<(), Error>> {
        self.guard(|store| store.release(id, generation, alive))
    }

    fn resign(&self) {
        self.store.resign();
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.store.close()
    }

    fn post(&self, id: DeliberationId, verb: PostedVerb) -> BoxFuture<'_, Result<(), Error>> {
        self.guard(|store| store.post(id, verb))
    }

    fn take_posted(&self) -> BoxFuture<'_, Result<Vec<(DeliberationId, PostedVerb)>, Error>> {
        self.guard(MemoryStore::take_posted)
    }

    fn list(&self, query: Query) -> BoxFuture<'_, Result<Rows, Error>> {
        self.guard(|store| store.list(query))
    }

    fn row(&self, id: DeliberationId) -> BoxFuture<'_, Result<Row, Error>> {
        self.guard(|store| store.row(id))
    }

    fn patch(&self, id: DeliberationId, patch: Patch) -> BoxFuture<'_, Result<Row, Error>> {
        self.guard(|store| store.patch(id, patch))
    }

    fn delete(&self, id: DeliberationId, at: Timestamp) -> BoxFuture<'_, Result<(), Error>> {
        self.guard(|store| store.delete(id, at))
    }

    fn presets(&self) -> BoxFuture<'_, Result<Vec<StoredPreset>, Error>> {
        self.guard(MemoryStore::presets)
    }

    fn preset(
        &self,
        name: String,
        version: Option<u32>,
    ) -> BoxFuture<'_, Result<Option<StoredPreset>, Error>> {
        self.guard(|store| store.preset(name, version))
    }

    fn preset_uses(&self) -> BoxFuture<'_, Result<BTreeMap<String, u64>, Error>> {
        self.guard(MemoryStore::preset_uses)
    }

    fn save_preset(&self, save: SavePreset) -> BoxFuture<'_, Result<StoredPreset, Error>> {
        self.guard(|store| store.save_preset(save))
    }

    fn delete_preset(&self, name: String, at: Timestamp) -> BoxFuture<'_, Result<bool, Error>> {
        self.guard(|store| store.delete_preset(name, at))
    }
}
