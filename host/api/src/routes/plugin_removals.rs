//! Receipts of removed plugins.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::{Authorized, PluginsRead};
use crate::cursor;
use crate::openapi::Problems;
use crate::parameters::{Path, Query, id_in_path};
use crate::problem::Problem;
use crate::views::{PluginRemovalList, PluginRemovalView};

const LIST: &str = "plugin-removals";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// The `next` of the page before.
    after: Option<String>,
    /// Page size, 1 to 1000 (default 50).
    limit: Option<usize>,
}

/// The receipts of all removed plugins, in the order in which the removals were asked for.
#[utoipa::path(get, path = "/api/v1/plugin-removals", tag = "plugins", params(Parameters),
    security(("api_key" = ["plugins:read"])),
    responses((status = 200, body = PluginRemovalList), Problems))]
pub(crate) async fn list_plugin_removals(
    State(app): State<Arc<App>>,
    access: Authorized<PluginsRead>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<PluginRemovalList>, Problem> {
    let limit = cursor::limit(parameters.limit)?;
    let after = cursor::read(LIST, "after", parameters.after.as_deref())?;
    let removals = app.store.plugin_removals(&access.scope, after, limit + 1).await?;
    let (removals, next) = cursor::page(LIST, removals, limit, |removal| removal.asked.id);
    Ok(Json(PluginRemovalList { removals: removals.into_iter().map(Into::into).collect(), next }))
}

/// The receipt of a removed plugin.
#[utoipa::path(get, path = "/api/v1/plugin-removals/{id}", tag = "plugins",
    params(("id" = String, Path, description = "The removal's id.")),
    security(("api_key" = ["plugins:read"])),
    responses((status = 200, body = PluginRemovalView), Problems))]
pub(crate) async fn get_plugin_removal(
    State(app): State<Arc<App>>,
    access: Authorized<PluginsRead>,
    Path(id): Path<String>,
) -> Result<Json<PluginRemovalView>, Problem> {
    let found = app.store.plugin_removal(&access.scope, id_in_path(&id, "removal")?).await?;
    Ok(Json(found.ok_or_else(|| Problem::not_found("removal"))?.into()))
}
