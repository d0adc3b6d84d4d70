//! `GET /metrics`: for Prometheus.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

use crate::app::App;

/// The metrics, in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "hub",
    responses((status = 200, body = String, content_type = "text/plain")))]
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], (app.render_metrics)()).into_response()
}
