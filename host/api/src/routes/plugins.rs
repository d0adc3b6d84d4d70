//! Plugins: installed, set up, enabled, and taken away again.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use openhub_engine::enable;
use openhub_engine::uses::Fate;
use openhub_engine::{Owner, SECRET_SET};
use openhub_model::Fault;
use openhub_model::asks::{asks, difference};
use openhub_model::manifest::Manifest;
use openhub_runtime::{Inspected, Refusal, Runtime, decode_secret};
use openhub_store::{Candidate, Installation, Op, PluginStatus, Scope};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{Authorized, PluginsRead, PluginsWrite};
use crate::body::{ComponentBody, JsonBody, OptionalJsonBody};
use crate::change::Change;
use crate::installation::{check_grant, check_known_settings, check_manifest, check_settings, unused, whole_grant};
use crate::openapi::{Problems, Unfit};
use crate::parameters::{Path, name_in_path};
use crate::problem::{CONFLICT, INVALID_INSTALLATION, INVALID_SECRET, NOT_AGREED, Problem};
use crate::views::{PendingView, PluginList, PluginView};
use crate::writes::{Progress, accepted, halting, tenant};

/// All installed plugins.
#[utoipa::path(get, path = "/api/v1/plugins", tag = "plugins",
    security(("api_key" = ["plugins:read"])),
    responses((status = 200, body = PluginList), Problems))]
pub(crate) async fn list_plugins(
    State(app): State<Arc<App>>,
    access: Authorized<PluginsRead>,
) -> Result<Json<PluginList>, Problem> {
    let plugins = app.store.plugins(&access.scope).await?;
    let tenant = tenant(&app, &access.scope).await?.name;
    Ok(Json(PluginList { plugins: plugins.into_iter().map(|plugin| PluginView::of(plugin, &tenant)).collect() }))
}

/// Installs a component, or a new version of a plugin.
///
/// Nothing of it runs before it is enabled. A new version of an enabled plugin waits as its `candidate`, with what it asks
/// for beyond the version before in plain words; that one goes on as it is. Of a plugin that does not run it takes the
/// place. Settings and secrets stay. The version that runs, uploaded again, takes a candidate away.
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
    let Inspected { digest, manifest, .. } = inspect(bytes.clone()).await?;
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
    let (put, status) = match app.store.plugin(scope, &name).await? {
        None => (Op::PutPlugin(Installation::uploaded(digest, manifest, app.now())), StatusCode::CREATED),
        Some(same) if same.offered().0 == digest => {
            // Its bytes are written anew: what was damaged is whole again.
            app.store.transact(scope, vec![component]).await?;
            return Ok(Json(view(&app, scope, same).await?).into_response());
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
    Ok((status, Json(view(&app, scope, find(&app, scope, &name).await?).await?)).into_response())
}

/// Reading a component takes CPU, not IO.
async fn inspect(bytes: bytes::Bytes) -> Result<Inspected, Problem> {
    let inspected = tokio::task::spawn_blocking(move || Runtime::inspect(&bytes)).await;
    Ok(inspected.map_err(|panic| Problem::internal(&panic))??)
}

fn bad_manifest(message: &str) -> Problem {
    Problem::from(Refusal { code: Refusal::BAD_MANIFEST, message: message.to_owned() })
}

/// One installed plugin.
#[utoipa::path(get, path = "/api/v1/plugins/{name}", tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name.")),
    security(("api_key" = ["plugins:read"])),
    responses((status = 200, body = PluginView), Problems))]
pub(crate) async fn get_plugin(
    State(app): State<Arc<App>>,
    access: Authorized<PluginsRead>,
    Path(name): Path<String>,
) -> Result<Json<PluginView>, Problem> {
    let scope = &access.scope;
    Ok(Json(view(&app, scope, find(&app, scope, &name).await?).await?))
}

async fn view(app: &App, scope: &Scope, installation: Installation) -> Result<PluginView, Problem> {
    Ok(PluginView::of(installation, &tenant(app, scope).await?.name))
}

pub(super) async fn find(app: &App, scope: &Scope, name: &str) -> Result<Installation, Problem> {
    let found = app.store.plugin(scope, name_in_path(name)?).await?;
    found.ok_or_else(|| Problem::not_found("plugin"))
}

/// Removes a plugin with its settings and secrets, at the present end of the log. What it made stays.
///
/// 409 while a journey, a segment or another plugin uses it: they are named.
#[utoipa::path(delete, path = "/api/v1/plugins/{name}", tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name.")),
    security(("api_key" = ["plugins:write"])),
    responses((status = 204, description = "The plugin was removed."), (status = 202, body = PendingView), Problems))]
pub(crate) async fn remove_plugin(
    State(app): State<Arc<App>>,
    change: Change<PluginsWrite>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let _alone = change.alone().await?;
    let scope = &change.scope;
    let plugin = find(&app, scope, &name).await?;
    unused(&app, scope, &plugin.name, Fate::Goes, "removed").await?;
    let event =
        change.control("plugin.removed", change.now().await?, json!({"plugin": plugin.name, "digest": plugin.digest}));
    match halting(&app, scope, &plugin.name, event).await? {
        Progress::Done => Ok(StatusCode::NO_CONTENT.into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}

/// Each answer to its plugin is searched for it, in many forms.
const SECRET_BYTES: usize = 16 * 1024;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SecretValue)]
pub(crate) struct SecretValue {
    /// In the encoding that the manifest declares; decoded at most 16 KiB.
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
    let shape = offered.chain(&plugin.manifest.secrets).find(|shape| shape.name == secret);
    let shape = shape.ok_or_else(|| Problem::not_found("secret"))?;
    let bytes = match decode_secret(shape.encoding, &value) {
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
            let fault = Fault::new("/value", "invalid-encoding", format!("The secret {why}."));
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

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Enable)]
pub(crate) struct Enable {
    /// The `digest` of the version that you agree to: the candidate's if one waits, else the installed one's. Without it, only
    /// the settings of a running version change.
    accept: Option<String>,
    /// Typed by the manifest; a rule's parameters are under its name. What you do not name stays as it is; `null` removes a
    /// setting.
    #[schema(value_type = Option<Object>)]
    settings: Option<Value>,
    /// Default: all that the manifest asks for; for a running version, what was granted before.
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
    params(("name" = String, Path, description = "The plugin's name.")),
    security(("api_key" = ["plugins:write"])),
    responses((status = 200, body = PluginView), (status = 202, body = PendingView), Problems, Unfit))]
pub(crate) async fn enable_plugin(
    State(app): State<Arc<App>>,
    change: Change<PluginsWrite>,
    Path(name): Path<String>,
    OptionalJsonBody(request): OptionalJsonBody<Enable>,
) -> Result<Response, Problem> {
    let _alone = change.alone().await?;
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
    unused(&app, scope, &name, Fate::Becomes(manifest), "replaced by this version").await?;
    let body = json!({"plugin": plugin.name, "digest": digest, "set": set, "grant": grant});
    match change.commit("plugin.enabled", body).await? {
        Progress::Done => Ok(Json(view(&app, scope, find(&app, scope, &name).await?).await?).into_response()),
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
                "`accept` names {digest}, but the version here is {} with the digest {offered}. Look at it, and accept that one.",
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

/// Disables a plugin at the present end of the log. Its settings and what it made stay.
///
/// 409 while a published journey, a segment or another plugin uses it: they are named.
#[utoipa::path(post, path = "/api/v1/plugins/{name}/disable", tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name.")),
    security(("api_key" = ["plugins:write"])),
    responses((status = 200, body = PluginView), (status = 202, body = PendingView), Problems))]
pub(crate) async fn disable_plugin(
    State(app): State<Arc<App>>,
    change: Change<PluginsWrite>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let _alone = change.alone().await?;
    let scope = &change.scope;
    let plugin = find(&app, scope, &name).await?;
    unused(&app, scope, &plugin.name, Fate::Stops, "disabled").await?;
    let event = change.control("plugin.disabled", change.now().await?, json!({"plugin": plugin.name}));
    match halting(&app, scope, &plugin.name, event).await? {
        Progress::Done => Ok(Json(view(&app, scope, find(&app, scope, &name).await?).await?).into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}
