//! The engine as the rest of the hub sees it: starts and stops what moves, and answers for tenants.

use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use openhub_model::identity::{Authority, Marker};
use openhub_model::{Quarter, TenantId, Timestamp};
use openhub_runtime::Runtime;
use openhub_store::{JobKey, Scope, Store, StoreError};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::delivery::places::Places;
use crate::door::Door;
use crate::followed::Followed;
use crate::held::Budget;
use crate::meter::{ApiCalls, Meters};
use crate::metering::write_gathered;
use crate::plugins::Plugins;
use crate::pressure::{Admission, Backlog, Pressure, Room};
use crate::quotas::{Bound, More, Quotas};
use crate::schedule::node::Node;
use crate::schedule::turns::Turns;
use crate::schedule::writes::Writes;
use crate::secrets::Sealer;
use crate::shared::{Backlogs, Catalogs, Clocks, Config, Erasures, HELD, Halts, Positions, Shared};
use crate::webhooks::PLACES;

/// Tenants that begin to be moved, or cease to be, at the same time: each reads all that it runs, or writes when it is due.
const STARTS: usize = 16;
/// One in so many places of the I/O lane may be a source's, and as many an endpoint's, or a job's.
const SHARE: usize = 4;
/// A database that has taken no write for so long takes none.
const UNWRITTEN: Duration = Duration::from_secs(3);
/// For so long it is believed how far a tenant's log is ahead.
const FRESH: Duration = Duration::from_secs(1);

pub struct Engine {
    pub(crate) shared: Arc<Shared>,
    stop: CancellationToken,
    /// Once nothing moves any more.
    ended: CancellationToken,
    /// What moves, and what writes the meters of it.
    tasks: tokio::sync::Mutex<Option<(JoinHandle<()>, JoinHandle<()>)>>,
}

impl Engine {
    /// Must be called within a tokio runtime.
    pub fn start(store: Store, runtime: Runtime, sealer: Arc<Sealer>, clock: Clock, config: Config) -> Engine {
        store.know_erased_by(sealer.marker());
        store.sign_audit_by(sealer.notary());
        let weights = store.weights().clone();
        let places = |most: usize| Places::of(most, &weights);
        let share = || places(runtime.io_places() / SHARE);
        let runtime_places = runtime.io_places();
        let (source_places, endpoint_places, job_places) = (share(), share(), share());
        let shared = Arc::new(Shared {
            prepared: Plugins::new(store.clone(), runtime, clock.clone()),
            turns: Turns::of(config.workers, &weights),
            writes: Writes::default(),
            starts: Semaphore::new(STARTS),
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
            meters: Meters::default(),
            api_calls: ApiCalls::default(),
            quotas: Quotas::default(),
            places: places(runtime_places),
            source_places,
            endpoint_places,
            job_places,
            webhook_places: places(PLACES),
            opened: OnceLock::new(),
            began: Instant::now(),
        });
        let stop = CancellationToken::new();
        let node = tokio::spawn(Node::new(shared.clone(), stop.clone()).run());
        let ended = CancellationToken::new();
        let meter = tokio::spawn(write_gathered(shared.clone(), ended.clone()));
        Engine { shared, stop, ended, tasks: tokio::sync::Mutex::new(Some((node, meter))) }
    }

    /// From now on plugins can append events. Given once: the door holds the engine, so the engine does not hold the door.
    pub fn open(&self, door: Weak<dyn Door>) {
        self.shared.opened.get_or_init(|| door);
    }

    /// Finishes the attempts and calls under way, and releases the leases.
    pub async fn stop(&self) {
        self.stop.cancel();
        let Some((node, meter)) = self.tasks.lock().await.take() else { return };
        let node = node.await;
        self.ended.cancel();
        if let Err(error) = node.and(meter.await) {
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

    /// Where browsers reach the hub, without a slash at its end.
    pub fn public_url(&self) -> Option<&str> {
        self.shared.config.public_url.as_deref()
    }

    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    /// Whether the database takes writes: a full disk takes none but the smallest, and answers reads.
    pub fn takes_writes(&self) -> bool {
        self.shared.writes.failing_for() < UNWRITTEN && !self.store().is_full()
    }

    /// How much is not in force though it was asked for, of all tenants of this node.
    pub fn standing_out(&self) -> usize {
        self.shared.catalogs.standing_out()
    }

    /// The present of what is appended now, by the clock of its tenant: `now`, the host's, or where a replay will stand.
    pub async fn present(&self, scope: &Scope, now: Timestamp) -> Result<Timestamp, StoreError> {
        self.shared.present(scope, now).await
    }

    /// Whether events may be appended to a tenant's log, and after which while: see [`crate::Bounds`].
    pub async fn admit(&self, scope: &Scope, by: Authority, events: usize) -> Result<Admission, StoreError> {
        let Shared { store, pressure, config, .. } = &*self.shared;
        let tenant = scope.tenant();
        let per_second = pressure.per_second(tenant);
        let room = |behind: i64| config.bounds.of(by).room(Backlog { events: behind.cast_unsigned(), per_second });
        let room = match store.behind(tenant) {
            Some((behind, _)) if room(behind) == Room::Free => Room::Free,
            Some((behind, at)) if at.elapsed() < FRESH => room(behind),
            // Another node may move this tenant, or nobody.
            _ => room(store.read_behind(scope).await?),
        };
        Ok(pressure.admit(tenant, by, events, room, Instant::now()))
    }

    /// The bound of a quota or a cap that refuses so much more now; none: it is let in. See `quotas`.
    pub async fn refused_by(&self, scope: &Scope, more: &More<'_>) -> Result<Option<Bound>, StoreError> {
        let Shared { store, quotas, clock, .. } = &*self.shared;
        quotas.refuse(store, scope, more, clock()).await
    }

    /// What a tenant may use was changed.
    pub fn limits_changed(&self, tenant: TenantId) {
        self.shared.quotas.forget(tenant);
    }

    /// Counts a call of the API.
    pub fn count_call(&self, tenant: TenantId) {
        self.shared.api_calls.count(tenant, Quarter::of((self.shared.clock)()));
    }

    /// Lets a plugin send nothing more and breaks off what it is sending, as long as the halt is held, and after that until the
    /// engine has come to the plugin's end.
    pub fn halt(&self, tenant: TenantId, plugin: &str) -> Halt {
        let halt = Halt { shared: self.shared.clone(), tenant, plugin: plugin.to_owned(), ends_at: None };
        halt.put(Some(i64::MAX));
        halt
    }

    /// Asks for a run of a job of an enabled plugin as soon as can be, whichever node moves the tenant.
    pub async fn run_job(&self, scope: &Scope, key: JobKey) -> Result<(), StoreError> {
        self.store().ask_job(scope, key, (self.shared.clock)()).await
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
        self.shared.catalogs.tell(self.tenant);
    }
}

impl Drop for Halt {
    fn drop(&mut self) {
        self.put(self.ends_at);
    }
}
