//! Blocks of subscriptions: rows of the partner, which the provider sees, too; and what they hold. What is held is found from them at each
//! change that may hold something or let it go, at its place in the log.

use openhub_model::block::{Stop, Stops};
use openhub_model::{Id, Principal, TenantId, Timestamp};

use crate::database::connection::{execute, fetch_all, select};
use crate::database::decode::{id, json, maybe_time, time};
use crate::database::transaction::Tx;
use crate::error::{ObjectKey, StoreError};
use crate::scope::Scope;
use crate::state::journeys::{JourneyStatus, hold, release};
use crate::store::Store;

/// Of a subscription in force at most.
pub const BLOCKS: usize = 20;

/// What holds a subscription back, or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    pub id: Id,
    pub subscription: Id,
    pub partner: TenantId,
    /// Who set it, and lifts it.
    pub provider: TenantId,
    pub reason: String,
    pub stops: Stops,
    pub set_by: Principal,
    pub set_at: Timestamp,
    pub lifted_by: Option<Principal>,
    pub lifted_at: Option<Timestamp>,
}

type Row = (i64, String, String, i64, String, i64, String, i64, Option<String>, Option<i64>);

fn read(
    (partner, of, subscription, provider, reason, stops, set_by, set_at, lifted_by, lifted_at): Row,
) -> Result<Block, StoreError> {
    Ok(Block {
        id: id(&of)?,
        subscription: id(&subscription)?,
        partner: TenantId(partner),
        provider: TenantId(provider),
        reason,
        stops: Stops::from_bits(stops),
        set_by: json(&set_by, "who set a block")?,
        set_at: time(set_at),
        lifted_by: lifted_by.map(|text| json(&text, "who lifted a block")).transpose()?,
        lifted_at: maybe_time(lifted_at),
    })
}

impl Store {
    /// Those of a subscription, the newest first; the tenant is one of its two sides.
    pub async fn blocks(&self, scope: &Scope, subscription: Id) -> Result<Vec<Block>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT tenant_id, id, subscription, provider_id, reason, stops, set_by, set_at, lifted_by, lifted_at \
             FROM subscription_blocks WHERE (tenant_id = $1 OR provider_id = $1) AND subscription = $2 \
             ORDER BY set_at DESC, id DESC",
            scope.tenant().0,
            subscription.to_string(),
        );
        rows.into_iter().map(read).collect()
    }

    /// Those in force that the tenant sees, from either side.
    pub async fn blocks_in_force(&self, scope: &Scope) -> Result<Vec<Block>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT tenant_id, id, subscription, provider_id, reason, stops, set_by, set_at, lifted_by, lifted_at \
             FROM subscription_blocks WHERE (tenant_id = $1 OR provider_id = $1) AND lifted_at IS NULL",
            scope.tenant().0,
        );
        rows.into_iter().map(read).collect()
    }

    /// What the blocks of a subscription stop now.
    pub async fn stops(&self, scope: &Scope, subscription: Id) -> Result<Stops, StoreError> {
        let blocks = self.blocks(scope, subscription).await?;
        Ok(Stops::of(blocks.iter().filter(|block| block.lifted_at.is_none()).map(|block| &block.stops)))
    }

    /// When something that was used for a subscription of the tenant cost nothing: set then, and lifted then or not yet.
    pub async fn billing_blocks(
        &self,
        scope: &Scope,
        subscription: &str,
    ) -> Result<Vec<(Timestamp, Option<Timestamp>)>, StoreError> {
        let rows = select!(
            self,
            scope,
            (i64, Option<i64>),
            "SELECT set_at, lifted_at FROM subscription_blocks WHERE tenant_id = $1 AND subscription = $2 \
             AND stops & $3 <> 0 ORDER BY set_at",
            scope.tenant().0,
            subscription,
            Stop::Billing.bit(),
        );
        Ok(rows.into_iter().map(|(set, lifted)| (time(set), maybe_time(lifted))).collect())
    }
}

pub(crate) async fn set(tx: &mut Tx<'_>, new: &Block) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "INSERT INTO subscription_blocks (tenant_id, id, subscription, provider_id, reason, stops, set_by, set_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        new.partner.0,
        new.id.to_string(),
        new.subscription.to_string(),
        new.provider.0,
        &new.reason,
        new.stops.bits(),
        serde_json::json!(new.set_by).to_string(),
        new.set_at.micros(),
    )
    .map(drop)
}

/// One that is in force, else [`StoreError::VersionConflict`].
pub(crate) async fn lift(tx: &mut Tx<'_>, block: &Block) -> Result<(), StoreError> {
    let lifted = execute!(
        tx.conn(),
        "UPDATE subscription_blocks SET lifted_by = $3, lifted_at = $4 WHERE tenant_id = $1 AND id = $2 AND lifted_at IS NULL",
        block.partner.0,
        block.id.to_string(),
        serde_json::json!(block.lifted_by).to_string(),
        block.lifted_at.map(Timestamp::micros),
    )?;
    match lifted {
        0 => Err(StoreError::VersionConflict(vec![ObjectKey::new("block", block.id.to_string())])),
        _ => Ok(()),
    }
}

/// What a block on service that is in force holds, of a kind and by name.
macro_rules! is_held {
    ($kind:literal, $name:literal) => {
        concat!(
            "(SELECT COUNT(*) FROM (SELECT 1 FROM origins o JOIN subscription_blocks b ON b.tenant_id = o.tenant_id \
             AND b.subscription = o.subscription WHERE o.tenant_id = $1 AND o.kind = '",
            $kind,
            "' AND o.name = ",
            $name,
            " AND b.lifted_at IS NULL AND b.stops & 2 <> 0 LIMIT 1) one)"
        )
    };
}
pub(crate) use is_held;

/// Holds what blocks hold now, and lets go what they hold no more: `clock` is the tenant's, `wall` the host's.
pub(crate) async fn follow_blocks(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    (clock, wall): (Timestamp, Timestamp),
) -> Result<(), StoreError> {
    let turned = fetch_all!(
        tx.conn(),
        (String, i64, i64),
        concat!(
            "SELECT name, status, n.now FROM (SELECT name, status, held, ",
            is_held!("journey", "journeys.name"),
            " AS now FROM journeys WHERE tenant_id = $1) n WHERE n.now <> n.held"
        ),
        tenant.0,
    )?;
    for (name, status, now) in turned {
        let rests = status == JourneyStatus::Paused.code();
        let runs = [JourneyStatus::Published, JourneyStatus::Draining].map(JourneyStatus::code).contains(&status);
        match now {
            0 if runs => release(tx, tenant, &name, clock, wall).await?,
            1 if !rests => hold(tx, tenant, &name).await?,
            _ => {}
        }
        let held = "UPDATE journeys SET held = $3 WHERE tenant_id = $1 AND name = $2";
        execute!(tx.conn(), held, tenant.0, &name, now)?;
    }
    let plugins = concat!("UPDATE plugins SET held = ", is_held!("plugin", "plugins.name"), " WHERE tenant_id = $1");
    execute!(tx.conn(), plugins, tenant.0).map(drop)
}
