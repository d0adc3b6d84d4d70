//! `DELETE /api/v1/objects/{kind}/{key}`

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use openhub_engine::objects;
use std::sync::Arc;

use crate::app::App;
use crate::auth::{Authorized, ObjectsWrite};
use crate::objects::{expected_version, moment};
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::Problem;

/// Deletes an object, if its plugin lets it go. With `If-Match: "<version>"`, only that version.
#[utoipa::path(delete, path = "/api/v1/objects/{kind}/{key}", tag = "objects",
    params(
        ("kind" = String, Path, description = "The object type."), ("key" = String, Path, description = "The object's key."),
        ("If-Match" = Option<String>, Header, description = "The version that the caller saw.")),
    responses((status = 204, description = "It is gone."), Problems))]
pub(crate) async fn remove_object(
    State(app): State<Arc<App>>,
    access: Authorized<ObjectsWrite>,
    Path((kind, key)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let expected = expected_version(&headers)?;
    let moment = moment(&app, &access).await?;
    objects::delete(&app.engine, &access.scope, &kind, &key, expected, moment).await?;
    Ok(StatusCode::NO_CONTENT)
}
