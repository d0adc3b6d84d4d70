//! Segments: their versions, who is in them, and how far their first fill has come.

use openhub_model::{Condition, PartId, TenantId, Timestamp};

use crate::database::bulk::{self, Bulk, Rows};
use crate::database::connection::{execute, select};
use crate::database::decode::{id, json, limit, time};
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::state::plugins::{Unreadable, readable};
use crate::store::Store;

#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    pub name: String,
    /// The version in force; none until the engine has reached the position of its first one.
    pub version: Option<i64>,
    /// The greatest version written.
    pub latest: i64,
    /// Of the version in force; none for a static segment.
    pub condition: Option<Condition>,
    pub members: i64,
    /// The first fill of the version in force, while it is under way.
    pub fill: Option<Filling>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// How far a first fill has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filling {
    /// Customers that have been looked at.
    pub filled: i64,
    /// Customers up to here, by id.
    pub filled_to: Option<PartId>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SegmentVersion {
    pub segment: String,
    pub version: i64,
    /// None for a static segment.
    pub condition: Option<Condition>,
    /// Who wrote it: the id of a key.
    pub author: String,
    pub created_at: Timestamp,
}

/// That a customer is in a segment, or, as a change, no longer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    pub segment: String,
    pub customer: PartId,
    /// By the tenant's clock; none if the customer left.
    pub since: Option<Timestamp>,
}

/// A step of a first fill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fill {
    pub segment: String,
    /// Customers that this step looked at.
    pub looked: i64,
    /// Where the next step goes on; none if this was the last one.
    pub filled_to: Option<PartId>,
}

#[derive(sqlx::FromRow)]
struct Row {
    name: String,
    version: Option<i64>,
    latest: i64,
    condition: Option<String>,
    members: i64,
    filling: i64,
    filled: i64,
    filled_to: Option<String>,
    created_at: i64,
    updated_at: i64,
}

impl Store {
    /// The segments that can be read, by name.
    pub async fn segments(&self, scope: &Scope) -> Result<Vec<Segment>, StoreError> {
        Ok(self.readable_segments(scope).await?.0)
    }

    /// The segments by name, and those whose condition cannot be read.
    pub async fn readable_segments(&self, scope: &Scope) -> Result<(Vec<Segment>, Vec<Unreadable>), StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT s.name, s.version, s.latest, v.condition, s.members, s.filling, s.filled, s.filled_to, s.created_at, \
             s.updated_at FROM segments s LEFT JOIN segment_versions v ON v.tenant_id = s.tenant_id \
             AND v.segment = s.name AND v.version = s.version WHERE s.tenant_id = $1 ORDER BY s.name",
            scope.tenant().0,
        );
        Ok(readable(rows.into_iter().map(|row| {
            let (name, version) = (row.name.clone(), row.version);
            segment(row).map_err(|error| Unreadable::of(&name, version, error))
        })))
    }

    pub async fn segment(&self, scope: &Scope, name: &str) -> Result<Option<Segment>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT s.name, s.version, s.latest, v.condition, s.members, s.filling, s.filled, s.filled_to, s.created_at, \
             s.updated_at FROM segments s LEFT JOIN segment_versions v ON v.tenant_id = s.tenant_id \
             AND v.segment = s.name AND v.version = s.version WHERE s.tenant_id = $1 AND s.name = $2",
            scope.tenant().0,
            name.to_owned(),
        );
        rows.into_iter().next().map(segment).transpose()
    }

    /// Every version that was ever written, oldest first.
    pub async fn segment_versions(&self, scope: &Scope, name: &str) -> Result<Vec<SegmentVersion>, StoreError> {
        let rows = select!(
            self,
            scope,
            (String, i64, Option<String>, String, i64),
            "SELECT segment, version, condition, author, created_at FROM segment_versions \
             WHERE tenant_id = $1 AND segment = $2 ORDER BY version",
            scope.tenant().0,
            name.to_owned(),
        );
        rows.into_iter().map(version).collect()
    }

    /// The greatest version written of each segment, in force or not, by name.
    pub async fn latest_segment_versions(&self, scope: &Scope) -> Result<Vec<SegmentVersion>, StoreError> {
        let rows = select!(
            self,
            scope,
            (String, i64, Option<String>, String, i64),
            "SELECT v.segment, v.version, v.condition, v.author, v.created_at FROM segments s JOIN segment_versions v \
             ON v.tenant_id = s.tenant_id AND v.segment = s.name AND v.version = s.latest \
             WHERE s.tenant_id = $1 ORDER BY s.name",
            scope.tenant().0,
        );
        // Whoever writes the next version of one that cannot be read is to find the others all the same.
        let lenient =
            |(segment, number, stored, author, at): (String, i64, Option<String>, String, i64)| SegmentVersion {
                segment,
                version: number,
                condition: condition(stored).unwrap_or_default(),
                author,
                created_at: time(at),
            };
        Ok(rows.into_iter().map(lenient).collect())
    }

    /// A page of a segment's members, by id, and since when they are in it.
    pub async fn members(
        &self,
        scope: &Scope,
        segment: &str,
        after: Option<PartId>,
        rows: usize,
    ) -> Result<Vec<(PartId, Timestamp)>, StoreError> {
        let rows = select!(
            self,
            scope,
            (String, i64),
            "SELECT customer_id, since FROM memberships WHERE tenant_id = $1 AND segment = $2 AND customer_id > $3 \
             ORDER BY customer_id LIMIT $4",
            scope.tenant().0,
            segment.to_owned(),
            after.map(|after| after.to_string()).unwrap_or_default(),
            limit(rows),
        );
        rows.into_iter().map(|(customer, since)| Ok((id(&customer)?, time(since)))).collect()
    }

    /// The segments that these customers are in.
    pub async fn memberships(&self, scope: &Scope, customers: &[PartId]) -> Result<Vec<Membership>, StoreError> {
        if customers.is_empty() {
            return Ok(Vec::new());
        }
        let rows = select!(
            self,
            scope,
            (String, String, i64),
            "SELECT segment, customer_id, since FROM memberships WHERE tenant_id = $1 \
             AND customer_id IN (SELECT atom FROM json_each($2)) ORDER BY customer_id, segment",
            scope.tenant().0,
            bulk::list(customers),
        );
        rows.into_iter()
            .map(|(segment, customer, since)| {
                Ok(Membership { segment, customer: id(&customer)?, since: Some(time(since)) })
            })
            .collect()
    }

    /// A page of customers' ids, ascending.
    pub async fn customer_ids_after(
        &self,
        scope: &Scope,
        after: Option<PartId>,
        rows: usize,
    ) -> Result<Vec<PartId>, StoreError> {
        let rows = select!(
            self,
            scope,
            (String,),
            "SELECT part_id FROM customers WHERE tenant_id = $1 AND part_id > $2 ORDER BY part_id LIMIT $3",
            scope.tenant().0,
            after.map(|after| after.to_string()).unwrap_or_default(),
            limit(rows),
        );
        rows.into_iter().map(|(customer,)| id(&customer)).collect()
    }
}

/// The version must be the one after the latest; else somebody else wrote one meanwhile.
pub(crate) async fn put_segment_version(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    new: &SegmentVersion,
) -> Result<(), StoreError> {
    let put = execute!(
        tx.conn(),
        "INSERT INTO segments (tenant_id, name, latest, created_at, updated_at) VALUES ($1, $2, $3, $4, $4) \
         ON CONFLICT (tenant_id, name) DO UPDATE SET latest = excluded.latest, updated_at = excluded.updated_at \
         WHERE segments.latest = excluded.latest - 1",
        tenant.0,
        &new.segment,
        new.version,
        new.created_at.micros(),
    )?;
    if put == 0 {
        return Err(StoreError::AlreadyExists(format!("{} {}", new.segment, new.version)));
    }
    let condition = new.condition.as_ref().map(|condition| {
        serde_json::to_string(condition).map_err(|_| StoreError::Corrupt("a condition that is not JSON".to_owned()))
    });
    execute!(
        tx.conn(),
        "INSERT INTO segment_versions (tenant_id, segment, version, condition, author, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6)",
        tenant.0,
        &new.segment,
        new.version,
        condition.transpose()?,
        &new.author,
        new.created_at.micros(),
    )
    .map(drop)
}

/// A version takes effect: everybody is looked at anew, unless who is in it is written by hand.
pub(crate) async fn put_in_force(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    name: &str,
    version: i64,
    position: i64,
) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "UPDATE segments SET version = $3, position = $4, filled = 0, filled_to = NULL, \
         filling = (SELECT CASE WHEN v.condition IS NULL THEN 0 ELSE 1 END FROM segment_versions v \
         WHERE v.tenant_id = $1 AND v.segment = $2 AND v.version = $3) WHERE tenant_id = $1 AND name = $2",
        tenant.0,
        name,
        version,
        position,
    )
    .map(drop)
}

pub(crate) async fn remove_segment(tx: &mut Tx<'_>, tenant: TenantId, name: &str) -> Result<(), StoreError> {
    execute!(tx.conn(), "DELETE FROM memberships WHERE tenant_id = $1 AND segment = $2", tenant.0, name)?;
    execute!(tx.conn(), "DELETE FROM segments WHERE tenant_id = $1 AND name = $2", tenant.0, name).map(drop)
}

pub(crate) async fn filled(tx: &mut Tx<'_>, tenant: TenantId, fill: &Fill) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "UPDATE segments SET filled = filled + $3, filled_to = $4, filling = $5 WHERE tenant_id = $1 AND name = $2",
        tenant.0,
        &fill.segment,
        fill.looked,
        fill.filled_to.map(|customer| customer.to_string()),
        i64::from(fill.filled_to.is_some()),
    )
    .map(drop)
}

/// Who entered, who left, and by how much that changes each segment's count.
pub(crate) struct MembershipRows {
    entered: Option<Bulk>,
    left: Option<Bulk>,
    counts: Option<Bulk>,
}

pub(crate) fn membership_rows(changes: &[Membership]) -> MembershipRows {
    let mut counts = std::collections::BTreeMap::<&str, i64>::new();
    for change in changes {
        *counts.entry(&change.segment).or_default() += if change.since.is_some() { 1 } else { -1 };
    }
    let entered = changes.iter().filter_map(|change| Some((change, change.since?)));
    MembershipRows {
        entered: Rows::of(entered, |row, (change, since)| {
            row.text(&change.segment).id(change.customer).time(since);
        }),
        left: Rows::of(changes.iter().filter(|change| change.since.is_none()), |row, change| {
            row.text(&change.segment).id(change.customer);
        }),
        counts: Rows::of(counts, |row, (segment, count)| {
            row.text(segment).int(count);
        }),
    }
}

pub(crate) async fn put_memberships(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    rows: &MembershipRows,
) -> Result<(), StoreError> {
    if let Some(left) = &rows.left {
        execute!(
            tx.conn(),
            "DELETE FROM memberships WHERE tenant_id = $1 AND (segment, customer_id) IN \
             (SELECT CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT) FROM jsonb_each($2))",
            tenant.0,
            &left.json,
        )?;
    }
    if let Some(entered) = &rows.entered {
        execute!(
            tx.conn(),
            "INSERT INTO memberships (tenant_id, segment, customer_id, since) SELECT $1, CAST(value ->> 0 AS TEXT), \
             CAST(value ->> 1 AS TEXT), CAST(value ->> 2 AS BIGINT) FROM jsonb_each($2) WHERE true \
             ON CONFLICT (tenant_id, segment, customer_id) DO UPDATE SET since = excluded.since",
            tenant.0,
            &entered.json,
        )?;
    }
    if let Some(counts) = &rows.counts {
        execute!(
            tx.conn(),
            "WITH counts AS MATERIALIZED (SELECT CAST(value ->> 0 AS TEXT) AS segment, \
             CAST(value ->> 1 AS BIGINT) AS change FROM jsonb_each($2)) UPDATE segments \
             SET members = members + (SELECT counts.change FROM counts WHERE counts.segment = segments.name) \
             WHERE tenant_id = $1 AND name IN (SELECT counts.segment FROM counts)",
            tenant.0,
            &counts.json,
        )?;
    }
    Ok(())
}

fn segment(row: Row) -> Result<Segment, StoreError> {
    let filled_to = row.filled_to.map(|part| id(&part)).transpose()?;
    Ok(Segment {
        name: row.name,
        version: row.version,
        latest: row.latest,
        condition: condition(row.condition)?,
        members: row.members,
        fill: (row.filling == 1).then_some(Filling { filled: row.filled, filled_to }),
        created_at: time(row.created_at),
        updated_at: time(row.updated_at),
    })
}

fn version(
    (segment, version, stored, author, created_at): (String, i64, Option<String>, String, i64),
) -> Result<SegmentVersion, StoreError> {
    Ok(SegmentVersion { segment, version, condition: condition(stored)?, author, created_at: time(created_at) })
}

fn condition(stored: Option<String>) -> Result<Option<Condition>, StoreError> {
    stored.map(|stored| json(&stored, "condition of a segment")).transpose()
}
