//! Leases: which node moves a tenant's partition. A partition names its owner and a fence; whether the owner lives is one row a
//! node, by the database's clock, so that what has nothing to do costs nothing.
//!
//! Each claim raises the fence; the fence is checked in the engine's transaction, so that a node that lost its lease cannot
//! commit, whatever its clock says.

use std::sync::Arc;
use std::time::Duration;

use openhub_model::{ClockKind, TenantId, Timestamp};

use crate::database::bulk::Rows;
use crate::database::connection::{execute, fetch_all, fetch_optional, select};
use crate::database::decode::{limit, time};
use crate::database::dialect::claim_statement;
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::state::tenants::clock_kind;
use crate::store::{Holder, Store};

/// The right to move a partition, as long as nobody claimed it with a greater fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    pub tenant: TenantId,
    pub bucket: i64,
    pub fence: i64,
    pub checkpoint: i64,
    pub clock: Timestamp,
    pub clock_kind: ClockKind,
    /// Whether nothing was to be sent for the tenant when it was claimed: see [`Store::release_sends`].
    pub sends_held: bool,
    /// How often the engine has moved the partition.
    pub commits: i64,
}

/// What a node has claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    pub leases: Vec<Lease>,
    /// The node was not known to live meanwhile: others may have claimed what it held.
    pub lapsed: bool,
}

/// Tenant, bucket, fence, checkpoint, clock, commits, the kind of the clock, and whether sends are held.
type Row = (i64, i64, i64, i64, i64, i64, i64, i64);

fn lease((tenant, bucket, fence, checkpoint, clock, commits, kind, held): Row) -> Result<Lease, StoreError> {
    let (tenant, clock, clock_kind) = (TenantId(tenant), time(clock), clock_kind(kind)?);
    Ok(Lease { tenant, bucket, fence, checkpoint, clock, clock_kind, sends_held: held != 0, commits })
}

impl Store {
    /// Says that this node lives for as long as a lease lasts, and claims partitions that nobody holds, or whose node does not
    /// live any more.
    pub async fn claim_partitions(&self, alive: Duration, partitions: usize) -> Result<Claimed, StoreError> {
        let holder = Arc::clone(&self.holder);
        self.writer
            .write(None, move |tx| {
                Box::pin(async move {
                    let lapsed = attend(tx, &holder, alive).await?;
                    let claim = claim_statement(&tx.conn());
                    let rows = fetch_all!(tx.conn(), Row, claim, &holder.node, &holder.session, limit(partitions))?;
                    let mut leases: Vec<Lease> = rows.into_iter().map(lease).collect::<Result<_, _>>()?;
                    leases.iter().for_each(|lease| tx.signal_checkpoint(lease.tenant, lease.checkpoint));
                    leases.sort_by_key(|lease| (lease.tenant, lease.bucket));
                    Ok(Claimed { leases, lapsed })
                })
            })
            .await
            .inspect(|_| self.holder.has_claimed())
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

    /// The leases of this node as the database has them: for who does not know what became of a claim.
    pub async fn held_here(&self) -> Result<Vec<Lease>, StoreError> {
        let rows = select!(
            self,
            None::<&Scope>,
            Row,
            "SELECT tenant_id, bucket, fence, checkpoint, partitions.clock, commits, tenants.clock, sends_held FROM partitions \
             JOIN tenants ON tenants.id = tenant_id WHERE session = $1 ORDER BY tenant_id, bucket",
            &self.holder.session,
        );
        rows.into_iter().map(lease).collect()
    }

    /// Whether the tenant is moved under this fence.
    pub async fn is_held(&self, scope: &Scope, fence: i64) -> Result<bool, StoreError> {
        let rows = select!(
            self,
            scope,
            (i64,),
            "SELECT fence FROM partitions WHERE tenant_id = $1 AND bucket = 0 AND fence = $2",
            scope.tenant().0,
            fence,
        );
        Ok(!rows.is_empty())
    }

    /// Gives leases back, so that another node can claim them at once.
    pub async fn release_leases(&self, leases: &[Lease]) -> Result<(), StoreError> {
        let rows = Rows::of(leases, |row, lease| {
            row.int(lease.tenant.0).int(lease.bucket).int(lease.fence);
        });
        let Some(rows) = rows else { return Ok(()) };
        self.writer
            .write(None, move |tx| {
                Box::pin(async move {
                    execute!(
                        tx.conn(),
                        "UPDATE partitions SET owner = NULL, session = NULL WHERE (tenant_id, bucket, fence) \
                         IN (SELECT CAST(value ->> 0 AS BIGINT), CAST(value ->> 1 AS BIGINT), \
                         CAST(value ->> 2 AS BIGINT) FROM jsonb_each($1))",
                        &rows.json,
                    )
                    .map(drop)
                })
            })
            .await
    }

    /// Gives all leases of this node back: it lives no longer.
    pub async fn leave(&self) -> Result<(), StoreError> {
        let holder = Arc::clone(&self.holder);
        self.writer
            .write(None, move |tx| {
                Box::pin(async move {
                    execute!(
                        tx.conn(),
                        "UPDATE partitions SET owner = NULL, session = NULL WHERE session = $1",
                        &holder.session,
                    )?;
                    execute!(tx.conn(), "DELETE FROM nodes WHERE session = $1", &holder.session).map(drop)
                })
            })
            .await
    }
}

/// Whether the tenant is moved under this fence: else [`StoreError::FenceLost`]. None asks for no lease.
pub(crate) async fn holds(tx: &mut Tx<'_>, tenant: TenantId, fence: Option<i64>) -> Result<(), StoreError> {
    let Some(fence) = fence else { return Ok(()) };
    let held = fetch_optional!(
        tx.conn(),
        (i64,),
        "SELECT fence FROM partitions WHERE tenant_id = $1 AND bucket = 0 AND fence = $2",
        tenant.0,
        fence,
    )?;
    held.map(drop).ok_or(StoreError::FenceLost)
}

/// Says that the node lives, if that has to be said again; answers whether it was not known to.
async fn attend(tx: &mut Tx<'_>, holder: &Holder, lease: Duration) -> Result<bool, StoreError> {
    if holder.takes_over() {
        // A node's own of an earlier process.
        execute!(
            tx.conn(),
            "UPDATE nodes SET alive_until = 0 WHERE name = $1 AND session <> $2",
            &holder.node,
            &holder.session,
        )?;
    }
    let left = fetch_optional!(
        tx.conn(),
        (i64,),
        "SELECT alive_until - CAST(unixepoch('subsec') * 1000000 AS BIGINT) FROM nodes WHERE session = $1",
        &holder.session,
    )?;
    let left = left.map(|(left,)| left).filter(|left| *left > 0);
    let lease = i64::try_from(lease.as_micros()).unwrap_or(i64::MAX / 2);
    // Two more rounds may fail before it runs out.
    if !left.is_some_and(|left| (lease / 3 * 2..=lease).contains(&left)) {
        execute!(
            tx.conn(),
            "INSERT INTO nodes (session, name, alive_until) \
             VALUES ($1, $2, CAST(unixepoch('subsec') * 1000000 AS BIGINT) + $3) \
             ON CONFLICT (session) DO UPDATE SET alive_until = excluded.alive_until",
            &holder.session,
            &holder.node,
            lease,
        )?;
        execute!(
            tx.conn(),
            "DELETE FROM nodes WHERE alive_until <= CAST(unixepoch('subsec') * 1000000 AS BIGINT) AND session <> $1 \
             AND NOT EXISTS (SELECT 1 FROM partitions WHERE partitions.session = nodes.session)",
            &holder.session,
        )?;
    }
    Ok(left.is_none())
}
