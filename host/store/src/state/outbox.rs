//! The outbox: which messages are due, by channel, and who has claimed them.
//!
//! A message is claimed in a commit of its own before its channel is called, under the fence of the tenant's lease. What an
//! earlier fence has claimed and not settled may have been sent: it is taken over, and its new holder decides.

use openhub_model::message::NewMessage;
use openhub_model::{Id, TenantId, Timestamp};
use std::collections::HashSet;

use crate::database::bulk;
use crate::database::connection::{execute, fetch_all, fetch_optional, select};
use crate::database::decode::{corrupt, id, limit, time};
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::log::leases::holds;
use crate::scope::Scope;
use crate::state::fault_kinds::FaultStatus;
use crate::state::faults::message_is_seen_to;
use crate::state::messages::{MessageRow, Row, message};
use crate::state::settlements::{again, give_up};
use crate::store::Store;

/// A message that is due for an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    pub message: NewMessage,
    /// Attempts made so far.
    pub attempt: i64,
    /// What the last one came to, or why the message waits.
    pub fault: Option<String>,
}

/// One look at the index a channel, however many messages it has.
const PENDING_CHANNELS: &str = "WITH RECURSIVE waiting(channel) AS (\
     SELECT MIN(channel) FROM messages WHERE tenant_id = $1 AND status = 0 UNION ALL \
     SELECT (SELECT MIN(messages.channel) FROM messages WHERE tenant_id = $1 AND status = 0 \
     AND messages.channel > waiting.channel) FROM waiting WHERE waiting.channel IS NOT NULL) \
     SELECT channel, (SELECT MIN(next_attempt_at) FROM messages WHERE tenant_id = $1 AND status = 0 \
     AND messages.channel = waiting.channel) FROM waiting WHERE channel IS NOT NULL";

impl Store {
    /// The channels that have messages to send, each with when its first is due by the host's clock.
    pub async fn pending_channels(&self, scope: &Scope) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let rows = select!(self, scope, (Option<String>, Option<i64>), PENDING_CHANNELS, scope.tenant().0,);
        Ok(rows.into_iter().filter_map(|(channel, at)| channel.zip(at.map(time))).collect())
    }

    /// When the next pending message is due, by the host's clock.
    pub async fn next_attempt(&self, scope: &Scope) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.pending_channels(scope).await?.into_iter().map(|(_, at)| at).min())
    }

    /// Messages of a channel whose next attempt is due by the host's clock, by time and id.
    pub async fn pending_messages(
        &self,
        scope: &Scope,
        channel: &str,
        now: Timestamp,
        rows: usize,
    ) -> Result<Vec<Outgoing>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT id, part_id, channel, address, purpose, content, journey, run_id, node, created_at, expires_at, status, \
             attempts, next_attempt_at, provider_id, units, fault, digest, settled_at, attempts_made FROM messages \
             WHERE tenant_id = $1 AND status = 0 AND channel = $2 AND next_attempt_at <= $3 \
             ORDER BY next_attempt_at, id LIMIT $4",
            scope.tenant().0,
            channel.to_owned(),
            now.micros(),
            limit(rows),
        );
        rows.into_iter().map(outgoing).collect()
    }

    /// Claims messages that still wait: only the ones that are answered may be sent. Fails if the lease is lost.
    pub async fn claim_messages(&self, scope: &Scope, fence: i64, ids: &[Id]) -> Result<HashSet<Id>, StoreError> {
        let (tenant, ids) = (scope.tenant(), bulk::list(ids.iter()));
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    holds(tx, tenant, Some(fence)).await?;
                    let claimed = fetch_all!(
                        tx.conn(),
                        (String,),
                        "UPDATE messages SET status = 5, claimed_by = $2 WHERE tenant_id = $1 AND status = 0 \
                         AND id IN (SELECT atom FROM json_each($3)) RETURNING id",
                        tenant.0,
                        fence,
                        &ids,
                    )?;
                    claimed.iter().map(|(claimed,)| id(claimed)).collect()
                })
            })
            .await
    }

    /// Gives claimed messages back that no channel was called with.
    pub async fn release_messages(&self, scope: &Scope, fence: i64, ids: &[Id]) -> Result<(), StoreError> {
        let (tenant, ids) = (scope.tenant(), bulk::list(ids.iter()));
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    execute!(
                        tx.conn(),
                        "UPDATE messages SET status = COALESCE((SELECT CASE journeys.status WHEN 2 THEN 6 WHEN 4 THEN 4 END \
                         FROM journeys WHERE journeys.tenant_id = $1 AND journeys.name = messages.journey), 0), \
                         claimed_by = NULL WHERE tenant_id = $1 AND status = 5 \
                         AND claimed_by = $2 AND id IN (SELECT atom FROM json_each($3))",
                        tenant.0,
                        fence,
                        &ids,
                    )
                    .map(drop)
                })
            })
            .await
    }

    /// Lets messages wait that nobody has claimed, with the reason.
    pub async fn hold_messages(
        &self,
        scope: &Scope,
        ids: &[Id],
        until: Timestamp,
        reason: &str,
    ) -> Result<(), StoreError> {
        let (tenant, ids, reason) = (scope.tenant(), bulk::list(ids.iter()), reason.to_owned());
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    execute!(
                        tx.conn(),
                        "UPDATE messages SET next_attempt_at = $2, fault = $3 WHERE tenant_id = $1 AND status = 0 \
                         AND id IN (SELECT atom FROM json_each($4))",
                        tenant.0,
                        until.micros(),
                        &reason,
                        &ids,
                    )
                    .map(drop)
                })
            })
            .await
    }

    /// Makes a message due that waits, failed, was parked or was dropped, as if it had never been tried. False if it is none of
    /// these.
    pub async fn retry_message(&self, scope: &Scope, message: Id, now: Timestamp) -> Result<bool, StoreError> {
        let tenant = scope.tenant();
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    let Some(channel) = again(tx, tenant, message, now).await? else { return Ok(false) };
                    message_is_seen_to(tx, tenant, &message.to_string(), &channel, FaultStatus::Retried).await?;
                    Ok(true)
                })
            })
            .await
    }

    /// Drops a message that waits, failed or was parked. False if it is none of these.
    pub async fn discard_message(&self, scope: &Scope, message: Id, now: Timestamp) -> Result<bool, StoreError> {
        let tenant = scope.tenant();
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    let Some(channel) = give_up(tx, tenant, message, now).await? else { return Ok(false) };
                    message_is_seen_to(tx, tenant, &message.to_string(), &channel, FaultStatus::Discarded).await?;
                    Ok(true)
                })
            })
            .await
    }

    /// Takes over what an earlier fence had claimed and left: nobody knows whether these were sent.
    pub async fn take_over_messages(
        &self,
        scope: &Scope,
        fence: i64,
        rows: usize,
    ) -> Result<Vec<Outgoing>, StoreError> {
        let left = select!(
            self,
            scope,
            Row,
            "SELECT id, part_id, channel, address, purpose, content, journey, run_id, node, created_at, expires_at, status, \
             attempts, next_attempt_at, provider_id, units, fault, digest, settled_at, attempts_made FROM messages \
             WHERE tenant_id = $1 AND status = 5 AND claimed_by < $2 ORDER BY claimed_by LIMIT $3",
            scope.tenant().0,
            fence,
            limit(rows),
        );
        let left = left.into_iter().map(outgoing).collect::<Result<Vec<Outgoing>, _>>()?;
        if left.is_empty() {
            return Ok(left);
        }
        let tenant = scope.tenant();
        let ids = bulk::list(left.iter().map(|left| left.message.id));
        let taken: HashSet<Id> = self
            .writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    let taken = fetch_all!(
                        tx.conn(),
                        (String,),
                        "UPDATE messages SET claimed_by = $2 WHERE tenant_id = $1 AND status = 5 AND claimed_by < $2 \
                         AND id IN (SELECT atom FROM json_each($3)) RETURNING id",
                        tenant.0,
                        fence,
                        &ids,
                    )?;
                    taken.iter().map(|(taken,)| id(taken)).collect()
                })
            })
            .await?;
        Ok(left.into_iter().filter(|left| taken.contains(&left.message.id)).collect())
    }
}

fn outgoing(row: Row) -> Result<Outgoing, StoreError> {
    let MessageRow { message, attempts, next_attempt_at, fault, .. } = message(row)?;
    next_attempt_at.ok_or_else(|| corrupt("a message to be sent without a time"))?;
    Ok(Outgoing { message, attempt: attempts, fault })
}

/// Whether something is claimed.
pub(crate) async fn has_claimed(tx: &mut Tx<'_>, tenant: TenantId) -> Result<bool, StoreError> {
    let claimed = "SELECT CAST(1 AS BIGINT) WHERE EXISTS (SELECT 1 FROM messages WHERE tenant_id = $1 AND status = 5)";
    Ok(fetch_optional!(tx.conn(), (i64,), claimed, tenant.0)?.is_some())
}

/// When the first message that waits is due.
pub(crate) async fn next_due(tx: &mut Tx<'_>, tenant: TenantId) -> Result<Option<i64>, StoreError> {
    let pending = fetch_all!(tx.conn(), (Option<String>, Option<i64>), PENDING_CHANNELS, tenant.0)?;
    Ok(pending.into_iter().filter_map(|(_, due)| due).min())
}
