//! `GET /api/v1/faults/{id}`

use axum::Json;
use axum::extract::State;
use openhub_store::{FaultKind, Faulted, Scope};
use std::sync::Arc;

use crate::app::App;
use crate::auth::{Authorized, FaultsRead, FaultsWrite, MessagesWrite};
use crate::openapi::Problems;
use crate::parameters::{Path, id_in_path};
use crate::problem::Problem;
use crate::views::ListedFaultView;

/// One fault.
#[utoipa::path(get, path = "/api/v1/faults/{id}", tag = "faults",
    params(("id" = String, Path, description = "The fault's id.")),
    responses((status = 200, body = ListedFaultView), Problems))]
pub(crate) async fn get_fault(
    State(app): State<Arc<App>>,
    access: Authorized<FaultsRead>,
    Path(id): Path<String>,
) -> Result<Json<ListedFaultView>, Problem> {
    Ok(Json(fault(&app, &access.scope, &id).await?.into()))
}

/// What closes a message's fault sends it again or drops it.
pub(super) fn may_close(access: &Authorized<FaultsWrite>, kind: FaultKind) -> Result<(), Problem> {
    match kind {
        FaultKind::Message => access.must::<MessagesWrite>(),
        _ => Ok(()),
    }
}

pub(super) async fn fault(app: &App, scope: &Scope, id: &str) -> Result<Faulted, Problem> {
    let found = app.store.fault(scope, id_in_path(id, "fault")?).await?;
    found.ok_or_else(|| Problem::not_found("fault"))
}
