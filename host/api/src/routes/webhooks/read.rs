//! The webhooks of a tenant.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

use super::{find, shown};
use crate::app::App;
use crate::auth::{Authorized, WebhooksRead};
use crate::cursor;
use crate::openapi::Problems;
use crate::parameters::{Path, Query};
use crate::problem::Problem;
use crate::views::{WebhookList, WebhookView};

const LIST: &str = "webhooks";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// The `next` of the page before.
    after: Option<String>,
    /// Page size, 1 to 1000 (default 50).
    limit: Option<usize>,
}

/// The webhooks by name.
#[utoipa::path(get, path = "/api/v1/webhooks", tag = "webhooks", params(Parameters),
    security(("api_key" = ["webhooks:read"])),
    responses((status = 200, body = WebhookList), Problems))]
pub(crate) async fn list_webhooks(
    State(app): State<Arc<App>>,
    access: Authorized<WebhooksRead>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<WebhookList>, Problem> {
    let limit = cursor::limit(parameters.limit)?;
    let after: Option<String> = cursor::read(LIST, "after", parameters.after.as_deref())?;
    let mut webhooks = app.store.webhooks(&access.scope).await?;
    webhooks.retain(|webhook| after.as_ref().is_none_or(|after| webhook.name > *after));
    webhooks.truncate(limit + 1);
    let (webhooks, next) = cursor::page(LIST, webhooks, limit, |webhook| webhook.name.clone());
    let now = app.now();
    Ok(Json(WebhookList { webhooks: webhooks.into_iter().map(|hook| WebhookView::of(hook, now)).collect(), next }))
}

/// One webhook.
#[utoipa::path(get, path = "/api/v1/webhooks/{name}", tag = "webhooks",
    params(("name" = String, Path, description = "The webhook's name.")),
    security(("api_key" = ["webhooks:read"])),
    responses((status = 200, body = WebhookView), Problems))]
pub(crate) async fn get_webhook(
    State(app): State<Arc<App>>,
    access: Authorized<WebhooksRead>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    Ok(shown(&app, find(&app, &access.scope, &name).await?))
}
