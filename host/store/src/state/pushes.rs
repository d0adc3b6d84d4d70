//! Pushes: rows of the provider. What is begun at a partner's and that it is begun are one transaction, so that whoever goes on after an
//! interruption begins nothing twice.

use openhub_model::push::{PushState, TargetState, Wave};
use openhub_model::{Id, Principal, TenantId, Timestamp};
use serde_json::json;

use crate::database::bulk::Rows;
use crate::database::connection::{execute, select};
use crate::database::decode::{self, corrupt, id, limit, maybe_time, time};
use crate::database::transaction::Tx;
use crate::error::{ObjectKey, StoreError};
use crate::scope::Scope;
use crate::store::Store;

/// A push as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    pub id: Id,
    /// 1 for the offering's first.
    pub number: i64,
    pub offering: String,
    pub from: i64,
    pub to: i64,
    pub waves: Vec<Wave>,
    /// Percent of a wave that fail stop it.
    pub stop_at: i64,
    pub state: PushState,
    /// The wave that is under way, from 0; behind the last, all are done.
    pub wave: i64,
    /// Why it was stopped.
    pub reason: Option<String>,
    pub made_by: Principal,
    pub made_at: Timestamp,
    pub settled_at: Option<Timestamp>,
}

/// A subscriber in a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub push: Id,
    pub subscription: Id,
    pub partner: TenantId,
    pub wave: i64,
    pub state: TargetState,
    /// The number of the operation that takes it there.
    pub operation: Option<i64>,
    pub reason: Option<String>,
    pub settled_at: Option<Timestamp>,
}

impl Target {
    /// Whom a push has yet to come to.
    pub fn waiting(push: Id, subscription: Id, partner: TenantId, wave: i64) -> Target {
        let state = TargetState::Waiting;
        Target { push, subscription, partner, wave, state, operation: None, reason: None, settled_at: None }
    }
}

type Row = (String, i64, String, i64, i64, String, i64, i64, i64, Option<String>, String, i64, Option<i64>);
type TargetRow = (String, String, i64, i64, i64, Option<i64>, Option<String>, Option<i64>);

fn read(
    (of, number, offering, from, to, waves, stop_at, stands, wave, reason, made_by, made_at, settled_at): Row,
) -> Result<Push, StoreError> {
    Ok(Push {
        id: id(&of)?,
        number,
        offering,
        from,
        to,
        waves: decode::json(&waves, "waves of a push")?,
        stop_at,
        state: PushState::from_code(stands).ok_or_else(|| corrupt("state of a push"))?,
        wave,
        reason,
        made_by: decode::json(&made_by, "who made a push")?,
        made_at: time(made_at),
        settled_at: maybe_time(settled_at),
    })
}

fn read_target(
    (push, subscription, partner, wave, stands, operation, reason, settled_at): TargetRow,
) -> Result<Target, StoreError> {
    Ok(Target {
        push: id(&push)?,
        subscription: id(&subscription)?,
        partner: TenantId(partner),
        wave,
        state: TargetState::from_code(stands).ok_or_else(|| corrupt("state of a push's target"))?,
        operation,
        reason,
        settled_at: maybe_time(settled_at),
    })
}

impl Store {
    /// The tenants with pushes that somebody is to look at now, each with the time that its row says.
    pub async fn pushes_due(&self, now: Timestamp) -> Result<Vec<(TenantId, Timestamp)>, StoreError> {
        let rows = select!(
            self,
            None::<&Scope>,
            (i64, i64),
            "SELECT id, pushes_at FROM tenants WHERE pushes_at <= $1 AND status < 2 ORDER BY pushes_at LIMIT 100",
            now.micros(),
        );
        Ok(rows.into_iter().map(|(tenant, at)| (TenantId(tenant), time(at))).collect())
    }

    /// Takes a tenant's pushes until then, if nobody else has since its row was read.
    pub async fn take_pushes(&self, tenant: TenantId, read: Timestamp, until: Timestamp) -> Result<bool, StoreError> {
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    let taken = execute!(
                        tx.conn(),
                        "UPDATE tenants SET pushes_at = $3 WHERE id = $1 AND pushes_at = $2",
                        tenant.0,
                        read.micros(),
                        until.micros(),
                    )?;
                    Ok(taken > 0)
                })
            })
            .await
    }

    /// Those of the tenant that are under way.
    pub async fn running_pushes(&self, scope: &Scope) -> Result<Vec<Push>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT id, number, offering, from_version, to_version, waves, stop_at, stands, wave, reason, made_by, made_at, settled_at \
             FROM pushes WHERE tenant_id = $1 AND stands = 0 ORDER BY made_at, id",
            scope.tenant().0,
        );
        rows.into_iter().map(read).collect()
    }

    /// Those of an offering, the newest first.
    pub async fn pushes(&self, scope: &Scope, offering: &str) -> Result<Vec<Push>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT id, number, offering, from_version, to_version, waves, stop_at, stands, wave, reason, made_by, made_at, settled_at \
             FROM pushes WHERE tenant_id = $1 AND offering = $2 ORDER BY number DESC",
            scope.tenant().0,
            offering,
        );
        rows.into_iter().map(read).collect()
    }

    pub async fn push(&self, scope: &Scope, id: Id) -> Result<Option<Push>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT id, number, offering, from_version, to_version, waves, stop_at, stands, wave, reason, made_by, made_at, settled_at \
             FROM pushes WHERE tenant_id = $1 AND id = $2",
            scope.tenant().0,
            id.to_string(),
        );
        rows.into_iter().next().map(read).transpose()
    }

    /// The subscribers of a wave.
    pub async fn push_wave(&self, scope: &Scope, push: Id, wave: i64) -> Result<Vec<Target>, StoreError> {
        let rows = select!(
            self,
            scope,
            TargetRow,
            "SELECT push, subscription, partner_id, wave, stands, operation, reason, settled_at FROM push_targets \
             WHERE tenant_id = $1 AND push = $2 AND wave = $3 ORDER BY subscription",
            scope.tenant().0,
            push.to_string(),
            wave,
        );
        rows.into_iter().map(read_target).collect()
    }

    /// All subscribers of a push, by id, each with the version that it is on now.
    pub async fn push_targets(
        &self,
        scope: &Scope,
        push: Id,
        behind: Option<Id>,
        rows: usize,
    ) -> Result<Vec<(Target, Option<i64>)>, StoreError> {
        let rows = select!(
            self,
            scope,
            (String, String, i64, i64, i64, Option<i64>, Option<String>, Option<i64>, Option<i64>),
            "SELECT t.push, t.subscription, t.partner_id, t.wave, t.stands, t.operation, t.reason, t.settled_at, s.version \
             FROM push_targets t LEFT JOIN subscriptions s ON s.tenant_id = t.partner_id AND s.id = t.subscription \
             WHERE t.tenant_id = $1 AND t.push = $2 AND t.subscription > $3 ORDER BY t.subscription LIMIT $4",
            scope.tenant().0,
            push.to_string(),
            behind.map(|id| id.to_string()).unwrap_or_default(),
            limit(rows),
        );
        let of = |(push, subscription, partner, wave, stands, operation, reason, at, version)| {
            Ok((read_target((push, subscription, partner, wave, stands, operation, reason, at))?, version))
        };
        rows.into_iter().map(of).collect()
    }

    /// How many subscribers of a push stand how, by wave.
    pub async fn push_counts(&self, scope: &Scope, push: Id) -> Result<Vec<(i64, TargetState, i64)>, StoreError> {
        let rows = select!(
            self,
            scope,
            (i64, i64, i64),
            "SELECT wave, stands, COUNT(*) FROM push_targets WHERE tenant_id = $1 AND push = $2 GROUP BY wave, stands \
             ORDER BY wave, stands",
            scope.tenant().0,
            push.to_string(),
        );
        let of = |(wave, stands, count)| {
            let state = TargetState::from_code(stands).ok_or_else(|| corrupt("state of a push's target"))?;
            Ok((wave, state, count))
        };
        rows.into_iter().map(of).collect()
    }

    /// The active subscriptions of a version of the tenant's offering, with their partners.
    pub async fn subscribed_to(
        &self,
        scope: &Scope,
        offering: &str,
        version: i64,
    ) -> Result<Vec<(Id, TenantId)>, StoreError> {
        let rows = select!(
            self,
            scope,
            (String, i64),
            "SELECT id, tenant_id FROM subscriptions WHERE provider_id = $1 AND offering = $2 AND version = $3 AND contract = 1 \
             ORDER BY id",
            scope.tenant().0,
            offering,
            version,
        );
        rows.into_iter().map(|(of, partner)| Ok((id(&of)?, TenantId(partner)))).collect()
    }
}

/// Begins one with all whom it takes, or [`StoreError::AlreadyExists`] while another one of the offering is not over.
pub(crate) async fn begin(
    tx: &mut Tx<'_>,
    provider: TenantId,
    push: &Push,
    targets: &[Target],
) -> Result<(), StoreError> {
    let begun = execute!(
        tx.conn(),
        "INSERT INTO pushes (tenant_id, id, number, offering, from_version, to_version, waves, stop_at, stands, wave, made_by, made_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING",
        provider.0,
        push.id.to_string(),
        push.number,
        &push.offering,
        push.from,
        push.to,
        json!(push.waves).to_string(),
        push.stop_at,
        push.state.code(),
        push.wave,
        json!(push.made_by).to_string(),
        push.made_at.micros(),
    )?;
    if begun == 0 {
        return Err(StoreError::AlreadyExists(push.offering.clone()));
    }
    let rows = Rows::of(targets, |row, target| {
        row.text(&target.subscription.to_string()).int(target.partner.0).int(target.wave);
    });
    if let Some(rows) = rows {
        let insert = "INSERT INTO push_targets (tenant_id, push, subscription, partner_id, wave, stands) \
             SELECT $1, $2, CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS BIGINT), CAST(value ->> 2 AS BIGINT), CAST(0 AS BIGINT) \
             FROM jsonb_each($3) WHERE true";
        execute!(tx.conn(), insert, provider.0, push.id.to_string(), &rows.json)?;
    }
    Ok(())
}

/// How a push stands; it stood as `from` says, else [`StoreError::VersionConflict`].
pub(crate) async fn note(tx: &mut Tx<'_>, provider: TenantId, from: &Push, to: &Push) -> Result<(), StoreError> {
    let noted = execute!(
        tx.conn(),
        "UPDATE pushes SET stands = $5, wave = $6, reason = $7, settled_at = $8 \
         WHERE tenant_id = $1 AND id = $2 AND stands = $3 AND wave = $4",
        provider.0,
        to.id.to_string(),
        from.state.code(),
        from.wave,
        to.state.code(),
        to.wave,
        to.reason.as_deref(),
        to.settled_at.map(Timestamp::micros),
    )?;
    match noted {
        0 => Err(StoreError::VersionConflict(vec![ObjectKey::new("push", to.id.to_string())])),
        _ => Ok(()),
    }
}

/// How far it is with a subscriber; it was as `from` says, else [`StoreError::VersionConflict`].
pub(crate) async fn note_target(
    tx: &mut Tx<'_>,
    provider: TenantId,
    from: TargetState,
    to: &Target,
) -> Result<(), StoreError> {
    let noted = execute!(
        tx.conn(),
        "UPDATE push_targets SET stands = $5, operation = $6, reason = $7, settled_at = $8 \
         WHERE tenant_id = $1 AND push = $2 AND subscription = $3 AND stands = $4",
        provider.0,
        to.push.to_string(),
        to.subscription.to_string(),
        from.code(),
        to.state.code(),
        to.operation,
        to.reason.as_deref(),
        to.settled_at.map(Timestamp::micros),
    )?;
    match noted {
        0 => Err(StoreError::VersionConflict(vec![ObjectKey::new("push target", to.subscription.to_string())])),
        _ => Ok(()),
    }
}

/// When somebody is to look at the tenant's pushes; none: at once while one is under way.
pub(crate) async fn look_at(tx: &mut Tx<'_>, tenant: TenantId, at: Option<Timestamp>) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "UPDATE tenants SET pushes_at = CASE WHEN EXISTS (SELECT 1 FROM pushes WHERE tenant_id = $1 AND stands = 0) \
         THEN COALESCE(CAST($2 AS BIGINT), 0) ELSE NULL END WHERE id = $1",
        tenant.0,
        at.map(Timestamp::micros),
    )
    .map(drop)
}

/// The version that waits for the partner's agreement.
pub(crate) async fn offer(
    tx: &mut Tx<'_>,
    partner: TenantId,
    subscription: Id,
    version: i64,
) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "UPDATE subscriptions SET offered = $3 WHERE tenant_id = $1 AND id = $2",
        partner.0,
        subscription.to_string(),
        version,
    )
    .map(drop)
}
