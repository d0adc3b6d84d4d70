//! Which objects lead to which: what an object leads to is there when it is written, and is not deleted while one does.

use openhub_model::TenantId;

use crate::database::bulk::{Bulk, Rows};
use crate::database::connection::{execute, fetch_all, fetch_optional, select};
use crate::database::decode::limit;
use crate::database::dialect::hold_statement;
use crate::database::transaction::Tx;
use crate::error::{Leads, ObjectKey, StoreError};
use crate::scope::Scope;
use crate::store::Store;

/// A value of a relation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Relation {
    pub field: String,
    pub to: ObjectKey,
    /// Whether it is given up when that object is deleted.
    pub clears: bool,
}

/// An object that leads to another, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referrer {
    pub leads: Leads,
    pub clears: bool,
}

impl Store {
    /// The objects that lead to these, at most so many of each.
    pub async fn referrers(
        &self,
        scope: &Scope,
        to: &[(String, String)],
        most: usize,
    ) -> Result<Vec<Referrer>, StoreError> {
        scope.sees_people()?;
        let mut found = Vec::new();
        for (kind, key) in to {
            let rows = select!(
                self,
                scope,
                (String, String, String, i64),
                "SELECT kind, object_key, field, clears FROM object_relations WHERE tenant_id = $1 AND to_kind = $2 \
                 AND to_key = $3 ORDER BY kind, object_key, field LIMIT $4",
                scope.tenant().0,
                kind,
                key,
                limit(most),
            );
            found.extend(rows.into_iter().map(|(from_kind, from_key, field, clears)| {
                let (from, to) = (ObjectKey::new(from_kind, from_key), ObjectKey::new(kind, key));
                Referrer { leads: Leads { from, field, to }, clears: clears != 0 }
            }));
        }
        Ok(found)
    }
}

/// What objects that are written lead to, as bulk rows.
#[derive(Default)]
pub(crate) struct RelationWrites {
    /// `(kind, key)` of what is written of types that have relations, and of what is deleted.
    cleared: Option<Bulk>,
    relations: Option<Bulk>,
    /// `(kind, key)` of what is deleted.
    deleted: Option<Bulk>,
}

impl RelationWrites {
    pub(crate) fn of<'a>(
        written: impl Iterator<Item = (&'a str, &'a str, &'a [Relation])> + Clone,
        deleted: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    ) -> RelationWrites {
        let pair = |row: &mut crate::database::bulk::Row<'_>, (kind, key): (&str, &str)| {
            row.text(kind).text(key);
        };
        let mut relations = Rows::new();
        for (kind, key, leads) in written.clone() {
            let mut leads: Vec<&Relation> = leads.iter().collect();
            leads.sort_unstable();
            leads.dedup_by(|one, other| (&one.field, &one.to) == (&other.field, &other.to));
            for Relation { field, to, clears } in leads {
                relations.add(|row| {
                    row.text(kind).text(key).text(field).text(&to.kind).text(&to.key).int(i64::from(*clears));
                });
            }
        }
        RelationWrites {
            cleared: Rows::of(written.map(|(kind, key, _)| (kind, key)).chain(deleted.clone()), pair),
            relations: relations.finish(),
            deleted: Rows::of(deleted, pair),
        }
    }

    fn is_nothing(&self) -> bool {
        self.relations.is_none() && self.cleared.is_none()
    }
}

/// Before the objects are written: nobody else writes any of the tenant's until this is committed. What they lead to stays.
pub(crate) async fn hold_relations(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    writes: &RelationWrites,
) -> Result<(), StoreError> {
    if writes.is_nothing() {
        return Ok(());
    }
    let hold = hold_statement(&tx.conn());
    fetch_optional!(tx.conn(), (i64,), hold, tenant.0).map(drop)
}

/// Behind the objects.
///
/// [`StoreError::LeadsNowhere`] if one leads anew to what is not there, [`StoreError::LedTo`] if one still leads to what is
/// deleted.
pub(crate) async fn write_relations(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    writes: &RelationWrites,
) -> Result<(), StoreError> {
    if let Some(rows) = &writes.relations {
        let lost = fetch_all!(
            tx.conn(),
            Row,
            "SELECT CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT), CAST(value ->> 2 AS TEXT), \
             CAST(value ->> 3 AS TEXT), CAST(value ->> 4 AS TEXT) FROM jsonb_each($2) \
             WHERE NOT EXISTS (SELECT 1 FROM objects WHERE objects.tenant_id = $1 \
             AND objects.kind = CAST(value ->> 3 AS TEXT) AND objects.key = CAST(value ->> 4 AS TEXT)) \
             AND NOT EXISTS (SELECT 1 FROM object_relations WHERE object_relations.tenant_id = $1 \
             AND object_relations.to_kind = CAST(value ->> 3 AS TEXT) AND object_relations.to_key = CAST(value ->> 4 AS TEXT) \
             AND object_relations.kind = CAST(value ->> 0 AS TEXT) AND object_relations.object_key = CAST(value ->> 1 AS TEXT) \
             AND object_relations.field = CAST(value ->> 2 AS TEXT))",
            tenant.0,
            &rows.json,
        )?;
        if !lost.is_empty() {
            return Err(StoreError::LeadsNowhere(lost.into_iter().map(leads).collect()));
        }
    }
    if let Some(rows) = &writes.cleared {
        execute!(
            tx.conn(),
            "DELETE FROM object_relations WHERE tenant_id = $1 AND (kind, object_key) IN \
             (SELECT CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT) FROM jsonb_each($2))",
            tenant.0,
            &rows.json,
        )?;
    }
    if let Some(rows) = &writes.relations {
        execute!(
            tx.conn(),
            "INSERT INTO object_relations (tenant_id, kind, object_key, field, to_kind, to_key, clears) SELECT $1, \
             CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT), CAST(value ->> 2 AS TEXT), CAST(value ->> 3 AS TEXT), \
             CAST(value ->> 4 AS TEXT), CAST(value ->> 5 AS BIGINT) FROM jsonb_each($2) WHERE true ON CONFLICT DO NOTHING",
            tenant.0,
            &rows.json,
        )?;
    }
    if let Some(rows) = &writes.deleted {
        let led = fetch_all!(
            tx.conn(),
            Row,
            "SELECT kind, object_key, field, to_kind, to_key FROM object_relations WHERE tenant_id = $1 \
             AND (to_kind, to_key) IN (SELECT CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT) FROM jsonb_each($2)) \
             ORDER BY kind, object_key, field LIMIT 20",
            tenant.0,
            &rows.json,
        )?;
        if !led.is_empty() {
            return Err(StoreError::LedTo(led.into_iter().map(leads).collect()));
        }
    }
    Ok(())
}

/// From (type and key), the field, and to (type and key).
type Row = (String, String, String, String, String);

fn leads((kind, key, field, to_kind, to_key): Row) -> Leads {
    Leads { from: ObjectKey::new(kind, key), field, to: ObjectKey::new(to_kind, to_key) }
}
