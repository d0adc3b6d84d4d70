//! `GET /api/v1/attributes`

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::app::App;
use crate::auth::{Authorized, CustomersRead};
use crate::openapi::Problems;
use crate::problem::Problem;

/// The declared attributes: by name, their `type`, how joined customers `merge` it, and a `description`.
#[utoipa::path(get, path = "/api/v1/attributes", tag = "identities",
    responses((status = 200, body = Object), Problems))]
pub(crate) async fn list_attributes(
    State(app): State<Arc<App>>,
    access: Authorized<CustomersRead>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "attributes": app.store.declared_attributes(&access.scope).await? })))
}
