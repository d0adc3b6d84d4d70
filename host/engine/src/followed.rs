//! The catalogs of tenants that another node moves, or that sleep, as they were read: as long as somebody asks about them.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use openhub_model::TenantId;
use tokio::sync::Mutex;

use crate::catalog::Catalog;

/// Catalogs as they were read, each with its mark. One lock a tenant: a slow one holds up nobody else.
#[derive(Default)]
pub struct Followed(std::sync::Mutex<HashMap<TenantId, (Arc<Entry>, Instant)>>);

pub type Entry = Mutex<Option<(String, Arc<Catalog>)>>;

impl Followed {
    pub fn entry(&self, tenant: TenantId) -> Arc<Entry> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (entry, asked) = entries.entry(tenant).or_insert_with(|| (Arc::default(), Instant::now()));
        *asked = Instant::now();
        entry.clone()
    }

    /// This node moves the tenant itself.
    pub fn forget(&self, tenant: TenantId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&tenant);
    }

    /// Those that nobody has asked about for so long.
    pub fn forget_unasked(&self, hold: Duration) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, (_, asked)| asked.elapsed() < hold);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_asks_about_is_forgotten() {
        let followed = Followed::default();
        let first = followed.entry(TenantId(1));
        followed.forget_unasked(Duration::from_secs(3_600));
        assert!(Arc::ptr_eq(&first, &followed.entry(TenantId(1))));
        followed.forget_unasked(Duration::ZERO);
        assert!(!Arc::ptr_eq(&first, &followed.entry(TenantId(1))));
    }
}
