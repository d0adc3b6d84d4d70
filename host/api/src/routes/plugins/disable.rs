//! `POST /api/v1/plugins/{name}/disable`

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use openhub_engine::uses::Fate;
use serde_json::json;
use std::sync::Arc;

use super::get::find;
use crate::app::{App, Catalog};
use crate::auth::{Authorized, PluginsWrite};
use crate::installation::unused;
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::Problem;
use crate::views::{PendingView, PluginView};
use crate::writes::{Progress, accepted, control, halting, tenant_now};

/// Disables a plugin at the present end of the log. Its settings and what it made stay.
#[utoipa::path(post, path = "/api/v1/plugins/{name}/disable", tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name.")),
    responses((status = 200, body = PluginView), (status = 202, body = PendingView), Problems))]
pub(crate) async fn disable_plugin(
    State(app): State<Arc<App>>,
    State(catalog): State<Catalog>,
    access: Authorized<PluginsWrite>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let _changes = catalog.0.lock().await;
    let scope = &access.scope;
    let plugin = find(&app, scope, &name).await?;
    unused(&app, scope, &plugin.name, Fate::Stops, "disabled").await?;
    let at = tenant_now(&app, scope).await?;
    let event = control(&app, "plugin.disabled", at, &json!({"plugin": plugin.name}));
    match halting(&app, scope, &plugin.name, event).await? {
        Progress::Done => Ok(Json(PluginView::from(find(&app, scope, &name).await?)).into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}
