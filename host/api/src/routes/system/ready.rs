//! `GET /readyz`: the hub can serve, because its database answers, to reads and to writes.

use axum::extract::State;
use std::sync::Arc;

use crate::app::App;
use crate::openapi::Problems;
use crate::problem::Problem;

/// Whether the hub can serve requests now.
#[utoipa::path(get, path = "/readyz", tag = "hub", responses((status = 200, body = String), Problems))]
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    app.store.answers().await?;
    Ok("ready\n")
}
