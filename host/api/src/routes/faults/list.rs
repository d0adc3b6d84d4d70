//! `GET /api/v1/faults`

use axum::Json;
use axum::extract::State;
use openhub_store::{FaultFilter, FaultKind, FaultStatus};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::{Authorized, FaultsRead};
use crate::cursor;
use crate::openapi::Problems;
use crate::parameters::Query;
use crate::problem::Problem;
use crate::views::ListedFaultView;

const LIST: &str = "faults";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// `refused`, `event`, `rule`, `row-skipped`, `control`, `run`, `object`, `message` or `catalog`.
    #[param(value_type = Option<String>)]
    kind: Option<FaultKind>,
    /// `open`, `retried` or `discarded`.
    #[param(value_type = Option<String>)]
    status: Option<FaultStatus>,
    /// Who is at fault, as the list names it: the queue of a rule is `<plugin>/<rule>`.
    subject: Option<String>,
    /// Cursor of the page before.
    after: Option<String>,
    /// Page size, 1 to 1000 (default 50).
    limit: Option<usize>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct FaultList {
    faults: Vec<ListedFaultView>,
    /// Cursor of the next page.
    next: Option<String>,
}

/// What did not go through, the last first.
#[utoipa::path(get, path = "/api/v1/faults", tag = "faults", params(Parameters),
    responses((status = 200, body = FaultList), Problems))]
pub(crate) async fn list_faults(
    State(app): State<Arc<App>>,
    access: Authorized<FaultsRead>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<FaultList>, Problem> {
    let limit = cursor::limit(parameters.limit)?;
    let before = cursor::read(LIST, "after", parameters.after.as_deref())?;
    let Parameters { kind, status, subject, .. } = parameters;
    let filter = FaultFilter { kind, status, subject, before, limit: limit + 1 };
    let faults = app.store.faults(&access.scope, &filter).await?;
    let (faults, next) = cursor::page(LIST, faults, limit, openhub_store::Faulted::cursor);
    Ok(Json(FaultList { faults: faults.into_iter().map(Into::into).collect(), next }))
}
