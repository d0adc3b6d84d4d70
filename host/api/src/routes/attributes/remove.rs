//! `DELETE /api/v1/attributes/{name}`

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::sync::Arc;

use crate::app::App;
use crate::auth::SettingsWrite;
use crate::change::Change;
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::Problem;
use crate::views::PendingView;
use crate::writes::{Progress, accepted};

/// Takes an attribute's declaration away; values stay.
#[utoipa::path(delete, path = "/api/v1/attributes/{name}", tag = "identities",
    params(("name" = String, Path, description = "The attribute's name.")),
    responses((status = 204), (status = 202, body = PendingView), Problems))]
pub(crate) async fn remove_attribute(
    State(app): State<Arc<App>>,
    change: Change<SettingsWrite>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    if !app.store.declared_attributes(&change.scope).await?.contains_key(&name) {
        return Err(Problem::not_found("attribute"));
    }
    let body = json!({ "attribute": name, "declaration": null });
    match change.commit("attribute.declared", body).await? {
        Progress::Done => Ok(StatusCode::NO_CONTENT.into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}
