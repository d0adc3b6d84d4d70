//! `POST /api/v1/journeys/{name}/stop`

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

/// Stops a journey: its runs end, and what is unsent of it is taken back. It starts runs again once it is published anew.
#[utoipa::path(post, path = "/api/v1/journeys/{name}/stop", tag = "journeys",
    params(("name" = String, Path, description = "The journey's name.")),
    responses((status = 200, body = PublishedView), (status = 202, body = PendingView), Problems))]
pub(crate) async fn stop_journey(
    State(app): State<Arc<App>>,
    change: Change<JourneysWrite>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let _changes = change.alone().await;
    let scope = &change.scope;
    if !matches!(
        find(&app, scope, &name).await?.status,
        JourneyStatus::Published | JourneyStatus::Paused | JourneyStatus::Draining
    ) {
        return Err(Problem::new(CONFLICT, "Only a journey that was published can be stopped."));
    }
    match change.commit("journey.stopped", json!({"journey": name})).await? {
        Progress::Done => Ok(Json(PublishedView::from(find(&app, scope, &name).await?)).into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}
