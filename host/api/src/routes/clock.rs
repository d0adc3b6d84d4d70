//! The tenant's clock.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use openhub_model::event::CLOCK_ADVANCED;
use openhub_model::{ClockKind, Fault, Timestamp};
use openhub_store::Op;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{Authorized, ClockWrite, StatusRead};
use crate::body::JsonBody;
use crate::change::Change;
use crate::ingest::RESERVED;
use crate::openapi::Problems;
use crate::problem::{INVALID_BODY, LIVE_CLOCK, Problem};
use crate::views::{ClockView, PendingView};
use crate::writes::{Progress, accepted, tenant, tenant_now, wait};

/// The tenant's present.
#[utoipa::path(get, path = "/api/v1/clock", tag = "clock",
    security(("api_key" = ["status:read"])),
    responses((status = 200, body = ClockView), Problems))]
pub(crate) async fn get_clock(
    State(app): State<Arc<App>>,
    access: Authorized<StatusRead>,
) -> Result<Json<ClockView>, Problem> {
    let kind = tenant(&app, &access.scope).await?.clock;
    let now = tenant_now(&app, &access.scope).await?;
    Ok(Json(ClockView { kind, now }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ClockAdvance)]
pub(crate) struct Advance {
    #[schema(value_type = String, format = DateTime)]
    to: Timestamp,
}

/// Moves the tenant's replay clock on and waits until all that was due is done.
///
/// Idempotent: a clock never goes back, and the same instant twice is one event in the log.
#[utoipa::path(post, path = "/api/v1/clock", tag = "clock", request_body = Advance,
    security(("api_key" = ["clock:write"])),
    responses((status = 200, body = ClockView), (status = 202, body = PendingView), Problems))]
pub(crate) async fn advance_clock(
    State(app): State<Arc<App>>,
    change: Change<ClockWrite>,
    JsonBody(Advance { to }): JsonBody<Advance>,
) -> Result<Response, Problem> {
    let kind = tenant(&app, &change.scope).await?.clock;
    if kind == ClockKind::Live {
        return Err(Problem::new(LIVE_CLOCK, "This tenant's clock is live. Only a replay clock can be set."));
    }
    if !to.is_writable() {
        let fault = Fault::new("/to", "invalid-timestamp", "The time must be in the years 1 to 9999.");
        return Err(Problem::fault(INVALID_BODY, fault));
    }
    let mut event = change.control(CLOCK_ADVANCED, to, json!({"to": to}));
    event.message_id = format!("{RESERVED}clock:{to}");
    let appended = app.store.transact(&change.scope, vec![Op::Append(event)]).await?;
    match wait(&app, change.tenant(), appended.position, app.limits.clock_wait).await {
        Progress::Done => {
            let now = change.now().await?;
            Ok(Json(ClockView { kind, now }).into_response())
        }
        Progress::Pending(position) => Ok(accepted(position)),
    }
}
