//! The end of plugins, with receipts: what is asked, how far it has come, and what became of it.

use openhub_model::{Id, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::database::connection::{execute, select};
use crate::database::decode::{corrupt, id, limit, maybe_time, time};
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::state::plugin_recordings::forget_recordings_of;
use crate::state::plugins::PluginStatus;
use crate::store::Store;

/// What becomes of what a plugin kept: the objects of its types, and its own state. The number is what the database stores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(i64)]
pub enum PluginData {
    /// It stays for the day on which the same publisher's plugin comes back.
    #[default]
    Keep = 0,
    /// It stays until it was read, and is erased by another removal.
    Export = 1,
    Erase = 2,
}

impl PluginData {
    fn from_code(code: i64) -> Option<PluginData> {
        use PluginData::*;
        [Keep, Export, Erase].into_iter().find(|data| *data as i64 == code)
    }
}

/// A removal as it is asked for; the engine carries it out at the position of its event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRemoval {
    pub id: Id,
    pub plugin: String,
    pub version: String,
    pub data: PluginData,
    /// The id of a key.
    pub asked_by: String,
    /// By the host's clock.
    pub asked_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    pub asked: NewRemoval,
    /// When it was carried out, by the host's clock.
    pub done_at: Option<Timestamp>,
    /// Why it was not.
    pub refusal: Option<String>,
    /// Objects and entries of its state that were erased.
    pub objects: i64,
    pub entries: i64,
}

/// What becomes of a removal at its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemovalStep {
    /// So many objects of a type, at most, are erased.
    Erase {
        removal: Option<Id>,
        kind: String,
        rows: usize,
    },
    /// The plugin's own state, its versions and the plugin itself are erased.
    Forget {
        removal: Option<Id>,
        plugin: String,
    },
    Done {
        removal: Id,
    },
    Refused {
        removal: Id,
        reason: String,
    },
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    plugin: String,
    version: String,
    data: i64,
    asked_by: String,
    asked_at: i64,
    done_at: Option<i64>,
    refusal: Option<String>,
    objects: i64,
    entries: i64,
}

impl Store {
    pub async fn plugin_removal(&self, scope: &Scope, id: Id) -> Result<Option<Removal>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT id, plugin, version, data, asked_by, asked_at, done_at, refusal, objects, entries \
             FROM plugin_removals WHERE tenant_id = $1 AND id = $2",
            scope.tenant().0,
            id.to_string(),
        );
        rows.into_iter().next().map(removal).transpose()
    }

    /// A page of removals, by id: in the order in which they were asked for.
    pub async fn plugin_removals(
        &self,
        scope: &Scope,
        after: Option<Id>,
        rows: usize,
    ) -> Result<Vec<Removal>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT id, plugin, version, data, asked_by, asked_at, done_at, refusal, objects, entries \
             FROM plugin_removals WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3",
            scope.tenant().0,
            after.map(|after| after.to_string()).unwrap_or_default(),
            limit(rows),
        );
        rows.into_iter().map(removal).collect()
    }
}

pub(crate) async fn put_removal(tx: &mut Tx<'_>, tenant: TenantId, new: &NewRemoval) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "INSERT INTO plugin_removals (tenant_id, id, plugin, version, data, asked_by, asked_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        tenant.0,
        new.id.to_string(),
        &new.plugin,
        &new.version,
        new.data as i64,
        &new.asked_by,
        new.asked_at.micros(),
    )
    .map(drop)
}

/// The plugin is in force no more, and nothing remains of how it was set up. Its versions, its publisher's key and what it kept stay.
pub(crate) async fn remove_plugin(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    plugin: &str,
    position: i64,
) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "UPDATE plugins SET status = $3, position = $4, settings = '{}', granted = '{}', candidate = NULL, \
         previous = NULL, canary = NULL, shadow = NULL, recording = NULL WHERE tenant_id = $1 AND name = $2",
        tenant.0,
        plugin,
        PluginStatus::Removed.code(),
        position,
    )?;
    execute!(tx.conn(), "DELETE FROM plugin_secrets WHERE tenant_id = $1 AND plugin = $2", tenant.0, plugin)?;
    forget_recordings_of(tx, tenant, plugin).await?;
    execute!(tx.conn(), "DELETE FROM plugin_jobs WHERE tenant_id = $1 AND plugin = $2", tenant.0, plugin).map(drop)
}

pub(crate) async fn step_removal(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    step: &RemovalStep,
    now: Timestamp,
) -> Result<(), StoreError> {
    match step {
        RemovalStep::Erase { removal, kind, rows } => {
            let erased = erase_objects(tx, tenant, kind, *rows).await?;
            count(tx, tenant, *removal, (erased, 0)).await
        }
        RemovalStep::Forget { removal, plugin } => {
            let entries =
                execute!(tx.conn(), "DELETE FROM plugin_kv WHERE tenant_id = $1 AND plugin = $2", tenant.0, plugin,)?;
            execute!(tx.conn(), "DELETE FROM plugin_logs WHERE tenant_id = $1 AND plugin = $2", tenant.0, plugin)?;
            execute!(tx.conn(), "DELETE FROM plugins WHERE tenant_id = $1 AND name = $2", tenant.0, plugin)?;
            count(tx, tenant, *removal, (0, entries)).await
        }
        RemovalStep::Done { removal } => execute!(
            tx.conn(),
            "UPDATE plugin_removals SET done_at = $3 WHERE tenant_id = $1 AND id = $2",
            tenant.0,
            removal.to_string(),
            now.micros(),
        )
        .map(drop),
        RemovalStep::Refused { removal, reason } => execute!(
            tx.conn(),
            "UPDATE plugin_removals SET done_at = $3, refusal = $4 WHERE tenant_id = $1 AND id = $2",
            tenant.0,
            removal.to_string(),
            now.micros(),
            reason,
        )
        .map(drop),
    }
}

/// The first objects of a type, by key, with all that leads to them or that they lead to.
async fn erase_objects(tx: &mut Tx<'_>, tenant: TenantId, kind: &str, rows: usize) -> Result<u64, StoreError> {
    let rows = limit(rows);
    execute!(
        tx.conn(),
        "DELETE FROM object_uniques WHERE tenant_id = $1 AND kind = $2 AND object_key IN \
         (SELECT key FROM objects WHERE tenant_id = $1 AND kind = $2 ORDER BY key LIMIT $3)",
        tenant.0,
        kind,
        rows,
    )?;
    execute!(
        tx.conn(),
        "DELETE FROM object_relations WHERE tenant_id = $1 AND kind = $2 AND object_key IN \
         (SELECT key FROM objects WHERE tenant_id = $1 AND kind = $2 ORDER BY key LIMIT $3)",
        tenant.0,
        kind,
        rows,
    )?;
    execute!(
        tx.conn(),
        "DELETE FROM object_relations WHERE tenant_id = $1 AND to_kind = $2 AND to_key IN \
         (SELECT key FROM objects WHERE tenant_id = $1 AND kind = $2 ORDER BY key LIMIT $3)",
        tenant.0,
        kind,
        rows,
    )?;
    execute!(
        tx.conn(),
        "DELETE FROM objects WHERE tenant_id = $1 AND kind = $2 AND key IN \
         (SELECT key FROM objects WHERE tenant_id = $1 AND kind = $2 ORDER BY key LIMIT $3)",
        tenant.0,
        kind,
        rows,
    )
}

/// What is counted in the receipt.
async fn count(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    removal: Option<Id>,
    (objects, entries): (u64, u64),
) -> Result<(), StoreError> {
    let Some(removal) = removal else { return Ok(()) };
    execute!(
        tx.conn(),
        "UPDATE plugin_removals SET objects = objects + $3, entries = entries + $4 WHERE tenant_id = $1 AND id = $2",
        tenant.0,
        removal.to_string(),
        objects.cast_signed(),
        entries.cast_signed(),
    )
    .map(drop)
}

fn removal(row: Row) -> Result<Removal, StoreError> {
    Ok(Removal {
        asked: NewRemoval {
            id: id(&row.id)?,
            plugin: row.plugin,
            version: row.version,
            data: PluginData::from_code(row.data).ok_or_else(|| corrupt("data of a removal"))?,
            asked_by: row.asked_by,
            asked_at: time(row.asked_at),
        },
        done_at: maybe_time(row.done_at),
        refusal: row.refusal,
        objects: row.objects,
        entries: row.entries,
    })
}
