//! Runs the rule in Extism, and measures it when it is told to.
//!
//! `beside-extism GUEST` reads lines from its input. A line of JSON, an array of orders, is what is called with from now on; it is answered with
//! what the rule answers. The line `fresh` is answered with a measurement of calls that have an instance each, `reused` with one of calls of
//! an instance that lives on: `{"calls", "micros", "cpu_micros"}`.

use anyhow::{Context, Result, bail};
use extism::{CompiledPlugin, Manifest, Plugin, PluginBuilder, Wasm};
use serde_json::json;
use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

/// The function of the guest.
const RULE: &str = "points";
/// How long one measurement takes.
const SLICE: Duration = Duration::from_millis(300);
/// Bounds as a host that runs foreign code sets them.
const FUEL: u64 = 1_000_000_000;
const TIMEOUT: Duration = Duration::from_secs(1);
const PAGES: u32 = 512;

fn main() -> Result<()> {
    let path = std::env::args().nth(1).context("name the guest")?;
    let manifest = Manifest::new([Wasm::data(std::fs::read(path)?)]).with_timeout(TIMEOUT).with_memory_max(PAGES);
    let compiled = CompiledPlugin::new(PluginBuilder::new(manifest).with_fuel_limit(FUEL))?;
    let mut orders = String::new();
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let answer = match line.as_str() {
            "fresh" => measured(|| Ok(instance(&compiled)?.call::<&str, &str>(RULE, &orders)?.len()))?,
            "reused" => {
                let mut plugin = instance(&compiled)?;
                measured(|| Ok(plugin.call::<&str, &str>(RULE, &orders)?.len()))?
            }
            _ if line.starts_with('[') => {
                orders = line;
                instance(&compiled)?.call::<&str, &str>(RULE, &orders)?.to_owned()
            }
            _ => bail!("this is neither orders nor `fresh` nor `reused`: {line}"),
        };
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}

fn instance(compiled: &CompiledPlugin) -> Result<Plugin> {
    Plugin::new_from_compiled(compiled)
}

/// Calls for a slice of time; each answer's length has to be the same.
fn measured(mut call: impl FnMut() -> Result<usize>) -> Result<String> {
    let length = call()?;
    let (began, cpu, mut calls) = (Instant::now(), cpu_micros()?, 0_u64);
    while began.elapsed() < SLICE {
        if call()? != length {
            bail!("the same orders were answered in another way");
        }
        calls += 1;
    }
    let micros = began.elapsed().as_secs_f64() * 1e6;
    Ok(json!({"calls": calls, "micros": micros, "cpu_micros": cpu_micros()? - cpu}).to_string())
}

/// What this process has used, all threads, in user and system mode.
fn cpu_micros() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok());
    // Fields 14 and 15 of proc(5), in ticks of a hundredth of a second.
    Ok((ticks(11).context("no times")? + ticks(12).context("no times")?) * 1e4)
}
