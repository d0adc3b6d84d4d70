//! Changes of objects in bulk: all of them, or none and who is in conflict.

use openhub_model::TenantId;
use std::collections::HashSet;

use crate::database::bulk::{Bulk, Rows};
use crate::database::connection::{execute, fetch_all};
use crate::database::transaction::Tx;
use crate::error::{Clash, ObjectKey, StoreError};
use crate::state::object_relations::{RelationWrites, hold_relations, write_relations};
use crate::state::objects::ObjectChange;

/// Changes of objects as bulk rows, one statement each.
#[derive(Default)]
pub(crate) struct ObjectWrites {
    creates: Option<Bulk>,
    replaces: Option<Bulk>,
    deletes: Option<Bulk>,
    /// `(kind, key)` of what had uniques before.
    cleared: Option<Bulk>,
    uniques: Option<Bulk>,
    /// Objects of this batch that share a key or a unique value with an earlier one of it.
    doubled: Vec<Clash>,
    /// All that are created or replaced.
    keys: Vec<ObjectKey>,
    relations: RelationWrites,
}

pub(crate) fn object_writes(changes: &[ObjectChange]) -> ObjectWrites {
    let (mut creates, mut replaces, mut deletes) = (Rows::new(), Rows::new(), Rows::new());
    let (mut cleared, mut uniques) = (Rows::new(), Rows::new());
    let (mut doubled, mut all) = (Vec::new(), Vec::new());
    let (mut keys, mut values) = (HashSet::new(), HashSet::new());
    for change in changes {
        match change {
            ObjectChange::Create(object, indexed) | ObjectChange::Replace { object, indexed, .. } => {
                all.push(ObjectKey::new(&object.kind, &object.key));
                let replaced = match change {
                    ObjectChange::Replace { stored, .. } => Some(*stored),
                    _ => None,
                };
                let is_new = replaced.is_none();
                if is_new && !keys.insert((&object.kind, &object.key)) {
                    doubled.push(Clash { object: ObjectKey::new(&object.kind, &object.key), value: None });
                }
                let rows = if is_new { &mut creates } else { &mut replaces };
                rows.add(|row| {
                    row.text(&object.kind).text(&object.key).maybe_id(object.part).int(object.version);
                    row.value(&object.fields).time(object.created_at).time(object.updated_at).text(&object.cause);
                    if let Some(stored) = replaced {
                        row.int(stored);
                    }
                });
                if !is_new {
                    cleared.add(|row| {
                        row.text(&object.kind).text(&object.key);
                    });
                }
                for (field, value) in &indexed.uniques {
                    if !values.insert((&object.kind, field, value)) {
                        let value = Some((field.clone(), value.clone()));
                        doubled.push(Clash { object: ObjectKey::new(&object.kind, &object.key), value });
                    }
                    uniques.add(|row| {
                        row.text(&object.kind).text(field).text(value).text(&object.key);
                    });
                }
            }
            ObjectChange::Delete { kind, key, version } => {
                deletes.add(|row| {
                    row.text(kind).text(key).int(*version);
                });
                cleared.add(|row| {
                    row.text(kind).text(key);
                });
            }
        }
    }
    ObjectWrites {
        creates: creates.finish(),
        replaces: replaces.finish(),
        deletes: deletes.finish(),
        cleared: cleared.finish(),
        uniques: uniques.finish(),
        doubled,
        keys: all,
        relations: relations_of(changes),
    }
}

fn relations_of(changes: &[ObjectChange]) -> RelationWrites {
    let written = changes.iter().filter_map(|change| match change {
        ObjectChange::Create(object, indexed) | ObjectChange::Replace { object, indexed, .. } => {
            Some((object.kind.as_str(), object.key.as_str(), indexed.relations.as_deref()?))
        }
        ObjectChange::Delete { .. } => None,
    });
    let deleted = changes.iter().filter_map(|change| match change {
        ObjectChange::Delete { kind, key, .. } => Some((kind.as_str(), key.as_str())),
        _ => None,
    });
    RelationWrites::of(written, deleted)
}

/// Writes all changes or answers who is in conflict; the caller's savepoint undoes what was written by then.
pub(crate) async fn write_objects(tx: &mut Tx<'_>, tenant: TenantId, writes: &ObjectWrites) -> Result<(), StoreError> {
    if !writes.doubled.is_empty() {
        return Err(StoreError::UniqueConflict(writes.doubled.clone()));
    }
    hold_relations(tx, tenant, &writes.relations).await?;
    if let Some(rows) = &writes.deletes {
        let deleted = execute!(
            tx.conn(),
            "DELETE FROM objects WHERE tenant_id = $1 AND (kind, key, version) IN (SELECT CAST(value ->> 0 AS TEXT), \
             CAST(value ->> 1 AS TEXT), CAST(value ->> 2 AS BIGINT) FROM jsonb_each($2))",
            tenant.0,
            &rows.json,
        )?;
        if deleted != rows.count {
            return Err(stale(tx, tenant, rows, "SELECT CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT) FROM jsonb_each($2) WHERE NOT EXISTS (SELECT 1 \
                 FROM objects WHERE objects.tenant_id = $1 AND objects.kind = CAST(value ->> 0 AS TEXT) \
                 AND objects.key = CAST(value ->> 1 AS TEXT) AND objects.version = CAST(value ->> 2 AS BIGINT))").await);
        }
    }
    if let Some(rows) = &writes.cleared {
        execute!(
            tx.conn(),
            "DELETE FROM object_uniques WHERE tenant_id = $1 AND (kind, object_key) IN \
             (SELECT CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT) FROM jsonb_each($2))",
            tenant.0,
            &rows.json,
        )?;
    }
    if let Some(rows) = &writes.replaces {
        let replaced = execute!(
            tx.conn(),
            "WITH change AS MATERIALIZED (SELECT CAST(value ->> 0 AS TEXT) AS its_kind, CAST(value ->> 1 AS TEXT) AS its_key, \
             CAST(value ->> 2 AS TEXT) AS owner, CAST(value ->> 3 AS BIGINT) AS next, \
             CAST(value -> 4 AS TEXT) AS content, CAST(value ->> 5 AS BIGINT) AS created, \
             CAST(value ->> 6 AS BIGINT) AS updated, CAST(value ->> 7 AS TEXT) AS why, \
             CAST(value ->> 8 AS BIGINT) AS stored FROM jsonb_each($2)) \
             UPDATE objects SET version = change.next, part_id = change.owner, fields = change.content, \
             created_at = change.created, updated_at = change.updated, cause = change.why FROM change \
             WHERE tenant_id = $1 AND kind = its_kind AND key = its_key AND version = change.stored \
             AND (kind, key, version) IN (SELECT its_kind, its_key, stored FROM change)",
            tenant.0,
            &rows.json,
        )?;
        if replaced != rows.count {
            return Err(stale(tx, tenant, rows, "SELECT CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT) FROM jsonb_each($2) WHERE NOT EXISTS (SELECT 1 \
                 FROM objects WHERE objects.tenant_id = $1 AND objects.kind = CAST(value ->> 0 AS TEXT) \
                 AND objects.key = CAST(value ->> 1 AS TEXT) AND objects.version = CAST(value ->> 8 AS BIGINT))").await);
        }
    }
    if let Some(rows) = &writes.creates {
        let created = execute!(
            tx.conn(),
            "INSERT INTO objects (tenant_id, kind, key, part_id, version, fields, created_at, updated_at, cause) SELECT $1, \
             CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT), CAST(value ->> 2 AS TEXT), CAST(value ->> 3 AS BIGINT), \
             CAST(value -> 4 AS TEXT), CAST(value ->> 5 AS BIGINT), CAST(value ->> 6 AS BIGINT), \
             CAST(value ->> 7 AS TEXT) FROM jsonb_each($2) WHERE true ON CONFLICT DO NOTHING",
            tenant.0,
            &rows.json,
        )?;
        if created != rows.count {
            return Err(taken(tx, tenant, writes).await);
        }
    }
    if let Some(rows) = &writes.uniques {
        let added = execute!(
            tx.conn(),
            "INSERT INTO object_uniques (tenant_id, kind, field, content, object_key) SELECT $1, CAST(value ->> 0 AS TEXT), \
             CAST(value ->> 1 AS TEXT), CAST(value ->> 2 AS TEXT), CAST(value ->> 3 AS TEXT) FROM jsonb_each($2) WHERE true \
             ON CONFLICT DO NOTHING",
            tenant.0,
            &rows.json,
        )?;
        if added != rows.count {
            return Err(taken(tx, tenant, writes).await);
        }
    }
    write_relations(tx, tenant, &writes.relations).await
}

type Keys = Vec<(String, String)>;

/// Which objects are not at the version that the change expects, by a statement that finds them.
async fn stale(tx: &mut Tx<'_>, tenant: TenantId, rows: &Bulk, find: &'static str) -> StoreError {
    let found = async {
        tx.rewind(tenant).await?;
        fetch_all!(tx.conn(), (String, String), find, tenant.0, &rows.json)
    };
    match found.await {
        Ok(keys) => StoreError::VersionConflict(object_keys(keys)),
        Err(error) => error,
    }
}

/// Which objects have a key or a unique value that another object has.
async fn taken(tx: &mut Tx<'_>, tenant: TenantId, writes: &ObjectWrites) -> StoreError {
    match find_taken(tx, tenant, writes).await {
        // Nothing was in the way before this piece of work: an earlier part of it is.
        Ok(found) if found.is_empty() => {
            let all = writes.keys.iter().map(|object| Clash { object: object.clone(), value: None });
            StoreError::UniqueConflict(all.collect())
        }
        Ok(found) => StoreError::UniqueConflict(found),
        Err(error) => error,
    }
}

async fn find_taken(tx: &mut Tx<'_>, tenant: TenantId, writes: &ObjectWrites) -> Result<Vec<Clash>, StoreError> {
    tx.rewind(tenant).await?;
    let mut found = Vec::new();
    if let Some(rows) = &writes.creates {
        let keys = fetch_all!(
            tx.conn(),
            (String, String),
            "SELECT kind, key FROM objects WHERE tenant_id = $1 \
             AND (kind, key) IN (SELECT CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT) FROM jsonb_each($2))",
            tenant.0,
            &rows.json,
        )?;
        found.extend(object_keys(keys).into_iter().map(|object| Clash { object, value: None }));
    }
    if let Some(rows) = &writes.uniques {
        let cleared = writes.cleared.as_ref().map_or("[]", |rows| &rows.json);
        let values = fetch_all!(
            tx.conn(),
            (String, String, String, String),
            "SELECT CAST(wanted.value ->> 0 AS TEXT), CAST(wanted.value ->> 3 AS TEXT), \
             CAST(wanted.value ->> 1 AS TEXT), CAST(wanted.value ->> 2 AS TEXT) FROM jsonb_each($2) AS wanted \
             JOIN object_uniques ON object_uniques.tenant_id = $1 \
             AND object_uniques.kind = CAST(wanted.value ->> 0 AS TEXT) \
             AND object_uniques.field = CAST(wanted.value ->> 1 AS TEXT) \
             AND object_uniques.content = CAST(wanted.value ->> 2 AS TEXT) \
             WHERE (object_uniques.kind, object_uniques.object_key) NOT IN \
             (SELECT CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT) FROM jsonb_each($3))",
            tenant.0,
            &rows.json,
            cleared,
        )?;
        found.extend(
            values.into_iter().map(|(kind, key, field, value)| Clash {
                object: ObjectKey { kind, key },
                value: Some((field, value)),
            }),
        );
    }
    Ok(found)
}

fn object_keys(mut keys: Keys) -> Vec<ObjectKey> {
    keys.sort();
    keys.dedup();
    keys.into_iter().map(|(kind, key)| ObjectKey { kind, key }).collect()
}
