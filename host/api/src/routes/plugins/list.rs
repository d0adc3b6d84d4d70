//! `GET /api/v1/plugins`

use axum::Json;
use axum::extract::State;
use std::sync::Arc;

use crate::app::App;
use crate::auth::{Authorized, PluginsRead};
use crate::openapi::Problems;
use crate::problem::Problem;
use crate::views::PluginList;

/// All installed plugins.
#[utoipa::path(get, path = "/api/v1/plugins", tag = "plugins", responses((status = 200, body = PluginList), Problems))]
pub(crate) async fn list_plugins(
    State(app): State<Arc<App>>,
    access: Authorized<PluginsRead>,
) -> Result<Json<PluginList>, Problem> {
    let plugins = app.store.plugins(&access.scope).await?;
    Ok(Json(PluginList { plugins: plugins.into_iter().map(Into::into).collect() }))
}
