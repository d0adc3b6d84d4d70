//! What is installed.

use axum::Json;
use axum::extract::State;
use std::sync::Arc;

use super::{find, view};
use crate::app::App;
use crate::auth::{Authorized, PluginsRead};
use crate::cursor;
use crate::openapi::Problems;
use crate::parameters::{Path, Query};
use crate::problem::Problem;
use crate::views::{PluginList, PluginView};
use crate::writes::tenant;

const LIST: &str = "plugins";

/// The installed plugins, by name.
#[utoipa::path(get, path = "/api/v1/plugins", tag = "plugins", params(cursor::Page),
    security(("api_key" = ["plugins:read"])),
    responses((status = 200, body = PluginList), Problems))]
pub(crate) async fn list_plugins(
    State(app): State<Arc<App>>,
    access: Authorized<PluginsRead>,
    Query(page): Query<cursor::Page>,
) -> Result<Json<PluginList>, Problem> {
    let plugins = app.store.plugins(&access.scope).await?;
    let (plugins, next) = page.of(LIST, plugins, |plugin| plugin.name.clone(), |name, after| name > after)?;
    let tenant = tenant(&app, &access.scope).await?.name;
    Ok(Json(PluginList { plugins: plugins.into_iter().map(|plugin| PluginView::of(plugin, &tenant)).collect(), next }))
}

/// One installed plugin.
#[utoipa::path(get, path = "/api/v1/plugins/{name}", tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name.")),
    security(("api_key" = ["plugins:read"])),
    responses((status = 200, body = PluginView), Problems))]
pub(crate) async fn get_plugin(
    State(app): State<Arc<App>>,
    access: Authorized<PluginsRead>,
    Path(name): Path<String>,
) -> Result<Json<PluginView>, Problem> {
    let scope = &access.scope;
    Ok(Json(view(&app, scope, find(&app, scope, &name).await?).await?))
}
