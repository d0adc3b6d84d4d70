//! Subscriptions: what a partner and its provider agreed on. The row is the partner's; its provider sees it, too. What the two do is
//! written with an event in the log of each, in one transaction: see [`Store::agree`].

use openhub_model::push::TargetState;
use openhub_model::share::ShareState;
use openhub_model::subscription::{Contract, OperationState};
use openhub_model::{Id, NewEvent, TenantId, Timestamp};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

use crate::database::connection::{execute, select};
use crate::database::decode::{corrupt, id, json, limit, maybe_time, time};
use crate::database::filters::Sql;
use crate::database::transaction::Tx;
use crate::error::{ObjectKey, StoreError};
use crate::log::events::append_all;
use crate::scope::Scope;
use crate::state::blocks::{self, Block};
use crate::state::operations::{self, Made, Operation};
use crate::state::pushes::{self, Push, Target};
use crate::state::shares::{self, Share};
use crate::store::Store;

/// A subscription as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscription {
    pub id: Id,
    /// Whose it is.
    pub partner: TenantId,
    /// Whose offering it is for.
    pub provider: TenantId,
    pub offering: String,
    /// What was agreed on.
    pub version: i64,
    pub digest: String,
    /// The partner's own name for its request, and the digest of what it said.
    pub key: String,
    pub request: String,
    pub contract: Contract,
    /// What the partner set.
    pub parameters: Map<String, Value>,
    /// The component of each plugin whose grant the partner's admin agreed to.
    pub agreed: BTreeMap<String, String>,
    /// In which the partner's days and periods begin and end: an IANA name.
    pub time_zone: String,
    /// What the partner pays in a period at most: a decimal in the currency of the price.
    pub cap: Option<String>,
    /// Why it was declined, or ended.
    pub reason: Option<String>,
    pub requested_at: Timestamp,
    /// A request that nobody answered until then is over.
    pub expires_at: Timestamp,
    /// It counts, and costs, from then on.
    pub active_at: Option<Timestamp>,
    /// It was ended, declined, withdrawn, or expired then.
    pub ended_at: Option<Timestamp>,
    /// After its end: until then, all of it can be read and exported. Then it is removed.
    pub export_until: Option<Timestamp>,
    pub removed_at: Option<Timestamp>,
    /// The version to which a push would take it, once its partner agrees. Not written with the rest.
    pub offered: Option<i64>,
}

/// Which subscriptions, the newest first.
#[derive(Clone, Debug, Default)]
pub struct SubscriptionFilter {
    pub offering: Option<String>,
    pub contract: Option<Contract>,
    /// Behind this one.
    pub after: Option<(Timestamp, Id)>,
    pub limit: usize,
}

/// What two tenants agree on.
#[derive(Clone, Debug)]
pub enum Agreement {
    /// A new one, or [`StoreError::AlreadyExists`]: of the same key, or for the same offering.
    Request(Box<Subscription>),
    /// As it is from now on; what it was is told by its contract, else [`StoreError::VersionConflict`].
    Change { from: Contract, to: Box<Subscription> },
    /// Begins an operation of the partner's, or [`StoreError::AlreadyExists`] while another one is not over.
    Begin { partner: TenantId, operation: Box<Operation> },
    /// How far an operation is; it was as `from` says, else [`StoreError::VersionConflict`].
    Note { partner: TenantId, from: OperationState, operation: Box<Operation> },
    /// Holds the subscription back.
    Block(Box<Block>),
    /// Begins a push of the provider's, or [`StoreError::AlreadyExists`] while another one of the offering is not over.
    BeginPush { provider: TenantId, push: Box<Push>, targets: Vec<Target> },
    /// How a push stands; it stood as `from`, else [`StoreError::VersionConflict`].
    NotePush { provider: TenantId, from: Box<Push>, to: Box<Push> },
    /// How far a push is with a subscriber; it was as `from` says, else [`StoreError::VersionConflict`].
    NoteTarget { provider: TenantId, from: TargetState, target: Box<Target> },
    /// When somebody is to look at the provider's pushes; none: at once, if one is under way.
    LookAtPushes { provider: TenantId, at: Option<Timestamp> },
    /// The version that waits for the partner's agreement.
    Offer { partner: TenantId, subscription: Id, version: i64 },
    /// Lifts a block that is in force, else [`StoreError::VersionConflict`].
    Lift(Box<Block>),
    /// Where something at the partner's comes from.
    Made { partner: TenantId, made: Box<Made> },
    /// It is there no more, or nobody's.
    Unmade { partner: TenantId, kind: String, name: String },
    /// What it comes to in a period at most: as the partner says, none for no cap; as the provider says.
    Limit { partner: TenantId, id: Id, limit: Limit },
    /// A version of a share is proposed.
    Propose(Box<Share>),
    /// What becomes of it; what it was is told by its state, else [`StoreError::VersionConflict`].
    Settle { from: ShareState, to: Box<Share> },
    /// The key under which a giver's customers have other names for a recipient, unless there is one.
    PairKey { giver: TenantId, recipient: TenantId, sealed: String, at: Timestamp },
    /// When somebody is to look at the partner's operations; none: when none is under way.
    LookAt { partner: TenantId, at: Option<Timestamp> },
}

/// Who says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Limit {
    Cap(Option<String>),
    Credit(String),
}

impl Agreement {
    /// Whose rows it writes.
    fn partner(&self) -> TenantId {
        match self {
            Agreement::Propose(of) | Agreement::Settle { to: of, .. } => of.giver,
            Agreement::PairKey { giver, .. } => *giver,
            Agreement::Request(of) | Agreement::Change { to: of, .. } => of.partner,
            Agreement::Block(block) | Agreement::Lift(block) => block.partner,
            Agreement::BeginPush { provider, .. }
            | Agreement::NotePush { provider, .. }
            | Agreement::NoteTarget { provider, .. }
            | Agreement::LookAtPushes { provider, .. } => *provider,
            Agreement::Offer { partner, .. }
            | Agreement::Begin { partner, .. }
            | Agreement::Note { partner, .. }
            | Agreement::Made { partner, .. }
            | Agreement::Unmade { partner, .. }
            | Agreement::Limit { partner, .. }
            | Agreement::LookAt { partner, .. } => *partner,
        }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    tenant_id: i64,
    id: String,
    provider_id: i64,
    offering: String,
    version: i64,
    digest: String,
    request_key: String,
    request_digest: String,
    contract: i64,
    parameters: String,
    agreed: String,
    time_zone: String,
    cap: Option<String>,
    reason: Option<String>,
    requested_at: i64,
    expires_at: i64,
    active_at: Option<i64>,
    ended_at: Option<i64>,
    export_until: Option<i64>,
    removed_at: Option<i64>,
    offered: Option<i64>,
}

impl Row {
    fn read(self) -> Result<Subscription, StoreError> {
        Ok(Subscription {
            id: id(&self.id)?,
            partner: TenantId(self.tenant_id),
            provider: TenantId(self.provider_id),
            offering: self.offering,
            version: self.version,
            digest: self.digest,
            key: self.request_key,
            request: self.request_digest,
            contract: Contract::from_code(self.contract).ok_or_else(|| corrupt("contract of a subscription"))?,
            parameters: json(&self.parameters, "parameters of a subscription")?,
            agreed: json(&self.agreed, "grants of a subscription")?,
            time_zone: self.time_zone,
            cap: self.cap,
            reason: self.reason,
            requested_at: time(self.requested_at),
            expires_at: time(self.expires_at),
            active_at: maybe_time(self.active_at),
            ended_at: maybe_time(self.ended_at),
            export_until: maybe_time(self.export_until),
            removed_at: maybe_time(self.removed_at),
            offered: self.offered,
        })
    }
}

impl Store {
    /// One of the tenant's own, or one for an offering of it.
    pub async fn subscription(&self, scope: &Scope, id: Id) -> Result<Option<Subscription>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT tenant_id, id, provider_id, offering, version, digest, request_key, request_digest, contract, parameters, agreed, \
             time_zone, cap, reason, requested_at, expires_at, active_at, ended_at, export_until, removed_at, offered FROM subscriptions \
             WHERE (tenant_id = $1 OR provider_id = $1) AND id = $2",
            scope.tenant().0,
            id.to_string(),
        );
        rows.into_iter().next().map(Row::read).transpose()
    }

    /// What the provider of a subscription lets it come to in a period at most.
    pub async fn credit(&self, scope: &Scope, id: Id) -> Result<Option<String>, StoreError> {
        let rows = select!(
            self,
            scope,
            (Option<String>,),
            "SELECT credit FROM subscriptions WHERE (tenant_id = $1 OR provider_id = $1) AND id = $2",
            scope.tenant().0,
            id.to_string(),
        );
        Ok(rows.into_iter().next().and_then(|(credit,)| credit))
    }

    /// The tenant's own of this key.
    pub async fn subscription_by_key(&self, scope: &Scope, key: &str) -> Result<Option<Subscription>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT tenant_id, id, provider_id, offering, version, digest, request_key, request_digest, contract, parameters, agreed, \
             time_zone, cap, reason, requested_at, expires_at, active_at, ended_at, export_until, removed_at, offered FROM subscriptions \
             WHERE tenant_id = $1 AND request_key = $2",
            scope.tenant().0,
            key,
        );
        rows.into_iter().next().map(Row::read).transpose()
    }

    /// The tenant's own, the newest first.
    pub async fn subscriptions(
        &self,
        scope: &Scope,
        filter: &SubscriptionFilter,
    ) -> Result<Vec<Subscription>, StoreError> {
        self.listed(scope, "tenant_id = ", filter).await
    }

    /// Those for the tenant's offerings, the newest first.
    pub async fn subscribers(
        &self,
        scope: &Scope,
        filter: &SubscriptionFilter,
    ) -> Result<Vec<Subscription>, StoreError> {
        self.listed(scope, "provider_id = ", filter).await
    }

    async fn listed(
        &self,
        scope: &Scope,
        side: &'static str,
        filter: &SubscriptionFilter,
    ) -> Result<Vec<Subscription>, StoreError> {
        let mut reading = self.reading(scope).await?;
        let mut sql = Sql::new(
            &reading.conn(),
            "SELECT tenant_id, id, provider_id, offering, version, digest, request_key, request_digest, contract, parameters, agreed, \
             time_zone, cap, reason, requested_at, expires_at, active_at, ended_at, export_until, removed_at, offered FROM subscriptions WHERE ",
        );
        sql.push(side).int(scope.tenant().0);
        if let Some(offering) = &filter.offering {
            sql.push(" AND offering = ").text(offering);
        }
        if let Some(contract) = filter.contract {
            sql.push(" AND contract = ").int(contract.code());
        }
        if let Some((at, id)) = filter.after {
            sql.push(" AND (requested_at, id) < (").int(at.micros()).push(", ").text(&id.to_string()).push(")");
        }
        sql.push(" ORDER BY requested_at DESC, id DESC LIMIT ").int(limit(filter.limit));
        let rows: Vec<Row> = sql.fetch_all(reading.conn()).await?;
        reading.done().await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Writes what a partner and its provider agree on, with an event in the log of each: `events` by tenant. The act is that of `scope`,
    /// which is one of the two. Answers the position of its own event.
    pub async fn agree(
        &self,
        scope: &Scope,
        agreements: Vec<Agreement>,
        events: Vec<(TenantId, NewEvent)>,
    ) -> Result<i64, StoreError> {
        let tenant = scope.tenant();
        self.writer
            .write_in_time(tenant, move |tx| {
                Box::pin(async move {
                    let touched = agreements.iter().map(Agreement::partner).chain(events.iter().map(|(of, _)| *of));
                    let others: Vec<TenantId> = touched.chain([tenant]).collect();
                    tx.see(&others).await?;
                    for agreement in &agreements {
                        perform(tx, agreement).await?;
                    }
                    tell(tx, tenant, events).await
                })
            })
            .await
    }
}

/// Appends to the logs of several tenants, always in the same order, so that nobody waits in a circle.
pub(crate) async fn tell(
    tx: &mut Tx<'_>,
    own: TenantId,
    mut events: Vec<(TenantId, NewEvent)>,
) -> Result<i64, StoreError> {
    let mut position = 0;
    events.sort_by_key(|(tenant, _)| tenant.0);
    for (tenant, event) in events {
        let appended = append_all(tx, tenant, &[&[event]], None).await?.pop().unwrap_or_default();
        if tenant == own {
            position = appended.position;
        }
    }
    Ok(position)
}

async fn perform(tx: &mut Tx<'_>, agreement: &Agreement) -> Result<(), StoreError> {
    match agreement {
        Agreement::Request(new) => insert(tx, new).await,
        Agreement::Change { from, to } => update(tx, *from, to).await,
        Agreement::Begin { partner, operation } => operations::begin(tx, *partner, operation).await,
        Agreement::Note { partner, from, operation } => operations::note(tx, *partner, *from, operation).await,
        Agreement::Block(block) => blocks::set(tx, block).await,
        Agreement::Lift(block) => blocks::lift(tx, block).await,
        Agreement::BeginPush { provider, push, targets } => pushes::begin(tx, *provider, push, targets).await,
        Agreement::NotePush { provider, from, to } => pushes::note(tx, *provider, from, to).await,
        Agreement::NoteTarget { provider, from, target } => pushes::note_target(tx, *provider, *from, target).await,
        Agreement::LookAtPushes { provider, at } => pushes::look_at(tx, *provider, *at).await,
        Agreement::Offer { partner, subscription, version } => {
            pushes::offer(tx, *partner, *subscription, *version).await
        }
        Agreement::Made { partner, made } => operations::put_made(tx, *partner, made).await,
        Agreement::Unmade { partner, kind, name } => operations::drop_made(tx, *partner, kind, name).await,
        Agreement::Propose(new) => shares::propose(tx, new).await,
        Agreement::Settle { from, to } => shares::settle(tx, *from, to).await,
        Agreement::PairKey { giver, recipient, sealed, at } => {
            shares::put_key(tx, (*giver, *recipient), sealed, *at).await
        }
        Agreement::Limit { partner, id, limit } => set_limit(tx, *partner, *id, limit).await,
        Agreement::LookAt { partner, at } => operations::look_at(tx, *partner, *at).await,
    }
}

async fn set_limit(tx: &mut Tx<'_>, partner: TenantId, id: Id, limit: &Limit) -> Result<(), StoreError> {
    let (cap, credit) = match limit {
        Limit::Cap(cap) => (cap.as_deref(), None),
        Limit::Credit(credit) => (None, Some(credit.as_str())),
    };
    let sets_cap = i64::from(matches!(limit, Limit::Cap(_)));
    let changed = execute!(
        tx.conn(),
        "UPDATE subscriptions SET cap = CASE WHEN $3 = 1 THEN $4 ELSE cap END, credit = COALESCE($5, credit) \
         WHERE tenant_id = $1 AND id = $2",
        partner.0,
        id.to_string(),
        sets_cap,
        cap,
        credit,
    )?;
    if changed == 0 { Err(StoreError::NotFound) } else { Ok(()) }
}

async fn insert(tx: &mut Tx<'_>, new: &Subscription) -> Result<(), StoreError> {
    let made = execute!(
        tx.conn(),
        "INSERT INTO subscriptions (tenant_id, id, provider_id, offering, version, digest, request_key, request_digest, contract, \
         parameters, agreed, time_zone, cap, reason, requested_at, expires_at, active_at, ended_at, export_until, removed_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20) ON CONFLICT DO NOTHING",
        new.partner.0,
        new.id.to_string(),
        new.provider.0,
        &new.offering,
        new.version,
        &new.digest,
        &new.key,
        &new.request,
        new.contract.code(),
        serde_json::json!(new.parameters).to_string(),
        serde_json::json!(new.agreed).to_string(),
        &new.time_zone,
        new.cap.as_deref(),
        new.reason.as_deref(),
        new.requested_at.micros(),
        new.expires_at.micros(),
        new.active_at.map(Timestamp::micros),
        new.ended_at.map(Timestamp::micros),
        new.export_until.map(Timestamp::micros),
        new.removed_at.map(Timestamp::micros),
    )?;
    match made {
        0 => Err(StoreError::AlreadyExists(new.offering.clone())),
        _ if new.contract == Contract::Active => look_at_statements(tx, new.partner).await,
        _ => Ok(()),
    }
}

async fn update(tx: &mut Tx<'_>, from: Contract, to: &Subscription) -> Result<(), StoreError> {
    let changed = execute!(
        tx.conn(),
        "UPDATE subscriptions SET version = $4, digest = $5, contract = $6, parameters = $7, agreed = $8, time_zone = $9, cap = $10, \
         reason = $11, active_at = $12, ended_at = $13, export_until = $14, removed_at = $15, \
         offered = CASE WHEN offered = $4 THEN NULL ELSE offered END \
         WHERE tenant_id = $1 AND id = $2 AND contract = $3",
        to.partner.0,
        to.id.to_string(),
        from.code(),
        to.version,
        &to.digest,
        to.contract.code(),
        serde_json::json!(to.parameters).to_string(),
        serde_json::json!(to.agreed).to_string(),
        &to.time_zone,
        to.cap.as_deref(),
        to.reason.as_deref(),
        to.active_at.map(Timestamp::micros),
        to.ended_at.map(Timestamp::micros),
        to.export_until.map(Timestamp::micros),
        to.removed_at.map(Timestamp::micros),
    )?;
    match changed {
        0 => Err(StoreError::VersionConflict(vec![ObjectKey::new("subscription", to.id.to_string())])),
        _ if from != to.contract => look_at_statements(tx, to.partner).await,
        _ => Ok(()),
    }
}

/// When the next statement is due follows from the contracts: it is found out anew.
async fn look_at_statements(tx: &mut Tx<'_>, partner: TenantId) -> Result<(), StoreError> {
    execute!(tx.conn(), "UPDATE tenants SET statements_due_at = 0 WHERE id = $1", partner.0)?;
    Ok(())
}
