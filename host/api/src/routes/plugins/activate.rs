//! A version comes into force for the one before, and the way back: both by an agreement to the difference between the two.

use axum::extract::State;
use axum::response::Response;
use openhub_engine::{ACTIVATED, ROLLED_BACK};
use openhub_model::{Fault, release};
use openhub_store::{Installation, PluginStatus};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use utoipa::ToSchema;

use super::find;
use super::versions::no_such_version;
use crate::admission::downgrade;
use crate::app::App;
use crate::auth::PluginsWrite;
use crate::body::{JsonBody, OptionalJsonBody};
use crate::change::Change;
use crate::installation::whole_grant;
use crate::openapi::{Problems, Unfit};
use crate::parameters::Path;
use crate::problem::{CONFLICT, NO_PREVIOUS, NOT_AGREED, OTHER_DIFFERENCE, Problem};
use crate::routes::plugins::{Force, Grant, put_in_force};
use crate::views::{Compared, PendingView, PluginView};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Activate)]
pub(crate) struct Activate {
    /// The `digest` of the version.
    digest: String,
    /// The `accept` of its `difference`: what you agree to.
    accept: Option<String>,
    /// As for `enable`.
    #[schema(value_type = Option<Object>)]
    settings: Option<Value>,
    /// Default: what was granted to the active version, and what the difference adds.
    grant: Option<Grant>,
}

/// Puts a version in force in place of the active one, at the present end of the log.
///
/// `accept` names the difference to the version that is active: it is in the answer of the upload, and of
/// `GET /api/v1/plugins/{name}/versions/{digest}`. 409 `not-agreed` without it, with the difference; `other-difference` if it is
/// another one's; `downgrade` if the version is older than the active one. If another version is active when the log comes to it,
/// or if this one cannot be loaded, it does nothing, and the active one goes on.
#[utoipa::path(post, path = "/api/v1/plugins/{name}/activate", tag = "plugins", request_body = Activate,
    params(("name" = String, Path, description = "The plugin's name.")),
    security(("api_key" = ["plugins:write"])),
    responses((status = 200, body = PluginView), (status = 202, body = PendingView), Problems, Unfit))]
pub(crate) async fn activate_plugin(
    State(app): State<Arc<App>>,
    change: Change<PluginsWrite>,
    Path(name): Path<String>,
    JsonBody(request): JsonBody<Activate>,
) -> Result<Response, Problem> {
    let _alone = change.alone().await?;
    let plugin = find(&app, &change.scope, &name).await?;
    let Activate { digest, accept, settings, grant } = request;
    if plugin.digest == digest && plugin.status == PluginStatus::Enabled {
        let detail = format!("Version {} of `{name}` is active already.", plugin.version);
        return Err(Problem::new(CONFLICT, detail));
    }
    let known = app.store.plugin_versions(&change.scope, &name).await?;
    let version = known.iter().find(|version| version.digest == digest).ok_or_else(no_such_version)?;
    if plugin.has_run() && release::is_older(&version.manifest.version, &plugin.version) {
        return Err(downgrade(&plugin, &version.manifest.version));
    }
    if plugin.version_of(&digest).is_none() {
        let version = &version.manifest.version;
        let detail = format!("Version {version} of `{name}` no longer waits. Upload it again.");
        return Err(Problem::new(CONFLICT, detail));
    }
    let compared = Compared::of(&plugin, version);
    agreed(&compared, accept.as_deref())?;
    let base = carried(&plugin, &version.manifest);
    let (manifest, from) = (&version.manifest, compared.from.as_deref());
    let force = Force { event: ACTIVATED, plugin: &plugin, digest: &digest, manifest, from, base };
    put_in_force(&app, &change, force, settings, grant).await
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Rollback)]
pub(crate) struct Rollback {
    /// The `accept` of the difference from the active version to the one before.
    accept: Option<String>,
}

/// Goes back to the version that was active before, at the present end of the log.
///
/// It is granted what it was granted then. 409 `not-agreed` without `accept`, with the difference; `other-difference` if `accept`
/// is another one's; `no-previous-version` if there is nothing to go back to.
#[utoipa::path(post, path = "/api/v1/plugins/{name}/rollback", tag = "plugins", request_body = Rollback,
    params(("name" = String, Path, description = "The plugin's name.")),
    security(("api_key" = ["plugins:write"])),
    responses((status = 200, body = PluginView), (status = 202, body = PendingView), Problems, Unfit))]
pub(crate) async fn roll_back_plugin(
    State(app): State<Arc<App>>,
    change: Change<PluginsWrite>,
    Path(name): Path<String>,
    OptionalJsonBody(request): OptionalJsonBody<Rollback>,
) -> Result<Response, Problem> {
    let _alone = change.alone().await?;
    let plugin = find(&app, &change.scope, &name).await?;
    let Some(previous) = &plugin.previous else {
        let detail =
            format!("No version of `{name}` was active before {}: there is nothing to go back to.", plugin.version);
        return Err(Problem::new(NO_PREVIOUS, detail));
    };
    let compared = Compared::of(&plugin, previous);
    agreed(&compared, request.accept.as_deref())?;
    let base = previous.grant.clone().unwrap_or_else(|| whole_grant(&previous.manifest));
    let (digest, manifest, from) = (previous.digest.as_str(), &previous.manifest, compared.from.as_deref());
    let force = Force { event: ROLLED_BACK, plugin: &plugin, digest, manifest, from, base };
    put_in_force(&app, &change, force, None, None).await
}

/// Whether somebody agreed to this difference and no other.
pub(super) fn agreed(compared: &Compared, accept: Option<&str>) -> Result<(), Problem> {
    if accept == Some(compared.accept.as_str()) {
        return Ok(());
    }
    let more = compared.difference.more.iter().map(|ask| Fault::new("/accept", "asks", ask.en.clone()));
    let less = compared.difference.less.iter();
    let less = less.map(|ask| Fault::new("/accept", "asks-no-more", format!("no more: {}", ask.en)));
    let faults: Vec<Fault> = more.chain(less).collect();
    let list: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
    let list = if list.is_empty() { "nothing that you have to agree to".to_owned() } else { list.join("; ") };
    let agree = format!("Agree to it with {{\"accept\": \"{}\"}}.", compared.accept);
    let (kind, detail) = match accept {
        None => (NOT_AGREED, format!("{} This changes: {list}. {agree}", compared.told())),
        Some(_) => (
            OTHER_DIFFERENCE,
            format!("`accept` names another difference. {} This changes: {list}. Look at it. {agree}", compared.told()),
        ),
    };
    Err(Problem::new(kind, detail).with_faults(faults))
}

/// What the active version was granted, and what the new one asks for beyond it: what an admin once refused stays refused.
pub(super) fn carried(plugin: &Installation, new: &openhub_model::manifest::Manifest) -> Value {
    let (old, grant) = (&plugin.manifest, &plugin.grant);
    let of = |name: &str, asked: &[String], before: &[String]| -> Vec<String> {
        let granted = grant[name].as_array().filter(|_| plugin.has_run());
        let is_granted = |item: &&String| match granted {
            Some(granted) if before.contains(item) => granted.iter().any(|one| one.as_str() == Some(item)),
            _ => true,
        };
        asked.iter().filter(is_granted).cloned().collect()
    };
    json!({
        "hosts": of("hosts", &new.hosts, &old.hosts),
        "imports": of("imports", &new.imports, &old.imports),
        "access": of("access", &new.access, &old.access),
    })
}
