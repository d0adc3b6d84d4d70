//! Fields that a migration of a plugin's type leaves out of objects. They stay beside the object until its type migrates again, so that the
//! version before finds them when it comes back.

use std::collections::HashMap;

use openhub_model::TenantId;
use openhub_model::object::Object;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::database::bulk::Rows;
use crate::database::connection::{execute, select};
use crate::database::decode::json;
use crate::database::transaction::Tx;
use crate::error::{ObjectKey, StoreError};
use crate::scope::Scope;
use crate::store::Store;

/// What an object had under another version of its type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeftOut {
    pub version: u32,
    pub fields: Map<String, Value>,
}

/// What is kept of an object from now on; none: nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct FormerFields {
    pub object: ObjectKey,
    pub former: Option<LeftOut>,
}

impl Store {
    /// What is kept of these objects.
    pub async fn former_fields(
        &self,
        scope: &Scope,
        objects: &[Object],
    ) -> Result<HashMap<ObjectKey, LeftOut>, StoreError> {
        scope.sees_people()?;
        let Some(keys) = Rows::of(objects, |row, object| {
            row.text(&object.kind).text(&object.key);
        }) else {
            return Ok(HashMap::new());
        };
        let rows = select!(
            self,
            scope,
            (String, String, String),
            "SELECT kind, key, former FROM objects WHERE tenant_id = $1 AND former IS NOT NULL \
             AND (kind, key) IN (SELECT CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT) FROM jsonb_each($2))",
            scope.tenant().0,
            &keys.json,
        );
        let read = |(kind, key, former): (String, String, String)| {
            Ok((ObjectKey::new(&kind, &key), json(&former, "former fields of an object")?))
        };
        rows.into_iter().map(read).collect()
    }
}

pub(crate) async fn put_former_fields(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    fields: &[FormerFields],
) -> Result<(), StoreError> {
    let texts: Vec<Option<String>> = fields
        .iter()
        .map(|of| of.former.as_ref().map(serde_json::to_string).transpose())
        .collect::<Result<_, _>>()
        .map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let mut rows = Rows::new();
    for (of, text) in fields.iter().zip(&texts) {
        rows.add(|row| {
            row.text(&of.object.kind).text(&of.object.key).maybe_text(text.as_deref());
        });
    }
    let Some(rows) = rows.finish() else { return Ok(()) };
    execute!(
        tx.conn(),
        "WITH change AS MATERIALIZED (SELECT CAST(value ->> 0 AS TEXT) AS its_kind, CAST(value ->> 1 AS TEXT) AS its_key, \
         CAST(value ->> 2 AS TEXT) AS kept FROM jsonb_each($2)) \
         UPDATE objects SET former = change.kept FROM change WHERE tenant_id = $1 AND kind = its_kind AND key = its_key \
         AND (kind, key) IN (SELECT its_kind, its_key FROM change)",
        tenant.0,
        &rows.json,
    )
    .map(drop)
}
