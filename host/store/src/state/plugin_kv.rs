//! What plugins keep of their own: entries by key, one space an installation.
//!
//! Who writes an entry locks the plugin's row of `plugin_state`, which counts what there is and gives each write its version. An
//! erasure locks these rows, too, so that nobody writes an entry of a customer who is going.

use openhub_model::{PartId, TenantId, Timestamp};
use std::collections::BTreeMap;

use crate::database::bulk::Rows;
use crate::database::connection::{execute, fetch_all, fetch_optional, select};
use crate::database::decode::limit;
use crate::database::filters::Sql;
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::log::leases::holds;
use crate::scope::Scope;
use crate::store::Store;

/// Entries of one installation.
pub const KV_ENTRIES: i64 = 50_000;
/// Bytes of all their keys and values.
pub const KV_BYTES: i64 = 32 << 20;
/// Entries that are over and that one write deletes.
const OVER: usize = 20;
/// Stands behind each key of a prefix: no key has it.
const LAST: char = '\u{10ffff}';

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvEntry {
    pub key: String,
    pub value: Vec<u8>,
    pub version: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvWrite {
    pub key: String,
    pub value: Vec<u8>,
    /// Whose data it is.
    pub part: Option<PartId>,
    /// By the host's clock.
    pub expires_at: Option<Timestamp>,
    /// The version that the entry must have; 0 is none.
    pub expected: Option<i64>,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvPut {
    /// Under this version.
    Stored(i64),
    /// The entry has another version than was expected.
    Other,
    /// The customer is not there.
    Nobody,
    /// The installation has as much as it may have.
    Full,
}

/// Entries whose keys begin with `prefix` and stand behind `after`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvRange {
    pub prefix: String,
    pub after: Option<String>,
    pub limit: usize,
}

/// An entry of a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvOf {
    pub plugin: String,
    pub key: String,
    pub value: Vec<u8>,
}

/// Entries and their bytes.
type Size = (i64, i64);

impl Store {
    pub async fn kv_entry(
        &self,
        scope: &Scope,
        plugin: &str,
        key: String,
        now: Timestamp,
    ) -> Result<Option<KvEntry>, StoreError> {
        scope.sees_people()?;
        let rows = select!(
            self,
            scope,
            (String, Vec<u8>, i64),
            "SELECT key, value, version FROM plugin_kv WHERE tenant_id = $1 AND plugin = $2 AND key = $3 \
             AND (expires_at IS NULL OR expires_at > $4)",
            scope.tenant().0,
            plugin.to_owned(),
            key,
            now.micros(),
        );
        Ok(rows.into_iter().next().map(|(key, value, version)| KvEntry { key, value, version }))
    }

    /// By key.
    pub async fn kv_entries(
        &self,
        scope: &Scope,
        plugin: &str,
        range: KvRange,
        now: Timestamp,
    ) -> Result<Vec<KvEntry>, StoreError> {
        scope.sees_people()?;
        let KvRange { prefix, after, limit: rows } = range;
        let end = format!("{prefix}{LAST}");
        let rows = select!(
            self,
            scope,
            (String, Vec<u8>, i64),
            "SELECT key, value, version FROM plugin_kv WHERE tenant_id = $1 AND plugin = $2 AND key >= $3 AND key > $4 \
             AND key < $5 AND (expires_at IS NULL OR expires_at > $6) ORDER BY key LIMIT $7",
            scope.tenant().0,
            plugin.to_owned(),
            prefix,
            after.unwrap_or_default(),
            end,
            now.micros(),
            limit(rows),
        );
        Ok(rows.into_iter().map(|(key, value, version)| KvEntry { key, value, version }).collect())
    }

    /// What plugins keep of the customer that a part belongs to, by plugin and key; also what is over and not deleted yet.
    pub async fn kv_of(
        &self,
        scope: &Scope,
        part: PartId,
        after: Option<&(String, String)>,
        rows: usize,
    ) -> Result<Vec<KvOf>, StoreError> {
        scope.sees_people()?;
        let mut reading = self.reading(scope).await?;
        let mut sql = Sql::new(&reading.conn(), "SELECT plugin, key, value FROM ");
        sql.each_part_of(scope.tenant(), part).push("plugin_kv WHERE tenant_id = ").int(scope.tenant().0);
        sql.push(" AND part_id = own");
        if let Some((plugin, key)) = after {
            sql.push(" AND (plugin, key) > (").text(plugin).push(", ").text(key).push(")");
        }
        sql.push(" ORDER BY plugin, key LIMIT ").int(limit(rows));
        let rows = sql.fetch_all::<(String, String, Vec<u8>)>(reading.conn()).await?;
        reading.done().await?;
        Ok(rows.into_iter().map(|(plugin, key, value)| KvOf { plugin, key, value }).collect())
    }

    /// Writes an entry. Under a `fence` it is written only as long as the lease is held: else [`StoreError::FenceLost`].
    /// [`StoreError::NotFound`] if the plugin is gone.
    pub async fn put_kv(
        &self,
        scope: &Scope,
        plugin: &str,
        write: KvWrite,
        now: Timestamp,
        fence: Option<i64>,
    ) -> Result<KvPut, StoreError> {
        let (tenant, plugin) = (scope.tenant(), plugin.to_owned());
        self.writer
            .write_in_time(tenant, move |tx| {
                Box::pin(async move { put(tx, (tenant, &plugin), &write, now, fence).await })
            })
            .await
    }

    /// As [`Store::put_kv`]; what is not there is deleted, too.
    pub async fn delete_kv(
        &self,
        scope: &Scope,
        plugin: &str,
        key: String,
        fence: Option<i64>,
    ) -> Result<(), StoreError> {
        let (tenant, plugin) = (scope.tenant(), plugin.to_owned());
        self.writer
            .write_in_time(tenant, move |tx| {
                Box::pin(async move {
                    lock(tx, tenant, &plugin).await?;
                    holds(tx, tenant, fence).await?;
                    let gone = fetch_optional!(
                        tx.conn(),
                        (i64,),
                        "DELETE FROM plugin_kv WHERE tenant_id = $1 AND plugin = $2 AND key = $3 RETURNING bytes",
                        tenant.0,
                        &plugin,
                        &key,
                    )?;
                    match gone {
                        Some((bytes,)) => count(tx, (tenant, &plugin), (-1, -bytes)).await,
                        None => Ok(()),
                    }
                })
            })
            .await
    }
}

/// Locks what the plugin has, and answers the version of the next write.
async fn lock(tx: &mut Tx<'_>, tenant: TenantId, plugin: &str) -> Result<(i64, Size), StoreError> {
    let state = fetch_optional!(
        tx.conn(),
        (i64, i64, i64),
        "UPDATE plugin_state SET kv_version = kv_version + 1 WHERE tenant_id = $1 AND plugin = $2 \
         RETURNING kv_version, kv_entries, kv_bytes",
        tenant.0,
        plugin,
    )?;
    let (version, entries, bytes) = state.ok_or(StoreError::NotFound)?;
    Ok((version, (entries, bytes)))
}

async fn count(tx: &mut Tx<'_>, (tenant, plugin): (TenantId, &str), more: Size) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "UPDATE plugin_state SET kv_entries = kv_entries + $3, kv_bytes = kv_bytes + $4 \
         WHERE tenant_id = $1 AND plugin = $2",
        tenant.0,
        plugin,
        more.0,
        more.1,
    )
    .map(drop)
}

async fn put(
    tx: &mut Tx<'_>,
    (tenant, plugin): (TenantId, &str),
    write: &KvWrite,
    now: Timestamp,
    fence: Option<i64>,
) -> Result<KvPut, StoreError> {
    let (version, (entries, bytes)) = lock(tx, tenant, plugin).await?;
    holds(tx, tenant, fence).await?;
    let over = drop_over(tx, (tenant, plugin), now).await?;
    let stored = fetch_optional!(
        tx.conn(),
        (i64, i64, i64),
        "SELECT version, bytes, CAST(CASE WHEN expires_at <= $4 THEN 1 ELSE 0 END AS BIGINT) FROM plugin_kv \
         WHERE tenant_id = $1 AND plugin = $2 AND key = $3",
        tenant.0,
        plugin,
        &write.key,
        now.micros(),
    )?;
    let known = stored.filter(|(.., is_over)| *is_over == 0).map_or(0, |(version, ..)| version);
    let size = (write.key.len() + write.value.len()) as i64;
    let more = match stored {
        Some((_, bytes, _)) => (0, size - bytes),
        None => (1, size),
    };
    let after = (entries - over.0 + more.0, bytes - over.1 + more.1);
    let refused = if write.expected.is_some_and(|expected| expected != known) {
        Some(KvPut::Other)
    } else if !is_there(tx, tenant, write.part).await? {
        Some(KvPut::Nobody)
    } else if (more.0 > 0 && after.0 > KV_ENTRIES) || (more.1 > 0 && after.1 > KV_BYTES) {
        Some(KvPut::Full)
    } else {
        None
    };
    if let Some(refused) = refused {
        count(tx, (tenant, plugin), (-over.0, -over.1)).await?;
        return Ok(refused);
    }
    execute!(
        tx.conn(),
        "INSERT INTO plugin_kv (tenant_id, plugin, key, value, bytes, version, part_id, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (tenant_id, plugin, key) DO UPDATE SET \
         value = excluded.value, bytes = excluded.bytes, version = excluded.version, part_id = excluded.part_id, \
         expires_at = excluded.expires_at",
        tenant.0,
        plugin,
        &write.key,
        &write.value,
        size,
        version,
        write.part.map(|part| part.to_string()),
        write.expires_at.map(Timestamp::micros),
    )?;
    count(tx, (tenant, plugin), (more.0 - over.0, more.1 - over.1)).await?;
    Ok(KvPut::Stored(version))
}

/// Deletes some of the entries that are over, and answers what they took.
async fn drop_over(tx: &mut Tx<'_>, (tenant, plugin): (TenantId, &str), now: Timestamp) -> Result<Size, StoreError> {
    let gone = fetch_all!(
        tx.conn(),
        (i64,),
        "DELETE FROM plugin_kv WHERE tenant_id = $1 AND plugin = $2 AND key IN (SELECT key FROM plugin_kv \
         WHERE tenant_id = $1 AND plugin = $2 AND expires_at <= $3 ORDER BY expires_at LIMIT $4) RETURNING bytes",
        tenant.0,
        plugin,
        now.micros(),
        limit(OVER),
    )?;
    Ok((gone.len() as i64, gone.iter().map(|(bytes,)| bytes).sum()))
}

async fn is_there(tx: &mut Tx<'_>, tenant: TenantId, part: Option<PartId>) -> Result<bool, StoreError> {
    let Some(part) = part else { return Ok(true) };
    let found = fetch_optional!(
        tx.conn(),
        (i64,),
        "SELECT CAST(1 AS BIGINT) FROM parts WHERE tenant_id = $1 AND part_id = $2",
        tenant.0,
        part.to_string(),
    )?;
    Ok(found.is_some())
}

/// From here on nobody writes an entry of the tenant's plugins.
pub(crate) async fn lock_entries(tx: &mut Tx<'_>, tenant: TenantId) -> Result<(), StoreError> {
    execute!(tx.conn(), "UPDATE plugin_state SET kv_version = kv_version + 1 WHERE tenant_id = $1", tenant.0).map(drop)
}

/// Deletes entries of a part, and answers how many.
pub(crate) async fn forget_entries(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    part: &str,
    rows: usize,
) -> Result<usize, StoreError> {
    let entries = fetch_all!(
        tx.conn(),
        (String, String, i64),
        "SELECT plugin, key, bytes FROM plugin_kv WHERE tenant_id = $1 AND part_id = $2 LIMIT $3",
        tenant.0,
        part,
        limit(rows),
    )?;
    let Some(list) = Rows::of(&entries, |row, (plugin, key, _)| {
        row.text(plugin).text(key);
    }) else {
        return Ok(0);
    };
    execute!(
        tx.conn(),
        "DELETE FROM plugin_kv WHERE tenant_id = $1 AND (plugin, key) IN \
         (SELECT CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT) FROM jsonb_each($2))",
        tenant.0,
        &list.json,
    )?;
    let mut sizes: BTreeMap<&str, Size> = BTreeMap::new();
    for (plugin, _, bytes) in &entries {
        let size = sizes.entry(plugin).or_default();
        *size = (size.0 - 1, size.1 - bytes);
    }
    for (plugin, size) in sizes {
        count(tx, (tenant, plugin), size).await?;
    }
    Ok(entries.len())
}
