//! A lane moves one partition under a lease: what it knows of its tenant, and what the next attempt is to do otherwise.
//! The attempts are in `attempt`; control events, erasures, fills and what is set aside each have a file of their own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use openhub_model::{ClockKind, Event, PartId, Timestamp};
use openhub_store::{Lease, Room, Scope, Sought, Unique};
use tokio_util::sync::CancellationToken;

use crate::catalog::{Catalog, EntryFault, Unfilled};
use crate::compute::{Order, Retries};
use crate::error::EngineError;
use crate::gather::Courtesy;
use crate::held::{Held, Rest};
use crate::load::{Moves, Reader};
use crate::schedule::rest::Rests;
use crate::scrubs::Scrubs;
use crate::shared::Shared;

pub struct Lane {
    pub(crate) shared: Arc<Shared>,
    pub(crate) scope: Scope,
    pub(crate) lease: Lease,
    pub(crate) catalog: Arc<Catalog>,
    /// What was revoked when it was loaded.
    pub(crate) revocations: u64,
    pub(crate) rests: Arc<Rests>,
    pub(crate) stop: CancellationToken,
    pub(crate) limit: usize,
    /// How many items the last attempt had.
    pub(crate) tried: usize,
    /// How often the next item has failed alone.
    pub(crate) failures: u32,
    /// How often the batch was made again for others' objects.
    pub(crate) reruns: u32,
    pub(crate) retries: Retries,
    pub(crate) needs: Vec<(String, String)>,
    pub(crate) sought: Vec<Sought>,
    pub(crate) values: Vec<Unique>,
    /// And of who leads to objects.
    pub(crate) referred: Vec<(String, String)>,
    /// Customers whose items the attempt takes in the order of the log, since they touch the same object.
    pub(crate) links: Vec<(PartId, PartId)>,
    pub(crate) order: Order,
    /// How often the attempt was made again for what it lacked.
    pub(crate) again: u32,
    /// The next batch may be waited for until then.
    pub(crate) gathers: Option<Instant>,
    /// Changes that did nothing at their place in the log.
    pub(crate) refused: Vec<EntryFault>,
    pub(crate) courtesy: Courtesy,
    /// First fills that are not done.
    pub(crate) unfilled: Vec<Unfilled>,
    pub(crate) held: Mutex<Held>,
    pub(crate) scrubs: Scrubs,
    /// How many items were handled since the checkpoint moved.
    pub(crate) stood: u64,
}

impl Lane {
    pub fn new(shared: Arc<Shared>, lease: Lease, rests: Arc<Rests>, stop: CancellationToken) -> Lane {
        let limit = shared.config.batch.max(1);
        let held = Mutex::new(Held::within(shared.held.clone()));
        Lane {
            scope: Scope::of(lease.tenant),
            shared,
            lease,
            catalog: Arc::default(),
            revocations: 0,
            rests,
            stop,
            limit,
            tried: limit,
            failures: 0,
            reruns: 0,
            retries: Retries::default(),
            needs: Vec::new(),
            sought: Vec::new(),
            values: Vec::new(),
            referred: Vec::new(),
            links: Vec::new(),
            order: Order::Waves,
            again: 0,
            gathers: None,
            refused: Vec::new(),
            courtesy: Courtesy::default(),
            unfilled: Vec::new(),
            held,
            scrubs: Scrubs::default(),
            stood: 0,
        }
    }

    /// The tenant's clock at a control event: on a live clock it happens when it was received. A replay's is not moved by it.
    pub(crate) fn clock_at(&self, event: &Event) -> Timestamp {
        match self.lease.clock_kind {
            ClockKind::Live => self.lease.clock.max(event.received_at),
            ClockKind::Replay => self.lease.clock,
        }
    }

    /// A tenant to whom nothing happens holds nothing, in the end.
    pub(crate) fn hold(&self, rest: &mut Rest) {
        if rest.is_over(self.shared.config.hold, Instant::now()) {
            self.forget();
        }
    }

    /// Customers are read anew from now on: what is held may not be what is stored.
    pub(crate) fn forget(&self) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Whether the operator has revoked other plugins since the catalog was loaded.
    pub(crate) fn is_revoked(&self) -> bool {
        self.revocations != self.shared.prepared.revocations()
    }

    pub(crate) async fn reload(&mut self) -> Result<(), EngineError> {
        // Read before: what is revoked meanwhile is seen next time.
        self.revocations = self.shared.prepared.revocations();
        let mut catalog = Catalog::load(&self.shared.store, &self.scope, &self.shared.prepared).await?;
        catalog.faults.extend(self.refused.iter().cloned());
        for fault in catalog.faults.iter().filter(|fault| !self.catalog.faults.contains(fault)) {
            tracing::error!(tenant.id = self.lease.tenant.0, %fault, "Something is not in force though it was asked for.");
        }
        self.forget();
        self.unfilled = catalog.segments.unfilled().to_vec();
        self.catalog = Arc::new(catalog);
        self.shared.catalogs.put(self.lease.tenant, self.catalog.clone());
        self.shared.followed.forget(self.lease.tenant);
        self.shared.positions.reach(self.lease.tenant, self.lease.checkpoint);
        Ok(())
    }

    /// Reads what is stored as of the last commit.
    pub(crate) fn reader(&self, moves: Moves) -> Reader<'_> {
        Reader {
            store: &self.shared.store,
            scope: &self.scope,
            lease: &self.lease,
            catalog: &self.catalog,
            needs: &[],
            sought: &[],
            values: &[],
            referred: &[],
            ahead: None,
            held: &self.held,
            marker: self.shared.sealer.marker(),
            moves,
            room: Room::endless(),
        }
    }

    pub(crate) fn reached(&mut self, lease: Lease) {
        self.lease = lease;
        self.shared.positions.reach(lease.tenant, lease.checkpoint);
        (self.failures, self.reruns) = (0, 0);
        self.needs.clear();
        self.sought.clear();
        self.links.clear();
        self.values.clear();
        self.referred.clear();
        self.again = 0;
        if !self.retries.is_empty() {
            self.retries = Retries::default();
        }
        self.limit = self.widened();
    }

    /// The size of the attempt after one that succeeded.
    pub(crate) fn widened(&self) -> usize {
        (self.limit * 2).min(self.shared.config.batch.max(1))
    }
}
