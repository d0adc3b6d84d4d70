//! What the doors ask about a tenant, whoever moves it: the form of identities, what a page may set, and who is suppressed.

use std::collections::HashSet;
use std::sync::Arc;

use openhub_model::attribute::Types;
use openhub_model::identity::Policies;
use openhub_model::{Id, PartId};
use openhub_store::{Scope, StoreError};

use crate::catalog::Pages;
use crate::engine::Engine;

impl Engine {
    /// What a page's key may set.
    pub async fn pages(&self, scope: &Scope) -> Result<Arc<Pages>, StoreError> {
        match self.catalog(scope.tenant()) {
            Some(catalog) => Ok(catalog.pages.clone()),
            None => {
                let (plugins, declared) =
                    tokio::try_join!(self.store().plugins(scope), self.store().declared_attributes(scope))?;
                Ok(Arc::new(Pages::of(&plugins, &declared)))
            }
        }
    }

    /// What the values of declared attributes have to be.
    pub async fn types(&self, scope: &Scope) -> Result<Arc<Types>, StoreError> {
        match self.catalog(scope.tenant()) {
            Some(catalog) => Ok(catalog.types.clone()),
            None => {
                let declared = self.store().declared_attributes(scope).await?.into_iter();
                Ok(Arc::new(declared.filter_map(|(name, declared)| Some((name, declared.of?))).collect()))
            }
        }
    }

    /// By which the tenant's identities are brought into their form and judged.
    pub async fn policies(&self, scope: &Scope) -> Result<Arc<Policies>, StoreError> {
        match self.catalog(scope.tenant()) {
            Some(catalog) => Ok(catalog.policies.clone()),
            None => Ok(Arc::new(self.store().identity_policies(scope).await?)),
        }
    }

    /// Whether the tenant suppresses anybody: if not, nothing else need be asked.
    pub async fn suppresses(&self, scope: &Scope) -> Result<bool, StoreError> {
        match self.catalog(scope.tenant()) {
            Some(catalog) => Ok(catalog.suppresses),
            None => self.store().suppresses(scope).await,
        }
    }

    /// Those of these parts that the tenant suppresses.
    pub async fn suppressed(&self, scope: &Scope, parts: &HashSet<PartId>) -> Result<HashSet<PartId>, StoreError> {
        if parts.is_empty() || !self.suppresses(scope).await? {
            return Ok(HashSet::new());
        }
        let mark = |part: &PartId| self.marker().suppression(scope.tenant(), *part);
        let marks: Vec<Id> = parts.iter().map(mark).collect();
        let found = self.store().suppressed(scope, &marks).await?;
        Ok(parts.iter().copied().filter(|part| found.contains(&mark(part))).collect())
    }
}
