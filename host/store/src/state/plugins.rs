//! Installed plugins, their settings, grants and sealed secrets, and the components they run.

use openhub_model::manifest::Manifest;
use openhub_model::{TenantId, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;

use crate::changes::CatalogChange;
use crate::database::bulk::json_text;
use crate::database::connection::{execute, fetch_all, select};
use crate::database::decode::{corrupt, json};
use crate::database::transaction::Tx;
use crate::error::{ObjectKey, StoreError};
use crate::scope::Scope;
use crate::state::blocks::is_held;
use crate::state::jobs::unplan;
use crate::state::plugin_recordings::RecordingOrder;
use crate::state::plugin_trials::{Canary, Shadow};
use crate::state::plugin_versions::{PluginVersion, VersionRow, note_grant, put_version, version};
use crate::store::Store;

/// The number is what the database stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(i64)]
pub enum PluginStatus {
    Installed = 0,
    Enabled = 1,
    Disabled = 2,
    /// It is gone, but for its versions, its publisher's key and what it kept. Only [`Store::removed_plugin`] shows it.
    Removed = 3,
}

impl PluginStatus {
    pub const fn code(self) -> i64 {
        self as i64
    }

    pub fn from_code(code: i64) -> Option<PluginStatus> {
        use PluginStatus::*;
        [Installed, Enabled, Disabled, Removed].into_iter().find(|status| status.code() == code)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Installation {
    pub name: String,
    /// Lowercase hex SHA-256 of the component of the version that is active, or that was uploaded and never ran.
    pub digest: String,
    pub version: String,
    pub manifest: Manifest,
    pub status: PluginStatus,
    /// A JSON object.
    pub settings: Value,
    pub grant: Value,
    /// Sealed, by name.
    pub secrets: BTreeMap<String, String>,
    /// When the active version was uploaded.
    pub installed_at: Timestamp,
    /// Who signed the active version: a public key.
    pub signer: Option<String>,
    /// Who has to sign each version from now on: the key of the first that was signed.
    pub publisher_key: Option<String>,
    /// Where in the log it was last enabled or disabled; 0 if never.
    pub position: i64,
    /// A version that waits to be agreed to: the active one goes on as it is.
    pub candidate: Option<PluginVersion>,
    /// The version that was active before: the way back.
    pub previous: Option<PluginVersion>,
    /// The candidate serves a part of the customers.
    pub canary: Option<Canary>,
    /// The candidate is called beside the active version, and changes nothing.
    pub shadow: Option<Shadow>,
    /// Which of its calls are recorded.
    pub recording: Option<RecordingOrder>,
    /// A block on service holds it: whatever its status, it is not called.
    pub held: bool,
}

impl Installation {
    /// A plugin that was never here before, as it is uploaded: it does nothing, and nothing is granted to it.
    pub fn uploaded(digest: String, manifest: Manifest, at: Timestamp) -> Installation {
        Installation {
            name: manifest.name.clone(),
            digest,
            version: manifest.version.clone(),
            manifest,
            status: PluginStatus::Installed,
            settings: Value::Object(Default::default()),
            grant: Value::Object(Default::default()),
            secrets: BTreeMap::new(),
            installed_at: at,
            signer: None,
            publisher_key: None,
            position: 0,
            candidate: None,
            previous: None,
            canary: None,
            shadow: None,
            recording: None,
            held: false,
        }
    }

    /// The manifest of the version with this digest: the active one, the candidate, or the one before.
    pub fn version_of(&self, digest: &str) -> Option<&Manifest> {
        let others = self.candidate.iter().chain(&self.previous);
        let other = others.filter(|version| version.digest == digest).map(|version| &version.manifest).next();
        (self.digest == digest).then_some(&self.manifest).or(other)
    }

    /// The version that an enable takes: the candidate if one waits, else the active one.
    pub fn offered(&self) -> (&str, &Manifest) {
        match &self.candidate {
            Some(candidate) => (&candidate.digest, &candidate.manifest),
            None => (&self.digest, &self.manifest),
        }
    }

    /// Whether a version of it is, or was, in force.
    pub fn has_run(&self) -> bool {
        matches!(self.status, PluginStatus::Enabled | PluginStatus::Disabled)
    }
}

/// A row that this version cannot read, and why. It is left out, and whoever asked is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    pub name: String,
    pub version: Option<i64>,
    pub fault: String,
}

impl Unreadable {
    pub(crate) fn of(name: &str, version: Option<i64>, error: StoreError) -> Unreadable {
        Unreadable { name: name.to_owned(), version, fault: error.to_string() }
    }
}

/// What can be read of rows, and what cannot.
pub(crate) fn readable<T>(rows: impl Iterator<Item = Result<T, Unreadable>>) -> (Vec<T>, Vec<Unreadable>) {
    let (mut read, mut unreadable) = (Vec::new(), Vec::new());
    for row in rows {
        match row {
            Ok(row) => read.push(row),
            Err(fault) => unreadable.push(fault),
        }
    }
    (read, unreadable)
}

#[derive(sqlx::FromRow)]
struct Row {
    name: String,
    digest: String,
    status: i64,
    settings: String,
    granted: String,
    position: i64,
    candidate: Option<String>,
    previous: Option<String>,
    publisher_key: Option<String>,
    canary: Option<String>,
    shadow: Option<String>,
    recording: Option<String>,
    held: i64,
}

/// Rows of versions, by plugin and digest.
type Versions = BTreeMap<(String, String), VersionRow>;

impl Store {
    /// The plugins that can be read, by name.
    pub async fn plugins(&self, scope: &Scope) -> Result<Vec<Installation>, StoreError> {
        Ok(self.readable_plugins(scope).await?.0)
    }

    /// The plugins by name, and those whose rows cannot be read.
    pub async fn readable_plugins(&self, scope: &Scope) -> Result<(Vec<Installation>, Vec<Unreadable>), StoreError> {
        let (mut plugins, unreadable) = self.all_plugins(scope).await?;
        plugins.retain(|plugin| plugin.status != PluginStatus::Removed);
        Ok((plugins, unreadable))
    }

    /// A plugin that was removed, and left something behind.
    pub async fn removed_plugin(&self, scope: &Scope, name: &str) -> Result<Option<Installation>, StoreError> {
        let (plugins, _) = self.all_plugins(scope).await?;
        Ok(plugins.into_iter().find(|plugin| plugin.name == name && plugin.status == PluginStatus::Removed))
    }

    async fn all_plugins(&self, scope: &Scope) -> Result<(Vec<Installation>, Vec<Unreadable>), StoreError> {
        let tenant = scope.tenant().0;
        let mut reading = self.reading(scope).await?;
        let rows = fetch_all!(
            reading.conn(),
            Row,
            "SELECT name, digest, status, settings, granted, position, candidate, previous, publisher_key, canary, \
             shadow, recording, held FROM plugins WHERE tenant_id = $1 ORDER BY name",
            tenant,
        )?;
        let versions = fetch_all!(
            reading.conn(),
            VersionRow,
            "SELECT v.plugin, v.digest, v.manifest, v.signer, v.granted, v.uploaded_at \
             FROM plugin_versions v JOIN plugins p ON p.tenant_id = v.tenant_id AND p.name = v.plugin \
             WHERE v.tenant_id = $1 AND (v.digest = p.digest OR v.digest = p.candidate OR v.digest = p.previous)",
            tenant,
        )?;
        let secrets = fetch_all!(
            reading.conn(),
            (String, String, String),
            "SELECT plugin, name, sealed FROM plugin_secrets WHERE tenant_id = $1",
            tenant,
        )?;
        reading.done().await?;
        let mut by_plugin: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for (plugin, name, sealed) in secrets {
            by_plugin.entry(plugin).or_default().insert(name, sealed);
        }
        let keyed = versions.into_iter().map(|row| ((row.plugin.clone(), row.digest.clone()), row));
        let versions: Versions = keyed.collect();
        Ok(readable(rows.into_iter().map(|row| {
            let (name, secrets) = (row.name.clone(), by_plugin.remove(&row.name).unwrap_or_default());
            installation(row, &versions, secrets).map_err(|error| Unreadable::of(&name, None, error))
        })))
    }

    pub async fn plugin(&self, scope: &Scope, name: &str) -> Result<Option<Installation>, StoreError> {
        Ok(self.plugins(scope).await?.into_iter().find(|plugin| plugin.name == name))
    }

    /// A component's bytes. Components belong to the hub: the digest is the permission.
    pub async fn component(&self, digest: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let rows = select!(
            self,
            None::<&Scope>,
            (Vec<u8>,),
            "SELECT bytes FROM components WHERE digest = $1",
            digest.to_owned()
        );
        Ok(rows.into_iter().next().map(|(bytes,)| bytes))
    }
}

pub(crate) async fn put_component(tx: &mut Tx<'_>, digest: &str, bytes: &[u8]) -> Result<(), StoreError> {
    execute!(tx.conn(), "INSERT INTO components (digest, bytes) VALUES ($1, $2) ON CONFLICT (digest) DO UPDATE SET bytes = excluded.bytes", digest, bytes)
        .map(drop)
}

/// Makes the plugin, or puts this version in the place of the one that is there.
pub(crate) async fn put_plugin(tx: &mut Tx<'_>, tenant: TenantId, plugin: &Installation) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "INSERT INTO plugins (tenant_id, name, digest, status, settings, granted, publisher_key) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant_id, name) DO UPDATE SET \
         digest = excluded.digest, status = excluded.status, settings = excluded.settings, granted = excluded.granted, \
         candidate = NULL, canary = NULL, shadow = NULL, publisher_key = COALESCE(plugins.publisher_key, excluded.publisher_key)",
        tenant.0,
        &plugin.name,
        &plugin.digest,
        plugin.status.code(),
        json_text(&plugin.settings),
        json_text(&plugin.grant),
        plugin.signer.as_deref(),
    )?;
    put_version(tx, tenant, &plugin.name, &PluginVersion::active(plugin)).await?;
    execute!(
        tx.conn(),
        "INSERT INTO plugin_state (tenant_id, plugin) VALUES ($1, $2) ON CONFLICT (tenant_id, plugin) DO NOTHING",
        tenant.0,
        &plugin.name,
    )?;
    for (name, sealed) in &plugin.secrets {
        put_secret(tx, tenant, &plugin.name, name, sealed).await?;
    }
    Ok(())
}

pub(crate) async fn put_secret(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    plugin: &str,
    name: &str,
    sealed: &str,
) -> Result<(), StoreError> {
    let put = execute!(
        tx.conn(),
        "INSERT INTO plugin_secrets (tenant_id, plugin, name, sealed) \
         SELECT tenant_id, name, CAST($3 AS TEXT), CAST($4 AS TEXT) FROM plugins WHERE tenant_id = $1 AND name = $2 \
         ON CONFLICT (tenant_id, plugin, name) DO UPDATE SET sealed = excluded.sealed",
        tenant.0,
        plugin,
        name,
        sealed,
    )?;
    if put == 0 { Err(StoreError::NotFound) } else { Ok(()) }
}

/// Of [`CatalogChange::Plugin`]. What was uploaded since the change was judged is not what was agreed to: nothing is written, and
/// it is judged again.
pub(crate) async fn change_plugin(tx: &mut Tx<'_>, tenant: TenantId, change: &CatalogChange) -> Result<(), StoreError> {
    let CatalogChange::Plugin { name, status, digest, settings, grant, position, .. } = change else { return Ok(()) };
    if let (PluginStatus::Enabled, Some(digest)) = (status, digest) {
        activate(tx, tenant, name, digest).await?;
    }
    if *status != PluginStatus::Enabled {
        unplan(tx, tenant, name).await?;
    }
    let agreed = digest.as_ref().filter(|_| *status == PluginStatus::Enabled);
    let changed = execute!(
        tx.conn(),
        concat!(
            "UPDATE plugins SET status = $3, position = $4, settings = COALESCE($5, settings), \
             granted = COALESCE($6, granted), migrating = NULL, canary = CASE WHEN $3 = 1 THEN canary ELSE NULL END, \
             shadow = CASE WHEN $3 = 1 THEN shadow ELSE NULL END, held = ",
            is_held!("plugin", "plugins.name"),
            " WHERE tenant_id = $1 AND name = $2 AND digest = COALESCE($7, digest)"
        ),
        tenant.0,
        name,
        status.code(),
        *position,
        settings.as_ref().map(json_text),
        grant.as_ref().map(json_text),
        agreed,
    )?;
    match (changed, agreed) {
        (0, Some(_)) => Err(StoreError::VersionConflict(vec![ObjectKey::new("plugin", name.clone())])),
        (_, Some(digest)) => note_grant(tx, tenant, name, digest).await,
        (_, None) => Ok(()),
    }
}

/// The candidate, or the version before, becomes the active one; the active one becomes the one before.
async fn activate(tx: &mut Tx<'_>, tenant: TenantId, name: &str, digest: &str) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "UPDATE plugins SET previous = CASE WHEN status = $4 THEN previous ELSE digest END, digest = $3, \
         canary = NULL, shadow = NULL, candidate = CASE WHEN candidate = $3 THEN NULL ELSE candidate END, \
         publisher_key = COALESCE(publisher_key, (SELECT v.signer FROM plugin_versions v \
         WHERE v.tenant_id = $1 AND v.plugin = $2 AND v.digest = $3)) \
         WHERE tenant_id = $1 AND name = $2 AND digest <> $3 AND (candidate = $3 OR previous = $3)",
        tenant.0,
        name,
        digest,
        PluginStatus::Installed.code(),
    )
    .map(drop)
}

fn installation(row: Row, versions: &Versions, secrets: BTreeMap<String, String>) -> Result<Installation, StoreError> {
    let take = |digest: &String| match versions.get(&(row.name.clone(), digest.clone())) {
        Some(found) => version(found),
        None => Err(corrupt("version of a plugin")),
    };
    let candidate = row.candidate.as_ref().map(&take).transpose()?;
    // One whose version is gone, or that cannot be read, serves nobody: the active one does.
    let waits = |digest: &str| candidate.as_ref().is_some_and(|candidate| candidate.digest == digest);
    let canary = row.canary.as_deref().and_then(|text| serde_json::from_str::<Canary>(text).ok());
    let canary = canary.filter(|canary| waits(&canary.digest));
    let shadow = row.shadow.as_deref().and_then(|text| serde_json::from_str::<Shadow>(text).ok());
    let shadow = shadow.filter(|shadow| waits(&shadow.digest));
    // The way back may be gone; what runs, runs.
    let previous = row.previous.as_ref().and_then(|digest| take(digest).ok());
    let active = take(&row.digest)?;
    Ok(Installation {
        name: row.name,
        digest: row.digest,
        version: active.manifest.version.clone(),
        manifest: active.manifest,
        status: PluginStatus::from_code(row.status).ok_or_else(|| corrupt("status of a plugin"))?,
        settings: json(&row.settings, "settings of a plugin")?,
        grant: json(&row.granted, "grant of a plugin")?,
        secrets,
        installed_at: active.uploaded_at,
        signer: active.signer,
        publisher_key: row.publisher_key,
        position: row.position,
        candidate,
        previous,
        canary,
        shadow,
        recording: row.recording.as_deref().and_then(|text| serde_json::from_str(text).ok()),
        held: row.held != 0,
    })
}
