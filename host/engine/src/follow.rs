//! What a node knows of tenants that another node moves, or that sleep: it answers for them all the same. Their checkpoint is read from the
//! database, and their catalog is loaded from there again once something in it has changed its place in the log.

use std::sync::Arc;
use std::time::Duration;

use openhub_model::TenantId;
use openhub_store::{Scope, in_time};

use crate::catalog::Catalog;
use crate::engine::Engine;
use crate::error::EngineError;

/// How long to wait until a checkpoint is read again: at first, and at most.
const SOON: Duration = Duration::from_millis(10);
const LATER: Duration = Duration::from_millis(200);

impl Engine {
    /// What a tenant runs, whichever node moves it.
    pub async fn in_force(&self, scope: &Scope) -> Result<Arc<Catalog>, EngineError> {
        let tenant = scope.tenant();
        if let Some(catalog) = self.catalog(tenant) {
            return Ok(catalog);
        }
        let entry = self.shared.followed.entry(tenant);
        let mut entry = in_time(entry.lock()).await?;
        // Read before the catalog: what changes in between is seen next time.
        let mark = format!("{} {}", self.prepared().revocations(), self.store().catalog_mark(scope).await?);
        if let Some((known, catalog)) = &*entry
            && *known == mark
        {
            return Ok(catalog.clone());
        }
        let catalog = Arc::new(Catalog::load(self.store(), scope, self.prepared()).await?);
        *entry = Some((mark, catalog.clone()));
        Ok(catalog)
    }

    /// Waits until everything up to `position` is computed and committed, by whichever node. False if that takes longer.
    pub async fn reached(&self, tenant: TenantId, position: i64, timeout: Duration) -> bool {
        let mut positions = self.shared.positions.watch(tenant);
        let here = async {
            // The sender lives as long as the engine.
            let _ = positions.wait_for(|reached| *reached >= position).await;
        };
        let waited = async {
            tokio::select! {
                () = here => {}
                () = self.reached_elsewhere(tenant, position) => {}
            }
        };
        tokio::time::timeout(timeout, waited).await.is_ok()
    }

    async fn reached_elsewhere(&self, tenant: TenantId, position: i64) {
        let scope = Scope::of(tenant);
        let mut pause = SOON;
        loop {
            // What this node moves tells by itself, once the catalog of the position is in force.
            if self.catalog(tenant).is_none()
                && let Ok(checkpoint) = self.store().stored_checkpoint(&scope).await
                && checkpoint >= position
                // It may have been woken meanwhile, and have the catalog of a position before.
                && self.catalog(tenant).is_none()
            {
                return;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LATER);
        }
    }
}
