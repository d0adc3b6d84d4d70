//! Partitions: the head, checkpoint and clock of a tenant's log, and which node holds its lease.
//!
//! Each claim raises the fence; the fence is checked in the engine's transaction, so that a node that lost its lease
//! cannot commit, whatever its clock says.

use openhub_model::{ClockKind, TenantId, Timestamp};
use std::sync::Arc;

use crate::bulk::Rows;
use crate::connection::{execute, fetch_all, select};
use crate::decode::{limit, time};
use crate::dialect::claim_statement;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::store::Store;
use crate::tenants::clock_kind;

/// The right to move a partition, as long as nobody claimed it with a greater fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    pub tenant: TenantId,
    pub bucket: i64,
    pub fence: i64,
    pub checkpoint: i64,
    pub clock: Timestamp,
    pub clock_kind: ClockKind,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Greatest position given out.
    pub head: i64,
    pub checkpoint: i64,
    pub clock: Timestamp,
    /// Messages that wait for an attempt.
    pub unsent: i64,
    /// Arrived events past the checkpoint.
    pub arrived_behind: i64,
    pub set_aside: i64,
    pub waiting_runs: i64,
}

impl Store {
    /// Claims partitions that nobody holds, whose lease has run out, or that an earlier process of this node held.
    pub async fn claim_partitions(
        &self,
        now: Timestamp,
        until: Timestamp,
        partitions: usize,
    ) -> Result<Vec<Lease>, StoreError> {
        let holder = Arc::clone(&self.holder);
        self.writer
            .write(None, move |tx| {
                Box::pin(async move {
                    let claim = claim_statement(&tx.conn());
                    let rows = fetch_all!(
                        tx.conn(),
                        (i64, i64, i64, i64, i64, i64),
                        claim,
                        &holder.node,
                        &holder.session,
                        now.micros(),
                        until.micros(),
                        limit(partitions),
                    )?;
                    let mut leases = Vec::with_capacity(rows.len());
                    for (tenant, bucket, fence, checkpoint, clock, kind) in rows {
                        let (tenant, clock) = (TenantId(tenant), time(clock));
                        tx.signal_checkpoint(tenant, checkpoint);
                        leases.push(Lease { tenant, bucket, fence, checkpoint, clock, clock_kind: clock_kind(kind)? });
                    }
                    leases.sort_by_key(|lease| (lease.tenant, lease.bucket));
                    Ok(leases)
                })
            })
            .await
    }

    /// Extends leases; answers the tenants whose lease another node holds by now.
    pub async fn renew_leases(&self, leases: &[Lease], until: Timestamp) -> Result<Vec<TenantId>, StoreError> {
        let leases = leases.to_vec();
        let Some(rows) = lease_rows(&leases) else {
            return Ok(Vec::new());
        };
        self.writer
            .write(None, move |tx| {
                Box::pin(async move {
                    let renewed = fetch_all!(
                        tx.conn(),
                        (i64, i64),
                        "UPDATE partitions SET lease_until = $2 WHERE (tenant_id, bucket, fence) IN \
                         (SELECT CAST(value ->> 0 AS BIGINT), CAST(value ->> 1 AS BIGINT), CAST(value ->> 2 AS BIGINT) \
                         FROM jsonb_each($1)) RETURNING tenant_id, bucket",
                        &rows,
                        until.micros(),
                    )?;
                    let is_lost = |lease: &&Lease| !renewed.contains(&(lease.tenant.0, lease.bucket));
                    Ok(leases.iter().filter(is_lost).map(|lease| lease.tenant).collect())
                })
            })
            .await
    }

    /// Gives leases back, so that another node can claim them at once.
    pub async fn release_leases(&self, leases: &[Lease]) -> Result<(), StoreError> {
        let Some(rows) = lease_rows(leases) else {
            return Ok(());
        };
        self.writer
            .write(None, move |tx| {
                Box::pin(async move {
                    execute!(
                        tx.conn(),
                        "UPDATE partitions SET owner = NULL, session = NULL, lease_until = 0 WHERE (tenant_id, bucket, fence) \
                         IN (SELECT CAST(value ->> 0 AS BIGINT), CAST(value ->> 1 AS BIGINT), \
                         CAST(value ->> 2 AS BIGINT) FROM jsonb_each($1))",
                        &rows,
                    )
                    .map(drop)
                })
            })
            .await
    }

    /// How far the tenant is, in one statement.
    /// Where a tenant's clock stands: what its events have come to.
    pub async fn clock(&self, scope: &Scope) -> Result<Timestamp, StoreError> {
        let rows = select!(
            self,
            scope,
            (i64,),
            "SELECT clock FROM partitions WHERE tenant_id = $1 AND bucket = 0",
            scope.tenant().0,
        );
        rows.first().map(|(clock,)| time(*clock)).ok_or(StoreError::NotFound)
    }

    pub async fn standing(&self, scope: &Scope) -> Result<Standing, StoreError> {
        let rows = select!(
            self,
            scope,
            (i64, i64, i64, i64, i64, i64, i64),
            "SELECT head, checkpoint, clock, \
             (SELECT COUNT(*) FROM messages WHERE tenant_id = $1 AND status = 0), \
             (SELECT COUNT(*) FROM events WHERE tenant_id = $1 AND position > partitions.checkpoint AND origin = 0), \
             (SELECT COUNT(*) FROM set_aside WHERE tenant_id = $1), \
             (SELECT CAST(COALESCE(SUM(waiting), 0) AS BIGINT) FROM node_counts WHERE tenant_id = $1) \
             FROM partitions WHERE tenant_id = $1 AND bucket = 0",
            scope.tenant().0,
        );
        let (head, checkpoint, clock, unsent, arrived_behind, set_aside, waiting_runs) =
            rows.into_iter().next().ok_or(StoreError::NotFound)?;
        let clock = time(clock);
        Ok(Standing { head, checkpoint, clock, unsent, arrived_behind, set_aside, waiting_runs })
    }
}

fn lease_rows(leases: &[Lease]) -> Option<String> {
    let rows = Rows::of(leases, |row, lease| {
        row.int(lease.tenant.0).int(lease.bucket).int(lease.fence);
    })?;
    Some(rows.json)
}
