//! A plugin's own state, kept in the store: what `openhub:kv/kv` is answered from.

use futures::FutureExt;
use futures::future::BoxFuture;
use openhub_model::{PartId, Span};
use openhub_runtime::{Declined, Entry, EntryWrite, KeyValues, Range, Scanned};
use openhub_store::{KV_BYTES, KV_ENTRIES, KvEntry, KvPut, KvRange, KvWrite, Scope, Store, StoreError};

use crate::clock::Clock;

/// The state of one installation.
pub struct Kept {
    pub store: Store,
    pub scope: Scope,
    pub plugin: String,
    /// The host's: an entry's time goes by it.
    pub clock: Clock,
    /// Of a job: what it writes is written only as long as this node moves the tenant.
    pub fence: Option<i64>,
}

impl KeyValues for Kept {
    fn get(&self, key: String) -> BoxFuture<'_, Result<Option<Entry>, Declined>> {
        async move {
            let found = self.store.kv_entry(&self.scope, &self.plugin, key, (self.clock)()).await;
            Ok(found.map_err(declined)?.map(entry))
        }
        .boxed()
    }

    fn set(&self, write: EntryWrite, expected: Option<u64>) -> BoxFuture<'_, Result<Option<u64>, Declined>> {
        async move {
            let EntryWrite { key, value, customer, ttl_seconds } = write;
            let nobody = || Declined::never("unknown-customer", "there is no such customer");
            let part: Option<PartId> = customer.map(|customer| customer.parse()).transpose().map_err(|_| nobody())?;
            let now = (self.clock)();
            let expires_at = ttl_seconds.map(|seconds| now + Span::from_micros(i64::from(seconds) * 1_000_000));
            // What no version can be is no version.
            let expected = expected.map(|version| i64::try_from(version).unwrap_or(i64::MAX));
            let write = KvWrite { key, value, part, expires_at, expected };
            match self.store.put_kv(&self.scope, &self.plugin, write, now, self.fence).await.map_err(declined)? {
                KvPut::Stored(version) => Ok(Some(version.unsigned_abs())),
                KvPut::Other => Ok(None),
                KvPut::Nobody => Err(nobody()),
                KvPut::Full => {
                    let message = format!("a plugin keeps at most {KV_ENTRIES} entries, and {KV_BYTES} bytes of them");
                    Err(Declined::never("full", message))
                }
            }
        }
        .boxed()
    }

    fn delete(&self, key: String) -> BoxFuture<'_, Result<(), Declined>> {
        async move { self.store.delete_kv(&self.scope, &self.plugin, key, self.fence).await.map_err(declined) }.boxed()
    }

    fn scan(&self, range: Range) -> BoxFuture<'_, Result<Scanned, Declined>> {
        async move {
            let Range { prefix, after, limit } = range;
            let more = KvRange { prefix, after, limit: limit + 1 };
            let found = self.store.kv_entries(&self.scope, &self.plugin, more, (self.clock)()).await;
            let mut entries: Vec<Entry> = found.map_err(declined)?.into_iter().map(entry).collect();
            let more = entries.len() > limit;
            entries.truncate(limit);
            Ok(Scanned { entries, more })
        }
        .boxed()
    }
}

fn entry(KvEntry { key, value, version }: KvEntry) -> Entry {
    Entry { key, value, version: version.unsigned_abs() }
}

fn declined(error: StoreError) -> Declined {
    match error {
        StoreError::NotFound => Declined::never("not-installed", "the plugin is not installed any more"),
        StoreError::FenceLost => Declined::later("moved", "another node moves the tenant now"),
        error => {
            tracing::warn!(error = error.detail(), "What a plugin keeps could not be read or written.");
            Declined::later("unavailable", "the hub's database does not answer")
        }
    }
}
