//! Whether a change of the catalog may take effect at its place in the log. It was checked at the door, by what was in force
//! then; the log may have brought something else before it.

use openhub_model::{Event, Fault};
use openhub_store::{CatalogChange, Installation, JourneyStatus, PluginStatus, Presumes, Scope, Store};

use crate::catalog::{Catalog, EntryFault, compile, granted_imports, hindrances, short};
use crate::enable::{self, Beside, Candidate};
use crate::error::EngineError;
use crate::object_types::{self, Wanted};
use crate::shared::Shared;
use crate::uses::{self, Fate};

/// Why a change does nothing; `None`: it takes effect.
pub async fn refusal(
    store: &Store,
    scope: &Scope,
    catalog: &Catalog,
    change: &CatalogChange,
) -> Result<Option<String>, EngineError> {
    match change {
        CatalogChange::Plugin { name, status: PluginStatus::Enabled, digest, from, settings, .. } => {
            let installed = store.plugins(scope).await?;
            let Some(plugin) = installed.iter().find(|plugin| plugin.name == *name) else { return Ok(not_there(name)) };
            if let Some(from) = from.as_ref().filter(|from| **from != plugin.digest) {
                return Ok(Some(other_difference(plugin, from)));
            }
            let manifest = match digest {
                None => &plugin.manifest,
                Some(digest) => match plugin.version_of(digest) {
                    Some(manifest) => manifest,
                    None => return Ok(Some(other_version(plugin, digest))),
                },
            };
            let settings = settings.as_ref().unwrap_or(&plugin.settings);
            let enabled = installed.iter().filter(|other| other.status == PluginStatus::Enabled);
            let enabled: Vec<Candidate<'_>> = enabled.map(Candidate::from).collect();
            let beside = Beside { enabled: &enabled, types: &catalog.declared };
            let faults = enable::check(beside, Candidate { manifest, settings });
            if !faults.is_empty() {
                return Ok(told(&faults));
            }
            Ok(told(&uses::users(store, scope, name, Fate::Becomes(manifest)).await?))
        }
        CatalogChange::Plugin { name, status: PluginStatus::Disabled, .. } => {
            Ok(told(&uses::users(store, scope, name, Fate::Stops).await?))
        }
        CatalogChange::Canary { name, from, canary } => {
            let Some(plugin) = store.plugin(scope, name).await? else { return Ok(not_there(name)) };
            let digest = canary.as_ref().map(|canary| canary.digest.as_str());
            Ok(untried(&plugin, from.as_deref(), digest, plugin.shadow.is_some()))
        }
        CatalogChange::Shadow { name, from, shadow } => {
            let Some(plugin) = store.plugin(scope, name).await? else { return Ok(not_there(name)) };
            let digest = shadow.as_ref().map(|shadow| shadow.digest.as_str());
            Ok(untried(&plugin, from.as_deref(), digest, plugin.canary.is_some()))
        }
        CatalogChange::Recording { name, .. } => {
            Ok(store.plugin(scope, name).await?.is_none().then(|| not_there(name)).flatten())
        }
        CatalogChange::ObjectType { name, declaration, expected, presumes, .. } => {
            let migrates = *presumes == Presumes::Nothing;
            let wanted = Wanted { name, declaration: declaration.as_deref(), expected: *expected, migrates };
            let hindrance = object_types::hindrance(store, scope, wanted).await?;
            Ok(hindrance.map(|hindrance| match told(hindrance.faults()) {
                Some(faults) => format!("{hindrance}: {faults}"),
                None => hindrance.to_string(),
            }))
        }
        CatalogChange::RemovePlugin { name, digest, .. } => {
            let Some(plugin) = store.plugin(scope, name).await? else { return Ok(None) };
            if let Some(digest) = digest.as_ref().filter(|digest| plugin.version_of(digest).is_none()) {
                return Ok(Some(other_version(&plugin, digest)));
            }
            Ok(told(&uses::users(store, scope, name, Fate::Goes).await?))
        }
        CatalogChange::Journey { name, status, version: None, .. }
            if !is_from(*status, store.journey(scope, name).await?.map(|journey| journey.status)) =>
        {
            Ok(Some(format!(
                "the journey `{name}` is no longer in a status that allows this change: look at it, and change it again if need be"
            )))
        }
        CatalogChange::Journey { name, status: JourneyStatus::Published, version, .. } => {
            let version = match version {
                Some(version) => Some(*version),
                None => store.journey(scope, name).await?.and_then(|journey| journey.version),
            };
            let Some(version) = version else {
                return Ok(Some(format!("the journey `{name}` has no published version: publish one")));
            };
            let Some(version) = store.journey_version(scope, name, version).await? else {
                return Ok(Some(format!(
                    "the journey `{name}` has no version {version}: publish the one that is meant"
                )));
            };
            Ok(compile(&version, &catalog.surroundings()).err())
        }
        CatalogChange::RemoveJourney { name } => {
            if store.journey(scope, name).await?.is_none() {
                return Ok(Some(format!("the journey `{name}` no longer exists: discard this fault")));
            }
            let waiting = store.waiting_parts(scope, name).await?.len();
            Ok((waiting > 0)
                .then(|| format!("{waiting} customers have waiting runs in the journey `{name}`: stop it first")))
        }
        _ => Ok(None),
    }
}

/// Why the version with this digest is not tried beside `from`; the end of a trial is always one.
fn untried(
    plugin: &Installation,
    from: Option<&str>,
    digest: Option<&str>,
    is_tried_otherwise: bool,
) -> Option<String> {
    let digest = digest?;
    if plugin.status != PluginStatus::Enabled {
        return Some(format!("the plugin `{}` does not run: enable it first", plugin.name));
    }
    if let Some(from) = from.filter(|from| *from != plugin.digest) {
        return Some(other_difference(plugin, from));
    }
    let Some(candidate) = plugin.candidate.as_ref().filter(|candidate| candidate.digest == digest) else {
        return Some(other_version(plugin, digest));
    };
    if is_tried_otherwise {
        return Some(format!("a version of `{}` is tried already: end its canary or its shadow first", plugin.name));
    }
    told(&hindrances(&plugin.manifest, &candidate.manifest))
}

/// Why a version that is to come into force cannot be loaded, if it is another one than the active one: that one stays.
pub(crate) async fn loads(
    shared: &Shared,
    scope: &Scope,
    change: &CatalogChange,
) -> Result<Option<String>, EngineError> {
    let (name, digest, grant) = match change {
        CatalogChange::Plugin { name, status: PluginStatus::Enabled, digest: Some(digest), grant, .. } => {
            (name, digest, grant.as_ref())
        }
        CatalogChange::Canary { name, canary: Some(canary), .. } => (name, &canary.digest, Some(&canary.grant)),
        CatalogChange::Shadow { name, shadow: Some(shadow), .. } => (name, &shadow.digest, None),
        _ => return Ok(None),
    };
    let Some(plugin) = shared.store.plugin(scope, name).await? else { return Ok(not_there(name)) };
    let Some(manifest) = plugin.version_of(digest).filter(|_| plugin.digest != *digest) else { return Ok(None) };
    let granted = granted_imports(grant.unwrap_or(&plugin.grant), manifest);
    match shared.prepared.plugin(name, digest, granted).await {
        Ok(_) => Ok(None),
        Err(error) if error.is_of_a_plugin() => {
            let (version, before) = (&manifest.version, &plugin.version);
            Ok(Some(format!("version {version} of `{name}` cannot be loaded, so {before} stays: {error}")))
        }
        Err(error) => Err(error),
    }
}

/// The statuses from which a journey comes into another one without being published anew: asked at the door, and again at the
/// change's place in the log.
pub fn statuses_before(status: JourneyStatus) -> &'static [JourneyStatus] {
    use JourneyStatus::{Draft, Draining, Paused, Published, Stopped};
    match status {
        Draft => &[],
        Published => &[Paused, Draining],
        Paused => &[Published, Draining],
        Draining => &[Published, Paused],
        Stopped => &[Published, Paused, Draining],
    }
}

fn is_from(status: JourneyStatus, from: Option<JourneyStatus>) -> bool {
    from.is_some_and(|from| statuses_before(status).contains(&from))
}

fn not_there(name: &str) -> Option<String> {
    Some(format!("the plugin `{name}` is no longer installed: install it, and enable it again"))
}

fn other_version(plugin: &Installation, digest: &str) -> String {
    let (offered, manifest) = plugin.offered();
    format!(
        "the change agrees to the component {}, but the version here is now {} ({}): agree to that one",
        short(digest),
        manifest.version,
        short(offered)
    )
}

fn other_difference(plugin: &Installation, from: &str) -> String {
    format!(
        "the agreement is to the difference to the version {}, but {} ({}) is active by now: look at the difference to that one",
        short(from),
        plugin.version,
        short(&plugin.digest)
    )
}

fn told(faults: &[Fault]) -> Option<String> {
    let messages: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
    (!messages.is_empty()).then(|| messages.join("; "))
}

/// A change that does nothing at its place.
pub(crate) fn refused(event: &Event, change: &CatalogChange, reason: String) -> EntryFault {
    let about = match change {
        CatalogChange::Plugin { name, .. }
        | CatalogChange::Canary { name, .. }
        | CatalogChange::Shadow { name, .. }
        | CatalogChange::Recording { name, .. }
        | CatalogChange::RemovePlugin { name, .. } => format!(" of {name}"),
        CatalogChange::Journey { name, .. }
        | CatalogChange::RemoveJourney { name }
        | CatalogChange::ObjectType { name, .. }
        | CatalogChange::ObjectTypeMigrates { name, .. } => format!(" of {name}"),
        _ => String::new(),
    };
    EntryFault::refused(format!("{}{about}", event.name), event.position, reason)
}
