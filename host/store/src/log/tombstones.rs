//! What is left of an erased event: its place in the log, when it was received, and the mark of its `messageId`, by which
//! a copy that comes again is still a duplicate. No name, no time of its own, no part and no body.
//!
//! The mark says whether a page or a server said it. A copy of a page's event is a page's: what a server says under that id
//! was never told before, and is stored at its own place, as it is beside a page's event that nobody has erased.

use openhub_model::identity::{Authority, Marker};
use openhub_model::{EventKind, NewEvent, TenantId};
use std::collections::{HashMap, HashSet};

use crate::database::bulk::{self, Bulk, Rows};
use crate::database::connection::{execute, fetch_all};
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::log::said::beside_page;
use crate::state::faults::forget_events;

/// Ends the mark of what a page said.
const OF_PAGE: &str = ":page";

/// An event that is to be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    pub position: i64,
    /// What its `messageId` becomes, without who said it: that is added from the event.
    pub mark: String,
}

/// What went with erased events, in rows.
#[derive(Default)]
pub(crate) struct Erased {
    pub(crate) bodies: u64,
    pub(crate) set_aside: u64,
    pub(crate) customer_events: u64,
    pub(crate) faults: u64,
    /// The `messageId` of what is left of each, by position.
    pub(crate) marks: HashMap<i64, String>,
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
    let marked = fetch_all!(
        tx.conn(),
        (i64, String),
        "WITH gone AS MATERIALIZED (SELECT CAST(value ->> 0 AS BIGINT) AS place, CAST(value ->> 1 AS TEXT) AS mark \
         FROM jsonb_each($2)) UPDATE events SET message_id = gone.mark || CASE WHEN origin = 0 AND authority = $4 \
         THEN CAST($5 AS TEXT) ELSE '' END, kind = $3, name = '', part_id = NULL, occurred_at = received_at, authority = 0, \
         cause = NULL FROM gone WHERE tenant_id = $1 AND position = gone.place AND position IN (SELECT place FROM gone) \
         AND kind <> $3 RETURNING position, message_id",
        tenant.0,
        &rows.json,
        EventKind::Erased.code(),
        Authority::Browser.code(),
        OF_PAGE,
    )?;
    Ok(Erased { bodies, set_aside, customer_events, faults, marks: marked.into_iter().collect() })
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
         FROM jsonb_each($2)) UPDATE events SET cause = gone.mark FROM gone WHERE tenant_id = $1 AND origin = 0 \
         AND cause IS NOT NULL AND cause = gone.id AND cause IN (SELECT gone.id FROM gone)",
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

/// The events as they are to be appended: one that was erased bears its mark, and so is a duplicate; a server's whose id an erased
/// page took is [`beside_page`].
pub(crate) async fn recognise(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    marker: &Marker,
    callers: &[&[NewEvent]],
) -> Result<Option<Vec<Vec<NewEvent>>>, StoreError> {
    let mark = |id: &str| marker.message(tenant, id);
    let of_page = |id: &str| format!("{}{OF_PAGE}", mark(id));
    let marks =
        callers.iter().copied().flatten().flat_map(|event| [mark(&event.message_id), of_page(&event.message_id)]);
    let mut known = marks_known(tx, tenant, bulk::list(marks)).await?;
    if known.is_empty() {
        return Ok(None);
    }
    let besides =
        |event: &NewEvent| event.authority > Authority::Browser && known.contains(&of_page(&event.message_id));
    let besides = callers.iter().copied().flatten().filter(|event| besides(event));
    let besides: Vec<String> = besides.map(|event| mark(&beside_page(&event.message_id))).collect();
    if !besides.is_empty() {
        known.extend(marks_known(tx, tenant, bulk::list(besides)).await?);
    }
    let marked = |id: &str| Some(mark(id)).filter(|mark| known.contains(mark));
    let as_stored = |event: &NewEvent| {
        let id = &event.message_id;
        let message_id = match (marked(id), known.contains(&of_page(id))) {
            (Some(mark), _) => mark,
            (None, false) => id.clone(),
            (None, true) if event.authority == Authority::Browser => of_page(id),
            (None, true) => marked(&beside_page(id)).unwrap_or_else(|| beside_page(id)),
        };
        NewEvent { message_id, ..event.clone() }
    };
    Ok(Some(callers.iter().map(|events| events.iter().map(as_stored).collect()).collect()))
}

async fn marks_known(tx: &mut Tx<'_>, tenant: TenantId, marks: String) -> Result<HashSet<String>, StoreError> {
    let known = fetch_all!(
        tx.conn(),
        (String,),
        "SELECT message_id FROM events WHERE tenant_id = $1 AND message_id IN (SELECT atom FROM json_each($2))",
        tenant.0,
        marks,
    )?;
    Ok(known.into_iter().map(|(id,)| id).collect())
}
