//! Partitions: the head, checkpoint and clock of a tenant's log, and which node holds its lease.
//!
//! Each claim raises the fence; the fence is checked in the engine's transaction, so that a node that lost its lease
//! cannot commit, whatever its clock says. Each of the engine's commits also names the one that it starts from: one whose
//! answer was lost is neither done nor undone until the row has been read again, and is never made twice.

use openhub_model::{ClockKind, TenantId, Timestamp};
use std::sync::Arc;

use crate::database::bulk::Rows;
use crate::database::connection::{execute, fetch_all, fetch_optional, select};
use crate::database::decode::{limit, time};
use crate::database::dialect::claim_statement;
use crate::database::writer::Tx;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::state::tenants::clock_kind;
use crate::store::Store;

/// The right to move a partition, as long as nobody claimed it with a greater fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    pub tenant: TenantId,
    pub bucket: i64,
    pub fence: i64,
    pub checkpoint: i64,
    pub clock: Timestamp,
    pub clock_kind: ClockKind,
    /// How often the engine has moved the partition.
    pub commits: i64,
}

/// How a commit of the engine moves its partition.
pub(crate) struct Move {
    pub(crate) checkpoint: i64,
    pub(crate) clock: Timestamp,
    /// Caused events, which take positions of their own.
    pub(crate) caused: i64,
    /// Events that are erased.
    pub(crate) erased: i64,
}

/// Where a partition stood before a commit moved it, and what the lane holds from now on.
pub(crate) struct Moved {
    pub(crate) head: i64,
    pub(crate) passed: i64,
    pub(crate) lease: Lease,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Greatest position given out.
    pub head: i64,
    pub checkpoint: i64,
    pub clock: Timestamp,
    /// Messages that wait for an attempt or are being sent.
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
                        (i64, i64, i64, i64, i64, i64, i64),
                        claim,
                        &holder.node,
                        &holder.session,
                        now.micros(),
                        until.micros(),
                        limit(partitions),
                        holder.takes_over(),
                    )?;
                    let mut leases = Vec::with_capacity(rows.len());
                    for (tenant, bucket, fence, checkpoint, clock, commits, kind) in rows {
                        let (tenant, clock) = (TenantId(tenant), time(clock));
                        tx.signal_checkpoint(tenant, checkpoint);
                        let clock_kind = clock_kind(kind)?;
                        leases.push(Lease { tenant, bucket, fence, checkpoint, clock, clock_kind, commits });
                    }
                    leases.sort_by_key(|lease| (lease.tenant, lease.bucket));
                    Ok(leases)
                })
            })
            .await
    }

    /// A lease as it stands in the database: for who does not know whether a commit was made.
    /// [`StoreError::FenceLost`] if another node holds it by now.
    pub async fn held_lease(&self, scope: &Scope, lease: &Lease) -> Result<Lease, StoreError> {
        let rows = select!(
            self,
            scope,
            (i64, i64, i64),
            "SELECT checkpoint, clock, commits FROM partitions WHERE tenant_id = $1 AND bucket = $2 AND fence = $3",
            scope.tenant().0,
            lease.bucket,
            lease.fence,
        );
        let (checkpoint, clock, commits) = rows.into_iter().next().ok_or(StoreError::FenceLost)?;
        Ok(Lease { checkpoint, clock: time(clock), commits, ..*lease })
    }

    /// The tenants of this node of which arrived events wait for the engine.
    pub async fn behind_here(&self) -> Result<Vec<TenantId>, StoreError> {
        let rows = select!(
            self,
            None::<&Scope>,
            (i64,),
            "SELECT DISTINCT tenant_id FROM partitions WHERE owner = $1 AND arrived > done",
            &self.holder.node,
        );
        Ok(rows.into_iter().map(|(tenant,)| TenantId(tenant)).collect())
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

    /// How far the tenant is, whoever moves it.
    pub async fn stored_checkpoint(&self, scope: &Scope) -> Result<i64, StoreError> {
        let rows = select!(
            self,
            scope,
            (i64,),
            "SELECT checkpoint FROM partitions WHERE tenant_id = $1 AND bucket = 0",
            scope.tenant().0,
        );
        rows.first().map(|(checkpoint,)| *checkpoint).ok_or(StoreError::NotFound)
    }

    /// Another text whenever something that the tenant runs has taken effect, or has ended. Each row of it has the position at
    /// which it did.
    pub async fn catalog_mark(&self, scope: &Scope) -> Result<String, StoreError> {
        let rows = select!(
            self,
            scope,
            (i64, i64, i64, i64),
            "SELECT kind, CAST(COUNT(*) AS BIGINT), CAST(COALESCE(SUM(position), 0) AS BIGINT), \
             CAST(COALESCE(MAX(position), 0) AS BIGINT) FROM ( \
             SELECT CAST(1 AS BIGINT) AS kind, position FROM plugins WHERE tenant_id = $1 \
             UNION ALL SELECT 2, position FROM journeys WHERE tenant_id = $1 \
             UNION ALL SELECT 3, position FROM segments WHERE tenant_id = $1 \
             UNION ALL SELECT 4, position FROM attributes WHERE tenant_id = $1 \
             UNION ALL SELECT 5, position FROM identity_policies WHERE tenant_id = $1 \
             UNION ALL SELECT 6, 0 WHERE EXISTS (SELECT 1 FROM suppressions WHERE tenant_id = $1)) AS entries \
             GROUP BY kind ORDER BY kind",
            scope.tenant().0,
        );
        Ok(rows.iter().map(|(kind, count, sum, last)| format!("{kind}:{count}:{sum}:{last};")).collect())
    }

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

    /// How many arrived events wait for the engine, as the database has it now; what this process knows of them is
    /// [`Store::behind`].
    pub async fn read_behind(&self, scope: &Scope) -> Result<i64, StoreError> {
        let rows = select!(
            self,
            scope,
            (i64,),
            "SELECT arrived - done FROM partitions WHERE tenant_id = $1 AND bucket = 0",
            scope.tenant().0,
        );
        let (behind,) = rows.into_iter().next().ok_or(StoreError::NotFound)?;
        self.note_behind(scope.tenant(), behind);
        Ok(behind)
    }

    /// How far the tenant is, in one statement.
    pub async fn standing(&self, scope: &Scope) -> Result<Standing, StoreError> {
        let rows = select!(
            self,
            scope,
            (i64, i64, i64, i64, i64, i64, i64),
            "SELECT head, checkpoint, clock, \
             (SELECT COUNT(*) FROM messages WHERE tenant_id = $1 AND status = 0) + \
             (SELECT COUNT(*) FROM messages WHERE tenant_id = $1 AND status = 5), \
             arrived - done, \
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

/// The one place where the engine's commits move a partition: from where the lease stands, and behind its fence. The row is
/// locked from here on.
pub(crate) async fn move_on(tx: &mut Tx<'_>, lease: &Lease, to: &Move) -> Result<Moved, StoreError> {
    let moved = fetch_optional!(
        tx.conn(),
        (i64, i64, i64),
        "UPDATE partitions SET checkpoint = $6, passed = checkpoint, clock = $7, head = head + $8, erased = erased + $9, \
         commits = commits + 1, done = done + (SELECT COUNT(*) FROM events WHERE events.tenant_id = $1 AND origin = 0 \
         AND position > partitions.checkpoint AND position <= $6) \
         WHERE tenant_id = $1 AND bucket = $2 AND fence = $3 AND commits = $4 AND checkpoint = $5 AND checkpoint <= $6 \
         RETURNING head, passed, arrived - done",
        lease.tenant.0,
        lease.bucket,
        lease.fence,
        lease.commits,
        lease.checkpoint,
        to.checkpoint,
        to.clock.micros(),
        to.caused,
        to.erased,
    )?;
    let Some((head, passed, behind)) = moved else {
        let fence = fetch_optional!(
            tx.conn(),
            (i64,),
            "SELECT fence FROM partitions WHERE tenant_id = $1 AND bucket = $2",
            lease.tenant.0,
            lease.bucket,
        )?;
        return Err(if fence == Some((lease.fence,)) { StoreError::Moved } else { StoreError::FenceLost });
    };
    tx.signal_behind(lease.tenant, behind);
    tx.signal_checkpoint(lease.tenant, to.checkpoint);
    let lease = Lease { checkpoint: to.checkpoint, clock: to.clock, commits: lease.commits + 1, ..*lease };
    Ok(Moved { head, passed, lease })
}

fn lease_rows(leases: &[Lease]) -> Option<String> {
    let rows = Rows::of(leases, |row, lease| {
        row.int(lease.tenant.0).int(lease.bucket).int(lease.fence);
    })?;
    Some(rows.json)
}
