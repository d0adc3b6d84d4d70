//! `POST /api/v1/journeys/{name}/publish`: the draft becomes the next version.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use openhub_store::Op;
use serde_json::json;
use std::sync::Arc;

use super::get::find;
use crate::app::{App, Catalog};
use crate::auth::{Authorized, JourneysWrite};
use crate::condition::normal_in;
use crate::journeys::faults;
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::{CONFLICT, INVALID_JOURNEY, Problem};
use crate::views::{PendingView, PublishedView};
use crate::writes::{Progress, accepted, control, tenant_now, write};

/// Publishes the draft as the journey's next version, at the present end of the log.
///
/// A version never changes; runs that wait stay on theirs.
#[utoipa::path(post, path = "/api/v1/journeys/{name}/publish", tag = "journeys",
    params(("name" = String, Path, description = "The journey's name.")),
    responses((status = 200, body = PublishedView), (status = 202, body = PendingView), Problems))]
pub(crate) async fn publish_journey(
    State(app): State<Arc<App>>,
    State(catalog): State<Catalog>,
    access: Authorized<JourneysWrite>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let _changes = catalog.0.lock().await;
    let scope = &access.scope;
    let journey = find(&app, scope, &name).await?;
    let mut definition = journey.draft.ok_or_else(|| Problem::new(CONFLICT, "The journey has no draft to publish."))?;
    let faults = faults(&app, scope, &name, &definition).await?;
    if !faults.is_empty() {
        return Err(Problem::new(INVALID_JOURNEY, "The graph has faults.").with_faults(faults));
    }
    normal_in(&mut definition, app.engine.policies(scope).await?.latest());
    let version = journey.latest + 1;
    let at = tenant_now(&app, scope).await?;
    let ops = vec![
        Op::PutJourneyVersion { name: name.clone(), version, definition, at: app.now() },
        Op::Append(control(&app, "journey.published", at, &json!({"journey": name, "version": version}))),
    ];
    match write(&app, scope, ops).await? {
        Progress::Done => Ok(Json(PublishedView::from(find(&app, scope, &name).await?)).into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}
