//! `POST /api/v1/journeys/{name}/resume`

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use openhub_store::{JourneyStatus, Op};
use serde_json::json;
use std::sync::Arc;

use super::get::find;
use crate::app::{App, Catalog};
use crate::auth::{Authorized, JourneysWrite};
use crate::journeys::faults_of_version;
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::{CONFLICT, INVALID_JOURNEY, Problem};
use crate::views::{PendingView, PublishedView};
use crate::writes::{Progress, accepted, control, tenant_now, write};

/// Resumes a paused journey.
#[utoipa::path(post, path = "/api/v1/journeys/{name}/resume", tag = "journeys",
    params(("name" = String, Path, description = "The journey's name.")),
    responses((status = 200, body = PublishedView), (status = 202, body = PendingView), Problems))]
pub(crate) async fn resume_journey(
    State(app): State<Arc<App>>,
    State(catalog): State<Catalog>,
    access: Authorized<JourneysWrite>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let _changes = catalog.0.lock().await;
    let scope = &access.scope;
    let journey = find(&app, scope, &name).await?;
    let Some(version) = journey.version.filter(|_| journey.status == JourneyStatus::Paused) else {
        return Err(Problem::new(CONFLICT, "Only a paused journey can be resumed."));
    };
    if let Some(version) = app.store.journey_version(scope, &name, version).await? {
        let faults = faults_of_version(&app, scope, &version).await?;
        if !faults.is_empty() {
            let detail = "What the version uses is not there any more.";
            return Err(Problem::new(INVALID_JOURNEY, detail).with_faults(faults));
        }
    }
    let at = tenant_now(&app, scope).await?;
    let event = control(&app, "journey.resumed", at, &json!({"journey": name}));
    match write(&app, scope, vec![Op::Append(event)]).await? {
        Progress::Done => Ok(Json(PublishedView::from(find(&app, scope, &name).await?)).into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}
