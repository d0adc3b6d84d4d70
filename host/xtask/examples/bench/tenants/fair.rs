//! What a noisy tenant does to a quiet one: ten tenants send their even share of 60 % of what the hub makes; then one of
//! them, which is not the quiet one, sends ten times its share.
//!
//! Calls are due at times that are set beforehand, so that a hub that is late makes the calls behind it late too, and is not
//! sent less.

use anyhow::{Result, bail};
use reqwest::{Client, StatusCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::house::House;
use super::load;
use crate::events::{BATCH, Stream};
use crate::scale::Scale;

pub const TENANTS: usize = 10;
const LOAD: f64 = 0.6;
const NOISE: f64 = 10.0;
/// How long each of the two lasts, in seconds.
const LASTS: usize = 60;
/// Events by which the hub's speed is found.
const PROBE: usize = 200_000;
/// Calls of one tenant that are under way at once: more wait for their turn, like connections of a library's pool.
const UNDER_WAY: usize = 64;

pub struct Fairness {
    /// Events a second.
    pub capacity: f64,
    pub alone: Told,
    pub beside: Told,
}

/// What the quiet tenant met, and what all sent.
#[derive(Default)]
pub struct Told {
    /// From when a call of the quiet tenant was due until it was answered.
    pub ms: Vec<f64>,
    pub refused: u64,
    /// Calls of the noisy tenant that were answered 429 or 503.
    pub put_off: u64,
    pub sent_per_second: f64,
}

pub async fn measure(house: &House, scale: Scale) -> Result<Fairness> {
    let capacity = load::flat_out(house, scale.of(PROBE)).await?.per_second;
    let share = capacity * LOAD / TENANTS as f64;
    let lasts = Duration::from_secs(scale.of(LASTS) as u64);
    eprintln!("ten tenants, {share:.0} events/s each");
    let alone = together(house, share, share, lasts, 1).await?;
    eprintln!("one of them with {:.0} events/s", share * NOISE);
    let beside = together(house, share, share * NOISE, lasts, 2).await?;
    Ok(Fairness { capacity, alone, beside })
}

/// The first tenant is the quiet one, the last the noisy one.
async fn together(house: &House, share: f64, noise: f64, lasts: Duration, round: u64) -> Result<Told> {
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(120)).build()?;
    let mut senders = Vec::new();
    for (number, key) in house.keys.iter().enumerate() {
        let rate = if number + 1 == house.keys.len() { noise } else { share };
        let sender = Sender {
            client: client.clone(),
            url: format!("{}/v1/batch", house.hub.url),
            key: key.clone(),
            every: Duration::from_secs_f64(BATCH as f64 / rate),
        };
        senders.push(tokio::spawn(sender.run(lasts, 1_000 * round + number as u64)));
    }
    let mut told = Told::default();
    let mut sent = 0;
    let last = senders.len() - 1;
    for (number, sender) in senders.into_iter().enumerate() {
        let one = sender.await??;
        sent += one.ms.len() * BATCH;
        if number == 0 {
            (told.ms, told.refused) = (one.ms, one.put_off);
        } else if number == last {
            told.put_off = one.put_off;
        }
    }
    told.sent_per_second = sent as f64 / lasts.as_secs_f64();
    Ok(told)
}

struct Sender {
    client: Client,
    url: String,
    key: String,
    /// From one call to the next.
    every: Duration,
}

/// What one tenant's calls met.
#[derive(Default)]
struct Sent {
    ms: Vec<f64>,
    put_off: u64,
}

impl Sender {
    async fn run(self, lasts: Duration, series: u64) -> Result<Sent> {
        let places = Arc::new(tokio::sync::Semaphore::new(UNDER_WAY));
        let mut events = Stream::new(series, jiff::Timestamp::now());
        let mut calls = tokio::task::JoinSet::new();
        let began = Instant::now();
        let mut due = began;
        while due.duration_since(began) < lasts {
            let bodies: Vec<String> = events.by_ref().take(BATCH).map(|event| event.body).collect();
            tokio::time::sleep_until(due.into()).await;
            let place = places.clone().acquire_owned().await?;
            let request = self.client.post(&self.url).basic_auth(&self.key, Some(""));
            let request = request.header("content-type", "application/json");
            let request = request.body(format!("{{\"batch\":[{}]}}", bodies.join(",")));
            calls.spawn(async move {
                let status = request.send().await?.status();
                drop(place);
                anyhow::Ok((status, due.elapsed().as_secs_f64() * 1e3))
            });
            due += self.every;
        }
        let mut sent = Sent::default();
        while let Some(call) = calls.join_next().await {
            match call?? {
                (StatusCode::OK, ms) => sent.ms.push(ms),
                (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, _) => sent.put_off += 1,
                (status, _) => bail!("a batch was answered {status}"),
            }
        }
        Ok(sent)
    }
}
