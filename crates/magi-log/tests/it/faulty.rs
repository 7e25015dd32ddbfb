//! A store that fails on command.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use magi_event::{DeliberationId, Timestamp};
use magi_log::{
    Batch, Error, Head, Keyed, Patch, PostedVerb, Query, Row, Rows, SavePreset, Store,
    StoredPreset, Write,
};
use tokio::sync::Barrier;

/// Hands everything on, except what is switched off.
pub(crate) struct Faulty {
    inner: Arc<dyn Store>,
    /// Every call fails.
    pub(crate) down: AtomicBool,
    /// No write ever answers.
    pub(crate) hanging: AtomicBool,
    /// Every write panics.
    pub(crate) panicking: AtomicBool,
    /// So many writes are made and then answered as failures.
    pub(crate) unconfirmed: AtomicU32,
    /// Renewals of the lease are lost, and answered as the last one that was made: to its owner, whose clock
    /// stands still or goes slower, the lease has not lapsed.
    pub(crate) suspended: AtomicBool,
    renewed: Mutex<Vec<(DeliberationId, u32)>>,
    /// The writes made.
    pub(crate) writes: AtomicU32,
    /// Where every write waits for those of other stores, so that they are made at once.
    pub(crate) meeting: OnceLock<Arc<Barrier>>,
}

impl Faulty {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Faulty {
            inner,
            down: AtomicBool::new(false),
            hanging: AtomicBool::new(false),
            panicking: AtomicBool::new(false),
            unconfirmed: AtomicU32::new(0),
            suspended: AtomicBool::new(false),
            renewed: Mutex::default(),
            writes: AtomicU32::new(0),
            meeting: OnceLock::new(),
        })
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    fn check(&self) -> Result<(), Error> {
        if self.down.load(Ordering::SeqCst) {
            return Err(broken());
        }
        Ok(())
    }
}

fn broken() -> Error {
    Error::Unavailable {
        reason: "broken on purpose".into(),
    }
}

macro_rules! hand_on {
    ($(fn $name:ident(&self $(, $arg:ident: $type:ty)*) -> $answer:ty;)*) => {
        $(fn $name(&self $(, $arg: $type)*) -> BoxFuture<'_, Result<$answer, Error>> {
            async move {
                self.check()?;
                self.inner.$name($($arg),*).await
            }.boxed()
        })*
    };
}

impl Store for Faulty {
    fn owner(&self) -> &str {
        self.inner.owner()
    }

    fn write(&self, write: Arc<Write>) -> BoxFuture<'_, Result<(), Error>> {
        async move {
            self.check()?;
            assert!(!self.panicking.load(Ordering::SeqCst), "panics on purpose");
            if self.hanging.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            if let Some(meeting) = self.meeting.get() {
                meeting.wait().await;
            }
            self.inner.write(write).await?;
            self.writes.fetch_add(1, Ordering::SeqCst);
            let unconfirmed = self.unconfirmed.load(Ordering::SeqCst);
            if unconfirmed > 0 {
                self.unconfirmed.store(unconfirmed - 1, Ordering::SeqCst);
                return Err(broken());
            }
            Ok(())
        }
        .boxed()
    }

    fn renew(&self, until: Timestamp) -> BoxFuture<'_, Result<Vec<(DeliberationId, u32)>, Error>> {
        async move {
            self.check()?;
            if self.suspended.load(Ordering::SeqCst) {
                return Ok(self.renewed.lock().unwrap().clone());
            }
            let renewed = self.inner.renew(until).await?;
            self.renewed.lock().unwrap().clone_from(&renewed);
            Ok(renewed)
        }
        .boxed()
    }

    fn resign(&self) {
        self.inner.resign();
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.inner.close()
    }

    hand_on! {
        fn head(&self, id: DeliberationId) -> Head;
        fn batches(&self, id: DeliberationId, after: u64) -> Vec<Batch>;
        fn setup(&self, id: DeliberationId) -> Bytes;
        fn lookup_key(&self, identity: String, key: String) -> Option<Keyed>;
        fn unfinished(&self) -> Vec<Head>;
        fn release(&self, id: DeliberationId, generation: u32, alive: bool) -> ();
        fn post(&self, id: DeliberationId, verb: PostedVerb) -> ();
        fn take_posted(&self) -> Vec<(DeliberationId, PostedVerb)>;
        fn list(&self, query: Query) -> Rows;
        fn row(&self, id: DeliberationId) -> Row;
        fn patch(&self, id: DeliberationId, patch: Patch) -> Row;
        fn delete(&self, id: DeliberationId, at: Timestamp) -> ();
        fn presets(&self) -> Vec<StoredPreset>;
        fn preset(&self, name: String, version: Option<u32>) -> Option<StoredPreset>;
        fn preset_uses(&self) -> BTreeMap<String, u64>;
        fn save_preset(&self, save: SavePreset) -> StoredPreset;
        fn delete_preset(&self, name: String, at: Timestamp) -> bool;
    }
}
