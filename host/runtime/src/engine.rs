//! The WebAssembly engine: how code is compiled, where instances live, and what counts a call's time.
//!
//! One engine serves both lanes: whether a call is asynchronous is decided by how it is made. Compiled code depends on
//! [`base`] alone, so that the pooling and the on-demand engine, and the compiling process, can share it.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Store};

use crate::config::Defaults;
use crate::error::RuntimeError;
use crate::host::Host;

/// The most that an operator can allow a plugin, in bytes of linear memory.
pub const MEMORY_CEILING: usize = 256 * 1024 * 1024;
const TICK: Duration = Duration::from_millis(1);
/// What a Python component takes; a Rust one takes 3.
const CORE_INSTANCES: u32 = 48;
/// Functions that a call that breaks off names, from the innermost: a panic alone has about ten of them.
const FRAMES: NonZeroUsize = NonZeroUsize::new(24).expect("it is not zero");
const MEMORIES: u32 = 3;
const TABLES: u32 = 48;

/// Deterministic, metered, stoppable.
fn base() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .concurrency_support(false)
        .consume_fuel(true)
        .epoch_interruption(true)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .wasm_memory64(false)
        .cranelift_opt_level(OptLevel::Speed)
        .max_wasm_stack(512 * 1024)
        .async_stack_size(1024 * 1024)
        // So that a call that breaks off says where. It lies in the file of compiled code, and is read only then.
        .generate_address_map(true)
        .native_unwind_info(false)
        .wasm_backtrace_max_frames(Some(FRAMES));
    config
}

/// An engine that only compiles.
pub fn compiling() -> Result<Engine, RuntimeError> {
    Engine::new(&base()).map_err(RuntimeError::Engine)
}

fn pooling(instances: u32) -> Result<Engine, wasmtime::Error> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances * CORE_INSTANCES)
        .max_core_instances_per_component(CORE_INSTANCES)
        .total_memories(instances * MEMORIES)
        .max_memories_per_component(MEMORIES)
        .total_tables(instances * TABLES)
        .max_tables_per_component(TABLES)
        .total_stacks(instances)
        .max_memory_size(MEMORY_CEILING)
        .linear_memory_keep_resident(1024 * 1024)
        .table_keep_resident(64 * 1024)
        .pagemap_scan(Enabled::Auto);
    let mut config = base();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}

/// The engine with its limits, and the line in front of it: a full pool would answer errors.
pub struct Machine {
    pub engine: Engine,
    pub limits: Defaults,
    pure: Arc<Semaphore>,
    /// Calls that wait for the world take no place that a rule needs.
    io: Arc<Semaphore>,
}

impl Machine {
    /// Takes slots from a pool, so many for each lane; where the address space is too small for one, makes each instance on
    /// demand.
    pub fn new(limits: Defaults, instances: u32) -> Result<Machine, RuntimeError> {
        let instances = instances.clamp(1, 1_000);
        let engine = match pooling(2 * instances) {
            Ok(engine) => engine,
            Err(error) => {
                tracing::warn!(error = %format_args!("{error:#}"), "no room for a pool of instances, each is made on demand");
                compiling()?
            }
        };
        let weak = engine.weak();
        std::thread::Builder::new()
            .name("plugin-epochs".to_owned())
            .spawn(move || {
                while let Some(engine) = weak.upgrade() {
                    engine.increment_epoch();
                    drop(engine);
                    std::thread::sleep(TICK);
                }
            })
            .map_err(RuntimeError::Ticker)?;
        let slots = || Arc::new(Semaphore::new(instances as usize));
        Ok(Machine { engine, limits, pure: slots(), io: slots() })
    }

    /// Waits for a slot of the pure lane, first come first served. Blocks the thread.
    pub fn pure_slot_blocking(&self) -> OwnedSemaphorePermit {
        match Arc::clone(&self.pure).try_acquire_owned() {
            Ok(slot) => slot,
            Err(_) => futures::executor::block_on(slot(&self.pure)),
        }
    }

    pub async fn io_slot(&self) -> OwnedSemaphorePermit {
        slot(&self.io).await
    }

    /// A store for one call: it is thrown away afterwards, whatever came of the call.
    pub fn store(&self, host: Host, fuel: u64) -> Result<Store<Host>, wasmtime::Error> {
        let mut store = Store::try_new(&self.engine, host)?;
        store.limiter(|host| &mut host.memory);
        store.set_fuel(fuel)?;
        store.set_hostcall_fuel(self.limits.call_bytes as usize);
        Ok(store)
    }
}

async fn slot(slots: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    Arc::clone(slots).acquire_owned().await.expect("the semaphore is never closed")
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hash, Hasher};

    use super::*;

    fn compatibility(engine: &Engine) -> u64 {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn compiled_code_serves_both_allocators() {
        assert_eq!(compatibility(&pooling(2).unwrap()), compatibility(&compiling().unwrap()));
    }
}
