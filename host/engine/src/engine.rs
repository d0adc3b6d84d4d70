//! Starts and stops what moves: claims partitions, runs a lane and a delivery for each, renews their leases.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use openhub_model::identity::Marker;
use openhub_model::{ClockKind, TenantId, Timestamp};
use openhub_runtime::Runtime;
use openhub_store::{Lease, Scope, Store, StoreError};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::catalog::Catalog;
use crate::delivery::{Delivery, Places};
use crate::follow::Followed;
use crate::held::Budget;
use crate::idle;
use crate::lane::Lane;
use crate::prepared::Prepared;
use crate::pressure::{Admission, Backlog, Bounds, Pressure, Room};
use crate::secrets::Sealer;

/// The host's clock. A parameter, so that tests set it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

#[derive(Clone, Debug)]
pub struct Config {
    /// Events, and timers, of one attempt at most.
    pub batch: usize,
    /// Attempts that compute at the same time.
    pub workers: usize,
    /// How often the node looks for what other processes have appended.
    pub poll: Duration,
    /// How long a lane without work holds the customers that it met, unless others are short of room.
    pub hold: Duration,
    /// Channel calls at the same time, per tenant.
    pub delivery_concurrency: usize,
    /// What may wait for the engine in the log of a tenant.
    pub bounds: Bounds,
}

impl Default for Config {
    fn default() -> Config {
        let (poll, hold) = (Duration::from_millis(200), Duration::from_secs(60));
        Config { batch: 8_000, workers: 2, poll, hold, delivery_concurrency: 8, bounds: Bounds::default() }
    }
}

const LEASE: Duration = Duration::from_secs(15);
/// How often new tenants, and those whom nobody moves any more, are looked for.
const ROUND: Duration = Duration::from_millis(1_000);
/// How often leases are renewed: a row a tenant. Two renewals may fail before one runs out.
const RENEW: Duration = Duration::from_secs(5);
const PARTITIONS: usize = 10_000;
/// For so long it is believed how far a tenant's log is ahead.
const FRESH: Duration = Duration::from_secs(1);

/// What lanes, deliveries and the API share.
pub struct Shared {
    pub store: Store,
    pub prepared: Prepared,
    pub sealer: Arc<Sealer>,
    pub clock: Clock,
    pub config: Config,
    pub workers: Arc<Semaphore>,
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
    /// Of the lane in which channels are called.
    pub places: Arc<Places>,
}

/// What the lanes of a node together may hold of customers, in bytes.
const HELD: usize = 80 << 20;

/// The catalog in force of each tenant that this node moves.
#[derive(Default)]
pub struct Catalogs(Mutex<HashMap<TenantId, Arc<Catalog>>>, watch::Sender<()>);

impl Catalogs {
    pub fn put(&self, tenant: TenantId, catalog: Arc<Catalog>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant, catalog);
        self.1.send_replace(());
    }

    /// Changes with every catalog, and with every plugin that is to end.
    pub fn changed(&self) -> watch::Receiver<()> {
        self.1.subscribe()
    }

    fn standing_out(&self) -> usize {
        let catalogs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        catalogs.values().map(|catalog| catalog.faults.len()).sum()
    }

    /// This node moves the tenant no longer.
    fn remove(&self, tenant: TenantId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&tenant);
    }

    pub fn get(&self, tenant: TenantId) -> Option<Arc<Catalog>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&tenant).cloned()
    }
}

/// Where the clocks of replaying tenants stand that this node moves; a live clock needs no note.
#[derive(Default)]
pub struct Clocks(Mutex<HashMap<TenantId, Option<Timestamp>>>);

impl Clocks {
    pub fn note(&self, lease: &Lease) {
        let stands = (lease.clock_kind == ClockKind::Replay).then_some(lease.clock);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(lease.tenant, stands);
    }

    /// This node moves the tenant no longer.
    fn remove(&self, tenant: TenantId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&tenant);
    }

    fn get(&self, tenant: TenantId) -> Option<Option<Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&tenant).copied()
    }
}

/// Plugins whose end is asked for: from then on their channels send nothing more, though the engine has yet to come to that
/// position of the log.
#[derive(Default)]
pub struct Halts(Mutex<HashMap<(TenantId, String), i64>>);

impl Halts {
    fn put(&self, tenant: TenantId, plugin: &str, until: Option<i64>) {
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

pub struct Engine {
    pub(crate) shared: Arc<Shared>,
    stop: CancellationToken,
    supervisor: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Engine {
    /// Must be called within a tokio runtime.
    pub fn start(store: Store, runtime: Runtime, sealer: Arc<Sealer>, clock: Clock, config: Config) -> Engine {
        store.know_erased_by(sealer.marker());
        let places = Places::of(runtime.io_places());
        let shared = Arc::new(Shared {
            prepared: Prepared::new(store.clone(), runtime),
            workers: Arc::new(Semaphore::new(config.workers.max(1))),
            store,
            sealer,
            clock,
            config,
            catalogs: Catalogs::default(),
            followed: Followed::default(),
            positions: Positions::default(),
            clocks: Clocks::default(),
            backlogs: Backlogs::default(),
            pressure: Pressure::default(),
            held: Budget::of(HELD),
            erasures: Erasures::default(),
            halts: Halts::default(),
            places,
        });
        let stop = CancellationToken::new();
        let supervisor = tokio::spawn(supervise(shared.clone(), stop.clone()));
        Engine { shared, stop, supervisor: tokio::sync::Mutex::new(Some(supervisor)) }
    }

    /// Finishes the attempts and calls under way, and releases the leases.
    pub async fn stop(&self) {
        self.stop.cancel();
        if let Some(supervisor) = self.supervisor.lock().await.take()
            && let Err(error) = supervisor.await
        {
            tracing::error!(%error, "The engine did not stop cleanly.");
        }
    }

    pub fn prepared(&self) -> &Prepared {
        &self.shared.prepared
    }

    /// By which what was erased is known again.
    pub fn marker(&self) -> Marker {
        self.shared.sealer.marker()
    }

    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    /// How much is not in force though it was asked for, of all tenants of this node.
    pub fn standing_out(&self) -> usize {
        self.shared.catalogs.standing_out()
    }

    /// The tenant's present: `now`, the host's, or where its replay stands, which was at the epoch before it began.
    pub async fn clock(&self, scope: &Scope, now: Timestamp) -> Result<Timestamp, StoreError> {
        let stands = match self.shared.clocks.get(scope.tenant()) {
            Some(stands) => stands,
            None => match self.store().tenant(scope.tenant()).await? {
                Some(tenant) if tenant.clock == ClockKind::Replay => Some(self.store().clock(scope).await?),
                _ => None,
            },
        };
        Ok(stands.map_or(now, |stands| stands.max(Timestamp::default())))
    }

    /// Whether events may be appended to a tenant's log, and after which while: see [`Bounds`].
    pub async fn admit(&self, scope: &Scope, events: usize) -> Result<Admission, StoreError> {
        let Shared { store, pressure, config, .. } = &*self.shared;
        let tenant = scope.tenant();
        let per_second = pressure.per_second(tenant);
        let room = |behind: i64| config.bounds.room(Backlog { events: behind.cast_unsigned(), per_second });
        let room = match store.behind(tenant) {
            Some((behind, _)) if room(behind) == Room::Free => Room::Free,
            Some((behind, at)) if at.elapsed() < FRESH => room(behind),
            // Another node may move this tenant, or nobody.
            _ => room(store.read_behind(scope).await?),
        };
        Ok(pressure.admit(tenant, events, room, Instant::now()))
    }

    /// Lets a plugin send nothing more and breaks off what it is sending, as long as the halt is held, and after that until the
    /// engine has come to the plugin's end.
    pub fn halt(&self, tenant: TenantId, plugin: &str) -> Halt {
        let halt = Halt { shared: self.shared.clone(), tenant, plugin: plugin.to_owned(), ends_at: None };
        halt.put(Some(i64::MAX));
        halt
    }

    /// What a tenant runs that this node moves. None while no lane has loaded it: see [`Engine::in_force`].
    pub fn catalog(&self, tenant: TenantId) -> Option<Arc<Catalog>> {
        self.shared.catalogs.get(tenant)
    }
}

/// See [`Engine::halt`].
pub struct Halt {
    shared: Arc<Shared>,
    tenant: TenantId,
    plugin: String,
    /// Where the plugin's end stands in the log, if the engine has yet to come to it.
    pub ends_at: Option<i64>,
}

impl Halt {
    fn put(&self, until: Option<i64>) {
        self.shared.halts.put(self.tenant, &self.plugin, until);
        self.shared.catalogs.1.send_replace(());
    }
}

impl Drop for Halt {
    fn drop(&mut self) {
        self.put(self.ends_at);
    }
}

struct Held {
    lease: Lease,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

async fn supervise(shared: Arc<Shared>, stop: CancellationToken) {
    let mut held: Vec<Held> = Vec::new();
    let mut renewed: Option<Timestamp> = None;
    let others = tokio::spawn(idle::watch_others(shared.clone(), stop.child_token()));
    while !stop.is_cancelled() {
        if let Err(error) = round(&shared, &mut held, &mut renewed, &stop).await {
            tracing::error!(%error, "Leases could not be renewed.");
        }
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            () = stop.cancelled() => {}
        }
    }
    for held in &mut held {
        for task in held.tasks.drain(..) {
            finished(task).await;
        }
    }
    finished(others).await;
    let leases: Vec<Lease> = held.iter().map(|held| held.lease).collect();
    if let Err(error) = shared.store.release_leases(&leases).await {
        tracing::warn!(%error, "Leases were not released; they run out by themselves.");
    }
}

async fn round(
    shared: &Arc<Shared>,
    held: &mut Vec<Held>,
    renewed: &mut Option<Timestamp>,
    stop: &CancellationToken,
) -> Result<(), StoreError> {
    let now = (shared.clock)();
    let until = Timestamp::from_micros(now.micros() + LEASE.as_micros() as i64);
    let mut lost = Vec::new();
    // The clock may have been set back.
    if renewed.is_none_or(|at| now < at || (now.micros() - at.micros()) as u128 >= RENEW.as_micros()) {
        let leases: Vec<Lease> = held.iter().map(|held| held.lease).collect();
        lost = shared.store.renew_leases(&leases, until).await?;
        *renewed = Some(now);
    }
    // A lane that ended by itself has lost its fence; its partition may be claimed again.
    let (gone, kept): (Vec<Held>, Vec<Held>) = std::mem::take(held)
        .into_iter()
        .partition(|held| lost.contains(&held.lease.tenant) || held.tasks.iter().any(JoinHandle::is_finished));
    *held = kept;
    for mut gone in gone {
        gone.stop.cancel();
        for task in gone.tasks.drain(..) {
            finished(task).await;
        }
        shared.catalogs.remove(gone.lease.tenant);
        shared.clocks.remove(gone.lease.tenant);
        shared.store.release_leases(&[gone.lease]).await?;
    }
    for lease in shared.store.claim_partitions(now, until, PARTITIONS).await? {
        let stop = stop.child_token();
        let lane = Lane::new(shared.clone(), lease, stop.clone());
        let delivery = Delivery::new(shared.clone(), lease, stop.clone());
        let tasks = vec![tokio::spawn(lane.run()), tokio::spawn(delivery.run())];
        held.push(Held { lease, stop, tasks });
    }
    Ok(())
}

async fn finished(task: JoinHandle<()>) {
    if let Err(error) = task.await {
        tracing::error!(%error, "A task of the engine panicked.");
    }
}
