//! `POST /api/v1/faults/{id}/retry`

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use openhub_engine::again::remedy;
use std::sync::Arc;

use super::get::{fault, may_close};
use crate::app::App;
use crate::auth::{Authorized, FaultsWrite};
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::{CONFLICT, Problem};
use crate::views::{ListedFaultView, PendingView};
use crate::writes::{Progress, accepted, tenant_now, wait};

/// Tries again what failed, at a new place in the log and with its original time; a message at once, under the same key. If it
/// fails again, it is an open fault again. For a message the key needs `messages:write`, too.
#[utoipa::path(post, path = "/api/v1/faults/{id}/retry", tag = "faults",
    params(("id" = String, Path, description = "The fault's id.")),
    responses((status = 200, body = ListedFaultView), (status = 202, body = PendingView), Problems))]
pub(crate) async fn retry_fault(
    State(app): State<Arc<App>>,
    access: Authorized<FaultsWrite>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let scope = &access.scope;
    let found = fault(&app, scope, &id).await?.fault;
    may_close(&access, found.kind)?;
    let Some(remedy) = remedy(&app.store, scope, &found, tenant_now(&app, scope).await?).await? else {
        let detail = format!("A fault of the kind `{}` cannot be tried again; discard it.", found.kind.name());
        return Err(Problem::new(CONFLICT, detail));
    };
    if !app.store.close_fault(scope, found.id, remedy, app.now()).await? {
        return Err(Problem::new(CONFLICT, "The fault is not open any more."));
    }
    let head = app.store.standing(scope).await?.head;
    match wait(&app, scope.tenant(), head, app.limits.write_wait).await {
        Progress::Done => Ok(Json(ListedFaultView::from(fault(&app, scope, &id).await?)).into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}
