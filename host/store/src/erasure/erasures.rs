//! Receipts of erasures: what was asked, and what became of it. None says who the customer was.

use openhub_model::{Id, PartId, TenantId, Timestamp};
use std::collections::BTreeMap;

use crate::database::connection::{execute, fetch_optional, select};
use crate::database::decode::{id, json, limit, maybe_time, time};
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::store::Store;

/// What becomes of the identities of a customer who is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Afterwards {
    /// Whoever names them again is a new customer.
    Forgotten,
    /// They are refused wherever they are named again.
    Suppressed,
}

/// An erasure as it is asked for; the engine carries it out at the position of its event.
#[derive(Clone, Debug)]
pub struct NewErasure {
    pub id: Id,
    /// By any of its parts.
    pub customer: PartId,
    pub afterwards: Afterwards,
    /// The id of a key.
    pub asked_by: String,
    /// By the host's clock.
    pub asked_at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct Erasure {
    pub asked: NewErasure,
    /// When it was carried out, by the host's clock.
    pub done_at: Option<Timestamp>,
    /// When the free pages of a SQLite file were overwritten.
    pub scrubbed_at: Option<Timestamp>,
    /// Rows by place, as far as it has come. Of `suppressions`, those that were added.
    pub counts: BTreeMap<String, i64>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    customer_id: String,
    suppress: i64,
    asked_by: String,
    asked_at: i64,
    done_at: Option<i64>,
    scrubbed_at: Option<i64>,
    counts: String,
}

impl Store {
    pub async fn erasure(&self, scope: &Scope, id: Id) -> Result<Option<Erasure>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT id, customer_id, suppress, asked_by, asked_at, done_at, scrubbed_at, counts FROM erasures \
             WHERE tenant_id = $1 AND id = $2",
            scope.tenant().0,
            id.to_string(),
        );
        rows.into_iter().next().map(erasure).transpose()
    }

    /// A page of erasures, by id: in the order in which they were asked for.
    pub async fn erasures(&self, scope: &Scope, after: Option<Id>, rows: usize) -> Result<Vec<Erasure>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT id, customer_id, suppress, asked_by, asked_at, done_at, scrubbed_at, counts FROM erasures \
             WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3",
            scope.tenant().0,
            after.map(|after| after.to_string()).unwrap_or_default(),
            limit(rows),
        );
        rows.into_iter().map(erasure).collect()
    }

    /// Whether erasures of the tenant are done, but not yet in the file's free pages.
    pub async fn unscrubbed(&self, scope: &Scope) -> Result<bool, StoreError> {
        let rows = select!(
            self,
            scope,
            (i64,),
            "SELECT COUNT(*) FROM erasures WHERE tenant_id = $1 AND done_at IS NOT NULL AND scrubbed_at IS NULL",
            scope.tenant().0,
        );
        Ok(rows.first().is_some_and(|(count,)| *count > 0))
    }

    /// Notes that the free pages hold nothing any more of what was erased up to now.
    pub async fn scrubbed(&self, scope: &Scope, at: Timestamp) -> Result<(), StoreError> {
        let tenant = scope.tenant();
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    execute!(
                        tx.conn(),
                        "UPDATE erasures SET scrubbed_at = $2 \
                         WHERE tenant_id = $1 AND done_at IS NOT NULL AND scrubbed_at IS NULL",
                        tenant.0,
                        at.micros(),
                    )
                    .map(drop)
                })
            })
            .await
    }
}

pub(crate) async fn put_erasure(tx: &mut Tx<'_>, tenant: TenantId, new: &NewErasure) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "INSERT INTO erasures (tenant_id, id, customer_id, suppress, asked_by, asked_at) VALUES ($1, $2, $3, $4, $5, $6)",
        tenant.0,
        new.id.to_string(),
        new.customer.to_string(),
        i64::from(new.afterwards == Afterwards::Suppressed),
        &new.asked_by,
        new.asked_at.micros(),
    )
    .map(drop)
}

/// The counts so far; none if there is no such erasure, or if it is done.
pub(crate) async fn counts_so_far(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: Id,
) -> Result<Option<BTreeMap<String, i64>>, StoreError> {
    let row = fetch_optional!(
        tx.conn(),
        (String,),
        "SELECT counts FROM erasures WHERE tenant_id = $1 AND id = $2 AND done_at IS NULL",
        tenant.0,
        id.to_string(),
    )?;
    row.map(|(counts,)| json(&counts, "counts of an erasure")).transpose()
}

pub(crate) async fn put_counts(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: Id,
    counts: &BTreeMap<String, i64>,
    done_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    let counts = serde_json::to_string(counts).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    execute!(
        tx.conn(),
        "UPDATE erasures SET counts = $3, done_at = $4 WHERE tenant_id = $1 AND id = $2",
        tenant.0,
        id.to_string(),
        counts,
        done_at.map(Timestamp::micros),
    )
    .map(drop)
}

fn erasure(row: Row) -> Result<Erasure, StoreError> {
    Ok(Erasure {
        asked: NewErasure {
            id: id(&row.id)?,
            customer: id(&row.customer_id)?,
            afterwards: if row.suppress == 0 { Afterwards::Forgotten } else { Afterwards::Suppressed },
            asked_by: row.asked_by,
            asked_at: time(row.asked_at),
        },
        done_at: maybe_time(row.done_at),
        scrubbed_at: maybe_time(row.scrubbed_at),
        counts: json(&row.counts, "counts of an erasure")?,
    })
}
