//! A candidate serves a part of the customers before it serves all.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use openhub_engine::catalog::hindrances;
use openhub_engine::{CANARY_ENDED, CANARY_SET};
use openhub_store::{Installation, PluginStatus, PluginVersion};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use utoipa::ToSchema;

use super::activate::{agreed, carried};
use super::{find, view};
use crate::app::App;
use crate::auth::PluginsWrite;
use crate::body::JsonBody;
use crate::change::Change;
use crate::installation::check_settings;
use crate::openapi::{Problems, Unfit};
use crate::parameters::Path;
use crate::problem::{BEING_TRIED, CANNOT_BE_TRIED, CONFLICT, INVALID_BODY, INVALID_INSTALLATION, Problem};
use crate::views::{Compared, PendingView, PluginView};
use crate::writes::{Progress, accepted};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Canary)]
pub(crate) struct Canary {
    /// The `digest` of the candidate.
    digest: String,
    /// How many of a hundred customers it serves, 1 to 99. For all of them, activate it.
    #[schema(minimum = 1, maximum = 99)]
    percent: u8,
    /// The `accept` of its `difference`: what you agree to. Not needed to change `percent` while it serves already.
    accept: Option<String>,
}

/// Has the candidate serve a part of the customers from the present end of the log on, and the active version the others.
///
/// Which customers is drawn by a keyed hash: a customer is always served by the same version, and stays with it when `percent` grows.
/// It covers rules, steps and functions; all else is served by the active version. Another `percent` widens or narrows it; `DELETE` ends
/// it; to activate the candidate ends it in full. 409 `cannot-be-tried` if the candidate declares other rules, steps, functions, objects,
/// channels, sources, endpoints or jobs than the active version, or has no rules, steps or functions but channels, sources, endpoints,
/// jobs or object types; `being-tried` while a shadow runs; `not-agreed` without `accept`.
#[utoipa::path(put, path = "/api/v1/plugins/{name}/canary", tag = "plugins", request_body = Canary,
    params(("name" = String, Path, description = "The plugin's name.")),
    security(("api_key" = ["plugins:write"])),
    responses((status = 200, body = PluginView), (status = 202, body = PendingView), Problems, Unfit))]
pub(crate) async fn set_plugin_canary(
    State(app): State<Arc<App>>,
    change: Change<PluginsWrite>,
    Path(name): Path<String>,
    JsonBody(request): JsonBody<Canary>,
) -> Result<Response, Problem> {
    let Canary { digest, percent, accept } = request;
    if !(1..100).contains(&percent) {
        let detail = format!("`percent` is {percent}. Give 1 to 99; for all customers, activate the version.");
        return Err(Problem::new(INVALID_BODY, detail));
    }
    let _alone = change.alone().await?;
    let plugin = find(&app, &change.scope, &name).await?;
    let candidate = tried(&plugin, &digest, "serve a part of the customers")?;
    if plugin.shadow.is_some() {
        return Err(being_tried(&plugin));
    }
    let running = plugin.canary.as_ref().filter(|canary| canary.digest == digest);
    if running.is_none() || accept.is_some() {
        agreed(&Compared::of(&plugin, candidate), accept.as_deref())?;
    }
    let grant = running.map_or_else(|| carried(&plugin, &candidate.manifest), |canary| canary.grant.clone());
    settings_fit(&plugin, candidate)?;
    let body = json!({
        "plugin": plugin.name, "digest": digest, "percent": percent, "from": plugin.digest, "grant": grant,
    });
    answered(&app, &change, &plugin.name, CANARY_SET, body).await
}

/// Ends a canary at the present end of the log: from there on the active version serves all customers. The candidate waits again.
#[utoipa::path(delete, path = "/api/v1/plugins/{name}/canary", tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name.")),
    security(("api_key" = ["plugins:write"])),
    responses((status = 200, body = PluginView), (status = 202, body = PendingView), Problems))]
pub(crate) async fn end_plugin_canary(
    State(app): State<Arc<App>>,
    change: Change<PluginsWrite>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let _alone = change.alone().await?;
    let plugin = find(&app, &change.scope, &name).await?;
    if plugin.canary.is_none() {
        return Err(Problem::not_found("canary of this plugin"));
    }
    answered(&app, &change, &plugin.name, CANARY_ENDED, json!({"plugin": plugin.name})).await
}

/// Writes the event, and answers with the plugin as it is then.
pub(super) async fn answered(
    app: &App,
    change: &Change<PluginsWrite>,
    name: &str,
    event: &str,
    body: Value,
) -> Result<Response, Problem> {
    match change.commit(event, body).await? {
        Progress::Done => {
            let plugin = find(app, &change.scope, name).await?;
            Ok(Json(view(app, &change.scope, plugin).await?).into_response())
        }
        Progress::Pending(position) => Ok(accepted(position)),
    }
}

/// The candidate with this digest, if it can be tried beside the active version. `how` is what it is to do.
pub(super) fn tried<'a>(plugin: &'a Installation, digest: &str, how: &str) -> Result<&'a PluginVersion, Problem> {
    runs(plugin)?;
    let name = &plugin.name;
    let Some(candidate) = plugin.candidate.as_ref().filter(|candidate| candidate.digest == digest) else {
        let detail =
            format!("No version of `{name}` with this digest waits. Upload it, and name the candidate's digest.");
        return Err(Problem::new(CONFLICT, detail));
    };
    may_be_tried(candidate, how)?;
    fits_beside(plugin, candidate)?;
    Ok(candidate)
}

/// Refuses to try a version beside none.
pub(super) fn runs(plugin: &Installation) -> Result<(), Problem> {
    if plugin.status == PluginStatus::Enabled {
        return Ok(());
    }
    let name = &plugin.name;
    let detail = format!("`{name}` does not run, so there is nothing to try a version beside. Enable it first.");
    Err(Problem::new(CONFLICT, detail))
}

/// Refuses a version that declares something else than the active one.
pub(super) fn fits_beside(plugin: &Installation, version: &PluginVersion) -> Result<(), Problem> {
    let faults = hindrances(&plugin.manifest, &version.manifest);
    if faults.is_empty() {
        return Ok(());
    }
    let (name, active, version) = (&plugin.name, &plugin.version, &version.manifest.version);
    let detail = format!(
        "Version {version} of `{name}` does not declare the same as {active}, so it cannot serve or be called beside it. Activate it \
         for all customers, or upload a version that declares the same. `faults` says what is different."
    );
    Err(Problem::new(CANNOT_BE_TRIED, detail).with_faults(faults))
}

/// Refuses a version of which nothing can be tried: what it does has effects outside of the hub, or is asked by others than customers.
fn may_be_tried(version: &PluginVersion, how: &str) -> Result<(), Problem> {
    let manifest = &version.manifest;
    let is_asked = !manifest.rules.is_empty() || !manifest.steps.is_empty() || !manifest.functions.is_empty();
    let acts = [
        (!manifest.channels.is_empty(), "channels send messages, and what is sent cannot be taken back"),
        (!manifest.sources.is_empty(), "sources answer systems outside of the hub, each of which expects one answer"),
        (!manifest.endpoints.is_empty(), "endpoints answer whoever calls them, for any customer"),
        (!manifest.jobs.is_empty(), "jobs run once for all customers"),
        (!manifest.objects.is_empty(), "an object is checked by one version, whoever it belongs to"),
    ];
    let reasons: Vec<&str> = acts.iter().filter(|(has, _)| *has).map(|(_, why)| *why).collect();
    if is_asked || reasons.is_empty() {
        return Ok(());
    }
    let (name, version) = (&manifest.name, &manifest.version);
    let detail = format!(
        "Version {version} of `{name}` cannot {how}: {}. Only rules, steps and functions can be tried. Install it in a tenant for tests, or \
         activate it: `openhub plugin rollback {name}` goes back.",
        reasons.join("; ")
    );
    Err(Problem::new(CANNOT_BE_TRIED, detail))
}

/// Refuses a version that cannot run with the present settings.
pub(super) fn settings_fit(plugin: &Installation, version: &PluginVersion) -> Result<(), Problem> {
    let faults = check_settings(&version.manifest, &plugin.settings, &plugin.secrets);
    if faults.is_empty() {
        return Ok(());
    }
    let (name, version) = (&plugin.name, &version.manifest.version);
    let detail = format!("Version {version} of `{name}` cannot run with the present settings. `faults` says why.");
    Err(Problem::new(INVALID_INSTALLATION, detail).with_faults(faults))
}

/// Nothing else is done with a version while it is tried.
pub(crate) fn being_tried(plugin: &Installation) -> Problem {
    let name = &plugin.name;
    let detail = match (&plugin.canary, &plugin.shadow) {
        (Some(_), _) => format!(
            "The version of `{name}` that waits serves customers. End its canary first: `openhub plugin canary {name} --end`."
        ),
        _ => format!(
            "The version of `{name}` that waits is called as a shadow. Stop that first: `openhub plugin shadow {name} stop`."
        ),
    };
    Problem::new(BEING_TRIED, detail)
}
