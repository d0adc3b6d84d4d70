//! What becomes of messages: how attempts to send ended, and which messages somebody retries or gives up by hand. Conditions ask
//! about both, so each such change is also an event of its customer, appended in the same transaction: the engine asks the
//! segments that mention messages when it comes to it. Where none does, a verdict is no event.

use openhub_model::identity::Authority;
use openhub_model::message::MessageStatus;
use openhub_model::price::Meter;
use openhub_model::{ClockKind, EventKind, Id, NewEvent, Quarter, TenantId, Timestamp};
use serde_json::json;
use std::collections::{BTreeMap, HashMap};

use crate::database::bulk::{self, Rows};
use crate::database::connection::{fetch_all, fetch_optional};
use crate::database::decode::{corrupt, id, time};
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::log::events::append_all;
use crate::log::ready::look_at;
use crate::scope::Scope;
use crate::state::fault_kinds::FaultKind;
use crate::state::faults::{NewFault, fault_rows, put_faults};
use crate::state::metered::{Metered, metered_rows, put_metered};
use crate::state::tenants::clock_kind;
use crate::store::Store;

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    pub id: Id,
    pub status: MessageStatus,
    /// Attempts made so far, this one counted.
    pub attempt: i64,
    /// For `Pending`: when to try again.
    pub next_attempt_at: Option<Timestamp>,
    pub provider_id: Option<String>,
    /// Whether reports on it may come, which name it by the provider's id.
    pub is_reported: bool,
    pub units: i64,
    pub fault: Option<String>,
    /// Of the component that sent it.
    pub digest: Option<String>,
    /// Whether it is one more attempt in the message's list. What is held or dropped was not attempted.
    pub is_attempt: bool,
    pub at: Timestamp,
}

impl Settled {
    /// As it stands in the list of attempts.
    fn attempt(&self) -> Option<String> {
        let made = json!([self.at.micros(), self.status.code(), self.fault, self.digest]);
        self.is_attempt.then(|| bulk::json_text(&made))
    }
}

/// A list of attempts that is longer begins anew: somebody retries a message over and over.
const ATTEMPTS_BYTES: i64 = 32_768;

/// Whether verdicts are events, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdicts {
    /// No segment mentions messages.
    Unheard,
    Heard,
}

impl Store {
    /// Records how attempts ended, in one statement: of the messages that `fence` has claimed, and nobody else since.
    pub async fn settle_messages(
        &self,
        scope: &Scope,
        fence: i64,
        settled: Vec<Settled>,
        verdicts: Verdicts,
    ) -> Result<(), StoreError> {
        let Some(rows) = Rows::of(&settled, |row, settled| {
            row.id(settled.id).int(settled.status.code()).int(settled.attempt).maybe_time(settled.next_attempt_at);
            row.maybe_text(settled.provider_id.as_deref()).int(settled.units).maybe_text(settled.fault.as_deref());
            row.maybe_text(settled.digest.as_deref()).time(settled.at).int(i64::from(settled.is_reported));
            row.maybe_text(settled.attempt().as_deref());
        }) else {
            return Ok(());
        };
        let tenant = scope.tenant();
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    count_accepted(tx, tenant, fence, &settled).await?;
                    let held = fetch_all!(
                        tx.conn(),
                        Held,
                        // In this form SQLite looks each message up by its key; joined, it scans all of the tenant's.
                        "WITH settled AS MATERIALIZED (SELECT CAST(value ->> 0 AS TEXT) AS id, \
                         CAST(value ->> 1 AS BIGINT) AS status, CAST(value ->> 2 AS BIGINT) AS attempts, \
                         CAST(value ->> 3 AS BIGINT) AS next_attempt_at, CAST(value ->> 4 AS TEXT) AS provider_id, \
                         CAST(value ->> 5 AS BIGINT) AS units, CAST(value ->> 6 AS TEXT) AS fault, \
                         CAST(value ->> 7 AS TEXT) AS digest, CAST(value ->> 8 AS BIGINT) AS settled_at, CAST(value ->> 9 AS BIGINT) AS is_reported, \
                         CAST(value ->> 10 AS TEXT) AS attempt \
                         FROM jsonb_each($2)) UPDATE messages SET \
                         (status, attempts, next_attempt_at, provider_id, reported_as, units, fault, digest, settled_at, attempts_made) = \
                         (SELECT CASE WHEN settled.status <> 0 THEN settled.status ELSE COALESCE((SELECT CASE journeys.status \
                         WHEN 2 THEN 6 WHEN 4 THEN 4 END FROM journeys WHERE journeys.tenant_id = $1 \
                         AND journeys.name = messages.journey), 0) END, settled.attempts, settled.next_attempt_at, COALESCE(settled.provider_id, messages.provider_id), \
                         CASE WHEN settled.is_reported = 1 AND settled.provider_id IS NOT NULL THEN settled.provider_id \
                         ELSE messages.reported_as END, \
                         settled.units, settled.fault, COALESCE(settled.digest, messages.digest), settled.settled_at, CASE WHEN settled.attempt IS NULL \
                         OR (messages.settled_at = settled.settled_at AND messages.attempts = settled.attempts) THEN messages.attempts_made \
                         WHEN messages.attempts_made IS NULL OR LENGTH(messages.attempts_made) > $4 THEN '[' || settled.attempt || ']' \
                         ELSE SUBSTR(messages.attempts_made, 1, LENGTH(messages.attempts_made) - 1) || ',' || settled.attempt || ']' END FROM settled \
                         WHERE settled.id = messages.id) WHERE tenant_id = $1 AND claimed_by = $3 AND \
                         id IN (SELECT settled.id FROM settled) RETURNING id, part_id, channel, status, attempts, fault, settled_at",
                        tenant.0,
                        &rows.json,
                        fence,
                        ATTEMPTS_BYTES,
                    )?;
                    let failed = held.iter().filter_map(Held::failed).collect::<Result<Vec<NewFault>, _>>()?;
                    let at = settled.iter().map(|settled| settled.at).max().unwrap_or_default();
                    if let Some(rows) = fault_rows(&failed, at) {
                        put_faults(tx, tenant, at, &rows).await?;
                    }
                    if verdicts == Verdicts::Unheard {
                        return Ok(());
                    }
                    let verdicts: Vec<Held> = held.into_iter().filter(Held::is_verdict).collect();
                    tell(tx, tenant, &verdicts, Teller::Channel).await
                })
            })
            .await
    }
}

/// Counts the messages that a channel took now, for the subscription that made their journey; not those that are settled again.
async fn count_accepted(tx: &mut Tx<'_>, tenant: TenantId, fence: i64, settled: &[Settled]) -> Result<(), StoreError> {
    let accepted = settled.iter().filter(|settled| settled.status == MessageStatus::Accepted);
    let accepted: HashMap<String, &Settled> = accepted.map(|settled| (settled.id.to_string(), settled)).collect();
    if accepted.is_empty() {
        return Ok(());
    }
    let new = fetch_all!(
        tx.conn(),
        (String, String, String),
        "SELECT messages.id, messages.channel, COALESCE(origins.subscription, '') FROM messages LEFT JOIN origins \
         ON origins.tenant_id = messages.tenant_id AND origins.kind = 'journey' AND origins.name = messages.journey \
         WHERE messages.tenant_id = $1 AND messages.claimed_by = $3 AND messages.status <> 1 AND messages.id IN (SELECT atom FROM json_each($2))",
        tenant.0,
        bulk::list(accepted.keys()),
        fence,
    )?;
    let mut counted: BTreeMap<(Quarter, String, String), (i64, i64)> = BTreeMap::new();
    for (id, channel, subscription) in new {
        let Some(settled) = accepted.get(&id) else { continue };
        let (messages, units) = counted.entry((Quarter::of(settled.at), channel, subscription)).or_default();
        *messages += 1;
        *units = units.saturating_add(settled.units.max(0));
    }
    let of = |((quarter, channel, subscription), (messages, units)): ((Quarter, String, String), (i64, i64))| {
        let of = |meter, quantity| Metered {
            subscription: subscription.clone(),
            ..Metered::new(quarter, meter, &channel, quantity)
        };
        [of(Meter::Messages, messages), of(Meter::MessageUnits, units)]
    };
    match metered_rows(counted.into_iter().flat_map(of).collect()) {
        Some(rows) => put_metered(tx, tenant, &rows).await,
        None => Ok(()),
    }
}

/// A message whose status has changed, as it is now, and when that was.
#[derive(sqlx::FromRow)]
struct Held {
    id: String,
    part_id: String,
    channel: String,
    status: i64,
    attempts: i64,
    fault: Option<String>,
    settled_at: i64,
}

impl Held {
    /// Conditions ask whether there was an attempt, and how the last one ended.
    fn is_verdict(&self) -> bool {
        self.attempts > 0 || self.status != MessageStatus::Pending.code()
    }

    /// What was given up or parked stands in the list of faults, by its channel.
    fn failed(&self) -> Option<Result<NewFault, StoreError>> {
        let status = MessageStatus::from_code(self.status)?;
        if !matches!(status, MessageStatus::Failed | MessageStatus::Parked) {
            return None;
        }
        let reason = self.fault.as_deref().unwrap_or_default();
        let (code, text) = reason.split_once(": ").unwrap_or((reason, ""));
        let ending = match status {
            MessageStatus::Parked => "It may have arrived or not, so it is parked: retry or discard it.",
            _ => "The hub does not try it again by itself.",
        };
        let text = if text.is_empty() { ending.to_owned() } else { format!("{ending} {text}") };
        Some(id(&self.part_id).map(|part| NewFault {
            place: self.id.clone(),
            part: Some(part),
            ..NewFault::one(FaultKind::Message, &self.id, &*self.channel, code, text)
        }))
    }
}

/// Makes a message due that waits, failed, was parked or was dropped; answers its channel, or none if it is none of these.
pub(crate) async fn again(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    message: Id,
    now: Timestamp,
) -> Result<Option<String>, StoreError> {
    look_at(tx, tenant).await?;
    let again = fetch_optional!(
        tx.conn(),
        Held,
        "UPDATE messages SET status = 0, attempts = 0, next_attempt_at = $3, claimed_by = NULL, fault = NULL \
         WHERE tenant_id = $1 AND id = $2 AND status IN (0, 2, 3, 4) \
         RETURNING id, part_id, channel, status, attempts, fault, CAST($3 AS BIGINT) AS settled_at",
        tenant.0,
        message.to_string(),
        now.micros(),
    )?;
    told(tx, tenant, again).await
}

/// Drops a message that waits, failed or was parked; answers its channel, or none if it is none of these.
pub(crate) async fn give_up(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    message: Id,
    now: Timestamp,
) -> Result<Option<String>, StoreError> {
    let gone = fetch_optional!(
        tx.conn(),
        Held,
        "UPDATE messages SET status = 4, next_attempt_at = NULL, claimed_by = NULL, fault = 'discarded', settled_at = $3 \
         WHERE tenant_id = $1 AND id = $2 AND status IN (0, 2, 3) \
         RETURNING id, part_id, channel, status, attempts, fault, settled_at",
        tenant.0,
        message.to_string(),
        now.micros(),
    )?;
    told(tx, tenant, gone).await
}

async fn told(tx: &mut Tx<'_>, tenant: TenantId, changed: Option<Held>) -> Result<Option<String>, StoreError> {
    tell(tx, tenant, changed.as_slice(), Teller::Hand).await?;
    Ok(changed.map(|changed| changed.channel))
}

/// Who has changed messages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Teller {
    Channel,
    /// Somebody, by a call.
    Hand,
}

/// Begins the ids of what was done by hand; the id goes on with the message and its number.
const BY_HAND: &str = "openhub:by-hand:";

/// Appends an event of each change. A verdict that is written again is a duplicate; one after a retry is another, though it may
/// be the same attempt with the same end.
async fn tell(tx: &mut Tx<'_>, tenant: TenantId, changed: &[Held], by: Teller) -> Result<(), StoreError> {
    if changed.is_empty() {
        return Ok(());
    }
    let clock = fetch_optional!(
        tx.conn(),
        (i64, i64),
        "SELECT tenants.clock, partitions.clock FROM partitions JOIN tenants ON tenants.id = partitions.tenant_id \
         WHERE partitions.tenant_id = $1 AND partitions.bucket = 0",
        tenant.0,
    )?;
    let (kind, clock) = clock.ok_or(StoreError::NotFound)?;
    let kind = clock_kind(kind)?;
    let by_hand = fetch_all!(
        tx.conn(),
        (String, i64),
        "SELECT cause, COUNT(*) FROM events WHERE tenant_id = $1 AND origin = 0 AND cause IS NOT NULL \
         AND cause IN (SELECT atom FROM json_each($2)) AND message_id LIKE $3 GROUP BY cause",
        tenant.0,
        bulk::list(changed.iter().map(|changed| &changed.id)),
        format!("{BY_HAND}%"),
    )?;
    let by_hand: HashMap<String, i64> = by_hand.into_iter().collect();
    let events = changed.iter().map(|changed| {
        let message: Id = id(&changed.id)?;
        let status = MessageStatus::from_code(changed.status).ok_or_else(|| corrupt("status of a message"))?;
        let taken_up = by_hand.get(&changed.id).copied().unwrap_or_default();
        let what = [taken_up, changed.status, changed.attempts, changed.settled_at].map(i64::to_le_bytes);
        let message_id = match by {
            Teller::Hand => format!("{BY_HAND}{message}:{taken_up}"),
            Teller::Channel => {
                format!("openhub:verdict:{}", Id::named(&[b"verdict", message.as_bytes(), what.as_flattened()]))
            }
        };
        Ok(NewEvent {
            message_id,
            kind: EventKind::Update,
            name: String::new(),
            part: Some(id(&changed.part_id)?),
            occurred_at: time(match kind {
                ClockKind::Live => changed.settled_at,
                ClockKind::Replay => clock,
            }),
            received_at: time(changed.settled_at),
            historical: false,
            authority: Authority::Operator,
            cause: Some(message.to_string()),
            body: json!({"verdict": {"message": message, "status": status}}).to_string(),
        })
    });
    let events = events.collect::<Result<Vec<NewEvent>, StoreError>>()?;
    append_all(tx, tenant, &[&events], None).await.map(drop)
}
