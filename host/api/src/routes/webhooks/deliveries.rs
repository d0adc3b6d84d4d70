//! What was sent to a webhook, and what is to be.

use axum::Json;
use axum::extract::State;
use openhub_store::{DeliveryFilter, DeliveryState};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

use super::find;
use crate::app::App;
use crate::auth::{Authorized, WebhooksRead};
use crate::cursor;
use crate::openapi::Problems;
use crate::parameters::{Path, Query, id_in_path};
use crate::problem::Problem;
use crate::views::{DeliveryList, DeliveryWhole};

const LIST: &str = "webhook-deliveries";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeliveryParameters {
    /// `waiting`, `delivered` or `failed`.
    #[param(value_type = Option<String>)]
    state: Option<DeliveryState>,
    /// The `next` of the page before.
    after: Option<String>,
    /// Page size, 1 to 1000 (default 50).
    limit: Option<usize>,
}

/// The deliveries to a webhook, newest first. A delivery is kept for 14 days after it was taken or has failed.
#[utoipa::path(get, path = "/api/v1/webhooks/{name}/deliveries", tag = "webhooks",
    params(("name" = String, Path, description = "The webhook's name."), DeliveryParameters),
    security(("api_key" = ["webhooks:read"])),
    responses((status = 200, body = DeliveryList), Problems))]
pub(crate) async fn list_webhook_deliveries(
    State(app): State<Arc<App>>,
    access: Authorized<WebhooksRead>,
    Path(name): Path<String>,
    Query(parameters): Query<DeliveryParameters>,
) -> Result<Json<DeliveryList>, Problem> {
    let limit = cursor::limit(parameters.limit)?;
    let before = cursor::read(LIST, "after", parameters.after.as_deref())?;
    find(&app, &access.scope, &name).await?;
    let filter = DeliveryFilter { state: parameters.state, before, limit: limit + 1 };
    let deliveries = app.store.deliveries(&access.scope, &name, &filter).await?;
    let (deliveries, next) = cursor::page(LIST, deliveries, limit, |delivery| delivery.position);
    Ok(Json(DeliveryList { deliveries: deliveries.into_iter().map(Into::into).collect(), next }))
}

/// One delivery, with its last attempts and what the receiver answered.
#[utoipa::path(get, path = "/api/v1/webhooks/{name}/deliveries/{id}", tag = "webhooks",
    params(("name" = String, Path, description = "The webhook's name."),
        ("id" = String, Path, description = "The delivery's id: the `webhook-id` of its calls.")),
    security(("api_key" = ["webhooks:read"])),
    responses((status = 200, body = DeliveryWhole), Problems))]
pub(crate) async fn get_webhook_delivery(
    State(app): State<Arc<App>>,
    access: Authorized<WebhooksRead>,
    Path((name, id)): Path<(String, String)>,
) -> Result<Json<DeliveryWhole>, Problem> {
    let id = id_in_path(&id, "delivery")?;
    let delivery = app.store.delivery(&access.scope, &name, id).await?;
    let delivery = delivery.ok_or_else(|| Problem::not_found("delivery"))?;
    let tries = app.store.delivery_attempts(&access.scope, &name, delivery.position).await?;
    Ok(Json(DeliveryWhole { delivery: delivery.into(), tries: tries.into_iter().map(Into::into).collect() }))
}
