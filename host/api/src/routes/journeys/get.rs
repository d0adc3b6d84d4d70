//! `GET /api/v1/journeys/{name}`

use axum::Json;
use axum::extract::State;
use openhub_store::{JourneyRow, Scope};
use std::sync::Arc;

use crate::app::App;
use crate::auth::{Authorized, JourneysRead};
use crate::openapi::Problems;
use crate::parameters::{Path, name_in_path};
use crate::problem::Problem;
use crate::views::JourneyView;

/// One journey with its draft.
#[utoipa::path(get, path = "/api/v1/journeys/{name}", tag = "journeys",
    params(("name" = String, Path, description = "The journey's name.")),
    responses((status = 200, body = JourneyView), Problems))]
pub(crate) async fn get_journey(
    State(app): State<Arc<App>>,
    access: Authorized<JourneysRead>,
    Path(name): Path<String>,
) -> Result<Json<JourneyView>, Problem> {
    Ok(Json(find(&app, &access.scope, &name).await?.into()))
}

pub(super) async fn find(app: &App, scope: &Scope, name: &str) -> Result<JourneyRow, Problem> {
    let found = app.store.journey(scope, name_in_path(name)?).await?;
    found.ok_or_else(|| Problem::not_found("journey"))
}
