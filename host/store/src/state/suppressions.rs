//! The suppression list: marks of erased identities that are refused from then on. Whose they are, only who has the
//! hub's key and the identity can tell.

use openhub_model::{Id, TenantId, Timestamp};
use std::collections::HashSet;

use crate::database::bulk;
use crate::database::connection::{execute, select};
use crate::database::decode::id;
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::store::Store;

impl Store {
    /// How many identities the tenant refuses.
    pub async fn suppression_count(&self, scope: &Scope) -> Result<i64, StoreError> {
        let rows =
            select!(self, scope, (i64,), "SELECT COUNT(*) FROM suppressions WHERE tenant_id = $1", scope.tenant().0,);
        Ok(rows.first().map_or(0, |(count,)| *count))
    }

    /// Whether the tenant refuses any identity.
    pub async fn suppresses(&self, scope: &Scope) -> Result<bool, StoreError> {
        let rows = select!(
            self,
            scope,
            (i64,),
            "SELECT since FROM suppressions WHERE tenant_id = $1 LIMIT 1",
            scope.tenant().0,
        );
        Ok(!rows.is_empty())
    }

    /// Those of the marks that are on the list.
    pub async fn suppressed(&self, scope: &Scope, marks: &[Id]) -> Result<HashSet<Id>, StoreError> {
        if marks.is_empty() {
            return Ok(HashSet::new());
        }
        let rows = select!(
            self,
            scope,
            (String,),
            "SELECT mark FROM suppressions WHERE tenant_id = $1 AND mark IN (SELECT atom FROM json_each($2))",
            scope.tenant().0,
            bulk::list(marks),
        );
        rows.into_iter().map(|(mark,)| id(&mark)).collect()
    }

    /// Takes a mark off the list. False if it was not on it.
    pub async fn unsuppress(&self, scope: &Scope, mark: Id) -> Result<bool, StoreError> {
        let tenant = scope.tenant();
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    let gone = execute!(
                        tx.conn(),
                        "DELETE FROM suppressions WHERE tenant_id = $1 AND mark = $2",
                        tenant.0,
                        mark.to_string(),
                    )?;
                    Ok(gone > 0)
                })
            })
            .await
    }
}

/// Adds marks to the list and answers how many are new on it.
pub(crate) async fn put_suppressions(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    marks: &[Id],
    since: Timestamp,
) -> Result<u64, StoreError> {
    execute!(
        tx.conn(),
        "INSERT INTO suppressions (tenant_id, mark, since) SELECT $1, atom, $3 FROM json_each($2) WHERE true \
         ON CONFLICT DO NOTHING",
        tenant.0,
        bulk::list(marks),
        since.micros(),
    )
}
