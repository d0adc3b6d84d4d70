//! `POST /api/v1/plugins`: a component becomes an installed plugin, which does nothing until it is enabled.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use openhub_engine::uses::Fate;
use openhub_runtime::{Inspected, Refusal, Runtime};
use openhub_store::{Candidate, Installation, Op, PluginStatus};
use std::sync::Arc;

use super::get::find;
use crate::app::App;
use crate::auth::PluginsWrite;
use crate::body::ComponentBody;
use crate::change::Change;
use crate::installation::{check_manifest, unused};
use crate::openapi::Problems;
use crate::parameters::name_in_path;
use crate::problem::Problem;
use crate::views::PluginView;

/// Installs a component, or a new version of a plugin.
///
/// Nothing of it runs before it is enabled. A new version of an enabled plugin waits as its `candidate`, with what it asks
/// for beyond the version before in plain words; that one goes on as it is. Of a plugin that does not run it takes the
/// place. Settings and secrets stay. The version that runs, uploaded again, takes a candidate away.
#[utoipa::path(post, path = "/api/v1/plugins", tag = "plugins",
    request_body(content = Vec<u8>, content_type = "application/wasm"),
    responses(
        (status = 201, body = PluginView), (status = 200, description = "It was installed.", body = PluginView), Problems))]
pub(crate) async fn install_plugin(
    State(app): State<Arc<App>>,
    change: Change<PluginsWrite>,
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
    let _alone = change.alone().await;
    let scope = &change.scope;
    let component = Op::PutComponent { digest: digest.clone(), bytes: bytes.into() };
    let (put, status) = match app.store.plugin(scope, &name).await? {
        None => (Op::PutPlugin(Installation::uploaded(digest, manifest, app.now())), StatusCode::CREATED),
        Some(same) if same.offered().0 == digest => {
            // Its bytes are written anew: what was damaged is whole again.
            app.store.transact(scope, vec![component]).await?;
            return Ok(Json(PluginView::from(same)).into_response());
        }
        Some(before) if before.digest == digest => (Op::DropCandidate { plugin: name.clone() }, StatusCode::OK),
        Some(before) if before.status == PluginStatus::Enabled => {
            let candidate = Candidate { digest, manifest, uploaded_at: app.now() };
            (Op::PutCandidate { plugin: name.clone(), candidate }, StatusCode::CREATED)
        }
        Some(before) => {
            unused(&app, scope, &name, Fate::Becomes(&manifest), "replaced").await?;
            let Installation { settings, secrets, position, .. } = before;
            let new =
                Installation { settings, secrets, position, ..Installation::uploaded(digest, manifest, app.now()) };
            (Op::PutPlugin(new), StatusCode::CREATED)
        }
    };
    app.store.transact(scope, vec![component, put]).await?;
    Ok((status, Json(PluginView::from(find(&app, scope, &name).await?))).into_response())
}

/// Reading a component takes CPU, not IO.
async fn inspect(bytes: bytes::Bytes) -> Result<Inspected, Problem> {
    let inspected = tokio::task::spawn_blocking(move || Runtime::inspect(&bytes)).await;
    Ok(inspected.map_err(|panic| Problem::internal(&panic))??)
}

fn bad_manifest(message: &str) -> Problem {
    Problem::from(Refusal { code: Refusal::BAD_MANIFEST, message: message.to_owned() })
}
