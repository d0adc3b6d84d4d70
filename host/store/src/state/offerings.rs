//! Offerings and their versions: rows of the tenant that publishes them. Who may see them from below is decided where it is asked.

use openhub_model::offering::{Document, VersionState};
use openhub_model::{TenantId, Timestamp};
use std::collections::BTreeMap;

use crate::database::connection::{execute, fetch_optional, select};
use crate::database::decode::{json, maybe_time, time};
use crate::database::transaction::Tx;
use crate::error::{ObjectKey, StoreError};
use crate::scope::Scope;
use crate::store::Store;

/// Of a tenant at most.
pub const OFFERINGS: i64 = 1_000;
/// Of an offering at most.
pub const OFFERING_VERSIONS: i64 = 1_000;

/// What stays the same from version to version, and may be written anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offering {
    pub name: String,
    /// What people are shown, by language.
    pub title: BTreeMap<String, String>,
    pub description: BTreeMap<String, String>,
    /// The number of its newest version; 0: it has none.
    pub latest: i64,
    /// Of this row.
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A version of an offering. Only its times change.
#[derive(Clone, Debug, PartialEq)]
pub struct OfferingVersion {
    pub offering: String,
    pub version: i64,
    pub digest: String,
    pub document: Document,
    pub created_by: String,
    pub created_at: Timestamp,
    /// From when on partners can have it; none: it is a draft.
    pub active_at: Option<Timestamp>,
    pub archived_at: Option<Timestamp>,
}

impl OfferingVersion {
    pub fn state(&self, now: Timestamp) -> VersionState {
        VersionState::of(self.active_at, self.archived_at, now)
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    name: String,
    title: String,
    description: String,
    latest: i64,
    version: i64,
    created_at: i64,
    updated_at: i64,
}

impl Row {
    fn read(self) -> Result<Offering, StoreError> {
        Ok(Offering {
            name: self.name,
            title: json(&self.title, "title of an offering")?,
            description: json(&self.description, "description of an offering")?,
            latest: self.latest,
            version: self.version,
            created_at: time(self.created_at),
            updated_at: time(self.updated_at),
        })
    }
}

#[derive(sqlx::FromRow)]
struct VersionRow {
    offering: String,
    version: i64,
    digest: String,
    document: String,
    created_by: String,
    created_at: i64,
    active_at: Option<i64>,
    archived_at: Option<i64>,
}

impl VersionRow {
    fn read(self) -> Result<OfferingVersion, StoreError> {
        Ok(OfferingVersion {
            offering: self.offering,
            version: self.version,
            digest: self.digest,
            document: json(&self.document, "document of an offering")?,
            created_by: self.created_by,
            created_at: time(self.created_at),
            active_at: maybe_time(self.active_at),
            archived_at: maybe_time(self.archived_at),
        })
    }
}

impl Store {
    /// All of them by name.
    pub async fn offerings(&self, scope: &Scope) -> Result<Vec<Offering>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT name, title, description, latest, version, created_at, updated_at FROM offerings \
             WHERE tenant_id = $1 ORDER BY name",
            scope.tenant().0,
        );
        rows.into_iter().map(Row::read).collect()
    }

    pub async fn offering(&self, scope: &Scope, name: &str) -> Result<Option<Offering>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT name, title, description, latest, version, created_at, updated_at FROM offerings \
             WHERE tenant_id = $1 AND name = $2",
            scope.tenant().0,
            name,
        );
        rows.into_iter().next().map(Row::read).transpose()
    }

    /// The versions of an offering, the newest first.
    pub async fn offering_versions(&self, scope: &Scope, offering: &str) -> Result<Vec<OfferingVersion>, StoreError> {
        let rows = select!(
            self,
            scope,
            VersionRow,
            "SELECT offering, version, digest, document, created_by, created_at, active_at, archived_at FROM offering_versions \
             WHERE tenant_id = $1 AND offering = $2 ORDER BY version DESC",
            scope.tenant().0,
            offering,
        );
        rows.into_iter().map(VersionRow::read).collect()
    }

    pub async fn offering_version(
        &self,
        scope: &Scope,
        offering: &str,
        version: i64,
    ) -> Result<Option<OfferingVersion>, StoreError> {
        let rows = select!(
            self,
            scope,
            VersionRow,
            "SELECT offering, version, digest, document, created_by, created_at, active_at, archived_at FROM offering_versions \
             WHERE tenant_id = $1 AND offering = $2 AND version = $3",
            scope.tenant().0,
            offering,
            version,
        );
        rows.into_iter().next().map(VersionRow::read).transpose()
    }

    /// Of each offering the newest version that is active at `now`, by name.
    pub async fn active_offerings(
        &self,
        scope: &Scope,
        now: Timestamp,
    ) -> Result<Vec<(Offering, OfferingVersion)>, StoreError> {
        let rows = select!(
            self,
            scope,
            VersionRow,
            "SELECT offering, version, digest, document, created_by, created_at, active_at, archived_at FROM offering_versions v \
             WHERE tenant_id = $1 AND version = (SELECT MAX(n.version) FROM offering_versions n WHERE n.tenant_id = $1 \
             AND n.offering = v.offering AND n.active_at <= $2 AND (n.archived_at IS NULL OR n.archived_at > $2)) ORDER BY offering",
            scope.tenant().0,
            now.micros(),
        );
        let mut offerings: BTreeMap<String, Offering> =
            self.offerings(scope).await?.into_iter().map(|offering| (offering.name.clone(), offering)).collect();
        let versions: Vec<OfferingVersion> = rows.into_iter().map(VersionRow::read).collect::<Result<_, _>>()?;
        // One that was made between the two reads is not shown yet.
        Ok(versions.into_iter().filter_map(|version| Some((offerings.remove(&version.offering)?, version))).collect())
    }
}

/// Writes version 1 of a new one, or the next version of one that is there; else [`StoreError::VersionConflict`].
pub(crate) async fn put_offering(tx: &mut Tx<'_>, tenant: TenantId, offering: &Offering) -> Result<(), StoreError> {
    let (title, description) = (texts(&offering.title), texts(&offering.description));
    let written = if offering.version == 1 {
        execute!(
            tx.conn(),
            "INSERT INTO offerings (tenant_id, name, title, description, latest, version, created_at, updated_at) \
             SELECT CAST($1 AS BIGINT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS TEXT), 0, 1, CAST($5 AS BIGINT), CAST($5 AS BIGINT) \
             WHERE (SELECT COUNT(*) FROM offerings WHERE tenant_id = $1) < $6 ON CONFLICT (tenant_id, name) DO NOTHING",
            tenant.0,
            &offering.name,
            title,
            description,
            offering.updated_at.micros(),
            OFFERINGS,
        )?
    } else {
        execute!(
            tx.conn(),
            "UPDATE offerings SET title = $3, description = $4, version = $5, updated_at = $6 \
             WHERE tenant_id = $1 AND name = $2 AND version = $5 - 1",
            tenant.0,
            &offering.name,
            title,
            description,
            offering.version,
            offering.updated_at.micros(),
        )?
    };
    changed(written, &offering.name)
}

/// One that nobody ever subscribed to; else [`StoreError::VersionConflict`].
pub(crate) async fn drop_offering(tx: &mut Tx<'_>, tenant: TenantId, name: &str) -> Result<(), StoreError> {
    let dropped = execute!(
        tx.conn(),
        "DELETE FROM offerings WHERE tenant_id = $1 AND name = $2 \
         AND NOT EXISTS (SELECT 1 FROM subscriptions WHERE provider_id = $1 AND offering = $2)",
        tenant.0,
        name,
    )?;
    changed(dropped, name)
}

/// The next version of an offering (`latest` + 1, else [`StoreError::VersionConflict`]).
pub(crate) async fn put_offering_version(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    version: &OfferingVersion,
) -> Result<(), StoreError> {
    let moved = execute!(
        tx.conn(),
        "UPDATE offerings SET latest = $3 WHERE tenant_id = $1 AND name = $2 AND latest = $3 - 1",
        tenant.0,
        &version.offering,
        version.version,
    )?;
    changed(moved, &version.offering)?;
    execute!(
        tx.conn(),
        "INSERT INTO offering_versions (tenant_id, offering, version, digest, document, created_by, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        tenant.0,
        &version.offering,
        version.version,
        &version.digest,
        serde_json::json!(version.document).to_string(),
        &version.created_by,
        version.created_at.micros(),
    )
    .map(drop)
}

/// The times of a version, if it stands as `version` was read; else [`StoreError::VersionConflict`].
pub(crate) async fn set_version_times(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    read: &OfferingVersion,
    (active_at, archived_at): (Option<Timestamp>, Option<Timestamp>),
) -> Result<(), StoreError> {
    let known = fetch_optional!(
        tx.conn(),
        (Option<i64>, Option<i64>),
        "SELECT active_at, archived_at FROM offering_versions WHERE tenant_id = $1 AND offering = $2 AND version = $3",
        tenant.0,
        &read.offering,
        read.version,
    )?;
    let (was_active_at, was_archived_at) = known.ok_or(StoreError::NotFound)?;
    if (maybe_time(was_active_at), maybe_time(was_archived_at)) != (read.active_at, read.archived_at) {
        return changed(0, &read.offering);
    }
    execute!(
        tx.conn(),
        "UPDATE offering_versions SET active_at = $4, archived_at = $5 WHERE tenant_id = $1 AND offering = $2 AND version = $3",
        tenant.0,
        &read.offering,
        read.version,
        active_at.map(Timestamp::micros),
        archived_at.map(Timestamp::micros),
    )
    .map(drop)
}

fn changed(rows: u64, offering: &str) -> Result<(), StoreError> {
    match rows {
        0 => Err(StoreError::VersionConflict(vec![ObjectKey::new("offering", offering.to_owned())])),
        _ => Ok(()),
    }
}

fn texts(texts: &BTreeMap<String, String>) -> String {
    serde_json::to_string(texts).unwrap_or_default()
}
