//! `POST /api/v1/plugins/{name}/enable`: settings and grant are agreed, and the plugin runs from here on.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use openhub_engine::enable::{self, Candidate};
use openhub_store::{Op, PluginStatus};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use utoipa::ToSchema;

use super::get::find;
use crate::app::{App, Catalog};
use crate::auth::{Authorized, PluginsWrite};
use crate::body::OptionalJsonBody;
use crate::installation::{check_grant, check_settings, whole_grant};
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::{INVALID_INSTALLATION, Problem};
use crate::views::{PendingView, PluginView};
use crate::writes::{Progress, accepted, control, tenant_now, write};

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Enable)]
pub(crate) struct Enable {
    /// Typed by the manifest; a rule's parameters under its name. Absent: as they are.
    #[schema(value_type = Option<Object>)]
    settings: Option<Value>,
    /// Absent: all that the manifest asks for.
    grant: Option<Grant>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grant {
    /// Absent: the hosts that the manifest asks for.
    hosts: Option<Vec<String>>,
    /// Absent: the imports that the manifest asks for.
    imports: Option<Vec<String>>,
}

/// Enables a plugin at the present end of the log.
#[utoipa::path(post, path = "/api/v1/plugins/{name}/enable", tag = "plugins", request_body = Enable,
    params(("name" = String, Path, description = "The plugin's name.")),
    responses((status = 200, body = PluginView), (status = 202, body = PendingView), Problems))]
pub(crate) async fn enable_plugin(
    State(app): State<Arc<App>>,
    State(catalog): State<Catalog>,
    access: Authorized<PluginsWrite>,
    Path(name): Path<String>,
    OptionalJsonBody(request): OptionalJsonBody<Enable>,
) -> Result<Response, Problem> {
    let _changes = catalog.0.lock().await;
    let scope = &access.scope;
    let mut plugin = find(&app, scope, &name).await?;
    if let Some(settings) = request.settings {
        plugin.settings = settings;
    }
    let mut faults = check_settings(&plugin);
    plugin.grant = match request.grant {
        None => whole_grant(&plugin.manifest),
        Some(Grant { hosts, imports }) => {
            let hosts = hosts.unwrap_or_else(|| plugin.manifest.hosts.clone());
            let imports = imports.unwrap_or_else(|| plugin.manifest.imports.clone());
            faults.extend(check_grant(&plugin.manifest, &hosts, &imports));
            json!({"hosts": hosts, "imports": imports})
        }
    };
    let others = app.store.plugins(scope).await?;
    let enabled = others.iter().filter(|other| other.status == PluginStatus::Enabled);
    let enabled: Vec<Candidate<'_>> = enabled.map(Candidate::from).collect();
    faults.extend(enable::check(&enabled, Candidate::from(&plugin)));
    if !faults.is_empty() {
        let detail = format!("`{name}` stays as it is.");
        return Err(Problem::new(INVALID_INSTALLATION, detail).with_faults(faults));
    }
    let body = json!({
        "plugin": plugin.name, "digest": plugin.digest, "settings": plugin.settings, "grant": plugin.grant,
    });
    let event = control(&app, "plugin.enabled", tenant_now(&app, scope).await?, &body);
    match write(&app, scope, vec![Op::Append(event)]).await? {
        Progress::Done => Ok(Json(PluginView::from(find(&app, scope, &name).await?)).into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}
