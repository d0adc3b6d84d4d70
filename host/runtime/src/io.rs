//! A call of the I/O lane: what it is granted, its bounds by fuel, by the clock and by who stops it.

use openhub_model::{Span, Timestamp};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmtime::Store;

use crate::answer::{CallContext, Receipt};
use crate::backing::{Customers, EventLog, KeyValues, Objects};
use crate::blanks::{Blanks, pack};
use crate::capabilities::http::Requests;
use crate::capabilities::secrets::Secrets;
use crate::capabilities::settlement::Settlement;
use crate::captured::Captured;
use crate::fault::{CallFault, FaultKind};
use crate::host::{Host, Io};
use crate::plugin::Plugin;
use crate::recording::{Answer, Recorded, Recording};
use crate::tape::{Asked, Tape};

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
    /// In place of all these: what a recorded call was answered.
    pub played: Option<Vec<Asked>>,
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

/// What is called, and how much it may do.
pub(crate) struct Bounds<'a> {
    /// As a recording has it.
    pub kind: &'static str,
    pub name: &'a str,
    /// What it is called with.
    pub given: &'a (dyn Fn() -> Value + Sync),
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
    pub(crate) async fn io<T: Serialize>(
        &self,
        context: IoContext,
        bounds: Bounds<'_>,
        stopped: impl Future<Output = ()>,
        run: impl AsyncFnOnce(&mut Store<Host>) -> wasmtime::Result<T>,
    ) -> Called<T> {
        let Bounds { kind, name, given, items, wall_ms } = bounds;
        let limits = &self.machine.limits;
        let _slot = self.machine.io_slot().await;
        let millis = self.manifest().limits.io_ms.map_or(limits.io_ms, |asked| asked.min(limits.io_ms));
        let fuel = u64::from(millis) * limits.fuel_per_ms;
        let tape = match context.played {
            Some(asked) => Tape::of(asked),
            None if context.call.observed.tapes() => Tape::new(),
            None => Tape::Off,
        };
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
            tape,
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
        let (began, observed) = (Instant::now(), context.call.observed.clone());
        let called = tokio::select! {
            called = tokio::time::timeout(wall, run(&mut store)) => Some(called),
            () = stopped => None,
        };
        observed.called(began.elapsed());
        let used = fuel.saturating_sub(store.get_fuel().unwrap_or_default());
        let mut host = store.into_data();
        let receipt = host.receipt(used);
        let is_stopped = called.is_none();
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
        if let (false, Some(io)) = (is_stopped, &mut host.io) {
            self.record(&context.call, (kind, name, given), io, (&answer, receipt));
        }
        let lines = host.log.take_lines();
        let (settlement, verified) =
            host.io.map_or_else(|| (Settlement::prepare(items), false), |io| (io.settlement, io.verified));
        Called { answer, settlement, verified, receipt, lines }
    }

    /// Hands a call that failed, or was drawn, to who watches it.
    fn record<T: Serialize>(
        &self,
        call: &CallContext,
        (kind, name, given): (&'static str, &str, &(dyn Fn() -> Value + Sync)),
        io: &mut Io,
        (outcome, receipt): (&Result<T, CallFault>, Receipt),
    ) {
        let tape = std::mem::take(&mut io.tape);
        let (mut asked, strayed_at) = match tape {
            Tape::Off | Tape::Full => return,
            Tape::On { asked, .. } => (asked, None),
            Tape::Played { left, strays } => {
                (Vec::new(), strays.or_else(|| left.front().map(|asked| asked.call.clone())))
            }
        };
        let mut given = given();
        if outcome.is_ok() && !call.observed.draws(&given) {
            return;
        }
        let mut blanks = Blanks::of(io.secrets.masks.clone());
        blanks.learn_people(&given);
        for asked in &asked {
            blanks.learn_people(&asked.asked);
            asked.answered.iter().for_each(|answered| blanks.learn_people(answered));
        }
        let blank = |value: &mut Value| {
            blanks.blank(value);
            pack(value);
        };
        blank(&mut given);
        for asked in &mut asked {
            blank(&mut asked.asked);
            if let Some(answered) = &mut asked.answered {
                if matches!(&*asked.call, "secrets.hmac" | "secrets.sign") {
                    zero(answered);
                }
                blank(answered);
            }
            if let Some(fault) = &mut asked.broke_off {
                fault.message = blanks.text(&fault.message);
            }
        }
        let outcome = match outcome {
            Ok(answer) => {
                let mut answer = serde_json::to_value(answer).unwrap_or_default();
                let mut settled = serde_json::to_value(&io.settlement).unwrap_or_default();
                blank(&mut answer);
                blank(&mut settled);
                Ok(Answer::Io { answer, settled })
            }
            Err(fault) => Err(CallFault { message: blanks.text(&fault.message), ..fault.clone() }),
        };
        let recorded = Recorded::Io { kind: kind.to_owned(), name: name.to_owned(), given, asked };
        let made = match &outcome {
            Ok(answer) => Ok(answer.clone()),
            Err(fault) => Err(fault),
        };
        let mut recording = Recording::made(self, call, recorded, made, receipt);
        recording.strayed_at = strayed_at;
        call.observed.recorded(recording);
    }
}

/// What was computed with a secret is none of the reader's business; how long it is, stays.
fn zero(value: &mut Value) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(zero),
        Value::Object(all) => all.values_mut().for_each(zero),
        Value::Number(_) => *value = 0.into(),
        _ => {}
    }
}
