//! A subscription goes over to another version of its offering: what that changes is looked at first, and nothing that the partner has
//! changed itself is overwritten unless it says so.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use openhub_model::asks::Difference;
use openhub_model::offering::{Document, Item, substituted};
use openhub_model::subscription::{Contract, OperationState, Purpose};
use openhub_model::{Fault, manifest::Manifest};
use openhub_store::{Agreement, OfferingVersion, Operation, Scope, Subscription, act};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

use super::request::{may_make, unfit};
use crate::app::{App, Checks};
use crate::auth::{Authorized, SubscriptionsRead, SubscriptionsWrite};
use crate::body::JsonBody;
use crate::change::Change;
use crate::contracts::{Side, find, must_be_active, must_be_open, said, told, version_of};
use crate::openapi::{Problems, Unfit};
use crate::parameters::{Path, Query};
use crate::problem::{CHANGED_HERE, NOT_ACTIVE, NOT_AGREED, OPERATION_OPEN, Problem};
use crate::provisioning::current::is_as_made;
use crate::provisioning::fit;
use crate::provisioning::operation::begun;
use crate::routes::catalog::grants;
use crate::views::{ItemChange, OperationView, UpgradeGrant, UpgradeItem, UpgradeView};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct To {
    /// The number of the version to go over to.
    version: i64,
}

/// A version to go over to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SubscriptionUpgrade)]
pub(crate) struct Upgrade {
    /// One of the active versions of the offering.
    version: i64,
    /// The values of its parameters that are to be others, or are new (default: those that you set before).
    #[serde(default)]
    #[schema(value_type = Object)]
    parameters: Map<String, Value>,
    /// What you agree to beyond what you agreed to before: the `digest` of each grant, by plugin.
    #[serde(default)]
    agree: BTreeMap<String, String>,
    /// Items that you have changed yourself, and that may become as the version says.
    #[serde(default)]
    overwrite: Vec<String>,
}

/// What another version would change: item by item, with what you have changed yourself, and what its plugins ask for beyond the present
/// ones. Nothing is changed.
#[utoipa::path(get, path = "/api/v1/subscriptions/{id}/upgrade", tag = "partners",
    params(("id" = String, Path, description = "The subscription's id."), To),
    security(("api_key" = ["subscriptions:read"])),
    responses((status = 200, body = UpgradeView), Problems))]
pub(crate) async fn preview_upgrade(
    State(app): State<Arc<App>>,
    access: Authorized<SubscriptionsRead>,
    Path(id): Path<String>,
    Query(To { version }): Query<To>,
) -> Result<Json<UpgradeView>, Problem> {
    let found = find(&app, &access.scope, &id, Side::Partner).await?;
    let (from, to) = (version_of(&app, &found).await?, target(&app, &found, version).await?);
    must_be_active(&to, app.now())?;
    let given = given(&found, &to.document, Map::new());
    let values = to.document.values(&given, "").unwrap_or(given);
    Ok(Json(UpgradeView {
        from: from.version,
        to: to.version,
        digest: to.digest,
        notes: to.document.notes.clone(),
        items: changes(&app, &access.scope, &found, (&from.document, &to.document), &values).await?,
        grants: widened(&app, &found, &from.document, &to.document).await?,
        price_from: from.document.price().map(|plan| json!(plan)),
        price_to: to.document.price().map(|plan| json!(plan)),
        quotas_from: from.document.quotas().map(|quota| json!(quota)).collect(),
        quotas_to: to.document.quotas().map(|quota| json!(quota)).collect(),
    }))
}

/// Goes over to another version. What its plugins ask for beyond the present ones is agreed to in `agree`; until then all stays as it
/// is. What you have changed yourself is named in `overwrite`, or the upgrade is refused.
#[utoipa::path(post, path = "/api/v1/subscriptions/{id}/upgrade", tag = "partners", request_body = Upgrade,
    params(("id" = String, Path, description = "The subscription's id.")),
    security(("api_key" = ["subscriptions:write"])),
    responses((status = 202, body = OperationView), Problems, Unfit))]
pub(crate) async fn upgrade_subscription(
    State(app): State<Arc<App>>,
    change: Change<SubscriptionsWrite>,
    State(checks): State<Checks>,
    Path(id): Path<String>,
    JsonBody(wanted): JsonBody<Upgrade>,
) -> Result<(StatusCode, Json<OperationView>), Problem> {
    let _alone = change.alone().await?;
    let found = find(&app, &change.scope, &id, Side::Partner).await?;
    if found.contract != Contract::Active {
        let detail = format!("The subscription is {}: only an active one is upgraded.", found.contract);
        return Err(Problem::new(NOT_ACTIVE, detail));
    }
    must_be_open(&app, &change.scope, &found).await?;
    let before = app.store.operations(&change.scope, found.id).await?;
    if before.first().is_some_and(|newest| newest.state != OperationState::Succeeded) {
        return Err(Problem::new(OPERATION_OPEN, "Another operation of it is not over. Wait for it, or resume it."));
    }
    let to = target(&app, &found, wanted.version).await?;
    must_be_active(&to, app.now())?;
    may_make(&change, &to.document)?;
    let from = found.version;
    let Upgrade { parameters, agree, overwrite, .. } = wanted;
    let wanted = Wanted { parameters, agree: Agree::Named(agree), overwrite };
    let planned = plan(&app, &change.scope, found, &before, &to, wanted).await?;
    let of = (&change.scope, &Scope::of(planned.upgraded.provider));
    let faults = fit::faults(&app, &checks, of, &to.document, &planned.upgraded.parameters).await?;
    if !faults.is_empty() {
        return Err(unfit(faults));
    }
    let body = said(&planned.upgraded);
    act::note_before(&json!({"version": from}));
    act::note_after(&body);
    let events = told(&app, &change, &planned.upgraded, "subscription.upgrade-begun", &body).await?;
    app.store.agree(&change.scope, planned.agreements(), events).await?;
    Ok((StatusCode::ACCEPTED, Json(OperationView::from(planned.operation))))
}

/// What the partner says to an upgrade.
pub(crate) struct Wanted {
    pub parameters: Map<String, Value>,
    pub agree: Agree,
    pub overwrite: Vec<String>,
}

/// What the partner agrees to.
pub(crate) enum Agree {
    /// To the `digest` of each grant, by plugin.
    Named(BTreeMap<String, String>),
    /// To what it has agreed to before, and no more.
    AsBefore,
}

impl Agree {
    fn covers(&self, grant: &UpgradeGrant) -> bool {
        match self {
            Agree::Named(agreed) => agreed.get(&grant.plugin) == Some(&grant.digest),
            Agree::AsBefore => grant.more.is_empty(),
        }
    }
}

/// An upgrade that may begin.
pub(crate) struct Planned {
    pub upgraded: Subscription,
    pub operation: Operation,
}

impl Planned {
    /// What is written when it begins.
    pub fn agreements(&self) -> Vec<Agreement> {
        let partner = self.upgraded.partner;
        vec![
            Agreement::Change { from: Contract::Active, to: Box::new(self.upgraded.clone()) },
            Agreement::Begin { partner, operation: Box::new(self.operation.clone()) },
            Agreement::LookAt { partner, at: None },
        ]
    }
}

/// What an upgrade of an active subscription does, or why it may not begin: `scope` is the partner's, and `before` what was done there.
pub(crate) async fn plan(
    app: &App,
    scope: &Scope,
    found: Subscription,
    before: &[Operation],
    to: &OfferingVersion,
    wanted: Wanted,
) -> Result<Planned, Problem> {
    let from = version_of(app, &found).await?;
    let given = given(&found, &to.document, wanted.parameters);
    let parameters = to.document.values(&given, "/parameters").map_err(unfit)?;
    let widened = widened(app, &found, &from.document, &to.document).await?;
    let open: Vec<&UpgradeGrant> = widened.iter().filter(|grant| !wanted.agree.covers(grant)).collect();
    if !open.is_empty() {
        return Err(not_agreed(&open));
    }
    let changes = changes(app, scope, &found, (&from.document, &to.document), &parameters).await?;
    let unknown = unknown(&wanted.overwrite, &changes);
    if !unknown.is_empty() {
        return Err(unfit(unknown));
    }
    let kept = changes.iter().filter(|item| item.changed_by_you && item.change != ItemChange::Same);
    let kept: Vec<Fault> = kept
        .filter(|item| !wanted.overwrite.contains(&item.item))
        .map(|item| Fault::new("/overwrite", "changed-here", format!("You have changed `{}` yourself.", item.item)))
        .collect();
    if !kept.is_empty() {
        let detail = "The version says something else about what you have changed yourself. Name it in `overwrite`, or keep yours.";
        return Err(Problem::new(CHANGED_HERE, detail).with_faults(kept));
    }
    let mut agreed = found.agreed.clone();
    agreed.extend(widened.into_iter().map(|grant| (grant.plugin, grant.digest)));
    let upgraded = Subscription { version: to.version, digest: to.digest.clone(), parameters, agreed, ..found };
    let is_to_do = |item: &&UpgradeItem| item.change != ItemChange::Same;
    let items = changes.iter().filter(is_to_do).map(|item| item.item.clone());
    let operation = begun(&upgraded, before, Purpose::Upgrade, items, app.now());
    Ok(Planned { upgraded, operation })
}

/// The values of the parameters that the document has: those of before, and those that are to be others.
fn given(found: &Subscription, to: &Document, others: Map<String, Value>) -> Map<String, Value> {
    let mut given = found.parameters.clone();
    given.retain(|name, _| to.parameters.iter().any(|parameter| parameter.name == *name));
    given.extend(others);
    given
}

/// Names of what is to be overwritten, and is no item of either version.
fn unknown(overwrite: &[String], changes: &[UpgradeItem]) -> Vec<Fault> {
    let known: Vec<String> = changes.iter().map(|item| format!("`{}`", item.item)).collect();
    let is_unknown = |name: &String| !changes.iter().any(|item| item.item == *name);
    let unknown = overwrite.iter().enumerate().filter(|(_, name)| is_unknown(name));
    let fault = |(at, name): (usize, &String)| {
        let message = format!("There is no item `{name}`. There are: {}.", known.join(", "));
        Fault::new(format!("/overwrite/{at}"), "unknown-item", message)
    };
    unknown.map(fault).collect()
}

fn not_agreed(open: &[&UpgradeGrant]) -> Problem {
    let asks = |grant: &&UpgradeGrant| {
        let pointer = format!("/agree/{}", grant.plugin);
        let agree = format!("Agree to it with {{\"agree\": {{\"{}\": \"{}\"}}}}.", grant.plugin, grant.digest);
        let more = grant.more.iter().map(|ask| Fault::new(&pointer, "asks", format!("{} ({})", ask.en, ask.zh)));
        more.chain([Fault::new(&pointer, "not-agreed", agree)]).collect::<Vec<_>>()
    };
    let detail =
        "The version's plugins ask for more than you agreed to: see `faults`. All stays as it is until you agree.";
    Problem::new(NOT_AGREED, detail).with_faults(open.iter().flat_map(asks).collect())
}

pub(crate) async fn target(app: &App, subscription: &Subscription, version: i64) -> Result<OfferingVersion, Problem> {
    let provider = Scope::of(subscription.provider);
    let found = app.store.offering_version(&provider, &subscription.offering, version).await?;
    found.ok_or_else(|| Problem::not_found("version of an offering"))
}

/// What becomes of each item, with these values in the places of the parameters: first those of the new version in their order, then those
/// that it has no more.
async fn changes(
    app: &App,
    scope: &Scope,
    subscription: &Subscription,
    (from, to): (&Document, &Document),
    values: &Map<String, Value>,
) -> Result<Vec<UpgradeItem>, Problem> {
    let says = |item: &Item, values: &Map<String, Value>| substituted(&json!(item), values);
    let mut changes = Vec::new();
    let find = |document: &Document, item: &Item| document.provisioned().find(|other| other.id() == item.id()).cloned();
    for item in to.provisioned() {
        let before = find(from, item);
        let change = match &before {
            None => ItemChange::Added,
            Some(before) if says(before, &subscription.parameters) == says(item, values) => ItemChange::Same,
            Some(_) => ItemChange::Changed,
        };
        let changed_by_you = match &before {
            Some(before) => !is_as_made(app, scope, subscription, before).await?,
            None => false,
        };
        changes.push(UpgradeItem { item: item.id().0, change, changed_by_you });
    }
    let gone: Vec<&Item> = from.provisioned().filter(|item| find(to, item).is_none()).collect();
    for item in gone.into_iter().rev() {
        let changed_by_you = !is_as_made(app, scope, subscription, item).await?;
        changes.push(UpgradeItem { item: item.id().0, change: ItemChange::Removed, changed_by_you });
    }
    Ok(changes)
}

/// The plugins that are other components than those that were agreed to, with what they ask for beyond them.
async fn widened(
    app: &App,
    subscription: &Subscription,
    from: &Document,
    to: &Document,
) -> Result<Vec<UpgradeGrant>, Problem> {
    let provider = Scope::of(subscription.provider);
    let old: BTreeMap<String, Manifest> = grants(app, &provider, from)
        .await?
        .into_iter()
        .map(|(_, manifest)| (manifest.name.clone(), manifest))
        .collect();
    let mut widened = Vec::new();
    for (digest, manifest) in grants(app, &provider, to).await? {
        if subscription.agreed.get(&manifest.name) == Some(&digest) {
            continue;
        }
        let Difference { more, less } = Difference::between(old.get(&manifest.name), &manifest);
        widened.push(UpgradeGrant { plugin: manifest.name, digest, more, less });
    }
    Ok(widened)
}
