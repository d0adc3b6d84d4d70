//! The versions of plugins, as they were uploaded. A version never changes; what changes is which of them its plugin points to.

use openhub_model::manifest::Manifest;
use openhub_model::{TenantId, Timestamp};
use serde_json::Value;

use crate::database::bulk::json_text;
use crate::database::connection::{execute, select};
use crate::database::decode::{json, time};
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::state::plugins::Installation;
use crate::store::Store;

/// One version of a plugin.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginVersion {
    /// Lowercase hex SHA-256 of the component.
    pub digest: String,
    pub manifest: Manifest,
    /// Who signed it: a public key.
    pub signer: Option<String>,
    /// What was granted to it when it was last active; none: it never was.
    pub grant: Option<Value>,
    pub uploaded_at: Timestamp,
}

impl PluginVersion {
    /// As it is uploaded.
    pub fn uploaded(digest: String, manifest: Manifest, at: Timestamp) -> PluginVersion {
        PluginVersion { digest, manifest, signer: None, grant: None, uploaded_at: at }
    }

    pub(crate) fn active(plugin: &Installation) -> PluginVersion {
        PluginVersion {
            digest: plugin.digest.clone(),
            manifest: plugin.manifest.clone(),
            signer: plugin.signer.clone(),
            grant: plugin.has_run().then(|| plugin.grant.clone()),
            uploaded_at: plugin.installed_at,
        }
    }
}

#[derive(sqlx::FromRow)]
pub(crate) struct VersionRow {
    pub plugin: String,
    pub digest: String,
    manifest: String,
    signer: Option<String>,
    granted: Option<String>,
    uploaded_at: i64,
}

pub(crate) fn version(row: &VersionRow) -> Result<PluginVersion, StoreError> {
    Ok(PluginVersion {
        digest: row.digest.clone(),
        manifest: json(&row.manifest, "manifest of a plugin")?,
        signer: row.signer.clone(),
        grant: row.granted.as_deref().map(|granted| json(granted, "grant of a plugin")).transpose()?,
        uploaded_at: time(row.uploaded_at),
    })
}

impl Store {
    /// All versions of a plugin that can be read, the latest upload first.
    pub async fn plugin_versions(&self, scope: &Scope, plugin: &str) -> Result<Vec<PluginVersion>, StoreError> {
        let rows = select!(
            self,
            scope,
            VersionRow,
            "SELECT plugin, digest, manifest, signer, granted, uploaded_at FROM plugin_versions \
             WHERE tenant_id = $1 AND plugin = $2 ORDER BY uploaded_at DESC, digest",
            scope.tenant().0,
            plugin,
        );
        Ok(rows.iter().filter_map(|row| version(row).ok()).collect())
    }
}

/// What is there already stays as it is.
pub(crate) async fn put_version(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    plugin: &str,
    version: &PluginVersion,
) -> Result<(), StoreError> {
    let manifest = serde_json::to_value(&version.manifest).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    execute!(
        tx.conn(),
        "INSERT INTO plugin_versions (tenant_id, plugin, digest, version, manifest, signer, granted, uploaded_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (tenant_id, plugin, digest) DO NOTHING",
        tenant.0,
        plugin,
        &version.digest,
        &version.manifest.version,
        json_text(&manifest),
        version.signer.as_deref(),
        version.grant.as_ref().map(json_text),
        version.uploaded_at.micros(),
    )
    .map(drop)
}

/// The version that waits; `None` lets none wait.
pub(crate) async fn put_candidate(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    plugin: &str,
    candidate: Option<&PluginVersion>,
) -> Result<(), StoreError> {
    let put = execute!(
        tx.conn(),
        "UPDATE plugins SET candidate = $3 WHERE tenant_id = $1 AND name = $2",
        tenant.0,
        plugin,
        candidate.map(|candidate| candidate.digest.as_str()),
    )?;
    match candidate {
        _ if put == 0 => Err(StoreError::NotFound),
        Some(candidate) => put_version(tx, tenant, plugin, candidate).await,
        None => Ok(()),
    }
}

/// What is granted to the version that became active, so that the way back grants the same.
pub(crate) async fn note_grant(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    plugin: &str,
    digest: &str,
) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "UPDATE plugin_versions SET granted = (SELECT p.granted FROM plugins p WHERE p.tenant_id = $1 AND p.name = $2) \
         WHERE tenant_id = $1 AND plugin = $2 AND digest = $3",
        tenant.0,
        plugin,
        digest,
    )
    .map(drop)
}

/// A version that is neither active nor the one before is forgotten; its number is free again.
pub(crate) async fn drop_version(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    plugin: &str,
    digest: &str,
) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "UPDATE plugins SET candidate = NULL WHERE tenant_id = $1 AND name = $2 AND candidate = $3",
        tenant.0,
        plugin,
        digest,
    )?;
    let dropped = execute!(
        tx.conn(),
        "DELETE FROM plugin_versions WHERE tenant_id = $1 AND plugin = $2 AND digest = $3 AND granted IS NULL \
         AND NOT EXISTS (SELECT 1 FROM plugins p WHERE p.tenant_id = $1 AND p.name = $2 AND (p.digest = $3 OR p.previous = $3))",
        tenant.0,
        plugin,
        digest,
    )?;
    if dropped == 0 { Err(StoreError::NotFound) } else { Ok(()) }
}
