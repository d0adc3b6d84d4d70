//! The log, to read.

use axum::Json;
use axum::extract::State;
use openhub_store::EventFilter;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::{Authorized, EventsRead, show_event};
use crate::cursor;
use crate::openapi::Problems;
use crate::parameters::{Query, id_in_query};
use crate::problem::Problem;
use crate::views::EventList;

const LIST: &str = cursor::EVENTS;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// Only events of this name.
    name: Option<String>,
    /// Only events of this customer, by id.
    customer: Option<String>,
    /// Only the event at this place in the log.
    position: Option<i64>,
    /// Only the event with this `messageId`.
    message_id: Option<String>,
    /// The `next` of the page before.
    after: Option<String>,
    /// Page size, 1 to 1000 (default 50).
    limit: Option<usize>,
}

/// The log, in order.
///
/// What has a scope of its own shows its place and no `body` to a key without it: objects (`objects:read`), and changes of plugins,
/// journeys, segments (`plugins:read`, `journeys:read`, `segments:read`) and of the other settings (`customers:read`).
#[utoipa::path(get, path = "/api/v1/events", tag = "events", params(Parameters),
    security(("api_key" = ["events:read"])),
    responses((status = 200, body = EventList), Problems))]
pub(crate) async fn list_events(
    State(app): State<Arc<App>>,
    access: Authorized<EventsRead>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<EventList>, Problem> {
    let limit = cursor::limit(parameters.limit)?;
    let filter = EventFilter {
        name: parameters.name,
        part: id_in_query("customer", parameters.customer.as_deref())?,
        position: parameters.position,
        message_id: parameters.message_id,
        after: cursor::read(LIST, "after", parameters.after.as_deref())?,
        limit: limit + 1,
    };
    let events = app.store.events(&access.scope, &filter).await?;
    let (events, next) = cursor::page(LIST, events, limit, |event| event.position);
    let shown = events.into_iter().map(|event| show_event(&access, event).into());
    Ok(Json(EventList { events: shown.collect(), next }))
}
