//! A store that can be taken down: every call then fails, as on a disk that is full. It can be slow, and
//! keep what it was given without saying so.

#![cfg(test)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

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
    /// How long a write takes, in milliseconds.
    slow: Arc<AtomicU64>,
    /// How many of the next writes are made and not confirmed.
    unconfirmed: Arc<AtomicU64>,
    /// How long it takes to read a setup, in milliseconds.
    slow_setup: Arc<AtomicU64>,
}

impl Faulty {
    pub(crate) fn over(store: MemoryStore) -> Self {
        Faulty {
            store: Arc::new(store),
            down: Arc::new(AtomicBool::new(false)),
            slow: Arc::new(AtomicU64::new(0)),
            unconfirmed: Arc::new(AtomicU64::new(0)),
            slow_setup: Arc::new(AtomicU64::new(0)),
        }
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    pub(crate) fn set_slow(&self, write: Duration) {
        let ms = u64::try_from(write.as_millis()).unwrap();
        self.slow.store(ms, Ordering::SeqCst);
    }

    /// Lets the next `n` writes be made without anybody learning of it.
    pub(crate) fn lose_confirmations(&self, n: u64) {
        self.unconfirmed.store(n, Ordering::SeqCst);
    }

    /// Tells whether this write's confirmation is lost.
    fn is_unconfirmed(&self) -> bool {
        let less = |left: u64| left.checked_sub(1);
        let left = self
            .unconfirmed
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        left.is_ok()
    }

    pub(crate) fn set_slow_setup(&self, read: Duration) {
        let ms = u64::try_from(read.as_millis()).unwrap();
        self.slow_setup.store(ms, Ordering::SeqCst);
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
        let wait = Duration::from_millis(self.slow.load(Ordering::SeqCst));
        async move {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            self.guard(|store| store.write(write)).await?;
            if self.is_unconfirmed() {
                let reason = "the connection broke before the answer".to_owned();
                return Err(Error::Unavailable { reason });
            }
            Ok(())
        }
        .boxed()
    }

    fn head(&self, id: DeliberationId) -> BoxFuture<'_, Result<Head, Error>> {
        self.guard(|store| store.head(id))
    }

    fn batches(&self, id: DeliberationId, after: u64) -> BoxFuture<'_, Result<Vec<Batch>, Error>> {
        self.guard(|store| store.batches(id, after))
    }

    fn setup(&self, id: DeliberationId) -> BoxFuture<'_, Result<Bytes, Error>> {
        let wait = Duration::from_millis(self.slow_setup.load(Ordering::SeqCst));
        async move {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            self.guard(|store| store.setup(id)).await
        }
        .boxed()
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
