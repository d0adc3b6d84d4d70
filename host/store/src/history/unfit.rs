//! Customers whose value of an attribute is not of the type that it was declared with: it was there before the declaration.
//!
//! Each value is judged by the model's own rule, so that what is listed is what the engine would refuse today. No index knows
//! such values: customers are walked by id, and only for as long as a caller waits.

use openhub_model::PartId;
use openhub_model::attribute::AttributeType;
use serde_json::Value;
use std::time::{Duration, Instant};

use crate::database::decode::{id, json};
use crate::database::filters::Sql;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::store::Store;

/// Customers that a statement walks at most.
const STEP: i64 = 2_000;

/// A member's JSON text. Not by its path: a name may have quotes in it.
const SQLITE_VALUE: &str = "(SELECT CASE WHEN type IN ('true', 'false', 'null') THEN type WHEN type IN ('array', 'object') THEN value \
    ELSE json_quote(value) END FROM json_each(c.attributes) WHERE key = ";

/// What a walk finds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unfit {
    /// Customers whose value does not fit.
    pub found: usize,
    /// The first of them, with their values, by id.
    pub first: Vec<(PartId, Value)>,
    /// The customer after which the walk goes on; none if it came to the end.
    pub stopped_at: Option<PartId>,
}

/// How far a walk goes.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    /// Customers behind this one only.
    pub after: Option<PartId>,
    /// Values that are kept.
    pub keep: usize,
    /// Whether it ends once that many are kept, or counts the others, too.
    pub then: Then,
    pub time: Duration,
}

/// What a walk does when it has kept all that it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    Count,
    Stop,
}

impl Store {
    /// Walks customers by id, and at least some, however short the time is.
    pub async fn unfit(
        &self,
        scope: &Scope,
        attribute: &str,
        of: AttributeType,
        Walk { mut after, keep, then, time }: Walk,
    ) -> Result<Unfit, StoreError> {
        scope.sees_people()?;
        let began = Instant::now();
        let mut unfit = Unfit::default();
        let mut reading = self.reading_all(scope).await?;
        loop {
            let mut sql = Sql::new(&reading.conn(), "SELECT c.part_id, ");
            sql.either(SQLITE_VALUE, "CAST(c.attributes -> ");
            sql.text(attribute).either(" ORDER BY id DESC LIMIT 1)", " AS TEXT)");
            sql.push(" FROM customers c WHERE c.tenant_id = ").int(scope.tenant().0);
            if let Some(after) = after {
                sql.push(" AND c.part_id > ").text(&after.to_string());
            }
            sql.push(" ORDER BY c.part_id LIMIT ").int(STEP);
            let rows = sql.fetch_all::<(String, Option<String>)>(reading.conn()).await?;
            let is_last = (rows.len() as i64) < STEP;
            for (customer, value) in rows {
                if then == Then::Stop && unfit.first.len() == keep {
                    unfit.stopped_at = after;
                    reading.done().await?;
                    return Ok(unfit);
                }
                let customer: PartId = id(&customer)?;
                after = Some(customer);
                let Some(value) = value else { continue };
                let value: Value = json(&value, "value of an attribute")?;
                if of.holds(&value) {
                    continue;
                }
                unfit.found += 1;
                if unfit.first.len() < keep {
                    unfit.first.push((customer, value));
                }
            }
            if is_last || began.elapsed() >= time {
                unfit.stopped_at = after.filter(|_| !is_last);
                reading.done().await?;
                return Ok(unfit);
            }
        }
    }
}
