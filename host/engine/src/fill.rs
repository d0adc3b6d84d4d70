//! Customers whom a lane looks at because a segment changed: the first fill of a version, a share of the customers at a
//! time and between attempts, and uploads to a static segment, at their position.
//!
//! A fill goes on where it was committed last. Events that come meanwhile are handled as ever, so a customer may enter
//! before the fill has come to them, and the fill then finds nothing to do.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use futures::FutureExt;
use hashbrown::HashMap;
use openhub_model::{Event, PartId, Timestamp};
use openhub_store::{Changes, FaultKind, Fill, NewFault};
use serde_json::Value;

use crate::aside::Reason;
use crate::catalog::{Place, Unfilled};
use crate::compute::{Fire, Input, Plan, Review, Upload, review};
use crate::error::EngineError;
use crate::lane::Lane;
use crate::load::Moves;

/// Customers of one step.
const STEP: usize = 2_000;

/// One step of the first fills that have come least far: all of them that stand at the same customer.
struct Step {
    group: Vec<Place>,
    /// The last customer of the step; none if there are no more behind.
    last: Option<PartId>,
    looked: i64,
    input: Input,
}

impl Step {
    /// What remains to be filled once this step is committed.
    fn behind(&self, unfilled: &[Unfilled]) -> Vec<Unfilled> {
        let mut unfilled = unfilled.to_vec();
        unfilled.retain_mut(|unfilled| {
            if !self.group.contains(&unfilled.place) {
                return true;
            }
            unfilled.from = self.last;
            self.last.is_some()
        });
        unfilled
    }
}

impl Lane {
    /// First fills, as far as they go. One that fails stands still until the catalog is loaded again, and is listed; the
    /// tenant goes on.
    pub(crate) async fn fill_in_turn(&mut self, now: Timestamp) -> Result<(), EngineError> {
        let filled = AssertUnwindSafe(self.fill(now)).catch_unwind().await;
        let error = match filled.unwrap_or_else(|panic| Err(EngineError::panicked(&*panic))) {
            Err(error) if error.is_of_an_item() => error,
            done => return done,
        };
        tracing::error!(tenant.id = self.lease.tenant.0, "First fills of segments fail and stand still.");
        self.forget();
        self.lease = self.shared.store.held_lease(&self.scope, &self.lease).await?;
        let unfilled = std::mem::take(&mut self.unfilled);
        let fault = |unfilled: &Unfilled| {
            let subject = format!("segment {}", self.catalog.segments.get(unfilled.place).name);
            NewFault::counted(FaultKind::Catalog, subject, "fill-failed", "", Reason::from(&error).text)
        };
        let faults = unfilled.iter().map(fault).collect();
        Ok(self.shared.store.file_faults(&self.scope, now, faults).await?)
    }

    /// First fills, step by step until something is appended or it is time to look for timers. The next step is read
    /// while one is committed.
    pub(crate) async fn fill(&mut self, now: Timestamp) -> Result<(), EngineError> {
        let (appended, began) = (self.shared.store.appended(self.lease.tenant), Instant::now());
        let mut next = self.step(&self.unfilled).await?;
        while let Some(step) = next {
            let (group, last, looked) = (step.group.clone(), step.last, step.looked);
            let behind = step.behind(&self.unfilled);
            let mut changes = self.reviewed(step.input, Review::Fill(group.clone()), self.lease.clock).await?;
            let names = group.iter().map(|place| self.catalog.segments.get(*place).name.clone());
            changes.fills = names.map(|segment| Fill { segment, looked, filled_to: last }).collect();
            changes.wall = now;
            let (committed, read) = tokio::join!(self.shared.store.commit(&self.scope, &self.lease, &changes), async {
                let is_called = appended.has_changed().unwrap_or(true) || began.elapsed() >= self.shared.config.poll;
                if is_called || self.stop.is_cancelled() { Ok(None) } else { self.step(&behind).await }
            });
            self.lease = committed?;
            self.unfilled = behind;
            metrics::counter!("openhub_segment_customers_filled_total").increment(looked.unsigned_abs());
            next = read?;
        }
        Ok(())
    }

    async fn step(&self, unfilled: &[Unfilled]) -> Result<Option<Step>, EngineError> {
        let Some(from) = unfilled.iter().map(|unfilled| unfilled.from).min() else { return Ok(None) };
        let group = unfilled.iter().filter(|unfilled| unfilled.from == from).map(|unfilled| unfilled.place).collect();
        // Who has come further waits there, to go on together.
        let next = unfilled.iter().map(|unfilled| unfilled.from).filter(|each| *each != from).flatten().min();
        let mut customers = self.shared.store.customer_ids_after(&self.scope, from, STEP).await?;
        let mut last = customers.last().copied().filter(|_| customers.len() == STEP);
        if let Some(next) = next
            && last.is_none_or(|last| last > next)
        {
            customers.retain(|customer| *customer <= next);
            last = Some(next);
        }
        let looked = customers.len() as i64;
        Ok(Some(Step { group, last, looked, input: self.reviewable(customers).await? }))
    }

    /// `{"segment": name, "add": [customer, …], "remove": [customer, …]}`.
    pub(crate) async fn members(&mut self, event: &Event) -> Result<(), EngineError> {
        let body: Value = serde_json::from_str(&event.body).unwrap_or_default();
        let mut members: HashMap<PartId, Upload> = HashMap::new();
        for (field, upload) in [("add", Upload::Added), ("remove", Upload::Removed)] {
            let ids = body[field].as_array().into_iter().flatten();
            let ids = ids.filter_map(|id| id.as_str()?.parse().ok());
            members.extend(ids.map(|id: PartId| (id, upload)));
        }
        let (mut changes, now) = (Changes::default(), self.clock_at(event));
        if let Some(place) = body["segment"].as_str().and_then(|name| self.catalog.segments.find(name)) {
            let customers: Vec<PartId> = members.keys().copied().collect();
            let review = Review::Members { place, members, position: event.position };
            changes = self.reviewed(self.reviewable(customers).await?, review, now).await?;
        } else {
            tracing::warn!(tenant.id = self.lease.tenant.0, "Members were written to a segment that is not there.");
        }
        changes.checkpoint = event.position;
        changes.clock = now;
        changes.wall = (self.shared.clock)();
        let lease = self.shared.store.commit(&self.scope, &self.lease, &changes).await?;
        self.reached(lease);
        Ok(())
    }

    /// What is known of customers to whom nothing has happened.
    async fn reviewable(&self, mut customers: Vec<PartId>) -> Result<Input, EngineError> {
        customers.sort_unstable();
        let plan = Plan {
            from: (self.lease.clock, self.lease.checkpoint),
            bounds: Vec::new(),
            fire: Fire { before: Timestamp::MIN, upto: None },
            clock: self.lease.clock,
            checkpoint: self.lease.checkpoint,
        };
        // Those that the lane holds are taken out for good: what is written of them here it does not hold.
        self.reader(Moves::No).read(plan, Vec::new(), customers).await
    }

    async fn reviewed(&self, input: Input, why: Review, now: Timestamp) -> Result<Changes, EngineError> {
        let catalog = self.catalog.clone();
        let reviewed = tokio::task::spawn_blocking(move || review(input, &catalog, &why, now));
        Ok(reviewed.await?)
    }
}
