//! `GET /api/v1/journeys/{name}/counts`

use axum::Json;
use axum::extract::State;
use std::sync::Arc;

use super::get::find;
use crate::app::App;
use crate::auth::{Authorized, JourneysRead};
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::Problem;
use crate::views::CountsView;

/// How many runs came by each node, by version.
#[utoipa::path(get, path = "/api/v1/journeys/{name}/counts", tag = "journeys",
    params(("name" = String, Path, description = "The journey's name.")),
    responses((status = 200, body = CountsView), Problems))]
pub(crate) async fn journey_counts(
    State(app): State<Arc<App>>,
    access: Authorized<JourneysRead>,
    Path(name): Path<String>,
) -> Result<Json<CountsView>, Problem> {
    let journey = find(&app, &access.scope, &name).await?;
    let standings = app.store.node_counts(&access.scope, &journey.name).await?;
    Ok(Json(CountsView::new(standings)))
}
