//! A plugin is enabled, or its settings change.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use openhub_engine::uses::Fate;
use openhub_engine::{ENABLED, enable};
use openhub_model::Fault;
use openhub_model::asks::{asks, difference};
use openhub_model::manifest::Manifest;
use openhub_store::{Installation, PluginStatus};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use utoipa::ToSchema;

use super::activate::carried;
use super::versions::objects;
use super::{find, view};
use crate::app::App;
use crate::auth::PluginsWrite;
use crate::body::OptionalJsonBody;
use crate::change::Change;
use crate::conditional;
use crate::installation::{check_grant, check_known_settings, check_settings, unused};
use crate::openapi::{Changed, Problems, Unfit};
use crate::parameters::Path;
use crate::problem::{INVALID_INSTALLATION, NARROWS, NOT_AGREED, OTHER_VERSION, Problem};
use crate::views::{PendingView, PluginView};
use crate::writes::{Progress, accepted};

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Enable)]
pub(crate) struct Enable {
    /// The `digest` of the version that you agree to: the candidate's if one waits, else the installed one's. Without it, only
    /// the settings of the running version change, whether another one waits or not.
    accept: Option<String>,
    /// Typed by the manifest; a rule's parameters are under its name. What you do not name stays as it is; `null` removes a
    /// setting.
    #[schema(value_type = Option<Object>)]
    settings: Option<Value>,
    /// Default: all that the manifest asks for, without what was refused when it ran before.
    grant: Option<Grant>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grant {
    /// The `digest` that you agree to, in place of `accept`.
    digest: Option<String>,
    /// Default: the hosts that the manifest asks for.
    hosts: Option<Vec<String>>,
    /// Default: the imports that the manifest asks for.
    imports: Option<Vec<String>>,
    /// Default: the access to customers and objects that the manifest asks for.
    access: Option<Vec<String>>,
}

/// Enables a plugin at the present end of the log: a candidate takes the place of the version before there.
///
/// What it may do is agreed to by naming the version's digest in `accept`. An enable without it is refused with what the
/// version asks for in plain words. If another version is there when the log comes to it, it does nothing.
#[utoipa::path(post, path = "/api/v1/plugins/{name}/enable", tag = "plugins", request_body = Enable,
    params(("name" = String, Path, description = "The plugin's name."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the plugin that you have read.")),
    security(("api_key" = ["plugins:write"])),
    responses((status = 200, body = PluginView), (status = 202, body = PendingView), Problems, Changed, Unfit))]
pub(crate) async fn enable_plugin(
    State(app): State<Arc<App>>,
    change: Change<PluginsWrite>,
    Path(name): Path<String>,
    headers: HeaderMap,
    OptionalJsonBody(request): OptionalJsonBody<Enable>,
) -> Result<Response, Problem> {
    let _alone = change.alone().await?;
    let scope = &change.scope;
    let plugin = find(&app, scope, &name).await?;
    if headers.contains_key(header::IF_MATCH) {
        let read = view(&app, scope, find(&app, scope, &name).await?).await?;
        conditional::holds(&headers, "/api/v1/plugins/{name}", &read)?;
    }
    let accept = request.accept.as_deref().or(request.grant.as_ref().and_then(|grant| grant.digest.as_deref()));
    let (digest, manifest) = agreed(&plugin, accept, &request)?;
    let base = carried(&plugin, manifest);
    let force = Force { event: ENABLED, plugin: &plugin, digest, manifest, from: None, base };
    put_in_force(&app, &change, force, request.settings, request.grant).await
}

/// A version that is agreed to, on its way into force.
pub(super) struct Force<'a> {
    /// The name of its control event.
    pub event: &'static str,
    pub plugin: &'a Installation,
    pub digest: &'a str,
    pub manifest: &'a Manifest,
    /// The version that it was compared with, if that matters.
    pub from: Option<&'a str>,
    /// What is granted where the admin does not say it.
    pub base: Value,
}

/// Checks a version with its settings and its grant beside all others, and writes the event at which it comes into force.
pub(super) async fn put_in_force(
    app: &App,
    change: &Change<PluginsWrite>,
    force: Force<'_>,
    settings: Option<Value>,
    grant: Option<Grant>,
) -> Result<Response, Problem> {
    let Force { event, plugin, digest, manifest, from, base } = force;
    let (scope, name) = (&change.scope, &plugin.name);
    let set = settings.unwrap_or_else(|| json!({}));
    let settings = openhub_engine::settings::merge(&plugin.settings, &set);
    let mut faults = check_settings(manifest, &settings, &plugin.secrets);
    faults.extend(check_known_settings(manifest, &set));
    if let Some(candidate) = plugin.candidate.as_ref().filter(|_| plugin.canary.is_some() && digest == plugin.digest) {
        // Both run with them.
        let theirs = check_settings(&candidate.manifest, &settings, &plugin.secrets);
        faults.extend(theirs.into_iter().filter(|fault| !faults.contains(fault)).collect::<Vec<_>>());
    }
    let grant = match grant {
        None => base,
        Some(Grant { hosts, imports, access, .. }) => {
            let hosts = hosts.unwrap_or_else(|| manifest.hosts.clone());
            let imports = imports.unwrap_or_else(|| manifest.imports.clone());
            let access = access.unwrap_or_else(|| manifest.access.clone());
            faults.extend(check_grant(manifest, &hosts, &imports, &access));
            json!({"hosts": hosts, "imports": imports, "access": access})
        }
    };
    let others = app.store.plugins(scope).await?;
    let enabled = others.iter().filter(|other| other.status == PluginStatus::Enabled);
    let enabled: Vec<enable::Candidate<'_>> = enabled.map(enable::Candidate::from).collect();
    let types = app.store.object_types(scope).await?;
    let beside = enable::Beside { enabled: &enabled, types: &types };
    faults.extend(enable::check(beside, enable::Candidate { manifest, settings: &settings }));
    if !faults.is_empty() {
        let detail = format!("`{name}` was not changed. `faults` says what to correct.");
        return Err(Problem::new(INVALID_INSTALLATION, detail).with_faults(faults));
    }
    unused(app, scope, name, Fate::Becomes(manifest), "replaced by this version").await?;
    let unfit: Vec<Fault> = objects(app, scope, plugin, digest).await?.into_iter().flat_map(|of| of.faults).collect();
    if !unfit.is_empty() {
        let detail = format!("Objects of `{name}` do not fit version {}. Nothing was changed.", manifest.version);
        return Err(Problem::new(NARROWS, detail).with_faults(unfit));
    }
    let mut body = json!({"plugin": name, "digest": digest, "set": set, "grant": grant});
    if let Some(from) = from {
        body["from"] = json!(from);
    }
    match change.commit(event, body).await? {
        Progress::Done => Ok(Json(view(app, scope, find(app, scope, name).await?).await?).into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}

/// The version that is agreed to. One that runs already needs no new agreement for other settings.
fn agreed<'a>(
    plugin: &'a Installation,
    accept: Option<&str>,
    request: &Enable,
) -> Result<(&'a str, &'a Manifest), Problem> {
    let sets_only = request.grant.is_none() && (request.settings.is_some() || plugin.candidate.is_none());
    let (offered, manifest) = plugin.offered();
    match accept {
        Some(digest) if digest == offered => Ok((offered, manifest)),
        Some(digest) if digest == plugin.digest => Ok((&plugin.digest, &plugin.manifest)),
        Some(digest) => {
            let detail = format!(
                "`accept` names {digest}, but the version here is {} with the digest {offered}. Look at it, and accept that one.",
                manifest.version
            );
            Err(Problem::new(OTHER_VERSION, detail))
        }
        None if plugin.status == PluginStatus::Enabled && sets_only => Ok((&plugin.digest, &plugin.manifest)),
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
