//! Installed plugins, their settings, grants and sealed secrets, and the components they run.

use openhub_model::manifest::Manifest;
use openhub_model::{TenantId, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;

use crate::bulk::json_text;
use crate::connection::{execute, fetch_all, select};
use crate::decode::{corrupt, json, time};
use crate::error::StoreError;
use crate::scope::Scope;
use crate::store::Store;
use crate::writer::Tx;

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
}

impl Store {
    pub async fn plugins(&self, scope: &Scope) -> Result<Vec<Installation>, StoreError> {
        let tenant = scope.tenant().0;
        let mut reading = self.reading(scope).await?;
        let rows = fetch_all!(
            reading.conn(),
            Row,
            "SELECT name, digest, version, manifest, status, settings, granted, installed_at FROM plugins \
             WHERE tenant_id = $1 ORDER BY name",
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
        rows.into_iter()
            .map(|row| {
                let secrets = by_plugin.remove(&row.name).unwrap_or_default();
                installation(row, secrets)
            })
            .collect()
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
    execute!(tx.conn(), "INSERT INTO components (digest, bytes) VALUES ($1, $2) ON CONFLICT DO NOTHING", digest, bytes)
        .map(drop)
}

pub(crate) async fn put_plugin(tx: &mut Tx<'_>, tenant: TenantId, plugin: &Installation) -> Result<(), StoreError> {
    let manifest = serde_json::to_value(&plugin.manifest).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    execute!(
        tx.conn(),
        "INSERT INTO plugins (tenant_id, name, digest, version, manifest, status, settings, granted, installed_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (tenant_id, name) DO UPDATE SET \
         digest = excluded.digest, version = excluded.version, manifest = excluded.manifest, status = excluded.status, \
         settings = excluded.settings, granted = excluded.granted, installed_at = excluded.installed_at",
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

fn installation(row: Row, secrets: BTreeMap<String, String>) -> Result<Installation, StoreError> {
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
    })
}
