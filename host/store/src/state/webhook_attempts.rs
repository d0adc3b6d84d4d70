//! How deliveries went, for who looks at them.

use openhub_model::{Id, PartId, Timestamp};

use crate::database::connection::select;
use crate::database::decode::{corrupt, id, limit, maybe_id, maybe_time, time};
use crate::database::filters::Sql;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::state::webhook_deliveries::DeliveryState;
use crate::store::Store;

/// A delivery as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub position: i64,
    pub id: Id,
    pub r#type: String,
    pub customer: Option<PartId>,
    pub state: DeliveryState,
    pub attempts: i64,
    pub due_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub settled_at: Option<Timestamp>,
    /// What the receiver answered last, and what was wrong.
    pub status: Option<i64>,
    pub error: Option<String>,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub at: Timestamp,
    pub duration_ms: i64,
    pub status: Option<i64>,
    pub error: Option<String>,
    /// The beginning of what the receiver answered.
    pub answer: Option<String>,
}

/// Which deliveries of a webhook are asked for.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    pub state: Option<DeliveryState>,
    /// Those before this position of the log.
    pub before: Option<i64>,
    pub limit: usize,
}

#[derive(sqlx::FromRow)]
struct Row {
    position: i64,
    id: String,
    r#type: String,
    part_id: Option<String>,
    state: i64,
    attempts: i64,
    due_at: Option<i64>,
    created_at: i64,
    settled_at: Option<i64>,
    status: Option<i64>,
    error: Option<String>,
}

impl Row {
    fn read(self) -> Result<Delivery, StoreError> {
        Ok(Delivery {
            position: self.position,
            id: id(&self.id)?,
            r#type: self.r#type,
            customer: maybe_id(self.part_id.as_deref())?,
            state: DeliveryState::from_code(self.state).ok_or_else(|| corrupt("state of a delivery"))?,
            attempts: self.attempts,
            due_at: maybe_time(self.due_at),
            created_at: time(self.created_at),
            settled_at: maybe_time(self.settled_at),
            status: self.status,
            error: self.error,
        })
    }
}

const COLUMNS: &str = "SELECT position, id, type, part_id, state, attempts, due_at, created_at, settled_at, status, error \
     FROM webhook_deliveries WHERE tenant_id = ";

impl Store {
    /// The deliveries of a webhook, newest first.
    pub async fn deliveries(
        &self,
        scope: &Scope,
        webhook: &str,
        filter: &DeliveryFilter,
    ) -> Result<Vec<Delivery>, StoreError> {
        let mut reading = self.reading(scope).await?;
        let mut sql = Sql::new(&reading.conn(), COLUMNS);
        sql.int(scope.tenant().0).push(" AND webhook = ").text(webhook);
        sql.push(" AND position < ").int(filter.before.unwrap_or(i64::MAX));
        if let Some(state) = filter.state {
            sql.push(" AND state = ").int(state.code());
        }
        sql.push(" ORDER BY position DESC LIMIT ").int(limit(filter.limit));
        let rows = sql.fetch_all::<Row>(reading.conn()).await?;
        reading.done().await?;
        rows.into_iter().map(|row| Ok(scope.delivery(row.read()?))).collect()
    }

    /// One delivery of a webhook.
    pub async fn delivery(&self, scope: &Scope, webhook: &str, delivery: Id) -> Result<Option<Delivery>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT position, id, type, part_id, state, attempts, due_at, created_at, settled_at, status, error \
             FROM webhook_deliveries WHERE tenant_id = $1 AND id = $2 AND webhook = $3",
            scope.tenant().0,
            delivery.to_string(),
            webhook,
        );
        rows.into_iter().next().map(|row| Ok(scope.delivery(row.read()?))).transpose()
    }

    /// The last attempts of a delivery, the latest first.
    pub async fn delivery_attempts(
        &self,
        scope: &Scope,
        webhook: &str,
        position: i64,
    ) -> Result<Vec<Attempt>, StoreError> {
        let rows = select!(
            self,
            scope,
            (i64, i64, Option<i64>, Option<String>, Option<String>),
            "SELECT at, duration_ms, status, error, answer FROM webhook_attempts WHERE tenant_id = $1 AND webhook = $2 \
             AND position = $3 ORDER BY attempt DESC",
            scope.tenant().0,
            webhook,
            position,
        );
        let attempt =
            |(at, duration_ms, status, error, answer)| Attempt { at: time(at), duration_ms, status, error, answer };
        Ok(rows.into_iter().map(attempt).map(|attempt| scope.attempt(attempt)).collect())
    }

    /// How many deliveries of a webhook, of those that were made from an instant on, are in a state.
    pub async fn count_deliveries(
        &self,
        scope: &Scope,
        webhook: &str,
        state: DeliveryState,
        since: Timestamp,
    ) -> Result<i64, StoreError> {
        let rows = select!(
            self,
            scope,
            (i64,),
            "SELECT COUNT(*) FROM webhook_deliveries WHERE tenant_id = $1 AND webhook = $2 AND state = $3 AND created_at >= $4",
            scope.tenant().0,
            webhook,
            state.code(),
            since.micros(),
        );
        Ok(rows.first().map_or(0, |(count,)| *count))
    }
}
