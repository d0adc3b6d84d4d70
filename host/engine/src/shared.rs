//! What lanes, deliveries and the API share of a node.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use openhub_model::{ClockKind, TenantId, Timestamp};
use openhub_store::{Scope, Store, StoreError};
use tokio::sync::{Semaphore, watch};

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::delivery::places::Places;
use crate::door::Door;
use crate::followed::Followed;
use crate::held::Budget;
use crate::meter::{ApiCalls, Meters};
use crate::plugins::Plugins;
use crate::pressure::{Bounds, Pressure};
use crate::quotas::Quotas;
use crate::schedule::turns::Turns;
use crate::schedule::writes::Writes;
use crate::secrets::Sealer;

#[derive(Clone, Debug)]
pub struct Config {
    /// Events, and timers, of one attempt at most.
    pub batch: usize,
    /// Attempts that compute at the same time.
    pub workers: usize,
    /// How long an attempt computes before what is done of it is stored.
    pub slice: Duration,
    /// How often the node looks for what other processes have appended.
    pub poll: Duration,
    /// How long a tenant without work stays awake, with the customers that it met unless others are short of room.
    pub hold: Duration,
    /// Channel calls at the same time, per tenant.
    pub delivery_concurrency: usize,
    /// What may wait for the engine in the log of a tenant.
    pub bounds: Bounds,
    /// Where the hub is reached from outside, without a slash at its end: messages link there.
    pub public_url: Option<String>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            batch: 8_000,
            workers: 2,
            slice: Duration::from_secs(2),
            poll: Duration::from_millis(200),
            hold: Duration::from_secs(60),
            delivery_concurrency: 8,
            bounds: Bounds::default(),
            public_url: None,
        }
    }
}

/// What lanes, deliveries and the API share.
pub struct Shared {
    pub store: Store,
    pub prepared: Plugins,
    pub sealer: Arc<Sealer>,
    pub clock: Clock,
    pub config: Config,
    pub turns: Arc<Turns>,
    /// Whether the database takes writes.
    pub writes: Writes,
    pub starts: Semaphore,
    pub catalogs: Catalogs,
    pub followed: Followed,
    pub positions: Positions,
    pub clocks: Clocks,
    pub backlogs: Backlogs,
    pub pressure: Pressure,
    /// What all lanes together may hold of customers.
    pub held: Arc<Budget>,
    pub erasures: Erasures,
    pub halts: Halts,
    pub meters: Meters,
    pub api_calls: ApiCalls,
    pub quotas: Quotas,
    /// Of the lane in which channels are called.
    pub places: Arc<Places>,
    /// Of that lane, those in which sources answer: whoever calls them, channels go on.
    pub source_places: Arc<Places>,
    /// Of that lane, those in which endpoints answer.
    pub endpoint_places: Arc<Places>,
    /// Of that lane, those in which jobs run.
    pub job_places: Arc<Places>,
    /// In which webhooks are sent: no plugin is called there.
    pub webhook_places: Arc<Places>,
    /// Where plugins' events go in, once the API is there.
    pub opened: OnceLock<Weak<dyn Door>>,
    /// Since when the engine runs.
    pub began: Instant,
}

/// The API is there so soon after the engine, or it never comes.
const OPENS_WITHIN: Duration = Duration::from_secs(5);
/// How often it is looked for meanwhile.
const LOOKS: Duration = Duration::from_millis(20);

impl Shared {
    pub fn door(&self) -> Option<Arc<dyn Door>> {
        self.opened.get()?.upgrade()
    }

    /// As [`Shared::door`], which is waited for while the hub starts.
    pub async fn door_soon(&self) -> Option<Arc<dyn Door>> {
        while self.opened.get().is_none() && self.began.elapsed() < OPENS_WITHIN {
            tokio::time::sleep(LOOKS).await;
        }
        self.door()
    }
}

/// What the lanes of a node together may hold of customers, in bytes.
pub const HELD: usize = 80 << 20;

/// The catalog in force of each tenant that this node moves.
#[derive(Default)]
pub struct Catalogs(Mutex<HashMap<TenantId, InForce>>);

#[derive(Default)]
struct InForce {
    catalog: Option<Arc<Catalog>>,
    changed: watch::Sender<()>,
}

impl Catalogs {
    pub fn put(&self, tenant: TenantId, catalog: Arc<Catalog>) {
        self.of(tenant, |of| {
            of.catalog = Some(catalog);
            of.changed.send_replace(());
        });
    }

    /// Changes with every catalog of the tenant, and with each of its plugins that is to end.
    pub fn changed(&self, tenant: TenantId) -> watch::Receiver<()> {
        self.of(tenant, |of| of.changed.subscribe())
    }

    /// One of its plugins is to end, or not.
    pub fn tell(&self, tenant: TenantId) {
        let catalogs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of) = catalogs.get(&tenant) {
            of.changed.send_replace(());
        }
    }

    pub fn standing_out(&self) -> usize {
        let catalogs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        catalogs.values().filter_map(|of| of.catalog.as_ref()).map(|catalog| catalog.faults.len()).sum()
    }

    /// This node moves the tenant no longer, or it sleeps.
    pub fn remove(&self, tenant: TenantId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&tenant);
    }

    pub fn get(&self, tenant: TenantId) -> Option<Arc<Catalog>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&tenant)?.catalog.clone()
    }

    fn of<T>(&self, tenant: TenantId, act: impl FnOnce(&mut InForce) -> T) -> T {
        act(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(tenant).or_default())
    }
}

/// By which clocks tenants live, which is for good.
#[derive(Default)]
pub struct Clocks(Mutex<HashMap<TenantId, ClockKind>>);

impl Clocks {
    pub fn put(&self, tenant: TenantId, kind: ClockKind) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant, kind);
    }

    pub fn get(&self, tenant: TenantId) -> Option<ClockKind> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&tenant).copied()
    }
}

impl Shared {
    /// The present of what is appended now: `now`, the host's, or where a replay will stand once all that is in its log has
    /// happened, which was at the epoch before it began. However far the engine has come, it is the same.
    pub async fn present(&self, scope: &Scope, now: Timestamp) -> Result<Timestamp, StoreError> {
        let tenant = scope.tenant();
        let kind = match self.clocks.get(tenant) {
            Some(kind) => kind,
            None => {
                let kind = self.store.tenant(tenant).await?.ok_or(StoreError::NotFound)?.clock;
                self.clocks.put(tenant, kind);
                kind
            }
        };
        match kind {
            ClockKind::Live => Ok(now),
            ClockKind::Replay => Ok(self.store.clock_at_head(scope).await?.max(Timestamp::default())),
        }
    }
}

/// Plugins whose end is asked for: from then on their channels send nothing more, though the engine has yet to come to that
/// position of the log.
#[derive(Default)]
pub struct Halts(Mutex<HashMap<(TenantId, String), i64>>);

impl Halts {
    pub fn put(&self, tenant: TenantId, plugin: &str, until: Option<i64>) {
        let mut halts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (tenant, plugin.to_owned());
        match until {
            Some(until) => halts.insert(key, until),
            None => halts.remove(&key),
        };
    }

    /// Whether a plugin is not to send any more, though it is in the catalog of this position.
    pub fn hold(&self, tenant: TenantId, plugin: &str, position: impl FnOnce() -> i64) -> bool {
        let halts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody asks for an end most of the time.
        !halts.is_empty() && halts.get(&(tenant, plugin.to_owned())).is_some_and(|until| position() < *until)
    }
}

/// The tenants whose lanes are behind their logs by more than an attempt takes.
#[derive(Default)]
pub struct Backlogs(Mutex<HashSet<TenantId>>);

impl Backlogs {
    /// An attempt took `events` of at most `limit`.
    pub fn note(&self, tenant: TenantId, events: usize, limit: usize) {
        let mut behind = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if events >= limit && limit > 1 {
            behind.insert(tenant)
        } else {
            behind.remove(&tenant)
        };
    }

    pub fn behind(&self, tenant: TenantId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&tenant)
    }
}

/// How often messages of a tenant were erased: what was read from its outbox before is stale.
#[derive(Default)]
pub struct Erasures(Mutex<HashMap<TenantId, u64>>);

impl Erasures {
    pub fn note(&self, tenant: TenantId) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(tenant).or_default() += 1;
    }

    pub fn count(&self, tenant: TenantId) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&tenant).copied().unwrap_or_default()
    }
}

/// How far each tenant's log is computed, with the catalog of that position in force.
#[derive(Default)]
pub struct Positions(Mutex<HashMap<TenantId, watch::Sender<i64>>>);

impl Positions {
    pub fn reach(&self, tenant: TenantId, position: i64) {
        self.sender(tenant, |sender| sender.send_replace(position));
    }

    pub fn watch(&self, tenant: TenantId) -> watch::Receiver<i64> {
        self.sender(tenant, watch::Sender::subscribe)
    }

    fn sender<T>(&self, tenant: TenantId, act: impl FnOnce(&watch::Sender<i64>) -> T) -> T {
        let mut senders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        act(senders.entry(tenant).or_insert_with(|| watch::channel(-1).0))
    }
}
