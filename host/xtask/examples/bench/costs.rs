//! What a piece of work costs this process: time by the clock, CPU time of all its threads, and the most memory that it
//! held meanwhile, as the kernel counts them.

use anyhow::{Context, Result};
use nix::sys::resource::{UsageWho, getrusage};
use std::time::Instant;

/// A measurement under way.
pub struct Meter {
    began: Instant,
    cpu_seconds: f64,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    pub seconds: f64,
    pub cpu_seconds: f64,
    /// The greatest resident set since the measurement began, in MiB; what was resident before counts with it.
    pub peak_mib: f64,
}

impl Meter {
    pub fn start() -> Result<Meter> {
        // `5` sets the peak of the resident set back to what is resident: proc(5).
        std::fs::write("/proc/self/clear_refs", "5").context("the peak of memory could not be set back")?;
        Ok(Meter { cpu_seconds: cpu_seconds(UsageWho::RUSAGE_SELF)?, began: Instant::now() })
    }

    pub fn stop(&self) -> Result<Cost> {
        let seconds = self.began.elapsed().as_secs_f64();
        let cpu_seconds = cpu_seconds(UsageWho::RUSAGE_SELF)? - self.cpu_seconds;
        Ok(Cost { seconds, cpu_seconds, peak_mib: peak_mib()? })
    }
}

/// CPU time of the calling thread so far, in seconds.
pub fn thread_cpu_seconds() -> Result<f64> {
    cpu_seconds(UsageWho::RUSAGE_THREAD)
}

fn cpu_seconds(who: UsageWho) -> Result<f64> {
    let usage = getrusage(who)?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

fn peak_mib() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).context("the kernel names no peak of memory")?;
    Ok(kib.parse::<f64>()? / 1024.0)
}

/// The load of the machine in the last minute, to be read beside times by the clock.
pub fn machine_load() -> f64 {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or_default()
}
