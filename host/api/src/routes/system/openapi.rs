//! `GET /api/openapi.json`: this API, described.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::app::Shared;

/// The description of this API (OpenAPI 3.1).
#[utoipa::path(get, path = "/api/openapi.json", tag = "hub", responses((status = 200, body = Value)))]
pub(crate) async fn openapi(State(shared): State<Shared>) -> Response {
    ([(CONTENT_TYPE, "application/json")], shared.openapi.to_string()).into_response()
}
