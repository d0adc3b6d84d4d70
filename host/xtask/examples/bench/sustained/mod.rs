//! P2s: callers who send as fast as they are let for minutes, beside an engine that computes what they send, and a quiet
//! tenant beside both. The release hub over HTTP on SQLite with FULL durability; callers and receiver are in this process, on
//! the same cores.
//!
//! What the engine makes alone is measured twice on the same tenant: before the callers begin, while it works off one burst,
//! and after they have ended, while it works off what they left. In between, what it makes is read from the hub's status, in windows.

mod callers;
mod quiet;
mod tenants;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::time::sleep;

use crate::costs::machine_load;
use crate::mix;
use crate::scale::Scale;
use crate::statistics::{digits, median, percentile};
use callers::{CALLERS, Callers};
use quiet::Quiet;
use xtask::demo::{Api, Usage};

/// How long the callers go on, in seconds.
const LASTS: usize = 300;
/// What the engine makes is counted for each of these.
const WINDOW: Duration = Duration::from_secs(10);
/// Likewise, while it works alone.
const ALONE: Duration = Duration::from_secs(2);
/// Events of the burst before.
const BURST: usize = 200_000;
/// Less than this says nothing about what the engine makes.
const ENOUGH: i64 = 20_000;

/// What was seen at the end of a window.
struct Window {
    per_second: f64,
    behind: i64,
    status_ms: f64,
}

/// A tenant's standing, and how long the hub took to tell it.
struct Seen {
    behind: i64,
    unsent: i64,
    ms: f64,
}

pub fn run(program: &Path, components: &Path, scale: Scale) -> Result<()> {
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    executor.block_on(measure(program, components, scale))
}

async fn measure(program: &Path, components: &Path, scale: Scale) -> Result<()> {
    let place = tempfile::Builder::new().prefix("openhub-bench-").tempdir()?;
    let (receiver, received) = mix::receive().await?;
    let tenants = tenants::start(program, components, place.path(), receiver).await?;
    let status = Api::new(&tenants.hub.url, &tenants.flood.api_key)?;
    let load = machine_load();

    eprintln!("a burst of {} events, then the engine alone", scale.of(BURST));
    let burst = Callers::start(&tenants.hub.url, &tenants.flood.api_key, 0, Some(scale.of(BURST)))?;
    let mut accepted = burst.finished().await?.accepted;
    let before = alone(&status).await?;

    let lasts = Duration::from_secs(scale.of(LASTS) as u64);
    eprintln!("{CALLERS} callers for {} s", lasts.as_secs());
    let usage = Usage::of(tenants.hub.pid())?;
    let quiet = Quiet::start(&tenants.hub.url, &tenants.quiet)?;
    let callers = Callers::start(&tenants.hub.url, &tenants.flood.api_key, 1, None)?;
    let windows = watch(&status, &callers, lasts).await?;
    let sent = callers.stop().await?;
    let quiet = quiet.stop().await?;
    let cpu = Usage::of(tenants.hub.pid())?.cpu_seconds() - usage.cpu_seconds();
    accepted += sent.accepted;

    eprintln!("the engine alone again");
    let after = alone(&status).await?;
    let left = seen(&status).await?;
    ensure!(left.behind == 0, "the engine is behind by {} of {accepted} events after all", left.behind);

    let report =
        Report { windows, before, after, sent, quiet, cpu, received: mix::count(&received), left, load, lasts };
    report.print();
    tenants.hub.stop().await?;
    Ok(())
}

async fn seen(status: &Api) -> Result<Seen> {
    let began = Instant::now();
    let answer = status.get("/api/v1/status").await?;
    let ms = began.elapsed().as_secs_f64() * 1e3;
    let number = |name: &str| answer[name].as_i64().with_context(|| format!("the status has no `{name}`"));
    ensure!(number("set_aside")? == 0, "events were set aside: no figure would mean anything");
    Ok(Seen { behind: number("behind")?, unsent: number("unsent")?, ms })
}

/// Events a second, of each stretch in which the engine works off what waits while nobody sends.
async fn alone(status: &Api) -> Result<Vec<f64>> {
    let mut rates = Vec::new();
    let (mut last, mut at) = (seen(status).await?.behind, Instant::now());
    while last > 0 {
        sleep(ALONE).await;
        let now = seen(status).await?.behind;
        let took = at.elapsed().as_secs_f64();
        if now > 0 || last - now > ENOUGH {
            rates.push((last - now) as f64 / took);
        }
        (last, at) = (now, Instant::now());
    }
    Ok(rates)
}

async fn watch(status: &Api, callers: &Callers, lasts: Duration) -> Result<Vec<Window>> {
    let mut windows = Vec::new();
    let began = Instant::now();
    let (mut done, mut at) = (callers.accepted() as i64 - seen(status).await?.behind, Instant::now());
    while began.elapsed() < lasts {
        sleep(WINDOW.min(lasts)).await;
        callers.are_well()?;
        let Seen { behind, ms, .. } = seen(status).await?;
        let (now, took) = (callers.accepted() as i64 - behind, at.elapsed().as_secs_f64());
        let window = Window { per_second: (now - done) as f64 / took, behind, status_ms: ms };
        eprintln!("{:>8.0} events/s computed, {:>9} wait", window.per_second, behind);
        windows.push(window);
        (done, at) = (now, Instant::now());
    }
    Ok(windows)
}

struct Report {
    windows: Vec<Window>,
    before: Vec<f64>,
    after: Vec<f64>,
    sent: callers::Sent,
    quiet: quiet::Told,
    cpu: f64,
    received: u64,
    left: Seen,
    load: f64,
    lasts: Duration,
}

impl Report {
    fn print(&self) {
        let rates: Vec<f64> = self.windows.iter().map(|window| window.per_second).collect();
        let (before, after) = (median(&self.before), median(&self.after));
        let least = percentile(&rates, 0.0);
        let most_behind = self.windows.iter().map(|window| window.behind).max().unwrap_or(0);
        let status: Vec<f64> = self.windows.iter().map(|window| window.status_ms).collect();
        let seconds = self.lasts.as_secs_f64();
        let lines = [
            ("the engine alone, before: events/s", digits(before)),
            ("the engine alone, after: events/s", digits(after)),
            ("beside the callers: median window", digits(median(&rates))),
            ("  of what it makes alone after", digits(median(&rates) / after)),
            ("beside the callers: least window", digits(least)),
            ("  of what it makes alone after", digits(least / after)),
            ("taken from the callers: events/s", digits(self.sent.accepted as f64 / seconds)),
            ("request, ms: median", digits(median(&self.sent.ms))),
            ("request, ms: p99", digits(percentile(&self.sent.ms, 0.99))),
            ("told to come back later (429)", self.sent.put_off as f64),
            ("told that the hub is away (503)", self.sent.away as f64),
            ("most that waited", most_behind as f64),
            ("status, ms: greatest", digits(percentile(&status, 1.0))),
            ("quiet tenant: calls", self.quiet.ms.len() as f64),
            ("quiet tenant: calls not taken", self.quiet.refused as f64),
            ("quiet tenant: call, ms: p99", digits(percentile(&self.quiet.ms, 0.99))),
            ("quiet tenant: lag, ms: median", digits(median(&self.quiet.lag_ms))),
            ("quiet tenant: lag, ms: p99", digits(percentile(&self.quiet.lag_ms, 0.99))),
            ("quiet tenant: lag, ms: greatest", digits(percentile(&self.quiet.lag_ms, 1.0))),
            ("CPU seconds of the hub beside callers", digits(self.cpu)),
        ];
        println!(
            "P2s sustained: SQLite WAL, synchronous=FULL; {CALLERS} callers for {seconds} s, windows of {} s",
            WINDOW.as_secs()
        );
        lines.iter().for_each(|(name, value)| println!("{name:<44} {value:>12}"));
        println!("{}", self.json(&lines));
    }

    fn json(&self, lines: &[(&str, f64)]) -> Value {
        let figures: Vec<Value> =
            lines.iter().map(|(name, value)| json!({"name": name.trim(), "value": value})).collect();
        json!({
            "scenario": "sustained", "database": "sqlite", "synchronous": "full", "load": self.load, "figures": figures,
            "windows": self.windows.iter().map(|window| digits(window.per_second)).collect::<Vec<_>>(),
            "behind": self.windows.iter().map(|window| window.behind).collect::<Vec<_>>(),
            "received": self.received, "unsent": self.left.unsent,
        })
    }
}
