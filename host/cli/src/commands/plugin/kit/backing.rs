//! What the kit's fake hub keeps for a plugin: entries in memory, and the events that a call appends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use openhub_model::{Fault, Span, Timestamp};
use openhub_runtime::{Declined, Entry, EntryWrite, EventLog, KeyValues, Range, Scanned, SourceEvent, Tracked};
use serde_json::{Value, json};

/// What the plugin keeps of its own.
#[derive(Default)]
pub struct Kept(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    by_key: BTreeMap<String, Held>,
    versions: u64,
    now: Timestamp,
}

struct Held {
    value: Vec<u8>,
    version: u64,
    expires_at: Option<Timestamp>,
}

impl Kept {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn is_now(&self, now: Timestamp) {
        let mut entries = self.lock();
        entries.now = now;
        entries.by_key.retain(|_, held| held.expires_at.is_none_or(|at| at > now));
    }

    pub fn put(&self, key: String, value: Vec<u8>) -> u64 {
        self.lock().put(key, value, None)
    }

    pub fn look(&self, key: &str) -> Option<Vec<u8>> {
        self.lock().by_key.get(key).map(|held| held.value.clone())
    }
}

impl Entries {
    fn put(&mut self, key: String, value: Vec<u8>, expires_at: Option<Timestamp>) -> u64 {
        self.versions += 1;
        let version = self.versions;
        self.by_key.insert(key, Held { value, version, expires_at });
        version
    }
}

fn entry((key, held): (&String, &Held)) -> Entry {
    Entry { key: key.clone(), value: held.value.clone(), version: held.version }
}

impl KeyValues for Kept {
    fn get(&self, key: String) -> BoxFuture<'_, Result<Option<Entry>, Declined>> {
        let found = self.lock().by_key.get_key_value(&key).map(entry);
        async { Ok(found) }.boxed()
    }

    fn set(&self, write: EntryWrite, expected: Option<u64>) -> BoxFuture<'_, Result<Option<u64>, Declined>> {
        let EntryWrite { key, value, ttl_seconds, .. } = write;
        let mut entries = self.lock();
        let known = entries.by_key.get(&key).map_or(0, |held| held.version);
        let version = expected.is_none_or(|expected| expected == known).then(|| {
            let ttl = ttl_seconds.map(|seconds| Span::from_micros(i64::from(seconds) * 1_000_000));
            let expires_at = ttl.map(|ttl| entries.now + ttl);
            entries.put(key, value, expires_at)
        });
        async move { Ok(version) }.boxed()
    }

    fn delete(&self, key: String) -> BoxFuture<'_, Result<(), Declined>> {
        self.lock().by_key.remove(&key);
        async { Ok(()) }.boxed()
    }

    fn scan(&self, range: Range) -> BoxFuture<'_, Result<Scanned, Declined>> {
        let Range { prefix, after, limit } = range;
        let entries = self.lock();
        let found = entries
            .by_key
            .iter()
            .filter(|(key, _)| key.starts_with(&prefix) && after.as_ref().is_none_or(|after| *key > after));
        let mut found: Vec<Entry> = found.take(limit + 1).map(entry).collect();
        let more = found.len() > limit;
        found.truncate(limit);
        async move { Ok(Scanned { entries: found, more }) }.boxed()
    }
}

/// What becomes of an event without an id.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unnamed {
    /// A job's, or that of a call with an idempotency key: that names it.
    Named,
    Refused,
}

/// The events of one call. Whoever they are, they are taken: nobody is suppressed here, and nothing is full.
pub struct Appended {
    unnamed: Unnamed,
    taken: Mutex<(BTreeSet<String>, Vec<SourceEvent>)>,
}

impl Appended {
    pub fn new(unnamed: Unnamed) -> Appended {
        Appended { unnamed, taken: Mutex::default() }
    }

    /// As a test is told them.
    pub fn take(&self) -> Vec<Value> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.1.drain(..).map(|event| happened(&event)).collect()
    }
}

impl EventLog for Appended {
    fn track(&self, events: Vec<Tracked>, _verified: bool) -> BoxFuture<'_, Result<Vec<Result<(), Fault>>, Declined>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let (ids, all) = &mut *taken;
        let answers = events.into_iter().map(|Tracked { event, .. }| {
            if event.id.is_empty() && self.unnamed == Unnamed::Refused {
                let message = "The event needs an id: only a job, and a call that has an idempotency key, may leave it to the hub.";
                return Err(Fault::new("/id", "invalid-id", message));
            }
            if event.id.is_empty() || ids.insert(event.id.clone()) {
                all.push(event);
            }
            Ok(())
        });
        let answers = answers.collect();
        async move { Ok(answers) }.boxed()
    }
}

pub fn happened(event: &SourceEvent) -> Value {
    let identities: Vec<_> = event.identities.iter().map(|identity| (&identity.kind, &identity.value)).collect();
    json!({
        "id": event.id, "name": event.name, "at": event.occurred_at.map(|at| at.to_string()),
        "identities": identities, "properties": event.properties,
    })
}
