//! `POST /api/v1/plugins/{name}/enable`: a version is agreed to with its settings and grant, and runs from here on.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use openhub_engine::enable::{self, Candidate};
use openhub_engine::uses::Fate;
use openhub_model::Fault;
use openhub_model::asks::{asks, difference};
use openhub_model::manifest::Manifest;
use openhub_store::{Installation, PluginStatus};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use utoipa::ToSchema;

use super::get::find;
use crate::app::App;
use crate::auth::PluginsWrite;
use crate::body::OptionalJsonBody;
use crate::change::Change;
use crate::installation::{check_grant, check_known_settings, check_settings, unused, whole_grant};
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::{CONFLICT, INVALID_INSTALLATION, NOT_AGREED, Problem};
use crate::views::{PendingView, PluginView};
use crate::writes::{Progress, accepted};

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Enable)]
pub(crate) struct Enable {
    /// The `digest` of the version that is agreed to: of the candidate if one waits, else of the installed one. Without it
    /// only the settings of a version that runs already are changed.
    accept: Option<String>,
    /// Typed by the manifest; a rule's parameters under its name. What is not named stays as it is; `null` takes a setting
    /// away.
    #[schema(value_type = Option<Object>)]
    settings: Option<Value>,
    /// Absent: all that the manifest asks for; of a version that runs already, what was granted.
    grant: Option<Grant>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grant {
    /// In place of `accept`.
    digest: Option<String>,
    /// Absent: the hosts that the manifest asks for.
    hosts: Option<Vec<String>>,
    /// Absent: the imports that the manifest asks for.
    imports: Option<Vec<String>>,
}

/// Enables a plugin at the present end of the log: a candidate takes the place of the version before there.
///
/// What it may do is agreed to by naming the version's digest in `accept`. An enable without it is refused with what the
/// version asks for in plain words. If another version is there when the log comes to it, it does nothing.
#[utoipa::path(post, path = "/api/v1/plugins/{name}/enable", tag = "plugins", request_body = Enable,
    params(("name" = String, Path, description = "The plugin's name.")),
    responses((status = 200, body = PluginView), (status = 202, body = PendingView), Problems))]
pub(crate) async fn enable_plugin(
    State(app): State<Arc<App>>,
    change: Change<PluginsWrite>,
    Path(name): Path<String>,
    OptionalJsonBody(request): OptionalJsonBody<Enable>,
) -> Result<Response, Problem> {
    let _alone = change.alone().await;
    let scope = &change.scope;
    let plugin = find(&app, scope, &name).await?;
    let accept = request.accept.as_deref().or(request.grant.as_ref().and_then(|grant| grant.digest.as_deref()));
    let (digest, manifest) = agreed(&plugin, accept, request.grant.is_some())?;
    let set = request.settings.unwrap_or_else(|| json!({}));
    let settings = openhub_engine::settings::merge(&plugin.settings, &set);
    let mut faults = check_settings(manifest, &settings, &plugin.secrets);
    faults.extend(check_known_settings(manifest, &set));
    let grant = match request.grant {
        None if accept.is_none() => plugin.grant.clone(),
        None => whole_grant(manifest),
        Some(Grant { hosts, imports, .. }) => {
            let hosts = hosts.unwrap_or_else(|| manifest.hosts.clone());
            let imports = imports.unwrap_or_else(|| manifest.imports.clone());
            faults.extend(check_grant(manifest, &hosts, &imports));
            json!({"hosts": hosts, "imports": imports})
        }
    };
    let others = app.store.plugins(scope).await?;
    let enabled = others.iter().filter(|other| other.status == PluginStatus::Enabled);
    let enabled: Vec<Candidate<'_>> = enabled.map(Candidate::from).collect();
    faults.extend(enable::check(&enabled, Candidate { manifest, settings: &settings }));
    if !faults.is_empty() {
        let detail = format!("`{name}` stays as it is.");
        return Err(Problem::new(INVALID_INSTALLATION, detail).with_faults(faults));
    }
    unused(&app, scope, &name, Fate::Becomes(manifest), "replaced by this version").await?;
    let body = json!({"plugin": plugin.name, "digest": digest, "set": set, "grant": grant});
    match change.commit("plugin.enabled", body).await? {
        Progress::Done => Ok(Json(PluginView::from(find(&app, scope, &name).await?)).into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}

/// The version that is agreed to. One that runs already needs no new agreement for other settings.
fn agreed<'a>(
    plugin: &'a Installation,
    accept: Option<&str>,
    grants: bool,
) -> Result<(&'a str, &'a Manifest), Problem> {
    let (offered, manifest) = plugin.offered();
    match accept {
        Some(digest) if digest == offered => Ok((offered, manifest)),
        Some(digest) if digest == plugin.digest => Ok((&plugin.digest, &plugin.manifest)),
        Some(digest) => {
            let detail = format!(
                "`accept` names {digest}, and the version that is here is {} with the digest {offered}: look at it, and agree \
                 to that one.",
                manifest.version
            );
            Err(Problem::new(CONFLICT, detail))
        }
        None if plugin.status == PluginStatus::Enabled && !grants && plugin.candidate.is_none() => {
            Ok((&plugin.digest, &plugin.manifest))
        }
        None => Err(not_agreed(plugin)),
    }
}

fn not_agreed(plugin: &Installation) -> Problem {
    let (digest, manifest) = plugin.offered();
    let (asked, than) = match &plugin.candidate {
        Some(candidate) => {
            let (more, _) = difference(&plugin.manifest, &candidate.manifest);
            (more, format!(" beyond version {}", plugin.version))
        }
        None => (asks(manifest), String::new()),
    };
    let list = if asked.is_empty() { "nothing".to_owned() } else { asked.join("; ") };
    let detail = format!(
        "`{}` {} asks for this{than}: {list}. Agree to it with {{\"accept\": \"{digest}\"}}.",
        plugin.name, manifest.version
    );
    let faults = asked.into_iter().map(|line| Fault::new("/accept", "asks", line)).collect();
    Problem::new(NOT_AGREED, detail).with_faults(faults)
}
