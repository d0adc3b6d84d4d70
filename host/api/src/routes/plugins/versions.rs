//! The versions of a plugin that were uploaded.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use openhub_engine::plugin_types::steps;
use openhub_store::{Installation, Op, Scope};
use std::sync::Arc;

use super::canary::being_tried;
use super::find;
use crate::app::App;
use crate::auth::{Authorized, PluginsRead, PluginsWrite};
use crate::change::Change;
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::{IN_USE, Problem};
use crate::views::{PluginObjectsView, PluginVersionList, PluginVersionView, PluginVersionWhole};

/// All versions of a plugin that were uploaded, the latest first.
#[utoipa::path(get, path = "/api/v1/plugins/{name}/versions", tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name.")),
    security(("api_key" = ["plugins:read"])),
    responses((status = 200, body = PluginVersionList), Problems))]
pub(crate) async fn list_plugin_versions(
    State(app): State<Arc<App>>,
    access: Authorized<PluginsRead>,
    Path(name): Path<String>,
) -> Result<Json<PluginVersionList>, Problem> {
    let plugin = find(&app, &access.scope, &name).await?;
    let versions = app.store.plugin_versions(&access.scope, &plugin.name).await?;
    let versions = versions.iter().map(|version| PluginVersionView::of(&plugin, version)).collect();
    Ok(Json(PluginVersionList { versions }))
}

/// One version of a plugin: its manifest, what it asks for, and the difference to the active one.
///
/// If it has other versions of object types, `objects` says what would become of the objects, as a trial: nothing is written.
#[utoipa::path(get, path = "/api/v1/plugins/{name}/versions/{digest}", tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name."), ("digest" = String, Path, description = "The component's digest.")),
    security(("api_key" = ["plugins:read"])),
    responses((status = 200, body = PluginVersionWhole), Problems))]
pub(crate) async fn get_plugin_version(
    State(app): State<Arc<App>>,
    access: Authorized<PluginsRead>,
    Path((name, digest)): Path<(String, String)>,
) -> Result<Json<PluginVersionWhole>, Problem> {
    let plugin = find(&app, &access.scope, &name).await?;
    let versions = app.store.plugin_versions(&access.scope, &plugin.name).await?;
    let version = versions.into_iter().find(|version| version.digest == digest).ok_or_else(no_such_version)?;
    let objects = objects(&app, &access.scope, &plugin, &digest).await?;
    Ok(Json(PluginVersionWhole::of(&plugin, version, objects)))
}

/// Forgets a version that never was active. Its number is free again.
///
/// 409 `in-use` for any other version, and `being-tried` while a canary or a shadow of it runs.
#[utoipa::path(delete, path = "/api/v1/plugins/{name}/versions/{digest}", tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name."), ("digest" = String, Path, description = "The component's digest.")),
    security(("api_key" = ["plugins:write"])),
    responses((status = 204, description = "The version was forgotten."), Problems))]
pub(crate) async fn discard_plugin_version(
    State(app): State<Arc<App>>,
    change: Change<PluginsWrite>,
    Path((name, digest)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let _alone = change.alone().await?;
    let plugin = find(&app, &change.scope, &name).await?;
    let versions = app.store.plugin_versions(&change.scope, &plugin.name).await?;
    let version = versions.iter().find(|version| version.digest == digest).ok_or_else(no_such_version)?;
    if version.grant.is_some() || plugin.digest == digest {
        let (version, name) = (&version.manifest.version, &plugin.name);
        let detail = format!(
            "Version {version} of `{name}` is installed, or was active. It stays as long as the plugin does: remove that."
        );
        return Err(Problem::new(IN_USE, detail));
    }
    if (plugin.canary.is_some() || plugin.shadow.is_some()) && plugin.offered().0 == digest {
        return Err(being_tried(&plugin));
    }
    app.store.transact(&change.scope, vec![Op::DropPluginVersion { plugin: plugin.name, digest }]).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a version that can come into force would make of the objects of its types. Nothing is written.
pub(super) async fn objects(
    app: &App,
    scope: &Scope,
    plugin: &Installation,
    digest: &str,
) -> Result<Vec<PluginObjectsView>, Problem> {
    let (store, engine) = (&app.store, &app.engine);
    let steps = steps(store, engine.prepared(), scope, plugin, digest, None, &plugin.settings).await?;
    let mut views = Vec::new();
    for step in &steps {
        views.push(PluginObjectsView::of(step, &step.fit(store, scope).await?));
    }
    Ok(views)
}

pub(super) fn no_such_version() -> Problem {
    Problem::not_found("version of this plugin")
}
