//! What the operator of a hub asks for.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

use crate::app::{App, Shared};
use crate::openapi::Problems;
use crate::problem::Problem;

/// What this is, and where to go on.
#[utoipa::path(get, path = "/", tag = "hub", responses((status = 200, body = String), Problems))]
pub(crate) async fn root() -> &'static str {
    "This is an OpenHub: customers, events and journeys, and plugins for everything else.\n\
     \n\
     events in       POST /v1/track, /v1/identify, /v1/batch, …   with a write key\n\
     the API         GET  /api/openapi.json                       needs no key; its routes do: Authorization: Bearer oh_…\n\
     how it is       GET  /readyz, /metrics; /api/v1/status       or `openhub doctor`\n\
     keys            `openhub tenant create NAME`, `openhub key create TENANT --scope …` on the machine of the hub\n"
}

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "hub", responses((status = 200, body = String), Problems))]
pub(crate) async fn health() -> &'static str {
    "ok\n"
}

/// Whether the hub can serve requests now. It can while something of a tenant is not in force; then that is said.
#[utoipa::path(get, path = "/readyz", tag = "hub", responses((status = 200, body = String), Problems))]
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Result<String, Problem> {
    app.store.answers().await?;
    if !app.engine.takes_writes() {
        return Err(Problem::unavailable(&"the database takes no writes"));
    }
    // Who reaches the port learns how many, and from the status of a tenant which.
    Ok(match app.engine.standing_out() {
        0 => "ready\n".to_owned(),
        out => {
            format!("ready; {out} entries of catalogs are not in force: see `openhub doctor` and GET /api/v1/status\n")
        }
    })
}

/// The metrics, in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "hub",
    responses((status = 200, body = String, content_type = "text/plain")))]
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], (app.render_metrics)()).into_response()
}

/// The description of this API (OpenAPI 3.1).
#[utoipa::path(get, path = "/api/openapi.json", tag = "hub", responses((status = 200, body = Value)))]
pub(crate) async fn openapi(State(shared): State<Shared>) -> Response {
    ([(CONTENT_TYPE, "application/json")], shared.openapi.to_string()).into_response()
}
