//! P8, the second part: a thousand plugins at once, each a component of its own. How long one takes from the cache of compiled code until
//! it can be called, and what all of them take of memory.
//!
//! Each component is `points` with another text in its data, so that nothing is shared because it is the same. They are compiled once, by
//! this process; a fresh one loads them, so that what is left of the compiler does not count.

use anyhow::{Context, Result, ensure};
use openhub_runtime::{Config, Runtime};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::scale::Scale;
use crate::statistics::{digits, median, percentile};

const INSTALLED: usize = 1_000;
/// A message of the rule, whose letters become a number.
const TEXT: &[u8] = b"an order's total";
const LETTERS: std::ops::Range<usize> = 3..8;
/// Names the folder of components to the process that loads them.
const FOLDER: &str = "OPENHUB_BENCH_INSTALLED";
const CACHE: &str = "compiled";

/// What the loading process is asked for, if this is one.
pub fn asked() -> Option<Result<()>> {
    std::env::var_os(FOLDER).map(|folder| load(Path::new(&folder)))
}

/// Compiles them, loads them in a process of its own, and prints what it told.
pub fn run(component: &Path, scale: Scale) -> Result<()> {
    let bytes = std::fs::read(component)?;
    let at = bytes.windows(TEXT.len()).position(|window| window == TEXT).context("points has lost its message")?;
    let folder = tempfile::tempdir()?;
    let executor = executor()?;
    let runtime = runtime(folder.path())?;
    let count = scale.of(INSTALLED);
    for number in 0..count {
        let mut bytes = bytes.clone();
        bytes[at + LETTERS.start..at + LETTERS.end].copy_from_slice(format!("{number:05}").as_bytes());
        executor.block_on(runtime.prepare(&bytes))?;
        std::fs::write(folder.path().join(format!("{number}.wasm")), bytes)?;
    }
    let loaded = Command::new(std::env::current_exe()?)
        .args(["p8", "--rounds", "1", "--customers", "1000"])
        .env(FOLDER, folder.path())
        .output()?;
    ensure!(loaded.status.success(), "the plugins were not loaded: {}", String::from_utf8_lossy(&loaded.stderr));
    let told: Value = serde_json::from_slice(&loaded.stdout)?;
    ensure!(told["loaded"] == count, "not all were loaded: {told}");
    println!("P8 installed: {count} plugins, {} MiB more than none (aim 250 for {INSTALLED})", told["mib"]);
    println!(
        "P8 load: from the cache of compiled code until it can be called, {} ms a plugin, p99 {} ms (aim 1)",
        told["load_ms"], told["load_p99_ms"]
    );
    println!("{}", json!({"scenario": "p8-installed", "plugins": count, "loaded": told}));
    Ok(())
}

fn load(folder: &Path) -> Result<()> {
    let (executor, runtime) = (executor()?, runtime(folder)?);
    let before = resident_mib()?;
    let (mut plugins, mut times) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            continue;
        }
        let bytes = std::fs::read(path)?;
        let began = Instant::now();
        plugins.push(executor.block_on(runtime.prepare(&bytes))?);
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let mib = digits(resident_mib()? - before);
    let (load, slowest) = (digits(median(&times)), digits(percentile(&times, 0.99)));
    println!("{}", json!({"loaded": plugins.len(), "mib": mib, "load_ms": load, "load_p99_ms": slowest}));
    Ok(())
}

fn executor() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?)
}

fn runtime(folder: &Path) -> Result<Runtime> {
    Ok(Runtime::new(Config { cache: Some(folder.join(CACHE)), ..Config::default() })?)
}

fn resident_mib() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).context("the kernel names no resident memory")?;
    Ok(kib.parse::<f64>()? / 1024.0)
}
