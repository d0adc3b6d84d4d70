//! Callers who send batches of the standard event one after the other, each as fast as it is answered.

use anyhow::{Result, bail, ensure};
use reqwest::{Client, StatusCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

use crate::events::{BATCH, Stream};

pub const CALLERS: usize = 16;

pub struct Callers {
    accepted: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Result<Sent>>>,
}

#[derive(Default)]
pub struct Sent {
    /// Events that were answered 2xx, duplicates among them.
    pub accepted: usize,
    pub ms: Vec<f64>,
    /// Answers 429.
    pub put_off: u64,
    /// Answers 503.
    pub away: u64,
}

impl Callers {
    /// They go on until they are ended, or have sent `count` events together. `series` keeps their events apart from others'.
    pub fn start(url: &str, key: &str, series: u64, count: Option<usize>) -> Result<Callers> {
        let (accepted, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let mut tasks = Vec::with_capacity(CALLERS);
        for number in 0..CALLERS as u64 {
            let caller = Caller {
                client: Client::builder().no_proxy().timeout(Duration::from_secs(120)).build()?,
                url: format!("{url}/v1/batch"),
                key: key.to_owned(),
                batches: count.map(|count| count.div_ceil(CALLERS * BATCH)),
                accepted: accepted.clone(),
                stop: stop.clone(),
            };
            tasks.push(tokio::spawn(caller.run(series * CALLERS as u64 + number)));
        }
        Ok(Callers { accepted, stop, tasks })
    }

    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// An error as soon as one of them has ended by itself.
    pub fn are_well(&self) -> Result<()> {
        ensure!(!self.tasks.iter().any(JoinHandle::is_finished), "a caller gave up");
        Ok(())
    }

    /// Waits for those that end by themselves.
    pub async fn finished(self) -> Result<Sent> {
        let mut all = Sent::default();
        for task in self.tasks {
            let sent = task.await??;
            all.accepted += sent.accepted;
            all.ms.extend(sent.ms);
            all.put_off += sent.put_off;
            all.away += sent.away;
        }
        Ok(all)
    }

    pub async fn stop(self) -> Result<Sent> {
        self.stop.store(true, Ordering::Relaxed);
        self.finished().await
    }
}

struct Caller {
    client: Client,
    url: String,
    key: String,
    /// How many it sends; without, until it is stopped.
    batches: Option<usize>,
    accepted: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Caller {
    async fn run(self, series: u64) -> Result<Sent> {
        let mut sent = Sent::default();
        let mut events = Stream::new(series, jiff::Timestamp::now());
        for number in 0.. {
            if self.batches.is_some_and(|batches| number >= batches) || self.stop.load(Ordering::Relaxed) {
                break;
            }
            let bodies: Vec<String> = events.by_ref().take(BATCH).map(|event| event.body).collect();
            let body = format!("{{\"batch\":[{}]}}", bodies.join(","));
            if self.send(&body, &mut sent).await? {
                sent.accepted += BATCH;
                self.accepted.fetch_add(BATCH, Ordering::Relaxed);
            }
        }
        Ok(sent)
    }

    /// Again until it is taken, as libraries do. False if it was stopped before.
    async fn send(&self, body: &str, sent: &mut Sent) -> Result<bool> {
        while !self.stop.load(Ordering::Relaxed) {
            let began = Instant::now();
            let request = self.client.post(&self.url).basic_auth(&self.key, Some(""));
            let answer = request.header("content-type", "application/json").body(body.to_owned()).send().await?;
            let wait = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
            match answer.status() {
                StatusCode::OK => {
                    sent.ms.push(began.elapsed().as_secs_f64() * 1e3);
                    return Ok(true);
                }
                StatusCode::TOO_MANY_REQUESTS => sent.put_off += 1,
                StatusCode::SERVICE_UNAVAILABLE => sent.away += 1,
                status => bail!("a batch was answered {status}: {}", answer.text().await?),
            }
            let until = Instant::now() + Duration::from_secs(wait.unwrap_or(1));
            while Instant::now() < until && !self.stop.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Ok(false)
    }
}
