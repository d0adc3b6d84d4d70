//! `GET /api/v1/journeys`

use axum::Json;
use axum::extract::State;
use std::sync::Arc;

use crate::app::App;
use crate::auth::{Authorized, JourneysRead};
use crate::openapi::Problems;
use crate::problem::Problem;
use crate::views::JourneyList;

/// All journeys.
#[utoipa::path(get, path = "/api/v1/journeys", tag = "journeys",
    responses((status = 200, body = JourneyList), Problems))]
pub(crate) async fn list_journeys(
    State(app): State<Arc<App>>,
    access: Authorized<JourneysRead>,
) -> Result<Json<JourneyList>, Problem> {
    let journeys = app.store.journeys(&access.scope).await?;
    Ok(Json(JourneyList { journeys: journeys.into_iter().map(Into::into).collect() }))
}
