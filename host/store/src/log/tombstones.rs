//! What is left of an erased event: its place in the log, when it was received, and the mark of its `messageId`, by which
//! a copy that comes again is still a duplicate. No name, no time of its own, no part and no body.

use openhub_model::identity::Marker;
use openhub_model::{EventKind, NewEvent, TenantId};
use std::collections::HashSet;

use crate::database::bulk::{self, Bulk, Rows};
use crate::database::connection::{execute, fetch_all};
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::state::faults::forget_events;

/// An event that is to be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    pub position: i64,
    /// What its `messageId` becomes.
    pub mark: String,
}

/// What went with erased events, in rows.
#[derive(Default)]
pub(crate) struct Erased {
    pub(crate) bodies: u64,
    pub(crate) set_aside: u64,
    pub(crate) customer_events: u64,
    pub(crate) faults: u64,
}

/// Erases events, with their bodies, with what was set aside of them, and from the events of their customers. The
/// partition's count of them is the caller's to write.
pub(crate) async fn put_tombstones(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    tombstones: &[Tombstone],
) -> Result<Erased, StoreError> {
    let Some(rows) = Rows::of(tombstones, |row, tombstone| {
        row.int(tombstone.position).text(&tombstone.mark);
    }) else {
        return Ok(Erased::default());
    };
    let bodies = execute!(
        tx.conn(),
        "DELETE FROM event_bodies WHERE tenant_id = $1 AND position IN \
         (SELECT CAST(value ->> 0 AS BIGINT) FROM jsonb_each($2))",
        tenant.0,
        &rows.json,
    )?;
    let set_aside = execute!(
        tx.conn(),
        "DELETE FROM set_aside WHERE tenant_id = $1 AND position IN \
         (SELECT CAST(value ->> 0 AS BIGINT) FROM jsonb_each($2))",
        tenant.0,
        &rows.json,
    )?;
    let faults = forget_events(tx, tenant, &rows).await?;
    let customer_events = drop_customer_events(tx, tenant, &rows).await?;
    execute!(
        tx.conn(),
        "WITH gone AS MATERIALIZED (SELECT CAST(value ->> 0 AS BIGINT) AS position, CAST(value ->> 1 AS TEXT) AS mark \
         FROM jsonb_each($2)) UPDATE events SET message_id = (SELECT gone.mark FROM gone \
         WHERE gone.position = events.position), kind = $3, name = '', part_id = NULL, occurred_at = received_at, \
         authority = 0, cause = NULL WHERE tenant_id = $1 AND position IN (SELECT gone.position FROM gone)",
        tenant.0,
        &rows.json,
        EventKind::Erased.code(),
    )?;
    Ok(Erased { bodies, set_aside, customer_events, faults })
}

/// Others' events that name one of these `(messageId, mark)` as their cause name its mark from now on. Answers how many.
pub(crate) async fn mark_causes(tx: &mut Tx<'_>, tenant: TenantId, marks: &[(&str, &str)]) -> Result<u64, StoreError> {
    let Some(rows) = Rows::of(marks, |row, (id, mark)| {
        row.text(id).text(mark);
    }) else {
        return Ok(0);
    };
    execute!(
        tx.conn(),
        "WITH gone AS MATERIALIZED (SELECT CAST(value ->> 0 AS TEXT) AS id, CAST(value ->> 1 AS TEXT) AS mark \
         FROM jsonb_each($2)) UPDATE events SET cause = (SELECT gone.mark FROM gone WHERE gone.id = events.cause) \
         WHERE tenant_id = $1 AND origin = 0 AND cause IS NOT NULL AND cause IN (SELECT gone.id FROM gone)",
        tenant.0,
        &rows.json,
    )
}

/// Takes events, whose positions come first in `rows`, from those of their customers, as long as the log says whose they are.
pub(crate) async fn drop_customer_events(tx: &mut Tx<'_>, tenant: TenantId, rows: &Bulk) -> Result<u64, StoreError> {
    execute!(
        tx.conn(),
        "DELETE FROM customer_events WHERE tenant_id = $1 AND (part_id, occurred_at, position) IN \
         (SELECT part_id, occurred_at, position FROM events WHERE tenant_id = $1 AND part_id IS NOT NULL AND position IN \
         (SELECT CAST(value ->> 0 AS BIGINT) FROM jsonb_each($2)))",
        tenant.0,
        &rows.json,
    )
}

/// The events as they are to be appended: one that was erased bears its mark, and so is a duplicate.
pub(crate) async fn recognise(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    marker: &Marker,
    callers: &[&[NewEvent]],
) -> Result<Option<Vec<Vec<NewEvent>>>, StoreError> {
    let mark = |event: &NewEvent| marker.message(tenant, &event.message_id);
    let marks = bulk::list(callers.iter().copied().flatten().map(mark));
    let known = fetch_all!(
        tx.conn(),
        (String,),
        "SELECT message_id FROM events WHERE tenant_id = $1 AND message_id IN (SELECT atom FROM json_each($2))",
        tenant.0,
        marks,
    )?;
    if known.is_empty() {
        return Ok(None);
    }
    let known: HashSet<String> = known.into_iter().map(|(id,)| id).collect();
    let marked = |event: &NewEvent| {
        let id = mark(event);
        let message_id = if known.contains(&id) { id } else { event.message_id.clone() };
        NewEvent { message_id, ..event.clone() }
    };
    Ok(Some(callers.iter().map(|events| events.iter().map(marked).collect()).collect()))
}
