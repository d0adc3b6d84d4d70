//! Operations: what the hub makes or removes for a subscription, item by item; and what a subscription made.
//!
//! The tenant's row says when somebody is to look ([`Store::operations_due`]). Whoever looks moves that ahead, so that no other node
//! works on them meanwhile; a node that is gone is followed by another one then. All steps can be made again.

use openhub_model::block::Stop;
use openhub_model::subscription::{OperationState, Progress, Purpose};
use openhub_model::{Id, TenantId, Timestamp};
use serde_json::json;

use crate::database::connection::{execute, fetch_optional, select};
use crate::database::decode::{self, corrupt, id, maybe_time, time};
use crate::database::transaction::Tx;
use crate::error::{ObjectKey, StoreError};
use crate::scope::Scope;
use crate::store::Store;

/// A piece of work for a subscription.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    pub subscription: Id,
    /// 1 for the first.
    pub number: i64,
    pub purpose: Purpose,
    pub state: OperationState,
    /// The version that it makes so.
    pub version: i64,
    pub digest: String,
    pub progress: Vec<Progress>,
    /// Why it failed.
    pub reason: Option<String>,
    pub started_at: Timestamp,
    pub settled_at: Option<Timestamp>,
}

/// Where something in a tenant comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// `object-type`, `plugin`, `segment` or `journey`.
    pub kind: String,
    pub name: String,
    pub subscription: Id,
    /// As in the version: `journey/win-back`.
    pub item: String,
    pub version: i64,
    /// Of what was made.
    pub digest: String,
    pub made_at: Timestamp,
}

type Row = (String, i64, String, i64, i64, String, String, Option<String>, i64, Option<i64>);
type MadeRow = (String, String, String, String, i64, String, i64);

fn read(
    (subscription, number, purpose, phase, version, digest, progress, reason, started, settled): Row,
) -> Result<Operation, StoreError> {
    Ok(Operation {
        subscription: id(&subscription)?,
        number,
        purpose: decode::json(&purpose, "purpose of an operation")?,
        state: OperationState::from_code(phase).ok_or_else(|| corrupt("phase of an operation"))?,
        version,
        digest,
        progress: decode::json(&progress, "progress of an operation")?,
        reason,
        started_at: time(started),
        settled_at: maybe_time(settled),
    })
}

impl Store {
    /// The tenants that somebody is to look at now, each with the time that its row says.
    pub async fn operations_due(&self, now: Timestamp) -> Result<Vec<(TenantId, Timestamp)>, StoreError> {
        let rows = select!(
            self,
            None::<&Scope>,
            (i64, i64),
            "SELECT id, operations_at FROM tenants WHERE operations_at <= $1 AND status < 2 ORDER BY operations_at LIMIT 100",
            now.micros(),
        );
        Ok(rows.into_iter().map(|(tenant, at)| (TenantId(tenant), time(at))).collect())
    }

    /// Takes a tenant's operations until then, if nobody else has since its row was read.
    pub async fn take_operations(
        &self,
        tenant: TenantId,
        read: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    let taken = execute!(
                        tx.conn(),
                        "UPDATE tenants SET operations_at = $3 WHERE id = $1 AND operations_at = $2",
                        tenant.0,
                        read.micros(),
                        until.micros(),
                    )?;
                    Ok(taken > 0)
                })
            })
            .await
    }

    /// Those of the tenant that are under way. While a block on service is in force, nothing is made or changed; what was agreed to be removed
    /// is.
    pub async fn open_operations(&self, scope: &Scope) -> Result<Vec<Operation>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT subscription, number, purpose, phase, version, digest, progress, reason, started_at, settled_at \
             FROM subscription_operations o WHERE tenant_id = $1 AND phase = 0 AND (purpose = $2 OR NOT EXISTS (SELECT 1 \
             FROM subscription_blocks b WHERE b.tenant_id = $1 AND b.subscription = o.subscription AND b.lifted_at IS NULL \
             AND b.stops & $3 <> 0)) ORDER BY started_at",
            scope.tenant().0,
            json!(Purpose::Remove).to_string(),
            Stop::Service.bit(),
        );
        rows.into_iter().map(read).collect()
    }

    /// The tenant's own subscriptions in which something happens by time alone: requests, and what is ended and not removed.
    pub async fn waiting_subscriptions(&self, scope: &Scope) -> Result<Vec<Id>, StoreError> {
        let rows = select!(
            self,
            scope,
            (String,),
            "SELECT id FROM subscriptions WHERE tenant_id = $1 AND (contract = 0 OR (contract = 2 AND removed_at IS NULL)) ORDER BY id",
            scope.tenant().0,
        );
        rows.into_iter().map(|(text,)| id(&text)).collect()
    }

    /// The newest hundred of a subscription of the tenant, the newest first.
    pub async fn operations(&self, scope: &Scope, subscription: Id) -> Result<Vec<Operation>, StoreError> {
        self.operations_behind(scope, subscription, None, 100).await
    }

    /// The same before this number; none: from the newest.
    pub async fn operations_behind(
        &self,
        scope: &Scope,
        subscription: Id,
        behind: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Operation>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT subscription, number, purpose, phase, version, digest, progress, reason, started_at, settled_at \
             FROM subscription_operations WHERE tenant_id = $1 AND subscription = $2 AND number < $3 \
             ORDER BY number DESC LIMIT $4",
            scope.tenant().0,
            subscription.to_string(),
            behind.unwrap_or(i64::MAX),
            limit as i64,
        );
        rows.into_iter().map(read).collect()
    }

    /// All that subscriptions made in a tenant, by kind and name.
    pub async fn made(&self, scope: &Scope) -> Result<Vec<Made>, StoreError> {
        let rows = select!(
            self,
            scope,
            MadeRow,
            "SELECT kind, name, subscription, item, version, digest, made_at FROM origins WHERE tenant_id = $1 ORDER BY kind, name",
            scope.tenant().0,
        );
        let read = |(kind, name, subscription, item, version, digest, at): MadeRow| {
            Ok(Made { kind, name, subscription: id(&subscription)?, item, version, digest, made_at: time(at) })
        };
        rows.into_iter().map(read).collect()
    }
}

/// Begins one, or [`StoreError::AlreadyExists`] while another one is not over.
pub(crate) async fn begin(tx: &mut Tx<'_>, tenant: TenantId, operation: &Operation) -> Result<(), StoreError> {
    let begun = execute!(
        tx.conn(),
        "INSERT INTO subscription_operations (tenant_id, subscription, number, purpose, phase, version, digest, progress, started_at) \
         VALUES ($1, $2, $3, $4, 0, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
        tenant.0,
        operation.subscription.to_string(),
        operation.number,
        json!(operation.purpose).to_string(),
        operation.version,
        &operation.digest,
        json!(operation.progress).to_string(),
        operation.started_at.micros(),
    )?;
    if begun == 0 { Err(StoreError::AlreadyExists(operation.subscription.to_string())) } else { Ok(()) }
}

/// How far it is; it must stand as `from` says, and goes on only while no other one does.
pub(crate) async fn note(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    from: OperationState,
    to: &Operation,
) -> Result<(), StoreError> {
    let noted = execute!(
        tx.conn(),
        "UPDATE subscription_operations SET phase = $5, progress = $6, reason = $7, settled_at = $8 \
         WHERE tenant_id = $1 AND subscription = $2 AND number = $3 AND phase = $4 AND ($5 <> 0 OR NOT EXISTS (SELECT 1 \
         FROM subscription_operations o WHERE o.tenant_id = $1 AND o.subscription = $2 AND o.phase = 0 AND o.number <> $3))",
        tenant.0,
        to.subscription.to_string(),
        to.number,
        from.code(),
        to.state.code(),
        json!(to.progress).to_string(),
        to.reason.as_deref(),
        to.settled_at.map(Timestamp::micros),
    )?;
    match noted {
        0 => Err(StoreError::VersionConflict(vec![ObjectKey::new("operation", to.subscription.to_string())])),
        _ => Ok(()),
    }
}

/// When somebody is to look at the tenant's operations; none: when one is under way, a request expires, or an export window ends.
pub(crate) async fn look_at(tx: &mut Tx<'_>, tenant: TenantId, at: Option<Timestamp>) -> Result<(), StoreError> {
    let at = match at {
        Some(at) => Some(at.micros()),
        None => {
            let next = "SELECT MIN(n.at) FROM (SELECT started_at AS at FROM subscription_operations o WHERE tenant_id = $1 AND phase = 0 \
                 AND (purpose = '\"remove\"' OR NOT EXISTS (SELECT 1 FROM subscription_blocks b WHERE b.tenant_id = $1 \
                 AND b.subscription = o.subscription AND b.lifted_at IS NULL AND b.stops & 2 <> 0)) \
                 UNION ALL SELECT expires_at FROM subscriptions WHERE tenant_id = $1 AND contract = 0 \
                 UNION ALL SELECT export_until FROM subscriptions s WHERE tenant_id = $1 AND contract = 2 AND removed_at IS NULL \
                 AND NOT EXISTS (SELECT 1 FROM subscription_operations o WHERE o.tenant_id = $1 AND o.subscription = s.id AND phase = 2 \
                 AND purpose = '\"remove\"')) n";
            fetch_optional!(tx.conn(), (Option<i64>,), next, tenant.0)?.and_then(|(at,)| at)
        }
    };
    execute!(tx.conn(), "UPDATE tenants SET operations_at = $2 WHERE id = $1", tenant.0, at).map(drop)
}

pub(crate) async fn put_made(tx: &mut Tx<'_>, tenant: TenantId, made: &Made) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "INSERT INTO origins (tenant_id, kind, name, subscription, item, version, digest, made_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (tenant_id, kind, name) DO UPDATE SET \
         subscription = excluded.subscription, item = excluded.item, version = excluded.version, digest = excluded.digest, \
         made_at = excluded.made_at",
        tenant.0,
        &made.kind,
        &made.name,
        made.subscription.to_string(),
        &made.item,
        made.version,
        &made.digest,
        made.made_at.micros(),
    )
    .map(drop)
}

pub(crate) async fn drop_made(tx: &mut Tx<'_>, tenant: TenantId, kind: &str, name: &str) -> Result<(), StoreError> {
    execute!(tx.conn(), "DELETE FROM origins WHERE tenant_id = $1 AND kind = $2 AND name = $3", tenant.0, kind, name)
        .map(drop)
}
