//! Where a tenant's work stands.

use axum::Json;
use axum::extract::State;
use openhub_model::ClockKind;
use std::sync::Arc;

use crate::app::App;
use crate::auth::{Authorized, StatusRead};
use crate::openapi::Problems;
use crate::problem::Problem;
use crate::views::StatusView;
use crate::writes::tenant;

/// How far the tenant's work has come.
#[utoipa::path(get, path = "/api/v1/status", tag = "status",
    security(("api_key" = ["status:read"])),
    responses((status = 200, body = StatusView), Problems))]
pub(crate) async fn get_status(
    State(app): State<Arc<App>>,
    access: Authorized<StatusRead>,
) -> Result<Json<StatusView>, Problem> {
    let standing = app.store.standing(&access.scope).await?;
    let open = app.store.open_faults(&access.scope).await?;
    let tenant = tenant(&app, &access.scope).await?;
    let clock = match tenant.clock {
        ClockKind::Live => app.now(),
        ClockKind::Replay => standing.clock,
    };
    let catalog = app.engine.in_force(&access.scope).await?;
    let status = StatusView::new(&tenant, standing, clock).with_open_faults(&open);
    Ok(Json(status.with_faults(&catalog.faults)))
}
