//! Erased identities that are refused.

use axum::Json;
use axum::extract::State;
use openhub_model::Identity;
use serde_json::json;
use std::sync::Arc;

use crate::app::App;
use crate::auth::{Authorized, PrivacyRead, PrivacyWrite};
use crate::body::JsonBody;
use crate::change::Change;
use crate::openapi::{Absent, Problems};
use crate::problem::Problem;
use crate::suppression::marks_of;
use crate::views::{IdentityView, SuppressionCheckView, SuppressionsView};

/// How many erased identities are refused. The list holds keyed hashes, so it cannot be shown.
#[utoipa::path(get, path = "/api/v1/suppressions", tag = "privacy",
    security(("api_key" = ["privacy:read"])),
    responses((status = 200, body = SuppressionsView), Problems))]
pub(crate) async fn count_suppressions(
    State(app): State<Arc<App>>,
    access: Authorized<PrivacyRead>,
) -> Result<Json<SuppressionsView>, Problem> {
    Ok(Json(SuppressionsView { count: app.store.suppression_count(&access.scope).await? }))
}

/// Whether an identity is refused.
#[utoipa::path(post, path = "/api/v1/suppressions/check", tag = "privacy", request_body = IdentityView,
    security(("api_key" = ["privacy:read"])),
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

/// Accepts an identity again that was refused. 404 if it was not.
#[utoipa::path(post, path = "/api/v1/suppressions/remove", tag = "privacy", request_body = IdentityView,
    security(("api_key" = ["privacy:write"])),
    responses((status = 200, body = SuppressionCheckView), Problems, Absent))]
pub(crate) async fn remove_suppression(
    State(app): State<Arc<App>>,
    change: Change<PrivacyWrite>,
    JsonBody(identity): JsonBody<Identity>,
) -> Result<Json<SuppressionCheckView>, Problem> {
    let mut removed = false;
    for mark in marks_of(&app, &change.scope, &identity).await? {
        removed |= app.store.unsuppress(&change.scope, mark).await?;
    }
    match removed {
        true => {
            // Whose it was is not said: nothing of an erased customer is written down again.
            let _seen = change.commit("suppression.removed", json!({})).await?;
            Ok(Json(SuppressionCheckView { suppressed: false }))
        }
        false => Err(Problem::not_found("suppressed identity")),
    }
}
