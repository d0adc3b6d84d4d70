//! From a partner's request until all that it subscribed to is made.

use anyhow::{Context, Result, bail};
use reqwest::Method;
use serde_json::json;
use std::time::{Duration, Instant};

use super::house::House;
use xtask::demo::Api;

const LOOK: Duration = Duration::from_millis(5);

/// Milliseconds of each of the first `count` tenants.
pub async fn times(house: &House, count: usize) -> Result<Vec<f64>> {
    let provider = Api::new(&house.hub.url, &house.top)?;
    provider
        .call(Method::PUT, "/api/v1/offerings/visits", Some(&json!({"title": {"en": "Visits", "zh": "到访"}})))
        .await?;
    let version = json!({"approval": "automatic", "items": [
        {"object-type": {"name": "visit", "declaration": {"fields": [{"name": "code", "type": "text"}]}}},
        {"segment": {"name": "lapsed", "condition": {"attribute": {"name": "tier", "is": "eq", "value": "lapsed"}}}},
        {"journey": {"name": "greet", "definition": {
            "trigger": {"segment": "lapsed", "on": "entered"}, "start": "rest",
            "nodes": {"rest": {"type": "wait", "duration": "2d", "next": "end"}, "end": {"type": "exit"}}}}}
    ]});
    provider.call(Method::POST, "/api/v1/offerings/visits/versions", Some(&version)).await?;
    provider.call(Method::POST, "/api/v1/offerings/visits/versions/1/publish", None).await?;
    let mut times = Vec::with_capacity(count);
    for key in house.keys.iter().take(count) {
        let partner = Api::new(&house.hub.url, key)?;
        let request = json!({"key": "bench", "offering": "visits", "time_zone": "Asia/Shanghai"});
        let began = Instant::now();
        let made = partner.call(Method::POST, "/api/v1/subscriptions", Some(&request)).await?;
        let id = made["id"].as_str().context("a subscription has an id")?;
        provisioned(&partner, id).await?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times)
}

async fn provisioned(partner: &Api, id: &str) -> Result<()> {
    loop {
        let operations = partner.get(&format!("/api/v1/subscriptions/{id}/operations")).await?;
        match operations["operations"][0]["state"].as_str() {
            Some("succeeded") => return Ok(()),
            Some("failed") => bail!("it was not provisioned: {operations}"),
            _ => tokio::time::sleep(LOOK).await,
        }
    }
}
