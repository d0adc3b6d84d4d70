//! `POST /api/v1/journeys/{name}/check`

use axum::Json;
use axum::extract::State;
use serde_json::Value;
use std::sync::Arc;

use super::get::find;
use crate::app::App;
use crate::auth::{Authorized, JourneysRead};
use crate::body::OptionalJsonBody;
use crate::journeys::faults;
use crate::openapi::Problems;
use crate::parameters::{Path, name_in_path};
use crate::problem::Problem;
use crate::views::FaultsView;

/// What stands in the way of publishing: of the definition in the body or, without one, of the draft.
#[utoipa::path(post, path = "/api/v1/journeys/{name}/check", tag = "journeys", request_body = Option<Value>,
    params(("name" = String, Path, description = "The journey's name.")),
    responses((status = 200, body = FaultsView), Problems))]
pub(crate) async fn check_journey(
    State(app): State<Arc<App>>,
    access: Authorized<JourneysRead>,
    Path(name): Path<String>,
    OptionalJsonBody(definition): OptionalJsonBody<Option<Value>>,
) -> Result<Json<FaultsView>, Problem> {
    let name = name_in_path(&name)?;
    let definition = match definition {
        Some(definition) => definition,
        None => find(&app, &access.scope, name).await?.draft.ok_or_else(|| Problem::not_found("draft"))?,
    };
    Ok(Json(FaultsView { faults: faults(&app, &access.scope, name, &definition).await? }))
}
