//! Subscriptions, as both sides see them.

use openhub_model::asks::Ask;
use openhub_model::block::{BlockState, Stops};
use openhub_model::subscription::{Contract, OperationState, Progress, Purpose};
use openhub_model::{Id, Principal, Timestamp};
use openhub_store::{Block, Made, Operation, Subscription};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

use super::offering::ProviderView;

#[derive(Serialize, ToSchema)]
#[schema(as = Subscription)]
pub(crate) struct SubscriptionView {
    #[schema(value_type = String, format = "uuid")]
    id: Id,
    partner: ProviderView,
    provider: ProviderView,
    offering: String,
    /// What was agreed on: this version, and no other content.
    version: i64,
    digest: String,
    /// The partner's own name for its request.
    key: String,
    /// `requested`, `active`, `ended`, `declined`, `expired` or `withdrawn`.
    #[schema(value_type = String)]
    contract: Contract,
    /// What blocks stop now: `changes`, `service`, `billing`. Empty: nothing.
    #[schema(value_type = Vec<String>)]
    stopped: Stops,
    #[schema(value_type = Object)]
    parameters: Map<String, Value>,
    /// The component of each plugin whose grant the partner agreed to.
    agreed: BTreeMap<String, String>,
    time_zone: String,
    /// What the partner pays in a period at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    cap: Option<String>,
    /// Why it was declined, or ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    requested_at: Timestamp,
    /// A request that nobody answers is over then.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    active_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    /// What it made can be read and exported until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    export_until: Option<Timestamp>,
    /// All that it made is removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    removed_at: Option<Timestamp>,
    /// The version to which its provider would take it: it waits for the partner. `upgrade?version=…` tells what it asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    offered: Option<i64>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct SubscriptionList {
    pub subscriptions: Vec<SubscriptionView>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

impl SubscriptionView {
    pub fn of(
        subscription: Subscription,
        stopped: Stops,
        partner: ProviderView,
        provider: ProviderView,
    ) -> SubscriptionView {
        SubscriptionView {
            id: subscription.id,
            partner,
            provider,
            offering: subscription.offering,
            version: subscription.version,
            digest: subscription.digest,
            key: subscription.key,
            contract: subscription.contract,
            stopped,
            parameters: subscription.parameters,
            agreed: subscription.agreed,
            time_zone: subscription.time_zone,
            cap: subscription.cap,
            reason: subscription.reason,
            requested_at: subscription.requested_at,
            expires_at: subscription.expires_at,
            active_at: subscription.active_at,
            ended_at: subscription.ended_at,
            export_until: subscription.export_until,
            removed_at: subscription.removed_at,
            offered: subscription.offered,
        }
    }
}

/// What holds a subscription back.
#[derive(Serialize, ToSchema)]
#[schema(as = SubscriptionBlock)]
pub(crate) struct BlockView {
    #[schema(value_type = String, format = "uuid")]
    id: Id,
    /// `in-force` or `lifted`.
    #[schema(value_type = String)]
    state: BlockState,
    /// `changes`, `service`, `billing`.
    #[schema(value_type = Vec<String>)]
    stops: Stops,
    reason: String,
    /// Who set it. The partner is told which tenant it was, and not who there.
    #[schema(value_type = Object)]
    set_by: Principal,
    #[schema(value_type = String, format = DateTime)]
    set_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    lifted_by: Option<Principal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    lifted_at: Option<Timestamp>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SubscriptionBlockList)]
pub(crate) struct BlockList {
    pub blocks: Vec<BlockView>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

impl BlockView {
    /// As the provider sees it.
    pub fn of(block: Block) -> BlockView {
        let Block { id, reason, stops, set_by, set_at, lifted_by, lifted_at, .. } = block;
        BlockView { id, state: BlockState::of(lifted_at), stops, reason, set_by, set_at, lifted_by, lifted_at }
    }

    /// As the partner does.
    pub fn of_partner(block: Block) -> BlockView {
        let provider = Principal::Partner { id: block.provider.0.to_string() };
        let lifted_by = block.lifted_by.is_some().then(|| provider.clone());
        BlockView::of(Block { set_by: provider, lifted_by, ..block })
    }
}

/// A piece of work for a subscription.
#[derive(Serialize, ToSchema)]
#[schema(as = SubscriptionOperation)]
pub(crate) struct OperationView {
    /// 1 for the first.
    number: i64,
    /// `provision`, `upgrade` or `remove`.
    #[schema(value_type = String)]
    purpose: Purpose,
    /// `running`, `succeeded` or `failed`.
    #[schema(value_type = String)]
    state: OperationState,
    /// The version that it makes so.
    version: i64,
    /// Item by item, in their order: each is `waiting`, `done` or `failed`, with the reason.
    #[schema(value_type = Vec<Object>)]
    progress: Vec<Progress>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    settled_at: Option<Timestamp>,
}

/// In place of a reason, for who does not see what the partner has.
pub(crate) const PARTNERS_REASON: &str = "The partner sees why, and can resume the operation.";

impl OperationView {
    /// As the other side sees it.
    pub fn of_partner(operation: Operation) -> OperationView {
        let hidden = |reason: Option<String>| reason.map(|_| PARTNERS_REASON.to_owned());
        let mut view = OperationView::from(operation);
        view.reason = hidden(view.reason);
        for item in &mut view.progress {
            item.reason = hidden(item.reason.take());
        }
        view
    }
}

impl From<Operation> for OperationView {
    fn from(operation: Operation) -> OperationView {
        let Operation { number, purpose, state, version, progress, reason, started_at, settled_at, .. } = operation;
        OperationView { number, purpose, state, version, progress, reason, started_at, settled_at }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = SubscriptionOperationList)]
pub(crate) struct OperationList {
    pub operations: Vec<OperationView>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

/// Something that a subscription made.
#[derive(Serialize, ToSchema)]
#[schema(as = SubscriptionItem)]
pub(crate) struct MadeView {
    /// As in the version: `journey/win-back`.
    item: String,
    /// `object-type`, `plugin`, `segment` or `journey`.
    kind: String,
    name: String,
    /// Of the offering.
    version: i64,
    /// Of what it says at yours.
    digest: String,
    #[schema(value_type = String, format = DateTime)]
    made_at: Timestamp,
}

impl From<Made> for MadeView {
    fn from(made: Made) -> MadeView {
        let Made { item, kind, name, version, digest, made_at, .. } = made;
        MadeView { item, kind, name, version, digest, made_at }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = SubscriptionItemList)]
pub(crate) struct MadeList {
    pub items: Vec<MadeView>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

/// What another version would change.
#[derive(Serialize, ToSchema)]
#[schema(as = SubscriptionUpgradePreview)]
pub(crate) struct UpgradeView {
    /// The version that the subscription is on.
    pub from: i64,
    pub to: i64,
    /// Of the version to go over to.
    pub digest: String,
    /// What is new in it, by language.
    pub notes: BTreeMap<String, String>,
    pub items: Vec<UpgradeItem>,
    /// The plugins that you have to agree to anew.
    pub grants: Vec<UpgradeGrant>,
    /// What you pay now, and with the other version; left out: nothing. The version that you are on when a period ends decides what all of the
    /// period costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub price_from: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub price_to: Option<Value>,
    /// How much you may use now, and with the other version.
    #[schema(value_type = Vec<Object>)]
    pub quotas_from: Vec<Value>,
    #[schema(value_type = Vec<Object>)]
    pub quotas_to: Vec<Value>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct UpgradeItem {
    /// `journey/win-back`.
    pub item: String,
    /// `added`, `changed`, `removed` or `same`.
    #[schema(value_type = String)]
    pub change: ItemChange,
    /// It is not as the subscription made it.
    pub changed_by_you: bool,
}

/// What becomes of an item.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ItemChange {
    Added,
    Changed,
    Removed,
    Same,
}

/// What a plugin asks for beyond what was agreed to.
#[derive(Serialize, ToSchema)]
pub(crate) struct UpgradeGrant {
    pub plugin: String,
    /// Agree with `"agree": {"<plugin>": "<digest>"}`.
    pub digest: String,
    /// In English and Chinese.
    #[schema(value_type = Vec<Object>)]
    pub more: Vec<Ask>,
    /// What it asks for no more.
    #[schema(value_type = Vec<Object>)]
    pub less: Vec<Ask>,
}
