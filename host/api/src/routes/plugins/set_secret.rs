//! `PUT /api/v1/plugins/{name}/secrets/{secret}`: write-only; sealed before it is stored.

use axum::extract::State;
use axum::http::StatusCode;
use openhub_model::Fault;
use openhub_runtime::decode_secret;
use openhub_store::Op;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

use super::get::find;
use crate::app::{App, Catalog};
use crate::auth::{Authorized, PluginsWrite};
use crate::body::JsonBody;
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::{INVALID_SECRET, Problem};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SecretValue)]
pub(crate) struct SecretValue {
    /// In the encoding that the manifest declares.
    value: String,
}

/// Sets a secret of a plugin. It is never shown again, and never enters the plugin's memory.
///
/// An enabled plugin goes on with the old value until it is enabled again.
#[utoipa::path(put, path = "/api/v1/plugins/{name}/secrets/{secret}", tag = "plugins", request_body = SecretValue,
    params(("name" = String, Path, description = "The plugin's name."), ("secret" = String, Path, description = "The secret's name.")),
    responses((status = 204, description = "It is set."), Problems))]
pub(crate) async fn set_plugin_secret(
    State(app): State<Arc<App>>,
    State(catalog): State<Catalog>,
    access: Authorized<PluginsWrite>,
    Path((name, secret)): Path<(String, String)>,
    JsonBody(SecretValue { value }): JsonBody<SecretValue>,
) -> Result<StatusCode, Problem> {
    let _changes = catalog.0.lock().await;
    let plugin = find(&app, &access.scope, &name).await?;
    let shape = plugin.manifest.secrets.iter().find(|shape| shape.name == secret);
    let shape = shape.ok_or_else(|| Problem::not_found("secret"))?;
    let Some(bytes) = decode_secret(shape.encoding, &value).ok().filter(|bytes| !bytes.is_empty()) else {
        let fault =
            Fault::new("/value", "invalid-encoding", "The text is not in the encoding that the manifest declares.");
        return Err(Problem::fault(INVALID_SECRET, fault));
    };
    let sealed = app.sealer.seal(&bytes);
    let op = Op::PutPluginSecret { plugin: plugin.name, name: secret, sealed };
    app.store.transact(&access.scope, vec![op]).await?;
    Ok(StatusCode::NO_CONTENT)
}
