//! How far the hub is with a subscription, from both sides; what failed is resumed, and what is over is ended.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use openhub_model::subscription::{Act, Contract, ItemState, OperationState, Outcome, Purpose};
use openhub_model::{Fault, Timestamp};
use openhub_store::{Agreement, Made, Operation, Scope, Subscription, act};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{Authorized, OfferingsRead, OfferingsWrite, Permission, SubscriptionsRead, SubscriptionsWrite};
use crate::body::OptionalJsonBody;
use crate::change::Change;
use crate::contracts::{Side, carry_out, find, must_be_open, said, shown_one, told};
use crate::cursor;
use crate::openapi::Problems;
use crate::parameters::{Path, Query};
use crate::problem::{CONFLICT, INVALID_BODY, Problem};
use crate::views::{MadeList, MadeView, OperationList, OperationView, SubscriptionView};

const LIST: &str = "operations";
const ITEMS: &str = "items";

const DAY_MICROS: i64 = 86_400_000_000;
/// Days in which all of it can still be read and exported, and the most.
const EXPORT_DAYS: i64 = 30;
const MOST_EXPORT_DAYS: i64 = 365;

/// How an end goes.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SubscriptionEnd)]
pub(crate) struct End {
    /// Days until what it made is removed, 0 to 365 (default 30). Until then all of it stays as it is, to be read and exported.
    export_days: Option<i64>,
    /// For people.
    reason: Option<String>,
}

/// What the hub made and removed for a subscription of yours, the newest operation first.
#[utoipa::path(get, path = "/api/v1/subscriptions/{id}/operations", tag = "partners",
    params(("id" = String, Path, description = "The subscription's id."), cursor::Page),
    security(("api_key" = ["subscriptions:read"])),
    responses((status = 200, body = OperationList), Problems))]
pub(crate) async fn list_operations(
    State(app): State<Arc<App>>,
    access: Authorized<SubscriptionsRead>,
    Path(id): Path<String>,
    Query(page): Query<cursor::Page>,
) -> Result<Json<OperationList>, Problem> {
    operations(&app, &find(&app, &access.scope, &id, Side::Partner).await?, Side::Partner, &page).await
}

/// The same of a subscription for an offering of yours. Why something could not be made is the partner's to read: it may name what the partner
/// has.
#[utoipa::path(get, path = "/api/v1/subscribers/{id}/operations", tag = "partners",
    params(("id" = String, Path, description = "The subscription's id."), cursor::Page),
    security(("api_key" = ["offerings:read"])),
    responses((status = 200, body = OperationList), Problems))]
pub(crate) async fn list_subscriber_operations(
    State(app): State<Arc<App>>,
    access: Authorized<OfferingsRead>,
    Path(id): Path<String>,
    Query(page): Query<cursor::Page>,
) -> Result<Json<OperationList>, Problem> {
    operations(&app, &find(&app, &access.scope, &id, Side::Provider).await?, Side::Provider, &page).await
}

async fn operations(
    app: &App,
    subscription: &Subscription,
    side: Side,
    page: &cursor::Page,
) -> Result<Json<OperationList>, Problem> {
    let (behind, limit) = page.behind(LIST)?;
    let partner = Scope::of(subscription.partner);
    let operations = app.store.operations_behind(&partner, subscription.id, behind, limit + 1).await?;
    let (operations, next) = cursor::page(LIST, operations, limit, |operation| operation.number);
    let view = |operation: Operation| match side {
        Side::Partner => OperationView::from(operation),
        Side::Provider => OperationView::of_partner(operation),
    };
    Ok(Json(OperationList { operations: operations.into_iter().map(view).collect(), next }))
}

/// What a subscription of yours made in your tenant, and which item of which version each thing is.
#[utoipa::path(get, path = "/api/v1/subscriptions/{id}/items", tag = "partners",
    params(("id" = String, Path, description = "The subscription's id."), cursor::Page),
    security(("api_key" = ["subscriptions:read"])),
    responses((status = 200, body = MadeList), Problems))]
pub(crate) async fn list_made(
    State(app): State<Arc<App>>,
    access: Authorized<SubscriptionsRead>,
    Path(id): Path<String>,
    Query(page): Query<cursor::Page>,
) -> Result<Json<MadeList>, Problem> {
    let found = find(&app, &access.scope, &id, Side::Partner).await?;
    let made = app.store.made(&access.scope).await?.into_iter().filter(|made| made.subscription == found.id);
    let mut made: Vec<Made> = made.collect();
    made.sort_by(|one, other| one.item.cmp(&other.item));
    let (items, next) = page.of(ITEMS, made, |made| made.item.clone(), |item, after| item > after)?;
    Ok(Json(MadeList { items: items.into_iter().map(MadeView::from).collect(), next }))
}

/// Lets an operation that failed go on, once its reason is gone. What it has done it does not do again.
#[utoipa::path(post, path = "/api/v1/subscriptions/{id}/resume", tag = "partners",
    params(("id" = String, Path, description = "The subscription's id.")),
    security(("api_key" = ["subscriptions:write"])),
    responses((status = 202, body = OperationView), Problems))]
pub(crate) async fn resume_operation(
    State(app): State<Arc<App>>,
    change: Change<SubscriptionsWrite>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<OperationView>), Problem> {
    let _alone = change.alone().await?;
    let subscription = find(&app, &change.scope, &id, Side::Partner).await?;
    must_be_open(&app, &change.scope, &subscription).await?;
    let newest = app.store.operations(&change.scope, subscription.id).await?.into_iter().next();
    let resumable = newest.and_then(|newest| Some((newest.state.after(Outcome::Resume)?, newest)));
    let is_ended = subscription.contract == Contract::Ended;
    let resumable = resumable.filter(|(_, failed)| !is_ended || failed.purpose == Purpose::Remove);
    let Some((state, failed)) = resumable else {
        return Err(Problem::new(
            CONFLICT,
            "No operation of it has failed. Read its operations: they say how far it is.",
        ));
    };
    let (from, partner) = (failed.state, subscription.partner);
    let mut resumed = Operation { state, reason: None, settled_at: None, ..failed };
    for item in resumed.progress.iter_mut().filter(|item| item.state == ItemState::Failed) {
        (item.state, item.reason) = (ItemState::Waiting, None);
    }
    let body = said(&subscription);
    act::note_after(&body);
    let events = told(&app, &change, &subscription, "subscription.resumed", &body).await?;
    let note = Agreement::Note { partner, from, operation: Box::new(resumed.clone()) };
    app.store.agree(&change.scope, vec![note, Agreement::LookAt { partner, at: None }], events).await?;
    Ok((StatusCode::ACCEPTED, Json(OperationView::from(resumed))))
}

/// Ends one of your subscriptions. It costs nothing more from now on; what it made stays until the export window is over, and is removed
/// then.
#[utoipa::path(post, path = "/api/v1/subscriptions/{id}/end", tag = "partners", request_body = End,
    params(("id" = String, Path, description = "The subscription's id.")),
    security(("api_key" = ["subscriptions:write"])),
    responses((status = 200, body = SubscriptionView), Problems))]
pub(crate) async fn end_subscription(
    State(app): State<Arc<App>>,
    change: Change<SubscriptionsWrite>,
    Path(id): Path<String>,
    OptionalJsonBody(end): OptionalJsonBody<End>,
) -> Result<Json<SubscriptionView>, Problem> {
    ended(&app, change, &id, Side::Partner, end).await
}

/// Ends a subscription for an offering of yours, in the same way.
#[utoipa::path(post, path = "/api/v1/subscribers/{id}/end", tag = "partners", request_body = End,
    params(("id" = String, Path, description = "The subscription's id.")),
    security(("api_key" = ["offerings:write"])),
    responses((status = 200, body = SubscriptionView), Problems))]
pub(crate) async fn end_subscriber(
    State(app): State<Arc<App>>,
    change: Change<OfferingsWrite>,
    Path(id): Path<String>,
    OptionalJsonBody(end): OptionalJsonBody<End>,
) -> Result<Json<SubscriptionView>, Problem> {
    ended(&app, change, &id, Side::Provider, end).await
}

async fn ended<P: Permission>(
    app: &App,
    change: Change<P>,
    id: &str,
    side: Side,
    End { export_days, reason }: End,
) -> Result<Json<SubscriptionView>, Problem> {
    let days = export_days.unwrap_or(EXPORT_DAYS);
    if !(0..=MOST_EXPORT_DAYS).contains(&days) {
        let message = format!("This must be 0 to {MOST_EXPORT_DAYS} days.");
        return Err(Problem::fault(INVALID_BODY, Fault::new("/export_days", "out-of-range", message)));
    }
    let _alone = change.alone().await?;
    let found = find(app, &change.scope, id, side).await?;
    let running = app.store.operations(&Scope::of(found.partner), found.id).await?.into_iter().next();
    if running.is_some_and(|newest| newest.state == OperationState::Running) {
        return Err(Problem::new(CONFLICT, "An operation of it is under way. Wait for it, and end it then."));
    }
    let now = app.now();
    let over = |to: &mut Subscription| {
        (to.ended_at, to.reason) = (Some(now), reason);
        to.export_until = Some(Timestamp::from_micros(now.micros() + days * DAY_MICROS));
    };
    let then = |to: &Subscription| vec![Agreement::LookAt { partner: to.partner, at: None }];
    let ended = carry_out(app, &change, found, Act::End, over, then).await?;
    Ok(Json(shown_one(app, &change.scope, ended).await?))
}
