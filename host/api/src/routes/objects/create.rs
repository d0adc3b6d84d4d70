//! `POST /api/v1/objects/{kind}`

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use openhub_engine::objects;
use std::sync::Arc;

use crate::app::App;
use crate::auth::{Authorized, ObjectsWrite};
use crate::body::JsonBody;
use crate::objects::{Fields, etag, moment};
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::Problem;
use crate::views::ObjectView;

/// Creates an object. The plugin that declares the type checks it, completes it and gives it its key.
#[utoipa::path(post, path = "/api/v1/objects/{kind}", tag = "objects", request_body = Fields,
    params(("kind" = String, Path, description = "The object type.")),
    responses((status = 201, body = ObjectView), Problems))]
pub(crate) async fn create_object(
    State(app): State<Arc<App>>,
    access: Authorized<ObjectsWrite>,
    Path(kind): Path<String>,
    JsonBody(fields): JsonBody<Fields>,
) -> Result<Response, Problem> {
    let fields = fields.bounded(&app)?;
    let moment = moment(&app, &access.scope).await?;
    let (object, _) = objects::create(&app.engine, &access.scope, &kind, fields, moment).await?;
    let tag = [(header::ETAG, etag(object.version))];
    Ok((StatusCode::CREATED, tag, Json(ObjectView::from(object))).into_response())
}
