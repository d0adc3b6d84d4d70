//! `POST /api/v1/suppressions/check`: by the identity, which stands in the body since addresses have no place in a URL.

use axum::Json;
use axum::extract::State;
use openhub_model::Identity;
use std::sync::Arc;

use crate::app::App;
use crate::auth::{Authorized, PrivacyRead};
use crate::body::JsonBody;
use crate::openapi::Problems;
use crate::problem::Problem;
use crate::suppression::marks_of;
use crate::views::{IdentityView, SuppressionCheckView};

/// Whether an identity is refused.
#[utoipa::path(post, path = "/api/v1/suppressions/check", tag = "privacy", request_body = IdentityView,
    responses((status = 200, body = SuppressionCheckView), Problems))]
pub(crate) async fn check_suppression(
    State(app): State<Arc<App>>,
    access: Authorized<PrivacyRead>,
    JsonBody(identity): JsonBody<Identity>,
) -> Result<Json<SuppressionCheckView>, Problem> {
    let marks = marks_of(&app, &access.scope, &identity).await?;
    let found = app.store.suppressed(&access.scope, &marks).await?;
    Ok(Json(SuppressionCheckView { suppressed: !found.is_empty() }))
}
