//! The upload of a component.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use openhub_model::release;
use openhub_runtime::{Inspected, Refusal, Runtime};
use openhub_store::{Installation, Op, PluginStatus, PluginVersion, Scope, StoreError};
use std::sync::Arc;

use super::canary::being_tried;
use super::{find, view};
use crate::admission::admit;
use crate::app::App;
use crate::auth::PluginsWrite;
use crate::body::ComponentBody;
use crate::change::Change;
use crate::installation::check_manifest;
use crate::openapi::{Problems, Unfit};
use crate::parameters::name_in_path;
use crate::problem::Problem;
use crate::views::PluginView;

/// An upload is judged so often before it is refused: each time another hub has written to the same plugin.
const JUDGEMENTS: usize = 8;

/// Installs a component, or a new version of a plugin.
///
/// Nothing of it runs before it is activated, and nothing that runs changes. A new version waits as the plugin's `candidate`,
/// and `difference` says what it changes, in plain English and Chinese. Of a plugin that never ran it takes the place. The active
/// version, uploaded again, takes a candidate away.
///
/// 409 `version-reused` if another component has its version number already, `downgrade` if it is older than the active version,
/// `being-tried` while a canary or a shadow runs, `name-taken` if a plugin of another publisher has its name, and `other-publisher-key` or `unsigned` if the publisher's key did
/// not sign it.
#[utoipa::path(post, path = "/api/v1/plugins", tag = "plugins",
    request_body(content = Vec<u8>, content_type = "application/wasm"),
    security(("api_key" = ["plugins:write"])),
    responses(
        (status = 201, body = PluginView), (status = 200, description = "This version was already installed.", body = PluginView), Problems, Unfit))]
pub(crate) async fn install_plugin(
    State(app): State<Arc<App>>,
    change: Change<PluginsWrite>,
    ComponentBody(bytes): ComponentBody,
) -> Result<Response, Problem> {
    let Inspected { digest, manifest, signer, .. } = inspect(bytes.clone()).await?;
    let name = name_in_path(&manifest.name)
        .map_err(|_| bad_manifest("The plugin's name is not valid: use kebab-case, at most 64 characters."))?
        .to_owned();
    let faults = check_manifest(&manifest);
    if !faults.is_empty() {
        return Err(bad_manifest("The manifest is not valid. `faults` says what to correct.").with_faults(faults));
    }
    app.runtime.try_out(&bytes, change.scope.tenant().0).await?;
    let _alone = change.alone().await?;
    let scope = &change.scope;
    let mut version = PluginVersion::uploaded(digest.clone(), manifest, app.now());
    version.signer = signer;
    // Another hub may serve the same tenant: what it wrote meanwhile is judged by, too.
    for _ in 0..JUDGEMENTS {
        let judged = app.store.plugin_standing(scope, &name).await?;
        let (put, status) = judge(&app, scope, &version).await?;
        let component = Op::PutComponent { digest: digest.clone(), bytes: bytes.to_vec() };
        let mut ops = vec![Op::IfPluginStands { plugin: name.clone(), judged }, component];
        ops.extend(put);
        match app.store.transact(scope, ops).await {
            Err(StoreError::VersionConflict(_)) => {}
            written => {
                written?;
                return Ok((status, Json(view(&app, scope, find(&app, scope, &name).await?).await?)).into_response());
            }
        }
    }
    Err(StoreError::VersionConflict(Vec::new()).into())
}

/// What an upload writes beside the component, and its answer.
async fn judge(app: &App, scope: &Scope, version: &PluginVersion) -> Result<(Option<Op>, StatusCode), Problem> {
    let (version, name) = (version.clone(), version.manifest.name.clone());
    let before = match app.store.plugin(scope, &name).await? {
        None => app.store.removed_plugin(scope, &name).await?,
        before => before,
    };
    let Some(before) = before else { return Ok((Some(Op::PutPlugin(first(version))), StatusCode::CREATED)) };
    admit(app, scope, &before, &version).await?;
    let is_tried = before.canary.is_some() || before.shadow.is_some();
    if is_tried && before.offered().0 != version.digest && !is_way_back(&before, &version) {
        return Err(being_tried(&before));
    }
    Ok(match before {
        gone if gone.status == PluginStatus::Removed => (Some(Op::PutPlugin(first(version))), StatusCode::CREATED),
        // Its bytes are written anew: what was damaged is whole again.
        same if same.offered().0 == version.digest || is_way_back(&same, &version) => (None, StatusCode::OK),
        before if before.digest == version.digest => (Some(Op::DropCandidate { plugin: name }), StatusCode::OK),
        before if before.has_run() => {
            (Some(Op::PutCandidate { plugin: name, candidate: version }), StatusCode::CREATED)
        }
        // Its secrets stay by themselves.
        before => {
            let Installation { settings, position, .. } = before;
            (Some(Op::PutPlugin(Installation { settings, position, ..first(version) })), StatusCode::CREATED)
        }
    })
}

/// A plugin that does nothing yet.
fn first(version: PluginVersion) -> Installation {
    let PluginVersion { digest, manifest, signer, uploaded_at, .. } = version;
    Installation { signer, ..Installation::uploaded(digest, manifest, uploaded_at) }
}

/// The way back, which is gone by `rollback` and not by an upload. What was left by a rollback is newer: uploaded again, it waits, and
/// can be tried once more.
fn is_way_back(plugin: &Installation, version: &PluginVersion) -> bool {
    let is_previous = plugin.previous.as_ref().is_some_and(|previous| previous.digest == version.digest);
    is_previous && release::is_older(&version.manifest.version, &plugin.version)
}

/// Reading a component takes CPU, not IO.
async fn inspect(bytes: bytes::Bytes) -> Result<Inspected, Problem> {
    let inspected = tokio::task::spawn_blocking(move || Runtime::inspect(&bytes)).await;
    Ok(inspected.map_err(|panic| Problem::internal(&panic))??)
}

fn bad_manifest(message: &str) -> Problem {
    Problem::from(Refusal { code: Refusal::BAD_MANIFEST, message: message.to_owned() })
}
