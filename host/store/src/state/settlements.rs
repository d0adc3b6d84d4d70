//! How attempts to send ended. Where segments mention messages, a verdict is also an event of its customer, appended in the
//! same transaction: the engine asks those segments when it comes to it.

use openhub_model::identity::Authority;
use openhub_model::message::MessageStatus;
use openhub_model::{ClockKind, EventKind, Id, NewEvent, TenantId, Timestamp};
use serde_json::json;
use std::collections::HashSet;

use crate::database::bulk::{self, Rows};
use crate::database::connection::{fetch_all, fetch_optional};
use crate::database::decode::{id, time};
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::log::events::append_all;
use crate::scope::Scope;
use crate::state::fault_kinds::FaultKind;
use crate::state::faults::{NewFault, fault_rows, put_faults};
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
    pub units: i64,
    pub fault: Option<String>,
    /// Of the component that sent it.
    pub digest: Option<String>,
    pub at: Timestamp,
}

/// Whether verdicts are events, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdicts {
    /// No segment mentions messages.
    Unheard,
    Heard,
}

impl Settled {
    /// Conditions ask whether there was an attempt, and how the last one ended.
    fn is_verdict(&self) -> bool {
        self.attempt > 0 || self.status != MessageStatus::Pending
    }
}

impl Store {
    /// Records how attempts ended, in one statement: of the messages that `fence` has claimed, and nobody else since.
    pub async fn settle_messages(
        &self,
        scope: &Scope,
        fence: i64,
        mut settled: Vec<Settled>,
        verdicts: Verdicts,
    ) -> Result<(), StoreError> {
        let Some(rows) = Rows::of(&settled, |row, settled| {
            row.id(settled.id).int(settled.status.code()).int(settled.attempt).maybe_time(settled.next_attempt_at);
            row.maybe_text(settled.provider_id.as_deref()).int(settled.units).maybe_text(settled.fault.as_deref());
            row.maybe_text(settled.digest.as_deref()).time(settled.at);
        }) else {
            return Ok(());
        };
        let tenant = scope.tenant();
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    let held = fetch_all!(
                        tx.conn(),
                        Held,
                        // In this form SQLite looks each message up by its key; joined, it scans all of the tenant's.
                        "WITH settled AS MATERIALIZED (SELECT CAST(value ->> 0 AS TEXT) AS id, \
                         CAST(value ->> 1 AS BIGINT) AS status, CAST(value ->> 2 AS BIGINT) AS attempts, \
                         CAST(value ->> 3 AS BIGINT) AS next_attempt_at, CAST(value ->> 4 AS TEXT) AS provider_id, \
                         CAST(value ->> 5 AS BIGINT) AS units, CAST(value ->> 6 AS TEXT) AS fault, \
                         CAST(value ->> 7 AS TEXT) AS digest, CAST(value ->> 8 AS BIGINT) AS settled_at FROM jsonb_each($2)) \
                         UPDATE messages SET (status, attempts, next_attempt_at, provider_id, units, fault, digest, settled_at) = \
                         (SELECT CASE WHEN settled.status <> 0 THEN settled.status ELSE COALESCE((SELECT CASE journeys.status \
                         WHEN 2 THEN 6 WHEN 4 THEN 4 END FROM journeys WHERE journeys.tenant_id = $1 \
                         AND journeys.name = messages.journey), 0) END, settled.attempts, settled.next_attempt_at, COALESCE(settled.provider_id, messages.provider_id), \
                         settled.units, settled.fault, COALESCE(settled.digest, messages.digest), settled.settled_at FROM settled \
                         WHERE settled.id = messages.id) WHERE tenant_id = $1 AND claimed_by = $3 AND \
                         id IN (SELECT settled.id FROM settled) RETURNING id, part_id, channel, status, fault",
                        tenant.0,
                        &rows.json,
                        fence,
                    )?;
                    let failed = held.iter().filter_map(Held::failed).collect::<Result<Vec<NewFault>, _>>()?;
                    let at = settled.iter().map(|settled| settled.at).max().unwrap_or_default();
                    if let Some(rows) = fault_rows(&failed, at) {
                        put_faults(tx, tenant, at, &rows).await?;
                    }
                    if verdicts == Verdicts::Unheard {
                        return Ok(());
                    }
                    let held = held.iter().map(|held| id(&held.id)).collect::<Result<HashSet<Id>, _>>()?;
                    settled.retain(|settled| held.contains(&settled.id));
                    append_verdicts(tx, tenant, &settled).await
                })
            })
            .await
    }
}

/// A message that was held under the claim, as it is now.
#[derive(sqlx::FromRow)]
struct Held {
    id: String,
    part_id: String,
    channel: String,
    status: i64,
    fault: Option<String>,
}

impl Held {
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

/// One event a message and status: a verdict that is written again is a duplicate. Nothing of messages that are gone.
async fn append_verdicts(tx: &mut Tx<'_>, tenant: TenantId, settled: &[Settled]) -> Result<(), StoreError> {
    let verdicts: Vec<&Settled> = settled.iter().filter(|settled| settled.is_verdict()).collect();
    if verdicts.is_empty() {
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
    let owners = fetch_all!(
        tx.conn(),
        (String, String),
        "SELECT id, part_id FROM messages WHERE tenant_id = $1 AND id IN (SELECT atom FROM json_each($2))",
        tenant.0,
        bulk::list(verdicts.iter().map(|settled| settled.id)),
    )?;
    let mut events = Vec::with_capacity(owners.len());
    for (message, part) in owners {
        let message: Id = id(&message)?;
        let Some(settled) = verdicts.iter().find(|settled| settled.id == message) else { continue };
        events.push(NewEvent {
            message_id: format!(
                "openhub:verdict:{}",
                Id::named(&[b"verdict", message.as_bytes(), &settled.status.code().to_le_bytes()])
            ),
            kind: EventKind::Update,
            name: String::new(),
            part: Some(id(&part)?),
            occurred_at: match kind {
                ClockKind::Live => settled.at,
                ClockKind::Replay => time(clock),
            },
            received_at: settled.at,
            historical: false,
            authority: Authority::Operator,
            cause: Some(message.to_string()),
            body: json!({"verdict": {"message": message, "status": settled.status}}).to_string(),
        });
    }
    append_all(tx, tenant, &[&events], None).await.map(drop)
}
