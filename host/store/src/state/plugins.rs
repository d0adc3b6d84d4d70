//! Installed plugins, their settings, grants and sealed secrets, and the components they run.

use openhub_model::manifest::Manifest;
use openhub_model::{TenantId, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;

use crate::changes::CatalogChange;
use crate::database::bulk::json_text;
use crate::database::connection::{execute, fetch_all, select};
use crate::database::decode::{corrupt, json, time};
use crate::database::transaction::Tx;
use crate::error::{ObjectKey, StoreError};
use crate::scope::Scope;
use crate::state::jobs::unplan;
use crate::store::Store;

/// The number is what the database stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(i64)]
pub enum PluginStatus {
    Installed = 0,
    Enabled = 1,
    Disabled = 2,
}

impl PluginStatus {
    pub const fn code(self) -> i64 {
        self as i64
    }

    pub fn from_code(code: i64) -> Option<PluginStatus> {
        use PluginStatus::*;
        [Installed, Enabled, Disabled].into_iter().find(|status| status.code() == code)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Installation {
    pub name: String,
    /// Lowercase hex SHA-256 of the component.
    pub digest: String,
    pub version: String,
    pub manifest: Manifest,
    pub status: PluginStatus,
    /// A JSON object.
    pub settings: Value,
    pub grant: Value,
    /// Sealed, by name.
    pub secrets: BTreeMap<String, String>,
    pub installed_at: Timestamp,
    /// Where in the log it was last enabled or disabled; 0 if never.
    pub position: i64,
    pub candidate: Option<Candidate>,
}

/// A version that was uploaded and is not agreed to: the one before goes on as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    pub digest: String,
    pub manifest: Manifest,
    pub uploaded_at: Timestamp,
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
            position: 0,
            candidate: None,
        }
    }

    /// The manifest of the version with this digest: the installed one or the candidate.
    pub fn version_of(&self, digest: &str) -> Option<&Manifest> {
        let candidate = self.candidate.as_ref().filter(|candidate| candidate.digest == digest);
        candidate.map(|candidate| &candidate.manifest).or_else(|| (self.digest == digest).then_some(&self.manifest))
    }

    /// The version that an enable takes: the candidate if one waits, else the installed one.
    pub fn offered(&self) -> (&str, &Manifest) {
        match &self.candidate {
            Some(candidate) => (&candidate.digest, &candidate.manifest),
            None => (&self.digest, &self.manifest),
        }
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
    version: String,
    manifest: String,
    status: i64,
    settings: String,
    granted: String,
    installed_at: i64,
    position: i64,
    candidate: Option<String>,
    candidate_manifest: Option<String>,
    candidate_at: Option<i64>,
}

impl Store {
    /// The plugins that can be read, by name.
    pub async fn plugins(&self, scope: &Scope) -> Result<Vec<Installation>, StoreError> {
        Ok(self.readable_plugins(scope).await?.0)
    }

    /// The plugins by name, and those whose rows cannot be read.
    pub async fn readable_plugins(&self, scope: &Scope) -> Result<(Vec<Installation>, Vec<Unreadable>), StoreError> {
        let tenant = scope.tenant().0;
        let mut reading = self.reading(scope).await?;
        let rows = fetch_all!(
            reading.conn(),
            Row,
            "SELECT name, digest, version, manifest, status, settings, granted, installed_at, position, candidate, \
             candidate_manifest, candidate_at FROM plugins WHERE tenant_id = $1 ORDER BY name",
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
        Ok(readable(rows.into_iter().map(|row| {
            let (name, secrets) = (row.name.clone(), by_plugin.remove(&row.name).unwrap_or_default());
            installation(row, secrets).map_err(|error| Unreadable::of(&name, None, error))
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

pub(crate) async fn put_plugin(tx: &mut Tx<'_>, tenant: TenantId, plugin: &Installation) -> Result<(), StoreError> {
    let manifest = serde_json::to_value(&plugin.manifest).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    execute!(
        tx.conn(),
        "INSERT INTO plugins (tenant_id, name, digest, version, manifest, status, settings, granted, installed_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (tenant_id, name) DO UPDATE SET \
         digest = excluded.digest, version = excluded.version, manifest = excluded.manifest, status = excluded.status, \
         settings = excluded.settings, granted = excluded.granted, installed_at = excluded.installed_at, \
         candidate = NULL, candidate_version = NULL, candidate_manifest = NULL, candidate_at = NULL",
        tenant.0,
        &plugin.name,
        &plugin.digest,
        &plugin.version,
        json_text(&manifest),
        plugin.status.code(),
        json_text(&plugin.settings),
        json_text(&plugin.grant),
        plugin.installed_at.micros(),
    )?;
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

/// The version that waits; `None` takes it away.
pub(crate) async fn put_candidate(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    plugin: &str,
    candidate: Option<&Candidate>,
) -> Result<(), StoreError> {
    let manifest = candidate.map(|candidate| serde_json::to_value(&candidate.manifest)).transpose();
    let manifest = manifest.map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let put = execute!(
        tx.conn(),
        "UPDATE plugins SET candidate = $3, candidate_version = $4, candidate_manifest = $5, candidate_at = $6 \
         WHERE tenant_id = $1 AND name = $2",
        tenant.0,
        plugin,
        candidate.map(|candidate| candidate.digest.as_str()),
        candidate.map(|candidate| candidate.manifest.version.as_str()),
        manifest.as_ref().map(json_text),
        candidate.map(|candidate| candidate.uploaded_at.micros()),
    )?;
    if put == 0 { Err(StoreError::NotFound) } else { Ok(()) }
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
    let CatalogChange::Plugin { name, status, digest, settings, grant, position } = change else { return Ok(()) };
    if let (PluginStatus::Enabled, Some(digest)) = (status, digest) {
        execute!(
            tx.conn(),
            "UPDATE plugins SET digest = candidate, manifest = candidate_manifest, \
             version = candidate_version, installed_at = candidate_at, \
             candidate = NULL, candidate_version = NULL, candidate_manifest = NULL, candidate_at = NULL \
             WHERE tenant_id = $1 AND name = $2 AND candidate = $3",
            tenant.0,
            name,
            digest,
        )?;
    }
    if *status != PluginStatus::Enabled {
        unplan(tx, tenant, name).await?;
    }
    let agreed = digest.as_ref().filter(|_| *status == PluginStatus::Enabled);
    let changed = execute!(
        tx.conn(),
        "UPDATE plugins SET status = $3, position = $4, settings = COALESCE($5, settings), \
         granted = COALESCE($6, granted) WHERE tenant_id = $1 AND name = $2 AND digest = COALESCE($7, digest)",
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
        _ => Ok(()),
    }
}

fn installation(row: Row, secrets: BTreeMap<String, String>) -> Result<Installation, StoreError> {
    let candidate = match (row.candidate, row.candidate_manifest, row.candidate_at) {
        (Some(digest), Some(manifest), Some(at)) => {
            Some(Candidate { digest, manifest: json(&manifest, "manifest of a candidate")?, uploaded_at: time(at) })
        }
        _ => None,
    };
    Ok(Installation {
        name: row.name,
        digest: row.digest,
        version: row.version,
        manifest: json(&row.manifest, "manifest of a plugin")?,
        status: PluginStatus::from_code(row.status).ok_or_else(|| corrupt("status of a plugin"))?,
        settings: json(&row.settings, "settings of a plugin")?,
        grant: json(&row.granted, "grant of a plugin")?,
        secrets,
        installed_at: time(row.installed_at),
        position: row.position,
        candidate,
    })
}
