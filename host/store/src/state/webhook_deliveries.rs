//! What is sent of the log to webhooks: a row for each event and webhook, with how often it was tried and what came of it.
//!
//! The rows are written with the place in the log up to which it was looked through, under the fence of the tenant's lease; so none is
//! missed, and none is written twice. A row says which event it is and nothing of what the event says: that stands in the log alone,
//! where an erasure finds it.

use openhub_model::{Event, EventKind, Id, NewEvent, PartId, TenantId, Timestamp};
use std::collections::HashSet;

use crate::database::bulk::{self, Rows};
use crate::database::connection::{execute, fetch_all, fetch_optional, select};
use crate::database::decode::{corrupt, id, limit, maybe_id, time};
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::log::events::{self, append_all};
use crate::log::leases::holds;
use crate::scope::Scope;
use crate::state::faults::{NewFault, fault_rows, put_faults};
use crate::state::webhook_attempts::Attempt;
use crate::state::webhooks::{Health, give_up, put_health};
use crate::store::Store;

/// Attempts of a delivery that are kept.
const ATTEMPTS: i64 = 20;
/// Rows that go at once when they are old.
const GOES: i64 = 1_000;

/// How a delivery stands. The number is what the database stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(i64)]
pub enum DeliveryState {
    /// It is to be sent, the first time or again.
    Waiting = 0,
    /// The receiver has taken it.
    Delivered = 1,
    /// It was tried as often as it may be.
    Failed = 2,
}

impl DeliveryState {
    pub const ALL: [DeliveryState; 3] = [DeliveryState::Waiting, DeliveryState::Delivered, DeliveryState::Failed];

    pub const fn code(self) -> i64 {
        self as i64
    }

    pub fn from_code(code: i64) -> Option<DeliveryState> {
        DeliveryState::ALL.into_iter().find(|state| state.code() == code)
    }
}

/// An event of the log, as far as it says whether a webhook wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    pub position: i64,
    pub kind: EventKind,
    pub name: String,
    pub part: Option<PartId>,
    pub historical: bool,
}

/// A delivery that is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    pub webhook: String,
    pub position: i64,
    pub id: Id,
    /// The type of its event.
    pub r#type: String,
    pub part: Option<PartId>,
}

/// One that is to be sent, with its event if it is due. None: the event is gone, or was erased.
#[derive(Clone, Debug)]
pub struct DueDelivery {
    pub position: i64,
    pub id: Id,
    pub r#type: String,
    /// Attempts that failed since it was last asked for.
    pub attempt: i64,
    /// All attempts.
    pub attempts: i64,
    pub due_at: Timestamp,
    pub event: Option<Event>,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    pub webhook: String,
    pub position: i64,
    /// How many there were before it.
    pub attempts: i64,
    pub attempt: Attempt,
    pub state: DeliveryState,
    /// When it is tried again, if it waits.
    pub due_at: Option<Timestamp>,
}

/// A receiver that is given up, with what says so.
#[derive(Clone, Debug)]
pub struct GivenUp {
    pub webhook: String,
    pub version: i64,
    pub why: &'static str,
    pub event: NewEvent,
    pub fault: NewFault,
}

/// What the engine writes after some attempts.
#[derive(Clone, Debug, Default)]
pub struct AfterAttempts {
    pub tried: Vec<Tried>,
    /// Deliveries of events that are gone.
    pub gone: Vec<(String, i64)>,
    pub healths: Vec<(String, Health)>,
    pub given_up: Vec<GivenUp>,
}

/// Which deliveries are to be sent again.
#[derive(Clone, Debug)]
pub enum Again {
    One(Id),
    /// Those that failed, of events from an instant on.
    FailedSince(Timestamp),
}

#[derive(sqlx::FromRow)]
struct DueRow {
    delivery: i64,
    id: String,
    r#type: String,
    attempt: i64,
    attempts: i64,
    due_at: i64,
}

impl Store {
    /// Up to where the engine is done with all of the log: what it caused stands behind its checkpoint, and is done too.
    pub async fn done_up_to(&self, scope: &Scope) -> Result<i64, StoreError> {
        let rows = select!(
            self,
            scope,
            (i64, Option<i64>),
            "SELECT head, (SELECT e.position FROM events e WHERE e.tenant_id = $1 AND e.origin = 0 \
             AND e.position > partitions.checkpoint ORDER BY e.position LIMIT 1) \
             FROM partitions WHERE tenant_id = $1 AND bucket = 0",
            scope.tenant().0,
        );
        let (head, open) = rows.into_iter().next().ok_or(StoreError::NotFound)?;
        Ok(open.map_or(head, |open| open - 1))
    }

    /// What happened behind `after`, up to `to`, in order. What was set aside has not happened.
    pub async fn news(&self, scope: &Scope, (after, to): (i64, i64), rows: usize) -> Result<Vec<News>, StoreError> {
        let rows = select!(
            self,
            scope,
            (i64, i64, String, Option<String>, i64),
            "SELECT e.position, e.kind, e.name, e.part_id, e.historical FROM events e WHERE e.tenant_id = $1 \
             AND e.position > $2 AND e.position <= $3 AND NOT EXISTS (SELECT 1 FROM set_aside s \
             WHERE s.tenant_id = e.tenant_id AND s.position = e.position) ORDER BY e.position LIMIT $4",
            scope.tenant().0,
            after,
            to,
            limit(rows),
        );
        let news = |(position, kind, name, part, historical): (i64, i64, String, Option<String>, i64)| {
            Ok(News {
                position,
                kind: EventKind::from_code(kind).ok_or_else(|| corrupt("kind of an event"))?,
                name,
                part: maybe_id(part.as_deref())?,
                historical: historical != 0,
            })
        };
        rows.into_iter().map(news).collect()
    }

    /// Writes what is to be sent, and how far the log was looked through for each of these webhooks.
    pub async fn follow_log(
        &self,
        scope: &Scope,
        fence: i64,
        (webhooks, to): (Vec<String>, i64),
        new: Vec<NewDelivery>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let tenant = scope.tenant();
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    holds(tx, tenant, Some(fence)).await?;
                    // Before the events are read: an erasure waits for this, or this for the erasure. See `hold_webhooks`.
                    let moved = fetch_all!(
                        tx.conn(),
                        (String,),
                        "UPDATE webhooks SET position = $2 WHERE tenant_id = $1 AND position < $2 \
                         AND name IN (SELECT atom FROM json_each($3)) RETURNING name",
                        tenant.0,
                        to,
                        bulk::list(&webhooks),
                    )?;
                    let moved: HashSet<String> = moved.into_iter().map(|(name,)| name).collect();
                    let new: Vec<NewDelivery> = new.into_iter().filter(|new| moved.contains(&new.webhook)).collect();
                    put_new(tx, tenant, &new, now).await
                })
            })
            .await
    }

    /// When the first delivery of each enabled webhook is due.
    pub async fn next_deliveries(&self, scope: &Scope) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let rows = select!(
            self,
            scope,
            (String, Option<i64>),
            "SELECT w.name, (SELECT d.due_at FROM webhook_deliveries d WHERE d.tenant_id = $1 AND d.webhook = w.name \
             AND d.due_at IS NOT NULL ORDER BY d.due_at LIMIT 1) FROM webhooks w WHERE w.tenant_id = $1 AND w.enabled = 1",
            scope.tenant().0,
        );
        Ok(rows.into_iter().filter_map(|(name, due)| Some((name, time(due?)))).collect())
    }

    /// The first deliveries of a webhook that are to be sent, in the order in which they are due; those that are due with their events.
    pub async fn due_deliveries(
        &self,
        scope: &Scope,
        webhook: &str,
        now: Timestamp,
        rows: usize,
    ) -> Result<Vec<DueDelivery>, StoreError> {
        let due = select!(
            self,
            scope,
            DueRow,
            "SELECT position AS delivery, id, type, attempt, attempts, due_at FROM webhook_deliveries WHERE tenant_id = $1 \
             AND webhook = $2 AND due_at IS NOT NULL ORDER BY due_at, position LIMIT $3",
            scope.tenant().0,
            webhook,
            limit(rows),
        );
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let found = select!(
            self,
            scope,
            events::Row,
            "SELECT e.position, e.origin, e.message_id, e.kind, e.name, e.part_id, e.occurred_at, e.received_at, \
             e.historical, e.authority, e.cause, COALESCE(b.body, '{}') AS body FROM events e \
             LEFT JOIN event_bodies b ON b.tenant_id = e.tenant_id AND b.position = e.position \
             WHERE e.tenant_id = $1 AND e.position IN (SELECT CAST(atom AS BIGINT) FROM json_each($2))",
            scope.tenant().0,
            bulk::list(due.iter().filter(|row| row.due_at <= now.micros()).map(|row| row.delivery)),
        );
        let mut found: Vec<Event> = found.into_iter().map(events::event).collect::<Result<_, _>>()?;
        found.retain(|event| event.kind != EventKind::Erased);
        let with_event = |row: DueRow| {
            let at = found.iter().position(|event| event.position == row.delivery);
            Ok(DueDelivery {
                position: row.delivery,
                id: id(&row.id)?,
                r#type: row.r#type,
                attempt: row.attempt,
                attempts: row.attempts,
                due_at: time(row.due_at),
                event: at.map(|at| found[at].clone()),
            })
        };
        due.into_iter().map(with_event).collect()
    }

    /// Writes what came of attempts, all of it or nothing.
    pub async fn after_attempts(
        &self,
        scope: &Scope,
        fence: i64,
        after: AfterAttempts,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let tenant = scope.tenant();
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    holds(tx, tenant, Some(fence)).await?;
                    for tried in &after.tried {
                        put_tried(tx, tenant, tried).await?;
                    }
                    for (webhook, position) in &after.gone {
                        execute!(
                            tx.conn(),
                            "DELETE FROM webhook_deliveries WHERE tenant_id = $1 AND webhook = $2 AND position = $3",
                            tenant.0,
                            webhook,
                            position,
                        )?;
                    }
                    for (webhook, health) in &after.healths {
                        put_health(tx, tenant, webhook, health).await?;
                    }
                    for GivenUp { webhook, version, why, event, fault } in after.given_up {
                        if give_up(tx, tenant, (&webhook, version), why, now).await? {
                            append_all(tx, tenant, &[&[event]], None).await?;
                            if let Some(rows) = fault_rows(&[fault], now) {
                                put_faults(tx, tenant, now, &rows).await?;
                            }
                        }
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Deletes what was settled before then, some rows at a time; answers whether there may be more.
    pub async fn forget_deliveries(&self, scope: &Scope, fence: i64, before: Timestamp) -> Result<bool, StoreError> {
        let tenant = scope.tenant();
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    holds(tx, tenant, Some(fence)).await?;
                    let gone = execute!(
                        tx.conn(),
                        "DELETE FROM webhook_deliveries WHERE tenant_id = $1 AND id IN (SELECT id FROM webhook_deliveries \
                         WHERE tenant_id = $1 AND settled_at < $2 ORDER BY settled_at LIMIT $3)",
                        tenant.0,
                        before.micros(),
                        GOES,
                    )?;
                    Ok(gone >= GOES.unsigned_abs())
                })
            })
            .await
    }
}

/// What was erased meanwhile is left out.
async fn put_new(tx: &mut Tx<'_>, tenant: TenantId, new: &[NewDelivery], now: Timestamp) -> Result<(), StoreError> {
    let rows = Rows::of(new, |row, delivery| {
        row.text(&delivery.webhook).int(delivery.position).id(delivery.id).text(&delivery.r#type);
        row.maybe_id(delivery.part);
    });
    let Some(rows) = rows else { return Ok(()) };
    execute!(
        tx.conn(),
        "INSERT INTO webhook_deliveries (tenant_id, webhook, position, id, type, part_id, due_at, created_at) \
         SELECT $1, w.name, e.position, CAST(value ->> 2 AS TEXT), CAST(value ->> 3 AS TEXT), CAST(value ->> 4 AS TEXT), \
         CAST($3 AS BIGINT), CAST($3 AS BIGINT) FROM jsonb_each($2) \
         CROSS JOIN webhooks w CROSS JOIN events e WHERE w.tenant_id = $1 AND w.name = CAST(value ->> 0 AS TEXT) \
         AND e.tenant_id = $1 AND e.position = CAST(value ->> 1 AS BIGINT) AND e.kind <> 10 \
         ON CONFLICT (tenant_id, webhook, position) DO NOTHING",
        tenant.0,
        &rows.json,
        now.micros(),
    )
    .map(drop)
}

async fn put_tried(tx: &mut Tx<'_>, tenant: TenantId, tried: &Tried) -> Result<(), StoreError> {
    let Tried { webhook, position, attempt, state, due_at, .. } = tried;
    let settled = (*state != DeliveryState::Waiting).then_some(attempt.at.micros());
    let number = fetch_optional!(
        tx.conn(),
        (i64,),
        "UPDATE webhook_deliveries SET attempts = attempts + 1, attempt = attempt + 1, state = $5, due_at = $6, \
         settled_at = $7, status = $8, error = $9 \
         WHERE tenant_id = $1 AND webhook = $2 AND position = $3 AND attempts = $4 RETURNING attempts",
        tenant.0,
        webhook,
        position,
        tried.attempts,
        state.code(),
        due_at.map(Timestamp::micros),
        settled,
        attempt.status,
        attempt.error.as_deref(),
    )?;
    // It is gone, with its webhook or its customer.
    let Some((number,)) = number else { return Ok(()) };
    execute!(
        tx.conn(),
        "INSERT INTO webhook_attempts (tenant_id, webhook, position, attempt, at, duration_ms, status, error, answer) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (tenant_id, webhook, position, attempt) DO NOTHING",
        tenant.0,
        webhook,
        position,
        number,
        attempt.at.micros(),
        attempt.duration_ms,
        attempt.status,
        attempt.error.as_deref(),
        attempt.answer.as_deref(),
    )?;
    if number <= ATTEMPTS {
        return Ok(());
    }
    execute!(
        tx.conn(),
        "DELETE FROM webhook_attempts WHERE tenant_id = $1 AND webhook = $2 AND position = $3 AND attempt <= $4",
        tenant.0,
        webhook,
        position,
        number - ATTEMPTS,
    )
    .map(drop)
}

/// They are due at once, and have all attempts before them.
pub(crate) async fn send_again(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    webhook: &str,
    which: &Again,
    at: Timestamp,
) -> Result<(), StoreError> {
    let again = match which {
        Again::One(delivery) => execute!(
            tx.conn(),
            "UPDATE webhook_deliveries SET state = 0, attempt = 0, due_at = $4, settled_at = NULL \
             WHERE tenant_id = $1 AND webhook = $2 AND id = $3",
            tenant.0,
            webhook,
            delivery.to_string(),
            at.micros(),
        )?,
        Again::FailedSince(since) => {
            execute!(
                tx.conn(),
                "UPDATE webhook_deliveries SET state = 0, attempt = 0, due_at = $4, settled_at = NULL \
                 WHERE tenant_id = $1 AND webhook = $2 AND state = 2 AND created_at >= $3",
                tenant.0,
                webhook,
                since.micros(),
                at.micros(),
            )?;
            1
        }
    };
    if again == 0 { Err(StoreError::NotFound) } else { Ok(()) }
}

/// Until this transaction ends nobody writes another delivery of the tenant: one of an event that it erases, say.
pub(crate) async fn hold_webhooks(tx: &mut Tx<'_>, tenant: TenantId) -> Result<(), StoreError> {
    execute!(tx.conn(), "UPDATE webhooks SET position = position WHERE tenant_id = $1", tenant.0).map(drop)
}

/// What was sent, or is to be, of somebody who is erased; answers how many rows.
pub(crate) async fn forget_sent(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    part: &str,
    rows: usize,
) -> Result<usize, StoreError> {
    let sent = fetch_all!(
        tx.conn(),
        (String,),
        "SELECT id FROM webhook_deliveries WHERE tenant_id = $1 AND part_id = $2 LIMIT $3",
        tenant.0,
        part,
        limit(rows),
    )?;
    if sent.is_empty() {
        return Ok(0);
    }
    execute!(
        tx.conn(),
        "DELETE FROM webhook_deliveries WHERE tenant_id = $1 AND id IN (SELECT atom FROM json_each($2))",
        tenant.0,
        bulk::list(sent.iter().map(|(id,)| id)),
    )?;
    Ok(sent.len())
}
