//! `POST /api/v1/journeys/{name}/pause`

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use openhub_store::JourneyStatus;
use serde_json::json;
use std::sync::Arc;

use super::get::find;
use crate::app::App;
use crate::auth::JourneysWrite;
use crate::change::Change;
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::{CONFLICT, Problem};
use crate::views::{PendingView, PublishedView};
use crate::writes::{Progress, accepted};

/// Pauses a journey: until it is resumed no run starts, none that waits moves, and what is unsent of it is held.
#[utoipa::path(post, path = "/api/v1/journeys/{name}/pause", tag = "journeys",
    params(("name" = String, Path, description = "The journey's name.")),
    responses((status = 200, body = PublishedView), (status = 202, body = PendingView), Problems))]
pub(crate) async fn pause_journey(
    State(app): State<Arc<App>>,
    change: Change<JourneysWrite>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let _changes = change.alone().await;
    let scope = &change.scope;
    if !matches!(find(&app, scope, &name).await?.status, JourneyStatus::Published | JourneyStatus::Draining) {
        return Err(Problem::new(CONFLICT, "Only a published journey can be paused."));
    }
    match change.commit("journey.paused", json!({"journey": name})).await? {
        Progress::Done => Ok(Json(PublishedView::from(find(&app, scope, &name).await?)).into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}
