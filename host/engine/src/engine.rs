//! Starts and stops what moves: claims partitions, runs a lane and a delivery for each, renews their leases.

use std::sync::Arc;
use std::time::{Duration, Instant};

use openhub_model::identity::Marker;
use openhub_model::{ClockKind, TenantId, Timestamp};
use openhub_runtime::Runtime;
use openhub_store::{Lease, Scope, Store, StoreError};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::catalog::Catalog;
use crate::delivery::Delivery;
use crate::delivery::places::Places;
use crate::followed::Followed;
use crate::held::Budget;
use crate::idle;
use crate::lane::Lane;
use crate::plugins::Plugins;
use crate::pressure::{Admission, Backlog, Pressure, Room};
use crate::secrets::Sealer;
use crate::shared::{Backlogs, Catalogs, Clock, Clocks, Config, Erasures, HELD, Halts, Positions, Shared};

const LEASE: Duration = Duration::from_secs(15);
/// How often new tenants, and those whom nobody moves any more, are looked for.
const ROUND: Duration = Duration::from_millis(1_000);
/// How often leases are renewed: a row a tenant. Two renewals may fail before one runs out.
const RENEW: Duration = Duration::from_secs(5);
const PARTITIONS: usize = 10_000;
/// For so long it is believed how far a tenant's log is ahead.
const FRESH: Duration = Duration::from_secs(1);

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
            prepared: Plugins::new(store.clone(), runtime),
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

    pub fn prepared(&self) -> &Plugins {
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

    /// Whether events may be appended to a tenant's log, and after which while: see [`crate::Bounds`].
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

struct Partition {
    lease: Lease,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

async fn supervise(shared: Arc<Shared>, stop: CancellationToken) {
    let mut held: Vec<Partition> = Vec::new();
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
    held: &mut Vec<Partition>,
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
    let (gone, kept): (Vec<Partition>, Vec<Partition>) = std::mem::take(held)
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
        held.push(Partition { lease, stop, tasks });
    }
    Ok(())
}

async fn finished(task: JoinHandle<()>) {
    if let Err(error) = task.await {
        tracing::error!(%error, "A task of the engine panicked.");
    }
}
