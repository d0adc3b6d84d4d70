//! `/api/v1/quotas`: how much of each limit is used.

use axum::Json;
use axum::extract::State;
use std::sync::Arc;

use crate::app::App;
use crate::auth::{Authorized, UsageRead};
use crate::openapi::Problems;
use crate::problem::Problem;
use crate::views::{QuotaList, QuotaView};

/// The quotas of your subscriptions and your own caps, and how much of each is used in the present period.
#[utoipa::path(get, path = "/api/v1/quotas", tag = "statements",
    security(("api_key" = ["usage:read"])),
    responses((status = 200, body = QuotaList), Problems))]
pub(crate) async fn list_quotas(
    State(app): State<Arc<App>>,
    access: Authorized<UsageRead>,
) -> Result<Json<QuotaList>, Problem> {
    let bounds = openhub_engine::quotas::bounds(&app.store, &access.scope, app.now()).await?;
    Ok(Json(QuotaList { quotas: bounds.into_iter().map(QuotaView::from).collect() }))
}
