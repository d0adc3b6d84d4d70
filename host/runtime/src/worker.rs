//! Compiling, bounded in time and memory: in a process of its own if there is one, else on a thread.

use nix::sys::resource::{Resource, setrlimit};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::process::Command;
use wasmtime::component::Component;

use crate::cache::write_private;
use crate::config::Defaults;
use crate::engine::{self, Machine};
use crate::error::{Refusal, RuntimeError};

/// What a compiling process may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Address space, in bytes.
    pub memory_bytes: u64,
    /// Across threads, so more than the time by the clock that the hub grants.
    pub cpu_seconds: u64,
}

/// The work of `compile-component <in> <out> <bytes> <seconds>`: limits this process, compiles, writes.
pub fn compile(input: &Path, output: &Path, bounds: Bounds) -> Result<(), RuntimeError> {
    let failed = |path: &Path, source| RuntimeError::Worker { path: path.to_owned(), source };
    let bounds = [
        (Resource::RLIMIT_AS, bounds.memory_bytes),
        (Resource::RLIMIT_CPU, bounds.cpu_seconds),
        (Resource::RLIMIT_CORE, 0),
    ];
    for (resource, bound) in bounds {
        setrlimit(resource, bound, bound).map_err(|error| failed(input, error.into()))?;
    }
    let component = std::fs::read(input).map_err(|source| failed(input, source))?;
    let engine = engine::compiling()?;
    let code = engine.precompile_component(&component).map_err(|error| RuntimeError::Compile(format!("{error:#}")))?;
    write_private(output, &code).map_err(|source| failed(output, source))
}

/// Compiles in a process of its own and gives its code.
pub async fn in_process(program: &Path, scratch: &Path, bytes: &[u8], limits: &Defaults) -> Result<Vec<u8>, Refusal> {
    let failed = |message: String| Refusal::new(Refusal::COMPILE_FAILED, message);
    let io = |error: std::io::Error| failed(format!("the compiler could not be run: {error}"));
    let directory = tempfile::tempdir_in(scratch).map_err(io)?;
    let (input, output) = (directory.path().join("component.wasm"), directory.path().join("component.cwasm"));
    write_private(&input, bytes).map_err(io)?;
    let child = Command::new(program)
        .arg("compile-component")
        .args([&input, &output])
        // Address space is what the compiler is limited in: an allocator that takes a gigabyte at once, as the hub's
        // own does by itself, would leave none.
        .env("MIMALLOC_ARENA_RESERVE", "16MiB")
        .args(
            [limits.compile_memory_bytes, u64::from(limits.compile_ms.div_ceil(1000)) * 2]
                .map(|bound| bound.to_string()),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(io)?;
    let ended = tokio::time::timeout(bound(limits), child.wait_with_output()).await;
    let ended = ended.map_err(|_| too_long(limits))?.map_err(io)?;
    if !ended.status.success() {
        let said = String::from_utf8_lossy(&ended.stderr);
        let said: String = said.trim().chars().take(2_000).collect();
        return Err(failed(format!("the compiler ended with {}: {said}", ended.status)));
    }
    std::fs::read(&output).map_err(io)
}

/// Compiles on a thread of this process. A compilation that takes too long is given up, and ends by itself.
pub async fn on_thread(machine: &Arc<Machine>, bytes: Arc<[u8]>) -> Result<Component, Refusal> {
    let engine = machine.engine.clone();
    let compiled = tokio::task::spawn_blocking(move || Component::new(&engine, &bytes));
    let compiled =
        tokio::time::timeout(bound(&machine.limits), compiled).await.map_err(|_| too_long(&machine.limits))?;
    let compiled = compiled.map_err(|_| Refusal::new(Refusal::COMPILE_FAILED, "the compiler broke off"))?;
    compiled
        .map_err(|error| Refusal::new(Refusal::COMPILE_FAILED, format!("the component does not compile: {error:#}")))
}

fn bound(limits: &Defaults) -> Duration {
    Duration::from_millis(u64::from(limits.compile_ms))
}

fn too_long(limits: &Defaults) -> Refusal {
    Refusal::new(
        Refusal::COMPILE_TOO_LONG,
        format!(
            "the component takes too long to compile: at most {} s. Try again when the machine has less to do, or raise \
             `compile_seconds` of the hub's configuration",
            limits.compile_ms / 1_000
        ),
    )
}
