//! `POST /api/v1/journeys/{name}/resume`

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
use crate::journeys::faults_of_version;
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::{CONFLICT, INVALID_JOURNEY, Problem};
use crate::views::{PendingView, PublishedView};
use crate::writes::{Progress, accepted};

/// Resumes a paused journey, or one that runs out: it starts runs again, and what waits goes on. What
/// came due meanwhile is due now.
#[utoipa::path(post, path = "/api/v1/journeys/{name}/resume", tag = "journeys",
    params(("name" = String, Path, description = "The journey's name.")),
    responses((status = 200, body = PublishedView), (status = 202, body = PendingView), Problems))]
pub(crate) async fn resume_journey(
    State(app): State<Arc<App>>,
    change: Change<JourneysWrite>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let _changes = change.alone().await;
    let scope = &change.scope;
    let journey = find(&app, scope, &name).await?;
    let rests = matches!(journey.status, JourneyStatus::Paused | JourneyStatus::Draining);
    let Some(version) = journey.version.filter(|_| rests) else {
        return Err(Problem::new(CONFLICT, "Only a paused journey can be resumed."));
    };
    if let Some(version) = app.store.journey_version(scope, &name, version).await? {
        let faults = faults_of_version(&app, scope, &version).await?;
        if !faults.is_empty() {
            let detail = "What the version uses is not there any more.";
            return Err(Problem::new(INVALID_JOURNEY, detail).with_faults(faults));
        }
    }
    match change.commit("journey.resumed", json!({"journey": name})).await? {
        Progress::Done => Ok(Json(PublishedView::from(find(&app, scope, &name).await?)).into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}
