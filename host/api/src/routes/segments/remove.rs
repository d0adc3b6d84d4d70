//! `DELETE /api/v1/segments/{name}`

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use openhub_store::Op;
use serde_json::json;
use std::sync::Arc;

use crate::app::{App, Catalog};
use crate::auth::{Authorized, SegmentsWrite};
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::{IN_USE, Problem};
use crate::segments::{find, users};
use crate::views::PendingView;
use crate::writes::{Progress, accepted, control, tenant_now, write};

/// Deletes a segment with its members and versions, unless a segment or a journey mentions it: they are named.
#[utoipa::path(delete, path = "/api/v1/segments/{name}", tag = "segments",
    params(("name" = String, Path, description = "The segment's name.")),
    responses((status = 204, description = "It is gone."), (status = 202, body = PendingView), Problems))]
pub(crate) async fn remove_segment(
    State(app): State<Arc<App>>,
    State(catalog): State<Catalog>,
    access: Authorized<SegmentsWrite>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let _changes = catalog.0.lock().await;
    let scope = &access.scope;
    let segment = find(&app, scope, &name).await?;
    let users = users(&app, scope, &segment.name).await?;
    if !users.is_empty() {
        return Err(Problem::new(IN_USE, "Change what mentions the segment first.").with_faults(users));
    }
    let at = tenant_now(&app, scope).await?;
    let removed = control(&app, "segment.removed", at, &json!({"segment": segment.name}));
    match write(&app, scope, vec![Op::Append(removed)]).await? {
        Progress::Done => Ok(StatusCode::NO_CONTENT.into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}
