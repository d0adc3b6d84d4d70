//! `GET /api/v1/erasures/{id}`

use axum::Json;
use axum::extract::State;
use std::sync::Arc;

use crate::app::App;
use crate::auth::{Authorized, PrivacyRead};
use crate::openapi::Problems;
use crate::parameters::{Path, id_in_path};
use crate::problem::Problem;
use crate::views::ErasureView;

/// The receipt of an erasure.
#[utoipa::path(get, path = "/api/v1/erasures/{id}", tag = "privacy",
    params(("id" = String, Path, description = "The erasure's id.")),
    responses((status = 200, body = ErasureView), Problems))]
pub(crate) async fn get_erasure(
    State(app): State<Arc<App>>,
    access: Authorized<PrivacyRead>,
    Path(id): Path<String>,
) -> Result<Json<ErasureView>, Problem> {
    let found = app.store.erasure(&access.scope, id_in_path(&id, "erasure")?).await?;
    Ok(Json(found.ok_or_else(|| Problem::not_found("erasure"))?.into()))
}
