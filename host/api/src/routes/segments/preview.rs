//! `POST /api/v1/segments/preview`: whom a condition would hold for, before it is saved.

use axum::Json;
use axum::extract::State;
use openhub_store::Preview;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;

use crate::app::{App, Previews};
use crate::auth::{Authorized, CustomersRead};
use crate::body::JsonBody;
use crate::openapi::{Problems, Unfit};
use crate::people::people;
use crate::problem::{Problem, TOO_COSTLY};
use crate::segments::Known;
use crate::views::{CustomerView, PreviewView};
use crate::why::as_of;

/// Customers that a preview shows.
const SAMPLE: usize = 10;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PreviewRequest)]
pub(crate) struct Request {
    #[schema(value_type = Object)]
    condition: Value,
}

/// Counts the customers for whom a condition holds, for at most two seconds.
///
/// If they are too many for that, a random share of them is counted, and the answer says how far off it may be. A condition also
/// needs the scopes of what it asks about: `objects:read`, `messages:read`.
#[utoipa::path(post, path = "/api/v1/segments/preview", tag = "segments", request_body = Request,
    security(("api_key" = ["customers:read"])),
    responses((status = 200, body = PreviewView), Problems, Unfit))]
pub(crate) async fn preview_segment(
    State(app): State<Arc<App>>,
    State(previews): State<Previews>,
    access: Authorized<CustomersRead>,
    JsonBody(request): JsonBody<Request>,
) -> Result<Json<PreviewView>, Problem> {
    let scope = &access.scope;
    let condition = Known::read(&app, scope).await?.condition(&access, request.condition)?;
    let time = app.limits.preview_time;
    let _turn = previews.turn(access.tenant(), time).await?;
    let mentioned = condition.needs().segments;
    let preview = app.store.preview(scope, &condition, as_of(&app, scope).await?, SAMPLE, time).await?;
    if preview.slices == 0 {
        let share = Preview::SLICES;
        return Err(Problem::new(
            TOO_COSTLY,
            format!("The condition takes too long: not even one of {share} customers could be checked in time."),
        ));
    }
    // Who is in a segment that is being filled is not known yet.
    let filling = app.store.segments(scope).await?.into_iter().filter(|segment| segment.fill.is_some());
    let filling = filling.map(|segment| segment.name).filter(|name| mentioned.contains(name)).collect();
    let sample = people(&app, scope, &preview.sample).await?;
    Ok(Json(PreviewView::new(&preview, filling, sample.into_iter().map(CustomerView::new).collect())))
}
