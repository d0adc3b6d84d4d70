//! Which tenants have work. A tenant that sleeps has a row that says when it has something to do by time alone, and nothing
//! else; what arrives in its log is counted there, too.

use openhub_model::{ClockKind, TenantId, Timestamp};
use std::collections::HashSet;

use crate::database::connection::{execute, fetch_all, fetch_optional, select};
use crate::database::decode::time;
use crate::database::dialect::heard_statement;
use crate::database::transaction::Tx;
use crate::erasure::requests::next_request;
use crate::error::StoreError;
use crate::log::leases::Lease;
use crate::scope::Scope;
use crate::state::jobs::next_job;
use crate::state::outbox;
use crate::state::webhooks::next_webhook;
use crate::store::Store;

/// In the place of a time: the tenant is awake, or to be looked at.
const LOOK: i64 = 0;
/// Likewise, and whoever moves it has not been told.
const CALLED: i64 = -1;

/// A tenant that has work, or may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    pub tenant: TenantId,
    /// Events have arrived that wait for the engine, or something has become due that no event tells.
    pub called: bool,
}

/// A tenant that sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asleep {
    /// When it has something to do by time alone, if ever; that may be over.
    pub due: Option<Timestamp>,
    /// Messages are claimed that nobody sends: the next holder of the lease takes them over, and not the same again.
    pub left: bool,
}

impl Store {
    /// The tenants of this node that have work at `now`, and those that are awake.
    pub async fn ready_here(&self, now: Timestamp) -> Result<Vec<Ready>, StoreError> {
        let rows = select!(
            self,
            None::<&Scope>,
            (i64, i64, Option<i64>),
            "SELECT tenant_id, arrived - done, due_at FROM partitions WHERE session = $1 AND (arrived > done OR due_at <= $2)",
            &self.holder.session,
            now.micros(),
        );
        let mut heard = HashSet::new();
        if rows.iter().any(|(.., due)| *due == Some(CALLED)) {
            // Who was read as called is told, whatever becomes of the note.
            heard.extend(rows.iter().filter(|(.., due)| *due == Some(CALLED)).map(|(tenant, ..)| *tenant));
            match self.heard().await {
                Ok(more) => heard.extend(more),
                Err(error) => tracing::warn!(%error, "That tenants were called could not be noted."),
            }
        }
        let ready = |(tenant, behind, _): (i64, i64, Option<i64>)| Ready {
            tenant: TenantId(tenant),
            called: behind > 0 || heard.contains(&tenant),
        };
        let mut ready: Vec<Ready> = rows.into_iter().map(ready).collect();
        // Somebody has called in between who was not among them.
        let known: HashSet<TenantId> = ready.iter().map(|ready| ready.tenant).collect();
        let more = heard.iter().map(|tenant| TenantId(*tenant)).filter(|tenant| !known.contains(tenant));
        ready.extend(more.map(|tenant| Ready { tenant, called: true }));
        Ok(ready)
    }

    /// Whoever was called is looked at from now on; answers who that was.
    async fn heard(&self) -> Result<Vec<i64>, StoreError> {
        let session = self.holder.session.clone();
        self.writer
            .write(None, move |tx| {
                Box::pin(async move {
                    let heard = heard_statement(&tx.conn());
                    let rows = fetch_all!(tx.conn(), (i64,), heard, &session)?;
                    Ok(rows.into_iter().map(|(tenant,)| tenant).collect())
                })
            })
            .await
    }

    /// A tenant is about to be moved: it is looked at until it sleeps, also if this process dies. Answers the lease as it stands.
    pub async fn rouse(&self, scope: &Scope, lease: &Lease) -> Result<Lease, StoreError> {
        let (tenant, lease) = (scope.tenant(), *lease);
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    let row = fetch_optional!(
                        tx.conn(),
                        (i64, i64, i64),
                        "UPDATE partitions SET due_at = 0 WHERE tenant_id = $1 AND bucket = $2 AND fence = $3 \
                         RETURNING checkpoint, clock, commits",
                        tenant.0,
                        lease.bucket,
                        lease.fence,
                    )?;
                    let (checkpoint, clock, commits) = row.ok_or(StoreError::FenceLost)?;
                    Ok(Lease { checkpoint, clock: time(clock), commits, ..lease })
                })
            })
            .await
    }

    /// A tenant is not moved any more until something arrives or its time has come. Answers when that is.
    pub async fn put_to_sleep(&self, scope: &Scope, lease: &Lease) -> Result<Asleep, StoreError> {
        let (tenant, lease) = (scope.tenant(), *lease);
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    // From here on nobody else changes what is due: who does, looks at the row first.
                    let behind = fetch_optional!(
                        tx.conn(),
                        (i64,),
                        "UPDATE partitions SET due_at = 0 WHERE tenant_id = $1 AND bucket = $2 AND fence = $3 \
                         RETURNING arrived - done",
                        tenant.0,
                        lease.bucket,
                        lease.fence,
                    )?;
                    let (behind,) = behind.ok_or(StoreError::FenceLost)?;
                    let left = outbox::has_claimed(tx, tenant).await?;
                    let mut dues = vec![outbox::next_due(tx, tenant).await?];
                    if lease.clock_kind == ClockKind::Live {
                        let timer = "SELECT due FROM timers WHERE tenant_id = $1 ORDER BY due LIMIT 1";
                        dues.push(fetch_optional!(tx.conn(), (i64,), timer, tenant.0)?.map(|(due,)| due));
                    }
                    dues.push(next_job(tx, tenant).await?);
                    dues.push(next_request(tx, tenant).await?);
                    dues.push(next_webhook(tx, tenant).await?);
                    dues.push((left || behind > 0).then_some(LOOK));
                    let due = dues.into_iter().flatten().min();
                    execute!(
                        tx.conn(),
                        "UPDATE partitions SET due_at = $3 WHERE tenant_id = $1 AND bucket = $2",
                        tenant.0,
                        lease.bucket,
                        due,
                    )?;
                    Ok(Asleep { due: due.map(time), left })
                })
            })
            .await
    }
}

/// Something becomes due that no event tells: its tenant is to be looked at. Said before it is written, so that whoever puts the
/// tenant to sleep meanwhile sees it.
pub(crate) async fn look_at(tx: &mut Tx<'_>, tenant: TenantId) -> Result<(), StoreError> {
    execute!(tx.conn(), "UPDATE partitions SET due_at = -1 WHERE tenant_id = $1 AND bucket = 0", tenant.0)?;
    tx.signal_appended(tenant);
    Ok(())
}
