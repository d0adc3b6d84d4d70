//! `GET /readyz`: the hub can serve, because its database answers.

use axum::extract::State;
use openhub_model::TenantId;
use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::openapi::Problems;
use crate::problem::Problem;

const PATIENCE: Duration = Duration::from_secs(2);

/// Whether the hub can serve requests now.
#[utoipa::path(get, path = "/readyz", tag = "hub", responses((status = 200, body = String), Problems))]
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    // The tenants are numbered from 1: this asks the database and finds nobody.
    let asked = tokio::time::timeout(PATIENCE, app.store.tenant(TenantId(0))).await;
    asked.map_err(|_| Problem::unavailable(&"the database did not answer in time"))??;
    Ok("ready\n")
}
