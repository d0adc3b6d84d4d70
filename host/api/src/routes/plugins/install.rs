//! The upload of a component.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use openhub_runtime::{Inspected, Refusal, Runtime};
use openhub_store::{Installation, Op, PluginStatus, PluginVersion};
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
    let component = Op::PutComponent { digest: digest.clone(), bytes: bytes.into() };
    let before = match app.store.plugin(scope, &name).await? {
        None => app.store.removed_plugin(scope, &name).await?,
        before => before,
    };
    let mut version = PluginVersion::uploaded(digest, manifest, app.now());
    version.signer = signer;
    if let Some(before) = &before {
        admit(&app, scope, before, &version).await?;
    }
    if let Some(trying) = before.as_ref().filter(|before| before.canary.is_some() || before.shadow.is_some())
        && trying.offered().0 != version.digest
        && !is_previous(trying, &version)
    {
        return Err(being_tried(trying));
    }
    let (put, status) = match before {
        None => (Op::PutPlugin(first(version)), StatusCode::CREATED),
        Some(gone) if gone.status == PluginStatus::Removed => (Op::PutPlugin(first(version)), StatusCode::CREATED),
        Some(same) if same.offered().0 == version.digest || is_previous(&same, &version) => {
            // Its bytes are written anew: what was damaged is whole again.
            app.store.transact(scope, vec![component]).await?;
            return Ok(Json(view(&app, scope, same).await?).into_response());
        }
        Some(before) if before.digest == version.digest => (Op::DropCandidate { plugin: name.clone() }, StatusCode::OK),
        Some(before) if before.has_run() => {
            (Op::PutCandidate { plugin: name.clone(), candidate: version }, StatusCode::CREATED)
        }
        Some(before) => {
            let Installation { settings, secrets, position, .. } = before;
            (Op::PutPlugin(Installation { settings, secrets, position, ..first(version) }), StatusCode::CREATED)
        }
    };
    app.store.transact(scope, vec![component, put]).await?;
    Ok((status, Json(view(&app, scope, find(&app, scope, &name).await?).await?)).into_response())
}

/// A plugin that does nothing yet.
fn first(version: PluginVersion) -> Installation {
    let PluginVersion { digest, manifest, signer, uploaded_at, .. } = version;
    Installation { signer, ..Installation::uploaded(digest, manifest, uploaded_at) }
}

/// The way back, which is gone by `rollback` and not by an upload.
fn is_previous(plugin: &Installation, version: &PluginVersion) -> bool {
    plugin.previous.as_ref().is_some_and(|previous| previous.digest == version.digest)
}

/// Reading a component takes CPU, not IO.
async fn inspect(bytes: bytes::Bytes) -> Result<Inspected, Problem> {
    let inspected = tokio::task::spawn_blocking(move || Runtime::inspect(&bytes)).await;
    Ok(inspected.map_err(|panic| Problem::internal(&panic))??)
}

fn bad_manifest(message: &str) -> Problem {
    Problem::from(Refusal { code: Refusal::BAD_MANIFEST, message: message.to_owned() })
}
