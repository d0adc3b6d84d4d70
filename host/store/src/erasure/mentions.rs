//! Where the hub's own records of others name a customer who is erased: claims and refusals of its identities, proposed
//! matches, and what operators did by hand. What another customer's events say stays that customer's own.

use openhub_model::identity::Part;
use openhub_model::{EventKind, Identity, PartId, TenantId};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

use crate::database::bulk::{self, Rows};
use crate::database::connection::{execute, fetch_all};
use crate::database::transaction::Tx;
use crate::erasure::erase::Erasing;
use crate::error::StoreError;
use crate::log::tombstones::{Tombstone, put_tombstones};

/// Takes them away, and answers how many events that erased.
pub(crate) async fn forget_mentions(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    erasing: &Erasing,
    counts: &mut BTreeMap<String, i64>,
) -> Result<i64, StoreError> {
    let ids: Vec<PartId> = erasing.parts.iter().map(Part::id).collect();
    let list = bulk::list(&ids);
    let mut add = |place: &str, rows: u64| *counts.entry(place.to_owned()).or_default() += rows.cast_signed();
    let Some(identities) = Rows::of(&erasing.parts, |row, part| {
        row.text(&part.identity.kind).text(&part.identity.value);
    }) else {
        return Ok(0);
    };
    let (mut sources, mut others) = (BTreeSet::new(), BTreeSet::new());
    for (part, source) in fetch_all!(
        tx.conn(),
        (String, String),
        "SELECT part_id, source FROM matches WHERE tenant_id = $1 AND (kind, value) IN \
         (SELECT CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT) FROM jsonb_each($2))",
        tenant.0,
        &identities.json,
    )? {
        others.insert(part);
        sources.insert(source);
    }
    let matches = execute!(
        tx.conn(),
        "DELETE FROM matches WHERE tenant_id = $1 AND (part_id IN (SELECT atom FROM json_each($2)) OR (kind, value) IN \
         (SELECT CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT) FROM jsonb_each($3)))",
        tenant.0,
        &list,
        &identities.json,
    )?;
    add("matches", matches);
    let own = execute!(
        tx.conn(),
        "DELETE FROM claims WHERE tenant_id = $1 AND part_id IN (SELECT atom FROM json_each($2))",
        tenant.0,
        &list,
    )?;
    add("claims", own);
    let mut foreign = 0;
    for part in &erasing.parts {
        let Identity { kind, value } = &part.identity;
        let claims = fetch_all!(
            tx.conn(),
            (String,),
            "DELETE FROM claims WHERE tenant_id = $1 AND kind = $2 AND value = $3 RETURNING part_id",
            tenant.0,
            kind,
            value,
        )?;
        foreign += claims.len() as u64;
        others.extend(claims.into_iter().map(|(part,)| part));
    }
    add("claims_of_others", foreign);
    let refusals = refusals(tx, tenant, erasing, &sources, &others).await?;
    put_tombstones(tx, tenant, &refusals).await?;
    add("events_of_others", refusals.len() as u64);
    add("control_events", controls(tx, tenant, &ids).await?);
    Ok(refusals.len() as i64)
}

/// What the hub itself said to others of these identities: refused claims, and matches that were proposed and decided.
async fn refusals(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    erasing: &Erasing,
    sources: &BTreeSet<String>,
    others: &BTreeSet<String>,
) -> Result<Vec<Tombstone>, StoreError> {
    let mut found = Vec::new();
    for other in others {
        let events = fetch_all!(
            tx.conn(),
            (i64, String, String),
            "SELECT e.position, e.message_id, b.body FROM customer_events c JOIN events e ON e.tenant_id = c.tenant_id \
             AND e.position = c.position JOIN event_bodies b ON b.tenant_id = c.tenant_id AND b.position = c.position \
             WHERE c.tenant_id = $1 AND c.part_id = $2 AND (c.name IN ('Identity Refused', 'Match Proposed') \
             OR (c.name = '' AND e.kind = $3))",
            tenant.0,
            other,
            EventKind::Update.code(),
        )?;
        for (position, id, body) in events {
            let body: Value = serde_json::from_str(&body).unwrap_or_default();
            // Of changes, the decision about a match names the other one; what an API call says is the customer's own.
            let decided = Some(&body["identities"]).filter(|_| body["match"].is_object()).and_then(Value::as_array);
            let said: Vec<&Value> = decided.into_iter().flatten().chain([&body["properties"]]).collect();
            let names = |identity: &Identity| {
                said.iter().any(|said| said["kind"] == *identity.kind && said["value"] == *identity.value)
            };
            if sources.contains(&id) || erasing.parts.iter().any(|part| names(&part.identity)) {
                found.push(Tombstone { position, mark: erasing.marker.message(tenant, &id) });
            }
        }
    }
    Ok(found)
}

/// Takes the ids out of uploads to static segments, and empties what took the customer apart. All of it was done before.
async fn controls(tx: &mut Tx<'_>, tenant: TenantId, ids: &[PartId]) -> Result<u64, StoreError> {
    let mut changed = Vec::new();
    for (position, body) in fetch_all!(
        tx.conn(),
        (i64, String),
        "SELECT e.position, b.body FROM events e JOIN event_bodies b ON b.tenant_id = e.tenant_id \
         AND b.position = e.position WHERE e.tenant_id = $1 AND e.kind = 9 AND e.name = 'identity.undone'",
        tenant.0,
    )? {
        let said: Value = serde_json::from_str(&body).unwrap_or_default();
        let identity = serde_json::from_value::<Identity>(said["identity"].clone()).ok();
        let named = identity.map(|identity| identity.part(tenant));
        let part = said["part"].as_str().and_then(|part| part.parse().ok());
        if [named, part].into_iter().flatten().any(|part: PartId| ids.contains(&part)) {
            changed.push((position, "{}".to_owned()));
        }
    }
    for id in ids {
        let uploads = fetch_all!(
            tx.conn(),
            (i64, String),
            "SELECT e.position, b.body FROM events e JOIN event_bodies b ON b.tenant_id = e.tenant_id \
             AND b.position = e.position WHERE e.tenant_id = $1 AND e.kind = 9 AND e.name = 'segment.members' \
             AND b.body LIKE $2",
            tenant.0,
            format!("%{id}%"),
        )?;
        for (position, body) in uploads {
            let mut said: Value = serde_json::from_str(&body).unwrap_or_default();
            for list in ["add", "remove"] {
                if let Some(list) = said[list].as_array_mut() {
                    list.retain(|listed| !ids.iter().any(|id| *listed == id.to_string()));
                }
            }
            changed.push((position, said.to_string()));
        }
    }
    let Some(rows) = Rows::of(&changed, |row, (position, body)| {
        row.int(*position).text(body);
    }) else {
        return Ok(0);
    };
    execute!(
        tx.conn(),
        "WITH changed AS MATERIALIZED (SELECT CAST(value ->> 0 AS BIGINT) AS position, CAST(value ->> 1 AS TEXT) AS body \
         FROM jsonb_each($2)) UPDATE event_bodies SET body = (SELECT changed.body FROM changed \
         WHERE changed.position = event_bodies.position LIMIT 1) WHERE tenant_id = $1 \
         AND position IN (SELECT changed.position FROM changed)",
        tenant.0,
        &rows.json,
    )
}
