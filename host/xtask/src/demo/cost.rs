//! What the replay cost: wall time of the client, and CPU time and memory of the hub as the kernel counts them.

use anyhow::{Context, Result};
use serde::Serialize;
use std::time::Duration;

use super::figures::Figures;

/// The kernel's unit of CPU time in /proc: 1/100 s on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug, Serialize)]
pub struct Costs {
    /// From the first request to the last checkpoint.
    pub seconds: f64,
    pub events_per_second: f64,
    /// From the first request until nothing was left to send.
    pub messages_per_second: f64,
    pub peak_rss_mib: f64,
    pub cpu_seconds: f64,
}

impl Costs {
    pub fn new(figures: &Figures, computed: Duration, sent: Duration, before: &Usage, after: &Usage) -> Costs {
        let (computed, sent) = (computed.as_secs_f64(), sent.as_secs_f64());
        Costs {
            seconds: round(computed),
            events_per_second: round(figures.events as f64 / computed),
            messages_per_second: round(figures.win_back_distinct as f64 / sent),
            peak_rss_mib: round(after.peak_rss_kib / 1024.0),
            cpu_seconds: round(after.cpu_seconds - before.cpu_seconds),
        }
    }
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// A process's use of the machine so far.
pub struct Usage {
    cpu_seconds: f64,
    peak_rss_kib: f64,
}

impl Usage {
    pub fn of(pid: i32) -> Result<Usage> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).context("the hub's process is gone")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        parse(&stat, &status).context("/proc has another form than expected")
    }

    pub fn cpu_seconds(&self) -> f64 {
        self.cpu_seconds
    }
}

/// After the name in parentheses, which may hold blanks: state is field 3, utime and stime are fields 14 and 15.
fn parse(stat: &str, status: &str) -> Option<Usage> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(Usage {
        cpu_seconds: (ticks(11)? + ticks(12)?) / TICKS_PER_SECOND,
        peak_rss_kib: peak.split_whitespace().next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_after_the_name() {
        let stat = "42 (open hub) S 1 42 42 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 9 0 1000 0 0";
        let usage = parse(stat, "Name:\topenhub\nVmHWM:\t  2048 kB\n").unwrap();
        assert_eq!((usage.cpu_seconds, usage.peak_rss_kib), (2.0, 2048.0));
    }
}
