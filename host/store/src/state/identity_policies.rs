//! The identity kinds of a tenant, by the position at which each version took effect. Old versions stay: a claim is
//! judged by the one of its time, whenever it is looked at again.

use openhub_model::TenantId;
use openhub_model::identity::{Policies, Policy};

use crate::database::connection::{execute, select};
use crate::database::decode::json;
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::state::plugins::{Unreadable, readable};
use crate::store::Store;

impl Store {
    pub async fn identity_policies(&self, scope: &Scope) -> Result<Policies, StoreError> {
        Ok(Policies::new(self.readable_policies(scope).await?.0))
    }

    /// The versions by the position that they took effect at, and those that cannot be read.
    pub async fn readable_policies(&self, scope: &Scope) -> Result<(Vec<(i64, Policy)>, Vec<Unreadable>), StoreError> {
        let rows = select!(
            self,
            scope,
            (i64, String),
            "SELECT position, definition FROM identity_policies WHERE tenant_id = $1 ORDER BY position",
            scope.tenant().0,
        );
        Ok(readable(rows.into_iter().map(|(at, text)| match json(&text, "identity kinds") {
            Ok(policy) => Ok((at, policy)),
            Err(error) => Err(Unreadable::of("identity kinds", Some(at), error)),
        })))
    }
}

pub(crate) async fn put_policy(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    position: i64,
    policy: &Policy,
) -> Result<(), StoreError> {
    let definition = serde_json::to_string(policy).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    execute!(
        tx.conn(),
        "INSERT INTO identity_policies (tenant_id, position, definition) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        tenant.0,
        position,
        &definition,
    )
    .map(drop)
}
