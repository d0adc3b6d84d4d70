//! A candidate is called beside the active version, and changes nothing.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use openhub_engine::{SHADOW_STARTED, SHADOW_STOPPED, over};
use openhub_model::Span;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

use super::canary::{answered, being_tried, fits_beside, runs, settings_fit, tried};
use super::find;
use super::versions::no_such_version;
use crate::app::App;
use crate::auth::{Authorized, CustomersRead, PluginsRead, PluginsWrite};
use crate::body::JsonBody;
use crate::change::Change;
use crate::openapi::{Problems, Unfit};
use crate::parameters::{Path, Query};
use crate::problem::{CONFLICT, Problem};
use crate::views::{OverReport, PendingView, PluginView, ShadowReport};

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
/// functions, objects, channels, sources, endpoints or jobs than the active version, or has only what acts; `being-tried` while a canary runs.
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
    let candidate = tried(&plugin, &digest, "be called without effect")?;
    if plugin.canary.is_some() {
        return Err(being_tried(&plugin));
    }
    settings_fit(&plugin, candidate)?;
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

/// Events of an answer, as a stretch of positions.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Stretch {
    /// Only events received in so long until now: `7d`, `12h`.
    #[param(value_type = Option<String>, example = "7d")]
    last: Option<Span>,
    /// Only events behind this position, in place of `last`: 0 is the beginning of the log, and `next` goes on behind the part before.
    after: Option<i64>,
    /// Only events up to this position (default: what the engine has come to).
    to: Option<i64>,
}

/// Asks a version and the active one about the events of the log, and tells what they answer differently. Nothing is written.
///
/// The rules of both versions are given each event that they run on, with its customer as they are now. They are asked in different batches, as
/// for a shadow. An answer covers ten thousand events at most: `next` is the `after` of the next part. The same log and the same customers give
/// the same answer. Any version that was uploaded can be compared, whether it waits or not. 409 `cannot-be-tried` if it declares something else
/// than the active version. What the two answered for a row needs `customers:read`, too.
#[utoipa::path(get, path = "/api/v1/plugins/{name}/versions/{digest}/over", tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name."), ("digest" = String, Path, description = "The version's digest."), Stretch),
    security(("api_key" = ["plugins:write"])),
    responses((status = 200, body = OverReport), Problems, Unfit))]
pub(crate) async fn plugin_version_over(
    State(app): State<Arc<App>>,
    access: Authorized<PluginsWrite>,
    Path((name, digest)): Path<(String, String)>,
    Query(Stretch { last, after, to }): Query<Stretch>,
) -> Result<Json<OverReport>, Problem> {
    let scope = &access.scope;
    let plugin = find(&app, scope, &name).await?;
    let versions = app.store.plugin_versions(scope, &plugin.name).await?;
    let version = versions.iter().find(|version| version.digest == digest).ok_or_else(no_such_version)?;
    runs(&plugin)?;
    fits_beside(&plugin, version)?;
    settings_fit(&plugin, version)?;
    let after = match (after, last) {
        (Some(after), _) => after.max(0),
        (None, Some(last)) => app.engine.position_before(scope, app.now() - last).await?,
        (None, None) => 0,
    };
    let checkpoint = app.store.standing(scope).await?.checkpoint;
    let to = to.unwrap_or(checkpoint).min(checkpoint);
    let over = app.engine.compare(scope, &plugin.name, version, over::Stretch { after, to }).await?;
    let over = over.ok_or_else(|| {
        let detail = format!("`{name}` is enabled, but it could not be loaded. `GET /api/v1/status` says why.");
        Problem::new(CONFLICT, detail)
    })?;
    let report = ShadowReport::of(None, over.counts, over.rows).shown(access.may::<CustomersRead>());
    Ok(Json(OverReport { after, to, next: over.next, report }))
}
