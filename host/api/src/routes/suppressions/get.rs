//! `GET /api/v1/suppressions`

use axum::Json;
use axum::extract::State;
use std::sync::Arc;

use crate::app::App;
use crate::auth::{Authorized, PrivacyRead};
use crate::openapi::Problems;
use crate::problem::Problem;
use crate::views::SuppressionsView;

/// How many erased identities are refused. The list holds keyed hashes, so it cannot be shown.
#[utoipa::path(get, path = "/api/v1/suppressions", tag = "privacy",
    responses((status = 200, body = SuppressionsView), Problems))]
pub(crate) async fn count_suppressions(
    State(app): State<Arc<App>>,
    access: Authorized<PrivacyRead>,
) -> Result<Json<SuppressionsView>, Problem> {
    Ok(Json(SuppressionsView { count: app.store.suppression_count(&access.scope).await? }))
}
