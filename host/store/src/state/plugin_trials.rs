//! A version of a plugin that is tried beside the active one: it serves a part of the customers (a canary), or is called beside it
//! and changes nothing (a shadow). What a shadow answered is summed by rule, and the first rows that differ are kept.

use std::collections::BTreeMap;

use openhub_model::{PartId, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::changes::CatalogChange;
use crate::database::bulk::{self, Bulk, Rows};
use crate::database::connection::{execute, select};
use crate::database::decode::maybe_id;
use crate::database::transaction::Tx;
use crate::error::{ObjectKey, StoreError};
use crate::scope::Scope;
use crate::store::Store;

/// Rows that differ, of a plugin; those that come later are counted.
pub const SHADOW_ROWS: i64 = 100;

/// A version that serves a part of the customers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Canary {
    /// Of the candidate.
    pub digest: String,
    /// 1 to 99.
    pub percent: u8,
    /// What was agreed to with it.
    pub grant: Value,
    /// Where in the log it began to serve so many.
    pub position: i64,
}

/// A version that is called beside the active one, and changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shadow {
    /// Of the candidate.
    pub digest: String,
    /// Where in the log it began.
    pub position: i64,
}

/// What a shadow answered for a rule, beside the active version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShadowCount {
    pub plugin: String,
    pub rule: String,
    /// Rows that both were asked about.
    pub compared: i64,
    /// Rows for which they answered differently; one that either breaks off on, and the other does not, among them.
    pub differing: i64,
    /// Rows for which the shadow answers otherwise when it is asked about them alone.
    pub neighbours: i64,
    /// Rows that it was not asked about, since it took too much.
    pub skipped: i64,
    /// Rows that the shadow breaks off on.
    pub faults: i64,
    /// What the active version burnt for the rows that were compared, and what the shadow burnt.
    pub fuel: i64,
    pub shadow_fuel: i64,
}

impl ShadowCount {
    /// Adds counts of the same rule.
    pub fn add(&mut self, more: &ShadowCount) {
        self.compared += more.compared;
        self.differing += more.differing;
        self.neighbours += more.neighbours;
        self.skipped += more.skipped;
        self.faults += more.faults;
        self.fuel = self.fuel.saturating_add(more.fuel);
        self.shadow_fuel = self.shadow_fuel.saturating_add(more.shadow_fuel);
    }
}

/// A row on which they differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShadowRow {
    pub plugin: String,
    pub rule: String,
    /// Of the event.
    pub message_id: String,
    /// Of the event in the log, or of the one that it goes back to.
    pub position: i64,
    /// Whose event it is: erasing them takes the row with them.
    pub part: Option<PartId>,
    /// What each of them answered, as JSON.
    pub differs: String,
}

#[derive(sqlx::FromRow)]
struct Count {
    plugin: String,
    rule: String,
    compared: i64,
    differing: i64,
    neighbours: i64,
    skipped: i64,
    faults: i64,
    fuel: i64,
    shadow_fuel: i64,
}

impl Store {
    /// What the shadow of a plugin answered since it began, by rule.
    pub async fn shadow_counts(&self, scope: &Scope, plugin: &str) -> Result<Vec<ShadowCount>, StoreError> {
        let rows = select!(
            self,
            scope,
            Count,
            "SELECT plugin, rule, compared, differing, neighbours, skipped, faults, fuel, shadow_fuel FROM plugin_shadows \
             WHERE tenant_id = $1 AND plugin = $2 ORDER BY rule",
            scope.tenant().0,
            plugin,
        );
        let counts = rows.into_iter().map(|row| {
            let Count { plugin, rule, compared, differing, neighbours, skipped, faults, fuel, shadow_fuel } = row;
            ShadowCount { plugin, rule, compared, differing, neighbours, skipped, faults, fuel, shadow_fuel }
        });
        Ok(counts.collect())
    }

    /// The rows that are kept of those that differ, in the order of the log.
    pub async fn shadow_rows(&self, scope: &Scope, plugin: &str) -> Result<Vec<ShadowRow>, StoreError> {
        scope.sees_people()?;
        let rows = select!(
            self,
            scope,
            (String, String, i64, Option<String>, String),
            "SELECT rule, message_id, position, part_id, differs FROM plugin_shadow_rows \
             WHERE tenant_id = $1 AND plugin = $2 ORDER BY position, message_id, rule",
            scope.tenant().0,
            plugin,
        );
        let rows = rows.into_iter().map(|(rule, message_id, position, part, differs)| {
            let (plugin, part) = (plugin.to_owned(), maybe_id(part.as_deref())?);
            Ok(ShadowRow { plugin, rule, message_id, position, part, differs })
        });
        rows.collect()
    }

    /// The same rows of a customer's parts, of all plugins.
    pub async fn shadow_rows_of(&self, scope: &Scope, parts: &[PartId]) -> Result<Vec<ShadowRow>, StoreError> {
        scope.sees_people()?;
        let rows = select!(
            self,
            scope,
            (String, String, String, i64, Option<String>, String),
            "SELECT plugin, rule, message_id, position, part_id, differs FROM plugin_shadow_rows \
             WHERE tenant_id = $1 AND part_id IN (SELECT atom FROM json_each($2)) ORDER BY plugin, position, message_id, rule",
            scope.tenant().0,
            bulk::list(parts),
        );
        let rows = rows.into_iter().map(|(plugin, rule, message_id, position, part, differs)| {
            let part = maybe_id(part.as_deref())?;
            Ok(ShadowRow { plugin, rule, message_id, position, part, differs })
        });
        rows.collect()
    }
}

/// Of [`CatalogChange::Canary`] and [`CatalogChange::Shadow`]: what was uploaded or activated since the change was judged is not
/// what was agreed to, and it is judged again.
pub(crate) async fn change_trial(tx: &mut Tx<'_>, tenant: TenantId, change: &CatalogChange) -> Result<(), StoreError> {
    let text = |trial: Result<String, serde_json::Error>| trial.map_err(|error| StoreError::Corrupt(error.to_string()));
    let (name, changed) = match change {
        CatalogChange::Canary { name, from, canary } => {
            let digest = canary.as_ref().map(|canary| canary.digest.clone());
            let canary = canary.as_ref().map(|canary| text(serde_json::to_string(canary))).transpose()?;
            let changed = execute!(
                tx.conn(),
                "UPDATE plugins SET canary = $3 WHERE tenant_id = $1 AND name = $2 AND digest = COALESCE($4, digest) \
                 AND COALESCE(candidate, '') = COALESCE($5, candidate, '')",
                tenant.0,
                name,
                canary,
                from.as_deref(),
                digest,
            )?;
            (name, changed)
        }
        CatalogChange::Shadow { name, from, shadow } => {
            let digest = shadow.as_ref().map(|shadow| shadow.digest.clone());
            let shadow = shadow.as_ref().map(|shadow| text(serde_json::to_string(shadow))).transpose()?;
            let changed = execute!(
                tx.conn(),
                "UPDATE plugins SET shadow = $3 WHERE tenant_id = $1 AND name = $2 AND digest = COALESCE($4, digest) \
                 AND COALESCE(candidate, '') = COALESCE($5, candidate, '')",
                tenant.0,
                name,
                shadow,
                from.as_deref(),
                &digest,
            )?;
            if digest.is_some() {
                forget_shadow(tx, tenant, name).await?;
            }
            (name, changed)
        }
        _ => return Ok(()),
    };
    if changed == 0 { Err(StoreError::VersionConflict(vec![ObjectKey::new("plugin", name.clone())])) } else { Ok(()) }
}

/// What an earlier shadow has found.
async fn forget_shadow(tx: &mut Tx<'_>, tenant: TenantId, plugin: &str) -> Result<(), StoreError> {
    execute!(tx.conn(), "DELETE FROM plugin_shadows WHERE tenant_id = $1 AND plugin = $2", tenant.0, plugin)?;
    execute!(tx.conn(), "DELETE FROM plugin_shadow_rows WHERE tenant_id = $1 AND plugin = $2", tenant.0, plugin)
        .map(drop)
}

pub(crate) fn shadow_count_rows(counts: &[ShadowCount]) -> Option<Bulk> {
    Rows::of(counts, |row, count| {
        row.text(&count.plugin).text(&count.rule).int(count.compared).int(count.differing).int(count.neighbours);
        row.int(count.skipped).int(count.faults).int(count.fuel).int(count.shadow_fuel);
    })
}

pub(crate) fn shadow_rows(rows: &[ShadowRow]) -> Option<Bulk> {
    let mut numbers: BTreeMap<&str, i64> = BTreeMap::new();
    Rows::of(rows, |row, differing| {
        let number = numbers.entry(&differing.plugin).or_default();
        *number += 1;
        row.text(&differing.plugin).text(&differing.rule).text(&differing.message_id).int(differing.position);
        row.maybe_id(differing.part).text(&differing.differs).int(*number);
    })
}

/// Adds to the sums. No rule occurs twice.
pub(crate) async fn put_shadow_counts(tx: &mut Tx<'_>, tenant: TenantId, rows: &Bulk) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "INSERT INTO plugin_shadows (tenant_id, plugin, rule, compared, differing, neighbours, skipped, faults, fuel, \
         shadow_fuel) SELECT p.tenant_id, p.name, CAST(value ->> 1 AS TEXT), CAST(value ->> 2 AS BIGINT), \
         CAST(value ->> 3 AS BIGINT), CAST(value ->> 4 AS BIGINT), CAST(value ->> 5 AS BIGINT), CAST(value ->> 6 AS BIGINT), \
         CAST(value ->> 7 AS BIGINT), CAST(value ->> 8 AS BIGINT) FROM jsonb_each($2) JOIN plugins p ON p.tenant_id = $1 \
         AND p.name = CAST(value ->> 0 AS TEXT) WHERE true ON CONFLICT (tenant_id, plugin, rule) DO UPDATE SET \
         compared = plugin_shadows.compared + excluded.compared, differing = plugin_shadows.differing + excluded.differing, \
         neighbours = plugin_shadows.neighbours + excluded.neighbours, skipped = plugin_shadows.skipped + excluded.skipped, \
         faults = plugin_shadows.faults + excluded.faults, fuel = plugin_shadows.fuel + excluded.fuel, \
         shadow_fuel = plugin_shadows.shadow_fuel + excluded.shadow_fuel",
        tenant.0,
        &rows.json,
    )
    .map(drop)
}

/// Keeps the first of each plugin; one that is there already stays as it is.
pub(crate) async fn put_shadow_rows(tx: &mut Tx<'_>, tenant: TenantId, rows: &Bulk) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "INSERT INTO plugin_shadow_rows (tenant_id, plugin, rule, message_id, position, part_id, differs) \
         SELECT p.tenant_id, p.name, CAST(value ->> 1 AS TEXT), CAST(value ->> 2 AS TEXT), CAST(value ->> 3 AS BIGINT), \
         CAST(value ->> 4 AS TEXT), CAST(value ->> 5 AS TEXT) FROM jsonb_each($2) JOIN plugins p ON p.tenant_id = $1 \
         AND p.name = CAST(value ->> 0 AS TEXT) WHERE CAST(value ->> 6 AS BIGINT) + (SELECT COUNT(*) FROM plugin_shadow_rows r \
         WHERE r.tenant_id = $1 AND r.plugin = p.name) <= $3 ON CONFLICT (tenant_id, plugin, rule, message_id) DO NOTHING",
        tenant.0,
        &rows.json,
        SHADOW_ROWS,
    )
    .map(drop)
}

/// Drops what is kept of customers' rows. `parts` is a list of ids.
pub(crate) async fn forget_shadow_rows(tx: &mut Tx<'_>, tenant: TenantId, parts: &str) -> Result<u64, StoreError> {
    execute!(
        tx.conn(),
        "DELETE FROM plugin_shadow_rows WHERE tenant_id = $1 AND part_id IN (SELECT atom FROM json_each($2))",
        tenant.0,
        parts,
    )
}
