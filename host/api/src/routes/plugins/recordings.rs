//! Calls of a plugin are recorded, so that they can be made again elsewhere.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use openhub_engine::{RECORDING_ENDED, RECORDING_SET};
use openhub_model::{Fault, Id, Span, Timestamp};
use openhub_store::PluginRecording;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

use super::canary::answered;
use super::find;
use crate::app::App;
use crate::auth::{Authorized, CustomersRead, PluginsRead, PluginsWrite};
use crate::body::JsonBody;
use crate::change::Change;
use crate::cursor;
use crate::openapi::Problems;
use crate::parameters::{Path, Query, id_in_path};
use crate::problem::{INVALID_BODY, Problem};
use crate::views::{PendingView, PluginRecordingList, PluginView, RecordingView};
use crate::writes::present;

const LIST: &str = "plugin-recordings";
/// How long calls are recorded at most: seven days.
const LONGEST: Span = Span::from_micros(7 * 86_400_000_000);
/// Unless it is told: an hour.
const USUAL: Span = Span::from_micros(3_600_000_000);

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RecordCalls)]
pub(crate) struct RecordCalls {
    /// The share of the rows whose calls are recorded, above 0 and up to 1: `0.01` is one of a hundred. Default: 1, if a customer is named.
    rate: Option<f64>,
    /// Only calls about this customer, by id.
    customer: Option<String>,
    /// How long, by the tenant's clock, at most `7d` (default: `1h`).
    #[serde(rename = "for")]
    #[schema(value_type = Option<String>, example = "1h")]
    lasts: Option<Span>,
}

/// Records calls of the plugin from the present end of the log on, for a time: a share of them, or all about one customer.
///
/// A recording of a rule, a check of an object, a step or a function is a call about one row. One of a channel, a source, an endpoint, a job or
/// privacy has all that the plugin asked of the hub, with secrets masked and personal data blanked; one that breaks off is recorded without being
/// asked for. Each has what the plugin was given, what it answered, and what that took; `openhub plugin replay` makes it again on any machine. The newest 500 of a plugin are kept, for seven days,
/// each of at most 64 KiB; of rows that are handled at the same moment, at most a hundred. It has data of customers, so the key needs
/// `customers:read`, too.
#[utoipa::path(put, path = "/api/v1/plugins/{name}/recording", tag = "plugins", request_body = RecordCalls,
    params(("name" = String, Path, description = "The plugin's name.")),
    security(("api_key" = ["plugins:write", "customers:read"])),
    responses((status = 200, body = PluginView), (status = 202, body = PendingView), Problems))]
pub(crate) async fn record_plugin(
    State(app): State<Arc<App>>,
    change: Change<PluginsWrite>,
    Path(name): Path<String>,
    JsonBody(RecordCalls { rate, customer, lasts }): JsonBody<RecordCalls>,
) -> Result<Response, Problem> {
    change.access.must::<CustomersRead>()?;
    let plugin = find(&app, &change.scope, &name).await?;
    let bad = |pointer: &str, message: &str| Problem::fault(INVALID_BODY, Fault::new(pointer, "out-of-range", message));
    let rate = match (rate, &customer) {
        (Some(rate), _) if rate > 0.0 && rate <= 1.0 => rate,
        (None, Some(_)) => 1.0,
        (None, None) => return Err(bad("/rate", "Name a `rate`, like 0.01, or a `customer`.")),
        (Some(_), _) => return Err(bad("/rate", "The rate is a share: above 0, and at most 1.")),
    };
    let lasts = lasts.unwrap_or(USUAL);
    if lasts > LONGEST {
        return Err(bad("/for", "Calls are recorded for at most `7d`."));
    }
    let customer = match customer {
        None => None,
        Some(customer) => {
            let part = id_in_path(&customer, "customer")?;
            let found = app.store.customer(&change.scope, part).await?;
            Some(found.ok_or_else(|| Problem::not_found("customer"))?.customer)
        }
    };
    let until = present(&app, &change.scope).await? + lasts;
    let per_million = ((rate * 1e6).round() as u32).max(1);
    let body = json!({"plugin": plugin.name, "per_million": per_million, "customer": customer, "until": until});
    answered(&app, &change, &plugin.name, RECORDING_SET, body).await
}

/// Ends the recording of calls at the present end of the log. What was recorded stays.
#[utoipa::path(delete, path = "/api/v1/plugins/{name}/recording", tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name.")),
    security(("api_key" = ["plugins:write"])),
    responses((status = 200, body = PluginView), (status = 202, body = PendingView), Problems))]
pub(crate) async fn end_plugin_recording(
    State(app): State<Arc<App>>,
    change: Change<PluginsWrite>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let plugin = find(&app, &change.scope, &name).await?;
    if plugin.recording.is_none() {
        return Err(Problem::not_found("recording of calls of this plugin"));
    }
    answered(&app, &change, &plugin.name, RECORDING_ENDED, json!({"plugin": plugin.name})).await
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RecordingParameters {
    /// The `next` of the page before.
    after: Option<String>,
    /// Page size, 1 to 1000 (default 50).
    limit: Option<usize>,
}

/// The calls of a plugin that were recorded, the last first.
#[utoipa::path(get, path = "/api/v1/plugins/{name}/recordings", tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name."), RecordingParameters),
    security(("api_key" = ["plugins:read"])),
    responses((status = 200, body = PluginRecordingList), Problems))]
pub(crate) async fn list_plugin_recordings(
    State(app): State<Arc<App>>,
    access: Authorized<PluginsRead>,
    Path(name): Path<String>,
    Query(RecordingParameters { after, limit }): Query<RecordingParameters>,
) -> Result<Json<PluginRecordingList>, Problem> {
    let limit = cursor::limit(limit)?;
    let before: Option<Recorded> = cursor::read(LIST, "after", after.as_deref())?;
    let plugin = find(&app, &access.scope, &name).await?.name;
    let before = before.map(|Recorded { at, id }| (at, id));
    let found = app.store.plugin_recordings(&access.scope, &plugin, before, limit + 1).await?;
    let (found, next) = cursor::page(LIST, found, limit, Recorded::of);
    let whole = access.may::<CustomersRead>();
    let recordings = found.into_iter().map(|recording| RecordingView::of(recording, whole));
    Ok(Json(PluginRecordingList { recordings: recordings.collect(), next }))
}

/// How many recordings were deleted.
#[derive(Serialize, ToSchema)]
pub(crate) struct ForgottenRecordings {
    deleted: u64,
}

/// Deletes what was recorded of a plugin. What goes on being recorded goes on.
#[utoipa::path(delete, path = "/api/v1/plugins/{name}/recordings", tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name.")),
    security(("api_key" = ["plugins:write"])),
    responses((status = 200, body = ForgottenRecordings), Problems))]
pub(crate) async fn delete_plugin_recordings(
    State(app): State<Arc<App>>,
    access: Authorized<PluginsWrite>,
    Path(name): Path<String>,
) -> Result<Json<ForgottenRecordings>, Problem> {
    let plugin = find(&app, &access.scope, &name).await?.name;
    let deleted = app.store.forget_plugin_recordings(&access.scope, &plugin).await?;
    Ok(Json(ForgottenRecordings { deleted }))
}

/// A recorded call: `openhub plugin replay` makes it again. It has data of a customer, so the key needs `customers:read`, too.
#[utoipa::path(get, path = "/api/v1/plugins/{name}/recordings/{id}", tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name."), ("id" = String, Path, description = "The recording's id.")),
    security(("api_key" = ["plugins:read", "customers:read"])),
    responses((status = 200, body = Value), Problems))]
pub(crate) async fn plugin_recording(
    State(app): State<Arc<App>>,
    access: Authorized<PluginsRead>,
    Path((name, id)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    access.must::<CustomersRead>()?;
    let plugin = find(&app, &access.scope, &name).await?.name;
    let id = id_in_path(&id, "recording")?;
    let found = app.store.plugin_recording(&access.scope, &plugin, id).await?;
    let found = found.and_then(|text| serde_json::from_str(&text).ok());
    found.map(Json).ok_or_else(|| Problem::not_found("recording"))
}

/// A recording of the list, as a cursor writes it.
struct Recorded {
    at: Timestamp,
    id: Id,
}

impl Recorded {
    fn of(recording: &PluginRecording) -> Recorded {
        Recorded { at: recording.at, id: recording.id }
    }
}

impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at.micros(), self.id)
    }
}

impl FromStr for Recorded {
    type Err = ();

    fn from_str(text: &str) -> Result<Recorded, ()> {
        let (at, id) = text.split_once('.').ok_or(())?;
        let at = at.parse().map_err(|_| ())?;
        Ok(Recorded { at: Timestamp::from_micros(at), id: id.parse().map_err(|_| ())? })
    }
}
