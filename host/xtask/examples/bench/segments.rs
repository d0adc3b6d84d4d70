//! P5: segments that follow events. What a predicate costs that an event asks, what those cost that it does not ask, and
//! how long after its append an event is seen in the memberships, on a hub that has nothing else to do.
//!
//! No rule and no journey: what an event costs without segments is the same on all sides and falls out of the differences.

use anyhow::{Result, ensure};
use openhub_model::identity::Authority;
use openhub_model::{EventKind, Identity, NewEvent, TenantId};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

use crate::audiences::{Crowd, ORDER};
use crate::costs::machine_load;
use crate::events::Random;
use crate::feed::{Fed, feed};
use crate::hub::{Hub, NOW, Segment};
use crate::scale::Scale;
use crate::statistics::{digits, median, percentile};

const FEW: usize = 10;
const MANY: usize = 1_000;
/// Each has the same share of the events.
const CUSTOMERS: u64 = 2_000;
/// Events of a round and side.
const EVENTS: usize = 10_000;
/// Events whose way into the memberships is timed, a side.
const PROBES: u64 = 200;
/// Rest between two of them.
const REST: Duration = Duration::from_millis(5);
/// The segment that every probe enters.
const PROBED: &str = "ordered";

/// A hub with segments, and what its rounds cost.
struct Side {
    label: &'static str,
    asked: usize,
    unasked: usize,
    hub: Hub,
    micros: Vec<f64>,
    cpu_micros: Vec<f64>,
    peak_mib: f64,
    /// Memberships that began or ended, an event.
    crossings: Vec<f64>,
    visible_ms: Vec<f64>,
}

pub fn run(rounds: u64, scale: Scale) -> Result<()> {
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    executor.block_on(measure(rounds, scale))
}

async fn measure(rounds: u64, scale: Scale) -> Result<()> {
    let (load, many) = (machine_load(), scale.of(MANY).max(FEW + 1));
    let mut sides = vec![
        Side::open("the same 10", FEW, 0).await?,
        Side::open("and as many that nothing asks", FEW, many - FEW).await?,
        Side::open("all of them asked", many, 0).await?,
    ];
    // The first round is not measured: in it, all customers are new.
    for round in 0..=rounds {
        for side in &mut sides {
            eprintln!("{}, round {round} of {rounds}", side.label);
            side.round(scale.of(EVENTS), round).await?;
        }
    }
    for side in &mut sides {
        for probe in 0..PROBES {
            side.probe(probe).await?;
        }
    }
    report(&sides, scale.of(EVENTS), rounds, load);
    for side in sides {
        side.hub.close().await;
    }
    Ok(())
}

impl Side {
    /// `asked` segments that every order asks, and `unasked` that none does.
    async fn open(label: &'static str, asked: usize, unasked: usize) -> Result<Side> {
        let mut hub = Hub::open().await?;
        let first = json!({"event": {"name": ORDER, "within": "30d", "is": "ge", "value": 1}});
        let mut segments: Vec<Segment> = vec![(PROBED.to_owned(), first)];
        segments.extend(Crowd::Relevant.segments(asked - 1));
        segments.extend(Crowd::Irrelevant.segments(unasked));
        let position = hub.publish_segments(&segments).await?;
        hub.start();
        hub.reached(position).await?;
        hub.filled().await?;
        let (micros, cpu_micros, crossings, visible_ms) = Default::default();
        Ok(Side { label, asked, unasked, hub, micros, cpu_micros, peak_mib: 0.0, crossings, visible_ms })
    }

    async fn round(&mut self, count: usize, round: u64) -> Result<()> {
        let tenant = self.hub.tenant;
        let head = self.hub.standing().await?.head;
        let mut random = Random(round);
        let events = (0..count).map(move |number| {
            let customer = if round == 0 { number as u64 % CUSTOMERS } else { random.below(CUSTOMERS) };
            order(tenant, &format!("{round}-{number}"), customer, &mut random)
        });
        let Fed { accepted, cost } = feed(&self.hub, events).await?;
        if round == 0 {
            return Ok(());
        }
        let an_event = |amount: f64| amount / accepted as f64;
        self.micros.push(an_event(cost.seconds * 1e6));
        self.cpu_micros.push(an_event(cost.cpu_seconds * 1e6));
        self.peak_mib = self.peak_mib.max(cost.peak_mib);
        // Each has its event in the log.
        self.crossings.push(an_event((self.hub.standing().await?.head - head) as f64) - 1.0);
        Ok(())
    }

    /// The first order of somebody new: times from its append until it can be read that they are a member.
    async fn probe(&mut self, probe: u64) -> Result<()> {
        tokio::time::sleep(REST).await;
        let customer = CUSTOMERS + probe;
        let event = order(self.hub.tenant, &format!("probe-{probe}"), customer, &mut Random(probe));
        let part = event.part.into_iter().collect::<Vec<_>>();
        let began = Instant::now();
        let position = self.hub.append(vec![event], 1).await?;
        self.hub.reached(position).await?;
        let memberships = self.hub.store.memberships(&self.hub.scope, &part).await?;
        self.visible_ms.push(began.elapsed().as_secs_f64() * 1e3);
        ensure!(memberships.iter().any(|membership| membership.segment == PROBED), "a probe has entered nothing");
        Ok(())
    }

    fn json(&self) -> Value {
        json!({
            "asked": self.asked, "unasked": self.unasked, "micros_per_event": digits(median(&self.micros)),
            "cpu_micros_per_event": digits(median(&self.cpu_micros)), "crossings_per_event": digits(median(&self.crossings)),
            "visible_ms_p50": digits(median(&self.visible_ms)), "visible_ms_p99": digits(percentile(&self.visible_ms, 0.99)),
            "peak_mib": digits(self.peak_mib),
        })
    }
}

fn order(tenant: TenantId, id: &str, customer: u64, random: &mut Random) -> NewEvent {
    let user = format!("user-{customer}");
    let (cents, quantity) = (random.below(50_000), 1 + random.below(5));
    let body = json!({
        "type": "track", "event": ORDER, "messageId": id, "userId": user,
        "properties": {"order_id": id, "quantity": quantity, "total": cents as f64 / 100.0, "note": "lorem ipsum ".repeat(20)},
    });
    NewEvent {
        message_id: id.to_owned(),
        kind: EventKind::Track,
        name: ORDER.to_owned(),
        part: Some(Identity::new(Identity::USER_ID, user).part(tenant)),
        occurred_at: NOW,
        received_at: NOW,
        historical: false,
        authority: Authority::Server,
        cause: None,
        body: body.to_string(),
    }
}

fn report(sides: &[Side], events: usize, rounds: u64, load: f64) {
    println!(
        "P5 segments: {CUSTOMERS} customers, medians of {rounds} rounds of {events} events, SQLite, synchronous=FULL"
    );
    let heads = ["asked", "unasked", "µs/event", "CPU µs/event", "crossed/event", "visible p50", "p99, ms", "peak MiB"];
    println!("{:<30} {}", "", heads.map(|head| format!("{head:>14}")).join(""));
    for side in sides {
        let figures = [
            median(&side.micros),
            median(&side.cpu_micros),
            median(&side.crossings),
            median(&side.visible_ms),
            percentile(&side.visible_ms, 0.99),
            side.peak_mib,
        ];
        let figures = figures.map(|figure| format!("{:>14}", digits(figure))).join("");
        println!("{:<30} {:>14}{:>14}{figures}", side.label, side.asked, side.unasked);
    }
    let [few, padded, many] = sides else { return };
    let cpu = |side: &Side| median(&side.cpu_micros);
    let predicate = (cpu(many) - cpu(few)) / (many.asked - few.asked) as f64;
    let (ratio, wall) = (cpu(padded) / cpu(few), median(&padded.micros) / median(&few.micros));
    println!("a predicate that is asked: {} µs of CPU (aim 2)", digits(predicate));
    println!(
        "an event beside those that nothing asks: {} times the CPU, {} times the clock (aim 1.05)",
        digits(ratio),
        digits(wall)
    );
    let line = json!({
        "scenario": "segments", "database": "sqlite", "synchronous": "full", "rounds": rounds, "events": events,
        "customers": CUSTOMERS, "load": load, "sides": sides.iter().map(Side::json).collect::<Vec<_>>(),
        "cpu_micros_per_predicate": digits(predicate), "unasked_cpu_ratio": digits(ratio), "unasked_ratio": digits(wall),
    });
    println!("{line}");
}
