//! The list of what did not go through: seen, tried again, discarded.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use openhub_engine::again::remedy;
use openhub_model::EventKind;
use openhub_store::{FaultFilter, FaultKind, FaultStatus, Faulted, Remedy, Scope};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::{Authorized, CustomersRead, FaultsRead, FaultsWrite, MessagesWrite, PrivacyWrite, may_cause};
use crate::cursor;
use crate::openapi::Problems;
use crate::parameters::{Path, Query, id_in_path, id_in_query};
use crate::problem::{CONFLICT, Problem};
use crate::views::{ListedFaultView, PendingView};
use crate::writes::{Progress, accepted, present, wait};

const LIST: &str = "faults";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// `refused`, `event`, `rule`, `row-skipped`, `control`, `run`, `object`, `message`, `catalog` or `erasure`.
    #[param(value_type = Option<String>)]
    kind: Option<FaultKind>,
    /// `open`, `retried` or `discarded`.
    #[param(value_type = Option<String>)]
    status: Option<FaultStatus>,
    /// What failed, as the list names it, like `<plugin>/<rule>` for a rule.
    subject: Option<String>,
    /// Only faults of this customer's events, runs and messages, by the customer's id.
    customer: Option<String>,
    /// The `next` of the page before.
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
    security(("api_key" = ["faults:read"])),
    responses((status = 200, body = FaultList), Problems))]
pub(crate) async fn list_faults(
    State(app): State<Arc<App>>,
    access: Authorized<FaultsRead>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<FaultList>, Problem> {
    let limit = cursor::limit(parameters.limit)?;
    let before = cursor::read(LIST, "after", parameters.after.as_deref())?;
    let Parameters { kind, status, subject, customer, .. } = parameters;
    let part = id_in_query("customer", customer.as_deref())?;
    let filter = FaultFilter { kind, status, subject, part, before, limit: limit + 1 };
    let faults = app.store.faults(&access.scope, &filter).await?;
    let (faults, next) = cursor::page(LIST, faults, limit, openhub_store::Faulted::cursor);
    Ok(Json(FaultList { faults: faults.into_iter().map(Into::into).collect(), next }))
}

/// One fault.
#[utoipa::path(get, path = "/api/v1/faults/{id}", tag = "faults",
    params(("id" = String, Path, description = "The fault's id.")),
    security(("api_key" = ["faults:read"])),
    responses((status = 200, body = ListedFaultView), Problems))]
pub(crate) async fn get_fault(
    State(app): State<Arc<App>>,
    access: Authorized<FaultsRead>,
    Path(id): Path<String>,
) -> Result<Json<ListedFaultView>, Problem> {
    Ok(Json(fault(&app, &access.scope, &id).await?.into()))
}

/// The call of a plugin that failed: `openhub plugin replay` makes it again, on any machine.
///
/// It has what the rule or the check declares to read of one customer, so the key needs `customers:read`, too. 404 if the fault is
/// none of a rule or a check, or its call is longer than 64 KiB, or a thousand newer ones were recorded.
#[utoipa::path(get, path = "/api/v1/faults/{id}/recording", tag = "faults",
    params(("id" = String, Path, description = "The fault's id.")),
    security(("api_key" = ["faults:read", "customers:read"])),
    responses((status = 200, body = Value), Problems))]
pub(crate) async fn fault_recording(
    State(app): State<Arc<App>>,
    access: Authorized<FaultsRead>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    access.must::<CustomersRead>()?;
    let found = fault(&app, &access.scope, &id).await?.fault;
    let recording = app.store.fault_recording(&access.scope, found.id).await?;
    let recording = recording.and_then(|text| serde_json::from_str(&text).ok());
    recording.map(Json).ok_or_else(|| Problem::not_found("recording"))
}

/// What closes a message's fault sends it again or drops it; that of an erasure asks a plugin again, or no more.
pub(super) fn may_close(access: &Authorized<FaultsWrite>, kind: FaultKind) -> Result<(), Problem> {
    match kind {
        FaultKind::Message => access.must::<MessagesWrite>(),
        FaultKind::Erasure => access.must::<PrivacyWrite>(),
        _ => Ok(()),
    }
}

pub(super) async fn fault(app: &App, scope: &Scope, id: &str) -> Result<Faulted, Problem> {
    let found = app.store.fault(scope, id_in_path(id, "fault")?).await?;
    found.ok_or_else(|| Problem::not_found("fault"))
}

/// Tries again what failed, at a new place in the log and with its original time; a message at once, under the same key. If it
/// fails again, it is an open fault again. For a message the key needs `messages:write`, too; for an erasure `privacy:write`; for a
/// change (`control`) what making it asks for.
#[utoipa::path(post, path = "/api/v1/faults/{id}/retry", tag = "faults",
    params(("id" = String, Path, description = "The fault's id.")),
    security(("api_key" = ["faults:write"])),
    responses((status = 200, body = ListedFaultView), (status = 202, body = PendingView), Problems))]
pub(crate) async fn retry_fault(
    State(app): State<Arc<App>>,
    access: Authorized<FaultsWrite>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let scope = &access.scope;
    let found = fault(&app, scope, &id).await?.fault;
    may_close(&access, found.kind)?;
    let Some(mut remedy) = remedy(&app.store, scope, &found, present(&app, scope).await?).await? else {
        let detail = format!("A fault of the kind `{}` cannot be retried. Discard it.", found.kind.name());
        return Err(Problem::new(CONFLICT, detail));
    };
    if let Remedy::Event(event) = &mut remedy
        && event.kind == EventKind::Control
    {
        may_cause(&access, &event.name)?;
        let mut body: Value = serde_json::from_str(&event.body).unwrap_or_default();
        body["retried_by"] = json!(access.principal);
        event.body = body.to_string();
    }
    if !app.store.close_fault(scope, found.id, remedy, app.now()).await? {
        return Err(Problem::new(CONFLICT, "The fault is no longer open."));
    }
    let head = app.store.standing(scope).await?.head;
    match wait(&app, scope.tenant(), head, app.limits.write_wait).await {
        Progress::Done => Ok(Json(ListedFaultView::from(fault(&app, scope, &id).await?)).into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}

/// Closes a fault: nothing more is to be done about it. What is alike and comes later is open again. A message is dropped, for
/// which the key needs `messages:write`, too; a plugin is not asked to erase any more, for which it needs `privacy:write`.
#[utoipa::path(post, path = "/api/v1/faults/{id}/discard", tag = "faults",
    params(("id" = String, Path, description = "The fault's id.")),
    security(("api_key" = ["faults:write"])),
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
        return Err(Problem::new(CONFLICT, "The fault is no longer open."));
    }
    Ok(Json(fault(&app, scope, &id).await?.into()))
}
