//! `POST /api/v1/plugins`: a component becomes an installed plugin, which does nothing until it is enabled.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use openhub_runtime::{Inspected, Refusal, Runtime};
use openhub_store::{Installation, Op, PluginStatus};
use serde_json::json;
use std::sync::Arc;

use super::get::find;
use crate::app::{App, Catalog};
use crate::auth::{Authorized, PluginsWrite};
use crate::body::ComponentBody;
use crate::installation::{check_manifest, whole_grant};
use crate::openapi::Problems;
use crate::parameters::name_in_path;
use crate::problem::{CONFLICT, Problem};
use crate::views::PluginView;
use crate::writes::{Progress, control, tenant_now, write};

/// Installs a component, or a new version of a plugin.
///
/// A new version replaces the old one, which is disabled first if it was enabled: what a plugin may do is agreed
/// anew with each enable. Settings and secrets stay. The same component again changes nothing.
#[utoipa::path(post, path = "/api/v1/plugins", tag = "plugins",
    request_body(content = Vec<u8>, content_type = "application/wasm"),
    responses(
        (status = 201, body = PluginView), (status = 200, description = "It was installed.", body = PluginView), Problems))]
pub(crate) async fn install_plugin(
    State(app): State<Arc<App>>,
    State(catalog): State<Catalog>,
    access: Authorized<PluginsWrite>,
    ComponentBody(bytes): ComponentBody,
) -> Result<Response, Problem> {
    let Inspected { digest, manifest, .. } = inspect(bytes.clone()).await?;
    let name = name_in_path(&manifest.name)
        .map_err(|_| bad_manifest("The plugin's name is to be in kebab-case, of at most 64 characters."))?
        .to_owned();
    let faults = check_manifest(&manifest);
    if !faults.is_empty() {
        return Err(bad_manifest("The manifest has faults.").with_faults(faults));
    }
    app.runtime.prepare(&bytes).await?;
    let _changes = catalog.0.lock().await;
    let scope = &access.scope;
    let before = app.store.plugin(scope, &name).await?;
    if let Some(same) = before.as_ref().filter(|before| before.digest == digest) {
        return Ok(Json(PluginView::from(same.clone())).into_response());
    }
    if before.as_ref().is_some_and(|before| before.status == PluginStatus::Enabled) {
        let disabled = control(&app, "plugin.disabled", tenant_now(&app, scope).await?, &json!({"plugin": name}));
        if let Progress::Pending(_) = write(&app, scope, vec![Op::Append(disabled)]).await? {
            let detail = "The version that is enabled is being disabled. Install again when it is.";
            return Err(Problem::new(CONFLICT, detail).retry_after(1));
        }
    }
    let (settings, secrets) =
        before.map_or((json!({}), Default::default()), |before| (before.settings, before.secrets));
    let installation = Installation {
        grant: whole_grant(&manifest),
        settings,
        secrets,
        ..Installation::uploaded(digest.clone(), manifest, app.now())
    };
    let component = Op::PutComponent { digest, bytes: bytes.into() };
    app.store.transact(scope, vec![component, Op::PutPlugin(installation)]).await?;
    let installed = find(&app, scope, &name).await?;
    Ok((StatusCode::CREATED, Json(PluginView::from(installed))).into_response())
}

/// Reading a component takes CPU, not IO.
async fn inspect(bytes: bytes::Bytes) -> Result<Inspected, Problem> {
    let inspected = tokio::task::spawn_blocking(move || Runtime::inspect(&bytes)).await;
    Ok(inspected.map_err(|panic| Problem::internal(&panic))??)
}

fn bad_manifest(message: &str) -> Problem {
    Problem::from(Refusal { code: Refusal::BAD_MANIFEST, message: message.to_owned() })
}
