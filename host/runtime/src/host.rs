//! What the host keeps during one call: its surroundings, its meters and limits.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use wasmtime::ResourceLimiter;

use crate::answer::{CallContext, Receipt};
use crate::backing::{Customers, EventLog, KeyValues, Objects};
use crate::capabilities::http::Requests;
use crate::capabilities::log::Log;
use crate::capabilities::secrets::Secrets;
use crate::capabilities::settlement::Settlement;
use crate::fault::{FaultKind, Raised};
use crate::io::HostClock;
use crate::plugin::Plugin;
use crate::tape::Tape;
use openhub_model::Timestamp;
use openhub_model::manifest::Manifest;

/// The data of a store.
pub struct Host {
    pub call: CallContext,
    pub meter: Meter,
    pub log: Log,
    pub memory: MemoryLimit,
    /// The I/O lane's; a pure call has none.
    pub io: Option<Io>,
}

/// What only the I/O lane has.
pub struct Io {
    pub clock: HostClock,
    pub deadline: Timestamp,
    pub secrets: Arc<Secrets>,
    pub requests: Requests,
    pub settlement: Settlement,
    /// Whether a signature was verified with a secret.
    pub verified: bool,
    pub manifest: Arc<Manifest>,
    pub kv: Option<Arc<dyn KeyValues>>,
    /// Bytes that the call has written there.
    pub written: usize,
    pub events: Option<Arc<dyn EventLog>>,
    /// Events that the call has appended so far.
    pub tracked: usize,
    pub customers: Option<Arc<dyn Customers>>,
    /// Customers, and objects, that the call has read.
    pub read: usize,
    pub objects: Option<Arc<dyn Objects>>,
    /// What was granted of the manifest's `access`.
    pub access: Vec<String>,
    /// What the plugin asks, and is answered.
    pub tape: Tape,
}

impl Host {
    pub fn new(plugin: &Plugin, call: &CallContext, fuel: u64, items: usize) -> Host {
        let limits = &plugin.machine.limits;
        let items = u32::try_from(items).unwrap_or(u32::MAX).max(1);
        Host {
            call: call.clone(),
            meter: Meter::new(limits.host_calls_per_item.saturating_mul(items), fuel),
            log: Log::new(Arc::clone(&plugin.digest), limits.log_bytes, call.observed.clone()),
            memory: MemoryLimit::new(plugin.memory_bytes()),
            io: None,
        }
    }

    /// Counts what a call reads of the tenant's data.
    pub fn reads(&mut self, rows: usize) -> wasmtime::Result<()> {
        let io = self.io()?;
        io.read = io.read.saturating_add(rows);
        match io.read > ROWS_READ {
            true => Err(Raised::error(
                FaultKind::Fuel,
                format!("the plugin read too many customers and objects: at most {ROWS_READ} a call"),
            )),
            false => Ok(()),
        }
    }

    /// What the I/O lane has; in the pure lane a capability that needs it is never linked.
    pub fn io(&mut self) -> wasmtime::Result<&mut Io> {
        self.io.as_mut().ok_or_else(|| {
            Raised::error(FaultKind::Refused, "this cannot be called by a rule, an object check, a step or a function")
        })
    }

    /// `fuel` is what the guest has burnt.
    pub fn receipt(&self, fuel: u64) -> Receipt {
        Receipt {
            fuel: fuel.saturating_add(self.meter.fuel),
            peak_memory: self.memory.peak as u64,
            host_calls: self.meter.host_calls,
            bytes_out: self.meter.bytes_out,
            fetches: self.meter.fetches,
        }
    }
}

/// Customers and objects that one call may read.
const ROWS_READ: usize = 10_000;

/// Fuel for each byte that the host reads, masks, hashes or hands over: about what it takes of a core.
const FUEL_PER_BYTE: u64 = 8;

/// What a question to the host took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    fuel: u64,
    host_calls: u32,
    bytes_out: u64,
    fetches: u32,
}

impl Spent {
    pub fn since(self, before: Spent) -> Spent {
        Spent {
            fuel: self.fuel - before.fuel,
            host_calls: self.host_calls - before.host_calls,
            bytes_out: self.bytes_out - before.bytes_out,
            fetches: self.fetches - before.fetches,
        }
    }
}

/// Counts what a call asks of the host.
pub struct Meter {
    pub host_calls: u32,
    pub bytes_out: u64,
    pub fetches: u32,
    /// For the host's own work. It may be as much as the guest may burn.
    fuel: u64,
    host_calls_at_most: u32,
    fuel_at_most: u64,
}

impl Meter {
    fn new(host_calls_at_most: u32, fuel_at_most: u64) -> Meter {
        Meter { host_calls: 0, bytes_out: 0, fetches: 0, fuel: 0, host_calls_at_most, fuel_at_most }
    }

    pub fn spent(&self) -> Spent {
        let Meter { host_calls, bytes_out, fetches, fuel, .. } = *self;
        Spent { fuel, host_calls, bytes_out, fetches }
    }

    /// What a question took when it was recorded.
    pub fn spend(&mut self, spent: Spent) {
        self.fuel = self.fuel.saturating_add(spent.fuel).min(self.fuel_at_most);
        self.host_calls = self.host_calls.saturating_add(spent.host_calls);
        self.bytes_out = self.bytes_out.saturating_add(spent.bytes_out);
        self.fetches = self.fetches.saturating_add(spent.fetches);
    }

    /// Each capability's first step: counts the call, and the bytes that it will walk over.
    pub fn host_call(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.host_calls += 1;
        if self.host_calls > self.host_calls_at_most {
            let message =
                format!("the plugin called the hub too often: at most {} times a call", self.host_calls_at_most);
            return Err(Raised::error(FaultKind::Fuel, message));
        }
        self.work(bytes)
    }

    /// Counts bytes that the host walks over. Those of one call to the host are bounded, so no work of it is long.
    pub fn work(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.fuel = self.fuel.saturating_add((bytes as u64).saturating_mul(FUEL_PER_BYTE));
        if self.fuel > self.fuel_at_most {
            self.fuel = self.fuel_at_most;
            return Err(Raised::error(FaultKind::Fuel, "the plugin gave the hub too much to read, mask or hash"));
        }
        Ok(())
    }
}

/// Bounds the linear memories of a call together, and its tables one by one.
pub struct MemoryLimit {
    now: usize,
    peak: usize,
    at_most: usize,
}

const TABLE_ELEMENTS: usize = 20_000;

impl MemoryLimit {
    fn new(at_most: usize) -> MemoryLimit {
        MemoryLimit { now: 0, peak: 0, at_most }
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.now.saturating_sub(current).saturating_add(desired);
        if total > self.at_most {
            let message = format!("the plugin asked for {total} bytes of memory: at most {}", self.at_most);
            return Err(Raised::error(FaultKind::Memory, message));
        }
        self.now = total;
        self.peak = self.peak.max(total);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(Raised::error(FaultKind::Memory, error.to_string()))
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if desired > TABLE_ELEMENTS {
            let message = format!("the plugin asked for a table of {desired} elements: at most {TABLE_ELEMENTS}");
            return Err(Raised::error(FaultKind::Memory, message));
        }
        Ok(true)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(Raised::error(FaultKind::Memory, error.to_string()))
    }
}
