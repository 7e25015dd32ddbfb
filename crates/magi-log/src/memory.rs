//! The store in memory: for doors without a disk, and for tests.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, ready};
use magi_event::{DeliberationId, Timestamp};

use crate::batch::PAGE_EVENTS;
use crate::catalogue::{Patch, Query, Row, Rows};
use crate::facts::{Field, Folding};
use crate::store::{
    Generation, Head, Keyed, New, Opens, Owner, PostedVerb, PresetVersion, SavePreset, Store,
    StoredPreset, Write,
};
use crate::{Batch, Closed, Error, search};

/// The bytes of events a store keeps unless told otherwise.
const CAPACITY: usize = 128 * 1024 * 1024;

/// Keeps logs in memory: they are gone with the process. Beyond its capacity the oldest
/// deliberations that are over are forgotten whole.
pub struct MemoryStore {
    data: Arc<Mutex<Data>>,
    name: String,
}

#[derive(Default)]
struct Data {
    logs: BTreeMap<DeliberationId, Kept>,
    keys: HashMap<(String, String), Keyed>,
    posted: VecDeque<(DeliberationId, PostedVerb)>,
    owners: HashMap<String, Lease>,
    presets: BTreeMap<String, Vec<StoredPreset>>,
    handles: usize,
    bytes: usize,
    capacity: usize,
}

#[derive(Clone, Copy)]
struct Lease {
    until: Timestamp,
    dead: bool,
}

struct Kept {
    setup: Bytes,
    row: Row,
    terms: BTreeMap<Field, Vec<String>>,
    batches: Vec<Batch>,
    generations: Vec<Generation>,
    owner: Option<String>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        MemoryStore::new()
    }
}

impl MemoryStore {
    /// Makes an empty store that keeps 128 MiB of events.
    #[must_use]
    pub fn new() -> Self {
        MemoryStore::with_capacity(CAPACITY)
    }

    /// Makes an empty store that keeps `capacity` bytes of events of deliberations that are over.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        let data = Data {
            capacity,
            ..Data::default()
        };
        MemoryStore::over(Arc::new(Mutex::new(data)))
    }

    /// Makes another owner's handle on the same logs, as another process on the same folder is.
    #[must_use]
    pub fn peer(&self) -> Self {
        MemoryStore::over(Arc::clone(&self.data))
    }

    fn over(data: Arc<Mutex<Data>>) -> Self {
        let mut locked = data.lock().unwrap_or_else(PoisonError::into_inner);
        locked.handles += 1;
        let name = format!("memory-{}", locked.handles);
        drop(locked);
        MemoryStore { data, name }
    }

    /// Every change checks before it begins, so a panic cannot leave one half done.
    fn data(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Data) -> Result<T, Error>,
    ) -> BoxFuture<'_, Result<T, Error>> {
        let answer = act(&mut self.data());
        ready(answer).boxed()
    }
}

impl Drop for MemoryStore {
    fn drop(&mut self) {
        self.resign();
    }
}

impl Data {
    fn kept(&mut self, id: DeliberationId) -> Result<&mut Kept, Error> {
        self.logs.get_mut(&id).ok_or(Error::Unknown(id))
    }

    fn head(&self, id: DeliberationId) -> Result<Head, Error> {
        let kept = self.logs.get(&id).ok_or(Error::Unknown(id))?;
        let owner = kept.owner.as_ref().map(|name| {
            let lease = self.owners.get(name);
            Owner {
                name: name.clone(),
                lease_until: lease.map_or(Timestamp::default(), |lease| lease.until),
                dead: lease.is_none_or(|lease| lease.dead),
            }
        });
        Ok(Head {
            id,
            last_seq: kept.last_seq(),
            status: kept.row.facts.status,
            last_event_at: kept.row.last_event_at,
            first_kept: kept.batches.first().map_or(1, |batch| batch.first_seq),
            generations: kept.generations.clone(),
            owner,
        })
    }

    fn write(&mut self, owner: &str, write: &Write) -> Result<(), Error> {
        let id = write.id;
        match &write.opens {
            Some(Opens::New(new)) if !self.logs.contains_key(&id) => self.create(owner, new)?,
            _ => {}
        }
        let Some(kept) = self.logs.get_mut(&id) else {
            return Err(Closed::Deleted.into());
        };
        if kept.holds(write) {
            // Of two who take over in the same millisecond, the rewinds are the same to the byte.
            let begins = matches!(write.opens, Some(Opens::Again { .. }));
            if begins && kept.owner.as_deref() != Some(owner) {
                return Err(Closed::Fenced.into());
            }
            return Ok(());
        }
        if let Some(Opens::Again { last_seq, released }) = write.opens {
            if kept.generation() + 1 != write.generation || kept.last_seq() != last_seq {
                return Err(Closed::Fenced.into());
            }
            kept.begin(write, released);
            kept.owner = Some(owner.to_owned());
        }
        if kept.generation() != write.generation {
            return Err(Closed::Fenced.into());
        }
        if kept.last_seq() + 1 != write.first_seq() {
            return Err(Error::Corrupt {
                id,
                what: format!("event {} does not follow", write.first_seq()),
            });
        }
        let added: usize = write.batches.iter().map(|batch| batch.bytes.len()).sum();
        kept.add(write);
        let over = kept.row.facts.status.is_over();
        self.bytes += added;
        if write.opens.is_some() {
            self.lease(owner, write.lease_until);
        }
        if over {
            self.posted.retain(|(to, _)| *to != id);
            self.evict(id);
        }
        Ok(())
    }

    fn create(&mut self, owner: &str, new: &New) -> Result<(), Error> {
        if let Some(key) = &new.key {
            let name = (key.identity.clone(), key.key.clone());
            if self.keys.contains_key(&name) {
                return Err(Closed::KeyTaken.into());
            }
            let keyed = Keyed {
                id: new.id,
                body_sha256: key.body_sha256,
                deleted: false,
            };
            self.keys.insert(name, keyed);
        }
        self.logs.insert(new.id, Kept::new(owner, new));
        Ok(())
    }

    fn lease(&mut self, owner: &str, until: Timestamp) {
        let dead = self.owners.get(owner).is_some_and(|lease| lease.dead);
        self.owners.insert(owner.to_owned(), Lease { until, dead });
    }

    /// Forgets the oldest deliberations that are over, but never the one that just ended.
    fn evict(&mut self, newest: DeliberationId) {
        while self.bytes > self.capacity {
            let oldest = self
                .logs
                .iter()
                .find(|(id, kept)| **id != newest && kept.row.facts.status.is_over());
            let Some(id) = oldest.map(|(id, _)| *id) else {
                return;
            };
            self.remove(id);
            self.keys.retain(|_, keyed| keyed.id != id);
        }
    }

    fn remove(&mut self, id: DeliberationId) {
        if let Some(kept) = self.logs.remove(&id) {
            self.bytes -= kept.batches.iter().map(|b| b.bytes.len()).sum::<usize>();
        }
        self.posted.retain(|(to, _)| *to != id);
    }

    /// Adds the list of all versions to one of them.
    fn told(&self, preset: &StoredPreset) -> StoredPreset {
        let of_name = self.presets.get(&preset.name).into_iter().flatten();
        StoredPreset {
            versions: of_name
                .map(|other| PresetVersion {
                    version: other.version,
                    saved_at: other.saved_at,
                })
                .collect(),
            ..preset.clone()
        }
    }

    fn preset(&self, name: &str, version: Option<u32>) -> Option<StoredPreset> {
        let versions = self.presets.get(name)?;
        let found = match version {
            Some(version) => versions.iter().find(|preset| preset.version == version),
            None => versions.last().filter(|preset| !preset.is_deleted),
        };
        found.map(|preset| self.told(preset))
    }

    fn save_preset(&mut self, save: SavePreset) -> Result<StoredPreset, Error> {
        let newest = self.preset(&save.name, None);
        if let Some(preset) = newest.as_ref()
            && preset.content == save.content
        {
            return Ok(preset.clone());
        }
        let at = newest.map_or(0, |preset| preset.version);
        if save.if_version.is_some_and(|expected| expected != at) {
            return Err(Error::PresetChanged {
                name: save.name,
                version: at,
            });
        }
        let versions = self.presets.entry(save.name.clone()).or_default();
        let preset = StoredPreset {
            name: save.name,
            version: versions.last().map_or(0, |last| last.version) + 1,
            saved_at: save.at,
            is_deleted: false,
            content: save.content,
            versions: Vec::new(),
        };
        versions.push(preset.clone());
        Ok(self.told(&preset))
    }

    fn list(&self, query: &Query) -> Rows {
        let terms = query.terms();
        let below = query.before;
        let mut rows: Vec<_> = self
            .logs
            .values()
            .rev()
            .filter(|kept| below.is_none_or(|before| kept.row.id < before))
            .filter(|kept| kept.matches(query, terms.as_deref()))
            .map(|kept| kept.row.clone())
            .take(query.limit() + 1)
            .collect();
        let more = rows.len() > query.limit();
        rows.truncate(query.limit());
        let next = rows.last().filter(|_| more).map(|row| row.id);
        Rows { rows, next }
    }
}

impl Kept {
    fn new(owner: &str, new: &New) -> Self {
        let context = new.context.as_deref().unwrap_or_default();
        let texts = [
            (Field::Question, new.question.as_str()),
            (Field::Context, context),
            (Field::Beside, &new.title),
        ];
        Kept {
            setup: new.setup.clone(),
            row: Row {
                id: new.id,
                created_at: new.id.created_at(),
                last_event_at: new.id.created_at(),
                title: new.title.clone(),
                question: new.question.clone(),
                lang: new.lang.clone(),
                preset: new.preset.clone(),
                conversation_id: new.conversation_id.clone(),
                fork_of: new.fork_of,
                my_decision: None,
                outcome: None,
                facts: Folding::default().facts().clone(),
            },
            terms: texts
                .into_iter()
                .map(|(field, text)| (field, search::terms(text)))
                .collect(),
            batches: Vec::new(),
            generations: vec![Generation {
                number: 1,
                first_seq: 1,
                progress: false,
                released: false,
            }],
            owner: Some(owner.to_owned()),
        }
    }

    fn last_seq(&self) -> u64 {
        self.batches.last().map_or(0, |batch| batch.last_seq)
    }

    fn generation(&self) -> u32 {
        self.generations.last().map_or(1, |last| last.number)
    }

    /// Tells whether this very write was made before.
    fn holds(&self, write: &Write) -> bool {
        let at = self
            .batches
            .partition_point(|batch| batch.first_seq < write.first_seq());
        self.batches[at..].starts_with(&write.batches)
    }

    fn begin(&mut self, write: &Write, released: bool) {
        if let Some(before) = self.generations.last_mut() {
            before.released |= released;
        }
        self.generations.push(Generation {
            number: write.generation,
            first_seq: write.first_seq(),
            progress: false,
            released: false,
        });
    }

    fn add(&mut self, write: &Write) {
        self.batches.extend(write.batches.iter().cloned());
        self.row.last_event_at = write.last_event_at;
        if let Some(facts) = &write.change.facts {
            self.row.facts = facts.clone();
        }
        for (field, text) in &write.change.texts {
            self.terms.insert(*field, search::terms(text));
        }
        let over = self.row.facts.status.is_over();
        if let Some(generation) = self.generations.last_mut() {
            generation.progress |= write.change.progress;
            generation.released |= over;
        }
        if over {
            self.owner = None;
        }
    }

    fn matches(&self, query: &Query, terms: Option<&[search::Term]>) -> bool {
        let row = &self.row;
        let is = |wanted: &Option<String>, found: Option<&String>| {
            wanted.is_none() || wanted.as_ref() == found
        };
        let found = |terms: &[search::Term]| {
            let somewhere = |term: &search::Term| self.terms.values().any(|text| term.is_in(text));
            !terms.is_empty() && terms.iter().all(somewhere)
        };
        query.verdict.is_none_or(|v| row.facts.verdict == Some(v))
            && query.status.is_none_or(|status| row.facts.status == status)
            && is(&query.preset, Some(&row.preset))
            && is(&query.conversation_id, row.conversation_id.as_ref())
            && query.fork_of.is_none_or(|id| row.fork_of == Some(id))
            && query.from.is_none_or(|from| row.created_at >= from)
            && query.to.is_none_or(|to| row.created_at < to)
            && terms.is_none_or(found)
    }
}

impl Store for MemoryStore {
    fn owner(&self) -> &str {
        &self.name
    }

    fn write(&self, write: Arc<Write>) -> BoxFuture<'_, Result<(), Error>> {
        self.answer(|data| data.write(&self.name, &write))
    }

    fn head(&self, id: DeliberationId) -> BoxFuture<'_, Result<Head, Error>> {
        self.answer(|data| data.head(id))
    }

    fn batches(&self, id: DeliberationId, after: u64) -> BoxFuture<'_, Result<Vec<Batch>, Error>> {
        self.answer(|data| {
            let batches = &data.kept(id)?.batches;
            let first = batches.partition_point(|batch| batch.last_seq <= after);
            let end = after.saturating_add(PAGE_EVENTS as u64);
            let wanted = batches[first..].iter().take_while(|b| b.first_seq <= end);
            Ok(wanted.cloned().collect())
        })
    }

    fn setup(&self, id: DeliberationId) -> BoxFuture<'_, Result<Bytes, Error>> {
        self.answer(|data| data.kept(id).map(|kept| kept.setup.clone()))
    }

    fn lookup_key(
        &self,
        identity: String,
        key: String,
    ) -> BoxFuture<'_, Result<Option<Keyed>, Error>> {
        self.answer(|data| Ok(data.keys.get(&(identity, key)).copied()))
    }

    fn unfinished(&self) -> BoxFuture<'_, Result<Vec<Head>, Error>> {
        self.answer(|data| {
            let unfinished = data
                .logs
                .iter()
                .filter(|(_, k)| !k.row.facts.status.is_over());
            unfinished.map(|(id, _)| data.head(*id)).collect()
        })
    }

    fn renew(&self, until: Timestamp) -> BoxFuture<'_, Result<Vec<(DeliberationId, u32)>, Error>> {
        self.answer(|data| {
            data.lease(&self.name, until);
            let owned = data
                .logs
                .iter()
                .filter(|(_, kept)| kept.owner.as_deref() == Some(&self.name));
            Ok(owned.map(|(id, kept)| (*id, kept.generation())).collect())
        })
    }

    fn release(
        &self,
        id: DeliberationId,
        generation: u32,
        alive: bool,
    ) -> BoxFuture<'_, Result<(), Error>> {
        self.answer(|data| {
            let Ok(kept) = data.kept(id) else {
                return Ok(());
            };
            if kept.generation() == generation && kept.owner.as_deref() == Some(&self.name) {
                kept.owner = None;
                if let Some(last) = kept.generations.last_mut() {
                    last.released |= alive;
                }
            }
            Ok(())
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.resign();
        ready(()).boxed()
    }

    fn resign(&self) {
        let mut data = self.data();
        if let Some(lease) = data.owners.get_mut(&self.name) {
            lease.dead = true;
        }
    }

    fn post(&self, id: DeliberationId, verb: PostedVerb) -> BoxFuture<'_, Result<(), Error>> {
        self.answer(|data| {
            if data.kept(id)?.row.facts.status.is_over() {
                return Err(Error::Over(id));
            }
            data.posted.push_back((id, verb));
            Ok(())
        })
    }

    fn take_posted(&self) -> BoxFuture<'_, Result<Vec<(DeliberationId, PostedVerb)>, Error>> {
        self.answer(|data| {
            let (logs, name) = (&data.logs, self.name.as_str());
            let mine = |id: &DeliberationId| {
                let kept = logs.get(id);
                kept.is_some_and(|kept| kept.owner.as_deref() == Some(name))
            };
            let posted = std::mem::take(&mut data.posted);
            let (taken, left): (Vec<_>, Vec<_>) = posted.into_iter().partition(|(id, _)| mine(id));
            data.posted = left.into();
            Ok(taken)
        })
    }

    fn list(&self, query: Query) -> BoxFuture<'_, Result<Rows, Error>> {
        self.answer(|data| Ok(data.list(&query)))
    }

    fn row(&self, id: DeliberationId) -> BoxFuture<'_, Result<Row, Error>> {
        self.answer(|data| data.kept(id).map(|kept| kept.row.clone()))
    }

    fn patch(&self, id: DeliberationId, patch: Patch) -> BoxFuture<'_, Result<Row, Error>> {
        self.answer(|data| {
            let kept = data.kept(id)?;
            if let Some(title) = patch.title {
                kept.row.title = title;
            }
            if let Some(my_decision) = patch.my_decision {
                kept.row.my_decision = my_decision;
            }
            if let Some(outcome) = patch.outcome {
                kept.row.outcome = outcome;
            }
            let beside = search::terms(&kept.row.beside());
            kept.terms.insert(Field::Beside, beside);
            Ok(kept.row.clone())
        })
    }

    fn delete(&self, id: DeliberationId, _at: Timestamp) -> BoxFuture<'_, Result<(), Error>> {
        self.answer(|data| {
            data.kept(id)?;
            data.remove(id);
            for keyed in data.keys.values_mut().filter(|keyed| keyed.id == id) {
                keyed.deleted = true;
            }
            Ok(())
        })
    }

    fn presets(&self) -> BoxFuture<'_, Result<Vec<StoredPreset>, Error>> {
        self.answer(|data| {
            let newest = data.presets.values().filter_map(|versions| versions.last());
            Ok(newest
                .filter(|preset| !preset.is_deleted)
                .cloned()
                .collect())
        })
    }

    fn preset(
        &self,
        name: String,
        version: Option<u32>,
    ) -> BoxFuture<'_, Result<Option<StoredPreset>, Error>> {
        self.answer(|data| Ok(data.preset(&name, version)))
    }

    fn preset_uses(&self) -> BoxFuture<'_, Result<BTreeMap<String, u64>, Error>> {
        self.answer(|data| {
            let mut uses = BTreeMap::new();
            for kept in data.logs.values() {
                *uses.entry(kept.row.preset.clone()).or_insert(0) += 1;
            }
            Ok(uses)
        })
    }

    fn save_preset(&self, save: SavePreset) -> BoxFuture<'_, Result<StoredPreset, Error>> {
        self.answer(|data| data.save_preset(save))
    }

    fn delete_preset(&self, name: String, _at: Timestamp) -> BoxFuture<'_, Result<bool, Error>> {
        self.answer(|data| {
            let versions = data.presets.get_mut(&name).into_iter().flatten();
            let mut hidden = false;
            for preset in versions.filter(|preset| !preset.is_deleted) {
                preset.is_deleted = true;
                hidden = true;
            }
            Ok(hidden)
        })
    }
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryStore")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
