//! `PATCH /api/v1/objects/{kind}/{key}`

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use openhub_engine::objects;
use std::sync::Arc;

use crate::app::App;
use crate::auth::{Authorized, ObjectsWrite};
use crate::body::JsonBody;
use crate::objects::{Fields, etag, expected_version, moment};
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::Problem;
use crate::views::ObjectView;

/// Changes an object's fields; `null` takes a field away. With `If-Match: "<version>"`, only that version.
#[utoipa::path(patch, path = "/api/v1/objects/{kind}/{key}", tag = "objects", request_body = Fields,
    params(
        ("kind" = String, Path, description = "The object type."), ("key" = String, Path, description = "The object's key."),
        ("If-Match" = Option<String>, Header, description = "The version that the caller saw.")),
    responses((status = 200, body = ObjectView), Problems))]
pub(crate) async fn update_object(
    State(app): State<Arc<App>>,
    access: Authorized<ObjectsWrite>,
    Path((kind, key)): Path<(String, String)>,
    headers: HeaderMap,
    JsonBody(fields): JsonBody<Fields>,
) -> Result<Response, Problem> {
    let expected = expected_version(&headers)?;
    let patch = fields.bounded(&app)?;
    let moment = moment(&app, &access).await?;
    let (object, _) = objects::update(&app.engine, &access.scope, &kind, &key, &patch, expected, moment).await?;
    Ok(([(header::ETAG, etag(object.version))], Json(ObjectView::from(object))).into_response())
}
