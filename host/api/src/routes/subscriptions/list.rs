//! A tenant's subscriptions, and those for its offerings.

use axum::Json;
use axum::extract::State;
use openhub_model::fault::instead_of;
use openhub_model::subscription::Contract;
use openhub_model::{Fault, Id, Timestamp};
use openhub_store::{Subscription, SubscriptionFilter};
use serde::Deserialize;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::{Authorized, OfferingsRead, SubscriptionsRead};
use crate::contracts::{Side, find, shown, shown_one};
use crate::cursor;
use crate::openapi::Problems;
use crate::parameters::{Path, Query};
use crate::problem::{INVALID_QUERY, Problem};
use crate::views::{SubscriptionList, SubscriptionView};

const LIST: &str = "subscriptions";
const SUBSCRIBERS: &str = "subscribers";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// Only those for this offering.
    offering: Option<String>,
    /// Only those whose contract stands so.
    contract: Option<String>,
    /// The `next` of the page before.
    after: Option<String>,
    /// Page size, 1 to 1000 (default 50).
    limit: Option<usize>,
}

impl Parameters {
    fn filter(self, list: &str) -> Result<(SubscriptionFilter, usize), Problem> {
        let limit = cursor::limit(self.limit)?;
        let after: Option<Behind> = cursor::read(list, "after", self.after.as_deref())?;
        let contract = self.contract.as_deref().map(contract).transpose()?;
        let after = after.map(|Behind(at, id)| (at, id));
        Ok((SubscriptionFilter { offering: self.offering, contract, after, limit: limit + 1 }, limit))
    }
}

fn contract(word: &str) -> Result<Contract, Problem> {
    Contract::ALL.into_iter().find(|contract| contract.word() == word).ok_or_else(|| {
        let known = instead_of(word, Contract::ALL.map(Contract::word));
        let message = format!("There is no contract `{word:.64}`. {known}");
        Problem::fault(INVALID_QUERY, Fault::new("/contract", "unknown-contract", message))
    })
}

/// Where a page begins: behind this one, the newest first.
struct Behind(Timestamp, Id);

impl Behind {
    fn of(subscription: &Subscription) -> Behind {
        Behind(subscription.requested_at, subscription.id)
    }
}

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0.micros(), self.1)
    }
}

impl FromStr for Behind {
    type Err = ();

    fn from_str(text: &str) -> Result<Behind, ()> {
        let (at, id) = text.split_once('.').ok_or(())?;
        Ok(Behind(Timestamp::from_micros(at.parse().map_err(drop)?), id.parse().map_err(drop)?))
    }
}

/// Your subscriptions, the newest first.
#[utoipa::path(get, path = "/api/v1/subscriptions", tag = "partners", params(Parameters),
    security(("api_key" = ["subscriptions:read"])),
    responses((status = 200, body = SubscriptionList), Problems))]
pub(crate) async fn list_subscriptions(
    State(app): State<Arc<App>>,
    access: Authorized<SubscriptionsRead>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<SubscriptionList>, Problem> {
    let (filter, limit) = parameters.filter(LIST)?;
    let found = app.store.subscriptions(&access.scope, &filter).await?;
    let (found, next) = cursor::page(LIST, found, limit, Behind::of);
    Ok(Json(SubscriptionList { subscriptions: shown(&app, &access.scope, found).await?, next }))
}

/// One of your subscriptions.
#[utoipa::path(get, path = "/api/v1/subscriptions/{id}", tag = "partners",
    params(("id" = String, Path, description = "The subscription's id.")),
    security(("api_key" = ["subscriptions:read"])),
    responses((status = 200, body = SubscriptionView), Problems))]
pub(crate) async fn get_subscription(
    State(app): State<Arc<App>>,
    access: Authorized<SubscriptionsRead>,
    Path(id): Path<String>,
) -> Result<Json<SubscriptionView>, Problem> {
    let found = find(&app, &access.scope, &id, Side::Partner).await?;
    Ok(Json(shown_one(&app, &access.scope, found).await?))
}

/// Who has subscribed to your offerings, or asked to, the newest first.
#[utoipa::path(get, path = "/api/v1/subscribers", tag = "partners", params(Parameters),
    security(("api_key" = ["offerings:read"])),
    responses((status = 200, body = SubscriptionList), Problems))]
pub(crate) async fn list_subscribers(
    State(app): State<Arc<App>>,
    access: Authorized<OfferingsRead>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<SubscriptionList>, Problem> {
    let (filter, limit) = parameters.filter(SUBSCRIBERS)?;
    let found = app.store.subscribers(&access.scope, &filter).await?;
    let (found, next) = cursor::page(SUBSCRIBERS, found, limit, Behind::of);
    Ok(Json(SubscriptionList { subscriptions: shown(&app, &access.scope, found).await?, next }))
}

/// One subscription for an offering of yours.
#[utoipa::path(get, path = "/api/v1/subscribers/{id}", tag = "partners",
    params(("id" = String, Path, description = "The subscription's id.")),
    security(("api_key" = ["offerings:read"])),
    responses((status = 200, body = SubscriptionView), Problems))]
pub(crate) async fn get_subscriber(
    State(app): State<Arc<App>>,
    access: Authorized<OfferingsRead>,
    Path(id): Path<String>,
) -> Result<Json<SubscriptionView>, Problem> {
    let found = find(&app, &access.scope, &id, Side::Provider).await?;
    Ok(Json(shown_one(&app, &access.scope, found).await?))
}
