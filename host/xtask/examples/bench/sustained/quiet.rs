//! A tenant with one event now and then, beside one that floods the hub: whether each call is taken, and how soon the
//! engine has passed it.

use anyhow::{Context, Result};
use reqwest::{Client, StatusCode};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

use super::tenants::Tenant;
use xtask::demo::Api;

/// From one call to the next.
const EVERY: Duration = Duration::from_millis(250);
/// How often it is asked whether an event is passed: the lag is known to this.
const LOOK: Duration = Duration::from_millis(10);

pub struct Quiet {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Result<Told>>,
}

#[derive(Default)]
pub struct Told {
    pub ms: Vec<f64>,
    pub refused: u64,
    /// From the answer until nothing of the tenant waits for the engine.
    pub lag_ms: Vec<f64>,
}

impl Quiet {
    pub fn start(url: &str, tenant: &Tenant) -> Result<Quiet> {
        let stop = Arc::new(AtomicBool::new(false));
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(120)).build()?;
        let status = Api::new(url, &tenant.api_key)?;
        let task = tokio::spawn(run(client, format!("{url}/v1/track"), tenant.write_key.clone(), status, stop.clone()));
        Ok(Quiet { stop, task })
    }

    pub async fn stop(self) -> Result<Told> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await?
    }
}

async fn run(client: Client, url: String, key: String, status: Api, stop: Arc<AtomicBool>) -> Result<Told> {
    let mut told = Told::default();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let began = Instant::now();
        let event = json!({"event": "Looked", "messageId": format!("quiet-{number}"), "userId": format!("quiet-{}", number % 100)});
        let answer = client.post(&url).basic_auth(&key, Some("")).json(&event).send().await?;
        told.ms.push(began.elapsed().as_secs_f64() * 1e3);
        if answer.status() == StatusCode::OK {
            let answered = Instant::now();
            while status.get("/api/v1/status").await?["behind"].as_i64().context("the status has no `behind`")? > 0 {
                tokio::time::sleep(LOOK).await;
            }
            told.lag_ms.push(answered.elapsed().as_secs_f64() * 1e3);
        } else {
            told.refused += 1;
        }
        tokio::time::sleep(EVERY.saturating_sub(began.elapsed())).await;
    }
    Ok(told)
}
