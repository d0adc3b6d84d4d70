//! `GET /api/v1/clock`

use axum::Json;
use axum::extract::State;
use std::sync::Arc;

use crate::app::App;
use crate::auth::{Authorized, StatusRead};
use crate::openapi::Problems;
use crate::problem::Problem;
use crate::views::ClockView;
use crate::writes::{tenant, tenant_now};

/// The tenant's present.
#[utoipa::path(get, path = "/api/v1/clock", tag = "clock", responses((status = 200, body = ClockView), Problems))]
pub(crate) async fn get_clock(
    State(app): State<Arc<App>>,
    access: Authorized<StatusRead>,
) -> Result<Json<ClockView>, Problem> {
    let kind = tenant(&app, &access.scope).await?.clock;
    let now = tenant_now(&app, &access.scope).await?;
    Ok(Json(ClockView { kind, now }))
}
