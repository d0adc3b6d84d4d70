//! A candidate is called beside the active version, and changes nothing.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use openhub_engine::{SHADOW_STARTED, SHADOW_STOPPED};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use utoipa::ToSchema;

use super::canary::{answered, being_tried, tried};
use super::find;
use crate::app::App;
use crate::auth::{Authorized, CustomersRead, PluginsRead, PluginsWrite};
use crate::body::JsonBody;
use crate::change::Change;
use crate::installation::check_settings;
use crate::openapi::{Problems, Unfit};
use crate::parameters::Path;
use crate::problem::{INVALID_INSTALLATION, Problem};
use crate::views::{PendingView, PluginView, ShadowReport};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Shadow)]
pub(crate) struct Shadow {
    /// The `digest` of the candidate.
    digest: String,
}

/// Has the candidate's rules called beside those of the active version, from the present end of the log on.
///
/// It is given the same rows, in other batches, and what it answers changes nothing: `GET` tells what differs. What an earlier shadow has
/// found is forgotten. It needs no agreement, since it reads what the active version reads, and does nothing. A shadow that burns much more
/// than the active version is left out for a while (`skipped`). 409 `cannot-be-tried` if the candidate declares other rules, steps,
/// functions, objects, channels, sources, endpoints or jobs than the active version; `being-tried` while a canary runs.
#[utoipa::path(put, path = "/api/v1/plugins/{name}/shadow", tag = "plugins", request_body = Shadow,
    params(("name" = String, Path, description = "The plugin's name.")),
    security(("api_key" = ["plugins:write"])),
    responses((status = 200, body = PluginView), (status = 202, body = PendingView), Problems, Unfit))]
pub(crate) async fn start_plugin_shadow(
    State(app): State<Arc<App>>,
    change: Change<PluginsWrite>,
    Path(name): Path<String>,
    JsonBody(Shadow { digest }): JsonBody<Shadow>,
) -> Result<Response, Problem> {
    let _alone = change.alone().await?;
    let plugin = find(&app, &change.scope, &name).await?;
    let candidate = tried(&plugin, &digest)?;
    if plugin.canary.is_some() {
        return Err(being_tried(&plugin));
    }
    let faults = check_settings(&candidate.manifest, &plugin.settings, &plugin.secrets);
    if !faults.is_empty() {
        let version = &candidate.manifest.version;
        let detail = format!("Version {version} of `{name}` cannot run with the present settings. `faults` says why.");
        return Err(Problem::new(INVALID_INSTALLATION, detail).with_faults(faults));
    }
    let body = json!({"plugin": plugin.name, "digest": digest, "from": plugin.digest});
    answered(&app, &change, &plugin.name, SHADOW_STARTED, body).await
}

/// Stops a shadow at the present end of the log. What it found stays until the next one starts.
#[utoipa::path(delete, path = "/api/v1/plugins/{name}/shadow", tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name.")),
    security(("api_key" = ["plugins:write"])),
    responses((status = 200, body = PluginView), (status = 202, body = PendingView), Problems))]
pub(crate) async fn stop_plugin_shadow(
    State(app): State<Arc<App>>,
    change: Change<PluginsWrite>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let _alone = change.alone().await?;
    let plugin = find(&app, &change.scope, &name).await?;
    if plugin.shadow.is_none() {
        return Err(Problem::not_found("shadow of this plugin"));
    }
    answered(&app, &change, &plugin.name, SHADOW_STOPPED, json!({"plugin": plugin.name})).await
}

/// What a shadow found: sums by rule, and the first hundred rows on which it differs from the active version.
///
/// What the two answered for a row is about a customer: a key without `customers:read` is told the paths that differ, and where.
#[utoipa::path(get, path = "/api/v1/plugins/{name}/shadow", tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name.")),
    security(("api_key" = ["plugins:read"])),
    responses((status = 200, body = ShadowReport), Problems))]
pub(crate) async fn plugin_shadow(
    State(app): State<Arc<App>>,
    access: Authorized<PluginsRead>,
    Path(name): Path<String>,
) -> Result<Json<ShadowReport>, Problem> {
    let plugin = find(&app, &access.scope, &name).await?;
    let counts = app.store.shadow_counts(&access.scope, &plugin.name).await?;
    let rows = app.store.shadow_rows(&access.scope, &plugin.name).await?;
    let whole = access.may::<CustomersRead>();
    Ok(Json(ShadowReport::of(plugin.shadow, counts, rows).shown(whole)))
}
