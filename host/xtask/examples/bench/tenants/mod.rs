//! P10: one, a hundred and ten thousand tenants in the release hub, over HTTP on SQLite with FULL durability. What they cost at
//! rest, what the hub makes of events that are spread over them, how long a subscription takes to be there, and what a noisy
//! tenant does to a quiet one.

mod fair;
mod house;
mod load;
mod subscription;

use anyhow::Result;
use serde_json::{Value, json};
use std::path::Path;

use crate::costs::machine_load;
use crate::scale::Scale;
use crate::statistics::{digits, median, percentile};
use fair::Fairness;
use house::{House, Rest};

const SIZES: [usize; 3] = [1, 100, 10_000];
/// Events of each size.
const EVENTS: usize = 200_000;
/// Subscriptions that are asked for, one after the other.
const SUBSCRIPTIONS: usize = 10;

/// What was seen of one number of tenants.
struct Size {
    tenants: usize,
    rest: Rest,
    /// From the first request to the last event that the engine has handled.
    events_per_second: f64,
    cpu_micros_per_event: f64,
}

pub fn run(program: &Path, scale: Scale) -> Result<()> {
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    executor.block_on(measure(program, scale))
}

async fn measure(program: &Path, scale: Scale) -> Result<()> {
    let load = machine_load();
    let mut sizes = Vec::new();
    let mut tenants: Vec<usize> = SIZES.iter().map(|&size| if size == 1 { 1 } else { scale.of(size).max(2) }).collect();
    tenants.dedup();
    for tenants in tenants {
        eprintln!("{tenants} tenants");
        let place = tempfile::Builder::new().prefix("openhub-bench-").tempdir()?;
        let mut house = House::build(program, place.path(), tenants).await?;
        let rest = house.rest().await?;
        let made = load::flat_out(&house, scale.of(EVENTS)).await?;
        sizes.push(Size {
            tenants,
            rest,
            events_per_second: made.per_second,
            cpu_micros_per_event: made.cpu_micros_per_event,
        });
        house.stop().await?;
    }
    let place = tempfile::Builder::new().prefix("openhub-bench-").tempdir()?;
    let house = House::build(program, place.path(), fair::TENANTS).await?;
    let subscribed = subscription::times(&house, SUBSCRIPTIONS).await?;
    let fairness = fair::measure(&house, scale).await?;
    house.stop().await?;
    report(&sizes, &subscribed, &fairness, load);
    Ok(())
}

fn report(sizes: &[Size], subscribed: &[f64], fairness: &Fairness, load: f64) {
    println!("P10 tenants: SQLite WAL, synchronous=FULL; events spread by Zipf(1.0) over the tenants");
    println!(
        "{:>8} {:>10} {:>12} {:>14} {:>11} {:>16}",
        "tenants", "rest, MiB", "KiB a tenant", "CPU s in 10 s", "events/s", "CPU µs an event"
    );
    let alone = sizes.first().map_or(0.0, |first| first.rest.resident_kib);
    let per_tenant = |size: &Size| (size.rest.resident_kib - alone) / (size.tenants.max(2) - 1) as f64;
    for size in sizes {
        println!(
            "{:>8} {:>10} {:>12} {:>14} {:>11} {:>16}",
            size.tenants,
            digits(size.rest.resident_kib / 1024.0),
            digits(per_tenant(size)),
            digits(size.rest.cpu_seconds),
            digits(size.events_per_second),
            digits(size.cpu_micros_per_event)
        );
    }
    let of_one = match (sizes.first(), sizes.last()) {
        (Some(first), Some(last)) => last.events_per_second / first.events_per_second,
        _ => 0.0,
    };
    let ratio = |share: f64| {
        let (alone, beside) = (percentile(&fairness.alone.ms, share), percentile(&fairness.beside.ms, share));
        (alone, beside, beside / alone)
    };
    let ((median_alone, median_beside, _), (alone, beside, raised)) = (ratio(0.5), ratio(0.99));
    let lines = [
        ("the most tenants: events/s, of what one makes", digits(of_one)),
        ("a subscription, ms: median", digits(median(subscribed))),
        ("a subscription, ms: greatest", digits(percentile(subscribed, 1.0))),
        ("fairness: events/s that the hub makes", digits(fairness.capacity)),
        ("fairness: events/s sent by all, before", digits(fairness.alone.sent_per_second)),
        ("fairness: events/s sent by all, with noise", digits(fairness.beside.sent_per_second)),
        ("quiet tenant's call, ms: median before", digits(median_alone)),
        ("quiet tenant's call, ms: median with noise", digits(median_beside)),
        ("quiet tenant's call, ms: p99 before", digits(alone)),
        ("quiet tenant's call, ms: p99 with noise", digits(beside)),
        ("  times what it was before", digits(raised)),
        ("quiet tenant's calls", (fairness.alone.ms.len() + fairness.beside.ms.len()) as f64),
        ("quiet tenant's calls not taken", (fairness.alone.refused + fairness.beside.refused) as f64),
        ("noisy tenant's calls put off", fairness.beside.put_off as f64),
    ];
    lines.iter().for_each(|(name, value)| println!("{name:<48} {value:>12}"));
    let figures: Vec<Value> = lines.iter().map(|(name, value)| json!({"name": name.trim(), "value": value})).collect();
    let table: Vec<Value> = sizes
        .iter()
        .map(|size| {
            json!({
                "tenants": size.tenants, "rest_kib": digits(size.rest.resident_kib), "kib_per_tenant": digits(per_tenant(size)),
                "rest_cpu_seconds": digits(size.rest.cpu_seconds), "events_per_second": digits(size.events_per_second),
                "cpu_micros_per_event": digits(size.cpu_micros_per_event),
            })
        })
        .collect();
    println!(
        "{}",
        json!({"scenario": "p10", "database": "sqlite", "synchronous": "full", "load": load, "sizes": table, "figures": figures})
    );
}
