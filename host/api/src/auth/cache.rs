//! Credentials as last read from the store, for up to three seconds, so that the hot path needs no query and a revocation
//! still takes effect within five.
//!
//! Whatever is not known is looked up together, one query at a time: a flood of guesses costs one connection and not the
//! queries of all its requests.

use openhub_model::{TenantId, Timestamp};
use openhub_store::{Key, Session, Store, StoreError, in_time};
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::session::SessionText;

const FRESH_MICROS: i64 = 3_000_000;
const CAPACITY: usize = 10_000;
/// A use of a key is noted if none was noted for so long; of a session, which ends when it is not used, sooner.
const NOTED_MICROS: i64 = 300_000_000;
const SEEN_MICROS: i64 = 60_000_000;

/// What is looked up, and by what.
trait Kept: Sized {
    type Name: Clone + Eq + Hash;

    fn name(&self) -> Self::Name;
    fn tenant(&self) -> TenantId;
    fn look_up(
        store: &Store,
        names: &HashSet<Self::Name>,
    ) -> impl Future<Output = Result<Vec<Self>, StoreError>> + Send;
}

impl Kept for Key {
    type Name = String;

    fn name(&self) -> String {
        self.id.clone()
    }

    fn tenant(&self) -> TenantId {
        self.tenant
    }

    async fn look_up(store: &Store, names: &HashSet<String>) -> Result<Vec<Key>, StoreError> {
        store.keys_by_id(names).await
    }
}

impl Kept for Session {
    type Name = (TenantId, String);

    fn name(&self) -> Self::Name {
        (self.tenant, self.hash.clone())
    }

    fn tenant(&self) -> TenantId {
        self.tenant
    }

    async fn look_up(store: &Store, names: &HashSet<Self::Name>) -> Result<Vec<Session>, StoreError> {
        let names: Vec<Self::Name> = names.iter().cloned().collect();
        store.sessions(&names).await
    }
}

/// Keys, and the sessions of people.
#[derive(Default)]
pub(crate) struct KeyCache {
    keys: Fresh<Key>,
    sessions: Fresh<Session>,
    /// Whose last use was noted, and when.
    used: Mutex<HashMap<String, Timestamp>>,
}

impl KeyCache {
    /// The key of this id.
    pub async fn find(&self, store: &Store, id: &str, now: Timestamp) -> Result<Option<Arc<Key>>, StoreError> {
        self.keys.find(store, &id.to_owned(), now).await
    }

    pub async fn session(
        &self,
        store: &Store,
        text: &SessionText,
        now: Timestamp,
    ) -> Result<Option<Arc<Session>>, StoreError> {
        self.sessions.find(store, &(text.tenant, text.hash.clone()), now).await
    }

    /// Notes from time to time, without letting anybody wait, that the key is used.
    pub fn is_used(&self, store: &Store, key: &Key, now: Timestamp) {
        if !self.is_to_be_noted(&key.id, key.last_used_at, now, NOTED_MICROS) {
            return;
        }
        let (store, tenant, id) = (store.clone(), key.tenant, key.id.clone());
        tokio::spawn(async move {
            if let Err(error) = store.note_key_used(tenant, &id, now).await {
                tracing::debug!(%error, key.id = id, "The use of a key was not noted.");
            }
        });
    }

    /// The same of a session.
    pub fn is_seen(&self, store: &Store, session: &Session, now: Timestamp) {
        if !self.is_to_be_noted(&session.hash, Some(session.seen_at), now, SEEN_MICROS) {
            return;
        }
        let (store, tenant, hash) = (store.clone(), session.tenant, session.hash.clone());
        tokio::spawn(async move {
            if let Err(error) = store.note_session_seen(tenant, &hash, now).await {
                tracing::debug!(%error, "The use of a session was not noted.");
            }
        });
    }

    fn is_to_be_noted(&self, name: &str, noted: Option<Timestamp>, now: Timestamp, after: i64) -> bool {
        let is_old = |noted: &Timestamp| now.micros() - noted.micros() >= after;
        if noted.is_some_and(|noted| !is_old(&noted)) {
            return false;
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.get(name).is_some_and(|noted| !is_old(noted)) {
            return false;
        }
        if used.len() >= CAPACITY {
            used.clear();
        }
        used.insert(name.to_owned(), now);
        true
    }

    /// What is known of a tenant's keys and people is read anew, by this node at once.
    pub fn forget(&self, tenant: TenantId) {
        self.keys.forget(Some(tenant));
        self.sessions.forget(Some(tenant));
    }

    /// As [`KeyCache::forget`], of all tenants: one above several has changed.
    pub fn forget_all(&self) {
        self.keys.forget(None);
        self.sessions.forget(None);
    }
}

struct Fresh<T: Kept> {
    known: Mutex<Known<T>>,
    /// Held by who looks up what everybody asks for.
    turn: tokio::sync::Mutex<()>,
}

impl<T: Kept> Default for Fresh<T> {
    fn default() -> Self {
        Fresh { known: Mutex::new(Known::default()), turn: tokio::sync::Mutex::default() }
    }
}

struct Known<T: Kept> {
    held: HashMap<T::Name, (Timestamp, Arc<T>)>,
    /// To be looked up next.
    asked: HashSet<T::Name>,
    /// What the last look-up did not find. Nobody is told so who asked after it began: a new key works at once.
    missing: HashSet<T::Name>,
    /// Look-ups that were begun, and the last that has ended.
    begun: u64,
    ended: u64,
}

impl<T: Kept> Default for Known<T> {
    fn default() -> Self {
        Known { held: HashMap::new(), asked: HashSet::new(), missing: HashSet::new(), begun: 0, ended: 0 }
    }
}

impl<T: Kept> Fresh<T> {
    async fn find(&self, store: &Store, name: &T::Name, now: Timestamp) -> Result<Option<Arc<T>>, StoreError> {
        let asked_at = {
            let mut known = self.lock();
            if let Some(found) = known.fresh(name, now) {
                return Ok(Some(found));
            }
            known.asked.insert(name.clone());
            known.begun
        };
        let _turn = in_time(self.turn.lock()).await?;
        let names = {
            let mut known = self.lock();
            if let Some(found) = known.fresh(name, now) {
                return Ok(Some(found));
            }
            if known.ended > asked_at && known.missing.contains(name) {
                return Ok(None);
            }
            known.asked.insert(name.clone());
            known.begun += 1;
            std::mem::take(&mut known.asked)
        };
        let found = T::look_up(store, &names).await?;
        let mut known = self.lock();
        known.ended = known.begun;
        known.missing = names;
        for one in found {
            let name = one.name();
            known.missing.remove(&name);
            if known.held.len() >= CAPACITY {
                known.held.clear();
            }
            known.held.insert(name, (now, Arc::new(one)));
        }
        Ok(known.held.get(name).filter(|_| !known.missing.contains(name)).map(|(_, found)| found.clone()))
    }

    fn forget(&self, tenant: Option<TenantId>) {
        let stays = |of: TenantId| tenant.is_some_and(|tenant| tenant != of);
        self.lock().held.retain(|_, (_, one)| stays(one.tenant()));
    }

    fn lock(&self) -> MutexGuard<'_, Known<T>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Kept> Known<T> {
    fn fresh(&self, name: &T::Name, now: Timestamp) -> Option<Arc<T>> {
        let (read_at, found) = self.held.get(name)?;
        let age = now.micros().checked_sub(read_at.micros())?;
        (0..FRESH_MICROS).contains(&age).then(|| found.clone())
    }
}
