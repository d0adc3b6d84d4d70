//! `GET /readyz`: the hub can serve, because its database answers, to reads and to writes.

use axum::extract::State;
use std::sync::Arc;

use crate::app::App;
use crate::openapi::Problems;
use crate::problem::Problem;

/// Whether the hub can serve requests now. It can while something of a tenant is not in force; then that is said.
#[utoipa::path(get, path = "/readyz", tag = "hub", responses((status = 200, body = String), Problems))]
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Result<String, Problem> {
    app.store.answers().await?;
    // Who reaches the port learns how many, and from the status of a tenant which.
    Ok(match app.engine.standing_out() {
        0 => "ready\n".to_owned(),
        out => {
            format!("ready; {out} entries of catalogs are not in force: see `openhub doctor` and GET /api/v1/status\n")
        }
    })
}
