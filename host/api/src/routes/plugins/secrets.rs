//! The secrets of plugins.

use axum::extract::State;
use axum::http::StatusCode;
use openhub_engine::{Owner, SECRET_SET};
use openhub_model::Fault;
use openhub_model::manifest::SecretShape;
use openhub_runtime::read_secret;
use openhub_store::Op;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use utoipa::ToSchema;

use super::find;
use crate::app::App;
use crate::auth::PluginsWrite;
use crate::body::JsonBody;
use crate::change::Change;
use crate::openapi::{Problems, Unfit};
use crate::parameters::Path;
use crate::problem::{INVALID_SECRET, Problem};

/// Each answer to its plugin is searched for it, in many forms.
const SECRET_BYTES: usize = 16 * 1024;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SecretValue)]
pub(crate) struct SecretValue {
    /// In the encoding that the manifest declares; decoded at most 16 KiB. A key to sign or verify with must be one of its algorithm.
    value: String,
}

/// Sets a secret of a plugin. It is never shown again, and never enters the plugin's memory.
///
/// An enabled plugin is called with it from its place in the log on.
#[utoipa::path(put, path = "/api/v1/plugins/{name}/secrets/{secret}", tag = "plugins", request_body = SecretValue,
    params(("name" = String, Path, description = "The plugin's name."), ("secret" = String, Path, description = "The secret's name.")),
    security(("api_key" = ["plugins:write"])),
    responses((status = 204, description = "The secret was set."), Problems, Unfit))]
pub(crate) async fn set_plugin_secret(
    State(app): State<Arc<App>>,
    change: Change<PluginsWrite>,
    Path((name, secret)): Path<(String, String)>,
    JsonBody(SecretValue { value }): JsonBody<SecretValue>,
) -> Result<StatusCode, Problem> {
    let _alone = change.alone().await?;
    let plugin = find(&app, &change.scope, &name).await?;
    // A version that waits may ask for secrets that the one before does not have.
    let offered = plugin.offered().1.secrets.iter();
    let offered = offered.chain(&plugin.manifest.secrets);
    // What an answer gives, no admin sets.
    let shapes: Vec<&SecretShape> = offered.filter(|shape| shape.capture.is_none()).collect();
    let shape = shapes.iter().find(|shape| shape.name == secret).copied();
    let shape = shape.ok_or_else(|| {
        let names: BTreeSet<&String> = shapes.iter().map(|shape| &shape.name).collect();
        Problem::not_among(&format!("secret of `{}`", plugin.name), &secret, names)
    })?;
    let bytes = match read_secret(shape, &value) {
        Ok(bytes) if bytes.len() > SECRET_BYTES => {
            let message = format!("The secret is longer than {SECRET_BYTES} bytes.");
            return Err(Problem::fault(INVALID_SECRET, Fault::new("/value", "too-long", message)));
        }
        Ok(bytes) if !bytes.is_empty() => bytes,
        Ok(_) => {
            return Err(Problem::fault(
                INVALID_SECRET,
                Fault::new("/value", "empty", "The secret is empty: send a value."),
            ));
        }
        Err(why) => {
            let fault = Fault::new("/value", why.code(), format!("The secret {why}."));
            return Err(Problem::fault(INVALID_SECRET, fault));
        }
    };
    let owner = Owner { tenant: change.scope.tenant(), plugin: &plugin.name, name: &secret };
    let sealed = app.sealer.seal(owner, &bytes);
    let body = json!({"plugin": plugin.name, "secret": secret});
    let put = Op::PutPluginSecret { plugin: plugin.name, name: secret, sealed };
    // It is stored; an engine that is behind comes to it.
    let _seen = change.commit_with(vec![put], SECRET_SET, body).await?;
    Ok(StatusCode::NO_CONTENT)
}
