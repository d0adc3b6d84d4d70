//! Counting under a bound of time, for a condition that is still being written.
//!
//! Ids of customers are hashes, so those of a range of ids are a random share of all. The ranges are counted one after
//! the other, each as wide as the time that is left allows: a small tenant is counted whole, of a large one a share that
//! says how far off its estimate may be.

use openhub_model::{Condition, PartId};
use std::time::{Duration, Instant};

use super::AsOf;
use crate::database::connection::Reading;
use crate::database::decode::{id, limit};
use crate::database::filters::Sql;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::store::Store;

/// What has been counted when the time was up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// For how many of the customers that were looked at the condition holds.
    pub counted: i64,
    /// How many of the [`Preview::SLICES`] equal ranges of ids were looked at.
    pub slices: u32,
    /// Some of those for whom it holds, the first by id.
    pub sample: Vec<PartId>,
}

impl Preview {
    /// As many as there are first three digits of an id.
    pub const SLICES: u32 = 16 * 16 * 16;

    pub fn is_exact(&self) -> bool {
        self.slices == Preview::SLICES
    }

    /// The share of all customers that was looked at.
    pub fn share(&self) -> f64 {
        f64::from(self.slices) / f64::from(Preview::SLICES)
    }

    /// For how many of all customers the condition holds; only an estimate if not all were looked at.
    pub fn count(&self) -> i64 {
        if self.is_exact() { self.counted } else { (self.counted as f64 / self.share()).round() as i64 }
    }

    /// The true count lies within so many of the estimate in 95 of 100 cases.
    ///
    /// Of `K` customers each falls into the share `s` on its own: `k` of them is binomial, and `k / s` has the standard
    /// deviation `√(K (1 − s) / s)`. If none fell into it, the rule of three bounds `K`.
    pub fn error(&self) -> i64 {
        let (counted, share) = (self.counted as f64, self.share());
        if self.is_exact() {
            0
        } else if self.counted == 0 {
            (3.0 / share).ceil() as i64
        } else {
            (1.96 * (counted * (1.0 - share)).sqrt() / share).ceil() as i64
        }
    }
}

impl Store {
    /// Counts for as long as `time` allows. `rows` bounds the sample.
    pub async fn preview(
        &self,
        scope: &Scope,
        condition: &Condition,
        as_of: AsOf,
        rows: usize,
        time: Duration,
    ) -> Result<Preview, StoreError> {
        let mut counting = Counting {
            reading: self.reading_all(scope).await?,
            tenant: scope.tenant().0,
            condition,
            as_of,
            from: 0,
            to: 1,
        };
        let began = Instant::now();
        let mut preview = Preview::default();
        while preview.slices < Preview::SLICES {
            counting.reading.bind_to(began + time).await?;
            match counting.step(&mut preview, rows).await {
                Ok(()) => {}
                Err(error) if error.is_cut_off() => break,
                Err(error) => return Err(error),
            }
            let Some(next) = next(preview.slices, began.elapsed(), time) else { break };
            (counting.from, counting.to) = (preview.slices, (preview.slices + next).min(Preview::SLICES));
        }
        counting.reading.done().await?;
        Ok(preview)
    }
}

/// How many ranges to take next after `done` of them took `spent` of the `time`: at most so many more that the whole is
/// four times as much, and as many as fit with a margin. None if not one does.
fn next(done: u32, spent: Duration, time: Duration) -> Option<u32> {
    let left = time.saturating_sub(spent).as_secs_f64();
    let fitting = f64::from(done) * left / spent.as_secs_f64().max(1e-6);
    let rest = Preview::SLICES.saturating_sub(done);
    let next = (fitting * 0.7).min(f64::from(rest.min(done.saturating_mul(3)))) as u32;
    (next > 0 || rest == 0).then_some(next)
}

struct Counting<'a> {
    reading: Reading,
    tenant: i64,
    condition: &'a Condition,
    as_of: AsOf,
    /// The range of ids, by their first three digits.
    from: u32,
    to: u32,
}

impl Counting<'_> {
    async fn step(&mut self, preview: &mut Preview, rows: usize) -> Result<(), StoreError> {
        let mut sql = self.select("SELECT COUNT(*) FROM customers c WHERE c.tenant_id = ");
        sql.push(" AND ").condition(self.condition, self.as_of);
        let counts = sql.fetch_all::<(i64,)>(self.reading.conn()).await?;
        let counted = counts.first().map_or(0, |(count,)| *count);
        preview.counted += counted;
        preview.slices = self.to;
        if counted > 0 && preview.sample.len() < rows {
            let mut sql = self.select("SELECT c.part_id FROM customers c WHERE c.tenant_id = ");
            sql.push(" AND ").condition(self.condition, self.as_of);
            sql.push(" ORDER BY c.part_id LIMIT ").int(limit(rows - preview.sample.len()));
            for (customer,) in sql.fetch_all::<(String,)>(self.reading.conn()).await? {
                preview.sample.push(id(&customer)?);
            }
        }
        Ok(())
    }

    fn select(&mut self, columns: &'static str) -> Sql {
        let mut sql = Sql::new(&self.reading.conn(), columns);
        sql.int(self.tenant);
        if self.from > 0 {
            sql.push(" AND c.part_id >= ").text(&format!("{:03x}", self.from));
        }
        if self.to < Preview::SLICES {
            sql.push(" AND c.part_id < ").text(&format!("{:03x}", self.to));
        }
        sql
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_says_how_far_off_it_may_be() {
        let whole = Preview { counted: 7, slices: Preview::SLICES, sample: Vec::new() };
        assert_eq!((whole.is_exact(), whole.count(), whole.error()), (true, 7, 0));
        let quarter = Preview { counted: 100, slices: Preview::SLICES / 4, sample: Vec::new() };
        assert_eq!((quarter.is_exact(), quarter.count(), quarter.error()), (false, 400, 68));
        let none = Preview { counted: 0, slices: Preview::SLICES / 4, sample: Vec::new() };
        assert_eq!((none.count(), none.error()), (0, 12));
    }

    #[test]
    fn the_next_range_fits_into_the_time_that_is_left() {
        let time = Duration::from_secs(2);
        assert_eq!(next(1, Duration::from_millis(1), time), Some(3));
        assert_eq!(next(1024, Duration::from_secs(1), time), Some(716));
        assert_eq!(next(4000, Duration::from_millis(10), time), Some(96));
        assert_eq!(next(1, Duration::from_secs(2), time), None);
        assert_eq!(next(Preview::SLICES, Duration::from_secs(1), time), Some(0));
    }
}
