//! `DELETE /api/v1/segments/{name}`

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::sync::Arc;

use crate::app::App;
use crate::auth::SegmentsWrite;
use crate::change::Change;
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::{IN_USE, Problem};
use crate::segments::{find, users};
use crate::views::PendingView;
use crate::writes::{Progress, accepted};

/// Deletes a segment with its members and versions, unless a segment or a journey mentions it: they are named.
#[utoipa::path(delete, path = "/api/v1/segments/{name}", tag = "segments",
    params(("name" = String, Path, description = "The segment's name.")),
    security(("api_key" = ["segments:write"])),
    responses((status = 204, description = "The segment was removed."), (status = 202, body = PendingView), Problems))]
pub(crate) async fn remove_segment(
    State(app): State<Arc<App>>,
    change: Change<SegmentsWrite>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let _changes = change.alone().await?;
    let scope = &change.scope;
    let segment = find(&app, scope, &name).await?;
    let users = users(&app, scope, &segment.name).await?;
    if !users.is_empty() {
        return Err(Problem::new(IN_USE, "The segment is in use. First change what `faults` names.").with_faults(users));
    }
    match change.commit("segment.removed", json!({"segment": segment.name})).await? {
        Progress::Done => Ok(StatusCode::NO_CONTENT.into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}
