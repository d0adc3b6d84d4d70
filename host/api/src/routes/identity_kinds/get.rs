//! `GET /api/v1/identity-kinds`

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::app::App;
use crate::auth::{Authorized, CustomersRead};
use crate::openapi::Problems;
use crate::problem::Problem;

/// The identity kinds in force: limits, priorities, formats and block lists, and what happens to proposed matches.
#[utoipa::path(get, path = "/api/v1/identity-kinds", tag = "identities",
    responses((status = 200, body = Object), Problems))]
pub(crate) async fn get_identity_kinds(
    State(app): State<Arc<App>>,
    access: Authorized<CustomersRead>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(json!(app.store.identity_policies(&access.scope).await?.latest())))
}
