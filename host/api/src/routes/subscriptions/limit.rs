//! What a subscription comes to in a period at most: the partner's own cap, and what the provider lets it come to.

use axum::Json;
use axum::extract::State;
use openhub_model::subscription::Contract;
use openhub_model::{Fault, decimal};
use openhub_store::{Agreement, Limit, Subscription, act};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{OfferingsWrite, Permission, SubscriptionsWrite};
use crate::body::{Meaning, MeantBody};
use crate::change::Change;
use crate::contracts::{Side, find, said, shown_one, told};
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::{CONFLICT, NOT_ACTIVE, Problem};
use crate::views::SubscriptionView;

/// Digits behind the point at most.
pub(super) const DIGITS: u32 = 9;

pub(super) fn is_amount(text: &str) -> bool {
    decimal::parse(text, DIGITS).is_some_and(|units| units >= 0)
}

pub(super) fn no_amount(pointer: &str) -> Fault {
    let message = format!("This is a decimal with at most {DIGITS} digits behind its point, and not negative.");
    Fault::new(pointer, "invalid-amount", message)
}

/// What you pay in a period at most.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SubscriptionCap)]
pub(crate) struct Cap {
    /// A decimal in the currency of the price; `null`: no cap of your own.
    cap: Option<String>,
}

impl Meaning for Cap {
    fn faults(&self) -> Vec<Fault> {
        let is_wrong = self.cap.as_deref().is_some_and(|cap| !is_amount(cap));
        is_wrong.then(|| no_amount("/cap")).into_iter().collect()
    }
}

/// What you let it come to in a period at most.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SubscriberCredit)]
pub(crate) struct Credit {
    /// A decimal in the currency of the price.
    credit: String,
}

impl Meaning for Credit {
    fn faults(&self) -> Vec<Fault> {
        if is_amount(&self.credit) { Vec::new() } else { vec![no_amount("/credit")] }
    }
}

/// Sets or raises your own cap, or takes it away. It counts at once, for the present period, too.
#[utoipa::path(post, path = "/api/v1/subscriptions/{id}/cap", tag = "partners", request_body = Cap,
    params(("id" = String, Path, description = "The subscription's id.")),
    security(("api_key" = ["subscriptions:write"])),
    responses((status = 200, body = SubscriptionView), Problems))]
pub(crate) async fn cap_subscription(
    State(app): State<Arc<App>>,
    change: Change<SubscriptionsWrite>,
    Path(id): Path<String>,
    MeantBody(Cap { cap }): MeantBody<Cap>,
) -> Result<Json<SubscriptionView>, Problem> {
    let _alone = change.alone().await?;
    let found = find(&app, &change.scope, &id, Side::Partner).await?;
    act::note_before(&json!({"cap": found.cap}));
    let capped = Subscription { cap: cap.clone(), ..found };
    set(&app, &change, &capped, Limit::Cap(cap), "subscription.cap-set").await?;
    Ok(Json(shown_one(&app, &change.scope, capped).await?))
}

/// Says what you let a subscription to an offering of yours come to in a period. It is only lowered: the partner counts on what it was
/// offered, and raises its own cap itself.
#[utoipa::path(post, path = "/api/v1/subscribers/{id}/credit", tag = "partners", request_body = Credit,
    params(("id" = String, Path, description = "The subscription's id.")),
    security(("api_key" = ["offerings:write"])),
    responses((status = 200, body = SubscriptionView), Problems))]
pub(crate) async fn lower_subscriber(
    State(app): State<Arc<App>>,
    change: Change<OfferingsWrite>,
    Path(id): Path<String>,
    MeantBody(Credit { credit }): MeantBody<Credit>,
) -> Result<Json<SubscriptionView>, Problem> {
    let _alone = change.alone().await?;
    let found = find(&app, &change.scope, &id, Side::Provider).await?;
    let before = app.store.credit(&change.scope, found.id).await?;
    let units = |text: &str| decimal::parse(text, DIGITS);
    if before.as_deref().and_then(units).is_some_and(|before| units(&credit).is_some_and(|now| now > before)) {
        let detail = format!("You let it come to {} in a period: that is only lowered.", before.unwrap_or_default());
        return Err(Problem::new(CONFLICT, detail));
    }
    act::note_before(&json!({"credit": before}));
    set(&app, &change, &found, Limit::Credit(credit), "subscription.credit-set").await?;
    Ok(Json(shown_one(&app, &change.scope, found).await?))
}

async fn set<P: Permission>(
    app: &App,
    change: &Change<P>,
    subscription: &Subscription,
    limit: Limit,
    name: &str,
) -> Result<(), Problem> {
    if !matches!(subscription.contract, Contract::Requested | Contract::Active) {
        let detail = format!("The subscription is {}: it has no limits any more.", subscription.contract);
        return Err(Problem::new(NOT_ACTIVE, detail));
    }
    let mut body = said(subscription);
    match &limit {
        Limit::Cap(cap) => body["cap"] = json!(cap),
        Limit::Credit(credit) => body["credit"] = json!(credit),
    }
    act::note_subject(subscription.id.to_string());
    act::note_after(&body);
    let events = told(app, change, subscription, name, &body).await?;
    let (partner, id) = (subscription.partner, subscription.id);
    app.store.agree(&change.scope, vec![Agreement::Limit { partner, id, limit }], events).await?;
    app.engine.limits_changed(partner);
    Ok(())
}
