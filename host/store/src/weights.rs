//! How much of the machine each tenant gets where several want it: see decision 126.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use openhub_model::TenantId;
use openhub_model::ceiling::{Ceiling, FULL_WEIGHT};

use crate::database::connection::select;
use crate::database::decode::json;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::store::Store;

/// What is known of them on this node; whoever shares something out asks here.
#[derive(Clone, Default)]
pub struct Weights(Arc<RwLock<HashMap<TenantId, u8>>>);

impl Weights {
    /// 1 to [`FULL_WEIGHT`].
    pub fn of(&self, tenant: TenantId) -> u8 {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&tenant).copied().unwrap_or(FULL_WEIGHT).clamp(1, FULL_WEIGHT)
    }

    /// In place of what was known; who is not among them has the full weight.
    pub fn know(&self, weights: HashMap<TenantId, u8>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = weights;
    }
}

/// Those with a weight and all below them: of each the ceilings that set one.
const WEIGHED: &str = "WITH RECURSIVE down (id, ceiling, steps) AS (\
    SELECT id, ceiling, CAST(0 AS BIGINT) FROM tenants WHERE ceiling LIKE '%\"weight\"%' \
    UNION ALL SELECT t.id, down.ceiling, down.steps + 1 FROM down JOIN tenants t ON t.parent_id = down.id \
    WHERE down.steps < 64) SELECT id, ceiling FROM down";

impl Store {
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Reads the weights that are set now.
    pub async fn read_weights(&self) -> Result<(), StoreError> {
        let rows = select!(self, None::<&Scope>, (i64, String), WEIGHED,);
        let mut weights = HashMap::new();
        for (tenant, ceiling) in rows {
            let ceiling: Ceiling = json(&ceiling, "ceiling of a tenant")?;
            if let Some(weight) = ceiling.weight {
                let least = weights.entry(TenantId(tenant)).or_insert(FULL_WEIGHT);
                *least = weight.min(*least);
            }
        }
        self.weights.know(weights);
        Ok(())
    }
}
