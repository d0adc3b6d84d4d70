//! Recordings of plugins' calls, and which calls an admin wants recorded. Each is of one customer, or shows nobody: what a plugin was given,
//! and what it answered. The newest of a plugin are kept, for some days.

use openhub_model::{Id, PartId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::changes::CatalogChange;
use crate::database::bulk::{self, Bulk, Rows};
use crate::database::connection::{execute, select};
use crate::database::decode::{id, limit, maybe_id, time};
use crate::database::transaction::Tx;
use crate::error::{ObjectKey, StoreError};
use crate::scope::Scope;
use crate::store::Store;

/// Recordings of a plugin; the oldest go.
pub const RECORDINGS: i64 = 500;
/// Bytes of one; a longer one is left out.
pub const RECORDING_BYTES: usize = 64 << 10;
/// How long one is kept, in microseconds: seven days.
const KEPT: i64 = 7 * 86_400_000_000;

/// Which calls of a plugin are recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingOrder {
    /// How many of a million rows.
    pub per_million: u32,
    /// Only those of the customer with this part.
    pub customer: Option<PartId>,
    /// By the tenant's clock.
    pub until: Timestamp,
    /// Where in the log it began.
    pub position: i64,
}

/// A call that was recorded, on its way into the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecording {
    /// Of the call: one that is made again is recorded once.
    pub id: Id,
    pub plugin: String,
    /// Of the version that was called.
    pub digest: String,
    /// What was called: `rule`, `check`, `step`, `function`, or of the I/O lane `channel`, `source`, `endpoint`, `job`, `privacy`.
    pub kind: String,
    /// Of the rule, object type, step or function.
    pub name: String,
    /// `answered`, or the kind of the fault.
    pub outcome: String,
    /// Whose row it is: erasing them takes the recording with them. None of the I/O lane, which shows nobody.
    pub part: Option<PartId>,
    /// JSON.
    pub recording: String,
}

/// A recording of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginRecording {
    pub id: Id,
    pub plugin: String,
    pub digest: String,
    pub kind: String,
    pub name: String,
    pub outcome: String,
    /// By the host's clock.
    pub at: Timestamp,
    pub part: Option<PartId>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    plugin: String,
    digest: String,
    kind: String,
    name: String,
    outcome: String,
    at: i64,
    part_id: Option<String>,
}

impl Row {
    fn read(self) -> Result<PluginRecording, StoreError> {
        let Row { id: text, plugin, digest, kind, name, outcome, at, part_id } = self;
        let (id, part) = (id(&text)?, maybe_id(part_id.as_deref())?);
        Ok(PluginRecording { id, plugin, digest, kind, name, outcome, at: time(at), part })
    }
}

impl Store {
    /// A plugin's recordings, the last ones first: those before one, or all.
    pub async fn plugin_recordings(
        &self,
        scope: &Scope,
        plugin: &str,
        before: Option<(Timestamp, Id)>,
        rows: usize,
    ) -> Result<Vec<PluginRecording>, StoreError> {
        scope.sees_people()?;
        let (at, behind) = match before {
            Some((at, id)) => (at.micros(), id.to_string()),
            None => (i64::MAX, String::new()),
        };
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT id, plugin, digest, kind, name, outcome, at, part_id FROM plugin_recordings WHERE tenant_id = $1 AND plugin = $2 \
             AND (at, id) < ($3, $4) ORDER BY at DESC, id DESC LIMIT $5",
            scope.tenant().0,
            plugin,
            at,
            behind,
            limit(rows),
        );
        rows.into_iter().map(Row::read).collect()
    }

    /// One of a plugin's recordings, as JSON.
    pub async fn plugin_recording(&self, scope: &Scope, plugin: &str, id: Id) -> Result<Option<String>, StoreError> {
        scope.sees_people()?;
        let rows = select!(
            self,
            scope,
            (String,),
            "SELECT recording FROM plugin_recordings WHERE tenant_id = $1 AND plugin = $2 AND id = $3",
            scope.tenant().0,
            plugin,
            id.to_string(),
        );
        Ok(rows.into_iter().next().map(|(recording,)| recording))
    }

    /// The recordings of a customer's parts, of all plugins, each with what was recorded.
    pub async fn plugin_recordings_of(
        &self,
        scope: &Scope,
        parts: &[PartId],
    ) -> Result<Vec<(String, String)>, StoreError> {
        scope.sees_people()?;
        Ok(select!(
            self,
            scope,
            (String, String),
            "SELECT plugin, recording FROM plugin_recordings WHERE tenant_id = $1 \
             AND part_id IN (SELECT atom FROM json_each($2)) ORDER BY plugin, at, id",
            scope.tenant().0,
            bulk::list(parts),
        ))
    }

    /// Adds recordings outside of the engine's commit.
    pub async fn add_plugin_recordings(
        &self,
        scope: &Scope,
        now: Timestamp,
        recordings: &[NewRecording],
    ) -> Result<(), StoreError> {
        let (tenant, Some(rows)) = (scope.tenant(), recording_rows(recordings)) else { return Ok(()) };
        let write = self
            .writer
            .write(Some(tenant), move |tx| Box::pin(async move { put_recordings(tx, tenant, now, &rows).await }));
        write.await
    }

    /// Deletes what was recorded of a plugin. Answers how many there were.
    pub async fn forget_plugin_recordings(&self, scope: &Scope, plugin: &str) -> Result<u64, StoreError> {
        let (tenant, plugin) = (scope.tenant(), plugin.to_owned());
        let write = self
            .writer
            .write(Some(tenant), move |tx| Box::pin(async move { forget_recordings_of(tx, tenant, &plugin).await }));
        write.await
    }
}

pub(crate) async fn forget_recordings_of(tx: &mut Tx<'_>, tenant: TenantId, plugin: &str) -> Result<u64, StoreError> {
    execute!(tx.conn(), "DELETE FROM plugin_recordings WHERE tenant_id = $1 AND plugin = $2", tenant.0, plugin)
}

/// Of [`CatalogChange::Recording`].
pub(crate) async fn change_recording(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    change: &CatalogChange,
) -> Result<(), StoreError> {
    let CatalogChange::Recording { name, order } = change else { return Ok(()) };
    let text = order.as_ref().map(serde_json::to_string).transpose();
    let text = text.map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let changed = execute!(
        tx.conn(),
        "UPDATE plugins SET recording = $3 WHERE tenant_id = $1 AND name = $2",
        tenant.0,
        name,
        text,
    )?;
    if changed == 0 { Err(StoreError::VersionConflict(vec![ObjectKey::new("plugin", name.clone())])) } else { Ok(()) }
}

pub(crate) fn recording_rows(recordings: &[NewRecording]) -> Option<Bulk> {
    let fit: Vec<&NewRecording> =
        recordings.iter().filter(|recording| recording.recording.len() <= RECORDING_BYTES).collect();
    Rows::of(&fit, |row, recording| {
        row.text(&recording.plugin).id(recording.id).text(&recording.digest).text(&recording.kind);
        row.text(&recording.name).text(&recording.outcome).maybe_id(recording.part).text(&recording.recording);
    })
}

/// Adds to those of plugins that there are; the oldest go.
pub(crate) async fn put_recordings(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    now: Timestamp,
    rows: &Bulk,
) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "INSERT INTO plugin_recordings (tenant_id, plugin, id, digest, kind, name, outcome, at, part_id, recording) \
         SELECT p.tenant_id, p.name, CAST(value ->> 1 AS TEXT), CAST(value ->> 2 AS TEXT), CAST(value ->> 3 AS TEXT), \
         CAST(value ->> 4 AS TEXT), CAST(value ->> 5 AS TEXT), CAST($3 AS BIGINT), CAST(value ->> 6 AS TEXT), \
         CAST(value ->> 7 AS TEXT) FROM jsonb_each($2) JOIN plugins p ON p.tenant_id = $1 \
         AND p.name = CAST(value ->> 0 AS TEXT) WHERE true ON CONFLICT (tenant_id, id) DO NOTHING",
        tenant.0,
        &rows.json,
        now.micros(),
    )?;
    execute!(
        tx.conn(),
        "DELETE FROM plugin_recordings WHERE tenant_id = $1 AND id IN (SELECT old.id FROM (SELECT id, \
         ROW_NUMBER() OVER (PARTITION BY plugin ORDER BY at DESC, id DESC) AS number FROM plugin_recordings \
         WHERE tenant_id = $1) old WHERE old.number > $2)",
        tenant.0,
        RECORDINGS,
    )?;
    execute!(
        tx.conn(),
        "DELETE FROM plugin_recordings WHERE tenant_id = $1 AND at < $2",
        tenant.0,
        now.micros() - KEPT,
    )
    .map(drop)
}

/// Drops what was recorded of customers, and records nothing more of them. `parts` is a list of ids.
pub(crate) async fn forget_recordings(tx: &mut Tx<'_>, tenant: TenantId, parts: &str) -> Result<u64, StoreError> {
    execute!(
        tx.conn(),
        "UPDATE plugins SET recording = NULL WHERE tenant_id = $1 AND recording IS NOT NULL \
         AND EXISTS (SELECT 1 FROM json_each($2) WHERE plugins.recording LIKE '%' || atom || '%')",
        tenant.0,
        parts,
    )?;
    execute!(
        tx.conn(),
        "DELETE FROM plugin_recordings WHERE tenant_id = $1 AND part_id IN (SELECT atom FROM json_each($2))",
        tenant.0,
        parts,
    )
}
