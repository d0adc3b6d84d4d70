//! Keys as last read from the store, for up to three seconds, so that the hot path needs no query and a revocation
//! still takes effect within five.

use openhub_model::Timestamp;
use openhub_store::{Key, Store, StoreError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

const FRESH_MICROS: i64 = 3_000_000;
const CAPACITY: usize = 10_000;

#[derive(Default)]
pub(crate) struct KeyCache {
    keys: Mutex<HashMap<String, (Timestamp, Arc<Key>)>>,
}

impl KeyCache {
    /// The key of this id. Unknown ids are not remembered: a new key works at once.
    pub async fn find(&self, store: &Store, id: &str, now: Timestamp) -> Result<Option<Arc<Key>>, StoreError> {
        if let Some(key) = self.fresh(id, now) {
            return Ok(Some(key));
        }
        let Some(key) = store.key(id).await?.map(Arc::new) else {
            return Ok(None);
        };
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= CAPACITY {
            keys.clear();
        }
        keys.insert(id.to_owned(), (now, key.clone()));
        Ok(Some(key))
    }

    fn fresh(&self, id: &str, now: Timestamp) -> Option<Arc<Key>> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let (read_at, key) = keys.get(id)?;
        let age = now.micros().checked_sub(read_at.micros())?;
        (0..FRESH_MICROS).contains(&age).then(|| key.clone())
    }
}
