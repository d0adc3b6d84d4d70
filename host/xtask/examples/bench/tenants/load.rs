//! Events spread over the tenants, as fast as the hub takes them.

use anyhow::{Result, ensure};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::house::House;
use crate::events::{BATCH, Random, Stream, Zipf};
use xtask::demo::{Api, Usage};

const CALLERS: u64 = 16;
/// How often the hub is asked whether it has done all.
const LOOK: Duration = Duration::from_millis(100);

pub struct Made {
    pub per_second: f64,
    pub cpu_micros_per_event: f64,
}

/// Sends `count` events, a batch to one tenant each, and waits until the engine has handled them.
pub async fn flat_out(house: &House, count: usize) -> Result<Made> {
    let before = (house.counted("openhub_events_accepted_total").await?, handled(house).await?);
    let cpu = Usage::of(house.hub.pid())?.cpu_seconds();
    let began = Instant::now();
    let batches = count.div_ceil(CALLERS as usize * BATCH);
    let keys = Arc::new(house.keys.clone());
    let callers = (0..CALLERS).map(|series| tokio::spawn(call(house.hub.url.clone(), keys.clone(), series, batches)));
    for caller in callers.collect::<Vec<_>>() {
        caller.await??;
    }
    let accepted = house.counted("openhub_events_accepted_total").await? - before.0;
    ensure!(accepted >= count as f64 / 2.0, "the hub took {accepted} of {count} events");
    while handled(house).await? - before.1 < accepted {
        tokio::time::sleep(LOOK).await;
    }
    let seconds = began.elapsed().as_secs_f64();
    let spent = Usage::of(house.hub.pid())?.cpu_seconds() - cpu;
    Ok(Made { per_second: accepted / seconds, cpu_micros_per_event: spent * 1e6 / accepted })
}

async fn handled(house: &House) -> Result<f64> {
    house.counted("openhub_events_processed_total").await
}

async fn call(url: String, keys: Arc<Vec<String>>, series: u64, batches: usize) -> Result<()> {
    let (zipf, mut random) = (Zipf::new(keys.len()), Random(series + 1));
    let mut events = Stream::new(series, jiff::Timestamp::now());
    for _ in 0..batches {
        let key = &keys[zipf.draw(&mut random).min(keys.len() - 1)];
        let bodies: Vec<String> = events.by_ref().take(BATCH).map(|event| event.body).collect();
        Api::new(&url, key)?.ingest("/v1/batch", format!("{{\"batch\":[{}]}}", bodies.join(","))).await?;
    }
    Ok(())
}
