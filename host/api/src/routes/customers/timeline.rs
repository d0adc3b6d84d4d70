//! `GET /api/v1/customers/{id}/timeline`

use axum::Json;
use axum::extract::State;
use openhub_model::fault::form;
use openhub_model::{Fault, Timestamp};
use openhub_store::{TimelineFilter, TimelineItem, TimelineKind};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::{Authorized, CustomersRead, sees_item};
use crate::cursor;
use crate::openapi::Problems;
use crate::parameters::{Path, Query, id_in_path};
use crate::problem::{INVALID_QUERY, Problem};
use crate::views::TimelinePage;

const LIST: &str = "timeline";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// Only items of these kinds: `event`, `message`, `run`, `object`, `consent`, `set-aside` and `fault`, separated
    /// by commas.
    kind: Option<String>,
    /// Only items from this moment on.
    #[param(value_type = Option<String>)]
    from: Option<Timestamp>,
    /// Only items before this moment.
    #[param(value_type = Option<String>)]
    to: Option<Timestamp>,
    /// The `next` of the page before: what follows is older.
    after: Option<String>,
    /// Page size, 1 to 1000 (default 50).
    limit: Option<usize>,
}

/// All that happened to a customer, newest first; of one instant, what arrived later is newer. Messages are left out for a key without `messages:read`, objects for one
/// without `objects:read`, faults for one without `faults:read`. An event that changed a consent is an item of both kinds. One that could
/// not be computed is `set-aside` and no `event`: it counts in no condition. A `fault` is what a rule failed on, or an object that it could not make.
#[utoipa::path(get, path = "/api/v1/customers/{id}/timeline", tag = "customers",
    params(("id" = String, Path, description = "The customer's id."), Parameters),
    security(("api_key" = ["customers:read"])),
    responses((status = 200, body = TimelinePage), Problems))]
pub(crate) async fn customer_timeline(
    State(app): State<Arc<App>>,
    access: Authorized<CustomersRead>,
    Path(id): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<TimelinePage>, Problem> {
    let id = id_in_path(&id, "customer")?;
    let limit = cursor::limit(parameters.limit)?;
    let filter = TimelineFilter {
        kinds: parameters.kind.as_deref().map(kinds).transpose()?.unwrap_or_default(),
        from: parameters.from,
        to: parameters.to,
        before: cursor::read(LIST, "after", parameters.after.as_deref())?,
        limit: limit + 1,
    };
    app.store.customer(&access.scope, id).await?.ok_or_else(|| Problem::not_found("customer"))?;
    let items = app.store.timeline(&access.scope, id, &filter).await?;
    let (items, next) = cursor::page(LIST, items, limit, TimelineItem::cursor);
    // A page may be shorter than it was asked for; `next` says whether there is more.
    let items = items.into_iter().filter(|item| sees_item(&access, item)).map(Into::into).collect();
    Ok(Json(TimelinePage { items, next }))
}

fn kinds(text: &str) -> Result<Vec<TimelineKind>, Problem> {
    let mut kinds = Vec::new();
    for name in text.split(',') {
        let kind = serde_json::from_value(name.into()).map_err(|error| {
            Problem::fault(INVALID_QUERY, Fault::new("/kind", "unknown-kind", form(&error.to_string())))
        })?;
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    Ok(kinds)
}
