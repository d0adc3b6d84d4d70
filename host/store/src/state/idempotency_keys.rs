//! Calls that are made once under the key that their caller gave them (`Idempotency-Key`). A row stands from before the call begins,
//! so that a second one meets it; the call's first transaction marks it as done (1), so that the call and its mark are one; and then it
//! is answered (2).

use openhub_model::{TenantId, Timestamp};

use crate::act::Once;
use crate::database::connection::{execute, fetch_optional};
use crate::database::decode::limit;
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::store::Store;

/// How long a key is known.
const KEPT: i64 = 86_400_000_000;
/// After so long without its first write, or without an answer, nobody makes the call any more: the hub that did has ended.
const GIVEN_UP: i64 = 120_000_000;

/// How far a call has come.
const DONE: i64 = 1;
const ANSWERED: i64 = 2;

/// What a call meets under its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// Nothing: it is made now.
    Now,
    /// The same call, which is being made.
    Running,
    /// The same call, which is done, with its sealed answer if that is kept.
    Done(Option<String>),
    /// Another call.
    Other,
}

impl Store {
    /// Takes the key for this call, if it is free.
    pub async fn begin_once(&self, scope: &Scope, once: Once, now: Timestamp) -> Result<Begun, StoreError> {
        let (tenant, now) = (scope.tenant(), now.micros());
        let begin = self.writer.write(Some(tenant), move |tx| {
            Box::pin(async move {
                execute!(
                    tx.conn(),
                    "DELETE FROM idempotency_keys WHERE tenant_id = $1 AND began_at < $2",
                    tenant.0,
                    now - KEPT,
                )?;
                let taken = execute!(
                    tx.conn(),
                    "INSERT INTO idempotency_keys (tenant_id, id, request, attempt, began_at) VALUES ($1, $2, $3, $4, $5) \
                     ON CONFLICT (tenant_id, id) DO UPDATE SET request = excluded.request, attempt = excluded.attempt, \
                     began_at = excluded.began_at WHERE idempotency_keys.done = 0 AND idempotency_keys.began_at < $6",
                    tenant.0,
                    once.id.to_string(),
                    once.request.to_string(),
                    once.attempt.to_string(),
                    now,
                    now - GIVEN_UP,
                )?;
                if taken > 0 {
                    return Ok(Begun::Now);
                }
                let met = fetch_optional!(
                    tx.conn(),
                    (String, i64, Option<String>, i64),
                    "SELECT request, done, answer, began_at FROM idempotency_keys WHERE tenant_id = $1 AND id = $2",
                    tenant.0,
                    once.id.to_string(),
                )?;
                Ok(match met {
                    None => Begun::Running,
                    Some((request, ..)) if request != once.request.to_string() => Begun::Other,
                    Some((_, ANSWERED, answer, _)) => Begun::Done(answer),
                    Some((_, DONE, _, began)) if began < now - GIVEN_UP => Begun::Done(None),
                    Some(_) => Begun::Running,
                })
            })
        });
        begin.await
    }

    /// Keeps the sealed answer of a call that is done. What has written nothing is done only if it `succeeded`; else its key is free again.
    /// An answer is not kept if a customer was erased since the call began: it may show them.
    pub async fn end_once(
        &self,
        scope: &Scope,
        once: Once,
        succeeded: bool,
        answer: Option<String>,
    ) -> Result<(), StoreError> {
        let tenant = scope.tenant();
        let end = self.writer.write(Some(tenant), move |tx| {
            Box::pin(async move {
                let (id, attempt) = (once.id.to_string(), once.attempt.to_string());
                execute!(
                    tx.conn(),
                    "UPDATE idempotency_keys SET done = 2, answer = CASE WHEN EXISTS (SELECT 1 FROM erasures e WHERE \
                     e.tenant_id = $1 AND e.done_at >= idempotency_keys.began_at) THEN NULL ELSE CAST($4 AS TEXT) END \
                     WHERE tenant_id = $1 AND id = $2 AND attempt = $3 AND (done = 1 OR $5 = 1)",
                    tenant.0,
                    &id,
                    &attempt,
                    answer,
                    i64::from(succeeded),
                )?;
                execute!(
                    tx.conn(),
                    "DELETE FROM idempotency_keys WHERE tenant_id = $1 AND id = $2 AND attempt = $3 AND done = 0",
                    tenant.0,
                    &id,
                    &attempt,
                )
                .map(drop)
            })
        });
        end.await
    }
}

/// Takes the answers away, so many at most: they may show a customer who is erased. What was done is not done again.
pub(crate) async fn forget_answers(tx: &mut Tx<'_>, tenant: TenantId, most: usize) -> Result<usize, StoreError> {
    let gone = execute!(
        tx.conn(),
        "UPDATE idempotency_keys SET answer = NULL WHERE tenant_id = $1 AND id IN (SELECT id FROM idempotency_keys \
         WHERE tenant_id = $1 AND answer IS NOT NULL LIMIT $2)",
        tenant.0,
        limit(most),
    )?;
    Ok(gone as usize)
}
