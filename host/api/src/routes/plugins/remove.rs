//! The end of a plugin: stopped, or removed.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use openhub_engine::remove::REMOVED;
use openhub_engine::uses::Fate;
use openhub_model::Id;
use openhub_store::{NewRemoval, Op, PluginData};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

use super::{find, view};
use crate::app::App;
use crate::auth::PluginsWrite;
use crate::change::Change;
use crate::installation::unused;
use crate::openapi::Problems;
use crate::parameters::{Path, Query};
use crate::problem::Problem;
use crate::views::{PendingView, PluginRemovalView, PluginView};
use crate::writes::{Progress, accepted, halting};

/// Disables a plugin at the present end of the log. Its settings and what it made stay.
///
/// 409 while a published journey, a segment or another plugin uses it: they are named.
#[utoipa::path(post, path = "/api/v1/plugins/{name}/disable", tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name.")),
    security(("api_key" = ["plugins:write"])),
    responses((status = 200, body = PluginView), (status = 202, body = PendingView), Problems))]
pub(crate) async fn disable_plugin(
    State(app): State<Arc<App>>,
    change: Change<PluginsWrite>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let _alone = change.alone().await?;
    let scope = &change.scope;
    let plugin = find(&app, scope, &name).await?;
    unused(&app, scope, &plugin.name, Fate::Stops, "disabled").await?;
    let event = change.control("plugin.disabled", change.now().await?, json!({"plugin": plugin.name}));
    match halting(&app, scope, &plugin.name, vec![Op::Append(event)]).await? {
        Progress::Done => Ok(Json(view(&app, scope, find(&app, scope, &name).await?).await?).into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}

/// What becomes of what the plugin kept: the objects of its types, and its own state.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = PluginDataFate)]
pub(crate) enum Data {
    /// It stays for the day on which a plugin of the same publisher is installed under this name.
    #[default]
    Keep,
    /// It stays, and you read it at `/api/v1/plugins/{name}/data`; another removal with `erase` erases it.
    Export,
    Erase,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// `keep` (default), `export` or `erase`: what becomes of what the plugin kept.
    #[param(inline)]
    data: Option<Data>,
}

/// Removes a plugin with its settings and secrets, at the present end of the log. The answer is the receipt.
///
/// Calls of it that are under way are broken off. `data` says what becomes of the objects of its types and of its own state. What
/// it set of customers stays with them. 409 `in-use` while a journey, a segment, an object type or another plugin uses it: they are
/// named. Of a plugin that is removed already, `erase` erases what it left behind. Waits a little; after that it is answered 202, and
/// the receipt is found under its id.
#[utoipa::path(delete, path = "/api/v1/plugins/{name}", tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name."), Parameters),
    security(("api_key" = ["plugins:write"])),
    responses((status = 200, body = PluginRemovalView), (status = 202, body = PluginRemovalView), Problems))]
pub(crate) async fn remove_plugin(
    State(app): State<Arc<App>>,
    change: Change<PluginsWrite>,
    Path(name): Path<String>,
    Query(Parameters { data }): Query<Parameters>,
) -> Result<Response, Problem> {
    let _alone = change.alone().await?;
    let scope = &change.scope;
    let data = PluginData::from(data.unwrap_or_default());
    let plugin = match find(&app, scope, &name).await {
        Ok(plugin) => plugin,
        Err(missing) if data == PluginData::Erase => app.store.removed_plugin(scope, &name).await?.ok_or(missing)?,
        Err(missing) => return Err(missing),
    };
    unused(&app, scope, &plugin.name, Fate::Goes, "removed").await?;
    let asked = NewRemoval {
        id: Id::at(app.now(), &[&(app.random)()]),
        plugin: plugin.name.clone(),
        version: plugin.version.clone(),
        data,
        asked_by: change.id.clone(),
        asked_at: app.now(),
    };
    let removal = asked.id;
    let body = json!({"plugin": plugin.name, "digest": plugin.digest, "data": data, "removal": removal});
    let event = change.control(REMOVED, change.now().await?, body);
    let written = halting(&app, scope, &plugin.name, vec![Op::PutRemoval(asked), Op::Append(event)]).await?;
    let status = match written {
        Progress::Done => StatusCode::OK,
        Progress::Pending(_) => StatusCode::ACCEPTED,
    };
    let receipt = app.store.plugin_removal(scope, removal).await?.ok_or_else(|| Problem::not_found("removal"))?;
    Ok((status, Json(PluginRemovalView::from(receipt))).into_response())
}

impl From<Data> for PluginData {
    fn from(data: Data) -> PluginData {
        match data {
            Data::Keep => PluginData::Keep,
            Data::Export => PluginData::Export,
            Data::Erase => PluginData::Erase,
        }
    }
}
