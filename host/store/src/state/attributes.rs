//! Declared attributes: their type, and how the values of joined parts become one.

use openhub_model::TenantId;
use openhub_model::attribute::Declaration;
use std::collections::BTreeMap;

use crate::database::connection::{execute, select};
use crate::database::decode::json;
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::state::plugins::{Unreadable, readable};
use crate::store::Store;

impl Store {
    pub async fn declared_attributes(&self, scope: &Scope) -> Result<BTreeMap<String, Declaration>, StoreError> {
        Ok(self.readable_attributes(scope).await?.0.into_iter().collect())
    }

    /// The declarations, and those that cannot be read.
    pub async fn readable_attributes(
        &self,
        scope: &Scope,
    ) -> Result<(Vec<(String, Declaration)>, Vec<Unreadable>), StoreError> {
        let rows = select!(
            self,
            scope,
            (String, String),
            "SELECT name, definition FROM attributes WHERE tenant_id = $1",
            scope.tenant().0,
        );
        Ok(readable(rows.into_iter().map(|(name, text)| match json(&text, "an attribute's declaration") {
            Ok(declaration) => Ok((name, declaration)),
            Err(error) => Err(Unreadable::of(&name, None, error)),
        })))
    }
}

pub(crate) async fn put_attribute(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    name: &str,
    declaration: Option<&Declaration>,
    position: i64,
) -> Result<(), StoreError> {
    let Some(declaration) = declaration else {
        return execute!(tx.conn(), "DELETE FROM attributes WHERE tenant_id = $1 AND name = $2", tenant.0, name)
            .map(drop);
    };
    let definition = serde_json::to_string(declaration).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    execute!(
        tx.conn(),
        "INSERT INTO attributes (tenant_id, name, definition, position) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (tenant_id, name) DO UPDATE SET definition = excluded.definition, position = excluded.position",
        tenant.0,
        name,
        &definition,
        position,
    )
    .map(drop)
}
