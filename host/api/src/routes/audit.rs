//! `/api/v1/audit`: who did what.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use openhub_model::Timestamp;
use openhub_store::{AuditFilter, Scope};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

use crate::app::{App, Exports};
use crate::auth::{AuditRead, Authorized};
use crate::cursor;
use crate::export::{PAGE, Page, Style, Table, respond};
use crate::openapi::Problems;
use crate::parameters::Query;
use crate::problem::Problem;
use crate::views::{AuditEntryView, AuditHeadView, AuditList};

const LIST: &str = "audit";

/// What kind of principal.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PrincipalKind {
    Key,
    Person,
    Plugin,
    Partner,
    Operator,
    Hub,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// Only acts of this principal: the id of a key or a person, or a plugin's name.
    who: Option<String>,
    /// Only acts of principals of this kind.
    #[param(inline)]
    kind: Option<PrincipalKind>,
    /// Only this act, as the list names it, like `PUT /api/v1/segments/{name}`.
    act: Option<String>,
    /// Only acts on this, like a segment's name or a key's id.
    subject: Option<String>,
    /// Only of this request, by its `X-Request-Id`.
    request: Option<String>,
    /// Only acts at or after this instant.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Only acts before this instant.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
    /// The `next` of the page before.
    after: Option<String>,
    /// Page size, 1 to 1000 (default 50).
    limit: Option<usize>,
}

/// Lists who did what, the newest first: each act of a principal that changed something, with one entry a request.
///
/// An entry is written in the same transaction as its act. It has no data of customers.
#[utoipa::path(get, path = "/api/v1/audit", tag = "access", params(Parameters),
    security(("api_key" = ["audit:read"])),
    responses((status = 200, body = AuditList), Problems))]
pub(crate) async fn list_audit(
    State(app): State<Arc<App>>,
    access: Authorized<AuditRead>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<AuditList>, Problem> {
    let limit = cursor::limit(parameters.limit)?;
    let before = cursor::read(LIST, "after", parameters.after.as_deref())?;
    let Parameters { who, kind, act, subject, request, from, to, .. } = parameters;
    let kind = kind.map(|kind| json!(kind).as_str().unwrap_or_default().to_owned());
    let filter = AuditFilter { who, kind, act, subject, request, from, to, before, limit: limit + 1 };
    let entries = app.store.audit(&access.scope, &filter).await?;
    let (entries, next) = cursor::page(LIST, entries, limit, |entry| entry.number);
    Ok(Json(AuditList { entries: entries.into_iter().map(AuditEntryView::from).collect(), next }))
}

/// The signed end of the audit log.
#[utoipa::path(get, path = "/api/v1/audit/head", tag = "access",
    security(("api_key" = ["audit:read"])),
    responses((status = 200, body = AuditHeadView), Problems))]
pub(crate) async fn audit_head(
    State(app): State<Arc<App>>,
    access: Authorized<AuditRead>,
) -> Result<Json<AuditHeadView>, Problem> {
    let head = app.store.audit_head(&access.scope).await?;
    Ok(Json(AuditHeadView::of(head, app.sealer.signer().public_key())))
}

/// All entries of the audit log, the oldest first, as JSON Lines.
#[utoipa::path(get, path = "/api/v1/export/audit", tag = "access",
    security(("api_key" = ["audit:read"])),
    responses((status = 200, description = "The entries, as a stream.", content((String = "application/x-ndjson"))), Problems))]
pub(crate) async fn export_audit(
    State(app): State<Arc<App>>,
    State(exports): State<Exports>,
    access: Authorized<AuditRead>,
) -> Result<Response, Problem> {
    let place = exports.begin(access.tenant())?;
    let scope = access.scope;
    respond(Table { style: Style::LINES, columns: None }, "audit", place, move |after| {
        page(Arc::clone(&app), scope, after.unwrap_or(0))
    })
    .await
}

async fn page(app: Arc<App>, scope: Scope, after: i64) -> Result<Page<i64>, Problem> {
    let entries = app.store.audit_behind(&scope, after, PAGE).await?;
    let next = entries.last().filter(|_| entries.len() == PAGE).map(|last| last.number);
    let rows = entries.into_iter().map(|entry| json!(AuditEntryView::from(entry))).collect();
    Ok(Page { rows, next })
}
