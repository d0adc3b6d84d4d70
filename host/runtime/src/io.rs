//! A call of the I/O lane: what it is granted, its bounds by fuel, by the clock and by who stops it.

use openhub_model::{Span, Timestamp};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmtime::Store;

use crate::answer::{CallContext, Receipt};
use crate::backing::{Customers, EventLog, KeyValues, Objects};
use crate::capabilities::http::Requests;
use crate::capabilities::secrets::Secrets;
use crate::capabilities::settlement::Settlement;
use crate::captured::Captured;
use crate::fault::{CallFault, FaultKind};
use crate::host::{Host, Io};
use crate::plugin::Plugin;

/// How long a plugin of the I/O lane may hold its thread before others get their turn.
const YIELD_MILLIS: u64 = 5;

/// Tells the time to plugins of the I/O lane.
pub type HostClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What a call of the I/O lane is granted.
#[derive(Clone)]
pub struct IoContext {
    pub call: CallContext,
    /// Host names, addresses or `*.` patterns that requests may go to: granted, and settings already resolved.
    pub hosts: Vec<String>,
    /// The decoded bytes of the secrets that were set, by name.
    pub secrets: Arc<BTreeMap<String, Vec<u8>>>,
    /// What answers gave to calls before, and what they give to this one.
    pub captured: Arc<Captured>,
    pub clock: HostClock,
    /// Where its own state is kept. None: nowhere, and whoever asks for it is broken off.
    pub kv: Option<Arc<dyn KeyValues>>,
    /// Where its events go. None: likewise.
    pub events: Option<Arc<dyn EventLog>>,
    /// The tenant's customers and objects. None: likewise.
    pub customers: Option<Arc<dyn Customers>>,
    pub objects: Option<Arc<dyn Objects>>,
    /// What was granted of the manifest's `access`.
    pub access: Vec<String>,
}

impl fmt::Debug for IoContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secrets: Vec<_> = self.secrets.keys().collect();
        f.debug_struct("IoContext")
            .field("call", &self.call)
            .field("hosts", &self.hosts)
            .field("secrets", &secrets)
            .finish_non_exhaustive()
    }
}

/// How much a call may do.
pub(crate) struct Bounds {
    /// Messages or requests: some limits are for each of them.
    pub items: usize,
    /// Milliseconds by the clock.
    pub wall_ms: u32,
}

/// What is left of a call.
pub(crate) struct Called<T> {
    pub answer: Result<T, CallFault>,
    /// What it settled by then, also if it failed.
    pub settlement: Settlement,
    /// Whether what it was given proved to come from who knows one of its secrets.
    pub verified: bool,
    pub receipt: Receipt,
    /// The last lines that it logged.
    pub lines: Vec<String>,
}

impl Plugin {
    /// Runs in an instance that nothing was done with before, until it has answered, its time is over, or `stopped` is.
    pub(crate) async fn io<T>(
        &self,
        context: IoContext,
        bounds: Bounds,
        stopped: impl Future<Output = ()>,
        run: impl AsyncFnOnce(&mut Store<Host>) -> wasmtime::Result<T>,
    ) -> Called<T> {
        let Bounds { items, wall_ms } = bounds;
        let limits = &self.machine.limits;
        let _slot = self.machine.io_slot().await;
        let millis = self.manifest().limits.io_ms.map_or(limits.io_ms, |asked| asked.min(limits.io_ms));
        let fuel = u64::from(millis) * limits.fuel_per_ms;
        let mut host = Host::new(self, &context.call, fuel, items);
        host.io = Some(Io {
            deadline: (context.clock)() + Span::from_micros(i64::from(wall_ms) * 1_000),
            clock: context.clock,
            secrets: Arc::new(Secrets::prepare(
                self.manifest(),
                &context.call.settings,
                context.secrets,
                context.captured,
            )),
            requests: Requests::prepare(&self.egress, &context.hosts, limits, items),
            settlement: Settlement::prepare(items),
            verified: false,
            manifest: Arc::clone(&self.manifest),
            kv: context.kv,
            written: 0,
            events: context.events,
            tracked: 0,
            customers: context.customers,
            read: 0,
            objects: context.objects,
            access: context.access,
        });
        let mut store = match self.machine.store(host, fuel) {
            Ok(store) => store,
            Err(error) => {
                let (answer, settlement) = (Err(CallFault::host(&error)), Settlement::prepare(items));
                let receipt = Receipt::default();
                return Called { answer, settlement, verified: false, receipt, lines: Vec::new() };
            }
        };
        store.set_epoch_deadline(YIELD_MILLIS);
        store.epoch_deadline_async_yield_and_update(YIELD_MILLIS);
        let wall = Duration::from_millis(u64::from(wall_ms));
        let (began, observed) = (Instant::now(), context.call.observed);
        let called = tokio::select! {
            called = tokio::time::timeout(wall, run(&mut store)) => Some(called),
            () = stopped => None,
        };
        observed.called(began.elapsed());
        let used = fuel.saturating_sub(store.get_fuel().unwrap_or_default());
        let mut host = store.into_data();
        let receipt = host.receipt(used);
        let answer = match called {
            None => {
                Err(CallFault::new(FaultKind::Refused, "the call was stopped because its plugin is no longer enabled"))
            }
            Some(Ok(Ok(answer))) => Ok(answer),
            Some(Ok(Err(error))) => Err(host.log.broken_off(&error)),
            Some(Err(_)) => {
                Err(CallFault::new(FaultKind::Epoch, format!("the call took too long: at most {wall_ms} ms")))
            }
        };
        let lines = host.log.take_lines();
        let (settlement, verified) =
            host.io.map_or_else(|| (Settlement::prepare(items), false), |io| (io.settlement, io.verified));
        Called { answer, settlement, verified, receipt, lines }
    }
}
