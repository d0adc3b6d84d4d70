//! `PUT /api/v1/journeys/{name}`: saves the draft, finished or not.

use axum::Json;
use axum::extract::State;
use openhub_model::Fault;
use openhub_store::Op;
use serde_json::Value;
use std::sync::Arc;

use super::get::find;
use crate::app::App;
use crate::auth::{Authorized, JourneysWrite};
use crate::body::JsonBody;
use crate::journeys::faults;
use crate::openapi::Problems;
use crate::parameters::{Path, name_in_path};
use crate::problem::{INVALID_BODY, Problem};
use crate::views::JourneyView;

/// Saves a journey's draft. What stands in the way of publishing it is told, and does not stop the save.
#[utoipa::path(put, path = "/api/v1/journeys/{name}", tag = "journeys", request_body = Value,
    params(("name" = String, Path, description = "The journey's name, in kebab-case.")),
    responses((status = 200, body = JourneyView), Problems))]
pub(crate) async fn save_journey(
    State(app): State<Arc<App>>,
    access: Authorized<JourneysWrite>,
    Path(name): Path<String>,
    JsonBody(definition): JsonBody<Value>,
) -> Result<Json<JourneyView>, Problem> {
    let name = name_in_path(&name)?;
    if !definition.is_object() {
        return Err(Problem::fault(INVALID_BODY, Fault::new("", "wrong-type", "A journey is a JSON object.")));
    }
    let scope = &access.scope;
    let faults = faults(&app, scope, name, &definition).await?;
    let draft = Op::PutJourneyDraft { name: name.to_owned(), definition, at: app.now() };
    app.store.transact(scope, vec![draft]).await?;
    Ok(Json(JourneyView::from(find(&app, scope, name).await?).with_faults(faults)))
}
