//! Object types that an admin declares, each in the version that is in force.

use openhub_model::TenantId;
use openhub_model::object_type::Declaration;
use serde::{Deserialize, Serialize};

use crate::database::connection::{execute, fetch_optional, select};
use crate::database::decode::json;
use crate::database::dialect::hold_statement;
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::state::plugins::{Unreadable, readable};
use crate::store::Store;

/// A declared type as it is in force.
#[derive(Clone, Debug, PartialEq)]
pub struct DeclaredType {
    pub name: String,
    /// Starts at 1 and grows by 1 with each change.
    pub version: i64,
    pub declaration: Declaration,
    /// Where in the log it came into force.
    pub position: i64,
    /// Its objects are on their way to the next version.
    pub migrating: Option<Migrating>,
}

/// How far the objects of a type have come on their way to its next version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migrating {
    /// Of the event that declares it.
    pub position: i64,
    /// The key of the last object that is of the next version; none if all are of the one before.
    pub after: Option<String>,
}

/// What a change of a type presumes of its objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presumes {
    Nothing,
    /// There are none: they might not fit.
    NoObjects,
}

impl Store {
    /// The declared types by name, and those that cannot be read.
    pub async fn readable_object_types(
        &self,
        scope: &Scope,
    ) -> Result<(Vec<DeclaredType>, Vec<Unreadable>), StoreError> {
        let rows = select!(
            self,
            scope,
            (String, i64, String, i64, Option<String>),
            "SELECT name, version, definition, position, migrating FROM object_types WHERE tenant_id = $1 ORDER BY name",
            scope.tenant().0,
        );
        Ok(readable(rows.into_iter().map(|(name, version, text, position, migrating)| {
            let unreadable = |error| Unreadable::of(&name, Some(version), error);
            let declaration = json(&text, "an object type's declaration").map_err(unreadable)?;
            let migrating = migrating.map(|text| json(&text, "a migration of objects")).transpose();
            let migrating = migrating.map_err(unreadable)?;
            Ok(DeclaredType { name, version, declaration, position, migrating })
        })))
    }

    pub async fn object_types(&self, scope: &Scope) -> Result<Vec<DeclaredType>, StoreError> {
        Ok(self.readable_object_types(scope).await?.0)
    }

    /// Whether there are objects of a type.
    pub async fn has_objects(&self, scope: &Scope, kind: &str) -> Result<bool, StoreError> {
        let rows = select!(
            self,
            scope,
            (i64,),
            "SELECT version FROM objects WHERE tenant_id = $1 AND kind = $2 LIMIT 1",
            scope.tenant().0,
            kind,
        );
        Ok(!rows.is_empty())
    }
}

/// Puts a type in force, or takes it away.
///
/// [`StoreError::VersionConflict`] if it presumes that there are no objects, and one was created meanwhile.
pub(crate) async fn put_object_type(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    name: &str,
    declaration: Option<&Declaration>,
    presumes: Presumes,
    position: i64,
) -> Result<(), StoreError> {
    match declaration {
        None => {
            execute!(tx.conn(), "DELETE FROM object_types WHERE tenant_id = $1 AND name = $2", tenant.0, name)?;
        }
        Some(declaration) => {
            let definition =
                serde_json::to_string(declaration).map_err(|error| StoreError::Corrupt(error.to_string()))?;
            execute!(
                tx.conn(),
                "INSERT INTO object_types (tenant_id, name, version, definition, position) VALUES ($1, $2, 1, $3, $4) \
                 ON CONFLICT (tenant_id, name) DO UPDATE SET version = object_types.version + 1, \
                 definition = excluded.definition, position = excluded.position, migrating = NULL",
                tenant.0,
                name,
                &definition,
                position,
            )?;
        }
    }
    if presumes == Presumes::NoObjects {
        let found = fetch_optional!(
            tx.conn(),
            (i64,),
            "SELECT version FROM objects WHERE tenant_id = $1 AND kind = $2 LIMIT 1",
            tenant.0,
            name,
        )?;
        if found.is_some() {
            return Err(StoreError::VersionConflict(Vec::new()));
        }
    }
    Ok(())
}

/// Holds the version of a type that objects are written under until that is committed. The engine's commits, which put another
/// in force, wait as long.
///
/// [`StoreError::OtherType`] if it is another by now, [`StoreError::Migrating`] if it is on its way to another.
pub(crate) async fn hold_type(tx: &mut Tx<'_>, tenant: TenantId, kind: &str, version: i64) -> Result<(), StoreError> {
    let hold = hold_statement(&tx.conn());
    fetch_optional!(tx.conn(), (i64,), hold, tenant.0)?;
    let stored = fetch_optional!(
        tx.conn(),
        (i64, Option<String>),
        "SELECT version, migrating FROM object_types WHERE tenant_id = $1 AND name = $2",
        tenant.0,
        kind,
    )?;
    match stored {
        Some((_, Some(_))) => Err(StoreError::Migrating(kind.to_owned())),
        Some((stored, None)) if stored == version => Ok(()),
        _ => Err(StoreError::OtherType(kind.to_owned())),
    }
}

/// Notes how far the objects of a type have come on their way to its next version.
pub(crate) async fn put_migrating(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    name: &str,
    state: Option<&Migrating>,
) -> Result<(), StoreError> {
    let state = state.map(serde_json::to_string).transpose();
    let state = state.map_err(|error| StoreError::Corrupt(error.to_string()))?;
    execute!(
        tx.conn(),
        "UPDATE object_types SET migrating = $3 WHERE tenant_id = $1 AND name = $2",
        tenant.0,
        name,
        &state,
    )
    .map(drop)
}
