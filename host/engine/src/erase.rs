//! Erasing a customer at the position of its event, a step at a time: what was done before a hub died is not done again,
//! and nothing behind the event is computed before the last step is committed.

use std::time::Instant;

use openhub_model::timer::Timer;
use openhub_model::{Event, Id};
use openhub_store::{EraseStep, Erasing, Scrubbed};
use serde_json::Value;

use crate::error::EngineError;
use crate::lane::Lane;
use crate::privacy::requests_of;
use crate::shares;

/// Rows of a step: some tens of milliseconds in which other writes wait.
const ROWS: usize = 2_000;

impl Lane {
    pub(crate) async fn erase(&mut self, event: &Event) -> Result<(), EngineError> {
        let body: Value = serde_json::from_str(&event.body).unwrap_or_default();
        let id: Option<Id> = body["erasure"].as_str().and_then(|id| id.parse().ok());
        let store = self.shared.store.clone();
        let erasure = match id {
            Some(id) => store.erasure(&self.scope, id).await?,
            None => None,
        };
        let Some(erasure) = erasure else {
            tracing::warn!(tenant.id = self.lease.tenant.0, "An erasure that nobody asked for is passed.");
            return self.pass(event).await;
        };
        let parts = store.parts_around(&self.scope, &[erasure.asked.customer]).await?;
        let mut ids: Vec<_> = parts.iter().map(|part| part.customer).collect();
        ids.dedup();
        let customers = store.customers_by_id(&self.scope, &ids).await?;
        let wakes = customers.iter().filter_map(|customer| Some(Timer::wake(customer.part, customer.wake_at?)));
        let installed = store.plugins(&self.scope).await?;
        let sealer = &self.shared.sealer;
        let mut requests = requests_of(sealer, self.lease.tenant, erasure.asked.id, &installed, &parts);
        let ids: Vec<_> = parts.iter().map(|part| part.id()).collect();
        requests.extend(shares::requests_of(&store, sealer, &self.scope, erasure.asked.id, &ids).await?);
        let mut erasing = Erasing {
            id: erasure.asked.id,
            position: event.position,
            parts,
            wakes: wakes.collect(),
            afterwards: erasure.asked.afterwards,
            requests,
            marker: self.shared.sealer.marker(),
            now: (self.shared.clock)(),
            rows: ROWS,
            looked: None,
        };
        loop {
            let (step, lease) = store.erase_step(&self.scope, &self.lease, &erasing).await?;
            self.lease = lease;
            self.shared.erasures.note(self.lease.tenant);
            match step {
                EraseStep::Done => break,
                // The next lane of this tenant goes on from here.
                EraseStep::More(_) if self.stop.is_cancelled() => return Ok(()),
                EraseStep::More(looked) => erasing.looked = looked,
            }
        }
        metrics::counter!("openhub_customers_erased_total").increment(1);
        self.scrubs.ask();
        self.scrub_if_due().await;
        self.reload().await
    }

    /// Overwrites what the database file still holds of what was erased, if it is time to. Where it fails, the receipt says
    /// so, and the next lane of the tenant tries again.
    pub(crate) async fn scrub_if_due(&mut self) {
        if !self.scrubs.is_due() {
            return;
        }
        let began = Instant::now();
        self.scrub().await;
        self.scrubs.done(began);
    }

    async fn scrub(&self) {
        let (store, tenant) = (&self.shared.store, self.lease.tenant.0);
        let noted = match store.scrub().await {
            Ok(Scrubbed::Done) => store.scrubbed(&self.scope, (self.shared.clock)()).await,
            Ok(Scrubbed::TooLarge) => {
                tracing::warn!(tenant.id = tenant, "The database is too large to be written anew while the hub runs.");
                Ok(())
            }
            Ok(Scrubbed::NotHere) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = noted {
            tracing::warn!(tenant.id = tenant, %error, "Free pages may still hold what was erased.");
        }
    }

    async fn pass(&mut self, event: &Event) -> Result<(), EngineError> {
        let changes = openhub_store::Changes {
            checkpoint: event.position,
            clock: self.lease.clock,
            wall: (self.shared.clock)(),
            ..Default::default()
        };
        self.lease = self.shared.store.commit(&self.scope, &self.lease, &changes).await?;
        self.reload().await
    }
}
