//! What two tenants agree on: found by either side, changed by one act, and told in the log of both.

use openhub_model::block::{Stop, Stops};
use openhub_model::subscription::{Act, Contract};
use openhub_model::{EventKind, Id, NewEvent, Principal, TenantId, Timestamp};
use openhub_store::{Agreement, OfferingVersion, Scope, StoreError, Subscription, act};
use serde_json::{Value, json};
use std::collections::HashMap;

use crate::app::App;
use crate::auth::Permission;
use crate::change::Change;
use crate::problem::{ALREADY_DECIDED, BLOCKED, NOT_ACTIVE, OFFERING_ARCHIVED, Problem};
use crate::views::{ProviderView, SubscriptionView};
use crate::writes;

/// A subscription as one of its two sides sees it; of anybody else's there is nothing to be found.
pub(crate) async fn find(app: &App, scope: &Scope, id: &str, side: Side) -> Result<Subscription, Problem> {
    let absent = || Problem::not_found("subscription");
    let id: Id = id.parse().map_err(|_| absent())?;
    let found = app.store.subscription(scope, id).await?.ok_or_else(absent)?;
    let own = match side {
        Side::Partner => found.partner,
        Side::Provider => found.provider,
    };
    if own == scope.tenant() { Ok(found) } else { Err(absent()) }
}

/// From where a subscription is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Partner,
    Provider,
}

/// The version that a subscription is on.
pub(crate) async fn version_of(app: &App, subscription: &Subscription) -> Result<OfferingVersion, Problem> {
    let provider = Scope::of(subscription.provider);
    let version = app.store.offering_version(&provider, &subscription.offering, subscription.version).await?;
    version
        .filter(|version| version.digest == subscription.digest)
        .ok_or_else(|| Problem::not_found("version of an offering"))
}

/// As answers show subscriptions, with the names of both sides.
pub(crate) async fn shown(
    app: &App,
    scope: &Scope,
    subscriptions: Vec<Subscription>,
) -> Result<Vec<SubscriptionView>, Problem> {
    let mut names: HashMap<TenantId, String> = HashMap::new();
    for tenant in subscriptions.iter().flat_map(|each| [each.partner, each.provider]) {
        if let std::collections::hash_map::Entry::Vacant(unknown) = names.entry(tenant) {
            let found = app.store.tenant(tenant).await?;
            unknown.insert(found.map(|tenant| tenant.name).unwrap_or_default());
        }
    }
    let blocks = app.store.blocks_in_force(scope).await?;
    let stopped = |id: Id| Stops::of(blocks.iter().filter(|block| block.subscription == id).map(|block| &block.stops));
    let named = |tenant: TenantId| ProviderView::of(tenant, names.get(&tenant).cloned().unwrap_or_default());
    let view = |each: Subscription| {
        let (partner, provider) = (named(each.partner), named(each.provider));
        let stopped = stopped(each.id);
        SubscriptionView::of(each, stopped, partner, provider)
    };
    Ok(subscriptions.into_iter().map(view).collect())
}

pub(crate) async fn shown_one(
    app: &App,
    scope: &Scope,
    subscription: Subscription,
) -> Result<SubscriptionView, Problem> {
    shown(app, scope, vec![subscription]).await?.pop().ok_or_else(|| Problem::not_found("subscription"))
}

/// What the events of a subscription say.
pub(crate) fn said(subscription: &Subscription) -> Value {
    json!({
        "subscription": subscription.id, "partner": subscription.partner, "provider": subscription.provider,
        "offering": subscription.offering, "version": subscription.version, "digest": subscription.digest,
        "contract": subscription.contract,
    })
}

/// The event of a change in the log of each side: the other one learns which tenant did it, and not who there.
pub(crate) async fn told<P: Permission>(
    app: &App,
    change: &Change<P>,
    subscription: &Subscription,
    name: &str,
    body: &Value,
) -> Result<Vec<(TenantId, NewEvent)>, Problem> {
    let mut events = Vec::new();
    for tenant in [subscription.partner, subscription.provider] {
        let event = if tenant == change.tenant() {
            change.control(name, change.now().await?, body.clone())
        } else {
            let at = writes::present(app, &Scope::of(tenant)).await?;
            of_partner(app, change.tenant(), name, at, body.clone())
        };
        events.push((tenant, event));
    }
    Ok(events)
}

fn of_partner(app: &App, partner: TenantId, name: &str, at: Timestamp, mut body: Value) -> NewEvent {
    body["principal"] = json!(Principal::Partner { id: partner.0.to_string() });
    NewEvent { name: name.to_owned(), ..writes::event(app, EventKind::Control, None, at, &body) }
}

/// Carries out what becomes of a contract; `adjust` sets what comes with it, and `then` says what else is written.
pub(crate) async fn carry_out<P: Permission>(
    app: &App,
    change: &Change<P>,
    subscription: Subscription,
    act: Act,
    adjust: impl FnOnce(&mut Subscription),
    then: impl FnOnce(&Subscription) -> Vec<Agreement>,
) -> Result<Subscription, Problem> {
    let from = subscription.contract;
    let to = from.after(act).ok_or_else(|| not_now(&subscription, act))?;
    let mut changed = Subscription { contract: to, ..subscription };
    adjust(&mut changed);
    let body = said(&changed);
    act::note_before(&json!({"contract": from}));
    act::note_after(&body);
    let name = format!("subscription.{}", word(act));
    let events = told(app, change, &changed, &name, &body).await?;
    let mut agreements = vec![Agreement::Change { from, to: Box::new(changed.clone()) }];
    agreements.extend(then(&changed));
    match app.store.agree(&change.scope, agreements, events).await {
        // The other side came first.
        Err(StoreError::VersionConflict(_)) => {
            let now = app.store.subscription(&change.scope, changed.id).await?;
            Err(not_now(&now.unwrap_or(changed), act))
        }
        done => {
            done?;
            Ok(changed)
        }
    }
}

const fn word(act: Act) -> &'static str {
    match act {
        Act::Approve => "approved",
        Act::Decline => "declined",
        Act::Expire => "expired",
        Act::Withdraw => "withdrawn",
        Act::End => "ended",
    }
}

fn not_now(subscription: &Subscription, act: Act) -> Problem {
    let state = subscription.contract;
    match act {
        Act::End => Problem::new(NOT_ACTIVE, format!("The subscription is {state}: only an active one is ended.")),
        _ => Problem::new(
            ALREADY_DECIDED,
            format!("The subscription is {state}: only a request is answered or taken back."),
        ),
    }
}

/// Partners come onto a version only as long as it is active.
pub(crate) fn must_be_active(version: &OfferingVersion, now: Timestamp) -> Result<(), Problem> {
    if version.archived_at.is_some_and(|at| at <= now) {
        let detail = format!(
            "Version {} of `{}` is archived: nobody comes onto it any more.",
            version.version, version.offering
        );
        return Err(Problem::new(OFFERING_ARCHIVED, detail));
    }
    if version.active_at.is_none_or(|at| at > now) {
        return Err(Problem::not_found("version of an offering"));
    }
    Ok(())
}

/// As long as a block on changes is in force, the partner changes nothing.
pub(crate) async fn must_be_open(app: &App, scope: &Scope, subscription: &Subscription) -> Result<(), Problem> {
    if app.store.stops(scope, subscription.id).await?.has(Stop::Changes) {
        let detail = "The provider has blocked changes of this subscription: its `blocks` say why. All stays as it is.";
        return Err(Problem::new(BLOCKED, detail));
    }
    Ok(())
}

/// A request that nobody answered in time is over, whether the hub has said so yet or not.
pub(crate) fn must_be_in_time(subscription: &Subscription, now: Timestamp) -> Result<(), Problem> {
    if subscription.contract == Contract::Requested && subscription.expires_at <= now {
        return Err(Problem::new(ALREADY_DECIDED, "The request is expired: nobody answered it in time."));
    }
    Ok(())
}
