//! `/api/v1/settings`: what a tenant says about itself.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use openhub_model::Fault;
use openhub_store::Op;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{Authorized, SettingsWrite, StatusRead};
use crate::body::JsonBody;
use crate::change::Change;
use crate::openapi::Problems;
use crate::problem::{INVALID_BODY, Problem};
use crate::views::PendingView;
use crate::writes::{Progress, accepted};

/// Ten years.
const MOST_DAYS: i64 = 3_650;

#[derive(Serialize, ToSchema)]
#[schema(as = Settings)]
pub(crate) struct SettingsView {
    /// For how many days the list of faults is kept.
    fault_days: i64,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SettingsChange)]
pub(crate) struct SettingsChange {
    /// 1 to 3650 (default 90).
    fault_days: Option<i64>,
}

/// The tenant's settings.
#[utoipa::path(get, path = "/api/v1/settings", tag = "settings", responses((status = 200, body = SettingsView), Problems))]
pub(crate) async fn get_settings(
    State(app): State<Arc<App>>,
    access: Authorized<StatusRead>,
) -> Result<Json<SettingsView>, Problem> {
    Ok(Json(SettingsView { fault_days: app.store.fault_days(&access.scope).await? }))
}

/// Changes settings; what is not named stays.
#[utoipa::path(patch, path = "/api/v1/settings", tag = "settings", request_body = SettingsChange,
    responses((status = 200, body = SettingsView), (status = 202, body = PendingView), Problems))]
pub(crate) async fn change_settings(
    State(app): State<Arc<App>>,
    change: Change<SettingsWrite>,
    JsonBody(SettingsChange { fault_days }): JsonBody<SettingsChange>,
) -> Result<Response, Problem> {
    let Some(days) = fault_days else { return Ok(Json(view(&app, &change).await?).into_response()) };
    if !(1..=MOST_DAYS).contains(&days) {
        let fault = Fault::new("/fault_days", "out-of-range", format!("It is from 1 to {MOST_DAYS} days."));
        return Err(Problem::fault(INVALID_BODY, fault));
    }
    let body = json!({"settings": {"fault_days": days}});
    match change.commit_with(vec![Op::KeepFaults { days }], "settings.changed", body).await? {
        Progress::Done => Ok(Json(view(&app, &change).await?).into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}

async fn view(app: &App, change: &Change<SettingsWrite>) -> Result<SettingsView, Problem> {
    Ok(SettingsView { fault_days: app.store.fault_days(&change.scope).await? })
}
