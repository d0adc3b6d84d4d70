//! `DELETE /api/v1/plugins/{name}`

use axum::extract::State;
use axum::http::StatusCode;
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
use crate::views::PendingView;
use crate::writes::{Progress, accepted, halting};

/// Removes a plugin with its settings and secrets, at the present end of the log. What it made stays.
///
/// 409 while a journey, a segment or another plugin uses it: they are named.
#[utoipa::path(delete, path = "/api/v1/plugins/{name}", tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name.")),
    responses((status = 204, description = "It is gone."), (status = 202, body = PendingView), Problems))]
pub(crate) async fn remove_plugin(
    State(app): State<Arc<App>>,
    change: Change<PluginsWrite>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let _alone = change.alone().await;
    let scope = &change.scope;
    let plugin = find(&app, scope, &name).await?;
    unused(&app, scope, &plugin.name, Fate::Goes, "removed").await?;
    let event =
        change.control("plugin.removed", change.now().await?, json!({"plugin": plugin.name, "digest": plugin.digest}));
    match halting(&app, scope, &plugin.name, event).await? {
        Progress::Done => Ok(StatusCode::NO_CONTENT.into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}
