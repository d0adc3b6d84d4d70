//! Asking the database about a condition: how many customers it holds for, and each one's truth.

use openhub_model::condition::Truth;
use openhub_model::{Condition, PartId};

use super::AsOf;
use crate::database::connection::select;
use crate::database::decode::{id, limit, time};
use crate::database::filters::Sql;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::store::Store;

impl Store {
    /// How many customers the condition holds for.
    pub async fn count_customers(&self, scope: &Scope, condition: &Condition, as_of: AsOf) -> Result<i64, StoreError> {
        let mut reading = self.reading(scope).await?;
        let mut sql = Sql::new(&reading.conn(), "SELECT COUNT(*) FROM customers c WHERE c.tenant_id = ");
        sql.int(scope.tenant().0).push(" AND ").condition(condition, as_of);
        let rows = sql.fetch_all::<(i64,)>(reading.conn()).await?;
        reading.done().await?;
        Ok(rows.first().map_or(0, |(count,)| *count))
    }

    /// The condition's truth for each of a page of customers, by id.
    pub async fn truths(
        &self,
        scope: &Scope,
        condition: &Condition,
        as_of: AsOf,
        after: Option<PartId>,
        rows: usize,
    ) -> Result<Vec<(PartId, Truth)>, StoreError> {
        let mut reading = self.reading(scope).await?;
        let mut sql = Sql::new(&reading.conn(), "SELECT c.part_id, CASE ");
        sql.condition(condition, as_of)
            .push(" WHEN TRUE THEN 1 WHEN FALSE THEN 0 END FROM customers c WHERE c.tenant_id = ");
        sql.int(scope.tenant().0);
        if let Some(after) = after {
            sql.push(" AND c.part_id > ").text(&after.to_string());
        }
        sql.push(" ORDER BY c.part_id LIMIT ").int(limit(rows));
        let rows = sql.fetch_all::<(String, Option<i32>)>(reading.conn()).await?;
        reading.done().await?;
        rows.into_iter()
            .map(|(customer, truth)| Ok((id(&customer)?, truth.map_or(Truth::Unknown, |truth| Truth::of(truth == 1)))))
            .collect()
    }

    /// The tenant's clock and checkpoint at the engine's last commit.
    pub async fn last_commit(&self, scope: &Scope) -> Result<AsOf, StoreError> {
        let rows = select!(
            self,
            scope,
            (i64, i64),
            "SELECT clock, checkpoint FROM partitions WHERE tenant_id = $1 AND bucket = 0",
            scope.tenant().0,
        );
        let (clock, checkpoint) = rows.first().ok_or(StoreError::NotFound)?;
        Ok(AsOf { now: time(*clock), checkpoint: *checkpoint })
    }
}
