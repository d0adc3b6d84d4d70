//! What the binary builds once and every handler is given. Clock and randomness are parameters here, so that
//! an answer depends on nothing ambient.

use axum::extract::FromRef;
use openhub_engine::Engine;
use openhub_engine::secrets::Sealer;
use openhub_model::{TenantId, Timestamp};
use openhub_runtime::Runtime;
use openhub_store::Store;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use crate::auth::{KeyCache, Passwords};
use crate::body::Weights;
use crate::change::Locks;
use crate::logins::Logins;
use crate::oidc::Providers;
use crate::overload::Guesses;
use crate::places::{Each, Places, Shares};
use crate::problem::{OVERLOADED, Problem};
use crate::rates::Rates;

/// The hub as the API sees it.
pub struct App {
    pub store: Store,
    pub runtime: Runtime,
    pub engine: Arc<Engine>,
    /// Seals the secrets of plugins before they are stored.
    pub sealer: Arc<Sealer>,
    /// The host's clock.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// 16 random bytes, for ids that the server fills in.
    pub random: Arc<dyn Fn() -> [u8; 16] + Send + Sync>,
    /// What the text of a new key says of the hub, as `live` or `test`.
    pub environment: String,
    pub limits: Limits,
    /// Cancelled when the hub begins to stop: who waits for the engine is answered at once.
    pub stopping: CancellationToken,
    /// The metrics in Prometheus' text format.
    pub render_metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

impl App {
    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// A fresh random id (UUIDv4) as text.
    pub(crate) fn fresh_id(&self) -> String {
        uuid::Builder::from_random_bytes((self.random)()).into_uuid().hyphenated().to_string()
    }
}

/// Where the API refuses before it accepts. Sizes in bytes.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Event requests under way at once, shared by the tenants; more are answered 429.
    pub ingest_in_flight: usize,
    /// Of requests whose key, if any, is in the body that is still to be read.
    pub keyless_in_flight: usize,
    /// Other requests under way at once, shared by the tenants; more are answered 503.
    pub api_in_flight: usize,
    pub event_bytes: usize,
    /// Of a body of events; also the most that a compressed one may grow to.
    pub batch_bytes: usize,
    /// Of one under a server's key.
    pub server_batch_bytes: usize,
    pub batch_events: usize,
    /// A JSON body under `/api/v1`.
    pub json_bytes: usize,
    /// What one may take in memory as values, and all that are handled together.
    pub json_weight: usize,
    pub all_json_weight: usize,
    /// Members that one call adds to a static segment and takes from it.
    pub segment_members: usize,
    pub component_bytes: usize,
    /// How long a client may take to send its body.
    pub body_time: Duration,
    /// Before a body has to come at a rate.
    pub body_grace: Duration,
    /// How long a write waits for the engine before it is answered 202.
    pub write_wait: Duration,
    /// How long the customers of a condition are counted before the rest is estimated.
    pub preview_time: Duration,
    /// How long customers are looked for by a condition: for a list, and for a page of an export.
    pub condition_time: Duration,
    pub export_time: Duration,
    /// How long a write waits for an advance of a replay clock.
    pub clock_wait: Duration,
    pub rates: RateLimits,
}

/// Requests in a minute, on each node. None: as many as there are places for.
#[derive(Clone, Copy, Debug, Default)]
pub struct RateLimits {
    pub key: Option<u32>,
    /// A tenant's calls of the API, and its requests with events, each; its ceiling may say less.
    pub tenant: Option<u32>,
    /// With a key or without.
    pub address: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            ingest_in_flight: 256,
            keyless_in_flight: 64,
            api_in_flight: 256,
            event_bytes: 32 * 1024,
            batch_bytes: 500 * 1024,
            server_batch_bytes: 4 * 1024 * 1024,
            batch_events: 10_000,
            json_bytes: 1024 * 1024,
            json_weight: 32 * 1024 * 1024,
            all_json_weight: 256 * 1024 * 1024,
            segment_members: 10_000,
            // A little more than the runtime takes, whose refusal says more.
            component_bytes: 34 * 1024 * 1024,
            body_time: Duration::from_secs(30),
            body_grace: Duration::from_secs(5),
            write_wait: Duration::from_secs(5),
            preview_time: Duration::from_millis(1_800),
            condition_time: Duration::from_secs(5),
            export_time: Duration::from_secs(15),
            clock_wait: Duration::from_secs(60),
            rates: RateLimits::default(),
        }
    }
}

/// The router's state: the app, and what the router keeps beside it.
#[derive(Clone)]
pub(crate) struct Shared {
    pub app: Arc<App>,
    pub keys: Arc<KeyCache>,
    pub ingest: Arc<Places<TenantId>>,
    /// Within a tenant's places, for each address.
    pub callers: Arc<Shares<Option<IpAddr>>>,
    pub api: Arc<Places<TenantId>>,
    /// For calls of plugins' endpoints, and within a tenant's, for each address.
    pub endpoints: Arc<Places<TenantId>>,
    pub endpoint_callers: Arc<Shares<Option<IpAddr>>>,
    /// For who has shown no key yet.
    pub strangers: Arc<Places<Option<IpAddr>>>,
    pub guesses: Arc<Guesses>,
    pub logins: Arc<Logins>,
    pub providers: Arc<Providers>,
    pub passwords: Passwords,
    pub rates: Arc<Rates>,
    pub weights: Weights,
    pub locks: Locks,
    pub previews: Previews,
    pub exports: Exports,
    pub checks: Checks,
    pub openapi: Arc<str>,
}

impl Shared {
    /// How much a tenant gets of what others want too.
    pub fn weight(&self, tenant: TenantId) -> u8 {
        self.app.store.weights().of(tenant)
    }
}

/// Conditions for which all customers are looked at, one a tenant: each may keep a connection busy for all of its time.
#[derive(Clone)]
pub(crate) struct Previews(Arc<Each>);

impl Default for Previews {
    fn default() -> Self {
        Previews(Each::new(1))
    }
}

impl Previews {
    pub async fn turn(&self, tenant: TenantId, time: Duration) -> Result<OwnedSemaphorePermit, Problem> {
        self.0.take_within(tenant, time).await.ok_or_else(|| {
            Problem::new(OVERLOADED, "Another condition of this tenant is being looked at. Try again in a moment.")
                .retry_after(1)
        })
    }
}

/// Exports that are being read, of each tenant.
#[derive(Clone)]
pub(crate) struct Exports(Arc<Each>);

impl Default for Exports {
    fn default() -> Self {
        Exports(Each::new(2))
    }
}

impl Exports {
    /// Held until the last byte is sent.
    pub fn begin(&self, tenant: TenantId) -> Result<OwnedSemaphorePermit, Problem> {
        self.0.take(tenant).ok_or_else(|| {
            Problem::new(OVERLOADED, "Two exports of this tenant are under way. Wait until one has ended.")
                .retry_after(5)
        })
    }
}

/// Checks of definitions that are under way, one a tenant: each may take a core for a while.
#[derive(Clone)]
pub(crate) struct Checks(Arc<Each>);

impl Default for Checks {
    fn default() -> Self {
        Checks(Each::new(1))
    }
}

impl Checks {
    /// Does the tenant's work on a thread that may be held, when its turn comes within `time`.
    pub async fn run<T: Send + 'static>(
        &self,
        tenant: TenantId,
        time: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = self.0.take_within(tenant, time).await.ok_or_else(|| {
            Problem::new(OVERLOADED, "Other definitions of this tenant are being checked. Try again in a moment.")
                .retry_after(1)
        })?;
        // Who has asked may go away; the work holds its turn until it is done.
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        done.await.map_err(|panic| Problem::internal(&panic))
    }
}

impl FromRef<Shared> for Checks {
    fn from_ref(shared: &Shared) -> Self {
        shared.checks.clone()
    }
}

impl FromRef<Shared> for Exports {
    fn from_ref(shared: &Shared) -> Self {
        shared.exports.clone()
    }
}

impl FromRef<Shared> for Previews {
    fn from_ref(shared: &Shared) -> Self {
        shared.previews.clone()
    }
}

impl FromRef<Shared> for Arc<App> {
    fn from_ref(shared: &Shared) -> Self {
        shared.app.clone()
    }
}

impl FromRef<Shared> for Arc<KeyCache> {
    fn from_ref(shared: &Shared) -> Self {
        shared.keys.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[tokio::test]
    async fn checks_hold_no_asynchronous_thread_and_one_turn_for_each_tenant() {
        let (checks, shop, other) = (Checks::default(), TenantId(1), TenantId(2));
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let mut long = Box::pin(checks.run(shop, Duration::ZERO, move || gone.recv().is_ok()));
        assert!(futures::poll!(&mut long).is_pending());
        let refused = checks.run(shop, Duration::ZERO, || ()).await;
        assert!(refused.is_err_and(|problem| problem.is(OVERLOADED)));
        let here = thread::current().id();
        assert_ne!(checks.run(other, Duration::ZERO, || thread::current().id()).await.ok(), Some(here));
        go.send(()).unwrap();
        assert_eq!(long.await.ok(), Some(true));
        assert!(checks.run(shop, Duration::from_secs(60), || ()).await.is_ok());
    }

    #[tokio::test]
    async fn a_check_holds_its_turn_though_nobody_waits_for_it() {
        let (checks, shop) = (Checks::default(), TenantId(1));
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let mut left = Box::pin(checks.run(shop, Duration::ZERO, move || gone.recv()));
        assert!(futures::poll!(&mut left).is_pending());
        drop(left);
        assert!(checks.run(shop, Duration::ZERO, || ()).await.is_err());
        go.send(()).unwrap();
        assert!(checks.run(shop, Duration::from_secs(60), || ()).await.is_ok());
    }
}
