//! `GET /api/v1/plugins/{name}`

use axum::Json;
use axum::extract::State;
use openhub_store::{Installation, Scope};
use std::sync::Arc;

use crate::app::App;
use crate::auth::{Authorized, PluginsRead};
use crate::openapi::Problems;
use crate::parameters::{Path, name_in_path};
use crate::problem::Problem;
use crate::views::PluginView;

/// One installed plugin.
#[utoipa::path(get, path = "/api/v1/plugins/{name}", tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name.")),
    responses((status = 200, body = PluginView), Problems))]
pub(crate) async fn get_plugin(
    State(app): State<Arc<App>>,
    access: Authorized<PluginsRead>,
    Path(name): Path<String>,
) -> Result<Json<PluginView>, Problem> {
    Ok(Json(find(&app, &access.scope, &name).await?.into()))
}

pub(super) async fn find(app: &App, scope: &Scope, name: &str) -> Result<Installation, Problem> {
    let found = app.store.plugin(scope, name_in_path(name)?).await?;
    found.ok_or_else(|| Problem::not_found("plugin"))
}
