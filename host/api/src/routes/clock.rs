//! The tenant's clock.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use openhub_model::event::{CLOCK_ADVANCED, CLOCK_STOPPED};
use openhub_model::{ClockKind, Fault, NewEvent, Timestamp};
use openhub_store::Op;
use serde::{Deserialize, Deserializer, de};
use serde_json::json;
use std::sync::Arc;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{Authorized, ClockWrite, StatusRead};
use crate::body::JsonBody;
use crate::change::Change;
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
    to: Asked,
}

/// A time, and whether it is the one that was written: the end of the year 9999, which many write for "never", is read as the last
/// instant that there is.
struct Asked {
    at: Timestamp,
    is_exact: bool,
}

impl<'de> Deserialize<'de> for Asked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Asked, D::Error> {
        let text = String::deserialize(deserializer)?;
        let at = text.parse::<Timestamp>().map_err(de::Error::custom)?;
        Ok(Asked { at, is_exact: Timestamp::is_exact(&text) })
    }
}

/// Moves the tenant's replay clock on and waits until all that was due is done.
///
/// Idempotent: a clock never goes back. The last time that it can be set to is 9999-12-30T21:59:59.999999Z: a later one cannot be
/// written at any offset. What takes longer than a minute is answered 202 and goes on; `POST /api/v1/clock/stop`
/// ends it where it has come to, and a journey that is stopped or paused meanwhile is so at once.
#[utoipa::path(post, path = "/api/v1/clock", tag = "clock", request_body = Advance,
    security(("api_key" = ["clock:write"])),
    responses((status = 200, body = ClockView), (status = 202, body = PendingView), Problems))]
pub(crate) async fn advance_clock(
    State(app): State<Arc<App>>,
    change: Change<ClockWrite>,
    JsonBody(Advance { to: Asked { at: to, is_exact } }): JsonBody<Advance>,
) -> Result<Response, Problem> {
    on_replay(&app, &change).await?;
    if !to.is_writable() {
        let fault = Fault::new("/to", "invalid-timestamp", "The time must be in the years 1 to 9999.");
        return Err(Problem::fault(INVALID_BODY, fault));
    }
    if !is_exact {
        let message = format!("No clock comes to this time. The last that one can be set to is {}.", Timestamp::LAST);
        return Err(Problem::fault(INVALID_BODY, Fault::new("/to", "invalid-timestamp", message)));
    }
    moved(&app, &change, change.control(CLOCK_ADVANCED, to, json!({"to": to}))).await
}

/// Stops the tenant's replay clock on its way: a move that takes long ends where it has come to.
///
/// What is due later stays as it is, until the clock moves on. Without a move under way it changes nothing.
#[utoipa::path(post, path = "/api/v1/clock/stop", tag = "clock",
    security(("api_key" = ["clock:write"])),
    responses((status = 200, body = ClockView), (status = 202, body = PendingView), Problems))]
pub(crate) async fn stop_clock(State(app): State<Arc<App>>, change: Change<ClockWrite>) -> Result<Response, Problem> {
    on_replay(&app, &change).await?;
    let now = tenant_now(&app, &change.scope).await?;
    moved(&app, &change, change.control(CLOCK_STOPPED, now, json!({}))).await
}

async fn on_replay(app: &App, change: &Change<ClockWrite>) -> Result<(), Problem> {
    match tenant(app, &change.scope).await?.clock {
        ClockKind::Replay => Ok(()),
        ClockKind::Live => {
            Err(Problem::new(LIVE_CLOCK, "This tenant's clock is live. Only a replay clock can be set."))
        }
    }
}

/// Says so in the log, and answers with the clock as it then stands.
async fn moved(app: &App, change: &Change<ClockWrite>, event: NewEvent) -> Result<Response, Problem> {
    let appended = app.store.transact(&change.scope, vec![Op::Append(event)]).await?;
    match wait(app, change.tenant(), appended.position, app.limits.clock_wait).await {
        Progress::Done => {
            let now = tenant_now(app, &change.scope).await?;
            Ok(Json(ClockView { kind: ClockKind::Replay, now }).into_response())
        }
        Progress::Pending(position) => Ok(accepted(position)),
    }
}
