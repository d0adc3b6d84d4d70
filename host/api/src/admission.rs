//! Whether an uploaded version may stand beside what is known of its plugin: its name, its publisher, its number.

use openhub_model::{Fault, release};
use openhub_store::{Installation, PluginVersion, Scope};

use crate::app::App;
use crate::problem::{DOWNGRADE, Kind, NAME_TAKEN, OTHER_PUBLISHER_KEY, Problem, UNSIGNED, VERSION_REUSED};

/// Refuses a version that pretends to be of a plugin, or that goes back.
pub(crate) async fn admit(
    app: &App,
    scope: &Scope,
    before: &Installation,
    version: &PluginVersion,
) -> Result<(), Problem> {
    let (name, number) = (&before.name, &version.manifest.version);
    if before.version_of(&version.digest).is_some() {
        return Ok(());
    }
    of_publisher(before, version)?;
    let known = app.store.plugin_versions(scope, name).await?;
    let other = |known: &&PluginVersion| known.manifest.version == *number && known.digest != version.digest;
    if let Some(other) = known.iter().find(other) {
        let message = format!(
            "Version {number} of `{name}` is here already with other contents ({}). Raise `version` in plugin.toml, build it, and \
             upload that.",
            short(&other.digest)
        );
        return Err(refused(VERSION_REUSED, "/version", message));
    }
    if before.has_run() && release::is_older(number, &before.version) {
        return Err(downgrade(before, number));
    }
    Ok(())
}

/// A name belongs to whoever came first with it: another publisher's plugin would get its settings, secrets and data.
fn of_publisher(before: &Installation, version: &PluginVersion) -> Result<(), Problem> {
    let name = &before.name;
    let (old, new) = (&before.manifest.publisher, &version.manifest.publisher);
    match (&before.publisher_key, &version.signer) {
        (Some(pinned), Some(signer)) if pinned != signer => Err(refused(
            OTHER_PUBLISHER_KEY,
            "/publisher",
            format!(
                "`{name}` belongs to the publisher with the key {}, but this component is signed with the key {}. Install it under \
                 another name, or remove the other plugin and its data first.",
                short(pinned),
                short(signer)
            ),
        )),
        (Some(pinned), None) => Err(refused(
            UNSIGNED,
            "/publisher",
            format!(
                "The versions of `{name}` are signed with the key {}, but this component is not signed. Sign it with \
                 `openhub plugin sign`, and upload it again.",
                short(pinned)
            ),
        )),
        // The same key is the same publisher, whatever it calls itself.
        (Some(_), Some(_)) => Ok(()),
        (None, _) if old != new => Err(refused(
            NAME_TAKEN,
            "/name",
            format!(
                "A plugin `{name}` by `{old}` is installed, but this one is by `{new}`. Give it another name in plugin.toml, or remove \
                 the other one first."
            ),
        )),
        (None, _) => Ok(()),
    }
}

/// There is one way back, to the version before.
pub(crate) fn downgrade(plugin: &Installation, version: &str) -> Problem {
    let (name, active) = (&plugin.name, &plugin.version);
    let back = match &plugin.previous {
        Some(previous) => format!("To go back to {}, use `openhub plugin rollback {name}`.", previous.manifest.version),
        None => "Give it a higher version in plugin.toml, build it, and upload that.".to_owned(),
    };
    let message = format!("Version {version} of `{name}` is older than {active}, which is active. {back}");
    refused(DOWNGRADE, "/version", message)
}

/// The pointer is into the manifest.
fn refused(kind: Kind, pointer: &str, message: String) -> Problem {
    Problem::fault(kind, Fault::new(pointer, kind.1, message))
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
