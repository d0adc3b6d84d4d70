//! `GET /api/v1/customers/{id}/history`: who set which attribute, tag or consent to what, and when.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::{Authorized, CustomersRead};
use crate::cursor;
use crate::history::{HistoryFilter, history};
use crate::openapi::Problems;
use crate::parameters::{Path, Query, id_in_path};
use crate::problem::Problem;
use crate::views::{HistoryPage, ValueKind};

const LIST: &str = "history";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// Only values of this kind.
    #[param(inline)]
    kind: Option<ValueKind>,
    /// Only values of this name.
    name: Option<String>,
    /// The `next` of the page before: what follows is older.
    after: Option<String>,
    /// Page size, 1 to 1000 (default 50).
    limit: Option<usize>,
}

/// What was said of a customer's attributes, tags and consents, newest first by event time: by which event, and by whom.
///
/// Of values that rules and journeys derive, the history has the one in force. A value that was refused for its type is
/// not in it.
#[utoipa::path(get, path = "/api/v1/customers/{id}/history", tag = "customers",
    params(("id" = String, Path, description = "The customer's id."), Parameters),
    security(("api_key" = ["customers:read"])),
    responses((status = 200, body = HistoryPage), Problems))]
pub(crate) async fn customer_history(
    State(app): State<Arc<App>>,
    access: Authorized<CustomersRead>,
    Path(id): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<HistoryPage>, Problem> {
    let id = id_in_path(&id, "customer")?;
    let limit = cursor::limit(parameters.limit)?;
    let before = cursor::read(LIST, "after", parameters.after.as_deref())?;
    let filter = HistoryFilter { kind: parameters.kind, name: parameters.name, before };
    let customer = app.store.customer(&access.scope, id).await?.ok_or_else(|| Problem::not_found("customer"))?;
    let entries = history(&app, &access.scope, &customer, &filter, limit + 1).await?;
    let (entries, next) = cursor::page(LIST, entries, limit, |(place, _)| *place);
    Ok(Json(HistoryPage { entries: entries.into_iter().map(|(_, entry)| entry).collect(), next }))
}
