//! Partitions: the head, checkpoint and clock of a tenant's log.
//!
//! Each of the engine's commits names the fence of its lease and the commit that it starts from: one whose answer was lost is
//! neither done nor undone until the row has been read again, and is never made twice.

use openhub_model::Timestamp;

use crate::database::connection::{fetch_optional, select};
use crate::database::decode::time;
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::log::leases::Lease;
use crate::scope::Scope;
use crate::store::Store;

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
             UNION ALL SELECT 7, position FROM object_types WHERE tenant_id = $1 \
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

    /// Where a replaying tenant's clock stands once all that is in its log has happened.
    pub async fn clock_at_head(&self, scope: &Scope) -> Result<Timestamp, StoreError> {
        let rows = select!(
            self,
            scope,
            (i64,),
            "SELECT CASE WHEN latest < clock THEN clock ELSE latest END FROM partitions WHERE tenant_id = $1 AND bucket = 0",
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
