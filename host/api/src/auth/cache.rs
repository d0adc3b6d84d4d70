//! Keys as last read from the store, for up to three seconds, so that the hot path needs no query and a revocation
//! still takes effect within five.
//!
//! Whatever is not known is looked up together, one query at a time: a flood of guesses costs one connection and not the
//! queries of all its requests.

use openhub_model::{TenantId, Timestamp};
use openhub_store::{Key, Store, StoreError, in_time};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const FRESH_MICROS: i64 = 3_000_000;
const CAPACITY: usize = 10_000;
/// A use is noted if none was noted for so long.
const NOTED_MICROS: i64 = 300_000_000;

#[derive(Default)]
pub(crate) struct KeyCache {
    known: Mutex<Known>,
    /// Held by who looks up what everybody asks for.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    keys: HashMap<String, (Timestamp, Arc<Key>)>,
    /// To be looked up next.
    asked: HashSet<String>,
    /// What the last look-up did not find. Nobody is told so who asked after it began: a new key works at once.
    missing: HashSet<String>,
    /// Whose last use was noted, and when.
    used: HashMap<String, Timestamp>,
    /// Look-ups that were begun, and the last that has ended.
    begun: u64,
    ended: u64,
}

impl KeyCache {
    /// The key of this id.
    pub async fn find(&self, store: &Store, id: &str, now: Timestamp) -> Result<Option<Arc<Key>>, StoreError> {
        let asked_at = {
            let mut known = self.lock();
            if let Some(key) = known.fresh(id, now) {
                return Ok(Some(key));
            }
            known.asked.insert(id.to_owned());
            known.begun
        };
        let _turn = in_time(self.turn.lock()).await?;
        let ids = {
            let mut known = self.lock();
            if let Some(key) = known.fresh(id, now) {
                return Ok(Some(key));
            }
            if known.ended > asked_at && known.missing.contains(id) {
                return Ok(None);
            }
            known.asked.insert(id.to_owned());
            known.begun += 1;
            std::mem::take(&mut known.asked)
        };
        let found = store.keys_by_id(&ids).await?;
        let mut known = self.lock();
        known.ended = known.begun;
        known.missing = ids;
        for key in found {
            known.missing.remove(&key.id);
            if known.keys.len() >= CAPACITY {
                known.keys.clear();
            }
            known.keys.insert(key.id.clone(), (now, Arc::new(key)));
        }
        Ok(known.keys.get(id).filter(|_| !known.missing.contains(id)).map(|(_, key)| key.clone()))
    }

    /// Notes from time to time, without letting anybody wait, that the key is used.
    pub fn is_used(&self, store: &Store, key: &Key, now: Timestamp) {
        let is_old = |noted: Timestamp| now.micros() - noted.micros() >= NOTED_MICROS;
        if key.last_used_at.is_some_and(|noted| !is_old(noted)) {
            return;
        }
        {
            let mut known = self.lock();
            if known.used.get(&key.id).is_some_and(|noted| !is_old(*noted)) {
                return;
            }
            if known.used.len() >= CAPACITY {
                known.used.clear();
            }
            known.used.insert(key.id.clone(), now);
        }
        let (store, tenant, id) = (store.clone(), key.tenant, key.id.clone());
        tokio::spawn(async move {
            if let Err(error) = store.note_key_used(tenant, &id, now).await {
                tracing::debug!(%error, key.id = id, "The use of a key was not noted.");
            }
        });
    }

    /// What is known of a tenant's keys is read anew, by this node at once.
    pub fn forget(&self, tenant: TenantId) {
        self.lock().keys.retain(|_, (_, key)| key.tenant != tenant);
    }

    /// As [`KeyCache::forget`], of all tenants: one above several has changed.
    pub fn forget_all(&self) {
        self.lock().keys.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn fresh(&self, id: &str, now: Timestamp) -> Option<Arc<Key>> {
        let (read_at, key) = self.keys.get(id)?;
        let age = now.micros().checked_sub(read_at.micros())?;
        (0..FRESH_MICROS).contains(&age).then(|| key.clone())
    }
}
