//! `DELETE /api/v1/journeys/{name}`

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::sync::Arc;

use super::get::find;
use crate::app::App;
use crate::auth::JourneysWrite;
use crate::change::Change;
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::{CONFLICT, Problem};
use crate::views::PendingView;
use crate::writes::{Progress, accepted};

/// Removes a journey in which no run waits and that no segment mentions, with its versions. Its ended runs and their messages
/// stay.
#[utoipa::path(delete, path = "/api/v1/journeys/{name}", tag = "journeys",
    params(("name" = String, Path, description = "The journey's name.")),
    responses((status = 204), (status = 202, body = PendingView), Problems))]
pub(crate) async fn remove_journey(
    State(app): State<Arc<App>>,
    change: Change<JourneysWrite>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let _changes = change.alone().await;
    let scope = &change.scope;
    find(&app, scope, &name).await?;
    if !app.store.waiting_parts(scope, &name).await?.is_empty() {
        return Err(Problem::new(CONFLICT, "Runs wait in the journey: stop it, or drain it, first."));
    }
    for segment in app.store.latest_segment_versions(scope).await? {
        if segment.condition.is_some_and(|condition| condition.needs().journeys.contains(&name)) {
            let detail = format!("The segment `{}` mentions the journey.", segment.segment);
            return Err(Problem::new(CONFLICT, detail));
        }
    }
    match change.commit("journey.removed", json!({"journey": name})).await? {
        Progress::Done => Ok(StatusCode::NO_CONTENT.into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}
