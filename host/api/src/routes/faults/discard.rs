//! `POST /api/v1/faults/{id}/discard`

use axum::Json;
use axum::extract::State;
use openhub_store::Remedy;
use std::sync::Arc;

use super::get::{fault, may_close};
use crate::app::App;
use crate::auth::{Authorized, FaultsWrite};
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::{CONFLICT, Problem};
use crate::views::ListedFaultView;

/// Closes a fault: nothing more is to be done about it. What is alike and comes later is open again. A message is dropped, for
/// which the key needs `messages:write`, too.
#[utoipa::path(post, path = "/api/v1/faults/{id}/discard", tag = "faults",
    params(("id" = String, Path, description = "The fault's id.")),
    responses((status = 200, body = ListedFaultView), Problems))]
pub(crate) async fn discard_fault(
    State(app): State<Arc<App>>,
    access: Authorized<FaultsWrite>,
    Path(id): Path<String>,
) -> Result<Json<ListedFaultView>, Problem> {
    let scope = &access.scope;
    let found = fault(&app, scope, &id).await?;
    may_close(&access, found.fault.kind)?;
    if !app.store.close_fault(scope, found.fault.id, Remedy::Discard, app.now()).await? {
        return Err(Problem::new(CONFLICT, "The fault is not open any more."));
    }
    Ok(Json(fault(&app, scope, &id).await?.into()))
}
