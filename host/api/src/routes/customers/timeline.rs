//! `GET /api/v1/customers/{id}/timeline`

use axum::Json;
use axum::extract::State;
use openhub_store::TimelineCursor;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::{Authorized, CustomersRead};
use crate::cursor;
use crate::openapi::Problems;
use crate::parameters::{Path, Query, id_in_path};
use crate::problem::Problem;
use crate::views::TimelinePage;

const LIST: &str = "timeline";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// Cursor of the page before, which is newer.
    before: Option<String>,
    /// From 1 to 1000; 50 unless told.
    limit: Option<usize>,
}

/// All that happened to a customer, newest first.
#[utoipa::path(get, path = "/api/v1/customers/{id}/timeline", tag = "customers",
    params(("id" = String, Path, description = "The customer's id."), Parameters),
    responses((status = 200, body = TimelinePage), Problems))]
pub(crate) async fn customer_timeline(
    State(app): State<Arc<App>>,
    access: Authorized<CustomersRead>,
    Path(id): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<TimelinePage>, Problem> {
    let id = id_in_path(&id, "customer")?;
    let limit = cursor::limit(parameters.limit)?;
    let before: Option<TimelineCursor> = cursor::read(LIST, "before", parameters.before.as_deref())?;
    app.store.customer(&access.scope, id).await?.ok_or_else(|| Problem::not_found("customer"))?;
    let items = app.store.timeline(&access.scope, id, before.as_ref(), limit + 1).await?;
    let (items, next) =
        cursor::page(LIST, items, limit, |item| TimelineCursor { at: item.at, kind: item.kind, id: item.id.clone() });
    Ok(Json(TimelinePage { items: items.into_iter().map(Into::into).collect(), next }))
}
