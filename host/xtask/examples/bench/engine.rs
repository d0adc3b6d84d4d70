//! P2: the standard events through the whole engine, from append to checkpoint: identity, profile, five segments, the rule
//! of `rfm`, a journey that starts a run and puts a message into the outbox for every tenth order, and the outbox itself,
//! sent by `webhook` to a receiver in this process.
//!
//! Then the same by the number of events and by the number of segments: neither may change what an event costs, unless
//! the segments ask about it.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crate::audiences::{self, Crowd};
use crate::costs::machine_load;
use crate::events::Stream;
use crate::feed::{Fed, feed};
use crate::hub::{Hub, NOW, Segment};
use crate::mix;
use crate::scale::Scale;
use crate::statistics::{Fit, digits, median};

/// Events of a fresh hub each; the last only at full scale.
const SIZES: [usize; 3] = [10_000, 100_000, 1_000_000];
/// So many events at most are spent on the rounds of a size.
const SPENT: usize = 300_000;
const CROWDS: [usize; 3] = [10, 100, 1_000];
/// Events that come behind those of a size, and say what one costs by then.
const THEN: usize = 10_000;
/// How often it is asked whether the outbox is empty.
const DRAINING: Duration = Duration::from_millis(50);
/// Events of a round of a crowd.
const CROWD_EVENTS: usize = 20_000;
/// Rounds have lower numbers than this: their events have other ids than those behind them.
const BEHIND: u64 = 1 << 32;

/// What all hubs of this scenario have in common.
struct Setting {
    rfm: Vec<u8>,
    webhook: Vec<u8>,
    receiver: SocketAddr,
    received: Arc<AtomicU64>,
    /// Compiled components, so that only the first hub compiles.
    cache: tempfile::TempDir,
}

/// The rounds of one size, or of one crowd.
#[derive(Default)]
struct Side {
    events_per_second: Vec<f64>,
    micros: Vec<f64>,
    cpu_micros: Vec<f64>,
    peak_mib: f64,
    /// Of the events that come behind so many.
    then_cpu_micros: Vec<f64>,
    /// Received by the time of the last checkpoint of the last round, and not yet.
    sent: u64,
    unsent: i64,
}

pub fn run(components: &Path, rounds: u64, scale: Scale) -> Result<()> {
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    executor.block_on(measure(components, rounds, scale))
}

async fn measure(components: &Path, rounds: u64, scale: Scale) -> Result<()> {
    let component = |name: &str| {
        let path = components.join(format!("{name}.wasm"));
        std::fs::read(&path).with_context(|| path.display().to_string())
    };
    let (receiver, received) = mix::receive().await?;
    let (rfm, webhook, cache) = (component("rfm")?, component("webhook")?, tempfile::tempdir()?);
    let setting = Setting { rfm, webhook, receiver, received, cache };
    let load = machine_load();
    let sizes = SIZES.into_iter().take(if scale.full { 3 } else { 2 });
    let mut sizes: Vec<(usize, Side)> = sizes.map(|size| (scale.of(size), Side::default())).collect();
    for round in 0..rounds {
        for (count, side) in &mut sizes {
            if round == 0 || round < (SPENT / *count) as u64 {
                eprintln!("{count} events, round {}", round + 1);
                side.round(&setting, &audiences::standard(), *count, scale.of(THEN), round).await?;
            }
        }
    }
    let mut crowds: Vec<(Crowd, usize, Side)> = Vec::new();
    for crowd in [Crowd::Irrelevant, Crowd::Relevant] {
        crowds.extend(CROWDS.map(|count| (crowd, count, Side::default())));
    }
    for round in 0..rounds {
        for (crowd, count, side) in &mut crowds {
            eprintln!("{count} segments, {}, round {}", crowd.name(), round + 1);
            let mut segments = audiences::standard();
            segments.extend(crowd.segments(*count - segments.len()));
            side.round(&setting, &segments, scale.of(CROWD_EVENTS), 0, round).await?;
        }
    }
    report(&sizes, &crowds, load);
    Ok(())
}

impl Side {
    /// A fresh hub takes `count` events, and so many more.
    async fn round(
        &mut self,
        setting: &Setting,
        segments: &[Segment],
        count: usize,
        then: usize,
        round: u64,
    ) -> Result<()> {
        let hub = hub(setting, segments).await?;
        let before = mix::count(&setting.received);
        let (tenant, now) = (hub.tenant, jiff::Timestamp::from_microsecond(NOW.micros())?);
        let events = |seed: u64, count| Stream::new(seed, now).take(count).map(move |event| event.arrived(tenant));
        let Fed { accepted, cost } = feed(&hub, events(round, count)).await?;
        self.sent = mix::count(&setting.received) - before;
        self.unsent = hub.standing().await?.unsent;
        if then > 0 {
            // What is still in the outbox would be sent beside them.
            while hub.standing().await?.unsent > 0 {
                tokio::time::sleep(DRAINING).await;
            }
            let fed = feed(&hub, events(round + BEHIND, then)).await?;
            self.then_cpu_micros.push(fed.cost.cpu_seconds * 1e6 / fed.accepted as f64);
        }
        hub.close().await;
        let an_event = |seconds: f64| seconds * 1e6 / accepted as f64;
        self.events_per_second.push(accepted as f64 / cost.seconds);
        self.micros.push(an_event(cost.seconds));
        self.cpu_micros.push(an_event(cost.cpu_seconds));
        self.peak_mib = self.peak_mib.max(cost.peak_mib);
        Ok(())
    }

    fn row(&self) -> String {
        let figures = [&self.events_per_second, &self.micros, &self.cpu_micros].map(|rounds| digits(median(rounds)));
        let mut row = format!("{:>13}", self.micros.len());
        figures.iter().for_each(|figure| row += &format!("{figure:>13}"));
        row += &format!("{:>13}{:>13}{:>13}", digits(self.peak_mib), self.sent, self.unsent);
        match self.then_cpu_micros.as_slice() {
            [] => row,
            then => row + &format!("{:>13}", digits(median(then))),
        }
    }

    fn json(&self) -> Value {
        json!({
            "events_per_second": digits(median(&self.events_per_second)), "micros_per_event": digits(median(&self.micros)),
            "cpu_micros_per_event": digits(median(&self.cpu_micros)), "peak_mib": digits(self.peak_mib),
            "then_cpu_micros_per_event": digits(median(&self.then_cpu_micros)), "sent": self.sent, "unsent": self.unsent, "rounds": self.micros.len(),
        })
    }
}

/// A fresh hub with all that P2 asks for in force.
async fn hub(setting: &Setting, segments: &[Segment]) -> Result<Hub> {
    let allow_private = vec![setting.receiver.to_string().parse()?];
    let cache = Some(setting.cache.path().to_owned());
    let mut hub = Hub::with(openhub_runtime::Config { cache, allow_private, ..Default::default() }).await?;
    hub.install(setting.rfm.clone(), json!({}), &[]).await?;
    let settings = json!({"url": format!("http://{}/messages", setting.receiver)});
    hub.install(setting.webhook.clone(), settings, &[("signing", mix::SECRET)]).await?;
    hub.publish_journey("thanks", &mix::journey()).await?;
    let position = hub.publish_segments(segments).await?;
    hub.start();
    hub.reached(position).await?;
    hub.filled().await?;
    Ok(hub)
}

fn report(sizes: &[(usize, Side)], crowds: &[(Crowd, usize, Side)], load: f64) {
    println!("P2 engine: append to checkpoint on SQLite, synchronous=FULL; 5 segments, `rfm`, a journey, the outbox");
    let heads = ["rounds", "events/s", "µs/event", "CPU µs/event", "peak MiB", "sent", "unsent", "then, CPU µs"];
    println!("{:<28} {}", "", heads.map(|head| format!("{head:>13}")).join(""));
    for (count, side) in sizes {
        println!("{:<28} {}", format!("{count} events"), side.row());
    }
    for (crowd, count, side) in crowds {
        println!("{:<28} {}", format!("{count} segments, {}", crowd.name()), side.row());
    }
    let points = |of: fn(&Side) -> &[f64]| -> Vec<(f64, f64)> {
        sizes.iter().map(|(count, side)| ((*count as f64).log10(), median(of(side)))).collect()
    };
    let (wall, cpu) = (Fit::of(&points(|side| &side.micros)), Fit::of(&points(|side| &side.cpu_micros)));
    let then = Fit::of(&points(|side| &side.then_cpu_micros));
    println!(
        "cost of an event = a + b·log10(N): {wall} µs by the clock, {cpu} µs of CPU; {then} µs of CPU behind N events"
    );
    let line = json!({
        "scenario": "engine", "database": "sqlite", "synchronous": "full", "load": load,
        "sizes": sizes.iter().map(|(count, side)| json!({"events": count, "cost": side.json()})).collect::<Vec<_>>(),
        "fit": {"micros": wall.json(), "cpu_micros": cpu.json(), "then_cpu_micros": then.json()},
        "segments": crowds.iter().map(|(crowd, count, side)| {
            json!({"segments": count, "others": crowd.name(), "cost": side.json()})
        }).collect::<Vec<_>>(),
    });
    println!("{line}");
}
