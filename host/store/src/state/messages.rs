//! Messages that COMPUTE made, their attempts and how they ended. What is due of them is `outbox`'s.

use openhub_model::message::{MessageStatus, NewMessage};
use openhub_model::{Id, PartId, TenantId, Timestamp};
use std::collections::{HashMap, HashSet};

use crate::database::bulk::{Bulk, Rows, list};
use crate::database::connection::{execute, select};
use crate::database::decode::{corrupt, id, json, limit, maybe_time, time};
use crate::database::filters::Sql;
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::store::Store;

#[derive(Clone, Debug, PartialEq)]
pub struct MessageRow {
    pub message: NewMessage,
    pub status: MessageStatus,
    pub attempts: i64,
    pub next_attempt_at: Option<Timestamp>,
    pub provider_id: Option<String>,
    pub units: i64,
    pub fault: Option<String>,
    pub digest: Option<String>,
    /// When the last attempt ended.
    pub settled_at: Option<Timestamp>,
    /// Each attempt, the oldest first.
    pub attempts_made: Vec<MadeAttempt>,
}

/// An attempt to send a message.
#[derive(Clone, Debug, PartialEq)]
pub struct MadeAttempt {
    pub at: Timestamp,
    /// As the message stood after it: `Pending` if it is to be tried again.
    pub status: MessageStatus,
    pub fault: Option<String>,
    /// Of the component that was called; none if a hub died and nobody knows.
    pub digest: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub struct MessageFilter {
    pub status: Option<MessageStatus>,
    /// Of the customer that this part belongs to.
    pub part: Option<PartId>,
    pub journey: Option<String>,
    pub after: Option<Id>,
    pub limit: usize,
}

#[derive(sqlx::FromRow)]
pub(crate) struct Row {
    id: String,
    part_id: String,
    channel: String,
    address: String,
    purpose: String,
    content: String,
    journey: String,
    run_id: String,
    node: String,
    created_at: i64,
    expires_at: Option<i64>,
    status: i64,
    attempts: i64,
    next_attempt_at: Option<i64>,
    provider_id: Option<String>,
    units: i64,
    fault: Option<String>,
    digest: Option<String>,
    settled_at: Option<i64>,
    attempts_made: Option<String>,
}

impl Store {
    /// A page of messages, by id.
    pub async fn messages(&self, scope: &Scope, filter: &MessageFilter) -> Result<Vec<MessageRow>, StoreError> {
        let mut reading = self.reading(scope).await?;
        let mut sql = Sql::new(
            &reading.conn(),
            "SELECT id, part_id, channel, address, purpose, content, journey, run_id, node, created_at, expires_at, status, \
             attempts, next_attempt_at, provider_id, units, fault, digest, settled_at, attempts_made FROM ",
        );
        if let Some(part) = filter.part {
            sql.each_part_of(scope.tenant(), part);
        }
        sql.push("messages WHERE tenant_id = ");
        sql.int(scope.tenant().0);
        if let Some(status) = filter.status {
            sql.push(" AND status = ").int(status.code());
        }
        if filter.part.is_some() {
            sql.push(" AND part_id = own");
        }
        if let Some(journey) = &filter.journey {
            sql.push(" AND journey = ").text(journey);
        }
        if let Some(after) = filter.after {
            sql.push(" AND id > ").text(&after.to_string());
        }
        sql.push(" ORDER BY id LIMIT ").int(limit(filter.limit));
        let rows = sql.fetch_all::<Row>(reading.conn()).await?;
        reading.done().await?;
        rows.into_iter().map(|row| Ok(scope.message(message(row)?))).collect()
    }

    /// The messages that went through these channels, of a plugin that hears of them later, by the ids that their providers gave them. A provider's id that two
    /// messages have is nobody's.
    pub async fn messages_by_provider_ids(
        &self,
        scope: &Scope,
        channels: &[&str],
        provider_ids: &[&str],
    ) -> Result<HashMap<String, MessageRow>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT id, part_id, channel, address, purpose, content, journey, run_id, node, created_at, expires_at, status, \
             attempts, next_attempt_at, provider_id, units, fault, digest, settled_at, attempts_made FROM messages \
             WHERE tenant_id = $1 AND reported_as IN (SELECT atom FROM json_each($2)) \
             AND channel IN (SELECT atom FROM json_each($3))",
            scope.tenant().0,
            list(provider_ids),
            list(channels),
        );
        let (mut messages, mut ambiguous) = (HashMap::new(), HashSet::new());
        for row in rows {
            let row = message(row)?;
            let Some(provider_id) = row.provider_id.clone() else { continue };
            if let Some(other) = messages.insert(provider_id, row) {
                ambiguous.extend(other.provider_id);
            }
        }
        messages.retain(|provider_id, _| !ambiguous.contains(provider_id));
        Ok(messages)
    }

    pub async fn message(&self, scope: &Scope, id: Id) -> Result<Option<MessageRow>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT id, part_id, channel, address, purpose, content, journey, run_id, node, created_at, expires_at, status, \
             attempts, next_attempt_at, provider_id, units, fault, digest, settled_at, attempts_made FROM messages \
             WHERE tenant_id = $1 AND id = $2",
            scope.tenant().0,
            id.to_string(),
        );
        rows.into_iter().next().map(|row| Ok(scope.message(message(row)?))).transpose()
    }
}

pub(crate) fn message_rows(messages: &[NewMessage]) -> Option<Bulk> {
    Rows::of(messages, |row, message| {
        row.id(message.id).id(message.part).text(&message.channel).text(&message.address).text(&message.purpose);
        row.text(&message.content).text(&message.journey).id(message.run).text(&message.node);
        row.time(message.created_at).maybe_time(message.expires_at);
    })
}

/// New messages, due at once by the host's clock. One that exists stays as it is: its id is its idempotency key.
pub(crate) async fn add_messages(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    wall: Timestamp,
    rows: Bulk,
) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "INSERT INTO messages (tenant_id, id, part_id, channel, address, purpose, content, journey, run_id, node, created_at, \
         expires_at, status, attempts, next_attempt_at, units) SELECT $1, CAST(value ->> 0 AS TEXT), \
         CAST(value ->> 1 AS TEXT), CAST(value ->> 2 AS TEXT), CAST(value ->> 3 AS TEXT), CAST(value ->> 4 AS TEXT), \
         CAST(value ->> 5 AS TEXT), CAST(value ->> 6 AS TEXT), CAST(value ->> 7 AS TEXT), CAST(value ->> 8 AS TEXT), \
         CAST(value ->> 9 AS BIGINT), CAST(value ->> 10 AS BIGINT), 0, 0, CAST($3 AS BIGINT), 0 \
         FROM jsonb_each($2) WHERE true ON CONFLICT DO NOTHING",
        tenant.0,
        rows.json,
        wall.micros(),
    )
    .map(drop)
}

/// Drops what is unsent of these runs, which are of these parts.
pub(crate) async fn take_back(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    wall: Timestamp,
    parts: &str,
    runs: &str,
) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "UPDATE messages SET status = 4, next_attempt_at = NULL, settled_at = $2, fault = $3 WHERE tenant_id = $1 \
         AND part_id IN (SELECT atom FROM json_each($4)) AND run_id IN (SELECT atom FROM json_each($5)) \
         AND status IN (0, 6)",
        tenant.0,
        wall.micros(),
        "its run ended because the customer has another run",
        parts,
        runs,
    )
    .map(drop)
}

pub(crate) fn message(row: Row) -> Result<MessageRow, StoreError> {
    Ok(MessageRow {
        message: NewMessage {
            id: id(&row.id)?,
            part: id(&row.part_id)?,
            channel: row.channel,
            address: row.address,
            purpose: row.purpose,
            content: row.content,
            journey: row.journey,
            run: id(&row.run_id)?,
            node: row.node,
            created_at: time(row.created_at),
            expires_at: maybe_time(row.expires_at),
        },
        status: MessageStatus::from_code(row.status).ok_or_else(|| corrupt("status of a message"))?,
        attempts: row.attempts,
        next_attempt_at: maybe_time(row.next_attempt_at),
        provider_id: row.provider_id,
        units: row.units,
        fault: row.fault,
        digest: row.digest,
        settled_at: maybe_time(row.settled_at),
        attempts_made: row.attempts_made.as_deref().map(attempts).transpose()?.unwrap_or_default(),
    })
}

fn attempts(text: &str) -> Result<Vec<MadeAttempt>, StoreError> {
    let made: Vec<(i64, i64, Option<String>, Option<String>)> = json(text, "the attempts of a message")?;
    let attempt = |(at, status, fault, digest)| {
        let status = MessageStatus::from_code(status).ok_or_else(|| corrupt("status of an attempt"))?;
        Ok(MadeAttempt { at: time(at), status, fault, digest })
    };
    made.into_iter().map(attempt).collect()
}
