//! `POST /api/v1/plugins/{name}/disable`

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use openhub_engine::uses::Fate;
use serde_json::json;
use std::sync::Arc;

use super::get::find;
use crate::app::App;
use crate::auth::PluginsWrite;
use crate::change::Change;
use crate::installation::unused;
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::Problem;
use crate::views::{PendingView, PluginView};
use crate::writes::{Progress, accepted, halting};

/// Disables a plugin at the present end of the log. Its settings and what it made stay.
///
/// 409 while a published journey, a segment or another plugin uses it: they are named.
#[utoipa::path(post, path = "/api/v1/plugins/{name}/disable", tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name.")),
    responses((status = 200, body = PluginView), (status = 202, body = PendingView), Problems))]
pub(crate) async fn disable_plugin(
    State(app): State<Arc<App>>,
    change: Change<PluginsWrite>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let _alone = change.alone().await;
    let scope = &change.scope;
    let plugin = find(&app, scope, &name).await?;
    unused(&app, scope, &plugin.name, Fate::Stops, "disabled").await?;
    let event = change.control("plugin.disabled", change.now().await?, json!({"plugin": plugin.name}));
    match halting(&app, scope, &plugin.name, event).await? {
        Progress::Done => Ok(Json(PluginView::from(find(&app, scope, &name).await?)).into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}
