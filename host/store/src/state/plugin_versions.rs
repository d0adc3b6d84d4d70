//! The versions of plugins, as they were uploaded. A version never changes; what changes is which of them its plugin points to.

use openhub_model::manifest::Manifest;
use openhub_model::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::database::bulk::json_text;
use crate::database::connection::{execute, fetch_all, fetch_optional, select};
use crate::database::decode::{json, time};
use crate::database::dialect::hold_statement;
use crate::database::transaction::Tx;
use crate::error::{ObjectKey, StoreError};
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

/// How far the objects of a plugin have come: by type, and behind a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginMigrating {
    /// Of the event that puts the version in force.
    pub position: i64,
    /// None: they are looked at.
    pub kind: Option<String>,
    pub after: Option<String>,
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

/// What is known of a plugin and of its versions, as a state that can be compared: what was judged by it may be written as long as it
/// is the same. Nobody knows of a plugin that never was here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing(Vec<Known>);

/// A plugin, and one of its versions.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
struct Known {
    digest: String,
    status: i64,
    settings: String,
    position: i64,
    candidate: Option<String>,
    previous: Option<String>,
    publisher_key: Option<String>,
    canary: Option<String>,
    shadow: Option<String>,
    version: String,
}

const KNOWN: &str = "SELECT p.digest, p.status, p.settings, p.position, p.candidate, p.previous, p.publisher_key, p.canary, p.shadow, \
     v.digest AS version FROM plugins p JOIN plugin_versions v ON v.tenant_id = p.tenant_id AND v.plugin = p.name \
     WHERE p.tenant_id = $1 AND p.name = $2 ORDER BY v.digest";

impl Store {
    /// For [`Op::IfPluginStands`](crate::Op::IfPluginStands): read before what is judged.
    pub async fn plugin_standing(&self, scope: &Scope, plugin: &str) -> Result<Standing, StoreError> {
        Ok(Standing(select!(self, scope, Known, KNOWN, scope.tenant().0, plugin)))
    }
}

/// Holds the tenant, whoever serves it, and makes sure that a plugin is as it was judged; else [`StoreError::VersionConflict`].
pub(crate) async fn hold_standing(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    plugin: &str,
    judged: &Standing,
) -> Result<(), StoreError> {
    let hold = hold_statement(&tx.conn());
    fetch_optional!(tx.conn(), (i64,), hold, tenant.0)?;
    let stands = Standing(fetch_all!(tx.conn(), Known, KNOWN, tenant.0, plugin)?);
    if stands == *judged { Ok(()) } else { Err(StoreError::VersionConflict(vec![ObjectKey::new("plugin", plugin)])) }
}

impl Store {
    /// How far the objects of a plugin are on their way, if they are on one.
    pub async fn plugin_migrating(&self, scope: &Scope, plugin: &str) -> Result<Option<PluginMigrating>, StoreError> {
        let rows = select!(
            self,
            scope,
            (Option<String>,),
            "SELECT migrating FROM plugins WHERE tenant_id = $1 AND name = $2",
            scope.tenant().0,
            plugin,
        );
        let state = rows.into_iter().next().and_then(|(state,)| state);
        state.map(|state| json(&state, "a migration of a plugin's objects")).transpose()
    }
}

pub(crate) async fn put_plugin_migrating(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    plugin: &str,
    state: Option<&PluginMigrating>,
) -> Result<(), StoreError> {
    let state = state.map(serde_json::to_string).transpose();
    let state = state.map_err(|error| StoreError::Corrupt(error.to_string()))?;
    execute!(
        tx.conn(),
        "UPDATE plugins SET migrating = $3 WHERE tenant_id = $1 AND name = $2",
        tenant.0,
        plugin,
        &state,
    )
    .map(drop)
}

/// Holds the version of a plugin under which objects of one of its types are written until that is committed.
///
/// [`StoreError::OtherType`] if it is another by now, [`StoreError::Migrating`] if its objects are on their way to another.
pub(crate) async fn hold_plugin(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    kind: &str,
    (plugin, digest): (&str, &str),
) -> Result<(), StoreError> {
    let hold = hold_statement(&tx.conn());
    fetch_optional!(tx.conn(), (i64,), hold, tenant.0)?;
    let stored = fetch_optional!(
        tx.conn(),
        (String, Option<String>),
        "SELECT digest, migrating FROM plugins WHERE tenant_id = $1 AND name = $2",
        tenant.0,
        plugin,
    )?;
    match stored {
        Some((_, Some(_))) => Err(StoreError::Migrating(kind.to_owned())),
        Some((stored, None)) if stored == digest => Ok(()),
        _ => Err(StoreError::OtherType(kind.to_owned())),
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

/// The version that waits; `None` lets none wait. One that is tried stays: [`StoreError::NotFound`].
pub(crate) async fn put_candidate(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    plugin: &str,
    candidate: Option<&PluginVersion>,
) -> Result<(), StoreError> {
    let put = execute!(
        tx.conn(),
        "UPDATE plugins SET candidate = $3 WHERE tenant_id = $1 AND name = $2 AND canary IS NULL AND shadow IS NULL",
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
        "UPDATE plugins SET candidate = NULL WHERE tenant_id = $1 AND name = $2 AND candidate = $3 AND canary IS NULL \
         AND shadow IS NULL",
        tenant.0,
        plugin,
        digest,
    )?;
    let dropped = execute!(
        tx.conn(),
        "DELETE FROM plugin_versions WHERE tenant_id = $1 AND plugin = $2 AND digest = $3 AND granted IS NULL \
         AND NOT EXISTS (SELECT 1 FROM plugins p WHERE p.tenant_id = $1 AND p.name = $2 AND (p.digest = $3 OR p.previous = $3 \
         OR p.candidate = $3))",
        tenant.0,
        plugin,
        digest,
    )?;
    if dropped == 0 { Err(StoreError::NotFound) } else { Ok(()) }
}
