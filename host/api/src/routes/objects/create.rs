//! `POST /api/v1/objects/{kind}`

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use openhub_engine::objects;
use std::sync::Arc;

use crate::app::App;
use crate::auth::{Authorized, ObjectsWrite};
use crate::body::JsonBody;
use crate::objects::{Fields, etag, idempotency_key, moment};
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::Problem;
use crate::views::ObjectView;

/// Creates an object. The plugin that declares the type checks it, completes it and gives it its key. With an
/// `Idempotency-Key` it is made once: the same request again answers what is there.
#[utoipa::path(post, path = "/api/v1/objects/{kind}", tag = "objects", request_body = Fields,
    params(("kind" = String, Path, description = "The object type."),
        ("Idempotency-Key" = Option<String>, Header,
            description = "Your own name for this write, 1 to 255 characters, of which a second one makes nothing.")),
    responses((status = 201, body = ObjectView), Problems))]
pub(crate) async fn create_object(
    State(app): State<Arc<App>>,
    access: Authorized<ObjectsWrite>,
    Path(kind): Path<String>,
    headers: HeaderMap,
    JsonBody(fields): JsonBody<Fields>,
) -> Result<Response, Problem> {
    let fields = fields.bounded(&app)?;
    let mut moment = moment(&app, &access).await?;
    if let Some(name) = idempotency_key(&headers)? {
        moment = moment.once(&access.scope, &kind, name);
    }
    let (object, _) = objects::create(&app.engine, &access.scope, &kind, fields, moment).await?;
    let tag = [(header::ETAG, etag(object.version))];
    Ok((StatusCode::CREATED, tag, Json(ObjectView::from(object))).into_response())
}
