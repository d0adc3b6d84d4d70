//! The log: events appended in a group commit, deduplicated by `messageId`, read in order of position.

use openhub_model::event::CLOCK_ADVANCED;
use openhub_model::identity::{Authority, Marker};
use openhub_model::{ClockKind, Event, EventKind, NewEvent, Origin, PartId, TenantId, Timestamp, limits};
use std::collections::{HashMap, HashSet};
use std::time::Instant;

use crate::act::pending;
use crate::database::bulk;
use crate::database::connection::{execute, fetch_all, fetch_optional, select, select_within};
use crate::database::decode::{corrupt, limit, maybe_id, time};
use crate::database::dialect::{insert_bodies, insert_events};
use crate::database::filters::Sql;
use crate::database::room::{Room, Texts};
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::log::said::beside_page;
use crate::log::tombstones::recognise;
use crate::scope::Scope;
use crate::state::tenants::clock_code;
use crate::store::Store;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// The greatest position of the events that wait for the engine, also when all were duplicates: once the
    /// checkpoint has reached it, all of them are done. 0 if none had to wait.
    pub position: i64,
    pub accepted: usize,
    pub duplicates: usize,
}

#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    pub name: Option<String>,
    /// Of the customer that this part belongs to.
    pub part: Option<PartId>,
    /// At this place in the log.
    pub position: Option<i64>,
    pub message_id: Option<String>,
    pub after: Option<i64>,
    pub limit: usize,
}

/// One caller's events on their way to the writer.
pub(crate) struct Append {
    pub(crate) tenant: TenantId,
    pub(crate) events: Vec<NewEvent>,
    /// By which erased events are known again.
    pub(crate) marker: Option<Marker>,
}

#[derive(sqlx::FromRow)]
pub(crate) struct Row {
    position: i64,
    origin: i64,
    message_id: String,
    kind: i64,
    name: String,
    part_id: Option<String>,
    occurred_at: i64,
    received_at: i64,
    historical: i64,
    authority: i64,
    cause: Option<String>,
    body: String,
}

impl Texts for Row {
    fn weight(&self) -> usize {
        limits::weight(self.body.as_bytes())
    }
}

pub(crate) const COLUMNS: &str = "SELECT e.position, e.origin, e.message_id, e.kind, e.name, e.part_id, e.occurred_at, \
     e.received_at, e.historical, e.authority, e.cause, COALESCE(b.body, '{}') AS body FROM ";

const EVENTS: &str = "events e LEFT JOIN event_bodies b ON b.tenant_id = e.tenant_id AND b.position = e.position \
     WHERE e.tenant_id = ";

/// As far as the engine has come, behind [`Sql::each_part_of`]: whose they are is `c.part_id = own`.
pub(crate) const EVENTS_OF_PARTS: &str = "customer_events c CROSS JOIN events e \
     LEFT JOIN event_bodies b ON b.tenant_id = e.tenant_id AND b.position = e.position \
     WHERE e.tenant_id = c.tenant_id AND e.position = c.position AND c.part_id = own AND c.tenant_id = ";

impl Store {
    /// Appends events in order. Answers after the commit, which many callers share.
    pub async fn append(&self, scope: &Scope, events: Vec<NewEvent>) -> Result<Appended, StoreError> {
        if events.is_empty() {
            return Ok(Appended::default());
        }
        let marker = self.marker.get().copied();
        let _waiting = self.crowds.join(scope.tenant(), events.len());
        if pending(Some(scope.tenant())).is_some() {
            return self.append_as_act(scope.tenant(), events, marker).await;
        }
        self.writer.append(Append { tenant: scope.tenant(), events, marker }).await
    }

    /// With the entry of the act that it is in the same transaction.
    async fn append_as_act(
        &self,
        tenant: TenantId,
        events: Vec<NewEvent>,
        marker: Option<Marker>,
    ) -> Result<Appended, StoreError> {
        self.writer
            .write_in_time(tenant, move |tx| {
                Box::pin(async move {
                    let appended = append_all(tx, tenant, &[&events], marker.as_ref()).await?;
                    Ok(appended.into_iter().next().unwrap_or_default())
                })
            })
            .await
    }

    /// Whether callers with many events of this tenant wait for the writer, or did a moment ago: each commit of the engine is
    /// what they wait for then.
    pub fn is_crowded(&self, tenant: TenantId) -> bool {
        self.crowds.is_there(tenant, Instant::now())
    }

    /// What the engine has not seen yet: arrived events past `after`, in order.
    pub async fn load_events(&self, scope: &Scope, after: i64, rows: usize) -> Result<Vec<Event>, StoreError> {
        self.next_events(scope, after, rows, &Room::endless()).await
    }

    /// As [`Store::load_events`], if there is room for them.
    pub async fn next_events(
        &self,
        scope: &Scope,
        after: i64,
        rows: usize,
        room: &Room,
    ) -> Result<Vec<Event>, StoreError> {
        let rows = select_within!(
            self,
            scope,
            room,
            Row,
            "SELECT e.position, e.origin, e.message_id, e.kind, e.name, e.part_id, e.occurred_at, e.received_at, \
             e.historical, e.authority, e.cause, COALESCE(b.body, '{}') AS body FROM events e \
             LEFT JOIN event_bodies b ON b.tenant_id = e.tenant_id AND b.position = e.position \
             WHERE e.tenant_id = $1 AND e.position > $2 AND e.origin = 0 ORDER BY e.position LIMIT $3",
            scope.tenant().0,
            after,
            limit(rows),
        );
        rows.into_iter().map(event).collect()
    }

    /// The control events of these names behind a place in the log.
    pub async fn controls(&self, scope: &Scope, after: i64, names: &[&str]) -> Result<Vec<Event>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT e.position, e.origin, e.message_id, e.kind, e.name, e.part_id, e.occurred_at, e.received_at, \
             e.historical, e.authority, e.cause, COALESCE(b.body, '{}') AS body FROM events e \
             LEFT JOIN event_bodies b ON b.tenant_id = e.tenant_id AND b.position = e.position \
             WHERE e.tenant_id = $1 AND e.kind = 9 AND e.name IN (SELECT atom FROM json_each($2)) AND e.position > $3 \
             ORDER BY e.position",
            scope.tenant().0,
            bulk::list(names),
            after,
        );
        rows.into_iter().map(event).collect()
    }

    /// Where the engine goes on behind `after`, whatever stands there, and its messageId.
    pub async fn next_position(&self, scope: &Scope, after: i64) -> Result<Option<(i64, String)>, StoreError> {
        let rows = select!(
            self,
            scope,
            (i64, String),
            "SELECT position, message_id FROM events WHERE tenant_id = $1 AND position > $2 AND origin = 0 \
             ORDER BY position LIMIT 1",
            scope.tenant().0,
            after,
        );
        Ok(rows.into_iter().next())
    }

    /// Events by position, ascending.
    pub async fn events(&self, scope: &Scope, filter: &EventFilter) -> Result<Vec<Event>, StoreError> {
        let mut reading = self.reading(scope).await?;
        let mut sql = Sql::new(&reading.conn(), COLUMNS);
        if let Some(part) = filter.part {
            sql.each_part_of(scope.tenant(), part).push(EVENTS_OF_PARTS).int(scope.tenant().0).chosen(filter);
            // And what the engine has not come to, most of the time nothing.
            sql.push(" UNION ALL ").push(COLUMNS).push(EVENTS).int(scope.tenant().0).chosen(filter);
            sql.push(" AND e.origin = 0 AND e.position > (SELECT checkpoint FROM partitions WHERE bucket = 0 AND tenant_id = ");
            sql.int(scope.tenant().0).push(") AND e.part_id IN ").parts_with(scope.tenant(), part);
        } else {
            sql.push(EVENTS).int(scope.tenant().0).chosen(filter);
        }
        sql.push(" ORDER BY 1 LIMIT ").int(limit(filter.limit));
        let rows = sql.fetch_all::<Row>(reading.conn()).await?;
        reading.done().await?;
        rows.into_iter().map(|row| Ok(scope.event(event(row)?))).collect()
    }

    pub async fn event(&self, scope: &Scope, message_id: &str) -> Result<Option<Event>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT e.position, e.origin, e.message_id, e.kind, e.name, e.part_id, e.occurred_at, e.received_at, \
             e.historical, e.authority, e.cause, COALESCE(b.body, '{}') AS body FROM events e \
             LEFT JOIN event_bodies b ON b.tenant_id = e.tenant_id AND b.position = e.position \
             WHERE e.tenant_id = $1 AND e.message_id = $2",
            scope.tenant().0,
            message_id.to_owned(),
        );
        rows.into_iter().next().map(|row| Ok(scope.event(event(row)?))).transpose()
    }
}

impl Sql {
    /// Behind a place in the log or at one, by name and by id.
    fn chosen(&mut self, filter: &EventFilter) -> &mut Self {
        self.push(" AND e.position > ").int(filter.after.unwrap_or(i64::MIN));
        if let Some(name) = &filter.name {
            self.push(" AND e.name = ").text(name);
        }
        if let Some(position) = filter.position {
            self.push(" AND e.position = ").int(position);
        }
        if let Some(id) = &filter.message_id {
            self.push(" AND e.message_id = ").text(id);
        }
        self
    }
}

/// Where a replay's clock will stand, from its log: a duplicate has not moved it, nor has a move that was stopped.
pub(crate) async fn read_latest(tx: &mut Tx<'_>, tenant: TenantId) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "UPDATE partitions SET latest = COALESCE((SELECT MAX(occurred_at) FROM events WHERE events.tenant_id = $1 \
         AND origin = $2 AND position > partitions.checkpoint AND (kind NOT IN ($3, $4) OR name = $5)), 0) \
         WHERE tenant_id = $1 AND bucket = 0 AND EXISTS (SELECT 1 FROM tenants WHERE tenants.id = $1 AND tenants.clock = $6)",
        tenant.0,
        Origin::Arrived as i64,
        EventKind::Control.code(),
        EventKind::Erased.code(),
        CLOCK_ADVANCED,
        clock_code(ClockKind::Replay),
    )
    .map(drop)
}

/// Appends the events of several callers of one tenant, in order, and answers each caller.
///
/// The update of the partition's head locks it, so that the order of commits is the order of positions; a
/// duplicate leaves a gap.
pub(crate) async fn append_all(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    callers: &[&[NewEvent]],
    marker: Option<&Marker>,
) -> Result<Vec<Appended>, StoreError> {
    let count = limit(callers.iter().map(|events| events.len()).sum());
    let latest = callers.iter().copied().flatten().filter_map(NewEvent::moves_to).max();
    let head = fetch_optional!(
        tx.conn(),
        (i64, i64, i64, i64),
        "UPDATE partitions SET head = head + $2, arrived = arrived + $2, \
         latest = CASE WHEN latest < $3 THEN $3 ELSE latest END WHERE tenant_id = $1 AND bucket = 0 \
         RETURNING head, erased, arrived - done, latest",
        tenant.0,
        count,
        latest.map_or(0, Timestamp::micros),
    )?;
    let (head, erased, behind, stands) = head.ok_or(StoreError::NotFound)?;
    let marker = marker.filter(|_| erased > 0);
    let marked = match marker {
        Some(marker) => recognise(tx, tenant, marker, callers).await?,
        None => None,
    };
    let marked: Option<Vec<&[NewEvent]>> = marked.as_ref().map(|marked| marked.iter().map(Vec::as_slice).collect());
    let callers = marked.as_deref().unwrap_or(callers);
    let events: Vec<&NewEvent> = callers.iter().copied().flatten().collect();
    let first = head - count + 1;
    let inserted = insert_events(tx.conn(), tenant, first, &events).await?;
    let numbered = events.iter().zip(first..).map(|(event, position)| (position, event.body.as_str()));
    if inserted == events.len() as u64 {
        insert_bodies(tx.conn(), tenant, &numbered.collect::<Vec<_>>()).await?;
        tx.signal_appended(tenant);
        tx.signal_behind(tenant, behind);
        let mut position = first - 1;
        return Ok(callers
            .iter()
            .map(|events| {
                position += limit(events.len());
                Appended { position, accepted: events.len(), duplicates: 0 }
            })
            .collect());
    }
    let mut new = inserted_positions(tx, tenant, first).await?;
    let old = events.iter().zip(first..).filter(|(_, position)| !new.contains(position)).map(|(event, _)| *event);
    let mut stored = stored_events(tx, tenant, old).await?;
    beside(tx, (tenant, marker), first, &events, &mut new, &mut stored).await?;
    let known = limit(events.len() - new.len());
    execute!(
        tx.conn(),
        "UPDATE partitions SET arrived = arrived - $2 WHERE tenant_id = $1 AND bucket = 0",
        tenant.0,
        known,
    )?;
    tx.signal_behind(tenant, behind - known);
    let kept = events.iter().zip(first..).filter(|(_, position)| new.contains(position));
    let kept = kept.filter_map(|(event, _)| event.moves_to()).max();
    if kept < latest && latest.map(Timestamp::micros) == Some(stands) {
        read_latest(tx, tenant).await?;
    }
    let bodies: Vec<(i64, &str)> = numbered.filter(|(position, _)| new.contains(position)).collect();
    if !bodies.is_empty() {
        insert_bodies(tx.conn(), tenant, &bodies).await?;
        tx.signal_appended(tenant);
    }
    let mut position = first;
    let mut appended = Vec::with_capacity(callers.len());
    for events in callers {
        let mut answer = Appended::default();
        for event in *events {
            if new.contains(&position) {
                answer.accepted += 1;
                answer.position = answer.position.max(position);
            } else {
                answer.duplicates += 1;
                // A caused event was done when it was stored, whatever its position.
                let arrived = stored.get(event.message_id.as_str()).filter(|stored| stored.origin == Origin::Arrived);
                answer.position = answer.position.max(arrived.map_or(0, |stored| stored.position));
            }
            position += 1;
        }
        appended.push(answer);
    }
    Ok(appended)
}

/// A page hides nothing that a server says, by an id that it has guessed: what the server says is stored at its own place under
/// another id, unless it came before, be it erased since.
async fn beside(
    tx: &mut Tx<'_>,
    (tenant, marker): (TenantId, Option<&Marker>),
    first: i64,
    events: &[&NewEvent],
    new: &mut HashSet<i64>,
    stored: &mut HashMap<String, Stored>,
) -> Result<(), StoreError> {
    for (event, position) in events.iter().zip(first..) {
        let is_hidden = !new.contains(&position)
            && event.authority > Authority::Browser
            && stored.get(event.message_id.as_str()).is_some_and(|stored| stored.is_page);
        if !is_hidden {
            continue;
        }
        let mut renamed = NewEvent { message_id: beside_page(&event.message_id), ..(*event).clone() };
        if let Some(marker) = marker
            && let Some(marked) = recognise(tx, tenant, marker, &[std::slice::from_ref(&renamed)]).await?
        {
            renamed = marked.into_iter().flatten().next().unwrap_or(renamed);
        }
        let known = if insert_events(tx.conn(), tenant, position, &[&renamed]).await? > 0 {
            new.insert(position);
            Stored { position, origin: Origin::Arrived, is_page: false }
        } else {
            match stored_events(tx, tenant, std::iter::once(&renamed)).await?.into_values().next() {
                Some(known) => known,
                None => continue,
            }
        };
        // Whoever asks for it waits for the server's.
        stored.insert(event.message_id.clone(), known);
    }
    Ok(())
}

/// From the first of those that were just inserted: nothing stands behind them.
async fn inserted_positions(tx: &mut Tx<'_>, tenant: TenantId, first: i64) -> Result<HashSet<i64>, StoreError> {
    let rows = fetch_all!(
        tx.conn(),
        (i64,),
        "SELECT position FROM events WHERE tenant_id = $1 AND position >= $2",
        tenant.0,
        first,
    )?;
    Ok(rows.into_iter().map(|(position,)| position).collect())
}

/// An event that has the id of one that comes.
struct Stored {
    position: i64,
    origin: Origin,
    /// Whether it is the word of a page, whose key anybody can read. A server's word has not the mark of one that was erased.
    is_page: bool,
}

async fn stored_events(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    events: impl Iterator<Item = &NewEvent>,
) -> Result<HashMap<String, Stored>, StoreError> {
    let ids = bulk::list(events.map(|event| &event.message_id));
    let rows = fetch_all!(
        tx.conn(),
        (String, i64, i64, i64, i64),
        "SELECT message_id, position, origin, authority, kind FROM events \
         WHERE tenant_id = $1 AND message_id IN (SELECT atom FROM json_each($2))",
        tenant.0,
        &ids,
    )?;
    let stored = rows.into_iter().map(|(id, position, code, authority, kind)| {
        let origin = origin(code)?;
        let is_word = origin == Origin::Arrived && kind != EventKind::Erased.code();
        Ok((id, Stored { position, origin, is_page: is_word && authority == Authority::Browser.code() }))
    });
    stored.collect()
}

pub(crate) fn origin(code: i64) -> Result<Origin, StoreError> {
    match code {
        0 => Ok(Origin::Arrived),
        1 => Ok(Origin::Caused),
        other => Err(StoreError::Corrupt(format!("origin {other} of an event"))),
    }
}

pub(crate) fn event(row: Row) -> Result<Event, StoreError> {
    Ok(Event {
        position: row.position,
        origin: origin(row.origin)?,
        message_id: row.message_id,
        kind: EventKind::from_code(row.kind).ok_or_else(|| corrupt("kind of an event"))?,
        name: row.name,
        part: maybe_id(row.part_id.as_deref())?,
        occurred_at: time(row.occurred_at),
        received_at: time(row.received_at),
        historical: row.historical != 0,
        authority: Authority::from_code(row.authority).ok_or_else(|| corrupt("authority of an event"))?,
        cause: row.cause,
        body: row.body,
    })
}
