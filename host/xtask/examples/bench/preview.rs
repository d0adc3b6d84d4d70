//! Count and sample of conditions that are not saved: how long an author waits, what is answered after the time that the API
//! gives, and how far that is from the truth, which is counted without a limit afterwards.

use anyhow::{Result, ensure};
use openhub_model::Condition;
use openhub_store::{AsOf, Preview};
use serde_json::{Value, json};
use std::time::Duration;

use crate::audiences::ORDER;
use crate::costs::{Cost, Meter, machine_load};
use crate::history::{History, TICKET, VIEW};
use crate::hub::{Hub, NOW};
use crate::scale::Scale;
use crate::statistics::{digits, percentile};

const CUSTOMERS: usize = 1_000_000;
const EVENTS_EACH: usize = 4;
/// What the API gives a preview by default.
const TIME: Duration = Duration::from_millis(1_800);
const PATIENCE: Duration = Duration::from_secs(3_600);
const AIM_SECONDS: f64 = 2.0;
const SAMPLE: usize = 10;

/// One condition.
struct Asked {
    name: &'static str,
    rounds: Vec<(Preview, Cost)>,
    truth: i64,
    whole: Cost,
}

pub fn run(rounds: u64, scale: Scale) -> Result<()> {
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    executor.block_on(measure(rounds, scale))
}

async fn measure(rounds: u64, scale: Scale) -> Result<()> {
    let customers = scale.of(CUSTOMERS);
    let history = History { customers, events: customers * EVENTS_EACH };
    let (load, hub) = (machine_load(), Hub::open().await?);
    eprintln!("{} events of {customers} customers are loaded", history.events);
    let meter = Meter::start()?;
    history.load(&hub, None).await?;
    let loading = meter.stop()?;
    let checkpoint = hub.standing().await?.checkpoint;
    let as_of = AsOf { now: NOW, checkpoint };
    let mut all = Vec::new();
    for (name, condition) in conditions() {
        eprintln!("{name}");
        let condition: Condition = serde_json::from_value(condition)?;
        let mut asked = Asked { name, rounds: Vec::new(), truth: 0, whole: Cost::default() };
        for _ in 0..rounds {
            let meter = Meter::start()?;
            let preview = hub.store.preview(&hub.scope, &condition, as_of, SAMPLE, TIME).await?;
            asked.rounds.push((preview, meter.stop()?));
        }
        let meter = Meter::start()?;
        let whole = hub.store.preview(&hub.scope, &condition, as_of, SAMPLE, PATIENCE).await?;
        asked.whole = meter.stop()?;
        ensure!(whole.is_exact(), "the whole was not counted");
        asked.truth = whole.count();
        all.push(asked);
    }
    hub.close().await;
    report(history, &all, loading, load);
    Ok(())
}

fn conditions() -> [(&'static str, Value); 6] {
    let event = |name: &str, days: u64, at_least: u64| json!({"event": {"name": name, "within": format!("{days}d"), "is": "ge", "value": at_least}});
    let attribute = |name: &str, value: &str| json!({"attribute": {"name": name, "is": "eq", "value": value}});
    let sum = json!({"event": {"name": ORDER, "within": "180d", "aggregate": "sum", "of": "total", "is": "ge", "value": 500}});
    let sequence =
        json!({"sequence": {"steps": [{"name": VIEW}, {"name": ORDER}], "within": "7d", "without": {"name": TICKET}}});
    let quiet = json!({"all": [attribute("city", "city-7"), {"not": event(ORDER, 180, 1)}]});
    [
        ("plan is gold", attribute("plan", "gold")),
        ("2 orders in 30 days", event(ORDER, 30, 2)),
        ("500 spent in 180 days", sum),
        ("of a city, no order for 180 days", quiet),
        ("no order for 180 days", json!({"not": event(ORDER, 180, 1)})),
        ("viewed, then bought in 7 days", sequence),
    ]
}

impl Asked {
    /// The round that took longest.
    fn slowest(&self) -> f64 {
        percentile(&self.rounds.iter().map(|(_, cost)| cost.seconds).collect::<Vec<_>>(), 1.0)
    }

    /// What the last round answered.
    fn answer(&self) -> Preview {
        self.rounds.last().map(|(preview, _)| preview.clone()).unwrap_or_default()
    }

    fn peak_mib(&self) -> f64 {
        self.rounds.iter().map(|(_, cost)| cost.peak_mib).fold(0.0, f64::max)
    }

    /// In how many rounds the truth lay within the stated error.
    fn within(&self) -> usize {
        self.rounds.iter().filter(|(preview, _)| (preview.count() - self.truth).abs() <= preview.error()).count()
    }

    fn json(&self) -> Value {
        let preview = self.answer();
        json!({
            "condition": self.name, "seconds": digits(self.slowest()), "count": preview.count(), "error": preview.error(),
            "share": digits(preview.share()), "sample": preview.sample.len(), "truth": self.truth, "within": self.within(),
            "rounds": self.rounds.len(), "whole_seconds": digits(self.whole.seconds),
            "whole_cpu_seconds": digits(self.whole.cpu_seconds), "peak_mib": digits(self.peak_mib()),
        })
    }
}

fn report(history: History, all: &[Asked], loading: Cost, load: f64) {
    let (customers, events) = (history.customers, history.events);
    println!(
        "Preview: {customers} customers, {events} events on SQLite, loaded in {} s; the slowest round",
        digits(loading.seconds)
    );
    let heads = ["seconds", "count", "± error", "looked at, %", "truth", "within", "whole, s", "peak MiB"];
    println!("{:<34} {}", "", heads.map(|head| format!("{head:>14}")).join(""));
    for asked in all {
        let preview = asked.answer();
        let within = format!("{} of {}", asked.within(), asked.rounds.len());
        println!(
            "{:<34} {:>14}{:>14}{:>14}{:>14}{:>14}{within:>14}{:>14}{:>14}",
            asked.name,
            digits(asked.slowest()),
            preview.count(),
            preview.error(),
            digits(preview.share() * 100.0),
            asked.truth,
            digits(asked.whole.seconds),
            digits(asked.peak_mib()),
        );
    }
    let slowest = all.iter().map(Asked::slowest).fold(0.0, f64::max);
    println!("the slowest answer took {} s (aim {AIM_SECONDS})", digits(slowest));
    let line = json!({
        "scenario": "preview", "database": "sqlite", "customers": customers, "events": events, "load": load,
        "time_seconds": TIME.as_secs_f64(), "conditions": all.iter().map(Asked::json).collect::<Vec<_>>(),
    });
    println!("{line}");
}
