//! The end of a tenant: all its rows go, table by table, some thousand at a time, so that no other tenant waits for them. What is left is
//! its number, which is not given again, and a receipt for the tenant that it was below.

use openhub_model::{TenantId, Timestamp};
use serde_json::Map;
use sqlx::{AssertSqlSafe, SqlSafeStr};
use std::collections::BTreeMap;

use crate::database::connection::{Conn, execute, fetch_all, select};
use crate::database::decode::{json, maybe_time};
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::state::tenant_tree::TenantStatus;
use crate::store::Store;
use crate::tables::TABLES;

/// Rows that go in one transaction.
const AT_ONCE: i64 = 5_000;

/// Tables that have no rows of one tenant, or whose row of it stays.
const OF_THE_HUB: [&str; 5] = ["components", "nodes", "secret_keys", "tenants", "turns"];
/// Goes first: who moves the tenant loses its lease, and nobody gets it again.
const FIRST: &str = "partitions";

/// What was deleted of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantDeletion {
    pub tenant: TenantId,
    pub name: String,
    /// From when on it was to be deleted.
    pub due_at: Timestamp,
    pub begun_at: Timestamp,
    /// None: it is under way.
    pub ended_at: Option<Timestamp>,
    /// Rows by table.
    pub counts: BTreeMap<String, i64>,
}

type Row = (i64, String, i64, i64, Option<i64>, String);

impl Store {
    /// The tenants whose day has come, or whose deletion was interrupted, with those that they are below.
    pub async fn tenants_to_delete(&self, now: Timestamp) -> Result<Vec<(TenantId, TenantId)>, StoreError> {
        let rows = select!(
            self,
            None::<&Scope>,
            (i64, i64),
            "SELECT id, parent_id FROM tenants WHERE parent_id IS NOT NULL AND delete_at IS NOT NULL AND delete_at <= $1 AND status >= 2 \
             ORDER BY id",
            now.micros()
        );
        Ok(rows.into_iter().map(|(id, parent)| (TenantId(id), TenantId(parent))).collect())
    }

    /// Deletes all rows of a tenant whose day has come, and writes the receipt. What was interrupted goes on. None if it is not to be
    /// deleted (any more).
    pub async fn delete_tenant(
        &self,
        tenant: TenantId,
        parent: TenantId,
        now: impl Fn() -> Timestamp,
    ) -> Result<Option<TenantDeletion>, StoreError> {
        let at = now();
        let begun =
            self.writer.write(Some(parent), move |tx| Box::pin(async move { begin(tx, tenant, parent, at).await }));
        if !begun.await? {
            return Ok(None);
        }
        let tables = TABLES.iter().map(|table| table.name).filter(|name| !OF_THE_HUB.contains(name) && *name != FIRST);
        for table in [FIRST].into_iter().chain(tables) {
            loop {
                let gone = self
                    .writer
                    .write(Some(tenant), move |tx| Box::pin(async move { some_rows(tx, tenant, table).await }))
                    .await?;
                if gone > 0 {
                    self.writer
                        .write(Some(parent), move |tx| {
                            Box::pin(async move { count(tx, tenant, parent, table, gone).await })
                        })
                        .await?;
                }
                if gone < AT_ONCE {
                    break;
                }
            }
        }
        let at = now();
        self.writer.write(Some(parent), move |tx| Box::pin(async move { end(tx, tenant, parent, at).await })).await?;
        let receipts = self.tenant_deletions(&Scope::of(parent)).await?;
        Ok(receipts.into_iter().find(|receipt| receipt.tenant == tenant))
    }

    /// What was deleted of tenants below this one, the last first.
    pub async fn tenant_deletions(&self, scope: &Scope) -> Result<Vec<TenantDeletion>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT deleted_id, name, due_at, begun_at, ended_at, counts FROM tenant_deletions WHERE tenant_id = $1 \
             ORDER BY begun_at DESC, deleted_id DESC LIMIT 1000",
            scope.tenant().0
        );
        let read = |(tenant, name, due_at, begun_at, ended_at, counts): Row| {
            Ok(TenantDeletion {
                tenant: TenantId(tenant),
                name,
                due_at: Timestamp::from_micros(due_at),
                begun_at: Timestamp::from_micros(begun_at),
                ended_at: maybe_time(ended_at),
                counts: json(&counts, "counts of a deletion")?,
            })
        };
        rows.into_iter().map(read).collect()
    }
}

/// From here on there is no way back. Its name is free again.
async fn begin(tx: &mut Tx<'_>, tenant: TenantId, parent: TenantId, at: Timestamp) -> Result<bool, StoreError> {
    let status = (TenantStatus::Deleting.code(), TenantStatus::Deleted.code());
    execute!(
        tx.conn(),
        "INSERT INTO tenant_deletions (tenant_id, deleted_id, name, due_at, begun_at, counts) \
         SELECT $1, id, name, delete_at, $3, '{}' FROM tenants WHERE id = $2 AND status = $4 AND delete_at <= $3 ON CONFLICT DO NOTHING",
        parent.0,
        tenant.0,
        at.micros(),
        status.0,
    )?;
    let begun = execute!(
        tx.conn(),
        "UPDATE tenants SET status = $3, name = '(deleted) ' || CAST(id AS TEXT) WHERE id = $1 AND delete_at <= $2 AND status >= $4",
        tenant.0,
        at.micros(),
        status.1,
        status.0,
    )?;
    Ok(begun > 0)
}

/// How many rows of the table went.
async fn some_rows(tx: &mut Tx<'_>, tenant: TenantId, table: &'static str) -> Result<i64, StoreError> {
    let key = match tx.conn() {
        Conn::Sqlite(_) => {
            let sql = "SELECT name FROM pragma_table_info($1) WHERE pk > 0 ORDER BY pk";
            let columns = fetch_all!(tx.conn(), (String,), sql, table)?;
            let columns: Vec<String> = columns.into_iter().map(|(name,)| name).collect();
            if columns.is_empty() { "rowid".to_owned() } else { columns.join(", ") }
        }
        Conn::Postgres(_) => "ctid".to_owned(),
    };
    // Names of our own schema, and no text from outside.
    let sql = format!(
        "DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE tenant_id = $1 LIMIT {AT_ONCE})"
    );
    let gone = execute!(tx.conn(), AssertSqlSafe(sql.clone()).into_sql_str(), tenant.0)?;
    Ok(i64::try_from(gone).unwrap_or(i64::MAX))
}

async fn count(tx: &mut Tx<'_>, tenant: TenantId, parent: TenantId, table: &str, gone: i64) -> Result<(), StoreError> {
    let rows = fetch_all!(
        tx.conn(),
        (String,),
        "SELECT counts FROM tenant_deletions WHERE tenant_id = $1 AND deleted_id = $2",
        parent.0,
        tenant.0
    )?;
    let Some((counts,)) = rows.into_iter().next() else { return Ok(()) };
    let mut counts: Map<String, serde_json::Value> = json(&counts, "counts of a deletion")?;
    let sum = counts.get(table).and_then(serde_json::Value::as_i64).unwrap_or(0) + gone;
    counts.insert(table.to_owned(), sum.into());
    execute!(
        tx.conn(),
        "UPDATE tenant_deletions SET counts = $3 WHERE tenant_id = $1 AND deleted_id = $2",
        parent.0,
        tenant.0,
        serde_json::Value::Object(counts).to_string()
    )
    .map(drop)
}

async fn end(tx: &mut Tx<'_>, tenant: TenantId, parent: TenantId, at: Timestamp) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "UPDATE tenant_deletions SET ended_at = COALESCE(ended_at, $3) WHERE tenant_id = $1 AND deleted_id = $2",
        parent.0,
        tenant.0,
        at.micros()
    )?;
    execute!(tx.conn(), "UPDATE tenants SET delete_at = NULL WHERE id = $1", tenant.0).map(drop)
}
