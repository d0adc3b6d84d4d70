//! The catalogs of tenants that another node moves, or that sleep, as they were read.

use std::collections::HashMap;
use std::sync::Arc;

use openhub_model::TenantId;
use tokio::sync::Mutex;

use crate::catalog::Catalog;

/// Catalogs as they were read, each with its mark. One lock a tenant: a slow one holds up nobody else.
#[derive(Default)]
pub struct Followed(std::sync::Mutex<HashMap<TenantId, Arc<Entry>>>);

pub type Entry = Mutex<Option<(String, Arc<Catalog>)>>;

impl Followed {
    pub fn entry(&self, tenant: TenantId) -> Arc<Entry> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).entry(tenant).or_default().clone()
    }

    /// This node moves the tenant itself.
    pub fn forget(&self, tenant: TenantId) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(&tenant);
    }
}
