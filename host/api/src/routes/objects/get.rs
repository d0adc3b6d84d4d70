//! `GET /api/v1/objects/{kind}/{key}`

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

use crate::app::App;
use crate::auth::{Authorized, ObjectsRead};
use crate::objects::etag;
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::Problem;
use crate::views::ObjectView;

/// One object.
#[utoipa::path(get, path = "/api/v1/objects/{kind}/{key}", tag = "objects",
    params(("kind" = String, Path, description = "The object type."), ("key" = String, Path, description = "The object's key.")),
    responses((status = 200, body = ObjectView), Problems))]
pub(crate) async fn get_object(
    State(app): State<Arc<App>>,
    access: Authorized<ObjectsRead>,
    Path((kind, key)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let object = app.store.object(&access.scope, &kind, &key).await?.ok_or_else(|| Problem::not_found("object"))?;
    Ok(([(header::ETAG, etag(object.version))], Json(ObjectView::from(object))).into_response())
}
